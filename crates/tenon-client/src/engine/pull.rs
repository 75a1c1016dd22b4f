//! Debts: what was heard of and is not held, and the pulls that pay it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tenon_base::{Deadline, digest};
use tenon_wire::{method, v1};

use super::ask::Purpose;
use super::backoff::between;
use super::conversation::ItemSource;
use super::{Engine, Now};
use crate::row::{ConvState, EventWhat, Jumped};
use crate::store::StoreOp;

/// Conversations in one request.
const WANTS_MAX: usize = 50;
/// Conversations that are pulled at the same time: four requests.
const OPEN_MAX: usize = 4 * WANTS_MAX;
/// Lines asked for in one request.
const ITEMS_MAX: usize = 100;
/// Events of one answer.
const EVENTS_MAX: u32 = 500;
/// Pulls without progress before a pause.
const STUCK_MAX: u32 = 3;
/// That pause, and the least time between two repairs of the list digest.
const PAUSE: Duration = Duration::from_secs(60);

/// Who owes, and when the next pull may leave.
#[derive(Debug, Default)]
pub(super) struct Debts {
    pub(super) owing: BTreeSet<u64>,
    pub(super) at: Option<Deadline>,
    open: BTreeSet<u64>,
    /// Stubs whose line is wanted.
    items: BTreeSet<u64>,
    digest_at: Option<Deadline>,
}

impl Engine {
    /// Brings the debt of a conversation up to date.
    pub(super) fn note_debt(&mut self, conv: u64) {
        let Some(c) = self.conversations.get(&conv) else { return };
        let wants_item =
            (c.row.state() == ConvState::Stub && c.row.meta.is_none()) || c.pull.is_reset;
        if wants_item {
            self.debts.items.insert(conv);
        } else {
            self.debts.items.remove(&conv);
        }
        if !c.owes() {
            self.debts.owing.remove(&conv);
        } else {
            self.debts.owing.insert(conv);
        }
        let waits = self.debts.items.contains(&conv) || self.debts.owing.contains(&conv);
        if waits && !self.debts.open.contains(&conv) && self.debts.at.is_none() {
            self.debts.at = Some(Deadline(0));
        }
    }

    /// The same, with a random wait before the pull.
    pub(super) fn note_debt_soon(&mut self, conv: u64, now: Now) {
        if self.debts.at.is_none() {
            let wait = between(self.random.as_ref(), Duration::ZERO, self.config.pull_jitter);
            self.debts.at = Some(now.mono.plus(wait));
        }
        self.note_debt(conv);
    }

    pub(super) fn debts_link_up(&mut self, now: Now) {
        if self.debts.at.is_none() {
            let wait = between(self.random.as_ref(), Duration::ZERO, self.config.pull_jitter);
            self.debts.at = Some(now.mono.plus(wait));
        }
    }

    pub(super) fn debts_link_down(&mut self) {
        self.debts.open.clear();
        self.debts.at = None;
    }

    /// Asks for what is owed, as far as it may be asked for now.
    pub(super) fn pull(&mut self, now: Now) {
        self.debts.at = None;
        if !self.link.is_live() || self.streams.values().any(|s| s.is_rebasing) {
            return;
        }
        self.pull_items();
        let mut wants = Vec::new();
        let mut next: Option<Deadline> = None;
        for conv in self.debts.owing.clone() {
            let Some(c) = self.conversations.get_mut(&conv) else { continue };
            if self.debts.open.contains(&conv) {
                continue;
            }
            if let Some(at) = c.pull.not_before.filter(|at| *at > now.mono) {
                next = next.into_iter().chain([at]).min();
                continue;
            }
            if self.debts.open.len() >= OPEN_MAX {
                break;
            }
            self.debts.open.insert(conv);
            let row = &c.row;
            if row.known > row.rev || row.epoch_known > row.conv_epoch {
                wants.push((row.sort_ts, conv, c.pull.is_alone));
            } else {
                let since = row.over;
                self.pull_inbox(conv, since);
            }
        }
        self.debts.at = next;
        wants.sort_by_key(|&(sort_ts, conv, _)| (std::cmp::Reverse(sort_ts), conv));
        let (alone, together): (Vec<_>, Vec<_>) = wants.iter().partition(|(.., alone)| *alone);
        for (_, conv, _) in alone {
            self.pull_diffs(&[conv]);
        }
        let together: Vec<u64> = together.into_iter().map(|(_, conv, _)| conv).collect();
        for convs in together.chunks(WANTS_MAX) {
            self.pull_diffs(convs);
        }
    }

