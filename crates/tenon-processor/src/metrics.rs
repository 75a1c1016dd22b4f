//! Metrics of the conversation partitions.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of this room, on a registry that is passed in.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Log records applied.
    pub records: IntCounter,
    /// Commands by outcome.
    pub outcomes: IntCounterVec,
    /// Fan-out entries handed to user partitions (one per recipient).
    pub told: IntCounter,
    /// Conversations in memory.
    pub hot_conversations: IntGauge,
    /// Questions refused because the queue was full.
    pub questions_refused: IntCounter,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            records: IntCounter::new("tenon_processor_records_total", "Log records applied")?,
            outcomes: IntCounterVec::new(
                Opts::new("tenon_processor_outcomes_total", "Commands by outcome"),
                &["outcome"],
            )?,
            told: IntCounter::new("tenon_processor_told_total", "Queue entries fanned out")?,
            hot_conversations: IntGauge::new(
                "tenon_processor_hot_conversations",
                "Conversations in memory",
            )?,
            questions_refused: IntCounter::new(
                "tenon_processor_questions_refused_total",
                "Questions refused because the queue was full",
            )?,
        };
        registry.register(Box::new(metrics.records.clone()))?;
        registry.register(Box::new(metrics.outcomes.clone()))?;
        registry.register(Box::new(metrics.told.clone()))?;
        registry.register(Box::new(metrics.hot_conversations.clone()))?;
        registry.register(Box::new(metrics.questions_refused.clone()))?;
        Ok(metrics)
    }
}
