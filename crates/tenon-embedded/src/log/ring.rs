//! The ring of segment files: held, prepared, free.
//!
//! Order at the end of a segment: header of N+1 durable -> last group of N -> footer of N durable -> first group of N+1. So a
//! footer whose successor has no valid header means a missing file (L9). Segments are freed and used again oldest first, so
//! that the uses on disk never have a hole.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tenon_base::ByteSize;

use super::options::{Geometry, LogOptions};
use super::segment::{Device, FooterEntry, HEADER_BYTES, Header};
use crate::disk::{Access, AlignedBuffer, Disk, DiskFile};

/// Zeros are written this many bytes at a time.
const ZERO_BYTES: usize = 1 << 20;

/// A file of the ring.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// A segment in one use.
pub(crate) struct Segment {
    pub(crate) use_number: u32,
    pub(crate) slot: Slot,
    /// Set when the segment is left.
    pub(crate) closed: OnceLock<Closed>,
}

/// What is known of a segment that was left.
#[derive(Debug, Clone)]
pub(crate) struct Closed {
    pub(crate) end: usize,
    /// Header checksum of its last record.
    pub(crate) checksum: u32,
    pub(crate) entries: Vec<FooterEntry>,
}

/// What a preparation came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// One more segment is ready.
    One,
    /// As many as wanted are ready.
    Enough,
    /// The filesystem is at its reserve.
    DiskFull,
}

pub(crate) struct Ring {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) access: Access,
    pub(crate) device: Device,
    pub(crate) geometry: Geometry,
    prepared_wanted: usize,
    segments_min: usize,
    reserve: ByteSize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: BTreeMap<u32, Arc<Segment>>,
    prepared: VecDeque<Arc<Segment>>,
    free: VecDeque<Slot>,
    next_use: u32,
    next_index: u32,
    is_stopping: bool,
}

/// What recovery found, from which a ring is made.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) held: BTreeMap<u32, Arc<Segment>>,
    pub(crate) prepared: VecDeque<Arc<Segment>>,
    pub(crate) free: VecDeque<Slot>,
    /// Above every file name in use.
    pub(crate) next_index: u32,
    /// The use after the last prepared one.
    pub(crate) next_use: u32,
}

impl Segment {
    pub(crate) fn new(use_number: u32, slot: Slot) -> Arc<Self> {
        Arc::new(Self { use_number, slot, closed: OnceLock::new() })
    }
}

