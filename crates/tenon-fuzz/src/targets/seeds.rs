//! Inputs made by our own encoders, by the fixtures of releases and by the vectors: what a mutation starts from.

use std::io::{Cursor, Write as _};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tenon_embedded::log::frame::{FLAG_LAST, Frame, Place, frame_bytes};
use tenon_embedded::log::segment::{self, Device, Footer, FooterEntry, Header};
use tenon_store::fuzz;
use tenon_wire::json::put_envelope;
use tenon_wire::v1::{Envelope, Ephemeral, Hello, Op, ReadRequest, SyncEvent};
use tenon_wire::{FrameHeader, FrameLimits, FrameReader, Message as _, kind};

use super::wire;

/// Lines of a file of vectors; none if the sources are not here.
fn vectors(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16);
    let pair = |two: &[u8]| Some((digit(two[0])? * 16 + digit(*two.get(1)?)?) as u8);
    text.as_bytes().chunks(2).map(pair).collect()
}

/// Frames of the codec vectors, each as bytes.
pub(super) fn frames() -> Vec<Vec<u8>> {
    let steps = vectors("v01-codec.jsonl");
    let steps = steps.iter().filter_map(|v| v["steps"].as_array()).flatten();
    let mut all: Vec<Vec<u8>> = steps.filter_map(|step| from_hex(step["in"].as_str()?)).collect();
    all.push(pieces());
    all
}

/// An answer in three pieces with another frame between.
fn pieces() -> Vec<u8> {
    let mut out = BytesMut::new();
    for (kind, id, last) in [(31, 2, false), (31, 2, false), (4, 0, true), (31, 2, true)] {
        let header = FrameHeader { last, ..FrameHeader::new(kind, id) };
        // Three bytes fit any frame.
        let _fits = tenon_wire::frame::encode_frame(&mut out, header, b"abc");
    }
    out.to_vec()
}

fn parsed(bytes: &[u8]) -> Vec<tenon_wire::Frame> {
    let mut reader = FrameReader::new(FrameLimits::DOWN);
    reader.push(bytes);
    std::iter::from_fn(|| reader.next().ok().flatten()).collect()
}

/// Which message a frame of this kind is; empty for one that is a list item or nothing.
const fn message_of(number: u8) -> &'static str {
    match number {
        kind::HELLO => "Hello",
        kind::HELLO_ACK => "HelloAck",
        kind::GO_AWAY => "GoAway",
        kind::PING => "Ping",
        kind::PONG => "Pong",
        kind::CLOSE => "Close",
        kind::NET_HINT => "NetHint",
        kind::WATCH => "Watch",
        kind::SEND => "Send",
        kind::SEND_ACK => "SendAck",
        kind::OP => "Op",
        kind::OP_ACK => "OpAck",
        kind::READ_MARKS => "ReadMarks",
        kind::READ_MARKS_ACK => "ReadMarksAck",
        kind::EVENT_BATCH => "EventBatch",
        kind::ACK => "Ack",
        kind::REBASE => "Rebase",
        kind::SUBSCRIBE => "Subscribe",
        kind::UNIT_STATE => "UnitState",
        kind::CONV_TIPS => "ConvTips",
        kind::CONV_PUSH => "ConvDiff",
        kind::EPHEMERAL => "Ephemeral",
        kind::DEVICE_BATCH => "DeviceBatch",
        kind::REQUEST => "ReadRequest",
        kind::RESPONSE => "ReadResponse",
        kind::CANCEL => "Cancel",
        kind::ERROR => "ErrorInfo",
        _ => "",
    }
}

fn numbered(number: usize, bytes: &[u8]) -> Vec<u8> {
    let number = u8::try_from(number).unwrap_or(u8::MAX);
    std::iter::once(number).chain(bytes.iter().copied()).collect()
}

/// Every field number as a number, as bytes and as eight bytes: whatever a message has, some of it is set.
fn generic() -> Vec<Vec<u8>> {
    let field = |tag: u8, wire: u8, rest: &[u8]| [&[tag << 3 | wire], rest].concat();
    let numbers: Vec<u8> = (1..16).flat_map(|tag| field(tag, 0, &[5])).collect();
    let fixed: Vec<u8> = (1..16).flat_map(|tag| field(tag, 1, &[7; 8])).collect();
    let bytes: Vec<u8> = (1..16).flat_map(|tag| field(tag, 2, &[2, 8, 1])).collect();
    vec![numbers, fixed, bytes]
}

