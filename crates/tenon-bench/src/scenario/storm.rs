//! The server is killed under load and all devices come back at once.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tenon_wire::{ClientEvent, Message as _, event_type, method, v1};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::account::{self, Account};
use crate::flow::Flow;
use crate::histogram::Times;
use crate::pacer::Pacer;
use crate::peer::{self, Joined, Peer};
use crate::sender::{self, Sender};
use crate::server::Server;
use crate::{BenchError, Options, Report};

/// Messages a second while the server is killed, unless asked otherwise.
const RATE: u64 = 1_000;
/// Messages of a pair under way: the bound of the protocol.
const IN_FLIGHT: usize = tenon_base::limits::INFLIGHT_PER_CONVERSATION_MAX;
/// Devices that are set up at the same time; the storm itself has no such bound.
const SETUPS_OPEN: usize = 64;
/// Pause before a device that was not let in tries again.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How long all devices may take, and then what was acknowledged.
const ALL_LIVE: Duration = Duration::from_secs(120);
const DRAIN: Duration = Duration::from_secs(60);
/// Events of one answer.
const DIFF_LIMIT: u32 = 500;

/// One device over its connections.
struct Device {
    account: Rc<Account>,
    peer: RefCell<Option<Rc<Peer>>>,
    early: RefCell<Joined>,
    task: RefCell<Option<JoinHandle<()>>>,
    rebases: Cell<u64>,
}

/// Two devices and the conversation between them.
struct Pair {
    from: Device,
    to: Device,
    sender: Rc<Sender>,
    flow: RefCell<Flow>,
    /// Highest event of the conversation that the receiver has shown.
    rev: Cell<u64>,
}

type Failure = Rc<RefCell<Option<BenchError>>>;

pub(crate) async fn run(options: &Options) -> Result<Report, BenchError> {
    let mut report = Report::new("storm");
    let mut server = Server::start(options, false).await?;
    let pairs = pairs(&server, options).await?;
    let failure = Failure::default();
    pairs.iter().for_each(|pair| tend(pair, &failure));
    let beating = beat(&pairs);
    load(&pairs, &failure, options).await?;
    server.kill().await?;
    let killed = Instant::now();
    beating.abort();
    pairs.iter().for_each(|pair| pair.leave());
    // What failed between the kill and here failed by it.
    failure.take();
    server.restart().await?;
    report.put("devices", 2.0 * pairs.len() as f64);
    report.put("restart_s", server.start_s);

    let begin = Instant::now();
    let before = server.usage()?;
    let times = RefCell::new(Times::new()?);
    let tries = Cell::new(0_u64);
    let address = server.address();
    let back = pairs.iter().flat_map(|pair| [&pair.from, &pair.to]).map(|device| async {
        device.come_back(address, begin, &tries).await?;
        times.borrow_mut().record(begin.elapsed());
        Ok::<_, BenchError>(())
    });
    futures_util::future::try_join_all(back).await?;
    report.put("all_live_s", begin.elapsed().as_secs_f64());
    report.put("all_live_after_kill_s", killed.elapsed().as_secs_f64());
    report.put("connects", tries.get() as f64);
    times.borrow().put(&mut report, "live");
    let used = server.usage()?.since(before);
    report.put("server_cpu_us_per_device", used.cpu_s * 1e6 / (2.0 * pairs.len() as f64));
    report.put("server_rss_bytes", used.rss_bytes);

    for pair in &pairs {
        tend(pair, &failure);
        pair.from.with(|peer| pair.sender.send_again(peer));
    }
    let beating = beat(&pairs);
    drain(&pairs, &failure).await?;
    report.put("all_delivered_s", begin.elapsed().as_secs_f64());
    beating.abort();
    for pair in &pairs {
        report.checked.add(pair.flow.borrow().checked(pair.sender.acked()));
        pair.from.with(|peer| report.checked.add(peer.checked()));
        pair.to.with(|peer| report.checked.add(peer.checked()));
    }
    let sum = |count: fn(&Pair) -> u64| pairs.iter().map(|pair| count(pair)).sum::<u64>() as f64;
    report.put("messages", sum(|pair| pair.sender.acked()));
    report.put("sent_again", sum(|pair| pair.sender.retries()));
    report.put("rebases", sum(|pair| pair.from.rebases.get() + pair.to.rebases.get()));
    Ok(report)
}

