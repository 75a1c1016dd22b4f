//! Rules about Rust sources: sizes, names of modules, front pages, tests, left-over notes.

use std::path::Path;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::Visit;

use super::finding;
use super::tree::Tree;
use crate::finding::Finding;

/// A file a person can hold in mind.
const FILE_LINES_MAX: usize = 700;
/// A function that fits on one screen.
const FUNCTION_LINES_MAX: usize = 70;
/// What every crate's front page must hold, besides its first sentence.
const HEADINGS: &[&str] = &["# Takes and gives", "# Invariants", "# Not here"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helper", "helpers", "manager", "misc"];

/// Checks every Rust file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("rs") {
        findings.extend(file_length(path, text));
        findings.extend(module_name(path));
        findings.extend(front_page(path, text));
        findings.extend(named_tests(tree, path, text));
        findings.extend(named_pages(tree, path, text));
        match syn::parse_file(text) {
            Ok(file) => findings.extend(functions(path, text, &file)),
            Err(error) => {
                let line = error.span().start().line;
                findings.push(finding(path, line, "syntax", error.to_string()));
            }
        }
    }
    findings.extend(notes(tree));
    findings
}

fn file_length(path: &Path, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let what = || format!("{lines} lines; split it below {FILE_LINES_MAX}");
    (lines >= FILE_LINES_MAX).then(|| finding(path, 0, "file-length", what()))
}

fn module_name(path: &Path) -> Option<Finding> {
    let stem = path.file_stem()?.to_str()?;
    let folder = path.parent()?.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bad = [stem, folder].into_iter().find(|name| EMPTY_NAMES.contains(name))?;
    let what = format!("`{bad}` does not say what is inside; name the thing");
    Some(finding(path, 0, "module-name", what))
}

/// A crate's root begins with what it is, and has the three headings.
fn front_page(path: &Path, text: &str) -> Vec<Finding> {
    let is_root = path.ends_with("src/lib.rs")
        || (path.ends_with("src/main.rs") && path.components().count() <= 4);
    if !is_root {
        return Vec::new();
    }
    let docs: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    let mut findings = Vec::new();
    let says_what = docs.iter().find(|line| !line.trim().is_empty());
    if says_what.is_none_or(|line| line.trim_start().starts_with('#')) {
        let what = "the front page must begin with a sentence that says what the crate is";
        findings.push(finding(path, 1, "front-page", what.to_owned()));
    }
    for heading in HEADINGS {
        if !docs.iter().any(|line| line.trim() == *heading) {
            let what = format!("the front page lacks `{heading}`");
            findings.push(finding(path, 1, "front-page", what));
        }
    }
    findings
}

/// A test file that a module's docs name as a guard (`tests/x.rs`) exists in that crate.
fn named_tests(tree: &Tree, path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(home) = path.ancestors().find(|folder| folder.ends_with("src")) else {
        return findings;
    };
    let home = home.parent().unwrap_or(Path::new(""));
    for (index, line) in text.lines().enumerate() {
        let Some(docs) = line.trim_start().strip_prefix("//!") else { continue };
        for name in docs.split('`').skip(1).step_by(2) {
            if name.starts_with("tests/") && !tree.has(&home.join(name)) {
                let what = format!("there is no `{name}` in this crate");
                findings.push(finding(path, index + 1, "named-test", what));
            }
        }
    }
    findings
}

/// A page that a comment or a message names (`docs/x.md`) exists. This crate's own tests name pages that do not.
fn named_pages(tree: &Tree, path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.starts_with("xtask") {
        return findings;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    for (index, line) in text.lines().enumerate() {
        for rest in line.split("docs/").skip(1) {
            let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let Some(name) = rest[..end].trim_end_matches('.').strip_suffix(".md") else {
                continue;
            };
            let page = Path::new("docs").join(format!("{name}.md"));
            if !tree.has(&page) {
                let what = format!("there is no page {}", page.display());
                findings.push(finding(path, index + 1, "named-page", what));
            }
        }
    }
    findings
}

fn functions(path: &Path, text: &str, file: &syn::File) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let mut visitor = Functions { path, lines: &lines, findings: Vec::new() };
    visitor.visit_file(file);
    visitor.findings
}

/// Walks all functions: free, methods, defaults of traits, nested ones.
struct Functions<'a> {
    path: &'a Path,
    lines: &'a [&'a str],
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn note(&mut self, at: Span, rule: &'static str, what: String) {
        self.findings.push(finding(self.path, at.start().line, rule, what));
    }

    /// Counts lines of code from the name to the closing brace; comments and empty lines are free.
    fn measure(&mut self, attributes: &[syn::Attribute], sig: &syn::Signature, end: Span) {
        let first = sig.span().start().line.saturating_sub(1);
        let span = self.lines.get(first..end.end().line).unwrap_or_default();
        let count = span
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .count();
        let name = &sig.ident;
        if count >= FUNCTION_LINES_MAX {
            let what = format!("`{name}` has {count} lines; split it below {FUNCTION_LINES_MAX}");
            self.note(sig.span(), "function-length", what);
        }
        self.test(attributes, sig);
    }

    fn test(&mut self, attributes: &[syn::Attribute], sig: &syn::Signature) {
        let is_test =
            attributes.iter().any(|a| a.path().segments.last().is_some_and(|s| s.ident == "test"));
        let name = sig.ident.to_string();
        if is_test && name.starts_with("test_") {
            let what = format!("`{name}`: the name states the claim, without `test_`");
            self.note(sig.span(), "test-name", what);
        }
        if attributes.iter().any(|a| a.path().is_ident("ignore")) {
            let what = format!("`{name}` is ignored; assert what holds or delete it");
            self.note(sig.span(), "test-ignored", what);
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.attrs, &item.sig, item.block.span());
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.attrs, &item.sig, item.block.span());
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.attrs, &item.sig, block.span());
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

