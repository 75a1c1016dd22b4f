//! Local administration: what the operator of the machine may do. Whoever holds this handle has that right; the server
//! gives it to its Unix socket alone.

mod accounts;

use std::sync::Arc;

use tenon_base::{AppId, Cid, ConversationId, DeviceId, Timestamp, UserId};
use tenon_core::admission::Refusal;
use tenon_core::command::CreateConversation;
use tenon_core::conversation::Outcome;
use tenon_core::event::MemberStory;
use tenon_core::handover::{ConversationAnswer, ConversationQuestion};
use tenon_core::identity::{
    Actor, AppRecord, AuditAction, IdentityCommand, IdentityOutcome, UserRecord, is_group_name,
    is_user_name,
};
use tenon_core::supervision::Overview;
use tenon_core::{Action, Author, ImportEntry, Kind};
use zeroize::Zeroizing;

use crate::ask::{reply, value};
use crate::identity::{check_password_rules, keys, secret};
use crate::ids;
use crate::service::{ReceiverHandle, Shared};

/// Accounts in one record.
const USERS_PER_RECORD: usize = 500;
/// Members in one command of local administration; the record stays below its bound.
const MEMBERS_PER_COMMAND: usize = 5_000;
/// Longest beginning of a group name that gets an ending, in bytes.
const GROUP_BASE_MAX: usize = 240;
/// Members in one answer.
const STORIES_STEP: usize = 2_000;

/// Why an administrative call was not done. The text names the cause and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// The name cannot be used.
    #[error("{0:?} is not a name: 1 to {max} bytes, no control characters, no white space at the ends", max = tenon_core::identity::USER_NAME_MAX)]
    BadName(String),
    /// No such user.
    #[error("there is no user {0:?}; add it with `tenon user add`")]
    NoUser(String),
    /// The account is disabled.
    #[error("the account {0:?} is disabled; enable it with `tenon user enable`")]
    Disabled(String),
    /// No such group.
    #[error("there is no group {0:?}; make it with `tenon group create`")]
    NoGroup(String),
    /// No such app.
    #[error("there is no app {0:?}; `tenon app list` names them")]
    NoApp(String),
    /// The name is in use.
    #[error("the name {0:?} is taken; choose another one")]
    Taken(String),
    /// Nobody would be left to administer.
    #[error("{0:?} is the last active administrator; make another one with `tenon admin create`")]
    LastAdmin(String),
    /// Too many of something.
    #[error("{0}")]
    TooMany(String),
    /// A password is too weak.
    #[error("{0}")]
    Password(&'static str),
    /// Refused by rule, or the room is busy.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The conversation answered something else than was asked.
    #[error("the command was not taken: {0}")]
    NotTaken(String),
}

/// An account as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUser {
    /// Which.
    pub user: UserId,
    /// Login name.
    pub name: String,
    /// Name to show.
    pub display: String,
    /// May not sign in.
    pub is_disabled: bool,
    /// Installed clients.
    pub devices: usize,
}

/// A new account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewUser {
    /// Login name, unique.
    pub name: String,
    /// Name to show; empty = the login name.
    pub display: String,
}

/// An account of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedAccount {
    /// Its id, derived from the archive.
    pub user: UserId,
    /// Login name that it should have.
    pub name: String,
    /// Name to show.
    pub display: String,
    /// May not sign in.
    pub is_disabled: bool,
}

/// A conversation of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportedConversation {
    /// A group under a name; taken names get an ending.
    Group {
        /// Its id, derived from the archive.
        conv: ConversationId,
        /// Name and title.
        name: String,
        /// Not later than its first entry.
        created: Timestamp,
    },
    /// Two users: the same conversation as if they had opened it here.
    Direct {
        /// One.
        a: UserId,
        /// The other.
        b: UserId,
        /// Not later than its first entry.
        created: Timestamp,
    },
}

/// What an import batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// New entries.
    pub added: u64,
    /// Entries that were there.
    pub known: u64,
    /// Entries that could not be put in the middle.
    pub refused: u64,
}

