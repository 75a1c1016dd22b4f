//! The `Kv` door: ordered bytes, written in sorted runs.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tenon_base::Retry;
use tenon_base::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

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
    #[expect(clippy::too_many_arguments, reason = "the bounds of one page belong together")]
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

/// Checks the bounds and the order that S1 and S4 ask of a flush, before anything is written.
///
/// # Errors
/// [`KvError::BadCall`] that says what is wrong.
pub fn check_flush(runs: &[Run], checkpoint: &Checkpoint) -> Result<(), KvError> {
    let state = Space::state();
    if runs.iter().filter(|run| run.space == state).count() > 1 {
        return Err(KvError::BadCall("more than one run for the state space".to_owned()));
    }
    for run in runs {
        check_space(&run.space)?;
        for pair in run.rows.windows(2) {
            if pair[0].0 >= pair[1].0 {
                return Err(KvError::BadCall(format!("run of {} not ascending", run.space.0)));
            }
        }
        for (key, value) in &run.rows {
            check_row(key, value.as_ref())?;
        }
        if run.space == state
            && run.rows.binary_search_by(|(key, _)| key.cmp(&checkpoint.key)).is_ok()
        {
            return Err(KvError::BadCall("a state row has the key of the checkpoint".to_owned()));
        }
    }
    check_row(&checkpoint.key, Some(&checkpoint.value))
}

/// Checks the name of a space.
///
/// # Errors
/// [`KvError::BadCall`].
pub fn check_space(space: &Space) -> Result<(), KvError> {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if space.0.is_empty() || space.0.len() > 32 || !space.0.bytes().all(is_good) {
        return Err(KvError::BadCall(format!("bad space name \"{}\"", space.0)));
    }
    Ok(())
}

fn check_row(key: &[u8], value: Option<&Bytes>) -> Result<(), KvError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(KvError::BadCall(format!("key of {} bytes", key.len())));
    }
    match value {
        Some(value) if value.len() > VALUE_BYTES_MAX => {
            Err(KvError::BadCall(format!("value of {} bytes", value.len())))
        }
        _ => Ok(()),
    }
}

/// Collects the rows of one scan and knows when it holds enough. For adapters.
#[derive(Debug)]
pub struct Page {
    rows: Vec<(Bytes, Bytes)>,
    rows_max: usize,
    bytes_left: usize,
}

impl Page {
    /// An empty page with the bounds of [`KvSnapshot::scan`].
    pub const fn new(rows_max: usize, bytes_max: usize) -> Self {
        Self { rows: Vec::new(), rows_max, bytes_left: bytes_max }
    }
    /// True when no further row is wanted.
    pub const fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max || (self.bytes_left == 0 && !self.rows.is_empty())
    }
    /// Adds a row.
    pub fn push(&mut self, key: Bytes, value: Bytes) {
        self.bytes_left = self.bytes_left.saturating_sub(value.len());
        self.rows.push((key, value));
    }
    /// What was collected.
    pub fn into_rows(self) -> Vec<(Bytes, Bytes)> {
        self.rows
    }
}
