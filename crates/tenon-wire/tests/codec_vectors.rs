//! The frozen vectors of the codec, `vectors/v01-codec.jsonl`: one case a line, run whole and byte by byte.
//!
//! To write the file anew after a reasoned change: `TENON_WRITE_VECTORS=1 cargo test -p tenon-wire --test codec_vectors`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the whole file is a test; its helpers stand outside the test functions"
)]

use std::path::PathBuf;

use bytes::BytesMut;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};
use serde_json::{Value, json};
use tenon_wire::frame::{ChunkAssembler, encode_frame, encode_frame_with};
use tenon_wire::json::{envelope_of, from_json, put_envelope, to_json};
use tenon_wire::{Frame, FrameHeader, FrameLimits, FrameReader, kind};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/v01-codec.jsonl")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// What a reader makes of `bytes`, cut into pieces of `piece`: frames as JSON, then perhaps one error.
fn run(limits: &str, bytes: &[u8], piece: usize) -> (Vec<Value>, Vec<Frame>) {
    let mut reader = FrameReader::new(match limits {
        "before_login" => FrameLimits::BEFORE_LOGIN,
        "up" => FrameLimits::UP,
        _ => FrameLimits::DOWN,
    });
    let (mut out, mut frames, mut chunks) = (Vec::new(), Vec::new(), ChunkAssembler::default());
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = reader.push(&rest[..piece.min(rest.len())]);
        rest = &rest[taken..];
        loop {
            let whole = match reader.next() {
                Ok(None) => break,
                Ok(Some(frame)) => chunks.take(frame),
                Err(error) => Err(error),
            };
            match whole {
                Ok(None) => {}
                Ok(Some(frame)) => {
                    out.push(json!({"kind": frame.kind, "id": frame.id, "prio": frame.prio as u8,
                        "ext": hex(&frame.ext), "payload": hex(&frame.payload)}));
                    frames.push(frame);
                }
                Err(error) => {
                    out.push(json!({"error": error.code().text()}));
                    return (out, frames);
                }
            }
        }
    }
    (out, frames)
}

/// Writes every field of a message at its largest, in order of numbers; of a oneof only the first arm.
fn largest(set: &FileDescriptorSet, name: &str) -> Vec<u8> {
    let of = |m: &&DescriptorProto| m.name() == name;
    let message = set.file.iter().flat_map(|f| &f.message_type).find(of).unwrap();
    let mut fields: Vec<_> = message.field.iter().collect();
    fields.sort_by_key(|f| f.number());
    let mut out = Vec::new();
    let mut oneofs = Vec::new();
    for field in fields {
        if let Some(one) = field.oneof_index {
            if oneofs.contains(&one) {
                continue;
            }
            oneofs.push(one);
        }
        let tag = field.number().cast_unsigned();
        let is_repeated = field.label() == Label::Repeated;
        let (wire, value) = match field.r#type() {
            Type::Uint64 => (WireType::Varint, varint(u64::MAX)),
            Type::Uint32 => (WireType::Varint, varint(u64::from(u32::MAX))),
            Type::Bool | Type::Enum => (WireType::Varint, varint(1)),
            Type::Fixed64 => (WireType::SixtyFourBit, vec![0xFF; 8]),
            Type::Double => (WireType::SixtyFourBit, 1.5_f64.to_le_bytes().to_vec()),
            Type::Fixed32 => (WireType::ThirtyTwoBit, vec![0xFF; 4]),
            Type::String => (WireType::LengthDelimited, "\u{1F600}\"\\\u{0}".as_bytes().to_vec()),
            Type::Bytes => (WireType::LengthDelimited, vec![0, 0xFF]),
            Type::Message => {
                let short = field.type_name().rsplit('.').next().unwrap();
                let is_map = short.ends_with("Entry");
                // A map entry: key "k", value "v".
                let value =
                    if is_map { b"\x0a\x01k\x12\x01v".to_vec() } else { largest(set, short) };
                put(&mut out, tag, WireType::LengthDelimited, &value);
                if is_repeated && !is_map {
                    put(&mut out, tag, WireType::LengthDelimited, &value);
                }
                continue;
            }
            other => panic!("no rule for {other:?}"),
        };
        match (is_repeated, wire) {
            (true, WireType::LengthDelimited) => {
                put(&mut out, tag, wire, &value);
                put(&mut out, tag, wire, &value);
            }
            (true, _) => {
                put(&mut out, tag, WireType::LengthDelimited, &[&value[..], &value[..]].concat())
            }
            _ => put(&mut out, tag, wire, &value),
        }
    }
    out
}

