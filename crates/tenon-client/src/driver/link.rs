//! One socket: opened by any scheme, then bytes in and whole frames out.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::options::{Scheme, ServerUrl};
use super::tls::Tls;
use super::websocket;

/// Bytes of one read.
const READ_BYTES: usize = 8 * 1024;
/// TCP, TLS and WebSocket handshakes together.
const OPEN_WAIT: Duration = Duration::from_secs(10);

/// A stream of bytes both ways.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// An open socket and what waits to be written to it.
pub(super) struct Link {
    io: Box<dyn Io>,
    out: VecDeque<Bytes>,
    needs_flush: bool,
    buffer: Box<[u8]>,
}

impl Link {
    /// Opens the socket; a WebSocket is ready for frames.
    pub(super) async fn open(server: ServerUrl, tls: Option<Tls>) -> io::Result<Self> {
        let opened = tokio::time::timeout(OPEN_WAIT, open(&server, tls.as_ref(), false)).await;
        let io = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let is_websocket = matches!(server.scheme, Scheme::Ws | Scheme::Wss);
        let io: Box<dyn Io> = if is_websocket {
            let opened = tokio::time::timeout(OPEN_WAIT, websocket::upgrade(io, &server)).await;
            opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
        } else {
            io
        };
        let buffer = vec![0; READ_BYTES].into_boxed_slice();
        Ok(Self { io, out: VecDeque::new(), needs_flush: false, buffer })
    }

    /// Queues whole frames.
    pub(super) fn push(&mut self, frames: Bytes) {
        self.out.push_back(frames);
    }

    /// Writes what waits; reads if `reads`. Ready with the read bytes; an end of stream is an error.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, reads: bool) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Err(error));
        }
        if !reads {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut *self.io).poll_read(cx, &mut buffer))?;
        match buffer.filled().len() {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            n => Poll::Ready(Ok(n)),
        }
    }

    /// The first `n` bytes of the buffer: what the last read brought.
    pub(super) fn read(&self, n: usize) -> &[u8] {
        &self.buffer[..n.min(READ_BYTES)]
    }

    /// Writes everything and shuts the socket.
    pub(super) async fn finish(mut self) {
        let all = std::future::poll_fn(|cx| self.poll_write(cx));
        if tokio::time::timeout(Duration::from_secs(1), all).await.is_ok() {
            let shut = std::future::poll_fn(|cx| Pin::new(&mut *self.io).poll_shutdown(cx));
            // The peer may be gone already: that is what was wanted.
            drop(tokio::time::timeout(Duration::from_secs(1), shut).await);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(front) = self.out.front_mut() {
            let n = ready!(Pin::new(&mut *self.io).poll_write(cx, front))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.needs_flush = true;
            front.advance(n);
            if front.is_empty() {
                self.out.pop_front();
            }
        }
        if self.needs_flush {
            ready!(Pin::new(&mut *self.io).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// Opens TCP, and TLS if the scheme says so.
pub(super) async fn open(
    server: &ServerUrl,
    tls: Option<&Tls>,
    is_http: bool,
) -> io::Result<Box<dyn Io>> {
    let tcp = TcpStream::connect((&*server.host, server.port)).await?;
    tcp.set_nodelay(true)?;
    if matches!(server.scheme, Scheme::Tcp | Scheme::Ws) {
        return Ok(Box::new(tcp));
    }
    let tls = tls.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no trust is set"))?;
    let is_http = is_http || server.scheme == Scheme::Wss;
    let name = ServerName::try_from(server.host.to_string())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config(is_http)));
    Ok(Box::new(connector.connect(name, tcp).await?))
}
