//! `tenon bench`: the load generator against a server of its own.

use std::process::ExitCode;

use tenon_bench::Options;

use crate::cli::Bench;
use crate::error::ServerError;
use crate::output;

/// Runs a scenario and prints its report; code 1 if a delivery was lost, repeated or out of order.
pub(super) async fn run(args: Bench, is_json: bool) -> Result<ExitCode, ServerError> {
    let scenario = args.scenario;
    let options = options(args)?;
    let ran = tokio::task::spawn_blocking(move || tenon_bench::run(scenario, &options)).await;
    let report = ran.map_err(|_| ServerError::Panicked)??;
    let text = if is_json { report.to_json().to_string() } else { report.to_string() };
    output::line(text.trim_end());
    Ok(if report.checked.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn options(args: Bench) -> Result<Options, ServerError> {
    let exe = std::env::current_exe()
        .map_err(|source| ServerError::Io { path: "this program".into(), source })?;
    let default = Options::new(exe);
    let number = |given: Option<u64>, default: usize| {
        given.and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
    };
    Ok(Options {
        folder: args.folder,
        seconds: args.seconds.unwrap_or(default.seconds),
        pairs: number(args.pairs, default.pairs),
        in_flight: number(args.in_flight, default.in_flight),
        rates: args.rates,
        devices: number(args.devices, default.devices),
        members: number(args.members, default.members),
        online: number(args.online, default.online),
        events: args.events.unwrap_or(default.events),
        callers: number(args.callers, default.callers),
        record_bytes: number(args.record_bytes, default.record_bytes),
        record: args.record,
        ..default
    })
}
