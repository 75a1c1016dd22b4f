//! The real binary, as a newcomer, an operator and a crash meet it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

#[path = "binary/archive.rs"]
mod archive;
#[path = "binary/checking.rs"]
mod checking;
#[path = "binary/crash.rs"]
mod crash;
#[path = "binary/disk.rs"]
mod disk;
#[path = "binary/harness.rs"]
mod harness;
#[path = "binary/newcomer.rs"]
mod newcomer;
