//! The workload: few people write most, one message reaches many, people and devices come and go.

use bytes::Bytes;
use tenon_base::UserId;
use tenon_core::command::CreateConversation;
use tenon_core::{Action, Kind, SendMessage};

use super::{Due, World};
use crate::device::Device;
use crate::msg::Act;

impl World {
    /// Users and their devices.
    pub(super) fn people(&mut self) {
        let rng = &mut self.rngs.work;
        for user in 1..=self.plan.users + self.plan.users.div_ceil(3) {
            let org = if user <= self.plan.users { 1 } else { 2 };
            let count = rng.range(1, self.plan.devices);
            for device in 0..count {
                self.devices.push(Device::new(org, user, user * 10 + device, self.plan.rules));
            }
        }
    }

    /// Puts the whole load on the calendar.
    pub(super) fn schedule_load(&mut self) {
        for index in 0..self.devices.len() {
            let us = self.rngs.time.below(300_000);
            self.after(us, Due::Tick(index));
        }
        let span = self.plan.load_us;
        for number in 0..self.plan.operations {
            let us = self.rngs.time.below(span);
            if !self.plan.skipped.contains(&number) {
                self.after(us, Due::Work(number));
            }
        }
        let us = self.rngs.time.below(self.plan.flush_us);
        self.after(us, Due::Flush);
        for _ in 0..self.plan.server.crashes {
            let (at, polls) = (self.rngs.fault.below(span), self.rngs.fault.range(1, 40));
            self.after(at, Due::Crash(polls));
            if self.plan.server.dies_in_disk {
                let (at, operations) = (self.rngs.fault.below(span), self.rngs.fault.scale(1, 60));
                self.after(at, Due::Die(operations));
            }
        }
        for _ in 0..self.plan.server.crashes_ahead {
            let at = self.rngs.fault.below(span);
            self.after(at, Due::CrashAhead);
        }
        for _ in 0..self.plan.server.restarts {
            let at = self.rngs.fault.below(span);
            self.after(at, Due::Restart);
        }
        for _ in 0..self.plan.server.pauses {
            let (at, us) = (self.rngs.fault.below(span), self.rngs.fault.scale(50_000, 5_000_000));
            self.after(at, Due::Pause(us));
        }
        if self.plan.server.fills {
            let at = self.rngs.fault.below(span / 2);
            self.after(at, Due::Fill(true));
            self.after(at + span / 8, Due::Fill(false));
        }
    }

    pub(super) fn work(&mut self, number: u32) {
        self.note(9, u64::from(number), 0);
        // What one operation draws does not shift the others, so that leaving one out leaves them alone.
        self.rngs.work = crate::rng::Rng::new(self.plan.seed ^ (u64::from(number) << 32), "work");
        if self.conversations.is_empty() {
            if self.node.as_ref().is_some_and(crate::node::Node::is_up) {
                for _ in 0..self.plan.conversations {
                    self.create();
                }
            }
            return;
        }
        let f = self.plan.features;
        let weights = [
            f.send,
            f.read,
            f.members,
            f.rename,
            f.pin,
            f.create,
            f.reconnect,
            f.kill,
            f.reinstall,
            f.restore,
            f.revoke,
            f.clock,
            f.strange_cursor,
        ];
        let choice = self.rngs.work.weighted(&weights);
        let device = self.rngs.work.skewed(self.devices.len());
        match choice {
            0 => self.send_something(device),
            1 => self.read_something(device),
            2 => self.change_members(device),
            3 => self.with_conversation(device, |n| Act::Rename(format!("title {n}"))),
            4 => self.pin_something(device),
            5 => self.create(),
            6 => self.cut(device),
            7 => self.kill(device),
            8 => self.lose(device),
            9 => self.put_back(device),
            10 => self.revoke(device),
            11 => self.jump(),
            _ => self.strange_cursor(device),
        }
    }

