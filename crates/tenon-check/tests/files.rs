//! Files: several, torn, malformed, too large.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;

use tempfile::TempDir;
use tenon_check::{CheckError, Malformed, Options, Place, Report, Rule, check_files};

const OPEN: &str = r#"{"at_us":1,"actor":"a","n":1,"op":"open","user":"u","store":"kept"}"#;
const BEGIN: &str = r#"{"at_us":2,"actor":"a","n":2,"op":"send","kind":"invoke","call":1,"conversation":5,"body":"x"}"#;

fn check(texts: &[&str]) -> Result<Report, CheckError> {
    let dir = TempDir::new().unwrap();
    let paths: Vec<PathBuf> =
        (0..texts.len()).map(|n| dir.path().join(format!("{n}.jsonl"))).collect();
    for (path, text) in paths.iter().zip(texts) {
        std::fs::write(path, text).unwrap();
    }
    check_files(&paths, Options { messages_max: 2, findings_max: 10 })
}

fn refused(text: &str) -> (u32, Malformed) {
    match check(&[text]) {
        Err(CheckError::Malformed { line, source, .. }) => (line, source),
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_files_are_one_history() {
    let open = r#"{"at_us":1,"actor":"b","n":1,"op":"open","user":"v","store":"new"}"#;
    let told = |message: u64| {
        format!(
            r#"{{"at_us":9,"actor":"b","n":2,"op":"deliver","what":"message","conversation":"5","rev":1,"seq":1,"message":{message}}}"#
        )
    };
    let ok = r#"{"at_us":3,"actor":"a","n":3,"op":"send","kind":"ok","call":1,"seq":1,"rev":1,"message":"m"}"#;
    let first = format!("{OPEN}\n{BEGIN}\n{ok}\n");
    let report = check(&[&first, &format!("{open}\n\n{}\n", told(7))]).unwrap();
    assert_eq!(report.tally(Rule::AckElsewhere).broken, 1);
    let places = [Place { file: 0, line: 3 }, Place { file: 1, line: 3 }];
    assert_eq!(report.findings[0].places, places);
    assert_eq!((report.files.len(), report.lines), (2, 5));
}

/// A crash cuts the last line; the next session begins behind it, in the same file.
#[test]
fn a_torn_last_line_of_a_session_is_skipped() {
    let torn = &BEGIN[..BEGIN.len() / 2];
    let report = check(&[&format!("{OPEN}\n{torn}\n{OPEN}\n{BEGIN}\n{torn}")]).unwrap();
    assert_eq!((report.torn, report.lines, report.sends, report.unknown), (2, 3, 1, 1));
}

#[test]
fn what_is_malformed_is_refused_with_its_line() {
    let (line, what) = refused(&format!("{OPEN}\nnonsense\n{BEGIN}\n"));
    assert!(matches!((line, what), (2, Malformed::Text(_))));
    assert_eq!(refused(BEGIN).1, Malformed::Lost { actor: "a".into(), last: 0, n: 2 });
    let alone = BEGIN.replace("\"n\":2", "\"n\":1");
    assert_eq!(refused(&alone).1, Malformed::NotOpen("a".into()));
    let again = BEGIN.replace("\"n\":2", "\"n\":3");
    let twice = Malformed::Call { actor: "a".into(), call: 1 };
    assert_eq!(refused(&format!("{OPEN}\n{BEGIN}\n{again}\n")), (3, twice));
    let bare = BEGIN.replace("\"conversation\":5,", "");
    let missing = Malformed::Missing { op: "send".into(), field: "conversation" };
    assert_eq!(refused(&format!("{OPEN}\n{bare}\n")), (2, missing));
    assert_eq!(refused("{\"tenon_history\":9}\n").1, Malformed::Version(9));
    assert!(matches!(
        check_files(&["/does/not/exist".into()], Options::default()),
        Err(CheckError::Io { .. })
    ));
}

#[test]
fn the_bound_is_kept() {
    let mut text = format!("{OPEN}\n");
    for n in 2..6 {
        text += &format!(
            r#"{{"at_us":9,"actor":"a","n":{n},"op":"deliver","what":"message","conversation":5,"rev":{n},"seq":{n}}}"#
        );
        text.push('\n');
    }
    assert_eq!(refused(&text), (4, Malformed::TooMany(2)));
}
