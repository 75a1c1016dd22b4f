//! The law of the `Kv` door as a model: maps per space, flushes that take time, crashes inside them.
//!
//! The real engine has no file-system trait, so it cannot run on the simulated disk; it has to keep this law in its contract
//! suite. A flush that returned is durable. A crash inside one keeps none of it, some runs outside `state`, or all of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tenon_ports::memory::{MemorySnapshot, Rows, Spaces};
use tenon_ports::{Checkpoint, Kv, KvError, KvSnapshot, Run, Space, kv};

use crate::exec::Timers;
use crate::rng::Rng;

/// Older states kept for a rollback.
const HISTORY: usize = 3;

/// What the store does wrong. Rates are per million flushes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KvFaults {
    /// A flush writes a part and ends with an error.
    pub flush_error: u32,
    /// Longest time a flush takes.
    pub delay_us: u64,
    /// A crash may bring back a state of before the last flush (a lying engine).
    pub rolls_back: bool,
}

#[derive(Debug)]
struct State {
    spaces: Spaces,
    before: VecDeque<Spaces>,
    under_way: BTreeMap<u64, (Vec<Run>, Checkpoint)>,
    next: u64,
    rng: Rng,
    faults: KvFaults,
    flushes: u64,
    failures: u64,
}

/// The simulated store. Cheap to clone; clones are the same store.
#[derive(Debug, Clone)]
pub struct SimKv {
    state: Arc<Mutex<State>>,
    timers: Timers,
}

impl SimKv {
    /// An empty store.
    pub fn new(rng: Rng, timers: Timers) -> Self {
        let state = State {
            spaces: Spaces::new(),
            before: VecDeque::new(),
            under_way: BTreeMap::new(),
            next: 0,
            rng,
            faults: KvFaults::default(),
            flushes: 0,
            failures: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), timers }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: KvFaults) {
        self.lock().faults = faults;
    }

    /// Flushes that returned.
    pub fn flushes(&self) -> u64 {
        self.lock().flushes
    }

    /// Flushes that failed.
    pub fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// The process dies: what is under way ends somewhere. True if the engine fell back behind a returned flush.
    pub fn crash(&self) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        for (runs, checkpoint) in std::mem::take(&mut state.under_way).into_values() {
            match state.rng.below(3) {
                0 => {}
                1 => state.put_some(runs),
                _ => state.put_all(runs, checkpoint),
            }
        }
        let falls = state.faults.rolls_back && state.before.len() > 1 && state.rng.below(2) == 0;
        if falls && let Some(older) = state.before.pop_back() {
            state.spaces = older;
        }
        falls
    }
}

impl State {
    fn put(&mut self, space: Space, rows: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) {
        let map = Arc::make_mut(self.spaces.entry(space).or_default());
        for (key, value) in rows {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
    }

    fn put_others(&mut self, runs: &[Run]) {
        for run in runs.iter().filter(|run| run.space != Space::state()) {
            self.put(run.space.clone(), run.rows.clone());
        }
    }

    /// Any of the runs outside `state`: the engine writes them in an order of its own.
    fn put_some(&mut self, mut runs: Vec<Run>) {
        runs.retain(|_| self.rng.below(2) == 0);
        self.put_others(&runs);
    }

    fn put_all(&mut self, runs: Vec<Run>, checkpoint: Checkpoint) {
        if self.before.len() >= HISTORY {
            self.before.pop_front();
        }
        self.before.push_back(self.spaces.clone());
        self.put_others(&runs);
        let of_state = runs.into_iter().filter(|run| run.space == Space::state());
        let mut rows: Vec<_> = of_state.flat_map(|run| run.rows).collect();
        rows.push((checkpoint.key, Some(checkpoint.value)));
        self.put(Space::state(), rows);
        self.flushes += 1;
    }
}

#[async_trait]
impl Kv for SimKv {
    async fn flush(&self, runs: Vec<Run>, checkpoint: Checkpoint) -> Result<(), KvError> {
        kv::check_flush(&runs, &checkpoint)?;
        let (id, delay) = {
            let mut state = self.lock();
            state.next += 1;
            let id = state.next;
            state.under_way.insert(id, (runs.clone(), checkpoint.clone()));
            let longest = state.faults.delay_us;
            (id, state.rng.below(longest + 1))
        };
        if delay > 0 {
            self.timers.sleep(delay).await;
        }
        let mut state = self.lock();
        state.under_way.remove(&id);
        let rate = state.faults.flush_error;
        if state.rng.chance(rate) {
            state.failures += 1;
            state.put_some(runs);
            return Err(KvError::Engine("failure asked for".to_owned()));
        }
        state.put_all(runs, checkpoint);
        Ok(())
    }

    fn snapshot(&self) -> Arc<dyn KvSnapshot> {
        Arc::new(MemorySnapshot(self.lock().spaces.clone()))
    }

    fn spaces(&self) -> Vec<Space> {
        self.lock().spaces.keys().cloned().collect()
    }

    async fn drop_space(&self, space: &Space) -> Result<(), KvError> {
        let mut state = self.lock();
        state.spaces.remove(space);
        // A rollback behind the drop would bring back a state whose log is trimmed; the engine syncs drops.
        state.before.clear();
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        let state = self.lock();
        let bytes = |rows: &Arc<Rows>| rows.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        state.spaces.values().map(|rows| bytes(rows) as u64).sum()
    }
}
