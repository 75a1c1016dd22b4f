//! What the disk can do by itself, as reference.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tokio::time::Instant;

use crate::histogram::Times;
use crate::{BenchError, Report};

/// Syncs measured.
const SYNCS: u64 = 200;
/// Bytes written before each.
const BLOCK_BYTES: usize = 4_096;

/// Measures a write of 4 KiB into a file that is allocated already, and its `fdatasync`, one after another, nothing else
/// of this program running.
pub(crate) fn lone_sync(folder: Option<&Path>, report: &mut Report) -> Result<(), BenchError> {
    let failed = |source| BenchError::io("the disk reference", source);
    let file: File = match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    }
    .map_err(failed)?;
    let block = vec![1; BLOCK_BYTES];
    for at in 0..SYNCS {
        file.write_all_at(&block, at * BLOCK_BYTES as u64).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    let mut times = Times::new()?;
    for at in 0..SYNCS {
        let begin = Instant::now();
        file.write_all_at(&block, at * BLOCK_BYTES as u64).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        times.record(begin.elapsed());
    }
    times.put(report, "lone_fdatasync");
    Ok(())
}
