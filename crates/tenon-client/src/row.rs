//! Rows of the local store, as messages: a new field is a new tag, so an older store opens without migration.
//!
//! Numbers and their meaning are those of the protocol page; 0 means "none" where a number starts at 1.

use tenon_wire::v1;

/// The one row of this device.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeviceRow {
    /// This device; 0 until the app or the server said which.
    #[prost(fixed64, tag = "1")]
    pub device: u64,
    /// Life number of the outbox.
    #[prost(uint32, tag = "2")]
    pub device_epoch: u32,
    /// Last connection counter used; stored before the socket opens.
    #[prost(uint64, tag = "3")]
    pub conn_ctr: u64,
    /// The next number of the user chain.
    #[prost(uint64, tag = "4")]
    pub next_op_seq: u64,
    /// The signed-in user.
    #[prost(fixed64, tag = "5")]
    pub user: u64,
    /// The user's organisation.
    #[prost(fixed64, tag = "6")]
    pub org: u64,
    /// The next local id of an outbox row.
    #[prost(uint64, tag = "7")]
    pub next_local: u64,
    /// The next number of an event for the app.
    #[prost(uint64, tag = "8")]
    pub next_event: u64,
    /// A new device epoch is owed before anything is sent.
    #[prost(bool, tag = "9")]
    pub needs_epoch: bool,
}

/// Position in the stream of one unit, and the Rebase that is being paged.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamRow {
    /// The unit.
    #[prost(uint32, tag = "1")]
    pub unit: u32,
    /// Life number of the queue.
    #[prost(uint32, tag = "2")]
    pub queue_epoch: u32,
    /// Everything up to here is applied or stored as debt.
    #[prost(uint64, tag = "3")]
    pub pts: u64,
    /// Why the last Rebase happened.
    #[prost(uint32, tag = "4")]
    pub rebase_reason: u32,
    /// Number of the last Rebase; conversations carry the one that saw them.
    #[prost(uint64, tag = "5")]
    pub generation: u64,
    /// The Rebase whose pages are not all read.
    #[prost(message, optional, tag = "6")]
    pub rebase: Option<RebaseRow>,
}

/// A Rebase after its first page.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RebaseRow {
    /// The queue tip taken before page 1.
    #[prost(uint64, tag = "1")]
    pub p0: u64,
    /// Token of the list.
    #[prost(bytes = "bytes", tag = "2")]
    pub token: bytes::Bytes,
    /// Token of the next page; empty = from the start.
    #[prost(bytes = "bytes", tag = "3")]
    pub next: bytes::Bytes,
}

/// What a conversation is to this user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum ConvState {
    /// Known by an event or tip only.
    Stub = 0,
    /// A member.
    Joined = 1,
    /// Not a member, or not visible; nothing is owed.
    Left = 2,
}

