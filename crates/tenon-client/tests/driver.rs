//! The driver over real sockets against the small server of the fault tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "the whole crate is a test; its helpers stand outside the test functions"
)]

#[path = "faults/model.rs"]
mod model;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message as _;
use tenon_base::{Clock, ConversationId, Seq, UserId};
use tenon_client::driver::SystemClock;
use tenon_client::engine::HistoryWant;
use tenon_client::{
    Auth, Client, ClientError, ClientEvent, ClientOptions, Events, StoreChoice, Tls, Trust, sign_in,
};
use tenon_wire::{event_type, v1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use model::Model;

type Shared = Arc<Mutex<Model>>;

struct Server {
    model: Shared,
    clock: Arc<SystemClock>,
    next: std::sync::atomic::AtomicU64,
}

impl Server {
    fn new() -> Arc<Self> {
        let devices = [(11, 1), (12, 1), (21, 2), (31, 3)];
        Arc::new(Self {
            model: Arc::new(Mutex::new(Model::new(1, &devices))),
            clock: Arc::new(SystemClock::new()),
            next: std::sync::atomic::AtomicU64::new(1),
        })
    }

    /// Serves one stream of frames until either side ends it.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self: Arc<Self>, mut io: S) {
        let conn = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.model.lock().unwrap().open(conn, 0, self.clock.monotonic());
        let mut buffer = vec![0; 4_096];
        loop {
            let read = tokio::time::timeout(Duration::from_millis(2), io.read(&mut buffer)).await;
            let out = {
                let mut model = self.model.lock().unwrap();
                match read {
                    Ok(Ok(n)) if n > 0 => model.bytes(conn, &buffer[..n], self.clock.monotonic()),
                    Err(_) => {}
                    _ => model.close(conn),
                }
                model.transmit(conn)
            };
            match out {
                Some(bytes) if io.write_all(&bytes).await.is_ok() && io.flush().await.is_ok() => {}
                _ => return,
            }
        }
    }

    async fn listen(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&server).serve(io));
            }
        });
        format!("tcp://{address}")
    }
}

fn options(url: &str, device: u64) -> ClientOptions {
    let mut options =
        ClientOptions::new(url.parse().unwrap(), Auth::Credential(device.to_string().into()));
    options.engine.device = device;
    options.engine.pull_jitter = Duration::from_millis(5);
    options
}

fn text(event: &v1::SyncEvent) -> String {
    match v1::Content::decode(event.body.clone()).unwrap().what {
        Some(v1::content::What::Text(text)) => text.text,
        other => panic!("not a text: {other:?}"),
    }
}

