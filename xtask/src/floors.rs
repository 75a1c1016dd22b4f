//! The floor table: which crate stands where and what it may import.
//!
//! Normal and build dependencies must lie on a lower floor and not behind a wall. Dev-dependencies may look
//! sideways and down (a test may put two rooms together) but never up, and never break the table of engines.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::finding::{Finding, Outcome};

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// 0 to 4; imports go down.
    Number(u8),
    /// Simulator, load tools, checks: may import any floor, imported by nobody but the server (bench).
    Beside,
}

/// The house as it was planned: the crate, its floor, the lower crates it may not import all the same.
const HOUSE: &[(&str, Floor, &[&str])] = &[
    ("tenon-base", Floor::Number(0), &[]),
    ("tenon-core", Floor::Number(1), &[]),
    ("tenon-wire", Floor::Number(1), &[]),
    ("tenon-ports", Floor::Number(1), &[]),
    ("tenon-store", Floor::Number(2), &["tenon-wire"]),
    ("tenon-embedded", Floor::Number(2), &["tenon-core", "tenon-wire"]),
    ("tenon-cluster", Floor::Number(2), &["tenon-core", "tenon-wire"]),
    ("tenon-client", Floor::Number(2), &["tenon-core", "tenon-ports"]),
    ("tenon-import", Floor::Number(3), &["tenon-wire"]),
    ("tenon-gateway", Floor::Number(3), &["tenon-store", "tenon-embedded", "tenon-client"]),
    ("tenon-receiver", Floor::Number(3), &["tenon-wire", "tenon-embedded", "tenon-client"]),
    ("tenon-processor", Floor::Number(3), &["tenon-wire", "tenon-embedded", "tenon-client"]),
    ("tenon-sync", Floor::Number(3), &["tenon-wire", "tenon-embedded", "tenon-client"]),
    ("tenon-notify", Floor::Number(3), &["tenon-wire", "tenon-embedded", "tenon-client"]),
    ("tenon-control", Floor::Number(3), &["tenon-wire", "tenon-embedded", "tenon-client"]),
    ("tenon-server", Floor::Number(4), &[]),
    ("tenon-sim", Floor::Beside, &[]),
    ("tenon-bench", Floor::Beside, &[]),
    ("tenon-check", Floor::Beside, &[]),
    ("tenon-chaos", Floor::Beside, &[]),
    ("tenon-fuzz", Floor::Beside, &[]),
    ("xtask", Floor::Beside, &[]),
];

/// Engines stay behind one crate each: dependency -> crates that may name it.
const ENGINES: &[(&str, &[&str])] = &[
    ("fjall", &["tenon-embedded"]),
    ("rusqlite", &["tenon-client"]),
    ("prost", &["tenon-wire", "tenon-client", "tenon-gateway", "tenon-bench", "tenon-server"]),
    ("pbjson", &["tenon-wire"]),
    ("axum", &["tenon-gateway", "tenon-server"]),
    ("hyper", &["tenon-gateway", "tenon-server", "tenon-bench"]),
    ("tokio-tungstenite", &["tenon-client", "tenon-bench"]),
];

/// Refused anywhere: a second crypto provider, or a second way to do what a chosen crate does.
const REFUSED: &[(&str, &str)] = &[
    ("ring", "aws-lc-rs is the one crypto provider"),
    ("openssl", "aws-lc-rs is the one crypto provider"),
    ("native-tls", "rustls is the one TLS library"),
];

#[derive(Debug, Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: BTreeMap<String, Dependency>,
    #[serde(default, rename = "build-dependencies")]
    build: BTreeMap<String, Dependency>,
    #[serde(default, rename = "dev-dependencies")]
    dev: BTreeMap<String, Dependency>,
    #[serde(default)]
    target: BTreeMap<String, Target>,
    lints: Option<Lints>,
}

#[derive(Debug, Deserialize)]
struct Target {
    #[serde(default)]
    dependencies: BTreeMap<String, Dependency>,
    #[serde(default, rename = "build-dependencies")]
    build: BTreeMap<String, Dependency>,
    #[serde(default, rename = "dev-dependencies")]
    dev: BTreeMap<String, Dependency>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    metadata: toml::Table,
}

