//! The planted bugs of log, store, rules, processor and sync: what each does wrong, what it must break, what is unmasked.
//!
//! A bug is a `planted!("name")` in the code of its room, compiled in with `--cfg bugs` only and switched on by its name.

mod house;

use crate::check::Violation;
use crate::disk::DiskFaults;
use crate::kv::KvFaults;
use crate::plan::{NetFaults, Plan, ServerFaults};
use crate::whole::Whole;
use crate::world::World;

pub use house::HOUSE_BUGS;

/// Seeds in which a bug has to be seen.
pub const SEEDS: u64 = 50;

/// One planted bug.
#[derive(Debug, Clone, Copy)]
pub struct Bug {
    /// Its name in the code.
    pub name: &'static str,
    /// The crate it lies in.
    pub place: &'static str,
    /// The invariant whose check has to see it while all other checks are off.
    pub breaks: &'static str,
    /// What the code does wrong.
    pub wrong: &'static str,
    /// What would hide it, switched off with it; empty = nothing.
    pub unmask: &'static str,
    /// Changes the plan of a seed so that the place is met often enough.
    pub with: fn(&mut Plan),
    /// True: hunted in the whole house, with the SDK's engine and the gateway. False: among the model devices.
    pub is_in_house: bool,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Bug> {
    BUGS.iter().chain(HOUSE_BUGS)
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

    /// The plan in which it is hunted.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::of(seed);
        (self.with)(&mut plan);
        plan
    }

    const fn with(self, with: fn(&mut Plan)) -> Self {
        Self { with, ..self }
    }

    const fn unmasked(self, unmask: &'static str) -> Self {
        Self { unmask, ..self }
    }
}

const fn bug(
    name: &'static str,
    place: &'static str,
    breaks: &'static str,
    wrong: &'static str,
) -> Bug {
    Bug { name, place, breaks, wrong, unmask: "", with: |_| {}, is_in_house: false }
}

/// Power goes when a device or the store is ahead of the user log, and the disk is slow enough for that.
fn crashes_ahead(plan: &mut Plan) {
    plan.server.crashes_ahead = 6;
    plan.server.stalls = true;
    plan.server.slow_starts = true;
    plan.disk_us = 60_000;
    plan.kv.delay_us = 0;
    plan.flush_us = 150_000;
    plan.flushes_with_groups = true;
    plan.features.pin = 20;
}

/// The store fails inside flushes.
fn flush_faults(plan: &mut Plan) {
    plan.kv.flush_error = 300_000;
    plan.kv.delay_us = 200_000;
    plan.flush_us = 200_000;
    plan.server.crashes = 5;
    plan.sizes.recent = tenon_base::ByteSize(512);
}

/// The disk fails at the headers of new segments.
fn header_faults(plan: &mut Plan) {
    plan.disk.write_error = 8_000;
    plan.disk.sync_error = 8_000;
    plan.sizes.segment = tenon_base::ByteSize(64 << 10);
    plan.sizes.group = tenon_base::ByteSize(16 << 10);
    plan.server.damages = false;
}

/// The log is damaged at rest, and nothing else fails.
fn damages(plan: &mut Plan) {
    plan.disk = DiskFaults::default();
    plan.kv.rolls_back = false;
    plan.server = ServerFaults { damages: true, restarts: 10, ..ServerFaults::default() };
}

/// Power goes inside of writes that the disk had not ended, on disks that work.
fn power_cuts(plan: &mut Plan) {
    plan.disk = DiskFaults { is_buffered_only: true, ..DiskFaults::default() };
    plan.kv.rolls_back = false;
    plan.server = ServerFaults { crashes: 12, dies_in_disk: true, ..ServerFaults::default() };
    plan.disk_us = 60_000;
    plan.sizes.segment = tenon_base::ByteSize(64 << 10);
    plan.sizes.group = tenon_base::ByteSize(16 << 10);
}

/// Writes and syncs fail often.
fn disk_errors(plan: &mut Plan) {
    plan.disk = DiskFaults {
        write_error: 15_000,
        sync_error: 30_000,
        is_buffered_only: true,
        ..DiskFaults::default()
    };
    plan.kv.rolls_back = false;
    plan.server.damages = false;
    plan.server.crashes = 6;
}

/// Groups flip between the fan-out modes.
fn flips(plan: &mut Plan) {
    plan.pull_above = 5;
    plan.features.members = 60;
    plan.operations = 700;
}

/// Nothing but the work: every frame arrives, no process ends.
fn calm(plan: &mut Plan) {
    plan.net = NetFaults { delay_us: 20_000, ..NetFaults::default() };
    plan.disk = DiskFaults::default();
    plan.kv = KvFaults::default();
    plan.server = ServerFaults::default();
    let features = &mut plan.features;
    features.reconnect = 0;
    features.kill = 0;
    features.reinstall = 0;
    features.restore = 0;
    features.strange_cursor = 0;
}

fn revokes(plan: &mut Plan) {
    plan.features.revoke = 6;
    plan.devices = 3;
}

