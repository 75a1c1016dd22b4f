//! A full check of the engine's contents, for `tenon verify` and for tests.

use bytes::Bytes;
use tenon_ports::{Direction, Space};

use crate::block::{BlockKey, Index};
use crate::checkpoint;
use crate::codec::FormatError;
use crate::hash::series_of;
use crate::memtable::SeriesKey;
use crate::row::{Row, decode_state};
use crate::space::{LiveSpace, SpaceKind};
use crate::store::StoreError;
use crate::view::{Part, View};

/// Rows of one step.
const STEP_ROWS: usize = 512;
/// Bytes of one step.
const STEP_BYTES: usize = 4 << 20;
/// Problems that are described; more are counted only.
const PROBLEMS_MAX: usize = 1000;

/// What a full check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// State rows that verify.
    pub state_rows: u64,
    /// Single values that verify.
    pub rows: u64,
    /// Blocks that verify, with index, bodies and sums.
    pub blocks: u64,
    /// Values in them.
    pub block_values: u64,
    /// Rows and blocks of aborted flushes; harmless.
    pub orphans: u64,
    /// Bytes of keys and values looked at.
    pub bytes: u64,
    /// Numbers that a tip promises and that are there.
    pub numbers: u64,
    /// What is wrong, at most the first thousand.
    pub problems: Vec<Problem>,
    /// How much is wrong in all.
    pub problems_count: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Space of the engine.
    pub space: String,
    /// Key in hexadecimal, or the series and numbers.
    pub place: String,
    /// What.
    pub what: String,
}

impl VerifyReport {
    /// True if nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.problems_count == 0
    }

    fn problem(&mut self, space: &Space, place: String, what: impl std::fmt::Display) {
        self.problems_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            let (space, what) = (space.0.to_string(), what.to_string());
            self.problems.push(Problem { space, place, what });
        }
    }
}

