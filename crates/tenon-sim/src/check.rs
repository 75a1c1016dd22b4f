//! The checker: hears what devices and servers say, and compares it with the truth that lies durable in the log.

pub mod last;
pub mod replay;
pub mod truth;

use std::collections::BTreeMap;

use tenon_base::{Lsn, PartitionId};
use tenon_core::conversation::{Accepted, Fate, Outcome};
use tenon_core::event::{Event, EventBody, Message, Tip};
use tenon_core::handover::{Delivery, Told};
use tenon_core::{Command, Layout};
use tenon_ports::Record;
use tenon_ports::log::kind;
use tenon_store::record;

use crate::device::Device;
use crate::msg::Down;
use crate::node::Node;
use truth::{Truth, Verdict};

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
    /// When, in simulated microseconds.
    pub at_us: u64,
}

/// The checker.
#[derive(Debug, Default)]
pub struct Watch {
    /// The durable commands, folded.
    pub truth: Truth,
    /// Durable records per partition, in order; they never change again.
    pub records: BTreeMap<PartitionId, Vec<Record>>,
    /// When each of them was seen to be durable.
    seen_us: BTreeMap<PartitionId, Vec<u64>>,
    /// What each admitted copy of a command has to be answered, by its message id.
    verdicts: BTreeMap<u64, Verdict>,
    /// (org, user, queue epoch, pts) -> fingerprint.
    pub(crate) queue: BTreeMap<(u64, u64, u32, u64), u64>,
    /// Ops of user chains that were acked: (device, device epoch, `op_seq`).
    ops: std::collections::BTreeSet<(u64, u32, u64)>,
    /// What was broken.
    pub violations: Vec<Violation>,
    /// Invariants that are not checked.
    pub off: Vec<String>,
    /// The only invariant that is checked, if any; a panic of a room counts always.
    pub only: Option<String>,
    /// The disk does not hold what it said: reads may fail.
    pub is_disk_broken: bool,
    /// A read of a broken disk failed: from here on the checker does not know what is durable.
    pub is_blind: bool,
    /// Answers compared.
    pub answers: u64,
    /// Events compared.
    pub events: u64,
    /// Simulated time, for reports.
    pub now_us: u64,
}

impl Watch {
    /// Notes a violation, unless its invariant is switched off.
    pub fn violated(&mut self, invariant: &'static str, text: String) {
        let is_other =
            |only: &String| only != invariant && !matches!(invariant, "always" | "canary");
        if self.off.iter().any(|off| off == invariant) || self.only.as_ref().is_some_and(is_other) {
            return;
        }
        if self.violations.len() >= 20 {
            return;
        }
        self.violations.push(Violation { invariant, text, at_us: self.now_us });
    }

    /// Reads what has become durable, and folds it.
    pub fn tap(&mut self, node: &Node, layout: Layout) {
        let partitions: Vec<PartitionId> =
            layout.conversation_partitions().chain(layout.user_partitions()).collect();
        for partition in partitions {
            let seen = self.records.entry(partition).or_default();
            let after = seen.last().map_or(Lsn::ZERO, |r| r.lsn);
            match node.committed(partition, after) {
                Ok(records) => {
                    for record in records {
                        self.take(partition, record);
                    }
                }
                Err(_) if self.is_disk_broken => self.is_blind = true,
                Err(error) => {
                    let text =
                        format!("durable records of partition {} unreadable: {error}", partition.0);
                    self.violated("I30", text);
                }
            }
        }
    }

    fn take(&mut self, partition: PartitionId, record: Record) {
        if partition.is_conversation() && record.append.kind == kind::COMMANDS {
            match record::decode_commands(record.append.payload.clone()) {
                Ok(commands) => commands.iter().for_each(|command| self.fold(command)),
                Err(error) => {
                    self.violated("I30", format!("a durable record does not decode: {error}"));
                }
            }
        }
        self.records.entry(partition).or_default().push(record);
        self.seen_us.entry(partition).or_default().push(self.now_us);
    }

