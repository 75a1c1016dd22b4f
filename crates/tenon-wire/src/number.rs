//! The open registries as numbers: an unknown one is passed on, never refused, so they are not enums.
//!
//! The enums of closed sets are in [`crate::v1`].

/// Frame kinds: the second byte of a frame, and the arm number of `Envelope`. Direction is seen from the device.
pub mod kind {
    /// Up: the first frame of a link.
    pub const HELLO: u8 = 1;
    /// Down: the answer to Hello.
    pub const HELLO_ACK: u8 = 2;
    /// Down: finish and connect elsewhere.
    pub const GO_AWAY: u8 = 3;
    /// Up: heartbeat, states the next interval.
    pub const PING: u8 = 4;
    /// Down: the heartbeat's answer; carries tips and the list digest.
    pub const PONG: u8 = 5;
    /// Both: the last frame of a link.
    pub const CLOSE: u8 = 6;
    /// Up: the device's network changed.
    pub const NET_HINT: u8 = 7;
    /// Up: what the user looks at; replaces the last one.
    pub const WATCH: u8 = 8;
    /// Up: a message.
    pub const SEND: u8 = 10;
    /// Down: its outcome.
    pub const SEND_ACK: u8 = 11;
    /// Up: any other command.
    pub const OP: u8 = 12;
    /// Down: its outcome.
    pub const OP_ACK: u8 = 13;
    /// Up: merged by maximum.
    pub const READ_MARKS: u8 = 14;
    /// Down: which marks are durable.
    pub const READ_MARKS_ACK: u8 = 15;
    /// Down: a covered range of the user's queue.
    pub const EVENT_BATCH: u8 = 20;
    /// Up: cursors that the device has committed.
    pub const ACK: u8 = 21;
    /// Down: the cursor cannot be continued; start from a list page.
    pub const REBASE: u8 = 22;
    /// Up: stream from this cursor.
    pub const SUBSCRIBE: u8 = 23;
    /// Down: a unit's queue epoch or tip changed.
    pub const UNIT_STATE: u8 = 24;
    /// Down: tips of pull-mode conversations.
    pub const CONV_TIPS: u8 = 25;
    /// Down: a `ConvDiff` of an open pull-mode conversation.
    pub const CONV_PUSH: u8 = 26;
    /// Both: lossy, never stored.
    pub const EPHEMERAL: u8 = 27;
    /// Down: a covered range of the device queue.
    pub const DEVICE_BATCH: u8 = 28;
    /// Up: a read.
    pub const REQUEST: u8 = 30;
    /// Down: its answer, the only kind that may come in pieces.
    pub const RESPONSE: u8 = 31;
    /// Up: the answer with this id is no longer wanted.
    pub const CANCEL: u8 = 32;
    /// Both: `ErrorInfo` for the frame with this id.
    pub const ERROR: u8 = 33;

    /// True for a kind of protocol version 1.
    pub const fn is_known(kind: u8) -> bool {
        matches!(kind, 1..=8 | 10..=15 | 20..=28 | 30..=33)
    }
}

