//! Commands to a user's own partition: the op chain, device epochs, list lines.

use std::sync::Arc;

use tenon_base::limits::OUTCOMES_KEPT;
use tenon_base::{DeviceEpoch, DeviceId};

use super::{DeviceState, ListLine, OpOutcome, QueueItem, Summary, User};
use crate::command::{SummaryPatch, UserAction, UserCommand};
use crate::event::UserEvent;
use crate::handover::UserOutcome;
use crate::rejection::Rejection;

/// The pure answer to a user command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserDecision {
    /// Nothing changes.
    Answer(UserOutcome),
    /// The change to commit.
    Commit(Box<UserChange>),
}

/// What a user command changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserChange {
    /// The answer.
    pub outcome: UserOutcome,
    /// The device row after the change.
    pub device: Option<DeviceState>,
    /// The device to forget.
    pub forgotten: Option<DeviceId>,
    /// The list line after the change.
    pub line: Option<ListLine>,
    /// What the user's own devices hear.
    pub tell: Option<QueueItem>,
}

/// Decides a user command.
pub fn decide(user: &User, command: &UserCommand) -> UserDecision {
    let device = user.devices.get(&command.author.device);
    match &command.action {
        UserAction::RenewDeviceEpoch { presented } => renew(user, command, *presented),
        UserAction::ForgetDevice { device } => forget(user, *device),
        UserAction::MadeConversation { .. }
        | UserAction::SetSummary { .. }
        | UserAction::Refused(_) => match judge_chain(device, command) {
            Err(outcome) => UserDecision::Answer(outcome),
            Ok(device) => settle(user, device.clone(), command),
        },
    }
}

/// A new device epoch lies above the stored and the presented one; cids and ops restart at 1 in it, and the chain before is
/// kept until its open rows are closed. The connection counter
/// and the acked position restart too: the device may have lost its store, and with it both.
fn renew(user: &User, command: &UserCommand, presented: DeviceEpoch) -> UserDecision {
    let id = command.author.device;
    let stored = user.devices.get(&id);
    let before = stored.map_or(DeviceEpoch(0), |d| d.device_epoch);
    let is_kept = tenon_base::planted!("device-epoch-kept") && before.0 > 0;
    let epoch = if is_kept { before } else { DeviceEpoch(before.0.max(presented.0)).next() };
    let device = DeviceState {
        device: id,
        device_epoch: epoch,
        seen: command.time,
        left: stored.cloned().map(DeviceState::chains_left).unwrap_or_default(),
        ..DeviceState::default()
    };
    UserDecision::Commit(Box::new(UserChange {
        outcome: UserOutcome::Ok { id: u64::from(epoch.0) },
        device: Some(device),
        forgotten: None,
        line: None,
        tell: None,
    }))
}

fn forget(user: &User, device: DeviceId) -> UserDecision {
    if !user.devices.contains_key(&device) {
        return UserDecision::Answer(UserOutcome::Ok { id: 0 });
    }
    UserDecision::Commit(Box::new(UserChange {
        outcome: UserOutcome::Ok { id: 0 },
        device: None,
        forgotten: Some(device),
        line: None,
        tell: None,
    }))
}

fn judge_chain<'a>(
    device: Option<&'a DeviceState>,
    command: &UserCommand,
) -> Result<&'a DeviceState, UserOutcome> {
    let Some(device) = device else {
        return Err(UserOutcome::DeviceEpochStale);
    };
    let epoch = command.author.device_epoch;
    if epoch != device.device_epoch && !command.is_void {
        return Err(UserOutcome::DeviceEpochStale);
    }
    let Some((last, outcomes)) = device.chain(epoch) else {
        return Err(UserOutcome::DeviceEpochStale);
    };
    let expect = last.next();
    if command.op_seq > expect {
        return Err(UserOutcome::Gap { expect });
    }
    if command.op_seq < expect {
        let known = outcomes.iter().find(|o| o.op_seq == command.op_seq);
        return Err(match known {
            Some(outcome) if outcome.digest == command.digest => UserOutcome::Duplicate(*outcome),
            _ => UserOutcome::Reused,
        });
    }
    Ok(device)
}

fn settle(user: &User, mut device: DeviceState, command: &UserCommand) -> UserDecision {
    let mut change = UserChange {
        outcome: UserOutcome::Ok { id: 0 },
        device: None,
        forgotten: None,
        line: None,
        tell: None,
    };
    // What a lost answer hides is done already, and can not be taken back.
    let is_done = matches!(command.action, UserAction::MadeConversation { .. });
    let fate = if command.is_void && !is_done {
        Err(Rejection::Cancelled)
    } else {
        act(user, command, &mut change)
    };
    change.outcome = match fate {
        Ok(id) => UserOutcome::Ok { id },
        Err(rejection) => UserOutcome::Rejected(rejection),
    };
    if let Some((last, outcomes)) = device.chain_mut(command.author.device_epoch) {
        *last = command.op_seq;
        if outcomes.len() >= OUTCOMES_KEPT {
            outcomes.pop_front();
        }
        outcomes.push_back(OpOutcome { op_seq: command.op_seq, digest: command.digest, fate });
    }
    change.device = Some(device);
    UserDecision::Commit(Box::new(change))
}

fn act(user: &User, command: &UserCommand, change: &mut UserChange) -> Result<u64, Rejection> {
    match &command.action {
        UserAction::MadeConversation { conv } => Ok(conv.0),
        UserAction::Refused(rejection) => Err(*rejection),
        UserAction::SetSummary { conv, patch } => {
            let line = user.lines.get(conv).filter(|l| l.is_in).ok_or(Rejection::Absent)?;
            let summary = patch.applied_to(&line.summary, user.header.summary_ver + 1);
            let told = if tenon_base::planted!("pin-told-as-before") {
                Summary { ver: summary.ver, ..line.summary.clone() }
            } else {
                summary.clone()
            };
            let told = QueueItem::Inline(Arc::new(UserEvent::SummaryChanged { summary: told }));
            change.tell = Some(told).filter(|_| !tenon_base::planted!("pin-not-queued"));
            change.line = Some(ListLine { summary, ..line.clone() });
            Ok(0)
        }
        UserAction::RenewDeviceEpoch { .. } | UserAction::ForgetDevice { .. } => Ok(0),
    }
}

impl SummaryPatch {
    fn applied_to(&self, before: &Summary, ver: u64) -> Summary {
        Summary {
            conv: before.conv,
            ver,
            pinned: self.pinned.unwrap_or(before.pinned),
            notify: self.notify.unwrap_or(before.notify),
            hidden: self.hidden.unwrap_or(before.hidden),
            marked_unread: self.marked_unread.unwrap_or(before.marked_unread),
            draft: self.draft.clone().unwrap_or_else(|| before.draft.clone()),
        }
    }
}

impl User {
    /// Folds a change in; the caller puts `tell` into the queue.
    pub fn commit(&mut self, change: &UserChange) {
        if let Some(device) = &change.device {
            self.devices.insert(device.device, device.clone());
        }
        if let Some(device) = &change.forgotten
            && !tenon_base::planted!("forget-device-ignored")
        {
            self.devices.remove(device);
        }
        if let Some(line) = &change.line {
            self.header.summary_ver = self.header.summary_ver.max(line.summary.ver);
            self.lines.insert(line.summary.conv, line.clone());
        }
    }
}
