//! Invitations made, listed and taken back.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tenon_base::InvitationId;
use tenon_core::accounts::{Deed, InvitationLine};

use super::{administer, id_of, role_of};
use crate::http::account::{bad_body, private};
use crate::http::caller::Administrator;
use crate::http::{Desk, Peer, Refused};

/// What it shall allow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteBody {
    role: String,
    uses: u32,
    valid_for_s: u64,
}

/// `POST /v1/admin/invitations`: the link is shown this once.
pub(super) async fn create(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Administrator(caller): Administrator,
    body: Result<Json<InviteBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let deed = Deed::Invite {
        role: role_of(&body.role)?,
        uses: body.uses,
        valid_for: Duration::from_secs(body.valid_for_s),
    };
    let given = administer(&desk, caller, deed).await?;
    let body = json!({
        "invitation": given.invitation.to_string(),
        "link": super::link(&desk, peer, &headers, &given.token),
        "expires_ms": given.expires.0,
    });
    Ok(private(Json(body).into_response()))
}

/// `GET /v1/admin/invitations`: newest first, those that are over as well.
pub(super) async fn list(
    State(desk): State<Desk>,
    Administrator(caller): Administrator,
) -> Response {
    let lines = desk.house.doors.accounts.invitations(&caller);
    let rows: Vec<Value> = lines.iter().map(row).collect();
    private(Json(json!({ "invitations": rows })).into_response())
}

fn row(line: &InvitationLine) -> Value {
    let by = if line.created_by.is_empty() { "operator" } else { line.created_by.as_str() };
    json!({
        "invitation": line.invitation.to_string(),
        "role": line.role.text(),
        "uses_left": line.uses_left,
        "uses": line.uses,
        "expires_ms": line.expires.0,
        "created_by": by,
        "created_ms": line.created.0,
        "state": line.state.text(),
        "name": line.account,
    })
}

/// Which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeBody {
    invitation: String,
}

/// `POST /v1/admin/invitations/revoke`.
pub(super) async fn revoke(
    State(desk): State<Desk>,
    Administrator(caller): Administrator,
    body: Result<Json<RevokeBody>, JsonRejection>,
) -> Result<StatusCode, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let invitation = InvitationId(id_of(&body.invitation)?);
    administer(&desk, caller, Deed::Revoke(invitation)).await?;
    Ok(StatusCode::NO_CONTENT)
}
