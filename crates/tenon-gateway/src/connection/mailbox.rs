//! What other rooms hand to a connection while it does something else. Bounded; never waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tenon_base::{ConversationId, Pts, QueueEpoch};
use tenon_core::admission::{Admitted, Answer, MarksAnswer, OpAnswer, Refusal};
use tenon_core::conversation::Outcome;
use tenon_core::event::Tip;
use tenon_core::handover::{Attached, Batch, Delivery, DeviceLink, Handover, Reply, UserAnswer};
use tokio::sync::Notify;

use crate::map::{self, op};

/// Changes of followed conversations that may wait; above it the link is closed as overloaded and starts anew.
const FOLLOWS_MAX: usize = 8_192;
/// Bytes of pushed bodies that may wait; above it the tip is told instead.
const PUSH_BYTES_MAX: usize = 64 * 1024;

/// An answer to something the connection asked.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Of the Hello.
    Admitted(Option<Result<Admitted, Refusal>>),
    /// Of the attach.
    Attached(Option<Attached>),
    /// Tips for the HelloAck.
    Tips(Vec<Tip>),
    /// First page of a rebase.
    FirstPage(RebaseOrder, Option<Answer>),
    /// Of a Send: frame id, conversation, cid.
    Sent(u32, u64, u64, Option<Outcome>),
    /// Of an Op: frame id.
    Done(u32, op::Asked, Option<OpAnswer>),
    /// Of read marks: frame id, what was asked.
    Marked(u32, Vec<ConversationId>, Option<MarksAnswer>),
    /// Of a read: frame id, method.
    Read(u32, u32, Option<Result<Answer, Refusal>>),
    /// Numbers for a Pong: frame id, the Ping's number.
    Numbers(u32, u32, Option<UserAnswer>),
    /// Tips re-read from their leaders, for a Pong.
    Fresh(Vec<Tip>),
}

/// What a rebase says beside its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RebaseOrder {
    /// Epoch of the queue.
    pub(crate) queue_epoch: QueueEpoch,
    /// Taken before any page is read.
    pub(crate) tip: Pts,
    /// Reason number.
    pub(crate) reason: u32,
}

/// What ends a connection from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CloseOrder {
    /// A number of `close_reason`.
    pub(crate) reason: u32,
    /// Wire code, 0 = none.
    pub(crate) code: u32,
}

/// Orders and news, taken all at once.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Answers in the order they came.
    pub(crate) mail: VecDeque<Mail>,
    /// The newest order to start over.
    pub(crate) rebase: Option<RebaseOrder>,
    /// Conversations to follow (true) or not any more, in order.
    pub(crate) follows: Vec<(ConversationId, bool)>,
    /// End.
    pub(crate) close: Option<CloseOrder>,
    /// Ask the device to go, it has this long.
    pub(crate) go_away_ms: Option<u32>,
    /// Encoded `ConvDiff`s of open conversations.
    pub(crate) pushes: Vec<Push>,
    /// Tips that are told at once.
    pub(crate) hot_tips: Vec<Tip>,
}

/// A body for devices that have its conversation open.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    /// Where the conversation stands.
    pub(crate) tip: Tip,
    /// Encoded `ConvDiff`, shared by all who get it.
    pub(crate) payload: Bytes,
}

#[derive(Debug, Default)]
struct State {
    news: News,
    push_bytes: usize,
    batches: VecDeque<Batch>,
    weight: usize,
    /// Sync was refused and waits to be asked again.
    was_full: bool,
    tips: BTreeMap<ConversationId, Tip>,
    is_closed: bool,
}

/// The mailbox of one connection.
#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    wake: Notify,
    bytes_max: usize,
}

