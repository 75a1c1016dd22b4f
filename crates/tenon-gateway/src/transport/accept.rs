//! What a new socket speaks: TLS, HTTP or frames. One port serves all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tenon_wire::ErrorCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::rewound::Rewound;
use super::stream::Stream;
use crate::connection::machine::Machine;
use crate::connection::{House, driver};
use crate::gate::Pass;
use crate::http::{Peer, Refused};
use crate::map::hello::FEATURES;
use crate::tls::{self, Tls};

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// Bytes needed to tell HTTP from frames: a method has two letters there, a frame its header byte and kind 1.
const SNIFFED: usize = 2;
/// Bytes of an HTTP head that are held.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A head must come within this time, also on a connection kept for the next call.
const HEAD_WAIT: Duration = Duration::from_secs(15);
/// A whole call, its body included; an exchange is held for 25 s.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Unacknowledged data ends a TCP connection after this (protocol, section 3).
const TCP_USER_TIMEOUT_MS: u32 = 20_000;

/// Bytes the kernel holds for a peer that does not read; twice that with its own accounts. Enough for 1 MiB/s at 250 ms.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

type Plain = Rewound<TcpStream>;

/// What every new socket needs.
#[derive(Clone)]
pub(crate) struct Reception {
    pub(crate) house: Arc<House>,
    pub(crate) router: Router,
    pub(crate) tls: Option<Tls>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// What a peer turned out to speak.
enum Met {
    PlainFrames(Plain),
    PlainHttp(Plain),
    TlsFrames(Box<TlsStream<Plain>>),
    TlsHttp(Box<TlsStream<Plain>>),
}

impl Reception {
    /// Finds out what the peer speaks and serves it to its end.
    pub(crate) async fn serve(self, socket: TcpStream, peer: SocketAddr, pass: Pass) {
        prepare(&socket);
        let wait = self.house.options.hello_wait;
        // Boxed, so that a long connection holds its own way only and not room for the largest of them.
        let met = tokio::time::timeout(wait, Box::pin(self.meet(socket, peer))).await;
        match met {
            Ok(Ok(Met::PlainFrames(stream))) => {
                Box::pin(self.frames(stream, [0; 32], pass)).await;
            }
            Ok(Ok(Met::TlsFrames(stream))) => {
                let binding = tls::binding(stream.get_ref().1);
                Box::pin(self.frames(stream, binding, pass)).await;
            }
            Ok(Ok(Met::PlainHttp(stream))) => Box::pin(self.http(stream, peer, pass)).await,
            Ok(Ok(Met::TlsHttp(stream))) => Box::pin(self.http(stream, peer, pass)).await,
            Ok(Err(reason)) => self.house.metrics.refused.with_label_values(&[reason]).inc(),
            Err(_) => self.house.metrics.refused.with_label_values(&["silent"]).inc(),
        }
    }

    /// # Errors
    /// The label of the refusal.
    async fn meet(&self, mut socket: TcpStream, peer: SocketAddr) -> Result<Met, &'static str> {
        let mut first = [0; SNIFFED];
        socket.read_exact(&mut first).await.map_err(|_| "gone")?;
        let stream = Rewound::new(Bytes::copy_from_slice(&first), socket);
        if first[0] == TLS_HANDSHAKE {
            let Some(tls) = &self.tls else { return Err("tls_off") };
            let stream = tls.acceptor.accept(stream).await.map_err(|_| "tls_handshake")?;
            let is_frames = stream.get_ref().1.alpn_protocol() == Some(tls::ALPN_FRAMES);
            let stream = Box::new(stream);
            return Ok(if is_frames { Met::TlsFrames(stream) } else { Met::TlsHttp(stream) });
        }
        let is_near = peer.ip().to_canonical().is_loopback();
        if !is_near && !self.house.options.plain_anywhere {
            return Err("plain");
        }
        // The kind of a Hello is 1, the second byte of an HTTP method a letter.
        let is_http = first[1].is_ascii_uppercase();
        Ok(if is_http { Met::PlainHttp(stream) } else { Met::PlainFrames(stream) })
    }

    async fn frames<S>(self, stream: S, binding: [u8; 32], pass: Pass)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let machine = Machine::new(Arc::clone(&self.house), binding, FEATURES);
        driver::run(Stream::new(stream), machine, pass).await;
    }

    /// HTTP/1.1 with upgrades. An idle connection counts as known: its heads and bodies are bounded on their own.
    async fn http<S>(self, stream: S, peer: SocketAddr, mut pass: Pass)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        pass.know();
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            let answer = TowerToHyperService::new(router.clone()).call(request);
            async move {
                let late = |_| Ok(Refused::later(ErrorCode::Overload, 1_000).into_response());
                tokio::time::timeout(CALL_MAX, answer).await.unwrap_or_else(late)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = crate::service::stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "http connection ended");
        }
    }
}

fn prepare(socket: &TcpStream) {
    use rustix::net::sockopt;
    let prepared = socket.set_nodelay(true).and_then(|()| {
        sockopt::set_tcp_user_timeout(socket, TCP_USER_TIMEOUT_MS)?;
        sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER_BYTES)?;
        Ok(())
    });
    if let Err(error) = prepared {
        tracing::debug!(%error, "socket options");
    }
}
