//! The object store in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use super::lock;
use crate::{Blob, BlobError, blob};

/// An object store that is a map. [`shut`](Self::shut) plays a store that does not answer.
#[derive(Debug, Default)]
pub struct MemoryBlob {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    is_shut: bool,
}

impl MemoryBlob {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// While shut every call ends [`BlobError::Engine`].
    pub fn shut(&self, is_shut: bool) {
        lock(&self.state).is_shut = is_shut;
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&mut BTreeMap<String, Bytes>) -> Result<T, BlobError>,
    ) -> Result<T, BlobError> {
        let mut state = lock(&self.state);
        if state.is_shut {
            return Err(BlobError::Engine("shut".to_owned()));
        }
        act(&mut state.objects)
    }
}

#[async_trait]
impl Blob for MemoryBlob {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        blob::check_name(name)?;
        self.with(|objects| {
            objects.entry(name.to_owned()).or_insert(content);
            Ok(())
        })
    }

    async fn read(&self, name: &str, offset: u64, length: u64) -> Result<Bytes, BlobError> {
        blob::check_name(name)?;
        self.with(|objects| {
            let object = objects.get(name).ok_or(BlobError::Absent)?;
            let range = blob::check_range(object.len() as u64, offset, length)?;
            Ok(object.slice(range))
        })
    }

    async fn size(&self, name: &str) -> Result<u64, BlobError> {
        blob::check_name(name)?;
        self.with(|objects| {
            objects.get(name).map(|object| object.len() as u64).ok_or(BlobError::Absent)
        })
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        blob::check_name(name)?;
        self.with(|objects| {
            objects.remove(name);
            Ok(())
        })
    }

    async fn list(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, BlobError> {
        let from = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        self.with(|objects| {
            let range = objects.range::<str, _>((from, Bound::Unbounded));
            let names = range.map(|(name, _)| name);
            Ok(names.take_while(|name| name.starts_with(prefix)).take(limit).cloned().collect())
        })
    }
}
