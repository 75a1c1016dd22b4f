//! The style of the house as a check: sizes, front pages, error pages, the feature table, links, left-over notes.
//!
//! What a rule refuses may be exempted in `tidy.toml` with a reason; an exemption that matches nothing is itself
//! a finding, so the list only shrinks.

mod errors;
mod exempt;
mod features;
mod invariants;
mod pages;
mod source;
mod tree;

use std::path::Path;

use crate::finding::{Finding, Outcome};
use tree::Tree;

/// Runs every rule over the tree below `root`.
///
/// # Errors
///
/// If the tree cannot be read: then nothing was checked.
pub(crate) fn check(root: &Path) -> Outcome {
    let tree = Tree::read(root)?;
    let mut findings = source::check(&tree);
    findings.extend(errors::check(&tree));
    findings.extend(features::check(&tree));
    findings.extend(invariants::check(&tree));
    findings.extend(pages::check(&tree));
    exempt::apply(&tree, findings)
}

/// A finding in a file of the tree; paths there are already relative.
fn finding(path: &Path, line: usize, rule: &'static str, what: String) -> Finding {
    Finding { path: path.to_owned(), line, rule, what }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_house_is_tidy() {
        let found = super::check(&crate::root()).unwrap();
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    }
}
