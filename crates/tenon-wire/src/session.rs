//! The session of one link without socket, clock or task: bytes and times in, typed frames and bytes out.
//!
//! Each end does three things in a loop: `handle_bytes` with what arrived (it says how much it took),
//! `poll_event` until `None`, `poll_transmit` until `None`. `deadline` says when to call `handle_timeout`.
//! Frames are parsed by `poll_event`, so who does not poll holds the peer back instead of filling memory.

mod client;
mod outbox;
mod server;
mod window;

pub use client::{ClientEvent, ClientSession, RequestRefused};
pub use outbox::WRITER_BYTES_MAX;
pub use server::{ServerEvent, ServerSession, WindowFull};
pub use window::Window;

use crate::error::ErrorCode;

/// Requests that a link may have open.
pub const REQUESTS_MAX: usize = 8;

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// A number of [`crate::close_reason`].
    pub reason: u32,
    /// A wire code, 0 = none.
    pub code: u32,
    /// When the device may come back.
    pub retry_after_ms: u32,
    /// For developers.
    pub text: String,
    /// True if the peer said so.
    pub is_by_peer: bool,
}

impl End {
    fn own(reason: u32, code: Option<ErrorCode>, text: impl Into<String>) -> Self {
        let code = code.map_or(0, ErrorCode::number);
        Self { reason, code, retry_after_ms: 0, text: text.into(), is_by_peer: false }
    }

    fn by_peer(close: crate::v1::Close) -> Self {
        Self {
            reason: close.reason,
            code: close.code,
            retry_after_ms: close.retry_after_ms,
            text: close.text,
            is_by_peer: true,
        }
    }

    fn frame(&self) -> crate::v1::Close {
        crate::v1::Close {
            reason: self.reason,
            code: self.code,
            retry_after_ms: self.retry_after_ms,
            text: self.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
