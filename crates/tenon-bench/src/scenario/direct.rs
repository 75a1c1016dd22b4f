//! Pairs send 1:1. A message counts when the sender's ack and the receiver's copy are there.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tenon_wire::{ClientEvent, event_type, v1};
use tokio::time::Instant;

use crate::account;
use crate::flow::Flow;
use crate::histogram::Times;
use crate::pacer::Pacer;
use crate::peer::{self, Peer};
use crate::process;
use crate::record::{Actor, Recorder};
use crate::sender::{self, Sender};
use crate::server::Server;
use crate::{BenchError, Options, Report};

/// Phases unless others are asked for; 0 = as fast as acks come back.
const RATES: [u64; 3] = [1_000, 20_000, 0];
/// Before each measurement.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long what was sent may take to arrive after a phase.
const DRAIN: Duration = Duration::from_secs(30);
/// Devices that are set up at the same time.
const SETUPS_OPEN: usize = 64;
/// Messages of a pair under way at a fixed rate: the bound of the protocol.
const IN_FLIGHT_PACED: usize = tenon_base::limits::INFLIGHT_PER_CONVERSATION_MAX;

/// A sender and its receiver.
pub(crate) struct Pair {
    pub(crate) from: Rc<Peer>,
    pub(crate) to: Rc<Peer>,
    pub(crate) sender: Rc<Sender>,
    pub(crate) flow: RefCell<Flow>,
    dues: RefCell<VecDeque<(u64, Instant)>>,
}

/// What all tasks count into.
struct Tally {
    is_measured: Cell<bool>,
    refills: Cell<bool>,
    acked: Cell<u64>,
    reached: Cell<u64>,
    acks: RefCell<Times>,
    reaches: RefCell<Times>,
    failure: RefCell<Option<BenchError>>,
}

impl Tally {
    fn new() -> Result<Self, BenchError> {
        Ok(Self {
            is_measured: Cell::default(),
            refills: Cell::default(),
            acked: Cell::default(),
            reached: Cell::default(),
            acks: RefCell::new(Times::new()?),
            reaches: RefCell::new(Times::new()?),
            failure: RefCell::default(),
        })
    }

    fn start(&self) {
        self.acked.set(0);
        self.reached.set(0);
        self.acks.borrow_mut().clear();
        self.reaches.borrow_mut().clear();
        self.is_measured.set(true);
    }

    /// Keeps the first failure for the one who waits.
    fn note(&self, ended: Result<(), BenchError>) {
        if let Err(error) = ended {
            self.failure.borrow_mut().get_or_insert(error);
        }
    }

    fn is_well(&self) -> Result<(), BenchError> {
        self.failure.borrow_mut().take().map_or(Ok(()), Err)
    }
}

pub(crate) async fn run(options: &Options) -> Result<Report, BenchError> {
    let mut report = Report::new("direct");
    let server = Server::start(options, false).await?;
    report.put("server_start_s", server.start_s);
    let record = options.record.as_deref().map(|path| Recorder::create(path, "direct"));
    let record = record.transpose()?;
    let pairs = pairs(&server, options, record.as_ref()).await?;
    let tally = Rc::new(Tally::new()?);
    for pair in &pairs {
        tokio::task::spawn_local(tend_sender(Rc::clone(pair), Rc::clone(&tally)));
        tokio::task::spawn_local(tend_receiver(Rc::clone(pair), Rc::clone(&tally)));
    }
    let all = pairs.iter().flat_map(|p| [Rc::clone(&p.from), Rc::clone(&p.to)]).collect();
    let beating = tokio::task::spawn_local(peer::beat(all));
    report.put("pairs", pairs.len() as f64);
    let rates = if options.rates.is_empty() { &RATES[..] } else { &options.rates };
    for rate in rates {
        phase(&server, &pairs, &tally, (*rate, options), &mut report).await?;
    }
    beating.abort();
    if let Some(record) = record {
        pairs.iter().for_each(|pair| pair.close_record());
        record.finish()?;
    }
    for pair in &pairs {
        report.checked.add(pair.flow.borrow().checked(pair.sender.acked()));
        report.checked.add(pair.from.checked());
        report.checked.add(pair.to.checked());
    }
    let sum = |count: fn(&Pair) -> u64| pairs.iter().map(|p| count(p)).sum::<u64>() as f64;
    report.put("messages", sum(|p| p.sender.acked()));
    report.put("retries", sum(|p| p.sender.retries()));
    report.put("rebases", sum(|p| p.to.rebases() - 1));
    Ok(report)
}

/// Accounts, devices, conversations.
async fn pairs(
    server: &Server,
    options: &Options,
    record: Option<&Rc<Recorder>>,
) -> Result<Vec<Rc<Pair>>, BenchError> {
    let (admin, address) = (server.admin(), server.address());
    let senders = account::make(&admin, "from", options.pairs).await?;
    let receivers = account::make(&admin, "to", options.pairs).await?;
    if let Some(record) = record {
        senders.iter().chain(&receivers).for_each(|account| account.record(record));
    }
    let in_flight = IN_FLIGHT_PACED;
    let made = futures_util::stream::iter(senders.iter().zip(&receivers)).map(|(from, to)| async {
        let (to, _) = Peer::connect(address, to).await?;
        let (from, _) = Peer::connect(address, from).await?;
        let conv = from.open_direct(to.account.user).await?;
        Ok::<_, BenchError>(Rc::new(Pair {
            from,
            to,
            sender: Rc::new(Sender::new(conv, in_flight, options.text_bytes)),
            flow: RefCell::default(),
            dues: RefCell::default(),
        }))
    });
    made.buffered(SETUPS_OPEN).try_collect().await
}

