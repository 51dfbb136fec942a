//! Beam search.

use std::{collections::HashSet, iter};

use attentive_core::{NextToken, TokenId, Want};
use serde::{Deserialize, Serialize};

use crate::{
    BeamTrace, Constraints, DecodeError, DecodeRequest, Hypothesis,
    candidates::{Candidate, TopCandidates, Total},
    constraints::SentenceConstraints,
    coverage::Coverage,
    phrases::{Left, allocate},
    rows::{Rows, StepScores},
    rules::Admitted,
    trace::{Ended, Recorder},
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

    /// The settings of one of several groups.
    fn of_group(&self, groups: usize) -> Self {
        let beam = self.beam / groups;
        Self { beam, n_best: self.n_best.min(beam), ..self.clone() }
    }

    /// The score of a hypothesis of `len` tokens.
    fn score(&self, ranked: f64, len: usize) -> f64 {
        match self.rules {
            BeamRules::Gnmt => ranked / gnmt_penalty(len, self.length_penalty),
            // One of no tokens has no mean.
            _ => ranked / (len.max(1) as f64).powf(self.length_penalty),
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
    beam_search_with(model, state, request, config, &Constraints::default())
}

/// The best hypotheses of each sentence that keep to constraints, by [`beam_search`].
///
/// Hypotheses of several groups are one list, without those that several have found.
///
/// # Errors
/// As [`beam_search`]; also if constraints contradict themselves, the request or the settings.
///
/// # Panics
/// As [`beam_search`].
pub fn beam_search_with<M: NextToken>(
    model: &M,
    state: M::State,
    request: &DecodeRequest<'_>,
    config: &BeamConfig,
    constraints: &Constraints<'_>,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    search(model, state, request, config, constraints, request.max_len, None)
}

/// What [`beam_search_with`] finds, and in `trace` what it kept, what it dropped, and why.
///
/// # Errors
/// As [`beam_search_with`].
///
/// # Panics
/// As [`beam_search_with`].
pub fn beam_search_traced<M: NextToken>(
    model: &M,
    state: M::State,
    request: &DecodeRequest<'_>,
    config: &BeamConfig,
    constraints: &Constraints<'_>,
    trace: &mut BeamTrace,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    search(model, state, request, config, constraints, request.max_len, Some(trace))
}

/// What [`beam_search_with`] finds within `n_steps` tokens of each sentence, `[sentences]`; its text may go on after them.
pub(crate) fn search<M: NextToken>(
    model: &M,
    mut state: M::State,
    request: &DecodeRequest<'_>,
    config: &BeamConfig,
    constraints: &Constraints<'_>,
    n_steps: &[usize],
    trace: Option<&mut BeamTrace>,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    config.validate()?;
    request.validate(model)?;
    constraints.validate(request, config, model.vocab_size())?;
    let groups = constraints.diversity.groups;
    let sentences: Vec<usize> = (0..request.n_sentences()).flat_map(|idx| iter::repeat_n(idx, groups)).collect();
    if groups > 1 {
        model.reorder(&mut state, &sentences);
    }
    let n_best = config.n_best;
    let config = &config.of_group(groups);
    let prompts = sentences.iter().flat_map(|&sentence| request.prompt_of(sentence)).copied().collect();
    let mut rows = Rows::new(model, state, sentences.len(), prompts);
    let recorder = |row: usize| Some(trace.as_ref()?.recorder(sentences[row], row % groups));
    let search = |(row, &sentence): (usize, &usize)| Search {
        recorder: recorder(row),
        n_steps: n_steps[sentence],
        ..Search::new(row, sentence, request, constraints)
    };
    let mut searches: Vec<Search<'_>> = sentences.iter().enumerate().map(search).collect();
    let (mut results, mut recorded) = (vec![Vec::new(); request.n_sentences()], Vec::new());
    // At most one candidate of each live hypothesis ends, so at least `beam` of these stay live.
    let n_candidates = config.beam.saturating_mul(2);
    let mut top = TopCandidates::new(n_candidates);
    let mut width = 1; // rows of each search
    for len in 0.. {
        if searches.is_empty() {
            break;
        }
        let want = request.rules.want(n_candidates, 1, request.is_forced(len));
        let want = if constraints.needs_all() || trace.is_some() { Want::All } else { want };
        let (scores, attention) = match constraints.coverage_penalty {
            0.0 => (rows.advance(want)?, Vec::new()),
            _ => rows.advance_attending(want)?,
        };
        let mut running = Vec::with_capacity(searches.len());
        let mut chosen = (usize::MAX, Vec::new()); // of the sentence, the next tokens of its groups
        for (idx, mut search) in searches.into_iter().enumerate() {
            if chosen.0 != search.sentence {
                chosen = (search.sentence, Vec::new());
            }
            let first_row = idx * width;
            let of_others = (&chosen.1[..], constraints.diversity.penalty);
            search.record(&scores, first_row, of_others);
            let candidates = search.candidates(&scores, first_row, of_others, &mut top);
            if search.step(&candidates, (first_row, &attention), config) {
                chosen.1.extend(search.live.iter().filter_map(|live| live.tokens.last()));
                running.push(search);
            } else {
                recorded.extend(search.end_record());
                let sentence = search.sentence;
                results[sentence].extend(search.into_hypotheses(config));
            }
        }
        width = running.iter().map(|search| search.live.len()).max().unwrap_or(0);
        if width > 0 {
            let (parents, tokens): (Vec<_>, Vec<_>) = running.iter().flat_map(|search| search.rows(width)).unzip();
            rows.keep(&parents, tokens);
        }
        searches = running;
    }
    if groups > 1 {
        results.iter_mut().for_each(|found| merge(found, n_best));
    }
    if let Some(trace) = trace {
        trace.end(recorded, &results, request.eos);
    }
    Ok(results)
}

/// The best of hypotheses that were found by several searches.
fn merge(found: &mut Vec<Hypothesis>, n_best: usize) {
    found.sort_by(|a, b| b.finished.cmp(&a.finished).then(b.score.total_cmp(&a.score)));
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert((one.tokens.clone(), one.finished)));
    found.truncate(n_best);
}

/// A hypothesis that may be continued.
struct Live {
    tokens: Vec<TokenId>,
    log_probs: Vec<f32>,
    total: Total,
    /// The row that holds all its tokens but the last.
    row: usize,
    /// The required phrases that it has whatever follows.
    met: Vec<bool>,
    /// The attention that the source has had.
    coverage: Coverage,
    /// Its node in the record, if there is one.
    node: Option<usize>,
}

/// The search for one sentence, by one group of its beam.
struct Search<'a> {
    request: &'a DecodeRequest<'a>,
    /// Index of the sentence in the request.
    sentence: usize,
    /// Number of tokens after which its text is cut.
    max_len: usize,
    /// Number of tokens after which the search is over.
    n_steps: usize,
    constraints: SentenceConstraints<'a>,
    /// β of the coverage penalty.
    coverage_penalty: f64,
    /// All of one length, best first.
    live: Vec<Live>,
    /// The best of those that ended, best first.
    finished: Vec<Hypothesis>,
    n_finished: usize,
    recorder: Option<Recorder>,
}

