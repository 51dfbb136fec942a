//! Contrastive search: probable tokens whose vectors are unlike those before them.

use std::ops::ControlFlow;

use attentive_core::{LanguageModel, TokenId, Want};

use crate::{
    DecodeError, Drawn, Ended, GenerateRequest, SamplingConfig,
    candidates::{Candidate, TopCandidates, Total},
    lines::{Choice, End, Line},
    rows::StepScores,
};

/// A user's settings of contrastive search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContrastiveConfig {
    /// α, the weight of unlikeness, between 0 and 1: 0 is greedy search.
    pub alpha: f64,
    /// k: the most probable tokens, of which one is chosen.
    pub candidates: usize,
}

impl ContrastiveConfig {
    /// With this α, among the `top_k` most probable tokens; among 4 where that is 0, as a limit of sampling may be.
    pub fn new(alpha: f64, top_k: usize) -> Self {
        Self { alpha, candidates: if top_k == 0 { 4 } else { top_k } }
    }

    /// Checks the settings without a model.
    ///
    /// # Errors
    /// [`DecodeError::Setting`] names the setting that is out of range.
    pub fn validate(&self) -> Result<(), DecodeError> {
        let Self { alpha, candidates } = *self;
        if !(0.0..=1.0).contains(&alpha) {
            return Err(DecodeError::Setting { key: "contrastive", value: alpha, expected: "between 0 and 1" });
        }
        if candidates == 0 {
            return Err(DecodeError::Setting {
                key: "top_k",
                value: 0.0,
                expected: "at least 1 in contrastive search",
            });
        }
        Ok(())
    }
}

/// Continues texts by contrastive search; tokens are passed on and ends told as [`generate`](crate::generate()) does.
///
/// Of the `candidates` most probable tokens v after the text x, the one with the best `(1 − α) p(v) − α max cos(h_v, h_j)` is
/// written, where h_v is the vector that the model's last layer makes of v after x, and h_j those of the tokens of x; in a tie,
/// the more probable one. Source: Su et al. 2022, "A Contrastive Framework for Neural Text Generation", equation 5. Nothing is
/// left to chance, so that there is one sample of each prompt. [`Rules`](crate::Rules) hold; a penalty of repetitions is in p.
///
/// The candidates of a text are read together. If the model has positions for `max_len` tokens only, it reads the last half of
/// the text again each time that they are used up; the vectors are then those of that half.
///
/// # Errors
/// As [`generate`](crate::generate()); also if the model does not show its vectors.
///
/// # Panics
/// If the model breaks the contract of [`LanguageModel`].
pub fn contrastive_search<M: LanguageModel>(
    model: &M,
    request: &GenerateRequest<'_>,
    config: &ContrastiveConfig,
    mut on_token: impl FnMut(Drawn) -> ControlFlow<()>,
) -> Result<Vec<Ended>, DecodeError> {
    config.validate()?;
    request.validate(model.vocab_size(), &SamplingConfig::default())?;
    let GenerateRequest { prompts, n_samples, max_tokens, ends, rules } = *request;
    if n_samples != 1 {
        let expected = "1 in contrastive search, which leaves nothing to chance";
        return Err(DecodeError::Setting { key: "n_samples", value: n_samples as f64, expected });
    }
    let mut top = TopCandidates::new(config.candidates);
    let write = |(of, prompt): (usize, &Vec<TokenId>)| {
        if let Some(limit) = model.max_len().filter(|&limit| limit < 2) {
            return Err(DecodeError::BeyondPositions { sentence: of, n_tokens: 2, limit });
        }
        let mut line = Line::new(prompt, &[], max_tokens, 0);
        let mut past: Option<Past<M>> = None;
        while line.end.is_none() {
            let n_forced = rules.n_forced(&[]);
            let want = |n_written: usize| rules.want(config.candidates, ends.len(), n_written < n_forced);
            let mut here = match past.take().filter(|past| past.has_room(model)) {
                Some(past) => past,
                None => Past::read(model, &line.text, want(line.n_written()))?,
            };
            top.clear();
            top.consider(here.scores.row(here.row), Total::default(), 0, &line.admitted(rules, ends));
            let candidates = top.best();
            if candidates.is_empty() {
                return Err(DecodeError::NothingFollows { n_tokens: line.text.len() });
            }
            let best = here.choose(model, candidates, config.alpha, want(line.n_written() + 1))?;
            let Candidate { token, total, .. } = candidates[best];
            line.take(Choice { token, added: total }, ends);
            let drawn = Drawn { text: of, token, log_prob: total.log_prob };
            if line.end != Some(End::ByModel) && on_token(drawn).is_break() {
                line.end = Some(End::ByCaller);
            }
            past = Some(here);
        }
        Ok(line.end.map_or(Ended::ByLength, Ended::from))
    };
    prompts.iter().enumerate().map(write).collect()
}

