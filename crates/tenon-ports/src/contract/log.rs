//! Laws of the `Log` door.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::limits::RECORD_BYTES_MAX;
use tenon_base::{Lsn, PartitionId, Retry};

use super::{block_on, poll_once};
use crate::{Append, Durability, Log, LogError, Reach, Record};

/// How the suite opens a log and makes it suffer. Each law gets a fresh one.
pub trait LogHarness {
    /// Opens the log: empty at first, later with what the last stop left.
    fn open(&mut self) -> Arc<dyn Log>;
    /// A planned stop.
    fn close(&mut self, log: Arc<dyn Log>);
    /// A power cut: what is not durable may be lost.
    fn crash(&mut self, log: Arc<dyn Log>);
    /// While stalled no write ends.
    fn stall(&mut self, is_stalled: bool);
    /// Every write from now on fails, until the next [`crash`](Self::crash).
    fn fail(&mut self);
    /// While full the disk takes nothing new.
    fn fill(&mut self, is_full: bool);
}

const P: PartitionId = PartitionId(7);
const Q: PartitionId = PartitionId(300);

/// A record that can be told from all others.
pub fn record(partition: PartitionId, number: u64, bytes: usize) -> Append {
    Append {
        partition,
        producer: number + 1,
        producer_seq: number + 2,
        time_us: number + 3,
        key_id: number + 4,
        leader_epoch: number + 5,
        kind: 1 + u8::try_from(number % 4).unwrap(),
        payload: Bytes::from(vec![u8::try_from(number % 251).unwrap(); bytes]),
    }
}

fn append(log: &dyn Log, records: Vec<Append>, durability: Durability) -> Vec<Lsn> {
    block_on(log.append(records, durability)).unwrap()
}

fn durable(log: &dyn Log, partition: PartitionId, numbers: std::ops::Range<u64>) -> Vec<Lsn> {
    let records = numbers.map(|number| record(partition, number, 100)).collect();
    append(log, records, Durability::Durable)
}

fn read_all(log: &dyn Log, partition: PartitionId, mut after: Lsn, reach: Reach) -> Vec<Record> {
    let mut all = Vec::new();
    loop {
        let page = block_on(log.read(partition, after, reach, 4096)).unwrap();
        let Some(last) = page.last() else { return all };
        after = last.lsn;
        all.extend(page);
    }
}

fn same(left: &Append, right: &Append) -> bool {
    let key = |a: &Append| {
        (a.partition, a.producer, a.producer_seq, a.time_us, a.key_id, a.leader_epoch, a.kind)
    };
    key(left) == key(right) && left.payload == right.payload
}

fn assert_numbers(records: &[Record], partition: PartitionId, first: u64, count: u64) {
    assert_eq!(records.len() as u64, count);
    for (at, found) in (first..).zip(records) {
        assert_eq!(found.lsn, Lsn(at), "dense from {first}");
        assert!(same(&found.append, &record(partition, at - 1, found.append.payload.len())));
    }
}

/// G2: positions of a partition are dense from 1, and what is read is what was appended.
pub fn records_come_back_in_order(harness: &mut dyn LogHarness) {
    let log = harness.open();
    let mut both = Vec::new();
    for number in 0..50 {
        both.push(record(P, number, 10 + usize::try_from(number).unwrap()));
        both.push(record(Q, number, 0));
    }
    let given = append(log.as_ref(), both, Durability::Durable);
    for (at, lsns) in (1..).zip(given.chunks(2)) {
        assert_eq!(lsns, [Lsn(at), Lsn(at)]);
    }
    assert_eq!(durable(log.as_ref(), P, 50..60), (51..=60).map(Lsn).collect::<Vec<_>>());
    assert_numbers(&read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed), P, 1, 60);
    assert_numbers(&read_all(log.as_ref(), Q, Lsn(20), Reach::Committed), Q, 21, 30);
    assert!(block_on(log.read(PartitionId(9), Lsn::ZERO, Reach::Enqueued, 1)).unwrap().is_empty());
    assert!(append(log.as_ref(), Vec::new(), Durability::Durable).is_empty());
    harness.close(log);
}

