//! A seeded bad network: a TCP proxy that delays, stalls, trickles, cuts and falls silent.
//!
//! # Takes and gives
//! A [`Profile`], a seed and an address in; a [`Proxy`] that carries every connection to that address, and [`Counts`] of
//! what it did to them. [`Plan`] says beforehand what will happen to a connection.
//!
//! # Invariants
//! - What happens to a connection follows from the seed and its number alone: faults stand at byte offsets and at times
//!   since its start, not at reads, so how the kernel cuts the stream changes nothing.
//! - Bytes are never changed, left out in the middle or reordered: what arrives is a prefix of what was sent.
//! - Memory per connection is bounded; a peer that does not read holds the other one back.
//!
//! # Not here
//! Datagrams, and loss below TCP (its shape is here: a stall of one retransmission). The simulator plays its own net.

mod lane;
mod plan;
mod profile;
mod proxy;

pub use plan::{Fate, Freeze, LanePlan, Plan, Step};
pub use profile::Profile;
pub use proxy::{Counts, Dial, Proxy};
