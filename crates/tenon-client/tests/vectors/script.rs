//! How a case is written down: inputs with their times.

use prost::Message;
use serde_json::{Value, json};
use tenon_wire::v1::envelope::Frame as Arm;
use tenon_wire::{event_type, json as wire_json, v1};

/// A case before it has outputs.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: String,
    pub desc: String,
    pub config: Value,
    pub inputs: Vec<(u64, Value)>,
}

/// Writes one case, step by step.
pub struct Script {
    case: Case,
    at: u64,
}

pub const DEVICE: u64 = 11;
pub const USER: u64 = 1;
pub const CONV: u64 = 100;

impl Script {
    pub fn new(id: &str, desc: &str) -> Self {
        let config = json!({"seed": 1, "device": DEVICE.to_string()});
        let case = Case { id: id.into(), desc: desc.into(), config, inputs: Vec::new() };
        Self { case, at: 1_000 }
    }

    pub fn done(self) -> Case {
        self.case
    }

    pub fn put(&mut self, input: Value) -> &mut Self {
        self.case.inputs.push((self.at, input));
        self
    }

    /// Lets time pass, and the timers that fall into it.
    pub fn wait(&mut self, ms: u64) -> &mut Self {
        self.at += ms;
        self.put(json!({"time": true}))
    }

    pub fn start(&mut self) -> &mut Self {
        self.put(json!({"start": true})).put(json!({"link": "up"}))
    }

    pub fn cut(&mut self) -> &mut Self {
        self.put(json!({"link": "down"}))
    }

    /// Commits wait from now on.
    pub fn hold(&mut self) -> &mut Self {
        self.put(json!({"commits": "hold"}))
    }

    /// The waiting commit happens, and later ones at once.
    pub fn go_on(&mut self) -> &mut Self {
        self.put(json!({"commits": "go"}))
    }

    /// The process dies while a commit waits; it happened or not. A new one opens the store and starts.
    pub fn crash(&mut self, happened: bool) -> &mut Self {
        self.put(json!({"crash": if happened { "committed" } else { "lost" }}))
    }

    pub fn frame(&mut self, arm: Arm) -> &mut Self {
        self.frame_of(0, arm)
    }

    /// A frame that answers the frame with this id.
    pub fn frame_of(&mut self, id: u32, arm: Arm) -> &mut Self {
        let envelope = v1::Envelope { id, last: true, frame: Some(arm) };
        let text = wire_json::to_json(&[envelope], &|_| None).unwrap();
        self.put(json!({"frame": serde_json::from_str::<Value>(&text).unwrap()}))
    }

    /// The answer to a request.
    pub fn respond<M: Message>(&mut self, id: u32, body: &M) -> &mut Self {
        let body = body.encode_to_vec().into();
        self.frame_of(id, Arm::Response(v1::ReadResponse { body, fence: None }))
    }

    pub fn error(&mut self, id: u32, code: u32, retry_after_ms: u32) -> &mut Self {
        self.frame_of(id, Arm::Error(v1::ErrorInfo { code, retry_after_ms, ..Default::default() }))
    }

    pub fn send(&mut self, ticket: u64, text: &str) -> &mut Self {
        self.put(json!({"send": {"ticket": ticket, "conv": CONV, "text": text}}))
    }

    pub fn hello_ack(&mut self, epoch: u32, action: v1::UnitAction, tip: u64) -> &mut Self {
        self.frame_of(1, Arm::HelloAck(hello_ack(epoch, action, tip)))
    }

    /// A device that has read its list: queue at pts 10, one conversation at `rev` = `seq`.
    pub fn ready(&mut self, rev: u64) -> &mut Self {
        self.start().hello_ack(2, v1::UnitAction::Rebase, 10).frame(Arm::Rebase(v1::Rebase {
            first: Some(page(vec![item(CONV, rev)])),
            ..rebase(10)
        }))
    }

    /// The link ends and a new one goes on from the cursor.
    pub fn again(&mut self, tip: u64) -> &mut Self {
        self.cut().wait(1_000).put(json!({"link": "up"})).hello_ack(
            2,
            v1::UnitAction::Continue,
            tip,
        )
    }

    pub fn batch(&mut self, from: u64, to: u64, events: Vec<v1::SyncEvent>) -> &mut Self {
        self.frame(Arm::EventBatch(batch(from, to, events)))
    }
}

pub fn hello_ack(device_epoch: u32, action: v1::UnitAction, tip_pts: u64) -> v1::HelloAck {
    let units = vec![unit_state(1, action, tip_pts)];
    v1::HelloAck {
        proto: 1,
        heartbeat_s: 30,
        units,
        device_epoch,
        user: USER,
        org: 1,
        ..Default::default()
    }
}

