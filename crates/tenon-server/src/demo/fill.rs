//! Fills a marked data directory: people, groups, two days of history. Everything by local administration, like an operator.
//!
//! Done twice it does nothing new: names, ids and import keys are the same every time, so a start that was cut off is repeated.

use std::time::Duration;

use tenon_base::{ConversationId, MessageId, Timestamp, UserId};
use tenon_core::identity::OrgRole;
use tenon_core::{ImportEntry, ImportItem};
use tenon_import::{Bodies as _, Body, Ids, Mention};
use tenon_receiver::Admin;
use tenon_receiver::admin::{ImportedConversation, NewUser};

use super::cast::{self, ADMIN, DEPARTMENTS, MEMBER, Person, SPEAKERS};
use super::script::{Line, Script};
use crate::error::ServerError;
use crate::importing::WireBodies;

/// What visitors are in.
const ORGANISATION: &str = "Harbour Works (demonstration)";
/// People who talk in one group.
pub(super) const VOICES: usize = 14;
/// Members of the large group.
const CROWD: usize = 10_000;
/// Lines of a group that stand when a visitor comes, at most; the rest is played.
const HISTORY_MAX: usize = 240;
/// Entries in one record of an import.
const ENTRIES_PER_RECORD: usize = 200;
/// Accounts made by one call.
const USERS_PER_CALL: usize = 5_000;
/// The large group's share of what is played, and that of each other group.
const WEIGHT_LARGE: u32 = 4;
const WEIGHT: u32 = 1;
/// Between two lines of one conversation in the history, and between two conversations: at least this, at most twice.
const GAP_IN_TALK: Duration = Duration::from_secs(20);
const GAP_OF_TALKS: Duration = Duration::from_secs(25 * 60);

/// A group in which life is played.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) conv: ConversationId,
    /// Places in [`SPEAKERS`], by voice.
    pub(super) speakers: Vec<usize>,
    pub(super) lines: Vec<Line>,
    /// The line to go on with.
    pub(super) next: usize,
    /// How often it is chosen.
    pub(super) weight: u32,
}

/// Everything there is to play with.
#[derive(Debug)]
pub(super) struct Stage {
    /// By place in [`SPEAKERS`].
    pub(super) speakers: Vec<UserId>,
    pub(super) groups: Vec<Group>,
    /// Direct conversations with the two visitors: with whom, and where.
    pub(super) directs: Vec<(usize, ConversationId)>,
}

/// What a group will be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    /// Natural key: the same in every run.
    key: String,
    name: String,
    speakers: Vec<usize>,
    script: usize,
    /// Where in the script it begins.
    from: usize,
    is_large: bool,
}

fn plan(scripts: &[Script]) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for (at, script) in scripts.iter().enumerate() {
        let department = at % DEPARTMENTS.len();
        let of = DEPARTMENTS.get(department).copied().unwrap_or_default();
        let is_own =
            |place: &usize| SPEAKERS.get(*place).is_some_and(|p| p.department == department);
        let own = (0..SPEAKERS.len()).filter(is_own);
        // Guests from the other departments, different ones in every group.
        let turned = (0..SPEAKERS.len()).map(|place| (place + at * 5) % SPEAKERS.len());
        let guests = turned.filter(|place| !is_own(place));
        plans.push(Plan {
            key: format!("group {at}"),
            name: format!("{of} · {}", script.title),
            speakers: own.chain(guests).take(VOICES).collect(),
            script: at,
            from: 0,
            is_large: false,
        });
    }
    if let Some((at, script)) = scripts.iter().enumerate().next_back() {
        plans.push(Plan {
            key: "everyone".into(),
            name: "Everyone · 10,000 members".into(),
            speakers: (0..SPEAKERS.len()).step_by(2).take(VOICES).collect(),
            script: at,
            from: script.lines.len() / 2,
            is_large: true,
        });
    }
    plans
}

/// Makes what is not there and says what there is. With `is_filled` nothing is written.
pub(super) async fn fill(
    admin: &Admin,
    scripts: &[Script],
    now: Timestamp,
    is_filled: bool,
) -> Result<Stage, ServerError> {
    let named: Vec<Person> = SPEAKERS.iter().copied().chain([ADMIN, MEMBER]).collect();
    if !is_filled {
        let new: Vec<NewUser> = named
            .iter()
            .map(|p| NewUser { name: p.name.into(), display: p.display.into() })
            .collect();
        admin.add_users(&new).await?;
        admin.name_organisation(ORGANISATION).await?;
        admin.set_role(ADMIN.name, OrgRole::Admin).await?;
    }
    let user = |person: &Person| admin.user(person.name);
    let speakers = SPEAKERS.iter().map(user).collect::<Result<Vec<_>, _>>()?;
    let visitors = [user(&ADMIN)?, user(&MEMBER)?];
    let mut filling = Filling { admin, ids: Ids::slack([0xDE; 32]), speakers, visitors, now };
    let mut groups = Vec::new();
    for plan in plan(scripts) {
        let lines =
            scripts.get(plan.script).map(|s| turned(&s.lines, plan.from)).unwrap_or_default();
        groups.push(filling.group(&plan, lines, is_filled).await?);
    }
    let directs = filling.directs(is_filled).await?;
    Ok(Stage { speakers: filling.speakers, groups, directs })
}

