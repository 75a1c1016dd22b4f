//! The checks after a run has come to rest: server against truth, devices against truth, devices against each other.

use std::collections::BTreeMap;

use tenon_base::{ConversationId, OrgId, PartitionId, Pts, Rev, Seq, UserId};
use tenon_core::Layout;
use tenon_core::conversation::Mode;
use tenon_core::event::UserEvent;
use tenon_core::user::QueueItem;
use tenon_ports::Direction;
use tenon_store::{Part, SeriesKey, View, table};

use super::truth::{Conversation, Heard};
use super::{Watch, event_print, user_event_print};
use crate::device::{Device, State};

impl Watch {
    /// The store behind a flush shows what the durable commands make.
    pub fn server(&mut self, view: &View) {
        let truth = std::mem::take(&mut self.truth);
        for conversation in truth.conversations.values() {
            if let Err(text) = self.conversation(view, conversation) {
                self.violated("I29", text);
            }
        }
        self.truth = truth;
    }

    fn conversation(&mut self, view: &View, c: &Conversation) -> Result<(), String> {
        let (org, conv) = (OrgId(c.org), ConversationId(c.conv));
        let broken = |e: &dyn std::fmt::Display| format!("conversation {}: {e}", c.conv);
        let bytes = view.state(&table::header::key(org, conv)).map_err(|e| broken(&e))?;
        let bytes = bytes.ok_or_else(|| broken(&"no header"))?;
        let header = table::header::decode(&bytes).map_err(|e| broken(&e))?;
        let cnt = c.sent.iter().filter(|m| m.is_badge).count() as u64;
        let held = (header.seq.0, header.rev.0, header.cnt.0, header.owner.0, &header.title);
        let due = (c.sent.len() as u64, c.rev, cnt, c.owner, &c.title);
        if held != due {
            self.violated(
                "I5",
                broken(&format!("(seq, rev, cnt, owner, title) {held:?}, due {due:?}")),
            );
        }
        if (header.mode == Mode::Pull) != c.is_pull {
            self.violated("I20", broken(&"the fan-out mode differs"));
        }
        let count = c.people.values().filter(|p| p.is_in()).count();
        if header.member_count as usize != count {
            self.violated("I29", broken(&format!("{} members, due {count}", header.member_count)));
        }
        self.people(view, c, header.cnt)?;
        self.messages(view, c, &broken)?;
        for (key, chain) in &c.chains {
            let row = table::sender::key(
                org,
                conv,
                tenon_base::DeviceId(key.0),
                tenon_base::DeviceEpoch(key.1),
            );
            let bytes = view.state(&row).map_err(|e| broken(&e))?;
            let last = match bytes {
                Some(bytes) => table::sender::decode(&bytes).map_err(|e| broken(&e))?.last.0,
                None => 0,
            };
            if last != chain.len() as u64 {
                self.violated(
                    "I2",
                    broken(&format!("chain {key:?} stands at {last}, due {}", chain.len())),
                );
            }
        }
        Ok(())
    }

    fn people(
        &mut self,
        view: &View,
        c: &Conversation,
        cnt: tenon_base::Cnt,
    ) -> Result<(), String> {
        for (user, person) in &c.people {
            let key = table::member::key(OrgId(c.org), ConversationId(c.conv), UserId(*user));
            let Some(bytes) = view.state(&key).map_err(|e| e.to_string())? else {
                self.violated("I29", format!("conversation {}: no row of member {user}", c.conv));
                continue;
            };
            let member = table::member::decode(&bytes).map_err(|e| e.to_string())?;
            let stays: Vec<(u64, u64)> =
                member.intervals.iter().map(|i| (i.join_rev.0, i.leave_rev.0)).collect();
            let due: Vec<(u64, u64)> = person.stays.iter().map(|s| (s.joined, s.left)).collect();
            if stays != due
                || member.floor_seq.0 != person.floor
                || member.role as u8 != person.role
            {
                let text = format!("conversation {}: row of member {user} differs", c.conv);
                self.violated("I16", text);
            }
            let read = member.read.cnt.0.max(member.floor_cnt.0);
            let unread = cnt.0.saturating_sub(read);
            if person.is_in() && unread != c.unread(*user) {
                let text = format!("conversation {}: user {user} has {unread} unread", c.conv);
                self.violated("I15", text);
            }
            if member.read.seq.0 != person.read {
                let text = format!(
                    "conversation {}: user {user} has read {}, due {}",
                    c.conv, member.read.seq.0, person.read
                );
                self.violated("I8", text);
            }
        }
        Ok(())
    }