impl<'a> Search<'a> {
    fn new(row: usize, sentence: usize, request: &'a DecodeRequest<'a>, constraints: &Constraints<'a>) -> Self {
        let coverage_penalty = constraints.coverage_penalty;
        let (constraints, max_len) = (constraints.of(sentence, request), request.max_len[sentence]);
        let (met, coverage) = (constraints.required.none_met(), Coverage::default());
        let (tokens, log_probs, total) = (Vec::new(), Vec::new(), Total::default());
        let empty = Live { tokens, log_probs, total, row, met, coverage, node: None };
        let (live, finished) = (vec![empty], Vec::new());
        let recorder = None;
        let (n_steps, n_finished) = (max_len, 0);
        Self {
            request,
            sentence,
            max_len,
            n_steps,
            constraints,
            coverage_penalty,
            live,
            finished,
            n_finished,
            recorder,
        }
    }

    /// Records what may follow each live hypothesis, if that is asked for.
    fn record(&mut self, scores: &StepScores, first_row: usize, chosen: (&[TokenId], f64)) {
        let Some(mut recorder) = self.recorder.take() else { return };
        recorder.begin_step();
        for (row, live) in (first_row..).zip(&self.live) {
            recorder.see(live.node, scores.row(row), live.total, &self.admitted(live, chosen));
        }
        self.recorder = Some(recorder);
    }

