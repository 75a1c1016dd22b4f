//! Every rule: a history that keeps it, and one that breaks it and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenon_check::{Checker, Options, Report, Rule};

/// Lines of actors, one millisecond apart; `n` is counted here.
#[derive(Clone)]
struct History {
    header: Value,
    lines: Vec<Value>,
    last: BTreeMap<String, u64>,
    at_us: u64,
}

impl History {
    /// Two devices of user u, one of user v; one group with both.
    fn new() -> Self {
        let header = json!({"tenon_history": 1, "unique_bodies": true, "all_senders": true, "send_ms": 1000});
        let mut history =
            Self { header, lines: Vec::new(), last: BTreeMap::new(), at_us: 1_000_000 };
        for (actor, user) in [("a", "u"), ("b", "u"), ("c", "v")] {
            history.say(actor, json!({"op": "open", "user": user, "store": "new"}));
        }
        for user in ["u", "v"] {
            history.say(
                "admin",
                json!({"op": "member", "conversation": "g", "user": user, "change": "add"}),
            );
        }
        history
    }

    fn say(&mut self, actor: &str, mut line: Value) -> &mut Self {
        let n = self.last.entry(actor.to_owned()).or_default();
        *n = if line["op"] == "open" { 1 } else { *n + 1 };
        self.at_us += 1000;
        let fields = line.as_object_mut().unwrap();
        fields.entry("at_us").or_insert(self.at_us.into());
        fields.insert("actor".into(), actor.into());
        fields.insert("n".into(), (*n).into());
        self.lines.push(line);
        self
    }

    fn begin(&mut self, actor: &str, call: u64, body: &str) -> &mut Self {
        self.say(actor, json!({"op": "send", "kind": "invoke", "call": call, "conversation": "g", "body": body}))
    }

    fn ok(&mut self, actor: &str, call: u64, seq: u64) -> &mut Self {
        self.say(actor, json!({"op": "send", "kind": "ok", "call": call, "seq": seq, "rev": seq, "message": seq + 100}))
    }

    /// The message at `seq`, with rev = seq, as `user` sent it.
    fn told(&mut self, actor: &str, seq: u64, user: &str, body: &str) -> &mut Self {
        self.say(actor, told(seq, user, body))
    }

    fn everybody(&mut self, seq: u64, user: &str, body: &str) -> &mut Self {
        self.told("a", seq, user, body).told("b", seq, user, body).told("c", seq, user, body)
    }

    fn rest(&mut self) -> &mut Self {
        for actor in ["a", "b", "c"] {
            self.say(actor, json!({"op": "rest"}));
        }
        self
    }

    fn judge(&self) -> Report {
        let mut checker = Checker::new(Options::default());
        checker.begin_file("h");
        checker.line(&self.header.to_string()).unwrap();
        for line in &self.lines {
            checker.line(&line.to_string()).unwrap();
        }
        checker.finish()
    }
}

fn told(seq: u64, user: &str, body: &str) -> Value {
    json!({"op": "deliver", "what": "message", "conversation": "g", "rev": seq, "seq": seq, "cnt": seq,
           "at_ms": seq * 10, "message": seq + 100, "user": user, "body": body})
}

fn list(seq: u64, read_seq: u64, unread: u64) -> Value {
    json!({"op": "list", "conversation": "g", "rev": seq, "seq": seq, "read_seq": read_seq, "unread": unread})
}

fn page(lo: u64, hi: u64, rows: Value) -> Value {
    json!({"op": "render", "conversation": "g", "lo": lo, "hi": hi, "rows": rows})
}

/// Two messages of u and one of v, told to all, shown and listed: no rule is left without a decision.
fn good() -> History {
    let mut h = History::new();
    h.begin("a", 1, "x1").ok("a", 1, 1).everybody(1, "u", "x1");
    h.begin("a", 2, "x2").everybody(2, "u", "x2").ok("a", 2, 2);
    h.begin("c", 1, "y3").ok("c", 1, 3).everybody(3, "v", "y3");
    h.begin("b", 9, "no")
        .say("b", json!({"op": "send", "kind": "fail", "call": 9, "code": "muted"}));
    let rows = json!([[1, 101, "x1"], [2, 102, "x2"], [3, 103, "y3"]]);
    h.say("a", page(1, 3, rows.clone())).say("b", page(1, 3, rows));
    h.say("a", json!({"op": "read", "kind": "ok", "conversation": "g", "seq": 2}));
    for actor in ["a", "b"] {
        h.say(actor, list(3, 2, 1)).say(actor, list(3, 2, 1));
    }
    h.say("d", json!({"op": "open", "user": "w", "store": "new"}));
    h.say("admin", json!({"op": "member", "conversation": "g", "user": "w", "change": "add"}));
    h.told("d", 3, "v", "y3");
    h.say("admin", json!({"op": "member", "conversation": "g", "user": "w", "change": "remove"}));
    h.say("admin", json!({"op": "revoke", "device": "d"}));
    h.rest();
    h
}

