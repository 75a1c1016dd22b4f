//! The JSON form `tenon.v1.json`: one [`Envelope`] or an array of at most 64.
//!
//! Standard proto3 JSON (ids and u64 as decimal strings, bytes as base64, lowerCamelCase, unknown fields ignored),
//! with one extension: where a `body` has a known type by `kind`, `type` or `method`, the object carries
//! `"content": {...}` instead. Unknown and sealed bodies stay base64. Input may use either, not both.
//! Content shows what this version knows of a body: fields of newer versions are left out, as proto3 JSON does.
//! A response names no method, so the caller tells the method of the request with its id.

mod body;
mod envelope;

use bytes::Bytes;
use serde_json::{Map, Value};

pub use envelope::{envelope_of, put_envelope};

use crate::bounds::DecodeError;
use crate::error::ErrorCode;
use crate::frame::FrameError;
use crate::v1::{Envelope, ReadResponse};

mod schema {
    #![allow(
        clippy::too_many_lines,
        reason = "generated: one line for each message that holds others"
    )]
    include!(concat!(env!("OUT_DIR"), "/tenon.v1.nested.rs"));
}

/// Envelopes in one text message.
pub const ENVELOPES_MAX: usize = 64;

/// Why text is not a list of envelopes, or an envelope not a frame.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text is longer than the caller allows; nothing was parsed.
    #[error("text has {len} bytes, {max} allowed")]
    TooLong {
        /// What came.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// More than [`ENVELOPES_MAX`], or not an object or array of them.
    #[error("expected one envelope or an array of at most 64")]
    Shape,
    /// An object has both `body` and `content`.
    #[error("an object has both body and content")]
    BodyAndContent,
    /// An object has `content`, but its `kind`, `type` or `method` names no known type.
    #[error("content of unknown type: set kind, type or method, or use body")]
    ContentOfUnknownType,
    /// No arm of the envelope is set, or only one that is not known here.
    #[error("envelope without a known frame")]
    Empty,
    /// Not JSON, or not of the schema.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A message does not decode or a list is too long.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The message is no frame of this protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl JsonError {
    /// The wire code that tells the peer.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLong { .. } => ErrorCode::FrameTooLarge,
            Self::Frame(error) => error.code(),
            _ => ErrorCode::BadMessage,
        }
    }
}

/// Writes one envelope as an object, several as an array. `method_of` tells the method of the request with an id.
///
/// # Errors
/// [`JsonError::Shape`] above [`ENVELOPES_MAX`].
pub fn to_json(
    envelopes: &[Envelope],
    method_of: &dyn Fn(u32) -> Option<u32>,
) -> Result<String, JsonError> {
    if envelopes.len() > ENVELOPES_MAX {
        return Err(JsonError::Shape);
    }
    let mut values = Vec::with_capacity(envelopes.len());
    for envelope in envelopes {
        let mut value = serde_json::to_value(envelope)?;
        open_bodies("Envelope", &mut value, method_of(envelope.id))?;
        values.push(value);
    }
    let whole = match <[Value; 1]>::try_from(values) {
        Ok([one]) => one,
        Err(values) => Value::Array(values),
    };
    Ok(serde_json::to_string(&whole)?)
}

/// Reads one envelope or an array of them. Lists inside are judged when they become frames.
///
/// # Errors
/// Any [`JsonError`] but those of frames; nothing of the text is used then.
pub fn from_json(
    text: &[u8],
    bytes_max: usize,
    method_of: &dyn Fn(u32) -> Option<u32>,
) -> Result<Vec<Envelope>, JsonError> {
    if text.len() > bytes_max {
        return Err(JsonError::TooLong { len: text.len(), max: bytes_max });
    }
    let values = match serde_json::from_slice(text)? {
        Value::Array(values) if values.len() <= ENVELOPES_MAX => values,
        one @ Value::Object(_) => vec![one],
        _ => return Err(JsonError::Shape),
    };
    let read = |mut value: Value| {
        let id = value.as_object().and_then(|o| number(o, "id")).unwrap_or_default();
        close_bodies("Envelope", &mut value, method_of(id))?;
        Ok(serde_json::from_value(value)?)
    };
    values.into_iter().map(read).collect()
}

