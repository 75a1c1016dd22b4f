//! Metrics of connections.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of this room, on a registry that is passed in.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Connections open.
    pub connections: IntGauge,
    /// Connections with a live session.
    pub sessions: IntGauge,
    /// Connections refused, by reason.
    pub refused: IntCounterVec,
    /// Sessions ended, by close reason.
    pub closes: IntCounterVec,
    /// Events of the session that came from devices.
    pub frames: IntCounter,
    /// Bytes that came.
    pub bytes_in: IntCounter,
    /// Bytes that left.
    pub bytes_out: IntCounter,
    /// Batches written.
    pub batches: IntCounter,
    /// Batches dropped because the stream had started anew.
    pub batches_stale: IntCounter,
    /// Hellos, by outcome.
    pub hellos: IntCounterVec,
    /// Sign-ins over HTTP, by outcome.
    pub logins: IntCounterVec,
    /// Windows that were full for 5 seconds.
    pub stalls: IntCounter,
    /// Links closed because nothing could be written.
    pub slow: IntCounter,
    /// Connections whose task panicked; must stay 0.
    pub panics: IntCounter,
    /// Times a connection was read more slowly than it wrote.
    pub throttled: IntCounter,
    /// Tips handed to links.
    pub tips: IntCounter,
    /// Bodies of open conversations handed to links.
    pub pushes: IntCounter,
    /// Followers asked about before a multicast.
    pub verified: IntCounter,
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
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let family = |name: &str, help: &str, label: &str| {
            let family = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        Ok(Self {
            connections: gauge("tenon_gateway_connections_open", "Connections open")?,
            sessions: gauge("tenon_gateway_sessions_open", "Connections with a live session")?,
            refused: family("tenon_gateway_refused_total", "Connections refused", "reason")?,
            closes: family("tenon_gateway_closes_total", "Sessions ended", "reason")?,
            frames: counter("tenon_gateway_frames_total", "Frames that came")?,
            bytes_in: counter("tenon_gateway_bytes_in_total", "Bytes that came")?,
            bytes_out: counter("tenon_gateway_bytes_out_total", "Bytes that left")?,
            batches: counter("tenon_gateway_batches_total", "Batches written")?,
            batches_stale: counter(
                "tenon_gateway_batches_stale_total",
                "Batches of an old stream",
            )?,
            hellos: family("tenon_gateway_hellos_total", "Hellos by outcome", "outcome")?,
            logins: family("tenon_gateway_logins_total", "Sign-ins by outcome", "outcome")?,
            stalls: counter("tenon_gateway_stalls_total", "Windows full for 5 s")?,
            slow: counter("tenon_gateway_slow_total", "Links closed without write progress")?,
            panics: counter("tenon_gateway_panics_total", "Connections that panicked")?,
            throttled: counter("tenon_gateway_throttled_total", "Connections read more slowly")?,
            tips: counter("tenon_gateway_tips_total", "Tips handed to links")?,
            pushes: counter("tenon_gateway_pushes_total", "Bodies handed to links")?,
            verified: counter("tenon_gateway_verified_total", "Followers verified")?,
        })
    }
}
