//! Rules for the tokens that a search may write.

use attentive_core::{TokenId, Want};

use crate::{DecodeError, Dropped, form::Allowed, spelling::Follows};

/// Rules that hold for beam search, greedy search and sampling alike; by default there are none.
///
/// A row's text is its prompt and all that was written after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Tokens that are never written: padding, begin of sentence, unused entries of the vocabulary.
    pub suppressed: Vec<TokenId>,
    /// Sequences of tokens that a text never contains.
    pub bad_words: Vec<Vec<TokenId>>,
    /// Tokens that must be written before the text may end; 0 in the paper.
    pub min_len: usize,
    /// Length of the n-grams that a text has at most once (Paulus et al. 2018, §2.5); 0 for no limit. It never
    /// withholds the end of the text.
    pub no_repeat_ngram: usize,
    /// Factor θ of the log-probabilities of tokens that the text already has (Keskar et al. 2019, §4.1): 1 for none, more
    /// for less repetition. It ranks tokens; a hypothesis' `log_prob` stays the model's. Sampling also applies the
    /// factor of its own settings.
    pub repetition_penalty: f64,
    /// The first token of every text, for example the target language. It is exempt from the other rules.
    pub forced_first: Option<TokenId>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            suppressed: Vec::new(),
            bad_words: Vec::new(),
            min_len: 0,
            no_repeat_ngram: 0,
            repetition_penalty: 1.0,
            forced_first: None,
        }
    }
}

impl Rules {
    /// Checks the rules without a model.
    ///
    /// # Errors
    /// [`DecodeError::Setting`] or [`DecodeError::EmptyBadWord`].
    pub fn validate(&self) -> Result<(), DecodeError> {
        let value = self.repetition_penalty;
        if !value.is_finite() || value <= 0.0 {
            return Err(DecodeError::Setting { key: "repetition_penalty", value, expected: "above 0" });
        }
        match self.bad_words.iter().position(Vec::is_empty) {
            Some(index) => Err(DecodeError::EmptyBadWord { index }),
            None => Ok(()),
        }
    }

    /// Checks the rules against a vocabulary, and the ends of its texts.
    pub(crate) fn validate_for(&self, vocab_size: usize, ends: &[TokenId]) -> Result<(), DecodeError> {
        self.validate()?;
        let is_never =
            |end: TokenId| self.suppressed.contains(&end) || self.bad_words.iter().any(|word| *word == [end]);
        if let Some(&eos) = ends.iter().find(|&&end| end as usize >= vocab_size || is_never(end)) {
            return Err(DecodeError::UnreachableEos { eos, vocab_size });
        }
        self.forced_first.map_or(Ok(()), |token| check_forced(token, vocab_size, ends))
    }

    /// Number of forced tokens, `prefix` included.
    pub(crate) fn n_forced(&self, prefix: &[TokenId]) -> usize {
        usize::from(self.forced_first.is_some()) + prefix.len()
    }

    /// Scores that are enough to find the best `k` tokens of each row.
    pub(crate) fn want(&self, k: usize, n_ends: usize, is_forced: bool) -> Want {
        if is_forced || self.reads_text() {
            return Want::All;
        }
        let n_withheld = self.suppressed.len().saturating_add(n_ends);
        Want::Top(k.saturating_add(n_withheld))
    }

    /// The tokens that may follow a text of `n_written` tokens after its prompt.
    pub(crate) fn admitted(
        &self,
        n_written: usize,
        prefix: &[TokenId],
        ends: &[TokenId],
        text: impl FnOnce() -> Vec<TokenId>,
    ) -> Admitted<'_> {
        let mut suppressed = self.suppressed.clone();
        suppressed.sort_unstable();
        let mut admitted = Admitted {
            suppressed,
            withheld: Vec::new(),
            forced: self.forced(n_written, prefix),
            seen: Vec::new(),
            penalty: self.repetition_penalty,
            bias: None,
            chosen: (&[], 0.0),
            follows: None,
            form: None,
        };
        if admitted.forced.is_some() {
            return admitted;
        }
        if self.reads_text() {
            let text = text();
            let repeating = self.repeating(&text).filter(|token| !ends.contains(token));
            admitted.withheld.extend(repeating.map(|token| (token, Dropped::RepeatedNgram)));
            admitted.withheld.extend(self.bad_words.iter().filter_map(|word| {
                let (&last, before) = word.split_last()?;
                text.ends_with(before).then_some((last, Dropped::BadWord))
            }));
            if self.repetition_penalty != 1.0 {
                admitted.seen = text;
                admitted.seen.sort_unstable();
                admitted.seen.dedup();
            }
        }
        if n_written < self.min_len {
            admitted.withheld.extend(ends.iter().map(|&end| (end, Dropped::TooShort)));
        }
        // Of several reasons, the first.
        admitted.withheld.sort_by_key(|&(token, _)| token);
        admitted.withheld.dedup_by_key(|&mut (token, _)| token);
        admitted
    }

    fn reads_text(&self) -> bool {
        self.no_repeat_ngram > 0 || self.repetition_penalty != 1.0 || !self.bad_words.is_empty()
    }

    fn forced(&self, n_written: usize, prefix: &[TokenId]) -> Option<TokenId> {
        self.forced_first.into_iter().chain(prefix.iter().copied()).nth(n_written)
    }

    /// Tokens that would end an n-gram that `text` already has.
    fn repeating<'a>(&self, text: &'a [TokenId]) -> impl Iterator<Item = TokenId> + use<'a> {
        let n = self.no_repeat_ngram;
        let last = text.len().checked_sub(n.wrapping_sub(1)).filter(|_| n > 0).map(|from| &text[from..]);
        let ngrams =
            last.into_iter().flat_map(move |last| text.windows(n).filter(move |ngram| ngram.starts_with(last)));
        ngrams.map(move |ngram| ngram[n - 1])
    }
}

