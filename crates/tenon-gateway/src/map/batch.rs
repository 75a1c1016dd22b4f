//! Coverage batches as frames.

use tenon_base::limits::BATCH_EVENTS_MAX;
use tenon_core::EventBody;
use tenon_core::handover::{Batch, BatchEntry, Told};
use tenon_wire::{Message as _, v1};

use super::{Reader, UNIT, event};

/// Largest payload of one frame: the frame bound less room for the fields around the events.
pub(crate) const PAYLOAD_BYTES_MAX: usize = tenon_base::limits::FRAME_DOWN_BYTES_MAX - 1024;
/// Bytes of tag and length before an event in its batch.
const EVENT_OVERHEAD: usize = 6;

/// Cuts one frame from the front of `batch`: events up to about `bytes_aim`, at least one. `batch.from` moves on;
/// what is covered but absent stays covered. Returns the frame and the rest, if any.
pub(crate) fn cut(
    mut batch: Batch,
    bytes_aim: usize,
    reader: Reader,
) -> (v1::EventBatch, Option<Batch>) {
    let mut events = Vec::new();
    let mut bytes = 0;
    for entry in &batch.entries {
        let event = event::entry(entry, reader);
        let len = event.encoded_len() + EVENT_OVERHEAD;
        let is_full = events.len() == BATCH_EVENTS_MAX
            || bytes + len > PAYLOAD_BYTES_MAX
            || bytes >= bytes_aim;
        if is_full && !events.is_empty() {
            break;
        }
        bytes += len;
        events.push(event);
    }
    let taken = events.len();
    let is_whole = taken == batch.entries.len();
    let to = if is_whole { batch.to } else { batch.entries[taken - 1].pts };
    let frame = v1::EventBatch {
        unit: UNIT,
        queue_epoch: batch.queue_epoch.0,
        from_pts: batch.from.0,
        to_pts: to.0,
        events,
        more: to < batch.tip,
        entities: Vec::new(),
        tip_pts: batch.tip.0,
    };
    if is_whole {
        return (frame, None);
    }
    batch.entries.drain(..taken);
    batch.from = to;
    (frame, Some(batch))
}

/// Joins `next` to `batch` if it goes on where it ends and both fit one frame.
///
/// # Errors
/// `next` as it was, if it does not fit.
pub(crate) fn join(batch: &mut Batch, next: Batch) -> Result<(), Batch> {
    let goes_on = next.queue_epoch == batch.queue_epoch && next.from == batch.to;
    if !goes_on || batch.entries.len() + next.entries.len() > BATCH_EVENTS_MAX {
        return Err(next);
    }
    batch.to = next.to;
    batch.tip = next.tip.max(batch.tip);
    batch.entries.extend(next.entries);
    Ok(())
}

/// Memory that waits with a batch, about: what bounds a link's mailbox.
pub(crate) fn weight(batch: &Batch) -> usize {
    batch.entries.iter().map(entry_weight).sum::<usize>() + 64
}

fn entry_weight(entry: &BatchEntry) -> usize {
    match &entry.told {
        Told::Event(event) => match &event.body {
            EventBody::Message(message) => 160 + message.body.len() + message.mentions.len() * 8,
            EventBody::Members { members, .. } => 96 + members.len() * 40,
            EventBody::Renamed { title } => 96 + title.len(),
            EventBody::Mode { .. } => 96,
        },
        Told::User(_) => 256,
        Told::Unreadable { .. } => 64,
    }
}
