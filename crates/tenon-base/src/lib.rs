//! The ground floor: ids, positions, time and limits that every other floor speaks of.
//!
//! # Takes and gives
//! Plain numbers in, newtypes out. [`Clock`] and [`Random`] are how the rooms reach time and chance.
//!
//! # Invariants
//! - Id 0 is never given to anything; it means "none" in wire and stored formats.
//! - An [`Lsn`] is a positive signed 64-bit number: its generation stays below 32,768.
//! - The digest functions equal the check values of the protocol (`digest::tests`).
//!
//! # Not here
//! No async runtime, no I/O, no serialisation: formats are in `tenon-wire` and `tenon-store`.

pub mod always;
pub mod clock;
pub mod digest;
pub mod id;
pub mod limits;
pub mod position;
pub mod random;
pub mod retry;
pub mod size;

pub use clock::{Clock, Deadline, ManualClock, Timestamp};
pub use id::{
    AppId, ConnectionId, ConversationId, DeviceId, InvitationId, MessageId, OrgId, SceneId,
    SessionId, UserId,
};
pub use position::{
    Cid, Cnt, ConnCtr, ConvEpoch, DeviceEpoch, Lsn, OpSeq, OverlayVer, PartitionId, Pid, Pts,
    QueueEpoch, Rev, Seq, Slot, UnitId, Ver,
};
pub use random::{Random, SeededRandom};
pub use retry::Retry;
pub use size::ByteSize;

/// A hash map whose iteration order does not depend on the process.
pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
/// A hash set whose iteration order does not depend on the process.
pub type Set<K> = std::collections::HashSet<K, foldhash::fast::FixedState>;
