//! Original order, whatever the order of files and lines.

use proptest::prelude::*;
use tenon_base::{Seq, Timestamp};

use crate::fixture::{channel, first, told};
use crate::replay::Replay;

/// Lines out of order in a file, and days that overlap.
#[test]
fn lines_come_by_time_across_files() {
    let days = [
        ("general/2020-01-03.json", r#"[{"user":"U1","ts":"3.0","text":"c"}]"#),
        (
            "general/2020-01-01.json",
            r#"[{"user":"U1","ts":"5.0","text":"e"},{"user":"U1","ts":"1.0","text":"a"}]"#,
        ),
        (
            "general/2020-01-02.json",
            r#"[{"user":"U1","ts":"2.0","text":"b"},{"user":"U1","ts":"4.0","text":"d"}]"#,
        ),
        ("general/2020-01-04.json", "[]"),
    ];
    let (entries, _) = first(&channel("", &days));
    assert_eq!(told(&entries), ["U1 a", "U1 b", "U1 c", "U1 d", "U1 e"]);
}

/// One timestamp twice: the same line once, other lines in file order with keys of their own.
#[test]
fn one_timestamp_twice() {
    let days = [
        (
            "general/2020-01-01.json",
            r#"[{"user":"U1","ts":"1.0","text":"a"},{"user":"U1","ts":"1.0","text":"b"},
            {"user":"U1","ts":"1.0","text":"a"},{"user":"U1","ts":"1.0","subtype":"channel_join"}]"#,
        ),
        (
            "general/2020-01-02.json",
            r#"[{"user":"U1","ts":"1.0","text":"a"},{"user":"U2","ts":"1.0","text":"a"}]"#,
        ),
    ];
    let (entries, report) = first(&channel("", &days));
    assert_eq!(told(&entries), ["U1 a", "U1 b", "U1 +", "U2 a"]);
    assert_eq!(report.skipped["the same line twice"], 2);
    let mut keys: Vec<_> = entries.iter().map(|e| e.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

/// A reply that stands before its root in the file is put behind it; one that claims to be older is no reply.
#[test]
fn replies_come_after_their_root() {
    let day = r#"[{"user":"U2","ts":"2.0","thread_ts":"1.0","text":"reply"},{"user":"U1","ts":"1.0","text":"root"},
        {"user":"U2","ts":"3.0","thread_ts":"4.0","text":"too early"},{"user":"U1","ts":"4.0","text":"late root"}]"#;
    let (entries, report) = first(&channel("", &[("general/2020-01-01.json", day)]));
    assert_eq!(told(&entries), ["U1 root", "U2 reply", "U2 too early", "U1 late root"]);
    assert_eq!(report.replies, 1);
    let mut replay = Replay::new(Timestamp(1));
    replay.play(&entries);
    let roots: Vec<_> = replay.messages.iter().map(|m| m.reply_seq).collect();
    assert_eq!(roots, [Seq(0), Seq(1), Seq(0), Seq(0)]);
}

/// A root that the archive lost is put in, at its time, once for all its replies; its author is who replies say he is.
#[test]
fn a_lost_root_is_put_in() {
    let day = r#"[{"user":"U1","ts":"1.0","text":"before"},{"user":"U1","ts":"3.0","text":"between"},
        {"user":"U2","ts":"4.0","thread_ts":"2.0","text":"one"},
        {"user":"U1","ts":"5.0","thread_ts":"2.0","parent_user_id":"U9","text":"two"},
        {"user":"U2","ts":"6.0","thread_ts":"0.5","text":"three"}]"#;
    let (entries, report) = first(&channel("", &[("general/2020-01-01.json", day)]));
    let lost = "[The first message of this thread is not in the archive.]";
    assert_eq!(
        told(&entries),
        [
            format!("U2 {lost}"),
            "U1 before".to_owned(),
            format!("U9 {lost}"),
            "U1 between".to_owned(),
            "U2 one".to_owned(),
            "U1 two".to_owned(),
            "U2 three".to_owned(),
        ]
    );
    assert_eq!((report.lost_roots, report.replies), (2, 3));
    assert_eq!(entries[0].time, Timestamp(500));
    let mut replay = Replay::new(Timestamp(1));
    replay.play(&entries);
    let roots: Vec<_> = replay.messages.iter().map(|m| m.reply_seq.0).collect();
    assert_eq!(roots, [0, 0, 0, 0, 3, 3, 1]);
}

