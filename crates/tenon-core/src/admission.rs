//! Gateway -> receiver: admission and reads, in domain words.
//!
//! Calls never wait. They take the value and a [`Reply`]; what is refused at once is answered at once through the reply.
//! Commands of one conversation that one caller hands over in order reach the log in that order.

use bytes::Bytes;
use tenon_base::{
    Cid, ConnCtr, ConvEpoch, ConversationId, DeviceEpoch, DeviceId, OpSeq, Rev, Seq, Timestamp,
    UserId, digest::RangeSum,
};

use crate::command::{Author, SendMessage, SummaryPatch};
use crate::conversation::{Outcome, Role};
use crate::event::{Event, Item, MemberLine, Message, Tip};
use crate::handover::{Reply, UserOutcome};
use crate::user::{OpOutcome, Summary};

/// A refusal in the words of the wire registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused with code {code}")]
pub struct Refusal {
    /// Number of the wire registry.
    pub code: u32,
    /// Wait this long before the next try; 0 = no statement.
    pub after_ms: u32,
}

impl Refusal {
    /// A refusal without a wait.
    pub const fn of(code: u32) -> Self {
        Self { code, after_ms: 0 }
    }
}

/// What a device presents to open a session.
#[derive(Clone)]
pub enum Auth {
    /// A sealed access ticket.
    Ticket(Bytes),
    /// A resume ticket of an earlier session; needs a proof.
    Resume(Bytes),
    /// The device credential.
    Credential(Bytes),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ticket(_) => "Ticket",
            Self::Resume(_) => "Resume",
            Self::Credential(_) => "Credential",
        })
    }
}

/// The part of Hello that concerns who it is.
#[derive(Debug, Clone)]
pub struct HelloRequest {
    /// Secret presented.
    pub auth: Auth,
    /// The device it claims to be; 0 = the one of the secret.
    pub device: DeviceId,
    /// Device epoch presented.
    pub device_epoch: DeviceEpoch,
    /// Connection counter presented.
    pub conn_ctr: ConnCtr,
    /// HTTP exchange number; 0 on a long connection.
    pub exchange: u32,
    /// Asks for a new device epoch; not with a resume ticket.
    pub renew_device_epoch: bool,
    /// HMAC-SHA256 under the resume key; empty otherwise.
    pub proof: Bytes,
    /// TLS exporter value, or zeros.
    pub binding: [u8; 32],
}

/// A device that is who it says.
#[derive(Clone)]
pub struct Admitted {
    /// The author of everything on this connection; its device epoch is the renewed one if that was asked.
    pub author: Author,
    /// Session id, the same across resumes.
    pub session: u64,
    /// Resume ticket for the next connection.
    pub resume: Bytes,
    /// Key of its proof.
    pub resume_key: Bytes,
    /// The session's ticket must be renewed before; the resume ticket ends then.
    pub resume_until: Timestamp,
}

impl std::fmt::Debug for Admitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admitted").field("author", &self.author).finish_non_exhaustive()
    }
}

/// A sign-in by name and password.
#[derive(Clone)]
pub struct Login {
    /// Name of the user.
    pub name: String,
    /// Password, in clear.
    pub password: String,
    /// Name of the new device, at most 64 bytes.
    pub label: String,
    /// 1 phone, 2 pad, 3 desktop, 4 web, 5 app.
    pub device_kind: u32,
    /// Address of the caller, for the gate per network.
    pub address: Option<std::net::IpAddr>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// A credential that an app asks for one of its organisation's users.
#[derive(Clone)]
pub struct Mint {
    /// The app's own credential.
    pub app: Bytes,
    /// Login name of the user.
    pub name: String,
    /// Name of the device, at most 64 bytes.
    pub label: String,
    /// 1 phone, 2 pad, 3 desktop, 4 web, 5 app.
    pub device_kind: u32,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint").finish_non_exhaustive()
    }
}

/// What a sign-in, a mint or a refresh gives.
#[derive(Clone)]
pub struct Credential {
    /// Who.
    pub author: Author,
    /// Name of the user.
    pub name: String,
    /// The opaque device credential; shown once. Empty on a refresh.
    pub secret: String,
    /// A sealed access ticket.
    pub ticket: Bytes,
    /// When the ticket ends.
    pub ticket_until: Timestamp,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("author", &self.author).finish_non_exhaustive()
    }
}

