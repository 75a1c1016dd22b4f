//! What goes to a live device by itself: batches, rebases, tips, bodies of open conversations.

use tenon_base::{ConversationId, Deadline, Pts};
use tenon_core::admission::{Answer, Read};
use tenon_core::event::Tip;
use tenon_core::handover::Batch;
use tenon_wire::session::WindowFull;
use tenon_wire::{FrameHeader, ephemeral_type, kind, v1};

use super::hello::tips_of;
use super::{Machine, STALL_AFTER};
use crate::connection::mailbox::{Mail, Push, RebaseOrder};
use crate::map::{self, UNIT, batch, item};

/// Tips in one frame.
const TIPS_PER_FRAME: usize = 64;
/// Tips are re-read from their leaders when the last look is older than this.
const TIPS_AGE: std::time::Duration = std::time::Duration::from_secs(15);

impl Machine {
    /// Writes batches while window and writer have room.
    pub(super) fn pump(&mut self, now: Deadline) {
        while self.session.is_writable() {
            match self.next_frame() {
                None => break,
                Some(frame) => {
                    let (to, count) = (Pts(frame.to_pts), frame.events.len());
                    if let Err(WindowFull) = self.session.send_batch(&frame) {
                        self.stream.held = Some(frame);
                        break;
                    }
                    self.stream.next_from = Some(to);
                    self.stream.window_full_since = None;
                    self.house.metrics.batches.inc();
                    tracing::trace!(connection = self.id.0, to = to.0, count, "batch");
                }
            }
        }
        self.judge_window(now);
        if self.mailbox.is_ready_again()
            && let Some(device) = &self.device
        {
            // A repeated ack changes nothing and makes sync look at this link again.
            let (epoch, acked) = (self.stream.queue_epoch, self.stream.acked);
            self.house.doors.users.ack(device.key, epoch, acked, None);
        }
    }

    fn next_frame(&mut self) -> Option<Box<v1::EventBatch>> {
        if let Some(held) = self.stream.held.take() {
            return Some(held);
        }
        let reader = self.device?.reader();
        loop {
            let batch = match self.stream.rest.take() {
                Some(rest) => rest,
                None => self.mailbox.pop_batch()?,
            };
            if !self.goes_on(&batch) {
                self.house.metrics.batches_stale.inc();
                if batch.queue_epoch > self.stream.queue_epoch {
                    self.announce_epoch(&batch);
                }
                continue;
            }
            let (frame, rest) = batch::cut(batch, self.class.frame_bytes(), reader);
            self.stream.rest = rest;
            return Some(Box::new(frame));
        }
    }

    /// Batches of a stream that has started anew meanwhile are dropped: sync sends their content again.
    fn goes_on(&self, batch: &Batch) -> bool {
        batch.queue_epoch == self.stream.queue_epoch && Some(batch.from) == self.stream.next_from
    }

    /// The queue entered a new epoch on a live link: the device is told and answers with a subscribe.
    fn announce_epoch(&mut self, batch: &Batch) {
        self.session.unit_state(&v1::UnitState {
            unit: UNIT,
            queue_epoch: batch.queue_epoch.0,
            tip_pts: batch.tip.0,
            action: v1::UnitAction::Continue.into(),
            endpoints: Vec::new(),
        });
        self.stream.queue_epoch = batch.queue_epoch;
        self.restart_stream(None);
    }

    fn judge_window(&mut self, now: Deadline) {
        if self.stream.held.is_none() {
            self.stream.window_full_since = None;
            return;
        }
        let since = *self.stream.window_full_since.get_or_insert(now);
        if now < since.plus(STALL_AFTER) {
            return;
        }
        self.house.metrics.stalls.inc();
        self.stream.window_full_since = Some(now);
        let stalled = v1::Ephemeral {
            r#type: ephemeral_type::STALLED,
            at_ms: self.house.doors.clock.now().0,
            ..v1::Ephemeral::default()
        };
        if !self.session.ephemeral(&stalled) {
            tracing::debug!(connection = self.id.0, "stall not told: the writer is full");
        }
    }

    /// The stream begins again at `from`, or waits for a subscribe.
    pub(super) fn restart_stream(&mut self, from: Option<Pts>) {
        self.mailbox.drop_batches();
        self.stream.held = None;
        self.stream.rest = None;
        self.stream.window_full_since = None;
        self.stream.next_from = from;
    }

    /// Tip first, then the page, then the order: what happens in between reaches the device behind the tip.
    pub(super) fn start_rebase(&mut self, order: RebaseOrder) {
        self.restart_stream(None);
        self.stream.queue_epoch = order.queue_epoch;
        let Some(device) = self.device else { return };
        if self.first_page == 0 {
            self.on_first_page(order, None);
            return;
        }
        self.rebases_open += 1;
        let mailbox = self.mailbox();
        let reply =
            mailbox.reply(move |answer| Mail::FirstPage(order, answer.and_then(Result::ok)));
        let read =
            Read::List { token: bytes::Bytes::new(), limit: self.first_page, unread_only: false };
        self.house.doors.admission.read(device.author, read, reply);
    }

