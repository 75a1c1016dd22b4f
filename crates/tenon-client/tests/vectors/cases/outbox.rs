//! Commands and their answers, read marks (sections 7, 2.1 of the assurance page).

use serde_json::json;
use tenon_wire::v1::Status;
use tenon_wire::v1::envelope::Frame as Arm;
use tenon_wire::{ErrorCode, event_type as t, op_type, v1};

use super::{Cases, number};
use crate::script::*;

const CONTINUE: v1::UnitAction = v1::UnitAction::Continue;

fn ack(s: &mut Script, id: u32, ack: v1::SendAck) -> &mut Script {
    s.frame_of(id, Arm::SendAck(ack))
}

fn coded(status: Status, cid: u64, code: ErrorCode) -> v1::SendAck {
    v1::SendAck { code: code.number(), ..send_ack(status, cid) }
}

fn gap(cid: u64, expect_cid: u64) -> v1::SendAck {
    v1::SendAck { expect_cid, ..send_ack(Status::Gap, cid) }
}

fn retry(cid: u64, retry_after_ms: u32) -> v1::SendAck {
    v1::SendAck { retry_after_ms, ..coded(Status::Retry, cid, ErrorCode::ConversationRate) }
}

fn op<M: prost::Message>(s: &mut Script, ticket: u64, conv: u64, kind: u32, body: &M) {
    let body = body.encode_to_vec().into();
    let op = v1::Op { conv, r#type: kind, body, ..Default::default() };
    s.put(json!({"op": {"ticket": ticket, "op": op}}));
}

fn op_ack(n: u64, status: Status) -> v1::OpAck {
    v1::OpAck { n, status: status.into(), ..Default::default() }
}

/// A new device epoch: the link ends, and the next Hello asks for it.
fn renewed(s: &mut Script, epoch: u32) -> &mut Script {
    s.wait(2_000).put(json!({"link": "up"})).hello_ack(epoch, CONTINUE, 10)
}

pub fn cases() -> Vec<Case> {
    number("v06", [answers(), links(), epochs(), others()].concat())
}

fn answers() -> Cases {
    vec![
        ("OK settles the row", |s| {
            ack(s.ready(3).send(1, "a"), 2, sent(1, 4)).wait(1);
        }),
        ("the row is durable before it leaves", |s| {
            s.ready(3).hold().send(1, "a").go_on();
        }),
        ("DUPLICATE is the first outcome", |s| {
            s.ready(3).send(1, "a");
            ack(s, 2, v1::SendAck { status: Status::Duplicate.into(), ..sent(1, 4) });
        }),
        ("DUPLICATE of a refusal is a refusal", |s| {
            ack(s.ready(3).send(1, "a"), 2, coded(Status::Duplicate, 1, ErrorCode::Muted));
        }),
        ("a refusal in a pipeline: the others go on", |s| {
            s.ready(3).send(1, "a").send(2, "b").send(3, "c");
            ack(s, 2, sent(1, 4));
            ack(s, 3, coded(Status::Rejected, 2, ErrorCode::Policy));
            ack(s, 4, sent(3, 5));
        }),
        ("RETRY holds the chain, the GAPs behind it are expected", |s| {
            s.ready(3).send(1, "a").send(2, "b").send(3, "c");
            ack(s, 2, retry(1, 200));
            ack(s, 3, gap(2, 1));
            ack(s, 4, gap(3, 1));
            s.send(4, "d").wait(400);
            for (id, cid) in [(5, 1), (6, 2), (7, 3), (8, 4)] {
                ack(s, id, sent(cid, cid + 3));
            }
        }),
        ("a GAP that answers an older copy says nothing", |s| {
            s.ready(3).send(1, "a").send(2, "b");
            ack(s, 2, retry(1, 200)).wait(400);
            ack(s, 4, sent(1, 4));
            ack(s, 3, gap(2, 1));
            ack(s, 5, sent(2, 5));
        }),
        ("GAP: everything from the expected cid again, in order", |s| {
            s.ready(3).send(1, "a").send(2, "b").send(3, "c");
            ack(s, 4, gap(3, 1));
        }),
        ("MOVED: the same cid after a pause", |s| {
            ack(s.ready(3).send(1, "a"), 2, send_ack(Status::Moved, 1)).wait(1_500);
        }),
        ("unknown_outcome: the same cid again", |s| {
            ack(s.ready(3).send(1, "a"), 2, coded(Status::Retry, 1, ErrorCode::UnknownOutcome));
            s.wait(200);
        }),
        ("PARKED, then the outcome on the same link", |s| {
            ack(s.ready(3).send(1, "a"), 2, send_ack(Status::Parked, 1));
            ack(s, 2, sent(1, 4));
        }),
        ("PARKED without outcome is sent again after half a minute", |s| {
            ack(s.ready(3).send(1, "a"), 2, send_ack(Status::Parked, 1)).wait(6_000).wait(25_000);
        }),
        ("PARKED, then send_failed", |s| {
            ack(s.ready(3).send(1, "a"), 2, send_ack(Status::Parked, 1));
            let failed = v1::SendFailed {
                device: DEVICE,
                device_epoch: 2,
                cid: 1,
                code: ErrorCode::Dissolved.number(),
                ..Default::default()
            };
            s.batch(10, 11, vec![event(11, t::SEND_FAILED, 0, &failed)]);
        }),
        ("the own event settles before the answer; the answer changes nothing", |s| {
            s.ready(3).send(1, "m4").batch(10, 11, vec![own(11, 4, 1)]);
            ack(s, 2, sent(1, 4));
        }),
        ("an own event that shows something else settles nothing: a lost life sent it", |s| {
            s.ready(3).send(1, "a").batch(10, 11, vec![own(11, 4, 1)]);
            ack(s, 2, coded(Status::Rejected, 1, ErrorCode::CidReused));
        }),
        ("the answer settles before the own event", |s| {
            ack(s.ready(3).send(1, "m4"), 2, sent(1, 4)).batch(10, 11, vec![own(11, 4, 1)]);
        }),
        ("an event of another device with the same cid settles nothing", |s| {
            let other = v1::SyncEvent { device: 12, ..own(11, 4, 1) };
            s.ready(3).send(1, "m4").batch(10, 11, vec![other]);
        }),
        ("absent: nothing was decided, the rows fail and their cids are not used again", |s| {
            s.ready(3).send(1, "a").send(2, "b").error(2, ErrorCode::Absent.number(), 0);
            s.send(3, "c").send(4, "d");
            ack(s, 4, gap(3, 1));
            ack(s, 5, gap(4, 1));
            ack(s, 6, coded(Status::Rejected, 1, ErrorCode::Cancelled));
            ack(s, 7, coded(Status::Rejected, 2, ErrorCode::Cancelled));
            ack(s, 8, sent(3, 4));
            ack(s, 9, sent(4, 5));
            ack(s.send(5, "e"), 10, gap(5, 1)).wait(1);
        }),
        ("absent: which numbers failed survives a crash", |s| {
            s.ready(3).send(1, "a").error(2, ErrorCode::Absent.number(), 0);
            s.hold().crash(false).put(json!({"link": "up"})).hello_ack(2, CONTINUE, 10);
            ack(s.send(2, "b"), 2, gap(2, 1));
            ack(s, 4, sent(2, 4));
        }),
        ("a frame that the server can not read is closed with VOID", |s| {
            s.ready(3).send(1, "a").error(2, ErrorCode::BadMessage.number(), 0);
            ack(s, 3, coded(Status::Rejected, 1, ErrorCode::Cancelled));
        }),
        ("overload as an error frame: the same cid after its time", |s| {
            s.ready(3).send(1, "a").error(2, ErrorCode::Overload.number(), 300).wait(500);
        }),
        ("a message that is too large is refused at once and uses no cid", |s| {
            let text = "x".repeat(33_000);
            s.ready(3).send(1, &text).send(2, "b");
        }),
    ]
}

fn links() -> Cases {
    vec![
        ("a lost answer: the same cid on the next link", |s| {
            s.ready(3).send(1, "a").again(10);
            ack(s, 2, v1::SendAck { status: Status::Duplicate.into(), ..sent(1, 4) });
        }),
        ("no answer: a Ping and the same cid, each time later", |s| {
            s.ready(3)
                .send(1, "a")
                .wait(5_000)
                .frame(Arm::Pong(v1::Pong::default()))
                .wait(9_000)
                .wait(2_000);
        }),
        ("what is queued offline gets its cid when the link is up", |s| {
            s.ready(3).cut().send(1, "a").send(2, "b").wait(1_000).put(json!({"link": "up"}));
            s.hello_ack(2, CONTINUE, 10);
        }),
        ("thirty-two of a conversation are under way, the rest waits", |s| {
            s.ready(3);
            for ticket in 1..=34 {
                s.send(ticket, "a");
            }
            ack(s, 2, sent(1, 4));
        }),
        ("a crash before the commit: the row never was", |s| {
            s.ready(3).hold().send(1, "a").crash(false).put(json!({"link": "up"}));
            s.hello_ack(2, CONTINUE, 10).send(2, "b");
        }),
        ("a crash after the commit: the row goes out under its cid", |s| {
            s.ready(3).hold().send(1, "a").crash(true).put(json!({"link": "up"}));
            s.hello_ack(2, CONTINUE, 10).send(2, "b");
        }),
        ("a crash between the answer and its commit: DUPLICATE tells it again", |s| {
            ack(s.ready(3).send(1, "a").hold(), 2, sent(1, 4))
                .crash(false)
                .put(json!({"link": "up"}));
            s.hello_ack(2, CONTINUE, 10);
            ack(s, 2, v1::SendAck { status: Status::Duplicate.into(), ..sent(1, 4) });
        }),
        (
            "a crash after the commit of the outcome: the app hears it again, the server nothing",
            |s| {
                ack(s.ready(3).send(1, "a").hold(), 2, sent(1, 4))
                    .crash(true)
                    .put(json!({"link": "up"}));
                s.hello_ack(2, CONTINUE, 10).wait(1);
            },
        ),
    ]
}

fn epochs() -> Cases {
    vec![
        ("a new device epoch closes the old chain with VOID, row by row", |s| {
            s.ready(3).send(1, "a").send(2, "b").cut().wait(1_000).put(json!({"link": "up"}));
            let code = ErrorCode::DeviceEpochStale.number();
            s.frame(Arm::Close(v1::Close { reason: 10, code, ..Default::default() }));
            renewed(s, 3).send(3, "c");
            ack(s, 2, v1::SendAck { status: Status::Duplicate.into(), ..sent(1, 4) });
            ack(s, 3, coded(Status::Rejected, 2, ErrorCode::Cancelled));
            ack(s, 4, sent(1, 5));
            ack(s, 5, sent(2, 6));
        }),
        ("cid_reused on a live link: a new device epoch, and the row is offered again", |s| {
            ack(s.ready(3).send(1, "a"), 2, coded(Status::Rejected, 1, ErrorCode::CidReused));
            ack(renewed(s, 3), 2, coded(Status::Rejected, 1, ErrorCode::CidReused));
        }),
        ("cid_reused for a cancelled row of the epoch that was left: it is settled", |s| {
            s.ready(3).send(1, "a").send(2, "b");
            ack(s, 3, coded(Status::Rejected, 2, ErrorCode::CidReused));
            renewed(s, 3).put(json!({"cancel": {"local": 1}}));
            ack(s, 4, coded(Status::Rejected, 1, ErrorCode::CidReused));
        }),
        ("the store fell back: what an earlier life closed is offered again, the rest goes", |s| {
            s.ready(3).send(1, "a").send(2, "b").cut().wait(1_000).put(json!({"link": "up"}));
            let back = v1::HelloAck { store_rolled_back: true, ..hello_ack(2, CONTINUE, 10) };
            s.frame_of(1, Arm::HelloAck(back));
            ack(renewed(s, 3), 2, coded(Status::Duplicate, 1, ErrorCode::Cancelled));
            ack(s, 3, coded(Status::Rejected, 2, ErrorCode::Cancelled));
            ack(s, 4, sent(1, 4));
        }),
        ("connection_stale: a later life of the store was here", |s| {
            s.ready(3).send(1, "a").cut().send(2, "b").wait(1_000).put(json!({"link": "up"}));
            let code = ErrorCode::ConnectionStale.number();
            s.frame(Arm::Close(v1::Close { reason: 10, code, ..Default::default() }));
            ack(renewed(s, 3), 2, coded(Status::Duplicate, 1, ErrorCode::Cancelled));
        }),
        ("an epoch was given in between: a lost life may have sent what waits", |s| {
            ack(s.ready(3).send(1, "a"), 2, sent(1, 4));
            ack(s.send(2, "b"), 3, gap(2, 1));
            s.send(3, "c");
            renewed(s, 4);
        }),
        ("an answer to a row of the epoch that was left settles none of the new one", |s| {
            s.ready(3).send(1, "m4").send(2, "b").cut().wait(1_000).put(json!({"link": "up"}));
            let code = ErrorCode::DeviceEpochStale.number();
            s.frame(Arm::Close(v1::Close { reason: 10, code, ..Default::default() }));
            renewed(s, 3).batch(10, 11, vec![own(11, 4, 1)]);
            ack(s, 3, coded(Status::Rejected, 2, ErrorCode::Cancelled));
            ack(s, 2, v1::SendAck { status: Status::Duplicate.into(), ..sent(1, 4) });
            ack(s, 3, coded(Status::Duplicate, 2, ErrorCode::Cancelled));
            ack(s, 4, sent(1, 5));
        }),
        (
            "a store from before its first epoch, and the server is further: it is an old copy",
            |s| {
                s.start().send(1, "a").hello_ack(2, v1::UnitAction::Rebase, 10);
            },
        ),
        ("a row of the epoch that was left and can not be closed is offered again", |s| {
            s.ready(3);
            op(s, 1, 0, op_type::OPEN_DIRECT, &v1::OpenDirect { user: 2 });
            s.cut().wait(1_000).put(json!({"link": "up"}));
            let code = ErrorCode::DeviceEpochStale.number();
            s.frame(Arm::Close(v1::Close { reason: 10, code, ..Default::default() }));
            renewed(s, 3).error(2, code, 0).wait(1);
        }),
        ("a GAP that names a settled cid: the server lost its state", |s| {
            ack(s.ready(3).send(1, "a"), 2, sent(1, 4));
            ack(s.send(2, "b"), 3, gap(2, 1)).wait(1);
        }),
        (
            "a GAP for a row of the epoch that was left: it can not be closed, so it is offered",
            |s| {
                ack(s.ready(3).send(1, "a"), 2, sent(1, 4));
                ack(s.send(2, "b"), 3, gap(2, 1));
                ack(renewed(s, 3).send(3, "c"), 2, gap(2, 1));
            },
        ),
        ("the store was rolled back: what was never sent is offered again", |s| {
            s.ready(3).send(1, "a").cut().send(2, "b").wait(1_000).put(json!({"link": "up"}));
            let back = v1::HelloAck { store_rolled_back: true, ..hello_ack(2, CONTINUE, 10) };
            s.frame_of(1, Arm::HelloAck(back));
            renewed(s, 3);
        }),
        ("the server knows a later op than this store: it was rolled back", |s| {
            s.ready(3).cut().wait(1_000).put(json!({"link": "up"}));
            let ahead = v1::HelloAck { last_op_seq: 4, ..hello_ack(2, CONTINUE, 10) };
            s.frame_of(1, Arm::HelloAck(ahead)).wait(2_000);
        }),
        ("a crash during the renewal: the next Hello asks again", |s| {
            ack(s.ready(3).send(1, "a"), 2, coded(Status::Rejected, 1, ErrorCode::CidReused));
            s.hold().crash(false).put(json!({"link": "up"}));
        }),
    ]
}

fn others() -> Cases {
    vec![
        ("cancel before a cid was given", |s| {
            s.ready(3).cut().send(1, "a").put(json!({"cancel": {"local": 1}}));
        }),
        ("cancel under way: VOID, and it never was", |s| {
            s.ready(3).send(1, "a").put(json!({"cancel": {"local": 1}}));
            ack(s, 3, coded(Status::Rejected, 1, ErrorCode::Cancelled));
        }),
        ("cancel too late: it was applied, so it is recalled", |s| {
            s.ready(3).send(1, "a").put(json!({"cancel": {"local": 1}}));
            ack(s, 3, v1::SendAck { status: Status::Duplicate.into(), ..sent(1, 4) });
        }),
        ("a reply waits for its message and takes its seq", |s| {
            s.ready(3).send(1, "a");
            s.put(json!({"send": {"ticket": 2, "conv": CONV, "text": "b", "after": 1}}));
            ack(s, 2, sent(1, 4));
        }),
        ("a reply to a message that was refused fails with it", |s| {
            s.ready(3).send(1, "a");
            s.put(json!({"send": {"ticket": 2, "conv": CONV, "text": "b", "after": 1}}));
            ack(s, 2, coded(Status::Rejected, 1, ErrorCode::Muted));
        }),
        ("a command of a conversation shares the chain with its messages", |s| {
            s.ready(3).send(1, "a");
            op(s, 2, CONV, op_type::RECALL, &v1::Recall { seq: 2, ..Default::default() });
            ack(s, 2, sent(1, 4));
            s.frame_of(3, Arm::OpAck(v1::OpAck { conv: CONV, rev: 5, ..op_ack(2, Status::Ok) }));
        }),
        ("a command of the user: its own chain, ACCEPTED with an id", |s| {
            s.ready(3);
            op(s, 1, 0, op_type::OPEN_DIRECT, &v1::OpenDirect { user: 2 });
            s.frame_of(2, Arm::OpAck(v1::OpAck { id: 300, ..op_ack(1, Status::Accepted) }));
        }),
        ("a command of the user that is refused", |s| {
            s.ready(3);
            op(s, 1, 0, op_type::OPEN_DIRECT, &v1::OpenDirect { user: 2 });
            let code = ErrorCode::Blocked.number();
            s.frame_of(2, Arm::OpAck(v1::OpAck { code, ..op_ack(1, Status::Rejected) }));
        }),
        ("a command of the user whose answer was lost: the event settles it", |s| {
            s.ready(3);
            op(s, 1, 0, op_type::JOIN_CONVERSATION, &v1::JoinConversation::default());
            let outcome = v1::OpOutcome {
                device: DEVICE,
                device_epoch: 2,
                op_seq: 1,
                status: Status::Rejected.into(),
                code: ErrorCode::Policy.number(),
                id: 0,
            };
            let event = v1::SyncEvent { conv: 0, ..event(11, t::OP_OUTCOME, 0, &outcome) };
            s.batch(10, 11, vec![event]);
        }),
        ("a read mark: sent, acked, gone", |s| {
            s.ready(3).put(json!({"mark_read": {"conv": CONV, "up_to_seq": 3}}));
            let ack = v1::ReadMarksAck { done: vec![CONV], ..Default::default() };
            s.frame_of(2, Arm::ReadMarksAck(ack)).wait(4_000);
        }),
        ("read marks merge and pause", |s| {
            s.ready(9);
            for seq in [3, 5, 4, 8] {
                s.put(json!({"mark_read": {"conv": CONV, "up_to_seq": seq}}));
            }
            s.wait(3_000);
        }),
        ("a read mark that is asked for later comes later", |s| {
            s.ready(3).put(json!({"mark_read": {"conv": CONV, "up_to_seq": 3}}));
            let later =
                v1::ReadMarksAck { retry: vec![CONV], retry_after_ms: 500, ..Default::default() };
            s.frame_of(2, Arm::ReadMarksAck(later)).wait(800);
        }),
        ("a read mark survives a crash", |s| {
            s.ready(3)
                .cut()
                .put(json!({"mark_read": {"conv": CONV, "up_to_seq": 3}}))
                .hold()
                .crash(false);
            s.put(json!({"link": "up"})).hello_ack(2, CONTINUE, 10);
            let read = Some(v1::ReadState { read_seq: 3, read_cnt: 3, ..Default::default() });
            s.batch(10, 11, vec![event(11, t::READ_MARKED, 0, &v1::ReadMarked { read })]).wait(1);
        }),
        ("a mark that is reached already is not sent", |s| {
            let read = Some(v1::ReadState { read_seq: 3, read_cnt: 3, ..Default::default() });
            s.ready(3).batch(10, 11, vec![event(11, t::READ_MARKED, 0, &v1::ReadMarked { read })]);
            s.put(json!({"mark_read": {"conv": CONV, "up_to_seq": 2}})).wait(1);
        }),
        ("GAPs that come while their resend waits for a commit order it once", |s| {
            s.ready(3).send(1, "a").send(2, "b").send(3, "c").hold().send(4, "d");
            ack(s, 3, gap(2, 1));
            ack(s, 4, gap(3, 1));
            s.go_on();
        }),
    ]
}
