//! Commands that speak as a device: send, tail, list, history.

use std::path::Path;
use std::process::ExitCode;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use prost::Message as _;
use serde_json::{Value, json};
use tenon_base::ConversationId;
use tenon_client::driver::{
    Client, ClientError, ClientOptions, Events, RecordTo, ServerUrl, StoreChoice, Tls, Trust,
};
use tenon_client::engine::{Auth, ConnectionState, HistoryWant, ListLine};
use tenon_wire::v1::{self, content};
use tenon_wire::{ErrorClass, ErrorCode, event_type};

use crate::cli;
use crate::error::ServerError;
use crate::output;

/// Rows of one page of history.
pub(super) const PAGE: u32 = 100;
/// Events that wait while a command fetches what a long absence skipped.
const EVENTS_MAX: usize = 65_536;
/// How long a command waits for the server before it says that it cannot be reached.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

impl From<ClientError> for ServerError {
    fn from(error: ClientError) -> Self {
        let mend = match &error {
            ClientError::Refused { code, .. } | ClientError::Stopped { code, .. } => {
                ErrorCode::from_number(*code).map(|c| format!("see docs/errors/{}.md", c.text()))
            }
            ClientError::Timeout | ClientError::Link(_) => {
                Some("check that the server runs and that --server is its address".to_owned())
            }
            _ => None,
        };
        Self::Told { message: error.to_string(), mend }
    }
}

fn told(message: String, mend: &str) -> ServerError {
    ServerError::Told { message, mend: Some(mend.to_owned()) }
}

/// HOST:PORT is frames: plain on loopback, TLS elsewhere.
fn server_url(text: &str) -> Result<ServerUrl, ServerError> {
    let parse = |text: &str| {
        text.parse::<ServerUrl>()
            .map_err(|error| told(error.to_string(), "give the address that `tenon serve` printed"))
    };
    if text.contains("://") {
        return parse(text);
    }
    parse(&format!("tcp://{text}")).or_else(|_| parse(&format!("tls://{text}")))
}

/// The device in a history: the same for the same credential, and not the credential.
fn record_to(args: &cli::Client, path: &Path) -> RecordTo {
    let sum = digest(&SHA256, args.token.trim().as_bytes());
    let hex: String = sum.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    RecordTo { path: path.to_owned(), actor: hex.into() }
}

pub(super) async fn connect(
    args: &cli::Client,
    keeps: bool,
    record: Option<&Path>,
) -> Result<(Client, Events), ServerError> {
    let auth = Auth::Credential(Bytes::copy_from_slice(args.token.trim().as_bytes()));
    let mut options = ClientOptions::new(server_url(&args.server)?, auth);
    options.events_max = EVENTS_MAX;
    options.store = match &args.device_dir {
        Some(dir) => StoreChoice::Folder(dir.clone()),
        None if keeps => StoreChoice::Memory,
        None => StoreChoice::Nothing,
    };
    if args.device_dir.is_none() {
        options.engine.keeps_rows = false;
    }
    options.record = record.map(|path| record_to(args, path));
    let trust = args.tls_ca.clone().map_or(Trust::System, Trust::File);
    if args.server.starts_with("tls") || args.server.contains("s://") || args.tls_ca.is_some() {
        options.tls = Some(Tls::new(&trust).map_err(|error| {
            told(error.to_string(), "give the server's certificate with --tls-ca")
        })?);
    }
    let (client, events) = Client::connect(options).await?;
    Ok((client, events))
}

