//! The planted bugs of log, store, rules, processor and sync: what each does wrong, what it must break, what is unmasked.
//!
//! A bug is a `planted!("name")` in the code of its room, compiled in with `--cfg bugs` only and switched on by its name.

use crate::check::Violation;
use crate::plan::Plan;
use crate::world::World;

/// Seeds in which a bug has to be seen.
pub const SEEDS: u64 = 50;

/// One planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bug {
    /// Its name in the code.
    pub name: &'static str,
    /// The crate it lies in.
    pub place: &'static str,
    /// The invariant it breaks first of all; others may be seen before.
    pub breaks: &'static str,
    /// What the code does wrong.
    pub wrong: &'static str,
    /// The check that would hide it, switched off with it; empty = none.
    pub unmask: &'static str,
}

impl Bug {
    /// What is switched on.
    pub fn switch(&self) -> String {
        if self.unmask.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}+{}", self.name, self.unmask)
        }
    }
}

const fn bug(
    name: &'static str,
    place: &'static str,
    breaks: &'static str,
    wrong: &'static str,
) -> Bug {
    Bug { name, place, breaks, wrong, unmask: "" }
}

/// All of them, by place.
pub const BUGS: &[Bug] = &[
    bug("gap-accepted", "core", "I3", "a cid above the next one is decided"),
    bug("dedupe-forgets", "core", "I2", "a repeated cid is decided again"),
    bug("outcomes-forgotten", "core", "I2", "only the last outcome of a chain is kept"),
    bug("digest-ignored", "core", "I2", "a used cid with other content counts as a repeat"),
    bug("reject-frees-cid", "core", "I18", "a rejection does not use up its cid"),
    bug("clock-not-clamped", "core", "I5", "the time of a message may fall"),
    bug("silent-counted", "core", "I5", "a message without badge raises cnt"),
    bug("readmark-last-write", "core", "I8", "a slower device lowers the read mark"),
    bug("own-counted", "core", "I15", "an own message stays unread"),
    bug("floor-cnt-kept", "core", "I15", "a newcomer counts what was there before him"),
    bug("read-not-queued", "core", "I10", "the own read mark is not told to the other devices"),
    bug("former-may-send", "core", "I16", "who has left may still write"),
    bug("floor-not-raised", "core", "I16", "a newcomer sees hidden history"),
    bug("leave-not-noted", "core", "I16", "the interval of a leaver stays open"),
    bug("removed-not-told", "core", "I28", "who is removed is not told"),
    bug("owner-not-inherited", "core", "I5", "a group loses its owner for good"),
    bug("pull-mode-queued", "core", "I28", "a pull-mode message goes to every queue"),
    bug("flip-drops-tail", "core", "I20", "the flip itself is not told"),
    bug("flip-not-taken", "core", "I20", "a group above the threshold stays in queue mode"),
    bug("cursor-clipped", "core", "I13", "a cursor above the tip is set to the tip"),
    bug("queue-epoch-kept", "core", "I13", "a lost tail is not remembered"),
    bug("queue-epoch-ignored", "core", "I13", "a cursor of an older epoch always goes on"),
    bug("keep-point-too-high", "core", "I13", "the surviving tail is said to be longer"),
    bug("pts-with-holes", "core", "I5", "a position is skipped now and then"),
    bug("device-epoch-kept", "core", "I8", "a renewed device epoch is the old one"),
    bug("apply-before-sync", "processor", "I1", "records are decided before they are durable"),
    bug("fan-out-index-restarts", "processor", "I28", "two fan-outs of a record have one name"),
    bug("recipients-stale", "processor", "I28", "a roster change does not reach the fan-out"),
    bug(
        "applied-before-rows",
        "processor",
        "I29",
        "the checkpoint stands for rows that are not there",
    ),
    bug("flush-before-fanout", "processor", "I28", "the checkpoint does not wait for the fan-out"),
    bug("sender-table-not-flushed", "processor", "I2", "chains are missing from the flush"),
    bug("members-not-flushed", "processor", "I29", "member rows are missing from the flush"),
    bug("resume-too-far", "processor", "I28", "a replay skips one record of fan-out"),
    Bug {
        unmask: "no-resume",
        ..bug("handover-no-dedup", "sync", "I28", "a repeated fan-out takes effect again")
    },
    bug("handover-lsn-only", "sync", "I28", "fan-outs of one record count as one"),
    bug(
        "sources-not-flushed",
        "sync",
        "I28",
        "applied source positions are missing from the flush",
    ),
    bug("announce-not-synced", "sync", "I13", "a queue epoch is used before it is durable"),
    bug("zombie-ack", "sync", "I17", "an older connection moves the cursor"),
    bug("cursor-on-delivery", "sync", "I17", "a delivery moves the cursor"),
    bug("rebase-counts-as-ack", "sync", "I17", "an ordered rebase moves the cursor"),
    bug("live-until-ticket-end", "sync", "I23", "the connection of a removed device stays"),
    bug("lines-not-flushed", "sync", "I6", "list lines are missing from the flush"),
    bug("tail-drops-newest", "sync", "I7", "a full tail drops the newest entry"),
    bug("op-ack-before-sync", "sync", "I1", "a user command is answered before it is durable"),
    bug("checkpoint-ahead-of-log", "store", "I18", "a flush does not wait for the log"),
    bug("trim-at-memory-applied", "store", "I29", "the log is trimmed above the checkpoint"),
    bug("older-shard-forgotten", "store", "I29", "a flush leaves one of several memtables out"),
    bug("block-drops-last", "store", "I1", "packing loses the last value of a run"),
    bug("flush-number-reused", "store", "I30", "a crashed flush's number is given again"),
    bug("aborted-flush-read", "store", "I30", "values of a failed flush are read"),
    bug("ack-before-sync", "embedded", "I1", "an append is acked after the write"),
    bug("sync-retried", "embedded", "I1", "a failed sync is repeated and trusted"),
    bug("write-error-ignored", "embedded", "I1", "a failed write counts as done"),
    bug("no-dir-sync", "embedded", "I1", "the name of a new segment is not synced"),
    bug(
        "use-number-given-twice",
        "embedded",
        "I18",
        "a failed header's number goes to another file",
    ),
    bug(
        "undurable-record-forgotten",
        "embedded",
        "I18",
        "the tail drops a record that is not written",
    ),
    bug("unclean-forgotten", "embedded", "I13", "a crash counts as a clean stop"),
    bug("chain-unchecked", "embedded", "I30", "a misplaced record is accepted"),
    bug("stale-frame-replayed", "embedded", "I30", "a record of an earlier use is accepted"),
    bug("stop-at-first-bad", "embedded", "I30", "recovery cuts at the first bad record"),
    bug("valid-after-bad-is-corruption", "embedded", "I30", "a torn group counts as damage"),
];

