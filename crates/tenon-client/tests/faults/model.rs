//! A small server: one log per conversation, one queue per user, sender tables, and faults on the way down.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use tenon_base::{Deadline, Random, SeededRandom};
use tenon_wire::{
    ErrorCode, ServerEvent, ServerSession, event_type, flag, op_type, rebase_reason, v1,
};

#[path = "model/answers.rs"]
mod answers;

const UNIT: u32 = 1;
const EPOCH: u32 = 1;
/// A backlog above this gets Rebase.
const BACKLOG_MAX: u64 = 12;
/// Events of one difference.
const DIFF_MAX: usize = 8;
/// A difference further behind than this is too long.
const DIFF_BEHIND: u64 = 20;
/// Lines of a list page.
const PAGE: usize = 2;

/// How often each fault happens, in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub drop: u64,
    pub duplicate: u64,
    pub reorder: u64,
    pub lose_ack: u64,
    pub throttle: u64,
    pub park: u64,
    pub trim: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Conv {
    pub members: BTreeMap<u64, u64>,
    pub events: Vec<v1::SyncEvent>,
    pub is_pull: bool,
    tip_seq: u64,
    chains: BTreeMap<(u64, u32), Chain>,
    reads: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Default)]
struct Chain {
    last: u64,
    outcomes: BTreeMap<u64, v1::SendAck>,
}

#[derive(Debug, Clone)]
enum Entry {
    Rev(u64, u64),
    Plain(Box<v1::SyncEvent>),
}

#[derive(Debug, Default)]
struct User {
    queue: BTreeMap<u64, Entry>,
    tip: u64,
    trimmed: u64,
}

#[derive(Debug, Default)]
pub struct Device {
    pub user: u64,
    pub epoch: u32,
    conn_ctr: u64,
    pub acked: u64,
    conn: Option<u64>,
    ops: BTreeMap<(u32, u64), v1::OpAck>,
    op_last: u64,
}

struct Conn {
    session: ServerSession,
    device: u64,
    is_live: bool,
    is_streaming: bool,
    sent: u64,
    late: Option<v1::EventBatch>,
}

pub struct Model {
    pub convs: BTreeMap<u64, Conv>,
    pub devices: BTreeMap<u64, Device>,
    pub faults: Faults,
    pub has_digest: bool,
    users: BTreeMap<u64, User>,
    conns: BTreeMap<u64, Conn>,
    random: SeededRandom,
    next_conv: u64,
    ts: u64,
}

impl Model {
    pub fn new(seed: u64, devices: &[(u64, u64)]) -> Self {
        let device = |&(device, user): &(u64, u64)| (device, Device { user, ..Device::default() });
        Self {
            convs: BTreeMap::new(),
            devices: devices.iter().map(device).collect(),
            faults: Faults::default(),
            has_digest: false,
            users: devices.iter().map(|d| (d.1, User::default())).collect(),
            conns: BTreeMap::new(),
            random: SeededRandom::new(seed),
            next_conv: 1_000,
            ts: 1_000_000,
        }
    }

    fn chance(&self, per_mille: u64) -> bool {
        self.random.next_u64() % 1_000 < per_mille
    }

    pub fn tip(&self, user: u64) -> u64 {
        self.users[&user].tip
    }

    pub fn open(&mut self, conn: u64, device: u64, now: Deadline) {
        let session = ServerSession::new(now);
        let (is_live, is_streaming, sent, late) = (false, false, 0, None);
        self.conns.insert(conn, Conn { session, device, is_live, is_streaming, sent, late });
    }

    pub fn close(&mut self, conn: u64) {
        self.conns.remove(&conn);
    }

    /// Takes bytes of a device.
    pub fn bytes(&mut self, conn: u64, mut bytes: &[u8], now: Deadline) {
        while !bytes.is_empty() {
            let Some(c) = self.conns.get_mut(&conn) else { return };
            let taken = c.session.handle_bytes(bytes, now);
            bytes = &bytes[taken..];
            while let Some(event) = self.conns.get_mut(&conn).and_then(|c| c.session.poll_event()) {
                self.on_event(conn, event);
            }
            if taken == 0 {
                return;
            }
        }
    }

