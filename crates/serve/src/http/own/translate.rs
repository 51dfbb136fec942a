//! `/api/translate`.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use attentive_bundle::{Term, TranslationConstraints};
use attentive_core::TokenId;
use attentive_decode::Diversity;
use attentive_inspect::SearchTree;
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// The most phrases that a translation must have: each step of the search holds its hypotheses apart by what they have of them.
const MAX_REQUIRED: usize = 32;

/// The most phrases that it must not have.
const MAX_FORBIDDEN: usize = 64;

/// The most terms, of which those count whose source the text has.
const MAX_TERMS: usize = 1000;

/// Characters of a phrase.
const MAX_PHRASE: usize = 200;

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
    /// Hypotheses that the search keeps; by default the larger of the model's own and `n_best`.
    beam: Option<usize>,
    /// Attention weights of the best translation.
    attention: Option<Wanted>,
    /// Pairs of source and target tokens, by the weights of the last layer.
    #[serde(default)]
    alignment: bool,
    /// What the beam search kept and dropped, as a tree of tokens.
    #[serde(default)]
    tree: bool,
    /// Words that every translation must have, whole and one after another.
    #[serde(default)]
    must: Vec<String>,
    /// Words that no translation has, however they are cut into tokens.
    #[serde(default)]
    must_not: Vec<String>,
    /// Terms: words of the text, and those that the translation must have where the text has them.
    #[serde(default)]
    terms: BTreeMap<String, String>,
    /// The beginning of every translation; its last word is a whole one.
    prefix: Option<String>,
    /// Whether the last word of the prefix may be the beginning of a longer one, unless white space follows it.
    #[serde(default)]
    complete: bool,
    /// Prefers the prefix and does not force it: each token of it has the probability (1 - β) p + β until the translation
    /// departs from it; from 0 to below 1.
    prefix_bias: Option<f64>,
    /// The best translations that go on with each of so many most probable tokens after the prefix, in place of `n_best`.
    alternatives: Option<usize>,
    /// Groups of the beam that keep apart; they divide it.
    groups: Option<usize>,
    /// What is taken from the log-probability of a token for each hypothesis of earlier groups that has chosen it; 0.5 by
    /// default.
    diversity: Option<f64>,
    /// β of GNMT's coverage penalty: less for translations whose tokens have not looked at all of the text.
    coverage_penalty: Option<f64>,
}

impl TranslateRequest {
    /// What translations are held to, if to anything.
    fn constraints(&self) -> Result<Option<TranslationConstraints>, Failure> {
        let is_above = |field: &str, n: usize, max: usize| match n > max {
            true => Err(Failure::field(field, format!("{field} has {n} phrases, and up to {max} here"))),
            false => Ok(()),
        };
        is_above("must_not", self.must_not.len(), MAX_FORBIDDEN)?;
        is_above("terms", self.terms.len(), MAX_TERMS)?;
        let of_terms = self.terms.iter().flat_map(|(source, target)| [("terms", source), ("terms", target)]);
        let phrases = self.must.iter().map(|phrase| ("must", phrase));
        let phrases = phrases.chain(self.must_not.iter().map(|phrase| ("must_not", phrase))).chain(of_terms);
        for (field, phrase) in phrases {
            if phrase.trim().is_empty() || phrase.chars().count() > MAX_PHRASE {
                let problem = format!("{field}: a phrase is blank, or has more than {MAX_PHRASE} characters");
                return Err(Failure::field(field, problem));
            }
        }
        self.refuse_at_odds()?;
        if self.coverage_penalty.is_some_and(|beta| !(beta >= 0.0 && beta.is_finite())) {
            return Err(Failure::field("coverage_penalty", "coverage_penalty is a number of at least 0"));
        }
        let diversity = self.groups.map(|groups| Diversity { groups, penalty: self.diversity.unwrap_or(0.5) });
        let constraints = TranslationConstraints {
            required: self.must.clone(),
            terms: self.terms.iter().map(|(source, target)| Term::new(source, target)).collect(),
            forbidden: self.must_not.clone(),
            prefix_bias: self.prefix_bias,
            completes: self.complete,
            alternatives: self.alternatives.is_some(),
            diversity: diversity.unwrap_or_default(),
            coverage_penalty: self.coverage_penalty.unwrap_or(0.0),
        };
        is_above("must", constraints.required_of(&self.text).len(), MAX_REQUIRED)?;
        Ok((constraints != TranslationConstraints::default()).then_some(constraints))
    }

