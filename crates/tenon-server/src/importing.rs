//! An archive goes through the log like everything else: users, conversations, then the entries of each in their order.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use serde_json::{Value, json};
use tenon_base::{ConversationId, Timestamp, UserId};
use tenon_core::{ImportEntry, ImportItem};
use tenon_import::slack::{Archive, ChannelKind, ImportedChannel, ImportedUser};
use tenon_import::{Batches, Bodies, Body, Ids, ImportError, Mention, Report};
use tenon_receiver::Admin;
use tenon_receiver::admin::{AdminError, Imported, ImportedAccount, ImportedConversation};
use tenon_wire::number::message_kind;
use tenon_wire::v1::{Content, MentionSpan, Notice, Text, content};
use tokio::sync::mpsc;

use crate::admin::Event;
use crate::admin::operate::{Events, Operator, tell};
use crate::error::ServerError;

/// Batches that are read ahead while one is on its way to the disk.
const AHEAD: usize = 8;
/// Code of a notice whose text is in its argument `text`.
const NOTICE_TEXT: u32 = 1;

/// Contents as devices read them.
pub(crate) struct WireBodies;

impl Bodies for WireBodies {
    fn text(&self, text: &str, mentions: &[Mention]) -> Body {
        let spans = mentions
            .iter()
            .map(|m| MentionSpan { user: m.user.0, start: m.start, len: m.len })
            .collect();
        let what = content::What::Text(Text { text: text.to_owned() });
        encode(message_kind::TEXT, Content { what: Some(what), spans, ..Content::default() })
    }

    fn notice(&self, text: &str) -> Body {
        let args = [("text".to_owned(), text.to_owned())].into();
        let what = content::What::Notice(Notice { code: NOTICE_TEXT, args, ..Notice::default() });
        let fallback = text.chars().take(200).collect();
        let content = Content { what: Some(what), fallback, ..Content::default() };
        encode(message_kind::NOTICE, content)
    }
}

fn encode(kind: u32, content: Content) -> Body {
    Body { kind, bytes: Bytes::from(content.encode_to_vec()) }
}

/// Reads everything and writes nothing.
pub(crate) fn slack_dry_run(path: &Path) -> Result<Value, ServerError> {
    let report = Archive::open(path)?.dry_run()?;
    Ok(json!({ "dry_run": true, "archive": report }))
}

/// Imports a Slack export. May be interrupted and run again: what stands is known by its key.
pub(crate) async fn slack(
    operator: &Operator,
    path: &Path,
    events: &Events,
) -> Result<Value, ServerError> {
    let ids = Ids::slack(operator.id_key());
    let opened = path.to_owned();
    let archive = blocking(move || Archive::open(opened)).await?;
    let archive = Arc::new(archive);
    let mut run = Run {
        admin: &operator.admin,
        ids,
        events,
        report: archive.report().clone(),
        taken: Imported::default(),
        users_added: 0,
        done: 0,
        total: total(&archive),
    };
    run.users(&archive).await?;
    for index in 0..archive.channels().len() {
        run.channel(&archive, index).await?;
    }
    run.progress("done").await?;
    Ok(json!({
        "archive": run.report,
        "users_added": run.users_added,
        "entries_added": run.taken.added,
        "entries_known": run.taken.known,
        "entries_refused": run.taken.refused,
    }))
}

/// Days are the unit of progress: their number is known before they are read.
fn total(archive: &Archive) -> u64 {
    archive.channels().iter().map(|c| c.days() as u64).sum()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImportError> + Send + 'static,
) -> Result<T, ServerError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| ServerError::Panicked)??)
}

struct Run<'a> {
    admin: &'a Admin,
    ids: Ids,
    events: &'a Events,
    report: Report,
    taken: Imported,
    users_added: u64,
    done: u64,
    total: u64,
}

