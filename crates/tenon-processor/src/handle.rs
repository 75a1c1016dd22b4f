//! The way into the processor: questions, and who waits for which record.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tenon_base::{ConversationId, Lsn, Map, OrgId, PartitionId, Rev};
use tenon_core::Event;
use tenon_core::conversation::Outcome;
use tenon_core::handover::{
    ConversationAnswer, ConversationQuestion, Conversations, Handover, Multicast, RecentEvents,
    Reply,
};
use tenon_ports::Log;
use tenon_store::Store;
use tokio::sync::{mpsc, watch};

use crate::recent::Recent;
use crate::run_loop::PartitionLoop;
use crate::{Metrics, Options, ProcessorError};

/// A question on its way to a partition.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) org: OrgId,
    pub(crate) conv: ConversationId,
    pub(crate) question: ConversationQuestion,
    pub(crate) reply: Reply<ConversationAnswer>,
}

/// What a partition's loop shares with the handle.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Who waits for the outcomes of a record of this process. Guards nothing else; held for a map operation.
    pub(crate) pending: Mutex<Map<u64, Vec<Reply<Outcome>>>>,
    /// Recent events. Held for one look-up or one batch of inserts.
    pub(crate) recent: Mutex<Recent>,
}

/// Cheap to clone; hides the channels.
#[derive(Debug, Clone)]
pub struct ProcessorHandle {
    options: Options,
    partitions: Arc<Vec<(mpsc::Sender<Asked>, Arc<Shared>)>>,
    metrics: Metrics,
}

/// The processor before it runs.
#[derive(Debug)]
pub struct Service {
    options: Options,
    metrics: Metrics,
    inboxes: Vec<(mpsc::Receiver<Asked>, Arc<Shared>)>,
}

/// A loop that runs until the stop signal, or an error.
pub type Running = Pin<Box<dyn Future<Output = Result<(), ProcessorError>> + Send>>;

/// What the loops need from outside.
#[derive(Clone)]
pub struct Doors {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store.
    pub store: Store,
    /// Where tips of pull-mode conversations go.
    pub multicast: Arc<dyn Multicast>,
    /// Turns true when the loops should end.
    pub stop: watch::Receiver<bool>,
}

impl Service {
    /// A processor for all conversation partitions of the layout.
    pub fn new(options: Options, metrics: Metrics) -> (Self, ProcessorHandle) {
        let mut inboxes = Vec::new();
        let mut partitions = Vec::new();
        for _ in options.layout.conversation_partitions() {
            let (sender, receiver) = mpsc::channel(options.questions_max);
            let shared = Arc::new(Shared {
                pending: Mutex::new(Map::default()),
                recent: Mutex::new(Recent::new(options.recent_bytes_max.as_usize())),
            });
            inboxes.push((receiver, Arc::clone(&shared)));
            partitions.push((sender, shared));
        }
        let handle = ProcessorHandle {
            options: options.clone(),
            partitions: Arc::new(partitions),
            metrics: metrics.clone(),
        };
        (Self { options, metrics, inboxes }, handle)
    }

    /// Recovers all partitions from store and log, then gives one loop for each.
    ///
    /// `resume` holds, per (source, destination), what the destination has applied: the user partitions recover first.
    ///
    /// # Errors
    /// When a partition cannot be recovered.
    pub async fn recover(
        self,
        doors: Doors,
        resume: &BTreeMap<(PartitionId, PartitionId), (Lsn, u32)>,
    ) -> Result<Vec<Running>, ProcessorError> {
        let mut loops: Vec<Running> = Vec::new();
        let partitions = self.options.layout.conversation_partitions();
        for (partition, (inbox, shared)) in partitions.zip(self.inboxes) {
            let mine = resume
                .iter()
                .filter(|((source, _), _)| *source == partition)
                .map(|((_, target), at)| (*target, *at))
                .collect();
            let mut running = PartitionLoop::new(
                partition,
                self.options.clone(),
                doors.clone(),
                shared,
                self.metrics.clone(),
                mine,
            );
            running.recover().await?;
            loops.push(Box::pin(running.run(inbox)));
        }
        Ok(loops)
    }
}

impl ProcessorHandle {
    fn shared(&self, partition: PartitionId) -> Option<&Arc<Shared>> {
        self.partitions.get(Options::index(partition)).map(|(_, shared)| shared)
    }
}

impl Conversations for ProcessorHandle {
    fn expect(&self, partition: PartitionId, producer_seq: u64, replies: Vec<Reply<Outcome>>) {
        if let Some(shared) = self.shared(partition) {
            let mut pending = shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.insert(producer_seq, replies);
        }
    }

    fn forget(&self, partition: PartitionId, producer_seq: u64) -> Vec<Reply<Outcome>> {
        self.shared(partition)
            .and_then(|shared| {
                let mut pending = shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
                pending.remove(&producer_seq)
            })
            .unwrap_or_default()
    }

    fn ask(
        &self,
        org: OrgId,
        conv: ConversationId,
        question: ConversationQuestion,
        reply: Reply<ConversationAnswer>,
    ) -> Handover {
        let partition = self.options.layout.conversation(conv);
        let Some((sender, _)) = self.partitions.get(Options::index(partition)) else {
            return Handover::Full;
        };
        match sender.try_send(Asked { org, conv, question, reply }) {
            Ok(()) => Handover::Accepted,
            Err(_) => {
                self.metrics.questions_refused.inc();
                Handover::Full
            }
        }
    }
}

impl RecentEvents for ProcessorHandle {
    fn recent(&self, conv: ConversationId, rev: Rev) -> Option<Arc<Event>> {
        let partition = self.options.layout.conversation(conv);
        let shared = self.shared(partition)?;
        shared.recent.lock().unwrap_or_else(PoisonError::into_inner).event(conv, rev)
    }
}
