//! What happens to the server: starts, crashes, planned restarts, damage at rest, the healing at the end.

use tenon_base::UserId;
use tenon_ports::{Log, Reach};

use super::{Due, World};
use crate::disk::{DiskFaults, Image, Keep};
use crate::exec::Polled;
use crate::front::Front;
use crate::kv::KvFaults;
use crate::node::Node;

/// Whose step a crash waits for, to take what a user log holds in memory only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ahead {
    /// A device has stored a batch.
    Device,
    /// The store has ended a flush.
    Flush,
}

/// Starts that may fail one after another while faults are played.
const FAILED_STARTS_MAX: u32 = 20;

impl World {
    /// Opens the server on what the disk holds.
    pub(super) fn start(&mut self) {
        self.is_start_due = false;
        if self.node.is_some() {
            return;
        }
        let image = self.damage();
        if !self.is_healed {
            self.disk.set_faults(self.plan.disk);
            self.kv.set_faults(self.plan.kv);
        }
        let life = self.next_life;
        self.next_life += 1;
        self.figures.starts += 1;
        self.note(7, life, 0);
        let opened = Node::start(&self.disk, &self.kv, &self.plan.sizes, 1000 + life);
        if let Some(since_us) = self.disk.broken_since() {
            return self.judge_broken(opened, since_us);
        }
        match opened {
            Ok(node) => self.started(node, image.as_ref(), life),
            Err(text) => self.start_failed(&text, image.as_ref()),
        }
        self.after_disk();
    }

    /// The disk does not hold what it said. The server must say so, or show everything that was durable before, unchanged.
    fn judge_broken(&mut self, opened: Result<Node, String>, since_us: u64) {
        if let Ok(node) = opened {
            self.disk.quiet(true);
            if node.report.damage.is_empty() {
                self.watch.verify_before(&node, since_us);
            }
            self.disk.quiet(false);
            self.timers.clear();
        }
        self.figures.broken_disks += 1;
        self.is_over = true;
    }

    /// The store has fallen behind what the log still holds, and the server says so (K3).
    pub(super) fn refused_rollback(&mut self) {
        self.figures.rollbacks_refused += 1;
        self.is_over = true;
    }

    fn started(&mut self, node: Node, image: Option<&Image>, life: u64) {
        self.disk.quiet(true);
        let is_detected = !node.report.damage.is_empty();
        let verified = if is_detected { Ok(()) } else { self.watch.verify_log(&node) };
        self.disk.quiet(false);
        let is_seen = is_detected || verified.is_err();
        if is_seen && image.is_none() {
            let text =
                format!("damage seen where none was done: {:?} {verified:?}", node.report.damage);
            self.watch.violated("I30", text);
        }
        if let Some(image) = image.filter(|_| is_seen) {
            // What an operator does: the damaged file comes back from a copy.
            self.figures.damage_found += 1;
            drop(node);
            self.timers.clear();
            self.disk.restore(image);
            return self.start_after(50_000);
        }
        self.failed_starts = 0;
        let revoked = self.revoked.keys().copied().collect();
        self.front = Some(Front::new(self.plan.front, life, revoked));
        self.node = Some(node);
        self.is_flushing = false;
        self.is_repacking = false;
        self.is_log_due = false;
        self.batches_due.clear();
        if self.plan.server.slow_starts && !self.is_healed && self.rngs.fault.below(3) == 0 {
            self.figures.slow_starts += 1;
            self.slow_until_us = self.now_us() + self.rngs.fault.range(300_000, 2_500_000);
        }
        self.start_loops();
        self.schedule_log();
    }

    fn start_failed(&mut self, text: &str, image: Option<&Image>) {
        self.failed_starts += 1;
        self.timers.clear();
        if self.has_rolled_back {
            return self.refused_rollback();
        }
        let is_dead = self.disk.is_dead();
        if let Some(image) = image {
            if !is_dead {
                self.figures.damage_found += 1;
            }
            self.disk.restore(image);
        }
        let is_played =
            is_dead || image.is_some() || self.plan.disk.plays() || self.plan.server.fills;
        // A start reads much: where reads fail, many starts do.
        let most = if self.plan.disk.read_error > 0 { 10 } else { 1 } * FAILED_STARTS_MAX;
        if !is_played || self.failed_starts > most {
            self.watch.violated("I18", format!("the server does not start: {text}"));
        }
        if is_dead {
            self.figures.crashes += 1;
            self.figures.deaths_in_disk += 1;
        }
        let keep = if is_dead { self.keep() } else { Keep::All };
        self.disk.crash(keep);
        self.start_after(100_000);
    }

    fn start_after(&mut self, us: u64) {
        if !std::mem::replace(&mut self.is_start_due, true) {
            self.after(us, Due::Start);
        }
    }

