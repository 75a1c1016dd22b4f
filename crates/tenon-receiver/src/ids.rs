//! Ids that the receiver stamps.

use std::sync::atomic::{AtomicU64, Ordering};

use tenon_base::{
    ConversationId, DeviceEpoch, DeviceId, MessageId, OpSeq, OrgId, Timestamp, UserId,
};

/// Bits of a message id below its milliseconds: 10 of the process, 12 of a counter.
const LOW_BITS: u32 = 22;
const COUNTER_BITS: u32 = 12;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;

/// Message ids: time-ordered, unique over processes that drew different numbers.
#[derive(Debug)]
pub(crate) struct MessageIds {
    process: u64,
    /// (milliseconds, counter) of the last one, without the process.
    last: AtomicU64,
}

impl MessageIds {
    pub(crate) const fn new(random: u64) -> Self {
        let process = random & ((1 << (LOW_BITS - COUNTER_BITS)) - 1);
        Self { process, last: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self, now: Timestamp) -> MessageId {
        let floor = now.0 << COUNTER_BITS;
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(floor.max(last + 1)))
            .unwrap_or(floor);
        let at = floor.max(before + 1);
        let (ms, counter) = (at >> COUNTER_BITS, at & COUNTER_MASK);
        MessageId((ms << LOW_BITS) | (self.process << COUNTER_BITS) | counter)
    }
}

fn id_of(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(bytes) >> 1).max(1)
}

/// The direct conversation of two users: the same for the same pair.
pub(crate) fn direct(org: OrgId, a: UserId, b: UserId) -> ConversationId {
    let (low, high) = (a.min(b), a.max(b));
    let parts = [org.0, low.0, high.0].map(u64::to_le_bytes);
    ConversationId(id_of(&[b"direct", &parts[0], &parts[1], &parts[2]]))
}

/// The group that an op makes: the same when the op comes again.
pub(crate) fn group_of_op(
    org: OrgId,
    device: DeviceId,
    epoch: DeviceEpoch,
    op: OpSeq,
) -> ConversationId {
    let parts = [org.0, device.0, u64::from(epoch.0), op.0].map(u64::to_le_bytes);
    ConversationId(id_of(&[b"group op", &parts[0], &parts[1], &parts[2], &parts[3]]))
}

/// The group of a name that local administration makes.
pub(crate) fn group_named(org: OrgId, name: &str) -> ConversationId {
    ConversationId(id_of(&[b"group name", &org.0.to_le_bytes(), name.as_bytes()]))
}

/// The account of a name: deterministic, so that an import that was interrupted finds its users again.
pub(crate) fn user_named(org: OrgId, name: &str) -> UserId {
    UserId(id_of(&[b"user name", &org.0.to_le_bytes(), name.to_lowercase().as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_rise_even_when_the_clock_goes_back() {
        let ids = MessageIds::new(77);
        let mut last = ids.next(Timestamp(1_700_000_000_000));
        for ms in [1_700_000_000_000u64, 1_700_000_000_001, 1_699_999_999_999, 5] {
            for _ in 0..5000 {
                let next = ids.next(Timestamp(ms));
                assert!(next > last);
                last = next;
            }
        }
        assert!(last.0 < 1 << 63, "a positive signed number");
    }

    #[test]
    fn a_pair_has_one_direct_conversation() {
        let org = OrgId(1);
        assert_eq!(direct(org, UserId(3), UserId(9)), direct(org, UserId(9), UserId(3)));
        assert_ne!(direct(org, UserId(3), UserId(9)), direct(OrgId(2), UserId(3), UserId(9)));
        assert_eq!(user_named(org, "Ada"), user_named(org, "aDA"));
    }
}
