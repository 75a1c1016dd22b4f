//! Formats of records and tables, the memtable over the log, and typed reads through one atomic view.
//!
//! # Takes and gives
//! Domain values -> bytes for the log and the ordered store; bytes -> domain values.
//!
//! # Invariants
//! - The log is the only write-ahead log: a memtable that is lost is replayed.
//! - State values and the checkpoint that stands on them are one atomic step of the store, written last (E5).
//! - A checkpoint waits until every record and fan-out it stands on is durable in the log (E4).
//! - A reader takes the tip first and the view afterwards; one view shows {active, immutable, engine} at once.
//!
//! # Not here
//! Wire types, sockets, policy; engines (`tenon-embedded`).

mod block;
mod cache;
mod checkpoint;
pub mod codec;
pub mod figures;
pub mod flush;
#[cfg(test)]
mod formats;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod hash;
mod home;
pub mod memtable;
mod numbers;
pub mod pack;
mod read;
pub mod record;
pub mod repack;
mod row;
mod space;
pub mod store;
pub mod table;
pub mod verify;
pub mod view;

pub use cache::Background;
pub use checkpoint::applied_in;
pub use codec::FormatError;
pub use figures::Figures;
pub use flush::Flushed;
pub use memtable::{Entry, Series, SeriesKey, ShardWriter};
pub use pack::Shape;
pub use repack::Repacked;
pub use store::{Store, StoreError, StoreOptions, applied_positions};
pub use verify::{Problem, VerifyReport};
pub use view::{Part, View};
