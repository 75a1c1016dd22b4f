//! Rotation and flush: what gathered in memory goes to the engine, append spaces first, state and the checkpoint last.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use tenon_base::{Clock, Deadline, Lsn, PartitionId};
use tenon_ports::{Run, Space};

use crate::checkpoint::Ledger;
use crate::memtable::{Entry, Series, SeriesKey, Shard};
use crate::pack::{Packer, Policy, Shape, choose_threshold, cut_runs};
use crate::row;
use crate::space::SpaceKind;
use crate::store::{Cut, FlushState, Inner, Store, StoreError};
use crate::view::Chains;

/// Packed bytes between two yields: some 2 ms of compression.
const BREATH_BYTES: usize = 512 * 1024;

/// What a flush did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Append values that were written.
    pub values: u64,
    /// State rows that were written, deletes included.
    pub state_rows: u64,
    /// Bytes given to the engine, keys included.
    pub bytes: u64,
    /// Raw bytes from which a run of messages became a block.
    pub threshold: usize,
    /// In what shape the values left.
    pub shape: Shape,
}

/// Values of the shards behind the cuts.
#[derive(Default)]
struct Gathered {
    series: BTreeMap<SeriesKey, (Lsn, Vec<Entry>)>,
    state: BTreeMap<Bytes, (Lsn, Option<Bytes>)>,
}

type EndedShard = (PartitionId, Arc<Shard>);

impl Store {
    /// Rotates the memtable, waits until every partition has cut and the log has committed every cut and every fan-out
    /// position (E4), and writes everything behind the cuts. On return it is durable and in every new view.
    ///
    /// # Cancel safety
    /// May be dropped: the next flush takes everything along.
    ///
    /// # Errors
    /// When log or engine fail; nothing is lost, the memtables stay and the next flush takes them along.
    pub async fn flush_once(&self) -> Result<Flushed, StoreError> {
        let inner = &*self.inner;
        let mut state = inner.flushing.lock().await;
        inner.rotation.send_modify(|n| *n += 1);
        let given_before = inner.counters.rotated();
        wait_for_cuts(inner, &mut state).await;
        for (partition, cut) in &state.waiting {
            inner.log.committed(*partition, cut.applied).await?;
            for (target, lsn) in &cut.fan_out {
                inner.log.committed(*target, *lsn).await?;
            }
        }
        if tenon_base::planted!("trim-at-memory-applied") {
            let through: Vec<_> = state.waiting.iter().map(|(p, cut)| (*p, cut.applied)).collect();
            inner.log.trim(&through);
        }
        let shards = behind_cuts(inner, &state.waiting);
        let (number, packer) = inner.begin(SpaceKind::Row).await?;
        let written = self.write(&mut state, &shards, number, packer).await;
        match &written {
            Ok(flushed) => {
                let (rows, bytes) = (flushed.state_rows, flushed.bytes);
                inner.counters.flushed(given_before, &flushed.shape, rows, bytes);
            }
            Err(_) => {
                inner.counters.failed();
                inner.abort(number).await;
            }
        }
        written
    }

    async fn write(
        &self,
        state: &mut FlushState,
        shards: &[EndedShard],
        number: u64,
        mut packer: Packer,
    ) -> Result<Flushed, StoreError> {
        let inner = &*self.inner;
        let gathered = gather(shards, &state.waiting);
        let threshold = choose_threshold(&message_runs(&gathered), state.sealed_per_kib);
        let mut breath = 0;
        for (series, (lsn, entries)) in &gathered.series {
            packer.add(*series, entries, *lsn, Policy::Flush(threshold));
            if packer.held_bytes() > breath + BREATH_BYTES {
                breath = packer.held_bytes();
                breathe().await;
            }
        }
        let fills_max = inner.options.generation_fills;
        let row_space = inner.ledger.lock().await.live.target(SpaceKind::Row, fills_max);
        let mut runs = packer.take_runs();
        let shape = packer.shape;
        let (state_run, state_bytes) = state_run(&gathered);
        let state_rows = state_run.rows.len() as u64;
        runs.push(state_run);
        let cuts = state.waiting.clone();
        let change = |ledger: &mut Ledger| {
            ledger.live.fill(&row_space);
            for (partition, cut) in &cuts {
                let before = ledger.applied.insert(*partition, cut.applied);
                tenon_base::always!(
                    before.is_none_or(|before| cut.applied >= before),
                    "a checkpoint never falls back"
                );
            }
        };
        inner.commit(number, runs, shards, change).await?;
        state.waiting.clear();
        if shape.packed_values + shape.inline_values > 0 && shape.raw_bytes > 0 {
            state.sealed_per_kib = ratio_per_kib(&shape);
        }
        trim(inner, state);
        if inner.ledger.lock().await.live.full(SpaceKind::Row, fills_max).is_some() {
            inner.generation_full.notify_one();
        }
        let values = shape.packed_values + shape.inline_values + shape.row_values;
        let bytes = shape.written_bytes + state_bytes;
        Ok(Flushed { values, state_rows, bytes, threshold, shape })
    }