    pub(super) fn on_first_page(&mut self, order: RebaseOrder, answer: Option<Answer>) {
        let Some(device) = self.device.filter(|_| self.is_live()) else { return };
        let first = match answer {
            Some(Answer::List(page)) => Some(item::page(&page, device.reader())),
            // Without a page the device asks for it by itself.
            _ => None,
        };
        self.session.rebase(&v1::Rebase {
            unit: UNIT,
            queue_epoch: order.queue_epoch.0,
            tip_pts: order.tip.0,
            reason: order.reason,
            first,
            ..v1::Rebase::default()
        });
    }

    /// Starts or ends to hear of a pull-mode conversation.
    pub(super) fn follow(&mut self, conv: ConversationId, is_followed: bool) {
        let Some(device) = self.device else { return };
        let org = device.author.org;
        if !is_followed {
            self.tips.followed.remove(&conv);
            self.house.registry.leave(self.id, org, [conv]);
            return;
        }
        self.tips.followed.entry(conv).or_default();
        let is_open = self.tips.open.contains(&conv);
        self.house.registry.follow(self.id, device.reader(), conv, self.mailbox(), is_open);
    }

    /// Remembers what the device knows of.
    pub(super) fn note_told(&mut self, tips: &[Tip]) {
        for tip in tips {
            if let Some(told) = self.tips.followed.get_mut(&tip.conv) {
                *told = tip.rev.max(*told);
            }
        }
    }

    /// Tips of conversations that are not open, at the pace of the device's network.
    pub(super) fn tell_tips(&mut self, now: Deadline) {
        let Some(pace_ms) = self.class.tips_ms() else { return };
        if now < self.tips.next_at || !self.mailbox.has_tips() {
            return;
        }
        self.tips.next_at = now.plus(std::time::Duration::from_millis(pace_ms));
        let tips = self.mailbox.take_tips();
        self.write_tips(tips);
    }

    pub(super) fn write_tips(&mut self, tips: Vec<Tip>) {
        if !self.is_live() {
            return;
        }
        for part in self.unheard(tips).chunks(TIPS_PER_FRAME) {
            let frame = v1::ConvTips { tips: part.iter().map(map::tip).collect() };
            if self.session.conv_tips(&frame) {
                self.note_told(part);
                self.house.metrics.tips.inc_by(part.len() as u64);
            } else {
                self.mailbox.return_tips(part.iter().copied());
            }
        }
    }

    /// A body of an open conversation; if the writer is full, its tip waits instead.
    pub(super) fn tell_push(&mut self, push: Push) {
        if !self.is_live() {
            return;
        }
        let header = FrameHeader::new(kind::CONV_PUSH, 0);
        let is_sent =
            self.session.is_writable() && self.session.send_payload(header, &push.payload).is_ok();
        if is_sent {
            self.note_told(&[push.tip]);
            self.house.metrics.pushes.inc();
        } else {
            self.mailbox.return_tips([push.tip]);
        }
    }

    /// Multicasts may be lost: with a Ping, tips older than 15 s are read from their leaders again.
    pub(super) fn refresh_tips(&mut self, now: Deadline) {
        let is_due = now >= self.tips.refreshed_at.plus(TIPS_AGE) && !self.open.tips_read;
        if !is_due || self.tips.followed.is_empty() {
            return;
        }
        self.tips.refreshed_at = now;
        let Some(device) = self.device else { return };
        let convs: Vec<_> = self.tips.followed.keys().copied().collect();
        let (mut stale, known) =
            self.house.registry.tips(self.id, device.author.org, &convs, now, TIPS_AGE);
        self.tell_unheard(known);
        stale.truncate(TIPS_PER_FRAME);
        if !stale.is_empty() {
            self.open.tips_read = true;
            self.read_fresh_tips(stale);
        }
    }

    pub(super) fn read_fresh_tips(&mut self, convs: Vec<ConversationId>) {
        let Some(device) = self.device else { return };
        let mailbox = self.mailbox();
        let reply = mailbox.reply(move |answer| Mail::Fresh(tips_of(answer)));
        self.house.doors.admission.read(
            device.author,
            Read::Items { convs, tips_only: true },
            reply,
        );
    }

    /// Tips as their leaders hold them: what the device has not heard of goes out with the next telling or Pong.
    pub(super) fn on_fresh_tips(&mut self, tips: Vec<Tip>) {
        self.open.tips_read = false;
        let Some(device) = self.device else { return };
        self.house.registry.note_tips(device.author.org, &tips, self.now());
        self.tell_unheard(tips);
    }

    fn tell_unheard(&self, tips: Vec<Tip>) {
        let news = self.unheard(tips);
        self.mailbox.return_tips(news);
    }

    /// Those of followed conversations that the device has not been told of.
    pub(super) fn unheard(&self, mut tips: Vec<Tip>) -> Vec<Tip> {
        let followed = &self.tips.followed;
        tips.retain(|tip| followed.get(&tip.conv).is_some_and(|told| *told < tip.rev));
        tips
    }
}
