//! What an operator's files and the administrative socket may hold by mistake or malice: thousands of damaged configurations
//! and lines, from one seed. Nothing panics, and what is refused is refused with a reason.

use std::collections::BTreeMap;

use tenon_base::{Random as _, SeededRandom};

use crate::admin::Request;
use crate::config::{KEYS, Values};

/// Inputs of each kind.
const ROUNDS: usize = 4_000;

/// A damaged copy of one of the texts.
fn damaged(random: &SeededRandom, texts: &[String], words: &[&str]) -> String {
    let below = |n: usize| usize::try_from(random.next_u64() % (n.max(1) as u64)).unwrap_or(0);
    let mut bytes = texts[below(texts.len())].clone().into_bytes();
    for _ in 0..=random.next_u64().trailing_ones() {
        let at = below(bytes.len() + 1);
        let to = (at + below(24)).min(bytes.len());
        match below(6) {
            0 => drop(bytes.drain(at..to)),
            1 => drop(bytes.splice(at..at, words[below(words.len())].bytes())),
            2 => drop(bytes.splice(at..to, words[below(words.len())].bytes())),
            3 => bytes.extend_from_within(at..to),
            4 => bytes.truncate(at),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << below(8);
                }
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A configuration of every key with its default, and one of each section alone.
fn configurations() -> Vec<String> {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for key in KEYS {
        let (section, name) = key.name.split_once('.').unwrap_or(("", key.name));
        let line = format!("{name} = {:?}\n", key.default);
        sections.entry(section).or_default().push_str(&line);
    }
    let texts: Vec<String> = sections
        .iter()
        .map(|(name, lines)| match *name {
            "" => lines.clone(),
            name => format!("[{name}]\n{lines}"),
        })
        .collect();
    std::iter::once(texts.concat()).chain(texts.clone()).collect()
}

#[test]
fn a_damaged_configuration_is_refused_with_a_reason() {
    let words = [
        "=",
        "[",
        "]",
        "\"",
        "\n",
        ".",
        "0",
        "-1",
        "18446744073709551615",
        "1e999",
        "true",
        "[[log]]",
        "GiB",
        "/s",
        "0.0.0.0:1",
        "[::]:0",
        "\u{0}",
        "\u{202e}",
        "{}",
        "[store]",
        "1979-05-27",
        "s",
        "trace = \"[\"",
    ];
    let (random, texts) = (SeededRandom::new(41), configurations());
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let text = damaged(&random, &texts, &words);
        match Values::of_text(&text)
            .and_then(|values| values.config().map(|config| (values, config)))
        {
            Ok((values, config)) => {
                taken += 1;
                assert!(config.log_segment.0 >= 1 << 16, "{text}");
                assert_eq!(values.each().count(), KEYS.len(), "{text}");
            }
            Err(mistakes) => {
                refused += 1;
                assert!(!mistakes.is_empty(), "{text}");
                assert!(mistakes.iter().all(|m| !m.key.is_empty() && !m.what.is_empty()), "{text}");
            }
        }
    }
    assert!(taken > ROUNDS / 50 && refused > ROUNDS / 4, "{taken} taken, {refused} refused");
}

#[test]
fn a_damaged_line_is_refused_or_says_what_it_says() {
    let lines = [
        r#"{"call":"user_add","names":["ada","bob"],"display":null}"#,
        r#"{"call":"user_list"}"#,
        r#"{"call":"user_disable","names":["bob"],"disabled":true}"#,
        r#"{"call":"user_password","name":"ada","password":"correct horse"}"#,
        r#"{"call":"token_mint","name":"ada","label":"desk"}"#,
        r#"{"call":"group_create","name":"pair","members":["ada"]}"#,
        r#"{"call":"group_members","group":"pair"}"#,
        r#"{"call":"import_slack","path":"/nowhere.zip"}"#,
    ]
    .map(str::to_owned);
    let words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u0000",
        "\\ud800",
        "null",
        "true",
        "1e999",
        "\"call\":\"flush\",",
        "\"call\":\"verify\"",
        "[[[[[[[[",
        "\"\":",
        "\u{0}",
        "\\",
    ];
    let random = SeededRandom::new(43);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let line = damaged(&random, &lines, &words);
        match serde_json::from_str::<Request>(&line) {
            Ok(request) => {
                taken += 1;
                let written = serde_json::to_string(&request).unwrap_or_default();
                let again = serde_json::from_str::<Request>(&written).ok();
                let again = again.and_then(|request| serde_json::to_string(&request).ok());
                assert_eq!(again.as_ref(), Some(&written), "{line}");
                assert!(!format!("{request:?}").contains("correct horse"), "no secret in a log");
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty(), "{line}");
            }
        }
    }
    assert!(taken > ROUNDS / 50 && refused > ROUNDS / 4, "{taken} taken, {refused} refused");
}