/// The next message event.
async fn message(events: &mut Events) -> v1::SyncEvent {
    let wait = async {
        loop {
            match events.next().await.expect("events ended") {
                ClientEvent::Sync { event, .. } if event.r#type == event_type::MESSAGE => {
                    return *event;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("no message came")
}

async fn chat(a: ClientOptions, b: ClientOptions) -> (Client, Events, Client, Events) {
    let (alice, alice_events) = Client::connect(a).await.unwrap();
    let (bob, mut bob_events) = Client::connect(b).await.unwrap();
    bob.ready().await.unwrap();
    let conv = alice.open_direct_by_name("user 2").await.unwrap();
    let sent = alice.send_text(conv, "hello").await.unwrap();
    assert_eq!((sent.seq.0, sent.message_id.0 > 0), (1, true));
    let event = message(&mut bob_events).await;
    assert_eq!((text(&event).as_str(), event.conv, event.seq), ("hello", conv.0, 1));
    (alice, alice_events, bob, bob_events)
}

/// Two users talk over plain TCP: send, event, list, history, read mark, refusal, close.
#[tokio::test]
async fn two_users_talk() {
    let server = Server::new();
    let url = server.listen().await;
    let (alice, mut events, bob, mut bob_events) = chat(options(&url, 11), options(&url, 21)).await;
    let conv = ConversationId(alice.list().await.unwrap()[0].conv);
    for n in 2..=30 {
        alice.send_text(conv, format!("message {n}")).await.unwrap();
    }
    for n in 2..=30 {
        assert_eq!(text(&message(&mut bob_events).await), format!("message {n}"));
    }
    let line = bob.list().await.unwrap().remove(0);
    assert_eq!((line.unread, line.tip_seq), (30, 30));
    bob.mark_read(conv, Seq(30)).await.unwrap();
    let want = HistoryWant { conv: conv.0, limit: 20, ..HistoryWant::default() };
    let page = bob.history(want).await.unwrap();
    assert_eq!((page.lo, page.hi, page.rows.len(), page.is_floor), (11, 30, 20, false));
    let page = bob.history(HistoryWant { below_seq: page.lo, ..want }).await.unwrap();
    assert_eq!((page.lo, page.hi, page.rows.len(), page.is_floor), (1, 10, 10, true));
    assert_eq!(page.rows[0].message_id, conv.0 * 1_000 + 1);
    let own = message(&mut events).await;
    assert_eq!(text(&own), "hello", "own messages come as events too");
    let bad = v1::Send { conv: conv.0, kind: 1, body: "bad".into(), ..v1::Send::default() };
    let refused = alice.send(bad).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { code: 6011, .. }), "{refused}");
    let unknown = alice.open_direct_by_name("nobody").await.unwrap_err();
    assert!(matches!(unknown, ClientError::Refused { code: 6001, .. }), "{unknown}");
    loop {
        match bob_events.next().await.expect("events ended") {
            ClientEvent::Sync { event, .. } if event.r#type == event_type::READ_MARKED => break,
            _ => {}
        }
    }
    assert_eq!(bob.list().await.unwrap()[0].unread, 0, "the read mark came back");
    alice.close().await.unwrap();
    assert!(matches!(alice.list().await, Err(ClientError::Closed)));
}

/// Events that the app handled do not come again after a restart; the others do, each once and in order.
#[tokio::test]
async fn events_come_once_over_restarts() {
    let server = Server::new();
    let url = server.listen().await;
    let folder = tempfile::tempdir().unwrap();
    let with_folder = |device| {
        let store = StoreChoice::Folder(folder.path().join(format!("{device}")));
        ClientOptions { store, ..options(&url, device) }
    };
    let (alice, alice_events, bob, mut bob_events) = chat(with_folder(11), with_folder(21)).await;
    let conv = ConversationId(alice.list().await.unwrap()[0].conv);
    for n in 2..=9 {
        alice.send_text(conv, n.to_string()).await.unwrap();
    }
    // Taking 4 says that 2 and 3 are handled.
    for n in 2..=4 {
        assert_eq!(text(&message(&mut bob_events).await), n.to_string());
    }
    bob.close().await.unwrap();
    drop((bob, bob_events));
    for n in 10..=12 {
        alice.send_text(conv, n.to_string()).await.unwrap();
    }
    let (bob, mut bob_events) = Client::connect(with_folder(21)).await.unwrap();
    for n in 4..=12 {
        assert_eq!(text(&message(&mut bob_events).await), n.to_string());
    }
    bob_events.leave();
    bob.close().await.unwrap();
    let (bob, mut bob_events) = Client::connect(with_folder(21)).await.unwrap();
    bob.ready().await.unwrap();
    alice.send_text(conv, "13").await.unwrap();
    assert_eq!(text(&message(&mut bob_events).await), "12", "12 was taken, not handled");
    assert_eq!(text(&message(&mut bob_events).await), "13");
    drop(alice_events);
}

/// A send that meets a dead server is answered once the server is back, as one message.
#[tokio::test]
async fn a_send_survives_the_server() {
    let server = Server::new();
    let url = server.listen().await;
    let (alice, _alice_events, _bob, mut bob_events) =
        chat(options(&url, 11), options(&url, 21)).await;
    let conv = ConversationId(alice.list().await.unwrap()[0].conv);
    server.model.lock().unwrap().faults.lose_ack = 1_000;
    let sending = tokio::spawn({
        let alice = alice.clone();
        async move { alice.send_text(conv, "once").await }
    });
    assert_eq!(text(&message(&mut bob_events).await), "once");
    {
        let mut model = server.model.lock().unwrap();
        model.faults.lose_ack = 0;
        (1..10).for_each(|conn| model.close(conn));
    }
    let sent = sending.await.unwrap().unwrap();
    assert_eq!(sent.seq.0, 2);
    alice.send_text(conv, "after").await.unwrap();
    assert_eq!(text(&message(&mut bob_events).await), "after");
}

/// TLS with the own protocol, and WebSocket inside TLS.
#[tokio::test]
async fn tls_and_websocket_carry_the_same() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"tenon/1".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = Server::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = Arc::clone(&server);
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let Ok(io) = acceptor.accept(io).await else { continue };
            let is_frames = io.get_ref().1.alpn_protocol() == Some(b"tenon/1");
            if is_frames {
                tokio::spawn(Arc::clone(&accepting).serve(io));
            } else {
                tokio::spawn(websocket(Arc::clone(&accepting), io));
            }
        }
    });
    let tls = Some(Tls::new(&Trust::Pem(made.cert.pem().into_bytes())).unwrap());
    let a = ClientOptions { tls: tls.clone(), ..options(&format!("tls://localhost:{port}"), 11) };
    let b = ClientOptions { tls, ..options(&format!("wss://localhost:{port}"), 21) };
    drop(chat(a, b).await);
    let any = Some(Tls::new(&Trust::Any).unwrap());
    let c = ClientOptions { tls: any, ..options(&format!("wss://localhost:{port}"), 12) };
    let (client, _events) = Client::connect(c).await.unwrap();
    assert_eq!(client.list().await.unwrap().len(), 1);
}

