//! The op chain of a device: repeats, gaps, and what a new device epoch leaves open.

use tenon_base::limits::CHAINS_KEPT;
use tenon_base::{ConversationId, DeviceEpoch, OpSeq, OrgId, Timestamp, UserId};
use tenon_core::handover::UserOutcome;
use tenon_core::user::decide::{UserDecision, decide};
use tenon_core::user::{OpOutcome, User, UserHeader};
use tenon_core::{Author, Rejection, UserAction, UserCommand};

use crate::table::author;

/// One user with one device that was never used.
struct Desk(User);

impl Desk {
    fn new() -> Self {
        let header = UserHeader { org: OrgId(1), user: UserId(1), ..UserHeader::default() };
        let mut desk = Self(User { header, ..User::default() });
        assert_eq!(desk.renew(0), UserOutcome::Ok { id: 1 });
        desk
    }

    fn act(&mut self, command: &UserCommand) -> UserOutcome {
        match decide(&self.0, command) {
            UserDecision::Answer(outcome) => outcome,
            UserDecision::Commit(change) => {
                self.0.commit(&change);
                change.outcome
            }
        }
    }

    fn renew(&mut self, presented: u32) -> UserOutcome {
        let presented = DeviceEpoch(presented);
        self.act(&command((0, 0), UserAction::RenewDeviceEpoch { presented }))
    }

    /// Notes a conversation as op `n` of `epoch`.
    fn make(&mut self, epoch: u32, n: u64) -> UserOutcome {
        self.act(&command((epoch, n), made(n)))
    }

    fn void(&mut self, epoch: u32, n: u64) -> UserOutcome {
        let cancelled = UserAction::Refused(Rejection::Cancelled);
        self.act(&UserCommand { is_void: true, ..command((epoch, n), cancelled) })
    }
}

fn command((epoch, n): (u32, u64), action: UserAction) -> UserCommand {
    UserCommand {
        author: Author { device_epoch: DeviceEpoch(epoch), ..author(1) },
        op_seq: OpSeq(n),
        digest: [n as u8; 16],
        is_void: false,
        time: Timestamp(1_000),
        action,
    }
}

fn made(n: u64) -> UserAction {
    UserAction::MadeConversation { conv: ConversationId(100 + n) }
}

fn again(n: u64, fate: Result<u64, Rejection>) -> UserOutcome {
    UserOutcome::Duplicate(OpOutcome { op_seq: OpSeq(n), digest: [n as u8; 16], fate })
}

const CANCELLED: UserOutcome = UserOutcome::Rejected(Rejection::Cancelled);

/// What was done is told, what was not is closed for ever, and nothing else of a left epoch has effect.
#[test]
fn rows_of_a_left_epoch_are_closed_one_by_one() {
    let mut desk = Desk::new();
    assert_eq!(desk.make(1, 1), UserOutcome::Ok { id: 101 });
    assert_eq!(desk.renew(1), UserOutcome::Ok { id: 2 });
    assert_eq!(desk.make(1, 2), UserOutcome::DeviceEpochStale, "without VOID");
    assert_eq!(desk.void(1, 1), again(1, Ok(101)));
    assert_eq!(desk.void(1, 3), UserOutcome::Gap { expect: OpSeq(2) });
    assert_eq!(desk.void(1, 2), CANCELLED);
    assert_eq!(desk.void(1, 2), again(2, Err(Rejection::Cancelled)), "an answer was lost");
    assert_eq!(desk.make(1, 2), UserOutcome::DeviceEpochStale, "a late copy");
    assert_eq!(desk.make(2, 1), UserOutcome::Ok { id: 101 }, "the new chain starts at 1");
}

/// Several renewals in a row, because answers were lost, forget no open row; more than the bound are told as such.
#[test]
fn as_many_left_chains_are_kept_as_the_bound_says() {
    let mut desk = Desk::new();
    let kept = CHAINS_KEPT as u32;
    for epoch in 1..=kept + 1 {
        assert_eq!(desk.make(epoch, 1), UserOutcome::Ok { id: 101 });
        assert_eq!(desk.renew(epoch), UserOutcome::Ok { id: u64::from(epoch) + 1 });
    }
    assert_eq!(desk.void(1, 1), UserOutcome::DeviceEpochStale, "forgotten");
    for epoch in 2..=kept + 1 {
        assert_eq!(desk.void(epoch, 1), again(1, Ok(101)));
        assert_eq!(desk.void(epoch, 2), CANCELLED);
    }
    assert_eq!(desk.void(kept + 9, 1), UserOutcome::DeviceEpochStale, "never given");
}

/// A conversation that stands cannot be cancelled: the outcome is that it was made.
#[test]
fn work_that_was_done_is_the_outcome_of_its_cancelling() {
    let mut desk = Desk::new();
    assert_eq!(desk.renew(1), UserOutcome::Ok { id: 2 });
    let done = UserCommand { is_void: true, ..command((1, 1), made(1)) };
    assert_eq!(desk.act(&done), UserOutcome::Ok { id: 101 });
    assert_eq!(desk.void(1, 1), again(1, Ok(101)));
}
