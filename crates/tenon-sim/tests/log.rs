//! The log alone on the simulated disk: power goes inside of every operation of a run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;

use tenon_base::{ByteSize, PartitionId};
use tenon_embedded::{EmbeddedLog, LogOptions, LogStepper, RecoveryReport};
use tenon_ports::{Append, Durability, Log, LogError};
use tenon_sim::disk::{DiskFaults, Keep, SimDisk};
use tenon_sim::node::now;
use tenon_sim::rng::Rng;

fn open(disk: &SimDisk) -> Result<(EmbeddedLog, LogStepper, RecoveryReport), LogError> {
    let options = LogOptions {
        segment: ByteSize(64 << 10),
        group: ByteSize(16 << 10),
        tail: ByteSize(64 << 10),
        queue: ByteSize::mib(4),
        segments_min: 2,
        prepared: 1,
        ..LogOptions::default()
    };
    let door = Arc::new(disk.clone()) as Arc<dyn tenon_embedded::Disk>;
    EmbeddedLog::open_stepped(door, Path::new("/data/log"), &options, &[])
}

/// Appends records with a quiet while behind each, over the ends of some segments, until the machine dies.
fn write(disk: &SimDisk) {
    let Ok((log, mut stepper, _)) = open(disk) else { return };
    for seq in 1..=40 {
        let append = Append {
            partition: PartitionId(0),
            producer: 1,
            producer_seq: seq,
            time_us: 0,
            key_id: 0,
            leader_epoch: 0,
            kind: tenon_ports::log::kind::COMMANDS,
            payload: vec![7; 3_000].into(),
        };
        // Nobody waits for the answer: the steps below do the work.
        assert!(now(log.append(vec![append], Durability::Durable)).is_none_or(|r| r.is_err()));
        while stepper.has_work() && stepper.step() {}
        stepper.mark_idle();
        stepper.prepare();
        if disk.is_dead() {
            return;
        }
    }
}

/// I18: a disk that runs buffered writes its pages in any order. A power cut alone is never taken for damage, also not in
/// the sync of a footer, behind a marker that was not synced.
#[test]
fn a_power_cut_inside_any_operation_is_no_damage() {
    let faults = DiskFaults { is_buffered_only: true, ..DiskFaults::default() };
    for seed in 0..6 {
        let whole = SimDisk::new(Rng::new(seed, "disk"));
        whole.set_faults(faults);
        write(&whole);
        for at in 1..=whole.operations() {
            let disk = SimDisk::new(Rng::new(seed, "disk"));
            disk.set_faults(faults);
            disk.die_in(Some(at));
            write(&disk);
            disk.crash(Keep::Some);
            let (_log, _stepper, report) = open(&disk).expect("a power cut never stops a start");
            assert_eq!(report.damage, [], "seed {seed}, operation {at}");
        }
    }
}
