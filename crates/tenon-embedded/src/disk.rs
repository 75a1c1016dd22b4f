//! The disk as the log sees it, so that a test can put a worse one in its place.

mod aligned;
mod real;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use aligned::AlignedBuffer;
pub use real::RealDisk;

/// Boundary of groups and unit of direct I/O.
pub const BLOCK_BYTES: usize = 4096;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A write is durable when it returns; buffers, offsets and lengths are multiples of [`BLOCK_BYTES`].
    Direct,
    /// A write is durable after [`DiskFile::sync`].
    Buffered,
}

/// Free and total bytes of the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that may still be written.
    pub free: u64,
    /// Size of the filesystem.
    pub total: u64,
}

/// The calls that the log makes. Names are durable after [`Disk::sync_directory`].
pub trait Disk: Send + Sync {
    /// Opens an existing file.
    ///
    /// # Errors
    /// Of the operating system; `InvalidInput` and the like where direct access is not offered.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a new file; fails if the name is taken.
    ///
    /// # Errors
    /// Of the operating system.
    fn create(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a directory and those above it; present is fine.
    ///
    /// # Errors
    /// Of the operating system.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Names of the files in a directory, sorted.
    ///
    /// # Errors
    /// Of the operating system.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Gives a file another name, in place of the file that has it.
    ///
    /// # Errors
    /// Of the operating system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; absent is an error.
    ///
    /// # Errors
    /// Of the operating system.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Of the operating system.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Free and total bytes.
    ///
    /// # Errors
    /// Of the operating system.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// A random number that nobody can foresee: the id of a new device.
    ///
    /// # Errors
    /// Of the operating system.
    fn random(&self) -> io::Result<u64>;
}

/// An open file. Calls on one file may come from several threads.
pub trait DiskFile: Send + Sync {
    /// Reads at an offset; fewer bytes only at the end of the file.
    ///
    /// # Errors
    /// Of the operating system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset. A short result counts as an error.
    ///
    /// # Errors
    /// Of the operating system. What the file then holds is unknown.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes all earlier writes of this file durable. After an error it must not be called again.
    ///
    /// # Errors
    /// Of the operating system. What the disk then holds is unknown.
    fn sync(&self) -> io::Result<()>;
    /// Length in bytes.
    ///
    /// # Errors
    /// Of the operating system.
    fn size(&self) -> io::Result<u64>;
}

/// Reads a range that must be there in full.
pub(crate) fn read_exact(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => done += n,
        }
    }
    Ok(())
}
