//! Who may exist under which name, and who may do what to whom.

use tenon_base::Timestamp;

use super::*;

const ORG: OrgId = OrgId(1);

fn user(id: u64, name: &str) -> UserRecord {
    UserRecord { org: ORG, user: UserId(id), name: name.into(), ..UserRecord::default() }
}

fn device(id: u64, owner: u64) -> DeviceRecord {
    DeviceRecord { org: ORG, user: UserId(owner), device: DeviceId(id), ..DeviceRecord::default() }
}

fn with_users() -> Directory {
    let mut directory = Directory::default();
    let add = IdentityCommand::AddUsers(vec![user(1, "Ada"), user(2, "bob")]);
    let (outcome, changes) = directory.apply(&add);
    assert_eq!(outcome, IdentityOutcome::Users(vec![(UserId(1), true), (UserId(2), true)]));
    assert_eq!(changes.len(), 2);
    directory
}

#[test]
fn names_are_unique_without_regard_to_case() {
    let mut directory = with_users();
    let (outcome, changes) = directory.apply(&IdentityCommand::AddUsers(vec![user(9, "ADA")]));
    assert_eq!(outcome, IdentityOutcome::Users(vec![(UserId(1), false)]));
    assert!(changes.is_empty());
    assert_eq!(directory.user_named(ORG, "aDa").map(|u| u.user), Some(UserId(1)));
    assert!(directory.user_named(OrgId(2), "ada").is_none(), "another organisation");
    assert_eq!(directory.users_after(ORG, "").count(), 2);
    assert_eq!(directory.users_after(ORG, "ada").count(), 1);
}

#[test]
fn a_device_stays_with_its_owner() {
    let mut directory = with_users();
    let put = |d| IdentityCommand::PutDevice(d);
    assert_eq!(directory.apply(&put(device(7, 1))).0, IdentityOutcome::Done);
    let stolen = directory.apply(&put(device(7, 2))).0;
    assert_eq!(stolen, IdentityOutcome::Taken { id: 7 });
    assert_eq!(directory.apply(&put(device(8, 3))).0, IdentityOutcome::Absent);
    let remove = IdentityCommand::RemoveDevice { org: ORG, user: UserId(1), device: DeviceId(7) };
    assert_eq!(directory.apply(&remove).1.len(), 1);
    assert!(directory.device(DeviceId(7)).is_none());
    assert!(directory.apply(&remove).1.is_empty(), "once is enough");
}

#[test]
fn a_closed_account_gets_no_device_and_its_sessions_end() {
    let mut directory = with_users();
    let before = directory.user(ORG, UserId(1)).map(|u| u.session_epoch);
    let close = IdentityCommand::SetDisabled { org: ORG, user: UserId(1), is_disabled: true };
    assert_eq!(directory.apply(&close).0, IdentityOutcome::Done);
    assert!(directory.user(ORG, UserId(1)).map(|u| u.session_epoch) > before);
    let put = IdentityCommand::PutDevice(device(7, 1));
    assert_eq!(directory.apply(&put).0, IdentityOutcome::Disabled);
}

#[test]
fn devices_of_one_user_are_bounded() {
    let mut directory = with_users();
    for id in 0..DEVICES_MAX as u64 {
        let put = IdentityCommand::PutDevice(device(100 + id, 1));
        assert_eq!(directory.apply(&put).0, IdentityOutcome::Done);
    }
    let one_more = IdentityCommand::PutDevice(device(99, 1));
    assert_eq!(directory.apply(&one_more).0, IdentityOutcome::TooMany);
    let again = IdentityCommand::PutDevice(device(100, 1));
    assert_eq!(directory.apply(&again).0, IdentityOutcome::Done, "a new secret for a known one");
}

