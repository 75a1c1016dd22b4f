//! The driver for the stable toolchain: mutates inputs until a law breaks, and makes what broke it small.
//!
//! # Takes and gives
//! A target, a time and a seed in; counts out, or a failing input in `fuzz/corpus` and exit code 1.
//!
//! # Invariants
//! - One seed tries one sequence of inputs.
//! - An input that never ends is written down before the process ends (exit code 3).
//!
//! # Not here
//! The targets and their laws: the library beside.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use tenon_base::{Clock, Deadline, Timestamp};
use tenon_fuzz::{
    Corpus, Meter, Mutator, TARGETS, Target, find, minimise, quiet_panics, try_input,
};

#[global_allocator]
static METER: Meter = Meter;

/// An input that runs so long is written down and the process ends: it will not come back.
const HANG: Duration = Duration::from_secs(20);

/// Tries to break the decoders.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Names the targets.
    List,
    /// Mutates inputs of one target, or of all in turn.
    Run {
        /// Which; all if none is named.
        target: Option<String>,
        /// How long for each target.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Another seed tries other inputs.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Runs files through a target, without mutation.
    Replay {
        /// Which.
        target: String,
        /// The inputs.
        files: Vec<std::path::PathBuf>,
    },
}

/// The real clock: the driver is allowed to look at it.
struct Real(Instant);

impl Clock for Real {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    fn monotonic(&self) -> Deadline {
        Deadline(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// What runs now, for the watchdog.
#[derive(Default)]
struct Now {
    target: &'static str,
    input: Vec<u8>,
}

#[expect(clippy::disallowed_methods, reason = "the one place of this tool that reads the clock")]
fn main() -> ExitCode {
    let clock = Real(Instant::now());
    quiet_panics();
    match Cli::parse().what {
        What::List => {
            for target in TARGETS {
                println!("{:18} {}", target.name, target.about);
            }
            ExitCode::SUCCESS
        }
        What::Run { target, seconds, seed } => run(target.as_deref(), seconds, seed, clock),
        What::Replay { target, files } => replay(&target, &files, &clock),
    }
}

fn run(name: Option<&str>, seconds: u64, seed: u64, clock: Real) -> ExitCode {
    let chosen: Vec<&Target> = match name {
        None => TARGETS.iter().collect(),
        Some(name) => find(name).into_iter().collect(),
    };
    if chosen.is_empty() {
        println!("no such target; `tenon-fuzz list` names them");
        return ExitCode::from(2);
    }
    let clock = Arc::new(clock);
    let (now, count) = (Arc::new(Mutex::new(Now::default())), Arc::new(AtomicU64::new(0)));
    watch(Arc::clone(&now), Arc::clone(&count));
    let mut failures = 0;
    for target in chosen {
        failures += u32::from(!attack(target, seconds, seed, clock.as_ref(), &now, &count));
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Writes down an input that never ends, then ends the process.
#[expect(clippy::exit, reason = "a thread that hangs cannot be stopped in another way")]
fn watch(now: Arc<Mutex<Now>>, count: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut before = u64::MAX;
        loop {
            std::thread::sleep(HANG);
            let done = count.load(Ordering::Relaxed);
            if done == before {
                let now = now.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = Corpus::committed().keep(now.target, "hang", &now.input);
                println!("{}: hangs; {kept:?}", now.target);
                std::process::exit(3);
            }
            before = done;
        }
    });
}

/// True if nothing broke.
fn attack(
    target: &'static Target,
    seconds: u64,
    seed: u64,
    clock: &Real,
    now: &Mutex<Now>,
    count: &AtomicU64,
) -> bool {
    let corpus = Corpus::committed();
    let mut pool = (target.seeds)();
    match corpus.inputs(target.name) {
        Ok(inputs) => pool.extend(inputs.into_iter().map(|(_, bytes)| bytes)),
        Err(error) => {
            println!("{}: {error}", target.name);
            return false;
        }
    }
    let mutator = Mutator::new(seed, target.bytes_max, target.dictionary);
    let end = clock.monotonic().plus(Duration::from_secs(seconds));
    let (mut tried, mut slowest, mut heaviest) = (0u64, Duration::ZERO, 0);
    while clock.monotonic() < end {
        let input = match pool.get(usize::try_from(tried).unwrap_or(usize::MAX)) {
            Some(whole) => whole.clone(),
            None => mutator.next(&pool),
        };
        {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            (now.target, now.input) = (target.name, input.clone());
        }
        let attempt = try_input(target, &input, clock);
        count.fetch_add(1, Ordering::Relaxed);
        tried += 1;
        (slowest, heaviest) = (slowest.max(attempt.took), heaviest.max(attempt.peak_bytes));
        if let Some(failure) = attempt.failure {
            println!("{}: input {tried}: {failure}", target.name);
            let small = minimise(&input, |input| {
                count.fetch_add(1, Ordering::Relaxed);
                let again = try_input(target, input, clock).failure;
                again.is_some_and(|again| again.is_like(&failure))
            });
            let told = try_input(target, &small, clock).failure;
            let words = told.map_or_else(String::new, |failure| failure.to_string());
            match corpus.keep(target.name, "found", &small) {
                Ok(path) => println!("  {} bytes in {}: {words}", small.len(), path.display()),
                Err(error) => println!("  {error}"),
            }
            return false;
        }
    }
    println!(
        "{:18} {tried} inputs, slowest {slowest:?}, most memory {} KiB",
        target.name,
        heaviest / 1024
    );
    true
}

fn replay(name: &str, files: &[std::path::PathBuf], clock: &Real) -> ExitCode {
    let Some(target) = find(name) else {
        println!("no such target; `tenon-fuzz list` names them");
        return ExitCode::from(2);
    };
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let Ok(input) = std::fs::read(file) else {
            println!("{}: cannot be read", file.display());
            code = ExitCode::from(2);
            continue;
        };
        let attempt = try_input(target, &input, clock);
        match attempt.failure {
            None => println!("{}: holds, {:?}", file.display(), attempt.took),
            Some(failure) => {
                println!("{}: {failure}", file.display());
                code = ExitCode::from(1);
            }
        }
    }
    code
}
