//! The steps of the gate. Every step runs, also after a failed one, so that one run tells everything.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::finding::report;
use crate::{dependencies, floors, npm, tidy};

/// One cargo call: name of the step, arguments, environment.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const FMT: Step = Step { name: "fmt", args: &["fmt", "--all", "--check"], env: &[] };
const LINT: Step = Step {
    name: "lint",
    args: &[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ],
    env: &[],
};
const TEST: Step = Step {
    name: "test",
    args: &["test", "--locked", "--workspace", "--all-features", "--no-fail-fast"],
    env: &[],
};
const DOC: Step = Step {
    name: "doc",
    args: &["doc", "--locked", "--workspace", "--all-features", "--no-deps", "--quiet"],
    env: &[("RUSTDOCFLAGS", "-D rustdoc::broken_intra_doc_links")],
};

/// Planted bugs, one invariant broken each: the tests that run them fail if they see nothing. Built apart, because the
/// switch changes every crate.
const BUGS: Step = Step {
    name: "bugs",
    args: &[
        "test",
        "--locked",
        "--no-fail-fast",
        "--target-dir",
        "target/bugs",
        "-p",
        "tenon-client",
        "--test",
        "faults",
        "--test",
        "vectors",
        // The switch is one for the process: nothing else may run beside.
        "planted",
        "--",
        "--test-threads=1",
    ],
    env: &[],
};

/// The simulator with planted bugs, optimised: it plays fresh seeds of both worlds and hunts eight of its bugs, both drawn from
/// the commit, and fails at the canary.
const SIMULATOR: Step = Step {
    name: "simulator",
    args: &[
        "run",
        "--locked",
        "--release",
        "--quiet",
        "--target-dir",
        "target/bugs",
        "-p",
        "tenon-sim",
        "--",
        "gate",
    ],
    env: &[],
};

/// The web client: its types and its tests.
const WEB_CHECK: &[&str] = &["run", "check"];
/// That it can be built; beside the folder that the binary embeds, which a check must not change.
const WEB_BUILD: &[&str] = &["run", "build", "--", "--outDir", "../../target/web", "--emptyOutDir"];

/// The program that the browser suite starts, as `test` builds it for the tests that start it: nothing is left to do
/// after that step.
const SERVER: Step = Step {
    name: "browser",
    args: &["test", "--locked", "--workspace", "--all-features", "--no-run"],
    env: &[],
};
/// The client in a real browser against that program.
const WEB_BROWSER: &[&str] = &["run", "browser"];

/// Runs every step of the gate and tells at the end which of them failed.
pub(crate) fn run(root: &Path) -> ExitCode {
    let mut failed = Vec::new();
    let mut note = |name: &'static str, clean: bool| {
        println!("step {name}: {}", if clean { "ok" } else { "FAILED" });
        if !clean {
            failed.push(name);
        }
    };
    note("fmt", cargo(root, &FMT, &[]));
    note("floors", report(floors::check(root)) == ExitCode::SUCCESS);
    note("tidy", report(tidy::check(root)) == ExitCode::SUCCESS);
    note("dependencies", report(dependencies::check(root)) == ExitCode::SUCCESS);
    note("lint", cargo(root, &LINT, &[]));
    note("test", cargo(root, &TEST, &[]));
    note("bugs", bugs(root));
    note("doc", cargo(root, &DOC, &[]));
    note("web", web(root));
    note("browser", browser(root));
    if failed.is_empty() {
        println!("check ok");
        return ExitCode::SUCCESS;
    }
    println!("check FAILED: {}", failed.join(", "));
    ExitCode::from(1)
}

/// Runs one cargo step by its name; `rest` goes to it unchanged.
pub(crate) fn run_one(root: &Path, name: &str, rest: &[String]) -> ExitCode {
    let whole: Option<fn(&Path) -> bool> = match name {
        "web" => Some(web),
        "bugs" if rest.is_empty() => Some(bugs),
        _ => None,
    };
    if let Some(step) = whole {
        return if step(root) { ExitCode::SUCCESS } else { ExitCode::from(1) };
    }
    if name == "browser" {
        return if browser(root) { ExitCode::SUCCESS } else { ExitCode::from(1) };
    }
    let found = [FMT, LINT, TEST, BUGS, DOC].into_iter().find(|step| step.name == name);
    match found {
        Some(step) if cargo(root, &step, rest) => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(1),
        None => report(Err(format!("no step {name}"))),
    }
}

/// The planted bugs of the device engine, and the simulator with those of the rooms.
fn bugs(root: &Path) -> bool {
    let is_seen = cargo(root, &BUGS, &[]);
    let commit = ["--commit".to_owned(), commit(root)];
    cargo(root, &SIMULATOR, &commit) && is_seen
}

/// The commit that is checked, so that every commit hunts bugs of its own.
fn commit(root: &Path) -> String {
    let told = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root).output();
    told.map_or_else(
        |_| "unknown".to_owned(),
        |told| String::from_utf8_lossy(&told.stdout).trim().to_owned(),
    )
}

/// Calls cargo for a step.
fn cargo(root: &Path, step: &Step, rest: &[String]) -> bool {
    println!("step {}: cargo {} {}", step.name, step.args.join(" "), rest.join(" "));
    let mut command = Command::new("cargo");
    command.args(step.args).args(rest).envs(step.env.iter().copied()).current_dir(root);
    if step.name == BUGS.name || step.name == SIMULATOR.name {
        command.env("RUSTFLAGS", bugs_flags());
    }
    succeeds(&mut command)
}

/// Types, tests and build of the web client; the packages are installed when the lock file is newer than what is there.
fn web(root: &Path) -> bool {
    let folder = root.join("web");
    npm::install(&folder) && npm::run(&folder, WEB_CHECK) && npm::run(&folder, WEB_BUILD)
}

/// The browser suite: the server as a program, the client as built, Debian's chromium. Without a browser it is skipped,
/// but not where `BROWSER_SUITE=required` says that one must be there.
#[expect(clippy::disallowed_methods, reason = "a tool reads the environment it was started in")]
fn browser(root: &Path) -> bool {
    let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !Path::new(&program).exists() {
        let is_required = std::env::var("BROWSER_SUITE").is_ok_and(|value| value == "required");
        println!("step browser: SKIPPED, there is no {program}");
        return !is_required;
    }
    let folder = root.join("web");
    cargo(root, &SERVER, &[])
        && npm::install(&folder)
        && npm::run(&folder, WEB_BUILD)
        && npm::run(&folder, WEB_BROWSER)
}

/// Runs a program to its end; one that cannot be started counts as failed.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("{} could not be started: {error}", command.get_program().display());
            false
        }
    }
}

/// The flags of this run, and the switch.
#[expect(clippy::disallowed_methods, reason = "a tool passes on the environment it was started in")]
pub(crate) fn bugs_flags() -> String {
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    format!("{given} --cfg bugs").trim().to_owned()
}
