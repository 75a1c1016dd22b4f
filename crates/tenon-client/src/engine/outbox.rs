//! The outbox: commands in chains, each with one key until it is answered.

use std::collections::{BTreeMap, BTreeSet};

use tenon_base::{Deadline, limits};
use tenon_wire::{ErrorCode, flag, message_kind, op_type, v1};

use prost::Message as _;

use super::{Answer, Engine, Now, Up};
use crate::row::{OutboxRow, Settled};

/// Commands that may wait here.
const ROWS_MAX: usize = 10_000;
/// Doublings of the send timeout.
const DOUBLINGS_MAX: u32 = 4;

/// A row and how it goes on this link.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) row: OutboxRow,
    /// The last frame that carried it; an answer to an older one says nothing about the order.
    pub(super) frame: u32,
    pub(super) sent_at: Option<Deadline>,
    pub(super) parked_at: Option<Deadline>,
    pub(super) tries: u32,
}

/// Commands of one conversation, or of the user (0).
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// By (device epoch, number).
    pub(super) inflight: BTreeMap<(u32, u64), u64>,
    queued: BTreeSet<u64>,
    /// The last number that left on this link; everything above is still to be sent.
    pub(super) sent_upto: Option<(u32, u64)>,
    pub(super) hold: Option<Deadline>,
}

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) rows: BTreeMap<u64, Row>,
    pub(super) chains: BTreeMap<u64, Chain>,
    /// Frames of this link: the row, and its epoch when it left.
    pub(super) frames: BTreeMap<u32, (u64, u32)>,
    inflight: usize,
}

impl Outbox {
    pub(super) fn load(&mut self, row: OutboxRow) {
        let chain = self.chains.entry(row.conv).or_default();
        if row.n > 0 {
            chain.inflight.insert((row.device_epoch, row.n), row.local);
            self.inflight += 1;
        } else {
            chain.queued.insert(row.local);
        }
        let local = row.local;
        self.rows.insert(local, Row { row, frame: 0, sent_at: None, parked_at: None, tries: 0 });
    }

    pub(super) fn row(&self, local: u64) -> Option<&OutboxRow> {
        self.rows.get(&local).map(|row| &row.row)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes a row out of everything.
    pub(super) fn remove(&mut self, local: u64) -> Option<OutboxRow> {
        let row = self.rows.remove(&local)?.row;
        self.unlink(&row);
        Some(row)
    }

    fn unlink(&mut self, row: &OutboxRow) {
        let Some(chain) = self.chains.get_mut(&row.conv) else { return };
        if row.n > 0 && chain.inflight.remove(&(row.device_epoch, row.n)).is_some() {
            self.inflight -= 1;
        }
        chain.queued.remove(&row.local);
        if chain.inflight.is_empty() && chain.queued.is_empty() {
            self.chains.remove(&row.conv);
        }
    }

    /// A row without number again: it gets a new one in the new device epoch.
    pub(super) fn requeue(&mut self, local: u64) {
        let Some(mut held) = self.rows.remove(&local) else { return };
        self.unlink(&held.row);
        (held.row.device_epoch, held.row.n, held.row.is_doubtful) = (0, 0, false);
        self.chains.entry(held.row.conv).or_default().queued.insert(local);
        self.rows.insert(local, held);
    }
}

impl Engine {
    pub(super) fn queue_send(&mut self, ticket: u64, send: v1::Send, after: u64, now: Now) {
        if send.body.len() > limits::BODY_BYTES_MAX || send.mentions.len() > limits::MENTIONS_MAX {
            self.refuse(ticket, &ErrorCode::TooLarge.info(0, "message is too large"));
            return;
        }
        let row = OutboxRow { conv: send.conv, send: Some(send), ..OutboxRow::default() };
        self.queue(Some(ticket), row, after, now);
    }

    pub(super) fn queue_op(&mut self, ticket: u64, op: v1::Op, after: u64, now: Now) {
        if op.body.len() > limits::BODY_BYTES_MAX {
            self.refuse(ticket, &ErrorCode::TooLarge.info(0, "command is too large"));
            return;
        }
        let row = OutboxRow { conv: op.conv, op: Some(op), ..OutboxRow::default() };
        self.queue(Some(ticket), row, after, now);
    }

