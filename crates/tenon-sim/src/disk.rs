//! A disk of 512-byte sectors behind the `Disk` trait of the embedded log: what was not synced may be lost, in any order.
//!
//! A file has a face (what reads see: the page cache) and a ground (what survives). A write changes the face and marks its
//! sectors pending; a sync moves them to the ground; a direct write does both. A crash keeps any subset of what is pending.
//! Names have a face and a ground of their own: a new name survives only after its directory was synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenon_embedded::disk::{Access, Disk, DiskFile, Space};

use crate::rng::Rng;

/// Unit of what survives.
pub const SECTOR_BYTES: usize = 512;

/// What the disk does wrong while it runs. Rates are per million operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// A write fails and leaves a part of itself.
    pub write_error: u32,
    /// A sync fails and drops what was pending.
    pub sync_error: u32,
    /// A read fails once.
    pub read_error: u32,
    /// A sync says yes and does nothing.
    pub lying_sync: u32,
    /// A write lands on another place of the same file.
    pub misdirected: u32,
    /// Direct access is refused, so that the log runs buffered.
    pub is_buffered_only: bool,
}

impl DiskFaults {
    /// True if anything may fail.
    pub const fn plays(&self) -> bool {
        self.write_error > 0
            || self.sync_error > 0
            || self.read_error > 0
            || self.lying_sync > 0
            || self.misdirected > 0
    }
}

/// What a crash keeps of the pending sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: power loss with a full cache.
    Nothing,
    /// Everything: the process died, the machine did not.
    All,
    /// Each sector by the toss of a coin.
    Some,
}

#[derive(Debug, Clone, Default)]
struct File {
    face: Vec<u8>,
    ground: Vec<u8>,
    /// Pending sectors.
    pending: BTreeSet<usize>,
    /// Pending sectors that a sync said it had settled, and when it said so.
    lied: BTreeMap<usize, u64>,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<u64, File>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    next_file: u64,
    life: u64,
    rng: Rng,
    faults: DiskFaults,
    is_full: bool,
    /// The checker looks: nothing fails and nothing counts.
    is_quiet: bool,
    /// The machine dies inside the operation that counts this down to zero.
    dies_in: Option<u64>,
    is_dead: bool,
    operations: u64,
    written: u64,
    counts: DiskCounts,
    now_us: u64,
    /// Since when the disk does not hold what it said: a lie came out, or a write went astray.
    broken_since: Option<u64>,
}

/// Faults that the disk has played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Writes that failed.
    pub write_errors: u64,
    /// Syncs that failed.
    pub sync_errors: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Syncs that said yes and did nothing.
    pub lies: u64,
    /// Writes that landed elsewhere.
    pub misdirected: u64,
    /// Files that could not be made because the disk was full.
    pub full: u64,
}

/// The simulated disk. Cheap to clone; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

struct SimFile {
    disk: SimDisk,
    id: u64,
    life: u64,
    access: Access,
}

/// A copy of everything that survives, to undo damage.
#[derive(Debug, Clone)]
pub struct Image {
    files: BTreeMap<u64, File>,
    names: BTreeMap<PathBuf, u64>,
}

fn dead() -> io::Error {
    io::Error::other("the machine is off")
}