fn varint(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_varint(value, &mut out);
    out
}

fn put(out: &mut Vec<u8>, tag: u32, wire: WireType, value: &[u8]) {
    encode_key(tag, wire, out);
    if wire == WireType::LengthDelimited {
        encode_varint(value.len() as u64, out);
    }
    out.extend_from_slice(value);
}

fn frame(kind: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_frame(&mut out, FrameHeader::new(kind, id), payload).unwrap();
    out.to_vec()
}

#[derive(Default)]
struct Cases(Vec<Value>);

impl Cases {
    /// A case about frames alone.
    fn bytes(&mut self, desc: &str, limits: &str, bytes: &[u8]) {
        let out = run(limits, bytes, usize::MAX).0;
        let id = format!("v01-{:03}", self.0.len() + 1);
        self.0.push(json!({"id": id, "desc": desc, "config": {"limits": limits},
            "steps": [{"in": hex(bytes), "out": out}]}));
    }

    /// A case about one message: its JSON form, or `bad_message`.
    fn message(&mut self, desc: &str, bytes: &[u8]) {
        self.bytes(desc, "down", bytes);
        let frame = run("down", bytes, usize::MAX).1.remove(0);
        let form = match envelope_of(&frame) {
            Ok(envelope) => {
                serde_json::from_str(&to_json(&[envelope], &|_| None).unwrap()).unwrap()
            }
            Err(error) => json!({"error": error.code().text()}),
        };
        if let Some(case) = self.0.last_mut() {
            case["json"] = form;
        }
    }
}

fn headers(cases: &mut Cases) {
    let edges: [(&str, &[u8]); 27] = [
        ("smallest frame", &[0x41, 4, 0, 0]),
        ("two frames", &[0x41, 4, 0, 0, 0x41, 21, 0, 0]),
        ("version 0", &[0x01, 4, 0, 0]),
        ("version 2", &[0x81, 4, 0, 0]),
        ("version 3", &[0xC1, 4, 0, 0]),
        ("prio 1", &[0x51, 4, 0, 0]),
        ("prio 3", &[0x71, 4, 0, 0]),
        ("comp 3", &[0x4D, 4, 0, 0]),
        ("piece of a ping", &[0x40, 4, 0, 0]),
        ("kind 0", &[0x41, 0, 0, 0]),
        ("kind 9 is not given", &[0x41, 9, 0, 0]),
        ("kind 64 is unknown", &[0x41, 64, 0, 0]),
        ("kind 127 is unknown", &[0x41, 127, 0, 0]),
        ("kind 128 is skipped", &[0x41, 128, 0, 2, 9, 9, 0x41, 4, 0, 0]),
        ("kind 255 is skipped", &[0x40, 255, 7, 1, 9, 0x41, 4, 0, 0]),
        ("id of two bytes", &[0x41, 10, 0x80, 0x01, 0]),
        ("largest id", &[0x41, 10, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0]),
        ("id above 32 bits", &[0x41, 10, 0xFF, 0xFF, 0xFF, 0xFF, 0x10, 0]),
        ("id of six bytes", &[0x41, 10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0]),
        ("long varint of 0 as id", &[0x41, 10, 0x80, 0x00, 0]),
        ("long varint of 1 as len", &[0x41, 10, 0, 0x81, 0x00, 7]),
        ("truncated after kind", &[0x41, 10]),
        ("truncated in len", &[0x41, 10, 0, 0x80]),
        ("truncated in payload", &[0x41, 10, 0, 2, 1]),
        ("ext without total", &[0x43, 10, 1, 0]),
        ("ext total above frame", &[0x43, 10, 1, 1, 5]),
        ("ext entry above total", &[0x43, 10, 1, 3, 2, 2, 9]),
    ];
    for (desc, bytes) in edges {
        cases.bytes(desc, "up", bytes);
    }
    let sizes: [(&str, &str, &[u8]); 6] = [
        ("hello of 8,193 bytes", "before_login", &[0x41, 1, 1, 0x81, 0x40]),
        ("hello of 8,193 bytes to a live link", "up", &[0x41, 1, 1, 0x81, 0x40]),
        ("send of 65,536 bytes, not yet there", "up", &[0x51, 10, 1, 0x80, 0x80, 0x04]),
        ("send of 65,537 bytes", "up", &[0x51, 10, 1, 0x81, 0x80, 0x04]),
        ("batch of 262,145 bytes", "down", &[0x51, 20, 0, 0x81, 0x80, 0x10]),
        ("skipped kind of 65,537 bytes", "up", &[0x41, 200, 0, 0x81, 0x80, 0x04]),
    ];
    for (desc, limits, bytes) in sizes {
        cases.bytes(desc, limits, bytes);
    }
    for tag in [2, 3, 4, 5, 6, 1, 1_000, 1_001] {
        let mut out = BytesMut::new();
        let header = FrameHeader::new(kind::SEND, 1);
        encode_frame_with(&mut out, header, &[(2, &[7; 25]), (tag, b"x")], b"p").unwrap();
        cases.bytes(&format!("extension {tag}"), "up", &out);
    }
}