    fn fold(&mut self, command: &Command) {
        let verdict = self.truth.fold(command);
        if command.message_id.0 != 0 {
            self.verdicts.insert(command.message_id.0, verdict);
        }
    }

    /// After a start: everything that was durable is still there, in its place.
    ///
    /// # Errors
    /// What the log says when it cannot be read.
    pub fn verify_log(&mut self, node: &Node) -> Result<(), String> {
        let mut lost = Vec::new();
        for (partition, records) in &self.records {
            let first = first_held(node, *partition)?;
            let held = node.committed(*partition, first)?;
            let expected: Vec<&Record> = records.iter().filter(|r| r.lsn > first).collect();
            for (at, record) in expected.iter().enumerate() {
                if !held.get(at).is_some_and(|h| is_same(h, record)) {
                    lost.push(format!(
                        "partition {}: the durable record {} is gone or changed (log ends at {:?})",
                        partition.0,
                        record.lsn,
                        held.last().map(|r| r.lsn)
                    ));
                    break;
                }
            }
        }
        for text in lost {
            self.violated("I1", text);
        }
        Ok(())
    }

    /// After a start on a disk that does not hold what it said, without a word about it: what was durable before `since_us`
    /// is still there, and nothing has changed. A log that refuses to be read has said it.
    pub fn verify_before(&mut self, node: &Node, since_us: u64) {
        let mut broken = Vec::new();
        for (partition, records) in &self.records {
            let Ok(first) = first_held(node, *partition) else { return };
            let Ok(held) = node.committed(*partition, first) else { return };
            let seen_us = self.seen_us.get(partition).map_or(&[][..], Vec::as_slice);
            let expected = records.iter().zip(seen_us).filter(|(r, _)| r.lsn > first);
            for (at, (record, seen)) in expected.enumerate() {
                match held.get(at) {
                    Some(h) if is_same(h, record) => {}
                    None if *seen >= since_us => break,
                    None => {
                        broken.push(("I1", partition.0, record.lsn));
                        break;
                    }
                    Some(_) => {
                        broken.push(("I30", partition.0, record.lsn));
                        break;
                    }
                }
            }
        }
        for (invariant, partition, lsn) in broken {
            let text = format!("partition {partition}: record {lsn} is gone or changed, unsaid");
            self.violated(invariant, text);
        }
    }

    /// A room answered a command.
    pub fn outcome(&mut self, command: &Command, outcome: Outcome) {
        if command.message_id.0 == 0 {
            return;
        }
        self.answers += 1;
        let Some(verdict) = self.verdicts.get(&command.message_id.0) else {
            let text = format!("answered before it was durable: {}", name(command));
            return self.violated("I1", text);
        };
        if !agrees(verdict, outcome) {
            let text = format!("{}: answered {outcome:?}, due was {verdict:?}", name(command));
            let invariant = match verdict {
                _ if matches!(outcome, Outcome::Gap { .. }) => "I3",
                Verdict::Repeat(_) | Verdict::Reused => "I2",
                Verdict::Gap { .. } => "I3",
                _ => "I5",
            };
            self.violated(invariant, text);
        }
    }

    /// Every acked op of a user chain is durable.
    pub fn acked_ops(&mut self) {
        let mut missing = std::mem::take(&mut self.ops);
        let user_records = self.records.iter().filter(|(p, _)| p.is_user()).flat_map(|(_, r)| r);
        for record in user_records.filter(|r| r.append.kind == kind::COMMANDS) {
            let decoded = record::decode_user_commands(record.append.payload.clone());
            for command in decoded.unwrap_or_default() {
                let author = command.author;
                missing.remove(&(author.device.0, author.device_epoch.0, command.op_seq.0));
            }
        }
        if let Some((device, epoch, op_seq)) = missing.first() {
            let text = format!(
                "op {op_seq} of device {device} epoch {epoch} was acked and is not durable"
            );
            self.violated("I1", text);
        }
    }