    /// A conversation of the device's organisation, the busy ones first.
    fn some_conversation(&mut self, device: usize) -> Option<u64> {
        let org = self.devices[device].org;
        let own: Vec<u64> =
            self.conversations.iter().filter(|(o, _)| *o == org).map(|(_, c)| *c).collect();
        if own.is_empty() {
            return None;
        }
        let at = self.rngs.work.skewed(own.len());
        let joined = self.devices[device].db.convs.get(&own[at]).is_some_and(|c| c.is_joined);
        // Mostly people write where they are members; strangers try too.
        if joined || self.rngs.work.below(10) == 0 {
            return Some(own[at]);
        }
        let mut mine = self.devices[device].db.convs.iter().filter(|(_, c)| c.is_joined);
        mine.next().map(|(id, _)| *id)
    }

    fn with_conversation(&mut self, device: usize, act: impl FnOnce(u64) -> Act) {
        let Some(conv) = self.some_conversation(device) else { return };
        self.next_body += 1;
        let act = act(self.next_body);
        if !self.devices[device].is_revoked {
            self.devices[device].enqueue(conv, act);
        }
    }

    fn send_something(&mut self, device: usize) {
        let rng = &mut self.rngs.work;
        let burst = if rng.below(8) == 0 { rng.range(2, 12) } else { 1 };
        let mentions =
            if rng.below(6) == 0 { vec![rng.range(1, self.plan.users)] } else { Vec::new() };
        let is_silent = rng.below(6) == 0;
        let size = usize::try_from(rng.scale(1, 2000)).unwrap_or(1);
        let org = self.devices[device].org;
        for _ in 0..burst {
            let mentions = mentions.clone();
            self.with_conversation(device, |n| {
                let mut body = format!("o{org}/m{n}/");
                body.extend(std::iter::repeat_n('x', size));
                Act::Send { body, mentions, is_silent }
            });
        }
        if self.rngs.work.below(10) == 0 {
            self.admin_message();
        }
    }

    /// A message of the administration. It has no member, so it is refused.
    fn admin_message(&mut self) {
        let Some((org, conv)) = self.conversations.first().copied() else { return };
        self.next_body += 1;
        let body = format!("o{org}/admin{}", self.next_body);
        let send = SendMessage { kind: 1, body: Bytes::from(body), ..SendMessage::default() };
        self.admin(org, conv, Action::Send(send));
    }

    fn read_something(&mut self, device: usize) {
        if let Some(conv) = self.some_conversation(device)
            && !self.devices[device].is_revoked
        {
            self.devices[device].read_all(conv);
        }
    }

    fn pin_something(&mut self, device: usize) {
        let pinned = self.rngs.work.below(2) == 0;
        if let Some(conv) = self.some_conversation(device)
            && !self.devices[device].is_revoked
        {
            self.devices[device].enqueue_pin(conv, pinned);
        }
    }

    fn some_users(&mut self, org: u64) -> Vec<u64> {
        let first = self.plan.users;
        let (from, to) = if org == 1 { (1, first) } else { (first + 1, first + first.div_ceil(3)) };
        let count = self.rngs.work.range(1, 5);
        (0..count).map(|_| self.rngs.work.range(from, to)).collect()
    }

    fn change_members(&mut self, device: usize) {
        let org = self.devices[device].org;
        let users = self.some_users(org);
        let by_admin = self.rngs.work.below(2) == 0;
        let kind = self.rngs.work.below(5);
        if by_admin {
            let Some(conv) = self.some_conversation(device) else { return };
            let users = users.into_iter().map(UserId).collect();
            let action = if kind < 3 {
                Action::AddMembers { users }
            } else {
                Action::RemoveMembers { users }
            };
            return self.admin(org, conv, action);
        }
        self.with_conversation(device, |_| match kind {
            0 | 1 => Act::Add(users),
            2 | 3 => Act::Remove(users),
            _ => Act::Leave,
        });
    }

