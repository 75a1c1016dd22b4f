//! Every wire error code has its page, and no page stands alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::finding;
use super::tree::Tree;
use crate::finding::Finding;

const CODES: &str = "crates/tenon-wire/src/error.rs";
const PAGES: &str = "docs/errors";
const RULE: &str = "error-pages";

/// Compares the registry of codes with the pages.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let codes = codes(tree.text(CODES).unwrap_or_default());
    if codes.is_empty() {
        let what = "no error code found; the registry must stand here".to_owned();
        return vec![finding(Path::new(CODES), 0, RULE, what)];
    }
    let mut findings = Vec::new();
    for (text, (number, line)) in &codes {
        let path = PathBuf::from(PAGES).join(format!("{text}.md"));
        match tree.files.get(&path) {
            None => {
                let what = format!("`{text}` has no page {}; write it", path.display());
                findings.push(finding(Path::new(CODES), *line, RULE, what));
            }
            Some(page) => findings.extend(page_findings(&path, page, text, *number)),
        }
    }
    for path in tree.files.keys().filter(|path| path.starts_with(PAGES)) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !codes.contains_key(stem) {
            let what = format!("no error code is called `{stem}`; delete or rename the page");
            findings.push(finding(path, 0, RULE, what));
        }
    }
    findings
}

/// Name -> (number, line of the registry), from lines like `Overload = 1001, "overload", 503;`.
fn codes(text: &str) -> BTreeMap<String, (u32, usize)> {
    let mut codes = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, rest)) = line.trim().split_once(" = ") else { continue };
        let Some((number, rest)) = rest.split_once(", \"") else { continue };
        let Some((name, _)) = rest.split_once("\", ") else { continue };
        if let Ok(number) = number.parse() {
            codes.insert(name.to_owned(), (number, index + 1));
        }
    }
    codes
}

fn page_findings(path: &Path, page: &str, text: &str, number: u32) -> Vec<Finding> {
    let title = format!("# `{text}` ({number})");
    let mut findings = Vec::new();
    for wanted in [title.as_str(), "## Meaning", "## What to do"] {
        if !page.lines().any(|line| line == wanted) {
            findings.push(finding(path, 1, RULE, format!("the page lacks the line `{wanted}`")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "codes! {\n    /// Why.\n    Busy = 1007, \"busy\", 429;\n}\n";
    const PAGE: &str = "# `busy` (1007)\n\n## Meaning\n\nMuch.\n\n## What to do\n\nWait.\n";

    fn rules(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn code_and_page_match() {
        assert!(rules(&[(CODES, REGISTRY), ("docs/errors/busy.md", PAGE)]).is_empty());
    }

    #[test]
    fn a_code_without_page_a_page_without_code_and_a_bare_page_are_told() {
        assert_eq!(
            rules(&[(CODES, REGISTRY)]),
            ["`busy` has no page docs/errors/busy.md; write it"]
        );
        let orphan = [(CODES, REGISTRY), ("docs/errors/busy.md", PAGE), ("docs/errors/x.md", "")];
        assert_eq!(rules(&orphan), ["no error code is called `x`; delete or rename the page"]);
        let bare = [(CODES, REGISTRY), ("docs/errors/busy.md", "# `busy` (1007)\n## Meaning\n")];
        assert_eq!(rules(&bare), ["the page lacks the line `## What to do`"]);
        let renumbered = PAGE.replace("1007", "1008");
        let renumbered = [(CODES, REGISTRY), ("docs/errors/busy.md", renumbered.as_str())];
        assert_eq!(rules(&renumbered), ["the page lacks the line `# `busy` (1007)`"]);
    }

    #[test]
    fn a_registry_that_is_not_found_is_told() {
        assert_eq!(rules(&[(CODES, "")]).len(), 1);
    }
}
