//! What administrators and operators did: entries that are written with the command they are about.

use tenon_base::{OrgId, Timestamp, UserId};

/// Longest target of an entry, in bytes; more is cut.
pub const TARGET_MAX: usize = 256;
/// Longest detail of an entry, in bytes; more is cut.
pub const DETAIL_MAX: usize = 512;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Actor {
    /// Whoever holds the data directory: the command line.
    #[default]
    Operator,
    /// An account.
    User(UserId),
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What was done. Numbers are stored and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum AuditAction {
            $($(#[$doc])* $name = $number,)*
        }

        impl AuditAction {
            /// All actions, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name that people and programs see.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The action of a stored number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

actions! {
    /// The organisation got a name.
    OrganisationName = 1, "organisation.name";
    /// The organisation and its first administrator were made by the set-up link.
    SetUp = 2, "setup";
    /// A set-up link was made.
    SetUpLink = 3, "setup.link";
    /// Accounts were made.
    UserAdd = 10, "user.add";
    /// An account was closed.
    UserDisable = 11, "user.disable";
    /// An account was opened again.
    UserEnable = 12, "user.enable";
    /// An account got another role.
    UserRole = 13, "user.role";
    /// A password was set.
    UserPassword = 14, "user.password";
    /// A link was made by which a person gets into an account.
    UserLink = 15, "user.link";
    /// Accounts of an archive were made.
    UserImport = 16, "user.import";
    /// A device credential was made for a user.
    DeviceMint = 20, "device.mint";
    /// A device was removed.
    DeviceRevoke = 21, "device.revoke";
    /// An invitation was made.
    InvitationCreate = 30, "invitation.create";
    /// An invitation was taken back.
    InvitationRevoke = 31, "invitation.revoke";
    /// An invitation was accepted.
    InvitationAccept = 32, "invitation.accept";
    /// A group was made.
    GroupCreate = 40, "group.create";
    /// A member was put into a group.
    GroupAdd = 41, "group.add";
    /// A member was taken out of a group.
    GroupRemove = 42, "group.remove";
    /// An app was made or got a new secret.
    AppAdd = 50, "app.add";
    /// An app lost its right.
    AppRemove = 51, "app.remove";
}

/// What is to be written down with a command. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Organisation.
    pub org: OrgId,
    /// Who.
    pub actor: Actor,
    /// Did what.
    pub action: AuditAction,
    /// To whom or what: the name that a person knows it by, at most [`TARGET_MAX`] bytes.
    pub target: String,
    /// How, at most [`DETAIL_MAX`] bytes.
    pub detail: String,
    /// When the receiver admitted it.
    pub at: Timestamp,
}

impl Audit {
    /// An entry within its bounds; longer texts are cut at a character.
    pub fn new(
        (org, actor): (OrgId, Actor),
        action: AuditAction,
        target: impl Into<String>,
        detail: impl Into<String>,
        at: Timestamp,
    ) -> Self {
        let (mut target, mut detail) = (target.into(), detail.into());
        target.truncate(target.floor_char_boundary(TARGET_MAX));
        detail.truncate(detail.floor_char_boundary(DETAIL_MAX));
        Self { org, actor, action, target, detail, at }
    }
}

/// One line of the organisation's audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Number of the entry, dense per organisation from 1, in the order of the log.
    pub entry: u64,
    /// What was written down.
    pub audit: Audit,
}

#[test]
fn actions_have_one_number_and_one_name() {
    assert!(AuditAction::ALL.windows(2).all(|w| w[0] < w[1]));
    for action in AuditAction::ALL {
        assert_eq!(AuditAction::from_number(*action as u8), Some(*action));
        let same = AuditAction::ALL.iter().filter(|other| other.text() == action.text());
        assert_eq!(same.count(), 1, "{}", action.text());
    }
    let long = Audit::new(
        (OrgId(1), Actor::Operator),
        AuditAction::SetUp,
        "é".repeat(300),
        "",
        Timestamp(1),
    );
    assert_eq!(long.target.len(), TARGET_MAX);
}
