//! `conversation_event`: what changed, by rev. A message event is a reference to its row; others carry their content.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::{ConvEpoch, ConversationId, OrgId, Rev, Seq, Timestamp, UserId};
use tenon_core::{Event, EventBody, MemberLine, event_type};

use super::header::decode_mode;
use super::member::decode_role;
use crate::codec::{FormatError, Reader, Writer};
use crate::memtable::{Entry, SeriesKey};
use crate::store::StoreError;
use crate::view::View;

/// Encodes (header, body).
pub fn encode(event: &Event) -> (Bytes, Bytes) {
    let seq = match &event.body {
        EventBody::Message(message) => message.seq,
        _ => Seq(0),
    };
    let mut out = Writer::versioned(1);
    out.varint(u64::from(event.body.type_number())).varint(seq.0).varint(event.ts.0);
    out.fixed_if(event.by.0).varint(u64::from(event.conv_epoch.0));
    (out.finish(), encode_body(&event.body))
}

fn encode_body(body: &EventBody) -> Bytes {
    let mut out = Writer::versioned(1);
    match body {
        EventBody::Message(_) => return Bytes::new(),
        EventBody::Members { members, from_roster_ver, member_count, reason } => {
            out.varint(from_roster_ver.0).varint(u64::from(*member_count));
            out.varint(u64::from(*reason)).varint(members.len() as u64);
            for m in members {
                out.fixed(m.user.0).byte(m.role as u8).varint(m.join_rev.0);
                out.varint(m.ver.0).byte(u8::from(m.gone));
            }
        }
        EventBody::Renamed { title } => {
            out.bytes(title.as_bytes());
        }
        EventBody::Mode { mode, member_count } => {
            out.byte(*mode as u8).varint(u64::from(*member_count));
        }
    }
    out.finish()
}

/// Reads one event; a message event with its message.
///
/// # Errors
/// When the store fails.
pub fn read(
    view: &View,
    org: OrgId,
    conv: ConversationId,
    rev: Rev,
) -> Result<Option<Event>, StoreError> {
    match view.entry(&SeriesKey::event(org, conv), rev.0)? {
        Some(entry) => decode(view, org, conv, entry).map(Some),
        None => Ok(None),
    }
}

/// Decodes a stored entry, reading the message it stands for.
///
/// # Errors
/// When the store fails or the message is missing.
pub fn decode(
    view: &View,
    org: OrgId,
    conv: ConversationId,
    entry: Entry,
) -> Result<Event, StoreError> {
    let mut r = Reader::versioned(entry.header, 1)?;
    let kind = r.varint32()?;
    let seq = Seq(r.varint()?);
    let ts = Timestamp(r.varint()?);
    let by = UserId(r.fixed_if()?);
    let conv_epoch = ConvEpoch(r.varint32()?);
    let body = if kind == event_type::MESSAGE {
        let message = super::message::read(view, org, conv, seq)?.ok_or(FormatError::Damaged)?;
        EventBody::Message(Arc::new(message))
    } else {
        decode_body(kind, entry.body)?
    };
    Ok(Event { org, conv, conv_epoch, rev: Rev(entry.number), ts, by, body })
}

fn decode_body(kind: u32, body: Bytes) -> Result<EventBody, FormatError> {
    let mut r = Reader::versioned(body, 1)?;
    match kind {
        event_type::MEMBERS_CHANGED => {
            let from_roster_ver = Rev(r.varint()?);
            let member_count = r.varint32()?;
            let reason = r.varint32()?;
            let mut members = Vec::new();
            for _ in 0..r.count()? {
                members.push(MemberLine {
                    user: UserId(r.fixed()?),
                    role: decode_role(r.byte()?)?,
                    join_rev: Rev(r.varint()?),
                    ver: Rev(r.varint()?),
                    gone: r.byte()? != 0,
                });
            }
            Ok(EventBody::Members { members, from_roster_ver, member_count, reason })
        }
        event_type::CONVERSATION_CHANGED => Ok(EventBody::Renamed { title: r.text()? }),
        event_type::MODE_CHANGED => {
            Ok(EventBody::Mode { mode: decode_mode(r.byte()?)?, member_count: r.varint32()? })
        }
        other => Err(FormatError::Unknown(u64::from(other))),
    }
}

/// Decodes a body and, if it is one, decodes again what is written of it.
///
/// # Errors
/// [`FormatError`] if it is none. What does not come back is a panic.
#[cfg(feature = "fuzz")]
pub(crate) fn check_body(kind: u32, body: Bytes) -> Result<(), FormatError> {
    let body = decode_body(kind, body)?;
    assert_eq!(decode_body(kind, encode_body(&body)).as_ref(), Ok(&body), "a body comes back");
    Ok(())
}
