//! The order of an open: device, headers, footers, walk, repair, marker.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tenon_base::{Lsn, Map, PartitionId};
use tenon_ports::LogError;

use super::repair;
use super::walk::{End, Later, Stop, Walk};
use super::{Damage, Evidence, RecoveryReport};
use crate::disk::{Access, AlignedBuffer, BLOCK_BYTES, Disk, read_exact};
use crate::log::driver::{Driver, Step};
use crate::log::frame;
use crate::log::intake::Intake;
use crate::log::options::{Geometry, LogMode, LogOptions};
use crate::log::ring::{Closed, Found, Prepared, Ring, Segment, Slot};
use crate::log::scan::View;
use crate::log::segment::{
    BadBlock, DEVICE_BYTES, Device, FOOTER_BYTES, Footer, HEADER_BYTES, Header, PARTITIONS_MAX,
};
use crate::log::shared::Shared;
use crate::log::writer::{DAMAGED_BIT, Known, Placed, Standing, Writer, footer_of};

const DEVICE_FILE: &str = "device";

/// An open device.
pub(crate) struct Recovered {
    pub(crate) shared: Arc<Shared>,
    pub(crate) driver: Driver,
    pub(crate) report: RecoveryReport,
}

/// The files of the ring by use, and their footers.
#[derive(Default)]
pub(super) struct Files {
    pub(super) by_use: BTreeMap<u32, Slot>,
    pub(super) footers: BTreeMap<u32, Footer>,
    pub(super) free: Vec<Slot>,
    /// Uses that were found by their records, because the header is bad.
    pub(super) headers_lost: Vec<u32>,
    pub(super) next_index: u32,
}

/// Where the walk ended.
pub(super) struct Tail {
    pub(super) use_number: u32,
    pub(super) offset: usize,
    pub(super) remnant_end: usize,
    pub(super) is_damaged: bool,
    /// The segment after it holds the remnants of an interrupted rewrite up to this offset.
    pub(super) next_remnant_end: usize,
}

pub(crate) fn recover(
    disk: Arc<dyn Disk>,
    directory: &Path,
    options: &LogOptions,
    applied: &[(PartitionId, Lsn)],
) -> Result<Recovered, LogError> {
    disk.create_directory(&directory.join("quarantine")).map_err(|e| failed(directory, &e))?;
    let access = choose_access(disk.as_ref(), directory, options.mode)?;
    let (device, is_new) = open_device(disk.as_ref(), directory, options)?;
    let geometry = Geometry::new(device.segment_bytes, options)?;
    let ring = Ring::new(disk, directory, access, device, geometry, options);
    let files = find_files(&ring, is_new)?;
    let mut intake = Intake::new(geometry, options);
    let applied: Map<u32, Lsn> = applied.iter().map(|(p, lsn)| (p.0, *lsn)).collect();
    let mut report = RecoveryReport::default();
    let top = check_uses(&ring, &files)?;
    let mut walk = Walk {
        geometry,
        intake: &mut intake,
        applied: &applied,
        standing: Standing {
            use_number: 0,
            offset: HEADER_BYTES,
            chain: 0,
            durable: 0,
            known: vec![Known::default(); PARTITIONS_MAX],
        },
        is_chain_known: false,
        suspects: vec![false; PARTITIONS_MAX],
        unproven: Vec::new(),
        damage: Vec::new(),
        footers_lost: Vec::new(),
        records: 0,
        is_last_clean: false,
        is_segment_damaged: false,
    };
    let mut closed = BTreeMap::new();
    let tail = match top {
        Some(top) => Some(walk_all(&ring, &files, top, &mut walk, &mut closed, &mut report)?),
        None => None,
    };
    judge_end(&ring, &files, tail.as_ref(), &mut walk, &mut report);
    report.is_direct = access == Access::Direct;
    report.records_scanned = walk.records;
    report.was_unclean =
        tail.is_some() && !walk.is_last_clean && !tenon_base::planted!("unclean-forgotten");
    report.damage.append(&mut walk.damage);
    report.headers_lost.clone_from(&files.headers_lost);
    report.footers_lost.append(&mut walk.footers_lost);
    let (standing, unproven) = (walk.standing, walk.unproven);
    let intake = repair::Start { ring, intake, files, closed, tail, standing, unproven };
    finish(intake, &mut report).map(|(shared, driver)| Recovered { shared, driver, report })
}

