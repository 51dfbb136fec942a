//! `/api/heads`.

use std::sync::Arc;

use attentive_corpus::BuiltinConfig;
use attentive_inspect::{AttentionKind, PronounHeads, pronoun_heads};
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    app::App,
    error::{Failure, Kind},
    http::body::Body,
    models::TranslationEngine,
    ticket::Ticket,
};

/// Sentences that are measured, which training did not see.
const N_SENTENCES: usize = 100;

/// How often a head finds what *it* refers to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Head {
    /// `encoder`, `decoder` or `cross`.
    map: &'static str,
    /// Counted from 0, as the next.
    layer: usize,
    head: usize,
    agreement: f64,
    /// Sentences.
    n: usize,
}

/// Whose heads are measured.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeadsRequest {
    /// The model's name; without it, the first that was trained on the built-in corpus.
    model: Option<String>,
}

/// What is measured.
const WHAT: &str = "the share of held-out sentences of the built-in grammar in which the head looks more at the noun that \
    \"it\" refers to, with its article, than at the other: from \"it\" in the encoder, from where the pronoun is \
    written in the others";

pub(super) async fn heads(
    State(app): State<Arc<App>>,
    Body(request): Body<HeadsRequest>,
) -> Result<Json<Value>, Failure> {
    let served = app.models.find(request.model.as_deref(), "translates", |served| served.translation().is_ok())?;
    if !served.facts.is_builtin || !served.facts.attends() {
        let message =
            "the measurement is of models that were trained on the built-in corpus, whose grammar tells what \"it\" is";
        return Err(Failure::new(Kind::NotFound, message));
    }
    let key = (served.name.clone(), served.facts.loaded_at);
    // Others wait for the one who measures.
    let mut known = app.heads.lock().await;
    let heads = match known.get(&key) {
        Some(heads) => Arc::clone(heads),
        None => {
            let heads = app.work(&served, |served, ticket| measured(served.translation()?, ticket)).await?;
            known.retain(|(name, _), _| *name != key.0);
            let heads = Arc::new(heads);
            known.insert(key, Arc::clone(&heads));
            heads
        }
    };
    Ok(Json(json!({ "model": served.name, "heads": *heads, "what": WHAT })))
}

/// How often each head finds the noun, in sentences with two; the best first.
fn measured(engine: &TranslationEngine, ticket: &Ticket) -> Result<Vec<Head>, Failure> {
    let config =
        BuiltinConfig { n_train: 0, n_validation: 0, n_test: 0, n_pronouns: N_SENTENCES, ..Default::default() };
    let sentences = config.generate().pronouns;
    let found = engine.look(ticket, |viewer| pronoun_heads(viewer, &sentences))?;
    let of_kind = |PronounHeads { kind, scores }: PronounHeads| {
        let map = match kind {
            AttentionKind::Encoder => "encoder",
            AttentionKind::Decoder => "decoder",
            AttentionKind::Cross => "cross",
        };
        let (n, scores) = (scores.n_cases(), scores.scores().into_iter());
        scores.map(move |score| Head {
            map,
            layer: score.head.layer,
            head: score.head.head,
            agreement: score.accuracy,
            n,
        })
    };
    let of_kinds = found.map_err(|error| Failure::broken(&error))?;
    let mut heads: Vec<Head> = of_kinds.into_iter().flat_map(of_kind).collect();
    heads.sort_by(|a, b| b.agreement.total_cmp(&a.agreement));
    Ok(heads)
}
