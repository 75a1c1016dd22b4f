//! The checker's own model of a conversation: folds the durable commands as the rules on paper say. Shares no rule with
//! `tenon-core`; it reads its command types only because they are what lies in the log.

use std::collections::BTreeMap;

use tenon_core::conversation::{Kind, Role};
use tenon_core::event::flag;
use tenon_core::{Action, Command};

/// A conversation is named by organisation and id.
pub type ConvKey = (u64, u64);

/// What became of a command, in the words of the checker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Ordered: (seq, rev); 0 where there is none.
    Ok {
        /// Seq of the message.
        seq: u64,
        /// Rev of the event.
        rev: u64,
    },
    /// Refused, and the cid is used up.
    Rejected,
    /// The cid was decided before.
    Repeat(Box<Verdict>),
    /// The cid was used with other content.
    Reused,
    /// Earlier cids are missing.
    Gap {
        /// The expected one.
        expect: u64,
    },
    /// No such conversation for the author.
    Absent,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its event.
    pub rev: u64,
    /// Who.
    pub sender: u64,
    /// (device, device epoch, cid).
    pub key: (u64, u32, u64),
    /// Content.
    pub body: Vec<u8>,
    /// Raises the badge.
    pub is_badge: bool,
}

/// A stretch of membership in revs; `left` 0 = still in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// Rev of the join.
    pub joined: u64,
    /// Rev of the leave.
    pub left: u64,
    /// Seq tip at the join.
    pub joined_at_seq: u64,
}

/// A member, now or once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// 1 owner .. 4 guest.
    pub role: u8,
    /// Stretches, oldest first.
    pub stays: Vec<Stay>,
    /// Lowest visible seq minus one.
    pub floor: u64,
    /// Highest seq read.
    pub read: u64,
}

/// What a user must hear through the queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// A shared event.
    Event {
        /// Conversation.
        conv: u64,
        /// Position.
        rev: u64,
    },
    /// In the list now.
    Added {
        /// Conversation.
        conv: u64,
        /// Consistent at this rev.
        rev: u64,
    },
    /// Out of the list now.
    Removed {
        /// Conversation.
        conv: u64,
        /// Last rev that may be seen.
        last_rev: u64,
    },
    /// Own read mark.
    Read {
        /// Conversation.
        conv: u64,
        /// Up to.
        seq: u64,
    },
    /// The peer read.
    Receipt {
        /// Conversation.
        conv: u64,
        /// Who.
        user: u64,
        /// Up to.
        seq: u64,
    },
    /// Named in a pull-mode conversation.
    Mention {
        /// Conversation.
        conv: u64,
        /// Event.
        rev: u64,
    },
}

type Chain = Vec<(Vec<u8>, Verdict)>;

/// A conversation as the durable commands make it.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// Organisation.
    pub org: u64,
    /// Id.
    pub conv: u64,
    is_direct: bool,
    /// Told by tips only.
    pub is_pull: bool,
    /// Title.
    pub title: String,
    /// Owner.
    pub owner: u64,
    peers: Vec<u64>,
    sees_history: bool,
    pull_above: u32,
    queue_at: u32,
    /// Highest rev.
    pub rev: u64,
    /// Messages by seq - 1.
    pub sent: Vec<Sent>,
    /// Members.
    pub people: BTreeMap<u64, Person>,
    /// Per (device, device epoch): decided cids in order, with digest.
    pub chains: BTreeMap<(u64, u32), Chain>,
    /// Flips of the fan-out mode.
    pub flips: u64,
    /// Changes of membership.
    pub member_changes: u64,
    /// What users must hear, in order.
    pub heard: Vec<(u64, Heard)>,
}

/// All conversations.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// By organisation and id.
    pub conversations: BTreeMap<ConvKey, Conversation>,
}

impl Person {
    /// In now.
    pub fn is_in(&self) -> bool {
        self.stays.last().is_some_and(|s| s.left == 0)
    }

    /// Was in when `rev` happened, the join included and the leave not.
    pub fn was_in_at(&self, rev: u64) -> bool {
        self.stays.iter().any(|s| s.joined <= rev && (s.left == 0 || rev < s.left))
    }
}

impl Conversation {
    fn members(&self) -> Vec<u64> {
        self.people.iter().filter(|(_, p)| p.is_in()).map(|(u, _)| *u).collect()
    }

