use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tenon_base::Deadline;

use super::*;
use crate::frame::{FrameHeader, Prio, encode_message};
use crate::v1::*;
use crate::{close_reason, feature, kind};

const START: Deadline = Deadline(0);

fn at(seconds: u64) -> Deadline {
    START.plus(Duration::from_secs(seconds))
}

fn ack_of_hello() -> HelloAck {
    HelloAck {
        proto: 1,
        heartbeat_s: 30,
        window_bytes: 1_000,
        features: feature::CHUNKED_RESPONSE,
        ..HelloAck::default()
    }
}

/// Both ends over a wire that cuts bytes anywhere.
struct Pair {
    client: ClientSession,
    server: ServerSession,
    now: Deadline,
    cuts: Vec<usize>,
    cut: usize,
    up: Vec<ServerEvent>,
    down: Vec<ClientEvent>,
}

impl Pair {
    fn new(cuts: Vec<usize>) -> Self {
        Self {
            client: ClientSession::new(&Hello { proto_max: 1, ..Hello::default() }, START).unwrap(),
            server: ServerSession::new(START),
            now: START,
            cuts,
            cut: 0,
            up: Vec::new(),
            down: Vec::new(),
        }
    }

    fn live() -> Self {
        let mut pair = Self::new(vec![usize::MAX]);
        pair.run();
        assert!(matches!(pair.up[..], [ServerEvent::Hello(1, _)]));
        pair.server.accept(1, &ack_of_hello());
        pair.run();
        assert!(matches!(pair.down[..], [ClientEvent::HelloAck(_)]));
        pair.up.clear();
        pair.down.clear();
        pair
    }

    fn piece(&mut self, len: usize) -> usize {
        self.cut = (self.cut + 1) % self.cuts.len();
        self.cuts[self.cut].clamp(1, len)
    }

    fn run(&mut self) {
        while let Some(bytes) = self.client.poll_transmit(4_096) {
            let mut rest = bytes;
            while !rest.is_empty() {
                let n = self.piece(rest.len());
                let taken = self.server.handle_bytes(&rest[..n], self.now);
                drop(rest.split_to(taken));
                self.up.extend(std::iter::from_fn(|| self.server.poll_event()));
            }
        }
        self.up.extend(std::iter::from_fn(|| self.server.poll_event()));
        while let Some(bytes) = self.server.poll_transmit(4_096) {
            let mut rest = bytes;
            while !rest.is_empty() {
                let n = self.piece(rest.len());
                let taken = self.client.handle_bytes(&rest[..n], self.now);
                drop(rest.split_to(taken));
                self.down.extend(std::iter::from_fn(|| self.client.poll_event()));
            }
        }
        self.down.extend(std::iter::from_fn(|| self.client.poll_event()));
    }
}

fn send(cid: u64, len: usize) -> Send {
    Send { conv: 7, cid, kind: 1, body: Bytes::from(vec![cid as u8; len]), ..Send::default() }
}

fn batch(from_pts: u64, to_pts: u64, events: usize, body_len: usize) -> EventBatch {
    let event = SyncEvent { body: Bytes::from(vec![1; body_len]), ..SyncEvent::default() };
    let events = vec![event; events];
    EventBatch { unit: 1, queue_epoch: 1, from_pts, to_pts, events, ..EventBatch::default() }
}

fn acked(pts: u64) -> Ack {
    Ack { cursors: vec![Cursor { unit: 1, queue_epoch: 1, pts }], ..Ack::default() }
}

/// Sends that follow the Hello at once wait for the verdict, then come in order.
#[test]
fn early_sends_wait_for_the_verdict() {
    let mut pair = Pair::new(vec![usize::MAX]);
    pair.client.send_message(&send(1, 10));
    pair.run();
    assert_eq!(pair.up.len(), 1);
    pair.server.accept(1, &ack_of_hello());
    pair.run();
    assert_eq!(pair.up[1], ServerEvent::Send(2, Box::new(send(1, 10))));
}

#[test]
fn first_frame_must_be_hello() {
    let mut server = ServerSession::new(START);
    let mut bytes = BytesMut::new();
    encode_message(&mut bytes, FrameHeader::new(kind::PING, 0), &Ping::default()).unwrap();
    server.handle_bytes(&bytes, START);
    let Some(ServerEvent::Ended(end)) = server.poll_event() else { panic!("no end") };
    assert_eq!(end.code, ErrorCode::UnexpectedFrame.number());
    assert!(server.poll_transmit(100).is_some());
    assert_eq!(server.poll_event(), None);
}

