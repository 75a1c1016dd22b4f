//! Every target over its seeds, its corpus and 2,000 mutations; and the canary, which must fail.
//!
//! One test for each target would measure itself while others allocate on their own threads, which is fine: the measure is
//! per thread. One seed gives one run, so a failure here is a failure everywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that measures time"
)]

use std::time::Instant;

use tenon_base::{Clock, Deadline, Timestamp};
use tenon_fuzz::{
    Attempt, CANARY, Corpus, Failure, Meter, Mutator, TARGETS, Target, find, minimise, try_input,
};

#[global_allocator]
static METER: Meter = Meter;

/// Mutations of one target.
const MUTATIONS: usize = 2_000;

struct Real(Instant);

impl Clock for Real {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    fn monotonic(&self) -> Deadline {
        Deadline(self.0.elapsed().as_micros() as u64)
    }
}

fn clock() -> Real {
    Real(Instant::now())
}

/// A machine that is busy with other tests makes anything slow: only time that repeats counts.
fn attempt(target: &Target, input: &[u8], clock: &Real) -> Attempt {
    let first = try_input(target, input, clock);
    match first.failure {
        Some(Failure::Time(_)) => {
            let again = [0; 2].map(|_| try_input(target, input, clock));
            again.into_iter().min_by_key(|attempt| attempt.took).unwrap()
        }
        _ => first,
    }
}

/// Runs a target; the first input that breaks a law is the answer.
fn attack(target: &Target, mutations: usize) -> Option<(Vec<u8>, Failure)> {
    let clock = clock();
    let corpus = Corpus::committed().inputs(target.name).unwrap();
    let mut pool = (target.seeds)();
    assert!(!pool.is_empty(), "{} has seeds", target.name);
    pool.extend(corpus.into_iter().map(|(_, bytes)| bytes));
    let mutator = Mutator::new(1, target.bytes_max, target.dictionary);
    let mutated = (0..mutations).map(|_| mutator.next(&pool));
    let all = pool.iter().cloned().chain(mutated);
    for input in all {
        if let Some(failure) = attempt(target, &input, &clock).failure {
            return Some((input, failure));
        }
    }
    None
}

fn holds(name: &str) {
    let target = find(name).unwrap();
    if let Some((input, failure)) = attack(target, MUTATIONS) {
        let path = Corpus::at(std::env::temp_dir().join("tenon-fuzz")).keep(name, "found", &input);
        panic!("{name}: {failure}; {} bytes in {path:?}", input.len());
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                holds(stringify!($name));
            }
        )*

        /// A new target gets its test.
        #[test]
        fn every_target_has_its_test() {
            let tested = [$(stringify!($name)),*];
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, tested);
        }
    };
}

targets! {
    frames messages_up messages_down json json_of_frames server_session client_session session_pair device_engine
    device_rows log_frame log_segment log_recovery commands user_commands fan_outs identity_commands rows checkpoint
    block slack_day slack_zip tickets credentials
}

/// A target that lies is found out within the same effort, and what refutes it is made small.
#[test]
fn the_canary_sings() {
    let (input, failure) = attack(&CANARY, MUTATIONS).expect("the canary must fail");
    assert_eq!(failure, Failure::Panic("the canary sang".into()));
    let clock = clock();
    let small = minimise(&input, |input| try_input(&CANARY, input, &clock).failure.is_some());
    assert_eq!(small, b"TNRC");
}

/// The meter sees what a target holds, and the driver says so.
#[test]
fn memory_is_measured() {
    fn greedy(_: &[u8]) {
        let held = vec![1u8; 3 << 20];
        assert_eq!(held.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 3 << 20);
    }
    let target = Target { run: greedy, ..CANARY };
    let attempt = try_input(&target, b"x", &clock());
    assert!(attempt.peak_bytes >= 3 << 20, "{attempt:?}");
    assert!(matches!(attempt.failure, Some(Failure::Memory { .. })), "{attempt:?}");
}

/// A hang is a failure, and so is a panic, whose words are kept.
#[test]
fn time_and_panics_are_told() {
    fn slow(_: &[u8]) {
        std::thread::sleep(tenon_fuzz::TIME_MAX + std::time::Duration::from_millis(50));
    }
    let target = Target { run: slow, ..CANARY };
    assert!(matches!(try_input(&target, b"x", &clock()).failure, Some(Failure::Time(_))));
}
