//! One stream of numbered messages as its receiver sees it: which are missing, repeated, late.

use std::collections::BTreeSet;

use crate::Checked;

/// Numbers 1, 2, 3, ... in order, if all is well.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    last: u64,
    missing: BTreeSet<u64>,
    repeated: u64,
    reordered: u64,
}

impl Flow {
    /// Takes the next arrival. False if it was there before.
    pub(crate) fn take(&mut self, n: u64) -> bool {
        if n > self.last {
            self.missing.extend(self.last + 1..n);
            self.last = n;
        } else if self.missing.remove(&n) {
            self.reordered += 1;
        } else {
            self.repeated += 1;
            return false;
        }
        true
    }

    /// True if everything up to `n` arrived.
    pub(crate) fn has_all(&self, n: u64) -> bool {
        self.last >= n && self.missing.range(..=n).next().is_none()
    }

    /// The verdict when everything up to `acked` was acknowledged.
    pub(crate) fn checked(&self, acked: u64) -> Checked {
        let holes = self.missing.range(..=acked).count() as u64;
        Checked {
            lost: holes + acked.saturating_sub(self.last),
            repeated: self.repeated,
            reordered: self.reordered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arrivals: &[u64], acked: u64, lost: u64, repeated: u64, reordered: u64) {
        let mut flow = Flow::default();
        for n in arrivals {
            flow.take(*n);
        }
        assert_eq!(flow.checked(acked), Checked { lost, repeated, reordered }, "{arrivals:?}");
        assert_eq!(flow.has_all(acked), lost == 0, "{arrivals:?}");
    }

    #[test]
    fn losses_repeats_and_order_are_told_apart() {
        check(&[1, 2, 3], 3, 0, 0, 0);
        check(&[1, 2, 3], 5, 2, 0, 0);
        check(&[1, 3], 3, 1, 0, 0);
        check(&[1, 3, 2], 3, 0, 0, 1);
        check(&[1, 2, 2, 1], 2, 0, 2, 0);
        check(&[2, 4, 4, 3], 4, 1, 1, 1);
        check(&[1, 2, 3, 5], 3, 0, 0, 0);
    }
}
