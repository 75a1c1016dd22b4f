//! The admin listener: metrics and health, never content.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use prometheus::{Encoder, IntGauge, Registry, TextEncoder};
use tenon_store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::error::ServerError;
use crate::house::House;

#[derive(Clone)]
struct Watch {
    registry: Registry,
    store: Store,
    figures: Arc<Figures>,
    token: Option<Arc<Zeroizing<String>>>,
    stop: watch::Sender<bool>,
}

/// Figures of the store, read when somebody asks.
struct Figures {
    disk: IntGauge,
    write_amplification: prometheus::Gauge,
}

/// Starts it, if the configuration names an address.
pub(super) async fn start(
    config: &Config,
    house: &House,
    stop: watch::Sender<bool>,
) -> Result<Option<SocketAddr>, ServerError> {
    let Some(address) = config.admin_listen else { return Ok(None) };
    let token = match &config.admin_token_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ServerError::Io { path: path.clone(), source })?;
            Some(Arc::new(Zeroizing::new(text.trim().to_owned())))
        }
        None => None,
    };
    let registry = house.registry.clone();
    let figures = Figures {
        disk: IntGauge::new("tenon_store_disk_bytes", "Bytes of the store on the disk")?,
        write_amplification: prometheus::Gauge::new(
            "tenon_store_write_amplification",
            "Bytes written per byte given",
        )?,
    };
    registry.register(Box::new(figures.disk.clone()))?;
    registry.register(Box::new(figures.write_amplification.clone()))?;
    let mut stopped = stop.subscribe();
    let state = Watch {
        registry,
        store: house.ground().store.clone(),
        figures: Arc::new(figures),
        token,
        stop,
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readiness))
        .route("/drain", post(drain))
        .with_state(state);
    let failed = |error: std::io::Error| {
        ServerError::Gateway(format!("the admin listener cannot use {address}: {error}"))
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move {
        let until = async move { drop(stopped.wait_for(|stop| *stop).await) };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
            tracing::error!(%error, "the admin listener ended");
        }
    });
    Ok(Some(address))
}

/// A token, where one is set, compared in constant time.
fn is_allowed(watch: &Watch, headers: &HeaderMap) -> bool {
    let Some(token) = &watch.token else { return true };
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    verify_slices_are_equal(presented.as_bytes(), token.as_bytes()).is_ok()
}

async fn metrics(State(watch): State<Watch>, headers: HeaderMap) -> impl IntoResponse {
    if !is_allowed(&watch, &headers) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let figures = watch.store.figures();
    watch.figures.disk.set(i64::try_from(figures.disk_bytes).unwrap_or(i64::MAX));
    watch.figures.write_amplification.set(figures.write_amplification());
    let mut text = Vec::new();
    let encoded = TextEncoder::new().encode(&watch.registry.gather(), &mut text);
    match (encoded, String::from_utf8(text)) {
        (Ok(()), Ok(text)) => (StatusCode::OK, text),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    }
}

async fn readiness(State(watch): State<Watch>) -> impl IntoResponse {
    if *watch.stop.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ready")
    }
}

/// A planned stop: devices are asked to go, then the process ends.
async fn drain(State(watch): State<Watch>, headers: HeaderMap) -> impl IntoResponse {
    if !is_allowed(&watch, &headers) {
        return StatusCode::UNAUTHORIZED;
    }
    watch.stop.send_replace(true);
    StatusCode::ACCEPTED
}