/// Methods of `ReadRequest`, each with its answer.
pub mod method {
    /// `GetConvDiff` -> `ConvDiffAnswer`.
    pub const GET_CONV_DIFF: u32 = 1;
    /// `GetConvList` -> `ConvListPage`.
    pub const GET_CONV_LIST: u32 = 2;
    /// `GetConvItems` -> `ConvItems`.
    pub const GET_CONV_ITEMS: u32 = 3;
    /// `GetHistory` -> `HistoryPage`.
    pub const GET_HISTORY: u32 = 4;
    /// `GetMessages` -> `HistoryPage` without coverage.
    pub const GET_MESSAGES: u32 = 5;
    /// `SeqAtTime` -> `SeqAnswer`.
    pub const SEQ_AT_TIME: u32 = 6;
    /// `GetInbox` -> `InboxPage`.
    pub const GET_INBOX: u32 = 7;
    /// `GetDigest` -> `DigestAnswer`.
    pub const GET_DIGEST: u32 = 8;
    /// `GetListDigest` -> `ListDigest`.
    pub const GET_LIST_DIGEST: u32 = 9;
    /// `LookupSend` -> `SendOutcome`.
    pub const LOOKUP_SEND: u32 = 10;
    /// `GetRoster` -> `RosterPage`.
    pub const GET_ROSTER: u32 = 11;
    /// `SearchRoster` -> `RosterPage`.
    pub const SEARCH_ROSTER: u32 = 12;
    /// `GetEntities` -> `Entities`.
    pub const GET_ENTITIES: u32 = 13;
    /// `GetCollection` -> `CollectionPage`.
    pub const GET_COLLECTION: u32 = 14;
    /// `GetReceipts` -> `ReceiptCounts`.
    pub const GET_RECEIPTS: u32 = 15;
    /// `GetReaders` -> `Readers`.
    pub const GET_READERS: u32 = 16;
    /// `GetReactions` -> `Readers`.
    pub const GET_REACTIONS: u32 = 17;
    /// `GetMentions` -> `Hits`.
    pub const GET_MENTIONS: u32 = 18;
    /// `Search` -> `Hits`.
    pub const SEARCH: u32 = 19;
    /// `GetPresence` -> `PresenceList`.
    pub const GET_PRESENCE: u32 = 20;
    /// `GetConvDiffs` -> `ConvDiffAnswers`.
    pub const GET_CONV_DIFFS: u32 = 21;
    /// `ResolveNames` -> `ResolvedNames`.
    pub const RESOLVE_NAMES: u32 = 22;
}

/// Types of `SyncEvent`; each names its body.
pub mod event_type {
    /// A poison event was replaced; only its positions are left.
    pub const UNREADABLE: u32 = 0;
    /// A new message; body `Content`.
    pub const MESSAGE: u32 = 1;
    /// Body `Content`.
    pub const MESSAGE_EDITED: u32 = 2;
    /// Body `Recalled`.
    pub const MESSAGE_RECALLED: u32 = 3;
    /// Body `CardUpdated`.
    pub const CARD_UPDATED: u32 = 4;
    /// Body `ReactionsChanged`.
    pub const REACTIONS_CHANGED: u32 = 5;
    /// Body `PinsChanged`.
    pub const PINS_CHANGED: u32 = 6;
    /// No body.
    pub const MESSAGE_EXPIRED: u32 = 7;
    /// Body `MembersChanged`.
    pub const MEMBERS_CHANGED: u32 = 10;
    /// Body `ConversationChanged`.
    pub const CONVERSATION_CHANGED: u32 = 11;
    /// Body `ModeChanged`.
    pub const MODE_CHANGED: u32 = 12;
    /// No body.
    pub const DISSOLVED: u32 = 13;
    /// Body `Moved`.
    pub const MOVED: u32 = 14;
    /// Body `ResetTo`.
    pub const RESET: u32 = 15;
    /// Body `PrivateChanged`.
    pub const PRIVATE_MESSAGE: u32 = 48;
    /// Body `PrivateChanged`.
    pub const PRIVATE_CHANGED: u32 = 49;
    /// Body `OverlayChanged`.
    pub const OVERLAY_CHANGED: u32 = 50;
    /// Body `ReadMarked`.
    pub const READ_MARKED: u32 = 64;
    /// Body `SummaryChanged`.
    pub const SUMMARY_CHANGED: u32 = 65;
    /// Body `Receipt`.
    pub const RECEIPT: u32 = 66;
    /// Pull mode only; body `MentionPointer`.
    pub const MENTION: u32 = 67;
    /// Body `ConversationAdded`.
    pub const CONVERSATION_ADDED: u32 = 68;
    /// Body `ConversationRemoved`.
    pub const CONVERSATION_REMOVED: u32 = 69;
    /// Body `SendFailed`.
    pub const SEND_FAILED: u32 = 70;
    /// Body `OpOutcome`.
    pub const OP_OUTCOME: u32 = 71;
    /// Body `CollectionChanged`.
    pub const COLLECTION_CHANGED: u32 = 72;
    /// Body `EntityHint`.
    pub const ENTITY_CHANGED: u32 = 73;
    /// Body `AppEvent`.
    pub const APP_EVENT: u32 = 112;
}

