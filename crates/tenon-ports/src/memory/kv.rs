//! The ordered store in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::lock;
use crate::{Checkpoint, Direction, Kv, KvError, KvSnapshot, Run, Space, kv};

/// Rows of one space.
pub type Rows = BTreeMap<Bytes, Bytes>;
/// Rows by key of each space, shared until they change.
pub type Spaces = BTreeMap<Space, Arc<Rows>>;

/// A store whose spaces are maps. A snapshot shares them; the next flush copies what it changes.
#[derive(Debug, Default)]
pub struct MemoryKv {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    spaces: Spaces,
    shut: Option<String>,
    fail_after_runs: Option<usize>,
}

/// A view of spaces in memory.
#[derive(Debug)]
pub struct MemorySnapshot(pub Spaces);

impl MemoryKv {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every later flush ends [`KvError::Shut`] until [`reopen`](Self::reopen).
    pub fn shut(&self, reason: &str) {
        lock(&self.state).shut = Some(reason.to_owned());
    }

    /// The next flush writes `runs` of its runs and fails, as a crash inside it does: `state` stays whole.
    pub fn fail_after_runs(&self, runs: usize) {
        lock(&self.state).fail_after_runs = Some(runs);
    }

    /// Takes flushes again.
    pub fn reopen(&self) {
        lock(&self.state).shut = None;
    }
}

#[async_trait]
impl Kv for MemoryKv {
    async fn flush(&self, runs: Vec<Run>, checkpoint: Checkpoint) -> Result<(), KvError> {
        kv::check_flush(&runs, &checkpoint)?;
        let mut state = lock(&self.state);
        if let Some(reason) = &state.shut {
            return Err(KvError::Shut(reason.clone()));
        }
        let (of_state, others): (Vec<Run>, Vec<Run>) =
            runs.into_iter().partition(|run| run.space == Space::state());
        let failing = state.fail_after_runs.take();
        for (index, run) in others.into_iter().enumerate() {
            if failing == Some(index) {
                return Err(KvError::Engine("failure asked for".to_owned()));
            }
            state.apply(run.space, run.rows);
        }
        if failing.is_some() {
            return Err(KvError::Engine("failure asked for".to_owned()));
        }
        let mut rows: Vec<_> = of_state.into_iter().flat_map(|run| run.rows).collect();
        rows.push((checkpoint.key, Some(checkpoint.value)));
        state.apply(Space::state(), rows);
        Ok(())
    }

    fn snapshot(&self) -> Arc<dyn KvSnapshot> {
        Arc::new(MemorySnapshot(lock(&self.state).spaces.clone()))
    }

    fn spaces(&self) -> Vec<Space> {
        lock(&self.state).spaces.keys().cloned().collect()
    }

    async fn drop_space(&self, space: &Space) -> Result<(), KvError> {
        let mut state = lock(&self.state);
        if let Some(reason) = &state.shut {
            return Err(KvError::Shut(reason.clone()));
        }
        state.spaces.remove(space);
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        let state = lock(&self.state);
        let bytes = |rows: &Arc<Rows>| rows.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        state.spaces.values().map(|rows| bytes(rows) as u64).sum()
    }
}

impl State {
    fn apply(&mut self, space: Space, rows: Vec<(Bytes, Option<Bytes>)>) {
        if rows.is_empty() {
            return;
        }
        let map = Arc::make_mut(self.spaces.entry(space).or_default());
        for (key, value) in rows {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
    }
}

impl KvSnapshot for MemorySnapshot {
    fn get(&self, space: &Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self.0.get(space).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(
        &self,
        space: &Space,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        let Some(rows) = self.0.get(space).filter(|_| from < to) else { return Ok(Vec::new()) };
        let mut range = rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let mut page = kv::Page::new(rows_max, bytes_max);
        while !page.is_full() {
            let next = match direction {
                Direction::Forward => range.next(),
                Direction::Backward => range.next_back(),
            };
            let Some((key, value)) = next else { break };
            page.push(key.clone(), value.clone());
        }
        Ok(page.into_rows())
    }
}