fn messages(names: &[&str]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for (number, _) in names.iter().enumerate() {
        all.push(numbered(number, &[]));
        all.extend(generic().iter().map(|bytes| numbered(number, bytes)));
    }
    for frame in frames().iter().flat_map(|bytes| parsed(bytes)) {
        let name = message_of(frame.kind);
        if let Some(number) = names.iter().position(|n| *n == name) {
            all.push(numbered(number, &frame.payload));
        }
        let body = body_of(&frame);
        // A body is of one type; whoever else reads it learns to refuse.
        if let Some(body) = body.filter(|body| !body.is_empty()) {
            let number = body.iter().map(|b| usize::from(*b)).sum::<usize>() % names.len();
            all.push(numbered(number, &body));
        }
    }
    all
}

fn body_of(frame: &tenon_wire::Frame) -> Option<Bytes> {
    let payload = frame.payload.clone();
    match frame.kind {
        kind::OP => Op::decode(payload).ok().map(|op| op.body),
        kind::REQUEST => ReadRequest::decode(payload).ok().map(|request| request.body),
        kind::EPHEMERAL => Ephemeral::decode(payload).ok().map(|ephemeral| ephemeral.body),
        kind::EVENT_BATCH => {
            let batch = tenon_wire::v1::EventBatch::decode(payload).ok()?;
            batch.events.into_iter().next().map(|event: SyncEvent| event.body)
        }
        _ => None,
    }
}

pub(super) fn messages_up() -> Vec<Vec<u8>> {
    messages(wire::UP)
}

pub(super) fn messages_down() -> Vec<Vec<u8>> {
    messages(wire::DOWN)
}

/// Texts of the codec vectors.
pub(super) fn json() -> Vec<Vec<u8>> {
    let vectors = vectors("v01-codec.jsonl");
    let texts = vectors.iter().filter_map(|v| v.get("json"));
    texts.map(|json| json.to_string().into_bytes()).collect()
}

/// A step of a session that hands over bytes.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&[0], &len.to_le_bytes()[..], &bytes[..usize::from(len)]].concat()
}

pub(super) fn server_session() -> Vec<Vec<u8>> {
    let mut hello = BytesMut::new();
    let ticket = tenon_wire::v1::hello::Auth::Ticket(Bytes::from_static(b"ticket"));
    let message = Hello { auth: Some(ticket), features: 0b100, ..Hello::default() };
    // A small Hello fits.
    let _fits = tenon_wire::frame::encode_message(&mut hello, FrameHeader::new(1, 1), &message);
    let greeted = [chunk(&hello), vec![3, 16]].concat();
    let mut all = vec![greeted.clone()];
    for frame in frames() {
        all.push([&greeted[..], &chunk(&frame), &[4, 9, 5, 3, 6, 1, 7, 200]].concat());
    }
    all
}

pub(super) fn client_session() -> Vec<Vec<u8>> {
    let asked = [7, 1, 7, 2, 6, 5, 30, 9, 255];
    let step = |frame: &Vec<u8>| [&asked[..], &chunk(frame), &[4, 200, 8, 10]].concat();
    frames().iter().map(step).collect()
}

pub(super) fn session_pair() -> Vec<Vec<u8>> {
    vec![
        vec![0, 1, 2, 30, 3, 100, 4, 2, 1, 1, 1, 3, 200, 3, 1],
        vec![1; 16],
        vec![0, 5, 9, 4, 0, 1, 3, 8, 7],
        (0..200).map(|n| n % 5).collect(),
    ]
}

/// What a server said in the vectors of the client engine, one run of a device for each.
pub(super) fn device_engine() -> Vec<Vec<u8>> {
    let files = ["v03-apply.jsonl", "v05-history.jsonl", "v06-outbox.jsonl", "v07-rebase.jsonl"];
    let lines = files.iter().flat_map(|name| vectors(name));
    lines.map(|line| engine_steps(&line)).filter(|steps| steps.len() < 4_096).collect()
}

fn engine_steps(line: &Value) -> Vec<u8> {
    let mut steps = Vec::new();
    for step in line["steps"].as_array().into_iter().flatten() {
        let input = &step["in"];
        if let Ok(envelope) = from_value(&input["frame"]) {
            let mut out = BytesMut::new();
            // One that is no frame says nothing.
            let _said = put_envelope(&mut out, &envelope);
            steps.extend(chunk(&out));
        } else if input["link"] == "down" {
            steps.push(10);
        } else if input.get("send").is_some() {
            steps.extend([7, 1]);
        } else {
            steps.extend([6, 20]);
        }
    }
    steps
}

fn from_value(frame: &Value) -> Result<Envelope, tenon_wire::json::JsonError> {
    let text = frame.to_string();
    let envelopes = tenon_wire::json::from_json(text.as_bytes(), 1 << 20, &|_| None)?;
    envelopes.into_iter().next().ok_or(tenon_wire::json::JsonError::Shape)
}

