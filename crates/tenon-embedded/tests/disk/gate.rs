//! The real disk with a gate: writes can be held back, fail, or find no space.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code"
)]

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tenon_embedded::disk::{Access, Disk, DiskFile, RealDisk, Space};

/// A disk whose writes pass a gate.
#[derive(Default)]
pub(crate) struct GateDisk {
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_stalled: bool,
    is_failing: bool,
    is_full: bool,
}

struct GateFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl GateDisk {
    /// While stalled no write returns.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.gate.state.lock().unwrap().is_stalled = is_stalled;
        self.gate.changed.notify_all();
    }
    /// Every write fails until [`Self::heal`].
    pub(crate) fn fail(&self) {
        self.gate.state.lock().unwrap().is_failing = true;
    }
    /// Writes pass again.
    pub(crate) fn heal(&self) {
        *self.gate.state.lock().unwrap() = State::default();
        self.gate.changed.notify_all();
    }
    /// While full no space is free.
    pub(crate) fn fill(&self, is_full: bool) {
        self.gate.state.lock().unwrap().is_full = is_full;
    }
}

impl Gate {
    fn pass(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        while state.is_stalled {
            state = self.changed.wait(state).unwrap();
        }
        if state.is_failing { Err(io::Error::other("failure asked for")) } else { Ok(()) }
    }
}

impl Disk for GateDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path, access)?;
        Ok(Arc::new(GateFile { file, gate: Arc::clone(&self.gate) }))
    }
    fn create(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.create(path, access)?;
        Ok(Arc::new(GateFile { file, gate: Arc::clone(&self.gate) }))
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        let space = RealDisk.space(path)?;
        let is_full = self.gate.state.lock().unwrap().is_full;
        Ok(Space { free: if is_full { 0 } else { space.free }, ..space })
    }
    fn random(&self) -> io::Result<u64> {
        RealDisk.random()
    }
}

impl DiskFile for GateFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.gate.pass()?;
        self.file.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.gate.pass()?;
        self.file.sync()
    }
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}
