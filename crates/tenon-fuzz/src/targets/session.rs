//! The sessions of both ends as machines that take steps.
//!
//! An input is a list of steps: one byte that says which, then its bytes. So a mutation changes the order of calls as
//! well as the bytes of the link.

use std::time::Duration;

use bytes::Bytes;
use tenon_base::Deadline;
use tenon_wire::v1::*;
use tenon_wire::{ClientEvent, ClientSession, ErrorCode, Prio, ServerEvent, ServerSession};

/// Steps of one run: more tell nothing new.
const STEPS_MAX: usize = 4_096;
/// Events that one poll may give: a frame has at least four bytes.
const EVENTS_MAX: usize = 64 * 1024;

/// A reader of steps.
pub(super) struct Steps<'a>(pub(super) &'a [u8]);

impl<'a> Steps<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn small(&mut self) -> u32 {
        self.byte().map_or(0, u32::from)
    }

    /// A length of two bytes, then as many bytes as there are of it.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let len = (self.small() | self.small() << 8) as usize;
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A live server and what its caller has seen.
struct Server {
    session: ServerSession,
    hello: Option<u32>,
    open: Vec<u32>,
    has_ended: bool,
}

impl Server {
    fn poll(&mut self) {
        let mut seen = 0;
        while let Some(event) = self.session.poll_event() {
            seen += 1;
            assert!(seen <= EVENTS_MAX, "polling ends");
            assert!(!self.has_ended, "nothing follows the end: {event:?}");
            match event {
                ServerEvent::Hello(id, _) => self.hello = Some(id),
                ServerEvent::Request(id, _) => {
                    assert!(!self.open.contains(&id), "a request has an id of its own");
                    self.open.push(id);
                    assert!(self.open.len() <= tenon_wire::session::REQUESTS_MAX);
                }
                ServerEvent::Cancel(id) => self.open.retain(|open| *open != id),
                ServerEvent::Ended(_) => self.has_ended = true,
                _ => {}
            }
        }
    }

    fn push(&mut self, mut bytes: &[u8], now: Deadline) {
        while !bytes.is_empty() {
            let taken = self.session.handle_bytes(bytes, now);
            assert!(taken <= bytes.len());
            bytes = &bytes[taken..];
            self.poll();
            if taken == 0 {
                // Held back until the Hello is judged.
                break;
            }
        }
    }

    fn accept(&mut self, window_bytes: u32) {
        if let Some(id) = self.hello.take() {
            self.session.accept(id, &HelloAck { window_bytes, ..HelloAck::default() });
            self.poll();
        }
    }

    fn respond(&mut self, len: usize) {
        if let Some(id) = self.open.pop() {
            let answer = ReadResponse { body: Bytes::from(vec![7; len]), fence: None };
            let is_sent = self.session.respond(id, &answer, Prio::Bulk);
            assert!(is_sent || self.has_ended || !self.open.contains(&id));
        }
    }
}

/// No order of calls and no bytes bring a server's session into trouble.
pub(super) fn server(input: &[u8]) {
    let mut now = Deadline(1);
    let session = ServerSession::new(now);
    let mut server = Server { session, hello: None, open: Vec::new(), has_ended: false };
    let mut steps = Steps(input);
    let mut batch = EventBatch::default();
    for _ in 0..STEPS_MAX {
        let Some(step) = steps.byte() else { break };
        if !server.session.is_writable() {
            // Who does not write out what is queued stops reading as well.
            drop(server.session.poll_transmit(usize::MAX));
            continue;
        }
        match step % 12 {
            0..=2 => server.push(steps.bytes(), now),
            3 => server.accept(1 << (steps.small() % 20)),
            4 => server.respond(steps.small() as usize * 64),
            5 => {
                now = now.plus(Duration::from_millis(u64::from(steps.small()) * 500));
                server.session.handle_timeout(now);
            }
            6 => {
                batch.from_pts = batch.to_pts;
                batch.to_pts += u64::from(steps.small());
                // A full window is an answer like another.
                let _full = server.session.send_batch(&batch);
            }
            7 => drop(server.session.poll_transmit(steps.small() as usize * 16)),
            8 => {
                let id = steps.small();
                server.open.retain(|open| *open != id);
                server.session.send_error(id, &ErrorCode::Busy.info(0, "later"));
            }
            9 => server.session.send_ack(steps.small(), &SendAck::default()),
            10 => server.session.pong(steps.small(), &Pong::default()),
            _ => server.session.close_with(steps.small(), None, "over"),
        }
        server.poll();
        assert!(server.session.deadline() >= Deadline(1));
    }
    drain(|| server.session.poll_transmit(4096));
}

