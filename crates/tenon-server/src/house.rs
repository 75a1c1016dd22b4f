//! The rooms of one process: opened in order over one data directory, stopped in the reverse one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, Registry};
use tenon_base::{Clock, OrgId, Random};
use tenon_client::driver::{SystemClock, SystemRandom};
use tenon_core::Layout;
use tenon_core::handover::{Conversations, Multicast, Users};
use tenon_embedded::{
    DataDir, EmbeddedLog, FjallKv, KvOptions, LogOptions, RealDisk, RecoveryReport,
};
use tenon_ports::{Kv, Log};
use tenon_receiver::{Admin, Keys, ReceiverHandle};
use tenon_store::{Store, StoreOptions};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::error::ServerError;

pub(crate) mod node;

use node::Node;

/// Where things lie in the data directory.
pub(crate) fn log_path(data: &Path) -> PathBuf {
    data.join("log")
}

/// The ordered store.
pub(crate) fn kv_path(data: &Path) -> PathBuf {
    data.join("store")
}

/// How often the age of the ticket key is looked at.
const ROTATION_LOOK: Duration = Duration::from_secs(600);
/// Time that a flush may take when the process stops.
const LAST_FLUSH: Duration = Duration::from_secs(60);

/// What both a server and a command without one need.
pub(crate) struct Ground {
    pub(crate) data: DataDir,
    pub(crate) node: Node,
    pub(crate) keys: Keys,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) store: Store,
    pub(crate) report: RecoveryReport,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) random: Arc<SystemRandom>,
}

impl Ground {
    /// Takes the directory and opens log and store. Blocks while it reads.
    pub(crate) fn open(data: &Path, config: &Config) -> Result<Self, ServerError> {
        let clock = Arc::new(SystemClock::new());
        let random = Arc::new(SystemRandom);
        let data = DataDir::open(data)?;
        node::restrict(data.path())?;
        let node = Node::load(data.path(), random.as_ref(), config.partitions)?;
        let keys = node::load_keys(data.path(), random.as_ref(), clock.now())?;
        let options = KvOptions { cache: config.engine_cache, ..KvOptions::default() };
        let kv = Arc::new(FjallKv::open(&kv_path(data.path()), &options)?);
        let applied = tenon_store::applied_positions(kv.as_ref())?;
        let options = LogOptions {
            segment: config.log_segment,
            queue: config.log_queue,
            tail: config.log_tail,
            reserve: config.log_reserve,
            ..LogOptions::default()
        };
        let directory = log_path(data.path());
        let (log, report) = EmbeddedLog::open(Arc::new(RealDisk), &directory, &options, &applied)?;
        let log = Arc::new(log);
        let options = StoreOptions {
            memtable_bytes: config.memtable,
            memtable_age: config.memtable_age,
            cache_bytes: config.block_cache,
            layout: Some(node.layout),
            ..StoreOptions::default()
        };
        let store = Store::open(kv as Arc<dyn Kv>, Arc::clone(&log) as Arc<dyn Log>, options)?;
        Ok(Self { data, node, keys, log, store, report, clock, random })
    }
}

/// The loops under way.
pub(crate) struct House {
    ground: Ground,
    pub(crate) receiver: ReceiverHandle,
    pub(crate) registry: Registry,
    /// Events of queues handed to connections.
    pub(crate) delivered: IntCounter,
    /// Why a loop ended that should not have.
    failed: mpsc::Receiver<ServerError>,
    failing: mpsc::Sender<ServerError>,
    stop_intake: watch::Sender<bool>,
    stop_rooms: watch::Sender<bool>,
    stop_flush: Option<oneshot::Sender<()>>,
    flush: Option<std::thread::JoinHandle<()>>,
    readers: Option<Runtime>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Rooms that have a handle but do not run: whoever listens is made between the two.
pub(crate) struct Raised {
    ground: Ground,
    registry: Registry,
    delivered: IntCounter,
    processor: tenon_processor::Service,
    conversations: tenon_processor::ProcessorHandle,
    sync: tenon_sync::Service,
    users: tenon_sync::SyncHandle,
    receiver_service: tenon_receiver::Service,
    pub(crate) receiver: ReceiverHandle,
    stop_intake: watch::Sender<bool>,
    stop_rooms: watch::Sender<bool>,
}

impl Raised {
    /// Makes the rooms and loads who exists.
    pub(crate) async fn raise(ground: Ground, config: &Config) -> Result<Self, ServerError> {
        let registry = Registry::new();
        let (stop_intake, intake_stopped) = watch::channel(false);
        let (stop_rooms, _) = watch::channel(false);
        // New at every start: records of an earlier life find nobody waiting.
        let producer = ground.random.next_id();
        let layout = ground.node.layout;
        let (processor, conversations) = tenon_processor::Service::new(
            tenon_processor::Options {
                hot_bytes_max: config.hot_conversations,
                recent_bytes_max: config.recent,
                ..tenon_processor::Options::new(layout, producer)
            },
            tenon_processor::Metrics::new(&registry)?,
        );
        let told = tenon_sync::Metrics::new(&registry)?;
        let delivered = told.delivered.clone();
        let (sync, users) = tenon_sync::Service::new(
            tenon_sync::Options {
                hot_bytes_max: config.hot_users,
                ..tenon_sync::Options::new(layout, producer)
            },
            told,
        );
        let (receiver_service, receiver) = tenon_receiver::Service::recover(
            tenon_receiver::Options {
                is_demo: crate::demo::is_demo(ground.data.path()),
                ..receiver_options(config, layout, producer, ground.node.org)
            },
            tenon_receiver::Doors {
                log: Arc::clone(&ground.log) as _,
                store: ground.store.clone(),
                conversations: Arc::new(conversations.clone()),
                users: Arc::new(users.clone()),
                clock: Arc::clone(&ground.clock) as _,
                random: Arc::clone(&ground.random) as _,
                stop: intake_stopped,
            },
            ground.keys.clone(),
            tenon_receiver::Metrics::new(&registry)?,
        )
        .await?;
        Ok(Self {
            ground,
            registry,
            delivered,
            processor,
            conversations,
            sync,
            users,
            receiver_service,
            receiver,
            stop_intake,
            stop_rooms,
        })
    }

