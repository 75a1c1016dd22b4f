//! Real devices, real rooms, real sockets that break all the time: nothing is lost, doubled or out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tenon_base::{Deadline, Random as _, SeededRandom, Timestamp};
use tenon_client::engine::{HistoryAnswer, HistoryWant};
use tenon_client::{
    Answer, AppEvent, Auth, Command, Engine, EngineConfig, MemoryStore, Now, Output, Store as _,
};
use tenon_wire::{Message as _, event_type, v1};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::real::house;

/// Messages of each device.
const SENDS: u64 = 40;
/// Links live about this long while they are broken on purpose.
const LINK_LIFE_MS: u64 = 50;
/// The whole of it on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test wants of a device.
enum Wish {
    Send { conv: u64, words: String },
    History { conv: u64, answer: oneshot::Sender<HistoryAnswer> },
    Report(oneshot::Sender<Report>),
}

/// What a device knows.
#[derive(Debug, Clone, Default)]
struct Report {
    unsettled: usize,
    refused: Vec<u32>,
    /// Revs told in order, by conversation; a jump is noted by its last rev.
    revs: BTreeMap<u64, Vec<u64>>,
    disorder: Vec<String>,
    tips: BTreeMap<u64, (u64, u64)>,
    debts: usize,
    links: u32,
}

struct Device {
    engine: Engine,
    store: MemoryStore,
    socket: Option<TcpStream>,
    address: SocketAddr,
    started: Instant,
    random: Arc<SeededRandom>,
    breaks: watch::Receiver<bool>,
    break_at: Instant,
    asked: BTreeMap<u64, oneshot::Sender<HistoryAnswer>>,
    next_ticket: u64,
    report: Report,
}

impl Device {
    fn now(&self) -> Now {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap();
        Now { wall: Timestamp(1_700_000_000_000 + micros / 1000), mono: Deadline(micros) }
    }

    async fn run(mut self, mut wishes: mpsc::Receiver<Wish>) {
        let now = self.now();
        self.engine.handle_command(Command::Start, now);
        loop {
            self.act().await;
            let now = self.now();
            let wait = self.engine.deadline().map_or(Duration::from_secs(1), |d| d.since(now.mono));
            let is_breaking = *self.breaks.borrow();
            let mut bytes = vec![0; 16 * 1024];
            tokio::select! {
                wish = wishes.recv() => match wish {
                    Some(wish) => self.wish(wish),
                    None => return,
                },
                read = read(&mut self.socket, &mut bytes) => self.take(read.map(|len| &bytes[..len])),
                () = tokio::time::sleep(wait) => self.engine.handle_timeout(now),
                () = tokio::time::sleep_until(self.break_at), if is_breaking => {
                    self.next_break();
                    self.lose();
                }
            }
        }
    }

    fn next_break(&mut self) {
        let life = self.random.next_u64() % (2 * LINK_LIFE_MS) + 1;
        self.break_at = Instant::now() + Duration::from_millis(life);
    }

    fn lose(&mut self) {
        if self.socket.take().is_some() {
            let now = self.now();
            self.engine.handle_link_down("broken", now);
        }
    }