/// Puts every rule to the test and breaks none.
#[test]
fn a_good_history_is_clean_and_tests_every_rule() {
    let mut h = good();
    h.header["expect"] = json!(["I1", "I16", "E2"]);
    let report = h.judge();
    assert_eq!(report.findings, Vec::new());
    for rule in Rule::all() {
        assert!(report.tally(rule).decided > 0, "{} had nothing to decide", rule.name());
    }
    assert_eq!(report.untested, Vec::<String>::new());
    assert_eq!((report.sends, report.acked, report.refused, report.unknown), (4, 3, 1, 0));
    assert_eq!((report.devices, report.at_rest, report.messages), (4, 3, 3));
}

/// The rule that the history breaks, and those that it can not avoid breaking with it.
type Bad = (Rule, &'static [Rule], fn() -> History);

const BAD: &[Bad] = &[
    (Rule::AckedLost, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1).told("a", 1, "u", "x1").told("b", 1, "u", "x1");
        h.rest();
        h
    }),
    (Rule::AckWithoutOrder, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").say("a", json!({"op": "send", "kind": "ok", "call": 1}));
        h
    }),
    (Rule::AckElsewhere, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").begin("c", 1, "y1").ok("a", 1, 1);
        let mut other = told(1, "u", "x1");
        other["message"] = json!(777);
        h.say("c", other);
        h
    }),
    (Rule::RefusedButThere, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").say("a", json!({"op": "send", "kind": "fail", "call": 1}));
        h.told("c", 1, "u", "x1");
        h
    }),
    (Rule::Duplicate, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1).everybody(1, "u", "x1").everybody(2, "u", "x1");
        h
    }),
    (Rule::DeliveredTwice, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1).everybody(1, "u", "x1").told("c", 1, "u", "x1");
        h
    }),
    (Rule::SenderOrder, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x2").ok("a", 1, 2).begin("a", 2, "x1").ok("a", 2, 1);
        h
    }),
    (Rule::OrderDiffers, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").told("b", 1, "u", "x1");
        let mut other = told(1, "u", "x1");
        other["message"] = json!(777);
        h.say("c", other);
        h
    }),
    (Rule::OutOfOrder, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1).begin("a", 2, "x2").ok("a", 2, 2);
        h.say("c", page(1, 2, json!([[2, 102, "x2"], [1, 101, "x1"]])));
        h
    }),
    (Rule::SeqNotDense, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").begin("a", 2, "x3").told("c", 1, "u", "x1");
        let mut next = told(3, "u", "x3");
        next["rev"] = json!(2);
        h.say("c", next);
        h
    }),
    (Rule::NumbersFall, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").begin("a", 2, "x2").told("c", 1, "u", "x1");
        let mut next = told(2, "u", "x2");
        next["at_ms"] = json!(5);
        h.say("c", next);
        h
    }),
    (Rule::TimelineDiffers, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").begin("a", 2, "x2").told("b", 1, "u", "x1").told("c", 1, "u", "x2");
        h
    }),
    (Rule::HoleNotShown, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").begin("a", 2, "x2").begin("a", 3, "x3");
        h.told("c", 1, "u", "x1").told("c", 3, "u", "x3");
        h
    }),
    (Rule::PositionFalls, &[], || {
        let mut h = History::new();
        h.say("a", list(5, 3, 0)).say("a", list(5, 2, 0));
        h
    }),
    (Rule::OwnWriteMissing, &[Rule::AckedLost], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1).say("a", page(1, 1, json!([])));
        h
    }),
    (Rule::ListsDiffer, &[], || {
        let mut h = History::new();
        h.say("a", list(0, 0, 0)).say("b", list(4, 4, 0)).rest();
        h
    }),
    (Rule::GoneCameBack, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1).everybody(1, "u", "x1");
        h.say(
            "c",
            json!({"op": "deliver", "what": "recalled", "conversation": "g", "rev": 2, "seq": 1}),
        );
        h.say("c", page(1, 1, json!([[1, 101, "x1"]])));
        h
    }),
    (Rule::UnreadWrong, &[], || {
        let mut h = History::new();
        h.begin("c", 1, "y1").ok("c", 1, 1).everybody(1, "v", "y1").say("a", list(1, 0, 2)).rest();
        h
    }),
    (Rule::NotMember, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1);
        h.say("d", json!({"op": "open", "user": "w", "store": "new"})).told("d", 1, "u", "x1");
        h
    }),
    (Rule::AfterRemoval, &[], || {
        let mut h = History::new();
        h.say(
            "admin",
            json!({"op": "member", "conversation": "g", "user": "v", "change": "remove"}),
        );
        h.begin("a", 1, "x1").ok("a", 1, 1).told("c", 1, "u", "x1");
        h
    }),
    (Rule::Unresolved, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").rest();
        h
    }),
    (Rule::AfterRevocation, &[], || {
        let mut h = History::new();
        h.begin("a", 1, "x1").ok("a", 1, 1).say("admin", json!({"op": "revoke", "device": "c"}));
        h.at_us += 5_000_000;
        h.told("c", 1, "u", "x1");
        h
    }),
    (Rule::BeforeSent, &[], || {
        let mut h = History::new();
        h.told("c", 1, "u", "x1").begin("a", 1, "x1");
        h
    }),
    (Rule::NeverSent, &[], || {
        let mut h = History::new();
        h.told("c", 1, "u", "x1");
        h
    }),
];

