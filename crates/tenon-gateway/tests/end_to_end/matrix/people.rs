//! The callers, and a wire that says exactly what it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tenon_base::{Clock, Deadline, OrgId, Timestamp};
use tenon_receiver::RateLimits;
use tenon_wire::frame::encode_frame;
use tenon_wire::v1::hello::Auth;
use tenon_wire::{
    Frame, FrameHeader, FrameLimits, FrameReader, Message as _, encode, kind, method, op_type,
    role, v1,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::RuntimeClock;
use crate::fake::text_body;
use crate::peer::{PATIENCE, hello};
use crate::real::{House, Plan, house_of};

/// Callers who are signed in.
pub(crate) const INSIDE: [&str; 5] = ["stranger", "former", "member", "admin", "owner"];
/// Callers without a right to a link: no Hello at all, no ticket at all, one that is over, one of another organisation's
/// server, the credential of a device that was removed, its ticket that still runs, and a disabled account's credential.
pub(crate) const OUTSIDE: [&str; 7] =
    ["nobody", "garbage", "expired", "foreign", "revoked", "removed", "disabled"];
/// Callers of a route.
pub(crate) const ROUTE: [&str; 10] = [
    "nobody", "garbage", "expired", "foreign", "revoked", "removed", "disabled", "app", "member",
    "chief",
];

/// The member's password, and the one of the organisation's administrator.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Stands in every title and text: whoever gets an answer with it was shown something.
pub(crate) const CANARY: &str = "canary-7f3a";

/// A clock whose wall time can be moved; waiting is not touched.
struct MovedClock {
    runtime: RuntimeClock,
    ahead_ms: AtomicU64,
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.runtime.now().0 + self.ahead_ms.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Deadline {
        self.runtime.monotonic()
    }
}

/// A socket and the frames on it.
pub(crate) struct Wire {
    socket: TcpStream,
    reader: FrameReader,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        Self { socket, reader: FrameReader::new(FrameLimits::DOWN) }
    }

    pub(crate) async fn put(&mut self, kind: u8, id: u32, payload: &[u8]) {
        self.put_all(&[(kind, id, payload.to_vec())]).await;
    }

    /// Frames in one write, so that the last is there before the first is judged.
    pub(crate) async fn put_all(&mut self, frames: &[(u8, u32, Vec<u8>)]) {
        let mut out = BytesMut::new();
        for (kind, id, payload) in frames {
            encode_frame(&mut out, FrameHeader::new(*kind, *id), payload).unwrap();
        }
        // A server that has ended the link may refuse the bytes.
        drop(self.socket.write_all(&out).await);
    }

    /// The next frame; `None` once the server has closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.reader.next().unwrap() {
                return Some(frame);
            }
            let mut bytes = vec![0; 16 * 1024];
            let read = tokio::time::timeout(PATIENCE, self.socket.read(&mut bytes)).await;
            match read.expect("the server says nothing") {
                Ok(0) | Err(_) => return None,
                Ok(len) => assert_eq!(self.reader.push(&bytes[..len]), len),
            }
        }
    }
}

/// Somebody who is signed in, with an open link.
pub(crate) struct Person {
    pub(crate) user: u64,
    pub(crate) credential: String,
    pub(crate) epoch: u32,
    pub(crate) wire: Wire,
    conn_ctr: u64,
    op_seq: u64,
    next_id: u32,
}

pub(crate) fn credential_hello(credential: &str, conn_ctr: u64) -> v1::Hello {
    let auth = Some(Auth::Credential(credential.to_owned().into()));
    v1::Hello { device_epoch: 0, renew_device_epoch: true, auth, ..hello(0, 0, conn_ctr, None) }
}

impl Person {
    async fn sign_in(address: SocketAddr, user: u64, credential: String) -> Self {
        let wire = Wire::open(address).await;
        let mut person =
            Self { user, credential, epoch: 0, wire, conn_ctr: 0, op_seq: 0, next_id: 10 };
        person.connect(address).await;
        person
    }