/// What a model has read of a text.
struct Past<M: LanguageModel> {
    state: M::State,
    /// Tokens that each row has read.
    n_held: usize,
    /// The row that has read the text.
    row: usize,
    /// Of what may follow each row.
    scores: StepScores,
    /// Of each token that was read, of length 1: `[tokens, width]`.
    vectors: Vec<Vec<f32>>,
}

impl<M: LanguageModel> Past<M> {
    /// `text`, or its last half where there are no positions for it and another token.
    fn read(model: &M, text: &[TokenId], want: Want) -> Result<Self, DecodeError> {
        let n_read = match model.max_len() {
            Some(max_len) if text.len() >= max_len => max_len.div_ceil(2),
            _ => text.len(),
        };
        let mut state = model.start(1);
        let (scores, vectors) = model.advance_with_vectors(&text[text.len() - n_read..], &mut state, want)?;
        let vectors = unit_vectors(vectors, n_read)?;
        let scores = StepScores::new(scores, 1, model.vocab_size());
        Ok(Self { state, n_held: n_read, row: 0, scores, vectors })
    }

    /// Whether the model has positions for another token.
    fn has_room(&self, model: &M) -> bool {
        model.max_len().is_none_or(|max_len| self.n_held < max_len)
    }

    /// Reads each of some candidates after the text and goes on with the best; returns its index.
    fn choose(&mut self, model: &M, candidates: &[Candidate], alpha: f64, want: Want) -> Result<usize, DecodeError> {
        model.reorder(&mut self.state, &vec![self.row; candidates.len()]);
        let tokens: Vec<TokenId> = candidates.iter().map(|candidate| candidate.token).collect();
        let (scores, vectors) = model.advance_with_vectors(&tokens, &mut self.state, want)?;
        let mut vectors = unit_vectors(vectors, candidates.len())?;
        let score = |(candidate, vector): (&Candidate, &Vec<f32>)| {
            let likeness = self.vectors.iter().map(|before| dot(before, vector)).fold(-1.0, f64::max);
            (1.0 - alpha) * candidate.total.ranked.exp() - alpha * likeness
        };
        let mut best = (0, f64::NEG_INFINITY);
        for (idx, score) in candidates.iter().zip(&vectors).map(score).enumerate() {
            if score > best.1 {
                best = (idx, score);
            }
        }
        self.vectors.push(vectors.swap_remove(best.0));
        self.scores = StepScores::new(scores, candidates.len(), model.vocab_size());
        (self.row, self.n_held) = (best.0, self.n_held + 1);
        Ok(best.0)
    }
}

/// The vectors of `n` tokens, each made as long as 1.
fn unit_vectors(vectors: Option<Vec<f32>>, n: usize) -> Result<Vec<Vec<f32>>, DecodeError> {
    let vectors = vectors.ok_or(DecodeError::NotShown { search: "contrastive search", part: "the vectors" })?;
    let unit = |vector: &[f32]| {
        let norm = dot(vector, vector).sqrt();
        let norm = if norm > 0.0 { norm } else { 1.0 };
        vector.iter().map(|value| (f64::from(*value) / norm) as f32).collect()
    };
    Ok(vectors.chunks_exact(vectors.len() / n).map(unit).collect())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
