//! The conversation list: ordered by the last message, newest first.

use bytes::Bytes;
use tenon_base::limits::LIST_ITEMS_MAX;
use tenon_base::{ConversationId, Timestamp, digest};
use tenon_core::admission::{Answer, ListItem, ListPage, Refusal};
use tenon_core::handover::{UserAnswer, UserQuestion};
use tenon_core::user::ListLine;
use tenon_core::{Author, Item, Mode};

use super::{newest, some, store_refusal};
use crate::code;
use crate::identity::ticket::{PAGE_LIFE, PageToken};
use crate::service::Shared;

/// Conversations asked for by id at once.
const ITEMS_MAX: usize = 100;
/// Tips that an audit answer lists.
const AUDIT_TIPS_MAX: usize = 1_000;
/// Encoded size of a page, roughly: bodies of last messages are the only large part.
const PAGE_BYTES: usize = 160 * 1024;

async fn lines(shared: &Shared, author: Author) -> Result<Vec<ListLine>, Refusal> {
    match shared.ask_user(author.user, UserQuestion::Lines).await? {
        UserAnswer::Lines(lines) => Ok(lines.into_iter().filter(|l| l.is_in).collect()),
        _ => Err(Refusal::of(code::NO_LEADER)),
    }
}

/// Key of the order: newest first, then by id.
type Key = (std::cmp::Reverse<Timestamp>, ConversationId);

/// A line's place. Lines of pull-mode conversations stand at their tip, which only the conversation knows.
async fn place(shared: &Shared, author: Author, line: &ListLine) -> Result<Option<Key>, Refusal> {
    let conv = line.summary.conv;
    let time = match line.mode {
        Mode::Queue => Some(line.sort_ts),
        Mode::Pull => shared.item(author.user, conv).await?.map(|item| item.sort_ts),
    };
    Ok(time.map(|time| (std::cmp::Reverse(time), conv)))
}

pub(super) async fn page(
    shared: &Shared,
    author: Author,
    token: &Bytes,
    limit: usize,
    unread_only: bool,
) -> Result<ListPage, Refusal> {
    let after = match some(token) {
        Some(token) => Some(open_token(shared, author, token)?),
        None => None,
    };
    let mut places = Vec::new();
    for line in lines(shared, author).await? {
        if let Some(key) = place(shared, author, &line).await?
            && after.is_none_or(|after| key > after)
        {
            places.push((key, line));
        }
    }
    places.sort_unstable_by_key(|(key, _)| *key);
    let limit = limit.clamp(1, LIST_ITEMS_MAX);
    let mut page = ListPage::default();
    let mut bytes = 0;
    let mut rest = places.into_iter().peekable();
    while let Some((key, line)) = rest.next() {
        // The item is read now, later than the tip that the caller was told: nothing up to that tip is missing in it.
        let Some(item) = list_item(shared, author, line).await? else { continue };
        if unread_only && item.item.unread == 0 && !item.summary.marked_unread {
            continue;
        }
        bytes += 256 + item.item.last.as_ref().map_or(0, |m| m.body.len());
        page.items.push(item);
        if (page.items.len() == limit || bytes >= PAGE_BYTES) && rest.peek().is_some() {
            page.next = seal_token(shared, author, key)?;
            break;
        }
    }
    Ok(page)
}

fn open_token(shared: &Shared, author: Author, token: &Bytes) -> Result<Key, Refusal> {
    let keys = shared.identity.keys();
    let page = keys.open_page(token).map_err(|_| Refusal::of(code::TOKEN_EXPIRED))?;
    if page.user != author.user || page.device != author.device {
        return Err(Refusal::of(code::CURSOR_FOREIGN));
    }
    if page.until <= shared.doors.clock.now() {
        return Err(Refusal::of(code::TOKEN_EXPIRED));
    }
    Ok((std::cmp::Reverse(page.sort_ts), page.conv))
}

