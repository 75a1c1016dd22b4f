//! The world: one thread, one heap of events, seeded in every choice.

mod faults;
mod net;
mod report;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use tenon_base::{OrgId, PartitionId, Timestamp};

use crate::check::Watch;
use crate::device::Device;
use crate::disk::{Keep, SimDisk};
use crate::exec::{Ended, Polled, Task, Timers};
use crate::front::{Front, Note, Peer};
use crate::kv::SimKv;
use crate::msg::{Down, Up};
use crate::node::Node;
use crate::plan::Plan;
use crate::rng::{Rng, Rngs};

pub use report::{Figures, Report};

/// Wall clock at the start of a run.
pub(crate) const START_MS: u64 = 1_700_000_000_000;
/// Polls between two looks at the clock; more is a loop that never rests.
pub(crate) const POLLS_MAX: u32 = 200_000;
/// Simulated time after the last fault until everything must have come to rest.
const QUIESCE_US: u64 = 120_000_000;
/// Simulated time after which a tip that nobody has heard of is a lost one.
const STALE_US: u64 = 60_000_000;
/// The receiver gathers commands this long at most.
const BATCH_US: u64 = 2_000;

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    /// The log's writer works.
    LogStep,
    /// A quiet while of the log has passed.
    LogIdle,
    /// Commands of a partition become a record.
    Batch((PartitionId, OrgId)),
    /// A frame reaches the server.
    Up(u64),
    /// A frame reaches a device; lane 0 is the stream, lane 1 the large answers.
    Down(u64, usize),
    /// The server notices the end of a connection.
    Noticed(u64),
    /// A device looks after itself.
    Tick(usize),
    /// Somebody does something.
    Work(u32),
    /// The store flushes.
    Flush,
    /// The server starts.
    Start,
    /// The server crashes at the n-th poll from now.
    Crash(u64),
    /// The server crashes inside the n-th disk operation from now.
    Die(u64),
    /// The server crashes as soon as a device has what its user log may lose.
    CrashAhead,
    /// A planned restart.
    Restart,
    /// The process that is followed by this life ends, because its log is poisoned.
    Reopen(u64),
    /// The disk is full, or is not any more.
    Fill(bool),
    /// The process stands still for so long.
    Pause(u64),
    /// It goes on.
    Resume,
}

/// One run.
pub struct World {
    plan: Plan,
    timers: Timers,
    disk: SimDisk,
    kv: SimKv,
    node: Option<Node>,
    front: Option<Front>,
    watch: Watch,
    devices: Vec<Device>,
    links: BTreeMap<u64, net::Wire>,
    due: BTreeMap<(u64, u64), Due>,
    next_link: u64,
    next_life: u64,
    wall_shift_ms: i64,
    revoked: BTreeMap<u64, u64>,
    rngs: Rngs,
    trace: blake3::Hasher,
    figures: Figures,
    crash_at_poll: Option<u64>,
    crashes_ahead: Option<faults::Ahead>,
    paused_until_us: u64,
    slow_until_us: u64,
    /// The store has fallen behind a returned flush, and no server has started on it since.
    has_rolled_back: bool,
    /// The disk or the store has lost what it had promised, and that was judged: there is nothing more to play.
    is_over: bool,
    is_log_due: bool,
    is_flushing: bool,
    is_repacking: bool,
    is_healed: bool,
    is_start_due: bool,
    batches_due: BTreeSet<(PartitionId, OrgId)>,
    conversations: Vec<(u64, u64)>,
    next_conversation: u64,
    next_body: u64,
    failed_starts: u32,
    is_cleanly_stopped: bool,
    /// What was damaged last, for reports.
    last_damage: String,
    /// Whose frames are kept for the report.
    listened: Option<u64>,
    heard: Vec<String>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("seed", &self.plan.seed).finish_non_exhaustive()
    }
}