    pub(crate) fn conversations(&self) -> Arc<dyn Conversations> {
        Arc::new(self.conversations.clone())
    }

    pub(crate) fn users(&self) -> Arc<dyn Users> {
        Arc::new(self.users.clone())
    }

    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) const fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Replays what the store lacks, user partitions first, then runs all loops.
    pub(crate) async fn run(self, multicast: Arc<dyn Multicast>) -> Result<House, ServerError> {
        let (failing, failed) = mpsc::channel(16);
        let recovered = self
            .sync
            .recover(tenon_sync::Doors {
                log: Arc::clone(&self.ground.log) as _,
                store: self.ground.store.clone(),
                recent: Arc::new(self.conversations.clone()),
                stop: self.stop_rooms.subscribe(),
            })
            .await?;
        let doors = tenon_processor::handle::Doors {
            log: Arc::clone(&self.ground.log) as _,
            store: self.ground.store.clone(),
            multicast,
            stop: self.stop_rooms.subscribe(),
        };
        let processing = self.processor.recover(doors, &recovered.resume).await?;
        let mut house = House {
            receiver: self.receiver,
            registry: self.registry,
            delivered: self.delivered,
            failed,
            failing,
            stop_intake: self.stop_intake,
            stop_rooms: self.stop_rooms,
            stop_flush: None,
            flush: None,
            readers: None,
            tasks: Vec::new(),
            ground: self.ground,
        };
        for running in recovered.run() {
            house.spawn(running);
        }
        for running in processing {
            house.spawn(running);
        }
        let parts = self.receiver_service.run();
        for running in parts.loops {
            house.spawn(running);
        }
        house.watch_log();
        house.start_readers(parts.readers)?;
        std::thread::Builder::new()
            .name("sign-in".into())
            .spawn(move || parts.logins.run())
            .map_err(ServerError::Thread)?;
        house.start_flush()?;
        Ok(house)
    }
}

fn receiver_options(
    config: &Config,
    layout: Layout,
    producer: u64,
    org: OrgId,
) -> tenon_receiver::Options {
    tenon_receiver::Options {
        rates: config.rates,
        queue_mode_max: config.queue_mode_max,
        pull_mode_min: config.pull_mode_min,
        ..tenon_receiver::Options::new(layout, producer, org)
    }
}

