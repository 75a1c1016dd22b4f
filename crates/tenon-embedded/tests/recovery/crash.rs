//! After a stop that was not planned: what was acked is there, what was not may be gone, nothing is called corruption.

use std::fs;

use tenon_base::Lsn;
use tenon_ports::Log;

use crate::device::{A, B, Device, GROUPS, append, flip, read};

#[test]
fn a_planned_stop_needs_no_repair() {
    let device = Device::holding(&[A, A, B], true);
    let (log, report) = device.open();
    assert!(!report.was_unclean && !log.was_unclean());
    assert_eq!((report.records_rewritten, &report.torn_tail), (0, &None));
    assert_eq!((read(&log, A, 0).unwrap(), read(&log, B, 0).unwrap()), (vec![1, 2], vec![1]));
}

/// The last group may be acked and unproven: it is written again, with the same positions (L2).
#[test]
fn the_unproven_end_is_written_again() {
    let device = Device::holding(&[A, A, A], false);
    let (log, report) = device.open();
    assert!(report.was_unclean && log.was_unclean());
    assert_eq!((report.records_rewritten, &report.torn_tail), (1, &None));
    assert_eq!(read(&log, A, 0).unwrap(), [1, 2, 3]);
    assert_eq!(append(&log, A).unwrap(), Lsn(4));
    drop(log);
    let (log, report) = device.open();
    assert_eq!(report.damage, []);
    assert_eq!(read(&log, A, 0).unwrap(), [1, 2, 3, 4]);
}

/// A bad last group that nothing proves was never acked: it is kept aside and its positions are given again (L6).
#[test]
fn a_torn_tail_is_cut_and_kept_aside() {
    let device = Device::holding(&[A, A, A], false);
    let (path, at) = device.damage(A, 3);
    let torn = fs::read(&path).unwrap();
    let (log, report) = device.open();
    let tail = report.torn_tail.expect("it was torn");
    assert_eq!((&report.damage, &report.damaged_partitions), (&vec![], &vec![]));
    assert_eq!(read(&log, A, 0).unwrap(), [1, 2]);
    assert_eq!(append(&log, A).unwrap(), Lsn(3));
    drop(log);
    let [kept] = device.quarantined().try_into().unwrap();
    assert!(kept.ends_with(tail.quarantine.unwrap()));
    let kept = fs::read(kept).unwrap();
    assert_eq!(kept.len() as u64, tail.bytes);
    let start = at / 4096 * 4096;
    assert_eq!(kept, torn[start..start + kept.len()], "the bytes as they were found");
    assert_eq!(read(&device.open().0, A, 0).unwrap(), [1, 2, 3]);
}

/// An open that is itself interrupted, again and again, changes nothing that a reader sees.
#[test]
fn recovery_may_be_repeated() {
    let device = Device::holding(&[A, B, A, A], false);
    device.damage(A, 3);
    for _ in 0..6 {
        let (log, report) = device.open();
        assert_eq!((&report.damage, report.was_unclean), (&vec![], true));
        assert_eq!((read(&log, A, 0).unwrap(), read(&log, B, 0).unwrap()), (vec![1, 2], vec![1]));
    }
}

/// A footer can be lost with the stop that wrote it: the chain shows where the segment ends.
#[test]
fn a_lost_footer_is_found_by_the_chain_and_written_again() {
    let device = Device::holding(&[A; GROUPS as usize + 3], true);
    let (first, _) = device.find(A, 1);
    flip(&first, crate::device::FOOTER_AT + 20);
    let (log, report) = device.open();
    assert_eq!((&report.damage, report.footers_lost.len()), (&vec![], 1));
    assert_eq!(read(&log, A, 0).unwrap().len() as u64, GROUPS + 3);
    log.close().unwrap();
    drop(log);
    assert!(device.open().1.footers_lost.is_empty(), "it is there again");
}

/// A segment that is used again is full of old frames: none of them is believed.
#[test]
fn old_frames_of_a_recycled_segment_are_not_believed() {
    let device = Device::new();
    let (log, _) = device.open();
    let last = GROUPS * 9 + 4;
    for number in 1..=last {
        append(&log, A).unwrap();
        log.trim(&[(A, Lsn(number.saturating_sub(3)))]);
    }
    assert!(log.segment_count() < 9, "segments were used again");
    drop(log);
    let (log, report) = device.open();
    assert_eq!((&report.damage, &report.torn_tail), (&vec![], &None));
    assert_eq!(read(&log, A, last - 3).unwrap(), [last - 2, last - 1, last]);
    assert_eq!(append(&log, A).unwrap(), Lsn(last + 1));
}
