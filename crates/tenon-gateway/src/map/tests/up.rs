//! From the device: Hello, Send, Op, marks, reads.

use bytes::Bytes;
use tenon_base::{ConversationId, DeviceEpoch, DeviceId, Pts, QueueEpoch, Rev, Seq, UserId};
use tenon_core::Role;
use tenon_core::admission::{Auth, Op, Read};
use tenon_core::flag;
use tenon_wire::{ErrorCode, Message as _, encode, method, op_type, v1};

use super::{author, text};
use crate::map::{hello, marks, op, read, send};

fn hello_frame() -> v1::Hello {
    v1::Hello {
        proto_min: 1,
        proto_max: 3,
        features: u64::MAX,
        auth: Some(v1::hello::Auth::Credential(Bytes::from_static(b"tnd_x"))),
        cursors: vec![
            v1::Cursor { unit: 2, queue_epoch: 9, pts: 99 },
            v1::Cursor { unit: 1, queue_epoch: 3, pts: 40 },
        ],
        net: 2,
        ..v1::Hello::default()
    }
}

#[test]
fn a_hello_keeps_what_the_gateway_needs() {
    let (request, presented) = hello::read(&hello_frame(), [7; 32], hello::FEATURES).unwrap();
    assert!(matches!(request.auth, Auth::Credential(secret) if secret == "tnd_x"));
    assert_eq!(request.binding, [7; 32]);
    assert_eq!(presented.cursor, Some((QueueEpoch(3), Pts(40))), "of this unit");
    assert_eq!(presented.features, hello::FEATURES, "never more than is offered");
    assert_eq!((presented.window_bytes, presented.backlog_max), (1024 * 1024, 1_000));
    assert_eq!(presented.first_page, 0);
}

#[test]
fn a_hello_that_cannot_be_is_refused() {
    let cases: [(v1::Hello, ErrorCode); 4] = [
        (v1::Hello { auth: None, ..hello_frame() }, ErrorCode::BadMessage),
        (v1::Hello { proto_min: 2, ..hello_frame() }, ErrorCode::ProtoUnsupported),
        (v1::Hello { proto_min: 0, proto_max: 0, ..hello_frame() }, ErrorCode::ProtoUnsupported),
        (
            v1::Hello {
                auth: Some(v1::hello::Auth::Resume(Bytes::new())),
                renew_device_epoch: true,
                ..hello_frame()
            },
            ErrorCode::BadMessage,
        ),
    ];
    for (frame, code) in cases {
        assert_eq!(hello::read(&frame, [0; 32], 0).err(), Some(code), "{frame:?}");
    }
}

#[test]
fn windows_are_those_of_the_network_and_bounded() {
    let cases = [
        (0, 2, false, 1024 * 1024),
        (0, 5, false, 64 * 1024),
        (0, 2, true, 64 * 1024),
        (0, 4, false, 256 * 1024),
        (1, 2, false, 16 * 1024),
        (u32::MAX, 5, false, 1024 * 1024),
    ];
    for (wanted, net, background, expect) in cases {
        assert_eq!(hello::window(wanted, hello::Class::new(net, background)), expect);
    }
}

fn send_frame() -> v1::Send {
    v1::Send {
        conv: 50,
        device_epoch: 2,
        cid: 3,
        kind: 1,
        body: text("hi"),
        reply_seq: 1,
        mentions: vec![20],
        flags: !flag::VOID,
        to: vec![30],
        expires_in_s: 60,
        valid_for_s: 5,
        ..v1::Send::default()
    }
}

#[test]
fn a_send_is_the_sessions_with_the_frames_epoch() {
    let frame = v1::Send::decode(encode(&send_frame())).unwrap();
    let submit = send::submit(author(), frame);
    assert_eq!(submit.author.user, author().user);
    assert_eq!(submit.author.device_epoch, DeviceEpoch(2));
    assert!(!submit.is_bad && !submit.is_void);
    let message = submit.message;
    assert_eq!(message.flags, flag::DEVICE_MAY_SET & !flag::VOID, "server flags are cleared");
    assert_eq!((message.mentions, message.to), (vec![UserId(20)], vec![UserId(30)]));
    assert_eq!((message.expires_in_s, message.valid_for_s), (60, 5));
    assert_eq!(message.body, text("hi"));
}

