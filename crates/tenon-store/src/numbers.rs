//! Flush numbers: every flush and re-pack signs what it writes, so that what a crash left behind is told apart.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codec::{FormatError, Reader, Writer};

/// Numbers reserved at a time: one checkpoint of its own per so many flushes at most.
pub(crate) const RESERVED_AT_A_TIME: u64 = 16;

/// Who signed and whose signature counts. Numbers start at 1 and are never given twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbers {
    next: u64,
    /// Numbers below are reserved in the engine.
    reserved: u64,
    /// Given and not yet confirmed.
    open: BTreeSet<u64>,
    /// Ranges (first, last) that will never be confirmed, ascending.
    aborted: Vec<(u64, u64)>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { next: 1, reserved: 1, open: BTreeSet::new(), aborted: Vec::new() }
    }
}

impl Numbers {
    /// Reserves more if fewer than `left` are; true if a checkpoint must make that durable.
    pub(crate) fn top_up(&mut self, left: u64) -> bool {
        if self.reserved - self.next >= left {
            return false;
        }
        self.reserved = self.next + RESERVED_AT_A_TIME;
        true
    }

    /// Gives the next number; `None` if none is reserved.
    pub(crate) fn take(&mut self) -> Option<u64> {
        if self.next >= self.reserved {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.open.insert(number);
        Some(number)
    }

    pub(crate) fn confirm(&mut self, number: u64) {
        tenon_base::always!(self.open.remove(&number), "a flush number is confirmed once");
    }

    pub(crate) fn abort(&mut self, number: u64) {
        if self.open.remove(&number) {
            tenon_base::sometimes!("flush-aborted");
            self.add_aborted(number, number);
        }
    }

    fn add_aborted(&mut self, first: u64, last: u64) {
        self.aborted.push((first, last));
        self.aborted.sort_unstable();
        self.aborted.dedup_by(|later, earlier| {
            let joins = later.0 <= earlier.1.saturating_add(1);
            if joins {
                earlier.1 = earlier.1.max(later.1);
            }
            joins
        });
    }

    /// What readers pass over.
    pub(crate) fn hidden(&self) -> Hidden {
        let (aborted, open) = (self.aborted.clone(), self.open.iter().copied().collect());
        Hidden(Arc::new(HiddenNumbers { aborted, open }))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.varint(self.next).varint(self.reserved).varint(self.open.len() as u64);
        for number in &self.open {
            out.varint(*number);
        }
        out.varint(self.aborted.len() as u64);
        for (first, last) in &self.aborted {
            out.varint(*first).varint(last - first);
        }
    }

    /// Reads the numbers of a store that is opened: nobody can confirm what is open or reserved any more.
    pub(crate) fn read(r: &mut Reader) -> Result<Self, FormatError> {
        let next = r.varint()?;
        let reserved = r.varint()?;
        if next == 0 || reserved < next {
            return Err(FormatError::Damaged);
        }
        let mut open = Vec::new();
        for _ in 0..r.count()? {
            open.push(r.varint()?);
        }
        let mut numbers = Self { next: reserved, reserved, ..Self::default() };
        for _ in 0..r.count()? {
            let first = r.varint()?;
            let last = first.checked_add(r.varint()?).ok_or(FormatError::Damaged)?;
            numbers.aborted.push((first, last));
        }
        for number in open {
            tenon_base::sometimes!("flush-left-open");
            numbers.add_aborted(number, number);
        }
        if next < reserved {
            numbers.add_aborted(next, reserved - 1);
        }
        Ok(numbers)
    }
}

/// Flush numbers whose values a view passes over: aborted ones, and those still being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hidden(Arc<HiddenNumbers>);

#[derive(Debug, Default)]
struct HiddenNumbers {
    aborted: Vec<(u64, u64)>,
    open: Vec<u64>,
}

impl Hidden {
    pub(crate) fn hides(&self, number: u64) -> bool {
        if tenon_base::planted!("aborted-flush-read") {
            return false;
        }
        let HiddenNumbers { aborted, open } = &*self.0;
        let at = aborted.partition_point(|(first, _)| *first <= number);
        let is_aborted =
            at.checked_sub(1).and_then(|i| aborted.get(i)).is_some_and(|(_, last)| number <= *last);
        is_aborted || open.contains(&number)
    }
}

/// What a crash leaves reserved or open never counts, and is never given again.
#[test]
fn a_reopened_store_aborts_what_nobody_confirmed() {
    let mut numbers = Numbers::default();
    assert_eq!(numbers.take(), None);
    assert!(numbers.top_up(1));
    let (a, b) = (numbers.take().unwrap(), numbers.take().unwrap());
    numbers.confirm(b);
    let mut out = Writer::versioned(1);
    numbers.write(&mut out);
    let mut reader = Reader::versioned(out.finish(), 1).unwrap();
    let mut again = Numbers::read(&mut reader).unwrap();
    let hidden = again.hidden();
    assert!(hidden.hides(a) && !hidden.hides(b) && hidden.hides(3) && hidden.hides(16));
    assert!(!hidden.hides(17) && !hidden.hides(0));
    assert!(again.top_up(1));
    assert_eq!(again.take(), Some(17));
    assert_eq!(again.aborted, [(1, 1), (3, 16)]);
}
