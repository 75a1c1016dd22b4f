//! Blocks: a run of consecutive values of one prefix under one key, compressed together.
//!
//! Two rows per block, or one. The **index row** (`i`, clear) holds every entry's header and size and the digest sums of the run,
//! so that lists, digests and unread counts never touch a body. The **body row** (`v`) holds the bodies; when it is small it
//! lies inside the index row (an inline block).

use bytes::{BufMut, Bytes, BytesMut};
use tenon_base::digest::RangeSum;
use tenon_base::limits::VALUE_BYTES_MAX;
use tenon_base::{Lsn, Seq};

use crate::codec::{FormatError, Reader, Writer, checked};
use crate::memtable::{Entry, Series, SeriesKey};
use crate::table;

mod columns;

const VERSION: u8 = 1;
/// Compression level: level 3 gains 0-3 % and costs a tenth of the throughput.
const LEVEL: i32 = 1;
/// Sealed bodies below this size lie in the index row: the engine would not give them a value file either.
pub(crate) const INLINE_BYTES_MAX: usize = 1536;
/// Decoded size that a reader believes: a block holds 64 KiB, or one value.
const RAW_BYTES_MAX: usize = 2 * VALUE_BYTES_MAX;

const INDEX: u8 = b'i';
const BODY: u8 = b'v';

const CODEC_PLAIN: u8 = 0;
const CODEC_ZSTD: u8 = 1;

const FLAG_INLINE: u8 = 1;

/// Headers one after another.
const HEADERS_PLAIN: u8 = 0;
/// Message headers as columns.
const HEADERS_MESSAGE_COLUMNS: u8 = 1;

/// Where a block lies: prefix | last number | flush number | `i` or `v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BlockKey {
    pub(crate) series: SeriesKey,
    pub(crate) last: u64,
    pub(crate) flush: u64,
}

impl BlockKey {
    fn encode(&self, suffix: u8) -> Bytes {
        let mut key = BytesMut::with_capacity(50);
        self.series.write_prefix(&mut key);
        key.put_u64(self.last);
        key.put_u64(self.flush);
        key.put_u8(suffix);
        key.freeze()
    }

    pub(crate) fn index(&self) -> Bytes {
        self.encode(INDEX)
    }

    pub(crate) fn body(&self) -> Bytes {
        self.encode(BODY)
    }

    /// Reads an engine key of `series`; `None` for a body row.
    pub(crate) fn decode(series: SeriesKey, key: &[u8]) -> Result<(Self, bool), FormatError> {
        let mut r = Reader::plain(Bytes::copy_from_slice(key));
        r.skip(series.prefix_len())?;
        let found = Self { series, last: r.fixed_be()?, flush: r.fixed_be()? };
        match r.byte()? {
            INDEX if r.is_empty() => Ok((found, true)),
            BODY if r.is_empty() => Ok((found, false)),
            _ => Err(FormatError::Damaged),
        }
    }

    /// What a seal must bind the body to: organisation, prefix, first and last number, block id, key id.
    fn context(&self, first: u64, ordinal: u64, key_id: u64) -> Bytes {
        let mut context = BytesMut::with_capacity(73);
        self.series.write_prefix(&mut context);
        for n in [first, self.last, self.flush, ordinal, key_id] {
            context.put_u64(n);
        }
        context.freeze()
    }
}

/// What the writer of a block knows besides its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// Flush or re-pack.
    pub(crate) flush: u64,
    /// Ordinal of the block in that flush; with the flush number the block id.
    pub(crate) ordinal: u64,
    /// No record after this one made any value of the run.
    pub(crate) lsn: Lsn,
    /// Key that seals the bodies; 0 = clear.
    pub(crate) key_id: u64,
}

/// Rows that make one block.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) key: BlockKey,
    pub(crate) index: Bytes,
    /// `None` for an inline block.
    pub(crate) body: Option<Bytes>,
    /// Bytes of the bodies as stored.
    pub(crate) sealed_bytes: usize,
}

