//! Answer -> body of `ReadResponse`.

use bytes::Bytes;
use tenon_core::admission::{Answer, DeviceLine, HistoryPage, ListItem, RosterPage, UserProfile};
use tenon_core::conversation::Fate;
use tenon_core::event::Tip;
use tenon_core::user::OpOutcome;
use tenon_wire::v1::{Collection, EntityKind, Status};
use tenon_wire::{ErrorCode, encode, method, v1};

use super::send::code_of;
use super::{Reader, diff, event, item, message, tip};

/// The encoded answer to a request of this method.
///
/// # Errors
/// `absent` where the one thing asked for does not exist; `degraded` if the answer is not of the question.
pub(crate) fn body(asked: u32, answer: &Answer, reader: Reader) -> Result<Bytes, ErrorCode> {
    let body = match answer {
        Answer::Diffs(diffs) if asked == method::GET_CONV_DIFF => {
            let first = diffs.first().ok_or(ErrorCode::Degraded)?;
            encode(&diff::answer(first, reader).ok_or(ErrorCode::Absent)?)
        }
        Answer::Diffs(diffs) => {
            // An answer without `what` keeps the order: that conversation is absent.
            let answers = diffs.iter().map(|d| diff::answer(d, reader).unwrap_or_default());
            encode(&v1::ConvDiffAnswers { answers: answers.collect() })
        }
        Answer::List(page) => encode(&item::page(page, reader)),
        Answer::Items { items, tips, absent } => encode(&conv_items(items, tips, absent, reader)),
        Answer::History(page) | Answer::Messages(page) => encode(&history(page, reader)),
        Answer::Seq(seq) => encode(&v1::SeqAnswer { seq: seq.0 }),
        Answer::Digest { as_of, sums } => {
            let digests = sums.iter().map(|((lo, hi), sum)| v1::RangeDigest {
                lo: lo.0,
                hi: hi.0,
                count: sum.count,
                sum_a: sum.sum_a,
                sum_b: sum.sum_b,
            });
            encode(&v1::DigestAnswer { as_of_rev: as_of.0, digests: digests.collect() })
        }
        Answer::ListDigest { digest, count, tips } => encode(&v1::ListDigest {
            digest: *digest,
            count: *count,
            tips: tips.iter().map(tip).collect(),
        }),
        Answer::ConversationLookup { fate, expect } => encode(&conversation_fate(*fate, expect.0)),
        Answer::UserLookup { outcome, expect } => encode(&user_fate(*outcome, expect.0)),
        Answer::Roster(page) => encode(&roster(page, reader)),
        Answer::Users(users) => {
            let entities = users.iter().map(|profile| entity(profile, reader)).collect();
            encode(&v1::Entities { entities })
        }
        Answer::Devices(devices) => encode(&devices_page(devices)),
        Answer::Resolved { users, groups } => encode(&v1::ResolvedNames {
            users: users.iter().map(|(name, id)| named(name, id.0)).collect(),
            groups: groups.iter().map(|(name, id)| named(name, id.0)).collect(),
        }),
    };
    Ok(body)
}

fn conv_items(
    items: &[ListItem],
    tips: &[Tip],
    absent: &[tenon_base::ConversationId],
    reader: Reader,
) -> v1::ConvItems {
    v1::ConvItems {
        items: items.iter().map(|line| item::list_item(line, reader)).collect(),
        tips: tips.iter().map(tip).collect(),
        absent: absent.iter().map(|conv| conv.0).collect(),
    }
}

/// A page of history. An empty coverage travels as `lo` above `hi`.
fn history(page: &HistoryPage, reader: Reader) -> v1::HistoryPage {
    v1::HistoryPage {
        conv: page.conv.0,
        conv_epoch: page.conv_epoch.0,
        lo_seq: page.lo.0,
        hi_seq: page.hi.0,
        as_of_rev: page.as_of.0,
        normal: page.rows.iter().map(|row| message::row(row, reader)).collect(),
        floor: page.is_floor,
        stable: page.is_stable,
        ..v1::HistoryPage::default()
    }
}

fn conversation_fate(fate: Option<Fate>, expect: u64) -> v1::SendOutcome {
    let undecided = v1::SendOutcome { expect, ..v1::SendOutcome::default() };
    match fate {
        None => undecided,
        Some(Fate::Accepted(at)) => v1::SendOutcome {
            status: Status::Ok.into(),
            seq: at.seq.0,
            rev: at.rev.0,
            message_id: at.message_id.0,
            ..undecided
        },
        Some(Fate::Rejected(rejection)) => v1::SendOutcome {
            status: Status::Rejected.into(),
            code: code_of(rejection),
            ..undecided
        },
    }
}

fn user_fate(outcome: Option<OpOutcome>, expect: u64) -> v1::SendOutcome {
    let undecided = v1::SendOutcome { expect, ..v1::SendOutcome::default() };
    match outcome.map(|o| o.fate) {
        None => undecided,
        Some(Ok(_)) => v1::SendOutcome { status: Status::Ok.into(), ..undecided },
        Some(Err(rejection)) => v1::SendOutcome {
            status: Status::Rejected.into(),
            code: code_of(rejection),
            ..undecided
        },
    }
}

fn roster(page: &RosterPage, reader: Reader) -> v1::RosterPage {
    let next = page.next.map(|user| Bytes::copy_from_slice(&user.0.to_be_bytes()));
    v1::RosterPage {
        from_ver: page.since.0,
        to_ver: page.ver.0,
        full: page.since.0 == 0,
        members: page.members.iter().map(|line| event::member(line, reader)).collect(),
        next: next.unwrap_or_default(),
        total: page.total,
        entities: Vec::new(),
    }
}

/// A user as an entity: `name` is the one to show, `fields` is empty, `title` the login name.
pub(crate) fn entity(profile: &UserProfile, reader: Reader) -> v1::Entity {
    v1::Entity {
        kind: EntityKind::User.into(),
        id: profile.user.0,
        ver: profile.ver,
        org: reader.org.0,
        name: profile.display.clone(),
        title: profile.name.clone(),
        gone: profile.gone,
        ..v1::Entity::default()
    }
}

/// All own devices; the collection has no deltas in this version.
fn devices_page(devices: &[DeviceLine]) -> v1::CollectionPage {
    let item = |line: &DeviceLine| v1::CollectionItem {
        id: line.device.0,
        body: encode(&v1::DeviceInfo {
            device: line.device.0,
            kind: line.kind,
            name: line.label.clone(),
            last_seen_ms: line.seen.0,
            online: line.is_online,
        }),
        ..v1::CollectionItem::default()
    };
    v1::CollectionPage {
        collection: Collection::Devices.into(),
        full: true,
        items: devices.iter().map(item).collect(),
        ..v1::CollectionPage::default()
    }
}

fn named(name: &str, id: u64) -> v1::NamedId {
    v1::NamedId { name: name.to_owned(), id }
}
