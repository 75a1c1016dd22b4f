//! Accounts made and changed by an administrator.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;
use tenon_base::UserId;
use tenon_core::accounts::Deed;
use tenon_wire::ErrorCode;

use super::{administer, id_of, role_of};
use crate::http::account::{bad_body, private};
use crate::http::caller::Administrator;
use crate::http::{Desk, Peer, Refused};

/// A new account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddBody {
    name: String,
    #[serde(default)]
    display_name: String,
    role: String,
}

/// `POST /v1/admin/users`: an account, and the link by which its person sets a password.
pub(super) async fn add(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Administrator(caller): Administrator,
    body: Result<Json<AddBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let role = role_of(&body.role)?;
    let deed = Deed::AddUser { name: body.name, display: body.display_name, role };
    let given = administer(&desk, caller, deed).await?;
    let link = super::link(&desk, peer, &headers, &given.token);
    let body = json!({
        "user": given.user.to_string(), "link": link, "expires_ms": given.expires.0,
    });
    Ok(private(Json(body).into_response()))
}

/// Which account, and what it shall be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateBody {
    user: String,
    state: String,
}

/// `POST /v1/admin/users/state`.
pub(super) async fn state(
    State(desk): State<Desk>,
    Administrator(caller): Administrator,
    body: Result<Json<StateBody>, JsonRejection>,
) -> Result<StatusCode, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let user = UserId(id_of(&body.user)?);
    let is_disabled = match body.state.as_str() {
        "active" => false,
        "disabled" => true,
        _ => return Err(Refused::of(ErrorCode::BadMessage, "state is active or disabled")),
    };
    administer(&desk, caller, Deed::SetDisabled { user, is_disabled }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which account, and its role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleBody {
    user: String,
    role: String,
}

/// `POST /v1/admin/users/role`.
pub(super) async fn role(
    State(desk): State<Desk>,
    Administrator(caller): Administrator,
    body: Result<Json<RoleBody>, JsonRejection>,
) -> Result<StatusCode, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let deed = Deed::SetRole { user: UserId(id_of(&body.user)?), role: role_of(&body.role)? };
    administer(&desk, caller, deed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkBody {
    user: String,
}

/// `POST /v1/admin/users/link`: a link by which the person sets a new password; the ones before end.
pub(super) async fn link(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Administrator(caller): Administrator,
    body: Result<Json<LinkBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let deed = Deed::Link { user: UserId(id_of(&body.user)?) };
    let given = administer(&desk, caller, deed).await?;
    let link = super::link(&desk, peer, &headers, &given.token);
    Ok(private(Json(json!({ "link": link, "expires_ms": given.expires.0 })).into_response()))
}
