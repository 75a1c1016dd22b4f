//! The store of a node: memtable, engine, and the one view readers take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use tenon_base::{ByteSize, Lsn, PartitionId, Retry};
use tenon_core::Layout;
use tenon_ports::{Kv, KvError, KvSnapshot, Log, LogError, Reach, Space};
use tokio::sync::watch;

use crate::cache::{Background, BlockCache};
use crate::checkpoint::Ledger;
use crate::codec::FormatError;
use crate::figures::{Counters, Figures};
use crate::memtable::{SeriesKey, Shard, ShardWriter};
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
    /// These numbers cannot be read: their block or row does not verify. Others of the series can.
    #[error("damaged: numbers {first} to {last} of series {series:?}")]
    Degraded {
        /// Whose numbers.
        series: SeriesKey,
        /// First number of the range.
        first: u64,
        /// Last number of the range.
        last: u64,
    },
    /// The store is ahead of the log's tail: acknowledged records are missing (`LOG_TOO_SHORT`).
    #[error("partition {partition}: the store stands at {applied}, the log ends at {last}")]
    OutOfStep {
        /// Which partition.
        partition: PartitionId,
        /// Position of the store.
        applied: Lsn,
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
            Self::Format(_) | Self::Degraded { .. } | Self::OutOfStep { .. } => Retry::Never,
        }
    }
}

/// How the store runs.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Memtable size that starts a rotation.
    pub memtable_bytes: ByteSize,
    /// Age of the oldest unflushed value that starts a rotation.
    pub memtable_age: std::time::Duration,
    /// Flushes whose log is kept behind the applied position, as a safety window.
    pub flushes_kept: usize,
    /// Decoded blocks that are kept, in bytes.
    pub cache_bytes: ByteSize,
    /// Flushes whose rows share one generation, and re-packs whose last singles share a long one: fewer give re-pack too
    /// little to join, more make reads look at more rows.
    pub generation_fills: u32,
    /// Where ids live. With it a read looks at one partition's memtable; without it at all of them.
    pub layout: Option<Layout>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            memtable_bytes: ByteSize::mib(64),
            memtable_age: std::time::Duration::from_secs(600),
            flushes_kept: 2,
            cache_bytes: ByteSize::mib(64),
            generation_fills: 8,
            layout: None,
        }
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
    pub(crate) cache: Arc<BlockCache>,
    /// Number of the wanted rotation.
    pub(crate) rotation: watch::Sender<u64>,
    /// Wakes the flush when a partition has cut or its writer is gone.
    pub(crate) cut_done: tokio::sync::Notify,
    /// Wakes the flush loop when the memtable is full.
    pub(crate) full: tokio::sync::Notify,
    /// Wakes the re-pack loop when a generation is full.
    pub(crate) generation_full: tokio::sync::Notify,
    pub(crate) counters: Counters,
    /// Guards who writes and where they cut; held for map operations.
    pub(crate) writers: Mutex<Writers>,
    /// One flush at a time.
    pub(crate) flushing: tokio::sync::Mutex<FlushState>,
    /// One re-pack at a time.
    pub(crate) repacking: tokio::sync::Mutex<()>,
    /// The checkpoint. Held over its write and the publication of the view that follows, so that no engine snapshot shows a
    /// part of either.
    pub(crate) ledger: tokio::sync::Mutex<Ledger>,
    /// Spaces that no checkpoint lists, found at open.
    pub(crate) strays: tokio::sync::Mutex<Vec<Space>>,
    pub(crate) background: OnceLock<Background>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Writers {
    pub(crate) live: BTreeSet<PartitionId>,
    /// Cuts that no flush has taken.
    pub(crate) cuts: BTreeMap<PartitionId, Cut>,
    /// Applied positions in the engine, for partitions that start again.
    pub(crate) applied: BTreeMap<PartitionId, Lsn>,
}

