//! What was found.

use crate::rule::Rule;

/// A line: file of the call in the order given, and number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Index of the file.
    pub file: u32,
    /// Number of the line, from 1; 0 = nowhere.
    pub line: u32,
}

/// One breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is broken.
    pub rule: Rule,
    /// In words, with names of the history.
    pub text: String,
    /// The lines that prove it.
    pub places: Vec<Place>,
}

/// One rule's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Decisions made.
    pub decided: u64,
    /// Of these, breaches.
    pub broken: u64,
}

/// The answer to a history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Names of the files, for [`Place::file`].
    pub files: Vec<String>,
    /// Lines read, headers too.
    pub lines: u64,
    /// Last lines that were torn by a crash.
    pub torn: u64,
    /// Devices.
    pub devices: u64,
    /// Devices that are at rest at the end.
    pub at_rest: u64,
    /// Conversations.
    pub conversations: u64,
    /// Different messages.
    pub messages: u64,
    /// Sends begun.
    pub sends: u64,
    /// Sends answered with a place.
    pub acked: u64,
    /// Sends refused.
    pub refused: u64,
    /// Sends nobody knows the outcome of.
    pub unknown: u64,
    /// Longest time from begin to answer, microseconds.
    pub slowest_us: u64,
    /// Events told to apps.
    pub told: u64,
    /// Crashes and faults on record.
    pub faults: u64,
    /// Counts in the order of [`Rule::all`].
    pub tallies: Vec<Tally>,
    /// Breaches in the order of their rules, at most [`crate::Options::findings_max`] of each.
    pub findings: Vec<Finding>,
    /// Expected invariants (of the headers) that no rule had anything to decide on.
    pub untested: Vec<String>,
}

impl Report {
    /// Number of breaches, those not listed too.
    pub fn broken(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.broken).sum()
    }

    /// Decisions and breaches of one rule.
    pub fn tally(&self, rule: Rule) -> Tally {
        self.tallies.get(rule as usize).copied().unwrap_or_default()
    }

    /// Decisions and breaches of one invariant.
    pub fn of_invariant(&self, invariant: &str) -> Tally {
        Rule::all().filter(|rule| rule.invariant() == invariant).fold(
            Tally::default(),
            |sum, rule| {
                let tally = self.tally(rule);
                Tally { decided: sum.decided + tally.decided, broken: sum.broken + tally.broken }
            },
        )
    }
}

/// Gathers decisions.
#[derive(Debug)]
pub(crate) struct Findings {
    max: usize,
    tallies: [Tally; Rule::COUNT],
    kept: [Vec<Finding>; Rule::COUNT],
}

impl Findings {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            tallies: [Tally::default(); Rule::COUNT],
            kept: std::array::from_fn(|_| Vec::new()),
        }
    }

    /// Counts a decision; keeps the breach if `holds` is false.
    pub(crate) fn decide(
        &mut self,
        rule: Rule,
        holds: bool,
        places: &[Place],
        text: impl FnOnce() -> String,
    ) {
        let tally = &mut self.tallies[rule as usize];
        tally.decided += 1;
        if holds {
            return;
        }
        tally.broken += 1;
        let kept = &mut self.kept[rule as usize];
        if kept.len() < self.max {
            let mut places: Vec<Place> = places.iter().copied().filter(|p| p.line > 0).collect();
            places.sort();
            places.dedup();
            kept.push(Finding { rule, text: text(), places });
        }
    }

    /// Ends the gathering.
    pub(crate) fn into_parts(self) -> (Vec<Tally>, Vec<Finding>) {
        (self.tallies.to_vec(), self.kept.into_iter().flatten().collect())
    }
}
