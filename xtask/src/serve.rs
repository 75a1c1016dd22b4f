//! The first command of the README: the web client, the binary with it inside, and the server.
#![allow(clippy::print_stdout, reason = "a command line tool")]
#![expect(
    clippy::disallowed_types,
    reason = "times of files are compared with each other, nothing with now"
)]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use crate::check::succeeds;
use crate::npm;

/// Said where the web client cannot be built.
const NO_NODE: &str = "\
node and npm are needed for the web client and are not here.
  Debian, Ubuntu:  apt-get install nodejs npm
  elsewhere:       https://nodejs.org, version 18 or newer
Without the web client: cargo run --release -p tenon-server -- serve --data ./data";
/// Folders below `web/` that hold what the client is built from.
const SOURCES: &[&str] = &["app", "packages", "package-lock.json", "package.json", "tsconfig.json"];

/// Builds what is older than its sources and runs `tenon serve` with `args` until it ends.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    if let Err(why) = build_client(root) {
        println!("{why}");
        return ExitCode::from(2);
    }
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "-p", "tenon-server"]).current_dir(root);
    if !succeeds(&mut build) {
        return ExitCode::from(2);
    }
    let mut server = Command::new(root.join("target/release/tenon"));
    server.arg("serve").args(args);
    if args.is_empty() {
        server.args(["--data", "./data"]);
    }
    // The server takes the place of this program: signals and the exit code are its own.
    let error = server.exec();
    println!("the server could not be started: {error}");
    ExitCode::from(2)
}

/// Only when a source is newer: a touched client makes cargo link the binary again.
fn build_client(root: &Path) -> Result<(), String> {
    let web = root.join("web");
    if !is_stale(&web) {
        return Ok(());
    }
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !(is_there("node") && is_there("npm")) {
        return Err(NO_NODE.to_owned());
    }
    let is_built = npm::install(&web) && npm::run(&web, &["run", "build"]);
    is_built.then_some(()).ok_or_else(|| "the web client could not be built".to_owned())
}

fn is_stale(web: &Path) -> bool {
    let built = web.join("dist/index.html").metadata().and_then(|m| m.modified());
    let Ok(built) = built else { return true };
    SOURCES.iter().filter_map(|source| newest(&web.join(source))).any(|at| at > built)
}

/// When the newest file of a tree was changed; installed packages are not looked at.
fn newest(path: &Path) -> Option<SystemTime> {
    let about = path.metadata().ok()?;
    if !about.is_dir() {
        return about.modified().ok();
    }
    let entries = fs::read_dir(path).ok()?.flatten();
    let wanted = entries.filter(|entry| entry.file_name() != "node_modules");
    wanted.filter_map(|entry| newest(&entry.path())).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    fn write(path: &Path, at: SystemTime) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().set_modified(at).unwrap();
    }

    #[test]
    fn a_client_is_stale_when_it_is_absent_or_older_than_a_source() {
        let folder = std::env::temp_dir().join(format!("tenon-xtask-serve-{}", std::process::id()));
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let later = then + Duration::from_secs(10);
        write(&folder.join("app/src/main.tsx"), then);
        assert!(is_stale(&folder), "never built");
        write(&folder.join("dist/index.html"), later);
        assert!(!is_stale(&folder), "built after its sources");
        write(&folder.join("app/node_modules/x.js"), later + Duration::from_secs(1));
        assert!(!is_stale(&folder), "an installed package is no source");
        write(&folder.join("packages/client/src/a.ts"), later + Duration::from_secs(1));
        assert!(is_stale(&folder), "a source is newer");
        fs::remove_dir_all(&folder).unwrap();
    }
}
