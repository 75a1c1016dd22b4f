//! Administration of the organisation, for accounts with that role. Every route names [`super::caller::Administrator`].

mod audit;

use axum::Router;
use axum::routing::get;

use super::Desk;

/// The routes below `/v1/admin`.
pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/audit", get(audit::audit))
}
