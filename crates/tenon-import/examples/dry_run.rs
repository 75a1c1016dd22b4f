//! Reads a Slack export and prints what an import would take: `cargo run --release -p tenon-import --example dry_run -- ZIP`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool at the terminal")]

use std::process::ExitCode;

use tenon_import::slack::Archive;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("dry_run ZIP");
        return ExitCode::FAILURE;
    };
    match Archive::open(path).and_then(|archive| archive.dry_run()) {
        Ok(report) => {
            println!("{report:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
