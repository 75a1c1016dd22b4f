//! Why a partition stopped.

use tenon_ports::LogError;
use tenon_store::{FormatError, StoreError};

/// A user partition could not go on. It stops; queues are derived and can be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The log failed.
    #[error("log")]
    Log(#[from] LogError),
    /// The store failed.
    #[error("store")]
    Store(#[from] StoreError),
    /// A record does not decode. It is never skipped.
    #[error("record at {lsn} of partition {partition}")]
    Record {
        /// Which partition.
        partition: tenon_base::PartitionId,
        /// Where.
        lsn: tenon_base::Lsn,
        /// Why.
        #[source]
        source: FormatError,
    },
}
