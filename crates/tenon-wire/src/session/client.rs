//! The device's end of a link.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::Deadline;

use super::outbox::Outbox;
use super::{End, REQUESTS_MAX};
use crate::bounds::{Bounded, DecodeError};
use crate::error::ErrorCode;
use crate::frame::{
    ChunkAssembler, Comp, Frame, FrameError, FrameHeader, FrameLimits, FrameReader,
};
use crate::v1::*;
use crate::{close_reason, kind};

/// A Ping without Pong for this long, or 2.5 round trips if that is longer, has failed.
const PONG_WAIT: Duration = Duration::from_secs(5);

/// What the server said. Byte fields are the received bytes, shared with the link's buffer.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// The link is live.
    HelloAck(Box<HelloAck>),
    /// Go elsewhere.
    GoAway(GoAway),
    /// Answer of the heartbeat.
    Pong(Box<Pong>),
    /// Outcome of a Send, by frame id.
    SendAck(u32, SendAck),
    /// Outcome of an Op, by frame id.
    OpAck(u32, OpAck),
    /// Which marks are durable.
    ReadMarksAck(u32, ReadMarksAck),
    /// A covered range of the queue.
    EventBatch(EventBatch),
    /// Start from a list page.
    Rebase(Box<Rebase>),
    /// A unit changed.
    UnitState(UnitState),
    /// Tips of pull-mode conversations.
    ConvTips(ConvTips),
    /// Bodies of an open pull-mode conversation.
    ConvPush(ConvDiff),
    /// Lossy.
    Ephemeral(Ephemeral),
    /// A covered range of the device queue.
    DeviceBatch(DeviceBatch),
    /// Answer to a request: its id, its method, the whole answer.
    Response(u32, u32, ReadResponse),
    /// Refusal of the frame with this id; a request with it is over.
    Error(u32, ErrorInfo),
    /// Time for [`ClientSession::ping`].
    BeatDue,
    /// The last Ping was not answered in time; told once per Ping.
    BeatMissed,
    /// The session is over; nothing follows.
    Ended(End),
}

/// As many requests are open as a link may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("8 requests are open")]
pub struct RequestRefused;

/// One link as the device sees it.
#[derive(Debug)]
pub struct ClientSession {
    reader: FrameReader,
    chunks: ChunkAssembler,
    outbox: Outbox,
    requests: BTreeMap<u32, u32>,
    next_id: u32,
    is_welcome: bool,
    is_ended: bool,
    end: Option<End>,
    beat: Beat,
    bytes_at: Deadline,
}

#[derive(Debug)]
struct Beat {
    next_s: u32,
    sent_at: Deadline,
    is_open: bool,
    is_told: bool,
    rtt: Duration,
}

impl ClientSession {
    /// Opens the session at `now`: the Hello is the first thing to transmit.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] if the Hello is above its 8 KiB.
    pub fn new(hello: &Hello, now: Deadline) -> Result<Self, FrameError> {
        use prost::Message as _;
        let (len, max) = (hello.encoded_len(), tenon_base::limits::HELLO_BYTES_MAX);
        if len > max {
            return Err(FrameError::TooLarge { kind: kind::HELLO, len, max });
        }
        let mut outbox = Outbox::default();
        outbox.push(FrameHeader::new(kind::HELLO, 1), hello)?;
        Ok(Self {
            reader: FrameReader::new(FrameLimits::DOWN),
            chunks: ChunkAssembler::default(),
            outbox,
            requests: BTreeMap::new(),
            next_id: 2,
            is_welcome: false,
            is_ended: false,
            end: None,
            beat: Beat {
                next_s: 30,
                sent_at: now,
                is_open: false,
                is_told: false,
                rtt: Duration::ZERO,
            },
            bytes_at: now,
        })
    }

