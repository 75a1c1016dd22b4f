//! The first walk through a channel: what must be known before its first entry is given.

use std::collections::{BTreeMap, BTreeSet};

use tenon_base::Map;

use super::archive::{Archive, ChannelKind, ImportedChannel, bad_file};
use super::day::{Day, Line, LineKind, parse_within};
use super::people::Stranger;
use super::ts::Ts;
use crate::error::ImportError;

/// What the first walk found. Memory: the channel's people, its threads and one line per day.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// All days, in the order in which they must be opened: by first timestamp, then by name.
    pub(super) days: Vec<DayFile>,
    /// Roots that replies name and the archive does not have -> who wrote them, as far as replies know.
    pub(super) lost_roots: BTreeMap<Ts, String>,
    /// Joins and leaves that people answered -> the first answer, which is the root of the others: a join is no message.
    pub(super) stand_ins: BTreeMap<Ts, Ts>,
    /// Senders and members whom no list names.
    pub(super) strangers: BTreeMap<String, Stranger>,
    /// Members without any event, by id: in since the beginning.
    pub(super) opening: Vec<String>,
    /// What the events leave wrong at the end, by id.
    pub(super) closing: Vec<Closing>,
    /// First and last timestamp; none if there are no lines.
    pub(super) span: Option<(Ts, Ts)>,
}

/// A day.
#[derive(Debug, Clone)]
pub(super) struct DayFile {
    /// Its first timestamp; 0 if no line has one.
    pub(super) first: Ts,
    /// Place among the days by name: breaks ties of time.
    pub(super) number: usize,
}

/// A user whose last event does not agree with the list of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) user: String,
    /// True: comes in; false: goes.
    pub(super) is_join: bool,
    /// The event that the list contradicts: part of the key, so that a later export with the same last event says the
    /// same, and one with another event says something new.
    pub(super) after: Ts,
}

/// A user's last event so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Last {
    at: (Ts, usize, usize),
    is_in: bool,
}

/// Working state of the walk.
#[derive(Default)]
struct Walk {
    scan: Scan,
    last: Map<String, Last>,
    /// Threads that replies name -> who wrote the root, and the first reply's place and sender.
    wanted: BTreeMap<Ts, Wanted>,
    roots: BTreeSet<Ts>,
    /// Joins and leaves that call themselves roots.
    member_roots: BTreeSet<Ts>,
}

struct Wanted {
    root_sender: Option<String>,
    first_reply: (Ts, usize, usize),
    replier: String,
}

/// Reads a day of a channel into memory.
pub(super) fn read_day(
    archive: &Archive,
    channel: &ImportedChannel,
    number: usize,
) -> Result<Vec<u8>, ImportError> {
    let name = channel.days.get(number).map(String::as_str).unwrap_or_default();
    Ok(archive.pack.read(name, archive.limits.day_bytes_max)?.unwrap_or_default())
}

/// Reads a day's lines.
pub(super) fn parse<'a>(
    archive: &Archive,
    channel: &ImportedChannel,
    number: usize,
    bytes: &'a [u8],
) -> Result<Day<'a>, ImportError> {
    parse_within(bytes, archive.limits.day_entries_max)
        .map_err(|e| bad_file(&channel.days[number], e))
}

impl Scan {
    /// Walks through a channel.
    pub(super) fn of(archive: &Archive, channel: &ImportedChannel) -> Result<Self, ImportError> {
        let mut walk = Walk::default();
        for number in 0..channel.days.len() {
            let bytes = read_day(archive, channel, number)?;
            let day = parse(archive, channel, number, &bytes)?;
            walk.day(archive, number, &day);
        }
        walk.find_lost_roots(archive, channel)?;
        walk.compare_members(archive, channel);
        walk.scan.days.sort_by_key(|day| (day.first, day.number));
        Ok(walk.scan)
    }
}

impl Walk {
    fn day(&mut self, archive: &Archive, number: usize, day: &Day<'_>) {
        let Some(first) = day.lines.iter().map(|l| l.ts).min() else {
            // Opened all the same, so that its skipped lines are told.
            self.scan.days.push(DayFile { first: Ts(0), number });
            return;
        };
        let last = day.lines.iter().map(|l| l.ts).max().unwrap_or(first);
        let span = self.scan.span.unwrap_or((first, last));
        self.scan.span = Some((span.0.min(first), span.1.max(last)));
        self.scan.days.push(DayFile { first, number });
        for (index, line) in day.lines.iter().enumerate() {
            self.line(archive, line, (line.ts, number, index));
        }
    }