/// G1, G5: an acked append is shown at once and survives a power cut and a planned stop; positions go on.
pub fn acked_appends_survive(harness: &mut dyn LogHarness) {
    let log = harness.open();
    durable(log.as_ref(), P, 0..40);
    assert_eq!(log.last(P, Reach::Committed), Lsn(40));
    harness.crash(log);
    let log = harness.open();
    assert!(log.was_unclean());
    assert_eq!(log.last(P, Reach::Committed), Lsn(40));
    assert_eq!(durable(log.as_ref(), P, 40..41), [Lsn(41)]);
    durable(log.as_ref(), Q, 0..1);
    harness.close(log);
    let log = harness.open();
    assert!(!log.was_unclean());
    assert_numbers(&read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed), P, 1, 41);
    assert_numbers(&read_all(log.as_ref(), Q, Lsn::ZERO, Reach::Committed), Q, 1, 1);
    harness.close(log);
}

/// Lazy records have their place at once, are seen by `Enqueued` readers only, and commit with what follows.
pub fn lazy_records_ride_along(harness: &mut dyn LogHarness) {
    let log = harness.open();
    durable(log.as_ref(), P, 0..1);
    harness.stall(true);
    assert_eq!(append(log.as_ref(), vec![record(P, 1, 9)], Durability::Lazy), [Lsn(2)]);
    assert_eq!(log.last(P, Reach::Enqueued), Lsn(2));
    assert_eq!(log.last(P, Reach::Committed), Lsn(1));
    assert_numbers(&read_all(log.as_ref(), P, Lsn(1), Reach::Enqueued), P, 2, 1);
    assert!(read_all(log.as_ref(), P, Lsn(1), Reach::Committed).is_empty());
    assert!(!poll_once(log.committed(P, Lsn(2))));
    harness.stall(false);
    block_on(log.committed(P, Lsn(2))).unwrap();
    append(log.as_ref(), vec![record(P, 2, 9)], Durability::Lazy);
    durable(log.as_ref(), P, 3..4);
    assert_numbers(&read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed), P, 1, 4);
    harness.close(log);
}

/// A read gives at most what was asked for, but at least one record.
pub fn reads_are_bounded(harness: &mut dyn LogHarness) {
    let log = harness.open();
    durable(log.as_ref(), P, 0..10);
    for (bytes_max, count) in [(0, 1), (99, 1), (100, 1), (250, 2), (1000, 10), (5000, 10)] {
        let page = block_on(log.read(P, Lsn::ZERO, Reach::Committed, bytes_max)).unwrap();
        assert_eq!(page.len(), count, "{bytes_max} bytes");
    }
    assert!(block_on(log.read(P, Lsn(10), Reach::Committed, 9)).unwrap().is_empty());
    harness.close(log);
}

/// G8: a record above the bound is refused and leaves nothing behind; one at the bound passes.
pub fn too_large_is_refused(harness: &mut dyn LogHarness) {
    let log = harness.open();
    let records = vec![record(P, 0, 10), record(P, 1, RECORD_BYTES_MAX + 1)];
    let error = block_on(log.append(records, Durability::Durable)).unwrap_err();
    assert!(matches!(error, LogError::TooLarge(_)) && error.retry() == Retry::Never);
    assert_eq!(log.last(P, Reach::Enqueued), Lsn::ZERO);
    assert_eq!(durable(log.as_ref(), P, 0..1), [Lsn(1)]);
    harness.close(log);
}

