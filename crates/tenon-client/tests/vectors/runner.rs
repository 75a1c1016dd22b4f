//! Runs a case: each input, then every output, commits performed at once unless they are held.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Value, json};
use tenon_base::{Deadline, SeededRandom, Timestamp};
use tenon_client::engine::HistoryWant;
use tenon_client::store::RowRange;
use tenon_client::{Auth, Command, Engine, EngineConfig, MemoryStore, Now, Output, Store, StoreOp};
use tenon_wire::json::{envelope_of, from_json, put_envelope, to_json};
use tenon_wire::v1::envelope::Frame as Arm;
use tenon_wire::{FrameLimits, FrameReader, v1};

use crate::render;
use crate::script::{Case, DEVICE, text_of};

struct Runner {
    engine: Engine,
    store: MemoryStore,
    held: Option<(u64, Vec<StoreOp>)>,
    holds: bool,
    reader: FrameReader,
    methods: BTreeMap<u32, u32>,
    now: Now,
    restarts: u64,
    out: Vec<Value>,
}

/// The case with its outputs.
pub fn run(case: &Case) -> Value {
    let mut runner = Runner::new();
    let steps: Vec<Value> = case
        .inputs
        .iter()
        .map(|(at, input)| {
            let out = runner.step(*at, input);
            json!({"at": at, "in": input, "out": out})
        })
        .collect();
    json!({
        "id": case.id, "desc": case.desc, "config": case.config, "db0": {}, "steps": steps,
        "final_db_sha": runner.digest(),
    })
}

impl Runner {
    fn new() -> Self {
        let mut store = MemoryStore::default();
        Self {
            engine: engine(&mut store, 0),
            store,
            held: None,
            holds: false,
            reader: FrameReader::new(FrameLimits::UP),
            methods: BTreeMap::new(),
            now: Now::default(),
            restarts: 0,
            out: Vec::new(),
        }
    }

    fn step(&mut self, at_ms: u64, input: &Value) -> Vec<Value> {
        self.now = Now { wall: Timestamp(at_ms), mono: Deadline(at_ms * 1_000) };
        let (kind, value) = input.as_object().unwrap().iter().next().unwrap();
        match kind.as_str() {
            "time" => self.time(),
            "link" if value == "up" => {
                self.reader = FrameReader::new(FrameLimits::UP);
                self.methods.clear();
                self.engine.handle_link_up(self.now);
            }
            "link" => self.engine.handle_link_down("cut", self.now),
            "commits" => {
                self.holds = value == "hold";
                self.commit();
            }
            "crash" => self.crash(value == "committed"),
            "frame" => self.frame(value),
            _ => {
                let command = command(kind, value);
                self.engine.handle_command(command, self.now);
            }
        }
        self.outputs();
        std::mem::take(&mut self.out)
    }

    /// Timers up to now, each at its time.
    fn time(&mut self) {
        let end = self.now;
        while let Some(at) = self.engine.deadline().filter(|at| *at <= end.mono) {
            let mono = at.max(Deadline(1));
            self.now = Now { wall: Timestamp(mono.0 / 1_000), mono };
            self.engine.handle_timeout(self.now);
            self.outputs();
        }
        self.now = end;
    }

    fn crash(&mut self, happened: bool) {
        if let Some((_, ops)) = self.held.take()
            && happened
        {
            self.store.commit(ops).unwrap();
        }
        self.holds = false;
        self.restarts += 1;
        self.engine = engine(&mut self.store, self.restarts);
        self.engine.handle_command(Command::Start, self.now);
    }

    fn frame(&mut self, value: &Value) {
        let text = value.to_string();
        let methods = &self.methods;
        let envelopes = from_json(text.as_bytes(), 1 << 20, &|id| methods.get(&id).copied());
        let mut bytes = BytesMut::new();
        put_envelope(&mut bytes, &envelopes.unwrap()[0]).unwrap();
        assert_eq!(self.engine.handle_bytes(&bytes, self.now), bytes.len());
    }

