//! Hello, refusals, displacement.

use tenon_core::handover::Delivery;
use tenon_wire::{ClientEvent, close_reason, v1};

use crate::fake::{ORG, Rooms};
use crate::node;
use crate::peer::{Peer, hello};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_is_answered_with_numbers_and_limits() {
    let node = node().await;
    node.rooms.tell(1, 50, "before");
    let peer = Peer::connect(node.address, &hello(1, 10, 1, Some(1))).await;
    let ack = &peer.welcome;
    assert_eq!((ack.user, ack.org, ack.proto), (1, ORG.0, 1));
    assert_eq!(ack.limits.as_ref().unwrap().frame_up_max, 65_536);
    assert_eq!(ack.units[0].tip_pts, 1);
    assert_eq!(ack.units[0].action(), v1::UnitAction::Continue);
    assert_eq!((ack.list_digest, ack.list_digest_pts), (42, 1));
    assert_eq!(node.metrics.sessions.get(), 1);
}

#[tokio::test]
async fn device_zero_is_the_one_of_the_secret() {
    let node = node().await;
    let hello = v1::Hello { device: 0, ..hello(1, 10, 1, Some(0)) };
    Peer::connect(node.address, &hello).await;
}

#[tokio::test]
async fn a_wrong_secret_is_refused_with_its_code() {
    let node = node().await;
    let auth = Some(v1::hello::Auth::Credential("guess".into()));
    let end = Peer::try_connect(node.address, &v1::Hello { auth, ..hello(1, 10, 1, None) }).await;
    let end = end.err().unwrap();
    assert_eq!((end.reason, end.code), (close_reason::AUTH_FAILED, 4002));
    assert_eq!(node.rooms.live(), 0);
}

#[tokio::test]
async fn an_unknown_version_is_told_so() {
    let node = node().await;
    let hello = v1::Hello { proto_min: 2, proto_max: 9, ..hello(1, 10, 1, None) };
    let end = Peer::try_connect(node.address, &hello).await.err().unwrap();
    assert_eq!((end.reason, end.code), (close_reason::UPGRADE_REQUIRED, 8001));
    assert_eq!(node.rooms.hellos(), 0);
}

#[tokio::test]
async fn a_second_connection_displaces_the_first() {
    let node = node().await;
    let mut first = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    let _second = Peer::connect(node.address, &hello(1, 10, 2, Some(0))).await;
    assert_eq!(first.end().await.reason, close_reason::DISPLACED);
    assert_eq!(node.rooms.live(), 1);
}

#[tokio::test]
async fn a_replayed_hello_displaces_nobody() {
    let node = node().await;
    let mut first = Peer::connect(node.address, &hello(1, 10, 5, Some(0))).await;
    let end = Peer::try_connect(node.address, &hello(1, 10, 5, Some(0))).await.err().unwrap();
    assert_eq!((end.reason, end.code), (close_reason::AUTH_FAILED, 5003));
    node.rooms.tell(1, 50, "still here");
    assert_eq!(first.batch().await.to_pts, 1);
}

#[tokio::test]
async fn an_ended_session_is_closed_with_its_code() {
    let node = node().await;
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    node.rooms.deliver(1, 10, Delivery::Close { reason: close_reason::SESSION_ENDED });
    let end = peer.end().await;
    assert_eq!((end.reason, end.code), (close_reason::SESSION_ENDED, 4005));
}

#[tokio::test]
async fn a_new_device_gets_a_page_behind_its_tip() {
    let node = node().await;
    node.rooms.tell(1, 50, "before");
    let mut peer = Peer::connect(node.address, &hello(1, 10, 1, None)).await;
    assert_eq!(peer.welcome.units[0].action(), v1::UnitAction::Rebase);
    let ClientEvent::Rebase(rebase) = peer.next().await else { panic!("no rebase") };
    assert_eq!((rebase.tip_pts, rebase.reason), (1, 1));
    let first = rebase.first.unwrap();
    assert_eq!((first.items.len(), first.items[0].conv), (1, 50));
    peer.subscribe(1);
    peer.flush().await;
    node.rooms.tell(1, 50, "after");
    let batch = peer.batch().await;
    assert_eq!((batch.from_pts, batch.to_pts), (1, 2));
}

#[tokio::test]
async fn frames_behind_a_hello_wait_for_its_verdict() {
    let node = node().await;
    node.rooms.hold_hellos();
    let address = node.address;
    let sending = tokio::spawn(async move {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let hello = hello(1, 10, 1, Some(0));
        let mut session = tenon_wire::ClientSession::new(&hello, tenon_base::Deadline(0)).unwrap();
        session.send_message(&crate::peer::text(50, 1, "early"));
        let socket = Box::new(socket);
        let mut peer = Peer { session, socket, welcome: v1::HelloAck::default() };
        assert!(matches!(peer.next().await, ClientEvent::HelloAck(_)));
        loop {
            if let ClientEvent::SendAck(_, ack) = peer.next().await {
                return ack.seq;
            }
        }
    });
    until(|| node.rooms.hellos() == 1).await;
    node.rooms.release_hellos();
    assert_eq!(sending.await.unwrap(), 1);
}

/// Waits for another task's effect.
pub(crate) async fn until(is_done: impl Fn() -> bool) {
    let waiting = async {
        while !is_done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::peer::PATIENCE, waiting).await.expect("it never happens");
}

#[tokio::test]
async fn a_lost_link_is_taken_from_sync() {
    let node = node().await;
    let peer = Peer::connect(node.address, &hello(1, 10, 1, Some(0))).await;
    drop(peer);
    let rooms: &Rooms = &node.rooms;
    until(|| rooms.live() == 0).await;
    until(|| node.metrics.connections.get() == 0).await;
}
