//! What each kind of line becomes, and what the report says of it.

use tenon_base::Timestamp;
use tenon_core::ImportItem;
use tenon_import::slack::ChannelKind;
use tenon_wire::Bounded as _;
use tenon_wire::v1::Content;

use crate::fixture::{channel, first, ids, open, take, told};

const DAY: &str = "general/2020-01-01.json";

/// Every subtype in one day, in order, with the counts of the report.
#[test]
fn a_day_of_everything() {
    let day = r#"[
        {"type":"message","subtype":"channel_join","user":"U1","ts":"10.0","text":"<@U1> has joined the channel"},
        {"type":"message","user":"U1","ts":"11.0","text":"hello &lt;all&gt; <@U2> in <#C1>"},
        {"type":"message","subtype":"me_message","user":"U1","ts":"12.0","text":"waves"},
        {"type":"message","subtype":"bot_message","bot_id":"B3","ts":"13.0","text":"from a bot with a user"},
        {"type":"message","subtype":"bot_message","bot_id":"B9","username":"hook","ts":"14.0","text":"from a hook"},
        {"type":"message","subtype":"bot_message","username":"ci","ts":"15.0","text":"from a name"},
        {"type":"message","subtype":"channel_topic","user":"U1","ts":"16.0","text":"<@U1> set the topic: tea","topic":"tea"},
        {"type":"message","subtype":"channel_purpose","user":"U1","ts":"17.0","text":"set the purpose"},
        {"type":"message","subtype":"channel_name","user":"U1","ts":"18.0","text":"renamed"},
        {"type":"message","subtype":"file_share","user":"U1","ts":"19.0","text":"","files":[{"name":"a.png"}]},
        {"type":"message","user":"U1","ts":"20.0","thread_ts":"20.0","reply_count":2,"text":"root"},
        {"type":"message","user":"U2","ts":"21.0","thread_ts":"20.0","parent_user_id":"U1","text":"reply"},
        {"type":"message","subtype":"thread_broadcast","user":"U2","ts":"22.0","thread_ts":"20.0","text":"to all"},
        {"type":"message","user":"U1","ts":"23.0","text":"new text","edited":{"user":"U1","ts":"29.5"}},
        {"type":"message","subtype":"tombstone","user":"USLACKBOT","ts":"24.0","text":"This message was deleted."},
        {"type":"message","subtype":"message_changed","user":"U1","ts":"25.0"},
        {"type":"message","subtype":"brand_new","user":"U1","ts":"26.0","text":"who knows"},
        {"type":"message","subtype":"brand_new","user":"U1","ts":"27.0"},
        {"type":"message","ts":"28.0","text":"nobody"},
        {"type":"message","subtype":"channel_leave","user":"U2","ts":"29.0"},
        {"type":"message","subtype":"channel_archive","user":"U1","ts":"30.0","text":"archived"}
    ]"#;
    let archive = channel("", &[(DAY, day)]);
    let (entries, report) = first(&archive);
    assert_eq!(
        told(&entries),
        [
            "U1 +",
            "U1 hello <all> @bob in #general",
            "U1 waves",
            "U3 from a bot with a user",
            "B9 from a hook",
            "username:ci from a name",
            "U1 [@Ann A set the topic: tea]",
            "U1 [set the purpose]",
            "U1 [renamed]",
            "U1 [file: a.png]",
            "U1 root",
            "U2 reply",
            "U2 to all",
            "U1 new text",
            "USLACKBOT [This message was deleted.]",
            "U1 [who knows]",
            "U2 -",
            "U1 [archived]",
        ]
    );
    assert_eq!((report.messages, report.notices, report.joins, report.leaves), (10, 6, 1, 1));
    assert_eq!((report.replies, report.edited, report.entries()), (2, 1, 18));
    let skipped: Vec<_> = report.skipped.iter().map(|(r, n)| (r.as_str(), *n)).collect();
    assert_eq!(
        skipped,
        [
            ("message_changed: the message has its last text", 1),
            ("nobody said it: no user, bot_id or username", 1),
            ("subtype brand_new: no text", 1),
        ]
    );
    let changed: Vec<_> = report.changed.iter().map(|(r, n)| (r.as_str(), *n)).collect();
    assert_eq!(
        changed,
        [
            ("file: a line with its name and link instead", 1),
            ("subtype brand_new: kept as a notice", 1),
        ]
    );
}

