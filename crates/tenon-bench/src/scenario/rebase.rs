//! Coming back: after so many events that the list is cheaper than the queue, and after so few that only they come.

use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tenon_base::Map;
use tenon_wire::{ClientEvent, Message as _, event_type, method, v1};
use tokio::time::Instant;

use crate::account::{self, Account};
use crate::histogram::Times;
use crate::peer::Peer;
use crate::process;
use crate::sender::Sender;
use crate::server::Server;
use crate::{BenchError, Checked, Options, Report};

/// People who write while the device is away: its list has as many lines.
const SENDERS: usize = 128;
/// What the second device misses.
const FEW: u64 = 50;
/// Returns measured, each from the same old cursor.
const RETURNS: usize = 20;
/// Lines of one page of the list.
const PAGE: u32 = 100;
/// How long the missed few may take, and how long is waited for one too many.
const ARRIVAL: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(300);

pub(crate) async fn run(options: &Options) -> Result<Report, BenchError> {
    let mut report = Report::new("rebase");
    let server = Server::start(options, false).await?;
    let (admin, address) = (server.admin(), server.address());
    let away = account::make(&admin, "away", 2).await?;
    let [long, short] = &away[..] else { return Err(BenchError::refused("two accounts")) };
    let writers =
        account::make(&admin, "writer", SENDERS.min(options.events.max(1) as usize)).await?;
    let writers = futures_util::stream::iter(&writers).map(|writer| async {
        let (peer, _) = Peer::connect(address, writer).await?;
        let conv = peer.open_direct(long.user).await?;
        Ok::<_, BenchError>((
            peer,
            Rc::new(Sender::new(conv, options.in_flight, options.text_bytes)),
        ))
    });
    let writers: Vec<_> = writers.buffered(32).try_collect().await?;
    let Some((first, _)) = writers.first() else { return Err(BenchError::refused("no writers")) };
    let to_short =
        Sender::new(first.open_direct(short.user).await?, FEW as usize, options.text_bytes);
    let to_short = Rc::new(to_short);
    for account in [long, short] {
        settle(&Peer::connect(address, account).await?.0).await?;
    }

    let (begin, used) = (Instant::now(), server.usage()?);
    let each = options.events / writers.len() as u64;
    let writing = writers.iter().map(|(peer, sender)| write(peer, sender, each));
    futures_util::future::try_join_all(writing).await?;
    let written = each * writers.len() as u64;
    let used = server.usage()?.since(used);
    report.put("events", written as f64);
    report.put("fill_per_s", written as f64 / begin.elapsed().as_secs_f64());
    process::put(&mut report, "fill.", used, process::Usage::default(), written as f64);
    write(first, &to_short, FEW).await?;

    return_late(&server, long, &mut report).await?;
    report.checked.add(compare(&server, long, &writers).await?);
    let few = return_soon(&server, short, &mut report).await?;
    report.checked.add(few);
    Ok(report)
}

/// Takes what is under way, so that the cursor stands at the end.
async fn settle(peer: &Rc<Peer>) -> Result<(), BenchError> {
    let quiet = async {
        loop {
            peer.wait().await?;
            while let Some(event) = peer.poll()? {
                peer.on_event(&event);
            }
        }
        #[expect(unreachable_code, reason = "names the type of the error")]
        Ok::<(), BenchError>(())
    };
    tokio::time::timeout(QUIET, quiet).await.unwrap_or(Ok(()))?;
    peer.ack();
    peer.flush()
}

/// Sends `count` messages, as many under way as the sender may have.
async fn write(peer: &Rc<Peer>, sender: &Rc<Sender>, count: u64) -> Result<(), BenchError> {
    for _ in 0..count {
        sender.offer(peer, Instant::now());
    }
    while sender.acked() < count {
        peer.wait().await?;
        while let Some(event) = peer.poll()? {
            match event {
                ClientEvent::SendAck(_, ack) => {
                    sender.on_ack(peer, &ack)?;
                    while sender.offer_waiting(peer).is_some() {}
                }
                other => peer.on_event(&other),
            }
        }
    }
    Ok(())
}

