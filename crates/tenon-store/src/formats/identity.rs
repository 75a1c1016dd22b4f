//! Identity values made of a seed.

use tenon_base::{AppId, ConversationId, DeviceId, OrgId, Timestamp, UserId};
use tenon_core::identity::{AppRecord, DeviceRecord, IdentityCommand, OrgRecord, UserRecord};

use super::values::Values;

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

    /// One of each kind, but the one that came last: it has a fixture of its own.
    pub(super) fn identity_commands(&mut self) -> Vec<IdentityCommand> {
        (0..8).map(|kind| self.identity_command(kind)).collect()
    }

    pub(super) fn remove_app(&mut self) -> IdentityCommand {
        self.identity_command(8)
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
            _ => IdentityCommand::NameGroup {
                org,
                name: self.text(),
                conv: ConversationId(self.id()),
            },
        }
    }
}
