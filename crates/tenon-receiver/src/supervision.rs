//! What administrators see and do about groups and devices, limited to their own organisation.
//!
//! Groups are listed from their rows in the store, which hold every conversation from the moment it is made; what a page
//! shows of each comes from its leader. Names and devices come from the directory in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenon_base::{Cid, ConversationId, Deadline, DeviceId, OrgId, UserId};
use tenon_core::accounts::Caller;
use tenon_core::admission::Refusal;
use tenon_core::conversation::Outcome;
use tenon_core::handover::{
    ConversationAnswer, ConversationQuestion, Reply, UserAnswer, UserQuestion,
};
use tenon_core::identity::{
    Actor, AuditAction, DeviceRecord, Directory, IdentityCommand, IdentityOutcome, UserRecord,
};
use tenon_core::supervision::{
    Act, DeviceOf, GroupLine, HotConversation, Look, MemberName, Overview, PAGE_MAX, Page, Seen,
    Supervision, UserLine,
};
use tenon_core::{Action, Author, Header, Kind};
use tenon_store::{StoreError, View, table};

use crate::ask::{reply, value};
use crate::code;
use crate::service::{ReceiverHandle, Shared};

/// Rows read in one step of a scan.
const SCAN_STEP: usize = 1_024;
/// Conversations that one page of groups looks through; then it ends short.
const LOOKED_MAX: usize = 20_000;
/// Former and present members that one page of members looks through.
const STORIES_MAX: usize = 10_000;
/// Members asked for at once.
const STORIES_STEP: usize = 1_000;
/// Conversations counted for the overview; more are told as this many.
const COUNTED_MAX: u64 = 2_000_000;
/// Names that one page of users walks through; then it ends short. A walk holds the directory for a step at a time.
const WALKED_MAX: usize = 100_000;
const WALK_STEP: usize = 1_024;
/// A count is told for at least this long, and for longer the longer it took: counting never takes more than 2 % of the time.
const TALLY_LIFE_MIN: Duration = Duration::from_secs(2);
const TALLY_LIFE_FACTOR: u32 = 50;

/// Accounts, devices and groups, counted now and then.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Option<(Deadline, Counts)>>);

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    users: u64,
    devices: u64,
    groups: u64,
}

impl Supervision for ReceiverHandle {
    fn look(&self, by: Caller, look: Look, reply: Reply<Result<Seen, Refusal>>) {
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 200 });
        self.shared.work(reply, busy, async move { shared.see(&by, look).await });
    }

    fn act(&self, by: Caller, act: Act, reply: Reply<Result<(), Refusal>>) {
        let shared = Arc::clone(&self.shared);
        let busy = |code| Err(Refusal { code, after_ms: 200 });
        self.shared.work(reply, busy, async move { shared.act(&by, act).await });
    }
}

impl Shared {
    async fn act(&self, by: &Caller, act: Act) -> Result<(), Refusal> {
        let org = self.administered(by)?;
        let actor = Actor::User(by.author.user);
        match act {
            Act::AddMember(conv, user) => self.change_member(org, actor, (conv, user), true).await,
            Act::RemoveMember(conv, user) => {
                self.change_member(org, actor, (conv, user), false).await
            }
            Act::RevokeDevice(user, device) => self.revoke(org, actor, (user, device)).await,
        }
    }

    /// The entry first, then the change: nothing happens that nobody could have seen.
    async fn change_member(
        &self,
        org: OrgId,
        actor: Actor,
        (conv, user): (ConversationId, UserId),
        is_in: bool,
    ) -> Result<(), Refusal> {
        let header = self.group_header(org, conv).await?;
        let name = self.identity.read(|d| d.user(org, user).map(|u| u.name.clone()));
        let name = name.ok_or(Refusal::of(code::ABSENT))?;
        let question = ConversationQuestion::Verify { users: vec![user] };
        let ConversationAnswer::Verified { inside, .. } = self.ask(conv, question).await? else {
            return Err(Refusal::of(code::ABSENT));
        };
        if inside.contains(&user) == is_in {
            return Ok(());
        }
        let (kind, action) = if is_in {
            (AuditAction::GroupAdd, Action::AddMembers { users: vec![user] })
        } else {
            (AuditAction::GroupRemove, Action::RemoveMembers { users: vec![user] })
        };
        self.note(actor, (kind, &header.title, &name)).await?;
        // Local administration has the right in every group; who asked for it stands in the audit.
        let author = Author { org, ..Author::default() };
        let (reply, outcome) = reply();
        self.submit(self.command(author, conv, (Cid(0), [0; 16]), action), reply);
        match value(outcome).await? {
            Outcome::Ok(_) | Outcome::Duplicate(_) => Ok(()),
            Outcome::Retry { code, after_ms } => Err(Refusal { code, after_ms }),
            Outcome::Rejected(why) => {
                tracing::info!(conversation = conv.0, %why, "an administrator's change was not taken");
                Err(Refusal::of(code::POLICY))
            }
            _ => Err(Refusal::of(code::ABSENT)),
        }
    }

