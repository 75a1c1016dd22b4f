//! The proxy: accepts, makes the plan of each connection, carries it to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::lane::{LaneEnd, carry};
use crate::{Fate, Plan, Profile};

/// Connections at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 4_096;

/// What a proxy did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted, refused ones included.
    pub connections: u64,
    /// Connections that were reset before a byte.
    pub refused: u64,
    /// Connections that were reset later.
    pub reset: u64,
    /// Directions that fell silent.
    pub silenced: u64,
    /// Bytes that arrived, both ways.
    pub bytes: u64,
}

/// [`Counts`] while they grow.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    connections: AtomicU64,
    refused: AtomicU64,
    reset: AtomicU64,
    pub(crate) silenced: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Tally {
    pub(crate) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            connections: read(&self.connections),
            refused: read(&self.refused),
            reset: read(&self.reset),
            silenced: read(&self.silenced),
            bytes: read(&self.bytes),
        }
    }
}

/// A bad network in front of one address.
#[derive(Debug)]
pub struct Proxy {
    listener: TcpListener,
    to: SocketAddr,
    seed: u64,
    profile: Arc<watch::Sender<Profile>>,
    tally: Arc<Tally>,
}

/// Looks at a proxy that runs, and makes its network better or worse.
#[derive(Debug, Clone)]
pub struct Dial {
    profile: Arc<watch::Sender<Profile>>,
    tally: Arc<Tally>,
}

impl Dial {
    /// What the proxy did so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Connections from now on meet this network; those that are open keep their plan.
    pub fn turn(&self, profile: Profile) {
        self.profile.send_replace(profile);
    }
}

impl Proxy {
    /// Listens; connections are carried to `to` once [`Self::run`] runs.
    ///
    /// # Errors
    /// What the system says about the address.
    pub async fn listen(
        listen: SocketAddr,
        to: SocketAddr,
        seed: u64,
        profile: Profile,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let profile = Arc::new(watch::Sender::new(profile));
        Ok(Self { listener, to, seed, profile, tally: Arc::new(Tally::default()) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says about the socket.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The proxy's dial.
    pub fn dial(&self) -> Dial {
        Dial { profile: Arc::clone(&self.profile), tally: Arc::clone(&self.tally) }
    }

    /// Carries connections until `stop` is true or its sender is gone; open ones are dropped then.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut connections = tokio::task::JoinSet::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut number = 0;
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                accepted = accept(&self.listener, &places) => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let Some((device, place)) = accepted else { continue };
            let plan = Plan::new(self.seed, number, &self.profile.borrow());
            number += 1;
            let (to, tally) = (self.to, Arc::clone(&self.tally));
            connections.spawn(async move {
                connection(device, to, plan, &tally).await;
                drop(place);
            });
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((device, _)) => Some((device, place)),
        Err(_) => {
            // Out of descriptors, for instance: it passes.
            sleep(std::time::Duration::from_millis(50)).await;
            None
        }
    }
}

/// Carries one connection to the end that its plan and its peers make.
async fn connection(mut device: TcpStream, to: SocketAddr, plan: Plan, tally: &Tally) {
    tally.connections.fetch_add(1, Ordering::Relaxed);
    if plan.fate == Fate::Refused {
        tally.refused.fetch_add(1, Ordering::Relaxed);
        reset(&device);
        return;
    }
    let born = Instant::now();
    sleep(plan.setup).await;
    let Ok(mut server) = TcpStream::connect(to).await else {
        reset(&device);
        return;
    };
    // Small pieces leave when the plan says, not when the kernel thinks it worth while.
    drop((device.set_nodelay(true), server.set_nodelay(true)));
    let fate = plan.fate;
    let end = tokio::select! {
        end = carried(&mut device, &mut server, plan, tally) => end,
        () = age(fate, born) => LaneEnd::Reset,
    };
    if end == LaneEnd::Reset {
        tally.reset.fetch_add(1, Ordering::Relaxed);
    }
    if matches!(end, LaneEnd::Reset | LaneEnd::Broken) {
        reset(&device);
        reset(&server);
    }
}

/// Ends when a connection has the age at which it is cut.
async fn age(fate: Fate, born: Instant) {
    match fate {
        Fate::Cut(age) => sleep_until(born + age).await,
        Fate::Carried | Fate::Refused => std::future::pending().await,
    }
}

/// Carries both directions until both have ended, or one ended for both.
async fn carried(
    device: &mut TcpStream,
    server: &mut TcpStream,
    plan: Plan,
    tally: &Tally,
) -> LaneEnd {
    let (mut device_read, mut device_write) = device.split();
    let (mut server_read, mut server_write) = server.split();
    let up = carry(&mut device_read, &mut server_write, plan.up, tally);
    let down = carry(&mut server_read, &mut device_write, plan.down, tally);
    tokio::pin!(up, down);
    let (first, is_up) = tokio::select! {
        end = &mut up => (end, true),
        end = &mut down => (end, false),
    };
    if matches!(first, LaneEnd::Reset | LaneEnd::Broken) {
        return first;
    }
    if is_up { down.await } else { up.await }
}

/// What leaves the socket when it is dropped is a reset, not an end: the receiver loses what it has not read.
fn reset(socket: &TcpStream) {
    // A socket that is gone needs none.
    drop(socket.set_zero_linger());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A server that says everything back, behind a proxy; both end with the sender.
    async fn echo(profile: Profile) -> (SocketAddr, Dial, watch::Sender<bool>) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = socket.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        let (stop, stopped) = watch::channel(false);
        let listen = "127.0.0.1:0".parse().unwrap();
        let proxy = Proxy::listen(listen, to, 11, profile).await.unwrap();
        let (address, dial) = (proxy.address().unwrap(), proxy.dial());
        tokio::spawn(proxy.run(stopped));
        (address, dial, stop)
    }

    async fn said(address: SocketAddr, words: &[u8]) -> io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(words).await?;
        socket.shutdown().await?;
        let mut heard = Vec::new();
        socket.read_to_end(&mut heard).await?;
        Ok(heard)
    }

