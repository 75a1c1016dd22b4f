//! Batches, revs, debts and pulls (sections 8.2, 8.3, 9).

use prost::Message as _;
use serde_json::json;
use tenon_wire::v1::envelope::Frame as Arm;
use tenon_wire::{ErrorCode, event_type as t, flag, role, v1};

use super::{Cases, number};
use crate::script::*;

const CONTINUE: v1::UnitAction = v1::UnitAction::Continue;

fn tips(rev: u64) -> Arm {
    Arm::ConvTips(v1::ConvTips { tips: vec![tip(rev)] })
}

fn too_long(tip_rev: u64) -> v1::ConvDiffAnswer {
    let last = (tip_rev - 2..=tip_rev).map(row).collect();
    let item = Some(item(CONV, tip_rev));
    let what = v1::conv_diff_answer::What::TooLong(v1::ConvTooLong { item, last, oldest_rev: 1 });
    v1::ConvDiffAnswer { what: Some(what) }
}

fn private(ver: u64, pid: u64) -> v1::PrivateMessage {
    let message = Some(v1::MessageRow { ver, body: text_of("for you"), ..Default::default() });
    v1::PrivateMessage { anchor_seq: 3, pid, pcnt: pid, message, ..Default::default() }
}

fn overlay_event(pts: u64, ver: u64, lo: u64, hi: u64) -> v1::SyncEvent {
    let deleted_seqs = vec![v1::SeqRange { lo, hi }];
    let overlay = Some(v1::Overlay { deleted_seqs, ..Default::default() });
    let event = event(pts, t::OVERLAY_CHANGED, 0, &v1::OverlayChanged { overlay });
    v1::SyncEvent { overlay_ver: ver, ..event }
}

fn read_marked(pts: u64, seq: u64) -> v1::SyncEvent {
    let read = Some(v1::ReadState { read_seq: seq, read_cnt: seq, ..Default::default() });
    event(pts, t::READ_MARKED, 0, &v1::ReadMarked { read })
}

fn summary(pts: u64, ver: u64, pinned: bool) -> v1::SyncEvent {
    let summary = Some(v1::Summary { ver, pinned, ..Default::default() });
    event(pts, t::SUMMARY_CHANGED, 0, &v1::SummaryChanged { summary })
}

fn pong(tip_pts: u64) -> v1::Pong {
    let units = vec![unit_state(1, CONTINUE, tip_pts)];
    v1::Pong { units, ..Default::default() }
}

pub fn cases() -> Vec<Case> {
    number("v03", [batches(), pulls(), types(), hints()].concat())
}

