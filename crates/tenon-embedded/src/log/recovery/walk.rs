//! The walk over the records, and the judgement at every bad place (`docs/formats/log.md`, steps 3 to 5).

use bytes::Bytes;
use tenon_base::{Lsn, Map, PartitionId};
use tenon_ports::log::kind;
use tenon_ports::{Append, Record};

use super::{Damage, Evidence};
use crate::disk::BLOCK_BYTES;
use crate::log::frame::{self, Decoded, NO_PARTITION};
use crate::log::intake::{Intake, Queued};
use crate::log::options::Geometry;
use crate::log::scan::{View, next_offset};
use crate::log::segment::{Footer, HEADER_BYTES, PARTITIONS_MAX};
use crate::log::writer::{DAMAGED_BIT, Placed, Standing};

/// What is known of the end of a segment before it is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its footer says so.
    Footer(usize),
    /// The next segment begins with records moved out of this one.
    Rewritten(usize),
    Unknown,
}

/// What later segments tell about the end of this one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Later {
    /// Chain of the record at the very start of the next segment.
    pub(super) next_chain: Option<u32>,
    /// Some later segment holds a whole record that was not moved there.
    pub(super) has_records: bool,
}

/// How a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next segment goes on.
    SegmentEnd,
    /// The log ends at this offset; remnants of an interrupted group reach to `remnant_end`.
    Tail { offset: usize, remnant_end: usize },
}

/// A record beyond the last proven position.
pub(super) struct Unproven {
    pub(super) position: u64,
    pub(super) chain: u32,
    pub(super) queued: Option<Queued>,
}

pub(super) struct Walk<'a> {
    pub(super) geometry: Geometry,
    pub(super) intake: &'a mut Intake,
    pub(super) applied: &'a Map<u32, Lsn>,
    pub(super) standing: Standing,
    pub(super) is_chain_known: bool,
    /// Partitions that may have lost a record at a bad place and of which nothing later has told yet.
    pub(super) suspects: Vec<bool>,
    pub(super) unproven: Vec<Unproven>,
    pub(super) damage: Vec<Damage>,
    pub(super) footers_lost: Vec<u32>,
    pub(super) records: u64,
    pub(super) is_last_clean: bool,
    /// The segment being walked has a bad place: it is kept as it is.
    pub(super) is_segment_damaged: bool,
}

