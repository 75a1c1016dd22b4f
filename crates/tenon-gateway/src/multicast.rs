//! News of pull-mode conversations: who follows what, and one copy per gateway and window.
//!
//! A follower hears only after the leader has confirmed it as a member at the multicast's `leave_ver` (I16). Everything
//! here may be lost: tips are told again with Pong, bodies are pulled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{
    Clock, ConnectionId, ConversationId, Deadline, DeviceId, Map, OrgId, Slot, UserId,
};
use tenon_core::event::Tip;
use tenon_core::handover::{
    ConversationAnswer, ConversationQuestion, Conversations, Handover, Multicast, Reply,
};
use tenon_core::{Event, EventBody};
use tokio::sync::Notify;

use crate::Metrics;
use crate::connection::mailbox::{Mailbox, Push};
use crate::map::{Reader, batch, diff};

/// Locks over the followed conversations: more than cores, few enough to be nothing.
const SHARDS: u16 = 64;
/// Bodies of one conversation in one window, bytes; above it the tip is told instead.
const WINDOW_BYTES_MAX: usize = 128 * 1024;
/// Users asked about in one question.
const VERIFY_MAX: usize = 4_096;
/// Reads the shared copy: nobody's own, so neither cid nor a flag of a person is in it.
const NOBODY: UserId = UserId(u64::MAX);

type Key = (OrgId, ConversationId);

#[derive(Debug)]
struct Follower {
    reader: Reader,
    mailbox: Arc<Mailbox>,
    is_open: bool,
    /// The leader confirmed the membership at this count of departures.
    verified_at: Option<u64>,
}

#[derive(Debug, Default)]
struct Followed {
    followers: BTreeMap<ConnectionId, Follower>,
    tip: Option<(Tip, Deadline)>,
    /// Highest count of departures heard of.
    leave_ver: u64,
    pending: Option<Pending>,
}

impl Followed {
    fn tip_for(&self, id: ConnectionId) -> Option<(Tip, Deadline)> {
        let verified_at = self.followers.get(&id)?.verified_at?;
        self.tip.filter(|_| verified_at >= self.leave_ver)
    }
}

/// What came in since the last window.
#[derive(Debug, Clone)]
struct Pending {
    tip: Tip,
    leave_ver: u64,
    /// Of consecutive revs up to the tip; empty if one was missing.
    events: Vec<Arc<Event>>,
    bytes: usize,
    has_gap: bool,
}

impl Pending {
    fn add(&mut self, tip: Tip, leave_ver: u64, event: Option<&Arc<Event>>) {
        self.tip = if (tip.conv_epoch, tip.rev) > (self.tip.conv_epoch, self.tip.rev) {
            tip
        } else {
            self.tip
        };
        self.leave_ver = leave_ver.max(self.leave_ver);
        let Some(event) = event else {
            self.has_gap = true;
            return;
        };
        let goes_on = self.events.last().is_none_or(|last| last.rev.next() == event.rev);
        self.bytes += weight(event);
        if goes_on && self.bytes <= WINDOW_BYTES_MAX {
            self.events.push(Arc::clone(event));
        } else {
            self.has_gap = true;
        }
    }
}

/// Somebody to tell.
#[derive(Debug, Clone)]
struct Target {
    user: UserId,
    device: DeviceId,
    mailbox: Arc<Mailbox>,
    is_open: bool,
}

/// Followers of pull-mode conversations on this node.
pub(crate) struct Registry {
    shards: Vec<Mutex<Map<Key, Followed>>>,
    dirty: Mutex<BTreeSet<Key>>,
    wake: Notify,
    conversations: Arc<dyn Conversations>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Registry {
    pub(crate) fn new(
        conversations: Arc<dyn Conversations>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            dirty: Mutex::default(),
            wake: Notify::new(),
            conversations,
            clock,
            metrics,
        }
    }

