//! Rotation and flush: what gathered in memory goes to the engine, the checkpoint last.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tenon_base::{Lsn, PartitionId};
use tenon_ports::{Checkpoint, Run, Space};

use crate::codec::Writer;
use crate::memtable::Shard;
use crate::store::{Cut, FlushState, Inner, Store, StoreError};
use crate::view::{Chains, row_space};

/// What a flush did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Values that were written.
    pub rows: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Rotates the memtable, waits until every partition has cut, and writes everything behind the cuts.
    ///
    /// # Errors
    /// When log or engine fail; nothing is lost, the memtables stay and the next flush takes them along.
    pub async fn flush_once(&self) -> Result<Flushed, StoreError> {
        let inner = &self.inner;
        let mut state = inner.flushing.lock().await;
        inner.rotation.send_modify(|n| *n += 1);
        inner.gauge.reset();
        let cuts = wait_for_cuts(inner).await;
        for (partition, cut) in &cuts {
            inner.log.committed(*partition, cut.applied).await?;
            for (target, lsn) in &cut.fan_out {
                inner.log.committed(*target, *lsn).await?;
            }
        }
        let shards = behind_cuts(inner, &cuts);
        let (runs, flushed) = gather(&shards);
        for (partition, cut) in &cuts {
            let before = state.applied.get(partition).copied().unwrap_or(Lsn::ZERO);
            tenon_base::always!(cut.applied >= before, "a checkpoint never falls back");
            state.applied.insert(*partition, cut.applied);
        }
        inner.kv.flush(runs, checkpoint::row(&state.applied)).await?;
        inner.written_bytes.add(flushed.bytes);
        publish(inner, &shards);
        trim(inner, &mut state);
        Ok(flushed)
    }

    /// Flushes whenever the memtable is full. Ends when dropped.
    ///
    /// # Errors
    /// When a flush fails for good.
    pub async fn run(self) -> Result<(), StoreError> {
        loop {
            self.inner.full.notified().await;
            self.flush_once().await?;
        }
    }
}

async fn wait_for_cuts(inner: &Inner) -> BTreeMap<PartitionId, Cut> {
    loop {
        {
            let mut writers = inner.writers.lock().unwrap_or_else(PoisonError::into_inner);
            if writers.live.iter().all(|p| writers.cuts.contains_key(p)) {
                return std::mem::take(&mut writers.cuts);
            }
        }
        inner.cut_done.notified().await;
    }
}

/// Shards that ended: all but the newest of each partition that cut.
fn behind_cuts(inner: &Inner, cuts: &BTreeMap<PartitionId, Cut>) -> Vec<(PartitionId, Arc<Shard>)> {
    let chains = inner.view.load_full();
    let mut shards = Vec::new();
    for partition in cuts.keys() {
        let chain = chains.shards.get(partition).map_or(&[][..], Vec::as_slice);
        for shard in chain.iter().skip(1).rev() {
            shards.push((*partition, Arc::clone(shard)));
        }
    }
    shards
}

/// Sorted runs with the net effect of the shards, oldest first.
fn gather(shards: &[(PartitionId, Arc<Shard>)]) -> (Vec<Run>, Flushed) {
    let mut rows: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
    let mut state: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
    for (_, shard) in shards {
        let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
        for (key, entries) in &data.series {
            for (number, (header, body)) in entries {
                rows.insert(key.row(*number), Some(encode_row(header, body)));
            }
        }
        for (key, value) in &data.state {
            state.insert(key.clone(), value.clone());
        }
    }
    let size = |m: &BTreeMap<Bytes, Option<Bytes>>| -> u64 {
        m.iter().map(|(k, v)| (k.len() + v.as_ref().map_or(0, Bytes::len)) as u64).sum()
    };
    let flushed = Flushed { rows: rows.len() + state.len(), bytes: size(&rows) + size(&state) };
    let run = |space: Space, rows: BTreeMap<Bytes, Option<Bytes>>| Run {
        space,
        large_values: false,
        rows: rows.into_iter().collect(),
    };
    (vec![run(row_space(), rows), run(Space::state(), state)], flushed)
}

/// A row: header with its length, body, CRC-32C.
fn encode_row(header: &Bytes, body: &Bytes) -> Bytes {
    let mut out = Writer::versioned(1);
    out.bytes(header).bytes(body);
    let bytes = out.finish();
    let mut whole = Vec::with_capacity(bytes.len() + 4);
    whole.extend_from_slice(&bytes);
    whole.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    whole.into()
}

fn publish(inner: &Inner, flushed: &[(PartitionId, Arc<Shard>)]) {
    let snapshot = inner.kv.snapshot();
    inner.view.rcu(|chains| {
        let mut next = Chains::clone(chains);
        for (partition, shard) in flushed {
            if let Some(chain) = next.shards.get_mut(partition) {
                chain.retain(|s| !Arc::ptr_eq(s, shard));
            }
        }
        next.snapshot = Arc::clone(&snapshot);
        next
    });
}

/// The log may drop what the flush before the kept ones stood for (E6).
fn trim(inner: &Inner, state: &mut FlushState) {
    state.history.push_back(state.applied.clone());
    if state.history.len() > inner.options.flushes_kept
        && let Some(oldest) = state.history.pop_front()
    {
        let through: Vec<_> = oldest.into_iter().collect();
        inner.log.trim(&through);
    }
}

/// The checkpoint row: applied Lsn per partition.
pub(crate) mod checkpoint {
    use super::{BTreeMap, Bytes, Checkpoint, Lsn, PartitionId, Space, StoreError, Writer};
    use crate::codec::Reader;
    use tenon_ports::KvSnapshot;

    /// Organisation 0, tag 0: before all tables.
    const KEY: &[u8] = &[0; 9];

    pub(crate) fn row(applied: &BTreeMap<PartitionId, Lsn>) -> Checkpoint {
        let mut out = Writer::versioned(1);
        out.varint(applied.len() as u64);
        for (partition, lsn) in applied {
            out.varint(u64::from(partition.0)).fixed(lsn.0);
        }
        Checkpoint { key: Bytes::from_static(KEY), value: out.finish() }
    }

    pub(crate) fn read(
        snapshot: &dyn KvSnapshot,
    ) -> Result<BTreeMap<PartitionId, Lsn>, StoreError> {
        let Some(value) = snapshot.get(&Space::state(), KEY)? else {
            return Ok(BTreeMap::new());
        };
        let mut reader = Reader::versioned(value, 1)?;
        let mut applied = BTreeMap::new();
        for _ in 0..reader.count()? {
            let partition = PartitionId(reader.varint32()?);
            applied.insert(partition, Lsn(reader.fixed()?));
        }
        Ok(applied)
    }
}
