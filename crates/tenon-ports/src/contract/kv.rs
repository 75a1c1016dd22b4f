//! Laws of the `Kv` door.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::Retry;
use tenon_base::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use super::block_on;
use crate::{Checkpoint, Direction, Kv, KvError, KvSnapshot, Run, Space};

/// How the suite opens a store. Each law gets a fresh one.
pub trait KvHarness {
    /// Opens the store: empty at first, later with what the last stop left.
    fn open(&mut self) -> Arc<dyn Kv>;
    /// Stops it. What returned flushes wrote must be there after the next open.
    fn close(&mut self, kv: Arc<dyn Kv>);
}

type Row<'a> = (&'a [u8], Option<&'a [u8]>);

fn run(space: &str, rows: &[Row<'_>]) -> Run {
    let owned =
        |(key, value): &Row<'_>| (Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
    Run {
        space: Space::new(space),
        large_values: space.starts_with("block"),
        rows: rows.iter().map(owned).collect(),
    }
}

fn checkpoint(number: u64) -> Checkpoint {
    Checkpoint {
        key: Bytes::from_static(b"checkpoint"),
        value: Bytes::copy_from_slice(&number.to_be_bytes()),
    }
}

fn flush(kv: &dyn Kv, number: u64, runs: Vec<Run>) {
    block_on(kv.flush(runs, checkpoint(number))).unwrap();
}

fn get(snapshot: &dyn KvSnapshot, space: &str, key: &[u8]) -> Option<Vec<u8>> {
    snapshot.get(&Space::new(space), key).unwrap().map(|value| value.to_vec())
}

fn keys(snapshot: &dyn KvSnapshot, space: &str, direction: Direction) -> Vec<Vec<u8>> {
    let rows = snapshot.scan(&Space::new(space), b"", &[255; 9], direction, 1000, 1 << 20).unwrap();
    rows.into_iter().map(|(key, _)| key.to_vec()).collect()
}

/// S1, S5: keys compare unsigned; scans respect their bounds, both ways; absent spaces are empty.
pub fn scans_are_ordered_and_bounded(harness: &mut dyn KvHarness) {
    let kv = harness.open();
    let rows: [Row<'_>; 5] = [
        (b"\x00", Some(b"0")),
        (b"\x00\x00", Some(b"11")),
        (b"\x7f", Some(b"222")),
        (b"\x80", Some(b"")),
        (b"\xff\xff", Some(b"4")),
    ];
    flush(kv.as_ref(), 1, vec![run("row-1", &rows)]);
    let snapshot = kv.snapshot();
    let mut sorted: Vec<Vec<u8>> = rows.iter().map(|(key, _)| key.to_vec()).collect();
    assert_eq!(keys(snapshot.as_ref(), "row-1", Direction::Forward), sorted);
    sorted.reverse();
    assert_eq!(keys(snapshot.as_ref(), "row-1", Direction::Backward), sorted);
    let space = Space::new("row-1");
    let scan = |from: &[u8], to: &[u8], direction, rows, bytes| {
        let found = snapshot.scan(&space, from, to, direction, rows, bytes).unwrap();
        found.into_iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>()
    };
    use Direction::{Backward, Forward};
    assert_eq!(scan(b"\x00\x00", b"\x80", Forward, 9, 99), [b"\x00\x00".to_vec(), vec![0x7f]]);
    assert_eq!(scan(b"\x00", b"\x80", Backward, 2, 99), [vec![0x7f], b"\x00\x00".to_vec()]);
    assert_eq!(scan(b"\x00", b"\xff", Forward, 9, 0), [vec![0]]);
    assert_eq!(scan(b"\x00", b"\xff", Forward, 9, 3), [vec![0], b"\x00\x00".to_vec()]);
    assert!(scan(b"\x80", b"\x80", Forward, 9, 99).is_empty());
    assert!(scan(b"\x80", b"\x00", Backward, 9, 99).is_empty());
    assert!(scan(b"\x00", b"\xff", Forward, 0, 99).is_empty());
    assert_eq!(get(snapshot.as_ref(), "row-1", b"\x80"), Some(vec![]));
    assert_eq!(get(snapshot.as_ref(), "row-1", b"\x81"), None);
    assert_eq!(get(snapshot.as_ref(), "row-2", b"\x00"), None);
    assert!(keys(snapshot.as_ref(), "row-2", Forward).is_empty());
    drop(snapshot);
    harness.close(kv);
}

/// A later flush replaces values, `None` deletes, and both survive a reopen.
pub fn later_flushes_win(harness: &mut dyn KvHarness) {
    let kv = harness.open();
    flush(kv.as_ref(), 1, vec![run("state", &[(b"a", Some(b"1")), (b"b", Some(b"1"))])]);
    flush(kv.as_ref(), 2, vec![run("state", &[(b"a", Some(b"2")), (b"b", None), (b"x", None)])]);
    flush(kv.as_ref(), 3, vec![run("row-1", &[(b"k", Some(b"1"))]), run("row-2", &[])]);
    flush(kv.as_ref(), 4, vec![run("row-1", &[(b"k", None), (b"l", Some(b"2"))])]);
    let check = |kv: &dyn Kv| {
        let snapshot = kv.snapshot();
        let snapshot = snapshot.as_ref();
        assert_eq!(get(snapshot, "state", b"a"), Some(b"2".to_vec()));
        assert_eq!(get(snapshot, "state", b"b"), None);
        assert_eq!(get(snapshot, "state", b"checkpoint"), Some(4_u64.to_be_bytes().to_vec()));
        assert_eq!(keys(snapshot, "row-1", Direction::Forward), [b"l".to_vec()]);
        assert_eq!(kv.spaces(), [Space::new("row-1"), Space::state()]);
    };
    check(kv.as_ref());
    harness.close(kv);
    let kv = harness.open();
    check(kv.as_ref());
    harness.close(kv);
}

/// S4: the state run and the checkpoint are one step; each survives with the other, wherever its key sorts.
pub fn state_and_checkpoint_are_one(harness: &mut dyn KvHarness) {
    let mut kv = harness.open();
    for number in 1..=20_u64 {
        let value = number.to_be_bytes();
        let rows: [Row<'_>; 2] = [(b"a", Some(&value)), (b"z", Some(&value))];
        let state = if number % 5 == 0 { vec![] } else { vec![run("state", &rows)] };
        flush(kv.as_ref(), number, state);
        if number % 7 == 0 {
            harness.close(kv);
            kv = harness.open();
        }
        let snapshot = kv.snapshot();
        let state = if number % 5 == 0 { number - 1 } else { number };
        let found = get(snapshot.as_ref(), "state", b"checkpoint");
        assert_eq!(found, Some(value.to_vec()));
        for key in [b"a", b"z"] {
            assert_eq!(get(snapshot.as_ref(), "state", key), Some(state.to_be_bytes().to_vec()));
        }
    }
    harness.close(kv);
}

/// S5: a snapshot never changes, whatever is flushed after it.
pub fn snapshots_never_change(harness: &mut dyn KvHarness) {
    let kv = harness.open();
    let mut snapshots = Vec::new();
    for number in 0..10_u64 {
        let value = number.to_be_bytes();
        let key = [b'k', u8::try_from(number).unwrap()];
        let rows: [Row<'_>; 1] = [(&key, Some(&value))];
        let state: [Row<'_>; 1] = [(b"same", Some(&value))];
        flush(kv.as_ref(), number, vec![run("row-1", &rows), run("state", &state)]);
        snapshots.push(kv.snapshot());
    }
    for (number, snapshot) in snapshots.iter().enumerate() {
        let value = (number as u64).to_be_bytes().to_vec();
        assert_eq!(get(snapshot.as_ref(), "state", b"same"), Some(value.clone()));
        assert_eq!(get(snapshot.as_ref(), "state", b"checkpoint"), Some(value));
        assert_eq!(keys(snapshot.as_ref(), "row-1", Direction::Forward).len(), number + 1);
    }
    drop(snapshots);
    harness.close(kv);
}

/// S7: a dropped space is gone for new snapshots and after a reopen; older snapshots still read it; its name may be used again.
pub fn dropped_spaces_stay_readable(harness: &mut dyn KvHarness) {
    let kv = harness.open();
    flush(kv.as_ref(), 1, vec![run("row-1", &[(b"a", Some(b"1"))])]);
    let old = kv.snapshot();
    block_on(kv.drop_space(&Space::new("row-1"))).unwrap();
    block_on(kv.drop_space(&Space::new("row-9"))).unwrap();
    assert_eq!(kv.spaces(), [Space::state()]);
    assert_eq!(get(kv.snapshot().as_ref(), "row-1", b"a"), None);
    flush(kv.as_ref(), 2, vec![run("row-1", &[(b"b", Some(b"2"))])]);
    assert_eq!(get(old.as_ref(), "row-1", b"a"), Some(b"1".to_vec()));
    assert_eq!(get(old.as_ref(), "row-1", b"b"), None);
    assert_eq!(keys(kv.snapshot().as_ref(), "row-1", Direction::Forward), [b"b".to_vec()]);
    block_on(kv.drop_space(&Space::new("row-1"))).unwrap();
    drop(old);
    harness.close(kv);
    let kv = harness.open();
    assert_eq!(kv.spaces(), [Space::state()]);
    assert_eq!(get(kv.snapshot().as_ref(), "row-1", b"b"), None);
    harness.close(kv);
}

/// Values of every size up to the bound, in block spaces and others.
pub fn values_of_every_size(harness: &mut dyn KvHarness) {
    let kv = harness.open();
    let sizes = [0, 1, 1023, 1024, 1535, 1536, 70_000, VALUE_BYTES_MAX];
    let values: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'v'; *size]).collect();
    let numbers: Vec<[u8; 1]> = (0_u8..).take(sizes.len()).map(|number| [number]).collect();
    let rows: Vec<Row<'_>> =
        numbers.iter().zip(&values).map(|(key, value)| (&key[..], Some(&value[..]))).collect();
    flush(kv.as_ref(), 1, vec![run("block-1", &rows), run("row-1", &rows)]);
    let long_key = [7; KEY_BYTES_MAX];
    flush(kv.as_ref(), 2, vec![run("row-1", &[(&long_key, Some(b"x"))])]);
    harness.close(kv);
    let kv = harness.open();
    let snapshot = kv.snapshot();
    for (key, value) in numbers.iter().zip(&values) {
        for space in ["block-1", "row-1"] {
            assert_eq!(get(snapshot.as_ref(), space, key).as_ref(), Some(value));
        }
    }
    assert_eq!(get(snapshot.as_ref(), "row-1", &long_key), Some(b"x".to_vec()));
    assert!(kv.disk_bytes() > 0);
    drop(snapshot);
    harness.close(kv);
}

/// Calls that break a law are refused before anything is written.
pub fn bad_calls_are_refused(harness: &mut dyn KvHarness) {
    let kv = harness.open();
    let good: [Row<'_>; 1] = [(b"a", Some(b"1"))];
    let long = [7; KEY_BYTES_MAX + 1];
    let large = vec![0; VALUE_BYTES_MAX + 1];
    let bad = [
        vec![run("row-1", &good), run("row-2", &[(b"b", Some(b"1")), (b"a", Some(b"1"))])],
        vec![run("row-1", &good), run("row-2", &[(b"a", Some(b"1")), (b"a", None)])],
        vec![run("row-1", &good), run("row-2", &[(b"", Some(b"1"))])],
        vec![run("row-1", &good), run("row-2", &[(&long, Some(b"1"))])],
        vec![run("row-1", &good), run("row-2", &[(b"a", Some(&large))])],
        vec![run("row-1", &good), run("Row", &good)],
        vec![run("row-1", &good), run("", &good)],
        vec![run("row-1", &good), run("state", &good), run("state", &good)],
        vec![run("row-1", &good), run("state", &[(b"checkpoint", Some(b"1"))])],
    ];
    for runs in bad {
        let error = block_on(kv.flush(runs, checkpoint(1))).unwrap_err();
        assert!(matches!(error, KvError::BadCall(_)) && error.retry() == Retry::Never);
    }
    assert!(kv.spaces().is_empty());
    harness.close(kv);
}

/// Makes one test of each law of the `Kv` door. `$make` gives a fresh [`KvHarness`].
#[macro_export]
macro_rules! kv_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            $crate::kv_contract!(@laws $make;
                scans_are_ordered_and_bounded, later_flushes_win, state_and_checkpoint_are_one,
                snapshots_never_change, dropped_spaces_stay_readable, values_of_every_size,
                bad_calls_are_refused);
        }
    };
    (@laws $make:expr; $($law:ident),*) => {
        $(
            #[test]
            fn $law() {
                $crate::contract::kv::$law(&mut $make);
            }
        )*
    };
}
