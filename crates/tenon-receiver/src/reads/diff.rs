//! Changes of conversations by revision: how devices fill gaps and follow large groups.

use std::sync::Arc;

use tenon_base::limits::{DIFF_BEHIND_MAX, DIFF_EVENTS_MAX};
use tenon_base::{ConversationId, Rev, Seq};
use tenon_core::admission::{Answer, Diff, DiffWant, Refusal};
use tenon_core::handover::Grant;
use tenon_core::{Author, Event, EventBody};
use tenon_ports::Direction;
use tenon_store::{Part, SeriesKey, StoreError, View, table};

use super::history::{Range, read_page};
use super::{list, store_refusal};
use crate::code;
use crate::service::Shared;

/// Conversations of one request.
const WANTS_MAX: usize = 50;
/// All answers together stop here; the device asks again for the rest.
const ANSWER_BYTES: usize = 200 * 1024;
/// Messages that come with `too_long`.
const NEWEST_MAX: usize = 20;

pub(super) async fn diffs(
    shared: &Shared,
    author: Author,
    wants: Vec<DiffWant>,
) -> Result<Answer, Refusal> {
    if wants.len() > WANTS_MAX {
        return Err(Refusal::of(code::TOO_MANY));
    }
    let mut answers = Vec::with_capacity(wants.len());
    let mut bytes = 0;
    for want in wants {
        if bytes >= ANSWER_BYTES {
            break;
        }
        let diff = one(shared, author, want, ANSWER_BYTES - bytes).await?;
        bytes += size_of(&diff);
        answers.push(diff);
    }
    Ok(Answer::Diffs(answers))
}

fn size_of(diff: &Diff) -> usize {
    let rows = |bytes: usize| bytes + 128;
    match diff {
        Diff::Events { events, .. } => events.iter().map(|e| rows(event_bytes(e))).sum(),
        Diff::TooLong { last, .. } => last.iter().map(|m| rows(m.body.len())).sum::<usize>() + 512,
        Diff::Reset { .. } | Diff::Absent { .. } => 64,
    }
}

fn event_bytes(event: &Event) -> usize {
    match &event.body {
        EventBody::Message(message) => message.body.len(),
        EventBody::Members { members, .. } => 32 * members.len(),
        EventBody::Renamed { title } => title.len(),
        EventBody::Mode { .. } => 0,
    }
}

async fn one(
    shared: &Shared,
    author: Author,
    want: DiffWant,
    bytes_max: usize,
) -> Result<Diff, Refusal> {
    let grant = match shared.grant(author.user, want.conv).await {
        Ok(grant) => grant,
        Err(refusal) if refusal.code == code::ABSENT => {
            return Ok(Diff::Absent { conv: want.conv });
        }
        Err(refusal) => return Err(refusal),
    };
    let header = &grant.header;
    let is_other_past = want.conv_epoch != header.conv_epoch && want.since.0 > 0;
    if is_other_past || want.since > header.rev {
        let valid_rev = want.since.min(header.rev);
        let valid_seq = header.seq;
        let (conv, conv_epoch) = (header.conv, header.conv_epoch);
        return Ok(Diff::Reset { conv, conv_epoch, valid_rev, valid_seq });
    }
    let joined = grant.member.join_rev();
    let is_far = header.rev.0 - want.since.0 > DIFF_BEHIND_MAX;
    // A newcomer's diff begins with the join: what was before is not in the stream of changes.
    let is_before_join = want.since.0 + 1 < joined.0;
    if is_far || is_before_join {
        return too_long(shared, author, &grant).await;
    }
    let view = shared.doors.store.view();
    events(&view, &grant, want, bytes_max).map_err(|error| store_refusal(shared, &error))
}

fn events(
    view: &View,
    grant: &Grant,
    want: DiffWant,
    bytes_max: usize,
) -> Result<Diff, StoreError> {
    let header = &grant.header;
    let limit = if want.limit == 0 { DIFF_EVENTS_MAX } else { want.limit.min(DIFF_EVENTS_MAX) };
    let series = SeriesKey::event(header.org, header.conv);
    let (from, to) = (want.since.0 + 1, header.rev.0);
    let mut last = want.since.0;
    let mut events = Vec::new();
    let mut bytes = 0;
    if from <= to {
        let limits = (limit, usize::MAX);
        let entries = view.entries(&series, from, to, Direction::Forward, limits, Part::Whole)?;
        for entry in entries {
            last = entry.number;
            let event = table::event::decode(view, header.org, header.conv, entry)?;
            bytes += event_bytes(&event) + 128;
            if may_see(grant, &event) {
                events.push(Arc::new(event));
            }
            if bytes >= bytes_max {
                break;
            }
        }
    }
    Ok(Diff::Events {
        tip: header.tip(),
        from: want.since,
        to: Rev(last),
        is_final: last >= header.rev.0,
        events,
    })
}

fn may_see(grant: &Grant, event: &Event) -> bool {
    match &event.body {
        EventBody::Message(message) => grant.may_see(message.seq),
        _ => event.rev >= grant.member.join_rev(),
    }
}

async fn too_long(shared: &Shared, author: Author, grant: &Grant) -> Result<Diff, Refusal> {
    let conv: ConversationId = grant.header.conv;
    let Some(line) = list::one(shared, author, conv).await? else {
        return Ok(Diff::Absent { conv });
    };
    let below = Seq(line.item.tip.seq.0 + 1);
    let range = Range { above: Seq(0), below, limit: NEWEST_MAX, upward: false };
    let view = shared.doors.store.view();
    let last = read_page(&view, grant, range).map_err(|e| store_refusal(shared, &e))?.rows;
    let oldest = Rev(grant.header.rev.0.saturating_sub(DIFF_BEHIND_MAX));
    let oldest = oldest.max(Rev(grant.member.join_rev().0.saturating_sub(1)));
    Ok(Diff::TooLong { item: Box::new(line), last, oldest })
}
