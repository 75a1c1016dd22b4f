//! Opening a device: from whatever a crash left to a writer at a proven place (`docs/formats/log.md`).

mod open;
mod repair;
mod walk;

pub(super) use open::recover;

use tenon_base::PartitionId;

/// What the last open found and did. For health, metrics and the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Groups are written with `O_DIRECT | O_DSYNC`; else written and synced.
    pub is_direct: bool,
    /// The last stop was not a planned one.
    pub was_unclean: bool,
    /// Segments that hold records.
    pub segments_held: usize,
    /// Segments that were read in full.
    pub segments_scanned: usize,
    /// Records that were read.
    pub records_scanned: u64,
    /// Bytes of an interrupted, never acknowledged group that were cut off.
    pub torn_tail: Option<TornTail>,
    /// Records that were moved from the unproven end into the next segment.
    pub records_rewritten: usize,
    /// Bad places that had been durable. Nothing was cut or skipped.
    pub damage: Vec<Damage>,
    /// Partitions that may have lost records: they refuse appends until an operator acts.
    pub damaged_partitions: Vec<PartitionId>,
    /// Uses whose header is bad and whose records told where they belong.
    pub headers_lost: Vec<u32>,
    /// Uses whose footer was lost and whose end was found by the chain.
    pub footers_lost: Vec<u32>,
    /// The store's applied position lies below the oldest record held (K3).
    pub store_too_old: Vec<PartitionId>,
    /// The store's applied position lies above the last record (K3).
    pub log_too_short: Vec<PartitionId>,
}

/// An interrupted group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// Device position of its first bad byte.
    pub position: u64,
    /// From there to the end of the last remnant.
    pub bytes: u64,
    /// The file in `quarantine/` that keeps them; `None` if nothing was left.
    pub quarantine: Option<String>,
}

/// What proves that a bad place had been durable (L4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A later record says that everything before it was durable.
    DurableThrough,
    /// The footer puts the place inside the data.
    Footer,
    /// A later segment holds records.
    LaterSegment,
    /// The store has applied a record that is missing.
    Applied,
    /// More is damaged than one group can be.
    TooLong,
    /// A whole record does not continue its partition.
    Order,
}

/// A bad place that had been durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File of the segment.
    pub file: String,
    /// Device position of the first bad byte.
    pub position: u64,
    /// How it is known.
    pub evidence: Evidence,
}
