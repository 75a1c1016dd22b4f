//! What a check found, and how it is told.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One thing that must be changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// File, relative to the root of the workspace.
    pub path: PathBuf,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Name of the rule.
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub what: String,
}

impl Finding {
    /// A finding about `path`, which may be absolute below `root`.
    pub(crate) fn new(
        root: &Path,
        path: &Path,
        line: usize,
        rule: &'static str,
        what: String,
    ) -> Self {
        let path = path.strip_prefix(root).unwrap_or(path).to_owned();
        Self { path, line, rule, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path.display(), self.line, self.rule, self.what)
    }
}

/// Findings, or why the check could not run.
pub(crate) type Outcome = Result<Vec<Finding>, String>;

/// Prints an outcome: 0 clean, 1 findings, 2 could not run.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(mut findings) => {
            findings.sort();
            for finding in &findings {
                println!("{finding}");
            }
            println!("{} finding(s)", findings.len());
            ExitCode::from(1)
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
