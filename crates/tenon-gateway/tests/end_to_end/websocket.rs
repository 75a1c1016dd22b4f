//! WebSocket in both forms, and the HTTP calls beside it. The client side is written out here: it must be able to lie.

use bytes::{Buf as _, BytesMut};
use serde_json::{Value, json};
use tenon_base::Deadline;
use tenon_wire::{ClientEvent, ClientSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::secret;
use crate::handshake::until;
use crate::peer::{PATIENCE, hello, text};
use crate::{Node, node, node_with};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

struct Socket {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Socket {
    async fn open(node: &Node, protocol: &str) -> Self {
        let (status, socket) = Self::try_open(node, protocol, "").await;
        assert_eq!(status, 101);
        socket
    }

    async fn try_open(node: &Node, protocol: &str, more: &str) -> (u16, Self) {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        let request = format!(
            "GET /v1/connect HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n{more}\r\n",
            node.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut socket = Self { stream, buffer: BytesMut::new() };
        let head = socket.head().await;
        assert!(!head.to_lowercase().contains("permessage-deflate"), "{head}");
        if head.contains(" 101 ") {
            assert!(head.to_lowercase().contains("sec-websocket-protocol: tenon.v1"), "{head}");
        }
        (head.split(' ').nth(1).unwrap().parse().unwrap(), socket)
    }

    async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                return String::from_utf8(self.buffer.split_to(at + 4).to_vec()).unwrap();
            }
            assert!(self.more().await > 0, "closed in the head");
        }
    }

    async fn more(&mut self) -> usize {
        tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
            .await
            .unwrap()
            .unwrap()
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | len as u8),
            len @ 126..=0xFFFF => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn receive(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some(message) = self.parse() {
                return message;
            }
            assert!(self.more().await > 0, "closed without a close frame");
        }
    }

    fn parse(&mut self) -> Option<(u8, Vec<u8>)> {
        let bytes = &self.buffer;
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        assert_eq!(first & 0x70, 0, "no extension is in force");
        let (len, head) = match second {
            126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()) as usize, 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize, 10),
            len => (len as usize, 2),
        };
        if bytes.len() < head + len {
            return None;
        }
        self.buffer.advance(head);
        Some((first & 15, self.buffer.split_to(len).to_vec()))
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            let (opcode, payload) = self.receive().await;
            if opcode == CLOSE {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }

    async fn say(&mut self, envelope: Value) {
        self.send(TEXT, envelope.to_string().as_bytes()).await;
    }

    /// The next envelope with this arm.
    async fn hear(&mut self, arm: &str) -> Value {
        loop {
            let (opcode, payload) = self.receive().await;
            assert_eq!(opcode, TEXT, "{payload:?}");
            let value: Value = serde_json::from_slice(&payload).unwrap();
            let list = if let Value::Array(list) = value { list } else { vec![value] };
            if let Some(found) = list.into_iter().find(|e| e.get(arm).is_some()) {
                return found;
            }
        }
    }
}

pub(crate) fn json_hello(user: u64, device: u64, conn_ctr: u64) -> Value {
    let credential = Value::String(base64(&secret(user, device)));
    let cursor = json!({ "unit": 1, "queueEpoch": 3, "pts": "0" });
    json!({ "id": 1, "hello": { "protoMin": 1, "protoMax": 1, "device": device.to_string(),
        "deviceEpoch": 1, "connCtr": conn_ctr.to_string(), "credential": credential,
        "cursors": [cursor], "features": "255", "net": 2 } })
}

