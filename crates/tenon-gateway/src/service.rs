//! The gateway as a whole: one port, all connections, the way out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tenon_base::Clock;
use tenon_core::accounts::Accounts;
use tenon_core::admission::Admission;
use tenon_core::handover::{Conversations, Multicast, Users};
use tenon_core::supervision::Supervision;
use tenon_wire::{ErrorCode, close_reason};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::connection::House;
use crate::connection::carried::Carried;
use crate::connection::machine::Machine;
use crate::http::{self, Desk};
use crate::map::hello::FEATURES;
use crate::multicast::Registry;
use crate::tls::{self, Tls};
use crate::transport::accept::Reception;
use crate::{GatewayError, GatewayOptions, Metrics};

/// Connections that the kernel holds until they are accepted, cut to `net.core.somaxconn`: when all devices come back at
/// once, those beyond it try again after 1, 3 and 7 s.
const BACKLOG: u32 = 65_535;
/// Pause after a failed accept: out of descriptors is not cured by trying faster.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections asked to go between two pauses of a planned stop.
const DRAIN_STEP: Duration = Duration::from_millis(20);
/// What connections get to write their last frames after the drain.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The other rooms.
#[derive(Clone)]
pub struct Doors {
    /// The receiver.
    pub admission: Arc<dyn Admission>,
    /// The receiver's accounts.
    pub accounts: Arc<dyn Accounts>,
    /// What administrators see and do.
    pub supervision: Arc<dyn Supervision>,
    /// Sync.
    pub users: Arc<dyn Users>,
    /// The processor, asked before a multicast.
    pub conversations: Arc<dyn Conversations>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The gateway before it listens.
pub struct Gateway {
    house: Arc<House>,
    registry: Arc<Registry>,
}

/// The gateway with an open port.
pub struct Listening {
    gateway: Gateway,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Gateway {
    /// The gateway and where the processor tells news of pull-mode conversations.
    pub fn new(
        options: GatewayOptions,
        doors: Doors,
        metrics: Metrics,
    ) -> (Self, Arc<dyn Multicast>) {
        let registry = Arc::new(Registry::new(
            Arc::clone(&doors.conversations),
            Arc::clone(&doors.clock),
            metrics.clone(),
        ));
        let house = Arc::new(House::new(options, doors, metrics, Arc::clone(&registry)));
        let multicast = Arc::clone(&registry) as Arc<dyn Multicast>;
        (Self { house, registry }, multicast)
    }

    /// A connection whose bytes the caller carries instead of a socket. Nothing bounds how many there are.
    pub fn carry(&self) -> Carried {
        Carried::new(Machine::new(Arc::clone(&self.house), [0; 32], FEATURES))
    }

    /// Tells news of pull-mode conversations until it is dropped; [`Listening::serve`] does it by itself. `pause` waits
    /// for the time over which they are merged.
    pub fn tell<F>(
        &self,
        pause: impl Fn() -> F + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Arc::clone(&self.registry).run(pause)
    }

    /// Loads the certificate and opens the port.
    ///
    /// # Errors
    /// When the port is taken, the certificate unusable, or plain text would be spoken outside loopback.
    pub async fn listen(self) -> Result<Listening, GatewayError> {
        let options = &self.house.options;
        let address = options.listen;
        let tls = tls::load(&options.tls)?;
        if tls.is_none() && !options.plain_anywhere && !address.ip().is_loopback() {
            return Err(GatewayError::PlainOutsideLoopback(address));
        }
        let failed = |source| GatewayError::Listen { address, source };
        let listener = bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Listening { gateway: self, listener, address, tls })
    }
}

impl Listening {
    /// Where it listens; the port that was given if 0 was asked.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of the certificate in hex pairs, for devices that pin it; `None` without TLS.
    pub fn fingerprint(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.fingerprint.as_str())
    }

    /// Serves until `stop` is true; then asks all devices to go, paced over the drain time, and closes what is left.
    /// `extra` answers the paths that are not the gateway's, for instance web pages.
    pub async fn serve(self, stop: watch::Receiver<bool>, extra: Router) {
        let house = Arc::clone(&self.gateway.house);
        let desk = Desk { house: Arc::clone(&house), stop: stop.clone() };
        let reception = Reception {
            house: Arc::clone(&house),
            router: http::router(desk, extra),
            tls: self.tls,
            stop: stop.clone(),
        };
        let window = house.options.multicast_window;
        let pause = move || tokio::time::sleep(window);
        let teller = tokio::spawn(Arc::clone(&self.gateway.registry).run(pause));
        let mut connections = JoinSet::new();
        accept(&self.listener, &reception, &mut connections, stop).await;
        drop(self.listener);
        drain(&house, &mut connections).await;
        teller.abort();
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    // A port in TIME_WAIT from the run before may be taken at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: &TcpListener,
    reception: &Reception,
    connections: &mut JoinSet<()>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            Some(ended) = connections.join_next() => {
                judge(&reception.house, ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match reception.house.gate.admit(peer.ip()) {
            Ok(pass) => {
                connections.spawn(reception.clone().serve(socket, peer, pass));
            }
            Err(reason) => reception.house.metrics.refused.with_label_values(&[reason]).inc(),
        }
    }
}

/// A connection that panicked ends alone; somebody must look at it all the same.
fn judge(house: &House, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        house.metrics.panics.inc();
        tracing::error!("a connection panicked");
    }
}

/// Waits for the stop signal; a sender that is gone is one.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// GoAway to all over half of the drain time, the other half to leave; then Close.
async fn drain(house: &House, connections: &mut JoinSet<()>) {
    let mailboxes = house.mailboxes();
    let drain = house.options.drain;
    let drain_ms = u32::try_from(drain.as_millis() / 2).unwrap_or(u32::MAX);
    let steps = (drain.as_millis() / 2 / DRAIN_STEP.as_millis()).max(1);
    let per_step = mailboxes.len().div_ceil(usize::try_from(steps).unwrap_or(1)).max(1);
    tracing::info!(connections = mailboxes.len(), "planned stop: devices are asked to go");
    for step in mailboxes.chunks(per_step) {
        for mailbox in step {
            mailbox.go_away(drain_ms);
        }
        tokio::time::sleep(DRAIN_STEP).await;
    }
    if tokio::time::timeout(drain / 2, house.emptied()).await.is_err() {
        for mailbox in house.mailboxes() {
            mailbox.close(close_reason::SERVER_STOP, ErrorCode::Draining.number());
        }
    }
    // WebSockets run in tasks of their own; what is left of the others are goodbyes and idle HTTP connections.
    let all_gone = async {
        house.emptied().await;
        while let Some(ended) = connections.join_next().await {
            judge(house, ended);
        }
    };
    if tokio::time::timeout(LAST_WORDS, all_gone).await.is_err() {
        tracing::debug!(connections = house.mailboxes().len(), "connections cut");
    }
    connections.shutdown().await;
}