#[test]
fn the_name_of_a_group_is_given_once() {
    let mut directory = with_users();
    let name = |conv| IdentityCommand::NameGroup {
        org: ORG,
        name: "ops".into(),
        conv: ConversationId(conv),
    };
    assert_eq!(directory.apply(&name(5)).0, IdentityOutcome::Done);
    assert_eq!(directory.apply(&name(5)).0, IdentityOutcome::Done);
    assert_eq!(directory.apply(&name(6)).0, IdentityOutcome::Taken { id: 5 });
}

fn role(user: u64, role: OrgRole) -> IdentityCommand {
    IdentityCommand::SetRole { org: ORG, user: UserId(user), role }
}

fn disable(user: u64) -> IdentityCommand {
    IdentityCommand::SetDisabled { org: ORG, user: UserId(user), is_disabled: true }
}

#[test]
fn somebody_is_always_left_to_administer() {
    let mut directory = with_users();
    assert_eq!(directory.admins_of(ORG).count(), 0);
    assert_eq!(directory.apply(&role(1, OrgRole::Admin)).0, IdentityOutcome::Done);
    assert!(directory.apply(&role(1, OrgRole::Admin)).1.is_empty(), "twice is once");
    for refused in [role(1, OrgRole::Member), disable(1)] {
        assert_eq!(directory.apply(&refused), (IdentityOutcome::LastAdmin, Vec::new()));
    }
    directory.apply(&role(2, OrgRole::Admin));
    assert_eq!(directory.apply(&disable(1)).0, IdentityOutcome::Done);
    assert_eq!(directory.apply(&disable(2)).0, IdentityOutcome::LastAdmin, "the other is closed");
    assert_eq!(directory.apply(&role(1, OrgRole::Member)).0, IdentityOutcome::Done);
    assert_eq!(directory.admins_of(ORG).collect::<Vec<_>>(), [UserId(2)]);
    assert_eq!(directory.admins_of(OrgId(2)).count(), 0, "another organisation");
    assert_eq!(directory.apply(&role(9, OrgRole::Admin)).0, IdentityOutcome::Absent);
}

#[test]
fn an_entry_is_written_with_what_took_effect_and_only_then() {
    let mut directory = with_users();
    let audit = |at| {
        Audit::new(
            (ORG, Actor::User(UserId(1))),
            AuditAction::UserRole,
            "bob",
            "admin",
            Timestamp(at),
        )
    };
    let audited =
        |at, command| IdentityCommand::Audited { audit: audit(at), command: Box::new(command) };
    let (_, changes) = directory.apply(&audited(5, role(2, OrgRole::Admin)));
    let first = AuditEntry { entry: 1, audit: audit(5) };
    assert_eq!(changes, [IdentityChange::User(ORG, UserId(2)), IdentityChange::Audit(first)]);
    let none = [role(2, OrgRole::Admin), role(2, OrgRole::Member), role(9, OrgRole::Admin)];
    for command in none {
        assert!(directory.apply(&audited(6, command)).1.is_empty());
    }
    let (outcome, changes) = directory.apply(&IdentityCommand::Note(audit(7)));
    let second = AuditEntry { entry: 2, audit: audit(7) };
    assert_eq!((outcome, changes), (IdentityOutcome::Done, vec![IdentityChange::Audit(second)]));
    directory.load_audited(ORG, 40);
    let (_, changes) = directory.apply(&IdentityCommand::Note(audit(8)));
    assert!(matches!(&changes[..], [IdentityChange::Audit(entry)] if entry.entry == 41));
}

#[test]
fn the_organisation_gets_its_name() {
    let mut directory = Directory::default();
    let name = IdentityCommand::SetOrgName { org: ORG, name: "Acme".into() };
    assert_eq!(directory.apply(&name).0, IdentityOutcome::Absent);
    directory.apply(&IdentityCommand::PutOrg(OrgRecord { org: ORG, name: String::new() }));
    assert_eq!(directory.apply(&name).1, [IdentityChange::Org(ORG)]);
    assert!(directory.apply(&name).1.is_empty());
    assert_eq!(directory.org(ORG).map(|org| org.name.as_str()), Some("Acme"));
}
