//! A model device: the rules of the protocol (sections 7, 8, 11, 13, 21) over a small database, one transaction per input.
//!
//! Everything in [`Db`] survives the death of the app; everything in [`Live`] does not.

mod apply;
mod outbox;

use std::collections::BTreeMap;

use crate::msg::{Act, Down, Up};

/// A message as the device holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Version.
    pub ver: u64,
    /// Badge count.
    pub cnt: u64,
    /// Content.
    pub body: Vec<u8>,
}

/// A conversation as the device holds it.
#[derive(Debug, Clone, Default)]
pub struct Conv {
    /// In the list.
    pub is_joined: bool,
    /// Folded up to here.
    pub rev: u64,
    /// Known to exist; above `rev` it is a debt.
    pub known: u64,
    /// Intervals older than this are stale.
    pub break_rev: u64,
    /// Highest seq known.
    pub tip_seq: u64,
    /// Highest cnt known.
    pub tip_cnt: u64,
    /// Lowest visible seq minus one.
    pub floor_seq: u64,
    /// cnt at the last join.
    pub floor_cnt: u64,
    /// Read mark.
    pub read: (u64, u64),
    /// Read mark of the peer.
    pub peer_read: u64,
    /// Between two.
    pub is_direct: bool,
    /// Tips only.
    pub is_pull: bool,
    /// Title.
    pub title: String,
    /// Rev that set the title last.
    pub title_ver: u64,
    /// Rev at which the mode was heard last.
    pub mode_rev: u64,
    /// Pinned, with the version of the line.
    pub pinned: (u64, bool),
    /// Messages held.
    pub rows: BTreeMap<u64, Row>,
    /// Held ranges: lo -> (hi, vrev).
    pub held: BTreeMap<u64, (u64, u64)>,
    /// Next cid of the chain.
    pub next_cid: u64,
    /// cids below it found no chain; VOID fills them if it comes to be.
    pub absent_below: u64,
    /// Rebase in which it was seen last.
    pub seen_in: u64,
    /// Times it came into the list: an answer to a question of before does not take it out.
    pub joins: u64,
    /// Rev at which the user left last: a line of before does not bring it back.
    pub left_at: u64,
}

/// Where an outbox row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No cid yet.
    Queued,
    /// Has a cid; unresolved.
    InFlight,
    /// Ordered.
    Sent,
    /// Refused.
    Failed,
}

/// A row of the outbox.
#[derive(Debug, Clone)]
pub struct OutRow {
    /// Local number.
    pub id: u64,
    /// Conversation.
    pub conv: u64,
    /// What.
    pub act: Act,
    /// Where it stands.
    pub state: State,
    /// (device epoch, cid) once given.
    pub place: (u32, u64),
    /// The old chain is being closed.
    pub is_void: bool,
    /// Its answer came; an event may come before, and overtake what was answered earlier.
    pub is_answered: bool,
    /// The database fell back while it was under way: if it did not arrive, the user decides whether it goes again.
    pub is_offered: bool,
}

/// A wish of the user chain.
#[derive(Debug, Clone)]
pub struct PinRow {
    /// Conversation.
    pub conv: u64,
    /// Value.
    pub pinned: bool,
    /// (device epoch, `op_seq`) once given.
    pub place: Option<(u32, u64)>,
}

/// A rebase under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebase {
    /// Queue epoch.
    pub epoch: u32,
    /// Tip at its start.
    pub p0: u64,
    /// The next page is behind this conversation.
    pub next: u64,
    /// Number of this rebase.
    pub generation: u64,
}

/// What survives the app.
#[derive(Debug, Clone, Default)]
pub struct Db {
    /// 0 before the first sign-in.
    pub device_epoch: u32,
    /// Connection counter.
    pub conn_ctr: u64,
    /// (queue epoch, pts).
    pub cursor: Option<(u32, u64)>,
    /// Rebase whose first page is in, and others are not.
    pub rebase: Option<Rebase>,
    /// Rebases so far.
    pub generation: u64,
    /// A new device epoch is needed before the next command.
    pub needs_renewal: bool,
    /// Conversations.
    pub convs: BTreeMap<u64, Conv>,
    /// Commands, oldest first.
    pub outbox: Vec<OutRow>,
    /// Pins, oldest first.
    pub pins: Vec<PinRow>,
    /// Next place in the user chain.
    pub next_op: u64,
    /// Read marks not acked.
    pub reads: BTreeMap<u64, u64>,
    /// Next local number.
    pub next_row: u64,
}

