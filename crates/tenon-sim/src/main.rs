//! `tenon-sim`: plays seeds and says what broke. See `docs/assurance.md`.
//!
//! # Takes and gives
//! Seeds and switches -> what broke, figures, and a closing line `N passed, M failed`; the exit code says the same.
//!
//! # Invariants
//! - A seed that is named plays alike in every command.
//!
//! # Not here
//! The runs themselves (the library of this crate).

#![allow(clippy::print_stdout, reason = "this is its output")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tenon_sim::{Figures, Plan, Report, World};

/// Plays seeds of the simulator and says what broke.
#[derive(Debug, Parser)]
#[command(name = "tenon-sim")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Plays many seeds: `--seeds 1..1000`.
    Run {
        /// First and last seed, as FROM..TO.
        #[arg(long)]
        seeds: String,
        /// Invariants that are not checked, as I1,I6.
        #[arg(long, value_delimiter = ',')]
        without: Vec<String>,
    },
    /// Plays one seed and prints everything about it.
    Replay {
        /// Which.
        seed: u64,
        /// Prints every frame that this device hears.
        #[arg(long)]
        device: Option<u64>,
    },
    /// Plays seeds of the whole house, real devices and sessions included: `--seeds 1..1000`.
    Whole {
        /// First and last seed, as FROM..TO.
        #[arg(long)]
        seeds: String,
        /// Writes the histories of failing seeds to this folder, for `tenon check`.
        #[arg(long)]
        histories: Option<std::path::PathBuf>,
    },
    /// Leaves out what a failing seed does not need, and prints what is left.
    Minimise {
        /// Which.
        seed: u64,
    },
    /// Switches planted bugs on one by one: each must be seen in 50 seeds, and the canary must fail.
    Bugs {
        /// Only eight of them: the N-th group.
        #[arg(long)]
        rotate: Option<u64>,
        /// Only this one.
        #[arg(long)]
        only: Option<String>,
        /// Prints a table for `docs/assurance.md`.
        #[arg(long)]
        table: bool,
    },
    /// What the gate plays: fresh seeds of both worlds and eight planted bugs, drawn from the commit; then the canary.
    Gate {
        /// The commit, as git names it.
        #[arg(long)]
        commit: String,
        /// How many fresh seeds.
        #[arg(long, default_value_t = 300)]
        seeds: u64,
    },
}