/// Compresses; one per flush, since its tables are worth keeping.
pub(crate) struct Encoder(zstd::bulk::Compressor<'static>);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

impl Encoder {
    pub(crate) fn new() -> Result<Self, FormatError> {
        zstd::bulk::Compressor::new(LEVEL).map(Self).map_err(|_| FormatError::Damaged)
    }

    /// The shorter of plain and compressed.
    fn shrink(&mut self, raw: Bytes) -> (u8, Bytes) {
        match self.0.compress(&raw) {
            Ok(small) if small.len() < raw.len() => (CODEC_ZSTD, small.into()),
            _ => (CODEC_PLAIN, raw),
        }
    }

    /// Packs a run: at least one value, numbers consecutive.
    pub(crate) fn pack(&mut self, series: SeriesKey, run: &[Entry], origin: Origin) -> Packed {
        let first = run.first().map_or(0, |e| e.number);
        let last = run.last().map_or(0, |e| e.number);
        tenon_base::always!(
            last.checked_sub(first).and_then(|n| n.checked_add(1)) == Some(run.len() as u64),
            "a block holds consecutive numbers"
        );
        let key = BlockKey { series, last, flush: origin.flush };
        let bodies_bytes: usize = run.iter().map(|e| e.body.len()).sum();
        let mut bodies = BytesMut::with_capacity(bodies_bytes);
        let mut sum = RangeSum::default();
        for entry in run {
            bodies.put_slice(&entry.body);
            add_to_sum(&mut sum, series, entry);
        }
        let (codec, sealed) = self.shrink(bodies.freeze());
        let headers = join_headers(series, run);
        let headers_raw = headers.len();
        let (headers_codec, headers) = self.shrink(headers);
        let is_inline = sealed.len() < INLINE_BYTES_MAX;

        let mut index = Writer::sized(VERSION, 96 + headers.len());
        index.byte(if is_inline { FLAG_INLINE } else { 0 });
        index.byte(codec).varint(0).varint(origin.key_id).varint(origin.ordinal);
        index.varint(first).varint(run.len() as u64).fixed(origin.lsn.0);
        index.varint(bodies_bytes as u64).varint(sealed.len() as u64);
        index.fixed(sum.sum_a).fixed(sum.sum_b);
        index.byte(headers_codec).varint(headers_raw as u64).bytes(&headers);
        if is_inline {
            index.raw(&sealed);
        }
        let index_key = key.index();
        let sealed_bytes = sealed.len();
        let body = (!is_inline).then(|| {
            let mut body = Writer::sized(VERSION, 32 + sealed.len());
            // Key id 0 has no nonce; a sealed body puts twelve bytes here and a tag in place of the checksum.
            body.varint(origin.flush).varint(origin.ordinal).varint(origin.key_id);
            body.byte(codec).varint(0).varint(bodies_bytes as u64).raw(&sealed);
            body.finish_checked(&key.context(first, origin.ordinal, origin.key_id))
        });
        Packed { key, index: index.finish_checked(&index_key), body, sealed_bytes }
    }
}

/// Body lengths, then the headers in the shape that the first byte names.
fn join_headers(series: SeriesKey, run: &[Entry]) -> Bytes {
    let mut out = Writer::with_capacity(run.iter().map(|e| e.header.len() + 4).sum());
    let columns = if series.series == Series::Message { columns::encode(run) } else { None };
    out.byte(if columns.is_some() { HEADERS_MESSAGE_COLUMNS } else { HEADERS_PLAIN });
    for entry in run {
        out.varint(entry.body.len() as u64);
    }
    if let Some(columns) = columns {
        out.raw(&columns);
    } else {
        for entry in run {
            out.varint(entry.header.len() as u64);
        }
        for entry in run {
            out.raw(&entry.header);
        }
    }
    out.finish()
}

fn add_to_sum(sum: &mut RangeSum, series: SeriesKey, entry: &Entry) {
    if series.series == Series::Message
        && let Ok(ver) = table::message::ver(&entry.header)
    {
        sum.add(Seq(entry.number).0, ver.0);
    }
}

/// An index row as read.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) key: BlockKey,
    pub(crate) first: u64,
    /// No record after this one made any value of the run.
    #[cfg_attr(not(test), expect(dead_code, reason = "for engines that compare versions"))]
    pub(crate) lsn: Lsn,
    key_id: u64,
    ordinal: u64,
    codec: u8,
    raw_len: usize,
    sealed_len: usize,
    /// Sums over (seq, ver) of a message block.
    pub(crate) sum: RangeSum,
    /// Header of each value, in order.
    pub(crate) headers: Vec<Bytes>,
    /// Body length of each value.
    sizes: Vec<usize>,
    inline: Option<Bytes>,
}

