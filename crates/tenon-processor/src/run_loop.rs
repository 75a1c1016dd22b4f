//! The loop of one partition: load, decide, commit, then tell and answer.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use tenon_base::{ConversationId, Lsn, Map, PartitionId, Seq};
use tenon_core::conversation::Outcome;
use tenon_core::conversation::decide::{Change, Decision, Loaded, decide};
use tenon_core::event::Tip;
use tenon_core::handover::{ConversationAnswer, ConversationQuestion, Reply};
use tenon_core::{Action, Command, Event, EventBody, Mode};
use tenon_ports::log::kind;
use tenon_ports::{Reach, Record};
use tenon_store::{SeriesKey, ShardWriter, StoreError, View, record, table};
use tokio::sync::mpsc;

use crate::answer::answer;
use crate::fan_out::Gather;
use crate::handle::{Asked, Doors, Shared};
use crate::hot_state::HotState;
use crate::{Metrics, Options, ProcessorError};

/// Payload read from the log in one turn: bounds the time between two looks at questions.
const READ_BYTES: usize = 1024 * 1024;
/// Questions answered between two looks at the log.
const QUESTIONS_PER_TURN: usize = 256;

pub(crate) struct PartitionLoop {
    partition: PartitionId,
    options: Options,
    doors: Doors,
    shared: Arc<Shared>,
    metrics: Metrics,
    writer: ShardWriter,
    hot: HotState,
    gather: Gather,
    applied: Lsn,
    /// Answers and tips of the records applied in this turn; they leave after publish and fan-out.
    answers: Vec<(Reply<Outcome>, Outcome)>,
    tips: Vec<(Tip, u64, Arc<Event>)>,
    events: Vec<Arc<Event>>,
    /// Import keys of this turn.
    imported: Map<(ConversationId, [u8; 16]), Seq>,
}

impl PartitionLoop {
    pub(crate) fn new(
        partition: PartitionId,
        options: Options,
        doors: Doors,
        shared: Arc<Shared>,
        metrics: Metrics,
        resume: BTreeMap<PartitionId, (Lsn, u32)>,
    ) -> Self {
        Self {
            partition,
            writer: doors.store.writer(partition),
            applied: doors.store.applied(partition),
            hot: HotState::new(options.hot_bytes_max.as_usize()),
            gather: Gather::new(partition, options.layout, resume),
            options,
            doors,
            shared,
            metrics,
            answers: Vec::new(),
            tips: Vec::new(),
            events: Vec::new(),
            imported: Map::default(),
        }
    }

    /// Replays the log from the checkpoint to its tail. Nothing is served before it ends (I29).
    pub(crate) async fn recover(&mut self) -> Result<(), ProcessorError> {
        let tail = self.doors.log.last(self.partition, Reach::Committed);
        while self.applied < tail {
            if self.turn().await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Runs until stop.
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Asked>,
    ) -> Result<(), ProcessorError> {
        let log = Arc::clone(&self.doors.log);
        let mut stop = self.doors.stop.clone();
        loop {
            let mut first = None;
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                asked = inbox.recv() => first = asked,
                () = self.writer.rotation() => {}
                () = log.notified(self.partition, self.applied, Reach::Committed) => {}
            }
            if let Some(asked) = first {
                self.answer_question(asked);
            }
            let mut records = 1;
            while records > 0 {
                self.answer_waiting(&mut inbox);
                records = tokio::select! {
                    biased;
                    // A turn may wait for room on the disk; what it did not finish is replayed at the next start.
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    records = self.turn() => records?,
                };
                self.cut_if_wanted();
            }
        }
    }

    /// Applies what the log holds, at most [`READ_BYTES`]; returns the number of records.
    async fn turn(&mut self) -> Result<usize, ProcessorError> {
        let reach = if tenon_base::planted!("apply-before-sync") {
            Reach::Enqueued
        } else {
            Reach::Committed
        };
        let log = Arc::clone(&self.doors.log);
        let records = log.read(self.partition, self.applied, reach, READ_BYTES).await?;
        let mut time_us = 0;
        for record in &records {
            time_us = record.append.time_us;
            self.apply(record)?;
        }
        if records.is_empty() {
            return Ok(0);
        }
        self.writer.publish();
        self.imported.clear();
        self.keep_recent();
        self.gather.flush(&log, time_us).await?;
        self.let_go();
        self.metrics.records.inc_by(records.len() as u64);
        Ok(records.len())
    }

