//! Bytes that had been durable and are bad now: told, never cut, and only those who may have lost something stop.

use std::fs;

use tenon_base::Lsn;
use tenon_embedded::log::Evidence;
use tenon_ports::LogError;

use crate::device::{A, B, Device, GROUPS, append, flip, read};

/// A later record says that the place had been durable (L4). The other partition goes on; nothing is cut (L8).
#[test]
fn a_later_record_proves_corruption() {
    let device = Device::holding(&[A, B, A, B, A, B], true);
    let (path, at) = device.damage(A, 2);
    let before = fs::read(&path).unwrap();
    let (log, report) = device.open();
    let [damage] = report.damage.as_slice() else { panic!("{report:?}") };
    assert_eq!(damage.evidence, Evidence::DurableThrough);
    assert_eq!(damage.file, path.file_name().unwrap().to_str().unwrap());
    assert_eq!(damage.position as usize % (64 * 1024), at / 4096 * 4096);
    assert_eq!(report.damaged_partitions, [A], "the chain shows that only this record is bad");
    assert!(matches!(append(&log, A), Err(LogError::Damaged(A))));
    assert!(matches!(read(&log, A, 1), Err(LogError::Damaged(A))));
    assert_eq!(read(&log, B, 0).unwrap(), [1, 2, 3]);
    assert_eq!(append(&log, B).unwrap(), Lsn(4));
    drop(log);
    assert_eq!(fs::read(&path).unwrap()[..48 * 1024], before[..48 * 1024], "nothing was cut");
    assert!(device.quarantined().is_empty());
}

/// Damage stays damage over later starts, also when the good partitions have gone on.
#[test]
fn damage_is_told_at_every_start() {
    let device = Device::holding(&[A, B, A, B], true);
    device.damage(A, 1);
    for number in 3..6 {
        let (log, report) = device.open();
        assert_eq!(report.damaged_partitions, [A]);
        assert_eq!(append(&log, B).unwrap(), Lsn(number));
    }
}

/// The last record of a full segment has nothing behind it there: the footer proves it.
#[test]
fn a_footer_proves_corruption() {
    // The first group is the marker of the open.
    let device = Device::holding(&[A; GROUPS as usize + 2], true);
    let last = GROUPS - 1;
    let (first, _) = device.find(A, 1);
    assert_eq!(device.find(A, last).0, first, "the last record of the first segment");
    device.damage(A, last);
    let (_, report) = device.open();
    assert_eq!(report.damage[0].evidence, Evidence::Footer);
    assert_eq!(report.damaged_partitions, [A]);
}

/// The store has applied what is bad: it costs the safety window, not the partition.
#[test]
fn damage_below_the_applied_position_is_reported_and_harmless() {
    let device = Device::holding(&[A, A, A, A], true);
    device.damage(A, 2);
    let (log, report) = device.try_open(&[(A, Lsn(2))]).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damaged_partitions, []);
    assert_eq!(read(&log, A, 2).unwrap(), [3, 4]);
    assert_eq!(append(&log, A).unwrap(), Lsn(5));
}

/// A store that has applied more than the log holds is evidence of lost acks (K3).
#[test]
fn a_log_behind_its_store_is_told() {
    let device = Device::holding(&[A, A, A], false);
    device.damage(A, 3);
    let (log, report) = device.try_open(&[(A, Lsn(3))]).unwrap();
    assert!(
        report.log_too_short == [A] || report.damaged_partitions == [A],
        "an applied record is missing and nobody says so: {report:?}"
    );
    assert!(append(&log, A).is_err(), "it must not give position 3 again");
}

/// A whole segment that is missing refuses the start and is named by its use (L9).
#[test]
fn a_missing_segment_refuses_the_start() {
    let device = Device::holding(&[A; GROUPS as usize * 3], true);
    let (path, _) = device.find(A, GROUPS + 5);
    fs::remove_file(path).unwrap();
    match device.try_open(&[]) {
        Err(LogError::Unreadable(text)) => assert!(text.contains("missing"), "{text}"),
        other => panic!("{other:?}"),
    }
}

/// A segment of another device is never taken for one's own.
#[test]
fn a_foreign_segment_refuses_the_start() {
    let device = Device::holding(&[A, A], true);
    let other = Device::holding(&[A, A], true);
    let (own, _) = device.find(A, 1);
    let (foreign, _) = other.find(A, 1);
    fs::copy(foreign, own).unwrap();
    match device.try_open(&[]) {
        Err(LogError::Unreadable(text)) => assert!(text.contains("not a segment"), "{text}"),
        other => panic!("{other:?}"),
    }
}

/// Without its device file nothing tells which frames to believe.
#[test]
fn a_missing_device_file_refuses_the_start() {
    let device = Device::holding(&[A], true);
    fs::remove_file(device.path().join("device")).unwrap();
    assert!(matches!(device.try_open(&[]), Err(LogError::Unreadable(_))));
    assert!(!device.segments().is_empty(), "and nothing was thrown away");
}

/// A bad header hides nothing: the records of the segment say where they belong. Wherever it stands, the file is not used again.
#[test]
fn a_segment_with_a_bad_header_is_known_by_its_records() {
    let records = GROUPS * 3;
    let device = Device::holding(&[A; GROUPS as usize * 3], true);
    for number in [1, GROUPS + 5, records] {
        let copy = device.copy();
        let (path, _) = copy.find(A, number);
        flip(&path, 3);
        let all: Vec<u64> = (1..=records).collect();
        for more in 0..3 {
            let (log, report) = copy.open();
            assert_eq!((report.headers_lost.len(), &report.damage), (1, &vec![]));
            assert_eq!(read(&log, A, 0).unwrap(), [&all[..], &extra(records, more)].concat());
            append(&log, A).unwrap();
            log.close().unwrap();
        }
    }
}

fn extra(records: u64, more: u64) -> Vec<u64> {
    (records + 1..=records + more).collect()
}
