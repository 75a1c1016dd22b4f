//! A disk in memory, so that a thousand devices can be opened in a second.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenon_embedded::disk::{Access, Space};
use tenon_embedded::{Disk, DiskFile};

/// Files by path. What is written is durable.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryDisk {
    files: Arc<Mutex<BTreeMap<PathBuf, File>>>,
}

#[derive(Debug, Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl File {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryDisk {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names and bytes of all files.
    pub(super) fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files().iter().map(|(path, file)| (path.clone(), file.bytes().clone())).collect()
    }

    /// A disk with these files.
    pub(super) fn of(image: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let files = image.into_iter().map(|(p, bytes)| (p, File(Arc::new(Mutex::new(bytes)))));
        Self { files: Arc::new(Mutex::new(files.collect())) }
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access == Access::Direct {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let file = self.files().get(path).cloned();
        file.map_or_else(|| Err(io::ErrorKind::NotFound.into()), |file| Ok(Arc::new(file) as _))
    }
    fn create(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access == Access::Direct {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut files = self.files();
        if files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = files.entry(path.to_owned()).or_default().clone();
        Ok(Arc::new(file))
    }
    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let files = self.files();
        let inside = files.keys().filter(|file| file.parent() == Some(path));
        Ok(inside.filter_map(|file| file.file_name()?.to_str().map(str::to_owned)).collect())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
    fn space(&self, _path: &Path) -> io::Result<Space> {
        Ok(Space { free: 1 << 40, total: 1 << 41 })
    }
    fn random(&self) -> io::Result<u64> {
        Ok(0x0123_4567_89ab_cdef)
    }
}

/// Largest file: a lie about a length must not fill the memory of who judges it.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl DiskFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let len = buffer.len().min(bytes.len() - from);
        buffer[..len].copy_from_slice(&bytes[from..from + len]);
        Ok(len)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = from.checked_add(bytes.len()).filter(|end| *end <= FILE_BYTES_MAX);
        let Some(end) = end else { return Err(io::ErrorKind::StorageFull.into()) };
        let mut held = self.bytes();
        let len = held.len().max(end);
        held.resize(len, 0);
        held[from..end].copy_from_slice(bytes);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }
}
