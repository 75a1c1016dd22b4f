//! A set of numbers as ranges: one entry per unbroken run.

use std::collections::BTreeMap;

/// Ranges that neither touch nor overlap: first number to last number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `lo..=hi`; nothing if `lo > hi`.
    pub(crate) fn add(&mut self, lo: u64, hi: u64) {
        if lo > hi {
            return;
        }
        let (mut from, mut to) = (lo, hi);
        while let Some((&at, &end)) = self.0.range(..=to.saturating_add(1)).next_back() {
            if end.saturating_add(1) < from {
                break;
            }
            self.0.remove(&at);
            (from, to) = (from.min(at), to.max(end));
        }
        self.0.insert(from, to);
    }

    /// Takes `lo..=hi` out.
    pub(crate) fn remove(&mut self, lo: u64, hi: u64) {
        while let Some((&at, &end)) = self.0.range(..=hi).next_back() {
            if end < lo {
                return;
            }
            self.0.remove(&at);
            if end > hi {
                self.0.insert(hi + 1, end);
            }
            if at < lo {
                self.0.insert(at, lo - 1);
            }
        }
    }

    /// True if `n` is in the set.
    pub(crate) fn has(&self, n: u64) -> bool {
        self.0.range(..=n).next_back().is_some_and(|(_, end)| *end >= n)
    }

    /// The lowest number of the set in `lo..=hi`.
    pub(crate) fn first_in(&self, lo: u64, hi: u64) -> Option<u64> {
        if self.has(lo) && lo <= hi {
            return Some(lo);
        }
        if lo > hi {
            return None;
        }
        self.0.range(lo..=hi).next().map(|(at, _)| *at)
    }

    /// True if nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenon_base::{Random as _, SeededRandom};

    fn of(pairs: &[(u64, u64)]) -> Ranges {
        Ranges(pairs.iter().copied().collect())
    }

    #[test]
    fn neighbours_become_one() {
        let mut r = Ranges::default();
        r.add(5, 6);
        r.add(1, 2);
        assert_eq!(r, of(&[(1, 2), (5, 6)]));
        r.add(3, 4);
        assert_eq!(r, of(&[(1, 6)]));
        r.remove(3, 3);
        assert_eq!(r, of(&[(1, 2), (4, 6)]));
        assert_eq!((r.has(2), r.has(3), r.has(4)), (true, false, true));
        assert_eq!(
            (r.first_in(3, 9), r.first_in(7, 9), r.first_in(2, 2)),
            (Some(4), None, Some(2))
        );
        r.add(u64::MAX, u64::MAX);
        assert!(r.has(u64::MAX));
    }

    /// Any adds and removes give what a plain set gives.
    #[test]
    fn it_equals_a_set() {
        for seed in 0..50 {
            let random = SeededRandom::new(seed);
            let (mut ranges, mut set) = (Ranges::default(), std::collections::BTreeSet::new());
            for _ in 0..200 {
                let lo = random.next_u64() % 60;
                let hi = lo + random.next_u64() % 8;
                if random.next_u64().is_multiple_of(3) {
                    ranges.remove(lo, hi);
                    set.retain(|n| *n < lo || *n > hi);
                } else {
                    ranges.add(lo, hi);
                    set.extend(lo..=hi);
                }
                let held: Vec<u64> = (0..80).filter(|n| ranges.has(*n)).collect();
                assert_eq!(held, set.iter().copied().collect::<Vec<_>>(), "seed {seed}");
            }
            assert_eq!(ranges.is_empty(), set.is_empty());
        }
    }
}
