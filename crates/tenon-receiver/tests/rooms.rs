//! Receiver, processor and sync over doors in memory: who may do what, and what he then sees.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus::Registry;
use tenon_base::{
    Cid, ConnCtr, ConversationId, DeviceEpoch, DeviceId, ManualClock, OpSeq, OrgId, Rev,
    SeededRandom, Seq, Timestamp, UserId,
};
use tenon_core::admission::{
    Admission, Admitted, Answer, Auth, Diff, DiffWant, HelloRequest, Login, Op, OpAnswer, Read,
    Refusal, Submit, SubmitOp,
};
use tenon_core::conversation::Outcome;
use tenon_core::event::Tip;
use tenon_core::handover::{Multicast, Reply, UserOutcome};
use tenon_core::{Author, Event, ImportEntry, ImportItem, Layout, Rejection, SendMessage};
use tenon_ports::memory::{MemoryKv, MemoryLog};
use tenon_receiver::admin::{AdminError, ImportedConversation, NewUser};
use tenon_receiver::{Admin, Doors, Keys, Metrics, Options, RateLimits, ReceiverHandle, Service};
use tenon_store::{Store, StoreOptions};
use tokio::sync::{oneshot, watch};

#[path = "rooms/accounts.rs"]
mod accounts;
#[path = "rooms/links.rs"]
mod links;
#[path = "rooms/supervision.rs"]
mod supervision;

const ORG: OrgId = OrgId(1);
const LAYOUT: Layout = Layout { conversations: 2, users: 2 };

struct NoMulticast;

impl Multicast for NoMulticast {
    fn tip(&self, _: OrgId, _: Tip, _: u64, _: Option<&Arc<Event>>) {}
}

struct House {
    receiver: ReceiverHandle,
    admin: Admin,
    clock: Arc<ManualClock>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

fn reply<T: Send + 'static>() -> (Reply<T>, oneshot::Receiver<Option<T>>) {
    let (sender, receiver) = oneshot::channel();
    (Reply::new(move |value| drop(sender.send(value))), receiver)
}

async fn get<T>(answer: oneshot::Receiver<Option<T>>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), answer).await;
    waited.expect("an answer in time").unwrap().expect("an answer")
}

impl House {
    async fn open(log: &Arc<MemoryLog>, kv: &Arc<MemoryKv>, keys: &Keys, producer: u64) -> Self {
        let registry = Registry::new();
        let (stop, stopped) = watch::channel(false);
        let store = Store::open(Arc::clone(kv) as _, Arc::clone(log) as _, StoreOptions::default())
            .unwrap();
        let (processor, conversations) = tenon_processor::Service::new(
            tenon_processor::Options::new(LAYOUT, producer),
            tenon_processor::Metrics::new(&registry).unwrap(),
        );
        let (sync, users) = tenon_sync::Service::new(
            tenon_sync::Options::new(LAYOUT, producer),
            tenon_sync::Metrics::new(&registry).unwrap(),
        );
        let recovered = sync
            .recover(tenon_sync::Doors {
                log: Arc::clone(log) as _,
                store: store.clone(),
                recent: Arc::new(conversations.clone()),
                stop: stopped.clone(),
            })
            .await
            .unwrap();
        let doors = tenon_processor::handle::Doors {
            log: Arc::clone(log) as _,
            store: store.clone(),
            multicast: Arc::new(NoMulticast),
            stop: stopped.clone(),
        };
        let loops = processor.recover(doors, &recovered.resume).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let mut options = Options::new(LAYOUT, producer, ORG);
        options.rates = RateLimits::START;
        let (service, receiver) = Service::recover(
            options,
            Doors {
                log: Arc::clone(log) as _,
                store,
                conversations: Arc::new(conversations),
                users: Arc::new(users),
                clock: Arc::clone(&clock) as _,
                random: Arc::new(SeededRandom::new(producer)),
                stop: stopped,
            },
            keys.clone(),
            Metrics::new(&registry).unwrap(),
        )
        .await
        .unwrap();
        let mut tasks = Vec::new();
        for running in recovered.run() {
            tasks.push(tokio::spawn(async move { running.await.unwrap() }));
        }
        for running in loops {
            tasks.push(tokio::spawn(async move { running.await.unwrap() }));
        }
        let parts = service.run();
        for running in parts.loops.into_iter().chain(parts.readers) {
            tasks.push(tokio::spawn(async move { running.await.unwrap() }));
        }
        std::thread::spawn(move || parts.logins.run());
        let admin = Admin::new(receiver.clone());
        Self { receiver, admin, clock, stop, tasks }
    }