/// What dies with the app, or with the link.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Connection, if there is one.
    pub link: Option<u64>,
    /// The server said yes.
    pub is_live: bool,
    /// Conversations with a pull under way: their `joins` when it was asked, and the rev that it asks from.
    pub pulls: BTreeMap<u64, (u64, u64)>,
    /// Conversations with a history request under way, and its range.
    pub pages: BTreeMap<u64, (u64, u64)>,
    /// A list page is under way.
    pub is_listing: bool,
    /// Pages of earlier turns count as news, not as progress.
    pub list_turn: u64,
    /// Time of the last frame from the server.
    pub heard_us: u64,
    /// Next heartbeat.
    pub ping_us: u64,
    /// Next time open commands are sent again.
    pub resend_us: u64,
    /// Not before this time.
    pub connect_us: u64,
    /// Failed connects in a row.
    pub tries: u32,
    /// A Ping is unanswered since.
    pub suspect_us: Option<u64>,
    /// Refresh of the list after a digest mismatch: next page.
    pub refresh: Option<u64>,
    /// Rebase whose first page is still to come; until then the cursor stands, and so does an unfinished one before it.
    pub ordered: Option<Rebase>,
    /// Highest position of the queue that the server spoke of.
    pub tip: (u32, u64),
}

/// Which rules a device keeps; switched off one by one to unmask the layers below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A rev is folded only behind the one before it.
    pub checks_rev: bool,
    /// Tips in Pong raise `known`.
    pub takes_pong_tips: bool,
    /// The list digest of Pong is compared.
    pub checks_digest: bool,
    /// Batches at or below the cursor are dropped.
    pub drops_repeats: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { checks_rev: true, takes_pong_tips: true, checks_digest: true, drops_repeats: true }
    }
}

/// A broken promise that a device sees itself.
pub type Complaint = (&'static str, String);

/// One device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Organisation.
    pub org: u64,
    /// Whose.
    pub user: u64,
    /// Its id.
    pub id: u64,
    /// Its rules.
    pub rules: Rules,
    /// What survives.
    pub db: Db,
    /// What does not.
    pub live: Live,
    /// An older copy of the database.
    pub backup: Option<Db>,
    /// Removed by its user.
    pub is_revoked: bool,
    /// What it complains about.
    pub complaints: Vec<Complaint>,
    /// Batches applied: (queue epoch, from, to).
    pub batches: u64,
    /// Rebases begun.
    pub rebases: u64,
    /// The database was put back or lost, and the server has not settled that yet.
    pub was_restored: bool,
    /// Rebases that a lost link or a killed app cut short.
    pub rebases_cut: u64,
    /// A cursor that the next Hello presents, though nobody has given it.
    pub strange_cursor: Option<(u32, u64)>,
    /// Own commands are answered up to this rev: every later read shows it. Not a part of the device; the checker's memory.
    pub fences: BTreeMap<u64, u64>,
    /// The fences at the time of the question under way: diffs, pages of history, the list.
    pub asked: [BTreeMap<u64, u64>; 3],
}

/// Heartbeat of a device.
const PING_US: u64 = 2_000_000;
/// Open commands are sent again after this time.
const RESEND_US: u64 = 1_500_000;
/// A Ping that is not answered within this time ends the link.
const SUSPECT_US: u64 = 2_500_000;
/// A history page.
pub const PAGE: u64 = 20;

impl Device {
    /// A device that was never used.
    pub fn new(org: u64, user: u64, id: u64, rules: Rules) -> Self {
        Self {
            org,
            user,
            id,
            rules,
            db: Db { needs_renewal: true, next_op: 1, ..Db::default() },
            live: Live::default(),
            backup: None,
            is_revoked: false,
            complaints: Vec::new(),
            batches: 0,
            rebases: 0,
            was_restored: false,
            rebases_cut: 0,
            strange_cursor: None,
            fences: BTreeMap::new(),
            asked: Default::default(),
        }
    }

    /// Notes a broken promise.
    pub fn complain(&mut self, invariant: &'static str, text: String) {
        let who = format!("device {} of user {}: {text}", self.id, self.user);
        self.complaints.push((invariant, who));
    }

    /// The conversation, made as a stub if it is new.
    pub fn conv(&mut self, conv: u64) -> &mut Conv {
        self.db.convs.entry(conv).or_insert_with(|| Conv { next_cid: 1, ..Conv::default() })
    }

    /// The app dies; its database stays.
    pub fn kill(&mut self) {
        self.rebases_cut += u64::from(self.is_rebasing());
        self.live = Live { connect_us: self.live.connect_us, ..Live::default() };
    }

    /// The database is lost: an empty one of the same device.
    pub fn lose_database(&mut self) {
        self.kill();
        self.db = Db { needs_renewal: true, next_op: 1, ..Db::default() };
        self.was_restored = true;
    }

    /// The database is put back from an older copy.
    pub fn restore_database(&mut self) {
        self.kill();
        if let Some(backup) = self.backup.clone() {
            self.db = backup;
            self.was_restored = true;
        }
    }

