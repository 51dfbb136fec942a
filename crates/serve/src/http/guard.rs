//! What every request passes: its key, and its measures.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::answer::Told;
use crate::{
    app::App,
    error::{Failure, Kind},
};

/// Lets those through who give a key, if keys are asked for.
pub(super) async fn key(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match check_key(&app, bearer(&request)) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

/// The key that a request gives in its header.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// Refuses what is not a key, if keys are asked for.
pub(super) fn check_key(app: &App, given: Option<&str>) -> Result<(), Failure> {
    let Some(keys) = &app.keys else { return Ok(()) };
    match given {
        Some(key) if keys.has(key) => Ok(()),
        Some(_) => Err(Failure::new(Kind::Key, "the key is not one of this server's")),
        None => Err(Failure::new(Kind::Key, "give a key: Authorization: Bearer KEY")),
    }
}

/// Counts a request and its time, and tells the operator of what broke.
pub(super) async fn measure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    // Of a set that clients can't widen.
    let method = match request.method().as_str() {
        method @ ("GET" | "POST" | "HEAD" | "OPTIONS") => method.to_owned(),
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    if let Some(Told(failure)) = response.extensions().get::<Told>().filter(|told| told.0.kind == Kind::Broken) {
        (app.log)(&format!("{method} {path}: {}", failure.message));
    }
    app.metrics.request(&path, &method, response.status().as_u16(), since.elapsed());
    response
}
