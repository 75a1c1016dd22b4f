//! The server's end of a link.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tenon_base::Deadline;

use super::outbox::{Outbox, WRITER_BYTES_MAX};
use super::{End, REQUESTS_MAX, Window};
use crate::bounds::{Bounded, DecodeError};
use crate::error::ErrorCode;
use crate::frame::{
    CHUNK_BYTES_MAX, Comp, Frame, FrameError, FrameHeader, FrameLimits, FrameReader, Prio,
};
use crate::v1::*;
use crate::{close_reason, feature, kind};

/// A link that says no Hello for this long is closed.
const HELLO_WAIT: Duration = Duration::from_secs(5);
/// Added to one and a half heartbeats before a silent link is closed.
const IDLE_GRACE: Duration = Duration::from_secs(15);
/// Longest heartbeat a device may state unless HelloAck says otherwise: above the longest probed one (580 s).
const HEARTBEAT_S_MAX: u32 = 600;
/// Heartbeat that holds until a Ping states another, seconds.
const HEARTBEAT_S: u32 = 60;

/// What the device said. Byte fields are the received bytes, shared with the link's buffer.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    /// The first frame; answer with [`ServerSession::accept`] or [`ServerSession::close`].
    Hello(u32, Box<Hello>),
    /// Answer with [`ServerSession::pong`].
    Ping(u32, Ping),
    /// The network changed; a window in it is already in force.
    NetHint(NetHint),
    /// Replaces the last one.
    Watch(Watch),
    /// A message and its frame id.
    Send(u32, Box<Send>),
    /// A command and its frame id.
    Op(u32, Op),
    /// Marks and their frame id.
    ReadMarks(u32, ReadMarks),
    /// Cursors; the window is already freed. Also told for the Ack inside a Ping, before the Ping.
    Ack(Ack),
    /// Stream anew; what was under way of the unit is forgotten.
    Subscribe(Subscribe),
    /// Lossy.
    Ephemeral(Ephemeral),
    /// A read with its id; the slot is taken until it is answered.
    Request(u32, ReadRequest),
    /// The answer with this id is no longer wanted; its slot is free.
    Cancel(u32),
    /// The device could not use a frame.
    Error(u32, ErrorInfo),
    /// The session is over; nothing follows. Write what `poll_transmit` still gives, then close.
    Ended(End),
}

/// The batch does not fit what the device lets be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the window is full")]
pub struct WindowFull;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    AwaitHello,
    Verifying,
    Live,
    Ended,
}

/// One link as the server sees it.
#[derive(Debug)]
pub struct ServerSession {
    state: State,
    reader: FrameReader,
    outbox: Outbox,
    window: Window,
    requests: BTreeSet<u32>,
    features: u64,
    heartbeat_s: u32,
    heartbeat_s_max: u32,
    heard_at: Deadline,
    bytes_at: Deadline,
    ack_of_ping: Option<(u32, Ping)>,
    end: Option<End>,
}

impl ServerSession {
    /// A link opened at `now`.
    pub fn new(now: Deadline) -> Self {
        Self {
            state: State::AwaitHello,
            reader: FrameReader::new(FrameLimits::BEFORE_LOGIN),
            outbox: Outbox::default(),
            window: Window::default(),
            requests: BTreeSet::new(),
            features: 0,
            heartbeat_s: HEARTBEAT_S,
            heartbeat_s_max: HEARTBEAT_S_MAX,
            heard_at: now,
            bytes_at: now,
            ack_of_ping: None,
            end: None,
        }
    }