    async fn revoke(
        &self,
        org: OrgId,
        actor: Actor,
        (user, device): (UserId, DeviceId),
    ) -> Result<(), Refusal> {
        let known = self.identity.read(|directory| {
            let row = directory.device(device).filter(|d| d.org == org && d.user == user)?;
            Some((directory.user(org, user)?.name.clone(), row.label.clone()))
        });
        let (name, label) = known.ok_or(Refusal::of(code::ABSENT))?;
        let remove = IdentityCommand::RemoveDevice { org, user, device };
        let what = (AuditAction::DeviceRevoke, name.as_str(), label.as_str());
        match self.change_as(actor, what, remove).await? {
            IdentityOutcome::Done => {}
            _ => return Err(Refusal::of(code::ABSENT)),
        }
        self.forget_cursor(Author { org, user, device, ..Author::default() }).await;
        Ok(())
    }

    /// The organisation that `by` administers now: a role that was taken meanwhile counts.
    fn administered(&self, by: &Caller) -> Result<OrgId, Refusal> {
        let (org, user) = (by.author.org, by.author.user);
        let is_admin = self
            .identity
            .read(|directory| directory.user(org, user).is_some_and(UserRecord::is_active_admin));
        if is_admin { Ok(org) } else { Err(Refusal::of(code::ROLE_REQUIRED)) }
    }

    async fn see(&self, by: &Caller, look: Look) -> Result<Seen, Refusal> {
        let org = self.administered(by)?;
        match look {
            Look::Overview => self.overview(org).await.map(|o| Seen::Overview(Box::new(o))),
            Look::Users { query, after, limit } => {
                Ok(Seen::Users(self.users(org, &query, after, limit)))
            }
            Look::Groups { query, after, limit } => {
                self.groups(org, &query, after, limit).await.map(Seen::Groups)
            }
            Look::Members { conv, after, limit } => {
                self.members(org, conv, after, limit).await.map(Seen::Members)
            }
            Look::Devices { user } => self.devices_of(org, user).await.map(Seen::Devices),
        }
    }

    pub(crate) async fn overview(&self, org: OrgId) -> Result<Overview, Refusal> {
        let now = self.doors.clock.monotonic();
        let counts = self.counts(org)?;
        let mut hot = Vec::new();
        for (conv, messages_per_min) in self.live.busiest(now) {
            // One that was fed and is not there any more, or is another organisation's, is nobody's business.
            let Some(header) = self.header(org, conv).await? else { continue };
            let (title, kind) = (self.title_of(&header), header.kind);
            hot.push(HotConversation { conv, title, kind, messages_per_min });
        }
        Ok(Overview {
            now: self.live.now(now),
            users: counts.users,
            devices: counts.devices,
            groups: counts.groups,
            hot,
        })
    }

