//! A store over doors in memory, the journal that its log would hold, and the model.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use tenon_base::{
    ByteSize, ConversationId, Lsn, OrgId, PartitionId, Pts, Random, Rev, SeededRandom, Seq, UserId,
};
use tenon_core::Layout;
use tenon_core::user::UserHeader;
use tenon_ports::memory::{MemoryKv, MemoryLog};
use tenon_ports::{Append, Direction, Durability, Kv, Log};
use tenon_store::{Entry, Part, SeriesKey, ShardWriter, Store, StoreError, StoreOptions, table};

pub(crate) const ORG: OrgId = OrgId(7);

/// The number that a reader in this direction meets next; the bound moves past it.
fn step(direction: Direction, low: &mut u64, high: &mut u64) -> u64 {
    match direction {
        Direction::Forward => {
            *low += 1;
            *low - 1
        }
        Direction::Backward => {
            *high -= 1;
            *high + 1
        }
    }
}

/// Runs a future of this crate, which waits for nothing but other futures polled here.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("the future waits for something that does not come");
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// New values of one series, each with about so many bytes.
    Append { series: usize, count: u64, bytes: usize },
    /// A state value; `None` deletes it.
    Put { id: u64, value: Option<u8> },
    /// Flush; fails after so many runs if given.
    Flush { failing_after: Option<usize> },
    /// Small values and flushes, so that a generation fills.
    Trickle,
    /// Re-pack; fails after so many runs if given.
    Repack { failing_after: Option<usize> },
    /// Process gone. With the tail of the log, an operator accepted the loss of everything behind the checkpoint.
    Crash { is_tail_lost: bool },
    /// One page, by shares of the tip.
    Read { series: usize, from: u8, to: u8, is_forward: bool, entries: usize, bytes: usize },
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let failing = || prop_oneof![4 => Just(None), 1 => (0usize..4).prop_map(Some)];
    let append = (0usize..SERIES, 1u64..30, prop_oneof![0usize..40, 100usize..4000]);
    let read =
        (0usize..SERIES, any::<u8>(), any::<u8>(), any::<bool>(), 1usize..60, 1usize..60_000);
    prop_oneof![
        8 => append.prop_map(|(series, count, bytes)| Op::Append { series, count, bytes }),
        2 => (0u64..12, prop::option::weighted(0.7, any::<u8>()))
            .prop_map(|(id, value)| Op::Put { id, value }),
        3 => failing().prop_map(|failing_after| Op::Flush { failing_after }),
        2 => Just(Op::Trickle),
        3 => failing().prop_map(|failing_after| Op::Repack { failing_after }),
        1 => any::<bool>().prop_map(|is_tail_lost| Op::Crash { is_tail_lost }),
        6 => read.prop_map(|(series, from, to, is_forward, entries, bytes)| {
            Op::Read { series, from, to, is_forward, entries, bytes }
        }),
    ]
}

/// One record of the journal and what it does.
#[derive(Debug, Clone)]
enum Effect {
    Append(SeriesKey, Entry),
    Put(Bytes, Option<Bytes>),
}

pub(crate) const LAYOUT: Layout = Layout { conversations: 1, users: 1 };
pub(crate) const PARTITIONS: [PartitionId; 2] = [PartitionId(0), PartitionId(256)];
const SERIES: usize = 5;

/// (series, its partition, its first number). One crosses the end of a bucket.
fn series(index: usize) -> (SeriesKey, usize, u64) {
    match index {
        0 => (SeriesKey::message(ORG, ConversationId(1)), 0, 1),
        1 => (SeriesKey::message(ORG, ConversationId(2)), 0, 65_520),
        2 => (SeriesKey::event(ORG, ConversationId(1)), 0, 1),
        3 => (SeriesKey::inbox(ORG, UserId(3), ConversationId(1)), 1, 1),
        _ => (SeriesKey::queue(ORG, UserId(3)), 1, 1),
    }
}

pub(crate) struct House {
    pub(crate) kv: Arc<MemoryKv>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) store: Store,
    writers: Vec<ShardWriter>,
    applied: [Lsn; 2],
    journal: [Vec<(Lsn, Effect)>; 2],
    random: SeededRandom,
}