    /// A fresh link with a fresh device epoch and an empty cursor.
    pub(crate) async fn connect(&mut self, address: SocketAddr) {
        self.conn_ctr += 1;
        self.op_seq = 0;
        self.wire = Wire::open(address).await;
        let hello = credential_hello(&self.credential, self.conn_ctr);
        self.wire.put(kind::HELLO, 1, &hello.encode_to_vec()).await;
        loop {
            let frame = self.wire.next().await.expect("a welcome");
            match frame.kind {
                kind::HELLO_ACK => {
                    self.epoch = v1::HelloAck::decode(frame.payload).unwrap().device_epoch;
                }
                kind::REBASE => {
                    let rebase = v1::Rebase::decode(frame.payload).unwrap();
                    let (unit, from_pts) = (rebase.unit, rebase.tip_pts);
                    let queue_epoch = rebase.queue_epoch;
                    let subscribe = v1::Subscribe { unit, queue_epoch, from_pts };
                    self.wire.put(kind::SUBSCRIBE, 0, &subscribe.encode_to_vec()).await;
                    return;
                }
                // Tips of pull-mode conversations may come first.
                kind::CONV_TIPS | kind::UNIT_STATE => {}
                other => panic!("kind {other} before the rebase"),
            }
        }
    }

    pub(crate) const fn id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// The next frame; batches are acked.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let frame = self.wire.next().await?;
        if frame.kind == kind::EVENT_BATCH {
            let batch = v1::EventBatch::decode(frame.payload.clone()).unwrap();
            let (unit, queue_epoch) = (batch.unit, batch.queue_epoch);
            let cursor = v1::Cursor { unit, queue_epoch, pts: batch.to_pts };
            let ack = v1::Ack { cursors: vec![cursor], ..v1::Ack::default() };
            self.wire.put(kind::ACK, 0, &ack.encode_to_vec()).await;
        }
        Some(frame)
    }

    /// Says something and waits for what answers it, or for the end.
    pub(crate) async fn ask(&mut self, kind: u8, payload: &[u8]) -> Frame {
        let id = self.id();
        self.wire.put(kind, id, payload).await;
        loop {
            let frame = self.next().await.expect("an answer");
            if frame.id == id || frame.kind == kind::CLOSE {
                return frame;
            }
        }
    }

    /// Everything the server says up to the Pong of a Ping that is sent now; `None` at the end if it closed.
    pub(crate) async fn hear(&mut self) -> (Vec<Frame>, bool) {
        let id = self.id();
        let ping = v1::Ping { n: id, next_s: 60, ack: None };
        self.wire.put(kind::PING, id, &ping.encode_to_vec()).await;
        let mut heard = Vec::new();
        while let Some(frame) = self.next().await {
            let is_pong = frame.kind == kind::PONG && frame.id == id;
            heard.push(frame);
            if is_pong {
                return (heard, true);
            }
        }
        (heard, false)
    }

    pub(crate) async fn op(&mut self, conv: u64, n: u64, number: u32, body: Bytes) -> v1::OpAck {
        let frame = self.ask(kind::OP, &self.op_frame(conv, n, number, body)).await;
        assert_eq!(frame.kind, kind::OP_ACK, "{frame:?}");
        v1::OpAck::decode(frame.payload).unwrap()
    }

    pub(crate) fn op_frame(&self, conv: u64, n: u64, number: u32, body: Bytes) -> Vec<u8> {
        let device_epoch = self.epoch;
        v1::Op { conv, device_epoch, n, r#type: number, body, flags: 0 }.encode_to_vec()
    }

    pub(crate) const fn next_op(&mut self) -> u64 {
        self.op_seq += 1;
        self.op_seq
    }

    pub(crate) fn send_frame(&self, conv: u64, cid: u64, words: &str) -> Vec<u8> {
        let (device_epoch, body) = (self.epoch, text_body(words));
        v1::Send { conv, device_epoch, cid, kind: 1, body, ..v1::Send::default() }.encode_to_vec()
    }
}

/// A conversation with an owner, an admin, a member and somebody who was removed.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) conv: u64,
    /// The next cid of the owner in it.
    pub(crate) owner_cid: u64,
}

/// One organisation, its people, and what outsiders present.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) people: BTreeMap<&'static str, Person>,
    /// Two devices of the stranger's and the member's that are never used but named.
    pub(crate) spare: BTreeMap<&'static str, u64>,
    pub(crate) foreign_user: u64,
    expired: Bytes,
    foreign: String,
    revoked: String,
    removed: Bytes,
    disabled: String,
    app: String,
    house: House,
}