    /// The link is up: says Hello. The connection counter is stored before.
    pub fn connected(&mut self, link: u64, now_us: u64) -> Vec<Up> {
        self.db.conn_ctr += 1;
        self.live = Live {
            link: Some(link),
            heard_us: now_us,
            ping_us: now_us + PING_US,
            suspect_us: Some(now_us),
            tries: self.live.tries,
            ..Live::default()
        };
        let db = &self.db;
        vec![Up::Hello {
            epoch: db.device_epoch,
            conn_ctr: db.conn_ctr,
            cursor: self.strange_cursor.or(db.cursor),
            // A thief cannot sign in.
            is_renewal: db.needs_renewal && !self.is_revoked,
        }]
    }

    /// The link is gone; back off.
    pub fn disconnected(&mut self, now_us: u64, jitter_us: u64) {
        self.rebases_cut += u64::from(self.is_rebasing());
        let tries = self.live.tries.min(4) + 1;
        let wait = (100_000u64 << tries) + jitter_us;
        self.live = Live { connect_us: now_us + wait, tries, ..Live::default() };
    }

    /// Looks after what is due. Returns frames, and whether the link should be given up.
    pub fn tick(&mut self, now_us: u64) -> (Vec<Up>, bool) {
        if self.live.link.is_none() {
            return (Vec::new(), false);
        }
        if self.live.suspect_us.is_some_and(|since| now_us > since + SUSPECT_US) {
            return (Vec::new(), true);
        }
        if !self.live.is_live {
            return (Vec::new(), false);
        }
        if self.db.needs_renewal {
            // Needs a new Hello.
            return (Vec::new(), true);
        }
        let mut out = Vec::new();
        if now_us >= self.live.ping_us {
            self.live.ping_us = now_us + PING_US;
            self.live.suspect_us.get_or_insert(now_us);
            out.push(Up::Ping);
        }
        if now_us >= self.live.resend_us {
            self.live.resend_us = now_us + RESEND_US;
            self.resend(&mut out);
        }
        self.dispatch(&mut out);
        self.pay_debts(&mut out);
        self.fill_gaps(&mut out);
        self.go_on_with_list(&mut out);
        (out, false)
    }

    /// A frame came. Returns what leaves after the commit.
    pub fn handle(&mut self, down: Down, now_us: u64) -> Vec<Up> {
        self.live.heard_us = now_us;
        let mut out = Vec::new();
        match down {
            Down::HelloAck { device_epoch, queue_epoch, is_rebase, rolled_back, tips } => {
                self.greeted(device_epoch, queue_epoch, is_rebase, rolled_back);
                self.take_tips(&tips);
                self.resend(&mut out);
                self.live.resend_us = now_us + RESEND_US;
                self.dispatch(&mut out);
            }
            // A later life of the database was here.
            Down::EpochStale | Down::ConnectionStale => self.rolled_back(),
            Down::Close => {}
            Down::SendAck { conv, epoch, cid, answer } => {
                self.answered((conv, epoch, cid), &answer, &mut out);
            }
            Down::OpAck { epoch, op_seq, answer } => self.pin_answered(epoch, op_seq, answer),
            Down::ReadAck { conv, up_to } => {
                if self.db.reads.get(&conv).is_some_and(|waiting| *waiting <= up_to) {
                    self.db.reads.remove(&conv);
                }
            }
            Down::Delivery(delivery) => self.delivered(delivery, &mut out),
            Down::Tip(tip) => self.take_tips(&[tip]),
            Down::Pong { queue_epoch, tip, digest, tips } => {
                self.live.suspect_us = None;
                self.ponged((queue_epoch, tip), digest, &mut out);
                if self.rules.takes_pong_tips {
                    self.take_tips(&tips);
                }
            }
            Down::Diff { conv, from, to, tip, events } => {
                if self.pull_ended(conv, from) {
                    self.check_fence(0, conv, tip.rev.0);
                }
                self.diffed(conv, (from, to), &tip, &events);
            }
            Down::TooLong { line, since } => {
                let conv = line.item.tip.conv.0;
                if self.pull_ended(conv, since) {
                    self.check_fence(0, conv, line.item.tip.rev.0);
                }
                self.take_item(&line, true);
            }
            Down::Gone { conv, since } => self.told_absent(conv, since),
            Down::History { conv, lo, hi, as_of, rows } => {
                if self.page_ended(conv, (lo, hi)) {
                    self.check_fence(1, conv, as_of);
                }
                self.paged(conv, (lo, hi), as_of, &rows);
            }
            Down::List { after, turn, lines, next } => {
                if turn == self.live.list_turn {
                    for line in &lines {
                        self.check_fence(2, line.item.tip.conv.0, line.item.tip.rev.0);
                    }
                }
                self.listed((after, turn), &lines, next, &mut out);
            }
            Down::Again { request } => self.refused(&request),
        }
        self.pay_debts(&mut out);
        out
    }

