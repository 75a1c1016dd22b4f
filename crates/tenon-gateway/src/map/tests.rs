//! Every mapping both ways, through the bytes of the wire, hostile input included.

mod down;
mod up;

use bytes::Bytes;
use tenon_base::{
    AppId, Cid, Cnt, ConvEpoch, ConversationId, DeviceEpoch, DeviceId, MessageId, OrgId, Rev, Seq,
    Timestamp, UserId, Ver,
};
use tenon_core::{Author, Event, EventBody, Message, flag};
use tenon_wire::{encode, v1};

use super::Reader;

pub(super) const SENDER: Reader = Reader { org: OrgId(1), user: UserId(10), device: DeviceId(100) };
pub(super) const OTHER: Reader = Reader { org: OrgId(1), user: UserId(20), device: DeviceId(200) };

pub(super) fn author() -> Author {
    Author {
        org: OrgId(1),
        user: UserId(10),
        device: DeviceId(100),
        device_epoch: DeviceEpoch(9),
        app: AppId(0),
    }
}

pub(super) fn text(text: &str) -> Bytes {
    let what = v1::content::What::Text(v1::Text { text: text.to_owned() });
    encode(&v1::Content { what: Some(what), ..v1::Content::default() })
}

/// A message whose every field says something.
pub(super) fn message() -> Message {
    Message {
        seq: Seq(5),
        ver: Ver(8),
        cnt: Cnt(4),
        message_id: MessageId(77),
        sender: SENDER.user,
        device: SENDER.device,
        device_epoch: DeviceEpoch(2),
        cid: Cid(3),
        ts: Timestamp(1_000),
        kind: 1,
        flags: flag::SILENT,
        reply_seq: Seq(2),
        mentions: vec![OTHER.user],
        app: AppId(6),
        edited: Timestamp(2_000),
        expires: Timestamp(3_000),
        body: text("hi"),
    }
}

pub(super) fn event(body: EventBody) -> Event {
    Event {
        org: OrgId(1),
        conv: ConversationId(50),
        conv_epoch: ConvEpoch(1),
        rev: Rev(8),
        ts: Timestamp(1_000),
        by: SENDER.user,
        body,
    }
}

/// The receiver stands below the registry of codes and has its own list of those that it uses.
#[test]
fn the_receivers_codes_are_those_of_the_registry() {
    for &(name, number) in tenon_receiver::code::ALL {
        let code = tenon_wire::ErrorCode::from_number(number);
        assert_eq!(code.map(|c| c.text().to_uppercase()), Some(name.to_owned()), "{number}");
    }
    assert!(!tenon_receiver::code::ALL.is_empty());
}
