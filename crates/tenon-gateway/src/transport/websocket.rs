//! Frames over WebSocket: binary messages of whole frames, or text messages of envelopes.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::{Bytes, BytesMut};
use futures_util::{Sink as _, Stream as _};
use tenon_wire::json::{self, JsonError};
use tenon_wire::v1::envelope::Frame as Arm;
use tenon_wire::v1::{Close, Envelope};
use tenon_wire::{FrameLimits, FrameReader, close_reason};

use super::Wire;

/// The binary sub-protocol.
pub(crate) const BINARY: &str = "tenon.v1";
/// The text sub-protocol.
pub(crate) const TEXT: &str = "tenon.v1.json";
/// Largest text message: a frame of 64 KiB whose body is base64, with room for names.
pub(crate) const TEXT_BYTES_MAX: usize = 128 * 1024;
/// WebSocket close code: 4000 + reason of the protocol.
const CLOSE_BASE: u16 = 4_000;
/// A message of the wrong type (RFC 6455, section 7.4.1).
const UNSUPPORTED_DATA: u16 = 1_003;
/// Methods remembered for answers under way; a session has at most 8 requests open.
const METHODS_MAX: usize = 64;

/// What the messages hold.
#[derive(Debug)]
enum Form {
    Binary,
    /// Methods of open requests by id, for the bodies of their answers.
    Text(BTreeMap<u32, u32>),
}

/// A WebSocket of frames.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: WebSocket,
    form: Form,
    is_unflushed: bool,
    /// Texts that wait for room, the next one first.
    waiting: VecDeque<String>,
    /// Overrides the close code.
    close_code: Option<u16>,
    is_close_sent: bool,
}

impl Socket {
    /// A socket of `protocol`, one of [`BINARY`] and [`TEXT`].
    pub(crate) fn new(inner: WebSocket, protocol: &str) -> Self {
        let form = if protocol == TEXT { Form::Text(BTreeMap::new()) } else { Form::Binary };
        Self {
            inner,
            form,
            is_unflushed: false,
            waiting: VecDeque::new(),
            close_code: None,
            is_close_sent: false,
        }
    }

    fn take(&mut self, message: Message, into: &mut BytesMut) -> bool {
        match (message, &mut self.form) {
            (Message::Binary(bytes), Form::Binary) => into.extend_from_slice(&bytes),
            (Message::Text(text), Form::Text(methods)) => {
                if let Err(error) = read_text(text.as_bytes(), methods, into) {
                    self.waiting.extend(farewell(&error));
                    self.close_code = close_code(close_reason::PROTOCOL_ERROR);
                    return false;
                }
            }
            (Message::Ping(_) | Message::Pong(_), _) => self.is_unflushed = true,
            (Message::Close(_), _) => return false,
            (Message::Binary(_), Form::Text(_)) | (Message::Text(_), Form::Binary) => {
                self.close_code = Some(UNSUPPORTED_DATA);
                return false;
            }
        }
        true
    }
}

impl Wire for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        let message = match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            None => return Poll::Ready(Ok(false)),
        };
        Poll::Ready(Ok(self.take(message, into)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, frames: &mut Bytes) -> Poll<io::Result<()>> {
        if let Form::Text(methods) = &mut self.form
            && !frames.is_empty()
        {
            let frames = std::mem::take(frames);
            self.waiting.extend(write_texts(&frames, methods).map_err(io::Error::other)?);
        }
        if !frames.is_empty() || !self.waiting.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_ready(cx)).map_err(io::Error::other)?;
            let message = match self.waiting.pop_front() {
                Some(text) => Message::Text(text.into()),
                None => Message::Binary(std::mem::take(frames)),
            };
            Pin::new(&mut self.inner).start_send(message).map_err(io::Error::other)?;
            self.is_unflushed = true;
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.inner).poll_flush(cx)).map_err(io::Error::other)?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn is_writing(&self) -> bool {
        self.is_unflushed || !self.waiting.is_empty()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, reason: u32) -> Poll<()> {
        if !self.is_close_sent {
            if ready!(Pin::new(&mut self.inner).poll_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            if let Some(text) = self.waiting.pop_front() {
                let sent = Pin::new(&mut self.inner).start_send(Message::Text(text.into()));
                // Room for the close itself is asked for again.
                return if sent.is_err() { Poll::Ready(()) } else { self.poll_close(cx, reason) };
            }
            self.is_close_sent = true;
            let code = self.close_code.or_else(|| close_code(reason)).unwrap_or(CLOSE_BASE);
            let frame = CloseFrame { code, reason: "".into() };
            if Pin::new(&mut self.inner).start_send(Message::Close(Some(frame))).is_err() {
                return Poll::Ready(());
            }
        }
        Pin::new(&mut self.inner).poll_close(cx).map(drop)
    }
}

fn close_code(reason: u32) -> Option<u16> {
    u16::try_from(reason).ok().and_then(|reason| CLOSE_BASE.checked_add(reason))
}

/// Envelopes of a text as frames; notes the methods of requests.
pub(crate) fn read_text(
    text: &[u8],
    methods: &mut BTreeMap<u32, u32>,
    into: &mut BytesMut,
) -> Result<(), JsonError> {
    for envelope in json::from_json(text, TEXT_BYTES_MAX, &|_| None)? {
        if let Some(Arm::Request(request)) = &envelope.frame
            && methods.len() < METHODS_MAX
        {
            methods.insert(envelope.id, request.method);
        }
        json::put_envelope(into, &envelope)?;
    }
    Ok(())
}

/// Whole frames as texts of at most 64 envelopes.
pub(crate) fn write_texts(
    frames: &[u8],
    methods: &mut BTreeMap<u32, u32>,
) -> Result<Vec<String>, JsonError> {
    let mut reader = FrameReader::new(FrameLimits::DOWN);
    let mut envelopes = Vec::new();
    let mut rest = frames;
    while !rest.is_empty() || reader.buffered() > 0 {
        let taken = reader.push(rest);
        rest = &rest[taken..];
        let Some(frame) = reader.next()? else { break };
        envelopes.push(json::envelope_of(&frame)?);
    }
    let mut texts = Vec::with_capacity(1);
    for part in envelopes.chunks(json::ENVELOPES_MAX) {
        texts.push(json::to_json(part, &|id| methods.get(&id).copied())?);
    }
    for envelope in &envelopes {
        if matches!(envelope.frame, Some(Arm::Response(_) | Arm::Error(_))) {
            methods.remove(&envelope.id);
        }
    }
    Ok(texts)
}

/// The last envelope to a peer whose text is none.
fn farewell(error: &JsonError) -> Option<String> {
    let close = Close {
        reason: close_reason::PROTOCOL_ERROR,
        code: error.code().number(),
        retry_after_ms: 0,
        text: error.to_string(),
    };
    let envelope = Envelope { id: 0, last: true, frame: Some(Arm::Close(close)) };
    json::to_json(&[envelope], &|_| None).ok()
}