pub(super) fn device_rows() -> Vec<Vec<u8>> {
    (0..10).flat_map(|number| generic().into_iter().map(move |b| numbered(number, &b))).collect()
}

pub(super) fn log_frame() -> Vec<Vec<u8>> {
    let frame = Frame {
        kind: 1,
        flags: FLAG_LAST,
        payload_bytes: 5,
        place: Place { device_id: 7, position: 4096, use_number: 1 },
        partition: 3,
        lsn: 9,
        leader_epoch: 1,
        durable_through: 4096,
        producer: 2,
        producer_seq: 3,
        time_us: 4,
        key_id: 0,
        chain: 5,
    };
    let mut bytes = vec![0; frame_bytes(5)];
    frame.encode(b"hello", &mut bytes);
    vec![bytes]
}

pub(super) fn log_segment() -> Vec<Vec<u8>> {
    let device = Device { id: 7, segment_bytes: 64 * 1024 };
    let mut header = vec![0; segment::HEADER_BYTES];
    Header { device, use_number: 2 }.encode(&mut header);
    let entry = FooterEntry { partition: 3, offset: 4096, first: 1, last: 9, leader_epoch: 1 };
    let footer =
        Footer { device_id: 7, use_number: 2, end: 8192, checksum: 5, entries: vec![entry; 2] };
    let mut block = vec![0; segment::FOOTER_BYTES];
    footer.encode(&mut block);
    // What follows is zero: a block is filled up when it is read.
    vec![device.encode(), header[..64].to_vec(), block[..160].to_vec()]
}

pub(super) fn log_recovery() -> Vec<Vec<u8>> {
    let one = |which: u8, step: [u8; 8]| [&[which], &step[..]].concat();
    vec![
        vec![0],
        vec![3],
        one(0, [0, 1, 0, 16, 0, 1, 0, 0]),
        one(1, [1, 1, 0, 32, 0, 0, 0, 0]),
        one(0, [2, 1, 0, 48, 0, 1, 0, 0]),
        one(0, [3, 2, 0, 16, 0, 0, 0, 0]),
        one(1, [4, 0, 0, 0, 0, 0, 0, 0]),
        one(1, [6, 1, 0, 16, 0, 40, 255, 255]),
        one(2, [7, 2, 0, 16, 0, 1, 0, 0]),
        [one(0, [6, 1, 0, 16, 0, 3, 1, 0]), vec![6, 2, 0, 0, 0, 24, 1, 0]].concat(),
    ]
}

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tenon-store/fixtures/0.1.0/", $name)).as_slice()
    };
}

pub(super) fn commands() -> Vec<Vec<u8>> {
    vec![fixture!("commands.bin").to_vec(), vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
}

pub(super) fn user_commands() -> Vec<Vec<u8>> {
    vec![fixture!("user-commands.bin").to_vec()]
}

pub(super) fn fan_outs() -> Vec<Vec<u8>> {
    vec![fixture!("fan-out.bin").to_vec()]
}

/// The fixtures hold several commands, each behind its length.
pub(super) fn identity_commands() -> Vec<Vec<u8>> {
    let all = |bytes: &'static [u8]| {
        let mut reader = tenon_store::codec::Reader::plain(Bytes::from_static(bytes));
        std::iter::from_fn(move || reader.bytes().ok()).take(64).map(|bytes| bytes.to_vec())
    };
    all(fixture!("identity-command.bin")).chain(all(fixture!("identity-command-2.bin"))).collect()
}

pub(super) fn rows() -> Vec<Vec<u8>> {
    let joined = |bytes: &'static [u8]| {
        let mut reader = tenon_store::codec::Reader::plain(Bytes::from_static(bytes));
        reader.bytes().unwrap_or_default()
    };
    let row = fixture!("row.bin");
    vec![
        numbered(0, fixture!("header.bin")),
        numbered(1, fixture!("member.bin")),
        numbered(2, fixture!("sender.bin")),
        numbered(3, fixture!("import_key.bin")),
        numbered(4, fixture!("user_header.bin")),
        numbered(5, fixture!("device.bin")),
        numbered(6, fixture!("line.bin")),
        numbered(7, fixture!("fan_out_source.bin")),
        numbered(8, &joined(fixture!("message.bin"))),
        numbered(9, &joined(fixture!("queue.bin"))),
        numbered(10, &[10, 1, 5, 3, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0]),
        numbered(10, &[11, 1, 5, b'h', b'e', b'l', b'l', b'o']),
        numbered(10, &[12, 1, 1, 7]),
        numbered(11, &[b"\x03key", &row[..row.len() - 4]].concat()),
    ]
}

pub(super) fn checkpoint() -> Vec<Vec<u8>> {
    let old = fixture!("checkpoint.bin");
    vec![fuzz::checkpoint_seed().to_vec(), old[..old.len() - 4].to_vec()]
}

