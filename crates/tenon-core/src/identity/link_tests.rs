//! Links let in as often as they may, until their end, and nobody else.

use tenon_base::{DeviceId, InvitationId, Timestamp};

use super::*;

const ORG: OrgId = OrgId(1);
const END: u64 = 100;

fn house() -> Directory {
    let mut directory = Directory::default();
    directory.apply(&IdentityCommand::PutOrg(OrgRecord { org: ORG, name: String::new() }));
    directory
}

fn user(id: u64, name: &str) -> UserRecord {
    let password = format!("hash of {name}");
    UserRecord { org: ORG, user: UserId(id), name: name.into(), password, ..UserRecord::default() }
}

fn device(id: u64, owner: u64, at: u64) -> DeviceRecord {
    let (user, device, created) = (UserId(owner), DeviceId(id), Timestamp(at));
    DeviceRecord { org: ORG, user, device, created, ..DeviceRecord::default() }
}

fn link(secret: u8) -> IdentityCommand {
    let expires = Timestamp(END);
    IdentityCommand::PutSetUpLink(SetUpLink {
        org: ORG,
        secret: [secret; 32],
        expires,
        is_used: false,
    })
}

fn set_up(secret: u8, id: u64, at: u64) -> IdentityCommand {
    IdentityCommand::SetUp(Box::new(SetUp {
        link: SetUpLinkHash([secret; 32]),
        organisation: "Acme".into(),
        user: user(id, &format!("user {id}")),
        device: device(id + 100, id, at),
    }))
}

fn invite(id: u64, uses: u32, bound: u64) -> Invitation {
    Invitation {
        org: ORG,
        invitation: InvitationId(id),
        role: OrgRole::Admin,
        user: UserId(bound),
        uses,
        uses_left: uses,
        expires: Timestamp(END),
        created: Timestamp(id),
        ..Invitation::default()
    }
}

fn accept(invitation: u64, id: u64, at: u64) -> IdentityCommand {
    IdentityCommand::Accept(Box::new(Accept {
        invitation: InvitationId(invitation),
        user: user(id, &format!("user {id}")),
        device: device(id + 100 + at, id, at),
    }))
}

fn outcome(directory: &mut Directory, command: &IdentityCommand) -> IdentityOutcome {
    let before = format!("{directory:?}");
    let (outcome, changes) = directory.apply(command);
    if outcome != IdentityOutcome::Done {
        assert!(changes.is_empty(), "{outcome:?} writes nothing");
        assert_eq!(before, format!("{directory:?}"), "{outcome:?} changes nothing");
    }
    outcome
}

#[test]
fn the_first_of_two_who_set_up_wins_and_the_link_is_used() {
    let mut directory = house();
    assert_eq!(outcome(&mut directory, &set_up(7, 1, 5)), IdentityOutcome::LinkExpired, "no link");
    assert_eq!(outcome(&mut directory, &link(7)), IdentityOutcome::Done);
    assert_eq!(outcome(&mut directory, &set_up(8, 1, 5)), IdentityOutcome::LinkExpired, "another");
    assert_eq!(outcome(&mut directory, &set_up(7, 1, END)), IdentityOutcome::LinkExpired);
    let (first, changes) = directory.apply(&set_up(7, 1, END - 1));
    let expect = [
        IdentityChange::User(ORG, UserId(1)),
        IdentityChange::Device(ORG, UserId(1), DeviceId(101)),
        IdentityChange::SetUpLink(ORG),
        IdentityChange::Org(ORG),
    ];
    assert_eq!((first, &changes[..]), (IdentityOutcome::Done, &expect[..]));
    assert_eq!(outcome(&mut directory, &set_up(7, 2, 5)), IdentityOutcome::LinkUsed);
    assert_eq!(outcome(&mut directory, &link(9)), IdentityOutcome::LinkUsed, "no second set-up");
    assert_eq!(directory.admins_of(ORG).collect::<Vec<_>>(), [UserId(1)]);
    assert_eq!(directory.org(ORG).map(|org| org.name.as_str()), Some("Acme"));
    assert!(directory.device(DeviceId(101)).is_some());
}

#[test]
fn a_name_that_is_taken_leaves_the_link_good() {
    let mut directory = house();
    directory.apply(&link(7));
    directory.apply(&IdentityCommand::AddUsers(vec![user(50, "USER 1")]));
    assert_eq!(outcome(&mut directory, &set_up(7, 1, 5)), IdentityOutcome::Taken { id: 50 });
    assert_eq!(outcome(&mut directory, &set_up(7, 2, 5)), IdentityOutcome::Done);
}

#[test]
fn an_operator_who_made_an_administrator_ends_the_link() {
    let mut directory = house();
    directory.apply(&link(7));
    let admin = UserRecord { role: OrgRole::Admin, ..user(50, "ops") };
    directory.apply(&IdentityCommand::AddUsers(vec![admin]));
    assert_eq!(outcome(&mut directory, &set_up(7, 1, 5)), IdentityOutcome::LinkUsed);
}

