//! The feature table: every requirement once, with an honest state; every place and test it names exists.

use std::collections::BTreeMap;
use std::path::Path;

use super::finding;
use super::tree::Tree;
use crate::finding::Finding;

const PAGE: &str = "docs/features.md";
const RULE: &str = "features";
/// Requirements are R001 to R239; the list is closed.
const LAST: u32 = 239;

/// One row of the table.
#[derive(Debug)]
struct Row<'a> {
    line: usize,
    id: &'a str,
    state: &'a str,
    place: &'a str,
    test: &'a str,
}

/// Checks the page against the list of requirements and against the tree.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PAGE) else {
        return vec![told(0, "the page is missing".to_owned())];
    };
    let rows: Vec<Row<'_>> =
        text.lines().enumerate().filter_map(|(index, line)| row(index + 1, line)).collect();
    let mut findings = ids(&rows);
    for row in &rows {
        findings.extend(state(row));
        findings.extend(places(tree, row));
        findings.extend(tests(tree, row));
    }
    findings
}

fn told(line: usize, what: String) -> Finding {
    finding(Path::new(PAGE), line, RULE, what)
}

/// `| R001 | name | state | where | test |`; other lines are prose.
fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = text.trim().trim_matches('|').split('|').map(str::trim).collect();
    let id = cells.first().copied()?;
    let digits = id.strip_prefix('R')?;
    if !text.starts_with('|') || digits.parse::<u32>().is_err() {
        return None;
    }
    let cell = |index: usize| cells.get(index).copied().unwrap_or_default();
    Some(Row { line, id, state: cell(2), place: cell(3), test: cell(4) })
}

/// Each id stands exactly once, and no other id stands there.
fn ids(rows: &[Row<'_>]) -> Vec<Finding> {
    let mut seen: BTreeMap<String, usize> =
        (1..=LAST).map(|number| (format!("R{number:03}"), 0)).collect();
    let mut findings = Vec::new();
    for row in rows {
        match seen.get_mut(row.id) {
            Some(0) => {
                seen.insert(row.id.to_owned(), row.line);
            }
            Some(first) => {
                findings.push(told(row.line, format!("{} stands in line {first} already", row.id)));
            }
            None => findings.push(told(row.line, format!("{} is no requirement", row.id))),
        }
    }
    let missing = seen.iter().filter(|(_, line)| **line == 0);
    findings.extend(missing.map(|(id, _)| told(0, format!("{id} is missing"))));
    findings
}

/// `done` names a place and a test, `partly` a place, `not` neither.
fn state(row: &Row<'_>) -> Option<Finding> {
    let (has_place, has_test) = (!quoted(row.place).is_empty(), !quoted(row.test).is_empty());
    let wrong = match row.state {
        "done" if !has_place || !has_test => "is done, so it names its place and its test",
        "partly" if !has_place => "is partly done, so it names its place",
        "not" if has_place || has_test => "is not done, so it names neither place nor test",
        "done" | "partly" | "not" => return None,
        _ => "has no state; use done, partly or not",
    };
    Some(told(row.line, format!("{} {wrong}", row.id)))
}

fn places(tree: &Tree, row: &Row<'_>) -> Vec<Finding> {
    let gone = quoted(row.place).into_iter().filter(|path| !tree.has(Path::new(path)));
    gone.map(|path| told(row.line, format!("{}: there is no `{path}`", row.id))).collect()
}

/// A test is named as `path::function`; the file must hold a test of that name.
fn tests(tree: &Tree, row: &Row<'_>) -> Vec<Finding> {
    let missing = quoted(row.test).into_iter().filter(|test| !is_test(tree, test));
    missing.map(|test| told(row.line, format!("{}: there is no test `{test}`", row.id))).collect()
}

fn is_test(tree: &Tree, test: &str) -> bool {
    let Some((path, name)) = test.rsplit_once("::") else { return false };
    let Some(text) = tree.text(path) else { return false };
    if path.contains("/src/contract/") {
        return is_law(text, name);
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (sync, script) = (format!("fn {name}("), format!("\"{name}\""));
    lines.iter().enumerate().any(|(index, line)| {
        let is_rust = line.starts_with(&sync) || line.starts_with(&format!("async {sync}"));
        let above = lines.get(..index).unwrap_or_default().iter().rev();
        let mut attributes =
            above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        let is_script = line.starts_with("test(") || line.starts_with("it(");
        (is_rust && attributes.any(|line| is_test_attribute(line)))
            || (is_script && line.contains(&script))
    })
}

/// A law of a contract suite: a function that the suite's macro makes a test of, for every adapter.
fn is_law(text: &str, name: &str) -> bool {
    let is_listed = |line: &str| line.split([' ', ',', ')', ';']).any(|word| word == name);
    text.contains(&format!("pub fn {name}(")) && text.lines().any(is_listed)
}

fn is_test_attribute(line: &str) -> bool {
    line.starts_with("#[test") || line.starts_with("#[tokio::test")
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "#[test]\nfn holds() {}\nfn free() {}\n";

    /// A page where every requirement is open, with `row` in place of the first.
    fn findings(row: &str) -> Vec<String> {
        let mut page = format!("# Features\n\n{row}\n");
        for number in 2..=LAST {
            page += &format!("| R{number:03} | x | not | | |\n");
        }
        let tree = Tree::of(&[(PAGE, &page), ("a/b.rs", SOURCE)]);
        check(&tree).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn rows_that_hold_are_clean() {
        assert!(findings("| R001 | x | done | `a/b.rs` | `a/b.rs::holds` |").is_empty());
        assert!(findings("| R001 | x | partly | `a` | |").is_empty());
        assert!(findings("| R001 | x | not | | |").is_empty());
    }

    #[test]
    fn each_way_to_be_wrong_is_told() {
        let cases = [
            ("", "R001 is missing"),
            ("| R001 | x | not | | |\n| R001 | x | not | | |", "R001 stands in line 3 already"),
            ("| R001 | x | not | | |\n| R240 | x | not | | |", "R240 is no requirement"),
            ("| R001 | x | soon | | |", "R001 has no state; use done, partly or not"),
            (
                "| R001 | x | done | `a/b.rs` | |",
                "R001 is done, so it names its place and its test",
            ),
            ("| R001 | x | partly | | |", "R001 is partly done, so it names its place"),
            ("| R001 | x | not | `a` | |", "R001 is not done, so it names neither place nor test"),
            ("| R001 | x | partly | `a/c.rs` | |", "R001: there is no `a/c.rs`"),
            (
                "| R001 | x | partly | `a` | `a/b.rs::gone` |",
                "R001: there is no test `a/b.rs::gone`",
            ),
            (
                "| R001 | x | partly | `a` | `a/b.rs::free` |",
                "R001: there is no test `a/b.rs::free`",
            ),
        ];
        for (row, expected) in cases {
            assert_eq!(findings(row), [expected]);
        }
    }

    #[test]
    fn a_law_counts_when_its_suite_lists_it() {
        let suite = "pub fn first(h: &mut dyn H) {}\npub fn second(h: &mut dyn H) {}\n\
                     @laws $make;\n    first, third);\n";
        assert!(is_law(suite, "first"));
        assert!(!is_law(suite, "second"), "nobody runs it");
        assert!(!is_law(suite, "third"), "nobody wrote it");
    }

    #[test]
    fn a_missing_page_is_told() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
