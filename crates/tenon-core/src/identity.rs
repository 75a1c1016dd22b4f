//! Who exists: organisations, users, devices, apps and names of groups. One state, decided in the identity partition.

use std::collections::BTreeMap;

use tenon_base::{AppId, ConversationId, DeviceId, Map, OrgId, Timestamp, UserId};

/// Longest login name of a user, in bytes.
pub const USER_NAME_MAX: usize = 128;
/// Longest name of a group, in bytes; the title of a conversation has the same bound.
pub const GROUP_NAME_MAX: usize = 256;
/// Longest display name and device label, in bytes.
pub const LABEL_MAX: usize = 256;
/// Devices one user may have.
pub const DEVICES_MAX: usize = 100;

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrgRecord {
    /// Which.
    pub org: OrgId,
    /// Name to show.
    pub name: String,
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
    /// Raised by every change that ends sessions; tickets carry it.
    pub session_epoch: u32,
    /// Version of what others see.
    pub ver: u64,
    /// Creation time.
    pub created: Timestamp,
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

/// A command to the identity partition. Ids, hashes and times are stamped by the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityCommand {
    /// Makes the organisation; nothing if it exists.
    PutOrg(OrgRecord),
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
}

/// Everything the identity partition knows.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    orgs: BTreeMap<OrgId, OrgRecord>,
    users: Map<(OrgId, UserId), UserRecord>,
    names: BTreeMap<(OrgId, String), UserId>,
    devices: BTreeMap<(OrgId, UserId, DeviceId), DeviceRecord>,
    owners: Map<DeviceId, (OrgId, UserId)>,
    apps: BTreeMap<(OrgId, AppId), AppRecord>,
    groups: BTreeMap<(OrgId, String), ConversationId>,
}

