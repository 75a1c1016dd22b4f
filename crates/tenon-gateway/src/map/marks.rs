//! Read marks and their answer.

use tenon_base::{ConversationId, Seq};
use tenon_core::admission::MarksAnswer;
use tenon_wire::v1;

/// Wait before marks that were not taken are sent again.
const RETRY_MS: u32 = 1_000;

/// Marks of Normal messages, one per conversation by maximum; other parts of a mark are not built and stay unread.
pub(crate) fn read(marks: &v1::ReadMarks) -> Vec<(ConversationId, Seq)> {
    let mut highest = std::collections::BTreeMap::new();
    for mark in &marks.marks {
        let up_to = highest.entry(ConversationId(mark.conv)).or_insert(Seq(0));
        *up_to = Seq(mark.up_to_seq).max(*up_to);
    }
    highest.into_iter().collect()
}

/// The answer; `None` is a room that stopped, so all marks are to be sent again.
pub(crate) fn ack(asked: &[ConversationId], answer: Option<MarksAnswer>) -> v1::ReadMarksAck {
    let ids = |convs: &[ConversationId]| convs.iter().map(|c| c.0).collect::<Vec<_>>();
    let (done, retry) = match answer {
        Some(answer) => (ids(&answer.done), ids(&answer.retry)),
        None => (Vec::new(), ids(asked)),
    };
    let retry_after_ms = if retry.is_empty() { 0 } else { RETRY_MS };
    v1::ReadMarksAck { done, retry, retry_after_ms }
}
