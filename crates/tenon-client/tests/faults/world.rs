//! Devices with engines and stores, links that are cut, crashes between commits, and what the apps saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tenon_base::{Deadline, Random, SeededRandom, Timestamp};
use tenon_client::engine::{Engine, HistoryWant};
use tenon_client::row::Settled;
use tenon_client::store::RowRange;
use tenon_client::{
    Answer, AppEvent, Auth, Command, EngineConfig, MemoryStore, Now, Output, Store, StoreOp,
};
use tenon_wire::{op_type, v1};

use crate::model::{Faults, Model};
use crate::trace::Trace;

pub const DEVICES: &[(u64, u64)] = &[(11, 1), (12, 1), (21, 2), (31, 3)];

/// What an app remembers over its own crashes.
#[derive(Debug, Default)]
pub struct App {
    /// Bodies that were promised to arrive, by local id.
    pub queued: BTreeMap<u64, (u64, Vec<u8>)>,
    pub settled: BTreeMap<u64, Settled>,
    /// Numbered events, as first seen.
    pub events: BTreeMap<u64, AppEvent>,
    handled: u64,
    tickets: BTreeMap<u64, (u64, Vec<u8>)>,
}

pub struct Device {
    pub id: u64,
    pub user: u64,
    pub engine: Engine,
    pub disk: MemoryStore,
    pub app: App,
    open: Option<(u64, Vec<StoreOp>)>,
    conn: Option<u64>,
    up: Vec<u8>,
    down: Vec<u8>,
    wants_link: bool,
    restarts: u64,
    pub trace: Trace,
}

pub struct World {
    pub model: Model,
    pub devices: Vec<Device>,
    random: SeededRandom,
    seed: u64,
    now_us: u64,
    next_conn: u64,
    next_ticket: u64,
    is_calm: bool,
}

fn engine(id: u64, seed: u64, disk: &mut MemoryStore) -> Engine {
    let config = EngineConfig {
        device: id,
        first_page: 2,
        ..EngineConfig::new(Auth::Credential(id.to_string().into()))
    };
    Engine::new(config, disk.load().unwrap(), Arc::new(SeededRandom::new(seed)))
}

