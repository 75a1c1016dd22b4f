//! The gateway's door: who it is, and what goes into the log.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use tenon_base::limits::{BODY_BYTES_MAX, MENTIONS_MAX};
use tenon_base::{Cid, ConversationId, DeviceEpoch, MessageId, Seq, Timestamp};
use tenon_core::admission::{
    Admission, Admitted, Answer, Auth, Credential, HelloRequest, Login, MarksAnswer, Mint,
    OpAnswer, Read, Refusal, Submit, SubmitOp,
};
use tenon_core::conversation::Outcome;
use tenon_core::handover::{Reply, UserOutcome};
use tenon_core::identity::{IdentityCommand, IdentityOutcome};
use tenon_core::{Action, Author, Command, Rejection, UserAction, UserCommand};
use tenon_store::{Part, SeriesKey, table};

use crate::ask::{reply, value};
use crate::code;
use crate::identity::keys::parse_credential;
use crate::identity::ticket::{ACCESS_LIFE, RESUME_LIFE, Ticket, TicketError};
use crate::limits::Limited;
use crate::service::{ReceiverHandle, Shared};
use crate::{identity, ops, reads};

impl Admission for ReceiverHandle {
    fn hello(&self, hello: HelloRequest, reply: Reply<Result<Admitted, Refusal>>) {
        let ticket = match self.shared.verify(&hello) {
            Ok(ticket) => ticket,
            Err(refusal) => return reply.send(Err(refusal)),
        };
        if !hello.renew_device_epoch {
            return reply.send(self.shared.admit(&ticket, hello.device_epoch));
        }
        let shared = Arc::clone(&self.shared);
        self.shared.work(reply, |code| Err(Refusal::of(code)), async move {
            let epoch = shared.renew_epoch(&ticket, hello.device_epoch).await?;
            // The session may have ended while the new epoch became durable.
            shared.check_session(&ticket)?;
            shared.admit(&ticket, epoch)
        });
    }

    fn login(&self, login: Login, reply: Reply<Result<Credential, Refusal>>) {
        let now = self.shared.doors.clock.monotonic();
        if let Err(limited) = self.shared.limits.sign_in(&login.name, login.address, now) {
            return reply.send(Err(limited.into()));
        }
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 1000 });
        self.shared.work(reply, busy, async move { shared.sign_in(login).await });
    }

    fn mint(&self, mint: Mint, reply: Reply<Result<Credential, Refusal>>) {
        let app = match self.shared.by_app_credential(&mint.app) {
            Ok(app) => app,
            Err(refusal) => return reply.send(Err(refusal)),
        };
        if let Err(limited) = self.shared.limits.mint(app, self.shared.doors.clock.monotonic()) {
            return reply.send(Err(limited.into()));
        }
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 1000 });
        self.shared.work(reply, busy, async move { shared.mint_for(app, mint).await });
    }

    fn refresh(&self, credential: Bytes, reply: Reply<Result<Credential, Refusal>>) {
        let ticket = self.shared.by_credential(&credential);
        reply.send(ticket.and_then(|ticket| self.shared.credential(&ticket, String::new())));
    }

    fn sign_out(&self, author: Author, reply: Reply<Result<(), Refusal>>) {
        let shared = Arc::clone(&self.shared);
        self.shared.work(reply, |code| Err(Refusal::of(code)), async move {
            shared.remove_device(author, author.device).await
        });
    }

    fn submit(&self, submit: Submit, reply: Reply<Outcome>) {
        let now = self.shared.doors.clock.monotonic();
        let author = submit.author;
        let limited = self.shared.limits.send(author.device, author.user, Some(submit.conv), now);
        if let Err(Limited { code, after_ms }) = limited {
            self.shared.metrics.refused.with_label_values(&["rate"]).inc();
            return reply.send(Outcome::Retry { code, after_ms });
        }
        let conv = submit.conv;
        let command = self.shared.stamp(submit);
        // Rooms that stop keep replies that nobody will ask for: this one must not keep the rooms.
        let live = Arc::clone(&self.shared.live);
        let clock = Arc::clone(&self.shared.doors.clock);
        let counted = Reply::new(move |outcome| {
            if let Some(Outcome::Ok(accepted)) = outcome
                && accepted.seq.0 > 0
            {
                live.acked(conv, now, clock.monotonic());
            }
            if let Some(outcome) = outcome {
                reply.send(outcome);
            }
        });
        self.shared.submit(command, counted);
    }

    fn submit_op(&self, submit: SubmitOp, reply: Reply<OpAnswer>) {
        let now = self.shared.doors.clock.monotonic();
        let conv = Some(submit.conv).filter(|c| c.is_some());
        let limited = self.shared.limits.send(submit.author.device, submit.author.user, conv, now);
        if let Err(Limited { code, after_ms }) = limited {
            self.shared.metrics.refused.with_label_values(&["rate"]).inc();
            return reply.send(match conv {
                Some(_) => OpAnswer::Conversation(Outcome::Retry { code, after_ms }),
                None => OpAnswer::User(UserOutcome::Retry { code, after_ms }),
            });
        }
        match conv {
            Some(_) => ops::conversation(&self.shared, submit, reply),
            None => ops::user(&self.shared, submit, reply),
        }
    }

    fn mark_read(
        &self,
        author: Author,
        marks: Vec<(ConversationId, Seq)>,
        reply: Reply<MarksAnswer>,
    ) {
        let shared = Arc::clone(&self.shared);
        let all: Vec<ConversationId> = marks.iter().map(|(conv, _)| *conv).collect();
        let busy = |_| MarksAnswer { done: Vec::new(), retry: all };
        self.shared.work(reply, busy, async move { shared.mark(author, marks).await });
    }

    fn read(&self, author: Author, read: Read, reply: Reply<Result<Answer, Refusal>>) {
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 200 });
        self.shared.work(reply, busy, async move { reads::answer(&shared, author, read).await });
    }
}