fn turned(lines: &[Line], from: usize) -> Vec<Line> {
    let (before, after) = lines.split_at(from.min(lines.len()));
    after.iter().chain(before).cloned().collect()
}

struct Filling<'a> {
    admin: &'a Admin,
    ids: Ids,
    speakers: Vec<UserId>,
    visitors: [UserId; 2],
    now: Timestamp,
}

impl Filling<'_> {
    async fn group(
        &mut self,
        plan: &Plan,
        lines: Vec<Line>,
        is_filled: bool,
    ) -> Result<Group, ServerError> {
        let conv = self.ids.conversation(&plan.key);
        let past = (lines.len() * 3 / 5).min(HISTORY_MAX);
        if !is_filled {
            let history = lines.get(..past).unwrap_or_default();
            self.make(conv, plan, history).await?;
        }
        Ok(Group {
            conv,
            speakers: plan.speakers.clone(),
            next: past,
            lines,
            weight: if plan.is_large { WEIGHT_LARGE } else { WEIGHT },
        })
    }

    async fn make(
        &self,
        conv: ConversationId,
        plan: &Plan,
        history: &[Line],
    ) -> Result<(), ServerError> {
        let times = times(history, self.now);
        let first = times.first().copied().unwrap_or(self.now);
        let created = Timestamp(first.0.saturating_sub(60_000));
        let name = plan.name.clone();
        self.admin.ensure_imported(&ImportedConversation::Group { conv, name, created }).await?;
        let inside = plan.speakers.iter().filter_map(|place| self.speakers.get(*place));
        let mut entries: Vec<ImportEntry> = inside
            .chain(&self.visitors)
            .map(|user| ImportEntry {
                key: join_key(conv, *user),
                time: created,
                user: *user,
                item: ImportItem::Join,
            })
            .collect();
        for (line, time) in history.iter().zip(times) {
            let Some(user) = self.speaker(&plan.speakers, line.voice) else { continue };
            entries.push(ImportEntry {
                key: line_key(conv, &line.key),
                time,
                user,
                item: self.said(conv, &plan.speakers, line, history),
            });
        }
        for part in entries.chunks(ENTRIES_PER_RECORD) {
            self.admin.import(conv, part.to_vec()).await?;
        }
        if let Some(owner) = self.speaker(&plan.speakers, 0) {
            self.admin.set_owner(conv, owner).await?;
        }
        if plan.is_large {
            self.crowd(&plan.name).await?;
        }
        Ok(())
    }

    fn speaker(&self, speakers: &[usize], voice: usize) -> Option<UserId> {
        speakers.get(voice).and_then(|place| self.speakers.get(*place)).copied()
    }

    fn said(
        &self,
        conv: ConversationId,
        speakers: &[usize],
        line: &Line,
        history: &[Line],
    ) -> ImportItem {
        let root = history.iter().find(|other| other.talk == line.talk && line.is_threaded);
        let to = line.to.and_then(|voice| {
            Some((self.speaker(speakers, voice)?, SPEAKERS.get(*speakers.get(voice)?)?.display))
        });
        let Body { kind, bytes } = words(&line.text, to);
        ImportItem::Message {
            kind,
            body: bytes,
            root: root.map(|root| line_key(conv, &root.key)),
            message_id: self.message(conv, &line.key),
            edited: Timestamp(0),
        }
    }

    fn message(&self, conv: ConversationId, key: &[u8; 16]) -> MessageId {
        self.ids.message(&line_key(conv, key))
    }

    /// The rest of the members of the large group.
    async fn crowd(&self, group: &str) -> Result<(), ServerError> {
        let inside = VOICES + self.visitors.len();
        let people: Vec<NewUser> = (0..CROWD - inside)
            .map(cast::extra)
            .map(|(name, display)| NewUser { name, display })
            .collect();
        for part in people.chunks(USERS_PER_CALL) {
            self.admin.add_users(part).await?;
        }
        let names: Vec<String> = people.into_iter().map(|person| person.name).collect();
        self.admin.add_members(group, &names).await?;
        Ok(())
    }

    /// A few colleagues write to the visitors.
    async fn directs(&self, is_filled: bool) -> Result<Vec<(usize, ConversationId)>, ServerError> {
        let mut directs = Vec::new();
        for (at, visitor) in self.visitors.iter().enumerate() {
            for step in 0..3 {
                let place = at + 2 * step;
                let Some(user) = self.speakers.get(place).copied() else { continue };
                let created = Timestamp(self.now.0.saturating_sub(3_600_000));
                let pair = ImportedConversation::Direct { a: user, b: *visitor, created };
                let conv = self.admin.ensure_imported(&pair).await?;
                if step == 0 && !is_filled {
                    self.welcome(conv, user).await?;
                }
                directs.push((place, conv));
            }
        }
        Ok(directs)
    }

    async fn welcome(&self, conv: ConversationId, user: UserId) -> Result<(), ServerError> {
        let said = [
            "Welcome! This is a demonstration: the people are made up, and what they say is replayed from a public archive.",
            "Write anything you like, here or in a group. You can open a second window as the other person and watch it arrive.",
        ];
        let entry = |(at, text): (usize, &&str)| {
            let key = line_key(conv, &[0xD0 + u8::try_from(at).unwrap_or_default(); 16]);
            let Body { kind, bytes } = words(text, None);
            let (root, edited) = (None, Timestamp(0));
            let message_id = self.ids.message(&key);
            let time = Timestamp(self.now.0.saturating_sub(60_000 - 20_000 * at as u64));
            let item = ImportItem::Message { kind, body: bytes, root, message_id, edited };
            ImportEntry { key, time, user, item }
        };
        self.admin.import(conv, said.iter().enumerate().map(entry).collect()).await?;
        Ok(())
    }
}

