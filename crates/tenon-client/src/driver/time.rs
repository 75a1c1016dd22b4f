//! The machine's clock and random source.

use std::time::{Duration, Instant, UNIX_EPOCH};

use tenon_base::{Clock, Deadline, Random, Timestamp};

use crate::engine::Now;

/// The clock of this machine; monotonic time starts with the value.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
        let start = Instant::now();
        Self { start }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            clippy::disallowed_types,
            reason = "the driver is where time comes from"
        )]
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(0).plus(since)
    }

    fn monotonic(&self) -> Deadline {
        Deadline(0).plus(self.start.elapsed())
    }
}

/// The random source of the crypto library.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// A machine without randomness cannot keep a secret, so this waits for it.
    fn fill(&self, bytes: &mut [u8]) {
        while aws_lc_rs::rand::fill(bytes).is_err() {
            std::thread::yield_now();
        }
    }
}

/// Both clocks.
pub(super) fn now(clock: &dyn Clock) -> Now {
    Now { wall: clock.now(), mono: clock.monotonic() }
}

/// How long until `at`.
pub(super) fn until(clock: &dyn Clock, at: Deadline) -> Duration {
    at.since(clock.monotonic())
}
