//! The check of a whole data directory: store, log, and that both say the same.

use std::sync::Arc;

use serde_json::{Value, json};
use tenon_base::PartitionId;
use tenon_ports::log::kind;
use tenon_ports::{Log, LogError, Reach};
use tenon_store::{Store, record, table};

use crate::admin::Event;
use crate::admin::operate::{Events, Operator, tell};
use crate::error::ServerError;

mod replay;

use replay::Replay;

/// Payload read from the log in one step.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Verifies. Problems are told as rows; any makes the command fail.
pub(crate) async fn verify(operator: &Operator, events: &Events) -> Result<Value, ServerError> {
    let progress = |done, what: &str| Event::Progress { done, total: 4, what: what.to_owned() };
    tell(events, progress(0, "store")).await?;
    operator.store.flush_once().await?;
    let store = operator.store.clone();
    let report = tokio::task::spawn_blocking(move || store.view().verify())
        .await
        .map_err(|_| ServerError::Panicked)??;
    let mut problems: Vec<Value> = report
        .problems
        .iter()
        .map(|p| json!({ "where": p.space, "place": p.place, "what": p.what }))
        .collect();
    let mut count = report.problems_count;

    tell(events, progress(1, "log")).await?;
    let layout = operator.layout;
    let partitions = layout.conversation_partitions().chain(layout.user_partitions());
    let mut logged = Logged::default();
    for partition in partitions.chain([PartitionId::IDENTITY]) {
        read_partition(&operator.store, &operator.log, partition, &mut logged).await?;
    }
    tell(events, progress(2, "log against store")).await?;
    let log = Arc::clone(&operator.log) as Arc<dyn Log>;
    let replayed = replay::compare(&operator.store, &log, layout).await?;
    if let Replay::Different(partitions) = &replayed {
        for partition in partitions {
            let what = "the tables are not what a replay of the log gives";
            logged.problems.push(json!({ "where": "replay", "place": partition.0, "what": what }));
        }
    }
    tell(events, progress(3, "report")).await?;
    count += logged.problems.len() as u64;
    problems.extend(logged.problems);
    for problem in &problems {
        tell(events, Event::Row { row: problem.clone() }).await?;
    }
    if count > 0 {
        return Err(ServerError::Unclean { problems: count });
    }
    Ok(json!({
        "problems": 0,
        "state_rows": report.state_rows,
        "rows": report.rows,
        "blocks": report.blocks,
        "block_values": report.block_values,
        "numbers": report.numbers,
        "bytes": report.bytes,
        "log_records": logged.records,
        "log_commands": logged.commands,
        "commands_found": logged.found,
        "partitions": logged.partitions,
        "replay": match replayed {
            Replay::Equal(partitions) => format!("{partitions} conversation partitions equal"),
            Replay::Trimmed => "not whole: the beginning of the log was trimmed".to_owned(),
            Replay::Busy => "not done: commands came meanwhile; stop the server to have it".to_owned(),
            Replay::Different(_) => "different".to_owned(),
        },
    }))
}

#[derive(Default)]
struct Logged {
    records: u64,
    commands: u64,
    /// Commands whose effect stands in the tables as the log says.
    found: u64,
    partitions: u64,
    problems: Vec<Value>,
}

/// Reads what the log keeps of a partition, checksums included, and compares each command that the store stands on with the
/// table's own account of it.
async fn read_partition(
    store: &Store,
    log: &Arc<tenon_embedded::EmbeddedLog>,
    partition: PartitionId,
    logged: &mut Logged,
) -> Result<(), ServerError> {
    let applied = store.applied(partition);
    let mut at = tenon_base::Lsn::ZERO;
    loop {
        let records = match log.read(partition, at, Reach::Committed, READ_BYTES).await {
            Ok(records) => records,
            Err(LogError::Trimmed { first }) => {
                at = tenon_base::Lsn(first.0 - 1);
                continue;
            }
            Err(error) => {
                let what = error.to_string();
                logged.problems.push(json!({ "where": "log", "place": partition.0, "what": what }));
                return Ok(());
            }
        };
        let Some(last) = records.last() else { break };
        at = last.lsn;
        for record in &records {
            logged.records += 1;
            if partition.is_conversation() && record.append.kind == kind::COMMANDS {
                compare(store, record, record.lsn <= applied, logged)?;
            }
        }
    }
    logged.partitions += 1;
    Ok(())
}

/// A command that was decided stands in its sender's chain; an accepted message stands at its seq with the same id and body.
fn compare(
    store: &Store,
    record: &tenon_ports::Record,
    is_applied: bool,
    logged: &mut Logged,
) -> Result<(), ServerError> {
    use tenon_core::conversation::Fate;
    let commands = match record::decode_commands(record.append.payload.clone()) {
        Ok(commands) => commands,
        Err(error) => {
            let what = format!("a record does not decode: {error}");
            logged.problems.push(json!({ "where": "log", "place": record.lsn.0, "what": what }));
            return Ok(());
        }
    };
    let view = store.view();
    for command in commands {
        logged.commands += 1;
        let author = command.author;
        let tenon_core::Action::Send(message) = &command.action else { continue };
        if !is_applied || command.is_void {
            continue;
        }
        let key = table::sender::key(author.org, command.conv, author.device, author.device_epoch);
        let Some(row) = view.state(&key)? else { continue };
        let sender = table::sender::decode(&row).map_err(tenon_store::StoreError::from)?;
        let outcome = sender.outcomes.iter().find(|o| o.cid == command.cid);
        let Some(Fate::Accepted(accepted)) =
            outcome.filter(|o| o.digest == command.digest).map(|o| o.fate)
        else {
            continue;
        };
        let stored = table::message::read(&view, author.org, command.conv, accepted.seq)?;
        let is_same = stored.as_ref().is_some_and(|m| {
            m.message_id == accepted.message_id && m.sender == author.user && m.body == message.body
        });
        if is_same {
            logged.found += 1;
        } else {
            let what = "an accepted message is not in the table as the log has it";
            let place = format!("conversation {} seq {}", command.conv, accepted.seq.0);
            logged.problems.push(json!({ "where": "message", "place": place, "what": what }));
        }
    }
    Ok(())
}
