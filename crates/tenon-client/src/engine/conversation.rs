//! One conversation as the device holds it: positions, list line, unread.

use std::collections::BTreeMap;

use tenon_base::Deadline;
use tenon_wire::v1;

use super::interval::IntervalSet;
use super::{Engine, ListLine, Now};
use crate::row::{ConvState, ConversationRow, EventWhat, Jumped};
use crate::store::StoreOp;

/// A list line ahead by at most this many revs is left as a debt: the events are told one by one.
const SMALL_GAP: u64 = 50;

/// The row, its intervals, and what is only needed while the engine runs.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) row: ConversationRow,
    pub(super) intervals: IntervalSet,
    /// Versions applied while a history page is under way.
    pub(super) touched: BTreeMap<u64, u64>,
    /// History pages under way.
    pub(super) pages: u32,
    pub(super) pull: PullState,
}

/// How the pulls of a conversation go.
#[derive(Debug, Default)]
pub(super) struct PullState {
    /// Asked alone, since it failed together with others.
    pub(super) is_alone: bool,
    /// Its tail was lost: tips come from the next line.
    pub(super) is_reset: bool,
    /// Which of all turns was the last one here; 0 = none in this life.
    pub(super) turned: u64,
    pub(super) stuck: u32,
    pub(super) not_before: Option<Deadline>,
}

/// Where a list line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemSource {
    /// A page of a Rebase.
    List,
    /// The user became a member.
    Added,
    /// Asked for.
    Asked,
    /// In place of a difference that was too long.
    TooLong,
}

impl Conversation {
    pub(super) fn stored(row: ConversationRow) -> Self {
        Self {
            row,
            intervals: IntervalSet::default(),
            touched: BTreeMap::new(),
            pages: 0,
            pull: PullState::default(),
        }
    }

    pub(super) fn stub(conv: u64) -> Self {
        Self::stored(ConversationRow { conv, next_cid: 1, ..ConversationRow::default() })
    }

    pub(super) fn owes(&self) -> bool {
        self.row.state() != ConvState::Left
            && (self.row.known > self.row.rev
                || self.row.epoch_known > self.row.conv_epoch
                || self.row.inbox_known > self.row.over)
    }

    /// Exact, computed, never counted up.
    pub(super) fn unread(&self) -> u64 {
        let row = &self.row;
        let read_cnt = if tenon_base::planted!("mark-not-counted") { 0 } else { row.read_cnt };
        let normal = row
            .tip_cnt
            .saturating_sub(read_cnt.max(row.floor_cnt))
            .saturating_sub(u64::from(row.own_auto));
        normal + row.tip_pcnt.saturating_sub(row.read_pcnt)
    }

    pub(super) fn line(&self) -> Option<ListLine> {
        (self.row.state() == ConvState::Joined).then(|| self.any_line())
    }

    pub(super) fn any_line(&self) -> ListLine {
        let row = &self.row;
        ListLine {
            conv: row.conv,
            meta: row.meta.clone(),
            summary: row.summary.clone(),
            unread: self.unread(),
            tip_seq: row.tip_seq,
            rev: row.rev,
            known: row.known,
            read_seq: row.read_seq,
            peer_read_seq: row.peer_read_seq,
            mention_seq: row.mention_seq,
            sort_ts: row.sort_ts,
            floor_seq: row.floor_seq,
            overlay: row.overlay.clone(),
        }
    }

    /// Takes a read state by maximum.
    pub(super) fn take_read(&mut self, read: &v1::ReadState) {
        let row = &mut self.row;
        row.read_seq = row.read_seq.max(read.read_seq);
        row.read_cnt = row.read_cnt.max(read.read_cnt);
        row.read_pcnt = row.read_pcnt.max(read.read_pcnt);
    }

    pub(super) fn take_summary(&mut self, summary: v1::Summary) {
        if self.row.summary.as_ref().is_none_or(|held| summary.ver > held.ver) {
            self.row.summary = Some(summary);
        }
    }

