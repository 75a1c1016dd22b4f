//! User partitions: every user's queue, its devices and their cursors, and the delivery to those online.
//!
//! # Takes and gives
//! Fan-out records and user commands of one partition's log -> dense queue positions, list lines, batches to connections.
//!
//! # Invariants
//! - One loop per partition is the only writer of its queues; a batch up to pts p leaves only when everything up to p is
//!   decided (E3).
//! - A fan-out takes effect once: (source partition, lsn, index) is remembered with the state (I28).
//! - The acked position moves on the device's ack only, and only for the highest connection counter (E7, I17).
//! - A lost tail of a queue raises the queue epoch; a cursor behind the loss gets Rebase, never silence (I13).
//!
//! # Not here
//! What an event means (`tenon-core`), frames and sockets (`tenon-gateway`), history and lists (`tenon-receiver`).

pub mod delivery;
pub mod error;
pub mod handle;
pub mod hot_state;
pub mod links;
pub mod metrics;
pub mod run_loop;

pub use error::SyncError;
pub use handle::{Doors, Recovered, Service, SyncHandle};
pub use metrics::Metrics;

use tenon_base::ByteSize;
use tenon_core::Layout;

/// How sync runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Slots to partitions.
    pub layout: Layout,
    /// Producer id of this process.
    pub producer: u64,
    /// Bound of the users kept in memory per partition; clean ones without connection leave above it.
    pub hot_bytes_max: ByteSize,
    /// Hand-overs that may wait per partition; above it callers get `Full`.
    pub inbox_max: usize,
    /// Entries kept in memory per connected user, so that deliveries do not read the store.
    pub tail_entries_max: usize,
}

impl Options {
    /// Start values for one node.
    pub const fn new(layout: Layout, producer: u64) -> Self {
        Self {
            layout,
            producer,
            hot_bytes_max: ByteSize::mib(256),
            inbox_max: 16_384,
            tail_entries_max: 512,
        }
    }
}
