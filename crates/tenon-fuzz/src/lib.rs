//! Every decoder of bytes from outside or from disk as a plain function, and what tries to break them.
//!
//! # Takes and gives
//! [`TARGETS`] names them; [`try_input`] runs one over one input and says whether a law broke; [`Mutator`] makes inputs
//! out of others; [`minimise`] makes a failing one small. The binary `tenon-fuzz` is the driver for the stable toolchain;
//! the folder `fuzz/` of the repository hands the same functions to cargo-fuzz.
//!
//! # Invariants
//! - The law of every target: no panic, no hang above [`TIME_MAX`], never more than [`Target::memory_factor`] times the
//!   input and [`Target::memory_slack`] alive at once, and what is decoded comes back after being encoded.
//! - One seed gives one run: no clock and no chance but the time limits.
//!
//! # Not here
//! Invariants of whole histories (`tenon-sim`), speed (`tenon-bench`).

mod attempt;
mod corpus;
mod meter;
mod minimise;
mod mutate;
mod target;
mod targets;

pub use attempt::{Attempt, Failure, TIME_MAX, quiet_panics, try_input};
pub use corpus::{Corpus, CorpusError};
pub use meter::Meter;
pub use minimise::minimise;
pub use mutate::Mutator;
pub use target::{Law, Target};
pub use targets::{CANARY, TARGETS, find};
