//! Links that let somebody in: the one that sets a server up, and invitations. Only hashes of their secrets are kept.
//!
//! Whether a secret fits is found by the receiver, in constant time, before the command is made; the command carries the hash,
//! so that a link that was replaced in between does nothing.

use tenon_base::{InvitationId, OrgId, Timestamp, UserId};

use super::{
    Actor, DeviceRecord, Directory, INVITATIONS_MAX, IdentityChange, IdentityOutcome, OrgRole,
    UserRecord,
};

/// The link that sets a server up. One is in force at most.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SetUpLink {
    /// Organisation.
    pub org: OrgId,
    /// Keyed hash of its secret.
    pub secret: [u8; 32],
    /// First instant at which it does not work.
    pub expires: Timestamp,
    /// It made the first administrator.
    pub is_used: bool,
}

impl std::fmt::Debug for SetUpLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetUpLink").field("is_used", &self.is_used).finish_non_exhaustive()
    }
}

/// What the set-up link is used for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetUp {
    /// Hash of the link that was presented.
    pub link: SetUpLinkHash,
    /// Name of the organisation.
    pub organisation: String,
    /// The first administrator, with password.
    pub user: UserRecord,
    /// His first device; made now.
    pub device: DeviceRecord,
}

/// The hash by which a command names a link; not shown.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SetUpLinkHash(pub [u8; 32]);

impl std::fmt::Debug for SetUpLinkHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetUpLinkHash")
    }
}

/// A link by which people get into an organisation.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Invitation {
    /// Organisation.
    pub org: OrgId,
    /// Which.
    pub invitation: InvitationId,
    /// Keyed hash of its secret.
    pub secret: [u8; 32],
    /// Role of the accounts it makes.
    pub role: OrgRole,
    /// The account it gives access to, once; 0 = it makes new accounts.
    pub user: UserId,
    /// How often it may be used in all, 1 or more.
    pub uses: u32,
    /// How often still.
    pub uses_left: u32,
    /// First instant at which it does not work.
    pub expires: Timestamp,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created: Timestamp,
    /// Was taken back.
    pub is_revoked: bool,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

/// Whether an invitation works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationState {
    /// It works.
    Open,
    /// It was used as often as it may be.
    Used,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl InvitationState {
    /// The name that people and programs see.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Invitation {
    /// Whether it works at `now`.
    pub fn state(&self, now: Timestamp) -> InvitationState {
        if self.uses_left == 0 {
            InvitationState::Used
        } else if self.is_revoked {
            InvitationState::Revoked
        } else if now >= self.expires {
            InvitationState::Expired
        } else {
            InvitationState::Open
        }
    }
}

/// What an invitation is accepted with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accept {
    /// Which.
    pub invitation: InvitationId,
    /// The new account, with password. Of an invitation for an account only id and password count.
    pub user: UserRecord,
    /// Its device; made now.
    pub device: DeviceRecord,
}

type Applied = (IdentityOutcome, Vec<IdentityChange>);

const fn refused(outcome: IdentityOutcome) -> Applied {
    (outcome, Vec::new())
}

impl Directory {
    pub(super) fn put_setup_link(&mut self, link: &SetUpLink) -> Applied {
        if self.admins_of(link.org).next().is_some() {
            return refused(IdentityOutcome::LinkUsed);
        }
        self.load_setup_link(link.clone());
        (IdentityOutcome::Done, vec![IdentityChange::SetUpLink(link.org)])
    }

    pub(super) fn set_up(&mut self, setup: &SetUp) -> Applied {
        let (org, now) = (setup.user.org, setup.device.created);
        let Some(link) = self.setup_link(org).filter(|link| link.secret == setup.link.0) else {
            return refused(IdentityOutcome::LinkExpired);
        };
        if link.is_used || self.admins_of(org).next().is_some() {
            return refused(IdentityOutcome::LinkUsed);
        }
        if now >= link.expires {
            return refused(IdentityOutcome::LinkExpired);
        }
        let used = SetUpLink { is_used: true, ..link.clone() };
        let user = UserRecord { role: OrgRole::Admin, is_disabled: false, ..setup.user.clone() };
        let mut changes = match self.enter(user, &setup.device) {
            Ok(changes) => changes,
            Err(outcome) => return refused(outcome),
        };
        self.load_setup_link(used);
        changes.push(IdentityChange::SetUpLink(org));
        if let Some(row) = self.orgs.get_mut(&org) {
            row.name.clone_from(&setup.organisation);
            changes.push(IdentityChange::Org(org));
        }
        (IdentityOutcome::Done, changes)
    }

