//! Getting in by a link: set-up and invitations. Secrets come in bodies, never in paths, and are never logged.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;
use tenon_core::accounts::Newcomer;
use tenon_core::admission::{Credential, Refusal};
use tenon_core::handover::Reply;
use tenon_wire::ErrorCode;

use super::account::{TicketBody, admit, answered, asked, bad_body, check_device, private};
use super::{Desk, Peer, Refused};

/// Who sets up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetUpBody {
    token: String,
    organisation: String,
    name: String,
    #[serde(default)]
    display_name: String,
    password: String,
    label: String,
    device_kind: u32,
}

/// `POST /v1/setup`: organisation and first administrator, who is signed in.
pub(super) async fn set_up(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Json<SetUpBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let organisation = body.organisation;
    let person = Newcomer {
        token: body.token,
        name: body.name,
        display: body.display_name,
        password: body.password,
        label: body.label,
        device_kind: body.device_kind,
        address: Some(peer.caller(&desk.house.gate, &headers)),
    };
    let accounts = &desk.house.doors.accounts;
    enter(&desk, person, Some("admin"), |person, reply| {
        accounts.set_up(organisation, person, reply);
    })
    .await
}

/// Who joins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptBody {
    token: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    display_name: String,
    password: String,
    label: String,
    device_kind: u32,
}

/// `POST /v1/invitations/accept`: account or password, and a device that is signed in.
pub(super) async fn accept(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Json<AcceptBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let person = Newcomer {
        token: body.token,
        name: body.name,
        display: body.display_name,
        password: body.password,
        label: body.label,
        device_kind: body.device_kind,
        address: Some(peer.caller(&desk.house.gate, &headers)),
    };
    let accounts = &desk.house.doors.accounts;
    enter(&desk, person, None, |person, reply| accounts.accept_invitation(person, reply)).await
}

/// Both ways in hash a password, so both are bounded like a sign-in.
async fn enter(
    desk: &Desk,
    person: Newcomer,
    role: Option<&str>,
    go: impl FnOnce(Newcomer, Reply<Result<Credential, Refusal>>),
) -> Result<Response, Refused> {
    check_device(&person.label, person.device_kind)?;
    let pass = match person.address {
        Some(address) => Some(admit(desk, address)?),
        None => None,
    };
    let (reply, answer) = asked();
    go(person, reply);
    let given = answered(answer).await?;
    drop(pass);
    let mut body = serde_json::to_value(TicketBody::from(given))
        .map_err(|error| Refused::of(ErrorCode::Degraded, error.to_string()))?;
    if let (Some(role), Some(fields)) = (role, body.as_object_mut()) {
        fields.insert("role".into(), role.into());
    }
    Ok(private(Json(body).into_response()))
}

/// Which link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookBody {
    token: String,
}

/// `POST /v1/invitations/look`: what the link offers.
pub(super) async fn look(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Json<LookBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    let address = peer.caller(&desk.house.gate, &headers);
    let look = desk.house.doors.accounts.look_at_invitation(&body.token, Some(address))?;
    let (name, display) = look.account.unzip();
    let body = json!({
        "organisation": look.organisation,
        "invited_by": look.invited_by,
        "role": look.role.text(),
        "expires_ms": look.expires.0,
        "uses_left": look.uses_left,
        "name": name,
        "display_name": display,
    });
    Ok(private(Json(body).into_response()))
}
