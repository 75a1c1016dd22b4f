//! The loop of one user partition: fan-outs and commands from the log, devices from the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use tenon_base::{DeviceId, Lsn, OrgId, PartitionId, Pts, QueueEpoch, UserId};
use tenon_core::handover::{
    Attach, Attached, Delivery, Handover, LinkKey, Reply, UserAnswer, UserOutcome, UserQuestion,
};
use tenon_core::user::decide::{UserDecision, decide};
use tenon_core::user::queue::CursorVerdict;
use tenon_core::user::{FanOut, QueueItem};
use tenon_core::{Mode, UserAction, UserCommand, UserEvent};
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, Reach, Record};
use tenon_store::{SeriesKey, ShardWriter, View, record, table};
use tokio::sync::mpsc;

use crate::delivery::{self, Sources, note_ack, pump, reason_label, resolve};
use crate::handle::{Doors, Inbound, Pending};
use crate::hot_state::{Held, HotState};
use crate::links::Link;
use crate::{Metrics, Options, SyncError};

/// Payload read from the log in one turn.
const READ_BYTES: usize = 1024 * 1024;
/// Hand-overs taken between two looks at the log.
const INBOUND_PER_TURN: usize = 512;
/// Close reasons of the protocol. After a normal one the device may come back.
const CLOSE_NORMAL: u32 = 1;
const CLOSE_DISPLACED: u32 = 2;
const CLOSE_SESSION_ENDED: u32 = 5;

pub(crate) struct PartitionLoop {
    partition: PartitionId,
    options: Options,
    doors: Doors,
    pending: Arc<Pending>,
    metrics: Metrics,
    writer: ShardWriter,
    hot: HotState,
    /// Last fan-out that took effect, per source.
    sources: BTreeMap<PartitionId, (Lsn, u32)>,
    applied: Lsn,
    answers: Vec<(Reply<UserOutcome>, UserOutcome)>,
    /// Users whose connections may get something.
    touched: BTreeSet<UserId>,
}

impl PartitionLoop {
    pub(crate) fn new(
        partition: PartitionId,
        options: Options,
        doors: Doors,
        pending: Arc<Pending>,
        metrics: Metrics,
    ) -> Result<Self, SyncError> {
        let mut hot = HotState::new(options.hot_bytes_max.as_usize());
        let mut sources = BTreeMap::new();
        if let Some(bytes) = doors.store.view().state(&table::fan_out_source::key(partition))? {
            let row =
                table::fan_out_source::decode(&bytes).map_err(tenon_store::StoreError::from)?;
            hot.epoch = row.epoch;
            sources = row.sources;
        }
        Ok(Self {
            partition,
            writer: doors.store.writer(partition),
            applied: doors.store.applied(partition),
            hot,
            sources,
            options,
            doors,
            pending,
            metrics,
            answers: Vec::new(),
            touched: BTreeSet::new(),
        })
    }

    /// What the sources need to know after recovery.
    pub(crate) const fn sources(&self) -> &BTreeMap<PartitionId, (Lsn, u32)> {
        &self.sources
    }

    /// Replays the log; then, after an unclean stop or at the first start, enters a new queue epoch by a durable record.
    pub(crate) async fn recover(&mut self) -> Result<(), SyncError> {
        let log = Arc::clone(&self.doors.log);
        while self.applied < log.last(self.partition, Reach::Enqueued) {
            if self.turn().await? == 0 {
                break;
            }
        }
        if log.was_unclean() || self.hot.epoch == QueueEpoch(0) {
            let epoch = self.hot.epoch.next();
            let announce = Append {
                partition: self.partition,
                producer: self.options.producer,
                producer_seq: 0,
                time_us: 0,
                key_id: 0,
                leader_epoch: u64::from(epoch.0),
                kind: kind::ANNOUNCE,
                payload: bytes::Bytes::new(),
            };
            log.append(vec![announce], Durability::Durable).await?;
            while self.applied < log.last(self.partition, Reach::Enqueued) {
                self.turn().await?;
            }
        }
        Ok(())
    }

