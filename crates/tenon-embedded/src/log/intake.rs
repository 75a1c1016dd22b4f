//! Where records get their place in the order: the queue to the writer, the tail in memory, the index.
//!
//! All of it lies behind one lock, held for as long as a few pushes take; nothing here does I/O.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Waker;

use tenon_base::{ByteSize, Lsn, PartitionId};
use tenon_ports::{Append, Durability, LogError, Record};

use super::frame::frame_bytes;
use super::options::{Geometry, LogOptions};
use super::segment::PARTITIONS_MAX;
use super::writer::Placed;

/// A new index entry of a partition is made after this many bytes of its own.
const INDEX_STEP_BYTES: usize = 64 * 1024;
/// What a record costs in the tail besides its payload.
const RECORD_OVERHEAD_BYTES: usize = 192;

/// Whether the log takes appends.
#[derive(Debug, Clone, Default)]
pub(crate) enum Fate {
    #[default]
    Open,
    Poisoned(Arc<io::Error>),
    Closed,
}

/// Whether the log is to end once nothing waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Closing {
    #[default]
    No,
    /// With a clean marker.
    Planned,
    /// Without.
    Abandoned,
}

/// A record on its way to the writer.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub(crate) record: Record,
    pub(crate) is_lazy: bool,
}

/// What the writer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Nothing,
    Batch,
    /// The next record does not fit into what is left of the segment.
    NoRoom,
}

#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Last Lsn given.
    pub(crate) last: Lsn,
    /// Highest Lsn that was removed from the device.
    pub(crate) removed: Lsn,
    /// Highest Lsn that may be removed.
    pub(crate) trim_asked: Lsn,
    pub(crate) is_damaged: bool,
    /// The newest records, without a gap up to `last`.
    tail: VecDeque<Record>,
    /// (first Lsn of a stretch, device position of that record), ascending.
    index: VecDeque<(Lsn, u64)>,
    stretch_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Intake {
    geometry: Geometry,
    queue_bytes_max: usize,
    group_records_max: usize,
    tail_bytes_max: usize,
    parts: Vec<Part>,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    tickets_given: u64,
    wakers: VecDeque<(u64, Waker)>,
    /// Partition and cost of every record in a tail, oldest first.
    tail_order: VecDeque<(u32, usize)>,
    tail_bytes: usize,
    tail_uncommitted: usize,
    pub(crate) fate: Fate,
    /// Bytes that the current segment still takes.
    pub(crate) segment_left: usize,
    /// No further segment can be prepared.
    pub(crate) is_disk_full: bool,
    pub(crate) is_writer_waiting: bool,
    pub(crate) closing: Closing,
}

impl Intake {
    pub(crate) fn new(geometry: Geometry, options: &LogOptions) -> Self {
        let mut parts = Vec::new();
        parts.resize_with(PARTITIONS_MAX, Part::default);
        Self {
            geometry,
            queue_bytes_max: options.queue.as_usize(),
            group_records_max: options.group_records_max.max(1),
            tail_bytes_max: options.tail.as_usize(),
            parts,
            queue: VecDeque::new(),
            queued_bytes: 0,
            tickets_given: 0,
            wakers: VecDeque::new(),
            tail_order: VecDeque::new(),
            tail_bytes: 0,
            tail_uncommitted: 0,
            fate: Fate::Open,
            segment_left: 0,
            is_disk_full: false,
            is_writer_waiting: false,
            closing: Closing::No,
        }
    }

    pub(crate) fn part(&self, partition: PartitionId) -> Result<&Part, LogError> {
        self.parts.get(partition.0 as usize).ok_or_else(|| unknown(partition))
    }

    pub(crate) fn part_mut(&mut self, partition: usize) -> Option<&mut Part> {
        self.parts.get_mut(partition)
    }

