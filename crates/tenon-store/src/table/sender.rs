//! `sender`: the chain of one (device, device epoch) in one conversation, for ever; up to 3 KiB with its 64 outcomes.

use bytes::Bytes;
use tenon_base::{
    Cid, Cnt, ConversationId, DeviceEpoch, DeviceId, MessageId, OrgId, Rev, Seq, Timestamp,
};
use tenon_core::conversation::{Accepted, Fate, SenderOutcome};
use tenon_core::{Rejection, Sender};

use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// org | tag | conversation | device | device epoch.
pub fn key(org: OrgId, conv: ConversationId, device: DeviceId, epoch: DeviceEpoch) -> Bytes {
    table_key(org, tag::SENDER, &[conv.0, device.0, u64::from(epoch.0)])
}

/// Encodes a row.
pub fn encode(sender: &Sender) -> Bytes {
    let mut out = Writer::versioned(1);
    out.varint(sender.last.0).varint(sender.outcomes.len() as u64);
    for o in &sender.outcomes {
        out.varint(o.cid.0).digest(&o.digest);
        match o.fate {
            Fate::Accepted(a) => {
                out.byte(1).varint(a.seq.0).varint(a.rev.0).varint(a.cnt.0);
                out.fixed(a.message_id.0).varint(a.ts.0);
            }
            Fate::Rejected(rejection) => {
                out.byte(2).varint(u64::from(rejection.number()));
            }
        }
    }
    out.finish()
}

/// Decodes a row.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<Sender, FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    let mut sender = Sender { last: Cid(r.varint()?), ..Sender::default() };
    for _ in 0..r.count()? {
        let cid = Cid(r.varint()?);
        let digest = r.digest()?;
        let fate = match r.byte()? {
            1 => Fate::Accepted(Accepted {
                seq: Seq(r.varint()?),
                rev: Rev(r.varint()?),
                cnt: Cnt(r.varint()?),
                message_id: MessageId(r.fixed()?),
                ts: Timestamp(r.varint()?),
            }),
            2 => Fate::Rejected(decode_rejection(&mut r)?),
            other => return Err(FormatError::Unknown(u64::from(other))),
        };
        sender.outcomes.push_back(SenderOutcome { cid, digest, fate });
    }
    Ok(sender)
}

pub(crate) fn decode_rejection(r: &mut Reader) -> Result<Rejection, FormatError> {
    let number = r.varint()?;
    u16::try_from(number).ok().and_then(Rejection::from_number).ok_or(FormatError::Unknown(number))
}
