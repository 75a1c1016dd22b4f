//! Rules about the pages: the map stays short, links lead somewhere, the gate runs what the front page says.

use std::path::{Component, Path, PathBuf};

use super::finding;
use super::tree::Tree;
use crate::finding::Finding;

/// A map longer than this is not read.
const MAP_LINES_MAX: usize = 300;
/// Pages that must stand.
const WANTED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/features.md",
    "docs/gaps.md",
    "docs/glossary.md",
];
/// The one command that README names for the tests and that the gate calls.
const GATE: &str = "cargo xtask check";

/// The operator's page.
const OPERATIONS: &str = "docs/operations.md";

/// Checks the Markdown pages.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in WANTED.iter().filter(|page| tree.text(page).is_none()) {
        findings.push(finding(Path::new(page), 0, "pages", "the page is missing".to_owned()));
    }
    if let Some(text) = tree.text("ARCHITECTURE.md") {
        let lines = text.lines().count();
        if lines > MAP_LINES_MAX {
            let what = format!("{lines} lines; keep the map within {MAP_LINES_MAX}");
            findings.push(finding(Path::new("ARCHITECTURE.md"), 0, "map-length", what));
        }
    }
    for place in ["README.md", ".ci/run"] {
        if !tree.text(place).is_some_and(|text| text.contains(GATE)) {
            let what = format!("does not name `{GATE}`: front page and gate run the same command");
            findings.push(finding(Path::new(place), 0, "gate", what));
        }
    }
    findings.extend(metrics(tree));
    for (path, text) in tree.with_extension("md") {
        findings.extend(links(tree, path, text));
    }
    findings
}

/// Every metric that the operator's page names is registered somewhere.
fn metrics(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(OPERATIONS).unwrap_or_default();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let names = line.split('`').skip(1).step_by(2).filter(|name| name.starts_with("tenon_"));
        for name in names {
            let literal = format!("\"{name}\"");
            if !tree.with_extension("rs").any(|(_, source)| source.contains(&literal)) {
                let what = format!("there is no metric `{name}`");
                findings.push(finding(Path::new(OPERATIONS), index + 1, "metrics", what));
            }
        }
    }
    findings
}

/// Relative links outside code blocks lead to something in the tree.
fn links(tree: &Tree, page: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let targets = if is_code { Vec::new() } else { targets(line) };
        for target in targets {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !tree.has(&resolve(page, file)) {
                let what = format!("the link `{target}` leads nowhere");
                findings.push(finding(page, index + 1, "links", what));
            }
        }
    }
    findings
}

/// Link targets of a line, without addresses of other sites.
fn targets(line: &str) -> Vec<&str> {
    let after = line.split("](").skip(1);
    after
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.trim())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

/// A link as seen from its page, as a path from the root of the tree.
fn resolve(page: &Path, target: &str) -> PathBuf {
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in which every wanted page stands, with `extra` laid over it.
    fn rules(extra: &[(&str, &str)]) -> Vec<(String, &'static str)> {
        let mut files: Vec<(&str, &str)> = WANTED.iter().map(|page| (*page, GATE)).collect();
        files.push((".ci/run", GATE));
        files.extend(extra);
        let found = check(&Tree::of(&files));
        found.into_iter().map(|f| (f.path.display().to_string(), f.rule)).collect()
    }

    #[test]
    fn pages_that_stand_are_clean() {
        let links = "[a](../README.md#top) [b](https://example.org/x) [c](#here) [d](errors)\n\
                     ```\n[e](nowhere.md)\n```\n";
        let extra = [("docs/a.md", links), ("docs/errors/busy.md", "")];
        assert!(rules(&extra).is_empty(), "{:?}", rules(&extra));
    }

    #[test]
    fn each_way_to_be_wrong_is_told() {
        let long = format!("{}\n", GATE).repeat(MAP_LINES_MAX + 1);
        let one = |path: &str, rule| vec![(path.to_owned(), rule)];
        let map = "ARCHITECTURE.md";
        assert_eq!(rules(&[(map, &long)]), one(map, "map-length"));
        assert_eq!(rules(&[("README.md", "hello")]), one("README.md", "gate"));
        assert_eq!(rules(&[(".ci/run", "cargo test")]), one(".ci/run", "gate"));
        assert_eq!(rules(&[("docs/a.md", "[x](b.md)")]), one("docs/a.md", "links"));
        let named = [(OPERATIONS, "| `tenon_x_total` |"), ("a.rs", "counter(\"tenon_y_total\")")];
        assert_eq!(rules(&named), one(OPERATIONS, "metrics"));
        assert_eq!(check(&Tree::of(&[])).len(), WANTED.len() + 2, "nothing stands, nothing runs");
    }
}
