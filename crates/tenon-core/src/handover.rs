//! Hand-overs between rooms. They never wait: they take the value and a reply, and answer [`Handover`] at once.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tenon_base::{
    Cid, ConnCtr, ConversationId, DeviceEpoch, DeviceId, OpSeq, OrgId, PartitionId, Pts,
    QueueEpoch, Rev, Seq, Timestamp, UserId,
};

use crate::conversation::{Fate, Header, Member, Outcome};
use crate::event::{Event, Item, MemberLine, MemberStory, Tip, UserEvent};
use crate::user::{ListLine, OpOutcome};

/// Whether a room took what was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Handover {
    /// Taken; the reply will come, or be dropped if the room stops.
    Accepted,
    /// The room's queue is at its bound; nothing was taken.
    Full,
}

/// A one-shot answer. Dropping it without an answer tells the asker that the room stopped, if `on_drop` was given.
pub struct Reply<T>(Option<Box<dyn FnOnce(Option<T>) + Send>>);

impl<T> Reply<T> {
    /// A reply that calls `answer` once: with the value, or with `None` when it is dropped unanswered.
    pub fn new(answer: impl FnOnce(Option<T>) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// Answers.
    pub fn send(mut self, value: T) {
        if let Some(answer) = self.0.take() {
            answer(Some(value));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(None);
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// Receiver -> processor: the answers to the commands of one log record, and questions to conversations.
pub trait Conversations: Send + Sync {
    /// Registers who waits for the outcomes of the record (this node's producer, `producer_seq`); call it before the append.
    fn expect(&self, partition: PartitionId, producer_seq: u64, replies: Vec<Reply<Outcome>>);

    /// Takes the replies back when the append failed.
    fn forget(&self, partition: PartitionId, producer_seq: u64) -> Vec<Reply<Outcome>>;

    /// Asks a conversation.
    fn ask(
        &self,
        org: OrgId,
        conv: ConversationId,
        question: ConversationQuestion,
        reply: Reply<ConversationAnswer>,
    ) -> Handover;
}

/// A question to one conversation, answered from its leader's state after everything it has applied.
#[derive(Debug, Clone)]
pub enum ConversationQuestion {
    /// What this user may read: the ground of history, diffs and rosters.
    Grant {
        /// Who asks.
        user: UserId,
    },
    /// The list line of this user.
    Item {
        /// Whose.
        user: UserId,
    },
    /// Members in id order after `after`.
    Roster {
        /// Who asks.
        user: UserId,
        /// Only lines changed after this version; 0 = all current members.
        since: Rev,
        /// Last user id of the page before.
        after: UserId,
        /// At most this many.
        limit: usize,
    },
    /// The header, for supervision: whoever asks was checked before.
    Header,
    /// Members with their intervals, for local administration; former ones included.
    Stories {
        /// Last user id of the page before.
        after: UserId,
        /// At most this many.
        limit: usize,
    },
    /// Which of these users are in now (gateway's check before a multicast).
    Verify {
        /// Sorted.
        users: Vec<UserId>,
    },
    /// The outcome of a cid.
    Lookup {
        /// Who asks.
        user: UserId,
        /// Device.
        device: DeviceId,
        /// Device epoch.
        device_epoch: DeviceEpoch,
        /// Which.
        cid: Cid,
    },
}

/// The answer to a [`ConversationQuestion`]; `Absent` for a conversation that does not exist and for one the user may not see.
#[derive(Debug, Clone)]
pub enum ConversationAnswer {
    /// Unknown or not visible.
    Absent,
    /// What may be read. Take the store's view after this.
    Grant(Box<Grant>),
    /// The line; `last` is not filled.
    Item(Box<Item>),
    /// A page of members.
    Roster {
        /// Lines.
        members: Vec<MemberLine>,
        /// More follow.
        more: bool,
        /// Version of the roster.
        roster_ver: Rev,
        /// Members now.
        total: u32,
    },
    /// The header.
    Header(Box<Header>),
    /// A page of stories.
    Stories {
        /// Lines.
        members: Vec<MemberStory>,
        /// More follow.
        more: bool,
    },
    /// Who is in.
    Verified {
        /// Of those asked.
        inside: BTreeSet<UserId>,
        /// Departures so far.
        leave_ver: u64,
    },
    /// What became of the cid.
    Lookup {
        /// `None`: not decided.
        fate: Option<Fate>,
        /// The next cid that would be accepted.
        expect: Cid,
    },
}

/// A user's right to read a conversation, with the tips it holds at.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The conversation.
    pub header: Header,
    /// The caller's row.
    pub member: Member,
}

/// Gateway and receiver -> sync: devices and user queues.
pub trait Users: Send + Sync {
    /// Registers who waits for the outcomes of a record of user commands; call it before the append.
    fn expect(&self, partition: PartitionId, producer_seq: u64, replies: Vec<Reply<UserOutcome>>);

    /// Takes the replies back when the append failed.
    fn forget(&self, partition: PartitionId, producer_seq: u64) -> Vec<Reply<UserOutcome>>;

    /// A device connected and was admitted.
    fn attach(&self, attach: Attach, reply: Reply<Attached>) -> Handover;

    /// The device stored everything up to the cursor. Ignored unless (device epoch, `conn_ctr`) is the live connection.
    fn ack(&self, link: LinkKey, queue_epoch: QueueEpoch, pts: Pts, window_bytes: Option<u32>);

    /// The device asks for the stream from its cursor; answered by batches or a rebase on the link.
    fn subscribe(&self, link: LinkKey, queue_epoch: QueueEpoch, pts: Pts);

    /// The connection ended.
    fn detach(&self, link: LinkKey);

    /// Asks a user partition.
    fn ask(
        &self,
        org: OrgId,
        user: UserId,
        question: UserQuestion,
        reply: Reply<UserAnswer>,
    ) -> Handover;

    /// Ends all connections of a user, or of one device. On `Full` the caller tries again: a revocation must not be lost.
    fn revoke(&self, org: OrgId, user: UserId, device: Option<DeviceId>) -> Handover;
}

/// Names one live connection of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkKey {
    /// Organisation.
    pub org: OrgId,
    /// User.
    pub user: UserId,
    /// Device.
    pub device: DeviceId,
    /// Its connection counter.
    pub conn_ctr: ConnCtr,
    /// Number of the HTTP exchange under that counter; 0 for a long connection.
    pub exchange: u32,
}

/// A device that wants its stream.
pub struct Attach {
    /// Which connection.
    pub key: LinkKey,
    /// Device epoch presented.
    pub device_epoch: DeviceEpoch,
    /// Cursor the device has stored; `None` for a new device.
    pub cursor: Option<(QueueEpoch, Pts)>,
    /// Bytes of batches that may be un-acked.
    pub window_bytes: u32,
    /// Backlog above which a rebase is better (smaller on weak networks).
    pub backlog_max: u64,
    /// Where to deliver.
    pub link: Arc<dyn DeviceLink>,
    /// Now.
    pub time: Timestamp,
}

impl fmt::Debug for Attach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attach").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What became of an attach.
#[derive(Debug, Clone)]
pub enum Attached {
    /// The device is live; batches follow from its cursor, or the link waits for `subscribe` after a rebase.
    Live {
        /// Epoch of the queue.
        queue_epoch: QueueEpoch,
        /// Highest pts.
        tip: Pts,
        /// `None`: continue; otherwise the reason of the rebase (1 new, 2 epoch, 3 trimmed, 4 backlog, 5 ahead).
        rebase: Option<u32>,
        /// Highest op decided for the device epoch.
        last_op: OpSeq,
        /// The device presented a cursor below the one it had acked.
        store_rolled_back: bool,
        /// Sum over queue-mode conversations, at `tip`.
        list_digest: u64,
        /// Pull-mode conversations of the user, for tips.
        pull_convs: Vec<ConversationId>,
    },
    /// `device_epoch` is not the stored one.
    DeviceEpochStale,
    /// `conn_ctr` is not above the stored one, nor a repeat or successor of an exchange under it.
    ConnectionStale,
    /// The device was removed or the user disabled.
    SessionEnded,
}

/// Sync -> gateway: one connection. Calls never wait; a full link answers `Full` and sync stops pumping until `ready`.
pub trait DeviceLink: Send + Sync {
    /// Hands a delivery to the connection's writer.
    fn deliver(&self, delivery: Delivery) -> Handover;
}

/// What sync tells a connection.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A coverage batch.
    Batch(Batch),
    /// The device must refetch its list and go on from `tip`.
    Rebase {
        /// Epoch of the queue.
        queue_epoch: QueueEpoch,
        /// Taken before any page is read.
        tip: Pts,
        /// Reason number.
        reason: u32,
    },
    /// The user is in this pull-mode conversation now: send its tips.
    FollowTips(ConversationId),
    /// Not any more.
    UnfollowTips(ConversationId),
    /// End the connection: 2 displaced, 4 slow, 5 session ended.
    Close {
        /// Close reason of the protocol.
        reason: u32,
    },
}

/// Everything of (from, to] that concerns this device.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Epoch of the queue.
    pub queue_epoch: QueueEpoch,
    /// Exclusive.
    pub from: Pts,
    /// Inclusive.
    pub to: Pts,
    /// Highest pts decided.
    pub tip: Pts,
    /// In pts order.
    pub entries: Vec<BatchEntry>,
}

