//! Processor, sync and store over doors in memory: what was admitted is ordered, told and still there after a crash.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "test helpers"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use prometheus::Registry;
use tenon_base::{
    Cid, ConnCtr, ConversationId, DeviceEpoch, DeviceId, MessageId, OpSeq, OrgId, Pts, QueueEpoch,
    Seq, Timestamp, UserId,
};
use tenon_core::command::CreateConversation;
use tenon_core::conversation::{Accepted, Fate, Outcome};
use tenon_core::event::Tip;
use tenon_core::handover::{
    Attach, Attached, ConversationAnswer, ConversationQuestion, Conversations, Delivery,
    DeviceLink, Handover, LinkKey, Multicast, Reply, Told, UserOutcome, Users,
};
use tenon_core::{
    Action, Author, Command, Event, EventBody, Kind, Layout, SendMessage, UserAction, UserCommand,
};
use tenon_ports::log::kind;
use tenon_ports::memory::{MemoryKv, MemoryLog};
use tenon_ports::{Append, Durability, Log};
use tenon_store::{Store, StoreOptions, record};
use tokio::sync::{oneshot, watch};

const ORG: OrgId = OrgId(1);
const LAYOUT: Layout = Layout { conversations: 2, users: 2 };

struct NoMulticast;

impl Multicast for NoMulticast {
    fn tip(&self, _: OrgId, _: Tip, _: u64, _: Option<&Arc<Event>>) {}
}

/// A connection that notes what it is told.
#[derive(Default)]
struct Ear(Mutex<Vec<Delivery>>);

impl DeviceLink for Ear {
    fn deliver(&self, delivery: Delivery) -> Handover {
        self.0.lock().unwrap().push(delivery);
        Handover::Accepted
    }
}

impl Ear {
    /// Checks coverage and gives (seq, body) of the messages heard.
    fn messages(&self, mut at: Pts) -> Vec<(u64, Bytes)> {
        let mut heard = Vec::new();
        for delivery in self.0.lock().unwrap().iter() {
            let Delivery::Batch(batch) = delivery else { continue };
            assert_eq!(batch.from, at, "batches are contiguous");
            at = batch.to;
            for entry in &batch.entries {
                if let Told::Event(event) = &entry.told
                    && let EventBody::Message(message) = &event.body
                {
                    heard.push((message.seq.0, message.body.clone()));
                }
            }
        }
        heard
    }
}

/// The rooms of one process life.
struct House {
    log: Arc<MemoryLog>,
    store: Store,
    conversations: Arc<dyn Conversations>,
    users: Arc<dyn Users>,
    stop: watch::Sender<bool>,
    producer: u64,
    next: AtomicU64,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl House {
    async fn open(log: &Arc<MemoryLog>, kv: &Arc<MemoryKv>, producer: u64) -> Self {
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
            stop: stopped,
        };
        let loops = processor.recover(doors, &recovered.resume).await.unwrap();
        let mut tasks = Vec::new();
        for running in recovered.run() {
            tasks.push(tokio::spawn(async move { running.await.unwrap() }));
        }
        for running in loops {
            tasks.push(tokio::spawn(async move { running.await.unwrap() }));
        }
        Self {
            log: Arc::clone(log),
            store,
            conversations: Arc::new(conversations),
            users: Arc::new(users),
            stop,
            producer,
            next: AtomicU64::new(1),
            tasks,
        }
    }

    async fn command(&self, command: Command) -> Outcome {
        let partition = LAYOUT.conversation(command.conv);
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = reply();
        self.conversations.expect(partition, seq, vec![reply]);
        let payload = record::encode_commands(&[command]);
        self.log
            .append(vec![self.append(partition, seq, payload)], Durability::Durable)
            .await
            .unwrap();
        answer.await.unwrap()
    }

    async fn user_command(&self, command: UserCommand) -> UserOutcome {
        let partition = LAYOUT.user(command.author.user);
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = reply();
        self.users.expect(partition, seq, vec![reply]);
        let payload = record::encode_user_commands(&[command]);
        self.log
            .append(vec![self.append(partition, seq, payload)], Durability::Durable)
            .await
            .unwrap();
        answer.await.unwrap()
    }

    fn append(
        &self,
        partition: tenon_base::PartitionId,
        producer_seq: u64,
        payload: Bytes,
    ) -> Append {
        Append {
            partition,
            producer: self.producer,
            producer_seq,
            time_us: 0,
            key_id: 0,
            leader_epoch: 0,
            kind: kind::COMMANDS,
            payload,
        }
    }

    async fn ask(
        &self,
        conv: ConversationId,
        question: ConversationQuestion,
    ) -> ConversationAnswer {
        let (reply, answer) = reply();
        assert_eq!(self.conversations.ask(ORG, conv, question, reply), Handover::Accepted);
        answer.await.unwrap()
    }

