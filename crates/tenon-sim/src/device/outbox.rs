//! What goes up: chains, answers, new device epochs (protocol 7).

use tenon_core::event::Message;

use super::{Device, OutRow, PinRow, State};
use crate::msg::{Act, Answer, SendUp, Up};

/// Unresolved commands per conversation.
const OPEN_PER_CONV: usize = 8;

impl Device {
    /// The user does something. The row is durable before anything leaves.
    pub fn enqueue(&mut self, conv: u64, act: Act) {
        self.db.next_row += 1;
        let id = self.db.next_row;
        self.db.outbox.push(OutRow {
            id,
            conv,
            act,
            state: State::Queued,
            place: (0, 0),
            is_void: false,
            is_answered: false,
            is_offered: false,
        });
    }

    /// The user pins or unpins a line.
    pub fn enqueue_pin(&mut self, conv: u64, pinned: bool) {
        self.db.pins.push(PinRow { conv, pinned, place: None });
    }

    /// The user has read everything that is shown.
    pub fn read_all(&mut self, conv: u64) {
        let Some(held) = self.db.convs.get(&conv) else { return };
        let up_to = held.tip_seq;
        if held.is_joined && up_to > held.read.0 {
            self.db.reads.insert(conv, up_to);
        }
    }

    /// Gives cids to what waits, as far as the window goes.
    pub(super) fn dispatch(&mut self, out: &mut Vec<Up>) {
        if !self.live.is_live || self.db.needs_renewal {
            return;
        }
        let epoch = self.db.device_epoch;
        for index in 0..self.db.outbox.len() {
            let row = &self.db.outbox[index];
            if row.state != State::Queued {
                continue;
            }
            let conv = row.conv;
            let open =
                self.db.outbox.iter().filter(|r| r.conv == conv && r.state == State::InFlight);
            let (mut count, mut has_void) = (0, false);
            for other in open {
                count += 1;
                has_void |= other.is_void;
            }
            if count >= OPEN_PER_CONV || has_void {
                continue;
            }
            let held = self.conv(conv);
            let cid = held.next_cid;
            held.next_cid += 1;
            let row = &mut self.db.outbox[index];
            row.state = State::InFlight;
            row.place = (epoch, cid);
            row.is_void = false;
            out.push(send(row));
        }
        if let Some(pin) = self.db.pins.first_mut().filter(|pin| pin.place.is_none()) {
            let place = (epoch, self.db.next_op);
            self.db.next_op += 1;
            pin.place = Some(place);
            out.push(pin_up(pin, place));
        }
    }

    /// Sends again what is open, chain by chain in order.
    pub(super) fn resend(&mut self, out: &mut Vec<Up>) {
        if !self.live.is_live || self.db.needs_renewal {
            return;
        }
        let mut open: Vec<&OutRow> =
            self.db.outbox.iter().filter(|r| r.state == State::InFlight).collect();
        open.sort_by_key(|r| (r.conv, r.place));
        out.extend(open.into_iter().map(send));
        if let Some(pin) = self.db.pins.first()
            && let Some(place) = pin.place
        {
            out.push(pin_up(pin, place));
        }
        out.extend(
            self.db.reads.iter().map(|(conv, up_to)| Up::Read { conv: *conv, up_to: *up_to }),
        );
    }

    /// A new device epoch: old chains are closed row by row, new ones begin at 1.
    pub(super) fn take_epoch(&mut self, epoch: u32) {
        if epoch <= self.db.device_epoch {
            self.complain("I8", format!("a renewed device epoch did not rise: {epoch}"));
        }
        if epoch > self.db.device_epoch + 1 {
            // An epoch was given that this database does not know of: a lost life of it may have sent what waits.
            self.rolled_back();
        }
        self.was_restored = false;
        self.db.needs_renewal = false;
        self.db.device_epoch = epoch;
        for row in self.db.outbox.iter_mut().filter(|r| r.state == State::InFlight) {
            row.is_void = true;
        }
        for conv in self.db.convs.values_mut() {
            (conv.next_cid, conv.absent_below) = (1, 0);
        }
        // Setting a pin twice changes nothing, so it may simply be asked again.
        for pin in &mut self.db.pins {
            pin.place = None;
        }
        self.db.next_op = 1;
    }

    pub(super) fn answered(
        &mut self,
        (conv, epoch, cid): (u64, u32, u64),
        answer: &Answer,
        out: &mut Vec<Up>,
    ) {
        let at =
            self.db.outbox.iter().position(|r| {
                r.conv == conv && r.place == (epoch, cid) && r.state == State::InFlight
            });
        match answer {
            Answer::Gap(expect) => self.resend_from(conv, epoch, *expect, out),
            Answer::Absent => self.forget_chain(conv),
            Answer::Retry => {}
            Answer::Ok { rev, .. } | Answer::Duplicate { rev, .. } => {
                self.note_fence(conv, *rev);
                for row in &mut self.db.outbox {
                    row.is_answered |= row.conv == conv && row.place == (epoch, cid);
                }
                self.settle(at, State::Sent);
            }
            Answer::Reused => {
                // The cid was used by a life of this database that is lost, and so may this row have been.
                if at.is_some() {
                    self.rolled_back();
                }
                self.settle(at, State::Failed);
            }
            Answer::Rejected(is_cancelled) | Answer::DuplicateRejected(is_cancelled) => {
                let closes = |at: usize| {
                    let row = &self.db.outbox[at];
                    row.is_void && !row.is_offered
                };
                if *is_cancelled && at.is_some_and(closes) {
                    self.requeue(at);
                } else {
                    self.settle(at, State::Failed);
                }
            }
        }
        self.dispatch(out);
    }