/// The report leads to the line.
#[test]
fn examples_name_file_and_time() {
    let day = r#"[{"subtype":"brand_new","user":"U1","ts":"27.0"}]"#;
    let (_, report) = first(&channel("", &[(DAY, day)]));
    let example = &report.examples["subtype brand_new: no text"][0];
    assert_eq!((example.file.as_str(), example.ts.as_str()), (DAY, "27.0"));
    assert!(example.what.contains("brand_new"));
}

/// Times, keys, roots and edits stand where the rules look for them.
#[test]
fn entries_carry_time_key_and_root() {
    let day = r#"[{"user":"U1","ts":"1100000000.123456","text":"root"},
        {"user":"U2","ts":"1100000001.000000","thread_ts":"1100000000.123456","text":"reply","edited":{"ts":"1100000009.5"}}]"#;
    let archive = channel("", &[(DAY, day)]);
    let (entries, _) = first(&archive);
    assert_eq!(entries[0].time, Timestamp(1_100_000_000_123));
    let ImportItem::Message { root, message_id, edited, .. } = &entries[1].item else {
        panic!("a message");
    };
    assert_eq!(*root, Some(entries[0].key));
    assert_eq!(*edited, Timestamp(1_100_000_009_500));
    assert_eq!(*message_id, ids().message(&entries[1].key));
    let (again, _) = first(&archive);
    assert_eq!(entries, again, "two runs give one plan");
}

/// Mentions lead to users, also to those whom only their lines name.
#[test]
fn mentions_lead_to_users() {
    let day = r#"[{"user":"U8","ts":"1.0","text":"<@U1> <@U8> <@U7> <!here>","user_profile":{"display_name":"Guest"}}]"#;
    let archive = channel("", &[(DAY, day)]);
    let (entries, _) = first(&archive);
    let ImportItem::Message { body, .. } = &entries[0].item else { panic!("a message") };
    let content = Content::decode_bounded(body.clone()).expect("decodes");
    assert_eq!(told(&entries), ["U8 @Ann A @Guest @U7 @here"]);
    let spans: Vec<_> = content.spans.iter().map(|s| (s.user, s.start, s.len)).collect();
    let (ann, guest) = (ids().user("U1").0, ids().user("U8").0);
    assert_eq!(spans, [(ann, 0, 6), (guest, 7, 6), (0, 18, 5)]);
}

/// A text above the bound of a body becomes several messages with keys of their own, all in the thread.
#[test]
fn a_long_text_becomes_several_messages() {
    let text = "word ".repeat(10_000);
    let day = format!(
        r#"[{{"user":"U1","ts":"1.0","text":"root"}},{{"user":"U1","ts":"2.0","thread_ts":"1.0","text":"{text}"}}]"#
    );
    let archive = channel("", &[(DAY, day.as_str())]);
    let (entries, report) = first(&archive);
    assert_eq!((entries.len(), report.messages), (3, 2));
    let joined: String = entries[1..].iter().map(crate::fixture::words).collect();
    assert_eq!(joined, text);
    assert_ne!(entries[1].key, entries[2].key);
    let in_thread = |e: &&tenon_core::ImportEntry| matches!(&e.item, ImportItem::Message { root, .. } if *root == Some(entries[0].key));
    assert_eq!(entries[1..].iter().filter(in_thread).count(), 2);
    assert_eq!(report.changed["long text: several messages"], 1);
}

