//! Rooms for tests: everybody is in every conversation, nothing is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tenon_base::{
    Cid, Cnt, ConnCtr, ConvEpoch, ConversationId, DeviceEpoch, DeviceId, InvitationId, MessageId,
    OpSeq, OrgId, PartitionId, Pts, QueueEpoch, Rev, Seq, Timestamp, UserId, Ver,
};
use tenon_core::accounts::{
    Accounts, AuditLine, Caller, Deed, Given, InvitationLine, InvitationLook, NewPassword,
    Newcomer, ServerFacts,
};
use tenon_core::admission::{
    Admission, Admitted, Answer, Auth, Credential, Diff, HelloRequest, HistoryPage, ListItem,
    ListPage, Login, MarksAnswer, Mint, Op, OpAnswer, Read, Refusal, Submit, SubmitOp,
};
use tenon_core::conversation::{Accepted, Outcome};
use tenon_core::event::{Item, Tip};
use tenon_core::handover::{
    Attach, Attached, Batch, BatchEntry, ConversationAnswer, ConversationQuestion, Conversations,
    Delivery, DeviceLink, Handover, LinkKey, Reply, Told, UserAnswer, UserOutcome, UserQuestion,
    Users,
};
use tenon_core::identity::OrgRole;
use tenon_core::supervision::{
    Act, DeviceOf, GroupLine, Look, MemberName, Page, Seen, Supervision, UserLine,
};
use tenon_core::{Author, Event, EventBody, Message};

pub(crate) const ORG: OrgId = OrgId(7);
pub(crate) const EPOCH: QueueEpoch = QueueEpoch(3);
const LOGIN_PASSWORD: &str = "open sesame";

type HeldHello = (HelloRequest, Reply<Result<Admitted, Refusal>>);

struct Live {
    key: LinkKey,
    link: Arc<dyn DeviceLink>,
    sent: Pts,
    is_streaming: bool,
}

#[derive(Default)]
struct State {
    events: BTreeMap<ConversationId, Vec<Arc<Event>>>,
    chains: BTreeMap<(ConversationId, DeviceId, DeviceEpoch), Cid>,
    queues: BTreeMap<UserId, Vec<Arc<Event>>>,
    live: BTreeMap<(UserId, DeviceId), Live>,
    conn_ctrs: BTreeMap<DeviceId, ConnCtr>,
    acked: BTreeMap<DeviceId, Pts>,
    pull_convs: Vec<ConversationId>,
    inside: BTreeSet<UserId>,
    leave_ver: u64,
    refused: usize,
    logins_open: usize,
    held_logins: Vec<(Login, Reply<Result<Credential, Refusal>>)>,
    holds_logins: bool,
    hellos: usize,
    binding: [u8; 32],
    verified: Vec<Vec<UserId>>,
    held_submits: Option<Vec<(Submit, Reply<Outcome>)>>,
    held_hellos: Option<Vec<HeldHello>>,
}

/// All rooms at once.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<State>);

/// The secret of a device.
pub(crate) fn secret(user: u64, device: u64) -> Bytes {
    format!("tnd_{device:016x}_{user}").into()
}

fn author_of(secret: &[u8]) -> Option<Author> {
    let rest = std::str::from_utf8(secret).ok()?.strip_prefix("tnd_")?;
    let (device, user) = rest.split_once('_')?;
    Some(Author {
        org: ORG,
        user: UserId(user.parse().ok()?),
        device: DeviceId(u64::from_str_radix(device, 16).ok()?),
        device_epoch: DeviceEpoch(1),
        ..Author::default()
    })
}

