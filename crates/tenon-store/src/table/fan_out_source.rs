//! One row per user partition: its queue epoch, and per source partition the last fan-out that took effect.

use std::collections::BTreeMap;

use bytes::Bytes;
use tenon_base::{Lsn, OrgId, PartitionId, QueueEpoch};

use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// The row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Queue epoch of the partition.
    pub epoch: QueueEpoch,
    /// (source lsn, index) per source partition.
    pub sources: BTreeMap<PartitionId, (Lsn, u32)>,
}

/// 0 | tag | partition: belongs to no organisation.
pub fn key(partition: PartitionId) -> Bytes {
    table_key(OrgId(0), tag::FAN_OUT_SOURCE, &[u64::from(partition.0)])
}

/// Encodes the row.
pub fn encode(row: &Row) -> Bytes {
    let mut out = Writer::versioned(1);
    out.varint(u64::from(row.epoch.0)).varint(row.sources.len() as u64);
    for (source, (lsn, index)) in &row.sources {
        out.varint(u64::from(source.0)).fixed(lsn.0).varint(u64::from(*index));
    }
    out.finish()
}

/// Decodes the row.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<Row, FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    let mut row = Row { epoch: QueueEpoch(r.varint32()?), ..Row::default() };
    for _ in 0..r.count()? {
        let source = PartitionId(r.varint32()?);
        row.sources.insert(source, (Lsn(r.fixed()?), r.varint32()?));
    }
    Ok(row)
}
