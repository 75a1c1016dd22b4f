//! The directory in memory.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::lock;
use crate::directory::{Entry, Expect, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{Directory, DirectoryError};

/// A directory that is a map: the one of a single node. [`shut`](Self::shut) plays one that does not answer,
/// [`expire`](Self::expire) ends lives.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    state: Mutex<State>,
    on_change: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<String, Held>,
    /// Last revision at which a key changed, removals included.
    changed: BTreeMap<String, u64>,
    revision: u64,
    is_shut: bool,
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    life_ms: u64,
}

impl MemoryDirectory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// While shut every call ends [`DirectoryError::Engine`].
    pub fn shut(&self, is_shut: bool) {
        lock(&self.state).is_shut = is_shut;
    }

    /// Ends the lives of at most `life_ms`: their keys go.
    pub fn expire(&self, life_ms: u64) {
        let mut state = lock(&self.state);
        let is_over = |held: &Held| held.life_ms > 0 && held.life_ms <= life_ms;
        let over: Vec<String> =
            state.entries.iter().filter(|(_, h)| is_over(h)).map(|(k, _)| k.clone()).collect();
        for key in over {
            state.entries.remove(&key);
            state.touch(&key);
        }
        drop(state);
        self.on_change.notify_waiters();
    }

    fn open(&self) -> Result<std::sync::MutexGuard<'_, State>, DirectoryError> {
        let state = lock(&self.state);
        if state.is_shut { Err(DirectoryError::Engine("shut".into())) } else { Ok(state) }
    }
}

impl State {
    fn touch(&mut self, key: &str) -> u64 {
        self.revision += 1;
        self.changed.insert(key.to_owned(), self.revision);
        self.revision
    }

    fn check(&self, key: &str, expect: Expect) -> Result<(), DirectoryError> {
        let found = self.entries.get(key).map(|held| held.entry.revision);
        let is_expected = match expect {
            Expect::Absent => found.is_none(),
            Expect::Revision(revision) => found == Some(revision),
        };
        if is_expected { Ok(()) } else { Err(DirectoryError::Conflict { found }) }
    }
}

#[async_trait]
impl Directory for MemoryDirectory {
    async fn get(&self, key: &str) -> Result<Option<Entry>, DirectoryError> {
        Ok(self.open()?.entries.get(key).map(|held| held.entry.clone()))
    }

    async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        life_ms: u64,
    ) -> Result<u64, DirectoryError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(DirectoryError::Bad);
        }
        let mut state = self.open()?;
        state.check(key, expect)?;
        let revision = state.touch(key);
        let entry = Entry { value, revision };
        state.entries.insert(key.to_owned(), Held { entry, life_ms });
        drop(state);
        self.on_change.notify_waiters();
        Ok(revision)
    }

    async fn remove(&self, key: &str, revision: u64) -> Result<(), DirectoryError> {
        let mut state = self.open()?;
        state.check(key, Expect::Revision(revision))?;
        state.entries.remove(key);
        state.touch(key);
        drop(state);
        self.on_change.notify_waiters();
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<(Vec<(String, Entry)>, u64), DirectoryError> {
        let state = self.open()?;
        let found = state
            .entries
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, held)| (key.clone(), held.entry.clone()))
            .collect();
        Ok((found, state.revision))
    }

    async fn changed(&self, prefix: &str, revision: u64) {
        loop {
            let mut notified = pin!(self.on_change.notified());
            notified.as_mut().enable();
            let is_changed = lock(&self.state)
                .changed
                .range(prefix.to_owned()..)
                .take_while(|(key, _)| key.starts_with(prefix))
                .any(|(_, at)| *at > revision);
            if is_changed {
                return;
            }
            notified.await;
        }
    }
}
