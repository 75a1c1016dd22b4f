//! Bounds that hold for the whole system. Each says why it is this number.

/// Largest payload of one log record; larger content is media.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// Largest key of the ordered store, prefix and suffix together (a CQL partition key is bounded as well).
pub const KEY_BYTES_MAX: usize = 512;
/// Largest value of the ordered store.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;
/// Largest frame from a device; Hello alone may have at most [`HELLO_BYTES_MAX`].
pub const FRAME_UP_BYTES_MAX: usize = 64 * 1024;
/// Largest frame to a device.
pub const FRAME_DOWN_BYTES_MAX: usize = 256 * 1024;
/// Largest Hello.
pub const HELLO_BYTES_MAX: usize = 8 * 1024;
/// Largest encoded message body; larger content is media.
pub const BODY_BYTES_MAX: usize = 32 * 1024;
/// Unresolved commands per (conversation, device): half of the outcomes the leader remembers.
pub const INFLIGHT_PER_CONVERSATION_MAX: usize = 32;
/// Unresolved commands per device.
pub const INFLIGHT_PER_DEVICE_MAX: usize = 128;
/// Outcomes that a sender table remembers per (device, device epoch): twice what a device may have in flight.
pub const OUTCOMES_KEPT: usize = 64;
/// Chains of left device epochs that a user partition keeps per device, so that their open rows can be closed.
pub const CHAINS_KEPT: usize = 4;
/// Mentions in one message.
pub const MENTIONS_MAX: usize = 100;
/// Receivers of one Private message.
pub const PRIVATE_RECEIVERS_MAX: usize = 100;
/// Members named in one command.
pub const MEMBERS_PER_COMMAND_MAX: usize = 200;
/// A conversation with more members than this is read by pull.
pub const QUEUE_MODE_MEMBERS_MAX: usize = 500;
/// A pull-mode conversation with at most this many members returns to queue mode (hysteresis).
pub const PULL_MODE_MEMBERS_MIN: usize = 400;
/// Events in one batch to a device.
pub const BATCH_EVENTS_MAX: usize = 256;
/// Queue entries kept per user; a cursor below gets Rebase.
pub const QUEUE_ENTRIES_KEPT: u64 = 5_000;
/// Conversation events kept; a pull from below gets ConvTooLong.
pub const EVENTS_KEPT: u64 = 10_000;
/// Backlog above which a device gets Rebase instead of a stream.
pub const REBASE_BACKLOG_EVENTS: u64 = 1_000;
/// A pull further behind than this gets ConvTooLong.
pub const DIFF_BEHIND_MAX: u64 = 2_000;
/// Events in one answer to GetConvDiff.
pub const DIFF_EVENTS_MAX: usize = 500;
/// Rows of one history page.
pub const HISTORY_ROWS_MAX: usize = 100;
/// Lines of one conversation list page.
pub const LIST_ITEMS_MAX: usize = 100;
/// Members of one roster page.
pub const ROSTER_PAGE_MAX: usize = 500;
/// Queue-epoch changes that are remembered, so that a device away for that many crashes may continue.
pub const QUEUE_EPOCHS_KEPT: usize = 8;