impl From<Limited> for Refusal {
    fn from(limited: Limited) -> Self {
        Self { code: limited.code, after_ms: limited.after_ms }
    }
}

impl Shared {
    /// Opens what the device presents. No I/O: a ticket is a sealed struct, a credential one keyed hash.
    fn verify(&self, hello: &HelloRequest) -> Result<Ticket, Refusal> {
        let now = self.doors.clock.now();
        let ticket = match &hello.auth {
            Auth::Ticket(sealed) => self.open(sealed, false, now)?,
            Auth::Resume(sealed) if !hello.renew_device_epoch => {
                let ticket = self.open(sealed, true, now)?;
                check_proof(&ticket, sealed, hello)?;
                ticket
            }
            Auth::Resume(_) => return Err(Refusal::of(code::TICKET_INVALID)),
            Auth::Credential(text) => self.by_credential(text)?,
        };
        if hello.device.is_some() && hello.device != ticket.device {
            return Err(Refusal::of(code::TICKET_INVALID));
        }
        self.check_session(&ticket)?;
        Ok(ticket)
    }

    fn open(&self, sealed: &[u8], is_resume: bool, now: Timestamp) -> Result<Ticket, Refusal> {
        self.identity.keys().open_ticket(sealed, is_resume, now).map_err(|error| {
            Refusal::of(match error {
                TicketError::Invalid => code::TICKET_INVALID,
                TicketError::Expired => code::TICKET_EXPIRED,
            })
        })
    }

    /// A session ends with its device, its account, or the account's session epoch.
    fn check_session(&self, ticket: &Ticket) -> Result<(), Refusal> {
        let refusal = self.identity.read(|directory| {
            let Some(user) = directory.user(ticket.org, ticket.user) else {
                return Some(code::TICKET_INVALID);
            };
            if user.is_disabled {
                return Some(code::ACCOUNT_DISABLED);
            }
            let device = directory.device(ticket.device);
            if device.is_none_or(|d| d.user != ticket.user || d.org != ticket.org) {
                return Some(code::DEVICE_REMOVED);
            }
            (user.session_epoch != ticket.session_epoch).then_some(code::SESSION_ENDED)
        });
        refusal.map_or(Ok(()), |code| Err(Refusal::of(code)))
    }

    /// The session that a credential opens. Unknown and wrong ones are the same to the caller.
    pub(crate) fn by_credential(&self, text: &[u8]) -> Result<Ticket, Refusal> {
        let invalid = Refusal::of(code::TICKET_INVALID);
        let (device, secret) = parse_credential(text).ok_or(invalid)?;
        let now = self.doors.clock.now();
        let session = self.doors.random.next_id();
        self.identity.read(|directory| {
            let row = directory.device(device).ok_or(invalid)?;
            if !self.identity.keys().is_secret(&row.secret, secret) {
                return Err(invalid);
            }
            let user = directory.user(row.org, row.user).ok_or(invalid)?;
            if user.is_disabled {
                return Err(Refusal::of(code::ACCOUNT_DISABLED));
            }
            Ok(Ticket {
                org: row.org,
                user: row.user,
                device,
                session_epoch: user.session_epoch,
                session,
                until: now.plus(ACCESS_LIFE),
                resume_key: None,
            })
        })
    }

