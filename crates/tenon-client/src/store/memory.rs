//! A store without a file: for tests, short-lived tools and load generators.

use std::collections::BTreeMap;

use tenon_wire::v1;

use super::{RowRange, Store, StoreError, StoreOp};
use crate::row::{
    ConversationRow, DeviceRow, EventRow, IntervalsRow, Loaded, OpaqueRow, OutboxRow,
    ReadPendingRow, StreamRow,
};

/// Keeps rows in ordered maps; what was committed survives the engine, not the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryStore {
    device: Option<DeviceRow>,
    streams: BTreeMap<u32, StreamRow>,
    conversations: BTreeMap<u64, ConversationRow>,
    intervals: BTreeMap<u64, IntervalsRow>,
    messages: BTreeMap<(u64, u64), v1::MessageRow>,
    privates: BTreeMap<(u64, u64, u64), v1::PrivateMessage>,
    outbox: BTreeMap<u64, OutboxRow>,
    reads: BTreeMap<u64, ReadPendingRow>,
    events: BTreeMap<u64, EventRow>,
    opaque: BTreeMap<u64, OpaqueRow>,
    is_forgetful: bool,
}

impl MemoryStore {
    /// A store that drops every row it is given: for thousands of clients that never restart.
    pub fn forgetful() -> Self {
        Self { is_forgetful: true, ..Self::default() }
    }

    /// Events of unknown types that were met, by pts.
    pub fn opaque(&self) -> impl Iterator<Item = &OpaqueRow> {
        self.opaque.values()
    }

    fn apply(&mut self, op: StoreOp) {
        match op {
            StoreOp::Device(row) => self.device = Some(row),
            StoreOp::Stream(row) => drop(self.streams.insert(row.unit, row)),
            StoreOp::Conversation(row) => drop(self.conversations.insert(row.conv, *row)),
            StoreOp::Intervals(conv, row) if row.intervals.is_empty() => {
                self.intervals.remove(&conv);
            }
            StoreOp::Intervals(conv, row) => drop(self.intervals.insert(conv, row)),
            StoreOp::Message(conv, row) => {
                let held = self.messages.entry((conv, row.seq)).or_default();
                if held.seq == 0 || row.ver > held.ver {
                    *held = *row;
                }
            }
            StoreOp::Change { conv, seq, ver, change } => {
                if let Some(row) = self.messages.get_mut(&(conv, seq)) {
                    change.apply(row, ver);
                }
            }
            StoreOp::Gone { conv, lo, hi } => {
                self.messages.retain(|&(c, seq), _| c != conv || seq < lo || seq > hi);
            }
            StoreOp::Private(conv, row) => {
                let ver = |p: &v1::PrivateMessage| p.message.as_ref().map_or(0, |m| m.ver);
                let held = self.privates.entry((conv, row.anchor_seq, row.pid)).or_default();
                if held.pid == 0 || ver(&row) > ver(held) {
                    *held = *row;
                }
            }
            StoreOp::Outbox(row) => drop(self.outbox.insert(row.local, *row)),
            StoreOp::OutboxDone(local) => drop(self.outbox.remove(&local)),
            StoreOp::ReadPending(row) => drop(self.reads.insert(row.conv, row)),
            StoreOp::ReadDone(conv) => drop(self.reads.remove(&conv)),
            StoreOp::Event(row) => drop(self.events.insert(row.n, *row)),
            StoreOp::EventsDone(n) => self.events = self.events.split_off(&n.saturating_add(1)),
            StoreOp::Opaque(row) => drop(self.opaque.insert(row.pts, *row)),
        }
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(Loaded {
            device: self.device.clone(),
            streams: self.streams.values().cloned().collect(),
            conversations: self.conversations.values().cloned().collect(),
            intervals: self.intervals.iter().map(|(conv, row)| (*conv, row.clone())).collect(),
            outbox: self.outbox.values().cloned().collect(),
            reads: self.reads.values().copied().collect(),
            events: self.events.values().cloned().collect(),
        })
    }

    fn commit(&mut self, ops: Vec<StoreOp>) -> Result<(), StoreError> {
        if !self.is_forgetful {
            ops.into_iter().for_each(|op| self.apply(op));
        }
        Ok(())
    }

    fn messages(&mut self, range: RowRange) -> Result<Vec<v1::MessageRow>, StoreError> {
        if range.lo > range.hi {
            return Ok(Vec::new());
        }
        let rows = self.messages.range((range.conv, range.lo)..=(range.conv, range.hi));
        let rows = rows.map(|(_, row)| row.clone());
        if range.is_upward {
            return Ok(rows.take(range.limit).collect());
        }
        let mut rows: Vec<_> = rows.rev().take(range.limit).collect();
        rows.reverse();
        Ok(rows)
    }

    fn privates(
        &mut self,
        conv: u64,
        lo: u64,
        hi: u64,
    ) -> Result<Vec<v1::PrivateMessage>, StoreError> {
        if lo > hi {
            return Ok(Vec::new());
        }
        let rows = self.privates.range((conv, lo, 0)..=(conv, hi, u64::MAX));
        Ok(rows.map(|(_, row)| row.clone()).collect())
    }
}
