//! What recovery writes: the torn tail into quarantine, the unproven tail into the next segment, lost footers
//! (`docs/formats/log.md`, steps 6 to 9).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tenon_ports::LogError;

use super::open::{Files, Tail, failed, sort_files, take_segment, writer_at};
use super::walk::Unproven;
use super::{RecoveryReport, TornTail};
use crate::disk::{Access, AlignedBuffer, BLOCK_BYTES, read_exact};
use crate::log::intake::{Intake, Queued};
use crate::log::ring::{Closed, Ring, Segment};
use crate::log::segment::{FOOTER_BYTES, Footer, HEADER_BYTES};
use crate::log::shared::Shared;
use crate::log::writer::{Standing, Writer, footer_of};

/// All that the walk left, ready to be repaired and opened.
pub(super) struct Start {
    pub(super) ring: Ring,
    pub(super) intake: Intake,
    pub(super) files: Files,
    /// What was left behind, and whether its footer is on disk (or must stay away).
    pub(super) closed: BTreeMap<u32, (Closed, bool)>,
    pub(super) tail: Option<Tail>,
    pub(super) standing: Standing,
    pub(super) unproven: Vec<Unproven>,
}

impl Start {
    pub(super) fn run(
        mut self,
        report: &mut RecoveryReport,
    ) -> Result<(Shared, Writer, Arc<Segment>), LogError> {
        let path = self.ring.directory.clone();
        if let Some(tail) = &self.tail {
            tenon_base::sometimes!("torn-tail");
            report.torn_tail = self.cut_off(tail).map_err(|e| failed(&path, &e))?;
        }
        let missing = self.missing_footers();
        let files = std::mem::take(&mut self.files);
        sort_files(&self.ring, files, &self.closed, self.tail.as_ref());
        let (standing, current) = match self.tail.take() {
            None => self.begin()?,
            Some(tail) if tail.is_damaged => self.pass_by(&tail)?,
            Some(tail) if self.unproven.iter().any(|record| record.queued.is_some()) => {
                self.rewrite(&tail, report)?
            }
            Some(tail) => self.go_on(&tail)?,
        };
        for footer in missing {
            self.write_footer(&footer).map_err(|e| failed(&path, &e))?;
        }
        report.segments_held = self.ring.count();
        let writer = writer_at(&self.ring, standing);
        Ok((Shared::new(self.intake, self.ring), writer, current))
    }

    /// Footers that a crash or damage took away, of segments that are whole.
    fn missing_footers(&self) -> Vec<Footer> {
        let missing = self.closed.iter().filter(|(_, (_, is_kept))| !is_kept);
        missing
            .map(|(use_number, (closed, _))| Footer {
                device_id: self.ring.device.id,
                use_number: *use_number,
                end: u32::try_from(closed.end).unwrap_or(u32::MAX),
                checksum: closed.checksum,
                entries: closed.entries.clone(),
            })
            .collect()
    }

    fn write_footer(&self, footer: &Footer) -> io::Result<()> {
        let Some(segment) = self.ring.segment(footer.use_number) else { return Ok(()) };
        let mut block = AlignedBuffer::new(FOOTER_BYTES);
        footer.encode(block.bytes_mut());
        let at = self.ring.geometry.data_end as u64;
        self.ring.write_synced(segment.slot.file.as_ref(), block.bytes(), at)
    }

    /// Copies the remnants of an interrupted group away and overwrites them with zeros.
    fn cut_off(&self, tail: &Tail) -> io::Result<Option<TornTail>> {
        if tail.next_remnant_end > 0 && !tail.is_damaged {
            self.zero(tail.use_number + 1, HEADER_BYTES, tail.next_remnant_end)?;
        }
        if tail.is_damaged || tail.remnant_end <= tail.offset {
            return Ok(None);
        }
        let start = tail.offset / BLOCK_BYTES * BLOCK_BYTES;
        let end = tail.remnant_end.next_multiple_of(BLOCK_BYTES);
        let mut bytes = AlignedBuffer::new(end - start);
        let Some(slot) = self.files.by_use.get(&tail.use_number) else { return Ok(None) };
        read_exact(slot.file.as_ref(), bytes.bytes_mut(), start as u64)?;
        let name = format!("use-{}-offset-{}.bin", tail.use_number, tail.offset);
        let directory = self.ring.directory.join("quarantine");
        let is_there = self.ring.disk.list(&directory)?.contains(&name);
        if is_there {
            self.ring.disk.remove(&directory.join(&name))?;
        }
        let copy = self.ring.disk.create(&directory.join(&name), Access::Buffered)?;
        copy.write_at(&bytes.bytes()[tail.offset - start..tail.remnant_end - start], 0)?;
        copy.sync()?;
        self.ring.disk.sync_directory(&directory)?;
        self.zero(tail.use_number, tail.offset.next_multiple_of(BLOCK_BYTES), end)?;
        Ok(Some(TornTail {
            position: self.ring.geometry.position(tail.use_number, tail.offset),
            bytes: (tail.remnant_end - tail.offset) as u64,
            quarantine: Some(name),
        }))
    }

