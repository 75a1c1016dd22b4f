//! What can be judged only when everything was read.

use std::collections::BTreeMap;

use crate::checker::Checker;
use crate::finding::{Finding, Place, Report};
use crate::member::{member_since, was_removed};
use crate::rule::Rule;
use crate::state::{Conversation, Device, Held, Index, ListLine, Message};

/// A revocation takes effect within this, unless the header says otherwise.
const REVOKE_MS: u64 = 5_000;

impl Checker {
    /// Judges what is left and gives the report.
    pub fn finish(mut self) -> Report {
        self.join_begun();
        for index in 0..self.conversations.len() {
            self.judge_conversation(index);
        }
        self.judge_held();
        self.judge_access();
        self.judge_devices();
        self.judge_lists();
        let mut report = self.report;
        report.devices = self.devices.len() as u64;
        report.at_rest = self.devices.values().filter(|device| device.is_at_rest).count() as u64;
        report.conversations = self.names.len() as u64;
        report.unknown += self.devices.values().map(|d| d.calls.len() as u64).sum::<u64>();
        let (tallies, findings): (_, Vec<Finding>) = self.findings.into_parts();
        (report.tallies, report.findings) = (tallies, findings);
        self.header.expect.sort();
        self.header.expect.dedup();
        self.header.expect.retain(|name| report.of_invariant(name).decided == 0);
        report.untested = self.header.expect;
        report
    }

    /// Finds the begin of messages whose answer is not on record.
    fn join_begun(&mut self) {
        if !self.header.unique_bodies {
            return;
        }
        for conversation in &mut self.conversations {
            for message in conversation.messages.values_mut() {
                if let Some((at_us, _)) = self.begun.get(&message.body) {
                    message.sent_us = *at_us;
                }
            }
        }
    }

    fn judge_conversation(&mut self, index: usize) {
        let name = self.names.name(index as Index).to_owned();
        self.judge_numbers(index, &name);
        let conversation_messages = || conversation_iter(self.conversations.get(index));
        let mut duplicates = Vec::new();
        duplicates.extend(twice(conversation_messages(), "one message id", |m| {
            (m.id != 0).then_some((u128::from(m.id), 0, 0))
        }));
        duplicates.extend(twice(conversation_messages(), "one idempotency key", |m| {
            (m.key.2 != 0).then_some((u128::from(m.key.0), m.key.1, m.key.2))
        }));
        if self.header.unique_bodies {
            duplicates.extend(twice(conversation_messages(), "one body", |m| {
                (m.body != 0 && !m.is_changed).then_some((m.body, 0, 0))
            }));
        }
        let count = conversation_messages().count();
        let findings = &mut self.findings;
        for _ in duplicates.len()..count {
            findings.decide(Rule::Duplicate, true, &[], String::new);
        }
        for (what, a, b) in duplicates {
            findings.decide(Rule::Duplicate, false, &[a.1, b.1], || {
                format!("conversation {name}: {what} at seq {} and at seq {}", a.0, b.0)
            });
        }
        self.judge_causes(index, &name);
    }

    /// Revs, times, counts and cids against seqs.
    fn judge_numbers(&mut self, index: usize, name: &str) {
        let Self { conversations, findings, .. } = self;
        let Some(conversation) = conversations.get(index) else { return };
        let (mut last_rev, mut last_at, mut last): (_, _, Option<(u64, Message)>) =
            ((0, Place::default()), (0, Place::default()), None);
        let mut cids: BTreeMap<(u64, u32), (u64, Place)> = BTreeMap::new();
        for (&seq, message) in &conversation.messages {
            if message.rev != 0 {
                findings.decide(
                    Rule::NumbersFall,
                    message.rev > last_rev.0,
                    &[last_rev.1, message.place],
                    || format!("conversation {name} seq {seq}: rev {} does not rise", message.rev),
                );
                last_rev = (message.rev, message.place);
            }
            if message.at_ms != 0 {
                findings.decide(
                    Rule::NumbersFall,
                    message.at_ms > last_at.0,
                    &[last_at.1, message.place],
                    || format!("conversation {name} seq {seq}: time does not rise"),
                );
                last_at = (message.at_ms, message.place);
            }
            if let Some((_, before)) = last.filter(|(at, m)| *at + 1 == seq && m.cnt != 0)
                && message.cnt != 0
            {
                let grown = message.cnt.checked_sub(before.cnt);
                findings.decide(
                    Rule::NumbersFall,
                    matches!(grown, Some(0 | 1)),
                    &[before.place, message.place],
                    || {
                        format!(
                            "conversation {name} seq {seq}: cnt goes from {} to {}",
                            before.cnt, message.cnt
                        )
                    },
                );
            }
            if message.key.2 != 0 {
                let (device, epoch, cid) = message.key;
                let (before, at) =
                    cids.insert((device, epoch), (cid, message.place)).unwrap_or_default();
                findings.decide(Rule::SenderOrder, cid > before, &[at, message.place], || {
                    format!("conversation {name} seq {seq}: cid {cid} stands behind cid {before}")
                });
            }
            last = Some((seq, *message));
        }
    }