impl Rooms {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn acked(&self, device: u64) -> u64 {
        self.state().acked.get(&DeviceId(device)).map_or(0, |p| p.0)
    }
    pub(crate) fn refused(&self) -> usize {
        self.state().refused
    }
    pub(crate) fn hellos(&self) -> usize {
        self.state().hellos
    }
    pub(crate) fn binding(&self) -> [u8; 32] {
        self.state().binding
    }
    pub(crate) fn live(&self) -> usize {
        self.state().live.len()
    }
    pub(crate) fn verified(&self) -> Vec<Vec<UserId>> {
        self.state().verified.clone()
    }
    pub(crate) fn set_pull(&self, conv: u64, inside: &[u64], leave_ver: u64) {
        let mut state = self.state();
        if !state.pull_convs.contains(&ConversationId(conv)) {
            state.pull_convs.push(ConversationId(conv));
        }
        state.inside = inside.iter().copied().map(UserId).collect();
        state.leave_ver = leave_ver;
    }
    pub(crate) fn hold_logins(&self) {
        self.state().holds_logins = true;
    }
    pub(crate) fn held_logins(&self) -> usize {
        self.state().held_logins.len()
    }
    pub(crate) fn release_logins(&self) {
        let held = std::mem::take(&mut self.state().held_logins);
        for (login, reply) in held {
            reply.send(sign_in(&login));
        }
    }
    pub(crate) fn hold_submits(&self) {
        self.state().held_submits = Some(Vec::new());
    }
    pub(crate) fn held_submits(&self) -> usize {
        self.state().held_submits.as_ref().map_or(0, Vec::len)
    }
    pub(crate) fn release_submits(&self) {
        let held = self.state().held_submits.take().unwrap();
        for (submit, reply) in held {
            self.submit(submit, reply);
        }
    }
    pub(crate) fn hold_hellos(&self) {
        self.state().held_hellos = Some(Vec::new());
    }
    pub(crate) fn release_hellos(&self) {
        let held = self.state().held_hellos.take().unwrap();
        for (hello, reply) in held {
            reply.send(admit(&hello));
        }
    }
    pub(crate) fn deliver(&self, user: u64, device: u64, delivery: Delivery) {
        let state = self.state();
        let live = &state.live[&(UserId(user), DeviceId(device))];
        assert_eq!(live.link.deliver(delivery), Handover::Accepted);
    }

    /// Puts a message of `size` bytes into the queue of `user`.
    pub(crate) fn tell(&self, user: u64, conv: u64, text: &str) -> Arc<Event> {
        let author = Author { user: UserId(99), device: DeviceId(990), ..Author::default() };
        let body = text_body(text);
        let mut state = self.state();
        let event = append(&mut state, author, ConversationId(conv), Cid(0), body);
        state.queues.entry(UserId(user)).or_default().push(Arc::clone(&event));
        pump(&mut state, UserId(user));
        event
    }
}

/// The body of a text message.
pub(crate) fn text_body(text: &str) -> Bytes {
    let text = tenon_wire::v1::Text { text: text.to_owned() };
    let what = Some(tenon_wire::v1::content::What::Text(text));
    tenon_wire::encode(&tenon_wire::v1::Content { what, ..Default::default() })
}

fn append(
    state: &mut State,
    author: Author,
    conv: ConversationId,
    cid: Cid,
    body: Bytes,
) -> Arc<Event> {
    let events = state.events.entry(conv).or_default();
    let n = events.len() as u64 + 1;
    let message = Message {
        seq: Seq(n),
        ver: Ver(n),
        cnt: Cnt(n),
        message_id: MessageId(conv.0 * 1000 + n),
        sender: author.user,
        device: author.device,
        device_epoch: author.device_epoch,
        cid,
        ts: Timestamp(1_700_000_000_000 + n),
        kind: 1,
        body,
        ..Message::default()
    };
    let event = Arc::new(Event {
        org: ORG,
        conv,
        conv_epoch: ConvEpoch(0),
        rev: Rev(n),
        ts: message.ts,
        by: author.user,
        body: EventBody::Message(Arc::new(message)),
    });
    events.push(Arc::clone(&event));
    event
}

