//! The list instead of the queue (section 11).

use serde_json::json;
use tenon_wire::v1::Status;
use tenon_wire::v1::envelope::Frame as Arm;
use tenon_wire::{ErrorCode, event_type as t, v1};

use super::{Cases, number};
use crate::script::*;

const CONTINUE: v1::UnitAction = v1::UnitAction::Continue;
const REBASE: v1::UnitAction = v1::UnitAction::Rebase;

fn order(s: &mut Script, tip: u64, first: Option<v1::ConvListPage>) -> &mut Script {
    s.frame(Arm::Rebase(v1::Rebase { first, ..rebase(tip) }))
}

fn partial(items: Vec<v1::ConvItem>, next: &'static [u8]) -> v1::ConvListPage {
    v1::ConvListPage { items, next: next.into(), ..Default::default() }
}

/// A new link that is ordered to Rebase.
fn ordered(s: &mut Script, tip: u64) -> &mut Script {
    s.cut().wait(1_000).put(json!({"link": "up"})).hello_ack(2, REBASE, tip)
}

fn of(conv: u64, event: v1::SyncEvent) -> v1::SyncEvent {
    v1::SyncEvent { conv, ..event }
}

pub fn cases() -> Vec<Case> {
    number("v07", [pages(), crashes(), meetings()].concat())
}

fn pages() -> Cases {
    vec![
        ("the first page comes with the order", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(page(vec![item(CONV, 3)])));
        }),
        ("the first page is asked for", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, None)
                .respond(2, &page(vec![item(CONV, 3)]));
        }),
        ("further pages, each with its place in one transaction", |s| {
            let first = partial(vec![item(CONV, 3)], b"2");
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(first));
            s.respond(2, &partial(vec![item(200, 5)], b"3")).respond(3, &page(vec![item(300, 1)]));
        }),
        ("an empty list", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(page(Vec::new())));
        }),
        ("batches are dropped until the first page is taken", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, None).batch(10, 11, vec![message(11, 4)]);
            s.respond(2, &page(vec![item(CONV, 3)])).batch(10, 11, vec![message(11, 4)]).wait(1);
        }),
        ("events flow while pages are read", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(partial(vec![item(CONV, 3)], b"2")));
            s.batch(10, 11, vec![message(11, 4)]).respond(2, &page(vec![item(200, 5)])).wait(1);
        }),
        ("a token that has ended: page from the start, no new Rebase", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(partial(vec![item(CONV, 3)], b"2")));
            s.error(2, ErrorCode::TokenExpired.number(), 0).respond(3, &page(vec![item(CONV, 3)]));
        }),
        ("a page that is refused for now is repeated", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(partial(vec![item(CONV, 3)], b"2")));
            s.error(2, ErrorCode::Overload.number(), 100).wait(400);
        }),
    ]
}

fn crashes() -> Cases {
    vec![
        ("a crash before the first page: the old cursor is presented", |s| {
            ordered(s.ready(3), 5_000).hold();
            order(s, 5_000, Some(page(vec![item(CONV, 90)]))).crash(false);
            s.put(json!({"link": "up"})).hello_ack(2, REBASE, 5_000);
            order(s, 5_000, Some(page(vec![item(CONV, 90)])));
        }),
        ("a crash after the first page: the cursor is P0 and paging goes on", |s| {
            ordered(s.ready(3), 5_000).hold();
            order(s, 5_000, Some(partial(vec![item(CONV, 90)], b"2"))).crash(true);
            s.put(json!({"link": "up"})).hello_ack(2, CONTINUE, 5_000);
            s.respond(2, &page(vec![item(200, 5)]));
        }),
        ("a crash after the last page: nothing is asked again", |s| {
            ordered(s.ready(3), 5_000).hold();
            order(s, 5_000, Some(page(vec![item(CONV, 90)]))).crash(true);
            s.put(json!({"link": "up"})).hello_ack(2, CONTINUE, 5_000).wait(1);
        }),
        ("a lost link between two pages", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(partial(vec![item(CONV, 3)], b"2")));
            s.again(10).respond(2, &page(vec![item(200, 5)]));
        }),
        ("a second Rebase replaces the first", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(partial(vec![item(CONV, 3)], b"2")));
            ordered(s, 50);
            order(s, 50, Some(page(vec![item(CONV, 4)])));
        }),
    ]
}

