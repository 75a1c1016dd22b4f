//! The workload: few people write most, members come and go, apps die.

use std::sync::{Arc, Mutex, PoisonError};

use tenon_client::engine::Command;
use tenon_client::store::MemoryStore;
use tenon_receiver::admin::{Admin, NewUser};
use tenon_wire::Message;
use tenon_wire::{message_kind, op_type, v1};

use super::phone::Phone;
use super::{Due, Whole};
use crate::exec::Ended;

/// Time for making the people, in which nothing goes wrong.
const SETUP_US: u64 = 60_000_000;
/// Users of one run at most.
const USERS_MAX: u64 = 12;

/// Secrets of the devices, ids of the users and of the groups.
type Made = Arc<Mutex<Option<(Vec<String>, Vec<u64>, Vec<u64>)>>>;

impl Whole {
    /// Users and their devices.
    pub(super) fn people(&mut self) {
        let seed = self.plan.seed;
        let users = self.plan.users.clamp(2, USERS_MAX);
        for user in 0..users {
            let devices = self.rngs.work.range(1, self.plan.devices.max(1));
            for device in 0..devices {
                let own = seed ^ ((user + 1) << 40) ^ ((device + 1) << 32);
                let skew = i64::try_from(self.rngs.work.below(240_000)).unwrap_or(0) - 120_000;
                let (name, label) = (format!("user{user}"), format!("device{device}"));
                self.phones.push(Phone::new(name, label, own, skew));
            }
        }
    }

