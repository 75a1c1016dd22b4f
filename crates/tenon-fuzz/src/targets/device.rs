//! The device's engine against a server that says anything, and the rows it keeps.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{Deadline, SeededRandom, Timestamp};
use tenon_client::engine::HistoryWant;
use tenon_client::row::{
    ConversationRow, DeviceRow, EventRow, IntervalsRow, OpaqueRow, OutboxRow, ReadPendingRow,
    StreamRow,
};
use tenon_client::{Auth, Command, Engine, EngineConfig, MemoryStore, Now, Output, Store};
use tenon_wire::{Message, v1};

use super::session::Steps;

/// Steps of one run.
const STEPS_MAX: usize = 1_024;
/// Outputs of one step: above it the engine does not come to rest.
const OUTPUTS_MAX: usize = 100_000;

struct Device {
    engine: Engine,
    store: MemoryStore,
    mono: u64,
    ticket: u64,
}

fn engine(store: &mut MemoryStore) -> Engine {
    let loaded = store.load().unwrap_or_default();
    let config = EngineConfig::new(Auth::Credential(Bytes::from_static(b"secret")));
    Engine::new(config, loaded, Arc::new(SeededRandom::new(1)))
}

impl Device {
    const fn now(&self) -> Now {
        Now { wall: Timestamp(1_000), mono: Deadline(self.mono) }
    }

    fn command(&mut self, command: Command) {
        self.ticket += 1;
        self.engine.handle_command(command, self.now());
        self.settle();
    }

    /// Does everything the engine asks for, until it asks for nothing.
    fn settle(&mut self) {
        for count in 0.. {
            assert!(count < OUTPUTS_MAX, "the engine comes to rest");
            match self.engine.poll_output(self.now()) {
                Some(Output::Commit { tx, ops }) => match self.store.commit(ops) {
                    Ok(()) => self.engine.handle_committed(tx, self.now()),
                    Err(error) => self.engine.handle_commit_failed(&error.to_string()),
                },
                Some(Output::Connect) => self.engine.handle_link_up(self.now()),
                Some(Output::CloseLink | Output::Answer(..) | Output::Event(_)) => {}
                None => break,
            }
        }
        while let Some(bytes) = self.engine.poll_transmit() {
            assert!(!bytes.is_empty(), "what is transmitted has bytes");
        }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.engine.handle_bytes(bytes, self.now());
            self.settle();
            if taken == 0 {
                break;
            }
            bytes = &bytes[taken..];
        }
    }

    fn wait(&mut self, tenths: u32) {
        self.mono +=
            u64::try_from(Duration::from_millis(100).as_micros()).unwrap_or(0) * u64::from(tenths);
        self.engine.handle_timeout(self.now());
        self.settle();
    }

    /// A restart finds in the store what was committed.
    fn restart(&mut self) {
        let before = self.engine.device().clone();
        self.engine = engine(&mut self.store);
        let after = self.engine.device();
        assert!(after.conn_ctr <= before.conn_ctr, "nothing is invented by a restart");
        self.command(Command::Start);
    }
}

/// Steps as in the sessions: bytes of the link, time, wishes of the app, a lost link, a restart.
pub(super) fn engine_run(input: &[u8]) {
    let mut store = MemoryStore::default();
    let engine = engine(&mut store);
    let mut device = Device { engine, store, mono: 1, ticket: 0 };
    device.command(Command::Start);
    let mut steps = Steps(input);
    for _ in 0..STEPS_MAX {
        let Some(step) = steps.byte() else { break };
        let conv = u64::from(steps.0.first().copied().unwrap_or(0) & 3) + 99;
        match step % 12 {
            0..=5 => device.push(steps.bytes()),
            6 => device.wait(steps.small()),
            7 => {
                let send = Box::new(v1::Send { conv, kind: 1, ..v1::Send::default() });
                device.command(Command::Send { ticket: device.ticket, send, after: 0 });
            }
            8 => {
                let up_to_seq = u64::from(steps.small());
                device.command(Command::MarkRead { conv, up_to_seq, up_to_pcnt: 0 });
            }
            9 => {
                let below_seq = u64::from(steps.small());
                let want = HistoryWant { conv, below_seq, limit: 20, ..HistoryWant::default() };
                device.command(Command::History { ticket: device.ticket, want });
            }
            10 => {
                device.engine.handle_link_down("it broke", device.now());
                device.settle();
            }
            _ => device.restart(),
        }
    }
    let shown = device.engine.list();
    assert!(shown.iter().all(|line| line.rev <= line.known), "nothing is folded that is not known");
}

/// The first byte is the number of the row, the rest its bytes.
pub(super) fn rows(input: &[u8]) {
    let Some((number, rest)) = input.split_first() else { return };
    match number {
        0 => comes_back::<DeviceRow>(rest),
        1 => comes_back::<StreamRow>(rest),
        2 => comes_back::<ConversationRow>(rest),
        3 => comes_back::<IntervalsRow>(rest),
        4 => comes_back::<OutboxRow>(rest),
        5 => comes_back::<ReadPendingRow>(rest),
        6 => comes_back::<EventRow>(rest),
        7 => comes_back::<OpaqueRow>(rest),
        8 => comes_back::<v1::MessageRow>(rest),
        9 => comes_back::<v1::PrivateMessage>(rest),
        _ => {}
    }
}

fn comes_back<M: Message + Default>(bytes: &[u8]) {
    let Ok(row) = M::decode(bytes) else { return };
    let written = row.encode_to_vec();
    let again = M::decode(&written[..]).map(|row| row.encode_to_vec());
    assert_eq!(again.as_ref(), Ok(&written), "a row comes back");
}
