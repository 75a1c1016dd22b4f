//! Making a conversation, sending into it, naming it, reading it.

use tenon_base::limits::{BODY_BYTES_MAX, MENTIONS_MAX};
use tenon_base::{Cnt, Rev, Seq, Timestamp, UserId};

use super::decide::{Change, Decision, number_message};
use super::{
    Accepted, Conversation, Header, Interval, Kind, Member, Mode, Outcome, ReadState, Role,
};
use crate::command::{Command, CreateConversation, SendMessage};
use crate::event::{EventBody, Message, UserEvent, flag};
use crate::rejection::Rejection;

/// Longest title in bytes: a line of a list, not a text.
pub const TITLE_BYTES_MAX: usize = 256;

/// Decides a message.
pub(super) fn message(
    conversation: &Conversation,
    command: &Command,
    send: &SendMessage,
) -> Result<Decision, Rejection> {
    let header = &conversation.header;
    let author = command.author;
    let former =
        conversation.members.get(&author.user).filter(|_| tenon_base::planted!("former-may-send"));
    let member = conversation.member(author.user).or(former).ok_or(Rejection::NotMember)?;
    check_message(member, command, send)?;
    if send.reply_seq > header.seq {
        return Err(Rejection::TargetUnknown);
    }
    let mut change = Change::on(header);
    let auto = send.flags & flag::AUTO != 0;
    let row = number_message(
        &mut change,
        Message {
            message_id: command.message_id,
            sender: author.user,
            device: author.device,
            device_epoch: author.device_epoch,
            cid: command.cid,
            kind: send.kind,
            flags: send.flags,
            reply_seq: send.reply_seq,
            mentions: send.mentions.clone(),
            app: author.app,
            expires: expiry(command.time, send.expires_in_s),
            body: send.body.clone(),
            ..Message::default()
        },
        command.time,
    );
    let (seq, cnt, ts) = (row.seq, row.cnt, row.ts);
    let rev = change.event(header, ts, author.user, EventBody::Message(row));
    change.tell_members(header, rev, ts);
    if send.flags & flag::MENTION_ALL != 0 {
        change.numbers.mention_all_seq = seq;
    }
    if header.mode == Mode::Pull {
        point_mentions(conversation, &mut change, send, seq);
    }
    if !auto && !tenon_base::planted!("own-counted") {
        change.read = Some((author.user, ReadState { seq, cnt, at: ts }));
    }
    Ok(change.accept(Accepted { seq, rev, cnt, message_id: command.message_id, ts }))
}

fn check_message(member: &Member, command: &Command, send: &SendMessage) -> Result<(), Rejection> {
    if command.time < member.muted_until {
        return Err(Rejection::Muted);
    }
    if send.body.len() > BODY_BYTES_MAX {
        return Err(Rejection::TooLarge);
    }
    if send.mentions.len() > MENTIONS_MAX {
        return Err(Rejection::TooMany);
    }
    // Private messages come with the inbox; until then a directed send must not reach everybody.
    if !send.to.is_empty() {
        return Err(Rejection::Policy);
    }
    if send.kind == 0 {
        return Err(Rejection::BadBody);
    }
    Ok(())
}

const fn expiry(time: Timestamp, expires_in_s: u32) -> Timestamp {
    if expires_in_s == 0 {
        return Timestamp(0);
    }
    Timestamp(time.0 + expires_in_s as u64 * 1000)
}

/// In pull mode a mention is the one thing that goes to a queue.
fn point_mentions(conversation: &Conversation, change: &mut Change, send: &SendMessage, seq: Seq) {
    let mut named: Vec<UserId> =
        send.mentions.iter().copied().filter(|u| conversation.member(*u).is_some()).collect();
    named.sort_unstable();
    named.dedup();
    if !named.is_empty() {
        let conv = conversation.header.conv;
        let rev = change.numbers.rev;
        let ts = change.numbers.last_ts;
        change.tell_user(UserEvent::Mention { conv, rev, seq, all: false }, ts, named);
    }
}