    fn take_meta(&mut self, meta: v1::ConvMeta) {
        if self.row.meta.as_ref().is_none_or(|held| meta.ver >= held.ver) {
            self.row.meta = Some(meta);
        }
    }

    /// A change of `seq` to `ver` was applied: a page that is under way may be older.
    pub(super) fn touch(&mut self, seq: u64, ver: u64) {
        if self.pages > 0 {
            let held = self.touched.entry(seq).or_default();
            *held = (*held).max(ver);
        }
    }

    /// Takes the plain fields of a list line.
    fn take_fields(&mut self, item: &mut v1::ConvItem) {
        if let Some(read) = &item.read {
            self.take_read(read);
        }
        if let Some(summary) = item.summary.take() {
            self.take_summary(summary);
        }
        if let Some(meta) = item.meta.take() {
            self.take_meta(meta);
        }
        let row = &mut self.row;
        row.set_state(ConvState::Joined);
        row.known = row.known.max(item.tip_rev);
        row.tip_seq = row.tip_seq.max(item.tip_seq);
        row.tip_cnt = row.tip_cnt.max(item.tip_cnt);
        row.floor_seq = row.floor_seq.max(item.floor_seq);
        row.floor_cnt = row.floor_cnt.max(item.floor_cnt);
        row.tip_pcnt = row.tip_pcnt.max(item.tip_pcnt);
        row.mention_seq = row.mention_seq.max(item.mention_seq);
        row.peer_read_seq = row.peer_read_seq.max(item.peer_read_seq);
        row.sort_ts = row.sort_ts.max(item.sort_ts);
        row.own_auto = item.own_auto_count;
        row.role = item.role;
        row.join_rev = item.join_rev;
        if item.overlay_ver > row.over {
            if self.intervals.is_empty() {
                row.over = item.overlay_ver;
                row.inbox_known = row.inbox_known.max(row.over);
            } else {
                row.inbox_known = row.inbox_known.max(item.overlay_ver);
            }
        }
    }

    /// The rev to fold from after a list line at `tip`: the present one if the gap may be told event by event.
    fn landing(&self, tip: u64, source: ItemSource) -> u64 {
        let row = &self.row;
        let is_small = |from: u64| tip.saturating_sub(from) <= SMALL_GAP;
        let lands_on_join = row.rev == 0 && row.join_rev > 0;
        match source {
            ItemSource::TooLong => tip,
            ItemSource::List if self.intervals.is_empty() || !is_small(row.rev) => tip,
            ItemSource::List => row.rev,
            // Never above the tip, whatever the line says: what lies there is not known.
            _ if lands_on_join && is_small(row.join_rev - 1) => (row.join_rev - 1).min(tip),
            _ if is_small(row.rev) => row.rev,
            _ => tip,
        }
    }
}

impl Engine {
    /// The conversation, as a stub if it was not known.
    pub(super) fn conversation_mut(&mut self, conv: u64) -> &mut Conversation {
        self.tx.pending.conversations.insert(conv);
        self.conversations.entry(conv).or_insert_with(|| Conversation::stub(conv))
    }

