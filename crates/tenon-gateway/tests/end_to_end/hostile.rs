//! Peers that do not keep the rules.

use std::time::Duration;

use tenon_base::{Deadline, Random as _, SeededRandom};
use tenon_wire::{
    ClientSession, FrameHeader, FrameLimits, FrameReader, Message as _, close_reason, kind, v1,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::handshake::until;
use crate::peer::{PATIENCE, Peer, hello, text};
use crate::{Node, node, node_with};

/// Sends raw bytes and returns the Close, if one comes before the end of the connection.
async fn answer_to(node: &Node, bytes: &[u8]) -> Option<v1::Close> {
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    read_close(&mut socket).await
}

async fn read_close(socket: &mut TcpStream) -> Option<v1::Close> {
    let mut reader = FrameReader::new(FrameLimits::DOWN);
    let mut bytes = [0; 4096];
    loop {
        let read = tokio::time::timeout(PATIENCE, socket.read(&mut bytes)).await.unwrap();
        let len = read.unwrap_or(0);
        reader.push(&bytes[..len]);
        while let Some(frame) = reader.next().unwrap() {
            if frame.kind == kind::CLOSE {
                return Some(v1::Close::decode(frame.payload).unwrap());
            }
        }
        if len == 0 {
            return None;
        }
    }
}

fn frame(kind: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = bytes::BytesMut::new();
    tenon_wire::frame::encode_frame(&mut bytes, FrameHeader::new(kind, id), payload).unwrap();
    bytes.to_vec()
}

fn hello_bytes(user: u64, device: u64, conn_ctr: u64) -> Vec<u8> {
    let mut session =
        ClientSession::new(&hello(user, device, conn_ctr, Some(0)), Deadline(0)).unwrap();
    session.poll_transmit(usize::MAX).unwrap().to_vec()
}

#[tokio::test]
async fn faults_in_framing_end_the_link_with_their_code() {
    let node = node().await;
    let oversize_hello = [0x41, kind::HELLO, 1, 0xFF, 0xFF, 0x03];
    let cases: [(&str, Vec<u8>, u32); 7] = [
        ("a send before hello", frame(kind::SEND, 1, &text(50, 1, "x").encode_to_vec()), 7007),
        ("a wrong version", vec![0x81, 1, 1, 0], 7001),
        ("a long varint", vec![0x41, 1, 0x80, 0x00, 0], 7001),
        ("an unknown kind", vec![0x41, 60, 0, 0], 7005),
        ("an oversize hello", oversize_hello.to_vec(), 7002),
        ("a hello that is none", frame(kind::HELLO, 1, &[0x08]), 7004),
        ("a compressed hello", vec![0x45, kind::HELLO, 1, 0], 7003),
    ];
    for (what, bytes, code) in cases {
        let close = answer_to(&node, &bytes).await.expect(what);
        assert_eq!((close.reason, close.code), (close_reason::PROTOCOL_ERROR, code), "{what}");
    }
    assert_eq!(node.rooms.hellos(), 0);
    until(|| node.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn faults_behind_a_hello_end_the_link_too() {
    let node = node().await;
    let mut oversize = hello_bytes(1, 10, 1);
    oversize.extend([0x51, kind::SEND, 2, 0x80, 0x80, 0x08]);
    let close = answer_to(&node, &oversize).await.unwrap();
    assert_eq!(close.code, 7002, "128 KiB are announced, nothing of it is held");

    let mut second_hello = hello_bytes(1, 10, 2);
    second_hello.extend(hello_bytes(1, 10, 3));
    assert_eq!(answer_to(&node, &second_hello).await.unwrap().code, 7007);

    let mut downward = hello_bytes(1, 10, 4);
    downward.extend(frame(kind::EVENT_BATCH, 0, &[]));
    assert_eq!(answer_to(&node, &downward).await.unwrap().code, 7007);
}

#[tokio::test]
async fn a_bad_message_with_an_id_costs_the_message_only() {
    let node = node().await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    peer.socket.write_all(&frame(kind::SEND, 77, &[0xFF])).await.unwrap();
    let tenon_wire::ClientEvent::Error(id, info) = peer.next().await else { panic!("no error") };
    assert_eq!((id, info.code), (77, 7004));
    peer.session.send_message(&text(50, 1, "and on it goes"));
    assert!(!matches!(peer.next().await, tenon_wire::ClientEvent::Ended(_)));
}

#[tokio::test]
async fn a_truncated_hello_times_out() {
    let node = node_with(|o| o.hello_wait = Duration::from_millis(200)).await;
    let bytes = hello_bytes(1, 10, 1);
    let close = answer_to(&node, &bytes[..bytes.len() - 1]).await.unwrap();
    assert_eq!(close.reason, close_reason::IDLE);
    // A peer that says nothing at all gets no answer either.
    assert!(answer_to(&node, &[]).await.is_none());
    assert_eq!(node.metrics.refused.with_label_values(&["silent"]).get(), 1);
}

#[tokio::test]
async fn an_unverified_peer_is_not_read_without_bound() {
    let node = node().await;
    node.rooms.hold_hellos();
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    socket.write_all(&hello_bytes(1, 10, 1)).await.unwrap();
    until(|| node.rooms.hellos() == 1).await;
    let flood = frame(kind::SEND, 2, &text(50, 1, &"x".repeat(7_000)).encode_to_vec());
    let flooding = async {
        loop {
            socket.write_all(&flood).await.unwrap();
        }
    };
    // The socket's buffers fill and the writer stands: nobody takes the bytes.
    assert!(tokio::time::timeout(Duration::from_millis(300), flooding).await.is_err());
    assert!(node.metrics.bytes_in.get() < 64 * 1024);
}

#[tokio::test]
async fn a_flood_of_frames_is_read_at_its_rate() {
    let node = node_with(|o| {
        o.frame_rate = tenon_core::rate::Rate { per_second: 200, burst: 20 };
    })
    .await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let started = tokio::time::Instant::now();
    for cid in 1..=80 {
        peer.session.send_message(&text(50, cid, "flood"));
    }
    let mut acked = 0;
    while acked < 80 {
        if let tenon_wire::ClientEvent::SendAck(_, ack) = peer.next().await {
            acked += 1;
            assert_eq!(ack.seq, acked, "in order, none lost");
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(200), "60 frames at 200 a second");
    assert!(node.metrics.throttled.get() > 0);
}

/// A payload: noise, a message of some kind, or the beginning of one.
fn payload(random: &SeededRandom) -> Vec<u8> {
    let send = text(50, random.next_u64() % 4, "x").encode_to_vec();
    let cursor = v1::Cursor { unit: 1, queue_epoch: 3, pts: random.next_u64() % 9 };
    let messages = [
        send,
        v1::Ack { cursors: vec![cursor], dev_pts: 0, window_bytes: 1 }.encode_to_vec(),
        v1::Subscribe { unit: 1, queue_epoch: 3, from_pts: random.next_u64() }.encode_to_vec(),
        v1::Ping { n: 1, next_s: u32::MAX, ack: None }.encode_to_vec(),
        v1::Watch { open: vec![50, 60], ..v1::Watch::default() }.encode_to_vec(),
        v1::NetHint { window_bytes: u32::MAX, net: 77, ..v1::NetHint::default() }.encode_to_vec(),
        v1::ReadRequest { method: random.next_u64() as u32 % 24, ..Default::default() }
            .encode_to_vec(),
        v1::Op { n: 1, r#type: random.next_u64() as u32 % 90, ..Default::default() }
            .encode_to_vec(),
    ];
    let mut bytes = messages[random.next_u64() as usize % messages.len()].clone();
    match random.next_u64() % 4 {
        0 => bytes.truncate(random.next_u64() as usize % (bytes.len() + 1)),
        1 => random.fill(&mut bytes),
        _ => {}
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_frames_harm_nobody_else() {
    let node = node().await;
    node.rooms.set_pull(60, &[1], 1);
    let mut honest = Peer::connect(node.address, &hello(2, 20, 1, Some(0))).await;
    for seed in 0..300 {
        let random = SeededRandom::new(seed);
        let mut socket = TcpStream::connect(node.address).await.unwrap();
        let mut bytes = if seed % 8 == 0 { Vec::new() } else { hello_bytes(1, 10, seed + 1) };
        for _ in 0..random.next_u64() % 40 {
            let kind = 1 + (random.next_u64() % 34) as u8;
            let id = random.next_u64() as u32 % 5;
            bytes.extend(frame(kind, id, &payload(&random)));
        }
        if seed % 5 == 0 {
            let at = random.next_u64() as usize % bytes.len().max(1);
            bytes.truncate(at);
        }
        // The server may close while it is still told things.
        drop(socket.write_all(&bytes).await);
        if seed % 3 == 0 {
            socket.shutdown().await.unwrap_or_default();
            drop(read_close(&mut socket).await);
        }
    }
    until(|| node.metrics.connections.get() == 1).await;
    let (conv, words) = (50, "still well");
    node.rooms.tell(2, conv, words);
    let mut told = Vec::new();
    while !told.contains(&text(conv, 1, words).body) {
        let batch = honest.batch().await;
        honest.ack(batch.to_pts);
        told.extend(batch.events.into_iter().map(|e| e.body));
    }
    assert_eq!(node.metrics.panics.get(), 0);
}

#[tokio::test]
async fn a_displaced_link_cannot_move_the_cursor() {
    let node = node().await;
    let mut first = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let _second = Peer::connect(node.address, &hello(1, 10, 2, Some(0))).await;
    let end = first.end().await;
    assert_eq!(end.reason, close_reason::DISPLACED);
    let cursor = v1::Cursor { unit: 1, queue_epoch: 3, pts: 1_000 };
    let ack = v1::Ack { cursors: vec![cursor], ..v1::Ack::default() };
    // The peer may already be gone; what matters is that nothing moved.
    drop(first.socket.write_all(&frame(kind::ACK, 0, &ack.encode_to_vec())).await);
    until(|| node.metrics.connections.get() == 1).await;
    assert_eq!(node.rooms.acked(10), 0);
}
