//! Local administration over a Unix socket in the data directory: one JSON object a line, for the same system user only.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ServerError;

pub(crate) mod operate;
pub(crate) mod remote;
pub(crate) mod socket;
pub(crate) mod story;

/// What local administration may ask. One request per connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Adds accounts.
    UserAdd { names: Vec<String>, display: Option<String> },
    /// Lists accounts.
    UserList {},
    /// Closes or opens accounts.
    UserDisable { names: Vec<String>, disabled: bool },
    /// Sets a password.
    UserPassword { name: String, password: Secret },
    /// Makes an invitation, or a link for one account.
    UserInvite { role: String, uses: u32, valid_for_s: u64, user: Option<String> },
    /// Makes a new set-up link.
    AdminLink {},
    /// Makes an administrator.
    AdminCreate {
        name: String,
        display: Option<String>,
        organisation: Option<String>,
        password: Secret,
    },
    /// Makes a device credential.
    TokenMint { name: String, label: String },
    /// Makes an app that may mint, or gives it a new secret.
    AppAdd { name: String },
    /// Takes an app's right away.
    AppRemove { name: String },
    /// Lists apps.
    AppList {},
    /// Makes a group.
    GroupCreate { name: String, members: Vec<String> },
    /// Adds members.
    GroupAdd { group: String, users: Vec<String> },
    /// Removes members.
    GroupRemove { group: String, users: Vec<String> },
    /// Members with their times.
    GroupMembers { group: String },
    /// Named groups.
    GroupList {},
    /// Takes an archive.
    ImportSlack { path: PathBuf },
    /// Checks store and log.
    Verify {},
    /// Flushes the store.
    Flush {},
    /// What runs here.
    Status {},
    /// The live figures.
    Figures {},
}

/// A secret on its way; never printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What comes back: rows and progress, then exactly one `done` or `error`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// One line of a list.
    Row { row: Value },
    /// How far long work is.
    Progress { done: u64, total: u64, what: String },
    /// The end.
    Done { result: Value },
    /// The end, without success.
    Error { message: String, mend: Option<String>, exit: u8 },
}

impl Event {
    pub(crate) fn error(error: &ServerError) -> Self {
        Self::Error { message: error.to_string(), mend: error.mend(), exit: error.exit_code() }
    }
}

/// Where the socket lies.
pub(crate) fn socket_path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}
