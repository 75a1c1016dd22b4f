//! TLS on the same port: ALPN tells frames from HTTP, the Hello is bound to the session, plain text stays near.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tenon_gateway::{Gateway, GatewayError, GatewayOptions, TlsSource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fake::Rooms;
use crate::handshake::until;
use crate::peer::{Peer, hello};
use crate::{Node, node_with};

async fn secure_node(folder: &std::path::Path) -> Node {
    let names = vec!["localhost".to_owned()];
    let tls = TlsSource::SelfMade { folder: folder.to_owned(), names };
    node_with(|options| options.tls = tls).await
}

async fn connect(node: &Node, folder: &std::path::Path, alpn: &str) -> TlsStream<TcpStream> {
    let pem = std::fs::read(folder.join("tls-certificate.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.into()];
    let socket = TcpStream::connect(node.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}

#[tokio::test]
async fn frames_over_tls_are_bound_to_their_session() {
    let folder = tempfile::tempdir().unwrap();
    let node = secure_node(folder.path()).await;
    assert_eq!(node.fingerprint.as_ref().unwrap().len(), 95);
    let stream = connect(&node, folder.path(), "tenon/1").await;
    let exported = stream
        .get_ref()
        .1
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None)
        .unwrap();
    let mut peer = Peer::over(Box::new(stream), &hello(1, 10, 1, Some(0))).await.unwrap();
    assert_eq!(node.rooms.binding(), exported);
    node.rooms.tell(1, 50, &"x".repeat(20_000));
    assert_eq!(peer.batch().await.to_pts, 1);
}

#[tokio::test]
async fn http_and_plain_frames_share_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let node = secure_node(folder.path()).await;
    let mut stream = connect(&node, folder.path(), "http/1.1").await;
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"status":"ok"}"#));

    // The test is on loopback, where plain text is allowed.
    Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    assert_eq!(node.rooms.binding(), [0; 32]);
}

#[tokio::test]
async fn plain_text_does_not_leave_the_machine() {
    let options = GatewayOptions::new(([0, 0, 0, 0], 0).into());
    let rooms = Arc::new(Rooms::default());
    let doors = crate::doors(&rooms);
    let metrics = tenon_gateway::Metrics::new(&prometheus::Registry::new()).unwrap();
    let (gateway, _) = Gateway::new(options, doors, metrics);
    let refused = gateway.listen().await.err().unwrap();
    assert!(matches!(refused, GatewayError::PlainOutsideLoopback(_)), "{refused}");
}

#[tokio::test]
async fn a_handshake_that_fails_costs_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let node = secure_node(folder.path()).await;
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    socket.write_all(&[0x16, 0x03, 0x01, 0x00, 0x05, 0xFF, 0x00, 0x00, 0x01, 0x00]).await.unwrap();
    let mut rest = Vec::new();
    drop(socket.read_to_end(&mut rest).await);
    let refused = || node.metrics.refused.with_label_values(&["tls_handshake"]).get();
    until(|| refused() == 1).await;
    let stream = connect(&node, folder.path(), "tenon/1").await;
    Peer::over(Box::new(stream), &hello(1, 10, 1, Some(0))).await.unwrap();
}
