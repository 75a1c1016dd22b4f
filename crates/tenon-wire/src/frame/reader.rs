//! Bytes of a link in, frames out.

use bytes::{Buf as _, Bytes, BytesMut};
use tenon_base::limits;

use super::{Comp, Frame, FrameError, HEADER_BYTES_MAX, Prio, varint};
use crate::kind;

/// Bytes that a link may have buffered before its Hello is verified.
const BUFFER_BEFORE_LOGIN_MAX: usize = 16 * 1024;

/// What a reader accepts. All in bytes, all checked before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Largest `len` of a frame.
    pub frame_bytes_max: usize,
    /// Largest `len` of a Hello.
    pub hello_bytes_max: usize,
    /// Most bytes held at once; never less than one largest frame with its header.
    pub buffer_bytes_max: usize,
}

impl FrameLimits {
    /// A server before the Hello of the link is verified.
    pub const BEFORE_LOGIN: Self = Self {
        frame_bytes_max: limits::HELLO_BYTES_MAX,
        hello_bytes_max: limits::HELLO_BYTES_MAX,
        buffer_bytes_max: BUFFER_BEFORE_LOGIN_MAX,
    };
    /// A server after it.
    pub const UP: Self = Self {
        frame_bytes_max: limits::FRAME_UP_BYTES_MAX,
        hello_bytes_max: limits::HELLO_BYTES_MAX,
        buffer_bytes_max: limits::FRAME_UP_BYTES_MAX + HEADER_BYTES_MAX,
    };
    /// A device.
    pub const DOWN: Self = Self {
        frame_bytes_max: limits::FRAME_DOWN_BYTES_MAX,
        hello_bytes_max: limits::HELLO_BYTES_MAX,
        buffer_bytes_max: limits::FRAME_DOWN_BYTES_MAX + HEADER_BYTES_MAX,
    };

    const fn of_kind(&self, kind: u8) -> usize {
        if kind == kind::HELLO && self.hello_bytes_max < self.frame_bytes_max {
            self.hello_bytes_max
        } else {
            self.frame_bytes_max
        }
    }
}

/// Cuts a byte stream into frames. Holds at most `buffer_bytes_max`, and nothing while the link is quiet.
#[derive(Debug)]
pub struct FrameReader {
    limits: FrameLimits,
    buffer: BytesMut,
    failed: Option<FrameError>,
    skip: usize,
}

impl FrameReader {
    /// An empty reader.
    pub fn new(limits: FrameLimits) -> Self {
        debug_assert!(limits.buffer_bytes_max >= limits.frame_bytes_max + HEADER_BYTES_MAX);
        Self { limits, buffer: BytesMut::new(), failed: None, skip: 0 }
    }

    /// Changes the limits, for instance after the Hello was verified. Holds for frames not yet taken.
    pub fn set_limits(&mut self, limits: FrameLimits) {
        self.limits = limits;
    }

    /// Bytes held now.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Takes as many of `bytes` as there is room for and says how many; take frames with [`Self::next`] and push
    /// the rest. There is always room again once `next` has answered `None`.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        if self.failed.is_some() {
            return bytes.len();
        }
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let room = self.limits.buffer_bytes_max.saturating_sub(self.buffer.len());
        let taken = room.min(bytes.len() - skipped);
        self.buffer.extend_from_slice(&bytes[skipped..skipped + taken]);
        skipped + taken
    }

    /// The next whole frame, or `None` if more bytes are needed. Frames of kinds 128 to 255 are skipped if unknown.
    ///
    /// # Errors
    /// Any framing error, and then the same one for ever: the link is to be closed.
    #[expect(clippy::should_implement_trait, reason = "it may fail and go on, unlike an iterator")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.parse();
        if let Err(error) = result {
            self.failed = Some(error);
            self.buffer = BytesMut::new();
        }
        if self.buffer.is_empty() {
            // Idle links are many: an empty reader keeps no allocation.
            self.buffer = BytesMut::new();
        }
        result
    }

    fn parse(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            let Some(head) = Head::read(&self.buffer, &self.limits)? else { return Ok(None) };
            if !kind::is_known(head.kind) {
                self.skip_frame(&head);
                continue;
            }
            if self.buffer.len() < head.width + head.len {
                return Ok(None);
            }
            self.buffer.advance(head.width);
            let content = self.buffer.split_to(head.len).freeze();
            let (ext, payload) =
                if head.has_ext { split_ext(&content)? } else { (Bytes::new(), content) };
            return Ok(Some(Frame {
                kind: head.kind,
                id: head.id,
                prio: head.prio,
                last: head.last,
                comp: head.comp,
                payload,
                ext,
            }));
        }
    }

    fn skip_frame(&mut self, head: &Head) {
        let whole = head.width + head.len;
        let here = whole.min(self.buffer.len());
        self.buffer.advance(here);
        self.skip = whole - here;
    }
}

/// A parsed and judged header.
struct Head {
    kind: u8,
    id: u32,
    prio: Prio,
    comp: Comp,
    last: bool,
    has_ext: bool,
    len: usize,
    width: usize,
}

impl Head {
    fn read(bytes: &[u8], limits: &FrameLimits) -> Result<Option<Self>, FrameError> {
        let Some(&b0) = bytes.first() else { return Ok(None) };
        if b0 >> 6 != super::VERSION {
            return Err(FrameError::Version);
        }
        let prio = match b0 >> 4 & 3 {
            0 => Prio::Control,
            1 => Prio::Live,
            2 => Prio::Normal,
            _ => Prio::Bulk,
        };
        let comp = match b0 >> 2 & 3 {
            0 => Comp::None,
            1 => Comp::Zstd,
            2 => Comp::Deflate,
            _ => return Err(FrameError::BadCompression),
        };
        let Some(&kind) = bytes.get(1) else { return Ok(None) };
        if kind < 128 && !kind::is_known(kind) {
            return Err(FrameError::UnknownKind(kind));
        }
        let last = b0 & 1 == 1;
        if !last && kind < 128 && kind != kind::RESPONSE {
            return Err(FrameError::Piece);
        }
        let Some((id, id_width)) = varint::read(&bytes[2..])? else { return Ok(None) };
        let Some((len, len_width)) = varint::read(&bytes[2 + id_width..])? else { return Ok(None) };
        let len = len as usize;
        let max = limits.of_kind(kind);
        if len > max {
            return Err(FrameError::TooLarge { kind, len, max });
        }
        let has_ext = b0 >> 1 & 1 == 1;
        Ok(Some(Self { kind, id, prio, comp, last, has_ext, len, width: 2 + id_width + len_width }))
    }
}

/// Splits `content` into checked extension entries and payload.
fn split_ext(content: &Bytes) -> Result<(Bytes, Bytes), FrameError> {
    let (total, width) = varint::read(content)?.ok_or(FrameError::Extension)?;
    let total = total as usize;
    if content.len() - width < total {
        return Err(FrameError::Extension);
    }
    let ext = content.slice(width..width + total);
    let mut rest: &[u8] = &ext;
    while !rest.is_empty() {
        let (tag, _, after) = varint::split_entry(rest)?;
        if tag % 2 == 1 {
            // Account (1) and signature (3) are reserved, so no odd tag is known yet.
            return Err(FrameError::UnknownCriticalExt(tag));
        }
        rest = after;
    }
    Ok((ext, content.slice(width + total..)))
}