#[derive(Debug, Deserialize)]
struct Lints {
    #[serde(default)]
    workspace: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Dependency {
    Version(#[expect(dead_code, reason = "only its shape matters")] String),
    Full { package: Option<String> },
}

impl Dependency {
    /// The crate's true name: `package = "x"` renames.
    fn name<'a>(&'a self, key: &'a str) -> &'a str {
        match self {
            Self::Full { package: Some(package) } => package,
            Self::Full { package: None } | Self::Version(_) => key,
        }
    }
}

/// Checks every manifest of `crates/*` and `xtask`.
///
/// # Errors
///
/// If a folder or manifest cannot be read: then nothing was checked.
pub(crate) fn check(root: &Path) -> Outcome {
    let mut findings = Vec::new();
    for path in manifests(root)? {
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        for what in check_manifest(&text).map_err(|e| format!("{}: {e}", path.display()))? {
            findings.push(Finding::new(root, &path, 0, "floors", what));
        }
    }
    Ok(findings)
}

fn manifests(root: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let crates = root.join("crates");
    let entries = std::fs::read_dir(&crates).map_err(|e| format!("{}: {e}", crates.display()))?;
    let mut paths = vec![root.join("xtask/Cargo.toml")];
    for entry in entries {
        let path = entry.map_err(|e| e.to_string())?.path().join("Cargo.toml");
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Checks one manifest; gives what is wrong with it, in words.
fn check_manifest(text: &str) -> Result<Vec<String>, toml::de::Error> {
    let manifest: Manifest = toml::from_str(text)?;
    let name = manifest.package.name.as_str();
    let mut wrong = Vec::new();
    if !manifest.lints.as_ref().is_some_and(|lints| lints.workspace) {
        wrong.push(format!("{name} lacks `[lints] workspace = true`; add it"));
    }
    let Some((floor, walls)) = place(name) else {
        wrong.push(format!(
            "{name} has no place in the floor table; give it one in xtask/src/floors.rs"
        ));
        return Ok(wrong);
    };
    if stated(&manifest.package.metadata) != Some(floor) {
        wrong.push(format!(
            "{name} must state its place, `[package.metadata.tenon] floor = {}`",
            show(floor)
        ));
    }
    for (key, dependency) in manifest.built() {
        wrong.extend(check_import(name, floor, walls, dependency.name(key)));
        wrong.extend(check_engine(name, dependency.name(key)));
    }
    for (key, dependency) in manifest.tested() {
        wrong.extend(check_dev_import(name, floor, dependency.name(key)));
    }
    Ok(wrong)
}

impl Manifest {
    /// What is part of the crate: normal and build dependencies, of every target.
    fn built(&self) -> impl Iterator<Item = (&String, &Dependency)> {
        let targets = self.target.values().flat_map(|t| t.dependencies.iter().chain(&t.build));
        self.dependencies.iter().chain(&self.build).chain(targets)
    }

    /// What only its tests see.
    fn tested(&self) -> impl Iterator<Item = (&String, &Dependency)> {
        self.dev.iter().chain(self.target.values().flat_map(|t| &t.dev))
    }
}

/// A normal or build import: strictly lower, not behind a wall, never from beside the house.
fn check_import(name: &str, floor: Floor, walls: &[&str], import: &str) -> Option<String> {
    if !is_ours(import) {
        return None;
    }
    let Some((below, _)) = place(import) else {
        return Some(format!("{name} imports {import}, which has no place in the floor table"));
    };
    if walls.contains(&import) {
        return Some(format!("{name} (floor {}) may not import {import}: a wall", show(floor)));
    }
    let allowed = match (floor, below) {
        (Floor::Number(mine), Floor::Number(theirs)) => theirs < mine,
        (Floor::Number(_), Floor::Beside) => {
            name == "tenon-server" && matches!(import, "tenon-bench" | "tenon-check")
        }
        (Floor::Beside, Floor::Number(theirs)) => theirs < 4,
        // The simulator asks the judge that knows no server.
        (Floor::Beside, Floor::Beside) => name == "tenon-sim" && import == "tenon-check",
    };
    (!allowed).then(|| {
        format!("{name} (floor {}) may not import {import} (floor {})", show(floor), show(below))
    })
}

/// A test's import: sideways and down, so that rooms can be put together in a test, never up.
fn check_dev_import(name: &str, floor: Floor, import: &str) -> Option<String> {
    if !is_ours(import) {
        return None;
    }
    let Some((below, _)) = place(import) else {
        return Some(format!("{name} tests with {import}, which has no place in the floor table"));
    };
    let allowed = match (floor, below) {
        (Floor::Number(mine), Floor::Number(theirs)) => theirs <= mine,
        (Floor::Beside, Floor::Number(_)) => true,
        (Floor::Number(_), Floor::Beside) => name == "tenon-server" && import == "tenon-chaos",
        (Floor::Beside, Floor::Beside) => false,
    };
    (!allowed).then(|| {
        format!("{name} (floor {}) may not test with {import} (floor {})", show(floor), show(below))
    })
}

/// An engine outside its crate, or a crate that is refused everywhere.
fn check_engine(name: &str, import: &str) -> Option<String> {
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == import) {
        return Some(format!("{name} may not import {import}: {why}"));
    }
    let (_, homes) = ENGINES.iter().find(|(engine, _)| *engine == import)?;
    (!homes.contains(&name))
        .then(|| format!("{name} may not import {import}: it stays behind {}", homes.join(", ")))
}

/// Crates of this house by their name.
fn is_ours(name: &str) -> bool {
    name.starts_with("tenon-") || name == "xtask"
}

fn place(name: &str) -> Option<(Floor, &'static [&'static str])> {
    HOUSE.iter().find(|(known, _, _)| *known == name).map(|(_, floor, walls)| (*floor, *walls))
}

/// The floor that the manifest itself states.
fn stated(metadata: &toml::Table) -> Option<Floor> {
    let floor = metadata.get("tenon")?.get("floor")?;
    if floor.as_str() == Some("beside") {
        return Some(Floor::Beside);
    }
    u8::try_from(floor.as_integer()?).ok().map(Floor::Number)
}

fn show(floor: Floor) -> String {
    match floor {
        Floor::Number(number) => number.to_string(),
        Floor::Beside => "\"beside\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, floor: &str, rest: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\n[package.metadata.tenon]\nfloor = {floor}\n[lints]\nworkspace = true\n{rest}"
        )
    }

    fn wrong(text: &str) -> Vec<String> {
        check_manifest(text).unwrap()
    }

    #[test]
    fn a_lower_import_is_clean() {
        let text = manifest(
            "tenon-sync",
            "3",
            "[dependencies]\ntenon-store.workspace = true\nbytes = \"1\"\n\
             [dev-dependencies]\ntenon-processor = { path = \"../tenon-processor\" }\n",
        );
        assert_eq!(wrong(&text), Vec::<String>::new());
    }

    /// Who, its floor, the import, what the check must say.
    const BAD: &[(&str, &str, &str, &str)] = &[
        (
            "tenon-gateway",
            "3",
            "[dependencies]\ntenon-sync.workspace = true\n",
            "tenon-gateway (floor 3) may not import tenon-sync (floor 3)",
        ),
        (
            "tenon-base",
            "0",
            "[dependencies]\ntenon-core.workspace = true\n",
            "tenon-base (floor 0) may not import tenon-core (floor 1)",
        ),
        (
            "tenon-sync",
            "3",
            "[dependencies]\ntenon-wire.workspace = true\n",
            "tenon-sync (floor 3) may not import tenon-wire: a wall",
        ),
        (
            "tenon-sync",
            "3",
            "[dependencies]\nspeech = { package = \"tenon-wire\", path = \"x\" }\n",
            "tenon-sync (floor 3) may not import tenon-wire: a wall",
        ),
        (
            "tenon-core",
            "1",
            "[target.'cfg(unix)'.dependencies]\ntenon-wire.workspace = true\n",
            "tenon-core (floor 1) may not import tenon-wire (floor 1)",
        ),
        (
            "tenon-core",
            "1",
            "[build-dependencies]\ntenon-wire.workspace = true\n",
            "tenon-core (floor 1) may not import tenon-wire (floor 1)",
        ),
        (
            "tenon-store",
            "2",
            "[dependencies]\ntenon-sim = { path = \"x\" }\n",
            "tenon-store (floor 2) may not import tenon-sim (floor \"beside\")",
        ),
        (
            "tenon-store",
            "2",
            "[dependencies]\ntenon-utils = { path = \"x\" }\n",
            "tenon-store imports tenon-utils, which has no place in the floor table",
        ),
        (
            "tenon-store",
            "2",
            "[dev-dependencies]\ntenon-sync.workspace = true\n",
            "tenon-store (floor 2) may not test with tenon-sync (floor 3)",
        ),
        (
            "tenon-store",
            "2",
            "[dependencies]\nfjall.workspace = true\n",
            "tenon-store may not import fjall: it stays behind tenon-embedded",
        ),
        (
            "tenon-gateway",
            "3",
            "[dependencies]\nring = \"0.17\"\n",
            "tenon-gateway may not import ring: aws-lc-rs is the one crypto provider",
        ),
    ];

    #[test]
    fn each_way_to_break_the_table_is_told() {
        for (name, floor, rest, expected) in BAD {
            assert_eq!(wrong(&manifest(name, floor, rest)), [*expected]);
        }
    }

    #[test]
    fn an_unknown_crate_is_refused() {
        let found = wrong(&manifest("tenon-helper", "1", ""));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("no place in the floor table"), "{found:?}");
    }

    #[test]
    fn a_wrong_or_missing_place_is_refused() {
        let found = wrong(&manifest("tenon-core", "2", ""));
        assert_eq!(
            found,
            ["tenon-core must state its place, `[package.metadata.tenon] floor = 1`"]
        );
        let found = wrong("[package]\nname = \"tenon-core\"\n");
        assert_eq!(found.len(), 2, "neither lints nor place: {found:?}");
    }

    #[test]
    fn the_server_alone_may_start_the_load_tool() {
        let rest = "[dependencies]\ntenon-bench = { path = \"x\" }\n";
        assert_eq!(wrong(&manifest("tenon-server", "4", rest)), Vec::<String>::new());
        assert_eq!(wrong(&manifest("tenon-gateway", "3", rest)).len(), 1);
    }

    #[test]
    fn this_house_stands() {
        let found = check(&crate::root()).unwrap();
        assert!(found.is_empty(), "{found:#?}");
    }
}
