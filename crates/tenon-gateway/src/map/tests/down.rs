//! To the device: outcomes, events, batches, pages.

use std::sync::Arc;

use tenon_base::{
    Cid, Cnt, ConversationId, DeviceId, MessageId, OpSeq, Pts, QueueEpoch, Rev, Seq, Timestamp,
    UserId,
};
use tenon_core::admission::{
    Answer, DeviceLine, Diff, HistoryPage, ListItem, OpAnswer, RosterPage,
};
use tenon_core::conversation::{Accepted, Fate, Outcome};
use tenon_core::event::{Item, MemberLine, Tip};
use tenon_core::handover::{Batch, BatchEntry, Told, UserOutcome};
use tenon_core::user::{OpOutcome, Summary};
use tenon_core::{EventBody, Message, Mode, ReadState, Rejection, Role, UserEvent, flag};
use tenon_wire::v1::Status;
use tenon_wire::{Bounded as _, ErrorCode, Message as _, encode, event_type, method, op_type, v1};

use super::{OTHER, SENDER, event, message, text};
use crate::map::{answer, batch, diff, event as map_event, item, op, send};

const AT: Accepted =
    Accepted { seq: Seq(5), rev: Rev(8), cnt: Cnt(4), message_id: MessageId(77), ts: Timestamp(9) };

#[test]
fn each_outcome_has_its_status_and_code() {
    let rejected = Rejection::Muted;
    let cases = [
        (Outcome::Ok(AT), Status::Ok, 0, 5),
        (Outcome::Duplicate(Fate::Accepted(AT)), Status::Duplicate, 0, 5),
        (Outcome::Duplicate(Fate::Rejected(rejected)), Status::Duplicate, 6003, 0),
        (Outcome::Rejected(rejected), Status::Rejected, 6003, 0),
        (Outcome::CidReused, Status::Rejected, 5006, 0),
        (Outcome::Gap { expect: Cid(4) }, Status::Gap, 0, 0),
        (Outcome::Parked, Status::Parked, 0, 0),
        (Outcome::Retry { code: 2001, after_ms: 70 }, Status::Retry, 2001, 0),
    ];
    for (outcome, status, code, seq) in cases {
        let ack = send::ack(50, 3, Some(outcome)).unwrap();
        let ack = v1::SendAck::decode_bounded(encode(&ack)).unwrap();
        assert_eq!((ack.status(), ack.code, ack.seq), (status, code, seq), "{outcome:?}");
        assert_eq!((ack.conv, ack.cid, ack.unit), (50, 3, 1));
        assert_eq!(ack.expect_cid, if status == Status::Gap { 4 } else { 0 });
        assert_eq!(ack.retry_after_ms, if status == Status::Retry { 70 } else { 0 });
        let asked = op::Asked { conv: 50, n: 3, type_number: op_type::LEAVE };
        let ack = op::ack(&asked, Some(OpAnswer::Conversation(outcome))).unwrap();
        assert_eq!((ack.status(), ack.code, ack.n), (status, code, 3));
    }
    assert_eq!(send::ack(50, 3, Some(Outcome::Absent)), Err(ErrorCode::Absent));
    let stopped = send::ack(50, 3, None).unwrap();
    assert_eq!((stopped.status(), stopped.code), (Status::Retry, 1003), "nobody knows");
}

#[test]
fn every_rejection_is_in_the_registry() {
    for rejection in Rejection::ALL {
        assert!(ErrorCode::from_number(send::code_of(rejection)).is_some(), "{rejection:?}");
    }
}

#[test]
fn user_outcomes_too() {
    let first = |fate| OpOutcome { op_seq: OpSeq(4), digest: [0; 16], fate };
    let cases = [
        (op_type::OPEN_DIRECT, UserOutcome::Ok { id: 9 }, Status::Accepted, 0, 9),
        (op_type::SET_SUMMARY, UserOutcome::Ok { id: 0 }, Status::Ok, 0, 0),
        (op_type::OPEN_DIRECT, UserOutcome::Duplicate(first(Ok(9))), Status::Duplicate, 0, 9),
        (
            op_type::OPEN_DIRECT,
            UserOutcome::Duplicate(first(Err(Rejection::TooMany))),
            Status::Duplicate,
            6008,
            0,
        ),
        (op_type::OPEN_DIRECT, UserOutcome::Reused, Status::Rejected, 5006, 0),
        (
            op_type::OPEN_DIRECT,
            UserOutcome::Rejected(Rejection::TargetUnknown),
            Status::Rejected,
            6012,
            0,
        ),
        (op_type::OPEN_DIRECT, UserOutcome::Gap { expect: OpSeq(2) }, Status::Gap, 0, 0),
        (
            op_type::OPEN_DIRECT,
            UserOutcome::Retry { code: 1001, after_ms: 5 },
            Status::Retry,
            1001,
            0,
        ),
    ];
    for (type_number, outcome, status, code, id) in cases {
        let asked = op::Asked { conv: 0, n: 4, type_number };
        let ack = op::ack(&asked, Some(OpAnswer::User(outcome))).unwrap();
        assert_eq!((ack.status(), ack.code, ack.id), (status, code, id), "{outcome:?}");
    }
    let asked = op::Asked { conv: 0, n: 4, type_number: op_type::SET_SUMMARY };
    let stale = op::ack(&asked, Some(OpAnswer::User(UserOutcome::DeviceEpochStale)));
    assert_eq!(stale, Err(ErrorCode::DeviceEpochStale));
}