    fn queue(&mut self, ticket: Option<u64>, mut row: OutboxRow, after: u64, now: Now) {
        let is_bad = row.conv == 0 && row.send.is_some();
        if let Some(ticket) = ticket
            && (is_bad || self.outbox.len() >= ROWS_MAX)
        {
            let code = if is_bad { ErrorCode::Absent } else { ErrorCode::Busy };
            self.refuse(ticket, &code.info(1_000, "the command can not be queued"));
            return;
        }
        let local = self.device.next_local;
        self.device.next_local += 1;
        row.local = local;
        row.first_at_ms = now.wall.0;
        row.after = if self.outbox.rows.contains_key(&after) { after } else { 0 };
        let conv = row.conv;
        self.outbox.load(row);
        self.tx.pending.is_device_dirty = true;
        self.tx.pending.outbox.insert(local);
        if let Some(ticket) = ticket {
            self.answer(ticket, Answer::Queued { local });
        }
        self.pump(conv, now);
    }

    /// Sends what may be sent in a chain: first what has a number, then new numbers while there is room.
    pub(super) fn pump(&mut self, conv: u64, now: Now) {
        if !self.link.is_live() {
            return;
        }
        let Some(chain) = self.outbox.chains.get_mut(&conv) else { return };
        if chain.hold.is_some_and(|at| at > now.mono) {
            return;
        }
        chain.hold = None;
        let epoch = self.device.device_epoch;
        let is_closing = chain.inflight.keys().any(|(e, _)| *e != epoch);
        let unsent: Vec<_> = chain
            .inflight
            .iter()
            .filter(|(key, _)| Some(**key) > chain.sent_upto)
            .map(|(key, local)| (*key, *local))
            .collect();
        for (key, local) in unsent {
            self.leave_for(conv, key, local, now);
        }
        while !is_closing && self.dispatch(conv, now) {}
    }

    /// Gives the next waiting row its number. False if none may go.
    fn dispatch(&mut self, conv: u64, now: Now) -> bool {
        let Some(chain) = self.outbox.chains.get(&conv) else { return false };
        let is_full = chain.inflight.len() >= limits::INFLIGHT_PER_CONVERSATION_MAX
            || self.outbox.inflight >= limits::INFLIGHT_PER_DEVICE_MAX;
        if is_full {
            return false;
        }
        let is_free =
            |local: &&u64| self.outbox.rows.get(local).is_some_and(|held| held.row.after == 0);
        let Some(local) = chain.queued.iter().find(is_free).copied() else { return false };
        let n = if conv == 0 {
            self.tx.pending.is_device_dirty = true;
            let n = self.device.next_op_seq;
            self.device.next_op_seq += 1;
            n
        } else {
            let row = &mut self.conversation_mut(conv).row;
            let n = row.next_cid.max(1);
            row.next_cid = n + 1;
            self.note_debt(conv);
            n
        };
        let key = (self.device.device_epoch, n);
        let Some(held) = self.outbox.rows.get_mut(&local) else { return false };
        (held.row.device_epoch, held.row.n) = key;
        if let Some(chain) = self.outbox.chains.get_mut(&conv) {
            chain.queued.remove(&local);
            chain.inflight.insert(key, local);
        }
        self.outbox.inflight += 1;
        self.tx.pending.outbox.insert(local);
        self.leave_for(conv, key, local, now);
        true
    }

    fn leave_for(&mut self, conv: u64, key: (u32, u64), local: u64, now: Now) {
        if let Some(chain) = self.outbox.chains.get_mut(&conv) {
            chain.sent_upto = chain.sent_upto.max(Some(key));
        }
        if let Some(held) = self.outbox.rows.get_mut(&local) {
            held.sent_at = Some(now.mono);
            held.parked_at = None;
            // What still comes about an older copy says nothing about the order any more.
            held.frame = 0;
        }
        self.up(Up::Row(local));
    }

