//! Records what this device asked for, was answered and was shown (`docs/formats/history.md`).
//!
//! Lines are appended one by one, so several processes may write to one file and a crash tears at most the last
//! line. Lines wait in memory until the device knows its user: nothing can have happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use tenon_base::Timestamp;
use tenon_wire::{event_type, flag, v1};

use super::handle::HistoryRows;
use crate::engine::{AppEvent, ListLine};
use crate::row::{DeviceRow, Settled};

/// Lines that wait for the first Hello; more commands than this do not fit into an outbox anyway.
const WAITING_MAX: usize = 4_096;
/// Version of the format.
const VERSION: u32 = 1;
/// Bytes of a digest that are written.
const DIGEST_BYTES: usize = 16;

/// Where a history is written, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordTo {
    /// The file; lines are appended.
    pub path: PathBuf,
    /// Name of this device in the history: the same over restarts, and no other's.
    pub actor: Arc<str>,
}

/// A history that is being written: what the driver of an engine tells it.
pub struct Record {
    out: Option<Box<dyn Write + Send>>,
    is_kept: bool,
    actor: Arc<str>,
    /// The user is known, and the first line written.
    is_open: bool,
    n: u64,
    waiting: Vec<(Timestamp, &'static str, Value)>,
    /// Sends by ticket that are not yet queued: conversation and content.
    offered: BTreeMap<u64, (u64, Value)>,
    /// Local ids of sends without outcome that this process began.
    begun: BTreeSet<u64>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("actor", &self.actor)
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// Opens the file for appending, made if absent. `is_kept`: the store outlives the process.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(to: &RecordTo, is_kept: bool) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&to.path)?;
        let mut start = String::new();
        if file.seek(SeekFrom::End(0))? == 0 {
            let target = concat!("tenon-rust/", env!("CARGO_PKG_VERSION"));
            start = format!("{}\n", json!({ "tenon_history": VERSION, "target": target }));
        } else {
            // A line that a crash tore must not run into the next one.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                start.push('\n');
            }
        }
        file.write_all(start.as_bytes())?;
        Ok(Self::to(Box::new(file), Arc::clone(&to.actor), is_kept))
    }

    /// Writes lines to `out`, each in one call; the header is the caller's.
    pub fn to(out: Box<dyn Write + Send>, actor: Arc<str>, is_kept: bool) -> Self {
        Self {
            out: Some(out),
            is_kept,
            actor,
            is_open: false,
            n: 0,
            waiting: Vec::new(),
            offered: BTreeMap::new(),
            begun: BTreeSet::new(),
        }
    }

    /// Looks whether the device knows by now who it is.
    pub fn identify(&mut self, device: &DeviceRow, now: Timestamp) {
        if device.user != 0 {
            self.begin(device.user, now);
        }
    }

    /// Says whose device it is, where that is known before the first sign-in; later calls say nothing new.
    pub fn begin(&mut self, user: u64, now: Timestamp) {
        if self.is_open {
            return;
        }
        self.is_open = true;
        let store = if self.is_kept { "kept" } else { "new" };
        let first = self.waiting.first().map_or(now, |(at, _, _)| *at);
        self.put(first, "open", json!({ "user": user.to_string(), "store": store }));
        for (at, op, fields) in std::mem::take(&mut self.waiting) {
            self.put(at, op, fields);
        }
    }

    fn put(&mut self, at: Timestamp, op: &'static str, fields: Value) {
        if !self.is_open {
            if self.waiting.len() < WAITING_MAX {
                self.waiting.push((at, op, fields));
            } else {
                self.stop("too many lines wait for a sign-in");
            }
            return;
        }
        let Some(out) = &mut self.out else { return };
        self.n += 1;
        let mut line = Map::new();
        line.insert("at_us".into(), at.0.saturating_mul(1000).into());
        line.insert("actor".into(), (&*self.actor).into());
        line.insert("n".into(), self.n.into());
        line.insert("op".into(), op.into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        if let Err(error) = out.write_all(text.as_bytes()) {
            self.stop(&error.to_string());
        }
    }

    /// A history with a hole proves nothing, so it ends here.
    fn stop(&mut self, why: &str) {
        tracing::error!(why, "the history is not recorded any further");
        self.out = None;
        self.waiting.clear();
    }

    /// The app gave a message; nothing of it has left.
    pub fn offered(&mut self, ticket: u64, send: &v1::Send) {
        self.offered.insert(ticket, (send.conv, digest_of(&send.body)));
    }

    /// The message is in the outbox under this local id and will leave.
    pub fn queued(&mut self, ticket: u64, local: u64, now: Timestamp) {
        let Some((conv, body)) = self.offered.remove(&ticket) else { return };
        self.begun.insert(local);
        let fields = json!({ "kind": "invoke", "call": local, "conversation": conv.to_string(), "body": body });
        self.put(now, "send", fields);
    }

    /// The message was not taken.
    pub fn not_queued(&mut self, ticket: u64) {
        self.offered.remove(&ticket);
    }

    /// An event, before the app sees it.
    pub fn event(&mut self, event: &AppEvent, now: Timestamp) {
        match event {
            AppEvent::Sync { event, .. } => self.sync(event, now),
            AppEvent::Settled { settled, .. } => self.settled(settled, now),
            AppEvent::Jumped { jumped, .. } => {
                let conv = jumped.conv.to_string();
                self.put(now, "jump", json!({ "conversation": conv, "to_rev": jumped.to_rev }));
            }
            AppEvent::Rebased { .. } => self.put(now, "rebase", json!({})),
            _ => {}
        }
    }

    fn settled(&mut self, settled: &Settled, now: Timestamp) {
        let is_known = self.begun.remove(&settled.local);
        let is_send = is_known || settled.seq > 0 || settled.send.is_some();
        if !is_send {
            return;
        }
        let mut fields = json!({ "call": settled.local, "conversation": settled.conv.to_string() });
        let more = if settled.is_offered_again
            || (settled.is_done() && settled.seq == 0 && settled.pid > 0)
        {
            json!({ "kind": "info" })
        } else if settled.is_done() {
            json!({ "kind": "ok", "seq": settled.seq, "rev": settled.rev, "message": settled.id.to_string(), "at_ms": settled.ts })
        } else {
            json!({ "kind": "fail", "code": settled.code })
        };
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
            fields.extend(more);
        }
        self.put(now, "send", fields);
    }

    fn sync(&mut self, event: &v1::SyncEvent, now: Timestamp) {
        let conversation = event.conv.to_string();
        let what = match event.r#type {
            event_type::CONVERSATION_ADDED => {
                return self.put(now, "joined", json!({ "conversation": conversation }));
            }
            event_type::CONVERSATION_REMOVED => {
                return self.put(now, "left", json!({ "conversation": conversation }));
            }
            event_type::READ_MARKED => {
                let read = <v1::ReadMarked as prost::Message>::decode(event.body.clone());
                if let Some(read) = read.ok().and_then(|body| body.read) {
                    let seq = read.read_seq;
                    let fields = json!({ "kind": "ok", "conversation": conversation, "seq": seq });
                    self.put(now, "read", fields);
                }
                return;
            }
            _ if event.rev == 0 || event.conv == 0 => return,
            event_type::MESSAGE => "message",
            event_type::UNREADABLE if event.seq > 0 => "message",
            event_type::MESSAGE_EDITED | event_type::CARD_UPDATED => "edited",
            event_type::MESSAGE_RECALLED => "recalled",
            event_type::MESSAGE_EXPIRED => "expired",
            _ => "other",
        };
        let mut fields = Map::new();
        fields.insert("what".into(), what.into());
        fields.insert("conversation".into(), conversation.into());
        fields.insert("rev".into(), event.rev.into());
        if event.seq > 0 {
            fields.insert("seq".into(), event.seq.into());
        }
        if event.r#type == event_type::MESSAGE {
            fields.insert("message".into(), event.message_id.to_string().into());
            fields.insert("user".into(), event.sender.to_string().into());
            fields.insert("cnt".into(), event.cnt.into());
            fields.insert("at_ms".into(), event.ts.into());
            fields.insert("body".into(), body_of(event.flags, &event.body));
        }
        if event.device != 0 && event.cid != 0 {
            fields.insert("device".into(), event.device.to_string().into());
            fields.insert("device_epoch".into(), event.device_epoch.into());
            fields.insert("cid".into(), event.cid.into());
        }
        self.put(now, "deliver", Value::Object(fields));
    }

    /// A page of a timeline, before the app sees it. `hidden`: rows that the user deleted.
    pub fn page(&mut self, conv: u64, page: &HistoryRows, hidden: usize, now: Timestamp) {
        if !page.is_stable || page.lo > page.hi {
            return;
        }
        let row = |row: &v1::MessageRow| {
            let is_edited = row.flags & flag::EDITED != 0;
            json!([row.seq, row.message_id.to_string(), body_of(row.flags, &row.body), is_edited])
        };
        let fields = json!({
            "conversation": conv.to_string(),
            "lo": page.lo,
            "hi": page.hi,
            "hidden": hidden,
            "rows": page.rows.iter().map(row).collect::<Vec<_>>(),
        });
        self.put(now, "render", fields);
    }

    /// The conversation list, before the app sees it.
    pub fn list(&mut self, lines: &[ListLine], now: Timestamp) {
        for line in lines {
            let fields = json!({
                "conversation": line.conv.to_string(),
                "rev": line.rev,
                "seq": line.tip_seq,
                "read_seq": line.read_seq,
                "unread": line.unread,
            });
            self.put(now, "list", fields);
        }
    }

    /// The user has read up to here.
    pub fn read(&mut self, conv: u64, seq: u64, now: Timestamp) {
        let fields = json!({ "kind": "invoke", "conversation": conv.to_string(), "seq": seq });
        self.put(now, "read", fields);
    }

    /// The app says that the device was given everything.
    pub fn rest(&mut self, lines: &[ListLine], now: Timestamp) {
        self.list(lines, now);
        self.put(now, "rest", json!({}));
    }

    /// The program ends as planned.
    pub fn close(&mut self, now: Timestamp) {
        self.put(now, "close", json!({}));
    }
}

/// The digest of what is shown; null for a tombstone.
fn body_of(flags: u32, body: &[u8]) -> Value {
    match flags & (flag::RECALLED | flag::EXPIRED | flag::HIDDEN) {
        0 => digest_of(body),
        _ => Value::Null,
    }
}

fn digest_of(body: &[u8]) -> Value {
    let sum = digest(&SHA256, body);
    let hex: String =
        sum.as_ref().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    hex.into()
}