/// A full queue refuses without a trace and takes appends again when it has drained.
pub fn full_is_refused(harness: &mut dyn LogHarness) {
    let log = harness.open();
    durable(log.as_ref(), P, 0..1);
    harness.stall(true);
    let mut count = 1;
    let error = loop {
        match block_on(log.append(vec![record(P, count, 4000)], Durability::Lazy)) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 1_000_000, "the queue has a bound");
    };
    assert!(matches!(error, LogError::Full | LogError::DiskFull) && error.retry() == Retry::Safe);
    assert_eq!(log.last(P, Reach::Enqueued), Lsn(count));
    harness.stall(false);
    block_on(log.committed(P, Lsn(count))).unwrap();
    assert_numbers(&read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed), P, 1, count);
    assert_eq!(durable(log.as_ref(), P, count..count + 1), [Lsn(count + 1)]);
    harness.close(log);
}

/// L3: a full disk refuses appends before it loses any, and recovers by itself.
pub fn full_disk_is_refused(harness: &mut dyn LogHarness) {
    let log = harness.open();
    harness.fill(true);
    let mut count = 0;
    let error = loop {
        match block_on(log.append(vec![record(P, count, 4000)], Durability::Durable)) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 100_000, "the disk has a bound");
    };
    assert!(matches!(error, LogError::DiskFull) && error.retry() == Retry::Safe);
    assert_numbers(&read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed), P, 1, count);
    harness.fill(false);
    let mut patience = 10_000;
    while let Err(error) = block_on(log.append(vec![record(P, count, 10)], Durability::Durable)) {
        assert!(matches!(error, LogError::DiskFull) && patience > 0);
        patience -= 1;
        thread::park_timeout(Duration::from_millis(1));
    }
    assert_eq!(log.last(P, Reach::Committed), Lsn(count + 1));
    harness.close(log);
}

/// L1: after a failed write waiting appends end `Unknown`, later ones `Safe`, and acked records are there after a reopen.
pub fn failure_poisons(harness: &mut dyn LogHarness) {
    let log = harness.open();
    durable(log.as_ref(), P, 0..5);
    harness.fail();
    let error = block_on(log.append(vec![record(P, 5, 10)], Durability::Durable)).unwrap_err();
    assert!(error.retry() == Retry::Unknown || matches!(error, LogError::Poisoned), "{error}");
    let error = block_on(log.append(vec![record(P, 6, 10)], Durability::Durable)).unwrap_err();
    assert!(matches!(error, LogError::Poisoned) && error.retry() == Retry::Safe);
    assert!(block_on(log.committed(P, Lsn(9))).is_err());
    // Nothing will come any more: who follows the log waits for its end and does not turn in circles.
    assert!(!poll_once(log.notified(P, Lsn(9), Reach::Committed)));
    assert_numbers(&read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed), P, 1, 5);
    harness.crash(log);
    let log = harness.open();
    assert!(log.last(P, Reach::Committed) >= Lsn(5));
    let old = read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed);
    assert_numbers(&old, P, 1, old.len() as u64);
    let next = log.last(P, Reach::Committed).0;
    assert_eq!(durable(log.as_ref(), P, next..next + 1), [Lsn(next + 1)]);
    harness.close(log);
}

