//! What is kept of organisations, accounts, devices and apps.

use tenon_base::{AppId, DeviceId, OrgId, Timestamp, UserId};

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrgRecord {
    /// Which.
    pub org: OrgId,
    /// Name to show.
    pub name: String,
}

/// What an account may do in its organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OrgRole {
    /// Talks.
    #[default]
    Member,
    /// Administers users, invitations, groups and devices as well.
    Admin,
}

impl OrgRole {
    /// The name that people and programs see.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// The role of a name.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Member, Self::Admin].into_iter().find(|role| role.text() == text)
    }
}

/// An account.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UserRecord {
    /// Organisation.
    pub org: OrgId,
    /// Which.
    pub user: UserId,
    /// Login name, unique in the organisation without regard to case.
    pub name: String,
    /// Name to show.
    pub display: String,
    /// Password hash in PHC form; empty = no password, sign in by credential only.
    pub password: String,
    /// May not sign in.
    pub is_disabled: bool,
    /// Came with an archive and nobody has got into it yet.
    pub is_imported: bool,
    /// What it may do in the organisation.
    pub role: OrgRole,
    /// Raised by every change that ends sessions; tickets carry it.
    pub session_epoch: u32,
    /// Version of what others see.
    pub ver: u64,
    /// Creation time.
    pub created: Timestamp,
}

impl UserRecord {
    /// True if it counts as somebody who may administer.
    pub const fn is_active_admin(&self) -> bool {
        matches!(self.role, OrgRole::Admin) && !self.is_disabled
    }
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord")
            .field("org", &self.org)
            .field("user", &self.user)
            .field("ver", &self.ver)
            .finish_non_exhaustive()
    }
}

/// One installed client.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DeviceRecord {
    /// Organisation.
    pub org: OrgId,
    /// Whose.
    pub user: UserId,
    /// Which.
    pub device: DeviceId,
    /// 1 phone, 2 pad, 3 desktop, 4 web, 5 app.
    pub kind: u32,
    /// Name.
    pub label: String,
    /// Keyed hash of the credential.
    pub secret: [u8; 32],
    /// App through which it was made; 0 = none.
    pub app: AppId,
    /// Creation time.
    pub created: Timestamp,
}

impl std::fmt::Debug for DeviceRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceRecord")
            .field("user", &self.user)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// A system that may mint tokens for users.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AppRecord {
    /// Organisation.
    pub org: OrgId,
    /// Which.
    pub app: AppId,
    /// Name, unique in the organisation.
    pub name: String,
    /// Keyed hash of its secret.
    pub secret: [u8; 32],
    /// Creation time.
    pub created: Timestamp,
}

impl std::fmt::Debug for AppRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppRecord").field("app", &self.app).finish_non_exhaustive()
    }
}
