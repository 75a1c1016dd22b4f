//! Metrics of admission and reads.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// Counters of this room, on a registry that is passed in.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Commands appended, by kind of partition.
    pub admitted: IntCounterVec,
    /// Requests refused before the log, by reason.
    pub refused: IntCounterVec,
    /// Commands per record.
    pub batch: Histogram,
    /// Time of an append, seconds.
    pub append: Histogram,
    /// Reads answered, by kind.
    pub reads: IntCounterVec,
    /// Reads that found damaged rows.
    pub degraded: IntCounter,
    /// Sign-ins by outcome.
    pub sign_ins: IntCounterVec,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let by = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(name, help), &[label])
        };
        let batch = HistogramOpts::new("tenon_receiver_batch_commands", "Commands per record")
            .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]);
        let append = HistogramOpts::new("tenon_receiver_append_seconds", "Durable append")
            .buckets(prometheus::exponential_buckets(0.000_25, 2.0, 14)?);
        let metrics = Self {
            admitted: by("tenon_receiver_admitted_total", "Commands appended", "kind")?,
            refused: by("tenon_receiver_refused_total", "Refused before the log", "reason")?,
            batch: Histogram::with_opts(batch)?,
            append: Histogram::with_opts(append)?,
            reads: by("tenon_receiver_reads_total", "Reads answered", "read")?,
            degraded: IntCounter::new("tenon_receiver_degraded_total", "Reads of damaged rows")?,
            sign_ins: by("tenon_receiver_sign_ins_total", "Sign-ins by outcome", "outcome")?,
        };
        registry.register(Box::new(metrics.admitted.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.batch.clone()))?;
        registry.register(Box::new(metrics.append.clone()))?;
        registry.register(Box::new(metrics.reads.clone()))?;
        registry.register(Box::new(metrics.degraded.clone()))?;
        registry.register(Box::new(metrics.sign_ins.clone()))?;
        Ok(metrics)
    }
}
