//! Frames, messages, text.

use bytes::{Bytes, BytesMut};
use tenon_base::digest::mix64;
use tenon_wire::frame::ChunkAssembler;
use tenon_wire::json::{envelope_of, from_json, put_envelope, to_json};
use tenon_wire::v1::*;
use tenon_wire::{Bounded, Frame, FrameError, FrameLimits, FrameReader};

pub(super) const FRAME_WORDS: &[&[u8]] = &[
    &[0x41, 1, 1, 2],
    &[0x41, 4, 0, 0],
    &[0x40, 31, 1, 1, 7],
    &[0x43, 4, 0, 2, 1, 0],
    &[0x51, 10, 2, 4],
    &[0x41, 30, 2, 2, 8, 1],
    &[0x41, 32, 2, 0],
    &[0x41, 6, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0x00],
];
pub(super) const PROTOBUF_WORDS: &[&[u8]] = &[
    &[0x0a, 0],
    &[0x12, 0],
    &[0x1a, 0],
    &[0x22, 0],
    &[0x2a, 0],
    &[0x32, 0],
    &[0x08, 1],
    &[0x10, 1],
    &[0x0b],
    &[0x0c],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
];
pub(super) const JSON_WORDS: &[&[u8]] = &[
    b"\"id\":",
    b"\"content\":",
    b"\"body\":",
    b"\"kind\":",
    b"\"type\":",
    b"\"method\":",
    b"\"request\":",
    b"\"send\":",
    b"\"response\":",
    b"\"eventBatch\":",
    b"null",
    b"{}",
    b"[]",
    b"[[",
    b"\"\\ud800\"",
    b"1e999",
    b"-0",
    b"18446744073709551615",
    b"\"NaN\"",
    b"mergeForward",
    b"0,",
];

/// Hands over the frames of a stream of bytes, cut as `cuts` says; the error that ended it, if one did.
fn each_frame(
    bytes: &[u8],
    limits: FrameLimits,
    cuts: &[u8],
    mut each: impl FnMut(Frame),
) -> Option<FrameError> {
    let mut reader = FrameReader::new(limits);
    let mut rest = bytes;
    let mut cuts = cuts.iter().map(|cut| usize::from(*cut) + 1).cycle();
    while !rest.is_empty() {
        let piece = cuts.next().unwrap_or(usize::MAX).min(rest.len());
        let taken = reader.push(&rest[..piece]);
        assert!(reader.buffered() <= limits.buffer_bytes_max, "the buffer has a bound");
        assert!(taken > 0, "there is always room after `next` said none");
        rest = &rest[taken..];
        loop {
            match reader.next() {
                Ok(Some(frame)) => each(frame),
                Ok(None) => break,
                Err(error) => return Some(error),
            }
        }
    }
    None
}

/// Count and digest of the frames, and how they ended: what must not depend on the cuts.
fn summary(bytes: &[u8], limits: FrameLimits, cuts: &[u8]) -> (u64, u64, Option<FrameError>) {
    let (mut count, mut digest) = (0, 0);
    let error = each_frame(bytes, limits, cuts, |frame| {
        count += 1;
        let head = u64::from(frame.kind) << 40 | u64::from(frame.id) << 8 | u64::from(frame.last);
        digest = mix64(digest ^ head ^ mix64(frame.payload.len() as u64));
        for byte in frame.payload.iter().chain(&frame.ext) {
            digest = mix64(digest ^ u64::from(*byte));
        }
    });
    (count, digest, error)
}

/// The cuts do not matter, and pieces join within their bounds.
pub(super) fn frames(input: &[u8]) {
    let cuts = &input[..input.len().min(8)];
    for limits in [FrameLimits::BEFORE_LOGIN, FrameLimits::UP, FrameLimits::DOWN] {
        assert_eq!(
            summary(input, limits, &[]),
            summary(input, limits, cuts),
            "cuts change nothing"
        );
        let mut pieces = ChunkAssembler::default();
        let mut has_failed = false;
        each_frame(input, limits, &[], |frame| {
            let len = frame.payload.len();
            match pieces.take(frame) {
                _ if has_failed => {}
                Ok(Some(joined)) => assert!(joined.payload.len() >= len && joined.last),
                Ok(None) => {}
                Err(_) => has_failed = true,
            }
        });
    }
}

