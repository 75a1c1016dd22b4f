//! A thin front: what gateway and receiver do between a connection and the rooms. It admits and batches commands, attaches
//! devices, and reads with the leader's grant. Replaced piece by piece as the real rooms come.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tenon_base::{
    Cid, ConnCtr, ConversationId, DeviceEpoch, DeviceId, MessageId, OpSeq, OrgId, PartitionId, Pts,
    QueueEpoch, Seq, Timestamp, UserId,
};
use tenon_core::command::SummaryPatch;
use tenon_core::conversation::{Accepted, Fate, Outcome};
use tenon_core::event::flag;
use tenon_core::handover::{
    Attach, Attached, ConversationAnswer, ConversationQuestion, Conversations, Delivery,
    DeviceLink, Handover, LinkKey, Reply, UserAnswer, UserOutcome, UserQuestion, Users,
};
use tenon_core::{
    Action, Author, Command, Layout, Rejection, SendMessage, UserAction, UserCommand,
};
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, Log, LogError};
use tenon_store::record;

use crate::exec::{Ended, Task};
use crate::msg::{Act, Answer, Down, SendUp, Up};
use crate::node::Node;

/// What the front hears back from the rooms, per connection.
#[derive(Debug)]
pub enum Note {
    /// To a device.
    Down(u64, Down),
    /// An attach was answered.
    Attached(u64, u32, Option<Attached>),
    /// A new device epoch.
    Renewed(u64, Hello, Option<UserOutcome>),
    /// A conversation answered.
    Conversation(u64, Up, Option<ConversationAnswer>),
    /// Lines of a user.
    Lines(u64, Up, Option<UserAnswer>),
    /// All lines of a page were asked for.
    Page(u64, Up, Box<read::Page>),
    /// Numbers for a Pong.
    Numbers(u64, Option<UserAnswer>),
    /// The tip of a pull-mode conversation for a Pong.
    PongTip(u64, Option<ConversationAnswer>),
    /// An outcome, for the checker: record position is unknown to the front, the content is.
    Outcome(Box<Command>, Outcome),
    /// A command ended without an answer.
    Unanswered,
}

/// The first frame of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Hello {
    epoch: u32,
    conn_ctr: u64,
    cursor: Option<(u32, u64)>,
}

type Inbox = Arc<Mutex<Vec<Note>>>;

/// One connection as the server sees it.
#[derive(Debug)]
struct Connection {
    key: LinkKey,
    epoch: u32,
    is_live: bool,
    /// Requests that wait for the Hello.
    held: Vec<Up>,
    /// Pull-mode conversations whose tips it follows.
    follows: BTreeSet<u64>,
    /// Highest position delivered, so that an ack can be repeated to say that there is room.
    acked: Option<(u32, u64)>,
    pong: Option<Pong>,
}

#[derive(Debug, Default)]
struct Pong {
    numbers: Option<(u32, u64, u64)>,
    tips: Vec<tenon_core::event::Tip>,
    open: usize,
}

struct Link {
    conn: u64,
    inbox: Inbox,
}

impl DeviceLink for Link {
    fn deliver(&self, delivery: Delivery) -> Handover {
        put(&self.inbox, Note::Down(self.conn, Down::Delivery(delivery)));
        Handover::Accepted
    }
}

/// How the front is set up.
#[derive(Debug, Clone, Copy)]
pub struct FrontOptions {
    /// Slots to partitions.
    pub layout: Layout,
    /// Credit window of a connection.
    pub window_bytes: u32,
    /// Backlog above which a device rebases.
    pub backlog_max: u64,
    /// Events of one diff.
    pub diff_max: u64,
    /// A diff further behind gets the line instead.
    pub behind_max: u64,
    /// Lines of one page.
    pub lines_max: usize,
}

type Admitted = (Command, Reply<Outcome>);

