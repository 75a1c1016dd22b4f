//! The set of verified history of one conversation.

use crate::row::IntervalRow;

/// Disjoint intervals by `lo`. One is current if its `vrev` is not below the conversation's `break_rev`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntervalSet {
    rows: Vec<IntervalRow>,
}

impl IntervalSet {
    /// The set that was stored; rows must be disjoint and rising.
    pub const fn from_rows(rows: Vec<IntervalRow>) -> Self {
        Self { rows }
    }

    /// The intervals by `lo`.
    pub fn rows(&self) -> &[IntervalRow] {
        &self.rows
    }

    /// True if nothing is held.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// Adds `lo..=hi` as of `vrev`: it replaces what it overlaps and joins what it touches, if that is current.
    /// The joined interval is as old as its oldest part. An empty range is ignored.
    pub fn add(&mut self, lo: u64, hi: u64, vrev: u64, break_rev: u64) {
        if lo == 0 || lo > hi {
            return;
        }
        self.cut(lo, hi);
        let mut row = IntervalRow { lo, hi, vrev };
        let is_current = |other: &IntervalRow| other.vrev >= break_rev && vrev >= break_rev;
        if let Some(at) = self.rows.iter().position(|o| o.hi.checked_add(1) == Some(lo))
            && is_current(&self.rows[at])
        {
            let below = self.rows.remove(at);
            row = IntervalRow { lo: below.lo, hi: row.hi, vrev: row.vrev.min(below.vrev) };
        }
        if let Some(at) = self.rows.iter().position(|o| hi.checked_add(1) == Some(o.lo))
            && is_current(&self.rows[at])
        {
            let above = self.rows.remove(at);
            row = IntervalRow { lo: row.lo, hi: above.hi, vrev: row.vrev.min(above.vrev) };
        }
        let at = self.rows.partition_point(|o| o.lo < row.lo);
        self.rows.insert(at, row);
    }

    /// A new message `seq` as of `rev`: extends the current interval that ends right below it, else stands alone.
    pub fn extend(&mut self, seq: u64, rev: u64, break_rev: u64) {
        let below = self.rows.iter().find(|r| r.hi.checked_add(1) == Some(seq)).copied();
        match below.filter(|row| row.vrev >= break_rev) {
            Some(row) => self.add(row.lo, seq, row.vrev, break_rev),
            None if !self.holds(seq) => self.add(seq, seq, rev, break_rev),
            None => {}
        }
    }

    /// Takes `lo..=hi` out, splitting what reaches over it.
    pub fn cut(&mut self, lo: u64, hi: u64) {
        let mut rows = Vec::with_capacity(self.rows.len() + 1);
        for row in self.rows.drain(..) {
            if row.hi < lo || row.lo > hi {
                rows.push(row);
                continue;
            }
            if row.lo < lo {
                rows.push(IntervalRow { hi: lo - 1, ..row });
            }
            if row.hi > hi {
                rows.push(IntervalRow { lo: hi + 1, ..row });
            }
        }
        self.rows = rows;
    }

    /// The current interval that holds `seq`.
    pub fn around(&self, seq: u64, break_rev: u64) -> Option<IntervalRow> {
        self.rows.iter().copied().find(|r| r.lo <= seq && seq <= r.hi && r.vrev >= break_rev)
    }

    /// The lowest seq such that everything from it up to `hi` is current; `None` if `hi` itself is not.
    pub fn reach_down(&self, hi: u64, break_rev: u64) -> Option<u64> {
        let mut lo = self.around(hi, break_rev)?.lo;
        while let Some(below) = lo.checked_sub(1).and_then(|seq| self.around(seq, break_rev)) {
            lo = below.lo;
        }
        Some(lo)
    }

    /// The highest seq such that everything from `lo` up to it is current; `None` if `lo` itself is not.
    pub fn reach_up(&self, lo: u64, break_rev: u64) -> Option<u64> {
        let mut hi = self.around(lo, break_rev)?.hi;
        while let Some(above) = hi.checked_add(1).and_then(|seq| self.around(seq, break_rev)) {
            hi = above.hi;
        }
        Some(hi)
    }

    fn holds(&self, seq: u64) -> bool {
        self.rows.iter().any(|r| r.lo <= seq && seq <= r.hi)
    }
}

#[cfg(test)]
mod tests {
    use tenon_base::{Random, SeededRandom};

    use super::*;

    fn set(rows: &[(u64, u64, u64)]) -> IntervalSet {
        IntervalSet {
            rows: rows.iter().map(|&(lo, hi, vrev)| IntervalRow { lo, hi, vrev }).collect(),
        }
    }

    /// Pages that touch join and take the older rev; a stale neighbour stays apart.
    #[test]
    fn touching_pages_join() {
        let mut s = set(&[(1, 10, 5), (21, 30, 3)]);
        s.add(11, 20, 9, 4);
        assert_eq!(s, set(&[(1, 20, 5), (21, 30, 3)]));
        s.add(21, 30, 9, 4);
        assert_eq!(s, set(&[(1, 30, 5)]));
    }

    /// A page replaces the part it covers and nothing else.
    #[test]
    fn overlap_is_replaced() {
        let mut s = set(&[(1, 10, 1)]);
        s.add(4, 6, 9, 2);
        assert_eq!(s, set(&[(1, 3, 1), (4, 6, 9), (7, 10, 1)]));
        assert_eq!(s.reach_down(6, 2), Some(4));
        assert_eq!(s.reach_down(7, 2), None);
    }

    /// A new message extends the top only if the top is current and has no hole before it.
    #[test]
    fn a_message_extends_the_top() {
        let mut s = set(&[(1, 3, 5)]);
        s.extend(4, 8, 0);
        assert_eq!(s, set(&[(1, 4, 5)]));
        s.extend(6, 9, 0);
        assert_eq!(s, set(&[(1, 4, 5), (6, 6, 9)]));
        s.extend(7, 10, 10);
        assert_eq!(s, set(&[(1, 4, 5), (6, 6, 9), (7, 7, 10)]));
        let mut s = set(&[(1, 3, 5), (4, 4, 9)]);
        s.extend(4, 9, 0);
        assert_eq!(s, set(&[(1, 4, 5)]), "a row that was held alone joins");
    }

    /// Against a map of single seqs, the set holds the same seqs and is never more optimistic about their rev.
    #[test]
    fn equals_a_map_of_seqs() {
        for seed in 0..200 {
            let random = SeededRandom::new(seed);
            let (mut s, mut model) = (IntervalSet::default(), std::collections::BTreeMap::new());
            for rev in 1..40 {
                let lo = random.next_u64() % 30 + 1;
                let hi = lo + random.next_u64() % 6;
                match random.next_u64() % 4 {
                    0 => {
                        s.cut(lo, hi);
                        model.retain(|seq, _| *seq < lo || *seq > hi);
                    }
                    1 => {
                        s.extend(lo, rev, 0);
                        model.entry(lo).or_insert(rev);
                    }
                    _ => {
                        s.add(lo, hi, rev, 0);
                        model.extend((lo..=hi).map(|seq| (seq, rev)));
                    }
                }
                assert!(s.rows.windows(2).all(|w| w[0].hi < w[1].lo), "seed {seed}: {s:?}");
                for seq in 1..40 {
                    let held = s.around(seq, 0);
                    assert_eq!(held.is_some(), model.contains_key(&seq), "seed {seed} seq {seq}");
                    assert!(held.is_none_or(|row| row.vrev <= model[&seq]), "seed {seed}");
                }
            }
        }
    }
}
