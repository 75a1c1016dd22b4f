//! A lean device: one TCP socket, the session of the protocol, a cursor, and nothing else.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tenon_base::Deadline;
use tenon_wire::{ClientEvent, ClientSession, v1};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::account::Account;
use crate::record::Actor;
use crate::{BenchError, Checked};

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;
/// Events that are acked at once; fewer wait for [`Peer::ack`].
const ACK_EVENTS: usize = 64;
/// How long the server may take for an answer while a scenario is prepared.
const PATIENCE: Duration = Duration::from_secs(60);

/// One live device.
pub(crate) struct Peer {
    pub(crate) account: Rc<Account>,
    socket: TcpStream,
    session: RefCell<ClientSession>,
    unsent: RefCell<Bytes>,
    begin: Instant,
    bytes_in: Cell<u64>,
    unacked: Cell<usize>,
    checked: Cell<Checked>,
    rebases: Cell<u64>,
}

impl Peer {
    /// Opens the socket and the session; ready when the queue's stream runs.
    pub(crate) async fn connect(
        address: SocketAddr,
        account: &Rc<Account>,
    ) -> Result<(Rc<Self>, Joined), BenchError> {
        let begin = Instant::now();
        let failed = |source| BenchError::io("connect", source);
        let socket = TcpStream::connect(address).await.map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let session = ClientSession::new(&account.hello(), Deadline(0));
        let peer = Rc::new(Self {
            account: Rc::clone(account),
            socket,
            session: RefCell::new(session.map_err(BenchError::refused)?),
            unsent: RefCell::default(),
            begin,
            bytes_in: Cell::default(),
            unacked: Cell::default(),
            checked: Cell::default(),
            rebases: Cell::default(),
        });
        let joined = tokio::time::timeout(PATIENCE, peer.join()).await;
        let joined = joined.map_err(|_| BenchError::Late("a hello's answer".into()))??;
        Ok((peer, joined))
    }

    async fn join(&self) -> Result<Joined, BenchError> {
        let mut joined = Joined::default();
        let mut is_live = false;
        while !is_live {
            self.wait().await?;
            while let Some(event) = self.poll()? {
                match event {
                    ClientEvent::HelloAck(ack) => {
                        self.account.welcome(&ack);
                        is_live = self.on_units(&ack.units);
                    }
                    ClientEvent::Rebase(rebase) => {
                        joined.first_screen = self.begin.elapsed();
                        joined.first_screen_bytes = self.bytes_in.get();
                        self.on_rebase(&rebase);
                        joined.rebase = Some(rebase);
                        is_live = true;
                    }
                    other => joined.early.push(other),
                }
            }
        }
        joined.live = self.begin.elapsed();
        self.flush()?;
        Ok(joined)
    }

    /// True if the stream goes on from the cursor.
    fn on_units(&self, units: &[v1::UnitState]) -> bool {
        let goes_on = |unit: &&v1::UnitState| unit.action == v1::UnitAction::Continue as i32;
        let Some(unit) = units.iter().find(goes_on) else { return false };
        let mut cursor = self.account.cursor.borrow_mut();
        let pts = cursor.as_ref().map_or(0, |cursor| cursor.pts);
        *cursor = Some(v1::Cursor { unit: unit.unit, queue_epoch: unit.queue_epoch, pts });
        true
    }

    /// Takes the tip as cursor and asks for the stream from there. The caller reads what it shows from the page.
    pub(crate) fn on_rebase(&self, rebase: &v1::Rebase) {
        self.rebases.set(self.rebases.get() + 1);
        self.account.note(Actor::rebased);
        let (unit, queue_epoch, pts) = (rebase.unit, rebase.queue_epoch, rebase.tip_pts);
        self.account.cursor.replace(Some(v1::Cursor { unit, queue_epoch, pts }));
        let subscribe = v1::Subscribe { unit, queue_epoch, from_pts: pts };
        self.session.borrow_mut().send_subscribe(&subscribe);
    }

