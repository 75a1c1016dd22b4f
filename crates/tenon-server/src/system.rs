//! Time and randomness of the operating system: the only place that reads them.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the one reader of the machine's clock"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tenon_base::{Clock, Deadline, Random, Timestamp};

/// The machine's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Deadline {
        Deadline(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// The operating system's random bytes.
#[derive(Debug)]
pub(crate) struct OsRandom(SystemRandom);

impl OsRandom {
    pub(crate) fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Random for OsRandom {
    /// A machine without randomness cannot keep a secret, so this waits for it.
    fn fill(&self, bytes: &mut [u8]) {
        while self.0.fill(bytes).is_err() {
            std::thread::yield_now();
        }
    }
}