    fn take(&mut self, read: std::io::Result<&[u8]>) {
        let now = self.now();
        match read {
            Ok(bytes) if !bytes.is_empty() => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let taken = self.engine.handle_bytes(rest, now);
                    rest = &rest[taken..];
                }
            }
            _ => self.lose(),
        }
    }

    fn wish(&mut self, wish: Wish) {
        let now = self.now();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        match wish {
            Wish::Send { conv, words } => {
                let send = Box::new(crate::peer::text(conv, 0, &words));
                self.engine.handle_command(Command::Send { ticket, send, after: 0 }, now);
            }
            Wish::History { conv, answer } => {
                self.asked.insert(ticket, answer);
                let want =
                    HistoryWant { conv, limit: 100, is_upward: true, ..HistoryWant::default() };
                self.engine.handle_command(Command::History { ticket, want }, now);
            }
            Wish::Report(answer) => {
                let mut report = self.report.clone();
                report.unsettled = self.engine.unsettled();
                report.debts = self.engine.debts().len();
                let lines = self.engine.list();
                report.tips = lines.iter().map(|l| (l.conv, (l.rev, l.tip_seq))).collect();
                answer.send(report).unwrap();
            }
        }
    }

    /// Does all that the engine wants.
    async fn act(&mut self) {
        loop {
            let now = self.now();
            let Some(output) = self.engine.poll_output(now) else { break };
            match output {
                Output::Commit { tx, ops } => {
                    self.store.commit(ops).unwrap();
                    self.engine.handle_committed(tx, now);
                }
                Output::Connect => self.connect().await,
                Output::CloseLink => {
                    self.transmit().await;
                    self.socket = None;
                }
                Output::Answer(ticket, answer) => self.answer(ticket, answer),
                Output::Event(event) => self.event(event),
            }
        }
        self.transmit().await;
    }

    async fn connect(&mut self) {
        let opened = TcpStream::connect(self.address).await;
        let now = self.now();
        match opened {
            Ok(socket) => {
                self.socket = Some(socket);
                self.report.links += 1;
                self.engine.handle_link_up(now);
            }
            Err(error) => self.engine.handle_link_down(&error.to_string(), now),
        }
    }

    async fn transmit(&mut self) {
        while let Some(bytes) = self.engine.poll_transmit() {
            let Some(socket) = &mut self.socket else { continue };
            if socket.write_all(&bytes).await.is_err() {
                self.lose();
            }
        }
    }

    fn answer(&mut self, ticket: u64, answer: Answer) {
        let Some(waiting) = self.asked.remove(&ticket) else { return };
        match answer {
            Answer::History(history) => {
                let mut history = *history;
                if history.rows.is_empty() {
                    let range = tenon_client::store::RowRange {
                        conv: history.conv,
                        lo: history.lo,
                        hi: history.hi,
                        limit: 1_000,
                        is_upward: true,
                    };
                    history.rows = self.store.messages(range).unwrap();
                }
                drop(waiting.send(history));
            }
            other => panic!("{other:?} instead of a history"),
        }
    }

    fn event(&mut self, event: AppEvent) {
        match event {
            AppEvent::Sync { event, .. } if event.rev > 0 => {
                self.told(event.conv, event.rev, event.rev);
                if event.r#type == event_type::UNREADABLE {
                    self.report.disorder.push(format!("unreadable {}", event.rev));
                }
            }
            AppEvent::Jumped { jumped, .. } => {
                self.told(jumped.conv, jumped.from_rev + 1, jumped.to_rev);
            }
            AppEvent::Settled { settled, .. } if settled.code != 0 => {
                self.report.refused.push(settled.code);
            }
            _ => {}
        }
    }

    /// Revs `from..=to` are told, or skipped in one piece.
    fn told(&mut self, conv: u64, from: u64, to: u64) {
        let revs = self.report.revs.entry(conv).or_default();
        if let Some(last) = revs.last().copied()
            && last + 1 != from
        {
            self.report.disorder.push(format!("conv {conv}: {from} after {last}"));
        }
        revs.push(to);
    }
}

async fn read(socket: &mut Option<TcpStream>, bytes: &mut [u8]) -> std::io::Result<usize> {
    match socket {
        Some(socket) => socket.read(bytes).await,
        None => std::future::pending().await,
    }
}

struct Running {
    name: String,
    wishes: mpsc::Sender<Wish>,
    task: JoinHandle<()>,
}

impl Running {
    async fn report(&self) -> Report {
        let (sender, answer) = oneshot::channel();
        self.wishes.send(Wish::Report(sender)).await.ok().unwrap();
        answer.await.unwrap()
    }

    async fn history(&self, conv: u64) -> Vec<(u64, String)> {
        let (answer, history) = oneshot::channel();
        self.wishes.send(Wish::History { conv, answer }).await.ok().unwrap();
        let history = history.await.unwrap();
        assert!(history.is_stable && history.is_floor, "{}", self.name);
        history.rows.iter().map(|row| (row.seq, words(&row.body))).collect()
    }
}

fn words(body: &bytes::Bytes) -> String {
    match v1::Content::decode(body.clone()).unwrap().what {
        Some(v1::content::What::Text(text)) => text.text,
        other => panic!("{other:?}"),
    }
}