    /// Checks a batch against the cursor and moves it; acks when enough came. Events in it that are new.
    pub(crate) fn on_batch<'a>(&self, batch: &'a v1::EventBatch) -> &'a [v1::SyncEvent] {
        let mut guard = self.account.cursor.borrow_mut();
        let Some(cursor) = guard.as_mut() else { return &[] };
        let mut checked = self.checked.get();
        if batch.queue_epoch != cursor.queue_epoch {
            return &[];
        }
        checked.lost += batch.from_pts.saturating_sub(cursor.pts);
        let known = batch.events.iter().take_while(|event| event.pts <= cursor.pts).count();
        let new = &batch.events[known..];
        let mut last = cursor.pts;
        for event in new {
            checked.reordered += u64::from(event.pts <= last);
            last = event.pts;
        }
        cursor.pts = cursor.pts.max(batch.to_pts);
        drop(guard);
        self.checked.set(checked);
        self.account.note(|actor| new.iter().for_each(|event| actor.told(event)));
        self.unacked.set(self.unacked.get() + new.len());
        if self.unacked.get() >= ACK_EVENTS {
            self.ack();
        }
        new
    }

    /// Takes what moves the cursor, without looking at what it says.
    pub(crate) fn on_event(&self, event: &ClientEvent) {
        match event {
            ClientEvent::EventBatch(batch) => {
                self.on_batch(batch);
            }
            ClientEvent::Rebase(rebase) => self.on_rebase(rebase),
            _ => {}
        }
    }

    /// Acks what was taken and not acked yet.
    pub(crate) fn ack(&self) {
        if self.unacked.replace(0) == 0 {
            return;
        }
        let cursors = self.account.cursor.borrow().iter().copied().collect();
        self.session.borrow_mut().send_ack(&v1::Ack { cursors, ..v1::Ack::default() });
    }

    /// What was wrong with the queue of this device.
    pub(crate) const fn checked(&self) -> Checked {
        self.checked.get()
    }

    /// Orders to start from the list since the device connected.
    pub(crate) const fn rebases(&self) -> u64 {
        self.rebases.get()
    }

    /// Bytes that came over this connection.
    pub(crate) const fn bytes_in(&self) -> u64 {
        self.bytes_in.get()
    }

    /// Says something; it leaves with the next [`Self::flush`].
    pub(crate) fn say<T>(&self, say: impl FnOnce(&mut ClientSession) -> T) -> T {
        say(&mut self.session.borrow_mut())
    }

    /// Does what the heartbeat asks for.
    pub(crate) fn beat(&self) -> Result<(), BenchError> {
        let now = self.now();
        let mut session = self.session.borrow_mut();
        if let Some(ClientEvent::BeatDue) = session.handle_timeout(now) {
            session.ping(&v1::Ping { n: 1, next_s: 30, ack: None }, now);
        }
        drop(session);
        self.ack();
        self.flush()
    }

    /// Asks for the server's numbers now.
    pub(crate) fn ping(&self) -> Result<(), BenchError> {
        let now = self.now();
        self.say(|session| session.ping(&v1::Ping { n: 1, next_s: 30, ack: None }, now));
        self.flush()
    }

    fn now(&self) -> Deadline {
        Deadline(0).plus(self.begin.elapsed())
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&self) -> Result<(), BenchError> {
        let mut unsent = self.unsent.borrow_mut();
        loop {
            if unsent.is_empty() {
                match self.session.borrow_mut().poll_transmit(READ_BYTES) {
                    Some(bytes) => *unsent = bytes,
                    None => return Ok(()),
                }
            }
            match self.socket.try_write(&unsent) {
                Ok(n) => unsent.advance(n),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(BenchError::io("write", error)),
            }
        }
    }

    /// Writes, and reads once when there is something. [`Self::poll`] is to be emptied afterwards.
    pub(crate) async fn wait(&self) -> Result<(), BenchError> {
        loop {
            self.flush()?;
            let interest = match self.unsent.borrow().is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let failed = |source| BenchError::io("read", source);
            self.socket.ready(interest).await.map_err(failed)?;
            if self.read()? {
                return Ok(());
            }
        }
    }

    fn read(&self) -> Result<bool, BenchError> {
        let mut buffer = [0; READ_BYTES];
        let n = match self.socket.try_read(&mut buffer) {
            Ok(0) => return Err(BenchError::io("read", std::io::ErrorKind::UnexpectedEof.into())),
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(BenchError::io("read", error)),
        };
        self.bytes_in.set(self.bytes_in.get() + n as u64);
        // The reader's buffer holds a whole frame, and `poll` has emptied it before this read.
        let taken = self.session.borrow_mut().handle_bytes(&buffer[..n], self.now());
        if taken == n { Ok(true) } else { Err(BenchError::refused("the session is full")) }
    }

    /// The next thing that the server said.
    pub(crate) fn poll(&self) -> Result<Option<ClientEvent>, BenchError> {
        match self.session.borrow_mut().poll_event() {
            Some(ClientEvent::Ended(end)) => Err(BenchError::refused(format!(
                "the server ended the session: reason {}, code {}, {}",
                end.reason, end.code, end.text
            ))),
            other => Ok(other),
        }
    }

    /// The conversation with a user; ready for messages when its first event is in this device's queue.
    pub(crate) async fn open_direct(&self, user: u64) -> Result<u64, BenchError> {
        let op = self.account.open_direct(user);
        let asked = self.say(|session| session.send_op(&op));
        let (made, seen) = (Cell::new(None), RefCell::new(Vec::new()));
        self.hear(|event| {
            match event {
                ClientEvent::OpAck(id, ack) if *id == asked => match ack.status() {
                    v1::Status::Ok | v1::Status::Accepted => made.set(Some(ack.id)),
                    _ => return Some(Err(BenchError::refused(format!("{ack:?}")))),
                },
                ClientEvent::EventBatch(batch) => {
                    seen.borrow_mut().extend(batch.events.iter().map(|event| event.conv));
                }
                _ => {}
            }
            made.get().filter(|conv| seen.borrow().contains(conv)).map(Ok)
        })
        .await
    }

    /// Asks and waits for the answer's body.
    pub(crate) async fn ask(&self, method: u32, body: Bytes) -> Result<Bytes, BenchError> {
        let request = v1::ReadRequest { method, body, fence: None };
        let asked = self.say(|session| session.send_request(&request));
        let asked = asked.map_err(BenchError::refused)?;
        self.hear(|event| match event {
            ClientEvent::Response(id, _, answer) if *id == asked => Some(Ok(answer.body.clone())),
            ClientEvent::Error(id, info) if *id == asked => Some(refused(info)),
            _ => None,
        })
        .await
    }

    /// Waits for what `pick` wants; batches are taken meanwhile.
    async fn hear<T>(
        &self,
        pick: impl Fn(&ClientEvent) -> Option<Result<T, BenchError>>,
    ) -> Result<T, BenchError> {
        let heard = async {
            loop {
                self.wait().await?;
                let mut found = None;
                while let Some(event) = self.poll()? {
                    self.on_event(&event);
                    found = found.or_else(|| pick(&event));
                }
                if let Some(found) = found {
                    return found;
                }
            }
        };
        let heard = tokio::time::timeout(PATIENCE, heard).await;
        heard.map_err(|_| BenchError::Late("an answer".into()))?
    }
}

fn refused<T>(info: &v1::ErrorInfo) -> Result<T, BenchError> {
    Err(BenchError::refused(format!("{info:?}")))
}

/// How a connection came up.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// From the start of the connect to a running stream.
    pub(crate) live: Duration,
    /// The order to start from the list, if one came.
    pub(crate) rebase: Option<Box<v1::Rebase>>,
    /// From the start of the connect to the list's first page.
    pub(crate) first_screen: Duration,
    /// Bytes that had come by then.
    pub(crate) first_screen_bytes: u64,
    /// What came in the same breath.
    pub(crate) early: Vec<ClientEvent>,
}

/// Acks and heartbeats of many devices, until it is dropped. A device that failed tells its own task.
pub(crate) async fn beat(peers: Vec<Rc<Peer>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for peer in &peers {
            if peer.beat().is_err() {
                continue;
            }
        }
    }
}
