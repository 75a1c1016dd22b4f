//! Gateway -> receiver: accounts over HTTP. Who calls, what this server is, and what people do to their own account.
//!
//! Calls with a [`Reply`] never wait; the others read memory only.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{InvitationId, Timestamp, UserId};

use crate::admission::{Credential, Refusal};
use crate::command::Author;
use crate::handover::Reply;
use crate::identity::{AuditEntry, InvitationState, OrgRole};

/// What anybody may know of this server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Name of the organisation; `None` until it has one.
    pub organisation: Option<String>,
    /// Shows data that was made up.
    pub is_demo: bool,
    /// Nobody may administer it yet.
    pub needs_setup: bool,
}

/// Who is behind a device credential, as it stands now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Organisation, user and device.
    pub author: Author,
    /// Login name.
    pub name: String,
    /// Name to show; empty = the login name.
    pub display: String,
    /// What the account may do in its organisation.
    pub role: OrgRole,
}

/// A line of the audit, with the name of who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The entry.
    pub entry: AuditEntry,
    /// Login name of the actor now; empty for the operator and for accounts that are gone.
    pub actor: String,
}

/// Somebody changes his own password.
#[derive(Clone)]
pub struct NewPassword {
    /// The one in force.
    pub old: String,
    /// The one to come.
    pub new: String,
    /// Address of the caller, for the gate per network.
    pub address: Option<IpAddr>,
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPassword").finish_non_exhaustive()
    }
}

/// What somebody chooses who gets in by a link.
#[derive(Clone, Default)]
pub struct Newcomer {
    /// Text of the link's secret.
    pub token: String,
    /// Login name; of no account for a link that is bound to one.
    pub name: String,
    /// Name to show; empty = the login name.
    pub display: String,
    /// Password, in clear.
    pub password: String,
    /// Name of the new device, at most 64 bytes.
    pub label: String,
    /// 1 phone, 2 pad, 3 desktop, 4 web, 5 app.
    pub device_kind: u32,
    /// Address of the caller, for the gate per network.
    pub address: Option<IpAddr>,
}

impl std::fmt::Debug for Newcomer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Newcomer").finish_non_exhaustive()
    }
}

/// An invitation as whoever holds its link sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvitationLook {
    /// Name of the organisation; may be empty.
    pub organisation: String,
    /// Name to show of who made it; empty for the operator.
    pub invited_by: String,
    /// Role of the account.
    pub role: OrgRole,
    /// First instant at which it does not work.
    pub expires: Timestamp,
    /// How often it may still be used.
    pub uses_left: u32,
    /// Login name and name to show of the account it is bound to.
    pub account: Option<(String, String)>,
}

/// An invitation as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationLine {
    /// Which.
    pub invitation: InvitationId,
    /// Role of the accounts it makes.
    pub role: OrgRole,
    /// How often it may be used in all.
    pub uses: u32,
    /// How often still.
    pub uses_left: u32,
    /// First instant at which it does not work.
    pub expires: Timestamp,
    /// Login name of who made it; empty for the operator.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
    /// Whether it works now.
    pub state: InvitationState,
    /// Login name of the account it is bound to.
    pub account: Option<String>,
}

/// What an administrator does about accounts and invitations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Makes a link by which new accounts are made.
    Invite {
        /// Their role.
        role: OrgRole,
        /// How often it may be used, 1 to 1,000.
        uses: u32,
        /// For how long, a minute to 30 days.
        valid_for: Duration,
    },
    /// Takes an invitation back.
    Revoke(InvitationId),
    /// Makes an account and a link by which its person sets a password.
    AddUser {
        /// Login name.
        name: String,
        /// Name to show; empty = the login name.
        display: String,
        /// What it may do.
        role: OrgRole,
    },
    /// Closes or opens an account.
    SetDisabled {
        /// Whose.
        user: UserId,
        /// Closed.
        is_disabled: bool,
    },
    /// Gives an account another role.
    SetRole {
        /// Whose.
        user: UserId,
        /// What it may do.
        role: OrgRole,
    },
    /// Makes a link by which the person of an account sets a new password.
    Link {
        /// Whose.
        user: UserId,
    },
}

/// What a [`Deed`] gives.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The account that was made or is bound; 0 = none.
    pub user: UserId,
    /// The invitation that was made; 0 = none.
    pub invitation: InvitationId,
    /// Secret of its link, shown once; empty without invitation.
    pub token: String,
    /// First instant at which the link does not work.
    pub expires: Timestamp,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

/// The receiver's accounts as the gateway sees them.
pub trait Accounts: Send + Sync {
    /// What anybody may know.
    fn server(&self) -> ServerFacts;

    /// Who is behind a device credential.
    ///
    /// # Errors
    /// The same refusal for an unknown credential and a wrong one; another for a closed account.
    fn caller(&self, credential: &Bytes) -> Result<Caller, Refusal>;

    /// Replaces the caller's own password; his connections end, his devices stay. Durable on return.
    fn change_password(
        &self,
        caller: Caller,
        password: NewPassword,
        reply: Reply<Result<(), Refusal>>,
    );

    /// Makes the organisation and its first administrator, who is signed in. Of two who try at once one gets `link_used`.
    fn set_up(
        &self,
        organisation: String,
        person: Newcomer,
        reply: Reply<Result<Credential, Refusal>>,
    );

    /// What an invitation offers.
    ///
    /// # Errors
    /// `link_expired` for one that is over, was taken back or is none; `link_used`; a wait for who guesses.
    fn look_at_invitation(
        &self,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<InvitationLook, Refusal>;

    /// Makes the account, or sets the password of the one the link is bound to, and a device. However many try at once,
    /// no more get in than the invitation says.
    fn accept_invitation(&self, person: Newcomer, reply: Reply<Result<Credential, Refusal>>);

    /// Does something about accounts and invitations of the caller's organisation. The caller is one whose role was checked
    /// a moment ago. Durable on return.
    fn administer(&self, by: Caller, deed: Deed, reply: Reply<Result<Given, Refusal>>);

    /// Invitations of the caller's organisation, newest first. The caller is one whose role was checked.
    fn invitations(&self, by: &Caller) -> Vec<InvitationLine>;

    /// Audit entries of the caller's organisation below number `before` (0 = from the newest), newest first, at most
    /// `limit`. The caller is one whose role was checked.
    fn audit(
        &self,
        caller: Caller,
        before: u64,
        limit: usize,
        reply: Reply<Result<Vec<AuditLine>, Refusal>>,
    );
}
