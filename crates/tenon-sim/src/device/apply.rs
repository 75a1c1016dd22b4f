//! What comes down: batches, tips, diffs, pages, lists (protocol 8, 9, 11, 13).

use std::sync::Arc;

use tenon_base::digest::list_term;
use tenon_core::conversation::{Kind, Mode};
use tenon_core::event::{Event, EventBody, Message, Tip, UserEvent, flag};
use tenon_core::handover::{Batch, Delivery, Told};

use super::{Conv, Device, Rebase, Row};
use crate::msg::{Line, Up};

/// Behind by at most this much, a line of the list is a debt; further, the device jumps.
const JUMP: u64 = 10;
/// Pulls in parallel.
const PULLS_MAX: usize = 4;

impl Device {
    pub(super) fn greeted(
        &mut self,
        device_epoch: u32,
        queue_epoch: u32,
        is_rebase: bool,
        rolled_back: bool,
    ) {
        self.live.is_live = true;
        self.live.tries = 0;
        self.live.suspect_us = None;
        if self.db.needs_renewal || device_epoch != self.db.device_epoch {
            self.take_epoch(device_epoch);
        }
        if rolled_back {
            if !self.was_restored {
                let text = "the server has an ack above a cursor that never fell".to_owned();
                self.complain("I17", text);
            }
            self.rolled_back();
        } else {
            self.was_restored = false;
        }
        if let Some((epoch, pts)) = self.strange_cursor.take() {
            // Attached at a position of nobody's: the next Hello may lie below it.
            self.was_restored = true;
            if !is_rebase {
                let text =
                    format!("the server goes on at ({epoch}, {pts}), which nobody has given");
                self.complain("I13", text);
            }
        }
        if tenon_base::planted!("rebase-forgotten") {
            self.db.rebase = None;
        }
        if is_rebase {
            return;
        }
        if let Some((epoch, _)) = &mut self.db.cursor {
            *epoch = queue_epoch;
        }
    }

    pub(super) fn delivered(&mut self, delivery: Delivery, out: &mut Vec<Up>) {
        match delivery {
            Delivery::Batch(batch) => self.batch(&batch, out),
            Delivery::Rebase { queue_epoch, tip, .. } => {
                self.rebases += 1;
                self.db.generation += 1;
                let generation = self.db.generation;
                self.live.ordered =
                    Some(Rebase { epoch: queue_epoch.0, p0: tip.0, next: 0, generation });
                // A page asked for earlier was read before this tip: it does not count.
                self.live.list_turn += 1;
                self.live.is_listing = false;
                self.go_on_with_list(out);
            }
            Delivery::FollowTips(_) | Delivery::UnfollowTips(_) | Delivery::Close { .. } => {}
        }
    }

    fn batch(&mut self, batch: &Batch, out: &mut Vec<Up>) {
        self.live.tip = self.live.tip.max((batch.queue_epoch.0, batch.tip.0));
        if self.live.ordered.is_some() {
            return;
        }
        let Some((epoch, pts)) = self.db.cursor else { return };
        if batch.queue_epoch.0 != epoch || batch.from.0 > pts {
            if batch.queue_epoch.0 == epoch {
                let text = format!("a batch from {} above the cursor {pts}", batch.from.0);
                self.complain("I7", text);
            }
            out.push(Up::Subscribe { epoch, pts });
            return;
        }
        if batch.to.0 <= pts && self.rules.drops_repeats {
            out.push(Up::Ack { epoch, pts });
            return;
        }
        let mut expected = batch.from.0;
        for entry in &batch.entries {
            expected += 1;
            if entry.pts.0 != expected {
                let text = format!("pts {} where {expected} was due", entry.pts.0);
                self.complain("I5", text);
            }
            if entry.pts.0 > pts || !self.rules.drops_repeats {
                self.told(&entry.told);
            }
        }
        self.batches += 1;
        let to = batch.to.0.max(pts);
        self.db.cursor = Some((epoch, to));
        out.push(Up::Ack { epoch, pts: to });
    }

    fn told(&mut self, told: &Told) {
        match told {
            Told::Event(event) => self.event(event),
            Told::User(event) => self.user_event(event),
            Told::Unreadable { conv, rev } => {
                let text = format!("content of ({conv}, {rev}) cannot be read");
                self.complain("I6", text);
                let held = self.conv(conv.0);
                held.known = held.known.max(rev.0);
            }
        }
    }

