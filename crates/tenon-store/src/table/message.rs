//! `conversation_message`: the one copy for all, by seq; header some 45 bytes, then the body as admitted.

use bytes::Bytes;
use tenon_base::{
    AppId, Cid, Cnt, DeviceEpoch, DeviceId, MessageId, OrgId, Seq, Timestamp, UserId, Ver,
};
use tenon_core::Message;

use crate::codec::{FormatError, Reader, Writer};
use crate::memtable::SeriesKey;
use crate::store::StoreError;
use crate::view::View;

/// Encodes the clear header.
pub fn encode_header(m: &Message) -> Bytes {
    let mut out = Writer::versioned(1);
    out.varint(m.ver.0).varint(m.cnt.0).varint(u64::from(m.flags)).varint(m.ts.0);
    out.fixed(m.message_id.0).fixed(m.sender.0).fixed(m.device.0);
    out.varint(u64::from(m.device_epoch.0)).varint(m.cid.0).varint(u64::from(m.kind));
    out.varint(m.reply_seq.0).fixed_if(m.app.0).varint(m.edited.0).varint(m.expires.0);
    out.varint(m.mentions.len() as u64);
    for user in &m.mentions {
        out.fixed(user.0);
    }
    out.finish()
}

/// The version of a message, read from its header alone.
///
/// # Errors
/// [`FormatError`].
pub fn ver(header: &Bytes) -> Result<Ver, FormatError> {
    Ok(Ver(Reader::versioned(header.clone(), 1)?.varint()?))
}

/// Decodes a message from its header and body.
///
/// # Errors
/// [`FormatError`].
pub fn decode(seq: Seq, header: &Bytes, body: Bytes) -> Result<Message, FormatError> {
    let mut r = Reader::versioned(header.clone(), 1)?;
    let mut message = Message {
        seq,
        ver: Ver(r.varint()?),
        cnt: Cnt(r.varint()?),
        flags: r.varint32()?,
        ts: Timestamp(r.varint()?),
        message_id: MessageId(r.fixed()?),
        sender: UserId(r.fixed()?),
        device: DeviceId(r.fixed()?),
        device_epoch: DeviceEpoch(r.varint32()?),
        cid: Cid(r.varint()?),
        kind: r.varint32()?,
        reply_seq: Seq(r.varint()?),
        app: AppId(r.fixed_if()?),
        edited: Timestamp(r.varint()?),
        expires: Timestamp(r.varint()?),
        mentions: Vec::new(),
        body,
    };
    for _ in 0..r.count()? {
        message.mentions.push(UserId(r.fixed()?));
    }
    Ok(message)
}

/// Reads one message.
///
/// # Errors
/// When the store fails.
pub fn read(
    view: &View,
    org: OrgId,
    conv: tenon_base::ConversationId,
    seq: Seq,
) -> Result<Option<Message>, StoreError> {
    let is_wrong = tenon_base::planted!("neighbour-read") && seq.0.is_multiple_of(8);
    let at = if is_wrong { seq.0 - 1 } else { seq.0 };
    let Some(entry) = view.entry(&SeriesKey::message(org, conv), at)? else {
        return Ok(None);
    };
    Ok(Some(decode(seq, &entry.header, entry.body)?))
}
