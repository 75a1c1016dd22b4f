//! The doors on one machine: the log on a ring of segments, the ordered store on fjall, objects in a directory.
//!
//! # Takes and gives
//! Records, rows and objects as bytes in; the same bytes out, under the laws of `tenon-ports`. All of it lies in one data
//! directory, held by one process ([`lock::DataDir`]).
//!
//! # Invariants
//! - What a call promised as durable survives power loss; a failed sync is never repeated (L1).
//! - A damaged byte of the log is found before anybody reads it; nothing valid is cut or skipped without an order (L4-L8).
//! - `state` and its checkpoint change in one step (E5).
//!
//! # Not here
//! What the bytes mean and how values are packed: `tenon-store`. The log and store of a cluster: `tenon-cluster`.

pub mod blob;
mod blocking;
pub mod disk;
pub mod kv;
pub mod lock;
pub mod log;

pub use blob::DirectoryBlob;
pub use disk::{Disk, DiskFile, RealDisk};
pub use kv::{FjallKv, KvOptions};
pub use lock::{DataDir, DataDirError};
pub use log::{EmbeddedLog, LogMode, LogOptions, LogStepper, RecoveryReport};