fn pieces(cases: &mut Cases) {
    let piece = |id: u32, last: bool, payload: &[u8]| {
        let mut out = BytesMut::new();
        let header = FrameHeader { last, ..FrameHeader::new(kind::RESPONSE, id) };
        encode_frame(&mut out, header, payload).unwrap();
        out.to_vec()
    };
    let joined = [piece(1, false, b"ab"), piece(2, true, b"x"), piece(1, true, b"c")].concat();
    cases.bytes("pieces join around a whole response", "down", &joined);
    let live = [piece(1, false, b"a"), frame(kind::PONG, 0, b""), piece(1, true, b"")].concat();
    cases.bytes("a pong between pieces", "down", &live);
    cases.bytes("empty piece before the last", "down", &piece(1, false, b""));
    cases.bytes("piece without id", "down", &piece(0, false, b"a"));
    let ended = [piece(1, false, b"a"), frame(kind::ERROR, 1, b""), piece(1, true, b"b")].concat();
    cases.bytes("an error ends the pieces of its id", "down", &ended);
    let nine: Vec<u8> = (1..=9).flat_map(|id| piece(id, false, b"a")).collect();
    cases.bytes("nine open responses", "down", &nine);
}

fn messages(cases: &mut Cases, set: &FileDescriptorSet) {
    let arms =
        set.file.iter().flat_map(|f| &f.message_type).find(|m| m.name() == "Envelope").unwrap();
    let arms = arms.field.iter().filter(|f| f.oneof_index.is_some());
    for arm in arms {
        let (number, name) = (u8::try_from(arm.number()).unwrap(), arm.name());
        let message = arm.type_name().rsplit('.').next().unwrap();
        let full = largest(set, message);
        cases.message(&format!("{name}: empty"), &frame(number, 0, b""));
        cases.message(
            &format!("{name}: unknown fields"),
            &frame(number, 1, &[0xA0, 0x38, 1, 0xA2, 0x38, 1, 7]),
        );
        if !full.is_empty() {
            cases.message(&format!("{name}: largest"), &frame(number, u32::MAX, &full));
            cases
                .message(&format!("{name}: truncated"), &frame(number, 1, &full[..full.len() - 1]));
        }
    }
}

/// Commands by type, and the message that is their body.
const OPS: &[(u64, &str)] = &[
    (1, "Edit"),
    (2, "Recall"),
    (3, "Delete"),
    (4, "ClearHistory"),
    (5, "React"),
    (6, "PinMessage"),
    (7, "CardUpdate"),
    (8, "CardAction"),
    (9, "ConfirmNotice"),
    (10, "VoicePlayed"),
    (16, "SetConversation"),
    (17, "AddMembers"),
    (18, "RemoveMembers"),
    (20, "SetRole"),
    (21, "SetNickname"),
    (22, "MuteMember"),
    (23, "TransferOwner"),
    (24, "DecideJoin"),
    (64, "SetSummary"),
    (65, "PutSetting"),
    (66, "PutFolder"),
    (67, "PutStar"),
    (68, "PutSticker"),
    (69, "SetProfile"),
    (70, "SetStatus"),
    (71, "AskContact"),
    (72, "AnswerContact"),
    (73, "RemoveContact"),
    (74, "SetRemark"),
    (75, "BlockUser"),
    (76, "CreateConversation"),
    (77, "OpenDirect"),
    (78, "JoinConversation"),
    (79, "ScheduleSend"),
    (80, "PutPushToken"),
    (81, "RemoveDevice"),
    (82, "Report"),
];

/// Events of a queue or conversation by type, and their body.
const EVENTS: &[(u64, &str)] = &[
    (1, "Content"),
    (3, "Recalled"),
    (4, "CardUpdated"),
    (5, "ReactionsChanged"),
    (6, "PinsChanged"),
    (10, "MembersChanged"),
    (11, "ConversationChanged"),
    (12, "ModeChanged"),
    (14, "Moved"),
    (15, "ResetTo"),
    (48, "PrivateChanged"),
    (50, "OverlayChanged"),
    (64, "ReadMarked"),
    (65, "SummaryChanged"),
    (66, "Receipt"),
    (67, "MentionPointer"),
    (68, "ConversationAdded"),
    (69, "ConversationRemoved"),
    (70, "SendFailed"),
    (71, "OpOutcome"),
    (72, "CollectionChanged"),
    (73, "EntityHint"),
    (112, "AppEvent"),
];

