//! Private messages and overlays: the rows that only this user has in a conversation.

use bytes::Bytes;
use prost::Message as _;
use tenon_wire::{event_type, method, v1};

use super::ask::Purpose;
use super::{Engine, Now};
use crate::row::EventWhat;

/// Rows of one page.
const PAGE: u32 = 500;

impl Engine {
    /// The rule of overlay versions: like revs, per (conversation, user).
    pub(super) fn apply_overlay(&mut self, event: v1::SyncEvent, now: Now) {
        let conv = event.conv;
        let row = &mut self.conversation_mut(conv).row;
        if event.overlay_ver <= row.over {
            return;
        }
        row.inbox_known = row.inbox_known.max(event.overlay_ver);
        if event.overlay_ver > row.over + 1 {
            self.note_debt_soon(conv, now);
            return;
        }
        row.over = event.overlay_ver;
        match event.r#type {
            event_type::PRIVATE_MESSAGE | event_type::PRIVATE_CHANGED => {
                let body = v1::PrivateChanged::decode(event.body.clone());
                if let Some(mut private) = body.ok().and_then(|b| b.private) {
                    if let Some(message) = &mut private.message {
                        message.ver = message.ver.max(event.overlay_ver);
                    }
                    self.put_private(conv, private);
                }
            }
            event_type::OVERLAY_CHANGED => {
                let body = v1::OverlayChanged::decode(event.body.clone());
                if let Some(overlay) = body.ok().and_then(|b| b.overlay) {
                    self.take_overlay(conv, &overlay);
                }
            }
            _ => {}
        }
        self.tell(EventWhat::Sync(event));
        self.note_debt(conv);
    }

    /// Joins deleted ranges; what was cleared rises only.
    fn take_overlay(&mut self, conv: u64, new: &v1::Overlay) {
        let row = &mut self.conversation_mut(conv).row;
        let held = row.overlay.get_or_insert_default();
        for range in &new.deleted_seqs {
            join(&mut held.deleted_seqs, *range);
        }
        for pid in &new.deleted_pids {
            if let Err(at) = held.deleted_pids.binary_search(pid) {
                held.deleted_pids.insert(at, *pid);
            }
        }
        held.cleared_to_seq = held.cleared_to_seq.max(new.cleared_to_seq);
        held.cleared_to_cnt = held.cleared_to_cnt.max(new.cleared_to_cnt);
        row.floor_seq = row.floor_seq.max(new.cleared_to_seq);
        row.floor_cnt = row.floor_cnt.max(new.cleared_to_cnt);
    }

    /// Asks for the private rows that are owed.
    pub(super) fn pull_inbox(&mut self, conv: u64, since_ver: u64) {
        let body = v1::GetInbox { conv, since_ver, limit: PAGE }.encode_to_vec().into();
        self.ask(method::GET_INBOX, body, Purpose::Inbox(conv));
    }

    pub(super) fn on_inbox_page(&mut self, conv: u64, body: Bytes, now: Now) {
        let Ok(page) = v1::InboxPage::decode(body) else {
            self.pull_ended(conv, false, now);
            return;
        };
        let before = self.conversation_mut(conv).row.over;
        for row in page.rows.into_iter().filter(|row| row.overlay_ver > before) {
            if let Some(private) = row.private {
                self.put_private(conv, private);
            }
            if let Some(overlay) = row.overlay {
                self.take_overlay(conv, &overlay);
            }
        }
        let c = self.conversation_mut(conv);
        c.row.over = c.row.over.max(page.to_ver);
        c.row.tip_pcnt = c.row.tip_pcnt.max(page.tip_pcnt);
        if page.too_long {
            c.intervals.clear();
            c.row.inbox_known = c.row.over;
            self.tx.pending.intervals.insert(conv);
        }
        let is_forward = self.conversation_mut(conv).row.over > before;
        self.pull_ended(conv, is_forward, now);
    }
}

/// Adds a range to disjoint rising ones.
fn join(ranges: &mut Vec<v1::SeqRange>, new: v1::SeqRange) {
    let (mut lo, mut hi) = (new.lo, new.hi);
    ranges.retain(|held| {
        let touches = held.lo <= hi.saturating_add(1) && lo <= held.hi.saturating_add(1);
        if touches {
            (lo, hi) = (lo.min(held.lo), hi.max(held.hi));
        }
        !touches
    });
    let at = ranges.partition_point(|held| held.lo < lo);
    ranges.insert(at, v1::SeqRange { lo, hi });
}