    /// Gives records their Lsn and queues them. Returns the ticket that commits with the last of them.
    ///
    /// All checks come before the first change, so that a refused call leaves nothing behind.
    pub(crate) fn handle_append(
        &mut self,
        records: Vec<Append>,
        durability: Durability,
        given: &mut Vec<Lsn>,
    ) -> Result<u64, LogError> {
        let bytes = self.check(&records)?;
        self.queued_bytes += bytes;
        let is_lazy = durability == Durability::Lazy;
        for append in records {
            let part = &mut self.parts[append.partition.0 as usize];
            let lsn = part.last.next();
            part.last = lsn;
            given.push(lsn);
            let record = Record { lsn, append };
            // Counted first: a record that is not durable yet can be read from memory only.
            self.tail_uncommitted += 1;
            if tenon_base::planted!("undurable-record-forgotten") {
                self.tail_uncommitted -= 1;
            }
            self.remember(record.clone());
            if tenon_base::planted!("undurable-record-forgotten") {
                self.tail_uncommitted += 1;
            }
            self.queue.push_back(Queued { record, is_lazy });
            self.tickets_given += 1;
        }
        Ok(self.tickets_given)
    }

    fn check(&self, records: &[Append]) -> Result<usize, LogError> {
        match &self.fate {
            Fate::Open if self.closing != Closing::No => return Err(LogError::Closed),
            Fate::Open => {}
            Fate::Poisoned(_) => return Err(LogError::Poisoned),
            Fate::Closed => return Err(LogError::Closed),
        }
        let mut bytes = 0;
        for record in records {
            let payload = record.payload.len();
            if payload > self.geometry.payload_bytes_max {
                return Err(LogError::TooLarge(ByteSize(payload as u64)));
            }
            if self.part(record.partition)?.is_damaged {
                return Err(LogError::Damaged(record.partition));
            }
            bytes += frame_bytes(payload);
        }
        let waiting = self.queued_bytes + bytes;
        if self.is_disk_full && waiting + crate::disk::BLOCK_BYTES > self.segment_left {
            return Err(LogError::DiskFull);
        }
        if waiting > self.queue_bytes_max && self.queued_bytes > 0 {
            return Err(LogError::Full);
        }
        Ok(bytes)
    }

    /// Puts a record at the end of its tail; old committed ones leave when the tails are over their bound.
    pub(crate) fn remember(&mut self, record: Record) {
        let cost = record.append.payload.len() + RECORD_OVERHEAD_BYTES;
        let partition = record.append.partition.0;
        self.tail_order.push_back((partition, cost));
        self.tail_bytes += cost;
        self.parts[partition as usize].tail.push_back(record);
        while self.tail_bytes > self.tail_bytes_max && self.tail_order.len() > self.tail_uncommitted
        {
            let Some((partition, cost)) = self.tail_order.pop_front() else { break };
            self.tail_bytes -= cost;
            self.parts[partition as usize].tail.pop_front();
        }
    }

    /// Wakes `waker` once `ticket` has committed or failed. Kept in ticket order.
    pub(crate) fn wait(&mut self, ticket: u64, waker: &Waker) {
        let at = self.wakers.partition_point(|(waiting, _)| *waiting < ticket);
        match self.wakers.get_mut(at) {
            Some((waiting, old)) if *waiting == ticket => old.clone_from(waker),
            Some(_) => self.wakers.insert(at, (ticket, waker.clone())),
            None => self.wakers.push_back((ticket, waker.clone())),
        }
    }

    /// Hands the writer the records for one group of at most `room` bytes.
    pub(crate) fn take_batch(&mut self, room: usize, batch: &mut Vec<Queued>) -> Taken {
        batch.clear();
        let mut left = room.min(self.geometry.group_bytes_max);
        while batch.len() < self.group_records_max {
            let Some(next) = self.queue.front() else { break };
            let bytes = frame_bytes(next.record.append.payload.len());
            if bytes > left {
                break;
            }
            left -= bytes;
            self.queued_bytes -= bytes;
            batch.extend(self.queue.pop_front());
        }
        match (batch.is_empty(), self.queue.is_empty()) {
            (false, _) => Taken::Batch,
            (true, true) => Taken::Nothing,
            (true, false) => Taken::NoRoom,
        }
    }

