//! What somebody asks, as admitted: everything a decision needs is in here, randomness and time included.

use bytes::Bytes;
use tenon_base::{
    AppId, Cid, Cnt, ConversationId, DeviceEpoch, DeviceId, MessageId, OpSeq, OrgId, Seq,
    Timestamp, UserId,
};

use crate::conversation::{Kind, Role};
use crate::rejection::Rejection;

/// Who asks. Taken from the session, never from a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Author {
    /// Organisation of the session.
    pub org: OrgId,
    /// The user.
    pub user: UserId,
    /// The device that sent it; 0 for local administration and imports.
    pub device: DeviceId,
    /// Life number of the device's outbox.
    pub device_epoch: DeviceEpoch,
    /// The app through which a bot speaks; 0 = none.
    pub app: AppId,
}

/// A command to one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who asks.
    pub author: Author,
    /// Which conversation.
    pub conv: ConversationId,
    /// Idempotency key, dense per (conversation, device, device epoch); 0 for actions that have no chain because
    /// repeating them changes nothing (create, read mark, import).
    pub cid: Cid,
    /// First 128 bits of BLAKE3 over kind, body, reply, mentions, receivers and flags.
    pub digest: [u8; 16],
    /// The device wants this cid consumed without effect.
    pub is_void: bool,
    /// Stamped by the receiver.
    pub message_id: MessageId,
    /// Admission time.
    pub time: Timestamp,
    /// A final refusal by the receiver; appended without body because it must consume the cid.
    pub refused: Option<Rejection>,
    /// What to do.
    pub action: Action,
}

/// What a conversation command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A message.
    Send(SendMessage),
    /// Makes the conversation; nothing if it exists.
    Create(CreateConversation),
    /// Changes the title.
    Rename {
        /// New title, at most 256 bytes.
        title: String,
    },
    /// Adds members.
    AddMembers {
        /// At most [`tenon_base::limits::MEMBERS_PER_COMMAND_MAX`], except from local administration.
        users: Vec<UserId>,
    },
    /// Removes members.
    RemoveMembers {
        /// Same bound.
        users: Vec<UserId>,
    },
    /// The author leaves.
    Leave,
    /// Changes a role.
    SetRole {
        /// Whose.
        user: UserId,
        /// To what; `Owner` transfers ownership.
        role: Role,
    },
    /// Moves the author's read mark forward.
    ReadMark {
        /// Highest seq read.
        up_to: Seq,
        /// cnt of that message, looked up in the shared copy by the receiver: the log holds everything a decision needs.
        cnt: Cnt,
    },
    /// A piece of an archive, oldest first.
    Import {
        /// Bounded by the record size.
        entries: Vec<ImportEntry>,
    },
}

/// A message to a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SendMessage {
    /// Message kind = number of the content arm.
    pub kind: u32,
    /// Encoded content; opaque here.
    pub body: Bytes,
    /// The message this one answers, or the root of its thread; 0 = none.
    pub reply_seq: Seq,
    /// Users named in it.
    pub mentions: Vec<UserId>,
    /// Flag bits that a device may set.
    pub flags: u32,
    /// Receivers of a Private message; empty for a Normal one.
    pub to: Vec<UserId>,
    /// Lifetime of the message; 0 = for ever.
    pub expires_in_s: u32,
    /// Not ordered within this time of admission -> rejected `expired`; 0 = no bound.
    pub valid_for_s: u32,
}

/// Making a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateConversation {
    /// Direct or group.
    pub kind: Kind,
    /// Title of a group; empty for a direct conversation.
    pub title: String,
    /// First owner; 0 for a direct conversation.
    pub owner: UserId,
    /// First members, the owner included.
    pub members: Vec<UserId>,
    /// Newcomers see messages from before they joined.
    pub history_visible: bool,
    /// Fan-out mode changes above this many members (start: 500) ...
    pub queue_mode_max: u32,
    /// ... and back at this many (start: 400).
    pub pull_mode_min: u32,
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportEntry {
    /// BLAKE3-128 of (source, kind, natural key): the key by which a second import is recognised.
    pub key: [u8; 16],
    /// Original time.
    pub time: Timestamp,
    /// Whose.
    pub user: UserId,
    /// What.
    pub item: ImportItem,
}

/// What an archive entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportItem {
    /// A message.
    Message {
        /// Message kind.
        kind: u32,
        /// Encoded content.
        body: Bytes,
        /// Import key of the thread's root; `None` outside threads and for a root.
        root: Option<[u8; 16]>,
        /// Stable id derived from the key.
        message_id: MessageId,
        /// Last edit in the archive; 0 = never.
        edited: Timestamp,
    },
    /// The user came in.
    Join,
    /// The user went.
    Leave,
}

/// A command to one user's own partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCommand {
    /// Who asks; `author.user` owns the partition's state.
    pub author: Author,
    /// Idempotency key, dense per (device, device epoch); 0 for actions without chain.
    pub op_seq: OpSeq,
    /// Digest over type and body.
    pub digest: [u8; 16],
    /// The device wants this `op_seq` consumed without effect.
    pub is_void: bool,
    /// Admission time.
    pub time: Timestamp,
    /// What to do.
    pub action: UserAction,
}

/// What a user command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserAction {
    /// Gives the device a new device epoch, above the stored and the presented one. No chain.
    RenewDeviceEpoch {
        /// The epoch the device presented.
        presented: DeviceEpoch,
    },
    /// Forgets a removed device and its cursor. No chain.
    ForgetDevice {
        /// Which.
        device: DeviceId,
    },
    /// Notes that the receiver made (or found) this conversation for the op; the outcome carries its id.
    MadeConversation {
        /// The conversation.
        conv: ConversationId,
    },
    /// Changes the list line of a conversation.
    SetSummary {
        /// Which conversation.
        conv: ConversationId,
        /// New values; `None` keeps the old one.
        patch: SummaryPatch,
    },
    /// The receiver refused finally; consumes the `op_seq`.
    Refused(Rejection),
}

/// A change of one list line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SummaryPatch {
    /// Pinned on top.
    pub pinned: Option<bool>,
    /// 0 all, 1 mentions, 2 none.
    pub notify: Option<u32>,
    /// Not shown in the list.
    pub hidden: Option<bool>,
    /// Shows a dot until the next read mark.
    pub marked_unread: Option<bool>,
    /// Encoded draft; empty removes it.
    pub draft: Option<Bytes>,
}