impl Index {
    /// Decodes an index row that was found under `key`.
    pub(crate) fn decode(key: BlockKey, value: &Bytes) -> Result<Self, FormatError> {
        let mut r = Reader::versioned(checked(value, &key.index())?, VERSION)?;
        let flags = r.byte()?;
        let codec = r.byte()?;
        let dictionary = r.varint()?;
        if dictionary != 0 {
            return Err(FormatError::Unknown(dictionary));
        }
        let (key_id, ordinal, first) = (r.varint()?, r.varint()?, r.varint()?);
        let count = length(&mut r)?;
        let lsn = Lsn(r.fixed()?);
        let (raw_len, sealed_len) = (length(&mut r)?, length(&mut r)?);
        let count32 = u32::try_from(count).map_err(|_| FormatError::Damaged)?;
        let sum = RangeSum { count: count32, sum_a: r.fixed()?, sum_b: r.fixed()? };
        let (headers_codec, headers_raw) = (r.byte()?, length(&mut r)?);
        let headers = expand(headers_codec, r.bytes()?, headers_raw)?;
        if count == 0 || first.checked_add(count as u64 - 1) != Some(key.last) {
            return Err(FormatError::Damaged);
        }
        let (headers, sizes) = split_headers(headers, first, count)?;
        let inline = (flags & FLAG_INLINE != 0).then(|| r.rest());
        Ok(Self {
            key,
            first,
            lsn,
            key_id,
            ordinal,
            codec,
            raw_len,
            sealed_len,
            sum,
            headers,
            sizes,
            inline,
        })
    }

    /// What the checksum of the body row covers besides the row.
    pub(crate) fn body_context(&self) -> Bytes {
        self.key.context(self.first, self.ordinal, self.key_id)
    }

    pub(crate) fn is_inline(&self) -> bool {
        self.inline.is_some()
    }

    /// The bodies, from the body row (`None` for an inline block).
    pub(crate) fn bodies(&self, body_row: Option<&Bytes>) -> Result<Vec<Bytes>, FormatError> {
        let sealed = match (&self.inline, body_row) {
            (Some(inline), _) => inline.clone(),
            (None, Some(row)) => self.open_body(row)?,
            (None, None) => return Err(FormatError::Damaged),
        };
        if sealed.len() != self.sealed_len {
            return Err(FormatError::Damaged);
        }
        let mut raw = expand(self.codec, sealed, self.raw_len)?;
        let mut bodies = Vec::with_capacity(self.sizes.len());
        for size in &self.sizes {
            if *size > raw.len() {
                return Err(FormatError::Damaged);
            }
            bodies.push(raw.split_to(*size));
        }
        if raw.is_empty() { Ok(bodies) } else { Err(FormatError::Damaged) }
    }

    fn open_body(&self, row: &Bytes) -> Result<Bytes, FormatError> {
        let mut r = Reader::versioned(checked(row, &self.body_context())?, VERSION)?;
        let is_ours = r.varint()? == self.key.flush
            && r.varint()? == self.ordinal
            && r.varint()? == self.key_id
            && r.byte()? == self.codec
            && r.varint()? == 0
            && r.varint()? == self.raw_len as u64;
        if !is_ours {
            return Err(FormatError::Damaged);
        }
        if self.key_id != 0 {
            // Sealed bodies join the format with the key ring.
            return Err(FormatError::Unknown(self.key_id));
        }
        Ok(r.rest())
    }

    /// True if the stored sums are those of the headers. Always true outside messages.
    pub(crate) fn sums_hold(&self) -> Result<bool, FormatError> {
        if self.key.series.series != Series::Message {
            return Ok(true);
        }
        let mut sum = RangeSum::default();
        for (number, header) in (self.first..).zip(&self.headers) {
            sum.add(number, table::message::ver(header)?.0);
        }
        Ok(sum == self.sum)
    }
}

/// A length that a lie cannot turn into a large allocation.
fn length(r: &mut Reader) -> Result<usize, FormatError> {
    match usize::try_from(r.varint()?) {
        Ok(n) if n <= RAW_BYTES_MAX => Ok(n),
        _ => Err(FormatError::Damaged),
    }
}

