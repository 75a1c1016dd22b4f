//! Answers to commands. A row settles once, by whatever says the outcome first.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tenon_wire::{ErrorClass, ErrorCode, event_type, method, v1};

use super::ask::Purpose;
use super::backoff::after;
use super::{Engine, Now, Up};
use crate::row::{EventWhat, OutboxRow, Settled};

/// Pause before a command goes to the unit that its conversation moved to.
const MOVED_PAUSE: Duration = Duration::from_secs(1);
/// Resends that a GAP orders at once; then it waits.
const GAPS_AT_ONCE: u32 = 2;

const OK: i32 = v1::Status::Ok as i32;
const DUPLICATE: i32 = v1::Status::Duplicate as i32;
const REJECTED: i32 = v1::Status::Rejected as i32;
const GAP: i32 = v1::Status::Gap as i32;
const PARKED: i32 = v1::Status::Parked as i32;
const MOVED: i32 = v1::Status::Moved as i32;
const ACCEPTED: i32 = v1::Status::Accepted as i32;

/// What both kinds of answers have in common.
struct Reply {
    status: i32,
    code: u32,
    expect: u64,
    retry_after_ms: u32,
    settled: Settled,
}

impl Engine {
    pub(super) fn on_send_ack(&mut self, id: u32, ack: v1::SendAck, now: Now) {
        let Some(local) = self.row_of_answer(id, ack.conv, ack.cid) else { return };
        let settled = Settled {
            seq: ack.seq,
            rev: ack.rev,
            pid: ack.pid,
            id: ack.message_id,
            ts: ack.ts,
            args: ack.args,
            ..Settled::default()
        };
        let (status, code) = (ack.status, ack.code);
        let (expect, retry_after_ms) = (ack.expect_cid, ack.retry_after_ms);
        let reply = Reply { status, code, expect, retry_after_ms, settled };
        self.on_reply(id, local, reply, now);
    }

    pub(super) fn on_op_ack(&mut self, id: u32, ack: v1::OpAck, now: Now) {
        let Some(local) = self.row_of_answer(id, ack.conv, ack.n) else { return };
        let settled = Settled { rev: ack.rev, id: ack.id, args: ack.args, ..Settled::default() };
        let (status, code) = (ack.status, ack.code);
        let (expect, retry_after_ms) = (ack.expect_n, ack.retry_after_ms);
        let reply = Reply { status, code, expect, retry_after_ms, settled };
        self.on_reply(id, local, reply, now);
    }

    /// The row an answer is about: by frame, else by its key in this device epoch. An answer does not name its epoch, so one
    /// to a frame of an epoch that was left says nothing about the row that has the number now.
    fn row_of_answer(&mut self, id: u32, conv: u64, n: u64) -> Option<u64> {
        if let Some((local, epoch)) = self.outbox.frames.get(&id).copied() {
            let row = self.outbox.row(local)?;
            return ((row.conv, row.device_epoch, row.n) == (conv, epoch, n)).then_some(local);
        }
        let key = (self.device.device_epoch, n);
        self.outbox.chains.get(&conv)?.inflight.get(&key).copied()
    }

    fn on_reply(&mut self, id: u32, local: u64, reply: Reply, now: Now) {
        let Some(held) = self.outbox.rows.get_mut(&local) else { return };
        let is_newest = held.frame == id;
        match reply.status {
            OK | ACCEPTED => self.settle(local, reply.settled, now),
            DUPLICATE if reply.code == 0 => self.settle(local, reply.settled, now),
            DUPLICATE => self.on_rejected(local, reply.code, true, reply.settled, now),
            REJECTED => self.on_rejected(local, reply.code, false, reply.settled, now),
            GAP if is_newest => self.on_gap(local, reply.expect, now),
            PARKED => held.parked_at = Some(now.mono),
            MOVED if is_newest => self.hold_from(local, MOVED_PAUSE, now),
            GAP | MOVED => {}
            _ if is_newest => {
                let wait = after(self.random.as_ref(), reply.retry_after_ms);
                self.hold_from(local, wait, now);
            }
            _ => {}
        }
    }

    /// The number is consumed and the command had no effect; `is_repeat` says that this was decided before.
    fn on_rejected(&mut self, local: u64, code: u32, is_repeat: bool, settled: Settled, now: Now) {
        let Some(row) = self.outbox.row(local) else { return };
        let is_reused = code == ErrorCode::CidReused.number();
        let is_free = is_reused || code == ErrorCode::Cancelled.number();
        let is_closing = row.device_epoch != self.device.device_epoch;
        if is_closing && !row.is_void && is_free {
            if row.is_doubtful && (is_repeat || is_reused) {
                // A life of the store that is lost may have closed it, and sent it under another number.
                self.offer(local, settled, now);
                return;
            }
            let conv = row.conv;
            self.outbox.requeue(local);
            self.tx.pending.outbox.insert(local);
            self.pump(conv, now);
        } else if is_reused && !is_closing {
            self.store_fell_back(now);
            self.renew_device_epoch(now);
        } else {
            let told = if row.is_void && row.void_code != 0 { row.void_code } else { code };
            self.settle(local, Settled { code: told, ..settled }, now);
        }
    }

