//! The proof that the tables are a function of the log: the conversations are replayed into memory, and both are summed up.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use prometheus::Registry;
use tenon_base::{Lsn, PartitionId};
use tenon_core::Layout;
use tenon_ports::memory::MemoryKv;
use tenon_ports::{Append, Durability, Log, LogError, Reach, Record};
use tenon_store::{Store, StoreOptions};
use tokio::sync::watch;

use crate::error::ServerError;
use crate::house::NoMulticast;

/// How often a server that works meanwhile is tried.
const TRIES: usize = 3;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Replay {
    /// So many partitions have the sum that their log gives.
    Equal(usize),
    /// The log no longer begins at the beginning, so it cannot be replayed whole.
    Trimmed,
    /// New commands came during every try.
    Busy,
    /// These partitions differ.
    Different(Vec<PartitionId>),
}

/// Replays all conversation partitions of `log` and compares them with `live`.
pub(super) async fn compare(
    live: &Store,
    log: &Arc<dyn Log>,
    layout: Layout,
) -> Result<Replay, ServerError> {
    for partition in layout.conversation_partitions() {
        let first = log.read(partition, Lsn::ZERO, Reach::Committed, 1).await;
        if matches!(first, Err(LogError::Trimmed { .. })) {
            return Ok(Replay::Trimmed);
        }
        first?;
    }
    for _ in 0..TRIES {
        live.flush_once().await?;
        let until = positions(live, layout);
        let expected = sums(live, layout).await?;
        if positions(live, layout) != until || has_newer(log, &until) {
            continue;
        }
        let replayed = replay(log, layout, until).await?;
        let different: Vec<PartitionId> = layout
            .conversation_partitions()
            .filter(|partition| expected.get(partition) != replayed.get(partition))
            .collect();
        return Ok(if different.is_empty() {
            Replay::Equal(expected.len())
        } else {
            Replay::Different(different)
        });
    }
    Ok(Replay::Busy)
}

fn positions(store: &Store, layout: Layout) -> BTreeMap<PartitionId, Lsn> {
    layout.conversation_partitions().map(|p| (p, store.applied(p))).collect()
}

fn has_newer(log: &Arc<dyn Log>, until: &BTreeMap<PartitionId, Lsn>) -> bool {
    until.iter().any(|(partition, lsn)| log.last(*partition, Reach::Enqueued) > *lsn)
}

async fn sums(store: &Store, layout: Layout) -> Result<BTreeMap<PartitionId, u128>, ServerError> {
    let view = store.view();
    let summed = tokio::task::spawn_blocking(move || {
        let sum = |p| view.partition_hash(layout, p).map(|sum| (p, sum));
        layout.conversation_partitions().map(sum).collect::<Result<_, _>>()
    });
    Ok(summed.await.map_err(|_| ServerError::Panicked)??)
}

/// Runs the processor over a log that ends at `until` and takes no appends: every fan-out counts as told.
async fn replay(
    log: &Arc<dyn Log>,
    layout: Layout,
    until: BTreeMap<PartitionId, Lsn>,
) -> Result<BTreeMap<PartitionId, u128>, ServerError> {
    let log: Arc<dyn Log> = Arc::new(Bounded { log: Arc::clone(log), until });
    let options = StoreOptions { layout: Some(layout), ..StoreOptions::default() };
    let store = Store::open(Arc::new(MemoryKv::new()), Arc::clone(&log), options)?;
    let (stop, stopped) = watch::channel(false);
    let (processor, _handle) = tenon_processor::Service::new(
        tenon_processor::Options::new(layout, 0),
        tenon_processor::Metrics::new(&Registry::new())?,
    );
    let all = (Lsn(u64::MAX), u32::MAX);
    let told = layout
        .conversation_partitions()
        .flat_map(|source| layout.user_partitions().map(move |target| ((source, target), all)))
        .collect();
    let doors = tenon_processor::handle::Doors {
        log,
        store: store.clone(),
        multicast: Arc::new(NoMulticast),
        stop: stopped,
    };
    let loops = processor.recover(doors, &told).await?;
    let running: Vec<_> = loops.into_iter().map(tokio::spawn).collect();
    let flushed = store.flush_once().await;
    stop.send_replace(true);
    for task in running {
        task.await.map_err(|_| ServerError::Panicked)??;
    }
    flushed?;
    sums(&store, layout).await
}

/// A log that ends where the store stands and is never written.
struct Bounded {
    log: Arc<dyn Log>,
    until: BTreeMap<PartitionId, Lsn>,
}

impl Bounded {
    fn end(&self, partition: PartitionId) -> Lsn {
        self.until.get(&partition).copied().unwrap_or(Lsn::ZERO)
    }
}

#[async_trait]
impl Log for Bounded {
    async fn append(&self, _: Vec<Append>, _: Durability) -> Result<Vec<Lsn>, LogError> {
        Err(LogError::Closed)
    }

    async fn room(&self) {}

    async fn read(
        &self,
        partition: PartitionId,
        after: Lsn,
        reach: Reach,
        bytes_max: usize,
    ) -> Result<Vec<Record>, LogError> {
        let end = self.end(partition);
        if after >= end {
            return Ok(Vec::new());
        }
        let mut records = self.log.read(partition, after, reach, bytes_max).await?;
        records.retain(|record| record.lsn <= end);
        Ok(records)
    }

    async fn notified(&self, partition: PartitionId, after: Lsn, _: Reach) {
        if after >= self.end(partition) {
            std::future::pending::<()>().await;
        }
    }

    fn last(&self, partition: PartitionId, _: Reach) -> Lsn {
        self.end(partition)
    }

    async fn committed(&self, _: PartitionId, _: Lsn) -> Result<(), LogError> {
        Ok(())
    }

    fn trim(&self, _: &[(PartitionId, Lsn)]) {}

    fn was_unclean(&self) -> bool {
        false
    }
}