    /// What goes down on this link now; `None` if it is closed.
    pub fn transmit(&mut self, conn: u64) -> Option<Vec<u8>> {
        self.stream(conn);
        let c = self.conns.get_mut(&conn)?;
        let mut out = Vec::new();
        while let Some(bytes) = c.session.poll_transmit(64 * 1024) {
            out.extend_from_slice(&bytes);
        }
        Some(out)
    }

    fn on_event(&mut self, conn: u64, event: ServerEvent) {
        match event {
            ServerEvent::Hello(id, hello) => self.on_hello(conn, id, &hello),
            ServerEvent::Ping(id, _) => {
                let pong = self.pong(conn);
                self.conns.get_mut(&conn).unwrap().session.pong(id, &pong);
            }
            ServerEvent::Ack(ack) => self.on_ack(conn, &ack.cursors),
            ServerEvent::Subscribe(subscribe) => {
                let c = self.conns.get_mut(&conn).unwrap();
                if subscribe.from_pts < self.users[&self.devices[&c.device].user].trimmed {
                    self.conns.remove(&conn);
                    return;
                }
                c.sent = subscribe.from_pts;
                c.is_streaming = true;
                c.late = None;
            }
            ServerEvent::Send(id, send) => self.on_send(conn, id, *send),
            ServerEvent::Op(id, op) => self.on_op(conn, id, op),
            ServerEvent::ReadMarks(id, marks) => self.on_marks(conn, id, &marks),
            ServerEvent::Request(id, request) => self.on_request(conn, id, request),
            ServerEvent::Ended(end) => {
                assert_eq!(end.code, 0, "the device broke the protocol: {}", end.text);
                self.conns.remove(&conn);
            }
            _ => {}
        }
    }

    /// Sometimes with the first page.
    fn rebase_of(&self, device: u64, tip_pts: u64, is_new: bool) -> v1::Rebase {
        v1::Rebase {
            unit: UNIT,
            queue_epoch: EPOCH,
            tip_pts,
            reason: if is_new { rebase_reason::NEW_DEVICE } else { rebase_reason::TRIMMED },
            token: Bytes::from_static(b"0"),
            collections: Vec::new(),
            first: self.chance(700).then(|| self.list_page(device, 0)),
        }
    }

    /// Renews the epoch if that is asked; otherwise says what is stale.
    fn judge_hello(&mut self, hello: &v1::Hello) -> Option<ErrorCode> {
        let device = self.devices.get_mut(&hello.device).unwrap();
        if hello.renew_device_epoch {
            device.epoch = device.epoch.max(hello.device_epoch) + 1;
            device.op_last = 0;
            None
        } else if hello.device_epoch != device.epoch {
            Some(ErrorCode::DeviceEpochStale)
        } else if hello.conn_ctr <= device.conn_ctr {
            Some(ErrorCode::ConnectionStale)
        } else {
            None
        }
    }

