//! The admin server: /livez, /readyz and /metrics.

use std::{future::Future, time::Instant};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use tokio::net::TcpListener;

use crate::telemetry::{Health, Metrics};

/// The media type of Prometheus' open text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves on `listener` until `shutdown`.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez).with_state(health.clone()))
        .route("/readyz", get(readyz).with_state(health))
        .route("/metrics", get(scrape).with_state(metrics));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

/// Whoever asks also learns whether the runtime still answers: it runs this too.
async fn livez(State(health): State<Health>) -> impl IntoResponse {
    answer(health.alive(Instant::now()).map(|()| "ok".to_owned()))
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    answer(health.check().map(|()| health.fine()))
}

fn answer(state: Result<String, String>) -> impl IntoResponse {
    match state {
        Ok(fine) => (StatusCode::OK, format!("{fine}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn scrape(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([("content-type", OPEN_METRICS)], metrics.text())
}
