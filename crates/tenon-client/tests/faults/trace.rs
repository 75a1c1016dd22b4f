//! Everything that one device of a run was given, and what came of it: `vectors/v13-soak.jsonl`.
//!
//! A line is one device of one seed: the inputs of its engine in order, a digest of its outputs after every poll, and one of
//! its store at the end. The engine in TypeScript is given the same inputs and must come to the same digests, so the two
//! are held equal on runs that nobody wrote by hand. Times are microseconds; bytes and bodies are hex; ids are text.

use aws_lc_rs::digest::{Context, SHA256};
use prost::Message as _;
use serde_json::{Value, json};
use tenon_client::store::RowRange;
use tenon_client::{Command, MemoryStore, Output, Store};

use crate::render;

/// The record of one device.
pub struct Trace {
    steps: Vec<Value>,
    digest: Context,
    polls: u64,
    polled_us: u64,
    /// The digest moved since it was last written down.
    is_fresh: bool,
    /// Of the store where the record ends.
    store: Option<String>,
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Trace {
    pub fn new() -> Self {
        Self {
            steps: Vec::new(),
            digest: Context::new(&SHA256),
            polls: 0,
            polled_us: 0,
            is_fresh: false,
            store: None,
        }
    }

    /// Writes the polls since the last input down, with the first bytes of the digest so far.
    fn settle(&mut self) {
        let polls = std::mem::take(&mut self.polls);
        if std::mem::take(&mut self.is_fresh) {
            let sum = self.digest.clone().finish();
            self.steps.push(json!(["poll", self.polled_us, [polls, hex(&sum.as_ref()[..4])]]));
        }
    }

    /// The engine is given `what` at `now_us`.
    pub fn input(&mut self, now_us: u64, what: &str, value: Value) {
        if self.store.is_some() {
            return;
        }
        self.settle();
        self.steps.push(json!([what, now_us, value]));
    }

    pub fn command(&mut self, now_us: u64, command: &Command) {
        let value = match command {
            Command::Start => json!({"type": "start"}),
            Command::Send { ticket, send, .. } => {
                json!({"type": "send", "ticket": ticket, "send": hex(&send.encode_to_vec())})
            }
            Command::Op { ticket, op, .. } => {
                json!({"type": "op", "ticket": ticket, "op": hex(&op.encode_to_vec())})
            }
            Command::Cancel { local } => json!({"type": "cancel", "local": local.to_string()}),
            Command::MarkRead { conv, up_to_seq, .. } => {
                json!({"type": "markRead", "conv": conv.to_string(), "seq": up_to_seq.to_string()})
            }
            Command::History { ticket, want } => json!({
                "type": "history", "ticket": ticket, "conv": want.conv.to_string(), "limit": want.limit,
            }),
            Command::EventsDone(n) => json!({"type": "eventsDone", "n": n.to_string()}),
            other => panic!("{other:?} is not traced"),
        };
        self.input(now_us, "command", value);
    }

    /// The engine was polled at `now_us`: what it wanted, and what it wrote on the link.
    pub fn polled(&mut self, now_us: u64, output: Option<&Output>, bytes: &[u8]) {
        if self.store.is_some() {
            return;
        }
        if self.polled_us != now_us {
            self.settle();
            self.polled_us = now_us;
        }
        self.polls += 1;
        self.digest.update(bytes);
        if let Some(output) = output {
            let value = match output {
                Output::Commit { ops, .. } => {
                    json!({"commit": ops.iter().map(render::op).collect::<Vec<_>>()})
                }
                Output::Connect => json!("connect"),
                Output::CloseLink => json!("close_link"),
                Output::Answer(ticket, said) => {
                    json!({"ticket": ticket, "answer": render::answer(said)})
                }
                Output::Event(event) => json!({"event": render::app_event(event)}),
            };
            self.digest.update(value.to_string().as_bytes());
        }
        self.is_fresh |= output.is_some() || !bytes.is_empty();
    }

    /// Ends the record; what comes after is not a part of it.
    pub fn end(&mut self, disk: &mut MemoryStore) {
        self.settle();
        self.store = Some(store_digest(disk));
    }

    /// The line of the file.
    #[cfg(not(bugs))]
    pub fn line(&self, id: &str, device: u64, random: u64) -> Value {
        json!({
            "id": id, "device": device.to_string(), "random": random.to_string(),
            "steps": self.steps, "out_sha": hex(self.digest.clone().finish().as_ref()),
            "final_db_sha": self.store,
        })
    }
}

/// SHA-256 over the store, messages included.
pub fn store_digest(disk: &mut MemoryStore) -> String {
    let loaded = disk.load().unwrap();
    let mut text = render::loaded(&loaded).to_string();
    for row in &loaded.conversations {
        let conv = row.conv;
        let all = RowRange { conv, lo: 0, hi: u64::MAX, limit: 10_000, is_upward: true };
        let rows = disk.messages(all).unwrap();
        let privates = disk.privates(conv, 0, u64::MAX).unwrap();
        text.push_str(&json!([conv.to_string(), rows, privates]).to_string());
    }
    hex(aws_lc_rs::digest::digest(&SHA256, text.as_bytes()).as_ref())
}
