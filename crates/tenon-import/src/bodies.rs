//! How the server's language writes a message. The importer knows words, the server knows the encoding.

use bytes::Bytes;
use tenon_base::UserId;

/// Encodes contents of messages.
pub trait Bodies: Send + Sync {
    /// Somebody's words. `text` has at most 30,000 bytes; mentions come in order, at most 100.
    ///
    /// A body may have [`tenon_base::limits::BODY_BYTES_MAX`] bytes: 27 for each mention and 68 for the frame are left.
    fn text(&self, text: &str, mentions: &[Mention]) -> Body;

    /// The system's words, which stand in the history. `text` has at most 30,000 bytes.
    fn notice(&self, text: &str) -> Body;
}

/// An encoded content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Kind of the message: the number of its content arm.
    pub kind: u32,
    /// Encoded content.
    pub bytes: Bytes,
}

/// A text names somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Whom; 0 = everybody.
    pub user: UserId,
    /// First UTF-16 unit, the `@`.
    pub start: u32,
    /// UTF-16 units, the `@` included.
    pub len: u32,
}

/// Counts instead of encoding: for a dry run. The bytes are the text alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dry;

impl Bodies for Dry {
    fn text(&self, text: &str, _: &[Mention]) -> Body {
        Body { kind: 0, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    fn notice(&self, text: &str) -> Body {
        self.text(text, &[])
    }
}
