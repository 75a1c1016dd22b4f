//! Reads: the leader grants, the store's view behind the grant answers.

use std::sync::{Arc, Mutex, PoisonError};

use tenon_base::{ConversationId, OrgId, Rev, Seq};
use tenon_core::event::{Event, Item, Message};
use tenon_core::handover::{
    ConversationAnswer, ConversationQuestion, Grant, Reply, UserAnswer, UserQuestion,
};
use tenon_core::user::Summary;
use tenon_store::{View, table};

use super::{Front, Inbox, Note, Pong, put, taken};
use crate::msg::{Down, Line, Up};
use crate::node::Node;

/// A page of the list whose items are gathered.
#[derive(Debug)]
pub struct Page {
    items: Vec<(Item, Summary)>,
    next: Option<u64>,
    is_failed: bool,
}

/// Gathers answers; whoever is last hands the page over.
struct Gathering {
    page: Mutex<(Page, usize)>,
    conn: u64,
    up: Up,
    inbox: Inbox,
}

impl Gathering {
    fn take(&self, answer: Option<ConversationAnswer>, summary: Summary) {
        let mut guard = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let (page, open) = &mut *guard;
        match answer {
            Some(ConversationAnswer::Item(item)) => page.items.push((*item, summary)),
            Some(_) => {}
            None => page.is_failed = true,
        }
        *open -= 1;
        if *open == 0 {
            let mut page =
                std::mem::replace(page, Page { items: Vec::new(), next: None, is_failed: false });
            page.items.sort_by_key(|(item, _)| item.tip.conv);
            put(&self.inbox, Note::Page(self.conn, self.up.clone(), Box::new(page)));
        }
    }
}

