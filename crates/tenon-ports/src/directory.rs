//! The `Directory` door: small facts that all nodes agree on: who leads, where things live.

use async_trait::async_trait;
use bytes::Bytes;
use tenon_base::Retry;

/// Longest key: a path of a few segments.
pub const KEY_BYTES_MAX: usize = 256;
/// Largest value: a directory is no store.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Why a directory call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The key was changed by somebody else; nothing was written.
    #[error("the key stands at revision {found:?}")]
    Conflict {
        /// Its revision; `None` = it does not exist.
        found: Option<u64>,
    },
    /// The key is empty or too long, or the value is too large.
    #[error("bad directory key or value")]
    Bad,
    /// The directory does not answer; whether a write took effect is not known.
    #[error("directory: {0}")]
    Engine(String),
}

impl DirectoryError {
    /// Tells a room whether it may repeat the call.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Engine(_) => Retry::Unknown,
            Self::Conflict { .. } | Self::Bad => Retry::Never,
        }
    }
}

/// A value with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What.
    pub value: Bytes,
    /// Rises with every write of any key and is never given twice, so that it serves as an epoch of whoever wrote.
    pub revision: u64,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No such key.
    Absent,
    /// The key at this revision.
    Revision(u64),
}

/// Compare-and-set on keys, with watches. The data path never waits for it: rooms run from the last snapshot while it is down.
///
/// Laws (contract suite): D1 of two writes with one expectation at most one succeeds; D2 revisions rise, also over a removal;
/// D3 a read after an answered write shows it or a later one; D4 a watch is a hint that is not lost; D5 an end of life is a
/// hint: a key may outlive it, and whoever relies on its end checks an epoch.
#[async_trait]
pub trait Directory: Send + Sync {
    /// One key.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    async fn get(&self, key: &str) -> Result<Option<Entry>, DirectoryError>;

    /// Writes a key and returns its new revision. `life_ms` is how long the value means something without another write;
    /// 0 = for ever.
    ///
    /// # Errors
    /// [`DirectoryError::Conflict`] if the key is not as expected.
    async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        life_ms: u64,
    ) -> Result<u64, DirectoryError>;

    /// Removes a key at a revision.
    ///
    /// # Errors
    /// [`DirectoryError::Conflict`] if it is at another one.
    async fn remove(&self, key: &str, revision: u64) -> Result<(), DirectoryError>;

    /// Keys that start with `prefix`, sorted, with the revision of the whole directory that the list shows.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    async fn list(&self, prefix: &str) -> Result<(Vec<(String, Entry)>, u64), DirectoryError>;

    /// Waits until a key with `prefix` was written or removed after `revision` of the directory. A hint: it may end early.
    async fn changed(&self, prefix: &str, revision: u64);
}