/// The front of one server life.
pub struct Front {
    options: FrontOptions,
    connections: BTreeMap<u64, Connection>,
    inbox: Inbox,
    /// By partition and organisation: a record holds commands of one organisation.
    waiting: BTreeMap<(PartitionId, OrgId), Vec<Admitted>>,
    next_record: u64,
    next_message: u64,
    /// Devices that may not come in any more.
    revoked: BTreeSet<u64>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

/// A refused hand-over has dropped its reply, which has answered `None`: nothing more is to do.
const fn taken(_: Handover) {}

fn put(inbox: &Inbox, note: Note) {
    inbox.lock().unwrap_or_else(PoisonError::into_inner).push(note);
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Organisation.
    pub org: u64,
    /// User.
    pub user: u64,
    /// Device.
    pub device: u64,
}

impl Front {
    /// A front without connections. `life` makes message ids unique over restarts.
    pub fn new(options: FrontOptions, life: u64, revoked: BTreeSet<u64>) -> Self {
        Self {
            options,
            connections: BTreeMap::new(),
            inbox: Inbox::default(),
            waiting: BTreeMap::new(),
            next_record: 1,
            next_message: life << 32,
            revoked,
        }
    }

    /// A transport is up.
    pub fn open(&mut self, conn: u64, peer: Peer) {
        let key = LinkKey {
            org: OrgId(peer.org),
            user: UserId(peer.user),
            device: DeviceId(peer.device),
            conn_ctr: ConnCtr(0),
            exchange: 0,
        };
        let connection = Connection {
            key,
            epoch: 0,
            is_live: false,
            held: Vec::new(),
            follows: BTreeSet::new(),
            acked: None,
            pong: None,
        };
        self.connections.insert(conn, connection);
    }

    /// A transport ended, and the server has noticed.
    pub fn closed(&mut self, node: &Node, conn: u64) {
        if let Some(connection) = self.connections.remove(&conn)
            && connection.is_live
        {
            node.users().detach(connection.key);
        }
    }

    /// True if the server still has this connection.
    pub fn has(&self, conn: u64) -> bool {
        self.connections.contains_key(&conn)
    }

    /// Takes what the rooms said.
    pub fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Partitions, by organisation, with commands that wait for a record.
    pub fn waiting(&self) -> Vec<(PartitionId, OrgId)> {
        self.waiting.keys().copied().collect()
    }

    /// Live connections that follow the tips of a conversation.
    pub fn followers(&self, org: u64, conv: u64) -> Vec<u64> {
        self.connections
            .iter()
            .filter(|(_, c)| c.is_live && c.key.org.0 == org && c.follows.contains(&conv))
            .map(|(id, _)| *id)
            .collect()
    }

