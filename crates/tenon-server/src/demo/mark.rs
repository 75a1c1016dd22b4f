//! Which data directories are demonstrations: a file in them says so. Nothing else is filled, played in, or deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::ServerError;
use crate::house::node;

/// In the data directory.
const MARK_FILE: &str = "demo.json";
/// Last to go, so that nobody takes a directory that is half gone.
const LOCK_FILE: &str = "LOCK";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkFile {
    tenon_demo: u32,
    is_filled: bool,
}

/// What a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Not there, or empty.
    Nothing,
    /// A demonstration; whether its people and groups are all there.
    Demo { is_filled: bool },
    /// Somebody's data.
    Foreign,
}

/// Looks at a directory. Changes nothing.
pub(crate) fn look(data: &Path) -> Result<Mark, ServerError> {
    let path = data.join(MARK_FILE);
    match fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice::<MarkFile>(&bytes) {
            Ok(file) if file.tenon_demo == FORMAT => Ok(Mark::Demo { is_filled: file.is_filled }),
            _ => Ok(Mark::Foreign),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_dir(data) {
            Ok(mut entries) => {
                Ok(if entries.next().is_none() { Mark::Nothing } else { Mark::Foreign })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Mark::Nothing),
            Err(source) => Err(failed(data, source)),
        },
        Err(source) => Err(failed(&path, source)),
    }
}

/// True for a directory that is marked.
pub(crate) fn is_demo(data: &Path) -> bool {
    matches!(look(data), Ok(Mark::Demo { .. }))
}

/// Marks a directory, which is made if it is not there. Durable on return.
pub(super) fn set(data: &Path, is_filled: bool) -> Result<(), ServerError> {
    fs::create_dir_all(data).map_err(|source| failed(data, source))?;
    let path = data.join(MARK_FILE);
    let file = MarkFile { tenon_demo: FORMAT, is_filled };
    let text = serde_json::to_vec(&file).map_err(|error| failed(&path, error.into()))?;
    node::write_private(&path, &text).map_err(|source| failed(&path, source))
}

/// Deletes a marked directory with everything in it. The caller holds its lock. The mark goes last but one, the lock last: a
/// reset that was cut off can be repeated.
pub(super) fn delete(data: &Path) -> Result<(), ServerError> {
    let last = [data.join(MARK_FILE), data.join(LOCK_FILE)];
    for entry in fs::read_dir(data).map_err(|source| failed(data, source))? {
        let entry = entry.map_err(|source| failed(data, source))?;
        let path = entry.path();
        if last.contains(&path) {
            continue;
        }
        // A link is removed, never followed.
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|source| failed(&path, source))?;
    }
    for path in last {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path, source));
            }
            _ => {}
        }
    }
    fs::remove_dir(data).map_err(|source| failed(data, source))
}

/// Why a directory is left alone.
pub(super) fn refusal(data: &Path, what: &str) -> ServerError {
    ServerError::Told {
        message: format!("{} is not a demonstration: {what}", data.display()),
        mend: Some("take another --data directory; nothing was changed".into()),
    }
}

fn failed(path: &Path, source: io::Error) -> ServerError {
    ServerError::Io { path: PathBuf::from(path), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_what_is_marked_is_a_demonstration() {
        let held = tempfile::tempdir().unwrap();
        let data = held.path().join("data");
        assert_eq!(look(&data).unwrap(), Mark::Nothing);
        fs::create_dir(&data).unwrap();
        assert_eq!(look(&data).unwrap(), Mark::Nothing);
        fs::write(data.join("node.json"), "{}").unwrap();
        assert_eq!(look(&data).unwrap(), Mark::Foreign);
        for bad in ["", "{}", "{\"tenon_demo\":2,\"is_filled\":true}", "{\"tenon_demo\":1}"] {
            fs::write(data.join(MARK_FILE), bad).unwrap();
            assert_eq!(look(&data).unwrap(), Mark::Foreign, "{bad}");
        }
        set(&data, false).unwrap();
        assert_eq!(look(&data).unwrap(), Mark::Demo { is_filled: false });
        set(&data, true).unwrap();
        assert_eq!(look(&data).unwrap(), Mark::Demo { is_filled: true });
        assert_eq!(
            fs::read_to_string(data.join(MARK_FILE)).unwrap(),
            "{\"tenon_demo\":1,\"is_filled\":true}",
            "the bytes of the format"
        );
    }

    #[test]
    fn a_link_out_of_a_demonstration_is_not_followed() {
        let held = tempfile::tempdir().unwrap();
        let (data, outside) = (held.path().join("data"), held.path().join("outside"));
        fs::create_dir_all(outside.join("deep")).unwrap();
        fs::write(outside.join("deep/kept"), "kept").unwrap();
        set(&data, true).unwrap();
        fs::create_dir_all(data.join("log/segment")).unwrap();
        std::os::unix::fs::symlink(&outside, data.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.join("deep"), data.join("log/link")).unwrap();
        delete(&data).unwrap();
        assert!(!data.exists());
        assert_eq!(fs::read_to_string(outside.join("deep/kept")).unwrap(), "kept");
    }
}