impl World {
    /// A world at its beginning.
    pub fn new(plan: Plan) -> Self {
        let seed = plan.seed;
        let timers = Timers::default();
        let disk = SimDisk::new(Rng::new(seed, "disk"));
        let kv = SimKv::new(Rng::new(seed, "kv"), timers.clone());
        let mut world = Self {
            timers,
            disk,
            kv,
            node: None,
            front: None,
            watch: Watch::default(),
            devices: Vec::new(),
            links: BTreeMap::new(),
            due: BTreeMap::new(),
            next_link: 1,
            next_life: 1,
            wall_shift_ms: 0,
            revoked: BTreeMap::new(),
            rngs: Rngs::of(seed),
            trace: blake3::Hasher::new(),
            figures: Figures::default(),
            crash_at_poll: None,
            crashes_ahead: None,
            paused_until_us: 0,
            slow_until_us: 0,
            has_rolled_back: false,
            is_over: false,
            is_log_due: false,
            is_flushing: false,
            is_repacking: false,
            is_healed: false,
            is_start_due: false,
            batches_due: BTreeSet::new(),
            conversations: Vec::new(),
            next_conversation: 1,
            next_body: 1,
            failed_starts: 0,
            is_cleanly_stopped: false,
            last_damage: String::new(),
            listened: None,
            heard: Vec::new(),
            plan,
        };
        world.people();
        world
    }

    /// Switches invariants off.
    pub fn without(&mut self, off: &[String]) {
        self.watch.off = off.to_vec();
    }

    /// Keeps every frame that a device hears.
    pub const fn listen(&mut self, device: u64) {
        self.listened = Some(device);
    }

    /// Switches all invariants off but one.
    pub fn only(&mut self, invariant: &str) {
        self.watch.only = Some(invariant.to_owned());
    }

    /// Plays the whole run.
    pub fn run(mut self) -> Report {
        self.start();
        self.schedule_load();
        let end = self.plan.load_us;
        while self.timers.now_us() < end && self.goes_on() {
            if !self.step(end) {
                break;
            }
        }
        self.heal();
        self.come_to_rest();
        if self.goes_on() {
            self.judge();
        }
        if self.plan.is_canary {
            self.watch.violated("canary", "this run always fails".to_owned());
        }
        self.report()
    }

    fn now_us(&self) -> u64 {
        self.timers.now_us()
    }

    fn goes_on(&self) -> bool {
        self.watch.violations.is_empty() && !self.is_over
    }

    fn wall(&self) -> Timestamp {
        let ms = START_MS + self.now_us() / 1000;
        let us = i64::try_from(self.now_us()).unwrap_or(0);
        let drift_ms = us * self.plan.drift_ppm / 1_000_000_000;
        Timestamp(ms.saturating_add_signed(self.wall_shift_ms + drift_ms))
    }

    fn after(&mut self, us: u64, due: Due) {
        let at = self.now_us() + us;
        let tie = self.rngs.order.draw();
        self.due.insert((at, tie), due);
    }

    /// Adds to the trace hash.
    fn note(&mut self, what: u8, a: u64, b: u64) {
        self.trace.update(&[what]);
        self.trace.update(&self.timers.now_us().to_le_bytes());
        self.trace.update(&a.to_le_bytes());
        self.trace.update(&b.to_le_bytes());
    }

    /// Lets the rooms run until they wait, then plays the next event. False when nothing is left.
    fn step(&mut self, until_us: u64) -> bool {
        self.run_rooms();
        let next = [self.due.keys().next().map(|(at, _)| *at), self.timers.next_us()];
        let Some(at) = next.into_iter().flatten().min() else { return false };
        if at > until_us {
            self.advance(until_us);
            return true;
        }
        self.advance(at);
        let Some(key) = self.due.keys().next().copied().filter(|(due, _)| *due <= at) else {
            return true;
        };
        if let Some(due) = self.due.remove(&key) {
            self.figures.events += 1;
            self.play(due);
        }
        true
    }

    fn advance(&mut self, to_us: u64) {
        self.timers.advance(to_us);
        self.watch.now_us = self.timers.now_us();
        self.disk.set_now(self.timers.now_us());
    }

    fn play(&mut self, due: Due) {
        match due {
            Due::LogStep => self.log_step(),
            Due::LogIdle => {
                if let Some(node) = &mut self.node
                    && !node.stepper.has_work()
                {
                    node.stepper.mark_idle();
                }
                self.after_disk();
            }
            Due::Batch(partition) => self.batch(partition),
            Due::Up(link) => self.arrive_up(link),
            Due::Down(link, lane) => self.arrive_down(link, lane),
            Due::Noticed(link) => self.noticed(link),
            Due::Tick(index) => self.tick(index),
            Due::Work(number) => self.work(number),
            Due::Flush => self.flush(),
            Due::Start => self.start(),
            Due::Crash(polls) => self.crash_at_poll = Some(polls),
            Due::CrashAhead => self.arm_crash_ahead(),
            Due::Die(operations) => {
                if self.node.is_some() {
                    self.disk.die_in(Some(operations));
                }
            }
            Due::Restart => self.restart(),
            Due::Reopen(life) => {
                // The supervisor sees a poisoned log and starts the process again (L2).
                if self.node.is_some() && self.next_life == life {
                    self.stop_hard(Keep::All);
                }
            }
            Due::Fill(is_full) => {
                self.figures.disk_full += u64::from(is_full);
                self.disk.fill(is_full && !self.is_healed);
            }
            Due::Pause(us) => self.pause(us),
            Due::Resume => {}
        }
    }