    fn pull_diffs(&mut self, convs: &[u64]) {
        let want = |conv: &u64| {
            let row = &self.conversations.get(conv)?.row;
            Some(v1::GetConvDiff {
                conv: *conv,
                conv_epoch: row.conv_epoch,
                since_rev: row.rev,
                limit: EVENTS_MAX,
                only: 0,
            })
        };
        let wants: Vec<_> = convs.iter().filter_map(want).collect();
        let (method, body) = match wants.as_slice() {
            [] => return,
            [one] => (method::GET_CONV_DIFF, one.encode_to_vec()),
            _ => (method::GET_CONV_DIFFS, v1::GetConvDiffs { wants }.encode_to_vec()),
        };
        self.ask(method, body.into(), Purpose::Diffs(convs.to_vec()));
    }

    fn pull_items(&mut self) {
        let convs: Vec<u64> = std::mem::take(&mut self.debts.items).into_iter().collect();
        for convs in convs.chunks(ITEMS_MAX) {
            let body = v1::GetConvItems { convs: convs.to_vec(), tips_only: false };
            let purpose = Purpose::Items(convs.to_vec());
            self.ask(method::GET_CONV_ITEMS, body.encode_to_vec().into(), purpose);
        }
    }

    pub(super) fn on_items(&mut self, convs: &[u64], body: Bytes, now: Now) {
        let Ok(items) = v1::ConvItems::decode(body) else { return };
        for item in items.items {
            self.take_item(item, ItemSource::Asked, now);
        }
        self.on_tips(&items.tips, now);
        for conv in items.absent.iter().filter(|conv| convs.contains(conv)) {
            self.told_absent(*conv);
        }
    }

    /// A pull is over. Three in a row that brought nothing mean a pause.
    pub(super) fn pull_ended(&mut self, conv: u64, is_forward: bool, now: Now) {
        self.debts.open.remove(&conv);
        if let Some(c) = self.conversations.get_mut(&conv) {
            c.pull.stuck = if is_forward { 0 } else { c.pull.stuck + 1 };
            if c.pull.stuck >= STUCK_MAX {
                c.pull.stuck = 0;
                c.pull.not_before = Some(now.mono.plus(PAUSE));
            }
        }
        self.note_debt(conv);
    }

    /// A pull of several failed as a whole: ask for each alone.
    pub(super) fn pull_alone(&mut self, convs: &[u64], now: Now) {
        for &conv in convs {
            if let Some(c) = self.conversations.get_mut(&conv) {
                c.pull.is_alone = true;
            }
            self.pull_ended(conv, false, now);
        }
    }

    pub(super) fn on_diffs(&mut self, convs: &[u64], asked: u32, body: Bytes, now: Now) {
        let answers = if asked == method::GET_CONV_DIFF {
            v1::ConvDiffAnswer::decode(body).map(|answer| vec![answer])
        } else {
            v1::ConvDiffAnswers::decode(body).map(|answers| answers.answers)
        };
        let mut answers = answers.unwrap_or_default().into_iter();
        let any = answers.len() > 0;
        for &conv in convs {
            let is_forward = match answers.next() {
                Some(answer) => self.on_diff_answer(conv, answer, now),
                None => any,
            };
            self.pull_ended(conv, is_forward, now);
        }
    }

    /// True if the answer brought the conversation forward.
    fn on_diff_answer(&mut self, conv: u64, answer: v1::ConvDiffAnswer, now: Now) -> bool {
        use v1::conv_diff_answer::What;
        let place = |e: &Self| {
            let row = e.conversations.get(&conv).map(|c| (c.row.rev, c.row.conv_epoch, c.owes()));
            row.unwrap_or_default()
        };
        let before = place(self);
        match answer.what {
            Some(What::Diff(diff)) if diff.conv == conv => self.on_diff(diff, now),
            Some(What::TooLong(too_long)) => self.on_too_long(conv, too_long, now),
            Some(What::Reset(reset)) if reset.conv == conv => self.on_reset(&reset, now),
            None => self.told_absent(conv),
            Some(_) => return false,
        }
        place(self) != before
    }

