//! Rows of the engine: single append values, and state values. Each is checked together with its key.

use bytes::Bytes;
use tenon_base::Lsn;

use crate::codec::{FormatError, Reader, Writer, checked};

const VERSION: u8 = 1;

/// A single append value as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Flush or re-pack that wrote it.
    pub(crate) flush: u64,
    /// No record after this one made it.
    pub(crate) lsn: Lsn,
    /// Key that seals the body; 0 = clear.
    pub(crate) key_id: u64,
    pub(crate) header: Bytes,
    pub(crate) body: Bytes,
}

impl Row {
    pub(crate) fn encode(&self, key: &[u8]) -> Bytes {
        let mut out = Writer::sized(VERSION, 32 + self.header.len() + self.body.len());
        out.varint(self.flush).fixed(self.lsn.0).varint(self.key_id);
        out.bytes(&self.header).raw(&self.body);
        out.finish_checked(key)
    }

    pub(crate) fn decode(key: &[u8], value: &Bytes) -> Result<Self, FormatError> {
        let mut r = Reader::versioned(checked(value, key)?, VERSION)?;
        let (flush, lsn, key_id) = (r.varint()?, Lsn(r.fixed()?), r.varint()?);
        Ok(Self { flush, lsn, key_id, header: r.bytes()?, body: r.rest() })
    }
}

/// A state value behind the Lsn that no record of it passes.
pub(crate) fn encode_state(key: &[u8], lsn: Lsn, value: &[u8]) -> Bytes {
    let mut out = Writer::sized(VERSION, 16 + value.len());
    out.fixed(lsn.0).raw(value);
    out.finish_checked(key)
}

/// The (Lsn, value) of a state row.
pub(crate) fn decode_state(key: &[u8], value: &Bytes) -> Result<(Lsn, Bytes), FormatError> {
    let mut r = Reader::versioned(checked(value, key)?, VERSION)?;
    Ok((Lsn(r.fixed()?), r.rest()))
}

/// A row under another key, or with one bit changed, does not verify.
#[test]
fn rows_are_bound_to_their_keys() {
    let (header, body) = (Bytes::from_static(b"head"), Bytes::from_static(b"body"));
    let row = Row { flush: 7, lsn: Lsn(9), key_id: 0, header, body };
    let value = row.encode(b"key");
    assert_eq!(Row::decode(b"key", &value), Ok(row));
    assert_eq!(Row::decode(b"kez", &value), Err(FormatError::Damaged));
    for at in 0..value.len() {
        let mut bad = value.to_vec();
        bad[at] ^= 1;
        assert_eq!(Row::decode(b"key", &bad.into()), Err(FormatError::Damaged));
    }
    assert_eq!(Row::decode(b"key", &Bytes::new()), Err(FormatError::Short));
}
