//! Idle WebSocket devices: what each costs the server in memory. At the end some of them get a message, to show that they
//! were alive.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tenon_base::Deadline;
use tenon_wire::{ClientEvent, ClientSession, event_type, v1};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::account::{self, Account};
use crate::sender;
use crate::server::Server;
use crate::{BenchError, Checked, Options, Report};

/// Handshakes under way.
const HANDSHAKES_OPEN: usize = 64;
/// Idle time before memory is read.
const SETTLE: Duration = Duration::from_secs(3);
/// Devices that get a message at the end.
const SAMPLE: usize = 100;
/// Bytes of text in these messages.
const TEXT_BYTES: usize = 80;
/// How long those messages may take.
const ARRIVAL: Duration = Duration::from_secs(10);

trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// One device behind a WebSocket.
struct Device {
    account: Rc<Account>,
    socket: WebSocketStream<Box<dyn Io>>,
    session: ClientSession,
    begin: Instant,
}

/// What arrived at the devices, by their place.
type Arrived = Rc<RefCell<Vec<Cell<u64>>>>;

pub(crate) async fn run(options: &Options) -> Result<Report, BenchError> {
    let mut report = Report::new("connections");
    report.put("devices", options.devices as f64);
    for is_tls in [false, true] {
        one(options, is_tls, &mut report).await?;
    }
    Ok(report)
}

async fn one(options: &Options, is_tls: bool, report: &mut Report) -> Result<(), BenchError> {
    let name = if is_tls { "tls." } else { "plain." };
    let server = Server::start(options, is_tls).await?;
    let accounts = account::make(&server.admin(), "idle", options.devices).await?;
    let tls = if is_tls { Some(trust(&server)?) } else { None };
    let before = server.usage()?;
    let begin = Instant::now();
    let devices = futures_util::stream::iter(&accounts)
        .map(|account| Device::connect(server.address(), tls.clone(), Rc::clone(account)));
    let devices: Vec<Device> = devices.buffered(HANDSHAKES_OPEN).try_collect().await?;
    let elapsed = begin.elapsed().as_secs_f64();
    report.put(format!("{name}connects_per_s"), options.devices as f64 / elapsed);
    let connected = server.usage()?.since(before);
    report.put(
        format!("{name}server_cpu_us_per_connect"),
        connected.cpu_s * 1e6 / options.devices as f64,
    );
    let arrived: Arrived = Rc::new(RefCell::new(accounts.iter().map(|_| Cell::new(0)).collect()));
    let failures = Rc::new(Cell::new(0_u64));
    let mut tasks = tokio::task::JoinSet::new();
    for (place, device) in devices.into_iter().enumerate() {
        tasks.spawn_local(device.idle(place, Rc::clone(&arrived), Rc::clone(&failures)));
    }
    tokio::time::sleep(SETTLE).await;
    let idle = server.usage()?;
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let after = server.usage()?;
    let per_device = (after.rss_bytes - before.rss_bytes) / options.devices as f64;
    report.put(format!("{name}rss_per_connection_bytes"), per_device);
    report.put(format!("{name}rss_before_bytes"), before.rss_bytes);
    report.put(format!("{name}rss_bytes"), after.rss_bytes);
    let idle_cpu = after.since(idle).cpu_s / options.seconds as f64;
    report.put(format!("{name}idle_cpu_share"), idle_cpu);
    report.put(format!("{name}connections_lost"), failures.get() as f64);
    report.checked.add(sample(&server, &accounts, &arrived, tls).await?);
    report.checked.lost += failures.get();
    Ok(())
}

