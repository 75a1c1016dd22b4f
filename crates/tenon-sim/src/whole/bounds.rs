//! What may be held at most (I25): bytes of the log between the flushes that it has to keep.

use std::collections::VecDeque;

use super::Whole;

/// Flushes whose records the log keeps, as the store is opened with.
const FLUSHES_KEPT: usize = 2;
/// Segments beside those that records need: prepared ones, heads, what recovery moves.
const SPARE_SEGMENTS: u64 = 8;

/// Where flushes began, counted in bytes that were written to the disk.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// Of the flush under way.
    began: u64,
    /// Of the last ones of this life that ended well.
    kept: VecDeque<u64>,
    /// The log needs nothing from before here.
    base: u64,
    /// Most bytes that the log had to hold at a time.
    log_live_max: u64,
}

impl Whole {
    pub(super) fn flush_begins(&mut self) {
        self.bounds.began = self.machine.disk.written();
    }

    /// The log may drop what the flush before the kept ones stood for.
    pub(super) fn flush_ended(&mut self) {
        let bounds = &mut self.bounds;
        let live = self.machine.disk.written() - bounds.base;
        bounds.log_live_max = bounds.log_live_max.max(live);
        bounds.kept.push_back(bounds.began);
        if bounds.kept.len() > FLUSHES_KEPT
            && let Some(oldest) = bounds.kept.pop_front()
        {
            bounds.base = oldest;
        }
    }

    /// Segments are used again. A torn end, and partitions that flush one after another, may double what is needed.
    pub(super) fn log_is_small(&mut self) {
        let live = self.machine.disk.written() - self.bounds.base;
        let live = self.bounds.log_live_max.max(live);
        let allowed = 2 * live.div_ceil(self.plan.sizes.segment.0) + SPARE_SEGMENTS;
        let files = self.machine.disk.files() as u64;
        if files > allowed {
            let text = format!("the log has {files} files for {live} bytes that it has to keep");
            self.violated("I25", text);
        }
    }

    /// A new life knows of no flush, so its log drops nothing at first.
    pub(super) fn flushes_forgotten(&mut self) {
        self.bounds.kept.clear();
    }
}
