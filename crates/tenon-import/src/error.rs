//! Why an archive cannot be read. Every text names the file and what mends it.

use std::path::PathBuf;

use tenon_base::Retry;

/// An archive is refused as a whole, or reading it failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("cannot open {}: check the path and that this account may read it", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has no readable ZIP directory.
    #[error(
        "this is no complete ZIP file (half a download?): download the export again; `unzip -t` must pass"
    )]
    NotZip(#[source] zip::result::ZipError),
    /// A ZIP, but not this kind of archive.
    #[error(
        "no channels.json, groups.json, mpims.json, dms.json and no folder with days in the ZIP: give the ZIP file \
         that the export made, as it was downloaded"
    )]
    NotSlack,
    /// A file in the ZIP cannot be unpacked.
    #[error(
        "{file} in the ZIP is damaged or packed in an unknown way: download the export again; `unzip -t` must pass"
    )]
    Damaged {
        /// Path inside the ZIP.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Above a bound of [`crate::Limits`].
    #[error(
        "{file} has more than {max} {unit}: split the export by time range, or raise the limit"
    )]
    TooLarge {
        /// Path inside the ZIP, or "the ZIP".
        file: String,
        /// The bound.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A file is no JSON list.
    #[error(
        "{file} is no JSON list (line {line}, column {column}: {why}): export again, or repair or remove that file \
         in the ZIP"
    )]
    BadJson {
        /// Path inside the ZIP.
        file: String,
        /// Line from 1; 0 = unknown.
        line: usize,
        /// Column from 1; 0 = unknown.
        column: usize,
        /// What the reader found.
        why: String,
    },
}

impl ImportError {
    /// May the call be repeated? Nothing was written in any case.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Open { .. } => Retry::Safe,
            _ => Retry::Never,
        }
    }
}
