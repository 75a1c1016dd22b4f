//! The `Log` door over the driver.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use tenon_base::{Lsn, PartitionId};
use tenon_ports::{Append, Durability, Log, LogError, Reach, Record};

use super::driver::{Driver, LogStepper, run_preparing};
use super::intake::{Closing, Fate, unknown};
use super::options::LogOptions;
use super::read::Reader;
use super::recovery::{RecoveryReport, recover};
use super::ring::Closed;
use super::segment::PARTITIONS_MAX;
use super::shared::Shared;
use super::writer::DAMAGED_BIT;
use crate::blocking::blocking;
use crate::disk::Disk;

/// The log of one node, on one device.
///
/// Partitions 0 to 511. A `Durable` append is durable on return; appends of many callers share one write. Full: ends `Full`
/// while 16 MiB wait, `DiskFull` when the filesystem is at its reserve; both wrote nothing. After a failed write or sync
/// everything ends `Poisoned` until the directory is opened again.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    was_unclean: bool,
    is_direct: bool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLog").field("is_direct", &self.is_direct).finish_non_exhaustive()
    }
}

impl EmbeddedLog {
    /// Opens the log in `directory`, or makes an empty one. `applied` is the store's checkpoint: evidence against silent
    /// loss, and the place from which recovery reads.
    ///
    /// Blocks while it reads. Durable on return: what was recovered, and a marker that this start is not a clean stop.
    ///
    /// # Errors
    /// [`LogError::Unreadable`] for a missing segment, a newer format, another device or a failing disk;
    /// [`LogError::DiskFull`] when there is no space for a first segment.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: &LogOptions,
        applied: &[(PartitionId, Lsn)],
    ) -> Result<(Self, RecoveryReport), LogError> {
        let (log, driver, report) = Self::open_undriven(disk, directory, options, applied)?;
        let idle = options.idle_marker;
        let shared = Arc::clone(&log.shared);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn(run).map_err(|e| LogError::Unreadable(format!("thread: {e}")))
        };
        let preparing = spawn("log-prepare", Box::new(move || run_preparing(&shared)))?;
        let shared = Arc::clone(&log.shared);
        let writing = spawn("log-write", Box::new(move || driver.run(idle)));
        if writing.is_err() {
            shared.ring.stop();
        }
        *log.threads.lock().unwrap_or_else(PoisonError::into_inner) = vec![writing?, preparing];
        Ok((log, report))
    }

    /// Opens without threads: nothing is written but by the calls of the stepper. For a simulator, which decides when the
    /// disk is touched.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_stepped(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: &LogOptions,
        applied: &[(PartitionId, Lsn)],
    ) -> Result<(Self, LogStepper, RecoveryReport), LogError> {
        let (log, driver, report) = Self::open_undriven(disk, directory, options, applied)?;
        Ok((log, LogStepper::new(driver), report))
    }

    /// Opens without threads: the caller steps the driver.
    pub(crate) fn open_undriven(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: &LogOptions,
        applied: &[(PartitionId, Lsn)],
    ) -> Result<(Self, Driver, RecoveryReport), LogError> {
        let recovered = recover(disk, directory, options, applied)?;
        let report = recovered.report;
        let log = Self {
            shared: recovered.shared,
            was_unclean: report.was_unclean,
            is_direct: report.is_direct,
            threads: Mutex::new(Vec::new()),
        };
        Ok((log, recovered.driver, report))
    }

    /// Waits until a write or sync failed (L1), and says why. From then on the log takes nothing and proves nothing; who
    /// runs it should end, so that it is opened again. Never returns while the log is open or after a planned stop.
    pub async fn failure(&self) -> LogError {
        loop {
            let mut ended = pin!(self.shared.on_room.notified());
            ended.as_mut().enable();
            if let Fate::Poisoned(error) = &self.shared.lock().fate {
                return LogError::Interrupted(Arc::clone(error));
            }
            ended.await;
        }
    }

    /// Stops the log: everything enqueued is durable on return, and a clean marker says so to the next open. Later calls
    /// end [`LogError::Closed`].
    ///
    /// # Errors
    /// [`LogError::Interrupted`] if a write failed before.
    pub fn close(&self) -> Result<(), LogError> {
        self.shared.lock().closing = Closing::Planned;
        self.shared.arrived.notify_all();
        self.join();
        match &self.shared.lock().fate {
            Fate::Poisoned(error) => Err(LogError::Interrupted(Arc::clone(error))),
            Fate::Open | Fate::Closed => Ok(()),
        }
    }

    fn join(&self) {
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let mut is_first = true;
        for thread in threads {
            // A panic of the thread was reported by the panic hook.
            let _panicked = thread.join();
            if std::mem::take(&mut is_first) {
                self.shared.ring.stop();
            }
        }
    }

    /// True if groups are written with direct I/O.
    pub const fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Files of the ring: held, prepared and free segments.
    pub fn segment_count(&self) -> usize {
        self.shared.ring.count()
    }

    fn enqueue(
        &self,
        records: Vec<Append>,
        durability: Durability,
        context: Option<&Context<'_>>,
    ) -> Result<(u64, Vec<Lsn>), LogError> {
        let mut given = Vec::with_capacity(records.len());
        let first = records.first().map(|record| record.partition);
        let others: Vec<PartitionId> = match first {
            Some(first) if records.iter().any(|record| record.partition != first) => {
                records.iter().map(|record| record.partition).collect()
            }
            _ => Vec::new(),
        };
        let mut intake = self.shared.lock();
        let ticket = intake.handle_append(records, durability, &mut given)?;
        if let Some(context) = context {
            intake.wait(ticket, context.waker());
        }
        let is_waiting = std::mem::take(&mut intake.is_writer_waiting);
        drop(intake);
        if is_waiting {
            self.shared.arrived.notify_one();
        }
        if others.is_empty() {
            if let (Some(partition), Some(lsn)) = (first, given.last()) {
                self.shared.show_enqueued(partition, *lsn);
            }
        } else {
            for (partition, lsn) in others.into_iter().zip(&given) {
                self.shared.show_enqueued(partition, *lsn);
            }
        }
        Ok((ticket, given))
    }

    /// Ready once the ticket is durable, or never will be.
    fn poll_ticket(&self, ticket: u64, context: &Context<'_>) -> Poll<Result<(), LogError>> {
        if self.shared.is_done(ticket) {
            return Poll::Ready(Ok(()));
        }
        let mut intake = self.shared.lock();
        if self.shared.is_done(ticket) {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = lost(&intake.fate) {
            return Poll::Ready(Err(error));
        }
        intake.wait(ticket, context.waker());
        Poll::Pending
    }
}