fn batches() -> Cases {
    vec![
        ("two batches in order; the Ack follows the commit", |s| {
            s.ready(3).batch(10, 11, vec![message(11, 4)]).batch(
                11,
                13,
                vec![message(12, 5), message(13, 6)],
            );
            s.wait(1);
        }),
        ("no Ack while the commit is open", |s| {
            s.ready(3).hold().batch(10, 11, vec![message(11, 4)]).wait(1).go_on().wait(1);
        }),
        ("what comes during a commit goes into the next one", |s| {
            s.ready(3).hold().batch(10, 11, vec![message(11, 4)]).batch(
                11,
                12,
                vec![message(12, 5)],
            );
            s.go_on().wait(1);
        }),
        ("a repeated batch is only acked", |s| {
            s.ready(3).batch(10, 11, vec![message(11, 4)]).wait(1);
            s.batch(10, 11, vec![message(11, 4)]).wait(1);
        }),
        ("an overlapping batch is applied from the cursor on", |s| {
            s.ready(3).batch(10, 11, vec![message(11, 4)]);
            s.batch(10, 12, vec![message(11, 4), message(12, 5)]).wait(1);
        }),
        ("a batch above the cursor breaks the stream: subscribe, never wait", |s| {
            s.ready(3).batch(12, 13, vec![read_marked(13, 2)]).wait(1);
            s.batch(10, 13, vec![message(11, 4), read_marked(13, 2)]).wait(1);
        }),
        ("coverage without events moves the cursor", |s| {
            s.ready(3).batch(10, 40, vec![]).wait(1);
        }),
        ("a batch of another queue epoch is dropped", |s| {
            let other = v1::EventBatch { queue_epoch: 2, ..batch(10, 11, vec![message(11, 4)]) };
            s.ready(3).frame(Arm::EventBatch(other)).wait(1);
        }),
        ("a batch of an unknown unit is dropped", |s| {
            let other = v1::EventBatch { unit: 7, ..batch(0, 1, vec![message(1, 4)]) };
            s.ready(3).frame(Arm::EventBatch(other)).wait(1);
        }),
        ("a crash before the commit: the batch comes again and is told once", |s| {
            s.ready(3).hold().batch(10, 11, vec![message(11, 4)]).crash(false);
            s.put(json!({"link": "up"})).hello_ack(2, CONTINUE, 11);
            s.batch(10, 11, vec![message(11, 4)]).wait(1);
        }),
        ("a crash after the commit: the event is told again to the app, not applied again", |s| {
            s.ready(3).hold().batch(10, 11, vec![message(11, 4)]).crash(true);
            s.put(json!({"link": "up"})).hello_ack(2, CONTINUE, 11).wait(1);
        }),
        ("an event that the app has handled does not come again", |s| {
            s.ready(3).batch(10, 12, vec![message(11, 4), message(12, 5)]);
            s.put(json!({"events_done": 2})).hold().crash(false);
        }),
        ("the queue epoch of the cursor is rewritten before anything is applied", |s| {
            s.ready(3).cut().wait(1_000).put(json!({"link": "up"}));
            let units = vec![unit_state(5, CONTINUE, 11)];
            s.frame_of(1, Arm::HelloAck(v1::HelloAck { units, ..hello_ack(2, CONTINUE, 11) }));
            let next = v1::EventBatch { queue_epoch: 5, ..batch(10, 11, vec![message(11, 4)]) };
            s.frame(Arm::EventBatch(next)).wait(1);
        }),
        ("a queue epoch on the live link is answered by subscribe", |s| {
            s.ready(3).frame(Arm::UnitState(unit_state(5, CONTINUE, 10))).wait(1);
        }),
        ("sixty-four events are acked at once", |s| {
            s.ready(0).batch(10, 74, (11..=74).map(|pts| message(pts, pts - 10)).collect());
        }),
    ]
}

