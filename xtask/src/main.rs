//! Checks of the house, callable without any tool but cargo.
//!
//! # Takes and gives
//! The working tree in; one line per finding out. Exit 0 is clean, 1 is findings, 2 is "could not run".
//!
//! # Invariants
//! - `floors` and `tidy` need neither network nor a build of the workspace.
//! - Every check has a test in which it fails.
//!
//! # Not here
//! Tests of the crates themselves: they stand beside what they test.

mod check;
mod dependencies;
mod finding;
mod floors;
mod npm;
mod power;
mod serve;
mod tidy;
mod tier;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use finding::report;

const HELP: &str = "\
cargo xtask COMMAND

  serve         builds the web client and the binary, runs `tenon serve`; further arguments go to it
  check         the gate, what CI runs: all down to browser
  fmt           formatting is as cargo fmt leaves it
  floors        crates import lower floors only
  tidy          sizes, front pages, error pages, feature table, laws, links
  dependencies  licences, one crypto provider, number of packages
  lint          clippy over the workspace, warnings denied
  test          tests of the workspace; further arguments go to cargo test
  bugs          planted bugs are found by the tests that look for them
  doc           documentation builds without broken links
  web           types and tests of the web client (needs npm)
  browser       the web client in a real browser against the server (needs npm and chromium)
  t2            a night: all crash points, disk errors, 2,000 kills, 20,000 seeds, planted bugs, fuzzing; parts may be named
  t3            a day: power cuts with their negative control, the archive, 200,000 seeds, an hour for each fuzz target
  power-cuts    a virtual machine whose power goes: [--count N] [--without-sync] [--seed N] [--binary PATH]
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let root = root();
    match command.as_str() {
        "serve" => serve::run(&root, &rest),
        "t2" => tier::t2(&root, &rest),
        "t3" => tier::t3(&root, &rest),
        "power-cuts" => power::run(&root, &rest),
        "check" => check::run(&root),
        "fmt" | "lint" | "test" | "bugs" | "doc" | "web" | "browser" => {
            check::run_one(&root, &command, &rest)
        }
        "floors" => report(floors::check(&root)),
        "tidy" => report(tidy::check(&root)),
        "dependencies" => report(dependencies::check(&root)),
        _ => report(Err(HELP.to_owned())),
    }
}

/// The root of the workspace: the parent of this crate's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