    fn admit(&self, ticket: &Ticket, device_epoch: DeviceEpoch) -> Result<Admitted, Refusal> {
        let random = self.doors.random.as_ref();
        let resume_key = identity::secret(random);
        let until = self.doors.clock.now().plus(RESUME_LIFE);
        let resume = Ticket { until, resume_key: Some(resume_key), ..ticket.clone() };
        let sealed = self.identity.keys().seal_ticket(random, &resume);
        Ok(Admitted {
            author: Author {
                org: ticket.org,
                user: ticket.user,
                device: ticket.device,
                device_epoch,
                ..Author::default()
            },
            session: ticket.session,
            resume: sealed.ok_or(Refusal::of(code::OVERLOAD))?,
            resume_key: Bytes::copy_from_slice(&resume_key),
            resume_until: until,
        })
    }

    async fn renew_epoch(
        &self,
        ticket: &Ticket,
        presented: DeviceEpoch,
    ) -> Result<DeviceEpoch, Refusal> {
        let author = Author {
            org: ticket.org,
            user: ticket.user,
            device: ticket.device,
            ..Author::default()
        };
        let (reply, outcome) = reply();
        self.submit_user(self.plain(author, UserAction::RenewDeviceEpoch { presented }), reply);
        match value(outcome).await? {
            UserOutcome::Ok { id } => {
                Ok(DeviceEpoch(u32::try_from(id).map_err(|_| Refusal::of(code::OVERLOAD))?))
            }
            UserOutcome::Retry { code, after_ms } => Err(Refusal { code, after_ms }),
            _ => Err(Refusal::of(code::OVERLOAD)),
        }
    }

    /// A user command without a chain.
    pub(crate) fn plain(&self, author: Author, action: UserAction) -> UserCommand {
        UserCommand {
            author,
            op_seq: tenon_base::OpSeq(0),
            digest: [0; 16],
            is_void: false,
            time: self.doors.clock.now(),
            action,
        }
    }

    /// Sealed access ticket and, after a sign-in, the secret.
    pub(crate) fn credential(
        &self,
        ticket: &Ticket,
        secret: String,
    ) -> Result<Credential, Refusal> {
        let sealed = self.identity.keys().seal_ticket(self.doors.random.as_ref(), ticket);
        let name = self.identity.read(|d| d.user(ticket.org, ticket.user).map(|u| u.name.clone()));
        Ok(Credential {
            author: Author {
                org: ticket.org,
                user: ticket.user,
                device: ticket.device,
                ..Author::default()
            },
            name: name.unwrap_or_default(),
            secret,
            ticket: sealed.ok_or(Refusal::of(code::OVERLOAD))?,
            ticket_until: ticket.until,
        })
    }

    /// Removes a device of the author: durable, in force, connections told, cursor forgotten.
    pub(crate) async fn remove_device(
        &self,
        author: Author,
        device: tenon_base::DeviceId,
    ) -> Result<(), Refusal> {
        let remove = IdentityCommand::RemoveDevice { org: author.org, user: author.user, device };
        match self.change(remove).await? {
            IdentityOutcome::Done => {}
            _ => return Err(Refusal::of(code::ABSENT)),
        }
        self.forget_cursor(Author { device, ..author }).await;
        Ok(())
    }

    /// Forgets the cursor of a removed device.
    pub(crate) async fn forget_cursor(&self, author: Author) {
        let (reply, forgotten) = reply();
        let device = author.device;
        self.submit_user(self.plain(author, UserAction::ForgetDevice { device }), reply);
        if value(forgotten).await.is_err() {
            // The device is out either way; a cursor that stays costs a row.
            tracing::warn!(device = device.0, "the cursor of a removed device stays");
        }
    }

    /// Decides an identity command.
    pub(crate) async fn change(
        &self,
        command: IdentityCommand,
    ) -> Result<IdentityOutcome, Refusal> {
        let (reply, outcome) = reply();
        self.identity.submit(command, reply);
        value(outcome).await?
    }

    /// Message -> command: digest, id, time, and what is refused for good but must consume its cid.
    fn stamp(&self, submit: Submit) -> Command {
        let now = self.doors.clock.now();
        let mut message = submit.message;
        let refused = refusal_of(&message, submit.is_bad);
        let digest = digest_of_send(&message);
        if refused.is_some() {
            message = tenon_core::SendMessage { kind: message.kind, ..Default::default() };
        }
        Command {
            author: submit.author,
            conv: submit.conv,
            cid: submit.cid,
            digest,
            is_void: submit.is_void,
            message_id: self.ids.next(now),
            time: now,
            refused,
            action: Action::Send(message),
        }
    }

    /// A command without message, for the conversation chain.
    pub(crate) fn command(
        &self,
        author: Author,
        conv: ConversationId,
        (cid, digest): (Cid, [u8; 16]),
        action: Action,
    ) -> Command {
        Command {
            author,
            conv,
            cid,
            digest,
            is_void: false,
            message_id: MessageId(0),
            time: self.doors.clock.now(),
            refused: None,
            action,
        }
    }

