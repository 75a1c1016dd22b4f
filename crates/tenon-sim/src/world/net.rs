//! The network: one wire per connection, cut anywhere, slow in either direction.

use std::collections::VecDeque;

use tenon_core::handover::Delivery;

use super::{Due, World};
use crate::msg::{Answer, Down, Up};

/// A removed device hears nothing after this time, even while the disk stands still.
const REVOKED_US: u64 = 5_000_000;
/// A process that stands still does nothing in that time.
const PAUSES_US: u64 = 6_000_000;

/// A connection as the network has it.
#[derive(Debug, Default)]
pub(super) struct Wire {
    device: usize,
    up: VecDeque<Up>,
    down: [VecDeque<Down>; 2],
    /// Time at which the last frame of a direction arrives: frames do not overtake on one lane.
    up_at: u64,
    down_at: [u64; 2],
    /// The device has given it up.
    is_cut: bool,
    /// The server is about to see that.
    is_noticed: bool,
}

impl World {
    /// A device comes in, if a server is there.
    pub(super) fn connect(&mut self, index: usize) {
        let now = self.now_us();
        let is_up = self.node.as_ref().is_some_and(crate::node::Node::is_up);
        let live = &self.devices[index].live;
        if !is_up || live.link.is_some() || live.connect_us > now {
            return;
        }
        let link = self.next_link;
        self.next_link += 1;
        self.figures.connects += 1;
        let peer = self.peer(index);
        if let Some(front) = &mut self.front {
            front.open(link, peer);
        }
        self.links.insert(link, Wire { device: index, ..Wire::default() });
        for up in self.devices[index].connected(link, now) {
            self.send_up(link, up);
        }
    }

    /// The device side of a connection ends. What is on its way up may still arrive.
    pub(super) fn cut(&mut self, index: usize) {
        let now = self.now_us();
        let Some(link) = self.devices[index].live.link else { return };
        let jitter = self.rngs.net.below(200_000);
        self.devices[index].disconnected(now, jitter);
        self.note(4, link, 0);
        let half_open = self.plan.net.half_open_us;
        let late = self.rngs.net.below(half_open + 1);
        let loses = self.rngs.net.below(2) == 0;
        if let Some(wire) = self.links.get_mut(&link) {
            wire.is_cut = true;
            wire.down = [VecDeque::new(), VecDeque::new()];
            if loses {
                let keeps = self.rngs.net.index(wire.up.len() + 1);
                wire.up.truncate(keeps);
            }
        }
        self.after(late, Due::Noticed(link));
    }

    /// All connections end with the server.
    pub(super) fn cut_all(&mut self) {
        let now = self.now_us();
        self.links.clear();
        for index in 0..self.devices.len() {
            if self.devices[index].live.link.is_some() {
                let jitter = self.rngs.net.below(500_000);
                self.devices[index].disconnected(now, jitter);
            }
        }
    }

    pub(super) fn noticed(&mut self, link: u64) {
        if let Some(wire) = self.links.get_mut(&link) {
            wire.is_noticed = true;
        }
        while self.links.get(&link).is_some_and(|wire| !wire.up.is_empty()) {
            self.arrive_up(link);
        }
        self.links.remove(&link);
        if let (Some(node), Some(front)) = (&self.node, &mut self.front) {
            front.closed(node, link);
        }
    }

    fn delay(&mut self) -> u64 {
        let longest = self.plan.net.delay_us;
        let us = 200 + self.rngs.net.below(longest);
        let stall = self.plan.net.stall;
        if !self.is_healed && self.rngs.net.chance(stall) {
            self.figures.stalls += 1;
            return us + self.rngs.net.range(200_000, 6_000_000);
        }
        us
    }

    fn resets(&mut self) -> bool {
        let rate = self.plan.net.reset;
        !self.is_healed && self.rngs.net.chance(rate)
    }

    pub(super) fn send_up(&mut self, link: u64, up: Up) {
        let now = self.now_us();
        let delay = self.delay();
        let Some(wire) = self.links.get_mut(&link) else { return };
        if wire.is_cut {
            return;
        }
        wire.up.push_back(up);
        wire.up_at = wire.up_at.max(now + delay);
        let wait = wire.up_at - now;
        let index = wire.device;
        self.after(wait, Due::Up(link));
        if self.resets() {
            self.figures.resets += 1;
            self.cut(index);
        }
    }

