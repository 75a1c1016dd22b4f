//! The simulator: the rooms of Tenon, unchanged, over a simulated disk, store, network and clock, on one thread.
//!
//! # Takes and gives
//! A seed -> a run: load, faults, healing, rest; then a report with every broken invariant, or none. See `docs/assurance.md`.
//!
//! # Invariants
//! - Same seed, same build: same run. Every choice is drawn from the seed; nothing waits on a real clock, thread or socket.
//! - The checker shares no rule with the rooms: it folds the durable commands with its own model (`check::truth`).
//! - A run without faults that were played must not fail anything.
//!
//! # Two worlds
//! [`world`] plays model devices against processor, sync, log and store, and its checker knows every rule. [`whole`] plays the
//! engine of the SDK through the gateway's sessions and the receiver as well, and its checker knows none.
//!
//! # Not here
//! fjall (no file-system trait: its adapter keeps the law of `SimKv` in the contract suite), sockets, TLS, threads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool of the workshop: a surprise must stop it"
)]

pub mod bugs;
pub mod check;
pub mod coverage;
pub mod device;
pub mod disk;
pub mod exec;
mod figures;
pub mod front;
pub mod kv;
pub mod msg;
pub mod node;
pub mod plan;
pub mod rng;
pub mod whole;
pub mod world;

pub use plan::Plan;
pub use world::{Figures, Report, World};

/// Plays one seed.
pub fn run(seed: u64) -> Report {
    World::new(Plan::of(seed)).run()
}
