//! The `Kv` door: ordered bytes, written in sorted runs.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tenon_base::Retry;

/// A named ordered key space. Names are `[a-z0-9-]`, at most 32 bytes, for example `state`, `row-7`, `block-0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(pub Arc<str>);

impl Space {
    /// The space of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
    /// Holds state values and the checkpoint.
    pub fn state() -> Self {
        Self::new("state")
    }
}

/// A sorted run for one space: strictly ascending keys; `None` deletes.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where to.
    pub space: Space,
    /// Values of this space are value blocks: an engine may keep large ones in value files.
    pub large_values: bool,
    /// Strictly ascending by key.
    pub rows: Vec<(Bytes, Option<Bytes>)>,
}

/// The row that makes a flush count. Written last, in one atomic step with the run of its space.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Key of the checkpoint row in the `state` space.
    pub key: Bytes,
    /// Its value; the adapter does not look inside.
    pub value: Bytes,
}

/// Scan direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// Why a store call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KvError {
    /// The engine is shut after an error; it must be opened again.
    #[error("store shut: {0}")]
    Shut(String),
    /// The engine reported an error; what was written is not known, put the same again.
    #[error("store: {0}")]
    Engine(String),
    /// A stored value does not verify.
    #[error("stored value damaged: {0}")]
    Damaged(String),
    /// The call breaks a law of the door (unsorted run, oversize key).
    #[error("bad call: {0}")]
    BadCall(String),
}

impl KvError {
    /// Tells a room whether it may repeat the call.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Shut(_) => Retry::Safe,
            Self::Engine(_) => Retry::Unknown,
            Self::Damaged(_) | Self::BadCall(_) => Retry::Never,
        }
    }
}

/// An immutable picture of all spaces at one instant. Reads block on the disk for at most a few pages.
///
/// Holding it keeps dropped spaces and old files alive; hold it briefly.
pub trait KvSnapshot: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// See [`KvError`].
    fn get(&self, space: &Space, key: &[u8]) -> Result<Option<Bytes>, KvError>;

    /// Rows with `from <= key < to`, in `direction`, until `rows_max` rows or `bytes_max` bytes of values were taken (at least
    /// one row if there is one). A space that does not exist is empty.
    ///
    /// # Errors
    /// See [`KvError`].
    fn scan(
        &self,
        space: &Space,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, KvError>;
}

/// Ordered bytes. Written by one flush at a time; read through snapshots.
///
/// Laws (contract suite): S1 keys compare unsigned, bounded sizes; S4 `flush` is durable on return and its `state` run and
/// checkpoint are one atomic step, written after all other runs; a crash inside it may leave rows of other runs, never a
/// part of `state`; S5 what a returned flush wrote is in every later snapshot; an older snapshot never changes;
/// S7 `drop_space` is durable, and snapshots taken before still read it; S10 `retry()`.
#[async_trait]
pub trait Kv: Send + Sync {
    /// Writes runs, then in one atomic step the run of [`Space::state`] (if given) and the checkpoint. Durable on return.
    ///
    /// # Errors
    /// See [`KvError`]; after an error the same call may be repeated.
    async fn flush(&self, runs: Vec<Run>, checkpoint: Checkpoint) -> Result<(), KvError>;

    /// A picture that holds everything returned flushes wrote.
    fn snapshot(&self) -> Arc<dyn KvSnapshot>;

    /// Existing spaces, sorted.
    fn spaces(&self) -> Vec<Space>;

    /// Removes a space with all its rows.
    ///
    /// # Errors
    /// See [`KvError`].
    async fn drop_space(&self, space: &Space) -> Result<(), KvError>;

    /// Bytes on disk, for metrics.
    fn disk_bytes(&self) -> u64;
}
