//! Wiring: the handle that gateways and administration hold, and the loops behind it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tenon_base::{Clock, PartitionId, Random};
use tenon_core::conversation::Outcome;
use tenon_core::handover::{Conversations, Reply, UserOutcome, Users};
use tenon_core::{Command, UserCommand};
use tenon_ports::Log;
use tenon_store::Store;
use tokio::sync::{Mutex, mpsc, watch};

use crate::batcher::{self, Job};
use crate::code;
use crate::identity::keys::Keys;
use crate::identity::{Identity, IdentityLoop, LoginWorker};
use crate::ids::MessageIds;
use crate::limits::Limits;
use crate::live::Live;
use crate::supervision::Tally;
use crate::turns::Turns;
use crate::{Metrics, Options, ReceiverError};

/// What the receiver needs from outside.
#[derive(Clone)]
pub struct Doors {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store.
    pub store: Store,
    /// Conversation partitions.
    pub conversations: Arc<dyn Conversations>,
    /// User partitions.
    pub users: Arc<dyn Users>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness of the operating system.
    pub random: Arc<dyn Random>,
    /// Turns true when the loops should end.
    pub stop: watch::Receiver<bool>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A loop of the receiver.
pub type Running = Pin<Box<dyn Future<Output = Result<(), ReceiverError>> + Send>>;

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) doors: Doors,
    pub(crate) metrics: Metrics,
    pub(crate) identity: Identity,
    pub(crate) ids: MessageIds,
    pub(crate) limits: Limits,
    pub(crate) turns: Turns,
    pub(crate) live: Arc<Live>,
    pub(crate) tally: Tally,
    conversations: Vec<mpsc::Sender<Job<Command, Outcome>>>,
    users: Vec<mpsc::Sender<Job<UserCommand, UserOutcome>>>,
    work: mpsc::Sender<Work>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct ReceiverHandle {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for ReceiverHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReceiverHandle")
    }
}

/// The receiver before it runs.
pub struct Service {
    shared: Arc<Shared>,
    conversations: Vec<mpsc::Receiver<Job<Command, Outcome>>>,
    users: Vec<mpsc::Receiver<Job<UserCommand, UserOutcome>>>,
    work: mpsc::Receiver<Work>,
    identity: IdentityLoop,
    logins: LoginWorker,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

/// The loops, by where they run.
pub struct Parts {
    /// Wait for the log and for channels only: the main runtime.
    pub loops: Vec<Running>,
    /// May block on the disk for some blocks: a runtime of its own.
    pub readers: Vec<Running>,
    /// Hashes passwords: a thread of its own; [`LoginWorker::run`] blocks until the handle is dropped.
    pub logins: LoginWorker,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("loops", &self.loops.len()).finish_non_exhaustive()
    }
}

impl ReceiverHandle {
    /// Puts rotated keys in force, after they were kept.
    pub fn set_keys(&self, keys: Keys) {
        self.shared.identity.set_keys(keys);
    }

    /// The live figures; feed them once a second with [`Live::tick`].
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.shared.live)
    }
}

impl Service {
    /// Loads who exists, replays the identity log, and makes the organisation if it is not there.
    ///
    /// # Errors
    /// When the identity partition cannot be recovered.
    pub async fn recover(
        options: Options,
        doors: Doors,
        keys: Keys,
        metrics: Metrics,
    ) -> Result<(Self, ReceiverHandle), ReceiverError> {
        let (identity, identity_loop, logins) =
            Identity::recover(&options, &doors, keys, &metrics).await?;
        let channel = || mpsc::channel(options.queue_max.max(1));
        let (conversation_senders, conversations) =
            options.layout.conversation_partitions().map(|_| channel()).unzip();
        let user_channel = || mpsc::channel(options.queue_max.max(1));
        let (user_senders, users) =
            options.layout.user_partitions().map(|_| user_channel()).unzip();
        let (work_sender, work) = mpsc::channel(options.reads_max.max(1));
        let shared = Arc::new(Shared {
            ids: MessageIds::new(doors.random.next_u64()),
            limits: Limits::new(options.rates),
            turns: Turns::default(),
            live: Arc::new(Live::new(doors.clock.monotonic())),
            tally: Tally::default(),
            identity,
            metrics,
            conversations: conversation_senders,
            users: user_senders,
            work: work_sender,
            options,
            doors,
        });
        let handle = ReceiverHandle { shared: Arc::clone(&shared) };
        let service = Self { shared, conversations, users, work, identity: identity_loop, logins };
        Ok((service, handle))
    }

