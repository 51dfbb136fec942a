//! `/api/heads`.

use std::sync::Arc;

use attentive_inspect::{AttentionKind, PronounHeads};
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    app::App,
    error::{Failure, Kind},
    http::body::Body,
};

/// How often a head finds what *it* refers to.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Head {
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
    let name = request.model.as_deref();
    let what = if name.is_some() { "translates" } else { "was trained on the built-in corpus" };
    let served = app.models.find(name, what, |served| {
        served.translation().is_ok() && (name.is_some() || served.facts.resolves_pronouns())
    })?;
    if !served.facts.resolves_pronouns() {
        let message =
            "the measurement is of models that were trained on the built-in corpus, whose grammar tells what \"it\" is";
        return Err(Failure::new(Kind::NotFound, message));
    }
    let measure = || app.work(&served, |turn| turn.served.translation()?.pronoun_heads(&turn.ticket));
    // Others wait for the one who measures.
    let found = app.in_time(served.translation()?.heads.get_or_try_init(measure)).await?;
    let mut heads: Vec<Head> = found.iter().flat_map(of_kind).collect();
    heads.sort_by(|a, b| b.agreement.total_cmp(&a.agreement));
    Ok(Json(json!({ "model": served.name, "heads": heads, "what": WHAT })))
}

fn of_kind(PronounHeads { kind, scores }: &PronounHeads) -> Vec<Head> {
    let map = match kind {
        AttentionKind::Encoder => "encoder",
        AttentionKind::Decoder => "decoder",
        AttentionKind::Cross => "cross",
    };
    let n = scores.n_cases();
    let head = |score: attentive_inspect::HeadScore| Head {
        map,
        layer: score.head.layer,
        head: score.head.head,
        agreement: score.accuracy,
        n,
    };
    scores.scores().into_iter().map(head).collect()
}