/// Waits for the link, or says why there is none. A credential that is refused will not get better by waiting.
async fn online(client: &Client) -> Result<(), ServerError> {
    let mut state = client.state();
    let settled = state.wait_for(|state| match state {
        ConnectionState::Live | ConnectionState::Stopped { .. } => true,
        ConnectionState::Backoff { code, .. } => {
            ErrorClass::of(*code).is_some_and(|class| class >= ErrorClass::Auth)
        }
        _ => false,
    });
    let waited = tokio::time::timeout(PATIENCE, settled).await;
    let now = client.state().borrow().clone();
    match (waited, now) {
        (Ok(Err(_)), _) => Err(ClientError::Closed.into()),
        (_, ConnectionState::Live) => Ok(()),
        (_, ConnectionState::Stopped { code, text }) => {
            Err(ClientError::Stopped { code, text: text.to_string() }.into())
        }
        (_, ConnectionState::Backoff { code, text, .. }) if code != 0 => {
            let name = ErrorCode::from_number(code).map_or("", ErrorCode::text);
            let mend = match ErrorClass::of(code) {
                Some(ErrorClass::Auth) => "make a new credential: `tenon token mint`".to_owned(),
                _ => format!("see docs/errors/{name}.md"),
            };
            let message = format!("the server refuses this device: {name} ({code}) {text}");
            Err(ServerError::Told { message, mend: Some(mend) })
        }
        (_, state) => {
            let why = match state {
                ConnectionState::Backoff { text, .. } => text.to_string(),
                _ => "no answer".to_owned(),
            };
            Err(told(
                format!("the server cannot be reached: {why}"),
                "check that the server runs and that --server is its address",
            ))
        }
    }
}

/// The conversation that the flags name.
async fn target(client: &Client, target: &cli::Target) -> Result<ConversationId, ServerError> {
    if let Some(name) = &target.to {
        return Ok(client.open_direct_by_name(name).await?);
    }
    if let Some(name) = &target.group {
        let names = client.resolve(Vec::new(), vec![name.clone()]).await?;
        return match names.groups.first().map(|group| group.id) {
            Some(id) if id != 0 => Ok(ConversationId(id)),
            _ => Err(told(
                format!("there is no group {name:?} that this account is in"),
                "an operator can add it: `tenon group add`",
            )),
        };
    }
    Ok(ConversationId(target.conversation.unwrap_or(0)))
}

