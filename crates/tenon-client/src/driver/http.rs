//! Sign-in over HTTP: name and password for a device credential.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::handle::ClientError;
use super::link;
use super::options::ServerUrl;
use super::tls::Tls;
use crate::engine::Auth;

/// Answers above this are not ours.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The whole call.
const WAIT: Duration = Duration::from_secs(30);

/// A device that is signed in. The credential is the secret of this device: keep it, show it to nobody.
#[derive(Clone, serde::Deserialize)]
pub struct SignIn {
    /// Opaque secret for [`Auth::Credential`].
    pub credential: String,
    /// The user.
    #[serde(deserialize_with = "number")]
    pub user: u64,
    /// The new device.
    #[serde(deserialize_with = "number")]
    pub device: u64,
    /// The user's organisation.
    #[serde(deserialize_with = "number")]
    pub org: u64,
    /// The user's name.
    pub name: String,
}

impl SignIn {
    /// What a Hello presents.
    pub fn auth(&self) -> Auth {
        Auth::Credential(Bytes::copy_from_slice(self.credential.as_bytes()))
    }
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn")
            .field("user", &self.user)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// The error body of the HTTP API.
#[derive(serde::Deserialize)]
struct Refusal {
    number: u32,
    message: String,
}

/// Ids are decimal text, since they do not fit a JSON number everywhere.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text: std::borrow::Cow<'de, str> = serde::Deserialize::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Signs in by name and password; makes a new device with this label and kind (1 phone, 2 pad, 3 desktop, 4 web,
/// 5 app). Keep the result: each call makes another device.
///
/// # Errors
/// [`ClientError::Refused`] with the server's code; [`ClientError::Link`] if the server can not be reached.
pub async fn sign_in(
    server: &ServerUrl,
    tls: Option<&Tls>,
    name: &str,
    password: &str,
    label: &str,
    device_kind: u32,
) -> Result<SignIn, ClientError> {
    let body = serde_json::json!({
        "name": name, "password": password, "label": label, "device_kind": device_kind,
    })
    .to_string();
    let call = post(server, tls, "/v1/login", &body);
    let answered = tokio::time::timeout(WAIT, call).await;
    let (status, body) = answered.map_err(|_| ClientError::Timeout)??;
    if status == 200 {
        return serde_json::from_slice(&body).map_err(|error| ClientError::Link(error.to_string()));
    }
    let refused: Refusal = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Refusal { number: 0, message: format!("HTTP status {status}") });
    Err(ClientError::Refused { code: refused.number, text: refused.message })
}

/// One call in HTTP/1.0: the answer has no pieces and ends with its length or with the connection.
async fn post(
    server: &ServerUrl,
    tls: Option<&Tls>,
    path: &str,
    body: &str,
) -> Result<(u16, Vec<u8>), ClientError> {
    let lost = |error: std::io::Error| ClientError::Link(error.to_string());
    let mut io = link::open(server, tls, true).await.map_err(lost)?;
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.authority(),
        body.len()
    );
    io.write_all(head.as_bytes()).await.map_err(lost)?;
    io.write_all(body.as_bytes()).await.map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    while bytes.len() <= ANSWER_BYTES_MAX {
        if let Some((status, body, true)) = parse(&bytes) {
            return Ok((status, body.to_vec()));
        }
        match io.read(&mut piece).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            // Without a length the end of the connection ends the answer, and not every peer says goodbye in TLS.
            Ok(_) | Err(_) => break,
        }
    }
    match parse(&bytes) {
        Some((status, body, _)) if bytes.len() <= ANSWER_BYTES_MAX => Ok((status, body.to_vec())),
        _ => Err(ClientError::Link("the answer is not HTTP".into())),
    }
}

/// Status, body so far, and whether the body is as long as its head says.
fn parse(bytes: &[u8]) -> Option<(u16, &[u8], bool)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let first = lines.next()?;
    let status = first.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let mut length = None;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<usize>().ok()?);
        }
    }
    Some((status, body, length.is_some_and(|length| body.len() >= length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_parsed() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse(whole), Some((200, &b"{}"[..], true)));
        assert_eq!(parse(&whole[..whole.len() - 1]), Some((200, &b"{"[..], false)));
        assert_eq!(parse(b"HTTP/1.0 401 Unauthorized\r\n\r\nno"), Some((401, &b"no"[..], false)));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), None);
        assert_eq!(parse(b"220 smtp\r\n\r\n"), None);
    }
}
