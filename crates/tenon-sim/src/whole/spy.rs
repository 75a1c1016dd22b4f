//! What goes over a connection, frame by frame: speaks for newer servers and newer devices, and counts what is under way.
//!
//! Every build of a peer must bear what it does not know (I19). So some devices here talk to a server that has kinds of
//! events, fields, extensions and frames that they do not know, and some are newer than the server in the same way.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use tenon_base::limits;
use tenon_wire::frame::{encode_frame, encode_frame_with};
use tenon_wire::{
    Frame, FrameHeader, FrameLimits, FrameReader, Message as _, event_type, kind, v1,
};

/// What is added to the number of an event that a device does not know.
const UNKNOWN_TYPE: u32 = 9_000;
/// A kind of frame that nobody knows and everybody skips.
const UNKNOWN_KIND: u8 = 200;
/// An extension that nobody knows and everybody skips: its tag is even.
const UNKNOWN_EXT: u32 = 100;
/// A field that nobody knows: number 2047, with the text "later".
pub(super) const UNKNOWN_FIELD: &[u8] = &[0xFA, 0x7F, 5, b'l', b'a', b't', b'e', b'r'];

/// Events that a device was told and does not know, by queue epoch and pts.
pub(super) type Unknown = BTreeMap<(u32, u64), v1::SyncEvent>;

/// How old the device of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Of the server's build.
    Same,
    /// The server is newer.
    Older,
    /// The server is older.
    Newer,
}

/// A batch without ack: queue epoch and end, bytes, events.
type Open = ((u32, u64), usize, usize);

/// Both directions of one connection.
#[derive(Debug)]
pub(super) struct Spy {
    age: Age,
    up: FrameReader,
    down: FrameReader,
    window: usize,
    open: VecDeque<Open>,
    /// Where the last batch ended.
    last: u64,
    /// The server said that the device's store fell back.
    pub(super) tells_fall: bool,
    /// The device asked for the stream from here.
    asked_from: Option<u64>,
}

impl Spy {
    pub(super) fn new(age: Age, window: usize) -> Self {
        Self {
            age,
            up: FrameReader::new(FrameLimits::UP),
            down: FrameReader::new(FrameLimits::DOWN),
            window,
            open: VecDeque::new(),
            last: 0,
            tells_fall: false,
            asked_from: None,
        }
    }

    /// What the device writes, as it goes over the wire.
    pub(super) fn up(&mut self, bytes: Bytes) -> Bytes {
        let frames = frames(&mut self.up, &bytes);
        for frame in &frames {
            match frame.kind {
                kind::ACK | kind::PING => {
                    let ack = if frame.kind == kind::PING {
                        let ping = v1::Ping::decode(frame.payload.clone()).unwrap_or_default();
                        ping.ack.unwrap_or_default()
                    } else {
                        v1::Ack::decode(frame.payload.clone()).unwrap_or_default()
                    };
                    let covers =
                        |end: (u32, u64)| ack.cursors.iter().any(|c| (c.queue_epoch, c.pts) >= end);
                    self.open.retain(|(end, _, _)| !covers(*end));
                }
                kind::SUBSCRIBE => {
                    let asked = v1::Subscribe::decode(frame.payload.clone()).unwrap_or_default();
                    self.asked_from = Some(asked.from_pts);
                }
                _ => {}
            }
        }
        if self.age == Age::Newer { grown(frames) } else { bytes }
    }

    /// What the server writes, as it goes over the wire. Events that an older device does not know are noted in `unknown`;
    /// what breaks the bounds of the connection is the error.
    pub(super) fn down(&mut self, bytes: Bytes, unknown: &mut Unknown) -> Result<Bytes, String> {
        let mut frames = frames(&mut self.down, &bytes);
        let greeting = frames.iter().find(|frame| frame.kind == kind::HELLO_ACK);
        if let Some(frame) = greeting {
            let ack = v1::HelloAck::decode(frame.payload.clone()).unwrap_or_default();
            self.tells_fall = ack.store_rolled_back;
        }
        for frame in frames.iter_mut().filter(|frame| frame.kind == kind::EVENT_BATCH) {
            let batch = v1::EventBatch::decode(frame.payload.clone()).unwrap_or_default();
            self.count(&batch, frame.payload.len())?;
            if self.age == Age::Older {
                frame.payload = strange(batch, unknown).encode_to_vec().into();
            }
        }
        Ok(if self.age == Age::Older { grown(frames) } else { bytes })
    }

    /// Without an ack no more than the window may be under way, or one batch.
    fn count(&mut self, batch: &v1::EventBatch, bytes: usize) -> Result<(), String> {
        if batch.from_pts != self.last || self.asked_from == Some(batch.from_pts) {
            self.open.clear();
            self.asked_from = None;
        }
        self.last = batch.to_pts;
        self.open.push_back(((batch.queue_epoch, batch.to_pts), bytes, batch.events.len()));
        let bytes: usize = self.open.iter().map(|(_, bytes, _)| bytes).sum();
        let events: usize = self.open.iter().map(|(_, _, events)| events).sum();
        if self.open.len() > 1 && (bytes > self.window || events > limits::BATCH_EVENTS_MAX) {
            return Err(format!(
                "{events} events of {bytes} bytes wait for an ack, the window has {}",
                self.window
            ));
        }
        Ok(())
    }
}

/// The frames that are whole now.
fn frames(reader: &mut FrameReader, mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        let taken = reader.push(bytes);
        bytes = &bytes[taken..];
        while let Some(frame) = reader.next().expect("peers of one build frame well") {
            frames.push(frame);
        }
        if bytes.is_empty() {
            return frames;
        }
    }
}

/// Frames as a newer peer writes them: with a field, an extension and a frame more.
fn grown(frames: Vec<Frame>) -> Bytes {
    let mut out = BytesMut::new();
    for frame in frames {
        let Frame { kind, id, prio, last, comp, mut payload, .. } = frame;
        if last && payload.len() < limits::FRAME_UP_BYTES_MAX / 2 {
            payload = [&payload[..], UNKNOWN_FIELD].concat().into();
        }
        let header = FrameHeader { kind, id, prio, comp, last };
        encode_frame_with(&mut out, header, &[(UNKNOWN_EXT, b"later")], &payload)
            .expect("it had room for more");
        encode_frame(&mut out, FrameHeader::new(UNKNOWN_KIND, 0), b"later").expect("it is small");
    }
    out.freeze()
}

/// Receipts and pins become events of kinds that the device does not know.
fn strange(mut batch: v1::EventBatch, unknown: &mut Unknown) -> v1::EventBatch {
    for event in &mut batch.events {
        if matches!(event.r#type, event_type::RECEIPT | event_type::SUMMARY_CHANGED) {
            event.r#type += UNKNOWN_TYPE;
            unknown.insert((batch.queue_epoch, event.pts), event.clone());
        }
    }
    batch
}
