//! Ops: changes of conversations and of the caller's own state.

use std::future::Future;
use std::sync::Arc;

use tenon_base::limits::MEMBERS_PER_COMMAND_MAX;
use tenon_base::{Cid, ConversationId, OpSeq, UserId};
use tenon_core::admission::{Op, OpAnswer, Refusal, SubmitOp};
use tenon_core::command::CreateConversation;
use tenon_core::conversation::Outcome;
use tenon_core::handover::{ConversationAnswer, ConversationQuestion, Reply, UserOutcome};
use tenon_core::{Action, Author, Kind, Rejection, UserAction, UserCommand};

use crate::admission::digest_of_op;
use crate::ask::{reply as ask_reply, value};
use crate::code;
use crate::ids;
use crate::service::Shared;
use crate::turns::in_turn;

/// Members of a group when it is made.
const CREATE_MEMBERS_MAX: usize = 500;

/// An op on the conversation chain: appended in the order it came, between the sends around it.
pub(crate) fn conversation(shared: &Shared, submit: SubmitOp, reply: Reply<OpAnswer>) {
    let digest = digest_of_op(submit.type_number, &submit.raw);
    let known = |users: &[UserId]| are_known(shared, submit.author, users);
    let (refused, action) = match submit.op {
        None => (Some(Rejection::BadBody), Action::Leave),
        Some(Op::Rename { title }) => (title_refusal(&title), Action::Rename { title }),
        Some(Op::AddMembers(users)) if users.len() > MEMBERS_PER_COMMAND_MAX => {
            (Some(Rejection::TooMany), Action::Leave)
        }
        Some(Op::AddMembers(users)) => {
            let refused = (!known(&users)).then_some(Rejection::TargetUnknown);
            (refused, Action::AddMembers { users })
        }
        Some(Op::RemoveMembers(users)) => (None, Action::RemoveMembers { users }),
        Some(Op::Leave) => (None, Action::Leave),
        Some(Op::SetRole(user, role)) => (None, Action::SetRole { user, role }),
        Some(
            Op::CreateGroup { .. } | Op::OpenDirect(_) | Op::SetSummary(..) | Op::RemoveDevice(_),
        ) => (Some(Rejection::Policy), Action::Leave),
    };
    let mut command = shared.command(submit.author, submit.conv, (Cid(submit.n), digest), action);
    command.refused = refused;
    command.is_void = submit.is_void;
    shared.submit(command, wrap(reply, OpAnswer::Conversation));
}

fn wrap<T: Send + 'static>(reply: Reply<OpAnswer>, into: fn(T) -> OpAnswer) -> Reply<T> {
    Reply::new(move |outcome| match outcome {
        Some(outcome) => reply.send(into(outcome)),
        None => drop(reply),
    })
}

fn title_refusal(title: &str) -> Option<Rejection> {
    if title.len() > tenon_core::identity::GROUP_NAME_MAX {
        Some(Rejection::TooLarge)
    } else if title.chars().any(char::is_control) {
        Some(Rejection::BadBody)
    } else {
        None
    }
}

fn are_known(shared: &Shared, author: Author, users: &[UserId]) -> bool {
    shared.identity.read(|directory| {
        users.iter().all(|u| directory.user(author.org, *u).is_some_and(|u| !u.is_disabled))
    })
}

/// An op on the user chain.
pub(crate) fn user(shared: &Arc<Shared>, submit: SubmitOp, reply: Reply<OpAnswer>) {
    let chain = Chain {
        author: submit.author,
        op_seq: OpSeq(submit.n),
        digest: digest_of_op(submit.type_number, &submit.raw),
        is_void: submit.is_void,
    };
    let reply = wrap(reply, OpAnswer::User);
    if submit.is_void {
        return void(shared, chain, submit.op.as_ref(), reply);
    }
    match submit.op {
        None => append(shared, chain, UserAction::Refused(Rejection::BadBody), reply),
        Some(Op::SetSummary(conv, patch)) => {
            append(shared, chain, UserAction::SetSummary { conv, patch }, reply);
        }
        Some(Op::CreateGroup { title, members, history_visible }) => {
            create_group(shared, chain, (title, members, history_visible), reply);
        }
        Some(Op::OpenDirect(peer)) => open_direct(shared, chain, peer, reply),
        Some(Op::RemoveDevice(device)) => remove_device(shared, chain, device, reply),
        Some(
            Op::Rename { .. }
            | Op::AddMembers(_)
            | Op::RemoveMembers(_)
            | Op::Leave
            | Op::SetRole(..),
        ) => {
            append(shared, chain, UserAction::Refused(Rejection::Policy), reply);
        }
    }
}

/// Cancels an op, unless its work was done before its answer was lost: a group that stands is the outcome.
fn void(shared: &Arc<Shared>, chain: Chain, op: Option<&Op>, reply: Reply<UserOutcome>) {
    let cancelled = UserAction::Refused(Rejection::Cancelled);
    if !matches!(op, Some(Op::CreateGroup { .. })) {
        return append(shared, chain, cancelled, reply);
    }
    let author = chain.author;
    let conv = ids::group_of_op(author.org, author.device, author.device_epoch, chain.op_seq);
    let room = Arc::clone(shared);
    work(shared, chain, reply, async move {
        match room.ask(conv, ConversationQuestion::Header).await {
            Ok(ConversationAnswer::Header(_)) => Ok(UserAction::MadeConversation { conv }),
            Ok(_) => Ok(cancelled),
            Err(Refusal { code, after_ms }) => Err(UserOutcome::Retry { code, after_ms }),
        }
    });
}

#[derive(Clone, Copy)]
struct Chain {
    author: Author,
    op_seq: OpSeq,
    digest: [u8; 16],
    is_void: bool,
}