    /// Flushes whenever the memtable is full or its oldest value is too old; once more, and then ends, when `shutdown` does.
    /// `tick` makes a future that ends after about a second: the store has no timer of its own.
    ///
    /// Compresses on the thread that polls it, in steps of some milliseconds: give it a thread of low priority.
    ///
    /// # Errors
    /// When a flush fails and repeating it cannot help.
    pub async fn run<T, F>(
        self,
        clock: Arc<dyn Clock>,
        mut tick: T,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), StoreError>
    where
        T: FnMut() -> F + Send,
        F: Future<Output = ()> + Send,
    {
        let mut shutdown = pin!(shutdown);
        let mut first_seen: Option<Deadline> = None;
        loop {
            let is_stopping = {
                let mut ticked = pin!(tick());
                tokio::select! {
                    biased;
                    () = &mut shutdown => true,
                    () = self.inner.full.notified() => {
                        // A wake of before the last rotation may be left over.
                        if !self.is_full() {
                            continue;
                        }
                        false
                    }
                    () = &mut ticked => {
                        if !self.is_old(&mut first_seen, clock.monotonic()) {
                            continue;
                        }
                        false
                    }
                }
            };
            first_seen = None;
            match self.flush_once().await {
                Ok(_) => {}
                Err(error) if is_stopping || error.retry() == tenon_base::Retry::Never => {
                    return Err(error);
                }
                // The memtables stay; the next tick finds them old enough.
                Err(_) => tick().await,
            }
            if is_stopping {
                return Ok(());
            }
        }
    }

    fn is_full(&self) -> bool {
        self.inner.counters.active_bytes() >= self.inner.options.memtable_bytes.as_usize()
    }

    /// True when values have waited for the allowed age. `first_seen` is when the first of them was noticed.
    fn is_old(&self, first_seen: &mut Option<Deadline>, now: Deadline) -> bool {
        if self.inner.counters.active_bytes() == 0 {
            *first_seen = None;
            return false;
        }
        now.since(*first_seen.get_or_insert(now)) >= self.inner.options.memtable_age
    }
}

impl Inner {
    /// Gives a flush number that is reserved in the engine, and a packer that signs with it.
    pub(crate) async fn begin(&self, rows: SpaceKind) -> Result<(u64, Packer), StoreError> {
        self.drop_strays().await?;
        let mut ledger = self.ledger.lock().await;
        let mut next = ledger.clone();
        if next.numbers.top_up(1) {
            self.kv.flush(Vec::new(), next.encode()).await?;
        }
        let number = next.numbers.take().ok_or(crate::FormatError::Damaged)?;
        let packer = Packer::new(number, rows, &mut next.live, self.options.generation_fills)?;
        *ledger = next;
        Ok((number, packer))
    }

    /// What a crash left outside every checkpoint goes before anything is written: its names will be given again.
    async fn drop_strays(&self) -> Result<(), StoreError> {
        let mut strays = self.strays.lock().await;
        while let Some(stray) = strays.last() {
            self.kv.drop_space(stray).await?;
            strays.pop();
        }
        Ok(())
    }

    /// Writes the last runs of flush `number` with a checkpoint that confirms it, and publishes a view without `flushed`.
    pub(crate) async fn commit(
        &self,
        number: u64,
        runs: Vec<Run>,
        flushed: &[EndedShard],
        change: impl FnOnce(&mut Ledger) + Send,
    ) -> Result<(), StoreError> {
        let mut ledger = self.ledger.lock().await;
        let mut next = ledger.clone();
        change(&mut next);
        next.numbers.confirm(number);
        next.numbers.top_up(crate::numbers::RESERVED_AT_A_TIME / 2);
        self.kv.flush(runs, next.encode()).await?;
        *ledger = next;
        self.writers().applied.clone_from(&ledger.applied);
        self.publish(&ledger, flushed);
        Ok(())
    }

    /// Marks what `number` may have written as never to be read.
    pub(crate) async fn abort(&self, number: u64) {
        self.ledger.lock().await.numbers.abort(number);
    }

