//! The network: two directions of bytes per connection, cut into pieces, late, broken anywhere.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tenon_client::engine::{Answer, AppEvent, Command, ConnectionState, Output};
use tenon_client::store::Store as _;

use super::server::Line;
use super::spy::Spy;
use super::{Due, Whole};

/// The smallest window that the gateway grants.
const WINDOW_MIN: u32 = 16 * 1024;

/// A piece on its way; `None` is the end.
type Piece = Option<Bytes>;

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    phone: usize,
    line: Arc<Line>,
    up: VecDeque<Piece>,
    down: VecDeque<Piece>,
    /// When the last piece of a direction arrives: bytes do not overtake.
    up_at: u64,
    down_at: u64,
    opened_us: u64,
    spy: Spy,
    /// The device does not hear it any more.
    is_cut: bool,
    /// The end from the server is on its way.
    is_ending: bool,
}

impl Whole {
    /// A device's link opens, if a server is there.
    pub(super) fn opened(&mut self, index: usize, life: u64) {
        if self.phones[index].life != life || self.phones[index].wire.is_some() {
            return;
        }
        let now = self.phone_now(index);
        let line = Arc::new(Line::default());
        let accepted = self.server.as_mut().and_then(|server| server.accept(&line));
        let Some(polled) = accepted else {
            if let Some(engine) = &mut self.phones[index].engine {
                engine.handle_link_down("refused", now);
            }
            return self.drive(index);
        };
        self.figures.connects += 1;
        let id = self.next_wire;
        self.next_wire += 1;
        let wire = Wire {
            phone: index,
            line,
            up: VecDeque::new(),
            down: VecDeque::new(),
            up_at: 0,
            down_at: 0,
            opened_us: self.now_us(),
            spy: Spy::new(self.age(index), self.window() as usize),
            is_cut: false,
            is_ending: false,
        };
        self.wires.insert(id, wire);
        self.phones[index].wire = Some(id);
        self.polled(polled);
        if let Some(engine) = &mut self.phones[index].engine {
            engine.handle_link_up(now);
        }
        self.drive(index);
    }