impl Mailbox {
    /// An empty mailbox that takes `bytes_max` of batches (one more if empty).
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), bytes_max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was put in.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// An answer. The connection bounds them by what it asks. False: it is gone and will not see it.
    pub(crate) fn answer(&self, mail: Mail) -> bool {
        let mut state = self.state();
        if state.is_closed {
            return false;
        }
        state.news.mail.push_back(mail);
        drop(state);
        self.wake.notify_one();
        true
    }

    /// A reply whose answer comes here; an answer to a connection that is gone is dropped.
    pub(crate) fn reply<T>(
        self: &Arc<Self>,
        mail: impl FnOnce(Option<T>) -> Mail + Send + 'static,
    ) -> Reply<T> {
        let mailbox = Arc::clone(self);
        Reply::new(move |answer| {
            mailbox.answer(mail(answer));
        })
    }

    /// Ends the connection.
    pub(crate) fn close(&self, reason: u32, code: u32) {
        self.state().news.close.get_or_insert(CloseOrder { reason, code });
        self.wake.notify_one();
    }

    /// Asks the device to connect elsewhere within `drain_ms`.
    pub(crate) fn go_away(&self, drain_ms: u32) {
        self.state().news.go_away_ms = Some(drain_ms);
        self.wake.notify_one();
    }

    /// A conversation moved on; the newest tip counts. `is_hot` is told at once, else at the device's pace.
    pub(crate) fn tip(&self, tip: Tip, is_hot: bool) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        // The first tip that waits sets the timer of its telling; those behind it need no wake.
        let wakes = is_hot || state.tips.is_empty();
        if is_hot {
            state.news.hot_tips.retain(|held| held.conv != tip.conv);
            state.news.hot_tips.push(tip);
        } else {
            state.tips.insert(tip.conv, tip);
        }
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// A body of an open conversation; if too many wait, its tip instead.
    pub(crate) fn push(&self, push: Push) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        if state.push_bytes + push.payload.len() > PUSH_BYTES_MAX {
            state.tips.insert(push.tip.conv, push.tip);
        } else {
            state.push_bytes += push.payload.len();
            state.news.pushes.push(push);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Everything but batches and tips.
    pub(crate) fn take_news(&self) -> News {
        let mut state = self.state();
        state.push_bytes = 0;
        std::mem::take(&mut state.news)
    }

    /// Tips that wait for the device's pace.
    pub(crate) fn take_tips(&self) -> Vec<Tip> {
        std::mem::take(&mut self.state().tips).into_values().collect()
    }

    /// True while tips wait for the device's pace.
    pub(crate) fn has_tips(&self) -> bool {
        !self.state().tips.is_empty()
    }

    /// Puts tips back that could not be written; a newer one that came meanwhile stays.
    pub(crate) fn return_tips(&self, tips: impl IntoIterator<Item = Tip>) {
        let mut state = self.state();
        for tip in tips {
            let held = state.tips.entry(tip.conv).or_insert(tip);
            if (held.conv_epoch, held.rev) < (tip.conv_epoch, tip.rev) {
                *held = tip;
            }
        }
    }

    /// The next batch, with those behind it that go on where it ends and fit one frame.
    pub(crate) fn pop_batch(&self) -> Option<Batch> {
        let mut state = self.state();
        let mut batch = state.batches.pop_front()?;
        state.weight = state.weight.saturating_sub(map::batch::weight(&batch));
        while let Some(next) = state.batches.pop_front() {
            let weight = map::batch::weight(&next);
            if let Err(next) = map::batch::join(&mut batch, next) {
                state.batches.push_front(next);
                break;
            }
            state.weight = state.weight.saturating_sub(weight);
        }
        if state.batches.is_empty() {
            state.batches = VecDeque::new();
            state.weight = 0;
        }
        Some(batch)
    }

    /// Forgets batches: the stream starts anew.
    pub(crate) fn drop_batches(&self) {
        let mut state = self.state();
        state.batches = VecDeque::new();
        state.weight = 0;
    }

    /// True once after sync was refused and half of the room is free again: sync wants to be asked.
    pub(crate) fn is_ready_again(&self) -> bool {
        let mut state = self.state();
        let is_ready = state.was_full && state.weight <= self.bytes_max / 2;
        if is_ready {
            state.was_full = false;
        }
        is_ready
    }

    /// The connection is gone: everything is refused from now on. True if sync had attached it and nobody has seen it.
    pub(crate) fn shut(&self) -> bool {
        let closed = State { is_closed: true, ..State::default() };
        let left = std::mem::replace(&mut *self.state(), closed);
        let close = left.news.close.map(|order| order.reason);
        if close == Some(tenon_wire::close_reason::DISPLACED) {
            return false;
        }
        left.news.mail.iter().any(|m| matches!(m, Mail::Attached(Some(Attached::Live { .. }))))
    }
}

impl DeviceLink for Mailbox {
    fn deliver(&self, delivery: Delivery) -> Handover {
        let mut state = self.state();
        if state.is_closed {
            return Handover::Full;
        }
        match delivery {
            Delivery::Batch(batch) => {
                let weight = map::batch::weight(&batch);
                if !state.batches.is_empty() && state.weight + weight > self.bytes_max {
                    state.was_full = true;
                    return Handover::Full;
                }
                state.weight += weight;
                state.batches.push_back(batch);
            }
            Delivery::Rebase { queue_epoch, tip, reason } => {
                state.batches = VecDeque::new();
                state.weight = 0;
                state.news.rebase = Some(RebaseOrder { queue_epoch, tip, reason });
            }
            Delivery::FollowTips(conv) => state.news.follows.push((conv, true)),
            Delivery::UnfollowTips(conv) => state.news.follows.push((conv, false)),
            Delivery::Close { reason } => {
                state.news.close.get_or_insert(CloseOrder { reason, code: 0 });
            }
        }
        if state.news.follows.len() > FOLLOWS_MAX {
            let order = CloseOrder { reason: tenon_wire::close_reason::OVERLOAD, code: 0 };
            state.news.close.get_or_insert(order);
            state.news.follows = Vec::new();
        }
        drop(state);
        self.wake.notify_one();
        Handover::Accepted
    }
}