    /// Takes bytes of the server and says how many; the rest is offered again after events were polled.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Deadline) -> usize {
        self.bytes_at = now;
        if self.is_ended { bytes.len() } else { self.reader.push(bytes) }
    }

    /// The next thing the server said, or `None` if more bytes are needed.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        loop {
            if let Some(end) = self.end.take() {
                return Some(ClientEvent::Ended(end));
            }
            if self.is_ended {
                return None;
            }
            let whole = match self.reader.next() {
                Ok(None) => return None,
                Ok(Some(frame)) => self.chunks.take(frame),
                Err(error) => Err(error),
            };
            match whole {
                Ok(None) => {}
                Ok(Some(frame)) => {
                    if let Some(event) = self.on_frame(&frame) {
                        return Some(event);
                    }
                }
                Err(error) => self.fail(error.code(), error.to_string()),
            }
        }
    }

    /// Whole frames for the socket, the most urgent first; about `bytes_max`, never less than one frame.
    pub fn poll_transmit(&mut self, bytes_max: usize) -> Option<Bytes> {
        self.outbox.pop(bytes_max)
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn deadline(&self) -> Deadline {
        let wait = if self.beat.is_open && !self.beat.is_told {
            PONG_WAIT.max(self.beat.rtt.mul_f32(2.5))
        } else {
            Duration::from_secs(u64::from(self.beat.next_s))
        };
        self.beat.sent_at.plus(wait)
    }

    /// What the passed time asks for, at most one thing.
    pub fn handle_timeout(&mut self, now: Deadline) -> Option<ClientEvent> {
        if self.is_ended || now < self.deadline() {
            return None;
        }
        if self.beat.is_open && !self.beat.is_told {
            self.beat.is_told = true;
            return Some(ClientEvent::BeatMissed);
        }
        Some(ClientEvent::BeatDue)
    }

    /// Measured round trip of the last answered Ping; zero before the first.
    pub const fn rtt(&self) -> Duration {
        self.beat.rtt
    }

    /// Sends a Ping that states its own successor. While an earlier one is unanswered the time of that one counts: a device
    /// that asks again and again would never learn that nobody is there.
    pub fn ping(&mut self, ping: &Ping, now: Deadline) {
        let Beat { rtt, is_open, is_told, sent_at, .. } = self.beat;
        let sent_at = if is_open && !is_told { sent_at } else { now };
        self.beat =
            Beat { next_s: ping.next_s.max(1), sent_at, is_open: true, is_told: false, rtt };
        self.push(kind::PING, 0, ping);
    }

    /// Sends a message; the answer carries the returned frame id.
    pub fn send_message(&mut self, send: &Send) -> u32 {
        self.push_with_id(kind::SEND, send)
    }

    /// Sends a command; the answer carries the returned frame id.
    pub fn send_op(&mut self, op: &Op) -> u32 {
        self.push_with_id(kind::OP, op)
    }

    /// Sends read marks; the answer carries the returned frame id.
    pub fn send_read_marks(&mut self, marks: &ReadMarks) -> u32 {
        self.push_with_id(kind::READ_MARKS, marks)
    }

    /// Asks; the answer carries the returned id.
    ///
    /// # Errors
    /// [`RequestRefused`] while 8 are open.
    pub fn send_request(&mut self, request: &ReadRequest) -> Result<u32, RequestRefused> {
        if self.requests.len() == REQUESTS_MAX {
            return Err(RequestRefused);
        }
        let id = self.push_with_id(kind::REQUEST, request);
        self.requests.insert(id, request.method);
        Ok(id)
    }

    /// Gives a request up; a late answer to it is dropped.
    pub fn cancel(&mut self, id: u32) {
        if self.requests.remove(&id).is_some() {
            self.push(kind::CANCEL, id, &Cancel {});
        }
    }

    /// Tells committed cursors.
    pub fn send_ack(&mut self, ack: &Ack) {
        self.push(kind::ACK, 0, ack);
    }

    /// Asks for the stream from a cursor.
    pub fn send_subscribe(&mut self, subscribe: &Subscribe) {
        self.push(kind::SUBSCRIBE, 0, subscribe);
    }

    /// Tells what the user looks at.
    pub fn send_watch(&mut self, watch: &Watch) {
        self.push(kind::WATCH, 0, watch);
    }

    /// Tells a change of network.
    pub fn send_net_hint(&mut self, hint: &NetHint) {
        self.push(kind::NET_HINT, 0, hint);
    }

    /// Sends something lossy.
    pub fn send_ephemeral(&mut self, ephemeral: &Ephemeral) {
        self.push(kind::EPHEMERAL, 0, ephemeral);
    }

    /// Says Close and ends the session.
    pub fn close(&mut self, reason: u32, text: &str) {
        self.end_with(End::own(reason, None, text));
    }

    fn push<M: prost::Message>(&mut self, kind: u8, id: u32, message: &M) {
        if self.is_ended {
            return;
        }
        if let Err(error) = self.outbox.push(FrameHeader::new(kind, id), message) {
            self.fail(error.code(), error.to_string());
        }
    }

    fn push_with_id<M: prost::Message>(&mut self, kind: u8, message: &M) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.push(kind, id, message);
        id
    }

    fn fail(&mut self, code: ErrorCode, text: String) {
        self.end_with(End::own(close_reason::PROTOCOL_ERROR, Some(code), text));
    }

    fn end_with(&mut self, end: End) {
        if self.is_ended {
            return;
        }
        self.outbox.keep_control();
        self.push(kind::CLOSE, 0, &end.frame());
        self.is_ended = true;
        self.end = Some(end);
    }

    fn on_frame(&mut self, frame: &Frame) -> Option<ClientEvent> {
        let is_early = !self.is_welcome
            && !matches!(frame.kind, kind::HELLO_ACK | kind::CLOSE | kind::ERROR | kind::GO_AWAY);
        if is_early {
            self.fail(ErrorCode::UnexpectedFrame, format!("kind {} before hello_ack", frame.kind));
            return None;
        }
        if frame.comp != Comp::None {
            self.fail(ErrorCode::BadCompression, "no compression is in force".into());
            return None;
        }
        match self.decode(frame) {
            Ok(event) => event,
            Err(error) => {
                // What the server cannot say properly it has not said; going on would hide a hole.
                self.fail(ErrorCode::BadMessage, error.to_string());
                None
            }
        }
    }

    fn decode(&mut self, frame: &Frame) -> Result<Option<ClientEvent>, DecodeError> {
        let id = frame.id;
        let event = match frame.kind {
            kind::HELLO_ACK if !self.is_welcome => {
                let ack: HelloAck = read(frame)?;
                self.is_welcome = true;
                if ack.heartbeat_s > 0 {
                    self.beat.next_s = ack.heartbeat_s;
                }
                ClientEvent::HelloAck(Box::new(ack))
            }
            kind::GO_AWAY => ClientEvent::GoAway(read(frame)?),
            kind::PONG => {
                let pong = read(frame)?;
                if self.beat.is_open {
                    self.beat.is_open = false;
                    self.beat.rtt = self.bytes_at.since(self.beat.sent_at);
                }
                ClientEvent::Pong(Box::new(pong))
            }
            kind::CLOSE => {
                self.is_ended = true;
                ClientEvent::Ended(End::by_peer(read(frame)?))
            }
            kind::SEND_ACK => ClientEvent::SendAck(id, read(frame)?),
            kind::OP_ACK => ClientEvent::OpAck(id, read(frame)?),
            kind::READ_MARKS_ACK => ClientEvent::ReadMarksAck(id, read(frame)?),
            kind::EVENT_BATCH => ClientEvent::EventBatch(read(frame)?),
            kind::REBASE => ClientEvent::Rebase(Box::new(read(frame)?)),
            kind::UNIT_STATE => ClientEvent::UnitState(read(frame)?),
            kind::CONV_TIPS => ClientEvent::ConvTips(read(frame)?),
            kind::CONV_PUSH => ClientEvent::ConvPush(read(frame)?),
            kind::EPHEMERAL => ClientEvent::Ephemeral(read(frame)?),
            kind::DEVICE_BATCH => ClientEvent::DeviceBatch(read(frame)?),
            kind::RESPONSE => {
                let Some(method) = self.requests.remove(&id) else { return Ok(None) };
                ClientEvent::Response(id, method, read(frame)?)
            }
            kind::ERROR => {
                self.requests.remove(&id);
                ClientEvent::Error(id, read(frame)?)
            }
            _ => {
                self.fail(ErrorCode::UnexpectedFrame, format!("kind {} goes up", frame.kind));
                return Ok(None);
            }
        };
        Ok(Some(event))
    }
}

fn read<M: Bounded>(frame: &Frame) -> Result<M, DecodeError> {
    M::decode_bounded(frame.payload.clone())
}