fn pulls() -> Cases {
    vec![
        ("a rev that is folded is skipped", |s| {
            s.ready(3).batch(10, 11, vec![message(11, 3)]).wait(1);
        }),
        ("a rev ahead is a debt: pull, and every rev is told in order", |s| {
            s.ready(3).batch(10, 11, vec![message(11, 6)]).wait(1);
            s.respond(2, &diff_answer(diff(3, 6, 6))).wait(1);
        }),
        ("the debt survives a crash", |s| {
            s.ready(3).batch(10, 11, vec![message(11, 6)]).hold().crash(false);
            s.put(json!({"link": "up"})).hello_ack(2, CONTINUE, 11).wait(1);
            s.respond(2, &diff_answer(diff(3, 6, 6))).wait(1);
        }),
        ("a difference in pieces is pulled on", |s| {
            s.ready(3).frame(tips(9)).wait(1);
            s.respond(2, &diff_answer(diff(3, 6, 9))).wait(1);
            s.respond(3, &diff_answer(diff(6, 9, 9))).wait(1);
        }),
        ("a tip during a pull only raises what is known", |s| {
            s.ready(3).frame(tips(5)).wait(1).frame(tips(7)).wait(1);
            s.respond(2, &diff_answer(diff(3, 5, 5))).wait(1);
            s.respond(3, &diff_answer(diff(5, 7, 7))).wait(1);
        }),
        ("the queue delivers what a pull under way also brings: told once", |s| {
            s.ready(3).frame(tips(5)).wait(1);
            s.batch(10, 12, vec![message(11, 4), message(12, 5)]);
            s.respond(2, &diff_answer(diff(3, 5, 5))).wait(1);
        }),
        ("revs that are not for this user are covered by the difference", |s| {
            let mut diff = diff(3, 6, 6);
            diff.events.remove(1);
            s.ready(3).frame(tips(6)).wait(1).respond(2, &diff_answer(diff)).wait(1);
        }),
        ("a push at the right rev is applied, a later one is a debt", |s| {
            s.ready(3).frame(Arm::ConvPush(diff(3, 5, 5)));
            s.frame(Arm::ConvPush(diff(7, 8, 8))).wait(1);
            s.respond(2, &diff_answer(diff(5, 8, 8))).wait(1);
        }),
        ("too long: the line and the last rows, and the app hears what was skipped", |s| {
            s.ready(3).frame(tips(90)).wait(1).respond(2, &too_long(90)).wait(1);
        }),
        ("absent: the conversation is left and owes nothing", |s| {
            s.ready(3).frame(tips(5)).wait(1).error(2, ErrorCode::Absent.number(), 0).wait(1);
        }),
        ("absent, overtaken by the joining: true of the time of the question alone", |s| {
            s.ready(3).frame(tips(5)).wait(1);
            let left = event(11, t::CONVERSATION_REMOVED, 0, &v1::ConversationRemoved::default());
            let item = Some(item(CONV, 8));
            let added = v1::ConversationAdded { item, ..Default::default() };
            s.batch(10, 12, vec![left, event(12, t::CONVERSATION_ADDED, 0, &added)]);
            s.error(2, ErrorCode::Absent.number(), 0).wait(1);
        }),
        (
            "a line that the user's leaving has overtaken does not bring the conversation back",
            |s| {
                s.start().hello_ack(2, v1::UnitAction::Rebase, 10);
                let first = v1::ConvListPage { next: b"2".as_slice().into(), ..Default::default() };
                s.frame(Arm::Rebase(v1::Rebase { first: Some(first), ..rebase(10) }));
                let added =
                    v1::ConversationAdded { item: Some(item(CONV, 2)), ..Default::default() };
                let left =
                    event(12, t::CONVERSATION_REMOVED, 0, &v1::ConversationRemoved::default());
                s.batch(10, 12, vec![event(11, t::CONVERSATION_ADDED, 0, &added), left]);
                s.respond(2, &page(vec![item(CONV, 3)])).wait(1);
            },
        ),
        ("a pull that is refused for now is repeated after its time", |s| {
            s.ready(3).frame(tips(5)).wait(1);
            s.error(2, ErrorCode::NotAppliedYet.number(), 100).wait(1).wait(400);
        }),
        ("three pulls without progress, then a pause of a minute", |s| {
            s.ready(3).frame(tips(5)).wait(1);
            for id in 2..=4 {
                s.respond(id, &diff_answer(diff(3, 3, 5))).wait(1);
            }
            s.wait(1_000).wait(60_000);
        }),
        ("a higher conversation epoch is a debt, and the reset drops the tail", |s| {
            let ahead = v1::SyncEvent { conv_epoch: 1, ..message(11, 3) };
            s.ready(5).batch(10, 11, vec![ahead]).wait(1);
            let reset =
                v1::ConvReset { conv: CONV, conv_epoch: 1, valid_to_rev: 2, valid_to_seq: 2 };
            let what = Some(v1::conv_diff_answer::What::Reset(reset));
            s.respond(2, &v1::ConvDiffAnswer { what }).wait(1);
            let items = vec![v1::ConvItem { conv_epoch: 1, ..item(CONV, 3) }];
            s.respond(3, &v1::ConvItems { items, ..Default::default() }).wait(1);
        }),
        ("an event of an older conversation epoch is skipped", |s| {
            let items = vec![v1::ConvItem { conv_epoch: 2, ..item(CONV, 3) }];
            s.start().hello_ack(2, v1::UnitAction::Rebase, 10);
            s.frame(Arm::Rebase(v1::Rebase { first: Some(page(items)), ..rebase(10) }));
            s.batch(10, 11, vec![message(11, 4)]).wait(1);
        }),
        ("an unknown conversation is a stub: its line and its difference are asked for", |s| {
            let stranger = v1::SyncEvent { conv: 200, ..message(11, 2) };
            s.ready(3).batch(10, 11, vec![stranger]).wait(1);
            let items = vec![item(200, 2)];
            s.respond(2, &v1::ConvItems { items, ..Default::default() });
            let mut diff = diff(0, 2, 2);
            (diff.conv, diff.events) = (200, Vec::new());
            s.respond(3, &diff_answer(diff)).wait(1);
        }),
        ("several debts go into one request", |s| {
            let other = v1::ConvTip { conv: 200, ..tip(4) };
            s.start().hello_ack(2, v1::UnitAction::Rebase, 10);
            let first = Some(page(vec![item(CONV, 3), item(200, 3)]));
            s.frame(Arm::Rebase(v1::Rebase { first, ..rebase(10) }));
            s.frame(Arm::ConvTips(v1::ConvTips { tips: vec![tip(4), other] })).wait(1);
            let mut second = diff(3, 4, 4);
            second.conv = 200;
            let answers = vec![diff_answer(diff(3, 4, 4)), diff_answer(second)];
            s.respond(2, &v1::ConvDiffAnswers { answers }).wait(1);
        }),
        ("a request for several that fails is repeated one by one", |s| {
            let other = v1::ConvTip { conv: 200, ..tip(4) };
            s.start().hello_ack(2, v1::UnitAction::Rebase, 10);
            let first = Some(page(vec![item(CONV, 3), item(200, 3)]));
            s.frame(Arm::Rebase(v1::Rebase { first, ..rebase(10) }));
            s.frame(Arm::ConvTips(v1::ConvTips { tips: vec![tip(4), other] })).wait(1);
            s.error(2, ErrorCode::BadMessage.number(), 0).wait(1);
        }),
    ]
}

