//! Answers to questions, from the state after everything applied.

use tenon_base::{Rev, UserId};
use tenon_core::conversation::Fate;
use tenon_core::event::{Item, MemberStory};
use tenon_core::handover::{ConversationAnswer, ConversationQuestion, Grant};

use crate::hot_state::Hot;

/// Answers one question about a loaded conversation; chains asked for were loaded before.
pub fn answer(hot: &Hot, question: &ConversationQuestion) -> ConversationAnswer {
    let conversation = &hot.conversation;
    match question {
        ConversationQuestion::Grant { user } => {
            conversation.member(*user).map_or(ConversationAnswer::Absent, |member| {
                let mut header = conversation.header.clone();
                if tenon_base::planted!("grant-lags") {
                    header.rev.0 = header.rev.0.saturating_sub(1).max(1);
                }
                ConversationAnswer::Grant(Box::new(Grant { header, member: member.clone() }))
            })
        }
        ConversationQuestion::Item { user } => item(hot, *user),
        ConversationQuestion::Roster { user, since, after, limit } => {
            if conversation.member(*user).is_none() {
                return ConversationAnswer::Absent;
            }
            roster(hot, *since, *after, *limit)
        }
        ConversationQuestion::Header => {
            ConversationAnswer::Header(Box::new(conversation.header.clone()))
        }
        ConversationQuestion::Stories { after, limit } => stories(hot, *after, *limit),
        ConversationQuestion::Verify { users } => ConversationAnswer::Verified {
            inside: users.iter().copied().filter(|u| conversation.member(*u).is_some()).collect(),
            leave_ver: conversation.header.leave_ver,
        },
        ConversationQuestion::Lookup { user, device, device_epoch, cid } => {
            if !conversation.members.contains_key(user) {
                return ConversationAnswer::Absent;
            }
            let sender = hot.senders.get(&(*device, *device_epoch));
            let fate: Option<Fate> =
                sender.and_then(|s| s.outcomes.iter().find(|o| o.cid == *cid)).map(|o| o.fate);
            let expect = sender.map_or(tenon_base::Cid(1), |s| s.last.next());
            ConversationAnswer::Lookup { fate, expect }
        }
    }
}

fn item(hot: &Hot, user: UserId) -> ConversationAnswer {
    let conversation = &hot.conversation;
    let Some(member) = conversation.member(user) else {
        return ConversationAnswer::Absent;
    };
    let mut item = Item::of(&conversation.header, member);
    if tenon_base::planted!("line-lags") {
        item.tip.rev.0 = item.tip.rev.0.saturating_sub(1).max(1);
    }
    if item.peer.is_some()
        && let Some(peer) = conversation.members.get(&item.peer)
    {
        item.peer_read_seq = peer.read.seq;
    }
    ConversationAnswer::Item(Box::new(item))
}

fn roster(hot: &Hot, since: Rev, after: UserId, limit: usize) -> ConversationAnswer {
    let conversation = &hot.conversation;
    let mut members = Vec::new();
    let mut more = false;
    for (_, member) in
        conversation.members.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
    {
        let wanted = if since == Rev(0) { member.is_in() } else { member.ver > since };
        if !wanted {
            continue;
        }
        if members.len() == limit {
            more = true;
            break;
        }
        members.push(member.line());
    }
    let header = &conversation.header;
    ConversationAnswer::Roster {
        members,
        more,
        roster_ver: header.roster_ver,
        total: header.member_count,
    }
}

fn stories(hot: &Hot, after: UserId, limit: usize) -> ConversationAnswer {
    let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
    let mut rows = hot.conversation.members.range(range);
    let members: Vec<MemberStory> = rows
        .by_ref()
        .take(limit)
        .map(|(_, m)| MemberStory { line: m.line(), intervals: m.intervals.clone() })
        .collect();
    let more = rows.next().is_some();
    ConversationAnswer::Stories { members, more }
}