#[test]
fn an_invitation_lets_in_as_often_as_it_says() {
    let mut directory = house();
    directory.apply(&IdentityCommand::PutInvitation(invite(1, 2, 0)));
    assert_eq!(outcome(&mut directory, &accept(9, 1, 5)), IdentityOutcome::LinkExpired, "none");
    assert_eq!(outcome(&mut directory, &accept(1, 1, END)), IdentityOutcome::LinkExpired);
    assert_eq!(outcome(&mut directory, &accept(1, 1, 5)), IdentityOutcome::Done);
    assert_eq!(outcome(&mut directory, &accept(1, 1, 6)), IdentityOutcome::Taken { id: 1 });
    assert_eq!(outcome(&mut directory, &accept(1, 2, 5)), IdentityOutcome::Done);
    assert_eq!(outcome(&mut directory, &accept(1, 3, 5)), IdentityOutcome::LinkUsed);
    let roles: Vec<_> = directory.users_after(ORG, "").map(|user| user.role).collect();
    assert_eq!(roles, [OrgRole::Admin, OrgRole::Admin], "the role of the invitation");
}

#[test]
fn what_was_taken_back_lets_nobody_in() {
    let mut directory = house();
    directory.apply(&IdentityCommand::PutInvitation(invite(1, 2, 0)));
    let revoke = IdentityCommand::RevokeInvitation { org: ORG, invitation: InvitationId(1) };
    let other = IdentityCommand::RevokeInvitation { org: OrgId(2), invitation: InvitationId(1) };
    assert_eq!(outcome(&mut directory, &other), IdentityOutcome::Absent, "another organisation's");
    assert_eq!(directory.apply(&revoke).1, [IdentityChange::Invitation(ORG, InvitationId(1))]);
    assert!(directory.apply(&revoke).1.is_empty(), "twice is once");
    assert_eq!(outcome(&mut directory, &accept(1, 1, 5)), IdentityOutcome::LinkExpired);
}

#[test]
fn a_link_for_an_account_sets_its_password_once() {
    let mut directory = house();
    let imported = UserRecord { is_imported: true, password: String::new(), ..user(3, "eve") };
    directory.apply(&IdentityCommand::AddUsers(vec![imported]));
    assert_eq!(
        outcome(&mut directory, &IdentityCommand::PutInvitation(invite(1, 1, 4))),
        IdentityOutcome::Absent
    );
    directory.apply(&IdentityCommand::PutInvitation(invite(1, 1, 3)));
    directory.apply(&IdentityCommand::PutInvitation(invite(2, 1, 3)));
    assert_eq!(outcome(&mut directory, &accept(1, 3, 5)), IdentityOutcome::LinkExpired, "replaced");
    assert_eq!(outcome(&mut directory, &accept(2, 4, 5)), IdentityOutcome::Absent, "not his");
    assert_eq!(outcome(&mut directory, &accept(2, 3, 5)), IdentityOutcome::Done);
    let eve = directory.user(ORG, UserId(3)).cloned().unwrap_or_default();
    assert_eq!((eve.name.as_str(), eve.is_imported, eve.session_epoch), ("eve", false, 1));
    assert_eq!((eve.password.as_str(), eve.role), ("hash of user 3", OrgRole::Member));
    assert_eq!(outcome(&mut directory, &accept(2, 3, 6)), IdentityOutcome::LinkUsed);
    directory.apply(&IdentityCommand::SetDisabled { org: ORG, user: UserId(3), is_disabled: true });
    directory.apply(&IdentityCommand::PutInvitation(invite(4, 1, 3)));
    assert_eq!(outcome(&mut directory, &accept(4, 3, 7)), IdentityOutcome::Disabled);
}

#[test]
fn invitations_that_are_over_leave_for_new_ones() {
    let mut directory = house();
    for id in 1..=INVITATIONS_MAX as u64 {
        let invitation = Invitation { created: Timestamp(5), ..invite(id, 1, 0) };
        assert_eq!(
            outcome(&mut directory, &IdentityCommand::PutInvitation(invitation)),
            IdentityOutcome::Done
        );
    }
    let more = Invitation { created: Timestamp(6), ..invite(5_000, 1, 0) };
    let more = IdentityCommand::PutInvitation(more);
    assert_eq!(outcome(&mut directory, &more), IdentityOutcome::TooMany);
    let revoke = IdentityCommand::RevokeInvitation { org: ORG, invitation: InvitationId(77) };
    directory.apply(&revoke);
    let gone = IdentityChange::Invitation(ORG, InvitationId(77));
    let made = IdentityChange::Invitation(ORG, InvitationId(5_000));
    assert_eq!(directory.apply(&more), (IdentityOutcome::Done, vec![gone, made]));
    assert_eq!(directory.invitations(ORG).count(), INVITATIONS_MAX);
}
