//! Decoders that other rooms do not see, for tools that judge bytes. Only with the feature `fuzz`.
//!
//! Rows carry a checksum, which random bytes never have: the functions put the right one behind what they are given, as
//! a disk that lies consistently would.

use bytes::Bytes;
use tenon_base::{ConversationId, Lsn, OrgId};

use crate::block::{BlockKey, Encoder, Index, Origin};
use crate::checkpoint::{KEY, Ledger};
use crate::codec::{FormatError, Writer};
use crate::memtable::{Entry, SeriesKey};
use crate::row::{Row, decode_state};

/// The value with the checksum that it has under this context.
fn sealed(value: &[u8], context: &[u8]) -> Bytes {
    let mut out = Writer::with_capacity(value.len() + 4);
    out.raw(value);
    out.finish_checked(context)
}

const fn series() -> SeriesKey {
    SeriesKey::message(OrgId(1), ConversationId(2))
}

/// Reads a checkpoint, and reads again what is written of it.
///
/// # Errors
/// [`FormatError`] if it is none. What was decoded and does not come back is a panic.
pub fn checkpoint(value: &[u8]) -> Result<(), FormatError> {
    let ledger = Ledger::decode(&sealed(value, KEY))?;
    let again = Ledger::decode(&ledger.encode().value);
    assert!(again.is_ok_and(|again| again.applied == ledger.applied), "a checkpoint comes back");
    Ok(())
}

/// A checkpoint as it is written, without its checksum.
pub fn checkpoint_seed() -> Bytes {
    let mut ledger = Ledger::default();
    ledger.applied.insert(tenon_base::PartitionId(3), Lsn::new(1, 9));
    let space = ledger.live.target(crate::space::SpaceKind::Row, 8);
    ledger.live.fill(&space);
    ledger.numbers.top_up(4);
    let given = (ledger.numbers.take(), ledger.numbers.take());
    given.0.into_iter().for_each(|number| ledger.numbers.confirm(number));
    let value = ledger.encode().value;
    value.slice(..value.len() - 4)
}

/// Reads an index row of a block that ends at `last`, then its bodies, and compares the sums.
///
/// # Errors
/// [`FormatError`] if a row is none. A block that breaks what its reader promises is a panic.
pub fn block(last: u64, flush: u64, index: &[u8], body: &[u8]) -> Result<(), FormatError> {
    let key = BlockKey { series: series(), last, flush };
    let index = Index::decode(key, &sealed(index, &key.index()))?;
    let count = index.headers.len() as u64;
    assert!(count > 0 && index.first.checked_add(count - 1) == Some(last), "numbers are dense");
    let context = index.body_context();
    let row = (!index.is_inline()).then(|| sealed(body, &context));
    let bodies = index.bodies(row.as_ref())?;
    assert_eq!(bodies.len(), index.headers.len(), "every value has a header and a body");
    index.sums_hold().map(|_| ())
}

/// Packs values and reads them again.
///
/// # Errors
/// [`FormatError`] if the compressor refuses to start. What does not come back is a panic.
pub fn packed(first: u64, values: &[(Bytes, Bytes)]) -> Result<(), FormatError> {
    let run = run(first, values);
    if run.is_empty() {
        return Ok(());
    }
    let packed = Encoder::new()?.pack(series(), &run, origin());
    let index = Index::decode(packed.key, &packed.index);
    assert!(index.is_ok(), "a packed index is read: {index:?}");
    let Ok(index) = index else { return Ok(()) };
    let bodies = index.bodies(packed.body.as_ref());
    assert!(bodies.is_ok(), "packed bodies are read: {bodies:?}");
    let headers = run.iter().map(|entry| &entry.header);
    assert!(headers.eq(&index.headers), "headers come back");
    assert!(
        run.iter().map(|entry| &entry.body).eq(&bodies.unwrap_or_default()),
        "bodies come back"
    );
    // A header that is none of a message has no version to sum.
    let is_message = run.iter().all(|entry| crate::table::message::ver(&entry.header).is_ok());
    assert!(!is_message || index.sums_hold() == Ok(true), "the sums are those of the headers");
    Ok(())
}

/// The last number, the flush, the index and the body row of a block, without checksums.
///
/// # Errors
/// [`FormatError`] if the compressor refuses to start.
pub fn block_seed(values: &[(Bytes, Bytes)]) -> Result<(u64, u64, Bytes, Bytes), FormatError> {
    let packed = Encoder::new()?.pack(series(), &run(7, values), origin());
    let bare = |row: &Bytes| row.slice(..row.len() - 4);
    let body = packed.body.as_ref().map(bare).unwrap_or_default();
    Ok((packed.key.last, packed.key.flush, bare(&packed.index), body))
}

fn run(first: u64, values: &[(Bytes, Bytes)]) -> Vec<Entry> {
    let entry = |(number, (header, body)): (u64, &(Bytes, Bytes))| Entry {
        number,
        header: header.clone(),
        body: body.clone(),
    };
    (first..).zip(values).map(entry).collect()
}

const fn origin() -> Origin {
    Origin { flush: 9, ordinal: 4, lsn: Lsn(77), key_id: 0 }
}

/// Reads a single value and a state value under `key`, and writes the first again.
///
/// # Errors
/// [`FormatError`] if it is neither. What does not come back is a panic.
pub fn row(key: &[u8], value: &[u8]) -> Result<(), FormatError> {
    let value = sealed(value, key);
    let (row, state) = (Row::decode(key, &value), decode_state(key, &value));
    if let Ok(row) = &row {
        assert_eq!(Row::decode(key, &row.encode(key)).as_ref(), Ok(row), "a row comes back");
    }
    let block = BlockKey::decode(series(), key);
    row.map(drop).or(state.map(drop)).or(block.map(drop))
}

/// Reads the body of a conversation event of a type.
///
/// # Errors
/// [`FormatError`] if it is none. What does not come back is a panic.
pub fn event_body(kind: u32, body: &[u8]) -> Result<(), FormatError> {
    crate::table::event::check_body(kind, Bytes::copy_from_slice(body))
}
