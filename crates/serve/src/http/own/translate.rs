//! `/api/translate`.

use std::sync::Arc;

use attentive_core::TokenId;
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ScoredToken, SourceToken,
    attention::{Attention, Wanted},
    finite, name, pieces, source_tokens,
};
use crate::{
    app::{App, Turn},
    error::Failure,
    http::body::{Body, check_texts},
    models::{PairTokens, TranslationEngine, Wish},
    translate::own_languages,
};

/// The most translations of a text.
const MAX_N_BEST: usize = 64;

/// One sentence to translate, and what is wished to be known of it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TranslateRequest {
    /// The model's name; without it, the first that translates.
    model: Option<String>,
    text: String,
    /// The language of the text, for models of several.
    source: Option<String>,
    target: Option<String>,
    /// Translations, best first; 1 by default.
    n_best: Option<usize>,
    /// Hypotheses that the search keeps; the model's own by default.
    beam: Option<usize>,
    /// Attention weights of the best translation.
    attention: Option<Wanted>,
    /// Pairs of source and target tokens, by the weights of the last layer.
    #[serde(default)]
    alignment: bool,
}

/// Translations, and what is known of them.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Answer {
    model: String,
    /// The tokens that the model reads, with those of its frame.
    source_tokens: Vec<SourceToken>,
    /// Best first.
    translations: Vec<TranslationAnswer>,
    /// Of the best translation.
    attention: Option<Attention>,
}

/// One translation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct TranslationAnswer {
    text: String,
    /// What the search ranks by.
    score: f64,
    /// ln p, in nats.
    log_prob: f64,
    /// Whether the model ended it; else it was cut where it was longest.
    finished: bool,
    /// All that is written, the end last, if there is one.
    tokens: Vec<ScoredToken>,
    /// Of each token the source token that is looked at most: `[source, target]`; empty unless it was asked for.
    alignment: Vec<[usize; 2]>,
}

pub(super) async fn translate(
    State(app): State<Arc<App>>,
    Body(request): Body<TranslateRequest>,
) -> Result<Json<Answer>, Failure> {
    let served = app.models.find(request.model.as_deref(), "translates", |served| served.translation().is_ok())?;
    check_texts(&[&request.text], &app.config.limits)?;
    for (field, value) in [("n_best", request.n_best), ("beam", request.beam)] {
        if let Some(value) = value.filter(|value| !(1..=MAX_N_BEST).contains(value)) {
            return Err(Failure::field(field, format!("{field} is {value}, and from 1 to {MAX_N_BEST} here")));
        }
    }
    Ok(Json(app.work(&served, move |turn| answer(turn, &request)).await?))
}

fn answer(turn: &Turn, request: &TranslateRequest) -> Result<Answer, Failure> {
    let Turn { app, served, ticket, .. } = turn;
    let engine = served.translation()?;
    let wish = Wish {
        source: request.source.clone(),
        target: request.target.clone(),
        n_best: request.n_best.unwrap_or(1),
        beam: request.beam,
        ..Wish::default()
    };
    let wish = own_languages(served, &wish)?;
    let n_read = engine.n_tokens(&request.text);
    turn.reads_tokens(n_read)?;
    let found = engine.sentences(&[&request.text], &wish, &app.config.limits, ticket)?.swap_remove(0);
    turn.writes(found.first().map_or(0, |best| best.tokens.len() + usize::from(best.is_finished)));
    let tokenizer = engine.tokenizer();
    let pair = |ids: &[TokenId]| engine.pair(&request.text, ids, &wish);
    let pairs = found.iter().map(|found| pair(&found.tokens)).collect::<Result<Vec<_>, _>>()?;
    // A text without tokens has the empty translation, which no model was asked for.
    let is_blank = n_read == 0;
    let scored = if is_blank { Vec::new() } else { engine.score(&pairs, 0, ticket)? };
    let mut translations: Vec<TranslationAnswer> = found
        .iter()
        .map(|found| TranslationAnswer {
            text: found.text.clone(),
            score: found.score,
            log_prob: found.log_prob,
            finished: found.is_finished,
            tokens: Vec::new(),
            alignment: Vec::new(),
        })
        .collect();
    for ((translation, pair), scored) in translations.iter_mut().zip(&pairs).zip(scored) {
        // One that was cut has no end.
        let n_written = pair.target.len() + usize::from(translation.finished);
        translation.tokens = written(engine, pair, scored.into_iter().take(n_written).map(|token| token.log_prob));
    }
    let [before, after] = pairs.first().map_or([0, 0], |pair| pair.around);
    let source = pairs.first().map_or(&[][..], |pair| &pair.source);
    let frame: [&[TokenId]; 2] =
        if is_blank { [&[][..], &[]] } else { [&source[..before], &source[source.len() - after..]] };
    let source_tokens = source_tokens(tokenizer, &request.text, frame[0], frame[1]);
    let wanted = request.attention.as_ref().filter(|wanted| wanted.is_any());
    let mut attention = None;
    if !is_blank && (wanted.is_some() || request.alignment) {
        // Of others, the alignment alone is told.
        let n_looked_at = if request.alignment { pairs.len() } else { 1 };
        for (rank, pair) in pairs.iter().take(n_looked_at).enumerate() {
            let views = engine.views(pair, ticket)?;
            if let Some(wanted) = wanted.filter(|_| rank == 0) {
                attention = Some(wanted.of(&views)?);
            }
            if request.alignment {
                let columns = before..pair.source.len() - after;
                let rows = views.aligned(columns).into_iter().take(pair.target.len());
                translations[rank].alignment = rows.enumerate().map(|(row, column)| [column, row]).collect();
            }
        }
    }
    Ok(Answer { model: served.name.clone(), source_tokens, translations, attention })
}

/// The tokens of a translation, its end last.
fn written(engine: &TranslationEngine, pair: &PairTokens, log_probs: impl Iterator<Item = f64>) -> Vec<ScoredToken> {
    let tokenizer = engine.tokenizer();
    let end = tokenizer.specials().end();
    let texts = pieces(tokenizer, &[], &pair.target);
    let ids = pair.target.iter().copied().zip(texts.into_iter().map(Some)).chain(end.map(|end| (end, None)));
    let token = |((id, text), log_prob): ((TokenId, Option<String>), f64)| {
        let special = text.is_none() || tokenizer.specials().contains(id);
        let text = text.filter(|_| !special).unwrap_or_else(|| name(tokenizer, id));
        ScoredToken { id, text, log_prob: finite(log_prob), special }
    };
    ids.zip(log_probs).map(token).collect()
}