/// G4, G6: what is trimmed may be gone and says so; what is not, stays; positions never start again.
pub fn trim_removes_only_what_it_may(harness: &mut dyn LogHarness) {
    let log = harness.open();
    for number in 0..200 {
        append(log.as_ref(), vec![record(P, number, 1000)], Durability::Durable);
        log.trim(&[(P, Lsn(number / 2))]);
    }
    let check = |log: &dyn Log, trimmed: u64| {
        match block_on(log.read(P, Lsn::ZERO, Reach::Committed, 10)) {
            Ok(page) => assert_eq!(page[0].lsn, Lsn(1)),
            Err(LogError::Trimmed { first }) => {
                assert!(first <= Lsn(trimmed + 1));
                let rest = read_all(log, P, Lsn(first.0 - 1), Reach::Committed);
                assert_numbers(&rest, P, first.0, 201 - first.0);
            }
            Err(error) => panic!("{error}"),
        }
        let rest = read_all(log, P, Lsn(trimmed), Reach::Committed);
        assert_numbers(&rest, P, trimmed + 1, 200 - trimmed);
    };
    check(log.as_ref(), 99);
    log.trim(&[(P, Lsn(200))]);
    assert!(block_on(log.read(P, Lsn(200), Reach::Committed, 10)).unwrap().is_empty());
    harness.crash(log);
    let log = harness.open();
    assert_eq!(log.last(P, Reach::Committed), Lsn(200));
    assert_eq!(append(log.as_ref(), vec![record(P, 200, 1000)], Durability::Durable), [Lsn(201)]);
    assert_numbers(&read_all(log.as_ref(), P, Lsn(200), Reach::Committed), P, 201, 1);
    harness.close(log);
}

/// G7: a waiting reader hears of a new record; one that is behind does not wait.
pub fn readers_are_notified(harness: &mut dyn LogHarness) {
    let log = harness.open();
    thread::scope(|scope| {
        for reach in [Reach::Committed, Reach::Enqueued] {
            let log = &log;
            scope.spawn(move || {
                while log.last(P, reach) < Lsn(3) {
                    block_on(log.notified(P, Lsn(2), reach));
                }
            });
        }
        for number in 0..3 {
            durable(log.as_ref(), P, number..number + 1);
        }
    });
    block_on(log.notified(P, Lsn(2), Reach::Committed));
    assert!(!poll_once(log.notified(P, Lsn(3), Reach::Enqueued)));
    harness.close(log);
}

/// Dropping the future of an append does not take its records back.
pub fn a_dropped_append_stays(harness: &mut dyn LogHarness) {
    let log = harness.open();
    harness.stall(true);
    assert!(!poll_once(log.append(vec![record(P, 0, 10)], Durability::Durable)));
    harness.stall(false);
    assert_eq!(durable(log.as_ref(), P, 1..2), [Lsn(2)]);
    assert_numbers(&read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed), P, 1, 2);
    harness.close(log);
}

/// Many callers at once: each is answered, nobody's records are reordered or given twice.
pub fn callers_share_the_log(harness: &mut dyn LogHarness) {
    let log = harness.open();
    thread::scope(|scope| {
        for caller in 0..8_u64 {
            let log = &log;
            scope.spawn(move || {
                let mut last = Lsn::ZERO;
                for turn in 0..50 {
                    let mut one = record(P, caller, 20);
                    one.producer_seq = turn;
                    let given = append(log.as_ref(), vec![one], Durability::Durable)[0];
                    assert!(given > last && log.last(P, Reach::Committed) >= given);
                    last = given;
                }
            });
        }
    });
    let all = read_all(log.as_ref(), P, Lsn::ZERO, Reach::Committed);
    assert_eq!(all.len(), 400);
    let mut turns = [0; 8];
    for (at, found) in (1..).zip(&all) {
        let turn = &mut turns[usize::try_from(found.append.producer - 1).unwrap()];
        assert!(found.lsn == Lsn(at) && found.append.producer_seq == *turn);
        *turn += 1;
    }
    harness.close(log);
}

/// Makes one test of each law of the `Log` door. `$make` gives a fresh [`LogHarness`].
#[macro_export]
macro_rules! log_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            $crate::log_contract!(@laws $make;
                records_come_back_in_order, acked_appends_survive, lazy_records_ride_along,
                reads_are_bounded, too_large_is_refused, full_is_refused, full_disk_is_refused,
                failure_poisons, trim_removes_only_what_it_may, readers_are_notified,
                a_dropped_append_stays, callers_share_the_log);
        }
    };
    (@laws $make:expr; $($law:ident),*) => {
        $(
            #[test]
            fn $law() {
                $crate::contract::log::$law(&mut $make);
            }
        )*
    };
}
