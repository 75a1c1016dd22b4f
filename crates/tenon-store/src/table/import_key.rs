//! `import_key`: archive entry -> where it stands; written once, some 50 bytes.

use bytes::{BufMut, Bytes, BytesMut};
use tenon_base::{ConversationId, OrgId, Rev, Seq};

use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// org | tag | conversation | key.
pub fn key(org: OrgId, conv: ConversationId, import_key: &[u8; 16]) -> Bytes {
    let mut key = BytesMut::from(&table_key(org, tag::IMPORT_KEY, &[conv.0])[..]);
    key.put_slice(import_key);
    key.freeze()
}

/// Encodes (seq, 0 for a join or leave; rev).
pub fn encode(seq: Seq, rev: Rev) -> Bytes {
    let mut out = Writer::versioned(1);
    out.varint(seq.0).varint(rev.0);
    out.finish()
}

/// Decodes (seq, rev).
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<(Seq, Rev), FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    Ok((Seq(r.varint()?), Rev(r.varint()?)))
}