#[test]
fn a_body_must_be_of_its_kind() {
    let cases: [(&str, u32, Bytes, bool); 6] = [
        ("text", 1, text("hi"), false),
        ("text that says it is a card", 9, text("hi"), true),
        ("not a content", 1, Bytes::from_static(&[0xFF; 9]), true),
        ("no content", 1, Bytes::new(), true),
        ("an unknown kind", 99, text("hi"), true),
        ("sealed bytes", 64, Bytes::from_static(&[0xFF; 9]), false),
    ];
    for (what, kind, body, is_bad) in cases {
        let submit = send::submit(author(), v1::Send { kind, body, ..send_frame() });
        assert_eq!(submit.is_bad, is_bad, "{what}");
    }
    let void = v1::Send { flags: flag::VOID, body: Bytes::new(), ..send_frame() };
    let submit = send::submit(author(), void);
    assert!(submit.is_void && !submit.is_bad, "what is cancelled needs no body");
}

fn op_frame(conv: u64, number: u32, body: &impl tenon_wire::Message) -> v1::Op {
    let body = encode(body);
    v1::Op { conv, device_epoch: 2, n: 4, r#type: number, body, flags: 0 }
}

#[test]
fn each_op_is_decoded_by_its_type() {
    let title = v1::ConvMeta { title: "new".into(), ..v1::ConvMeta::default() };
    let set = v1::SetConversation { meta: Some(title.clone()), mask: 1, join_policy: 0 };
    let add = v1::AddMembers { users: vec![1, 2], note: String::new() };
    let remove = v1::RemoveMembers { users: vec![1], block: false };
    let create = v1::CreateConversation { meta: Some(title), members: vec![3], join_policy: 0 };
    let cases = [
        (op_frame(50, op_type::SET_CONVERSATION, &set), Op::Rename { title: "new".into() }),
        (op_frame(50, op_type::ADD_MEMBERS, &add), Op::AddMembers(vec![UserId(1), UserId(2)])),
        (op_frame(50, op_type::REMOVE_MEMBERS, &remove), Op::RemoveMembers(vec![UserId(1)])),
        (op_frame(50, op_type::LEAVE, &v1::Leave {}), Op::Leave),
        (
            op_frame(50, op_type::SET_ROLE, &v1::SetRole { user: 1, role: 2 }),
            Op::SetRole(UserId(1), Role::Admin),
        ),
        (
            op_frame(50, op_type::TRANSFER_OWNER, &v1::TransferOwner { user: 1 }),
            Op::SetRole(UserId(1), Role::Owner),
        ),
        (
            op_frame(0, op_type::CREATE_CONVERSATION, &create),
            Op::CreateGroup {
                title: "new".into(),
                members: vec![UserId(3)],
                history_visible: false,
            },
        ),
        (op_frame(0, op_type::OPEN_DIRECT, &v1::OpenDirect { user: 5 }), Op::OpenDirect(UserId(5))),
        (
            op_frame(0, op_type::REMOVE_DEVICE, &v1::RemoveDevice { device: 6 }),
            Op::RemoveDevice(DeviceId(6)),
        ),
    ];
    for (frame, expect) in cases {
        let submit = op::submit(author(), &frame);
        assert_eq!(submit.op, Some(expect));
        assert_eq!((submit.n, submit.raw.clone()), (4, frame.body.clone()));
        assert_eq!(submit.author.device_epoch, DeviceEpoch(2));
        let flags = flag::VOID;
        assert!(op::submit(author(), &v1::Op { flags, ..frame }).is_void);
    }
}

#[test]
fn a_summary_changes_by_its_mask_only() {
    let line = v1::Summary {
        conv: 50,
        pinned: true,
        notify: 2,
        draft: Some(v1::Draft { body: text("later"), ..v1::Draft::default() }),
        ..v1::Summary::default()
    };
    let frame = |mask| {
        let set = v1::SetSummary { summary: Some(line.clone()), mask };
        op::submit(author(), &op_frame(0, op_type::SET_SUMMARY, &set)).op
    };
    let Some(Op::SetSummary(conv, patch)) = frame(1 | 32) else { panic!("no patch") };
    assert_eq!((conv, patch.pinned, patch.notify), (ConversationId(50), Some(true), None));
    let draft = v1::Draft::decode(patch.draft.unwrap()).unwrap();
    assert_eq!(draft.body, text("later"));
    assert_eq!(frame(8), None, "folders are not built: refused, not half done");
}

#[test]
fn ops_that_cannot_be_done_in_full_are_unknown() {
    let wide = v1::ConvMeta { settings: 1, ..v1::ConvMeta::default() };
    let direct = v1::ConvMeta { kind: v1::ConvKind::Direct.into(), ..v1::ConvMeta::default() };
    let create = |meta| v1::CreateConversation { meta: Some(meta), ..Default::default() };
    let frames = [
        op_frame(50, op_type::EDIT, &v1::Edit::default()),
        op_frame(
            50,
            op_type::SET_CONVERSATION,
            &v1::SetConversation { mask: 3, ..Default::default() },
        ),
        op_frame(50, op_type::REMOVE_MEMBERS, &v1::RemoveMembers { users: vec![1], block: true }),
        op_frame(50, op_type::SET_ROLE, &v1::SetRole { user: 1, role: 16 }),
        op_frame(50, op_type::SET_ROLE, &v1::SetRole { user: 1, role: 256 + 2 }),
        op_frame(
            50,
            op_type::ADD_MEMBERS,
            &v1::AddMembers { users: vec![1; 201], ..Default::default() },
        ),
        op_frame(50, op_type::OPEN_DIRECT, &v1::OpenDirect { user: 5 }),
        op_frame(0, op_type::LEAVE, &v1::Leave {}),
        op_frame(0, op_type::CREATE_CONVERSATION, &create(wide)),
        op_frame(0, op_type::CREATE_CONVERSATION, &create(direct)),
        op_frame(0, op_type::REMOVE_DEVICE, &v1::RemoveDevice { device: 0 }),
        op_frame(0, 9_999, &v1::Leave {}),
        v1::Op {
            r#type: op_type::ADD_MEMBERS,
            conv: 50,
            body: Bytes::from_static(&[9]),
            ..Default::default()
        },
    ];
    for frame in frames {
        assert_eq!(op::submit(author(), &frame).op, None, "{frame:?}");
    }
}

#[test]
fn marks_of_one_conversation_merge_by_maximum() {
    let mark = |conv, up_to_seq| v1::ReadMark { conv, up_to_seq, ..v1::ReadMark::default() };
    let frame = v1::ReadMarks { marks: vec![mark(5, 9), mark(4, 1), mark(5, 7)] };
    let expect = [(ConversationId(4), Seq(1)), (ConversationId(5), Seq(9))];
    assert_eq!(marks::read(&frame), expect);
    let lost = marks::ack(&[ConversationId(4)], None);
    assert_eq!((lost.done.len(), lost.retry, lost.retry_after_ms), (0, vec![4], 1_000));
}

fn request(method: u32, body: &impl tenon_wire::Message) -> v1::ReadRequest {
    v1::ReadRequest { method, body: encode(body), fence: None }
}

#[test]
fn pages_are_bounded_and_fences_raise_the_state() {
    let get = v1::GetHistory { conv: 50, limit: u32::MAX, min_rev: 3, ..Default::default() };
    let fence = Some(v1::Fence { conv: 50, rev: 7, ..v1::Fence::default() });
    let frame = v1::ReadRequest { fence, ..request(method::GET_HISTORY, &get) };
    let Ok(Read::History { limit, min_rev, .. }) = read::read(&frame) else { panic!("no read") };
    assert_eq!((limit, min_rev), (100, Rev(7)));
    let foreign = Some(v1::Fence { conv: 51, rev: 7, ..v1::Fence::default() });
    let frame = v1::ReadRequest { fence: foreign, ..frame };
    let Ok(Read::History { min_rev, .. }) = read::read(&frame) else { panic!("no read") };
    assert_eq!(min_rev, Rev(3));

    let list = v1::GetConvList { filter: 1, ..v1::GetConvList::default() };
    let Ok(Read::List { limit, unread_only, .. }) =
        read::read(&request(method::GET_CONV_LIST, &list))
    else {
        panic!("no read")
    };
    assert_eq!((limit, unread_only), (20, true));

    let next = Bytes::copy_from_slice(&17_u64.to_be_bytes());
    let roster = v1::GetRoster { conv: 50, next, ..v1::GetRoster::default() };
    let Ok(Read::Roster { after, limit, .. }) = read::read(&request(method::GET_ROSTER, &roster))
    else {
        panic!("no read")
    };
    assert_eq!((after, limit), (UserId(17), 500));
}

#[test]
fn other_entities_than_users_are_not_asked_for() {
    let hint = |kind: v1::EntityKind, id| v1::EntityHint { kind: kind.into(), id, ver: 1 };
    let wanted = vec![hint(v1::EntityKind::User, 1), hint(v1::EntityKind::App, 2)];
    let read = read::read(&request(method::GET_ENTITIES, &v1::GetEntities { wanted }));
    assert!(matches!(read, Ok(Read::Users(users)) if users == [(UserId(1), 1)]));
}

#[test]
fn requests_that_are_none_are_refused() {
    let garbage = |method| v1::ReadRequest {
        method,
        body: Bytes::from_static(&[0x0B, 0xFF, 0xFF]),
        fence: None,
    };
    for number in 1..=22 {
        let code = read::read(&garbage(number)).err();
        let is_built = !matches!(number, 7 | 15..=20);
        let expect = if is_built { ErrorCode::BadMessage } else { ErrorCode::KindRefused };
        assert_eq!(code, Some(expect), "method {number}");
    }
    let short = v1::GetRoster { next: Bytes::from_static(b"short"), ..Default::default() };
    let backward =
        v1::GetDigest { ranges: vec![v1::SeqRange { lo: 2, hi: 1 }], ..Default::default() };
    let many = v1::GetConvDiffs { wants: vec![v1::GetConvDiff::default(); 51] };
    let long = v1::SearchRoster { prefix: "x".repeat(257), ..Default::default() };
    let bad = [
        request(method::GET_ROSTER, &short),
        request(method::GET_DIGEST, &backward),
        request(method::GET_CONV_DIFFS, &many),
        request(method::SEARCH_ROSTER, &long),
    ];
    for frame in bad {
        assert_eq!(read::read(&frame).err(), Some(ErrorCode::BadMessage), "{frame:?}");
    }
    let mentions = v1::GetConvList { filter: 2, ..v1::GetConvList::default() };
    let retained = v1::GetConvDiff { only: 1, ..v1::GetConvDiff::default() };
    let contacts = v1::GetCollection { collection: 1, ..v1::GetCollection::default() };
    let pids = v1::GetMessages { pids: vec![1], ..v1::GetMessages::default() };
    let refused = [
        request(method::GET_CONV_LIST, &mentions),
        request(method::GET_CONV_DIFF, &retained),
        request(method::GET_COLLECTION, &contacts),
        request(method::GET_MESSAGES, &pids),
        request(99, &v1::Leave {}),
    ];
    for frame in refused {
        assert_eq!(read::read(&frame).err(), Some(ErrorCode::KindRefused), "{frame:?}");
    }
}