fn rebases(plan: &mut Plan) {
    plan.features.reinstall = 10;
    plan.features.reconnect = 25;
    plan.front.lines_max = 1;
    plan.front.backlog_max = 5;
    plan.conversations = 8;
}

/// Those of the model world, by place.
pub const BUGS: &[Bug] = &[
    bug("gap-accepted", "core", "I3", "a cid above the next one is decided")
        .with(|plan| plan.net.throttle = 20_000),
    bug("dedupe-forgets", "core", "I2", "a repeated cid is decided again"),
    bug("outcomes-forgotten", "core", "I2", "only the last outcome of a chain is kept"),
    bug("digest-ignored", "core", "I2", "a used cid with other content counts as a repeat")
        .with(|plan| plan.features.restore = 12),
    bug("reject-frees-cid", "core", "I3", "a rejection does not use up its cid"),
    bug("clock-not-clamped", "core", "I5", "the time of a message may fall"),
    bug("silent-counted", "core", "I5", "a message without badge raises cnt"),
    bug("readmark-last-write", "core", "I8", "a slower device lowers the read mark"),
    bug("seq-given-twice", "core", "I4", "two messages get one seq"),
    bug("clock-in-decide", "core", "I26", "a decision depends on what the log does not hold"),
    bug("choice-by-chance", "core", "I26", "the heir of a group is drawn"),
    bug("pin-not-queued", "core", "I10", "a pin is not told to the other devices")
        .with(|plan| plan.features.pin = 8),
    bug("pin-told-as-before", "core", "I10", "a pin is told as it was before").with(|plan| {
        rebases(plan);
        plan.features.pin = 20;
        plan.devices = 3;
    }),
    bug("org-missing-in-event", "core", "I21", "an event carries the first organisation"),
    bug("forget-device-ignored", "core", "I23", "a removed device is still known")
        .unmasked("no-front-revocation")
        .with(revokes),
    bug("own-counted", "core", "I15", "an own message stays unread"),
    bug("floor-cnt-kept", "core", "I15", "a newcomer counts what was there before him"),
    bug("read-not-queued", "core", "I15", "the own read mark is not told to the other devices")
        .with(|plan| {
            calm(plan);
            plan.features.read = 30;
            plan.devices = 3;
        }),
    bug("former-may-send", "core", "I5", "who has left may still write"),
    bug("floor-not-raised", "core", "I16", "a newcomer sees hidden history"),
    bug("leave-not-noted", "core", "I16", "the interval of a leaver stays open"),
    bug("removed-not-told", "core", "I28", "who is removed is not told"),
    bug("owner-not-inherited", "core", "I5", "a group loses its owner for good"),
    bug("pull-mode-queued", "core", "I28", "a pull-mode message goes to every queue"),
    bug("flip-drops-tail", "core", "I20", "the flip itself is not told").with(|plan| {
        flips(plan);
        plan.rules.checks_rev = false;
    }),
    bug("flip-not-taken", "core", "I20", "a group above the threshold stays in queue mode")
        .with(flips),
    bug("cursor-clipped", "core", "I13", "a cursor above the tip is set to the tip")
        .with(|plan| plan.features.strange_cursor = 5),
    bug("queue-epoch-ignored", "core", "I13", "a cursor of an older epoch always goes on")
        .with(crashes_ahead),
    bug("keep-point-too-high", "core", "I13", "the surviving tail is said to be longer")
        .with(crashes_ahead),
    bug("pts-with-holes", "core", "I5", "a position is skipped now and then"),
    bug("device-epoch-kept", "core", "I8", "a renewed device epoch is the old one"),
    bug("apply-before-sync", "processor", "I1", "records are decided before they are durable"),
    bug("recent-ignores-conversation", "processor", "I16", "two conversations share a cache entry"),
    bug("org-missing-in-cache-key", "processor", "I21", "organisations share cache entries"),
    bug("grant-lags", "processor", "I9", "a read is granted at the rev before the last"),
    bug("line-lags", "processor", "I9", "a list line shows the rev before the last"),
    bug("tip-dropped", "processor", "I11", "tips of pull-mode conversations are not sent").with(
        |plan| {
            flips(plan);
            calm(plan);
            plan.rules.takes_pong_tips = false;
        },
    ),
    bug("fan-out-index-restarts", "processor", "I28", "two fan-outs of a record have one name"),
    bug("recipients-stale", "processor", "I28", "a roster change does not reach the fan-out"),
    bug(
        "applied-before-rows",
        "processor",
        "I29",
        "the checkpoint stands for rows that are not there",
    ),
    bug("flush-before-fanout", "processor", "I28", "the checkpoint does not wait for the fan-out")
        .with(crashes_ahead),
    bug("sender-table-not-flushed", "processor", "I2", "chains are missing from the flush"),
    bug("members-not-flushed", "processor", "I29", "member rows are missing from the flush"),
    bug("resume-too-far", "processor", "I28", "a replay skips one record of fan-out"),
    bug("handover-no-dedup", "sync", "I28", "a repeated fan-out takes effect again")
        .unmasked("no-resume"),
    bug("handover-lsn-only", "sync", "I28", "fan-outs of one record count as one"),
    bug(
        "sources-not-flushed",
        "sync",
        "I13",
        "applied source positions are missing from the flush",
    )
    .with(crashes_ahead),
    bug("cursor-on-delivery", "sync", "I17", "a delivery moves the cursor"),
    bug("rebase-counts-as-ack", "sync", "I17", "an ordered rebase moves the cursor"),
    bug("live-until-ticket-end", "sync", "I23", "the connection of a removed device stays")
        .with(revokes),
    bug("lines-not-flushed", "sync", "I6", "list lines are missing from the flush"),
    bug("subscribe-at-tip", "sync", "I7", "a stream goes on at the tip instead of the cursor"),
    bug("follow-not-told", "sync", "I11", "connections do not learn that a group is pull mode now")
        .with(flips),
    bug("tail-drops-newest", "sync", "I18", "a full tail drops the newest entry"),
    bug("op-ack-before-sync", "sync", "I1", "a user command is answered before it is durable"),
    bug("neighbour-read", "store", "I4", "now and then a read gives the message before"),
    bug("trim-at-memory-applied", "store", "I18", "the log is trimmed above the checkpoint").with(
        |plan| {
            flush_faults(plan);
            plan.operations = 700;
            plan.sizes.segment = tenon_base::ByteSize(64 << 10);
            plan.sizes.group = tenon_base::ByteSize(16 << 10);
        },
    ),
    bug("older-shard-forgotten", "store", "I29", "a flush leaves one of several memtables out"),
    bug("block-drops-last", "store", "I6", "packing loses the last value of a run"),
    bug("aborted-flush-read", "store", "I30", "values of a failed flush are read")
        .with(flush_faults),
    bug("ack-before-sync", "embedded", "I1", "an append is acked after the write"),
    bug("sync-retried", "embedded", "I30", "a failed sync is repeated and trusted")
        .with(disk_errors),
    bug("write-error-ignored", "embedded", "I30", "a failed write counts as done")
        .with(disk_errors),
    bug("no-dir-sync", "embedded", "I1", "the name of a new segment is not synced"),
    bug(
        "use-number-given-twice",
        "embedded",
        "I18",
        "a failed header's number goes to another file",
    )
    .with(header_faults),
    bug(
        "undurable-record-forgotten",
        "embedded",
        "I18",
        "the tail drops a record that is not written",
    ),
    bug("unclean-forgotten", "embedded", "I13", "a crash counts as a clean stop")
        .with(crashes_ahead),
    bug("stale-frame-replayed", "embedded", "I18", "a record of an earlier use is accepted")
        .with(power_cuts),
    bug("stop-at-first-bad", "embedded", "I1", "recovery cuts at the first bad record")
        .with(damages),
    bug("valid-after-bad-is-corruption", "embedded", "I30", "a torn group counts as damage")
        .with(power_cuts),
    bug("page-holds-more", "device", "I7", "a page of history counts for more than it holds"),
    bug("rebase-forgotten", "device", "I12", "a rebase cut short is not taken up again")
        .with(rebases),
    bug(
        "rebase-lines-in-memory",
        "device",
        "I12",
        "lines of a rebase are not stored before its end",
    )
    .with(|plan| {
        rebases(plan);
        plan.features.kill = 60;
    }),
];

