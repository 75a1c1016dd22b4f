//! Sends, batches, reads, tips: what a live device does.

use std::time::Duration;

use tenon_core::event::Tip;
use tenon_core::handover::{Batch, Delivery};
use tenon_wire::v1::Status;
use tenon_wire::{ClientEvent, Message as _, close_reason, encode, method, op_type, v1};

use tokio::io::AsyncWriteExt as _;

use crate::fake::ORG;
use crate::handshake::until;
use crate::peer::{Peer, hello, text};
use crate::{node, node_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_acked_and_reaches_the_other() {
    let node = node().await;
    let mut ann = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let mut bob = Peer::connect(node.address, &hello(2, 20, 1, Some(0))).await;
    let id = ann.session.send_message(&text(50, 1, "good morning"));
    let (mut acked, mut own) = (None, None);
    while acked.is_none() || own.is_none() {
        match ann.next().await {
            ClientEvent::SendAck(of, ack) => acked = Some((of, ack)),
            ClientEvent::EventBatch(batch) => own = Some(batch.events[0].clone()),
            other => panic!("{other:?}"),
        }
    }
    let (of, ack) = acked.unwrap();
    assert_eq!((of, ack.status(), ack.seq, ack.rev, ack.cid), (id, Status::Ok, 1, 1, 1));
    let own = own.unwrap();
    assert_eq!((own.cid, own.device, own.device_epoch), (1, 10, 1));
    assert_ne!(own.flags & tenon_wire::flag::OWN, 0);

    let batch = bob.batch().await;
    let event = &batch.events[0];
    assert_eq!((batch.from_pts, batch.to_pts, event.pts), (0, 1, 1));
    assert_eq!((event.cid, event.device, event.device_epoch), (0, 0, 0));
    assert_eq!(event.flags & tenon_wire::flag::OWN, 0);
    assert_eq!(event.body, text(50, 1, "good morning").body);
    bob.ack(1);
    bob.flush().await;
    until(|| node.rooms.acked(20) == 1).await;
}

#[tokio::test]
async fn outcomes_come_in_the_words_of_the_contract() {
    let node = node().await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    peer.session.send_message(&text(50, 3, "too early"));
    let ClientEvent::SendAck(_, ack) = peer.next().await else { panic!("no ack") };
    assert_eq!((ack.status(), ack.expect_cid), (Status::Gap, 1));

    let bad = v1::Send { kind: 2, ..text(50, 1, "text that says it is rich") };
    peer.session.send_message(&bad);
    let ClientEvent::SendAck(_, ack) = peer.next().await else { panic!("no ack") };
    assert_eq!((ack.status(), ack.code), (Status::Rejected, 6014));

    let id = peer.session.send_message(&text(404, 1, "into the void"));
    let ClientEvent::Error(of, info) = peer.next().await else { panic!("no error") };
    assert_eq!((of, info.code), (id, 6001));

    let body = encode(&v1::OpenDirect { user: 2 });
    let op =
        v1::Op { device_epoch: 1, n: 1, r#type: op_type::OPEN_DIRECT, body, ..v1::Op::default() };
    peer.session.send_op(&op);
    let ClientEvent::OpAck(_, ack) = peer.next().await else { panic!("no ack") };
    assert_eq!((ack.status(), ack.id, ack.n), (Status::Accepted, 5002, 1));

    let mark = v1::ReadMark { conv: 50, up_to_seq: 1, ..v1::ReadMark::default() };
    peer.session.send_read_marks(&v1::ReadMarks { marks: vec![mark] });
    let ClientEvent::ReadMarksAck(_, ack) = peer.next().await else { panic!("no ack") };
    assert_eq!(ack.done, [50]);
}

#[tokio::test]
async fn reads_are_answered_or_refused_by_id() {
    let node = node().await;
    for n in 0..40 {
        node.rooms.tell(9, 50, &format!("{n} {}", "x".repeat(1_000)));
    }
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let get = v1::GetHistory { conv: 50, limit: 100, ..v1::GetHistory::default() };
    let page = peer.ask(method::GET_HISTORY, encode(&get)).await.unwrap();
    assert!(page.len() > 32 * 1024, "comes in pieces");
    let page = v1::HistoryPage::decode(page).unwrap();
    assert_eq!((page.normal.len(), page.lo_seq, page.hi_seq), (40, 1, 40));
    assert!(page.floor && page.stable);

    let get = v1::GetHistory { conv: 51, ..v1::GetHistory::default() };
    assert_eq!(peer.ask(method::GET_HISTORY, encode(&get)).await, Err(6001));
    assert_eq!(peer.ask(method::GET_HISTORY, "\u{7}".into()).await, Err(7004));
    assert_eq!(peer.ask(method::SEARCH, bytes::Bytes::new()).await, Err(6015));

    let wants = [50, 51].map(|conv| v1::GetConvDiff { conv, since_rev: 38, ..Default::default() });
    let wants = v1::GetConvDiffs { wants: wants.to_vec() };
    let answers = peer.ask(method::GET_CONV_DIFFS, encode(&wants)).await.unwrap();
    let answers = v1::ConvDiffAnswers::decode(answers).unwrap().answers;
    let Some(v1::conv_diff_answer::What::Diff(diff)) = &answers[0].what else { panic!("no diff") };
    assert_eq!((diff.from_rev, diff.to_rev, diff.events.len()), (38, 40, 2));
    assert!(answers[1].what.is_none(), "absent keeps its place");
}

#[tokio::test]
async fn a_ping_is_answered_with_numbers() {
    let node = node().await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let cursor = v1::Cursor { unit: 1, queue_epoch: crate::fake::EPOCH.0, pts: 0 };
    let ack = Some(v1::Ack { cursors: vec![cursor], ..v1::Ack::default() });
    peer.session.ping(&v1::Ping { n: 4, next_s: 30, ack }, tenon_base::Deadline(0));
    let ClientEvent::Pong(pong) = peer.next().await else { panic!("no pong") };
    assert_eq!((pong.n, pong.units[0].tip_pts, pong.list_digest), (4, 0, 42));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_does_not_ack_gets_its_window_and_no_more() {
    let node = node().await;
    let hello = v1::Hello { window_bytes: 16 * 1024, ..hello(1, 10, 1, Some(0)) };
    let mut peer = Peer::connect(node.address, &hello).await;
    for n in 0..400 {
        node.rooms.tell(1, 50, &format!("{n} {}", "x".repeat(1_000)));
    }
    assert!(node.rooms.refused() > 0, "sync was told to wait");
    let (mut at, mut bytes, mut batches) = (0, 0, Vec::new());
    while at < 400 {
        let Ok(event) = tokio::time::timeout(Duration::from_millis(60), peer.next()).await else {
            assert!(bytes <= 16 * 1024 + 20 * 1024, "{bytes} bytes without an ack");
            bytes = 0;
            peer.ack(at);
            continue;
        };
        let ClientEvent::EventBatch(batch) = event else { panic!("{event:?}") };
        assert_eq!(batch.from_pts, at, "contiguous");
        bytes += batch.encoded_len();
        at = batch.to_pts;
        batches.extend(batch.events.iter().map(|e| e.seq));
        if at % 3 == 0 {
            peer.ack(at);
            bytes = 0;
        }
    }
    assert_eq!(batches, (1..=400).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_stops_reading_is_closed_and_costs_little() {
    let node = node_with(|o| o.slow_after = Duration::from_millis(300)).await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let big = "x".repeat(20_000);
    for _ in 0..400 {
        node.rooms.tell(1, 50, &big);
    }
    // The buffers of both kernels take some hundred KiB; these answers are never read.
    for _ in 0..8 {
        let get = v1::GetHistory { conv: 50, limit: 40, ..v1::GetHistory::default() };
        let request =
            v1::ReadRequest { method: method::GET_HISTORY, body: encode(&get), fence: None };
        peer.session.send_request(&request).unwrap();
    }
    for pts in (0..400).step_by(8) {
        peer.ack(pts);
        while let Some(bytes) = peer.session.poll_transmit(usize::MAX) {
            // The server closes in between.
            drop(peer.socket.write_all(&bytes).await);
        }
    }
    until(|| node.rooms.live() == 0).await;
    assert_eq!(node.metrics.slow.get(), 1);
}

#[tokio::test]
async fn a_subscribe_starts_the_stream_anew_without_repeats_in_between() {
    let node = node().await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    for n in 0..50 {
        node.rooms.tell(1, 50, &n.to_string());
    }
    let first = peer.batch().await;
    assert_eq!(first.from_pts, 0);
    peer.subscribe(10);
    peer.flush().await;
    let mut at = None;
    while at != Some(50) {
        let batch = peer.batch().await;
        if batch.from_pts == 10 {
            at = Some(10);
        }
        if let Some(expected) = at {
            assert_eq!(batch.from_pts, expected);
            at = Some(batch.to_pts);
        }
    }
}

#[tokio::test]
async fn a_new_queue_epoch_is_announced_and_waits_for_a_subscribe() {
    let node = node().await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let (from, to) = (tenon_base::Pts(0), tenon_base::Pts(1));
    let queue_epoch = crate::fake::EPOCH.next();
    let batch = Batch { queue_epoch, from, to, tip: to, entries: Vec::new() };
    node.rooms.deliver(1, 10, Delivery::Batch(batch.clone()));
    let ClientEvent::UnitState(state) = peer.next().await else { panic!("no unit_state") };
    assert_eq!((state.queue_epoch, state.tip_pts), (queue_epoch.0, 1));
    // Until the device has answered, nothing is streamed; then it goes on in the new epoch.
    let subscribe = v1::Subscribe { unit: 1, queue_epoch: queue_epoch.0, from_pts: 0 };
    peer.session.send_subscribe(&subscribe);
    peer.session.ping(&v1::Ping { n: 1, next_s: 30, ack: None }, tenon_base::Deadline(0));
    assert!(matches!(peer.next().await, ClientEvent::Pong(_)));
    node.rooms.deliver(1, 10, Delivery::Batch(batch));
    let told = peer.batch().await;
    assert_eq!((told.queue_epoch, told.from_pts, told.to_pts), (queue_epoch.0, 0, 1));
}

#[tokio::test]
async fn tips_and_bodies_reach_verified_members_only() {
    let node = node().await;
    node.rooms.set_pull(60, &[1, 2], 1);
    let mut ann = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let mut bob = Peer::connect(node.address, &hello(2, 20, 1, Some(0))).await;
    let mut eve = Peer::connect(node.address, &hello(3, 30, 1, Some(0))).await;
    assert_eq!(ann.welcome.tips[0].conv, 60);
    ann.session.send_watch(&v1::Watch { open: vec![60], ..v1::Watch::default() });
    eve.session.send_watch(&v1::Watch { open: vec![60], ..v1::Watch::default() });
    // A pong behind the watch shows that it was taken.
    for peer in [&mut ann, &mut eve] {
        peer.session.ping(&v1::Ping { n: 1, next_s: 30, ack: None }, tenon_base::Deadline(0));
        assert!(matches!(peer.next().await, ClientEvent::Pong(_)));
    }
    let event = node.rooms.tell(99, 60, "for members");
    let tip = Tip { conv: event.conv, rev: event.rev, seq: tenon_base::Seq(1), ..Tip::default() };
    node.multicast.tip(ORG, tip, 1, Some(&event));

    let ClientEvent::ConvPush(push) = ann.next().await else { panic!("no push") };
    assert_eq!((push.conv, push.from_rev, push.to_rev, push.tip_rev), (60, 0, 1, 1));
    assert_eq!((push.events[0].cid, push.events[0].device), (0, 0));
    let ClientEvent::ConvTips(tips) = bob.next().await else { panic!("no tips") };
    assert_eq!((tips.tips[0].conv, tips.tips[0].rev), (60, 1));
    eve.session.ping(&v1::Ping { n: 2, next_s: 30, ack: None }, tenon_base::Deadline(0));
    let ClientEvent::Pong(pong) = eve.next().await else { panic!("eve heard something") };
    assert!(pong.tips.is_empty());
    assert_eq!(node.rooms.verified().len(), 1, "one question for all");

    // Nobody left since: nobody is asked about again but the one who was never verified.
    let event = node.rooms.tell(99, 60, "more");
    node.multicast.tip(ORG, Tip { rev: event.rev, ..tip }, 1, Some(&event));
    assert!(matches!(ann.next().await, ClientEvent::ConvPush(_)));
    until(|| node.rooms.verified().len() == 2).await;
    assert_eq!(node.rooms.verified()[1], [tenon_base::UserId(3)]);

    // Bob left: the count of departures rose, all are verified anew, and bob hears nothing.
    node.rooms.set_pull(60, &[1], 2);
    let event = node.rooms.tell(99, 60, "without bob");
    node.multicast.tip(ORG, Tip { rev: event.rev, ..tip }, 2, Some(&event));
    assert!(matches!(ann.next().await, ClientEvent::ConvPush(_)));
    until(|| node.rooms.verified().len() == 3).await;
}

#[tokio::test]
async fn a_planned_stop_asks_devices_to_go() {
    let node = node().await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    node.stop.send(true).unwrap();
    let ClientEvent::GoAway(go) = peer.next().await else { panic!("no go_away") };
    assert_eq!(go.reason, 1);
    assert_eq!(peer.end().await.reason, close_reason::SERVER_STOP);
    tokio::time::timeout(crate::peer::PATIENCE, node.serving).await.unwrap().unwrap();
    assert_eq!(node.metrics.connections.get(), 0);
}
