//! The writer as a machine: it frames groups and footers and says what to write; it does no I/O.
//!
//! One group is in flight at a time. So everything before its first byte is durable when it is written, and that byte is
//! the `durable_through` of its records.

use tenon_base::Lsn;
use tenon_ports::log::kind;

use super::frame::{self, Frame, Place, frame_bytes};
use super::intake::Queued;
use super::options::Geometry;
use super::segment::{FOOTER_BYTES, Footer, FooterEntry, HEADER_BYTES, PARTITIONS_MAX};
use crate::disk::{AlignedBuffer, BLOCK_BYTES};

/// The highest bit of a footer's partition: the partition is damaged and takes no appends.
pub(crate) const DAMAGED_BIT: u16 = 0x8000;

/// A record and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) partition: u32,
    pub(crate) lsn: Lsn,
    pub(crate) position: u64,
    pub(crate) bytes: usize,
}

/// What is known of one partition at the writer's place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    pub(crate) last: u64,
    pub(crate) leader_epoch: u64,
    pub(crate) is_damaged: bool,
    /// In the current segment; 0 = none.
    pub(crate) first: u64,
    pub(crate) offset: u32,
}

/// Where the writer stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) use_number: u32,
    /// Offset of the next group.
    pub(crate) offset: usize,
    /// Header checksum of the last record; 0 starts a fresh chain.
    pub(crate) chain: u32,
    /// Everything before this device position is durable.
    pub(crate) durable: u64,
    pub(crate) known: Vec<Known>,
}

/// One write to be done now.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) offset: u64,
    pub(crate) bytes: &'a [u8],
    /// In buffered mode: sync after it.
    pub(crate) sync: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    Group { bytes: usize, sync: bool },
    Footer,
    Failed,
}

#[derive(Debug)]
pub(crate) struct Writer {
    device_id: u64,
    geometry: Geometry,
    standing: Standing,
    buffer: AlignedBuffer,
    pending: Pending,
    placed: Vec<Placed>,
    is_proven: bool,
}

impl Writer {
    pub(crate) fn new(device_id: u64, geometry: Geometry, standing: Standing) -> Self {
        let buffer = AlignedBuffer::new(geometry.group_bytes_max.max(FOOTER_BYTES));
        Self {
            device_id,
            geometry,
            standing,
            buffer,
            pending: Pending::Nothing,
            placed: Vec::new(),
            is_proven: true,
        }
    }

    /// Where the writer stands.
    pub(crate) fn into_standing(self) -> Standing {
        self.standing
    }

    /// Bytes that the segment still takes.
    pub(crate) const fn room(&self) -> usize {
        self.geometry.data_end - self.standing.offset
    }

    /// True behind a marker that was written and not synced.
    pub(crate) fn has_unsynced(&self) -> bool {
        let Standing { use_number, offset, durable, .. } = self.standing;
        durable < self.geometry.position(use_number, offset)
    }

    /// False after a group that no marker has proven yet.
    pub(crate) const fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Frames one group of records.
    pub(crate) fn handle_batch(&mut self, batch: &[Queued]) {
        self.frame(batch, 0, self.durable_through());
    }

    /// Frames records that were moved here from the unproven end of the segment before, which ends at `durable_through`.
    pub(crate) fn handle_rewrite(&mut self, batch: &[Queued], durable_through: u64) {
        self.frame(batch, frame::FLAG_REWRITTEN, durable_through);
    }

    fn durable_through(&self) -> u64 {
        self.standing.durable
    }

    fn frame(&mut self, batch: &[Queued], flags: u16, durable_through: u64) {
        self.placed.clear();
        let mut filled = 0;
        for (index, queued) in batch.iter().enumerate() {
            let append = &queued.record.append;
            let is_last = index + 1 == batch.len();
            let flags = flags
                | if is_last { frame::FLAG_LAST } else { 0 }
                | if queued.is_lazy { frame::FLAG_LAZY } else { 0 };
            let place = self.place(filled);
            let header = Frame {
                kind: append.kind,
                flags,
                payload_bytes: u32::try_from(append.payload.len()).unwrap_or(u32::MAX),
                place,
                partition: append.partition.0,
                lsn: queued.record.lsn.0,
                leader_epoch: append.leader_epoch,
                durable_through,
                producer: append.producer,
                producer_seq: append.producer_seq,
                time_us: append.time_us,
                key_id: append.key_id,
                chain: self.standing.chain,
            };
            let target = &mut self.buffer.bytes_mut()[filled..];
            self.standing.chain = header.encode(&append.payload, target);
            let bytes = frame_bytes(append.payload.len());
            self.note(&header, filled, bytes);
            filled += bytes;
        }
        self.close_group(filled, true);
        self.is_proven = false;
    }