macro_rules! messages {
    ($(#[$doc:meta])* $run:ident, $names:ident: $($message:ident)*) => {
        $(#[$doc])*
        pub(super) fn $run(input: &[u8]) {
            let Some((number, rest)) = input.split_first() else { return };
            let judges: &[fn(&[u8])] = &[$(comes_back::<$message>),*];
            if let Some(judge) = judges.get(usize::from(*number)) {
                judge(rest);
            }
        }

        /// Their names, in the order of their numbers.
        pub(super) const $names: &[&str] = &[$(stringify!($message)),*];
    };
}

messages! {
    /// The first byte is the number of the message, the rest the message.
    messages_up, UP:
    Hello Ping Close NetHint Watch Send Op ReadMarks Ack Subscribe Ephemeral ReadRequest Cancel ErrorInfo Content
    GetConvDiff GetConvList GetConvItems GetHistory GetMessages SeqAtTime GetInbox GetDigest GetListDigest LookupSend
    GetRoster SearchRoster GetEntities GetCollection GetReceipts GetReaders GetReactions GetMentions Search GetPresence
    GetConvDiffs ResolveNames Edit React AddMembers RemoveMembers PutSetting CreateConversation
}

messages! {
    /// The same for what goes down.
    messages_down, DOWN:
    HelloAck GoAway Pong Close SendAck OpAck ReadMarksAck EventBatch Rebase UnitState ConvTips ConvDiff Ephemeral
    DeviceBatch ReadResponse ErrorInfo Content
}

/// A message that decodes is written again and decodes to an equal one, within the same bounds.
fn comes_back<M: Bounded + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = M::decode_bounded(Bytes::copy_from_slice(bytes)) else { return };
    let written = Bytes::from(message.encode_to_vec());
    let again = M::decode_bounded(written.clone());
    // Bytes, not values: a number may be NaN.
    let again = again.as_ref().map(tenon_wire::Message::encode_to_vec);
    assert_eq!(again.ok().as_deref(), Some(&written[..]), "what is written decodes to the same");
}

/// The method of a request in a test of text: any, the same for one id.
const fn method_of(id: u32) -> Option<u32> {
    Some(id % 24)
}

/// Text that is read is written, and what is written is read as the same; every envelope is a frame or refused.
pub(super) fn json(input: &[u8]) {
    let Ok(envelopes) = from_json(input, 128 * 1024, &method_of) else { return };
    let text = text_of(&envelopes);
    assert_eq!(text, text_of(&read_text(&text)), "text comes back");
    for envelope in &envelopes {
        let mut out = BytesMut::new();
        if put_envelope(&mut out, envelope).is_ok() {
            let (count, _, error) = summary(&out, FrameLimits::DOWN, &[]);
            assert!(error.is_none() && count <= 1, "an envelope is one frame: {error:?}");
        }
    }
}

/// A frame that is a message has a text, and the text is that message.
pub(super) fn json_of_frames(input: &[u8]) {
    each_frame(input, FrameLimits::UP, &[], |frame| {
        let Ok(envelope) = envelope_of(&frame) else { return };
        // A number that is none of a closed enum has no text.
        let Ok(text) = to_json(std::slice::from_ref(&envelope), &method_of) else { return };
        // A body with nothing in it but unknown fields is shown as empty, so the first text is the form to come back.
        let text = text_of(&read_text(&text));
        assert_eq!(text, text_of(&read_text(&text)), "the text of a frame comes back");
        let mut out = BytesMut::new();
        assert!(put_envelope(&mut out, &envelope).is_ok(), "an envelope of a frame is a frame");
    });
}

fn text_of(envelopes: &[Envelope]) -> String {
    let text = to_json(envelopes, &method_of);
    assert!(text.is_ok(), "what is decoded has a text: {text:?}");
    text.unwrap_or_default()
}

fn read_text(text: &str) -> Vec<Envelope> {
    let read = from_json(text.as_bytes(), usize::MAX, &method_of);
    assert!(read.is_ok(), "our own text is read: {read:?} from {text}");
    read.unwrap_or_default()
}
