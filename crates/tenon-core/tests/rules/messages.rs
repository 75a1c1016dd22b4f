//! Sending, reading, mentioning: who may, what it moves, who hears.

use std::sync::Arc;

use tenon_base::limits::{BODY_BYTES_MAX, MENTIONS_MAX, OUTCOMES_KEPT};
use tenon_base::{Cid, Seq, Timestamp, UserId};
use tenon_core::conversation::decide::{Change, Recipients};
use tenon_core::conversation::{Fate, Outcome};
use tenon_core::event::{EventBody, Item, UserEvent};
use tenon_core::user::QueueItem;
use tenon_core::{Action, Kind, Mode, Rejection, SendMessage, flag};

use crate::table::{Table, accepted, author, command, create, read_mark, rejected, text, users};

/// What a change tells users beside the shared events.
fn told(change: &Change) -> Vec<(UserEvent, Vec<UserId>)> {
    let inline = change.tells.iter().filter_map(|tell| match (&tell.item, &tell.to) {
        (QueueItem::Inline(event), Recipients::Users(users)) => {
            Some((UserEvent::clone(event), users.clone()))
        }
        _ => None,
    });
    inline.collect()
}

fn unread(table: &Table, user: u64) -> u32 {
    let conversation = table.conversation();
    Item::of(&conversation.header, conversation.member(UserId(user)).unwrap()).unread
}

/// seq, rev and cnt rise by one; a message without badge leaves cnt alone.
#[test]
fn numbers_are_dense() {
    let mut table = Table::group(&[1, 2]);
    let first = accepted(table.act(1, Action::Send(text("a"))));
    let quiet = SendMessage { flags: flag::NO_BADGE, ..text("b") };
    let second = accepted(table.act(2, Action::Send(quiet)));
    let third = accepted(table.act(1, Action::Send(text("c"))));
    let numbers = [first, second, third].map(|a| (a.seq.0, a.rev.0, a.cnt.0));
    assert_eq!(numbers, [(1, 2, 1), (2, 3, 1), (3, 4, 2)]);
}

/// Display time rises in seq although the clocks of two receivers disagree.
#[test]
fn display_time_rises_when_clocks_fall() {
    let mut table = Table::group(&[1, 2]);
    let mut last = 0;
    for (cid, time) in [(1, 2_000_000), (2, 1_500_000), (3, 1_500_000), (4, 2_000_007)] {
        let mut send = command(author(1), cid, Action::Send(text("x")));
        send.time = Timestamp(time);
        let ts = accepted(table.apply(&send).0).ts.0;
        assert!(ts > last, "{ts} behind {last}");
        last = ts;
    }
    assert_eq!(last, 2_000_007, "a clock that is ahead of the clamp wins again");
}

/// A mute ends exactly at its instant, not one tick later.
#[test]
fn a_mute_ends_on_time() {
    let mut table = Table::group(&[1, 2]);
    let conversation = table.conversation.as_mut().unwrap();
    conversation.members.get_mut(&UserId(2)).unwrap().muted_until = Timestamp(5_000);
    let mut send = command(author(2), 1, Action::Send(text("x")));
    send.time = Timestamp(4_999);
    assert_eq!(rejected(table.apply(&send).0), Rejection::Muted);
    send.cid = Cid(2);
    send.time = Timestamp(5_000);
    accepted(table.apply(&send).0);
}

#[test]
fn what_may_not_be_sent_is_refused_and_consumes_the_cid() {
    let big = vec![b'x'; BODY_BYTES_MAX + 1];
    let cases = [
        (SendMessage { body: big.into(), ..text("") }, Rejection::TooLarge),
        (
            SendMessage { mentions: vec![UserId(2); MENTIONS_MAX + 1], ..text("") },
            Rejection::TooMany,
        ),
        (SendMessage { to: users(&[2]), ..text("for two") }, Rejection::Policy),
        (SendMessage { kind: 0, ..text("") }, Rejection::BadBody),
        (SendMessage { reply_seq: Seq(9), ..text("") }, Rejection::TargetUnknown),
    ];
    for (send, expected) in cases {
        let mut table = Table::group(&[1, 2]);
        let before = table.conversation().clone();
        assert_eq!(rejected(table.act(1, Action::Send(send))), expected);
        assert_eq!(*table.conversation(), before, "a rejection moves no number");
        let next = command(author(1), 2, Action::Send(text("next")));
        accepted(table.apply(&next).0);
    }
}

/// Who never was in does not learn that the conversation exists; who left does.
#[test]
fn strangers_hear_absent_and_former_members_not_member() {
    let mut table = Table::group(&[1, 2, 3]);
    assert_eq!(table.act(9, Action::Send(text("x"))), Outcome::Absent);
    assert!(table.senders.is_empty(), "absent consumes no cid");
    accepted(table.act(3, Action::Leave));
    assert_eq!(rejected(table.act(3, Action::Send(text("x")))), Rejection::NotMember);
}

