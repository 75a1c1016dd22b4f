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
#[path = "../vectors/render.rs"]
mod render;
mod trace;
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

/// The runs that the engine in TypeScript repeats: seed, steps, device by its place.
#[cfg(not(bugs))]
const TRACED: &[(u64, usize, usize)] =
    &[(1, 120, 0), (2, 120, 2), (3, 120, 3), (4, 120, 1), (5, 160, 0), (6, 160, 2)];

/// What the file holds is what this engine does. To write it anew after a reasoned change of the engine or of the world:
/// `TENON_WRITE_VECTORS=1 cargo test -p tenon-client --test faults`.
#[cfg(not(bugs))]
#[test]
fn traces_hold() {
    let line = |&(seed, steps, at): &(u64, usize, usize)| {
        let world = run(seed, steps);
        let device = &world.devices[at];
        let id = format!("v13-{seed:03}");
        device.trace.line(&id, device.id, seed ^ device.id).to_string()
    };
    let made: Vec<String> = TRACED.iter().map(line).collect();
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/v13-soak.jsonl");
    #[expect(clippy::disallowed_methods, reason = "the switch that writes the file anew")]
    if std::env::var("TENON_WRITE_VECTORS").is_ok() {
        std::fs::write(&path, made.iter().map(|line| format!("{line}\n")).collect::<String>())
            .unwrap();
    }
    let frozen = std::fs::read_to_string(&path).unwrap();
    for (frozen, made) in frozen.lines().zip(&made) {
        assert!(frozen == made, "{} is another run", &made[..40]);
    }
    assert_eq!(frozen.lines().count(), made.len());
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
