//! Puts the pieces of chunked responses together.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::{Comp, Frame, FrameError};

/// Largest whole response: the raw-length bound of compression, and four times what a server answers.
pub const RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// Responses that may be in pieces at once: as many as a link may have requests open.
pub const OPEN_CHUNKED_MAX: usize = 8;
/// Bytes held over all open responses: two whole ones, so that eight open answers cannot hold eight megabytes.
const HELD_BYTES_MAX: usize = 2 * RESPONSE_BYTES_MAX;

/// Open chunked responses of one link, by id.
#[derive(Debug, Default)]
pub struct ChunkAssembler {
    open: BTreeMap<u32, BytesMut>,
    held: usize,
}

impl ChunkAssembler {
    /// Takes any frame; gives it back at once if it is whole, joined if it was the last piece, else `None`.
    ///
    /// # Errors
    /// [`FrameError::Piece`] for an empty or compressed piece before the last or one without id;
    /// [`FrameError::TooManyPieces`] above [`OPEN_CHUNKED_MAX`]; [`FrameError::TooLarge`] above
    /// [`RESPONSE_BYTES_MAX`] or the bound over all open responses.
    pub fn take(&mut self, mut frame: Frame) -> Result<Option<Frame>, FrameError> {
        if frame.last && (self.open.is_empty() || !self.open.contains_key(&frame.id)) {
            return Ok(Some(frame));
        }
        let is_bad_piece = frame.id == 0 || (!frame.last && frame.payload.is_empty());
        if frame.kind != crate::kind::RESPONSE {
            // An error frame with the id of an open response ends it.
            self.drop_open(frame.id);
            return Ok(Some(frame));
        }
        if is_bad_piece || frame.comp != Comp::None {
            return Err(FrameError::Piece);
        }
        if !self.open.contains_key(&frame.id) && self.open.len() == OPEN_CHUNKED_MAX {
            return Err(FrameError::TooManyPieces);
        }
        let joined = self.open.entry(frame.id).or_default();
        let len = joined.len() + frame.payload.len();
        let is_over = len > RESPONSE_BYTES_MAX || self.held + frame.payload.len() > HELD_BYTES_MAX;
        if is_over {
            return Err(FrameError::TooLarge { kind: frame.kind, len, max: RESPONSE_BYTES_MAX });
        }
        joined.extend_from_slice(&frame.payload);
        self.held += frame.payload.len();
        if !frame.last {
            return Ok(None);
        }
        frame.payload = self.drop_open(frame.id);
        Ok(Some(frame))
    }

    fn drop_open(&mut self, id: u32) -> Bytes {
        let joined = self.open.remove(&id).unwrap_or_default().freeze();
        self.held -= joined.len();
        joined
    }
}