    /// A frame is about to be handled by a device.
    pub fn frame(&mut self, device: &Device, down: &Down) {
        match down {
            Down::Delivery(Delivery::Batch(batch)) => {
                for entry in &batch.entries {
                    let print = told_print(&entry.told);
                    let key = (device.org, device.user, batch.queue_epoch.0, entry.pts.0);
                    let is_known = !matches!(entry.told, Told::Unreadable { .. });
                    let before = self.queue.get(&key).copied();
                    if is_known && before.is_some_and(|before| before != print) {
                        let text = format!(
                            "user {} heard two things at pts {} of queue epoch {}",
                            device.user, entry.pts.0, batch.queue_epoch.0
                        );
                        self.violated("I13", text);
                    }
                    if is_known {
                        self.queue.insert(key, print);
                    }
                    match &entry.told {
                        Told::Event(event) => self.event(device, event),
                        Told::User(event) => self.user_event(device, event),
                        Told::Unreadable { .. } => {}
                    }
                }
            }
            Down::HelloAck { queue_epoch, is_rebase: false, .. } => {
                self.epoch_entered(device, *queue_epoch);
            }
            Down::Diff { events, tip, .. } => {
                for event in events {
                    self.event(device, event);
                }
                self.tip(device, tip);
            }
            Down::History { conv, rows, .. } => {
                for row in rows {
                    self.row(device, *conv, row);
                }
            }
            Down::Tip(tip) => self.tip(device, tip),
            Down::Pong { tips, .. } => {
                for tip in tips {
                    self.tip(device, tip);
                }
            }
            Down::List { lines, .. } => {
                for line in lines {
                    self.tip(device, &line.item.tip);
                }
            }
            Down::OpAck { epoch, op_seq, answer: Ok(()) } => {
                self.ops.insert((device.id, *epoch, *op_seq));
            }
            Down::TooLong { line, .. } => self.tip(device, &line.item.tip),
            _ => {}
        }
    }

    /// A device goes on in a newer queue epoch: what its user had heard up to its cursor has to be the same there.
    fn epoch_entered(&mut self, device: &Device, now: u32) {
        let Some((before, pts)) = device.db.cursor.filter(|(epoch, _)| *epoch < now) else {
            return;
        };
        let (org, user) = (device.org, device.user);
        let heard = self.queue.range((org, user, before, 0)..=(org, user, before, pts));
        let heard: Vec<(u64, u64)> = heard.map(|(key, print)| (key.3, *print)).collect();
        for (pts, print) in heard {
            let known = *self.queue.entry((org, user, now, pts)).or_insert(print);
            if known != print {
                let text = format!(
                    "user {user} heard another thing at pts {pts} of queue epoch {before} than in {now}"
                );
                return self.violated("I13", text);
            }
        }
    }

    fn tip(&mut self, device: &Device, tip: &Tip) {
        let key = (device.org, tip.conv.0);
        let rev = self.truth.conversations.get(&key).map_or(0, |c| c.rev);
        if tip.rev.0 > rev {
            let text =
                format!("rev {} of conversation {} shown, durable is {rev}", tip.rev.0, tip.conv.0);
            self.violated("I29", text);
        }
    }

    fn event(&mut self, device: &Device, event: &Event) {
        self.events += 1;
        if event.org.0 != device.org {
            return self.violated(
                "I21",
                format!("an event of organisation {} reached another", event.org.0),
            );
        }
        let (conv, rev) = (event.conv.0, event.rev.0);
        let key = (device.org, conv);
        let Some(known) = self.truth.conversations.get(&key) else {
            return self.violated("I29", format!("conversation {conv} was told, none is durable"));
        };
        if rev > known.rev {
            return self.violated(
                "I29",
                format!("rev {rev} of {conv} was told, durable is {}", known.rev),
            );
        }
        if !known.may_see(device.user, rev) {
            let text = format!(
                "user {} got rev {rev} of conversation {conv} outside membership",
                device.user
            );
            return self.violated("I16", text);
        }
        if let EventBody::Message(message) = &event.body {
            self.row(device, conv, message);
        }
    }

