//! `conversation`: one row per conversation, mutable, some 100 bytes.

use bytes::Bytes;
use tenon_base::{Cnt, ConvEpoch, ConversationId, OrgId, Pid, Rev, Seq, Timestamp, UserId};
use tenon_core::{Header, Kind, Mode};

use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// org | tag | conversation.
pub fn key(org: OrgId, conv: ConversationId) -> Bytes {
    table_key(org, tag::HEADER, &[conv.0])
}

/// All conversations of an organisation.
pub fn prefix(org: OrgId) -> Bytes {
    table_key(org, tag::HEADER, &[])
}

/// Encodes a row.
pub fn encode(h: &Header) -> Bytes {
    let mut out = Writer::versioned(1);
    out.fixed(h.org.0).fixed(h.conv.0).varint(u64::from(h.conv_epoch.0));
    out.byte(h.kind as u8).byte(h.mode as u8).bytes(h.title.as_bytes());
    out.varint(h.meta_ver.0).fixed(h.owner.0).fixed(h.peers[0].0).fixed(h.peers[1].0);
    out.varint(h.seq.0).varint(h.rev.0).varint(h.cnt.0).varint(h.pid.0).varint(h.last_ts.0);
    out.varint(h.mention_all_seq.0).varint(u64::from(h.member_count)).varint(h.roster_ver.0);
    out.varint(h.leave_ver).byte(u8::from(h.history_visible));
    out.varint(u64::from(h.queue_mode_max)).varint(u64::from(h.pull_mode_min));
    out.varint(h.created.0).varint(h.imported_seq.0).varint(h.imported_ts.0);
    out.varint(u64::from(h.overlays));
    out.finish()
}

/// Decodes a row.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<Header, FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    Ok(Header {
        org: OrgId(r.fixed()?),
        conv: ConversationId(r.fixed()?),
        conv_epoch: ConvEpoch(r.varint32()?),
        kind: decode_kind(r.byte()?)?,
        mode: decode_mode(r.byte()?)?,
        title: r.text()?,
        meta_ver: Rev(r.varint()?),
        owner: UserId(r.fixed()?),
        peers: [UserId(r.fixed()?), UserId(r.fixed()?)],
        seq: Seq(r.varint()?),
        rev: Rev(r.varint()?),
        cnt: Cnt(r.varint()?),
        pid: Pid(r.varint()?),
        last_ts: Timestamp(r.varint()?),
        mention_all_seq: Seq(r.varint()?),
        member_count: r.varint32()?,
        roster_ver: Rev(r.varint()?),
        leave_ver: r.varint()?,
        history_visible: r.byte()? != 0,
        queue_mode_max: r.varint32()?,
        pull_mode_min: r.varint32()?,
        created: Timestamp(r.varint()?),
        imported_seq: Seq(r.varint()?),
        imported_ts: Timestamp(r.varint()?),
        overlays: r.varint32()?,
    })
}

pub(crate) fn decode_kind(number: u8) -> Result<Kind, FormatError> {
    match number {
        1 => Ok(Kind::Direct),
        2 => Ok(Kind::Group),
        other => Err(FormatError::Unknown(u64::from(other))),
    }
}

pub(crate) fn decode_mode(number: u8) -> Result<Mode, FormatError> {
    match number {
        1 => Ok(Mode::Queue),
        2 => Ok(Mode::Pull),
        other => Err(FormatError::Unknown(u64::from(other))),
    }
}
