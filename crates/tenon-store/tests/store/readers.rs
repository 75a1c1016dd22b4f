//! Readers while everything moves: no number twice, none at or below the tip missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use tenon_base::{ConversationId, Lsn, PartitionId};
use tenon_ports::Direction;
use tenon_ports::memory::{MemoryKv, MemoryLog};
use tenon_store::{Part, SeriesKey, Store};

use crate::harness::{ORG, block_on, options};

const PARTITION: PartitionId = PartitionId(0);
/// Enough for several re-packs, the long generation included.
const FLUSHES: usize = 40;

/// A writer, a flusher that also re-packs, and readers in both directions, on threads of their own.
#[test]
fn no_reader_sees_a_number_twice_or_misses_one() {
    let (kv, log) = (Arc::new(MemoryKv::new()), Arc::new(MemoryLog::new()));
    let store = Store::open(kv as _, log as _, options()).unwrap();
    let key = SeriesKey::message(ORG, ConversationId(1));
    let (tip, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut writer = store.writer(PARTITION);
    std::thread::scope(|scope| {
        let (tip, is_done, store) = (&tip, &is_done, &store);
        scope.spawn(move || {
            let mut number = 0;
            while !is_done.load(Ordering::Acquire) {
                number += 1;
                let header = Bytes::from(vec![1, (number % 100) as u8]);
                writer.append(&key, number, header, Bytes::from(vec![number as u8; 120]));
                writer.publish();
                tip.store(number, Ordering::Release);
                if writer.rotation_wanted() {
                    writer.cut(Lsn::ZERO, &[]);
                }
                std::thread::yield_now();
            }
        });
        scope.spawn(move || {
            for _ in 0..FLUSHES {
                flush_on_this_thread(store);
                block_on(store.repack_once()).unwrap();
            }
            is_done.store(true, Ordering::Release);
        });
        for direction in [Direction::Forward, Direction::Backward] {
            scope.spawn(move || {
                while !is_done.load(Ordering::Acquire) {
                    read_below_the_tip(store, &key, tip.load(Ordering::Acquire), direction);
                }
            });
        }
    });
    assert!(store.figures().repacks > 0);
}

/// The last few hundred numbers up to a tip that was seen before the view was taken.
fn read_below_the_tip(store: &Store, key: &SeriesKey, tip: u64, direction: Direction) {
    let from = tip.saturating_sub(400).max(1);
    let limits = (usize::MAX, usize::MAX);
    let page = store.view().entries(key, from, tip, direction, limits, Part::Whole).unwrap();
    let mut numbers: Vec<u64> = page.iter().map(|e| e.number).collect();
    if direction == Direction::Backward {
        numbers.reverse();
    }
    assert_eq!(numbers, (from..=tip).collect::<Vec<_>>());
}

/// The writer cuts on its own thread, so waiting takes as long as it takes.
fn flush_on_this_thread(store: &Store) {
    let mut flushing = std::pin::pin!(store.flush_once());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = flushing.as_mut().poll(&mut context) {
            done.unwrap();
            return;
        }
        std::thread::yield_now();
    }
}
