//! What an administrator of an organisation may see and do about users, groups and devices: questions, answers, acts.
//!
//! Everything is limited to the organisation of the asker: an id of another one is answered like one that does not exist.

use tenon_base::{ConversationId, DeviceId, Timestamp, UserId};

use crate::accounts::Caller;
use crate::admission::Refusal;
use crate::handover::Reply;
use crate::identity::OrgRole;
use crate::{Kind, Mode, Role};

/// Rows of one page at most.
pub const PAGE_MAX: usize = 200;

/// One second of the live figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// End of the second.
    pub at: Timestamp,
    /// Messages that were acked in it.
    pub messages_per_s: u64,
    /// Events that were handed to connections in it.
    pub deliveries_per_s: u64,
    /// 99 of 100 acks came within this, microseconds; `None` without acks.
    pub ack_p99_us: Option<u64>,
    /// Connections open at its end.
    pub connections: u64,
}

/// The live figures of a process. Totals are since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Now {
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Connections open.
    pub connections: u64,
    /// Messages acked.
    pub messages_total: u64,
    /// Events handed to connections.
    pub deliveries_total: u64,
    /// In the last full second.
    pub messages_per_s: u64,
    /// In the last full second.
    pub deliveries_per_s: u64,
    /// Half of the acks of the last 10 s came within this, microseconds: from admission to the durable, ordered answer.
    /// `None` without acks.
    pub ack_p50_us: Option<u64>,
    /// 99 of 100 did.
    pub ack_p99_us: Option<u64>,
    /// Bytes of the data directory.
    pub data_bytes: u64,
    /// Bytes free on its disk.
    pub disk_free_bytes: u64,
    /// The last 120 seconds, oldest first.
    pub series: Vec<Sample>,
}

/// A conversation in which much is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HotConversation {
    /// Which.
    pub conv: ConversationId,
    /// Title of a group; the login names of the two of a direct conversation.
    pub title: String,
    /// Direct or group.
    pub kind: Kind,
    /// Messages of the last minute.
    pub messages_per_min: u64,
}

/// The first page of an administrator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Live figures.
    pub now: Now,
    /// Accounts.
    pub users: u64,
    /// Installed clients.
    pub devices: u64,
    /// Groups.
    pub groups: u64,
    /// The busiest conversations of the last minute, at most 10, the busiest first.
    pub hot: Vec<HotConversation>,
}

/// An account as an administrator sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserLine {
    /// Who.
    pub user: UserId,
    /// Login name.
    pub name: String,
    /// Name to show; empty = the login name.
    pub display: String,
    /// What it may do in the organisation.
    pub role: OrgRole,
    /// May not sign in.
    pub is_disabled: bool,
    /// Came with an archive and nobody has got into it yet.
    pub is_imported: bool,
    /// Installed clients.
    pub devices: usize,
    /// When it was made.
    pub created: Timestamp,
}

/// A group as an administrator sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupLine {
    /// Which.
    pub conv: ConversationId,
    /// Title.
    pub title: String,
    /// Members now.
    pub members: u32,
    /// Queue or pull.
    pub mode: Mode,
    /// Creation time.
    pub created: Timestamp,
    /// Time of the last message or event; the creation, if there was none.
    pub last: Timestamp,
}

/// A member as an administrator sees him.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberName {
    /// Who.
    pub user: UserId,
    /// Login name.
    pub name: String,
    /// Role in the group.
    pub role: Role,
}

/// A device as an administrator sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceOf {
    /// Which.
    pub device: DeviceId,
    /// Whose.
    pub user: UserId,
    /// His login name.
    pub name: String,
    /// Name of the device.
    pub label: String,
    /// 1 phone, 2 pad, 3 desktop, 4 web, 5 app.
    pub kind: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Connected now.
    pub is_connected: bool,
}

/// A page of rows, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of their key. A page may be short although more follow: then much was looked through in vain.
    pub rows: Vec<T>,
    /// Value of `after` for the next page; `None` at the end.
    pub next: Option<String>,
}

/// A question of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The first page.
    Overview,
    /// Accounts in the order of their names.
    Users {
        /// Beginning of the login name or of a word of the name to show, any case; empty = all.
        query: String,
        /// The last login name of the page before; empty = from the start.
        after: String,
        /// At most this many, up to [`PAGE_MAX`].
        limit: usize,
    },
    /// Groups in id order.
    Groups {
        /// Part of the title, any case; empty = all.
        query: String,
        /// The last of the page before; 0 = from the start.
        after: ConversationId,
        /// At most this many, up to [`PAGE_MAX`].
        limit: usize,
    },
    /// Members of a group in id order.
    Members {
        /// Which group.
        conv: ConversationId,
        /// The last of the page before; 0 = from the start.
        after: UserId,
        /// At most this many, up to [`PAGE_MAX`].
        limit: usize,
    },
    /// Devices of a user, all of them.
    Devices {
        /// Whose.
        user: UserId,
    },
}

/// The answer to a [`Look`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Of `Overview`.
    Overview(Box<Overview>),
    /// Of `Users`.
    Users(Page<UserLine>),
    /// Of `Groups`.
    Groups(Page<GroupLine>),
    /// Of `Members`.
    Members(Page<MemberName>),
    /// Of `Devices`.
    Devices(Vec<DeviceOf>),
}

/// What an administrator does about a group or a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Adds a member; nothing if he is one.
    AddMember(ConversationId, UserId),
    /// Removes a member; nothing if he is none.
    RemoveMember(ConversationId, UserId),
    /// Removes a device: its connection ends, its credential opens nothing any more.
    RevokeDevice(UserId, DeviceId),
}

/// The receiver as an administrator's page sees it. `by` is who its credential says; the role is checked here once more.
pub trait Supervision: Send + Sync {
    /// Answers a question; `role_required` unless `by` is an administrator, `absent` for what is not of his organisation.
    fn look(&self, by: Caller, look: Look, reply: Reply<Result<Seen, Refusal>>);

    /// Does it; refused in the same way. Durable when the answer comes, and so is its entry in the audit. What changes
    /// nothing is answered like what does, and leaves no entry.
    fn act(&self, by: Caller, act: Act, reply: Reply<Result<(), Refusal>>);
}
