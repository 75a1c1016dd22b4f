//! Sign-in by password, fresh tickets, sign-out. Secrets pass through here and are never logged.

use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tenon_core::admission::{Credential, Login, Mint};
use tenon_core::handover::Reply;
use tenon_wire::ErrorCode;
use tokio::sync::oneshot;

use super::{Desk, Peer, Refused};
use crate::gate::LoginPass;

/// Bytes of a device label.
const LABEL_BYTES_MAX: usize = 64;
/// Device kinds: phone, pad, desktop, web, app.
const DEVICE_KINDS: std::ops::RangeInclusive<u32> = 1..=5;

/// What a person signs in with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    name: String,
    password: String,
    label: String,
    device_kind: u32,
}

/// A ticket and, after a sign-in, the credential it came with. Ids are decimal text: they do not fit a JSON number.
#[derive(Serialize)]
pub(super) struct TicketBody {
    #[serde(skip_serializing_if = "String::is_empty")]
    credential: String,
    ticket: String,
    ticket_until_ms: u64,
    user: String,
    device: String,
    device_epoch: u32,
    org: String,
    name: String,
}

impl From<Credential> for TicketBody {
    fn from(given: Credential) -> Self {
        Self {
            credential: given.secret,
            ticket: base64(&given.ticket),
            ticket_until_ms: given.ticket_until.0,
            user: given.author.user.to_string(),
            device: given.author.device.to_string(),
            device_epoch: given.author.device_epoch.0,
            org: given.author.org.to_string(),
            name: given.name,
        }
    }
}

/// `POST /v1/login`.
pub(super) async fn login(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Json<LoginBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let result = sign_in(&desk, peer.caller(&desk.house.gate, &headers), body).await;
    let label = if result.is_ok() { "ok" } else { "refused" };
    desk.house.metrics.logins.with_label_values(&[label]).inc();
    result
}

async fn sign_in(
    desk: &Desk,
    address: IpAddr,
    body: Result<Json<LoginBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(body) = body.map_err(bad_body)?;
    check_device(&body.label, body.device_kind)?;
    let pass = admit(desk, address)?;
    let login = Login {
        name: body.name,
        password: body.password,
        label: body.label,
        device_kind: body.device_kind,
        address: Some(address),
    };
    let (reply, answer) = asked();
    desk.house.doors.admission.login(login, reply);
    let given = answered(answer).await?;
    drop(pass);
    Ok(private(Json(TicketBody::from(given)).into_response()))
}

/// What every new device says of itself.
pub(super) fn check_device(label: &str, device_kind: u32) -> Result<(), Refused> {
    if label.len() > LABEL_BYTES_MAX || !DEVICE_KINDS.contains(&device_kind) {
        return Err(Refused::of(ErrorCode::BadMessage, "label of 64 bytes, device_kind 1 to 5"));
    }
    Ok(())
}

/// Whatever hashes a password is bounded, in all and for each address; the pass is held while it lasts.
pub(super) fn admit(desk: &Desk, address: IpAddr) -> Result<LoginPass, Refused> {
    let admitted = desk.house.gate.admit_login(address, desk.house.doors.clock.monotonic());
    admitted.map_err(|after_ms| Refused::later(ErrorCode::Busy, after_ms))
}

/// For whom an app asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MintBody {
    name: String,
    label: String,
    device_kind: u32,
}

/// `POST /v1/mint` with `Authorization: Bearer <app credential>`: a device credential for a user.
pub(super) async fn mint(
    State(desk): State<Desk>,
    headers: HeaderMap,
    body: Result<Json<MintBody>, JsonRejection>,
) -> Result<Response, Refused> {
    let app = bearer(&headers)
        .ok_or_else(|| Refused::of(ErrorCode::TicketInvalid, "Authorization: Bearer is missing"))?;
    let Json(body) = body.map_err(bad_body)?;
    check_device(&body.label, body.device_kind)?;
    let (name, label, device_kind) = (body.name, body.label, body.device_kind);
    let (reply, answer) = asked();
    desk.house.doors.admission.mint(Mint { app, name, label, device_kind }, reply);
    let given = answered(answer).await?;
    Ok(private(Json(TicketBody::from(given)).into_response()))
}

/// `POST /v1/ticket` with `Authorization: Bearer <credential>`.
pub(super) async fn ticket(
    State(desk): State<Desk>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let given = refresh(&desk, &headers).await?;
    Ok(private(Json(TicketBody::from(given)).into_response()))
}

/// `POST /v1/logout` with `Authorization: Bearer <credential>`: removes the device.
pub(super) async fn logout(
    State(desk): State<Desk>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let given = refresh(&desk, &headers).await?;
    let (reply, answer) = asked();
    desk.house.doors.admission.sign_out(given.author, reply);
    answered(answer).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn refresh(desk: &Desk, headers: &HeaderMap) -> Result<Credential, Refused> {
    let credential = bearer(headers)
        .ok_or_else(|| Refused::of(ErrorCode::TicketInvalid, "Authorization: Bearer is missing"))?;
    let (reply, answer) = asked();
    desk.house.doors.admission.refresh(credential, reply);
    answered(answer).await
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<Bytes> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, secret) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| Bytes::copy_from_slice(secret.trim_ascii()))
}

/// Answers with secrets are kept by nobody on the way.
pub(crate) fn private(mut response: Response) -> Response {
    let no_store = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

pub(crate) fn bad_body(rejection: JsonRejection) -> Refused {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refused::of(ErrorCode::TooLarge, "body is too large"),
        _ => Refused::of(ErrorCode::BadMessage, rejection.body_text()),
    }
}

pub(crate) type Asked<T> = oneshot::Receiver<Option<Result<T, tenon_core::admission::Refusal>>>;

pub(crate) fn asked<T: Send + 'static>()
-> (Reply<Result<T, tenon_core::admission::Refusal>>, Asked<T>) {
    let (sender, receiver) = oneshot::channel();
    // A caller that went away needs no answer.
    (Reply::new(move |answer| drop(sender.send(answer))), receiver)
}

pub(crate) async fn answered<T>(asked: Asked<T>) -> Result<T, Refused> {
    match asked.await.ok().flatten() {
        Some(Ok(value)) => Ok(value),
        Some(Err(refusal)) => Err(refusal.into()),
        None => Err(Refused::later(ErrorCode::NoLeader, 1_000)),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding, as proto3 JSON writes bytes: the ticket goes into `Hello.ticket` as it is.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let symbol = ALPHABET[(group >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(symbol) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_one_of_the_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (input, expect) in cases {
            assert_eq!(base64(input.as_bytes()), expect);
        }
        assert_eq!(base64(&[0xFB, 0xFF]), "+/8=");
    }

    #[test]
    fn a_bearer_is_read_and_nothing_else() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers)
        };
        assert_eq!(of("Bearer tnd_1").as_deref(), Some(b"tnd_1".as_slice()));
        assert_eq!(of("bearer  tnd_1 ").as_deref(), Some(b"tnd_1".as_slice()));
        assert_eq!(of("Basic dDp0"), None);
        assert_eq!(of("Bear"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