/// The canary: a checker that says nothing fails here for every rule.
#[test]
fn every_rule_finds_its_breach_and_names_the_lines() {
    let covered: Vec<Rule> = BAD.iter().map(|(rule, _, _)| *rule).collect();
    assert_eq!(covered, Rule::all().collect::<Vec<_>>(), "one bad history for each rule");
    for (rule, also, make) in BAD {
        let history = make();
        let report = history.judge();
        assert_eq!(report.tally(*rule).broken, 1, "{}: {report:#?}", rule.name());
        for other in Rule::all().filter(|other| other != rule && !also.contains(other)) {
            assert_eq!(report.tally(other).broken, 0, "{}: {report:#?}", rule.name());
        }
        let finding = report.findings.iter().find(|finding| finding.rule == *rule).unwrap();
        assert!(!finding.places.is_empty() && !finding.text.is_empty(), "{finding:?}");
        let last = history.lines.len() as u32 + 1;
        assert!(finding.places.iter().all(|place| (2..=last).contains(&place.line)), "{finding:?}");
    }
}

fn check(rule: Rule, change: fn(&mut History)) {
    let mut h = History::new();
    change(&mut h);
    let report = h.judge();
    assert!(report.tally(rule).broken > 0, "{}: {report:#?}", rule.name());
}

/// Other ways to lose a message.
#[test]
fn what_is_lost_is_found_elsewhere_too() {
    // Lost: skipped by the stream of a device that is not at rest.
    check(Rule::AckedLost, |h| {
        h.begin("a", 1, "x1")
            .ok("a", 1, 1)
            .begin("a", 2, "x2")
            .ok("a", 2, 2)
            .begin("a", 3, "x3")
            .ok("a", 3, 3);
        h.told("c", 1, "u", "x1").told("c", 3, "u", "x3");
    });
    // Lost: the device at rest heard nothing of a conversation it is in.
    check(Rule::AckedLost, |h| {
        h.begin("a", 1, "x1").ok("a", 1, 1).rest();
    });
    // Lost: a page has a hole where another device's send was answered.
    check(Rule::AckedLost, |h| {
        h.begin("a", 1, "x1").ok("a", 1, 1).begin("a", 2, "x2").ok("a", 2, 2);
        h.say("c", page(1, 2, json!([[2, 102, "x2"]])));
    });
    // A page lacks a message that was told elsewhere.
    check(Rule::TimelineDiffers, |h| {
        h.begin("a", 1, "x1").told("b", 1, "u", "x1").say("c", page(1, 1, json!([])));
    });
}

/// Other ways to break a rule of numbers, keys and access.
#[test]
fn other_ways_to_break_a_rule() {
    // The key of a send stands twice.
    check(Rule::Duplicate, |h| {
        for seq in [1, 2] {
            let mut line = told(seq, "u", if seq == 1 { "x1" } else { "x2" });
            (line["device"], line["device_epoch"], line["cid"]) = (json!("a"), json!(1), json!(7));
            h.say("b", line);
        }
    });
    check(Rule::SenderOrder, |h| {
        for (seq, cid) in [(1, 8), (2, 7)] {
            let mut line = told(seq, "u", if seq == 1 { "x1" } else { "x2" });
            (line["device"], line["device_epoch"], line["cid"]) =
                (json!("a"), json!(1), json!(cid));
            h.say("b", line);
        }
    });
    check(Rule::NumbersFall, |h| {
        let mut line = told(2, "u", "x2");
        line["cnt"] = json!(3);
        h.told("c", 1, "u", "x1").say("c", line);
    });
    check(Rule::Unresolved, |h| {
        h.begin("a", 1, "x1");
        h.at_us += 1_000_001;
        h.ok("a", 1, 1);
    });
    check(Rule::PositionFalls, |h| {
        for seq in [4, 3] {
            h.say("a", json!({"op": "read", "kind": "ok", "conversation": "g", "seq": seq}));
        }
    });
    check(Rule::NotMember, |h| {
        h.say("d", json!({"op": "open", "user": "w", "store": "new"}));
        h.say("admin", json!({"op": "member", "conversation": "g", "user": "w", "change": "add", "floor_rev": 2}));
        h.told("d", 1, "u", "x1");
    });
    check(Rule::AfterRemoval, |h| {
        h.say(
            "admin",
            json!({"op": "member", "conversation": "g", "user": "v", "change": "remove", "rev": 1}),
        );
        h.told("c", 1, "u", "x1").told("c", 2, "u", "x2");
    });
}