    fn keep_recent(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let mut recent = self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for event in self.events.drain(..) {
            recent.insert(event);
        }
    }

    /// Answers and tips leave: everything they stand for is committed and published.
    fn let_go(&mut self) {
        for (reply, outcome) in self.answers.drain(..) {
            reply.send(outcome);
        }
        for (tip, leave_ver, event) in self.tips.drain(..) {
            if tenon_base::planted!("tip-dropped") {
                continue;
            }
            self.doors.multicast.tip(event.org, tip, leave_ver, Some(&event));
        }
    }

    fn apply(&mut self, record: &Record) -> Result<(), ProcessorError> {
        tenon_base::always!(record.lsn > self.applied, "records come in order");
        if record.append.kind == kind::COMMANDS {
            let commands =
                record::decode_commands(record.append.payload.clone()).map_err(|source| {
                    ProcessorError::Record { partition: self.partition, lsn: record.lsn, source }
                })?;
            let mut replies = self.waiting(record).into_iter();
            let view = self.doors.store.view();
            let mut index = 0;
            for command in &commands {
                if tenon_base::planted!("fan-out-index-restarts") {
                    index = 0;
                }
                let outcome = self.apply_command(&view, record.lsn, &mut index, command)?;
                self.metrics.outcomes.with_label_values(&[label(outcome)]).inc();
                if let Some(reply) = replies.next() {
                    self.answers.push((reply, outcome));
                }
            }
        }
        self.applied = record.lsn;
        Ok(())
    }

    /// Who waits for this record: nobody if another process, or an earlier life of this one, wrote it.
    fn waiting(&self, record: &Record) -> Vec<Reply<Outcome>> {
        if record.append.producer != self.options.producer {
            return Vec::new();
        }
        let mut pending = self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.remove(&record.append.producer_seq).unwrap_or_default()
    }

    /// Load, decide, commit.
    fn apply_command(
        &mut self,
        view: &View,
        lsn: Lsn,
        index: &mut u32,
        command: &Command,
    ) -> Result<Outcome, ProcessorError> {
        let exists = self.hot.load(view, command.author.org, command.conv)?;
        let key = (command.author.device, command.author.device_epoch);
        if exists && command.cid.0 != 0 {
            self.hot.load_sender(view, command.conv, key)?;
        }
        let imported = self.load_imported(view, command)?;
        let hot = if exists { self.hot.hot(command.conv) } else { None };
        let loaded =
            Loaded { sender: hot.and_then(|h| h.senders.get(&key)), imported: imported.as_ref() };
        match decide(hot.map(|h| &h.conversation), &loaded, command) {
            Decision::Answer(outcome) => Ok(outcome),
            Decision::Commit(change) => {
                let outcome = change.outcome;
                self.commit(lsn, index, command, *change);
                Ok(outcome)
            }
        }
    }

    fn load_imported(
        &self,
        view: &View,
        command: &Command,
    ) -> Result<Option<Map<[u8; 16], Seq>>, ProcessorError> {
        let Action::Import { entries } = &command.action else { return Ok(None) };
        let mut known = Map::default();
        for entry in entries {
            let root = match &entry.item {
                tenon_core::ImportItem::Message { root, .. } => *root,
                _ => None,
            };
            for key in [Some(entry.key), root].into_iter().flatten() {
                let row = table::import_key::key(command.author.org, command.conv, &key);
                // Keys of this turn are not published yet, so they are kept beside.
                if let Some(seq) = self.imported.get(&(command.conv, key)) {
                    known.insert(key, *seq);
                } else if let Some(value) = view.state(&row)? {
                    let (seq, _) = table::import_key::decode(&value).map_err(StoreError::from)?;
                    known.insert(key, seq);
                }
            }
        }
        Ok(Some(known))
    }

