//! The user queue: dense positions, list lines, epochs, and what a cursor is worth.

use std::sync::Arc;

use tenon_base::digest::list_term;
use tenon_base::limits::{QUEUE_ENTRIES_KEPT, QUEUE_EPOCHS_KEPT};
use tenon_base::{ConversationId, DeviceId, Pts, QueueEpoch, Rev, Timestamp};

use super::{ListLine, QueueEntry, QueueItem, Summary, User, UserHeader};
use crate::conversation::Mode;
use crate::event::UserEvent;

/// What a cursor that a device presents is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorVerdict {
    /// The stream goes on behind this position, in the current epoch.
    Continue(Pts),
    /// The device must refetch its list; the reason number of the protocol.
    Rebase(u32),
}

/// Reasons of a rebase (`docs/protocol.md`, Cursor).
pub mod rebase_reason {
    /// No cursor.
    pub const NEW_DEVICE: u32 = 1;
    /// The cursor lies behind the end of a lost tail.
    pub const EPOCH: u32 = 2;
    /// Below the floor.
    pub const TRIMMED: u32 = 3;
    /// Too much to stream.
    pub const BACKLOG: u32 = 4;
    /// Above the tip: counted and alarmed, never clipped.
    pub const AHEAD: u32 = 5;
}

impl UserHeader {
    /// Judges a cursor (`docs/protocol.md`, Cursor).
    pub fn judge_cursor(
        &self,
        cursor: Option<(QueueEpoch, Pts)>,
        backlog_max: u64,
    ) -> CursorVerdict {
        use CursorVerdict::{Continue, Rebase};
        let Some((epoch, pts)) = cursor else {
            return Rebase(rebase_reason::NEW_DEVICE);
        };
        if epoch > self.queue_epoch {
            return Rebase(rebase_reason::AHEAD);
        }
        let always_continues = tenon_base::planted!("queue-epoch-ignored");
        if epoch < self.queue_epoch && !self.survived(epoch, pts) && !always_continues {
            tenon_base::sometimes!("cursor-of-a-lost-tail");
            return Rebase(rebase_reason::EPOCH);
        }
        if epoch < self.queue_epoch {
            tenon_base::sometimes!("cursor-survives-an-epoch");
        }
        if pts > self.tip {
            if tenon_base::planted!("cursor-clipped") {
                return Continue(self.tip);
            }
            tenon_base::sometimes!("cursor-above-the-tip");
            return Rebase(rebase_reason::AHEAD);
        }
        if pts < self.floor {
            return Rebase(rebase_reason::TRIMMED);
        }
        if self.tip.0 - pts.0 > backlog_max {
            tenon_base::sometimes!("cursor-too-far-behind");
            return Rebase(rebase_reason::BACKLOG);
        }
        Continue(pts)
    }

    /// True if `pts` of `epoch` survived every epoch change since.
    fn survived(&self, epoch: QueueEpoch, pts: Pts) -> bool {
        let changes = u32::try_from(self.epochs.len()).unwrap_or(u32::MAX);
        let oldest_known = self.queue_epoch.0.saturating_sub(changes);
        epoch.0 >= oldest_known
            && self.epochs.iter().filter(|(e, _)| *e > epoch).all(|(_, kept)| pts <= *kept)
    }
}

impl User {
    /// Takes the queue into `epoch`: everything up to the tip survived, what a device may hold above it did not. An ack above
    /// the tip falls to it, so that acks can be compared with cursors of any epoch. Returns the devices whose ack fell.
    pub fn enter_epoch(&mut self, epoch: QueueEpoch) -> Vec<DeviceId> {
        let header = &mut self.header;
        if epoch <= header.queue_epoch {
            return Vec::new();
        }
        let kept = u32::try_from(QUEUE_EPOCHS_KEPT).unwrap_or(u32::MAX);
        let first = header.queue_epoch.0.saturating_add(1).max(epoch.0.saturating_sub(kept - 1));
        if header.tip.0 > 0 {
            for entered in first..=epoch.0 {
                if header.epochs.len() >= QUEUE_EPOCHS_KEPT {
                    header.epochs.pop_front();
                }
                let lost = if tenon_base::planted!("keep-point-too-high") { 1000 } else { 0 };
                header.epochs.push_back((QueueEpoch(entered), Pts(header.tip.0 + lost)));
            }
        }
        header.queue_epoch = epoch;
        let tip = header.tip;
        let above = self.devices.values_mut().filter(|device| device.acked > tip);
        above
            .map(|device| {
                device.acked = tip;
                device.device
            })
            .collect()
    }

    /// Puts something into the queue under the next pts and updates the list line it is about.
    pub fn tell(&mut self, ts: Timestamp, item: &QueueItem) -> QueueEntry {
        match item {
            QueueItem::Ref { conv, rev, mode } => self.note_ref(*conv, *rev, *mode, ts),
            QueueItem::Inline(event) => self.note_inline(event, ts),
        }
        let header = &mut self.header;
        header.tip = header.tip.next();
        if tenon_base::planted!("pts-with-holes") && header.tip.0.is_multiple_of(16) {
            header.tip = header.tip.next();
        }
        header.floor = header.floor.max(Pts(header.tip.0.saturating_sub(QUEUE_ENTRIES_KEPT)));
        QueueEntry { pts: header.tip, ts, item: item.clone() }
    }

