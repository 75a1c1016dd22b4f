//! Times in buckets that grow with them: three per cent wide from one microsecond to an hour, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits below the leading one that tell buckets of an octave apart: 32 buckets, so a bucket is at most 1/32 wide.
const FINE_BITS: u32 = 5;
const FINE: usize = 1 << FINE_BITS;
/// Times at or above 2^32 µs, 71 minutes, count as that.
const OCTAVES: usize = 32 - FINE_BITS as usize;
const BUCKETS: usize = FINE * (OCTAVES + 1);

/// Counts since the start; two pictures of them subtract to what happened between.
#[derive(Debug)]
pub(crate) struct Latency {
    buckets: Vec<AtomicU64>,
}

/// A picture of a [`Latency`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Vec<u64>);

impl Latency {
    pub(crate) fn new() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts a time.
    pub(crate) fn add(&self, us: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(us)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts(self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect())
    }
}

impl Counts {
    /// The time below which `share` (0 to 1) of what was counted since `before` lies: the upper end of its bucket, in
    /// microseconds. `None` if nothing was.
    pub(crate) fn quantile_since(&self, before: &Self, share: f64) -> Option<u64> {
        let earlier = before.0.iter().copied().chain(std::iter::repeat(0));
        let between: Vec<u64> =
            self.0.iter().zip(earlier).map(|(now, then)| now.saturating_sub(then)).collect();
        let total: u64 = between.iter().sum();
        if total == 0 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of ten seconds, far below 2^52"
        )]
        let rank = ((total as f64 * share).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        let at = between.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        at.map(upper_end)
    }
}

fn bucket_of(us: u64) -> usize {
    let us = us.clamp(1, (1 << 32) - 1);
    let leading = us.ilog2();
    if leading < FINE_BITS {
        return usize::try_from(us).unwrap_or_default();
    }
    let octave = (leading - FINE_BITS + 1) as usize;
    let fine = usize::try_from(us >> (leading - FINE_BITS)).unwrap_or_default() & (FINE - 1);
    octave * FINE + fine
}

/// The highest time of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let (octave, fine) = (bucket / FINE, (bucket % FINE) as u64);
    if octave == 0 {
        return fine;
    }
    let shift = octave - 1;
    ((FINE as u64 + fine + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_times_and_is_narrow() {
        let mut before = 0;
        for us in (1..5_000).chain((5_000..4_000_000_000).step_by(7_919_777)) {
            let bucket = bucket_of(us);
            assert!(bucket < BUCKETS && bucket >= before, "{us}");
            before = bucket;
            let end = upper_end(bucket);
            assert!(end >= us && end - us <= us / 31 + 1, "{us} in a bucket to {end}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket_of(0), bucket_of(1));
    }

    #[test]
    fn quantiles_are_of_what_came_between_two_pictures() {
        let latency = Latency::new();
        for _ in 0..1_000 {
            latency.add(9_000_000);
        }
        let before = latency.counts();
        assert_eq!(latency.counts().quantile_since(&before, 0.5), None);
        for us in 1..=1_000 {
            latency.add(us * 10);
        }
        let now = latency.counts();
        let p50 = now.quantile_since(&before, 0.5).unwrap_or_default();
        let p99 = now.quantile_since(&before, 0.99).unwrap_or_default();
        assert!((5_000..=5_160).contains(&p50), "{p50}");
        assert!((9_900..=10_220).contains(&p99), "{p99}");
        let all = now.quantile_since(&Counts::default(), 0.99).unwrap_or_default();
        assert!((9_000_000..=9_300_000).contains(&all), "{all}");
    }
}
