//! Members come, go and change roles.

use tenon_base::limits::MEMBERS_PER_COMMAND_MAX;
use tenon_base::{Seq, UserId};
use tenon_core::conversation::decide::Recipients;
use tenon_core::conversation::send::TITLE_BYTES_MAX;
use tenon_core::conversation::{Kind, Outcome};
use tenon_core::event::Item;
use tenon_core::user::QueueItem;
use tenon_core::{Action, Mode, Rejection, Role};

use crate::table::{Table, accepted, author, command, create, rejected, text, users};

fn role(table: &Table, user: u64) -> Option<Role> {
    table.conversation().member(UserId(user)).map(|m| m.role)
}

fn set_role(user: u64, role: Role) -> Action {
    Action::SetRole { user: UserId(user), role }
}

fn add(ids: &[u64]) -> Action {
    Action::AddMembers { users: users(ids) }
}

fn remove(ids: &[u64]) -> Action {
    Action::RemoveMembers { users: users(ids) }
}

/// Making it again answers with its numbers and changes nothing.
#[test]
fn creation_may_be_repeated() {
    let mut table = Table::group(&[1, 2]);
    let before = table.clone();
    accepted(table.apply(&create(Kind::Group, &[1, 2, 3])).0);
    assert_eq!(table, before);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refuse = |kind, members: &[u64], title: &str| {
        let mut made = create(kind, members);
        if let Action::Create(create) = &mut made.action {
            create.title = title.to_owned();
        }
        Table::default().apply(&made).0
    };
    assert_eq!(rejected(refuse(Kind::Direct, &[1, 2, 3], "")), Rejection::TooMany);
    assert_eq!(rejected(refuse(Kind::Direct, &[], "")), Rejection::TooMany);
    let long = "x".repeat(TITLE_BYTES_MAX + 1);
    assert_eq!(rejected(refuse(Kind::Group, &[1], &long)), Rejection::TooLarge);
    let mut foreign = create(Kind::Group, &[1, 2]);
    if let Action::Create(create) = &mut foreign.action {
        create.owner = UserId(9);
    }
    assert_eq!(rejected(Table::default().apply(&foreign).0), Rejection::NotMember);
}

/// A note to oneself is a direct conversation of one.
#[test]
fn a_direct_conversation_may_have_one_member() {
    let mut table = Table::default();
    accepted(table.apply(&create(Kind::Direct, &[1])).0);
    assert_eq!(table.conversation().header.peers, [UserId(1), UserId(1)]);
    accepted(table.act(1, Action::Send(text("milk"))));
}

/// Owner and admins change members and title; members and guests talk.
#[test]
fn roles_decide_who_may_change_a_group() {
    let mut table = Table::group(&[1, 2, 3]);
    assert_eq!(rejected(table.act(2, add(&[4]))), Rejection::RoleRequired);
    let rename = Action::Rename { title: "harbour".to_owned() };
    assert_eq!(rejected(table.act(2, rename.clone())), Rejection::RoleRequired);
    assert_eq!(rejected(table.act(2, set_role(2, Role::Admin))), Rejection::RoleRequired);
    accepted(table.act(1, set_role(2, Role::Admin)));
    accepted(table.act(2, rename));
    accepted(table.act(2, add(&[4])));
    assert_eq!(table.conversation().header.title, "harbour");
    assert_eq!(rejected(table.act(2, remove(&[1]))), Rejection::RoleRequired);
    accepted(table.act(2, remove(&[3, 4])));
    assert_eq!(table.conversation().current().collect::<Vec<_>>(), users(&[1, 2]));
    assert_eq!(rejected(table.act(1, set_role(9, Role::Admin))), Rejection::TargetUnknown);
    assert_eq!(rejected(table.act(1, set_role(1, Role::Member))), Rejection::Policy);
}

/// One owner at any time: a transfer makes the old one admin, a departure gives the group to the admin in longest.
#[test]
fn ownership_is_never_lost_nor_doubled() {
    let mut table = Table::group(&[1, 2, 3, 4]);
    accepted(table.act(1, set_role(2, Role::Owner)));
    assert_eq!((role(&table, 1), role(&table, 2)), (Some(Role::Admin), Some(Role::Owner)));
    accepted(table.act(2, Action::Leave));
    assert_eq!((role(&table, 1), role(&table, 2)), (Some(Role::Owner), None));
    accepted(table.act(1, Action::Leave));
    assert_eq!(role(&table, 3), Some(Role::Owner), "the lowest id of equals");
    accepted(table.act(3, Action::Leave));
    accepted(table.act(4, Action::Leave));
    assert_eq!(table.conversation().header.owner, UserId(0));
    assert_eq!(table.conversation().header.member_count, 0);
}

