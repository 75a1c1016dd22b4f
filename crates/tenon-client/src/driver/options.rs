//! What a client needs to know.

use std::path::PathBuf;
use std::sync::Arc;

use tenon_base::{Clock, Random};

use super::record::RecordTo;
use super::time::{SystemClock, SystemRandom};
use super::tls::Tls;
use crate::engine::{Auth, EngineConfig};

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Frames on plain TCP: loopback only.
    Tcp,
    /// Frames on TLS.
    Tls,
    /// WebSocket without TLS: loopback only.
    Ws,
    /// WebSocket on TLS.
    Wss,
}

/// Address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// How.
    pub scheme: Scheme,
    /// Host name or address, without brackets.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
}

/// Text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "server url must be tcp://, tls://, ws:// or wss://host:port, plain ones on loopback only: {0}"
)]
pub struct UrlError(String);

impl std::str::FromStr for ServerUrl {
    type Err = UrlError;

    /// Reads `scheme://host[:port]`; http and https stand for ws and wss. Plain schemes are for loopback only.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let bad = || UrlError(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let (scheme, port) = match scheme {
            "tcp" => (Scheme::Tcp, None),
            "tls" => (Scheme::Tls, Some(443)),
            "ws" | "http" => (Scheme::Ws, Some(80)),
            "wss" | "https" => (Scheme::Wss, Some(443)),
            _ => return Err(bad()),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port_text) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((host, after)) => (host, after.strip_prefix(':')),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port_text {
            Some(text) => Some(text.parse().map_err(|_| bad())?),
            None => port,
        };
        let url = Self { scheme, host: host.into(), port: port.ok_or_else(bad)? };
        let is_plain = matches!(scheme, Scheme::Tcp | Scheme::Ws);
        if host.is_empty() || host.contains('/') || (is_plain && !url.is_loopback()) {
            return Err(bad());
        }
        Ok(url)
    }
}

impl ServerUrl {
    fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        &*self.host == "localhost" || address.is_ok_and(|a| a.to_canonical().is_loopback())
    }

    /// The authority for an HTTP request.
    pub(super) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Where the local copy is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// A folder of this device; made if absent. Survives restarts and power loss.
    Folder(PathBuf),
    /// In memory, with rows: for short-lived tools.
    Memory,
    /// Nothing is kept: for thousands of clients in one process. History comes from the server each time.
    Nothing,
}

/// What a client needs to know.
#[derive(Clone)]
pub struct ClientOptions {
    /// The server.
    pub server: ServerUrl,
    /// Whom it trusts; needed for TLS.
    pub tls: Option<Tls>,
    /// Where the local copy is kept.
    pub store: StoreChoice,
    /// Who the device is, and the numbers of the engine.
    pub engine: EngineConfig,
    /// Events that wait for the app before the stream is held back.
    pub events_max: usize,
    /// Appends what this device asks for, is answered and is shown to a file, for `tenon check`: see
    /// `docs/formats/history.md`. Digests instead of texts. For tests and measurements: each line is written at once,
    /// in the client's task.
    pub record: Option<RecordTo>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness of pauses.
    pub random: Arc<dyn Random>,
}

impl ClientOptions {
    /// Starting values for a server and a secret; the store is in memory.
    pub fn new(server: ServerUrl, auth: Auth) -> Self {
        Self {
            server,
            tls: None,
            store: StoreChoice::Memory,
            engine: EngineConfig::new(auth),
            events_max: 1_024,
            record: None,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
        }
    }
}

impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOptions")
            .field("server", &self.server)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let read = |text: &str| text.parse::<ServerUrl>().ok().map(|u| (u.scheme, u.authority()));
        assert_eq!(read("tcp://127.0.0.1:7000"), Some((Scheme::Tcp, "127.0.0.1:7000".into())));
        assert_eq!(read("ws://[::1]:80/"), Some((Scheme::Ws, "[::1]:80".into())));
        assert_eq!(read("https://im.example"), Some((Scheme::Wss, "im.example:443".into())));
        assert_eq!(read("tls://im.example:8443"), Some((Scheme::Tls, "im.example:8443".into())));
        for bad in
            ["tcp://127.0.0.1", "tcp://im.example:1", "ws://10.0.0.1:80", "ftp://x:1", "tls://:1"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