fn meetings() -> Cases {
    vec![
        ("a conversation that no page showed is left", |s| {
            s.start().hello_ack(2, REBASE, 10);
            order(s, 10, Some(page(vec![item(CONV, 3), item(200, 3)])));
            order(ordered(s, 5_000), 5_000, Some(page(vec![item(CONV, 3)])));
        }),
        ("a conversation that an event after P0 touched stays", |s| {
            s.start().hello_ack(2, REBASE, 10);
            order(s, 10, Some(page(vec![item(CONV, 3), item(200, 3)])));
            order(ordered(s, 5_000), 5_000, Some(partial(vec![item(CONV, 3)], b"2")));
            s.batch(5_000, 5_001, vec![of(200, message(5_001, 4))]).respond(2, &page(Vec::new()));
        }),
        ("a line a little ahead of held rows is a debt, far ahead a jump", |s| {
            s.start().hello_ack(2, REBASE, 10);
            order(s, 10, Some(page(vec![item(CONV, 3), item(200, 3)])));
            order(ordered(s, 5_000), 5_000, Some(page(vec![item(CONV, 9), item(200, 90)]))).wait(1);
            s.respond(2, &diff_answer(diff(3, 9, 9)));
        }),
        ("a line behind what is held changes nothing back", |s| {
            s.ready(3).batch(10, 12, vec![message(11, 4), message(12, 5)]);
            order(ordered(s, 5_000), 5_000, Some(page(vec![item(CONV, 4)])));
        }),
        ("an event at or below the line is not told twice", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(page(vec![item(CONV, 4)])));
            s.batch(10, 12, vec![message(11, 4), message(12, 5)]).wait(1);
        }),
        ("what was added after P0 and is on no page stays", |s| {
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(partial(vec![item(CONV, 3)], b"2")));
            let body = v1::ConversationAdded { item: Some(item(200, 1)), reason: 1, by: 2 };
            s.batch(10, 11, vec![of(200, event(11, t::CONVERSATION_ADDED, 0, &body))]);
            s.respond(2, &page(Vec::new())).wait(1);
        }),
        ("commands go on during a Rebase", |s| {
            s.ready(3).send(1, "a");
            order(ordered(s, 5_000).send(2, "b"), 5_000, Some(page(vec![item(CONV, 90)])));
        }),
        ("a parked command is looked up after the Rebase", |s| {
            s.ready(3).send(1, "a").frame_of(2, Arm::SendAck(send_ack(Status::Parked, 1)));
            order(s, 5_000, Some(page(vec![item(CONV, 90)])));
            let outcome = v1::SendOutcome {
                status: Status::Duplicate.into(),
                seq: 80,
                rev: 80,
                message_id: 1_080,
                ..Default::default()
            };
            s.respond(3, &outcome).wait(1);
        }),
        ("a parked command without outcome is sent again", |s| {
            s.ready(3).send(1, "a").frame_of(2, Arm::SendAck(send_ack(Status::Parked, 1)));
            order(s, 5_000, Some(page(vec![item(CONV, 90)])));
            s.respond(3, &v1::SendOutcome::default()).wait(1);
        }),
        ("state of the user comes from the line", |s| {
            let read = Some(v1::ReadState { read_seq: 80, read_cnt: 80, read_pcnt: 2, at_ms: 0 });
            let summary = Some(v1::Summary { ver: 3, pinned: true, ..Default::default() });
            let line = v1::ConvItem {
                read,
                summary,
                tip_pcnt: 3,
                overlay_ver: 4,
                mention_seq: 88,
                peer_read_seq: 70,
                sort_ts: 9_000,
                floor_seq: 2,
                floor_cnt: 2,
                own_auto_count: 1,
                role: 3,
                ..item(CONV, 90)
            };
            order(s.start().hello_ack(2, REBASE, 10), 10, Some(page(vec![line])));
        }),
        ("private rows that changed while rows are held are a debt", |s| {
            s.ready(3);
            let line = v1::ConvItem { overlay_ver: 2, ..item(CONV, 3) };
            order(ordered(s, 5_000), 5_000, Some(page(vec![line]))).wait(1);
        }),
    ]
}
