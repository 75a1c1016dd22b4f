//! Archives made from seeds: what the maker counted is what the reader finds.

use std::collections::BTreeSet;
use std::io::Cursor;

use tenon_import::Limits;
use tenon_import::slack::Archive;

use crate::fixture::{Wire, ids, take};
use crate::generate::{Plan, write_archive};
use crate::replay::Replay;

fn check(plan: Plan) {
    let (bytes, made) = write_archive(&plan, Cursor::new(Vec::new())).expect("in memory");
    let (again, _) = write_archive(&plan, Cursor::new(Vec::new())).expect("in memory");
    assert_eq!(bytes.get_ref(), again.get_ref(), "same seed, same bytes");
    let archive = Archive::read(bytes, Limits::default()).expect("opens");
    let report = archive.dry_run().expect("readable");
    assert_eq!((report.users, report.channels), (made.users, made.channels), "{plan:?}");
    assert_eq!((report.messages, report.replies), (made.messages, made.replies), "{plan:?}");
    assert_eq!((report.joins, report.leaves), (made.joins, made.leaves), "{plan:?}");
    assert_eq!(report.messages, plan.messages);
    assert!(report.is_clean() && report.lost_roots == 0);
    let names: BTreeSet<_> = archive.users().iter().map(|u| &u.name).collect();
    assert_eq!(names.len() as u64, made.users);
    let ids = ids();
    for channel in archive.channels() {
        let (entries, report) = take(&archive, channel);
        let created = archive.entries(channel, &ids, &Wire).expect("readable").first_time();
        let mut replay = Replay::new(created);
        replay.play(&entries);
        assert_eq!((replay.added, replay.refused), (report.entries(), 0));
        let members = channel.members.as_deref().unwrap_or_default();
        let listed: BTreeSet<_> = members.iter().map(|id| ids.user(id)).collect();
        assert_eq!(replay.members(), listed, "{plan:?} {}", channel.slack_id);
        let replies = replay.messages.iter().filter(|m| m.reply_seq.0 > 0).count();
        assert_eq!(replies as u64, report.replies);
    }
}

/// Archives of several sizes and seeds.
#[test]
fn seeds_come_out_as_made() {
    for seed in 0..8 {
        check(Plan { seed, users: 40, channels: 3, messages: 1_500 });
    }
    check(Plan { seed: 1, users: 1, channels: 1, messages: 50 });
    check(Plan { seed: 2, users: 900, channels: 7, messages: 0 });
    check(Plan { seed: 3, users: 2_000, channels: 1, messages: 3_000 });
}
