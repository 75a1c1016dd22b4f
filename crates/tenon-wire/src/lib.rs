//! The spoken language between a device and Tenon: schemas, frames, sessions, the JSON form, error codes.
//!
//! # Takes and gives
//! Bytes of a link in, typed frames out, and back ([`frame`], [`session`]); the same as text ([`json`]). [`v1`] has
//! the messages, [`number`] the open registries, [`error`] the codes, [`bounds`] the limits of lists.
//!
//! # Invariants
//! - A length is checked against its limit before anything is allocated for it.
//! - A received body is kept as bytes and never re-encoded, so fields unknown here survive.
//! - Binary and JSON form of one value decode to equal values.
//!
//! # Not here
//! Compression is not yet spoken: a compressed frame ends the link with `bad_compression`, so a server must not
//! offer `features` bits 0 and 1. Sockets, clocks, async (`tenon-gateway`, `tenon-client`); stored formats (`tenon-store`); rules (`tenon-core`).

pub mod bounds;
pub mod error;
pub mod frame;
pub mod json;
pub mod number;
pub mod session;
pub mod v1;

pub use bounds::{Bounded, DecodeError};
pub use error::{ErrorClass, ErrorCode};
pub use frame::{Comp, Frame, FrameError, FrameHeader, FrameLimits, FrameReader, Prio};
pub use number::{
    close_reason, device_item_type, ephemeral_type, event_type, feature, flag, go_away_reason,
    kind, message_kind, method, network, op_type, rebase_reason, role, setting,
};
/// What every message can do; named here so that other rooms need not name the codec.
pub use prost::Message;
pub use session::{ClientEvent, ClientSession, End, ServerEvent, ServerSession, WindowFull};

/// The encoded bytes of a message, for a `body` field.
pub fn encode(message: &impl Message) -> bytes::Bytes {
    message.encode_to_vec().into()
}
