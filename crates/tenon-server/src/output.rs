//! What a command prints: rows for people or one JSON object a line, a progress bar on long work, errors with their mend.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::admin::remote::Watcher;
use crate::error::ServerError;

/// Prints one line. A closed pipe ends the program quietly, as it does for other tools.
pub(crate) fn line(text: &str) {
    let mut out = stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        #[expect(clippy::exit, reason = "nobody reads any more")]
        std::process::exit(0);
    }
}

/// Prints an error and its mend to standard error.
pub(crate) fn fail(error: &ServerError, is_json: bool) -> ExitCode {
    let mut out = stderr().lock();
    let written = if is_json {
        writeln!(out, "{}", json!({ "error": error.to_string(), "mend": error.mend() }))
    } else {
        match error.mend() {
            Some(mend) => writeln!(out, "tenon: {error}\n  {mend}"),
            None => writeln!(out, "tenon: {error}"),
        }
    };
    if written.is_err() {
        return ExitCode::from(1);
    }
    ExitCode::from(error.exit_code())
}

/// Rows of a list on the terminal.
pub(crate) struct Screen {
    is_json: bool,
    show: fn(&Value) -> String,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// Prints each row with `show`, or as JSON.
    pub(crate) fn new(is_json: bool, show: fn(&Value) -> String) -> Self {
        Self { is_json, show, bar: None }
    }

    /// Takes the progress bar away.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Screen {
    fn row(&mut self, row: &Value) {
        if self.is_json {
            line(&row.to_string());
        } else {
            line(&(self.show)(row));
        }
    }

    fn progress(&mut self, done: u64, total: u64, what: &str) {
        if !stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {elapsed}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(what.to_owned());
    }
}

/// The text of a field.
pub(crate) fn text(row: &Value, field: &str) -> String {
    match row.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}
