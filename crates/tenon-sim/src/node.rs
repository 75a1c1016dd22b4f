//! One life of the server: the real log, store and rooms over the simulated disk and store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::Registry;
use tenon_base::{ByteSize, Lsn, PartitionId};
use tenon_core::Layout;
use tenon_core::event::{Event, Tip};
use tenon_core::handover::{Conversations, Multicast, Users};
use tenon_embedded::{EmbeddedLog, LogOptions, LogStepper, RecoveryReport};
use tenon_ports::{Log, Reach, Record};
use tenon_processor::ProcessorHandle;
use tenon_store::{Store, StoreOptions};
use tenon_sync::SyncHandle;
use tokio::sync::watch;

use crate::disk::SimDisk;
use crate::exec::{Ended, Executor, Polled, Task};
use crate::kv::SimKv;
use crate::rng::Rng;

/// A tip on its way to those who listen.
pub type SentTip = (tenon_base::OrgId, Tip, u64);

/// Collects tips of pull-mode conversations.
#[derive(Debug, Default)]
pub struct Tips(Mutex<Vec<SentTip>>);

impl Tips {
    /// Takes what came.
    pub fn take(&self) -> Vec<SentTip> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Multicast for Tips {
    fn tip(&self, org: tenon_base::OrgId, tip: Tip, leave_ver: u64, _: Option<&Arc<Event>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((org, tip, leave_ver));
    }
}

/// Sizes of a node, drawn by the seed so that edges are met.
#[derive(Debug, Clone)]
pub struct NodeSizes {
    /// Partitions.
    pub layout: Layout,
    /// Segment of the log.
    pub segment: ByteSize,
    /// Largest group of the log.
    pub group: ByteSize,
    /// Records that stay in memory.
    pub tail: ByteSize,
    /// Memtable that starts a rotation.
    pub memtable: ByteSize,
    /// Block cache.
    pub cache: ByteSize,
    /// Flushes per generation of rows.
    pub generation_fills: u32,
    /// Conversations and users kept in memory per partition.
    pub hot: ByteSize,
    /// Events kept for delivery.
    pub recent: ByteSize,
    /// Entries kept per connected user.
    pub tail_entries: usize,
}

type Loops = Arc<Mutex<Option<Vec<(&'static str, Task)>>>>;

/// Log and store of one life, before the rooms.
pub struct Ground {
    /// The log.
    pub log: Arc<EmbeddedLog>,
    /// Its writer.
    pub stepper: LogStepper,
    /// What the open of the log found.
    pub report: RecoveryReport,
    /// The store.
    pub store: Store,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Ground {
    /// Opens both on what the disk and the engine hold.
    ///
    /// # Errors
    /// What the operator would read.
    pub fn open(disk: &SimDisk, kv: &SimKv, sizes: &NodeSizes) -> Result<Self, String> {
        let applied = tenon_store::applied_in(tenon_ports::Kv::snapshot(kv).as_ref())
            .map_err(|e| e.to_string())?;
        let options = LogOptions {
            segment: sizes.segment,
            group: sizes.group,
            tail: sizes.tail,
            queue: ByteSize::mib(4),
            segments_min: 2,
            prepared: 1,
            ..LogOptions::default()
        };
        let door = Arc::new(disk.clone()) as Arc<dyn tenon_embedded::Disk>;
        let (log, stepper, report) =
            EmbeddedLog::open_stepped(door, Path::new(&log_directory()), &options, &applied)
                .map_err(|e| format!("log: {e}"))?;
        let log = Arc::new(log);
        let store_options = StoreOptions {
            memtable_bytes: sizes.memtable,
            cache_bytes: sizes.cache,
            generation_fills: sizes.generation_fills,
            layout: Some(sizes.layout),
            ..StoreOptions::default()
        };
        let store = Store::open(Arc::new(kv.clone()), Arc::clone(&log) as _, store_options)
            .map_err(|e| format!("store: {e}"))?;
        Ok(Self { log, stepper, report, store })
    }
}

/// A running server.
pub struct Node {
    /// The log.
    pub log: Arc<EmbeddedLog>,
    /// Its writer.
    pub stepper: LogStepper,
    /// What the open of the log found.
    pub report: RecoveryReport,
    /// The store.
    pub store: Store,
    /// Way into the processor.
    pub conversations: ProcessorHandle,
    /// Way into sync.
    pub users: SyncHandle,
    /// Tips sent.
    pub tips: Arc<Tips>,
    /// Its tasks.
    pub exec: Executor,
    /// Producer id of this life.
    pub producer: u64,
    loops: Loops,
    stop: watch::Sender<bool>,
    is_up: bool,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("producer", &self.producer).finish_non_exhaustive()
    }
}

/// Where the log lies on the simulated disk.
pub fn log_directory() -> PathBuf {
    PathBuf::from("/data/log")
}

impl Node {
    /// Opens log and store and starts the recovery of the rooms.
    ///
    /// # Errors
    /// What the operator would read.
    pub fn start(
        disk: &SimDisk,
        kv: &SimKv,
        sizes: &NodeSizes,
        producer: u64,
    ) -> Result<Self, String> {
        let Ground { log, stepper, report, store } = Ground::open(disk, kv, sizes)?;
        let mut node = Self::with_rooms(log, stepper, report, store, sizes, producer)?;
        node.is_up = false;
        Ok(node)
    }

    fn with_rooms(
        log: Arc<EmbeddedLog>,
        stepper: LogStepper,
        report: RecoveryReport,
        store: Store,
        sizes: &NodeSizes,
        producer: u64,
    ) -> Result<Self, String> {
        let registry = Registry::new();
        let (stop, stopped) = watch::channel(false);
        let (processor, conversations) = tenon_processor::Service::new(
            tenon_processor::Options {
                hot_bytes_max: sizes.hot,
                recent_bytes_max: sizes.recent,
                ..tenon_processor::Options::new(sizes.layout, producer)
            },
            tenon_processor::Metrics::new(&registry).map_err(|e| e.to_string())?,
        );
        let (sync, users) = tenon_sync::Service::new(
            tenon_sync::Options {
                hot_bytes_max: sizes.hot,
                tail_entries_max: sizes.tail_entries,
                ..tenon_sync::Options::new(sizes.layout, producer)
            },
            tenon_sync::Metrics::new(&registry).map_err(|e| e.to_string())?,
        );
        let tips = Arc::new(Tips::default());
        let door: Arc<dyn Log> = Arc::clone(&log) as _;
        let sync_doors = tenon_sync::Doors {
            log: Arc::clone(&door),
            store: store.clone(),
            recent: Arc::new(conversations.clone()),
            stop: stopped.clone(),
        };
        let doors = tenon_processor::handle::Doors {
            log: door,
            store: store.clone(),
            multicast: Arc::clone(&tips) as _,
            stop: stopped,
        };
        let loops = Loops::default();
        let recovery = recovery(sync, sync_doors, processor, doors, Arc::clone(&loops));
        let mut exec = Executor::default();
        let first = exec.spawn("recovery", recovery);
        if let Polled::Panicked(_, text) | Polled::Ended(_, Ended::Failed(text)) = first {
            return Err(format!("recovery: {text}"));
        }
        Ok(Self {
            log,
            stepper,
            report,
            store,
            conversations,
            users,
            tips,
            exec,
            producer,
            loops,
            stop,
            is_up: false,
        })
    }

    /// True once the rooms serve.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// Starts the loops when the recovery has ended. Returns what their first polls gave.
    pub fn start_loops(&mut self) -> Vec<Polled> {
        let Some(loops) = self.loops.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Vec::new();
        };
        self.is_up = true;
        loops.into_iter().map(|(name, task)| self.exec.spawn(name, task)).collect()
    }

    /// Polls one ready task.
    pub fn poll_one(&mut self, rng: &mut Rng) -> Polled {
        self.exec.poll_one(rng)
    }

    /// Asks the rooms to end.
    pub fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// The processor's way in, as its door.
    pub fn conversations(&self) -> &dyn Conversations {
        &self.conversations
    }

    /// Sync's way in, as its door.
    pub fn users(&self) -> &dyn Users {
        &self.users
    }

    /// Records of a partition behind `after` that are durable. Ends at once: nothing here waits.
    ///
    /// # Errors
    /// What the log says.
    pub fn committed(&self, partition: PartitionId, after: Lsn) -> Result<Vec<Record>, String> {
        let mut all: Vec<Record> = Vec::new();
        loop {
            let from = all.last().map_or(after, |record| record.lsn);
            if self.log.last(partition, Reach::Committed) <= from {
                return Ok(all);
            }
            let read = now(self.log.read(partition, from, Reach::Committed, usize::MAX))
                .unwrap_or(Err(tenon_ports::LogError::Closed))
                .map_err(|e| e.to_string())?;
            if read.is_empty() {
                return Err(format!("the log shows more than it gives behind {from}"));
            }
            all.extend(read);
        }
    }

    /// Last durable position of each partition.
    pub fn tails(&self, layout: Layout) -> BTreeMap<PartitionId, Lsn> {
        layout
            .conversation_partitions()
            .chain(layout.user_partitions())
            .map(|p| (p, self.log.last(p, Reach::Committed)))
            .collect()
    }
}

/// Recovers the rooms; their loops are left in `out`.
fn recovery(
    sync: tenon_sync::Service,
    sync_doors: tenon_sync::Doors,
    processor: tenon_processor::Service,
    doors: tenon_processor::handle::Doors,
    out: Loops,
) -> Task {
    Box::pin(async move {
        let recovered = match sync.recover(sync_doors).await {
            Ok(recovered) => recovered,
            Err(error) => return Ended::Failed(chain(&error)),
        };
        let running = match processor.recover(doors, &recovered.resume).await {
            Ok(running) => running,
            Err(error) => return Ended::Failed(chain(&error)),
        };
        let mut tasks: Vec<(&'static str, Task)> = Vec::new();
        for room in recovered.run() {
            tasks.push(("sync", Box::pin(async move { ended(room.await) })));
        }
        for room in running {
            tasks.push(("processor", Box::pin(async move { ended(room.await) })));
        }
        *out.lock().unwrap_or_else(PoisonError::into_inner) = Some(tasks);
        Ended::Done
    })
}

/// How a loop of a room ended.
pub fn ended<E: std::error::Error>(result: Result<(), E>) -> Ended {
    match result {
        Ok(()) => Ended::Done,
        Err(error) => Ended::Failed(chain(&error)),
    }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The value of a future that has nothing to wait for.
pub fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
