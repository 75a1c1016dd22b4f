//! What the door and the driver share.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tenon_base::{Lsn, PartitionId};
use tenon_ports::Reach;
use tokio::sync::Notify;

use super::intake::{Fate, Intake};
use super::ring::Ring;
use super::segment::PARTITIONS_MAX;
use super::writer::Placed;

/// What may be seen of one partition, readable without a lock.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    committed: AtomicU64,
    enqueued: AtomicU64,
    pub(crate) on_committed: Notify,
    pub(crate) on_enqueued: Notify,
}

pub(crate) struct Shared {
    intake: Mutex<Intake>,
    /// Tells the writer that something waits.
    pub(crate) arrived: Condvar,
    /// Tells refused callers that there is room again.
    pub(crate) on_room: Notify,
    shown: Vec<Shown>,
    /// The one committed position that appends watch: tickets up to it are durable.
    tickets_done: AtomicU64,
    pub(crate) ring: Ring,
}

impl Shared {
    pub(crate) fn new(intake: Intake, ring: Ring) -> Self {
        let mut shown = Vec::new();
        shown.resize_with(PARTITIONS_MAX, Shown::default);
        Self {
            intake: Mutex::new(intake),
            arrived: Condvar::new(),
            on_room: Notify::new(),
            shown,
            tickets_done: AtomicU64::new(0),
            ring,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shown(&self, partition: PartitionId) -> Option<&Shown> {
        self.shown.get(partition.0 as usize)
    }

    pub(crate) fn is_done(&self, ticket: u64) -> bool {
        self.tickets_done.load(Ordering::Acquire) >= ticket
    }

    /// Shows what recovery found: all of it is durable.
    pub(crate) fn show_recovered(&self) {
        let intake = self.lock();
        for (index, shown) in self.shown.iter().enumerate() {
            let partition = PartitionId(u32::try_from(index).unwrap_or(u32::MAX));
            let last = intake.part(partition).map_or(Lsn::ZERO, |part| part.last);
            shown.committed.store(last.0, Ordering::Release);
            shown.enqueued.store(last.0, Ordering::Release);
        }
    }

    /// Shows readers of enqueued records what was given.
    pub(crate) fn show_enqueued(&self, partition: PartitionId, lsn: Lsn) {
        if let Some(shown) = self.shown(partition) {
            shown.enqueued.fetch_max(lsn.0, Ordering::AcqRel);
            shown.on_enqueued.notify_waiters();
        }
    }

    /// Moves the committed position over one written group and wakes who waits for it.
    pub(crate) fn handle_committed(&self, placed: &[Placed], woken: &mut Vec<Waker>) {
        let ticket = self.tickets_done.load(Ordering::Relaxed) + placed.len() as u64;
        for record in placed {
            if let Some(shown) = self.shown.get(record.partition as usize) {
                shown.committed.store(record.lsn.0, Ordering::Release);
            }
        }
        self.tickets_done.store(ticket, Ordering::Release);
        self.lock().handle_committed(placed, ticket, woken);
        self.on_room.notify_waiters();
        let mut last = u32::MAX;
        for record in placed {
            // Records of one partition mostly come in runs; waking nobody twice is harmless.
            if record.partition != last {
                last = record.partition;
                if let Some(shown) = self.shown.get(record.partition as usize) {
                    shown.on_committed.notify_waiters();
                }
            }
        }
        woken.drain(..).for_each(Waker::wake);
    }

    /// Ends the log: nobody waits on.
    pub(crate) fn handle_ended(&self, fate: Fate) {
        let mut woken = Vec::new();
        self.lock().handle_ended(fate, &mut woken);
        woken.into_iter().for_each(Waker::wake);
        for shown in &self.shown {
            shown.on_committed.notify_waiters();
            shown.on_enqueued.notify_waiters();
        }
        self.arrived.notify_all();
        self.on_room.notify_waiters();
        self.ring.stop();
    }

    /// The first failure poisons the log (L1).
    pub(crate) fn poison(&self, error: io::Error) {
        tracing::error!(%error, "log write failed; the log takes no more appends");
        self.handle_ended(Fate::Poisoned(Arc::new(error)));
    }
}

impl Shown {
    pub(crate) fn last(&self, reach: Reach) -> Lsn {
        Lsn(match reach {
            Reach::Committed => self.committed.load(Ordering::Acquire),
            Reach::Enqueued => self.enqueued.load(Ordering::Acquire),
        })
    }

    pub(crate) const fn notify(&self, reach: Reach) -> &Notify {
        match reach {
            Reach::Committed => &self.on_committed,
            Reach::Enqueued => &self.on_enqueued,
        }
    }
}
