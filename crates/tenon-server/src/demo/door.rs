//! The way in for a visitor: one click, no password. Only in a demonstration, and only where nobody but this machine can ask.
//!
//! `GET /v1/demo` names the two people, `POST /v1/demo/sign-in {"who"}` signs one in, with the answer of `/v1/login`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tenon_receiver::{Admin, ReceiverHandle};

use super::cast::{ADMIN, MEMBER, Person};
use super::life::refreshed;

/// Devices of one visitor; the next one takes the place of the first.
const DEVICES: u64 = 40;
/// Bytes of a call.
const BODY_BYTES_MAX: usize = 256;
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

#[derive(Clone)]
struct Door {
    admin: Admin,
    receiver: ReceiverHandle,
    clicks: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    Admin,
    Member,
}

impl Who {
    const ALL: [Self; 2] = [Self::Admin, Self::Member];

    const fn text(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    const fn person(self) -> Person {
        match self {
            Self::Admin => ADMIN,
            Self::Member => MEMBER,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    who: Who,
}

/// The routes. Give them to a server that listens on a loopback address.
pub(super) fn routes(admin: Admin, receiver: ReceiverHandle, first: u64) -> Router {
    let door = Door { admin, receiver, clicks: Arc::new(AtomicU64::new(first)) };
    Router::new()
        .route("/v1/demo", get(people))
        .route("/v1/demo/sign-in", post(sign_in))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(door)
}

async fn people(headers: HeaderMap) -> Response {
    if !is_of_this_machine(&headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let people: Vec<_> = Who::ALL
        .iter()
        .map(|who| {
            let person = who.person();
            json!({ "who": who.text(), "name": person.name, "display_name": person.display })
        })
        .collect();
    Json(json!({ "people": people, "source": super::SOURCE })).into_response()
}

async fn sign_in(
    State(door): State<Door>,
    headers: HeaderMap,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Response {
    if !is_of_this_machine(&headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(Json(body)) = body else { return StatusCode::BAD_REQUEST.into_response() };
    let click = door.clicks.fetch_add(1, Ordering::Relaxed) % DEVICES;
    let label = format!("Visitor {}", click + 1);
    let given = match door.admin.mint(body.who.person().name, &label).await {
        Ok(credential) => refreshed(&door.receiver, Bytes::from(credential.clone()))
            .await
            .map(|ticket| tenon_core::admission::Credential { secret: credential, ..ticket }),
        Err(error) => {
            tracing::warn!(%error, "a visitor cannot be signed in");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    match given {
        Ok(given) => {
            let body = Json(tenon_gateway::sign_in_body(given));
            ([(header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Asked by this machine, by its name: not through a proxy, not by a page of another site, not under a name that was bent
/// to this address.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let is_own_page = match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().is_ok_and(|origin| {
            let page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            page.is_some_and(|page| page.eq_ignore_ascii_case(host))
        }),
    };
    let is_direct = !headers.contains_key(FORWARDED) && !headers.contains_key(header::FORWARDED);
    is_own_page && is_direct && is_loopback_name(host)
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_this_machine_by_its_own_name_may_ask() {
        let of = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            is_of_this_machine(&headers)
        };
        for host in ["127.0.0.1:7700", "localhost:7700", "LOCALHOST", "[::1]:7700", "127.0.0.2"] {
            assert!(of(&[("host", host)]), "{host}");
            assert!(of(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
            assert!(!of(&[("host", host), ("origin", "http://evil.example")]), "{host}");
            assert!(!of(&[("host", host), ("x-forwarded-for", "192.0.2.1")]), "{host}");
            assert!(!of(&[("host", host), ("forwarded", "for=192.0.2.1")]), "{host}");
            assert!(!of(&[("host", host), ("origin", "null")]), "{host}");
        }
        for host in ["evil.example:7700", "127.0.0.1.evil.example", "192.0.2.1:7700", "", ":7700"] {
            assert!(!of(&[("host", host)]), "{host}");
        }
        assert!(!of(&[]), "no name at all");
    }
}