impl Front {
    pub(super) fn ping(&mut self, node: &Node, conn: u64) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let key = connection.key;
        let follows: Vec<u64> = connection.follows.iter().copied().collect();
        connection.pong = Some(Pong { open: follows.len() + 1, ..Pong::default() });
        for conv in follows {
            let inbox = Arc::clone(&self.inbox);
            let reply = Reply::new(move |answer| put(&inbox, Note::PongTip(conn, answer)));
            let question = ConversationQuestion::Item { user: key.user };
            let asked = node.conversations().ask(key.org, ConversationId(conv), question, reply);
            taken(asked);
        }
        let inbox = Arc::clone(&self.inbox);
        let reply = Reply::new(move |answer| put(&inbox, Note::Numbers(conn, answer)));
        let asked = node.users().ask(key.org, key.user, UserQuestion::Numbers, reply);
        taken(asked);
    }

    pub(super) fn numbers(&mut self, conn: u64, answer: Option<UserAnswer>) -> Vec<(u64, Down)> {
        let pong = self.connections.get_mut(&conn).and_then(|c| c.pong.as_mut());
        if let (Some(pong), Some(UserAnswer::Numbers { queue_epoch, tip, list_digest })) =
            (pong, answer)
        {
            pong.numbers = Some((queue_epoch.0, tip.0, list_digest));
        }
        self.pong_part(conn)
    }

    pub(super) fn pong_tip(
        &mut self,
        conn: u64,
        answer: Option<ConversationAnswer>,
    ) -> Vec<(u64, Down)> {
        let pong = self.connections.get_mut(&conn).and_then(|c| c.pong.as_mut());
        if let (Some(pong), Some(ConversationAnswer::Item(item))) = (pong, answer) {
            pong.tips.push(item.tip);
        }
        self.pong_part(conn)
    }

    fn pong_part(&mut self, conn: u64) -> Vec<(u64, Down)> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Vec::new() };
        let Some(pong) = &mut connection.pong else { return Vec::new() };
        pong.open = pong.open.saturating_sub(1);
        if pong.open > 0 {
            return Vec::new();
        }
        let Some(pong) = connection.pong.take() else { return Vec::new() };
        let Some((queue_epoch, tip, digest)) = pong.numbers else { return Vec::new() };
        vec![(conn, Down::Pong { queue_epoch, tip, digest, tips: pong.tips })]
    }

    pub(super) fn answer_read(
        &self,
        node: &Node,
        conn: u64,
        up: Up,
        answer: Option<ConversationAnswer>,
    ) -> Vec<(u64, Down)> {
        let Some(connection) = self.connections.get(&conn) else { return Vec::new() };
        let org = connection.key.org;
        let again = |up: Up| vec![(conn, Down::Again { request: Box::new(up) })];
        let grant = match answer {
            Some(ConversationAnswer::Grant(grant)) => grant,
            Some(_) => {
                let (conv, since) = match up {
                    Up::Diff { conv, since } => (conv, Some(since)),
                    Up::History { conv, .. } => (conv, None),
                    _ => return again(up),
                };
                return vec![(conn, Down::Gone { conv, since })];
            }
            None => return again(up),
        };
        let view = node.store.view();
        let down = match up {
            Up::Diff { conv, since } => self.diff(&view, (org, conv), since, &grant),
            Up::History { conv, lo, hi } => history(&view, (org, conv), (lo, hi), &grant),
            _ => None,
        };
        down.map_or_else(|| again(up), |down| vec![(conn, down)])
    }

    fn diff(
        &self,
        view: &View,
        (org, conv): (OrgId, u64),
        since: u64,
        grant: &Grant,
    ) -> Option<Down> {
        let tip = grant.header.tip();
        let joined = grant.member.join_rev().0;
        let is_foreign = since + 1 < joined;
        if is_foreign || tip.rev.0.saturating_sub(since) > self.options.behind_max {
            let mut item = Item::of(&grant.header, &grant.member);
            item.last = last(view, org, &item);
            let summary = Summary::default();
            return Some(Down::TooLong { line: Box::new(Line { item, summary }), since });
        }
        let to = tip.rev.0.min(since + self.options.diff_max);
        let mut events: Vec<Arc<Event>> = Vec::new();
        for rev in since + 1..=to {
            let event = table::event::read(view, org, ConversationId(conv), Rev(rev)).ok()??;
            events.push(Arc::new(event));
        }
        Some(Down::Diff { conv, from: since, to: to.max(since), tip, events })
    }

    pub(super) fn lines(&self, node: &Node, conn: u64, up: Up, answer: Option<UserAnswer>) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let Some(UserAnswer::Lines(mut lines)) = answer else {
            return put(&self.inbox, Note::Down(conn, Down::Again { request: Box::new(up) }));
        };
        let Up::List { after, .. } = up else { return };
        lines.sort_by_key(|l| l.summary.conv);
        lines.retain(|l| l.summary.conv.0 > after);
        let has_more = lines.len() > self.options.lines_max;
        lines.truncate(self.options.lines_max);
        let next = has_more.then(|| lines.last().map(|l| l.summary.conv.0)).flatten();
        let page = Page { items: Vec::new(), next, is_failed: false };
        let key = connection.key;
        let gathering = Arc::new(Gathering {
            page: Mutex::new((page, lines.len() + 1)),
            conn,
            up,
            inbox: Arc::clone(&self.inbox),
        });
        for line in lines {
            let (to, summary, conv) =
                (Arc::clone(&gathering), line.summary.clone(), line.summary.conv);
            let reply = Reply::new(move |answer| to.take(answer, summary));
            let question = ConversationQuestion::Item { user: key.user };
            let asked = node.conversations().ask(key.org, conv, question, reply);
            taken(asked);
        }
        // The page itself counts as one: an empty list is handed over here.
        gathering.take(Some(ConversationAnswer::Absent), Summary::default());
    }

    pub(super) fn page(&self, node: &Node, conn: u64, up: &Up, page: Page) -> Vec<(u64, Down)> {
        let Some(connection) = self.connections.get(&conn) else { return Vec::new() };
        let Up::List { after, turn } = *up else { return Vec::new() };
        if page.is_failed {
            return vec![(conn, Down::Again { request: Box::new(up.clone()) })];
        }
        let view = node.store.view();
        let org = connection.key.org;
        let lines = page
            .items
            .into_iter()
            .map(|(mut item, summary)| {
                item.last = last(&view, org, &item);
                Line { item, summary }
            })
            .collect();
        vec![(conn, Down::List { after, turn, lines, next: page.next })]
    }
}

/// The last message of a line, if the user may see it.
fn last(view: &View, org: OrgId, item: &Item) -> Option<Arc<Message>> {
    if item.tip.seq <= item.floor_seq {
        return None;
    }
    table::message::read(view, org, item.tip.conv, item.tip.seq).ok().flatten().map(Arc::new)
}

/// Rows of a range; `None` when one cannot be read.
fn history(
    view: &View,
    (org, conv): (OrgId, u64),
    (lo, hi): (u64, u64),
    grant: &Grant,
) -> Option<Down> {
    let from = lo.max(grant.member.floor_seq.0 + 1);
    let to = hi.min(grant.header.seq.0);
    let mut rows = Vec::new();
    for seq in from..=to {
        let row = table::message::read(view, org, ConversationId(conv), Seq(seq)).ok()??;
        rows.push(Arc::new(row));
    }
    Some(Down::History { conv, lo, hi: to.max(lo), as_of: grant.header.rev.0, rows })
}