    fn shard(&self, conv: ConversationId) -> MutexGuard<'_, Map<Key, Followed>> {
        let at = usize::from(Slot::of(conv.0).share(SHARDS));
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection wants to hear of `conv`. It hears nothing before it is verified.
    pub(crate) fn follow(
        &self,
        id: ConnectionId,
        reader: Reader,
        conv: ConversationId,
        mailbox: Arc<Mailbox>,
        is_open: bool,
    ) {
        let mut shard = self.shard(conv);
        let followed = shard.entry((reader.org, conv)).or_default();
        followed.followers.insert(id, Follower { reader, mailbox, is_open, verified_at: None });
    }

    /// A connection has the conversation on its screen now, or not any more.
    pub(crate) fn set_open(
        &self,
        id: ConnectionId,
        org: OrgId,
        conv: ConversationId,
        is_open: bool,
    ) {
        let mut shard = self.shard(conv);
        if let Some(follower) = shard.get_mut(&(org, conv)).and_then(|f| f.followers.get_mut(&id)) {
            follower.is_open = is_open;
        }
    }

    /// A connection does not hear of these any more.
    pub(crate) fn leave(
        &self,
        id: ConnectionId,
        org: OrgId,
        convs: impl IntoIterator<Item = ConversationId>,
    ) {
        for conv in convs {
            let mut shard = self.shard(conv);
            let Some(followed) = shard.get_mut(&(org, conv)) else { continue };
            followed.followers.remove(&id);
            if followed.followers.is_empty() {
                shard.remove(&(org, conv));
            }
        }
    }

    /// Tips that were confirmed within `age` and may be told to this connection as it is verified, and the conversations
    /// without one: for those the leader is to be asked.
    pub(crate) fn tips(
        &self,
        id: ConnectionId,
        org: OrgId,
        convs: &[ConversationId],
        now: Deadline,
        age: Duration,
    ) -> (Vec<ConversationId>, Vec<Tip>) {
        let (mut stale, mut known) = (Vec::new(), Vec::new());
        for conv in convs {
            let shard = self.shard(*conv);
            let held = shard.get(&(org, *conv)).and_then(|f| f.tip_for(id));
            match held {
                Some((tip, at)) if at.plus(age) > now => known.push(tip),
                _ => stale.push(*conv),
            }
        }
        (stale, known)
    }

    /// Tips as their leaders hold them now.
    pub(crate) fn note_tips(&self, org: OrgId, tips: &[Tip], now: Deadline) {
        for tip in tips {
            if let Some(followed) = self.shard(tip.conv).get_mut(&(org, tip.conv)) {
                followed.tip = Some((*tip, now));
            }
        }
    }

    /// Tells what came in, window by window, until it is dropped. `pause` waits for one window.
    pub(crate) async fn run<F: Future<Output = ()>>(self: Arc<Self>, pause: impl Fn() -> F) {
        loop {
            self.wake.notified().await;
            pause().await;
            let dirty =
                std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
            for key in dirty {
                self.flush(key);
                tokio::task::yield_now().await;
            }
        }
    }

    fn flush(self: &Arc<Self>, key: Key) {
        let mut shard = self.shard(key.1);
        let Some(followed) = shard.get_mut(&key) else { return };
        let Some(pending) = followed.pending.take() else { return };
        let mut verified = Vec::new();
        let mut unknown = BTreeSet::new();
        for follower in followed.followers.values() {
            if follower.verified_at == Some(pending.leave_ver) {
                verified.push(target(follower));
            } else {
                unknown.insert(follower.reader.user);
            }
        }
        drop(shard);
        self.tell(key, &pending, &verified);
        let unknown: Vec<_> = unknown.into_iter().collect();
        for users in unknown.chunks(VERIFY_MAX) {
            self.verify(key, users.to_vec(), pending.clone());
        }
    }

