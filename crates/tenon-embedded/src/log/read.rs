//! Reading records that are no longer in memory.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::{Lsn, PartitionId};
use tenon_ports::{Append, LogError, Record};

use super::frame::{self, Decoded, Frame, HEADER_BYTES, Place};
use super::ring::{Ring, Segment};
use super::scan::next_offset;
use super::segment;
use super::shared::Shared;
use crate::disk::{AlignedBuffer, BLOCK_BYTES, read_exact};

/// Bytes read at a time: holds the largest record wherever it starts.
const WINDOW_BYTES: usize = 512 * 1024;

/// One read of one partition: a scan from the nearest index entry on.
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) partition: PartitionId,
    pub(crate) after: Lsn,
    pub(crate) end: Lsn,
    pub(crate) bytes_max: usize,
}

/// What was read last of a segment.
struct Window {
    buffer: AlignedBuffer,
    start: usize,
    filled: usize,
}

impl Reader {
    /// The records, or why there are none. `start` is the device position of a record at or before the first one wanted.
    pub(crate) fn read(&self, start: Option<u64>) -> Result<Vec<Record>, LogError> {
        let ring = &self.shared.ring;
        let mut taken = Vec::new();
        let mut bytes = 0;
        let Some(start) = start else { return Err(self.hole()) };
        let (mut use_number, mut offset) = ring.geometry.place(start);
        let mut window = Window { buffer: AlignedBuffer::new(WINDOW_BYTES), start: 0, filled: 0 };
        while let Some(segment) = ring.segment(use_number) {
            window.filled = 0;
            let end = segment.closed.get().map_or(ring.geometry.data_end, |closed| closed.end);
            while offset < end {
                let Some(decoded) = window.frame_at(ring, &segment, offset) else {
                    // Behind the last group there is nothing; before it the index led here wrongly or the bytes are damaged.
                    return self.result(taken);
                };
                let header = &decoded.frame;
                let at = offset;
                offset = next_offset(offset, &decoded);
                if header.partition != self.partition.0 || Lsn(header.lsn) <= self.after {
                    continue;
                }
                if Lsn(header.lsn) > self.end {
                    return self.result(taken);
                }
                bytes += header.payload_bytes as usize;
                if bytes > self.bytes_max && !taken.is_empty() {
                    return Ok(taken);
                }
                match window.record(at, &decoded) {
                    Some(record) => taken.push(record),
                    None => return self.result(taken),
                }
                if Lsn(header.lsn) == self.end {
                    return Ok(taken);
                }
            }
            use_number += 1;
            offset = segment::HEADER_BYTES;
        }
        self.result(taken)
    }

    /// Fewer records than asked for are fine; none at all means that they are gone or damaged.
    fn result(&self, taken: Vec<Record>) -> Result<Vec<Record>, LogError> {
        if taken.is_empty() { Err(self.hole()) } else { Ok(taken) }
    }

    /// Trimmed while this read was under way, or damaged.
    fn hole(&self) -> LogError {
        let intake = self.shared.lock();
        match intake.part(self.partition) {
            Ok(part) if self.after < part.removed => {
                LogError::Trimmed { first: part.removed.next() }
            }
            Ok(_) => LogError::Damaged(self.partition),
            Err(error) => error,
        }
    }
}

impl Window {
    /// The frame at an offset of the segment, with its whole record in the window.
    fn frame_at(&mut self, ring: &Ring, segment: &Segment, offset: usize) -> Option<Decoded> {
        let place = Place {
            device_id: ring.device.id,
            position: ring.geometry.position(segment.use_number, offset),
            use_number: segment.use_number,
        };
        if !self.holds(offset, HEADER_BYTES) {
            self.fill(ring, segment, offset)?;
        }
        let decoded = Frame::decode(self.bytes(offset), place).ok()?;
        if !self.holds(offset, decoded.frame.bytes()) {
            self.fill(ring, segment, offset)?;
        }
        self.holds(offset, decoded.frame.bytes()).then_some(decoded)
    }

    fn record(&self, offset: usize, decoded: &Decoded) -> Option<Record> {
        let payload = decoded.payload(self.bytes(offset)).ok()?;
        let header = &decoded.frame;
        if header.partition == frame::NO_PARTITION {
            return None;
        }
        Some(Record {
            lsn: Lsn(header.lsn),
            append: Append {
                partition: PartitionId(header.partition),
                producer: header.producer,
                producer_seq: header.producer_seq,
                time_us: header.time_us,
                key_id: header.key_id,
                leader_epoch: header.leader_epoch,
                kind: header.kind,
                payload: Bytes::copy_from_slice(payload),
            },
        })
    }

    const fn holds(&self, offset: usize, bytes: usize) -> bool {
        offset >= self.start && offset + bytes <= self.start + self.filled
    }

    fn bytes(&self, offset: usize) -> &[u8] {
        &self.buffer.bytes()[offset - self.start..self.filled]
    }

    fn fill(&mut self, ring: &Ring, segment: &Segment, offset: usize) -> Option<()> {
        let start = offset / BLOCK_BYTES * BLOCK_BYTES;
        let left = ring.geometry.data_end.checked_sub(start)?;
        let filled = left.min(WINDOW_BYTES);
        let buffer = &mut self.buffer.bytes_mut()[..filled];
        let read = read_exact(segment.slot.file.as_ref(), buffer, start as u64);
        if let Err(error) = read {
            tracing::error!(%error, "a log segment could not be read");
            return None;
        }
        self.start = start;
        self.filled = filled;
        Some(())
    }
}