    async fn attach(
        &self,
        key: LinkKey,
        epoch: DeviceEpoch,
        cursor: Option<(u32, u64)>,
    ) -> (Attached, Arc<Ear>) {
        let ear = Arc::new(Ear::default());
        let (reply, answer) = reply();
        let attach = Attach {
            key,
            device_epoch: epoch,
            cursor: cursor.map(|(e, p)| (QueueEpoch(e), Pts(p))),
            window_bytes: 1 << 20,
            backlog_max: 1000,
            link: Arc::clone(&ear) as _,
            time: Timestamp(1),
        };
        assert_eq!(self.users.attach(attach, reply), Handover::Accepted);
        (answer.await.unwrap(), ear)
    }

    async fn renew(&self, author: Author) -> DeviceEpoch {
        let action = UserAction::RenewDeviceEpoch { presented: DeviceEpoch(0) };
        let command = UserCommand {
            author,
            op_seq: OpSeq(0),
            digest: [0; 16],
            is_void: false,
            time: Timestamp(1),
            action,
        };
        match self.user_command(command).await {
            UserOutcome::Ok { id } => DeviceEpoch(u32::try_from(id).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// The process dies: loops end where they are, undurable bytes are lost.
    async fn crash(self) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            assert!(task.await.is_err_and(|e| e.is_cancelled()));
        }
        drop(self.stop);
        self.log.crash();
        self.log.reopen();
    }
}

fn reply<T: Send + 'static>() -> (Reply<T>, oneshot::Receiver<T>) {
    let (sender, receiver) = oneshot::channel();
    let reply = Reply::new(move |value: Option<T>| {
        if let Some(value) = value {
            drop(sender.send(value));
        }
    });
    (reply, receiver)
}

fn author(user: u64, epoch: DeviceEpoch) -> Author {
    Author {
        org: ORG,
        user: UserId(user),
        device: DeviceId(user * 10),
        device_epoch: epoch,
        ..Author::default()
    }
}

fn key(user: u64, conn_ctr: u64) -> LinkKey {
    LinkKey {
        org: ORG,
        user: UserId(user),
        device: DeviceId(user * 10),
        conn_ctr: ConnCtr(conn_ctr),
        exchange: 0,
    }
}

fn create(conv: ConversationId, members: &[u64]) -> Command {
    let create = CreateConversation {
        kind: Kind::Group,
        title: "house".into(),
        owner: UserId(members[0]),
        members: members.iter().map(|u| UserId(*u)).collect(),
        history_visible: true,
        queue_mode_max: 500,
        pull_mode_min: 400,
    };
    command(author(members[0], DeviceEpoch(0)), conv, 0, Action::Create(create))
}

fn command(author: Author, conv: ConversationId, cid: u64, action: Action) -> Command {
    Command {
        author,
        conv,
        cid: Cid(cid),
        digest: [u8::try_from(cid % 251).unwrap(); 16],
        is_void: false,
        message_id: MessageId(author.user.0 << 32 | cid),
        time: Timestamp(1000),
        refused: None,
        action,
    }
}

fn text(author: Author, conv: ConversationId, cid: u64) -> Command {
    let body = Bytes::from(format!("{}-{cid}", author.user));
    let send = SendMessage { kind: 1, body, ..SendMessage::default() };
    command(author, conv, cid, Action::Send(send))
}

fn accepted(outcome: Outcome) -> Accepted {
    match outcome {
        Outcome::Ok(accepted) => accepted,
        other => panic!("{other:?}"),
    }
}