    fn messages(
        &mut self,
        view: &View,
        c: &Conversation,
        broken: &dyn Fn(&dyn std::fmt::Display) -> String,
    ) -> Result<(), String> {
        let (org, conv) = (OrgId(c.org), ConversationId(c.conv));
        let (mut last_ts, mut cnt) = (None, 0);
        for (seq, sent) in (1..).zip(&c.sent) {
            let row = table::message::read(view, org, conv, Seq(seq)).map_err(|e| broken(&e))?;
            let Some(row) = row else {
                self.violated("I1", broken(&format!("message {seq} is missing")));
                continue;
            };
            cnt += u64::from(sent.is_badge);
            let key = (row.device.0, row.device_epoch.0, row.cid.0);
            if row.body != sent.body || key != sent.key || row.ver.0 != sent.rev || row.cnt.0 != cnt
            {
                self.violated("I1", broken(&format!("message {seq} differs from what was acked")));
            }
            if last_ts.is_some_and(|last| row.ts.0 <= last) {
                self.violated("I5", broken(&format!("the time of message {seq} does not rise")));
            }
            last_ts = Some(row.ts.0);
        }
        for rev in 1..=c.rev {
            match table::event::read(view, org, conv, Rev(rev)) {
                Ok(Some(event)) if event.rev.0 == rev => {}
                Ok(_) => self.violated("I5", broken(&format!("event {rev} is missing"))),
                Err(error) => self.violated("I30", broken(&error)),
            }
        }
        Ok(())
    }

    /// Every queue is dense and holds, per source partition, exactly what was due, in order, once.
    pub fn queues(&mut self, view: &View, layout: Layout, users: &[(u64, u64)]) {
        let truth = std::mem::take(&mut self.truth);
        for (org, user) in users {
            let mut due: BTreeMap<PartitionId, Vec<Heard>> = BTreeMap::new();
            for c in truth.conversations.values().filter(|c| c.org == *org) {
                let heard = c.heard.iter().filter(|(who, _)| who == user).map(|(_, h)| h.clone());
                due.entry(layout.conversation(ConversationId(c.conv))).or_default().extend(heard);
            }
            match held_queue(view, (*org, *user), layout) {
                Ok((held, prints)) => {
                    self.compare_heard((*org, *user), &prints);
                    self.marks_rise(*user, &held);
                    self.compare_queue(*user, due, held);
                }
                Err(text) => self.violated("I5", format!("queue of user {user}: {text}")),
            }
        }
        self.truth = truth;
    }

    /// What was heard at a position of the present epoch stands there.
    fn compare_heard(&mut self, (org, user): (u64, u64), (epoch, prints): &(u32, Vec<u64>)) {
        let heard = self.queue.range((org, user, *epoch, 0)..=(org, user, *epoch, u64::MAX));
        let is_other = |pts: u64, print: u64| {
            let at = usize::try_from(pts.saturating_sub(1)).unwrap_or(usize::MAX);
            prints.get(at) != Some(&print)
        };
        let other = heard.map(|(key, print)| (key.3, *print)).find(|(pts, p)| is_other(*pts, *p));
        if let Some((pts, _)) = other {
            let text = format!(
                "user {user} heard at pts {pts} of queue epoch {epoch} what does not stand in his queue"
            );
            self.violated("I13", text);
        }
    }

    /// No read mark of a queue falls behind an earlier one.
    fn marks_rise(&mut self, user: u64, held: &BTreeMap<PartitionId, Vec<Heard>>) {
        let mut marks: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for heard in held.values().flatten() {
            let (whose, seq) = match heard {
                Heard::Read { conv, seq } => ((*conv, user), *seq),
                Heard::Receipt { conv, user, seq } => ((*conv, *user), *seq),
                _ => continue,
            };
            let before = marks.insert(whose, seq).unwrap_or(0);
            if seq < before {
                let text =
                    format!("queue of user {user}: mark of {whose:?} falls {before} to {seq}");
                self.violated("I8", text);
            }
        }
    }