impl World {
    pub(crate) async fn new() -> Self {
        let runtime = RuntimeClock(tokio::time::Instant::now());
        let clock = Arc::new(MovedClock { runtime, ahead_ms: AtomicU64::new(0) });
        let plan = Plan { rates: RateLimits::OPEN, clock: Arc::clone(&clock) as _, ..Plan::new() };
        let house = house_of(plan).await;
        let mut users = house.users(&INSIDE).await;
        users.extend(house.users(&["away", "closed"]).await);
        let expired = ticket(house.address, &house.admin.mint("away", "old").await.unwrap()).await;
        clock.ahead_ms.store(11 * 60 * 1000, Ordering::SeqCst);
        let revoked = house.admin.mint("away", "gone").await.unwrap();
        let gone = device_of(&revoked);
        let removed = ticket(house.address, &revoked).await;
        let mut away = Person::sign_in(
            house.address,
            users[5].0,
            house.admin.mint("away", "a").await.unwrap(),
        )
        .await;
        let n = away.next_op();
        let body = encode(&v1::RemoveDevice { device: gone });
        let ack = away.op(0, n, op_type::REMOVE_DEVICE, body).await;
        assert_eq!(ack.status(), v1::Status::Ok);
        let disabled = house.admin.mint("closed", "phone").await.unwrap();
        house.admin.set_disabled("closed", true).await.unwrap();
        let app = house.admin.put_app("robot").await.unwrap();
        house.admin.set_password("member", PASSWORD.to_owned().into()).await.unwrap();

        let other = house_of(Plan { org: OrgId(2), key_seed: 98, ..Plan::new() }).await;
        let foreign_user = other.users(&["spy"]).await[0].0;
        let foreign = other.admin.mint("spy", "phone").await.unwrap();
        set_up(&house).await;
        let mut people = BTreeMap::new();
        let mut spare = BTreeMap::new();
        for (name, user) in INSIDE.into_iter().zip(&users) {
            let credential = house.admin.mint(name, "phone").await.unwrap();
            people.insert(name, Person::sign_in(house.address, user.0, credential).await);
            spare.insert(name, device_of(&house.admin.mint(name, "spare").await.unwrap()));
        }
        let members = ["owner", "member"].map(str::to_owned);
        house.admin.create_group(&format!("{CANARY}-named"), &members).await.unwrap();
        let address = house.address;
        Self {
            address,
            people,
            spare,
            foreign_user,
            expired,
            foreign,
            revoked,
            removed,
            disabled,
            app,
            house,
        }
    }

    pub(crate) fn person(&mut self, name: &str) -> &mut Person {
        self.people.get_mut(name).unwrap()
    }

    pub(crate) fn user(&self, name: &str) -> u64 {
        self.people[name].user
    }

    /// A named device of the removed account's that nobody uses.
    pub(crate) async fn fresh_device(&self, name: &str, label: &str) -> u64 {
        device_of(&self.house.admin.mint(name, label).await.unwrap())
    }

    /// What an outsider presents; `None` says no Hello.
    pub(crate) fn auth(&self, caller: &str) -> Option<Auth> {
        match caller {
            "garbage" => Some(Auth::Credential(Bytes::from_static(b"tnd_garbage"))),
            "expired" => Some(Auth::Ticket(self.expired.clone())),
            "foreign" => Some(Auth::Credential(self.foreign.clone().into())),
            "revoked" => Some(Auth::Credential(self.revoked.clone().into())),
            "removed" => Some(Auth::Ticket(self.removed.clone())),
            "disabled" => Some(Auth::Credential(self.disabled.clone().into())),
            "app" => Some(Auth::Credential(self.app.clone().into())),
            _ => None,
        }
    }