/// Checks a token that is forced.
pub(crate) fn check_forced(token: TokenId, vocab_size: usize, ends: &[TokenId]) -> Result<(), DecodeError> {
    if token as usize >= vocab_size {
        return Err(DecodeError::UnknownToken { id: token, vocab_size });
    }
    if ends.contains(&token) { Err(DecodeError::ForcedEnd { eos: token }) } else { Ok(()) }
}

/// The tokens that may follow one row, and their order.
pub(crate) struct Admitted<'a> {
    /// Sorted, as are those withheld: each token of a vocabulary is looked for.
    suppressed: Vec<TokenId>,
    /// Each with the reason.
    withheld: Vec<(TokenId, Dropped)>,
    /// The only token that may follow.
    forced: Option<TokenId>,
    /// Tokens that are penalised, sorted.
    seen: Vec<TokenId>,
    penalty: f64,
    pub(crate) bias: Option<Bias>,
    /// Tokens that other groups of the beam have chosen, each as often as they have, and what is taken from each.
    pub(crate) chosen: (&'a [TokenId], f64),
    /// What words admit.
    pub(crate) follows: Option<Follows<'a>>,
    /// What a form admits.
    pub(crate) form: Option<Allowed<'a>>,
}

/// A token that is preferred: its probability p becomes (1 − β) p + β, that of others (1 − β) p.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bias {
    pub(crate) token: TokenId,
    pub(crate) beta: f64,
}

impl Bias {
    fn log_prob(self, token: TokenId, log_prob: f64) -> f64 {
        let share = (1.0 - self.beta).ln() + log_prob;
        if token == self.token { (share.exp() + self.beta).ln() } else { share }
    }
}

impl Admitted<'_> {
    pub(crate) fn forced(&self) -> Option<TokenId> {
        self.forced
    }

    /// Whether a token's log-probability is all that ranks it.
    pub(crate) fn is_unpenalised(&self) -> bool {
        self.seen.is_empty() && self.bias.is_none()
    }

    /// Lets constraints exclude a token: the end, for example.
    pub(crate) fn withhold(&mut self, token: TokenId) {
        if let Err(at) = self.withheld.binary_search_by_key(&token, |&(withheld, _)| withheld) {
            self.withheld.insert(at, (token, Dropped::Constraint));
        }
    }

    pub(crate) fn admits(&self, token: TokenId) -> bool {
        self.excludes(token).is_none()
    }

    /// Why a token may not follow, if it may not.
    pub(crate) fn excludes(&self, token: TokenId) -> Option<Dropped> {
        if let Some(forced) = self.forced {
            return (token != forced).then_some(Dropped::NotForced);
        }
        if self.suppressed.binary_search(&token).is_ok() {
            return Some(Dropped::Suppressed);
        }
        if let Ok(at) = self.withheld.binary_search_by_key(&token, |&(withheld, _)| withheld) {
            return Some(self.withheld[at].1);
        }
        let is_out = self.follows.as_ref().is_some_and(|follows| !follows.admits(token))
            || self.form.as_ref().is_some_and(|form| !form.admits(token));
        is_out.then_some(Dropped::Constraint)
    }

    /// The value that a token of this log-probability is ranked by.
    pub(crate) fn ranked(&self, token: TokenId, log_prob: f32) -> f64 {
        let log_prob = f64::from(log_prob);
        let log_prob = self.bias.map_or(log_prob, |bias| bias.log_prob(token, log_prob));
        let is_seen = self.seen.binary_search(&token).is_ok();
        let (chosen, penalty) = self.chosen;
        let n_chosen = chosen.iter().filter(|&&other| other == token).count();
        log_prob * if is_seen { self.penalty } else { 1.0 } - penalty * n_chosen as f64
    }
}
