//! What the operator does about roles, the organisation and links.

use std::time::Duration;

use tenon_base::Timestamp;
use tenon_core::accounts::{Deed, Given};
use tenon_core::identity::{
    Actor, AuditAction, IdentityCommand, IdentityOutcome, OrgRole, is_org_name,
};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::{Admin, AdminError, NewUser};
use crate::identity::check_password_rules;
use crate::links::{USES, VALID_FOR};

impl Admin {
    /// Gives an account a role.
    ///
    /// # Errors
    /// [`AdminError::NoUser`], [`AdminError::LastAdmin`].
    pub async fn set_role(&self, name: &str, role: OrgRole) -> Result<(), AdminError> {
        let user = self.user(name)?;
        let org = self.author().org;
        let command = IdentityCommand::SetRole { org, user, role };
        match self.change((AuditAction::UserRole, name, role.text()), command).await? {
            IdentityOutcome::LastAdmin => Err(AdminError::LastAdmin(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Makes an administrator, or makes one of an account that is there; its password is set. May be repeated.
    ///
    /// # Errors
    /// [`AdminError::BadName`], [`AdminError::Password`] before anything is done.
    pub async fn create_admin(
        &self,
        new: NewUser,
        password: Zeroizing<String>,
    ) -> Result<(), AdminError> {
        check_password_rules(&new.name, &password).map_err(AdminError::Password)?;
        let name = new.name.clone();
        self.add_users(&[new]).await?;
        self.set_password(&name, password).await?;
        self.set_role(&name, OrgRole::Admin).await
    }

    /// Names the organisation.
    ///
    /// # Errors
    /// [`AdminError::BadName`].
    pub async fn name_organisation(&self, name: &str) -> Result<(), AdminError> {
        if !is_org_name(name) {
            return Err(AdminError::BadName(name.to_owned()));
        }
        let org = self.author().org;
        let command = IdentityCommand::SetOrgName { org, name: name.to_owned() };
        self.change((AuditAction::OrganisationName, name, ""), command).await?;
        Ok(())
    }

    /// Secret and end of a new set-up link in place of the one before; `None` once somebody administers.
    ///
    /// # Errors
    /// When the room refuses.
    pub async fn setup_link(&self) -> Result<Option<(String, Timestamp)>, AdminError> {
        Ok(self.shared().make_setup_link().await?)
    }

    /// True as soon as somebody may administer.
    pub fn has_admin(&self) -> watch::Receiver<bool> {
        self.shared().identity.has_admin.clone()
    }

    /// An invitation for new accounts.
    ///
    /// # Errors
    /// [`AdminError::TooMany`] beyond 1,000 uses, 30 days or the invitations that are kept.
    pub async fn invite(
        &self,
        role: OrgRole,
        uses: u32,
        valid_for: Duration,
    ) -> Result<Given, AdminError> {
        if !USES.contains(&uses) || !VALID_FOR.contains(&valid_for) {
            let text = "an invitation has 1 to 1000 uses and works for 60s to 30 days";
            return Err(AdminError::TooMany(text.into()));
        }
        let deed = Deed::Invite { role, uses, valid_for };
        Ok(self.shared().administer(Actor::Operator, deed).await?)
    }

    /// A link by which the person of an account sets a password.
    ///
    /// # Errors
    /// [`AdminError::NoUser`].
    pub async fn link(&self, name: &str) -> Result<Given, AdminError> {
        let user = self.user(name)?;
        Ok(self.shared().link_for(Actor::Operator, user).await?)
    }
}
