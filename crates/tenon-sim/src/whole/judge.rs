//! The end: everything at rest is shown once more, then the histories are judged by the checker that knows no server.

use tenon_check::{Checker, Options};
use tenon_client::engine::{Command, HistoryAnswer, HistoryWant};

use super::{Whole, WholeFigures};
use crate::check::Violation;
use crate::plan::Plan;

/// What every history of a run can promise: bodies are unique, all senders are recorded, clocks are skewed.
const HEADER: &str = r#"{"tenon_history":1,"target":"tenon-sim","unique_bodies":true,"all_senders":true,"clock":"own"}"#;
/// Rows of one page.
const PAGE: u32 = 100;
/// Simulated time in which all pages must have been shown.
const SHOW_US: u64 = 60_000_000;

/// Decisions and breaches of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Which.
    pub invariant: &'static str,
    /// Decisions.
    pub decided: u64,
    /// Of these, breaches.
    pub broken: u64,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct WholeReport {
    /// What was played.
    pub plan: Plan,
    /// What happened.
    pub figures: WholeFigures,
    /// What broke; empty = nothing.
    pub violations: Vec<Violation>,
    /// By invariant, how often the checker had something to decide.
    pub judged: Vec<Judgement>,
    /// Hash of everything that happened.
    pub trace: String,
    /// The histories, for `tenon check`.
    pub history: String,
}

impl Whole {
    pub(super) fn judge(mut self) -> WholeReport {
        if self.violations.is_empty() {
            self.at_rest();
        }
        if self.violations.is_empty() {
            self.log_is_small();
        }
        if self.violations.is_empty() {
            self.show_all();
        }
        let history = self.history();
        let mut judged = Vec::new();
        if self.violations.is_empty() {
            judged = self.check(&history);
        }
        WholeReport {
            plan: self.plan,
            figures: self.figures,
            violations: self.violations,
            judged,
            trace: self.trace.finalize().to_hex().to_string(),
            history,
        }
    }

