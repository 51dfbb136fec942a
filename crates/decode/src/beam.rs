//! Beam search.

use std::iter;

use attentive_core::{NextToken, TokenId};
use serde::{Deserialize, Serialize};

use crate::{
    DecodeError, DecodeRequest, Hypothesis,
    candidates::{Candidate, TopCandidates, Total},
    rows::Rows,
    rules::Admitted,
};

/// A user's settings of beam search; the defaults are the paper's (Vaswani et al. 2017, §6.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeamConfig {
    /// Number of hypotheses continued together.
    pub beam: usize,
    /// Number of hypotheses returned for each sentence, at most `beam`.
    pub n_best: usize,
    /// The exponent α of the length penalty: 0 for none, more for longer hypotheses.
    pub length_penalty: f64,
    /// What the exponent is of, and when a sentence is over.
    pub rules: BeamRules,
}

/// How hypotheses of different lengths are compared, and when a sentence is over.
///
/// Those of transformers differ from one another in `early_stopping`. All of them divide by `len^α`, count the log-probabilities
/// of forced tokens as 0, let a hypothesis that is cut at the maximum length rank with those that ended, and go on until
/// `beam` have finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BeamRules {
    /// The paper's [`gnmt_penalty`]; over as [`beam_search`] says.
    #[default]
    Gnmt,
    /// transformers', `early_stopping = true`: over then.
    Early,
    /// transformers', `early_stopping = false`: over when no live hypothesis scores better at its present length than the
    /// worst of the best `beam`.
    Present,
    /// transformers', `early_stopping = "never"`: over when none can come to score better.
    Never,
}

impl Default for BeamConfig {
    fn default() -> Self {
        Self { beam: 4, n_best: 1, length_penalty: 0.6, rules: BeamRules::Gnmt }
    }
}

impl BeamConfig {
    /// Checks the settings without a model.
    ///
    /// # Errors
    /// [`DecodeError::ZeroBeam`], [`DecodeError::NBest`] or [`DecodeError::LengthPenalty`].
    pub fn validate(&self) -> Result<(), DecodeError> {
        let Self { beam, n_best, length_penalty: alpha, rules: _ } = *self;
        if beam == 0 {
            return Err(DecodeError::ZeroBeam);
        }
        if n_best == 0 || n_best > beam {
            return Err(DecodeError::NBest { n_best, beam });
        }
        if !alpha.is_finite() || alpha < 0.0 {
            return Err(DecodeError::LengthPenalty { alpha });
        }
        Ok(())
    }

    /// The score of a hypothesis of `len` tokens.
    fn score(&self, ranked: f64, len: usize) -> f64 {
        match self.rules {
            BeamRules::Gnmt => ranked / gnmt_penalty(len, self.length_penalty),
            _ => ranked / (len as f64).powf(self.length_penalty),
        }
    }

    /// Number of finished hypotheses that are kept.
    fn n_kept(&self) -> usize {
        if self.rules == BeamRules::Gnmt { self.n_best } else { self.beam }
    }
}

/// The length penalty `((5 + len) / 6)^α` that a log-probability is divided by.
///
/// Source: Wu et al. 2016, "Google's Neural Machine Translation System", eq. 14. `len` counts the end-of-sentence id.
///
/// ```
/// assert_eq!(attentive_decode::gnmt_penalty(1, 0.6), 1.0);
/// assert_eq!(attentive_decode::gnmt_penalty(7, 1.0), 2.0);
/// ```
pub fn gnmt_penalty(len: usize, alpha: f64) -> f64 {
    ((5.0 + len as f64) / 6.0).powf(alpha)
}

/// The best hypotheses of each sentence, best first, by beam search with a length penalty.
///
/// Each step ranks every continuation of a sentence's live hypotheses by log-probability, with repetitions penalised by
/// [`Rules`](crate::Rules). Those that end among the best `beam` are finished; the best `beam` of the others stay live.
/// By the rules of the paper, a sentence is over
/// - when `beam` hypotheses have finished, so that a beam of 1 is greedy search;
/// - when `n_best` have finished and no live one can still score better than the worst of the best `n_best`:
///   log-probabilities only fall, so a score is at most `log_prob / penalty(max_len)`;
/// - at its maximum length, or if no token can follow.
///
/// If fewer than `n_best` have finished by then, the best live ones follow them, unfinished.
///
/// In a tie the lower token comes first, then the better parent. Tokens of log-probability −∞ or NaN never follow. A
/// sentence's result does not depend on the others of its batch; sentences that are over leave it. A sentence's rows
/// are neighbours, the same number for each sentence.
///
/// # Errors
/// [`DecodeError`] if the settings or the request contradict themselves or the model, or the device fails.
///
/// # Panics
/// If the model breaks the contract of [`NextToken`], or `state` does not have one row for each sentence.
pub fn beam_search<M: NextToken>(
    model: &M,
    state: M::State,
    request: &DecodeRequest<'_>,
    config: &BeamConfig,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    config.validate()?;
    request.validate(model)?;
    let mut results = vec![Vec::new(); request.n_sentences()];
    let mut rows = Rows::new(model, state, request.n_sentences(), request.prompt.to_vec());
    let mut searches: Vec<Search> =
        request.max_len.iter().enumerate().map(|(sentence, &max_len)| Search::new(sentence, max_len)).collect();
    // At most one candidate of each live hypothesis ends, so at least `beam` of these stay live.
    let n_candidates = config.beam.saturating_mul(2);
    let mut top = TopCandidates::new(n_candidates);
    let mut width = 1; // rows of each sentence
    for len in 0.. {
        if searches.is_empty() {
            break;
        }
        let scores = rows.advance(request.rules.want(n_candidates, 1, request.is_forced(len)))?;
        let mut running = Vec::with_capacity(searches.len());
        for (idx, mut search) in searches.into_iter().enumerate() {
            top.clear();
            let first_row = idx * width;
            // Rows beyond the live hypotheses are fillers.
            for (row, live) in (first_row..).zip(&search.live) {
                top.consider(scores.row(row), live.total, row, &search.admitted(live, request));
            }
            if search.step(top.best(), first_row, request, config) {
                running.push(search);
            } else {
                let sentence = search.sentence;
                results[sentence] = search.into_hypotheses(config);
            }
        }
        width = running.iter().map(|search| search.live.len()).max().unwrap_or(0);
        if width > 0 {
            let (parents, tokens): (Vec<_>, Vec<_>) = running.iter().flat_map(|search| search.rows(width)).unzip();
            rows.keep(&parents, tokens);
        }
        searches = running;
    }
    Ok(results)
}

