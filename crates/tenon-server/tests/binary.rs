//! The real binary, as a newcomer, an operator and a crash meet it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

#[path = "binary/archive.rs"]
mod archive;
#[path = "binary/birth.rs"]
mod birth;
#[path = "binary/checking.rs"]
mod checking;
#[path = "binary/crash.rs"]
mod crash;
#[path = "binary/demo.rs"]
mod demo;
#[path = "binary/disk.rs"]
mod disk;
#[path = "binary/errors.rs"]
mod errors;
#[path = "binary/first_run.rs"]
mod first_run;
#[path = "binary/harness.rs"]
mod harness;
#[path = "binary/interpose.rs"]
mod interpose;
#[path = "binary/kills.rs"]
mod kills;
#[path = "binary/load.rs"]
mod load;
#[path = "binary/newcomer.rs"]
mod newcomer;
#[path = "binary/points.rs"]
mod points;
#[path = "binary/power.rs"]
mod power;
#[path = "binary/security.rs"]
mod security;
#[path = "../../tenon-gateway/tests/end_to_end/matrix/source.rs"]
mod source;
#[path = "binary/weak_network.rs"]
mod weak_network;
