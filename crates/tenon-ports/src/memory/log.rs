//! The log in memory.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tenon_base::limits::RECORD_BYTES_MAX;
use tenon_base::{ByteSize, Lsn, PartitionId};
use tokio::sync::{Notify, watch};

use super::lock;
use crate::{Append, Durability, Log, LogError, Reach, Record};

/// Bytes that may wait for a commit: the bound of the embedded log, so that rooms meet `Full` alike.
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// A log whose disk is a vector.
///
/// Appends commit at once, unless the log is told to [`hold`](Self::hold). [`crash`](Self::crash) loses what has not
/// committed, as a power cut does.
#[derive(Debug, Default)]
pub struct MemoryLog {
    state: Mutex<State>,
    on_room: Notify,
}

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<PartitionId, Part>,
    queued_bytes: usize,
    is_holding: bool,
    is_disk_full: bool,
    is_unclean: bool,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    #[default]
    Open,
    Poisoned,
    Closed,
}

#[derive(Debug)]
struct Part {
    records: VecDeque<Record>,
    trimmed: Lsn,
    is_damaged: bool,
    shown: watch::Sender<Shown>,
}

/// What the waiters of one partition watch. `lives` counts crashes: a position of an earlier life is not this one's.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    committed: Lsn,
    last: Lsn,
    lives: u64,
    fate: Fate,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            records: VecDeque::new(),
            trimmed: Lsn::ZERO,
            is_damaged: false,
            shown: watch::Sender::new(Shown::default()),
        }
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// While held, appended records stay enqueued; letting go commits them all.
    pub fn hold(&self, is_holding: bool) {
        let mut state = lock(&self.state);
        state.is_holding = is_holding;
        if !is_holding {
            state.commit();
            self.on_room.notify_waiters();
        }
    }

    /// While full, appends are refused with [`LogError::DiskFull`].
    pub fn fill(&self, is_disk_full: bool) {
        lock(&self.state).is_disk_full = is_disk_full;
        self.on_room.notify_waiters();
    }

    /// A write fails: what is enqueued ends `Unknown`, later appends end [`LogError::Poisoned`] until [`crash`](Self::crash).
    pub fn poison(&self) {
        lock(&self.state).end(Fate::Poisoned);
        self.on_room.notify_waiters();
    }

    /// A planned stop: all is committed, later calls end [`LogError::Closed`] until [`reopen`](Self::reopen).
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.commit();
        state.is_unclean = false;
        state.end(Fate::Closed);
        self.on_room.notify_waiters();
    }

    /// Loses everything that is not committed and opens again, as after a power cut.
    pub fn crash(&self) {
        let mut state = lock(&self.state);
        state.is_unclean = true;
        state.queued_bytes = 0;
        for part in state.partitions.values_mut() {
            let committed = part.shown.borrow().committed;
            while part.records.back().is_some_and(|record| record.lsn > committed) {
                part.records.pop_back();
            }
            part.shown.send_modify(|shown| {
                shown.last = committed;
                shown.lives += 1;
            });
        }
        state.end(Fate::Open);
    }

    /// Opens again after a planned stop.
    pub fn reopen(&self) {
        lock(&self.state).end(Fate::Open);
        self.on_room.notify_waiters();
    }

    /// Marks a partition as damaged: it refuses appends and reads.
    pub fn damage(&self, partition: PartitionId) {
        lock(&self.state).part(partition).is_damaged = true;
    }
}

impl State {
    fn part(&mut self, partition: PartitionId) -> &mut Part {
        self.partitions.entry(partition).or_default()
    }

    fn commit(&mut self) {
        self.queued_bytes = 0;
        for part in self.partitions.values() {
            part.shown.send_if_modified(|shown| {
                let is_news = shown.committed < shown.last;
                shown.committed = shown.last;
                is_news
            });
        }
    }

    fn end(&mut self, fate: Fate) {
        self.fate = fate;
        for part in self.partitions.values() {
            part.shown.send_modify(|shown| shown.fate = fate);
        }
    }

    /// All checks come before the first change, so that a refused call leaves nothing behind.
    fn check(&self, records: &[Append]) -> Result<(), LogError> {
        match self.fate {
            Fate::Open => {}
            Fate::Poisoned => return Err(LogError::Poisoned),
            Fate::Closed => return Err(LogError::Closed),
        }
        for record in records {
            if record.payload.len() > RECORD_BYTES_MAX {
                return Err(LogError::TooLarge(ByteSize(record.payload.len() as u64)));
            }
            if self.partitions.get(&record.partition).is_some_and(|part| part.is_damaged) {
                return Err(LogError::Damaged(record.partition));
            }
        }
        let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
        if self.is_disk_full {
            return Err(LogError::DiskFull);
        }
        if self.queued_bytes + bytes > QUEUE_BYTES_MAX && self.queued_bytes > 0 {
            return Err(LogError::Full);
        }
        Ok(())
    }