fn pump(state: &mut State, user: UserId) {
    let queue = state.queues.entry(user).or_default();
    let tip = Pts(queue.len() as u64);
    let mut refused = 0;
    for live in state.live.values_mut().filter(|l| l.key.user == user && l.is_streaming) {
        while live.sent < tip {
            let from = live.sent;
            let to = Pts((from.0 + 8).min(tip.0));
            let entries = (from.0..to.0).map(|at| BatchEntry {
                pts: Pts(at + 1),
                ts: Timestamp(1),
                told: Told::Event(Arc::clone(&queue[at as usize])),
            });
            let entries = entries.collect();
            let batch = Batch { queue_epoch: EPOCH, from, to, tip, entries };
            if live.link.deliver(Delivery::Batch(batch)) == Handover::Full {
                refused += 1;
                break;
            }
            live.sent = to;
        }
    }
    state.refused += refused;
}

fn tip_of(state: &State, conv: ConversationId) -> Tip {
    let n = state.events.get(&conv).map_or(0, Vec::len) as u64;
    Tip { conv, rev: Rev(n), seq: Seq(n), cnt: Cnt(n), ..Tip::default() }
}

fn admit(hello: &HelloRequest) -> Result<Admitted, Refusal> {
    let (Auth::Credential(secret) | Auth::Ticket(secret) | Auth::Resume(secret)) = &hello.auth;
    let mut author = author_of(secret).ok_or(Refusal::of(4002))?;
    if hello.device.is_some() && hello.device != author.device {
        return Err(Refusal::of(4002));
    }
    author.device_epoch = hello.device_epoch;
    Ok(Admitted {
        author,
        session: 11,
        resume: Bytes::from_static(b"resume"),
        resume_key: Bytes::from_static(b"key"),
        resume_until: Timestamp(u64::MAX),
    })
}

fn sign_in(login: &Login) -> Result<Credential, Refusal> {
    if login.password != LOGIN_PASSWORD {
        return Err(Refusal::of(4002));
    }
    let secret = secret(1, 10);
    Ok(Credential {
        author: author_of(&secret).unwrap(),
        name: login.name.clone(),
        secret: String::from_utf8(secret.to_vec()).unwrap(),
        ticket: secret,
        ticket_until: Timestamp(1_700_000_600_000),
    })
}

impl Accounts for Rooms {
    fn server(&self) -> ServerFacts {
        ServerFacts { organisation: Some("Acme".into()), is_demo: false, needs_setup: false }
    }

    /// Users with an even number administer.
    fn caller(&self, credential: &Bytes) -> Result<Caller, Refusal> {
        let author = author_of(credential).ok_or(Refusal::of(4002))?;
        let role = if author.user.0 % 2 == 0 { OrgRole::Admin } else { OrgRole::Member };
        Ok(Caller { author, name: "ann".into(), display: String::new(), role })
    }

    fn change_password(&self, _: Caller, password: NewPassword, reply: Reply<Result<(), Refusal>>) {
        reply.send(if password.old == "right" { Ok(()) } else { Err(Refusal::of(4002)) });
    }

    fn set_up(&self, _: String, _: Newcomer, reply: Reply<Result<Credential, Refusal>>) {
        reply.send(Err(Refusal::of(6024)));
    }

    fn look_at_invitation(
        &self,
        token: &str,
        _: Option<std::net::IpAddr>,
    ) -> Result<InvitationLook, Refusal> {
        let look = InvitationLook { organisation: "Acme".into(), ..InvitationLook::default() };
        if token == "good" { Ok(look) } else { Err(Refusal::of(6023)) }
    }

    fn accept_invitation(&self, person: Newcomer, reply: Reply<Result<Credential, Refusal>>) {
        let secret = secret(3, 30);
        reply.send(Ok(Credential {
            author: author_of(&secret).unwrap(),
            name: person.name,
            secret: String::from_utf8(secret.to_vec()).unwrap(),
            ticket: secret,
            ticket_until: Timestamp(1_700_000_600_000),
        }));
    }

    fn administer(&self, _: Caller, deed: Deed, reply: Reply<Result<Given, Refusal>>) {
        let made = Given {
            user: UserId(9),
            invitation: InvitationId(5),
            token: "secret".into(),
            expires: Timestamp(77),
        };
        reply.send(match deed {
            Deed::SetDisabled { .. } => Err(Refusal::of(6022)),
            _ => Ok(made),
        });
    }

