//! Files of a ZIP, unpacked one at a time within bounds. Nothing is written to disk, so names cannot lead anywhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use zip::ZipArchive;

use crate::error::ImportError;
use crate::options::Limits;

/// Where the bytes of a ZIP come from.
pub(crate) trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

/// An open ZIP.
pub(crate) struct Pack {
    zip: Mutex<ZipArchive<Box<dyn Source>>>,
    /// Path without the folder around the whole archive -> index. A path that is in twice: the last one counts.
    files: BTreeMap<String, usize>,
}

impl Pack {
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, ImportError> {
        let file = File::open(path)
            .map_err(|source| ImportError::Open { path: path.to_owned(), source })?;
        Self::new(Box::new(BufReader::new(file)), limits)
    }

    pub(crate) fn new(source: Box<dyn Source>, limits: &Limits) -> Result<Self, ImportError> {
        let zip = ZipArchive::new(source).map_err(ImportError::NotZip)?;
        if zip.len() > limits.files_max {
            let (file, max) = ("the ZIP".to_owned(), limits.files_max as u64);
            return Err(ImportError::TooLarge { file, max, unit: "files" });
        }
        let names = (0..zip.len()).filter_map(|index| match zip.name_for_index(index) {
            Some(Ok(name)) if !name.ends_with('/') => Some((name.into_owned(), index)),
            _ => None,
        });
        let mut files: BTreeMap<String, usize> = names.collect();
        if let Some(folder) = folder_around(&files) {
            let strip = |(name, index): (String, usize)| (name[folder.len()..].to_owned(), index);
            files = files.into_iter().map(strip).collect();
        }
        Ok(Self { zip: Mutex::new(zip), files })
    }

    /// Paths in order of their bytes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The bytes of a file of at most `max` bytes; `None` if there is no such file.
    pub(crate) fn read(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, ImportError> {
        let Some(index) = self.files.get(name) else {
            return Ok(None);
        };
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let damaged = |source| ImportError::Damaged { file: name.to_owned(), source };
        let file = zip.by_index(*index).map_err(|e| damaged(std::io::Error::other(e)))?;
        // The size that the ZIP claims is only a hint, and a wrong one must not reserve memory.
        let hint = file.size().min(max).min(1 << 20);
        let mut bytes = Vec::with_capacity(usize::try_from(hint).unwrap_or(0));
        file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(damaged)?;
        if bytes.len() as u64 > max {
            return Err(ImportError::TooLarge { file: name.to_owned(), max, unit: "bytes" });
        }
        Ok(Some(bytes))
    }
}

/// The one folder that holds everything, with its slash, if somebody packed the export again.
///
/// Only if a list of the export is directly in it: a folder with days alone is a channel.
fn folder_around(files: &BTreeMap<String, usize>) -> Option<String> {
    let (first, _) = files.first_key_value()?;
    let folder = &first[..=first.find('/')?];
    let is_around = files.keys().all(|name| name.starts_with(folder));
    let has_list = ["users.json", "channels.json", "groups.json", "mpims.json", "dms.json"]
        .iter()
        .any(|list| files.contains_key(&format!("{folder}{list}")));
    (is_around && has_list).then(|| folder.to_owned())
}
