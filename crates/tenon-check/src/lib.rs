//! An offline checker: it reads the recorded history of a chat system and says which promises were broken.
//!
//! # Takes and gives
//! Lines of histories (`docs/formats/history.md`) in, through [`check_files`] or a [`Checker`]; a [`Report`] out.
//!
//! # Invariants
//! - It knows no server: everything is judged by what devices asked for, were answered and were shown.
//! - A rule that had nothing to decide says so; silence is not a proof ([`Report::untested`]).
//! - Memory grows with messages and devices, not with lines, and has a bound ([`Options::messages_max`]).
//! - Same lines, same report.
//!
//! # Not here
//! Recording (`tenon-client`); what a server's own files look like (`tenon verify`).

mod checker;
mod deliver;
mod end;
mod finding;
mod line;
mod member;
mod ranges;
mod read;
mod render;
mod rule;
mod send;
mod state;

pub use checker::{Checker, Options};
pub use finding::{Finding, Place, Report, Tally};
pub use line::Malformed;
pub use read::{CheckError, check_files};
pub use rule::Rule;