/// From the connect to the first page of the list, again and again from the same cursor.
async fn return_late(
    server: &Server,
    account: &Rc<Account>,
    report: &mut Report,
) -> Result<(), BenchError> {
    let old = *account.cursor.borrow();
    let mut times = Times::new()?;
    let mut bytes = 0;
    for n in 0..RETURNS {
        account.cursor.replace(old);
        let (_, joined) = Peer::connect(server.address(), account).await?;
        if joined.rebase.is_none() {
            return Err(BenchError::refused(
                "the device was streamed its backlog; take more --events",
            ));
        }
        if n == 0 {
            report.put("first_return_ms", joined.first_screen.as_secs_f64() * 1_000.0);
        }
        times.record(joined.first_screen);
        bytes = joined.first_screen_bytes;
    }
    report.put("first_screen_bytes", bytes as f64);
    times.put(report, "first_screen");
    Ok(())
}

/// The whole list: every conversation must stand at the last acknowledged message.
async fn compare(
    server: &Server,
    account: &Rc<Account>,
    writers: &[(Rc<Peer>, Rc<Sender>)],
) -> Result<Checked, BenchError> {
    let peer = Peer::connect(server.address(), account).await?.0;
    let mut tips: Map<u64, u64> = Map::default();
    let mut token = bytes::Bytes::new();
    loop {
        let body = v1::GetConvList { token, limit: PAGE, ..v1::GetConvList::default() };
        let page = peer.ask(method::GET_CONV_LIST, body.encode_to_vec().into()).await?;
        let page = v1::ConvListPage::decode(page).map_err(BenchError::refused)?;
        tips.extend(page.items.iter().map(|item| (item.conv, item.tip_seq)));
        if page.done || page.next.is_empty() {
            break;
        }
        token = page.next;
    }
    let mut checked = Checked::default();
    for (_, sender) in writers {
        let tip = tips.get(&sender.conv()).copied().unwrap_or(0);
        checked.lost += sender.acked().saturating_sub(tip);
        checked.repeated += tip.saturating_sub(sender.acked());
    }
    Ok(checked)
}

/// The few that were missed, and nothing else.
async fn return_soon(
    server: &Server,
    account: &Rc<Account>,
    report: &mut Report,
) -> Result<Checked, BenchError> {
    let begin = Instant::now();
    let (peer, joined) = Peer::connect(server.address(), account).await?;
    let mut missed = Missed::default();
    joined.early.iter().for_each(|event| missed.take(&peer, event));
    tokio::time::timeout(ARRIVAL, missed.hear(&peer, FEW)).await.unwrap_or(Ok(()))?;
    let elapsed = begin.elapsed();
    tokio::time::timeout(QUIET, missed.hear(&peer, u64::MAX)).await.unwrap_or(Ok(()))?;
    report.put("few.messages", missed.messages as f64);
    report.put("few.other_events", missed.others as f64);
    report.put("few.arrival_ms", elapsed.as_secs_f64() * 1_000.0);
    report.put("few.bytes", peer.bytes_in() as f64);
    let mut checked = peer.checked();
    checked.lost += FEW.saturating_sub(missed.messages);
    checked.repeated += missed.messages.saturating_sub(FEW);
    Ok(checked)
}

/// What came from the queue.
#[derive(Debug, Default)]
struct Missed {
    messages: u64,
    others: u64,
}

impl Missed {
    fn take(&mut self, peer: &Peer, event: &ClientEvent) {
        let ClientEvent::EventBatch(batch) = event else { return };
        for event in peer.on_batch(batch) {
            match event.r#type {
                event_type::MESSAGE => self.messages += 1,
                _ => self.others += 1,
            }
        }
    }

    /// Until so many messages came.
    async fn hear(&mut self, peer: &Peer, until: u64) -> Result<(), BenchError> {
        while self.messages < until {
            peer.wait().await?;
            while let Some(event) = peer.poll()? {
                self.take(peer, &event);
            }
        }
        Ok(())
    }
}
