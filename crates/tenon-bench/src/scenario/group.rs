//! One large group, read by pull: some write, and all who are online have it on the screen.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tenon_base::Map;
use tenon_wire::{ClientEvent, Message as _, event_type, method, v1};
use tokio::time::Instant;

use crate::account;
use crate::histogram::Times;
use crate::pacer::Pacer;
use crate::peer::{self, Peer};
use crate::process;
use crate::sender::{self, Sender};
use crate::server::Server;
use crate::{BenchError, Checked, Options, Report};

/// Deliveries a second that the first phase asks for.
const DELIVERIES_PER_S: u64 = 200_000;
/// Members who write.
const SENDERS: usize = 8;
/// Messages of one sender under way: the bound of the protocol.
const IN_FLIGHT: usize = tenon_base::limits::INFLIGHT_PER_CONVERSATION_MAX;
/// Devices that are set up at the same time.
const SETUPS_OPEN: usize = 64;
/// Before each measurement.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long what was sent may take to arrive, with tips only where a body was lost.
const DRAIN: Duration = Duration::from_secs(60);
/// Between two questions of a device that lags, while it drains.
const NUDGE: Duration = Duration::from_secs(5);
/// Devices whose times are taken.
const TIMED: usize = 64;
/// Events of one answer.
const DIFF_LIMIT: u32 = 500;

/// One member online.
struct Member {
    peer: Rc<Peer>,
    /// Everything up to here was shown.
    rev: Cell<u64>,
    /// Highest message shown.
    seq: Cell<u64>,
    /// Highest rev the server told of.
    told: Cell<u64>,
    asked: Cell<Option<u32>>,
    is_timed: bool,
    checked: Cell<Checked>,
    sender: Option<Rc<Sender>>,
}

/// What all members count into.
struct Tally {
    conv: u64,
    is_measured: Cell<bool>,
    deliveries: Cell<u64>,
    pushes: Cell<u64>,
    diffs: Cell<u64>,
    acked: Cell<u64>,
    top_seq: Cell<u64>,
    dues: RefCell<Map<(u64, u64), Instant>>,
    acks: RefCell<Times>,
    reaches: RefCell<Times>,
    failure: RefCell<Option<BenchError>>,
}

pub(crate) async fn run(options: &Options) -> Result<Report, BenchError> {
    let mut report = Report::new("group");
    let server = Server::start(options, false).await?;
    let admin = server.admin();
    let online = options.online.min(options.members).max(1);
    let accounts = account::make(&admin, "online", online).await?;
    let others = account::name(&admin, "away", options.members - online).await?;
    let names = accounts.iter().map(|a| a.name.clone());
    let names: Vec<String> = names.chain(others.into_iter().map(|(name, _)| name)).collect();
    let conv = admin.create_group("all hands", &names).await?;
    let tally = Rc::new(Tally::new(conv)?);
    let members =
        futures_util::stream::iter(accounts.iter().enumerate()).map(|(place, account)| {
            let address = server.address();
            let sender = (place < SENDERS)
                .then(|| Rc::new(Sender::new(conv, IN_FLIGHT, options.text_bytes)));
            async move { Member::join(Peer::connect(address, account).await?, conv, place, sender) }
        });
    let members: Vec<Rc<Member>> = members.buffered(SETUPS_OPEN).try_collect().await?;
    for member in &members {
        tokio::task::spawn_local(Rc::clone(member).tend(Rc::clone(&tally)));
    }
    let beating = peer::beat(members.iter().map(|member| Rc::clone(&member.peer)).collect());
    let beating = tokio::task::spawn_local(beating);
    report.put("members", names.len() as f64);
    report.put("online", online as f64);
    let goal = DELIVERIES_PER_S.div_ceil(online as u64).max(1);
    let own_rates = [goal, goal * 2];
    let rates = if options.rates.is_empty() { &own_rates[..] } else { &options.rates };
    for rate in rates {
        phase(&server, &members, &tally, (*rate, options), &mut report).await?;
    }
    beating.abort();
    for member in &members {
        report.checked.add(member.checked.get());
        report.checked.lost += tally.top_seq.get().saturating_sub(member.seq.get());
    }
    Ok(report)
}

