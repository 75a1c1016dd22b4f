//! One day of one channel: what each line is.

use std::borrow::Cow;

use super::json::{Later, RawAttachment, RawFile, RawLine, RawStamp, RawUser, Text, each_element};
use super::text::escape;
use super::ts::Ts;
use crate::options::Limits;
use crate::report::shorten;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    /// Somebody's words.
    Message,
    /// `/me` words: told of the sender in the third person.
    Me,
    /// The system's words: a new topic, a deleted message.
    Notice,
    /// The sender came in.
    Join,
    /// The sender went.
    Leave,
}

impl LineKind {
    /// True for what becomes a message in the conversation.
    pub const fn is_message(self) -> bool {
        matches!(self, Self::Message | Self::Me | Self::Notice)
    }
}

/// A line of a day, as far as an import needs it.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Its name in the channel, its time and its place.
    pub ts: Ts,
    /// Id of the user or bot; `username:NAME` for a webhook that the export gives no id.
    pub sender: Cow<'a, str>,
    /// What it is.
    pub kind: LineKind,
    /// Words in Slack's markup, files and cards appended as lines.
    pub text: Cow<'a, str>,
    /// Root of its thread; `None` outside threads and for a root. Never later than `ts`.
    pub root: Option<Ts>,
    /// True for a line that says it is the root of a thread.
    pub is_root: bool,
    /// Who wrote the root, if the line says so.
    pub root_sender: Option<Cow<'a, str>>,
    /// Last edit.
    pub edited: Option<Ts>,
    /// What of it is taken in another form, or not at all.
    pub changes: Vec<Cow<'static, str>>,
    /// Name that the line gives for its sender.
    username: Text<'a>,
    user_profile: Later<'a>,
    bot_profile: Later<'a>,
}

/// A line that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Timestamp as it stands there.
    pub ts: String,
    /// Why.
    pub reason: String,
    /// The beginning of its text or JSON.
    pub what: String,
}

/// The lines of a day in file order.
#[derive(Debug, Clone, Default)]
pub struct Day<'a> {
    /// What is taken.
    pub lines: Vec<Line<'a>>,
    /// What is not.
    pub skipped: Vec<Skipped>,
}

/// A day cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DayError {
    /// No JSON list.
    #[error("line {line}, column {column}: {why}")]
    BadJson {
        /// Line from 1; 0 = unknown.
        line: usize,
        /// Column from 1; 0 = unknown.
        column: usize,
        /// What the reader found.
        why: String,
    },
    /// Above the bound of entries.
    #[error("more than {max} entries")]
    TooMany {
        /// The bound.
        max: usize,
    },
}

/// Reads a day, whatever bytes it has: a line that makes no sense is skipped with its reason.
///
/// # Errors
/// [`DayError`] if the file is no list in UTF-8, or longer than [`Limits::day_entries_max`] by default.
pub fn parse_day(bytes: &[u8]) -> Result<Day<'_>, DayError> {
    parse_within(bytes, Limits::default().day_entries_max)
}

/// Same with another bound of entries.
pub(super) fn parse_within(bytes: &[u8], max: usize) -> Result<Day<'_>, DayError> {
    let json = utf8(bytes)?;
    let mut day = Day::default();
    let mut is_over = false;
    let read = each_element(json, |element| {
        is_over = day.lines.len() + day.skipped.len() >= max;
        if !is_over {
            day.take(element.get());
        }
        !is_over
    });
    if is_over {
        return Err(DayError::TooMany { max });
    }
    read.map_err(|e| bad_json(&e))?;
    Ok(day)
}

/// Text of a file, without the mark that some editors put at the beginning.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, DayError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
        DayError::BadJson { line, column: 0, why: "not UTF-8".to_owned() }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The place and the reason of a JSON fault.
pub(super) fn bad_json(error: &serde_json::Error) -> DayError {
    DayError::BadJson { line: error.line(), column: error.column(), why: error.to_string() }
}