#[test]
fn keys_of_a_message_are_the_senders_alone() {
    let told = event(EventBody::Message(Arc::new(message())));
    let own = map_event::conversation_event(&told, SENDER);
    assert_eq!((own.cid, own.device, own.device_epoch), (3, 100, 2));
    assert_eq!(own.flags, flag::SILENT | flag::OWN);
    let other = map_event::conversation_event(&told, OTHER);
    assert_eq!((other.cid, other.device, other.device_epoch), (0, 0, 0));
    assert_eq!(other.flags, flag::SILENT | flag::MENTION_ME);
    assert_eq!((other.rev, other.ver, other.conv_epoch), (8, 0, 1), "ver 0 is equal to rev");
    assert_eq!((other.seq, other.cnt, other.sender, other.ts), (5, 4, 10, 1_000));
    assert_eq!((other.message_id, other.reply_seq, other.app), (77, 2, 6));
    assert_eq!((other.expires_ms, other.mentions, other.body), (3_000, vec![20], text("hi")));

    let answer = Answer::History(HistoryPage {
        conv: ConversationId(50),
        lo: Seq(5),
        hi: Seq(5),
        rows: vec![Arc::new(message())],
        is_stable: true,
        ..HistoryPage::default()
    });
    for (reader, cid) in [(SENDER, 3), (OTHER, 0)] {
        let body = answer::body(method::GET_HISTORY, &answer, reader).unwrap();
        let page = v1::HistoryPage::decode(body).unwrap();
        let row = &page.normal[0];
        assert_eq!((row.cid, row.ver, row.edited_ms), (cid, 8, 2_000));
        assert!(page.stable && !page.floor);
    }
}

#[test]
fn a_stored_personal_flag_reaches_nobody_else() {
    let dirty = Message { flags: flag::OWN | flag::MENTION_ME, mentions: Vec::new(), ..message() };
    let told = event(EventBody::Message(Arc::new(dirty)));
    assert_eq!(map_event::conversation_event(&told, OTHER).flags, 0);
}