/// One conversation. A row with `known > rev`, `epoch_known > conv_epoch` or `inbox_known > over` owes a pull.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConversationRow {
    /// The conversation.
    #[prost(fixed64, tag = "1")]
    pub conv: u64,
    /// Its life number as held.
    #[prost(uint32, tag = "2")]
    pub conv_epoch: u32,
    /// The highest life number heard of.
    #[prost(uint32, tag = "3")]
    pub epoch_known: u32,
    /// Every event up to here is folded.
    #[prost(uint64, tag = "4")]
    pub rev: u64,
    /// The highest rev heard of.
    #[prost(uint64, tag = "5")]
    pub known: u64,
    /// Intervals verified below this rev are stale.
    #[prost(uint64, tag = "6")]
    pub break_rev: u64,
    /// Highest seq that exists.
    #[prost(uint64, tag = "7")]
    pub tip_seq: u64,
    /// Badge-worthy messages that exist.
    #[prost(uint64, tag = "8")]
    pub tip_cnt: u64,
    /// Lowest visible seq, minus one.
    #[prost(uint64, tag = "9")]
    pub floor_seq: u64,
    /// `cnt` at the floor.
    #[prost(uint64, tag = "10")]
    pub floor_cnt: u64,
    /// Version of this user's private rows held.
    #[prost(uint64, tag = "11")]
    pub over: u64,
    /// The highest such version heard of.
    #[prost(uint64, tag = "12")]
    pub inbox_known: u64,
    /// Badge-worthy private messages.
    #[prost(uint64, tag = "13")]
    pub tip_pcnt: u64,
    /// The read mark.
    #[prost(uint64, tag = "14")]
    pub read_seq: u64,
    /// Its `cnt`.
    #[prost(uint64, tag = "15")]
    pub read_cnt: u64,
    /// The read mark of private messages.
    #[prost(uint64, tag = "16")]
    pub read_pcnt: u64,
    /// Own automatic messages above the mark.
    #[prost(uint32, tag = "17")]
    pub own_auto: u32,
    /// Highest seq that mentions the user.
    #[prost(uint64, tag = "18")]
    pub mention_seq: u64,
    /// Read mark of the peer of a direct conversation.
    #[prost(uint64, tag = "19")]
    pub peer_read_seq: u64,
    /// Order of the list, milliseconds.
    #[prost(uint64, tag = "20")]
    pub sort_ts: u64,
    /// The next cid of the conversation chain.
    #[prost(uint64, tag = "21")]
    pub next_cid: u64,
    /// The user's own settings.
    #[prost(message, optional, tag = "22")]
    pub summary: Option<v1::Summary>,
    /// What all members share.
    #[prost(message, optional, tag = "23")]
    pub meta: Option<v1::ConvMeta>,
    /// Member or not.
    #[prost(enumeration = "ConvState", tag = "24")]
    pub state: i32,
    /// The Rebase that saw it last.
    #[prost(uint64, tag = "25")]
    pub generation: u64,
    /// A critical event of an unknown type was met.
    #[prost(bool, tag = "26")]
    pub is_update_needed: bool,
    /// The user's role.
    #[prost(uint32, tag = "27")]
    pub role: u32,
    /// The rev at which the user joined.
    #[prost(uint64, tag = "28")]
    pub join_rev: u64,
    /// Ranges that were deleted for this user, or that the user cleared.
    #[prost(message, optional, tag = "29")]
    pub overlay: Option<v1::Overlay>,
    /// cids below it are of commands that found no chain, and failed. VOID fills them if the chain comes to be.
    #[prost(uint64, tag = "30")]
    pub absent_below: u64,
}

/// One interval of verified history: every existing seq in `lo..=hi` is held as of `vrev`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct IntervalRow {
    /// First seq.
    #[prost(uint64, tag = "1")]
    pub lo: u64,
    /// Last seq.
    #[prost(uint64, tag = "2")]
    pub hi: u64,
    /// The rev at which it was true.
    #[prost(uint64, tag = "3")]
    pub vrev: u64,
}

/// All intervals of a conversation, by `lo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IntervalsRow {
    /// Disjoint and rising.
    #[prost(message, repeated, tag = "1")]
    pub intervals: Vec<IntervalRow>,
}

/// A command on its way.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OutboxRow {
    /// Local id; rises in the order of the commands.
    #[prost(uint64, tag = "1")]
    pub local: u64,
    /// The conversation; 0 = the user's own chain.
    #[prost(fixed64, tag = "2")]
    pub conv: u64,
    /// Life number of the chain that `n` belongs to.
    #[prost(uint32, tag = "3")]
    pub device_epoch: u32,
    /// Number in the chain; 0 = not dispatched.
    #[prost(uint64, tag = "4")]
    pub n: u64,
    /// The message without its key, if it is one.
    #[prost(message, optional, tag = "5")]
    pub send: Option<v1::Send>,
    /// The command without its key, if it is one.
    #[prost(message, optional, tag = "6")]
    pub op: Option<v1::Op>,
    /// Waits until the row with this local id is settled.
    #[prost(uint64, tag = "7")]
    pub after: u64,
    /// When the app gave it, Unix milliseconds.
    #[prost(uint64, tag = "8")]
    pub first_at_ms: u64,
    /// Goes out with VOID: by the user's wish, or because it can not be sent.
    #[prost(bool, tag = "9")]
    pub is_void: bool,
    /// The code told to the app once VOID has closed the row; 0 = cancelled by the user.
    #[prost(uint32, tag = "10")]
    pub void_code: u32,
    /// The store fell back while it was under way: a life that is lost may have closed it and sent it under another number.
    #[prost(bool, tag = "11")]
    pub is_doubtful: bool,
}