/// What a subtype becomes.
enum Subtype {
    Is(LineKind),
    /// A notice that nobody planned for; counted.
    Odd,
    /// Left out for this reason.
    Skip(&'static str),
}

fn subtype(word: &str) -> Subtype {
    use LineKind::{Join, Leave, Me, Message, Notice};
    // What holds for channels holds for private channels, whose old subtypes begin with another word.
    match word.strip_prefix("group_").or_else(|| word.strip_prefix("channel_")).unwrap_or("") {
        "join" => return Subtype::Is(Join),
        "leave" => return Subtype::Is(Leave),
        "topic" | "purpose" | "name" | "archive" | "unarchive" => return Subtype::Is(Notice),
        "posting_permissions" | "convert_to_private" | "convert_to_public" => {
            return Subtype::Is(Notice);
        }
        _ => {}
    }
    match word {
        "" | "bot_message" | "file_share" | "thread_broadcast" | "slackbot_response" => {
            Subtype::Is(Message)
        }
        "document_mention" | "app_mention" | "file_mention" => Subtype::Is(Message),
        "me_message" => Subtype::Is(Me),
        "tombstone" | "pinned_item" | "unpinned_item" | "reminder_add" => Subtype::Is(Notice),
        "bot_add" | "bot_remove" | "bot_enable" | "bot_disable" => Subtype::Is(Notice),
        "file_comment" | "huddle_thread" | "sh_room_created" => Subtype::Is(Notice),
        "message_changed" => Subtype::Skip("message_changed: the message has its last text"),
        "message_deleted" => Subtype::Skip("message_deleted: the message is gone already"),
        "message_replied" => Subtype::Skip("message_replied: the replies stand for themselves"),
        "reply_broadcast" => Subtype::Skip("reply_broadcast: the reply stands for itself"),
        "ekm_access_denied" => Subtype::Skip("ekm_access_denied: the export has no text"),
        _ => Subtype::Odd,
    }
}

impl<'a> Day<'a> {
    fn take(&mut self, json: &'a str) {
        let raw = match serde_json::from_str::<RawLine<'a>>(json) {
            Ok(raw) => raw,
            Err(error) => {
                return self.skip("", &format!("unreadable line: {}", class(&error)), json);
            }
        };
        let ts_text = raw.ts.as_str().to_owned();
        if !matches!(raw.r#type.as_str(), "message" | "") {
            let reason = format!("type {}", shorten(raw.r#type.as_str()));
            return self.skip(&ts_text, &reason, json);
        }
        let Some(ts) = Ts::parse(&ts_text) else {
            return self.skip(&ts_text, "no timestamp", json);
        };
        match line_of(raw, ts) {
            Ok(line) => self.lines.push(line),
            Err(reason) => self.skip(&ts_text, &reason, json),
        }
    }

    fn skip(&mut self, ts: &str, reason: &str, what: &str) {
        self.skipped.push(Skipped {
            ts: shorten(ts).to_owned(),
            reason: shorten(reason).to_owned(),
            what: shorten(what).to_owned(),
        });
    }
}

/// Faults of one line without their place, which is another in every line.
fn class(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "no object, or a field twice",
        _ => "a text with a broken escape",
    }
}

fn line_of(mut raw: RawLine<'_>, ts: Ts) -> Result<Line<'_>, Cow<'static, str>> {
    let mut changes = Vec::new();
    let kind = match subtype(raw.subtype.as_str()) {
        Subtype::Is(kind) => kind,
        Subtype::Skip(reason) => return Err(reason.into()),
        Subtype::Odd => {
            let word = shorten(raw.subtype.as_str());
            if raw.text.as_str().is_empty() {
                return Err(format!("subtype {word}: no text").into());
            }
            changes.push(format!("subtype {word}: kept as a notice").into());
            LineKind::Notice
        }
    };
    let Some(sender) = sender_of(&mut raw) else {
        return Err("nobody said it: no user, bot_id or username".into());
    };
    let root = root_of(&raw, ts, &mut changes);
    let text = if kind.is_message() { text_of(&mut raw, &mut changes) } else { Cow::Borrowed("") };
    let edited = raw.edited.is_some().then(|| raw.edited.read::<RawStamp<'_>>());
    Ok(Line {
        ts,
        sender,
        kind,
        text,
        root: root.filter(|root| *root != ts),
        is_root: root == Some(ts),
        root_sender: raw.parent_user_id.filled(),
        edited: edited.map(|e| Ts::parse(e.ts.as_str()).unwrap_or(ts)),
        changes,
        username: raw.username,
        user_profile: raw.user_profile,
        bot_profile: raw.bot_profile,
    })
}

fn sender_of<'a>(raw: &mut RawLine<'a>) -> Option<Cow<'a, str>> {
    let take = |text: &mut Text<'a>| std::mem::take(text).filled().filter(|id| id.len() <= 64);
    take(&mut raw.user).or_else(|| take(&mut raw.bot_id)).or_else(|| {
        let comment: RawStamp<'a> = raw.comment.read();
        let name = raw.username.as_str();
        let name = &name[..name.floor_char_boundary(64 - "username:".len())];
        let by_name = || (!name.is_empty()).then(|| format!("username:{name}"));
        comment.user.filled().or_else(|| by_name().map(Cow::Owned))
    })
}

/// The thread, also that of the root itself.
fn root_of(raw: &RawLine<'_>, ts: Ts, changes: &mut Vec<Cow<'static, str>>) -> Option<Ts> {
    let text = raw.thread_ts.as_str();
    if text.is_empty() {
        return None;
    }
    match Ts::parse(text) {
        Some(root) if root <= ts => Some(root),
        Some(_) => {
            changes.push("reply older than its root: put outside the thread".into());
            None
        }
        None => {
            changes.push("thread_ts is no timestamp: put outside the thread".into());
            None
        }
    }
}

