//! A worse disk below the real binary: `tests/interpose/disk.c`, loaded before the C library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::harness::Place;

/// Exit code of a process that the disk ended.
pub(crate) const CRASHED: i32 = 77;

/// What happens at one operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worse {
    /// Number of the operation, from 1; 0 = nothing happens, operations are counted.
    pub(crate) at: u64,
    /// `crash`, `power`, `torn`, `short`, `eio` or `enospc`.
    pub(crate) deed: &'static str,
    /// How many in a row fail; 0 = all from there on.
    pub(crate) row: u64,
    /// Thousandths of a torn write that are done; what a power cut takes.
    pub(crate) part: u64,
    /// Only paths with this in them.
    pub(crate) only: &'static str,
    /// Only operations of this name.
    pub(crate) kind: &'static str,
    /// Files cannot be opened for direct access.
    pub(crate) is_buffered: bool,
    /// A power cut takes what was synced too.
    pub(crate) is_lying: bool,
}

impl Worse {
    /// The environment that does it to the server of a place.
    pub(crate) fn environment(&self, place: &Place) -> Vec<(String, String)> {
        let data = place.dir.canonicalize().unwrap().join("data");
        let trace = trace_path(place);
        let mut pairs = vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("INTERPOSE_ROOT", data.display().to_string()),
            ("INTERPOSE_TRACE", trace.display().to_string()),
            ("INTERPOSE_AT", self.at.to_string()),
            ("INTERPOSE_DO", self.deed.to_owned()),
            ("INTERPOSE_FOR", self.row.to_string()),
            ("INTERPOSE_PART", self.part.to_string()),
        ];
        if self.is_lying {
            pairs.push(("INTERPOSE_LYING", "yes".to_owned()));
        }
        if self.is_buffered {
            pairs.push(("INTERPOSE_BUFFERED", "yes".to_owned()));
        }
        for (name, value) in [("INTERPOSE_ONLY", self.only), ("INTERPOSE_KIND", self.kind)] {
            if !value.is_empty() {
                pairs.push((name, value.to_owned()));
            }
        }
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn trace_path(place: &Place) -> PathBuf {
    place.dir.join("operations")
}

/// The operations that a server of this place did: name and path below the data directory.
pub(crate) fn operations(place: &Place) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(trace_path(place)).unwrap_or_default();
    let words = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        words.next()?.parse::<u64>().ok()?;
        Some((words.next()?, words.nth(1)?))
    };
    text.lines().filter_map(words).collect()
}

/// How many there are of each name, as text.
pub(crate) fn tally(operations: &[(String, String)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in operations {
        *counts.entry(name).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
    format!("{} operations ({})", operations.len(), counts.join(", "))
}

/// Builds the library once. Linking Rust needs a C compiler too, so there is one.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interpose/disk.c");
        let target =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        let done = compiler.arg(&target).arg(source).arg("-ldl").status().unwrap();
        assert!(done.success(), "disk.c compiles");
        target
    })
}