    /// Messages that `user` has to show: from his floor to the tip, if he is in.
    pub fn timeline(&self, user: u64) -> Option<std::ops::RangeInclusive<u64>> {
        let person = self.people.get(&user).filter(|p| p.is_in())?;
        Some(person.floor + 1..=self.sent.len() as u64)
    }

    /// May `user` see the event of `rev` and the message it carries?
    pub fn may_see(&self, user: u64, rev: u64) -> bool {
        let Some(person) = self.people.get(&user) else { return false };
        if person.was_in_at(rev) {
            return true;
        }
        let as_history = |p: &Person| {
            self.sent.iter().position(|m| m.rev == rev).is_some_and(|i| i as u64 + 1 > p.floor)
        };
        // History is for those who are in, or were in later than the message.
        as_history(person) && person.stays.last().is_some_and(|s| rev < s.joined || s.left == 0)
    }

    /// Badge-worthy messages behind the read mark and the last join.
    pub fn unread(&self, user: u64) -> u64 {
        let Some(person) = self.people.get(&user) else { return 0 };
        let joined = person.stays.last().map_or(0, |s| s.joined_at_seq);
        let from = person.read.max(joined);
        let behind = self.sent.iter().enumerate().filter(|(i, m)| *i as u64 >= from && m.is_badge);
        behind.count() as u64
    }

    fn tell_members(&mut self, rev: u64) {
        if !self.is_pull {
            for user in self.members() {
                self.heard.push((user, Heard::Event { conv: self.conv, rev }));
            }
        }
    }

    /// The fan-out mode follows the number of members.
    fn flip(&mut self) {
        let count = self.members().len();
        let flips = if self.is_pull {
            count <= self.queue_at as usize
        } else {
            count > self.pull_above as usize
        };
        if flips {
            self.is_pull = !self.is_pull;
            self.flips += 1;
            self.rev += 1;
            for user in self.members() {
                self.heard.push((user, Heard::Event { conv: self.conv, rev: self.rev }));
            }
        }
    }
}

impl Truth {
    /// Folds one durable command and says what its answer has to be.
    pub fn fold(&mut self, command: &Command) -> Verdict {
        let key = (command.author.org.0, command.conv.0);
        if let Action::Create(create) = &command.action {
            return self.create(command, create);
        }
        let Some(conversation) = self.conversations.get_mut(&key) else { return Verdict::Absent };
        let is_local = command.author.device.0 == 0;
        if !is_local && !conversation.people.contains_key(&command.author.user.0) {
            return Verdict::Absent;
        }
        if command.cid.0 == 0 {
            return conversation.act(command, is_local);
        }
        let chain_key = (command.author.device.0, command.author.device_epoch.0);
        let decided = conversation.chains.get(&chain_key).map_or(0, Vec::len) as u64;
        if command.cid.0 > decided + 1 {
            return Verdict::Gap { expect: decided + 1 };
        }
        if command.cid.0 <= decided {
            return conversation.repeat(command, chain_key, decided);
        }
        let verdict = if command.is_void || command.refused.is_some() {
            Verdict::Rejected
        } else {
            conversation.act(command, is_local)
        };
        let chain = conversation.chains.entry(chain_key).or_default();
        chain.push((command.digest.to_vec(), verdict.clone()));
        verdict
    }

    fn create(
        &mut self,
        command: &Command,
        create: &tenon_core::command::CreateConversation,
    ) -> Verdict {
        let key = (command.author.org.0, command.conv.0);
        if let Some(known) = self.conversations.get(&key) {
            return Verdict::Ok { seq: 0, rev: known.rev };
        }
        let mut users: Vec<u64> = create.members.iter().map(|u| u.0).collect();
        users.sort_unstable();
        users.dedup();
        let is_direct = create.kind == Kind::Direct;
        let is_bad = create.title.len() > 256
            || (is_direct && (users.is_empty() || users.len() > 2))
            || (!is_direct && create.owner.0 != 0 && !users.contains(&create.owner.0));
        if is_bad {
            return Verdict::Rejected;
        }
        let mut made = Conversation {
            org: key.0,
            conv: key.1,
            is_direct,
            is_pull: users.len() > create.queue_mode_max as usize,
            title: create.title.clone(),
            owner: create.owner.0,
            peers: if is_direct { users.clone() } else { Vec::new() },
            sees_history: create.history_visible,
            pull_above: create.queue_mode_max,
            queue_at: create.pull_mode_min,
            rev: 1,
            ..Conversation::default()
        };
        for user in &users {
            let role = if *user == create.owner.0 { 1 } else { 3 };
            let stay = Stay { joined: 1, left: 0, joined_at_seq: 0 };
            made.people.insert(*user, Person { role, stays: vec![stay], floor: 0, read: 0 });
        }
        // A creation is told as a new line of the list, and as nothing else.
        for user in users {
            made.heard.push((user, Heard::Added { conv: key.1, rev: 1 }));
        }
        self.conversations.insert(key, made);
        Verdict::Ok { seq: 0, rev: 1 }
    }
}