/// The server's side of a WebSocket: binary messages to and from a pipe of frames.
async fn websocket<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(server: Arc<Server>, io: S) {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
    #[expect(clippy::result_large_err, reason = "the library's callback")]
    let pick = |request: &Request, mut response: Response| {
        let wanted = request.headers()["sec-websocket-protocol"].clone();
        assert_eq!((wanted.as_bytes(), request.uri().path()), (&b"tenon.v1"[..], "/v1/connect"));
        response.headers_mut().insert("sec-websocket-protocol", wanted);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(io, pick).await.unwrap();
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(server.serve(near));
    let mut buffer = vec![0; 4_096];
    loop {
        tokio::select! {
            got = socket.next() => match got {
                Some(Ok(Message::Binary(bytes))) => far.write_all(&bytes).await.unwrap(),
                _ => return,
            },
            read = far.read(&mut buffer) => {
                let n = read.unwrap();
                if n == 0 || socket.send(Message::Binary(buffer[..n].to_vec().into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A sign-in gives the secret of a new device; a refusal gives the server's code.
#[tokio::test]
async fn sign_in_gives_a_credential() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let good = r#"{"credential":"tnd_1","ticket":"eA==","ticket_until_ms":1,"user":"7","device":"9","device_epoch":1,"org":"3","name":"Ada"}"#;
        for (status, body) in [
            ("200 OK", good),
            ("401 Unauthorized", r#"{"code":"ticket_invalid","number":4002,"message":"no"}"#),
        ] {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let mut n = 0;
            while !request[..n].ends_with(b"}") {
                n += io.read(&mut request[n..]).await.unwrap();
            }
            let text = String::from_utf8_lossy(&request[..n]).into_owned();
            assert!(text.starts_with("POST /v1/login HTTP/1.0\r\n"), "{text}");
            assert!(text.contains(r#""device_kind":5"#) && text.contains(r#""password":"secret""#));
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
            io.write_all(head.as_bytes()).await.unwrap();
            io.write_all(body.as_bytes()).await.unwrap();
        }
    });
    let signed = sign_in(&url, None, "ada", "secret", "test", 5).await.unwrap();
    assert_eq!((signed.user, signed.device, signed.org, signed.name.as_str()), (7, 9, 3, "Ada"));
    assert_eq!(signed.auth(), Auth::Credential("tnd_1".into()));
    let refused = sign_in(&url, None, "ada", "secret", "test", 5).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { code: 4002, .. }), "{refused}");
}

/// Who never was a member gets the plain refusal, and the chain of that conversation starts anew.
#[tokio::test]
async fn a_stranger_is_refused() {
    let server = Server::new();
    let url = server.listen().await;
    let other = server.model.lock().unwrap().create(2, &[3], false);
    let (alice, _events) = Client::connect(options(&url, 11)).await.unwrap();
    for _ in 0..2 {
        let refused = alice.send_text(ConversationId(other), "hi").await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused { code: 6001, .. }), "{refused}");
    }
    let conv = alice.create_group("us", &[UserId(2)]).await.unwrap();
    assert_eq!(alice.send_text(conv, "hi").await.unwrap().seq, Seq(1));
}
