//! Real sockets on loopback against small rooms that live in this test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test says what it expects by failing"
)]

mod accounts;
mod exchange;
mod fake;
mod flow;
mod handshake;
mod hostile;
mod matrix;
mod peer;
mod real;
mod secure;
mod soak;
mod supervision;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use tenon_base::{Clock, Deadline, Timestamp};
use tenon_core::handover::Multicast;
use tenon_gateway::{Doors, Gateway, GatewayOptions, Metrics};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use fake::Rooms;

/// A node with fake rooms behind a real gateway.
struct Node {
    address: SocketAddr,
    fingerprint: Option<String>,
    rooms: Arc<Rooms>,
    multicast: Arc<dyn Multicast>,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// Time of the test runtime, so that a paused runtime pauses the gateway as well.
pub(crate) struct RuntimeClock(tokio::time::Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000 + self.monotonic().0 / 1000)
    }
    fn monotonic(&self) -> Deadline {
        Deadline(u64::try_from(self.0.elapsed().as_micros()).unwrap())
    }
}

async fn node() -> Node {
    node_with(|_| {}).await
}

fn doors(rooms: &Arc<Rooms>) -> Doors {
    Doors {
        admission: Arc::clone(rooms) as _,
        accounts: Arc::clone(rooms) as _,
        supervision: Arc::clone(rooms) as _,
        users: Arc::clone(rooms) as _,
        conversations: Arc::clone(rooms) as _,
        clock: Arc::new(RuntimeClock(tokio::time::Instant::now())),
    }
}

async fn node_with(adjust: impl FnOnce(&mut GatewayOptions)) -> Node {
    let mut options = GatewayOptions::new(([127, 0, 0, 1], 0).into());
    options.multicast_window = std::time::Duration::from_millis(5);
    options.drain = std::time::Duration::from_millis(400);
    adjust(&mut options);
    let rooms = Arc::new(Rooms::default());
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let doors = doors(&rooms);
    let (gateway, multicast) = Gateway::new(options, doors, metrics.clone());
    let listening = gateway.listen().await.unwrap();
    let address = listening.address();
    let fingerprint = listening.fingerprint().map(str::to_owned);
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(listening.serve(stopped, axum::Router::new()));
    Node { address, fingerprint, rooms, multicast, metrics, stop, serving }
}