    async fn close(self) {
        self.stop.send(true).unwrap();
        for task in self.tasks {
            task.await.unwrap();
        }
    }

    async fn users(&self, names: &[&str]) -> Vec<UserId> {
        let new: Vec<NewUser> =
            names.iter().map(|n| NewUser { name: (*n).into(), display: String::new() }).collect();
        self.admin.add_users(&new).await.unwrap().into_iter().map(|(user, _)| user).collect()
    }

    async fn hello(&self, hello: HelloRequest) -> Result<Admitted, Refusal> {
        let (reply, answer) = reply();
        self.receiver.hello(hello, reply);
        get(answer).await
    }

    /// A device of `name`, signed in with a fresh epoch.
    async fn device(&self, name: &str, label: &str) -> Author {
        let credential = self.admin.mint(name, label).await.unwrap();
        self.hello(fresh(&credential)).await.unwrap().author
    }

    async fn send(&self, author: Author, conv: ConversationId, cid: u64, body: &str) -> Outcome {
        let message = SendMessage {
            kind: 1,
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..SendMessage::default()
        };
        let submit = Submit { author, conv, cid: Cid(cid), is_void: false, is_bad: false, message };
        let (reply, answer) = reply();
        self.receiver.submit(submit, reply);
        get(answer).await
    }

    async fn op(&self, author: Author, conv: ConversationId, n: u64, op: Op) -> OpAnswer {
        self.any_op((author, conv, n), op, false).await
    }

    async fn any_op(
        &self,
        (author, conv, n): (Author, ConversationId, u64),
        op: Op,
        is_void: bool,
    ) -> OpAnswer {
        let raw = Bytes::from(format!("{op:?}"));
        let (reply, answer) = reply();
        let submit = SubmitOp { author, conv, n, is_void, type_number: 1, raw, op: Some(op) };
        self.receiver.submit_op(submit, reply);
        get(answer).await
    }

    async fn user_op(&self, author: Author, n: u64, op: Op) -> UserOutcome {
        match self.op(author, ConversationId(0), n, op).await {
            OpAnswer::User(outcome) => outcome,
            OpAnswer::Conversation(_) => panic!("an op of the user chain"),
        }
    }

    async fn void(&self, author: Author, n: u64, op: Op) -> UserOutcome {
        match self.any_op((author, ConversationId(0), n), op, true).await {
            OpAnswer::User(outcome) => outcome,
            OpAnswer::Conversation(_) => panic!("an op of the user chain"),
        }
    }

    async fn read(&self, author: Author, read: Read) -> Result<Answer, Refusal> {
        let (reply, answer) = reply();
        self.receiver.read(author, read, reply);
        get(answer).await
    }

    async fn history(&self, author: Author, conv: ConversationId) -> Result<Vec<String>, u32> {
        let read = Read::History {
            conv,
            above: Seq(0),
            below: Seq(0),
            limit: 100,
            upward: true,
            min_rev: Rev(0),
        };
        match self.read(author, read).await {
            Ok(Answer::History(page)) => {
                assert!(page.is_stable);
                Ok(page.rows.iter().map(|m| String::from_utf8(m.body.to_vec()).unwrap()).collect())
            }
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.code),
        }
    }
}