    /// Everything before it is committed: the command goes on the link.
    pub(super) fn transmit_row(&mut self, local: u64, now: Now) {
        let Some(held) = self.outbox.rows.get(&local) else { return };
        let (epoch, n) = (held.row.device_epoch, held.row.n);
        if n == 0 {
            return;
        }
        let is_void = held.row.is_void || epoch != self.device.device_epoch;
        let void = if is_void { flag::VOID } else { 0 };
        let id = if let Some(send) = &held.row.send {
            let mut send = send.clone();
            (send.device_epoch, send.cid) = (epoch, n);
            send.flags |= void;
            send.sent_ms = now.wall.0;
            self.link.with(|session| session.send_message(&send))
        } else if let Some(op) = &held.row.op {
            let mut op = op.clone();
            (op.device_epoch, op.n) = (epoch, n);
            op.flags |= void;
            self.link.with(|session| session.send_op(&op))
        } else {
            0
        };
        if let Some(held) = self.outbox.rows.get_mut(&local) {
            held.frame = id;
            held.sent_at = Some(now.mono);
        }
        self.outbox.frames.insert(id, (local, epoch));
    }

    /// Uses up a number of a command that failed before the chain was there.
    pub(super) fn transmit_void(&mut self, conv: u64, cid: u64) {
        let device_epoch = self.device.device_epoch;
        let (kind, flags) = (message_kind::TEXT, flag::VOID);
        let void = v1::Send { conv, device_epoch, cid, kind, flags, ..v1::Send::default() };
        self.link.with(|session| session.send_message(&void));
    }

    pub(super) fn outbox_link_up(&mut self, now: Now) {
        if tenon_base::planted!("resend-new-cid") {
            let numbered = self.outbox.rows.values().filter(|held| held.row.n > 0);
            for local in numbered.map(|held| held.row.local).collect::<Vec<_>>() {
                self.outbox.requeue(local);
            }
        }
        for chain in self.outbox.chains.values_mut() {
            (chain.sent_upto, chain.hold) = (None, None);
        }
        self.pump_all(now);
    }

    fn pump_all(&mut self, now: Now) {
        for conv in self.outbox.chains.keys().copied().collect::<Vec<_>>() {
            self.pump(conv, now);
        }
    }

    pub(super) fn outbox_link_down(&mut self) {
        self.outbox.frames.clear();
        for held in self.outbox.rows.values_mut() {
            (held.frame, held.sent_at, held.parked_at) = (0, None, None);
        }
        for chain in self.outbox.chains.values_mut() {
            (chain.sent_upto, chain.hold) = (None, None);
        }
    }

    /// This row and those behind it count as not sent.
    pub(super) fn unsend_from(&mut self, local: u64) {
        let Some(row) = self.outbox.row(local).filter(|row| row.n > 0) else { return };
        let (conv, before) = (row.conv, (row.device_epoch, row.n - 1));
        if let Some(chain) = self.outbox.chains.get_mut(&conv) {
            chain.sent_upto = chain.sent_upto.min(Some(before));
        }
    }

    /// Sends this row and those behind it again.
    pub(super) fn resend_from(&mut self, local: u64, now: Now) {
        self.unsend_from(local);
        let Some(held) = self.outbox.rows.get_mut(&local) else { return };
        held.tries += 1;
        let conv = held.row.conv;
        self.pump(conv, now);
    }

    /// The same, but not before `wait` has passed.
    pub(super) fn hold_from(&mut self, local: u64, wait: std::time::Duration, now: Now) {
        let Some(conv) = self.outbox.row(local).map(|row| row.conv) else { return };
        let at = now.mono.plus(wait);
        if let Some(chain) = self.outbox.chains.get_mut(&conv) {
            chain.hold = chain.hold.max(Some(at));
        }
        self.resend_from(local, now);
    }

    fn row_due(&self, held: &Row) -> Option<Deadline> {
        match held.parked_at {
            Some(at) => Some(at.plus(self.config.parked_timeout)),
            None => {
                let wait = self.config.send_timeout * (1 << held.tries.min(DOUBLINGS_MAX));
                held.sent_at.map(|at| at.plus(wait))
            }
        }
    }

    pub(super) fn outbox_deadline(&self) -> Option<Deadline> {
        if !self.link.is_live() {
            return None;
        }
        let due = |chain: &Chain| match chain.hold {
            Some(at) => Some(at),
            None => {
                let rows = chain.inflight.values().filter_map(|l| self.outbox.rows.get(l));
                rows.filter_map(|held| self.row_due(held)).min()
            }
        };
        self.outbox.chains.values().filter_map(due).min()
    }