pub(crate) fn options() -> StoreOptions {
    StoreOptions {
        generation_fills: 3,
        cache_bytes: ByteSize::kib(256),
        flushes_kept: 1_000_000,
        layout: Some(LAYOUT),
        ..StoreOptions::default()
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let (kv, log) = (Arc::new(MemoryKv::new()), Arc::new(MemoryLog::new()));
        let store = Store::open(Arc::clone(&kv) as _, Arc::clone(&log) as _, options()).unwrap();
        let writers = PARTITIONS.iter().map(|p| store.writer(*p)).collect();
        Self {
            kv,
            log,
            store,
            writers,
            applied: [Lsn::ZERO; 2],
            journal: [Vec::new(), Vec::new()],
            random: SeededRandom::new(5),
        }
    }

    pub(crate) fn apply(&mut self, op: Op) {
        match op {
            Op::Append { series, count, bytes } => self.append(series, count, bytes),
            Op::Put { id, value } => {
                let key = state_key(id);
                self.record(0, Effect::Put(key, value.map(|v| vec![v; 9].into())));
                self.writers[0].publish();
            }
            Op::Flush { failing_after } => {
                if let Some(runs) = failing_after {
                    self.kv.fail_after_runs(runs);
                }
                assert_eq!(self.flush().is_err(), failing_after.is_some());
            }
            Op::Trickle => {
                for series in 0..SERIES {
                    self.append(series, 1, 20);
                }
                self.flush().unwrap();
            }
            Op::Repack { failing_after } => self.repack(failing_after),
            Op::Crash { is_tail_lost } => self.crash(is_tail_lost),
            Op::Read { series: index, from, to, is_forward, entries, bytes } => {
                let (key, _, first) = series(index);
                let model = self.model(key);
                let tip = model.keys().next_back().copied().unwrap_or(first);
                let at = |share: u8| first + (tip - first) * u64::from(share) / 255;
                let (from, to) = (at(from.min(to)), at(from.max(to)));
                self.check_page(key, from..=to, is_forward, (entries, bytes));
            }
        }
    }

    fn repack(&mut self, failing_after: Option<usize>) {
        if let Some(runs) = failing_after {
            self.kv.fail_after_runs(runs);
            // Without a full generation nothing fails, and the failure must not wait for another flush.
            if block_on(self.store.repack_once()).is_ok() {
                let failed = self.flush();
                assert!(failed.is_err());
            }
        } else {
            block_on(self.store.repack_once()).unwrap();
        }
    }

    pub(crate) fn append(&mut self, index: usize, count: u64, bytes: usize) {
        let (key, partition, first) = series(index);
        let next = self.model(key).keys().next_back().map_or(first, |n| n + 1);
        for number in next..next + count {
            let mut body = vec![0; bytes + (self.random.next_u64() % 7) as usize];
            self.random.fill(&mut body);
            let mut header = vec![1, (number % 127) as u8];
            header.extend_from_slice(&number.to_le_bytes());
            let entry = Entry { number, header: header.into(), body: body.into() };
            self.record(partition, Effect::Append(key, entry));
        }
        self.writers[partition].publish();
    }

    fn record(&mut self, partition: usize, effect: Effect) {
        let append = Append {
            partition: PARTITIONS[partition],
            producer: 1,
            producer_seq: 0,
            time_us: 0,
            key_id: 0,
            leader_epoch: 0,
            kind: 1,
            payload: Bytes::new(),
        };
        let lsn = block_on(self.log.append(vec![append], Durability::Durable)).unwrap()[0];
        self.journal[partition].push((lsn, effect.clone()));
        self.take_effect(partition, lsn, effect);
    }

    fn take_effect(&mut self, partition: usize, lsn: Lsn, effect: Effect) {
        let writer = &mut self.writers[partition];
        match effect {
            Effect::Append(key, entry) => {
                writer.append(&key, entry.number, entry.header, entry.body);
            }
            Effect::Put(key, value) => writer.put(key, value),
        }
        self.applied[partition] = lsn;
    }

    pub(crate) fn flush(&mut self) -> Result<tenon_store::Flushed, StoreError> {
        let store = self.store.clone();
        let mut flushing = pin!(store.flush_once());
        let mut context = Context::from_waker(Waker::noop());
        let early = flushing.as_mut().poll(&mut context);
        if let Poll::Ready(done) = early {
            return done;
        }
        let tips = self.tips();
        for ((writer, applied), tips) in self.writers.iter_mut().zip(self.applied).zip(tips) {
            if writer.rotation_wanted() {
                writer.put(tips.0, Some(tips.1));
                writer.cut(applied, &[]);
            }
        }
        block_on(flushing)
    }

    /// The dirty objects that each partition encodes at its cut.
    fn tips(&self) -> [(Bytes, Bytes); 2] {
        let tip = |index| self.model(series(index).0).keys().next_back().copied().unwrap_or(0);
        let (conv, user) = (ConversationId(1), UserId(3));
        let header = tenon_core::Header {
            org: ORG,
            conv,
            seq: Seq(tip(0)),
            rev: Rev(tip(2)),
            ..Default::default()
        };
        let user_header = UserHeader { org: ORG, user, tip: Pts(tip(4)), ..Default::default() };
        [
            (table::header::key(ORG, conv), table::header::encode(&header)),
            (table::user_header::key(ORG, user), table::user_header::encode(&user_header)),
        ]
    }

    /// Everything the engine holds verifies, and every number is there. After a flush.
    pub(crate) fn check_verified(&self) {
        let report = self.store.view().verify().unwrap();
        assert!(report.is_clean(), "{report:?}");
        let promised: usize = [0, 2, 4].into_iter().map(|i| self.model(series(i).0).len()).sum();
        assert_eq!(report.numbers, promised as u64);
    }

    pub(crate) fn hashes(&self) -> [u128; 2] {
        PARTITIONS.map(|p| self.store.view().partition_hash(LAYOUT, p).unwrap())
    }

    fn crash(&mut self, is_tail_lost: bool) {
        self.writers.clear();
        let (kv, log) = (Arc::clone(&self.kv), Arc::clone(&self.log));
        self.store = Store::open(kv as _, log as _, options()).unwrap();
        self.writers = PARTITIONS.iter().map(|p| self.store.writer(*p)).collect();
        for (partition, id) in PARTITIONS.iter().enumerate() {
            let applied = self.store.applied(*id);
            self.applied[partition] = applied;
            if is_tail_lost {
                self.journal[partition].retain(|(lsn, _)| *lsn <= applied);
            }
            let tail: Vec<_> =
                self.journal[partition].iter().filter(|(lsn, _)| *lsn > applied).cloned().collect();
            for (lsn, effect) in tail {
                self.take_effect(partition, lsn, effect);
            }
            self.writers[partition].publish();
        }
    }

    fn model(&self, key: SeriesKey) -> BTreeMap<u64, Entry> {
        let all = self.journal.iter().flatten();
        all.filter_map(|(_, effect)| match effect {
            Effect::Append(k, entry) if *k == key => Some((entry.number, entry.clone())),
            _ => None,
        })
        .collect()
    }

    fn check_page(
        &self,
        key: SeriesKey,
        range: RangeInclusive<u64>,
        is_forward: bool,
        (entries, bytes): (usize, usize),
    ) {
        let (from, to) = range.into_inner();
        let model = self.model(key);
        let direction = if is_forward { Direction::Forward } else { Direction::Backward };
        for part in [Part::Whole, Part::Headers] {
            let mut range: Vec<Entry> = model.range(from..=to).map(|(_, e)| e.clone()).collect();
            if !is_forward {
                range.reverse();
            }
            let mut expected = Vec::new();
            let mut sum = 0;
            for mut entry in range.into_iter().take(entries) {
                if part == Part::Headers {
                    entry.body = Bytes::new();
                }
                sum += entry.header.len() + entry.body.len();
                expected.push(entry);
                if sum >= bytes {
                    break;
                }
            }
            let view = self.store.view();
            let page = view.entries(&key, from, to, direction, (entries, bytes), part).unwrap();
            // Not assert_eq: it would print every byte.
            let numbers = |page: &[Entry]| page.iter().map(|e| e.number).collect::<Vec<_>>();
            let what = format!("{key:?} {from}..={to} {direction:?} {part:?}");
            assert_eq!(numbers(&page), numbers(&expected), "{what}");
            assert!(page == expected, "{what}: contents");
        }
    }

    /// Whole series both ways, each point, all state.
    pub(crate) fn check_all(&self) {
        for index in 0..SERIES {
            let (key, _, first) = series(index);
            let model = self.model(key);
            let Some(tip) = model.keys().next_back() else { continue };
            self.check_page(key, first..=*tip, true, (usize::MAX, usize::MAX));
            self.check_page(key, first..=*tip, false, (usize::MAX, usize::MAX));
            for number in (first..=*tip).step_by(3) {
                let found = self.store.view().entry(&key, number).unwrap();
                assert_eq!(found.as_ref(), model.get(&number));
            }
        }
        let mut state: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        for (_, effect) in self.journal.iter().flatten() {
            match effect {
                Effect::Put(key, Some(value)) => state.insert(key.clone(), value.clone()),
                Effect::Put(key, None) => state.remove(key),
                Effect::Append(..) => None,
            };
        }
        let prefix = state_key(0).slice(..9);
        let view = self.store.view();
        let scanned = view.state_scan(&prefix, &prefix, usize::MAX).unwrap();
        assert_eq!(scanned, state.clone().into_iter().collect::<Vec<_>>());
        for id in 0..12 {
            let key = state_key(id);
            assert_eq!(view.state(&key).unwrap().as_ref(), state.get(&key));
        }
    }

    pub(crate) fn spaces(&self) -> Vec<String> {
        self.kv.spaces().iter().map(|space| space.0.to_string()).collect()
    }
}