    /// Damages a stopped log in one place. Returns a copy of what was before.
    fn damage(&mut self) -> Option<Image> {
        if !std::mem::take(&mut self.is_cleanly_stopped) || self.is_healed {
            return None;
        }
        if !self.plan.server.damages || self.rngs.fault.below(2) == 0 {
            return None;
        }
        let image = self.disk.image();
        let what = self.disk.damage(".log")?;
        self.figures.damage_done += 1;
        self.last_damage = what;
        Some(image)
    }

    fn keep(&mut self) -> Keep {
        *self.rngs.fault.pick(&[Keep::Nothing, Keep::All, Keep::Some, Keep::Some])
    }

    /// Power goes, or the process does.
    pub(super) fn crash(&mut self) {
        if self.node.is_none() {
            return;
        }
        self.figures.crashes += 1;
        let keep = self.keep();
        self.stop_hard(keep);
    }

    pub(super) fn arm_crash_ahead(&mut self) {
        let ahead = *self.rngs.fault.pick(&[Ahead::Device, Ahead::Device, Ahead::Flush]);
        self.crashes_ahead = Some(ahead);
    }

    /// A device has just stored a batch, or the store a flush (`None`). If a user log holds something in memory only, power
    /// goes now.
    pub(super) fn crash_ahead(&mut self, user: Option<u64>) {
        let step = if user.is_some() { Ahead::Device } else { Ahead::Flush };
        let waits = self.crashes_ahead == Some(step);
        let Some(node) = self.node.as_ref().filter(|_| waits) else { return };
        let layout = self.plan.sizes.layout;
        let own = user.map(|user| layout.user(UserId(user)));
        let is_ahead = layout
            .user_partitions()
            .filter(|p| own.is_none_or(|own| own == *p))
            .any(|p| node.log.last(p, Reach::Enqueued) > node.log.last(p, Reach::Committed));
        if is_ahead {
            // Twice in a row is worse than once.
            let again = step == Ahead::Device && self.rngs.fault.below(2) == 0;
            self.crashes_ahead = again.then_some(step);
            self.figures.crashes += 1;
            self.figures.crashes_ahead += 1;
            self.stop_hard(Keep::Nothing);
        }
    }

    pub(super) fn stop_hard(&mut self, keep: Keep) {
        self.note(8, self.figures.crashes, 0);
        self.front = None;
        self.node = None;
        self.timers.clear();
        self.disk.crash(keep);
        if self.kv.crash() {
            self.figures.rollbacks += 1;
            self.has_rolled_back = true;
        }
        self.paused_until_us = 0;
        self.slow_until_us = 0;
        self.crash_at_poll = None;
        self.is_flushing = false;
        self.is_repacking = false;
        self.is_log_due = false;
        self.batches_due.clear();
        self.cut_all();
        let us = 20_000 + self.rngs.fault.below(300_000);
        self.start_after(us);
    }

    /// A planned stop: the log writes its clean marker. A process that is still starting has no such stop, it is killed.
    pub(super) fn restart(&mut self) {
        if self.node.as_ref().is_some_and(|node| !node.is_up()) {
            return self.crash();
        }
        let Some(mut node) = self.node.take() else { return };
        self.figures.restarts += 1;
        node.ask_to_stop();
        for _ in 0..1000 {
            if matches!(node.poll_one(&mut self.rngs.order), Polled::Idle) {
                break;
            }
        }
        while node.stepper.has_work() && node.stepper.step() {}
        self.node = Some(node);
        self.tap();
        let Some(node) = &mut self.node else { return };
        node.stepper.close();
        let is_poisoned = !node.stepper.is_closed_cleanly();
        if self.disk.is_dead() {
            return self.after_disk();
        }
        self.is_cleanly_stopped = !is_poisoned;
        self.stop_hard(if is_poisoned { Keep::All } else { Keep::Nothing });
    }

    /// The process gets no time; the network goes on.
    pub(super) fn pause(&mut self, us: u64) {
        if self.node.is_some() {
            self.figures.pauses += 1;
            self.paused_until_us = self.now_us() + us;
            self.after(us, Due::Resume);
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.now_us() < self.paused_until_us
    }

    /// All faults end.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.crash_at_poll = None;
        self.crashes_ahead = None;
        self.paused_until_us = 0;
        self.slow_until_us = 0;
        self.disk.set_faults(DiskFaults {
            is_buffered_only: self.plan.disk.is_buffered_only,
            ..DiskFaults::default()
        });
        self.kv.set_faults(KvFaults::default());
        self.disk.fill(false);
        self.disk.die_in(None);
        let is_fault = |due: &Due| {
            matches!(
                due,
                Due::Crash(_)
                    | Due::CrashAhead
                    | Due::Die(_)
                    | Due::Restart
                    | Due::Fill(_)
                    | Due::Pause(_)
                    | Due::Work(_)
            )
        };
        self.due.retain(|_, due| !is_fault(due));
        // The operator restarts what a full or failing disk has stopped.
        if self.goes_on() {
            self.stop_hard(Keep::All);
        }
    }
}
