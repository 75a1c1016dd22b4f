//! Where the engine's transactions go, and the rows that a timeline shows.
//!
//! # Takes and gives
//! A list of [`StoreOp`] is one transaction. Operations on messages are conditional on the version held, so the
//! engine decides without reading rows.
//!
//! # Invariants
//! - A transaction happens wholly or not at all, and is durable when `commit` returns (in a store with a file).
//! - A message row is never replaced by an older version of it.

mod memory;
mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use tenon_wire::{flag, v1};

use crate::row::{
    ConversationRow, DeviceRow, EventRow, IntervalsRow, Loaded, OpaqueRow, OutboxRow,
    ReadPendingRow, StreamRow,
};

/// Why a store failed. The engine stops: it never goes on in memory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine below the store failed.
    #[error("local store failed: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored row does not decode.
    #[error("local store is damaged: {0}")]
    Damaged(#[from] prost::DecodeError),
    /// The store was written by a newer version.
    #[error("local store has schema {found}, this version knows {known}")]
    Newer {
        /// Schema of the file.
        found: u32,
        /// Highest schema known here.
        known: u32,
    },
}

/// One step of a transaction. Rows replace the row of their key.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreOp {
    /// The device row.
    Device(DeviceRow),
    /// A stream, by unit.
    Stream(StreamRow),
    /// A conversation, by id.
    Conversation(Box<ConversationRow>),
    /// The intervals of a conversation; none = the row goes.
    Intervals(u64, IntervalsRow),
    /// Inserts a message, or replaces it if its version is higher than the held one.
    Message(u64, Box<v1::MessageRow>),
    /// Changes a message if it is held and older.
    Change {
        /// The conversation.
        conv: u64,
        /// The message.
        seq: u64,
        /// The version it becomes.
        ver: u64,
        /// What changes.
        change: Change,
    },
    /// Drops the message rows `lo..=hi`.
    Gone {
        /// The conversation.
        conv: u64,
        /// First seq.
        lo: u64,
        /// Last seq.
        hi: u64,
    },
    /// Inserts a private message, or replaces it if its version is higher than the held one.
    Private(u64, Box<v1::PrivateMessage>),
    /// An outbox row, by local id.
    Outbox(Box<OutboxRow>),
    /// The command is settled.
    OutboxDone(u64),
    /// A read mark on its way, by conversation.
    ReadPending(ReadPendingRow),
    /// The read mark arrived.
    ReadDone(u64),
    /// An event for the app, by number.
    Event(Box<EventRow>),
    /// The app has handled the events up to this number.
    EventsDone(u64),
    /// An event of an unknown type.
    Opaque(Box<OpaqueRow>),
}

/// What an event does to a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// New content.
    Content {
        /// Message kind; 0 = as before.
        kind: u32,
        /// Encoded content.
        body: bytes::Bytes,
        /// Who is mentioned.
        mentions: Vec<u64>,
        /// Time of the edit, Unix milliseconds; 0 = the message does not count as edited.
        edited_ms: u64,
    },
    /// Content is gone; the flag says why.
    Tombstone(u32),
    /// New reactions.
    Reactions(Vec<v1::ReactionCount>),
}

impl Change {
    /// Changes `row` to version `ver`; does nothing if the row is not older.
    pub fn apply(&self, row: &mut v1::MessageRow, ver: u64) {
        if row.ver >= ver {
            return;
        }
        row.ver = ver;
        match self {
            Self::Content { kind, body, mentions, edited_ms } => {
                if *kind != 0 {
                    row.kind = *kind;
                }
                row.body = body.clone();
                row.mentions.clone_from(mentions);
                if *edited_ms != 0 {
                    row.edited_ms = *edited_ms;
                    row.flags |= flag::EDITED;
                }
            }
            Self::Tombstone(why) => {
                row.flags |= why;
                row.body = bytes::Bytes::new();
                row.mentions.clear();
                row.reactions.clear();
            }
            Self::Reactions(reactions) => row.reactions.clone_from(reactions),
        }
    }
}

/// Which rows of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRange {
    /// The conversation.
    pub conv: u64,
    /// First seq.
    pub lo: u64,
    /// Last seq.
    pub hi: u64,
    /// At most this many.
    pub limit: usize,
    /// The lowest of the range instead of the highest.
    pub is_upward: bool,
}

/// A local store. Calls block; a driver calls them where blocking is allowed.
pub trait Store: Send {
    /// Reads everything but messages.
    ///
    /// # Errors
    /// [`StoreError`] if the store can not be read.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Performs one transaction; durable on return where the store has a file.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of `ops` happened.
    fn commit(&mut self, ops: Vec<StoreOp>) -> Result<(), StoreError>;

    /// Message rows by rising seq.
    ///
    /// # Errors
    /// [`StoreError`] if the store can not be read.
    fn messages(&mut self, range: RowRange) -> Result<Vec<v1::MessageRow>, StoreError>;

    /// Private messages anchored in `lo..=hi`, by (anchor, pid).
    ///
    /// # Errors
    /// [`StoreError`] if the store can not be read.
    fn privates(
        &mut self,
        conv: u64,
        lo: u64,
        hi: u64,
    ) -> Result<Vec<v1::PrivateMessage>, StoreError>;
}
