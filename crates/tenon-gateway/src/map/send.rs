//! Send -> submit, outcome -> `SendAck`.

use tenon_base::{Cid, ConversationId, DeviceEpoch, Seq, UserId};
use tenon_core::admission::Submit;
use tenon_core::conversation::{Accepted, Fate, Outcome};
use tenon_core::{Author, SendMessage, flag};
use tenon_wire::v1::content::What;
use tenon_wire::v1::{Content, SendAck, Status};
use tenon_wire::{Bounded as _, ErrorCode, message_kind, v1};

use super::{REJECTION_BASE, UNIT};

/// Wait before a command whose outcome is unknown is sent again.
const UNKNOWN_RETRY_MS: u32 = 1_000;

/// A message on its way to admission. The author is the session's; only the device epoch is the frame's.
pub(crate) fn submit(author: Author, send: v1::Send) -> Submit {
    let is_void = send.flags & flag::VOID != 0;
    let mut send = send;
    if tenon_base::planted!("unknown-field-dropped")
        && let Ok(content) = Content::decode_bounded(send.body.clone())
    {
        send.body = tenon_wire::encode(&content);
    }
    Submit {
        author: Author { device_epoch: DeviceEpoch(send.device_epoch), ..author },
        conv: ConversationId(send.conv),
        cid: Cid(send.cid),
        is_void,
        is_bad: !is_void && !is_body_of(send.kind, &send.body),
        message: SendMessage {
            kind: send.kind,
            body: own_buffer(&send.body),
            reply_seq: Seq(send.reply_seq),
            mentions: users(&send.mentions),
            flags: send.flags & flag::DEVICE_MAY_SET & !flag::VOID,
            to: users(&send.to),
            expires_in_s: send.expires_in_s,
            valid_for_s: send.valid_for_s,
        },
    }
}

/// Frames share the buffer of their link: what lives on in caches gets a buffer of its own size.
pub(crate) fn own_buffer(bytes: &bytes::Bytes) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(bytes)
}

pub(crate) fn users(ids: &[u64]) -> Vec<UserId> {
    ids.iter().copied().map(UserId).collect()
}

/// True if the body is a content of this kind, or sealed.
fn is_body_of(kind: u32, body: &bytes::Bytes) -> bool {
    kind == message_kind::SEALED
        || Content::decode_bounded(body.clone())
            .is_ok_and(|content| content.what.is_some_and(|what| arm(&what) == kind))
}

/// The number of a content arm is the message kind.
const fn arm(what: &What) -> u32 {
    match what {
        What::Text(_) => message_kind::TEXT,
        What::Rich(_) => message_kind::RICH,
        What::Markdown(_) => message_kind::MARKDOWN,
        What::Image(_) => message_kind::IMAGE,
        What::File(_) => message_kind::FILE,
        What::Voice(_) => message_kind::VOICE,
        What::Video(_) => message_kind::VIDEO,
        What::Location(_) => message_kind::LOCATION,
        What::Card(_) => message_kind::CARD,
        What::MergeForward(_) => message_kind::MERGE_FORWARD,
        What::Notice(_) => message_kind::NOTICE,
        What::Custom(_) => message_kind::CUSTOM,
        What::Sticker(_) => message_kind::STICKER,
        What::ContactCard(_) => message_kind::CONTACT_CARD,
        What::Call(_) => message_kind::CALL_RECORD,
    }
}

/// The answer to a Send. `None` is a room that stopped before it answered.
///
/// # Errors
/// The code of an `error` frame: nothing was decided and no cid consumed, or nobody knows.
pub(crate) fn ack(conv: u64, cid: u64, outcome: Option<Outcome>) -> Result<SendAck, ErrorCode> {
    let empty = SendAck { conv, cid, unit: UNIT, ..SendAck::default() };
    let answer = match outcome {
        Some(Outcome::Ok(accepted)) => with_numbers(empty, Status::Ok, &accepted),
        Some(Outcome::Duplicate(Fate::Accepted(accepted))) => {
            let is_shifted = tenon_base::planted!("ack-names-next");
            let ack = with_numbers(empty, Status::Duplicate, &accepted);
            SendAck { seq: ack.seq + u64::from(is_shifted), ..ack }
        }
        Some(Outcome::Duplicate(Fate::Rejected(rejection))) => {
            with_code(empty, Status::Duplicate, code_of(rejection))
        }
        Some(Outcome::Rejected(rejection)) => {
            with_code(empty, Status::Rejected, code_of(rejection))
        }
        Some(Outcome::CidReused) => {
            with_code(empty, Status::Rejected, ErrorCode::CidReused.number())
        }
        Some(Outcome::Gap { expect }) => {
            SendAck { status: Status::Gap.into(), expect_cid: expect.0, ..empty }
        }
        Some(Outcome::Parked) => SendAck { status: Status::Parked.into(), ..empty },
        Some(Outcome::Retry { code, after_ms }) => {
            SendAck { retry_after_ms: after_ms, ..with_code(empty, Status::Retry, code) }
        }
        Some(Outcome::Absent) => return Err(ErrorCode::Absent),
        // An import is never submitted by a device, so this answers nothing that was asked.
        None | Some(Outcome::Imported { .. }) => SendAck {
            retry_after_ms: UNKNOWN_RETRY_MS,
            ..with_code(empty, Status::Retry, ErrorCode::UnknownOutcome.number())
        },
    };
    Ok(answer)
}

/// The wire code of a rejection.
pub(crate) const fn code_of(rejection: tenon_core::Rejection) -> u32 {
    REJECTION_BASE + rejection.number() as u32
}

fn with_numbers(ack: SendAck, status: Status, at: &Accepted) -> SendAck {
    SendAck {
        status: status.into(),
        seq: at.seq.0,
        rev: at.rev.0,
        message_id: at.message_id.0,
        ts: at.ts.0,
        cnt: at.cnt.0,
        ..ack
    }
}

fn with_code(ack: SendAck, status: Status, code: u32) -> SendAck {
    SendAck { status: status.into(), code, ..ack }
}