    /// What is sent comes back, byte for byte, over every network that ends no connection.
    #[tokio::test]
    async fn bytes_are_never_changed() {
        let words: Vec<u8> = (0..60_000_u32).flat_map(u32::to_le_bytes).collect();
        let quick = |profile: Profile| Profile { bytes_per_s: 0, ..profile };
        let delay = Duration::from_millis(5);
        for profile in [
            Profile::CLEAN,
            Profile { segment_bytes: 7, ..quick(Profile::TRICKLE) },
            Profile { delay, jitter: delay, stall: delay * 3, ..quick(Profile::WEAK) },
        ] {
            let (address, dial, _stop) = echo(profile).await;
            let heard = tokio::time::timeout(PATIENCE, said(address, &words)).await.unwrap();
            assert!(heard.unwrap() == words, "{profile:?}");
            let bytes = 2 * words.len() as u64;
            assert_eq!(dial.counts(), Counts { connections: 1, bytes, ..Counts::default() });
        }
    }

    /// A connection that is to be refused is reset before a byte; the next one may be carried.
    #[tokio::test]
    async fn connections_are_refused_by_their_number() {
        let (address, dial, _stop) = echo(Profile::REFUSING).await;
        let mut carried = Vec::new();
        for _ in 0..40 {
            carried.push(said(address, b"hello").await.is_ok_and(|heard| heard == b"hello"));
        }
        let planned: Vec<_> =
            (0..40).map(|n| Plan::new(11, n, &Profile::REFUSING).fate == Fate::Carried).collect();
        assert_eq!(carried, planned);
        let refused = planned.iter().filter(|is| !**is).count() as u64;
        assert_eq!((dial.counts().connections, dial.counts().refused), (40, refused));
    }

    /// Both peers of a connection that is cut see a reset; the dial changes what later ones meet.
    #[tokio::test]
    async fn a_life_ends_by_reset() {
        let life = Duration::from_millis(80);
        let (address, dial, _stop) = echo(Profile { life, ..Profile::CLEAN }).await;
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"one").await.unwrap();
        let mut heard = Vec::new();
        let end = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"one");
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(dial.counts().reset, 1);
        dial.turn(Profile::CLEAN);
        let words = tokio::time::timeout(PATIENCE, said(address, b"two")).await.unwrap();
        assert_eq!(words.unwrap(), b"two");
    }

    /// A connection that fell silent stays open and answers nothing, however long one listens.
    #[tokio::test]
    async fn half_open_stays_open() {
        let profile = Profile { freeze_permille: 1_000, freeze_bytes: 0, ..Profile::CLEAN };
        let (address, dial, _stop) = echo(profile).await;
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"hello").await.unwrap();
        let begun = Instant::now();
        while dial.counts().silenced == 0 {
            assert!(begun.elapsed() < PATIENCE);
            sleep(Duration::from_millis(1)).await;
        }
        let mut byte = [0];
        let listened = tokio::time::timeout(Duration::from_millis(200), socket.read(&mut byte));
        assert!(listened.await.is_err(), "neither a byte nor an end");
        socket.write_all(b"is anybody there?").await.unwrap();
    }
}