/// Repairs, then the marker of step 10: from here on the stop before this start is told from the next one.
fn finish(
    start: repair::Start,
    report: &mut RecoveryReport,
) -> Result<(Arc<Shared>, Driver), LogError> {
    let (shared, writer, current) = start.run(report)?;
    let shared = Arc::new(shared);
    shared.show_recovered();
    let mut driver = Driver::new(Arc::clone(&shared), writer, current);
    driver.prepare_here();
    match driver.mark_synced(false) {
        Step::Wrote => Ok((shared, driver)),
        Step::Blocked => Err(LogError::DiskFull),
        Step::Idle | Step::Ended => {
            Err(LogError::Unreadable("the first marker could not be written".to_owned()))
        }
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> LogError {
    LogError::Unreadable(format!("{}: {error}", path.display()))
}

/// Direct if a probe write succeeds. The probe's name is removed again.
fn choose_access(disk: &dyn Disk, directory: &Path, mode: LogMode) -> Result<Access, LogError> {
    if mode == LogMode::Buffered {
        return Ok(Access::Buffered);
    }
    let path = directory.join("probe");
    let probe = || {
        if disk.list(directory)?.iter().any(|name| name == "probe") {
            disk.remove(&path)?;
        }
        let file = disk.create(&path, Access::Direct)?;
        let mut block = AlignedBuffer::new(BLOCK_BYTES);
        file.write_at(block.bytes(), 0)?;
        read_exact(file.as_ref(), block.bytes_mut(), 0)
    };
    let probed = probe();
    // A probe that was refused may have left no file; a file that stays is removed by the next probe.
    let _removed = disk.remove(&path);
    match probed {
        Ok(()) => Ok(Access::Direct),
        Err(error) if mode == LogMode::Direct => Err(failed(&path, &error)),
        Err(error) => {
            tracing::warn!(%error, "direct I/O refused; the log writes through the page cache");
            Ok(Access::Buffered)
        }
    }
}

fn open_device(
    disk: &dyn Disk,
    directory: &Path,
    options: &LogOptions,
) -> Result<(Device, bool), LogError> {
    let path = directory.join(DEVICE_FILE);
    let names = disk.list(directory).map_err(|e| failed(directory, &e))?;
    if names.iter().any(|name| name == DEVICE_FILE) {
        let mut block = vec![0; DEVICE_BYTES];
        let file = disk.open(&path, Access::Buffered).map_err(|e| failed(&path, &e))?;
        read_exact(file.as_ref(), &mut block, 0).map_err(|e| failed(&path, &e))?;
        let device = Device::decode(&block).map_err(|bad| refused(&path, bad))?;
        return Ok((device, false));
    }
    if let Some(name) = names.iter().find(|name| name.starts_with("seg-")) {
        let text = format!("{} is missing, but {name} is there", path.display());
        return Err(LogError::Unreadable(text));
    }
    let device = Device {
        id: disk.random().map_err(|e| failed(directory, &e))?,
        segment_bytes: options.segment.0,
    };
    Geometry::new(device.segment_bytes, options)?;
    let write = || {
        let fresh = directory.join("device.new");
        if names.iter().any(|name| name == "device.new") {
            disk.remove(&fresh)?;
        }
        let file = disk.create(&fresh, Access::Buffered)?;
        file.write_at(&device.encode(), 0)?;
        file.sync()?;
        disk.rename(&fresh, &path)?;
        disk.sync_directory(directory)
    };
    write().map_err(|e| failed(&path, &e))?;
    Ok((device, true))
}

fn refused(path: &Path, bad: BadBlock) -> LogError {
    LogError::Unreadable(match bad {
        BadBlock::Damaged => format!("{} is damaged", path.display()),
        BadBlock::Newer(version) => {
            format!("{} has format {version}, which is newer than this version", path.display())
        }
    })
}

/// Opens every segment file, reads header and footer.
fn find_files(ring: &Ring, is_new: bool) -> Result<Files, LogError> {
    let mut files = Files::default();
    if is_new {
        return Ok(files);
    }
    let names = ring.disk.list(&ring.directory).map_err(|e| failed(&ring.directory, &e))?;
    for name in names {
        let index = name.strip_prefix("seg-").and_then(|rest| rest.strip_suffix(".log"));
        let Some(index) = index.and_then(|index| index.parse::<u32>().ok()) else { continue };
        files.next_index = files.next_index.max(index + 1);
        find_file(ring, name, &mut files)?;
    }
    claim_headless(ring, &mut files)?;
    Ok(files)
}

/// A segment whose header is bad, but whose records verify at their places in a use that is missing beside the others, is
/// that use: the header only says once more what each record says. Used again it would be lost for good.
fn claim_headless(ring: &Ring, files: &mut Files) -> Result<(), LogError> {
    let mut claims = Vec::new();
    for slot in std::mem::take(&mut files.free) {
        match claimed_use(ring, &slot)? {
            Some(use_number) => claims.push((use_number, slot)),
            None => files.free.push(slot),
        }
    }
    // From the newest on: the oldest use held may be followed downwards.
    claims.sort_by_key(|(use_number, _)| std::cmp::Reverse(*use_number));
    for (use_number, slot) in claims {
        let has = |number: Option<u32>| number.is_some_and(|n| files.by_use.contains_key(&n));
        let is_beside = has(use_number.checked_add(1)) || has(use_number.checked_sub(1));
        if has(Some(use_number)) || !(is_beside || files.by_use.is_empty()) {
            files.free.push(slot);
            continue;
        }
        take_footer(ring, use_number, &slot, files)?;
        files.headers_lost.push(use_number);
        files.by_use.insert(use_number, slot);
    }
    Ok(())
}

/// The use that the first record of a segment names, if it verifies there.
fn claimed_use(ring: &Ring, slot: &Slot) -> Result<Option<u32>, LogError> {
    let bytes = ring.geometry.data_end + FOOTER_BYTES;
    let mut buffer = AlignedBuffer::new(bytes);
    let path = ring.directory.join(&slot.name);
    read_exact(slot.file.as_ref(), buffer.bytes_mut(), 0).map_err(|e| failed(&path, &e))?;
    for block in (HEADER_BYTES..ring.geometry.data_end).step_by(BLOCK_BYTES) {
        let Some(use_number) = frame::named_use(&buffer.bytes()[block..]) else { continue };
        if view(ring, use_number, &buffer).frame_at(block).is_ok() {
            return Ok(Some(use_number));
        }
    }
    Ok(None)
}

fn find_file(ring: &Ring, name: String, files: &mut Files) -> Result<(), LogError> {
    let path = ring.directory.join(&name);
    let file = ring.disk.open(&path, ring.access).map_err(|e| failed(&path, &e))?;
    let size = file.size().map_err(|e| failed(&path, &e))?;
    let mut block = AlignedBuffer::new(HEADER_BYTES);
    let header = if size >= HEADER_BYTES as u64 {
        read_exact(file.as_ref(), block.bytes_mut(), 0).map_err(|e| failed(&path, &e))?;
        Header::decode(block.bytes())
    } else {
        Err(BadBlock::Damaged)
    };
    let header = match header {
        Err(bad @ BadBlock::Newer(_)) => return Err(refused(&path, bad)),
        Err(BadBlock::Damaged) if size != ring.geometry.segment_bytes => {
            // Its preparation was interrupted: it never counted.
            return ring.disk.remove(&path).map_err(|e| failed(&path, &e));
        }
        Err(BadBlock::Damaged) => {
            files.free.push(Slot { name, file });
            return Ok(());
        }
        Ok(header) => header,
    };
    if header.device != ring.device || size != ring.geometry.segment_bytes {
        let text = format!("{} is not a segment of this device", path.display());
        return Err(LogError::Unreadable(text));
    }
    let use_number = header.use_number;
    let slot = Slot { name, file };
    take_footer(ring, use_number, &slot, files)?;
    match files.by_use.insert(use_number, slot) {
        None => Ok(()),
        Some(twin) => {
            let text = format!("{} and {} are both use {use_number}", path.display(), twin.name);
            Err(LogError::Unreadable(text))
        }
    }
}

fn take_footer(
    ring: &Ring,
    use_number: u32,
    slot: &Slot,
    files: &mut Files,
) -> Result<(), LogError> {
    let path = ring.directory.join(&slot.name);
    let mut block = AlignedBuffer::new(FOOTER_BYTES);
    let at = ring.geometry.data_end as u64;
    read_exact(slot.file.as_ref(), block.bytes_mut(), at).map_err(|e| failed(&path, &e))?;
    match Footer::decode(block.bytes()) {
        Err(bad @ BadBlock::Newer(_)) => return Err(refused(&path, bad)),
        Ok(footer) if footer.use_number == use_number && footer.device_id == ring.device.id => {
            files.footers.insert(use_number, footer);
        }
        Ok(_) | Err(BadBlock::Damaged) => {}
    }
    Ok(())
}

/// The newest use that holds anything; checks that none is missing below it (L9).
fn check_uses(ring: &Ring, files: &Files) -> Result<Option<u32>, LogError> {
    let Some(oldest) = files.by_use.keys().next().copied() else { return Ok(None) };
    let mut top = None;
    for use_number in files.by_use.keys().rev().copied() {
        let has_footer = files.footers.contains_key(&use_number);
        if has_footer || holds_records(ring, files, use_number)? {
            top = Some(use_number);
            break;
        }
    }
    let newest = match top {
        // The header of the next use is durable before the footer of this one.
        Some(top) if files.footers.contains_key(&top) => top + 1,
        Some(top) => top,
        None => oldest,
    };
    for use_number in oldest..=newest {
        if !files.by_use.contains_key(&use_number) {
            let at = ring.directory.display();
            let text = format!("segment with use number {use_number} is missing in {at}");
            return Err(LogError::Unreadable(text));
        }
    }
    Ok(Some(newest))
}

fn holds_records(ring: &Ring, files: &Files, use_number: u32) -> Result<bool, LogError> {
    let buffer = load(ring, files, use_number)?;
    let is_there = view(ring, use_number, &buffer).remnants(HEADER_BYTES).any(|r| r.is_whole);
    Ok(is_there)
}

fn load(ring: &Ring, files: &Files, use_number: u32) -> Result<AlignedBuffer, LogError> {
    let bytes = ring.geometry.data_end + FOOTER_BYTES;
    let mut buffer = AlignedBuffer::new(bytes);
    if let Some(slot) = files.by_use.get(&use_number) {
        let path = ring.directory.join(&slot.name);
        read_exact(slot.file.as_ref(), buffer.bytes_mut(), 0).map_err(|e| failed(&path, &e))?;
    }
    Ok(buffer)
}

fn view<'a>(ring: &Ring, use_number: u32, buffer: &'a AlignedBuffer) -> View<'a> {
    View { bytes: buffer.bytes(), device_id: ring.device.id, use_number, geometry: ring.geometry }
}