    fn user_event(&mut self, device: &Device, event: &tenon_core::event::UserEvent) {
        let conv = event.conv().0;
        if !self.truth.conversations.contains_key(&(device.org, conv)) {
            let text = format!(
                "user {} was told of conversation {conv}, which his organisation lacks",
                device.user
            );
            self.violated("I21", text);
        }
    }

    fn row(&mut self, device: &Device, conv: u64, message: &Message) {
        let Some(known) = self.truth.conversations.get(&(device.org, conv)) else {
            return self.violated(
                "I21",
                format!("a message of conversation {conv}, which is not durable"),
            );
        };
        let at = usize::try_from(message.seq.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(sent) = known.sent.get(at) else {
            let text = format!(
                "message {} of {conv} shown, durable are {}",
                message.seq.0,
                known.sent.len()
            );
            return self.violated("I29", text);
        };
        if sent.body != message.body || sent.sender != message.sender.0 {
            let text = format!(
                "message {} of conversation {conv} is {:?}, due was {:?}",
                message.seq.0,
                String::from_utf8_lossy(&message.body),
                String::from_utf8_lossy(&sent.body)
            );
            return self.violated("I4", text);
        }
        let person = known.people.get(&device.user);
        let may =
            person.is_some_and(|p| message.seq.0 > p.floor) || known.may_see(device.user, sent.rev);
        if !may {
            let text = format!(
                "user {} got message {} of {conv} below his floor",
                device.user, message.seq.0
            );
            self.violated("I16", text);
        }
    }
}

/// The position behind which a partition can be read.
fn first_held(node: &Node, partition: PartitionId) -> Result<Lsn, String> {
    use tenon_ports::{Log, LogError, Reach};
    let read = crate::node::now(node.log.read(partition, Lsn::ZERO, Reach::Committed, 1));
    match read {
        Some(Err(LogError::Trimmed { first })) => Ok(Lsn(first.0.saturating_sub(1))),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(_)) | None => Ok(Lsn::ZERO),
    }
}

fn name(command: &Command) -> String {
    format!(
        "cid {} of device {} epoch {} in conversation {}",
        command.cid, command.author.device, command.author.device_epoch, command.conv
    )
}

fn agrees(verdict: &Verdict, outcome: Outcome) -> bool {
    let is_at = |v: &Verdict, a: Accepted| *v == Verdict::Ok { seq: a.seq.0, rev: a.rev.0 };
    match outcome {
        Outcome::Ok(accepted) => is_at(verdict, accepted),
        Outcome::Rejected(_) => *verdict == Verdict::Rejected,
        Outcome::CidReused => *verdict == Verdict::Reused,
        Outcome::Gap { expect } => *verdict == Verdict::Gap { expect: expect.0 },
        Outcome::Absent => *verdict == Verdict::Absent,
        Outcome::Duplicate(fate) => match (verdict, fate) {
            (Verdict::Repeat(first), Fate::Accepted(accepted)) => is_at(first, accepted),
            (Verdict::Repeat(first), Fate::Rejected(_)) => **first == Verdict::Rejected,
            _ => false,
        },
        Outcome::Imported { .. } | Outcome::Parked | Outcome::Retry { .. } => false,
    }
}

fn is_same(a: &Record, b: &Record) -> bool {
    a.lsn == b.lsn
        && a.append.payload == b.append.payload
        && a.append.producer == b.append.producer
        && a.append.producer_seq == b.append.producer_seq
}

fn told_print(told: &Told) -> u64 {
    match told {
        Told::Event(event) => event_print(event.conv.0, event.rev.0),
        Told::User(event) => user_event_print(event),
        Told::Unreadable { conv, rev } => event_print(conv.0, rev.0),
    }
}

/// What stands for an event of a conversation at a position of a queue.
pub(crate) fn event_print(conv: u64, rev: u64) -> u64 {
    fingerprint(&format!("event {rev} of {conv}"))
}

/// What stands for an event of a user at a position of his queue.
pub(crate) fn user_event_print(event: &tenon_core::event::UserEvent) -> u64 {
    fingerprint(&format!("{event:?}"))
}

fn fingerprint(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}
