//! Records of the log and values of the store.

use std::fmt::Debug;

use bytes::Bytes;
use tenon_base::{Pts, Seq};
use tenon_store::FormatError;
use tenon_store::{fuzz, record, table};

/// What decodes is written again and decodes to the same.
fn comes_back<T: PartialEq + Debug>(
    input: &[u8],
    decode: impl Fn(Bytes) -> Result<T, FormatError>,
    encode: impl Fn(&T) -> Bytes,
) {
    let Ok(value) = decode(Bytes::copy_from_slice(input)) else { return };
    let again = decode(encode(&value));
    assert!(
        again.as_ref() == Ok(&value),
        "what is written decodes to the same: {value:?}, {again:?}"
    );
}

pub(super) fn commands(input: &[u8]) {
    comes_back(input, record::decode_commands, |commands| record::encode_commands(commands));
}

pub(super) fn user_commands(input: &[u8]) {
    comes_back(input, record::decode_user_commands, |commands| {
        record::encode_user_commands(commands)
    });
}

pub(super) fn fan_outs(input: &[u8]) {
    comes_back(input, record::decode_fan_out, |items| record::encode_fan_out(items));
}

pub(super) fn identity_commands(input: &[u8]) {
    comes_back(input, table::identity::decode_command, table::identity::encode_command);
}

/// The first byte is the number of the table, the rest its value.
pub(super) fn rows(input: &[u8]) {
    let Some((number, rest)) = input.split_first() else { return };
    let whole = |bytes: Bytes| bytes;
    match number {
        0 => comes_back(rest, |v| table::header::decode(&v), table::header::encode),
        1 => comes_back(rest, |v| table::member::decode(&v), table::member::encode),
        2 => comes_back(rest, |v| table::sender::decode(&v), table::sender::encode),
        3 => comes_back(
            rest,
            |v| table::import_key::decode(&v),
            |(seq, rev)| table::import_key::encode(*seq, *rev),
        ),
        4 => comes_back(rest, |v| table::user_header::decode(&v), table::user_header::encode),
        5 => comes_back(rest, |v| table::device::decode(&v), table::device::encode),
        6 => comes_back(rest, |v| table::line::decode(&v), table::line::encode),
        7 => comes_back(rest, |v| table::fan_out_source::decode(&v), table::fan_out_source::encode),
        8 => comes_back(
            rest,
            |v| table::message::decode(Seq(7), &v, Bytes::new()),
            table::message::encode_header,
        ),
        9 => comes_back(
            rest,
            |v| table::queue::decode(Pts(7), &whole(v), &Bytes::new()),
            |entry| table::queue::encode(entry).0,
        ),
        10 => {
            let Some((kind, body)) = rest.split_first() else { return };
            // Refused bytes are the rule; the law is inside.
            let _refused = fuzz::event_body(u32::from(*kind), body);
        }
        11 => {
            let Some((len, rest)) = rest.split_first() else { return };
            let (key, value) = rest.split_at(usize::from(*len).min(rest.len()));
            let _refused = fuzz::row(key, value);
        }
        _ => {}
    }
}

pub(super) fn checkpoint(input: &[u8]) {
    let _refused = fuzz::checkpoint(input);
}

/// An even first byte: last number, flush number, length of the index, index, body row. An odd one: values to pack.
pub(super) fn block(input: &[u8]) {
    let Some((form, rest)) = input.split_first() else { return };
    if form % 2 == 1 {
        let _refused = fuzz::packed(u64::from(*form), &values(rest));
        return;
    }
    let Some((head, rest)) = rest.split_first_chunk::<20>() else { return };
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let len = u32::from_le_bytes([head[16], head[17], head[18], head[19]]) as usize;
    let (index, body) = rest.split_at(len.min(rest.len()));
    let _refused = fuzz::block(number(0), number(8), index, body);
}

/// Values of a run: a length of the header, its bytes, a length of the body, its bytes.
fn values(mut input: &[u8]) -> Vec<(Bytes, Bytes)> {
    let mut piece = || {
        let (len, rest) = input.split_first()?;
        let (taken, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        input = rest;
        Some(Bytes::copy_from_slice(taken))
    };
    let mut values = Vec::new();
    while let Some(header) = piece() {
        values.push((header, piece().unwrap_or_default()));
    }
    values
}
