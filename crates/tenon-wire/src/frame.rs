//! The frame: header, optional extensions, payload.
//!
//! ```text
//! b0:u8 | kind:u8 | id:varint32 | len:varint32 | [ext] | payload        len counts ext + payload
//! b0 = ver(2 bits, =1) | prio(2) | comp(2) | ext(1) | last(1)           most significant first
//! ext = total:varint32 | { tag:varint32 | n:varint32 | bytes[n] }*      total counts what follows it
//! ```
//!
//! Varints are unsigned LEB128 in their shortest form. All framing errors are fatal to the link.

mod chunk;
mod reader;
mod varint;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;
use tenon_base::limits;

pub use chunk::{ChunkAssembler, OPEN_CHUNKED_MAX, RESPONSE_BYTES_MAX};
pub use reader::{FrameLimits, FrameReader};

use crate::error::ErrorCode;
use crate::kind;

/// Bytes of the longest header: two fixed bytes and two varints of five.
pub const HEADER_BYTES_MAX: usize = 12;
/// Bytes of the largest piece of a chunked response: two round trips of an initial TCP window.
pub const CHUNK_BYTES_MAX: usize = 16 * 1024;
/// Extension tag of the trace context (W3C traceparent, 25 bytes).
pub const EXT_TRACE: u32 = 2;
/// Extension tag of padding.
pub const EXT_PADDING: u32 = 4;
/// Extension tag of the dictionary id of this frame.
pub const EXT_DICTIONARY: u32 = 6;

const VERSION: u8 = 1;

/// Order of the writer: the lowest goes first; frames of one kind are never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Prio {
    /// Session control.
    Control = 0,
    /// Messages, commands, live events.
    Live = 1,
    /// Reads, marks, tips.
    #[default]
    Normal = 2,
    /// Lists and history.
    Bulk = 3,
}

impl Prio {
    /// The priority that a frame of this kind has by default; lists and history are sent as [`Prio::Bulk`].
    pub const fn of_kind(kind: u8) -> Self {
        match kind {
            kind::SEND
            | kind::SEND_ACK
            | kind::OP
            | kind::OP_ACK
            | kind::EVENT_BATCH
            | kind::CONV_PUSH
            | kind::DEVICE_BATCH => Self::Live,
            kind::READ_MARKS
            | kind::READ_MARKS_ACK
            | kind::CONV_TIPS
            | kind::EPHEMERAL
            | kind::REQUEST
            | kind::RESPONSE => Self::Normal,
            _ => Self::Control,
        }
    }
}

/// How the payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Comp {
    /// As it is.
    #[default]
    None = 0,
    /// zstd with the dictionary in force.
    Zstd = 1,
    /// Raw deflate with the dictionary in force.
    Deflate = 2,
}

/// What stands before the payload, lengths aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// A number of [`crate::kind`].
    pub kind: u8,
    /// Pairs a frame with its answer; 0 = needs none.
    pub id: u32,
    /// Order of the writer.
    pub prio: Prio,
    /// Form of the payload.
    pub comp: Comp,
    /// False in all pieces of a chunked response but the last.
    pub last: bool,
}

impl FrameHeader {
    /// A whole, plain frame of this kind in its default priority.
    pub const fn new(kind: u8, id: u32) -> Self {
        Self { kind, id, prio: Prio::of_kind(kind), comp: Comp::None, last: true }
    }

    const fn first_byte(self, has_ext: bool) -> u8 {
        VERSION << 6
            | (self.prio as u8) << 4
            | (self.comp as u8) << 2
            | (has_ext as u8) << 1
            | self.last as u8
    }
}

/// One received frame. `payload` and `ext` share the buffer of the link: copy what is kept for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// A number of [`crate::kind`].
    pub kind: u8,
    /// Pairs a frame with its answer; 0 = needs none.
    pub id: u32,
    /// Order in which the peer wrote it.
    pub prio: Prio,
    /// False in all pieces of a chunked response but the last.
    pub last: bool,
    /// Form of the payload.
    pub comp: Comp,
    /// The payload as received.
    pub payload: Bytes,
    /// The checked extension entries as received, without their total; mostly empty.
    pub ext: Bytes,
}

impl Frame {
    /// The value of an extension, if the frame carries it.
    pub fn extension(&self, wanted: u32) -> Option<Bytes> {
        let mut rest: &[u8] = &self.ext;
        while !rest.is_empty() {
            let (tag, value, after) = varint::split_entry(rest).ok()?;
            if tag == wanted {
                return Some(self.ext.slice_ref(value));
            }
            rest = after;
        }
        None
    }

