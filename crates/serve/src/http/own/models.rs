//! The models, and what they can do.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{
    app::App,
    models::{Engine, Served},
};

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let models: Vec<Value> = app.models.all().iter().map(|served| entry(served)).collect();
    Json(json!({
        "models": models,
        "runs": app.config.runs.is_some(),
        "key_required": app.keys.is_some(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

fn entry(served: &Served) -> Value {
    let facts = &served.facts;
    let languages = facts.languages.as_ref();
    let languages =
        languages.map(|known| json!({ "source": known.source, "target": known.target, "told": known.are_told }));
    let [encoder, decoder] = facts.layers;
    json!({
        "name": served.name,
        "kind": facts.kind,
        "uses": facts.uses,
        "family": facts.family,
        "n_parameters": facts.n_parameters,
        "n_models": facts.n_models,
        "languages": languages,
        "layers": { "encoder": encoder, "decoder": decoder },
        "heads": facts.heads,
        "d_model": facts.width,
        "max_len": facts.max_len,
        "beam": served.translation().ok().map(|engine| engine.decoding.beam),
        "attention": facts.attends(),
        "pronouns": facts.resolves_pronouns(),
        "chat": matches!(&served.engine, Engine::Language(engine) if engine.chats()),
        "examples": examples(served),
    })
}

/// Texts to try the model with, of those that it has positions for.
fn examples(served: &Served) -> Vec<&'static str> {
    // The frame is of a token before a text and one after it, at most.
    const FRAME: usize = 2;
    let all: &[&str] = match served.facts.kind {
        "translation" if served.facts.is_builtin => &[
            "The animal did not cross the street because it was too tired.",
            "The animal did not cross the street because it was too wide.",
            "The dog slept on the sofa because it was soft.",
            "The horse did not pull the cart because it was too heavy.",
        ],
        "translation" => &["The animal did not cross the street because it was too tired."],
        "language-model" => &["The animal did not cross the street because"],
        "masked-lm" => &["The animal was too [MASK] to cross the street."],
        _ => &["The animal was too tired to cross the street."],
    };
    let max_len = served.facts.max_len.unwrap_or(usize::MAX);
    let fits = |text: &&str| served.tokenizer.encode(text).len() + FRAME <= max_len;
    all.iter().copied().filter(fits).collect()
}
