//! Applying events: the rev rule, and what each type does to the local copy.

use prost::Message as _;
use tenon_wire::{event_type, flag, role, v1};

use super::conversation::ItemSource;
use super::{Engine, Now};
use crate::row::{ConvState, ConversationRow, EventWhat, OpaqueRow};
use crate::store::{Change, StoreOp};

/// Highest event type that every version reads; above and between, unknown ones are kept as they came.
const fn is_known(number: u32) -> bool {
    matches!(number, event_type::UNREADABLE..=event_type::MESSAGE_EXPIRED | event_type::MEMBERS_CHANGED..=event_type::RESET)
        || matches!(number, event_type::PRIVATE_MESSAGE..=event_type::OVERLAY_CHANGED)
        || matches!(
            number,
            event_type::READ_MARKED..=event_type::ENTITY_CHANGED | event_type::APP_EVENT
        )
}

impl Engine {
    /// Applies one event of a batch. Its cursor moves in the same transaction, whatever the event is.
    pub(super) fn apply(&mut self, event: v1::SyncEvent, now: Now) {
        self.settle_by_event(&event, now);
        if event.rev > 0 && event.conv != 0 {
            self.apply_rev(event, now);
        } else if event.overlay_ver > 0 && event.conv != 0 {
            self.apply_overlay(event, now);
        } else {
            self.apply_plain(event, now);
        }
    }

    /// The rule of revs: fold the next one, skip what is folded, remember what is ahead.
    pub(super) fn apply_rev(&mut self, event: v1::SyncEvent, now: Now) {
        let generation = self.generation();
        let c = self.conversation_mut(event.conv);
        c.row.generation = generation;
        let row = &mut c.row;
        if event.conv_epoch < row.conv_epoch {
            return;
        }
        if event.conv_epoch > row.conv_epoch {
            row.epoch_known = row.epoch_known.max(event.conv_epoch);
            self.note_debt_soon(event.conv, now);
            return;
        }
        row.known = row.known.max(event.rev);
        let checks_rev = !tenon_base::planted!("no-rev-check");
        if event.rev <= row.rev && checks_rev && !tenon_base::planted!("no-device-dedupe") {
            return;
        }
        if event.rev > row.rev + 1 && checks_rev {
            self.note_debt_soon(event.conv, now);
            return;
        }
        let conv = event.conv;
        row.rev = row.rev.max(event.rev);
        self.fold(&event);
        self.tell(EventWhat::Sync(owned(event)));
        self.note_debt(conv);
    }

