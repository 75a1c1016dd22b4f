//! `tenon check`: what recorded histories prove.

use std::process::ExitCode;

use serde_json::{Value, json};
use tenon_check::{CheckError, Finding, Options, Report, Rule, check_files};

use super::LEFT_OUT;
use crate::cli;
use crate::error::ServerError;
use crate::output;

impl From<CheckError> for ServerError {
    fn from(error: CheckError) -> Self {
        let mend = Some("the form is in docs/formats/history.md".to_owned());
        Self::Told { message: error.to_string(), mend }
    }
}

/// Exit code 0 all hold, 1 something is broken, 3 something expected was not put to the test.
pub(super) fn run(args: &cli::Check, is_json: bool) -> Result<ExitCode, ServerError> {
    let options = Options { messages_max: args.messages_max, ..Options::default() };
    let report = check_files(&args.files, options)?;
    if is_json {
        output::line(&as_json(&report).to_string());
    } else {
        as_text(&report).iter().for_each(|line| output::line(line));
    }
    Ok(match (report.broken(), report.untested.is_empty()) {
        (1.., _) => ExitCode::from(1),
        (0, false) => ExitCode::from(LEFT_OUT),
        (0, true) => ExitCode::SUCCESS,
    })
}

fn places(report: &Report, finding: &Finding) -> Vec<String> {
    let name = |file: u32| report.files.get(file as usize).map_or("", String::as_str);
    finding.places.iter().map(|place| format!("{}:{}", name(place.file), place.line)).collect()
}

fn as_json(report: &Report) -> Value {
    let rule = |rule: Rule| {
        let tally = report.tally(rule);
        json!({ "rule": rule.name(), "invariant": rule.invariant(),
                "decided": tally.decided, "broken": tally.broken })
    };
    let finding = |finding: &Finding| {
        json!({ "rule": finding.rule.name(), "invariant": finding.rule.invariant(),
                "text": finding.text, "lines": places(report, finding) })
    };
    json!({
        "lines": report.lines,
        "torn": report.torn,
        "devices": report.devices,
        "at_rest": report.at_rest,
        "conversations": report.conversations,
        "messages": report.messages,
        "sends": report.sends,
        "acked": report.acked,
        "refused": report.refused,
        "unknown": report.unknown,
        "slowest_ms": report.slowest_us / 1000,
        "told": report.told,
        "faults": report.faults,
        "broken": report.broken(),
        "rules": Rule::all().map(rule).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "untested": report.untested,
    })
}

fn as_text(report: &Report) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} lines, {} devices ({} at rest), {} conversations, {} messages, {} faults",
            report.lines,
            report.devices,
            report.at_rest,
            report.conversations,
            report.messages,
            report.faults
        ),
        format!(
            "{} sends: {} acked, {} refused, {} unknown; slowest answer {} ms; {} events told",
            report.sends,
            report.acked,
            report.refused,
            report.unknown,
            report.slowest_us / 1000,
            report.told
        ),
    ];
    for rule in Rule::all() {
        let tally = report.tally(rule);
        let state = match (tally.decided, tally.broken) {
            (0, _) => "not tested".to_owned(),
            (decided, 0) => format!("holds ({decided})"),
            (decided, broken) => format!("BROKEN ({broken} of {decided})"),
        };
        lines.push(format!("{}\t{}\t{state}", rule.invariant(), rule.name()));
    }
    for finding in &report.findings {
        let at = places(report, finding).join(", ");
        lines.push(format!("{}: {} [{at}]", finding.rule.name(), finding.text));
    }
    for name in &report.untested {
        lines.push(format!("{name} was expected and not put to the test"));
    }
    lines
}
