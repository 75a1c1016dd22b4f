//! The one form of an HTTP error: `{code, number, message, doc}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tenon_core::admission::Refusal;
use tenon_wire::ErrorCode;

/// A refused call.
#[derive(Debug)]
pub(crate) struct Refused {
    code: ErrorCode,
    message: String,
    after_ms: u32,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    code: &'static str,
    number: u32,
    message: &'a str,
    doc: String,
}

impl Refused {
    /// A refusal with a text for developers.
    pub(crate) fn of(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), after_ms: 0 }
    }

    /// The same, to be tried again after a while.
    pub(crate) fn later(code: ErrorCode, after_ms: u32) -> Self {
        Self { code, message: String::new(), after_ms }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        // A number that is not in the registry is a fault of the room that gave it; the caller may try again.
        let code = ErrorCode::from_number(refusal.code).unwrap_or(ErrorCode::Degraded);
        Self::later(code, refusal.after_ms)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = self.code.text();
        let message = if self.message.is_empty() { text } else { &self.message };
        let doc = format!("/docs/errors/{text}");
        let body = Body { code: text, number: self.code.number(), message, doc };
        let mut response = (status, Json(body)).into_response();
        if self.after_ms > 0 {
            let seconds = HeaderValue::from(self.after_ms.div_ceil(1_000));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
