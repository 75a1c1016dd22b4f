//! What is told: conversation events, user events, list items and tips.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::{
    AppId, Cid, Cnt, ConvEpoch, ConversationId, DeviceEpoch, DeviceId, MessageId, OrgId, Rev, Seq,
    Timestamp, UserId, Ver,
};

use crate::conversation::{Interval, Kind, Mode, ReadState, Role};

/// Event type numbers of the protocol (section 5.10).
pub mod event_type {
    /// A message.
    pub const MESSAGE: u32 = 1;
    /// Members changed.
    pub const MEMBERS_CHANGED: u32 = 10;
    /// Title or settings changed.
    pub const CONVERSATION_CHANGED: u32 = 11;
    /// Queue or pull mode.
    pub const MODE_CHANGED: u32 = 12;
    /// Own read mark moved.
    pub const READ_MARKED: u32 = 64;
    /// A list line changed.
    pub const SUMMARY_CHANGED: u32 = 65;
    /// Somebody read.
    pub const RECEIPT: u32 = 66;
    /// Mentioned in a pull-mode conversation.
    pub const MENTION: u32 = 67;
    /// This user is in a conversation now.
    pub const CONVERSATION_ADDED: u32 = 68;
    /// This user is out of a conversation now.
    pub const CONVERSATION_REMOVED: u32 = 69;
}

/// Flag bits of Send, SyncEvent and MessageRow (section 5.10).
pub mod flag {
    /// No notification.
    pub const SILENT: u32 = 1;
    /// Does not raise cnt.
    pub const NO_BADGE: u32 = 1 << 1;
    /// Names everybody.
    pub const MENTION_ALL: u32 = 1 << 2;
    /// Sent by a schedule or an app for the user.
    pub const AUTO: u32 = 1 << 3;
    /// The recipient's own message.
    pub const OWN: u32 = 1 << 6;
    /// Urgent.
    pub const URGENT: u32 = 1 << 7;
    /// Content has a fallback line.
    pub const HAS_FALLBACK: u32 = 1 << 8;
    /// The recipient is mentioned.
    pub const MENTION_ME: u32 = 1 << 10;
    /// Was edited.
    pub const EDITED: u32 = 1 << 13;
    /// Cancels its cid.
    pub const VOID: u32 = 1 << 15;
    /// Must be confirmed.
    pub const MUST_CONFIRM: u32 = 1 << 16;
    /// What a device may set; the server owns the rest and clears it on input.
    pub const DEVICE_MAY_SET: u32 =
        SILENT | MENTION_ALL | URGENT | HAS_FALLBACK | VOID | MUST_CONFIRM;
}

/// One row of the shared copy of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Position.
    pub seq: Seq,
    /// Version: the rev that changed it last.
    pub ver: Ver,
    /// Badge-worthy messages up to here.
    pub cnt: Cnt,
    /// Unique id.
    pub message_id: MessageId,
    /// Who.
    pub sender: UserId,
    /// Device of the sender; shown to the sender's own devices only.
    pub device: DeviceId,
    /// Epoch of that device.
    pub device_epoch: DeviceEpoch,
    /// The device's idempotency key; same visibility.
    pub cid: Cid,
    /// Display time, strictly increasing in seq.
    pub ts: Timestamp,
    /// Message kind.
    pub kind: u32,
    /// Flag bits.
    pub flags: u32,
    /// Answered message or thread root; 0 = none.
    pub reply_seq: Seq,
    /// Users named.
    pub mentions: Vec<UserId>,
    /// App that spoke; 0 = none.
    pub app: AppId,
    /// Last edit; 0 = never.
    pub edited: Timestamp,
    /// End of its life; 0 = none.
    pub expires: Timestamp,
    /// Encoded content.
    pub body: Bytes,
}

/// One change of a conversation, shared by all who see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Organisation of the conversation.
    pub org: OrgId,
    /// Conversation.
    pub conv: ConversationId,
    /// Epoch of the conversation.
    pub conv_epoch: ConvEpoch,
    /// Position.
    pub rev: Rev,
    /// When; for a message its display time.
    pub ts: Timestamp,
    /// Who caused it; 0 = the system.
    pub by: UserId,
    /// What.
    pub body: EventBody,
}

/// What a conversation event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventBody {
    /// A new message.
    Message(Arc<Message>),
    /// Members came, went or changed.
    Members {
        /// The members after the change.
        members: Vec<MemberLine>,
        /// Roster version before.
        from_roster_ver: Rev,
        /// Members after.
        member_count: u32,
        /// 1 created, 2 added, 3 joined, 4 left, 5 removed, 6 role.
        reason: u32,
    },
    /// The title changed.
    Renamed {
        /// New title.
        title: String,
    },
    /// Fan-out mode changed.
    Mode {
        /// New mode.
        mode: Mode,
        /// Members at that moment.
        member_count: u32,
    },
}