impl SimDisk {
    /// An empty disk.
    pub fn new(rng: Rng) -> Self {
        let state = State {
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            next_file: 1,
            life: 0,
            rng,
            faults: DiskFaults::default(),
            is_full: false,
            is_quiet: false,
            dies_in: None,
            is_dead: false,
            operations: 0,
            written: 0,
            counts: DiskCounts::default(),
            now_us: 0,
            broken_since: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.lock().faults = faults;
    }

    /// No space is free, or some is again.
    pub fn fill(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// The machine dies inside the `n`-th operation from now (1 = the next); `None` takes it back.
    pub fn die_in(&self, n: Option<u64>) {
        self.lock().dies_in = n;
    }

    /// While quiet nothing fails and nothing counts: for the checker's own reads.
    pub fn quiet(&self, is_quiet: bool) {
        self.lock().is_quiet = is_quiet;
    }

    /// True once the machine died inside an operation.
    pub fn is_dead(&self) -> bool {
        self.lock().is_dead
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Faults played so far.
    pub fn counts(&self) -> DiskCounts {
        self.lock().counts
    }

    /// Tells the time.
    pub fn set_now(&self, now_us: u64) {
        self.lock().now_us = now_us;
    }

    /// Since when the disk has not held what it said. Nothing that was durable before may be lost.
    pub fn broken_since(&self) -> Option<u64> {
        self.lock().broken_since
    }

    /// Power is cut, and comes back: open files are gone, `keep` says what survives of what was pending.
    pub fn crash(&self, keep: Keep) {
        let mut state = self.lock();
        let state = &mut *state;
        for file in state.files.values_mut() {
            for sector in std::mem::take(&mut file.pending) {
                let survives = match keep {
                    Keep::Nothing => false,
                    Keep::All => true,
                    Keep::Some => state.rng.below(2) == 0,
                };
                if survives {
                    file.settle(sector);
                } else if let Some(said) = file.lied.get(&sector) {
                    let since = state.broken_since.map_or(*said, |since| since.min(*said));
                    state.broken_since = Some(since);
                }
            }
            file.lied.clear();
            file.face.clone_from(&file.ground);
        }
        if keep == Keep::All {
            state.durable_names.clone_from(&state.names);
        } else if keep == Keep::Some {
            // Names may have reached the disk without a sync.
            let mut all: BTreeSet<PathBuf> = state.names.keys().cloned().collect();
            all.extend(state.durable_names.keys().cloned());
            for name in all {
                if state.rng.below(2) == 0 {
                    match state.names.get(&name) {
                        Some(id) => state.durable_names.insert(name, *id),
                        None => state.durable_names.remove(&name),
                    };
                }
            }
        }
        state.names.clone_from(&state.durable_names);
        state.life += 1;
        state.is_dead = false;
        state.dies_in = None;
    }

    /// Files that have a name.
    pub fn files(&self) -> usize {
        self.lock().names.len()
    }

    /// Bytes written so far, torn ones included.
    pub fn written(&self) -> u64 {
        self.lock().written
    }

    /// What survives now.
    pub fn image(&self) -> Image {
        let state = self.lock();
        Image { files: state.files.clone(), names: state.names.clone() }
    }

    /// Puts everything back as it was.
    pub fn restore(&self, image: &Image) {
        let mut state = self.lock();
        state.files.clone_from(&image.files);
        state.names.clone_from(&image.names);
        state.durable_names.clone_from(&image.names);
        state.life += 1;
    }

    /// Damages one place at rest in a file whose name ends with `suffix`; says what was done, `None` if there is no such
    /// file with content.
    pub fn damage(&self, suffix: &str) -> Option<String> {
        let mut state = self.lock();
        let state = &mut *state;
        let named: Vec<(PathBuf, u64)> = state
            .names
            .iter()
            .filter(|(name, _)| name.to_string_lossy().ends_with(suffix))
            .map(|(name, id)| (name.clone(), *id))
            .collect();
        if named.is_empty() {
            return None;
        }
        let (name, id) = state.rng.pick(&named).clone();
        let file = state.files.get_mut(&id)?;
        // Damage of zeros that nobody wrote yet would prove little: look for a sector with content.
        let used: Vec<usize> = (0..file.ground.len() / SECTOR_BYTES)
            .filter(|s| file.ground[s * SECTOR_BYTES..][..SECTOR_BYTES].iter().any(|b| *b != 0))
            .collect();
        if used.is_empty() {
            return None;
        }
        let at = *state.rng.pick(&used) * SECTOR_BYTES;
        let what = if state.rng.below(2) == 0 {
            let bit = state.rng.index(SECTOR_BYTES * 8);
            file.ground[at + bit / 8] ^= 1 << (bit % 8);
            "bit flipped"
        } else {
            let from = *state.rng.pick(&used) * SECTOR_BYTES;
            let other = file.ground[from..from + SECTOR_BYTES].to_vec();
            file.ground[at..at + SECTOR_BYTES].copy_from_slice(&other);
            "sector overwritten by another one"
        };
        file.face.clone_from(&file.ground);
        Some(format!("{what} at {at} of {}", name.display()))
    }
}

impl File {
    /// Moves one sector from the face to the ground.
    fn settle(&mut self, sector: usize) {
        self.lied.remove(&sector);
        let at = sector * SECTOR_BYTES;
        let end = (at + SECTOR_BYTES).min(self.face.len());
        if self.ground.len() < end {
            self.ground.resize(end, 0);
        }
        if at < end {
            self.ground[at..end].copy_from_slice(&self.face[at..end]);
        }
    }

    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.face.len() < end {
            self.face.resize(end, 0);
        }
        self.face[offset..end].copy_from_slice(bytes);
        self.pending.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.pending) {
            self.settle(sector);
        }
    }

    /// What the kernel does after a failed sync: some pages were written; all count as clean, and the next read may show the
    /// old ones.
    ///
    /// Returns since when the disk had lied about what is lost now, if it had.
    fn fail_sync(&mut self, rng: &mut Rng) -> Option<u64> {
        for sector in std::mem::take(&mut self.pending) {
            if rng.below(2) == 0 {
                self.settle(sector);
            }
        }
        let lied = std::mem::take(&mut self.lied).into_values().min();
        self.face.clone_from(&self.ground);
        lied
    }

    /// A sync that does nothing.
    fn lie(&mut self, now_us: u64) {
        for sector in &self.pending {
            self.lied.entry(*sector).or_insert(now_us);
        }
    }
}

impl State {
    /// Counts one operation; an error if the machine is off. True if it dies inside this one.
    fn enter(&mut self, life: u64) -> io::Result<bool> {
        if self.is_dead || life != self.life {
            return Err(dead());
        }
        if self.is_quiet {
            return Ok(false);
        }
        self.operations += 1;
        if let Some(left) = &mut self.dies_in {
            *left -= 1;
            if *left == 0 {
                self.dies_in = None;
                self.is_dead = true;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn fails(&mut self, per_million: u32) -> bool {
        per_million > 0 && !self.is_quiet && self.rng.chance(per_million)
    }

    fn open(&mut self, path: &Path, access: Access) -> io::Result<u64> {
        if access == Access::Direct && self.faults.is_buffered_only {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl SimDisk {
    fn run<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock();
        let life = state.life;
        let dies = state.enter(life)?;
        let done = work(&mut state);
        if dies { Err(dead()) } else { done }
    }

    fn file(&self, id: u64, access: Access) -> Arc<dyn DiskFile> {
        let life = self.lock().life;
        Arc::new(SimFile { disk: self.clone(), id, life, access })
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.run(|state| state.open(path, access))?;
        Ok(self.file(id, access))
    }

    fn create(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.run(|state| {
            if access == Access::Direct && state.faults.is_buffered_only {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            if state.is_full {
                state.counts.full += 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            if state.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let id = state.next_file;
            state.next_file += 1;
            state.files.insert(id, File::default());
            state.names.insert(path.to_owned(), id);
            Ok(id)
        })?;
        Ok(self.file(id, access))
    }

    fn create_directory(&self, _: &Path) -> io::Result<()> {
        self.run(|_| Ok(()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.run(|state| {
            let inside = |name: &PathBuf| {
                (name.parent() == Some(path))
                    .then(|| name.file_name().map(|n| n.to_string_lossy().into_owned()))
                    .flatten()
            };
            Ok(state.names.keys().filter_map(inside).collect())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(|state| {
            let id = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.to_owned(), id);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(|state| match state.names.remove(path) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let life = state.life;
        if state.enter(life)? {
            return Err(dead());
        }
        let state = &mut *state;
        let inside = |name: &PathBuf| name.parent() == Some(path);
        state.durable_names.retain(|name, _| !inside(name));
        for (name, id) in state.names.iter().filter(|(name, _)| inside(name)) {
            state.durable_names.insert(name.clone(), *id);
        }
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        self.run(|state| {
            let total = 1 << 40;
            Ok(Space { free: if state.is_full { 0 } else { total / 2 }, total })
        })
    }

    fn random(&self) -> io::Result<u64> {
        self.run(|state| Ok(state.rng.draw()))
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        if state.enter(self.life)? {
            return Err(dead());
        }
        let rate = state.faults.read_error;
        if state.fails(rate) {
            state.counts.read_errors += 1;
            return Err(io::Error::other("read error asked for"));
        }
        let Some(file) = state.files.get(&self.id) else { return Err(dead()) };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let held = file.face.get(offset..).unwrap_or_default();
        let count = held.len().min(buffer.len());
        buffer[..count].copy_from_slice(&held[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let dies = state.enter(self.life)?;
        let rate = state.faults.write_error;
        let fails = state.fails(rate);
        let mut offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let sectors = bytes.len().div_ceil(SECTOR_BYTES);
        let rate = state.faults.misdirected;
        let goes_astray = state.fails(rate);
        if goes_astray {
            let length = state.files.get(&self.id).map_or(0, |file| file.face.len());
            offset = state.rng.index(length / SECTOR_BYTES + 1) * SECTOR_BYTES;
            state.counts.misdirected += 1;
            let now_us = state.now_us;
            state.broken_since.get_or_insert(now_us);
        }
        // A write that is cut short leaves some of its first sectors pending.
        let written =
            if dies || fails { state.rng.index(sectors + 1) * SECTOR_BYTES } else { bytes.len() };
        state.written += bytes.len() as u64;
        let Some(file) = state.files.get_mut(&self.id) else { return Err(dead()) };
        file.write(&bytes[..written.min(bytes.len())], offset);
        if dies {
            return Err(dead());
        }
        if fails {
            state.counts.write_errors += 1;
            return Err(io::Error::other("write error asked for"));
        }
        if self.access == Access::Direct {
            let rate = state.faults.lying_sync;
            let (lies, now_us) = (state.fails(rate), state.now_us);
            state.counts.lies += u64::from(lies);
            if lies && let Some(file) = state.files.get_mut(&self.id) {
                file.lie(now_us);
            } else if let Some(file) = state.files.get_mut(&self.id) {
                file.sync();
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.enter(self.life)? {
            return Err(dead());
        }
        let rates = state.faults;
        if state.fails(rates.sync_error) {
            let state = &mut *state;
            state.counts.sync_errors += 1;
            if let Some(file) = state.files.get_mut(&self.id) {
                let lied = file.fail_sync(&mut state.rng);
                state.broken_since = state.broken_since.into_iter().chain(lied).min();
            }
            return Err(io::Error::other("sync error asked for"));
        }
        if state.fails(rates.lying_sync) {
            let now_us = state.now_us;
            state.counts.lies += 1;
            if let Some(file) = state.files.get_mut(&self.id) {
                file.lie(now_us);
            }
            return Ok(());
        }
        if let Some(file) = state.files.get_mut(&self.id) {
            file.sync();
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        Ok(state.files.get(&self.id).map_or(0, |file| file.face.len() as u64))
    }
}
