//! Members come, go and change roles; the fan-out mode follows their number.

use tenon_base::limits::MEMBERS_PER_COMMAND_MAX;
use tenon_base::{Rev, Timestamp, UserId};

use super::decide::{Change, Decision, Recipients, Tell};
use super::{Accepted, Conversation, Header, Interval, Kind, Member, Mode, Role};
use crate::command::Command;
use crate::event::{EventBody, Item, UserEvent};
use crate::rejection::Rejection;
use crate::user::QueueItem;

/// Member lines in one event; a device that needs more reads the roster.
pub const LINES_MAX: usize = 100;

/// Why members changed, as told in the event.
pub mod reason {
    /// The conversation was made.
    pub const CREATED: u32 = 1;
    /// Somebody added them.
    pub const ADDED: u32 = 2;
    /// They came by themselves.
    pub const JOINED: u32 = 3;
    /// They went by themselves.
    pub const LEFT: u32 = 4;
    /// Somebody removed them.
    pub const REMOVED: u32 = 5;
    /// A role changed.
    pub const ROLE: u32 = 6;
}

/// Decides additions. Members who are in already are passed over.
pub(super) fn add(
    conversation: &Conversation,
    command: &Command,
    users: &[UserId],
    local: bool,
) -> Result<Decision, Rejection> {
    let header = &conversation.header;
    check_roster_right(conversation, command, users, local)?;
    let mut added: Vec<UserId> =
        users.iter().copied().filter(|u| conversation.member(*u).is_none()).collect();
    added.sort_unstable();
    added.dedup();
    let mut change = Change::on(header);
    if added.is_empty() {
        return Ok(change.accept(Accepted { rev: header.rev, ..Accepted::default() }));
    }
    let rev = header.rev.next();
    for user in &added {
        let row = come_in(conversation.members.get(user), *user, header, rev, command.time);
        change.members.push(row);
    }
    let count = u32::try_from(added.len()).unwrap_or(u32::MAX);
    change.numbers.member_count = change.numbers.member_count.saturating_add(count);
    emit_members(&mut change, header, command, reason::ADDED);
    tell_added(&mut change, Some(conversation), &added, reason::ADDED, command);
    flip_mode(&mut change, header, command.time);
    Ok(change.accept(Accepted { rev, ..Accepted::default() }))
}

/// Decides removals. Users who are not in are passed over; the owner stays.
pub(super) fn remove(
    conversation: &Conversation,
    command: &Command,
    users: &[UserId],
    local: bool,
) -> Result<Decision, Rejection> {
    check_roster_right(conversation, command, users, local)?;
    let header = &conversation.header;
    let acting = conversation.member(command.author.user).map_or(Role::Owner, |m| m.role);
    let mut gone: Vec<UserId> =
        users.iter().copied().filter(|u| conversation.member(*u).is_some()).collect();
    gone.sort_unstable();
    gone.dedup();
    for user in &gone {
        let role = conversation.member(*user).map_or(Role::Member, |m| m.role);
        if !local && *user != command.author.user && role <= acting {
            return Err(Rejection::RoleRequired);
        }
    }
    if gone.is_empty() {
        let change = Change::on(header);
        return Ok(change.accept(Accepted { rev: header.rev, ..Accepted::default() }));
    }
    Ok(depart(conversation, command, &gone, reason::REMOVED))
}

/// Decides a leave of the author.
pub(super) fn leave(conversation: &Conversation, command: &Command) -> Result<Decision, Rejection> {
    let user = command.author.user;
    if conversation.header.kind == Kind::Direct {
        return Err(Rejection::Policy);
    }
    conversation.member(user).ok_or(Rejection::NotMember)?;
    Ok(depart(conversation, command, &[user], reason::LEFT))
}

