//! How the gateway runs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tenon_base::ByteSize;
use tenon_core::rate::Rate;

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSource {
    /// No TLS: plain text, on loopback only unless `plain_anywhere` is set.
    Off,
    /// PEM files: certificate chain and private key.
    Files {
        /// Certificate chain.
        certificate: PathBuf,
        /// Private key.
        key: PathBuf,
    },
    /// A certificate made here and kept in this folder; its fingerprint is for the operator to hand on.
    SelfMade {
        /// Folder for `tls-certificate.pem` and `tls-key.pem` (mode 0600).
        folder: PathBuf,
        /// Names and addresses it is for.
        names: Vec<String>,
    },
}

/// Bounds on who may connect. Loopback addresses count in total only: a proxy there speaks for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateOptions {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address; a company behind one address needs thousands.
    pub per_address_max: usize,
    /// Connections that have not said who they are.
    pub before_login_max: usize,
    /// The same from one address.
    pub before_login_per_address_max: usize,
    /// Sign-ins by password that run at once; each costs memory by design.
    pub logins_max: usize,
    /// Sign-ins from one address.
    pub login_rate: Rate,
}

/// How the gateway runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate.
    pub tls: TlsSource,
    /// Takes plain text from any address: only behind a proxy that ends TLS.
    pub plain_anywhere: bool,
    /// Addresses of proxies whose `X-Forwarded-For` is believed; loopback is always among them. They do not count as callers.
    pub proxies: Vec<IpAddr>,
    /// Origins of web pages that may connect, as `scheme://host[:port]`. The server's own host is always among them.
    pub origins: Vec<String>,
    /// URL that people use, where it is not the one they called; links begin with it.
    pub public_url: Option<String>,
    /// Who may connect.
    pub gate: GateOptions,
    /// From the accept to a verified Hello.
    pub hello_wait: Duration,
    /// Batches that may wait per connection; above it sync is told to wait.
    pub mailbox_bytes_max: ByteSize,
    /// Frames per connection; above it the connection is read more slowly.
    pub frame_rate: Rate,
    /// A link without write progress for this long is closed.
    pub slow_after: Duration,
    /// A planned stop asks all devices to go within this time.
    pub drain: Duration,
    /// Multicasts of one conversation are merged over this time.
    pub multicast_window: Duration,
}

impl GatewayOptions {
    /// Start values for one node, plain text on loopback.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: TlsSource::Off,
            plain_anywhere: false,
            proxies: Vec::new(),
            origins: Vec::new(),
            public_url: None,
            gate: GateOptions {
                connections_max: 200_000,
                per_address_max: 20_000,
                before_login_max: 16_384,
                before_login_per_address_max: 512,
                logins_max: 256,
                login_rate: Rate { per_second: 2, burst: 20 },
            },
            hello_wait: Duration::from_secs(5),
            mailbox_bytes_max: ByteSize::kib(64),
            frame_rate: Rate { per_second: 4_000, burst: 8_000 },
            slow_after: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            multicast_window: Duration::from_millis(50),
        }
    }
}