/// Seeds of the whole house that the gate plays.
const WHOLE_SEEDS: u64 = 100;
/// The first seeds of the other world, played always.
const KNOWN: u64 = 100;
/// Fresh seeds lie above it.
const FRESH_FROM: u64 = 1_000_000_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic of a room is caught and reported as a violation.
    std::panic::set_hook(Box::new(|_| {}));
    let is_good = match arguments.what {
        What::Run { seeds, without } => match range(&seeds) {
            Some((from, to)) => run(from..=to, &without, ""),
            None => {
                println!("seeds are given as FROM..TO");
                false
            }
        },
        What::Whole { seeds, histories } => match range(&seeds) {
            Some((from, to)) => whole(from..=to, histories.as_deref()),
            None => {
                println!("seeds are given as FROM..TO");
                false
            }
        },
        What::Replay { seed, device } => replay(seed, device),
        What::Minimise { seed } => {
            minimise(seed);
            true
        }
        What::Bugs { rotate, only, table } => bugs(rotate, only.as_deref(), table),
        What::Gate { commit, seeds } => gate(&commit, seeds),
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn range(seeds: &str) -> Option<(u64, u64)> {
    let (from, to) = seeds.split_once("..")?;
    Some((from.parse().ok()?, to.trim_start_matches('=').parse().ok()?))
}

fn play(seed: u64, without: &[String]) -> Report {
    let mut world = World::new(Plan::of(seed));
    world.without(without);
    world.run()
}

/// Plays seeds; with a commit the first three that fail are minimised.
fn run(seeds: impl Iterator<Item = u64>, without: &[String], commit: &str) -> bool {
    let mut sum = Figures::default();
    let (mut passed, mut failed) = (0, Vec::new());
    for seed in seeds {
        let report = play(seed, without);
        sum.add(&report.figures);
        if let Some(first) = report.violations.first() {
            println!("seed {seed}: {} at {} us: {}", first.invariant, first.at_us, first.text);
            failed.push(seed);
        } else {
            passed += 1;
        }
    }
    let is_covered = print_coverage(&sum);
    if !commit.is_empty() {
        for seed in failed.iter().take(3) {
            println!("seed {seed} of commit {commit}, minimised:");
            minimise(*seed);
        }
    }
    println!("{passed} passed, {} failed", failed.len());
    failed.is_empty() && (commit.is_empty() || is_covered)
}

fn whole(seeds: impl Iterator<Item = u64>, histories: Option<&std::path::Path>) -> bool {
    let mut sum = tenon_sim::whole::WholeFigures::default();
    let mut judged: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    let (mut passed, mut failed) = (0, 0);
    for seed in seeds {
        let report = tenon_sim::whole::run(seed);
        sum.add(&report.figures);
        for one in &report.judged {
            *judged.entry(one.invariant).or_default() += one.decided;
        }
        if report.violations.is_empty() {
            passed += 1;
            continue;
        }
        failed += 1;
        for broken in &report.violations {
            println!("seed {seed}: {} at {} us: {}", broken.invariant, broken.at_us, broken.text);
        }
        if let Some(folder) = histories {
            let path = folder.join(format!("{seed}.jsonl"));
            if let Err(error) = std::fs::write(&path, &report.history) {
                println!("{}: {error}", path.display());
            }
        }
    }
    for (name, count) in sum.all() {
        println!("{name:>20} {count}");
    }
    for (invariant, decided) in judged {
        println!("{invariant:>20} {decided} decisions");
    }
    println!("{passed} passed, {failed} failed");
    failed == 0
}

fn replay(seed: u64, device: Option<u64>) -> bool {
    let mut world = World::new(Plan::of(seed));
    if let Some(device) = device {
        world.listen(device);
    }
    let report = world.run();
    for frame in &report.heard {
        println!("{frame}");
    }
    println!("{:#?}", report.plan);
    for (name, count) in report.figures.all() {
        println!("{name:>28} {count}");
    }
    for broken in &report.violations {
        println!("{} at {} us: {}", broken.invariant, broken.at_us, broken.text);
    }
    println!("trace {}", report.trace);
    let failed = usize::from(!report.violations.is_empty());
    println!("{} passed, {failed} failed", 1 - failed);
    failed == 0
}

fn minimise(seed: u64) {
    match tenon_sim::bugs::minimise(seed) {
        None => println!("seed {seed} passes: nothing to minimise"),
        Some((plan, broken)) => {
            let left = plan.operations as usize - plan.skipped.len();
            println!("{plan:#?}");
            println!("{left} of {} operations are left", plan.operations);
            println!("{} at {} us: {}", broken.invariant, broken.at_us, broken.text);
        }
    }
}

#[cfg(not(bugs))]
fn bugs(_: Option<u64>, _: Option<&str>, _: bool) -> bool {
    println!("built without planted bugs; build with RUSTFLAGS=\"--cfg bugs\"");
    false
}

#[cfg(bugs)]
fn bugs(rotate: Option<u64>, only: Option<&str>, table: bool) -> bool {
    use tenon_sim::bugs::{Bug, all, hunt};
    let groups = all().count().div_ceil(8) as u64;
    let (mut passed, mut failed) = (0, 0);
    if table {
        println!("| Bug | Where | Law | What the code does wrong | Unmasked | Seed |");
        println!("|---|---|---|---|---|---|");
    }
    for (index, bug) in (0..).zip(all()) {
        let is_in_turn = rotate.is_none_or(|group| index % groups == group % groups);
        if !is_in_turn || only.is_some_and(|only| only != bug.name) {
            continue;
        }
        let hunt = hunt(bug, tenon_base::always::bugs::plant);
        let is_seen = hunt.seen.is_some();
        passed += usize::from(is_seen);
        failed += usize::from(!is_seen);
        let Bug { name, place, breaks, wrong, unmask, .. } = bug;
        let seeds = if is_seen { hunt.seeds.to_string() } else { "not seen".to_owned() };
        if table {
            println!("| `{name}` | {place} | {breaks} | {wrong} | {unmask} | {seeds} |");
        } else {
            let text = hunt.seen.map(|seen| format!("{}: {}", seen.invariant, seen.text));
            let alarms = hunt.false_alarms;
            println!(
                "{name:<30} {breaks:<4} {seeds:>8} {:.110} {alarms:?}",
                text.unwrap_or_default()
            );
        }
    }
    let canary = World::new(Plan { is_canary: true, ..Plan::of(1) }).run();
    let is_reported = canary.violations.iter().any(|v| v.invariant == "canary");
    println!("canary-always-fails {}", if is_reported { "fails, as it must" } else { "PASSED" });
    println!(
        "{} bugs seen, {} not seen",
        passed + usize::from(is_reported),
        failed + usize::from(!is_reported)
    );
    failed == 0 && is_reported
}

/// Seeds that nobody has seen, of both worlds, and a group of bugs: both follow from the name of the commit. The first seeds
/// are played as well, so that every fault is met whatever is drawn.
fn gate(commit: &str, seeds: u64) -> bool {
    let hash = blake3::hash(commit.as_bytes());
    let draw = hash.as_bytes()[..8].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let fresh = FRESH_FROM + draw % FRESH_FROM;
    let (end, whole_end) = (fresh + seeds - 1, fresh + WHOLE_SEEDS - 1);
    println!(
        "commit {commit}: seeds 1..{KNOWN} and {fresh}..{end}, of the whole house {fresh}..{whole_end}"
    );
    let holds = run((1..=KNOWN).chain(fresh..=end), &[], commit);
    let whole_holds = whole(fresh..=whole_end, None);
    bugs(Some(draw), None, false) && holds && whole_holds
}

/// Prints every figure and rare place; true if none stayed at zero. Without planted bugs the rare places are not counted.
fn print_coverage(sum: &Figures) -> bool {
    #[cfg(bugs)]
    let met = tenon_base::always::bugs::met();
    #[cfg(not(bugs))]
    let met = tenon_sim::coverage::SOMETIMES.iter().map(|name| (*name, 1)).collect();
    let coverage = tenon_sim::coverage::coverage(sum, &met);
    for (name, count) in &coverage.counts {
        println!("{name:>28} {count}");
    }
    for name in &coverage.missing {
        println!("NEVER MET: {name}");
    }
    coverage.missing.is_empty()
}
