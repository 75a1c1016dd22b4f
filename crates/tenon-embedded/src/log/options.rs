//! Sizes and bounds of the log.

use std::time::Duration;

use tenon_base::ByteSize;
use tenon_base::limits::RECORD_BYTES_MAX;
use tenon_ports::LogError;

use super::frame;
use super::segment::{FOOTER_BYTES, HEADER_BYTES};
use crate::disk::BLOCK_BYTES;

/// How groups are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogMode {
    /// Direct if a probe write succeeds, else buffered.
    #[default]
    Probe,
    /// `O_DIRECT | O_DSYNC`: the return of the write is the sync.
    Direct,
    /// A write and an `fdatasync`.
    Buffered,
}

/// How the log is opened. The segment size of an existing device stays as it is.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Size of a segment: a multiple of 4 KiB, at least 24 KiB, at most 1 GiB.
    pub segment: ByteSize,
    /// Largest group. Beyond 1 MiB a group gains little throughput and costs latency.
    pub group: ByteSize,
    /// Records in one group at most.
    pub group_records_max: usize,
    /// Bytes that may wait for the writer; beyond, appends end `Full`.
    pub queue: ByteSize,
    /// The newest records that stay in memory.
    pub tail: ByteSize,
    /// Segments kept ready for the writer.
    pub prepared: usize,
    /// Segments the ring keeps at least.
    pub segments_min: usize,
    /// Quiet time after which a marker proves the last group.
    pub idle_marker: Duration,
    /// Direct or buffered.
    pub mode: LogMode,
    /// The ring grows only while the filesystem keeps this much free (or a twentieth of itself, if that is less).
    pub reserve: ByteSize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment: ByteSize::mib(64),
            group: ByteSize::mib(1),
            group_records_max: 4096,
            queue: ByteSize::mib(16),
            tail: ByteSize::mib(64),
            prepared: 2,
            segments_min: 4,
            idle_marker: Duration::from_millis(10),
            mode: LogMode::Probe,
            reserve: ByteSize(2 << 30),
        }
    }
}

/// Sizes of one device, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Size of a segment.
    pub(crate) segment_bytes: u64,
    /// Offset behind the data.
    pub(crate) data_end: usize,
    /// Largest group, whole blocks.
    pub(crate) group_bytes_max: usize,
    /// Largest payload.
    pub(crate) payload_bytes_max: usize,
}

impl Geometry {
    pub(crate) fn new(segment_bytes: u64, options: &LogOptions) -> Result<Self, LogError> {
        let least = HEADER_BYTES + BLOCK_BYTES + FOOTER_BYTES;
        let bytes = usize::try_from(segment_bytes).unwrap_or(usize::MAX);
        if bytes < least || bytes > 1 << 30 || !bytes.is_multiple_of(BLOCK_BYTES) {
            return Err(LogError::Unreadable(format!("segments of {bytes} bytes are not legal")));
        }
        let data_end = bytes - FOOTER_BYTES;
        let data = data_end - HEADER_BYTES;
        let asked = options.group.as_usize() / BLOCK_BYTES * BLOCK_BYTES;
        let group_bytes_max = asked.clamp(BLOCK_BYTES, data);
        let payload_bytes_max = RECORD_BYTES_MAX.min(group_bytes_max - frame::HEADER_BYTES);
        Ok(Self { segment_bytes, data_end, group_bytes_max, payload_bytes_max })
    }

    /// Device position of an offset in a use.
    pub(crate) const fn position(&self, use_number: u32, offset: usize) -> u64 {
        use_number as u64 * self.segment_bytes + offset as u64
    }

    /// Use number and offset of a device position.
    pub(crate) fn place(&self, position: u64) -> (u32, usize) {
        let use_number = u32::try_from(position / self.segment_bytes).unwrap_or(u32::MAX);
        (use_number, usize::try_from(position % self.segment_bytes).unwrap_or(0))
    }
}
