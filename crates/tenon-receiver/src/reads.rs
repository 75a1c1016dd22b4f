//! Answers to what devices ask: from the partitions' state and the store, never through the log.
//!
//! The right to read comes from the conversation's leader, after everything it has applied; the store's view is taken after
//! that, so an answer shows at least what the grant's tips say.

use std::sync::Arc;

use bytes::Bytes;
use tenon_base::{ConversationId, Rev, Seq, UserId};
use tenon_core::admission::{Answer, Read, Refusal};
use tenon_core::handover::{
    ConversationAnswer, ConversationQuestion, Grant, UserAnswer, UserQuestion,
};
use tenon_core::{Author, Message};
use tenon_ports::Direction;
use tenon_store::{Entry, Part, SeriesKey, StoreError, View, table};

use crate::code;
use crate::service::Shared;

mod diff;
mod history;
mod list;
mod people;

/// Answers one question.
pub(crate) async fn answer(shared: &Shared, author: Author, read: Read) -> Result<Answer, Refusal> {
    shared.metrics.reads.with_label_values(&[label(&read)]).inc();
    match read {
        Read::Diffs(wants) => diff::diffs(shared, author, wants).await,
        Read::List { token, limit, unread_only } => {
            list::page(shared, author, &token, limit, unread_only).await.map(Answer::List)
        }
        Read::Items { convs, tips_only } => list::items(shared, author, convs, tips_only).await,
        Read::ListDigest => list::digest(shared, author).await,
        Read::History { conv, above, below, limit, upward, min_rev } => {
            let range = history::Range { above, below, limit, upward };
            history::page(shared, author, conv, range, min_rev).await.map(Answer::History)
        }
        Read::Messages { conv, seqs, min_rev } => {
            history::messages(shared, author, conv, &seqs, min_rev).await.map(Answer::Messages)
        }
        Read::SeqAtTime { conv, time } => {
            history::seq_at_time(shared, author, conv, time).await.map(Answer::Seq)
        }
        Read::Digest { conv, ranges, min_rev } => {
            history::digest(shared, author, conv, ranges, min_rev).await
        }
        Read::Lookup { conv, device_epoch, n } => {
            lookup(shared, author, conv, device_epoch, n).await
        }
        Read::Roster { conv, since, after, limit } => {
            people::roster(shared, author, conv, (since, after, limit)).await.map(Answer::Roster)
        }
        Read::SearchRoster { conv, prefix, limit } => {
            people::search(shared, author, conv, &prefix, limit).await.map(Answer::Roster)
        }
        Read::Users(wanted) => Ok(people::users(shared, author, &wanted)),
        Read::Devices => people::devices(shared, author).await,
        Read::Resolve { users, groups } => people::resolve(shared, author, users, groups).await,
    }
}

const fn label(read: &Read) -> &'static str {
    match read {
        Read::Diffs(_) => "diffs",
        Read::List { .. } => "list",
        Read::Items { .. } => "items",
        Read::History { .. } => "history",
        Read::Messages { .. } => "messages",
        Read::SeqAtTime { .. } => "seq_at_time",
        Read::Digest { .. } => "digest",
        Read::ListDigest => "list_digest",
        Read::Lookup { .. } => "lookup",
        Read::Roster { .. } => "roster",
        Read::SearchRoster { .. } => "search_roster",
        Read::Users(_) => "users",
        Read::Devices => "devices",
        Read::Resolve { .. } => "resolve",
    }
}

async fn lookup(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
    device_epoch: tenon_base::DeviceEpoch,
    n: u64,
) -> Result<Answer, Refusal> {
    let device = author.device;
    if conv.is_some() {
        let cid = tenon_base::Cid(n);
        let question =
            ConversationQuestion::Lookup { user: author.user, device, device_epoch, cid };
        return match shared.ask(conv, question).await? {
            ConversationAnswer::Lookup { fate, expect } => {
                Ok(Answer::ConversationLookup { fate, expect })
            }
            _ => Err(Refusal::of(code::ABSENT)),
        };
    }
    let op_seq = tenon_base::OpSeq(n);
    let question = UserQuestion::Lookup { device, device_epoch, op_seq };
    match shared.ask_user(author.user, question).await? {
        UserAnswer::Lookup { outcome, expect } => Ok(Answer::UserLookup { outcome, expect }),
        _ => Err(Refusal::of(code::ABSENT)),
    }
}

/// The grant, if its state includes `min_rev`. The leader answers after all it has applied, so a later rev than its tip
/// cannot have been seen by anybody.
async fn grant_at(
    shared: &Shared,
    user: UserId,
    conv: ConversationId,
    min_rev: Rev,
) -> Result<Grant, Refusal> {
    let grant = shared.grant(user, conv).await?;
    if min_rev > grant.header.rev {
        return Err(Refusal::of(code::FENCE_AHEAD));
    }
    Ok(grant)
}

fn store_refusal(shared: &Shared, error: &StoreError) -> Refusal {
    if matches!(error, StoreError::Degraded { .. }) {
        shared.metrics.degraded.inc();
    }
    tracing::error!(%error, "a read met the store's refusal");
    Refusal { code: code::DEGRADED, after_ms: 1_000 }
}

fn decode(entry: Entry) -> Result<Arc<Message>, StoreError> {
    Ok(Arc::new(table::message::decode(Seq(entry.number), &entry.header, entry.body)?))
}

/// The newest message in `floor < seq <= tip`.
fn newest(
    view: &View,
    grant: &(tenon_base::OrgId, ConversationId),
    floor: Seq,
    tip: Seq,
) -> Result<Option<Arc<Message>>, StoreError> {
    if tip <= floor {
        return Ok(None);
    }
    let series = SeriesKey::message(grant.0, grant.1);
    let (from, to) = (floor.0 + 1, tip.0);
    let mut entries =
        view.entries(&series, from, to, Direction::Backward, (1, usize::MAX), Part::Whole)?;
    entries.pop().map(decode).transpose()
}

/// Empty bytes as `None`.
fn some(bytes: &Bytes) -> Option<&Bytes> {
    (!bytes.is_empty()).then_some(bytes)
}
