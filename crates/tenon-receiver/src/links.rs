//! Links that let somebody in: made, looked at, used; and what administrators do about accounts.

use std::net::IpAddr;
use std::time::Duration;

use tenon_base::{AppId, DeviceId, InvitationId, OrgId, Timestamp, UserId};
use tenon_core::accounts::{Deed, Given, InvitationLine, InvitationLook, Newcomer};
use tenon_core::admission::{Credential, Refusal};
use tenon_core::identity::{
    Accept, Actor, AuditAction, DeviceRecord, IdentityCommand, IdentityOutcome, Invitation,
    InvitationState, OrgRole, SetUp, SetUpLink, SetUpLinkHash, UserRecord, is_display_name,
    is_org_name, is_user_name,
};
use zeroize::Zeroizing;

use crate::identity::{check_password_rules, keys, secret};
use crate::service::Shared;
use crate::{code, ids};

/// How long a set-up link works.
pub(crate) const SETUP_LINK_LIFE: Duration = Duration::from_secs(30 * 60);
/// How long a link for one account works.
pub(crate) const ACCOUNT_LINK_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
/// Uses of one invitation.
pub(crate) const USES: std::ops::RangeInclusive<u32> = 1..=1_000;
/// How long an invitation may work.
pub(crate) const VALID_FOR: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(30 * 24 * 3600);

/// What to write down: what was done, to whom, how.
type Told<'a> = (AuditAction, &'a str, &'a str);

impl Shared {
    /// A set-up link in place of the one before: secret and end. `None` once somebody administers.
    pub(crate) async fn make_setup_link(&self) -> Result<Option<(String, Timestamp)>, Refusal> {
        let secret = secret(self.doors.random.as_ref());
        let link = SetUpLink {
            org: self.options.org,
            secret: self.identity.keys().hash(keys::secret_text(&secret).as_bytes()),
            expires: self.doors.clock.now().plus(SETUP_LINK_LIFE),
            is_used: false,
        };
        let expires = link.expires;
        let what = (AuditAction::SetUpLink, "", "");
        let command = IdentityCommand::PutSetUpLink(link);
        match self.change_as(Actor::Operator, what, command).await? {
            IdentityOutcome::Done => Ok(Some((keys::setup_token(&secret), expires))),
            _ => Ok(None),
        }
    }

    pub(crate) async fn set_up(
        &self,
        organisation: String,
        person: Newcomer,
    ) -> Result<Credential, Refusal> {
        self.check_address(person.address)?;
        let org = self.options.org;
        let link = self.setup_link_of(&person.token);
        let link = self.counted(link, person.address)?;
        if !is_org_name(&organisation) {
            return Err(Refusal::of(code::BAD_MESSAGE));
        }
        check_person(&person)?;
        let user = UserId(self.doors.random.next_id());
        let (record, device, text) = self.enter(org, user, &person).await?;
        let setup = SetUp { link, organisation, user: record, device };
        let command = IdentityCommand::SetUp(Box::new(setup));
        let what = (AuditAction::SetUp, person.name.as_str(), "");
        let outcome = self.change_as(Actor::User(user), what, command).await?;
        self.let_in(&outcome, text)
    }

    /// The hash of the link that this text opens, compared in constant time.
    fn setup_link_of(&self, token: &str) -> Result<SetUpLinkHash, Refusal> {
        let expired = Refusal::of(code::LINK_EXPIRED);
        let text = keys::parse_setup_token(token.as_bytes()).ok_or(expired)?;
        let (keys, now) = (self.identity.keys(), self.doors.clock.now());
        self.identity.read(|directory| {
            let link = directory.setup_link(self.options.org).ok_or(expired)?;
            if !keys.is_secret(&link.secret, text) {
                return Err(expired);
            }
            if link.is_used || directory.admins_of(self.options.org).next().is_some() {
                return Err(Refusal::of(code::LINK_USED));
            }
            if now >= link.expires { Err(expired) } else { Ok(SetUpLinkHash(link.secret)) }
        })
    }

