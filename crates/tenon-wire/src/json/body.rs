//! Which message a `body` holds, by the number beside it.

use bytes::Bytes;
use prost::Message;
use serde_json::Value;

use crate::v1::*;
use crate::{ephemeral_type, event_type, message_kind, method, op_type};

/// The body of a message of this kind; sealed and unknown ones have no known type.
pub(super) const fn of_kind(kind: u32) -> Option<&'static str> {
    match kind {
        message_kind::TEXT..=message_kind::CALL_RECORD => Some("Content"),
        _ => None,
    }
}

/// The body of an Op.
pub(super) fn of_op(number: u32) -> Option<&'static str> {
    Some(match number {
        op_type::EDIT => "Edit",
        op_type::RECALL => "Recall",
        op_type::DELETE => "Delete",
        op_type::CLEAR_HISTORY => "ClearHistory",
        op_type::REACT => "React",
        op_type::PIN_MESSAGE => "PinMessage",
        op_type::CARD_UPDATE => "CardUpdate",
        op_type::CARD_ACTION => "CardAction",
        op_type::CONFIRM_NOTICE => "ConfirmNotice",
        op_type::VOICE_PLAYED => "VoicePlayed",
        op_type::SET_CONVERSATION => "SetConversation",
        op_type::ADD_MEMBERS => "AddMembers",
        op_type::REMOVE_MEMBERS => "RemoveMembers",
        op_type::LEAVE => "Leave",
        op_type::SET_ROLE => "SetRole",
        op_type::SET_NICKNAME => "SetNickname",
        op_type::MUTE_MEMBER => "MuteMember",
        op_type::TRANSFER_OWNER => "TransferOwner",
        op_type::DECIDE_JOIN => "DecideJoin",
        op_type::DISSOLVE => "Dissolve",
        op_type::SET_SUMMARY => "SetSummary",
        op_type::PUT_SETTING => "PutSetting",
        op_type::PUT_FOLDER => "PutFolder",
        op_type::PUT_STAR => "PutStar",
        op_type::PUT_STICKER => "PutSticker",
        op_type::SET_PROFILE => "SetProfile",
        op_type::SET_STATUS => "SetStatus",
        op_type::ASK_CONTACT => "AskContact",
        op_type::ANSWER_CONTACT => "AnswerContact",
        op_type::REMOVE_CONTACT => "RemoveContact",
        op_type::SET_REMARK => "SetRemark",
        op_type::BLOCK_USER => "BlockUser",
        op_type::CREATE_CONVERSATION => "CreateConversation",
        op_type::OPEN_DIRECT => "OpenDirect",
        op_type::JOIN_CONVERSATION => "JoinConversation",
        op_type::SCHEDULE_SEND => "ScheduleSend",
        op_type::PUT_PUSH_TOKEN => "PutPushToken",
        op_type::REMOVE_DEVICE => "RemoveDevice",
        op_type::REPORT => "Report",
        _ => return None,
    })
}

/// The body of a SyncEvent.
pub(super) fn of_event(number: u32) -> Option<&'static str> {
    Some(match number {
        event_type::MESSAGE => "Content",
        event_type::MESSAGE_EDITED => "Content",
        event_type::MESSAGE_RECALLED => "Recalled",
        event_type::CARD_UPDATED => "CardUpdated",
        event_type::REACTIONS_CHANGED => "ReactionsChanged",
        event_type::PINS_CHANGED => "PinsChanged",
        event_type::MEMBERS_CHANGED => "MembersChanged",
        event_type::CONVERSATION_CHANGED => "ConversationChanged",
        event_type::MODE_CHANGED => "ModeChanged",
        event_type::MOVED => "Moved",
        event_type::RESET => "ResetTo",
        event_type::PRIVATE_MESSAGE => "PrivateChanged",
        event_type::PRIVATE_CHANGED => "PrivateChanged",
        event_type::OVERLAY_CHANGED => "OverlayChanged",
        event_type::READ_MARKED => "ReadMarked",
        event_type::SUMMARY_CHANGED => "SummaryChanged",
        event_type::RECEIPT => "Receipt",
        event_type::MENTION => "MentionPointer",
        event_type::CONVERSATION_ADDED => "ConversationAdded",
        event_type::CONVERSATION_REMOVED => "ConversationRemoved",
        event_type::SEND_FAILED => "SendFailed",
        event_type::OP_OUTCOME => "OpOutcome",
        event_type::COLLECTION_CHANGED => "CollectionChanged",
        event_type::ENTITY_CHANGED => "EntityHint",
        event_type::APP_EVENT => "AppEvent",
        _ => return None,
    })
}

/// The body of an Ephemeral.
pub(super) fn of_ephemeral(number: u32) -> Option<&'static str> {
    Some(match number {
        ephemeral_type::TYPING => "Typing",
        ephemeral_type::PRESENCE => "Presence",
        ephemeral_type::READ_COUNT => "ReadCount",
        ephemeral_type::URGENT_PREVIEW => "UrgentPreview",
        _ => return None,
    })
}

