//! Op -> submit with the body of its type, outcome -> `OpAck`.

use bytes::Bytes;
use tenon_base::{ConversationId, DeviceEpoch, DeviceId, UserId};
use tenon_core::admission::{Op, OpAnswer, SubmitOp};
use tenon_core::command::SummaryPatch;
use tenon_core::handover::UserOutcome;
use tenon_core::{Author, Role, flag};
use tenon_wire::v1::{OpAck, Status};
use tenon_wire::{Bounded as _, ErrorCode, Message, op_type, setting, v1};

use super::send::{code_of, own_buffer, users};
use super::{UNIT, role_of, send};

/// Mask bits of `SetConversation`.
const MASK_TITLE: u32 = 1;
/// Mask bits of `SetSummary`.
mod summary_mask {
    pub(super) const PINNED: u32 = 1;
    pub(super) const NOTIFY: u32 = 2;
    pub(super) const HIDDEN: u32 = 4;
    pub(super) const MARKED_UNREAD: u32 = 16;
    pub(super) const DRAFT: u32 = 32;
    pub(super) const KNOWN: u32 = PINNED | NOTIFY | HIDDEN | MARKED_UNREAD | DRAFT;
}
/// Values of `Summary.notify`: all, mentions, none.
const NOTIFY_MAX: u32 = 2;

