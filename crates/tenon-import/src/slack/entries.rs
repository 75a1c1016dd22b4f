//! The second walk: a channel's entries in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use tenon_base::{Map, Timestamp, UserId};
use tenon_core::{ImportEntry, ImportItem};

use super::archive::{Archive, ChannelKind, ImportedChannel};
use super::body::{encode, is_cut, parts};
use super::day::{Line, LineKind};
use super::place::{Held, Instant};
use super::scan::{Scan, parse, read_day};
use super::text::{Names, plain};
use super::ts::Ts;
use crate::bodies::{Bodies, Body};
use crate::error::ImportError;
use crate::ids::{Ids, import_key};
use crate::report::Report;

const SOURCE: &str = "slack";
/// Words of a root that replies name and the archive lost.
const LOST_ROOT: &str = "The first message of this thread is not in the archive.";

/// Entries of one channel, oldest first, ties in file order; after an error nothing more comes.
///
/// Memory: one day, and what of it must wait because a later file begins before its end
/// ([`crate::Limits::held_bytes_max`]).
pub struct Entries<'a> {
    archive: &'a Archive,
    channel: &'a ImportedChannel,
    ids: &'a Ids,
    bodies: &'a dyn Bodies,
    scan: Scan,
    /// Names of all channels, for texts that name one.
    channel_names: Map<&'a str, &'a str>,
    /// How many of `scan.opening`, `scan.days`, `scan.closing` are done.
    opened: usize,
    read: usize,
    closed: usize,
    held: BinaryHeap<Reverse<Held>>,
    held_bytes: usize,
    instant: Instant,
    ready: VecDeque<ImportEntry>,
    has_failed: bool,
    report: Report,
}

