//! Rate limits by the generic cell rate algorithm: one timestamp per caller, no refill timer.
//!
//! A caller may take `burst` at once and `per_second` for ever. State is one [`Meter`]; the arithmetic is pure.

use tenon_base::Deadline;

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Sustained, 1 or more.
    pub per_second: u32,
    /// At once, 1 or more.
    pub burst: u32,
}

/// Theoretical arrival time of the next cell, in microseconds of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter(u64);

impl Meter {
    /// Takes one; otherwise says after how many milliseconds one will be free (at least 1).
    ///
    /// # Errors
    /// The wait, when the rate is used up.
    pub fn take(&mut self, rate: Rate, now: Deadline) -> Result<(), u32> {
        let step = 1_000_000 / u64::from(rate.per_second.max(1));
        let depth = step.saturating_mul(u64::from(rate.burst.max(1)));
        let arrival = self.0.max(now.0);
        let next = arrival.saturating_add(step);
        let allowed_at = next.saturating_sub(depth);
        if allowed_at > now.0 {
            let wait_ms = (allowed_at - now.0).div_ceil(1000).max(1);
            return Err(u32::try_from(wait_ms).unwrap_or(u32::MAX));
        }
        self.0 = next;
        Ok(())
    }

    /// True when the meter holds no debt, so that it may be forgotten.
    pub const fn is_idle(self, now: Deadline) -> bool {
        self.0 <= now.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

    #[test]
    fn a_burst_passes_and_the_next_waits_one_step() {
        let mut meter = Meter::default();
        let now = Deadline(5_000_000);
        for _ in 0..3 {
            assert_eq!(meter.take(RATE, now), Ok(()));
        }
        assert_eq!(meter.take(RATE, now), Err(100));
        assert_eq!(meter.take(RATE, Deadline(now.0 + 99_000)), Err(1));
        assert_eq!(meter.take(RATE, Deadline(now.0 + 100_000)), Ok(()));
        assert!(!meter.is_idle(now));
        assert!(meter.is_idle(Deadline(now.0 + 1_000_000)));
    }

    #[test]
    fn the_sustained_rate_is_kept() {
        let mut meter = Meter::default();
        let taken = (0..10_000u64)
            .filter(|ms| meter.take(RATE, Deadline(1_000_000 + ms * 1000)).is_ok())
            .count();
        assert_eq!(taken, 3 + 100 - 1, "a burst of 3, then 10 a second for 10 s");
    }
}
