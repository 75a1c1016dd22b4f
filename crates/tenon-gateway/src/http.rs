//! HTTP beside frames: sign-in, tickets, health, and the way into a WebSocket. Errors are JSON with a code of the registry.

mod account;
mod admin;
mod caller;
mod connect;
mod exchange;
mod links;
mod me;
mod refusal;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tenon_wire::ErrorCode;
use tokio::sync::watch;

use crate::connection::House;
use crate::gate::Gate;
pub use admin::overview_body;
pub(crate) use refusal::Refused;

/// Bytes of a JSON call: names, a password, a label.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Where a call came from: the address of its socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// The caller: what a proxy says, else the socket's address. Of a chain only the last entry is known to be the proxy's.
    fn caller(self, gate: &Gate, headers: &HeaderMap) -> IpAddr {
        if !gate.is_proxy(self.0) {
            return self.0;
        }
        let lists = headers.get_all("x-forwarded-for").iter().filter_map(|list| list.to_str().ok());
        let last = lists.flat_map(|list| list.split(',')).last();
        last.and_then(|entry| entry.trim().parse().ok()).unwrap_or(self.0)
    }
}

/// The answer of a sign-in: for a server that has a way in of its own. It holds a secret: nobody on the way may keep it.
pub fn sign_in_body(given: tenon_core::admission::Credential) -> serde_json::Value {
    serde_json::to_value(account::TicketBody::from(given)).unwrap_or_default()
}

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) house: Arc<House>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// The routes; `extra` is merged and answers what is not here.
pub(crate) fn router(desk: Desk, extra: Router) -> Router {
    let own = Router::new()
        .route("/v1/connect", get(connect::connect))
        .route("/v1/exchange", post(exchange::exchange).layer(exchange::body_limit()))
        .route("/v1/login", post(account::login))
        .route("/v1/mint", post(account::mint))
        .route("/v1/ticket", post(account::ticket))
        .route("/v1/logout", post(account::logout))
        .route("/v1/server", get(me::server))
        .route("/v1/me", get(me::me))
        .route("/v1/me/password", post(me::password))
        .route("/v1/setup", post(links::set_up))
        .route("/v1/invitations/look", post(links::look))
        .route("/v1/invitations/accept", post(links::accept))
        .nest("/v1/admin", admin::routes())
        .route("/health", get(health))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(desk);
    own.fallback_service(extra.fallback(absent)).method_not_allowed_fallback(not_allowed)
}

/// Public: says no more than a load balancer needs.
async fn health(State(desk): State<Desk>) -> Response {
    if *desk.stop.borrow() {
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        return (status, Json(serde_json::json!({ "status": "draining" }))).into_response();
    }
    Json(serde_json::json!({ "status": "ok" })).into_response()
}

async fn absent() -> Refused {
    Refused::of(ErrorCode::Absent, "no such page")
}

async fn not_allowed() -> Refused {
    Refused::of(ErrorCode::KindRefused, "this method is not for this page")
}

#[test]
fn only_proxies_are_believed() {
    let gate = Gate::new(crate::GatewayOptions::new(([127, 0, 0, 1], 0).into()).gate, &[]);
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", "203.0.113.9, 192.0.2.1".parse().unwrap());
    let of = |socket: &str| Peer(socket.parse().unwrap()).caller(&gate, &headers).to_string();
    assert_eq!(of("127.0.0.1"), "192.0.2.1");
    assert_eq!(of("198.51.100.1"), "198.51.100.1");
    headers.append("x-forwarded-for", "unknown".parse().unwrap());
    let of = Peer([127, 0, 0, 1].into()).caller(&gate, &headers);
    assert!(of.is_loopback());
}
