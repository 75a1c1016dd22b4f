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
    },
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
        What::Replay { seed } => replay(seed),
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

fn replay(seed: u64) -> bool {
    let report = play(seed, &[]);
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

fn print_figures(figures: &Figures) {
    for (name, count) in figures.all() {
        println!("{name:>20} {count}");
    }
}
