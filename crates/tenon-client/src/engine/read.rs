//! Read marks: merged by maximum, stored until they arrived, at most one each few seconds.

use std::collections::BTreeMap;

use tenon_base::Deadline;
use tenon_wire::v1;

use super::{Engine, Now, Up};
use crate::row::ReadPendingRow;

/// Marks in one frame.
const MARKS_MAX: usize = 64;

/// Marks on their way.
#[derive(Debug, Default)]
pub(super) struct Reads {
    rows: BTreeMap<u64, ReadPendingRow>,
    /// When the next mark of a conversation may leave.
    next_at: BTreeMap<u64, Deadline>,
    /// Conversations whose mark is on the link, by frame.
    open: BTreeMap<u32, Vec<v1::ReadMark>>,
}

impl Reads {
    pub(super) fn load(&mut self, row: ReadPendingRow) {
        self.rows.insert(row.conv, row);
    }

    pub(super) fn row(&self, conv: u64) -> Option<ReadPendingRow> {
        self.rows.get(&conv).copied()
    }

    pub(super) fn link_down(&mut self) {
        self.open.clear();
    }
}

impl Engine {
    pub(super) fn mark_read(&mut self, conv: u64, up_to_seq: u64, up_to_pcnt: u64, now: Now) {
        let held = self.conversations.get(&conv).map(|c| &c.row);
        let shows_dot = held.is_some_and(|r| r.summary.as_ref().is_some_and(|s| s.marked_unread));
        let is_read = held.is_some_and(|r| r.read_seq >= up_to_seq && r.read_pcnt >= up_to_pcnt);
        if conv == 0 || (is_read && !shows_dot) {
            return;
        }
        let row = self.reads.rows.entry(conv).or_default();
        row.conv = conv;
        row.up_to_seq = row.up_to_seq.max(up_to_seq);
        row.up_to_pcnt = row.up_to_pcnt.max(up_to_pcnt);
        self.tx.pending.reads.insert(conv);
        self.reads.next_at.entry(conv).or_insert(now.mono);
        self.reads_timeout(now);
    }

    pub(super) fn reads_link_up(&mut self, now: Now) {
        self.reads.next_at = self.reads.rows.keys().map(|conv| (*conv, now.mono)).collect();
        self.reads_timeout(now);
    }

    pub(super) fn reads_deadline(&self) -> Option<Deadline> {
        let waiting = self.reads.rows.keys().filter_map(|conv| self.reads.next_at.get(conv));
        waiting.min().copied().filter(|_| self.link.is_live())
    }

    pub(super) fn reads_timeout(&mut self, now: Now) {
        if !self.link.is_live() {
            return;
        }
        let due = self
            .reads
            .rows
            .values()
            .filter(|row| self.reads.next_at.get(&row.conv).is_none_or(|at| *at <= now.mono));
        let marks: Vec<_> = due
            .map(|row| v1::ReadMark {
                conv: row.conv,
                up_to_seq: row.up_to_seq,
                up_to_pcnt: row.up_to_pcnt,
                seen: Vec::new(),
                at_ms: now.wall.0,
            })
            .collect();
        let again = now.mono.plus(self.config.read_pause);
        for marks in marks.chunks(MARKS_MAX) {
            for mark in marks {
                self.reads.next_at.insert(mark.conv, again);
            }
            self.up(Up::Reads(marks.to_vec()));
        }
    }

    pub(super) fn transmit_reads(&mut self, marks: Vec<v1::ReadMark>) {
        let frame = v1::ReadMarks { marks };
        let id = self.link.with(|session| Some(session.send_read_marks(&frame)));
        if let Some(id) = id {
            self.reads.open.insert(id, frame.marks);
        }
    }

    pub(super) fn on_read_marks_ack(&mut self, id: u32, ack: &v1::ReadMarksAck, now: Now) {
        let marks = self.reads.open.remove(&id).unwrap_or_default();
        for mark in marks.iter().filter(|mark| ack.done.contains(&mark.conv)) {
            let done = v1::ReadState {
                read_seq: mark.up_to_seq,
                read_pcnt: mark.up_to_pcnt,
                ..v1::ReadState::default()
            };
            self.read_arrived(mark.conv, &done);
        }
        let wait = super::backoff::after(self.random.as_ref(), ack.retry_after_ms);
        for conv in &ack.retry {
            self.reads.next_at.insert(*conv, now.mono.plus(wait));
        }
    }

    /// The mark is at least this far on the server.
    pub(super) fn read_arrived(&mut self, conv: u64, read: &v1::ReadState) {
        let is_done =
            self.reads.rows.get(&conv).is_some_and(|row| {
                row.up_to_seq <= read.read_seq && row.up_to_pcnt <= read.read_pcnt
            });
        if is_done {
            self.reads.rows.remove(&conv);
            self.reads.next_at.remove(&conv);
            self.tx.pending.reads.insert(conv);
        }
    }
}
