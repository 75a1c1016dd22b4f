//! Inputs on disk: one folder for each target, one file for each input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tenon_base::digest::mix64;

/// The folder of the corpus cannot be used.
#[derive(Debug)]
pub struct CorpusError {
    /// Which file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl std::fmt::Display for CorpusError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for CorpusError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The folders below one root.
#[derive(Debug, Clone)]
pub struct Corpus {
    root: PathBuf,
}

impl Corpus {
    /// The corpus below `root`.
    pub const fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The corpus that is committed with this source.
    pub fn committed() -> Self {
        Self::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus"))
    }

    /// Names and bytes of a target's inputs, by name; none if there is no folder.
    ///
    /// # Errors
    /// [`CorpusError`] if a file cannot be read.
    pub fn inputs(&self, target: &str) -> Result<Vec<(String, Vec<u8>)>, CorpusError> {
        let folder = self.root.join(target);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(CorpusError { path: folder, source }),
        };
        let mut inputs = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| CorpusError { path: folder.clone(), source })?.path();
            let bytes =
                fs::read(&path).map_err(|source| CorpusError { path: path.clone(), source })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            inputs.push((name, bytes));
        }
        inputs.sort();
        Ok(inputs)
    }

    /// Keeps an input under a name made of `prefix` and its content; gives the path.
    ///
    /// # Errors
    /// [`CorpusError`] if it cannot be written.
    pub fn keep(&self, target: &str, prefix: &str, input: &[u8]) -> Result<PathBuf, CorpusError> {
        let folder = self.root.join(target);
        let path = folder.join(format!("{prefix}-{:016x}", hash(input)));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input));
        written.map_err(|source| CorpusError { path: path.clone(), source })?;
        Ok(path)
    }
}

fn hash(input: &[u8]) -> u64 {
    input.iter().fold(input.len() as u64, |hash, byte| mix64(hash ^ u64::from(*byte)))
}
