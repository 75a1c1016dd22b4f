//! Archives that are broken, too large, or something else.

use std::io::Cursor;

use proptest::prelude::*;
use tenon_base::Retry;
use tenon_import::slack::Archive;
use tenon_import::{ImportError, Limits};

use crate::fixture::{Wire, channel, ids, open, try_open, zip};

const DAY: &str = "general/2020-01-01.json";

fn refused(bytes: Vec<u8>) -> ImportError {
    try_open(bytes).expect_err("refused")
}

/// A missing path may be repeated; it says which path.
#[test]
fn a_missing_file_names_the_path() {
    let error = Archive::open("/nonexistent/export.zip").expect_err("missing");
    assert!(error.to_string().contains("/nonexistent/export.zip"), "{error}");
    assert_eq!(error.retry(), Retry::Safe);
}

/// Anything that is no ZIP, and half a ZIP, at any length.
#[test]
fn a_truncated_zip_is_refused() {
    let whole = zip(&[("users.json", "[]"), ("channels.json", "[]")]);
    for len in 0..whole.len() {
        let error = refused(whole[..len].to_vec());
        assert!(matches!(error, ImportError::NotZip(_)), "{len}: {error}");
    }
    assert!(matches!(refused(b"hello".repeat(100)), ImportError::NotZip(_)));
    assert!(try_open(whole).is_ok());
}

/// A ZIP of something else.
#[test]
fn another_zip_is_refused() {
    let error = refused(zip(&[("readme.txt", "hi"), ("a/b.json", "[]")]));
    assert!(matches!(error, ImportError::NotSlack), "{error}");
    assert_eq!(error.retry(), Retry::Never);
}

/// The folder that packing again puts around everything does not matter.
#[test]
fn a_folder_around_the_export_is_taken_off() {
    let archive = open(&[
        ("my export/users.json", crate::fixture::USERS),
        ("my export/channels.json", r#"[{"id":"C1","name":"general"}]"#),
        ("my export/general/2020-01-01.json", r#"[{"user":"U1","ts":"1.0","text":"x"}]"#),
    ]);
    assert_eq!((archive.users().len(), archive.channels()[0].days()), (3, 1));
}

/// A list that is no JSON is refused at once, a day before the first entry of its channel; both say where.
#[test]
fn bad_json_names_file_and_line() {
    let error = refused(zip(&[("users.json", "[\n{\"id\":\"U1\"},\n{")]));
    assert!(
        matches!(&error, ImportError::BadJson { file, line: 3, .. } if file == "users.json"),
        "{error}"
    );
    let error = refused(zip(&[("channels.json", "{\"ok\":false}")]));
    assert!(error.to_string().starts_with("channels.json is no JSON list"), "{error}");

    let days =
        [(DAY, r#"[{"user":"U1","ts":"1.0","text":"fine"}]"#), ("general/2020-01-02.json", "[")];
    let archive = channel("", &days);
    let ids = ids();
    let error = archive.entries(&archive.channels()[0], &ids, &Wire).map(|_| ());
    let error = error.expect_err("the second day is torn");
    assert!(error.to_string().starts_with("general/2020-01-02.json"), "{error}");
    assert!(archive.dry_run().is_err() && archive.unlisted_users().is_err());
}

/// A flipped bit in a packed file is found by its checksum.
#[test]
fn a_flipped_bit_is_found() {
    let text = "[{\"user\":\"U1\",\"ts\":\"1.0\",\"text\":\"abcdefghijklmnopqrstuvwxyz\"}]";
    let mut zip_writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip_writer.start_file(DAY, stored).expect("in memory");
    std::io::Write::write_all(&mut zip_writer, text.as_bytes()).expect("in memory");
    let mut bytes = zip_writer.finish().expect("in memory").into_inner();
    let at = bytes.windows(6).position(|w| w == b"abcdef").expect("stored");
    bytes[at] ^= 1;
    let archive = try_open(bytes).expect("the directory is whole");
    let error = archive.dry_run().expect_err("the day is not");
    assert!(matches!(&error, ImportError::Damaged { file, .. } if file == DAY), "{error}");
}

/// A small file that unpacks to a large one is stopped at the bound, in lists and in days.
#[test]
fn a_zip_bomb_is_stopped() {
    let limits = Limits { day_bytes_max: 100_000, list_bytes_max: 100_000, ..Limits::default() };
    let bomb = format!("[{}]", " ".repeat(20_000_000));
    let packed = zip(&[("users.json", &bomb)]);
    assert!(packed.len() < 100_000);
    let error = Archive::read(Cursor::new(packed), limits).expect_err("too large");
    assert!(
        matches!(&error, ImportError::TooLarge { file, max: 100_000, .. } if file == "users.json")
    );
    let packed = zip(&[("channels.json", r#"[{"id":"C1","name":"general"}]"#), (DAY, &bomb)]);
    let archive = Archive::read(Cursor::new(packed), limits).expect("lists are small");
    let error = archive.dry_run().expect_err("too large");
    assert!(matches!(&error, ImportError::TooLarge { file, .. } if file == DAY), "{error}");
}

/// Every other bound: files, entries of a list and of a day, bytes that wait for older lines.
#[test]
fn every_bound_is_kept() {
    let files = zip(&[("users.json", "[{},{},{}]"), (DAY, r#"[{"user":"U1","ts":"1.0"},{},{}]"#)]);
    let check = |limits: Limits, unit: &str| {
        let opened = Archive::read(Cursor::new(files.clone()), limits);
        let error = opened.and_then(|a| a.dry_run()).expect_err("above a bound");
        assert!(matches!(error, ImportError::TooLarge { unit: u, .. } if u == unit), "{error}");
    };
    check(Limits { files_max: 1, ..Limits::default() }, "files");
    check(Limits { list_entries_max: 2, ..Limits::default() }, "entries");
    check(Limits { day_entries_max: 2, ..Limits::default() }, "entries");
    check(Limits { held_bytes_max: 10, ..Limits::default() }, "bytes out of time order");
}

/// After an error the stream is over.
#[test]
fn an_error_ends_the_stream() {
    let files = zip(&[(DAY, r#"[{"user":"U1","ts":"1.0"}]"#)]);
    let limits = Limits { held_bytes_max: 1, ..Limits::default() };
    let archive = Archive::read(Cursor::new(files), limits).expect("opens");
    let ids = ids();
    let entries = archive.entries(&archive.channels()[0], &ids, &Wire).expect("scans");
    let all: Vec<_> = entries.collect();
    assert_eq!((all.len(), all[0].is_err()), (1, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Bytes changed anywhere in an archive are found or harmless, never a panic.
    #[test]
    fn changed_bytes_never_panic(changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6)) {
        let day = r#"[{"user":"U1","ts":"1.0","text":"<@U1>"},{"user":"U2","ts":"2.0","thread_ts":"1.0"}]"#;
        let list = r#"[{"id":"C1","name":"general","members":["U1"]}]"#;
        let mut bytes = zip(&[("users.json", crate::fixture::USERS), ("channels.json", list), (DAY, day)]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(report) = try_open(bytes).and_then(|archive| archive.dry_run()) {
            prop_assert!(report.entries() <= 5);
        }
    }
}