    fn settle(&mut self, at: Option<usize>, state: State) {
        if let Some(at) = at {
            self.db.outbox[at].state = state;
        }
    }

    /// Its old cid is used up without effect: it goes out under a new one.
    fn requeue(&mut self, at: Option<usize>) {
        if let Some(at) = at {
            let row = &mut self.db.outbox[at];
            row.state = State::Queued;
            row.is_void = false;
            row.place = (0, 0);
        }
    }

    fn resend_from(&mut self, conv: u64, epoch: u32, expect: u64, out: &mut Vec<Up>) {
        let mut open: Vec<&OutRow> = self
            .db
            .outbox
            .iter()
            .filter(|r| r.conv == conv && r.state == State::InFlight && r.place.0 == epoch)
            .collect();
        open.sort_by_key(|r| r.place.1);
        let Some(first) = open.first() else { return };
        let below = self.db.convs.get(&conv).map_or(0, |c| c.absent_below);
        if expect < below && epoch == self.db.device_epoch {
            let void =
                |cid| Up::Send(SendUp { conv, epoch, cid, is_void: true, act: first.act.clone() });
            out.extend((expect..below).map(void));
        } else if expect < first.place.1 && epoch != self.db.device_epoch {
            // It can not be closed: the user decides whether it goes again.
            let id = first.id;
            let at = self.db.outbox.iter().position(|r| r.id == id);
            self.settle(at, State::Failed);
            return;
        } else if expect < first.place.1 {
            let is_it = |r: &&OutRow| r.conv == conv && r.place == (epoch, expect);
            let settled = self.db.outbox.iter().find(is_it).filter(|r| r.state == State::Sent);
            if settled.is_some_and(|r| !r.is_answered) {
                // Its event has overtaken this.
                return;
            }
            if settled.is_some() {
                let text = format!("the server forgot cid {expect} of conversation {conv}");
                self.complain("I1", text);
            }
            self.db.needs_renewal = true;
            return;
        }
        out.extend(open.into_iter().filter(|r| r.place.1 >= expect).map(send));
    }

    /// Never a member: nothing was decided, the chain does not exist. A copy under way may still find the user a member, so
    /// the cids are not used again; if the chain comes to be, a GAP asks for them.
    fn forget_chain(&mut self, conv: u64) {
        let epoch = self.db.device_epoch;
        let sent = |r: &OutRow| r.conv == conv && r.state == State::Sent && r.place.0 == epoch;
        if self.db.outbox.iter().any(sent) {
            self.complain("I1", format!("conversation {conv} is absent after a message was acked"));
        }
        for row in &mut self.db.outbox {
            if row.conv == conv && matches!(row.state, State::Queued | State::InFlight) {
                row.state = State::Failed;
            }
        }
        let held = self.conv(conv);
        held.absent_below = held.next_cid;
    }

    /// An own message came back as an event.
    pub(super) fn settle_by_event(&mut self, conv: u64, message: &Message) {
        if message.device.0 != self.id {
            return;
        }
        let place = (message.device_epoch.0, message.cid.0);
        let at = self
            .db
            .outbox
            .iter()
            .position(|r| r.conv == conv && r.place == place && r.state == State::InFlight);
        let Some(at) = at else { return };
        let is_same = match &self.db.outbox[at].act {
            Act::Send { body, .. } => body.as_bytes() == &message.body[..],
            _ => false,
        };
        if is_same {
            self.settle(Some(at), State::Sent);
        } else {
            self.settle(Some(at), State::Failed);
            self.rolled_back();
        }
    }

    /// The database is an older copy of itself: what waits may have been sent in the part that is lost. It is offered to the
    /// user again instead of being sent. What is under way may have been cancelled there, and sent under another cid.
    pub(super) fn rolled_back(&mut self) {
        self.db.needs_renewal = true;
        for row in self.db.outbox.iter_mut().filter(|r| r.state == State::Queued) {
            row.state = State::Failed;
        }
        for row in self.db.outbox.iter_mut().filter(|r| r.state == State::InFlight) {
            row.is_offered = true;
        }
    }

    pub(super) fn pin_answered(
        &mut self,
        epoch: u32,
        op_seq: u64,
        answer: Result<(), Option<u64>>,
    ) {
        let Some(first) = self.db.pins.first() else { return };
        if first.place != Some((epoch, op_seq)) {
            return;
        }
        match answer {
            Ok(()) => {
                self.db.pins.remove(0);
            }
            Err(Some(_)) => self.db.needs_renewal = true,
            Err(None) => {}
        }
    }
}

fn send(row: &OutRow) -> Up {
    Up::Send(SendUp {
        conv: row.conv,
        epoch: row.place.0,
        cid: row.place.1,
        is_void: row.is_void,
        act: row.act.clone(),
    })
}

const fn pin_up(pin: &PinRow, place: (u32, u64)) -> Up {
    Up::Pin { conv: pin.conv, epoch: place.0, op_seq: place.1, pinned: pin.pinned }
}