/// What is said, as devices read it; `to` becomes a mention in front.
pub(super) fn words(text: &str, to: Option<(UserId, &str)>) -> Body {
    let Some((user, display)) = to else { return WireBodies.text(text, &[]) };
    let named = format!("@{display}");
    let len = u32::try_from(named.encode_utf16().count()).unwrap_or_default();
    WireBodies.text(&format!("{named} {text}"), &[Mention { user, start: 0, len }])
}

/// Two groups may play the same script, so the conversation is part of the key.
fn line_key(conv: ConversationId, key: &[u8; 16]) -> [u8; 16] {
    let mut mixed = *key;
    for (byte, conv) in mixed.iter_mut().zip(conv.0.to_le_bytes()) {
        *byte ^= conv;
    }
    mixed
}

fn join_key(conv: ConversationId, user: UserId) -> [u8; 16] {
    let mut key = [0; 16];
    for (byte, part) in key.iter_mut().zip(user.0.to_le_bytes().into_iter().chain(*b"joinjoin")) {
        *byte = part;
    }
    line_key(conv, &key)
}

/// When each line was said: backwards from a few minutes ago, close together within a conversation.
fn times(history: &[Line], now: Timestamp) -> Vec<Timestamp> {
    let ms = |gap: Duration| u64::try_from(gap.as_millis()).unwrap_or_default();
    let mut at = now.0.saturating_sub(ms(GAP_OF_TALKS) / 5);
    let mut times = Vec::with_capacity(history.len());
    let mut after: Option<&Line> = None;
    for line in history.iter().rev() {
        let gap = match after {
            Some(after) if after.talk == line.talk => ms(GAP_IN_TALK),
            Some(_) => ms(GAP_OF_TALKS),
            None => 0,
        };
        let more = u64::from(line.key.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
        at = at.saturating_sub(gap + gap * more / 255);
        times.push(Timestamp(at));
        after = Some(line);
    }
    times.reverse();
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u8, talk: usize) -> Line {
        let text = "words".to_owned();
        Line { key: [n; 16], talk, is_threaded: false, voice: 0, to: None, text }
    }

    #[test]
    fn history_rises_and_ends_before_now() {
        let lines: Vec<Line> = (0..200).map(|n| line(n, usize::from(n) / 10)).collect();
        let now = Timestamp(1_800_000_000_000);
        let times = times(&lines, now);
        assert_eq!(times.len(), 200);
        assert!(times.windows(2).all(|w| w[0] < w[1]));
        let (first, last) = (times[0], times[199]);
        assert!(last < now && now.since(last) < Duration::from_secs(900));
        let span = now.since(first);
        assert!(span > Duration::from_secs(6 * 3600) && span < Duration::from_secs(3 * 86_400));
    }

    #[test]
    fn groups_have_voices_enough_and_names_of_departments() {
        let script = |title: &str| Script { title: title.into(), lines: vec![line(1, 0); 9] };
        let scripts: Vec<Script> = ["Desktop", "Network", "Updates", "Printing"].map(script).into();
        let plans = plan(&scripts);
        assert_eq!(plans.len(), 5);
        for plan in &plans {
            let mut places = plan.speakers.clone();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), VOICES, "{}", plan.name);
        }
        let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
        assert_eq!(names[0], "Engineering · Desktop");
        assert_eq!(names[3], "Engineering · Printing");
        assert!(plans[4].is_large && plans[4].from == 4);
        assert!(plan(&[]).is_empty());
    }

    #[test]
    fn a_mention_is_the_name_in_front() {
        let body = words("hello", Some((UserId(7), "Bảo Trần")));
        let content: tenon_wire::v1::Content =
            prost::Message::decode(body.bytes).unwrap_or_default();
        let span = content.spans.first().copied().unwrap_or_default();
        assert_eq!((span.user, span.start, span.len), (7, 0, 9));
    }
}