    /// Runs until stop.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Inbound>) -> Result<(), SyncError> {
        let log = Arc::clone(&self.doors.log);
        let mut stop = self.doors.stop.clone();
        loop {
            let mut first = None;
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                inbound = inbox.recv() => first = inbound,
                () = self.writer.rotation() => {}
                () = log.notified(self.partition, self.applied, Reach::Enqueued) => {}
            }
            if let Some(inbound) = first {
                self.take(inbound)?;
            }
            let mut records = 1;
            while records > 0 {
                self.take_waiting(&mut inbox)?;
                records = self.turn().await?;
                self.pump_touched()?;
                self.cut_if_wanted();
            }
        }
    }

    /// Applies what the log holds; returns the number of records.
    async fn turn(&mut self) -> Result<usize, SyncError> {
        let log = Arc::clone(&self.doors.log);
        let records = log.read(self.partition, self.applied, Reach::Enqueued, READ_BYTES).await?;
        let mut last_command = None;
        for record in &records {
            self.apply(record)?;
            if record.append.kind == kind::COMMANDS {
                last_command = Some(record.lsn);
            }
        }
        if records.is_empty() {
            return Ok(0);
        }
        self.writer.publish();
        // Fan-outs are derived and may run ahead of the disk; an answer to a device may not.
        if let Some(lsn) = last_command
            && !self.answers.is_empty()
            && !tenon_base::planted!("op-ack-before-sync")
        {
            log.committed(self.partition, lsn).await?;
        }
        for (reply, outcome) in self.answers.drain(..) {
            reply.send(outcome);
        }
        Ok(records.len())
    }

    fn apply(&mut self, record: &Record) -> Result<(), SyncError> {
        tenon_base::always!(record.lsn > self.applied, "records come in order");
        let damaged =
            |source| SyncError::Record { partition: self.partition, lsn: record.lsn, source };
        match record.append.kind {
            kind::FAN_OUT => {
                let items =
                    record::decode_fan_out(record.append.payload.clone()).map_err(damaged)?;
                let source = PartitionId(u32::try_from(record.append.producer).unwrap_or(u32::MAX));
                let view = self.doors.store.view();
                for item in items {
                    self.apply_fan_out(&view, source, &item)?;
                }
            }
            kind::COMMANDS => {
                let commands =
                    record::decode_user_commands(record.append.payload.clone()).map_err(damaged)?;
                let mut replies = self.waiting(record).into_iter();
                let view = self.doors.store.view();
                for command in &commands {
                    let outcome = self.apply_command(&view, command)?;
                    if let Some(reply) = replies.next() {
                        self.answers.push((reply, outcome));
                    }
                }
            }
            kind::ANNOUNCE => {
                let epoch = u32::try_from(record.append.leader_epoch).unwrap_or(u32::MAX);
                self.hot.enter_epoch(QueueEpoch(epoch));
            }
            _ => {}
        }
        self.applied = record.lsn;
        Ok(())
    }

    fn waiting(&self, record: &Record) -> Vec<Reply<UserOutcome>> {
        if record.append.producer != self.options.producer {
            return Vec::new();
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.remove(&record.append.producer_seq).unwrap_or_default()
    }

    /// One item for all its recipients; a repeat is dropped by its source position.
    fn apply_fan_out(
        &mut self,
        view: &View,
        source: PartitionId,
        item: &FanOut,
    ) -> Result<(), SyncError> {
        let at = (item.source, item.index);
        let by_lsn_only = tenon_base::planted!("handover-lsn-only");
        let is_seen = |seen: &(Lsn, u32)| at <= *seen || (by_lsn_only && at.0 <= seen.0);
        let is_repeat = self.sources.get(&source).is_some_and(is_seen);
        if is_repeat && !tenon_base::planted!("handover-no-dedup") {
            tenon_base::sometimes!("fan-out-repeated");
            self.metrics.repeats.inc();
            return Ok(());
        }
        self.sources.insert(source, at);
        for user in &item.recipients {
            self.hot.load(view, item.org, *user)?;
            self.tell(view, item.org, *user, item.ts, &item.item);
            if let Some(own) = self.kept_settings(*user, &item.item) {
                self.tell(view, item.org, *user, item.ts, &own);
            }
        }
        Ok(())
    }

    /// Whoever comes back to a conversation finds his own settings, which the leader's line does not hold: a device that was
    /// installed in between has never heard of them.
    fn kept_settings(&self, user: UserId, item: &QueueItem) -> Option<QueueItem> {
        let QueueItem::Inline(event) = item else { return None };
        let UserEvent::ConversationAdded { item, .. } = event.as_ref() else { return None };
        let line = self.hot.hot(user)?.user.lines.get(&item.tip.conv)?;
        let summary = Some(&line.summary).filter(|summary| summary.ver > 0)?.clone();
        Some(QueueItem::Inline(Arc::new(UserEvent::SummaryChanged { summary })))
    }

    /// Puts one thing into one queue.
    fn tell(
        &mut self,
        view: &View,
        org: OrgId,
        user: UserId,
        ts: tenon_base::Timestamp,
        item: &QueueItem,
    ) {
        let tail_max = self.options.tail_entries_max;
        let Some(hot) = self.hot.hot_mut(user) else { return };
        let before = mode_of(hot, item);
        let entry = hot.user.tell(ts, item);
        hot.header_dirty = true;
        hot.lines_dirty.insert(conv_of(item));
        let (header, body) = table::queue::encode(&entry);
        self.writer.append(&SeriesKey::queue(org, user), entry.pts.0, header, body);
        self.metrics.entries.inc();
        if hot.links.is_empty() {
            hot.tail.clear();
            return;
        }
        follow_tips(hot, item, before);
        let sources = Sources { view, recent: &self.doors.recent, metrics: &self.metrics };
        let told = resolve(org, &entry, &sources);
        hot.hold(Held { entry, told }, tail_max);
        self.touched.insert(user);
    }

    /// Load, decide, commit.
    fn apply_command(
        &mut self,
        view: &View,
        command: &UserCommand,
    ) -> Result<UserOutcome, SyncError> {
        let author = command.author;
        self.hot.load(view, author.org, author.user)?;
        let Some(hot) = self.hot.hot_mut(author.user) else {
            return Ok(UserOutcome::Retry { code: 1004, after_ms: 100 });
        };
        match decide(&hot.user, command) {
            UserDecision::Answer(outcome) => Ok(outcome),
            UserDecision::Commit(change) => {
                hot.user.commit(&change);
                hot.header_dirty = true;
                let device = change.device.as_ref().map(|d| d.device).or(change.forgotten);
                hot.devices_dirty.extend(device);
                hot.lines_dirty.extend(change.line.as_ref().map(|l| l.summary.conv));
                match command.action {
                    // The Hello that asked may be an older one that comes late: whose connection this was is not known.
                    UserAction::RenewDeviceEpoch { .. } => {
                        self.end_link(author.user, author.device, CLOSE_NORMAL);
                    }
                    // A Hello that was let in before the removal may have come after the word of it.
                    UserAction::ForgetDevice { device }
                        if !tenon_base::planted!("live-until-ticket-end") =>
                    {
                        self.end_link(author.user, device, CLOSE_SESSION_ENDED);
                    }
                    _ => {}
                }
                if let Some(tell) = &change.tell {
                    self.tell(view, author.org, author.user, command.time, tell);
                }
                Ok(change.outcome)
            }
        }
    }

    fn take_waiting(&mut self, inbox: &mut mpsc::Receiver<Inbound>) -> Result<(), SyncError> {
        for _ in 0..INBOUND_PER_TURN {
            let Ok(inbound) = inbox.try_recv() else { return Ok(()) };
            self.take(inbound)?;
        }
        Ok(())
    }

    fn take(&mut self, inbound: Inbound) -> Result<(), SyncError> {
        match inbound {
            Inbound::Attach(attach, reply) => self.attach(attach, reply)?,
            Inbound::Ack { key, queue_epoch, pts, window_bytes } => {
                self.ack(key, queue_epoch, pts, window_bytes);
            }
            Inbound::Subscribe { key, queue_epoch, pts } => self.subscribe(key, queue_epoch, pts),
            Inbound::Detach(key) => self.detach(key),
            Inbound::Ask { org, user, question, reply } => {
                let view = self.doors.store.view();
                self.hot.load(&view, org, user)?;
                reply.send(self.answer(user, &question));
            }
            Inbound::Revoke { org, user, device } => self.revoke(org, user, device),
        }
        Ok(())
    }

    /// The rules of Hello in their order (`docs/protocol.md`, Hello): device epoch, connection counter, rolled-back store, cursor.
    fn attach(&mut self, attach: Attach, reply: Reply<Attached>) -> Result<(), SyncError> {
        let key = attach.key;
        let view = self.doors.store.view();
        self.hot.load(&view, key.org, key.user)?;
        let Some(hot) = self.hot.hot_mut(key.user) else { return Ok(()) };
        let Some(state) = hot.user.devices.get(&key.device) else {
            reply.send(Attached::DeviceEpochStale);
            return Ok(());
        };
        if attach.device_epoch != state.device_epoch {
            reply.send(Attached::DeviceEpochStale);
            return Ok(());
        }
        let last_exchange = hot.exchanges.get(&key.device).copied().unwrap_or(0);
        let goes_on = key.conn_ctr == state.conn_ctr && key.exchange > 0;
        if key.conn_ctr <= state.conn_ctr && !(goes_on && key.exchange >= last_exchange) {
            tenon_base::sometimes!("connection-stale");
            reply.send(Attached::ConnectionStale);
            return Ok(());
        }
        let header = &hot.user.header;
        let rolled_back = attach
            .cursor
            .is_some_and(|(epoch, pts)| epoch <= header.queue_epoch && pts < state.acked);
        let verdict = header.judge_cursor(attach.cursor, attach.backlog_max);
        let last_op = state.last_op;
        let (queue_epoch, tip, list_digest) = (header.queue_epoch, header.tip, header.list_digest);
        let pull_convs = hot
            .user
            .lines
            .values()
            .filter(|l| l.is_in && l.mode == Mode::Pull)
            .map(|l| l.summary.conv)
            .collect();
        let (start, reason) = match verdict {
            CursorVerdict::Continue(pts) => (pts, None),
            CursorVerdict::Rebase(reason) => (tip, Some(reason)),
        };
        let held = match attach.cursor {
            Some((epoch, pts)) if reason.is_none() || epoch == queue_epoch => pts.min(tip),
            _ => Pts(0),
        };
        let held = if tenon_base::planted!("rebase-counts-as-ack") { start } else { held };
        // A device that fell behind its acks is told at every Hello until its new epoch makes it a new device: the answer to
        // this one may be lost.
        if rolled_back {
            tenon_base::sometimes!("device-fell-behind-its-acks");
        }
        let held = if rolled_back { held.max(state.acked) } else { held };
        let link = Link::new(key, attach.link, start, attach.window_bytes);
        self.replace_link(key, link, held, attach.time, reason);
        reply.send(Attached::Live {
            queue_epoch,
            tip,
            rebase: reason,
            last_op,
            store_rolled_back: rolled_back,
            list_digest,
            pull_convs,
        });
        self.touched.insert(key.user);
        self.pump_touched()
    }

    fn replace_link(
        &mut self,
        key: LinkKey,
        mut link: Link,
        held: Pts,
        seen: tenon_base::Timestamp,
        reason: Option<u32>,
    ) {
        if let Some(reason) = reason {
            link.is_streaming = false;
            self.metrics.rebases.with_label_values(&[reason_label(reason)]).inc();
            if reason == tenon_core::user::queue::rebase_reason::AHEAD {
                self.metrics.cursors_ahead.inc();
                tracing::warn!(user = key.user.0, device = key.device.0, "cursor above the tip");
            }
        }
        self.end_link(key.user, key.device, CLOSE_DISPLACED);
        let Some(hot) = self.hot.hot_mut(key.user) else { return };
        if let Some(state) = hot.user.devices.get_mut(&key.device) {
            state.conn_ctr = key.conn_ctr;
            state.seen = state.seen.max(seen);
            // The device's own cursor is the truth. A rebase moves it later, by the subscribe that ends its first page.
            state.acked = held;
            hot.devices_dirty.insert(key.device);
        }
        hot.exchanges.insert(key.device, key.exchange);
        hot.links.push(link);
        self.metrics.links.inc();
    }

    /// The device's connection hears that it is over, and what it still says has no effect.
    fn end_link(&mut self, user: UserId, device: DeviceId, reason: u32) {
        let Some(hot) = self.hot.hot_mut(user) else { return };
        if let Some(at) = hot.links.iter().position(|l| l.device == device) {
            close(&hot.links.swap_remove(at), reason);
            self.metrics.links.dec();
        }
    }

    fn link_at(&mut self, key: LinkKey) -> Option<(&mut crate::hot_state::Hot, usize)> {
        let hot = self.hot.hot_mut(key.user)?;
        let at = hot.links.iter().position(|l| {
            let is_live = l.conn_ctr == key.conn_ctr && l.exchange == key.exchange;
            l.device == key.device && is_live
        })?;
        Some((hot, at))
    }

    fn ack(&mut self, key: LinkKey, epoch: QueueEpoch, pts: Pts, window_bytes: Option<u32>) {
        let Some((hot, at)) = self.link_at(key) else { return };
        if let (Some(bytes), Some(link)) = (window_bytes, hot.links.get_mut(at)) {
            link.window_bytes = bytes as usize;
        }
        if epoch == hot.user.header.queue_epoch {
            note_ack(hot, at, pts, tenon_base::Timestamp(0));
            self.touched.insert(key.user);
        }
    }

    fn subscribe(&mut self, key: LinkKey, epoch: QueueEpoch, pts: Pts) {
        let metrics = self.metrics.clone();
        let Some((hot, at)) = self.link_at(key) else { return };
        match hot.user.header.judge_cursor(Some((epoch, pts)), u64::MAX) {
            CursorVerdict::Continue(pts) => {
                let jumps = tenon_base::planted!("subscribe-at-tip");
                let from = if jumps { hot.user.header.tip } else { pts };
                if let Some(link) = hot.links.get_mut(at) {
                    link.restart(from);
                }
                if let Some(state) = hot.user.devices.get_mut(&key.device) {
                    state.acked = pts;
                    hot.devices_dirty.insert(key.device);
                }
                self.touched.insert(key.user);
            }
            CursorVerdict::Rebase(reason) => delivery::rebase(hot, at, reason, &metrics),
        }
    }

    fn detach(&mut self, key: LinkKey) {
        let Some((hot, at)) = self.link_at(key) else { return };
        hot.links.swap_remove(at);
        if hot.links.is_empty() {
            hot.tail.clear();
        }
        self.metrics.links.dec();
    }

    fn revoke(&mut self, org: OrgId, user: UserId, device: Option<DeviceId>) {
        let Some(hot) = self.hot.hot_mut(user).filter(|h| h.user.header.org == org) else { return };
        let mut kept = Vec::new();
        for link in hot.links.drain(..) {
            let is_kept = tenon_base::planted!("live-until-ticket-end");
            if device.is_none_or(|d| d == link.device) && !is_kept {
                close(&link, CLOSE_SESSION_ENDED);
                self.metrics.links.dec();
            } else {
                kept.push(link);
            }
        }
        hot.links = kept;
    }

    fn answer(&self, user: UserId, question: &UserQuestion) -> UserAnswer {
        let empty = tenon_core::user::User::default();
        let hot = self.hot.hot(user);
        let state = hot.map_or(&empty, |h| &h.user);
        match question {
            UserQuestion::Lines => {
                UserAnswer::Lines(state.lines.values().filter(|l| l.is_in).cloned().collect())
            }
            UserQuestion::LinesOf(convs) => UserAnswer::Lines(
                convs
                    .iter()
                    .filter_map(|c| state.lines.get(c))
                    .filter(|l| l.is_in)
                    .cloned()
                    .collect(),
            ),
            UserQuestion::Numbers => UserAnswer::Numbers {
                queue_epoch: state.header.queue_epoch,
                tip: state.header.tip,
                list_digest: state.header.list_digest,
            },
            UserQuestion::Lookup { device, device_epoch, op_seq } => {
                lookup(state, *device, *device_epoch, *op_seq)
            }
            UserQuestion::Devices => UserAnswer::Devices(
                state
                    .devices
                    .values()
                    .map(|d| {
                        let is_live =
                            hot.is_some_and(|h| h.links.iter().any(|l| l.device == d.device));
                        (d.device, d.seen, is_live)
                    })
                    .collect(),
            ),
        }
    }

    fn pump_touched(&mut self) -> Result<(), SyncError> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let view = self.doors.store.view();
        let sources = Sources { view: &view, recent: &self.doors.recent, metrics: &self.metrics };
        for user in std::mem::take(&mut self.touched) {
            if let Some(hot) = self.hot.hot_mut(user) {
                pump(hot, &sources)?;
            }
        }
        Ok(())
    }

    /// Between two records: when the memtable rotates, everything dirty goes into the old shard with the applied Lsn.
    fn cut_if_wanted(&mut self) {
        if self.writer.rotation_wanted() {
            self.hot.write_dirty(&mut self.writer);
            let row =
                table::fan_out_source::Row { epoch: self.hot.epoch, sources: self.sources.clone() };
            let key = table::fan_out_source::key(self.partition);
            if !tenon_base::planted!("sources-not-flushed") {
                self.writer.put(key, Some(table::fan_out_source::encode(&row)));
            }
            self.writer.publish();
            self.writer.cut(self.applied, &[]);
        }
    }
}