    fn compare_queue(
        &mut self,
        user: u64,
        due: BTreeMap<PartitionId, Vec<Heard>>,
        held: BTreeMap<PartitionId, Vec<Heard>>,
    ) {
        for (partition, due) in due {
            let held = held.get(&partition).map_or(&[][..], Vec::as_slice);
            // Within a conversation the order is that of the log; the truth keeps conversations apart.
            let by_conv = |all: &[Heard]| {
                let mut map: BTreeMap<u64, Vec<Heard>> = BTreeMap::new();
                for heard in all {
                    map.entry(conv_of(heard)).or_default().push(heard.clone());
                }
                map
            };
            let (due, held) = (by_conv(&due), by_conv(held));
            for conv in due.keys().chain(held.keys()) {
                let empty = Vec::new();
                let (d, h) = (due.get(conv).unwrap_or(&empty), held.get(conv).unwrap_or(&empty));
                if d != h {
                    let at = d.iter().zip(h).take_while(|(a, b)| a == b).count();
                    let text = format!(
                        "queue of user {user}, conversation {conv}: {} entries, due {}; first difference {:?}, due {:?}",
                        h.len(),
                        d.len(),
                        h.get(at),
                        d.get(at)
                    );
                    self.violated("I28", text);
                    break;
                }
            }
        }
    }

    /// A settled device shows what its user has to see.
    pub fn device(&mut self, device: &Device) {
        let convs: Vec<(u64, u64)> = self.truth.conversations.keys().copied().collect();
        for key in convs.into_iter().filter(|(org, _)| *org == device.org) {
            let Some(c) = self.truth.conversations.get(&key) else { continue };
            let c = c.clone();
            self.device_conversation(device, &c);
        }
        self.own_commands(device);
    }

    fn device_conversation(&mut self, device: &Device, c: &Conversation) {
        let who = format!("device {} of user {}, conversation {}", device.id, device.user, c.conv);
        let held = device.db.convs.get(&c.conv).filter(|h| h.is_joined);
        let (held, range) = match (held, c.timeline(device.user)) {
            (None, None) => return,
            (Some(_), None) => {
                return self.lacks(device, format!("{who}: shown, but the user is out"));
            }
            (None, Some(_)) => return self.lacks(device, format!("{who}: not in the list")),
            (Some(held), Some(range)) => (held, range),
        };
        for seq in range {
            let at = usize::try_from(seq - 1).unwrap_or(usize::MAX);
            let body = held.rows.get(&seq).map(|row| &row.body);
            if body != c.sent.get(at).map(|m| &m.body) {
                let text = format!(
                    "{who}: message {seq} is {:?}",
                    body.map(|b| String::from_utf8_lossy(b).into_owned())
                );
                let covers = held.held.range(..=seq).next_back().is_some_and(|(_, h)| h.0 >= seq);
                if body.is_none() && covers {
                    self.violated("I7", format!("{who}: message {seq} is missing without a gap"));
                }
                return self.lacks(device, text);
            }
        }
        if held.rows.keys().next_back().is_some_and(|last| *last > c.sent.len() as u64) {
            self.violated("I6", format!("{who}: a message above the tip"));
        }
        if held.is_pull != c.is_pull {
            let text = format!("{who}: shows pull {}, due {}", held.is_pull, c.is_pull);
            self.violated("I20", text);
        }
        if held.title != c.title {
            let text = format!(
                "{who}: shows {:?} at rev {} ({}), due {:?} at {}",
                held.title, held.rev, held.known, c.title, c.rev
            );
            self.violated("I10", text);
        }
        if held.unread() != c.unread(device.user) {
            let text = format!("{who}: unread {}, due {}", held.unread(), c.unread(device.user));
            self.violated("I15", text);
        }
        let mut bodies: Vec<&[u8]> = held.rows.values().map(|row| &row.body[..]).collect();
        bodies.sort_unstable();
        if let Some(pair) = bodies.windows(2).find(|pair| pair[0] == pair[1]) {
            let copies = c.sent.iter().filter(|m| m.body == pair[0]).map(|m| m.key);
            let text =
                format!("{who}: a message is shown twice, of {:?}", copies.collect::<Vec<_>>());
            self.violated("I2", text);
        }
    }

    /// The device lacks something; if a rebase of it was cut short, that may be why.
    fn lacks(&mut self, device: &Device, text: String) {
        if device.rebases_cut > 0 {
            self.violated("I12", text.clone());
        }
        self.violated("I6", text);
    }

    /// What the device holds for sent lies in the conversation, once.
    fn own_commands(&mut self, device: &Device) {
        for row in device.db.outbox.iter().filter(|row| row.state == State::Sent) {
            let crate::msg::Act::Send { body, .. } = &row.act else { continue };
            let Some(c) = self.truth.conversations.get(&(device.org, row.conv)) else { continue };
            let count = c.sent.iter().filter(|m| m.body == body.as_bytes()).count();
            if count != 1 {
                let text = format!(
                    "device {}: message {body:?} was acked and lies {count} times",
                    device.id
                );
                self.violated(if count == 0 { "I1" } else { "I2" }, text);
            }
        }
    }