/// An op on its way to admission. Its body is decoded here, once; the raw bytes go along for the digest.
pub(crate) fn submit(author: Author, op: &v1::Op) -> SubmitOp {
    let is_user_chain = op.conv == 0;
    let fits_chain = is_user_chain == (op.r#type >= op_type::SET_SUMMARY);
    let decoded = if fits_chain { decode(op.r#type, &op.body) } else { None };
    SubmitOp {
        author: Author { device_epoch: DeviceEpoch(op.device_epoch), ..author },
        conv: ConversationId(op.conv),
        n: op.n,
        is_void: op.flags & flag::VOID != 0,
        type_number: op.r#type,
        raw: own_buffer(&op.body),
        op: decoded,
    }
}

fn decode(number: u32, body: &Bytes) -> Option<Op> {
    let body = body.clone();
    match number {
        op_type::SET_CONVERSATION => rename(v1::SetConversation::decode(body).ok()?),
        op_type::ADD_MEMBERS => {
            let add = v1::AddMembers::decode_bounded(body).ok()?;
            Some(Op::AddMembers(users(&add.users)))
        }
        op_type::REMOVE_MEMBERS => {
            let remove = v1::RemoveMembers::decode_bounded(body).ok()?;
            // Blocking is not built: removing without it would be half of what was asked.
            (!remove.block).then(|| Op::RemoveMembers(users(&remove.users)))
        }
        op_type::LEAVE => v1::Leave::decode(body).ok().map(|_| Op::Leave),
        op_type::SET_ROLE => {
            let set = v1::SetRole::decode(body).ok()?;
            Some(Op::SetRole(UserId(set.user), role_of(set.role)?))
        }
        op_type::TRANSFER_OWNER => {
            let transfer = v1::TransferOwner::decode(body).ok()?;
            Some(Op::SetRole(UserId(transfer.user), Role::Owner))
        }
        op_type::SET_SUMMARY => summary(v1::SetSummary::decode(body).ok()?),
        op_type::CREATE_CONVERSATION => create(v1::CreateConversation::decode_bounded(body).ok()?),
        op_type::OPEN_DIRECT => {
            let open = v1::OpenDirect::decode(body).ok()?;
            Some(Op::OpenDirect(UserId(open.user)))
        }
        op_type::REMOVE_DEVICE => {
            let remove = v1::RemoveDevice::decode(body).ok()?;
            // 0 means all others, which is not built.
            (remove.device != 0).then_some(Op::RemoveDevice(DeviceId(remove.device)))
        }
        _ => None,
    }
}

fn rename(set: v1::SetConversation) -> Option<Op> {
    if set.mask != MASK_TITLE {
        return None;
    }
    Some(Op::Rename { title: set.meta.unwrap_or_default().title })
}

fn summary(set: v1::SetSummary) -> Option<Op> {
    let (mask, line) = (set.mask, set.summary.unwrap_or_default());
    if mask & !summary_mask::KNOWN != 0 || line.notify > NOTIFY_MAX {
        return None;
    }
    let has = |bit: u32| mask & bit != 0;
    let draft = || line.draft.as_ref().map(tenon_wire::encode).unwrap_or_default();
    let patch = SummaryPatch {
        pinned: has(summary_mask::PINNED).then_some(line.pinned),
        notify: has(summary_mask::NOTIFY).then_some(line.notify),
        hidden: has(summary_mask::HIDDEN).then_some(line.hidden),
        marked_unread: has(summary_mask::MARKED_UNREAD).then_some(line.marked_unread),
        draft: has(summary_mask::DRAFT).then(draft),
    };
    Some(Op::SetSummary(ConversationId(line.conv), patch))
}

fn create(create: v1::CreateConversation) -> Option<Op> {
    let meta = create.meta.unwrap_or_default();
    let is_group = matches!(meta.kind(), v1::ConvKind::Unspecified | v1::ConvKind::Group);
    // Other settings are not built, and a group that opens wider than asked would be a surprise.
    let is_known = meta.settings & !setting::NEWCOMERS_SEE_HISTORY == 0 && create.join_policy == 0;
    (is_group && is_known).then(|| Op::CreateGroup {
        title: meta.title,
        members: users(&create.members),
        history_visible: meta.settings & setting::NEWCOMERS_SEE_HISTORY != 0,
    })
}

/// The answer to an op. `None` is a room that stopped before it answered.
///
/// # Errors
/// The code of an `error` frame: nothing was decided and no number consumed.
pub(crate) fn ack(op: &Asked, answer: Option<OpAnswer>) -> Result<OpAck, ErrorCode> {
    match answer {
        Some(OpAnswer::User(outcome)) => user_ack(op, outcome),
        Some(OpAnswer::Conversation(outcome)) => conversation_ack(op, Some(outcome)),
        None => conversation_ack(op, None),
    }
}

/// What is kept of an op until its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The conversation; 0 = the user chain.
    pub(crate) conv: u64,
    /// cid or op sequence.
    pub(crate) n: u64,
    /// Type of the op.
    pub(crate) type_number: u32,
}

fn conversation_ack(
    op: &Asked,
    outcome: Option<tenon_core::conversation::Outcome>,
) -> Result<OpAck, ErrorCode> {
    let like_send = send::ack(op.conv, op.n, outcome)?;
    Ok(OpAck {
        conv: op.conv,
        n: op.n,
        status: like_send.status,
        rev: like_send.rev,
        expect_n: like_send.expect_cid,
        code: like_send.code,
        retry_after_ms: like_send.retry_after_ms,
        unit: UNIT,
        ..OpAck::default()
    })
}

fn user_ack(op: &Asked, outcome: UserOutcome) -> Result<OpAck, ErrorCode> {
    let empty = OpAck { conv: op.conv, n: op.n, unit: UNIT, ..OpAck::default() };
    let with = |status: Status, code: u32| OpAck { status: status.into(), code, ..empty.clone() };
    let answer = match outcome {
        UserOutcome::Ok { id } => OpAck { id, ..with(done_status(op.type_number), 0) },
        UserOutcome::Duplicate(first) => match first.fate {
            Ok(id) => OpAck { id, ..with(Status::Duplicate, 0) },
            Err(rejection) => with(Status::Duplicate, code_of(rejection)),
        },
        UserOutcome::Reused => with(Status::Rejected, ErrorCode::CidReused.number()),
        UserOutcome::Rejected(rejection) => with(Status::Rejected, code_of(rejection)),
        UserOutcome::Gap { expect } => OpAck { expect_n: expect.0, ..with(Status::Gap, 0) },
        UserOutcome::Retry { code, after_ms } => {
            OpAck { retry_after_ms: after_ms, ..with(Status::Retry, code) }
        }
        UserOutcome::DeviceEpochStale => return Err(ErrorCode::DeviceEpochStale),
    };
    Ok(answer)
}

/// ACCEPTED where the effect is decided in another partition and arrives as an event.
const fn done_status(type_number: u32) -> Status {
    match type_number {
        op_type::ASK_CONTACT..=op_type::REMOVE_CONTACT
        | op_type::CREATE_CONVERSATION..=op_type::JOIN_CONVERSATION => Status::Accepted,
        _ => Status::Ok,
    }
}