    fn line(&mut self, archive: &Archive, line: &Line<'_>, at: (Ts, usize, usize)) {
        let sender = archive.people.canonical(&line.sender);
        self.see(sender, Last { at, is_in: line.kind != LineKind::Leave });
        if archive.people.find(sender).is_none() {
            let known = self.scan.strangers.entry(sender.to_owned()).or_default();
            known.is_bot |= line.is_from_bot();
            if known.name.is_none() {
                known.name = line.sender_name().map(std::borrow::Cow::into_owned);
            }
        }
        if line.is_root {
            let is_message = line.kind.is_message();
            let roots = if is_message { &mut self.roots } else { &mut self.member_roots };
            roots.insert(line.ts);
        }
        if !line.kind.is_message() {
            return;
        }
        if let Some(root) = line.root {
            self.want(archive, line, root, at);
        }
    }

    fn want(&mut self, archive: &Archive, line: &Line<'_>, root: Ts, at: (Ts, usize, usize)) {
        let replier = archive.people.canonical(&line.sender);
        let wanted = self.wanted.entry(root).or_insert_with(|| Wanted {
            root_sender: None,
            first_reply: at,
            replier: replier.to_owned(),
        });
        if at < wanted.first_reply {
            wanted.first_reply = at;
            replier.clone_into(&mut wanted.replier);
        }
        if wanted.root_sender.is_none() {
            let sender = line.root_sender.as_deref().filter(|id| id.len() <= 64);
            wanted.root_sender = sender.map(|s| archive.people.canonical(s).to_owned());
        }
    }

    fn see(&mut self, user: &str, last: Last) {
        match self.last.get_mut(user) {
            Some(known) => *known = last.max(*known),
            None => {
                self.last.insert(user.to_owned(), last);
            }
        }
    }

    /// Roots that replies name and no line is. Walks a second time only if some root does not call itself one.
    fn find_lost_roots(
        &mut self,
        archive: &Archive,
        channel: &ImportedChannel,
    ) -> Result<(), ImportError> {
        self.wanted.retain(|ts, _| !self.roots.contains(ts));
        let is_explained = |ts| self.member_roots.contains(ts);
        if !self.wanted.keys().all(is_explained) {
            for number in 0..channel.days.len() {
                let bytes = read_day(archive, channel, number)?;
                self.find_roots(&parse(archive, channel, number, &bytes)?);
            }
        }
        for ts in &self.member_roots {
            if let Some(wanted) = self.wanted.remove(ts) {
                self.scan.stand_ins.insert(*ts, wanted.first_reply.0);
            }
        }
        for (ts, wanted) in std::mem::take(&mut self.wanted) {
            let sender = wanted.root_sender.unwrap_or(wanted.replier);
            self.see(&sender, Last { at: (ts, 0, 0), is_in: true });
            if archive.people.find(&sender).is_none() {
                self.scan.strangers.entry(sender.clone()).or_default();
            }
            if let Some((first, last)) = self.scan.span {
                self.scan.span = Some((first.min(ts), last));
            }
            self.scan.lost_roots.insert(ts, sender);
        }
        Ok(())
    }

    /// Strikes out roots that do not call themselves so.
    fn find_roots(&mut self, day: &Day<'_>) {
        for line in &day.lines {
            if line.kind.is_message() {
                self.wanted.remove(&line.ts);
            } else if self.wanted.contains_key(&line.ts) {
                self.member_roots.insert(line.ts);
            }
        }
    }

    /// Finds what the events do not explain. In a direct conversation nobody comes or goes.
    fn compare_members(&mut self, archive: &Archive, channel: &ImportedChannel) {
        let Some(members) = &channel.members else {
            return;
        };
        let canonical: BTreeSet<&str> =
            members.iter().map(|m| archive.people.canonical(m)).collect();
        for &member in &canonical {
            if archive.people.find(member).is_none() {
                self.scan.strangers.entry(member.to_owned()).or_default();
            }
        }
        if channel.kind == ChannelKind::Direct {
            return;
        }
        for &member in &canonical {
            match self.last.get(member) {
                None => self.scan.opening.push(member.to_owned()),
                Some(last) if !last.is_in => self.close(member, true, last.at.0),
                Some(_) => {}
            }
        }
        let gone =
            |(user, last): &(&String, &Last)| last.is_in && !canonical.contains(user.as_str());
        let gone: Vec<_> =
            self.last.iter().filter(gone).map(|(u, l)| (u.clone(), l.at.0)).collect();
        for (user, after) in gone {
            self.close(&user, false, after);
        }
        self.scan.closing.sort_by(|a, b| a.user.cmp(&b.user));
    }

    fn close(&mut self, user: &str, is_join: bool, after: Ts) {
        self.scan.closing.push(Closing { user: user.to_owned(), is_join, after });
    }
}
