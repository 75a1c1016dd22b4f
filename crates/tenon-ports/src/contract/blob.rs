//! Laws of the `Blob` door.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::Retry;

use super::block_on;
use crate::{Blob, BlobError};

/// How the suite opens an object store. Each law gets a fresh one.
pub trait BlobHarness {
    /// Opens the store: empty at first, later with what the last stop left.
    fn open(&mut self) -> Arc<dyn Blob>;
    /// Stops it.
    fn close(&mut self, blob: Arc<dyn Blob>);
}

fn put(blob: &dyn Blob, name: &str, content: &'static [u8]) {
    block_on(blob.put(name, Bytes::from_static(content))).unwrap();
}

/// Objects are read whole and by range, and survive a reopen; a second put leaves the first object.
pub fn objects_come_back(harness: &mut dyn BlobHarness) {
    let blob = harness.open();
    put(blob.as_ref(), "a/b/c", b"0123456789");
    put(blob.as_ref(), "a", b"short");
    put(blob.as_ref(), "a/empty.bin", b"");
    put(blob.as_ref(), "a/b/c", b"another");
    harness.close(blob);
    let blob = harness.open();
    assert_eq!(block_on(blob.size("a/b/c")).unwrap(), 10);
    for (offset, length) in [(0, 10), (3, 4), (10, 0), (0, 0), (9, 1)] {
        let range = usize::try_from(offset).unwrap()..usize::try_from(offset + length).unwrap();
        let found = block_on(blob.read("a/b/c", offset, length)).unwrap();
        assert_eq!(found, b"0123456789"[range]);
    }
    assert_eq!(block_on(blob.read("a", 0, 5)).unwrap(), &b"short"[..]);
    assert_eq!(block_on(blob.size("a/empty.bin")).unwrap(), 0);
    for (offset, length) in [(0, 11), (11, 0), (5, 6), (u64::MAX, 1)] {
        let error = block_on(blob.read("a/b/c", offset, length)).unwrap_err();
        assert!(matches!(error, BlobError::BadRange) && error.retry() == Retry::Never);
    }
    harness.close(blob);
}

/// A removed object is absent; removing it again is fine; its name may be used again.
pub fn deleted_objects_are_absent(harness: &mut dyn BlobHarness) {
    let blob = harness.open();
    put(blob.as_ref(), "x/y", b"1");
    block_on(blob.delete("x/y")).unwrap();
    block_on(blob.delete("x/y")).unwrap();
    block_on(blob.delete("never/was")).unwrap();
    assert!(matches!(block_on(blob.size("x/y")), Err(BlobError::Absent)));
    assert!(matches!(block_on(blob.read("x/y", 0, 0)), Err(BlobError::Absent)));
    put(blob.as_ref(), "x/y", b"22");
    assert_eq!(block_on(blob.size("x/y")).unwrap(), 2);
    harness.close(blob);
}

/// Lists are sorted by the bytes of the name, filtered by prefix, and go on after a name.
pub fn lists_are_sorted_pages(harness: &mut dyn BlobHarness) {
    let blob = harness.open();
    let names = ["a", "a-b", "a/1", "a/2", "a/2/x", "a/3", "ab", "b/1"];
    for name in names.iter().rev() {
        put(blob.as_ref(), name, b"x");
    }
    let list = |prefix, after, limit| block_on(blob.list(prefix, after, limit)).unwrap();
    assert_eq!(list("", "", 99), names);
    assert_eq!(list("a/", "", 99), ["a/1", "a/2", "a/2/x", "a/3"]);
    assert_eq!(list("a", "a/2", 2), ["a/2/x", "a/3"]);
    assert_eq!(list("a/2", "", 99), ["a/2", "a/2/x"]);
    assert!(list("c", "", 99).is_empty());
    assert!(list("a/", "b", 99).is_empty());
    assert!(list("a", "", 0).is_empty());
    let mut pages: Vec<String> = Vec::new();
    let mut after = String::new();
    while let Some(name) = block_on(blob.list("", &after, 1)).unwrap().pop() {
        after.clone_from(&name);
        pages.push(name);
    }
    assert_eq!(pages, names);
    harness.close(blob);
}

/// Names that climb, are empty or hold other characters are refused by every call.
pub fn bad_names_are_refused(harness: &mut dyn BlobHarness) {
    let blob = harness.open();
    let long = "a".repeat(500);
    for name in ["", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", ".a", "A", "a b", "a_b", &long]
    {
        let error = block_on(blob.put(name, Bytes::new())).unwrap_err();
        assert!(matches!(error, BlobError::BadName) && error.retry() == Retry::Never, "{name}");
        assert!(matches!(block_on(blob.read(name, 0, 0)), Err(BlobError::BadName)));
        assert!(matches!(block_on(blob.size(name)), Err(BlobError::BadName)));
        assert!(matches!(block_on(blob.delete(name)), Err(BlobError::BadName)));
    }
    assert!(block_on(blob.list("../", "", 9)).unwrap().is_empty());
    harness.close(blob);
}

/// Makes one test of each law of the `Blob` door. `$make` gives a fresh [`BlobHarness`].
#[macro_export]
macro_rules! blob_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            $crate::blob_contract!(@laws $make;
                objects_come_back, deleted_objects_are_absent, lists_are_sorted_pages,
                bad_names_are_refused);
        }
    };
    (@laws $make:expr; $($law:ident),*) => {
        $(
            #[test]
            fn $law() {
                $crate::contract::blob::$law(&mut $make);
            }
        )*
    };
}
