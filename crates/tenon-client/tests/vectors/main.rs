//! The frozen vectors of the engine: `vectors/v03-apply.jsonl`, `v05-history.jsonl`, `v06-outbox.jsonl`, `v07-rebase.jsonl`.
//!
//! A case is a list of inputs with the outputs they must give, from an empty store on; one case a line. The cases are
//! written here and in `cases/`, their outputs by the engine, then read and frozen. To write the files anew after a
//! reasoned change: `TENON_WRITE_VECTORS=1 cargo test -p tenon-client --test vectors`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    missing_docs,
    unreachable_pub,
    reason = "the whole crate is a test; its helpers stand outside the test functions"
)]

mod cases;
mod render;
mod runner;
mod script;

use std::path::PathBuf;

use serde_json::Value;

use script::Case;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name)
}

fn lines(cases: &[Case]) -> Vec<Value> {
    let mut ids = std::collections::BTreeSet::new();
    assert!(cases.iter().all(|case| ids.insert(case.id.clone())), "an id is given twice");
    cases.iter().map(runner::run).collect()
}

#[cfg(not(bugs))]
fn hold(name: &str, cases: &[Case]) {
    let made = lines(cases);
    let path = file(name);
    #[expect(clippy::disallowed_methods, reason = "the switch that writes the file anew")]
    let writes = std::env::var("TENON_WRITE_VECTORS").is_ok();
    if writes {
        let text: String = made.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let frozen: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(frozen.len(), made.len(), "{name}: another number of cases");
    for (frozen, made) in frozen.iter().zip(&made) {
        let steps =
            frozen["steps"].as_array().unwrap().iter().zip(made["steps"].as_array().unwrap());
        for (at, (frozen, made)) in steps.enumerate() {
            assert_eq!(frozen, made, "{name} {} step {at}", made["id"]);
        }
        assert_eq!(frozen, made, "{name}");
    }
}

#[cfg(not(bugs))]
#[test]
fn apply_holds() {
    hold("v03-apply.jsonl", &cases::apply());
}

#[cfg(not(bugs))]
#[test]
fn history_holds() {
    hold("v05-history.jsonl", &cases::history());
}

#[cfg(not(bugs))]
#[test]
fn outbox_holds() {
    hold("v06-outbox.jsonl", &cases::outbox());
}

#[cfg(not(bugs))]
#[test]
fn rebase_holds() {
    hold("v07-rebase.jsonl", &cases::rebase());
}

/// Each planted bug changes the outcome of some case.
#[cfg(bugs)]
#[test]
fn planted_bugs_are_found() {
    let all = || {
        let sets = [cases::apply(), cases::history(), cases::outbox(), cases::rebase()];
        sets.concat()
    };
    let names = ["v03-apply.jsonl", "v05-history.jsonl", "v06-outbox.jsonl", "v07-rebase.jsonl"];
    let text: String = names.iter().map(|n| std::fs::read_to_string(file(n)).unwrap()).collect();
    let frozen: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines(&all()), frozen, "without a bug every case holds");
    let bugs = [
        "ack-before-commit",
        "no-device-dedupe",
        "no-from-check",
        "resend-new-cid",
        "no-rev-check",
        "no-pong-tips",
        "no-touched-check",
        "no-digest",
    ];
    for bug in bugs {
        tenon_base::always::bugs::plant(Some(bug));
        let found = std::panic::catch_unwind(|| lines(&all()) != frozen).unwrap_or(true);
        tenon_base::always::bugs::plant(None);
        assert!(found, "{bug} was not found");
    }
}
