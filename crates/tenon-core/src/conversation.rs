//! State of one conversation: header, members, sender chains.

use std::collections::{BTreeMap, VecDeque};

use tenon_base::{
    Cid, Cnt, ConvEpoch, ConversationId, DeviceEpoch, DeviceId, Lsn, MessageId, OrgId, Rev, Seq,
    Timestamp, UserId,
};

use crate::event::{MemberLine, Tip};
use crate::rejection::Rejection;

pub mod decide;
pub mod import;
pub mod roster;
pub mod send;

/// Direct or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Two users.
    #[default]
    Direct = 1,
    /// Any number.
    Group = 2,
}

/// How members hear of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mode {
    /// A queue entry per member.
    #[default]
    Queue = 1,
    /// Tips only; members pull.
    Pull = 2,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Everything; one per group.
    Owner = 1,
    /// Members and title.
    Admin = 2,
    /// Talk.
    #[default]
    Member = 3,
    /// Talk, see less.
    Guest = 4,
}

impl Role {
    /// The role of a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Owner),
            2 => Some(Self::Admin),
            3 => Some(Self::Member),
            4 => Some(Self::Guest),
            _ => None,
        }
    }
}

/// What all members share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Organisation.
    pub org: OrgId,
    /// Id.
    pub conv: ConversationId,
    /// Raised when a unit was lost with a tail.
    pub conv_epoch: ConvEpoch,
    /// Direct or group.
    pub kind: Kind,
    /// Queue or pull.
    pub mode: Mode,
    /// Title of a group.
    pub title: String,
    /// Rev of the last change of title or settings.
    pub meta_ver: Rev,
    /// Owner of a group.
    pub owner: UserId,
    /// The two users of a direct conversation.
    pub peers: [UserId; 2],
    /// Highest seq given.
    pub seq: Seq,
    /// Highest rev given.
    pub rev: Rev,
    /// Badge-worthy messages so far.
    pub cnt: Cnt,
    /// Private messages so far.
    pub pid: tenon_base::Pid,
    /// Display time of the last message or event; the next one is later.
    pub last_ts: Timestamp,
    /// Last message that named everybody.
    pub mention_all_seq: Seq,
    /// Members now.
    pub member_count: u32,
    /// Rev of the last roster change.
    pub roster_ver: Rev,
    /// Departures so far: stamps multicasts, so that a stale list of listeners shows.
    pub leave_ver: u64,
    /// Newcomers see older messages.
    pub history_visible: bool,
    /// Mode turns to pull above.
    pub queue_mode_max: u32,
    /// Mode turns back at.
    pub pull_mode_min: u32,
    /// Creation time.
    pub created: Timestamp,
    /// Last seq that came by an import; natives start above.
    pub imported_seq: Seq,
    /// Original time of the last imported entry: older ones cannot be put in the middle.
    pub imported_ts: Timestamp,
    /// Overlay rows (edits, recalls) in the store; zero spares the read.
    pub overlays: u32,
}

impl Header {
    /// The tips.
    pub const fn tip(&self) -> Tip {
        Tip {
            conv: self.conv,
            conv_epoch: self.conv_epoch,
            rev: self.rev,
            seq: self.seq,
            cnt: self.cnt,
            mention_all_seq: self.mention_all_seq,
        }
    }
}

/// A stretch of membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    /// Rev of the join.
    pub join_rev: Rev,
    /// Seq tip at the join: first visible seq minus one unless history is visible.
    pub join_seq: Seq,
    /// When.
    pub joined: Timestamp,
    /// Rev of the leave; 0 = still in.
    pub leave_rev: Rev,
    /// When; 0 = still in.
    pub left: Timestamp,
}

/// Highest message read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadState {
    /// Highest seq.
    pub seq: Seq,
    /// Its cnt.
    pub cnt: Cnt,
    /// When.
    pub at: Timestamp,
}

/// A user in a conversation, now or once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What he may do.
    pub role: Role,
    /// Version of this row.
    pub ver: Rev,
    /// Stretches of membership, oldest first; never empty.
    pub intervals: Vec<Interval>,
    /// Lowest visible seq minus one.
    pub floor_seq: Seq,
    /// cnt at the floor.
    pub floor_cnt: Cnt,
    /// Read state.
    pub read: ReadState,
    /// Version of this user's Inbox rows here.
    pub overlay_ver: tenon_base::OverlayVer,
    /// May not send before this time.
    pub muted_until: Timestamp,
}