impl View {
    /// Checks every row of the engine (checksums, index against bodies, sums, no number in two blocks), and that the numbers
    /// of every conversation and queue are there up to their tips. Reads everything; holds the view meanwhile.
    ///
    /// Values that only the memtables hold are counted by their numbers. Take it after a flush with no record applied since,
    /// or a tip may be older than what follows it, which is not a problem.
    ///
    /// # Errors
    /// Only when the engine cannot be read; what does not verify is in the report.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        self.verify_state(&mut report)?;
        for space in self.chains().live.all() {
            match space.kind {
                SpaceKind::Row | SpaceKind::Long => self.verify_rows(&mut report, space)?,
                SpaceKind::Block | SpaceKind::Event | SpaceKind::Queue => {
                    self.verify_blocks(&mut report, space)?;
                }
            }
        }
        self.verify_numbers(&mut report)?;
        Ok(report)
    }

    fn each_row(
        &self,
        space: &Space,
        mut visit: impl FnMut(Bytes, Bytes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut from = Vec::new();
        loop {
            let rows = self.chains().snapshot.scan(
                space,
                &from,
                &[0xff; 64],
                Direction::Forward,
                STEP_ROWS,
                STEP_BYTES,
            )?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = last.to_vec();
            from.push(0);
            for (key, value) in rows {
                visit(key, value)?;
            }
        }
    }

    fn verify_state(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let space = Space::state();
        self.each_row(&space, |key, value| {
            report.bytes += (key.len() + value.len()) as u64;
            if key != checkpoint::KEY {
                match decode_state(&key, &value) {
                    Ok(_) => report.state_rows += 1,
                    Err(error) => report.problem(&space, hex(&key), error),
                }
            }
            Ok(())
        })
    }

    fn verify_rows(&self, report: &mut VerifyReport, live: &LiveSpace) -> Result<(), StoreError> {
        self.each_row(&live.space, |key, value| {
            report.bytes += (key.len() + value.len()) as u64;
            match SeriesKey::decode_row(&key).and_then(|_| Row::decode(&key, &value)) {
                Ok(row) if self.chains().hidden.hides(row.flush) => report.orphans += 1,
                Ok(_) => report.rows += 1,
                Err(error) => report.problem(&live.space, hex(&key), error),
            }
            Ok(())
        })
    }

    fn verify_blocks(&self, report: &mut VerifyReport, live: &LiveSpace) -> Result<(), StoreError> {
        // The block before: (series, last number), to find overlaps; and the index row whose body row must follow.
        let mut before: Option<(SeriesKey, u64)> = None;
        let mut expected: Option<(BlockKey, Option<Index>)> = None;
        self.each_row(&live.space, |key, value| {
            report.bytes += (key.len() + value.len()) as u64;
            let found = match block_key(&key) {
                Ok((found, is_index)) => (found, is_index),
                Err(error) => {
                    report.problem(&live.space, hex(&key), error);
                    return Ok(());
                }
            };
            let (found, is_index) = found;
            if !is_index {
                match expected.take() {
                    Some((key, index)) if key == found => {
                        check_bodies(report, live, index.as_ref(), Some(&value), &key);
                    }
                    _ => report.problem(&live.space, hex(&key), "bodies without an index row"),
                }
                return Ok(());
            }
            if let Some((key, Some(_))) = expected.take() {
                report.problem(&live.space, hex(&key.index()), "index row without bodies");
            }
            if self.chains().hidden.hides(found.flush) {
                report.orphans += 1;
                expected = Some((found, None));
                return Ok(());
            }
            match Index::decode(found, &value) {
                Err(error) => {
                    report.problem(&live.space, hex(&key), error);
                    expected = Some((found, None));
                }
                Ok(index) => {
                    if before.is_some_and(|(s, last)| s == found.series && last >= index.first) {
                        report.problem(&live.space, hex(&key), "numbers of the block before again");
                    }
                    before = Some((found.series, found.last));
                    if index.is_inline() {
                        check_bodies(report, live, Some(&index), None, &found);
                    } else {
                        expected = Some((found, Some(index)));
                    }
                }
            }
            Ok(())
        })?;
        if let Some((key, Some(_))) = expected {
            report.problem(&live.space, hex(&key.index()), "index row without bodies");
        }
        Ok(())
    }

    fn verify_numbers(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let mut series = Vec::new();
        let scanned = self.each_state(|key, value| {
            match series_of(key, value) {
                Ok(found) => series.extend(found),
                Err(error) => report.problem(&Space::state(), hex(key), error),
            }
            Ok(())
        });
        if let Err(error) = scanned {
            // A damaged row ends the scan; it is in the report already.
            report.problem(&Space::state(), "tips".to_owned(), error);
        }
        for (series, first, tip) in series {
            self.verify_series(report, &series, first, tip)?;
        }
        Ok(())
    }

    fn verify_series(
        &self,
        report: &mut VerifyReport,
        series: &SeriesKey,
        first: u64,
        tip: u64,
    ) -> Result<(), StoreError> {
        let mut next = first;
        while next <= tip {
            let mut problem = None;
            let read = self.each_entry(series, next, tip, Part::Headers, |entry| {
                if entry.number != next && problem.is_none() {
                    problem = Some((next, entry.number - 1, "missing".to_owned()));
                }
                next = entry.number + 1;
                report.numbers += 1;
            });
            match read {
                Ok(()) if next <= tip => {
                    problem = problem.or(Some((next, tip, "missing".to_owned())));
                    next = tip + 1;
                }
                Ok(()) => {}
                Err(StoreError::Degraded { first, last, .. }) => {
                    problem = Some((first, last, "damaged".to_owned()));
                    next = last.saturating_add(1);
                }
                Err(other) => return Err(other),
            }
            if let Some((first, last, what)) = problem {
                report.problem(
                    &Space::new("series"),
                    format!("{series:?} {first} to {last}"),
                    what,
                );
            }
        }
        Ok(())
    }
}

fn check_bodies(
    report: &mut VerifyReport,
    live: &LiveSpace,
    index: Option<&Index>,
    row: Option<&Bytes>,
    key: &BlockKey,
) {
    // Of an aborted flush, or its index row is told already.
    let Some(index) = index else { return };
    let checked = index.bodies(row).and_then(|bodies| Ok((bodies.len(), index.sums_hold()?)));
    match checked {
        Ok((values, true)) => {
            report.blocks += 1;
            report.block_values += values as u64;
        }
        Ok((_, false)) => report.problem(&live.space, hex(&key.index()), "digest sums do not fit"),
        Err(error) => report.problem(&live.space, hex(&key.body()), error),
    }
}

fn block_key(key: &Bytes) -> Result<(BlockKey, bool), FormatError> {
    // The first number behind the prefix is where a row key has its number.
    let (series, _) = SeriesKey::decode_row(key)?;
    BlockKey::decode(series, key)
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
