//! The binary `tenon`: a chat server, its administration, and a client for the command line.
//!
//! # Takes and gives
//! Flags, environment and a configuration file in; a server that runs, or one command's answer, out.
//!
//! # Invariants
//! - One process holds a data directory; commands reach it through a Unix socket that only the same system user can open.
//! - Every error names the cause and the mend; exit code 0 done, 1 failed, 2 wrong call, 3 done with something left out.
//!
//! # Not here
//! Rules, storage, protocol: the rooms on the lower floors. This crate only wires them.

mod admin;
mod cli;
mod command;
mod config;
mod demo;
mod error;
#[cfg(test)]
mod hostile;
mod house;
mod importing;
mod links;
mod output;
mod serve;
mod verifying;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let is_json = cli.is_json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error::ServerError::Thread(error), is_json),
    };
    match runtime.block_on(command::run(cli)) {
        Ok(code) => code,
        Err(error) => output::fail(&error, is_json),
    }
}