    /// The rev rule: only the next one is folded; a later one is a debt.
    fn event(&mut self, event: &Event) {
        let checks_rev = self.rules.checks_rev;
        let rev = event.rev.0;
        let generation = self.db.generation;
        let conv = self.conv(event.conv.0);
        conv.seen_in = generation;
        conv.known = conv.known.max(rev);
        if rev <= conv.rev {
            return;
        }
        if rev == conv.rev + 1 || !checks_rev {
            self.fold(event);
            self.conv(event.conv.0).rev = rev;
        }
    }

    fn fold(&mut self, event: &Event) {
        let user = self.user;
        match &event.body {
            EventBody::Message(message) => {
                let conv = self.conv(event.conv.0);
                conv.put(message);
                let seq = message.seq.0;
                conv.tip_seq = conv.tip_seq.max(seq);
                conv.tip_cnt = conv.tip_cnt.max(message.cnt.0);
                conv.hold(seq, seq, event.rev.0);
                conv.note_writer(user, message);
                self.settle_by_event(event.conv.0, message);
            }
            EventBody::Members { .. } => {}
            EventBody::Renamed { title } => self.conv(event.conv.0).set_title(title, event.rev.0),
            EventBody::Mode { mode, .. } => self.conv(event.conv.0).set_mode(*mode, event.rev.0),
        }
    }

    fn user_event(&mut self, event: &UserEvent) {
        let generation = self.db.generation;
        let conv = self.conv(event.conv().0);
        conv.seen_in = generation;
        match event {
            UserEvent::ReadMarked { read, .. } => {
                conv.read = conv.read.max((read.seq.0, read.cnt.0));
            }
            UserEvent::Receipt { read_seq, .. } => conv.peer_read = conv.peer_read.max(read_seq.0),
            UserEvent::ConversationAdded { item, .. } => {
                conv.joins += 1;
                let summary = tenon_core::user::Summary::default();
                self.take_item(&Line { item: item.as_ref().clone(), summary }, false);
            }
            UserEvent::ConversationRemoved { conv: id, last_rev, .. } => {
                conv.left_at = conv.left_at.max(last_rev.0 + 1);
                self.gone(id.0);
            }
            UserEvent::Mention { rev, .. } => conv.known = conv.known.max(rev.0),
            UserEvent::SummaryChanged { summary } => {
                conv.pinned = conv.pinned.max((summary.ver, summary.pinned));
            }
        }
    }

    pub(super) fn take_item(&mut self, line: &Line, jumps: bool) {
        let item = &line.item;
        let (generation, user) = (self.db.generation, self.user);
        let conv = self.conv(item.tip.conv.0);
        let rev = item.tip.rev.0;
        if !conv.is_joined && rev < conv.left_at {
            return;
        }
        conv.seen_in = generation;
        let was_joined = std::mem::replace(&mut conv.is_joined, true);
        conv.read = conv.read.max((item.read.seq.0, item.read.cnt.0));
        if item.peer.0 != user {
            conv.peer_read = conv.peer_read.max(item.peer_read_seq.0);
        }
        conv.pinned = conv.pinned.max((line.summary.ver, line.summary.pinned));
        conv.known = conv.known.max(rev);
        // Title and mode have versions of their own: events may have been folded before the line came.
        conv.is_direct = item.kind == Kind::Direct;
        conv.set_title(&item.title, item.meta_ver.0);
        conv.set_mode(item.mode, rev);
        if rev < conv.rev {
            return;
        }
        conv.floor_seq = conv.floor_seq.max(item.floor_seq.0);
        conv.floor_cnt = conv.floor_cnt.max(item.floor_cnt.0);
        if rev > conv.rev {
            if !jumps && was_joined && !conv.rows.is_empty() && rev - conv.rev <= JUMP {
                return;
            }
            conv.rev = rev;
            conv.break_rev = rev;
        }
        conv.tip_seq = conv.tip_seq.max(item.tip.seq.0);
        conv.tip_cnt = conv.tip_cnt.max(item.tip.cnt.0);
        if let Some(last) = item.last.as_ref().filter(|last| last.seq.0 > conv.floor_seq) {
            conv.put(last);
            conv.note_writer(user, last);
            conv.hold(last.seq.0, last.seq.0, rev);
        }
    }

    /// Out of a conversation: its debt is void.
    pub(super) fn gone(&mut self, conv: u64) {
        self.live.pulls.remove(&conv);
        self.live.pages.remove(&conv);
        self.db.reads.remove(&conv);
        let conv = self.conv(conv);
        conv.is_joined = false;
        conv.known = conv.rev;
    }