#[test]
fn bodies_of_conversation_events_decode() {
    let line = |n| MemberLine {
        user: UserId(n),
        role: Role::Admin,
        join_rev: Rev(2),
        ver: Rev(8),
        gone: false,
    };
    let members = event(EventBody::Members {
        members: (1..=101).map(line).collect(),
        from_roster_ver: Rev(7),
        member_count: 300,
        reason: 2,
    });
    let wire = map_event::conversation_event(&members, OTHER);
    assert_eq!(wire.r#type, event_type::MEMBERS_CHANGED);
    let body = v1::MembersChanged::decode(wire.body).unwrap();
    assert_eq!((body.members.len(), body.truncated, body.member_count), (100, true, 300));
    assert_eq!((body.from_roster_ver, body.to_roster_ver, body.by), (7, 8, 10));
    assert_eq!((body.members[0].role, body.members[0].org), (2, 1));

    let renamed = event(EventBody::Renamed { title: "new".into() });
    let wire = map_event::conversation_event(&renamed, OTHER);
    let body = v1::ConversationChanged::decode(wire.body).unwrap();
    let meta = body.meta.unwrap();
    assert_eq!((meta.title.as_str(), meta.ver, body.mask), ("new", 8, 1));

    let flipped = event(EventBody::Mode { mode: Mode::Pull, member_count: 501 });
    let body =
        v1::ModeChanged::decode(map_event::conversation_event(&flipped, OTHER).body).unwrap();
    assert_eq!((body.mode(), body.member_count), (v1::Mode::Pull, 501));
}

fn entry(pts: u64, told: Told) -> BatchEntry {
    BatchEntry { pts: Pts(pts), ts: Timestamp(70), told }
}

fn user_event(told: UserEvent) -> v1::SyncEvent {
    let wire = map_event::entry(&entry(4, Told::User(Arc::new(told))), OTHER);
    assert_eq!((wire.pts, wire.ts, wire.conv, wire.rev), (4, 70, 50, 0));
    wire
}

#[test]
fn bodies_of_user_events_decode() {
    let conv = ConversationId(50);
    let read = ReadState { seq: Seq(5), cnt: Cnt(4), at: Timestamp(60) };
    let wire = user_event(UserEvent::ReadMarked { conv, read });
    let body = v1::ReadMarked::decode(wire.body).unwrap().read.unwrap();
    assert_eq!((body.read_seq, body.read_cnt, body.at_ms), (5, 4, 60));

    let (user, read_seq, at) = (UserId(10), Seq(5), Timestamp(60));
    let wire = user_event(UserEvent::Receipt { conv, user, read_seq, at });
    let body = v1::Receipt::decode(wire.body).unwrap();
    assert_eq!((body.user, body.read_seq, wire.sender), (10, 5, 10));

    let item = Box::new(Item { tip: Tip { conv, ..Tip::default() }, ..Item::default() });
    let wire = user_event(UserEvent::ConversationAdded { item, reason: 2, by: UserId(10) });
    let body = v1::ConversationAdded::decode(wire.body).unwrap();
    assert_eq!((body.item.unwrap().conv, body.reason, body.by), (50, 2, 10));

    let gone = UserEvent::ConversationRemoved { conv, reason: 5, last_rev: Rev(7), by: UserId(10) };
    let body = v1::ConversationRemoved::decode(user_event(gone).body).unwrap();
    assert_eq!((body.reason, body.last_rev), (5, 7));

    let mention = UserEvent::Mention { conv, rev: Rev(8), seq: Seq(5), all: true };
    let body = v1::MentionPointer::decode(user_event(mention).body).unwrap();
    assert_eq!((body.rev, body.seq, body.all), (8, 5, true));

    let draft = encode(&v1::Draft { body: text("later"), ..v1::Draft::default() });
    let summary = Summary { conv, ver: 3, pinned: true, draft, ..Summary::default() };
    let wire = user_event(UserEvent::SummaryChanged { summary });
    let body = v1::SummaryChanged::decode(wire.body).unwrap().summary.unwrap();
    assert_eq!((body.conv, body.ver, body.pinned), (50, 3, true));
    assert_eq!(body.draft.unwrap().body, text("later"));
}

#[test]
fn what_cannot_be_read_keeps_its_place() {
    let told = Told::Unreadable { conv: ConversationId(50), rev: Rev(8) };
    let wire = map_event::entry(&entry(4, told), OTHER);
    assert_eq!((wire.r#type, wire.pts, wire.conv, wire.rev), (0, 4, 50, 8));
    assert!(wire.body.is_empty());
}

fn big_batch(count: u64, body_bytes: usize) -> Batch {
    let body = text(&"x".repeat(body_bytes));
    let told = event(EventBody::Message(Arc::new(Message { body, ..message() })));
    let told = Told::Event(Arc::new(told));
    Batch {
        queue_epoch: QueueEpoch(3),
        from: Pts(10),
        to: Pts(10 + count),
        tip: Pts(500),
        entries: (1..=count).map(|n| entry(10 + n, told.clone())).collect(),
    }
}

#[test]
fn a_batch_is_cut_into_contiguous_frames_that_fit() {
    for (count, body, aim) in [(256, 100, 16 * 1024), (30, 30_000, usize::MAX), (3, 30_000, 1_200)]
    {
        let whole = big_batch(count, body);
        let (mut at, mut seen) = (whole.from.0, 0);
        let mut rest = Some(whole);
        while let Some(batch) = rest {
            let (frame, next) = batch::cut(batch, aim, OTHER);
            assert_eq!(frame.from_pts, at);
            assert!(frame.encoded_len() <= tenon_base::limits::FRAME_DOWN_BYTES_MAX);
            assert!(frame.encoded_len() <= aim.saturating_add(32 * 1024));
            assert!(!frame.events.is_empty() && frame.more);
            seen += frame.events.len();
            at = frame.to_pts;
            rest = next;
        }
        assert_eq!((at, seen as u64), (10 + count, count));
    }
}

#[test]
fn a_batch_without_events_still_covers() {
    let empty = Batch { entries: Vec::new(), tip: Pts(20), ..big_batch(10, 1) };
    let (frame, rest) = batch::cut(empty, 1_000, OTHER);
    assert!(rest.is_none() && frame.events.is_empty() && !frame.more);
    assert_eq!((frame.from_pts, frame.to_pts, frame.tip_pts), (10, 20, 20));
}

#[test]
fn batches_are_joined_only_where_one_ends_the_other_begins() {
    let mut first = big_batch(3, 1);
    let next = Batch { from: Pts(13), to: Pts(14), ..big_batch(1, 1) };
    assert!(batch::join(&mut first, next.clone()).is_ok());
    assert_eq!((first.to, first.entries.len()), (Pts(14), 4));
    assert!(batch::join(&mut first, next.clone()).is_err(), "a hole or a repeat");
    let newer = Batch { queue_epoch: QueueEpoch(4), from: Pts(14), ..next };
    assert!(batch::join(&mut first, newer).is_err());
    let many = Batch { from: Pts(14), ..big_batch(253, 1) };
    assert!(batch::join(&mut first, many).is_err(), "256 events are one frame");
}

#[test]
fn a_line_says_its_conversation_once() {
    let line = ListItem {
        item: Item {
            tip: Tip { conv: ConversationId(50), rev: Rev(8), ..Tip::default() },
            title: "room".into(),
            unread: 3,
            last: Some(Arc::new(message())),
            ..Item::default()
        },
        summary: Summary { conv: ConversationId(50), ver: 2, ..Summary::default() },
    };
    let wire = item::list_item(&line, OTHER);
    assert_eq!((wire.conv, wire.tip_rev, wire.unread), (50, 8, 3));
    assert_eq!((wire.summary.unwrap().conv, wire.last.unwrap().cid), (0, 0));
    let meta = wire.meta.unwrap();
    assert_eq!((meta.conv, meta.title.as_str(), meta.unit, meta.route_epoch), (0, "room", 1, 1));
}

#[test]
fn a_draft_that_does_not_decode_is_none() {
    let summary = Summary { draft: bytes::Bytes::from_static(&[0xFF]), ..Summary::default() };
    assert_eq!(item::summary(&summary).draft, None);
}

#[test]
fn diffs_keep_their_order_and_absent_ones_their_place() {
    let tip = Tip { conv: ConversationId(50), rev: Rev(8), ..Tip::default() };
    let events = vec![Arc::new(event(EventBody::Message(Arc::new(message()))))];
    let push = diff::push(&tip, &events, OTHER).unwrap();
    assert_eq!((push.from_rev, push.to_rev, push.tip_rev, push.r#final), (7, 8, 8, true));
    let found = Diff::Events { tip, from: Rev(7), to: Rev(8), is_final: true, events };
    let absent = Diff::Absent { conv: ConversationId(51) };
    let all = Answer::Diffs(vec![absent.clone(), found]);
    let body = answer::body(method::GET_CONV_DIFFS, &all, OTHER).unwrap();
    let answers = v1::ConvDiffAnswers::decode(body).unwrap().answers;
    assert!(answers[0].what.is_none() && answers[1].what.is_some());
    let one = Answer::Diffs(vec![absent]);
    assert_eq!(answer::body(method::GET_CONV_DIFF, &one, OTHER), Err(ErrorCode::Absent));
    assert!(diff::push(&tip, &[], OTHER).is_none());
}

#[test]
fn pages_of_people_decode() {
    let page =
        RosterPage { next: Some(UserId(17)), total: 3, ver: Rev(4), ..RosterPage::default() };
    let body = answer::body(method::GET_ROSTER, &Answer::Roster(page), OTHER).unwrap();
    let page = v1::RosterPage::decode(body).unwrap();
    assert_eq!((page.full, page.total, page.to_ver), (true, 3, 4));
    assert_eq!(page.next, 17_u64.to_be_bytes().as_slice());

    let line =
        DeviceLine { device: DeviceId(6), kind: 3, label: "desk".into(), ..Default::default() };
    let body = answer::body(method::GET_COLLECTION, &Answer::Devices(vec![line]), OTHER).unwrap();
    let page = v1::CollectionPage::decode(body).unwrap();
    let device = v1::DeviceInfo::decode(page.items[0].body.clone()).unwrap();
    assert_eq!((page.collection(), device.name.as_str()), (v1::Collection::Devices, "desk"));
    assert_eq!((device.device, device.kind), (6, 3));
}