/// Lets the loops run until they wait.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// I1, I2, I5, I6, I29: messages before and after a flush, a crash, a repeat under the same cid, a device that goes on.
#[tokio::test]
async fn nothing_acked_is_lost_or_repeated_over_a_crash() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let conv = ConversationId(77);
    let house = House::open(&log, &kv, 11).await;
    accepted(house.command(create(conv, &[1, 2, 3])).await);
    let epoch = house.renew(author(2, DeviceEpoch(0))).await;
    let (attached, ear) = house.attach(key(2, 1), epoch, Some((1, 0))).await;
    let Attached::Live { rebase: None, queue_epoch, .. } = attached else { panic!("{attached:?}") };
    let sender = author(1, DeviceEpoch(1));
    for cid in 1..=50 {
        assert_eq!(accepted(house.command(text(sender, conv, cid)).await).seq, Seq(cid));
        if cid == 20 {
            house.store.flush_once().await.unwrap();
        }
    }
    settle().await;
    let heard = ear.messages(Pts(0));
    assert_eq!(heard.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    let acked = house.attach(key(2, 2), epoch, None).await.0;
    let Attached::Live { tip, rebase: Some(1), .. } = acked else { panic!("{acked:?}") };
    house.crash().await;

    let house = House::open(&log, &kv, 12).await;
    for cid in 49..=50 {
        let repeated = house.command(text(sender, conv, cid)).await;
        let Outcome::Duplicate(Fate::Accepted(a)) = repeated else { panic!("{repeated:?}") };
        assert_eq!(a.seq, Seq(cid));
    }
    assert_eq!(house.command(text(sender, conv, 52)).await, Outcome::Gap { expect: Cid(51) });
    assert_eq!(accepted(house.command(text(sender, conv, 51)).await).seq, Seq(51));
    let grant = house.ask(conv, ConversationQuestion::Grant { user: UserId(3) }).await;
    let ConversationAnswer::Grant(grant) = grant else { panic!("{grant:?}") };
    assert_eq!(
        (grant.header.seq, grant.header.cnt.0, grant.header.title.as_str()),
        (Seq(51), 51, "house")
    );
    settle().await;
    // The device comes back with a cursor the crash may have cut off: it continues or is told to rebase, never left behind.
    let (attached, ear) = house.attach(key(2, 3), epoch, Some((queue_epoch.0, tip.0))).await;
    settle().await;
    match attached {
        Attached::Live { rebase: None, .. } => {
            let seqs: Vec<u64> = ear.messages(tip).iter().map(|(seq, _)| *seq).collect();
            assert_eq!(seqs.last(), Some(&51));
        }
        Attached::Live { rebase: Some(reason), .. } => assert_eq!(reason, 2),
        other => panic!("{other:?}"),
    }
    // From the beginning, everything is there once and in order.
    let (_, ear) = house.attach(key(2, 4), epoch, Some((queue_epoch.0, 0))).await;
    settle().await;
    let seqs: Vec<u64> = ear.messages(Pts(0)).iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=51).collect::<Vec<_>>());
    house.crash().await;
}

/// Protocol 6.2: rules of Hello, in their order.
#[tokio::test]
async fn only_the_newest_connection_of_the_right_device_epoch_is_attached() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let house = House::open(&log, &kv, 11).await;
    let stale = house.attach(key(5, 1), DeviceEpoch(1), None).await.0;
    assert!(matches!(stale, Attached::DeviceEpochStale));
    let epoch = house.renew(author(5, DeviceEpoch(0))).await;
    let (_, first) = house.attach(key(5, 7), epoch, None).await;
    assert!(matches!(house.attach(key(5, 7), epoch, None).await.0, Attached::ConnectionStale));
    let newer = house.attach(key(5, 8), epoch, None).await.0;
    assert!(matches!(newer, Attached::Live { .. }));
    let told = first.0.lock().unwrap().last().cloned();
    assert!(matches!(told, Some(Delivery::Close { reason: 2 })), "{told:?}");
    let renewed = house.renew(author(5, epoch)).await;
    assert!(renewed > epoch);
    assert!(matches!(house.attach(key(5, 9), epoch, None).await.0, Attached::DeviceEpochStale));
    house.crash().await;
}

/// I17: a device whose store fell back behind its own acks is told so until it has a new device epoch: again when the first
/// answer was lost, and also when the queue has taken a new epoch in between.
#[tokio::test]
async fn a_device_that_fell_behind_its_acks_is_told_until_it_renews() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let house = House::open(&log, &kv, 11).await;
    let conv = ConversationId(8);
    accepted(house.command(create(conv, &[1, 2])).await);
    let epoch = house.renew(author(2, DeviceEpoch(0))).await;
    let attached = house.attach(key(2, 1), epoch, Some((1, 0))).await.0;
    let Attached::Live { queue_epoch, .. } = attached else { panic!("{attached:?}") };
    for cid in 1..=10 {
        accepted(house.command(text(author(1, DeviceEpoch(1)), conv, cid)).await);
    }
    settle().await;
    house.users.ack(key(2, 1), queue_epoch, Pts(9), None);
    settle().await;
    let back = async |house: &House, conn_ctr, epoch, at| match house
        .attach(key(2, conn_ctr), epoch, Some((queue_epoch.0, at)))
        .await
        .0
    {
        Attached::Live { store_rolled_back, queue_epoch, .. } => (store_rolled_back, queue_epoch),
        other => panic!("{other:?}"),
    };
    assert!(!back(&house, 2, epoch, 9).await.0, "the cursor stands where it was");
    assert!(back(&house, 3, epoch, 4).await.0);
    assert!(back(&house, 4, epoch, 4).await.0, "the first answer may have been lost");
    house.store.flush_once().await.unwrap();
    house.crash().await;

    let house = House::open(&log, &kv, 12).await;
    let (told, now) = back(&house, 5, epoch, 4).await;
    assert!(now > queue_epoch, "a crash changes the queue epoch");
    assert!(told, "what was acked and has survived counts over epochs");
    let renewed = house.renew(author(2, epoch)).await;
    assert!(!back(&house, 6, renewed, 4).await.0, "a new device epoch ends it");
    house.crash().await;
}

