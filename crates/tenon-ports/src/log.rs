//! The `Log` door: partitions of ordered, durable records.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tenon_base::{ByteSize, Lsn, PartitionId, Retry};

/// One record to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// Which log.
    pub partition: PartitionId,
    /// Who appends; with `producer_seq` the key by which readers drop repeats. Fan-out: the source partition.
    pub producer: u64,
    /// Sequence of this record at its producer. Fan-out: the source Lsn.
    pub producer_seq: u64,
    /// Admission time of the record, Unix microseconds.
    pub time_us: u64,
    /// Key under which the payload is sealed; 0 = clear.
    pub key_id: u64,
    /// Leader epoch of the writer; 0 where nobody leads (admission).
    pub leader_epoch: u64,
    /// Kind of the payload (`kind` below); opaque to the log but kept in the frame.
    pub kind: u8,
    /// At most [`tenon_base::limits::RECORD_BYTES_MAX`].
    pub payload: Bytes,
}

/// Record kinds; the log itself writes markers and lost ranges.
pub mod kind {
    /// Admitted commands.
    pub const COMMANDS: u8 = 1;
    /// Fan-out of a conversation partition into a user partition.
    pub const FAN_OUT: u8 = 2;
    /// A leader announces its epoch.
    pub const ANNOUNCE: u8 = 3;
    /// Marker of the log itself: proves the groups before it.
    pub const MARKER: u8 = 5;
    /// An operator accepted a loss here.
    pub const LOST_RANGE: u8 = 6;
    /// Commands to the identity partition.
    pub const IDENTITY: u8 = 7;
}

/// One record as read.
#[derive(Debug, Clone)]
pub struct Record {
    /// Position in its partition.
    pub lsn: Lsn,
    /// What was appended.
    pub append: Append,
}

/// When an append returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The record survives power loss.
    Durable,
    /// The record is in order behind everything enqueued before; it rides with the next group and may be lost with the tail.
    Lazy,
}

/// How far a reader looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Durable records only: everything that decides.
    Committed,
    /// Enqueued records too: derived logs whose source is durable.
    Enqueued,
}

/// Why a log call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// An earlier write or sync failed, so this writer stays closed; nothing of this call was written.
    #[error("log writer poisoned; restart the server after checking the disk")]
    Poisoned,
    /// The append queue is at its bound; nothing of this call was written.
    #[error("append queue full")]
    Full,
    /// No prepared space is left on the disk; nothing of this call was written.
    #[error("disk full: the log reached its reserve")]
    DiskFull,
    /// The write was sent and its fate is not known.
    #[error("append interrupted")]
    Interrupted(#[source] Arc<std::io::Error>),
    /// The payload is larger than a record may be.
    #[error("record of {0} is too large")]
    TooLarge(ByteSize),
    /// Records below the trim point are gone; `first` is the oldest that is held.
    #[error("trimmed: the oldest record is {first}")]
    Trimmed {
        /// The oldest position that can be read.
        first: Lsn,
    },
    /// This partition has a damaged range and is read-only until an operator acts.
    #[error("log of partition {0} is damaged; see docs/errors/log_damaged.md")]
    Damaged(PartitionId),
    /// The log cannot be opened or read.
    #[error("log: {0}")]
    Unreadable(String),
    /// The log is closed.
    #[error("log closed")]
    Closed,
}

impl LogError {
    /// Tells a room whether it may repeat the call.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Poisoned | Self::Full | Self::DiskFull | Self::Closed => Retry::Safe,
            Self::Interrupted(_) => Retry::Unknown,
            Self::TooLarge(_) | Self::Trimmed { .. } | Self::Damaged(_) | Self::Unreadable(_) => {
                Retry::Never
            }
        }
    }
}

/// Ordered durable records of many partitions. What a `Durable` append acknowledged survives power loss (in a cluster: a
/// minority's) and is never reordered.
///
/// ```text
/// removed  | readable                        | not written
/// 1  2  3  | 4  5  6  7        | 8  9        | 10 ...
///       ^ trim point = 3       ^ committed = 7  ^ tail = 10, the first unwritten position
/// ```
///
/// Laws (contract suite): G1 an acked append survives; G2 total order per partition, Lsn strictly increasing; G3 appends are
/// at-least-once, readers drop repeats by (producer, `producer_seq`); G4 stateless reads by position, a hole is an error;
/// G5 `tail` is at least as new as any ack before the call; G6 trim; G7 `notified` is only a hint; G8 records are opaque and
/// bounded; G10 `retry()`.
#[async_trait]
pub trait Log: Send + Sync {
    /// Appends records in order. Returns their positions, in the order given.
    ///
    /// `Durable` returns when all of them are durable; `Lazy` when they have their place in the order. Records of one call
    /// for one partition keep their order, and calls made one after another do too.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the records back.
    ///
    /// # Errors
    /// See [`LogError`]; on `Unknown` some may have been written.
    async fn append(
        &self,
        records: Vec<Append>,
        durability: Durability,
    ) -> Result<Vec<Lsn>, LogError>;

    /// Waits until an append that ended [`LogError::Full`] or [`LogError::DiskFull`] may be worth repeating. A hint: it may
    /// end early, and it ends at once when the log is closed or poisoned.
    async fn room(&self);

    /// Records of a partition after `after`, oldest first, at most `bytes_max` of payload (at least one record if there is
    /// one). Empty when there is nothing newer.
    ///
    /// # Errors
    /// [`LogError::Trimmed`] when `after` lies below the trim point, [`LogError::Damaged`] at a damaged range.
    async fn read(
        &self,
        partition: PartitionId,
        after: Lsn,
        reach: Reach,
        bytes_max: usize,
    ) -> Result<Vec<Record>, LogError>;

    /// Waits until there may be a record after `after`, or a while has passed. A hint. On a closed log it ends at once; on a
    /// poisoned one it does not, because nothing will come and reads go on.
    async fn notified(&self, partition: PartitionId, after: Lsn, reach: Reach);

    /// The last position of the partition that `reach` shows; [`Lsn::ZERO`] for an empty log.
    fn last(&self, partition: PartitionId, reach: Reach) -> Lsn;

    /// Waits until everything enqueued in this partition up to `lsn` is durable.
    ///
    /// # Errors
    /// When it never will be.
    async fn committed(&self, partition: PartitionId, lsn: Lsn) -> Result<(), LogError>;

    /// Allows the log to drop records at or below the given positions. Partitions that are not named keep theirs.
    fn trim(&self, through: &[(PartitionId, Lsn)]);

    /// True if the last shutdown of this log was not clean, so that lazy records may have been lost.
    fn was_unclean(&self) -> bool;
}
