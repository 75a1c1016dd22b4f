//! The `Blob` door: immutable objects by name.

use async_trait::async_trait;
use bytes::Bytes;
use tenon_base::Retry;

/// Why an object call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    /// No object of this name.
    #[error("no such object")]
    Absent,
    /// The name is not made of `[a-z0-9/.-]`, is empty, or climbs.
    #[error("bad object name")]
    BadName,
    /// The range lies outside the object.
    #[error("range outside the object")]
    BadRange,
    /// The engine failed; the same put may be repeated.
    #[error("object store: {0}")]
    Engine(String),
}

impl BlobError {
    /// Tells a room whether it may repeat the call.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Engine(_) => Retry::Unknown,
            Self::Absent | Self::BadName | Self::BadRange => Retry::Never,
        }
    }
}

/// Objects that are put once. A put of an existing name leaves the old object (names are content addresses).
#[async_trait]
pub trait Blob: Send + Sync {
    /// Stores an object; durable on return.
    ///
    /// # Errors
    /// See [`BlobError`].
    async fn put(&self, name: &str, content: Bytes) -> Result<(), BlobError>;
    /// `length` bytes from `offset`.
    ///
    /// # Errors
    /// See [`BlobError`].
    async fn read(&self, name: &str, offset: u64, length: u64) -> Result<Bytes, BlobError>;
    /// Size of an object.
    ///
    /// # Errors
    /// See [`BlobError`].
    async fn size(&self, name: &str) -> Result<u64, BlobError>;
    /// Removes an object; absent is fine.
    ///
    /// # Errors
    /// See [`BlobError`].
    async fn delete(&self, name: &str) -> Result<(), BlobError>;
    /// Names after `after` that start with `prefix`, sorted, at most `limit`.
    ///
    /// # Errors
    /// See [`BlobError`].
    async fn list(&self, prefix: &str, after: &str, limit: usize)
    -> Result<Vec<String>, BlobError>;
}
