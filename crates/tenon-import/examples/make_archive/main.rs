//! Makes an archive of the same form as a Slack export, from a seed.
//!
//! `cargo run --release -p tenon-import --example make_archive -- OUT.zip SEED USERS CHANNELS MESSAGES`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool at the terminal")]

mod generate;

use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;

use generate::{Plan, write_archive};

const USAGE: &str = "make_archive OUT.zip SEED USERS CHANNELS MESSAGES";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = arguments.iter().skip(1).map(|a| a.parse().ok()).collect();
    let (Some(path), Some([seed, users, channels, messages])) =
        (arguments.first(), numbers.as_deref())
    else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let plan = Plan { seed: *seed, users: *users, channels: *channels, messages: *messages };
    let written = File::create(path)
        .map_err(zip::result::ZipError::Io)
        .and_then(|file| write_archive(&plan, BufWriter::new(file)));
    match written {
        Ok((_, made)) => {
            println!("{path}: {made:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot write {path}: {error}");
            ExitCode::FAILURE
        }
    }
}
