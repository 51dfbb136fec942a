//! The models that can be asked.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use serde_json::{Value, json};

use crate::{app::App, error::Failure, models::Served};

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let models: Vec<Value> = app.models.all().iter().map(|served| entry(served)).collect();
    Json(json!({ "object": "list", "data": models }))
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Failure> {
    let Path(name) = name?;
    Ok(Json(entry(&*app.models.find(Some(&name), "is here", |_| true)?)))
}

fn entry(served: &Served) -> Value {
    json!({ "id": served.name, "object": "model", "created": served.facts.loaded_at, "owned_by": "attentive" })
}
