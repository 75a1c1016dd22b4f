//! Metrics of the user partitions.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of this room, on a registry that is passed in.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Queue entries given a pts.
    pub entries: IntCounter,
    /// Events handed to connections.
    pub delivered: IntCounter,
    /// Rebases ordered, by reason.
    pub rebases: IntCounterVec,
    /// Connections attached.
    pub links: IntGauge,
    /// Cursors above the tip; must stay 0.
    pub cursors_ahead: IntCounter,
    /// Hand-overs refused because the queue was full.
    pub refused: IntCounter,
    /// Fan-outs dropped because they had taken effect before.
    pub repeats: IntCounter,
    /// Entries whose content could not be read.
    pub unreadable: IntCounter,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let metrics = Self {
            entries: counter("tenon_sync_entries_total", "Queue entries given a pts")?,
            delivered: counter("tenon_sync_delivered_total", "Events handed to connections")?,
            rebases: IntCounterVec::new(
                Opts::new("tenon_sync_rebases_total", "Rebases by reason"),
                &["reason"],
            )?,
            links: IntGauge::new("tenon_sync_links_open", "Connections attached")?,
            cursors_ahead: counter("tenon_sync_cursors_ahead_total", "Cursors above the tip")?,
            refused: counter("tenon_sync_handovers_refused_total", "Hand-overs refused when full")?,
            repeats: counter("tenon_sync_repeats_total", "Fan-outs that had taken effect before")?,
            unreadable: counter(
                "tenon_sync_unreadable_total",
                "Entries delivered without content",
            )?,
        };
        registry.register(Box::new(metrics.rebases.clone()))?;
        registry.register(Box::new(metrics.links.clone()))?;
        Ok(metrics)
    }
}