    fn on_hello(&mut self, conn: u64, id: u32, hello: &v1::Hello) {
        let refusal = self.judge_hello(hello);
        if let Some(code) = refusal {
            let c = self.conns.get_mut(&conn).unwrap();
            c.session.close_with(tenon_wire::close_reason::AUTH_FAILED, Some(code), "hello");
            return;
        }
        let device = self.devices.get_mut(&hello.device).unwrap();
        device.conn_ctr = hello.conn_ctr;
        self.conns.get_mut(&conn).unwrap().device = hello.device;
        let old = device.conn.replace(conn);
        let (user_id, epoch) = (device.user, device.epoch);
        let (op_last, acked) = (device.op_last, device.acked);
        let user = &self.users[&user_id];
        let cursor = hello.cursors.first().copied();
        if !hello.renew_device_epoch {
            let pts = cursor.map_or(0, |c| c.pts);
            assert!(pts >= acked, "a cursor was acked before it was committed");
        }
        let action = match cursor {
            Some(c) if c.pts > user.tip => panic!("cursor {} above tip {}", c.pts, user.tip),
            Some(c) if c.pts >= user.trimmed && user.tip - c.pts <= BACKLOG_MAX => {
                v1::UnitAction::Continue
            }
            _ => v1::UnitAction::Rebase,
        };
        let state = v1::UnitState {
            unit: UNIT,
            queue_epoch: EPOCH,
            tip_pts: user.tip,
            action: action.into(),
            endpoints: Vec::new(),
        };
        let ack = v1::HelloAck {
            proto: 1,
            heartbeat_s: 30,
            window_bytes: 4_096,
            units: vec![state],
            device_epoch: epoch,
            last_op_seq: op_last,
            user: user_id,
            org: 1,
            tips: self.tips(user_id),
            ..v1::HelloAck::default()
        };
        if let Some(old) = old.filter(|old| *old != conn) {
            self.conns.remove(&old);
        }
        let tip = user.tip;
        let c = self.conns.get_mut(&conn).unwrap();
        c.is_live = true;
        c.session.accept(id, &ack);
        match (action, cursor) {
            (v1::UnitAction::Continue, Some(cursor)) => {
                c.sent = cursor.pts;
                c.is_streaming = true;
            }
            _ => {
                let is_new = cursor.is_none();
                let rebase = self.rebase_of(hello.device, tip, is_new);
                self.conns.get_mut(&conn).unwrap().session.rebase(&rebase);
            }
        }
    }

    fn tips(&self, user: u64) -> Vec<v1::ConvTip> {
        let pulls = self.convs.iter().filter(|(_, c)| c.is_pull && c.members.contains_key(&user));
        pulls
            .map(|(conv, c)| v1::ConvTip {
                conv: *conv,
                rev: c.events.len() as u64,
                seq: c.tip_seq,
                cnt: c.tip_seq,
                unit: UNIT,
                ..v1::ConvTip::default()
            })
            .collect()
    }

    fn pong(&self, conn: u64) -> v1::Pong {
        let user = self.devices[&self.conns[&conn].device].user;
        let tip = self.users[&user].tip;
        let mut pong = v1::Pong { tips: self.tips(user), ..v1::Pong::default() };
        pong.units.push(v1::UnitState {
            unit: UNIT,
            queue_epoch: EPOCH,
            tip_pts: tip,
            action: v1::UnitAction::Continue.into(),
            endpoints: Vec::new(),
        });
        if self.has_digest {
            let mine = self.convs.iter().filter(|(_, c)| !c.is_pull);
            let mine = mine.filter(|(_, c)| c.members.contains_key(&user));
            let digest = mine.fold(0_u64, |sum, (conv, c)| {
                sum.wrapping_add(tenon_base::digest::list_term(*conv, c.events.len() as u64, 0))
            });
            (pong.list_digest, pong.list_digest_pts) = (digest, tip);
        }
        pong
    }

    fn on_ack(&mut self, conn: u64, cursors: &[v1::Cursor]) {
        let device = self.conns[&conn].device;
        let device = self.devices.get_mut(&device).unwrap();
        for cursor in cursors {
            device.acked = device.acked.max(cursor.pts);
        }
        let user_id = device.user;
        if self.chance(self.faults.trim) {
            let floor = self.devices.values().filter(|d| d.user == user_id).map(|d| d.acked).max();
            let user = self.users.get_mut(&user_id).unwrap();
            user.trimmed = user.trimmed.max(floor.unwrap_or(0));
            user.queue = user.queue.split_off(&(user.trimmed + 1));
            // Who is behind the trim point comes back and gets Rebase.
            let trimmed = user.trimmed;
            let of_user = |c: &Conn| self.devices[&c.device].user == user_id;
            self.conns.retain(|_, c| !c.is_streaming || !of_user(c) || c.sent >= trimmed);
        }
    }

