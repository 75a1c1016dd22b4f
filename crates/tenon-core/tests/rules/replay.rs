//! Laws over any sequence of commands: a replay gives the same state, a repeat changes nothing, numbers stay dense.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tenon_base::{Timestamp, UserId};
use tenon_core::conversation::decide::Change;
use tenon_core::event::EventBody;
use tenon_core::{Action, Command, Kind, Mode, Role, SendMessage, flag};

use crate::table::{Table, author, command, create, read_mark, text, users};

/// Who does what, when; cids are given while it runs.
type Step = (u64, Action, u64);

fn action() -> impl Strategy<Value = Action> {
    let some = || prop::collection::vec(1..10_u64, 1..5).prop_map(|ids| users(&ids));
    let role = prop::sample::select(vec![Role::Owner, Role::Admin, Role::Member, Role::Guest]);
    prop_oneof![
        6 => (any::<bool>(), some()).prop_map(|(quiet, mentions)| {
            let flags = if quiet { flag::NO_BADGE } else { 0 };
            Action::Send(SendMessage { flags, mentions, ..text("x") })
        }),
        2 => some().prop_map(|users| Action::AddMembers { users }),
        2 => some().prop_map(|users| Action::RemoveMembers { users }),
        1 => Just(Action::Leave),
        2 => (1..10_u64, role).prop_map(|(user, role)| Action::SetRole { user: UserId(user), role }),
        1 => "[a-z]{0,3}".prop_map(|title| Action::Rename { title }),
        2 => (0..20_u64).prop_map(|up_to| read_mark(up_to, up_to)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((1..10_u64, action(), 0..2_000_u64), 1..80)
}

/// The commands as a log would hold them.
fn record(steps: &[Step]) -> Vec<Command> {
    let mut cids: BTreeMap<u64, u64> = BTreeMap::new();
    let mut commands = vec![create(Kind::Group, &[1, 2, 3])];
    for (user, action, time) in steps {
        let chained = !matches!(action, Action::ReadMark { .. });
        let cid = cids.entry(*user).or_default();
        *cid += u64::from(chained);
        let mut recorded = command(author(*user), if chained { *cid } else { 0 }, action.clone());
        recorded.time = Timestamp(1_000_000 + time);
        commands.push(recorded);
    }
    commands
}

/// What must hold after every change.
fn check(before: &Table, table: &Table, change: Option<&Change>) {
    let conversation = table.conversation();
    let header = &conversation.header;
    let current: Vec<UserId> = conversation.current().collect();
    assert_eq!(header.member_count as usize, current.len());
    let owners = || conversation.members.values().filter(|m| m.is_in() && m.role == Role::Owner);
    assert_eq!(
        owners().count(),
        usize::from(!current.is_empty()),
        "one owner while there are members"
    );
    assert!(owners().all(|m| m.user == header.owner));
    let count = header.member_count;
    assert!(header.mode == Mode::Pull || count <= header.queue_mode_max);
    assert!(header.mode == Mode::Queue || count > header.pull_mode_min);
    let Some(change) = change else {
        assert_eq!(before.conversation(), conversation, "an answer changes nothing");
        return;
    };
    let old = &before.conversation().header;
    let revs: Vec<u64> = change.events.iter().map(|e| e.rev.0).collect();
    assert_eq!(revs, (old.rev.0 + 1..=header.rev.0).collect::<Vec<_>>());
    let mut last = (old.seq.0, old.last_ts);
    for event in &change.events {
        if let EventBody::Message(message) = &event.body {
            assert_eq!(message.seq.0, last.0 + 1);
            assert!(last.0 == 0 || message.ts > last.1);
            last = (message.seq.0, message.ts);
        }
    }
    assert_eq!(last.0, header.seq.0);
    for (user, member) in &before.conversation().members {
        assert!(conversation.members[user].read.seq >= member.read.seq, "a read mark fell");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The same commands in the same order give the same state and the same answers.
    #[test]
    fn a_replay_gives_the_same_state(steps in steps()) {
        let commands = record(&steps);
        let (mut first, mut second) = (Table::default(), Table::default());
        let answers: Vec<_> = commands.iter().map(|c| first.apply(c).0).collect();
        let again: Vec<_> = commands.iter().map(|c| second.apply(c).0).collect();
        prop_assert_eq!(first, second);
        prop_assert_eq!(answers, again);
    }

    /// Applying a command twice equals applying it once.
    #[test]
    fn a_repeat_changes_nothing(steps in steps()) {
        let mut table = Table::default();
        for command in record(&steps) {
            table.apply(&command);
            let once = table.clone();
            let (_, change) = table.apply(&command);
            prop_assert_eq!(change, None);
            prop_assert_eq!(&table, &once);
        }
    }

    /// Numbers are dense, the owner is one, the mode fits the number of members, read marks never fall.
    #[test]
    fn invariants_hold_after_every_command(steps in steps()) {
        let mut commands = record(&steps).into_iter();
        let mut table = Table::default();
        table.apply(&commands.next().unwrap());
        for command in commands {
            let before = table.clone();
            let (_, change) = table.apply(&command);
            check(&before, &table, change.as_ref());
        }
    }
}