    fn counts(&self, org: OrgId) -> Result<Counts, Refusal> {
        let clock = &self.doors.clock;
        let started = clock.monotonic();
        let held = *self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, counts)) = held
            && started < until
        {
            return Ok(counts);
        }
        let (users, devices) = self.identity.read(|d| (d.user_count(org), d.device_count(org)));
        let view = self.doors.store.view();
        let groups = count_groups(&view, org).map_err(|error| refusal(&error))?;
        let counts = Counts { users: users as u64, devices: devices as u64, groups };
        let ended = clock.monotonic();
        let life = (ended.since(started) * TALLY_LIFE_FACTOR).max(TALLY_LIFE_MIN);
        *self.tally.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((ended.plus(life), counts));
        Ok(counts)
    }

    /// The header from the conversation's leader; `None` if it is not there or not of this organisation.
    async fn header(&self, org: OrgId, conv: ConversationId) -> Result<Option<Header>, Refusal> {
        if org != self.options.org {
            return Ok(None);
        }
        match self.ask(conv, ConversationQuestion::Header).await? {
            ConversationAnswer::Header(header) => Ok(Some(*header)),
            _ => Ok(None),
        }
    }

    /// The header of a group; `absent` for everything else.
    async fn group_header(&self, org: OrgId, conv: ConversationId) -> Result<Header, Refusal> {
        let header = self.header(org, conv).await?;
        header.filter(|h| h.kind == Kind::Group).ok_or(Refusal::of(code::ABSENT))
    }

    fn title_of(&self, header: &Header) -> String {
        match header.kind {
            Kind::Group => header.title.clone(),
            Kind::Direct => self.names_of(header.org, &header.peers).join(", "),
        }
    }

    fn names_of(&self, org: OrgId, users: &[UserId]) -> Vec<String> {
        self.identity.read(|directory| {
            let name = |user: &UserId| directory.user(org, *user).map(|u| u.name.clone());
            users.iter().map(|user| name(user).unwrap_or_else(|| user.to_string())).collect()
        })
    }

    /// Walks the names; a search that meets few stops after [`WALKED_MAX`] of them.
    fn users(&self, org: OrgId, query: &str, after: String, limit: usize) -> Page<UserLine> {
        let (query, limit) = (query.trim().to_lowercase(), limit.clamp(1, PAGE_MAX));
        let (mut after, mut walked, mut rows) = (after, 0, Vec::new());
        loop {
            let room = limit - rows.len();
            let step = self.identity.read(|d| walk(d, org, (&after, &query), room));
            rows.extend(step.rows);
            walked += step.walked;
            after = step.last;
            if step.is_end {
                return Page { rows, next: None };
            }
            if rows.len() == limit || walked >= WALKED_MAX {
                return Page { rows, next: Some(after) };
            }
        }
    }

    async fn groups(
        &self,
        org: OrgId,
        query: &str,
        after: ConversationId,
        limit: usize,
    ) -> Result<Page<GroupLine>, Refusal> {
        let view = self.doors.store.view();
        let limit = limit.clamp(1, PAGE_MAX);
        let found = find_groups(&view, org, &query.to_lowercase(), after, limit);
        let (stored, next) = found.map_err(|error| refusal(&error))?;
        let mut rows = Vec::with_capacity(stored.len());
        for conv in stored {
            let Some(header) = self.header(org, conv).await? else { continue };
            rows.push(GroupLine {
                conv,
                members: header.member_count,
                mode: header.mode,
                created: header.created,
                last: header.last_ts.max(header.created),
                title: header.title,
            });
        }
        Ok(Page { rows, next: next.map(|conv| conv.to_string()) })
    }

    async fn members(
        &self,
        org: OrgId,
        conv: ConversationId,
        after: UserId,
        limit: usize,
    ) -> Result<Page<MemberName>, Refusal> {
        self.group_header(org, conv).await?;
        let limit = limit.clamp(1, PAGE_MAX);
        let (mut after, mut looked) = (after, 0);
        let mut lines = Vec::new();
        let next = loop {
            let question = ConversationQuestion::Stories { after, limit: STORIES_STEP };
            let ConversationAnswer::Stories { members, more } = self.ask(conv, question).await?
            else {
                return Err(Refusal::of(code::ABSENT));
            };
            looked += members.len();
            let room = limit - lines.len();
            let inside: Vec<_> = members.iter().filter(|m| !m.line.gone).take(room + 1).collect();
            lines.extend(inside.iter().take(room).map(|m| (m.line.user, m.line.role)));
            if inside.len() > room {
                break lines.last().map(|(user, _)| *user);
            }
            after = members.last().map_or(after, |m| m.line.user);
            if !more {
                break None;
            }
            if looked >= STORIES_MAX {
                break Some(after);
            }
        };
        let users: Vec<UserId> = lines.iter().map(|(user, _)| *user).collect();
        let names = self.names_of(org, &users);
        let rows = lines
            .into_iter()
            .zip(names)
            .map(|((user, role), name)| MemberName { user, name, role })
            .collect();
        Ok(Page { rows, next: next.map(|user| user.to_string()) })
    }

    async fn devices_of(&self, org: OrgId, user: UserId) -> Result<Vec<DeviceOf>, Refusal> {
        let name = self.identity.read(|d| d.user(org, user).map(|u| u.name.clone()));
        let name = name.ok_or(Refusal::of(code::ABSENT))?;
        let seen = match self.ask_user(user, UserQuestion::Devices).await? {
            UserAnswer::Devices(devices) => devices,
            _ => return Err(Refusal::of(code::NO_LEADER)),
        };
        Ok(self.identity.read(|directory| {
            let line = |row: &DeviceRecord| DeviceOf {
                device: row.device,
                user,
                name: name.clone(),
                label: row.label.clone(),
                kind: row.kind,
                created: row.created,
                is_connected: seen.iter().any(|(device, _, on)| *on && *device == row.device),
            };
            directory.devices_of(org, user).map(line).collect()
        }))
    }
}