/// A newcomer sees from his join on and has nothing unread; with visible history he sees all and still has nothing unread.
#[test]
fn a_newcomer_starts_at_his_floor() {
    for history_visible in [false, true] {
        let mut made = create(Kind::Group, &[1, 2]);
        if let Action::Create(create) = &mut made.action {
            create.history_visible = history_visible;
        }
        let mut table = Table::default();
        accepted(table.apply(&made).0);
        accepted(table.act(1, Action::Send(text("before"))));
        accepted(table.act(1, add(&[3])));
        accepted(table.act(1, Action::Send(text("after"))));
        let header = &table.conversation().header;
        let member = table.conversation().member(UserId(3)).unwrap();
        let item = Item::of(header, member);
        assert_eq!(item.floor_seq, Seq(u64::from(!history_visible)));
        assert_eq!(item.unread, 1);
    }
}

/// Who is in already is passed over, who is not in cannot be removed; both answer as done.
#[test]
fn roster_changes_may_be_repeated() {
    let mut table = Table::group(&[1, 2]);
    accepted(table.administrate(add(&[2, 3, 3])));
    let before = table.clone();
    accepted(table.administrate(add(&[2, 3])));
    accepted(table.administrate(remove(&[9])));
    assert_eq!(table, before);
    assert_eq!(table.conversation().header.member_count, 3);
}

#[test]
fn a_roster_command_is_bounded_except_from_administration() {
    let mut table = Table::group(&[1]);
    let many: Vec<u64> = (100..=100 + MEMBERS_PER_COMMAND_MAX as u64).collect();
    assert_eq!(rejected(table.act(1, add(&many))), Rejection::TooMany);
    accepted(table.administrate(add(&many)));
    let header = &table.conversation().header;
    assert_eq!(header.member_count as usize, many.len() + 1);
    assert_eq!(header.mode, Mode::Pull);
}

/// A direct conversation has its two members for ever and no title.
#[test]
fn a_direct_conversation_does_not_change() {
    let mut table = Table::default();
    accepted(table.apply(&create(Kind::Direct, &[1, 2])).0);
    assert_eq!(rejected(table.act(1, add(&[3]))), Rejection::Policy);
    assert_eq!(rejected(table.act(1, remove(&[2]))), Rejection::Policy);
    assert_eq!(rejected(table.act(1, Action::Leave)), Rejection::Policy);
    let rename = Action::Rename { title: "us".to_owned() };
    assert_eq!(rejected(table.act(2, rename)), Rejection::Policy);
}

/// Who comes back has two stretches and hears of nothing in between.
#[test]
fn membership_is_kept_in_stretches() {
    let mut table = Table::group(&[1, 2]);
    accepted(table.act(1, remove(&[2])));
    accepted(table.act(1, Action::Send(text("without you"))));
    accepted(table.act(1, add(&[2])));
    let member = table.conversation().member(UserId(2)).unwrap();
    assert_eq!(member.intervals.len(), 2);
    assert!(member.intervals[0].leave_rev < member.intervals[1].join_rev);
    assert_eq!(member.floor_seq, Seq(1));
    assert_eq!(table.conversation().header.leave_ver, 1);
}

/// Commands of a device that is not the author's chain do not touch it.
#[test]
fn two_devices_of_a_user_have_their_own_chains() {
    let mut table = Table::group(&[1, 2]);
    accepted(table.act(1, Action::Send(text("phone"))));
    let mut desktop = author(1);
    desktop.device.0 += 1;
    let outcome = table.apply(&command(desktop, 1, Action::Send(text("desktop")))).0;
    assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
    assert_eq!(table.senders.len(), 2);
}

/// Pull above the upper bound, queue again at the lower one, nothing in between; the flip is told to all in their queues.
#[test]
fn the_mode_follows_the_number_with_hysteresis() {
    let mut table = Table::group(&[1, 2, 3, 4, 5, 6]);
    let mode = |table: &Table| table.conversation().header.mode;
    assert_eq!(mode(&table), Mode::Queue, "six is the bound, not above it");
    let change = table.apply(&command(author(1), 1, add(&[7]))).1.unwrap();
    assert_eq!(mode(&table), Mode::Pull);
    let flip = change.tells.last().unwrap();
    assert_eq!(flip.to, Recipients::Members);
    assert!(matches!(flip.item, QueueItem::Ref { mode: Mode::Pull, .. }));
    accepted(table.act(1, remove(&[7, 6])));
    assert_eq!(mode(&table), Mode::Pull, "five lies between the bounds");
    accepted(table.act(1, remove(&[5])));
    assert_eq!(mode(&table), Mode::Queue);
}