fn expand(codec: u8, stored: Bytes, raw_len: usize) -> Result<Bytes, FormatError> {
    let raw = match codec {
        CODEC_PLAIN => stored,
        CODEC_ZSTD => zstd::bulk::decompress(&stored, raw_len)
            .map(Bytes::from)
            .map_err(|_| FormatError::Damaged)?,
        other => return Err(FormatError::Unknown(other.into())),
    };
    if raw.len() == raw_len { Ok(raw) } else { Err(FormatError::Damaged) }
}

fn split_headers(
    raw: Bytes,
    first: u64,
    count: usize,
) -> Result<(Vec<Bytes>, Vec<usize>), FormatError> {
    if count > raw.len() {
        return Err(FormatError::Short);
    }
    let mut r = Reader::plain(raw);
    let shape = r.byte()?;
    let mut sizes = Vec::with_capacity(count);
    for _ in 0..count {
        sizes.push(length(&mut r)?);
    }
    let headers = match shape {
        HEADERS_MESSAGE_COLUMNS => columns::decode(&mut r, first, count)?,
        HEADERS_PLAIN => {
            let mut lengths = Vec::with_capacity(count);
            for _ in 0..count {
                lengths.push(length(&mut r)?);
            }
            let mut headers = Vec::with_capacity(count);
            for len in lengths {
                headers.push(r.take(len)?);
            }
            headers
        }
        other => return Err(FormatError::Unknown(other.into())),
    };
    if r.is_empty() { Ok((headers, sizes)) } else { Err(FormatError::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenon_base::{ConversationId, OrgId};

    fn run(count: u64, body_bytes: usize) -> Vec<Entry> {
        let random = tenon_base::SeededRandom::new(1);
        let entry = |number: u64| {
            let mut body = vec![0; body_bytes];
            tenon_base::Random::fill(&random, &mut body);
            let header = Bytes::from(vec![1, number as u8, 3]);
            Entry { number, header, body: body.into() }
        };
        (5..5 + count).map(entry).collect()
    }

    fn series() -> SeriesKey {
        SeriesKey::message(OrgId(1), ConversationId(2))
    }

    fn origin() -> Origin {
        Origin { flush: 9, ordinal: 4, lsn: Lsn(77), key_id: 0 }
    }

    /// Large bodies lie apart, small ones inside; both come back whole.
    #[test]
    fn blocks_come_back() {
        for (count, bytes, is_inline) in [(1, 0, true), (1, 100_000, false), (40, 900, false)] {
            let run = run(count, bytes);
            let packed = Encoder::new().unwrap().pack(series(), &run, origin());
            assert_eq!(packed.body.is_none(), is_inline);
            let index = Index::decode(packed.key, &packed.index).unwrap();
            assert_eq!((index.first, index.key.last, index.lsn), (5, 4 + count, Lsn(77)));
            assert!(index.sums_hold().unwrap());
            let bodies = index.bodies(packed.body.as_ref()).unwrap();
            for ((entry, header), body) in run.iter().zip(&index.headers).zip(bodies) {
                assert_eq!((&entry.header, &entry.body), (header, &body));
            }
            let (key, is_index) = BlockKey::decode(series(), &packed.key.body()).unwrap();
            assert_eq!((key, is_index), (packed.key, false));
        }
    }

    /// No changed bit gets through, neither in the index nor in the bodies, and no body fits another index.
    #[test]
    fn damage_is_found() {
        let packed = Encoder::new().unwrap().pack(series(), &run(10, 700), origin());
        let index = Index::decode(packed.key, &packed.index).unwrap();
        let body = packed.body.unwrap();
        for (row, step) in [(&packed.index, 1), (&body, 13)] {
            for at in (0..row.len()).step_by(step) {
                let mut bad = row.to_vec();
                bad[at] ^= 0x10;
                let bad = Bytes::from(bad);
                if row == &body {
                    assert!(index.bodies(Some(&bad)).is_err());
                } else {
                    assert!(Index::decode(packed.key, &bad).is_err());
                }
            }
        }
        let other = Origin { ordinal: 5, ..origin() };
        let other = Encoder::new().unwrap().pack(series(), &run(10, 700), other);
        assert!(index.bodies(other.body.as_ref()).is_err());
        assert!(index.bodies(None).is_err());
    }
}
