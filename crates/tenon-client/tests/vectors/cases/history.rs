//! History pages and intervals (section 13).

use serde_json::json;
use tenon_wire::v1::envelope::Frame as Arm;
use tenon_wire::{ErrorCode, event_type as t, v1};

use super::{Cases, number};
use crate::script::*;

fn ask(s: &mut Script, ticket: u64, above: u64, below: u64, limit: u64) -> &mut Script {
    s.put(json!({"history": {"ticket": ticket, "conv": CONV, "above_seq": above, "below_seq": below, "limit": limit}}))
}

fn up(s: &mut Script, ticket: u64, above: u64, limit: u64) -> &mut Script {
    s.put(json!({"history": {"ticket": ticket, "conv": CONV, "above_seq": above, "limit": limit, "is_upward": true}}))
}

fn rows(lo: u64, hi: u64, as_of_rev: u64) -> v1::HistoryPage {
    v1::HistoryPage {
        conv: CONV,
        lo_seq: lo,
        hi_seq: hi,
        as_of_rev,
        normal: (lo..=hi).map(row).collect(),
        floor: lo == 1,
        stable: true,
        ..Default::default()
    }
}

fn recall(pts: u64, rev: u64, seq: u64) -> v1::SyncEvent {
    let body = v1::Recalled { by: 2, ..Default::default() };
    v1::SyncEvent { seq, ..event(pts, t::MESSAGE_RECALLED, rev, &body) }
}

pub fn cases() -> Vec<Case> {
    number("v05", [intervals(), pages()].concat())
}

fn intervals() -> Cases {
    vec![
        ("a page is asked for, kept, and answered from the copy the next time", |s| {
            ask(s.ready(30), 1, 0, 0, 10).respond(2, &rows(21, 30, 30));
            ask(s, 2, 0, 0, 10);
        }),
        ("pages that touch are one interval", |s| {
            ask(s.ready(30), 1, 0, 0, 10).respond(2, &rows(21, 30, 30));
            ask(s, 2, 0, 21, 10).respond(3, &rows(11, 20, 30));
            ask(s, 3, 0, 0, 20);
        }),
        ("a hole between two intervals is asked for", |s| {
            ask(s.ready(30), 1, 0, 0, 5).respond(2, &rows(26, 30, 30));
            ask(s, 2, 0, 11, 5).respond(3, &rows(6, 10, 30));
            ask(s, 3, 0, 0, 10);
        }),
        ("down to the floor: an answer may be shorter than its limit", |s| {
            ask(s.ready(4), 1, 0, 0, 10).respond(2, &rows(1, 4, 4));
            ask(s, 2, 0, 0, 10);
        }),
        ("below the floor there is nothing to ask", |s| {
            ask(s.ready(4), 1, 0, 0, 10).respond(2, &rows(1, 4, 4));
            ask(s, 2, 0, 1, 10);
        }),
        ("a floor above 1 is remembered", |s| {
            let page = v1::HistoryPage { floor: true, ..rows(8, 12, 12) };
            ask(s.ready(12), 1, 0, 0, 10).respond(2, &page);
            ask(s, 2, 0, 8, 10);
        }),
        ("new messages extend the current interval", |s| {
            ask(s.ready(4), 1, 0, 0, 10).respond(2, &rows(1, 4, 4));
            s.batch(10, 12, vec![message(11, 5), message(12, 6)]);
            ask(s, 2, 0, 0, 10);
        }),
        ("while a debt is open the top is asked for", |s| {
            ask(s.ready(4), 1, 0, 0, 10).respond(2, &rows(1, 4, 4));
            s.frame(Arm::ConvTips(v1::ConvTips { tips: vec![tip(6)] }));
            ask(s, 2, 0, 0, 3);
            ask(s, 3, 0, 4, 3);
        }),
        ("upward from a seq", |s| {
            up(s.ready(30), 1, 5, 5).respond(2, &rows(6, 10, 30));
            up(s, 2, 5, 5);
            up(s, 3, 6, 9);
        }),
        ("a jump makes what was verified stale", |s| {
            ask(s.ready(30), 1, 0, 0, 5).respond(2, &rows(26, 30, 30));
            s.frame(Arm::ConvTips(v1::ConvTips { tips: vec![tip(99)] })).wait(1);
            let last = (97..=99).map(row).collect();
            let too_long = v1::ConvTooLong { item: Some(item(CONV, 99)), last, oldest_rev: 1 };
            let what = Some(v1::conv_diff_answer::What::TooLong(too_long));
            s.respond(3, &v1::ConvDiffAnswer { what });
            ask(s, 2, 0, 0, 3);
            ask(s, 3, 0, 31, 5);
        }),
        ("a limit is at least 1 and at most 100", |s| {
            ask(s.ready(4), 1, 0, 0, 0);
            ask(s, 2, 0, 0, 5_000);
        }),
    ]
}

