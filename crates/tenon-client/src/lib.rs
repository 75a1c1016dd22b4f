//! The device's side of Tenon: the engine that keeps a local copy of what a user may see, and its stores.
//!
//! # Takes and gives
//! Commands of the app and bytes of a link in; store transactions, bytes, answers and events out ([`engine`]).
//! [`store`] keeps what the engine commits; [`row`] are the rows; [`driver`] runs an engine on tokio.
//!
//! # Invariants
//! - Nothing that depends on a change leaves before the transaction with that change is committed.
//! - A command has one key (conversation, device epoch, cid) until it is answered, over any number of links.
//! - The cursor passes an event only together with its effect or with a stored debt.
//!
//! # Not here
//! Frames and sessions (`tenon-wire`); the rules of conversations (the server decides, the device follows).

pub mod driver;
pub mod engine;
pub mod row;
pub mod store;

pub use driver::{
    Client, ClientError, ClientEvent, ClientOptions, Events, HistoryRows, Sent, ServerUrl, SignIn,
    StoreChoice, Tls, Trust, sign_in,
};
pub use engine::{
    Answer, AppEvent, Auth, Command, ConnectionState, Engine, EngineConfig, ListLine, Now, Output,
};
pub use store::{MemoryStore, SqliteStore, Store, StoreError, StoreOp};