/// One event of a batch.
#[derive(Debug, Clone)]
pub struct BatchEntry {
    /// Position.
    pub pts: Pts,
    /// Time.
    pub ts: Timestamp,
    /// What.
    pub told: Told,
}

/// A shared event, a user's own, or the placeholder of one that cannot be read.
#[derive(Debug, Clone)]
pub enum Told {
    /// Of a conversation.
    Event(Arc<Event>),
    /// Of this user.
    User(Arc<UserEvent>),
    /// The content cannot be read; the position is real.
    Unreadable {
        /// Conversation.
        conv: ConversationId,
        /// Position there.
        rev: Rev,
    },
}

/// The answer to a user command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserOutcome {
    /// Durable and decided; the id that came of it (0 = none).
    Ok {
        /// For example the new conversation, or the new device epoch.
        id: u64,
    },
    /// Decided before, like this.
    Duplicate(OpOutcome),
    /// The `op_seq` was used with other content.
    Reused,
    /// Durably rejected.
    Rejected(crate::rejection::Rejection),
    /// Earlier ops are missing.
    Gap {
        /// The one expected.
        expect: OpSeq,
    },
    /// The author's device epoch is not the stored one.
    DeviceEpochStale,
    /// Not done; do it again with the same key.
    Retry {
        /// Wire code.
        code: u32,
        /// Wait this long.
        after_ms: u32,
    },
}

