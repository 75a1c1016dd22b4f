//! The engine against a small server under lost, repeated and reordered frames, cut links and crashes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "the whole crate is a test; its helpers stand outside the test functions"
)]

mod model;
mod world;

use world::World;

fn run(seed: u64, steps: usize) -> World {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.act();
    }
    world.calm();
    world.check();
    world
}

/// Nothing is lost, doubled or reordered, whatever the links and the processes do.
#[cfg(not(bugs))]
#[test]
fn everything_arrives_once() {
    for seed in 0..60 {
        run(seed, 400);
    }
}

/// Same seed, same run: stores and apps end equal.
#[test]
fn a_seed_gives_one_run() {
    let (a, b) = (run(7, 300), run(7, 300));
    for (a, b) in a.devices.iter().zip(&b.devices) {
        assert_eq!(a.disk, b.disk);
        assert_eq!(a.app.events, b.app.events);
    }
}

/// Each planted bug is found.
#[cfg(bugs)]
#[test]
fn planted_bugs_are_found() {
    let bugs = [
        "ack-before-commit",
        "no-device-dedupe",
        "no-from-check",
        "resend-new-cid",
        "no-rev-check",
        "no-pong-tips",
    ];
    for bug in bugs {
        tenon_base::always::bugs::plant(Some(bug));
        let found = (0..40).find(|seed| std::panic::catch_unwind(|| run(*seed, 400)).is_err());
        tenon_base::always::bugs::plant(None);
        assert!(found.is_some(), "{bug} was not found");
    }
    run(1, 200);
}
