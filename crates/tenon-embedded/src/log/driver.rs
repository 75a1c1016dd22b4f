//! The one thread that writes, and the one that prepares segments.

use std::io;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::intake::{Closing, Fate, Queued, Taken};
use super::ring::{Closed, Prepared, Segment};
use super::shared::Shared;
use super::writer::Writer;
use crate::disk::Access;

/// Without news the preparing thread looks again after this long (freed space is not announced).
const PREPARE_PAUSE: Duration = Duration::from_millis(500);

/// Drives the writer machine over the disk.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    writer: Writer,
    current: Arc<Segment>,
    batch: Vec<Queued>,
    woken: Vec<Waker>,
    is_ended: bool,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A write was done.
    Wrote,
    /// Nothing waits.
    Idle,
    /// The segment is full and no other is prepared.
    Blocked,
    /// The log has ended.
    Ended,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, writer: Writer, current: Arc<Segment>) -> Self {
        shared.lock().segment_left = writer.room();
        Self { shared, writer, current, batch: Vec::new(), woken: Vec::new(), is_ended: false }
    }

    /// True if a step would find something to write.
    fn has_work(&self) -> bool {
        !self.is_ended && self.shared.lock().has_queue()
    }

    /// Writes one group of what waits, or leaves a full segment.
    pub(crate) fn step(&mut self) -> Step {
        if self.is_ended {
            return Step::Ended;
        }
        let room = self.writer.room();
        let taken = {
            let mut intake = self.shared.lock();
            let taken = intake.take_batch(room, &mut self.batch);
            if taken == Taken::Batch {
                let bytes: usize = self.batch.iter().map(Queued::bytes).sum();
                intake.segment_left =
                    room - bytes.next_multiple_of(crate::disk::BLOCK_BYTES).min(room);
            }
            taken
        };
        match taken {
            Taken::Nothing => Step::Idle,
            Taken::NoRoom => self.leave_segment(),
            Taken::Batch => {
                self.writer.handle_batch(&self.batch);
                self.write()
            }
        }
    }

    /// Does the write that the machine asks for. The first error poisons the log; it is never tried again.
    pub(crate) fn write(&mut self) -> Step {
        let Some(write) = self.writer.poll_write() else { return Step::Idle };
        let file = self.current.slot.file.as_ref();
        let is_buffered = self.shared.ring.access == Access::Buffered;
        let done = file
            .write_at(write.bytes, write.offset)
            .and_then(|()| {
                if !write.sync || !is_buffered || tenon_base::planted!("ack-before-sync") {
                    return Ok(());
                }
                let synced = file.sync();
                if tenon_base::planted!("sync-retried") {
                    synced.or_else(|_| file.sync())
                } else {
                    synced
                }
            })
            .or_else(|e| if tenon_base::planted!("write-error-ignored") { Ok(()) } else { Err(e) });
        match done {
            Ok(()) => {
                let placed = self.writer.handle_written();
                if !placed.is_empty() {
                    self.shared.handle_committed(placed, &mut self.woken);
                }
                Step::Wrote
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: io::Error) -> Step {
        self.writer.handle_failed();
        self.is_ended = true;
        self.shared.poison(error);
        Step::Ended
    }

    /// Footer of this segment, then on to a prepared one.
    fn leave_segment(&mut self) -> Step {
        let Some(next) = self.shared.ring.take_prepared() else { return Step::Blocked };
        // A footer proves all before it, so it may not reach the disk before an idle marker does.
        let is_buffered = self.shared.ring.access == Access::Buffered;
        if is_buffered
            && self.writer.has_unsynced()
            && let Err(error) = self.current.slot.file.sync()
        {
            return self.fail(error);
        }
        let footer = self.writer.footer();
        self.writer.handle_segment_end();
        if self.write() == Step::Ended {
            return Step::Ended;
        }
        let _first = self.current.closed.set(Closed {
            end: footer.end as usize,
            checksum: footer.checksum,
            entries: footer.entries,
        });
        self.writer.handle_segment_start();
        self.current = next;
        self.shared.lock().segment_left = self.writer.room();
        Step::Wrote
    }

    /// Proves the last group after a quiet while (L7). Durable in direct mode, written only in buffered mode.
    pub(crate) fn mark_idle(&mut self) -> Step {
        if self.writer.is_proven() || self.is_ended || self.writer.room() == 0 {
            return Step::Idle;
        }
        self.mark(false, self.shared.ring.access == Access::Direct)
    }

    /// Writes a marker that is durable.
    pub(crate) fn mark_synced(&mut self, is_clean: bool) -> Step {
        if self.is_ended {
            return Step::Ended;
        }
        if self.writer.room() == 0 {
            match self.leave_segment() {
                Step::Wrote => {}
                other => return other,
            }
        }
        self.mark(is_clean, true)
    }

    fn mark(&mut self, is_clean: bool, sync: bool) -> Step {
        self.writer.handle_marker(is_clean, sync);
        let step = self.write();
        self.shared.lock().segment_left = self.writer.room();
        step
    }

    /// Prepares a segment here, where there is no preparing thread. For tests that count every disk operation.
    pub(crate) fn prepare_here(&mut self) {
        prepare(&self.shared);
    }

    /// The writer's thread: runs until the log ends.
    pub(crate) fn run(mut self, idle: Duration) {
        loop {
            match self.step() {
                Step::Wrote => {}
                Step::Ended => return,
                Step::Blocked => {
                    self.shared.ring.wait_for_prepared(PREPARE_PAUSE);
                    if self.shared.lock().closing != Closing::No && self.step() == Step::Blocked {
                        self.end();
                        return;
                    }
                }
                Step::Idle => {
                    match self.wait(idle) {
                        Closing::No => continue,
                        Closing::Planned => self.close(),
                        Closing::Abandoned => self.end(),
                    }
                    return;
                }
            }
        }
    }

    /// Waits for news; after a quiet while writes the idle marker.
    fn wait(&mut self, idle: Duration) -> Closing {
        let shared = Arc::clone(&self.shared);
        let mut intake = shared.lock();
        if intake.has_queue() {
            return Closing::No;
        }
        if intake.closing != Closing::No {
            return intake.closing;
        }
        intake.is_writer_waiting = true;
        let is_late = if self.writer.is_proven() {
            intake = shared.arrived.wait(intake).unwrap_or_else(PoisonError::into_inner);
            false
        } else {
            let waited = shared.arrived.wait_timeout(intake, idle);
            let (back, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            intake = back;
            timeout.timed_out()
        };
        intake.is_writer_waiting = false;
        let is_quiet = is_late && !intake.has_queue() && intake.closing == Closing::No;
        drop(intake);
        if is_quiet {
            self.mark_idle();
        }
        Closing::No
    }

    /// The planned end: a clean marker says that nothing is missing behind it.
    pub(crate) fn close(&mut self) {
        self.mark_synced(true);
        self.end();
    }

    /// Ends without a marker.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.is_ended, true) {
            self.shared.handle_ended(Fate::Closed);
        }
    }
}