    fn fold(&mut self, event: &v1::SyncEvent) {
        let conv = event.conv;
        let ver = if event.ver == 0 { event.rev } else { event.ver };
        match event.r#type {
            event_type::MESSAGE => self.fold_message(event, ver),
            // No row and no interval: the place is fetched when it is looked at.
            event_type::UNREADABLE => {
                let row = &mut self.conversation_mut(conv).row;
                row.tip_seq = row.tip_seq.max(event.seq);
                row.tip_cnt = row.tip_cnt.max(event.cnt);
            }
            event_type::MESSAGE_EDITED => {
                let body = bytes::Bytes::copy_from_slice(&event.body);
                let (kind, edited_ms) = (event.kind, event.ts);
                let mentions = event.mentions.clone();
                self.change(
                    conv,
                    event.seq,
                    ver,
                    Change::Content { kind, body, mentions, edited_ms },
                );
            }
            event_type::MESSAGE_RECALLED => {
                self.change(conv, event.seq, ver, Change::Tombstone(flag::RECALLED));
            }
            event_type::MESSAGE_EXPIRED => {
                self.change(conv, event.seq, ver, Change::Tombstone(flag::EXPIRED));
            }
            event_type::CARD_UPDATED => self.fold_card(event, ver),
            event_type::REACTIONS_CHANGED => {
                if let Ok(body) = v1::ReactionsChanged::decode(event.body.clone()) {
                    self.change(conv, event.seq, ver, Change::Reactions(body.reactions));
                }
            }
            _ => self.fold_shared(event),
        }
    }

    fn fold_message(&mut self, event: &v1::SyncEvent, ver: u64) {
        let (conv, seq) = (event.conv, event.seq);
        let own_user = self.device.user;
        let keeps_rows = self.config.keeps_rows;
        let c = self.conversation_mut(conv);
        c.touch(seq, ver);
        c.row.tip_seq = c.row.tip_seq.max(seq);
        c.row.tip_cnt = c.row.tip_cnt.max(event.cnt);
        c.row.sort_ts = c.row.sort_ts.max(event.ts);
        if event.flags & flag::MENTION_ME != 0 {
            c.row.mention_seq = c.row.mention_seq.max(seq);
        }
        let is_own = event.flags & flag::OWN != 0 || (own_user != 0 && event.sender == own_user);
        if is_own && event.flags & flag::AUTO == 0 {
            let read = v1::ReadState { read_seq: seq, read_cnt: event.cnt, ..Default::default() };
            c.take_read(&read);
        }
        if keeps_rows {
            c.intervals.extend(seq, event.rev, c.row.break_rev);
            self.tx.pending.intervals.insert(conv);
            self.put_row(conv, row_of(event, ver));
        }
    }

    fn fold_card(&mut self, event: &v1::SyncEvent, ver: u64) {
        let Ok(body) = v1::CardUpdated::decode(event.body.clone()) else { return };
        let Some(card) = body.card else { return };
        let what = Some(v1::content::What::Card(card));
        let body = v1::Content { what, ..v1::Content::default() }.encode_to_vec().into();
        let change = Change::Content { kind: 0, body, mentions: Vec::new(), edited_ms: 0 };
        self.change(event.conv, event.seq, ver, change);
    }

    /// A change to a message; if it is not held only the rev moves on.
    fn change(&mut self, conv: u64, seq: u64, ver: u64, change: Change) {
        self.conversation_mut(conv).touch(seq, ver);
        if self.config.keeps_rows {
            self.tx.pending.ops.push(StoreOp::Change { conv, seq, ver, change });
        }
    }

    /// Events about what all members share.
    fn fold_shared(&mut self, event: &v1::SyncEvent) {
        let rev = event.rev;
        let body = event.body.clone();
        let own_user = self.device.user;
        let c = self.conversation_mut(event.conv);
        match event.r#type {
            event_type::CONVERSATION_CHANGED => {
                if let (Ok(body), Some(meta)) =
                    (v1::ConversationChanged::decode(body), c.row.meta.as_mut())
                {
                    take_masked(meta, &body);
                    meta.ver = meta.ver.max(rev);
                }
            }
            event_type::MEMBERS_CHANGED => {
                if let Ok(body) = v1::MembersChanged::decode(body) {
                    take_members(&mut c.row, &body, own_user, rev);
                }
            }
            event_type::MODE_CHANGED => {
                if let (Ok(body), Some(meta)) = (v1::ModeChanged::decode(body), c.row.meta.as_mut())
                {
                    (meta.mode, meta.member_count) = (body.mode, body.member_count);
                    meta.ver = meta.ver.max(rev);
                }
            }
            event_type::PINS_CHANGED => {
                if let (Ok(body), Some(meta)) = (v1::PinsChanged::decode(body), c.row.meta.as_mut())
                {
                    meta.pinned_seqs = body.pinned_seqs;
                    meta.ver = meta.ver.max(rev);
                }
            }
            event_type::MOVED => {
                if let (Ok(body), Some(meta)) = (v1::Moved::decode(body), c.row.meta.as_mut()) {
                    (meta.unit, meta.route_epoch) = (body.to_unit, body.route_epoch);
                }
            }
            event_type::RESET => {
                if let Ok(body) = v1::ResetTo::decode(body) {
                    c.row.epoch_known = c.row.epoch_known.max(body.conv_epoch);
                }
            }
            event_type::DISSOLVED => self.leave(event.conv),
            t if !is_known(t) => self.keep_opaque(event),
            _ => {}
        }
    }

    /// Events without a rev: each has its own way to be applied twice without harm.
    fn apply_plain(&mut self, event: v1::SyncEvent, now: Now) {
        let (conv, body) = (event.conv, event.body.clone());
        match event.r#type {
            event_type::READ_MARKED => {
                if let Some(read) = v1::ReadMarked::decode(body).ok().and_then(|b| b.read) {
                    let c = self.conversation_mut(conv);
                    c.take_read(&read);
                    // Any read mark ends "marked as unread".
                    if let Some(summary) = c.row.summary.as_mut() {
                        summary.marked_unread = false;
                    }
                    self.read_arrived(conv, &read);
                }
            }
            event_type::RECEIPT => {
                if let Ok(body) = v1::Receipt::decode(body) {
                    let row = &mut self.conversation_mut(conv).row;
                    row.peer_read_seq = row.peer_read_seq.max(body.read_seq);
                }
            }
            event_type::SUMMARY_CHANGED => {
                if let Some(s) = v1::SummaryChanged::decode(body).ok().and_then(|b| b.summary) {
                    self.conversation_mut(conv).take_summary(s);
                }
            }
            event_type::MENTION => {
                if let Ok(body) = v1::MentionPointer::decode(body) {
                    let row = &mut self.conversation_mut(conv).row;
                    row.mention_seq = row.mention_seq.max(body.seq);
                    row.known = row.known.max(body.rev);
                    self.note_debt_soon(conv, now);
                }
            }
            event_type::CONVERSATION_ADDED => self.apply_added(conv, body, now),
            event_type::CONVERSATION_REMOVED => self.leave(conv),
            event_type::SEND_FAILED => {
                if let Ok(body) = v1::SendFailed::decode(body) {
                    self.settle_failed(conv, &body, now);
                }
            }
            t if !is_known(t) => self.keep_opaque(&event),
            _ => {}
        }
        if conv != 0 {
            let generation = self.generation();
            self.conversation_mut(conv).row.generation = generation;
        }
        self.tell(EventWhat::Sync(owned(event)));
    }

    fn apply_added(&mut self, conv: u64, body: bytes::Bytes, now: Now) {
        let item = v1::ConversationAdded::decode(body).ok().and_then(|b| b.item);
        if let Some(mut item) = item {
            item.conv = if item.conv == 0 { conv } else { item.conv };
            self.take_item(item, ItemSource::Added, now);
        } else {
            let row = &mut self.conversation_mut(conv).row;
            row.set_state(ConvState::Stub);
            self.note_debt_soon(conv, now);
        }
    }

    fn keep_opaque(&mut self, event: &v1::SyncEvent) {
        if event.flags & flag::CRITICAL != 0 && event.conv != 0 {
            self.conversation_mut(event.conv).row.is_update_needed = true;
        }
        if event.pts > 0 && !tenon_base::planted!("unknown-event-dropped") {
            let row = OpaqueRow { pts: event.pts, event: Some(owned(event.clone())) };
            self.tx.pending.ops.push(StoreOp::Opaque(Box::new(row)));
        }
    }

    /// Number of the running or last Rebase of the home unit.
    pub(super) fn generation(&self) -> u64 {
        self.streams.values().map(|stream| stream.row.generation).max().unwrap_or(0)
    }
}