/// Last + 1 is decided, lower is a duplicate with its old outcome, higher is a gap, other content is told apart.
#[test]
fn the_chain_of_a_device_is_dense() {
    let mut table = Table::group(&[1, 2]);
    let send = |cid| command(author(1), cid, Action::Send(text("x")));
    assert_eq!(table.apply(&send(2)).0, Outcome::Gap { expect: Cid(1) });
    let first = accepted(table.apply(&send(1)).0);
    assert_eq!(table.apply(&send(1)).0, Outcome::Duplicate(Fate::Accepted(first)));
    let mut other = send(1);
    other.digest = [9; 16];
    assert_eq!(table.apply(&other).0, Outcome::CidReused);
    let mut void = send(2);
    void.is_void = true;
    assert_eq!(rejected(table.apply(&void).0), Rejection::Cancelled);
    let void_again = Outcome::Duplicate(Fate::Rejected(Rejection::Cancelled));
    assert_eq!(table.apply(&send(2)).0, void_again, "a send that lost against its own void");
    let mut refused = send(3);
    refused.refused = Some(Rejection::Expired);
    assert_eq!(rejected(table.apply(&refused).0), Rejection::Expired);
    assert_eq!(accepted(table.apply(&send(4)).0).seq, Seq(2));
}

/// Outcomes are kept for twice what a device may have open; an older cid cannot be its repeat.
#[test]
fn outcomes_are_kept_in_a_bounded_number() {
    let mut table = Table::group(&[1, 2]);
    let send = |cid| command(author(1), cid, Action::Send(text("x")));
    let kept = OUTCOMES_KEPT as u64;
    for cid in 1..=kept + 1 {
        accepted(table.apply(&send(cid)).0);
    }
    assert!(matches!(table.apply(&send(2)).0, Outcome::Duplicate(Fate::Accepted(_))));
    assert_eq!(table.apply(&send(1)).0, Outcome::CidReused);
}

/// A read mark is clamped to the tip, never falls, and takes unread with it; sending reads.
#[test]
fn read_marks_only_rise() {
    let mut table = Table::group(&[1, 2]);
    for body in ["a", "b", "c"] {
        accepted(table.act(1, Action::Send(text(body))));
    }
    assert_eq!((unread(&table, 1), unread(&table, 2)), (0, 3));
    let mark = |up_to, cnt| command(author(2), 0, read_mark(up_to, cnt));
    let (outcome, change) = table.apply(&mark(2, 2));
    assert_eq!((accepted(outcome).seq, unread(&table, 2)), (Seq(2), 1));
    let change = change.unwrap();
    assert!(
        matches!(told(&change).as_slice(), [(UserEvent::ReadMarked { .. }, to)] if *to == users(&[2]))
    );
    assert_eq!(
        table.apply(&mark(1, 1)),
        (
            Outcome::Ok(tenon_core::conversation::Accepted { seq: Seq(2), ..Default::default() }),
            None
        )
    );
    assert_eq!(accepted(table.apply(&mark(99, 99)).0).seq, Seq(3));
    assert_eq!(unread(&table, 2), 0);
}

/// In a direct conversation the peer hears of the read mark; in a group nobody else does.
#[test]
fn the_peer_of_a_direct_conversation_gets_a_receipt() {
    let mut table = Table::default();
    accepted(table.apply(&create(Kind::Direct, &[1, 2])).0);
    accepted(table.act(1, Action::Send(text("a"))));
    let change = table.apply(&command(author(2), 0, read_mark(1, 1))).1.unwrap();
    let [(own, to_own), (receipt, to_peer)] = <[_; 2]>::try_from(told(&change)).unwrap();
    assert!(matches!(own, UserEvent::ReadMarked { .. }));
    assert!(matches!(receipt, UserEvent::Receipt { user: UserId(2), read_seq: Seq(1), .. }));
    assert_eq!((to_own, to_peer), (users(&[2]), users(&[1])));
}

/// A large group writes no entry per member; who is mentioned gets one, if he is in.
#[test]
fn in_pull_mode_only_the_mentioned_get_an_entry() {
    let mut table = Table::group(&[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(table.conversation().header.mode, Mode::Pull);
    let send = SendMessage { mentions: users(&[7, 3, 99, 3]), ..text("look") };
    let change = table.apply(&command(author(1), 1, Action::Send(send))).1.unwrap();
    assert_eq!(change.tells.len(), 1);
    assert!(matches!(
        told(&change).as_slice(),
        [(UserEvent::Mention { seq: Seq(1), all: false, .. }, to)] if *to == users(&[3, 7])
    ));
    let all = SendMessage { flags: flag::MENTION_ALL, ..text("all") };
    accepted(table.act(2, Action::Send(all)));
    assert_eq!(table.conversation().header.mention_all_seq, Seq(2));
}

/// In queue mode one entry names the event for all members, the sender's other devices included.
#[test]
fn in_queue_mode_one_entry_serves_all_members() {
    let mut table = Table::group(&[1, 2, 3]);
    let change = table.apply(&command(author(1), 1, Action::Send(text("x")))).1.unwrap();
    let [tell] = change.tells.as_slice() else { panic!("{:?}", change.tells) };
    assert_eq!(tell.to, Recipients::Members);
    assert!(matches!(tell.item, QueueItem::Ref { mode: Mode::Queue, .. }));
    let [event] = change.events.as_slice() else { panic!("{:?}", change.events) };
    let EventBody::Message(message) = &event.body else { panic!("{event:?}") };
    assert_eq!(Arc::strong_count(message), 1, "one copy for all");
}

/// The end of a message's life is counted from its admission.
#[test]
fn a_message_may_have_an_end() {
    let mut table = Table::group(&[1, 2]);
    let send = SendMessage { expires_in_s: 60, ..text("soon gone") };
    let change = table.apply(&command(author(1), 1, Action::Send(send))).1.unwrap();
    let EventBody::Message(message) = &change.events[0].body else { panic!("no message") };
    assert_eq!(message.expires, Timestamp(1_060_000));
}