#[test]
fn frames_of_the_wrong_direction_end_the_link() {
    let mut pair = Pair::live();
    let mut bytes = BytesMut::new();
    encode_message(&mut bytes, FrameHeader::new(kind::PONG, 0), &Pong::default()).unwrap();
    pair.server.handle_bytes(&bytes, START);
    pair.run();
    let [ServerEvent::Ended(own)] = &pair.up[..] else { panic!("{:?}", pair.up) };
    let [ClientEvent::Ended(told)] = &pair.down[..] else { panic!("{:?}", pair.down) };
    assert_eq!((own.code, own.is_by_peer), (7007, false));
    assert_eq!((told.code, told.is_by_peer), (7007, true));
}

#[test]
fn ninth_request_is_busy_and_answers_free_slots() {
    let mut pair = Pair::live();
    for method in 1..=8 {
        pair.client.send_request(&ReadRequest { method, ..ReadRequest::default() }).unwrap();
    }
    assert_eq!(pair.client.send_request(&ReadRequest::default()), Err(RequestRefused));
    pair.run();
    assert_eq!(pair.up.len(), 8);
    let mut bytes = BytesMut::new();
    encode_message(&mut bytes, FrameHeader::new(kind::REQUEST, 99), &ReadRequest::default())
        .unwrap();
    pair.server.handle_bytes(&bytes, START);
    pair.run();
    let [ClientEvent::Error(99, info)] = &pair.down[..] else { panic!("{:?}", pair.down) };
    assert_eq!(info.code, ErrorCode::Busy.number());
    assert!(pair.server.respond(2, &ReadResponse::default(), Prio::Normal));
    assert!(!pair.server.respond(2, &ReadResponse::default(), Prio::Normal));
    pair.run();
    assert!(matches!(pair.down[1], ClientEvent::Response(2, 1, _)));
    assert!(pair.client.send_request(&ReadRequest::default()).is_ok());
}

#[test]
fn large_answers_come_in_pieces_behind_live_frames() {
    let mut pair = Pair::live();
    let id = pair.client.send_request(&ReadRequest::default()).unwrap();
    pair.run();
    let answer = ReadResponse { body: Bytes::from(vec![5; 300_000]), ..ReadResponse::default() };
    assert!(pair.server.respond(id, &answer, Prio::Bulk));
    assert!(!pair.server.is_writable());
    assert!(!pair.server.ephemeral(&Ephemeral::default()));
    pair.server.send_ack(9, &SendAck::default());
    pair.run();
    assert_eq!(pair.down[0], ClientEvent::SendAck(9, SendAck::default()));
    assert_eq!(pair.down[1], ClientEvent::Response(id, 0, answer));
}

#[test]
fn window_bounds_bytes_and_events() {
    let mut pair = Pair::live();
    pair.server.send_batch(&batch(0, 1, 1, 5_000)).expect("one batch may exceed an empty window");
    assert_eq!(pair.server.send_batch(&batch(1, 2, 1, 1)), Err(WindowFull));
    pair.client.send_ack(&acked(1));
    pair.run();
    assert_eq!(pair.server.window().under_way(), (0, 0));
    pair.server.send_batch(&batch(1, 201, 200, 0)).unwrap();
    assert_eq!(pair.server.send_batch(&batch(201, 258, 57, 0)), Err(WindowFull));
    pair.server.send_batch(&batch(201, 257, 56, 0)).unwrap();
    pair.client.ping(&Ping { next_s: 30, ack: Some(acked(201)), ..Ping::default() }, START);
    pair.run();
    assert_eq!(pair.server.window().under_way().1, 56);
    let tail = &pair.up[pair.up.len() - 2..];
    assert!(matches!(tail, [ServerEvent::Ack(_), ServerEvent::Ping(_, _)]), "{tail:?}");
    pair.client.send_subscribe(&Subscribe { unit: 1, queue_epoch: 1, from_pts: 201 });
    pair.run();
    assert_eq!(pair.server.window().under_way(), (0, 0));
}