/// Replaces `body` by `content` in `value` and all that it holds, where the type is known and the bytes are of it.
fn open_bodies(message: &str, value: &mut Value, method: Option<u32>) -> Result<(), JsonError> {
    each_nested(message, value, &mut |kind, inner| open_bodies(kind, inner, method))?;
    let Some(object) = value.as_object_mut() else { return Ok(()) };
    let Some(kind) = body_type(message, object, method) else { return Ok(()) };
    let Some(bytes) = object.get("body").cloned().map(from_base64).transpose()? else {
        return Ok(());
    };
    if let Some(mut content) = body::to_value(kind, bytes) {
        open_bodies(kind, &mut content, None)?;
        object.remove("body");
        object.insert("content".into(), content);
    }
    Ok(())
}

/// Replaces `content` by `body` in `value` and all that it holds.
fn close_bodies(message: &str, value: &mut Value, method: Option<u32>) -> Result<(), JsonError> {
    each_nested(message, value, &mut |kind, inner| close_bodies(kind, inner, method))?;
    let Some(object) = value.as_object_mut() else { return Ok(()) };
    if !has_body(message) || !object.contains_key("content") {
        return Ok(());
    }
    // Ignoring it like an unknown field would send an empty body where the writer meant one.
    let kind = body_type(message, object, method).ok_or(JsonError::ContentOfUnknownType)?;
    let mut content = object.remove("content").unwrap_or_default();
    if object.contains_key("body") {
        return Err(JsonError::BodyAndContent);
    }
    close_bodies(kind, &mut content, None)?;
    let bytes = body::to_bytes(kind, content)?;
    object.insert("body".into(), to_base64(bytes.into())?);
    Ok(())
}

fn each_nested(
    message: &str,
    value: &mut Value,
    act: &mut dyn FnMut(&'static str, &mut Value) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let Some(object) = value.as_object_mut() else { return Ok(()) };
    for (field, kind) in schema::nested(message) {
        match object.get_mut(*field) {
            Some(Value::Array(list)) => list.iter_mut().try_for_each(|inner| act(kind, inner))?,
            Some(inner) => act(kind, inner)?,
            None => {}
        }
    }
    Ok(())
}

fn has_body(message: &str) -> bool {
    const WITH_BODY: [&str; 9] = [
        "Send",
        "MessageRow",
        "Edit",
        "ForwardLine",
        "SyncEvent",
        "Op",
        "Ephemeral",
        "ReadRequest",
        "ReadResponse",
    ];
    WITH_BODY.contains(&message)
}

/// The type of `object.body` if `message` has a body whose type is known.
fn body_type(
    message: &str,
    object: &Map<String, Value>,
    method: Option<u32>,
) -> Option<&'static str> {
    let of = |field| number(object, field).unwrap_or_default();
    match message {
        "Send" | "MessageRow" | "Edit" | "ForwardLine" => body::of_kind(of("kind")),
        "SyncEvent" if of("kind") == crate::message_kind::SEALED => None,
        "SyncEvent" => body::of_event(of("type")),
        "Op" => body::of_op(of("type")),
        "Ephemeral" => body::of_ephemeral(of("type")),
        "ReadRequest" => body::of_request(of("method")),
        "ReadResponse" => body::of_response(method?),
        _ => None,
    }
}

/// A u32 field; proto3 JSON allows a number or its decimal text.
fn number(object: &Map<String, Value>, field: &str) -> Option<u32> {
    match object.get(field)? {
        Value::Number(n) => n.as_u64()?.try_into().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Base64 as the generated code writes it: by way of a message with one bytes field.
fn to_base64(body: Bytes) -> Result<Value, JsonError> {
    let mut value = serde_json::to_value(ReadResponse { body, fence: None })?;
    let text = value.as_object_mut().and_then(|object| object.remove("body"));
    Ok(text.unwrap_or_else(|| Value::String(String::new())))
}

fn from_base64(body: Value) -> Result<Bytes, JsonError> {
    let object = Map::from_iter([("body".to_owned(), body)]);
    Ok(serde_json::from_value::<ReadResponse>(Value::Object(object))?.body)
}

#[cfg(test)]
mod tests;