impl Conversation {
    fn repeat(&self, command: &Command, chain: (u64, u32), decided: u64) -> Verdict {
        // The leader answers for the last 64; a correct device never asks for more.
        if command.cid.0 + 64 <= decided {
            return Verdict::Reused;
        }
        let index = usize::try_from(command.cid.0 - 1).unwrap_or(usize::MAX);
        match self.chains.get(&chain).and_then(|c| c.get(index)) {
            Some((digest, verdict)) if digest[..] == command.digest => {
                Verdict::Repeat(Box::new(verdict.clone()))
            }
            _ => Verdict::Reused,
        }
    }

    fn act(&mut self, command: &Command, is_local: bool) -> Verdict {
        let user = command.author.user.0;
        match &command.action {
            Action::Send(send) => self.send(command, send),
            Action::Rename { title } => {
                let is_allowed = is_local || self.role(user).is_some_and(|r| r <= 2);
                if self.is_direct || !is_allowed || title.is_empty() || title.len() > 256 {
                    return Verdict::Rejected;
                }
                self.title.clone_from(title);
                self.rev += 1;
                self.tell_members(self.rev);
                Verdict::Ok { seq: 0, rev: self.rev }
            }
            Action::AddMembers { users } => {
                let users: Vec<u64> = users.iter().map(|u| u.0).collect();
                self.add(user, &users, is_local)
            }
            Action::RemoveMembers { users } => {
                let users: Vec<u64> = users.iter().map(|u| u.0).collect();
                self.remove(user, &users, is_local)
            }
            Action::Leave => {
                if self.is_direct || self.role(user).is_none() {
                    return Verdict::Rejected;
                }
                self.depart(&[user])
            }
            Action::SetRole { user: target, role } => self.set_role(user, target.0, *role),
            Action::ReadMark { up_to, .. } => self.read_mark(user, up_to.0),
            Action::Create(_) | Action::Import { .. } => Verdict::Rejected,
        }
    }

    fn role(&self, user: u64) -> Option<u8> {
        self.people.get(&user).filter(|p| p.is_in()).map(|p| p.role)
    }

    fn send(&mut self, command: &Command, send: &tenon_core::SendMessage) -> Verdict {
        let user = command.author.user.0;
        let is_bad = self.role(user).is_none()
            || send.body.len() > 32 * 1024
            || send.mentions.len() > 100
            || !send.to.is_empty()
            || send.kind == 0
            || send.reply_seq.0 > self.sent.len() as u64;
        if is_bad {
            return Verdict::Rejected;
        }
        self.rev += 1;
        self.sent.push(Sent {
            rev: self.rev,
            sender: user,
            key: (command.author.device.0, command.author.device_epoch.0, command.cid.0),
            body: send.body.to_vec(),
            is_badge: send.flags & flag::NO_BADGE == 0,
        });
        let seq = self.sent.len() as u64;
        self.tell_members(self.rev);
        if self.is_pull {
            let mut named: Vec<u64> =
                send.mentions.iter().map(|u| u.0).filter(|u| self.role(*u).is_some()).collect();
            named.sort_unstable();
            named.dedup();
            for user in named {
                self.heard.push((user, Heard::Mention { conv: self.conv, rev: self.rev }));
            }
        }
        if send.flags & flag::AUTO == 0
            && let Some(person) = self.people.get_mut(&user)
        {
            person.read = person.read.max(seq);
        }
        Verdict::Ok { seq, rev: self.rev }
    }

    fn may_change_members(&self, user: u64, users: &[u64], is_local: bool) -> bool {
        !self.is_direct
            && (is_local || (users.len() <= 200 && self.role(user).is_some_and(|r| r <= 2)))
    }

