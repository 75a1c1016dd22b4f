//! The gateway's door to accounts: who calls, and what people do to their own account.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tenon_core::accounts::{
    Accounts, AuditLine, Caller, Deed, Given, InvitationLine, InvitationLook, NewPassword,
    Newcomer, ServerFacts,
};
use tenon_core::admission::{Credential, Refusal};
use tenon_core::handover::Reply;
use tenon_core::identity::{Actor, Audit, AuditAction, IdentityCommand, IdentityOutcome};
use tenon_store::table;
use zeroize::Zeroizing;

use crate::ask::{reply, value};
use crate::code;
use crate::identity::{LoginJob, check_password_rules};
use crate::service::{ReceiverHandle, Shared};

impl Accounts for ReceiverHandle {
    fn server(&self) -> ServerFacts {
        let options = &self.shared.options;
        self.shared.identity.read(|directory| ServerFacts {
            organisation: directory
                .org(options.org)
                .map(|org| org.name.clone())
                .filter(|name| !name.is_empty()),
            is_demo: options.is_demo,
            needs_setup: directory.admins_of(options.org).next().is_none(),
        })
    }

    fn caller(&self, credential: &Bytes) -> Result<Caller, Refusal> {
        self.shared.caller(credential)
    }

    fn change_password(
        &self,
        caller: Caller,
        password: NewPassword,
        reply: Reply<Result<(), Refusal>>,
    ) {
        let now = self.shared.doors.clock.monotonic();
        if let Err(limited) = self.shared.limits.sign_in(&caller.name, password.address, now) {
            return reply.send(Err(limited.into()));
        }
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 1_000 });
        self.shared.work(reply, busy, async move { shared.new_password(&caller, password).await });
    }

    fn set_up(
        &self,
        organisation: String,
        person: Newcomer,
        reply: Reply<Result<Credential, Refusal>>,
    ) {
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 1_000 });
        self.shared.work(reply, busy, async move { shared.set_up(organisation, person).await });
    }

    fn look_at_invitation(
        &self,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<InvitationLook, Refusal> {
        self.shared.look_at_invitation(token, address)
    }

    fn accept_invitation(&self, person: Newcomer, reply: Reply<Result<Credential, Refusal>>) {
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 1_000 });
        self.shared.work(reply, busy, async move { shared.accept(person).await });
    }

    fn administer(&self, by: Caller, deed: Deed, reply: Reply<Result<Given, Refusal>>) {
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 200 });
        let actor = Actor::User(by.author.user);
        self.shared.work(reply, busy, async move { shared.administer(actor, deed).await });
    }

    fn invitations(&self, by: &Caller) -> Vec<InvitationLine> {
        self.shared.invitations(by.author.org)
    }

    fn audit(
        &self,
        caller: Caller,
        before: u64,
        limit: usize,
        reply: Reply<Result<Vec<AuditLine>, Refusal>>,
    ) {
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 200 });
        self.shared.work(reply, busy, async move { shared.audit(&caller, before, limit) });
    }
}

impl Shared {
    fn caller(&self, credential: &[u8]) -> Result<Caller, Refusal> {
        let ticket = self.by_credential(credential)?;
        let found = self.identity.read(|directory| {
            let user = directory.user(ticket.org, ticket.user)?;
            Some(Caller {
                author: tenon_core::Author {
                    org: ticket.org,
                    user: ticket.user,
                    device: ticket.device,
                    ..Default::default()
                },
                name: user.name.clone(),
                display: user.display.clone(),
                role: user.role,
            })
        });
        found.ok_or(Refusal::of(code::TICKET_INVALID))
    }

    /// Decides a command and writes down who did what, both or neither.
    pub(crate) async fn change_as(
        &self,
        actor: Actor,
        (action, target, detail): (AuditAction, &str, &str),
        command: IdentityCommand,
    ) -> Result<IdentityOutcome, Refusal> {
        let audit = self.entry(actor, action, target, detail);
        self.change(IdentityCommand::Audited { audit, command: Box::new(command) }).await
    }

    /// Writes down what another partition is about to do. Durable on return.
    pub(crate) async fn note(
        &self,
        actor: Actor,
        (action, target, detail): (AuditAction, &str, &str),
    ) -> Result<(), Refusal> {
        let audit = self.entry(actor, action, target, detail);
        self.change(IdentityCommand::Note(audit)).await.map(drop)
    }

    pub(crate) fn entry(
        &self,
        actor: Actor,
        action: AuditAction,
        target: &str,
        detail: &str,
    ) -> Audit {
        Audit::new((self.options.org, actor), action, target, detail, self.doors.clock.now())
    }

    async fn new_password(&self, caller: &Caller, password: NewPassword) -> Result<(), Refusal> {
        let (org, user) = (caller.author.org, caller.author.user);
        let (old, new) = (Zeroizing::new(password.old), Zeroizing::new(password.new));
        let stored = self.identity.read(|d| d.user(org, user).map(|u| u.password.clone()));
        let busy = Refusal { code: code::BUSY, after_ms: 1_000 };
        let (reply, matches) = reply();
        let stored = stored.unwrap_or_default();
        let job = LoginJob::Verify { stored, password: old, reply };
        self.identity.logins.try_send(job).map_err(|_| busy)?;
        if !value(matches).await? {
            return Err(Refusal::of(code::TICKET_INVALID));
        }
        check_password_rules(&caller.name, &new).map_err(|_| Refusal::of(code::PASSWORD_WEAK))?;
        let password = self.hash_password(new).await?;
        let command = IdentityCommand::SetPassword { org, user, password };
        let what = (AuditAction::UserPassword, caller.name.as_str(), "by the user");
        match self.change_as(Actor::User(user), what, command).await? {
            IdentityOutcome::Done => Ok(()),
            _ => Err(Refusal::of(code::ABSENT)),
        }
    }

    /// Entries with the names of their actors. Reads the disk.
    pub(crate) fn audit(
        &self,
        caller: &Caller,
        before: u64,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Refusal> {
        let org = caller.author.org;
        let found = table::audit::before(&self.doors.store.view(), org, before, limit);
        let entries = found.map_err(|error| {
            tracing::error!(%error, "the audit cannot be read");
            Refusal::of(code::DEGRADED)
        })?;
        Ok(self.identity.read(|directory| {
            let name = |actor| match actor {
                Actor::Operator => String::new(),
                Actor::User(user) => {
                    directory.user(org, user).map(|u| u.name.clone()).unwrap_or_default()
                }
            };
            let line = |entry: tenon_core::identity::AuditEntry| AuditLine {
                actor: name(entry.audit.actor),
                entry,
            };
            entries.into_iter().map(line).collect()
        }))
    }
}