pub(super) async fn send(args: cli::Send, is_json: bool) -> Result<ExitCode, ServerError> {
    let (client, events) = connect(&args.client, false, args.record.as_deref()).await?;
    online(&client).await?;
    let conv = target(&client, &args.target).await?;
    let sent = client.send_text(conv, args.text.as_str()).await?;
    events.leave();
    client.close().await?;
    let ack_ms = sent.elapsed.as_micros() as f64 / 1000.0;
    if is_json {
        let line = json!({
            "kind": "message",
            "conversation": conv.to_string(),
            "seq": sent.seq.0,
            "rev": sent.rev.0,
            "message_id": sent.message_id.to_string(),
            "sender": Value::Null,
            "time_ms": sent.at.0,
            "text": args.text,
            "thread_seq": 0,
            "ack_ms": ack_ms,
        });
        output::line(&line.to_string());
    } else {
        output::line(&format!(
            "message {} seq {} in conversation {conv}, acked in {ack_ms:.1} ms",
            sent.message_id, sent.seq.0
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn list(args: cli::Client, is_json: bool) -> Result<ExitCode, ServerError> {
    let (client, events) = connect(&args, true, None).await?;
    online(&client).await?;
    for line in client.list().await? {
        let row = list_row(&line);
        output::line(&if is_json {
            row.to_string()
        } else {
            format!(
                "{}\t{} unread\t{} messages\t{}",
                output::text(&row, "conversation"),
                output::text(&row, "unread"),
                output::text(&row, "seq"),
                output::text(&row, "title")
            )
        });
    }
    events.leave();
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn list_row(line: &ListLine) -> Value {
    let meta = line.meta.clone().unwrap_or_default();
    json!({
        "kind": "conversation",
        "conversation": line.conv.to_string(),
        "title": meta.title,
        "direct": meta.kind == i32::from(v1::ConvKind::Direct),
        "peer": (meta.peer != 0).then(|| meta.peer.to_string()),
        "pull": meta.mode == i32::from(v1::Mode::Pull),
        "members": meta.member_count,
        "unread": line.unread,
        "seq": line.tip_seq,
        "rev": line.rev,
        "read_seq": line.read_seq,
        "time_ms": line.sort_ts,
    })
}

pub(super) async fn history(args: cli::History, is_json: bool) -> Result<ExitCode, ServerError> {
    let (client, events) = connect(&args.client, false, args.record.as_deref()).await?;
    online(&client).await?;
    let conv = target(&client, &args.target).await?;
    let mut above = 0;
    loop {
        let want = HistoryWant {
            conv: conv.0,
            above_seq: above,
            below_seq: 0,
            limit: PAGE,
            is_upward: args.all,
        };
        let page = client.history(want).await?;
        for row in &page.rows {
            output::line(&show(&message_row(conv.0, row), is_json));
        }
        if !page.is_stable {
            return Err(told(
                format!("messages {} to {} cannot be read now", page.lo, page.hi),
                "run `tenon verify`; see docs/errors/degraded.md",
            ));
        }
        if !args.all || page.hi < page.lo || page.hi <= above {
            break;
        }
        above = page.hi;
    }
    events.leave();
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// One event as an object; a message has the form that `send` and `history` print too.
pub(super) fn event_row(event: &v1::SyncEvent) -> Value {
    if event.r#type == event_type::MESSAGE {
        return json!({
            "kind": "message",
            "conversation": event.conv.to_string(),
            "seq": event.seq,
            "rev": event.rev,
            "message_id": event.message_id.to_string(),
            "sender": event.sender.to_string(),
            "time_ms": event.ts,
            "text": text_of(&event.body),
            "thread_seq": event.reply_seq,
            "pts": event.pts,
        });
    }
    json!({
        "kind": kind_of(event.r#type),
        "conversation": event.conv.to_string(),
        "rev": event.rev,
        "sender": event.sender.to_string(),
        "time_ms": event.ts,
        "pts": event.pts,
    })
}

pub(super) fn message_row(conv: u64, row: &v1::MessageRow) -> Value {
    json!({
        "kind": "message",
        "conversation": conv.to_string(),
        "seq": row.seq,
        "rev": row.ver,
        "message_id": row.message_id.to_string(),
        "sender": row.sender.to_string(),
        "time_ms": row.ts,
        "text": text_of(&row.body),
        "thread_seq": row.reply_seq,
    })
}

/// Names of event types, for readers of a tail.
const fn kind_of(number: u32) -> &'static str {
    match number {
        event_type::UNREADABLE => "unreadable",
        event_type::MEMBERS_CHANGED => "members_changed",
        event_type::CONVERSATION_CHANGED => "conversation_changed",
        event_type::MODE_CHANGED => "mode_changed",
        event_type::READ_MARKED => "read_marked",
        event_type::SUMMARY_CHANGED => "summary_changed",
        event_type::RECEIPT => "receipt",
        event_type::MENTION => "mention",
        event_type::CONVERSATION_ADDED => "conversation_added",
        event_type::CONVERSATION_REMOVED => "conversation_removed",
        _ => "event",
    }
}

/// The words of a content: its text, or the line for readers that do not know the kind.
fn text_of(body: &[u8]) -> String {
    let Ok(content) = v1::Content::decode(body) else { return String::new() };
    match content.what {
        Some(content::What::Text(text)) => text.text,
        Some(content::What::Markdown(markdown)) => markdown.text,
        Some(content::What::Notice(notice)) => {
            notice.args.get("text").cloned().unwrap_or(content.fallback)
        }
        _ => content.fallback,
    }
}

pub(super) fn show(row: &Value, is_json: bool) -> String {
    if is_json {
        return row.to_string();
    }
    let field = |name| output::text(row, name);
    if field("kind") == "message" {
        let thread = match row.get("thread_seq").and_then(Value::as_u64) {
            Some(seq) if seq > 0 => format!(" (thread {seq})"),
            _ => String::new(),
        };
        return format!("{}\t{}\t{}{thread}", field("seq"), field("sender"), field("text"));
    }
    format!("{}\t{}\t{}", field("kind"), field("conversation"), field("what"))
}
