//! The doors in memory: deterministic, without a runtime, for tests, the simulator and trial runs.
//!
//! They keep the laws of the traits and add switches for faults, so that a room can be shown every answer a door may give.

mod blob;
mod bus;
mod directory;
mod kv;
mod log;

pub use blob::MemoryBlob;
pub use bus::MemoryBus;
pub use directory::MemoryDirectory;
pub use kv::{MemoryKv, MemorySnapshot, Rows, Spaces};
pub use log::MemoryLog;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state behind a lock; a panic of another holder leaves it as it was, which these doors can live with.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
