//! Who is in at the end, and what is added to get there.

use std::collections::BTreeSet;

use tenon_base::Timestamp;

use crate::fixture::{channel, first, ids, told};
use crate::replay::Replay;

const DAY: &str = "general/2020-01-01.json";
const LINES: &str = r#"[
    {"user":"U1","ts":"10.0","subtype":"channel_join"},
    {"user":"U2","ts":"11.0","text":"was always here"},
    {"user":"U2","ts":"12.0","subtype":"channel_leave"},
    {"user":"U1","ts":"13.0","subtype":"channel_join"},
    {"user":"U3","ts":"14.0","text":"and gone"}
]"#;

/// Plays the channel; the members at the end must be `expect`.
fn check(members: &str, lines: &[&str], expect: &[&str]) {
    let archive = channel(members, &[(DAY, LINES)]);
    let (entries, report) = first(&archive);
    assert_eq!(told(&entries), lines);
    assert_eq!(report.entries(), entries.len() as u64);
    let mut replay = Replay::new(Timestamp(1000));
    replay.play(&entries);
    let expect: BTreeSet<_> = expect.iter().map(|id| ids().user(id)).collect();
    assert_eq!(replay.members(), expect, "{members}");
    assert_eq!(replay.conversation.header.member_count as usize, expect.len());
    assert_eq!((replay.added, replay.refused), (entries.len() as u64, 0));
    replay.play(&entries);
    assert_eq!((replay.added, replay.known), (entries.len() as u64, entries.len() as u64));
    assert_eq!(replay.members(), expect, "played twice");
}

const TALK: [&str; 5] = ["U1 +", "U2 was always here", "U2 -", "U1 +", "U3 and gone"];

/// Without a list of members the events alone decide.
#[test]
fn without_a_list_the_events_decide() {
    check("", &TALK, &["U1", "U3"]);
    check(r#","members":[],"is_archived":true"#, &TALK, &["U1", "U3"]);
}

/// A list that the events explain adds nothing.
#[test]
fn an_explained_list_adds_nothing() {
    check(r#","members":["U3","U1"]"#, &TALK, &["U1", "U3"]);
}

/// Members without event come in first; who left comes back last; who is missing goes last.
#[test]
fn differences_are_closed() {
    let [a, b, c, d, e] = TALK;
    check(
        r#","members":["U2","U1","U5"]"#,
        &["U5 +", a, b, c, d, e, "U2 +", "U3 -"],
        &["U1", "U2", "U5"],
    );
    check(r#","members":[]"#, &[a, b, c, d, e, "U1 -", "U3 -"], &[]);
}

/// A bot is the user that the list gives it, also as a member.
#[test]
fn bots_are_members_by_their_user() {
    let archive = channel(
        r#","members":["U3"]"#,
        &[(DAY, r#"[{"bot_id":"B3","subtype":"bot_message","ts":"5.0","text":"x"}]"#)],
    );
    let (entries, report) = first(&archive);
    assert_eq!((told(&entries), report.closing_joins), (vec!["U3 x".to_owned()], 0));
}

/// Times of what is added: the making of the channel for those who were there, the last line for the rest.
#[test]
fn added_events_stand_at_the_ends() {
    let archive = channel(r#","members":["U5"]"#, &[(DAY, LINES)]);
    let (entries, report) = first(&archive);
    assert_eq!((report.opening_joins, report.closing_joins, report.closing_leaves), (1, 0, 2));
    let times: Vec<_> = entries.iter().map(|e| e.time.0).collect();
    assert_eq!(times, [1000, 10_000, 11_000, 12_000, 13_000, 14_000, 14_000, 14_000]);
}

/// A later export of the same workspace adds what is new and nothing twice.
#[test]
fn a_later_export_adds_what_is_new() {
    let early = channel(r#","members":["U2","U5"]"#, &[(DAY, LINES)]);
    let more = r#"[{"user":"U3","ts":"20.0","text":"back"},{"user":"U2","ts":"21.0","subtype":"channel_leave"}]"#;
    let days = [(DAY, LINES), ("general/2020-01-02.json", more)];
    let late = channel(r#","members":["U3","U5","U2"]"#, &days);
    let mut replay = Replay::new(Timestamp(1000));
    replay.play(&first(&early).0);
    let before = replay.added;
    replay.play(&first(&late).0);
    // Two new lines, and U2 in again after his new leave; U1's leave at the end is known from the first run.
    assert_eq!((replay.added - before, replay.refused), (3, 0));
    let expect: BTreeSet<_> = ["U2", "U3", "U5"].map(|id| ids().user(id)).into();
    assert_eq!(replay.members(), expect);
}