/// The table of `docs/assurance.md`.
pub fn table() -> String {
    let mut table =
        String::from("| Bug | Crate | Breaks | What the code does wrong |\n|---|---|---|---|\n");
    for bug in BUGS {
        let Bug { name, place, breaks, wrong, unmask } = bug;
        let with = if unmask.is_empty() { String::new() } else { format!(" (with `{unmask}`)") };
        table.push_str(&format!("| `{name}`{with} | {place} | {breaks} | {wrong} |\n"));
    }
    table
}

/// What came of the hunt for one bug.
#[derive(Debug, Clone)]
pub struct Hunt {
    /// Seeds that were played.
    pub seeds: u64,
    /// What was seen in the last of them.
    pub seen: Option<Violation>,
}

/// Plays seeds with a bug switched on until something breaks. `plant` switches it.
pub fn hunt(name: &str, plant: impl Fn(Option<&str>), plan: impl Fn(u64) -> Plan) -> Hunt {
    plant(Some(name));
    let mut hunt = Hunt { seeds: 0, seen: None };
    while hunt.seeds < SEEDS && hunt.seen.is_none() {
        hunt.seeds += 1;
        let report = World::new(plan(hunt.seeds)).run();
        hunt.seen = report.violations.into_iter().next();
    }
    plant(None);
    hunt
}

/// Leaves out operations and faults as long as the run still breaks the same invariant. Returns the smaller plan.
pub fn minimise(seed: u64) -> Option<(Plan, Violation)> {
    let mut plan = Plan::of(seed);
    let broken = |plan: &Plan| World::new(plan.clone()).run().violations.into_iter().next();
    let mut seen = broken(&plan)?;
    for simpler in simpler(&plan) {
        let mut tried = simpler;
        tried.skipped.clone_from(&plan.skipped);
        if let Some(found) = broken(&tried).filter(|f| f.invariant == seen.invariant) {
            plan = tried;
            seen = found;
        }
    }
    let mut step = plan.operations.div_ceil(2);
    while step > 0 {
        let mut from = 0;
        while from < plan.operations {
            let mut tried = plan.clone();
            tried.skipped.extend(from..(from + step).min(plan.operations));
            tried.skipped.sort_unstable();
            tried.skipped.dedup();
            if tried.skipped.len() > plan.skipped.len()
                && let Some(found) = broken(&tried).filter(|f| f.invariant == seen.invariant)
            {
                plan = tried;
                seen = found;
            }
            from += step;
        }
        step /= 2;
        if step == 0 || step * 64 < plan.operations {
            break;
        }
    }
    Some((plan, seen))
}

/// The plan with one kind of fault off at a time.
fn simpler(plan: &Plan) -> Vec<Plan> {
    let with = |change: fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        plan
    };
    vec![
        with(|p| p.server = Default::default()),
        with(|p| p.server.crashes = 0),
        with(|p| p.disk = Default::default()),
        with(|p| p.kv = Default::default()),
        with(|p| p.net = crate::plan::NetFaults { delay_us: p.net.delay_us, ..Default::default() }),
        with(|p| p.features.restore = 0),
        with(|p| p.features.members = 0),
    ]
}