    /// True if an append that was refused for want of room may succeed, or will fail for another reason.
    pub(crate) fn has_room(&self) -> bool {
        let is_open = matches!(self.fate, Fate::Open) && self.closing == Closing::No;
        !is_open || (!self.is_disk_full && self.queued_bytes < self.queue_bytes_max / 2)
    }

    /// True if something waits for the writer.
    pub(crate) fn has_queue(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Notes that `count` more records are durable; fills `woken` with those who waited for tickets up to `ticket`.
    pub(crate) fn handle_committed(
        &mut self,
        placed: &[Placed],
        ticket: u64,
        woken: &mut Vec<Waker>,
    ) {
        self.tail_uncommitted -= placed.len();
        for record in placed {
            self.index(record);
        }
        while self.wakers.front().is_some_and(|(waiting, _)| *waiting <= ticket) {
            woken.extend(self.wakers.pop_front().map(|(_, waker)| waker));
        }
    }

    /// Adds a record to the sparse index where a new stretch begins.
    pub(crate) fn index(&mut self, placed: &Placed) {
        let segment_bytes = self.geometry.segment_bytes;
        let Some(part) = self.parts.get_mut(placed.partition as usize) else { return };
        let is_new = match part.index.back() {
            None => true,
            Some((_, position)) => {
                position / segment_bytes != placed.position / segment_bytes
                    || part.stretch_bytes >= INDEX_STEP_BYTES
            }
        };
        if is_new {
            part.index.push_back((placed.lsn, placed.position));
            part.stretch_bytes = 0;
        }
        part.stretch_bytes += placed.bytes;
    }

    /// Forgets where records from `position` on lie: they were moved.
    pub(crate) fn unindex_from(&mut self, position: u64) {
        for part in &mut self.parts {
            while part.index.back().is_some_and(|(_, at)| *at >= position) {
                part.index.pop_back();
            }
        }
    }

    /// Ends all waiting: the wakers are handed out, the queue is dropped.
    pub(crate) fn handle_ended(&mut self, fate: Fate, woken: &mut Vec<Waker>) {
        self.fate = fate;
        self.queue.clear();
        self.queued_bytes = 0;
        woken.extend(self.wakers.drain(..).map(|(_, waker)| waker));
    }
}

impl Queued {
    /// Bytes of its frame.
    pub(crate) fn bytes(&self) -> usize {
        frame_bytes(self.record.append.payload.len())
    }
}

impl Part {
    /// Records of the tail after `after` up to `end`; `None` if the tail begins later.
    pub(crate) fn read_tail(&self, after: Lsn, end: Lsn, bytes_max: usize) -> Option<Vec<Record>> {
        let first = self.tail.front()?.lsn;
        if first > after.next() && first.generation() == after.generation() {
            return None;
        }
        if first.generation() != after.generation() && first > after {
            return None;
        }
        let start = self.tail.partition_point(|record| record.lsn <= after);
        let mut bytes = 0;
        let mut taken = Vec::new();
        for record in self.tail.range(start..) {
            bytes += record.append.payload.len();
            if record.lsn > end || (bytes > bytes_max && !taken.is_empty()) {
                break;
            }
            taken.push(record.clone());
        }
        Some(taken)
    }

    /// Device position from which to look for the record after `after`.
    pub(crate) fn position_after(&self, after: Lsn) -> Option<u64> {
        let at = self.index.partition_point(|(lsn, _)| *lsn <= after.next());
        self.index.get(at.saturating_sub(1)).map(|(_, position)| *position)
    }

    /// Forgets what lay before `position` and ended at `last`.
    pub(crate) fn remove_before(&mut self, position: u64, last: Lsn) {
        self.removed = self.removed.max(last);
        while self.index.front().is_some_and(|(_, at)| *at < position) {
            self.index.pop_front();
        }
    }

    /// Forgets the tail: what follows does not continue it.
    pub(crate) fn break_off(&mut self) {
        self.index.clear();
    }
}

pub(crate) fn unknown(partition: PartitionId) -> LogError {
    LogError::Unreadable(format!("partition {partition} is not below {PARTITIONS_MAX}"))
}