impl EventBody {
    /// Its number on the wire and in the store.
    pub const fn type_number(&self) -> u32 {
        match self {
            Self::Message(_) => event_type::MESSAGE,
            Self::Members { .. } => event_type::MEMBERS_CHANGED,
            Self::Renamed { .. } => event_type::CONVERSATION_CHANGED,
            Self::Mode { .. } => event_type::MODE_CHANGED,
        }
    }
}

/// A member as told to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberLine {
    /// Who.
    pub user: UserId,
    /// Role.
    pub role: Role,
    /// Rev of the join.
    pub join_rev: Rev,
    /// Version of this line.
    pub ver: Rev,
    /// Not a member any more.
    pub gone: bool,
}

/// A member with the whole story, for administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStory {
    /// The line.
    pub line: MemberLine,
    /// Times in and out, oldest first.
    pub intervals: Vec<Interval>,
}

/// An event of one user's queue that is not a conversation event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserEvent {
    /// Own read mark moved.
    ReadMarked {
        /// Conversation.
        conv: ConversationId,
        /// New state.
        read: ReadState,
    },
    /// The peer of a direct conversation read.
    Receipt {
        /// Conversation.
        conv: ConversationId,
        /// Who read.
        user: UserId,
        /// Up to where.
        read_seq: Seq,
        /// When.
        at: Timestamp,
    },
    /// In a conversation now.
    ConversationAdded {
        /// Its line at that moment.
        item: Box<Item>,
        /// 1 created, 2 added, 3 joined.
        reason: u32,
        /// By whom.
        by: UserId,
    },
    /// Out of a conversation now.
    ConversationRemoved {
        /// Conversation.
        conv: ConversationId,
        /// 4 left, 5 removed.
        reason: u32,
        /// Last rev the user may see.
        last_rev: Rev,
        /// By whom.
        by: UserId,
    },
    /// Mentioned in a pull-mode conversation.
    Mention {
        /// Conversation.
        conv: ConversationId,
        /// Rev of the message.
        rev: Rev,
        /// Seq of the message.
        seq: Seq,
        /// Everybody was named.
        all: bool,
    },
    /// A list line changed.
    SummaryChanged {
        /// New line.
        summary: crate::user::Summary,
    },
}

impl UserEvent {
    /// Its number on the wire and in the store.
    pub const fn type_number(&self) -> u32 {
        match self {
            Self::ReadMarked { .. } => event_type::READ_MARKED,
            Self::Receipt { .. } => event_type::RECEIPT,
            Self::ConversationAdded { .. } => event_type::CONVERSATION_ADDED,
            Self::ConversationRemoved { .. } => event_type::CONVERSATION_REMOVED,
            Self::Mention { .. } => event_type::MENTION,
            Self::SummaryChanged { .. } => event_type::SUMMARY_CHANGED,
        }
    }

    /// The conversation it is about.
    pub fn conv(&self) -> ConversationId {
        match self {
            Self::ReadMarked { conv, .. }
            | Self::Receipt { conv, .. }
            | Self::ConversationRemoved { conv, .. }
            | Self::Mention { conv, .. } => *conv,
            Self::ConversationAdded { item, .. } => item.tip.conv,
            Self::SummaryChanged { summary } => summary.conv,
        }
    }
}

/// The highest numbers of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tip {
    /// Conversation.
    pub conv: ConversationId,
    /// Its epoch.
    pub conv_epoch: ConvEpoch,
    /// Highest rev.
    pub rev: Rev,
    /// Highest seq.
    pub seq: Seq,
    /// Highest cnt.
    pub cnt: Cnt,
    /// Last message that named everybody; 0 = none.
    pub mention_all_seq: Seq,
}

/// A line of the conversation list as one user sees it, consistent at `tip.rev`. The user's own settings (pin, mute, draft)
/// come from the user partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// Highest numbers.
    pub tip: Tip,
    /// Direct or group.
    pub kind: Kind,
    /// Queue or pull.
    pub mode: Mode,
    /// Title.
    pub title: String,
    /// Rev of the last change of title or settings.
    pub meta_ver: Rev,
    /// Owner of a group.
    pub owner: UserId,
    /// The other one, in a direct conversation.
    pub peer: UserId,
    /// Members now.
    pub member_count: u32,
    /// Rev of the last roster change.
    pub roster_ver: Rev,
    /// Lowest visible seq minus one.
    pub floor_seq: Seq,
    /// cnt at the floor.
    pub floor_cnt: Cnt,
    /// This user's read state.
    pub read: ReadState,
    /// Highest seq the peer of a direct conversation read.
    pub peer_read_seq: Seq,
    /// Computed unread count.
    pub unread: u32,
    /// Role of this user.
    pub role: Role,
    /// Rev of this user's join.
    pub join_rev: Rev,
    /// Time of the last message, or of the creation: the order of the list.
    pub sort_ts: Timestamp,
    /// Last message; filled when the line is read.
    pub last: Option<Arc<Message>>,
}