async fn phase(
    server: &Server,
    pairs: &[Rc<Pair>],
    tally: &Tally,
    (rate, options): (u64, &Options),
    report: &mut Report,
) -> Result<(), BenchError> {
    let name = if rate == 0 { "max.".to_owned() } else { format!("at_{rate}.") };
    let (begin, length) = (Instant::now(), Duration::from_secs(options.seconds));
    let end = begin + WARM_UP + length;
    let mut used = None;
    let mut measured_from = begin;
    let mut pacer = Pacer::new(if rate == 0 { 100 } else { rate })?;
    let mut turn = 0;
    if rate == 0 {
        tally.refills.set(true);
        for pair in pairs {
            (0..options.in_flight).for_each(|_| pair.offer(Instant::now()));
            tally.note(pair.from.flush());
        }
    }
    while Instant::now() < end {
        pacer.beat().await?;
        tally.is_well()?;
        while let Some(due) = pacer.due() {
            if rate > 0 {
                let pair = &pairs[turn % pairs.len()];
                turn += 1;
                pair.offer(due);
                tally.note(pair.from.flush());
            }
        }
        if used.is_none() && begin.elapsed() >= WARM_UP {
            used = Some((server.usage()?, process::Usage::own()?));
            measured_from = Instant::now();
            tally.start();
        }
    }
    tally.is_measured.set(false);
    tally.refills.set(false);
    let seconds = measured_from.elapsed().as_secs_f64();
    let (of_server, own) = used.unwrap_or_default();
    let (of_server, own) = (server.usage()?.since(of_server), process::Usage::own()?.since(own));
    let messages = tally.acked.get().min(tally.reached.get()) as f64;
    report.put(format!("{name}messages_per_s"), messages / seconds);
    tally.acks.borrow().put(report, &format!("{name}ack"));
    tally.reaches.borrow().put(report, &format!("{name}reach"));
    process::put(report, &name, of_server, own, messages);
    drain(pairs, tally).await
}

/// Waits until everything that was sent has its outcome and was received. What is missing then counts as lost.
async fn drain(pairs: &[Rc<Pair>], tally: &Tally) -> Result<(), BenchError> {
    let begin = Instant::now();
    let is_settled =
        |pair: &Rc<Pair>| pair.sender.is_idle() && pair.flow.borrow().has_all(pair.sender.acked());
    while begin.elapsed() < DRAIN && !pairs.iter().all(is_settled) {
        tally.is_well()?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

impl Pair {
    /// Says in the history that the run is over; what was acked and did not arrive in the time of a drain counts as lost.
    fn close_record(&self) {
        if self.sender.is_idle() {
            self.from.account.note(Actor::rests);
            self.to.account.note(Actor::rests);
        }
        self.from.account.note(Actor::closes);
        self.to.account.note(Actor::closes);
    }

    fn offer(&self, due: Instant) {
        if let Some(n) = self.sender.offer(&self.from, due) {
            self.dues.borrow_mut().push_back((n, due));
        }
    }

    fn offer_waiting(&self) {
        while let Some(sent) = self.sender.offer_waiting(&self.from) {
            self.dues.borrow_mut().push_back(sent);
        }
    }

    /// Since when a received message was due.
    fn due(&self, n: u64) -> Option<Instant> {
        let mut dues = self.dues.borrow_mut();
        let at = dues.iter().position(|(of, _)| *of == n)?;
        dues.remove(at).map(|(_, due)| due)
    }
}

async fn tend_sender(pair: Rc<Pair>, tally: Rc<Tally>) {
    tally.note(send(&pair, &tally).await);
}

async fn send(pair: &Pair, tally: &Tally) -> Result<(), BenchError> {
    loop {
        pair.from.wait().await?;
        while let Some(event) = pair.from.poll()? {
            match event {
                ClientEvent::SendAck(_, ack) => {
                    let Some(due) = pair.sender.on_ack(&pair.from, &ack)? else { continue };
                    if tally.is_measured.get() {
                        tally.acked.set(tally.acked.get() + 1);
                        tally.acks.borrow_mut().record(due.elapsed());
                    }
                    if tally.refills.get() {
                        pair.offer(Instant::now());
                    }
                    pair.offer_waiting();
                }
                other => pair.from.on_event(&other),
            }
        }
    }
}

async fn tend_receiver(pair: Rc<Pair>, tally: Rc<Tally>) {
    tally.note(receive(&pair, &tally).await);
}

async fn receive(pair: &Pair, tally: &Tally) -> Result<(), BenchError> {
    loop {
        pair.to.wait().await?;
        while let Some(event) = pair.to.poll()? {
            match event {
                ClientEvent::EventBatch(batch) => {
                    for event in pair.to.on_batch(&batch) {
                        pair.take(event, tally);
                    }
                }
                ClientEvent::Rebase(rebase) => pair.to.on_rebase(&rebase),
                _ => {}
            }
        }
    }
}

impl Pair {
    fn take(&self, event: &v1::SyncEvent, tally: &Tally) {
        let is_message = event.r#type == event_type::MESSAGE && event.conv == self.sender.conv();
        let Some(n) = sender::number(&event.body).filter(|_| is_message) else { return };
        if !self.flow.borrow_mut().take(n) {
            return;
        }
        let Some(due) = self.due(n).filter(|_| tally.is_measured.get()) else { return };
        tally.reached.set(tally.reached.get() + 1);
        tally.reaches.borrow_mut().record(due.elapsed());
    }
}