    /// Polls ready tasks in seeded order and carries what they say, until none is ready.
    fn run_rooms(&mut self) {
        if self.is_paused() {
            return;
        }
        let mut polls = 0;
        loop {
            self.take_notes();
            let Some(node) = &mut self.node else { return };
            let polled = node.poll_one(&mut self.rngs.order);
            if matches!(polled, Polled::Idle) {
                break;
            }
            polls += 1;
            self.figures.polls += 1;
            self.polled(polled);
            self.start_loops();
            if let Some(left) = &mut self.crash_at_poll {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.crash_at_poll = None;
                    self.crash();
                    return;
                }
            }
            if polls > POLLS_MAX {
                return self.watch.violated("I18", "the rooms never come to rest".to_owned());
            }
        }
        self.after_disk();
        self.schedule_log();
    }

    fn polled(&mut self, polled: Polled) {
        match polled {
            Polled::Idle => {}
            Polled::Waits(task) => self.note(1, task, 0),
            Polled::Ended(name, ended) => {
                self.note(2, name.len() as u64, 0);
                if name == "flush" {
                    self.is_flushing = false;
                    self.crash_ahead(None);
                }
                self.is_repacking &= name != "repack";
                if let Ended::Failed(text) = ended {
                    self.failed(name, &text);
                }
            }
            Polled::Panicked(name, text) => {
                self.watch.violated("always", format!("{name}: {text}"));
                self.crash();
            }
        }
    }

    /// A loop ended with an error. Where faults are played the node starts again; elsewhere it may not happen.
    fn failed(&mut self, name: &str, text: &str) {
        if name == "flush" || name == "repack" {
            return;
        }
        if name == "recovery" && self.has_rolled_back {
            return self.refused_rollback();
        }
        if !self.plan.disk.plays() && !self.plan.server.dies_in_disk && !self.plan.server.fills {
            self.watch.violated("I18", format!("{name} ended without a fault: {text}"));
        }
        self.figures.room_failures += 1;
        self.stop_hard(Keep::All);
    }

    fn start_loops(&mut self) {
        let Some(node) = &mut self.node else { return };
        let polled = node.start_loops();
        if node.is_up() {
            self.has_rolled_back = false;
        }
        for polled in polled {
            self.polled(polled);
        }
    }

    fn spawn(&mut self, name: &'static str, task: Task) {
        let Some(node) = &mut self.node else { return };
        let polled = node.exec.spawn(name, task);
        self.polled(polled);
    }

    /// Carries what the rooms said to the front, the checker and the network.
    fn take_notes(&mut self) {
        loop {
            let Some(front) = &self.front else { return };
            let notes = front.take_notes();
            let tips = self.node.as_ref().map(|n| n.tips.take()).unwrap_or_default();
            if notes.is_empty() && tips.is_empty() {
                return;
            }
            self.tap();
            if self.watch.is_blind {
                // The log says that it is damaged: the operator starts it again.
                return self.stop_hard(Keep::All);
            }
            for (org, tip, _) in tips {
                let Some(front) = &self.front else { return };
                for link in front.followers(org.0, tip.conv.0) {
                    self.send_down(link, Down::Tip(tip));
                }
            }
            for note in notes {
                self.take_note(note);
            }
        }
    }

    /// The checker reads what has become durable.
    fn tap(&mut self) {
        let Some(node) = &self.node else { return };
        self.disk.quiet(true);
        self.watch.is_disk_broken = self.disk.broken_since().is_some();
        self.watch.tap(node, self.plan.sizes.layout);
        self.disk.quiet(false);
    }

    fn take_note(&mut self, note: Note) {
        if let Note::Outcome(command, outcome) = &note {
            self.figures.answers += 1;
            self.watch.outcome(command, *outcome);
        }
        let now = self.wall();
        let (Some(node), Some(front)) = (&self.node, &mut self.front) else { return };
        self.disk.quiet(true);
        let (frames, tasks) = front.handle_note(node, note, now);
        self.disk.quiet(false);
        for (link, down) in frames {
            self.send_down(link, down);
        }
        for task in tasks {
            self.spawn("append", task);
        }
        self.schedule_batches();
    }

    /// A frame of a device reached the server.
    fn receive(&mut self, link: u64, up: Up) {
        let now = self.wall();
        let (Some(node), Some(front)) = (&self.node, &mut self.front) else { return };
        if !node.is_up() {
            return;
        }
        self.disk.quiet(true);
        let tasks = front.handle(node, link, up, now);
        self.disk.quiet(false);
        for task in tasks {
            self.spawn("append", task);
        }
        self.schedule_batches();
    }

    fn schedule_batches(&mut self) {
        let Some(front) = &self.front else { return };
        for partition in front.waiting() {
            if self.batches_due.insert(partition) {
                let us = self.rngs.time.below(BATCH_US);
                self.after(us, Due::Batch(partition));
            }
        }
    }

    fn batch(&mut self, partition: (PartitionId, OrgId)) {
        self.batches_due.remove(&partition);
        let now = self.wall();
        let (Some(node), Some(front)) = (&self.node, &mut self.front) else { return };
        if let Some(task) = front.append(node, partition, now) {
            self.spawn("append", task);
        }
    }

    fn schedule_log(&mut self) {
        let Some(node) = &self.node else { return };
        if node.stepper.has_work() && !self.is_log_due {
            self.is_log_due = true;
            let mut us = 50 + self.rngs.time.below(self.plan.disk_us);
            if self.plan.server.stalls && !self.is_healed && self.rngs.time.below(40) == 0 {
                us += self.rngs.time.range(300_000, 3_000_000);
                self.figures.disk_stalls += 1;
            }
            us = us.max(self.slow_until_us.saturating_sub(self.now_us()));
            self.after(us, Due::LogStep);
        }
    }

    fn log_step(&mut self) {
        self.is_log_due = false;
        if self.is_paused() {
            self.is_log_due = true;
            return self.after(self.paused_until_us - self.now_us() + 1, Due::LogStep);
        }
        let Some(node) = &mut self.node else { return };
        node.stepper.step();
        if self.rngs.time.below(3) == 0 {
            node.stepper.prepare();
        }
        let is_poisoned = node.stepper.is_poisoned();
        if self.plan.flushes_with_groups && self.rngs.time.below(16) == 0 {
            self.begin_flush();
        }
        self.note(3, self.disk.operations(), 0);
        self.after_disk();
        if is_poisoned && self.node.is_some() {
            self.figures.poisonings += 1;
            let us = self.rngs.time.below(1_000_000);
            self.after(us, Due::Reopen(self.next_life));
        }
        self.after(10_000, Due::LogIdle);
    }

    /// The machine may have died inside a disk operation.
    fn after_disk(&mut self) {
        if self.disk.is_dead() && self.node.is_some() {
            self.figures.deaths_in_disk += 1;
            self.crash();
        }
    }

    fn flush(&mut self) {
        let us = self.plan.flush_us / 2 + self.rngs.time.below(self.plan.flush_us);
        self.after(us, Due::Flush);
        self.begin_flush();
    }

    fn begin_flush(&mut self) {
        let is_repack = self.rngs.time.below(3) == 0;
        let Some(node) = &self.node else { return };
        if !node.is_up() || self.is_flushing {
            return;
        }
        self.is_flushing = true;
        self.figures.flushes += 1;
        let store = node.store.clone();
        self.spawn(
            "flush",
            Box::pin(async move {
                if let Err(error) = store.flush_once().await {
                    return Ended::Failed(error.to_string());
                }
                Ended::Done
            }),
        );
        self.repack(is_repack);
    }

    /// A re-pack beside the flush.
    fn repack(&mut self, is_due: bool) {
        let Some(node) = self.node.as_ref().filter(|_| is_due && !self.is_repacking) else {
            return;
        };
        self.is_repacking = true;
        let store = node.store.clone();
        self.spawn(
            "repack",
            Box::pin(async move {
                match store.repack_once().await {
                    Ok(_) => Ended::Done,
                    Err(error) => Ended::Failed(error.to_string()),
                }
            }),
        );
    }

    fn peer(&self, index: usize) -> Peer {
        let device = &self.devices[index];
        Peer { org: device.org, user: device.user, device: device.id }
    }
}
