//! Who exists: organisations, users, devices, apps and names of groups. One state, decided in the identity partition.

use tenon_base::{AppId, ConversationId, DeviceId, InvitationId, OrgId, UserId};

pub mod audit;
mod directory;
mod link;
#[cfg(test)]
mod link_tests;
mod record;
#[cfg(test)]
mod tests;

pub use audit::{Actor, Audit, AuditAction, AuditEntry};
pub use directory::Directory;
pub use link::{Accept, Invitation, InvitationState, SetUp, SetUpLink, SetUpLinkHash};
pub use record::{AppRecord, DeviceRecord, OrgRecord, OrgRole, UserRecord};

/// Longest login name of a user, in bytes.
pub const USER_NAME_MAX: usize = 128;
/// Longest name of a group, in bytes; the title of a conversation has the same bound.
pub const GROUP_NAME_MAX: usize = 256;
/// Longest display name and device label, in bytes.
pub const LABEL_MAX: usize = 256;
/// Invitations that are kept of one organisation; the oldest that is over leaves for a new one.
pub const INVITATIONS_MAX: usize = 1_000;
/// Devices one user may have.
pub const DEVICES_MAX: usize = 100;

/// A command to the identity partition. Ids, hashes and times are stamped by the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityCommand {
    /// Makes the organisation; nothing if it exists.
    PutOrg(OrgRecord),
    /// Gives the organisation a name; nothing if it has this one.
    SetOrgName {
        /// Organisation.
        org: OrgId,
        /// Name to show.
        name: String,
    },
    /// Makes accounts. Names that exist are left as they are.
    AddUsers(Vec<UserRecord>),
    /// Sets a password hash.
    SetPassword {
        /// Organisation.
        org: OrgId,
        /// Whose.
        user: UserId,
        /// PHC form.
        password: String,
    },
    /// Closes or opens an account; closing ends its sessions.
    SetDisabled {
        /// Organisation.
        org: OrgId,
        /// Whose.
        user: UserId,
        /// Closed.
        is_disabled: bool,
    },
    /// Gives an account a role; nothing if it has this one.
    SetRole {
        /// Organisation.
        org: OrgId,
        /// Whose.
        user: UserId,
        /// What it may do from now on.
        role: OrgRole,
    },
    /// Makes a device, or gives a device of the same user a new secret.
    PutDevice(DeviceRecord),
    /// Forgets a device; nothing if it is gone.
    RemoveDevice {
        /// Organisation.
        org: OrgId,
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
    },
    /// Makes an app, or gives it a new secret.
    PutApp(AppRecord),
    /// Forgets an app: its credential mints no more. Devices it made stay. Nothing if it is gone.
    RemoveApp {
        /// Organisation.
        org: OrgId,
        /// Which.
        app: AppId,
    },
    /// Reserves the name of a group.
    NameGroup {
        /// Organisation.
        org: OrgId,
        /// Unique in the organisation.
        name: String,
        /// Conversation it names.
        conv: ConversationId,
    },
    /// Puts a set-up link in force instead of the one before; refused once somebody administers.
    PutSetUpLink(SetUpLink),
    /// Names the organisation and makes its first administrator, by a set-up link, all or nothing.
    SetUp(Box<SetUp>),
    /// Makes an invitation. One for an account ends those that were open for it.
    PutInvitation(Invitation),
    /// Takes an invitation back; nothing if it is over.
    RevokeInvitation {
        /// Organisation.
        org: OrgId,
        /// Which.
        invitation: InvitationId,
    },
    /// Accepts an invitation: account or password, and a device, all or nothing.
    Accept(Box<Accept>),
    /// A command and the entry that tells of it; the entry is written only if the command changed something.
    Audited {
        /// The entry.
        audit: Audit,
        /// What it is about; not `Audited` or `Note` itself.
        command: Box<IdentityCommand>,
    },
    /// An entry about something that another partition does.
    Note(Audit),
}

/// The answer to an [`IdentityCommand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityOutcome {
    /// Done, or was so already.
    Done,
    /// Of `AddUsers`: the account of each name in the order given, and whether it is new.
    Users(Vec<(UserId, bool)>),
    /// The name belongs to another.
    Taken {
        /// What holds it.
        id: u64,
    },
    /// The user or app does not exist.
    Absent,
    /// The account is closed.
    Disabled,
    /// The user has [`DEVICES_MAX`] devices.
    TooMany,
    /// The link was used as often as it may be, or somebody administers already.
    LinkUsed,
    /// The link is over, was taken back, or is none.
    LinkExpired,
    /// Nobody would be left who may administer the organisation.
    LastAdmin,
}

/// What changed, for the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityChange {
    /// An organisation row.
    Org(OrgId),
    /// A user row.
    User(OrgId, UserId),
    /// A device row, maybe gone.
    Device(OrgId, UserId, DeviceId),
    /// An app row.
    App(OrgId, AppId),
    /// The name of a group.
    Group(OrgId, String),
    /// The set-up link.
    SetUpLink(OrgId),
    /// An invitation, maybe gone.
    Invitation(OrgId, InvitationId),
    /// A new entry of the audit, whole: it is not kept in memory.
    Audit(AuditEntry),
}

/// True for a name an account may have: 1 to 128 bytes, no control characters or white space at the ends.
pub fn is_user_name(name: &str) -> bool {
    is_name(name, USER_NAME_MAX)
}

/// True for a name an organisation may have.
pub fn is_org_name(name: &str) -> bool {
    is_name(name, LABEL_MAX)
}

/// True for a name to show; empty = the login name is shown.
pub fn is_display_name(name: &str) -> bool {
    name.is_empty() || is_name(name, LABEL_MAX)
}

/// True for a name a group may have.
pub fn is_group_name(name: &str) -> bool {
    is_name(name, GROUP_NAME_MAX)
}

fn is_name(name: &str, max: usize) -> bool {
    !name.is_empty()
        && name.len() <= max
        && name.trim() == name
        && !name.chars().any(char::is_control)
}
