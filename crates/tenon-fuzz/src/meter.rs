//! Bytes that the running thread holds.
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; it only counts and passes on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting. Put it in place with `#[global_allocator]` in the binary or test that measures;
/// without it every measure is zero.
#[derive(Debug, Default, Clone, Copy)]
pub struct Meter;

thread_local! {
    static ALIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

impl Meter {
    /// Starts a measure on this thread.
    pub(crate) fn start() {
        ALIVE.set(0);
        PEAK.set(0);
    }

    /// Most bytes that were alive at once on this thread since the start, less those it freed of earlier ones.
    pub(crate) fn peak() -> usize {
        PEAK.get().try_into().unwrap_or(0)
    }
}

fn count(bytes: usize, sign: isize) {
    // A thread that ends has no counters any more; nobody asks it.
    let counted = ALIVE.try_with(|alive| {
        let now = alive.get().saturating_add(sign * isize::try_from(bytes).unwrap_or(isize::MAX));
        alive.set(now);
        now
    });
    if let Ok(now) = counted {
        let _peak = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
    }
}

// SAFETY: every call goes to the system's allocator unchanged; the counters do not allocate.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // A move holds both for a moment; in place it does not, so the larger of the two truths is the simpler.
        count(new_size, 1);
        count(layout.size(), -1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