/// A question to one user's partition.
#[derive(Debug, Clone)]
pub enum UserQuestion {
    /// The lines of the list: all of them, unordered (the receiver orders and pages).
    Lines,
    /// The lines of some conversations.
    LinesOf(Vec<ConversationId>),
    /// Numbers for a Pong.
    Numbers,
    /// The outcome of an op.
    Lookup {
        /// Device.
        device: DeviceId,
        /// Device epoch.
        device_epoch: DeviceEpoch,
        /// Which.
        op_seq: OpSeq,
    },
    /// Devices with their last sign of life and whether they are connected.
    Devices,
}

/// The answer to a [`UserQuestion`].
#[derive(Debug, Clone)]
pub enum UserAnswer {
    /// Lines.
    Lines(Vec<ListLine>),
    /// Numbers.
    Numbers {
        /// Epoch of the queue.
        queue_epoch: QueueEpoch,
        /// Highest pts.
        tip: Pts,
        /// Digest at `tip`.
        list_digest: u64,
    },
    /// What became of the op.
    Lookup {
        /// `None`: not decided.
        outcome: Option<OpOutcome>,
        /// The next one that would be accepted.
        expect: OpSeq,
    },
    /// (device, last seen, connected).
    Devices(Vec<(DeviceId, Timestamp, bool)>),
}

/// Processor -> gateway: news of pull-mode conversations. Lossy.
pub trait Multicast: Send + Sync {
    /// A conversation moved on. `event` is given when its body may go to devices that have the conversation open.
    fn tip(&self, org: OrgId, tip: Tip, leave_ver: u64, event: Option<&Arc<Event>>);
}

/// Processor -> sync, in memory beside the log: recent conversation events by (conversation, rev).
pub trait RecentEvents: Send + Sync {
    /// The event if it is still held; otherwise read it from the store.
    fn recent(&self, conv: ConversationId, rev: Rev) -> Option<Arc<Event>>;
}

/// Position up to which a member may read: used by readers of history.
impl Grant {
    /// True if the member may see the message at `seq`.
    pub fn may_see(&self, seq: Seq) -> bool {
        seq > self.member.floor_seq && seq <= self.last_visible_seq()
    }

    /// Highest visible seq: the tip for a current member.
    pub fn last_visible_seq(&self) -> Seq {
        self.header.seq
    }
}