    /// Every message has a send, and comes after it.
    fn judge_causes(&mut self, index: usize, name: &str) {
        let shared = self.has_shared_clock();
        let unique = self.header.unique_bodies;
        let all_senders = unique && self.header.all_senders;
        let Self { conversations, findings, begun, refused, .. } = self;
        let Some(conversation) = conversations.get(index) else { return };
        for (seq, message) in &conversation.messages {
            let places = [message.place];
            if shared && message.told_us != 0 && message.sent_us != 0 {
                findings.decide(
                    Rule::BeforeSent,
                    message.told_us >= message.sent_us,
                    &places,
                    || format!("conversation {name} seq {seq} is told before its send begins"),
                );
            }
            if !unique || message.body == 0 || message.is_changed {
                continue;
            }
            let refusal = refused.get(&message.body).copied();
            let places = [message.place, refusal.unwrap_or_default()];
            findings.decide(Rule::RefusedButThere, refusal.is_none(), &places, || {
                format!("conversation {name} seq {seq} was refused")
            });
            if all_senders {
                let is_known = begun.contains_key(&message.body);
                findings.decide(Rule::NeverSent, is_known, &places, || {
                    format!("conversation {name} seq {seq} was sent by nobody")
                });
            }
        }
    }

    /// What each device should have, and has not.
    fn judge_held(&mut self) {
        let Self { devices, conversations, findings, names, actors, .. } = self;
        let all = devices.iter().flat_map(|(actor, device)| {
            let each = (0..).zip(conversations.iter());
            each.map(move |(index, conversation)| (*actor, device, index, conversation))
        });
        for (actor, device, index, conversation) in all {
            let held = device.held.get(&index);
            let Some(owed) = Owed::of(device, held, conversation) else { continue };
            let last = held.map_or(device.rest_place, |held| held.place);
            for (&seq, message) in &conversation.messages {
                let Some(verdict) = owed.verdict(seq, message) else { continue };
                let rule = if message.is_acked { Rule::AckedLost } else { Rule::TimelineDiffers };
                findings.decide(rule, verdict == Verdict::Has, &[message.place, last], || {
                    let (who, name) = (actors.name(actor), names.name(index));
                    format!("{who} lacks conversation {name} seq {seq}")
                });
            }
        }
    }

    fn judge_devices(&mut self) {
        let shared = self.has_shared_clock();
        let allowed_us = self.header.revoke_ms.unwrap_or(REVOKE_MS).saturating_mul(1000);
        let Self { devices, findings, actors, .. } = self;
        for (&actor, device) in devices.iter() {
            if device.is_at_rest {
                let open = device.calls.values().next();
                let places = [open.map(|call| call.place).unwrap_or_default(), device.rest_place];
                findings.decide(Rule::Unresolved, open.is_none(), &places, || {
                    format!("{} is at rest with a send that was never answered", actors.name(actor))
                });
            }
            if let Some((at_us, place)) = device.revoked.filter(|_| shared) {
                let holds = device.told_us <= at_us.saturating_add(allowed_us);
                findings.decide(Rule::AfterRevocation, holds, &[place, device.told_place], || {
                    let late_ms = device.told_us.saturating_sub(at_us) / 1000;
                    format!(
                        "{} is told something {late_ms} ms after its revocation",
                        actors.name(actor)
                    )
                });
            }
        }
    }

