//! Identity values made of a seed.

use bytes::Bytes;
use tenon_base::{AppId, ConversationId, DeviceId, InvitationId, OrgId, Timestamp, UserId};
use tenon_core::identity::{
    Accept, Actor, AppRecord, Audit, AuditAction, AuditEntry, DeviceRecord, IdentityCommand,
    Invitation, OrgRecord, OrgRole, SetUp, SetUpLink, SetUpLinkHash, UserRecord,
};

use super::values::Values;
use crate::table;

/// The last kind of command.
const IDENTITY_KINDS: u8 = 17;

impl Values {
    pub(super) fn user_record(&mut self) -> UserRecord {
        UserRecord {
            org: OrgId(self.id()),
            user: UserId(self.id()),
            name: self.text(),
            display: self.text(),
            password: self.text(),
            is_disabled: self.bool(),
            session_epoch: self.small32(),
            ver: self.small(),
            created: Timestamp(self.small()),
            role: self.org_role(),
            is_imported: self.bool(),
        }
    }

    fn org_role(&mut self) -> OrgRole {
        if self.bool() { OrgRole::Admin } else { OrgRole::Member }
    }

    pub(super) fn audit_entry(&mut self) -> AuditEntry {
        AuditEntry { entry: self.small(), audit: self.audit() }
    }

    pub(super) fn setup_link(&mut self) -> SetUpLink {
        SetUpLink {
            org: OrgId(self.id()),
            secret: self.secret(),
            expires: Timestamp(self.small()),
            is_used: self.bool(),
        }
    }

    pub(super) fn invitation(&mut self) -> Invitation {
        Invitation {
            org: OrgId(self.id()),
            invitation: InvitationId(self.id()),
            secret: self.secret(),
            role: self.org_role(),
            user: UserId(self.some_id()),
            uses: self.small32(),
            uses_left: self.small32(),
            expires: Timestamp(self.small()),
            created_by: Actor::User(UserId(self.id() | 1)),
            created: Timestamp(self.small()),
            is_revoked: self.bool(),
        }
    }

    fn audit(&mut self) -> Audit {
        let user = UserId(self.id() | 1);
        let actions = AuditAction::ALL;
        Audit {
            org: OrgId(self.id()),
            actor: if self.bool() { Actor::User(user) } else { Actor::Operator },
            action: actions[(self.id() as usize) % actions.len()],
            target: self.text(),
            detail: self.text(),
            at: Timestamp(self.small()),
        }
    }

    pub(super) fn device_record(&mut self) -> DeviceRecord {
        DeviceRecord {
            org: OrgId(self.id()),
            user: UserId(self.id()),
            device: DeviceId(self.id()),
            kind: self.small32(),
            label: self.text(),
            secret: self.secret(),
            app: AppId(self.some_id()),
            created: Timestamp(self.small()),
        }
    }

    fn secret(&mut self) -> [u8; 32] {
        let (a, b) = (self.digest(), self.digest());
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&a);
        secret[16..].copy_from_slice(&b);
        secret
    }

    /// One of each kind.
    pub(super) fn identity_commands(&mut self) -> Vec<IdentityCommand> {
        (0..=IDENTITY_KINDS).map(|kind| self.identity_command(kind)).collect()
    }

    fn identity_command(&mut self, kind: u8) -> IdentityCommand {
        let (org, user) = (OrgId(self.id()), UserId(self.id()));
        match kind {
            0 => IdentityCommand::PutOrg(OrgRecord { org, name: self.text() }),
            1 => IdentityCommand::AddUsers(self.list(4, Self::user_record)),
            2 => IdentityCommand::SetPassword { org, user, password: self.text() },
            3 => IdentityCommand::SetDisabled { org, user, is_disabled: self.bool() },
            4 => IdentityCommand::PutDevice(self.device_record()),
            5 => IdentityCommand::RemoveDevice { org, user, device: DeviceId(self.id()) },
            6 => IdentityCommand::PutApp(AppRecord {
                org,
                app: AppId(self.id()),
                name: self.text(),
                secret: self.secret(),
                created: Timestamp(self.small()),
            }),
            8 => IdentityCommand::RemoveApp { org, app: AppId(self.id()) },
            9 => IdentityCommand::SetOrgName { org, name: self.text() },
            10 => IdentityCommand::SetRole { org, user, role: self.org_role() },
            11 => IdentityCommand::Note(self.audit()),
            12 => IdentityCommand::PutSetUpLink(self.setup_link()),
            13 => IdentityCommand::SetUp(Box::new(SetUp {
                link: SetUpLinkHash(self.secret()),
                organisation: self.text(),
                user: self.user_record(),
                device: self.device_record(),
            })),
            14 => IdentityCommand::PutInvitation(self.invitation()),
            15 => IdentityCommand::RevokeInvitation { org, invitation: InvitationId(self.id()) },
            16 => IdentityCommand::Accept(Box::new(Accept {
                invitation: InvitationId(self.id()),
                user: self.user_record(),
                device: self.device_record(),
            })),
            IDENTITY_KINDS => {
                let command = Box::new(self.identity_command(kind - 2));
                IdentityCommand::Audited { audit: self.audit(), command }
            }
            _ => IdentityCommand::NameGroup {
                org,
                name: self.text(),
                conv: ConversationId(self.id()),
            },
        }
    }
}

/// Commands before there were roles: the accounts in them are members now.
#[test]
fn commands_of_version_1_open_and_their_users_are_members() {
    let bytes = super::open_fixture("identity-command.bin", Bytes::new);
    let mut reader = crate::codec::Reader::plain(bytes);
    let (mut kinds, mut users) = (0, Vec::new());
    while !reader.is_empty() {
        let payload = reader.bytes().unwrap();
        assert_eq!(payload[0], 1);
        let command = table::identity::decode_command(payload).unwrap();
        let again = table::identity::encode_command(&command);
        assert_eq!(table::identity::decode_command(again), Ok(command.clone()));
        if let IdentityCommand::AddUsers(list) = command {
            users = list;
        }
        kinds += 1;
    }
    assert_eq!(kinds, 8);
    assert!(!users.is_empty(), "the sample has accounts");
    assert!(users.iter().all(|user| user.role == OrgRole::Member && !user.is_imported));
    let remove = super::open_fixture("identity-remove-app.bin", Bytes::new);
    let remove = table::identity::decode_command(remove).unwrap();
    assert!(matches!(remove, IdentityCommand::RemoveApp { .. }));
}

/// A row before there were roles is a member's, with everything else as it was.
#[test]
fn a_user_row_of_version_1_is_a_member() {
    let bytes = super::open_fixture("identity-user.bin", Bytes::new);
    assert_eq!(bytes[0], 1);
    let user = table::identity::rows::decode_user(bytes).unwrap();
    let mut sample = Values::new(42).user_record();
    (sample.role, sample.is_imported) = (OrgRole::Member, false);
    assert!(user == sample);
    let again = table::identity::rows::encode_user(&user);
    assert!(table::identity::rows::decode_user(again).unwrap() == sample);
}

/// A command with an entry holds no other such command: a record cannot make the decoder recurse.
#[test]
fn audited_commands_do_not_nest() {
    let mut values = Values::new(7);
    let mut command = values.identity_command(IDENTITY_KINDS);
    for _ in 0..3 {
        command = IdentityCommand::Audited { audit: values.audit(), command: Box::new(command) };
    }
    let decoded = table::identity::decode_command(table::identity::encode_command(&command));
    assert_eq!(decoded, Err(crate::codec::FormatError::Unknown(13)));
}