    /// The loops.
    pub fn run(self) -> Parts {
        let mut loops: Vec<Running> = Vec::new();
        let layout = self.shared.options.layout;
        let stop = self.shared.doors.stop.clone();
        for (partition, jobs) in layout.conversation_partitions().zip(self.conversations) {
            loops.push(appender(Arc::clone(&self.shared), partition, jobs, stop.clone()));
        }
        for (partition, jobs) in layout.user_partitions().zip(self.users) {
            loops.push(appender(Arc::clone(&self.shared), partition, jobs, stop.clone()));
        }
        loops.push(Box::pin(self.identity.run(stop.clone())));
        let work = Arc::new(Mutex::new(self.work));
        let readers = (0..self.shared.options.readers.max(1))
            .map(|_| Box::pin(reader(Arc::clone(&work), stop.clone())) as Running)
            .collect();
        Parts { loops, readers, logins: self.logins }
    }
}

fn appender<C: batcher::Lane + Sync>(
    shared: Arc<Shared>,
    partition: PartitionId,
    jobs: mpsc::Receiver<Job<C, C::Outcome>>,
    stop: watch::Receiver<bool>,
) -> Running {
    Box::pin(async move {
        batcher::run(shared, partition, jobs, stop).await;
        Ok(())
    })
}

/// Takes one piece of work after the other until the handles are gone.
async fn reader(
    work: Arc<Mutex<mpsc::Receiver<Work>>>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ReceiverError> {
    loop {
        let next = async { work.lock().await.recv().await };
        let job = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            job = next => job,
        };
        let Some(job) = job else { return Ok(()) };
        job.await;
    }
}

impl Shared {
    /// Hands a command to its partition's appender; a full queue answers at once.
    pub(crate) fn submit(&self, command: Command, reply: Reply<Outcome>) {
        let index = self.options.layout.conversation(command.conv).0;
        let queue = usize::try_from(index).ok().and_then(|i| self.conversations.get(i));
        hand(queue, Job { command, reply }, &self.metrics);
    }

    /// The same for a user command.
    pub(crate) fn submit_user(&self, command: UserCommand, reply: Reply<UserOutcome>) {
        let partition = self.options.layout.user(command.author.user);
        let index = partition.0 - PartitionId::user(0).0;
        let queue = usize::try_from(index).ok().and_then(|i| self.users.get(i));
        hand(queue, Job { command, reply }, &self.metrics);
    }

    /// Runs `future` on a reader and sends its value; `busy` at once when too much waits.
    pub(crate) fn work<T: Send + 'static>(
        &self,
        reply: Reply<T>,
        busy: impl FnOnce(u32) -> T,
        future: impl Future<Output = T> + Send + 'static,
    ) {
        match self.work.try_reserve() {
            Ok(permit) => permit.send(Box::pin(async move { reply.send(future.await) })),
            Err(_) => {
                self.metrics.refused.with_label_values(&["busy"]).inc();
                reply.send(busy(code::BUSY));
            }
        }
    }
}

fn hand<C: batcher::Lane>(
    queue: Option<&mpsc::Sender<Job<C, C::Outcome>>>,
    job: Job<C, C::Outcome>,
    metrics: &Metrics,
) {
    let Some(queue) = queue else { return };
    if let Err(error) = queue.try_send(job) {
        let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) = error;
        metrics.refused.with_label_values(&["queue_full"]).inc();
        job.reply.send(C::retry(code::OVERLOAD, crate::ask::FULL_AFTER_MS));
    }
}