/// No left-over notes, in any text but the one that names them: this file.
fn notes(tree: &Tree) -> Vec<Finding> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut findings = Vec::new();
    for (path, text) in &tree.files {
        for (index, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                let what = format!("`{word}` is left over; do it, or write it into docs/gaps.md");
                findings.push(finding(path, index + 1, "notes", what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "//! A thing.\n//!\n//! # Takes and gives\n//! # Invariants\n//! # Not here\n";

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&Tree::of(&[(path, text)])).iter().map(|found| found.rule).collect()
    }

    #[test]
    fn a_small_file_is_tidy() {
        assert!(rules("crates/a/src/x.rs", "fn x() {}\n").is_empty());
        assert!(rules("crates/a/src/lib.rs", PAGE).is_empty());
    }

    #[test]
    fn a_long_file_is_told_from_the_bound_on() {
        let lines = |n: usize| "// a line\n".repeat(n);
        assert!(rules("x.rs", &lines(FILE_LINES_MAX - 1)).is_empty());
        assert_eq!(rules("x.rs", &lines(FILE_LINES_MAX)), ["file-length"]);
    }

    #[test]
    fn a_long_function_is_told_wherever_it_stands() {
        let body = |n: usize| format!("fn f() {{\n{}}}\n", "f();\n".repeat(n - 2));
        assert!(rules("x.rs", &body(FUNCTION_LINES_MAX - 1)).is_empty());
        let long = body(FUNCTION_LINES_MAX);
        assert_eq!(rules("x.rs", &long), ["function-length"]);
        assert_eq!(rules("x.rs", &format!("impl A {{\n{long}}}\n")), ["function-length"]);
        assert_eq!(rules("x.rs", &format!("trait A {{\n{long}}}\n")), ["function-length"]);
        assert_eq!(rules("x.rs", &format!("mod a {{\n{long}}}\n")), ["function-length"]);
        let outer = format!("fn g() {{\n{}{long}}}\n", "// why\n\n".repeat(70));
        assert_eq!(rules("x.rs", &outer), ["function-length"; 2], "the inner counts in the outer");
    }

    #[test]
    fn comments_and_empty_lines_are_free() {
        let text = format!("fn f() {{\n{}}}\n", "// why\n\n".repeat(FUNCTION_LINES_MAX));
        assert!(rules("x.rs", &text).is_empty());
    }

    #[test]
    fn a_front_page_needs_its_sentence_and_headings() {
        let root = "crates/a/src/lib.rs";
        assert_eq!(rules(root, "//! A thing.\n"), ["front-page"; 3]);
        assert_eq!(rules(root, &PAGE.replace("# Not here", "# Elsewhere")), ["front-page"]);
        assert_eq!(rules(root, &PAGE.replace("A thing.", "")), ["front-page"]);
        assert!(rules("crates/a/src/b.rs", "").is_empty(), "only roots have one");
    }

    #[test]
    fn a_test_that_docs_name_must_exist() {
        let text = "//! Holds (`tests/x.rs`).\n";
        assert_eq!(rules("crates/a/src/b.rs", text), ["named-test"]);
        let files = [("crates/a/src/b.rs", text), ("crates/a/tests/x.rs", "")];
        assert!(check(&Tree::of(&files)).is_empty());
    }

    #[test]
    fn a_page_that_a_source_names_must_exist() {
        let text = "//! See `docs/a.md`, docs/errors/<text>.md and docs/b.md.\n";
        let files = [("crates/a/src/b.rs", text), ("docs/a.md", "")];
        let found: Vec<String> =
            check(&Tree::of(&files)).into_iter().map(|found| found.what).collect();
        assert_eq!(found, ["there is no page docs/b.md"]);
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        assert_eq!(rules("crates/a/src/utils.rs", ""), ["module-name"]);
        assert_eq!(rules("crates/a/src/common/x.rs", ""), ["module-name"]);
    }

    #[test]
    fn tests_state_their_claim_and_run() {
        assert_eq!(rules("x.rs", "#[test]\nfn test_x() {}\n"), ["test-name"]);
        assert_eq!(rules("x.rs", "#[tokio::test]\nasync fn test_x() {}\n"), ["test-name"]);
        assert_eq!(rules("x.rs", "#[test]\n#[ignore]\nfn x() {}\n"), ["test-ignored"]);
        assert!(rules("x.rs", "fn test_bed() {}\n").is_empty(), "not a test");
    }

    #[test]
    fn left_over_notes_are_told_with_their_line() {
        let text = format!("fn x() {{}}\n// {}: later\n", concat!("TO", "DO"));
        let found = check(&Tree::of(&[("x.rs", &text)]));
        assert_eq!(found.iter().map(|f| (f.rule, f.line)).collect::<Vec<_>>(), [("notes", 2)]);
    }

    #[test]
    fn a_file_that_does_not_parse_is_told() {
        assert_eq!(rules("x.rs", "fn x( {}\n"), ["syntax"]);
    }
}