/// The body of a ReadRequest.
pub(super) fn of_request(number: u32) -> Option<&'static str> {
    Some(match number {
        method::GET_CONV_DIFF => "GetConvDiff",
        method::GET_CONV_LIST => "GetConvList",
        method::GET_CONV_ITEMS => "GetConvItems",
        method::GET_HISTORY => "GetHistory",
        method::GET_MESSAGES => "GetMessages",
        method::SEQ_AT_TIME => "SeqAtTime",
        method::GET_INBOX => "GetInbox",
        method::GET_DIGEST => "GetDigest",
        method::GET_LIST_DIGEST => "GetListDigest",
        method::LOOKUP_SEND => "LookupSend",
        method::GET_ROSTER => "GetRoster",
        method::SEARCH_ROSTER => "SearchRoster",
        method::GET_ENTITIES => "GetEntities",
        method::GET_COLLECTION => "GetCollection",
        method::GET_RECEIPTS => "GetReceipts",
        method::GET_READERS => "GetReaders",
        method::GET_REACTIONS => "GetReactions",
        method::GET_MENTIONS => "GetMentions",
        method::SEARCH => "Search",
        method::GET_PRESENCE => "GetPresence",
        method::GET_CONV_DIFFS => "GetConvDiffs",
        method::RESOLVE_NAMES => "ResolveNames",
        _ => return None,
    })
}

/// The body of the ReadResponse to a method.
pub(super) fn of_response(number: u32) -> Option<&'static str> {
    Some(match number {
        method::GET_CONV_DIFF => "ConvDiffAnswer",
        method::GET_CONV_LIST => "ConvListPage",
        method::GET_CONV_ITEMS => "ConvItems",
        method::GET_HISTORY => "HistoryPage",
        method::GET_MESSAGES => "HistoryPage",
        method::SEQ_AT_TIME => "SeqAnswer",
        method::GET_INBOX => "InboxPage",
        method::GET_DIGEST => "DigestAnswer",
        method::GET_LIST_DIGEST => "ListDigest",
        method::LOOKUP_SEND => "SendOutcome",
        method::GET_ROSTER => "RosterPage",
        method::SEARCH_ROSTER => "RosterPage",
        method::GET_ENTITIES => "Entities",
        method::GET_COLLECTION => "CollectionPage",
        method::GET_RECEIPTS => "ReceiptCounts",
        method::GET_READERS => "Readers",
        method::GET_REACTIONS => "Readers",
        method::GET_MENTIONS => "Hits",
        method::SEARCH => "Hits",
        method::GET_PRESENCE => "PresenceList",
        method::GET_CONV_DIFFS => "ConvDiffAnswers",
        method::RESOLVE_NAMES => "ResolvedNames",
        _ => return None,
    })
}

macro_rules! bodies {
    ($($message:ident)*) => {
        /// The JSON of an encoded body, or `None` if the bytes are no such message.
        pub(super) fn to_value(message: &str, bytes: Bytes) -> Option<Value> {
            match message {
                $(stringify!($message) => serde_json::to_value($message::decode(bytes).ok()?).ok(),)*
                _ => None,
            }
        }

        /// The encoded body of a JSON value.
        pub(super) fn to_bytes(message: &str, value: Value) -> Result<Vec<u8>, serde_json::Error> {
            match message {
                $(stringify!($message) => {
                    Ok(serde_json::from_value::<$message>(value)?.encode_to_vec())
                })*
                _ => Err(serde::de::Error::custom("a body of unknown type has no content")),
            }
        }
    };
}

bodies! {
    AddMembers AnswerContact AppEvent AskContact BlockUser CardAction CardUpdate CardUpdated ClearHistory CollectionChanged CollectionPage ConfirmNotice Content ConvDiffAnswer ConvDiffAnswers ConvItems ConvListPage ConversationAdded ConversationChanged ConversationRemoved CreateConversation DecideJoin Delete DigestAnswer Dissolve Edit Entities EntityHint GetCollection GetConvDiff GetConvDiffs GetConvItems GetConvList GetDigest GetEntities GetHistory GetInbox GetListDigest GetMentions GetMessages GetPresence GetReactions GetReaders GetReceipts GetRoster HistoryPage Hits InboxPage JoinConversation Leave ListDigest LookupSend MembersChanged MentionPointer ModeChanged Moved MuteMember OpOutcome OpenDirect OverlayChanged PinMessage PinsChanged Presence PresenceList PrivateChanged PutFolder PutPushToken PutSetting PutStar PutSticker React ReactionsChanged ReadCount ReadMarked Readers Recall Recalled Receipt ReceiptCounts RemoveContact RemoveDevice RemoveMembers Report ResetTo ResolveNames ResolvedNames RosterPage ScheduleSend Search SearchRoster SendFailed SendOutcome SeqAnswer SeqAtTime SetConversation SetNickname SetProfile SetRemark SetRole SetStatus SetSummary SummaryChanged TransferOwner Typing UrgentPreview VoicePlayed
}
