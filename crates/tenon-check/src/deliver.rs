//! What a device is told: events in order, jumps, its own list and read marks.

use crate::checker::{Checker, Said};
use crate::line::{Line, Malformed};
use crate::rule::Rule;
use crate::state::{Device, Held, Index, ListLine, Message, Position};

/// How an event follows the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// As it must, or nothing is known of the one before.
    Fine,
    /// Not behind the one before.
    Back,
    /// Something between them is missing.
    Hole,
}

impl Checker {
    pub(crate) fn deliver(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        let conversation = self.conversation_of(line)?;
        let what = line.need(line.what.as_deref(), "what")?;
        let is_message = what == "message";
        let seq = line.seq.unwrap_or(0);
        let (here, is_dense) = (self.here, self.is_dense());
        self.report.told += 1;
        let device = self.device(actor)?;
        device.is_at_rest = false;
        device.told_us = device.told_us.max(line.at_us);
        device.told_place = here;
        let held = device.held(conversation);
        let before = held.place;
        held.place = here;
        let was_told = is_message && held.got.has(seq);
        let is_gone = is_message && line.body.is_some() && held.gone.has(seq);
        let seq_max = held.seq_max;
        // A jump whose first message has not come is not over because the program was started again.
        let is_resumed = held.owes && matches!(held.position, Position::AtMost(..));
        let step = held.step(line.rev, if is_message { seq } else { 0 }, is_dense);
        let hole = (is_message && seq > 0).then(|| held.take_seq(seq, is_resumed)).flatten();
        if matches!(what, "recalled" | "expired") {
            held.gone.add(seq, seq);
        }
        let (who, at) = (self.name(actor).to_owned(), self.at(conversation, seq));
        let places = [before, here];
        let rev = line.rev.unwrap_or(0);
        if line.rev.is_some() || is_message {
            self.findings.decide(Rule::HoleNotShown, step != Step::Hole, &places, || {
                format!("{who} is told rev {rev} of {at}, and not what stands before")
            });
            let is_back = step == Step::Back;
            let text = || format!("{who} is told rev {rev} of {at} behind what it was told before");
            let is_twice = is_back && (was_told || !is_message);
            self.findings.decide(Rule::DeliveredTwice, !is_twice, &places, text);
            self.findings.decide(Rule::OutOfOrder, is_twice || !is_back, &places, text);
        }
        if is_message && line.rev.is_some() && is_dense && step == Step::Fine {
            self.findings.decide(Rule::SeqNotDense, hole != Some(true), &places, || {
                format!("{who} is told {at} right behind seq {seq_max}")
            });
        }
        if is_message && hole == Some(false) && step == Step::Fine {
            self.findings.decide(Rule::OutOfOrder, false, &places, || {
                format!("{who} is told {at} behind seq {seq_max}")
            });
        }
        if is_message {
            self.findings.decide(Rule::GoneCameBack, !is_gone, &places, || {
                format!("{who} is told {at} with content, after it was told that this is gone")
            });
        }
        self.learn(conversation, what, line)
    }

    /// What the event says of its message.
    fn learn(&mut self, conversation: Index, what: &str, line: &Line<'_>) -> Result<(), Malformed> {
        let seq = line.seq.unwrap_or(0);
        if seq == 0 || what == "other" {
            return Ok(());
        }
        if what != "message" {
            let message = Message { is_changed: true, ..Message::default() };
            return self.say(Said { conversation, seq, message });
        }
        let sender = line.user.as_ref().map(|user| self.users.index(&user.0));
        let device = line.device.as_ref().map_or(0, |device| device.id());
        let key = (device, line.device_epoch.unwrap_or(0), line.cid.unwrap_or(0));
        let message = Message {
            id: line.message.as_ref().map_or(0, |id| id.id()),
            body: line.body.as_ref().map_or(0, |body| body.digest()),
            sender,
            rev: line.rev.unwrap_or(0),
            cnt: line.cnt.unwrap_or(0),
            at_ms: line.at_ms.unwrap_or(0),
            key: if device == 0 { (0, 0, 0) } else { key },
            told_us: line.at_us,
            is_changed: line.body.is_none(),
            ..Message::default()
        };
        self.say(Said { conversation, seq, message })
    }

    /// The stream of a conversation, or of all, goes on elsewhere.
    pub(crate) fn moved(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        if line.op == "rebase" {
            self.device(actor)?.rebases += 1;
            return Ok(());
        }
        let conversation = self.conversation_of(line)?;
        let held = self.device(actor)?.held(conversation);
        held.jump();
        if line.op == "jump" {
            let to_rev = line.need(line.to_rev, "to_rev")?;
            held.position = Position::At(to_rev);
            held.rev_max = held.rev_max.max(to_rev);
        }
        Ok(())
    }

