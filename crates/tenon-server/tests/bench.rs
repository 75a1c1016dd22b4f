//! Every scenario of `tenon bench`, short and small: it runs to its end, and no delivery is lost, repeated or out of order.
//! Figures are not judged: a machine under test may be busy.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use serde_json::Value;

/// Runs a scenario; its report is clean and has all of `figures`.
fn check(scenario: &[&str], figures: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenon"))
        .args(["bench", "--json", "--seconds", "1"])
        .args(scenario)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scenario:?}: {errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["scenario"], scenario[0]);
    for kind in ["lost", "repeated", "reordered"] {
        assert_eq!(report["checked"][kind], 0, "{kind}: {report}");
    }
    for name in figures {
        assert!(report["figures"][name].as_f64().is_some_and(|f| f > 0.0), "{name}: {report}");
    }
}

#[test]
fn direct_messages_arrive_once_at_full_speed_and_at_a_fixed_rate() {
    check(
        &["direct", "--pairs", "4", "--rates", "200,0"],
        &["at_200.messages_per_s", "at_200.ack_p99_ms", "max.messages_per_s", "max.reach_p50_ms"],
    );
}

#[test]
fn a_large_group_hears_everything_and_stores_it_once() {
    check(
        &["group", "--members", "600", "--online", "40", "--rates", "20"],
        &["at_20.deliveries_per_s", "at_20.store_values_per_message", "at_20.reach_p50_ms"],
    );
}

#[test]
fn idle_devices_stay_connected() {
    check(
        &["connections", "--devices", "20"],
        &["plain.rss_per_connection_bytes", "tls.connects_per_s"],
    );
}

#[test]
fn a_device_returns_to_its_list_or_to_what_it_missed() {
    check(
        &["rebase", "--events", "2560"],
        &["first_screen_bytes", "first_screen_p50_ms", "few.messages"],
    );
}

#[test]
fn all_devices_return_after_a_kill() {
    check(
        &["storm", "--devices", "40", "--rates", "200"],
        &["all_live_s", "messages", "restart_s"],
    );
}

#[test]
fn the_log_keeps_what_it_acknowledged() {
    check(
        &["log", "--callers", "16"],
        &["appends_per_s", "append_p99_ms", "lone_fdatasync_p50_ms"],
    );
}

#[test]
fn a_scenario_that_does_not_exist_is_named() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tenon")).args(["bench", "nothing"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("direct, group, connections"));
}