impl Member {
    /// True while in the conversation.
    pub fn is_in(&self) -> bool {
        self.intervals.last().is_some_and(|i| i.leave_rev == Rev(0))
    }

    /// Rev of the newest join.
    pub fn join_rev(&self) -> Rev {
        self.intervals.last().map_or(Rev(0), |i| i.join_rev)
    }

    /// The line others see.
    pub fn line(&self) -> MemberLine {
        MemberLine {
            user: self.user,
            role: self.role,
            join_rev: self.join_rev(),
            ver: self.ver,
            gone: !self.is_in(),
        }
    }
}

/// The chain of one (device, device epoch) in one conversation. Kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sender {
    /// Last cid decided.
    pub last: Cid,
    /// Outcomes of the last cids, oldest first, at most [`tenon_base::limits::OUTCOMES_KEPT`].
    pub outcomes: VecDeque<SenderOutcome>,
}

/// Key of a [`Sender`] in its conversation.
pub type SenderKey = (DeviceId, DeviceEpoch);

/// What became of one cid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderOutcome {
    /// Which.
    pub cid: Cid,
    /// Digest of its content.
    pub digest: [u8; 16],
    /// What became of it.
    pub fate: Fate,
}

/// Accepted or rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Ordered.
    Accepted(Accepted),
    /// Rejected by rule.
    Rejected(Rejection),
}

/// Where an accepted command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accepted {
    /// Position of the message; 0 for an op.
    pub seq: Seq,
    /// Position of the event; 0 if nothing changed.
    pub rev: Rev,
    /// Badge count.
    pub cnt: Cnt,
    /// Id of the message.
    pub message_id: MessageId,
    /// Display time.
    pub ts: Timestamp,
}

/// The answer to one command, in the words of the ack contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Durable and ordered.
    Ok(Accepted),
    /// Was decided before, like this.
    Duplicate(Fate),
    /// The cid was used with other content.
    CidReused,
    /// Durably rejected.
    Rejected(Rejection),
    /// Earlier cids are missing.
    Gap {
        /// The cid that is expected.
        expect: Cid,
    },
    /// No such conversation for this caller; nothing was decided, no cid consumed.
    Absent,
    /// A piece of an archive was taken.
    Imported {
        /// Entries that are new.
        added: u32,
        /// Entries that were there.
        known: u32,
        /// Entries older than what stands behind them; not squeezed in.
        refused: u32,
    },
    /// Durable, not yet ordered.
    Parked,
    /// Not done; do it again with the same key.
    Retry {
        /// Wire code of class 1 or 2.
        code: u32,
        /// Wait this long.
        after_ms: u32,
    },
}

/// A conversation as its partition holds it in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conversation {
    /// Shared numbers and settings.
    pub header: Header,
    /// All members, former ones included.
    pub members: BTreeMap<UserId, Member>,
    /// Last applied record.
    pub applied: Lsn,
}

impl Conversation {
    /// The member row if `user` is in now.
    pub fn member(&self, user: UserId) -> Option<&Member> {
        self.members.get(&user).filter(|m| m.is_in())
    }

    /// Users that are in now.
    pub fn current(&self) -> impl Iterator<Item = UserId> + '_ {
        self.members.values().filter(|m| m.is_in()).map(|m| m.user)
    }
}

impl crate::event::Item {
    /// The list line of `member`; the last message is filled by whoever reads the store.
    pub fn of(header: &Header, member: &Member) -> Self {
        let read_cnt = member.read.cnt.0.max(member.floor_cnt.0);
        let peer = if header.kind == Kind::Direct {
            header.peers.into_iter().find(|p| *p != member.user).unwrap_or(member.user)
        } else {
            UserId(0)
        };
        Self {
            tip: header.tip(),
            kind: header.kind,
            mode: header.mode,
            title: header.title.clone(),
            meta_ver: header.meta_ver,
            owner: header.owner,
            peer,
            member_count: header.member_count,
            roster_ver: header.roster_ver,
            floor_seq: member.floor_seq,
            floor_cnt: member.floor_cnt,
            read: member.read,
            unread: u32::try_from(header.cnt.0.saturating_sub(read_cnt)).unwrap_or(u32::MAX),
            role: member.role,
            join_rev: member.join_rev(),
            sort_ts: header.last_ts,
            ..Self::default()
        }
    }
}
