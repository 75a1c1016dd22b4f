//! A small device: one record per group, so that each record lies at a 4 KiB border of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tenon_base::{ByteSize, Lsn, PartitionId};
use tenon_embedded::{EmbeddedLog, LogMode, LogOptions, RealDisk, RecoveryReport};
use tenon_ports::contract::block_on;
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, Log, LogError, Reach};

/// Header 4 KiB, eleven groups, footer 16 KiB.
const SEGMENT: ByteSize = ByteSize::kib(64);
/// Groups of one segment.
pub(crate) const GROUPS: u64 = 11;
pub(crate) const FOOTER_AT: usize = 48 * 1024;
pub(crate) const A: PartitionId = PartitionId(3);
pub(crate) const B: PartitionId = PartitionId(4);

/// A log directory between two opens.
pub(crate) struct Device {
    pub(crate) home: TempDir,
}

fn options() -> LogOptions {
    LogOptions {
        segment: SEGMENT,
        group: ByteSize::kib(8),
        mode: LogMode::Buffered,
        segments_min: 4,
        // No marker but those of open and close: what proves a record is what the test writes behind it.
        idle_marker: Duration::from_secs(3600),
        ..LogOptions::default()
    }
}

/// What the record `number` of a partition says.
fn payload(partition: PartitionId, number: u64) -> Bytes {
    format!("record {number} of partition {}", partition.0).into_bytes().into()
}

pub(crate) fn append(log: &EmbeddedLog, partition: PartitionId) -> Result<Lsn, LogError> {
    let number = log.last(partition, Reach::Enqueued).next().0;
    let record = Append {
        partition,
        producer: 1,
        producer_seq: number,
        time_us: 0,
        key_id: 0,
        leader_epoch: 0,
        kind: kind::COMMANDS,
        payload: payload(partition, number),
    };
    block_on(log.append(vec![record], Durability::Durable)).map(|lsns| lsns[0])
}

/// The numbers of a partition that can be read behind `after`; every one must say what was appended.
pub(crate) fn read(
    log: &EmbeddedLog,
    partition: PartitionId,
    after: u64,
) -> Result<Vec<u64>, LogError> {
    let records = block_on(log.read(partition, Lsn(after), Reach::Committed, usize::MAX))?;
    Ok(records
        .into_iter()
        .map(|record| {
            assert_eq!(record.append.payload, payload(partition, record.lsn.0), "a wrong record");
            record.lsn.0
        })
        .collect())
}

impl Device {
    pub(crate) fn new() -> Self {
        // Memory where there is some: these tests judge bytes, and hundreds of opens would wait for a disk.
        let home = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
        Self { home: home.unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.home.path().join("log")
    }

    pub(crate) fn try_open(
        &self,
        applied: &[(PartitionId, Lsn)],
    ) -> Result<(EmbeddedLog, RecoveryReport), LogError> {
        EmbeddedLog::open(Arc::new(RealDisk), &self.path(), &options(), applied)
    }

    pub(crate) fn open(&self) -> (EmbeddedLog, RecoveryReport) {
        self.try_open(&[]).unwrap()
    }

    /// A device that holds these records, in this order, and stopped as planned or not.
    pub(crate) fn holding(partitions: &[PartitionId], is_clean: bool) -> Self {
        let device = Self::new();
        let (log, _) = device.open();
        for partition in partitions {
            append(&log, *partition).unwrap();
        }
        if is_clean {
            log.close().unwrap();
        }
        drop(log);
        device
    }

    /// A second device with the same bytes.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_directory(&self.path(), &copy.path());
        copy
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "log"))
            .collect();
        files.sort();
        files
    }

    /// Where the payload of a record lies: file and offset. The newest place, if it was moved.
    pub(crate) fn find(&self, partition: PartitionId, number: u64) -> (PathBuf, usize) {
        let wanted = payload(partition, number);
        let mut found = None;
        for path in self.segments() {
            let bytes = fs::read(&path).unwrap();
            let at = bytes.windows(wanted.len()).position(|window| window == &wanted[..]);
            found = at.map(|at| (path, at)).or(found);
        }
        found.expect("the record is on the device")
    }

    /// Turns bits of one byte of a record's payload.
    pub(crate) fn damage(&self, partition: PartitionId, number: u64) -> (PathBuf, usize) {
        let (path, at) = self.find(partition, number);
        flip(&path, at);
        (path, at)
    }

    pub(crate) fn quarantined(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path().join("quarantine")).unwrap();
        files.map(|entry| entry.unwrap().path()).collect()
    }
}

pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x41;
    fs::write(path, bytes).unwrap();
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
