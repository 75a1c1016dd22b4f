//! Crashes, failures and damage at chosen places.

use std::sync::Arc;

use tenon_ports::{Direction, Kv};
use tenon_store::{Store, StoreError};

use crate::harness::{House, Op, block_on, options};

/// A flush that fails between two runs leaves values that no view ever shows, also when the numbers come again with other
/// contents.
#[test]
fn orphans_are_never_read() {
    for runs in 0..4 {
        for is_tail_lost in [false, true] {
            let mut house = House::new();
            house.append(0, 20, 900);
            house.flush().unwrap();
            house.append(0, 25, 900);
            house.append(2, 2, 30);
            house.apply(Op::Flush { failing_after: Some(runs) });
            house.check_all();
            house.apply(Op::Crash { is_tail_lost });
            house.check_all();
            house.append(0, 9, 900);
            house.append(2, 5, 30);
            house.flush().unwrap();
            house.check_all();
            house.apply(Op::Crash { is_tail_lost: false });
            house.check_all();
        }
    }
}

/// A space that a crash left outside every checkpoint is dropped before its name is given again, by a re-pack too.
#[test]
fn a_stray_goes_before_its_name_comes_again() {
    let mut house = House::new();
    for op in [Op::Flush { failing_after: None }, Op::Flush { failing_after: None }, Op::Trickle] {
        house.apply(op);
    }
    house.apply(Op::Repack { failing_after: Some(1) });
    house.apply(Op::Crash { is_tail_lost: false });
    house.apply(Op::Repack { failing_after: None });
    house.apply(Op::Flush { failing_after: None });
    house.check_all();
}

/// Generations are dropped whole, singles move to the long one, and that ends in blocks too.
#[test]
fn repack_leaves_few_spaces() {
    let mut house = House::new();
    for _ in 0..30 {
        house.apply(Op::Trickle);
        block_on(house.store.repack_once()).unwrap();
    }
    house.check_all();
    let spaces = house.spaces();
    let rows = spaces.iter().filter(|s| s.starts_with("row") || s.starts_with("long")).count();
    assert!(rows <= 4, "{spaces:?}");
    let figures = house.store.figures();
    assert!(figures.repacks >= 9 && figures.failures == 0, "{figures:?}");
    assert_eq!(figures.damaged, 0);
}

/// A store that stands on records the log does not hold refuses to open (K3).
#[test]
fn a_store_ahead_of_its_log_refuses() {
    let mut house = House::new();
    house.append(0, 3, 10);
    house.flush().unwrap();
    let empty = Arc::new(tenon_ports::memory::MemoryLog::new());
    let opened = Store::open(Arc::clone(&house.kv) as _, empty as _, options());
    assert!(matches!(opened, Err(StoreError::OutOfStep { .. })));
}

/// Every row of the engine, damaged one at a time: what cannot be read says so, what can is right.
#[test]
fn damage_is_told_and_stays_where_it_is() {
    let mut house = House::new();
    house.append(0, 40, 900);
    house.append(4, 40, 4);
    house.append(2, 3, 10);
    house.flush().unwrap();
    house.append(0, 1, 100);
    house.append(2, 1, 10);
    house.flush().unwrap();
    house.check_damage(Direction::Forward);
    house.check_damage(Direction::Backward);
    assert!(house.kv.disk_bytes() > 0);
}
