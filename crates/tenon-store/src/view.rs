//! The one atomic picture readers take: active and ended memtables over an engine snapshot.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tenon_base::PartitionId;
use tenon_core::Layout;
use tenon_ports::{Direction, KvSnapshot, Space};

use crate::checkpoint;
use crate::home;
use crate::memtable::{Entry, SeriesKey, Shard};
use crate::numbers::Hidden;
use crate::read::Request;
use crate::row::decode_state;
use crate::space::Live;
use crate::store::{Inner, StoreError};

/// How much of an entry is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Numbers and headers.
    Headers,
    /// Bodies too.
    Whole,
}

/// Everything a view consists of, replaced as a whole.
#[derive(Clone)]
pub(crate) struct Chains {
    /// Shards per partition, newest first.
    pub(crate) shards: BTreeMap<PartitionId, Vec<Arc<Shard>>>,
    pub(crate) snapshot: Arc<dyn KvSnapshot>,
    pub(crate) live: Arc<Live>,
    pub(crate) hidden: Hidden,
    pub(crate) layout: Option<Layout>,
}

impl Chains {
    fn shards_of(&self, home: Option<PartitionId>) -> impl Iterator<Item = &Arc<Shard>> {
        let one = home.map(|home| self.shards.get(&home).into_iter().flatten());
        let all = home.is_none().then(|| self.shards.values().flatten());
        one.into_iter().flatten().chain(all.into_iter().flatten())
    }

    pub(crate) fn shards_of_series(&self, key: &SeriesKey) -> impl Iterator<Item = &Arc<Shard>> {
        self.shards_of(self.layout.and_then(|layout| home::of_series(layout, key)))
    }

    fn shards_of_state(&self, key: &[u8]) -> impl Iterator<Item = &Arc<Shard>> {
        self.shards_of(self.layout.and_then(|layout| home::of_state(layout, key)))
    }
}

/// An immutable picture. Hold it briefly: it keeps memtables and old files alive.
#[derive(Clone)]
pub struct View {
    chains: Arc<Chains>,
    inner: Arc<Inner>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

/// Rows read from the engine in one step of a state scan, at least.
const SCAN_STEP: usize = 64;
/// At most.
const SCAN_STEP_MAX: usize = 4096;

impl View {
    pub(crate) fn new(chains: Arc<Chains>, inner: &Arc<Inner>) -> Self {
        Self { chains, inner: Arc::clone(inner) }
    }

    pub(crate) const fn chains(&self) -> &Arc<Chains> {
        &self.chains
    }

    /// Entries with `from <= number <= to`, in `direction`, until (entries, bytes) of `limits` were taken (at least one if there
    /// is one). Bound `to` by a tip that was taken before the view: what lies above may be from a crash.
    ///
    /// A page ends early before a range that does not verify; the next call, which starts there, says so. May block on the
    /// disk for some blocks.
    ///
    /// # Errors
    /// [`StoreError::Degraded`] with the range when the first value does not verify; [`StoreError::Kv`] when the engine fails.
    #[expect(clippy::too_many_arguments, reason = "the bounds of one page belong together")]
    pub fn entries(
        &self,
        key: &SeriesKey,
        from: u64,
        to: u64,
        direction: Direction,
        limits: (usize, usize),
        part: Part,
    ) -> Result<Vec<Entry>, StoreError> {
        let (chains, inner) = (Arc::clone(&self.chains), Arc::clone(&self.inner));
        Request { chains, inner, series: *key, from, to, direction, part }.page(limits.0, limits.1)
    }

    /// One entry.
    ///
    /// # Errors
    /// See [`Self::entries`].
    pub fn entry(&self, key: &SeriesKey, number: u64) -> Result<Option<Entry>, StoreError> {
        let limits = (1, usize::MAX);
        Ok(self.entries(key, number, number, Direction::Forward, limits, Part::Whole)?.pop())
    }

    /// A state value.
    ///
    /// # Errors
    /// When the engine fails, or the value does not verify.
    pub fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        for shard in self.chains.shards_of_state(key) {
            let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = data.state.get(key) {
                return Ok(value.clone());
            }
        }
        match self.chains.snapshot.get(&Space::state(), key)? {
            Some(value) => Ok(Some(self.opened(key, &value)?)),
            None => Ok(None),
        }
    }

    /// State values, in the order of the keys.
    ///
    /// # Errors
    /// See [`Self::state`].
    pub fn state_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        keys.iter().map(|key| self.state(key)).collect()
    }

    fn opened(&self, key: &[u8], value: &Bytes) -> Result<Bytes, StoreError> {
        match decode_state(key, value) {
            Ok((_, value)) => Ok(value),
            Err(error) => {
                self.inner.counters.found_damage();
                Err(error.into())
            }
        }
    }

    /// State rows with `prefix`, keys above `after`, ascending, at most `limit`.
    ///
    /// # Errors
    /// See [`Self::state`].
    pub fn state_scan(
        &self,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let end = prefix_end(prefix);
        let mut from = after.max(prefix).to_vec();
        if after >= prefix {
            from.push(0);
        }
        let step = limit.clamp(SCAN_STEP, SCAN_STEP_MAX);
        let mut out = Vec::new();
        while out.len() < limit {
            let rows = self.chains.snapshot.scan(
                &Space::state(),
                &from,
                &end,
                Direction::Forward,
                step,
                usize::MAX,
            )?;
            let last = if rows.len() < step { None } else { rows.last().map(|(k, _)| k.clone()) };
            for row in self.overlaid(rows, prefix, (&from, &end), last.as_ref())? {
                if out.len() == limit {
                    return Ok(out);
                }
                out.push(row);
            }
            let Some(last) = last else { break };
            from = last.to_vec();
            from.push(0);
        }
        Ok(out)
    }

    /// Engine rows with the memtables' newer values and deletes laid over them, up to and including `upto`.
    fn overlaid(
        &self,
        rows: Vec<(Bytes, Bytes)>,
        prefix: &[u8],
        (from, end): (&[u8], &[u8]),
        upto: Option<&Bytes>,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut merged: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Excluded(end));
        for shard in self.chains.shards_of_state(prefix) {
            let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in data.state.range::<[u8], _>(bounds) {
                if upto.is_some_and(|upto| key > upto) {
                    break;
                }
                merged.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        for (key, value) in rows {
            if !merged.contains_key(&key) && key != checkpoint::KEY {
                let value = self.opened(&key, &value)?;
                merged.insert(key, Some(value));
            }
        }
        Ok(merged.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))).collect())
    }
}

/// The first key behind all keys with `prefix`.
pub(crate) fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0xff; prefix.len().max(64)]
}
