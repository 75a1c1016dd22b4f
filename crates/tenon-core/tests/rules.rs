//! The rules of a conversation, each with the moment where it turns.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code"
)]

#[path = "rules/table.rs"]
mod table;

#[path = "rules/archive.rs"]
mod archive;
#[path = "rules/devices.rs"]
mod devices;
#[path = "rules/members.rs"]
mod members;
#[path = "rules/messages.rs"]
mod messages;
#[path = "rules/replay.rs"]
mod replay;
