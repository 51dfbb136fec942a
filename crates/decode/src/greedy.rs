//! Greedy search.

use attentive_core::NextToken;

use crate::{DecodeError, DecodeRequest, Hypothesis, candidates::TopCandidates, rows::Rows};

/// Continues each sentence by its most probable token, the lower id in a tie, until it ends.
///
/// The `score` of a hypothesis is its `log_prob`. The result equals that of [`beam_search`](crate::beam_search) with
/// a beam of 1.
///
/// # Errors
/// [`DecodeError`], where the request is at odds with itself or with the model, or the device fails.
///
/// # Panics
/// If the model breaks the contract of [`NextToken`], or `state` has another number of rows than the prompt.
pub fn greedy<M: NextToken>(
    model: &M,
    state: M::State,
    request: &DecodeRequest<'_>,
) -> Result<Vec<Hypothesis>, DecodeError> {
    request.validate(model.vocab_size())?;
    let n_sentences = request.max_len.len();
    let empty = Hypothesis { tokens: Vec::new(), log_prob: 0.0, score: 0.0, finished: false };
    let mut hypotheses = vec![empty; n_sentences];
    let mut rows = Rows::new(model, state, request);
    let mut sentence_of_row: Vec<usize> = (0..n_sentences).collect();
    let mut top = TopCandidates::new(1, request.suppressed);
    while !sentence_of_row.is_empty() {
        let (mut parents, mut tokens) = (Vec::new(), Vec::new());
        let scores = rows.advance(top.n_wanted())?;
        for (row, &sentence) in sentence_of_row.iter().enumerate() {
            let hypothesis = &mut hypotheses[sentence];
            top.clear(request.withheld(hypothesis.tokens.len()));
            scores.offer(row, hypothesis.log_prob, &mut top);
            let Some(best) = top.best().first() else {
                continue;
            };
            hypothesis.log_prob = best.log_prob;
            hypothesis.score = best.log_prob;
            hypothesis.finished = best.token == request.eos;
            if hypothesis.finished {
                continue;
            }
            hypothesis.tokens.push(best.token);
            if hypothesis.tokens.len() < request.max_len[sentence] {
                parents.push(row);
                tokens.push(best.token);
            }
        }
        sentence_of_row = parents.iter().map(|&row| sentence_of_row[row]).collect();
        if !parents.is_empty() {
            rows.keep(&parents, &tokens);
        }
    }
    Ok(hypotheses)
}
