//! A device: the real engine of the SDK, its store, and the record of what its user was shown.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tenon_base::{Random, SeededRandom, Timestamp};
use tenon_client::driver::{Record, rows_of};
use tenon_client::engine::{Auth, Engine, EngineConfig, HistoryAnswer, Now};
use tenon_client::store::{MemoryStore, Store as _, StoreOp};

use super::own::{Copy, Removal};
use super::spy::Unknown;

/// Lines of all histories, in the order in which things happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    pub(super) fn line(&self, text: &str) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }

    pub(super) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One device of one user.
pub(super) struct Phone {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) credential: Bytes,
    pub(super) user: u64,
    /// Running, or killed.
    pub(super) engine: Option<Engine>,
    pub(super) store: MemoryStore,
    pub(super) record: Option<Record>,
    /// A transaction that is not durable yet.
    pub(super) commit: Option<(u64, Vec<StoreOp>)>,
    pub(super) wire: Option<u64>,
    /// Counts starts of the app: what was meant for an earlier one is late.
    pub(super) life: u64,
    pub(super) next_ticket: u64,
    /// Shown by name of the actor: another one after its store was lost.
    pub(super) installs: u64,
    /// Next wake that is on the calendar.
    pub(super) wake_us: Option<u64>,
    /// The device's wall clock is wrong by this much.
    pub(super) skew_ms: i64,
    pub(super) is_stopped: Option<String>,
    /// What is left to be shown at the end: conversation and the seq below which it goes on.
    pub(super) to_show: Vec<(u64, u64)>,
    /// An older copy of its store.
    pub(super) copy: Option<Copy>,
    /// Its store was put back from an older copy at some time.
    pub(super) was_restored: bool,
    /// Events of kinds that it does not know and has not stored.
    pub(super) unknown: Unknown,
    /// Number of the last Rebase it has stored.
    pub(super) generation: u64,
    /// Whether its user removes it.
    pub(super) removal: Removal,
    /// Removals of other devices that it was asked for and has not stored, by ticket.
    pub(super) asking: BTreeMap<u64, usize>,
    /// The same by local number, once they are stored.
    pub(super) removing: BTreeMap<u64, usize>,
    random: Arc<SeededRandom>,
}

impl Phone {
    pub(super) fn new(name: String, label: String, seed: u64, skew_ms: i64) -> Self {
        Self {
            name,
            label,
            credential: Bytes::new(),
            user: 0,
            engine: None,
            store: MemoryStore::default(),
            record: None,
            commit: None,
            wire: None,
            life: 0,
            next_ticket: 1,
            installs: 1,
            wake_us: None,
            skew_ms,
            is_stopped: None,
            to_show: Vec::new(),
            copy: None,
            was_restored: false,
            unknown: Unknown::new(),
            generation: 0,
            removal: Removal::None,
            asking: BTreeMap::new(),
            removing: BTreeMap::new(),
            random: Arc::new(SeededRandom::new(seed)),
        }
    }

    /// Starts the app on what the store holds.
    pub(super) fn launch(&mut self, tape: &Tape, is_new: bool, window: u32, now: Timestamp) {
        let mut config = EngineConfig::new(Auth::Credential(self.credential.clone()));
        config.window_bytes = window;
        let loaded = self.store.load().expect("memory does not fail");
        self.generation = loaded.streams.iter().map(|row| row.generation).max().unwrap_or(0);
        let random = Arc::clone(&self.random) as Arc<dyn Random>;
        let actor: Arc<str> = self.actor().into();
        let mut record = Record::to(Box::new(tape.clone()), actor, !is_new);
        record.begin(self.user, now);
        self.record = Some(record);
        self.engine = Some(Engine::new(config, loaded, random));
        self.commit = None;
        self.wire = None;
        self.wake_us = None;
        self.life += 1;
    }

    /// The app is gone, with what it had not stored.
    pub(super) fn kill(&mut self) {
        self.engine = None;
        self.record = None;
        self.commit = None;
        self.life += 1;
        self.forget_unstored();
    }

    /// Writes to the record.
    pub(super) fn note(&mut self, now: Now, write: impl FnOnce(&mut Record, Timestamp)) {
        if let Some(record) = &mut self.record {
            write(record, now.wall);
        }
    }

    /// Shows a piece of a timeline. Returns the seq below which it goes on, `None` at the floor or when nothing came, and the
    /// contents shown.
    pub(super) fn show(&mut self, answer: HistoryAnswer, now: Now) -> (Option<u64>, Vec<Bytes>) {
        let (conv, lo) = (answer.conv, answer.lo);
        let (rows, hidden) = rows_of(&mut self.store, answer).expect("memory does not fail");
        let goes_on = !rows.is_floor && rows.is_stable && rows.lo > 1 && rows.lo <= rows.hi;
        self.note(now, |record, at| record.page(conv, &rows, hidden, at));
        (goes_on.then_some(lo), rows.rows.into_iter().map(|row| row.body).collect())
    }

    pub(super) fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}
