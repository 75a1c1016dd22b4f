//! What came out.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// What the devices counted against the numbers that messages carry. All zero = nothing was wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Acknowledged and never delivered.
    pub lost: u64,
    /// Delivered more than once.
    pub repeated: u64,
    /// Delivered after a later one.
    pub reordered: u64,
}

impl Checked {
    /// True if nothing was lost, repeated or out of order.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
    }
}

/// Figures of one scenario by name; the unit ends the name (`_per_s`, `_ms`, `_bytes`, `_s`; else a count or a ratio).
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which scenario.
    pub scenario: &'static str,
    /// Figures, `phase.name` where there are phases.
    pub figures: BTreeMap<String, f64>,
    /// What was found wrong while measuring.
    pub checked: Checked,
}

impl Report {
    pub(crate) const fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            figures: BTreeMap::new(),
            checked: Checked { lost: 0, repeated: 0, reordered: 0 },
        }
    }

    pub(crate) fn put(&mut self, name: impl Into<String>, value: f64) {
        self.figures.insert(name.into(), value);
    }

    /// `{"scenario", "figures": {name: number}, "checked": {"lost", "repeated", "reordered"}}`.
    pub fn to_json(&self) -> Value {
        let round = |value: f64| (value * 1_000.0).round() / 1_000.0;
        let figures: serde_json::Map<String, Value> =
            self.figures.iter().map(|(name, value)| (name.clone(), json!(round(*value)))).collect();
        json!({
            "scenario": self.scenario,
            "figures": figures,
            "checked": {
                "lost": self.checked.lost,
                "repeated": self.checked.repeated,
                "reordered": self.checked.reordered,
            },
        })
    }
}

impl fmt::Display for Report {
    /// A table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.figures.keys().map(String::len).max().unwrap_or(0).max(9);
        writeln!(f, "{}", self.scenario)?;
        for (name, value) in &self.figures {
            let digits = if value.abs() >= 100.0 { 0 } else { 3 };
            writeln!(f, "  {name:<width$}  {value:>14.digits$}")?;
        }
        let Checked { lost, repeated, reordered } = self.checked;
        for (name, value) in [("lost", lost), ("repeated", repeated), ("reordered", reordered)] {
            writeln!(f, "  {name:<width$}  {value:>14}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_json_and_a_table() {
        let mut report = Report::new("log");
        report.put("appends_per_s", 1234.56789);
        report.checked.add(Checked { lost: 1, repeated: 0, reordered: 2 });
        assert_eq!(
            report.to_json().to_string(),
            r#"{"checked":{"lost":1,"reordered":2,"repeated":0},"figures":{"appends_per_s":1234.568},"scenario":"log"}"#
        );
        assert!(report.to_string().contains("appends_per_s            1235"), "{report}");
        assert!(!report.checked.is_clean());
    }
}
