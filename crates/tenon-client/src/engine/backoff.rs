//! Pauses between tries: decorrelated jitter.

use std::time::Duration;

use tenon_base::Random;

/// The last pause; the next is drawn from the shortest to three times it.
#[derive(Debug)]
pub(super) struct Backoff {
    last: Duration,
    min: Duration,
}

impl Backoff {
    pub(super) const fn new(min: Duration) -> Self {
        Self { last: min, min }
    }

    /// The next pause, at most `max`.
    pub(super) fn next(&mut self, random: &dyn Random, max: Duration) -> Duration {
        self.last = between(random, self.min, self.last * 3).min(max);
        self.last
    }

    /// A link lived: the next pause is short again.
    pub(super) const fn reset(&mut self) {
        self.last = self.min;
    }
}

/// A random time in `from..=to`.
pub(super) fn between(random: &dyn Random, from: Duration, to: Duration) -> Duration {
    let span = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX - 1);
    from + Duration::from_micros(random.next_u64() % (span + 1))
}

/// `retry_after_ms` times U(1, 1.5), at least 50 ms so that a server that says 0 is not hammered.
pub(super) fn after(random: &dyn Random, retry_after_ms: u32) -> Duration {
    let base = Duration::from_millis(u64::from(retry_after_ms.max(50)));
    between(random, base, base * 3 / 2)
}

#[cfg(test)]
mod tests {
    use tenon_base::SeededRandom;

    use super::*;

    /// Pauses stay in their bounds, differ, and fall back after a reset.
    #[test]
    fn pauses_stay_in_bounds() {
        let (min, max) = (Duration::from_millis(300), Duration::from_secs(30));
        let random = SeededRandom::new(7);
        let mut backoff = Backoff::new(min);
        let pauses: Vec<_> = (0..200).map(|_| backoff.next(&random, max)).collect();
        assert!(pauses.iter().all(|p| (min..=max).contains(p)));
        assert!(pauses.contains(&max), "the longest pause is reached");
        backoff.reset();
        assert!(backoff.next(&random, max) <= min * 3);
    }
}