    pub(crate) fn look_at_invitation(
        &self,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<InvitationLook, Refusal> {
        self.check_address(address)?;
        let found = self.counted(self.invitation_of(token), address)?;
        Ok(self.identity.read(|directory| {
            let shown = |user: &UserRecord| {
                let named = if user.display.is_empty() { &user.name } else { &user.display };
                named.clone()
            };
            let maker = match found.created_by {
                Actor::Operator => None,
                Actor::User(user) => directory.user(found.org, user),
            };
            let bound = directory.user(found.org, found.user);
            InvitationLook {
                organisation: directory.org(found.org).map(|o| o.name.clone()).unwrap_or_default(),
                invited_by: maker.map(shown).unwrap_or_default(),
                role: bound.map_or(found.role, |user| user.role),
                expires: found.expires,
                uses_left: found.uses_left,
                account: bound.map(|user| (user.name.clone(), shown(user))),
            }
        }))
    }

    /// The open invitation of a text, compared in constant time.
    fn invitation_of(&self, token: &str) -> Result<Invitation, Refusal> {
        let expired = Refusal::of(code::LINK_EXPIRED);
        let (id, text) = keys::parse_invitation_token(token.as_bytes()).ok_or(expired)?;
        let (keys, now) = (self.identity.keys(), self.doors.clock.now());
        self.identity.read(|directory| {
            let row = directory.invitation(self.options.org, id).ok_or(expired)?;
            if !keys.is_secret(&row.secret, text) {
                return Err(expired);
            }
            match row.state(now) {
                InvitationState::Open => Ok(row.clone()),
                InvitationState::Used => Err(Refusal::of(code::LINK_USED)),
                InvitationState::Expired | InvitationState::Revoked => Err(expired),
            }
        })
    }

    pub(crate) async fn accept(&self, mut person: Newcomer) -> Result<Credential, Refusal> {
        self.check_address(person.address)?;
        let found = self.counted(self.invitation_of(&person.token), person.address)?;
        let org = found.org;
        if found.user.is_some() {
            let name = self.identity.read(|d| d.user(org, found.user).map(|u| u.name.clone()));
            person.name = name.ok_or(Refusal::of(code::LINK_EXPIRED))?;
        }
        check_person(&person)?;
        let user = if found.user.is_some() {
            found.user
        } else {
            // Before a password is hashed; the command decides it for good.
            if self.identity.read(|d| d.user_named(org, &person.name).is_some()) {
                return Err(Refusal::of(code::NAME_TAKEN));
            }
            UserId(self.doors.random.next_id())
        };
        let (record, device, text) = self.enter(org, user, &person).await?;
        let accept = Accept { invitation: found.invitation, user: record, device };
        let command = IdentityCommand::Accept(Box::new(accept));
        let detail = format!("invitation {}", found.invitation);
        let what = (AuditAction::InvitationAccept, person.name.as_str(), detail.as_str());
        let outcome = self.change_as(Actor::User(user), what, command).await?;
        self.let_in(&outcome, text)
    }

    /// Account and device of a newcomer, with his password hashed, and the text of the device's credential.
    async fn enter(
        &self,
        org: OrgId,
        user: UserId,
        person: &Newcomer,
    ) -> Result<(UserRecord, DeviceRecord, String), Refusal> {
        let password = self.hash_password(Zeroizing::new(person.password.clone())).await?;
        let secret = secret(self.doors.random.as_ref());
        let device = DeviceId(self.doors.random.next_id());
        // The end of the link is judged by this time: after the hash, when the command is made.
        let now = self.doors.clock.now();
        let record = UserRecord {
            org,
            user,
            name: person.name.clone(),
            display: person.display.clone(),
            password,
            created: now,
            ..UserRecord::default()
        };
        let row = DeviceRecord {
            org,
            user,
            device,
            kind: person.device_kind,
            label: person.label.chars().take(64).collect(),
            secret: self.identity.keys().hash(keys::secret_text(&secret).as_bytes()),
            app: AppId(0),
            created: now,
        };
        Ok((record, row, keys::credential(device, &secret)))
    }

    /// The answer to who got in, or why he did not.
    fn let_in(&self, outcome: &IdentityOutcome, text: String) -> Result<Credential, Refusal> {
        match outcome {
            IdentityOutcome::Done => {
                let ticket = self.by_credential(text.as_bytes())?;
                self.credential(&ticket, text)
            }
            other => Err(refused(other)),
        }
    }

    /// Does what an administrator or the operator asks.
    pub(crate) async fn administer(&self, by: Actor, deed: Deed) -> Result<Given, Refusal> {
        match deed {
            Deed::Invite { role, uses, valid_for } => {
                if !USES.contains(&uses) || !VALID_FOR.contains(&valid_for) {
                    return Err(Refusal::of(code::BAD_MESSAGE));
                }
                let detail = format!("role {}, {uses} uses", role.text());
                let what = (AuditAction::InvitationCreate, detail.as_str());
                self.invite(by, (UserId(0), role), (uses, valid_for), what).await
            }
            Deed::Revoke(invitation) => {
                let target = invitation.to_string();
                let org = self.options.org;
                let command = IdentityCommand::RevokeInvitation { org, invitation };
                self.plainly(by, (AuditAction::InvitationRevoke, &target, ""), command).await
            }
            Deed::AddUser { name, display, role } => self.add_user(by, name, display, role).await,
            Deed::SetDisabled { user, is_disabled } => {
                let action =
                    if is_disabled { AuditAction::UserDisable } else { AuditAction::UserEnable };
                let (org, name) = (self.options.org, self.name_of(user)?);
                let command = IdentityCommand::SetDisabled { org, user, is_disabled };
                self.plainly(by, (action, &name, ""), command).await
            }
            Deed::SetRole { user, role } => {
                let (org, name) = (self.options.org, self.name_of(user)?);
                let command = IdentityCommand::SetRole { org, user, role };
                self.plainly(by, (AuditAction::UserRole, &name, role.text()), command).await
            }
            Deed::Link { user } => self.link_for(by, user).await,
        }
    }

    async fn plainly(
        &self,
        by: Actor,
        what: Told<'_>,
        command: IdentityCommand,
    ) -> Result<Given, Refusal> {
        match self.change_as(by, what, command).await? {
            IdentityOutcome::Done => Ok(Given::default()),
            other => Err(refused(&other)),
        }
    }

    async fn add_user(
        &self,
        by: Actor,
        name: String,
        display: String,
        role: OrgRole,
    ) -> Result<Given, Refusal> {
        if !is_user_name(&name) || !is_display_name(&display) {
            return Err(Refusal::of(code::BAD_MESSAGE));
        }
        let org = self.options.org;
        let user = ids::user_named(org, &name);
        let what = (AuditAction::UserAdd, name.as_str(), role.text());
        let created = self.doors.clock.now();
        let record = UserRecord {
            org,
            user,
            name: name.clone(),
            display,
            role,
            created,
            ..UserRecord::default()
        };
        match self.change_as(by, what, IdentityCommand::AddUsers(vec![record])).await? {
            IdentityOutcome::Users(added) if added.iter().all(|(_, is_new)| *is_new) => {
                self.link_for(by, user).await
            }
            _ => Err(Refusal::of(code::NAME_TAKEN)),
        }
    }

    /// A link by which the person of an account sets a password; those before end.
    pub(crate) async fn link_for(&self, by: Actor, user: UserId) -> Result<Given, Refusal> {
        let org = self.options.org;
        let found = self.identity.read(|d| d.user(org, user).map(|u| (u.name.clone(), u.role)));
        let (name, role) = found.ok_or(Refusal::of(code::ABSENT))?;
        let what = (AuditAction::UserLink, name.as_str());
        self.invite(by, (user, role), (1, ACCOUNT_LINK_LIFE), what).await
    }

    async fn invite(
        &self,
        by: Actor,
        (user, role): (UserId, OrgRole),
        (uses, valid_for): (u32, Duration),
        (action, target): (AuditAction, &str),
    ) -> Result<Given, Refusal> {
        let secret = secret(self.doors.random.as_ref());
        let invitation = InvitationId(self.doors.random.next_id());
        let created = self.doors.clock.now();
        let row = Invitation {
            org: self.options.org,
            invitation,
            secret: self.identity.keys().hash(keys::secret_text(&secret).as_bytes()),
            role,
            user,
            uses,
            uses_left: uses,
            expires: created.plus(valid_for),
            created_by: by,
            created,
            is_revoked: false,
        };
        let expires = row.expires;
        let (number, for_account) = (invitation.to_string(), user.is_some());
        let (target, detail) =
            if for_account { (target, number.as_str()) } else { (number.as_str(), target) };
        let command = IdentityCommand::PutInvitation(row);
        match self.change_as(by, (action, target, detail), command).await? {
            IdentityOutcome::Done => {
                let token = keys::invitation_token(invitation, &secret);
                Ok(Given { user, invitation, token, expires })
            }
            other => Err(refused(&other)),
        }
    }

    fn name_of(&self, user: UserId) -> Result<String, Refusal> {
        let org = self.options.org;
        let name = self.identity.read(|d| d.user(org, user).map(|u| u.name.clone()));
        name.ok_or(Refusal::of(code::ABSENT))
    }

    /// Invitations of an organisation, newest first.
    pub(crate) fn invitations(&self, org: OrgId) -> Vec<InvitationLine> {
        let now = self.doors.clock.now();
        let mut lines: Vec<InvitationLine> = self.identity.read(|directory| {
            let name = |user| directory.user(org, user).map(|u: &UserRecord| u.name.clone());
            let line = |row: &Invitation| InvitationLine {
                invitation: row.invitation,
                role: row.role,
                uses: row.uses,
                uses_left: row.uses_left,
                expires: row.expires,
                created_by: match row.created_by {
                    Actor::Operator => String::new(),
                    Actor::User(user) => name(user).unwrap_or_default(),
                },
                created: row.created,
                state: row.state(now),
                account: name(row.user),
            };
            directory.invitations(org).map(line).collect()
        });
        lines.sort_by_key(|line| std::cmp::Reverse((line.created, line.invitation)));
        lines
    }

    fn check_address(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        let now = self.doors.clock.monotonic();
        self.limits.link(address, now).map_err(Refusal::from)
    }

    /// Counts a link that leads nowhere against the address it came from.
    fn counted<T>(&self, found: Result<T, Refusal>, address: Option<IpAddr>) -> Result<T, Refusal> {
        if found.is_err() {
            self.limits.wrong_link(address, self.doors.clock.monotonic());
        }
        found
    }
}

/// Names of a form that an account may have, and a password that is hard to guess.
fn check_person(person: &Newcomer) -> Result<(), Refusal> {
    if !is_user_name(&person.name) || !is_display_name(&person.display) {
        return Err(Refusal::of(code::BAD_MESSAGE));
    }
    check_password_rules(&person.name, &person.password)
        .map_err(|_| Refusal::of(code::PASSWORD_WEAK))
}

/// Why a command about accounts did nothing, in the words of the wire.
fn refused(outcome: &IdentityOutcome) -> Refusal {
    Refusal::of(match outcome {
        IdentityOutcome::LinkUsed => code::LINK_USED,
        IdentityOutcome::LinkExpired => code::LINK_EXPIRED,
        IdentityOutcome::LastAdmin => code::LAST_ADMIN,
        IdentityOutcome::Taken { .. } => code::NAME_TAKEN,
        IdentityOutcome::Disabled => code::ACCOUNT_DISABLED,
        IdentityOutcome::TooMany => code::TOO_MANY,
        IdentityOutcome::Absent | IdentityOutcome::Done | IdentityOutcome::Users(_) => code::ABSENT,
    })
}
