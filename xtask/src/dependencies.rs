//! What the binary is built from: licences that go with Apache-2.0, one crypto provider, a bounded number of packages.
//!
//! Reads `cargo tree` of the normal and build dependencies, as locked: what the lock file only mentions is not built.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::finding::{Finding, Outcome};

const RULE: &str = "dependencies";
/// Licences that allow shipping in an Apache-2.0 binary with a notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// aws-lc-rs is the one provider; a second one doubles what must be watched.
const PROVIDERS_REFUSED: &[&str] =
    &["ring", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls"];
/// More packages than this need a sentence in the change that raises it.
const PACKAGES_MAX: usize = 350;

/// Checks what the workspace is built from.
///
/// # Errors
///
/// If cargo cannot list it: then nothing was checked.
pub(crate) fn check(root: &Path) -> Outcome {
    let output = Command::new("cargo")
        .args(["tree", "--locked", "--workspace", "--all-features", "--edges", "normal,build"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("cargo tree: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let found = judge(&String::from_utf8_lossy(&output.stdout));
    let lock = root.join("Cargo.lock");
    Ok(found.into_iter().map(|what| Finding::new(root, &lock, 0, RULE, what)).collect())
}

/// Judges lines of `name version (source)|licence`.
fn judge(tree: &str) -> Vec<String> {
    let packages: BTreeMap<&str, &str> = tree
        .lines()
        .filter_map(|line| line.rsplit_once('|'))
        .filter(|(package, _)| !package.contains('/'))
        .map(|(package, licence)| (package.trim_end_matches(" (proc-macro)"), licence))
        .collect();
    let mut wrong = Vec::new();
    for (package, licence) in &packages {
        let name = package.split(' ').next().unwrap_or_default();
        if PROVIDERS_REFUSED.contains(&name) {
            wrong.push(format!("{package} is built in; aws-lc-rs is the one crypto provider"));
        }
        if !is_allowed(licence) {
            wrong.push(format!("{package} has the licence `{licence}`, which is not on the list"));
        }
    }
    if packages.len() > PACKAGES_MAX {
        wrong.push(format!("{} packages; the bound is {PACKAGES_MAX}", packages.len()));
    }
    wrong
}

/// True if the licence expression can be met with allowed licences alone.
fn is_allowed(licence: &str) -> bool {
    let spaced = licence.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Expression { words: &words };
    parser.any().is_some_and(|allowed| allowed && parser.words.is_empty())
}

/// `any = all { OR all }`, `all = one { AND one }`, `one = ( any ) | licence [ WITH exception ]`.
struct Expression<'a> {
    words: &'a [&'a str],
}

impl Expression<'_> {
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }

    fn any(&mut self) -> Option<bool> {
        let mut allowed = self.all()?;
        while self.take("OR") {
            allowed |= self.all()?;
        }
        Some(allowed)
    }

    fn all(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let allowed = self.any()?;
            return self.take(")").then_some(allowed);
        }
        let (name, rest) = self.words.split_first()?;
        self.words = rest;
        if !self.take("WITH") {
            return Some(ALLOWED.contains(name));
        }
        let (exception, rest) = self.words.split_first()?;
        self.words = rest;
        Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_judged_as_expressions() {
        let cases = [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 OR GPL-2.0-only", true),
            ("ISC AND (Apache-2.0 OR ISC) AND OpenSSL", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("GPL-3.0 WITH Classpath-exception-2.0", false),
            ("AGPL-3.0-only", false),
            ("MIT AND", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ];
        for (licence, expected) in cases {
            assert_eq!(is_allowed(licence), expected, "{licence}");
        }
    }

    #[test]
    fn refused_licences_and_providers_are_told_once() {
        let tree = "a v1.0.0|MIT\na v1.0.0|MIT\nring v0.17.0|ISC\nb v2.0.0 (proc-macro)|SSPL-1.0\n\
                    tenon-base v0.1.0 (/home/x/crates/tenon-base)|\n";
        assert_eq!(
            judge(tree),
            [
                "b v2.0.0 has the licence `SSPL-1.0`, which is not on the list",
                "ring v0.17.0 is built in; aws-lc-rs is the one crypto provider",
            ]
        );
    }

    #[test]
    fn the_number_of_packages_is_bounded() {
        let tree = |n: usize| (0..n).map(|i| format!("p{i} v1.0.0|MIT\n")).collect::<String>();
        assert!(judge(&tree(PACKAGES_MAX)).is_empty());
        assert_eq!(judge(&tree(PACKAGES_MAX + 1)).len(), 1);
    }
}