/// Takes what footers tell of the segments below the walk, then walks up to the tail.
fn walk_all(
    ring: &Ring,
    files: &Files,
    top: u32,
    walk: &mut Walk<'_>,
    closed: &mut BTreeMap<u32, (Closed, bool)>,
    report: &mut RecoveryReport,
) -> Result<Tail, LogError> {
    let oldest = files.by_use.keys().next().copied().unwrap_or(top);
    let mut use_number = oldest;
    while let Some(footer) = files.footers.get(&use_number)
        && is_applied(footer, walk.applied)
    {
        skip_by_footer(footer, walk);
        closed.insert(use_number, (closed_of(footer), true));
        use_number += 1;
    }
    let mut buffer = load(ring, files, use_number)?;
    loop {
        let next = load(ring, files, use_number + 1)?;
        let next_view = view(ring, use_number + 1, &next);
        let has_next = files.by_use.contains_key(&(use_number + 1));
        let end = known_end(ring, files, use_number, has_next.then_some(&next_view));
        let later = look_ahead(&next_view, has_next, top > use_number + 1);
        let file = files.by_use.get(&use_number).map_or("", |slot| slot.name.as_str());
        walk.start_segment(use_number);
        let stop = walk.segment(&view(ring, use_number, &buffer), file, end, later);
        report.segments_scanned += 1;
        if let Some(footer) = files.footers.get(&use_number) {
            walk.hear_footer(footer);
        }
        match stop {
            Stop::Tail { offset, remnant_end } => {
                let is_damaged = walk.is_segment_damaged;
                let next_remnants = next_view.remnants(HEADER_BYTES).map(|found| found.end());
                let next_remnant_end = if has_next { next_remnants.max() } else { None };
                let next_remnant_end = next_remnant_end.unwrap_or(0);
                return Ok(Tail { use_number, offset, remnant_end, is_damaged, next_remnant_end });
            }
            Stop::SegmentEnd if has_next => {
                let end = match end {
                    End::Footer(end) | End::Rewritten(end) => end,
                    End::Unknown if walk.is_segment_damaged => ring.geometry.data_end,
                    End::Unknown => walk.group_end(),
                };
                let end = u32::try_from(end).unwrap_or(u32::MAX);
                let footer = footer_of(ring.device.id, &walk.standing, end);
                let is_written = files.footers.contains_key(&use_number);
                let is_kept = is_written || walk.is_segment_damaged;
                closed.insert(use_number, (closed_of(&footer), is_kept));
                use_number += 1;
                buffer = next;
            }
            Stop::SegmentEnd => {
                let text = format!("segment with use number {} is missing", use_number + 1);
                return Err(LogError::Unreadable(text));
            }
        }
    }
}