    fn stream(&mut self, conn: u64) {
        while let Some(batch) = self.next_batch(conn) {
            let (drop, duplicate, reorder) = (
                self.chance(self.faults.drop),
                self.chance(self.faults.duplicate),
                self.chance(self.faults.reorder),
            );
            let c = self.conns.get_mut(&conn).unwrap();
            let late = c.late.take();
            if reorder && late.is_none() {
                c.sent = batch.to_pts;
                c.late = Some(batch);
                continue;
            }
            if !drop && c.session.send_batch(&batch).is_err() {
                c.late = late;
                return;
            }
            c.sent = batch.to_pts;
            if duplicate && c.session.send_batch(&batch).is_err() {
                return;
            }
            if let Some(late) = late
                && c.session.send_batch(&late).is_err()
            {
                return;
            }
        }
    }

    fn next_batch(&self, conn: u64) -> Option<v1::EventBatch> {
        let c = self.conns.get(&conn).filter(|c| c.is_live)?;
        let device = &self.devices[&c.device];
        let user = &self.users[&device.user];
        if !c.is_streaming || c.sent >= user.tip {
            return None;
        }
        let from_pts = c.sent;
        let to_pts = user.tip.min(from_pts + 1 + self.random.next_u64() % 3);
        let entries = user.queue.range(from_pts + 1..=to_pts);
        let events = entries.map(|(pts, entry)| {
            let mut event = match entry {
                Entry::Plain(event) => (**event).clone(),
                Entry::Rev(conv, rev) => self.convs[conv].events[*rev as usize - 1].clone(),
            };
            event.pts = *pts;
            self.personal(&mut event, c.device);
            event
        });
        Some(v1::EventBatch {
            unit: UNIT,
            queue_epoch: EPOCH,
            from_pts,
            to_pts,
            events: events.collect(),
            ..v1::EventBatch::default()
        })
    }

    /// The event as this device may see it.
    fn personal(&self, event: &mut v1::SyncEvent, device: u64) {
        if event.device != 0 && self.devices[&event.device].user == self.devices[&device].user {
            event.flags |= flag::OWN;
        } else {
            (event.cid, event.device, event.device_epoch) = (0, 0, 0);
        }
    }

    fn enqueue(&mut self, user: u64, entry: Entry) {
        let user = self.users.get_mut(&user).unwrap();
        user.tip += 1;
        user.queue.insert(user.tip, entry);
    }