impl std::fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("channel", &self.channel.slack_id).finish_non_exhaustive()
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        archive: &'a Archive,
        channel: &'a ImportedChannel,
        (ids, bodies): (&'a Ids, &'a dyn Bodies),
        scan: Scan,
    ) -> Self {
        let names = archive.channels().iter().map(|c| (c.slack_id.as_str(), c.title.as_str()));
        Self {
            archive,
            channel,
            ids,
            bodies,
            scan,
            channel_names: names.collect(),
            opened: 0,
            read: 0,
            closed: 0,
            held: BinaryHeap::new(),
            held_bytes: 0,
            instant: Instant::default(),
            ready: VecDeque::new(),
            has_failed: false,
            report: Report::default(),
        }
    }

    /// Counts of what was given so far; of the whole channel after the last entry.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Ids of senders and members whom no list names.
    pub fn stranger_ids(&self) -> impl Iterator<Item = &str> {
        self.scan.strangers.keys().map(String::as_str)
    }

    /// Time of the first entry; the channel's making if that was before, or if there are no lines.
    pub fn first_time(&self) -> Timestamp {
        let created = self.channel.created;
        let first = self.scan.span.map_or(created, |(first, _)| first);
        let is_before = created.0 > 0 && created < first;
        if is_before { created.time() } else { first.time() }
    }

    fn pull(&mut self) -> Result<Option<ImportEntry>, ImportError> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            if let Some(user) = self.scan.opening.get(self.opened) {
                let entry = self.opening(user);
                self.opened += 1;
                self.report.opening_joins += 1;
                return Ok(Some(entry));
            }
            self.read_ahead()?;
            if self.step() {
                continue;
            }
            let closing = self.closing();
            self.closed += 1;
            return Ok(closing);
        }
    }

    /// Opens days until none that is still shut can hold a line before the next one.
    fn read_ahead(&mut self) -> Result<(), ImportError> {
        while let Some(day) = self.scan.days.get(self.read) {
            if self.held.peek().is_some_and(|Reverse(next)| next.at.0 < day.first) {
                break;
            }
            let number = day.number;
            self.load(number)?;
            self.read += 1;
        }
        Ok(())
    }

    fn load(&mut self, number: usize) -> Result<(), ImportError> {
        let bytes = read_day(self.archive, self.channel, number)?;
        let day = parse(self.archive, self.channel, number, &bytes)?;
        let file = self.channel.days.get(number).map(String::as_str).unwrap_or_default();
        for skipped in &day.skipped {
            self.report.skip(&skipped.reason, file, &skipped.ts, &skipped.what);
        }
        for (index, line) in day.lines.iter().enumerate() {
            if !line.kind.is_message() && self.channel.kind == ChannelKind::Direct {
                let reason = "join or leave in a direct conversation";
                self.report.skip(reason, file, &line.ts.to_string(), &line.sender);
                continue;
            }
            let held = self.hold(line, (line.ts, number, index), file);
            self.held_bytes += held.bytes();
            self.held.push(Reverse(held));
        }
        let max = self.archive.limits.held_bytes_max;
        if self.held_bytes > max {
            let unit = "bytes out of time order";
            return Err(ImportError::TooLarge { file: file.to_owned(), max: max as u64, unit });
        }
        Ok(())
    }

    fn hold(&mut self, line: &Line<'_>, at: (Ts, usize, usize), file: &str) -> Held {
        for change in &line.changes {
            self.report.change(change, file, &line.ts.to_string(), &line.text);
        }
        let sender = self.archive.people.canonical(&line.sender);
        let stand_in = line.root.and_then(|root| self.scan.stand_ins.get(&root).copied());
        let root = stand_in.or(line.root).filter(|root| *root != line.ts);
        if stand_in == Some(line.ts) {
            let why = "answer to a join or leave: the first is the root of the others";
            self.report.change(why, file, &line.ts.to_string(), &line.text);
        }
        let kind = [line.kind as u8];
        let print = import_key(sender, "line", &[&kind, line.text.as_bytes()]);
        let bodies = if line.kind.is_message() { self.bodies(line, file) } else { Vec::new() };
        Held {
            at,
            user: self.ids.user(sender),
            kind: line.kind,
            bodies,
            root,
            is_reply: line.root.is_some(),
            edited: line.edited.map(Ts::time).unwrap_or_default(),
            print,
        }
    }

    fn bodies(&mut self, line: &Line<'_>, file: &str) -> Vec<Body> {
        // `/me` lines keep their words as they are: a mark around them would be a word nobody said.
        let plain = plain(&line.text, self);
        let parts = parts(&plain);
        if parts.len() > 1 {
            let is_cut = is_cut(&plain, &parts);
            let why = if is_cut { "endless text: cut off" } else { "long text: several messages" };
            self.report.change(why, file, &line.ts.to_string(), &plain.text);
        }
        encode(&parts, &plain, line.kind == LineKind::Notice, self.bodies)
    }

    /// Puts the next line or lost root into `ready`; false if there is none.
    fn step(&mut self) -> bool {
        let next = self.held.peek().map(|Reverse(next)| next.at.0);
        let lost = self.scan.lost_roots.first_key_value().map(|(ts, _)| *ts);
        if lost.is_some_and(|lost| next.is_none_or(|next| lost <= next))
            && let Some((ts, sender)) = self.scan.lost_roots.pop_first()
        {
            self.give_lost_root(ts, &sender);
            return true;
        }
        let Some(Reverse(held)) = self.held.pop() else {
            return false;
        };
        self.held_bytes -= held.bytes();
        match self.instant.ordinal(&held) {
            Some(ordinal) => self.give(held, ordinal),
            None => {
                let file = self.channel.days.get(held.at.1).map(String::as_str).unwrap_or_default();
                self.report.skip("the same line twice", file, &held.at.0.to_string(), "");
            }
        }
        true
    }

    fn give(&mut self, held: Held, ordinal: u32) {
        let (ts, time) = (held.at.0, held.at.0.time());
        let member = match held.kind {
            LineKind::Join => Some((ImportItem::Join, "join")),
            LineKind::Leave => Some((ImportItem::Leave, "leave")),
            _ => None,
        };
        if let Some((item, kind)) = member {
            let count =
                if kind == "join" { &mut self.report.joins } else { &mut self.report.leaves };
            *count += 1;
            let key = self.key("member", ts, (ordinal, 0));
            self.ready.push_back(ImportEntry { key, time, user: held.user, item });
            return;
        }
        self.count(&held);
        let root = held.root.map(|root| self.key("message", root, (0, 0)));
        for (part, body) in (0_u32..).zip(held.bodies) {
            let key = self.key("message", ts, (ordinal, part));
            let message_id = self.ids.message(&key);
            let Body { kind, bytes: body } = body;
            let item = ImportItem::Message { kind, body, root, message_id, edited: held.edited };
            self.ready.push_back(ImportEntry { key, time, user: held.user, item });
        }
    }

    fn count(&mut self, held: &Held) {
        let report = &mut self.report;
        *(if held.kind == LineKind::Notice {
            &mut report.notices
        } else {
            &mut report.messages
        }) += 1;
        report.replies += u64::from(held.is_reply);
        report.edited += u64::from(held.edited.0 > 0);
        report.body_bytes += held.bodies.iter().map(|b| b.bytes.len() as u64).sum::<u64>();
    }

    fn give_lost_root(&mut self, ts: Ts, sender: &str) {
        let key = self.key("message", ts, (0, 0));
        let body = self.bodies.notice(LOST_ROOT);
        let item = ImportItem::Message {
            kind: body.kind,
            body: body.bytes,
            root: None,
            message_id: self.ids.message(&key),
            edited: Timestamp(0),
        };
        self.report.lost_roots += 1;
        self.report.change("thread without its root: an empty root", "", &ts.to_string(), sender);
        let user = self.ids.user(sender);
        self.ready.push_back(ImportEntry { key, time: ts.time(), user, item });
    }

    fn opening(&self, user: &str) -> ImportEntry {
        let key = import_key(SOURCE, "opening", &[self.channel_id(), user.as_bytes()]);
        let user = self.ids.user(user);
        ImportEntry { key, time: self.first_time(), user, item: ImportItem::Join }
    }

    /// The next correction of the members at the end.
    fn closing(&mut self) -> Option<ImportEntry> {
        let closing = self.scan.closing.get(self.closed)?;
        let after = closing.after.to_string();
        let natural = [self.channel_id(), closing.user.as_bytes(), after.as_bytes()];
        let key = import_key(SOURCE, "closing", &natural);
        let (item, count) = if closing.is_join {
            (ImportItem::Join, &mut self.report.closing_joins)
        } else {
            (ImportItem::Leave, &mut self.report.closing_leaves)
        };
        *count += 1;
        let time = self.scan.span.map_or(Timestamp(0), |(_, last)| last.time());
        Some(ImportEntry { key, time, user: self.ids.user(&closing.user), item })
    }

    const fn channel_id(&self) -> &'a [u8] {
        self.channel.slack_id.as_bytes()
    }

    /// Key of (channel, timestamp); the rest of the place is in it only where it is not (0, 0).
    fn key(&self, kind: &str, ts: Ts, place: (u32, u32)) -> [u8; 16] {
        let ts = ts.to_string();
        let (ordinal, part) = (place.0.to_le_bytes(), place.1.to_le_bytes());
        let all: [&[u8]; 4] = [self.channel_id(), ts.as_bytes(), &ordinal, &part];
        let used = if place == (0, 0) { 2 } else { 4 };
        import_key(SOURCE, kind, &all[..used])
    }
}

impl Names for Entries<'_> {
    fn user(&self, slack_id: &str) -> Option<(&str, Option<UserId>)> {
        let id = self.archive.people.canonical(slack_id);
        if let Some(user) = self.archive.people.find(id) {
            return Some((&user.display_name, Some(self.ids.user(id))));
        }
        let (id, stranger) = self.scan.strangers.get_key_value(id)?;
        Some((stranger.name.as_deref().unwrap_or(id), Some(self.ids.user(id))))
    }

    fn channel(&self, slack_id: &str) -> Option<&str> {
        self.channel_names.get(slack_id).copied().filter(|title| !title.is_empty())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<ImportEntry, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let pulled = self.pull();
        self.has_failed = pulled.is_err();
        pulled.transpose()
    }
}
