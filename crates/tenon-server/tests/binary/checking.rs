//! `tenon check`: exit codes and what it prints.

use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, Place, Ran, binary};

const CLEAN: &str = r#"{"tenon_history":1,"expect":["I1"]}
{"at_us":1,"actor":"a","n":1,"op":"open","user":"u","store":"new"}
{"at_us":2,"actor":"a","n":2,"op":"send","kind":"invoke","call":1,"conversation":5,"body":"x"}
{"at_us":3,"actor":"a","n":3,"op":"send","kind":"ok","call":1,"seq":1,"rev":1,"message":9}
{"at_us":4,"actor":"b","n":1,"op":"open","user":"v","store":"new"}
{"at_us":5,"actor":"b","n":2,"op":"deliver","what":"message","conversation":5,"rev":1,"seq":1,"message":9,"body":"x"}
"#;

fn check(place: &Place, text: &str, args: &[&str]) -> Ran {
    let path = place.dir.join("h.jsonl");
    std::fs::write(&path, text).unwrap();
    Ran::of(binary().arg("check").args(args).arg(&path).output().unwrap())
}

#[test]
fn check_says_what_is_broken_by_its_exit_code() {
    let place = Place::new();
    let ran = check(&place, CLEAN, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("I1\tacked-lost\tholds"), "{ran:?}");
    let row = check(&place, CLEAN, &["--json"]).ok().rows().remove(0);
    assert_eq!((&row["acked"], &row["broken"]), (&1.into(), &0.into()));

    let broken = CLEAN.replace(r#""message":9,"body""#, r#""message":8,"body""#);
    let ran = check(&place, &broken, &["--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let finding = &ran.rows()[0]["findings"][0];
    assert_eq!(finding["rule"], "ack-elsewhere");
    let lines = finding["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line.as_str().unwrap().ends_with("h.jsonl:6")), "{finding}");

    check(&place, &CLEAN.replace("\"n\":3", "\"n\":4"), &[]).fails(2, "line 4");
    let ran = check(&place, &CLEAN.replace("I1", "I15"), &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("I15 was expected"), "{ran:?}");
}

/// Commands record into one file; what they saw is judged, and a changed file is found out.
#[test]
fn commands_record_a_history_that_is_clean() {
    let place = Place::new();
    let server = place.serve();
    place.tenon(&["user", "add", "ada", "bob"]).ok();
    place.tenon(&["group", "create", "pair", "--member", "ada", "--member", "bob"]).ok();
    let (ada, bob) = (place.mint("ada", "a"), place.mint("bob", "b"));
    let file = place.dir.join("recorded.jsonl");
    let file = file.to_str().unwrap();
    let folder = place.dir.join("bob");
    let kept = ["--record", file, "--device-dir", folder.to_str().unwrap(), "--count", "3"];
    std::thread::scope(|scope| {
        let tail = scope.spawn(|| server.device("tail", &bob, &kept).ok());
        let begun = Instant::now();
        while !std::fs::read_to_string(file).is_ok_and(|text| text.contains("\"open\"")) {
            assert!(begun.elapsed() < PATIENCE, "the tail does not sign in");
            std::thread::sleep(Duration::from_millis(20));
        }
        for text in ["one", "two", "three"] {
            server.device("send", &ada, &["--group", "pair", "--record", file, text]).ok();
        }
        tail.join().unwrap();
    });
    server.device("history", &ada, &["--group", "pair", "--all", "--record", file]).ok();

    let judge = || Ran::of(binary().args(["check", "--json", file]).output().unwrap());
    let ran = judge();
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = ran.rows().remove(0);
    assert_eq!(
        (&row["acked"], &row["messages"], &row["devices"]),
        (&3.into(), &3.into(), &2.into())
    );
    let decided = |name: &str| {
        let rules = row["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["rule"] == name).unwrap();
        rule["decided"].as_u64().unwrap()
    };
    for rule in ["acked-lost", "ack-elsewhere", "hole-not-shown", "sender-order", "before-sent"] {
        assert!(decided(rule) > 0, "{rule} had nothing to decide: {row}");
    }
    let text = std::fs::read_to_string(file).unwrap();
    for secret in ["one", "three", ada.as_str(), bob.as_str()] {
        assert!(!text.contains(secret), "no text and no credential stands in a history");
    }
    // The page loses its second row.
    let rows = text.find("\"rows\":[[").map(|at| at + "\"rows\":[".len()).unwrap();
    let second = rows + text[rows..].find("],[").unwrap() + 1;
    let third = second + 1 + text[second + 1..].find("],[").unwrap() + 1;
    std::fs::write(file, format!("{}{}", &text[..second], &text[third..])).unwrap();
    let ran = judge();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.rows()[0]["findings"][0]["rule"], "acked-lost");
    assert_eq!(server.stop(), 0);
}

/// What the devices of a measurement sent and were told is a history that holds.
#[test]
fn a_measurement_records_what_its_devices_met() {
    let place = Place::new();
    let file = place.dir.join("measured.jsonl");
    let file = file.to_str().unwrap();
    let folder = place.dir.to_str().unwrap();
    let args =
        ["bench", "direct", "--pairs", "4", "--seconds", "1", "--rates", "200", "--record", file];
    Ran::of(binary().args(args).args(["--folder", folder]).output().unwrap()).ok();
    let ran = Ran::of(binary().args(["check", "--json", file]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = ran.rows().remove(0);
    assert_eq!(row["devices"], 8, "{row}");
    assert!(row["acked"].as_u64().unwrap() > 100, "{row}");
    assert_eq!(row["acked"], row["messages"], "{row}");
    // A delivery that is taken out is missed.
    let text = std::fs::read_to_string(file).unwrap();
    let is_delivery = |line: &&str| line.contains("\"deliver\"") && line.contains("\"actor\":\"to");
    let lines: Vec<&str> = text.lines().filter(is_delivery).collect();
    let lost = lines[lines.len() / 2];
    std::fs::write(file, text.replace(lost, &lost.replace("\"deliver\"", "\"note\""))).unwrap();
    let ran = Ran::of(binary().args(["check", "--json", file]).output().unwrap());
    assert_eq!(ran.code, 1, "{ran:?}");
}