fn state_key(id: u64) -> Bytes {
    let mut key = ORG.0.to_be_bytes().to_vec();
    key.push(0x99);
    key.extend_from_slice(&id.to_be_bytes());
    key.into()
}

impl House {
    /// Reads all series of a copy of the store with one row damaged, for each row that holds values.
    pub(crate) fn check_damage(&self, direction: Direction) {
        let snapshot = self.kv.snapshot();
        for space in self.kv.spaces() {
            if space == tenon_ports::Space::state() {
                continue;
            }
            let end = [0xff; 64];
            let rows = snapshot
                .scan(&space, b"", &end, Direction::Forward, usize::MAX, usize::MAX)
                .unwrap();
            for (key, value) in rows {
                let mut bad = value.to_vec();
                let at = bad.len() / 2;
                bad[at] ^= 4;
                let kv = Arc::new(MemoryKv::new());
                copy(&*snapshot, &self.kv.spaces(), &kv, (&space, &key, &bad));
                let store = Store::open(kv as _, Arc::clone(&self.log) as _, options()).unwrap();
                let report = store.view().verify().unwrap();
                assert!(!report.is_clean(), "verify missed damage of {space:?} {key:?}");
                let missing: u64 = (0..SERIES)
                    .map(|index| self.read_around_damage(&store, index, direction))
                    .sum();
                assert!(missing > 0, "damage of {space:?} {key:?} was not told");
                assert!(store.figures().damaged > 0);
            }
        }
    }