#[derive(Debug)]
pub(crate) struct FlushState {
    /// Cuts a failed flush left; their shards are still in the chains.
    pub(crate) waiting: BTreeMap<PartitionId, Cut>,
    /// Applied positions of the last flushes, oldest first: the safety window of the trim.
    pub(crate) history: std::collections::VecDeque<BTreeMap<PartitionId, Lsn>>,
    /// Sealed bytes per KiB of raw ones, of the last flush.
    pub(crate) sealed_per_kib: u64,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// Positions that the engine's checkpoint stands on, ascending: what a log needs to know before it is opened.
///
/// # Errors
/// When the checkpoint cannot be read.
pub fn applied_positions(kv: &dyn Kv) -> Result<Vec<(PartitionId, Lsn)>, StoreError> {
    Ok(Ledger::read(kv.snapshot().as_ref())?.applied.into_iter().collect())
}

impl Store {
    /// Opens the store over its engine and the log it follows. Blocks for one read of the engine; writes nothing.
    ///
    /// # Errors
    /// When the checkpoint cannot be read, or [`StoreError::OutOfStep`] when it stands on records the log does not hold (K3).
    /// A log that was trimmed too far answers at the first read.
    pub fn open(
        kv: Arc<dyn Kv>,
        log: Arc<dyn Log>,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let snapshot = kv.snapshot();
        let ledger = Ledger::read(snapshot.as_ref())?;
        for (partition, applied) in &ledger.applied {
            let last = log.last(*partition, Reach::Enqueued);
            if *applied > last {
                return Err(StoreError::OutOfStep {
                    partition: *partition,
                    applied: *applied,
                    last,
                });
            }
        }
        let is_stray = |space: &Space| *space != Space::state() && !ledger.live.holds(space);
        let strays = kv.spaces().into_iter().filter(is_stray).collect();
        let chains = Chains {
            shards: BTreeMap::new(),
            snapshot,
            live: Arc::new(ledger.live.clone()),
            hidden: ledger.numbers.hidden(),
            layout: options.layout,
        };
        let (rotation, _) = watch::channel(0);
        let inner = Inner {
            kv,
            log,
            options,
            view: ArcSwap::from_pointee(chains),
            cache: Arc::new(BlockCache::new(options.cache_bytes)),
            rotation,
            cut_done: tokio::sync::Notify::new(),
            full: tokio::sync::Notify::new(),
            generation_full: tokio::sync::Notify::new(),
            counters: Counters::default(),
            writers: Mutex::new(Writers { applied: ledger.applied.clone(), ..Writers::default() }),
            flushing: tokio::sync::Mutex::new(FlushState {
                waiting: BTreeMap::new(),
                history: std::collections::VecDeque::new(),
                sealed_per_kib: 512,
            }),
            repacking: tokio::sync::Mutex::new(()),
            ledger: tokio::sync::Mutex::new(ledger),
            strays: tokio::sync::Mutex::new(strays),
            background: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Last record whose effects are in the engine; replay starts behind it.
    pub fn applied(&self, partition: PartitionId) -> Lsn {
        self.inner.writers().applied.get(&partition).copied().unwrap_or(Lsn::ZERO)
    }

    /// The pen of a partition; one at a time. For the first start of a partition since the store was opened; see
    /// [`Self::restart`].
    pub fn writer(&self, partition: PartitionId) -> ShardWriter {
        self.inner.writers().live.insert(partition);
        let shard = self.inner.start_shard(partition);
        ShardWriter::new(partition, Arc::clone(&self.inner), shard)
    }

    /// The pen of a partition that stopped and starts again, and the position to replay after. What the engine does not hold
    /// is forgotten: replay makes it again. Waits for a flush that is under way.
    pub async fn restart(&self, partition: PartitionId) -> (ShardWriter, Lsn) {
        let mut flushing = self.inner.flushing.lock().await;
        flushing.waiting.remove(&partition);
        self.inner.writers().cuts.remove(&partition);
        self.inner.view.rcu(|chains| {
            let mut next = Chains::clone(chains);
            next.shards.remove(&partition);
            next
        });
        (self.writer(partition), self.applied(partition))
    }

    /// One atomic picture. Take the tips you rely on before it. Hold it for one answer (2 s at most).
    pub fn view(&self) -> View {
        View::new(self.inner.view.load_full(), &self.inner)
    }

    /// A new engine snapshot, for tools that read rows as they are.
    pub fn engine(&self) -> Arc<dyn KvSnapshot> {
        self.inner.kv.snapshot()
    }

    /// Gives the store a place to read ahead: it hands over short blocking jobs, which may be dropped. Once; without it
    /// nothing is read ahead.
    pub fn prefetch_on(&self, background: Background) {
        // A second call would only replace a place that works.
        drop(self.inner.background.set(background));
    }

    /// Counts since the store was opened.
    pub fn figures(&self) -> Figures {
        self.inner.counters.figures(self.inner.kv.disk_bytes())
    }
}

impl Inner {
    pub(crate) fn writers(&self) -> std::sync::MutexGuard<'_, Writers> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn grow(&self, memory_bytes: usize, user_bytes: usize) {
        if self.counters.given(memory_bytes, user_bytes) >= self.options.memtable_bytes.as_usize() {
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
        self.writers().cuts.insert(partition, cut);
        self.cut_done.notify_one();
        shard
    }

    pub(crate) fn writer_gone(&self, partition: PartitionId) {
        self.writers().live.remove(&partition);
        self.cut_done.notify_one();
    }
}