pub(super) fn block() -> Vec<Vec<u8>> {
    let header = |n: u8| Bytes::from(vec![1, n, 3]);
    let small: Vec<_> = (1..20).map(|n| (header(n), Bytes::from(vec![n; 9]))).collect();
    let large: Vec<_> = (1..20).map(|n| (header(n), noise(u64::from(n)))).collect();
    let message = {
        let bytes = Bytes::from_static(fixture!("message.bin"));
        let mut reader = tenon_store::codec::Reader::plain(bytes);
        (reader.bytes().unwrap_or_default(), Bytes::from_static(b"body"))
    };
    let messages = vec![message; 12];
    let mut all = vec![[&[1, 3][..], b"abc", &[5], b"hello", &[3], b"abd", &[0]].concat()];
    for values in [small, large, messages] {
        let Ok((last, flush, index, body)) = fuzz::block_seed(&values) else { continue };
        let len = u32::try_from(index.len()).unwrap_or(0).to_le_bytes();
        let head = [&[0], &last.to_le_bytes()[..], &flush.to_le_bytes(), &len].concat();
        all.push([&head[..], &index, &body].concat());
    }
    all
}

/// Bytes that do not compress, so that the bodies lie apart.
fn noise(seed: u64) -> Bytes {
    let mut bytes = vec![0; 300];
    tenon_base::Random::fill(&tenon_base::SeededRandom::new(seed), &mut bytes);
    bytes.into()
}

const DAY: &str = r#"[{"type":"message","user":"U1","ts":"1.0","text":"<@U2> hi &amp; <!here>"},
{"user":"U2","ts":"2.000100","thread_ts":"1.0","text":"a reply","edited":{"user":"U2","ts":"3.0"}},
{"subtype":"channel_join","user":"U3","ts":"3.0"},{"subtype":"bot_message","username":"ci","ts":"4.0","text":"*x*",
"attachments":[{"title":"t","text":"x"}]},{"user":"U1","ts":"5.0","files":[{"name":"f","mode":"hosted"}],"reactions":[]},
{"subtype":"me_message","user":"U1","ts":"6.0","text":"waves"},{"ts":"7.0"},{"user":"U1","ts":"0.5","text":"late"}]"#;

pub(super) fn slack_day() -> Vec<Vec<u8>> {
    let none: &[u8] = b"[]";
    vec![
        DAY.into(),
        none.to_vec(),
        b"[{\"user\":\"U1\",\"ts\":\"1.0\",\"text\":\"\\u00e9\\n\"}]".to_vec(),
    ]
}

pub(super) fn slack_zip() -> Vec<Vec<u8>> {
    let users = r#"[{"id":"U1","name":"ann","profile":{"real_name":"Ann A","email":"ann@example.org"}},{"id":"U2","name":"bob","deleted":true}]"#;
    let channels = r#"[{"id":"C1","name":"general","created":1,"creator":"U1","members":["U1","U2"],"topic":{"value":"t"}}]"#;
    let small: &[(&str, &str)] =
        &[("users.json", users), ("channels.json", channels), ("general/2020-01-01.json", DAY)];
    let nested: &[(&str, &str)] =
        &[("export/users.json", users), ("export/x/2020-01-01.json", "[]")];
    let stored = zip::write::SimpleFileOptions::default();
    let plain = stored.compression_method(zip::CompressionMethod::Stored);
    [(small, stored), (small, plain), (nested, plain)]
        .into_iter()
        .filter_map(|(files, options)| packed(files, options))
        .collect()
}

fn packed(files: &[(&str, &str)], options: zip::write::SimpleFileOptions) -> Option<Vec<u8>> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, options).ok()?;
        writer.write_all(content.as_bytes()).ok()?;
    }
    writer.finish().ok().map(Cursor::into_inner)
}

pub(super) fn tickets() -> Vec<Vec<u8>> {
    let sealed = tenon_receiver::fuzz::sealed_seeds();
    let mut all: Vec<Vec<u8>> = sealed.iter().map(|bytes| numbered(0, bytes)).collect();
    let ids = [9; 24];
    all.push([&[1, 1, 1], &ids[..], &[4], &[5; 8], &[0xe8, 7]].concat());
    all.push([&[1, 1, 2], &ids[..], &[4], &[5; 8], &[0xe8, 7, 32], &[7; 32]].concat());
    all.push([&[1, 1, 3], &[9; 16][..], &[4], &[5; 8], &[0xe8, 7]].concat());
    all
}

pub(super) fn credentials() -> Vec<Vec<u8>> {
    vec![tenon_receiver::fuzz::credential_seed().into_bytes(), b"tnd_".to_vec()]
}