#[test]
fn silence_ends_the_link_in_time() {
    let mut server = ServerSession::new(START);
    server.handle_timeout(at(4));
    assert_eq!(server.poll_event(), None);
    server.handle_timeout(at(5));
    assert!(
        matches!(server.poll_event(), Some(ServerEvent::Ended(e)) if e.reason == close_reason::IDLE)
    );

    let mut pair = Pair::live();
    assert_eq!(pair.server.deadline(), at(60));
    pair.now = at(10);
    pair.client.ping(&Ping { next_s: 100, ..Ping::default() }, at(10));
    pair.run();
    assert_eq!(pair.server.deadline(), at(10 + 150 + 15));
    pair.client.ping(&Ping { next_s: u32::MAX, ..Ping::default() }, at(10));
    pair.run();
    assert_eq!(pair.server.deadline(), at(10 + 900 + 15), "a device cannot ask for eternity");
    pair.client.ping(&Ping { next_s: 100, ..Ping::default() }, at(10));
    pair.run();
    pair.server.handle_timeout(at(174));
    assert_eq!(pair.server.poll_event(), None);
    pair.server.handle_timeout(at(175));
    pair.run();
    assert!(
        matches!(pair.down.last(), Some(ClientEvent::Ended(e)) if e.reason == close_reason::IDLE)
    );
}

#[test]
fn beats_are_due_missed_and_measured() {
    let mut pair = Pair::live();
    assert_eq!(pair.client.handle_timeout(at(29)), None);
    assert_eq!(pair.client.handle_timeout(at(30)), Some(ClientEvent::BeatDue));
    pair.client.ping(&Ping { next_s: 60, ..Ping::default() }, at(30));
    assert_eq!(pair.client.handle_timeout(at(35)), Some(ClientEvent::BeatMissed));
    assert_eq!(pair.client.handle_timeout(at(36)), None);
    pair.now = at(37);
    pair.server.pong(0, &Pong::default());
    pair.run();
    assert_eq!(pair.client.rtt(), Duration::from_secs(7));
    assert_eq!(pair.client.deadline(), at(90));
}

/// Whoever asks again and again whether the link lives still learns in time that it does not.
#[test]
fn a_further_ping_buys_a_dead_link_no_time() {
    let mut pair = Pair::live();
    let ping = Ping { next_s: 60, ..Ping::default() };
    for second in [1, 3, 5] {
        pair.client.ping(&ping, at(second));
    }
    assert_eq!(pair.client.handle_timeout(at(5)), None);
    assert_eq!(pair.client.handle_timeout(at(6)), Some(ClientEvent::BeatMissed));

    let mut pair = Pair::live();
    pair.client.ping(&ping, at(1));
    pair.client.ping(&ping, at(3));
    pair.now = at(4);
    pair.server.pong(0, &Pong::default());
    pair.run();
    assert_eq!(pair.client.rtt(), Duration::from_secs(3), "of the first one");
    assert_eq!(pair.client.handle_timeout(at(8)), None, "one answer is enough");
    assert_eq!(pair.client.deadline(), at(61));
}

#[test]
fn lists_above_their_bound_are_refused_and_the_link_lives() {
    let mut pair = Pair::live();
    let id = pair.client.send_message(&Send { mentions: vec![1; 101], ..send(1, 1) });
    pair.client.send_message(&Send { mentions: vec![1; 100], ..send(2, 1) });
    pair.run();
    assert!(matches!(pair.up[..], [ServerEvent::Send(_, _)]));
    let [ClientEvent::Error(refused, info)] = &pair.down[..] else { panic!("{:?}", pair.down) };
    assert_eq!((*refused, info.code), (id, ErrorCode::BadMessage.number()));
}

proptest! {
    /// Whatever the cuts on the wire, both ends hear the same, in order, and bodies arrive as they were.
    #[test]
    fn cuts_change_nothing(
        cuts in prop::collection::vec(1_usize..50, 1..10),
        bodies in prop::collection::vec(0_usize..400, 1..20),
    ) {
        let mut pair = Pair::new(cuts);
        for (n, len) in bodies.iter().enumerate() {
            pair.client.send_message(&send(n as u64 + 1, *len));
        }
        pair.run();
        pair.server.accept(1, &ack_of_hello());
        pair.run();
        prop_assert_eq!(pair.up.len(), bodies.len() + 1);
        for (n, len) in bodies.iter().enumerate() {
            let expected = ServerEvent::Send(n as u32 + 2, Box::new(send(n as u64 + 1, *len)));
            prop_assert_eq!(&pair.up[n + 1], &expected);
        }
    }

    /// No bytes of a device make the session panic or go on after its end.
    #[test]
    fn noise_ends_or_waits(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut pair = Pair::live();
        pair.server.handle_bytes(&noise, START);
        pair.run();
        let ends = pair.up.iter().filter(|e| matches!(e, ServerEvent::Ended(_))).count();
        prop_assert!(ends <= 1);
        if ends == 1 {
            prop_assert!(matches!(pair.up.last(), Some(ServerEvent::Ended(_))));
        }
    }
}