/// A stretch of the names.
struct Walk {
    rows: Vec<UserLine>,
    /// The last name looked at.
    last: String,
    walked: usize,
    /// No name is behind it.
    is_end: bool,
}

/// At most [`WALK_STEP`] names, and no further than `room` hits.
fn walk(directory: &Directory, org: OrgId, (after, query): (&str, &str), room: usize) -> Walk {
    let mut walk = Walk { rows: Vec::new(), last: after.to_owned(), walked: 0, is_end: false };
    let mut names = directory.users_after(org, after);
    while walk.walked < WALK_STEP && walk.rows.len() < room {
        let Some(user) = names.next() else {
            walk.is_end = true;
            break;
        };
        walk.walked += 1;
        walk.last.clone_from(&user.name);
        if is_hit(user, query) {
            walk.rows.push(user_line(directory, user));
        }
    }
    // A full page at the very end needs no empty one behind it.
    walk.is_end |= names.next().is_none();
    walk
}

fn is_hit(user: &UserRecord, query: &str) -> bool {
    if query.is_empty() || user.name.to_lowercase().starts_with(query) {
        return true;
    }
    let display = user.display.to_lowercase();
    // A query of several words is compared with the beginning of the whole, one of a single word with each.
    display.starts_with(query) || display.split_whitespace().any(|word| word.starts_with(query))
}

fn user_line(directory: &Directory, user: &UserRecord) -> UserLine {
    UserLine {
        user: user.user,
        name: user.name.clone(),
        display: user.display.clone(),
        role: user.role,
        is_disabled: user.is_disabled,
        is_imported: user.is_imported,
        devices: directory.devices_of(user.org, user.user).count(),
        created: user.created,
    }
}

fn refusal(error: &StoreError) -> Refusal {
    tracing::error!(%error, "a page of supervision met the store's refusal");
    Refusal { code: code::DEGRADED, after_ms: 1_000 }
}

/// Calls `take` with every stored header behind `after`, in id order, until it answers false.
fn each_header(
    view: &View,
    org: OrgId,
    after: ConversationId,
    mut take: impl FnMut(Header) -> bool,
) -> Result<(), StoreError> {
    let prefix = table::header::prefix(org);
    let mut after = match after {
        ConversationId(0) => prefix.clone(),
        conv => table::header::key(org, conv),
    };
    loop {
        let rows = view.state_scan(&prefix, &after, SCAN_STEP)?;
        for (_, value) in &rows {
            if !take(table::header::decode(value)?) {
                return Ok(());
            }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == SCAN_STEP => after = key.clone(),
            _ => return Ok(()),
        }
    }
}

fn count_groups(view: &View, org: OrgId) -> Result<u64, StoreError> {
    let (mut groups, mut looked) = (0, 0);
    each_header(view, org, ConversationId(0), |header| {
        looked += 1;
        groups += u64::from(header.kind == Kind::Group);
        looked < COUNTED_MAX
    })?;
    Ok(groups)
}

/// Groups whose title contains `query` (lower case), and where the next page begins.
fn find_groups(
    view: &View,
    org: OrgId,
    query: &str,
    after: ConversationId,
    limit: usize,
) -> Result<(Vec<ConversationId>, Option<ConversationId>), StoreError> {
    let (mut found, mut looked) = (Vec::new(), 0);
    let (mut last, mut next) = (after, None);
    each_header(view, org, after, |header| {
        let is_hit = header.kind == Kind::Group && header.title.to_lowercase().contains(query);
        if looked == LOOKED_MAX || (is_hit && found.len() == limit) {
            next = Some(last);
            return false;
        }
        looked += 1;
        last = header.conv;
        if is_hit {
            found.push(header.conv);
        }
        true
    })?;
    Ok((found, next))
}
