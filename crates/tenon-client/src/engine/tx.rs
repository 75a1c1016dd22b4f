//! Gathering changes into transactions, and holding back what depends on them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tenon_wire::v1;

use super::ask::Ask;
use super::{Answer, AppEvent, Engine, Now, Output};
use crate::row::IntervalsRow;
use crate::store::StoreOp;

/// Something that leaves once every change before it is committed.
#[derive(Debug)]
pub(super) enum Effect {
    Event(AppEvent),
    Answer(u64, Answer),
    Connect,
    CloseLink,
    /// For the link of this number only.
    Up(u64, Up),
}

/// A frame for the link.
#[derive(Debug)]
pub(super) enum Up {
    /// The outbox row with this local id, if it is still unsettled.
    Row(u64),
    /// VOID for a number that no row has: conversation and cid.
    Void(u64, u64),
    Ask(Box<Ask>),
    Subscribe(v1::Subscribe),
    Reads(Vec<v1::ReadMark>),
    Watch(v1::Watch),
    Ephemeral(v1::Ephemeral),
}

/// Changes since the last cut. Rows are named, and written as they are at the cut.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) ops: Vec<StoreOp>,
    pub(super) is_device_dirty: bool,
    pub(super) streams: BTreeSet<u32>,
    pub(super) conversations: BTreeSet<u64>,
    pub(super) intervals: BTreeSet<u64>,
    pub(super) outbox: BTreeSet<u64>,
    pub(super) reads: BTreeSet<u64>,
    pub(super) events_done: u64,
    pub(super) effects: Vec<Effect>,
}

/// The transaction that the driver performs.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) tx: u64,
    pub(super) effects: Vec<Effect>,
    pub(super) cursors: BTreeMap<u32, v1::Cursor>,
}

/// All three stages.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    pub(super) pending: Pending,
    pub(super) open: Option<Open>,
    pub(super) ready: VecDeque<Effect>,
    pub(super) is_failed: bool,
    last: u64,
}

impl Transactions {
    /// Nothing leaves any more.
    pub(super) fn fail(&mut self) {
        *self = Self { is_failed: true, ..Self::default() };
    }
}

/// What a cut gave.
pub(super) enum Cut {
    Nothing,
    Effects,
    Commit(Output),
}

impl Engine {
    /// Ends the gathering: either a transaction, or effects that depend on none.
    pub(super) fn cut(&mut self) -> Cut {
        let pending = std::mem::take(&mut self.tx.pending);
        let mut ops = pending.ops;
        if pending.events_done > 0 {
            ops.push(StoreOp::EventsDone(pending.events_done));
        }
        if pending.is_device_dirty {
            ops.push(StoreOp::Device(self.device.clone()));
        }
        let streams = pending.streams.iter().filter_map(|unit| self.streams.get(unit)?.to_row());
        ops.extend(streams.map(StoreOp::Stream));
        for conv in pending.conversations {
            if let Some(c) = self.conversations.get(&conv) {
                ops.push(StoreOp::Conversation(Box::new(c.row.clone())));
            }
        }
        for conv in pending.intervals {
            if let Some(c) = self.conversations.get(&conv) {
                let intervals = c.intervals.rows().to_vec();
                ops.push(StoreOp::Intervals(conv, IntervalsRow { intervals }));
            }
        }
        for local in pending.outbox {
            ops.push(match self.outbox.row(local) {
                Some(row) => StoreOp::Outbox(Box::new(row.clone())),
                None => StoreOp::OutboxDone(local),
            });
        }
        for conv in pending.reads {
            ops.push(match self.reads.row(conv) {
                Some(row) => StoreOp::ReadPending(row),
                None => StoreOp::ReadDone(conv),
            });
        }
        if ops.is_empty() {
            if pending.effects.is_empty() {
                return Cut::Nothing;
            }
            self.tx.ready.extend(pending.effects);
            return Cut::Effects;
        }
        self.tx.last += 1;
        let tx = self.tx.last;
        let cursors = self.cursors();
        self.tx.open = Some(Open { tx, effects: pending.effects, cursors });
        Cut::Commit(Output::Commit { tx, ops })
    }

    /// Lets one effect out: frames go into the session, the rest to the driver.
    pub(super) fn release(&mut self, effect: Effect, now: Now) -> Option<Output> {
        match effect {
            Effect::Event(event) => Some(Output::Event(event)),
            Effect::Answer(ticket, answer) => Some(Output::Answer(ticket, answer)),
            Effect::Connect => self.link.is_connecting().then_some(Output::Connect),
            Effect::CloseLink => Some(Output::CloseLink),
            Effect::Up(link, up) => {
                if link == self.link.number() && self.link.is_live() {
                    self.transmit(up, now);
                } else if let Up::Ask(ask) = up {
                    self.ask_lost(*ask);
                }
                None
            }
        }
    }

    fn transmit(&mut self, up: Up, now: Now) {
        match up {
            Up::Row(local) => self.transmit_row(local, now),
            Up::Void(conv, cid) => self.transmit_void(conv, cid),
            Up::Ask(ask) => self.transmit_ask(*ask, now),
            Up::Reads(marks) => self.transmit_reads(marks),
            Up::Subscribe(subscribe) => self.link.with(|s| s.send_subscribe(&subscribe)),
            Up::Watch(watch) => self.link.with(|s| s.send_watch(&watch)),
            Up::Ephemeral(ephemeral) => self.link.with(|s| s.send_ephemeral(&ephemeral)),
        }
    }

    pub(super) fn dirty(&mut self, conv: u64) {
        self.tx.pending.conversations.insert(conv);
    }
}
