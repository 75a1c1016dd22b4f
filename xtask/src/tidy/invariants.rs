//! Laws by id: what a comment names stands on the page, and the guards that the page names exist.

use std::collections::BTreeSet;
use std::path::Path;

use super::finding;
use super::tree::Tree;
use crate::finding::Finding;

const PAGE: &str = "docs/invariants.md";
const RULE: &str = "invariants";
/// Families of laws: effects, log, store, house.
const FAMILIES: &[char] = &['E', 'L', 'K', 'I'];

/// Compares the page with the comments and with the tree.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let page = tree.text(PAGE).unwrap_or_default();
    let mut known = BTreeSet::new();
    let mut findings = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let Some(id) = line.strip_prefix("| ").and_then(|row| row.split(' ').next()) else {
            continue;
        };
        if is_id(id) && !known.insert(id) {
            findings.push(finding(Path::new(PAGE), index + 1, RULE, format!("{id} stands twice")));
        }
        let guard = line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        for path in guard.split('`').skip(1).step_by(2) {
            if is_id(id) && !tree.has(Path::new(path)) {
                let what = format!("{id}: there is no `{path}`");
                findings.push(finding(Path::new(PAGE), index + 1, RULE, what));
            }
        }
    }
    for (path, text) in tree.with_extension("rs") {
        for (index, line) in text.lines().enumerate() {
            let unknown = named(line).into_iter().filter(|id| !known.contains(id.as_str()));
            findings.extend(unknown.map(|id| {
                finding(path, index + 1, RULE, format!("{id} does not stand in {PAGE}"))
            }));
        }
    }
    findings
}

/// `E5`: a family and a number.
fn is_id(word: &str) -> bool {
    let number = word.strip_prefix(FAMILIES).unwrap_or_default();
    !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Ids in the comment of a line: groups in parentheses that hold nothing else, like `(E7, I17)` or `(L4-L8)`.
fn named(line: &str) -> Vec<String> {
    let Some((_, comment)) = line.split_once("//") else { return Vec::new() };
    let groups = comment.split('(').skip(1).filter_map(|rest| rest.split(')').next());
    let mut ids = Vec::new();
    for group in groups {
        let words: Vec<&str> = group.split([',', '-']).map(str::trim).collect();
        if words.iter().all(|word| is_id(word)) {
            ids.extend(words.iter().map(|word| (*word).to_owned()));
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: &str =
        "| Id | Law | By |\n|---|---|---|\n| E5 | order | `a.rs` |\n| I17 | fence | - |\n";

    fn told(page: &str, source: &str) -> Vec<String> {
        let tree = Tree::of(&[(PAGE, page), ("a.rs", source)]);
        check(&tree).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn known_laws_are_clean_and_other_parentheses_are_not_laws() {
        let source =
            "//! Written last (E5), fenced (E5, I17).\nlet k = (E9);\n// (see E9) (x) ()\n";
        assert!(told(LAWS, source).is_empty(), "{:?}", told(LAWS, source));
    }

    #[test]
    fn each_way_to_be_wrong_is_told() {
        assert_eq!(told(LAWS, "/// Cut (L4-E5).\n"), ["L4 does not stand in docs/invariants.md"]);
        assert_eq!(told("", "// (E5)\n"), ["E5 does not stand in docs/invariants.md"]);
        assert_eq!(told(&format!("{LAWS}| E5 | again | - |\n"), ""), ["E5 stands twice"]);
        assert_eq!(told("| E5 | order | `b.rs` |\n", ""), ["E5: there is no `b.rs`"]);
    }
}
