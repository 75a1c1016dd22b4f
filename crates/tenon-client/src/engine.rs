//! The engine: a pure state machine between the app, one link and the local store.
//!
//! # Takes and gives
//! Commands ([`Engine::handle_command`]), bytes of a link, the end of a transaction and the time in; then
//! [`Engine::poll_output`] and [`Engine::poll_transmit`] until both say `None`. [`Engine::deadline`] says when to
//! call [`Engine::handle_timeout`].
//!
//! # Invariants
//! - At most one transaction is open. What depends on it (Ack, Send, answers, events) leaves after it is committed;
//!   what comes meanwhile is gathered into the next one.
//! - Numbered events for the app leave in order, each once.
//! - Same inputs, same random source: same outputs.
//!
//! # Not here
//! Sockets, tasks, clocks (the driver); frames (`tenon-wire`).

mod apply;
mod ask;
mod backoff;
mod conversation;
mod history;
mod inbox;
mod interval;
mod link;
mod outbox;
mod pull;
mod read;
mod rebase;
mod settle;
mod speech;
mod stream;
mod tx;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tenon_base::{Deadline, Random};
use tenon_wire::v1;

pub use interval::IntervalSet;
pub use speech::{
    Answer, AppEvent, Auth, Command, ConnectionState, EngineConfig, HistoryAnswer, HistoryWant,
    ListLine, Now, Output,
};

use crate::row::{DeviceRow, EventRow, EventWhat, Loaded};
use ask::Asks;
use conversation::Conversation;
use link::Link;
use outbox::Outbox;
use pull::Debts;
use read::Reads;
use stream::{AckState, Stream};
use tx::{Effect, Transactions, Up};

/// Steps gathered for the next transaction above which the driver should stop reading from the link.
const PENDING_OPS_MAX: usize = 4_096;

/// One account on one device.
pub struct Engine {
    config: EngineConfig,
    random: Arc<dyn Random>,
    device: DeviceRow,
    streams: BTreeMap<u32, Stream>,
    conversations: BTreeMap<u64, Conversation>,
    outbox: Outbox,
    reads: Reads,
    debts: Debts,
    asks: Asks,
    link: Link,
    ack: AckState,
    tx: Transactions,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("device", &self.device)
            .field("conversations", &self.conversations.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over what the store holds. Events that the app has not handled come first.
    pub fn new(config: EngineConfig, loaded: Loaded, random: Arc<dyn Random>) -> Self {
        let is_new = loaded.device.is_none();
        let mut device = loaded.device.unwrap_or(DeviceRow {
            device_epoch: 0,
            next_op_seq: 1,
            next_local: 1,
            next_event: 1,
            needs_epoch: true,
            ..DeviceRow::default()
        });
        if config.device != 0 {
            device.device = config.device;
        }
        let mut engine = Self {
            random,
            device,
            streams: BTreeMap::new(),
            conversations: BTreeMap::new(),
            outbox: Outbox::default(),
            reads: Reads::default(),
            debts: Debts::default(),
            asks: Asks::default(),
            link: Link::new(config.backoff_min),
            ack: AckState::default(),
            tx: Transactions::default(),
            config,
        };
        engine.tx.pending.is_device_dirty = is_new;
        for row in loaded.streams {
            engine.streams.insert(row.unit, Stream::stored(row));
        }
        engine.ack.committed = engine.cursors();
        for row in loaded.conversations {
            engine.conversations.insert(row.conv, Conversation::stored(row));
        }
        for (conv, row) in loaded.intervals {
            if let Some(conversation) = engine.conversations.get_mut(&conv) {
                conversation.intervals = IntervalSet::from_rows(row.intervals);
            }
        }
        for row in loaded.outbox {
            engine.outbox.load(row);
        }
        for row in loaded.reads {
            engine.reads.load(row);
        }
        for row in loaded.events {
            engine.tx.pending.effects.extend(event_of(row).map(Effect::Event));
        }
        let owing: Vec<u64> = engine.conversations.keys().copied().collect();
        owing.into_iter().for_each(|conv| engine.note_debt(conv));
        engine
    }

    /// Takes a wish of the app.
    pub fn handle_command(&mut self, command: Command, now: Now) {
        match command {
            Command::Start => self.start(),
            Command::Stop => self.stop(),
            Command::Authorize(auth) => self.authorize(auth),
            Command::Send { ticket, send, after } => self.queue_send(ticket, *send, after, now),
            Command::Op { ticket, op, after } => self.queue_op(ticket, *op, after, now),
            Command::Cancel { local } => self.cancel(local, now),
            Command::MarkRead { conv, up_to_seq, up_to_pcnt } => {
                self.mark_read(conv, up_to_seq, up_to_pcnt, now);
            }
            Command::History { ticket, want } => self.history(ticket, want, now),
            Command::Request { ticket, method, body } => self.request(ticket, method, body, now),
            Command::Watch(watch) => self.watch(watch),
            Command::Ephemeral(ephemeral) => self.up(Up::Ephemeral(ephemeral)),
            Command::EventsDone(n) => {
                if self.config.keeps_events {
                    self.tx.pending.events_done = self.tx.pending.events_done.max(n);
                }
            }
        }
    }

    /// The transaction `tx` is durable: what depends on it may leave.
    pub fn handle_committed(&mut self, tx: u64, now: Now) {
        let Some(open) = self.tx.open.take_if(|open| open.tx == tx) else { return };
        self.tx.ready.extend(open.effects);
        self.ack.committed = open.cursors;
        self.ack_when_due(now);
    }

    /// The store failed: the engine stops for good and says so once.
    pub fn handle_commit_failed(&mut self, text: &str) {
        self.tx.fail();
        self.link.abandon();
        self.tx.ready.push_back(Effect::CloseLink);
        let state = ConnectionState::Stopped { code: 0, text: text.to_owned() };
        self.tx.ready.push_back(Effect::Event(AppEvent::State(state)));
    }

    /// True while the driver may read more from the link.
    pub fn has_room(&self) -> bool {
        self.tx.pending.ops.len() + self.tx.pending.effects.len() < PENDING_OPS_MAX
    }

    /// The next thing to do outside; call until `None`.
    pub fn poll_output(&mut self, now: Now) -> Option<Output> {
        loop {
            if let Some(effect) = self.tx.ready.pop_front() {
                if let Some(output) = self.release(effect, now) {
                    return Some(output);
                }
                continue;
            }
            if self.tx.open.is_some() || self.tx.is_failed {
                return None;
            }
            match self.cut() {
                tx::Cut::Nothing => return None,
                tx::Cut::Effects => {}
                tx::Cut::Commit(output) => return Some(output),
            }
        }
    }

    /// Bytes for the open link; call until `None` after every `poll_output`.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.link.poll_transmit()
    }