/// A read mark on its way.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ReadPendingRow {
    /// The conversation.
    #[prost(fixed64, tag = "1")]
    pub conv: u64,
    /// Read up to here.
    #[prost(uint64, tag = "2")]
    pub up_to_seq: u64,
    /// Private messages read.
    #[prost(uint64, tag = "3")]
    pub up_to_pcnt: u64,
}

/// How a command ended. Told once; the outbox row is gone with it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Settled {
    /// Local id of the row.
    #[prost(uint64, tag = "1")]
    pub local: u64,
    /// Its conversation; 0 = the user's own chain.
    #[prost(fixed64, tag = "2")]
    pub conv: u64,
    /// Wire code of the refusal; 0 = done. `cancelled` also for VOID.
    #[prost(uint32, tag = "3")]
    pub code: u32,
    /// Position of a message; 0 for a private one.
    #[prost(uint64, tag = "4")]
    pub seq: u64,
    /// Position of the event.
    #[prost(uint64, tag = "5")]
    pub rev: u64,
    /// Number of a private message.
    #[prost(uint64, tag = "6")]
    pub pid: u64,
    /// Id of the message; of a command: the id it made.
    #[prost(fixed64, tag = "7")]
    pub id: u64,
    /// Time of the message, Unix milliseconds.
    #[prost(uint64, tag = "8")]
    pub ts: u64,
    /// True if the device lost local commits: the row was not sent and is offered to the user again.
    #[prost(bool, tag = "9")]
    pub is_offered_again: bool,
    /// Arguments of the refusal.
    #[prost(btree_map = "string, string", tag = "10")]
    pub args: std::collections::BTreeMap<String, String>,
    /// The command as it was, if it was not done.
    #[prost(message, optional, tag = "11")]
    pub send: Option<v1::Send>,
}

impl Settled {
    /// True if the command took effect.
    pub const fn is_done(&self) -> bool {
        self.code == 0 && !self.is_offered_again
    }
}

/// Revs that were skipped: their effect is in the list and in history pages.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Jumped {
    /// The conversation.
    #[prost(fixed64, tag = "1")]
    pub conv: u64,
    /// The last rev that was told.
    #[prost(uint64, tag = "2")]
    pub from_rev: u64,
    /// The last rev that was skipped.
    #[prost(uint64, tag = "3")]
    pub to_rev: u64,
}

/// The queue of a unit was skipped: everything may have changed; read the list.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Rebased {
    /// The unit.
    #[prost(uint32, tag = "1")]
    pub unit: u32,
    /// A number of `rebase_reason`.
    #[prost(uint32, tag = "2")]
    pub reason: u32,
}

/// An event for the app, kept until the app has handled it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EventRow {
    /// Dense from 1 in this store.
    #[prost(uint64, tag = "1")]
    pub n: u64,
    /// Which event.
    #[prost(oneof = "EventWhat", tags = "2, 3, 4, 5")]
    pub what: Option<EventWhat>,
}

/// The kinds of events that survive a restart.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum EventWhat {
    /// What happened, as the server said it.
    #[prost(message, tag = "2")]
    Sync(v1::SyncEvent),
    /// How a command ended.
    #[prost(message, tag = "3")]
    Settled(Settled),
    /// Revs were skipped.
    #[prost(message, tag = "4")]
    Jumped(Jumped),
    /// A queue was skipped.
    #[prost(message, tag = "5")]
    Rebased(Rebased),
}

/// An event that this version can not read, kept for the next one.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpaqueRow {
    /// Its place.
    #[prost(uint64, tag = "1")]
    pub pts: u64,
    /// The whole event.
    #[prost(message, optional, tag = "2")]
    pub event: Option<v1::SyncEvent>,
}

/// Everything but messages, as loaded at start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// `None` in a new store.
    pub device: Option<DeviceRow>,
    /// By unit.
    pub streams: Vec<StreamRow>,
    /// By id.
    pub conversations: Vec<ConversationRow>,
    /// By conversation.
    pub intervals: Vec<(u64, IntervalsRow)>,
    /// By local id.
    pub outbox: Vec<OutboxRow>,
    /// By conversation.
    pub reads: Vec<ReadPendingRow>,
    /// By number.
    pub events: Vec<EventRow>,
}
