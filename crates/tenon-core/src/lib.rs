//! The rules of Tenon as pure functions: what may happen, what it changes and who must hear of it.
//!
//! # Takes and gives
//! State that was loaded and a command that was admitted -> a decision; a decision -> the changed state.
//!
//! # Invariants
//! - The same commands in the same order give the same state, on any node, in any year (`tests/rules/replay.rs`).
//! - seq, rev and cnt of a conversation and pts of a user queue are dense: they are given here, by one writer.
//! - A rejection consumes its cid; a throttle never does.
//!
//! # Not here
//! No clock, I/O, async, encoding or wire type. Rooms: `tenon-processor` and `tenon-sync`; formats: `tenon-store`.

pub mod accounts;
pub mod admission;
pub mod command;
pub mod conversation;
pub mod event;
pub mod handover;
pub mod identity;
pub mod layout;
pub mod rate;
pub mod rejection;
pub mod supervision;
pub mod user;

pub use command::{
    Action, Author, Command, ImportEntry, ImportItem, SendMessage, UserAction, UserCommand,
};
pub use conversation::{
    Conversation, Header, Interval, Kind, Member, Mode, ReadState, Role, Sender,
};
pub use event::{Event, EventBody, Item, MemberLine, Message, Tip, UserEvent, event_type, flag};
pub use layout::Layout;
pub use rejection::Rejection;
