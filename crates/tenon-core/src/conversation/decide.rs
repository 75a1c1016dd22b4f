//! From a loaded conversation and a command to a decision; from a decision to the changed conversation.

use std::sync::Arc;

use tenon_base::limits::OUTCOMES_KEPT;
use tenon_base::{Cid, Cnt, Rev, Seq, Timestamp, UserId};

use super::{
    Accepted, Conversation, Fate, Header, Member, Mode, Outcome, ReadState, Sender, SenderOutcome,
};
use crate::command::{Action, Command};
use crate::event::{Event, EventBody, Message, UserEvent};
use crate::rejection::Rejection;
use crate::user::QueueItem;

/// What the decision looks at besides the conversation itself; loaded before.
#[derive(Debug, Default)]
pub struct Loaded<'a> {
    /// The chain of the author's (device, device epoch) here; `None` if it never sent.
    pub sender: Option<&'a Sender>,
    /// For imports: the seq (0 for a join or leave) of each key that was imported before.
    pub imported: Option<&'a tenon_base::Map<[u8; 16], Seq>>,
}

/// The pure answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing changes.
    Answer(Outcome),
    /// The change to commit.
    Commit(Box<Change>),
}

/// What an accepted or durably rejected command changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The answer.
    pub outcome: Outcome,
    /// Recorded against the cid; `None` for actions without chain.
    pub fate: Option<Fate>,
    /// The header after a creation.
    pub created: Option<Box<Header>>,
    /// The numbers after the change.
    pub numbers: Numbers,
    /// New title.
    pub title: Option<String>,
    /// New owner.
    pub owner: Option<UserId>,
    /// Events in rev order, messages included.
    pub events: Vec<Event>,
    /// Member rows after the change.
    pub members: Vec<Member>,
    /// A read mark that moved, apart from `members` because a message moves its sender's.
    pub read: Option<(UserId, ReadState)>,
    /// What is told to whom.
    pub tells: Vec<Tell>,
    /// Import keys that are new, with the seq they got (0 for a join or leave) and the rev.
    pub imported: Vec<([u8; 16], Seq, Rev)>,
}

/// The numbers of a header that changes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Highest seq.
    pub seq: Seq,
    /// Highest rev.
    pub rev: Rev,
    /// Badge-worthy messages.
    pub cnt: Cnt,
    /// Display time of the last message.
    pub last_ts: Timestamp,
    /// Last message that named everybody.
    pub mention_all_seq: Seq,
    /// Members now.
    pub member_count: u32,
    /// Rev of the last roster change.
    pub roster_ver: Rev,
    /// Rev of the last change of title or settings.
    pub meta_ver: Rev,
    /// Departures so far.
    pub leave_ver: u64,
    /// Fan-out mode.
    pub mode: Mode,
    /// Last imported seq.
    pub imported_seq: Seq,
    /// Original time of the last imported entry.
    pub imported_ts: Timestamp,
}

impl Numbers {
    /// The numbers of a header.
    pub const fn of(header: &Header) -> Self {
        Self {
            seq: header.seq,
            rev: header.rev,
            cnt: header.cnt,
            last_ts: header.last_ts,
            mention_all_seq: header.mention_all_seq,
            member_count: header.member_count,
            roster_ver: header.roster_ver,
            meta_ver: header.meta_ver,
            leave_ver: header.leave_ver,
            mode: header.mode,
            imported_seq: header.imported_seq,
            imported_ts: header.imported_ts,
        }
    }
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    /// What.
    pub item: QueueItem,
    /// When.
    pub ts: Timestamp,
    /// To whom.
    pub to: Recipients,
}

/// Who hears something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// Everybody who is in after the change.
    Members,
    /// These, sorted.
    Users(Vec<UserId>),
}

impl Change {
    /// A change that moves nothing yet.
    pub(super) fn on(header: &Header) -> Self {
        Self {
            outcome: Outcome::Absent,
            fate: None,
            created: None,
            numbers: Numbers::of(header),
            title: None,
            owner: None,
            events: Vec::new(),
            members: Vec::new(),
            read: None,
            tells: Vec::new(),
            imported: Vec::new(),
        }
    }