    /// The device's side of its connection is gone. What is on its way up may still arrive.
    pub(super) fn cut(&mut self, index: usize, text: &str) {
        let Some(id) = self.phones[index].wire.take() else { return };
        self.note(4, id, 0);
        let late = self.rngs.net.below(self.plan.net.half_open_us + 1);
        let loses = self.rngs.net.below(2) == 0;
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.is_cut = true;
            wire.down.clear();
            if loses {
                let keeps = self.rngs.net.index(wire.up.len() + 1);
                wire.up.truncate(keeps);
            }
        }
        self.after(late, Due::Noticed(id));
        let now = self.phone_now(index);
        if let Some(engine) = &mut self.phones[index].engine {
            engine.handle_link_down(text, now);
        }
        self.drive(index);
    }

    /// What was under way comes first, then the end.
    pub(super) fn noticed(&mut self, id: u64) {
        let Some(wire) = self.wires.remove(&id) else { return };
        for piece in wire.up.into_iter().flatten() {
            wire.line.arrived(Some(piece));
        }
        wire.line.arrived(None);
    }

    /// The server is gone; its devices hear of it later.
    pub(super) fn break_all(&mut self) {
        for (id, wire) in std::mem::take(&mut self.wires) {
            let life = self.phones[wire.phone].life;
            let us = self.rngs.net.below(self.plan.net.half_open_us.max(500_000));
            self.after(us, Due::Broken(wire.phone, life, id));
        }
    }

    pub(super) fn broken(&mut self, index: usize, life: u64, id: u64) {
        if self.phones[index].life != life || self.phones[index].wire != Some(id) {
            return;
        }
        self.phones[index].wire = None;
        let now = self.phone_now(index);
        if let Some(engine) = &mut self.phones[index].engine {
            engine.handle_link_down("reset", now);
        }
        self.drive(index);
    }

    fn delay(&mut self) -> u64 {
        let us = 200 + self.rngs.net.below(self.plan.net.delay_us);
        if !self.is_healed && self.rngs.net.chance(self.plan.net.stall) {
            self.figures.stalls += 1;
            return us + self.rngs.net.range(200_000, 6_000_000);
        }
        us
    }

    /// Cuts bytes anywhere, as packets do.
    fn pieces(&mut self, bytes: Bytes) -> Vec<Bytes> {
        if bytes.len() < 2 || self.rngs.net.below(4) > 0 {
            return vec![bytes];
        }
        let mut tail = bytes;
        let head = tail.split_to(1 + self.rngs.net.index(tail.len() - 1));
        vec![head, tail]
    }

    fn up(&mut self, id: u64, bytes: Bytes) {
        let bytes = match self.wires.get_mut(&id) {
            Some(wire) => wire.spy.up(bytes),
            None => bytes,
        };
        for piece in self.pieces(bytes) {
            self.send_up(id, Some(piece));
        }
        if !self.is_healed && self.rngs.net.chance(self.plan.net.reset) {
            self.figures.resets += 1;
            if let Some(index) = self.wires.get(&id).map(|wire| wire.phone) {
                self.after(0, Due::Broken(index, self.phones[index].life, id));
                let late = self.rngs.net.below(self.plan.net.half_open_us + 1);
                self.after(late, Due::Noticed(id));
            }
        }
    }

    fn send_up(&mut self, id: u64, piece: Piece) {
        let (now, delay) = (self.now_us(), self.delay());
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.is_cut) else { return };
        wire.up.push_back(piece);
        wire.up_at = wire.up_at.max(now + delay);
        let wait = wire.up_at - now;
        self.after(wait, Due::Up(id));
    }

    /// Takes what sessions wrote onto the wires.
    pub(super) fn carry_down(&mut self) {
        let ids: Vec<u64> = self.wires.keys().copied().collect();
        for id in ids {
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            let (written, is_over) = {
                let mut state = wire.line.state();
                (std::mem::take(&mut state.outgoing), state.is_over)
            };
            let (index, opened_us) = (wire.phone, wire.opened_us);
            let ends = is_over && !std::mem::replace(&mut wire.is_ending, is_over);
            if !written.is_empty() {
                self.wrote_down(index, opened_us, is_over);
            }
            for bytes in written {
                let bytes = self.watched(id, bytes);
                for piece in self.pieces(bytes) {
                    self.send_down(id, Some(piece));
                }
            }
            if ends {
                self.send_down(id, None);
            }
        }
    }

    /// What the server wrote, as it goes over the wire.
    fn watched(&mut self, id: u64, bytes: Bytes) -> Bytes {
        let Some(wire) = self.wires.get_mut(&id) else { return bytes };
        let index = wire.phone;
        let down = wire.spy.down(bytes, &mut self.phones[index].unknown);
        if std::mem::take(&mut wire.spy.tells_fall) {
            self.fell_back(index);
        }
        down.unwrap_or_else(|text| {
            self.violated("I25", text);
            Bytes::new()
        })
    }

    /// Bytes of batches that devices let come without an ack.
    pub(super) fn window(&self) -> u32 {
        self.plan.front.window_bytes.max(WINDOW_MIN)
    }

    fn send_down(&mut self, id: u64, piece: Piece) {
        let (now, delay) = (self.now_us(), self.delay());
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.is_cut) else { return };
        wire.down.push_back(piece);
        wire.down_at = wire.down_at.max(now + delay);
        let wait = wire.down_at - now;
        self.after(wait, Due::Down(id));
    }

    pub(super) fn arrive_up(&mut self, id: u64) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let Some(piece) = wire.up.pop_front() else { return };
        let bytes = piece.as_ref().map_or(0, Bytes::len) as u64;
        wire.line.arrived(piece);
        self.figures.pieces += 1;
        self.note(5, id, bytes);
    }

    pub(super) fn arrive_down(&mut self, id: u64) {
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.is_cut) else { return };
        let index = wire.phone;
        let Some(piece) = wire.down.pop_front() else { return };
        self.figures.pieces += 1;
        self.note(6, id, piece.as_ref().map_or(0, Bytes::len) as u64);
        if self.phones[index].wire != Some(id) {
            return;
        }
        let now = self.phone_now(index);
        let Some(engine) = &mut self.phones[index].engine else { return };
        let Some(bytes) = piece else {
            self.wires.remove(&id);
            return self.broken(index, self.phones[index].life, id);
        };
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let taken = engine.handle_bytes(rest, now);
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
        }
        let is_left = !rest.is_empty();
        self.drive(index);
        if is_left {
            self.cut(index, "a frame does not fit");
        }
    }

    /// Does what a device's engine asks for, until it asks no more.
    pub(super) fn drive(&mut self, index: usize) {
        loop {
            let now = self.phone_now(index);
            let phone = &mut self.phones[index];
            let Some(engine) = &mut phone.engine else { return };
            let output = engine.poll_output(now);
            let frames: Vec<Bytes> = std::iter::from_fn(|| engine.poll_transmit()).collect();
            if let Some(wire) = phone.wire {
                frames.into_iter().for_each(|bytes| self.up(wire, bytes));
            }
            match output {
                Some(output) => self.output(index, output),
                None => break,
            }
        }
        self.plan_wake(index);
    }

    fn output(&mut self, index: usize, output: Output) {
        let life = self.phones[index].life;
        match output {
            Output::Commit { tx, ops } => {
                self.phones[index].commit = Some((tx, ops));
                let us = self.rngs.time.scale(20, 60_000);
                self.after(us, Due::Committed(index, life));
            }
            Output::Connect => {
                let us = self.delay();
                self.after(us, Due::Opened(index, life));
            }
            Output::CloseLink => {
                if let Some(id) = self.phones[index].wire.take() {
                    self.send_up(id, None);
                }
            }
            Output::Answer(ticket, answer) => self.answered(index, ticket, answer),
            Output::Event(event) => self.told(index, &event),
        }
    }

    fn answered(&mut self, index: usize, ticket: u64, answer: Answer) {
        let now = self.phone_now(index);
        let phone = &mut self.phones[index];
        match answer {
            Answer::Queued { local } => {
                phone.note(now, |r, at| r.queued(ticket, local, at));
                if let Some(target) = phone.asking.remove(&ticket) {
                    phone.removing.insert(local, target);
                }
            }
            Answer::Refused(_) => phone.note(now, |r, _| r.not_queued(ticket)),
            Answer::History(history) => self.shown(index, *history),
            Answer::Response(_) => {}
        }
    }

    fn told(&mut self, index: usize, event: &AppEvent) {
        let now = self.phone_now(index);
        let phone = &mut self.phones[index];
        phone.note(now, |record, at| record.event(event, at));
        if let AppEvent::Sync { event, .. } = event {
            self.shows_event(index, event);
        }
        let phone = &mut self.phones[index];
        match event {
            AppEvent::Settled { settled, .. } => {
                self.figures.settled += 1;
                self.figures.refused += u64::from(!settled.is_done());
                self.settled(index, settled);
            }
            AppEvent::Rebased { .. } => self.figures.rebases += 1,
            AppEvent::Jumped { .. } => self.figures.jumps += 1,
            AppEvent::State(ConnectionState::Live) => {
                let wire = phone.wire.and_then(|id| self.wires.get(&id));
                if let Some(opened_us) = wire.map(|wire| wire.opened_us) {
                    self.signed_in(index, opened_us);
                }
            }
            AppEvent::State(ConnectionState::Stopped { code, text }) => {
                phone.is_stopped = Some(format!("{code} {text}"));
            }
            _ => {}
        }
        if let Some(n) = event.number() {
            let (life, us) = (self.phones[index].life, self.rngs.time.scale(50, 400_000));
            self.after(us, Due::Handled(index, life, n));
        }
    }

    pub(super) fn committed(&mut self, index: usize, life: u64) {
        let now = self.phone_now(index);
        let phone = &mut self.phones[index];
        if phone.life != life {
            return;
        }
        let Some((tx, ops)) = phone.commit.take() else { return };
        phone.store.commit(ops.clone()).expect("memory does not fail");
        self.keeps_unknown(index, &ops);
        let phone = &mut self.phones[index];
        if let Some(engine) = &mut phone.engine {
            engine.handle_committed(tx, now);
        }
        self.drive(index);
    }

    pub(super) fn handled(&mut self, index: usize, life: u64, n: u64) {
        if self.phones[index].life == life {
            self.command(index, Command::EventsDone(n));
        }
    }

    pub(super) fn command(&mut self, index: usize, command: Command) {
        let now = self.phone_now(index);
        let Some(engine) = &mut self.phones[index].engine else { return };
        engine.handle_command(command, now);
        self.drive(index);
    }

    fn plan_wake(&mut self, index: usize) {
        let (now, phone) = (self.now_us(), &mut self.phones[index]);
        let Some(at) = phone.engine.as_ref().and_then(|engine| engine.deadline()) else { return };
        let at = at.0.max(now + 1);
        if phone.wake_us.is_none_or(|planned| planned > at || planned <= now) {
            phone.wake_us = Some(at);
            let life = phone.life;
            self.after(at - now, Due::Wake(index, life));
        }
    }

    pub(super) fn wake(&mut self, index: usize, life: u64) {
        let now = self.phone_now(index);
        let phone = &mut self.phones[index];
        if phone.life != life {
            return;
        }
        phone.wake_us = None;
        if let Some(engine) = &mut phone.engine {
            engine.handle_timeout(now);
        }
        self.drive(index);
    }
}
