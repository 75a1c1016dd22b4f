//! The whole house: the real device engine, its frames, the gateway's sessions, the receiver and the rooms behind it, over
//! the simulated disk, store, network and clock, on one thread.
//!
//! Where [`crate::world`] plays model devices against the rooms and knows every rule from inside, nothing here knows a rule:
//! devices record what their users were shown, and `tenon-check` judges the histories as it would those of any chat system.

mod bounds;
mod faults;
mod judge;
mod later;
mod net;
mod own;
mod phone;
mod server;
mod spy;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tenon_base::{Clock as _, Deadline, SeededRandom};
use tenon_client::engine::Now;
use tenon_receiver::Keys;

use crate::check::Violation;
use crate::disk::{Keep, SimDisk};
use crate::exec::{Ended, Polled, Task, Timers};
use crate::kv::SimKv;
use crate::plan::Plan;
use crate::rng::{Rng, Rngs};
use crate::world::{POLLS_MAX, START_MS};
use net::Wire;
use phone::{Phone, Tape};
use server::{Machine, Server, SimClock};

pub use judge::{Judgement, WholeReport};

/// Simulated time after the last fault until everything must have come to rest.
const QUIESCE_US: u64 = 150_000_000;

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    /// The log's writer works.
    LogStep,
    /// A quiet while of the log has passed.
    LogIdle,
    /// Bytes, or the end, reach the server.
    Up(u64),
    /// Bytes, or the end, reach a device.
    Down(u64),
    /// The server notices the end of a connection.
    Noticed(u64),
    /// A device's link is open, or refused. The second number is the life of its app.
    Opened(usize, u64),
    /// The end of the server reaches a device.
    Broken(usize, u64, u64),
    /// A device's transaction is durable.
    Committed(usize, u64),
    /// An app has handled its events up to here.
    Handled(usize, u64, u64),
    /// A device's own timer.
    Wake(usize, u64),
    /// A killed app is started again.
    Launch(usize, u64),
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
    /// A planned restart.
    Restart,
    /// The process of this life ends, because its log is poisoned.
    Reopen(u64),
    /// The disk is full, or is not any more.
    Fill(bool),
}

crate::figures::figures! {
    /// What a run did.
    WholeFigures:
    /// Polls of rooms.
    polls,
    /// Pieces of bytes that reached one of the ends.
    pieces,
    /// Connections opened.
    connects,
    /// Connections cut by the network.
    resets,
    /// Directions that stood still.
    stalls,
    /// Server starts.
    starts,
    /// Crashes.
    crashes,
    /// Crashes inside a disk operation.
    deaths_in_disk,
    /// Planned restarts.
    restarts,
    /// Logs that a failed write or sync has poisoned.
    poisonings,
    /// Loops that ended with an error.
    room_failures,
    /// Flushes of the store.
    flushes,
    /// Apps killed.
    kills,
    /// Device stores lost.
    stores_lost,
    /// Device stores put back from an older copy.
    stores_restored,
    /// Commands given back to the app, which may send them anew.
    offered_again,
    /// Events of kinds that the device does not know, stored by it.
    unknown_events,
    /// Removals of devices that another device of the user asked for.
    removals,
    /// Of these, answered.
    removed,
    /// Messages given to engines.
    sends,
    /// Commands given to engines.
    ops,
    /// Commands that ended.
    settled,
    /// Of these, refused.
    refused,
    /// Rebases told to apps.
    rebases,
    /// Jumps told to apps.
    jumps,
    /// Decisions of the checker.
    decisions,
    /// Messages in the histories.
    messages,
}

