//! Every subtype, and every kind of nonsense.

use proptest::prelude::*;

use super::*;

fn day(json: &str) -> Day<'_> {
    parse_day(json.as_bytes()).expect("a list")
}

/// The only line of a list with the given fields besides type, ts and user.
fn with_line(fields: &str, look: impl FnOnce(&Line<'_>)) {
    let json = format!(r#"[{{"type":"message","ts":"5.000001","user":"U1"{fields}}}]"#);
    let day = day(&json);
    assert_eq!((day.lines.len(), &day.skipped), (1, &Vec::new()), "{fields}");
    look(&day.lines[0]);
}

/// Each subtype becomes what the table of the format says.
#[test]
fn subtypes() {
    use LineKind::{Join, Leave, Me, Message, Notice};
    let check = |word: &str, kind: LineKind| {
        with_line(&format!(r#","subtype":"{word}","text":"t""#), |line| {
            assert_eq!(line.kind, kind, "{word}");
            assert!(line.changes.is_empty(), "{word}");
        });
    };
    for word in ["bot_message", "file_share", "thread_broadcast", "slackbot_response"] {
        check(word, Message);
    }
    check("me_message", Me);
    check("channel_join", Join);
    check("group_join", Join);
    check("channel_leave", Leave);
    check("group_leave", Leave);
    for word in ["topic", "purpose", "name", "archive", "unarchive", "convert_to_private"] {
        check(&format!("channel_{word}"), Notice);
        check(&format!("group_{word}"), Notice);
    }
    for word in ["tombstone", "pinned_item", "file_comment", "huddle_thread", "bot_add"] {
        check(word, Notice);
    }
    with_line("", |line| assert_eq!((line.kind, &*line.text), (Message, "")));
    with_line(r#","subtype":null,"text":null"#, |line| assert_eq!(line.kind, Message));
    with_line(r#","subtype":"brand_new","text":"t""#, |line| {
        assert_eq!(line.kind, Notice);
        assert_eq!(line.changes, ["subtype brand_new: kept as a notice"]);
    });
}

/// What is left out, and with which words.
#[test]
fn skipped_lines_say_why() {
    let check = |line: &str, reason: &str| {
        let json = format!("[{line}]");
        let day = day(&json);
        assert!(day.lines.is_empty(), "{line}");
        assert_eq!(day.skipped.len(), 1, "{line}");
        assert!(day.skipped[0].reason.starts_with(reason), "{line}: {}", day.skipped[0].reason);
    };
    for word in ["message_changed", "message_deleted", "message_replied", "ekm_access_denied"] {
        check(&format!(r#"{{"ts":"1.0","user":"U1","subtype":"{word}"}}"#), word);
    }
    check(r#"{"ts":"1.0","user":"U1","subtype":"brand_new"}"#, "subtype brand_new: no text");
    check(r#"{"ts":"1.0","user":"U1","type":"reply_deleted"}"#, "type reply_deleted");
    check(r#"{"user":"U1","text":"x"}"#, "no timestamp");
    check(r#"{"ts":"soon","user":"U1"}"#, "no timestamp");
    check(r#"{"ts":"1.0","text":"x"}"#, "nobody said it");
    check(r#"{"ts":"1.0","ts":"2.0","user":"U1"}"#, "unreadable line: no object");
    check(r#"{"ts":"1.0","user":"U1","text":"\ud83d"}"#, "unreadable line: a text");
    check("7", "unreadable line: no object");
    check("null", "unreadable line: no object");
}

/// Fields of a wrong type do not cost the message.
#[test]
fn odd_types_are_tolerated() {
    let fields = r#","text":{"a":[1]},"files":7,"attachments":"x","blocks":null,"edited":"yes","bot_profile":[]"#;
    with_line(fields, |line| {
        assert_eq!((&*line.text, line.edited), ("", Some(Ts(5_000_001))));
        assert_eq!(line.sender_name(), None);
    });
    let day = day(r#"[{"ts":1100521080.0002,"user":"U1","text":5}]"#);
    assert_eq!((day.lines[0].ts.0, &*day.lines[0].text), (1_100_521_080_000_200, "5"));
}

/// Who speaks: the user, else the bot, else the commenter, else the name.
#[test]
fn senders() {
    let check = |fields: &str, sender: &str, name: Option<&str>, is_bot: bool| {
        let json = format!(r#"[{{"ts":"1.0","text":"x",{fields}}}]"#);
        let day = day(&json);
        let line = &day.lines[0];
        assert_eq!(line.sender, sender);
        assert_eq!(line.sender_name().as_deref(), name);
        assert_eq!(line.is_from_bot(), is_bot);
    };
    check(r#""user":"U1","bot_id":"B1""#, "U1", None, false);
    check(
        r#""user":"U1","user_profile":{"display_name":"","real_name":"Ann"}"#,
        "U1",
        Some("Ann"),
        false,
    );
    check(r#""user":null,"bot_id":"B1","username":"ci""#, "B1", Some("ci"), true);
    check(r#""bot_id":"B1","bot_profile":{"name":"deploys"}"#, "B1", Some("deploys"), true);
    check(r#""subtype":"bot_message","username":"ci""#, "username:ci", Some("ci"), true);
    check(r#""subtype":"file_comment","comment":{"user":"U7"}"#, "U7", None, false);
}

/// Roots, replies, and replies that cannot be placed.
#[test]
fn threads() {
    with_line(r#","thread_ts":"5.000001""#, |l| assert_eq!((l.root, l.is_root), (None, true)));
    with_line(r#","thread_ts":"4.0","parent_user_id":"U2""#, |l| {
        assert_eq!((l.root, l.is_root), (Some(Ts(4_000_000)), false));
        assert_eq!(l.root_sender.as_deref(), Some("U2"));
    });
    with_line(r#","thread_ts":"6.0""#, |l| {
        assert_eq!((l.root, l.is_root, l.changes.len()), (None, false, 1));
        assert!(l.changes[0].starts_with("reply older than its root"));
    });
    with_line(r#","thread_ts":"x""#, |l| assert_eq!((l.root, l.changes.len()), (None, 1)));
}

/// Files become a line with name and page, without the key that exports put into download links.
#[test]
fn files_become_lines() {
    let fields = r#","text":"see","files":[
        {"name":"a<b.txt","mimetype":"text/plain","size":12,"permalink":"https://x.slack.com/files/U1/F1/a?t=xoxe-1",
         "url_private_download":"https://files.slack.com/a?t=xoxe-1"},
        {"id":"F2","mode":"tombstone"},{"mode":"hidden_by_limit"},{"title":"T","url_private":"file:///etc"}]"#;
    with_line(fields, |line| {
        let lines: Vec<_> = line.text.lines().collect();
        assert_eq!(
            lines,
            [
                "see",
                "[file: a&lt;b.txt (text/plain, 12 bytes)] https://x.slack.com/files/U1/F1/a",
                "[file deleted]",
                "[file hidden by Slack's plan]",
                "[file: T]",
            ]
        );
        assert_eq!(line.changes, ["file: a line with its name and link instead"]);
    });
    with_line(r#","file":{"name":"old"}"#, |line| assert_eq!(line.text, "[file: old]"));
}

/// Cards become lines, previews of links do not; blocks speak only where there is no text.
#[test]
fn cards_and_blocks_become_lines() {
    let cards = r#","attachments":[{"pretext":"p","title":"T","title_link":"http://t","text":"body","fallback":"f"},
        {"fallback":"only"},{"from_url":"http://t","text":"preview"}]"#;
    with_line(cards, |line| {
        assert_eq!(line.text, "p\nT http://t\nbody\nonly");
        assert_eq!(line.changes, ["card: its texts as lines", "link preview: left out"]);
    });
    let blocks = r#","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":
        [{"type":"text","text":"a <b"},{"type":"text","text":" c"}]}]},{"type":"section","text":{"type":"mrkdwn","text":"d"}}]"#;
    with_line(blocks, |line| assert_eq!(line.text, "a &lt;b c\nd"));
    with_line(&format!(r#"{blocks},"text":"said""#), |line| assert_eq!(line.text, "said"));
    let deep = format!(r#","blocks":{}{}"#, "[".repeat(5_000), "]".repeat(5_000));
    with_line(&deep, |line| assert_eq!(line.text, ""));
}

/// Edits, reactions and pins are seen.
#[test]
fn marks() {
    with_line(
        r#","edited":{"user":"U1","ts":"9.0"},"reactions":[{"name":"x"}],"pinned_to":["C1"]"#,
        |line| {
            assert_eq!(line.edited, Some(Ts(9_000_000)));
            assert_eq!(line.changes, ["reactions: left out", "pin: left out"]);
        },
    );
    with_line(r#","reactions":[],"pinned_to":null"#, |line| {
        assert_eq!((line.edited, line.changes.len()), (None, 0));
    });
}

/// A file that is no list is refused with the place of the fault.
#[test]
fn files_that_are_no_list() {
    let check = |bytes: &[u8], at: usize| {
        let error = parse_day(bytes).expect_err("no list");
        assert!(matches!(error, DayError::BadJson { line, .. } if line == at), "{error}");
    };
    check(b"", 1);
    check(b"{}", 1);
    check(b"[{\"ts\":\"1.0\",\"user\":\"U1\"},\n{\"ts\":", 2);
    check(b"[] []", 1);
    check(b"[\n\n\xff]", 3);
    assert_eq!(day("\u{feff}[]").lines.len(), 0);
    let many = format!("[{}0]", "0,".repeat(10));
    assert_eq!(parse_within(many.as_bytes(), 10).expect_err("11"), DayError::TooMany { max: 10 });
    assert_eq!(parse_within(many.as_bytes(), 11).map(|d| d.skipped.len()), Ok(11));
}

proptest! {
    /// No bytes make the reader panic, and every element of a list is accounted for.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(day) = parse_day(&bytes) {
            prop_assert!(day.lines.len() + day.skipped.len() <= bytes.len());
        }
    }

    /// The same for what looks like an export.
    #[test]
    fn any_likely_text(parts in proptest::collection::vec(prop_oneof![
        Just("["), Just("]"), Just("{"), Just("}"), Just(","), Just(":"), Just("null"), Just("1.5"), Just("\"x\""),
        Just("\"ts\":\"5.0\""), Just("\"user\":\"U1\""), Just("\"text\""), Just("\"files\""), Just("\"thread_ts\""),
        Just("{\"ts\":\"5.0\",\"user\":\"U1\",\"text\":\"<@U1>\"}"), Just("\"subtype\":\"tombstone\""),
    ], 0..40)) {
        let json = format!("[{}]", parts.concat());
        if let Ok(day) = parse_day(json.as_bytes()) {
            prop_assert!(day.lines.iter().all(|l| l.root.is_none_or(|r| r < l.ts)));
        }
    }

    /// A day cut at any byte is refused, unless nothing is missing.
    #[test]
    fn a_cut_day_is_refused(cut in 0_usize..60) {
        let json = br#"[{"ts":"1.0","user":"U1"},{"ts":"2.0","user":"U2"}]"#;
        let cut = cut.min(json.len());
        prop_assert_eq!(parse_day(&json[..cut]).is_ok(), cut == json.len());
    }
}