/// A connection of the device epoch that was left moves nothing: its late ack would count against the new life's cursor.
#[tokio::test]
async fn a_new_device_epoch_ends_the_connection_of_the_old_one() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let house = House::open(&log, &kv, 11).await;
    let conv = ConversationId(8);
    accepted(house.command(create(conv, &[1, 2])).await);
    let epoch = house.renew(author(2, DeviceEpoch(0))).await;
    let (attached, link) = house.attach(key(2, 1), epoch, Some((1, 0))).await;
    let Attached::Live { queue_epoch, .. } = attached else { panic!("{attached:?}") };
    for cid in 1..=10 {
        accepted(house.command(text(author(1, DeviceEpoch(1)), conv, cid)).await);
    }
    settle().await;
    let renewed = house.renew(author(2, epoch)).await;
    house.users.ack(key(2, 1), queue_epoch, Pts(9), None);
    settle().await;
    let is_closed = link.0.lock().unwrap().iter().any(|d| matches!(d, Delivery::Close { .. }));
    assert!(is_closed, "the old connection hears of its end");
    let attached = house.attach(key(2, 2), renewed, Some((queue_epoch.0, 4))).await.0;
    let Attached::Live { store_rolled_back, .. } = attached else { panic!("{attached:?}") };
    assert!(!store_rolled_back, "the new life has acked nothing yet");
    house.crash().await;
}

/// A Hello that was let in before the removal may be attached after the word of it: the durable end of the device ends it.
#[tokio::test]
async fn a_forgotten_device_keeps_no_connection() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let house = House::open(&log, &kv, 11).await;
    let epoch = house.renew(author(2, DeviceEpoch(0))).await;
    let device = author(2, epoch).device;
    assert_eq!(house.users.revoke(ORG, UserId(2), Some(device)), Handover::Accepted);
    let (attached, link) = house.attach(key(2, 1), epoch, Some((1, 0))).await;
    assert!(matches!(attached, Attached::Live { .. }), "{attached:?}");
    let forget = UserCommand {
        author: author(2, epoch),
        op_seq: OpSeq(0),
        digest: [0; 16],
        is_void: false,
        time: Timestamp(1),
        action: UserAction::ForgetDevice { device },
    };
    assert_eq!(house.user_command(forget).await, UserOutcome::Ok { id: 0 });
    settle().await;
    let is_closed = link.0.lock().unwrap().iter().any(|d| matches!(d, Delivery::Close { .. }));
    assert!(is_closed, "the connection of the forgotten device is over");
    let again = house.attach(key(2, 2), epoch, Some((1, 0))).await.0;
    assert!(matches!(again, Attached::DeviceEpochStale), "{again:?}");
    house.crash().await;
}

/// Hysteresis of the fan-out mode: pull above the bound, queue again at the lower one, one event each.
#[tokio::test]
async fn mode_flips_with_the_number_of_members() {
    let (log, kv) = (Arc::new(MemoryLog::new()), Arc::new(MemoryKv::new()));
    let house = House::open(&log, &kv, 11).await;
    let conv = ConversationId(5);
    let mut made = create(conv, &[1, 2]);
    if let Action::Create(c) = &mut made.action {
        c.queue_mode_max = 4;
        c.pull_mode_min = 3;
    }
    accepted(house.command(made).await);
    let local = Author { org: ORG, ..Author::default() };
    let change = |add: bool, users: &[u64]| {
        let users = users.iter().map(|u| UserId(*u)).collect();
        let action =
            if add { Action::AddMembers { users } } else { Action::RemoveMembers { users } };
        command(local, conv, 0, action)
    };
    let mode = async |house: &House| match house
        .ask(conv, ConversationQuestion::Item { user: UserId(1) })
        .await
    {
        ConversationAnswer::Item(item) => (item.mode, item.member_count),
        other => panic!("{other:?}"),
    };
    use tenon_core::Mode::{Pull, Queue};
    accepted(house.command(change(true, &[3, 4])).await);
    assert_eq!(mode(&house).await, (Queue, 4));
    accepted(house.command(change(true, &[5])).await);
    assert_eq!(mode(&house).await, (Pull, 5));
    accepted(house.command(change(false, &[5])).await);
    assert_eq!(mode(&house).await, (Pull, 4));
    accepted(house.command(change(false, &[4])).await);
    assert_eq!(mode(&house).await, (Queue, 3));
    let gone = house.ask(conv, ConversationQuestion::Item { user: UserId(4) }).await;
    assert!(matches!(gone, ConversationAnswer::Absent));
    house.crash().await;
}