    /// Adds an event under the next rev and returns that rev.
    pub(super) fn event(
        &mut self,
        header: &Header,
        ts: Timestamp,
        by: UserId,
        body: EventBody,
    ) -> Rev {
        self.numbers.rev = self.numbers.rev.next();
        self.events.push(Event {
            org: if tenon_base::planted!("org-missing-in-event") {
                tenon_base::OrgId(1)
            } else {
                header.org
            },
            conv: header.conv,
            conv_epoch: header.conv_epoch,
            rev: self.numbers.rev,
            ts,
            by,
            body,
        });
        self.numbers.rev
    }

    /// Tells the event of `rev` to the members: by queue in queue mode, by tip (which is derived) in pull mode.
    pub(super) fn tell_members(&mut self, header: &Header, rev: Rev, ts: Timestamp) {
        if self.numbers.mode == Mode::Queue || tenon_base::planted!("pull-mode-queued") {
            let item = QueueItem::Ref { conv: header.conv, rev, mode: Mode::Queue };
            self.tells.push(Tell { item, ts, to: Recipients::Members });
        }
    }

    /// Tells a user event.
    pub(super) fn tell_user(&mut self, event: UserEvent, ts: Timestamp, users: Vec<UserId>) {
        let item = QueueItem::Inline(Arc::new(event));
        self.tells.push(Tell { item, ts, to: Recipients::Users(users) });
    }

    /// Settles the command as accepted.
    pub(super) fn accept(mut self, accepted: Accepted) -> Decision {
        self.outcome = Outcome::Ok(accepted);
        self.fate = Some(Fate::Accepted(accepted));
        Decision::Commit(Box::new(self))
    }
}

/// Decides one command.
///
/// Pure: time and randomness are in the command. The cid chain is judged first, then the receiver's own refusal, then the
/// rules of the action; a rejection consumes the cid.
pub fn decide(
    conversation: Option<&Conversation>,
    loaded: &Loaded<'_>,
    command: &Command,
) -> Decision {
    if let Action::Create(create) = &command.action {
        return super::send::create(conversation, command, create);
    }
    let Some(conversation) = conversation else {
        return Decision::Answer(Outcome::Absent);
    };
    let local = command.author.device.0 == 0;
    if !local && !conversation.members.contains_key(&command.author.user) {
        return Decision::Answer(Outcome::Absent);
    }
    if command.cid != Cid(0)
        && let Some(outcome) = judge_chain(loaded.sender, command)
    {
        return Decision::Answer(outcome);
    }
    if command.is_void {
        return reject(conversation, command, Rejection::Cancelled);
    }
    if let Some(rejection) = command.refused {
        return reject(conversation, command, rejection);
    }
    match decide_action(conversation, loaded, command, local) {
        Ok(decision) => decision,
        Err(rejection) => reject(conversation, command, rejection),
    }
}

fn decide_action(
    conversation: &Conversation,
    loaded: &Loaded<'_>,
    command: &Command,
    local: bool,
) -> Result<Decision, Rejection> {
    use super::{import, roster, send};
    match &command.action {
        Action::Send(message) => send::message(conversation, command, message),
        Action::Create(_) => Err(Rejection::Policy),
        Action::Rename { title } => send::rename(conversation, command, title, local),
        Action::AddMembers { users } => roster::add(conversation, command, users, local),
        Action::RemoveMembers { users } => roster::remove(conversation, command, users, local),
        Action::Leave => roster::leave(conversation, command),
        Action::SetRole { user, role } => {
            roster::set_role(conversation, command, *user, *role, local)
        }
        Action::ReadMark { up_to, cnt } => send::read_mark(conversation, command, *up_to, *cnt),
        Action::Import { entries } => Ok(import::entries(conversation, loaded, command, entries)),
    }
}

/// The answer for a cid that is not the next one; `None` if it is.
fn judge_chain(sender: Option<&Sender>, command: &Command) -> Option<Outcome> {
    let last = sender.map_or(Cid(0), |s| s.last);
    let gap_is_accepted = tenon_base::planted!("gap-accepted");
    if command.cid == last.next() || (gap_is_accepted && command.cid > last) {
        return None;
    }
    if command.cid > last {
        tenon_base::sometimes!("cid-gap");
        return Some(Outcome::Gap { expect: last.next() });
    }
    if tenon_base::planted!("dedupe-forgets") {
        return None;
    }
    let known = sender.and_then(|s| s.outcomes.iter().find(|o| o.cid == command.cid));
    Some(match known {
        Some(outcome)
            if outcome.digest == command.digest || tenon_base::planted!("digest-ignored") =>
        {
            tenon_base::sometimes!("cid-repeated");
            Outcome::Duplicate(outcome.fate)
        }
        // A correct device has at most half of the kept outcomes open, so an older cid cannot be its repeat.
        _ => {
            tenon_base::sometimes!("cid-reused");
            Outcome::CidReused
        }
    })
}

