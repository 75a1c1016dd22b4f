//! The log: records, blocks of a segment, and opening what was damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{ByteSize, Lsn, PartitionId};
use tenon_embedded::log::frame::{Frame, HEADER_BYTES, Place, find_magic, frame_bytes, named_use};
use tenon_embedded::log::segment::{self, Device, Footer, Header};
use tenon_embedded::{EmbeddedLog, LogMode, LogOptions};
use tenon_ports::contract::block_on;
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, Log, LogError, Reach};

use super::memory_disk::MemoryDisk;

/// Puts the CRC-32C of everything before `at` there, so that random bytes get behind the checksum.
fn reseal(bytes: &mut [u8], at: usize) {
    if let Some((content, rest)) = bytes.split_at_mut_checked(at)
        && let Some(slot) = rest.get_mut(..4)
    {
        slot.copy_from_slice(&crc32c::crc32c(content).to_le_bytes());
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    for (to, from) in raw.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    u64::from_le_bytes(raw)
}

/// A header at the place that it names itself; what decodes is written again, bit for bit, if its padding is.
pub(super) fn frame(input: &[u8]) {
    let mut bytes = input.to_vec();
    reseal(&mut bytes, HEADER_BYTES - 4);
    let place = Place {
        device_id: number(&bytes, 16),
        position: number(&bytes, 24),
        use_number: number(&bytes, 32) as u32,
    };
    assert_eq!(
        named_use(&bytes).is_some(),
        bytes.len() >= HEADER_BYTES && bytes.starts_with(b"TNRC")
    );
    assert!(find_magic(&bytes, 0).is_none_or(|at| bytes[at..].starts_with(b"TNRC")));
    let Ok(decoded) = Frame::decode(&bytes, place) else { return };
    let elsewhere = Place { position: place.position.wrapping_add(8), ..place };
    assert!(Frame::decode(&bytes, elsewhere).is_err(), "a frame is believed at its place alone");
    let Ok(payload) = decoded.payload(&bytes) else { return };
    let mut again = vec![0; frame_bytes(payload.len())];
    let checksum = decoded.frame.encode(payload, &mut again);
    assert_eq!(checksum, decoded.checksum, "a header comes back");
    assert_eq!(again[..HEADER_BYTES], bytes[..HEADER_BYTES]);
}

/// Header, footer and device file, with a checksum that fits.
pub(super) fn segment(input: &[u8]) {
    for len in [segment::DEVICE_BYTES, segment::HEADER_BYTES, segment::FOOTER_BYTES] {
        let mut block = input.to_vec();
        block.resize(len, 0);
        reseal(&mut block, len - 4);
        if let Ok(device) = Device::decode(&block) {
            assert_eq!(Device::decode(&device.encode()), Ok(device));
        }
        if let Ok(header) = Header::decode(&block) {
            let mut again = vec![0; segment::HEADER_BYTES];
            header.encode(&mut again);
            assert_eq!(Header::decode(&again), Ok(header));
        }
        if let Ok(footer) = Footer::decode(&block) {
            let mut again = vec![0; segment::FOOTER_BYTES];
            footer.encode(&mut again);
            assert_eq!(Footer::decode(&again), Ok(footer));
        }
    }
}

/// Names and bytes of the files of a device.
type Image = BTreeMap<PathBuf, Vec<u8>>;

const FOLDER: &str = "/log";
const PARTITIONS: [PartitionId; 2] = [PartitionId(3), PartitionId(4)];
/// More than one segment and less than the ring.
const RECORDS: u64 = 26;

fn options() -> LogOptions {
    LogOptions {
        segment: ByteSize::kib(64),
        group: ByteSize::kib(8),
        queue: ByteSize::kib(64),
        tail: ByteSize::kib(64),
        mode: LogMode::Buffered,
        segments_min: 4,
        idle_marker: Duration::from_secs(3600),
        ..LogOptions::default()
    }
}

fn payload(partition: PartitionId, number: u64) -> Bytes {
    format!("record {number} of partition {}", partition.0).into()
}

fn append(log: &EmbeddedLog, partition: PartitionId) -> Result<(), LogError> {
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
    block_on(log.append(vec![record], Durability::Durable)).map(drop)
}

/// A device that holds records of two partitions and was stopped as planned, or killed.
fn device(is_clean: bool) -> Result<Image, LogError> {
    let disk = MemoryDisk::default();
    let (log, _) = EmbeddedLog::open(Arc::new(disk.clone()), Path::new(FOLDER), &options(), &[])?;
    for number in 0..RECORDS {
        append(&log, PARTITIONS[usize::from(number % 3 == 2)])?;
    }
    let image = disk.image();
    log.close()?;
    Ok(if is_clean { disk.image() } else { image })
}

fn devices() -> Option<&'static [Image; 2]> {
    static DEVICES: OnceLock<Option<[Image; 2]>> = OnceLock::new();
    let made = DEVICES.get_or_init(|| Some([device(false).ok()?, device(true).ok()?]));
    assert!(made.is_some(), "a device in memory is made");
    made.as_ref()
}