    /// Takes bytes of the device and says how many; the rest is offered again after events were polled. Before
    /// the Hello is accepted at most 16 KiB are held.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Deadline) -> usize {
        self.bytes_at = now;
        if self.state == State::Ended { bytes.len() } else { self.reader.push(bytes) }
    }

    /// The next thing the device said, or `None` if more bytes, or a verdict about the Hello, are needed.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        loop {
            if let Some(end) = self.end.take() {
                return Some(ServerEvent::Ended(end));
            }
            if let Some((id, ping)) = self.ack_of_ping.take() {
                return Some(ServerEvent::Ping(id, ping));
            }
            if matches!(self.state, State::Verifying | State::Ended) {
                return None;
            }
            match self.reader.next() {
                Ok(None) => return None,
                Ok(Some(frame)) => {
                    self.heard_at = self.bytes_at;
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

    /// When [`Self::handle_timeout`] is due, unless frames come.
    pub fn deadline(&self) -> Deadline {
        match self.state {
            State::AwaitHello => self.heard_at.plus(HELLO_WAIT),
            _ => {
                let beat = Duration::from_millis(u64::from(self.heartbeat_s) * 1_500);
                self.heard_at.plus(beat).plus(IDLE_GRACE)
            }
        }
    }

    /// Closes the link as idle if its deadline has passed.
    pub fn handle_timeout(&mut self, now: Deadline) {
        if now >= self.deadline() {
            self.close(End::own(close_reason::IDLE, None, "no frame in time"));
        }
    }

    /// True while the writer has room: else stop reading from sync.
    pub const fn is_writable(&self) -> bool {
        self.outbox.queued() < WRITER_BYTES_MAX
    }

    /// The credit of event batches.
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// Answers the Hello; frames that followed it are parsed from now on. Does nothing but right after a Hello.
    pub fn accept(&mut self, id: u32, ack: &HelloAck) {
        if self.state != State::Verifying {
            return;
        }
        self.state = State::Live;
        self.features = ack.features;
        self.window = Window::new(ack.window_bytes as usize);
        if ack.heartbeat_s > 0 {
            self.heartbeat_s = ack.heartbeat_s;
        }
        if ack.heartbeat_s_max > 0 {
            self.heartbeat_s_max = ack.heartbeat_s_max;
        }
        self.reader.set_limits(FrameLimits::UP);
        self.push(kind::HELLO_ACK, id, ack);
    }

    /// Says Close and ends the session; queued frames other than control are dropped.
    pub fn close(&mut self, end: End) {
        if self.state == State::Ended {
            return;
        }
        self.outbox.keep_control();
        self.push(kind::CLOSE, 0, &end.frame());
        self.state = State::Ended;
        self.end = Some(end);
    }

    /// Ends the session with a reason of [`close_reason`] and a code.
    pub fn close_with(&mut self, reason: u32, code: Option<ErrorCode>, text: &str) {
        self.close(End::own(reason, code, text));
    }

    /// Sends a batch if the window has room.
    ///
    /// # Errors
    /// [`WindowFull`]; nothing was queued. Send it again after an Ack.
    pub fn send_batch(&mut self, batch: &EventBatch) -> Result<(), WindowFull> {
        let (bytes, events) = (batch.encoded_len(), batch.events.len());
        if !self.window.has_room(bytes, events) {
            return Err(WindowFull);
        }
        let upto = Cursor { unit: batch.unit, queue_epoch: batch.queue_epoch, pts: batch.to_pts };
        self.window.sent(upto, bytes, events);
        self.push(kind::EVENT_BATCH, 0, batch);
        Ok(())
    }

    /// Answers a request, in pieces if it is large and the device knows pieces. False if nobody waits for it.
    pub fn respond(&mut self, id: u32, answer: &ReadResponse, prio: Prio) -> bool {
        if !self.requests.remove(&id) {
            return false;
        }
        let payload = answer.encode_to_vec();
        let header = FrameHeader { prio, ..FrameHeader::new(kind::RESPONSE, id) };
        let is_chunked = self.features & feature::CHUNKED_RESPONSE != 0;
        if is_chunked && payload.len() > crate::frame::RESPONSE_BYTES_MAX {
            self.send_error(id, &ErrorCode::TooLarge.info(0, "answer is too large"));
            return true;
        }
        let piece_len = if is_chunked { CHUNK_BYTES_MAX } else { payload.len().max(1) };
        let mut rest = payload.as_slice();
        loop {
            let (piece, after) = rest.split_at(rest.len().min(piece_len));
            let header = FrameHeader { last: after.is_empty(), ..header };
            if self.outbox.push_payload(header, piece).is_err() {
                self.send_error(id, &ErrorCode::TooLarge.info(0, "answer is too large"));
                return true;
            }
            if after.is_empty() {
                return true;
            }
            rest = after;
        }
    }

    /// Answers the frame with this id by an error; frees its slot if it was a request.
    pub fn send_error(&mut self, id: u32, info: &ErrorInfo) {
        self.requests.remove(&id);
        self.push(kind::ERROR, id, info);
    }

    /// Answers a Send.
    pub fn send_ack(&mut self, id: u32, ack: &SendAck) {
        self.push(kind::SEND_ACK, id, ack);
    }

    /// Answers an Op.
    pub fn op_ack(&mut self, id: u32, ack: &OpAck) {
        self.push(kind::OP_ACK, id, ack);
    }

    /// Answers marks.
    pub fn read_marks_ack(&mut self, id: u32, ack: &ReadMarksAck) {
        self.push(kind::READ_MARKS_ACK, id, ack);
    }

    /// Answers a Ping.
    pub fn pong(&mut self, id: u32, pong: &Pong) {
        self.push(kind::PONG, id, pong);
    }

    /// Orders a Rebase; what was under way of the unit is forgotten.
    pub fn rebase(&mut self, rebase: &Rebase) {
        self.window.restarted(rebase.unit);
        self.push(kind::REBASE, 0, rebase);
    }

    /// Tells a unit's state.
    pub fn unit_state(&mut self, state: &UnitState) {
        self.push(kind::UNIT_STATE, 0, state);
    }

    /// Asks the device to go elsewhere.
    pub fn go_away(&mut self, go: &GoAway) {
        self.push(kind::GO_AWAY, 0, go);
    }

    /// Sends items of the device queue.
    pub fn device_batch(&mut self, batch: &DeviceBatch) {
        self.push(kind::DEVICE_BATCH, 0, batch);
    }

    /// Pushes bodies of an open pull-mode conversation.
    pub fn conv_push(&mut self, diff: &ConvDiff) {
        self.push(kind::CONV_PUSH, 0, diff);
    }

    /// Tells tips. False if they were dropped because the writer is full: the next Pong repeats them.
    pub fn conv_tips(&mut self, tips: &ConvTips) -> bool {
        let is_sent = self.is_writable();
        if is_sent {
            self.push(kind::CONV_TIPS, 0, tips);
        }
        is_sent
    }

    /// Sends something lossy. False if it was dropped because the writer is full.
    pub fn ephemeral(&mut self, ephemeral: &Ephemeral) -> bool {
        let is_sent = self.is_writable();
        if is_sent {
            self.push(kind::EPHEMERAL, 0, ephemeral);
        }
        is_sent
    }

    /// Sends a payload that was encoded once for many links. Not for batches and responses, which are counted.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`]; nothing was queued.
    pub fn send_payload(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), FrameError> {
        self.outbox.push_payload(header, payload)
    }

    fn push<M: Message>(&mut self, kind: u8, id: u32, message: &M) {
        if self.state == State::Ended {
            return;
        }
        if let Err(error) = self.outbox.push(FrameHeader::new(kind, id), message) {
            // Only a frame above 256 KiB: a fault of the room that built it, and the device must not miss it.
            self.fail(error.code(), error.to_string());
        }
    }

    fn fail(&mut self, code: ErrorCode, text: String) {
        self.close(End::own(close_reason::PROTOCOL_ERROR, Some(code), text));
    }

    fn on_frame(&mut self, frame: &Frame) -> Option<ServerEvent> {
        if (self.state == State::AwaitHello) != (frame.kind == kind::HELLO) {
            self.fail(ErrorCode::UnexpectedFrame, format!("kind {} at this time", frame.kind));
            return None;
        }
        if frame.comp != Comp::None {
            self.fail(ErrorCode::BadCompression, "no compression is in force".into());
            return None;
        }
        match self.decode(frame) {
            Ok(event) => event,
            Err(error) if frame.kind == kind::HELLO => {
                self.fail(ErrorCode::BadMessage, error.to_string());
                None
            }
            Err(error) => {
                self.push(kind::ERROR, frame.id, &ErrorCode::BadMessage.info(0, error.to_string()));
                None
            }
        }
    }

    fn decode(&mut self, frame: &Frame) -> Result<Option<ServerEvent>, DecodeError> {
        let id = frame.id;
        let event = match frame.kind {
            kind::HELLO => {
                let hello = read(frame)?;
                self.state = State::Verifying;
                ServerEvent::Hello(id, Box::new(hello))
            }
            kind::PING => return Ok(Some(self.on_ping(id, read(frame)?))),
            kind::CLOSE => {
                self.state = State::Ended;
                ServerEvent::Ended(End::by_peer(read(frame)?))
            }
            kind::NET_HINT => {
                let hint: NetHint = read(frame)?;
                self.window.resize(hint.window_bytes);
                ServerEvent::NetHint(hint)
            }
            kind::WATCH => ServerEvent::Watch(read(frame)?),
            kind::SEND => ServerEvent::Send(id, Box::new(read(frame)?)),
            kind::OP => ServerEvent::Op(id, read(frame)?),
            kind::READ_MARKS => ServerEvent::ReadMarks(id, read(frame)?),
            kind::ACK => self.on_ack(read(frame)?),
            kind::SUBSCRIBE => {
                let subscribe: Subscribe = read(frame)?;
                self.window.restarted(subscribe.unit);
                ServerEvent::Subscribe(subscribe)
            }
            kind::EPHEMERAL => ServerEvent::Ephemeral(read(frame)?),
            kind::REQUEST => return Ok(self.on_request(id, read(frame)?)),
            kind::CANCEL => {
                self.requests.remove(&id);
                ServerEvent::Cancel(id)
            }
            kind::ERROR => ServerEvent::Error(id, read(frame)?),
            _ => {
                self.fail(ErrorCode::UnexpectedFrame, format!("kind {} goes down", frame.kind));
                return Ok(None);
            }
        };
        Ok(Some(event))
    }

    fn on_ping(&mut self, id: u32, mut ping: Ping) -> ServerEvent {
        if ping.next_s > 0 {
            self.heartbeat_s = ping.next_s.min(self.heartbeat_s_max);
        }
        match ping.ack.take() {
            Some(ack) => {
                self.ack_of_ping = Some((id, ping));
                self.on_ack(ack)
            }
            None => ServerEvent::Ping(id, ping),
        }
    }

    fn on_ack(&mut self, ack: Ack) -> ServerEvent {
        self.window.acked(&ack.cursors);
        self.window.resize(ack.window_bytes);
        ServerEvent::Ack(ack)
    }

    fn on_request(&mut self, id: u32, request: ReadRequest) -> Option<ServerEvent> {
        let refusal = if id == 0 || self.requests.contains(&id) {
            ErrorCode::BadMessage.info(0, "a request needs an id of its own")
        } else if self.requests.len() == REQUESTS_MAX {
            ErrorCode::Busy.info(0, "8 requests are open")
        } else {
            self.requests.insert(id);
            return Some(ServerEvent::Request(id, request));
        };
        self.push(kind::ERROR, id, &refusal);
        None
    }
}

fn read<M: Bounded>(frame: &Frame) -> Result<M, DecodeError> {
    M::decode_bounded(frame.payload.clone())
}