/// Takes what the event says of the roster, of the own role and of the owner.
fn take_members(row: &mut ConversationRow, change: &v1::MembersChanged, own_user: u64, rev: u64) {
    let inside = || change.members.iter().filter(|member| !member.gone);
    if let Some(own) = inside().find(|member| member.user == own_user) {
        row.role = own.role;
    }
    let Some(meta) = row.meta.as_mut() else { return };
    meta.roster_ver = meta.roster_ver.max(change.to_roster_ver);
    meta.member_count = change.member_count;
    meta.ver = meta.ver.max(rev);
    if let Some(owner) = inside().find(|member| member.role == role::OWNER) {
        meta.owner = owner.user;
    }
}

fn take_masked(held: &mut v1::ConvMeta, change: &v1::ConversationChanged) {
    let Some(meta) = &change.meta else { return };
    if change.mask & 1 != 0 {
        held.title.clone_from(&meta.title);
    }
    if change.mask & 2 != 0 {
        held.avatar.clone_from(&meta.avatar);
    }
    if change.mask & 4 != 0 {
        held.notice.clone_from(&meta.notice);
    }
    if change.mask & 8 != 0 {
        held.settings = meta.settings;
        held.muted_until_ms = meta.muted_until_ms;
    }
    if change.mask & 16 != 0 {
        held.scene_data = bytes::Bytes::copy_from_slice(&meta.scene_data);
    }
    if meta.owner != 0 {
        held.owner = meta.owner;
    }
}

/// The row of a message event.
fn row_of(event: &v1::SyncEvent, ver: u64) -> v1::MessageRow {
    v1::MessageRow {
        seq: event.seq,
        ver,
        cnt: event.cnt,
        message_id: event.message_id,
        sender: event.sender,
        ts: event.ts,
        kind: event.kind,
        flags: event.flags,
        body: event.body.clone(),
        reply_seq: event.reply_seq,
        mentions: event.mentions.clone(),
        cid: event.cid,
        device: event.device,
        device_epoch: event.device_epoch,
        expires_ms: event.expires_ms,
        app: event.app,
        ..v1::MessageRow::default()
    }
}

/// The event with a body of its own: the received one would hold the whole frame it came in.
fn owned(mut event: v1::SyncEvent) -> v1::SyncEvent {
    event.body = bytes::Bytes::copy_from_slice(&event.body);
    event
}
