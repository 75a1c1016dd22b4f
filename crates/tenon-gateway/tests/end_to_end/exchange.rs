//! HTTP exchange: the same session without a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenon_base::Deadline;
use tenon_wire::{ClientEvent, ClientSession, v1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::handshake::until;
use crate::node;
use crate::peer::{hello, text};
use crate::websocket::{call, json_hello};

/// One exchange in frames: what the server said.
pub(crate) async fn exchange(
    address: SocketAddr,
    hello: v1::Hello,
    sends: &[v1::Send],
) -> Vec<ClientEvent> {
    let mut session = ClientSession::new(&hello, Deadline(0)).unwrap();
    for send in sends {
        session.send_message(send);
    }
    let mut body = Vec::new();
    while let Some(bytes) = session.poll_transmit(usize::MAX) {
        body.extend_from_slice(&bytes);
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/exchange HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/x-tenon-frames\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(crate::peer::PATIENCE, read).await.unwrap().unwrap();
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer[..at]));
    let mut events = Vec::new();
    let mut rest = &answer[at..];
    loop {
        let taken = session.handle_bytes(rest, Deadline(0));
        rest = &rest[taken..];
        match session.poll_event() {
            Some(event) => events.push(event),
            None if rest.is_empty() => return events,
            None => {}
        }
    }
}

fn numbered(exchange: u32, cursor: u64, wait_ms: u32) -> v1::Hello {
    v1::Hello { exchange, wait_ms, ..hello(1, 10, 1, Some(cursor)) }
}

#[tokio::test]
async fn what_is_said_is_answered_and_news_come_along() {
    let node = node().await;
    node.rooms.tell(1, 50, "waiting");
    let events = exchange(node.address, numbered(1, 0, 25_000), &[text(51, 1, "hi")]).await;
    assert!(matches!(&events[0], ClientEvent::HelloAck(ack) if ack.session == 11));
    let acks = events.iter().filter(|e| matches!(e, ClientEvent::SendAck(_, a) if a.seq == 1));
    assert_eq!(acks.count(), 1);
    let told: Vec<_> = batches(&events).iter().map(|b| (b.from_pts, b.to_pts)).collect();
    assert_eq!(told.first().map(|b| b.0), Some(0));
    assert_eq!(told.last().map(|b| b.1), Some(2), "the waiting one and the own one");
    until(|| node.rooms.live() == 0).await;
}

fn batches(events: &[ClientEvent]) -> Vec<&v1::EventBatch> {
    let mut batches = Vec::new();
    for event in events {
        if let ClientEvent::EventBatch(batch) = event {
            batches.push(batch);
        }
    }
    batches
}

#[tokio::test]
async fn a_hold_ends_with_the_first_news_or_with_its_time() {
    let node = Arc::new(node().await);
    let started = tokio::time::Instant::now();
    let events = exchange(node.address, numbered(1, 0, 100), &[]).await;
    assert_eq!(events.len(), 1, "nothing but the welcome");
    assert!(started.elapsed() >= Duration::from_millis(100));

    let held = {
        let node = Arc::clone(&node);
        tokio::spawn(async move { exchange(node.address, numbered(2, 0, 25_000), &[]).await })
    };
    until(|| node.rooms.live() == 1).await;
    node.rooms.tell(1, 50, "news");
    let events = held.await.unwrap();
    assert_eq!(batches(&events)[0].to_pts, 1);
}

#[tokio::test]
async fn a_newer_exchange_ends_the_older_with_nothing() {
    let node = Arc::new(node().await);
    let older = {
        let node = Arc::clone(&node);
        tokio::spawn(async move { exchange(node.address, numbered(1, 0, 25_000), &[]).await })
    };
    until(|| node.rooms.live() == 1).await;
    let newer = {
        let node = Arc::clone(&node);
        tokio::spawn(async move { exchange(node.address, numbered(2, 0, 25_000), &[]).await })
    };
    assert_eq!(older.await.unwrap(), []);
    node.rooms.tell(1, 50, "for the newer");
    assert_eq!(batches(&newer.await.unwrap())[0].to_pts, 1);
}

#[tokio::test]
async fn cursors_of_the_next_one_are_the_ack() {
    let node = node().await;
    node.rooms.tell(1, 50, "one");
    let first = exchange(node.address, numbered(1, 0, 1_000), &[]).await;
    assert_eq!(batches(&first)[0].to_pts, 1);
    let lost = exchange(node.address, numbered(2, 0, 1_000), &[]).await;
    assert_eq!(batches(&lost)[0].from_pts, 0, "nothing is assumed received");
    let next = exchange(node.address, numbered(3, 1, 0), &[]).await;
    assert!(batches(&next).is_empty());
}

#[tokio::test]
async fn the_same_in_json() {
    let node = node().await;
    let mut hello = json_hello(1, 10, 1);
    hello["hello"]["exchange"] = 1.into();
    let send = json!({ "id": 2, "send": { "conv": "50", "deviceEpoch": 1, "cid": "1", "kind": 1,
        "content": { "text": { "text": "by hand" } } } });
    let body = Value::Array(vec![hello, send]).to_string();
    let kind = "Content-Type: application/json\r\n";
    let (status, answer) = call(&node, "POST", "/v1/exchange", kind, &body).await;
    assert_eq!(status, 200);
    let envelopes = answer.as_array().unwrap();
    assert!(envelopes[0].get("helloAck").is_some());
    assert!(envelopes.iter().any(|e| e["sendAck"]["seq"] == "1"));
    let told = envelopes.iter().find_map(|e| e["eventBatch"]["events"].as_array());
    assert_eq!(told.unwrap()[0]["content"]["text"]["text"], "by hand");
}

#[tokio::test]
async fn what_is_no_exchange_is_refused() {
    let node = node().await;
    let frames = "Content-Type: application/x-tenon-frames\r\n";
    let (status, body) = call(&node, "POST", "/v1/exchange", "", "x").await;
    assert_eq!((status, body["code"].as_str()), (400, Some("bad_message")));
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let (status, _) = call(&node, "POST", "/v1/exchange", json, "no json").await;
    assert_eq!(status, 400);
    let large = "x".repeat(130 * 1024);
    assert_eq!(call(&node, "POST", "/v1/exchange", frames, &large).await.0, 413);
    // A Hello without number belongs on a long connection.
    let events = exchange(node.address, hello(1, 10, 1, Some(0)), &[]).await;
    assert!(matches!(&events[0], ClientEvent::Ended(end) if end.code == 7004));
}