/// One run of the whole house.
pub struct Whole {
    plan: Plan,
    machine: Machine,
    server: Option<Server>,
    phones: Vec<Phone>,
    wires: BTreeMap<u64, Wire>,
    due: BTreeMap<(u64, u64), Due>,
    rngs: Rngs,
    tape: Tape,
    trace: blake3::Hasher,
    figures: WholeFigures,
    violations: Vec<Violation>,
    /// The one invariant that is checked; `None` = all.
    only: Option<&'static str>,
    next_wire: u64,
    next_life: u64,
    next_body: u64,
    members_told: u64,
    /// Conversation and name of users that were added by somebody.
    came_later: BTreeSet<(u64, String)>,
    /// Commands, by actor and local number, that a store put back from an older copy asks for again.
    open_again: BTreeSet<(String, u64)>,
    bounds: bounds::Bounds,
    /// Contents by their text, as they were given to engines.
    bodies: BTreeMap<String, Vec<u8>>,
    user_ids: Vec<u64>,
    groups: Vec<u64>,
    crash_at_poll: Option<u64>,
    is_log_due: bool,
    is_flushing: bool,
    is_healed: bool,
    is_start_due: bool,
    failed_starts: u32,
    ended: BTreeSet<&'static str>,
}

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").field("seed", &self.plan.seed).finish_non_exhaustive()
    }
}

impl Whole {
    /// A world at its beginning. Disks and engines that lie are for the other world, which knows what a lie may cost.
    pub fn new(mut plan: Plan) -> Self {
        let seed = plan.seed;
        (plan.disk.lying_sync, plan.disk.misdirected, plan.kv.rolls_back) = (0, 0, false);

        let timers = Timers::default();
        let clock = Arc::new(SimClock::new(timers.clone()));
        let random = Arc::new(SeededRandom::new(seed ^ 0x5EED));
        let machine = Machine {
            disk: SimDisk::new(Rng::new(seed, "disk")),
            kv: SimKv::new(Rng::new(seed, "kv"), timers.clone()),
            keys: Keys::generate(random.as_ref(), clock.now()),
            timers,
            clock,
            random,
        };
        let mut whole = Self {
            machine,
            server: None,
            phones: Vec::new(),
            wires: BTreeMap::new(),
            due: BTreeMap::new(),
            rngs: Rngs::of(seed),
            tape: Tape::default(),
            trace: blake3::Hasher::new(),
            figures: WholeFigures::default(),
            violations: Vec::new(),
            next_wire: 1,
            next_life: 1,
            next_body: 1,
            members_told: 0,
            came_later: BTreeSet::new(),
            open_again: BTreeSet::new(),
            bounds: bounds::Bounds::default(),
            bodies: BTreeMap::new(),
            only: None,
            user_ids: Vec::new(),
            groups: Vec::new(),
            crash_at_poll: None,
            is_log_due: false,
            is_flushing: false,
            is_healed: true,
            is_start_due: false,
            failed_starts: 0,
            ended: BTreeSet::new(),
            plan,
        };
        whole.people();
        whole
    }

    /// Checks one invariant alone.
    pub const fn only(&mut self, invariant: &'static str) {
        self.only = Some(invariant);
    }

    /// Plays the whole run.
    pub fn run(mut self) -> WholeReport {
        self.start();
        self.settle_people();
        self.is_healed = false;
        self.machine.disk.set_faults(self.plan.disk);
        self.machine.kv.set_faults(self.plan.kv);
        let begin = self.now_us();
        self.schedule_load();
        self.play_until(begin + self.plan.load_us);
        self.heal();
        let healed = self.now_us();
        self.play_until(healed + QUIESCE_US);
        self.judge()
    }

    fn now_us(&self) -> u64 {
        self.machine.timers.now_us()
    }

    fn phone_now(&self, index: usize) -> Now {
        let shift = self.phones[index].skew_ms;
        let wall = tenon_base::Timestamp(START_MS + self.now_us() / 1000);
        Now {
            wall: tenon_base::Timestamp(wall.0.saturating_add_signed(shift)),
            mono: Deadline(self.now_us()),
        }
    }

    fn after(&mut self, us: u64, due: Due) {
        let at = self.now_us() + us;
        let tie = self.rngs.order.draw();
        self.due.insert((at, tie), due);
    }

    fn note(&mut self, what: u8, a: u64, b: u64) {
        self.trace.update(&[what]);
        self.trace.update(&self.now_us().to_le_bytes());
        self.trace.update(&a.to_le_bytes());
        self.trace.update(&b.to_le_bytes());
    }