    /// Makes accounts, credentials and groups on the running server.
    pub(super) fn settle_people(&mut self) {
        let until = self.now_us() + SETUP_US;
        while self.server.as_ref().is_some_and(|server| !server.is_up()) && self.now_us() < until {
            self.step(until);
        }
        let Some(receiver) = self.server.as_ref().and_then(|server| server.receiver()) else {
            return self.violated("I18", "the server does not start".to_owned());
        };
        let devices: Vec<(String, String)> =
            self.phones.iter().map(|p| (p.name.clone(), p.label.clone())).collect();
        let mut names: Vec<String> = devices.iter().map(|(name, _)| name.clone()).collect();
        names.dedup();
        let groups = self.groups_of(&names);
        let asked = (names.clone(), groups.clone());
        let made = Made::default();
        let out = Arc::clone(&made);
        let task = async move {
            match make(Admin::new(receiver), (asked.0, devices, asked.1)).await {
                Ok(value) => {
                    *out.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                    Ended::Done
                }
                Err(error) => Ended::Failed(error.to_string()),
            }
        };
        self.spawn("people", Box::pin(task));
        while !self.ended.contains("people") && self.now_us() < until && self.violations.is_empty()
        {
            self.step(until);
        }
        let Some((secrets, users, convs)) =
            made.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
            return self.violated("I18", "the people were not made".to_owned());
        };
        for (phone, secret) in self.phones.iter_mut().zip(secrets) {
            phone.credential = secret.into_bytes().into();
            phone.user = user_of(&names, &users, &phone.name);
        }
        for (conv, group) in convs.iter().zip(&groups) {
            for name in group {
                self.added(*conv, user_of(&names, &users, name));
            }
        }
        (self.user_ids, self.groups) = (users, convs);
    }

    /// Says in the history that a user is, or may soon be, a member.
    fn added(&mut self, conv: u64, user: u64) {
        self.members_told += 1;
        let (at_us, n) = ((super::START_MS * 1000) + self.now_us(), self.members_told);
        let line = format!(
            r#"{{"at_us":{at_us},"actor":"operator","n":{n},"op":"member","conversation":"{conv}","user":"{user}","change":"add"}}"#
        );
        self.tape.line(&line);
    }

    /// The members of each group, the owner first.
    fn groups_of(&mut self, names: &[String]) -> Vec<Vec<String>> {
        (0..self.plan.conversations)
            .map(|_| {
                let count = self.rngs.work.range(2, names.len() as u64);
                let mut members: Vec<String> = Vec::new();
                for _ in 0..count {
                    let name = self.rngs.work.pick(names).clone();
                    if !members.contains(&name) {
                        members.push(name);
                    }
                }
                members
            })
            .collect()
    }

    /// Puts the whole load on the calendar.
    pub(super) fn schedule_load(&mut self) {
        for index in 0..self.phones.len() {
            let us = self.rngs.time.below(300_000);
            self.after(us, Due::Launch(index, 0));
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
        for _ in 0..self.plan.server.restarts {
            let at = self.rngs.fault.below(span);
            self.after(at, Due::Restart);
        }
        if self.plan.server.fills {
            let at = self.rngs.fault.below(span / 2);
            self.after(at, Due::Fill(true));
            self.after(at + span / 8, Due::Fill(false));
        }
    }

    /// Starts an app that does not run.
    pub(super) fn launch(&mut self, index: usize, life: u64) {
        let phone = &self.phones[index];
        if phone.engine.is_some() || phone.life != life {
            return;
        }
        let is_new = phone.store == MemoryStore::default();
        let now = self.phone_now(index).wall;
        let window = self.window();
        self.phones[index].launch(&self.tape, is_new, window, now);
        self.command(index, Command::Start);
    }

    pub(super) fn work(&mut self, number: u32) {
        self.note(9, u64::from(number), 0);
        // What one operation draws does not shift the others, so that leaving one out leaves them alone.
        self.rngs.work = crate::rng::Rng::new(self.plan.seed ^ (u64::from(number) << 32), "work");
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
            f.clock,
            f.restore,
            f.revoke,
        ];
        let choice = self.rngs.work.weighted(&weights);
        let index = self.rngs.work.skewed(self.phones.len());
        match choice {
            0 => self.send_something(index),
            1 => self.read_something(index),
            2 => self.change_members(index),
            3 => self.rename(index, number),
            4 => self.pin(index),
            5 => self.open_direct(index),
            6 => self.cut(index, "network changed"),
            7 => self.kill(index),
            8 => self.lose(index),
            10 => self.put_back(index),
            11 => self.remove_device(index),
            _ => {
                let by = i64::try_from(self.rngs.work.below(1_200_000)).unwrap_or(0) - 600_000;
                self.machine.clock.jump(by);
            }
        }
    }

    /// A conversation of the device's list; now and then one that is not.
    fn some_conversation(&mut self, index: usize) -> Option<u64> {
        let mut own: Vec<u64> =
            self.phones[index].engine.as_ref()?.list().iter().map(|line| line.conv).collect();
        own.sort_unstable();
        if own.is_empty() || self.rngs.work.below(20) == 0 {
            let at = self.rngs.work.skewed(self.groups.len());
            return self.groups.get(at).copied();
        }
        let at = self.rngs.work.skewed(own.len());
        own.get(at).copied()
    }

    fn send_something(&mut self, index: usize) {
        if let Some(conv) = self.some_conversation(index) {
            self.send_to(index, conv);
        }
    }

    /// A message that nobody has sent before.
    pub(super) fn send_to(&mut self, index: usize, conv: u64) {
        let body = self.next_body;
        self.next_body += 1;
        let long = if self.rngs.work.below(30) == 0 { 3_000 } else { 1 };
        let text = format!("message {body} {}", "x".repeat(long));
        let content = self.content(index, text);
        let send = v1::Send {
            conv,
            kind: message_kind::TEXT,
            body: content.into(),
            ..v1::Send::default()
        };
        self.figures.sends += 1;
        let now = self.phone_now(index);
        let ticket = self.phones[index].ticket();
        self.phones[index].note(now, |record, _| record.offered(ticket, &send));
        self.command(index, Command::Send { ticket, send: Box::new(send), after: 0 });
    }

    fn read_something(&mut self, index: usize) {
        let Some(engine) = &self.phones[index].engine else { return };
        let mut lines = engine.list();
        lines.sort_unstable_by_key(|line| line.conv);
        let at = self.rngs.work.skewed(lines.len());
        let Some(line) = lines.get(at) else { return };
        let (conv, seq) = (line.conv, line.tip_seq);
        if seq == 0 {
            return;
        }
        let now = self.phone_now(index);
        self.phones[index].note(now, |record, at| record.read(conv, seq, at));
        self.command(index, Command::MarkRead { conv, up_to_seq: seq, up_to_pcnt: 0 });
    }

    fn op<M: Message>(&mut self, index: usize, conv: u64, number: u32, body: &M) {
        self.figures.ops += 1;
        let body = body.encode_to_vec().into();
        let op = Box::new(v1::Op { conv, r#type: number, body, ..v1::Op::default() });
        let ticket = self.phones[index].ticket();
        self.command(index, Command::Op { ticket, op, after: 0 });
    }

    fn change_members(&mut self, index: usize) {
        let at = self.rngs.work.skewed(self.groups.len());
        let Some(conv) = self.groups.get(at).copied() else { return };
        let count = self.rngs.work.range(1, 4);
        let users: Vec<u64> =
            (0..count).map(|_| *self.rngs.work.pick(&self.user_ids.clone())).collect();
        match self.rngs.work.below(5) {
            0..3 => {
                for user in &users {
                    self.added(conv, *user);
                    let phones = self.phones.iter().filter(|phone| phone.user == *user);
                    let names = phones.map(|phone| (conv, phone.name.clone()));
                    self.came_later.extend(names);
                }
                let add = v1::AddMembers { users, ..v1::AddMembers::default() };
                self.op(index, conv, op_type::ADD_MEMBERS, &add);
            }
            3 => {
                let remove = v1::RemoveMembers { users, block: false };
                self.op(index, conv, op_type::REMOVE_MEMBERS, &remove);
            }
            _ => self.op(index, conv, op_type::LEAVE, &v1::Leave {}),
        }
    }

    fn rename(&mut self, index: usize, number: u32) {
        let Some(conv) = self.some_conversation(index) else { return };
        let meta = v1::ConvMeta { title: format!("title {number}"), ..v1::ConvMeta::default() };
        let set = v1::SetConversation { meta: Some(meta), mask: 1, join_policy: 0 };
        self.op(index, conv, op_type::SET_CONVERSATION, &set);
    }

    fn pin(&mut self, index: usize) {
        let Some(conv) = self.some_conversation(index) else { return };
        let is_pinned = self.rngs.work.below(2) == 0;
        let summary = v1::Summary { conv, pinned: is_pinned, ..v1::Summary::default() };
        let set = v1::SetSummary { summary: Some(summary), mask: 1 };
        self.op(index, 0, op_type::SET_SUMMARY, &set);
    }

    fn open_direct(&mut self, index: usize) {
        let user = *self.rngs.work.pick(&self.user_ids.clone());
        self.op(index, 0, op_type::OPEN_DIRECT, &v1::OpenDirect { user });
    }

    /// The app is killed and started again a little later.
    pub(super) fn kill(&mut self, index: usize) {
        if self.phones[index].engine.is_none() {
            return;
        }
        self.figures.kills += 1;
        self.phones[index].kill();
        self.cut(index, "killed");
        let (us, life) = (self.rngs.time.scale(10_000, 3_000_000), self.phones[index].life);
        self.after(us, Due::Launch(index, life));
    }

    /// The device's store is gone: it comes back as a new install with the old credential.
    fn lose(&mut self, index: usize) {
        if self.phones[index].engine.is_none() {
            return;
        }
        self.figures.stores_lost += 1;
        self.kill(index);
        self.phones[index].store = MemoryStore::default();
        self.phones[index].removing.clear();
        self.phones[index].installs += 1;
    }
}

fn user_of(names: &[String], users: &[u64], name: &str) -> u64 {
    names.iter().position(|known| known == name).map_or(0, |at| users[at])
}

/// Names, devices by user and label, members of each group.
type Asked = (Vec<String>, Vec<(String, String)>, Vec<Vec<String>>);

async fn make(
    admin: Admin,
    (names, devices, groups): Asked,
) -> Result<(Vec<String>, Vec<u64>, Vec<u64>), tenon_receiver::admin::AdminError> {
    let users: Vec<NewUser> =
        names.into_iter().map(|name| NewUser { name, display: String::new() }).collect();
    let ids = admin.add_users(&users).await?.into_iter().map(|(user, _)| user.0).collect();
    let mut secrets = Vec::new();
    for (name, label) in devices {
        secrets.push(admin.mint(&name, &label).await?);
    }
    let mut convs = Vec::new();
    for (number, members) in groups.into_iter().enumerate() {
        convs.push(admin.create_group(&format!("group {number}"), &members).await?.0);
    }
    Ok((secrets, ids, convs))
}
