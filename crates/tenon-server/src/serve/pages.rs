//! The web client: from the binary itself, or from a folder read once at the start.
//!
//! Takes and gives: files by their path below the root; a folder that is not there is refused before the server is ready.
//! Not here: building the client.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
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

/// The files of the client by their path, with `/` between the parts.
#[derive(Debug, Clone)]
pub(super) struct Files(Arc<BTreeMap<String, Bytes>>);

impl Files {
    /// Those that the binary carries; none where it was built without the client.
    pub(super) fn embedded() -> Self {
        let files = files::FILES.iter();
        Self(Arc::new(files.map(|(n, b)| ((*n).to_owned(), Bytes::from_static(b))).collect()))
    }

    /// Those of a folder as it is now; later changes are not seen.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files)?;
        Ok(Self(Arc::new(files)))
    }
}

fn collect(folder: &Path, above: &str, files: &mut BTreeMap<String, Bytes>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, Bytes::from(std::fs::read(entry.path())?));
        }
    }
    Ok(())
}

/// Pages at `/`; paths without a file show the client, which has its own addresses.
pub(super) fn router(files: Files) -> Router {
    Router::new().route("/", get(page)).route("/{*path}", get(page)).with_state(files)
}

async fn page(State(Files(files)): State<Files>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if files.is_empty() {
        return if path.is_empty() || path == "index.html" {
            answer("index.html", Bytes::from_static(WITHOUT_CLIENT.as_bytes()), false)
        } else {
            StatusCode::NOT_FOUND.into_response()
        };
    }
    if let Some(bytes) = files.get(path) {
        return answer(path, bytes.clone(), true);
    }
    // A reader of an address inside the client, not a program that wants a missing file.
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    match files.get("index.html") {
        Some(bytes) if path.is_empty() || wants_page => answer("index.html", bytes.clone(), true),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(name: &str, bytes: Bytes, is_client: bool) -> Response {
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
