//! Small archives written in memory, and the entries that come out.

use std::io::{Cursor, Write};

use bytes::Bytes;
use tenon_core::{ImportEntry, ImportItem};
use tenon_import::slack::{Archive, ImportedChannel};
use tenon_import::{Bodies, Body, Ids, ImportError, Limits, Mention, Report};
use tenon_wire::v1::content::What;
use tenon_wire::v1::{Content, MentionSpan, Notice, Text};
use tenon_wire::{Bounded, message_kind};
use zip::write::SimpleFileOptions;

pub(crate) const USERS: &str = r#"[
    {"id":"U1","name":"ann","profile":{"real_name":"Ann A","email":"ann@example.org"}},
    {"id":"U2","name":"bob","deleted":true},{"id":"U3","name":"cid","profile":{"bot_id":"B3"},"is_bot":true}]"#;

/// Bodies as the server writes them.
pub(crate) struct Wire;

fn encode<T: Bounded>(message: &T) -> Bytes {
    message.encode_to_vec().into()
}

impl Bodies for Wire {
    fn text(&self, text: &str, mentions: &[Mention]) -> Body {
        let span = |m: &Mention| MentionSpan { user: m.user.0, start: m.start, len: m.len };
        let spans = mentions.iter().map(span).collect();
        let what = Some(What::Text(Text { text: text.to_owned() }));
        let content = Content { what, spans, ..Content::default() };
        Body { kind: message_kind::TEXT, bytes: encode(&content) }
    }

    fn notice(&self, text: &str) -> Body {
        let what = Some(What::Notice(Notice { text: text.to_owned(), ..Notice::default() }));
        let content = Content { what, ..Content::default() };
        Body { kind: message_kind::NOTICE, bytes: encode(&content) }
    }
}

/// A ZIP with these files.
pub(crate) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).expect("in memory");
        zip.write_all(content.as_bytes()).expect("in memory");
    }
    zip.finish().expect("in memory").into_inner()
}

pub(crate) fn try_open(bytes: Vec<u8>) -> Result<Archive, ImportError> {
    Archive::read(Cursor::new(bytes), Limits::default())
}

pub(crate) fn open(files: &[(&str, &str)]) -> Archive {
    try_open(zip(files)).expect("an archive")
}

/// An archive of one public channel `C1` ("general") with these members and days.
pub(crate) fn channel(members: &str, days: &[(&str, &str)]) -> Archive {
    let list = format!(r#"[{{"id":"C1","name":"general","created":1,"creator":"U1"{members}}}]"#);
    let mut files = vec![("users.json", USERS), ("channels.json", list.as_str())];
    files.extend_from_slice(days);
    open(&files)
}

pub(crate) fn ids() -> Ids {
    Ids::slack([7; 32])
}

/// All entries of a channel and the report.
pub(crate) fn take(archive: &Archive, channel: &ImportedChannel) -> (Vec<ImportEntry>, Report) {
    let ids = ids();
    let mut entries = archive.entries(channel, &ids, &Wire).expect("readable");
    let taken: Vec<_> = entries.by_ref().map(|e| e.expect("readable")).collect();
    (taken, entries.report().clone())
}

/// All entries of the first channel and the report.
pub(crate) fn first(archive: &Archive) -> (Vec<ImportEntry>, Report) {
    take(archive, &archive.channels()[0])
}

/// The words of a message, a notice in square brackets; `+` and `-` for a join and a leave.
pub(crate) fn words(entry: &ImportEntry) -> String {
    match &entry.item {
        ImportItem::Join => "+".to_owned(),
        ImportItem::Leave => "-".to_owned(),
        ImportItem::Message { kind, body, .. } => {
            let content = Content::decode_bounded(body.clone()).expect("a content");
            match content.what {
                Some(What::Text(text)) if *kind == message_kind::TEXT => text.text,
                Some(What::Notice(notice)) if *kind == message_kind::NOTICE => {
                    format!("[{}]", notice.text)
                }
                other => format!("{kind}: {other:?}"),
            }
        }
    }
}

/// `WHO words` for each entry, U1 to U9 and bots by their archive ids.
pub(crate) fn told(entries: &[ImportEntry]) -> Vec<String> {
    let ids = ids();
    let mut known: Vec<String> = (1..10).map(|n| format!("U{n}")).collect();
    known.extend(["B9", "username:ci", "USLACKBOT"].map(str::to_owned));
    let who = |entry: &ImportEntry| {
        let named = known.iter().find(|id| ids.user(id) == entry.user);
        named.map_or("?", String::as_str)
    };
    entries.iter().map(|e| format!("{} {}", who(e), words(e))).collect()
}