fn lookup(
    state: &tenon_core::user::User,
    device: DeviceId,
    device_epoch: tenon_base::DeviceEpoch,
    op_seq: tenon_base::OpSeq,
) -> UserAnswer {
    let chain = state.devices.get(&device).and_then(|device| device.chain(device_epoch));
    let Some((last, outcomes)) = chain else {
        return UserAnswer::Lookup { outcome: None, expect: tenon_base::OpSeq(1) };
    };
    let outcome = outcomes.iter().find(|o| o.op_seq == op_seq).copied();
    UserAnswer::Lookup { outcome, expect: last.next() }
}

fn close(link: &Link, reason: u32) {
    if link.to.deliver(Delivery::Close { reason }) == Handover::Full {
        tracing::debug!(device = link.device.0, "close refused by a full connection");
    }
}

fn conv_of(item: &QueueItem) -> tenon_base::ConversationId {
    match item {
        QueueItem::Ref { conv, .. } => *conv,
        QueueItem::Inline(event) => event.conv(),
    }
}

/// True if the user follows the tips of the item's conversation before it takes effect.
fn mode_of(hot: &crate::hot_state::Hot, item: &QueueItem) -> bool {
    let line = hot.user.lines.get(&conv_of(item));
    line.is_some_and(|l| l.is_in && l.mode == Mode::Pull)
}

/// Connections learn which pull-mode conversations they follow.
fn follow_tips(hot: &crate::hot_state::Hot, item: &QueueItem, followed: bool) {
    let conv = conv_of(item);
    let gone = matches!(item, QueueItem::Inline(e) if matches!(e.as_ref(), UserEvent::ConversationRemoved { .. }));
    let follows = !gone && mode_of(hot, item);
    if follows == followed || tenon_base::planted!("follow-not-told") {
        return;
    }
    for link in &hot.links {
        let told = if follows { Delivery::FollowTips(conv) } else { Delivery::UnfollowTips(conv) };
        if link.to.deliver(told) == Handover::Full {
            tracing::debug!(
                device = link.device.0,
                "tip subscription refused by a full connection"
            );
        }
    }
}
