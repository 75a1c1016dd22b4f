//! `tenon check`: exit codes and what it prints.

use crate::harness::{Place, Ran, binary};

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