/// Types of `Op`: below 64 on the conversation chain (`n` is a cid), from 64 on the user chain (`n` is an op_seq).
pub mod op_type {
    /// Body `Edit`.
    pub const EDIT: u32 = 1;
    /// Body `Recall`.
    pub const RECALL: u32 = 2;
    /// Body `Delete`; for me only.
    pub const DELETE: u32 = 3;
    /// Body `ClearHistory`; for me only.
    pub const CLEAR_HISTORY: u32 = 4;
    /// Body `React`.
    pub const REACT: u32 = 5;
    /// Body `PinMessage`.
    pub const PIN_MESSAGE: u32 = 6;
    /// Body `CardUpdate`.
    pub const CARD_UPDATE: u32 = 7;
    /// Body `CardAction`.
    pub const CARD_ACTION: u32 = 8;
    /// Body `ConfirmNotice`.
    pub const CONFIRM_NOTICE: u32 = 9;
    /// Body `VoicePlayed`.
    pub const VOICE_PLAYED: u32 = 10;
    /// Body `SetConversation`.
    pub const SET_CONVERSATION: u32 = 16;
    /// Body `AddMembers`.
    pub const ADD_MEMBERS: u32 = 17;
    /// Body `RemoveMembers`.
    pub const REMOVE_MEMBERS: u32 = 18;
    /// Body `Leave`.
    pub const LEAVE: u32 = 19;
    /// Body `SetRole`.
    pub const SET_ROLE: u32 = 20;
    /// Body `SetNickname`.
    pub const SET_NICKNAME: u32 = 21;
    /// Body `MuteMember`.
    pub const MUTE_MEMBER: u32 = 22;
    /// Body `TransferOwner`.
    pub const TRANSFER_OWNER: u32 = 23;
    /// Body `DecideJoin`.
    pub const DECIDE_JOIN: u32 = 24;
    /// Body `Dissolve`.
    pub const DISSOLVE: u32 = 25;
    /// Body `SetSummary`.
    pub const SET_SUMMARY: u32 = 64;
    /// Body `PutSetting`.
    pub const PUT_SETTING: u32 = 65;
    /// Body `PutFolder`.
    pub const PUT_FOLDER: u32 = 66;
    /// Body `PutStar`.
    pub const PUT_STAR: u32 = 67;
    /// Body `PutSticker`.
    pub const PUT_STICKER: u32 = 68;
    /// Body `SetProfile`.
    pub const SET_PROFILE: u32 = 69;
    /// Body `SetStatus`.
    pub const SET_STATUS: u32 = 70;
    /// Body `AskContact`.
    pub const ASK_CONTACT: u32 = 71;
    /// Body `AnswerContact`.
    pub const ANSWER_CONTACT: u32 = 72;
    /// Body `RemoveContact`.
    pub const REMOVE_CONTACT: u32 = 73;
    /// Body `SetRemark`.
    pub const SET_REMARK: u32 = 74;
    /// Body `BlockUser`.
    pub const BLOCK_USER: u32 = 75;
    /// Body `CreateConversation`.
    pub const CREATE_CONVERSATION: u32 = 76;
    /// Body `OpenDirect`.
    pub const OPEN_DIRECT: u32 = 77;
    /// Body `JoinConversation`.
    pub const JOIN_CONVERSATION: u32 = 78;
    /// Body `ScheduleSend`.
    pub const SCHEDULE_SEND: u32 = 79;
    /// Body `PutPushToken`.
    pub const PUT_PUSH_TOKEN: u32 = 80;
    /// Body `RemoveDevice`.
    pub const REMOVE_DEVICE: u32 = 81;
    /// Body `Report`.
    pub const REPORT: u32 = 82;
}

/// Message kinds: the arm number of `Content`, repeated in the clear field `kind`.
pub mod message_kind {
    /// Plain text.
    pub const TEXT: u32 = 1;
    /// Blocks of styled runs.
    pub const RICH: u32 = 2;
    /// Markdown with a title.
    pub const MARKDOWN: u32 = 3;
    /// A picture.
    pub const IMAGE: u32 = 4;
    /// Any other attachment.
    pub const FILE: u32 = 5;
    /// Recorded speech.
    pub const VOICE: u32 = 6;
    /// A film.
    pub const VIDEO: u32 = 7;
    /// A place.
    pub const LOCATION: u32 = 8;
    /// An interactive card of an app.
    pub const CARD: u32 = 9;
    /// Several messages forwarded as one.
    pub const MERGE_FORWARD: u32 = 10;
    /// A notice that stands in the history.
    pub const NOTICE: u32 = 11;
    /// An application's own kind.
    pub const CUSTOM: u32 = 12;
    /// A sticker.
    pub const STICKER: u32 = 13;
    /// Somebody's card.
    pub const CONTACT_CARD: u32 = 14;
    /// A call that took place.
    pub const CALL_RECORD: u32 = 15;
    /// Sealed end to end: opaque to all but devices.
    pub const SEALED: u32 = 64;
}

