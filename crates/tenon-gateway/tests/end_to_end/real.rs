//! The real rooms behind the gateway, over a log and a store in memory.

use std::net::SocketAddr;
use std::sync::Arc;

use prometheus::Registry;
use tenon_base::{Clock, OrgId, SeededRandom, Timestamp, UserId};
use tenon_core::Layout;
use tenon_gateway::{Doors, Gateway, GatewayOptions, Metrics};
use tenon_ports::memory::{MemoryKv, MemoryLog};
use tenon_receiver::admin::NewUser;
use tenon_receiver::{Admin, Keys, RateLimits, Service};
use tenon_store::{Store, StoreOptions};
use tenon_wire::v1::Status;
use tenon_wire::{ClientEvent, Message as _, encode, event_type, method, op_type, v1};
use tokio::sync::watch;

use crate::RuntimeClock;
use crate::exchange::exchange;
use crate::peer::{Peer, hello, text};

const LAYOUT: Layout = Layout { conversations: 2, users: 2 };
/// Groups above this many members are read by pull.
const QUEUE_MODE_MAX: u32 = 2;

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Admin,
    _stop: watch::Sender<bool>,
}

/// Which house: another organisation has another number and other keys.
pub(crate) struct Plan {
    pub(crate) org: OrgId,
    pub(crate) key_seed: u64,
    pub(crate) rates: RateLimits,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(RuntimeClock(tokio::time::Instant::now()));
        Self { org: OrgId(1), key_seed: 99, rates: RateLimits::START, clock }
    }
}

pub(crate) async fn house() -> House {
    house_of(Plan::new()).await
}

pub(crate) async fn house_of(plan: Plan) -> House {
    let registry = Registry::new();
    let (stop, stopped) = watch::channel(false);
    let log = Arc::new(MemoryLog::new());
    let store =
        Store::open(Arc::new(MemoryKv::new()), Arc::clone(&log) as _, StoreOptions::default())
            .unwrap();
    let (processor, conversations) = tenon_processor::Service::new(
        tenon_processor::Options::new(LAYOUT, 7),
        tenon_processor::Metrics::new(&registry).unwrap(),
    );
    let (sync, users) = tenon_sync::Service::new(
        tenon_sync::Options::new(LAYOUT, 7),
        tenon_sync::Metrics::new(&registry).unwrap(),
    );
    let recovered = sync
        .recover(tenon_sync::Doors {
            log: Arc::clone(&log) as _,
            store: store.clone(),
            recent: Arc::new(conversations.clone()),
            stop: stopped.clone(),
        })
        .await
        .unwrap();
    let mut options = tenon_receiver::Options::new(LAYOUT, 7, plan.org);
    options.rates = plan.rates;
    options.queue_mode_max = QUEUE_MODE_MAX;
    options.pull_mode_min = 1;
    let doors = tenon_receiver::Doors {
        log: Arc::clone(&log) as _,
        store: store.clone(),
        conversations: Arc::new(conversations.clone()),
        users: Arc::new(users.clone()),
        clock: Arc::clone(&plan.clock),
        random: Arc::new(SeededRandom::new(plan.org.0)),
        stop: stopped.clone(),
    };
    let keys = Keys::generate(&SeededRandom::new(plan.key_seed), Timestamp(1));
    let metrics = tenon_receiver::Metrics::new(&registry).unwrap();
    let (service, receiver) = Service::recover(options, doors, keys, metrics).await.unwrap();
    let mut options = GatewayOptions::new(([127, 0, 0, 1], 0).into());
    options.multicast_window = std::time::Duration::from_millis(5);
    let doors = Doors {
        admission: Arc::new(receiver.clone()),
        accounts: Arc::new(receiver.clone()),
        supervision: Arc::new(receiver.clone()),
        users: Arc::new(users),
        conversations: Arc::new(conversations),
        clock: plan.clock,
    };
    let (gateway, multicast) = Gateway::new(options, doors, Metrics::new(&registry).unwrap());
    let doors =
        tenon_processor::handle::Doors { log: log as _, store, multicast, stop: stopped.clone() };
    for running in processor.recover(doors, &recovered.resume).await.unwrap() {
        tokio::spawn(async move { running.await.unwrap() });
    }
    for running in recovered.run() {
        tokio::spawn(async move { running.await.unwrap() });
    }
    let parts = service.run();
    for running in parts.loops.into_iter().chain(parts.readers) {
        tokio::spawn(async move { running.await.unwrap() });
    }
    std::thread::spawn(move || parts.logins.run());
    let listening = gateway.listen().await.unwrap();
    let address = listening.address();
    tokio::spawn(listening.serve(stopped, axum::Router::new()));
    House { address, admin: Admin::new(receiver), _stop: stop }
}

