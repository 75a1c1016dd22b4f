//! A device on a TCP socket.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::Deadline;
use tenon_wire::session::End;
use tenon_wire::{ClientEvent, ClientSession, v1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::{EPOCH, secret, text_body};

/// Longest wait of a test for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A byte stream, plain or not.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

pub(crate) struct Peer {
    pub(crate) session: ClientSession,
    pub(crate) socket: Box<dyn Socket>,
    pub(crate) welcome: v1::HelloAck,
}

/// A Hello of a device that has stored everything up to `cursor`.
pub(crate) fn hello(user: u64, device: u64, conn_ctr: u64, cursor: Option<u64>) -> v1::Hello {
    let cursor = cursor.map(|pts| v1::Cursor { unit: 1, queue_epoch: EPOCH.0, pts });
    v1::Hello {
        proto_min: 1,
        proto_max: 1,
        sdk: "test".into(),
        features: u64::MAX,
        device,
        device_epoch: 1,
        conn_ctr,
        auth: Some(v1::hello::Auth::Credential(secret(user, device))),
        cursors: cursor.into_iter().collect(),
        net: 2,
        first_page: 20,
        ..v1::Hello::default()
    }
}

/// A text message.
pub(crate) fn text(conv: u64, cid: u64, text: &str) -> v1::Send {
    v1::Send { conv, device_epoch: 1, cid, kind: 1, body: text_body(text), ..v1::Send::default() }
}

impl Peer {
    /// Connects and waits for the HelloAck.
    pub(crate) async fn connect(address: SocketAddr, hello: &v1::Hello) -> Self {
        Self::try_connect(address, hello).await.expect("hello refused")
    }

    /// Connects; the end, if the Hello is refused.
    pub(crate) async fn try_connect(address: SocketAddr, hello: &v1::Hello) -> Result<Self, End> {
        let socket = TcpStream::connect(address).await.unwrap();
        Self::over(Box::new(socket), hello).await
    }

    /// The same over a stream that is open.
    pub(crate) async fn over(socket: Box<dyn Socket>, hello: &v1::Hello) -> Result<Self, End> {
        let session = ClientSession::new(hello, Deadline(0)).unwrap();
        let mut peer = Self { session, socket, welcome: v1::HelloAck::default() };
        match peer.next().await {
            ClientEvent::HelloAck(ack) => {
                peer.welcome = *ack;
                Ok(peer)
            }
            ClientEvent::Ended(end) => Err(end),
            other => panic!("{other:?} before hello_ack"),
        }
    }

    pub(crate) async fn flush(&mut self) {
        while let Some(bytes) = self.session.poll_transmit(usize::MAX) {
            self.socket.write_all(&bytes).await.unwrap();
        }
    }

    /// The next thing the server says.
    pub(crate) async fn next(&mut self) -> ClientEvent {
        tokio::time::timeout(PATIENCE, self.wait()).await.expect("the server says nothing")
    }

    async fn wait(&mut self) -> ClientEvent {
        loop {
            self.flush().await;
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            let mut bytes = vec![0; 64 * 1024];
            let len = self.socket.read(&mut bytes).await.expect("connection lost");
            assert!(len > 0, "connection closed without a word");
            let mut rest = &bytes[..len];
            while !rest.is_empty() {
                let taken = self.session.handle_bytes(rest, Deadline(0));
                rest = &rest[taken..];
                assert!(taken > 0 || rest.is_empty(), "the session took nothing");
            }
        }
    }

    pub(crate) async fn batch(&mut self) -> v1::EventBatch {
        match self.next().await {
            ClientEvent::EventBatch(batch) => batch,
            other => panic!("{other:?} instead of a batch"),
        }
    }

    pub(crate) async fn end(&mut self) -> End {
        loop {
            if let ClientEvent::Ended(end) = self.next().await {
                return end;
            }
        }
    }

    pub(crate) fn queue_epoch(&self) -> u32 {
        self.welcome.units[0].queue_epoch
    }

    pub(crate) fn ack(&mut self, pts: u64) {
        let cursor = v1::Cursor { unit: 1, queue_epoch: self.queue_epoch(), pts };
        self.session.send_ack(&v1::Ack { cursors: vec![cursor], ..v1::Ack::default() });
    }

    pub(crate) fn subscribe(&mut self, pts: u64) {
        let (unit, queue_epoch) = (1, self.queue_epoch());
        self.session.send_subscribe(&v1::Subscribe { unit, queue_epoch, from_pts: pts });
    }

    /// Asks and waits for the answer, or the code of the refusal.
    pub(crate) async fn ask(&mut self, method: u32, body: Bytes) -> Result<Bytes, u32> {
        let request = v1::ReadRequest { method, body, fence: None };
        let id = self.session.send_request(&request).unwrap();
        match self.next().await {
            ClientEvent::Response(of, _, response) if of == id => Ok(response.body),
            ClientEvent::Error(of, info) if of == id => Err(info.code),
            other => panic!("{other:?} instead of an answer"),
        }
    }
}
