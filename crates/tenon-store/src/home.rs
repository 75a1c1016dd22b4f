//! Which partition's memtable may hold a key, so that a read need not look at all of them.

use tenon_base::{ConversationId, PartitionId, UserId};
use tenon_core::Layout;

use crate::memtable::{Series, SeriesKey};
use crate::table::tag;

/// The partition that alone writes this series; `None` if that is not settled.
pub(crate) fn of_series(layout: Layout, key: &SeriesKey) -> Option<PartitionId> {
    match key.series {
        Series::Message | Series::Event => Some(layout.conversation(ConversationId(key.a))),
        Series::Queue => Some(layout.user(UserId(key.a))),
        Series::Inbox => None,
    }
}

/// The partition that alone writes this state key, or every key with this prefix.
pub(crate) fn of_state(layout: Layout, key: &[u8]) -> Option<PartitionId> {
    let id = u64::from_be_bytes(key.get(9..17)?.try_into().ok()?);
    match *key.get(8)? {
        tag::HEADER | tag::MEMBER | tag::SENDER | tag::IMPORT_KEY => {
            Some(layout.conversation(ConversationId(id)))
        }
        tag::USER_HEADER | tag::DEVICE | tag::LINE => Some(layout.user(UserId(id))),
        tag::ORG | tag::USER | tag::USER_DEVICE | tag::APP | tag::GROUP => {
            Some(PartitionId::IDENTITY)
        }
        _ => None,
    }
}
