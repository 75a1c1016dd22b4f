//! `summary`: one row per (user, conversation), mutable, some 40 bytes and the draft.

use bytes::Bytes;
use tenon_base::{ConversationId, OrgId, Rev, Timestamp, UserId};
use tenon_core::user::{ListLine, Summary};

use super::header::decode_mode;
use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// org | tag | user | conversation.
pub fn key(org: OrgId, user: UserId, conv: ConversationId) -> Bytes {
    table_key(org, tag::LINE, &[user.0, conv.0])
}

/// All lines of a user.
pub fn prefix(org: OrgId, user: UserId) -> Bytes {
    table_key(org, tag::LINE, &[user.0])
}

pub(crate) fn write_summary(out: &mut Writer, s: &Summary) {
    let bits = u8::from(s.pinned) | u8::from(s.hidden) << 1 | u8::from(s.marked_unread) << 2;
    out.fixed(s.conv.0).varint(s.ver).byte(bits).varint(u64::from(s.notify)).bytes(&s.draft);
}

pub(crate) fn read_summary(r: &mut Reader) -> Result<Summary, FormatError> {
    let conv = ConversationId(r.fixed()?);
    let ver = r.varint()?;
    let bits = r.byte()?;
    Ok(Summary {
        conv,
        ver,
        pinned: bits & 1 != 0,
        hidden: bits & 2 != 0,
        marked_unread: bits & 4 != 0,
        notify: r.varint32()?,
        draft: r.bytes()?,
    })
}

/// Encodes a row.
pub fn encode(line: &ListLine) -> Bytes {
    let mut out = Writer::versioned(1);
    write_summary(&mut out, &line.summary);
    out.byte(line.mode as u8).byte(u8::from(line.is_in)).varint(line.rev.0).varint(line.sort_ts.0);
    out.finish()
}

/// Decodes a row.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<ListLine, FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    Ok(ListLine {
        summary: read_summary(&mut r)?,
        mode: decode_mode(r.byte()?)?,
        is_in: r.byte()? != 0,
        rev: Rev(r.varint()?),
        sort_ts: Timestamp(r.varint()?),
    })
}
