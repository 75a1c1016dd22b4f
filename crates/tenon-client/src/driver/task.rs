//! The task of one client: carries between engine, socket, store and app.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{Deadline, Timestamp};
use tenon_wire::{flag, v1};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use super::ClientEvent;
use super::handle::{ClientError, HistoryRows, LEFT};
use super::link::Link;
use super::options::{ClientOptions, StoreChoice};
use super::record::Record;
use super::time::{now, until};
use super::waiters::{Reply, Waiter, Waiters, answer};
use crate::engine::{
    Answer, AppEvent, Command, ConnectionState, Engine, HistoryAnswer, HistoryWant, ListLine, Now,
    Output,
};
use crate::row::Settled;
use crate::store::{MemoryStore, RowRange, SqliteStore, Store, StoreError, StoreOp};

/// The file in the folder of a device.
const FILE: &str = "device.db";
/// Events that wait for the app before the socket is left alone.
const BACKLOG_MAX: usize = 256;
/// How long a handled event may wait for its commit.
const HANDLED_WAIT: Duration = Duration::from_secs(1);
/// A sleep without a deadline is looked at again after this.
const IDLE: Duration = Duration::from_secs(3_600);

/// A call of the app.
pub(super) enum Wish {
    Command(Command),
    Send {
        send: Box<v1::Send>,
        after: u64,
        queued: Option<Reply<u64>>,
        settled: Option<Reply<Settled>>,
    },
    Op {
        op: Box<v1::Op>,
        after: u64,
        queued: Option<Reply<u64>>,
        settled: Option<Reply<Settled>>,
    },
    History {
        want: HistoryWant,
        reply: Reply<HistoryRows>,
    },
    Request {
        method: u32,
        body: Bytes,
        reply: Reply<Bytes>,
    },
    List {
        waits: bool,
        reply: Reply<Vec<ListLine>>,
    },
    Join {
        conv: u64,
        reply: Reply<()>,
    },
    Rest(Reply<()>),
    Close(Reply<()>),
}

/// Work on the store, in order.
enum Job {
    Commit(u64, Vec<StoreOp>),
    Rows(Box<HistoryAnswer>, Reply<HistoryRows>),
}

/// What the work gave.
enum Done {
    Commit(u64, Result<(), StoreError>),
    /// The conversation, the rows, and how many the user deleted.
    Rows(Reply<HistoryRows>, u64, Result<(HistoryRows, usize), ClientError>),
}

type BoxStore = Box<dyn Store>;
type Opening = Pin<Box<dyn Future<Output = io::Result<Link>> + Send>>;

/// What woke the task.
enum Woke {
    Wish(Option<Wish>),
    Opened(io::Result<Link>),
    Worked(Option<(BoxStore, Done)>),
    Read(io::Result<usize>),
    Time,
    Room(bool),
}

pub(super) struct Task {
    engine: Engine,
    options: ClientOptions,
    store: Option<BoxStore>,
    jobs: VecDeque<Job>,
    work: Option<JoinHandle<(BoxStore, Done)>>,
    link: Option<Link>,
    opening: Option<Opening>,
    wishes: mpsc::Receiver<Wish>,
    waiters: Waiters,
    events: Option<mpsc::Sender<ClientEvent>>,
    backlog: VecDeque<ClientEvent>,
    handled: Arc<AtomicU64>,
    handled_told: u64,
    given: u64,
    state: watch::Sender<ConnectionState>,
    is_listed: bool,
    lists: Vec<Reply<Vec<ListLine>>>,
    sleep: Pin<Box<Sleep>>,
    sleep_at: Option<Deadline>,
    closing: Option<Vec<Reply<()>>>,
    record: Option<Record>,
}

