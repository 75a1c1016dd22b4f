//! The server's machine: starts, the log's writer, flushes, crashes, planned restarts, the healing.

use super::server::Server;
use super::{Due, Whole};
use crate::disk::{DiskFaults, Keep};
use crate::exec::{Ended, Polled};
use crate::kv::KvFaults;

/// Starts that may fail one after another while faults are played.
const FAILED_STARTS_MAX: u32 = 20;

impl Whole {
    /// Opens the server on what the disk holds.
    pub(super) fn start(&mut self) {
        self.is_start_due = false;
        if self.server.is_some() {
            return;
        }
        let life = self.next_life;
        self.next_life += 1;
        self.figures.starts += 1;
        self.note(7, life, 0);
        match Server::start(&self.machine, &self.plan, life) {
            Ok(server) if server.is_damaged => {
                self.violated("I30", "damage seen where none was done".to_owned());
            }
            Ok(server) => {
                self.failed_starts = 0;
                self.server = Some(server);
                self.is_flushing = false;
                self.is_log_due = false;
                self.flushes_forgotten();
                // A recovery that waits for nothing is over by now.
                self.start_loops();
                self.schedule_log();
            }
            Err(text) => self.start_failed(&text),
        }
        self.after_disk();
    }

    fn plays_disk_faults(&self) -> bool {
        let (disk, server) = (&self.plan.disk, &self.plan.server);
        disk.write_error > 0
            || disk.sync_error > 0
            || disk.read_error > 0
            || server.dies_in_disk
            || server.fills
    }

    fn start_failed(&mut self, text: &str) {
        self.failed_starts += 1;
        self.machine.timers.clear();
        let is_dead = self.machine.disk.is_dead();
        if !(is_dead || self.plays_disk_faults()) || self.failed_starts > FAILED_STARTS_MAX {
            self.violated("I18", format!("the server does not start: {text}"));
        }
        let keep = if is_dead { self.keep() } else { Keep::All };
        self.machine.disk.crash(keep);
        self.start_after(100_000);
    }

    fn start_after(&mut self, us: u64) {
        if !std::mem::replace(&mut self.is_start_due, true) {
            self.after(us, Due::Start);
        }
    }

    fn keep(&mut self) -> Keep {
        *self.rngs.fault.pick(&[Keep::Nothing, Keep::All, Keep::Some, Keep::Some])
    }

    /// A loop ended with an error. Where faults are played the server starts again; elsewhere it may not happen.
    pub(super) fn failed(&mut self, name: &str, text: &str) {
        if name == "flush" {
            return;
        }
        if !self.plays_disk_faults() {
            self.violated("I18", format!("{name} ended without a fault: {text}"));
        }
        self.figures.room_failures += 1;
        self.stop_hard(Keep::All);
    }

    pub(super) fn schedule_log(&mut self) {
        let Some(server) = &self.server else { return };
        if server.stepper.has_work() && !self.is_log_due {
            self.is_log_due = true;
            let mut us = 50 + self.rngs.time.below(self.plan.disk_us);
            if self.plan.server.stalls && !self.is_healed && self.rngs.time.below(40) == 0 {
                us += self.rngs.time.range(300_000, 3_000_000);
            }
            self.after(us, Due::LogStep);
        }
    }

    pub(super) fn log_step(&mut self) {
        self.is_log_due = false;
        let prepares = self.rngs.time.below(3) == 0;
        let Some(server) = &mut self.server else { return };
        server.stepper.step();
        if prepares {
            server.stepper.prepare();
        }
        let is_poisoned = server.stepper.is_poisoned();
        self.note(3, self.machine.disk.operations(), 0);
        self.after_disk();
        if is_poisoned && self.server.is_some() {
            self.figures.poisonings += 1;
            let us = self.rngs.time.below(1_000_000);
            self.after(us, Due::Reopen(self.next_life));
        }
        self.after(10_000, Due::LogIdle);
    }

    pub(super) fn log_idle(&mut self) {
        if let Some(server) = &mut self.server
            && !server.stepper.has_work()
        {
            server.stepper.mark_idle();
        }
        self.after_disk();
    }

    /// The machine may have died inside a disk operation.
    pub(super) fn after_disk(&mut self) {
        if self.machine.disk.is_dead() && self.server.is_some() {
            self.figures.deaths_in_disk += 1;
            self.crash();
        }
    }

    pub(super) fn flush(&mut self) {
        let us = self.plan.flush_us / 2 + self.rngs.time.below(self.plan.flush_us);
        self.after(us, Due::Flush);
        let is_repack = self.rngs.time.below(3) == 0;
        let Some(server) = self.server.as_ref().filter(|s| s.is_up()) else { return };
        if self.is_flushing {
            return;
        }
        let store = server.store.clone();
        self.flush_begins();
        self.is_flushing = true;
        self.figures.flushes += 1;
        let task = async move {
            if let Err(error) = store.flush_once().await {
                return Ended::Failed(error.to_string());
            }
            if is_repack && let Err(error) = store.repack_once().await {
                return Ended::Failed(error.to_string());
            }
            Ended::Done
        };
        self.spawn("flush", Box::pin(task));
    }

    /// Power goes, or the process does.
    pub(super) fn crash(&mut self) {
        if self.server.is_none() {
            return;
        }
        self.figures.crashes += 1;
        let keep = self.keep();
        self.stop_hard(keep);
    }

    pub(super) fn stop_hard(&mut self, keep: Keep) {
        self.note(8, self.figures.crashes, 0);
        self.server = None;
        self.machine.timers.clear();
        self.machine.disk.crash(keep);
        self.machine.kv.crash();
        self.crash_at_poll = None;
        self.is_flushing = false;
        self.is_log_due = false;
        self.break_all();
        let us = 20_000 + self.rngs.fault.below(300_000);
        self.start_after(us);
    }

    /// A planned stop: the log writes its clean marker.
    pub(super) fn restart(&mut self) {
        if self.server.as_ref().is_some_and(|server| !server.is_up()) {
            return self.crash();
        }
        let Some(mut server) = self.server.take() else { return };
        self.figures.restarts += 1;
        server.ask_to_stop();
        for _ in 0..1000 {
            if matches!(server.poll_one(&mut self.rngs.order), Polled::Idle) {
                break;
            }
        }
        while server.stepper.has_work() && server.stepper.step() {}
        server.stepper.close();
        let is_clean = server.stepper.is_closed_cleanly();
        self.server = Some(server);
        if self.machine.disk.is_dead() {
            return self.after_disk();
        }
        self.stop_hard(if is_clean { Keep::Nothing } else { Keep::All });
    }

    /// All faults end; whoever is gone comes back.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.crash_at_poll = None;
        self.machine.disk.set_faults(DiskFaults {
            is_buffered_only: self.plan.disk.is_buffered_only,
            ..DiskFaults::default()
        });
        self.machine.kv.set_faults(KvFaults::default());
        self.machine.disk.fill(false);
        self.machine.disk.die_in(None);
        self.due.retain(|_, due| {
            !matches!(due, Due::Crash(_) | Due::Die(_) | Due::Restart | Due::Fill(_) | Due::Work(_))
        });
        if self.violations.is_empty() {
            self.stop_hard(Keep::All);
        }
        for index in 0..self.phones.len() {
            if self.phones[index].engine.is_none() {
                let life = self.phones[index].life;
                self.launch(index, life);
            }
        }
    }
}
