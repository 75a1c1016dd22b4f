//! Rebase: the list instead of the queue.

use bytes::Bytes;
use prost::Message as _;
use tenon_wire::{ErrorCode, method, v1};

use super::ask::Purpose;
use super::conversation::ItemSource;
use super::stream::Stream;
use super::{AppEvent, Engine, Now};
use crate::row::{ConvState, EventWhat, RebaseRow, Rebased};

/// Lines of the first page, if it did not come with the order.
const FIRST_PAGE: u32 = 20;
/// Lines of a further page.
const PAGE: u32 = 100;

impl Engine {
    /// The order. Until its first page is taken the old cursor stands and batches are dropped.
    pub(super) fn on_rebase(&mut self, mut rebase: v1::Rebase, now: Now) {
        let unit = rebase.unit;
        let stream = self.streams.entry(unit).or_insert_with(|| Stream::new(unit));
        stream.is_rebasing = true;
        if let Some(page) = rebase.first.take() {
            self.asks.asked_at = self.asks.turns;
            self.land(&rebase, page, now);
            return;
        }
        let token = rebase.token.clone();
        stream.asked = Some(Box::new(rebase));
        self.ask_page(unit, token, FIRST_PAGE);
    }

    /// A link came up while pages were still to be read.
    pub(super) fn rebase_goes_on(&mut self, _now: Now) {
        let paging = self.streams.values().filter(|s| !s.is_rebasing);
        let paging = paging.filter_map(|s| Some((s.row.unit, s.row.rebase.as_ref()?.next.clone())));
        for (unit, next) in paging.collect::<Vec<_>>() {
            self.ask_page(unit, next, PAGE);
        }
    }

    fn ask_page(&mut self, unit: u32, token: Bytes, limit: u32) {
        let body = v1::GetConvList { token, limit, unit, ..v1::GetConvList::default() };
        self.ask(method::GET_CONV_LIST, body.encode_to_vec().into(), Purpose::List(unit));
    }

    pub(super) fn on_list_page(&mut self, unit: u32, body: Bytes, now: Now) {
        let Some(stream) = self.streams.get_mut(&unit) else { return };
        let Ok(page) = v1::ConvListPage::decode(body) else { return };
        if let Some(rebase) = stream.asked.take() {
            self.land(&rebase, page, now);
        } else if stream.row.rebase.is_some() && !stream.is_rebasing {
            self.take_page(unit, page, now);
        }
    }

    /// The first page: cursor and lines in one transaction, then the stream from there.
    fn land(&mut self, rebase: &v1::Rebase, page: v1::ConvListPage, now: Now) {
        let unit = rebase.unit;
        let Some(stream) = self.streams.get_mut(&unit) else { return };
        stream.is_rebasing = false;
        stream.has_cursor = true;
        stream.row.queue_epoch = rebase.queue_epoch;
        stream.row.pts = rebase.tip_pts;
        stream.row.rebase_reason = rebase.reason;
        stream.row.generation += 1;
        stream.row.rebase = Some(RebaseRow {
            p0: rebase.tip_pts,
            token: Bytes::copy_from_slice(&rebase.token),
            next: Bytes::copy_from_slice(&rebase.token),
        });
        self.tell(EventWhat::Rebased(Rebased { unit, reason: rebase.reason }));
        self.take_page(unit, page, now);
        self.subscribe(unit);
        self.debts_link_up(now);
    }

    /// Lines and the place of the next page in one transaction.
    fn take_page(&mut self, unit: u32, page: v1::ConvListPage, now: Now) {
        let generation = self.generation();
        for item in page.items {
            let conv = item.conv;
            self.take_item(item, ItemSource::List, now);
            if let Some(c) = self.conversations.get_mut(&conv) {
                c.row.generation = generation;
            }
        }
        let Some(stream) = self.streams.get_mut(&unit) else { return };
        self.tx.pending.streams.insert(unit);
        if page.done || page.next.is_empty() {
            stream.row.rebase = None;
            self.finish(unit, generation, now);
            return;
        }
        if let Some(row) = &mut stream.row.rebase {
            row.next = Bytes::copy_from_slice(&page.next);
        }
        self.ask_page(unit, page.next, PAGE);
    }

    /// Every page is read: what none of them showed is left, and commands without outcome are looked up.
    fn finish(&mut self, unit: u32, generation: u64, now: Now) {
        let is_gone = |c: &&super::Conversation| {
            let of_unit = c.row.meta.as_ref().is_none_or(|m| m.unit == unit || m.unit == 0);
            of_unit && c.row.generation < generation && c.row.state() == ConvState::Joined
        };
        let gone = self.conversations.values().filter(is_gone).map(|c| c.row.conv);
        for conv in gone.collect::<Vec<_>>() {
            self.leave(conv);
        }
        self.look_up_unsettled(now);
        self.event(AppEvent::ListComplete);
    }

    pub(super) fn list_refused(&mut self, unit: u32, info: &v1::ErrorInfo, now: Now) {
        let Some(stream) = self.streams.get_mut(&unit) else { return };
        let is_expired = info.code == ErrorCode::TokenExpired.number();
        if is_expired && stream.row.rebase.is_some() && !stream.is_rebasing {
            if let Some(row) = &mut stream.row.rebase {
                row.next = Bytes::new();
            }
            self.tx.pending.streams.insert(unit);
            self.ask_page(unit, Bytes::new(), PAGE);
        } else {
            self.lost(info.code, "the list can not be read".into(), Some(1_000), now);
        }
    }
}
