//! Administrators and invitations.

use std::io::BufRead;
use std::process::ExitCode;

use super::local::{any, ask, done};
use crate::admin::{Request, Secret};
use crate::cli::{Admin, Data};
use crate::error::ServerError;
use crate::links;
use crate::output::{self, text};

pub(super) async fn admin(admin: Admin, is_json: bool) -> Result<ExitCode, ServerError> {
    match admin {
        Admin::Link { data } => {
            let made = ask(&data, Request::AdminLink {}, is_json, any).await?;
            if is_json {
                output::line(&made.to_string());
            } else {
                output::line("good for 30 minutes, once:");
                output::line(&text(&made, "link"));
            }
        }
        Admin::Create { data, name, display, organisation } => {
            let request =
                Request::AdminCreate { name, display, organisation, password: password()? };
            done(&ask(&data, request, is_json, any).await?, is_json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a link and shows it, alone on the last line.
pub(super) async fn invite(
    data: &Data,
    request: Request,
    no_qr: bool,
    is_json: bool,
) -> Result<(), ServerError> {
    let made = ask(data, request, is_json, any).await?;
    if is_json {
        output::line(&made.to_string());
        return Ok(());
    }
    let link = text(&made, "link");
    if !no_qr && let Some(picture) = links::picture(&link) {
        output::line(&picture);
    }
    output::line(&link);
    Ok(())
}

/// A password from standard input, one line.
pub(super) fn password() -> Result<Secret, ServerError> {
    let mut password = String::new();
    let read = std::io::stdin().lock().read_line(&mut password);
    read.map_err(|source| ServerError::Io { path: "standard input".into(), source })?;
    Ok(Secret(password.trim_end_matches(['\r', '\n']).to_owned()))
}
