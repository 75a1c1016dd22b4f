//! Times, kept to three digits.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::{BenchError, Report};

/// Longest time told apart, microseconds; longer ones count as this.
const MICROS_MAX: u64 = 120_000_000;

/// Times in microseconds.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn new() -> Result<Self, BenchError> {
        Histogram::new_with_bounds(1, MICROS_MAX, 3).map(Self).map_err(BenchError::refused)
    }

    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(MICROS_MAX).max(1));
    }

    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }

    /// Puts p50, p99, p99.9 and the maximum, milliseconds.
    pub(crate) fn put(&self, report: &mut Report, name: &str) {
        if self.0.is_empty() {
            return;
        }
        for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            report.put(format!("{name}_{label}_ms"), millis(self.0.value_at_quantile(quantile)));
        }
        report.put(format!("{name}_max_ms"), millis(self.0.max()));
    }
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1_000.0
}