    /// The record, if there is one, of a search that is over.
    fn end_record(&mut self) -> Option<Ended> {
        Some(self.recorder.take()?.end(self.live.iter().filter_map(|live| live.node)))
    }

    /// The tokens that may follow `live`, where other groups have chosen tokens.
    fn admitted<'s>(&'s self, live: &Live, chosen: (&'s [TokenId], f64)) -> Admitted<'s> {
        let DecodeRequest { rules, eos, .. } = *self.request;
        let text = || [self.request.prompt_of(self.sentence), &live.tokens].concat();
        let mut admitted = rules.admitted(live.tokens.len(), self.constraints.forced, &[eos], text);
        admitted.chosen = chosen;
        let is_last = live.tokens.len() + 1 >= self.max_len;
        self.constraints.narrow(&mut admitted, (&live.tokens, &live.met), eos, is_last);
        admitted
    }

    /// The candidates of a step, in the order in which the beam takes them; their parents are counted from `first_row`.
    fn candidates(
        &self,
        scores: &StepScores,
        first_row: usize,
        chosen: (&[TokenId], f64),
        top: &mut TopCandidates,
    ) -> Vec<Candidate> {
        top.clear();
        let required = &self.constraints.required;
        let (mut nearer, mut best) = (Vec::new(), TopCandidates::new(1));
        // Rows beyond the live hypotheses are fillers.
        for (row, live) in (first_row..).zip(&self.live) {
            let (scores, admitted) = (scores.row(row), self.admitted(live, chosen));
            top.consider(scores, live.total, row, &admitted);
            if required.is_empty() {
                continue;
            }
            best.clear();
            best.consider(scores, live.total, row, &admitted);
            nearer.extend_from_slice(best.best());
            let next = required.next(&live.met, &live.tokens);
            let mut wanted = TopCandidates::new(next.len().max(1));
            wanted.consider_some(next, scores, (live.total, row), &admitted);
            nearer.extend_from_slice(wanted.best());
            let between = required.between(&live.met, &live.tokens, self.request.eos);
            best.clear();
            best.consider_some(between, scores, (live.total, row), &admitted);
            nearer.extend_from_slice(best.best());
        }
        if required.is_empty() {
            return top.best().to_vec();
        }
        let all = top.best().iter().chain(&nearer).copied();
        allocate(all.map(|candidate| self.reach(candidate, first_row)).collect(), top.k())
    }

    /// A candidate, how far it is from having every required phrase, and whether they have room.
    fn reach(&self, candidate: Candidate, first_row: usize) -> (Candidate, Left, bool) {
        let parent = &self.live[candidate.parent - first_row];
        let required = &self.constraints.required;
        if candidate.token == self.request.eos {
            return (candidate, required.left(&parent.met, &parent.tokens), true);
        }
        let text = [&parent.tokens[..], &[candidate.token]].concat();
        let left = required.left(&required.met(&parent.met, &text), &text);
        (candidate, left, left.fits(self.max_len.saturating_sub(text.len())))
    }

    /// Takes the best candidates of a step, whose parents are counted from `first_row`, with the attention of each row; returns
    /// whether to continue.
    fn step(
        &mut self,
        candidates: &[Candidate],
        (first_row, attention): (usize, &[Vec<f32>]),
        config: &BeamConfig,
    ) -> bool {
        if candidates.is_empty() {
            return false;
        }
        let parents = std::mem::take(&mut self.live);
        let is_of_paper = config.rules == BeamRules::Gnmt;
        let len = parents[0].tokens.len() + 1;
        let is_forced = len <= self.request.rules.n_forced(self.constraints.forced);
        let is_cut = !is_of_paper && len >= self.n_steps;
        for (rank, candidate) in candidates.iter().enumerate() {
            let &Candidate { mut total, token, next, parent: row } = candidate;
            let parent = &parents[row - first_row];
            if is_forced && !is_of_paper {
                total.ranked = parent.total.ranked;
            }
            let mut node = || Some(self.recorder.as_mut()?.take(parent.node, candidate, total));
            let log_probs = [&parent.log_probs[..], &[next]].concat();
            let coverage = parent.coverage.with(attention.get(row));
            let cover = coverage.penalty(self.coverage_penalty);
            if token == self.request.eos {
                if rank < config.beam {
                    let node = node();
                    self.finish((parent.tokens.clone(), log_probs, node), (total, cover), true, config);
                }
                continue;
            }
            let tokens = [&parent.tokens[..], &[token]].concat();
            let met = self.constraints.required.met(&parent.met, &tokens);
            if is_cut && self.constraints.required.is_met(&met, &tokens) {
                if rank < config.beam {
                    let node = node();
                    self.finish((tokens, log_probs, node), (total, cover), false, config);
                }
            } else if self.live.len() < config.beam {
                let node = node();
                self.live.push(Live { tokens, log_probs, total, row, met, coverage, node });
            }
        }
        if !self.constraints.required.is_empty() {
            self.live.sort_by(|a, b| b.total.ranked.total_cmp(&a.total.ranked));
        }
        self.goes_on(config)
    }

    fn finish(
        &mut self,
        (tokens, token_log_probs, node): (Vec<TokenId>, Vec<f32>, Option<usize>),
        (total, coverage): (Total, f64),
        finished: bool,
        config: &BeamConfig,
    ) {
        let score = config.score(total.ranked, token_log_probs.len()) + coverage;
        let rank = self.finished.partition_point(|kept| kept.score >= score);
        if let (Some(recorder), Some(node)) = (&mut self.recorder, node) {
            recorder.finish(node, score, rank, config.n_kept());
        }
        let log_prob = total.log_prob;
        self.finished.insert(rank, Hypothesis { tokens, log_prob, token_log_probs, score, finished });
        self.finished.truncate(config.n_kept());
        self.n_finished += 1;
    }

    fn goes_on(&self, config: &BeamConfig) -> bool {
        let Some(best) = self.live.first() else {
            return false;
        };
        let len = best.tokens.len();
        let are_enough = self.n_finished >= config.beam;
        if len >= self.n_steps || are_enough && matches!(config.rules, BeamRules::Gnmt | BeamRules::Early) {
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
        // A coverage penalty can still become 0.
        config.score(best.total.ranked, best_len) > worst.score
    }

    /// The old row and the new token of each of `width` rows, filled up with the best.
    fn rows(&self, width: usize) -> impl Iterator<Item = (usize, TokenId)> {
        let rows = self.live.iter().chain(iter::repeat(&self.live[0])).take(width);
        rows.map(|live| (live.row, live.tokens[live.tokens.len() - 1]))
    }

    fn into_hypotheses(mut self, config: &BeamConfig) -> Vec<Hypothesis> {
        let required = self.constraints.required;
        // Those that have every phrase first.
        self.live.sort_by_key(|live| required.left(&live.met, &live.tokens).tokens);
        let unfinished = self.live.into_iter().map(|Live { tokens, log_probs, total, coverage, .. }| {
            let score = config.score(total.ranked, tokens.len()) + coverage.penalty(self.coverage_penalty);
            let (log_prob, token_log_probs) = (total.log_prob, log_probs);
            Hypothesis { tokens, log_prob, token_log_probs, score, finished: false }
        });
        self.finished.into_iter().chain(unfinished).take(config.n_best).collect()
    }
}