/// What came of the hunt for one bug.
#[derive(Debug, Clone)]
pub struct Hunt {
    /// Seeds that were played.
    pub seeds: u64,
    /// What was seen in the last of them, and not without the bug.
    pub seen: Option<Violation>,
    /// Seeds in which the check complains without the bug too.
    pub false_alarms: Vec<u64>,
}

/// Plays seeds with a bug switched on and all checks off but one, until that one sees it. `plant` switches bugs.
pub fn hunt(bug: &Bug, plant: impl Fn(Option<&str>)) -> Hunt {
    let mut hunt = Hunt { seeds: 0, seen: None, false_alarms: Vec::new() };
    let alone = |seed| {
        if bug.is_in_house {
            let mut whole = Whole::new(bug.plan(seed));
            whole.only(bug.breaks);
            return whole.run().violations.into_iter().next();
        }
        let mut world = World::new(bug.plan(seed));
        world.only(bug.breaks);
        world.run().violations.into_iter().next()
    };
    while hunt.seeds < SEEDS && hunt.seen.is_none() {
        hunt.seeds += 1;
        plant(Some(&bug.switch()));
        let seen = alone(hunt.seeds);
        plant(Some(bug.unmask));
        if seen.is_some() && alone(hunt.seeds).is_some() {
            hunt.false_alarms.push(hunt.seeds);
        } else {
            hunt.seen = seen;
        }
    }
    plant(None);
    hunt
}

/// Leaves out operations and faults as long as the run still breaks the same invariant. Returns the smaller plan.
pub fn minimise(seed: u64) -> Option<(Plan, Violation)> {
    // Bounded by runs, so that the gate ends.
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