async fn pairs(server: &Server, options: &Options) -> Result<Vec<Rc<Pair>>, BenchError> {
    let (admin, address) = (server.admin(), server.address());
    let count = (options.devices / 2).max(1);
    let senders = account::make(&admin, "from", count).await?;
    let receivers = account::make(&admin, "to", count).await?;
    let made = futures_util::stream::iter(senders.iter().zip(&receivers)).map(|(from, to)| async {
        let (to, _) = Peer::connect(address, to).await?;
        let (from, _) = Peer::connect(address, from).await?;
        let conv = from.open_direct(to.account.user).await?;
        Ok::<_, BenchError>(Rc::new(Pair {
            from: Device::of(from),
            to: Device::of(to),
            sender: Rc::new(Sender::new(conv, IN_FLIGHT, options.text_bytes)),
            flow: RefCell::default(),
            rev: Cell::default(),
        }))
    });
    made.buffered(SETUPS_OPEN).try_collect().await
}

/// Sends at a fixed rate for the time asked.
async fn load(pairs: &[Rc<Pair>], failure: &Failure, options: &Options) -> Result<(), BenchError> {
    let begin = Instant::now();
    let mut pacer = Pacer::new(options.rates.first().copied().unwrap_or(RATE).max(1))?;
    let mut turn = 0;
    while begin.elapsed() < Duration::from_secs(options.seconds) {
        pacer.beat().await?;
        failure.borrow_mut().take().map_or(Ok(()), Err)?;
        while let Some(due) = pacer.due() {
            let pair = &pairs[turn % pairs.len()];
            turn += 1;
            pair.from.with(|peer| {
                pair.sender.offer(peer, due);
                // A link that fails here is found by its own task.
                drop(peer.flush());
            });
        }
    }
    Ok(())
}

fn beat(pairs: &[Rc<Pair>]) -> JoinHandle<()> {
    let devices = pairs.iter().flat_map(|pair| [&pair.from, &pair.to]);
    let peers = devices.filter_map(|device| device.peer.borrow().clone()).collect();
    tokio::task::spawn_local(peer::beat(peers))
}

/// Starts the two tasks of a pair.
fn tend(pair: &Rc<Pair>, failure: &Failure) {
    for is_sender in [true, false] {
        let (of, failure) = (Rc::clone(pair), Rc::clone(failure));
        let task = tokio::task::spawn_local(async move {
            if let Err(error) = of.hear(is_sender).await {
                failure.borrow_mut().get_or_insert(error);
            }
        });
        pair.device(is_sender).task.replace(Some(task));
    }
}

