//! The driver: one task that runs an engine on tokio, its handle for the app, and the events.
//!
//! # Takes and gives
//! [`ClientOptions`] in, a [`Client`] and its [`Events`] out. Calls wait for the outcome; the connection comes back
//! by itself.
//!
//! # Invariants
//! - One task and one socket per client, no thread; a store in a file works on the runtime's blocking threads.
//! - Channels are bounded: an app that does not take its events holds the server's stream back.
//!
//! # Not here
//! Every rule ([`crate::engine`]).

mod handle;
mod http;
mod link;
mod options;
mod record;
mod task;
mod time;
mod tls;
mod waiters;
mod websocket;

pub use handle::{Client, ClientError, Events, HistoryRows, Sent};
pub use http::{SignIn, sign_in};
pub use options::{ClientOptions, Scheme, ServerUrl, StoreChoice, UrlError};
pub use record::{Record, RecordTo};
pub use task::rows_of;
pub use time::{SystemClock, SystemRandom};
pub use tls::{Tls, TlsError, Trust};

/// What the app hears; see [`crate::engine::AppEvent`].
pub type ClientEvent = crate::engine::AppEvent;