impl Ring {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: &Path,
        access: Access,
        device: Device,
        geometry: Geometry,
        options: &LogOptions,
    ) -> Self {
        Self {
            disk,
            directory: directory.to_owned(),
            access,
            device,
            geometry,
            prepared_wanted: options.prepared.max(1),
            segments_min: options.segments_min,
            reserve: options.reserve,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }

    /// Takes over what recovery found.
    pub(crate) fn adopt(&self, found: Found) {
        let mut state = self.lock();
        state.held = found.held;
        state.prepared = found.prepared;
        state.free = found.free;
        state.next_use = found.next_use;
        state.next_index = found.next_index;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a block range and makes it durable.
    pub(crate) fn write_synced(
        &self,
        file: &dyn DiskFile,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        file.write_at(bytes, offset)?;
        if self.access == Access::Buffered { file.sync() } else { Ok(()) }
    }

    /// The segment of a use that is held.
    pub(crate) fn segment(&self, use_number: u32) -> Option<Arc<Segment>> {
        self.lock().held.get(&use_number).map(Arc::clone)
    }

    /// The next prepared segment, from now on held.
    pub(crate) fn take_prepared(&self) -> Option<Arc<Segment>> {
        let mut state = self.lock();
        let segment = state.prepared.pop_front()?;
        state.held.insert(segment.use_number, Arc::clone(&segment));
        self.changed.notify_all();
        Some(segment)
    }

    /// Segments held, prepared and free.
    pub(crate) fn count(&self) -> usize {
        let state = self.lock();
        state.held.len() + state.prepared.len() + state.free.len()
    }

    /// Prepares one segment if fewer than wanted are ready. An error poisons only the file that was being prepared.
    pub(crate) fn prepare_one(&self) -> io::Result<Prepared> {
        let (use_number, slot) = {
            let mut state = self.lock();
            if state.prepared.len() >= self.prepared_wanted {
                return Ok(Prepared::Enough);
            }
            (state.next_use, state.free.pop_front())
        };
        let slot = match slot {
            Some(slot) => slot,
            None if self.is_at_reserve()? => {
                tenon_base::sometimes!("log-at-its-reserve");
                let is_last = self.lock().prepared.is_empty();
                return Ok(if is_last { Prepared::DiskFull } else { Prepared::Enough });
            }
            None => self.make_slot()?,
        };
        let mut block = AlignedBuffer::new(HEADER_BYTES);
        Header { device: self.device, use_number }.encode(block.bytes_mut());
        if let Err(error) = self.write_synced(slot.file.as_ref(), block.bytes(), 0) {
            // The header may be on the disk all the same. The same file must take this use: two files of one use do not open.
            tenon_base::sometimes!("segment-not-prepared");
            if !tenon_base::planted!("use-number-given-twice") {
                self.lock().free.push_front(slot);
            }
            return Err(error);
        }
        let mut state = self.lock();
        state.prepared.push_back(Segment::new(use_number, slot));
        state.next_use = use_number + 1;
        self.changed.notify_all();
        Ok(Prepared::One)
    }

    fn is_at_reserve(&self) -> io::Result<bool> {
        let space = self.disk.space(&self.directory)?;
        let reserve = self.reserve.0.min(space.total / 20);
        Ok(space.free < reserve + self.geometry.segment_bytes)
    }

    /// A new file counts only when its zeros and its name are durable.
    fn make_slot(&self) -> io::Result<Slot> {
        let name = {
            let mut state = self.lock();
            state.next_index += 1;
            format!("seg-{:04}.log", state.next_index - 1)
        };
        let path = self.directory.join(&name);
        let made = self.fill_slot(&path);
        if made.is_err() {
            // Half a segment only takes space; a name that stays is found and removed at the next open.
            let _gone = self.disk.remove(&path);
        }
        Ok(Slot { name, file: made? })
    }

    fn fill_slot(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(path, self.access)?;
        let zeros = AlignedBuffer::new(ZERO_BYTES);
        let mut at = 0;
        while at < self.geometry.segment_bytes {
            let left = usize::try_from(self.geometry.segment_bytes - at).unwrap_or(ZERO_BYTES);
            let bytes = &zeros.bytes()[..left.min(ZERO_BYTES)];
            file.write_at(bytes, at)?;
            at += bytes.len() as u64;
        }
        file.sync()?;
        if !tenon_base::planted!("no-dir-sync") {
            self.disk.sync_directory(&self.directory)?;
        }
        Ok(file)
    }

    /// Frees the oldest segments for which `is_free` holds, but never the last one that was left: its footer alone tells the
    /// last Lsn of partitions that are silent. Returns what was freed.
    pub(crate) fn release(&self, is_free: impl Fn(&Closed) -> bool) -> Vec<Arc<Segment>> {
        let mut state = self.lock();
        let mut freed = Vec::new();
        loop {
            let mut oldest = state.held.values();
            let (Some(first), Some(second)) = (oldest.next(), oldest.next()) else { break };
            let is_spare = second.closed.get().is_some();
            if !is_spare || !first.closed.get().is_some_and(&is_free) {
                break;
            }
            let use_number = first.use_number;
            if let Some(segment) = state.held.remove(&use_number) {
                state.free.push_back(segment.slot.clone());
                freed.push(segment);
            }
        }
        if !freed.is_empty() {
            self.changed.notify_all();
        }
        freed
    }

    /// Gives surplus free files back to the filesystem, oldest first.
    pub(crate) fn shrink(&self) -> io::Result<()> {
        loop {
            let slot = {
                let mut state = self.lock();
                let total = state.held.len() + state.prepared.len() + state.free.len();
                let ready = state.prepared.len() + state.free.len();
                if total <= self.segments_min || ready <= self.prepared_wanted + 1 {
                    return Ok(());
                }
                state.free.pop_front()
            };
            let Some(slot) = slot else { return Ok(()) };
            self.disk.remove(&self.directory.join(&slot.name))?;
            self.disk.sync_directory(&self.directory)?;
        }
    }

    /// Waits until a segment is prepared or freed, or the ring stops. For at most `time`.
    pub(crate) fn wait_for_change(&self, time: Duration) {
        let state = self.lock();
        if !state.is_stopping {
            drop(self.changed.wait_timeout(state, time));
        }
    }

    /// Waits until there is a prepared segment, or the ring stops. For at most `time`.
    pub(crate) fn wait_for_prepared(&self, time: Duration) {
        let state = self.lock();
        if state.prepared.is_empty() && !state.is_stopping {
            drop(self.changed.wait_timeout(state, time));
        }
    }

    /// Ends all waiting.
    pub(crate) fn stop(&self) {
        self.lock().is_stopping = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }
}
