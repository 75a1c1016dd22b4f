//! Certificates: from files, or made here for development.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::GatewayError;
use crate::options::TlsSource;

/// ALPN name of frames over TLS.
pub(crate) const ALPN_FRAMES: &[u8] = b"tenon/1";
const ALPN_HTTP: &[u8] = b"http/1.1";
const CERTIFICATE_FILE: &str = "tls-certificate.pem";
const KEY_FILE: &str = "tls-key.pem";
/// Label of the exporter that binds a Hello to its TLS session (RFC 9266).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What a port needs for TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// SHA-256 of the first certificate, hex in pairs.
    pub(crate) fingerprint: String,
}

/// Loads or makes the certificate; `None` without TLS.
///
/// # Errors
/// When a file cannot be read or written, or holds no certificate or key that fit.
pub(crate) fn load(source: &TlsSource) -> Result<Option<Tls>, GatewayError> {
    let (certificate, key) = match source {
        TlsSource::Off => return Ok(None),
        TlsSource::Files { certificate, key } => (certificate.clone(), key.clone()),
        TlsSource::SelfMade { folder, names } => self_made(folder, names)?,
    };
    let chain = certificates(&certificate)?;
    let key = private_key(&key)?;
    let fingerprint = chain.first().map(fingerprint).unwrap_or_default();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN_FRAMES.to_vec(), ALPN_HTTP.to_vec()];
    // Early data stays off: a replayed Hello must not exist.
    config.max_early_data_size = 0;
    Ok(Some(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), fingerprint }))
}

/// The exporter value of a session; zeros if it has none.
pub(crate) fn binding(connection: &rustls::ServerConnection) -> [u8; 32] {
    let empty = [0; 32];
    connection.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap_or(empty)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, GatewayError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| GatewayError::CertificateContent {
        path: path.to_owned(),
        what: "certificate",
    })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, GatewayError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| GatewayError::CertificateContent {
        path: path.to_owned(),
        what: "private key",
    })
}

fn read(path: &Path) -> Result<Vec<u8>, GatewayError> {
    std::fs::read(path).map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> GatewayError {
    GatewayError::CertificateFile { path: path.to_owned(), source }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let pairs: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// The paths of a certificate that is made once and kept.
fn self_made(folder: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), GatewayError> {
    let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let made = rcgen::generate_simple_self_signed(names.to_vec())?;
    std::fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
    write_private(&key, made.signing_key.serialize_pem().as_bytes())?;
    write_private(&certificate, made.cert.pem().as_bytes())?;
    Ok((certificate, key))
}

/// Writes a file that only this user may read; an older one is replaced as a whole.
fn write_private(path: &Path, content: &[u8]) -> Result<(), GatewayError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|source| file_error(path, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_made_certificate_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let source = TlsSource::SelfMade {
            folder: folder.path().to_owned(),
            names: vec!["localhost".into(), "127.0.0.1".into()],
        };
        let first = load(&source).unwrap().unwrap().fingerprint;
        let second = load(&source).unwrap().unwrap().fingerprint;
        assert_eq!(first, second);
        assert_eq!(first.len(), 32 * 3 - 1);
        for name in [CERTIFICATE_FILE, KEY_FILE] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_file_without_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.pem");
        std::fs::write(&path, "nothing").unwrap();
        let source = TlsSource::Files { certificate: path.clone(), key: path };
        let error = load(&source).err().unwrap();
        assert!(matches!(error, GatewayError::CertificateContent { what: "certificate", .. }));
    }
}