impl House {
    pub(crate) async fn users(&self, names: &[&str]) -> Vec<UserId> {
        let new: Vec<_> = names
            .iter()
            .map(|name| NewUser { name: (*name).into(), display: String::new() })
            .collect();
        self.admin.add_users(&new).await.unwrap().into_iter().map(|(user, _)| user).collect()
    }

    /// A new device: a fresh epoch and a rebase that is answered by a subscribe.
    pub(crate) async fn device(&self, name: &str, label: &str) -> Device {
        let credential = self.admin.mint(name, label).await.unwrap();
        let hello = v1::Hello {
            device_epoch: 0,
            renew_device_epoch: true,
            auth: Some(v1::hello::Auth::Credential(credential.clone().into())),
            ..hello(0, 0, 1, None)
        };
        let mut peer = Peer::connect(self.address, &hello).await;
        let ClientEvent::Rebase(rebase) = peer.next().await else { panic!("no rebase") };
        peer.subscribe(rebase.tip_pts);
        peer.flush().await;
        let epoch = peer.welcome.device_epoch;
        Device { peer, credential, epoch, pts: rebase.tip_pts, conn_ctr: 1 }
    }
}

pub(crate) struct Device {
    pub(crate) peer: Peer,
    pub(crate) credential: String,
    pub(crate) epoch: u32,
    pts: u64,
    pub(crate) conn_ctr: u64,
}

impl Device {
    /// The next event of this type; all before it are stored and acked.
    async fn event(&mut self, wanted: u32) -> v1::SyncEvent {
        loop {
            let ClientEvent::EventBatch(batch) = self.peer.next().await else { continue };
            assert_eq!(batch.from_pts, self.pts, "contiguous");
            self.pts = batch.to_pts;
            self.peer.ack(self.pts);
            self.peer.flush().await;
            if let Some(event) = batch.events.into_iter().find(|e| e.r#type == wanted) {
                return event;
            }
        }
    }

    async fn send(&mut self, conv: u64, cid: u64, words: &str) -> v1::SendAck {
        let send = v1::Send { device_epoch: self.epoch, ..text(conv, cid, words) };
        self.peer.session.send_message(&send);
        loop {
            if let ClientEvent::SendAck(_, ack) = self.answer().await {
                return ack;
            }
        }
    }

