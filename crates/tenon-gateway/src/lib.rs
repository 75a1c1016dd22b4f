//! Long connections and HTTP of devices: sockets, sessions, frames. It knows connections, not conversations.
//!
//! # Takes and gives
//! Frames over TCP, TLS and WebSocket, and small JSON calls over HTTP -> calls of [`tenon_core::admission::Admission`] and
//! [`tenon_core::handover::Users`]; their answers and deliveries -> frames. [`tenon_core::handover::Multicast`] in, tips and
//! bodies of open pull-mode conversations out.
//!
//! # Invariants
//! - A length is checked against its bound before anything is allocated for it; an unknown caller holds at most 16 KiB.
//! - Nothing waits in memory for a slow device: its mailbox is bounded, then sync is told so and waits, then the link ends.
//! - Batches of one link are contiguous: what does not go on where the last one ended is dropped, and sync streams anew.
//! - A multicast reaches only members that the leader confirmed at its `leave_ver` (I16).
//! - No body and no secret is ever logged.
//!
//! # Not here
//! Who may do what (`tenon-core`), admission and reads (`tenon-receiver`), queues and cursors (`tenon-sync`).

pub mod error;
pub mod metrics;
pub mod options;
pub mod service;

mod connection;
mod gate;
mod http;
mod map;
mod multicast;
mod tls;
mod transport;

pub use connection::carried::{Carried, Turned};
pub use error::GatewayError;
pub use http::{overview_body, sign_in_body};
pub use metrics::Metrics;
pub use options::{GatewayOptions, TlsSource};
pub use service::{Doors, Gateway, Listening};
