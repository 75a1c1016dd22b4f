//! The embedded log alone: callers that append one record each, durable, one after another.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{Lsn, Map, PartitionId};
use tenon_embedded::{EmbeddedLog, LogOptions, RealDisk};
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, Log, LogError, Reach};
use tokio::time::Instant;

use crate::histogram::Times;
use crate::process::Usage;
use crate::{BenchError, Checked, Options, Report};

/// As a server on two cores has them.
const PARTITIONS: u32 = 2;
/// How often the log is trimmed.
const TRIM_EVERY: Duration = Duration::from_millis(100);
/// Positions stay for this many trims, so that something is left to check.
const TRIMS_KEPT: usize = 5;
/// Before the measurement.
const WARM_UP: Duration = Duration::from_millis(500);
/// Bytes of one read of the check.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// What the callers share.
struct Shared {
    log: EmbeddedLog,
    payload: Bytes,
    is_measured: AtomicBool,
    is_over: AtomicBool,
    appends: AtomicU64,
}

/// What one caller brings back.
#[derive(Default)]
struct Caller {
    acked: u64,
    micros: Vec<u32>,
    checked: Checked,
}

pub(crate) fn run(options: &Options) -> Result<Report, BenchError> {
    let folder = crate::server::folder(options.folder.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| BenchError::io("a runtime", source))?;
    let mut report = Report::new("log");
    let log = open(folder.path())?;
    report.put("is_direct", f64::from(u8::from(log.is_direct())));
    let shared = Arc::new(Shared {
        log,
        payload: vec![7; options.record_bytes].into(),
        is_measured: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
        appends: AtomicU64::new(0),
    });
    let callers = runtime.block_on(measure(&shared, options, &mut report))?;
    shared.log.close()?;
    drop(shared);
    let begin = Instant::now();
    let log = open(folder.path())?;
    report.put("reopen_s", begin.elapsed().as_secs_f64());
    let acked: Vec<u64> = callers.iter().map(|caller| caller.acked).collect();
    for caller in &callers {
        report.checked.add(caller.checked);
    }
    report.checked.add(runtime.block_on(check(&log, &acked))?);
    log.close()?;
    let mut times = Times::new()?;
    for micros in callers.iter().flat_map(|caller| &caller.micros) {
        times.record(Duration::from_micros(u64::from(*micros)));
    }
    times.put(&mut report, "append");
    Ok(report)
}

fn open(folder: &Path) -> Result<EmbeddedLog, LogError> {
    let directory = folder.join("log");
    match std::fs::create_dir(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(LogError::Unreadable(error.to_string()));
        }
        _ => {}
    }
    Ok(EmbeddedLog::open(Arc::new(RealDisk), &directory, &LogOptions::default(), &[])?.0)
}

async fn measure(
    shared: &Arc<Shared>,
    options: &Options,
    report: &mut Report,
) -> Result<Vec<Caller>, BenchError> {
    let callers: Vec<_> = (0..options.callers as u64)
        .map(|producer| tokio::spawn(append(Arc::clone(shared), producer)))
        .collect();
    let trimmer = tokio::spawn(trim(Arc::clone(shared)));
    tokio::time::sleep(WARM_UP).await;
    let (begin, used) = (Instant::now(), Usage::own()?);
    let before = shared.appends.load(Ordering::Relaxed);
    shared.is_measured.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    shared.is_measured.store(false, Ordering::Relaxed);
    let appends = (shared.appends.load(Ordering::Relaxed) - before) as f64;
    let (seconds, used) = (begin.elapsed().as_secs_f64(), Usage::own()?.since(used));
    shared.is_over.store(true, Ordering::Relaxed);
    let mut out = Vec::with_capacity(callers.len());
    for caller in callers {
        out.push(caller.await.map_err(BenchError::refused)??);
    }
    trimmer.await.map_err(BenchError::refused)?;
    report.put("callers", options.callers as f64);
    report.put("record_bytes", options.record_bytes as f64);
    report.put("appends_per_s", appends / seconds);
    report.put("cpu_us_per_append", used.cpu_s * 1e6 / appends.max(1.0));
    report.put("cpu_s", used.cpu_s);
    let payload = appends.max(1.0) * options.record_bytes as f64;
    report.put("written_bytes_per_payload_byte", used.written_bytes / payload);
    Ok(out)
}

/// One caller: the next record when the last is durable.
async fn append(shared: Arc<Shared>, producer: u64) -> Result<Caller, BenchError> {
    let partition = PartitionId(if producer.is_multiple_of(2) { 0 } else { 1 });
    let (mut caller, mut last) = (Caller::default(), Lsn::ZERO);
    while !shared.is_over.load(Ordering::Relaxed) {
        let record = Append {
            partition,
            producer,
            producer_seq: caller.acked + 1,
            time_us: 1,
            key_id: 0,
            leader_epoch: 0,
            kind: kind::COMMANDS,
            payload: shared.payload.clone(),
        };
        let begin = Instant::now();
        let lsn = match shared.log.append(vec![record], Durability::Durable).await {
            Ok(given) => given.first().copied().unwrap_or_default(),
            // 16 MiB wait for the writer: that is back pressure, not a failure.
            Err(LogError::Full) => {
                tokio::task::yield_now().await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        caller.acked += 1;
        caller.checked.reordered += u64::from(lsn <= last);
        last = lsn;
        shared.appends.fetch_add(1, Ordering::Relaxed);
        if shared.is_measured.load(Ordering::Relaxed) {
            caller.micros.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
    Ok(caller)
}

/// Gives old segments back, as flushes do in a server.
async fn trim(shared: Arc<Shared>) {
    let mut positions = std::collections::VecDeque::new();
    while !shared.is_over.load(Ordering::Relaxed) {
        tokio::time::sleep(TRIM_EVERY).await;
        let now: Vec<_> = (0..PARTITIONS)
            .map(|p| (PartitionId(p), shared.log.last(PartitionId(p), Reach::Committed)))
            .collect();
        positions.push_back(now);
        if positions.len() > TRIMS_KEPT
            && let Some(oldest) = positions.pop_front()
        {
            shared.log.trim(&oldest);
        }
    }
}

/// Reads what is held: every producer's sequence must be dense and end with its last acknowledged record.
async fn check(log: &EmbeddedLog, acked: &[u64]) -> Result<Checked, BenchError> {
    let mut checked = Checked::default();
    let mut last: Map<u64, u64> = Map::default();
    for partition in (0..PARTITIONS).map(PartitionId) {
        let mut after = Lsn::ZERO;
        loop {
            let records = match log.read(partition, after, Reach::Committed, READ_BYTES).await {
                Err(LogError::Trimmed { first }) => {
                    after = Lsn(first.0 - 1);
                    continue;
                }
                other => other?,
            };
            let Some(end) = records.last() else { break };
            after = end.lsn;
            for record in records.iter().filter(|r| r.append.kind == kind::COMMANDS) {
                let (producer, seq) = (record.append.producer, record.append.producer_seq);
                match last.insert(producer, seq) {
                    Some(before) if seq == before => checked.repeated += 1,
                    Some(before) if seq < before => checked.reordered += 1,
                    Some(before) => checked.lost += seq - before - 1,
                    None => {}
                }
            }
        }
    }
    for (producer, acked) in acked.iter().enumerate() {
        let held = last.get(&(producer as u64)).copied().unwrap_or(0);
        checked.lost += acked.saturating_sub(held);
    }
    Ok(checked)
}
