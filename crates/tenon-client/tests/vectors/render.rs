//! Rows, events and answers as JSON: what another engine must produce. Fields that are 0, false or absent are left out.

use serde_json::{Map, Value, json};
use tenon_client::row::{
    ConversationRow, DeviceRow, IntervalsRow, Loaded, OutboxRow, Settled, StreamRow,
};
use tenon_client::store::Change;
use tenon_client::{Answer, AppEvent, ConnectionState, StoreOp};

/// Drops what is empty, at the first level.
fn lean(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let is_full = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty() && text != "0",
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    };
    Value::Object(map.into_iter().filter(|(_, v)| is_full(v)).collect::<Map<_, _>>())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn device(row: &DeviceRow) -> Value {
    lean(json!({
        "device": row.device.to_string(), "device_epoch": row.device_epoch, "conn_ctr": row.conn_ctr,
        "next_op_seq": row.next_op_seq, "user": row.user.to_string(), "org": row.org.to_string(),
        "next_local": row.next_local, "next_event": row.next_event, "needs_epoch": row.needs_epoch,
    }))
}

fn stream(row: &StreamRow) -> Value {
    let rebase = row
        .rebase
        .as_ref()
        .map(|r| lean(json!({"p0": r.p0, "token": hex(&r.token), "next": hex(&r.next)})));
    lean(json!({
        "unit": row.unit, "queue_epoch": row.queue_epoch, "pts": row.pts,
        "rebase_reason": row.rebase_reason, "generation": row.generation, "rebase": rebase,
    }))
}

fn conversation(row: &ConversationRow) -> Value {
    lean(json!({
        "conv": row.conv.to_string(), "conv_epoch": row.conv_epoch, "epoch_known": row.epoch_known,
        "rev": row.rev, "known": row.known, "break_rev": row.break_rev, "tip_seq": row.tip_seq,
        "tip_cnt": row.tip_cnt, "floor_seq": row.floor_seq, "floor_cnt": row.floor_cnt,
        "over": row.over, "inbox_known": row.inbox_known, "tip_pcnt": row.tip_pcnt,
        "read_seq": row.read_seq, "read_cnt": row.read_cnt, "read_pcnt": row.read_pcnt,
        "own_auto": row.own_auto, "mention_seq": row.mention_seq,
        "peer_read_seq": row.peer_read_seq, "sort_ts": row.sort_ts, "next_cid": row.next_cid,
        "summary": row.summary, "meta": row.meta, "state": row.state, "generation": row.generation,
        "is_update_needed": row.is_update_needed, "role": row.role, "join_rev": row.join_rev,
        "overlay": row.overlay, "absent_below": row.absent_below,
    }))
}

fn intervals(row: &IntervalsRow) -> Value {
    row.intervals.iter().map(|i| json!([i.lo, i.hi, i.vrev])).collect()
}

fn outbox(row: &OutboxRow) -> Value {
    lean(json!({
        "local": row.local, "conv": row.conv.to_string(), "device_epoch": row.device_epoch,
        "n": row.n, "send": row.send, "op": row.op, "after": row.after,
        "first_at_ms": row.first_at_ms, "is_void": row.is_void, "void_code": row.void_code,
        "is_doubtful": row.is_doubtful,
    }))
}

fn change(change: &Change) -> Value {
    match change {
        Change::Content { kind, body, mentions, edited_ms } => json!({"content": lean(json!({
            "kind": kind, "body": hex(body), "mentions": mentions, "edited_ms": edited_ms}))}),
        Change::Tombstone(flag) => json!({"tombstone": flag}),
        Change::Reactions(reactions) => json!({"reactions": reactions}),
    }
}

