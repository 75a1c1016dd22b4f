//! What an open makes of what a crash or a bad disk left: each kind of damage alone, on real files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code"
)]

#[path = "recovery/device.rs"]
mod device;

#[path = "recovery/corruption.rs"]
mod corruption;
#[path = "recovery/crash.rs"]
mod crash;
#[path = "recovery/matrix.rs"]
mod matrix;