    /// A question was answered `absent`; true of the time of the question only, and only of the pull that is under way.
    pub(super) fn told_absent(&mut self, conv: u64, since: Option<u64>) {
        let Some(since) = since else {
            self.live.pages.remove(&conv);
            return;
        };
        let joins = self.live.pulls.get(&conv).map(|(joins, _)| *joins);
        if self.pull_ended(conv, since) && joins == Some(self.conv(conv).joins) {
            self.gone(conv);
        }
    }

    /// True if this answers the pull that is under way, which ends; an answer to an earlier one may come late.
    pub(super) fn pull_ended(&mut self, conv: u64, since: u64) -> bool {
        let is_it = self.live.pulls.get(&conv).is_some_and(|(_, from)| *from == since);
        if is_it {
            self.live.pulls.remove(&conv);
        }
        is_it
    }

    pub(super) fn take_tips(&mut self, tips: &[Tip]) {
        for tip in tips {
            let conv = self.conv(tip.conv.0);
            conv.known = conv.known.max(tip.rev.0);
        }
    }

    pub(super) fn ponged(&mut self, (epoch, tip): (u32, u64), digest: u64, out: &mut Vec<Up>) {
        self.live.tip = self.live.tip.max((epoch, tip));
        let Some(cursor) = self.db.cursor else { return };
        if self.is_rebasing() {
            return;
        }
        if epoch != cursor.0 || tip > cursor.1 {
            out.push(Up::Subscribe { epoch: cursor.0, pts: cursor.1 });
            return;
        }
        // A Pong may be overtaken by batches; one that was asked for later is not.
        if tip < cursor.1 {
            return;
        }
        if self.rules.checks_digest && self.digest() != digest && self.live.refresh.is_none() {
            self.live.refresh = Some(0);
            self.go_on_with_list(out);
        }
    }

    /// Sum over queue-mode conversations of what is known.
    fn digest(&self) -> u64 {
        self.db
            .convs
            .iter()
            .filter(|(_, c)| c.is_joined && !c.is_pull && c.known > 0)
            .fold(0, |sum, (id, c)| sum.wrapping_add(list_term(*id, c.known, 0)))
    }

    pub(super) fn diffed(
        &mut self,
        conv: u64,
        (from, to): (u64, u64),
        tip: &Tip,
        events: &[Arc<Event>],
    ) {
        let held = self.conv(conv);
        held.known = held.known.max(tip.rev.0);
        if from > held.rev {
            return;
        }
        for event in events {
            if event.rev.0 > self.conv(conv).rev {
                self.fold(event);
                self.conv(conv).rev = event.rev.0;
            }
        }
        let held = self.conv(conv);
        held.rev = held.rev.max(to);
    }

    /// Asks for what is known and not held; one pull per conversation, four in all.
    pub(super) fn pay_debts(&mut self, out: &mut Vec<Up>) {
        if !self.live.is_live || self.live.ordered.is_some() {
            return;
        }
        for (id, conv) in &self.db.convs {
            if self.live.pulls.len() >= PULLS_MAX {
                return;
            }
            let is_stub = !conv.is_joined && conv.rev == 0;
            let is_due = conv.known > conv.rev && (conv.is_joined || is_stub);
            if is_due && !self.live.pulls.contains_key(id) {
                self.live.pulls.insert(*id, (conv.joins, conv.rev));
                self.asked[0].insert(*id, self.fences.get(id).copied().unwrap_or(0));
                out.push(Up::Diff { conv: *id, since: conv.rev });
            }
        }
    }

    /// Scrolls every conversation to its floor.
    pub(super) fn fill_gaps(&mut self, out: &mut Vec<Up>) {
        for (id, conv) in &self.db.convs {
            if !conv.is_joined || self.live.pages.len() >= PULLS_MAX {
                continue;
            }
            if let Some((lo, hi)) = conv.gap()
                && !self.live.pages.contains_key(id)
            {
                self.live.pages.insert(*id, (lo, hi));
                self.asked[1].insert(*id, self.fences.get(id).copied().unwrap_or(0));
                out.push(Up::History { conv: *id, lo, hi });
            }
        }
    }

    /// True if this answers the page that is under way, which ends.
    pub(super) fn page_ended(&mut self, conv: u64, range: (u64, u64)) -> bool {
        let is_it = self.live.pages.get(&conv) == Some(&range);
        if is_it {
            self.live.pages.remove(&conv);
        }
        is_it
    }