    /// Takes a list line that is consistent at its `tip_rev`. One that the user's leaving has overtaken does not bring it back.
    pub(super) fn take_item(&mut self, mut item: v1::ConvItem, source: ItemSource, now: Now) {
        let conv = item.conv;
        if conv == 0 {
            return;
        }
        let keeps_rows = self.config.keeps_rows;
        let generation = self.generation();
        self.asks.turns += u64::from(source == ItemSource::Added);
        let (turns, asked_at) = (self.asks.turns, self.asks.asked_at);
        let c = self.conversation_mut(conv);
        // The notice of the Rebase covers a line, unless events of it were told since.
        let is_told = source != ItemSource::List || c.row.generation == generation;
        let was_left = c.row.state() == ConvState::Left;
        let is_overtaken = c.pull.turned > asked_at;
        if was_left && is_overtaken && source != ItemSource::Added {
            return;
        }
        if item.conv_epoch < c.row.conv_epoch {
            return;
        }
        if item.conv_epoch > c.row.conv_epoch && c.row.rev > 0 {
            c.row.epoch_known = c.row.epoch_known.max(item.conv_epoch);
            self.note_debt_soon(conv, now);
            return;
        }
        c.row.conv_epoch = item.conv_epoch;
        c.row.epoch_known = c.row.epoch_known.max(item.conv_epoch);
        if was_left && source == ItemSource::Added {
            c.row.rev = 0;
        }
        c.pull.is_reset = false;
        if source == ItemSource::Added {
            c.pull.turned = turns;
        }
        c.take_fields(&mut item);
        let from_rev = c.row.rev;
        let tip = item.tip_rev;
        let landing = if tip > from_rev { c.landing(tip, source).max(from_rev) } else { from_rev };
        if landing > from_rev {
            c.row.rev = landing;
            c.row.break_rev = landing;
        }
        if let Some(last) = item.last.take().filter(|last| last.seq > 0) {
            let seq = last.seq;
            if keeps_rows {
                if c.intervals.around(seq, c.row.break_rev).is_none() {
                    c.intervals.add(seq, seq, tip, c.row.break_rev);
                }
                self.tx.pending.intervals.insert(conv);
                self.put_row(conv, last);
            }
        }
        if let Some(private) = item.last_private.take() {
            self.put_private(conv, private);
        }
        if landing == tip && tip > from_rev && is_told && from_rev > 0 {
            let jumped = Jumped { conv, from_rev, to_rev: tip };
            self.tell(EventWhat::Jumped(jumped));
        }
        self.note_debt_soon(conv, now);
    }

    /// A tip: how far a conversation is known to reach.
    pub(super) fn on_tips(&mut self, tips: &[v1::ConvTip], now: Now) {
        for tip in tips.iter().filter(|tip| tip.conv != 0) {
            let c = self.conversation_mut(tip.conv);
            let row = &mut c.row;
            if tip.conv_epoch > row.conv_epoch {
                row.epoch_known = row.epoch_known.max(tip.conv_epoch);
            } else if tip.conv_epoch == row.conv_epoch {
                row.known = row.known.max(tip.rev);
                row.tip_seq = row.tip_seq.max(tip.seq);
                row.tip_cnt = row.tip_cnt.max(tip.cnt);
                row.mention_seq = row.mention_seq.max(tip.mention_all_seq);
            }
            self.note_debt_soon(tip.conv, now);
        }
    }

    /// An answer says that the user is out. It is true of the time of the question: one that a joining has overtaken is not.
    pub(super) fn told_absent(&mut self, conv: u64) {
        let turned = self.conversations.get(&conv).map_or(0, |c| c.pull.turned);
        if turned <= self.asks.asked_at {
            self.leave(conv);
        }
    }

    /// The user is no member any more: nothing is owed.
    pub(super) fn leave(&mut self, conv: u64) {
        self.asks.turns += 1;
        let turned = self.asks.turns;
        let c = self.conversation_mut(conv);
        c.pull.turned = turned;
        c.row.set_state(ConvState::Left);
        c.row.known = c.row.rev;
        c.row.epoch_known = c.row.conv_epoch;
        c.row.inbox_known = c.row.over;
        self.note_debt(conv);
    }

    /// Stores a message row; the store keeps the newer version.
    pub(super) fn put_row(&mut self, conv: u64, mut row: v1::MessageRow) {
        if self.config.keeps_rows && row.seq > 0 {
            // An undecoded body would hold the whole frame it came in.
            row.body = bytes::Bytes::copy_from_slice(&row.body);
            self.tx.pending.ops.push(StoreOp::Message(conv, Box::new(row)));
        }
    }

    pub(super) fn put_private(&mut self, conv: u64, mut private: v1::PrivateMessage) {
        if let Some(message) = &mut private.message {
            message.body = bytes::Bytes::copy_from_slice(&message.body);
        }
        let c = self.conversation_mut(conv);
        c.row.tip_pcnt = c.row.tip_pcnt.max(private.pcnt);
        if self.config.keeps_rows {
            self.tx.pending.ops.push(StoreOp::Private(conv, Box::new(private)));
        }
    }
}