    /// Settled devices of one user with equal cursors show equal lists.
    pub fn pair(&mut self, a: &Device, b: &Device) {
        if a.db.cursor != b.db.cursor {
            let text = format!(
                "devices {} and {} rest at {:?} and {:?}",
                a.id, b.id, a.db.cursor, b.db.cursor
            );
            return self.violated("I10", text);
        }
        for (conv, x) in a.db.convs.iter().filter(|(_, c)| c.is_joined) {
            let Some(y) = b.db.convs.get(conv).filter(|c| c.is_joined) else { continue };
            let lines = [x, y].map(|c| (&c.title, c.read, c.unread(), c.pinned.1, c.peer_read));
            if lines[0] != lines[1] {
                let text = format!(
                    "devices {} and {} show conversation {conv} as {:?} and {:?}",
                    a.id, b.id, lines[0], lines[1]
                );
                self.violated("I10", text);
            }
        }
    }
}

const fn conv_of(heard: &Heard) -> u64 {
    match heard {
        Heard::Event { conv, .. }
        | Heard::Added { conv, .. }
        | Heard::Removed { conv, .. }
        | Heard::Read { conv, .. }
        | Heard::Receipt { conv, .. }
        | Heard::Mention { conv, .. } => *conv,
    }
}

/// What a queue holds by source partition; its epoch, and what stands at each position.
type HeldQueue = (BTreeMap<PartitionId, Vec<Heard>>, (u32, Vec<u64>));

fn held_queue(view: &View, (org, user): (u64, u64), layout: Layout) -> Result<HeldQueue, String> {
    let mut held: BTreeMap<PartitionId, Vec<Heard>> = BTreeMap::new();
    let mut prints = Vec::new();
    let key = table::user_header::key(OrgId(org), UserId(user));
    let Some(bytes) = view.state(&key).map_err(|e| e.to_string())? else {
        return Ok((held, (0, prints)));
    };
    let header = table::user_header::decode(&bytes).map_err(|e| e.to_string())?;
    let series = SeriesKey::queue(OrgId(org), UserId(user));
    let mut next = 1;
    while next <= header.tip.0 {
        let page = view
            .entries(
                &series,
                next,
                header.tip.0,
                Direction::Forward,
                (256, usize::MAX),
                Part::Whole,
            )
            .map_err(|e| e.to_string())?;
        if page.is_empty() {
            return Err(format!("pts {next} is missing, the tip is {}", header.tip.0));
        }
        for stored in page {
            if stored.number != next {
                return Err(format!("pts {next} is missing, the tip is {}", header.tip.0));
            }
            next += 1;
            let entry = table::queue::decode(Pts(stored.number), &stored.header, &stored.body)
                .map_err(|e| e.to_string())?;
            prints.push(match &entry.item {
                QueueItem::Ref { conv, rev, .. } => event_print(conv.0, rev.0),
                QueueItem::Inline(event) => user_event_print(event),
            });
            if let Some(heard) = heard(&entry.item) {
                let source = layout.conversation(ConversationId(conv_of(&heard)));
                held.entry(source).or_default().push(heard);
            }
        }
    }
    Ok((held, (header.queue_epoch.0, prints)))
}

fn heard(item: &QueueItem) -> Option<Heard> {
    let event = match item {
        QueueItem::Ref { conv, rev, .. } => {
            return Some(Heard::Event { conv: conv.0, rev: rev.0 });
        }
        QueueItem::Inline(event) => event,
    };
    Some(match event.as_ref() {
        UserEvent::ReadMarked { conv, read } => Heard::Read { conv: conv.0, seq: read.seq.0 },
        UserEvent::Receipt { conv, user, read_seq, .. } => {
            Heard::Receipt { conv: conv.0, user: user.0, seq: read_seq.0 }
        }
        UserEvent::ConversationAdded { item, .. } => {
            Heard::Added { conv: item.tip.conv.0, rev: item.tip.rev.0 }
        }
        UserEvent::ConversationRemoved { conv, last_rev, .. } => {
            Heard::Removed { conv: conv.0, last_rev: last_rev.0 }
        }
        UserEvent::Mention { conv, rev, .. } => Heard::Mention { conv: conv.0, rev: rev.0 },
        // Made in the user's own partition, not by a conversation.
        UserEvent::SummaryChanged { .. } => return None,
    })
}
