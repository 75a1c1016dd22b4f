//! One atomic picture of {active, immutable, engine}.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tenon_base::PartitionId;
use tenon_ports::{Direction, KvSnapshot, Space};

use crate::codec::{FormatError, Reader};
use crate::memtable::{Entry, SeriesKey, Shard};
use crate::store::StoreError;

/// How much of an entry is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Numbers and headers.
    Headers,
    /// Bodies too.
    Whole,
}

/// Shards per partition, newest first, over an engine snapshot.
#[derive(Clone)]
pub(crate) struct Chains {
    pub(crate) shards: BTreeMap<PartitionId, Vec<Arc<Shard>>>,
    pub(crate) snapshot: Arc<dyn KvSnapshot>,
}

/// The space of plain rows.
pub(crate) fn row_space() -> Space {
    Space::new("row-0")
}

/// An immutable picture. Hold it briefly: it keeps memtables and old files alive.
#[derive(Clone)]
pub struct View {
    chains: Arc<Chains>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

/// Rows read from the engine in one step of a state scan.
const SCAN_STEP: usize = 512;

impl View {
    pub(crate) fn new(chains: Arc<Chains>) -> Self {
        Self { chains }
    }

    fn shards(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.chains.shards.values().flatten()
    }

    /// Entries with `from <= number <= to`, in `direction`, until `entries_max` entries or `bytes_max` bytes were taken (at
    /// least one if there is one).
    ///
    /// # Errors
    /// When the engine fails or a row is damaged.
    pub fn entries(
        &self,
        key: &SeriesKey,
        from: u64,
        to: u64,
        direction: Direction,
        limits: (usize, usize),
        part: Part,
    ) -> Result<Vec<Entry>, StoreError> {
        let (entries_max, bytes_max) = limits;
        if from > to || entries_max == 0 {
            return Ok(Vec::new());
        }
        let mut found: BTreeMap<u64, (Bytes, Bytes)> = BTreeMap::new();
        for shard in self.shards() {
            let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
            let Some(entries) = data.series.get(key) else { continue };
            let range = entries.range(from..=to);
            let mut take = |(number, value): (&u64, &(Bytes, Bytes))| {
                found.insert(*number, value.clone());
            };
            match direction {
                Direction::Forward => range.take(entries_max).for_each(&mut take),
                Direction::Backward => range.rev().take(entries_max).for_each(&mut take),
            }
        }
        self.add_engine_rows(key, (from, to), direction, limits, &mut found)?;
        let ordered: Box<dyn Iterator<Item = (u64, (Bytes, Bytes))>> = match direction {
            Direction::Forward => Box::new(found.into_iter()),
            Direction::Backward => Box::new(found.into_iter().rev()),
        };
        let mut out = Vec::new();
        let mut bytes = 0;
        for (number, (header, body)) in ordered.take(entries_max) {
            bytes += header.len() + body.len();
            let body = if part == Part::Whole { body } else { Bytes::new() };
            out.push(Entry { number, header, body });
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(out)
    }

    fn add_engine_rows(
        &self,
        key: &SeriesKey,
        (from, to): (u64, u64),
        direction: Direction,
        (entries_max, bytes_max): (usize, usize),
        found: &mut BTreeMap<u64, (Bytes, Bytes)>,
    ) -> Result<(), StoreError> {
        // The memtables may hold the whole page: numbers are dense and the newest are in memory.
        let wanted = to.saturating_sub(from).saturating_add(1).min(entries_max as u64);
        if found.len() as u64 >= wanted && is_dense_page(found, (from, to), direction, entries_max)
        {
            return Ok(());
        }
        let mut end = key.row(to).to_vec();
        end.push(0);
        let rows = self.chains.snapshot.scan(
            &row_space(),
            &key.row(from),
            &end,
            direction,
            entries_max,
            bytes_max,
        )?;
        for (row, value) in rows {
            let mut number = [0; 8];
            number.copy_from_slice(row.get(25..33).ok_or(FormatError::Damaged)?);
            let (header, body) = decode_row(value)?;
            found.entry(u64::from_be_bytes(number)).or_insert((header, body));
        }
        Ok(())
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
    /// When the engine fails.
    pub fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        for shard in self.shards() {
            let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = data.state.get(key) {
                return Ok(value.clone());
            }
        }
        Ok(self.chains.snapshot.get(&Space::state(), key)?)
    }

    /// State rows with `prefix`, keys above `after`, ascending, at most `limit`.
    ///
    /// # Errors
    /// When the engine fails.
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
        let mut out = Vec::new();
        loop {
            let step = SCAN_STEP.max(limit.min(4096));
            let rows = self.chains.snapshot.scan(
                &Space::state(),
                &from,
                &end,
                Direction::Forward,
                step,
                usize::MAX,
            )?;
            let is_last = rows.len() < step;
            let upto = if is_last { None } else { rows.last().map(|(k, _)| k.clone()) };
            for (key, value) in self.overlaid(rows, &from, &end, upto.as_ref()) {
                out.push((key, value));
                if out.len() == limit {
                    return Ok(out);
                }
            }
            let Some(last) = upto else { return Ok(out) };
            from = last.to_vec();
            from.push(0);
        }
    }

    /// Engine rows with the memtables' newer values and deletes laid over them, up to and including `upto`.
    fn overlaid(
        &self,
        rows: Vec<(Bytes, Bytes)>,
        from: &[u8],
        end: &[u8],
        upto: Option<&Bytes>,
    ) -> BTreeMap<Bytes, Bytes> {
        let mut merged: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        for shard in self.shards() {
            let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
            let range = data.state.range(Bytes::copy_from_slice(from)..Bytes::copy_from_slice(end));
            for (key, value) in range {
                if upto.is_some_and(|upto| key > upto) {
                    break;
                }
                merged.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        for (key, value) in rows {
            merged.entry(key).or_insert(Some(value));
        }
        merged.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))).collect()
    }
}

/// True if what the memtables gave is a gapless page from the end the direction starts at.
fn is_dense_page(
    found: &BTreeMap<u64, (Bytes, Bytes)>,
    (from, to): (u64, u64),
    direction: Direction,
    entries_max: usize,
) -> bool {
    let count = (to - from).saturating_add(1).min(entries_max as u64);
    match direction {
        Direction::Forward => (from..from.saturating_add(count)).all(|n| found.contains_key(&n)),
        Direction::Backward => {
            (0..count).all(|i| to.checked_sub(i).is_some_and(|n| found.contains_key(&n)))
        }
    }
}

fn decode_row(value: Bytes) -> Result<(Bytes, Bytes), FormatError> {
    let at = value.len().checked_sub(4).ok_or(FormatError::Short)?;
    let mut crc = [0; 4];
    crc.copy_from_slice(value.get(at..).ok_or(FormatError::Short)?);
    let content = value.slice(..at);
    if crc32c::crc32c(&content) != u32::from_le_bytes(crc) {
        return Err(FormatError::Damaged);
    }
    let mut reader = Reader::versioned(content, 1)?;
    Ok((reader.bytes()?, reader.bytes()?))
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
    vec![0xff; prefix.len() + 1]
}
