//! The doors: how rooms reach what lies outside the house. Bytes only.
//!
//! # Takes and gives
//! Records, rows, objects and messages as bytes in; the same bytes out, under the laws each trait states.
//!
//! # Invariants
//! - Every error answers `retry()`.
//! - Every law is a test of the contract suite (feature `contract`), run by every adapter.
//!
//! # Not here
//! Domain words (message, user), formats (`tenon-store`), engines (`tenon-embedded`, `tenon-cluster`).

pub mod blob;
pub mod bus;
#[cfg(feature = "contract")]
pub mod contract;
pub mod directory;
pub mod kv;
pub mod log;
pub mod memory;

pub use blob::{Blob, BlobError};
pub use bus::{Bus, BusError};
pub use directory::{Directory, DirectoryError};
pub use kv::{Checkpoint, Direction, Kv, KvError, KvSnapshot, Run, Space};
pub use log::{Append, Durability, Log, LogError, Reach, Record};
