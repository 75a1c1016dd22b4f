//! What a set of runs has to meet: every kind of fault and every rare place of the rooms, at least once.

use std::collections::BTreeMap;

use crate::world::Figures;

/// Rare places of the rooms, as their `sometimes!` names them.
pub const SOMETIMES: &[&str] = &[
    "cid-gap",
    "cid-repeated",
    "cid-reused",
    "connection-stale",
    "cursor-above-the-tip",
    "cursor-of-a-lost-tail",
    "cursor-survives-an-epoch",
    "cursor-too-far-behind",
    "device-fell-behind-its-acks",
    "fan-out-repeated",
    "flush-aborted",
    "flush-left-open",
    "log-at-its-reserve",
    "mode-flipped",
    "segment-not-prepared",
    "tail-overflows",
    "torn-tail",
    "user-evicted",
];

/// What may stay at zero: outcomes of faults; a place so rare that 300 seeds miss it now and then; and the second line behind
/// an exact resume, which only a bug reaches.
const MAY_MISS: &[&str] =
    &["rollbacks_refused", "room_failures", "flush-left-open", "fan-out-repeated"];

/// Figures of faults that a few dozen seeds may miss; the gate's hundreds must meet them.
pub const RARE: &[&str] = &[
    "broken_disks",
    "damage_found",
    "lies",
    "misdirected",
    "poisonings",
    "read_errors",
    "rollbacks",
    "sync_errors",
    "write_errors",
];

/// Names of figures and rare places with their counts, and of those that stayed at zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// All, figures first.
    pub counts: Vec<(String, u64)>,
    /// Those never met.
    pub missing: Vec<String>,
}

/// Puts the figures of all runs beside the rare places they met. A place that was met and is not listed is missing too.
pub fn coverage(figures: &Figures, met: &BTreeMap<&'static str, u64>) -> Coverage {
    let figures = figures.all().into_iter().map(|(name, count)| (name.to_owned(), count));
    let listed = SOMETIMES.iter().map(|name| (*name, met.get(name).copied().unwrap_or(0)));
    let counts: Vec<(String, u64)> =
        figures.chain(listed.map(|(name, count)| (name.to_owned(), count))).collect();
    let unlisted = met.keys().filter(|name| !SOMETIMES.contains(name));
    let is_due = |name: &str| !MAY_MISS.contains(&name);
    let zero = counts
        .iter()
        .filter(|(name, count)| *count == 0 && is_due(name))
        .map(|(name, _)| name.clone());
    let missing = zero.chain(unlisted.map(|name| format!("{name} (not listed)"))).collect();
    Coverage { counts, missing }
}

/// What stayed at zero is said, and so is a place that nobody listed.
#[test]
fn what_was_not_met_is_missing() {
    let mut figures = Figures::default();
    let met = SOMETIMES.iter().map(|name| (*name, 1)).collect::<BTreeMap<_, _>>();
    assert!(coverage(&figures, &met).missing.contains(&"crashes".to_owned()));
    figures.crashes = 3;
    let mut less = met.clone();
    less.remove("torn-tail");
    less.insert("new-place", 1);
    let seen = coverage(&figures, &less);
    assert!(!seen.missing.contains(&"crashes".to_owned()));
    assert!(seen.missing.contains(&"torn-tail".to_owned()));
    assert!(seen.missing.contains(&"new-place (not listed)".to_owned()));
    assert!(seen.counts.contains(&("crashes".to_owned(), 3)));
}