/// A message on its way to admission.
#[derive(Debug, Clone)]
pub struct Submit {
    /// From the session; `device_epoch` as the frame says.
    pub author: Author,
    /// Where to.
    pub conv: ConversationId,
    /// Idempotency key.
    pub cid: Cid,
    /// Cancel this cid.
    pub is_void: bool,
    /// The body does not decode or does not fit its kind: consume the cid with `bad_body`.
    pub is_bad: bool,
    /// The message.
    pub message: SendMessage,
}

/// An op on its way to admission.
#[derive(Debug, Clone)]
pub struct SubmitOp {
    /// From the session; `device_epoch` as the frame says.
    pub author: Author,
    /// The conversation; 0 = the user's own chain.
    pub conv: ConversationId,
    /// cid or op sequence.
    pub n: u64,
    /// Cancel this one.
    pub is_void: bool,
    /// Wire number of the op, for the digest.
    pub type_number: u32,
    /// Encoded body, for the digest.
    pub raw: Bytes,
    /// What to do; `None` for a body that does not decode, or an op this server does not know.
    pub op: Option<Op>,
}

/// What an op does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// New title.
    Rename {
        /// At most 256 bytes.
        title: String,
    },
    /// Adds members.
    AddMembers(Vec<UserId>),
    /// Removes members.
    RemoveMembers(Vec<UserId>),
    /// The author leaves.
    Leave,
    /// Gives a role; owner transfers ownership.
    SetRole(UserId, Role),
    /// Makes a group with the author as owner.
    CreateGroup {
        /// Title.
        title: String,
        /// Members besides the author.
        members: Vec<UserId>,
        /// Newcomers see older messages.
        history_visible: bool,
    },
    /// Makes or finds the direct conversation with this user.
    OpenDirect(UserId),
    /// Changes a list line.
    SetSummary(ConversationId, SummaryPatch),
    /// Removes one of the author's devices.
    RemoveDevice(DeviceId),
}

/// The answer to an op.
#[derive(Debug, Clone)]
pub enum OpAnswer {
    /// Of the conversation chain.
    Conversation(Outcome),
    /// Of the user chain.
    User(UserOutcome),
}

/// The answer to read marks.
#[derive(Debug, Clone, Default)]
pub struct MarksAnswer {
    /// Conversations whose mark is taken, or never will be.
    pub done: Vec<ConversationId>,
    /// Try these again.
    pub retry: Vec<ConversationId>,
}

/// A page of a conversation's past by revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffWant {
    /// Which.
    pub conv: ConversationId,
    /// Epoch the device holds.
    pub conv_epoch: ConvEpoch,
    /// Everything behind this rev.
    pub since: Rev,
    /// At most this many events; 0 = the server's bound.
    pub limit: usize,
}