    async fn op(&mut self, n: u64, number: u32, body: bytes::Bytes) -> v1::OpAck {
        let device_epoch = self.epoch;
        let op = v1::Op { conv: 0, device_epoch, n, r#type: number, body, flags: 0 };
        self.peer.session.send_op(&op);
        loop {
            if let ClientEvent::OpAck(_, ack) = self.answer().await {
                return ack;
            }
        }
    }

    /// What comes next; batches in between are stored and acked.
    pub(crate) async fn answer(&mut self) -> ClientEvent {
        let event = self.peer.next().await;
        if let ClientEvent::EventBatch(batch) = &event {
            assert_eq!(batch.from_pts, self.pts, "contiguous");
            self.pts = batch.to_pts;
            self.peer.ack(self.pts);
        }
        event
    }

    async fn reconnect(&mut self, house: &House) {
        self.conn_ctr += 1;
        let cursor = v1::Cursor { unit: 1, queue_epoch: self.peer.queue_epoch(), pts: self.pts };
        let hello = v1::Hello {
            device_epoch: self.epoch,
            cursors: vec![cursor],
            auth: Some(v1::hello::Auth::Credential(self.credential.clone().into())),
            ..hello(0, 0, self.conn_ctr, None)
        };
        self.peer = Peer::connect(house.address, &hello).await;
        assert_eq!(self.peer.welcome.units[0].action(), v1::UnitAction::Continue);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_talk_through_the_whole_house() {
    let house = house().await;
    let users = house.users(&["ada", "bob"]).await;
    let (mut ada, mut bob) =
        (house.device("ada", "phone").await, house.device("bob", "phone").await);
    let body = encode(&v1::OpenDirect { user: users[1].0 });
    let ack = ada.op(1, op_type::OPEN_DIRECT, body.clone()).await;
    assert_eq!(ack.status(), Status::Accepted);
    let conv = ack.id;
    let again = ada.op(1, op_type::OPEN_DIRECT, body).await;
    assert_eq!((again.status(), again.id), (Status::Duplicate, conv));

    let added = bob.event(event_type::CONVERSATION_ADDED).await;
    let added = v1::ConversationAdded::decode(added.body).unwrap().item.unwrap();
    assert_eq!((added.conv, added.meta.unwrap().peer), (conv, users[0].0));

    let first = ada.send(conv, 1, "hello").await;
    assert_eq!((first.status(), first.seq), (Status::Ok, 1));
    let told = bob.event(event_type::MESSAGE).await;
    assert_eq!((told.conv, told.seq, told.rev, told.sender), (conv, 1, first.rev, users[0].0));
    assert_eq!((told.cid, told.device), (0, 0));
    assert_eq!(told.body, text(conv, 1, "hello").body);

    // Bob is away, misses two, comes back and goes on from his cursor.
    for (cid, words) in [(2, "are you there?"), (3, "hm")] {
        assert_eq!(ada.send(conv, cid, words).await.seq, cid);
    }
    bob.reconnect(&house).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&3) {
        let ClientEvent::EventBatch(batch) = bob.answer().await else { continue };
        seen.extend(batch.events.iter().filter(|e| e.r#type == event_type::MESSAGE).map(|e| e.seq));
    }
    assert_eq!(seen, [2, 3], "each once");

    // A third device of his has a list and a history.
    let mut web = house.device("bob", "web").await;
    let page = web.peer.ask(method::GET_CONV_LIST, bytes::Bytes::new()).await.unwrap();
    let page = v1::ConvListPage::decode(page).unwrap();
    let line = &page.items[0];
    assert_eq!((line.conv, line.tip_seq, line.unread), (conv, 3, 3));
    assert_eq!(line.last.as_ref().unwrap().body, text(conv, 3, "hm").body);
    let get = v1::GetHistory { conv, ..v1::GetHistory::default() };
    let page = web.peer.ask(method::GET_HISTORY, encode(&get)).await.unwrap();
    let page = v1::HistoryPage::decode(page).unwrap();
    assert_eq!(page.normal.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3]);

    // What he reads on one device is read on the other.
    let mark = v1::ReadMark { conv, up_to_seq: 3, ..v1::ReadMark::default() };
    web.peer.session.send_read_marks(&v1::ReadMarks { marks: vec![mark] });
    web.peer.flush().await;
    let read = bob.event(event_type::READ_MARKED).await;
    let read = v1::ReadMarked::decode(read.body).unwrap().read.unwrap();
    assert_eq!((read.read_seq, read.read_cnt), (3, 3));
    let receipt = ada.event(event_type::RECEIPT).await;
    let receipt = v1::Receipt::decode(receipt.body).unwrap();
    assert_eq!((receipt.user, receipt.read_seq), (users[1].0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_is_heard_by_tips_and_pushes() {
    let house = house().await;
    let users = house.users(&["ada", "bob", "cyd", "eve"]).await;
    let mut ada = house.device("ada", "phone").await;
    let meta = v1::ConvMeta { title: "all hands".into(), ..v1::ConvMeta::default() };
    let members = users[1..3].iter().map(|u| u.0).collect();
    let create = v1::CreateConversation { meta: Some(meta), members, join_policy: 0 };
    let ack = ada.op(1, op_type::CREATE_CONVERSATION, encode(&create)).await;
    assert_eq!(ack.status(), Status::Accepted);
    let conv = ack.id;
    assert_eq!(ada.send(conv, 1, "one").await.status(), Status::Ok);

    let (mut bob, mut cyd) =
        (house.device("bob", "phone").await, house.device("cyd", "phone").await);
    assert_eq!(bob.peer.welcome.tips[0].conv, conv, "it is in pull mode");
    let since = bob.peer.welcome.tips[0].rev;
    bob.peer.session.send_watch(&v1::Watch { open: vec![conv], ..v1::Watch::default() });
    bob.peer.session.ping(&v1::Ping { n: 1, next_s: 30, ack: None }, tenon_base::Deadline(0));
    let event = bob.peer.next().await;
    assert!(matches!(event, ClientEvent::Pong(_)), "{event:?}");

    let ack = ada.send(conv, 2, "two").await;
    let ClientEvent::ConvPush(push) = bob.peer.next().await else { panic!("no push") };
    assert_eq!((push.from_rev, push.to_rev, push.tip_seq), (since, ack.rev, 2));
    assert_eq!(push.events[0].body, text(conv, 2, "two").body);
    assert_eq!((push.events[0].cid, push.events[0].device), (0, 0));
    let ClientEvent::ConvTips(tips) = cyd.peer.next().await else { panic!("no tips") };
    assert_eq!((tips.tips[0].conv, tips.tips[0].rev), (conv, ack.rev));

    let get = v1::GetConvDiff { conv, since_rev: since, ..v1::GetConvDiff::default() };
    let diff = cyd.peer.ask(method::GET_CONV_DIFF, encode(&get)).await.unwrap();
    let Some(v1::conv_diff_answer::What::Diff(diff)) =
        v1::ConvDiffAnswer::decode(diff).unwrap().what
    else {
        panic!("no diff")
    };
    assert_eq!((diff.from_rev, diff.to_rev, diff.events.len()), (since, ack.rev, 1));
    let mut eve = house.device("eve", "phone").await;
    assert_eq!(eve.peer.ask(method::GET_CONV_DIFF, encode(&get)).await, Err(6001));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_device_is_out_at_once() {
    let house = house().await;
    house.users(&["ada"]).await;
    let (mut ada, mut other) =
        (house.device("ada", "phone").await, house.device("ada", "desk").await);
    let page = ada.peer.ask(
        method::GET_COLLECTION,
        encode(&v1::GetCollection {
            collection: v1::Collection::Devices.into(),
            ..v1::GetCollection::default()
        }),
    );
    let page = v1::CollectionPage::decode(page.await.unwrap()).unwrap();
    assert_eq!(page.items.len(), 2);
    let own = other.credential[4..20].to_owned();
    let device = u64::from_str_radix(&own, 16).unwrap();
    let ack = ada.op(1, op_type::REMOVE_DEVICE, encode(&v1::RemoveDevice { device })).await;
    assert_eq!(ack.status(), Status::Ok);
    let end = other.peer.end().await;
    assert_eq!((end.reason, end.code), (5, 4005));
    other.conn_ctr += 1;
    let hello = v1::Hello {
        device_epoch: other.epoch,
        auth: Some(v1::hello::Auth::Credential(other.credential.clone().into())),
        ..hello(0, 0, other.conn_ctr, None)
    };
    let end = Peer::try_connect(house.address, &hello).await.err().unwrap();
    assert!((4000..5000).contains(&end.code), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_follow_each_other_under_one_counter() {
    let house = house().await;
    house.users(&["ada"]).await;
    let mut ada = house.device("ada", "phone").await;
    let cursor = v1::Cursor { unit: 1, queue_epoch: ada.peer.queue_epoch(), pts: ada.pts };
    ada.conn_ctr += 1;
    let numbered = |number| v1::Hello {
        exchange: number,
        device_epoch: ada.epoch,
        cursors: vec![cursor],
        auth: Some(v1::hello::Auth::Credential(ada.credential.clone().into())),
        ..hello(0, 0, ada.conn_ctr, None)
    };
    for number in [1, 2, 2, 3] {
        let events = exchange(house.address, numbered(number), &[]).await;
        let ClientEvent::HelloAck(ack) = &events[0] else { panic!("{events:?}") };
        assert_eq!(ack.units[0].action(), v1::UnitAction::Continue);
    }
    let events = exchange(house.address, numbered(2), &[]).await;
    assert!(matches!(&events[0], ClientEvent::Ended(end) if end.code == 5003), "{events:?}");
}