fn is_applied(footer: &Footer, applied: &Map<u32, Lsn>) -> bool {
    footer.entries.iter().all(|entry| {
        let partition = u32::from(entry.partition & !DAMAGED_BIT);
        let applied = applied.get(&partition).copied().unwrap_or_default();
        entry.offset == 0 || applied >= Lsn(entry.last)
    })
}

pub(super) fn closed_of(footer: &Footer) -> Closed {
    let entries = footer.entries.clone();
    Closed { end: footer.end as usize, checksum: footer.checksum, entries }
}

fn skip_by_footer(footer: &Footer, walk: &mut Walk<'_>) {
    walk.start_segment(footer.use_number);
    for entry in footer.entries.iter().filter(|entry| entry.offset != 0) {
        let partition = u32::from(entry.partition & !DAMAGED_BIT);
        let Some(known) = walk.standing.known.get_mut(partition as usize) else { continue };
        let is_first_sight = known.last == 0;
        known.last = entry.last;
        known.leader_epoch = known.leader_epoch.max(entry.leader_epoch);
        let position = walk.geometry.position(footer.use_number, entry.offset as usize);
        let placed = Placed { partition, lsn: Lsn(entry.first), position, bytes: 0 };
        if let Some(part) = walk.intake.part_mut(partition as usize) {
            part.last = Lsn(entry.last);
            if is_first_sight {
                part.removed = Lsn(entry.first - 1);
            }
        }
        walk.intake.index(&placed);
    }
    walk.hear_footer(footer);
    walk.standing.chain = footer.checksum;
    walk.is_chain_known = true;
    walk.is_last_clean = false;
}