/// A root may be a line that was skipped; then it is lost, too. Of the answers to a join the first is the root.
#[test]
fn a_skipped_root_is_lost() {
    let day = r#"[{"ts":"1.0","text":"nobody"},{"user":"U1","ts":"2.0","thread_ts":"1.0","text":"a"},
        {"user":"U1","ts":"3.0","subtype":"channel_join"},{"user":"U1","ts":"4.0","thread_ts":"3.0","text":"b"},
        {"user":"U2","ts":"5.0","thread_ts":"3.0","text":"c"}]"#;
    let (entries, report) = first(&channel("", &[("general/2020-01-01.json", day)]));
    assert_eq!((report.lost_roots, report.replies, entries.len()), (1, 3, 5));
    let mut replay = Replay::new(Timestamp(1));
    replay.play(&entries);
    let roots: Vec<_> = replay.messages.iter().map(|m| m.reply_seq.0).collect();
    assert_eq!(roots, [0, 1, 0, 3]);
    assert_eq!(report.changed.values().sum::<u64>(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However lines are dealt to days, they come by time, ties in file order; a second run adds nothing, and a run
    /// that broke off anywhere ends as one run does.
    #[test]
    fn any_dealing_keeps_the_order(
        lines in proptest::collection::vec((1_u64..40, 0_usize..6, 0_u8..5), 0..60),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut days = vec![Vec::new(); 6];
        let mut expect = Vec::new();
        for (number, (ts, day, kind)) in lines.iter().enumerate() {
            let more = match kind {
                0 => r#","subtype":"channel_join""#.to_owned(),
                1 => r#","subtype":"channel_leave""#.to_owned(),
                2 => format!(r#","thread_ts":"{}.0""#, ts.saturating_sub(3).max(1)),
                _ => String::new(),
            };
            // The number in the user keeps joins apart: the same line twice is one line.
            days[*day].push(format!(r#"{{"user":"UX{number}","ts":"{ts}.0","text":"{number}"{more}}}"#));
            expect.push((*ts, *day, days[*day].len(), number));
        }
        let files: Vec<_> = (0..6).map(|d| format!("general/2020-01-0{}.json", d + 1)).collect();
        let days: Vec<_> = days.iter().map(|d| format!("[{}]", d.join(","))).collect();
        let both: Vec<_> = files.iter().zip(&days).map(|(f, d)| (f.as_str(), d.as_str())).collect();
        let archive = channel("", &both);
        let (entries, report) = first(&archive);
        expect.sort_unstable();
        let lost = usize::try_from(report.lost_roots).unwrap_or(usize::MAX);
        prop_assert_eq!(entries.len(), expect.len() + lost);
        let who: Vec<_> = entries.iter().filter(|e| !crate::fixture::words(e).starts_with('[')).map(|e| e.user).collect();
        let ids = crate::fixture::ids();
        let in_order: Vec<_> = expect.iter().map(|e| ids.user(&format!("UX{}", e.3))).collect();
        prop_assert_eq!(who, in_order);
        prop_assert!(entries.is_sorted_by_key(|e| e.time));

        let mut whole = Replay::new(Timestamp(1));
        whole.play(&entries);
        prop_assert_eq!((whole.added, whole.known, whole.refused), (entries.len() as u64, 0, 0));
        let mut broken = Replay::new(Timestamp(1));
        broken.play(&entries[..cut.index(entries.len() + 1)]);
        broken.play(&entries);
        prop_assert_eq!(&broken.messages, &whole.messages);
        prop_assert_eq!(broken.members(), whole.members());
        prop_assert_eq!(broken.refused, 0);
    }
}