/// Sends to some of the idle devices and counts what arrives.
async fn sample(
    server: &Server,
    accounts: &[Rc<Account>],
    arrived: &Arrived,
    tls: Option<TlsConnector>,
) -> Result<Checked, BenchError> {
    let talkers = account::make(&server.admin(), "talker", 1).await?;
    let Some(talker) = talkers.first() else { return Ok(Checked::default()) };
    let mut talker = Device::connect(server.address(), tls, Rc::clone(talker)).await?;
    let step = accounts.len().div_ceil(SAMPLE).max(1);
    let places: Vec<usize> = (0..accounts.len()).step_by(step).collect();
    for place in &places {
        talker.talk_to(accounts[*place].user).await?;
    }
    let begin = Instant::now();
    let count = |place: &usize| arrived.borrow()[*place].get();
    while begin.elapsed() < ARRIVAL && places.iter().any(|place| count(place) == 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut checked = Checked::default();
    for count in places.iter().map(count) {
        checked.lost += u64::from(count == 0);
        checked.repeated += count.saturating_sub(1);
    }
    Ok(checked)
}

/// Trusts the certificate that the server made for itself.
fn trust(server: &Server) -> Result<TlsConnector, BenchError> {
    let path = server.data().join("tls-certificate.pem");
    let pem = std::fs::read(&path).map_err(|e| BenchError::io(path.display().to_string(), e))?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BenchError::refused)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Device {
    /// TCP, TLS, WebSocket and Hello; ready when the queue's stream runs.
    async fn connect(
        address: SocketAddr,
        tls: Option<TlsConnector>,
        account: Rc<Account>,
    ) -> Result<Self, BenchError> {
        let failed = |source| BenchError::io("connect", source);
        let tcp = TcpStream::connect(address).await.map_err(failed)?;
        let io: Box<dyn Io> = match tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::from(address.ip());
                Box::new(tls.connect(name, tcp).await.map_err(failed)?)
            }
        };
        let url = format!("ws://{address}/v1/connect");
        let mut request = url.into_client_request().map_err(BenchError::refused)?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("tenon.v1"));
        // The generator holds as many sockets as the server; the library's own buffers are for busy ones.
        let config = WebSocketConfig::default().read_buffer_size(1_024).write_buffer_size(0);
        let (socket, _) = tokio_tungstenite::client_async_with_config(request, io, Some(config))
            .await
            .map_err(BenchError::refused)?;
        let session = ClientSession::new(&account.hello(), Deadline(0));
        let session = session.map_err(BenchError::refused)?;
        let mut device = Self { account, socket, session, begin: Instant::now() };
        let mut is_live = false;
        while !is_live {
            for event in device.hear().await? {
                is_live |= device.on_event(&event);
            }
        }
        device.flush().await?;
        Ok(device)
    }

    /// True if the stream runs from here.
    fn on_event(&mut self, event: &ClientEvent) -> bool {
        match event {
            ClientEvent::HelloAck(ack) => {
                self.account.welcome(ack);
                ack.units.iter().any(|u| u.action == v1::UnitAction::Continue as i32)
            }
            ClientEvent::Rebase(rebase) => {
                let (unit, queue_epoch) = (rebase.unit, rebase.queue_epoch);
                let from_pts = rebase.tip_pts;
                self.session.send_subscribe(&v1::Subscribe { unit, queue_epoch, from_pts });
                true
            }
            _ => false,
        }
    }

    async fn flush(&mut self) -> Result<(), BenchError> {
        while let Some(bytes) = self.session.poll_transmit(usize::MAX) {
            self.socket.send(Message::Binary(bytes)).await.map_err(BenchError::refused)?;
        }
        Ok(())
    }

    /// What the next message of the socket says.
    async fn hear(&mut self) -> Result<Vec<ClientEvent>, BenchError> {
        self.flush().await?;
        let closed = || BenchError::refused("the server closed a WebSocket");
        let message = self.socket.next().await.ok_or_else(closed)?;
        let now = Deadline(0).plus(self.begin.elapsed());
        if let Message::Binary(bytes) = message.map_err(BenchError::refused)? {
            self.session.handle_bytes(&bytes, now);
        }
        let mut events = Vec::new();
        while let Some(event) = self.session.poll_event() {
            if let ClientEvent::Ended(end) = event {
                return Err(BenchError::refused(format!("{end:?}")));
            }
            events.push(event);
        }
        Ok(events)
    }

    /// Opens the conversation with a user and sends one message; returns with its ack.
    async fn talk_to(&mut self, user: u64) -> Result<(), BenchError> {
        let op = self.account.open_direct(user);
        self.session.send_op(&op);
        let (mut made, mut seen) = (0, Vec::new());
        loop {
            for event in self.hear().await? {
                match event {
                    ClientEvent::OpAck(_, ack) => made = ack.id,
                    ClientEvent::EventBatch(batch) => {
                        seen.extend(batch.events.iter().map(|event| event.conv));
                    }
                    ClientEvent::SendAck(_, ack) if ack.status() == v1::Status::Ok => return Ok(()),
                    ClientEvent::SendAck(..) => {
                        return Err(BenchError::refused(format!("{event:?}")));
                    }
                    _ => {}
                }
            }
            if made != 0 && seen.contains(&made) {
                let epoch = self.account.device_epoch();
                self.session.send_message(&sender::message(made, epoch, 1, TEXT_BYTES));
                made = 0;
            }
        }
    }

    /// Beats when it is time, and counts messages.
    async fn idle(mut self, place: usize, arrived: Arrived, failures: Rc<Cell<u64>>) {
        loop {
            let due = self.begin + Duration::from_micros(self.session.deadline().0);
            let heard = match tokio::time::timeout_at(due, self.hear()).await {
                Ok(heard) => heard,
                Err(_) => {
                    let now = Deadline(0).plus(self.begin.elapsed());
                    self.session.ping(&v1::Ping { n: 1, next_s: 30, ack: None }, now);
                    continue;
                }
            };
            let Ok(events) = heard else {
                failures.set(failures.get() + 1);
                return;
            };
            for event in events {
                if let ClientEvent::EventBatch(batch) = event {
                    let is_message = |e: &&v1::SyncEvent| e.r#type == event_type::MESSAGE;
                    let new = batch.events.iter().filter(is_message).count() as u64;
                    let arrived = arrived.borrow();
                    arrived[place].set(arrived[place].get() + new);
                }
            }
        }
    }
}
