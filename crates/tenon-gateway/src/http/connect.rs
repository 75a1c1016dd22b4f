//! `GET /v1/connect`: the way into a WebSocket.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use std::sync::Arc;
use tenon_base::limits::FRAME_UP_BYTES_MAX;
use tenon_wire::ErrorCode;

use super::{Desk, Peer, Refused};
use crate::connection::driver;
use crate::connection::machine::Machine;
use crate::map::hello::FEATURES;
use crate::transport::websocket::{BINARY, Socket, TEXT, TEXT_BYTES_MAX};

/// Read buffer per connection, held while it is idle: a frame of a chat is smaller.
const READ_BUFFER: usize = 2 * 1024;
/// A binary message holds whole frames; one largest frame with its header must fit.
const BINARY_BYTES_MAX: usize = FRAME_UP_BYTES_MAX + 1024;

/// Upgrades to the first sub-protocol of the device's list that is known here.
pub(super) async fn connect(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let house = desk.house;
    if !is_origin_allowed(&headers, &house.options.origins) {
        return Err(Refused::of(ErrorCode::OriginRefused, "this page may not connect"));
    }
    let upgrade = upgrade.map_err(|error| Refused::of(ErrorCode::BadMessage, error.body_text()))?;
    let protocol = chosen(&headers).ok_or_else(|| {
        Refused::of(ErrorCode::BadMessage, "no known Sec-WebSocket-Protocol: use tenon.v1")
    })?;
    if *desk.stop.borrow() {
        return Err(Refused::later(ErrorCode::Draining, 1_000));
    }
    let pass = house.gate.admit(peer.caller(&house.gate, &headers)).map_err(|reason| {
        house.metrics.refused.with_label_values(&[reason]).inc();
        Refused::later(ErrorCode::Overload, 1_000)
    })?;
    let (bytes_max, features) = match protocol {
        TEXT => (TEXT_BYTES_MAX, FEATURES & !tenon_wire::feature::CHUNKED_RESPONSE),
        _ => (BINARY_BYTES_MAX, FEATURES),
    };
    let upgrade = upgrade
        .protocols([protocol])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_frame_size(bytes_max)
        .max_message_size(bytes_max);
    Ok(upgrade.on_upgrade(move |socket| async move {
        // The browser cannot see its TLS session, so there is nothing to bind a Hello to.
        let machine = Machine::new(Arc::clone(&house), [0; 32], features);
        driver::run(Socket::new(socket, protocol), machine, pass).await;
    }))
}

/// The first entry of `Sec-WebSocket-Protocol` that is known.
fn chosen(headers: &HeaderMap) -> Option<&'static str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let names = lists.iter().filter_map(|list| list.to_str().ok()).flat_map(|l| l.split(','));
    names.map(str::trim).find_map(|name| [BINARY, TEXT].into_iter().find(|known| *known == name))
}

/// Pages of this host and of the list may connect; programs send no origin.
pub(super) fn is_origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|one| one.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, authority)| authority);
    host.zip(own).is_some_and(|(host, own)| host.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_devices_order_decides() {
        let of = |list| chosen(&headers(&[(header::SEC_WEBSOCKET_PROTOCOL, list)]));
        assert_eq!(of("tenon.v9, tenon.v1.json, tenon.v1"), Some(TEXT));
        assert_eq!(of("tenon.v1,tenon.v1.json"), Some(BINARY));
        assert_eq!(of("chat"), None);
        assert_eq!(chosen(&HeaderMap::new()), None);
    }

    #[test]
    fn foreign_pages_are_refused() {
        let list = ["https://chat.example.org".to_owned()];
        let of = |origin| {
            let pairs = [(header::ORIGIN, origin), (header::HOST, "im.example.org:8443")];
            is_origin_allowed(&headers(&pairs), &list)
        };
        assert!(of("https://chat.example.org"));
        assert!(of("https://im.example.org:8443"));
        assert!(!of("https://evil.example"));
        assert!(!of("null"));
        assert!(!of("https://im.example.org.evil.example:8443"));
        assert!(is_origin_allowed(&HeaderMap::new(), &list));
    }
}
