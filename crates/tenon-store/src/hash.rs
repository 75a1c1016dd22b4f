//! What a partition stands for as one number, whatever blocks and rows it lies in.

use bytes::Bytes;
use tenon_base::{ConversationId, OrgId, PartitionId, UserId};
use tenon_core::Layout;
use tenon_ports::Direction;

use crate::memtable::{Entry, SeriesKey};
use crate::store::StoreError;
use crate::table::{self, tag};
use crate::view::{Part, View};
use crate::{FormatError, home};

/// State rows of one step.
const STATE_STEP: usize = 4096;
/// Entries of one step.
const ENTRIES_STEP: usize = 1024;
/// Bytes of one step.
const BYTES_STEP: usize = 1 << 20;

impl View {
    /// Sum over all values of a partition of the first 128 bits of BLAKE3(key, header, body), modulo 2^128. Two nodes that
    /// applied the same records have the same sum after a flush: orphans, packing and the order of flushes do not count.
    ///
    /// Covers what the cuts covered: take it after a flush with no record applied since. Reads everything.
    ///
    /// # Errors
    /// When the engine fails or a value does not verify.
    pub fn partition_hash(
        &self,
        layout: Layout,
        partition: PartitionId,
    ) -> Result<u128, StoreError> {
        let mut sum = 0u128;
        self.each_state(|key, value| {
            if partition_of(layout, key) != Some(partition) {
                return Ok(());
            }
            sum = sum.wrapping_add(term(key, value, &[]));
            for (series, first, tip) in series_of(key, value)? {
                self.each_entry(&series, first, tip, Part::Whole, |entry| {
                    let key = series.row(entry.number);
                    sum = sum.wrapping_add(term(&key, &entry.header, &entry.body));
                })?;
            }
            Ok(())
        })?;
        Ok(sum)
    }

    /// All state values, ascending.
    pub(crate) fn each_state(
        &self,
        mut visit: impl FnMut(&Bytes, &Bytes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut after = Bytes::new();
        loop {
            let rows = self.state_scan(&[], &after, STATE_STEP)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = last.clone();
            for (key, value) in &rows {
                visit(key, value)?;
            }
        }
    }

    /// All entries from `first` to `tip`, ascending.
    pub(crate) fn each_entry(
        &self,
        series: &SeriesKey,
        first: u64,
        tip: u64,
        part: Part,
        mut visit: impl FnMut(&Entry),
    ) -> Result<(), StoreError> {
        let mut from = first;
        while from <= tip {
            let limits = (ENTRIES_STEP, BYTES_STEP);
            let page = self.entries(series, from, tip, Direction::Forward, limits, part)?;
            let Some(last) = page.last() else { return Ok(()) };
            from = last.number.saturating_add(1);
            page.iter().for_each(&mut visit);
        }
        Ok(())
    }
}

/// The series whose tips a state row holds: (series, first number kept, tip).
pub(crate) fn series_of(
    key: &[u8],
    value: &Bytes,
) -> Result<Vec<(SeriesKey, u64, u64)>, StoreError> {
    let (org, kind, id) = parts(key).ok_or(FormatError::Short)?;
    match kind {
        tag::HEADER => {
            let header = table::header::decode(value)?;
            let conv = ConversationId(id);
            Ok(vec![
                (SeriesKey::message(org, conv), 1, header.seq.0),
                (SeriesKey::event(org, conv), 1, header.rev.0),
            ])
        }
        tag::USER_HEADER => {
            let header = table::user_header::decode(value)?;
            let first = header.floor.0.saturating_add(1);
            Ok(vec![(SeriesKey::queue(org, UserId(id)), first, header.tip.0)])
        }
        _ => Ok(Vec::new()),
    }
}

/// Organisation, tag and first id of a state key.
fn parts(key: &[u8]) -> Option<(OrgId, u8, u64)> {
    let org = u64::from_be_bytes(key.get(..8)?.try_into().ok()?);
    let id = key.get(9..17).and_then(|id| id.try_into().ok()).map_or(0, u64::from_be_bytes);
    Some((OrgId(org), *key.get(8)?, id))
}

fn partition_of(layout: Layout, key: &[u8]) -> Option<PartitionId> {
    if let Some(home) = home::of_state(layout, key) {
        return Some(home);
    }
    match parts(key)? {
        (_, tag::FAN_OUT_SOURCE, id) => u32::try_from(id).ok().map(PartitionId),
        _ => Some(PartitionId::IDENTITY),
    }
}

fn term(key: &[u8], header: &[u8], body: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in [key, header, body] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(first)
}
