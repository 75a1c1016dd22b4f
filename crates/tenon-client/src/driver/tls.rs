//! Whom a client trusts.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Bundles of the usual systems.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Which certificates are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system's bundle.
    System,
    /// Those of this PEM file.
    File(PathBuf),
    /// Those of this PEM text.
    Pem(Vec<u8>),
    /// Any: for a certificate that the server made for itself, on loopback or under test.
    Any,
}

/// A trust can not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No bundle was found, or it can not be read.
    #[error("no certificates in {0}")]
    NoCertificates(String),
    /// The library refuses.
    #[error("tls can not be set up")]
    Setup(#[from] rustls::Error),
}

/// Settings of TLS, shared by any number of clients.
#[derive(Debug, Clone)]
pub struct Tls {
    frames: Arc<ClientConfig>,
    http: Arc<ClientConfig>,
}

impl Tls {
    /// Prepares a trust.
    ///
    /// # Errors
    /// [`TlsError`] if there is no certificate to trust.
    pub fn new(trust: &Trust) -> Result<Self, TlsError> {
        let config = |alpn: &[u8]| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&[&rustls::version::TLS13])?;
            let mut config = match trust {
                Trust::Any => builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                    .with_no_client_auth(),
                _ => builder.with_root_certificates(roots(trust)?).with_no_client_auth(),
            };
            config.alpn_protocols = vec![alpn.to_vec()];
            Ok::<_, TlsError>(Arc::new(config))
        };
        Ok(Self { frames: config(b"tenon/1")?, http: config(b"http/1.1")? })
    }

    pub(super) fn config(&self, is_http: bool) -> Arc<ClientConfig> {
        Arc::clone(if is_http { &self.http } else { &self.frames })
    }
}

fn roots(trust: &Trust) -> Result<RootCertStore, TlsError> {
    let none = |what: &dyn std::fmt::Debug| TlsError::NoCertificates(format!("{what:?}"));
    let pem = match trust {
        Trust::Pem(pem) => pem.clone(),
        Trust::File(path) => std::fs::read(path).map_err(|_| none(path))?,
        Trust::System | Trust::Any => {
            let mut found = SYSTEM_BUNDLES.iter().filter_map(|path| std::fs::read(path).ok());
            found.next().ok_or_else(|| none(&SYSTEM_BUNDLES))?
        }
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if roots.is_empty() { Err(none(trust)) } else { Ok(roots) }
}

/// Takes every certificate; the signature of the handshake is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