/// Direct conversations are found by their id, have no title and no joins; group ones by their name.
#[test]
fn conversations_of_every_kind() {
    let line = r#"[{"user":"U1","ts":"5.0","text":"x"}]"#;
    let archive = open(&[
        ("users.json", crate::fixture::USERS),
        (
            "channels.json",
            r#"[{"id":"C1","name":"open","members":["U1"]},{"id":"C1","name":"twice"},{"name":"no id"},7]"#,
        ),
        (
            "groups.json",
            r#"[{"id":"G1","name":"closed","members":["U2","U1"],"creator":"U2","is_archived":true}]"#,
        ),
        (
            "mpims.json",
            r#"[{"id":"G2","name":"mpdm-ann--bob-1","members":["U1","U2"],"creator":"U9"}]"#,
        ),
        ("dms.json", r#"[{"id":"D1","members":["U1","U2"]}]"#),
        ("open/2020-01-01.json", line),
        ("D1/2020-01-01.json", line),
        ("mpdm-ann--bob-1/2020-01-01.json", line),
        ("lost/2020-01-01.json", line),
        ("lost/canvas.json", "{}"),
        ("integration_logs.json", "[]"),
        ("__uploads/F1/a.png", "png"),
    ]);
    let kinds: Vec<_> = archive
        .channels()
        .iter()
        .map(|c| (c.slack_id.as_str(), c.kind, c.title.as_str(), c.days(), c.owner()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("C1", ChannelKind::Public, "open", 1, Some("U1")),
            ("G1", ChannelKind::Private, "closed", 0, Some("U2")),
            ("G2", ChannelKind::GroupDirect, "mpdm-ann--bob-1", 1, Some("U1")),
            ("D1", ChannelKind::Direct, "", 1, None),
            ("lost", ChannelKind::Private, "lost", 1, None),
        ]
    );
    let (entries, report) = take(&archive, &archive.channels()[3]);
    assert_eq!((told(&entries), report.opening_joins), (vec!["U1 x".to_owned()], 0));
    let skipped: Vec<_> = archive.report().skipped.keys().map(String::as_str).collect();
    assert_eq!(
        skipped,
        [
            "conversation listed twice",
            "conversation without id",
            "file integration_logs.json",
            "file that is no day",
            "unreadable conversation",
            "uploaded file",
        ]
    );
    assert_eq!(archive.report().changed.len(), 1);
}

/// Two conversations never have one title, so that a server that knows groups by name keeps them apart.
#[test]
fn titles_are_unique() {
    let archive = open(&[
        (
            "channels.json",
            r#"[{"id":"C1","name":"ops"},{"id":"C2","name":"Ops "},{"id":"C3","name":"\u0007"}]"#,
        ),
        ("groups.json", r#"[{"id":"G1","name":"ops"},{"id":"G2","name":"ops (G1)"},{"id":"G3"}]"#),
        ("ops/2020-01-01.json", "[]"),
    ]);
    let titles: Vec<_> = archive.channels().iter().map(|c| c.title.as_str()).collect();
    assert_eq!(titles, ["ops", "Ops (C2)", "C3", "ops (G1)", "ops (G1) (G2)", "G3"]);
    assert_eq!(archive.channels()[0].days(), 1);
}

/// Without any list the folders alone make the conversations, and everybody is a stranger.
#[test]
fn lists_may_be_missing() {
    let day = r#"[{"user":"U1","ts":"5.0","text":"hi <@U2>","user_profile":{"real_name":"Ann A","name":"ann"}},
        {"user":"U2","ts":"6.0","text":"ho"}]"#;
    let archive = open(&[("general/2020-01-01.json", day)]);
    assert!(archive.users().is_empty());
    let strangers = archive.unlisted_users().expect("readable");
    let named: Vec<_> = strangers
        .iter()
        .map(|u| (u.slack_id.as_str(), u.name.as_str(), u.display_name.as_str(), u.is_listed))
        .collect();
    assert_eq!(named, [("U1", "ann-a", "Ann A", false), ("U2", "u2", "U2", false)]);
    let (entries, _) = first(&archive);
    assert_eq!(told(&entries), ["U1 hi @U2", "U2 ho"]);
    let report = archive.dry_run().expect("readable");
    assert_eq!((report.unlisted_users, report.messages, report.channels), (2, 2, 1));
}

/// Users as the list has them.
#[test]
fn users_as_listed() {
    let archive = channel("", &[]);
    let users = archive.users();
    let ann = &users[0];
    assert_eq!((ann.slack_id.as_str(), ann.name.as_str()), ("U1", "ann"));
    assert_eq!(
        (ann.display_name.as_str(), ann.email.as_deref()),
        ("Ann A", Some("ann@example.org"))
    );
    assert_eq!(
        users.iter().map(|u| (u.is_deleted, u.is_bot)).collect::<Vec<_>>(),
        [(false, false), (true, false), (false, true)]
    );
    let (entries, report) = first(&archive);
    assert!(entries.is_empty() && report.is_clean());
}
