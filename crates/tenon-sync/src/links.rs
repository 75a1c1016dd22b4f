//! Live connections of devices: what was sent, what was acked, how much may be under way.

use std::collections::VecDeque;
use std::sync::Arc;

use tenon_base::limits::BATCH_EVENTS_MAX;
use tenon_base::{ConnCtr, DeviceId, Pts};
use tenon_core::handover::{DeviceLink, LinkKey};

/// One connection and its credit window.
pub(crate) struct Link {
    pub(crate) device: DeviceId,
    pub(crate) conn_ctr: ConnCtr,
    pub(crate) exchange: u32,
    pub(crate) to: Arc<dyn DeviceLink>,
    /// Sent up to here.
    pub(crate) sent: Pts,
    /// False between a rebase and the subscribe that follows it.
    pub(crate) is_streaming: bool,
    /// Batches not acked: (to, events, bytes).
    under_way: VecDeque<(Pts, usize, usize)>,
    events_open: usize,
    bytes_open: usize,
    pub(crate) window_bytes: usize,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("device", &self.device)
            .field("conn_ctr", &self.conn_ctr)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(crate) fn new(key: LinkKey, to: Arc<dyn DeviceLink>, sent: Pts, window_bytes: u32) -> Self {
        Self {
            device: key.device,
            conn_ctr: key.conn_ctr,
            exchange: key.exchange,
            to,
            sent,
            is_streaming: true,
            under_way: VecDeque::new(),
            events_open: 0,
            bytes_open: 0,
            window_bytes: window_bytes as usize,
        }
    }

    /// Events and bytes the next batch may hold; one batch may exceed an empty window.
    pub(crate) fn room(&self) -> Option<(usize, usize)> {
        if self.under_way.is_empty() {
            return Some((BATCH_EVENTS_MAX, self.window_bytes.max(1)));
        }
        let events = BATCH_EVENTS_MAX.saturating_sub(self.events_open);
        let bytes = self.window_bytes.saturating_sub(self.bytes_open);
        if events == 0 || bytes == 0 { None } else { Some((events, bytes)) }
    }

    /// Notes a batch that left.
    pub(crate) fn sent(&mut self, to: Pts, events: usize, bytes: usize) {
        self.sent = to;
        self.under_way.push_back((to, events, bytes));
        self.events_open += events;
        self.bytes_open += bytes;
    }

    /// The device stored everything up to `pts`.
    pub(crate) fn acked(&mut self, pts: Pts) {
        while let Some((to, events, bytes)) = self.under_way.front().copied() {
            if to > pts {
                break;
            }
            self.under_way.pop_front();
            self.events_open -= events;
            self.bytes_open -= bytes;
        }
    }

    /// Starts again from `pts`.
    pub(crate) fn restart(&mut self, pts: Pts) {
        self.under_way.clear();
        self.events_open = 0;
        self.bytes_open = 0;
        self.sent = pts;
        self.is_streaming = true;
    }
}
