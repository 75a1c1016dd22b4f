//! `ReadRequest` -> read: one arm per method.

use tenon_base::{
    Cid, ConvEpoch, ConversationId, DeviceEpoch, Rev, Seq, Timestamp, UserId, limits,
};
use tenon_core::admission::{DiffWant, Read};
use tenon_wire::v1::{Collection, EntityKind};
use tenon_wire::{Bounded, ErrorCode, Prio, method, v1};

/// Rows of a history page unless the device says otherwise.
const HISTORY_ROWS: u32 = 30;
/// Lines of a list page unless the device says otherwise.
const LIST_ITEMS: u32 = 20;
/// Names of a roster search unless the device says otherwise.
const SEARCH_ROWS: u32 = 50;
/// Longest prefix of a roster search, bytes: longer than any name.
const PREFIX_BYTES_MAX: usize = 256;
/// `GetConvList.filter`: unread only.
const FILTER_UNREAD: u32 = 1;

/// What is asked.
///
/// # Errors
/// `bad_message` if the body is no request of its method; `kind_refused` for a method or an option that is not built.
pub(crate) fn read(request: &v1::ReadRequest) -> Result<Read, ErrorCode> {
    let fence = request.fence.as_ref();
    match request.method {
        method::GET_CONV_DIFF => Ok(Read::Diffs(vec![want(&body(request)?)?])),
        method::GET_CONV_DIFFS => diffs(&body(request)?),
        method::GET_CONV_LIST => list(body(request)?),
        method::GET_CONV_ITEMS => {
            let items: v1::GetConvItems = body(request)?;
            Ok(Read::Items { convs: convs(&items.convs), tips_only: items.tips_only })
        }
        method::GET_HISTORY => Ok(history(&body(request)?, fence)),
        method::GET_MESSAGES => messages(&body(request)?, fence),
        method::SEQ_AT_TIME => {
            let asked: v1::SeqAtTime = body(request)?;
            Ok(Read::SeqAtTime { conv: ConversationId(asked.conv), time: Timestamp(asked.ts) })
        }
        method::GET_DIGEST => digest(&body(request)?, fence),
        method::GET_LIST_DIGEST => {
            body::<v1::GetListDigest>(request)?;
            Ok(Read::ListDigest)
        }
        method::LOOKUP_SEND => {
            let asked: v1::LookupSend = body(request)?;
            Ok(Read::Lookup {
                conv: ConversationId(asked.conv),
                device_epoch: DeviceEpoch(asked.device_epoch),
                n: Cid(asked.n).0,
            })
        }
        method::GET_ROSTER => roster(&body(request)?),
        method::SEARCH_ROSTER => search(body(request)?),
        method::GET_ENTITIES => Ok(entities(&body(request)?)),
        method::GET_COLLECTION => collection(&body(request)?),
        method::RESOLVE_NAMES => {
            let asked: v1::ResolveNames = body(request)?;
            Ok(Read::Resolve { users: asked.users, groups: asked.groups })
        }
        _ => Err(ErrorCode::KindRefused),
    }
}

/// Lists and history give way to everything else.
pub(crate) const fn prio(method: u32) -> Prio {
    match method {
        method::GET_CONV_LIST
        | method::GET_HISTORY
        | method::GET_MESSAGES
        | method::GET_ROSTER
        | method::GET_ENTITIES
        | method::GET_COLLECTION => Prio::Bulk,
        _ => Prio::Normal,
    }
}

fn body<M: Bounded>(request: &v1::ReadRequest) -> Result<M, ErrorCode> {
    M::decode_bounded(request.body.clone()).map_err(|_| ErrorCode::BadMessage)
}

fn convs(ids: &[u64]) -> Vec<ConversationId> {
    ids.iter().copied().map(ConversationId).collect()
}

fn bounded(wanted: u32, usual: u32, max: usize) -> usize {
    let wanted = if wanted == 0 { usual } else { wanted };
    usize::try_from(wanted).unwrap_or(usize::MAX).min(max)
}

/// The state a read must include: its own `min_rev` and its fence, if that names the same conversation.
fn min_rev(conv: u64, min_rev: u64, fence: Option<&v1::Fence>) -> Rev {
    let fenced = fence.filter(|f| f.conv == conv).map_or(0, |f| f.rev);
    Rev(min_rev.max(fenced))
}

