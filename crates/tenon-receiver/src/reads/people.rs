//! Members, profiles, devices, names.

use tenon_base::limits::ROSTER_PAGE_MAX;
use tenon_base::{ConversationId, Rev, UserId};
use tenon_core::Author;
use tenon_core::admission::{Answer, DeviceLine, Refusal, RosterPage, UserProfile};
use tenon_core::handover::{ConversationAnswer, ConversationQuestion, UserAnswer, UserQuestion};

use crate::code;
use crate::service::Shared;

/// Profiles of one request.
const USERS_MAX: usize = 200;
/// Names of one request, of each kind.
const NAMES_MAX: usize = 50;
/// Hits of a search in a roster.
const HITS_MAX: usize = 100;
/// Members looked at in one step of a search.
const SEARCH_STEP: usize = 4_096;

pub(super) async fn roster(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
    (since, after, limit): (Rev, UserId, usize),
) -> Result<RosterPage, Refusal> {
    let limit = if limit == 0 { ROSTER_PAGE_MAX } else { limit.min(ROSTER_PAGE_MAX) };
    let user = author.user;
    let question = ConversationQuestion::Roster { user, since, after, limit };
    match shared.ask(conv, question).await? {
        ConversationAnswer::Roster { members, more, roster_ver, total } => Ok(RosterPage {
            since,
            ver: roster_ver,
            next: members.last().filter(|_| more).map(|m| m.user),
            members,
            total,
        }),
        _ => Err(Refusal::of(code::ABSENT)),
    }
}

/// By the beginning of the login or display name. The directory is in memory, so this walks the roster.
pub(super) async fn search(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
    prefix: &str,
    limit: usize,
) -> Result<RosterPage, Refusal> {
    let limit = limit.clamp(1, HITS_MAX);
    let prefix = prefix.to_lowercase();
    let mut hits = RosterPage::default();
    let mut after = UserId(0);
    loop {
        let user = author.user;
        let question =
            ConversationQuestion::Roster { user, since: Rev(0), after, limit: SEARCH_STEP };
        let ConversationAnswer::Roster { members, more, roster_ver, total } =
            shared.ask(conv, question).await?
        else {
            return Err(Refusal::of(code::ABSENT));
        };
        (hits.ver, hits.total) = (roster_ver, total);
        after = members.last().map_or(after, |m| m.user);
        shared.identity.read(|directory| {
            for member in members {
                let is_hit = directory.user(author.org, member.user).is_some_and(|u| {
                    u.name.to_lowercase().starts_with(&prefix)
                        || u.display.to_lowercase().starts_with(&prefix)
                });
                if is_hit && hits.members.len() < limit {
                    hits.members.push(member);
                }
            }
        });
        if !more || hits.members.len() == limit {
            return Ok(hits);
        }
    }
}

/// Accounts of the caller's organisation; those whose held version is the current one are left out.
pub(super) fn users(shared: &Shared, author: Author, wanted: &[(UserId, u64)]) -> Answer {
    let profiles = shared.identity.read(|directory| {
        wanted
            .iter()
            .take(USERS_MAX)
            .filter_map(|(user, held)| {
                let row = directory.user(author.org, *user)?;
                // Version 0 is what a device holds that knows nothing.
                let ver = row.ver + 1;
                (ver != *held).then(|| UserProfile {
                    user: row.user,
                    ver,
                    name: row.name.clone(),
                    display: row.display.clone(),
                    gone: row.is_disabled,
                })
            })
            .collect()
    });
    Answer::Users(profiles)
}

pub(super) async fn devices(shared: &Shared, author: Author) -> Result<Answer, Refusal> {
    let seen = match shared.ask_user(author.user, UserQuestion::Devices).await? {
        UserAnswer::Devices(devices) => devices,
        _ => return Err(Refusal::of(code::NO_LEADER)),
    };
    let lines = shared.identity.read(|directory| {
        directory
            .devices_of(author.org, author.user)
            .map(|row| {
                let live = seen.iter().find(|(device, ..)| *device == row.device);
                DeviceLine {
                    device: row.device,
                    kind: row.kind,
                    label: row.label.clone(),
                    seen: live.map_or(row.created, |(_, seen, _)| *seen),
                    is_online: live.is_some_and(|(.., online)| *online),
                }
            })
            .collect()
    });
    Ok(Answer::Devices(lines))
}

pub(super) async fn resolve(
    shared: &Shared,
    author: Author,
    users: Vec<String>,
    groups: Vec<String>,
) -> Result<Answer, Refusal> {
    if users.len() > NAMES_MAX || groups.len() > NAMES_MAX {
        return Err(Refusal::of(code::TOO_MANY));
    }
    let (users, named) = shared.identity.read(|directory| {
        let users = users
            .into_iter()
            .map(|name| {
                let id = directory.user_named(author.org, &name).map_or(UserId(0), |u| u.user);
                (name, id)
            })
            .collect();
        let named: Vec<_> = groups
            .into_iter()
            .map(|name| {
                let conv = directory.group_named(author.org, &name);
                (name, conv)
            })
            .collect();
        (users, named)
    });
    let mut groups = Vec::with_capacity(named.len());
    for (name, conv) in named {
        // A group is visible to its members; others learn no more than that the name is not theirs.
        let visible = match conv {
            Some(conv) => shared.item(author.user, conv).await?.map(|_| conv),
            None => None,
        };
        groups.push((name, visible.unwrap_or_default()));
    }
    Ok(Answer::Resolved { users, groups })
}