fn depart(conversation: &Conversation, command: &Command, gone: &[UserId], why: u32) -> Decision {
    let header = &conversation.header;
    let mut change = Change::on(header);
    let rev = header.rev.next();
    for user in gone {
        if let Some(member) = conversation.member(*user) {
            change.members.push(go_out(member, rev, command.time));
        }
    }
    let count = u32::try_from(gone.len()).unwrap_or(u32::MAX);
    change.numbers.member_count = change.numbers.member_count.saturating_sub(count);
    change.numbers.leave_ver += u64::from(count);
    if gone.contains(&header.owner) {
        hand_over_ownership(conversation, &mut change, gone, rev);
    }
    emit_members(&mut change, header, command, why);
    let removed = UserEvent::ConversationRemoved {
        conv: header.conv,
        reason: why,
        last_rev: header.rev,
        by: command.author.user,
    };
    if !tenon_base::planted!("removed-not-told") {
        change.tell_user(removed, command.time, gone.to_vec());
    }
    flip_mode(&mut change, header, command.time);
    change.accept(Accepted { rev, ..Accepted::default() })
}

/// An owner who goes leaves the group to the admin, else the member, who has been in longest.
fn hand_over_ownership(
    conversation: &Conversation,
    change: &mut Change,
    gone: &[UserId],
    rev: Rev,
) {
    let heir = conversation
        .members
        .values()
        .filter(|m| m.is_in() && !gone.contains(&m.user))
        .filter(|_| !tenon_base::planted!("owner-not-inherited"))
        .min_by_key(|m| (m.role, m.join_rev(), m.user));
    #[cfg(bugs)]
    let heir = if tenon_base::planted!("choice-by-chance") {
        let inside = conversation.members.values();
        let others: Vec<_> = inside.filter(|m| m.is_in() && !gone.contains(&m.user)).collect();
        let chance = usize::try_from(tenon_base::always::bugs::outside()).unwrap_or(0);
        others.get(chance % others.len().max(1)).copied()
    } else {
        heir
    };
    let Some(heir) = heir else {
        change.owner = Some(UserId(0));
        return;
    };
    change.owner = Some(heir.user);
    change.members.push(Member { role: Role::Owner, ver: rev, ..heir.clone() });
}

/// Decides a change of role. Only the owner may; making somebody owner makes him admin.
pub(super) fn set_role(
    conversation: &Conversation,
    command: &Command,
    user: UserId,
    role: Role,
    local: bool,
) -> Result<Decision, Rejection> {
    let header = &conversation.header;
    if header.kind == Kind::Direct {
        return Err(Rejection::RoleRequired);
    }
    // Local administration acts for the owner, who may be missing.
    let acting = if local { header.owner } else { command.author.user };
    let acting = conversation.member(acting);
    if !local && acting.ok_or(Rejection::NotMember)?.role != Role::Owner {
        return Err(Rejection::RoleRequired);
    }
    let target = conversation.member(user).ok_or(Rejection::TargetUnknown)?;
    if acting.is_some_and(|a| a.user == user) && role != Role::Owner {
        return Err(Rejection::Policy);
    }
    let mut change = Change::on(header);
    if target.role == role {
        return Ok(change.accept(Accepted { rev: header.rev, ..Accepted::default() }));
    }
    let rev = header.rev.next();
    change.members.push(Member { role, ver: rev, ..target.clone() });
    if role == Role::Owner {
        change.owner = Some(user);
        if let Some(acting) = acting {
            change.members.push(Member { role: Role::Admin, ver: rev, ..acting.clone() });
        }
    }
    emit_members(&mut change, header, command, reason::ROLE);
    Ok(change.accept(Accepted { rev, ..Accepted::default() }))
}

fn check_roster_right(
    conversation: &Conversation,
    command: &Command,
    users: &[UserId],
    local: bool,
) -> Result<(), Rejection> {
    if conversation.header.kind == Kind::Direct {
        return Err(Rejection::Policy);
    }
    if local {
        return Ok(());
    }
    if users.len() > MEMBERS_PER_COMMAND_MAX {
        return Err(Rejection::TooMany);
    }
    let member = conversation.member(command.author.user).ok_or(Rejection::NotMember)?;
    if member.role > Role::Admin {
        return Err(Rejection::RoleRequired);
    }
    Ok(())
}