    /// A frame came in. Tasks that are returned must be spawned in order.
    pub fn handle(&mut self, node: &Node, conn: u64, up: Up, now: Timestamp) -> Vec<Task> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Vec::new() };
        if let Up::Hello { epoch, conn_ctr, cursor, is_renewal } = up {
            let is_open = tenon_base::planted!("no-front-revocation");
            if self.revoked.contains(&connection.key.device.0) && !is_open {
                put(&self.inbox, Note::Down(conn, Down::Close));
                return Vec::new();
            }
            let hello = Hello { epoch, conn_ctr, cursor };
            if is_renewal {
                return self.renew(node, conn, hello, now);
            }
            self.attach(node, conn, hello, now);
            return Vec::new();
        }
        if !connection.is_live {
            connection.held.push(up);
            return Vec::new();
        }
        self.request(node, conn, up, now)
    }

    fn request(&mut self, node: &Node, conn: u64, up: Up, now: Timestamp) -> Vec<Task> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Vec::new() };
        let key = connection.key;
        match up {
            Up::Hello { .. } => {}
            Up::Send(send) => self.admit(conn, &send, now),
            Up::Pin { .. } => return self.pin(node, conn, &up, now),
            Up::Read { conv, up_to } => self.read_mark(node, conn, (conv, up_to), now),
            Up::Ack { epoch, pts } => {
                connection.acked = Some((epoch, pts));
                node.users().ack(key, QueueEpoch(epoch), Pts(pts), None);
            }
            Up::Subscribe { epoch, pts } => {
                node.users().subscribe(key, QueueEpoch(epoch), Pts(pts));
            }
            Up::Ping => self.ping(node, conn),
            Up::Diff { conv, .. } | Up::History { conv, .. } => {
                let inbox = Arc::clone(&self.inbox);
                let request = up.clone();
                let reply = Reply::new(move |answer| {
                    put(&inbox, Note::Conversation(conn, request, answer))
                });
                let question = ConversationQuestion::Grant { user: key.user };
                let asked =
                    node.conversations().ask(key.org, ConversationId(conv), question, reply);
                taken(asked);
            }
            Up::List { .. } => {
                let inbox = Arc::clone(&self.inbox);
                let request = up.clone();
                let reply =
                    Reply::new(move |answer| put(&inbox, Note::Lines(conn, request, answer)));
                let asked = node.users().ask(key.org, key.user, UserQuestion::Lines, reply);
                taken(asked);
            }
        }
        Vec::new()
    }

    fn renew(&mut self, node: &Node, conn: u64, hello: Hello, now: Timestamp) -> Vec<Task> {
        let Some(connection) = self.connections.get(&conn) else { return Vec::new() };
        let command = UserCommand {
            author: author(connection.key, 0),
            op_seq: OpSeq(0),
            digest: [0; 16],
            is_void: false,
            time: now,
            action: UserAction::RenewDeviceEpoch { presented: DeviceEpoch(hello.epoch) },
        };
        let inbox = Arc::clone(&self.inbox);
        let reply = Reply::new(move |outcome| put(&inbox, Note::Renewed(conn, hello, outcome)));
        vec![self.append_user(node, command, reply)]
    }

    fn attach(&mut self, node: &Node, conn: u64, hello: Hello, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.key.conn_ctr = ConnCtr(hello.conn_ctr);
        connection.epoch = hello.epoch;
        let link = Arc::new(Link { conn, inbox: Arc::clone(&self.inbox) });
        let attach = Attach {
            key: connection.key,
            device_epoch: DeviceEpoch(hello.epoch),
            cursor: hello.cursor.map(|(epoch, pts)| (QueueEpoch(epoch), Pts(pts))),
            window_bytes: self.options.window_bytes,
            backlog_max: self.options.backlog_max,
            link,
            time: now,
        };
        let inbox = Arc::clone(&self.inbox);
        let epoch = hello.epoch;
        let reply = Reply::new(move |attached| put(&inbox, Note::Attached(conn, epoch, attached)));
        let asked = node.users().attach(attach, reply);
        taken(asked);
    }

    /// Handles what concerns the front itself; gives back what goes to devices, and tasks.
    pub fn handle_note(
        &mut self,
        node: &Node,
        note: Note,
        now: Timestamp,
    ) -> (Vec<(u64, Down)>, Vec<Task>) {
        match note {
            Note::Down(conn, down) => (self.sent(conn, down), Vec::new()),
            Note::Renewed(conn, hello, outcome) => {
                if let Some(UserOutcome::Ok { id }) = outcome {
                    let epoch = u32::try_from(id).unwrap_or(u32::MAX);
                    self.attach(node, conn, Hello { epoch, ..hello }, now);
                    return (Vec::new(), Vec::new());
                }
                (vec![(conn, Down::Close)], Vec::new())
            }
            Note::Attached(conn, epoch, attached) => {
                self.attached(node, conn, (epoch, attached), now)
            }
            Note::Conversation(conn, up, answer) => {
                (self.answer_read(node, conn, up, answer), Vec::new())
            }
            Note::Lines(conn, up, answer) => {
                self.lines(node, conn, up, answer);
                (Vec::new(), Vec::new())
            }
            Note::Page(conn, up, page) => (self.page(node, conn, &up, *page), Vec::new()),
            Note::Numbers(conn, answer) => (self.numbers(conn, answer), Vec::new()),
            Note::PongTip(conn, answer) => (self.pong_tip(conn, answer), Vec::new()),
            Note::Outcome(..) | Note::Unanswered => (Vec::new(), Vec::new()),
        }
    }

    fn sent(&mut self, conn: u64, down: Down) -> Vec<(u64, Down)> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Vec::new() };
        match &down {
            Down::Delivery(Delivery::FollowTips(conv)) => {
                connection.follows.insert(conv.0);
            }
            Down::Delivery(Delivery::UnfollowTips(conv)) => {
                connection.follows.remove(&conv.0);
            }
            Down::Delivery(Delivery::Close { .. }) => {
                connection.is_live = false;
                connection.follows.clear();
            }
            _ => {}
        }
        vec![(conn, down)]
    }

    fn attached(
        &mut self,
        node: &Node,
        conn: u64,
        (epoch, attached): (u32, Option<Attached>),
        now: Timestamp,
    ) -> (Vec<(u64, Down)>, Vec<Task>) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return (Vec::new(), Vec::new());
        };
        let mut order = None;
        let down = match attached {
            Some(Attached::Live {
                queue_epoch,
                tip,
                rebase,
                store_rolled_back,
                pull_convs,
                ..
            }) => {
                order = rebase.map(|reason| Delivery::Rebase { queue_epoch, tip, reason });
                connection.is_live = true;
                connection.follows = pull_convs.iter().map(|c| c.0).collect();
                Down::HelloAck {
                    device_epoch: epoch,
                    queue_epoch: queue_epoch.0,
                    is_rebase: rebase.is_some(),
                    rolled_back: store_rolled_back,
                    tips: Vec::new(),
                }
            }
            Some(Attached::DeviceEpochStale) => Down::EpochStale,
            Some(Attached::ConnectionStale) => Down::ConnectionStale,
            Some(Attached::SessionEnded) | None => Down::Close,
        };
        let is_live = connection.is_live;
        let held = if is_live { std::mem::take(&mut connection.held) } else { Vec::new() };
        let mut tasks = Vec::new();
        for up in held {
            tasks.extend(self.request(node, conn, up, now));
        }
        if is_live {
            // Tips of pull-mode conversations travel with the first Pong.
            self.ping(node, conn);
        }
        let mut frames = vec![(conn, down)];
        frames.extend(order.map(|order| (conn, Down::Delivery(order))));
        (frames, tasks)
    }

    /// Admits a command; it waits for the record of its partition.
    fn admit(&mut self, conn: u64, send: &SendUp, now: Timestamp) {
        let Some(connection) = self.connections.get(&conn) else { return };
        if send.epoch != connection.epoch && !send.is_void {
            return;
        }
        self.next_message += 1;
        let command = Command {
            author: author(connection.key, send.epoch),
            conv: ConversationId(send.conv),
            cid: Cid(send.cid),
            digest: digest(&send.act),
            is_void: send.is_void,
            message_id: MessageId(self.next_message),
            time: now,
            refused: None,
            action: action(&send.act),
        };
        let (conv, epoch, cid) = (send.conv, send.epoch, send.cid);
        let inbox = Arc::clone(&self.inbox);
        let seen = command.clone();
        let reply = Reply::new(move |outcome: Option<Outcome>| {
            let answer = outcome.map_or(Answer::Retry, answer_of);
            match outcome {
                Some(outcome) => put(&inbox, Note::Outcome(Box::new(seen), outcome)),
                None => put(&inbox, Note::Unanswered),
            }
            put(&inbox, Note::Down(conn, Down::SendAck { conv, epoch, cid, answer }));
        });
        self.wait(command, reply);
    }

    fn read_mark(&mut self, node: &Node, conn: u64, (conv, up_to): (u64, u64), now: Timestamp) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let key = connection.key;
        let view = node.store.view();
        let row =
            tenon_store::table::message::read(&view, key.org, ConversationId(conv), Seq(up_to));
        let Ok(Some(message)) = row else { return };
        let command = Command {
            author: author(key, connection.epoch),
            conv: ConversationId(conv),
            cid: Cid(0),
            digest: [0; 16],
            is_void: false,
            message_id: MessageId(0),
            time: now,
            refused: None,
            action: Action::ReadMark { up_to: Seq(up_to), cnt: message.cnt },
        };
        let inbox = Arc::clone(&self.inbox);
        let seen = command.clone();
        let reply = Reply::new(move |outcome: Option<Outcome>| {
            let Some(outcome) = outcome else { return put(&inbox, Note::Unanswered) };
            put(&inbox, Note::Outcome(Box::new(seen), outcome));
            let up_to = if matches!(outcome, Outcome::Ok(_)) { up_to } else { u64::MAX };
            put(&inbox, Note::Down(conn, Down::ReadAck { conv, up_to }));
        });
        self.wait(command, reply);
    }

    /// A command of the administration on this machine.
    pub fn admin(&mut self, org: u64, conv: u64, action: Action, now: Timestamp) {
        self.next_message += 1;
        let command = Command {
            author: Author { org: OrgId(org), ..Author::default() },
            conv: ConversationId(conv),
            cid: Cid(0),
            digest: [0; 16],
            is_void: false,
            message_id: MessageId(self.next_message),
            time: now,
            refused: None,
            action,
        };
        let inbox = Arc::clone(&self.inbox);
        let seen = command.clone();
        let reply = Reply::new(move |outcome: Option<Outcome>| match outcome {
            Some(outcome) => put(&inbox, Note::Outcome(Box::new(seen), outcome)),
            None => put(&inbox, Note::Unanswered),
        });
        self.wait(command, reply);
    }

    fn wait(&mut self, command: Command, reply: Reply<Outcome>) {
        let partition = self.options.layout.conversation(command.conv);
        self.waiting.entry((partition, command.author.org)).or_default().push((command, reply));
    }

    /// Appends what waits for a partition as one record.
    pub fn append(
        &mut self,
        node: &Node,
        (partition, org): (PartitionId, OrgId),
        now: Timestamp,
    ) -> Option<Task> {
        let waiting = self.waiting.remove(&(partition, org))?;
        let (commands, replies): (Vec<Command>, Vec<Reply<Outcome>>) = waiting.into_iter().unzip();
        let seq = self.next_record;
        self.next_record += 1;
        node.conversations().expect(partition, seq, replies);
        let payload = record::encode_commands(&commands);
        let append = append(node, partition, seq, now, payload);
        let (log, conversations) = (Arc::clone(&node.log), node.conversations.clone());
        Some(Box::pin(async move {
            if let Err(error) = log.append(vec![append], Durability::Durable).await
                && !matches!(error, LogError::Interrupted(_))
            {
                // Nothing was written: who waits is told to try again, by the drop of the reply.
                drop(conversations.forget(partition, seq));
            }
            Ended::Done
        }))
    }

    fn append_user(
        &mut self,
        node: &Node,
        command: UserCommand,
        reply: Reply<UserOutcome>,
    ) -> Task {
        let partition = self.options.layout.user(command.author.user);
        let seq = self.next_record;
        self.next_record += 1;
        node.users().expect(partition, seq, vec![reply]);
        let payload = record::encode_user_commands(std::slice::from_ref(&command));
        let append = append(node, partition, seq, command.time, payload);
        let (log, users) = (Arc::clone(&node.log), node.users.clone());
        Box::pin(async move {
            if log.append(vec![append], Durability::Durable).await.is_err() {
                drop(users.forget(partition, seq));
            }
            Ended::Done
        })
    }

    fn pin(&mut self, node: &Node, conn: u64, up: &Up, now: Timestamp) -> Vec<Task> {
        let Up::Pin { conv, epoch, op_seq, pinned } = *up else { return Vec::new() };
        let Some(connection) = self.connections.get(&conn) else { return Vec::new() };
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&conv.to_le_bytes());
        digest[8] = u8::from(pinned);
        let patch = SummaryPatch { pinned: Some(pinned), ..SummaryPatch::default() };
        let command = UserCommand {
            author: author(connection.key, epoch),
            op_seq: OpSeq(op_seq),
            digest,
            is_void: false,
            time: now,
            action: UserAction::SetSummary { conv: ConversationId(conv), patch },
        };
        let inbox = Arc::clone(&self.inbox);
        let reply = Reply::new(move |outcome: Option<UserOutcome>| {
            let answer = match outcome {
                Some(
                    UserOutcome::Ok { .. } | UserOutcome::Duplicate(_) | UserOutcome::Rejected(_),
                ) => Ok(()),
                Some(UserOutcome::Gap { expect }) => Err(Some(expect.0)),
                Some(UserOutcome::Reused) => Err(Some(0)),
                Some(UserOutcome::DeviceEpochStale | UserOutcome::Retry { .. }) | None => Err(None),
            };
            put(&inbox, Note::Down(conn, Down::OpAck { epoch, op_seq, answer }));
        });
        vec![self.append_user(node, command, reply)]
    }

    /// Removes a device of a user: no frame after this, no way back.
    pub fn revoke(&mut self, node: &Node, peer: Peer, now: Timestamp) -> Vec<Task> {
        self.revoked.insert(peer.device);
        let device = Some(DeviceId(peer.device));
        taken(node.users().revoke(OrgId(peer.org), UserId(peer.user), device));
        let key = LinkKey {
            org: OrgId(peer.org),
            user: UserId(peer.user),
            device: DeviceId(0),
            conn_ctr: ConnCtr(0),
            exchange: 0,
        };
        let command = UserCommand {
            author: author(key, 0),
            op_seq: OpSeq(0),
            digest: [0; 16],
            is_void: false,
            time: now,
            action: UserAction::ForgetDevice { device: DeviceId(peer.device) },
        };
        vec![self.append_user(node, command, Reply::new(|_| {}))]
    }

    /// There is room again on every connection.
    pub fn room(&self, node: &Node) {
        for connection in self.connections.values().filter(|c| c.is_live) {
            if let Some((epoch, pts)) = connection.acked {
                node.users().ack(connection.key, QueueEpoch(epoch), Pts(pts), None);
            }
        }
    }
}