/// A question of a device.
#[derive(Debug, Clone)]
pub enum Read {
    /// Changes of conversations.
    Diffs(Vec<DiffWant>),
    /// A page of the conversation list, newest first.
    List {
        /// Token of the page before; empty for the first.
        token: Bytes,
        /// At most this many lines.
        limit: usize,
        /// Lines with unread messages only.
        unread_only: bool,
    },
    /// Lines of some conversations.
    Items {
        /// Which, at most 100.
        convs: Vec<ConversationId>,
        /// Only their tips.
        tips_only: bool,
    },
    /// Messages with `above < seq < below` (0 = open).
    History {
        /// Which conversation.
        conv: ConversationId,
        /// Exclusive lower end.
        above: Seq,
        /// Exclusive upper end; 0 = open.
        below: Seq,
        /// At most this many rows.
        limit: usize,
        /// The lowest of the range instead of the highest.
        upward: bool,
        /// The answer must include this rev.
        min_rev: Rev,
    },
    /// Single messages.
    Messages {
        /// Which conversation.
        conv: ConversationId,
        /// Which, at most 100.
        seqs: Vec<Seq>,
        /// The answer must include this rev.
        min_rev: Rev,
    },
    /// The first message at or after a time.
    SeqAtTime {
        /// Which conversation.
        conv: ConversationId,
        /// Display time.
        time: Timestamp,
    },
    /// Sums over (seq, ver).
    Digest {
        /// Which conversation.
        conv: ConversationId,
        /// Inclusive ranges, at most 64.
        ranges: Vec<(Seq, Seq)>,
        /// The answer must include this rev.
        min_rev: Rev,
    },
    /// Audit of the list, from the conversations' leaders.
    ListDigest,
    /// What became of a command.
    Lookup {
        /// Which conversation; 0 = the user chain.
        conv: ConversationId,
        /// Epoch of the chain.
        device_epoch: DeviceEpoch,
        /// cid or op sequence.
        n: u64,
    },
    /// Members.
    Roster {
        /// Which conversation.
        conv: ConversationId,
        /// Changes since this version; 0 = all.
        since: Rev,
        /// Last user of the page before.
        after: UserId,
        /// At most this many.
        limit: usize,
    },
    /// Members whose name begins with this.
    SearchRoster {
        /// Which conversation.
        conv: ConversationId,
        /// Beginning of the name, any case.
        prefix: String,
        /// At most this many.
        limit: usize,
    },
    /// Profiles of users the caller may know: (user, version held).
    Users(Vec<(UserId, u64)>),
    /// Own devices.
    Devices,
    /// Ids of names.
    Resolve {
        /// Login names.
        users: Vec<String>,
        /// Group names.
        groups: Vec<String>,
    },
}

/// The answer to a [`Read`].
#[derive(Debug, Clone)]
pub enum Answer {
    /// In the order asked; may stop early at 256 KiB.
    Diffs(Vec<Diff>),
    /// A page of the list.
    List(ListPage),
    /// Lines and tips of what the caller is in.
    Items {
        /// Lines, unless only tips were asked.
        items: Vec<ListItem>,
        /// Tips, when only they were asked.
        tips: Vec<Tip>,
        /// Not there, or not for the caller.
        absent: Vec<ConversationId>,
    },
    /// Of History.
    History(HistoryPage),
    /// Of Messages: rows without coverage.
    Messages(HistoryPage),
    /// 0 = all messages are older.
    Seq(Seq),
    /// In the order asked: (range, sum).
    Digest {
        /// The state they are of.
        as_of: Rev,
        /// Sums.
        sums: Vec<((Seq, Seq), RangeSum)>,
    },
    /// Of `ListDigest`.
    ListDigest {
        /// Sum of the list terms of the queue-mode conversations.
        digest: u64,
        /// Conversations summed.
        count: u32,
        /// Their tips, when at most 1,000.
        tips: Vec<Tip>,
    },
    /// Of Lookup on a conversation.
    ConversationLookup {
        /// `None`: not decided.
        fate: Option<crate::conversation::Fate>,
        /// Next cid that would be accepted.
        expect: Cid,
    },
    /// Of Lookup on the user chain.
    UserLookup {
        /// `None`: not decided.
        outcome: Option<OpOutcome>,
        /// Next op that would be accepted.
        expect: OpSeq,
    },
    /// Of Roster and `SearchRoster`.
    Roster(RosterPage),
    /// Profiles.
    Users(Vec<UserProfile>),
    /// Own devices.
    Devices(Vec<DeviceLine>),
    /// Ids in the order asked; 0 = absent or not visible.
    Resolved {
        /// Of user names.
        users: Vec<(String, UserId)>,
        /// Of group names the caller is in.
        groups: Vec<(String, ConversationId)>,
    },
}

/// What changed in one conversation.
#[derive(Debug, Clone)]
pub enum Diff {
    /// Events of (from, to].
    Events {
        /// Tips at the time of reading.
        tip: Tip,
        /// Exclusive.
        from: Rev,
        /// Inclusive.
        to: Rev,
        /// Nothing follows.
        is_final: bool,
        /// In rev order; those the caller may not see are absent.
        events: Vec<std::sync::Arc<Event>>,
    },
    /// Too far behind: the line and its newest messages instead.
    TooLong {
        /// The line.
        item: Box<ListItem>,
        /// Newest messages, ascending, at most 20.
        last: Vec<std::sync::Arc<Message>>,
        /// Oldest rev a diff could start at.
        oldest: Rev,
    },
    /// The device holds a later past than the one that counts.
    Reset {
        /// Which.
        conv: ConversationId,
        /// Epoch that counts.
        conv_epoch: ConvEpoch,
        /// What was valid.
        valid_rev: Rev,
        /// What was valid.
        valid_seq: Seq,
    },
    /// Does not exist for the caller.
    Absent {
        /// Which.
        conv: ConversationId,
    },
}

