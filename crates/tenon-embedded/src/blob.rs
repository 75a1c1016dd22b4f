//! Objects as files in a directory.
//!
//! `objects/<name>` holds an object; `temp/` holds what is being written and is emptied at open. An object gets its name only
//! when its bytes are synced, and the name is synced before `put` returns.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tenon_ports::blob::{check_name, check_range};
use tenon_ports::{Blob, BlobError};

use crate::blocking::blocking;

/// A part of a name that holds a file's content may also be a folder of others; files carry this suffix, folders do not.
const SUFFIX: &str = "_";

/// Objects in a directory. Puts are durable on return; bounds are those of the filesystem.
pub struct DirectoryBlob {
    shelf: Arc<Shelf>,
}

struct Shelf {
    objects: PathBuf,
    temp: PathBuf,
    next_temp: AtomicU64,
}

impl DirectoryBlob {
    /// Opens the store in `path`, or makes an empty one. What an interrupted put left is removed.
    ///
    /// # Errors
    /// [`BlobError::Engine`] when the directory cannot be made.
    pub fn open(path: &Path) -> Result<Self, BlobError> {
        let shelf = Shelf {
            objects: path.join("objects"),
            temp: path.join("temp"),
            next_temp: AtomicU64::new(0),
        };
        shelf.prepare().map_err(|error| engine_error(&error))?;
        Ok(Self { shelf: Arc::new(shelf) })
    }

    async fn on_shelf<T: Send + 'static>(
        &self,
        name: &str,
        act: impl FnOnce(&Shelf, &str) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let (shelf, name) = (Arc::clone(&self.shelf), name.to_owned());
        blocking(move || act(&shelf, &name))
            .await
            .map_err(|_| BlobError::Engine("the call panicked".to_owned()))?
    }
}

#[async_trait]
impl Blob for DirectoryBlob {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        check_name(name)?;
        let put = move |shelf: &Shelf, name: &str| shelf.put(name, &content);
        self.on_shelf(name, move |shelf, name| put(shelf, name).map_err(|e| engine_error(&e))).await
    }

    async fn read(&self, name: &str, offset: u64, length: u64) -> Result<Bytes, BlobError> {
        check_name(name)?;
        self.on_shelf(name, move |shelf, name| shelf.read(name, offset, length)).await
    }

    async fn size(&self, name: &str) -> Result<u64, BlobError> {
        check_name(name)?;
        self.on_shelf(name, |shelf, name| {
            fs::metadata(shelf.file(name)).map(|found| found.len()).map_err(|e| absent(&e))
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        check_name(name)?;
        self.on_shelf(name, |shelf, name| shelf.delete(name).map_err(|e| engine_error(&e))).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, BlobError> {
        let after = after.to_owned();
        self.on_shelf(prefix, move |shelf, prefix| {
            shelf.list(prefix, &after, limit).map_err(|e| engine_error(&e))
        })
        .await
    }
}

impl Shelf {
    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.objects)?;
        fs::create_dir_all(&self.temp)?;
        for entry in fs::read_dir(&self.temp)? {
            fs::remove_file(entry?.path())?;
        }
        if let Some(parent) = self.objects.parent() {
            sync_directory(parent)?;
        }
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.objects.join(format!("{name}{SUFFIX}"))
    }

    fn put(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let target = self.file(name);
        if target.try_exists()? {
            // The one who put it may have crashed before the name was synced.
            return target.parent().map_or(Ok(()), sync_directory);
        }
        let temp = self.temp.join(self.next_temp.fetch_add(1, Ordering::Relaxed).to_string());
        let mut file = File::create_new(&temp)?;
        file.write_all(content)?;
        file.sync_all()?;
        let folder = target.parent().unwrap_or(&self.objects);
        self.make_folder(folder)?;
        // A link, unlike a rename, leaves an object that another put has placed meanwhile.
        match fs::hard_link(&temp, &target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        sync_directory(folder)?;
        fs::remove_file(&temp)
    }

    /// Makes a folder and the ones above it, and syncs each new name.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|above| above.starts_with(&self.objects)) {
            self.make_folder(above)?;
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
            sync_directory(above)?;
        }
        Ok(())
    }

    fn read(&self, name: &str, offset: u64, length: u64) -> Result<Bytes, BlobError> {
        let file = File::open(self.file(name)).map_err(|e| absent(&e))?;
        let size = file.metadata().map_err(|e| engine_error(&e))?.len();
        let range = check_range(size, offset, length)?;
        let mut content = vec![0; range.len()];
        file.read_exact_at(&mut content, offset).map_err(|e| engine_error(&e))?;
        Ok(content.into())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let target = self.file(name);
        match fs::remove_file(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        target.parent().map_or(Ok(()), sync_directory)
    }

    fn list(&self, prefix: &str, after: &str, limit: usize) -> io::Result<Vec<String>> {
        // Only the folder that the prefix names can hold matches.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_climbing = folder.split('/').any(|part| part.starts_with('.'));
        let mut names = Vec::new();
        if !is_climbing {
            collect(&self.objects.join(folder), folder, &mut names)?;
        }
        names.retain(|name| name.starts_with(prefix) && name.as_str() > after);
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }
}

/// Names of all objects below `folder`, whose own name is `above`.
fn collect(folder: &Path, above: &str, names: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(part) = entry.file_name().into_string() else { continue };
        let name = if above.is_empty() { part } else { format!("{above}/{part}") };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &name, names)?;
        } else if let Some(name) = name.strip_suffix(SUFFIX) {
            names.push(name.to_owned());
        }
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn absent(error: &io::Error) -> BlobError {
    if error.kind() == io::ErrorKind::NotFound { BlobError::Absent } else { engine_error(error) }
}

fn engine_error(error: &io::Error) -> BlobError {
    BlobError::Engine(error.to_string())
}