async fn drain(pairs: &[Rc<Pair>], failure: &Failure) -> Result<(), BenchError> {
    let begin = Instant::now();
    let is_settled =
        |pair: &Rc<Pair>| pair.sender.is_idle() && pair.flow.borrow().has_all(pair.sender.acked());
    while begin.elapsed() < DRAIN && !pairs.iter().all(is_settled) {
        failure.borrow_mut().take().map_or(Ok(()), Err)?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

impl Device {
    fn of(peer: Rc<Peer>) -> Self {
        Self {
            account: Rc::clone(&peer.account),
            peer: RefCell::new(Some(peer)),
            early: RefCell::default(),
            task: RefCell::default(),
            rebases: Cell::default(),
        }
    }

    fn with(&self, use_it: impl FnOnce(&Peer)) {
        if let Some(peer) = &*self.peer.borrow() {
            use_it(peer);
        }
    }

    /// Tries until it is in.
    async fn come_back(
        &self,
        address: SocketAddr,
        begin: Instant,
        tries: &Cell<u64>,
    ) -> Result<(), BenchError> {
        loop {
            tries.set(tries.get() + 1);
            match Peer::connect(address, &self.account).await {
                Ok((peer, joined)) => {
                    self.rebases.set(self.rebases.get() + u64::from(joined.rebase.is_some()));
                    self.peer.replace(Some(peer));
                    self.early.replace(joined);
                    return Ok(());
                }
                Err(error) if begin.elapsed() > ALL_LIVE => return Err(error),
                Err(_) => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
    }
}

impl Pair {
    const fn device(&self, is_sender: bool) -> &Device {
        if is_sender { &self.from } else { &self.to }
    }

    /// Both links are gone with the server.
    fn leave(&self) {
        for device in [&self.from, &self.to] {
            if let Some(task) = device.task.take() {
                task.abort();
            }
            device.peer.replace(None);
        }
    }

    /// Takes what the server says, until the link ends.
    async fn hear(&self, is_sender: bool) -> Result<(), BenchError> {
        let device = self.device(is_sender);
        let Some(peer) = device.peer.borrow().clone() else { return Ok(()) };
        let joined = device.early.take();
        if let Some(rebase) = joined.rebase.filter(|_| !is_sender) {
            self.catch_up(&peer, &rebase).await?;
        }
        for event in joined.early {
            self.on_event(&peer, event)?;
        }
        loop {
            peer.wait().await?;
            let mut order = None;
            while let Some(event) = peer.poll()? {
                match event {
                    ClientEvent::Rebase(rebase) => order = Some(rebase),
                    other => self.on_event(&peer, other)?,
                }
            }
            if let Some(rebase) = order {
                device.rebases.set(device.rebases.get() + 1);
                peer.on_rebase(&rebase);
                if !is_sender {
                    self.catch_up(&peer, &rebase).await?;
                }
            }
        }
    }

    fn on_event(&self, peer: &Rc<Peer>, event: ClientEvent) -> Result<(), BenchError> {
        match event {
            ClientEvent::SendAck(_, ack) => {
                self.sender.on_ack(peer, &ack)?;
                while self.sender.offer_waiting(peer).is_some() {}
            }
            ClientEvent::EventBatch(batch) => {
                let new = peer.on_batch(&batch);
                if peer.account.user == self.to.account.user {
                    self.show(new);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What a device does: an event is shown once, by its rev.
    fn show(&self, events: &[v1::SyncEvent]) {
        for event in events.iter().filter(|event| event.conv == self.sender.conv()) {
            if event.rev <= self.rev.get() {
                continue;
            }
            self.rev.set(event.rev);
            let n = sender::number(&event.body).filter(|_| event.r#type == event_type::MESSAGE);
            if let Some(n) = n {
                self.flow.borrow_mut().take(n);
            }
        }
    }

    /// The queue starts anew: the conversation itself tells what is missing.
    async fn catch_up(&self, peer: &Peer, rebase: &v1::Rebase) -> Result<(), BenchError> {
        let items = rebase.first.iter().flat_map(|page| &page.items);
        let tip =
            items.filter(|item| item.conv == self.sender.conv()).map(|item| item.tip_rev).max();
        while self.rev.get() < tip.unwrap_or(0) {
            let body = v1::GetConvDiff {
                conv: self.sender.conv(),
                since_rev: self.rev.get(),
                limit: DIFF_LIMIT,
                ..v1::GetConvDiff::default()
            };
            let answer = peer.ask(method::GET_CONV_DIFF, body.encode_to_vec().into()).await?;
            let answer = v1::ConvDiffAnswer::decode(answer).map_err(BenchError::refused)?;
            let Some(v1::conv_diff_answer::What::Diff(diff)) = answer.what else {
                return Err(BenchError::refused(format!("{answer:?}")));
            };
            self.show(&diff.events);
            self.rev.set(self.rev.get().max(diff.to_rev));
        }
        Ok(())
    }
}
