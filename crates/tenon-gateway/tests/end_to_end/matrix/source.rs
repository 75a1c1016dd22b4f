//! What exists, read from the sources: routes with their methods. Two crates' tests read this file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Routes of all sources below `folder`, and of `folder.rs` beside it, as `METHOD path`, each with the file it stands in.
///
/// A file or folder that is nested under a prefix (`.nest("/v1/admin", admin::routes())`), or merged into such a one
/// (`.merge(supervision::routes())`), has it before its paths.
pub(crate) fn routes_below(folder: &Path) -> BTreeSet<(String, PathBuf)> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    let beside = folder.with_extension("rs");
    if beside.is_file() {
        files.push(beside);
    }
    let texts: Vec<_> =
        files.into_iter().map(|path| (std::fs::read_to_string(&path).unwrap(), path)).collect();
    let module_of = |path: &Path| {
        let relative = path.strip_prefix(folder).unwrap_or(Path::new(""));
        let first = relative.components().next().map(|first| first.as_os_str().to_string_lossy());
        first.unwrap_or_default().trim_end_matches(".rs").to_owned()
    };
    let mut nests: BTreeMap<_, _> = texts.iter().flat_map(|(text, _)| nests_of(text)).collect();
    for (text, path) in &texts {
        if let Some(prefix) = nests.get(&module_of(path)).cloned() {
            nests.extend(merges_of(text).into_iter().map(|merged| (merged, prefix.clone())));
        }
    }
    let mut found = BTreeSet::new();
    for (text, path) in &texts {
        let prefix = nests.get(&module_of(path)).map_or("", String::as_str);
        for (method, route) in routes_of(text) {
            found.insert((format!("{method} {prefix}{route}"), path.clone()));
        }
    }
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            collect(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
}

/// Arguments of every call of `.name(` in a source, up to its closing parenthesis.
fn calls<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!(".{name}(");
    let ends = |rest: &str| {
        let mut depth = 1;
        rest.char_indices().find_map(|(at, letter)| {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            (depth == 0).then_some(at)
        })
    };
    text.split(&head).skip(1).filter_map(|rest| Some(&rest[..ends(rest)?])).collect()
}

/// The text in quotes that an argument list begins with, and what follows it.
fn first_text(arguments: &str) -> Option<(&str, &str)> {
    arguments.trim_start().strip_prefix('"')?.split_once('"')
}

fn routes_of(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, rest) in calls(text, "route").into_iter().filter_map(first_text) {
        let before = found.len();
        for method in ["get", "post", "put", "patch", "delete"] {
            let is_called = |(at, _): (usize, &str)| {
                let head = rest[..at].trim_end().chars().last();
                matches!(head, Some(',' | '.' | ':'))
            };
            if rest.match_indices(&format!("{method}(")).any(is_called) {
                found.push((method.to_uppercase(), path.to_owned()));
            }
        }
        assert!(found.len() > before, "{path} has no method that is known here: {rest}");
    }
    found
}

/// Module and prefix of every nested router.
fn nests_of(text: &str) -> Vec<(String, String)> {
    let nests = calls(text, "nest").into_iter().filter_map(first_text);
    nests.map(|(prefix, rest)| (module_named(rest), prefix.to_owned())).collect()
}

/// Modules of merged routers.
fn merges_of(text: &str) -> Vec<String> {
    calls(text, "merge").into_iter().map(module_named).collect()
}

/// `admin` of `, admin::routes()` and of `super::admin::routes()`.
fn module_named(call: &str) -> String {
    let path = call.trim_matches([',', ' ', '\n']).split('(').next().unwrap_or_default();
    path.rsplit("::").nth(1).unwrap_or_default().to_owned()
}

#[test]
fn routes_are_read_in_every_form() {
    let text = "Router::new()\n.route(\"/a\", get(page))\n.route(\n    \"/b\",\n    post(x::y).layer(limit())\n)\n\
                .route(\"/c/{id}\", get(read).delete(remove))\n.nest(\"/v1/admin\", admin::routes())";
    let found: Vec<_> =
        routes_of(text).into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(found, ["GET /a", "POST /b", "GET /c/{id}", "DELETE /c/{id}"]);
    assert_eq!(nests_of(text), [("admin".to_owned(), "/v1/admin".to_owned())]);
    assert_eq!(merges_of("Router::new().merge(supervision::routes())"), ["supervision"]);
}
