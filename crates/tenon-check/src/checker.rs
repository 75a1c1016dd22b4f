//! The checker: takes lines one by one, knows what was said so far.

use std::collections::BTreeMap;

use tenon_base::Map;

use crate::finding::{Findings, Place, Report};
use crate::line::{Header, Line, Malformed, Parsed, parse};
use crate::rule::Rule;
use crate::state::{Conversation, Device, Index, Message, Names};

/// How a history is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Different messages and open calls above which it gives up.
    pub messages_max: u64,
    /// Breaches of one rule that are kept; all are counted.
    pub findings_max: usize,
}

impl Default for Options {
    /// 20 million messages are about 3 GiB; ten breaches of a rule say as much as a thousand.
    fn default() -> Self {
        Self { messages_max: 20_000_000, findings_max: 10 }
    }
}

/// What is said of the message at one place. 0 = not said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    pub(crate) conversation: Index,
    pub(crate) seq: u64,
    pub(crate) message: Message,
}

/// Judges a history, line by line.
#[derive(Debug)]
pub struct Checker {
    pub(crate) options: Options,
    pub(crate) header: Header,
    pub(crate) actors: Names,
    pub(crate) users: Names,
    pub(crate) names: Names,
    pub(crate) devices: BTreeMap<Index, Device>,
    pub(crate) conversations: Vec<Conversation>,
    /// Begun sends by content: when, and where it says so.
    pub(crate) begun: Map<u128, (u64, Place)>,
    pub(crate) refused: Map<u128, Place>,
    pub(crate) findings: Findings,
    pub(crate) report: Report,
    pub(crate) here: Place,
    last: Vec<u64>,
}