    /// Refuses constraints that do not go together, as the command does.
    fn refuse_at_odds(&self) -> Result<(), Failure> {
        let has_prefix = self.prefix.as_ref().is_some_and(|prefix| !prefix.is_empty());
        let is_alternative = self.alternatives.is_some();
        for (field, is_wrong, problem) in [
            ("prefix_bias", self.prefix_bias.is_some() && !has_prefix, "is of a prefix: give one"),
            ("complete", self.complete && !has_prefix, "is of a prefix: give one"),
            ("complete", self.complete && self.prefix_bias.is_some(), "forces the prefix: leave out prefix_bias"),
            ("alternatives", is_alternative && self.prefix_bias.is_some(), "force the prefix: leave out prefix_bias"),
            ("alternatives", is_alternative && self.n_best.is_some(), "are as many as they say: leave out n_best"),
            ("tree", self.tree && is_alternative, "is of one search: leave out alternatives"),
            ("groups", is_alternative && self.groups.is_some(), "are of one search: leave out alternatives"),
            ("diversity", self.diversity.is_some() && self.groups.is_none(), "is of groups: say how many"),
        ] {
            if is_wrong {
                return Err(Failure::field(field, format!("{field} {problem}")));
            }
        }
        Ok(())
    }
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
    /// The nodes of the search by groups of the beam, each after the one that it continues, with log-probabilities in nats, its
    /// fate, and why it was dropped; as the command's `--tree` writes them.
    tree: Option<Value>,
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
    /// Phrases that it must have and does not: they had no room, or nothing led to them.
    unmet: Vec<String>,
}

pub(super) async fn translate(
    State(app): State<Arc<App>>,
    Body(request): Body<TranslateRequest>,
) -> Result<Json<Answer>, Failure> {
    let served = app.models.find(request.model.as_deref(), "translates", |served| served.translation().is_ok())?;
    let texts = [Some(&request.text), request.prefix.as_ref()];
    check_texts(&texts.into_iter().flatten().collect::<Vec<_>>(), &app.config.limits)?;
    let counts = [
        ("n_best", request.n_best),
        ("beam", request.beam),
        ("alternatives", request.alternatives),
        ("groups", request.groups),
    ];
    for (field, value) in counts {
        if let Some(value) = value.filter(|value| !(1..=MAX_N_BEST).contains(value)) {
            return Err(Failure::field(field, format!("{field} is {value}, and from 1 to {MAX_N_BEST} here")));
        }
    }
    if let (Some(n_best), Some(beam)) = (request.n_best, request.beam)
        && n_best > beam
    {
        return Err(Failure::field(
            "n_best",
            format!("n_best is {n_best}, which is more than the beam of {beam}: widen it"),
        ));
    }
    let constraints = request.constraints()?;
    Ok(Json(app.work(&served, move |turn| answer(turn, &request, constraints)).await?))
}

fn answer(
    turn: &Turn,
    request: &TranslateRequest,
    constraints: Option<TranslationConstraints>,
) -> Result<Answer, Failure> {
    let Turn { app, served, ticket, .. } = turn;
    let (engine, limits) = (served.translation()?, &app.config.limits);
    let wish = Wish {
        source: request.source.clone(),
        target: request.target.clone(),
        n_best: request.n_best.unwrap_or(1),
        beam: request.beam,
        prefix: request.prefix.clone().filter(|prefix| !prefix.is_empty()),
        constraints,
        alternatives: request.alternatives.and_then(NonZeroUsize::new),
        ..Wish::default()
    };
    let wish = own_languages(served, &wish)?;
    let n_read = engine.n_tokens(&request.text);
    turn.reads_tokens(n_read)?;
    let (found, trace) = match request.tree && n_read > 0 {
        true => engine.traced(&request.text, &wish, limits, ticket).map(|(found, trace)| (found, Some(trace)))?,
        false => (engine.sentences(&[&request.text], &wish, limits, ticket)?.swap_remove(0), None),
    };
    turn.writes(found.first().map_or(0, |best| best.tokens.len() + usize::from(best.is_finished)));
    let tokenizer = engine.tokenizer();
    let pair = |ids: &[TokenId]| engine.pair(&request.text, ids, &wish);
    let pairs = found.iter().map(|found| pair(&found.tokens)).collect::<Result<Vec<_>, _>>()?;
    // A text without tokens has the empty translation, which no model was asked for.
    let is_blank = n_read == 0;
    let scored = if is_blank { Vec::new() } else { engine.score(&pairs, 0, ticket)? };
    let unmet = |translation: &str| {
        let constraints = wish.constraints.iter();
        let unmet = constraints.flat_map(|constraints| constraints.unmet(tokenizer, &request.text, translation));
        unmet.map(str::to_owned).collect()
    };
    let mut translations: Vec<TranslationAnswer> = found
        .iter()
        .map(|found| TranslationAnswer {
            text: found.text.clone(),
            score: found.score,
            log_prob: found.log_prob,
            finished: found.is_finished,
            tokens: Vec::new(),
            alignment: Vec::new(),
            unmet: unmet(&found.text),
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
    let tree = trace.map(|trace| SearchTree::new(&request.text, &trace, tokenizer).to_json());
    Ok(Answer { model: served.name.clone(), source_tokens, translations, attention, tree })
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