/// Requests by method, and their body.
const REQUESTS: &[(u64, &str)] = &[
    (1, "GetConvDiff"),
    (2, "GetConvList"),
    (3, "GetConvItems"),
    (4, "GetHistory"),
    (5, "GetMessages"),
    (6, "SeqAtTime"),
    (7, "GetInbox"),
    (8, "GetDigest"),
    (10, "LookupSend"),
    (11, "GetRoster"),
    (12, "SearchRoster"),
    (13, "GetEntities"),
    (14, "GetCollection"),
    (15, "GetReceipts"),
    (16, "GetReaders"),
    (17, "GetReactions"),
    (18, "GetMentions"),
    (19, "Search"),
    (20, "GetPresence"),
    (21, "GetConvDiffs"),
    (22, "ResolveNames"),
];

/// Bodies of commands, events and requests, opened as content.
fn bodies(cases: &mut Cases, set: &FileDescriptorSet) {
    let holder = |type_tag: u32, number: u64, body_tag: u32, body: &str| {
        let mut out = Vec::new();
        put(&mut out, type_tag, WireType::Varint, &varint(number));
        put(&mut out, body_tag, WireType::LengthDelimited, &largest(set, body));
        out
    };
    for &(number, body) in OPS {
        cases.message(&format!("op {body}"), &frame(kind::OP, 1, &holder(4, number, 5, body)));
    }
    for &(number, body) in EVENTS {
        let mut batch = Vec::new();
        put(&mut batch, 5, WireType::LengthDelimited, &holder(2, number, 15, body));
        cases.message(&format!("event {body}"), &frame(kind::EVENT_BATCH, 0, &batch));
    }
    for &(number, body) in REQUESTS {
        cases.message(
            &format!("request {body}"),
            &frame(kind::REQUEST, 1, &holder(1, number, 2, body)),
        );
    }
}

fn written() -> String {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = ["tenon/v1/body.proto", "tenon/v1/envelope.proto"];
    let set = protox::compile(files, [proto]).unwrap();
    let mut cases = Cases::default();
    headers(&mut cases);
    pieces(&mut cases);
    messages(&mut cases, &set);
    bodies(&mut cases, &set);
    cases.0.iter().map(|case| format!("{case}\n")).collect()
}

/// The writer still gives the frozen file: no byte of the wire has changed unseen.
#[test]
fn file_is_what_the_writer_gives() {
    if option_env!("TENON_WRITE_VECTORS").is_some() {
        std::fs::write(file(), written()).unwrap();
    }
    let frozen = std::fs::read_to_string(file()).unwrap();
    for (ours, frozen) in written().lines().zip(frozen.lines()) {
        assert_eq!(ours, frozen);
    }
    assert_eq!(written().lines().count(), frozen.lines().count());
}

/// Every case, whole and byte by byte; where it has a JSON form, that form is the same frame again.
#[test]
fn cases_hold() {
    let text = std::fs::read_to_string(file()).unwrap();
    assert!(text.lines().count() >= 200);
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = format!("{} {}", case["id"], case["desc"]);
        let limits = case["config"]["limits"].as_str().unwrap();
        let bytes = unhex(case["steps"][0]["in"].as_str().unwrap());
        let expected = case["steps"][0]["out"].as_array().unwrap();
        let (whole, frames) = run(limits, &bytes, usize::MAX);
        assert_eq!(&whole, expected, "{name}");
        assert_eq!(&run(limits, &bytes, 1).0, expected, "{name}, byte by byte");
        let Some(form) = case.get("json") else { continue };
        if let Some(error) = form.get("error").and_then(Value::as_str) {
            assert_eq!(envelope_of(&frames[0]).unwrap_err().code().text(), error, "{name}");
            continue;
        }
        let envelope = envelope_of(&frames[0]).unwrap();
        let read = from_json(form.to_string().as_bytes(), 1 << 20, &|_| None).unwrap();
        assert_eq!(read, [envelope], "{name}: JSON and protobuf differ");
        if !name.contains("unknown fields") {
            let mut again = BytesMut::new();
            put_envelope(&mut again, &read[0]).unwrap();
            assert_eq!(hex(&again), hex(&bytes), "{name}: bytes differ");
        }
    }
}