impl Task {
    /// Opens the store and makes the engine.
    pub(super) async fn open(
        mut options: ClientOptions,
        wishes: mpsc::Receiver<Wish>,
        events: mpsc::Sender<ClientEvent>,
        state: watch::Sender<ConnectionState>,
        handled: Arc<AtomicU64>,
    ) -> Result<Self, ClientError> {
        if options.store == StoreChoice::Nothing {
            options.engine.keeps_rows = false;
        }
        if !matches!(options.store, StoreChoice::Folder(_)) {
            options.engine.keeps_events = false;
        }
        let is_kept = matches!(options.store, StoreChoice::Folder(_));
        let record = options.record.as_ref().map(|to| {
            Record::open(to, is_kept).map_err(|error| ClientError::Record {
                path: to.path.clone(),
                error: Arc::new(error),
            })
        });
        let record = record.transpose()?;
        let choice = options.store.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let mut store = open_store(&choice)?;
            let loaded = store.load()?;
            Ok::<_, StoreError>((store, loaded))
        });
        let (store, loaded) = opened.await.map_err(|_| ClientError::Closed)??;
        let random = Arc::clone(&options.random);
        let engine = Engine::new(options.engine.clone(), loaded, random);
        Ok(Self {
            engine,
            options,
            store: Some(store),
            jobs: VecDeque::new(),
            work: None,
            link: None,
            opening: None,
            wishes,
            waiters: Waiters::default(),
            events: Some(events),
            backlog: VecDeque::new(),
            handled,
            handled_told: 0,
            given: 0,
            state,
            is_listed: false,
            lists: Vec::new(),
            sleep: Box::pin(tokio::time::sleep(IDLE)),
            sleep_at: None,
            closing: None,
            record,
        })
    }

    /// Runs until the client is closed or every handle is gone.
    pub(super) async fn run(mut self) {
        self.command(Command::Start);
        loop {
            self.settle_outputs();
            if self.closing.is_some() && self.store.is_some() && self.jobs.is_empty() {
                break;
            }
            match self.wait().await {
                Woke::Wish(Some(wish)) => self.on_wish(wish),
                Woke::Wish(None) => self.close(None),
                Woke::Opened(opened) => self.on_opened(opened),
                Woke::Worked(Some((store, done))) => {
                    self.store = Some(store);
                    self.on_done(done);
                }
                Woke::Worked(None) => {
                    self.engine.handle_commit_failed("the store's thread ended");
                    self.close(None);
                    break;
                }
                Woke::Read(read) => self.on_read(read),
                Woke::Time => {
                    let now = self.now();
                    self.engine.handle_timeout(now);
                }
                Woke::Room(is_open) => self.on_room(is_open),
            }
        }
        self.waiters.fail_all(&ClientError::Closed);
        if let Some(link) = self.link.take() {
            link.finish().await;
        }
        self.note(Record::close);
        drop(self.store.take());
        for reply in self.closing.into_iter().flatten() {
            answer(reply, Ok(()));
        }
    }

    fn now(&self) -> Now {
        now(self.options.clock.as_ref())
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        self.engine.handle_command(command, now);
    }

    /// Waits for the first thing that happens.
    async fn wait(&mut self) -> Woke {
        self.set_sleep();
        let reads = self.engine.has_room() && self.backlog.len() < BACKLOG_MAX;
        let (link, opening, work) = (&mut self.link, &mut self.opening, &mut self.work);
        let (events, has_backlog) = (&self.events, !self.backlog.is_empty());
        let woke = tokio::select! {
            biased;
            worked = poll_some(work.as_mut().map(Pin::new)) => Woke::Worked(worked.ok()),
            opened = poll_some(opening.as_mut().map(Pin::as_mut)) => Woke::Opened(opened),
            is_open = room(events.as_ref(), has_backlog) => Woke::Room(is_open),
            read = poll_fn(|cx| match link {
                Some(link) => link.poll(cx, reads),
                None => std::task::Poll::Pending,
            }) => Woke::Read(read),
            wish = self.wishes.recv(), if self.closing.is_none() => Woke::Wish(wish),
            () = self.sleep.as_mut() => Woke::Time,
        };
        match &woke {
            Woke::Worked(_) => self.work = None,
            Woke::Opened(_) => self.opening = None,
            Woke::Time => self.sleep_at = None,
            _ => {}
        }
        woke
    }

    fn set_sleep(&mut self) {
        let mut at = self.engine.deadline();
        if self.given > self.handled_told && self.events.is_some() {
            let soon = self.options.clock.monotonic().plus(HANDLED_WAIT);
            at = Some(at.map_or(soon, |at| at.min(soon)));
        }
        let is_elapsed = self.sleep.is_elapsed();
        if at == self.sleep_at && !is_elapsed {
            return;
        }
        self.sleep_at = at;
        let wait = at.map_or(IDLE, |at| until(self.options.clock.as_ref(), at));
        self.sleep.as_mut().reset(tokio::time::Instant::now() + wait);
    }

    fn on_wish(&mut self, wish: Wish) {
        match wish {
            Wish::Command(command) => {
                if let Command::MarkRead { conv, up_to_seq, .. } = command {
                    self.note(|record, now| record.read(conv, up_to_seq, now));
                }
                self.command(command);
            }
            Wish::Send { send, after, queued, settled } => {
                let ticket = self.waiters.add(Waiter::Command { queued, settled });
                self.note(|record, _| record.offered(ticket, &send));
                self.command(Command::Send { ticket, send, after });
            }
            Wish::Op { op, after, queued, settled } => {
                let ticket = self.waiters.add(Waiter::Command { queued, settled });
                self.command(Command::Op { ticket, op, after });
            }
            Wish::History { want, reply } => {
                let ticket = self.waiters.add(Waiter::History(reply));
                self.command(Command::History { ticket, want });
            }
            Wish::Request { method, body, reply } => {
                let ticket = self.waiters.add(Waiter::Request(reply));
                self.command(Command::Request { ticket, method, body });
            }
            Wish::List { waits, reply } => {
                if let Some(error) = self.stopped().filter(|_| waits) {
                    answer(reply, Err(error));
                } else if waits && !self.is_listed {
                    self.lists.push(reply);
                } else {
                    answer(reply, Ok(self.shown_list()));
                }
            }
            Wish::Join { conv, reply } => self.waiters.await_join(conv, reply),
            Wish::Rest(reply) => {
                let lines = self.engine.list();
                self.note(|record, now| record.rest(&lines, now));
                answer(reply, Ok(()));
            }
            Wish::Close(reply) => self.close(Some(reply)),
        }
    }

    /// The list for the app.
    fn shown_list(&mut self) -> Vec<ListLine> {
        let lines = self.engine.list();
        self.note(|record, now| record.list(&lines, now));
        lines
    }

    /// Writes to the record, if there is one.
    fn note(&mut self, write: impl FnOnce(&mut Record, Timestamp)) {
        let Some(record) = &mut self.record else { return };
        let now = self.options.clock.now();
        record.identify(self.engine.device(), now);
        write(record, now);
    }

    fn stopped(&self) -> Option<ClientError> {
        match &*self.state.borrow() {
            ConnectionState::Stopped { code, text } => {
                Some(ClientError::Stopped { code: *code, text: text.clone() })
            }
            _ => None,
        }
    }

    fn close(&mut self, reply: Option<Reply<()>>) {
        self.tell_handled();
        self.command(Command::Stop);
        self.closing.get_or_insert_default().extend(reply);
        self.opening = None;
    }

    fn on_opened(&mut self, opened: io::Result<Link>) {
        let now = self.now();
        match opened {
            Ok(link) => {
                self.link = Some(link);
                self.engine.handle_link_up(now);
            }
            Err(error) => self.engine.handle_link_down(&error.to_string(), now),
        }
    }

    fn on_read(&mut self, read: io::Result<usize>) {
        let now = self.now();
        match (read, &self.link) {
            (Ok(n), Some(link)) => {
                let mut rest = link.read(n);
                while !rest.is_empty() {
                    let taken = self.engine.handle_bytes(rest, now);
                    rest = &rest[taken..];
                    if taken == 0 {
                        break;
                    }
                }
                let is_left = !rest.is_empty();
                if is_left {
                    self.link = None;
                    self.engine.handle_link_down("a frame does not fit", now);
                }
            }
            (Err(error), _) => {
                self.link = None;
                self.engine.handle_link_down(&error.to_string(), now);
            }
            (Ok(_), None) => {}
        }
    }

    /// Does everything the engine asks for now.
    fn settle_outputs(&mut self) {
        self.tell_handled();
        loop {
            let now = self.now();
            let output = self.engine.poll_output(now);
            while let Some(bytes) = self.engine.poll_transmit() {
                if let Some(link) = &mut self.link {
                    link.push(bytes);
                }
            }
            match output {
                Some(output) => self.on_output(output),
                None if !self.work_on() => break,
                None => {}
            }
        }
        self.pass_events();
        let engine = &self.engine;
        self.waiters.joined(|conv| engine.is_joined(conv));
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Commit { tx, ops } => self.jobs.push_back(Job::Commit(tx, ops)),
            Output::Connect => {
                let (server, tls) = (self.options.server.clone(), self.options.tls.clone());
                self.opening = Some(Box::pin(Link::open(server, tls)));
            }
            // The last link is finished by the end of the task, so that a graceful close waits for it.
            Output::CloseLink if self.closing.is_some() => {}
            Output::CloseLink => {
                if let Some(link) = self.link.take() {
                    drop(tokio::spawn(link.finish()));
                }
            }
            Output::Answer(ticket, said) => self.on_answer(ticket, said),
            Output::Event(event) => self.on_event(event),
        }
    }

    fn on_answer(&mut self, ticket: u64, said: Answer) {
        self.note(|record, now| match &said {
            Answer::Queued { local } => record.queued(ticket, *local, now),
            Answer::Refused(_) => record.not_queued(ticket),
            _ => {}
        });
        match (self.waiters.take(ticket), said) {
            (Some(Waiter::Command { queued, settled }), Answer::Queued { local }) => {
                queued.into_iter().for_each(|reply| answer(reply, Ok(local)));
                settled.into_iter().for_each(|reply| self.waiters.await_settled(local, reply));
            }
            (Some(Waiter::History(reply)), Answer::History(rows)) => {
                self.jobs.push_back(Job::Rows(rows, reply));
            }
            (Some(Waiter::Request(reply)), Answer::Response(body)) => answer(reply, Ok(body)),
            (Some(waiter), Answer::Refused(info)) => {
                waiter.fail(&ClientError::Refused { code: info.code, text: info.text });
            }
            _ => {}
        }
    }

    fn on_event(&mut self, event: AppEvent) {
        self.note(|record, now| record.event(&event, now));
        match &event {
            AppEvent::Settled { settled, .. } => self.waiters.settled(settled),
            AppEvent::ListComplete => {
                self.is_listed = true;
                for reply in std::mem::take(&mut self.lists) {
                    answer(reply, Ok(self.shown_list()));
                }
            }
            AppEvent::State(state) => {
                tracing::debug!(?state, "connection state");
                self.state.send_replace(state.clone());
                if let Some(error) = self.stopped() {
                    self.waiters.fail_all(&error);
                    for reply in std::mem::take(&mut self.lists) {
                        answer(reply, Err(error.clone()));
                    }
                }
            }
            _ => {}
        }
        if self.events.is_some() {
            self.backlog.push_back(event);
        } else if let Some(n) = event.number() {
            self.skip(n);
        }
    }

    /// Hands events over as far as the app has room.
    fn pass_events(&mut self) {
        while let (Some(events), Some(event)) = (&self.events, self.backlog.pop_front()) {
            let n = event.number();
            match events.try_send(event) {
                Ok(()) => self.given = self.given.max(n.unwrap_or(0)),
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(event)) => {
                    self.backlog.push_front(event);
                    self.on_room(false);
                }
            }
        }
    }

    /// The app has room, or does not listen any more.
    fn on_room(&mut self, is_open: bool) {
        if is_open {
            self.pass_events();
            return;
        }
        self.events = None;
        if let Some(n) = self.backlog.drain(..).filter_map(|e| e.number()).max() {
            self.skip(n);
        }
    }

    /// Nobody wants the events up to `n`: they are handled, unless they are left for the next process.
    fn skip(&mut self, n: u64) {
        if self.handled.load(Ordering::Relaxed) & LEFT == 0 {
            self.command(Command::EventsDone(n));
        }
    }

    fn tell_handled(&mut self) {
        let handled = self.handled.load(Ordering::Relaxed) & !LEFT;
        if handled > self.handled_told {
            self.handled_told = handled;
            self.command(Command::EventsDone(handled));
        }
    }

    /// Starts the next work on the store; performs it here if it does not block. True if something is done.
    fn work_on(&mut self) -> bool {
        let Some(mut store) = self.store.take() else { return false };
        let Some(job) = self.jobs.pop_front() else {
            self.store = Some(store);
            return false;
        };
        if matches!(self.options.store, StoreChoice::Folder(_)) {
            self.work = Some(tokio::task::spawn_blocking(move || {
                let done = perform(store.as_mut(), job);
                (store, done)
            }));
            return false;
        }
        let done = perform(store.as_mut(), job);
        self.store = Some(store);
        self.on_done(done);
        true
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Commit(tx, Ok(())) => {
                let now = self.now();
                self.engine.handle_committed(tx, now);
            }
            Done::Commit(_, Err(error)) => {
                tracing::error!(%error, "local store failed");
                self.engine.handle_commit_failed(&error.to_string());
            }
            Done::Rows(reply, conv, rows) => {
                let rows = rows.map(|(rows, hidden)| {
                    self.note(|record, now| record.page(conv, &rows, hidden, now));
                    rows
                });
                answer(reply, rows);
            }
        }
    }
}

