//! Looking at the bytes of one segment.

use super::frame::{self, BadFrame, Decoded, Frame, Place, find_magic, frame_bytes};
use super::options::Geometry;
use super::segment::HEADER_BYTES;
use crate::disk::BLOCK_BYTES;

/// The bytes of a whole segment and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) device_id: u64,
    pub(crate) use_number: u32,
    pub(crate) geometry: Geometry,
}

/// A header that stands at its own place; its payload may be damaged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remnant {
    pub(crate) offset: usize,
    pub(crate) decoded: Decoded,
    pub(crate) is_whole: bool,
}

impl<'a> View<'a> {
    /// The record at an offset.
    pub(crate) fn frame_at(&self, offset: usize) -> Result<(Decoded, &'a [u8]), BadFrame> {
        let bytes = self.bytes.get(offset..self.geometry.data_end).ok_or(BadFrame::Length)?;
        let decoded = Frame::decode(bytes, self.place(offset))?;
        let payload = decoded.payload(bytes)?;
        Ok((decoded, payload))
    }

    fn place(&self, offset: usize) -> Place {
        let position = self.geometry.position(self.use_number, offset);
        Place { device_id: self.device_id, position, use_number: self.use_number }
    }

    /// The next header at or after `from` that verifies at its own place, at 8-byte steps.
    pub(crate) fn remnant_from(&self, from: usize) -> Option<Remnant> {
        let data = &self.bytes[..self.geometry.data_end];
        let mut at = from;
        loop {
            let offset = find_magic(data, at)?;
            let bytes = &data[offset..];
            match Frame::decode(bytes, self.place(offset)) {
                Ok(decoded) => {
                    let is_whole = decoded.payload(bytes).is_ok();
                    return Some(Remnant { offset, decoded, is_whole });
                }
                Err(_) => at = offset + 8,
            }
        }
    }

    /// All remnants from `from` on.
    pub(crate) fn remnants(&self, from: usize) -> impl Iterator<Item = Remnant> + '_ {
        let mut at = from;
        std::iter::from_fn(move || {
            let found = self.remnant_from(at)?;
            at = found.offset + 8;
            Some(found)
        })
    }

    /// If the segment begins with a whole group of rewritten records: where the segment before it ends.
    pub(crate) fn rewritten_from(&self) -> Option<u64> {
        let mut offset = HEADER_BYTES;
        let mut from = None;
        loop {
            let (decoded, _) = self.frame_at(offset).ok()?;
            if !decoded.frame.has(frame::FLAG_REWRITTEN) {
                return None;
            }
            let through = *from.get_or_insert(decoded.frame.durable_through);
            if decoded.frame.has(frame::FLAG_LAST) {
                return Some(through);
            }
            offset += decoded.frame.bytes();
        }
    }
}

impl Remnant {
    /// Offset behind it.
    pub(crate) const fn end(&self) -> usize {
        self.offset + frame_bytes(self.decoded.frame.payload_bytes as usize)
    }
}

/// Offset of the record after `decoded` at `offset`.
pub(crate) const fn next_offset(offset: usize, decoded: &Decoded) -> usize {
    let end = offset + decoded.frame.bytes();
    if decoded.frame.has(frame::FLAG_LAST) { end.next_multiple_of(BLOCK_BYTES) } else { end }
}