    fn add(&mut self, user: u64, users: &[u64], is_local: bool) -> Verdict {
        if !self.may_change_members(user, users, is_local) {
            return Verdict::Rejected;
        }
        let mut added: Vec<u64> =
            users.iter().copied().filter(|u| self.role(*u).is_none()).collect();
        added.sort_unstable();
        added.dedup();
        if added.is_empty() {
            return Verdict::Ok { seq: 0, rev: self.rev };
        }
        self.rev += 1;
        self.member_changes += 1;
        let rev = self.rev;
        let tip = self.sent.len() as u64;
        for user in &added {
            let floor = if self.sees_history { 0 } else { tip };
            let person = self.people.entry(*user).or_insert(Person {
                role: 3,
                stays: Vec::new(),
                floor,
                read: 0,
            });
            person.role = 3;
            person.stays.push(Stay { joined: rev, left: 0, joined_at_seq: tip });
            if !self.sees_history {
                person.floor = tip;
            }
        }
        self.tell_members(rev);
        for user in &added {
            self.heard.push((*user, Heard::Added { conv: self.conv, rev }));
        }
        self.flip();
        Verdict::Ok { seq: 0, rev }
    }

    fn remove(&mut self, user: u64, users: &[u64], is_local: bool) -> Verdict {
        if !self.may_change_members(user, users, is_local) {
            return Verdict::Rejected;
        }
        let mut gone: Vec<u64> =
            users.iter().copied().filter(|u| self.role(*u).is_some()).collect();
        gone.sort_unstable();
        gone.dedup();
        let acting = self.role(user).unwrap_or(1);
        let outranked = |u: &u64| *u != user && self.role(*u).is_some_and(|r| r <= acting);
        if !is_local && gone.iter().any(outranked) {
            return Verdict::Rejected;
        }
        if gone.is_empty() {
            return Verdict::Ok { seq: 0, rev: self.rev };
        }
        self.depart(&gone)
    }

    fn depart(&mut self, gone: &[u64]) -> Verdict {
        let before = self.rev;
        self.rev += 1;
        self.member_changes += 1;
        let rev = self.rev;
        for user in gone {
            if let Some(stay) = self.people.get_mut(user).and_then(|p| p.stays.last_mut()) {
                stay.left = rev;
            }
        }
        if gone.contains(&self.owner) {
            let heir = self
                .people
                .iter()
                .filter(|(_, p)| p.is_in())
                .min_by_key(|(u, p)| (p.role, p.stays.last().map_or(0, |s| s.joined), **u))
                .map(|(u, _)| *u);
            self.owner = heir.unwrap_or(0);
            if let Some(person) = heir.and_then(|u| self.people.get_mut(&u)) {
                person.role = 1;
            }
        }
        self.tell_members(rev);
        for user in gone {
            self.heard.push((*user, Heard::Removed { conv: self.conv, last_rev: before }));
        }
        self.flip();
        Verdict::Ok { seq: 0, rev }
    }

    fn set_role(&mut self, user: u64, target: u64, role: Role) -> Verdict {
        let number = role as u8;
        let is_bad = self.is_direct
            || self.role(user) != Some(1)
            || self.role(target).is_none()
            || user == target;
        if is_bad {
            return Verdict::Rejected;
        }
        if self.role(target) == Some(number) {
            return Verdict::Ok { seq: 0, rev: self.rev };
        }
        self.rev += 1;
        if let Some(person) = self.people.get_mut(&target) {
            person.role = number;
        }
        if role == Role::Owner {
            self.owner = target;
            if let Some(person) = self.people.get_mut(&user) {
                person.role = 2;
            }
        }
        self.tell_members(self.rev);
        Verdict::Ok { seq: 0, rev: self.rev }
    }

    fn read_mark(&mut self, user: u64, up_to: u64) -> Verdict {
        if self.role(user).is_none() {
            return Verdict::Rejected;
        }
        let seq = up_to.min(self.sent.len() as u64);
        let Some(person) = self.people.get_mut(&user) else { return Verdict::Rejected };
        if seq <= person.read {
            return Verdict::Ok { seq: person.read, rev: 0 };
        }
        person.read = seq;
        self.heard.push((user, Heard::Read { conv: self.conv, seq }));
        if let Some(peer) = self.peers.iter().copied().find(|p| *p != user) {
            self.heard.push((peer, Heard::Receipt { conv: self.conv, user, seq }));
        }
        Verdict::Ok { seq, rev: 0 }
    }
}
