//! The data directory: one process at a time, one known format.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tenon_base::Retry;

/// Format of the data directory that this version writes.
pub const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const LOCK_FILE: &str = "LOCK";

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds it.
    #[error("{} is in use by process {holder}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process id it wrote, or "unknown".
        holder: String,
    },
    /// A newer version wrote it; nothing was changed.
    #[error("{} has format {found}, this version knows up to {FORMAT}", path.display())]
    Newer {
        /// The directory.
        path: PathBuf,
        /// The format it has.
        found: String,
    },
    /// The filesystem refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was being opened.
        path: PathBuf,
        /// What it answered.
        #[source]
        source: io::Error,
    },
}

impl DataDirError {
    /// Tells the caller whether it may repeat the call.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::InUse { .. } | Self::Io { .. } => Retry::Safe,
            Self::Newer { .. } => Retry::Never,
        }
    }
}

/// A data directory that this process holds; dropping it lets go.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _held: File,
}

impl DataDir {
    /// Takes the directory, making it if it is missing, and checks its format. The format is durable on return.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let held = hold(path)?;
        check_format(path)?;
        Ok(Self { path: path.to_owned(), _held: held })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn hold(path: &Path) -> Result<File, DataDirError> {
    let file_path = path.join(LOCK_FILE);
    let failed = |source| DataDirError::Io { path: file_path.clone(), source };
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&file_path)
        .map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                "unknown".clone_into(&mut holder);
            }
            let holder = holder.trim().to_owned();
            return Err(DataDirError::InUse { path: path.to_owned(), holder });
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn check_format(path: &Path) -> Result<(), DataDirError> {
    let file_path = path.join(FORMAT_FILE);
    let failed = |source| DataDirError::Io { path: file_path.clone(), source };
    match fs::read_to_string(&file_path) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(1..=FORMAT) => Ok(()),
            _ => {
                let found = text.trim().chars().take(20).collect();
                Err(DataDirError::Newer { path: path.to_owned(), found })
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(path, &file_path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn write_format(path: &Path, file_path: &Path) -> io::Result<()> {
    let temp = path.join("format.new");
    let mut file = File::create(&temp)?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&temp, file_path)?;
    File::open(path)?.sync_all()
}