    fn commit(&mut self) {
        if self.holds {
            return;
        }
        if let Some((tx, ops)) = self.held.take() {
            self.store.commit(ops).unwrap();
            self.engine.handle_committed(tx, self.now);
        }
    }

    fn outputs(&mut self) {
        loop {
            let output = self.engine.poll_output(self.now);
            self.transmit();
            match output {
                None => return,
                Some(Output::Commit { tx, ops }) => {
                    let rendered: Vec<Value> = ops.iter().map(render::op).collect();
                    self.out.push(json!({"commit": rendered}));
                    self.held = Some((tx, ops));
                    self.commit();
                }
                Some(Output::Connect) => self.out.push(json!("connect")),
                Some(Output::CloseLink) => self.out.push(json!("close_link")),
                Some(Output::Answer(ticket, said)) => {
                    self.out.push(json!({"ticket": ticket, "answer": render::answer(&said)}));
                }
                Some(Output::Event(event)) => {
                    self.out.push(json!({"event": render::app_event(&event)}));
                }
            }
        }
    }

    /// Frames that leave, as envelopes.
    fn transmit(&mut self) {
        while let Some(bytes) = self.engine.poll_transmit() {
            assert_eq!(self.reader.push(&bytes), bytes.len());
            while let Some(frame) = self.reader.next().unwrap() {
                let envelope = envelope_of(&frame).unwrap();
                if let Some(Arm::Request(request)) = &envelope.frame {
                    self.methods.insert(envelope.id, request.method);
                }
                let text = to_json(&[envelope], &|_| None).unwrap();
                self.out.push(json!({"frame": serde_json::from_str::<Value>(&text).unwrap()}));
            }
        }
    }

    /// SHA-256 over the final store, messages included.
    fn digest(&mut self) -> String {
        let loaded = self.store.load().unwrap();
        let mut text = render::loaded(&loaded).to_string();
        for row in &loaded.conversations {
            let conv = row.conv;
            let all = RowRange { conv, lo: 0, hi: u64::MAX, limit: 1_000, is_upward: true };
            let rows = self.store.messages(all).unwrap();
            let privates = self.store.privates(conv, 0, u64::MAX).unwrap();
            text.push_str(&json!([conv.to_string(), rows, privates]).to_string());
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
    }
}

fn engine(store: &mut MemoryStore, restarts: u64) -> Engine {
    let config = EngineConfig {
        device: DEVICE,
        sdk: "vectors".into(),
        pull_jitter: Duration::ZERO,
        ack_delay: Duration::ZERO,
        ..EngineConfig::new(Auth::Credential("secret".into()))
    };
    Engine::new(config, store.load().unwrap(), Arc::new(SeededRandom::new(1 + restarts)))
}

fn command(kind: &str, value: &Value) -> Command {
    let number = |name: &str| value[name].as_u64().unwrap_or(0);
    let ticket = number("ticket");
    match kind {
        "start" => Command::Start,
        "stop" => Command::Stop,
        "send" => {
            let body = text_of(value["text"].as_str().unwrap());
            let send = v1::Send { conv: number("conv"), kind: 1, body, ..Default::default() };
            Command::Send { ticket, send: Box::new(send), after: number("after") }
        }
        "op" => {
            let op = serde_json::from_value(value["op"].clone()).unwrap();
            Command::Op { ticket, op: Box::new(op), after: number("after") }
        }
        "cancel" => Command::Cancel { local: number("local") },
        "mark_read" => Command::MarkRead {
            conv: number("conv"),
            up_to_seq: number("up_to_seq"),
            up_to_pcnt: number("up_to_pcnt"),
        },
        "history" => {
            let want = HistoryWant {
                conv: number("conv"),
                above_seq: number("above_seq"),
                below_seq: number("below_seq"),
                limit: u32::try_from(number("limit")).unwrap(),
                is_upward: value["is_upward"].as_bool().unwrap_or(false),
            };
            Command::History { ticket, want }
        }
        "events_done" => Command::EventsDone(value.as_u64().unwrap()),
        other => panic!("unknown input {other}"),
    }
}
