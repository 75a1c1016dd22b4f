//! Grouping: which new values leave as a value block, as an inline block, or as rows.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use tenon_base::Lsn;
use tenon_ports::{Run, Space};

use crate::block::{Encoder, Origin};
use crate::codec::FormatError;
use crate::memtable::{Entry, Series, SeriesKey};
use crate::row::Row;
use crate::space::{Live, SpaceKind};

/// Raw bytes of a block: one read of 64 KiB costs little more than one of 4 KiB, and larger blocks compress no better.
pub(crate) const BLOCK_RAW_BYTES_MAX: usize = 64 * 1024;
/// Numbers of one bucket; no block crosses its end.
const BUCKET: u64 = 65_536;
/// So many values are packed however small they are.
const PACKED_VALUES_MIN: usize = 16;
/// Queue entries and events are small: packing pays from here on.
const SMALL_THRESHOLD: usize = 1024;
/// Thresholds of messages, smallest first.
const THRESHOLDS: [usize; 4] = [1024, 2048, 4096, 8192];
/// The threshold before anything was measured.
pub(crate) const THRESHOLD_START: usize = 4096;
/// Mean sealed size that a threshold must reach. At 2.8 KB many blocks fell under the engine's separation size and were
/// compacted again.
const SEALED_MEAN_MIN: u64 = 3000;

/// What leaves in which shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Values in value blocks.
    pub packed_values: u64,
    /// Value blocks.
    pub blocks: u64,
    /// Values in inline blocks.
    pub inline_values: u64,
    /// Inline blocks.
    pub inline_blocks: u64,
    /// Values as rows of their own.
    pub row_values: u64,
    /// Bytes of bodies before compression.
    pub raw_bytes: u64,
    /// Bytes of bodies in blocks as stored.
    pub sealed_bytes: u64,
    /// Bytes written, keys included.
    pub written_bytes: u64,
}

impl Shape {
    /// Values in value blocks of all values, 0 to 1.
    pub fn packed_share(&self) -> f64 {
        let all = self.packed_values + self.inline_values + self.row_values;
        if all == 0 { 0.0 } else { self.packed_values as f64 / all as f64 }
    }

    pub(crate) const fn add(&mut self, other: &Self) {
        self.packed_values += other.packed_values;
        self.blocks += other.blocks;
        self.inline_values += other.inline_values;
        self.inline_blocks += other.inline_blocks;
        self.row_values += other.row_values;
        self.raw_bytes += other.raw_bytes;
        self.sealed_bytes += other.sealed_bytes;
        self.written_bytes += other.written_bytes;
    }
}

/// Cuts ascending values into runs: at holes, at bucket ends, before the raw bytes pass the cap.
pub(crate) fn cut_runs(entries: &[Entry]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (at, entry) in entries.iter().enumerate() {
        let size = raw_bytes(entry);
        let is_cut = at > start
            && (entry.number != entries[at - 1].number + 1
                || entry.number.is_multiple_of(BUCKET)
                || bytes + size > BLOCK_RAW_BYTES_MAX);
        if is_cut {
            runs.push(start..at);
            start = at;
            bytes = 0;
        }
        bytes += size;
    }
    if start < entries.len() {
        runs.push(start..entries.len());
    }
    runs
}

const fn raw_bytes(entry: &Entry) -> usize {
    entry.header.len() + entry.body.len()
}

/// The smallest threshold at which the mean block is large enough, judged by how well the last flush compressed.
pub(crate) fn choose_threshold(run_bytes: &[usize], sealed_per_kib: u64) -> usize {
    for threshold in THRESHOLDS {
        let (mut sum, mut count) = (0u64, 0u64);
        for bytes in run_bytes.iter().filter(|bytes| **bytes >= threshold) {
            sum += *bytes as u64;
            count += 1;
        }
        if count > 0 && sum / count * sealed_per_kib / 1024 >= SEALED_MEAN_MIN {
            return threshold;
        }
    }
    if run_bytes.is_empty() { THRESHOLD_START } else { THRESHOLDS[THRESHOLDS.len() - 1] }
}

/// Who decides whether a run becomes a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// At a flush: runs of messages from so many raw bytes on.
    Flush(usize),
    /// At a re-pack: runs of at least so many values.
    Values(usize),
}

impl Policy {
    fn packs(self, series: Series, run: &[Entry]) -> bool {
        match self {
            Self::Values(min) => run.len() >= min,
            Self::Flush(threshold) => {
                let threshold = match series {
                    Series::Message | Series::Inbox => threshold,
                    Series::Event | Series::Queue => SMALL_THRESHOLD,
                };
                run.len() >= PACKED_VALUES_MIN
                    || run.iter().map(raw_bytes).sum::<usize>() >= threshold
            }
        }
    }
}

type Rows = Vec<(Bytes, Option<Bytes>)>;

/// Collects the rows of a flush or re-pack per space. Feed it series in key order.
#[derive(Debug)]
pub(crate) struct Packer {
    encoder: Encoder,
    flush: u64,
    ordinal: u64,
    spaces: BTreeMap<SpaceKind, (Space, Rows)>,
    rows: SpaceKind,
    pub(crate) shape: Shape,
    held_bytes: usize,
}