/// Bits of `Send.flags`, `SyncEvent.flags` and `MessageRow.flags`: one registry.
pub mod flag {
    /// No notify.
    pub const SILENT: u32 = 1 << 0;
    /// Does not raise cnt.
    pub const NO_BADGE: u32 = 1 << 1;
    /// Mentions everybody.
    pub const MENTION_ALL: u32 = 1 << 2;
    /// Scheduled, or sent by an app for the user.
    pub const AUTO: u32 = 1 << 3;
    /// Private: not shown to its sender.
    pub const NO_SELF: u32 = 1 << 4;
    /// A device that does not know the type must ask for an update.
    pub const CRITICAL: u32 = 1 << 5;
    /// Sent by the receiving user; set per recipient.
    pub const OWN: u32 = 1 << 6;
    /// Shown at once.
    pub const URGENT: u32 = 1 << 7;
    /// A reader that does not know the kind shows `Content.fallback`.
    pub const HAS_FALLBACK: u32 = 1 << 8;
    /// Never trimmed or skipped.
    pub const RETAINED: u32 = 1 << 9;
    /// The receiving user is mentioned; set per recipient.
    pub const MENTION_ME: u32 = 1 << 10;
    /// Tombstone of a recalled message.
    pub const RECALLED: u32 = 1 << 11;
    /// Deleted for me: a stub without body.
    pub const HIDDEN: u32 = 1 << 12;
    /// The body was replaced.
    pub const EDITED: u32 = 1 << 13;
    /// Tombstone of an expired message.
    pub const EXPIRED: u32 = 1 << 14;
    /// The command with this cid is to be cancelled.
    pub const VOID: u32 = 1 << 15;
    /// Readers confirm by `ConfirmNotice`.
    pub const MUST_CONFIRM: u32 = 1 << 16;
    /// What a device may set; the server clears the rest on input.
    pub const OF_DEVICE: u32 = SILENT | MENTION_ALL | URGENT | HAS_FALLBACK | VOID | MUST_CONFIRM;
    /// What an app may set.
    pub const OF_APP: u32 = OF_DEVICE | NO_BADGE | NO_SELF;
}

/// Bits of `Hello.features`; the intersection in `HelloAck` is in force.
pub mod feature {
    /// Frames with comp 1.
    pub const ZSTD_DICTIONARY: u64 = 1 << 0;
    /// Frames with comp 2.
    pub const DEFLATE_DICTIONARY: u64 = 1 << 1;
    /// Ephemeral frames.
    pub const EPHEMERAL: u64 = 1 << 2;
    /// Device batches.
    pub const DEVICE_QUEUE: u64 = 1 << 3;
    /// Bodies of open pull-mode conversations are pushed.
    pub const CONV_PUSH: u64 = 1 << 4;
    /// `ReadMark.seen`.
    pub const SEEN_RANGES: u64 = 1 << 5;
    /// Sealed messages.
    pub const END_TO_END: u64 = 1 << 6;
    /// Responses in pieces.
    pub const CHUNKED_RESPONSE: u64 = 1 << 7;
    /// HTTP exchange.
    pub const EXCHANGE: u64 = 1 << 8;
}