/// Systems without revs are judged by seq.
#[test]
fn seqs_alone_are_enough() {
    check(Rule::HoleNotShown, |h| {
        for seq in [1, 3] {
            let mut line = told(seq, "u", &format!("x{seq}"));
            line.as_object_mut().unwrap().remove("rev");
            h.say("c", line);
        }
    });
    check(Rule::OutOfOrder, |h| {
        h.header["dense"] = json!(false);
        for seq in [30, 10] {
            let mut line = told(seq, "u", &format!("x{seq}"));
            line.as_object_mut().unwrap().remove("rev");
            h.say("c", line);
        }
    });
}

/// What is allowed although it looks odd.
#[test]
fn jumps_restarts_and_late_comers_are_no_breach() {
    let mut h = History::new();
    for (call, body) in [(1, "x1"), (2, "x2"), (3, "x3"), (4, "x4")] {
        h.begin("a", call, body).ok("a", call, call);
    }
    // A jump is shown, and what it skips is not owed.
    h.told("a", 1, "u", "x1").say("a", json!({"op": "jump", "conversation": "g", "to_rev": 3}));
    h.told("a", 4, "u", "x4");
    // The app did not handle two events before it was started again.
    h.told("b", 1, "u", "x1").told("b", 2, "u", "x2").told("b", 3, "u", "x3");
    h.say("b", json!({"op": "open", "user": "u", "store": "kept"}));
    h.told("b", 2, "u", "x2").told("b", 3, "u", "x3").told("b", 4, "u", "x4");
    // A store that holds nothing begins with its list.
    h.say("c", json!({"op": "rebase"})).say("c", list(3, 3, 0)).told("c", 4, "u", "x4");
    // Who comes later is told what follows, also when the program is started again before the first message.
    h.say("d", json!({"op": "open", "user": "u", "store": "new"}));
    h.say("d", json!({"op": "joined", "conversation": "g"}));
    h.say("d", json!({"op": "deliver", "what": "other", "conversation": "g", "rev": 3}));
    h.say("d", json!({"op": "open", "user": "u", "store": "kept"})).told("d", 4, "u", "x4");
    // What a store held before its device was recorded nobody knows.
    h.say("e", json!({"op": "open", "user": "u", "store": "kept"}));
    h.rest().say("e", json!({"op": "rest"}));
    let report = h.judge();
    assert_eq!(report.findings, Vec::new());
    // But a restart is no excuse for a hole.
    h.say("b", json!({"op": "open", "user": "u", "store": "kept"})).told("b", 6, "u", "x6");
    assert_eq!(h.judge().tally(Rule::HoleNotShown).broken, 1);
}

/// Times of different clocks are not compared.
#[test]
fn own_clocks_are_not_compared() {
    let mut h = History::new();
    h.told("c", 1, "u", "x1").begin("a", 1, "x1").ok("a", 1, 1);
    assert_eq!(h.judge().tally(Rule::BeforeSent).broken, 1);
    h.header["clock"] = json!("own");
    assert_eq!(h.judge().findings, Vec::new());
    assert_eq!(h.judge().tally(Rule::BeforeSent).decided, 0);
}

/// An expectation that nothing decided on is said.
#[test]
fn silence_is_not_a_proof() {
    let mut h = History::new();
    h.header["expect"] = json!(["I2", "I15", "I99"]);
    h.begin("a", 1, "x1").ok("a", 1, 1);
    assert_eq!(h.judge().untested, ["I15", "I99"]);
}

/// Breaches are all counted, few are kept; the same lines give the same report.
#[test]
fn findings_are_bounded() {
    let mut h = History::new();
    for seq in 1..=50 {
        h.told("c", seq, "u", &format!("never {seq}"));
    }
    let report = h.judge();
    assert_eq!(report.tally(Rule::NeverSent).broken, 50);
    assert_eq!(report.findings.len(), Options::default().findings_max);
    assert_eq!(report, h.judge());
}
