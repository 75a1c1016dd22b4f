//! Coverage batches: everything of (from, to] that concerns a device, in pts order.

use std::sync::Arc;

use tenon_base::{OrgId, Pts, Timestamp};
use tenon_core::handover::{Batch, BatchEntry, Delivery, Handover, RecentEvents, Told};
use tenon_core::user::{QueueEntry, QueueItem};
use tenon_core::{Event, EventBody, UserEvent};
use tenon_ports::Direction;
use tenon_store::{Part, SeriesKey, StoreError, View, table};

use crate::Metrics;
use crate::hot_state::{Held, Hot, told_inline};

/// Estimated bytes of an event around its body.
const EVENT_BYTES: usize = 100;
/// Batches handed to one connection in one go; the rest follows after other users had their turn.
const BATCHES_PER_PUMP: usize = 4;

/// What delivery reads from.
pub(crate) struct Sources<'a> {
    pub(crate) view: &'a View,
    pub(crate) recent: &'a Arc<dyn RecentEvents>,
    pub(crate) metrics: &'a Metrics,
}

/// Sends to every connection of a user what its window allows.
pub(crate) fn pump(hot: &mut Hot, sources: &Sources<'_>) -> Result<(), StoreError> {
    for at in 0..hot.links.len() {
        for _ in 0..BATCHES_PER_PUMP {
            if !pump_once(hot, at, sources)? {
                break;
            }
        }
    }
    Ok(())
}

/// Sends at most one batch to one connection; true if there may be more.
fn pump_once(hot: &mut Hot, at: usize, sources: &Sources<'_>) -> Result<bool, StoreError> {
    let header = &hot.user.header;
    let (tip, floor, epoch) = (header.tip, header.floor, header.queue_epoch);
    let Some(link) = hot.links.get(at) else { return Ok(false) };
    if !link.is_streaming || link.sent >= tip {
        return Ok(false);
    }
    if link.sent < floor {
        rebase(hot, at, tenon_core::user::queue::rebase_reason::TRIMMED, sources.metrics);
        return Ok(false);
    }
    let Some((events_max, bytes_max)) = link.room() else { return Ok(false) };
    let from = link.sent;
    let held = gather(hot, from, events_max, sources)?;
    let mut bytes = 0;
    let mut entries = Vec::with_capacity(held.len());
    for Held { entry, told } in held {
        bytes += cost(&told);
        entries.push(BatchEntry { pts: entry.pts, ts: entry.ts, told });
        if bytes >= bytes_max {
            break;
        }
    }
    let Some(to) = entries.last().map(|e| e.pts) else { return Ok(false) };
    tenon_base::always!(to.0 - from.0 == entries.len() as u64, "a batch covers without hole");
    let count = entries.len();
    let batch = Batch { queue_epoch: epoch, from, to, tip, entries };
    let Some(link) = hot.links.get_mut(at) else { return Ok(false) };
    if link.to.deliver(Delivery::Batch(batch)) == Handover::Full {
        return Ok(false);
    }
    link.sent(to, count, bytes);
    let device = link.device;
    if tenon_base::planted!("cursor-on-delivery")
        && let Some(state) = hot.user.devices.get_mut(&device)
    {
        state.acked = to;
    }
    sources.metrics.delivered.inc_by(count as u64);
    Ok(to < tip)
}