    fn violated(&mut self, invariant: &'static str, text: String) {
        if self.only.is_some_and(|only| only != invariant) {
            return;
        }
        let at_us = self.now_us();
        self.violations.push(Violation { invariant, text, at_us });
    }

    fn play_until(&mut self, until_us: u64) {
        while self.now_us() < until_us && self.violations.is_empty() {
            if !self.step(until_us) {
                break;
            }
        }
    }

    /// Lets the rooms run until they wait, then plays the next event. False when nothing is left.
    fn step(&mut self, until_us: u64) -> bool {
        self.run_rooms();
        let next = [self.due.keys().next().map(|(at, _)| *at), self.machine.timers.next_us()];
        let Some(at) = next.into_iter().flatten().min() else { return false };
        if at > until_us {
            self.machine.timers.advance(until_us);
            return true;
        }
        self.machine.timers.advance(at);
        let Some(key) = self.due.keys().next().copied().filter(|(due, _)| *due <= at) else {
            return true;
        };
        if let Some(due) = self.due.remove(&key) {
            self.play(due);
        }
        true
    }

    fn play(&mut self, due: Due) {
        match due {
            Due::LogStep => self.log_step(),
            Due::LogIdle => self.log_idle(),
            Due::Up(wire) => self.arrive_up(wire),
            Due::Down(wire) => self.arrive_down(wire),
            Due::Noticed(wire) => self.noticed(wire),
            Due::Opened(phone, life) => self.opened(phone, life),
            Due::Broken(phone, life, wire) => self.broken(phone, life, wire),
            Due::Committed(phone, life) => self.committed(phone, life),
            Due::Handled(phone, life, n) => self.handled(phone, life, n),
            Due::Wake(phone, life) => self.wake(phone, life),
            Due::Launch(phone, life) => self.launch(phone, life),
            Due::Work(number) => self.work(number),
            Due::Flush => self.flush(),
            Due::Start => self.start(),
            Due::Crash(polls) => self.crash_at_poll = Some(polls),
            Due::Die(operations) => {
                if self.server.is_some() {
                    self.machine.disk.die_in(Some(operations));
                }
            }
            Due::Restart => self.restart(),
            Due::Reopen(life) => {
                if self.server.is_some() && self.next_life == life {
                    self.stop_hard(Keep::All);
                }
            }
            Due::Fill(is_full) => self.machine.disk.fill(is_full && !self.is_healed),
        }
    }

    /// Polls ready tasks in seeded order and carries what they wrote, until none is ready.
    fn run_rooms(&mut self) {
        let mut polls = 0;
        while let Some(server) = &mut self.server {
            let polled = server.poll_one(&mut self.rngs.order);
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
                    return self.crash();
                }
            }
            if polls > POLLS_MAX {
                return self.violated("I18", "the rooms never come to rest".to_owned());
            }
        }
        self.after_disk();
        self.carry_down();
        self.schedule_log();
    }

    fn polled(&mut self, polled: Polled) {
        match polled {
            Polled::Idle => {}
            Polled::Waits(task) => self.note(1, task, 0),
            Polled::Ended(name, ended) => {
                self.note(2, name.len() as u64, 0);
                self.ended.insert(name);
                if name == "flush" {
                    self.is_flushing = false;
                    if matches!(ended, Ended::Done) {
                        self.flush_ended();
                    }
                }
                if let Ended::Failed(text) = ended {
                    self.failed(name, &text);
                }
            }
            Polled::Panicked(name, text) => {
                self.violated("always", format!("{name}: {text}"));
                self.crash();
            }
        }
    }

    fn start_loops(&mut self) {
        let started = self.server.as_mut().map(Server::start_loops).unwrap_or_default();
        started.into_iter().for_each(|polled| self.polled(polled));
    }

    fn spawn(&mut self, name: &'static str, task: Task) {
        let Some(server) = &mut self.server else { return };
        let polled = server.exec.spawn(name, task);
        self.polled(polled);
    }
}

/// Plays one seed.
pub fn run(seed: u64) -> WholeReport {
    Whole::new(Plan::of(seed)).run()
}
