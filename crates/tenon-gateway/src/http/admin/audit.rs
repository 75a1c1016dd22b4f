//! What administrators and operators did, newest first.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tenon_core::accounts::AuditLine;
use tenon_core::identity::Actor;
use tenon_wire::ErrorCode;

use crate::http::account::{answered, asked, private};
use crate::http::caller::Administrator;
use crate::http::{Desk, Refused};

/// Entries in one answer.
const LIMIT_MAX: usize = 200;
const LIMIT_START: usize = 50;

/// Which page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Number of an entry, as decimal text; older ones are given.
    #[serde(default)]
    before: u64,
    #[serde(default)]
    limit: Option<usize>,
}

/// `GET /v1/admin/audit?before=&limit=`.
pub(super) async fn audit(
    State(desk): State<Desk>,
    Administrator(caller): Administrator,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(page) =
        page.map_err(|error| Refused::of(ErrorCode::BadMessage, error.body_text()))?;
    let limit = page.limit.unwrap_or(LIMIT_START).clamp(1, LIMIT_MAX);
    let (reply, answer) = asked();
    desk.house.doors.accounts.audit(caller, page.before, limit, reply);
    let lines = answered(answer).await?;
    // The first entry has the number 1: below it there is nothing.
    let last = lines.last().map(|line| line.entry.entry);
    let next = last.filter(|entry| lines.len() == limit && *entry > 1).map(|n| n.to_string());
    let entries: Vec<Value> = lines.iter().map(entry).collect();
    Ok(private(Json(json!({ "entries": entries, "next": next })).into_response()))
}

fn entry(line: &AuditLine) -> Value {
    let audit = &line.entry.audit;
    let actor = match audit.actor {
        Actor::Operator => json!("operator"),
        Actor::User(user) => json!({ "user": user.to_string(), "name": line.actor }),
    };
    json!({
        "entry": line.entry.entry.to_string(),
        "at_ms": audit.at.0,
        "actor": actor,
        "action": audit.action.text(),
        "target": audit.target,
        "detail": audit.detail,
    })
}
