//! Several ways to go on.

use std::iter;

use attentive_core::{NextToken, TokenId};

use crate::{
    BeamConfig, BeamRules, Constraints, DecodeError, DecodeRequest, Diversity, Hypothesis,
    beam::{beam_search_with, search},
    phrases::Required,
};

/// The `n` most probable tokens that may follow each sentence's prefix, most probable first, each continued to the best
/// hypothesis of a beam search: what else could be written there.
///
/// So does CTranslate2 with `return_alternatives`. There may be fewer, where rules or the model exclude tokens.
///
/// `start` gives the state of the sentences, once for the tokens and once for what follows them.
///
/// # Errors
/// As [`beam_search_with`]; also if `n` is 0, or the prefix is preferred and not forced.
///
/// # Panics
/// As [`beam_search_with`].
pub fn alternatives<M: NextToken>(
    model: &M,
    start: impl Fn() -> M::State,
    request: &DecodeRequest<'_>,
    config: &BeamConfig,
    constraints: &Constraints<'_>,
    n: usize,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    if n == 0 {
        return Err(DecodeError::Setting { key: "alternatives", value: 0.0, expected: "at least 1" });
    }
    if let Some(value) = constraints.prefix_bias {
        let expected = "left out: alternatives follow a prefix that is forced";
        return Err(DecodeError::Setting { key: "prefix_bias", value, expected });
    }
    request.validate(model)?;
    constraints.validate(request, config, model.vocab_size())?;
    let firsts = firsts(model, start(), request, constraints, n)?;
    let is_open = |&(_, first): &(usize, &Hypothesis)| !first.finished;
    let all = firsts.iter().enumerate().flat_map(|(sentence, found)| iter::repeat(sentence).zip(found));
    let open: Vec<(usize, &Hypothesis)> = all.filter(is_open).collect();
    let parents: Vec<usize> = open.iter().map(|&(sentence, _)| sentence).collect();
    let n_first = usize::from(request.rules.forced_first.is_some());
    let prefixes: Vec<_> = open.iter().map(|(_, first)| first.tokens[n_first..].to_vec()).collect();
    let prompts: Vec<_> = parents.iter().flat_map(|&sentence| request.prompt_of(sentence)).copied().collect();
    let max_len: Vec<usize> = parents.iter().map(|&sentence| request.max_len[sentence]).collect();
    let required: Vec<_> = parents.iter().filter_map(|&sentence| constraints.required.get(sentence).cloned()).collect();
    let typed: Vec<_> = parents.iter().filter_map(|&sentence| constraints.typed.get(sentence).cloned()).collect();
    let continued = DecodeRequest { prompt: &prompts, prefixes: &prefixes, max_len: &max_len, ..*request };
    let constraints = Constraints { required: &required, typed: &typed, ..*constraints };
    let best = BeamConfig { n_best: 1, ..config.clone() };
    let mut found = Vec::new();
    if !open.is_empty() {
        let mut state = start();
        model.reorder(&mut state, &parents);
        found = beam_search_with(model, state, &continued, &best, &constraints)?;
    }
    let mut found = found.into_iter();
    let mut best_of = |first: Hypothesis| if first.finished { Some(first) } else { found.next()?.into_iter().next() };
    Ok(firsts.iter().map(|of_sentence| of_sentence.iter().cloned().filter_map(&mut best_of).collect()).collect())
}

/// For each sentence its prefix with each of the `n` most probable tokens after it, most probable first: the last step of a
/// search that stops there. A text that lacks a phrase does not end.
fn firsts<M: NextToken>(
    model: &M,
    state: M::State,
    request: &DecodeRequest<'_>,
    constraints: &Constraints<'_>,
    n: usize,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    // A prefix that fills its text is all that there is.
    let n_steps =
        |(sentence, &max_len): (usize, &usize)| max_len.min(request.rules.n_forced(request.prefix_of(sentence)) + 1);
    let n_steps: Vec<usize> = request.max_len.iter().enumerate().map(n_steps).collect();
    // One more, in the place of the end, where a text may not end.
    let n_best = n.saturating_add(1);
    let config = BeamConfig { beam: n_best, n_best, length_penalty: 0.0, rules: BeamRules::Gnmt };
    let diversity = Diversity::default();
    let without = Constraints { required: &[], diversity, coverage_penalty: 0.0, ..*constraints };
    let mut found = search(model, state, request, &config, &without, &n_steps, None)?;
    let last = |one: &Hypothesis| one.token_log_probs.last().copied().unwrap_or(f32::NEG_INFINITY);
    for (sentence, found) in found.iter_mut().enumerate() {
        // Where the prefix is impossible, nothing follows it.
        found.retain(|one| one.token_log_probs.len() == n_steps[sentence]);
        found.retain(|one| !one.finished || has_phrases(constraints, sentence, &one.tokens));
        found.sort_by(|a, b| last(b).total_cmp(&last(a)));
        found.truncate(n);
    }
    Ok(found)
}

/// Whether a sentence's text has all phrases that it must have.
fn has_phrases(constraints: &Constraints<'_>, sentence: usize, text: &[TokenId]) -> bool {
    let phrases = constraints.required.get(sentence).map_or(&[][..], Vec::as_slice);
    let required = Required::new(phrases, constraints.spelling);
    let met = (1..=text.len()).fold(required.none_met(), |met, n| required.met(&met, &text[..n]));
    required.is_met(&met, text)
}
