//! `user_queue`: entries by pts; a reference of some 20 bytes, or a small event of the user's own.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::{Cnt, ConvEpoch, ConversationId, Pts, Rev, Seq, Timestamp, UserId};
use tenon_core::event::Tip;
use tenon_core::user::{QueueEntry, QueueItem};
use tenon_core::{Item, ReadState, UserEvent, event_type};

use super::header::{decode_kind, decode_mode};
use super::line::{read_summary, write_summary};
use super::member::decode_role;
use crate::codec::{FormatError, Reader, Writer};

/// Encodes (header, body).
pub fn encode(entry: &QueueEntry) -> (Bytes, Bytes) {
    let mut out = Writer::versioned(1);
    out.varint(entry.ts.0);
    write_item(&mut out, &entry.item);
    (out.finish(), Bytes::new())
}

/// Decodes an entry.
///
/// # Errors
/// [`FormatError`].
pub fn decode(pts: Pts, header: &Bytes, _body: &Bytes) -> Result<QueueEntry, FormatError> {
    let mut r = Reader::versioned(header.clone(), 1)?;
    let ts = Timestamp(r.varint()?);
    Ok(QueueEntry { pts, ts, item: read_item(&mut r)? })
}

/// 1 = reference, 2 = inline.
pub(crate) fn write_item(out: &mut Writer, item: &QueueItem) {
    match item {
        QueueItem::Ref { conv, rev, mode } => {
            out.byte(1).fixed(conv.0).varint(rev.0).byte(*mode as u8);
        }
        QueueItem::Inline(event) => {
            out.byte(2).varint(u64::from(event.type_number()));
            write_event(out, event);
        }
    }
}

pub(crate) fn read_item(r: &mut Reader) -> Result<QueueItem, FormatError> {
    match r.byte()? {
        1 => Ok(QueueItem::Ref {
            conv: ConversationId(r.fixed()?),
            rev: Rev(r.varint()?),
            mode: decode_mode(r.byte()?)?,
        }),
        2 => {
            let kind = r.varint32()?;
            Ok(QueueItem::Inline(Arc::new(read_event(r, kind)?)))
        }
        other => Err(FormatError::Unknown(u64::from(other))),
    }
}

fn write_event(out: &mut Writer, event: &UserEvent) {
    match event {
        UserEvent::ReadMarked { conv, read } => {
            out.fixed(conv.0);
            write_read(out, read);
        }
        UserEvent::Receipt { conv, user, read_seq, at } => {
            out.fixed(conv.0).fixed(user.0).varint(read_seq.0).varint(at.0);
        }
        UserEvent::ConversationAdded { item, reason, by } => {
            write_line(out, item);
            out.varint(u64::from(*reason)).fixed(by.0);
        }
        UserEvent::ConversationRemoved { conv, reason, last_rev, by } => {
            out.fixed(conv.0).varint(u64::from(*reason)).varint(last_rev.0).fixed(by.0);
        }
        UserEvent::Mention { conv, rev, seq, all } => {
            out.fixed(conv.0).varint(rev.0).varint(seq.0).byte(u8::from(*all));
        }
        UserEvent::SummaryChanged { summary } => write_summary(out, summary),
    }
}

fn read_event(r: &mut Reader, kind: u32) -> Result<UserEvent, FormatError> {
    Ok(match kind {
        event_type::READ_MARKED => {
            UserEvent::ReadMarked { conv: ConversationId(r.fixed()?), read: read_read(r)? }
        }
        event_type::RECEIPT => UserEvent::Receipt {
            conv: ConversationId(r.fixed()?),
            user: UserId(r.fixed()?),
            read_seq: Seq(r.varint()?),
            at: Timestamp(r.varint()?),
        },
        event_type::CONVERSATION_ADDED => UserEvent::ConversationAdded {
            item: Box::new(read_line(r)?),
            reason: r.varint32()?,
            by: UserId(r.fixed()?),
        },
        event_type::CONVERSATION_REMOVED => UserEvent::ConversationRemoved {
            conv: ConversationId(r.fixed()?),
            reason: r.varint32()?,
            last_rev: Rev(r.varint()?),
            by: UserId(r.fixed()?),
        },
        event_type::MENTION => UserEvent::Mention {
            conv: ConversationId(r.fixed()?),
            rev: Rev(r.varint()?),
            seq: Seq(r.varint()?),
            all: r.byte()? != 0,
        },
        event_type::SUMMARY_CHANGED => UserEvent::SummaryChanged { summary: read_summary(r)? },
        other => return Err(FormatError::Unknown(u64::from(other))),
    })
}

fn write_read(out: &mut Writer, read: &ReadState) {
    out.varint(read.seq.0).varint(read.cnt.0).varint(read.at.0);
}

fn read_read(r: &mut Reader) -> Result<ReadState, FormatError> {
    Ok(ReadState { seq: Seq(r.varint()?), cnt: Cnt(r.varint()?), at: Timestamp(r.varint()?) })
}

fn write_line(out: &mut Writer, i: &Item) {
    out.fixed(i.tip.conv.0).varint(u64::from(i.tip.conv_epoch.0)).varint(i.tip.rev.0);
    out.varint(i.tip.seq.0).varint(i.tip.cnt.0).varint(i.tip.mention_all_seq.0);
    out.byte(i.kind as u8).byte(i.mode as u8).bytes(i.title.as_bytes()).varint(i.meta_ver.0);
    out.fixed(i.owner.0).fixed(i.peer.0).varint(u64::from(i.member_count)).varint(i.roster_ver.0);
    out.varint(i.floor_seq.0).varint(i.floor_cnt.0);
    write_read(out, &i.read);
    out.varint(i.peer_read_seq.0).varint(u64::from(i.unread)).byte(i.role as u8);
    out.varint(i.join_rev.0).varint(i.sort_ts.0);
}

fn read_line(r: &mut Reader) -> Result<Item, FormatError> {
    Ok(Item {
        tip: Tip {
            conv: ConversationId(r.fixed()?),
            conv_epoch: ConvEpoch(r.varint32()?),
            rev: Rev(r.varint()?),
            seq: Seq(r.varint()?),
            cnt: Cnt(r.varint()?),
            mention_all_seq: Seq(r.varint()?),
        },
        kind: decode_kind(r.byte()?)?,
        mode: decode_mode(r.byte()?)?,
        title: r.text()?,
        meta_ver: Rev(r.varint()?),
        owner: UserId(r.fixed()?),
        peer: UserId(r.fixed()?),
        member_count: r.varint32()?,
        roster_ver: Rev(r.varint()?),
        floor_seq: Seq(r.varint()?),
        floor_cnt: Cnt(r.varint()?),
        read: read_read(r)?,
        peer_read_seq: Seq(r.varint()?),
        unread: r.varint32()?,
        role: decode_role(r.byte()?)?,
        join_rev: Rev(r.varint()?),
        sort_ts: Timestamp(r.varint()?),
        last: None,
    })
}
