//! History: answered from verified intervals, else by a page.

use bytes::Bytes;
use prost::Message as _;
use tenon_wire::{ErrorCode, method, v1};

use super::ask::Purpose;
use super::conversation::Conversation;
use super::speech::{HistoryAnswer, HistoryWant};
use super::{Answer, Engine, Now};
use crate::store::StoreOp;

/// Rows of one page.
const LIMIT_MAX: u32 = tenon_base::limits::HISTORY_ROWS_MAX as u32;
/// A page that lost rows to newer changes is asked for again this often.
const TRIES_MAX: u32 = 3;

/// A page under way.
#[derive(Debug)]
pub(super) struct HistoryAsk {
    ticket: u64,
    want: HistoryWant,
    tries: u32,
}

impl Engine {
    pub(super) fn history(&mut self, ticket: u64, mut want: HistoryWant, _now: Now) {
        want.limit = want.limit.clamp(1, LIMIT_MAX);
        let local = self.conversations.get(&want.conv).and_then(|c| local_answer(c, &want));
        match local.filter(|_| self.config.keeps_rows) {
            Some(answer) => self.answer(ticket, Answer::History(Box::new(answer))),
            None => self.ask_history(HistoryAsk { ticket, want, tries: 0 }),
        }
    }

    fn ask_history(&mut self, ask: HistoryAsk) {
        let want = ask.want;
        let (mut min_rev, mut conv_epoch) = (0, 0);
        if let Some(c) = self.conversations.get_mut(&want.conv) {
            c.pages += 1;
            (min_rev, conv_epoch) = (c.row.rev, c.row.conv_epoch);
        }
        let body = v1::GetHistory {
            conv: want.conv,
            above_seq: want.above_seq,
            below_seq: want.below_seq,
            limit: want.limit,
            upward: want.is_upward,
            min_rev,
            conv_epoch,
        };
        self.ask(method::GET_HISTORY, body.encode_to_vec().into(), Purpose::History(ask));
    }

    pub(super) fn on_history_page(&mut self, ask: HistoryAsk, body: Bytes, now: Now) {
        let conv = ask.want.conv;
        let mut page = match v1::HistoryPage::decode(body) {
            Ok(page) if page.conv == conv || page.conv == 0 => page,
            _ => {
                let info = ErrorCode::BadMessage.info(0, "history page does not decode");
                self.history_refused(ask, &info);
                return;
            }
        };
        let taken = self.take_history(conv, &mut page, now);
        self.page_ended(conv);
        let is_stored = taken.is_some() && self.config.keeps_rows;
        let is_late = taken.is_some_and(|late| !late.is_empty());
        if is_late && ask.tries < TRIES_MAX {
            self.ask_history(HistoryAsk { tries: ask.tries + 1, ..ask });
            return;
        }
        let overlay = self.conversations.get(&conv).and_then(|c| c.row.overlay.clone());
        let has_range = page.lo_seq > 0 && page.lo_seq <= page.hi_seq;
        let answer = HistoryAnswer {
            conv,
            lo: if has_range { page.lo_seq } else { 1 },
            hi: if has_range { page.hi_seq } else { 0 },
            is_floor: page.floor,
            is_stable: page.stable,
            rows: if is_stored { Vec::new() } else { page.normal },
            privates: if is_stored { Vec::new() } else { page.private },
            overlay,
        };
        self.answer(ask.ticket, Answer::History(Box::new(answer)));
    }

    pub(super) fn history_refused(&mut self, ask: HistoryAsk, info: &v1::ErrorInfo) {
        self.page_ended(ask.want.conv);
        self.refuse(ask.ticket, info);
    }

    fn page_ended(&mut self, conv: u64) {
        if let Some(c) = self.conversations.get_mut(&conv) {
            c.pages = c.pages.saturating_sub(1);
            if c.pages == 0 {
                c.touched.clear();
            }
        }
    }

    /// Takes the rows of a page; gives the seqs whose row here is newer, which are taken out of page and interval.
    /// `None` if the page is not of a conversation as it is held here: it is shown, not kept.
    fn take_history(
        &mut self,
        conv: u64,
        page: &mut v1::HistoryPage,
        now: Now,
    ) -> Option<Vec<u64>> {
        let keeps_rows = self.config.keeps_rows;
        let c = self.conversations.get_mut(&conv)?;
        if page.conv_epoch != c.row.conv_epoch {
            c.row.epoch_known = c.row.epoch_known.max(page.conv_epoch);
            self.dirty(conv);
            self.note_debt_soon(conv, now);
            page.stable = false;
            return None;
        }
        let is_late = |row: &v1::MessageRow| {
            c.touched.get(&row.seq).is_some_and(|ver| *ver > row.ver)
                && !tenon_base::planted!("no-touched-check")
        };
        let late: Vec<u64> = page.normal.iter().filter(|r| is_late(r)).map(|r| r.seq).collect();
        page.normal.retain(|row| !late.contains(&row.seq));
        c.row.known = c.row.known.max(page.as_of_rev);
        c.row.inbox_known = c.row.inbox_known.max(page.overlay_ver);
        if page.floor && page.stable && page.lo_seq > 0 {
            c.row.floor_seq = c.row.floor_seq.max(page.lo_seq - 1);
        }
        if keeps_rows && page.stable {
            c.intervals.add(page.lo_seq, page.hi_seq, page.as_of_rev, c.row.break_rev);
            late.iter().for_each(|&seq| c.intervals.cut(seq, seq));
            self.tx.pending.intervals.insert(conv);
        }
        self.dirty(conv);
        for gone in page.gone.iter().filter(|_| keeps_rows) {
            self.tx.pending.ops.push(StoreOp::Gone { conv, lo: gone.lo, hi: gone.hi });
        }
        for row in page.normal.iter().filter(|_| keeps_rows) {
            self.put_row(conv, row.clone());
        }
        for private in page.private.clone() {
            self.put_private(conv, private);
        }
        self.note_debt_soon(conv, now);
        Some(late)
    }
}

/// The answer, if every wanted row is verified here.
fn local_answer(c: &Conversation, want: &HistoryWant) -> Option<HistoryAnswer> {
    let row = &c.row;
    let answer = |lo: u64, hi: u64| HistoryAnswer {
        conv: row.conv,
        lo,
        hi,
        is_floor: lo <= row.floor_seq.saturating_add(1),
        is_stable: true,
        overlay: row.overlay.clone(),
        ..HistoryAnswer::default()
    };
    let is_open = want.below_seq == 0 || want.below_seq > row.tip_seq;
    if is_open && c.owes() {
        return None;
    }
    let top = if is_open { row.tip_seq } else { want.below_seq - 1 };
    let bottom = want.above_seq.max(row.floor_seq).saturating_add(1);
    if bottom > top {
        return Some(HistoryAnswer {
            is_floor: top <= row.floor_seq,
            lo: 1,
            hi: 0,
            ..answer(1, 0)
        });
    }
    let limit = u64::from(want.limit);
    if want.is_upward {
        let hi = c.intervals.reach_up(bottom, row.break_rev)?.min(top);
        let enough = bottom.saturating_add(limit - 1);
        return (hi >= enough.min(top)).then(|| answer(bottom, hi.min(enough)));
    }
    let lo = c.intervals.reach_down(top, row.break_rev)?.max(bottom);
    let enough = top.saturating_sub(limit - 1);
    (lo <= enough.max(bottom)).then(|| answer(lo.max(enough), top))
}