fn start(
    address: SocketAddr,
    name: &str,
    credential: String,
    seed: u64,
    breaks: watch::Receiver<bool>,
) -> Running {
    let mut config = EngineConfig::new(Auth::Credential(credential.into()));
    config.window_bytes = 16 * 1024;
    config.backoff_min = Duration::from_millis(5);
    config.backoff_max = Duration::from_millis(50);
    config.send_timeout = Duration::from_millis(500);
    config.ack_delay = Duration::from_millis(10);
    config.pull_jitter = Duration::from_millis(5);
    let random = Arc::new(SeededRandom::new(seed));
    let mut store = MemoryStore::default();
    let loaded = store.load().unwrap();
    let device = Device {
        engine: Engine::new(config, loaded, Arc::clone(&random) as _),
        store,
        socket: None,
        address,
        started: Instant::now(),
        random,
        breaks,
        break_at: Instant::now() + Duration::from_millis(LINK_LIFE_MS),
        asked: BTreeMap::new(),
        next_ticket: 1,
        report: Report::default(),
    };
    let (wishes, receiver) = mpsc::channel(64);
    Running { name: name.to_owned(), wishes, task: tokio::spawn(device.run(receiver)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_links_lose_nothing() {
    let house = house().await;
    house.users(&["ada", "bob", "cyd"]).await;
    let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let small = house.admin.create_group("two", &names(&["ada", "bob"])).await.unwrap().0;
    let large = house.admin.create_group("three", &names(&["ada", "bob", "cyd"])).await.unwrap().0;
    let (breaks, breaking) = watch::channel(true);
    let mut devices = Vec::new();
    for (seed, (name, label)) in
        [("ada", "phone"), ("ada", "desk"), ("bob", "phone"), ("cyd", "phone")].iter().enumerate()
    {
        let credential = house.admin.mint(name, label).await.unwrap();
        let seed = 100 + seed as u64;
        let full = format!("{name} {label}");
        devices.push(start(house.address, &full, credential, seed, breaking.clone()));
    }
    // A device can name a conversation once it has heard of it.
    for device in &devices {
        settled(device, |report| report.tips.contains_key(&large)).await;
    }
    let mut sent = BTreeMap::<u64, BTreeSet<String>>::new();
    for n in 0..SENDS {
        for device in &devices {
            let in_small = n % 2 == 0 && !device.name.starts_with("cyd");
            let conv = if in_small { small } else { large };
            let words = format!("{} {n}", device.name);
            sent.entry(conv).or_default().insert(words.clone());
            device.wishes.send(Wish::Send { conv, words }).await.ok().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    breaks.send(false).unwrap();
    for device in &devices {
        let report = settled(device, |report| report.unsettled == 0).await;
        assert_eq!(report.refused, [0_u32; 0], "{}", device.name);
        assert!(report.links >= 4, "{} had {} links only", device.name, report.links);
    }
    for device in &devices {
        // The making of a conversation is its first rev.
        let is_even = |report: &Report| {
            let is_told = |(conv, tip): (&u64, &(u64, u64))| {
                let count = sent.get(conv).map_or(0, BTreeSet::len) as u64;
                *tip == (count + 1, count)
            };
            report.debts == 0 && report.tips.iter().all(is_told)
        };
        let report = settled(device, is_even).await;
        assert!(report.disorder.is_empty(), "{}: {:?}", device.name, report.disorder);
    }
    for (conv, expect) in sent {
        let mut one: Option<Vec<(u64, String)>> = None;
        for device in &devices {
            if conv == small && device.name.starts_with("cyd") {
                continue;
            }
            let history = device.history(conv).await;
            let seqs: Vec<_> = history.iter().map(|(seq, _)| *seq).collect();
            assert_eq!(seqs, (1..=expect.len() as u64).collect::<Vec<_>>(), "{}", device.name);
            assert_eq!(one.get_or_insert_with(|| history.clone()), &history, "{}", device.name);
        }
        check_order(&one.unwrap(), &expect);
    }
    for device in devices {
        drop(device.wishes);
        device.task.await.unwrap();
    }
}

/// Each message is there once, and those of one device in the order it sent them.
fn check_order(history: &[(u64, String)], expect: &BTreeSet<String>) {
    let told: BTreeSet<_> = history.iter().map(|(_, words)| words.clone()).collect();
    assert_eq!((&told, history.len()), (expect, expect.len()));
    let mut last = BTreeMap::new();
    for (_, words) in history {
        let (sender, n) = words.rsplit_once(' ').unwrap();
        let n: u64 = n.parse().unwrap();
        let before = last.insert(sender.to_owned(), n);
        assert!(before < Some(n), "{sender}: {n} after {before:?}");
    }
}

async fn settled(device: &Running, is_done: impl Fn(&Report) -> bool) -> Report {
    let started = Instant::now();
    loop {
        let report = device.report().await;
        if is_done(&report) {
            return report;
        }
        assert!(started.elapsed() < PATIENCE, "{} stays at {report:?}", device.name);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
