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
        /// Only this many, others every day: the N-th group of eight.
        #[arg(long)]
        rotate: Option<usize>,
        /// Only this one.
        #[arg(long)]
        only: Option<String>,
    },
    /// Prints the planted bugs as a table for `docs/assurance.md`.
    Table,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic of a room is caught and reported as a violation.
    std::panic::set_hook(Box::new(|_| {}));
    let is_good = match arguments.what {
        What::Run { seeds, without } => match range(&seeds) {
            Some((from, to)) => run(from, to, &without),
            None => {
                println!("seeds are given as FROM..TO");
                false
            }
        },
        What::Whole { seeds, histories } => match range(&seeds) {
            Some((from, to)) => whole(from, to, histories.as_deref()),
            None => {
                println!("seeds are given as FROM..TO");
                false
            }
        },
        What::Replay { seed, device } => replay(seed, device),
        What::Minimise { seed } => minimise(seed),
        What::Bugs { rotate, only } => bugs(rotate, only.as_deref()),
        What::Table => {
            print!("{}", tenon_sim::bugs::table());
            true
        }
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

fn run(from: u64, to: u64, without: &[String]) -> bool {
    let mut sum = Figures::default();
    let (mut passed, mut failed) = (0, 0);
    for seed in from..=to {
        let report = play(seed, without);
        sum.add(&report.figures);
        if let Some(first) = report.violations.first() {
            failed += 1;
            println!("seed {seed}: {} at {} us: {}", first.invariant, first.at_us, first.text);
        } else {
            passed += 1;
        }
    }
    print_figures(&sum);
    println!("{passed} passed, {failed} failed");
    failed == 0
}

fn whole(from: u64, to: u64, histories: Option<&std::path::Path>) -> bool {
    let mut sum = tenon_sim::whole::WholeFigures::default();
    let mut judged: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    let (mut passed, mut failed) = (0, 0);
    for seed in from..=to {
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
    print_figures(&report.figures);
    for broken in &report.violations {
        println!("{} at {} us: {}", broken.invariant, broken.at_us, broken.text);
    }
    println!("trace {}", report.trace);
    let failed = usize::from(!report.violations.is_empty());
    println!("{} passed, {failed} failed", 1 - failed);
    failed == 0
}

fn minimise(seed: u64) -> bool {
    match tenon_sim::bugs::minimise(seed) {
        None => println!("seed {seed} passes: nothing to minimise"),
        Some((plan, broken)) => {
            let left = plan.operations as usize - plan.skipped.len();
            println!("{plan:#?}");
            println!("{left} of {} operations are left", plan.operations);
            println!("{} at {} us: {}", broken.invariant, broken.at_us, broken.text);
        }
    }
    true
}

#[cfg(not(bugs))]
fn bugs(_: Option<usize>, _: Option<&str>) -> bool {
    println!("built without planted bugs; build with RUSTFLAGS=\"--cfg bugs\"");
    false
}

#[cfg(bugs)]
fn bugs(rotate: Option<usize>, only: Option<&str>) -> bool {
    use tenon_sim::bugs::{BUGS, hunt};
    let plant = tenon_base::always::bugs::plant;
    let groups = BUGS.len().div_ceil(8);
    let is_chosen = |(index, name): (usize, &str)| {
        rotate.is_none_or(|group| index % groups == group % groups)
            && only.is_none_or(|only| only == name)
    };
    let (mut passed, mut failed) = (0, 0);
    for (index, bug) in BUGS.iter().enumerate() {
        if !is_chosen((index, bug.name)) {
            continue;
        }
        let hunt = hunt(&bug.switch(), plant, Plan::of);
        match hunt.seen {
            Some(seen) => {
                passed += 1;
                println!(
                    "{:<30} {:>2} seeds  {:<6} {:.110}",
                    bug.name, hunt.seeds, seen.invariant, seen.text
                );
            }
            None => {
                failed += 1;
                println!(
                    "{:<30} not seen in {} seeds; must break {}",
                    bug.name, hunt.seeds, bug.breaks
                );
            }
        }
    }
    let canary = World::new(Plan { is_canary: true, ..Plan::of(1) }).run();
    let is_reported = canary.violations.iter().any(|v| v.invariant == "canary");
    println!("canary-always-fails {}", if is_reported { "fails, as it must" } else { "PASSED" });
    println!(
        "{} passed, {} failed",
        passed + usize::from(is_reported),
        failed + usize::from(!is_reported)
    );
    failed == 0 && is_reported
}

fn print_figures(figures: &Figures) {
    for (name, count) in figures.all() {
        println!("{name:>20} {count}");
    }
}
