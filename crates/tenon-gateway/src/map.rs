//! Frames to domain words and back: the only place where both are known. One file per topic.
//!
//! # Takes and gives
//! Decoded messages of `tenon-wire` in, requests of `tenon_core::admission` out; outcomes, events and pages in, messages out.
//!
//! # Invariants
//! - cid, device and device epoch of a message are told to the devices of its sender only.
//! - OWN and MENTION_ME are set for the reader; the shared copy never carries them.
//! - What cannot be done in full is refused, never done in part: an op with an unknown mask bit is an unknown op.
//!
//! # Not here
//! Who may do what (`tenon-core`), sockets and sessions (`crate::connection`).

pub(crate) mod answer;
pub(crate) mod batch;
pub(crate) mod diff;
pub(crate) mod event;
pub(crate) mod hello;
pub(crate) mod item;
pub(crate) mod marks;
pub(crate) mod message;
pub(crate) mod op;
pub(crate) mod read;
pub(crate) mod send;

use tenon_base::{DeviceId, OrgId, UserId};
use tenon_core::event::Tip;
use tenon_core::{Mode, Role};
use tenon_wire::v1;

/// The one unit of this version.
pub(crate) const UNIT: u32 = 1;
/// The one route epoch of this version.
pub(crate) const ROUTE_EPOCH: u64 = 1;
/// Added to the number of a rejection to give its wire code.
pub(crate) const REJECTION_BASE: u32 = 6_000;

/// For whom something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader {
    /// Organisation of the session.
    pub(crate) org: OrgId,
    /// Who reads.
    pub(crate) user: UserId,
    /// On which device.
    pub(crate) device: DeviceId,
}

/// The wire form of a tip.
pub(crate) fn tip(tip: &Tip) -> v1::ConvTip {
    v1::ConvTip {
        conv: tip.conv.0,
        conv_epoch: tip.conv_epoch.0,
        rev: tip.rev.0,
        seq: tip.seq.0,
        cnt: tip.cnt.0,
        mention_all_seq: tip.mention_all_seq.0,
        unit: UNIT,
    }
}

pub(crate) const fn mode(mode: Mode) -> v1::Mode {
    match mode {
        Mode::Queue => v1::Mode::Queue,
        Mode::Pull => v1::Mode::Pull,
    }
}

pub(crate) const fn role(role: Role) -> u32 {
    role as u32
}

/// `None` for roles this version does not give.
pub(crate) fn role_of(number: u32) -> Option<Role> {
    Role::from_number(u8::try_from(number).ok()?)
}

#[cfg(test)]
mod tests;
