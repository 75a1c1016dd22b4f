//! Writes down what the devices of a measurement sent, were answered and were told (`docs/formats/history.md`).
//!
//! Digests stand for texts. A file that cannot be written ends the record and, at the end, the run: a history with a hole
//! proves nothing.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use tenon_base::digest::{K1, mix64};
use tenon_wire::{event_type, v1};
use tokio::time::Instant;

use crate::BenchError;

/// Bytes that wait for the file.
const BUFFER_BYTES: usize = 1 << 20;

/// A history that is being written, by all devices of a run.
#[derive(Debug)]
pub(crate) struct Recorder {
    out: RefCell<BufWriter<File>>,
    failure: RefCell<Option<io::Error>>,
    begin: Instant,
    begin_us: u64,
}

impl Recorder {
    /// A new file with its header.
    pub(crate) fn create(path: &Path, profile: &str) -> Result<Rc<Self>, BenchError> {
        let failed = |source| BenchError::io(format!("record {}", path.display()), source);
        let file = File::create(path).map_err(failed)?;
        #[expect(
            clippy::disallowed_methods,
            clippy::disallowed_types,
            reason = "a measurement takes the time of the machine"
        )]
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let recorder = Self {
            out: RefCell::new(BufWriter::with_capacity(BUFFER_BYTES, file)),
            failure: RefCell::default(),
            begin: Instant::now(),
            begin_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
        };
        let target = concat!("tenon-bench/", env!("CARGO_PKG_VERSION"));
        let expect = ["I1", "I2", "I3", "I4", "I7"];
        recorder.put(
            &json!({ "tenon_history": 1, "target": target, "profile": profile, "expect": expect }),
        );
        Ok(Rc::new(recorder))
    }

    fn put(&self, line: &Value) {
        let mut out = self.out.borrow_mut();
        if let Err(error) = writeln!(out, "{line}") {
            self.failure.borrow_mut().get_or_insert(error);
        }
    }

    /// Everything is in the file.
    pub(crate) fn finish(&self) -> Result<(), BenchError> {
        let flushed = self.out.borrow_mut().flush();
        let failure = self.failure.borrow_mut().take();
        failure.map_or(flushed, Err).map_err(|source| BenchError::io("record", source))
    }
}

/// One device in a history.
#[derive(Debug)]
pub(crate) struct Actor {
    recorder: Rc<Recorder>,
    name: String,
    lines: Cell<u64>,
}

impl Actor {
    /// A device that holds nothing yet.
    pub(crate) fn open(recorder: &Rc<Recorder>, name: &str, user: u64) -> Self {
        let actor =
            Self { recorder: Rc::clone(recorder), name: name.to_owned(), lines: Cell::default() };
        actor.put("open", json!({ "user": user.to_string(), "store": "new" }));
        actor
    }

    fn put(&self, op: &str, mut fields: Value) {
        self.lines.set(self.lines.get() + 1);
        let elapsed = u64::try_from(self.recorder.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        fields["at_us"] = self.recorder.begin_us.saturating_add(elapsed).into();
        fields["actor"] = self.name.as_str().into();
        fields["n"] = self.lines.get().into();
        fields["op"] = op.into();
        self.recorder.put(&fields);
    }

    /// A message is about to leave for the first time.
    pub(crate) fn sends(&self, send: &v1::Send) {
        let body = digest_of(&send.body);
        let conversation = send.conv.to_string();
        let fields = json!({ "kind": "invoke", "call": send.cid, "conversation": conversation, "body": body });
        self.put("send", fields);
    }

    /// It is applied.
    pub(crate) fn acked(&self, ack: &v1::SendAck) {
        let fields = json!({
            "kind": "ok", "call": ack.cid, "conversation": ack.conv.to_string(), "seq": ack.seq, "rev": ack.rev,
            "message": ack.message_id.to_string(),
        });
        self.put("send", fields);
    }

    /// The device may have missed anything, and knows it.
    pub(crate) fn rebased(&self) {
        self.put("rebase", json!({}));
    }

    /// An event of the device's queue.
    pub(crate) fn told(&self, event: &v1::SyncEvent) {
        let conversation = event.conv.to_string();
        match event.r#type {
            event_type::CONVERSATION_ADDED => {
                return self.put("joined", json!({ "conversation": conversation }));
            }
            event_type::CONVERSATION_REMOVED => {
                return self.put("left", json!({ "conversation": conversation }));
            }
            _ if event.rev == 0 || event.conv == 0 => return,
            _ => {}
        }
        let is_message = event.r#type == event_type::MESSAGE;
        let what = if is_message { "message" } else { "other" };
        let mut fields = json!({ "what": what, "conversation": conversation, "rev": event.rev });
        if event.seq > 0 {
            fields["seq"] = event.seq.into();
        }
        if is_message {
            fields["message"] = event.message_id.to_string().into();
            fields["user"] = event.sender.to_string().into();
            fields["cnt"] = event.cnt.into();
            fields["at_ms"] = event.ts.into();
            fields["body"] = digest_of(&event.body).into();
        }
        if event.device != 0 && event.cid != 0 {
            fields["device"] = event.device.to_string().into();
            fields["device_epoch"] = event.device_epoch.into();
            fields["cid"] = event.cid.into();
        }
        self.put("deliver", fields);
    }

    /// Nothing is under way: what the device lacks now is lost.
    pub(crate) fn rests(&self) {
        self.put("rest", json!({}));
    }

    /// The run is over.
    pub(crate) fn closes(&self) {
        self.put("close", json!({}));
    }
}

/// Any function will do, as long as it is one; this one looks at every byte.
fn digest_of(bytes: &[u8]) -> String {
    let mut lanes = [K1, bytes.len() as u64];
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        lanes = [mix64(lanes[0] ^ word), mix64(lanes[1].wrapping_add(word))];
    }
    format!("{:016x}{:016x}", lanes[0], lanes[1])
}

#[test]
fn digests_tell_bytes_apart() {
    let all = ["", "a", "b", "aaaaaaaa", "aaaaaaaaa", "aaaaaaaab", "\0", "\0\0"];
    let digests: std::collections::BTreeSet<_> =
        all.iter().map(|text| digest_of(text.as_bytes())).collect();
    assert_eq!(digests.len(), all.len());
    assert_eq!(digest_of(b"again"), digest_of(b"again"));
}
