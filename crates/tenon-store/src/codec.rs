//! The compact form of stored values: a version byte, then varints and length-prefixed bytes in a fixed order.

use bytes::{BufMut, Bytes, BytesMut};

/// Stored bytes that do not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The value ends too early.
    #[error("stored value ends too early")]
    Short,
    /// The value was written by a newer version.
    #[error("stored value has format version {0}, which is newer than this program")]
    Newer(u8),
    /// A number names nothing.
    #[error("stored value holds the unknown number {0}")]
    Unknown(u64),
    /// The checksum does not fit.
    #[error("stored value is damaged")]
    Damaged,
}

/// Writes a value.
#[derive(Debug, Default)]
pub struct Writer(BytesMut);

impl Writer {
    /// A value of this format version.
    pub fn versioned(version: u8) -> Self {
        let mut buffer = BytesMut::with_capacity(64);
        buffer.put_u8(version);
        Self(buffer)
    }
    /// A value of this format version that will take about `capacity` bytes.
    pub fn sized(version: u8, capacity: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(capacity);
        buffer.put_u8(version);
        Self(buffer)
    }
    /// A part of a value, without a version of its own.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(BytesMut::with_capacity(capacity))
    }
    /// Bytes as they are; the reader must know how many.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.put_slice(bytes);
        self
    }
    /// A LEB128 number.
    pub fn varint(&mut self, mut n: u64) -> &mut Self {
        while n >= 0x80 {
            self.0.put_u8((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        self.0.put_u8(n as u8);
        self
    }
    /// One byte.
    pub fn byte(&mut self, n: u8) -> &mut Self {
        self.0.put_u8(n);
        self
    }
    /// Eight bytes, little-endian: for random ids, which varints would make longer.
    pub fn fixed(&mut self, n: u64) -> &mut Self {
        self.0.put_u64_le(n);
        self
    }
    /// A random id that is mostly 0: one byte then, nine otherwise.
    pub fn fixed_if(&mut self, n: u64) -> &mut Self {
        if n == 0 { self.byte(0) } else { self.byte(1).fixed(n) }
    }
    /// Bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.varint(bytes.len() as u64);
        self.0.put_slice(bytes);
        self
    }
    /// Sixteen bytes.
    pub fn digest(&mut self, digest: &[u8; 16]) -> &mut Self {
        self.0.put_slice(digest);
        self
    }
    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        &self.0
    }
    /// The value.
    pub fn finish(self) -> Bytes {
        self.0.freeze()
    }
    /// The value and the CRC-32C over `context` and it. The context (the key, the place of a block) is not stored: bytes that
    /// were written for another place do not verify.
    pub(crate) fn finish_checked(mut self, context: &[u8]) -> Bytes {
        let crc = crc32c::crc32c_append(crc32c::crc32c(context), &self.0);
        self.0.put_u32_le(crc);
        self.0.freeze()
    }
}

/// The value in front of its CRC-32C, which must fit `context`.
///
/// # Errors
/// [`FormatError::Short`] or [`FormatError::Damaged`].
pub(crate) fn checked(value: &Bytes, context: &[u8]) -> Result<Bytes, FormatError> {
    let at = value.len().checked_sub(4).ok_or(FormatError::Short)?;
    let content = value.slice(..at);
    let crc = crc32c::crc32c_append(crc32c::crc32c(context), &content);
    if value.get(at..) == Some(&crc.to_le_bytes()[..]) {
        Ok(content)
    } else {
        Err(FormatError::Damaged)
    }
}

/// Reads a value. Slices share the buffer they are read from.
#[derive(Debug)]
pub struct Reader(Bytes);

impl Reader {
    /// Reads a value whose version is at most `newest`.
    ///
    /// # Errors
    /// [`FormatError::Newer`] or [`FormatError::Short`].
    pub fn versioned(bytes: Bytes, newest: u8) -> Result<Self, FormatError> {
        Self::with_version(bytes, newest).map(|(reader, _)| reader)
    }
    /// The same, and the version, for values that grew in the middle.
    ///
    /// # Errors
    /// See [`Self::versioned`].
    pub fn with_version(bytes: Bytes, newest: u8) -> Result<(Self, u8), FormatError> {
        let mut reader = Self(bytes);
        let version = reader.byte()?;
        if version == 0 || version > newest {
            return Err(FormatError::Newer(version));
        }
        Ok((reader, version))
    }
    /// Reads a part of a value, which has no version of its own.
    pub const fn plain(bytes: Bytes) -> Self {
        Self(bytes)
    }
    /// Passes over `n` bytes.
    ///
    /// # Errors
    /// [`FormatError::Short`].
    pub fn skip(&mut self, n: usize) -> Result<(), FormatError> {
        self.take(n).map(|_| ())
    }
    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`FormatError::Short`].
    pub fn take(&mut self, n: usize) -> Result<Bytes, FormatError> {
        if n > self.0.len() { Err(FormatError::Short) } else { Ok(self.0.split_to(n)) }
    }
    /// Eight bytes, big-endian, as in keys.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn fixed_be(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
    /// See [`Writer::varint`].
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn varint(&mut self) -> Result<u64, FormatError> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(FormatError::Damaged)
    }
    /// A varint that must fit 32 bits.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn varint32(&mut self) -> Result<u32, FormatError> {
        u32::try_from(self.varint()?).map_err(|_| FormatError::Damaged)
    }
    /// A count of things that take at least one byte each.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn count(&mut self) -> Result<usize, FormatError> {
        self.count_of(1)
    }
    /// A count of things that take at least `bytes_min` each, so that a lie cannot make us allocate: room for `n` values
    /// may be made at once, since they are as many as the bytes behind can hold.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn count_of(&mut self, bytes_min: usize) -> Result<usize, FormatError> {
        let n = usize::try_from(self.varint()?).map_err(|_| FormatError::Damaged)?;
        if n > self.0.len() / bytes_min.max(1) { Err(FormatError::Short) } else { Ok(n) }
    }
    /// See [`Writer::byte`].
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn byte(&mut self) -> Result<u8, FormatError> {
        let first = *self.0.first().ok_or(FormatError::Short)?;
        bytes::Buf::advance(&mut self.0, 1);
        Ok(first)
    }
    /// See [`Writer::fixed`].
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn fixed(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    /// See [`Writer::fixed_if`].
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn fixed_if(&mut self) -> Result<u64, FormatError> {
        if self.byte()? == 0 { Ok(0) } else { self.fixed() }
    }
    /// See [`Writer::bytes`].
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn bytes(&mut self) -> Result<Bytes, FormatError> {
        let n = self.count()?;
        Ok(self.0.split_to(n))
    }
    /// Bytes that are text.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn text(&mut self) -> Result<String, FormatError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| FormatError::Damaged)
    }
    /// See [`Writer::digest`].
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn digest(&mut self) -> Result<[u8; 16], FormatError> {
        self.array()
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        if self.0.len() < N {
            return Err(FormatError::Short);
        }
        let taken = self.0.split_to(N);
        let mut out = [0; N];
        out.copy_from_slice(&taken);
        Ok(out)
    }
    /// All that is left.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }
    /// Bytes that are left.
    pub const fn remaining(&self) -> usize {
        self.0.len()
    }
    /// True when all is read; newer versions only add behind.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