/// A hypothesis that may be continued.
struct Live {
    tokens: Vec<TokenId>,
    total: Total,
    /// The row that holds all its tokens but the last.
    row: usize,
}

/// The search for one sentence.
struct Search {
    /// Index of the sentence in the request.
    sentence: usize,
    max_len: usize,
    /// All of one length, best first.
    live: Vec<Live>,
    /// The best of those that ended, best first.
    finished: Vec<Hypothesis>,
    n_finished: usize,
}

impl Search {
    fn new(sentence: usize, max_len: usize) -> Self {
        let empty = Live { tokens: Vec::new(), total: Total::default(), row: sentence };
        Self { sentence, max_len, live: vec![empty], finished: Vec::new(), n_finished: 0 }
    }

    /// The tokens that may follow `live`.
    fn admitted<'a>(&self, live: &Live, request: &DecodeRequest<'a>) -> Admitted<'a> {
        let text = || [request.prompt_of(self.sentence), &live.tokens].concat();
        request.rules.admitted(live.tokens.len(), request.prefix_of(self.sentence), &[request.eos], text)
    }

    /// Takes the best candidates of a step, whose parents are counted from `first_row`; returns whether to continue.
    fn step(
        &mut self,
        candidates: &[Candidate],
        first_row: usize,
        request: &DecodeRequest<'_>,
        config: &BeamConfig,
    ) -> bool {
        if candidates.is_empty() {
            return false;
        }
        let parents = std::mem::take(&mut self.live);
        let is_of_paper = config.rules == BeamRules::Gnmt;
        let len = parents[0].tokens.len() + 1;
        let is_forced = len <= request.rules.n_forced(request.prefix_of(self.sentence));
        let is_cut = !is_of_paper && len >= self.max_len;
        for (rank, &Candidate { mut total, token, parent: row }) in candidates.iter().enumerate() {
            let parent = &parents[row - first_row];
            if is_forced && !is_of_paper {
                total.ranked = parent.total.ranked;
            }
            let text = |last: &[TokenId]| [&parent.tokens, last].concat();
            match token == request.eos {
                true if rank < config.beam => self.finish(text(&[]), total, true, config),
                false if is_cut && rank < config.beam => self.finish(text(&[token]), total, false, config),
                false if self.live.len() < config.beam => self.live.push(Live { tokens: text(&[token]), total, row }),
                _ => {}
            }
        }
        self.goes_on(config)
    }

    fn finish(&mut self, tokens: Vec<TokenId>, total: Total, finished: bool, config: &BeamConfig) {
        let score = config.score(total.ranked, tokens.len() + usize::from(finished));
        let rank = self.finished.partition_point(|kept| kept.score >= score);
        self.finished.insert(rank, Hypothesis { tokens, log_prob: total.log_prob, score, finished });
        self.finished.truncate(config.n_kept());
        self.n_finished += 1;
    }

    fn goes_on(&self, config: &BeamConfig) -> bool {
        let Some(best) = self.live.first() else {
            return false;
        };
        let len = best.tokens.len();
        let are_enough = self.n_finished >= config.beam;
        if len >= self.max_len || are_enough && matches!(config.rules, BeamRules::Gnmt | BeamRules::Early) {
            return false;
        }
        let Some(worst) = self.finished.get(config.n_kept() - 1) else {
            return true;
        };
        let best_len = match config.rules {
            BeamRules::Present => len,
            BeamRules::Never if config.length_penalty == 0.0 => len,
            // The penalty grows, so a negative log-probability scores best at the maximum length, any other at once.
            BeamRules::Gnmt if best.total.ranked >= 0.0 => len + 1,
            _ => self.max_len,
        };
        config.score(best.total.ranked, best_len) > worst.score
    }

    /// The old row and the new token of each of `width` rows, filled up with the best.
    fn rows(&self, width: usize) -> impl Iterator<Item = (usize, TokenId)> {
        let rows = self.live.iter().chain(iter::repeat(&self.live[0])).take(width);
        rows.map(|live| (live.row, live.tokens[live.tokens.len() - 1]))
    }

    fn into_hypotheses(self, config: &BeamConfig) -> Vec<Hypothesis> {
        let unfinished = self.live.into_iter().map(|Live { tokens, total, .. }| {
            let score = config.score(total.ranked, tokens.len());
            Hypothesis { tokens, log_prob: total.log_prob, score, finished: false }
        });
        self.finished.into_iter().chain(unfinished).take(config.n_best).collect()
    }
}
