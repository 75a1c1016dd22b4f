//! The texts of the working tree, read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders that hold no text of ours.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", "data", "dist"];
/// Texts that some rule reads.
const EXTENSIONS: &[&str] = &["rs", "md", "toml", "proto", "sh", "yml", "ts", "tsx", "css", "html"];

/// Relative path -> text, in order of paths.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The texts.
    pub files: BTreeMap<PathBuf, String>,
    /// Every other file: only its existence matters.
    pub others: Vec<PathBuf>,
}

impl Tree {
    /// Reads what lies below `root`.
    ///
    /// # Errors
    ///
    /// If a folder or a text cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.enter(root, root)?;
        Ok(tree)
    }

    fn enter(&mut self, root: &Path, folder: &Path) -> Result<(), String> {
        let told = |e: std::io::Error| format!("{}: {e}", folder.display());
        for entry in std::fs::read_dir(folder).map_err(told)? {
            let entry = entry.map_err(told)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(told)?;
            let name = entry.file_name();
            if kind.is_dir() {
                if !SKIPPED.iter().any(|skipped| name == *skipped) {
                    self.enter(root, &path)?;
                }
            } else if kind.is_file() {
                self.add(root, &path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, root: &Path, path: &Path) -> Result<(), String> {
        let relative = path.strip_prefix(root).unwrap_or(path).to_owned();
        let known = relative.extension().is_some_and(|e| EXTENSIONS.iter().any(|k| e == *k));
        if known || relative == Path::new(".ci/run") {
            let text =
                std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            self.files.insert(relative, text);
        } else {
            self.others.push(relative);
        }
        Ok(())
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(Path::new(path)).map(String::as_str)
    }

    /// Files with this extension, in order.
    pub(crate) fn with_extension<'a>(
        &'a self,
        extension: &'a str,
    ) -> impl Iterator<Item = (&'a Path, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.extension().is_some_and(|e| e == extension))
            .map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// Whether a file or a folder with something in it is here.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.files.keys().chain(&self.others).any(|known| known.starts_with(path))
    }

    /// A tree for a test of a rule.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned()));
        Self { files: files.collect(), others: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_texts_and_leaves_build_output_out() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/target")).unwrap();
        std::fs::write(root.path().join("a/x.rs"), "fn x() {}").unwrap();
        std::fs::write(root.path().join("a/x.bin"), [0xff]).unwrap();
        std::fs::write(root.path().join("a/target/y.rs"), "fn y() {}").unwrap();
        let tree = Tree::read(root.path()).unwrap();
        assert_eq!(tree.text("a/x.rs"), Some("fn x() {}"));
        assert_eq!(tree.files.len(), 1);
        assert!(tree.has(Path::new("a/x.bin")) && tree.has(Path::new("a")));
        assert!(!tree.has(Path::new("a/target")));
    }
}