/// Why a record that was enqueued will never be durable, as far as this log knows.
fn lost(fate: &Fate) -> Option<LogError> {
    match fate {
        Fate::Open => None,
        Fate::Poisoned(error) => Some(LogError::Interrupted(Arc::clone(error))),
        Fate::Closed => Some(LogError::Closed),
    }
}

impl Drop for EmbeddedLog {
    /// Without [`EmbeddedLog::close`] this is no planned stop: what waits is written, but no clean marker.
    fn drop(&mut self) {
        self.shared.lock().closing = Closing::Abandoned;
        self.shared.arrived.notify_all();
        self.join();
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn room(&self) {
        let mut notified = pin!(self.shared.on_room.notified());
        notified.as_mut().enable();
        if self.shared.lock().has_room() {
            return;
        }
        notified.await;
    }

    async fn append(
        &self,
        records: Vec<Append>,
        durability: Durability,
    ) -> Result<Vec<Lsn>, LogError> {
        if durability == Durability::Lazy || records.is_empty() {
            return Ok(self.enqueue(records, durability, None)?.1);
        }
        let mut records = Some(records);
        let mut queued = None;
        std::future::poll_fn(|context| {
            if let Some(records) = records.take() {
                // The waker is left under the lock that gives the place: no second lock per append.
                match self.enqueue(records, durability, Some(context)) {
                    Ok((ticket, given)) => queued = Some((ticket, given)),
                    Err(error) => return Poll::Ready(Err(error)),
                }
                return Poll::Pending;
            }
            let Some((ticket, _)) = &queued else { return Poll::Pending };
            self.poll_ticket(*ticket, context)
        })
        .await?;
        Ok(queued.map(|(_, given)| given).unwrap_or_default())
    }

    async fn read(
        &self,
        partition: PartitionId,
        after: Lsn,
        reach: Reach,
        bytes_max: usize,
    ) -> Result<Vec<Record>, LogError> {
        let shown = self.shared.shown(partition).ok_or_else(|| unknown(partition))?;
        let end = shown.last(reach);
        let start = {
            let intake = self.shared.lock();
            if matches!(intake.fate, Fate::Closed) {
                return Err(LogError::Closed);
            }
            let part = intake.part(partition)?;
            if after < part.removed {
                return Err(LogError::Trimmed { first: part.removed.next() });
            }
            if after >= end {
                return if part.is_damaged {
                    Err(LogError::Damaged(partition))
                } else {
                    Ok(Vec::new())
                };
            }
            if let Some(records) = part.read_tail(after, end, bytes_max) {
                return Ok(records);
            }
            part.position_after(after)
        };
        let reader = Reader { shared: Arc::clone(&self.shared), partition, after, end, bytes_max };
        let read = move || reader.read(start);
        blocking(read).await.map_err(|_| LogError::Unreadable("the read panicked".to_owned()))?
    }

    async fn notified(&self, partition: PartitionId, after: Lsn, reach: Reach) {
        let Some(shown) = self.shared.shown(partition) else { return };
        let mut notified = pin!(shown.notify(reach).notified());
        notified.as_mut().enable();
        // A poisoned log still answers reads, so who follows it waits: an end at once would make him spin.
        if shown.last(reach) > after || matches!(self.shared.lock().fate, Fate::Closed) {
            return;
        }
        notified.await;
    }

    fn last(&self, partition: PartitionId, reach: Reach) -> Lsn {
        self.shared.shown(partition).map_or(Lsn::ZERO, |shown| shown.last(reach))
    }

    async fn committed(&self, partition: PartitionId, lsn: Lsn) -> Result<(), LogError> {
        let shown = self.shared.shown(partition).ok_or_else(|| unknown(partition))?;
        loop {
            let mut notified = pin!(shown.on_committed.notified());
            notified.as_mut().enable();
            if shown.last(Reach::Committed) >= lsn {
                return Ok(());
            }
            if let Some(error) = lost(&self.shared.lock().fate) {
                return Err(error);
            }
            notified.await;
        }
    }

    /// Removes whole segments, oldest first, once every record in them may go.
    fn trim(&self, through: &[(PartitionId, Lsn)]) {
        let mut asked = vec![Lsn::ZERO; PARTITIONS_MAX];
        {
            let mut intake = self.shared.lock();
            for (partition, lsn) in through {
                if let Some(part) = intake.part_mut(partition.0 as usize) {
                    part.trim_asked = part.trim_asked.max(*lsn);
                }
            }
            for (index, asked) in asked.iter_mut().enumerate() {
                *asked = intake.part_mut(index).map_or(Lsn::ZERO, |part| part.trim_asked);
            }
        }
        let partition_of = |raw: u16| usize::from(raw & !DAMAGED_BIT);
        let freed = self.shared.ring.release(|closed: &Closed| {
            closed.entries.iter().filter(|entry| entry.offset != 0).all(|entry| {
                asked
                    .get(partition_of(entry.partition))
                    .is_some_and(|asked| *asked >= Lsn(entry.last))
            })
        });
        let mut intake = self.shared.lock();
        for segment in freed {
            let end = self.shared.ring.geometry.position(segment.use_number + 1, 0);
            let entries = segment.closed.get().map(|closed| closed.entries.as_slice());
            for entry in entries.unwrap_or_default().iter().filter(|entry| entry.offset != 0) {
                if let Some(part) = intake.part_mut(partition_of(entry.partition)) {
                    part.remove_before(end, Lsn(entry.last));
                }
            }
        }
    }

    fn was_unclean(&self) -> bool {
        self.was_unclean
    }
}
