//! One queue and one appender per partition: commands that wait together share a record and a sync.

use std::sync::Arc;

use tenon_base::{PartitionId, Retry};
use tenon_core::conversation::Outcome;
use tenon_core::handover::{Reply, UserOutcome};
use tenon_core::{Command, UserCommand};
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, LogError};
use tenon_store::record;
use tokio::sync::{mpsc, watch};

use crate::code;
use crate::service::Shared;

/// A command with who waits for it.
pub(crate) struct Job<C, O> {
    pub(crate) command: C,
    pub(crate) reply: Reply<O>,
}

/// What the two kinds of partitions differ in.
pub(crate) trait Lane: Sized + Send + 'static {
    type Outcome: Send + 'static;
    const LABEL: &'static str;

    /// Rough size in a record.
    fn bytes(&self) -> usize;
    fn encode(commands: &[Self]) -> bytes::Bytes;
    fn retry(code: u32, after_ms: u32) -> Self::Outcome;
    fn expect(shared: &Shared, at: (PartitionId, u64), replies: Vec<Reply<Self::Outcome>>);
    fn forget(shared: &Shared, at: (PartitionId, u64)) -> Vec<Reply<Self::Outcome>>;
}

/// Fixed part of a command in a record, rounded up.
const COMMAND_BYTES: usize = 96;

impl Lane for Command {
    type Outcome = Outcome;
    const LABEL: &'static str = "conversation";

    fn bytes(&self) -> usize {
        use tenon_core::Action;
        COMMAND_BYTES
            + match &self.action {
                Action::Send(send) => send.body.len() + 8 * (send.mentions.len() + send.to.len()),
                Action::Create(create) => create.title.len() + 8 * create.members.len(),
                Action::AddMembers { users } | Action::RemoveMembers { users } => 8 * users.len(),
                Action::Import { entries } => entries
                    .iter()
                    .map(|entry| match &entry.item {
                        tenon_core::ImportItem::Message { body, .. } => COMMAND_BYTES + body.len(),
                        _ => COMMAND_BYTES,
                    })
                    .sum(),
                Action::Rename { title } => title.len(),
                Action::Leave | Action::SetRole { .. } | Action::ReadMark { .. } => 0,
            }
    }

    fn encode(commands: &[Self]) -> bytes::Bytes {
        record::encode_commands(commands)
    }

    fn retry(code: u32, after_ms: u32) -> Outcome {
        Outcome::Retry { code, after_ms }
    }

    fn expect(shared: &Shared, (partition, seq): (PartitionId, u64), replies: Vec<Reply<Outcome>>) {
        shared.doors.conversations.expect(partition, seq, replies);
    }

    fn forget(shared: &Shared, (partition, seq): (PartitionId, u64)) -> Vec<Reply<Outcome>> {
        shared.doors.conversations.forget(partition, seq)
    }
}

impl Lane for UserCommand {
    type Outcome = UserOutcome;
    const LABEL: &'static str = "user";

    fn bytes(&self) -> usize {
        use tenon_core::UserAction;
        let draft = match &self.action {
            UserAction::SetSummary { patch, .. } => patch.draft.as_ref().map_or(0, |d| d.len()),
            _ => 0,
        };
        COMMAND_BYTES + draft
    }

    fn encode(commands: &[Self]) -> bytes::Bytes {
        record::encode_user_commands(commands)
    }

    fn retry(code: u32, after_ms: u32) -> UserOutcome {
        UserOutcome::Retry { code, after_ms }
    }

    fn expect(
        shared: &Shared,
        (partition, seq): (PartitionId, u64),
        replies: Vec<Reply<UserOutcome>>,
    ) {
        shared.doors.users.expect(partition, seq, replies);
    }

    fn forget(shared: &Shared, (partition, seq): (PartitionId, u64)) -> Vec<Reply<UserOutcome>> {
        shared.doors.users.forget(partition, seq)
    }
}

/// Appends what waits, one record after the other: while one is on its way to the disk the next one fills.
pub(crate) async fn run<C: Lane>(
    shared: Arc<Shared>,
    partition: PartitionId,
    mut jobs: mpsc::Receiver<Job<C, C::Outcome>>,
    mut stop: watch::Receiver<bool>,
) {
    let bytes_max = shared.options.record_bytes.as_usize();
    let mut held = None;
    let mut producer_seq = 0;
    loop {
        let first = match held.take() {
            Some(job) => job,
            None => {
                tokio::select! {
                    biased;
                    job = jobs.recv() => match job { Some(job) => job, None => return },
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        };
        let mut bytes = first.command.bytes();
        let (mut commands, mut replies) = (vec![first.command], vec![first.reply]);
        while bytes < bytes_max
            && let Ok(job) = jobs.try_recv()
        {
            bytes += job.command.bytes();
            if bytes > bytes_max {
                held = Some(job);
                break;
            }
            commands.push(job.command);
            replies.push(job.reply);
        }
        producer_seq += 1;
        append(&shared, (partition, producer_seq), &commands, replies).await;
    }
}

async fn append<C: Lane>(
    shared: &Shared,
    at: (PartitionId, u64),
    commands: &[C],
    replies: Vec<Reply<C::Outcome>>,
) {
    let append = Append {
        partition: at.0,
        producer: shared.options.producer,
        producer_seq: at.1,
        time_us: shared.doors.clock.now().0.saturating_mul(1000),
        key_id: 0,
        leader_epoch: 0,
        kind: kind::COMMANDS,
        payload: C::encode(commands),
    };
    let started = shared.doors.clock.monotonic();
    C::expect(shared, at, replies);
    let result = shared.doors.log.append(vec![append], Durability::Durable).await;
    let took = shared.doors.clock.monotonic().since(started);
    match result {
        Ok(_) => {
            shared.metrics.admitted.with_label_values(&[C::LABEL]).inc_by(commands.len() as u64);
            #[expect(clippy::cast_precision_loss, reason = "a histogram of small counts")]
            shared.metrics.batch.observe(commands.len() as f64);
            shared.metrics.append.observe(took.as_secs_f64());
        }
        Err(error) => {
            let (code, after_ms) = refusal(&error);
            tracing::warn!(partition = at.0.0, %error, commands = commands.len(), "append failed");
            for reply in C::forget(shared, at) {
                reply.send(C::retry(code, after_ms));
            }
        }
    }
}

/// How a failed append is told: `unknown_outcome` when the record may still come to life.
pub(crate) const fn refusal(error: &LogError) -> (u32, u32) {
    match error {
        LogError::DiskFull => (code::DISK_FULL, 5_000),
        LogError::Full => (code::OVERLOAD, 200),
        LogError::Damaged(_) | LogError::Poisoned => (code::LOG_DAMAGED, 10_000),
        other => match other.retry() {
            Retry::Unknown => (code::UNKNOWN_OUTCOME, 500),
            _ => (code::OVERLOAD, 1_000),
        },
    }
}
