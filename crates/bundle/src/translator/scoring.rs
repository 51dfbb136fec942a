//! How probable given translations are.

use attentive_core::{EncoderDecoder, TokenId, TokenMatrix};
use attentive_decode::DecodeError;
use attentive_tokenizer::{FrameError, PairFrame};

use super::{Translator, batches};
use crate::{DecodingConfig, MAX_TEXT_TOKENS, TextScore, TranslateError};

/// Pairs that are scored together: each step gives the log-probabilities of the whole vocabulary for all of them.
const MAX_ROWS: usize = 64;

/// A source in its frame, and its target.
struct Job {
    source: Vec<TokenId>,
    /// Tokens that the target begins with whatever it says; they are read and not scored.
    n_given: usize,
    target: Vec<TokenId>,
}

impl<M: EncoderDecoder> Translator<M> {
    /// The log-probability that the model gives to each target, its end included, as a translation of its source; `None` for a
    /// pair that it can't read: a source or a target without tokens, or with more than it has positions for, or than
    /// [`MAX_TEXT_TOKENS`] if it has no limit.
    ///
    /// Of `config`, the settings `batch_tokens` and `forced_first` are followed: what is scored is the model's own
    /// distribution, not what a search makes of it.
    ///
    /// # Errors
    /// [`TranslateError`], but for lengths.
    pub fn score<S: AsRef<str>, T: AsRef<str>>(
        &self,
        pairs: &[(S, T)],
        config: &DecodingConfig,
    ) -> Result<Vec<Option<TextScore>>, TranslateError> {
        config.validate()?;
        let frame = self.frame.as_ref().map_err(FrameError::clone)?;
        let jobs: Vec<Option<Job>> =
            pairs.iter().map(|(source, target)| self.job(source.as_ref(), target.as_ref(), frame, config)).collect();
        let sources: Vec<Vec<TokenId>> =
            jobs.iter().map(|job| job.as_ref().map_or_else(Vec::new, |job| job.source.clone())).collect();
        let mut order: Vec<usize> = (0..jobs.len()).filter(|&idx| jobs[idx].is_some()).collect();
        order.sort_by_key(|&idx| (sources[idx].len(), jobs[idx].as_ref().map_or(0, |job| job.target.len())));
        let mut scores = vec![None; pairs.len()];
        for batch in batches(&order, &sources, config.batch_tokens) {
            for batch in batch.chunks(MAX_ROWS) {
                let of_batch: Vec<&Job> = batch.iter().filter_map(|&idx| jobs[idx].as_ref()).collect();
                for (&idx, log_prob) in batch.iter().zip(self.score_together(&of_batch, frame.begin)?) {
                    let n_tokens = jobs[idx].as_ref().map_or(0, |job| job.target.len() - job.n_given + 1);
                    scores[idx] = Some(TextScore { log_prob, n_tokens, n_bytes: pairs[idx].1.as_ref().len() });
                }
            }
        }
        Ok(scores)
    }

    fn job(&self, source: &str, target: &str, frame: &PairFrame, config: &DecodingConfig) -> Option<Job> {
        if source.trim().is_empty() || target.trim().is_empty() {
            return None;
        }
        let (source, target) = (self.tokenizer.encode(source), self.tokenizer.encode_target(target));
        if source.is_empty() || target.is_empty() {
            return None;
        }
        let source = frame.around(&source);
        let first = frame.first.or(config.forced_first);
        let missing = first.filter(|first| target.first() != Some(first));
        let target: Vec<TokenId> = missing.into_iter().chain(target).collect();
        let n_given = usize::from(first.is_some());
        let n_read = source.len().max(target.len() + 1);
        (n_read <= self.model.max_len().unwrap_or(MAX_TEXT_TOKENS)).then_some(Job { source, n_given, target })
    }

    /// The log-probabilities of some targets, all of whose tokens are read side by side.
    fn score_together(&self, jobs: &[&Job], begin: TokenId) -> Result<Vec<f64>, TranslateError> {
        let sources: Vec<&[TokenId]> = jobs.iter().map(|job| &job.source[..]).collect();
        let mut state = self.model.start(&TokenMatrix::from_rows(&sources, self.eos, 0));
        let mut sums = vec![0.0; jobs.len()];
        // Those whose targets are not over.
        let mut open: Vec<usize> = (0..jobs.len()).collect();
        for step in 0_usize.. {
            let read = |&row: &usize| step.checked_sub(1).map_or(begin, |before| jobs[row].target[before]);
            let tokens: Vec<TokenId> = open.iter().map(read).collect();
            let log_probs = self.model.log_probs(&tokens, &mut state).map_err(DecodeError::from)?;
            for (&row, log_probs) in open.iter().zip(log_probs.chunks(self.model.vocab_size())) {
                let Job { n_given, target, .. } = jobs[row];
                let next = target.get(step).copied().unwrap_or(self.eos);
                if step >= *n_given {
                    sums[row] += f64::from(log_probs[next as usize]);
                }
            }
            let stay: Vec<usize> = (0..open.len()).filter(|&at| step < jobs[open[at]].target.len()).collect();
            if stay.is_empty() {
                break;
            }
            if stay.len() < open.len() {
                self.model.reorder(&mut state, &stay);
                open = stay.iter().map(|&at| open[at]).collect();
            }
        }
        Ok(sums)
    }
}