    fn publish(&self, ledger: &Ledger, flushed: &[EndedShard]) {
        let snapshot = self.kv.snapshot();
        let live = Arc::new(ledger.live.clone());
        let hidden = ledger.numbers.hidden();
        self.view.rcu(|chains| {
            let mut next = Chains::clone(chains);
            for (partition, shard) in flushed {
                if let Some(chain) = next.shards.get_mut(partition) {
                    chain.retain(|s| !Arc::ptr_eq(s, shard));
                }
            }
            // A partition whose writer is gone leaves an empty chain.
            next.shards.retain(|_, chain| !chain.is_empty());
            next.snapshot = Arc::clone(&snapshot);
            next.live = Arc::clone(&live);
            next.hidden = hidden.clone();
            next
        });
    }
}

/// Lets others run: pending once, woken at once.
pub(crate) async fn breathe() {
    let mut has_waited = false;
    poll_fn(move |context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn wait_for_cuts(inner: &Inner, state: &mut FlushState) {
    loop {
        {
            let mut writers = inner.writers();
            if writers.live.iter().all(|p| writers.cuts.contains_key(p)) {
                state.take(std::mem::take(&mut writers.cuts));
                return;
            }
        }
        inner.cut_done.notified().await;
    }
}

impl FlushState {
    /// A newer cut of a partition stands for everything an older one that still waits stood for.
    fn take(&mut self, cuts: BTreeMap<PartitionId, Cut>) {
        for (partition, mut cut) in cuts {
            if let Some(older) = self.waiting.remove(&partition) {
                cut.fan_out.extend(older.fan_out);
            }
            self.waiting.insert(partition, cut);
        }
    }
}

/// Shards that ended: all but the newest of each partition that cut; oldest first within a partition.
fn behind_cuts(inner: &Inner, cuts: &BTreeMap<PartitionId, Cut>) -> Vec<EndedShard> {
    let chains = inner.view.load_full();
    let mut shards = Vec::new();
    for partition in cuts.keys() {
        let chain = chains.shards.get(partition).map_or(&[][..], Vec::as_slice);
        let older = usize::from(tenon_base::planted!("older-shard-forgotten"));
        for shard in chain.iter().skip(1).rev().skip(older) {
            shards.push((*partition, Arc::clone(shard)));
        }
    }
    shards
}

/// The net effect of the shards.
fn gather(shards: &[EndedShard], cuts: &BTreeMap<PartitionId, Cut>) -> Gathered {
    let mut gathered = Gathered::default();
    for (partition, shard) in shards {
        let lsn = cuts.get(partition).map_or(Lsn::ZERO, |cut| cut.applied);
        let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
        for (key, entries) in &data.series {
            let (_, all) = gathered.series.entry(*key).or_insert_with(|| (lsn, Vec::new()));
            let is_ascending = all
                .last()
                .is_none_or(|last| entries.first().is_none_or(|e| last.number < e.number));
            all.extend_from_slice(entries);
            if !is_ascending {
                keep_newest(all);
            }
        }
        for (key, value) in &data.state {
            gathered.state.insert(key.clone(), (lsn, value.clone()));
        }
    }
    gathered
}

/// Sorts by number and keeps the value that came last, as the readers of the memtables do.
fn keep_newest(entries: &mut Vec<Entry>) {
    entries.reverse();
    entries.sort_by_key(|e| e.number);
    entries.dedup_by_key(|e| e.number);
}

fn message_runs(gathered: &Gathered) -> Vec<usize> {
    let mut sizes = Vec::new();
    for (series, (_, entries)) in &gathered.series {
        if matches!(series.series, Series::Message | Series::Inbox) {
            for run in cut_runs(entries) {
                sizes.push(entries[run].iter().map(|e| e.header.len() + e.body.len()).sum());
            }
        }
    }
    sizes
}

fn ratio_per_kib(shape: &Shape) -> u64 {
    (shape.sealed_bytes * 1024 / shape.raw_bytes).clamp(64, 1024)
}

fn state_run(gathered: &Gathered) -> (Run, u64) {
    let mut rows = Vec::with_capacity(gathered.state.len());
    let mut bytes = 0;
    for (key, (lsn, value)) in &gathered.state {
        let value = value.as_ref().map(|value| row::encode_state(key, *lsn, value));
        bytes += (key.len() + value.as_ref().map_or(0, Bytes::len)) as u64;
        rows.push((key.clone(), value));
    }
    (Run { space: Space::state(), large_values: false, rows }, bytes)
}

/// The log may drop what the flush before the kept ones stood for (E6).
fn trim(inner: &Inner, state: &mut FlushState) {
    state.history.push_back(inner.writers().applied.clone());
    if state.history.len() > inner.options.flushes_kept
        && !tenon_base::planted!("log-not-trimmed")
        && let Some(oldest) = state.history.pop_front()
    {
        let through: Vec<_> = oldest.into_iter().collect();
        inner.log.trim(&through);
    }
}