fn fresh(credential: &str) -> HelloRequest {
    HelloRequest {
        auth: Auth::Credential(Bytes::copy_from_slice(credential.as_bytes())),
        device: DeviceId(0),
        device_epoch: DeviceEpoch(0),
        conn_ctr: ConnCtr(1),
        exchange: 0,
        renew_device_epoch: true,
        proof: Bytes::new(),
        binding: [0; 32],
    }
}

fn keys() -> Keys {
    Keys::generate(&SeededRandom::new(99), Timestamp(1))
}

async fn house() -> House {
    House::open(&Arc::new(MemoryLog::new()), &Arc::new(MemoryKv::new()), &keys(), 7).await
}

const fn made(outcome: UserOutcome) -> ConversationId {
    match outcome {
        UserOutcome::Ok { id } => ConversationId(id),
        _ => ConversationId(0),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_talk_and_a_third_learns_nothing() {
    let house = house().await;
    let users = house.users(&["ada", "bob", "eve"]).await;
    let (ada, bob, eve) = (
        house.device("ada", "phone").await,
        house.device("bob", "desk").await,
        house.device("eve", "web").await,
    );
    let conv = made(house.user_op(ada, 1, Op::OpenDirect(users[1])).await);
    assert!(conv.is_some());
    assert_eq!(made(house.user_op(bob, 1, Op::OpenDirect(users[0])).await), conv, "one pair, one");
    assert!(matches!(house.send(ada, conv, 1, "hello").await, Outcome::Ok(a) if a.seq == Seq(1)));
    assert!(matches!(house.send(bob, conv, 1, "hi").await, Outcome::Ok(a) if a.seq == Seq(2)));
    assert!(matches!(house.send(ada, conv, 1, "hello").await, Outcome::Duplicate(_)));
    assert_eq!(house.send(ada, conv, 1, "other").await, Outcome::CidReused);
    assert_eq!(house.send(ada, conv, 3, "late").await, Outcome::Gap { expect: Cid(2) });
    assert_eq!(house.history(bob, conv).await.unwrap(), ["hello", "hi"]);

    assert_eq!(house.send(eve, conv, 1, "psst").await, Outcome::Absent);
    assert_eq!(house.history(eve, conv).await, Err(6001));
    assert_eq!(house.history(eve, ConversationId(12345)).await, Err(6001), "the same for nothing");
    let diffs = Read::Diffs(vec![DiffWant {
        conv,
        conv_epoch: tenon_base::ConvEpoch(0),
        since: Rev(0),
        limit: 0,
    }]);
    match house.read(eve, diffs).await.unwrap() {
        Answer::Diffs(answers) => assert!(matches!(answers[..], [Diff::Absent { .. }])),
        other => panic!("{other:?}"),
    }
    let roster = Read::Roster { conv, since: Rev(0), after: UserId(0), limit: 0 };
    assert_eq!(house.read(eve, roster).await.err().map(|r| r.code), Some(6001));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_paged_newest_first_and_its_token_is_bound_to_the_reader() {
    let house = house().await;
    house.users(&["ada", "bob"]).await;
    let (ada, bob) = (house.device("ada", "a").await, house.device("bob", "b").await);
    let mut convs = Vec::new();
    for n in 1..=5u64 {
        let op = Op::CreateGroup {
            title: format!("group {n}"),
            members: Vec::new(),
            history_visible: true,
        };
        convs.push(made(house.user_op(ada, n, op).await));
    }
    for conv in [convs[2], convs[0]] {
        house.clock.advance(Duration::from_secs(1));
        assert!(matches!(house.send(ada, conv, 1, "x").await, Outcome::Ok(_)));
    }
    let list = |token| Read::List { token, limit: 2, unread_only: false };
    // A list line moves when the fan-out arrives, which nobody waits for.
    let mut first = Vec::new();
    for _ in 0..500 {
        let Answer::List(page) = house.read(ada, list(Bytes::new())).await.unwrap() else {
            panic!("a list");
        };
        first = page.items.iter().map(|i| i.item.tip.conv).collect();
        if first == [convs[0], convs[2]] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(first, [convs[0], convs[2]]);
    let mut seen = Vec::new();
    let mut token = Bytes::new();
    loop {
        let Answer::List(page) = house.read(ada, list(token.clone())).await.unwrap() else {
            panic!("a list");
        };
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|i| i.item.tip.conv));
        if page.next.is_empty() {
            break;
        }
        let foreign = house.read(bob, list(page.next.clone())).await;
        assert_eq!(foreign.err().map(|r| r.code), Some(5002));
        token = page.next;
    }
    let mut all = seen.clone();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5, "every conversation once: {seen:?}");
    let garbage = house.read(ada, list(Bytes::from_static(b"garbage"))).await;
    assert_eq!(garbage.err().map(|r| r.code), Some(5005));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_device_and_its_account() {
    let house = house().await;
    house.users(&["ada"]).await;
    let credential = house.admin.mint("ada", "phone").await.unwrap();
    let admitted = house.hello(fresh(&credential)).await.unwrap();
    let epoch = admitted.author.device_epoch;
    let with = |auth, proof: Bytes| HelloRequest {
        auth,
        device: admitted.author.device,
        device_epoch: epoch,
        conn_ctr: ConnCtr(2),
        exchange: 0,
        renew_device_epoch: false,
        proof,
        binding: [0; 32],
    };
    let bare = house.hello(with(Auth::Resume(admitted.resume.clone()), Bytes::new())).await;
    assert_eq!(bare.err().map(|r| r.code), Some(4003), "a resume ticket alone is worth nothing");
    let as_ticket = house.hello(with(Auth::Ticket(admitted.resume.clone()), Bytes::new())).await;
    assert_eq!(as_ticket.err().map(|r| r.code), Some(4002));

    // The same label again: a new secret for the same device, and the old one is out.
    let second = house.admin.mint("ada", "phone").await.unwrap();
    assert_eq!(credential[..20], second[..20], "the same device");
    assert_eq!(house.hello(fresh(&credential)).await.err().map(|r| r.code), Some(4002));
    let author = house.hello(fresh(&second)).await.unwrap().author;

    let removed = house.user_op(author, 1, Op::RemoveDevice(author.device)).await;
    assert!(
        matches!(removed, UserOutcome::DeviceEpochStale | UserOutcome::Ok { .. }),
        "{removed:?}"
    );
    assert!(house.hello(fresh(&second)).await.is_err());

    let third = house.admin.mint("ada", "desk").await.unwrap();
    house.admin.set_disabled("ada", true).await.unwrap();
    assert_eq!(house.hello(fresh(&third)).await.err().map(|r| r.code), Some(4007));
    assert_eq!(house.admin.mint("ada", "web").await, Err(AdminError::Disabled("ada".into())));
    house.admin.set_disabled("ada", false).await.unwrap();
    assert!(house.hello(fresh(&third)).await.is_ok());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_opens_a_device_and_guessing_is_throttled() {
    let house = house().await;
    house.users(&["ada"]).await;
    let weak = house.admin.set_password("ada", "12345678".to_owned().into()).await;
    assert!(matches!(weak, Err(AdminError::Password(_))));
    house.admin.set_password("ada", "correct horse".to_owned().into()).await.unwrap();
    let login = |name: &str, password: &str| {
        let (reply, answer) = reply();
        let login = Login {
            name: name.into(),
            password: password.into(),
            label: "browser".into(),
            device_kind: 4,
            address: None,
        };
        assert!(!format!("{login:?}").contains("horse"), "no secret in a log");
        house.receiver.login(login, reply);
        get(answer)
    };
    let ok = login("ADA", "correct horse").await.unwrap();
    assert!(ok.secret.starts_with("tnd_"));
    assert!(house.hello(fresh(&ok.secret)).await.is_ok());
    assert_eq!(login("ada", "wrong").await.err().map(|r| r.code), Some(4002));
    assert_eq!(login("nobody", "wrong").await.err().map(|r| r.code), Some(4002));
    let mut codes = Vec::new();
    for _ in 0..12 {
        codes.extend(login("ada", "wrong").await.err().map(|r| r.code));
    }
    assert!(codes.contains(&2007), "{codes:?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_move_forward_and_unread_falls() {
    let house = house().await;
    let users = house.users(&["ada", "bob"]).await;
    let (ada, bob) = (house.device("ada", "a").await, house.device("bob", "b").await);
    let conv = made(house.user_op(ada, 1, Op::OpenDirect(users[1])).await);
    for cid in 1..=5 {
        assert!(matches!(house.send(ada, conv, cid, "x").await, Outcome::Ok(_)));
    }
    let items = Read::Items { convs: vec![conv, ConversationId(77)], tips_only: false };
    let Answer::Items { items: lines, absent, .. } = house.read(bob, items.clone()).await.unwrap()
    else {
        panic!("items");
    };
    assert_eq!((lines[0].item.unread, absent), (5, vec![ConversationId(77)]));
    assert_eq!(lines[0].item.last.as_ref().map(|m| m.seq), Some(Seq(5)));
    for up_to in [3, 99, 1] {
        let (reply, answer) = reply();
        let marks = vec![(conv, Seq(up_to)), (ConversationId(77), Seq(1))];
        house.receiver.mark_read(bob, marks, reply);
        let marked = get(answer).await;
        assert_eq!((marked.done.len(), marked.retry.len()), (2, 0));
    }
    let Answer::Items { items: lines, .. } = house.read(bob, items).await.unwrap() else {
        panic!("items");
    };
    assert_eq!((lines[0].item.unread, lines[0].item.read.seq), (0, Seq(5)));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_by_name_members_with_their_times_and_an_archive() {
    let (log, kv, keys) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()), keys());
    let house = House::open(&log, &kv, &keys, 7).await;
    let users = house.users(&["ada", "bob", "eve"]).await;
    let names = |n: &[&str]| n.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let conv = house.admin.create_group("ops", &names(&["ada", "bob"])).await.unwrap();
    let again = house.admin.create_group("ops", &names(&["eve"])).await;
    assert_eq!(again, Err(AdminError::Taken("ops".into())));
    let nobody = house.admin.create_group("new", &names(&["nobody"])).await;
    assert_eq!(nobody, Err(AdminError::NoUser("nobody".into())));
    house.admin.add_members("ops", &names(&["eve"])).await.unwrap();
    house.admin.remove_members("ops", &names(&["bob"])).await.unwrap();
    let stories = house.admin.members("ops").await.unwrap();
    let inside = |user: UserId| stories.iter().any(|s| s.line.user == user && !s.line.gone);
    assert!(inside(users[0]) && !inside(users[1]) && inside(users[2]));

    let archive = house
        .admin
        .ensure_imported(&ImportedConversation::Group {
            conv: ConversationId(4242),
            name: "archive".into(),
            created: Timestamp(1_500_000_000_000),
        })
        .await
        .unwrap();
    let entries: Vec<ImportEntry> = (1..=50u64)
        .map(|n| ImportEntry {
            key: u128::from(n).to_le_bytes(),
            time: Timestamp(1_500_000_000_000 + n * 1000),
            user: users[0],
            item: ImportItem::Message {
                kind: 1,
                body: Bytes::from(format!("old {n}")),
                root: None,
                message_id: tenon_base::MessageId(n),
                edited: Timestamp(0),
            },
        })
        .collect();
    let first = house.admin.import(archive, entries.clone()).await.unwrap();
    assert_eq!((first.added, first.known, first.refused), (50, 0, 0));
    let second = house.admin.import(archive, entries).await.unwrap();
    assert_eq!((second.added, second.known), (0, 50));
    house.close().await;

    // Another life of the process: everything is still there, and known.
    let house = House::open(&log, &kv, &keys, 8).await;
    assert_eq!(house.admin.group("ops"), Ok(conv));
    assert_eq!(house.admin.users("", 10).len(), 3);
    let ada = house.device("ada", "phone").await;
    assert_eq!(house.history(ada, archive).await.unwrap().len(), 50);
    let at = Read::SeqAtTime { conv: archive, time: Timestamp(1_500_000_010_500) };
    assert!(matches!(house.read(ada, at).await, Ok(Answer::Seq(Seq(11)))));
    let resolve = Read::Resolve {
        users: names(&["BOB", "nobody"]),
        groups: names(&["ops", "archive", "none"]),
    };
    let Answer::Resolved { users: people, groups } = house.read(ada, resolve).await.unwrap() else {
        panic!("names");
    };
    assert_eq!((people[0].1, people[1].1), (users[1], UserId(0)));
    assert_eq!((groups[0].1, groups[1].1, groups[2].1), (conv, archive, ConversationId(0)));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_good_consumes_its_number() {
    let house = house().await;
    let users = house.users(&["ada", "bob"]).await;
    let ada = house.device("ada", "a").await;
    let refused = house.user_op(ada, 1, Op::OpenDirect(UserId(424_242))).await;
    assert_eq!(refused, UserOutcome::Rejected(Rejection::TargetUnknown));
    let conv = made(house.user_op(ada, 2, Op::OpenDirect(users[1])).await);
    let big = "x".repeat(40_000);
    assert_eq!(house.send(ada, conv, 1, &big).await, Outcome::Rejected(Rejection::TooLarge));
    assert!(matches!(house.send(ada, conv, 2, "small").await, Outcome::Ok(_)));
    let strangers = Op::AddMembers(vec![UserId(1)]);
    match house.op(ada, conv, 3, strangers).await {
        OpAnswer::Conversation(Outcome::Rejected(Rejection::TargetUnknown)) => {}
        other => panic!("{other:?}"),
    }
    house.close().await;
}

/// A group whose making was not noted on the chain is found when the op is cancelled; one that was not made is cancelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_stands_is_the_outcome_of_its_cancelling() {
    let house = house().await;
    house.users(&["ada"]).await;
    let ada = house.device("ada", "a").await;
    let group =
        || Op::CreateGroup { title: "one".into(), members: Vec::new(), history_visible: true };
    // The conversation is made before the chain is asked, and the chain waits for another number.
    let gap = house.user_op(ada, 2, group()).await;
    assert_eq!(gap, UserOutcome::Gap { expect: OpSeq(1) });
    let cancelled = UserOutcome::Rejected(Rejection::Cancelled);
    assert_eq!(house.void(ada, 1, group()).await, cancelled);
    let conv = made(house.void(ada, 2, group()).await);
    assert!(matches!(house.send(ada, conv, 1, "hi").await, Outcome::Ok(_)));
    assert_eq!(house.void(ada, 3, Op::OpenDirect(UserId(9))).await, cancelled);
    house.close().await;
}

/// Ops of one device that are handed over without waiting are decided in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_ops_keep_their_order() {
    let house = house().await;
    house.users(&["ada"]).await;
    let ada = house.device("ada", "a").await;
    let mut waiting = Vec::new();
    for n in 1..=32u64 {
        let op = match n % 3 {
            0 => Op::OpenDirect(UserId(n)),
            _ => Op::CreateGroup {
                title: format!("group {n}"),
                members: Vec::new(),
                history_visible: true,
            },
        };
        let (reply, answer) = reply();
        let submit = SubmitOp {
            author: ada,
            conv: ConversationId(0),
            n,
            is_void: false,
            type_number: 1,
            raw: Bytes::from(n.to_string()),
            op: Some(op),
        };
        house.receiver.submit_op(submit, reply);
        waiting.push(answer);
    }
    for (n, answer) in (1..).zip(waiting) {
        match (n % 3, get(answer).await) {
            (0, OpAnswer::User(UserOutcome::Rejected(Rejection::TargetUnknown)))
            | (1 | 2, OpAnswer::User(UserOutcome::Ok { .. })) => {}
            (_, other) => panic!("op {n}: {other:?}"),
        }
    }
    house.close().await;
}
