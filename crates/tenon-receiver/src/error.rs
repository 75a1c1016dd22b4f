//! What stops the receiver.

use tenon_base::PartitionId;
use tenon_ports::LogError;
use tenon_store::{FormatError, StoreError};

/// A loop of the receiver cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The log cannot be read or appended to, and whether the last command took effect is not known.
    #[error("identity log")]
    Log(#[from] LogError),
    /// The store cannot be read.
    #[error("identity rows")]
    Store(#[from] StoreError),
    /// A record does not decode.
    #[error("a record of partition {partition} does not decode")]
    Record {
        /// Which partition.
        partition: PartitionId,
        /// Why.
        #[source]
        source: FormatError,
    },
    /// The operating system gave no randomness, or a key has the wrong size.
    #[error("keys: {0}")]
    Keys(String),
    /// The loop was stopped before it could answer.
    #[error("stopped")]
    Stopped,
}