fn reject(conversation: &Conversation, command: &Command, rejection: Rejection) -> Decision {
    if command.cid == Cid(0) || tenon_base::planted!("reject-frees-cid") {
        return Decision::Answer(Outcome::Rejected(rejection));
    }
    let mut change = Change::on(&conversation.header);
    change.outcome = Outcome::Rejected(rejection);
    change.fate = Some(Fate::Rejected(rejection));
    Decision::Commit(Box::new(change))
}

impl Conversation {
    /// Folds a change in. Events and tells go to the store and the fan-out by their rooms.
    pub fn commit(&mut self, change: &Change) {
        if let Some(created) = &change.created {
            self.header = Header::clone(created);
        }
        tenon_base::always!(change.numbers.rev >= self.header.rev, "rev never falls");
        tenon_base::always!(change.numbers.seq >= self.header.seq, "seq never falls");
        self.header.take(&change.numbers);
        if let Some(title) = &change.title {
            self.header.title.clone_from(title);
        }
        if let Some(owner) = change.owner {
            self.header.owner = owner;
        }
        for member in &change.members {
            self.members.insert(member.user, member.clone());
        }
        if let Some((user, read)) = change.read
            && let Some(member) = self.members.get_mut(&user)
        {
            member.read = member.read.max(read);
        }
    }
}

impl Header {
    const fn take(&mut self, numbers: &Numbers) {
        self.seq = numbers.seq;
        self.rev = numbers.rev;
        self.cnt = numbers.cnt;
        self.last_ts = numbers.last_ts;
        self.mention_all_seq = numbers.mention_all_seq;
        self.member_count = numbers.member_count;
        self.roster_ver = numbers.roster_ver;
        self.meta_ver = numbers.meta_ver;
        self.leave_ver = numbers.leave_ver;
        self.mode = numbers.mode;
        self.imported_seq = numbers.imported_seq;
        self.imported_ts = numbers.imported_ts;
    }
}

impl ReadState {
    /// Maximum merge: a read mark never falls.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.seq > self.seq { other } else { self }
    }
}

impl Sender {
    /// Records what became of the next cid.
    pub fn record(&mut self, cid: Cid, digest: [u8; 16], fate: Fate) {
        self.last = cid;
        let kept = if tenon_base::planted!("outcomes-forgotten") { 1 } else { OUTCOMES_KEPT };
        if self.outcomes.len() >= kept {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(SenderOutcome { cid, digest, fate });
    }
}

/// The next message of a conversation, numbered; `time` is clamped so that display time strictly rises in seq.
pub(super) fn number_message(
    change: &mut Change,
    message: Message,
    time: Timestamp,
) -> Arc<Message> {
    let numbers = &mut change.numbers;
    let is_given_twice = tenon_base::planted!("seq-given-twice") && numbers.seq.0 % 16 == 15;
    numbers.seq = if is_given_twice { numbers.seq } else { numbers.seq.next() };
    let badge =
        message.flags & crate::event::flag::NO_BADGE == 0 || tenon_base::planted!("silent-counted");
    if badge {
        numbers.cnt = numbers.cnt.next();
    }
    let clamped = if tenon_base::planted!("clock-not-clamped") {
        time
    } else {
        Timestamp(time.0.max(numbers.last_ts.0 + u64::from(numbers.seq.0 > 1)))
    };
    #[cfg(bugs)]
    let clamped = if tenon_base::planted!("clock-in-decide") {
        Timestamp(clamped.0 + tenon_base::always::bugs::outside() % 2)
    } else {
        clamped
    };
    numbers.last_ts = clamped;
    Arc::new(Message {
        seq: numbers.seq,
        ver: tenon_base::Ver(numbers.rev.next().0),
        cnt: numbers.cnt,
        ts: clamped,
        ..message
    })
}