    /// A difference, asked for or pushed.
    pub(super) fn on_diff(&mut self, diff: v1::ConvDiff, now: Now) {
        let conv = diff.conv;
        let generation = self.generation();
        let c = self.conversation_mut(conv);
        c.row.generation = generation;
        let row = &mut c.row;
        if diff.conv_epoch < row.conv_epoch {
            return;
        }
        if diff.conv_epoch > row.conv_epoch {
            row.epoch_known = row.epoch_known.max(diff.conv_epoch);
            self.note_debt_soon(conv, now);
            return;
        }
        row.known = row.known.max(diff.tip_rev).max(diff.to_rev);
        if diff.from_rev > row.rev {
            self.note_debt_soon(conv, now);
            return;
        }
        row.tip_seq = row.tip_seq.max(diff.tip_seq);
        row.tip_cnt = row.tip_cnt.max(diff.tip_cnt);
        for mut event in diff.events {
            let held = self.conversation_mut(conv).row.rev;
            if event.rev <= held || event.rev > diff.to_rev {
                continue;
            }
            event.conv = conv;
            event.pts = 0;
            // The answer covers everything up to here: what is missing in between is not for this user.
            self.conversation_mut(conv).row.rev = event.rev - 1;
            self.settle_by_event(&event, now);
            self.apply_rev(event, now);
        }
        let row = &mut self.conversation_mut(conv).row;
        row.rev = row.rev.max(diff.to_rev);
        self.note_debt_soon(conv, now);
    }

    fn on_too_long(&mut self, conv: u64, too_long: v1::ConvTooLong, now: Now) {
        let Some(mut item) = too_long.item else {
            self.told_absent(conv);
            return;
        };
        item.conv = conv;
        let (tip_rev, tip_seq) = (item.tip_rev, item.tip_seq);
        self.take_item(item, ItemSource::TooLong, now);
        let lo = too_long.last.first().map_or(0, |row| row.seq);
        for row in too_long.last {
            self.put_row(conv, row);
        }
        if self.config.keeps_rows && lo > 0 {
            let c = self.conversation_mut(conv);
            c.intervals.add(lo, tip_seq, tip_rev, c.row.break_rev);
            self.tx.pending.intervals.insert(conv);
        }
    }

    /// The conversation lost its tail: rows are dropped and fetched again.
    fn on_reset(&mut self, reset: &v1::ConvReset, now: Now) {
        let conv = reset.conv;
        let c = self.conversation_mut(conv);
        if reset.conv_epoch <= c.row.conv_epoch {
            return;
        }
        let from_rev = c.row.rev;
        c.row.conv_epoch = reset.conv_epoch;
        c.row.epoch_known = c.row.epoch_known.max(reset.conv_epoch);
        c.row.rev = c.row.rev.min(reset.valid_to_rev);
        c.row.known = c.row.rev;
        c.row.break_rev = reset.valid_to_rev;
        c.row.tip_seq = c.row.tip_seq.min(reset.valid_to_seq);
        let to_rev = c.row.rev;
        c.intervals.clear();
        c.pull.is_reset = true;
        self.tx.pending.intervals.insert(conv);
        self.tx.pending.ops.push(StoreOp::Gone { conv, lo: 1, hi: u64::MAX });
        self.tell(EventWhat::Jumped(Jumped { conv, from_rev, to_rev }));
        self.note_debt_soon(conv, now);
    }

    /// Compares the server's digest of the list with what is known here.
    pub(super) fn on_list_digest(&mut self, server: u64, pts: u64, now: Now) {
        let is_comparable = pts > 0
            && self.streams.values().all(|s| s.row.pts == pts && !s.is_paging())
            && self.debts.digest_at.is_none_or(|at| at <= now.mono);
        if !is_comparable || tenon_base::planted!("no-digest") {
            return;
        }
        let is_queue = |c: &&super::Conversation| {
            let pull = v1::Mode::Pull as i32;
            c.row.state() == ConvState::Joined && c.row.meta.as_ref().is_none_or(|m| m.mode != pull)
        };
        let terms = self.conversations.values().filter(is_queue);
        let own = terms.fold(0_u64, |sum, c| {
            sum.wrapping_add(digest::list_term(c.row.conv, c.row.known, c.row.conv_epoch))
        });
        if own == server {
            return;
        }
        self.debts.digest_at = Some(now.mono.plus(PAUSE));
        let joined = self.conversations.values().filter(|c| c.row.state() == ConvState::Joined);
        let convs: Vec<u64> = joined.map(|c| c.row.conv).collect();
        for convs in convs.chunks(ITEMS_MAX) {
            let body = v1::GetConvItems { convs: convs.to_vec(), tips_only: true };
            self.ask(method::GET_CONV_ITEMS, body.encode_to_vec().into(), Purpose::Tips);
        }
    }

    pub(super) fn on_digest_tips(&mut self, body: Bytes, now: Now) {
        if let Ok(items) = v1::ConvItems::decode(body) {
            self.on_tips(&items.tips, now);
        }
    }
}