/// Entries behind `from` with their contents, dense, at most `max`.
fn gather(
    hot: &Hot,
    from: Pts,
    max: usize,
    sources: &Sources<'_>,
) -> Result<Vec<Held>, StoreError> {
    let first = hot.tail.front().map(|h| h.entry.pts);
    if first.is_some_and(|first| first <= from.next()) {
        let skip = first.map_or(0, |first| from.next().0 - first.0);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        return Ok(hot.tail.iter().skip(skip).take(max).cloned().collect());
    }
    let header = &hot.user.header;
    let key = SeriesKey::queue(header.org, header.user);
    let to = first.map_or(header.tip.0, |first| first.0 - 1).min(header.tip.0);
    let entries = sources.view.entries(
        &key,
        from.0 + 1,
        to,
        Direction::Forward,
        (max, usize::MAX),
        Part::Whole,
    )?;
    let mut held = Vec::with_capacity(entries.len());
    for (expected, stored) in (from.0 + 1..).zip(entries) {
        if stored.number != expected {
            break;
        }
        let entry = table::queue::decode(Pts(stored.number), &stored.header, &stored.body)?;
        let told = resolve(header.org, &entry, sources);
        held.push(Held { entry, told });
    }
    Ok(held)
}

/// The content of an entry: in memory, else from the store, else the placeholder with the true position.
pub(crate) fn resolve(org: OrgId, entry: &QueueEntry, sources: &Sources<'_>) -> Told {
    if let Some(told) = told_inline(entry) {
        return told;
    }
    let QueueItem::Ref { conv, rev, .. } = &entry.item else {
        return Told::Unreadable { conv: tenon_base::ConversationId(0), rev: tenon_base::Rev(0) };
    };
    if let Some(event) = sources.recent.recent(*conv, *rev) {
        return Told::Event(event);
    }
    match table::event::read(sources.view, org, *conv, *rev) {
        Ok(Some(event)) => Told::Event(Arc::new(event)),
        Ok(None) | Err(_) => {
            sources.metrics.unreadable.inc();
            Told::Unreadable { conv: *conv, rev: *rev }
        }
    }
}

/// Orders a connection to refetch its list; the stream waits for its subscribe.
pub(crate) fn rebase(hot: &mut Hot, at: usize, reason: u32, metrics: &Metrics) {
    let header = &hot.user.header;
    let told = Delivery::Rebase { queue_epoch: header.queue_epoch, tip: header.tip, reason };
    if let Some(link) = hot.links.get_mut(at) {
        link.is_streaming = false;
        metrics.rebases.with_label_values(&[reason_label(reason)]).inc();
        if link.to.deliver(told) == Handover::Full {
            // The connection cannot even take an order: it is slow, and its end brings the same decision again.
            tracing::debug!(device = link.device.0, "rebase order refused by a full connection");
        }
    }
}

pub(crate) const fn reason_label(reason: u32) -> &'static str {
    match reason {
        1 => "new_device",
        2 => "epoch",
        3 => "trimmed",
        4 => "backlog",
        5 => "ahead",
        _ => "asked",
    }
}

fn cost(told: &Told) -> usize {
    EVENT_BYTES
        + match told {
            Told::Event(event) => event_cost(event),
            Told::User(event) => match event.as_ref() {
                UserEvent::ConversationAdded { item, .. } => 150 + item.title.len(),
                UserEvent::SummaryChanged { summary } => summary.draft.len(),
                _ => 0,
            },
            Told::Unreadable { .. } => 0,
        }
}

fn event_cost(event: &Event) -> usize {
    match &event.body {
        EventBody::Message(message) => message.body.len() + message.mentions.len() * 8,
        EventBody::Members { members, .. } => members.len() * 24,
        EventBody::Renamed { title } => title.len(),
        EventBody::Mode { .. } => 0,
    }
}

/// The time an ack is judged at is not needed for anything durable; a cursor is truth on the device.
pub(crate) fn note_ack(hot: &mut Hot, at: usize, pts: Pts, seen: Timestamp) {
    let tip = hot.user.header.tip;
    let Some(link) = hot.links.get_mut(at) else { return };
    let pts = pts.min(link.sent).min(tip);
    link.acked(pts);
    let device = link.device;
    if let Some(state) = hot.user.devices.get_mut(&device) {
        if pts > state.acked {
            state.acked = pts;
            hot.devices_dirty.insert(device);
        }
        state.seen = state.seen.max(seen);
    }
}
