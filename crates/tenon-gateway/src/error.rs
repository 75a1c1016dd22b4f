//! Why the gateway cannot run.

use std::net::SocketAddr;
use std::path::PathBuf;

use tenon_base::Retry;

/// A failure of the gateway as a whole; a connection's own failures end that connection only.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The port cannot be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Plain text outside loopback.
    #[error("{0} is not a loopback address: configure TLS, or say that a proxy ends it")]
    PlainOutsideLoopback(SocketAddr),
    /// A certificate file cannot be read or written.
    #[error("certificate file {path}")]
    CertificateFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate file holds no certificate or key.
    #[error("{path} holds no usable {what}")]
    CertificateContent {
        /// Which.
        path: PathBuf,
        /// "certificate" or "private key".
        what: &'static str,
    },
    /// Certificate and key do not fit, or the provider refuses them.
    #[error("tls refuses the certificate")]
    Tls(#[from] rustls::Error),
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    MakeCertificate(#[from] rcgen::Error),
}

impl GatewayError {
    /// Whether starting again may help.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Listen { .. } => Retry::Safe,
            _ => Retry::Never,
        }
    }
}