    /// The same as a bearer; a ticket is no text, so its owner presents it as base64. The member's and the
    /// chief's are of devices that do nothing else.
    pub(crate) async fn bearer(&self, caller: &str) -> Option<String> {
        if ["member", "chief"].contains(&caller) {
            return Some(self.house.admin.mint(caller, "routes").await.unwrap());
        }
        Some(match self.auth(caller)? {
            Auth::Credential(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Auth::Ticket(_) | Auth::Resume(_) => "AAEAAAAB".to_owned(),
        })
    }

    /// A conversation in which nothing but its making has happened.
    pub(crate) async fn group(&mut self) -> Group {
        let (admin, member, former) =
            (self.user("admin"), self.user("member"), self.user("former"));
        let owner = self.person("owner");
        let meta = v1::ConvMeta { title: CANARY.into(), ..v1::ConvMeta::default() };
        let members = vec![admin, member, former];
        let create = v1::CreateConversation { meta: Some(meta), members, join_policy: 0 };
        let n = owner.next_op();
        let made = owner.op(0, n, op_type::CREATE_CONVERSATION, encode(&create)).await;
        assert_eq!(made.status(), v1::Status::Accepted, "{made:?}");
        let conv = made.id;
        let set = v1::SetRole { user: admin, role: role::ADMIN };
        let ack = owner.op(conv, 1, op_type::SET_ROLE, encode(&set)).await;
        assert_eq!(ack.status(), v1::Status::Ok, "{ack:?}");
        let frame = owner.ask(kind::SEND, &owner.send_frame(conv, 2, CANARY)).await;
        assert_eq!(frame.kind, kind::SEND_ACK);
        let remove = v1::RemoveMembers { users: vec![former], block: false };
        let ack = owner.op(conv, 3, op_type::REMOVE_MEMBERS, encode(&remove)).await;
        assert_eq!(ack.status(), v1::Status::Ok, "{ack:?}");
        // Everybody has heard of it all before somebody is tried.
        self.until_told("former", conv, tenon_wire::event_type::CONVERSATION_REMOVED).await;
        self.until_told("member", conv, tenon_wire::event_type::CONVERSATION_ADDED).await;
        self.until_told("admin", conv, tenon_wire::event_type::CONVERSATION_ADDED).await;
        Group { conv, owner_cid: 4 }
    }

    async fn until_told(&mut self, name: &str, conv: u64, wanted: u32) {
        let person = self.person(name);
        loop {
            let frame = person.next().await.expect("open");
            if frame.kind != kind::EVENT_BATCH {
                continue;
            }
            let batch = v1::EventBatch::decode(frame.payload).unwrap();
            let is_it = |e: &v1::SyncEvent| e.r#type == wanted && e.conv == conv;
            if batch.events.iter().any(is_it) {
                return;
            }
        }
    }

    /// What the owner sees of a conversation: its line and its members.
    pub(crate) async fn state_of(&mut self, group: &Group) -> (v1::ConvItems, v1::RosterPage) {
        let owner = self.person("owner");
        let items = v1::GetConvItems { convs: vec![group.conv], tips_only: false };
        let items = owner.request(method::GET_CONV_ITEMS, encode(&items)).await;
        let roster = v1::GetRoster { conv: group.conv, ..v1::GetRoster::default() };
        let roster = owner.request(method::GET_ROSTER, encode(&roster)).await;
        (v1::ConvItems::decode(items).unwrap(), v1::RosterPage::decode(roster).unwrap())
    }
}

impl Person {
    async fn request(&mut self, method: u32, body: Bytes) -> Bytes {
        let request = v1::ReadRequest { method, body, fence: None };
        let frame = self.ask(kind::REQUEST, &request.encode_to_vec()).await;
        assert_eq!(frame.kind, kind::RESPONSE, "{frame:?}");
        v1::ReadResponse::decode(frame.payload).unwrap().body
    }
}

/// The device in the clear part of a credential.
pub(crate) fn device_of(credential: &str) -> u64 {
    u64::from_str_radix(&credential[4..20], 16).unwrap()
}

/// The organisation gets its first administrator, as the operator's link makes him.
async fn set_up(house: &House) {
    let (token, _) = house.admin.setup_link().await.unwrap().unwrap();
    let body = serde_json::json!({
        "token": token, "organisation": "Acme", "name": "chief", "password": PASSWORD,
        "label": "desk", "device_kind": 3,
    });
    let head = "Content-Type: application/json\r\n";
    let body = body.to_string();
    let (status, _) =
        super::rows::http(house.address, "POST", "/v1/setup", head, body.as_bytes()).await;
    assert_eq!(status, 200);
}

/// A ticket, from a credential.
async fn ticket(address: SocketAddr, credential: &str) -> Bytes {
    let head = format!("Authorization: Bearer {credential}\r\n");
    let (status, body) = super::rows::http(address, "POST", "/v1/ticket", &head, &[]).await;
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let response =
        serde_json::json!({ "id": 1, "last": true, "hello": { "ticket": body["ticket"] } });
    let text = response.to_string();
    let read = tenon_wire::json::from_json(text.as_bytes(), 1 << 16, &|_| None).unwrap();
    match read.into_iter().next().unwrap().frame.unwrap() {
        v1::envelope::Frame::Hello(hello) => match hello.auth.unwrap() {
            Auth::Ticket(ticket) => ticket,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