async fn phase(
    server: &Server,
    members: &[Rc<Member>],
    tally: &Tally,
    (rate, options): (u64, &Options),
    report: &mut Report,
) -> Result<(), BenchError> {
    let name = format!("at_{rate}.");
    server.admin().flush().await?;
    let before = sent(members);
    let begin = Instant::now();
    let end = begin + WARM_UP + Duration::from_secs(options.seconds);
    let writers: Vec<&Rc<Member>> = members.iter().take(SENDERS).collect();
    let mut pacer = Pacer::new(rate)?;
    let (mut turn, mut used, mut measured_from) = (0, None, begin);
    while Instant::now() < end {
        pacer.beat().await?;
        tally.failure.borrow_mut().take().map_or(Ok(()), Err)?;
        while let Some(due) = pacer.due() {
            writers[turn % writers.len()].offer(due, tally);
            turn += 1;
        }
        if used.is_none() && begin.elapsed() >= WARM_UP {
            used = Some((server.usage()?, process::Usage::own()?));
            measured_from = Instant::now();
            tally.start();
        }
    }
    tally.is_measured.set(false);
    let seconds = measured_from.elapsed().as_secs_f64();
    let (of_server, own) = used.unwrap_or_default();
    let (of_server, own) = (server.usage()?.since(of_server), process::Usage::own()?.since(own));
    let deliveries = tally.deliveries.get() as f64;
    report.put(format!("{name}deliveries_per_s"), deliveries / seconds);
    report.put(format!("{name}messages_per_s"), tally.acked.get() as f64 / seconds);
    report.put(format!("{name}pushes_per_s"), tally.pushes.get() as f64 / seconds);
    report.put(format!("{name}diffs_per_s"), tally.diffs.get() as f64 / seconds);
    tally.acks.borrow().put(report, &format!("{name}ack"));
    tally.reaches.borrow().put(report, &format!("{name}reach"));
    report.put(format!("{name}server_cpu_s"), of_server.cpu_s);
    report.put(format!("{name}generator_cpu_s"), own.cpu_s);
    report.put(format!("{name}server_rss_bytes"), of_server.rss_bytes);
    report.put(
        format!("{name}server_cpu_us_per_delivery"),
        of_server.cpu_s * 1e6 / deliveries.max(1.0),
    );
    let drained = drain(members, tally).await?;
    report.put(format!("{name}drain_s"), drained.as_secs_f64());
    let flushed = server.admin().flush().await?;
    let messages = (sent(members) - before) as f64;
    report.put(format!("{name}store_values_per_message"), flushed.values / messages.max(1.0));
    report.put(format!("{name}store_rows_per_message"), flushed.state_rows / messages.max(1.0));
    report.put(format!("{name}store_bytes_per_message"), flushed.bytes / messages.max(1.0));
    Ok(())
}

fn sent(members: &[Rc<Member>]) -> u64 {
    members.iter().filter_map(|member| member.sender.as_ref()).map(|sender| sender.acked()).sum()
}

