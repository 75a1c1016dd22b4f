//! Files of a history.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::checker::{Checker, Options};
use crate::finding::Report;
use crate::line::{Malformed, Parsed, parse};

/// Longest line: a page of 100 rows is far below.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// Why a history could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file can not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not of the format.
    #[error("{} line {line}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: u32,
        /// Why.
        source: Malformed,
    },
}

/// Reads the files in this order as one history and judges it. Memory does not grow with lines.
///
/// # Errors
/// [`CheckError`]: nothing can be said of this history.
pub fn check_files(paths: &[PathBuf], options: Options) -> Result<Report, CheckError> {
    let mut checker = Checker::new(options);
    for path in paths {
        let io = |source| CheckError::Io { path: path.clone(), source };
        let file = File::open(path).map_err(io)?;
        read(&mut checker, path, BufReader::with_capacity(1 << 20, file))?;
    }
    Ok(checker.finish())
}

fn read(checker: &mut Checker, path: &Path, mut file: impl BufRead) -> Result<(), CheckError> {
    checker.begin_file(&path.display().to_string());
    let bad = |line, source| CheckError::Malformed { path: path.to_owned(), line, source };
    let mut text = Vec::new();
    // A line that does not parse may be torn: the next one decides.
    let mut doubt: Option<(u32, Malformed)> = None;
    let mut number = 0;
    loop {
        text.clear();
        let mut piece = (&mut file).take(LINE_BYTES_MAX);
        let n = piece.read_until(b'\n', &mut text);
        let n = n.map_err(|source| CheckError::Io { path: path.to_owned(), source })?;
        if n == 0 {
            break;
        }
        number += 1;
        if text.last() != Some(&b'\n') && text.len() as u64 == LINE_BYTES_MAX {
            let source = Malformed::Text(format!("longer than {LINE_BYTES_MAX} bytes"));
            return Err(bad(number, source));
        }
        let parsed = match str::from_utf8(&text) {
            Ok(line) if line.trim().is_empty() => Ok(None),
            Ok(line) => parse(line.trim_end_matches(['\n', '\r'])).map(Some),
            Err(error) => Err(Malformed::Text(error.to_string())),
        };
        if let Some((line, source)) = doubt.take() {
            if !parsed.as_ref().is_ok_and(begins_anew) {
                return Err(bad(line, source));
            }
            checker.torn();
        }
        match parsed {
            Ok(parsed) => checker.take_parsed(parsed).map_err(|source| bad(number, source))?,
            Err(source @ Malformed::Text(_)) => doubt = Some((number, source)),
            Err(source) => return Err(bad(number, source)),
        }
    }
    if doubt.is_some() {
        checker.torn();
    }
    Ok(())
}

/// True for a header and for the first line of a session.
fn begins_anew(parsed: &Option<Parsed<'_>>) -> bool {
    match parsed {
        Some(Parsed::Header(_)) => true,
        Some(Parsed::Line(line)) => line.n == 1,
        None => false,
    }
}
