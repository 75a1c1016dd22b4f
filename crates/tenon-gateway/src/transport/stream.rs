//! Frames over a byte stream: TCP, or TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Wire;

/// Read at once; on the stack, so that an idle connection holds no buffer.
const READ_BYTES: usize = 8 * 1024;

/// A byte stream of frames.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    inner: S,
    is_unflushed: bool,
}

impl<S> Stream<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self { inner, is_unflushed: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for Stream<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        let mut bytes = [0; READ_BYTES];
        let mut buf = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
        into.extend_from_slice(buf.filled());
        Poll::Ready(Ok(!buf.filled().is_empty()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, frames: &mut Bytes) -> Poll<io::Result<()>> {
        if !frames.is_empty() {
            let len = ready!(Pin::new(&mut self.inner).poll_write(cx, frames))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            frames.advance(len);
            self.is_unflushed = true;
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn is_writing(&self) -> bool {
        self.is_unflushed
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _reason: u32) -> Poll<()> {
        // The session's Close frame has said why.
        Pin::new(&mut self.inner).poll_shutdown(cx).map(drop)
    }
}