    fn admin(&mut self, org: u64, conv: u64, action: Action) {
        let now = self.wall();
        let is_up = self.node.as_ref().is_some_and(crate::node::Node::is_up);
        if let Some(front) = self.front.as_mut().filter(|_| is_up) {
            front.admin(org, conv, action, now);
        }
        self.schedule_batches();
    }

    fn create(&mut self) {
        let conv = self.next_conversation;
        self.next_conversation += 1;
        let org = if conv.is_multiple_of(4) { 2 } else { 1 };
        let is_direct = self.rngs.work.below(4) == 0;
        let mut users = self.some_users(org);
        if !is_direct && self.rngs.work.below(2) == 0 {
            for _ in 0..4 {
                users.extend(self.some_users(org));
            }
        }
        users.sort_unstable();
        users.dedup();
        if is_direct {
            users.truncate(2);
        }
        let owner = if is_direct { 0 } else { users[0] };
        let create = CreateConversation {
            kind: if is_direct { Kind::Direct } else { Kind::Group },
            title: if is_direct { String::new() } else { format!("group {conv}") },
            owner: UserId(owner),
            members: users.into_iter().map(UserId).collect(),
            history_visible: self.rngs.work.below(2) == 0,
            queue_mode_max: self.plan.pull_above,
            pull_mode_min: self.plan.pull_above.saturating_sub(2),
        };
        // Ids are spread as random ones are.
        let id = tenon_base::digest::mix64(conv) >> 1;
        self.conversations.push((org, id));
        self.admin(org, id, Action::Create(create));
    }

    fn kill(&mut self, device: usize) {
        self.figures.kills += 1;
        if self.rngs.work.below(3) == 0 {
            self.devices[device].backup = Some(self.devices[device].db.clone());
        }
        self.cut(device);
        let db = &mut self.devices[device].db;
        if let Some(rebase) = db.rebase
            && tenon_base::planted!("rebase-lines-in-memory")
        {
            db.convs.retain(|_, conv| conv.seen_in != rebase.generation);
        }
        self.devices[device].kill();
    }

    fn lose(&mut self, device: usize) {
        self.figures.databases_lost += 1;
        self.cut(device);
        self.devices[device].lose_database();
    }

    fn put_back(&mut self, device: usize) {
        if self.devices[device].backup.is_none() || self.rngs.work.below(3) == 0 {
            self.devices[device].backup = Some(self.devices[device].db.clone());
            return;
        }
        self.figures.databases_restored += 1;
        self.cut(device);
        self.devices[device].restore_database();
    }

    fn revoke(&mut self, device: usize) {
        let (now_us, now) = (self.now_us(), self.wall());
        let peer = self.peer(device);
        let has_other = self
            .devices
            .iter()
            .any(|d| d.user == peer.user && d.id != peer.device && !d.is_revoked);
        if self.devices[device].is_revoked || !has_other {
            return;
        }
        let (Some(node), Some(front)) = (&self.node, &mut self.front) else { return };
        if !node.is_up() {
            return;
        }
        let tasks = front.revoke(node, peer, now);
        self.devices[device].is_revoked = true;
        self.revoked.insert(peer.device, now_us);
        self.figures.revoked += 1;
        for task in tasks {
            self.spawn("append", task);
        }
    }

    /// The device comes with a cursor far above all that its user was told.
    fn strange_cursor(&mut self, device: usize) {
        let far = self.rngs.work.range(1, 1_000_000);
        if let Some((epoch, pts)) = self.devices[device].db.cursor
            && !self.devices[device].is_revoked
            && !self.devices[device].was_restored
        {
            self.figures.strange_cursors += 1;
            self.cut(device);
            self.devices[device].strange_cursor = Some((epoch, pts + 100_000 + far));
        }
    }

    /// The wall clock of the server jumps.
    fn jump(&mut self) {
        self.figures.clock_jumps += 1;
        let by = self.rngs.fault.below(1_200_000);
        self.wall_shift_ms = i64::try_from(by).unwrap_or(0) - 600_000;
    }
}