fn seal_token(shared: &Shared, author: Author, key: Key) -> Result<Bytes, Refusal> {
    let token = PageToken {
        user: author.user,
        device: author.device,
        sort_ts: key.0.0,
        conv: key.1,
        until: shared.doors.clock.now().plus(PAGE_LIFE),
    };
    let sealed = shared.identity.keys().seal_page(shared.doors.random.as_ref(), &token);
    sealed.ok_or(Refusal::of(code::OVERLOAD))
}

async fn list_item(
    shared: &Shared,
    author: Author,
    line: ListLine,
) -> Result<Option<ListItem>, Refusal> {
    let Some(item) = shared.item(author.user, line.summary.conv).await? else { return Ok(None) };
    Ok(Some(ListItem { item: with_last(shared, author, item)?, summary: line.summary }))
}

/// Fills the last visible message.
fn with_last(shared: &Shared, author: Author, mut item: Item) -> Result<Item, Refusal> {
    let view = shared.doors.store.view();
    let conv = (author.org, item.tip.conv);
    item.last = newest(&view, &conv, item.floor_seq, item.tip.seq)
        .or_else(|error| match error {
            // A list without one line's text is better than no list.
            tenon_store::StoreError::Degraded { .. } => Ok(None),
            other => Err(other),
        })
        .map_err(|error| store_refusal(shared, &error))?;
    Ok(item)
}

/// One conversation as a line of the caller's list; none where he has no part in it.
pub(super) async fn one(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
) -> Result<Option<ListItem>, Refusal> {
    let lines = lines_of(shared, author, vec![conv]).await?;
    list_item(shared, author, line_of(&lines, conv)).await
}

async fn lines_of(
    shared: &Shared,
    author: Author,
    convs: Vec<ConversationId>,
) -> Result<Vec<ListLine>, Refusal> {
    match shared.ask_user(author.user, UserQuestion::LinesOf(convs)).await? {
        UserAnswer::Lines(lines) => Ok(lines),
        _ => Err(Refusal::of(code::NO_LEADER)),
    }
}

/// The line of a conversation; an empty one where the fan-out of a new conversation is still under way.
fn line_of(lines: &[ListLine], conv: ConversationId) -> ListLine {
    let mut line = lines.iter().find(|l| l.summary.conv == conv).cloned().unwrap_or_default();
    line.summary.conv = conv;
    line
}

pub(super) async fn items(
    shared: &Shared,
    author: Author,
    convs: Vec<ConversationId>,
    tips_only: bool,
) -> Result<Answer, Refusal> {
    if convs.len() > ITEMS_MAX {
        return Err(Refusal::of(code::TOO_MANY));
    }
    let lines = lines_of(shared, author, convs.clone()).await?;
    let (mut items, mut tips, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for conv in convs {
        let Some(item) = shared.item(author.user, conv).await? else {
            absent.push(conv);
            continue;
        };
        if tips_only {
            tips.push(item.tip);
            continue;
        }
        let summary = line_of(&lines, conv).summary;
        items.push(ListItem { item: with_last(shared, author, item)?, summary });
    }
    Ok(Answer::Items { items, tips, absent })
}

/// The audit: from the conversations themselves, so that a lost fan-out shows.
pub(super) async fn digest(shared: &Shared, author: Author) -> Result<Answer, Refusal> {
    let (mut sum, mut count, mut tips) = (0u64, 0u32, Vec::new());
    for line in lines(shared, author).await? {
        let Some(item) = shared.item(author.user, line.summary.conv).await? else { continue };
        let tip = item.tip;
        if item.mode == Mode::Queue {
            sum = sum.wrapping_add(digest::list_term(tip.conv.0, tip.rev.0, tip.conv_epoch.0));
            count += 1;
        }
        if tips.len() < AUDIT_TIPS_MAX {
            tips.push(tip);
        }
    }
    Ok(Answer::ListDigest { digest: sum, count, tips })
}