impl Run<'_> {
    async fn progress(&self, what: &str) -> Result<(), ServerError> {
        let event = Event::Progress { done: self.done, total: self.total, what: what.to_owned() };
        tell(self.events, event).await
    }

    async fn users(&mut self, archive: &Arc<Archive>) -> Result<(), ServerError> {
        self.progress("users").await?;
        let reading = Arc::clone(archive);
        let unlisted = blocking(move || reading.unlisted_users()).await?;
        self.report.unlisted_users = unlisted.len() as u64;
        let accounts: Vec<ImportedAccount> = archive
            .users()
            .iter()
            .chain(&unlisted)
            .map(|user: &ImportedUser| ImportedAccount {
                user: self.ids.user(&user.slack_id),
                name: user.name.clone(),
                display: user.display_name.clone(),
                is_disabled: user.is_deleted,
            })
            .collect();
        self.users_added = self.admin.add_imported(&accounts).await?;
        Ok(())
    }

    /// One reader ahead of the log; entries reach it in their order.
    async fn channel(&mut self, archive: &Arc<Archive>, index: usize) -> Result<(), ServerError> {
        let Some(channel) = archive.channels().get(index) else { return Ok(()) };
        self.progress(&channel.title).await?;
        let (sender, mut batches) = mpsc::channel(AHEAD);
        let (reading, ids) = (Arc::clone(archive), self.ids.clone());
        let reader =
            tokio::task::spawn_blocking(move || read_channel(&reading, index, &ids, &sender));
        let mut conv = None;
        while let Some(batch) = batches.recv().await {
            let target = match conv {
                Some(conv) => conv,
                None => *conv.insert(self.make(channel, first_time(&batch)).await?),
            };
            // One at a time: an older entry behind a newer one would be refused.
            let taken = put(self.admin, target, batch).await?;
            self.taken.added += taken.added;
            self.taken.known += taken.known;
            self.taken.refused += taken.refused;
        }
        let report = reader.await.map_err(|_| ServerError::Panicked)??;
        self.report.add(&report);
        if conv.is_none() {
            // A channel nobody spoke in exists all the same.
            conv = Some(self.make(channel, channel.created.time()).await?);
        }
        if let (Some(conv), Some(owner)) = (conv, channel.owner()) {
            self.own(conv, self.ids.user(owner)).await?;
        }
        self.done += channel.days() as u64;
        Ok(())
    }

    async fn make(
        &self,
        channel: &ImportedChannel,
        first: Timestamp,
    ) -> Result<ConversationId, ServerError> {
        let made = channel.created.time();
        let created = if made.0 == 0 { first } else { made.min(first) };
        let created = Timestamp(created.0.saturating_sub(1));
        let members = channel.members.as_deref().unwrap_or_default();
        let conversation = match (channel.kind, members) {
            (ChannelKind::Direct, [a, b]) => {
                let (a, b) = (self.ids.user(a), self.ids.user(b));
                ImportedConversation::Direct { a, b, created }
            }
            _ => ImportedConversation::Group {
                conv: self.ids.conversation(&channel.slack_id),
                name: channel.title.clone(),
                created,
            },
        };
        Ok(self.admin.ensure_imported(&conversation).await?)
    }

    /// The owner may have left in the end; a group without one is run by local administration.
    async fn own(&self, conv: ConversationId, owner: UserId) -> Result<(), ServerError> {
        match self.admin.set_owner(conv, owner).await {
            Ok(()) => Ok(()),
            Err(AdminError::NotTaken(why)) => {
                tracing::debug!(conversation = conv.0, why, "no owner");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn first_time(batch: &[ImportEntry]) -> Timestamp {
    batch.first().map_or(Timestamp(1), |e| e.time)
}

fn read_channel(
    archive: &Archive,
    index: usize,
    ids: &Ids,
    sender: &mpsc::Sender<Vec<ImportEntry>>,
) -> Result<Report, ImportError> {
    let Some(channel) = archive.channels().get(index) else { return Ok(Report::default()) };
    let is_direct = channel.kind == ChannelKind::Direct;
    let mut batches = Batches::new(archive.entries(channel, ids, &WireBodies)?);
    for batch in batches.by_ref() {
        let mut batch = batch?;
        if is_direct {
            // A direct conversation is made with its members.
            batch.retain(|e| matches!(e.item, ImportItem::Message { .. }));
        }
        if sender.blocking_send(batch).is_err() {
            break;
        }
    }
    Ok(batches.inner().report().clone())
}

/// A busy partition is asked again: an archive has no deadline.
async fn put(
    admin: &Admin,
    conv: ConversationId,
    batch: Vec<ImportEntry>,
) -> Result<Imported, AdminError> {
    loop {
        match admin.import(conv, batch.clone()).await {
            Err(AdminError::Refused(refusal)) if (1000..3000).contains(&refusal.code) => {
                let wait = u64::from(refusal.after_ms.max(50));
                tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
            }
            other => return other,
        }
    }
}
