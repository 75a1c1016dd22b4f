//! `cursor` and op chain of a device: one row per device, mutable; acked positions may be lost at will.

use std::collections::VecDeque;

use bytes::Bytes;
use tenon_base::{ConnCtr, DeviceEpoch, DeviceId, OpSeq, OrgId, Pts, Timestamp, UserId};
use tenon_core::user::{DeviceState, OpChain, OpOutcome};

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
    let mut out = Writer::versioned(2);
    out.fixed(d.device.0).varint(u64::from(d.device_epoch.0)).varint(d.conn_ctr.0);
    out.varint(d.acked.0);
    encode_chain(&mut out, d.last_op, &d.outcomes);
    out.varint(d.seen.0).varint(d.left.len() as u64);
    for chain in &d.left {
        out.varint(u64::from(chain.device_epoch.0));
        encode_chain(&mut out, chain.last_op, &chain.outcomes);
    }
    out.finish()
}

fn encode_chain(out: &mut Writer, last_op: OpSeq, outcomes: &VecDeque<OpOutcome>) {
    out.varint(last_op.0).varint(outcomes.len() as u64);
    for o in outcomes {
        out.varint(o.op_seq.0).digest(&o.digest);
        match o.fate {
            Ok(id) => out.byte(1).fixed(id),
            Err(rejection) => out.byte(2).varint(u64::from(rejection.number())),
        };
    }
}

/// Decodes a row; version 1 has no chains of left epochs.
///
/// # Errors
/// [`FormatError`].
pub fn decode(bytes: &[u8]) -> Result<DeviceState, FormatError> {
    let (mut r, version) = Reader::with_version(Bytes::copy_from_slice(bytes), 2)?;
    let mut device = DeviceState {
        device: DeviceId(r.fixed()?),
        device_epoch: DeviceEpoch(r.varint32()?),
        conn_ctr: ConnCtr(r.varint()?),
        acked: Pts(r.varint()?),
        ..DeviceState::default()
    };
    (device.last_op, device.outcomes) = decode_chain(&mut r)?;
    device.seen = Timestamp(r.varint()?);
    let left = if version > 1 { r.count()? } else { 0 };
    for _ in 0..left {
        let device_epoch = DeviceEpoch(r.varint32()?);
        let (last_op, outcomes) = decode_chain(&mut r)?;
        device.left.push_back(OpChain { device_epoch, last_op, outcomes });
    }
    Ok(device)
}

fn decode_chain(r: &mut Reader) -> Result<(OpSeq, VecDeque<OpOutcome>), FormatError> {
    let last_op = OpSeq(r.varint()?);
    let mut outcomes = VecDeque::new();
    for _ in 0..r.count()? {
        let op_seq = OpSeq(r.varint()?);
        let digest = r.digest()?;
        let fate = match r.byte()? {
            1 => Ok(r.fixed()?),
            2 => Err(decode_rejection(r)?),
            other => return Err(FormatError::Unknown(u64::from(other))),
        };
        outcomes.push_back(OpOutcome { op_seq, digest, fate });
    }
    Ok((last_op, outcomes))
}
