//! Commands on a data directory: through its server, or without one.

use std::process::ExitCode;

use serde_json::Value;

use super::{LEFT_OUT, account, configuration};
use crate::admin::Request;
use crate::admin::remote::call;
use crate::cli::{App, Data, Group, Import, Token, User};
use crate::error::ServerError;
use crate::importing;
use crate::output::{self, Screen, text};

pub(super) async fn ask(
    data: &Data,
    request: Request,
    is_json: bool,
    show: fn(&Value) -> String,
) -> Result<Value, ServerError> {
    let config = configuration::config(data.config.as_deref(), &[])?;
    let mut screen = Screen::new(is_json, show);
    let result = call(&data.data, &config, request, &mut screen).await;
    screen.finish();
    result
}

pub(super) async fn user(user: User, is_json: bool) -> Result<ExitCode, ServerError> {
    match user {
        User::Add { data, names, display } => {
            let request = Request::UserAdd { names, display };
            let show = |row: &Value| format!("{} {}", text(row, "user"), text(row, "state"));
            ask(&data, request, is_json, show).await?;
        }
        User::List { data } => {
            ask(&data, Request::UserList {}, is_json, |row| {
                let state = if row.get("disabled") == Some(&Value::Bool(true)) {
                    "disabled"
                } else {
                    "active"
                };
                let devices = text(row, "devices");
                format!("{}\t{state}\t{devices} devices\t{}", text(row, "user"), text(row, "id"))
            })
            .await?;
        }
        User::Disable { data, names } => disable(data, names, true, is_json).await?,
        User::Enable { data, names } => disable(data, names, false, is_json).await?,
        User::Invite { data, role, uses, hours, user, no_qr } => {
            let valid_for_s = hours.saturating_mul(3_600);
            let request = Request::UserInvite { role, uses, valid_for_s, user };
            account::invite(&data, request, no_qr, is_json).await?;
        }
        User::Password { data, name } => {
            let password = account::password()?;
            done(
                &ask(&data, Request::UserPassword { name, password }, is_json, any).await?,
                is_json,
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn disable(
    data: Data,
    names: Vec<String>,
    disabled: bool,
    is_json: bool,
) -> Result<(), ServerError> {
    let request = Request::UserDisable { names, disabled };
    done(&ask(&data, request, is_json, any).await?, is_json);
    Ok(())
}

pub(super) fn any(row: &Value) -> String {
    row.to_string()
}

/// The result of a command without rows.
pub(super) fn done(result: &Value, is_json: bool) {
    if is_json {
        output::line(&result.to_string());
    } else {
        output::line("done");
    }
}

pub(super) async fn token(token: Token, is_json: bool) -> Result<ExitCode, ServerError> {
    let Token::Mint { data, name, device } = token;
    let request = Request::TokenMint { name, label: device };
    let minted = ask(&data, request, is_json, any).await?;
    if is_json {
        output::line(&minted.to_string());
    } else {
        output::line(&text(&minted, "token"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn app(app: App, is_json: bool) -> Result<ExitCode, ServerError> {
    match app {
        App::Add { data, name } => {
            let made = ask(&data, Request::AppAdd { name }, is_json, any).await?;
            output::line(&if is_json { made.to_string() } else { text(&made, "credential") });
        }
        App::Remove { data, name } => {
            done(&ask(&data, Request::AppRemove { name }, is_json, any).await?, is_json);
        }
        App::List { data } => {
            ask(&data, Request::AppList {}, is_json, |row| text(row, "app")).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn group(group: Group, is_json: bool) -> Result<ExitCode, ServerError> {
    let result = match group {
        Group::Create { data, name, members } => {
            let made = ask(&data, Request::GroupCreate { name, members }, is_json, any).await?;
            if !is_json {
                output::line(&text(&made, "conversation"));
                return Ok(ExitCode::SUCCESS);
            }
            made
        }
        Group::Add { data, group, users } => {
            ask(&data, Request::GroupAdd { group, users }, is_json, any).await?
        }
        Group::Remove { data, group, users } => {
            ask(&data, Request::GroupRemove { group, users }, is_json, any).await?
        }
        Group::Members { data, group } => {
            let sum = ask(&data, Request::GroupMembers { group }, is_json, member).await?;
            if !is_json {
                output::line(&format!(
                    "{} members, {} stretches of membership, {} of them ended",
                    text(&sum, "members"),
                    text(&sum, "joins"),
                    text(&sum, "leaves")
                ));
            }
            return Ok(ExitCode::SUCCESS);
        }
        Group::List { data } => {
            ask(&data, Request::GroupList {}, is_json, |row| {
                format!("{}\t{}", text(row, "conversation"), text(row, "group"))
            })
            .await?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    done(&result, is_json);
    Ok(ExitCode::SUCCESS)
}

fn member(row: &Value) -> String {
    let state =
        if row.get("in") == Some(&Value::Bool(true)) { text(row, "role") } else { "gone".into() };
    let intervals = row.get("intervals").and_then(Value::as_array).map_or_else(Vec::new, |list| {
        list.iter().map(|i| format!("{}..{}", text(i, "joined_ms"), text(i, "left_ms"))).collect()
    });
    format!("{}\t{state}\t{}", text(row, "user"), intervals.join(" "))
}

pub(super) async fn import(import: Import, is_json: bool) -> Result<ExitCode, ServerError> {
    let Import::Slack { data, zip, dry_run } = import;
    let path = std::path::absolute(&zip)
        .map_err(|source| ServerError::Io { path: zip.clone(), source })?;
    let result = if dry_run {
        tokio::task::spawn_blocking(move || importing::slack_dry_run(&path))
            .await
            .map_err(|_| ServerError::Panicked)??
    } else {
        ask(&data, Request::ImportSlack { path }, is_json, any).await?
    };
    output::line(&if is_json { result.to_string() } else { report(&result) });
    let skipped = result.pointer("/archive/skipped").and_then(Value::as_object);
    let refused = result.get("entries_refused").and_then(Value::as_u64).unwrap_or(0);
    let is_whole = skipped.is_none_or(serde_json::Map::is_empty) && refused == 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(LEFT_OUT) })
}

/// The counts, one a line, and each reason with its first places.
fn report(result: &Value) -> String {
    let mut lines = Vec::new();
    for part in [Some(result), result.get("archive")].into_iter().flatten() {
        for (name, value) in part.as_object().into_iter().flatten() {
            if value.is_number() {
                lines.push(format!("{name}: {value}"));
            }
        }
    }
    for kind in ["skipped", "changed"] {
        let reasons = result.pointer(&format!("/archive/{kind}")).and_then(Value::as_object);
        for (reason, count) in reasons.into_iter().flatten() {
            lines.push(format!("{kind}: {reason}: {count}"));
            let places = result.pointer(&format!("/archive/examples/{reason}"));
            for place in places.and_then(Value::as_array).into_iter().flatten() {
                let (file, ts, what) =
                    (text(place, "file"), text(place, "ts"), text(place, "what"));
                lines.push(format!("  {file} {ts} {what}"));
            }
        }
    }
    lines.join("\n")
}

pub(super) async fn verify(data: Data, is_json: bool) -> Result<ExitCode, ServerError> {
    let result = ask(&data, Request::Verify {}, is_json, |row| {
        format!("{} {}: {}", text(row, "where"), text(row, "place"), text(row, "what"))
    })
    .await?;
    if is_json {
        output::line(&result.to_string());
    } else {
        for (name, value) in result.as_object().into_iter().flatten() {
            output::line(&format!("{name}: {value}"));
        }
        output::line("clean");
    }
    Ok(ExitCode::SUCCESS)
}