impl Packer {
    /// Rows go to the newest generation of `rows` in `live`, which is opened if needed.
    pub(crate) fn new(
        flush: u64,
        rows: SpaceKind,
        live: &mut Live,
        fills_max: u32,
    ) -> Result<Self, FormatError> {
        let kinds = [SpaceKind::Block, SpaceKind::Event, SpaceKind::Queue, rows];
        let spaces = kinds.map(|kind| (kind, (live.target(kind, fills_max), Vec::new())));
        Ok(Self {
            encoder: Encoder::new()?,
            flush,
            ordinal: 0,
            spaces: spaces.into_iter().collect(),
            rows,
            shape: Shape::default(),
            held_bytes: 0,
        })
    }

    /// Adds ascending values of one series. `lsn` bounds the records that made them.
    pub(crate) fn add(&mut self, series: SeriesKey, entries: &[Entry], lsn: Lsn, policy: Policy) {
        for run in cut_runs(entries) {
            let lost = usize::from(tenon_base::planted!("block-drops-last") && run.len() > 2);
            let run = &entries[run.start..run.end - lost];
            self.shape.raw_bytes += run.iter().map(|e| e.body.len() as u64).sum::<u64>();
            if policy.packs(series.series, run) {
                self.add_block(series, run, lsn);
            } else {
                self.add_rows(series, run, lsn);
            }
        }
    }

    fn add_block(&mut self, series: SeriesKey, run: &[Entry], lsn: Lsn) {
        let origin = Origin { flush: self.flush, ordinal: self.ordinal, lsn, key_id: 0 };
        self.ordinal += 1;
        let packed = self.encoder.pack(series, run, origin);
        let values = run.len() as u64;
        self.shape.sealed_bytes += packed.sealed_bytes as u64;
        if packed.body.is_some() {
            self.shape.blocks += 1;
            self.shape.packed_values += values;
        } else {
            self.shape.inline_blocks += 1;
            self.shape.inline_values += values;
        }
        let kind = SpaceKind::of_blocks(series.series);
        self.put(kind, packed.key.index(), packed.index);
        if let Some(body) = packed.body {
            self.put(kind, packed.key.body(), body);
        }
    }

    fn add_rows(&mut self, series: SeriesKey, run: &[Entry], lsn: Lsn) {
        for entry in run {
            let (header, body) = (entry.header.clone(), entry.body.clone());
            let row = Row { flush: self.flush, lsn, key_id: 0, header, body };
            let key = series.row(entry.number);
            let value = row.encode(&key);
            self.shape.row_values += 1;
            self.put(self.rows, key, value);
        }
    }

    /// Carries a row along as it is.
    pub(crate) fn add_raw(&mut self, key: Bytes, value: Bytes) {
        self.put(self.rows, key, value);
    }

    fn put(&mut self, kind: SpaceKind, key: Bytes, value: Bytes) {
        let bytes = key.len() + value.len();
        self.shape.written_bytes += bytes as u64;
        self.held_bytes += bytes;
        if let Some((_, rows)) = self.spaces.get_mut(&kind) {
            rows.push((key, Some(value)));
        }
    }

    /// Bytes that wait to be written.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes what waits as runs; empty ones are left out.
    pub(crate) fn take_runs(&mut self) -> Vec<Run> {
        self.held_bytes = 0;
        let mut runs = Vec::new();
        for (kind, (space, rows)) in &mut self.spaces {
            if !rows.is_empty() {
                let large_values = !matches!(kind, SpaceKind::Row | SpaceKind::Long);
                runs.push(Run { space: space.clone(), large_values, rows: std::mem::take(rows) });
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(numbers: &[u64], bytes: usize) -> Vec<Entry> {
        let entry = |number: &u64| Entry {
            number: *number,
            header: Bytes::from_static(b"h"),
            body: vec![0; bytes].into(),
        };
        numbers.iter().map(entry).collect()
    }

    proptest! {
        /// Runs cover everything once, in order, and never cross a hole, a bucket end or the cap.
        #[test]
        fn runs_are_dense_and_bounded(
            steps in prop::collection::vec((1u64..4, 0usize..40_000), 1..60),
            start in 65_500u64..65_540,
        ) {
            let mut number = start;
            let mut list = Vec::new();
            for (step, bytes) in steps {
                number += step.saturating_sub(2).max(1);
                list.extend(entries(&[number], bytes));
                number += u64::from(step == 3);
            }
            let runs = cut_runs(&list);
            let mut at = 0;
            for run in runs {
                prop_assert_eq!(run.start, at);
                at = run.end;
                let run = &list[run];
                prop_assert!(run.windows(2).all(|w| w[1].number == w[0].number + 1));
                prop_assert_eq!(run[0].number / BUCKET, run[run.len() - 1].number / BUCKET);
                let bytes: usize = run.iter().map(raw_bytes).sum();
                prop_assert!(run.len() == 1 || bytes <= BLOCK_RAW_BYTES_MAX);
            }
            prop_assert_eq!(at, list.len());
        }
    }

    /// Many short runs raise the threshold, long ones lower it.
    #[test]
    fn the_threshold_follows_the_runs() {
        assert_eq!(choose_threshold(&[], 512), THRESHOLD_START);
        assert_eq!(choose_threshold(&[20_000; 10], 512), 1024);
        let mixed: Vec<usize> = [1500; 100].into_iter().chain([8000; 10]).collect();
        assert_eq!(choose_threshold(&mixed, 512), 2048);
        assert_eq!(choose_threshold(&[1500; 100], 512), 8192);
    }
}
