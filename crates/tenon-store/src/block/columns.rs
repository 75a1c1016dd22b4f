//! Headers of a message block as columns: neighbours differ little, so deltas of one column compress to a few bytes a message.

use bytes::Bytes;
use tenon_base::{AppId, Cid, Cnt, DeviceEpoch, DeviceId, MessageId, Seq, Timestamp, UserId, Ver};
use tenon_core::Message;

use crate::codec::{FormatError, Reader, Writer};
use crate::memtable::Entry;
use crate::table::message;

/// Message ids as they are: random ones have no deltas worth writing.
const IDS_FIXED: u8 = 0;
/// Message ids as deltas, when they are ordered by time.
const IDS_DELTA: u8 = 1;

/// Who sends: user, device, device epoch.
type Author = (UserId, DeviceId, DeviceEpoch);

type Column = fn(&Message) -> u64;
/// Columns of numbers that grow.
const DELTAS: [Column; 3] = [|m| m.ver.0, |m| m.cnt.0, |m| m.ts.0];
/// Columns that are mostly the same.
const PLAIN: [Column; 5] =
    [|m| m.flags as u64, |m| m.kind as u64, |m| m.reply_seq.0, |m| m.edited.0, |m| m.expires.0];
/// Bytes that one message takes at least.
const MESSAGE_BYTES_MIN: usize = 13;

const fn zigzag(before: u64, now: u64) -> u64 {
    let delta = now.wrapping_sub(before) as i64;
    ((delta << 1) ^ (delta >> 63)) as u64
}

const fn unzigzag(before: u64, n: u64) -> u64 {
    before.wrapping_add((n >> 1) ^ (n & 1).wrapping_neg())
}

/// The columns of a run; `None` if a header is not one of this version's, byte for byte.
pub(super) fn encode(run: &[Entry]) -> Option<Bytes> {
    let mut messages = Vec::with_capacity(run.len());
    for entry in run {
        let message = message::decode(Seq(entry.number), &entry.header, Bytes::new()).ok()?;
        if message::encode_header(&message) != entry.header {
            return None;
        }
        messages.push(message);
    }
    let mut out = Writer::with_capacity(run.len() * 24);
    for column in DELTAS {
        let mut before = 0;
        for m in &messages {
            out.varint(zigzag(before, column(m)));
            before = column(m);
        }
    }
    write_ids(&mut out, &messages);
    write_authors(&mut out, &messages);
    for column in PLAIN {
        messages.iter().for_each(|m| {
            out.varint(column(m));
        });
    }
    for m in &messages {
        out.fixed_if(m.app.0).varint(m.mentions.len() as u64);
        m.mentions.iter().for_each(|user| {
            out.fixed(user.0);
        });
    }
    Some(out.finish())
}

fn write_ids(out: &mut Writer, messages: &[Message]) {
    let mut deltas = Writer::with_capacity(messages.len() * 10);
    let mut before = 0;
    for m in messages {
        deltas.varint(zigzag(before, m.message_id.0));
        before = m.message_id.0;
    }
    let deltas = deltas.finish();
    if deltas.len() < messages.len() * 8 {
        out.byte(IDS_DELTA).raw(&deltas);
        return;
    }
    out.byte(IDS_FIXED);
    for m in messages {
        out.fixed(m.message_id.0);
    }
}

fn write_authors(out: &mut Writer, messages: &[Message]) {
    let mut authors: Vec<(Author, u64)> = Vec::new();
    let mut lines = Writer::with_capacity(messages.len() * 2);
    for m in messages {
        let author = (m.sender, m.device, m.device_epoch);
        let at = authors.iter().position(|(a, _)| *a == author).unwrap_or_else(|| {
            authors.push((author, 0));
            authors.len() - 1
        });
        let last = &mut authors[at].1;
        lines.varint(at as u64).varint(zigzag(*last, m.cid.0));
        *last = m.cid.0;
    }
    out.varint(authors.len() as u64);
    for ((sender, device, epoch), _) in &authors {
        out.fixed(sender.0).fixed(device.0).varint(epoch.0.into());
    }
    out.raw(&lines.finish());
}

/// The headers of `count` messages from `first` on.
pub(super) fn decode(r: &mut Reader, first: u64, count: usize) -> Result<Vec<Bytes>, FormatError> {
    if count > r.remaining() / MESSAGE_BYTES_MIN {
        return Err(FormatError::Short);
    }
    let message = |at: usize| Message { seq: Seq(first + at as u64), ..Message::default() };
    let mut messages: Vec<Message> = (0..count).map(message).collect();
    read_deltas(r, &mut messages, |m, n| m.ver = Ver(n))?;
    read_deltas(r, &mut messages, |m, n| m.cnt = Cnt(n))?;
    read_deltas(r, &mut messages, |m, n| m.ts = Timestamp(n))?;
    match r.byte()? {
        IDS_DELTA => read_deltas(r, &mut messages, |m, n| m.message_id = MessageId(n))?,
        IDS_FIXED => {
            for m in &mut messages {
                m.message_id = MessageId(r.fixed()?);
            }
        }
        other => return Err(FormatError::Unknown(other.into())),
    }
    read_authors(r, &mut messages)?;
    for m in &mut messages {
        m.flags = r.varint32()?;
    }
    for m in &mut messages {
        m.kind = r.varint32()?;
    }
    for m in &mut messages {
        m.reply_seq = Seq(r.varint()?);
    }
    for m in &mut messages {
        m.edited = Timestamp(r.varint()?);
    }
    for m in &mut messages {
        m.expires = Timestamp(r.varint()?);
    }
    for m in &mut messages {
        m.app = AppId(r.fixed_if()?);
        for _ in 0..r.count()? {
            m.mentions.push(UserId(r.fixed()?));
        }
    }
    Ok(messages.iter().map(message::encode_header).collect())
}

fn read_deltas(
    r: &mut Reader,
    messages: &mut [Message],
    set: impl Fn(&mut Message, u64),
) -> Result<(), FormatError> {
    let mut before = 0;
    for m in messages {
        before = unzigzag(before, r.varint()?);
        set(m, before);
    }
    Ok(())
}

fn read_authors(r: &mut Reader, messages: &mut [Message]) -> Result<(), FormatError> {
    let mut authors: Vec<(Author, u64)> = Vec::new();
    for _ in 0..r.count()? {
        let author = (UserId(r.fixed()?), DeviceId(r.fixed()?), DeviceEpoch(r.varint32()?));
        authors.push((author, 0));
    }
    for m in messages {
        let at = usize::try_from(r.varint()?).map_err(|_| FormatError::Damaged)?;
        let ((sender, device, epoch), last) = authors.get_mut(at).ok_or(FormatError::Damaged)?;
        *last = unzigzag(*last, r.varint()?);
        (m.sender, m.device, m.device_epoch, m.cid) = (*sender, *device, *epoch, Cid(*last));
    }
    Ok(())
}