    /// When [`Self::handle_timeout`] is due; `None` = not before the next input.
    pub fn deadline(&self) -> Option<Deadline> {
        [
            self.link.deadline(),
            self.ack.due,
            self.debts.at,
            self.asks.deadline(),
            self.outbox_deadline(),
            self.reads_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what the time asks for.
    pub fn handle_timeout(&mut self, now: Now) {
        self.link_timeout(now);
        if self.ack.due.is_some_and(|due| due <= now.mono) {
            self.send_ack();
        }
        self.asks_timeout(now);
        self.outbox_timeout(now);
        self.reads_timeout(now);
        if self.debts.at.is_some_and(|at| at <= now.mono) {
            self.pull(now);
        }
    }

    /// Conversations of the user, newest first.
    pub fn list(&self) -> Vec<ListLine> {
        let mut lines: Vec<_> = self.conversations.values().filter_map(|c| c.line()).collect();
        lines.sort_by_key(|line| (std::cmp::Reverse(line.sort_ts), line.conv));
        lines
    }

    /// One line of the list, whether the user is a member or not.
    pub fn conversation(&self, conv: u64) -> Option<ListLine> {
        self.conversations.get(&conv).map(Conversation::any_line)
    }

    /// True if the user is a member, as far as is known here.
    pub fn is_joined(&self, conv: u64) -> bool {
        let c = self.conversations.get(&conv);
        c.is_some_and(|c| c.row.state() == crate::row::ConvState::Joined)
    }

    /// The device row: who the device is, and its counters.
    pub const fn device(&self) -> &DeviceRow {
        &self.device
    }

    /// Positions in the streams, those not yet committed included.
    pub fn cursors(&self) -> BTreeMap<u32, v1::Cursor> {
        self.streams.values().filter_map(Stream::cursor).map(|c| (c.unit, c)).collect()
    }

    /// Commands that are not settled.
    pub fn unsettled(&self) -> usize {
        self.outbox.len()
    }

    /// Conversations that owe a pull.
    pub fn debts(&self) -> BTreeSet<u64> {
        self.debts.owing.clone()
    }

    /// Gives the app a numbered event, stored until it is handled.
    fn tell(&mut self, what: EventWhat) {
        let n = self.device.next_event;
        self.device.next_event += 1;
        let row = EventRow { n, what: Some(what) };
        if self.config.keeps_events {
            self.tx.pending.is_device_dirty = true;
            self.tx.pending.ops.push(crate::store::StoreOp::Event(Box::new(row.clone())));
        }
        self.tx.pending.effects.extend(event_of(row).map(Effect::Event));
    }

    fn event(&mut self, event: AppEvent) {
        self.tx.pending.effects.push(Effect::Event(event));
    }

    fn answer(&mut self, ticket: u64, answer: Answer) {
        self.tx.pending.effects.push(Effect::Answer(ticket, answer));
    }

    /// Queues something for the link as it is now; dropped if that link ends first.
    fn up(&mut self, up: Up) {
        if self.link.is_live() {
            self.tx.pending.effects.push(Effect::Up(self.link.number(), up));
        }
    }
}

fn event_of(row: EventRow) -> Option<AppEvent> {
    let n = row.n;
    Some(match row.what? {
        EventWhat::Sync(event) => AppEvent::Sync { n, event: Box::new(event) },
        EventWhat::Settled(settled) => AppEvent::Settled { n, settled: Box::new(settled) },
        EventWhat::Jumped(jumped) => AppEvent::Jumped { n, jumped },
        EventWhat::Rebased(rebased) => AppEvent::Rebased { n, rebased },
    })
}