    /// Asks the leader which of `users` are in, and tells those.
    fn verify(self: &Arc<Self>, key: Key, users: Vec<UserId>, pending: Pending) {
        self.metrics.verified.inc_by(users.len() as u64);
        let registry = Arc::clone(self);
        let asked: BTreeSet<_> = users.iter().copied().collect();
        let reply = Reply::new(move |answer| {
            if let Some(ConversationAnswer::Verified { inside, leave_ver }) = answer {
                registry.on_verified(key, &asked, &inside, leave_ver, &pending);
            }
        });
        let question = ConversationQuestion::Verify { users };
        if self.conversations.ask(key.0, key.1, question, reply) == Handover::Full {
            tracing::debug!(org = key.0.0, conv = key.1.0, "verification refused: the tip is lost");
        }
    }

    fn on_verified(
        &self,
        key: Key,
        asked: &BTreeSet<UserId>,
        inside: &BTreeSet<UserId>,
        leave_ver: u64,
        pending: &Pending,
    ) {
        let mut shard = self.shard(key.1);
        let Some(followed) = shard.get_mut(&key) else { return };
        let mut targets = Vec::new();
        for follower in followed.followers.values_mut() {
            if inside.contains(&follower.reader.user) {
                follower.verified_at = follower.verified_at.max(Some(leave_ver));
                if leave_ver >= pending.leave_ver && asked.contains(&follower.reader.user) {
                    targets.push(target(follower));
                }
            }
        }
        // Who left stays until sync says so, unverified: a late word of it costs a question, never a body.
        drop(shard);
        self.tell(key, pending, &targets);
    }

    fn tell(&self, key: Key, pending: &Pending, targets: &[Target]) {
        let shared = self.payload(key, pending, (NOBODY, DeviceId(0)));
        for target in targets {
            let payload = if !target.is_open {
                None
            } else if pending.events.iter().any(|event| event.by == target.user) {
                // The sender's devices settle their rows by the cid, which the shared copy does not carry.
                self.payload(key, pending, (target.user, target.device))
            } else {
                shared.clone()
            };
            match payload {
                Some(payload) => target.mailbox.push(Push { tip: pending.tip, payload }),
                None => target.mailbox.tip(pending.tip, target.is_open),
            }
        }
    }

    fn payload(&self, key: Key, pending: &Pending, reader: (UserId, DeviceId)) -> Option<Bytes> {
        if pending.has_gap {
            return None;
        }
        let reader = Reader { org: key.0, user: reader.0, device: reader.1 };
        let payload = tenon_wire::encode(&diff::push(&pending.tip, &pending.events, reader)?);
        (payload.len() <= batch::PAYLOAD_BYTES_MAX).then_some(payload)
    }
}

impl Multicast for Registry {
    fn tip(&self, org: OrgId, tip: Tip, leave_ver: u64, event: Option<&Arc<Event>>) {
        let key = (org, tip.conv);
        let mut shard = self.shard(tip.conv);
        let Some(followed) = shard.get_mut(&key) else { return };
        followed.tip = Some((tip, self.clock.monotonic()));
        followed.leave_ver = leave_ver.max(followed.leave_ver);
        let pending = followed.pending.get_or_insert_with(|| Pending {
            tip,
            leave_ver,
            events: Vec::new(),
            bytes: 0,
            has_gap: false,
        });
        pending.add(tip, leave_ver, event);
        drop(shard);
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        self.wake.notify_one();
    }
}

fn target(follower: &Follower) -> Target {
    Target {
        user: follower.reader.user,
        device: follower.reader.device,
        mailbox: Arc::clone(&follower.mailbox),
        is_open: follower.is_open,
    }
}

fn weight(event: &Event) -> usize {
    100 + match &event.body {
        EventBody::Message(message) => message.body.len(),
        EventBody::Members { members, .. } => members.len() * 24,
        EventBody::Renamed { title } => title.len(),
        EventBody::Mode { .. } => 0,
    }
}