pub fn unit_state(queue_epoch: u32, action: v1::UnitAction, tip_pts: u64) -> v1::UnitState {
    v1::UnitState { unit: 1, queue_epoch, tip_pts, action: action.into(), endpoints: Vec::new() }
}

pub fn rebase(tip_pts: u64) -> v1::Rebase {
    let token = bytes::Bytes::from_static(b"t");
    v1::Rebase { unit: 1, queue_epoch: 1, tip_pts, reason: 1, token, ..Default::default() }
}

pub fn page(items: Vec<v1::ConvItem>) -> v1::ConvListPage {
    v1::ConvListPage { items, done: true, ..Default::default() }
}

/// A line whose every event was a message.
pub fn item(conv: u64, rev: u64) -> v1::ConvItem {
    v1::ConvItem {
        conv,
        tip_rev: rev,
        tip_seq: rev,
        tip_cnt: rev,
        last: (rev > 0).then(|| row(rev)),
        join_rev: 1,
        meta: Some(v1::ConvMeta {
            ver: 1,
            mode: v1::Mode::Queue.into(),
            unit: 1,
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn text_of(text: &str) -> bytes::Bytes {
    let what = Some(v1::content::What::Text(v1::Text { text: text.into() }));
    v1::Content { what, ..Default::default() }.encode_to_vec().into()
}

pub fn row(seq: u64) -> v1::MessageRow {
    v1::MessageRow {
        seq,
        ver: seq,
        cnt: seq,
        message_id: 1_000 + seq,
        sender: 2,
        ts: 5_000 + seq,
        kind: 1,
        body: text_of(&format!("m{seq}")),
        ..Default::default()
    }
}

pub fn batch(from_pts: u64, to_pts: u64, events: Vec<v1::SyncEvent>) -> v1::EventBatch {
    v1::EventBatch { unit: 1, queue_epoch: 1, from_pts, to_pts, events, ..Default::default() }
}

/// A message of another user: rev and seq are equal.
pub fn message(pts: u64, rev: u64) -> v1::SyncEvent {
    v1::SyncEvent {
        pts,
        r#type: event_type::MESSAGE,
        conv: CONV,
        rev,
        seq: rev,
        cnt: rev,
        sender: 2,
        ts: 5_000 + rev,
        kind: 1,
        body: text_of(&format!("m{rev}")),
        message_id: 1_000 + rev,
        ..Default::default()
    }
}

/// A message that this device sent.
pub fn own(pts: u64, rev: u64, cid: u64) -> v1::SyncEvent {
    let (device, device_epoch, sender) = (DEVICE, 2, USER);
    v1::SyncEvent { cid, device, device_epoch, sender, ..message(pts, rev) }
}

/// Any other event.
pub fn event<M: Message>(pts: u64, r#type: u32, rev: u64, body: &M) -> v1::SyncEvent {
    let body = body.encode_to_vec().into();
    v1::SyncEvent { pts, r#type, conv: CONV, rev, body, ..Default::default() }
}

/// A difference of messages.
pub fn diff(from_rev: u64, to_rev: u64, tip_rev: u64) -> v1::ConvDiff {
    v1::ConvDiff {
        conv: CONV,
        from_rev,
        to_rev,
        r#final: to_rev == tip_rev,
        events: (from_rev + 1..=to_rev).map(|rev| message(0, rev)).collect(),
        tip_rev,
        tip_seq: tip_rev,
        tip_cnt: tip_rev,
        ..Default::default()
    }
}

pub fn diff_answer(diff: v1::ConvDiff) -> v1::ConvDiffAnswer {
    v1::ConvDiffAnswer { what: Some(v1::conv_diff_answer::What::Diff(diff)) }
}

pub fn send_ack(status: v1::Status, cid: u64) -> v1::SendAck {
    v1::SendAck { conv: CONV, cid, status: status.into(), ..Default::default() }
}

/// OK at this rev.
pub fn sent(cid: u64, rev: u64) -> v1::SendAck {
    let (message_id, ts) = (1_000 + rev, 5_000 + rev);
    v1::SendAck { seq: rev, rev, cnt: rev, message_id, ts, ..send_ack(v1::Status::Ok, cid) }
}

pub fn tip(rev: u64) -> v1::ConvTip {
    v1::ConvTip { conv: CONV, rev, seq: rev, cnt: rev, unit: 1, ..Default::default() }
}