/// The row of a user who comes in at `rev`.
pub(super) fn come_in(
    before: Option<&Member>,
    user: UserId,
    header: &Header,
    rev: Rev,
    time: Timestamp,
) -> Member {
    let mut row = before.cloned().unwrap_or_else(|| Member { user, ..Member::default() });
    row.intervals.push(Interval {
        join_rev: rev,
        join_seq: header.seq,
        joined: time,
        ..Interval::default()
    });
    row.role = Role::Member;
    row.ver = rev;
    let sees_all = header.history_visible || tenon_base::planted!("floor-not-raised");
    row.floor_seq = if sees_all { row.floor_seq } else { header.seq };
    if !tenon_base::planted!("floor-cnt-kept") {
        row.floor_cnt = header.cnt;
    }
    row
}

/// The row of a member who goes at `rev`.
pub(super) fn go_out(member: &Member, rev: Rev, time: Timestamp) -> Member {
    let mut row = member.clone();
    if let Some(last) = row.intervals.last_mut() {
        last.leave_rev = if tenon_base::planted!("leave-not-noted") { Rev(0) } else { rev };
        last.left = time;
    }
    row.ver = rev;
    row
}

/// Emits the event for the rows that stand in `change.members`.
pub(super) fn emit_members(change: &mut Change, header: &Header, command: &Command, why: u32) {
    let body = EventBody::Members {
        members: change.members.iter().take(LINES_MAX).map(Member::line).collect(),
        from_roster_ver: header.roster_ver,
        member_count: change.numbers.member_count,
        reason: why,
    };
    let rev = change.event(header, command.time, command.author.user, body);
    change.numbers.roster_ver = rev;
    change.tell_members(header, rev, command.time);
}

/// Tells newcomers that the conversation is in their list now.
pub(super) fn tell_added(
    change: &mut Change,
    before: Option<&Conversation>,
    added: &[UserId],
    why: u32,
    command: &Command,
) {
    let mut shown = before.cloned_header();
    if let Some(created) = &change.created {
        shown = Header::clone(created);
    }
    let rows: Vec<Member> =
        change.members.iter().filter(|m| added.binary_search(&m.user).is_ok()).cloned().collect();
    for row in rows {
        let mut item = Item::of(&shown, &row);
        item.tip.rev = change.numbers.rev;
        item.roster_ver = change.numbers.roster_ver;
        item.meta_ver = change.numbers.meta_ver;
        item.member_count = change.numbers.member_count;
        let user = row.user;
        let told = UserEvent::ConversationAdded {
            item: Box::new(item),
            reason: why,
            by: command.author.user,
        };
        change.tell_user(told, command.time, vec![user]);
    }
}

/// Flips between queue and pull mode when the number of members passes a threshold. The flip is one event through the
/// queue to all members; it needs no barrier because devices trust only rev.
pub(super) fn flip_mode(change: &mut Change, header: &Header, time: Timestamp) {
    let count = change.numbers.member_count;
    let mode = match change.numbers.mode {
        Mode::Queue if count > header.queue_mode_max && !tenon_base::planted!("flip-not-taken") => {
            Mode::Pull
        }
        Mode::Pull if count <= header.pull_mode_min => Mode::Queue,
        Mode::Queue | Mode::Pull => return,
    };
    tenon_base::sometimes!("mode-flipped");
    change.numbers.mode = mode;
    let body = EventBody::Mode { mode, member_count: count };
    let rev = change.event(header, time, UserId(0), body);
    if tenon_base::planted!("flip-drops-tail") {
        return;
    }
    let item = QueueItem::Ref { conv: header.conv, rev, mode };
    change.tells.push(Tell { item, ts: time, to: Recipients::Members });
}

trait ClonedHeader {
    fn cloned_header(&self) -> Header;
}

impl ClonedHeader for Option<&Conversation> {
    fn cloned_header(&self) -> Header {
        self.map(|c| c.header.clone()).unwrap_or_default()
    }
}
