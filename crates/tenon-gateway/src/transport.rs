//! Ways of bytes: streams, WebSocket messages, text. All of them give and take whole frames' bytes.

pub(crate) mod accept;
pub(crate) mod rewound;
pub(crate) mod stream;
pub(crate) mod websocket;

use std::io;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

/// A link as the driver sees it.
pub(crate) trait Wire: Send {
    /// Appends what came to `into`. `Ok(false)`: the peer is done.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>>;

    /// Writes some of `frames`, which are whole frames when given; ready after any progress.
    fn poll_write(&mut self, cx: &mut Context<'_>, frames: &mut Bytes) -> Poll<io::Result<()>>;

    /// True while something given to [`Self::poll_write`] has not left.
    fn is_writing(&self) -> bool;

    /// Says goodbye in the transport's own words.
    fn poll_close(&mut self, cx: &mut Context<'_>, reason: u32) -> Poll<()>;
}
