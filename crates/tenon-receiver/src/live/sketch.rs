//! The busiest keys of the last minute in bounded memory: Space-Saving over windows of ten seconds.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams",
//! 2005) keeps a fixed number of counters; a key without one takes over the smallest. A count is never too low by
//! the window's own words and too high by at most `events / SLOTS`; a key with more events than that is always there.
//! With no more than [`SLOTS`] keys in a window all counts are exact. Windows instead of a decay: what they say is
//! "in the last minute", and an old burst is gone when its window is.

use tenon_base::{Deadline, Map};

/// Counters of one window. An event of a key without a counter looks at all of them: 128 numbers in 8 cache lines.
pub(crate) const SLOTS: usize = 128;
/// Windows that make the last minute, the running one not counted.
const WINDOWS: usize = 6;
/// Length of a window, microseconds.
const WINDOW_US: u64 = 10_000_000;

/// One window: [`SLOTS`] counters.
#[derive(Debug, Clone, Default)]
struct Window {
    /// Which window of the clock it is.
    number: u64,
    keys: Vec<u64>,
    counts: Vec<u32>,
    places: Map<u64, usize>,
}

impl Window {
    fn begin(&mut self, number: u64) {
        self.number = number;
        self.keys.clear();
        self.counts.clear();
        self.places.clear();
    }

    fn add(&mut self, key: u64) {
        if let Some(count) = self.places.get(&key).and_then(|at| self.counts.get_mut(*at)) {
            *count = count.saturating_add(1);
            return;
        }
        if self.keys.len() < SLOTS {
            self.places.insert(key, self.keys.len());
            self.keys.push(key);
            self.counts.push(1);
            return;
        }
        let smallest = self.counts.iter().copied().min().unwrap_or_default();
        let found = self.counts.iter().position(|count| *count == smallest);
        let Some((at, held)) = found.and_then(|at| Some((at, self.keys.get_mut(at)?))) else {
            return;
        };
        self.places.remove(held);
        *held = key;
        self.places.insert(key, at);
        if let Some(count) = self.counts.get_mut(at) {
            *count = smallest.saturating_add(1);
        }
    }
}

/// The busiest keys, fed one event at a time. Some 40 KiB once it is warm; never more.
#[derive(Debug, Clone)]
pub(crate) struct Busiest {
    windows: Vec<Window>,
}

impl Busiest {
    /// Nothing seen yet.
    pub(crate) fn new() -> Self {
        Self { windows: vec![Window::default(); WINDOWS + 1] }
    }

    /// One event of `key`.
    pub(crate) fn add(&mut self, key: u64, now: Deadline) {
        let number = number_at(now);
        let place = usize::try_from(number % (WINDOWS as u64 + 1)).unwrap_or_default();
        let Some(window) = self.windows.get_mut(place) else { return };
        if window.number != number {
            window.begin(number);
        }
        window.add(key);
    }

    /// The busiest keys with their events of the last 60 to 70 seconds, scaled to a minute: most events first, then by key.
    pub(crate) fn top(&self, now: Deadline, limit: usize) -> Vec<(u64, u64)> {
        let number = number_at(now);
        let oldest = number.saturating_sub(WINDOWS as u64);
        let mut sums: Map<u64, u64> = Map::default();
        for window in self.windows.iter().filter(|w| (oldest..=number).contains(&w.number)) {
            for (key, count) in window.keys.iter().zip(&window.counts) {
                *sums.entry(*key).or_default() += u64::from(*count);
            }
        }
        // The windows cover what of the clock has run since the oldest of them began.
        let covered_us = now.0.saturating_sub(oldest.saturating_sub(1) * WINDOW_US);
        let minute = 6 * WINDOW_US;
        let mut top: Vec<(u64, u64)> = sums
            .into_iter()
            .map(|(key, sum)| {
                let scaled = if covered_us > minute { sum * minute / covered_us } else { sum };
                (key, scaled.max(1))
            })
            .collect();
        top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        top.truncate(limit);
        top
    }
}

/// Windows are counted from 1, so that an untouched one is nobody's.
const fn number_at(now: Deadline) -> u64 {
    now.0 / WINDOW_US + 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Deadline {
        Deadline(seconds * 1_000_000)
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut busiest = Busiest::new();
        for second in 0..60 {
            for key in 1..=SLOTS as u64 {
                for _ in 0..key % 5 {
                    busiest.add(key, at(second));
                }
            }
        }
        let top = busiest.top(at(59), SLOTS);
        assert!(top.iter().all(|(key, count)| *count == key % 5 * 60), "{top:?}");
        assert_eq!(top.len(), SLOTS - SLOTS / 5, "keys without events are not there");
        assert_eq!(top.first(), Some(&(4, 240)));
    }

    #[test]
    fn a_burst_leaves_with_its_minute() {
        let mut busiest = Busiest::new();
        for _ in 0..1_000 {
            busiest.add(7, at(5));
        }
        assert_eq!(busiest.top(at(6), 10), [(7, 1_000)]);
        busiest.add(8, at(50));
        assert_eq!(busiest.top(at(55), 10), [(7, 1_000), (8, 1)]);
        assert_eq!(busiest.top(at(70), 10), [(8, 1)], "the window of second 5 is gone");
        assert!(busiest.top(at(200), 10).is_empty());
        busiest.add(9, at(1_000));
        assert_eq!(busiest.top(at(1_000), 10), [(9, 1)], "a window of long ago is not mixed in");
    }

    #[test]
    fn a_steady_rate_is_told_as_of_a_minute() {
        let mut busiest = Busiest::new();
        for second in 0..200 {
            for _ in 0..10 {
                busiest.add(3, at(second));
            }
            let told = busiest.top(at(second), 1);
            let count = told.first().map_or(0, |(_, count)| *count);
            let wanted = if second < 60 { second * 10..=second * 10 + 10 } else { 590..=610 };
            assert!(wanted.contains(&count), "{count} at {second}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Against exact counts: what is heavy is there, and no count is wrong by more than the bound.
        #[test]
        fn the_heavy_ones_are_found_among_many(seed in any::<u64>(), events in 2_000_usize..20_000) {
            let mut busiest = Busiest::new();
            let mut exact: BTreeMap<u64, u64> = BTreeMap::new();
            let mut state = seed | 1;
            for _ in 0..events {
                // xorshift: half of the events go to 16 keys, the rest to thousands.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let key = if state % 2 == 0 { state / 2 % 16 } else { 1_000 + state / 2 % 5_000 };
                *exact.entry(key).or_default() += 1;
                busiest.add(key, at(3));
            }
            let slack = (events / SLOTS) as u64;
            let told = busiest.top(at(3), SLOTS);
            for (key, count) in &told {
                let true_count = exact.get(key).copied().unwrap_or_default();
                prop_assert!(*count >= true_count && *count <= true_count + slack, "{key}: {count} for {true_count}");
            }
            for (key, count) in exact {
                prop_assert!(count <= slack || told.iter().any(|(k, _)| *k == key), "{key} with {count} is missing");
            }
        }
    }
}