impl Walk<'_> {
    /// Goes over to a segment: what lies before it is durable.
    pub(super) fn start_segment(&mut self, use_number: u32) {
        self.standing.use_number = use_number;
        self.standing.durable = self.geometry.position(use_number, HEADER_BYTES);
        self.standing.offset = HEADER_BYTES;
        self.unproven.clear();
        for known in &mut self.standing.known {
            known.first = 0;
            known.offset = 0;
        }
    }

    /// Offset behind the last group that was walked.
    pub(super) const fn group_end(&self) -> usize {
        self.standing.offset
    }

    /// Walks one segment.
    pub(super) fn segment(&mut self, view: &View<'_>, file: &str, end: End, later: Later) -> Stop {
        self.is_segment_damaged = false;
        let mut offset = HEADER_BYTES;
        let mut is_group_open = false;
        loop {
            let known_end = match end {
                End::Footer(end) | End::Rewritten(end) => Some(end),
                End::Unknown => None,
            };
            if known_end.is_some_and(|end| offset >= end) {
                return Stop::SegmentEnd;
            }
            if let Ok((decoded, payload)) = view.frame_at(offset)
                && self.fits_chain(&decoded)
            {
                self.accept(view, file, offset, &decoded, payload);
                is_group_open = !decoded.frame.has(frame::FLAG_LAST);
                offset = next_offset(offset, &decoded);
                self.standing.offset = offset;
                continue;
            }
            if known_end.is_none() && !is_group_open && self.ends_by_chain(view, later) {
                return Stop::SegmentEnd;
            }
            let Some(evidence) = self.evidence(view, offset, known_end, later) else {
                let remnant_end = view.remnants(offset).map(|found| found.end()).max();
                return Stop::Tail { offset, remnant_end: remnant_end.unwrap_or(offset) };
            };
            self.note_damage(view, file, offset, evidence);
            let limit = known_end.unwrap_or(self.geometry.data_end);
            let next = view.remnants(offset + 8).find(|found| found.is_whole);
            match next.filter(|found| found.offset < limit) {
                Some(found) => {
                    self.suspect(view, offset, found.decoded.frame.chain);
                    offset = found.offset;
                }
                None => {
                    self.suspect(view, offset, 0);
                    return self.damaged_end(known_end, later);
                }
            }
        }
    }

    fn fits_chain(&self, decoded: &Decoded) -> bool {
        !self.is_chain_known || decoded.frame.chain == self.standing.chain
    }

    /// The footer was lost, but the next segment goes on exactly here.
    fn ends_by_chain(&mut self, view: &View<'_>, later: Later) -> bool {
        let fits = self.is_chain_known && later.next_chain == Some(self.standing.chain);
        if fits {
            self.footers_lost.push(view.use_number);
        }
        fits
    }

    fn damaged_end(&self, known_end: Option<usize>, later: Later) -> Stop {
        if known_end.is_some() || later.has_records || later.next_chain.is_some() {
            Stop::SegmentEnd
        } else {
            // Nothing follows: the log goes on in the next segment, and this one stays as it is.
            let offset = self.geometry.data_end;
            Stop::Tail { offset, remnant_end: offset }
        }
    }

    /// Whether anything tells that the bad place had been durable.
    fn evidence(
        &self,
        view: &View<'_>,
        offset: usize,
        known_end: Option<usize>,
        later: Later,
    ) -> Option<Evidence> {
        if tenon_base::planted!("stop-at-first-bad") {
            return None;
        }
        let position = self.geometry.position(view.use_number, offset);
        let limit = known_end.unwrap_or(self.geometry.data_end);
        let mut remnant_end = offset;
        for found in view.remnants(offset).filter(|found| found.offset < limit) {
            let proves = found.decoded.frame.durable_through > position
                || tenon_base::planted!("valid-after-bad-is-corruption");
            if found.is_whole && proves {
                return Some(Evidence::DurableThrough);
            }
            remnant_end = remnant_end.max(found.end());
        }
        if known_end.is_some() {
            return Some(Evidence::Footer);
        }
        if later.has_records {
            return Some(Evidence::LaterSegment);
        }
        let torn_max = self.geometry.group_bytes_max + BLOCK_BYTES;
        (remnant_end - offset > torn_max).then_some(Evidence::TooLong)
    }

    fn note_damage(&mut self, view: &View<'_>, file: &str, offset: usize, evidence: Evidence) {
        let position = self.geometry.position(view.use_number, offset);
        self.damage.push(Damage { file: file.to_owned(), position, evidence });
        self.is_segment_damaged = true;
        self.is_chain_known = false;
    }

    /// Which partitions may have lost a record: the one of the damaged record if the chain shows that no other is missing,
    /// else all.
    fn suspect(&mut self, view: &View<'_>, offset: usize, next_chain: u32) {
        let alone = view.remnant_from(offset).filter(|found| {
            found.offset == offset && !found.is_whole && found.decoded.checksum == next_chain
        });
        match alone {
            Some(found) => {
                let partition = found.decoded.frame.partition as usize;
                if let Some(suspect) = self.suspects.get_mut(partition) {
                    *suspect = true;
                }
            }
            None => self.suspects.fill(true),
        }
    }

    fn accept(
        &mut self,
        view: &View<'_>,
        file: &str,
        offset: usize,
        decoded: &Decoded,
        payload: &[u8],
    ) {
        let header = &decoded.frame;
        let position = header.place.position;
        self.standing.use_number = view.use_number;
        self.standing.chain = decoded.checksum;
        self.is_chain_known = true;
        self.is_last_clean = header.kind == kind::MARKER && header.has(frame::FLAG_CLEAN);
        self.records += 1;
        if header.durable_through > self.standing.durable {
            self.standing.durable = header.durable_through;
            self.unproven.retain(|record| record.position >= header.durable_through);
        }
        let queued = self.record(view, file, offset, decoded, payload);
        self.unproven.push(Unproven { position, chain: header.chain, queued });
    }

    /// Takes a record into tail and index, unless it is a marker, a repeat, or of a damaged partition.
    fn record(
        &mut self,
        view: &View<'_>,
        file: &str,
        offset: usize,
        decoded: &Decoded,
        payload: &[u8],
    ) -> Option<Queued> {
        let header = &decoded.frame;
        if header.partition == NO_PARTITION {
            return None;
        }
        let record = Record {
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
        };
        let is_lazy = header.has(frame::FLAG_LAZY);
        match self.fits_order(header.partition as usize, record.lsn) {
            Order::Next => {}
            Order::Repeat if header.has(frame::FLAG_REWRITTEN) => {
                return Some(Queued { record, is_lazy });
            }
            Order::Repeat | Order::Step => {
                self.note_damage(view, file, offset, Evidence::Order);
                self.is_chain_known = true;
                self.mark_damaged(header.partition as usize);
                return None;
            }
            Order::Closed => return None,
        }
        self.standing.note(header, offset);
        let placed = Placed {
            partition: header.partition,
            lsn: record.lsn,
            position: header.place.position,
            bytes: header.bytes(),
        };
        if let Some(part) = self.intake.part_mut(header.partition as usize) {
            part.last = record.lsn;
        }
        self.intake.index(&placed);
        self.intake.remember(record.clone());
        Some(Queued { record, is_lazy })
    }

    fn fits_order(&mut self, partition: usize, lsn: Lsn) -> Order {
        let Some(known) = self.standing.known.get(partition).copied() else { return Order::Closed };
        if known.is_damaged {
            return Order::Closed;
        }
        let last = Lsn(known.last);
        let is_suspect = std::mem::take(&mut self.suspects[partition]);
        if lsn <= last {
            self.suspects[partition] = is_suspect;
            return Order::Repeat;
        }
        if lsn == last.next() || lsn.generation() > last.generation() {
            return Order::Next;
        }
        // A first sight in the oldest segment held; or a hole that the store has applied, which costs history only.
        let index = u32::try_from(partition).unwrap_or(u32::MAX);
        let applied = self.applied.get(&index).copied().unwrap_or_default();
        let is_first_sight = known.last == 0 && !is_suspect;
        if is_first_sight || applied.next() >= lsn {
            if let Some(part) = self.intake.part_mut(partition) {
                part.removed = Lsn(lsn.0 - 1);
                part.break_off();
            }
            return Order::Next;
        }
        if is_suspect {
            self.mark_damaged(partition);
            return Order::Closed;
        }
        Order::Step
    }

    pub(super) fn mark_damaged(&mut self, partition: usize) {
        if let Some(known) = self.standing.known.get_mut(partition) {
            known.is_damaged = true;
        }
        self.suspects[partition] = false;
    }

    /// A footer tells the last Lsn of every partition at its place: who is there lost nothing, who is not is damaged.
    pub(super) fn hear_footer(&mut self, footer: &Footer) {
        let mut told = vec![(0, false); PARTITIONS_MAX];
        for entry in &footer.entries {
            let is_damaged = entry.partition & DAMAGED_BIT != 0;
            if let Some(slot) = told.get_mut(usize::from(entry.partition & !DAMAGED_BIT)) {
                *slot = (entry.last, is_damaged);
            }
        }
        for (partition, (last, is_damaged)) in told.into_iter().enumerate() {
            let known = self.standing.known[partition];
            if is_damaged {
                self.mark_damaged(partition);
            } else if self.suspects[partition] {
                self.suspects[partition] = false;
                if known.last != last {
                    self.settle_loss(partition, Lsn(last));
                }
            } else if known.last < last && !known.is_damaged {
                // Silent since before the oldest segment that was walked.
                self.standing.known[partition].last = last;
                if let Some(part) = self.intake.part_mut(partition) {
                    part.last = Lsn(last);
                    part.removed = Lsn(last);
                    part.break_off();
                }
            }
        }
    }

    /// Records up to `last` are gone: harmless if the store has applied them.
    fn settle_loss(&mut self, partition: usize, last: Lsn) {
        let index = u32::try_from(partition).unwrap_or(u32::MAX);
        if self.applied.get(&index).is_some_and(|applied| *applied >= last) {
            self.standing.known[partition].last = last.0;
            if let Some(part) = self.intake.part_mut(partition) {
                part.last = last;
                part.removed = last;
                part.break_off();
            }
        } else {
            self.mark_damaged(partition);
        }
    }
}

/// How a record continues its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Next,
    Repeat,
    Step,
    /// The partition is damaged: its later records stay unread.
    Closed,
}