    fn zero(&self, use_number: u32, from: usize, to: usize) -> io::Result<()> {
        let Some(slot) = self.files.by_use.get(&use_number) else { return Ok(()) };
        let bytes = to.next_multiple_of(BLOCK_BYTES).saturating_sub(from);
        if bytes == 0 {
            return Ok(());
        }
        let zeros = AlignedBuffer::new(bytes);
        self.ring.write_synced(slot.file.as_ref(), zeros.bytes(), from as u64)
    }

    /// The first start of a device.
    fn begin(&mut self) -> Result<(Standing, Arc<Segment>), LogError> {
        let segment = take_segment(&self.ring)?;
        let mut standing = self.standing.clone();
        standing.use_number = segment.use_number;
        standing.durable = self.ring.geometry.position(segment.use_number, HEADER_BYTES);
        Ok((standing, segment))
    }

    /// Nothing but markers is unproven: the log goes on at the next block.
    fn go_on(&mut self, tail: &Tail) -> Result<(Standing, Arc<Segment>), LogError> {
        let mut standing = self.standing.clone();
        standing.use_number = tail.use_number;
        standing.offset = tail.offset.next_multiple_of(BLOCK_BYTES);
        let chain_start = self.unproven.first().map(|record| record.position);
        let here = self.ring.geometry.position(tail.use_number, tail.offset);
        standing.durable = chain_start.unwrap_or(here);
        Ok((standing, self.held(tail.use_number)?))
    }

    /// The tail segment is damaged: it is kept as it is and left, with a fresh chain.
    fn pass_by(&mut self, tail: &Tail) -> Result<(Standing, Arc<Segment>), LogError> {
        let mut standing = self.standing.clone();
        standing.use_number = tail.use_number;
        standing.offset = self.ring.geometry.data_end;
        standing.chain = 0;
        Ok((standing, self.held(tail.use_number)?))
    }

    fn held(&self, use_number: u32) -> Result<Arc<Segment>, LogError> {
        let missing = || LogError::Unreadable(format!("use {use_number} is not held"));
        self.ring.segment(use_number).ok_or_else(missing)
    }

    /// Moves the unproven records into the next segment; only then the old one gets its footer (L2).
    fn rewrite(
        &mut self,
        tail: &Tail,
        report: &mut RecoveryReport,
    ) -> Result<(Standing, Arc<Segment>), LogError> {
        let Some(first) = self.unproven.first() else { return self.go_on(tail) };
        let (from, chain) = (first.position, first.chain);
        let batch = self.unproven_records();
        let old = self.held(tail.use_number)?;
        let next = take_segment(&self.ring)?;
        let mut standing = self.standing.clone();
        standing.use_number = tail.use_number;
        standing.chain = chain;
        let (_, end) = self.ring.geometry.place(from);
        take_back(&mut standing, &batch);
        let footer = footer_of(self.ring.device.id, &standing, u32::try_from(end).unwrap_or(0));
        standing.start_next_segment(&self.ring.geometry);
        let mut writer = writer_at(&self.ring, standing);
        writer.handle_rewrite(&batch, from);
        let path = self.ring.directory.join(&next.slot.name);
        if let Some(write) = writer.poll_write() {
            let file = next.slot.file.as_ref();
            let written = self.ring.write_synced(file, write.bytes, write.offset);
            written.map_err(|e| failed(&path, &e))?;
        }
        self.write_footer(&footer).map_err(|e| failed(&path, &e))?;
        let closed = super::open::closed_of(&footer);
        let _first = old.closed.set(closed);
        self.intake.unindex_from(from);
        for placed in writer.handle_written() {
            self.intake.index(placed);
        }
        report.records_rewritten = batch.len();
        Ok((writer.into_standing(), next))
    }

    /// The unproven records, each once.
    fn unproven_records(&mut self) -> Vec<Queued> {
        let mut batch: Vec<Queued> = Vec::new();
        for queued in self.unproven.drain(..).filter_map(|record| record.queued) {
            let key = |q: &Queued| (q.record.append.partition, q.record.lsn);
            if !batch.iter().rev().any(|have| key(have) == key(&queued)) {
                batch.push(queued);
            }
        }
        batch
    }
}

/// What was known before the records of `batch`.
fn take_back(standing: &mut Standing, batch: &[Queued]) {
    for queued in batch.iter().rev() {
        let lsn = queued.record.lsn.0;
        let partition = queued.record.append.partition.0 as usize;
        let Some(known) = standing.known.get_mut(partition) else { continue };
        known.last = lsn - 1;
        if known.first >= lsn {
            known.first = 0;
            known.offset = 0;
        }
    }
}
