//! Taking an archive: original times and order, every entry once.

use tenon_base::{Map, Rev, Seq, Timestamp, UserId};

use super::decide::{Change, Decision, Loaded, number_message};
use super::roster::{come_in, flip_mode, go_out, reason, tell_added};
use super::{Conversation, Member, Outcome};
use crate::command::{Command, ImportEntry, ImportItem};
use crate::event::{EventBody, Message, UserEvent, flag};

/// Decides a piece of an archive.
///
/// Known keys are passed over. An entry older than the last imported one, or any new entry once native messages stand
/// behind the imported ones, is refused: it cannot be put in the middle. Imported messages raise no unread count.
pub(super) fn entries(
    conversation: &Conversation,
    loaded: &Loaded<'_>,
    command: &Command,
    entries: &[ImportEntry],
) -> Decision {
    let mut work = Work {
        conversation,
        change: Change::on(&conversation.header),
        rows: Map::default(),
        fresh: Map::default(),
        known: loaded.imported,
    };
    let (mut added, mut known, mut refused) = (0, 0, 0);
    for entry in entries {
        if work.seq_of(&entry.key).is_some() {
            known += 1;
        } else if work.is_too_old(entry) {
            refused += 1;
        } else {
            work.take(entry);
            added += 1;
        }
    }
    let mut change = work.finish(command);
    change.outcome = Outcome::Imported { added, known, refused };
    flip_mode(&mut change, &conversation.header, command.time);
    Decision::Commit(Box::new(change))
}

struct Work<'a> {
    conversation: &'a Conversation,
    change: Change,
    /// Member rows changed so far.
    rows: Map<UserId, Member>,
    /// Keys taken by this command.
    fresh: Map<[u8; 16], Seq>,
    known: Option<&'a Map<[u8; 16], Seq>>,
}

impl Work<'_> {
    fn seq_of(&self, key: &[u8; 16]) -> Option<Seq> {
        self.fresh.get(key).or_else(|| self.known.and_then(|k| k.get(key))).copied()
    }

    fn is_too_old(&self, entry: &ImportEntry) -> bool {
        let numbers = &self.change.numbers;
        numbers.seq > numbers.imported_seq || entry.time < numbers.imported_ts
    }

    fn row(&self, user: UserId) -> Option<&Member> {
        self.rows.get(&user).or_else(|| self.conversation.members.get(&user))
    }

    fn take(&mut self, entry: &ImportEntry) {
        let header = &self.conversation.header;
        let rev = self.change.numbers.rev.next();
        let seq = match &entry.item {
            ImportItem::Message { kind, body, root, message_id, edited } => {
                self.let_in(entry.user, rev, entry.time);
                let root_seq = root.and_then(|r| self.seq_of(&r)).unwrap_or_default();
                let edited_flag = if edited.0 == 0 { 0 } else { flag::EDITED };
                let message = Message {
                    message_id: *message_id,
                    sender: entry.user,
                    kind: *kind,
                    flags: flag::NO_BADGE | flag::SILENT | edited_flag,
                    reply_seq: root_seq,
                    edited: *edited,
                    body: body.clone(),
                    ..Message::default()
                };
                let row = number_message(&mut self.change, message, entry.time);
                let (seq, ts) = (row.seq, row.ts);
                self.change.event(header, ts, entry.user, EventBody::Message(row));
                self.change.tell_members(header, rev, ts);
                self.change.numbers.imported_seq = seq;
                seq
            }
            ImportItem::Join => {
                self.join(entry, rev);
                Seq(0)
            }
            ImportItem::Leave => {
                self.leave(entry, rev);
                Seq(0)
            }
        };
        self.change.numbers.imported_ts = entry.time;
        self.fresh.insert(entry.key, seq);
        self.change.imported.push((entry.key, seq, rev));
    }

    /// Somebody who talks is in, whether the archive kept his join or not.
    fn let_in(&mut self, user: UserId, rev: Rev, time: Timestamp) {
        if !self.row(user).is_some_and(Member::is_in) {
            self.bring(user, rev, time);
        }
    }

    fn bring(&mut self, user: UserId, rev: Rev, time: Timestamp) {
        let row = come_in(self.row(user), user, &self.conversation.header, rev, time);
        self.change.numbers.member_count += 1;
        self.change.numbers.roster_ver = rev;
        self.rows.insert(user, row);
    }

    /// A second join without a leave between ends the earlier stretch at this instant: the archive lost the leave.
    fn join(&mut self, entry: &ImportEntry, rev: Rev) {
        if let Some(row) = self.row(entry.user).filter(|m| m.is_in()) {
            let row = go_out(row, rev, entry.time);
            self.rows.insert(entry.user, row);
            self.change.numbers.member_count -= 1;
        }
        self.bring(entry.user, rev, entry.time);
        self.emit(entry, reason::JOINED);
    }

    /// A leave without a join: the user had been in since the beginning of the archive.
    fn leave(&mut self, entry: &ImportEntry, rev: Rev) {
        if !self.row(entry.user).is_some_and(Member::is_in) {
            self.bring(entry.user, rev, self.conversation.header.created.min(entry.time));
        }
        if let Some(row) = self.row(entry.user) {
            let row = go_out(row, rev, entry.time);
            self.rows.insert(entry.user, row);
        }
        self.change.numbers.member_count -= 1;
        self.change.numbers.leave_ver += 1;
        self.change.numbers.roster_ver = rev;
        self.emit(entry, reason::LEFT);
    }

    fn emit(&mut self, entry: &ImportEntry, why: u32) {
        let header = &self.conversation.header;
        let line = self.row(entry.user).map(Member::line);
        let body = EventBody::Members {
            members: line.into_iter().collect(),
            from_roster_ver: self.change.numbers.roster_ver,
            member_count: self.change.numbers.member_count,
            reason: why,
        };
        let time = Timestamp(entry.time.0);
        let rev = self.change.event(header, time, entry.user, body);
        self.change.tell_members(header, rev, time);
    }

    /// Whoever is in now and was not before gets the conversation into his list, quietly; whoever went loses it.
    fn finish(self, command: &Command) -> Change {
        let mut change = self.change;
        change.members = self.rows.into_values().collect();
        change.members.sort_unstable_by_key(|m| m.user);
        let was_in = |user| self.conversation.member(user).is_some();
        let mut added = Vec::new();
        let mut gone = Vec::new();
        for row in &change.members {
            match (was_in(row.user), row.is_in()) {
                (false, true) => added.push(row.user),
                (true, false) => gone.push(row.user),
                _ => {}
            }
        }
        tell_added(&mut change, Some(self.conversation), &added, reason::JOINED, command);
        if !gone.is_empty() {
            let header = &self.conversation.header;
            let removed = UserEvent::ConversationRemoved {
                conv: header.conv,
                reason: reason::LEFT,
                last_rev: change.numbers.rev,
                by: UserId(0),
            };
            change.tell_user(removed, command.time, gone);
        }
        change
    }
}
