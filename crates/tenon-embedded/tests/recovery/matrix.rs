//! One bad byte anywhere (I30): no wrong record is read, and none is missing without a word.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tenon_base::PartitionId;
use tenon_ports::LogError;

use crate::device::{A, B, Device, FOOTER_AT, GROUPS, flip, read};

/// Offsets of a segment worth trying: every byte of record headers and payloads, a sample of the rest.
fn offsets(bytes: &[u8]) -> Vec<usize> {
    let mut offsets: BTreeSet<usize> = (0..64).step_by(5).collect();
    for block in (4096..FOOTER_AT).step_by(4096) {
        if bytes[block..block + 4] == *b"TNRC" {
            offsets.extend((block..block + 136).step_by(3));
            offsets.insert(block + 2000);
        }
    }
    offsets.extend((FOOTER_AT..FOOTER_AT + 160).step_by(7));
    offsets.into_iter().collect()
}

/// Opens a damaged copy and holds it to the law; gives whether the damage was told.
fn judge(device: &Device, name: &Path, at: usize, records: u64) -> bool {
    let copy = device.copy();
    flip(&copy.path().join(name), at);
    let where_it_was = format!("{} at {at}", name.display());
    let (log, report) = match copy.try_open(&[]) {
        Ok(opened) => opened,
        Err(LogError::Unreadable(_)) => return true,
        Err(other) => panic!("{where_it_was}: {other}"),
    };
    for partition in [A, B] {
        let is_told = report.damaged_partitions.contains(&partition);
        match read(&log, partition, 0) {
            Ok(numbers) if is_told => {
                let whole: Vec<u64> = (1..=numbers.len() as u64).collect();
                assert_eq!(numbers, whole, "{where_it_was}: a hole was skipped");
            }
            Ok(numbers) => {
                let all: Vec<u64> = (1..=records).collect();
                assert_eq!(numbers, all, "{where_it_was}: lost without a word, {report:?}");
            }
            Err(error) => assert!(is_told, "{where_it_was}: {error}, {report:?}"),
        }
    }
    let told: &[PartitionId] = &report.damaged_partitions;
    !told.is_empty()
        || !report.damage.is_empty()
        || !report.footers_lost.is_empty()
        || !report.headers_lost.is_empty()
        || report.torn_tail.is_some()
        || report.was_unclean
}

/// After a planned stop every record is proven, so each is read as it was written or its partition is named.
#[test]
fn one_bad_byte_never_hides_or_changes_a_record() {
    let records = GROUPS;
    let order: Vec<PartitionId> = (0..records * 2).map(|n| [A, B][n as usize % 2]).collect();
    let device = Device::holding(&order, true);
    let (mut tried, mut told) = (0, 0);
    for path in device.segments() {
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap();
        for at in offsets(&bytes) {
            tried += 1;
            told += usize::from(judge(&device, Path::new(name), at, records));
        }
    }
    assert!(tried > 500, "{tried}");
    assert!(told > tried / 2, "{told} of {tried}: the rest lies in bytes that hold nothing");
}

/// The device file names everything else: damage there refuses the start.
#[test]
fn a_bad_byte_in_the_device_file_refuses_the_start() {
    let device = Device::holding(&[A], true);
    for at in 0..64 {
        let copy = device.copy();
        flip(&copy.path().join("device"), at);
        assert!(matches!(copy.try_open(&[]), Err(LogError::Unreadable(_))), "byte {at}");
    }
}