    async fn mark(&self, author: Author, marks: Vec<(ConversationId, Seq)>) -> MarksAnswer {
        let mut answer = MarksAnswer::default();
        let mut waiting = Vec::new();
        for (conv, up_to) in marks {
            match self.mark_command(author, conv, up_to).await {
                Ok(Some(command)) => {
                    let (reply, outcome) = reply();
                    self.submit(command, reply);
                    waiting.push((conv, outcome));
                }
                Ok(None) => answer.done.push(conv),
                Err(_) => answer.retry.push(conv),
            }
        }
        for (conv, outcome) in waiting {
            match value(outcome).await {
                Ok(Outcome::Retry { .. }) | Err(_) => answer.retry.push(conv),
                Ok(_) => answer.done.push(conv),
            }
        }
        answer
    }

    /// The count of the message read is looked up here, because a decision needs it and may not read.
    async fn mark_command(
        &self,
        author: Author,
        conv: ConversationId,
        up_to: Seq,
    ) -> Result<Option<Command>, Refusal> {
        let grant = match self.grant(author.user, conv).await {
            Ok(grant) => grant,
            Err(refusal) if refusal.code == code::ABSENT => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        let up_to = up_to.min(grant.header.seq);
        if up_to <= grant.member.read.seq || up_to <= grant.member.floor_seq {
            return Ok(None);
        }
        let series = SeriesKey::message(author.org, conv);
        let limits = (1, usize::MAX);
        let forward = tenon_ports::Direction::Forward;
        let entry = self
            .doors
            .store
            .view()
            .entries(&series, up_to.0, up_to.0, forward, limits, Part::Headers)
            .map_err(|_| Refusal::of(code::DEGRADED))?
            .pop()
            .ok_or(Refusal::of(code::ABSENT))?;
        let message = table::message::decode(up_to, &entry.header, Bytes::new())
            .map_err(|_| Refusal::of(code::DEGRADED))?;
        let action = Action::ReadMark { up_to, cnt: message.cnt };
        Ok(Some(self.command(author, conv, (Cid(0), [0; 16]), action)))
    }
}

fn check_proof(ticket: &Ticket, sealed: &[u8], hello: &HelloRequest) -> Result<(), Refusal> {
    let invalid = Refusal::of(code::PROOF_INVALID);
    let key = ticket.resume_key.as_ref().ok_or(invalid)?;
    let message = proof_message(sealed, hello, ticket);
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), &message, &hello.proof)
        .map_err(|_| invalid)
}

/// What a proof covers (section 6.2 of the protocol); numbers are big-endian.
fn proof_message(sealed: &[u8], hello: &HelloRequest, ticket: &Ticket) -> Vec<u8> {
    let mut message = b"tenon hello 1".to_vec();
    message.extend_from_slice(digest::digest(&digest::SHA256, sealed).as_ref());
    message.extend_from_slice(&ticket.device.0.to_be_bytes());
    message.extend_from_slice(&hello.device_epoch.0.to_be_bytes());
    message.extend_from_slice(&hello.conn_ctr.0.to_be_bytes());
    message.extend_from_slice(&hello.exchange.to_be_bytes());
    message.extend_from_slice(&hello.binding);
    message
}

/// Refusals that are final whatever the conversation says.
fn refusal_of(message: &tenon_core::SendMessage, is_bad: bool) -> Option<Rejection> {
    if is_bad {
        Some(Rejection::BadBody)
    } else if message.body.len() > BODY_BYTES_MAX {
        Some(Rejection::TooLarge)
    } else if message.mentions.len() > MENTIONS_MAX {
        Some(Rejection::TooMany)
    } else if !message.to.is_empty() {
        // Private messages have no rows yet; see docs/gaps.md.
        Some(Rejection::Policy)
    } else {
        None
    }
}

/// BLAKE3-128 over everything that makes two messages different.
fn digest_of_send(message: &tenon_core::SendMessage) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"send").update(&message.kind.to_le_bytes());
    hasher.update(&(message.body.len() as u64).to_le_bytes()).update(&message.body);
    hasher.update(&message.reply_seq.0.to_le_bytes());
    for users in [&message.mentions, &message.to] {
        hasher.update(&(users.len() as u64).to_le_bytes());
        for user in users {
            hasher.update(&user.0.to_le_bytes());
        }
    }
    let void = tenon_core::flag::VOID;
    hasher.update(&(message.flags & !void).to_le_bytes());
    hasher.update(&message.expires_in_s.to_le_bytes());
    hasher.update(&message.valid_for_s.to_le_bytes());
    short(&hasher)
}

/// BLAKE3-128 over type and body of an op.
pub(crate) fn digest_of_op(type_number: u32, body: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"op").update(&type_number.to_le_bytes()).update(body);
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}