fn known_end(ring: &Ring, files: &Files, use_number: u32, next: Option<&View<'_>>) -> End {
    let rewritten = next.and_then(View::rewritten_from).map(|from| ring.geometry.place(from));
    match (rewritten, files.footers.get(&use_number)) {
        (Some((of, offset)), _) if of == use_number => End::Rewritten(offset),
        (_, Some(footer)) => End::Footer(footer.end as usize),
        _ => End::Unknown,
    }
}

fn look_ahead(next: &View<'_>, has_next: bool, is_more_behind: bool) -> Later {
    if !has_next {
        return Later::default();
    }
    let is_original = |found: &crate::log::scan::Remnant| {
        found.is_whole && !found.decoded.frame.has(frame::FLAG_REWRITTEN)
    };
    let first = next.frame_at(HEADER_BYTES).ok().map(|(decoded, _)| decoded.frame);
    Later {
        next_chain: first
            .filter(|frame| !frame.has(frame::FLAG_REWRITTEN))
            .map(|frame| frame.chain),
        has_records: is_more_behind || next.remnants(HEADER_BYTES).any(|found| is_original(&found)),
    }
}

/// The evidence that only the whole walk shows: a record that the store has applied and the log has not (K3), and partitions
/// of which nothing later has told.
fn judge_end(
    ring: &Ring,
    files: &Files,
    tail: Option<&Tail>,
    walk: &mut Walk<'_>,
    report: &mut RecoveryReport,
) {
    let mut applied: Vec<(u32, Lsn)> = walk.applied.iter().map(|(p, lsn)| (*p, *lsn)).collect();
    applied.sort_unstable();
    for (partition, lsn) in applied {
        let Some(known) = walk.standing.known.get(partition as usize) else { continue };
        let removed = walk.intake.part(PartitionId(partition)).map_or(Lsn::ZERO, |p| p.removed);
        if lsn > Lsn(known.last) {
            report.log_too_short.push(PartitionId(partition));
        } else if lsn < removed {
            report.store_too_old.push(PartitionId(partition));
        }
    }
    let is_news =
        report.log_too_short.iter().any(|p| !walk.standing.known[p.0 as usize].is_damaged);
    if is_news {
        let file = tail.and_then(|tail| files.by_use.get(&tail.use_number));
        let file = file.map_or_else(String::new, |slot| slot.name.clone());
        let position = tail.map_or(0, |t| ring.geometry.position(t.use_number, t.offset));
        walk.damage.push(Damage { file, position, evidence: Evidence::Applied });
        walk.suspects.fill(true);
    }
    for partition in 0..PARTITIONS_MAX {
        if walk.suspects[partition] {
            walk.mark_damaged(partition);
        }
        if walk.standing.known[partition].is_damaged {
            let id = PartitionId(u32::try_from(partition).unwrap_or(u32::MAX));
            report.damaged_partitions.push(id);
            if let Some(part) = walk.intake.part_mut(partition) {
                part.is_damaged = true;
            }
        }
    }
}

