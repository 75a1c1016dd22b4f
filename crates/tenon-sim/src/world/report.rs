//! The end of a run: coming to rest, the last checks, the figures.

use std::fmt::Write as _;

use super::{QUIESCE_US, STALE_US, World};
use crate::check::{Violation, replay};
use crate::device::Device;
use crate::exec::Ended;
use crate::node::Node;
use crate::plan::Plan;

crate::figures::figures! {
    /// What a run did.
    Figures:
    /// Events of the world.
    events,
    /// Polls of rooms.
    polls,
    /// Frames that reached devices.
    frames,
    /// Commands answered.
    answers,
    /// Server starts.
    starts,
    /// Crashes.
    crashes,
    /// Crashes that took what a device had already heard.
    crashes_ahead,
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
    /// Places damaged at rest.
    damage_done,
    /// Of these, found at the start; the others were harmless.
    damage_found,
    /// Connections opened.
    connects,
    /// Connections cut by the network.
    resets,
    /// Frames held back for long.
    stalls,
    /// Apps killed.
    kills,
    /// Device databases lost.
    databases_lost,
    /// Device databases put back from an older copy.
    databases_restored,
    /// Devices removed.
    revoked,
    /// Rebases of devices.
    rebases,
    /// Times the store fell behind a returned flush.
    rollbacks,
    /// Of these, starts that were refused because the log no longer reaches back.
    rollbacks_refused,
    /// Disks that did not hold what they had said, and were judged.
    broken_disks,
    /// Writes that failed.
    write_errors,
    /// Syncs that failed.
    sync_errors,
    /// Reads that failed.
    read_errors,
    /// Syncs that said yes and did nothing.
    lies,
    /// Writes that landed elsewhere.
    misdirected,
    /// Times the disk was full.
    disk_full,
    /// Groups that took the disk very long.
    disk_stalls,
    /// Lives that began on a slow disk.
    slow_starts,
    /// Flushes of the store that failed.
    flush_errors,
    /// Times the process stood still.
    pauses,
    /// Jumps of the wall clock.
    clock_jumps,
    /// Runs with a wall clock that is too slow or too fast.
    drifts,
    /// Commands that the limiter sent back.
    throttled,
    /// Cursors that nobody had given.
    strange_cursors,
    /// Changes of membership.
    member_changes,
    /// Flips of the fan-out mode.
    mode_flips,
    /// Messages in the end.
    messages,
    /// Events compared with the truth.
    compared,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was played.
    pub plan: Plan,
    /// What was broken; empty = passed.
    pub violations: Vec<Violation>,
    /// What was done.
    pub figures: Figures,
    /// Same seed, same build: same hash.
    pub trace: String,
    /// Frames of the device that was listened to.
    pub heard: Vec<String>,
}

impl World {
    /// Runs until every device is settled and the server has told everything, within a bound.
    pub(super) fn come_to_rest(&mut self) {
        let end = self.now_us() + QUIESCE_US;
        let healed_us = self.now_us();
        while self.goes_on() {
            let until = (self.now_us() + 500_000).min(end);
            while self.now_us() < until && self.goes_on() {
                if !self.step(until) {
                    break;
                }
            }
            if self.is_at_rest() {
                return;
            }
            if self.now_us() >= healed_us + STALE_US {
                self.check_staleness();
            }
            if self.now_us() >= end {
                let why = self.why_restless();
                return self.watch.violated("I18", format!("no rest in 120 s: {why}"));
            }
        }
    }

    /// Long after the last change everybody who is connected knows every tip.
    fn check_staleness(&mut self) {
        let present = self.devices.iter().filter(|d| !d.is_revoked && d.has_read_queue());
        let stale = present.filter_map(|d| self.unknown_tip(d)).next();
        if let Some(text) = stale {
            self.watch.violated("I11", text);
        }
    }

    /// A tip that the device should know, in words.
    fn unknown_tip(&self, device: &Device) -> Option<String> {
        let here = self.watch.truth.conversations.values().filter(|c| c.org == device.org);
        here.filter(|c| c.timeline(device.user).is_some()).find_map(|c| {
            let held = device.db.convs.get(&c.conv);
            let known = held.filter(|h| h.is_joined).map(|h| h.known);
            (known < Some(c.rev)).then(|| {
                format!(
                    "device {} knows conversation {} up to {known:?} of {}, and that is old",
                    device.id, c.conv, c.rev
                )
            })
        })
    }

