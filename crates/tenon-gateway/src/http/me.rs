//! What this server is, who the caller is, and his own password.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use tenon_core::accounts::NewPassword;

use super::account::{admit, answered, asked, bad_body, private};
use super::caller::Signed;
use super::{Desk, Peer, Refused};

#[derive(Serialize)]
struct ServerBody {
    name: &'static str,
    version: &'static str,
    organisation: Option<String>,
    is_demo: bool,
    needs_setup: bool,
}

/// `GET /v1/server`: for everybody, before anybody signs in.
pub(super) async fn server(State(desk): State<Desk>) -> Response {
    let facts = desk.house.doors.accounts.server();
    let body = ServerBody {
        name: "tenon",
        version: env!("CARGO_PKG_VERSION"),
        organisation: facts.organisation,
        is_demo: facts.is_demo,
        needs_setup: facts.needs_setup,
    };
    private(Json(body).into_response())
}

#[derive(Serialize)]
struct MeBody {
    user: String,
    org: String,
    name: String,
    display_name: String,
    role: &'static str,
    organisation: Option<String>,
    is_demo: bool,
}

/// `GET /v1/me`.
pub(super) async fn me(State(desk): State<Desk>, Signed(caller): Signed) -> Response {
    let facts = desk.house.doors.accounts.server();
    let display = if caller.display.is_empty() { caller.name.clone() } else { caller.display };
    let body = MeBody {
        user: caller.author.user.to_string(),
        org: caller.author.org.to_string(),
        name: caller.name,
        display_name: display,
        role: caller.role.text(),
        organisation: facts.organisation,
        is_demo: facts.is_demo,
    };
    private(Json(body).into_response())
}

/// The password in force and the one to come.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    old: String,
    new: String,
}

/// `POST /v1/me/password`: the caller's connections end, his devices stay.
pub(super) async fn password(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Signed(caller): Signed,
    body: Result<Json<PasswordBody>, JsonRejection>,
) -> Result<StatusCode, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let address = peer.caller(&desk.house.gate, &headers);
    let pass = admit(&desk, address)?;
    let (reply, answer) = asked();
    let password = NewPassword { old: body.old, new: body.new, address: Some(address) };
    desk.house.doors.accounts.change_password(caller, password, reply);
    answered(answer).await?;
    drop(pass);
    Ok(StatusCode::NO_CONTENT)
}
