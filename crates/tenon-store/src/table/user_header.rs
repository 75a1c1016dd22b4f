//! `user`: numbers of a user queue, one row per user, mutable, some 50 bytes.

use bytes::Bytes;
use tenon_base::{OrgId, Pts, QueueEpoch, UserId};
use tenon_core::user::UserHeader;

use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// org | tag | user.
pub fn key(org: OrgId, user: UserId) -> Bytes {
    table_key(org, tag::USER_HEADER, &[user.0])
}

/// Encodes a row.
pub fn encode(h: &UserHeader) -> Bytes {
    let mut out = Writer::versioned(1);
    out.fixed(h.org.0).fixed(h.user.0).varint(u64::from(h.queue_epoch.0));
    out.varint(h.tip.0).varint(h.floor.0).varint(h.epochs.len() as u64);
    for (epoch, kept) in &h.epochs {
        out.varint(u64::from(epoch.0)).varint(kept.0);
    }
    out.fixed(h.list_digest).varint(h.summary_ver);
    out.finish()
}

/// Decodes a row.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<UserHeader, FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    let mut header = UserHeader {
        org: OrgId(r.fixed()?),
        user: UserId(r.fixed()?),
        queue_epoch: QueueEpoch(r.varint32()?),
        tip: Pts(r.varint()?),
        floor: Pts(r.varint()?),
        ..UserHeader::default()
    };
    for _ in 0..r.count()? {
        header.epochs.push_back((QueueEpoch(r.varint32()?), Pts(r.varint()?)));
    }
    header.list_digest = r.fixed()?;
    header.summary_ver = r.varint()?;
    Ok(header)
}
