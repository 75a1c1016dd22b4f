//! The load generator: a server in its own process, devices that do nothing but count, and figures.
//!
//! # Takes and gives
//! A [`Scenario`] and [`Options`] in, a [`Report`] out: figures by name, and what the devices found missing, repeated or
//! out of order while it was measured.
//!
//! # Invariants
//! - Every delivery is checked by its number; a fast run that lost something says so.
//! - At a fixed rate a message's time counts from the moment it was due, not from when the generator came to send it.
//! - The server runs the same binary with the same storage as in production; only limits on rates are raised.
//!
//! # Not here
//! Judging: a goal stands in `docs/performance.md`, and no test fails on a time. The devices are lean: frames over
//! [`tenon_wire::ClientSession`] on plain TCP (or WebSocket, where that is measured), no local store.

mod account;
mod admin;
mod disk;
mod error;
mod flow;
mod histogram;
mod options;
mod pacer;
mod peer;
mod process;
mod record;
mod report;
mod scenario;
mod sender;
mod server;

pub use error::BenchError;
pub use options::Options;
pub use report::{Checked, Report};
pub use scenario::{Scenario, ScenarioError};

/// Runs a scenario to its end. Blocks the calling thread, and uses the machine: one scenario at a time.
///
/// # Errors
/// [`BenchError`] if the server does not start, refuses what the scenario needs, or goes away.
pub fn run(scenario: Scenario, options: &Options) -> Result<Report, BenchError> {
    let mut report = match scenario {
        Scenario::Log => scenario::log::run(options)?,
        Scenario::Direct => local(scenario::direct::run(options))?,
        Scenario::Group => local(scenario::group::run(options))?,
        Scenario::Connections => local(scenario::connections::run(options))?,
        Scenario::Rebase => local(scenario::rebase::run(options))?,
        Scenario::Storm => local(scenario::storm::run(options))?,
    };
    disk::lone_sync(options.folder.as_deref(), &mut report)?;
    Ok(report)
}

/// One thread for all devices: they share nothing with the server but the machine, and no lock among themselves.
fn local<T>(future: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| BenchError::io("a runtime", source))?;
    tokio::task::LocalSet::new().block_on(&runtime, future)
}