    /// Decodes the payload as `M`. Only for [`Comp::None`]; a compressed one is expanded first.
    ///
    /// # Errors
    /// [`FrameError::BadMessage`] if the payload is no such message.
    pub fn decode<M: Message + Default>(&self) -> Result<M, FrameError> {
        M::decode(self.payload.clone()).map_err(|_| FrameError::BadMessage)
    }
}

/// Why bytes are not a frame. Fatal to the link, except [`FrameError::BadMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The two version bits are not 1.
    #[error("frame version is not 1")]
    Version,
    /// A varint is above 32 bits or not in its shortest form.
    #[error("varint is not in its shortest form")]
    Varint,
    /// Extension entries do not fill their total, or the total does not fit the frame.
    #[error("extensions do not fit the frame")]
    Extension,
    /// A piece of something that may not come in pieces, or an empty piece before the last.
    #[error("a piece where none may be")]
    Piece,
    /// An id of 0 where an answer is paired, or pieces of too many answers.
    #[error("too many answers in pieces")]
    TooManyPieces,
    /// The frame, or the sum of its pieces, is above its limit.
    #[error("frame of kind {kind} has {len} bytes, {max} allowed")]
    TooLarge {
        /// Its kind.
        kind: u8,
        /// What it says.
        len: usize,
        /// What is allowed here.
        max: usize,
    },
    /// A kind from 1 to 127 that is not known.
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),
    /// An odd extension tag that is not known.
    #[error("unknown critical extension {0}")]
    UnknownCriticalExt(u32),
    /// The compression bits are 3, or the payload breaks the bounds of compression.
    #[error("bad compression")]
    BadCompression,
    /// The payload is no message of its kind, or a list in it is too long.
    #[error("message does not decode")]
    BadMessage,
}

impl FrameError {
    /// The wire code that tells the peer.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Version | Self::Varint | Self::Extension | Self::Piece | Self::TooManyPieces => {
                ErrorCode::BadFrame
            }
            Self::TooLarge { .. } => ErrorCode::FrameTooLarge,
            Self::UnknownKind(_) => ErrorCode::UnknownKind,
            Self::UnknownCriticalExt(_) => ErrorCode::UnknownCriticalExt,
            Self::BadCompression => ErrorCode::BadCompression,
            Self::BadMessage => ErrorCode::BadMessage,
        }
    }
}

/// Appends one frame without extensions.
///
/// # Errors
/// [`FrameError::TooLarge`] if the payload is above [`limits::FRAME_DOWN_BYTES_MAX`]; nothing was appended.
pub fn encode_frame(
    out: &mut BytesMut,
    header: FrameHeader,
    payload: &[u8],
) -> Result<(), FrameError> {
    put_header(out, header, false, payload.len())?;
    out.put_slice(payload);
    Ok(())
}

/// Appends one frame whose payload is `message`, encoded in place.
///
/// # Errors
/// [`FrameError::TooLarge`] if the message is above [`limits::FRAME_DOWN_BYTES_MAX`]; nothing was appended.
pub fn encode_message<M: Message>(
    out: &mut BytesMut,
    header: FrameHeader,
    message: &M,
) -> Result<(), FrameError> {
    put_header(out, header, false, message.encoded_len())?;
    message.encode_raw(out);
    Ok(())
}

/// Appends one frame with extension entries, each (tag, value).
///
/// # Errors
/// [`FrameError::TooLarge`] if ext and payload are above [`limits::FRAME_DOWN_BYTES_MAX`].
pub fn encode_frame_with(
    out: &mut BytesMut,
    header: FrameHeader,
    entries: &[(u32, &[u8])],
    payload: &[u8],
) -> Result<(), FrameError> {
    let mut ext = BytesMut::new();
    for (tag, value) in entries {
        varint::put(&mut ext, *tag);
        varint::put(&mut ext, checked_len(header.kind, value.len())?);
        ext.put_slice(value);
    }
    let total = checked_len(header.kind, ext.len())?;
    put_header(out, header, true, varint::width(total) + ext.len() + payload.len())?;
    varint::put(out, total);
    out.put_slice(&ext);
    out.put_slice(payload);
    Ok(())
}

fn put_header(
    out: &mut BytesMut,
    header: FrameHeader,
    has_ext: bool,
    len: usize,
) -> Result<(), FrameError> {
    let wire_len = checked_len(header.kind, len)?;
    out.reserve(HEADER_BYTES_MAX + len);
    out.put_u8(header.first_byte(has_ext));
    out.put_u8(header.kind);
    varint::put(out, header.id);
    varint::put(out, wire_len);
    Ok(())
}

fn checked_len(kind: u8, len: usize) -> Result<u32, FrameError> {
    let max = limits::FRAME_DOWN_BYTES_MAX;
    match u32::try_from(len) {
        Ok(wire) if len <= max => Ok(wire),
        _ => Err(FrameError::TooLarge { kind, len, max }),
    }
}

#[cfg(test)]
mod tests;
