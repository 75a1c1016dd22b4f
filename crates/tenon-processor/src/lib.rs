//! Conversation partitions: reads admitted records, decides them, keeps the result.
//!
//! # Takes and gives
//! Records of one partition's log -> hot state and store, answers to senders, fan-out records, tips.
//!
//! # Invariants
//! - One loop per partition is the only writer of its conversations.
//! - Nothing is answered, told or shown before it is committed in memory and published (E2); a queue entry exists only after
//!   its conversation record does (E8).
//! - Applying a record twice equals applying it once: sender chains, import keys and existence decide alike on a replay.
//!
//! # Not here
//! Permission law (`tenon-core`), pts and queues (`tenon-sync`), bytes on disk (`tenon-store`), admission (`tenon-receiver`).

pub mod answer;
pub mod error;
pub mod fan_out;
pub mod handle;
pub mod hot_state;
pub mod metrics;
pub mod recent;
pub mod run_loop;

pub use error::ProcessorError;
pub use handle::{ProcessorHandle, Service};
pub use metrics::Metrics;

use tenon_base::{ByteSize, PartitionId};
use tenon_core::Layout;

/// How the processor runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Slots to partitions.
    pub layout: Layout,
    /// Producer id of this process: records that carry it have somebody waiting here.
    pub producer: u64,
    /// Bound of the conversations kept in memory per partition; clean ones leave above it. Costs memory, saves loads.
    pub hot_bytes_max: ByteSize,
    /// Bound of the recent events kept per partition for delivery without reading them back.
    pub recent_bytes_max: ByteSize,
    /// Questions that may wait per partition; above it askers get `Full`.
    pub questions_max: usize,
}

impl Options {
    /// Start values for one node.
    pub const fn new(layout: Layout, producer: u64) -> Self {
        Self {
            layout,
            producer,
            hot_bytes_max: ByteSize::mib(256),
            recent_bytes_max: ByteSize::mib(32),
            questions_max: 8192,
        }
    }

    /// Index of a conversation partition among its kind.
    pub(crate) const fn index(partition: PartitionId) -> usize {
        partition.0 as usize
    }
}
