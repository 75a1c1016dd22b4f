//! The way into sync: attaches, acks, questions, and who waits for which record.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tenon_base::{DeviceId, Lsn, Map, OrgId, PartitionId, Pts, QueueEpoch, UserId};
use tenon_core::handover::{
    Attach, Attached, Handover, LinkKey, RecentEvents, Reply, UserAnswer, UserOutcome,
    UserQuestion, Users,
};
use tenon_ports::Log;
use tenon_store::Store;
use tokio::sync::{mpsc, watch};

use crate::run_loop::PartitionLoop;
use crate::{Metrics, Options, SyncError};

/// What comes into a partition beside its log.
#[derive(Debug)]
pub(crate) enum Inbound {
    Attach(Attach, Reply<Attached>),
    Ack { key: LinkKey, queue_epoch: QueueEpoch, pts: Pts, window_bytes: Option<u32> },
    Subscribe { key: LinkKey, queue_epoch: QueueEpoch, pts: Pts },
    Detach(LinkKey),
    Ask { org: OrgId, user: UserId, question: UserQuestion, reply: Reply<UserAnswer> },
    Revoke { org: OrgId, user: UserId, device: Option<DeviceId> },
}

/// Who waits for the outcomes of a record of this process.
pub(crate) type Pending = Mutex<Map<u64, Vec<Reply<UserOutcome>>>>;

/// Cheap to clone; hides the channels.
#[derive(Debug, Clone)]
pub struct SyncHandle {
    options: Options,
    partitions: Arc<Vec<(mpsc::Sender<Inbound>, Arc<Pending>)>>,
    metrics: Metrics,
}

/// Sync before it runs.
#[derive(Debug)]
pub struct Service {
    options: Options,
    metrics: Metrics,
    inboxes: Vec<(mpsc::Receiver<Inbound>, Arc<Pending>)>,
}

/// A loop that runs until the stop signal, or an error.
pub type Running = Pin<Box<dyn Future<Output = Result<(), SyncError>> + Send>>;

/// What the loops need from outside.
#[derive(Clone)]
pub struct Doors {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store.
    pub store: Store,
    /// Contents of recent events.
    pub recent: Arc<dyn RecentEvents>,
    /// Turns true when the loops should end.
    pub stop: watch::Receiver<bool>,
}

/// Partitions that are replayed and ready to run.
pub struct Recovered {
    /// Per (source, destination): the last fan-out that took effect.
    pub resume: BTreeMap<(PartitionId, PartitionId), (Lsn, u32)>,
    loops: Vec<(PartitionLoop, mpsc::Receiver<Inbound>)>,
}

impl Service {
    /// Sync for all user partitions of the layout.
    pub fn new(options: Options, metrics: Metrics) -> (Self, SyncHandle) {
        let mut inboxes = Vec::new();
        let mut partitions = Vec::new();
        for _ in options.layout.user_partitions() {
            let (sender, receiver) = mpsc::channel(options.inbox_max);
            let pending = Arc::new(Pending::default());
            inboxes.push((receiver, Arc::clone(&pending)));
            partitions.push((sender, pending));
        }
        let handle = SyncHandle {
            options: options.clone(),
            partitions: Arc::new(partitions),
            metrics: metrics.clone(),
        };
        (Self { options, metrics, inboxes }, handle)
    }

    /// Recovers all partitions from store and log; after an unclean stop their queues enter a new epoch.
    ///
    /// # Errors
    /// When a partition cannot be recovered.
    pub async fn recover(self, doors: Doors) -> Result<Recovered, SyncError> {
        let mut recovered = Recovered { resume: BTreeMap::new(), loops: Vec::new() };
        for (partition, (inbox, pending)) in self.options.layout.user_partitions().zip(self.inboxes)
        {
            let mut running = PartitionLoop::new(
                partition,
                self.options.clone(),
                doors.clone(),
                pending,
                self.metrics.clone(),
            )?;
            running.recover().await?;
            for (source, at) in running.sources() {
                recovered.resume.insert((*source, partition), *at);
            }
            recovered.loops.push((running, inbox));
        }
        Ok(recovered)
    }
}

impl Recovered {
    /// One loop per partition.
    pub fn run(self) -> Vec<Running> {
        self.loops
            .into_iter()
            .map(|(running, inbox)| Box::pin(running.run(inbox)) as Running)
            .collect()
    }
}

impl SyncHandle {
    fn partition(&self, user: UserId) -> Option<&(mpsc::Sender<Inbound>, Arc<Pending>)> {
        self.by_id(self.options.layout.user(user))
    }

    fn by_id(&self, partition: PartitionId) -> Option<&(mpsc::Sender<Inbound>, Arc<Pending>)> {
        let first = PartitionId::user(0).0;
        let index = partition.0.checked_sub(first)?;
        self.partitions.get(usize::try_from(index).ok()?)
    }

    fn hand(&self, user: UserId, inbound: Inbound) -> Handover {
        let sent = self.partition(user).is_some_and(|(sender, _)| sender.try_send(inbound).is_ok());
        if sent {
            return Handover::Accepted;
        }
        self.metrics.refused.inc();
        Handover::Full
    }

    /// For hand-overs whose loss is repaired elsewhere: an ack by the next ack, a detach by the next attach.
    fn hand_lossy(&self, user: UserId, inbound: Inbound) {
        if self.hand(user, inbound) == Handover::Full {
            tracing::debug!(user = user.0, "a hand-over to a full partition was dropped");
        }
    }
}

impl Users for SyncHandle {
    fn expect(&self, partition: PartitionId, producer_seq: u64, replies: Vec<Reply<UserOutcome>>) {
        if let Some((_, pending)) = self.by_id(partition) {
            pending.lock().unwrap_or_else(PoisonError::into_inner).insert(producer_seq, replies);
        }
    }

    fn forget(&self, partition: PartitionId, producer_seq: u64) -> Vec<Reply<UserOutcome>> {
        self.by_id(partition)
            .and_then(|(_, pending)| {
                pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&producer_seq)
            })
            .unwrap_or_default()
    }

    fn attach(&self, attach: Attach, reply: Reply<Attached>) -> Handover {
        self.hand(attach.key.user, Inbound::Attach(attach, reply))
    }

    fn ack(&self, key: LinkKey, queue_epoch: QueueEpoch, pts: Pts, window_bytes: Option<u32>) {
        self.hand_lossy(key.user, Inbound::Ack { key, queue_epoch, pts, window_bytes });
    }

    fn subscribe(&self, key: LinkKey, queue_epoch: QueueEpoch, pts: Pts) {
        self.hand_lossy(key.user, Inbound::Subscribe { key, queue_epoch, pts });
    }

    fn detach(&self, key: LinkKey) {
        self.hand_lossy(key.user, Inbound::Detach(key));
    }

    fn ask(
        &self,
        org: OrgId,
        user: UserId,
        question: UserQuestion,
        reply: Reply<UserAnswer>,
    ) -> Handover {
        self.hand(user, Inbound::Ask { org, user, question, reply })
    }

    fn revoke(&self, org: OrgId, user: UserId, device: Option<DeviceId>) -> Handover {
        self.hand(user, Inbound::Revoke { org, user, device })
    }
}