/// Waits until everybody has shown everything; who lags asks, as a heartbeat would.
async fn drain(members: &[Rc<Member>], tally: &Tally) -> Result<Duration, BenchError> {
    let begin = Instant::now();
    let mut nudged = begin;
    loop {
        let is_sent = members.iter().filter_map(|m| m.sender.as_ref()).all(|s| s.is_idle());
        let late: Vec<_> = members.iter().filter(|m| m.seq.get() < tally.top_seq.get()).collect();
        if begin.elapsed() > DRAIN || is_sent && late.is_empty() {
            return Ok(begin.elapsed());
        }
        tally.failure.borrow_mut().take().map_or(Ok(()), Err)?;
        if nudged.elapsed() >= NUDGE {
            nudged = Instant::now();
            for member in late {
                member.peer.ping()?;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Tally {
    fn new(conv: u64) -> Result<Self, BenchError> {
        Ok(Self {
            conv,
            is_measured: Cell::default(),
            deliveries: Cell::default(),
            pushes: Cell::default(),
            diffs: Cell::default(),
            acked: Cell::default(),
            top_seq: Cell::default(),
            dues: RefCell::default(),
            acks: RefCell::new(Times::new()?),
            reaches: RefCell::new(Times::new()?),
            failure: RefCell::default(),
        })
    }

    fn start(&self) {
        for count in [&self.deliveries, &self.pushes, &self.diffs, &self.acked] {
            count.set(0);
        }
        self.acks.borrow_mut().clear();
        self.reaches.borrow_mut().clear();
        self.is_measured.set(true);
    }
}

fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get() + more);
}

impl Member {
    /// Has the group on its screen from now on.
    fn join(
        (peer, joined): (Rc<Peer>, peer::Joined),
        conv: u64,
        place: usize,
        sender: Option<Rc<Sender>>,
    ) -> Result<Rc<Self>, BenchError> {
        let page = joined.rebase.as_ref().and_then(|rebase| rebase.first.as_ref());
        let item = page.and_then(|page| page.items.iter().find(|item| item.conv == conv));
        let item = item.ok_or_else(|| BenchError::refused("the group is not in the list"))?;
        let watch = v1::Watch { open: vec![conv], ..v1::Watch::default() };
        peer.say(|session| session.send_watch(&watch));
        peer.flush()?;
        Ok(Rc::new(Self {
            peer,
            rev: Cell::new(item.tip_rev),
            seq: Cell::new(item.tip_seq),
            told: Cell::new(item.tip_rev),
            asked: Cell::default(),
            is_timed: place < TIMED,
            checked: Cell::default(),
            sender,
        }))
    }

    fn offer(&self, due: Instant, tally: &Tally) {
        let Some(sender) = &self.sender else { return };
        if let Some(n) = sender.offer(&self.peer, due) {
            tally.dues.borrow_mut().insert((self.peer.account.user, n), due);
        }
        // A link that fails here is found by its own task.
        drop(self.peer.flush());
    }

    async fn tend(self: Rc<Self>, tally: Rc<Tally>) {
        if let Err(error) = self.hear(&tally).await {
            tally.failure.borrow_mut().get_or_insert(error);
        }
    }

    async fn hear(&self, tally: &Tally) -> Result<(), BenchError> {
        loop {
            self.peer.wait().await?;
            while let Some(event) = self.peer.poll()? {
                self.on_event(event, tally)?;
            }
            self.fill(tally);
        }
    }

    fn on_event(&self, event: ClientEvent, tally: &Tally) -> Result<(), BenchError> {
        match event {
            ClientEvent::ConvPush(diff) if diff.conv == tally.conv => {
                add(&tally.pushes, 1);
                self.on_diff(&diff, tally);
            }
            ClientEvent::ConvTips(tips) => self.on_tips(&tips.tips, tally),
            ClientEvent::Pong(pong) => self.on_tips(&pong.tips, tally),
            ClientEvent::Response(id, _, answer) if self.asked.get() == Some(id) => {
                self.asked.set(None);
                let answer =
                    v1::ConvDiffAnswer::decode(answer.body).map_err(BenchError::refused)?;
                match answer.what {
                    Some(v1::conv_diff_answer::What::Diff(diff)) => self.on_diff(&diff, tally),
                    other => return Err(BenchError::refused(format!("{other:?}"))),
                }
            }
            ClientEvent::Error(id, info) if self.asked.get() == Some(id) => {
                self.asked.set(None);
                return Err(BenchError::refused(format!("{info:?}")));
            }
            ClientEvent::SendAck(_, ack) => self.on_ack(&ack, tally)?,
            other => self.peer.on_event(&other),
        }
        Ok(())
    }

    fn on_ack(&self, ack: &v1::SendAck, tally: &Tally) -> Result<(), BenchError> {
        let Some(sender) = &self.sender else { return Ok(()) };
        if let Some(due) = sender.on_ack(&self.peer, ack)? {
            tally.top_seq.set(tally.top_seq.get().max(ack.seq));
            if tally.is_measured.get() {
                add(&tally.acked, 1);
                tally.acks.borrow_mut().record(due.elapsed());
            }
        }
        while let Some((n, due)) = sender.offer_waiting(&self.peer) {
            tally.dues.borrow_mut().insert((self.peer.account.user, n), due);
        }
        Ok(())
    }

    fn on_tips(&self, tips: &[v1::ConvTip], tally: &Tally) {
        for tip in tips.iter().filter(|tip| tip.conv == tally.conv) {
            self.told.set(self.told.get().max(tip.rev));
        }
    }

    /// A piece of the conversation. One that leaves a hole is not shown; the hole is asked for.
    fn on_diff(&self, diff: &v1::ConvDiff, tally: &Tally) {
        self.told.set(self.told.get().max(diff.tip_rev).max(diff.to_rev));
        if diff.from_rev > self.rev.get() {
            return;
        }
        let mut checked = self.checked.get();
        let mut shown = 0;
        for event in diff.events.iter().filter(|event| event.rev > self.rev.get()) {
            if event.r#type != event_type::MESSAGE {
                continue;
            }
            let last = self.seq.get();
            checked.lost += event.seq.saturating_sub(last + 1);
            checked.repeated += u64::from(event.seq <= last);
            self.seq.set(event.seq.max(last));
            shown += 1;
            if self.is_timed {
                self.time(event, tally);
            }
        }
        self.checked.set(checked);
        self.rev.set(self.rev.get().max(diff.to_rev));
        if tally.is_measured.get() {
            add(&tally.deliveries, shown);
        }
    }

    fn time(&self, event: &v1::SyncEvent, tally: &Tally) {
        let Some(n) = sender::number(&event.body).filter(|_| tally.is_measured.get()) else {
            return;
        };
        if let Some(due) = tally.dues.borrow().get(&(event.sender, n)) {
            tally.reaches.borrow_mut().record(due.elapsed());
        }
    }

    /// Asks for what was told of and not pushed.
    fn fill(&self, tally: &Tally) {
        if self.told.get() <= self.rev.get() || self.asked.get().is_some() {
            return;
        }
        let body = v1::GetConvDiff {
            conv: tally.conv,
            since_rev: self.rev.get(),
            limit: DIFF_LIMIT,
            ..v1::GetConvDiff::default()
        };
        let body = body.encode_to_vec().into();
        let request = v1::ReadRequest { method: method::GET_CONV_DIFF, body, fence: None };
        add(&tally.diffs, 1);
        self.asked.set(self.peer.say(|session| session.send_request(&request)).ok());
    }
}
