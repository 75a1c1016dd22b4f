//! `tidy.toml`: findings that are allowed to stay, each with its reason.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::finding;
use super::tree::Tree;
use crate::finding::{Finding, Outcome};

const FILE: &str = "tidy.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exemptions {
    #[serde(default)]
    exempt: Vec<Exemption>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exemption {
    rule: String,
    path: PathBuf,
    reason: String,
}

/// Takes out what is exempted; an exemption without reason or without a finding becomes a finding.
///
/// # Errors
///
/// If `tidy.toml` is there and is not understood.
pub(crate) fn apply(tree: &Tree, findings: Vec<Finding>) -> Outcome {
    let text = tree.text(FILE).unwrap_or_default();
    let list: Exemptions = toml::from_str(text).map_err(|e| format!("{FILE}: {e}"))?;
    let covers = |exemption: &Exemption, found: &Finding| {
        exemption.rule == found.rule && exemption.path == found.path
    };
    let mut left: Vec<Finding> = findings
        .iter()
        .filter(|found| !list.exempt.iter().any(|exemption| covers(exemption, found)))
        .cloned()
        .collect();
    for exemption in &list.exempt {
        let name = format!("({}, {})", exemption.rule, exemption.path.display());
        if !findings.iter().any(|found| covers(exemption, found)) {
            let what = format!("{name} matches nothing any more; take it out");
            left.push(finding(Path::new(FILE), 0, "exemption", what));
        }
        if exemption.reason.trim().is_empty() {
            left.push(finding(Path::new(FILE), 0, "exemption", format!("{name} lacks a reason")));
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<Finding> {
        vec![finding(Path::new("a.rs"), 1, "file-length", "long".to_owned())]
    }

    fn left(list: &str, findings: Vec<Finding>) -> Vec<&'static str> {
        let tree = Tree::of(&[(FILE, list)]);
        apply(&tree, findings).unwrap().iter().map(|found| found.rule).collect()
    }

    #[test]
    fn exempts_by_rule_and_path_and_refuses_what_is_stale_or_bare() {
        let exempt = |path: &str, reason: &str| {
            format!(
                "[[exempt]]\nrule = \"file-length\"\npath = \"{path}\"\nreason = \"{reason}\"\n"
            )
        };
        assert_eq!(left("", found()), ["file-length"]);
        assert!(left(&exempt("a.rs", "a table"), found()).is_empty());
        assert_eq!(left(&exempt("b.rs", "a table"), found()), ["file-length", "exemption"]);
        assert_eq!(left(&exempt("a.rs", " "), found()), ["exemption"]);
        assert_eq!(left(&exempt("a.rs", "a table"), Vec::new()), ["exemption"]);
        let tree = Tree::of(&[(FILE, "[[exemption]]\n")]);
        assert!(apply(&tree, Vec::new()).is_err(), "an unknown field is refused");
    }
}