/// One damage: which file, where, what. Eight bytes.
fn damage(image: &mut Image, step: &[u8; 8]) -> bool {
    let [what, file, a, b, c, d, e, f] = *step;
    let Some(path) = image.keys().nth(usize::from(file) % image.len().max(1)).cloned() else {
        return false;
    };
    let Some(bytes) = image.get_mut(&path) else { return false };
    let len = bytes.len().max(1);
    let at = (usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16) % len;
    let block = at / 4096 * 4096;
    match what % 8 {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= d),
        1 => bytes.iter_mut().skip(block).take(4096).for_each(|byte| *byte = 0),
        2 => {
            let from = (usize::from(d) * 4096) % len;
            let copied: Vec<u8> = bytes.iter().skip(from).take(4096).copied().collect();
            bytes.iter_mut().skip(block).zip(copied).for_each(|(to, from)| *to = from);
        }
        3 => bytes.truncate(at),
        4 => drop(image.remove(&path)),
        5 => bytes.iter_mut().skip(at).take(16).zip(step.iter().cycle()).for_each(|(t, f)| *t = *f),
        6 => return lie(bytes, block, usize::from(d), [e, f]),
        _ => {
            // A block of another file, as a controller that mixes up its sectors writes it.
            let others: Vec<Vec<u8>> = image.values().cloned().collect();
            let other = &others[usize::from(d) % others.len()];
            let copied: Vec<u8> = other.iter().skip(block).take(4096).copied().collect();
            let Some(bytes) = image.get_mut(&path) else { return false };
            bytes.iter_mut().skip(block).zip(copied).for_each(|(to, from)| *to = from);
        }
    }
    false
}

/// Changes two bytes of a record's or a segment's header and makes its checksum fit: true, since it may now say anything.
fn lie(bytes: &mut [u8], block: usize, field: usize, value: [u8; 2]) -> bool {
    let Some(found) = bytes.get_mut(block..) else { return false };
    let (sealed, checksum_at) = match found {
        [b'T', b'N', b'R', b'C', ..] => (HEADER_BYTES, HEADER_BYTES - 4),
        [b'T', b'E', b'N', b'O', b'N', b'S', ..] => {
            (segment::HEADER_BYTES, segment::HEADER_BYTES - 4)
        }
        [b'T', b'E', b'N', b'O', b'N', b'E', ..] => {
            (segment::FOOTER_BYTES, segment::FOOTER_BYTES - 4)
        }
        [b'T', b'E', b'N', b'O', b'N', b'D', ..] => {
            (segment::DEVICE_BYTES, segment::DEVICE_BYTES - 4)
        }
        _ => return false,
    };
    let Some(found) = found.get_mut(..sealed) else { return false };
    let fields = checksum_at.min(160);
    let at = 8 + field % (fields - 9);
    found[at..at + 2].copy_from_slice(&value);
    reseal(found, checksum_at);
    true
}

/// Whatever a disk does, opening ends, and every record that can be read is the one that was appended there. Only a lie
/// with a checksum of its own may say something else.
pub(super) fn recovery(input: &[u8]) {
    let Some((which, steps)) = input.split_first() else { return };
    let Some(devices) = devices() else { return };
    let mut image = devices[usize::from(which % 2)].clone();
    let mut has_lied = false;
    for step in steps.as_chunks::<8>().0.iter().take(8) {
        has_lied |= damage(&mut image, step);
    }
    let applied: &[_] = if which & 2 == 0 { &[] } else { &[(PARTITIONS[0], Lsn(3))] };
    let disk = Arc::new(MemoryDisk::of(image));
    let Ok((log, _)) = EmbeddedLog::open(disk, Path::new(FOLDER), &options(), applied) else {
        return;
    };
    for partition in PARTITIONS {
        let after = Lsn(0);
        let read = block_on(log.read(partition, after, Reach::Committed, usize::MAX));
        let mut last = after;
        for record in read.unwrap_or_default() {
            assert!(record.lsn > last, "records are in order");
            last = record.lsn;
            let is_ours = record.append.payload == payload(partition, record.lsn.0);
            assert!(is_ours || has_lied, "a record of {partition:?} that nobody appended");
        }
        // A log that opened takes records, but for partitions that the damage may have hit.
        let appended = append(&log, partition);
        let is_answered = matches!(appended, Ok(()) | Err(LogError::Damaged(_)));
        assert!(is_answered || has_lied, "an opened log is writable: {appended:?}");
    }
    let closed = log.close();
    assert!(closed.is_ok() || has_lied, "{closed:?}");
}
