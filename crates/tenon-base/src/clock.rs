//! Time, as an argument or through [`Clock`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Wall time in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

/// A point on the monotonic clock, in microseconds since the process (or the simulation) started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Deadline(pub u64);

impl Timestamp {
    /// Later by `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
    /// Time since `earlier`, zero if the clock went back.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Deadline {
    /// Later by `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
    /// Time since `earlier`, zero if it is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Where rooms read time. Decisions never do: they take the admission time of their record.
pub trait Clock: Send + Sync {
    /// Wall time; may jump.
    fn now(&self) -> Timestamp;
    /// Monotonic time; never goes back.
    fn monotonic(&self) -> Deadline;
}

/// A clock that stands still until it is moved: for tests and the simulator.
#[derive(Debug, Default)]
pub struct ManualClock {
    micros: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub const fn at(now: Timestamp) -> Self {
        Self { micros: AtomicU64::new(now.0.saturating_mul(1000)) }
    }
    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.micros.load(Ordering::SeqCst) / 1000)
    }
    fn monotonic(&self) -> Deadline {
        Deadline(self.micros.load(Ordering::SeqCst))
    }
}