fn types() -> Cases {
    vec![
        ("an edit and a recall change the row by version", |s| {
            let edit = v1::SyncEvent {
                seq: 3,
                ts: 6_000,
                kind: 1,
                body: text_of("edited"),
                ..event(11, t::MESSAGE_EDITED, 4, &v1::Recalled::default())
            };
            let recall =
                event(12, t::MESSAGE_RECALLED, 5, &v1::Recalled { by: 2, ..Default::default() });
            s.ready(3).batch(10, 12, vec![edit, v1::SyncEvent { seq: 3, ..recall }]).wait(1);
        }),
        ("expiry, reactions and a card", |s| {
            let expired = event(11, t::MESSAGE_EXPIRED, 4, &v1::Recalled::default());
            let reactions =
                vec![v1::ReactionCount { code: "ok".into(), count: 2, ..Default::default() }];
            let body = v1::ReactionsChanged { reactions, ..Default::default() };
            let reactions = event(12, t::REACTIONS_CHANGED, 5, &body);
            let card = Some(v1::Card { card_id: "c".into(), card_ver: 2, ..Default::default() });
            let card = event(13, t::CARD_UPDATED, 6, &v1::CardUpdated { card });
            let events = [expired, reactions, card].map(|e| v1::SyncEvent { seq: 3, ..e });
            s.ready(3).batch(10, 13, events.to_vec()).wait(1);
        }),
        ("a version of its own stands above the rev", |s| {
            s.ready(3).batch(10, 11, vec![v1::SyncEvent { ver: 9, ..message(11, 4) }]).wait(1);
        }),
        ("an unreadable message keeps its place", |s| {
            let unreadable = v1::SyncEvent { r#type: t::UNREADABLE, ..message(11, 4) };
            s.ready(3).batch(10, 12, vec![unreadable, message(12, 5)]).wait(1);
        }),
        ("an unknown type is kept as it came and rev and cursor move", |s| {
            let unknown = event(11, 99, 4, &v1::Recalled { by: 9, ..Default::default() });
            s.ready(3).batch(10, 12, vec![unknown, message(12, 5)]).wait(1);
        }),
        ("an unknown critical type marks the conversation", |s| {
            let unknown = event(11, 99, 4, &v1::Recalled::default());
            s.ready(3)
                .batch(10, 11, vec![v1::SyncEvent { flags: flag::CRITICAL, ..unknown }])
                .wait(1);
        }),
        ("what members share: title, mode, members, pins", |s| {
            let meta = Some(v1::ConvMeta {
                title: "new".into(),
                notice: "no".into(),
                ..Default::default()
            });
            let changed = v1::ConversationChanged { meta, mask: 1, by: 2 };
            let mode = v1::ModeChanged { mode: v1::Mode::Pull.into(), member_count: 501 };
            let members =
                v1::MembersChanged { to_roster_ver: 3, member_count: 502, ..Default::default() };
            let pins = v1::PinsChanged { pinned_seqs: vec![2], by: 2 };
            s.ready(3).batch(
                10,
                14,
                vec![
                    event(11, t::CONVERSATION_CHANGED, 4, &changed),
                    event(12, t::MODE_CHANGED, 5, &mode),
                    event(13, t::MEMBERS_CHANGED, 6, &members),
                    event(14, t::PINS_CHANGED, 7, &pins),
                ],
            );
            s.wait(1);
        }),
        ("a read mark never falls", |s| {
            s.ready(3).batch(10, 12, vec![read_marked(11, 3), read_marked(12, 2)]).wait(1);
        }),
        ("a receipt never falls", |s| {
            let receipt = |pts, read_seq| {
                event(pts, t::RECEIPT, 0, &v1::Receipt { user: 2, read_seq, ..Default::default() })
            };
            s.ready(3).batch(10, 12, vec![receipt(11, 3), receipt(12, 1)]).wait(1);
        }),
        ("a summary is taken by its version", |s| {
            s.ready(3).batch(10, 12, vec![summary(11, 5, true), summary(12, 4, false)]).wait(1);
        }),
        ("a mention pointer is a tip", |s| {
            let pointer = v1::MentionPointer { rev: 5, seq: 5, all: false };
            s.ready(3).batch(10, 11, vec![event(11, t::MENTION, 0, &pointer)]).wait(1);
        }),
        ("an own message moves the read mark, an automatic one does not", |s| {
            let auto = v1::SyncEvent { flags: flag::AUTO | flag::OWN, ..own(12, 5, 0) };
            s.ready(3).batch(
                10,
                12,
                vec![v1::SyncEvent { flags: flag::OWN, ..own(11, 4, 0) }, auto],
            );
            s.wait(1);
        }),
        ("added with a short past: every event since the join is told", |s| {
            let body = v1::ConversationAdded { item: Some(item(200, 2)), reason: 1, by: 2 };
            let added = v1::SyncEvent { conv: 200, ..event(11, t::CONVERSATION_ADDED, 0, &body) };
            let first = v1::SyncEvent { conv: 200, ..message(12, 1) };
            let second = v1::SyncEvent { conv: 200, ..message(13, 2) };
            s.ready(3).batch(10, 13, vec![added, first, second]).wait(1);
        }),
        ("added with a long past: the rows come from history", |s| {
            let body = v1::ConversationAdded { item: Some(item(200, 80)), reason: 1, by: 2 };
            let added = v1::SyncEvent { conv: 200, ..event(11, t::CONVERSATION_ADDED, 0, &body) };
            s.ready(3).batch(10, 11, vec![added]).wait(1);
        }),
        ("removed: nothing is owed any more", |s| {
            let body = v1::ConversationRemoved { reason: 5, last_rev: 3, by: 2 };
            s.ready(3).frame(tips(6)).batch(
                10,
                11,
                vec![event(11, t::CONVERSATION_REMOVED, 0, &body)],
            );
            s.wait(1);
        }),
        ("a private message by its version, a gap is a debt of the inbox", |s| {
            let event_of = |pts, ver, pid| {
                let body = v1::PrivateChanged { private: Some(private(ver, pid)) };
                v1::SyncEvent { overlay_ver: ver, ..event(pts, t::PRIVATE_MESSAGE, 0, &body) }
            };
            s.ready(3).batch(10, 12, vec![event_of(11, 1, 1), event_of(12, 3, 3)]).wait(1);
            let rows = vec![
                v1::InboxRow { overlay_ver: 2, private: Some(private(2, 2)), overlay: None },
                v1::InboxRow { overlay_ver: 3, private: Some(private(3, 3)), overlay: None },
            ];
            s.respond(
                2,
                &v1::InboxPage { from_ver: 1, to_ver: 3, rows, tip_pcnt: 3, ..Default::default() },
            );
            s.wait(1);
        }),
        ("deleted ranges join and stay", |s| {
            s.ready(9).batch(
                10,
                13,
                vec![
                    overlay_event(11, 1, 2, 3),
                    overlay_event(12, 2, 6, 7),
                    overlay_event(13, 3, 4, 5),
                ],
            );
            s.wait(1);
        }),
        ("an inbox that is too long drops the verified history", |s| {
            s.ready(9).batch(10, 11, vec![overlay_event(11, 5, 2, 3)]).wait(1);
            s.respond(2, &v1::InboxPage { to_ver: 5, too_long: true, ..Default::default() })
                .wait(1);
        }),
    ]
}

fn hints() -> Cases {
    vec![
        ("Pong: the queue is ahead and nothing came: subscribe", |s| {
            s.ready(3).wait(30_000).frame(Arm::Pong(pong(12))).wait(1);
        }),
        ("Pong: the queue is ahead and a batch came since the Ping: no subscribe", |s| {
            s.ready(3).wait(30_000).batch(10, 11, vec![message(11, 4)]);
            s.frame(Arm::Pong(pong(12))).wait(1);
        }),
        ("Pong: a tip is a debt", |s| {
            s.ready(3).wait(30_000);
            s.frame(Arm::Pong(v1::Pong { tips: vec![tip(5)], ..pong(10) })).wait(1);
        }),
        ("Pong: an equal list digest is silent", |s| {
            let list_digest = tenon_base::digest::list_term(CONV, 3, 0);
            s.ready(3).wait(30_000);
            s.frame(Arm::Pong(v1::Pong { list_digest, list_digest_pts: 10, ..pong(10) })).wait(1);
        }),
        ("Pong: another list digest asks for the tips, once a minute", |s| {
            s.ready(3).wait(30_000);
            let other = v1::Pong { list_digest: 1, list_digest_pts: 10, ..pong(10) };
            s.frame(Arm::Pong(other.clone()));
            s.respond(2, &v1::ConvItems { tips: vec![tip(4)], ..Default::default() }).wait(1);
            s.respond(3, &diff_answer(diff(3, 4, 4))).frame(Arm::Pong(other)).wait(1);
        }),
        ("Pong: a digest at another pts says nothing", |s| {
            s.ready(3).wait(30_000);
            s.frame(Arm::Pong(v1::Pong { list_digest: 1, list_digest_pts: 11, ..pong(10) }))
                .wait(1);
        }),
        ("a Ping without Pong ends the link", |s| {
            s.ready(3).wait(30_000).wait(6_000);
        }),
        ("go away: the link is left after its time", |s| {
            let go = v1::GoAway { reason: 1, reconnect_after_ms: 1_000, ..Default::default() };
            s.ready(3).frame(Arm::GoAway(go)).wait(2_000);
        }),
        ("displaced: no return by itself", |s| {
            let close = v1::Close { reason: 2, ..Default::default() };
            s.ready(3).frame(Arm::Close(close)).wait(60_000);
        }),
        ("connection_stale: the next Hello asks for a new device epoch", |s| {
            let code = ErrorCode::ConnectionStale.number();
            s.ready(3).cut().wait(1_000).put(json!({"link": "up"}));
            s.frame(Arm::Close(v1::Close { reason: 10, code, ..Default::default() }));
            s.wait(2_000).put(json!({"link": "up"})).hello_ack(3, CONTINUE, 10).wait(1);
        }),
        ("the body of an event is opaque to the cursor", |s| {
            let broken =
                v1::SyncEvent { body: b"\xff\xff".as_slice().into(), ..read_marked(11, 2) };
            assert!(v1::ReadMarked::decode(broken.body.clone()).is_err());
            s.ready(3).batch(10, 12, vec![broken, message(12, 4)]).wait(1);
        }),
        ("the own role and the owner follow what is told of members", |s| {
            let line = |user, as_| v1::Member { user, role: as_, ..Default::default() };
            let members = |ver, members| v1::MembersChanged {
                members,
                to_roster_ver: ver,
                member_count: 3,
                ..Default::default()
            };
            let gone = v1::Member { gone: true, ..line(2, role::OWNER) };
            s.ready(3).batch(
                10,
                13,
                vec![
                    event(11, t::MEMBERS_CHANGED, 4, &members(4, vec![line(1, role::ADMIN)])),
                    event(12, t::MEMBERS_CHANGED, 5, &members(5, vec![line(3, role::MEMBER)])),
                    event(13, t::MEMBERS_CHANGED, 6, &members(6, vec![gone, line(1, role::OWNER)])),
                ],
            );
            s.wait(1);
        }),
        ("a read mark ends what was marked as unread, also one that moves nothing", |s| {
            let marked = |pts, ver| {
                let summary = v1::Summary { ver, marked_unread: true, ..Default::default() };
                let body = v1::SummaryChanged { summary: Some(summary) };
                event(pts, t::SUMMARY_CHANGED, 0, &body)
            };
            s.ready(3).batch(10, 12, vec![marked(11, 5), read_marked(12, 2)]).wait(1);
            s.batch(12, 14, vec![marked(13, 6), read_marked(14, 2)]).wait(1);
        }),
    ]
}