    /// A read that was asked for behind an answer shows what was answered (I9).
    fn check_fence(&mut self, kind: usize, conv: u64, rev: u64) {
        let due = self.asked[kind].get(&conv).copied().unwrap_or(0);
        if rev < due {
            let text =
                format!("conversation {conv} is read at rev {rev} after rev {due} was answered");
            self.complain("I9", text);
        }
    }

    fn note_fence(&mut self, conv: u64, rev: u64) {
        let fence = self.fences.entry(conv).or_default();
        *fence = rev.max(*fence);
    }

    /// True while the list stands for the queue.
    pub const fn is_rebasing(&self) -> bool {
        self.db.rebase.is_some() || self.live.ordered.is_some()
    }

    /// True if it is not on the way to a position of the queue that it knows of.
    pub fn has_read_queue(&self) -> bool {
        !self.is_rebasing() && self.db.cursor.is_none_or(|cursor| cursor >= self.live.tip)
    }

    /// True when nothing is open: commands settled, no debt, no gap, no rebase.
    pub fn is_settled(&self) -> bool {
        let is_open = |row: &OutRow| matches!(row.state, State::Queued | State::InFlight);
        self.live.is_live
            && self.has_read_queue()
            && self.live.refresh.is_none()
            && self.db.pins.is_empty()
            && self.db.reads.is_empty()
            && !self.db.needs_renewal
            && !self.db.outbox.iter().any(is_open)
            && self
                .db
                .convs
                .values()
                .all(|c| !c.is_joined || (c.known <= c.rev && c.gap().is_none()))
    }

    /// What keeps it from being settled.
    pub fn why_open(&self) -> String {
        let open =
            self.db.outbox.iter().filter(|r| matches!(r.state, State::Queued | State::InFlight));
        let debts: Vec<(u64, u64, u64)> = self
            .db
            .convs
            .iter()
            .filter(|(_, c)| c.is_joined && c.known > c.rev)
            .map(|(id, c)| (*id, c.rev, c.known))
            .collect();
        let gaps: Vec<_> = self
            .db
            .convs
            .iter()
            .filter(|(_, c)| c.is_joined)
            .filter_map(|(id, c)| c.gap().map(|g| (*id, g)))
            .collect();
        format!(
            "live {} rebase {:?} renewal {} open rows {:?} pins {} reads {:?} debts {debts:?} gaps {gaps:?}",
            self.live.is_live,
            self.db.rebase,
            self.db.needs_renewal,
            open.take(3).collect::<Vec<_>>(),
            self.db.pins.len(),
            self.db.reads,
        )
    }
}

impl Conv {
    /// Adds a held range; joins what touches.
    pub fn hold(&mut self, lo: u64, hi: u64, vrev: u64) {
        if lo > hi || vrev < self.break_rev {
            return;
        }
        let (mut from, mut to, mut ver) = (lo, hi, vrev);
        let brk = self.break_rev;
        let touching: Vec<u64> = self
            .held
            .range(..=hi.saturating_add(1))
            .filter(|(_, (end, _))| end.saturating_add(1) >= lo)
            .map(|(start, _)| *start)
            .collect();
        for start in touching {
            let Some((end, at)) = self.held.remove(&start) else { continue };
            if at >= brk {
                from = from.min(start);
                to = to.max(end);
                ver = ver.min(at);
            } else {
                // A stale range keeps only what the new one does not cover.
                if start < lo {
                    self.held.insert(start, (lo - 1, at));
                }
                if end > hi {
                    self.held.insert(hi + 1, (end, at));
                }
            }
        }
        self.held.retain(|start, (end, _)| !(*start >= from && *end <= to));
        self.held.insert(from, (to, ver));
    }

    fn is_current(&self, seq: u64) -> bool {
        self.held
            .range(..=seq)
            .next_back()
            .is_some_and(|(_, (hi, vrev))| *hi >= seq && *vrev >= self.break_rev)
    }

    /// The highest page that is missing between floor and tip.
    pub fn gap(&self) -> Option<(u64, u64)> {
        let mut hi = self.tip_seq;
        while hi > self.floor_seq {
            if !self.is_current(hi) {
                let lo = (hi.saturating_sub(PAGE - 1)).max(self.floor_seq + 1);
                return Some((lo, hi));
            }
            let lo = self.held.range(..=hi).next_back().map_or(hi, |(lo, _)| *lo);
            hi = lo.saturating_sub(1);
        }
        None
    }

    /// Computed, never counted up.
    pub fn unread(&self) -> u64 {
        self.tip_cnt.saturating_sub(self.read.1.max(self.floor_cnt))
    }
}
