//! The shared sample archive, if it is there: exact counts, and the conversation that comes out.
//!
//! Data: irc-disentanglement corpus (Kummerfeld et al., ACL 2019) from the Ubuntu IRC logs, CC BY 4.0.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tenon_core::Mode;
use tenon_import::slack::Archive;

use crate::fixture::{ids, take};
use crate::replay::Replay;

/// The archive, beside the repository.
fn sample() -> Option<Archive> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = "shared/data/ubuntu-irc-2004-2009.slack-export.zip";
    let places = [root.join("..").join(file), root.join("../..").join(file)];
    let found = places.iter().find(|path| path.exists());
    if found.is_none() {
        println!("skipped: no ../{file} beside the repository");
    }
    found.map(|path| Archive::open(path).expect("the sample opens"))
}

/// The dry run counts what the sample's readme says.
#[test]
fn the_sample_has_its_counts() {
    let Some(archive) = sample() else { return };
    let report = archive.dry_run().expect("readable");
    assert_eq!((report.users, report.unlisted_users, report.channels), (15_480, 0, 1));
    assert_eq!((report.messages, report.joins, report.leaves), (117_800, 16_956, 2_697));
    assert_eq!((report.replies, report.notices, report.lost_roots), (33_314, 0, 0));
    // 29 answers to five joins and leaves.
    let why = "answer to a join or leave: the first is the root of the others";
    assert_eq!((report.skipped.len(), report.changed.len(), report.changed[why]), (0, 1, 5));
    assert_eq!((report.opening_joins, report.closing_joins, report.closing_leaves), (0, 1_844, 0));
}

/// Every name at sign-in is another.
#[test]
fn the_sample_has_unique_names() {
    let Some(archive) = sample() else { return };
    let names: BTreeSet<_> = archive.users().iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names.len(), 15_480);
    assert!(names.iter().all(|n| !n.is_empty() && n.len() <= 97));
}

/// Played into the rules: dense seqs, replies under their roots, members as listed, a second run adds nothing.
#[test]
fn the_sample_becomes_a_conversation() {
    let Some(archive) = sample() else { return };
    let channel = &archive.channels()[0];
    let (entries, report) = take(&archive, channel);
    let ids = ids();
    let mut replay = Replay::new(
        archive.entries(channel, &ids, &crate::fixture::Wire).expect("readable").first_time(),
    );
    replay.play(&entries);
    assert_eq!((replay.added, replay.known, replay.refused), (report.entries(), 0, 0));
    assert_eq!(replay.messages.len(), 117_800);
    assert!(replay.messages.iter().map(|m| m.seq.0).eq(1..=117_800));
    let replies: Vec<_> = replay.messages.iter().filter(|m| m.reply_seq.0 > 0).collect();
    assert_eq!(replies.len(), 33_314 - 5);
    assert!(replies.iter().all(|m| m.reply_seq < m.seq));
    let roots: BTreeSet<_> = replies.iter().map(|m| m.reply_seq).collect();
    // 3,927 in the archive; one of the five joins and leaves had a single answer, which is no root then.
    assert_eq!(roots.len(), 3_926);
    assert!(replay.messages.is_sorted_by_key(|m| m.ts));
    let members = channel.members.as_deref().expect("a list");
    let listed: BTreeSet<_> = members.iter().map(|id| ids.user(id)).collect();
    assert_eq!(listed.len(), 15_480);
    assert_eq!(replay.members(), listed);
    assert_eq!(replay.conversation.header.member_count, 15_480);
    assert_eq!(replay.conversation.header.mode, Mode::Pull);
    replay.play(&entries);
    assert_eq!((replay.added, replay.known), (report.entries(), report.entries()));
}