    /// The server waits for another number of the chain.
    fn on_gap(&mut self, local: u64, expect: u64, now: Now) {
        let Some(row) = self.outbox.row(local) else { return };
        let (conv, epoch) = (row.conv, row.device_epoch);
        let Some(chain) = self.outbox.chains.get(&conv) else { return };
        let first = chain.inflight.range((epoch, 0)..(epoch + 1, 0)).next();
        let first = first.map(|((_, n), local)| (*n, *local));
        let mut target = chain.inflight.get(&(epoch, expect)).copied().unwrap_or(local);
        let is_held = chain.hold.is_some();
        if let Some((_, oldest)) = first.filter(|(n, _)| expect < *n) {
            // A number that is settled here. What can not be closed either is the user's choice.
            if epoch != self.device.device_epoch {
                self.offer(local, Settled::default(), now);
                return;
            }
            if !self.fill_absent(conv, expect) {
                // The server lost its state.
                self.renew_device_epoch(now);
                return;
            }
            target = oldest;
        }
        if is_held {
            // Those behind a held command cannot have been taken: they go again with it.
            self.unsend_from(target);
            return;
        }
        let tries = self.outbox.rows.get(&target).map_or(0, |held| held.tries);
        if tries < GAPS_AT_ONCE {
            self.resend_from(target, now);
        } else {
            let wait = after(self.random.as_ref(), 100 << tries.min(6));
            self.hold_from(target, wait, now);
        }
    }

    /// Numbers of commands that found no chain are used up with VOID. False if the expected one is none of these.
    fn fill_absent(&mut self, conv: u64, expect: u64) -> bool {
        let below = self.conversations.get(&conv).map_or(0, |c| c.row.absent_below);
        (expect..below).for_each(|cid| self.up(Up::Void(conv, cid)));
        expect < below
    }

    /// An error frame for a command: nothing was decided.
    pub(super) fn on_row_error(&mut self, id: u32, info: &v1::ErrorInfo, now: Now) {
        let Some((local, _)) = self.outbox.frames.remove(&id) else { return };
        let Some(held) = self.outbox.rows.get(&local).filter(|held| held.frame == id) else {
            return;
        };
        let strangers = [ErrorCode::Absent, ErrorCode::NotMember];
        let is_stranger = strangers.iter().any(|code| code.number() == info.code);
        let is_closing = held.row.device_epoch != self.device.device_epoch;
        match ErrorClass::of(info.code) {
            Some(ErrorClass::Reject) if is_stranger && held.row.conv != 0 => {
                self.fail_chain(held.row.conv, info.code, now);
            }
            // It can not be closed: whether it goes again is the user's choice. Another new epoch would change nothing.
            Some(ErrorClass::Reject | ErrorClass::Client | ErrorClass::Resync) if is_closing => {
                self.offer(local, Settled::default(), now);
            }
            Some(ErrorClass::Reject | ErrorClass::Client) if held.row.is_void => {
                self.renew_device_epoch(now);
            }
            Some(ErrorClass::Reject | ErrorClass::Client) => {
                // The number must be consumed, else those behind it wait for ever.
                if let Some(held) = self.outbox.rows.get_mut(&local) {
                    held.row.is_void = true;
                    held.row.void_code = info.code;
                }
                self.tx.pending.outbox.insert(local);
                self.resend_from(local, now);
            }
            Some(ErrorClass::Resync) => self.renew_device_epoch(now),
            _ => {
                let wait = after(self.random.as_ref(), info.retry_after_ms);
                self.hold_from(local, wait, now);
            }
        }
    }

    /// The user has no chain there: every row fails. A copy under way may still find the user a member, so the numbers are not
    /// used again; if the chain comes to be, a GAP asks for them.
    fn fail_chain(&mut self, conv: u64, code: u32, now: Now) {
        let rows = self.outbox.rows.values().filter(|held| held.row.conv == conv);
        let locals: Vec<u64> = rows.map(|held| held.row.local).collect();
        for local in locals {
            self.settle(local, Settled { code, ..Settled::default() }, now);
        }
        let row = &mut self.conversation_mut(conv).row;
        row.absent_below = row.next_cid;
    }

    /// Whether it was sent is not known: the user decides whether it goes again.
    pub(super) fn offer(&mut self, local: u64, settled: Settled, now: Now) {
        self.settle(local, Settled { is_offered_again: true, ..settled }, now);
    }