    fn invitations(&self, _: &Caller) -> Vec<InvitationLine> {
        Vec::new()
    }

    fn audit(&self, _: Caller, _: u64, _: usize, reply: Reply<Result<Vec<AuditLine>, Refusal>>) {
        reply.send(Ok(Vec::new()));
    }
}

impl Supervision for Rooms {
    /// One row of each kind; what is asked for shows in it.
    fn look(&self, by: Caller, look: Look, reply: Reply<Result<Seen, Refusal>>) {
        assert_eq!(by.role, OrgRole::Admin, "the gate let somebody through");
        reply.send(match look {
            Look::Overview => Ok(Seen::Overview(Box::default())),
            Look::Users { query, after, limit } => Ok(Seen::Users(Page {
                rows: vec![UserLine {
                    name: format!("{query}/{after}/{limit}"),
                    is_imported: true,
                    ..UserLine::default()
                }],
                next: Some("bob".into()),
            })),
            Look::Groups { query, after, limit } => Ok(Seen::Groups(Page {
                rows: vec![GroupLine {
                    title: format!("{query}/{after}/{limit}"),
                    ..GroupLine::default()
                }],
                next: None,
            })),
            Look::Members { conv: ConversationId(8), .. } => Err(Refusal::of(6001)),
            Look::Members { conv, after, limit } => Ok(Seen::Members(Page {
                rows: vec![MemberName {
                    name: format!("{conv}/{after}/{limit}"),
                    ..MemberName::default()
                }],
                next: None,
            })),
            Look::Devices { user } => Ok(Seen::Devices(vec![DeviceOf {
                user,
                is_connected: true,
                ..DeviceOf::default()
            }])),
        });
    }

    fn act(&self, _: Caller, act: Act, reply: Reply<Result<(), Refusal>>) {
        reply.send(match act {
            Act::AddMember(ConversationId(5), UserId(3))
            | Act::RemoveMember(ConversationId(5), UserId(3))
            | Act::RevokeDevice(UserId(3), DeviceId(30)) => Ok(()),
            _ => Err(Refusal::of(6001)),
        });
    }
}

impl Admission for Rooms {
    fn hello(&self, hello: HelloRequest, reply: Reply<Result<Admitted, Refusal>>) {
        let mut state = self.state();
        state.hellos += 1;
        state.binding = hello.binding;
        if let Some(held) = &mut state.held_hellos {
            held.push((hello, reply));
            return;
        }
        drop(state);
        reply.send(admit(&hello));
    }

    fn login(&self, login: Login, reply: Reply<Result<Credential, Refusal>>) {
        let mut state = self.state();
        state.logins_open += 1;
        if state.holds_logins {
            state.held_logins.push((login, reply));
            return;
        }
        drop(state);
        reply.send(sign_in(&login));
    }

    fn refresh(&self, credential: Bytes, reply: Reply<Result<Credential, Refusal>>) {
        let given = author_of(&credential).ok_or(Refusal::of(4002)).map(|author| Credential {
            author,
            name: "ann".into(),
            secret: String::new(),
            ticket: credential,
            ticket_until: Timestamp(1_700_000_600_000),
        });
        reply.send(given);
    }

    fn mint(&self, _: Mint, reply: Reply<Result<Credential, Refusal>>) {
        reply.send(Err(Refusal::of(4002)));
    }

    fn sign_out(&self, author: Author, reply: Reply<Result<(), Refusal>>) {
        let key = (author.user, author.device);
        if let Some(live) = self.state().live.remove(&key) {
            assert_eq!(live.link.deliver(Delivery::Close { reason: 5 }), Handover::Accepted);
        }
        reply.send(Ok(()));
    }