    fn enqueue(&mut self, records: Vec<Append>) -> Vec<Lsn> {
        let mut given = Vec::with_capacity(records.len());
        for append in records {
            self.queued_bytes += append.payload.len();
            let part = self.part(append.partition);
            let lsn = part.shown.borrow().last.next();
            part.shown.send_modify(|shown| shown.last = lsn);
            part.records.push_back(Record { lsn, append });
            given.push(lsn);
        }
        if !self.is_holding {
            self.commit();
        }
        given
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn room(&self) {
        let mut notified = pin!(self.on_room.notified());
        notified.as_mut().enable();
        {
            let state = lock(&self.state);
            let has_room = !state.is_disk_full && state.queued_bytes < QUEUE_BYTES_MAX / 2;
            if has_room || state.fate != Fate::Open {
                return;
            }
        }
        notified.await;
    }

    async fn append(
        &self,
        records: Vec<Append>,
        durability: Durability,
    ) -> Result<Vec<Lsn>, LogError> {
        let partitions: Vec<PartitionId> = records.iter().map(|record| record.partition).collect();
        let given = {
            let mut state = lock(&self.state);
            state.check(&records)?;
            state.enqueue(records)
        };
        if durability == Durability::Durable {
            for (partition, lsn) in partitions.into_iter().zip(&given) {
                self.committed(partition, *lsn).await?;
            }
        }
        Ok(given)
    }

    async fn read(
        &self,
        partition: PartitionId,
        after: Lsn,
        reach: Reach,
        bytes_max: usize,
    ) -> Result<Vec<Record>, LogError> {
        let state = lock(&self.state);
        if state.fate == Fate::Closed {
            return Err(LogError::Closed);
        }
        let Some(part) = state.partitions.get(&partition) else { return Ok(Vec::new()) };
        if part.is_damaged {
            return Err(LogError::Damaged(partition));
        }
        if after < part.trimmed {
            return Err(LogError::Trimmed { first: part.trimmed.next() });
        }
        let end = part.shown.borrow().reached(reach);
        let start = part.records.partition_point(|record| record.lsn <= after);
        let mut bytes = 0;
        let mut taken = Vec::new();
        for record in part.records.range(start..) {
            bytes += record.append.payload.len();
            if record.lsn > end || (bytes > bytes_max && !taken.is_empty()) {
                break;
            }
            taken.push(record.clone());
        }
        Ok(taken)
    }

    async fn notified(&self, partition: PartitionId, after: Lsn, reach: Reach) {
        let mut watched = lock(&self.state).part(partition).shown.subscribe();
        // The sender lives as long as `self`, so the wait cannot fail.
        let _gone = watched
            .wait_for(|shown| shown.reached(reach) > after || shown.fate == Fate::Closed)
            .await;
    }

    fn last(&self, partition: PartitionId, reach: Reach) -> Lsn {
        let state = lock(&self.state);
        state
            .partitions
            .get(&partition)
            .map_or(Lsn::ZERO, |part| part.shown.borrow().reached(reach))
    }

    async fn committed(&self, partition: PartitionId, lsn: Lsn) -> Result<(), LogError> {
        let mut watched = lock(&self.state).part(partition).shown.subscribe();
        let lives = watched.borrow().lives;
        let shown = watched
            .wait_for(|shown| {
                shown.committed >= lsn || shown.fate != Fate::Open || shown.lives != lives
            })
            .await
            .map_err(|_| LogError::Closed)?;
        if shown.committed >= lsn && shown.lives == lives {
            return Ok(());
        }
        match shown.fate {
            Fate::Closed => Err(LogError::Closed),
            Fate::Open | Fate::Poisoned => {
                Err(LogError::Interrupted(Arc::new(io::Error::other("the log writer stopped"))))
            }
        }
    }

    fn trim(&self, through: &[(PartitionId, Lsn)]) {
        let mut state = lock(&self.state);
        for (partition, lsn) in through {
            let part = state.part(*partition);
            let lsn = (*lsn).min(part.shown.borrow().committed);
            part.trimmed = part.trimmed.max(lsn);
            while part.records.front().is_some_and(|record| record.lsn <= lsn) {
                part.records.pop_front();
            }
        }
    }

    fn was_unclean(&self) -> bool {
        lock(&self.state).is_unclean
    }
}

impl Shown {
    const fn reached(&self, reach: Reach) -> Lsn {
        match reach {
            Reach::Committed => self.committed,
            Reach::Enqueued => self.last,
        }
    }
}
