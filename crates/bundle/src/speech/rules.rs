//! Which tokens may follow in a transcription.

use attentive_core::{DeviceError, NextToken, Scores, TokenId, Want};

use super::SpeechTokens;

/// A model whose log-probabilities are of the tokens that may follow alone, as Whisper's rules of times have it (Radford et
/// al. 2022, §4.5; the authors' code).
pub(super) struct Ruled<'a, M> {
    pub(super) model: &'a M,
    pub(super) tokens: &'a SpeechTokens,
    /// Whether times are written.
    pub(super) times: bool,
    /// Entries of the vocabulary that have a token.
    pub(super) n_tokens: usize,
}

/// The memory of each row, and what was written there.
#[derive(Clone)]
pub(super) struct RuledState<S> {
    inner: S,
    texts: Vec<Vec<TokenId>>,
    /// Whether the prompt was read.
    has_begun: bool,
}

impl<S> RuledState<S> {
    /// Before the last tokens of the prompt are read.
    pub(super) fn new(inner: S, n_rows: usize) -> Self {
        Self { inner, texts: vec![Vec::new(); n_rows], has_begun: false }
    }
}

impl<M: NextToken> NextToken for Ruled<'_, M> {
    type State = RuledState<M::State>;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.model.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, _: Want) -> Result<Scores, DeviceError> {
        if std::mem::replace(&mut state.has_begun, true) {
            let new = tokens.len() / state.texts.len().max(1);
            let rows = tokens.chunks(new.max(1));
            state.texts.iter_mut().zip(rows).for_each(|(text, new)| text.extend_from_slice(new));
        }
        let mut log_probs = self.model.log_probs(tokens, &mut state.inner)?;
        let rows = log_probs.chunks_exact_mut(self.model.vocab_size());
        rows.zip(&state.texts).for_each(|(row, text)| self.rule(row, text));
        Ok(Scores::All(log_probs))
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        self.model.reorder(&mut state.inner, parents);
        state.texts = parents.iter().map(|&parent| state.texts[parent].clone()).collect();
    }
}

impl<M> Ruled<'_, M> {
    /// Leaves the tokens that may follow `text`, and makes their probabilities sum to 1.
    fn rule(&self, row: &mut [f32], text: &[TokenId]) {
        let SpeechTokens { suppressed, suppressed_first, first_time, no_times, .. } = self.tokens;
        let mut taken = take(&mut row[self.n_tokens..]);
        let first = if text.is_empty() { &suppressed_first[..] } else { &[] };
        for &id in suppressed.iter().chain(first).chain(no_times) {
            taken += take(&mut row[id as usize..][..1]);
        }
        match *first_time {
            Some(first_time) if self.times => taken += self.rule_times(row, text, first_time),
            Some(first_time) => taken += take(&mut row[first_time as usize..]),
            None => {}
        }
        // All together were 1, unless so much was taken that the little that is left must be summed itself.
        let total = if taken < 0.5 { (1.0 - taken).ln() as f32 } else { log_sum(row) };
        if total.is_finite() {
            row.iter_mut().for_each(|log_prob| *log_prob -= total);
        }
    }

    /// Times come in pairs, the end of a sentence and the begin of the next, or before the end alone; they never decrease;
    /// the first token is a time; and where times together are more probable than any word, one of them follows. The
    /// probability of what may not follow.
    fn rule_times(&self, row: &mut [f32], text: &[TokenId], first_time: TokenId) -> f64 {
        let times_from = first_time as usize;
        let is_time = |id: &TokenId| *id >= first_time;
        let ends_in_time = text.last().is_some_and(is_time);
        let begins_sentence = text.len() < 2 || is_time(&text[text.len() - 2]);
        let earliest = text.iter().rfind(|id| is_time(id)).map(|&last| {
            let may_repeat = ends_in_time && !begins_sentence;
            last as usize + usize::from(!may_repeat)
        });
        let mut taken = 0.0;
        if let Some(earliest) = earliest {
            taken += take(&mut row[times_from..earliest.min(self.n_tokens)]);
        }
        if ends_in_time && begins_sentence {
            taken += take(&mut row[times_from..]);
        } else if ends_in_time {
            taken += take(&mut row[..self.tokens.end as usize]);
        }
        if text.is_empty() {
            taken += take(&mut row[..times_from]);
            let latest = self.tokens.latest_first.map_or(usize::MAX, |latest| times_from + latest as usize);
            taken += take(&mut row[latest.saturating_add(1).min(self.n_tokens)..]);
        }
        let (words, times) = row.split_at_mut(times_from);
        let times = log_sum(times);
        if times > f32::NEG_INFINITY && !words.iter().any(|&word| word >= times) {
            taken += take(words);
        }
        taken
    }
}

/// Leaves no probability to some tokens, and returns what they had.
fn take(log_probs: &mut [f32]) -> f64 {
    let taken = log_probs.iter().map(|log_prob| f64::from(log_prob.exp())).sum();
    log_probs.fill(f32::NEG_INFINITY);
    taken
}

/// `ln Σ exp`.
fn log_sum(log_probs: &[f32]) -> f32 {
    let largest = log_probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if largest == f32::NEG_INFINITY {
        return largest;
    }
    largest + log_probs.iter().map(|&log_prob| f64::from((log_prob - largest).exp())).sum::<f64>().ln() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words 0 to 3, the end 4, no times 5, the times 6 to 9.
    fn tokens() -> SpeechTokens {
        SpeechTokens {
            end: 4,
            no_times: Some(5),
            first_time: Some(6),
            suppressed: vec![3],
            suppressed_first: vec![2],
            latest_first: Some(1),
            ..SpeechTokens::default()
        }
    }

    /// The tokens that may follow, where all are as probable but for the word 0.
    fn admitted(text: &[TokenId], times: bool, of_word: f32) -> Vec<usize> {
        let mut row = [-3.0_f32; 11];
        row[0] = of_word;
        let total = log_sum(&row);
        row.iter_mut().for_each(|log_prob| *log_prob -= total);
        Ruled { model: &(), tokens: &tokens(), times, n_tokens: 10 }.rule(&mut row, text);
        assert!((row.iter().map(|log_prob| log_prob.exp()).sum::<f32>() - 1.0).abs() < 1e-5);
        (0..row.len()).filter(|&id| row[id] > f32::NEG_INFINITY).collect()
    }

    #[test]
    fn times_come_in_pairs_and_never_decrease() {
        let certain = -0.1;
        assert_eq!(admitted(&[], true, certain), [6, 7]); // the first is a time, early enough
        assert_eq!(admitted(&[7], true, certain), [0, 1, 2, 4]); // a sentence follows
        assert_eq!(admitted(&[7, 0], true, certain), [0, 1, 2, 4, 8, 9]); // or a later time
        assert_eq!(admitted(&[7, 0, 8], true, certain), [8, 9]); // the next begins there: two times outweigh the end
        assert_eq!(admitted(&[7, 0, 8, 8], true, certain), [0, 1, 2, 4]);
        assert_eq!(admitted(&[7, 0, 8, 8, 1], true, certain), [0, 1, 2, 4, 9]);
    }

    #[test]
    fn a_time_follows_where_times_are_more_probable_than_any_word() {
        assert_eq!(admitted(&[7, 0], true, -3.0), [8, 9]);
    }

    #[test]
    fn without_times_there_are_words_alone() {
        assert_eq!(admitted(&[], false, -0.1), [0, 1, 4]);
        assert_eq!(admitted(&[0], false, -0.1), [0, 1, 2, 4]);
    }
}