    fn submit(&self, submit: Submit, reply: Reply<Outcome>) {
        let mut state = self.state();
        if let Some(held) = &mut state.held_submits {
            held.push((submit, reply));
            return;
        }
        if submit.conv == ConversationId(404) {
            drop(state);
            return reply.send(Outcome::Absent);
        }
        let key = (submit.conv, submit.author.device, submit.author.device_epoch);
        let last = state.chains.get(&key).copied().unwrap_or_default();
        if submit.cid != last.next() {
            drop(state);
            return reply.send(Outcome::Gap { expect: last.next() });
        }
        state.chains.insert(key, submit.cid);
        if submit.is_bad {
            drop(state);
            return reply.send(Outcome::Rejected(tenon_core::Rejection::BadBody));
        }
        let event = append(&mut state, submit.author, submit.conv, submit.cid, submit.message.body);
        let users: BTreeSet<_> = state.live.keys().map(|(user, _)| *user).collect();
        for user in users {
            state.queues.entry(user).or_default().push(Arc::clone(&event));
            pump(&mut state, user);
        }
        drop(state);
        let n = event.rev.0;
        let at = Accepted {
            seq: Seq(n),
            rev: Rev(n),
            cnt: Cnt(n),
            message_id: MessageId(submit.conv.0 * 1000 + n),
            ts: event.ts,
        };
        reply.send(Outcome::Ok(at));
    }

    fn submit_op(&self, submit: SubmitOp, reply: Reply<OpAnswer>) {
        reply.send(match submit.op {
            Some(Op::OpenDirect(user)) => OpAnswer::User(UserOutcome::Ok { id: 5000 + user.0 }),
            Some(_) => OpAnswer::Conversation(Outcome::Ok(Accepted::default())),
            None => OpAnswer::User(UserOutcome::Rejected(tenon_core::Rejection::BadBody)),
        });
    }

    fn mark_read(
        &self,
        _author: Author,
        marks: Vec<(ConversationId, Seq)>,
        reply: Reply<MarksAnswer>,
    ) {
        let done = marks.into_iter().map(|(conv, _)| conv).collect();
        reply.send(MarksAnswer { done, retry: Vec::new() });
    }

    fn read(&self, _author: Author, read: Read, reply: Reply<Result<Answer, Refusal>>) {
        let state = self.state();
        let answer = match read {
            Read::Items { convs, tips_only: true } => Ok(Answer::Items {
                items: Vec::new(),
                tips: convs.iter().map(|conv| tip_of(&state, *conv)).collect(),
                absent: Vec::new(),
            }),
            Read::List { limit, .. } => {
                let line = |conv| ListItem {
                    item: Item {
                        tip: tip_of(&state, conv),
                        title: "room".into(),
                        ..Item::default()
                    },
                    ..ListItem::default()
                };
                let items = state.events.keys().take(limit).map(|conv| line(*conv)).collect();
                Ok(Answer::List(ListPage { items, next: Bytes::new() }))
            }
            Read::History { conv, limit, .. } => match state.events.get(&conv) {
                None => Err(Refusal::of(6001)),
                Some(events) => Ok(Answer::History(HistoryPage {
                    conv,
                    lo: Seq(1),
                    hi: Seq(events.len() as u64),
                    rows: events.iter().rev().take(limit).rev().filter_map(message_of).collect(),
                    is_floor: true,
                    is_stable: true,
                    ..HistoryPage::default()
                })),
            },
            Read::Diffs(wants) => Ok(Answer::Diffs(
                wants
                    .iter()
                    .map(|want| match state.events.get(&want.conv) {
                        None => Diff::Absent { conv: want.conv },
                        Some(events) => Diff::Events {
                            tip: tip_of(&state, want.conv),
                            from: want.since,
                            to: Rev(events.len() as u64),
                            is_final: true,
                            events: events.iter().skip(want.since.0 as usize).cloned().collect(),
                        },
                    })
                    .collect(),
            )),
            _ => Err(Refusal::of(6015)),
        };
        drop(state);
        reply.send(answer);
    }
}

fn message_of(event: &Arc<Event>) -> Option<Arc<Message>> {
    match &event.body {
        EventBody::Message(message) => Some(Arc::clone(message)),
        _ => None,
    }
}