/// The writer of a log without threads ([`EmbeddedLog::open_stepped`](super::EmbeddedLog::open_stepped)): the caller says
/// when it works.
pub struct LogStepper {
    driver: Driver,
}

impl LogStepper {
    pub(crate) const fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// True if records wait for a [`step`](Self::step).
    pub fn has_work(&self) -> bool {
        self.driver.has_work()
    }

    /// Writes one group, or leaves a full segment and prepares the next. True if anything was written.
    pub fn step(&mut self) -> bool {
        match self.driver.step() {
            Step::Blocked => {
                self.driver.prepare_here();
                self.driver.step() == Step::Wrote
            }
            step => step == Step::Wrote,
        }
    }

    /// Keeps one more segment ready.
    pub fn prepare(&mut self) {
        self.driver.prepare_here();
    }

    /// A quiet while has passed: a marker proves the last group (L7).
    pub fn mark_idle(&mut self) {
        self.driver.mark_idle();
    }

    /// The planned end: writes what waits and a clean marker. Later calls on the log end
    /// [`LogError::Closed`](tenon_ports::LogError::Closed).
    pub fn close(&mut self) {
        while self.has_work() && self.step() {}
        self.driver.close();
    }

    /// True once a write or sync has failed: the log takes nothing more until it is opened again (L1, L2).
    pub fn is_poisoned(&self) -> bool {
        matches!(self.driver.shared.lock().fate, Fate::Poisoned(_))
    }

    /// True if nothing failed before the end.
    pub fn is_closed_cleanly(&self) -> bool {
        matches!(self.driver.shared.lock().fate, Fate::Closed)
    }
}

impl std::fmt::Debug for LogStepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStepper").finish_non_exhaustive()
    }
}

/// Prepares one segment and tells the intake whether the disk is full. True if another may be wanted at once.
fn prepare(shared: &Shared) -> bool {
    let done = shared.ring.prepare_one();
    let (is_disk_full, is_more_wanted) = match done {
        Ok(Prepared::One) => (false, true),
        Ok(Prepared::Enough) => (false, false),
        Ok(Prepared::DiskFull) => (true, false),
        Err(error) => {
            tracing::error!(%error, "a log segment could not be prepared");
            (true, false)
        }
    };
    let was_disk_full = std::mem::replace(&mut shared.lock().is_disk_full, is_disk_full);
    if is_disk_full && !was_disk_full {
        tracing::error!(
            "disk full: the log reached its reserve; appends are refused until there is space"
        );
    } else if was_disk_full && !is_disk_full {
        tracing::info!("the log has space again");
        shared.on_room.notify_waiters();
    }
    is_more_wanted
}

/// The preparing thread: keeps prepared segments ready and gives surplus ones back.
pub(crate) fn run_preparing(shared: &Shared) {
    while !shared.ring.is_stopping() {
        if !prepare(shared) {
            if let Err(error) = shared.ring.shrink() {
                tracing::warn!(%error, "a surplus log segment could not be removed");
            }
            shared.ring.wait_for_change(PREPARE_PAUSE);
        }
    }
}
