//! `cursor` and op chain of a device: one row per device, mutable; acked positions may be lost at will.

use bytes::Bytes;
use tenon_base::{ConnCtr, DeviceEpoch, DeviceId, OpSeq, OrgId, Pts, Timestamp, UserId};
use tenon_core::user::{DeviceState, OpOutcome};

use super::sender::decode_rejection;
use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

/// org | tag | user | device.
pub fn key(org: OrgId, user: UserId, device: DeviceId) -> Bytes {
    table_key(org, tag::DEVICE, &[user.0, device.0])
}

/// All devices of a user.
pub fn prefix(org: OrgId, user: UserId) -> Bytes {
    table_key(org, tag::DEVICE, &[user.0])
}

/// Encodes a row.
pub fn encode(d: &DeviceState) -> Bytes {
    let mut out = Writer::versioned(1);
    out.fixed(d.device.0).varint(u64::from(d.device_epoch.0)).varint(d.conn_ctr.0);
    out.varint(d.acked.0).varint(d.last_op.0).varint(d.outcomes.len() as u64);
    for o in &d.outcomes {
        out.varint(o.op_seq.0).digest(&o.digest);
        match o.fate {
            Ok(id) => out.byte(1).fixed(id),
            Err(rejection) => out.byte(2).varint(u64::from(rejection.number())),
        };
    }
    out.varint(d.seen.0);
    out.finish()
}

/// Decodes a row.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<DeviceState, FormatError> {
    let mut r = Reader::versioned(Bytes::copy_from_slice(bytes), 1)?;
    let mut device = DeviceState {
        device: DeviceId(r.fixed()?),
        device_epoch: DeviceEpoch(r.varint32()?),
        conn_ctr: ConnCtr(r.varint()?),
        acked: Pts(r.varint()?),
        last_op: OpSeq(r.varint()?),
        ..DeviceState::default()
    };
    for _ in 0..r.count()? {
        let op_seq = OpSeq(r.varint()?);
        let digest = r.digest()?;
        let fate = match r.byte()? {
            1 => Ok(r.fixed()?),
            2 => Err(decode_rejection(&mut r)?),
            other => return Err(FormatError::Unknown(u64::from(other))),
        };
        device.outcomes.push_back(OpOutcome { op_seq, digest, fate });
    }
    device.seen = Timestamp(r.varint()?);
    Ok(device)
}