    /// Appends an event to a conversation and to the queues of its members.
    fn append(&mut self, conv: u64, mut event: v1::SyncEvent) -> u64 {
        self.ts += 1;
        let c = self.convs.get_mut(&conv).unwrap();
        event.conv = conv;
        event.rev = c.events.len() as u64 + 1;
        event.ts = self.ts;
        if event.r#type == event_type::MESSAGE {
            c.tip_seq += 1;
            (event.seq, event.cnt) = (c.tip_seq, c.tip_seq);
            event.message_id = conv * 1_000 + c.tip_seq;
        }
        let rev = event.rev;
        c.events.push(event);
        if !c.is_pull {
            for user in c.members.keys().copied().collect::<Vec<_>>() {
                self.enqueue(user, Entry::Rev(conv, rev));
            }
        }
        rev
    }

    fn on_send(&mut self, conn: u64, id: u32, send: v1::Send) {
        let device = self.conns[&conn].device;
        let user = self.devices[&device].user;
        let base = v1::SendAck { conv: send.conv, cid: send.cid, ..v1::SendAck::default() };
        let member = self.convs.get(&send.conv).is_some_and(|c| c.members.contains_key(&user));
        if !member {
            let info = ErrorCode::Absent.info(0, "no such conversation");
            self.conns.get_mut(&conn).unwrap().session.send_error(id, &info);
            return;
        }
        let is_stale_epoch = send.device_epoch != self.devices[&device].epoch;
        assert!(
            !is_stale_epoch || send.flags & flag::VOID != 0,
            "a command of an old device epoch without VOID"
        );
        if send.flags & flag::VOID == 0 && self.chance(self.faults.throttle) {
            let retry = v1::SendAck {
                status: v1::Status::Retry.into(),
                code: ErrorCode::Overload.number(),
                retry_after_ms: 200,
                ..base
            };
            self.conns.get_mut(&conn).unwrap().session.send_ack(id, &retry);
            return;
        }
        let key = (device, send.device_epoch);
        let chain = self.convs.get_mut(&send.conv).unwrap().chains.entry(key).or_default();
        let last = chain.last;
        let ack = if send.cid <= last {
            let first = chain.outcomes[&send.cid].clone();
            v1::SendAck { status: v1::Status::Duplicate.into(), ..first }
        } else if send.cid > last + 1 {
            let status = v1::Status::Gap.into();
            v1::SendAck { status, expect_cid: last + 1, ..base }
        } else {
            let outcome = self.decide(device, &send, base);
            let chain = self.convs.get_mut(&send.conv).unwrap().chains.entry(key).or_default();
            chain.last = send.cid;
            chain.outcomes.insert(send.cid, outcome.clone());
            outcome
        };
        let (is_lost, is_parked) =
            (self.chance(self.faults.lose_ack), self.chance(self.faults.park));
        let session = &mut self.conns.get_mut(&conn).unwrap().session;
        if is_parked && send.cid == last + 1 {
            let status = v1::Status::Parked.into();
            session.send_ack(
                id,
                &v1::SendAck { status, conv: ack.conv, cid: ack.cid, ..Default::default() },
            );
        } else if !is_lost {
            session.send_ack(id, &ack);
        }
    }

    fn decide(&mut self, device: u64, send: &v1::Send, base: v1::SendAck) -> v1::SendAck {
        let rejected = |code: ErrorCode| v1::SendAck {
            status: v1::Status::Rejected.into(),
            code: code.number(),
            ..base.clone()
        };
        if send.flags & flag::VOID != 0 {
            return rejected(ErrorCode::Cancelled);
        }
        if send.body.starts_with(b"bad") {
            return rejected(ErrorCode::Policy);
        }
        let event = v1::SyncEvent {
            r#type: event_type::MESSAGE,
            sender: self.devices[&device].user,
            body: send.body.clone(),
            kind: send.kind,
            cid: send.cid,
            device,
            device_epoch: send.device_epoch,
            ..v1::SyncEvent::default()
        };
        let rev = self.append(send.conv, event);
        let event = &self.convs[&send.conv].events[rev as usize - 1];
        v1::SendAck {
            status: v1::Status::Ok.into(),
            seq: event.seq,
            rev,
            cnt: event.cnt,
            message_id: event.message_id,
            ts: event.ts,
            unit: UNIT,
            ..base
        }
    }

    fn on_op(&mut self, conn: u64, id: u32, op: v1::Op) {
        let device = self.conns[&conn].device;
        if op.conv != 0 {
            return self.on_conv_op(conn, id, device, &op);
        }
        let key = (op.device_epoch, op.n);
        let held = &self.devices[&device];
        let base = v1::OpAck { n: op.n, ..v1::OpAck::default() };
        let ack = if let Some(first) = held.ops.get(&key) {
            v1::OpAck { status: v1::Status::Duplicate.into(), ..first.clone() }
        } else if op.flags & flag::VOID != 0 {
            let code = ErrorCode::Cancelled.number();
            v1::OpAck { status: v1::Status::Rejected.into(), code, ..base }
        } else if op.n != held.op_last + 1 {
            v1::OpAck { status: v1::Status::Gap.into(), expect_n: held.op_last + 1, ..base }
        } else if op.r#type == op_type::OPEN_DIRECT {
            let body = v1::OpenDirect::decode(op.body).unwrap();
            let pair = [held.user, body.user];
            let is_pair =
                |c: &Conv| c.members.len() == 2 && pair.iter().all(|u| c.members.contains_key(u));
            let found = self.convs.iter().find(|(_, c)| is_pair(c)).map(|(conv, _)| *conv);
            let conv = found.unwrap_or_else(|| self.create(pair[0], &[pair[1]], false));
            v1::OpAck { status: v1::Status::Accepted.into(), id: conv, ..base }
        } else {
            assert_eq!(op.r#type, op_type::CREATE_CONVERSATION);
            let body = v1::CreateConversation::decode(op.body).unwrap();
            let user = held.user;
            let is_pull = body.meta.is_some_and(|m| m.mode == v1::Mode::Pull as i32);
            let conv = self.create(user, &body.members, is_pull);
            v1::OpAck { status: v1::Status::Accepted.into(), id: conv, ..base }
        };
        let is_lost = self.chance(self.faults.lose_ack);
        let held = self.devices.get_mut(&device).unwrap();
        let is_final = ack.status != v1::Status::Gap as i32;
        if is_final && op.device_epoch == held.epoch {
            held.op_last = held.op_last.max(op.n);
        }
        if is_final {
            held.ops.entry(key).or_insert_with(|| ack.clone());
        }
        if !is_lost {
            self.conns.get_mut(&conn).unwrap().session.op_ack(id, &ack);
        }
    }

    fn on_conv_op(&mut self, conn: u64, id: u32, device: u64, op: &v1::Op) {
        let user = self.devices[&device].user;
        let key = (device, op.device_epoch);
        let Some(c) = self.convs.get_mut(&op.conv).filter(|c| c.members.contains_key(&user)) else {
            let info = ErrorCode::Absent.info(0, "no such conversation");
            self.conns.get_mut(&conn).unwrap().session.send_error(id, &info);
            return;
        };
        let chain = c.chains.entry(key).or_default();
        let last = chain.last;
        let mut ack = v1::OpAck { conv: op.conv, n: op.n, ..v1::OpAck::default() };
        if op.n <= last {
            let first = &chain.outcomes[&op.n];
            ack.status = v1::Status::Duplicate.into();
            (ack.rev, ack.code) = (first.rev, first.code);
        } else if op.n > last + 1 {
            ack.status = v1::Status::Gap.into();
            ack.expect_n = last + 1;
        } else {
            let recall = v1::Recall::decode(op.body.clone()).unwrap();
            let mut outcome = v1::SendAck { conv: op.conv, cid: op.n, ..v1::SendAck::default() };
            if op.flags & flag::VOID != 0 {
                outcome.code = ErrorCode::Cancelled.number();
            } else {
                outcome.rev = self.append(
                    op.conv,
                    v1::SyncEvent {
                        r#type: event_type::MESSAGE_RECALLED,
                        seq: recall.seq,
                        sender: user,
                        cid: op.n,
                        device,
                        device_epoch: op.device_epoch,
                        ..v1::SyncEvent::default()
                    },
                );
            }
            (ack.rev, ack.code) = (outcome.rev, outcome.code);
            let status = if ack.code == 0 { v1::Status::Ok } else { v1::Status::Rejected };
            ack.status = status.into();
            outcome.status = ack.status;
            let chain = self.convs.get_mut(&op.conv).unwrap().chains.entry(key).or_default();
            chain.last = op.n;
            chain.outcomes.insert(op.n, outcome);
        }
        if !self.chance(self.faults.lose_ack) {
            self.conns.get_mut(&conn).unwrap().session.op_ack(id, &ack);
        }
    }

    /// A new conversation of `owner` with `others`.
    pub fn create(&mut self, owner: u64, others: &[u64], is_pull: bool) -> u64 {
        let conv = self.next_conv;
        self.next_conv += 1;
        let members = others.iter().chain([&owner]).map(|user| (*user, 1)).collect();
        self.convs.insert(conv, Conv { members, is_pull: false, ..Conv::default() });
        let event = v1::SyncEvent { r#type: event_type::MEMBERS_CHANGED, ..Default::default() };
        self.append(conv, event);
        for user in self.convs[&conv].members.keys().copied().collect::<Vec<_>>() {
            let item = Some(self.item(conv, user));
            let body = v1::ConversationAdded { item, reason: 1, by: owner }.encode_to_vec().into();
            let r#type = event_type::CONVERSATION_ADDED;
            let event = v1::SyncEvent { r#type, conv, body, ..v1::SyncEvent::default() };
            self.enqueue(user, Entry::Plain(Box::new(event)));
        }
        self.convs.get_mut(&conv).unwrap().is_pull = is_pull;
        conv
    }
}