    /// Ends a row: it leaves the store, the app is told, and what waited for it goes on.
    pub(super) fn settle(&mut self, local: u64, mut settled: Settled, now: Now) {
        let Some(row) = self.outbox.remove(local) else { return };
        self.tx.pending.outbox.insert(local);
        settled.local = local;
        settled.conv = row.conv;
        if !settled.is_done() {
            settled.send.clone_from(&row.send);
        }
        let was_cancelled = row.is_void && row.void_code == 0 && row.send.is_some();
        if was_cancelled && settled.is_done() {
            self.recall(row.conv, settled.seq, settled.pid, now);
        }
        self.tell(EventWhat::Settled(settled.clone()));
        self.release_dependents(&row, &settled, now);
        self.pump_after(row.conv, now);
    }

    /// An event that names the own key says the outcome.
    pub(super) fn settle_by_event(&mut self, event: &v1::SyncEvent, now: Now) {
        let is_own = event.cid > 0 && event.device == self.device.device && event.device != 0;
        if event.r#type == event_type::OP_OUTCOME {
            self.settle_by_outcome(event, now);
        }
        if !is_own {
            return;
        }
        let key = (event.device_epoch, event.cid);
        let chain = self.outbox.chains.get(&event.conv);
        let Some(local) = chain.and_then(|chain| chain.inflight.get(&key)).copied() else { return };
        if !self.outbox.row(local).is_some_and(|row| may_be_of(row, event)) {
            // The number was used by a life of the store that is lost; the answer says so.
            return;
        }
        let private = match event.r#type {
            event_type::PRIVATE_MESSAGE => v1::PrivateChanged::decode(event.body.clone()).ok(),
            _ => None,
        };
        let settled = Settled {
            seq: event.seq,
            rev: event.rev,
            pid: private.and_then(|body| body.private).map_or(0, |p| p.pid),
            id: event.message_id,
            ts: event.ts,
            ..Settled::default()
        };
        self.settle(local, settled, now);
    }

    fn settle_by_outcome(&mut self, event: &v1::SyncEvent, now: Now) {
        let Ok(outcome) = v1::OpOutcome::decode(event.body.clone()) else { return };
        if outcome.device != self.device.device || outcome.device == 0 {
            return;
        }
        let key = (outcome.device_epoch, outcome.op_seq);
        let chain = self.outbox.chains.get(&0);
        let Some(local) = chain.and_then(|chain| chain.inflight.get(&key)).copied() else { return };
        let is_refused = outcome.status == REJECTED;
        let code = if is_refused { outcome.code } else { 0 };
        self.settle(local, Settled { code, id: outcome.id, ..Settled::default() }, now);
    }

    /// A parked message could not be ordered.
    pub(super) fn settle_failed(&mut self, conv: u64, failed: &v1::SendFailed, now: Now) {
        if failed.device != self.device.device {
            return;
        }
        let key = (failed.device_epoch, failed.cid);
        let chain = self.outbox.chains.get(&conv);
        let Some(local) = chain.and_then(|chain| chain.inflight.get(&key)).copied() else { return };
        let args: BTreeMap<_, _> = failed.args.clone();
        self.on_rejected(local, failed.code, true, Settled { args, ..Settled::default() }, now);
    }

    /// After a Rebase the events that would have settled parked rows may be skipped: asks for the outcome.
    pub(super) fn look_up_unsettled(&mut self, _now: Now) {
        let parked = self.outbox.rows.values().filter(|held| held.parked_at.is_some());
        let asks: Vec<_> = parked
            .map(|held| {
                let OutboxRow { local, conv, device_epoch, n, .. } = held.row;
                (local, v1::LookupSend { conv, device_epoch, n })
            })
            .collect();
        for (local, body) in asks {
            let body = body.encode_to_vec().into();
            self.ask(method::LOOKUP_SEND, body, Purpose::Lookup(local));
        }
    }

    pub(super) fn on_lookup(&mut self, local: u64, body: Bytes, now: Now) {
        let outcome = v1::SendOutcome::decode(body).unwrap_or_default();
        let settled = Settled {
            seq: outcome.seq,
            rev: outcome.rev,
            pid: outcome.pid,
            id: outcome.message_id,
            ..Settled::default()
        };
        match outcome.status {
            OK | DUPLICATE if outcome.code == 0 => self.settle(local, settled, now),
            OK | DUPLICATE | REJECTED => {
                self.on_rejected(local, outcome.code, true, settled, now);
            }
            _ => self.resend_from(local, now),
        }
    }
}

/// False if the event under the row's own number shows something else than the row.
fn may_be_of(row: &OutboxRow, event: &v1::SyncEvent) -> bool {
    if event.r#type != event_type::MESSAGE {
        return row.op.is_some() || event.r#type == event_type::PRIVATE_MESSAGE;
    }
    row.send.as_ref().is_some_and(|send| (send.kind, &send.body) == (event.kind, &event.body))
}
