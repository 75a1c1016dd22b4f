//! Laws of the `Directory` door.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::Retry;

use super::{block_on, poll_once};
use crate::directory::{Expect, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{Directory, DirectoryError};

/// How the suite opens a directory. Each law gets a fresh one.
pub trait DirectoryHarness {
    /// Opens it.
    fn open(&mut self) -> Arc<dyn Directory>;
    /// Ends the lives of at most this many milliseconds.
    fn expire(&mut self, life_ms: u64);
}

fn put(directory: &dyn Directory, key: &str, expect: Expect) -> Result<u64, DirectoryError> {
    block_on(directory.put(key, Bytes::from_static(b"x"), expect, 0))
}

/// D1: of two writers with one expectation one wins, and the other learns what stands.
pub fn one_writer_wins(harness: &mut dyn DirectoryHarness) {
    let directory = harness.open();
    let first = put(directory.as_ref(), "leader/3", Expect::Absent).unwrap();
    let lost = put(directory.as_ref(), "leader/3", Expect::Absent).unwrap_err();
    assert_eq!(lost, DirectoryError::Conflict { found: Some(first) });
    assert_eq!(lost.retry(), Retry::Never);
    let second = put(directory.as_ref(), "leader/3", Expect::Revision(first)).unwrap();
    let late = put(directory.as_ref(), "leader/3", Expect::Revision(first)).unwrap_err();
    assert_eq!(late, DirectoryError::Conflict { found: Some(second) });
    let absent = block_on(directory.remove("leader/4", 1)).unwrap_err();
    assert_eq!(absent, DirectoryError::Conflict { found: None });
}

/// D2: revisions rise over all keys, and over a removal, so an epoch is never given twice.
pub fn revisions_only_rise(harness: &mut dyn DirectoryHarness) {
    let directory = harness.open();
    let mut last = 0;
    for _ in 0..5 {
        let revision = put(directory.as_ref(), "a", Expect::Absent).unwrap();
        assert!(revision > last);
        last = put(directory.as_ref(), "b", Expect::Absent).unwrap();
        assert!(last > revision);
        block_on(directory.remove("a", revision)).unwrap();
        block_on(directory.remove("b", last)).unwrap();
    }
}

/// D3: reads and lists show what was answered, sorted and within the prefix.
pub fn reads_show_what_was_answered(harness: &mut dyn DirectoryHarness) {
    let directory = harness.open();
    for key in ["node/2", "node/1", "nodes", "other"] {
        put(directory.as_ref(), key, Expect::Absent).unwrap();
    }
    let entry = block_on(directory.get("node/1")).unwrap().unwrap();
    assert_eq!(entry.value, &b"x"[..]);
    let (found, revision) = block_on(directory.list("node/")).unwrap();
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["node/1", "node/2"]);
    assert!(found.iter().all(|(_, entry)| entry.revision <= revision));
    assert_eq!(block_on(directory.get("node/3")).unwrap(), None);
    for (key, size) in [("", 1), ("k", VALUE_BYTES_MAX + 1)] {
        let value = Bytes::from(vec![0; size]);
        let error = block_on(directory.put(key, value, Expect::Absent, 0)).unwrap_err();
        assert_eq!(error, DirectoryError::Bad);
    }
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    assert_eq!(put(directory.as_ref(), &long, Expect::Absent), Err(DirectoryError::Bad));
}

/// D4: a change after the revision of a list is told, also one from before the wait; changes elsewhere are not.
pub fn a_change_is_told(harness: &mut dyn DirectoryHarness) {
    let directory = harness.open();
    let first = put(directory.as_ref(), "node/1", Expect::Absent).unwrap();
    let (_, revision) = block_on(directory.list("node/")).unwrap();
    assert!(!poll_once(directory.changed("node/", revision)), "nothing changed");
    put(directory.as_ref(), "other", Expect::Absent).unwrap();
    assert!(!poll_once(directory.changed("node/", revision)), "not here");
    block_on(directory.remove("node/1", first)).unwrap();
    block_on(directory.changed("node/", revision));
}

/// D5: a key whose life is over goes, and its next revision is higher.
pub fn a_life_ends(harness: &mut dyn DirectoryHarness) {
    let directory = harness.open();
    let value = Bytes::from_static(b"lease");
    let lease = block_on(directory.put("lease", value, Expect::Absent, 5_000)).unwrap();
    put(directory.as_ref(), "fact", Expect::Absent).unwrap();
    harness.expire(1_000);
    assert!(block_on(directory.get("lease")).unwrap().is_some());
    harness.expire(5_000);
    assert_eq!(block_on(directory.get("lease")).unwrap(), None);
    assert!(block_on(directory.get("fact")).unwrap().is_some());
    assert!(put(directory.as_ref(), "lease", Expect::Absent).unwrap() > lease);
}

/// Runs the suite: `directory_contract!(name, harness)`.
#[macro_export]
macro_rules! directory_contract {
    ($name:ident, $harness:expr) => {
        mod $name {
            use super::*;
            use $crate::contract::directory as law;

            #[test]
            fn one_writer_wins() {
                law::one_writer_wins(&mut $harness);
            }
            #[test]
            fn revisions_only_rise() {
                law::revisions_only_rise(&mut $harness);
            }
            #[test]
            fn reads_show_what_was_answered() {
                law::reads_show_what_was_answered(&mut $harness);
            }
            #[test]
            fn a_change_is_told() {
                law::a_change_is_told(&mut $harness);
            }
            #[test]
            fn a_life_ends() {
                law::a_life_ends(&mut $harness);
            }
        }
    };
}
