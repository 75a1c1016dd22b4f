//! `tenon tail`: every event of a device as it arrives. What a long absence skipped is fetched, so that no message is missing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tenon_client::driver::{Client, ClientError, ClientEvent};
use tenon_client::engine::{ConnectionState, HistoryWant};
use tenon_wire::{event_type, v1};

use super::talk::{PAGE, connect, event_row, message_row, show};
use crate::cli;
use crate::error::ServerError;
use crate::output;

/// File in the device directory: the last message printed of each conversation.
const SEEN_FILE: &str = "tail.json";

pub(super) async fn tail(args: cli::Tail, is_json: bool) -> Result<ExitCode, ServerError> {
    let (client, mut events) = connect(&args.client, true, args.record.as_deref()).await?;
    let seen = Seen::load(args.client.device_dir.as_deref())?;
    let left = args.count.unwrap_or(u64::MAX);
    let mut tail = Tail { client: client.clone(), seen, is_json, left };
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    while tail.left > 0 {
        let event = tokio::select! {
            biased;
            _ = &mut stop => break,
            event = events.next() => event,
        };
        let Some(event) = event else { return Err(ClientError::Closed.into()) };
        tokio::select! {
            biased;
            _ = &mut stop => break,
            taken = tail.take(event) => taken?,
        }
        // What was printed is handled; what was not comes again.
        events.handled();
    }
    events.leave();
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

struct Tail {
    client: Client,
    seen: Seen,
    is_json: bool,
    left: u64,
}

impl Tail {
    async fn take(&mut self, event: ClientEvent) -> Result<(), ServerError> {
        match event {
            ClientEvent::Sync { event, .. } => self.event(&event),
            ClientEvent::Rebased { rebased, .. } => {
                let row = json!({ "kind": "rebased", "reason": rebased.reason });
                output::line(&show(&row, self.is_json));
                self.fill_all().await
            }
            ClientEvent::Jumped { jumped, .. } => {
                let row = json!({ "kind": "jumped", "conversation": jumped.conv.to_string() });
                output::line(&show(&row, self.is_json));
                self.fill(jumped.conv).await
            }
            ClientEvent::State(ConnectionState::Stopped { code, text }) => {
                Err(ClientError::Stopped { code, text: text.to_string() }.into())
            }
            _ => Ok(()),
        }
    }

    fn event(&mut self, event: &v1::SyncEvent) -> Result<(), ServerError> {
        if event.r#type == event_type::MESSAGE && !self.seen.is_new(event.conv, event.seq) {
            // It came with what was fetched.
            return Ok(());
        }
        output::line(&show(&event_row(event), self.is_json));
        self.left = self.left.saturating_sub(1);
        if event.r#type == event_type::MESSAGE {
            self.seen.note(event.conv, event.seq)?;
        }
        Ok(())
    }

    /// After a Rebase: the messages of all conversations behind the last one printed. The first Rebase of a device is where
    /// its tail begins.
    async fn fill_all(&mut self) -> Result<(), ServerError> {
        let lines = self.client.list().await?;
        if !self.seen.has_begun {
            let tips = lines.iter().map(|line| (line.conv, line.tip_seq)).collect();
            return self.seen.begin(tips);
        }
        for line in lines {
            if self.seen.is_new(line.conv, line.tip_seq) {
                self.fill(line.conv).await?;
            }
        }
        Ok(())
    }

    async fn fill(&mut self, conv: u64) -> Result<(), ServerError> {
        loop {
            let above_seq = self.seen.last(conv);
            let want = HistoryWant { conv, above_seq, below_seq: 0, limit: PAGE, is_upward: true };
            let page = self.client.history(want).await?;
            for row in page.rows.iter().filter(|row| row.seq > above_seq) {
                output::line(&show(&message_row(conv, row), self.is_json));
                self.left = self.left.saturating_sub(1);
                self.seen.last.insert(conv, row.seq);
            }
            self.seen.save()?;
            if page.hi <= above_seq || page.hi < page.lo {
                return Ok(());
            }
            let covered = self.seen.last.entry(conv).or_default();
            *covered = (*covered).max(page.hi);
        }
    }
}

/// The last message printed of each conversation; kept in the device directory, if there is one.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    #[serde(skip)]
    path: Option<PathBuf>,
    last: BTreeMap<u64, u64>,
    /// The first Rebase was seen: from then on a conversation that is not here has no message that was passed over.
    has_begun: bool,
}

impl Seen {
    fn load(device_dir: Option<&Path>) -> Result<Self, ServerError> {
        let path = device_dir.map(|dir| dir.join(SEEN_FILE));
        let Some(file) = path.clone().filter(|path| path.exists()) else {
            return Ok(Self { path, ..Self::default() });
        };
        let bytes = std::fs::read(&file)
            .map_err(|source| ServerError::Io { path: file.clone(), source })?;
        let seen: Self = serde_json::from_slice(&bytes)
            .map_err(|error| ServerError::Damaged { path: file, what: error.to_string() })?;
        Ok(Self { path, ..seen })
    }

    fn last(&self, conv: u64) -> u64 {
        self.last.get(&conv).copied().unwrap_or(0)
    }

    fn is_new(&self, conv: u64, seq: u64) -> bool {
        seq > self.last(conv)
    }

    fn begin(&mut self, tips: BTreeMap<u64, u64>) -> Result<(), ServerError> {
        for (conv, tip) in tips {
            let last = self.last.entry(conv).or_default();
            *last = (*last).max(tip);
        }
        self.has_begun = true;
        self.save()
    }

    fn note(&mut self, conv: u64, seq: u64) -> Result<(), ServerError> {
        self.last.insert(conv, seq);
        self.save()
    }

    /// Whole or not at all; not synced, since a power cut that takes it back costs repeats and no loss.
    fn save(&self) -> Result<(), ServerError> {
        let Some(path) = &self.path else { return Ok(()) };
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let beside = path.with_extension("tmp");
        std::fs::write(&beside, bytes)
            .and_then(|()| std::fs::rename(&beside, path))
            .map_err(|source| ServerError::Io { path: path.clone(), source })
    }
}