    /// Lists of devices at rest: right, and equal for the devices of a user.
    fn judge_lists(&mut self) {
        let Self { devices, conversations, findings, names, actors, .. } = self;
        let mut first: BTreeMap<(Index, Index), (Index, ListLine)> = BTreeMap::new();
        let at_rest = devices.iter().filter(|(_, device)| device.is_at_rest);
        let all = at_rest.flat_map(|(actor, device)| {
            let lines = device.held.iter().filter_map(|(index, held)| Some((*index, held.list?)));
            let lines = lines.filter(|(_, line)| line.session == device.session);
            lines.map(move |(index, line)| (*actor, device.user, index, line))
        });
        for (actor, user, index, line) in all {
            let (who, name) = (actors.name(actor), names.name(index));
            if let Some((other, before)) = first.get(&(user, index)) {
                let key = |line: &ListLine| (line.seq, line.read_seq, line.unread);
                let places = [before.place, line.place];
                findings.decide(Rule::ListsDiffer, key(before) == key(&line), &places, || {
                    let other = actors.name(*other);
                    format!("{other} and {who} list conversation {name} differently")
                });
            } else {
                first.insert((user, index), (actor, line));
            }
            let conversation = conversations.get(index as usize);
            let Some(shown) = line.unread else { continue };
            let Some(unread) = conversation.and_then(|c| unread(c, user, &line)) else { continue };
            findings.decide(Rule::UnreadWrong, shown == unread, &[line.place], || {
                format!("{who} shows {shown} unread in conversation {name}; there are {unread}")
            });
        }
    }
}

fn conversation_iter(conversation: Option<&Conversation>) -> impl Iterator<Item = (u64, &Message)> {
    conversation.into_iter().flat_map(|c| c.messages.iter().map(|(seq, message)| (*seq, message)))
}

type Stand = (u64, Place);

/// Pairs of places with the same key. Sorts, so that nothing is kept while lines are read.
fn twice<'a>(
    messages: impl Iterator<Item = (u64, &'a Message)>,
    what: &'static str,
    key: impl Fn(&Message) -> Option<(u128, u32, u64)>,
) -> Vec<(&'static str, Stand, Stand)> {
    let mut keys: Vec<_> =
        messages.filter_map(|(seq, m)| key(m).map(|key| (key, (seq, m.place)))).collect();
    keys.sort_unstable();
    let pairs = keys.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    pairs.map(|pair| (what, pair[0].1, pair[1].1)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Has,
    Lacks,
}

/// What the stream and the pages of one conversation owe a device.
struct Owed<'a> {
    held: Option<&'a Held>,
    /// Up to here the stream owes everything that is not excused.
    up_to: u64,
    /// When the user came, if nothing was told.
    since_us: u64,
}

impl<'a> Owed<'a> {
    /// `None`: nothing can be said.
    fn of(device: &Device, held: Option<&'a Held>, conversation: &Conversation) -> Option<Self> {
        let Some(held) = held else {
            let is_owed = device.is_at_rest && device.rebases == 0;
            let since_us = member_since(conversation, device.user).filter(|_| is_owed)?;
            return Some(Self { held: None, up_to: u64::MAX, since_us });
        };
        let is_open = device.is_at_rest
            && !was_removed(conversation, device.user)
            && held.owes
            && held.rebases == device.rebases;
        let up_to = if is_open { u64::MAX } else { held.seq_max };
        Some(Self { held: Some(held), up_to, since_us: 0 })
    }

    fn verdict(&self, seq: u64, message: &Message) -> Option<Verdict> {
        let Some(held) = self.held else {
            let is_owed = message.is_acked && message.sent_us > self.since_us;
            return is_owed.then_some(Verdict::Lacks);
        };
        if held.missing.has(seq) {
            // A recalled or expired message may leave the page.
            return (message.is_acked || !message.is_changed).then_some(Verdict::Lacks);
        }
        if held.got.has(seq) {
            return Some(Verdict::Has);
        }
        let is_owed = message.is_acked && seq <= self.up_to && !held.excused.has(seq);
        is_owed.then_some(Verdict::Lacks)
    }
}

/// Messages of others behind the read mark; `None` if some of them are not known.
fn unread(conversation: &Conversation, user: Index, line: &ListLine) -> Option<u64> {
    let mut expected = line.read_seq + 1;
    let mut before = conversation.messages.get(&line.read_seq).map_or(0, |m| m.cnt);
    let mut count = 0;
    for (&seq, message) in
        conversation.messages.range(line.read_seq + 1..=line.seq.max(line.read_seq + 1))
    {
        if seq > line.seq {
            break;
        }
        if seq != expected || message.sender.is_none() {
            return None;
        }
        expected += 1;
        let counts = message.cnt == 0 || message.cnt > before;
        before = before.max(message.cnt);
        count += u64::from(counts && message.sender != Some(user));
    }
    (expected > line.seq).then_some(count)
}