    pub(super) fn outbox_timeout(&mut self, now: Now) {
        if !self.link.is_live() {
            return;
        }
        let mut is_suspect = false;
        for conv in self.outbox.chains.keys().copied().collect::<Vec<_>>() {
            let Some(chain) = self.outbox.chains.get(&conv) else { continue };
            if chain.hold.is_some() {
                self.pump(conv, now);
                continue;
            }
            let rows = chain.inflight.values().filter_map(|l| self.outbox.rows.get(l));
            let mut late = rows.filter(|held| self.row_due(held).is_some_and(|at| at <= now.mono));
            if let Some(held) = late.next() {
                is_suspect |= held.parked_at.is_none();
                let local = held.row.local;
                self.resend_from(local, now);
            }
        }
        if is_suspect {
            self.ping(now);
        }
    }

    /// The user takes a command back.
    pub(super) fn cancel(&mut self, local: u64, now: Now) {
        let Some(held) = self.outbox.rows.get_mut(&local) else { return };
        if held.row.n > 0 {
            held.row.is_void = true;
            held.row.void_code = 0;
            self.tx.pending.outbox.insert(local);
            self.resend_from(local, now);
        } else {
            let code = ErrorCode::Cancelled.number();
            self.settle(local, Settled { code, ..Settled::default() }, now);
        }
    }

    /// A new life of the outbox: numbers restart, open rows of the old one are closed first.
    pub(super) fn enter_device_epoch(&mut self, device_epoch: u32) {
        self.device.device_epoch = device_epoch;
        self.device.next_op_seq = 1;
        self.device.needs_epoch = false;
        self.tx.pending.is_device_dirty = true;
        for (conv, c) in &mut self.conversations {
            if (c.row.next_cid, c.row.absent_below) != (1, 0) {
                (c.row.next_cid, c.row.absent_below) = (1, 0);
                self.tx.pending.conversations.insert(*conv);
            }
        }
    }

    /// The store is an older copy of itself. Rows without number may have been sent in the part that is lost: they are offered
    /// to the user again. What is under way may have been closed there, and sent under another number.
    pub(super) fn store_fell_back(&mut self, now: Now) {
        let is_kept = tenon_base::planted!("queued-not-offered");
        let queued = self.outbox.rows.values().filter(|held| held.row.n == 0 && !is_kept);
        for local in queued.map(|held| held.row.local).collect::<Vec<_>>() {
            self.offer(local, Settled::default(), now);
        }
        for (local, held) in &mut self.outbox.rows {
            if !held.row.is_doubtful {
                held.row.is_doubtful = true;
                self.tx.pending.outbox.insert(*local);
            }
        }
    }

    /// Rows that wait for this one may go; those that need a message that does not exist fail with it.
    pub(super) fn release_dependents(&mut self, done: &OutboxRow, settled: &Settled, now: Now) {
        let waiting = self.outbox.rows.values().filter(|held| held.row.after == done.local);
        for local in waiting.map(|held| held.row.local).collect::<Vec<_>>() {
            if !settled.is_done() {
                let code = ErrorCode::TargetUnknown.number();
                self.settle(local, Settled { code, ..Settled::default() }, now);
                continue;
            }
            if let Some(held) = self.outbox.rows.get_mut(&local) {
                held.row.after = 0;
                if let Some(send) = &mut held.row.send
                    && send.reply_seq == 0
                {
                    send.reply_seq = settled.seq;
                }
            }
            self.tx.pending.outbox.insert(local);
        }
    }

    /// Takes a message back that was done before the user's wish reached it.
    pub(super) fn recall(&mut self, conv: u64, seq: u64, pid: u64, now: Now) {
        let body = v1::Recall { seq, pid, reason: String::new() }.encode_to_vec().into();
        let op = v1::Op { conv, r#type: op_type::RECALL, body, ..v1::Op::default() };
        let row = OutboxRow { conv, op: Some(op), ..OutboxRow::default() };
        self.queue(None, row, 0, now);
    }

    /// Room in the window of the device may free other chains.
    pub(super) fn pump_after(&mut self, conv: u64, now: Now) {
        if self.outbox.inflight + 1 == limits::INFLIGHT_PER_DEVICE_MAX {
            self.pump_all(now);
        } else {
            self.pump(conv, now);
        }
    }
}