/// Target and detail of an entry about many names: the first ones, and how many they are. The entry cuts what is too long.
fn told_of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> (String, String) {
    let count = names.len();
    let first: Vec<&str> = names.take(16).collect();
    let more = if count > first.len() { ", ..." } else { "" };
    let list = format!("{}{more}", first.join(", "));
    let detail = if count == 1 { first.concat() } else { format!("{count}: {list}") };
    (list, detail)
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin {
    handle: ReceiverHandle,
}

impl Admin {
    /// Administration through this receiver.
    pub const fn new(handle: ReceiverHandle) -> Self {
        Self { handle }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Decides a command of the operator and writes it down.
    async fn change(
        &self,
        what: (AuditAction, &str, &str),
        command: IdentityCommand,
    ) -> Result<IdentityOutcome, Refusal> {
        self.shared().change_as(Actor::Operator, what, command).await
    }

    /// Local administration speaks as nobody's device.
    fn author(&self) -> Author {
        Author { org: self.shared().options.org, ..Author::default() }
    }

    /// Adds accounts; those that exist stay as they are. Gives (id, is new) in order.
    ///
    /// # Errors
    /// [`AdminError::BadName`], before anything is added.
    pub async fn add_users(&self, users: &[NewUser]) -> Result<Vec<(UserId, bool)>, AdminError> {
        if let Some(bad) = users.iter().find(|u| !is_user_name(&u.name)) {
            return Err(AdminError::BadName(bad.name.clone()));
        }
        let (org, now) = (self.author().org, self.shared().doors.clock.now());
        let mut out = Vec::with_capacity(users.len());
        for part in users.chunks(USERS_PER_RECORD) {
            let records = part
                .iter()
                .map(|new| UserRecord {
                    org,
                    user: ids::user_named(org, &new.name),
                    name: new.name.clone(),
                    display: new.display.clone(),
                    created: now,
                    ..UserRecord::default()
                })
                .collect();
            let (target, detail) = told_of(part.iter().map(|new| new.name.as_str()));
            let what = (AuditAction::UserAdd, target.as_str(), detail.as_str());
            match self.change(what, IdentityCommand::AddUsers(records)).await? {
                IdentityOutcome::Users(added) => out.extend(added),
                other => return Err(AdminError::NotTaken(format!("{other:?}"))),
            }
        }
        Ok(out)
    }

    /// Adds accounts of an archive under their own ids; those whose id exists stay as they are. A name that is taken gets an
    /// ending. Gives how many are new.
    ///
    /// # Errors
    /// [`AdminError::BadName`], before anything of the same record is added.
    pub async fn add_imported(&self, accounts: &[ImportedAccount]) -> Result<u64, AdminError> {
        let (org, now) = (self.author().org, self.shared().doors.clock.now());
        let mut added = 0;
        for part in accounts.chunks(USERS_PER_RECORD) {
            let mut records: Vec<UserRecord> = Vec::new();
            for account in part {
                if !is_user_name(&account.name) {
                    return Err(AdminError::BadName(account.name.clone()));
                }
                let Some(name) = self.free_name(account, &records) else { continue };
                records.push(UserRecord {
                    org,
                    user: account.user,
                    name,
                    display: account.display.clone(),
                    is_disabled: account.is_disabled,
                    is_imported: true,
                    created: now,
                    ..UserRecord::default()
                });
            }
            added += records.len() as u64;
            if !records.is_empty() {
                let (target, detail) = told_of(records.iter().map(|new| new.name.as_str()));
                let what = (AuditAction::UserImport, target.as_str(), detail.as_str());
                self.change(what, IdentityCommand::AddUsers(records)).await?;
            }
        }
        Ok(added)
    }

    /// The account's name, or the first with an ending that is free; `None` if the account exists.
    fn free_name(&self, account: &ImportedAccount, beside: &[UserRecord]) -> Option<String> {
        let org = self.author().org;
        let endings = (2..).map(|n| format!("{}-{n}", account.name));
        let mut names = std::iter::once(account.name.clone()).chain(endings);
        self.shared().identity.read(|directory| {
            if directory.user(org, account.user).is_some()
                || beside.iter().any(|r| r.user == account.user)
            {
                return None;
            }
            names.find(|name| {
                directory.user_named(org, name).is_none()
                    && !beside.iter().any(|r| r.name.eq_ignore_ascii_case(name))
            })
        })
    }

    /// Accounts in the order of their names, after `after`, at most `limit`.
    pub fn users(&self, after: &str, limit: usize) -> Vec<AdminUser> {
        let org = self.author().org;
        self.shared().identity.read(|directory| {
            directory
                .users_after(org, after)
                .take(limit)
                .map(|u| AdminUser {
                    user: u.user,
                    name: u.name.clone(),
                    display: u.display.clone(),
                    is_disabled: u.is_disabled,
                    devices: directory.devices_of(org, u.user).count(),
                })
                .collect()
        })
    }

    /// The id of a login name.
    ///
    /// # Errors
    /// [`AdminError::NoUser`].
    pub fn user(&self, name: &str) -> Result<UserId, AdminError> {
        let org = self.author().org;
        let found = self.shared().identity.read(|d| d.user_named(org, name).map(|u| u.user));
        found.ok_or_else(|| AdminError::NoUser(name.to_owned()))
    }

    /// Closes or opens an account. Closing ends its connections.
    ///
    /// # Errors
    /// [`AdminError::NoUser`], [`AdminError::LastAdmin`].
    pub async fn set_disabled(&self, name: &str, is_disabled: bool) -> Result<(), AdminError> {
        let user = self.user(name)?;
        let org = self.author().org;
        let action = if is_disabled { AuditAction::UserDisable } else { AuditAction::UserEnable };
        let command = IdentityCommand::SetDisabled { org, user, is_disabled };
        match self.change((action, name, ""), command).await? {
            IdentityOutcome::LastAdmin => Err(AdminError::LastAdmin(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Sets a password; sessions of the account end.
    ///
    /// # Errors
    /// [`AdminError::Password`] for a weak one.
    pub async fn set_password(
        &self,
        name: &str,
        password: Zeroizing<String>,
    ) -> Result<(), AdminError> {
        let user = self.user(name)?;
        check_password_rules(name, &password).map_err(AdminError::Password)?;
        let org = self.author().org;
        let hash = self.shared().hash_password(password).await?;
        let command = IdentityCommand::SetPassword { org, user, password: hash };
        self.change((AuditAction::UserPassword, name, ""), command).await?;
        Ok(())
    }

    /// A device credential for a label. The same label of the same user is the same device with a new secret: what used the
    /// old one is signed out.
    ///
    /// # Errors
    /// [`AdminError::NoUser`], [`AdminError::Disabled`], [`AdminError::TooMany`].
    pub async fn mint(&self, name: &str, label: &str) -> Result<String, AdminError> {
        let user = self.user(name)?;
        let shared = self.shared();
        let org = self.author().org;
        let known = shared
            .identity
            .read(|d| d.devices_of(org, user).find(|d| d.label == label).map(|d| d.device));
        let device = known.unwrap_or_else(|| DeviceId(shared.doors.random.next_id()));
        match shared.put_device(user, device, (5, label, AppId(0))).await? {
            Ok(secret) => Ok(secret),
            Err(IdentityOutcome::Disabled) => Err(AdminError::Disabled(name.to_owned())),
            Err(IdentityOutcome::TooMany) => Err(AdminError::TooMany(format!(
                "{name:?} has {} devices; remove one first",
                tenon_core::identity::DEVICES_MAX
            ))),
            Err(other) => Err(AdminError::NotTaken(format!("{other:?}"))),
        }
    }

    /// An app that may mint device credentials for users; the text of its credential, shown once. The same name again is the
    /// same app with a new secret.
    ///
    /// # Errors
    /// [`AdminError::BadName`].
    pub async fn put_app(&self, name: &str) -> Result<String, AdminError> {
        if !is_user_name(name) {
            return Err(AdminError::BadName(name.to_owned()));
        }
        let (shared, org) = (self.shared(), self.author().org);
        let known =
            shared.identity.read(|d| d.apps(org).find(|a| a.name == name).map(|app| app.app));
        let app = known.unwrap_or_else(|| AppId(shared.doors.random.next_id()));
        let secret = secret(shared.doors.random.as_ref());
        let record = AppRecord {
            org,
            app,
            name: name.to_owned(),
            secret: shared.identity.keys().hash(keys::secret_text(&secret).as_bytes()),
            created: shared.doors.clock.now(),
        };
        match self.change((AuditAction::AppAdd, name, ""), IdentityCommand::PutApp(record)).await? {
            IdentityOutcome::Done => Ok(keys::app_credential(app, &secret)),
            _ => Err(AdminError::Taken(name.to_owned())),
        }
    }

    /// Takes an app's right away. Devices it made stay.
    ///
    /// # Errors
    /// [`AdminError::NoApp`].
    pub async fn remove_app(&self, name: &str) -> Result<(), AdminError> {
        let org = self.author().org;
        let known = self
            .shared()
            .identity
            .read(|d| d.apps(org).find(|a| a.name == name).map(|app| app.app));
        let app = known.ok_or_else(|| AdminError::NoApp(name.to_owned()))?;
        let command = IdentityCommand::RemoveApp { org, app };
        self.change((AuditAction::AppRemove, name, ""), command).await?;
        Ok(())
    }

    /// Names of the apps.
    pub fn apps(&self) -> Vec<String> {
        let org = self.author().org;
        self.shared().identity.read(|d| d.apps(org).map(|app| app.name.clone()).collect())
    }

    /// The live figures and the counts.
    ///
    /// # Errors
    /// When a room is busy or the store cannot be read.
    pub async fn overview(&self) -> Result<Overview, AdminError> {
        Ok(self.shared().overview(self.author().org).await?)
    }

    /// Makes a group under a name that is unique in the organisation. The first member owns it.
    ///
    /// # Errors
    /// [`AdminError::Taken`] if the name is in use.
    pub async fn create_group(
        &self,
        name: &str,
        members: &[String],
    ) -> Result<ConversationId, AdminError> {
        if !is_group_name(name) {
            return Err(AdminError::BadName(name.to_owned()));
        }
        let mut users = Vec::with_capacity(members.len());
        for member in members {
            users.push(self.user(member)?);
        }
        let org = self.author().org;
        if self.shared().identity.read(|d| d.group_named(org, name)).is_some() {
            return Err(AdminError::Taken(name.to_owned()));
        }
        let owner = users.first().copied().unwrap_or_default();
        self.put_group((ids::group_named(org, name), name), owner, users, None).await
    }

    /// Makes a conversation of an archive if it is not there. Display times rise, so it cannot be younger than its first
    /// message.
    ///
    /// # Errors
    /// When a room refuses.
    pub async fn ensure_imported(
        &self,
        conversation: &ImportedConversation,
    ) -> Result<ConversationId, AdminError> {
        match conversation {
            ImportedConversation::Group { conv, name, created } => {
                let name = self.free_group_name(*conv, name);
                self.put_group((*conv, &name), UserId(0), Vec::new(), Some(*created)).await
            }
            ImportedConversation::Direct { a, b, created } => {
                let conv = ids::direct(self.author().org, *a, *b);
                let create = Action::Create(crate::ops::direct_of(self.shared(), *a, *b));
                self.settle_at(conv, create, Some(*created)).await?;
                Ok(conv)
            }
        }
    }

    /// The name under which this conversation stands already, or the first free one.
    fn free_group_name(&self, conv: ConversationId, name: &str) -> String {
        let org = self.author().org;
        let mut base = name.trim().replace(char::is_control, " ");
        base.truncate(base.floor_char_boundary(GROUP_BASE_MAX));
        if base.trim().is_empty() {
            base = conv.to_string();
        }
        let base = base.trim().to_owned();
        let endings = (2..).map(|n| format!("{base}-{n}"));
        let mut names = std::iter::once(base.clone()).chain(endings);
        let found = self.shared().identity.read(|directory| {
            names.find(|name| directory.group_named(org, name).is_none_or(|holder| holder == conv))
        });
        found.unwrap_or(base)
    }

    /// Gives a group its owner, for the group.
    ///
    /// # Errors
    /// When a room refuses.
    pub async fn set_owner(&self, conv: ConversationId, user: UserId) -> Result<(), AdminError> {
        let action = Action::SetRole { user, role: tenon_core::Role::Owner };
        self.settle(conv, action).await.map(drop)
    }

    async fn put_group(
        &self,
        (conv, name): (ConversationId, &str),
        owner: UserId,
        mut users: Vec<UserId>,
        created: Option<Timestamp>,
    ) -> Result<ConversationId, AdminError> {
        let org = self.author().org;
        users.sort_unstable();
        users.dedup();
        // The owner is among the first members, however many there are.
        if let Some(at) = users.iter().position(|user| *user == owner) {
            users[..=at].rotate_right(1);
        }
        let (first, rest) = users.split_at(users.len().min(MEMBERS_PER_COMMAND));
        let options = &self.shared().options;
        let create = Action::Create(CreateConversation {
            kind: Kind::Group,
            title: name.to_owned(),
            owner,
            members: first.to_vec(),
            history_visible: true,
            queue_mode_max: options.queue_mode_max,
            pull_mode_min: options.pull_mode_min,
        });
        self.settle_at(conv, create, created).await?;
        for part in rest.chunks(MEMBERS_PER_COMMAND) {
            self.settle(conv, Action::AddMembers { users: part.to_vec() }).await?;
        }
        let command = IdentityCommand::NameGroup { org, name: name.to_owned(), conv };
        match self.change((AuditAction::GroupCreate, name, ""), command).await? {
            IdentityOutcome::Done => Ok(conv),
            _ => Err(AdminError::Taken(name.to_owned())),
        }
    }

    /// The conversation of a group name.
    ///
    /// # Errors
    /// [`AdminError::NoGroup`].
    pub fn group(&self, name: &str) -> Result<ConversationId, AdminError> {
        let org = self.author().org;
        let found = self.shared().identity.read(|d| d.group_named(org, name));
        found.ok_or_else(|| AdminError::NoGroup(name.to_owned()))
    }

    /// Names and conversations of all named groups.
    pub fn groups(&self) -> Vec<(String, ConversationId)> {
        let org = self.author().org;
        self.shared()
            .identity
            .read(|d| d.groups(org).map(|(name, conv)| (name.to_owned(), conv)).collect())
    }

    /// Adds members.
    ///
    /// # Errors
    /// [`AdminError::NoGroup`], [`AdminError::NoUser`].
    pub async fn add_members(&self, group: &str, names: &[String]) -> Result<(), AdminError> {
        let (conv, users) = self.named(group, names)?;
        let (_, detail) = told_of(names.iter().map(String::as_str));
        self.shared().note(Actor::Operator, (AuditAction::GroupAdd, group, &detail)).await?;
        for part in users.chunks(MEMBERS_PER_COMMAND) {
            self.settle(conv, Action::AddMembers { users: part.to_vec() }).await?;
        }
        Ok(())
    }

    /// Removes members.
    ///
    /// # Errors
    /// [`AdminError::NoGroup`], [`AdminError::NoUser`].
    pub async fn remove_members(&self, group: &str, names: &[String]) -> Result<(), AdminError> {
        let (conv, users) = self.named(group, names)?;
        let (_, detail) = told_of(names.iter().map(String::as_str));
        self.shared().note(Actor::Operator, (AuditAction::GroupRemove, group, &detail)).await?;
        for part in users.chunks(MEMBERS_PER_COMMAND) {
            self.settle(conv, Action::RemoveMembers { users: part.to_vec() }).await?;
        }
        Ok(())
    }

    fn named(
        &self,
        group: &str,
        names: &[String],
    ) -> Result<(ConversationId, Vec<UserId>), AdminError> {
        let conv = self.group(group)?;
        let users = names.iter().map(|name| self.user(name)).collect::<Result<_, _>>()?;
        Ok((conv, users))
    }

    /// Everybody who is or was in, with the times, in id order.
    ///
    /// # Errors
    /// [`AdminError::NoGroup`].
    pub async fn members(&self, group: &str) -> Result<Vec<MemberStory>, AdminError> {
        let conv = self.group(group)?;
        let mut out: Vec<MemberStory> = Vec::new();
        loop {
            let after = out.last().map_or(UserId(0), |m| m.line.user);
            let question = ConversationQuestion::Stories { after, limit: STORIES_STEP };
            match self.shared().ask(conv, question).await? {
                ConversationAnswer::Stories { members, more } => {
                    out.extend(members);
                    if !more {
                        return Ok(out);
                    }
                }
                _ => return Err(AdminError::NoGroup(group.to_owned())),
            }
        }
    }

    /// Login names of users.
    pub fn names(&self, users: &[UserId]) -> Vec<String> {
        let org = self.author().org;
        self.shared().identity.read(|directory| {
            users
                .iter()
                .map(|u| directory.user(org, *u).map_or_else(|| u.to_string(), |u| u.name.clone()))
                .collect()
        })
    }

    /// Takes a piece of an archive: at most one record (256 KiB), oldest first.
    ///
    /// # Errors
    /// When the conversation does not exist or a room refuses.
    pub async fn import(
        &self,
        conv: ConversationId,
        entries: Vec<ImportEntry>,
    ) -> Result<Imported, AdminError> {
        match self.settle(conv, Action::Import { entries }).await? {
            Outcome::Imported { added, known, refused } => Ok(Imported {
                added: u64::from(added),
                known: u64::from(known),
                refused: u64::from(refused),
            }),
            other => Err(AdminError::NotTaken(format!("{other:?}"))),
        }
    }

    /// Appends and waits for the outcome.
    async fn settle(&self, conv: ConversationId, action: Action) -> Result<Outcome, AdminError> {
        self.settle_at(conv, action, None).await
    }

    async fn settle_at(
        &self,
        conv: ConversationId,
        action: Action,
        time: Option<Timestamp>,
    ) -> Result<Outcome, AdminError> {
        let mut command = self.shared().command(self.author(), conv, (Cid(0), [0; 16]), action);
        command.time = time.unwrap_or(command.time);
        let (reply, outcome) = reply();
        self.shared().submit(command, reply);
        match value(outcome).await? {
            Outcome::Retry { code, after_ms } => Err(Refusal { code, after_ms }.into()),
            Outcome::Rejected(why) => Err(AdminError::NotTaken(why.to_string())),
            Outcome::Absent => Err(AdminError::NotTaken("no such conversation".into())),
            other => Ok(other),
        }
    }
}
