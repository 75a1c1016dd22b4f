//! Archives of other chat systems become import entries: original time, original order, every line once.
//!
//! # Takes and gives
//! A Slack export ZIP in; users, channels and, channel by channel, a stream of [`tenon_core::ImportEntry`] out
//! ([`slack::Archive`]), cut into pieces that fit a log record ([`Batches`]), and a [`Report`] of what was taken, what
//! was changed and what was left out and why.
//!
//! # Invariants
//! - Nothing depends on the clock, on chance or on hash order: one archive and one id key give one plan, so a run that
//!   was cut off is simply run again.
//! - Entries of a channel come in time order (ties: file order); a root comes before its replies.
//! - After the last entry the members are those that the archive's list names ([`slack::Archive::entries`]).
//! - A damaged file is refused before the first entry of its channel is given: what stands behind cannot be squeezed
//!   in later.
//! - Memory is bounded by [`Limits`], whatever the archive claims about itself.
//!
//! # Not here
//! Making users and conversations, sending the batches through the log, throttling, attachments' bytes: the server.
//! What an entry does to a conversation: `tenon_core::conversation`. The encoding of a message: [`Bodies`], given by the server. Reactions and pins are counted, not taken.

mod batch;
mod bodies;
mod error;
mod ids;
mod options;
mod report;
pub mod slack;
mod unpack;

pub use batch::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Batches, entry_bytes};
pub use bodies::{Bodies, Body, Mention};
pub use error::ImportError;
pub use ids::Ids;
pub use options::Limits;
pub use report::{Example, Report};
