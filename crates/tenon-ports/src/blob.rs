//! The `Blob` door: immutable objects by name.

use async_trait::async_trait;
use bytes::Bytes;
use tenon_base::Retry;

/// Longest name of an object: fits a path on every filesystem and a key of every object store.
pub const NAME_BYTES_MAX: usize = 200;

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

/// Checks the name of an object: `[a-z0-9/.-]`, 1 to 200 bytes, no empty part and no part that starts with a dot.
///
/// # Errors
/// [`BlobError::BadName`].
pub fn check_name(name: &str) -> Result<(), BlobError> {
    let is_good = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'/' | b'.' | b'-')
    };
    let is_climbing = name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    if name.len() > NAME_BYTES_MAX || is_climbing || !name.bytes().all(is_good) {
        return Err(BlobError::BadName);
    }
    Ok(())
}

/// The range of `length` bytes from `offset` inside an object of `size` bytes.
///
/// # Errors
/// [`BlobError::BadRange`] when it does not lie inside.
pub fn check_range(
    size: u64,
    offset: u64,
    length: u64,
) -> Result<std::ops::Range<usize>, BlobError> {
    let end = offset.checked_add(length).filter(|end| *end <= size).ok_or(BlobError::BadRange)?;
    let start = usize::try_from(offset).map_err(|_| BlobError::BadRange)?;
    Ok(start..usize::try_from(end).map_err(|_| BlobError::BadRange)?)
}
