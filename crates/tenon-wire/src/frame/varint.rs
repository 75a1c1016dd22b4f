//! Unsigned LEB128 of 32 bits, shortest form only.

use bytes::{BufMut as _, BytesMut};

use super::FrameError;

/// Appends `value` in 1 to 5 bytes.
pub(super) fn put(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Bytes that [`put`] appends for `value`.
pub(super) const fn width(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// Reads one varint: its value and width, or `None` if `bytes` ends before it does.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(u32, usize)>, FrameError> {
    let mut value = 0_u32;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        let part = u32::from(byte & 0x7F);
        if at == 4 && byte > 0x0F {
            return Err(FrameError::Varint);
        }
        value |= part << (7 * at);
        if byte & 0x80 == 0 {
            if byte == 0 && at > 0 {
                return Err(FrameError::Varint);
            }
            return Ok(Some((value, at + 1)));
        }
    }
    Ok(None)
}

/// Splits the first extension entry off: tag, value, rest.
pub(super) fn split_entry(bytes: &[u8]) -> Result<(u32, &[u8], &[u8]), FrameError> {
    let (tag, width) = read(bytes)?.ok_or(FrameError::Extension)?;
    let rest = &bytes[width..];
    let (n, width) = read(rest)?.ok_or(FrameError::Extension)?;
    let rest = &rest[width..];
    let (value, rest) = rest.split_at_checked(n as usize).ok_or(FrameError::Extension)?;
    Ok((tag, value, rest))
}