impl Chain {
    fn with(self, shared: &Shared, action: UserAction) -> UserCommand {
        UserCommand {
            author: self.author,
            op_seq: self.op_seq,
            digest: self.digest,
            is_void: self.is_void,
            time: shared.doors.clock.now(),
            action,
        }
    }
}

fn create_group(
    shared: &Arc<Shared>,
    chain: Chain,
    (title, members, history_visible): (String, Vec<UserId>, bool),
    reply: Reply<UserOutcome>,
) {
    let author = chain.author;
    let refused = if members.len() > CREATE_MEMBERS_MAX {
        Some(Rejection::TooMany)
    } else if let Some(refusal) = title_refusal(&title) {
        Some(refusal)
    } else {
        (!are_known(shared, author, &members)).then_some(Rejection::TargetUnknown)
    };
    if let Some(refused) = refused {
        return append(shared, chain, UserAction::Refused(refused), reply);
    }
    let conv = ids::group_of_op(author.org, author.device, author.device_epoch, chain.op_seq);
    let mut members = members;
    members.push(author.user);
    members.sort_unstable();
    members.dedup();
    let create = CreateConversation {
        kind: Kind::Group,
        title,
        owner: author.user,
        members,
        history_visible,
        queue_mode_max: shared.options.queue_mode_max,
        pull_mode_min: shared.options.pull_mode_min,
    };
    make(shared, chain, conv, create, reply);
}

fn open_direct(shared: &Arc<Shared>, chain: Chain, peer: UserId, reply: Reply<UserOutcome>) {
    let author = chain.author;
    if peer == author.user || !are_known(shared, author, &[peer]) {
        return append(shared, chain, UserAction::Refused(Rejection::TargetUnknown), reply);
    }
    let conv = ids::direct(author.org, author.user, peer);
    let create = direct_of(shared, author.user, peer);
    make(shared, chain, conv, create, reply);
}

pub(crate) fn direct_of(shared: &Shared, a: UserId, b: UserId) -> CreateConversation {
    CreateConversation {
        kind: Kind::Direct,
        title: String::new(),
        owner: UserId(0),
        members: vec![a.min(b), a.max(b)],
        history_visible: true,
        queue_mode_max: shared.options.queue_mode_max,
        pull_mode_min: shared.options.pull_mode_min,
    }
}

/// Appends an op that needs no work: at once, or in its turn if one before it is still on its way.
fn append(shared: &Arc<Shared>, chain: Chain, action: UserAction, reply: Reply<UserOutcome>) {
    if !shared.turns.is_busy(chain.author.device) {
        return shared.submit_user(chain.with(shared, action), reply);
    }
    work(shared, chain, reply, std::future::ready(Ok(action)));
}

/// What became of the first steps of an op: what to append, or that nothing was done.
type Worked = Result<UserAction, UserOutcome>;

/// Works on a reader and appends in the order in which the device's ops came.
fn work(
    shared: &Arc<Shared>,
    chain: Chain,
    reply: Reply<UserOutcome>,
    steps: impl Future<Output = Worked> + Send + 'static,
) {
    let (before, turn) = shared.turns.take(chain.author.device);
    let room = Arc::clone(shared);
    let busy = |code| UserOutcome::Retry { code, after_ms: 200 };
    shared.work(reply, busy, async move {
        let last = |worked| {
            let handed = match worked {
                Ok(action) => {
                    let (reply, outcome) = ask_reply();
                    room.submit_user(chain.with(&room, action), reply);
                    Ok(outcome)
                }
                Err(outcome) => Err(outcome),
            };
            async move {
                let stopped = UserOutcome::Retry { code: code::NO_LEADER, after_ms: 500 };
                match handed {
                    Ok(outcome) => value(outcome).await.unwrap_or(stopped),
                    Err(outcome) => outcome,
                }
            }
        };
        in_turn(before, turn, steps, last).await
    });
}

/// Makes the conversation first and notes it on the chain afterwards: a crash between repeats the first, which is idempotent.
fn make(
    shared: &Arc<Shared>,
    chain: Chain,
    conv: ConversationId,
    create: CreateConversation,
    reply: Reply<UserOutcome>,
) {
    let command = shared.command(chain.author, conv, (Cid(0), [0; 16]), Action::Create(create));
    let (made, outcome) = ask_reply();
    shared.submit(command, made);
    work(shared, chain, reply, async move {
        match value(outcome).await {
            Ok(Outcome::Ok(_)) => Ok(UserAction::MadeConversation { conv }),
            Ok(Outcome::Rejected(why)) => Ok(UserAction::Refused(why)),
            Ok(Outcome::Retry { code, after_ms }) => Err(UserOutcome::Retry { code, after_ms }),
            Ok(_) | Err(_) => Err(UserOutcome::Retry { code: code::NO_LEADER, after_ms: 500 }),
        }
    });
}

fn remove_device(
    shared: &Arc<Shared>,
    chain: Chain,
    device: tenon_base::DeviceId,
    reply: Reply<UserOutcome>,
) {
    let room = Arc::clone(shared);
    work(shared, chain, reply, async move {
        let mine = room.identity.read(|d| {
            d.devices_of(chain.author.org, chain.author.user)
                .map(|d| d.device)
                .filter(|d| (*d == device) || (device.0 == 0 && *d != chain.author.device))
                .collect::<Vec<_>>()
        });
        if mine.is_empty() && device.is_some() {
            return Ok(UserAction::Refused(Rejection::TargetUnknown));
        }
        for device in mine {
            if let Err(refusal) = room.remove_device(chain.author, device).await {
                let Refusal { code, after_ms } = refusal;
                return Err(UserOutcome::Retry { code, after_ms });
            }
        }
        Ok(UserAction::MadeConversation { conv: ConversationId(0) })
    });
}
