//! The store of a node: memtable, engine, and the one view readers take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tenon_base::{ByteSize, Lsn, PartitionId, Retry};
use tenon_ports::{Kv, KvError, KvSnapshot, Log, LogError};
use tokio::sync::watch;

use crate::codec::FormatError;
use crate::flush::checkpoint;
use crate::memtable::{Counter, Gauge, Shard, ShardWriter};
use crate::view::{Chains, View};

/// Why a store call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The log failed while a checkpoint waited for it.
    #[error("log behind the store")]
    Log(#[from] LogError),
    /// A stored value does not decode.
    #[error("stored value")]
    Format(#[from] FormatError),
    /// The store is older than the log's trim point, or ahead of its tail.
    #[error(
        "partition {partition}: the store stands at {applied}, the log holds {first} to {last}"
    )]
    OutOfStep {
        /// Which partition.
        partition: PartitionId,
        /// Position of the store.
        applied: Lsn,
        /// Oldest position of the log.
        first: Lsn,
        /// Newest position of the log.
        last: Lsn,
    },
}

impl StoreError {
    /// Tells a room whether it may repeat the call.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Kv(error) => error.retry(),
            Self::Log(error) => error.retry(),
            Self::Format(_) | Self::OutOfStep { .. } => Retry::Never,
        }
    }
}

/// How the store runs.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Memtable size that starts a rotation.
    pub memtable_bytes: ByteSize,
    /// Flushes whose log is kept behind the applied position, as a safety window.
    pub flushes_kept: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { memtable_bytes: ByteSize::mib(64), flushes_kept: 2 }
    }
}

/// Where one partition ended its shard.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) applied: Lsn,
    pub(crate) fan_out: Vec<(PartitionId, Lsn)>,
}

/// What is shared by the store's clones and the partitions' writers.
pub(crate) struct Inner {
    pub(crate) kv: Arc<dyn Kv>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) options: StoreOptions,
    pub(crate) view: ArcSwap<Chains>,
    /// Number of the wanted rotation.
    pub(crate) rotation: watch::Sender<u64>,
    /// Wakes the flush when a partition has cut or its writer is gone.
    pub(crate) cut_done: tokio::sync::Notify,
    /// Wakes the flush loop when the memtable is full.
    pub(crate) full: tokio::sync::Notify,
    pub(crate) gauge: Gauge,
    pub(crate) given_bytes: Counter,
    pub(crate) written_bytes: Counter,
    /// Guards who writes and where they cut; held for map operations.
    pub(crate) writers: Mutex<Writers>,
    /// One flush at a time.
    pub(crate) flushing: tokio::sync::Mutex<FlushState>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Writers {
    pub(crate) live: BTreeSet<PartitionId>,
    pub(crate) cuts: BTreeMap<PartitionId, Cut>,
}

#[derive(Debug, Default)]
pub(crate) struct FlushState {
    pub(crate) applied: BTreeMap<PartitionId, Lsn>,
    /// Applied positions of the last flushes, oldest first: the safety window of the trim.
    pub(crate) history: std::collections::VecDeque<BTreeMap<PartitionId, Lsn>>,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    applied: Arc<BTreeMap<PartitionId, Lsn>>,
}

impl Store {
    /// Opens the store over its engine and the log it follows.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub fn open(
        kv: Arc<dyn Kv>,
        log: Arc<dyn Log>,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let snapshot = kv.snapshot();
        let applied = checkpoint::read(snapshot.as_ref())?;
        for (partition, at) in &applied {
            let last = log.last(*partition, tenon_ports::Reach::Enqueued);
            if *at > last {
                let first = Lsn::ZERO;
                return Err(StoreError::OutOfStep {
                    partition: *partition,
                    applied: *at,
                    first,
                    last,
                });
            }
        }
        let (rotation, _) = watch::channel(0);
        let inner = Inner {
            kv,
            log,
            options,
            view: ArcSwap::from_pointee(Chains { shards: BTreeMap::new(), snapshot }),
            rotation,
            cut_done: tokio::sync::Notify::new(),
            full: tokio::sync::Notify::new(),
            gauge: Gauge::default(),
            given_bytes: Counter::default(),
            written_bytes: Counter::default(),
            writers: Mutex::default(),
            flushing: tokio::sync::Mutex::new(FlushState {
                applied: applied.clone(),
                history: std::collections::VecDeque::new(),
            }),
        };
        Ok(Self { inner: Arc::new(inner), applied: Arc::new(applied) })
    }

    /// Last record that the store stood for when it was opened; replay starts behind it.
    pub fn applied(&self, partition: PartitionId) -> Lsn {
        self.applied.get(&partition).copied().unwrap_or(Lsn::ZERO)
    }

    /// The pen of a partition; one at a time.
    pub fn writer(&self, partition: PartitionId) -> ShardWriter {
        let shard = self.inner.start_shard(partition);
        let mut writers = self.inner.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.live.insert(partition);
        drop(writers);
        ShardWriter::new(partition, Arc::clone(&self.inner), shard)
    }

    /// One atomic picture. Take the tips you rely on before it.
    pub fn view(&self) -> View {
        View::new(self.inner.view.load_full())
    }

    /// A new engine snapshot, for reads that must not hold a view long.
    pub fn engine(&self) -> Arc<dyn KvSnapshot> {
        self.inner.kv.snapshot()
    }

    /// (bytes given by rooms, bytes written to the engine, bytes in the memtable).
    pub fn figures(&self) -> (u64, u64, usize) {
        (self.inner.given_bytes.value(), self.inner.written_bytes.value(), self.inner.gauge.bytes())
    }
}

impl Inner {
    pub(crate) fn grow(&self, bytes: usize) {
        self.given_bytes.add(bytes as u64);
        if self.gauge.add(bytes) >= self.options.memtable_bytes.as_usize() {
            self.full.notify_one();
        }
    }

    /// Puts a new shard in front of a partition's chain.
    fn start_shard(&self, partition: PartitionId) -> Arc<Shard> {
        let shard = Arc::new(Shard::default());
        self.view.rcu(|chains| {
            let mut next = Chains::clone(chains);
            next.shards.entry(partition).or_default().insert(0, Arc::clone(&shard));
            next
        });
        shard
    }

    pub(crate) fn cut(&self, partition: PartitionId, cut: Cut) -> Arc<Shard> {
        let shard = self.start_shard(partition);
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.cuts.insert(partition, cut);
        drop(writers);
        self.cut_done.notify_one();
        shard
    }

    pub(crate) fn writer_gone(&self, partition: PartitionId) {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.live.remove(&partition);
        drop(writers);
        self.cut_done.notify_one();
    }
}
