//! The state of the identity partition, and the one place that changes it.

use std::collections::{BTreeMap, BTreeSet};

use tenon_base::{AppId, ConversationId, DeviceId, InvitationId, Map, OrgId, UserId};

use super::audit::{Audit, AuditEntry};
use super::{
    AppRecord, DEVICES_MAX, DeviceRecord, IdentityChange, IdentityCommand, IdentityOutcome,
    Invitation, OrgRecord, SetUpLink, UserRecord,
};

/// Everything the identity partition knows.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    pub(super) orgs: BTreeMap<OrgId, OrgRecord>,
    users: Map<(OrgId, UserId), UserRecord>,
    names: BTreeMap<(OrgId, String), UserId>,
    devices: BTreeMap<(OrgId, UserId, DeviceId), DeviceRecord>,
    owners: Map<DeviceId, (OrgId, UserId)>,
    apps: BTreeMap<(OrgId, AppId), AppRecord>,
    groups: BTreeMap<(OrgId, String), ConversationId>,
    /// Active administrators.
    admins: BTreeSet<(OrgId, UserId)>,
    pub(super) setup_links: BTreeMap<OrgId, SetUpLink>,
    pub(super) invitations: BTreeMap<(OrgId, InvitationId), Invitation>,
    /// Number of the last audit entry.
    audited: BTreeMap<OrgId, u64>,
}

/// Names are compared without regard to case.
pub(super) fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Directory {
    /// Decides and applies one command. Applying it twice equals applying it once, but for audit entries, which count how
    /// often it was asked and took effect.
    pub fn apply(&mut self, command: &IdentityCommand) -> (IdentityOutcome, Vec<IdentityChange>) {
        use IdentityOutcome::Done;
        match command {
            IdentityCommand::PutOrg(org) => {
                if self.orgs.contains_key(&org.org) {
                    return (Done, Vec::new());
                }
                self.load_org(org.clone());
                (Done, vec![IdentityChange::Org(org.org)])
            }
            IdentityCommand::AddUsers(users) => self.add_users(users),
            IdentityCommand::SetOrgName { org, name } => self.set_org_name(*org, name),
            IdentityCommand::SetPassword { org, user, password } => {
                self.change_user(*org, *user, |row| {
                    row.password.clone_from(password);
                    row.is_imported = false;
                    row.session_epoch += 1;
                    true
                })
            }
            IdentityCommand::SetDisabled { org, user, is_disabled } => {
                self.change_user(*org, *user, |row| {
                    let is_change = row.is_disabled != *is_disabled;
                    row.is_disabled = *is_disabled;
                    row.session_epoch += u32::from(is_change);
                    row.ver += u64::from(is_change);
                    is_change
                })
            }
            IdentityCommand::SetRole { org, user, role } => self
                .change_user(*org, *user, |row| std::mem::replace(&mut row.role, *role) != *role),
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
            IdentityCommand::PutSetUpLink(link) => self.put_setup_link(link),
            IdentityCommand::SetUp(setup) => self.set_up(setup),
            IdentityCommand::PutInvitation(invitation) => self.put_invitation(invitation),
            IdentityCommand::RevokeInvitation { org, invitation } => {
                self.revoke_invitation(*org, *invitation)
            }
            IdentityCommand::Accept(accept) => self.accept(accept),
            IdentityCommand::Audited { audit, command } => {
                let (outcome, mut changes) = self.apply(command);
                if !changes.is_empty() {
                    changes.push(self.write_down(audit));
                }
                (outcome, changes)
            }
            IdentityCommand::Note(audit) => (Done, vec![self.write_down(audit)]),
        }
    }

    fn write_down(&mut self, audit: &Audit) -> IdentityChange {
        let last = self.audited.entry(audit.org).or_default();
        *last += 1;
        IdentityChange::Audit(AuditEntry { entry: *last, audit: audit.clone() })
    }

    fn set_org_name(&mut self, org: OrgId, name: &str) -> (IdentityOutcome, Vec<IdentityChange>) {
        let Some(row) = self.orgs.get_mut(&org) else {
            return (IdentityOutcome::Absent, Vec::new());
        };
        if row.name == name {
            return (IdentityOutcome::Done, Vec::new());
        }
        name.clone_into(&mut row.name);
        (IdentityOutcome::Done, vec![IdentityChange::Org(org)])
    }

    /// Changes an account with `change`, which says whether it did, unless nobody would be left to administer.
    fn change_user(
        &mut self,
        org: OrgId,
        user: UserId,
        change: impl FnOnce(&mut UserRecord) -> bool,
    ) -> (IdentityOutcome, Vec<IdentityChange>) {
        let Some(row) = self.users.get(&(org, user)) else {
            return (IdentityOutcome::Absent, Vec::new());
        };
        let mut next = row.clone();
        if !change(&mut next) {
            return (IdentityOutcome::Done, Vec::new());
        }
        if row.is_active_admin() && !next.is_active_admin() && self.admins_of(org).count() == 1 {
            return (IdentityOutcome::LastAdmin, Vec::new());
        }
        self.load_user(next);
        (IdentityOutcome::Done, vec![IdentityChange::User(org, user)])
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
        if let Some(refused) = self.device_refusal(device) {
            return (refused, Vec::new());
        }
        let change = IdentityChange::Device(device.org, device.user, device.device);
        self.load_device(device.clone());
        (IdentityOutcome::Done, vec![change])
    }

    /// Why this device cannot be one of its user's; whether he exists is not asked.
    pub(super) fn device_refusal(&self, device: &DeviceRecord) -> Option<IdentityOutcome> {
        match self.owners.get(&device.device) {
            Some(owner) if *owner != (device.org, device.user) => {
                Some(IdentityOutcome::Taken { id: device.device.0 })
            }
            None if self.devices_of(device.org, device.user).count() >= DEVICES_MAX => {
                Some(IdentityOutcome::TooMany)
            }
            _ => None,
        }
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
        if user.is_active_admin() {
            self.admins.insert((user.org, user.user));
        } else {
            self.admins.remove(&(user.org, user.user));
        }
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

    /// Takes a stored row.
    pub fn load_setup_link(&mut self, link: SetUpLink) {
        self.setup_links.insert(link.org, link);
    }

    /// Takes a stored row.
    pub fn load_invitation(&mut self, invitation: Invitation) {
        self.invitations.insert((invitation.org, invitation.invitation), invitation);
    }

    /// The set-up link that was made last, used or not.
    pub fn setup_link(&self, org: OrgId) -> Option<&SetUpLink> {
        self.setup_links.get(&org)
    }

    /// An invitation, over or not.
    pub fn invitation(&self, org: OrgId, invitation: InvitationId) -> Option<&Invitation> {
        self.invitations.get(&(org, invitation))
    }

    /// The invitations of an organisation, by id.
    pub fn invitations(&self, org: OrgId) -> impl DoubleEndedIterator<Item = &Invitation> {
        let all = (org, InvitationId(0))..=(org, InvitationId(u64::MAX));
        self.invitations.range(all).map(|(_, invitation)| invitation)
    }

    /// Takes the number of the last stored audit entry.
    pub fn load_audited(&mut self, org: OrgId, last: u64) {
        self.audited.insert(org, last);
    }

    /// Active administrators.
    pub fn admins_of(&self, org: OrgId) -> impl Iterator<Item = UserId> {
        self.admins.range((org, UserId(0))..=(org, UserId(u64::MAX))).map(|(_, user)| *user)
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
