//! Conversation events and user events as `SyncEvent`.

use bytes::Bytes;
use tenon_core::event::MemberLine;
use tenon_core::handover::{BatchEntry, Told};
use tenon_core::{Event, EventBody, Message, UserEvent};
use tenon_wire::{encode, event_type, v1};

use super::{Reader, item, message, mode, role};

/// Members named in one event; the rest is fetched by roster page.
const MEMBERS_MAX: usize = 100;
/// Mask bit of `ConversationChanged` for the title.
const MASK_TITLE: u32 = 1;

/// One entry of a batch.
pub(crate) fn entry(entry: &BatchEntry, reader: Reader) -> v1::SyncEvent {
    let event = match &entry.told {
        Told::Event(event) => conversation_event(event, reader),
        Told::User(event) => user_event(event, reader),
        Told::Unreadable { conv, rev } => v1::SyncEvent {
            r#type: event_type::UNREADABLE,
            conv: conv.0,
            rev: rev.0,
            ..v1::SyncEvent::default()
        },
    };
    let ts = if event.ts == 0 { entry.ts.0 } else { event.ts };
    v1::SyncEvent { pts: entry.pts.0, ts, ..event }
}

/// An event of a conversation; `pts` is 0. `ver` 0 says "equal to rev".
pub(crate) fn conversation_event(event: &Event, reader: Reader) -> v1::SyncEvent {
    let frame = v1::SyncEvent {
        r#type: event.body.type_number(),
        conv: event.conv.0,
        rev: event.rev.0,
        conv_epoch: event.conv_epoch.0,
        sender: event.by.0,
        ts: event.ts.0,
        ..v1::SyncEvent::default()
    };
    match &event.body {
        EventBody::Message(message) => with_message(frame, event, message, reader),
        EventBody::Members { members, from_roster_ver, member_count, reason } => {
            let changed = v1::MembersChanged {
                members: members.iter().take(MEMBERS_MAX).map(|m| member(m, reader)).collect(),
                from_roster_ver: from_roster_ver.0,
                to_roster_ver: event.rev.0,
                member_count: *member_count,
                by: event.by.0,
                reason: *reason,
                truncated: members.len() > MEMBERS_MAX,
            };
            v1::SyncEvent { body: encode(&changed), ..frame }
        }
        EventBody::Renamed { title } => {
            let meta =
                v1::ConvMeta { ver: event.rev.0, title: title.clone(), ..v1::ConvMeta::default() };
            let changed =
                v1::ConversationChanged { meta: Some(meta), mask: MASK_TITLE, by: event.by.0 };
            v1::SyncEvent { body: encode(&changed), ..frame }
        }
        EventBody::Mode { mode: now, member_count } => {
            let changed = v1::ModeChanged { mode: mode(*now).into(), member_count: *member_count };
            v1::SyncEvent { body: encode(&changed), ..frame }
        }
    }
}

fn with_message(
    frame: v1::SyncEvent,
    event: &Event,
    message: &Message,
    reader: Reader,
) -> v1::SyncEvent {
    let own = message::Own::of(message, reader);
    let ver = if message.ver.0 == event.rev.0 { 0 } else { message.ver.0 };
    v1::SyncEvent {
        flags: message::flags(message, reader),
        seq: message.seq.0,
        ver,
        cnt: message.cnt.0,
        sender: message.sender.0,
        ts: message.ts.0,
        cid: own.cid,
        device: own.device,
        device_epoch: own.device_epoch,
        kind: message.kind,
        reply_seq: message.reply_seq.0,
        body: message.body.clone(),
        mentions: message.mentions.iter().map(|u| u.0).collect(),
        message_id: message.message_id.0,
        app: message.app.0,
        expires_ms: message.expires.0,
        ..frame
    }
}

/// A member as told to others.
pub(crate) fn member(line: &MemberLine, reader: Reader) -> v1::Member {
    v1::Member {
        user: line.user.0,
        org: reader.org.0,
        role: role(line.role),
        join_rev: line.join_rev.0,
        ver: line.ver.0,
        gone: line.gone,
        ..v1::Member::default()
    }
}

/// An event of this user alone; `pts` and `ts` are 0.
fn user_event(event: &UserEvent, reader: Reader) -> v1::SyncEvent {
    let frame = v1::SyncEvent {
        r#type: event.type_number(),
        conv: event.conv().0,
        ..v1::SyncEvent::default()
    };
    match event {
        UserEvent::Receipt { user, .. } => {
            v1::SyncEvent { sender: user.0, body: user_body(event, reader), ..frame }
        }
        UserEvent::ConversationAdded { by, .. } | UserEvent::ConversationRemoved { by, .. } => {
            v1::SyncEvent { sender: by.0, body: user_body(event, reader), ..frame }
        }
        _ => v1::SyncEvent { body: user_body(event, reader), ..frame },
    }
}

fn user_body(event: &UserEvent, reader: Reader) -> Bytes {
    match event {
        UserEvent::ReadMarked { read, .. } => encode(&v1::ReadMarked {
            read: Some(v1::ReadState {
                read_seq: read.seq.0,
                read_cnt: read.cnt.0,
                read_pcnt: 0,
                at_ms: read.at.0,
            }),
        }),
        UserEvent::Receipt { user, read_seq, at, .. } => {
            encode(&v1::Receipt { user: user.0, read_seq: read_seq.0, at_ms: at.0, count: None })
        }
        UserEvent::ConversationAdded { item: line, reason, by } => encode(&v1::ConversationAdded {
            item: Some(item::item(line, reader)),
            reason: *reason,
            by: by.0,
        }),
        UserEvent::ConversationRemoved { reason, last_rev, by, .. } => {
            encode(&v1::ConversationRemoved { reason: *reason, last_rev: last_rev.0, by: by.0 })
        }
        UserEvent::Mention { rev, seq, all, .. } => {
            encode(&v1::MentionPointer { rev: rev.0, seq: seq.0, all: *all })
        }
        UserEvent::SummaryChanged { summary } => {
            encode(&v1::SummaryChanged { summary: Some(item::summary(summary)) })
        }
    }
}