    pub(super) fn paged(
        &mut self,
        conv: u64,
        (lo, hi): (u64, u64),
        as_of: u64,
        rows: &[Arc<Message>],
    ) {
        let user = self.user;
        let held = self.conv(conv);
        for row in rows {
            held.put(row);
            held.note_writer(user, row);
        }
        let more = if tenon_base::planted!("page-holds-more") { 3 } else { 0 };
        held.hold(lo.saturating_sub(more).max(1), hi, as_of);
    }

    /// Asks for the next page of a rebase, or of a refresh.
    pub(super) fn go_on_with_list(&mut self, out: &mut Vec<Up>) {
        if self.live.is_listing || !self.live.is_live {
            return;
        }
        let rebase = self.live.ordered.or(self.db.rebase);
        let next = rebase.map(|r| r.next).or(self.live.refresh);
        if let Some(after) = next {
            self.live.is_listing = true;
            self.asked[2].clone_from(&self.fences);
            out.push(Up::List { after, turn: self.live.list_turn });
        }
    }

    pub(super) fn listed(
        &mut self,
        (after, turn): (u64, u64),
        lines: &[Line],
        next: Option<u64>,
        out: &mut Vec<Up>,
    ) {
        for line in lines {
            self.take_item(line, false);
        }
        if turn != self.live.list_turn {
            return;
        }
        self.live.is_listing = false;
        let rebase = self.live.ordered.or(self.db.rebase);
        let Some(rebase) = rebase.filter(|r| r.next == after) else {
            if self.live.refresh == Some(after) {
                self.live.refresh = next;
            }
            self.go_on_with_list(out);
            return;
        };
        self.rebase_page(rebase, next, out);
        self.go_on_with_list(out);
    }

    fn rebase_page(&mut self, mut rebase: Rebase, next: Option<u64>, out: &mut Vec<Up>) {
        if self.live.ordered.take().is_some() {
            let falls = |(epoch, pts): (u32, u64)| epoch == rebase.epoch && rebase.p0 < pts;
            if let Some(before) = self.db.cursor.filter(|before| falls(*before)) {
                let text = format!("a rebase moves the cursor back from {before:?}: {rebase:?}");
                self.complain("I8", text);
            }
            self.db.cursor = Some((rebase.epoch, rebase.p0));
            out.push(Up::Subscribe { epoch: rebase.epoch, pts: rebase.p0 });
        }
        if let Some(next) = next {
            rebase.next = next;
            self.db.rebase = Some(rebase);
            return;
        }
        self.db.rebase = None;
        let unseen = |c: &Conv| c.is_joined && c.seen_in < rebase.generation;
        let left: Vec<u64> =
            self.db.convs.iter().filter(|(_, c)| unseen(c)).map(|(id, _)| *id).collect();
        for conv in left {
            self.gone(conv);
        }
    }

    /// A request was not answered: it is asked again when its turn comes.
    pub(super) fn refused(&mut self, request: &Up) {
        match request {
            Up::Diff { conv, since } => {
                self.pull_ended(*conv, *since);
            }
            Up::History { conv, lo, hi } => {
                self.page_ended(*conv, (*lo, *hi));
            }
            Up::List { turn, .. } if *turn == self.live.list_turn => self.live.is_listing = false,
            _ => {}
        }
    }
}

impl Conv {
    /// Who writes has read: his mark moves without an event of its own.
    fn note_writer(&mut self, user: u64, message: &Message) {
        if message.flags & flag::AUTO != 0 {
            return;
        }
        if message.sender.0 == user {
            self.read = self.read.max((message.seq.0, message.cnt.0));
        } else if self.is_direct {
            self.peer_read = self.peer_read.max(message.seq.0);
        }
    }

    fn set_title(&mut self, title: &str, ver: u64) {
        if ver >= self.title_ver {
            self.title_ver = ver;
            title.clone_into(&mut self.title);
        }
    }

    fn set_mode(&mut self, mode: Mode, rev: u64) {
        if rev >= self.mode_rev {
            self.mode_rev = rev;
            self.is_pull = mode == Mode::Pull;
        }
    }

    fn put(&mut self, message: &Message) {
        let row = Row { ver: message.ver.0, cnt: message.cnt.0, body: message.body.to_vec() };
        let is_newer = self.rows.get(&message.seq.0).is_none_or(|held| row.ver > held.ver);
        if is_newer {
            self.rows.insert(message.seq.0, row);
        }
    }
}