    fn is_at_rest(&self) -> bool {
        let is_idle = |n: &Node| n.is_up() && !n.exec.is_ready() && !n.stepper.has_work();
        let is_apart = |pair: &[Device]| {
            let [a, b] = pair else { return false };
            a.user == b.user && !a.is_revoked && !b.is_revoked && a.db.cursor != b.db.cursor
        };
        self.devices.iter().filter(|d| !d.is_revoked).all(|d| d.is_settled() && self.is_level(d))
            && !self.devices.windows(2).any(is_apart)
            && self.node.as_ref().is_some_and(is_idle)
            && !self.is_flushing
    }

    /// The device stands where the conversations stand.
    fn is_level(&self, device: &Device) -> bool {
        self.watch.truth.conversations.values().filter(|c| c.org == device.org).all(|c| {
            let held = device.db.convs.get(&c.conv).filter(|h| h.is_joined);
            match (held, c.timeline(device.user)) {
                (Some(held), Some(_)) => held.rev >= c.rev,
                (None, None) => true,
                _ => false,
            }
        })
    }

    fn why_restless(&self) -> String {
        let mut why = String::new();
        for device in self.devices.iter().filter(|d| !d.is_revoked) {
            if !device.is_settled() {
                let _written = write!(why, "device {}: {}; ", device.id, device.why_open());
            } else if !self.is_level(device) {
                let _written = write!(why, "device {} lags behind; ", device.id);
            }
            if why.len() > 1500 {
                return why;
            }
        }
        let is_up = self.node.as_ref().map(Node::is_up);
        let _written = write!(why, "server up {is_up:?}, flushing {}", self.is_flushing);
        why
    }

    /// Flushes everything and compares server, queues and devices with the truth.
    pub(super) fn judge(&mut self) {
        let Some(node) = &self.node else { return };
        let store = node.store.clone();
        self.is_flushing = true;
        self.spawn(
            "flush",
            Box::pin(async move {
                match store.flush_once().await {
                    Ok(_) => Ended::Done,
                    Err(error) => Ended::Failed(error.to_string()),
                }
            }),
        );
        let end = self.now_us() + 10_000_000;
        while (self.is_flushing || !self.is_at_rest()) && self.now_us() < end {
            if !self.step(end) {
                break;
            }
        }
        if self.is_flushing {
            return self.watch.violated("I18", "the last flush does not end".to_owned());
        }
        let Some(node) = &self.node else { return };
        self.disk.quiet(true);
        let layout = self.plan.sizes.layout;
        self.watch.is_disk_broken = self.disk.broken_since().is_some();
        self.watch.tap(node, layout);
        let view = node.store.view();
        self.watch.server(&view);
        self.watch.acked_ops();
        let mut users: Vec<(u64, u64)> = self.devices.iter().map(|d| (d.org, d.user)).collect();
        users.dedup();
        self.watch.queues(&view, layout, &users);
        for device in self.devices.iter().filter(|d| !d.is_revoked) {
            self.watch.device(device);
        }
        for pair in self.devices.windows(2) {
            if pair[0].user == pair[1].user && pair.iter().all(|d| !d.is_revoked) {
                self.watch.pair(&pair[0], &pair[1]);
            }
        }
        replay::compare(&mut self.watch, &view, &self.plan);
        self.disk.quiet(false);
    }

    fn count_faults(&mut self) {
        let disk = self.disk.counts();
        let figures = &mut self.figures;
        figures.write_errors = disk.write_errors;
        figures.sync_errors = disk.sync_errors;
        figures.read_errors = disk.read_errors;
        figures.lies = disk.lies;
        figures.misdirected = disk.misdirected;
        figures.flush_errors = self.kv.failures();
        figures.drifts = u64::from(self.plan.drift_ppm != 0);
    }

    pub(super) fn report(mut self) -> Report {
        self.figures.rebases = self.devices.iter().map(|d| d.rebases).sum();
        self.figures.compared = self.watch.events;
        self.count_faults();
        self.figures.messages =
            self.watch.truth.conversations.values().map(|c| c.sent.len() as u64).sum();
        self.figures.mode_flips = self.watch.truth.conversations.values().map(|c| c.flips).sum();
        self.figures.member_changes =
            self.watch.truth.conversations.values().map(|c| c.member_changes).sum();
        // The state of every device is part of the trace.
        for device in &self.devices {
            self.trace.update(format!("{:?}", device.db).as_bytes());
        }
        Report {
            violations: self.watch.violations.clone(),
            trace: self.trace.finalize().to_hex()[..16].to_owned(),
            figures: self.figures.clone(),
            heard: self.heard,
            plan: self.plan.clone(),
        }
    }
}