    /// Reads a series page by page, stepping over what is told to be damaged; returns how many numbers that were.
    fn read_around_damage(&self, store: &Store, index: usize, direction: Direction) -> u64 {
        let (key, _, first) = series(index);
        let model = self.model(key);
        let Some(tip) = model.keys().next_back().copied() else { return 0 };
        let (mut low, mut high) = (first, tip);
        let mut missing = 0;
        let view = store.view();
        while low <= high {
            let limits = (7, usize::MAX);
            match view.entries(&key, low, high, direction, limits, Part::Whole) {
                Ok(page) => {
                    for entry in &page {
                        assert_eq!(model.get(&entry.number), Some(entry));
                        assert_eq!(entry.number, step(direction, &mut low, &mut high));
                    }
                    assert!(!page.is_empty(), "{key:?} {low}..={high} lost silently");
                }
                Err(StoreError::Degraded { first, last, .. }) => match direction {
                    Direction::Forward => {
                        assert!(first <= low && last >= low);
                        missing += last.min(high) - low + 1;
                        low = last + 1;
                    }
                    Direction::Backward => {
                        assert!(first <= high && last >= high);
                        missing += high - first.max(low) + 1;
                        high = first - 1;
                    }
                },
                Err(other) => panic!("{other}"),
            }
        }
        missing
    }
}

type Damage<'a> = (&'a tenon_ports::Space, &'a Bytes, &'a [u8]);

fn copy(
    from: &dyn tenon_ports::KvSnapshot,
    spaces: &[tenon_ports::Space],
    to: &MemoryKv,
    (bad_space, bad_key, bad_value): Damage<'_>,
) {
    let checkpoint_key = [0u8; 9];
    let mut checkpoint = None;
    let mut runs = Vec::new();
    for space in spaces {
        let end = [0xff; 64];
        let found =
            from.scan(space, b"", &end, Direction::Forward, usize::MAX, usize::MAX).unwrap();
        let mut rows = Vec::new();
        for (key, value) in found {
            if key[..] == checkpoint_key {
                checkpoint = Some(tenon_ports::Checkpoint { key, value });
            } else if space == bad_space && key == bad_key {
                rows.push((key, Some(Bytes::copy_from_slice(bad_value))));
            } else {
                rows.push((key, Some(value)));
            }
        }
        runs.push(tenon_ports::Run { space: space.clone(), large_values: false, rows });
    }
    block_on(to.flush(runs, checkpoint.unwrap())).unwrap();
}