/// A list line with the user's own settings.
#[derive(Debug, Clone, Default)]
pub struct ListItem {
    /// The line, its last message filled.
    pub item: Item,
    /// Own settings.
    pub summary: Summary,
}

/// A page of the list.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// By `sort_ts` downwards, then by id.
    pub items: Vec<ListItem>,
    /// Token of the next page; empty when done.
    pub next: Bytes,
}

/// A page of history.
#[derive(Debug, Clone, Default)]
pub struct HistoryPage {
    /// Which.
    pub conv: ConversationId,
    /// Its epoch.
    pub conv_epoch: ConvEpoch,
    /// Coverage, inclusive; `lo > hi` covers nothing.
    pub lo: Seq,
    /// Coverage, inclusive.
    pub hi: Seq,
    /// State it was read from.
    pub as_of: Rev,
    /// Ascending.
    pub rows: Vec<std::sync::Arc<Message>>,
    /// The page reaches the lowest visible message.
    pub is_floor: bool,
    /// False when a part could not be read: show, do not mark as verified.
    pub is_stable: bool,
}

/// A page of members.
#[derive(Debug, Clone, Default)]
pub struct RosterPage {
    /// Version asked from; 0 = all.
    pub since: Rev,
    /// Version of the roster.
    pub ver: Rev,
    /// Lines in id order.
    pub members: Vec<MemberLine>,
    /// Last user of the page when more follow.
    pub next: Option<UserId>,
    /// Members now.
    pub total: u32,
}

/// A user as others see him.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserProfile {
    /// Who.
    pub user: UserId,
    /// Version.
    pub ver: u64,
    /// Login name.
    pub name: String,
    /// Name to show.
    pub display: String,
    /// The account is disabled.
    pub gone: bool,
}

/// One of the caller's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceLine {
    /// Which.
    pub device: DeviceId,
    /// 1 phone, 2 pad, 3 desktop, 4 web, 5 app.
    pub kind: u32,
    /// Name.
    pub label: String,
    /// Last sign of life.
    pub seen: Timestamp,
    /// Connected now.
    pub is_online: bool,
}

/// The receiver as the gateway sees it.
pub trait Admission: Send + Sync {
    /// Verifies who it is. Never blocks on the disk; a credential costs one hash.
    fn hello(&self, hello: HelloRequest, reply: Reply<Result<Admitted, Refusal>>);

    /// Signs in by password and makes a device. Slow by design (argon2id); bounded, then `busy`.
    fn login(&self, login: Login, reply: Reply<Result<Credential, Refusal>>);

    /// A device credential for a user, asked by an app. The same label of the same user is the same device.
    fn mint(&self, mint: Mint, reply: Reply<Result<Credential, Refusal>>);

    /// A fresh access ticket for a credential.
    fn refresh(&self, credential: Bytes, reply: Reply<Result<Credential, Refusal>>);

    /// Ends the session of a credential: its device is removed.
    fn sign_out(&self, author: Author, reply: Reply<Result<(), Refusal>>);

    /// Admits a message. The outcome is durable and ordered, or says why not.
    fn submit(&self, submit: Submit, reply: Reply<Outcome>);

    /// Admits an op.
    fn submit_op(&self, submit: SubmitOp, reply: Reply<OpAnswer>);

    /// Moves read marks forward.
    fn mark_read(
        &self,
        author: Author,
        marks: Vec<(ConversationId, Seq)>,
        reply: Reply<MarksAnswer>,
    );

    /// Answers a question from the state of the partitions, never through the log.
    fn read(&self, author: Author, read: Read, reply: Reply<Result<Answer, Refusal>>);
}
