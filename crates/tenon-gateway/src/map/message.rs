//! One message of the shared copy as one reader may see it.

use tenon_core::{Message, flag};
use tenon_wire::v1;

use super::Reader;

/// Flag bits that depend on the reader; the shared copy must not carry them.
const PERSONAL: u32 = flag::OWN | flag::MENTION_ME;

/// The row of a message.
pub(crate) fn row(message: &Message, reader: Reader) -> v1::MessageRow {
    let own = Own::of(message, reader);
    v1::MessageRow {
        seq: message.seq.0,
        ver: message.ver.0,
        cnt: message.cnt.0,
        message_id: message.message_id.0,
        sender: message.sender.0,
        ts: message.ts.0,
        kind: message.kind,
        flags: flags(message, reader),
        body: message.body.clone(),
        reply_seq: message.reply_seq.0,
        mentions: message.mentions.iter().map(|u| u.0).collect(),
        cid: own.cid,
        device: own.device,
        device_epoch: own.device_epoch,
        reactions: Vec::new(),
        edited_ms: message.edited.0,
        expires_ms: message.expires.0,
        app: message.app.0,
    }
}

/// Flags with OWN and MENTION_ME as they are for the reader.
pub(crate) fn flags(message: &Message, reader: Reader) -> u32 {
    let mut flags = message.flags & !PERSONAL;
    if message.sender == reader.user {
        flags |= flag::OWN;
    }
    if message.mentions.contains(&reader.user) {
        flags |= flag::MENTION_ME;
    }
    flags
}

/// What only the sender's devices hear: the key by which an outbox row is settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// Idempotency key.
    pub(crate) cid: u64,
    /// Device.
    pub(crate) device: u64,
    /// Its epoch.
    pub(crate) device_epoch: u32,
}

impl Own {
    /// Zeros for everybody but the sender.
    pub(crate) fn of(message: &Message, reader: Reader) -> Self {
        if message.sender != reader.user {
            return Self::default();
        }
        Self { cid: message.cid.0, device: message.device.0, device_epoch: message.device_epoch.0 }
    }
}