impl Checker {
    /// A checker that has read nothing.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            header: Header::default(),
            actors: Names::default(),
            users: Names::default(),
            names: Names::default(),
            devices: BTreeMap::new(),
            conversations: Vec::new(),
            begun: Map::default(),
            refused: Map::default(),
            findings: Findings::new(options.findings_max),
            report: Report::default(),
            here: Place::default(),
            last: Vec::new(),
        }
    }

    /// The next lines are of this file.
    pub fn begin_file(&mut self, name: &str) {
        self.report.files.push(name.to_owned());
        let file = u32::try_from(self.report.files.len() - 1).unwrap_or(u32::MAX);
        self.here = Place { file, line: 0 };
    }

    /// Takes a line without its end. An empty line says nothing.
    ///
    /// # Errors
    /// [`Malformed`]: the history can not be judged.
    pub fn line(&mut self, text: &str) -> Result<(), Malformed> {
        self.take_parsed((!text.trim().is_empty()).then(|| parse(text)).transpose()?)
    }

    /// Takes a line that is read already; `None` = an empty one.
    pub(crate) fn take_parsed(&mut self, parsed: Option<Parsed<'_>>) -> Result<(), Malformed> {
        self.here.line = self.here.line.saturating_add(1);
        let Some(parsed) = parsed else { return Ok(()) };
        self.report.lines += 1;
        match parsed {
            Parsed::Header(header) => self.take_header(header),
            Parsed::Line(line) => self.take(&line)?,
        }
        Ok(())
    }

    /// The last line of a session was torn: it is counted and says nothing.
    pub(crate) fn torn(&mut self) {
        self.here.line = self.here.line.saturating_add(1);
        self.report.torn += 1;
    }

    fn take_header(&mut self, header: Header) {
        let held = &mut self.header;
        held.unique_bodies |= header.unique_bodies;
        held.all_senders |= header.all_senders;
        held.clock = header.clock.or(held.clock.take());
        held.dense = header.dense.or(held.dense);
        held.send_ms = header.send_ms.or(held.send_ms);
        held.revoke_ms = header.revoke_ms.or(held.revoke_ms);
        held.expect.extend(header.expect);
    }

    fn take(&mut self, line: &Line<'_>) -> Result<(), Malformed> {
        let actor = self.actors.index(&line.actor.0);
        self.count(actor, line)?;
        match &*line.op {
            "open" => self.open(actor, line),
            "send" => self.send(actor, line),
            "deliver" => self.deliver(actor, line),
            "jump" | "rebase" | "joined" | "left" => self.moved(actor, line),
            "render" => self.render(actor, line),
            "read" => self.read(actor, line),
            "list" => self.list(actor, line),
            "rest" => {
                let here = self.here;
                let device = self.device(actor)?;
                device.is_at_rest = true;
                device.rest_place = here;
                Ok(())
            }
            "member" => self.member(line),
            "revoke" => self.revoke(line),
            "crash" | "fault" => {
                self.report.faults += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lines of an actor are dense from 1; 1 begins a new session.
    fn count(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        let at = actor as usize;
        if self.last.len() <= at {
            self.last.resize(at + 1, 0);
        }
        let last = self.last[at];
        if line.n != 1 && line.n != last + 1 {
            return Err(Malformed::Lost { actor: line.actor.0.to_string(), last, n: line.n });
        }
        self.last[at] = line.n;
        Ok(())
    }

    fn open(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        let user = self.users.index(&line.need(line.user.as_ref(), "user")?.0);
        let is_new = line.need(line.store.as_deref(), "store")? == "new";
        let device = self.devices.entry(actor).or_insert_with(|| {
            // A store from before the recording may hold anything, as after a Rebase.
            Device { rebases: u64::from(!is_new), ..Device::new(user) }
        });
        device.user = user;
        device.session += 1;
        device.is_at_rest = false;
        if is_new {
            device.held.clear();
            self.report.unknown += device.calls.len() as u64;
            device.calls.clear();
        }
        Ok(())
    }

    /// The device that acts.
    pub(crate) fn device(&mut self, actor: Index) -> Result<&mut Device, Malformed> {
        let actors = &self.actors;
        self.devices
            .get_mut(&actor)
            .ok_or_else(|| Malformed::NotOpen(actors.name(actor).to_owned()))
    }

    /// The conversation that a line names.
    pub(crate) fn conversation_of(&mut self, line: &Line<'_>) -> Result<Index, Malformed> {
        let name = line.need(line.conversation.as_ref(), "conversation")?;
        let index = self.names.index(&name.0);
        if self.conversations.len() <= index as usize {
            self.conversations.resize_with(index as usize + 1, Conversation::default);
        }
        Ok(index)
    }

    /// Joins what is said of a place with what was said before.
    pub(crate) fn say(&mut self, said: Said) -> Result<(), Malformed> {
        let Said { conversation, seq, message: new } = said;
        let Some(held) = self.conversations.get_mut(conversation as usize) else { return Ok(()) };
        let place = self.here;
        let old = match held.messages.entry(seq) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                if self.report.messages >= self.options.messages_max {
                    return Err(Malformed::TooMany(self.options.messages_max));
                }
                self.report.messages += 1;
                vacant.insert(Message { place, ..new });
                return Ok(());
            }
            std::collections::btree_map::Entry::Occupied(old) => old.into_mut(),
        };
        let is_acked = old.is_acked || new.is_acked;
        let order = if is_acked { Rule::AckElsewhere } else { Rule::OrderDiffers };
        let content = if is_acked { Rule::AckElsewhere } else { Rule::TimelineDiffers };
        let where_ = || format!("conversation {} seq {seq}", self.names.name(conversation));
        let places = [old.place, place];
        let findings = &mut self.findings;
        if old.id != 0 && new.id != 0 {
            findings.decide(order, old.id == new.id, &places, || {
                format!("{} is message {} and message {}", where_(), old.id, new.id)
            });
        }
        if old.rev != 0 && new.rev != 0 {
            findings.decide(order, old.rev == new.rev, &places, || {
                format!("{} has rev {} and rev {}", where_(), old.rev, new.rev)
            });
        }
        if old.body != 0 && new.body != 0 && !old.is_changed && !new.is_changed {
            findings.decide(content, old.body == new.body, &places, || {
                format!("{} has two contents", where_())
            });
        }
        if let (Some(a), Some(b)) = (old.sender, new.sender) {
            findings.decide(Rule::TimelineDiffers, a == b, &places, || {
                let (a, b) = (self.users.name(a), self.users.name(b));
                format!("{} is by {a} and by {b}", where_())
            });
        }
        if old.at_ms != 0 && new.at_ms != 0 {
            findings.decide(Rule::TimelineDiffers, old.at_ms == new.at_ms, &places, || {
                format!("{} has time {} and time {}", where_(), old.at_ms, new.at_ms)
            });
        }
        old.join(&new);
        Ok(())
    }

    /// True if times of different actors can be compared.
    pub(crate) fn has_shared_clock(&self) -> bool {
        self.header.clock.as_deref() != Some("own")
    }

    pub(crate) fn is_dense(&self) -> bool {
        self.header.dense != Some(false)
    }

    /// A device, for people.
    pub(crate) fn name(&self, actor: Index) -> &str {
        self.actors.name(actor)
    }

    /// A place in a timeline, for people.
    pub(crate) fn at(&self, conversation: Index, seq: u64) -> String {
        format!("conversation {} seq {seq}", self.names.name(conversation))
    }
}

impl Message {
    /// Takes over what was not known.
    fn join(&mut self, new: &Self) {
        let fill = |old: &mut u64, new: u64| {
            if *old == 0 {
                *old = new;
            }
        };
        fill(&mut self.id, new.id);
        fill(&mut self.rev, new.rev);
        fill(&mut self.cnt, new.cnt);
        fill(&mut self.at_ms, new.at_ms);
        fill(&mut self.sent_us, new.sent_us);
        if self.body == 0 {
            self.body = new.body;
        }
        if self.key.2 == 0 {
            self.key = new.key;
        }
        self.sender = self.sender.or(new.sender);
        if new.told_us != 0 && (self.told_us == 0 || new.told_us < self.told_us) {
            self.told_us = new.told_us;
        }
        self.is_acked |= new.is_acked;
        self.is_changed |= new.is_changed;
    }
}
