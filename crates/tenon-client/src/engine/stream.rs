//! The stream of a unit: coverage, cursor, Ack.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use tenon_base::Deadline;
use tenon_wire::v1;

use super::{Engine, Now, Up};
use crate::row::StreamRow;

/// The stream goes on from the presented cursor.
pub(super) const UNIT_CONTINUE: i32 = v1::UnitAction::Continue as i32;
/// A Rebase frame follows.
const UNIT_REBASE: i32 = v1::UnitAction::Rebase as i32;
/// Applied bytes that are acked at once, whatever the delay.
const ACK_BYTES: usize = 16 * 1024;
/// The same in events: a quarter of what may be under way.
const ACK_EVENTS: usize = tenon_base::limits::BATCH_EVENTS_MAX / 4;

/// One unit's stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) row: StreamRow,
    /// False until the first Rebase is taken: there is no cursor to present or store.
    pub(super) has_cursor: bool,
    /// True from the order to Rebase until its first page is taken; batches are dropped.
    pub(super) is_rebasing: bool,
    /// The Rebase whose first page is asked for.
    pub(super) asked: Option<Box<v1::Rebase>>,
}

impl Stream {
    pub(super) const fn stored(row: StreamRow) -> Self {
        Self { row, has_cursor: true, is_rebasing: false, asked: None }
    }

    pub(super) fn new(unit: u32) -> Self {
        let row = StreamRow { unit, ..StreamRow::default() };
        Self { row, has_cursor: false, is_rebasing: false, asked: None }
    }

    pub(super) fn cursor(&self) -> Option<v1::Cursor> {
        let StreamRow { unit, queue_epoch, pts, .. } = self.row;
        self.has_cursor.then_some(v1::Cursor { unit, queue_epoch, pts })
    }

    pub(super) fn to_row(&self) -> Option<StreamRow> {
        self.has_cursor.then(|| self.row.clone())
    }

    pub(super) const fn is_paging(&self) -> bool {
        self.row.rebase.is_some() || self.is_rebasing
    }

    pub(super) fn link_down(&mut self) {
        self.is_rebasing = false;
        self.asked = None;
    }
}

/// What is committed, and what of it the server was told.
#[derive(Debug, Default)]
pub(super) struct AckState {
    pub(super) committed: BTreeMap<u32, v1::Cursor>,
    pub(super) due: Option<Deadline>,
    told: BTreeMap<u32, v1::Cursor>,
    bytes: usize,
    events: usize,
}

impl AckState {
    /// A new link: the Hello told the committed cursors.
    pub(super) fn restart(&mut self) {
        self.told = self.committed.clone();
        self.due = None;
        (self.bytes, self.events) = (0, 0);
    }
}

impl Engine {
    pub(super) fn on_batch(&mut self, batch: v1::EventBatch, now: Now) {
        self.link.is_fed = true;
        let Some(stream) = self.streams.get_mut(&batch.unit) else { return };
        if stream.is_rebasing || !stream.has_cursor {
            return;
        }
        if batch.queue_epoch != stream.row.queue_epoch {
            self.subscribe(batch.unit);
            return;
        }
        let cursor = stream.row.pts;
        if batch.from_pts > cursor && !tenon_base::planted!("no-from-check") {
            self.subscribe(batch.unit);
            return;
        }
        if batch.to_pts <= cursor {
            self.ack.told.remove(&batch.unit);
            self.ack_when_due(now);
            return;
        }
        self.ack.bytes += batch.encoded_len();
        self.ack.events += batch.events.len();
        stream.row.pts = batch.to_pts;
        self.tx.pending.streams.insert(batch.unit);
        let queue_epoch = batch.queue_epoch;
        for event in batch.events {
            if event.pts > cursor || tenon_base::planted!("no-device-dedupe") {
                self.apply(event, now);
            }
        }
        debug_assert_eq!(queue_epoch, self.streams[&batch.unit].row.queue_epoch);
        if tenon_base::planted!("ack-before-commit") {
            self.ack.committed = self.cursors();
            self.send_ack();
        }
    }

    /// Asks for the stream from the cursor, once all before is committed.
    pub(super) fn subscribe(&mut self, unit: u32) {
        let Some(cursor) = self.streams.get(&unit).and_then(Stream::cursor) else { return };
        self.up(Up::Subscribe(v1::Subscribe {
            unit,
            queue_epoch: cursor.queue_epoch,
            from_pts: cursor.pts,
        }));
    }

    /// A unit's state, in the answer to Hello or on the live link.
    pub(super) fn on_unit_state(&mut self, state: &v1::UnitState, is_live: bool) {
        match state.action {
            UNIT_CONTINUE => {
                let Some(stream) = self.streams.get_mut(&state.unit) else { return };
                if stream.has_cursor && stream.row.queue_epoch != state.queue_epoch {
                    stream.row.queue_epoch = state.queue_epoch;
                    self.tx.pending.streams.insert(state.unit);
                }
                if is_live {
                    self.subscribe(state.unit);
                }
            }
            UNIT_REBASE => {
                let stream =
                    self.streams.entry(state.unit).or_insert_with(|| Stream::new(state.unit));
                stream.is_rebasing = true;
            }
            _ if is_live => self.subscribe(state.unit),
            _ => {}
        }
    }

    /// The heartbeat says how far the queue is: if nothing came since the Ping, the stream has stalled.
    pub(super) fn on_pong_unit(&mut self, state: &v1::UnitState) {
        let Some(stream) = self.streams.get(&state.unit) else { return };
        let is_behind = state.queue_epoch == stream.row.queue_epoch
            && state.tip_pts > stream.row.pts
            || state.queue_epoch > stream.row.queue_epoch;
        if is_behind && !stream.is_rebasing && stream.has_cursor && !self.link.is_fed {
            self.subscribe(state.unit);
        }
    }

    /// Plans the Ack of what is committed; sends it at once if much is under way.
    pub(super) fn ack_when_due(&mut self, now: Now) {
        if self.ack.told == self.ack.committed || !self.link.is_live() {
            return;
        }
        if self.ack.bytes >= ACK_BYTES || self.ack.events >= ACK_EVENTS {
            self.send_ack();
        } else if self.ack.due.is_none() {
            let delay: Duration = self.config.ack_delay;
            self.ack.due = Some(now.mono.plus(delay));
        }
    }

    /// Tells the committed cursors, if the server does not know them.
    pub(super) fn send_ack(&mut self) {
        if let Some(ack) = self.take_ack()
            && self.link.is_live()
        {
            self.link.with(|session| session.send_ack(&ack));
        }
    }

    pub(super) fn take_ack(&mut self) -> Option<v1::Ack> {
        self.ack.due = None;
        if self.ack.told == self.ack.committed {
            return None;
        }
        self.ack.told = self.ack.committed.clone();
        (self.ack.bytes, self.ack.events) = (0, 0);
        let cursors = self.ack.committed.values().copied().collect();
        Some(v1::Ack { cursors, ..v1::Ack::default() })
    }
}