    fn commit(&mut self, lsn: Lsn, index: &mut u32, command: &Command, change: Change) {
        let org = command.author.org;
        let is_new = change.created.is_some();
        let hot = if is_new {
            self.hot.create(command.conv)
        } else {
            let Some(hot) = self.hot.hot_mut(command.conv) else { return };
            hot
        };
        let meta_before = hot.conversation.header.meta_ver;
        hot.conversation.commit(&change);
        hot.conversation.applied = lsn;
        if change.fate.is_none() || change.numbers.rev.0 > 0 {
            hot.header_dirty = true;
        }
        if !change.members.is_empty() {
            if !tenon_base::planted!("recipients-stale") {
                hot.roster_changed();
            }
            hot.members_dirty.extend(change.members.iter().map(|m| m.user));
        }
        if let Some((user, _)) = change.read {
            hot.members_dirty.insert(user);
        }
        if let Some(fate) = change.fate
            && command.cid.0 != 0
        {
            let key = (command.author.device, command.author.device_epoch);
            hot.senders.entry(key).or_default().record(command.cid, command.digest, fate);
            hot.senders_dirty.insert(key);
        }
        let told = self.gather.tell(org, lsn, index, hot, change.tells);
        self.metrics.told.inc_by(told);
        let header = &hot.conversation.header;
        let (mode, tip, leave_ver) = (header.mode, header.tip(), header.leave_ver);
        if is_new || header.meta_ver != meta_before {
            // Who lists conversations finds it by its title at once; the row is written again at the cut.
            self.writer
                .put(table::header::key(org, command.conv), Some(table::header::encode(header)));
        }
        for (key, seq, rev) in &change.imported {
            let row = table::import_key::key(org, command.conv, key);
            self.writer.put(row, Some(table::import_key::encode(*seq, *rev)));
            self.imported.insert((command.conv, *key), *seq);
        }
        self.write_events(change.events, mode, tip, leave_ver);
    }

    fn write_events(&mut self, events: Vec<Event>, mode: Mode, tip: Tip, leave_ver: u64) {
        for event in events {
            let key = SeriesKey::event(event.org, event.conv);
            if let EventBody::Message(message) = &event.body {
                let series = SeriesKey::message(event.org, event.conv);
                let header = table::message::encode_header(message);
                self.writer.append(&series, message.seq.0, header, message.body.clone());
            }
            let (header, body) = table::event::encode(&event);
            self.writer.append(&key, event.rev.0, header, body);
            let event = Arc::new(event);
            if mode == Mode::Pull {
                let at = Tip { rev: event.rev, ..tip };
                self.tips.push((at, leave_ver, Arc::clone(&event)));
            }
            self.events.push(event);
        }
    }

    fn answer_waiting(&mut self, inbox: &mut mpsc::Receiver<Asked>) {
        for _ in 0..QUESTIONS_PER_TURN {
            let Ok(asked) = inbox.try_recv() else { return };
            self.answer_question(asked);
        }
    }

    fn answer_question(&mut self, asked: Asked) {
        let answered = self.try_answer(&asked).unwrap_or_else(|error| {
            tracing::error!(partition = self.partition.0, %error, "a question could not be answered");
            None
        });
        if let Some(answer) = answered {
            asked.reply.send(answer);
        }
    }

    fn try_answer(&mut self, asked: &Asked) -> Result<Option<ConversationAnswer>, ProcessorError> {
        let view = self.doors.store.view();
        if !self.hot.load(&view, asked.org, asked.conv)? {
            return Ok(Some(ConversationAnswer::Absent));
        }
        if let ConversationQuestion::Lookup { device, device_epoch, .. } = &asked.question {
            self.hot.load_sender(&view, asked.conv, (*device, *device_epoch))?;
        }
        Ok(self.hot.hot(asked.conv).map(|hot| answer(hot, &asked.question)))
    }

    /// Between two records: when the memtable rotates, everything dirty goes into the old shard with the applied Lsn.
    fn cut_if_wanted(&mut self) {
        if self.writer.rotation_wanted() {
            if !tenon_base::planted!("applied-before-rows") {
                self.hot.write_dirty(&mut self.writer);
            }
            self.writer.publish();
            let fan_out = if tenon_base::planted!("flush-before-fanout") {
                Vec::new()
            } else {
                self.gather.written()
            };
            self.writer.cut(self.applied, &fan_out);
            self.metrics
                .hot_conversations
                .set(i64::try_from(self.hot.conversation_count()).unwrap_or(i64::MAX));
        }
    }
}

const fn label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok(_) => "ok",
        Outcome::Duplicate(_) => "duplicate",
        Outcome::CidReused => "cid_reused",
        Outcome::Rejected(_) => "rejected",
        Outcome::Gap { .. } => "gap",
        Outcome::Absent => "absent",
        Outcome::Imported { .. } => "imported",
        Outcome::Parked => "parked",
        Outcome::Retry { .. } => "retry",
    }
}
