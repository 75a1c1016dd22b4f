//! The packages and scripts of the web client.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::path::Path;
use std::process::Command;

use crate::check::succeeds;

/// Exactly what the lock file names.
const INSTALL: &[&str] = &["ci", "--no-audit", "--no-fund", "--loglevel=error"];

/// Installs the packages if the lock file is newer than what is there. True if they are there.
pub(crate) fn install(folder: &Path) -> bool {
    is_installed(folder) || run(folder, INSTALL)
}

/// Calls npm in `folder`. True if it succeeded.
pub(crate) fn run(folder: &Path, args: &[&str]) -> bool {
    println!("npm {}", args.join(" "));
    succeeds(Command::new("npm").args(args).current_dir(folder))
}

/// npm leaves a copy of the lock file in the folder it fills.
fn is_installed(folder: &Path) -> bool {
    let changed = |path: &str| folder.join(path).metadata().and_then(|m| m.modified()).ok();
    match (changed("package-lock.json"), changed("node_modules/.package-lock.json")) {
        (Some(wanted), Some(installed)) => installed >= wanted,
        _ => false,
    }
}