impl House {
    /// Local administration.
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(self.receiver.clone())
    }

    pub(crate) const fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Runs a loop; its error is told, because a house without one of its loops is not one.
    fn spawn<E>(&mut self, running: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        ServerError: From<E>,
        E: Send + 'static,
    {
        let failing = self.failing.clone();
        let inner = tokio::spawn(running);
        self.tasks.push(tokio::spawn(async move {
            let ended = match inner.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => ServerError::from(error),
                Err(_) => ServerError::Panicked,
            };
            if failing.send(ended).await.is_err() {
                tracing::debug!("nobody waits for a failed loop");
            }
        }));
    }

    /// A log that failed to write takes nothing more, and its readers only wait: the process ends, so that a supervisor
    /// opens it again.
    fn watch_log(&mut self) {
        let (log, mut stop) = (Arc::clone(&self.ground.log), self.stop_rooms.subscribe());
        self.spawn(async move {
            tokio::select! {
                error = log.failure() => Err(error),
                _ = stop.wait_for(|stop| *stop) => Ok(()),
            }
        });
    }

    /// Renews the ticket key every day; tickets under way stay good for another one.
    pub(crate) fn start_rotation(&mut self) {
        let (receiver, clock) = (self.receiver.clone(), Arc::clone(&self.ground.clock));
        let random = Arc::clone(&self.ground.random);
        let data = self.ground.data.path().to_owned();
        let mut keys = self.ground.keys.clone();
        let mut stop = self.stop_intake.subscribe();
        self.tasks.push(tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = tokio::time::sleep(ROTATION_LOOK) => {}
                }
                if !keys.is_rotation_due(clock.now()) {
                    continue;
                }
                let mut next = keys.clone();
                match node::rotate_keys(&data, &mut next, random.as_ref(), clock.now()) {
                    Ok(()) => {
                        keys = next;
                        receiver.set_keys(keys.clone());
                    }
                    Err(error) => tracing::error!(%error, "the ticket key was not renewed"),
                }
            }
        }));
    }

    /// Ends when a loop does that should not.
    pub(crate) async fn failure(&mut self) -> ServerError {
        self.failed.recv().await.unwrap_or(ServerError::Panicked)
    }

    /// Readers may block on the disk, so they have threads of their own.
    fn start_readers(
        &mut self,
        readers: Vec<tenon_receiver::service::Running>,
    ) -> Result<(), ServerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("read")
            .enable_time()
            .build()
            .map_err(ServerError::Thread)?;
        for running in readers {
            let failing = self.failing.clone();
            runtime.spawn(async move {
                if let Err(error) = running.await
                    && failing.send(error.into()).await.is_err()
                {
                    tracing::debug!("nobody waits for a failed reader");
                }
            });
        }
        self.readers = Some(runtime);
        Ok(())
    }

    /// Compressing takes a thread; it flushes once more when it is told to stop.
    fn start_flush(&mut self) -> Result<(), ServerError> {
        let (sender, receiver) = oneshot::channel();
        let store = self.ground.store.clone();
        let clock: Arc<dyn Clock> = Arc::clone(&self.ground.clock) as _;
        let failing = self.failing.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(ServerError::Thread)?;
        let thread = std::thread::Builder::new().name("flush".into()).spawn(move || {
            runtime.block_on(async move {
                let repack = tokio::spawn(store.clone().run_repack());
                let tick = || tokio::time::sleep(Duration::from_secs(1));
                let shutdown = async move {
                    // A dropped sender is a stop as well.
                    drop(receiver.await);
                };
                if let Err(error) = store.run(clock, tick, shutdown).await
                    && failing.send(error.into()).await.is_err()
                {
                    tracing::error!("the last flush failed; the log is replayed at the next start");
                }
                repack.abort();
            });
        });
        self.flush = Some(thread.map_err(ServerError::Thread)?);
        self.stop_flush = Some(sender);
        Ok(())
    }

    /// Stops in order: intake, a last flush while the rooms still answer, the rooms, the log. Everything acked is durable
    /// before this; the order only makes the next start short.
    pub(crate) async fn close(mut self) -> Result<(), ServerError> {
        self.stop_intake.send_replace(true);
        if let Some(stop) = self.stop_flush.take()
            && stop.send(()).is_err()
        {
            tracing::debug!("the flush thread ended before");
        }
        if let Some(flush) = self.flush.take() {
            let joined = tokio::task::spawn_blocking(move || flush.join());
            if tokio::time::timeout(LAST_FLUSH, joined).await.is_err() {
                tracing::warn!("the last flush takes long; leaving it to the next start");
            }
        }
        self.stop_rooms.send_replace(true);
        for task in self.tasks.drain(..) {
            if task.await.is_err() {
                tracing::error!("a loop panicked while it stopped");
            }
        }
        if let Some(readers) = self.readers.take() {
            readers.shutdown_background();
        }
        let log = Arc::clone(&self.ground.log);
        let closed = tokio::task::spawn_blocking(move || log.close()).await;
        closed.map_err(|_| ServerError::Panicked)??;
        // What failed while it stopped, the last flush for example, is replayed at the next start; but it is told.
        self.failed.try_recv().map_or(Ok(()), Err)
    }
}

impl Drop for House {
    /// A start that fails half-way tells its error: a runtime that is merely dropped would panic among asynchronous callers.
    fn drop(&mut self) {
        if let Some(readers) = self.readers.take() {
            readers.shutdown_background();
        }
    }
}

/// Tips of large groups, where nobody is connected.
pub(crate) struct NoMulticast;

impl Multicast for NoMulticast {
    fn tip(&self, _: OrgId, _: tenon_core::event::Tip, _: u64, _: Option<&Arc<tenon_core::Event>>) {
    }
}

/// What was found at the start, for the operator's log.
pub(crate) fn describe(report: &RecoveryReport) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("last_stop", if report.was_unclean { "crash" } else { "clean" }.to_owned()),
        ("direct_io", report.is_direct.to_string()),
        ("records_scanned", report.records_scanned.to_string()),
        ("torn_tail", report.torn_tail.is_some().to_string()),
        ("damaged_partitions", report.damaged_partitions.len().to_string()),
    ])
}

/// Tells damage loudly: those partitions refuse appends until an operator has looked.
pub(crate) fn tell_damage(report: &RecoveryReport) {
    if !report.damaged_partitions.is_empty() {
        tracing::error!(
            partitions = ?report.damaged_partitions,
            places = report.damage.len(),
            "the log is damaged; see docs/errors/log_damaged.md"
        );
    }
}
