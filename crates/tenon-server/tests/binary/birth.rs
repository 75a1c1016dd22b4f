//! The same for the first minute of a server: from an empty directory to people who can talk.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::harness::{Place, Ran, Server};
use crate::interpose::{CRASHED, Worse, operations, tally};
use crate::points::{Choice, SETTINGS};

/// What an operator does first, in this order.
const STEPS: [&[&str]; 6] = [
    &["user", "add", "ada"],
    &["user", "add", "bob"],
    &["group", "create", "pair", "--member", "ada"],
    &["group", "add", "pair", "bob"],
    &["token", "mint", "ada", "--device", "desk"],
    &["user", "disable", "bob"],
];

/// The steps on a server over this disk, until it ends; then what was answered holds on a good disk.
fn born_over(worse: &Worse) -> (bool, Vec<(String, String)>) {
    let place = Place::new();
    let config = place.config(SETTINGS);
    let args = ["--config", config.to_str().unwrap()];
    let mut done = Vec::new();
    let code = match place.start(&args, &worse.environment(&place)) {
        Err(status) => status.code(),
        Ok(mut server) => {
            for step in STEPS {
                let is_over = server.child.try_wait().unwrap().is_some();
                let ran = if is_over { break } else { place.tenon(step) };
                let is_over = server.child.try_wait().unwrap().is_some();
                assert!(ran.code == 0 || is_over || ends(&mut server).is_some(), "{ran:?}");
                if ran.code == 0 {
                    done.push((step, ran));
                }
            }
            match ends(&mut server) {
                Some(status) => status.code(),
                None => Some(server.stop()),
            }
        }
    };
    let is_crashed = code == Some(CRASHED);
    assert!(is_crashed || code == Some(0), "{code:?} {}", place.log());
    let server = place.serve_with(&args);
    for (step, ran) in &done {
        holds(&place, &server, step, ran);
    }
    for step in &STEPS[done.len()..] {
        repeat(&place, step);
    }
    let token = place.mint("ada", "phone");
    server.device("send", &token, &["--group", "pair", "hello"]).ok();
    assert_eq!(server.stop(), 0);
    place.tenon(&["verify"]).ok();
    (is_crashed, operations(&place))
}

/// Gives the server that is about to end a moment to do so.
fn ends(server: &mut Server) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(50) {
        if let Some(status) = server.child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// What a command answered is still so.
fn holds(place: &Place, server: &Server, step: &[&str], ran: &Ran) {
    let users = || place.tenon(&["user", "list", "--json"]).ok().out;
    match step {
        ["user", "add", name] => assert!(users().contains(name), "{name} is there"),
        ["group", ..] => {
            let groups = place.tenon(&["group", "list", "--json"]).ok().out;
            assert!(groups.contains("pair"), "the group is there: {groups}");
            if step[1] == "add" {
                let members = place.tenon(&["group", "members", "pair", "--json"]).ok().out;
                assert!(members.contains("bob"), "bob is in: {members}");
            }
        }
        ["token", ..] => {
            let token = ran.out.lines().last().unwrap();
            server.device("list", token, &[]).ok();
        }
        _ => assert!(users().contains("true"), "bob is disabled: {}", users()),
    }
}

/// A command that was not answered may have been done or not; told again, it ends the same.
fn repeat(place: &Place, step: &[&str]) {
    let ran = place.tenon(step);
    let is_known =
        ["exists", "taken", "already", "member"].iter().any(|word| ran.err.contains(word));
    assert!(ran.code == 0 || is_known, "{ran:?}");
}

#[test]
fn a_crash_at_any_operation_of_the_first_start_leaves_a_server_that_starts() {
    let (_, counted) = born_over(&Worse::default());
    println!("a birth: {}", tally(&counted));
    let choice = Choice::new(&counted, 6);
    let mut crashes = 0;
    for (n, point) in choice.points.iter().enumerate() {
        println!("seed {} point {point:?}", choice.seed);
        let (is_crashed, done) = born_over(point);
        crashes += usize::from(is_crashed);
        assert!(is_crashed || point.at as usize > done.len());
        if n % 100 == 99 {
            println!("{} points of a birth, {crashes} crashes, all start", n + 1);
        }
    }
    println!("crash points of a birth: {crashes} crashes, all start");
    assert!(crashes > choice.points.len() / 2);
}