/// A future that may be absent: then it never ends.
async fn poll_some<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// Waits for room in the channel of events, if something waits for it. False if the app does not listen any more.
async fn room(events: Option<&mpsc::Sender<ClientEvent>>, is_wanted: bool) -> bool {
    match events {
        Some(events) if is_wanted => events.reserve().await.is_ok(),
        Some(events) => {
            events.closed().await;
            false
        }
        None => pending().await,
    }
}

fn open_store(choice: &StoreChoice) -> Result<BoxStore, StoreError> {
    Ok(match choice {
        StoreChoice::Memory => Box::new(MemoryStore::default()),
        StoreChoice::Nothing => Box::new(MemoryStore::forgetful()),
        StoreChoice::Folder(folder) => {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder).map_err(|error| StoreError::Engine(Box::new(error)))?;
            Box::new(SqliteStore::open(&folder.join(FILE))?)
        }
    })
}

fn perform(store: &mut dyn Store, job: Job) -> Done {
    match job {
        Job::Commit(tx, ops) => Done::Commit(tx, store.commit(ops)),
        Job::Rows(answer, reply) => {
            let conv = answer.conv;
            let rows = rows_of(store, *answer).map_err(ClientError::from);
            Done::Rows(reply, conv, rows)
        }
    }
}

/// The rows of an answer: those it carries, or the stored ones; what the user deleted is left out
/// and counted.
///
/// # Errors
/// When the store cannot be read.
pub fn rows_of(
    store: &mut dyn Store,
    answer: HistoryAnswer,
) -> Result<(HistoryRows, usize), StoreError> {
    let HistoryAnswer { conv, lo, hi, is_floor, is_stable, rows, privates, overlay } = answer;
    let (mut rows, mut privates) = (rows, privates);
    if rows.is_empty() && privates.is_empty() && lo <= hi {
        let limit = tenon_base::limits::HISTORY_ROWS_MAX;
        rows = store.messages(RowRange { conv, lo, hi, limit, is_upward: false })?;
        privates = store.privates(conv, if is_floor { 0 } else { lo }, hi)?;
    }
    let all = rows.len();
    rows.retain(|row| row.flags & flag::HIDDEN == 0);
    if let Some(overlay) = overlay {
        let is_shown = |seq: u64| {
            seq > overlay.cleared_to_seq
                && !overlay.deleted_seqs.iter().any(|r| r.lo <= seq && seq <= r.hi)
        };
        rows.retain(|row| is_shown(row.seq));
        privates.retain(|row| !overlay.deleted_pids.contains(&row.pid));
    }
    let hidden = all - rows.len();
    Ok((HistoryRows { rows, privates, lo, hi, is_floor, is_stable }, hidden))
}