/// A live device and what its caller has seen.
struct Device {
    session: ClientSession,
    has_ended: bool,
}

impl Device {
    fn poll(&mut self) {
        let mut seen = 0;
        while let Some(event) = self.session.poll_event() {
            seen += 1;
            assert!(seen <= EVENTS_MAX, "polling ends");
            assert!(!self.has_ended, "nothing follows the end: {event:?}");
            self.has_ended = matches!(event, ClientEvent::Ended(_));
        }
    }

    fn push(&mut self, mut bytes: &[u8], now: Deadline) {
        while !bytes.is_empty() {
            let taken = self.session.handle_bytes(bytes, now);
            assert!(taken > 0, "a device always has room after it was polled");
            bytes = &bytes[taken..];
            self.poll();
        }
    }
}

/// The same for the device's end.
pub(super) fn client(input: &[u8]) {
    let mut now = Deadline(1);
    let Ok(session) = ClientSession::new(&Hello::default(), now) else { return };
    let mut device = Device { session, has_ended: false };
    let mut steps = Steps(input);
    let mut last = 0;
    for _ in 0..STEPS_MAX {
        let Some(step) = steps.byte() else { break };
        match step % 11 {
            0..=3 => device.push(steps.bytes(), now),
            4 => {
                now = now.plus(Duration::from_millis(u64::from(steps.small()) * 500));
                drop(device.session.handle_timeout(now));
            }
            5 => device.session.ping(&Ping { next_s: steps.small(), ..Ping::default() }, now),
            6 => drop(device.session.send_message(&Send::default())),
            7 => {
                let method = steps.small();
                let request = ReadRequest { method, ..ReadRequest::default() };
                last = device.session.send_request(&request).unwrap_or(last);
            }
            8 => device.session.cancel(last),
            9 => drop(device.session.poll_transmit(steps.small() as usize * 16)),
            _ => device.session.send_ack(&Ack::default()),
        }
        device.poll();
    }
    drain(|| device.session.poll_transmit(4096));
}

fn drain(mut next: impl FnMut() -> Option<Bytes>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = next() {
        assert!(!bytes.is_empty(), "what is transmitted has bytes");
        all.extend_from_slice(&bytes);
    }
    all
}

/// Both ends talk; every input byte is a step of one of them or damages what is on its way. Undamaged, nobody ends the
/// link for a fault of the protocol.
pub(super) fn pair(input: &[u8]) {
    let mut now = Deadline(1);
    let Ok(session) = ClientSession::new(&Hello::default(), now) else { return };
    let mut device = Device { session, has_ended: false };
    let session = ServerSession::new(now);
    let mut server = Server { session, hello: None, open: Vec::new(), has_ended: false };
    let (mut steps, mut is_damaged, mut is_closed) = (Steps(input), false, false);
    for _ in 0..STEPS_MAX {
        let Some(step) = steps.byte() else { break };
        let mut damage = None;
        match step % 8 {
            0 => drop(device.session.send_message(&Send::default())),
            1 => drop(device.session.send_request(&ReadRequest::default())),
            2 => device.session.ping(&Ping { next_s: steps.small(), ..Ping::default() }, now),
            3 => server.respond(steps.small() as usize * 300),
            4 => server.session.send_ack(steps.small(), &SendAck::default()),
            5 => damage = Some((steps.small() as usize, steps.small() as u8)),
            6 => now = now.plus(Duration::from_millis(1)),
            _ => {
                is_closed = true;
                server.session.close_with(1, None, "over");
            }
        }
        server.accept(1 << 16);
        let mut up = drain(|| device.session.poll_transmit(4096));
        is_damaged |= apply(&mut up, damage);
        server.push(&up, now);
        server.poll();
        server.accept(1 << 16);
        let mut down = drain(|| server.session.poll_transmit(4096));
        is_damaged |= apply(&mut down, damage);
        device.push(&down, now);
        device.poll();
        if !is_damaged && !is_closed {
            assert!(!server.has_ended && !device.has_ended, "a whole link does not end");
        }
    }
}

/// Flips bits of one byte; true if there was one.
fn apply(bytes: &mut [u8], damage: Option<(usize, u8)>) -> bool {
    let len = bytes.len().max(1);
    let Some((at, bits)) = damage else { return false };
    let Some(byte) = bytes.get_mut(at % len) else { return false };
    *byte ^= bits;
    bits != 0
}