    pub(super) fn put_invitation(&mut self, invitation: &Invitation) -> Applied {
        let (org, id, now) = (invitation.org, invitation.invitation, invitation.created);
        if self.invitation(org, id).is_some() {
            return refused(IdentityOutcome::Taken { id: id.0 });
        }
        if invitation.user.is_some() && self.user(org, invitation.user).is_none() {
            return refused(IdentityOutcome::Absent);
        }
        let mut changes = Vec::new();
        if self.invitations(org).count() >= INVITATIONS_MAX {
            let over = self.invitations(org).filter(|old| old.state(now) != InvitationState::Open);
            let Some(oldest) = over.min_by_key(|old| (old.created, old.invitation)) else {
                return refused(IdentityOutcome::TooMany);
            };
            let oldest = oldest.invitation;
            self.invitations.remove(&(org, oldest));
            changes.push(IdentityChange::Invitation(org, oldest));
        }
        let same = |old: &&mut Invitation| {
            invitation.user.is_some()
                && (old.org, old.user) == (org, invitation.user)
                && old.state(now) == InvitationState::Open
        };
        for old in self.invitations.values_mut().filter(same) {
            old.is_revoked = true;
            changes.push(IdentityChange::Invitation(org, old.invitation));
        }
        self.load_invitation(invitation.clone());
        changes.push(IdentityChange::Invitation(org, id));
        (IdentityOutcome::Done, changes)
    }

    pub(super) fn revoke_invitation(&mut self, org: OrgId, id: InvitationId) -> Applied {
        let Some(invitation) = self.invitations.get_mut(&(org, id)) else {
            return refused(IdentityOutcome::Absent);
        };
        if invitation.is_revoked || invitation.uses_left == 0 {
            return (IdentityOutcome::Done, Vec::new());
        }
        invitation.is_revoked = true;
        (IdentityOutcome::Done, vec![IdentityChange::Invitation(org, id)])
    }

    pub(super) fn accept(&mut self, accept: &Accept) -> Applied {
        let (org, now) = (accept.user.org, accept.device.created);
        let Some(invitation) = self.invitation(org, accept.invitation).cloned() else {
            return refused(IdentityOutcome::LinkExpired);
        };
        match invitation.state(now) {
            InvitationState::Open => {}
            InvitationState::Used => return refused(IdentityOutcome::LinkUsed),
            InvitationState::Expired | InvitationState::Revoked => {
                return refused(IdentityOutcome::LinkExpired);
            }
        }
        let entered = if invitation.user.is_some() {
            self.return_to(invitation.user, accept)
        } else {
            let user = UserRecord {
                role: invitation.role,
                is_disabled: false,
                is_imported: false,
                ..accept.user.clone()
            };
            self.enter(user, &accept.device)
        };
        let mut changes = match entered {
            Ok(changes) => changes,
            Err(outcome) => return refused(outcome),
        };
        changes.push(IdentityChange::Invitation(org, invitation.invitation));
        let uses_left = invitation.uses_left - 1;
        self.load_invitation(Invitation { uses_left, ..invitation });
        (IdentityOutcome::Done, changes)
    }

    /// A new account with its first device; nothing is changed when it is refused.
    fn enter(
        &mut self,
        user: UserRecord,
        device: &DeviceRecord,
    ) -> Result<Vec<IdentityChange>, IdentityOutcome> {
        if let Some(holder) = self.user_named(user.org, &user.name) {
            return Err(IdentityOutcome::Taken { id: holder.user.0 });
        }
        if self.user(user.org, user.user).is_some() {
            return Err(IdentityOutcome::Taken { id: user.user.0 });
        }
        self.add_device(user, device)
    }

    /// A new password and device for an account that is there.
    fn return_to(
        &mut self,
        user: UserId,
        accept: &Accept,
    ) -> Result<Vec<IdentityChange>, IdentityOutcome> {
        let known = self.user(accept.user.org, user).filter(|_| accept.user.user == user);
        let mut row = known.cloned().ok_or(IdentityOutcome::Absent)?;
        if row.is_disabled {
            return Err(IdentityOutcome::Disabled);
        }
        row.password.clone_from(&accept.user.password);
        row.is_imported = false;
        row.session_epoch += 1;
        self.add_device(row, &accept.device)
    }

    fn add_device(
        &mut self,
        user: UserRecord,
        device: &DeviceRecord,
    ) -> Result<Vec<IdentityChange>, IdentityOutcome> {
        let (org, id) = (user.org, user.user);
        if (device.org, device.user) != (org, id) {
            return Err(IdentityOutcome::Absent);
        }
        if let Some(refused) = self.device_refusal(device) {
            return Err(refused);
        }
        self.load_user(user);
        self.load_device(device.clone());
        Ok(vec![IdentityChange::User(org, id), IdentityChange::Device(org, id, device.device)])
    }
}