/// Makes sure of one prepared segment and takes it.
pub(super) fn take_segment(ring: &Ring) -> Result<Arc<Segment>, LogError> {
    if let Some(segment) = ring.take_prepared() {
        return Ok(segment);
    }
    match ring.prepare_one().map_err(|e| failed(&ring.directory, &e))? {
        Prepared::DiskFull => return Err(LogError::DiskFull),
        Prepared::One | Prepared::Enough => {}
    }
    ring.take_prepared().ok_or(LogError::DiskFull)
}

/// The ring as found: held up to the tail, prepared behind it, the rest free.
pub(super) fn sort_files(
    ring: &Ring,
    files: Files,
    closed: &BTreeMap<u32, (Closed, bool)>,
    tail: Option<&Tail>,
) {
    let mut found = Found { next_index: files.next_index, ..Found::default() };
    found.free.extend(files.free);
    let mut expected = tail.map_or_else(
        || files.by_use.keys().next().copied().unwrap_or(0),
        |tail| tail.use_number + 1,
    );
    for (use_number, slot) in files.by_use {
        let segment = Segment::new(use_number, slot);
        if tail.is_some_and(|tail| use_number <= tail.use_number) {
            if let Some((closed, _)) = closed.get(&use_number) {
                let _first = segment.closed.set(closed.clone());
            }
            found.held.insert(use_number, segment);
        } else if use_number == expected {
            expected += 1;
            found.prepared.push_back(segment);
        } else {
            found.free.push_back(segment.slot.clone());
        }
    }
    found.next_use = expected;
    ring.adopt(found);
}

/// A writer that stands where the log goes on.
pub(super) fn writer_at(ring: &Ring, standing: Standing) -> Writer {
    Writer::new(ring.device.id, ring.geometry, standing)
}