/// The words, and a line for each file and card.
fn text_of<'a>(raw: &mut RawLine<'a>, changes: &mut Vec<Cow<'static, str>>) -> Cow<'a, str> {
    let mut lines = Vec::new();
    raw.files.each(|file| lines.push(file_line(&file.read())));
    if raw.file.is_some() && lines.is_empty() {
        lines.push(file_line(&raw.file.read()));
    }
    if !lines.is_empty() {
        changes.push("file: a line with its name and link instead".into());
    }
    let files = lines.len();
    let mut previews = false;
    raw.attachments.each(|card| previews |= !card_lines(card.read(), &mut lines));
    if lines.len() > files {
        changes.push("card: its texts as lines".into());
    }
    if previews {
        changes.push("link preview: left out".into());
    }
    if raw.reactions.is_some() && raw.reactions.json() != "[]" {
        changes.push("reactions: left out".into());
    }
    if raw.pinned_to.is_some() && raw.pinned_to.json() != "[]" {
        changes.push("pin: left out".into());
    }
    let text = std::mem::take(&mut raw.text).0.unwrap_or_default();
    if text.is_empty() && lines.is_empty() && raw.blocks.is_some() {
        let words = block_words(raw.blocks.json());
        if !words.is_empty() {
            changes.push("blocks without text: their words instead".into());
            return Cow::Owned(escape(&words));
        }
    }
    if lines.is_empty() {
        return text;
    }
    if !text.is_empty() {
        lines.insert(0, text.into_owned());
    }
    Cow::Owned(lines.join("\n"))
}

/// A file: its name, and its page in Slack. The download link is not taken: exports put a key to the workspace in it.
fn file_line(file: &RawFile<'_>) -> String {
    match file.mode.as_str() {
        "tombstone" => return "[file deleted]".to_owned(),
        "hidden_by_limit" => return "[file hidden by Slack's plan]".to_owned(),
        _ => {}
    }
    let named = [&file.name, &file.title].into_iter().find(|n| !n.as_str().is_empty());
    let mut line = format!("[file: {}", escape(named.map_or("without a name", Text::as_str)));
    let facts = [file.mimetype.as_str(), file.size.as_str()];
    match facts.map(escape) {
        [mime, size] if !mime.is_empty() && !size.is_empty() => {
            line.push_str(&format!(" ({mime}, {size} bytes)"));
        }
        [mime, _] if !mime.is_empty() => line.push_str(&format!(" ({mime})")),
        _ => {}
    }
    line.push(']');
    let link = [&file.permalink, &file.url_private]
        .into_iter()
        .find(|l| l.as_str().starts_with("https://") || l.as_str().starts_with("http://"));
    if let Some(link) = link {
        let page = link.as_str().split(['?', '#']).next().unwrap_or_default();
        line.push(' ');
        line.push_str(&escape(page));
    }
    line
}

/// Texts of a card. False for the preview of a link, which stands in the text already.
fn card_lines(card: RawAttachment<'_>, lines: &mut Vec<String>) -> bool {
    if card.from_url.filled().is_some() {
        return false;
    }
    let before = lines.len();
    let fallback = card.fallback.filled();
    lines.extend(card.pretext.filled().map(Cow::into_owned));
    let link = card.title_link.filled();
    if let Some(title) = card.title.filled() {
        let link = link.map(|l| format!(" {}", escape(&l))).unwrap_or_default();
        lines.push(format!("{title}{link}"));
    }
    lines.extend(card.text.filled().map(Cow::into_owned));
    lines.extend(card.image_url.filled().map(|url| escape(&url)));
    if lines.len() == before {
        lines.extend(fallback.map(Cow::into_owned));
    }
    true
}

/// Words in blocks: every `text` that is a text, in order. Nothing from blocks above 64 KiB or deeper than 128.
fn block_words(json: &str) -> String {
    const BLOCKS_BYTES_MAX: usize = 64 * 1024;
    let mut words = String::new();
    if json.len() <= BLOCKS_BYTES_MAX
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(json)
    {
        gather(&value, &mut words);
    }
    words.trim_end().to_owned()
}

fn gather(value: &serde_json::Value, words: &mut String) {
    match value {
        serde_json::Value::Array(all) => all.iter().for_each(|v| gather(v, words)),
        serde_json::Value::Object(fields) => {
            if let Some(serde_json::Value::String(text)) = fields.get("text") {
                words.push_str(text);
            }
            for (name, value) in fields {
                if value.is_array() || (name == "text" && value.is_object()) {
                    gather(value, words);
                }
            }
            let is_whole = |t: &serde_json::Value| {
                matches!(t.as_str(), Some("rich_text_section" | "section" | "header"))
            };
            if fields.get("type").is_some_and(is_whole) {
                words.push('\n');
            }
        }
        _ => {}
    }
}

impl<'a> Line<'a> {
    /// The name by which the line calls its sender, if the archive's lists do not know him.
    pub fn sender_name(&self) -> Option<Cow<'a, str>> {
        let user: RawUser<'a> = self.user_profile.read();
        let bot: RawUser<'a> = self.bot_profile.read();
        let names = [user.display_name, user.real_name, user.name, self.username.clone(), bot.name];
        names.into_iter().find_map(Text::filled)
    }

    /// True if the sender is a program.
    pub fn is_from_bot(&self) -> bool {
        self.bot_profile.is_some()
            || self.sender.starts_with('B')
            || self.sender.starts_with("username:")
            || self.sender == "USLACKBOT"
    }
}

#[cfg(test)]
#[path = "day_tests.rs"]
mod tests;