/// Reasons of `Close`; the WebSocket close code is 4000 + reason.
pub mod close_reason {
    /// The peer is done.
    pub const NORMAL: u32 = 1;
    /// A newer link of the same device took over.
    pub const DISPLACED: u32 = 2;
    /// No frame for 1.5 x next_s + 15 s.
    pub const IDLE: u32 = 3;
    /// No write progress.
    pub const SLOW: u32 = 4;
    /// The session, device or account ended.
    pub const SESSION_ENDED: u32 = 5;
    /// The node stops.
    pub const SERVER_STOP: u32 = 6;
    /// A framing error, or a frame out of place.
    pub const PROTOCOL_ERROR: u32 = 7;
    /// No common protocol version.
    pub const UPGRADE_REQUIRED: u32 = 8;
    /// The node cannot serve this link now.
    pub const OVERLOAD: u32 = 9;
    /// The Hello was refused.
    pub const AUTH_FAILED: u32 = 10;
}

/// Reasons of `GoAway`.
pub mod go_away_reason {
    /// The node restarts.
    pub const RESTART: u32 = 1;
    /// Links are spread anew.
    pub const REBALANCE: u32 = 2;
    /// The node has too many links.
    pub const OVERLOAD: u32 = 3;
    /// The user moved to another unit.
    pub const UNIT_MOVE: u32 = 4;
}

/// Reasons of `Rebase`.
pub mod rebase_reason {
    /// No cursor was presented.
    pub const NEW_DEVICE: u32 = 1;
    /// The queue epoch of the cursor cannot be continued.
    pub const EPOCH: u32 = 2;
    /// The cursor lies below the trim point.
    pub const TRIMMED: u32 = 3;
    /// Streaming would cost more than a list page.
    pub const BACKLOG: u32 = 4;
    /// The cursor lies above the tip; alarmed.
    pub const AHEAD: u32 = 5;
    /// The device asked for it.
    pub const ASKED: u32 = 6;
}

/// Types of `Ephemeral`.
pub mod ephemeral_type {
    /// Body `Typing`.
    pub const TYPING: u32 = 1;
    /// Body `Presence`.
    pub const PRESENCE: u32 = 2;
    /// Body `ReadCount`.
    pub const READ_COUNT: u32 = 3;
    /// The window has been full for 5 s; no body.
    pub const STALLED: u32 = 4;
    /// Body `UrgentPreview`.
    pub const URGENT_PREVIEW: u32 = 5;
    /// Body by the application.
    pub const CALL_RING: u32 = 6;
}

/// Types of `DeviceItem`; 16 to 31 are reserved for keys.
pub mod device_item_type {
    /// Data of an app module.
    pub const APP_DATA: u32 = 1;
    /// The device signs out.
    pub const SIGN_OUT_ORDER: u32 = 2;
    /// The device removes its store.
    pub const WIPE_ORDER: u32 = 3;
}

/// Bits of `ConvMeta.settings`.
pub mod setting {
    /// Only admins add members.
    pub const ONLY_ADMINS_ADD: u32 = 1;
    /// Only admins mention everybody.
    pub const ONLY_ADMINS_MENTION_ALL: u32 = 2;
    /// Joining needs approval.
    pub const JOIN_NEEDS_APPROVAL: u32 = 4;
    /// Newcomers see older history.
    pub const NEWCOMERS_SEE_HISTORY: u32 = 8;
    /// Members only read.
    pub const MEMBERS_READ_ONLY: u32 = 16;
    /// Members may not change the title.
    pub const MEMBERS_MAY_NOT_RENAME: u32 = 32;
    /// No receipts.
    pub const RECEIPTS_OFF: u32 = 64;
    /// Nicknames are given by the scene only.
    pub const NICKNAMES_BY_SCENE: u32 = 128;
}

/// Values of `Member.role`; 16 and above are given by the scene.
pub mod role {
    /// Owns the conversation.
    pub const OWNER: u32 = 1;
    /// Administers it.
    pub const ADMIN: u32 = 2;
    /// An ordinary member.
    pub const MEMBER: u32 = 3;
    /// A guest.
    pub const GUEST: u32 = 4;
}

/// Values of `Hello.net` and `NetHint.net`.
pub mod network {
    /// Not told.
    pub const UNKNOWN: u32 = 0;
    /// Cable.
    pub const WIRED: u32 = 1;
    /// Wireless LAN.
    pub const WIFI: u32 = 2;
    /// 5G.
    pub const MOBILE_5G: u32 = 3;
    /// 4G.
    pub const MOBILE_4G: u32 = 4;
    /// Anything slower.
    pub const WEAK: u32 = 5;
}
