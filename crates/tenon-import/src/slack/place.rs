//! Lines that wait for their turn, and what may stand at one timestamp.

use std::cmp::Ordering;

use tenon_base::{Timestamp, UserId};

use super::day::LineKind;
use super::ts::Ts;
use crate::bodies::Body;

/// A line ready to be given, ordered by time, then by file, then by place in the file.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) at: (Ts, usize, usize),
    pub(super) user: UserId,
    pub(super) kind: LineKind,
    /// Encoded bodies, one for each part; empty for joins and leaves.
    pub(super) bodies: Vec<Body>,
    /// Root as the conversation will have it.
    pub(super) root: Option<Ts>,
    /// True if the line answers in a thread, though it may have become the root.
    pub(super) is_reply: bool,
    pub(super) edited: Timestamp,
    /// Who says what: two lines with one timestamp and one print are one line.
    pub(super) print: [u8; 16],
}

impl Held {
    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.bodies.iter().map(|b| size_of::<Body>() + b.bytes.len()).sum::<usize>()
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

/// What stood at the timestamp just given.
#[derive(Debug, Default)]
pub(super) struct Instant {
    ts: Ts,
    /// (is a message, print) of each line.
    prints: Vec<(bool, [u8; 16])>,
}

impl Instant {
    /// The line's number among those of its timestamp and sort; `None` if the same line was there already.
    ///
    /// Slack gives a timestamp once in a channel, so this is 0, but archives from elsewhere have others.
    pub(super) fn ordinal(&mut self, held: &Held) -> Option<u32> {
        if self.ts != held.at.0 {
            self.ts = held.at.0;
            self.prints.clear();
        }
        let print = (held.kind.is_message(), held.print);
        if self.prints.contains(&print) {
            return None;
        }
        let ordinal = self.prints.iter().filter(|p| p.0 == print.0).count();
        self.prints.push(print);
        u32::try_from(ordinal).ok()
    }
}