fn append(node: &Node, partition: PartitionId, seq: u64, now: Timestamp, payload: Bytes) -> Append {
    Append {
        partition,
        producer: node.producer,
        producer_seq: seq,
        time_us: now.0 * 1000,
        key_id: 0,
        leader_epoch: 0,
        kind: kind::COMMANDS,
        payload,
    }
}

fn author(key: LinkKey, epoch: u32) -> Author {
    Author {
        org: key.org,
        user: key.user,
        device: key.device,
        device_epoch: DeviceEpoch(epoch),
        ..Author::default()
    }
}

fn digest(act: &Act) -> [u8; 16] {
    let hash = blake3::hash(format!("{act:?}").as_bytes());
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.as_bytes()[..16]);
    digest
}

fn action(act: &Act) -> Action {
    match act {
        Act::Send { body, mentions, is_silent } => Action::Send(SendMessage {
            kind: 1,
            body: Bytes::copy_from_slice(body.as_bytes()),
            mentions: mentions.iter().map(|u| UserId(*u)).collect(),
            flags: if *is_silent { flag::NO_BADGE } else { 0 },
            ..SendMessage::default()
        }),
        Act::Add(users) => Action::AddMembers { users: users.iter().map(|u| UserId(*u)).collect() },
        Act::Remove(users) => {
            Action::RemoveMembers { users: users.iter().map(|u| UserId(*u)).collect() }
        }
        Act::Rename(title) => Action::Rename { title: title.clone() },
        Act::Leave => Action::Leave,
    }
}

fn answer_of(outcome: Outcome) -> Answer {
    let is_cancelled = |r: Rejection| r == Rejection::Cancelled;
    match outcome {
        Outcome::Ok(Accepted { seq, rev, .. }) => Answer::Ok { seq: seq.0, rev: rev.0 },
        Outcome::Duplicate(Fate::Accepted(a)) => Answer::Duplicate { seq: a.seq.0, rev: a.rev.0 },
        Outcome::Duplicate(Fate::Rejected(r)) => Answer::DuplicateRejected(is_cancelled(r)),
        Outcome::CidReused => Answer::Reused,
        Outcome::Rejected(r) => Answer::Rejected(is_cancelled(r)),
        Outcome::Gap { expect } => Answer::Gap(expect.0),
        Outcome::Absent => Answer::Absent,
        Outcome::Imported { .. } | Outcome::Parked | Outcome::Retry { .. } => Answer::Retry,
    }
}