    pub(super) fn send_down(&mut self, link: u64, down: Down) {
        let now = self.now_us();
        let delay = self.delay();
        let reorders = self.plan.net.reorders;
        let Some(wire) = self.links.get_mut(&link) else { return };
        let device = self.devices[wire.device].id;
        let pauses_us = if self.plan.server.pauses > 0 { PAUSES_US } else { 0 };
        if let Some(since) = self.revoked.get(&device)
            && now > since + REVOKED_US + pauses_us
            && !matches!(
                down,
                Down::Close
                    | Down::EpochStale
                    | Down::ConnectionStale
                    | Down::Delivery(Delivery::Close { .. })
            )
        {
            let text = format!("device {device} was removed at {since} us and still gets {down:?}");
            self.watch.violated("I23", text);
        }
        if wire.is_cut {
            return;
        }
        let is_large = matches!(
            down,
            Down::Diff { .. }
                | Down::TooLong { .. }
                | Down::History { .. }
                | Down::List { .. }
                | Down::Gone { .. }
                | Down::Again { .. }
        );
        let lane = usize::from(is_large && reorders);
        wire.down[lane].push_back(down);
        wire.down_at[lane] = wire.down_at[lane].max(now + delay);
        let wait = wire.down_at[lane] - now;
        self.after(wait, Due::Down(link, lane));
    }

    pub(super) fn arrive_up(&mut self, link: u64) {
        // What was under way when the device gave up comes late, right before the end is noticed.
        let wire = self.links.get_mut(&link).filter(|wire| !wire.is_cut || wire.is_noticed);
        let Some(up) = wire.and_then(|wire| wire.up.pop_front()) else { return };
        self.note(5, link, discriminant(&up));
        let throttle = self.plan.net.throttle;
        if let Up::Send(send) = &up
            && !self.is_healed
            && self.rngs.net.chance(throttle)
        {
            self.figures.throttled += 1;
            let (conv, epoch, cid) = (send.conv, send.epoch, send.cid);
            return self.send_down(link, Down::SendAck { conv, epoch, cid, answer: Answer::Retry });
        }
        self.receive(link, up);
    }

    pub(super) fn arrive_down(&mut self, link: u64, lane: usize) {
        let Some(wire) = self.links.get_mut(&link).filter(|wire| !wire.is_cut) else { return };
        let index = wire.device;
        let Some(down) = wire.down[lane].pop_front() else { return };
        self.note(6, link, lane as u64);
        if self.devices[index].live.link != Some(link) {
            return;
        }
        self.figures.frames += 1;
        let now = self.now_us();
        let ends = matches!(
            down,
            Down::Close
                | Down::ConnectionStale
                | Down::EpochStale
                | Down::Delivery(Delivery::Close { .. })
        );
        if self.listened == Some(self.devices[index].id) {
            self.heard.push(format!("{now} {down:?}"));
        }
        self.watch.frame(&self.devices[index], &down);
        let is_batch = matches!(down, Down::Delivery(Delivery::Batch(_)));
        let out = self.devices[index].handle(down, now);
        self.complaints(index);
        if is_batch {
            self.crash_ahead(Some(self.devices[index].user));
        }
        if ends {
            return self.cut(index);
        }
        for up in out {
            self.send_up(link, up);
        }
    }

    pub(super) fn complaints(&mut self, index: usize) {
        for (invariant, text) in std::mem::take(&mut self.devices[index].complaints) {
            self.watch.violated(invariant, text);
        }
    }

    pub(super) fn tick(&mut self, index: usize) {
        let us = 100_000 + self.rngs.time.below(200_000);
        self.after(us, Due::Tick(index));
        if self.devices[index].is_revoked {
            if self.devices[index].live.link.is_some() && self.is_healed {
                self.cut(index);
            }
            // Who holds a removed device goes on trying.
            if !self.is_healed {
                self.connect(index);
            }
            return;
        }
        self.connect(index);
        let now = self.now_us();
        let (out, gives_up) = self.devices[index].tick(now);
        if gives_up {
            return self.cut(index);
        }
        if let Some(link) = self.devices[index].live.link {
            for up in out {
                self.send_up(link, up);
            }
        }
    }
}

const fn discriminant(up: &Up) -> u64 {
    match up {
        Up::Hello { .. } => 1,
        Up::Send(_) => 2,
        Up::Pin { .. } => 3,
        Up::Read { .. } => 4,
        Up::Ack { .. } => 5,
        Up::Subscribe { .. } => 6,
        Up::Ping => 7,
        Up::Diff { .. } => 8,
        Up::History { .. } => 9,
        Up::List { .. } => 10,
    }
}
