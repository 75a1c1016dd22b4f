//! `POST /v1/exchange`: frames up, frames down, for networks that keep no connection open.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::BytesMut;
use tenon_wire::json::JsonError;
use tenon_wire::{ErrorCode, feature};

use super::connect::is_origin_allowed;
use super::{Desk, Refused};
use crate::connection::exchange;
use crate::connection::machine::Machine;
use crate::map::hello::EXCHANGE_FEATURES;
use crate::transport::websocket::{TEXT_BYTES_MAX, read_text, write_texts};

/// Media type of frames.
const FRAMES: &str = "application/x-tenon-frames";
/// Media type of envelopes.
const JSON: &str = "application/json";

/// A body holds a Hello and what fits one largest text message.
pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(TEXT_BYTES_MAX)
}

/// What the body of an exchange is.
enum Form {
    Frames,
    /// Methods of the requests in it.
    Envelopes(BTreeMap<u32, u32>),
}

/// Runs one exchange; status 200 whenever the answer has frames.
pub(super) async fn exchange(
    State(desk): State<Desk>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let house = desk.house;
    if !is_origin_allowed(&headers, &house.options.origins) {
        return Err(Refused::of(ErrorCode::OriginRefused, "this page may not connect"));
    }
    if *desk.stop.borrow() {
        return Err(Refused::later(ErrorCode::Draining, 1_000));
    }
    let body = body.map_err(|_| Refused::of(ErrorCode::TooLarge, "body of at most 128 KiB"))?;
    let (mut form, frames) = read(&headers, body)?;
    let features = match form {
        Form::Frames => EXCHANGE_FEATURES,
        Form::Envelopes(_) => EXCHANGE_FEATURES & !feature::CHUNKED_RESPONSE,
    };
    let machine = Machine::new(Arc::clone(&house), [0; 32], features);
    let answer = exchange::run(machine, frames).await;
    write(&mut form, &answer)
}

fn read(headers: &HeaderMap, body: Bytes) -> Result<(Form, Bytes), Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim).unwrap_or_default();
    if kind.eq_ignore_ascii_case(FRAMES) {
        return Ok((Form::Frames, body));
    }
    if !kind.eq_ignore_ascii_case(JSON) {
        let text = format!("Content-Type {FRAMES} or {JSON}");
        return Err(Refused::of(ErrorCode::BadMessage, text));
    }
    let (mut methods, mut frames) = (BTreeMap::new(), BytesMut::new());
    read_text(&body, &mut methods, &mut frames).map_err(bad_text)?;
    Ok((Form::Envelopes(methods), frames.freeze()))
}

fn bad_text(error: JsonError) -> Refused {
    Refused::of(error.code(), error.to_string())
}

fn write(form: &mut Form, frames: &[u8]) -> Result<Response, Refused> {
    let (kind, body) = match form {
        Form::Frames => (FRAMES, axum::body::Body::from(frames.to_vec())),
        Form::Envelopes(methods) => {
            let texts = write_texts(frames, methods).map_err(bad_text)?;
            (JSON, axum::body::Body::from(joined(&texts)))
        }
    };
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One array of all envelopes.
fn joined(texts: &[String]) -> String {
    let inner = |text: &str| match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(list) => list.to_owned(),
        None => text.to_owned(),
    };
    let inner: Vec<_> = texts.iter().map(|text| inner(text)).collect();
    format!("[{}]", inner.join(","))
}

#[test]
fn texts_become_one_array() {
    let texts = ["[{\"id\":1},{\"id\":2}]".to_owned(), "{\"id\":3}".to_owned()];
    assert_eq!(joined(&texts), "[{\"id\":1},{\"id\":2},{\"id\":3}]");
    assert_eq!(joined(&[]), "[]");
}
