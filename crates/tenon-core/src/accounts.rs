//! Gateway -> receiver: accounts over HTTP. Who calls, what this server is, and what people do to their own account.
//!
//! Calls with a [`Reply`] never wait; the others read memory only.

use bytes::Bytes;

use crate::admission::Refusal;
use crate::command::Author;
use crate::handover::Reply;
use crate::identity::{AuditEntry, OrgRole};

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
    pub address: Option<std::net::IpAddr>,
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPassword").finish_non_exhaustive()
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
