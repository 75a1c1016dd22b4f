//! `tenon config`.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::ConfigCommand;
use crate::config::{Config, Values};
use crate::error::ServerError;
use crate::output;

/// Values of file and environment, and the flags of this call.
pub(crate) fn values(
    file: Option<&Path>,
    flags: &[(&'static str, String)],
) -> Result<Values, ServerError> {
    Values::gather(file, std::env::vars(), flags).map_err(ServerError::Config)
}

/// Typed values.
pub(crate) fn config(
    file: Option<&Path>,
    flags: &[(&'static str, String)],
) -> Result<Config, ServerError> {
    values(file, flags)?.config().map_err(ServerError::Config)
}

pub(super) fn run(command: ConfigCommand, is_json: bool) -> Result<ExitCode, ServerError> {
    match command {
        ConfigCommand::Check { config: file } => {
            config(file.as_deref(), &[])?;
            output::line(if is_json { "{\"mistakes\":0}" } else { "no mistakes" });
        }
        ConfigCommand::Show { config: file, origin: with_origin } => {
            let values = values(file.as_deref(), &[])?;
            for (key, value, origin) in values.each() {
                if is_json {
                    let line = json!({
                        "key": key.name, "value": value, "origin": origin.to_string(), "doc": key.doc
                    });
                    output::line(&line.to_string());
                } else if with_origin {
                    output::line(&format!("{} = {value:?}  # {origin}: {}", key.name, key.doc));
                } else {
                    output::line(&format!("{} = {value:?}", key.name));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
