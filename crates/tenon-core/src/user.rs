//! State of one user: queue numbers, devices, list lines.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tenon_base::limits::CHAINS_KEPT;
use tenon_base::{
    ConnCtr, ConversationId, DeviceEpoch, DeviceId, OpSeq, OrgId, Pts, QueueEpoch, Rev, Timestamp,
    UserId,
};

use crate::conversation::Mode;
use crate::event::UserEvent;
use crate::rejection::Rejection;

pub mod decide;
pub mod queue;

/// Numbers of one user queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserHeader {
    /// Organisation.
    pub org: OrgId,
    /// Whose.
    pub user: UserId,
    /// Life number of the queue.
    pub queue_epoch: QueueEpoch,
    /// Highest pts given.
    pub tip: Pts,
    /// Highest pts dropped; a cursor below gets Rebase.
    pub floor: Pts,
    /// The last epoch changes: (new epoch, last surviving pts of the one before), oldest first, at most
    /// [`tenon_base::limits::QUEUE_EPOCHS_KEPT`].
    pub epochs: VecDeque<(QueueEpoch, Pts)>,
    /// Sum of the list terms of the queue-mode conversations.
    pub list_digest: u64,
    /// Version of the list lines.
    pub summary_ver: u64,
}

/// One installed client as the user partition knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceState {
    /// Which.
    pub device: DeviceId,
    /// Life number of its outbox.
    pub device_epoch: DeviceEpoch,
    /// Highest connection counter seen. May be lost with a crash, since the connections are lost with it.
    pub conn_ctr: ConnCtr,
    /// Acked position; the device's own copy at Hello is the truth.
    pub acked: Pts,
    /// Last op decided.
    pub last_op: OpSeq,
    /// Outcomes of the last ops, oldest first.
    pub outcomes: VecDeque<OpOutcome>,
    /// Last sign of life.
    pub seen: Timestamp,
    /// Chains of the epochs that it left, oldest first, at most [`tenon_base::limits::CHAINS_KEPT`]: VOID closes their rows.
    pub left: VecDeque<OpChain>,
}

/// The op chain of one device epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpChain {
    /// Which.
    pub device_epoch: DeviceEpoch,
    /// Last op decided.
    pub last_op: OpSeq,
    /// Outcomes of the last ops, oldest first, at most [`tenon_base::limits::OUTCOMES_KEPT`].
    pub outcomes: VecDeque<OpOutcome>,
}

impl DeviceState {
    /// Last op and outcomes of the chain of this epoch, if it is kept.
    pub fn chain(&self, epoch: DeviceEpoch) -> Option<(OpSeq, &VecDeque<OpOutcome>)> {
        if epoch == self.device_epoch {
            return Some((self.last_op, &self.outcomes));
        }
        let left = self.left.iter().find(|chain| chain.device_epoch == epoch)?;
        Some((left.last_op, &left.outcomes))
    }

    /// The chain of this epoch, to go on with.
    fn chain_mut(&mut self, epoch: DeviceEpoch) -> Option<(&mut OpSeq, &mut VecDeque<OpOutcome>)> {
        if epoch == self.device_epoch {
            return Some((&mut self.last_op, &mut self.outcomes));
        }
        let left = self.left.iter_mut().find(|chain| chain.device_epoch == epoch)?;
        Some((&mut left.last_op, &mut left.outcomes))
    }

    /// The chains of the epochs before the one that follows this state.
    fn chains_left(mut self) -> VecDeque<OpChain> {
        if self.left.len() >= CHAINS_KEPT {
            self.left.pop_front();
        }
        let Self { device_epoch, last_op, outcomes, mut left, .. } = self;
        left.push_back(OpChain { device_epoch, last_op, outcomes });
        left
    }
}

/// What became of one op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpOutcome {
    /// Which.
    pub op_seq: OpSeq,
    /// Digest of its content.
    pub digest: [u8; 16],
    /// Id that came of it (0 = none), or the refusal.
    pub fate: Result<u64, Rejection>,
}

/// One list line's own settings and what the list needs to be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Conversation.
    pub conv: ConversationId,
    /// Version; the higher replaces.
    pub ver: u64,
    /// On top.
    pub pinned: bool,
    /// 0 all, 1 mentions, 2 none.
    pub notify: u32,
    /// Not shown.
    pub hidden: bool,
    /// Shows a dot.
    pub marked_unread: bool,
    /// Encoded draft.
    pub draft: Bytes,
}

/// A conversation in one user's list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListLine {
    /// Own settings.
    pub summary: Summary,
    /// Queue or pull.
    pub mode: Mode,
    /// Still in.
    pub is_in: bool,
    /// Highest rev that came through the queue.
    pub rev: Rev,
    /// Time of the last message that came through the queue; pull-mode lines are ordered by their tip instead.
    pub sort_ts: Timestamp,
}

/// An entry of a user queue: a reference, or a small event of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// Position.
    pub pts: Pts,
    /// When.
    pub ts: Timestamp,
    /// What.
    pub item: QueueItem,
}

/// What a queue entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueItem {
    /// A conversation event, kept once for all members.
    Ref {
        /// Conversation.
        conv: ConversationId,
        /// Its position there.
        rev: Rev,
        /// How members hear of events from here on.
        mode: Mode,
    },
    /// An event of this user alone.
    Inline(Arc<UserEvent>),
}

/// One entry of a fan-out record: one item, all recipients of one user partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    /// Organisation of the conversation.
    pub org: OrgId,
    /// Lsn of the command in the source partition.
    pub source: tenon_base::Lsn,
    /// Ordinal among the fan-outs of that record; (source partition, source, index) names it for ever.
    pub index: u32,
    /// Time of the event.
    pub ts: Timestamp,
    /// What is told.
    pub item: QueueItem,
    /// Who hears it, sorted, in this partition.
    pub recipients: Vec<UserId>,
}

/// A user as the partition holds it in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Queue numbers.
    pub header: UserHeader,
    /// Devices that ever connected and were not removed.
    pub devices: BTreeMap<DeviceId, DeviceState>,
    /// The list.
    pub lines: BTreeMap<ConversationId, ListLine>,
}
