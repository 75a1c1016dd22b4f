//! Admission and reads: who may speak, what goes into the log, what may be seen.
//!
//! # Takes and gives
//! Domain requests of a gateway or of local administration -> records in the log, outcomes and answers.
//!
//! # Invariants
//! - A command is answered only by its partition, after the record is durable (E1, E2); a failed append says whether it may
//!   still take effect.
//! - Commands of one conversation reach the log in the order they were handed over.
//! - The author comes from the session, never from a body; a read is granted by the conversation's leader, and its view is
//!   taken after the grant.
//! - A revoked device is refused from the moment the revocation is answered, and its connections are told to end.
//!
//! # Not here
//! The law (`tenon-core`), order (`tenon-processor`), queues (`tenon-sync`), frames and sockets (`tenon-gateway`).

mod accounts;
pub mod admin;
mod admission;
mod ask;
mod batcher;
pub mod code;
mod devices;
pub mod error;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod identity;
mod ids;
mod limits;
mod links;
pub mod live;
pub mod metrics;
mod ops;
mod reads;
pub mod service;
mod supervision;
mod turns;

pub use admin::Admin;
pub use error::ReceiverError;
pub use identity::keys::Keys;
pub use limits::RateLimits;
pub use metrics::Metrics;
pub use service::{Doors, Parts, ReceiverHandle, Service};

use tenon_base::{ByteSize, OrgId};
use tenon_core::Layout;

/// How the receiver runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Slots to partitions.
    pub layout: Layout,
    /// Producer id of this process; new at every start, so that an earlier life's records find nobody waiting.
    pub producer: u64,
    /// The organisation that this server hosts.
    pub org: OrgId,
    /// Payload that closes a record; more costs memory and latency, less costs syncs.
    pub record_bytes: ByteSize,
    /// Commands that may wait per partition; above it senders get `overload`.
    pub queue_max: usize,
    /// Reads under way at once; more costs memory, fewer leaves the disk idle.
    pub readers: usize,
    /// Reads that may wait; above it callers get `busy`.
    pub reads_max: usize,
    /// Shows data that was made up; told to everybody.
    pub is_demo: bool,
    /// How often one may send.
    pub rates: RateLimits,
    /// Members above which a conversation is read by pull.
    pub queue_mode_max: u32,
    /// Members at which it returns to queues.
    pub pull_mode_min: u32,
}

impl Options {
    /// Start values for one node.
    pub const fn new(layout: Layout, producer: u64, org: OrgId) -> Self {
        Self {
            layout,
            producer,
            org,
            record_bytes: ByteSize::kib(64),
            queue_max: 8192,
            readers: 64,
            reads_max: 4096,
            is_demo: false,
            rates: RateLimits::START,
            queue_mode_max: 500,
            pull_mode_min: 400,
        }
    }
}
