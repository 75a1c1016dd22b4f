//! The long suites: a night (t2), and what needs a machine of its own (t3). The gate (t1) is `cargo xtask check`.
//!
//! Every part runs, also after a failed one. A part that prints `skipped:` fails, unless the text after `--allow-missing`
//! stands in that line: a missing tool is not a pass.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::check::bugs_flags;
use crate::{finding, power};

/// One cargo call: name of the part, arguments, environment.
struct Part {
    name: &'static str,
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

/// The program that the suites of the binary start.
const BUILD: &[&str] = &["build", "--locked", "--release", "-p", "tenon-server"];
/// Suites of the real binary.
const BINARY_POINTS: [&str; 10] = binary("points::");
const BINARY_BIRTH: [&str; 10] = binary("birth::");
const BINARY_ERRORS: [&str; 10] = binary("errors::");
const BINARY_KILLS: [&str; 10] = binary("kills::");
const BINARY_EXCHANGE: [&str; 10] = binary("crash::");
const BINARY_ARCHIVE: [&str; 10] = binary("archive::");

const fn binary(suite: &'static str) -> [&'static str; 10] {
    [
        "test",
        "--locked",
        "-p",
        "tenon-server",
        "--test",
        "binary",
        suite,
        "--",
        "--nocapture",
        "--test-threads=1",
    ]
}

/// A night.
const T2: &[Part] = &[
    Part { name: "crash-points", args: &BINARY_POINTS, env: &[("CRASH_POINTS", "all")] },
    Part { name: "crash-points-birth", args: &BINARY_BIRTH, env: &[("CRASH_POINTS", "all")] },
    Part { name: "disk-errors", args: &BINARY_ERRORS, env: &[("CRASH_ERRORS", "20")] },
    Part { name: "kills", args: &BINARY_KILLS, env: &[("CRASH_KILLS", "2000")] },
    Part {
        name: "exchange",
        args: &BINARY_EXCHANGE,
        env: &[("CRASH_MESSAGES", "100000"), ("CRASH_EXCHANGE_KILLS", "10")],
    },
    Part { name: "sim", args: &simulator("run", "1..20000"), env: &[] },
    Part { name: "sim-whole", args: &simulator("whole", "1..5000"), env: &[] },
    Part {
        name: "sim-bugs",
        args: &[
            "run",
            "--locked",
            "--release",
            "--target-dir",
            "target/bugs",
            "-p",
            "tenon-sim",
            "--",
            "bugs",
        ],
        env: &[],
    },
    Part { name: "fuzz", args: &fuzz("120"), env: &[] },
];

/// What takes a machine for a day.
const T3: &[Part] = &[
    Part { name: "archive", args: &BINARY_ARCHIVE, env: &[] },
    Part { name: "sim", args: &simulator("run", "1..200000"), env: &[] },
    Part { name: "sim-whole", args: &simulator("whole", "1..50000"), env: &[] },
    Part { name: "fuzz", args: &fuzz("3600"), env: &[] },
];

const fn simulator(world: &'static str, seeds: &'static str) -> [&'static str; 9] {
    ["run", "--locked", "--release", "-p", "tenon-sim", "--", world, "--seeds", seeds]
}

const fn fuzz(seconds: &'static str) -> [&'static str; 9] {
    ["run", "--locked", "--release", "-p", "tenon-fuzz", "--", "run", "--seconds", seconds]
}

/// `t2 [PART]... [--allow-missing TEXT]...`
pub(crate) fn t2(root: &Path, args: &[String]) -> ExitCode {
    run(root, T2, args, |_| true)
}

/// `t3 [PART]... [--allow-missing TEXT]...`: the parts, then the power cuts and their negative control.
pub(crate) fn t3(root: &Path, args: &[String]) -> ExitCode {
    run(root, T3, args, |is_wanted| {
        if !is_wanted("power-cuts") {
            return true;
        }
        let counts = [["--count", "7", "--without-sync"].as_slice(), ["--count", "100"].as_slice()];
        counts.into_iter().all(|words| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            power::run(root, &words) == ExitCode::SUCCESS
        })
    })
}

fn run(
    root: &Path,
    parts: &[Part],
    args: &[String],
    last: impl Fn(&dyn Fn(&str) -> bool) -> bool,
) -> ExitCode {
    let (mut names, mut allowed) = (Vec::new(), Vec::new());
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--allow-missing" => allowed.extend(words.next().cloned()),
            name => names.push(name),
        }
    }
    let is_wanted = |name: &str| names.is_empty() || names.contains(&name);
    let unknown = names
        .iter()
        .find(|name| **name != "power-cuts" && !parts.iter().any(|part| part.name == **name));
    if let Some(name) = unknown {
        let known: Vec<&str> = parts.iter().map(|part| part.name).collect();
        return finding::report(Err(format!("no part {name}; there are {}", known.join(", "))));
    }
    let mut failed = Vec::new();
    let build = Part { name: "build", args: BUILD, env: &[] };
    if !play(root, &build, &[]) {
        return ExitCode::from(2);
    }
    for part in parts.iter().filter(|part| is_wanted(part.name)) {
        let is_good = play(root, part, &allowed);
        println!("part {}: {}", part.name, if is_good { "ok" } else { "FAILED" });
        if !is_good {
            failed.push(part.name);
        }
    }
    if !last(&is_wanted) {
        failed.push("power-cuts");
    }
    if failed.is_empty() {
        println!("all parts ok");
        return ExitCode::SUCCESS;
    }
    println!("FAILED: {}", failed.join(", "));
    ExitCode::from(1)
}

/// Runs one part, passing on what it prints. A skip that is not allowed is a failure.
fn play(root: &Path, part: &Part, allowed: &[String]) -> bool {
    println!("part {}: cargo {}", part.name, part.args.join(" "));
    let mut command = Command::new("cargo");
    command.args(part.args).envs(part.env.iter().copied()).current_dir(root);
    command.env("CRASH_BINARY", root.join("target/release/tenon"));
    if part.name == "sim-bugs" {
        command.env("RUSTFLAGS", bugs_flags());
    }
    let Ok(mut child) = command.stdout(Stdio::piped()).spawn() else {
        println!("cargo could not be started");
        return false;
    };
    let mut is_good = true;
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            println!("{line}");
            is_good &= !is_missing(&line, allowed);
        }
    }
    is_good & child.wait().is_ok_and(|status| status.success())
}

/// True for a line that tells of a skip which nobody allowed.
fn is_missing(line: &str, allowed: &[String]) -> bool {
    line.contains("skipped:") && !allowed.iter().any(|text| line.contains(text.as_str()))
}

#[test]
fn a_skip_is_no_pass() {
    let line = "skipped: no right to mount a small file system";
    assert!(is_missing(line, &[]));
    assert!(is_missing(line, &["archive".to_owned()]));
    assert!(!is_missing(line, &["small file system".to_owned()]));
    assert!(!is_missing("test result: ok. 1 passed", &[]));
}