    /// The histories under one header. What was before a user came does not count for him, which no line tells: his unread
    /// counts are left out.
    fn history(&self) -> String {
        let mut text = format!("{HEADER}\n");
        let is_late = |line: &str| {
            let is_of = |part: &str, value: &str| line.contains(&format!(r#""{part}":"{value}"#));
            self.came_later.iter().any(|(conv, name)| {
                is_of("conversation", &format!("{conv}\"")) && is_of("actor", &format!("{name}/"))
            })
        };
        for line in self.tape.text().lines() {
            if self.was_open_again(line) {
                text.push_str(&line.replacen(r#""kind":"fail""#, r#""kind":"info""#, 1));
                text.push('\n');
                continue;
            }
            let cut = line.contains(r#""op":"list""#).then(|| line.find(r#","unread":"#)).flatten();
            match cut.filter(|_| is_late(line)) {
                Some(at) => {
                    let rest = &line[at + 10..];
                    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    text.push_str(&line[..at]);
                    text.push_str(&rest[digits..]);
                }
                None => text.push_str(line),
            }
            text.push('\n');
        }
        text
    }

    /// True for a refusal of a command that a store put back from an older copy asked for again.
    fn was_open_again(&self, line: &str) -> bool {
        let is_refusal = line.contains(r#""op":"send""#) && line.contains(r#""kind":"fail""#);
        is_refusal
            && self.open_again.iter().any(|(actor, call)| {
                line.contains(&format!(r#""actor":"{actor}""#))
                    && [',', '}'].iter().any(|end| line.contains(&format!(r#""call":{call}{end}"#)))
            })
    }

    /// Nothing may be under way any more.
    fn at_rest(&mut self) {
        let is_up = self.server.as_ref().is_some_and(super::server::Server::is_up);
        if !is_up {
            let text = format!("no server serves: {} starts", self.figures.starts);
            self.violated("I18", text);
        }
        for index in 0..self.phones.len() {
            let phone = &self.phones[index];
            if phone.may_be_removed() {
                continue;
            }
            let name = format!("{}/{}", phone.name, phone.label);
            if let Some(why) = &phone.is_stopped {
                let text = format!("{name} was stopped: {why}");
                self.violated("I18", text);
            } else if let Some(engine) = &phone.engine {
                let (unsettled, debts) = (engine.unsettled(), engine.debts().len());
                let is_busy = phone.commit.is_some();
                if unsettled > 0 || debts > 0 || is_busy || phone.wire.is_none() {
                    let text = format!(
                        "{name} is not at rest: {unsettled} commands, {debts} debts, commit {is_busy}, link {:?}, due {:?}",
                        phone.wire,
                        engine.deadline(),
                    );
                    self.violated("I18", text);
                }
            }
            self.passed_unknown(index);
        }
    }

    /// Every timeline of every device, whole.
    fn show_all(&mut self) {
        let phones = (0..).zip(&self.phones);
        let staying: Vec<usize> =
            phones.filter(|(_, phone)| !phone.may_be_removed()).map(|(at, _)| at).collect();
        for &index in &staying {
            let Some(engine) = &self.phones[index].engine else { continue };
            self.phones[index].to_show = engine.list().iter().map(|line| (line.conv, 0)).collect();
            self.show_next(index);
        }
        let until = self.now_us() + SHOW_US;
        while self.phones.iter().any(|phone| !phone.to_show.is_empty())
            && self.now_us() < until
            && self.violations.is_empty()
        {
            self.step(until);
        }
        for index in staying {
            let left = self.phones[index].to_show.len();
            if left > 0 && self.violations.is_empty() {
                let name = self.phones[index].name.clone();
                self.violated("I18", format!("{left} timelines of {name} cannot be read"));
            }
            let now = self.phone_now(index);
            let Some(engine) = &self.phones[index].engine else { continue };
            let lines = engine.list();
            self.phones[index].note(now, |record, at| record.rest(&lines, at));
        }
    }

    fn show_next(&mut self, index: usize) {
        let Some((conv, below_seq)) = self.phones[index].to_show.last().copied() else { return };
        let want = HistoryWant { conv, above_seq: 0, below_seq, limit: PAGE, is_upward: false };
        let ticket = self.phones[index].ticket();
        self.command(index, Command::History { ticket, want });
    }

    /// A page came. Below it the timeline goes on.
    pub(super) fn shown(&mut self, index: usize, answer: HistoryAnswer) {
        let now = self.phone_now(index);
        let conv = answer.conv;
        let phone = &mut self.phones[index];
        let (goes_on, bodies) = phone.show(answer, now);
        bodies.iter().for_each(|body| self.shows_body(index, body));
        let phone = &mut self.phones[index];
        let Some(at) = phone.to_show.iter().position(|(shown, _)| *shown == conv) else { return };
        match goes_on {
            Some(below) => phone.to_show[at].1 = below,
            None => drop(phone.to_show.remove(at)),
        }
        self.show_next(index);
    }

    fn check(&mut self, history: &str) -> Vec<Judgement> {
        let mut checker = Checker::new(Options::default());
        checker.begin_file("simulated");
        for line in history.lines() {
            if let Err(error) = checker.line(line) {
                self.violated("history", format!("{error}: {line}"));
                return Vec::new();
            }
        }
        let report = checker.finish();
        self.figures.messages += report.messages;
        self.figures.decisions += report.tallies.iter().map(|tally| tally.decided).sum::<u64>();
        for finding in &report.findings {
            let text = format!("{}: {}", finding.rule.name(), finding.text);
            self.violated(finding.rule.invariant(), text);
        }
        let mut names: Vec<&'static str> =
            tenon_check::Rule::all().map(tenon_check::Rule::invariant).collect();
        names.dedup();
        let judgement = |invariant| {
            let tally = report.of_invariant(invariant);
            // Devices have clocks of their own, so removals are judged where the server writes.
            let removals = if invariant == "I23" { self.figures.removed } else { 0 };
            Judgement { invariant, decided: tally.decided + removals, broken: tally.broken }
        };
        names.into_iter().map(judgement).collect()
    }
}
