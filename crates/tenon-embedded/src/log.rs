//! The embedded log: one device per node, a ring of recycled segments, one group in flight (storage.md 2).
//!
//! The way of a record: `Intake` gives it its place in the order; the `Writer`, a machine
//! without I/O, frames what waits; the driver's one thread writes it; the committed position moves and wakes who waits.

mod door;
mod driver;
pub mod frame;
mod intake;
mod options;
mod read;
mod recovery;
mod ring;
mod scan;
pub mod segment;
mod shared;
mod writer;

pub use door::EmbeddedLog;
pub use driver::LogStepper;
pub use options::{LogMode, LogOptions};
pub use recovery::{Damage, Evidence, RecoveryReport, TornTail};
