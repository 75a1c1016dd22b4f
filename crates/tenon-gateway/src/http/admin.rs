//! Administration of the organisation, for accounts with that role. Every route names [`super::caller::Administrator`].

mod audit;
mod invitations;
mod supervision;
mod users;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use tenon_core::accounts::{Caller, Deed, Given};
use tenon_core::identity::OrgRole;
use tenon_wire::ErrorCode;

use super::account::{answered, asked};
use super::{Desk, Peer, Refused};
use crate::TlsSource;

pub use supervision::overview_body;

/// The routes below `/v1/admin`.
pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/audit", get(audit::audit))
        .route("/users", post(users::add))
        .route("/users/state", post(users::state))
        .route("/users/role", post(users::role))
        .route("/users/link", post(users::link))
        .route("/invitations", get(invitations::list))
        .route("/invitations", post(invitations::create))
        .route("/invitations/revoke", post(invitations::revoke))
        .merge(supervision::routes())
}

/// Does it and waits for the end.
async fn administer(desk: &Desk, by: Caller, deed: Deed) -> Result<Given, Refused> {
    let (reply, answer) = asked();
    desk.house.doors.accounts.administer(by, deed, reply);
    answered(answer).await
}

/// The role of a name in a body.
fn role_of(text: &str) -> Result<OrgRole, Refused> {
    let unknown = || Refused::of(ErrorCode::BadMessage, "role is member or admin");
    OrgRole::from_text(text).ok_or_else(unknown)
}

/// An id in a body: decimal text, not 0.
fn id_of(text: &str) -> Result<u64, Refused> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| Refused::of(ErrorCode::BadMessage, "ids are decimal text"))
}

/// A link that lets somebody in. What is behind `#` is not sent by browsers, so it stands in no log on the way.
fn link(desk: &Desk, peer: Peer, headers: &HeaderMap, token: &str) -> String {
    let options = &desk.house.options;
    let base = options.public_url.clone().unwrap_or_else(|| {
        let is_tls = options.tls != TlsSource::Off
            || desk.house.gate.is_proxy(peer.0)
                && headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.map_or_else(|| options.listen.to_string(), str::to_owned);
        format!("{}://{host}", if is_tls { "https" } else { "http" })
    });
    format!("{}/join#{token}", base.trim_end_matches('/'))
}