fn pages() -> Cases {
    vec![
        ("an empty page that is the floor", |s| {
            let page = v1::HistoryPage {
                conv: CONV,
                as_of_rev: 3,
                floor: true,
                stable: true,
                ..Default::default()
            };
            ask(s.ready(3), 1, 0, 2, 5).respond(2, &page);
        }),
        ("a page without rows still covers its range", |s| {
            let page = v1::HistoryPage { normal: Vec::new(), ..rows(1, 2, 3) };
            ask(s.ready(3), 1, 0, 3, 5).respond(2, &page);
            ask(s, 2, 0, 3, 5);
        }),
        ("an unstable page is shown and not verified", |s| {
            let page = v1::HistoryPage { stable: false, ..rows(1, 2, 3) };
            ask(s.ready(3), 1, 0, 3, 5).respond(2, &page);
            ask(s, 2, 0, 3, 5);
        }),
        ("a late page does not bring back what was recalled meanwhile", |s| {
            ask(s.ready(9), 1, 0, 6, 3).batch(10, 11, vec![recall(11, 10, 4)]);
            s.respond(2, &rows(3, 5, 9));
            let mut fresh = rows(3, 5, 10);
            fresh.normal[1] =
                v1::MessageRow { ver: 10, flags: 1 << 11, body: bytes::Bytes::new(), ..row(4) };
            s.respond(3, &fresh);
        }),
        ("a row that is held is replaced by a newer version only", |s| {
            ask(s.ready(9), 1, 0, 6, 3).respond(2, &rows(3, 5, 9));
            s.batch(10, 11, vec![recall(11, 10, 4)]);
            ask(s, 2, 0, 7, 4).respond(3, &rows(3, 6, 10));
        }),
        ("a page that knows more than the device is a debt", |s| {
            ask(s.ready(3), 1, 0, 3, 2).respond(2, &rows(1, 2, 7)).wait(1);
        }),
        ("purged ranges go", |s| {
            let gone = vec![v1::SeqRange { lo: 1, hi: 2 }];
            let page = v1::HistoryPage { gone, normal: vec![row(3)], ..rows(1, 3, 9) };
            ask(s.ready(9), 1, 0, 4, 5).respond(2, &page);
        }),
        ("private rows come with the page", |s| {
            let message =
                Some(v1::MessageRow { ver: 1, body: text_of("for you"), ..Default::default() });
            let private = v1::PrivateMessage {
                anchor_seq: 2,
                pid: 1,
                pcnt: 1,
                message,
                ..Default::default()
            };
            let page = v1::HistoryPage { private: vec![private], overlay_ver: 1, ..rows(1, 3, 3) };
            ask(s.ready(3), 1, 0, 0, 5).respond(2, &page).wait(1);
        }),
        ("what the user deleted comes with the answer", |s| {
            let deleted_seqs = vec![v1::SeqRange { lo: 2, hi: 2 }];
            let overlay = Some(v1::Overlay { deleted_seqs, ..Default::default() });
            let deleted = event(11, t::OVERLAY_CHANGED, 0, &v1::OverlayChanged { overlay });
            s.ready(3).batch(10, 11, vec![v1::SyncEvent { overlay_ver: 1, ..deleted }]);
            ask(s, 1, 0, 0, 5).respond(2, &rows(1, 3, 3));
        }),
        ("a page of another conversation epoch is a debt and not kept", |s| {
            let page = v1::HistoryPage { conv_epoch: 1, ..rows(1, 3, 3) };
            ask(s.ready(3), 1, 0, 0, 5).respond(2, &page).wait(1);
        }),
        ("a refusal for now is repeated, a final one is told", |s| {
            ask(s.ready(3), 1, 0, 0, 5).error(2, ErrorCode::NotAppliedYet.number(), 100).wait(400);
            s.error(3, ErrorCode::Absent.number(), 0);
        }),
        ("a lost link: the page is asked for on the next one", |s| {
            ask(s.ready(3), 1, 0, 0, 5);
            s.again(10).respond(2, &rows(1, 3, 3));
        }),
        ("a conversation that is not held can be asked for", |s| {
            s.ready(3).put(json!({"history": {"ticket": 1, "conv": 777, "limit": 5}}));
            s.respond(2, &v1::HistoryPage { conv: 777, ..rows(1, 3, 3) });
        }),
        ("at most eight requests are open", |s| {
            s.ready(3);
            for ticket in 1..=9 {
                s.put(json!({"history": {"ticket": ticket, "conv": 777, "limit": 5}}));
            }
            s.respond(2, &v1::HistoryPage { conv: 777, ..rows(1, 3, 3) });
        }),
    ]
}
