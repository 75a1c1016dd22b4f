//! A few seeds in every gate, and the proof that a seed is a run.

/// Same seed, same build: same trace, whatever was played before.
#[test]
fn a_seed_plays_alike_twice() {
    for seed in [3, 7] {
        let first = tenon_sim::run(seed);
        let again = tenon_sim::run(seed);
        assert_eq!(first.trace, again.trace, "seed {seed}");
        assert_eq!(first.figures, again.figures, "seed {seed}");
    }
    assert_ne!(tenon_sim::run(3).trace, tenon_sim::run(7).trace);
}

/// No invariant breaks, and the runs do play what they are for.
#[test]
fn seeds_hold_every_invariant() {
    let mut sum = tenon_sim::Figures::default();
    for seed in 1..=24 {
        let report = tenon_sim::run(seed);
        assert!(report.violations.is_empty(), "seed {seed}: {:?}", report.violations);
        sum.add(&report.figures);
    }
    for (name, count) in sum.all() {
        let is_rare = ["rollbacks", "room_failures"].contains(&name);
        assert!(count > 0 || is_rare, "{name} was never met");
    }
}