/// Names are compared without regard to case.
fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// True for a name an account may have: 1 to 128 bytes, no control characters or white space at the ends.
pub fn is_user_name(name: &str) -> bool {
    is_name(name, USER_NAME_MAX)
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

impl Directory {
    /// Decides and applies one command. Applying it twice equals applying it once.
    pub fn apply(&mut self, command: &IdentityCommand) -> (IdentityOutcome, Vec<IdentityChange>) {
        use IdentityOutcome::{Absent, Done};
        match command {
            IdentityCommand::PutOrg(org) => {
                if self.orgs.contains_key(&org.org) {
                    return (Done, Vec::new());
                }
                self.load_org(org.clone());
                (Done, vec![IdentityChange::Org(org.org)])
            }
            IdentityCommand::AddUsers(users) => self.add_users(users),
            IdentityCommand::SetPassword { org, user, password } => {
                let Some(row) = self.users.get_mut(&(*org, *user)) else {
                    return (Absent, Vec::new());
                };
                row.password.clone_from(password);
                row.session_epoch += 1;
                (Done, vec![IdentityChange::User(*org, *user)])
            }
            IdentityCommand::SetDisabled { org, user, is_disabled } => {
                let Some(row) = self.users.get_mut(&(*org, *user)) else {
                    return (Absent, Vec::new());
                };
                if row.is_disabled == *is_disabled {
                    return (Done, Vec::new());
                }
                row.is_disabled = *is_disabled;
                row.session_epoch += 1;
                row.ver += 1;
                (Done, vec![IdentityChange::User(*org, *user)])
            }
            IdentityCommand::PutDevice(device) => self.put_device(device),
            IdentityCommand::RemoveDevice { org, user, device } => {
                self.owners.remove(device);
                match self.devices.remove(&(*org, *user, *device)) {
                    Some(_) => (Done, vec![IdentityChange::Device(*org, *user, *device)]),
                    None => (Done, Vec::new()),
                }
            }
            IdentityCommand::PutApp(app) => self.put_app(app),
            IdentityCommand::RemoveApp { org, app } => match self.apps.remove(&(*org, *app)) {
                Some(_) => (Done, vec![IdentityChange::App(*org, *app)]),
                None => (Done, Vec::new()),
            },
            IdentityCommand::NameGroup { org, name, conv } => self.name_group(*org, name, *conv),
        }
    }

    fn add_users(&mut self, users: &[UserRecord]) -> (IdentityOutcome, Vec<IdentityChange>) {
        let mut out = Vec::with_capacity(users.len());
        let mut changes = Vec::new();
        for user in users {
            if let Some(known) = self.names.get(&(user.org, folded(&user.name))) {
                out.push((*known, false));
                continue;
            }
            changes.push(IdentityChange::User(user.org, user.user));
            out.push((user.user, true));
            self.load_user(user.clone());
        }
        (IdentityOutcome::Users(out), changes)
    }

    fn put_device(&mut self, device: &DeviceRecord) -> (IdentityOutcome, Vec<IdentityChange>) {
        let Some(user) = self.users.get(&(device.org, device.user)) else {
            return (IdentityOutcome::Absent, Vec::new());
        };
        if user.is_disabled {
            return (IdentityOutcome::Disabled, Vec::new());
        }
        match self.owners.get(&device.device) {
            Some(owner) if *owner != (device.org, device.user) => {
                return (IdentityOutcome::Taken { id: device.device.0 }, Vec::new());
            }
            None if self.devices_of(device.org, device.user).count() >= DEVICES_MAX => {
                return (IdentityOutcome::TooMany, Vec::new());
            }
            _ => {}
        }
        let change = IdentityChange::Device(device.org, device.user, device.device);
        self.load_device(device.clone());
        (IdentityOutcome::Done, vec![change])
    }

    fn put_app(&mut self, app: &AppRecord) -> (IdentityOutcome, Vec<IdentityChange>) {
        let other = self.apps.range((app.org, AppId(0))..=(app.org, AppId(u64::MAX)));
        if let Some((_, holder)) = other.into_iter().find(|(_, a)| a.name == app.name)
            && holder.app != app.app
        {
            return (IdentityOutcome::Taken { id: holder.app.0 }, Vec::new());
        }
        self.load_app(app.clone());
        (IdentityOutcome::Done, vec![IdentityChange::App(app.org, app.app)])
    }

    fn name_group(
        &mut self,
        org: OrgId,
        name: &str,
        conv: ConversationId,
    ) -> (IdentityOutcome, Vec<IdentityChange>) {
        match self.groups.get(&(org, name.to_owned())) {
            Some(holder) if *holder == conv => (IdentityOutcome::Done, Vec::new()),
            Some(holder) => (IdentityOutcome::Taken { id: holder.0 }, Vec::new()),
            None => {
                self.load_group(org, name.to_owned(), conv);
                (IdentityOutcome::Done, vec![IdentityChange::Group(org, name.to_owned())])
            }
        }
    }

    /// Takes a stored row.
    pub fn load_org(&mut self, org: OrgRecord) {
        self.orgs.insert(org.org, org);
    }

    /// Takes a stored row.
    pub fn load_user(&mut self, user: UserRecord) {
        self.names.insert((user.org, folded(&user.name)), user.user);
        self.users.insert((user.org, user.user), user);
    }

    /// Takes a stored row.
    pub fn load_device(&mut self, device: DeviceRecord) {
        self.owners.insert(device.device, (device.org, device.user));
        self.devices.insert((device.org, device.user, device.device), device);
    }

    /// Takes a stored row.
    pub fn load_app(&mut self, app: AppRecord) {
        self.apps.insert((app.org, app.app), app);
    }

    /// Takes a stored row.
    pub fn load_group(&mut self, org: OrgId, name: String, conv: ConversationId) {
        self.groups.insert((org, name), conv);
    }

    /// The organisation.
    pub fn org(&self, org: OrgId) -> Option<&OrgRecord> {
        self.orgs.get(&org)
    }

    /// The first organisation: the one of a server that hosts a single one.
    pub fn first_org(&self) -> Option<&OrgRecord> {
        self.orgs.values().next()
    }

    /// An account.
    pub fn user(&self, org: OrgId, user: UserId) -> Option<&UserRecord> {
        self.users.get(&(org, user))
    }

    /// An account by login name.
    pub fn user_named(&self, org: OrgId, name: &str) -> Option<&UserRecord> {
        let user = self.names.get(&(org, folded(name)))?;
        self.user(org, *user)
    }

    /// Accounts in the order of their names, after `after`.
    pub fn users_after(&self, org: OrgId, after: &str) -> impl Iterator<Item = &UserRecord> {
        let bounds = (
            std::ops::Bound::Excluded((org, folded(after))),
            std::ops::Bound::Excluded((OrgId(org.0.saturating_add(1)), String::new())),
        );
        self.names.range(bounds).filter_map(move |(_, user)| self.user(org, *user))
    }

    /// Accounts of an organisation. Walks them.
    pub fn user_count(&self, org: OrgId) -> usize {
        self.users_after(org, "").count()
    }

    /// Devices of an organisation. Walks them.
    pub fn device_count(&self, org: OrgId) -> usize {
        let first = (org, UserId(0), DeviceId(0));
        self.devices.range(first..=(org, UserId(u64::MAX), DeviceId(u64::MAX))).count()
    }

    /// A device, with its owner.
    pub fn device(&self, device: DeviceId) -> Option<&DeviceRecord> {
        let (org, user) = self.owners.get(&device)?;
        self.devices.get(&(*org, *user, device))
    }

    /// The devices of a user.
    pub fn devices_of(&self, org: OrgId, user: UserId) -> impl Iterator<Item = &DeviceRecord> {
        self.devices
            .range((org, user, DeviceId(0))..=(org, user, DeviceId(u64::MAX)))
            .map(|(_, device)| device)
    }

    /// An app.
    pub fn app(&self, org: OrgId, app: AppId) -> Option<&AppRecord> {
        self.apps.get(&(org, app))
    }

    /// The apps of an organisation, by id.
    pub fn apps(&self, org: OrgId) -> impl Iterator<Item = &AppRecord> {
        self.apps.range((org, AppId(0))..=(org, AppId(u64::MAX))).map(|(_, app)| app)
    }

    /// The conversation of a group name.
    pub fn group_named(&self, org: OrgId, name: &str) -> Option<ConversationId> {
        self.groups.get(&(org, name.to_owned())).copied()
    }

    /// Names of groups, ascending.
    pub fn groups(&self, org: OrgId) -> impl Iterator<Item = (&str, ConversationId)> {
        let bounds = (org, String::new())..(OrgId(org.0.saturating_add(1)), String::new());
        self.groups.range(bounds).map(|((_, name), conv)| (name.as_str(), *conv))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: OrgId = OrgId(1);

    fn user(id: u64, name: &str) -> UserRecord {
        UserRecord { org: ORG, user: UserId(id), name: name.into(), ..UserRecord::default() }
    }

    fn device(id: u64, owner: u64) -> DeviceRecord {
        DeviceRecord {
            org: ORG,
            user: UserId(owner),
            device: DeviceId(id),
            ..DeviceRecord::default()
        }
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
        let remove =
            IdentityCommand::RemoveDevice { org: ORG, user: UserId(1), device: DeviceId(7) };
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
        assert_eq!(
            directory.apply(&again).0,
            IdentityOutcome::Done,
            "a new secret for a known one"
        );
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
}
