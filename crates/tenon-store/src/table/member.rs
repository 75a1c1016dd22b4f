//! `conversation_member`: one row per (conversation, user) that ever was in, mutable, some 40 bytes and 20 per stretch.

use bytes::Bytes;
use tenon_base::{Cnt, ConversationId, OrgId, OverlayVer, Rev, Seq, Timestamp, UserId};
use tenon_core::{Interval, Member, ReadState, Role};

use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// org | tag | conversation | user.
pub fn key(org: OrgId, conv: ConversationId, user: UserId) -> Bytes {
    table_key(org, tag::MEMBER, &[conv.0, user.0])
}

/// All members of a conversation.
pub fn prefix(org: OrgId, conv: ConversationId) -> Bytes {
    table_key(org, tag::MEMBER, &[conv.0])
}

/// Encodes a row.
pub fn encode(m: &Member) -> Bytes {
    let mut out = Writer::versioned(1);
    out.fixed(m.user.0).byte(m.role as u8).varint(m.ver.0).varint(m.intervals.len() as u64);
    for i in &m.intervals {
        out.varint(i.join_rev.0).varint(i.join_seq.0).varint(i.joined.0);
        out.varint(i.leave_rev.0).varint(i.left.0);
    }
    out.varint(m.floor_seq.0).varint(m.floor_cnt.0);
    out.varint(m.read.seq.0).varint(m.read.cnt.0).varint(m.read.at.0);
    out.varint(m.overlay_ver.0).varint(m.muted_until.0);
    out.finish()
}

/// Decodes a row.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<Member, FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    let user = UserId(r.fixed()?);
    let role = decode_role(r.byte()?)?;
    let ver = Rev(r.varint()?);
    let mut intervals = Vec::new();
    for _ in 0..r.count()? {
        intervals.push(Interval {
            join_rev: Rev(r.varint()?),
            join_seq: Seq(r.varint()?),
            joined: Timestamp(r.varint()?),
            leave_rev: Rev(r.varint()?),
            left: Timestamp(r.varint()?),
        });
    }
    Ok(Member {
        user,
        role,
        ver,
        intervals,
        floor_seq: Seq(r.varint()?),
        floor_cnt: Cnt(r.varint()?),
        read: ReadState {
            seq: Seq(r.varint()?),
            cnt: Cnt(r.varint()?),
            at: Timestamp(r.varint()?),
        },
        overlay_ver: OverlayVer(r.varint()?),
        muted_until: Timestamp(r.varint()?),
    })
}

pub(crate) fn decode_role(number: u8) -> Result<Role, FormatError> {
    Role::from_number(number).ok_or(FormatError::Unknown(u64::from(number)))
}
