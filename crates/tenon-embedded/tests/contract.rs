//! The doors of this machine keep the laws, the log in both modes and on tiny segments.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code"
)]

#[path = "disk/gate.rs"]
mod gate;

use std::sync::Arc;

use gate::GateDisk;
use tempfile::TempDir;
use tenon_base::ByteSize;
use tenon_embedded::{DirectoryBlob, EmbeddedLog, FjallKv, KvOptions, LogMode, LogOptions};
use tenon_ports::contract::{BlobHarness, KvHarness, LogHarness};
use tenon_ports::{Blob, Kv, Log};

struct LogOnDisk {
    directory: TempDir,
    disk: Arc<GateDisk>,
    options: LogOptions,
    /// The door hides the type that closes.
    open: Option<Arc<EmbeddedLog>>,
}

impl LogOnDisk {
    fn new(mode: LogMode, segment: ByteSize) -> Self {
        let options = LogOptions {
            segment,
            mode,
            tail: ByteSize::kib(16),
            queue: ByteSize::kib(256),
            ..LogOptions::default()
        };
        Self {
            directory: TempDir::new().unwrap(),
            disk: Arc::new(GateDisk::default()),
            options,
            open: None,
        }
    }
}

impl LogHarness for LogOnDisk {
    fn open(&mut self) -> Arc<dyn Log> {
        self.disk.heal();
        let path = self.directory.path().join("log");
        let disk = Arc::clone(&self.disk) as Arc<dyn tenon_embedded::Disk>;
        let (log, report) = EmbeddedLog::open(disk, &path, &self.options, &[]).unwrap();
        assert!(report.damage.is_empty(), "{report:?}");
        let log = Arc::new(log);
        self.open = Some(Arc::clone(&log));
        log
    }
    fn close(&mut self, log: Arc<dyn Log>) {
        drop(log);
        self.open.take().unwrap().close().unwrap();
    }
    fn crash(&mut self, log: Arc<dyn Log>) {
        drop(log);
        self.disk.stall(false);
        drop(self.open.take());
    }
    fn stall(&mut self, is_stalled: bool) {
        self.disk.stall(is_stalled);
    }
    fn fail(&mut self) {
        self.disk.fail();
    }
    fn fill(&mut self, is_full: bool) {
        self.disk.fill(is_full);
    }
}

struct KvOnDisk(TempDir);

impl KvHarness for KvOnDisk {
    fn open(&mut self) -> Arc<dyn Kv> {
        Arc::new(FjallKv::open(&self.0.path().join("store"), &KvOptions::default()).unwrap())
    }
    fn close(&mut self, kv: Arc<dyn Kv>) {
        assert_eq!(Arc::strong_count(&kv), 1);
    }
}

struct BlobOnDisk(TempDir);

impl BlobHarness for BlobOnDisk {
    fn open(&mut self) -> Arc<dyn Blob> {
        Arc::new(DirectoryBlob::open(&self.0.path().join("blob")).unwrap())
    }
    fn close(&mut self, _blob: Arc<dyn Blob>) {}
}

tenon_ports::log_contract!(
    log_probed_small_segments,
    LogOnDisk::new(LogMode::Probe, ByteSize::mib(1))
);
tenon_ports::log_contract!(
    log_buffered_small_segments,
    LogOnDisk::new(LogMode::Buffered, ByteSize::kib(512))
);
tenon_ports::kv_contract!(kv_on_fjall, KvOnDisk(TempDir::new().unwrap()));
tenon_ports::blob_contract!(blob_in_directory, BlobOnDisk(TempDir::new().unwrap()));

#[test]
fn a_store_whose_making_was_interrupted_is_made_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    // What the engine leaves when it is interrupted, which it does not open again.
    let unborn = directory.path().join("store.new");
    std::fs::create_dir_all(unborn.join("keyspaces")).unwrap();
    std::fs::write(unborn.join("0.jnl"), b"").unwrap();
    std::fs::create_dir(&path).unwrap();
    for _ in 0..2 {
        let store = FjallKv::open(&path, &KvOptions::default()).unwrap();
        assert_eq!(store.spaces(), Vec::new());
        assert!(!unborn.exists());
    }
}