    /// Frames a marker. An idle one need not be synced; a clean one says that nothing is missing behind it.
    pub(crate) fn handle_marker(&mut self, is_clean: bool, sync: bool) {
        self.placed.clear();
        let header = Frame {
            kind: kind::MARKER,
            flags: frame::FLAG_LAST | if is_clean { frame::FLAG_CLEAN } else { 0 },
            payload_bytes: 0,
            place: self.place(0),
            partition: frame::NO_PARTITION,
            lsn: 0,
            leader_epoch: 0,
            durable_through: self.durable_through(),
            producer: 0,
            producer_seq: 0,
            time_us: 0,
            key_id: 0,
            chain: self.standing.chain,
        };
        self.standing.chain = header.encode(&[], self.buffer.bytes_mut());
        self.close_group(header.bytes(), sync);
        self.is_proven = true;
    }

    /// Frames the footer: the segment ends here.
    pub(crate) fn handle_segment_end(&mut self) {
        let footer = self.footer();
        footer.encode(&mut self.buffer.bytes_mut()[..FOOTER_BYTES]);
        self.pending = Pending::Footer;
    }

    /// What the footer of the current segment says if it ends here.
    pub(crate) fn footer(&self) -> Footer {
        let end = u32::try_from(self.standing.offset).unwrap_or(u32::MAX);
        footer_of(self.device_id, &self.standing, end)
    }

    /// Goes on in the next segment, whose header is durable.
    pub(crate) fn handle_segment_start(&mut self) {
        self.standing.start_next_segment(&self.geometry);
    }

    fn place(&self, filled: usize) -> Place {
        let use_number = self.standing.use_number;
        let position = self.geometry.position(use_number, self.standing.offset + filled);
        Place { device_id: self.device_id, position, use_number }
    }

    fn note(&mut self, header: &Frame, filled: usize, bytes: usize) {
        let offset = self.standing.offset + filled;
        self.standing.note(header, offset);
        let (partition, lsn) = (header.partition, Lsn(header.lsn));
        self.placed.push(Placed { partition, lsn, position: header.place.position, bytes });
    }

    /// Pads the group with zeros to whole blocks: acked bytes are never written again.
    fn close_group(&mut self, filled: usize, sync: bool) {
        let bytes = filled.next_multiple_of(BLOCK_BYTES);
        self.buffer.bytes_mut()[filled..bytes].fill(0);
        self.pending = Pending::Group { bytes, sync };
    }

    /// The write to be done, until it is handled.
    pub(crate) fn poll_write(&self) -> Option<Write<'_>> {
        let buffer = self.buffer.bytes();
        match self.pending {
            Pending::Nothing | Pending::Failed => None,
            Pending::Group { bytes, sync } => {
                Some(Write { offset: self.standing.offset as u64, bytes: &buffer[..bytes], sync })
            }
            Pending::Footer => {
                let offset = self.geometry.data_end as u64;
                Some(Write { offset, bytes: &buffer[..FOOTER_BYTES], sync: true })
            }
        }
    }

    /// The write is durable (an idle marker of buffered mode: written). Returns the records that it committed.
    pub(crate) fn handle_written(&mut self) -> &[Placed] {
        let written = std::mem::replace(&mut self.pending, Pending::Nothing);
        if let Pending::Group { bytes, sync } = written {
            self.standing.offset += bytes;
            if sync {
                let Standing { use_number, offset, .. } = self.standing;
                self.standing.durable = self.geometry.position(use_number, offset);
            }
            return &self.placed;
        }
        &[]
    }

    /// The write failed: nothing is ever written again (L1).
    pub(crate) fn handle_failed(&mut self) {
        self.pending = Pending::Failed;
    }
}

impl Standing {
    /// Notes a record at `offset` of the current segment.
    pub(crate) fn note(&mut self, header: &Frame, offset: usize) {
        let Some(known) = self.known.get_mut(header.partition as usize) else { return };
        known.last = header.lsn;
        known.leader_epoch = known.leader_epoch.max(header.leader_epoch);
        if known.first == 0 {
            known.first = header.lsn;
            known.offset = u32::try_from(offset).unwrap_or(u32::MAX);
        }
    }

    /// Goes on at the start of the next segment.
    pub(crate) fn start_next_segment(&mut self, geometry: &Geometry) {
        self.use_number += 1;
        self.offset = HEADER_BYTES;
        self.durable = geometry.position(self.use_number, self.offset);
        for known in &mut self.known {
            known.first = 0;
            known.offset = 0;
        }
    }
}

/// The footer of the segment in which `standing` is, ending at `end`.
pub(crate) fn footer_of(device_id: u64, standing: &Standing, end: u32) -> Footer {
    let mut entries = Vec::new();
    for (index, known) in standing.known.iter().enumerate().take(PARTITIONS_MAX) {
        let partition = u16::try_from(index).unwrap_or(DAMAGED_BIT - 1);
        if known.last != 0 || known.is_damaged {
            entries.push(FooterEntry {
                partition: partition | if known.is_damaged { DAMAGED_BIT } else { 0 },
                offset: known.offset,
                first: known.first,
                last: known.last,
                leader_epoch: known.leader_epoch,
            });
        }
    }
    let Standing { use_number, chain: checksum, .. } = *standing;
    Footer { device_id, use_number, end, checksum, entries }
}