impl World {
    pub fn new(seed: u64) -> Self {
        let device = |&(id, user): &(u64, u64)| {
            let mut disk = MemoryStore::default();
            Device {
                id,
                user,
                engine: engine(id, seed ^ id, &mut disk),
                disk,
                app: App::default(),
                open: None,
                conn: None,
                up: Vec::new(),
                down: Vec::new(),
                wants_link: false,
                restarts: 0,
                trace: Trace::new(),
            }
        };
        let mut world = Self {
            model: Model::new(seed, DEVICES),
            devices: DEVICES.iter().map(device).collect(),
            random: SeededRandom::new(!seed),
            seed,
            now_us: 1_000_000,
            next_conn: 1,
            next_ticket: 1,
            is_calm: false,
        };
        world.model.faults = Faults {
            drop: 60,
            duplicate: 60,
            reorder: 60,
            lose_ack: 150,
            throttle: 60,
            park: 60,
            trim: 300,
        };
        world.model.create(1, &[2], false);
        world.model.create(2, &[3], false);
        world.model.create(3, &[1, 2], true);
        for at in 0..DEVICES.len() {
            world.command(at, Command::Start);
        }
        world
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp(self.now_us / 1_000), mono: Deadline(self.now_us) }
    }

    fn draw(&self, below: u64) -> u64 {
        self.random.next_u64() % below
    }

    pub fn command(&mut self, at: usize, command: Command) {
        let now = self.now();
        self.devices[at].trace.command(self.now_us, &command);
        self.devices[at].engine.handle_command(command, now);
    }

    /// One random thing.
    pub fn act(&mut self) {
        let at = self.draw(DEVICES.len() as u64) as usize;
        match self.draw(100) {
            0..30 => self.send(at),
            30..34 => self.recall(at),
            34..36 => self.create(at),
            36..40 => self.mark_read(at),
            40..43 => self.read_history(at),
            43..46 => self.cut(at),
            46..49 => self.crash(at),
            49..51 => self.cancel(at),
            51..80 => self.advance(Duration::from_millis(self.draw(400))),
            80..82 => self.advance(Duration::from_secs(self.draw(40))),
            _ => self.turn(at, 1),
        }
        for at in 0..DEVICES.len() {
            if self.draw(3) > 0 {
                self.turn(at, 3);
            }
        }
    }

    fn convs(&self, at: usize) -> Vec<u64> {
        self.devices[at].engine.list().iter().map(|line| line.conv).collect()
    }

    fn pick_conv(&self, at: usize) -> Option<u64> {
        let convs = self.convs(at);
        (!convs.is_empty()).then(|| convs[self.draw(convs.len() as u64) as usize])
    }

    fn send(&mut self, at: usize) {
        let Some(conv) = self.pick_conv(at) else { return };
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let bad = if self.draw(12) == 0 { "bad " } else { "" };
        let body = format!("{bad}{ticket} of {}", self.devices[at].id).into_bytes();
        self.devices[at].app.tickets.insert(ticket, (conv, body.clone()));
        let send = Box::new(v1::Send { conv, kind: 1, body: body.into(), ..Default::default() });
        self.command(at, Command::Send { ticket, send, after: 0 });
    }

    fn recall(&mut self, at: usize) {
        let done = self.devices[at].app.settled.values().filter(|s| s.seq > 0);
        let done: Vec<(u64, u64)> = done.map(|s| (s.conv, s.seq)).collect();
        if done.is_empty() {
            return;
        }
        let (conv, seq) = done[self.draw(done.len() as u64) as usize];
        let body = v1::Recall { seq, ..Default::default() }.encode_to_vec().into();
        let op = v1::Op { conv, r#type: op_type::RECALL, body, ..Default::default() };
        self.command(at, Command::Op { ticket: 0, op: Box::new(op), after: 0 });
    }

    fn create(&mut self, at: usize) {
        let body = v1::CreateConversation { members: vec![1, 2], ..Default::default() };
        let op = v1::Op {
            r#type: op_type::CREATE_CONVERSATION,
            body: body.encode_to_vec().into(),
            ..Default::default()
        };
        self.command(at, Command::Op { ticket: 0, op: Box::new(op), after: 0 });
    }

    fn mark_read(&mut self, at: usize) {
        if let Some(line) = self.devices[at].engine.list().first() {
            let (conv, up_to_seq) = (line.conv, line.tip_seq);
            self.command(at, Command::MarkRead { conv, up_to_seq, up_to_pcnt: 0 });
        }
    }

    fn read_history(&mut self, at: usize) {
        if let Some(conv) = self.pick_conv(at) {
            let want = HistoryWant { conv, limit: 5, ..HistoryWant::default() };
            self.command(at, Command::History { ticket: 0, want });
        }
    }

    fn cancel(&mut self, at: usize) {
        let app = &self.devices[at].app;
        let open: Vec<u64> =
            app.queued.keys().filter(|l| !app.settled.contains_key(l)).copied().collect();
        if !open.is_empty() {
            let local = open[self.draw(open.len() as u64) as usize];
            self.command(at, Command::Cancel { local });
        }
    }

    /// The network ends a link; each side keeps what had arrived.
    fn cut(&mut self, at: usize) {
        let now = self.now();
        let device = &mut self.devices[at];
        if let Some(conn) = device.conn.take() {
            if self.random.next_u64().is_multiple_of(2) {
                self.model.bytes(conn, &std::mem::take(&mut device.up), now.mono);
            }
            self.model.close(conn);
            device.up.clear();
            device.down.clear();
            device.trace.input(self.now_us, "down", "cut".into());
            device.engine.handle_link_down("cut", now);
        }
    }

    /// The process dies; the open transaction happened or not.
    fn crash(&mut self, at: usize) {
        let happened = self.draw(2) == 0;
        let device = &mut self.devices[at];
        if let Some((_, ops)) = device.open.take()
            && happened
        {
            device.disk.commit(ops).unwrap();
        }
        if let Some(conn) = device.conn.take() {
            self.model.close(conn);
        }
        device.up.clear();
        device.down.clear();
        device.wants_link = false;
        device.restarts += 1;
        let seed = self.seed ^ device.id ^ (device.restarts << 32);
        let how = serde_json::json!({"happened": happened, "random": seed.to_string()});
        device.trace.input(self.now_us, "crash", how);
        device.engine = engine(device.id, seed, &mut device.disk);
        self.command(at, Command::Start);
    }

    fn advance(&mut self, by: Duration) {
        self.now_us += by.as_micros() as u64;
        let now = self.now();
        for device in &mut self.devices {
            if device.engine.deadline().is_some_and(|at| at <= now.mono) {
                device.trace.input(self.now_us, "timeout", ().into());
                device.engine.handle_timeout(now);
            }
        }
    }

    /// Lets a device and its link go on for some steps.
    fn turn(&mut self, at: usize, steps: usize) {
        for _ in 0..steps {
            let now = self.now();
            self.outputs(at, now);
            let commits = self.is_calm || self.draw(2) == 0;
            if commits {
                self.commit(at, now);
            }
            self.outputs(at, now);
            self.link(at, now);
        }
    }

    fn commit(&mut self, at: usize, now: Now) {
        let device = &mut self.devices[at];
        if let Some((tx, ops)) = device.open.take() {
            device.disk.commit(ops).unwrap();
            device.trace.input(self.now_us, "committed", ().into());
            device.engine.handle_committed(tx, now);
        }
    }

    fn link(&mut self, at: usize, now: Now) {
        if self.devices[at].wants_link {
            self.devices[at].wants_link = false;
            if !self.is_calm && self.draw(5) == 0 {
                self.devices[at].trace.input(self.now_us, "down", "refused".into());
                self.devices[at].engine.handle_link_down("refused", now);
                return;
            }
            let conn = self.next_conn;
            self.next_conn += 1;
            self.model.open(conn, self.devices[at].id, now.mono);
            let device = &mut self.devices[at];
            device.conn = Some(conn);
            device.trace.input(self.now_us, "up", ().into());
            device.engine.handle_link_up(now);
            self.outputs(at, now);
        }
        let Some(conn) = self.devices[at].conn else { return };
        let up_len = self.devices[at].up.len();
        let n = if self.is_calm { up_len } else { self.draw(up_len as u64 + 1) as usize };
        let bytes: Vec<u8> = self.devices[at].up.drain(..n).collect();
        self.model.bytes(conn, &bytes, now.mono);
        let down = self.model.transmit(conn);
        let device = &mut self.devices[at];
        match down {
            Some(bytes) => device.down.extend_from_slice(&bytes),
            None => device.conn = None,
        }
        let down_len = device.down.len();
        let n = if self.is_calm || device.conn.is_none() {
            down_len
        } else {
            self.random.next_u64() as usize % (down_len + 1)
        };
        let bytes: Vec<u8> = device.down.drain(..n).collect();
        if !bytes.is_empty() {
            device.trace.input(self.now_us, "bytes", crate::trace::hex(&bytes).into());
        }
        let taken = device.engine.handle_bytes(&bytes, now);
        assert_eq!(taken, bytes.len(), "the engine takes what it is given");
        if device.conn.is_none() {
            device.trace.input(self.now_us, "down", "closed by the server".into());
            device.engine.handle_link_down("closed by the server", now);
            device.up.clear();
        }
        self.outputs(at, now);
    }

    fn outputs(&mut self, at: usize, now: Now) {
        let device = &mut self.devices[at];
        loop {
            let output = device.engine.poll_output(now);
            let mut written = Vec::new();
            while let Some(bytes) = device.engine.poll_transmit() {
                written.extend_from_slice(&bytes);
            }
            device.trace.polled(self.now_us, output.as_ref(), &written);
            if device.conn.is_some() {
                device.up.extend_from_slice(&written);
            }
            match output {
                None => return,
                Some(Output::Commit { tx, ops }) => {
                    assert!(device.open.is_none(), "one transaction at a time");
                    device.open = Some((tx, ops));
                }
                Some(Output::Connect) => device.wants_link = true,
                Some(Output::CloseLink) => {
                    if let Some(conn) = device.conn.take() {
                        self.model.bytes(conn, &std::mem::take(&mut device.up), now.mono);
                        self.model.close(conn);
                    }
                    device.up.clear();
                    device.down.clear();
                }
                Some(Output::Answer(ticket, Answer::Queued { local })) => {
                    if let Some(what) = device.app.tickets.remove(&ticket) {
                        device.app.queued.insert(local, what);
                    }
                }
                Some(Output::Answer(..)) => {}
                Some(Output::Event(event)) => {
                    let stops = self.random.next_u64().is_multiple_of(3);
                    if let Some(n) = on_app_event(&mut device.app, event, stops) {
                        let done = Command::EventsDone(n);
                        device.trace.command(self.now_us, &done);
                        device.engine.handle_command(done, now);
                    }
                }
            }
        }
    }

    /// Ends all faults and lets everything arrive.
    pub fn calm(&mut self) {
        self.is_calm = true;
        self.model.faults = Faults::default();
        for round in 0..400 {
            for at in 0..DEVICES.len() {
                self.turn(at, 4);
            }
            self.advance(Duration::from_secs(1 + round % 3 * 10));
        }
        for device in &mut self.devices {
            device.trace.end(&mut device.disk);
        }
        for at in 0..DEVICES.len() {
            for conv in self.convs(at) {
                self.scroll(at, conv);
            }
        }
    }

    /// Reads the whole history of a conversation, page by page.
    fn scroll(&mut self, at: usize, conv: u64) {
        let mut below_seq = 0;
        for _ in 0..200 {
            let want = HistoryWant { conv, below_seq, limit: 7, ..HistoryWant::default() };
            let ticket = u64::MAX;
            self.command(at, Command::History { ticket, want });
            let Some(answer) = self.wait_history(at) else { panic!("no answer to history") };
            if answer.lo > answer.hi || answer.is_floor {
                return;
            }
            below_seq = answer.lo;
        }
        panic!("history of {conv} has no floor");
    }

    fn wait_history(&mut self, at: usize) -> Option<tenon_client::engine::HistoryAnswer> {
        for _ in 0..50 {
            let now = self.now();
            while let Some(output) = self.devices[at].engine.poll_output(now) {
                match output {
                    Output::Answer(u64::MAX, Answer::History(answer)) => {
                        self.commit(at, now);
                        return Some(*answer);
                    }
                    Output::Commit { tx, ops } => {
                        let device = &mut self.devices[at];
                        device.disk.commit(ops).unwrap();
                        device.engine.handle_committed(tx, now);
                    }
                    Output::Event(event) => {
                        on_app_event(&mut self.devices[at].app, event, false);
                    }
                    _ => {}
                }
            }
            while let Some(bytes) = self.devices[at].engine.poll_transmit() {
                self.devices[at].up.extend_from_slice(&bytes);
            }
            self.link_quiet(at, now);
            self.advance(Duration::from_millis(500));
        }
        None
    }

    fn link_quiet(&mut self, at: usize, now: Now) {
        let Some(conn) = self.devices[at].conn else { return };
        let bytes = std::mem::take(&mut self.devices[at].up);
        self.model.bytes(conn, &bytes, now.mono);
        let bytes = self.model.transmit(conn).unwrap();
        self.devices[at].engine.handle_bytes(&bytes, now);
    }

    /// Compares every device with the logs.
    pub fn check(&mut self) {
        self.check_log();
        for at in 0..DEVICES.len() {
            self.check_commands(at);
            self.check_copy(at);
            self.check_events(at);
        }
    }

    /// No body twice, and the messages of one device in the order it sent them.
    fn check_log(&self) {
        for (conv, c) in &self.model.convs {
            let mut bodies = BTreeSet::new();
            for event in c.events.iter().filter(|e| e.seq > 0 && !e.body.is_empty()) {
                assert!(bodies.insert(event.body.clone()), "conv {conv} has a message twice");
            }
        }
    }

    fn check_commands(&self, at: usize) {
        let device = &self.devices[at];
        let app = &device.app;
        assert_eq!(device.engine.unsettled(), 0, "device {} has open commands", device.id);
        let mut last = BTreeMap::new();
        for (local, (conv, body)) in &app.queued {
            let settled = app.settled.get(local);
            let settled = settled.unwrap_or_else(|| panic!("command {local} has no outcome"));
            if settled.is_done() {
                let message = self.model.convs[conv].events.iter().find(|e| e.rev == settled.rev);
                assert_eq!(message.unwrap().body, body, "command {local} is another message");
                let last = last.insert(*conv, settled.seq).unwrap_or(0);
                assert!(last < settled.seq, "messages of one device changed places");
            } else {
                let events = &self.model.convs[conv].events;
                assert!(events.iter().all(|e| e.body != body), "a refused message is in the log");
            }
        }
    }

    fn check_copy(&mut self, at: usize) {
        let convs = self.model.convs.clone();
        for (conv, c) in convs {
            let device = &mut self.devices[at];
            let line = device.engine.conversation(conv);
            if !c.members.contains_key(&device.user) {
                assert!(line.is_none(), "device {} holds a foreign conversation", device.id);
                continue;
            }
            let line = line.unwrap_or_else(|| panic!("device {} misses {conv}", device.id));
            assert_eq!(
                line.rev,
                c.events.len() as u64,
                "device {} {line:?} {:?}",
                device.id,
                device.engine
            );
            let range = RowRange { conv, lo: 1, hi: u64::MAX, limit: 10_000, is_upward: true };
            let held = device.disk.messages(range).unwrap();
            let plain = |row: &v1::MessageRow| (row.seq, row.ver, row.body.clone());
            let held: Vec<_> = held.iter().map(plain).collect();
            let want: Vec<_> = self.model.rows(conv).values().map(plain).collect();
            assert_eq!(held, want, "device {} conv {conv}", device.id);
        }
        let device = &self.devices[at];
        let cursor = device.engine.cursors()[&1];
        assert_eq!(cursor.pts, self.model.tip(device.user), "device {}", device.id);
    }

    /// Each rev at most once, in order; without a skipped queue every rev is told or named as skipped.
    fn check_events(&self, at: usize) {
        let device = &self.devices[at];
        let mut told: BTreeMap<u64, u64> = BTreeMap::new();
        let mut rebases = 0;
        for event in device.app.events.values() {
            match event {
                AppEvent::Sync { event, .. } if event.rev > 0 => {
                    let last = told.entry(event.conv).or_default();
                    assert!(*last < event.rev, "device {} rev told twice", device.id);
                    let is_next = *last + 1 == event.rev;
                    assert!(is_next || *last == 0 || rebases > 1, "a rev was not told");
                    *last = event.rev;
                }
                AppEvent::Jumped { jumped, .. } => drop(told.insert(jumped.conv, jumped.to_rev)),
                AppEvent::Rebased { .. } => rebases += 1,
                _ => {}
            }
        }
    }
}

/// The app takes an event; it may come again after a crash, as it was. Gives the number it has handled.
fn on_app_event(app: &mut App, event: AppEvent, stops: bool) -> Option<u64> {
    let n = event.number()?;
    if let Some(first) = app.events.get(&n) {
        assert_eq!(first, &event, "event {n} came again as another");
        return None;
    }
    assert!(n > app.handled, "event {n} came after it was handled");
    if let AppEvent::Settled { settled, .. } = &event {
        let twice = app.settled.insert(settled.local, (**settled).clone());
        assert!(twice.is_none(), "command {} settled twice", settled.local);
    }
    app.events.insert(n, event);
    if stops {
        return None;
    }
    app.handled = n;
    Some(n)
}
