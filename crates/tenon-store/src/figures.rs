//! What the store did since it was opened.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::pack::Shape;

/// Counts since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Bytes of headers, bodies, keys and state values that rooms gave.
    pub given_bytes: u64,
    /// Bytes written to the engine by flushes.
    pub flush_bytes: u64,
    /// Bytes written to the engine by re-packs.
    pub repack_bytes: u64,
    /// State rows of these.
    pub state_rows: u64,
    /// Bytes in active and waiting memtables.
    pub memtable_bytes: u64,
    /// Bytes of the engine on disk.
    pub disk_bytes: u64,
    /// Flushes.
    pub flushes: u64,
    /// Re-packs.
    pub repacks: u64,
    /// Flushes and re-packs that failed.
    pub failures: u64,
    /// Blocks and rows that did not verify.
    pub damaged: u64,
    /// What flushes wrote, by shape.
    pub flushed: Shape,
    /// What re-packs wrote, by shape.
    pub repacked: Shape,
}

impl Figures {
    /// Bytes written to the engine per byte given, the engine's own compaction and the log not counted. 0 before the first
    /// flush.
    pub fn write_amplification(&self) -> f64 {
        let given = self.given_bytes.saturating_sub(self.memtable_bytes);
        if given == 0 { 0.0 } else { (self.flush_bytes + self.repack_bytes) as f64 / given as f64 }
    }

    /// Share of the values that left in value blocks at their flush, 0 to 1; the goal is 0.7.
    pub fn packed_share(&self) -> f64 {
        self.flushed.packed_share()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Memory of the active shards.
    active_bytes: AtomicUsize,
    given_bytes: AtomicU64,
    /// `given_bytes` that flushes have taken.
    flushed_given: AtomicU64,
    damaged: AtomicU64,
    slow: Mutex<Figures>,
}

impl Counters {
    /// Notes what a batch gave; returns the memory of the active shards.
    pub(crate) fn given(&self, memory_bytes: usize, user_bytes: usize) -> usize {
        self.given_bytes.fetch_add(user_bytes as u64, Ordering::Relaxed);
        self.active_bytes.fetch_add(memory_bytes, Ordering::Relaxed) + memory_bytes
    }

    pub(crate) fn active_bytes(&self) -> usize {
        self.active_bytes.load(Ordering::Relaxed)
    }

    /// A rotation: what was given so far leaves with the flush.
    pub(crate) fn rotated(&self) -> u64 {
        self.active_bytes.store(0, Ordering::Relaxed);
        self.given_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn flushed(&self, given_before: u64, shape: &Shape, state_rows: u64, bytes: u64) {
        self.flushed_given.store(given_before, Ordering::Relaxed);
        let mut slow = self.slow();
        slow.flushes += 1;
        slow.flush_bytes += bytes;
        slow.state_rows += state_rows;
        slow.flushed.add(shape);
    }

    pub(crate) fn repacked(&self, shape: &Shape) {
        let mut slow = self.slow();
        slow.repacks += 1;
        slow.repack_bytes += shape.written_bytes;
        slow.repacked.add(shape);
    }

    pub(crate) fn failed(&self) {
        self.slow().failures += 1;
    }

    pub(crate) fn found_damage(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    fn slow(&self) -> std::sync::MutexGuard<'_, Figures> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn figures(&self, disk_bytes: u64) -> Figures {
        let given_bytes = self.given_bytes.load(Ordering::Relaxed);
        let mut figures = *self.slow();
        figures.given_bytes = given_bytes;
        figures.memtable_bytes =
            given_bytes.saturating_sub(self.flushed_given.load(Ordering::Relaxed));
        figures.disk_bytes = disk_bytes;
        figures.damaged = self.damaged.load(Ordering::Relaxed);
        figures
    }
}
