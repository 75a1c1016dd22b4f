//! The web client, from the binary itself.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

mod files {
    include!(concat!(env!("OUT_DIR"), "/web_files.rs"));
}

/// Shown where the binary was built without the web client.
const WITHOUT_CLIENT: &str = include_str!("without_client.html");
/// Scripts and styles of the client's own files only: a hostile message can at worst look strange.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; \
    frame-ancestors 'none'; form-action 'self'";

/// Pages at `/`; paths without a file show the client, which has its own addresses.
pub(super) fn router() -> Router {
    Router::new().route("/", get(page)).route("/{*path}", get(page))
}

async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if files::FILES.is_empty() {
        return if path.is_empty() || path == "index.html" {
            answer("index.html", WITHOUT_CLIENT.as_bytes(), false)
        } else {
            StatusCode::NOT_FOUND.into_response()
        };
    }
    let find = |wanted: &str| files::FILES.iter().find(|(name, _)| *name == wanted);
    if let Some((name, bytes)) = find(path) {
        return answer(name, bytes, true);
    }
    // A reader of an address inside the client, not a program that wants a missing file.
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    match find("index.html") {
        Some((name, bytes)) if path.is_empty() || wants_page => answer(name, bytes, true),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(name: &str, bytes: &'static [u8], is_client: bool) -> Response {
    // Built files carry a hash in their name; the page that names them does not.
    let is_fixed = is_client && name.starts_with("assets/");
    let cache = if is_fixed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    for (key, value) in [
        (header::CONTENT_TYPE, media_type(name)),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(key, HeaderValue::from_static(value));
    }
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
