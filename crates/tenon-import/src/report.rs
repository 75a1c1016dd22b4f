//! What a plan takes, changes and leaves out.

use std::collections::BTreeMap;

use serde::Serialize;

/// Examples kept for each reason.
const EXAMPLES_MAX: usize = 5;
/// Reasons kept apart; the archive's words are in them, so that their number needs a bound.
const REASONS_MAX: usize = 200;
/// Bytes of a reason or of an example's text.
const TEXT_BYTES_MAX: usize = 160;
/// Where reasons above the bound are counted.
const OTHER: &str = "other reasons";

/// Counts of one channel or of a whole archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Users in the archive's list.
    pub users: u64,
    /// People and bots that speak or are members, but stand in no list.
    pub unlisted_users: u64,
    /// Conversations.
    pub channels: u64,
    /// Messages of people and bots, replies included.
    pub messages: u64,
    /// Changes of topic, title and the like, and deleted messages, kept as notices.
    pub notices: u64,
    /// Joins in the archive.
    pub joins: u64,
    /// Leaves in the archive.
    pub leaves: u64,
    /// Messages that answer in a thread, the first answer to a join included; among `messages` and `notices`.
    pub replies: u64,
    /// Messages that were edited; only the last text is in an export.
    pub edited: u64,
    /// Empty roots put in for threads whose root the archive lost.
    pub lost_roots: u64,
    /// Members of whom the archive has no event: they come in at the beginning.
    pub opening_joins: u64,
    /// Members of whom the last event is a leave: they come in again at the end.
    pub closing_joins: u64,
    /// People who are no members any more although no leave says so: they go at the end.
    pub closing_leaves: u64,
    /// Bytes of encoded message bodies: the lower bound of the disk needed.
    pub body_bytes: u64,
    /// Lines and files that were left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Lines that were taken in another form than they had, by reason.
    pub changed: BTreeMap<String, u64>,
    /// The first few places for each reason.
    pub examples: BTreeMap<String, Vec<Example>>,
}

/// One place in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Path inside the archive.
    pub file: String,
    /// Timestamp in the archive's form; empty if there is none.
    pub ts: String,
    /// What stands there, shortened.
    pub what: String,
}

impl Report {
    /// Entries of the plan: what the server will have applied in the end.
    pub const fn entries(&self) -> u64 {
        self.messages
            + self.notices
            + self.lost_roots
            + self.joins
            + self.leaves
            + self.opening_joins
            + self.closing_joins
            + self.closing_leaves
    }

    /// True if everything in the archive was taken.
    pub fn is_clean(&self) -> bool {
        self.skipped.is_empty()
    }

    /// Adds the counts of another channel.
    pub fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.unlisted_users += other.unlisted_users;
        self.channels += other.channels;
        self.messages += other.messages;
        self.notices += other.notices;
        self.joins += other.joins;
        self.leaves += other.leaves;
        self.replies += other.replies;
        self.edited += other.edited;
        self.lost_roots += other.lost_roots;
        self.opening_joins += other.opening_joins;
        self.closing_joins += other.closing_joins;
        self.closing_leaves += other.closing_leaves;
        self.body_bytes += other.body_bytes;
        for (reason, count) in &other.skipped {
            bump(&mut self.skipped, reason, *count);
        }
        for (reason, count) in &other.changed {
            bump(&mut self.changed, reason, *count);
        }
        for (reason, examples) in &other.examples {
            for example in examples {
                self.keep(reason, example.clone());
            }
        }
    }

    /// Counts something left out.
    pub(crate) fn skip(&mut self, reason: &str, file: &str, ts: &str, what: &str) {
        let reason = bump(&mut self.skipped, shorten(reason), 1);
        self.keep(&reason, example(file, ts, what));
    }

    /// Counts something taken in another form.
    pub(crate) fn change(&mut self, reason: &str, file: &str, ts: &str, what: &str) {
        let reason = bump(&mut self.changed, shorten(reason), 1);
        self.keep(&reason, example(file, ts, what));
    }

    fn keep(&mut self, reason: &str, example: Example) {
        if let Some(kept) = self.examples.get_mut(reason) {
            if kept.len() < EXAMPLES_MAX {
                kept.push(example);
            }
        } else if self.examples.len() < 2 * REASONS_MAX {
            self.examples.insert(reason.to_owned(), vec![example]);
        }
    }
}

/// Adds to a reason; gives the reason under which it was counted.
fn bump(counts: &mut BTreeMap<String, u64>, reason: &str, by: u64) -> String {
    let is_new = !counts.contains_key(reason);
    let reason = if is_new && counts.len() >= REASONS_MAX { OTHER } else { reason };
    let count = counts.entry(reason.to_owned()).or_default();
    *count = count.saturating_add(by);
    reason.to_owned()
}

fn example(file: &str, ts: &str, what: &str) -> Example {
    Example { file: shorten(file).into(), ts: shorten(ts).into(), what: shorten(what).into() }
}

/// The beginning of a text, cut between characters.
pub(crate) fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// An archive that invents a new reason for every line does not fill the memory.
#[test]
fn reasons_are_bounded() {
    let mut report = Report::default();
    for n in 0..1000 {
        report.skip(&format!("subtype {n}"), "c/2020-01-01.json", "1.0", &"x".repeat(1000));
    }
    assert_eq!(report.skipped.len(), REASONS_MAX + 1);
    assert_eq!(report.skipped.values().sum::<u64>(), 1000);
    assert!(report.examples.values().all(|e| e.len() <= EXAMPLES_MAX));
    assert!(report.examples.values().flatten().all(|e| e.what.len() <= TEXT_BYTES_MAX));
    assert!(!report.is_clean());
}

/// The sum of two reports has the counts of both.
#[test]
fn reports_add_up() {
    let mut sum = Report { messages: 2, joins: 1, ..Report::default() };
    sum.skip("no sender", "a", "1.0", "");
    let mut other = Report { messages: 3, closing_leaves: 4, ..Report::default() };
    other.skip("no sender", "b", "2.0", "");
    other.change("cut", "b", "2.0", "");
    sum.add(&other);
    assert_eq!((sum.messages, sum.entries(), sum.skipped["no sender"]), (5, 10, 2));
    assert_eq!((sum.changed["cut"], sum.examples["no sender"].len()), (1, 2));
}
