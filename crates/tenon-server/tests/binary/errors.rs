//! Errors of the disk below the real binary. After one on the log nothing more is acked, the server says so and ends with
//! code 1; an error that the store meets ends it too, or costs only work that is repeated. Whatever was acked is there at
//! the next start.

use crate::crash::{draw, seed, size};
use crate::interpose::Worse;
use crate::points::{Ran, Template, talk_over};

/// Where errors are put: in the path, which operation, which error, with the log through the page cache or not.
const LOG: [(&str, &str, bool); 6] = [
    ("write", "eio", false),
    ("write", "short", false),
    ("write", "enospc", false),
    ("write", "eio", true),
    ("write", "short", true),
    ("sync", "eio", true),
];
/// Those of the store. An engine may answer a failed rename or sync in the background with another attempt.
const STORE: [(&str, &str); 6] = [
    ("write", "eio"),
    ("write", "short"),
    ("write", "enospc"),
    ("sync", "eio"),
    ("rename", "eio"),
    ("open", "enospc"),
];

/// A log that failed is never written again: the server ends by itself and names the disk. A segment that is only being
/// prepared is given up instead.
fn fails_stop(worse: &Worse, ran: &Ran) {
    if ran.log.contains("a log segment could not be prepared") {
        assert!(ran.code == Some(0) && ran.is_through, "{worse:?} {}", ran.log);
        return;
    }
    assert_eq!(ran.code, Some(1), "{worse:?} {}", ran.log);
    assert!(!ran.is_stuck && !ran.is_through, "it ends by itself: {worse:?} {}", ran.log);
    for said in ["log write failed; the log takes no more appends", "check the disk (dmesg)"] {
        assert!(ran.log.contains(said), "{worse:?} {}", ran.log);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_log_ends_the_server_and_loses_nothing() {
    let (template, mut seed) = (Template::new(), seed("CRASH_SEED"));
    for _ in 0..size("CRASH_ERRORS", 1) {
        for (kind, deed, is_buffered) in LOG {
            // Behind the start, before the last message: there are more than 200 writes of messages.
            let at = 20 + draw(&mut seed) % 150;
            let part = draw(&mut seed) % 1000;
            let worse = Worse {
                at,
                deed,
                row: 1,
                part,
                only: "log/seg-",
                kind,
                is_buffered,
                ..Worse::default()
            };
            let ran = talk_over(&template, &worse).await;
            fails_stop(&worse, &ran);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_store_is_told_and_loses_nothing() {
    let (template, mut seed) = (Template::new(), seed("CRASH_SEED"));
    for _ in 0..size("CRASH_ERRORS", 1) {
        for (kind, deed) in STORE {
            let (at, part) = (1 + draw(&mut seed) % 60, draw(&mut seed) % 1000);
            // All from there on: a disk that got bad.
            let worse = Worse { at, deed, row: 0, part, only: "store/", kind, ..Worse::default() };
            let ran = talk_over(&template, &worse).await;
            let is_met = ran.operations.len() as u64 >= at;
            let is_told =
                ran.log.contains("ERROR") || ran.log.contains("WARN") || ran.code == Some(1);
            println!("{worse:?}: met {is_met}, code {:?}", ran.code);
            assert!(!is_met || is_told, "{worse:?} {}", ran.log);
            assert!(!ran.is_stuck, "{worse:?} {}", ran.log);
        }
    }
}