    /// Read marks: begun ones are the user's wish, told ones never fall within a session.
    pub(crate) fn read(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        let conversation = self.conversation_of(line)?;
        let seq = line.need(line.seq, "seq")?;
        if line.kind()? != "ok" {
            return self.device(actor).map(drop);
        }
        let held = self.device(actor)?.held(conversation);
        let before = std::mem::replace(&mut held.read_seq, seq);
        let (who, at, here) = (self.name(actor).to_owned(), self.at(conversation, seq), self.here);
        self.findings.decide(Rule::PositionFalls, seq >= before, &[here], || {
            format!("{who} is told the read mark {at}, after seq {before}")
        });
        Ok(())
    }

    pub(crate) fn list(&mut self, actor: Index, line: &Line<'_>) -> Result<(), Malformed> {
        let conversation = self.conversation_of(line)?;
        let here = self.here;
        let device = self.device(actor)?;
        let session = device.session;
        let held = device.held(conversation);
        let new = ListLine {
            rev: line.rev.unwrap_or(0),
            seq: line.need(line.seq, "seq")?,
            read_seq: line.need(line.read_seq, "read_seq")?,
            unread: line.unread,
            session,
            place: here,
        };
        let old = held.list.replace(new);
        if held.position == Position::Anywhere {
            held.position = Position::AtMost(new.rev, new.seq);
            held.rev_max = held.rev_max.max(new.rev);
            held.excused.add(held.seq_max + 1, new.seq);
            held.seq_max = held.seq_max.max(new.seq);
            held.owes = true;
        }
        let who = self.name(actor).to_owned();
        if let Some(old) = old.filter(|old| old.session == session) {
            let holds = new.rev >= old.rev && new.read_seq >= old.read_seq && new.seq >= old.seq;
            let name = self.names.name(conversation);
            self.findings.decide(Rule::PositionFalls, holds, &[old.place, here], || {
                format!("the list of {who} goes back in conversation {name}")
            });
        }
        Ok(())
    }

    /// The device was told that it may not act any more.
    pub(crate) fn revoke(&mut self, line: &Line<'_>) -> Result<(), Malformed> {
        let name = &line.need(line.device.as_ref(), "device")?.0;
        let actor = self.actors.find(name).ok_or_else(|| Malformed::NotOpen(name.to_string()))?;
        let here = self.here;
        let device: &mut Device = self.device(actor)?;
        device.revoked.get_or_insert((line.at_us, here));
        Ok(())
    }
}

impl Held {
    /// Moves to an event; `seq` 0 = not a message. With revs they are dense; without, seqs are.
    fn step(&mut self, rev: Option<u64>, seq: u64, is_dense: bool) -> Step {
        let Some(rev) = rev else { return self.step_by_seq(seq, is_dense) };
        let step = match self.position {
            Position::Anywhere => Step::Fine,
            Position::AtMost(last, _) if rev > last + 1 => Step::Hole,
            Position::AtMost(..) => Step::Fine,
            Position::At(last) if rev <= last => Step::Back,
            Position::At(last) if rev > last + 1 => Step::Hole,
            Position::At(_) => Step::Fine,
        };
        if step != Step::Back {
            self.position = Position::At(rev);
        }
        self.rev_max = self.rev_max.max(rev);
        step
    }

    fn step_by_seq(&mut self, seq: u64, is_dense: bool) -> Step {
        if seq == 0 {
            return Step::Fine;
        }
        let step = match (self.position, self.last_seq) {
            (Position::AtMost(_, last), _) if self.owes && is_dense && seq > last + 1 => Step::Hole,
            (Position::AtMost(..) | Position::Anywhere, _) | (_, None) => Step::Fine,
            (_, Some(last)) if seq <= last => Step::Back,
            (_, Some(last)) if is_dense && seq > last + 1 => Step::Hole,
            _ => Step::Fine,
        };
        if step != Step::Back && self.position != Position::At(0) {
            self.position = Position::At(0);
            self.last_seq = None;
        }
        step
    }

    /// Notes a told message. `Some(true)`: seqs are skipped; `Some(false)`: it stands before the last one.
    fn take_seq(&mut self, seq: u64, is_resumed: bool) -> Option<bool> {
        self.owes = true;
        let last = self.last_seq.replace(seq);
        let answer = match last {
            Some(last) if seq > last + 1 => Some(true),
            Some(last) if seq <= last => {
                self.last_seq = Some(last);
                Some(false)
            }
            Some(_) => None,
            None if is_resumed => (seq > self.seq_max + 1).then_some(true),
            // The first one behind a jump or a start: what lies between is not owed.
            None => {
                self.excused.add(self.seq_max + 1, seq - 1);
                None
            }
        };
        self.got.add(seq, seq);
        self.seq_max = self.seq_max.max(seq);
        answer
    }
}
