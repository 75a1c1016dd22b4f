use bytes::BytesMut;
use proptest::prelude::*;
use prost::Message;
use serde_json::json;

use super::*;
use crate::frame::{FrameLimits, FrameReader};
use crate::v1::content::What;
use crate::v1::envelope::Frame as Arm;
use crate::v1::*;
use crate::{event_type, message_kind, method, op_type};

fn none(_: u32) -> Option<u32> {
    None
}

fn envelope(id: u32, arm: Arm) -> Envelope {
    Envelope { id, last: true, frame: Some(arm) }
}

fn content(text: &str) -> Bytes {
    let what = Some(What::Text(Text { text: text.into() }));
    Content { what, ..Content::default() }.encode_to_vec().into()
}

fn send(kind: u32, body: Bytes) -> Envelope {
    envelope(3, Arm::Send(Send { conv: u64::MAX, cid: 1, kind, body, ..Send::default() }))
}

/// Text of the value, read again, is the value.
fn round(envelopes: &[Envelope], method_of: &dyn Fn(u32) -> Option<u32>) -> Value {
    let text = to_json(envelopes, method_of).unwrap();
    assert_eq!(from_json(text.as_bytes(), 1 << 20, method_of).unwrap(), envelopes, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn message_is_readable() {
    assert_eq!(
        round(&[send(message_kind::TEXT, content("hi"))], &none),
        json!({"id": 3, "last": true, "send": {
            "conv": "18446744073709551615", "cid": "1", "kind": 1, "content": {"text": {"text": "hi"}}}})
    );
}

#[test]
fn unknown_and_sealed_bodies_stay_base64() {
    let bytes = Bytes::from_static(&[0xFF, 0xFF]);
    for kind in [0, 16, message_kind::SEALED, message_kind::TEXT] {
        let value = round(&[send(kind, bytes.clone())], &none);
        assert_eq!(value["send"]["body"], "//8=", "{kind}");
        assert_eq!(value["send"].get("content"), None);
    }
}

#[test]
fn nested_bodies_are_opened() {
    let line = ForwardLine { kind: 1, body: content("inner"), ..ForwardLine::default() };
    let what =
        Some(What::MergeForward(MergeForward { lines: vec![line], ..MergeForward::default() }));
    let body = Content { what, ..Content::default() }.encode_to_vec().into();
    let send = Send { kind: message_kind::MERGE_FORWARD, body, ..Send::default() };
    let op = ScheduleSend { send: Some(send), ..ScheduleSend::default() }.encode_to_vec();
    let op = Op { r#type: op_type::SCHEDULE_SEND, body: op.into(), ..Op::default() };
    let value = round(&[envelope(1, Arm::Op(op))], &none);
    let lines = &value["op"]["content"]["send"]["content"]["mergeForward"]["lines"];
    assert_eq!(lines[0]["content"]["text"]["text"], "inner");
}

#[test]
fn events_and_answers_are_opened() {
    let event = |number, body: Bytes| SyncEvent { r#type: number, body, ..SyncEvent::default() };
    let recalled = Recalled { by: 5, reason: "x".into() }.encode_to_vec();
    let events = vec![
        event(event_type::MESSAGE, content("a")),
        event(event_type::MESSAGE_RECALLED, recalled.into()),
        event(event_type::DISSOLVED, Bytes::new()),
        event(9_999, Bytes::from_static(b"new")),
    ];
    let batch = EventBatch { events, ..EventBatch::default() };
    let row = MessageRow { kind: 1, body: content("row"), ..MessageRow::default() };
    let page = HistoryPage { normal: vec![row], ..HistoryPage::default() }.encode_to_vec();
    let answer = ReadResponse { body: page.into(), fence: None };
    let method_of = |id| (id == 8).then_some(method::GET_HISTORY);
    let both = [
        envelope(0, Arm::EventBatch(batch)),
        envelope(8, Arm::Response(answer.clone())),
        envelope(9, Arm::Response(answer)),
    ];
    let value = round(&both, &method_of);
    assert_eq!(value[0]["eventBatch"]["events"][1]["content"]["by"], "5");
    assert_eq!(value[0]["eventBatch"]["events"][3]["body"], "bmV3");
    let row = &value[1]["response"]["content"]["normal"][0];
    assert_eq!(row["content"]["text"]["text"], "row");
    assert!(value[2]["response"]["body"].is_string(), "no method, no content");
}

#[test]
fn input_may_use_either_form_and_is_judged() {
    let read = |text: &str| from_json(text.as_bytes(), 1_000, &none);
    let body = read(
        r#"{"id":3,"last":true,"send":{"conv":"18446744073709551615","cid":1,"kind":"1","body":"CgQKAmhp"}}"#,
    );
    assert_eq!(body.unwrap(), [send(1, content("hi"))]);
    assert_eq!(read(r#"{"op":{"type":19,"content":{}},"new":1}"#).unwrap().len(), 1);
    let both = read(r#"{"send":{"kind":1,"body":"","content":{}}}"#);
    assert!(matches!(both, Err(JsonError::BodyAndContent)));
    let untold = read(r#"{"send":{"content":{"text":{"text":"lost?"}}}}"#);
    assert!(matches!(untold, Err(JsonError::ContentOfUnknownType)));
    assert!(matches!(read("7"), Err(JsonError::Shape)));
    assert!(matches!(read(&format!("[{}{{}}]", "{},".repeat(64))), Err(JsonError::Shape)));
    assert!(matches!(read(&" ".repeat(1_001)), Err(JsonError::TooLong { .. })));
    assert!(read(r#"{"send":{"conv":"x"}}"#).is_err());
    let empty = read("{}").unwrap();
    let put = put_envelope(&mut BytesMut::new(), &empty[0]);
    assert!(matches!(put, Err(JsonError::Empty)));
}

/// Frames become envelopes and the same frames again, for every kind.
#[test]
fn every_kind_has_an_arm() {
    for number in (0..=127).filter(|k| crate::kind::is_known(*k)) {
        let mut bytes = BytesMut::new();
        crate::frame::encode_frame(&mut bytes, crate::FrameHeader::new(number, 5), b"").unwrap();
        let mut reader = FrameReader::new(FrameLimits::DOWN);
        reader.push(&bytes);
        let envelope = envelope_of(&reader.next().unwrap().unwrap()).unwrap();
        let mut again = BytesMut::new();
        put_envelope(&mut again, &envelope).unwrap();
        assert_eq!(again, bytes, "{number}");
        // The arm's field number is the kind: the first key on the wire of an otherwise empty envelope.
        let alone = Envelope { frame: envelope.frame, ..Envelope::default() }.encode_to_vec();
        assert_eq!(prost::encoding::decode_key(&mut &alone[..]).unwrap().0, u32::from(number));
    }
}

proptest! {
    /// Whatever is in a message, JSON and protobuf of one value are equal.
    #[test]
    fn json_equals_protobuf(
        text in ".*", numbers in prop::collection::vec(any::<u64>(), 6), flags in any::<u32>(),
        raw in prop::collection::vec(any::<u8>(), 0..40), kind in 0_u32..70, number in 0_u32..120,
    ) {
        let event = SyncEvent {
            pts: numbers[0], r#type: number, flags, conv: numbers[1], rev: numbers[2], kind,
            body: if flags % 2 == 0 { content(&text) } else { Bytes::new() },
            mentions: numbers.clone(), ..SyncEvent::default()
        };
        let info = ErrorInfo {
            code: kind, text: text.clone(), args: [(text.clone(), text.clone())].into(), ..ErrorInfo::default()
        };
        let raw = ReadRequest { method: 0, body: raw.into(), fence: None };
        let batch = EventBatch { events: vec![event], ..EventBatch::default() };
        let envelopes = [
            send(kind, if kind == 1 { content(&text) } else { Bytes::new() }),
            envelope(1, Arm::Error(info)), envelope(2, Arm::Request(raw)),
            envelope(0, Arm::EventBatch(batch)),
        ];
        let json = to_json(&envelopes, &none).unwrap();
        let read = from_json(json.as_bytes(), 1 << 20, &none).unwrap();
        // A body that is read under another type loses what that type does not know; all else is equal.
        let is_own_type = matches!(number, event_type::MESSAGE | event_type::MESSAGE_EDITED)
            || flags % 2 == 1 || super::body::of_event(number).is_none();
        if is_own_type {
            prop_assert_eq!(&read[..], &envelopes[..]);
        } else {
            prop_assert_eq!(&read[..3], &envelopes[..3]);
        }
    }
}
