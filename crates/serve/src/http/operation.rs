//! Health, metrics, and reloading.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    error::{Failure, Kind},
};

/// The media type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// For those who run the server; open, as they say nothing of texts.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health", get(ready))
        .route("/metrics", get(metrics))
}

/// For those who have a key.
pub(super) fn admin_router() -> Router<Arc<App>> {
    Router::new().route("/admin/reload", post(reload))
}

async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Models are loaded before the server listens, so it is ready until it is told to end.
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    match app.is_ready() {
        true => Ok(Json(json!({ "status": "ok" }))),
        false => Err(Failure::new(Kind::Ending, "the server is ending")),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    for served in app.models.all() {
        app.metrics.queue(&served.name, served.queue.n_waiting(), served.queue.n_running());
    }
    ([(header::CONTENT_TYPE, PROMETHEUS)], app.metrics.text()).into_response()
}

async fn reload(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    if app.keys.is_none() {
        let message = "this needs a server with keys: start it with --api-key-file, or send it SIGHUP";
        return Err(Failure::new(Kind::Forbidden, message));
    }
    let of_work = Arc::clone(&app);
    let reloaded = spawn_blocking(move || of_work.reload()).await.map_err(|error| Failure::broken(&error))?;
    // Why a model was not loaded names paths: the log tells that.
    let failed: Vec<&String> = reloaded.failed.iter().map(|(name, _)| name).collect();
    Ok(Json(json!({ "loaded": reloaded.loaded, "unchanged": reloaded.unchanged, "failed": failed })))
}
