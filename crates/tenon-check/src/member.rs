//! Who is in a conversation, and since when.

use crate::checker::Checker;
use crate::finding::Place;
use crate::line::{Line, Malformed};
use crate::rule::Rule;
use crate::state::{Conversation, Index, Stay, Until};

impl Checker {
    pub(crate) fn member(&mut self, line: &Line<'_>) -> Result<(), Malformed> {
        let conversation = self.conversation_of(line)?;
        let user = self.users.index(&line.need(line.user.as_ref(), "user")?.0);
        let place = self.here;
        let Some(held) = self.conversations.get_mut(conversation as usize) else { return Ok(()) };
        let stays = held.members.entry(user).or_default();
        let last = stays.last_mut().filter(|stay| stay.until.is_none());
        match (line.need(line.change.as_deref(), "change")?, last) {
            ("remove", Some(stay)) => {
                stay.until = Some(Until { rev: line.rev, at_us: line.at_us, place });
            }
            ("add", None) => {
                let floor_rev = line.floor_rev.unwrap_or(0);
                stays.push(Stay { floor_rev, since_us: line.at_us, until: None, place });
            }
            _ => {}
        }
        Ok(())
    }

    /// Judges what every device was told against the stays of its user.
    pub(crate) fn judge_access(&mut self) {
        let has_shared_clock = self.has_shared_clock();
        let Self { devices, conversations, findings, names, actors, .. } = self;
        let all = devices.iter().flat_map(|(actor, device)| {
            device.held.iter().map(move |(index, held)| (*actor, device.user, *index, held))
        });
        for (actor, user, index, held) in all {
            let Some(conversation) = conversations.get(index as usize) else { continue };
            if conversation.members.is_empty() || held.got.is_empty() {
                continue;
            }
            let (who, name) = (actors.name(actor), names.name(index));
            let stays = conversation.members.get(&user).map_or(&[][..], Vec::as_slice);
            findings.decide(Rule::NotMember, !stays.is_empty(), &[held.place], || {
                format!("{who} is told of conversation {name}; its user was never added")
            });
            let is_plain = |stay: &Stay| stay.until.is_none() && stay.floor_rev == 0;
            if stays.is_empty() || (stays.len() == 1 && stays.iter().all(is_plain)) {
                continue;
            }
            for (seq, rule, broken) in judge(conversation, held, stays, has_shared_clock) {
                findings.decide(rule, broken.is_none(), &broken.unwrap_or_default(), || {
                    let what = match rule {
                        Rule::NotMember => "which lies before its user may look",
                        _ => "which was sent after its user was removed",
                    };
                    format!("{who} is told conversation {name} seq {seq}, {what}")
                });
            }
        }
    }
}

/// A seq, the rule it was judged by, and the lines that prove the breach.
type Verdict = (u64, Rule, Option<[Place; 3]>);

/// For each message held: inside a stay, or which stay it breaks.
fn judge<'a>(
    conversation: &'a Conversation,
    held: &'a crate::state::Held,
    stays: &'a [Stay],
    has_shared_clock: bool,
) -> impl Iterator<Item = Verdict> + 'a {
    let told = conversation.messages.iter().filter(|(seq, _)| held.got.has(**seq));
    told.map(move |(&seq, message)| {
        let above = |stay: &Stay| message.rev == 0 || message.rev >= stay.floor_rev;
        let before_end = |stay: &Stay| match stay.until {
            None => true,
            Some(Until { rev: Some(rev), .. }) if message.rev > 0 => message.rev <= rev,
            Some(until) => {
                !has_shared_clock || message.sent_us == 0 || message.sent_us <= until.at_us
            }
        };
        let is_inside = stays.iter().any(|stay| above(stay) && before_end(stay));
        let rule = if stays.iter().any(before_end) { Rule::NotMember } else { Rule::AfterRemoval };
        let broken = stays.last().filter(|_| !is_inside).map(|stay| {
            let until = stay.until.map(|until| until.place).unwrap_or_default();
            [stay.place, until, message.place]
        });
        // What is inside counts as a decision on both ends of the stay; the later one is the one that can be missed.
        let rule = if is_inside { Rule::AfterRemoval } else { rule };
        (seq, rule, broken)
    })
}

/// When the user was added, if it was in ever since.
pub(crate) fn member_since(conversation: &Conversation, user: Index) -> Option<u64> {
    let stays = conversation.members.get(&user)?;
    let is_one = stays.len() == 1;
    stays.first().filter(|stay| is_one && stay.until.is_none()).map(|stay| stay.since_us)
}

/// True if the user was removed at some time.
pub(crate) fn was_removed(conversation: &Conversation, user: Index) -> bool {
    let stays = conversation.members.get(&user);
    stays.is_some_and(|stays| stays.iter().any(|stay| stay.until.is_some()))
}