/// Decides a creation. An existing conversation answers with its numbers, so that it may be repeated.
pub(super) fn create(
    existing: Option<&Conversation>,
    command: &Command,
    create: &CreateConversation,
) -> Decision {
    if let Some(existing) = existing {
        let rev = existing.header.rev;
        return Decision::Answer(Outcome::Ok(Accepted { rev, ..Accepted::default() }));
    }
    let mut users = create.members.clone();
    users.sort_unstable();
    users.dedup();
    if let Some(rejection) = check_create(create, &users) {
        return Decision::Answer(Outcome::Rejected(rejection));
    }
    let is_large = users.len() > create.queue_mode_max as usize;
    let header = Header {
        org: command.author.org,
        conv: command.conv,
        kind: create.kind,
        mode: if is_large { Mode::Pull } else { Mode::Queue },
        title: create.title.clone(),
        owner: create.owner,
        peers: match (create.kind, users.as_slice()) {
            (Kind::Direct, [one]) => [*one, *one],
            (Kind::Direct, [one, other]) => [*one, *other],
            _ => [UserId(0); 2],
        },
        last_ts: command.time,
        history_visible: create.history_visible,
        queue_mode_max: create.queue_mode_max,
        pull_mode_min: create.pull_mode_min,
        created: command.time,
        ..Header::default()
    };
    let mut change = Change::on(&header);
    change.numbers.member_count = u32::try_from(users.len()).unwrap_or(u32::MAX);
    change.numbers.roster_ver = Rev(1);
    change.numbers.meta_ver = Rev(1);
    for user in &users {
        let role = if *user == create.owner { Role::Owner } else { Role::Member };
        change.members.push(new_member(*user, role, Rev(1), command.time));
    }
    let body = EventBody::Members {
        members: change.members.iter().take(super::roster::LINES_MAX).map(Member::line).collect(),
        from_roster_ver: Rev(0),
        member_count: change.numbers.member_count,
        reason: super::roster::reason::CREATED,
    };
    change.event(&header, command.time, command.author.user, body);
    change.created = Some(Box::new(header));
    super::roster::tell_added(&mut change, None, &users, super::roster::reason::CREATED, command);
    let rev = change.numbers.rev;
    change.accept_without_chain(Accepted { rev, ..Accepted::default() })
}

fn check_create(create: &CreateConversation, users: &[UserId]) -> Option<Rejection> {
    if create.title.len() > TITLE_BYTES_MAX {
        return Some(Rejection::TooLarge);
    }
    match create.kind {
        Kind::Direct if users.is_empty() || users.len() > 2 => Some(Rejection::TooMany),
        Kind::Group if create.owner.is_some() && !users.contains(&create.owner) => {
            Some(Rejection::NotMember)
        }
        Kind::Direct | Kind::Group => None,
    }
}

/// The first row of a member who comes in at the birth of a conversation.
fn new_member(user: UserId, role: Role, rev: Rev, time: Timestamp) -> Member {
    let interval = Interval { join_rev: rev, joined: time, ..Interval::default() };
    Member { user, role, ver: rev, intervals: vec![interval], ..Member::default() }
}

/// Decides a new title.
pub(super) fn rename(
    conversation: &Conversation,
    command: &Command,
    title: &str,
    local: bool,
) -> Result<Decision, Rejection> {
    let header = &conversation.header;
    if header.kind == Kind::Direct {
        return Err(Rejection::Policy);
    }
    if !local {
        let member = conversation.member(command.author.user).ok_or(Rejection::NotMember)?;
        if member.role > Role::Admin {
            return Err(Rejection::RoleRequired);
        }
    }
    if title.is_empty() {
        return Err(Rejection::BadBody);
    }
    if title.len() > TITLE_BYTES_MAX {
        return Err(Rejection::TooLarge);
    }
    let mut change = Change::on(header);
    let body = EventBody::Renamed { title: title.to_owned() };
    let rev = change.event(header, command.time, command.author.user, body);
    change.numbers.meta_ver = rev;
    change.title = Some(title.to_owned());
    change.tell_members(header, rev, command.time);
    Ok(change.accept(Accepted { rev, ..Accepted::default() }))
}

/// Decides a read mark: clamped to the tip, never falls, told to the user's own devices and to the peer of a direct
/// conversation.
pub(super) fn read_mark(
    conversation: &Conversation,
    command: &Command,
    up_to: Seq,
    cnt: Cnt,
) -> Result<Decision, Rejection> {
    let header = &conversation.header;
    let user = command.author.user;
    let member = conversation.member(user).ok_or(Rejection::NotMember)?;
    let seq = up_to.min(header.seq);
    let falls = tenon_base::planted!("readmark-last-write");
    if seq <= member.read.seq && !falls {
        return Ok(Decision::Answer(Outcome::Ok(Accepted {
            seq: member.read.seq,
            ..Accepted::default()
        })));
    }
    let cnt = if seq == header.seq { header.cnt } else { cnt.min(header.cnt) };
    let read = ReadState { seq, cnt, at: command.time };
    let mut change = Change::on(header);
    change.read = Some((user, read));
    if !tenon_base::planted!("read-not-queued") {
        let told = UserEvent::ReadMarked { conv: header.conv, read };
        change.tell_user(told, command.time, vec![user]);
    }
    if header.kind == Kind::Direct
        && let Some(peer) = header.peers.into_iter().find(|p| *p != user)
    {
        let receipt =
            UserEvent::Receipt { conv: header.conv, user, read_seq: seq, at: command.time };
        change.tell_user(receipt, command.time, vec![peer]);
    }
    change.outcome = Outcome::Ok(Accepted { seq, cnt, ..Accepted::default() });
    Ok(Decision::Commit(Box::new(change)))
}

impl Change {
    /// Settles a command that has no chain.
    pub(super) fn accept_without_chain(mut self, accepted: Accepted) -> Decision {
        self.outcome = Outcome::Ok(accepted);
        Decision::Commit(Box::new(self))
    }
}