/// A step of a transaction.
pub fn op(op: &StoreOp) -> Value {
    match op {
        StoreOp::Device(row) => json!({"device": device(row)}),
        StoreOp::Stream(row) => json!({"cursor": stream(row)}),
        StoreOp::Conversation(row) => json!({"conversation": conversation(row)}),
        StoreOp::Intervals(conv, row) => {
            json!({"intervals": {"conv": conv.to_string(), "rows": intervals(row)}})
        }
        StoreOp::Message(conv, row) => json!({"message": {"conv": conv.to_string(), "row": row}}),
        StoreOp::Change { conv, seq, ver, change: what } => json!({"change": {
            "conv": conv.to_string(), "seq": seq, "ver": ver, "what": change(what)}}),
        StoreOp::Gone { conv, lo, hi } => {
            json!({"gone": {"conv": conv.to_string(), "lo": lo, "hi": hi.to_string()}})
        }
        StoreOp::Private(conv, row) => json!({"private": {"conv": conv.to_string(), "row": row}}),
        StoreOp::Outbox(row) => json!({"outbox": outbox(row)}),
        StoreOp::OutboxDone(local) => json!({"outbox_done": local}),
        StoreOp::ReadPending(row) => json!({"read_pending": lean(json!({
            "conv": row.conv.to_string(), "up_to_seq": row.up_to_seq, "up_to_pcnt": row.up_to_pcnt}))}),
        StoreOp::ReadDone(conv) => json!({"read_done": conv.to_string()}),
        StoreOp::Event(row) => json!({"module_inbox": row.n}),
        StoreOp::EventsDone(n) => json!({"events_done": n}),
        StoreOp::Opaque(row) => json!({"opaque": row.pts}),
    }
}

fn settled(row: &Settled) -> Value {
    lean(json!({
        "local": row.local, "conv": row.conv.to_string(), "code": row.code, "seq": row.seq,
        "rev": row.rev, "pid": row.pid, "id": row.id.to_string(), "ts": row.ts,
        "is_offered_again": row.is_offered_again, "args": row.args, "has_send": row.send.is_some(),
    }))
}

/// What the app hears.
pub fn app_event(event: &AppEvent) -> Value {
    match event {
        AppEvent::Sync { n, event } => json!({"n": n, "sync": event}),
        AppEvent::Settled { n, settled: row } => json!({"n": n, "settled": settled(row)}),
        AppEvent::Jumped { n, jumped } => json!({"n": n, "jumped": {
            "conv": jumped.conv.to_string(), "from_rev": jumped.from_rev, "to_rev": jumped.to_rev}}),
        AppEvent::Rebased { n, rebased } => {
            json!({"n": n, "rebased": {"unit": rebased.unit, "reason": rebased.reason}})
        }
        AppEvent::ListComplete => json!("list_complete"),
        AppEvent::Ephemeral(ephemeral) => json!({"ephemeral": ephemeral}),
        AppEvent::AuthWanted => json!("auth_wanted"),
        AppEvent::State(state) => json!({"state": match state {
            ConnectionState::Offline => json!("offline"),
            ConnectionState::Connecting => json!("connecting"),
            ConnectionState::Live => json!("live"),
            ConnectionState::Backoff { wait, code, .. } => {
                json!({"backoff_us": u64::try_from(wait.as_micros()).unwrap(), "code": code})
            }
            ConnectionState::Stopped { code, .. } => json!({"stopped": code}),
        }}),
    }
}

/// The answer to a command.
pub fn answer(said: &Answer) -> Value {
    match said {
        Answer::Queued { local } => json!({"queued": local}),
        Answer::History(h) => json!({"history": lean(json!({
            "conv": h.conv.to_string(), "lo": h.lo, "hi": h.hi, "is_floor": h.is_floor,
            "is_stable": h.is_stable, "rows": h.rows, "privates": h.privates, "overlay": h.overlay}))}),
        Answer::Response(body) => json!({"response": hex(body)}),
        Answer::Refused(info) => json!({"refused": info.code}),
    }
}

/// Everything that a store holds but messages.
pub fn loaded(loaded: &Loaded) -> Value {
    json!({
        "device": loaded.device.as_ref().map(device),
        "cursor": loaded.streams.iter().map(stream).collect::<Vec<_>>(),
        "conversation": loaded.conversations.iter().map(conversation).collect::<Vec<_>>(),
        "interval": loaded.intervals.iter()
            .map(|(conv, row)| json!([conv.to_string(), intervals(row)])).collect::<Vec<_>>(),
        "outbox": loaded.outbox.iter().map(outbox).collect::<Vec<_>>(),
        "read_pending": loaded.reads.iter().map(|r| {
            json!([r.conv.to_string(), r.up_to_seq, r.up_to_pcnt])
        }).collect::<Vec<_>>(),
        "module_inbox": loaded.events.iter().map(|e| e.n).collect::<Vec<_>>(),
    })
}
