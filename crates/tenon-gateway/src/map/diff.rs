//! Answers by revision: what changed in a conversation.

use tenon_core::Event;
use tenon_core::admission::Diff;
use tenon_core::event::Tip;
use tenon_wire::v1;
use tenon_wire::v1::conv_diff_answer::What;

use super::{Reader, event, item, message};

/// One answer; `None` for a conversation that does not exist for the caller.
pub(crate) fn answer(diff: &Diff, reader: Reader) -> Option<v1::ConvDiffAnswer> {
    let what = match diff {
        Diff::Events { tip, from, to, is_final, events } => What::Diff(v1::ConvDiff {
            from_rev: from.0,
            to_rev: to.0,
            r#final: *is_final,
            events: events.iter().map(|e| event::conversation_event(e, reader)).collect(),
            ..with_tip(tip)
        }),
        Diff::TooLong { item: line, last, oldest } => What::TooLong(v1::ConvTooLong {
            item: Some(item::list_item(line, reader)),
            last: last.iter().map(|m| message::row(m, reader)).collect(),
            oldest_rev: oldest.0,
        }),
        Diff::Reset { conv, conv_epoch, valid_rev, valid_seq } => What::Reset(v1::ConvReset {
            conv: conv.0,
            conv_epoch: conv_epoch.0,
            valid_to_rev: valid_rev.0,
            valid_to_seq: valid_seq.0,
        }),
        Diff::Absent { .. } => return None,
    };
    Some(v1::ConvDiffAnswer { what: Some(what) })
}

/// Events of consecutive revs as a push to devices that have the conversation open; `None` without events.
pub(crate) fn push(
    tip: &Tip,
    events: &[std::sync::Arc<Event>],
    reader: Reader,
) -> Option<v1::ConvDiff> {
    let (first, last) = (events.first()?, events.last()?);
    Some(v1::ConvDiff {
        from_rev: first.rev.0.saturating_sub(1),
        to_rev: last.rev.0,
        r#final: last.rev >= tip.rev,
        events: events.iter().map(|e| event::conversation_event(e, reader)).collect(),
        ..with_tip(tip)
    })
}

fn with_tip(tip: &Tip) -> v1::ConvDiff {
    v1::ConvDiff {
        conv: tip.conv.0,
        conv_epoch: tip.conv_epoch.0,
        tip_rev: tip.rev.0,
        tip_seq: tip.seq.0,
        tip_cnt: tip.cnt.0,
        ..v1::ConvDiff::default()
    }
}
