//! Slack exports from the ZIP to the conversation: the entries are played into the rules of `tenon-core`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first fault")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod damage;
mod fixture;
#[path = "../../examples/make_archive/generate.rs"]
mod generate;
mod generated;
mod lines;
mod members;
mod order;
mod replay;
mod sample;