fn base64(bytes: &[u8]) -> String {
    let envelope = tenon_wire::v1::ReadResponse { body: bytes.to_vec().into(), fence: None };
    serde_json::to_value(envelope).unwrap()["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn frames_travel_in_binary_messages() {
    let node = node().await;
    let mut socket = Socket::open(&node, "tenon.v1").await;
    let mut session = ClientSession::new(&hello(1, 10, 1, Some(0)), Deadline(0)).unwrap();
    session.send_message(&text(50, 1, "from a browser"));
    let (mut acked, mut told) = (false, false);
    while !(acked && told) {
        while let Some(bytes) = session.poll_transmit(usize::MAX) {
            socket.send(BINARY, &bytes).await;
        }
        let (opcode, payload) = socket.receive().await;
        assert_eq!(opcode, BINARY);
        session.handle_bytes(&payload, Deadline(0));
        while let Some(event) = session.poll_event() {
            match event {
                ClientEvent::SendAck(_, ack) => acked = ack.seq == 1,
                ClientEvent::EventBatch(batch) => told = batch.events[0].cid == 1,
                ClientEvent::HelloAck(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(node.metrics.sessions.get(), 1);
    drop(socket);
    until(|| node.rooms.live() == 0).await;
}

#[tokio::test]
async fn the_same_in_json() {
    let node = node().await;
    let mut socket = Socket::open(&node, "tenon.v1.json").await;
    socket.say(json_hello(1, 10, 1)).await;
    let ack = socket.hear("helloAck").await;
    assert_eq!(ack["helloAck"]["user"], "1");
    socket
        .say(json!({ "id": 2, "send": { "conv": "50", "deviceEpoch": 1, "cid": "1", "kind": 1,
            "content": { "text": { "text": "by hand" } } } }))
        .await;
    let (ack, batch) = (socket.hear("sendAck").await, node.rooms.hellos());
    assert_eq!(
        (&ack["sendAck"]["status"], &ack["sendAck"]["seq"]),
        (&json!("STATUS_OK"), &json!("1"))
    );
    assert_eq!(batch, 1);
    socket.say(json!([{ "id": 3, "request": { "method": 4, "content": { "conv": "50" } } }])).await;
    let page = socket.hear("response").await;
    assert_eq!(page["response"]["content"]["normal"][0]["content"]["text"]["text"], "by hand");
    socket.say(json!({ "id": 4, "request": { "method": 19, "content": {} } })).await;
    assert_eq!(socket.hear("error").await["error"]["code"], 6015);
}

#[tokio::test]
async fn many_small_frames_become_several_texts() {
    let node = node().await;
    let mut socket = Socket::open(&node, "tenon.v1.json").await;
    socket.say(json_hello(1, 10, 1)).await;
    socket.hear("helloAck").await;
    node.rooms.hold_submits();
    for part in [1..=60, 61..=120] {
        let sends = part.map(|cid: u64| {
            json!({ "id": cid, "send": { "conv": "50", "deviceEpoch": 1, "cid": cid.to_string(),
                "kind": 1, "content": { "text": { "text": "x" } } } })
        });
        socket.say(Value::Array(sends.collect())).await;
    }
    until(|| node.rooms.held_submits() == 120).await;
    node.rooms.release_submits();
    let mut acked = Vec::new();
    while acked.len() < 120 {
        let (_, payload) = socket.receive().await;
        let value: Value = serde_json::from_slice(&payload).unwrap();
        let list = if let Value::Array(list) = value { list } else { vec![value] };
        assert!(list.len() <= 64);
        acked.extend(list.iter().filter_map(|e| e["sendAck"]["cid"].as_str()?.parse::<u64>().ok()));
    }
    assert_eq!(acked, (1..=120).collect::<Vec<_>>());
}

#[tokio::test]
async fn messages_of_the_wrong_type_are_refused() {
    let node = node().await;
    for (protocol, opcode) in [("tenon.v1", TEXT), ("tenon.v1.json", BINARY)] {
        let mut socket = Socket::open(&node, protocol).await;
        socket.send(opcode, b"{}").await;
        assert_eq!(socket.close_code().await, 1003, "{protocol}");
    }
}

#[tokio::test]
async fn text_that_is_no_envelope_ends_the_link_with_words() {
    let node = node().await;
    let mut socket = Socket::open(&node, "tenon.v1.json").await;
    socket.send(TEXT, b"hello?").await;
    let close = socket.hear("close").await;
    assert_eq!((&close["close"]["reason"], &close["close"]["code"]), (&json!(7), &json!(7004)));
    assert_eq!(socket.close_code().await, 4007);
}

#[tokio::test]
async fn a_refused_hello_closes_with_its_reason() {
    let node = node().await;
    let mut socket = Socket::open(&node, "tenon.v1.json").await;
    let mut hello = json_hello(1, 10, 1);
    hello["hello"]["credential"] = "Z3Vlc3M=".into();
    socket.say(hello).await;
    assert_eq!(socket.hear("close").await["close"]["code"], 4002);
    assert_eq!(socket.close_code().await, 4010);
}

#[tokio::test]
async fn an_oversize_message_is_not_taken() {
    let node = node().await;
    let mut socket = Socket::open(&node, "tenon.v1").await;
    // Only the head says so: 1 MiB. Nothing of it is sent, and nothing waits for it.
    let mut head = vec![0x82, 0xFF];
    head.extend((1_u64 << 20).to_be_bytes());
    head.extend([0; 4]);
    socket.stream.write_all(&head).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, socket.stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the link is closed");
    until(|| node.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn unknown_protocols_and_foreign_pages_are_refused_before_the_upgrade() {
    let node = node_with(|o| o.origins = vec!["https://chat.example.org".into()]).await;
    assert_eq!(Socket::try_open(&node, "mqtt", "").await.0, 400);
    let foreign = "Origin: https://evil.example\r\n";
    assert_eq!(Socket::try_open(&node, "tenon.v1", foreign).await.0, 403);
    let listed = "Origin: https://chat.example.org\r\n";
    assert_eq!(Socket::try_open(&node, "tenon.v1", listed).await.0, 101);
}

#[tokio::test]
async fn a_planned_stop_waits_for_websockets_too() {
    let node = node().await;
    let mut socket = Socket::open(&node, "tenon.v1.json").await;
    socket.say(json_hello(1, 10, 1)).await;
    socket.hear("helloAck").await;
    node.stop.send(true).unwrap();
    assert_eq!(socket.hear("goAway").await["goAway"]["reason"], 1);
    assert_eq!(socket.hear("close").await["close"]["code"], 3004);
    assert_eq!(socket.close_code().await, 4006);
    tokio::time::timeout(PATIENCE, node.serving).await.unwrap().unwrap();
    assert_eq!(node.metrics.connections.get(), 0);
}

/// One HTTP call: status and JSON body.
pub(crate) async fn call(
    node: &Node,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> (u16, Value) {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

fn sign_in_body(password: &str) -> String {
    json!({ "name": "ann", "password": password, "label": "laptop", "device_kind": 3 }).to_string()
}

#[tokio::test]
async fn a_sign_in_gives_what_a_hello_needs() {
    let node = node().await;
    let (status, body) = call(&node, "POST", "/v1/login", JSON, &sign_in_body("open sesame")).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["user"], &body["device"], &body["org"]),
        (&json!("1"), &json!("10"), &json!("7"))
    );
    assert_eq!(body["name"], "ann");
    let credential = body["credential"].as_str().unwrap();

    let bearer = format!("Authorization: Bearer {credential}\r\n");
    let (status, body) = call(&node, "POST", "/v1/ticket", &bearer, "").await;
    assert_eq!((status, body.get("credential")), (200, None));
    assert_eq!(body["ticket"], base64(credential.as_bytes()));

    let (status, _) = call(&node, "POST", "/v1/logout", &bearer, "").await;
    assert_eq!(status, 204);
}

#[tokio::test]
async fn errors_of_http_have_one_form() {
    let node = node().await;
    let cases = [
        ("POST", "/v1/login", JSON, sign_in_body("wrong"), 401, "ticket_invalid"),
        ("POST", "/v1/login", JSON, "{}".into(), 400, "bad_message"),
        ("POST", "/v1/login", JSON, "x".repeat(20_000), 413, "too_large"),
        ("POST", "/v1/ticket", "", String::new(), 401, "ticket_invalid"),
        ("GET", "/v1/connect", "", String::new(), 400, "bad_message"),
        ("GET", "/nowhere", "", String::new(), 404, "absent"),
        ("PUT", "/v1/login", "", String::new(), 422, "kind_refused"),
    ];
    for (method, path, head, body, status, code) in cases {
        let (got, answer) = call(&node, method, path, head, &body).await;
        assert_eq!((got, answer["code"].as_str()), (status, Some(code)), "{method} {path}");
        assert_eq!(answer["doc"], format!("/docs/errors/{code}"));
        assert!(answer["number"].is_u64() && answer["message"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_sign_ins_is_bounded() {
    let node = node_with(|o| o.gate.logins_max = 4).await;
    let node = std::sync::Arc::new(node);
    node.rooms.hold_logins();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let node = std::sync::Arc::clone(&node);
            tokio::spawn(async move {
                call(&node, "POST", "/v1/login", JSON, &sign_in_body("open sesame")).await
            })
        })
        .collect();
    let busy = || node.metrics.logins.with_label_values(&["refused"]).get();
    until(|| busy() == 16).await;
    assert_eq!(node.rooms.held_logins(), 4, "the others were refused without being hashed");
    node.rooms.release_logins();
    let mut by_status = std::collections::BTreeMap::new();
    for call in calls {
        let (status, _) = call.await.unwrap();
        *by_status.entry(status).or_insert(0) += 1;
    }
    assert_eq!(by_status, [(200, 4), (429, 16)].into());
}

#[tokio::test]
async fn health_says_no_more_than_it_must() {
    let node = node().await;
    assert_eq!(call(&node, "GET", "/health", "", "").await, (200, json!({ "status": "ok" })));
}