impl Users for Rooms {
    fn expect(&self, _: PartitionId, _: u64, _: Vec<Reply<UserOutcome>>) {}
    fn forget(&self, _: PartitionId, _: u64) -> Vec<Reply<UserOutcome>> {
        Vec::new()
    }

    fn attach(&self, attach: Attach, reply: Reply<Attached>) -> Handover {
        let mut state = self.state();
        let key = attach.key;
        let stored = state.conn_ctrs.get(&key.device).copied().unwrap_or_default();
        let is_newer_exchange = key.exchange > 0 && key.conn_ctr == stored;
        if key.conn_ctr <= stored && !is_newer_exchange {
            drop(state);
            reply.send(Attached::ConnectionStale);
            return Handover::Accepted;
        }
        state.conn_ctrs.insert(key.device, key.conn_ctr);
        let tip = Pts(state.queues.get(&key.user).map_or(0, Vec::len) as u64);
        let rebase = attach.cursor.is_none().then_some(1);
        let sent = attach.cursor.map_or(tip, |(_, pts)| pts);
        let live = Live { key, link: attach.link, sent, is_streaming: rebase.is_none() };
        if let Some(old) = state.live.insert((key.user, key.device), live) {
            // A link that is gone refuses, which is as good.
            let told = old.link.deliver(Delivery::Close { reason: 2 });
            assert!(matches!(told, Handover::Accepted | Handover::Full));
        }
        reply.send(Attached::Live {
            queue_epoch: EPOCH,
            tip,
            rebase,
            last_op: OpSeq(0),
            store_rolled_back: false,
            list_digest: 42,
            pull_convs: state.pull_convs.clone(),
        });
        pump(&mut state, key.user);
        Handover::Accepted
    }

    fn ack(&self, link: LinkKey, _: QueueEpoch, pts: Pts, _: Option<u32>) {
        let mut state = self.state();
        let acked = state.acked.entry(link.device).or_default();
        *acked = pts.max(*acked);
        pump(&mut state, link.user);
    }

    fn subscribe(&self, link: LinkKey, _: QueueEpoch, pts: Pts) {
        let mut state = self.state();
        if let Some(live) = state.live.get_mut(&(link.user, link.device)) {
            live.sent = pts;
            live.is_streaming = true;
        }
        pump(&mut state, link.user);
    }

    fn detach(&self, link: LinkKey) {
        let mut state = self.state();
        let at = (link.user, link.device);
        if state.live.get(&at).is_some_and(|live| live.key == link) {
            state.live.remove(&at);
        }
    }

    fn ask(
        &self,
        _: OrgId,
        user: UserId,
        question: UserQuestion,
        reply: Reply<UserAnswer>,
    ) -> Handover {
        let tip = Pts(self.state().queues.get(&user).map_or(0, Vec::len) as u64);
        if matches!(question, UserQuestion::Numbers) {
            reply.send(UserAnswer::Numbers { queue_epoch: EPOCH, tip, list_digest: 42 });
        }
        Handover::Accepted
    }

    fn revoke(&self, _: OrgId, _: UserId, _: Option<DeviceId>) -> Handover {
        Handover::Accepted
    }
}

impl Conversations for Rooms {
    fn expect(&self, _: PartitionId, _: u64, _: Vec<Reply<Outcome>>) {}
    fn forget(&self, _: PartitionId, _: u64) -> Vec<Reply<Outcome>> {
        Vec::new()
    }

    fn ask(
        &self,
        _: OrgId,
        _: ConversationId,
        question: ConversationQuestion,
        reply: Reply<ConversationAnswer>,
    ) -> Handover {
        let mut state = self.state();
        if let ConversationQuestion::Verify { users } = question {
            let inside = users.iter().copied().filter(|u| state.inside.contains(u)).collect();
            state.verified.push(users);
            let leave_ver = state.leave_ver;
            drop(state);
            reply.send(ConversationAnswer::Verified { inside, leave_ver });
        }
        Handover::Accepted
    }
}