    fn note_ref(&mut self, conv: ConversationId, rev: Rev, mode: Mode, ts: Timestamp) {
        let line = self.lines.entry(conv).or_insert_with(|| ListLine::new(conv));
        let before = line.digest_term();
        line.rev = line.rev.max(rev);
        line.mode = mode;
        line.is_in = true;
        line.sort_ts = line.sort_ts.max(ts);
        let after = line.digest_term();
        self.header.swap_digest(before, after);
    }

    fn note_inline(&mut self, event: &Arc<UserEvent>, ts: Timestamp) {
        match event.as_ref() {
            UserEvent::ConversationAdded { item, .. } => {
                let conv = item.tip.conv;
                let line = self.lines.entry(conv).or_insert_with(|| ListLine::new(conv));
                let before = line.digest_term();
                line.rev = line.rev.max(item.tip.rev);
                line.mode = item.mode;
                line.is_in = true;
                line.sort_ts = line.sort_ts.max(ts);
                let after = line.digest_term();
                self.header.swap_digest(before, after);
            }
            UserEvent::ConversationRemoved { conv, .. } => {
                if let Some(line) = self.lines.get_mut(conv) {
                    let before = line.digest_term();
                    line.is_in = false;
                    self.header.swap_digest(before, 0);
                }
            }
            UserEvent::ReadMarked { conv, .. } => {
                if let Some(line) = self.lines.get_mut(conv) {
                    line.summary.marked_unread = false;
                }
            }
            UserEvent::Receipt { .. }
            | UserEvent::Mention { .. }
            | UserEvent::SummaryChanged { .. } => {}
        }
    }
}

impl UserHeader {
    const fn swap_digest(&mut self, before: u64, after: u64) {
        self.list_digest = self.list_digest.wrapping_sub(before).wrapping_add(after);
    }
}

impl ListLine {
    /// A line without settings.
    pub fn new(conv: ConversationId) -> Self {
        Self { summary: Summary { conv, ..Summary::default() }, ..Self::default() }
    }

    /// Its term in the list digest: queue-mode conversations the user is in.
    pub fn digest_term(&self) -> u64 {
        if self.is_in && self.mode == Mode::Queue && self.rev > Rev(0) {
            list_term(self.summary.conv.0, self.rev.0, 0)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::DeviceState;

    fn header(epoch: u32, tip: u64, floor: u64, epochs: &[(u32, u64)]) -> UserHeader {
        UserHeader {
            queue_epoch: QueueEpoch(epoch),
            tip: Pts(tip),
            floor: Pts(floor),
            epochs: epochs.iter().map(|(e, p)| (QueueEpoch(*e), Pts(*p))).collect(),
            ..UserHeader::default()
        }
    }

    /// The table of `docs/protocol.md`, Cursor, row by row.
    #[test]
    fn cursor_table_holds() {
        use CursorVerdict::{Continue, Rebase};
        let h = header(3, 100, 20, &[(2, 50), (3, 90)]);
        let check = |cursor: Option<(u32, u64)>, expect| {
            let cursor = cursor.map(|(e, p)| (QueueEpoch(e), Pts(p)));
            assert_eq!(h.judge_cursor(cursor, 70), expect, "{cursor:?}");
        };
        check(None, Rebase(1));
        check(Some((3, 100)), Continue(Pts(100)));
        check(Some((3, 30)), Continue(Pts(30)));
        check(Some((3, 29)), Rebase(4));
        check(Some((3, 19)), Rebase(3));
        check(Some((3, 101)), Rebase(5));
        check(Some((4, 1)), Rebase(5));
        check(Some((2, 90)), Continue(Pts(90)));
        check(Some((2, 91)), Rebase(2));
        check(Some((1, 50)), Continue(Pts(50)));
        check(Some((1, 51)), Rebase(2));
        check(Some((0, 1)), Rebase(2));
    }

    /// What was acked and is lost with the tail is no measure for a cursor of the new epoch.
    #[test]
    fn an_ack_above_the_surviving_tail_falls_to_it() {
        let mut user = User { header: header(1, 92, 0, &[]), ..User::default() };
        for (id, acked) in [(1, 95), (2, 92), (3, 40)] {
            let device = DeviceId(id);
            let state = DeviceState { device, acked: Pts(acked), ..DeviceState::default() };
            user.devices.insert(device, state);
        }
        assert_eq!(user.enter_epoch(QueueEpoch(2)), [DeviceId(1)]);
        let acked: Vec<u64> = user.devices.values().map(|d| d.acked.0).collect();
        assert_eq!(acked, [92, 92, 40]);
        assert!(user.enter_epoch(QueueEpoch(2)).is_empty());
    }

    /// pts is dense, the digest follows rev, leaving takes the term out.
    #[test]
    fn digest_follows_the_lines() {
        let mut user = User::default();
        let conv = ConversationId(7);
        for rev in 1..=3 {
            let item = QueueItem::Ref { conv, rev: Rev(rev), mode: Mode::Queue };
            assert_eq!(user.tell(Timestamp(rev), &item).pts, Pts(rev));
        }
        assert_eq!(user.header.list_digest, list_term(7, 3, 0));
        let gone = UserEvent::ConversationRemoved {
            conv,
            reason: 4,
            last_rev: Rev(3),
            by: tenon_base::UserId(1),
        };
        user.tell(Timestamp(4), &QueueItem::Inline(Arc::new(gone)));
        assert_eq!(user.header.list_digest, 0);
    }
}