fn want(get: &v1::GetConvDiff) -> Result<DiffWant, ErrorCode> {
    if get.only != 0 {
        return Err(ErrorCode::KindRefused);
    }
    Ok(DiffWant {
        conv: ConversationId(get.conv),
        conv_epoch: ConvEpoch(get.conv_epoch),
        since: Rev(get.since_rev),
        limit: bounded(get.limit, u32::MAX, limits::DIFF_EVENTS_MAX),
    })
}

fn diffs(get: &v1::GetConvDiffs) -> Result<Read, ErrorCode> {
    get.wants.iter().map(want).collect::<Result<Vec<_>, _>>().map(Read::Diffs)
}

fn list(get: v1::GetConvList) -> Result<Read, ErrorCode> {
    if get.filter > FILTER_UNREAD || get.folder != 0 || get.unit > super::UNIT {
        return Err(ErrorCode::KindRefused);
    }
    Ok(Read::List {
        token: get.token,
        limit: bounded(get.limit, LIST_ITEMS, limits::LIST_ITEMS_MAX),
        unread_only: get.filter == FILTER_UNREAD,
    })
}

fn history(get: &v1::GetHistory, fence: Option<&v1::Fence>) -> Read {
    Read::History {
        conv: ConversationId(get.conv),
        above: Seq(get.above_seq),
        below: Seq(get.below_seq),
        limit: bounded(get.limit, HISTORY_ROWS, limits::HISTORY_ROWS_MAX),
        upward: get.upward,
        min_rev: min_rev(get.conv, get.min_rev, fence),
    }
}

fn messages(get: &v1::GetMessages, fence: Option<&v1::Fence>) -> Result<Read, ErrorCode> {
    if !get.pids.is_empty() {
        return Err(ErrorCode::KindRefused);
    }
    Ok(Read::Messages {
        conv: ConversationId(get.conv),
        seqs: get.seqs.iter().copied().map(Seq).collect(),
        min_rev: min_rev(get.conv, get.min_rev, fence),
    })
}

fn digest(get: &v1::GetDigest, fence: Option<&v1::Fence>) -> Result<Read, ErrorCode> {
    if get.ranges.iter().any(|range| range.lo > range.hi) {
        return Err(ErrorCode::BadMessage);
    }
    Ok(Read::Digest {
        conv: ConversationId(get.conv),
        ranges: get.ranges.iter().map(|range| (Seq(range.lo), Seq(range.hi))).collect(),
        min_rev: min_rev(get.conv, get.min_rev, fence),
    })
}

fn roster(get: &v1::GetRoster) -> Result<Read, ErrorCode> {
    Ok(Read::Roster {
        conv: ConversationId(get.conv),
        since: Rev(get.since_ver),
        after: after(&get.next)?,
        limit: bounded(get.limit, u32::MAX, limits::ROSTER_PAGE_MAX),
    })
}

/// A roster token is the last user of the page before, as 8 bytes. It is no right: each page is judged anew.
fn after(token: &[u8]) -> Result<UserId, ErrorCode> {
    if token.is_empty() {
        return Ok(UserId(0));
    }
    let bytes = token.try_into().map_err(|_| ErrorCode::BadMessage)?;
    Ok(UserId(u64::from_be_bytes(bytes)))
}

fn search(get: v1::SearchRoster) -> Result<Read, ErrorCode> {
    if get.prefix.len() > PREFIX_BYTES_MAX {
        return Err(ErrorCode::BadMessage);
    }
    Ok(Read::SearchRoster {
        conv: ConversationId(get.conv),
        prefix: get.prefix,
        limit: bounded(get.limit, SEARCH_ROWS, limits::ROSTER_PAGE_MAX),
    })
}

/// Users only: other entities have no profile in this version and are answered like absent ones.
fn entities(get: &v1::GetEntities) -> Read {
    let users = get.wanted.iter().filter(|hint| hint.kind() == EntityKind::User);
    Read::Users(users.map(|hint| (UserId(hint.id), hint.ver)).collect())
}

fn collection(get: &v1::GetCollection) -> Result<Read, ErrorCode> {
    if get.collection() == Collection::Devices {
        Ok(Read::Devices)
    } else {
        Err(ErrorCode::KindRefused)
    }
}
