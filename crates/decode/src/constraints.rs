//! What texts are held to.

use attentive_core::TokenId;

use crate::{
    BeamConfig, DecodeError, DecodeRequest, Phrase, Spelling, Typed,
    phrases::Required,
    rules::{Admitted, Bias, check_forced},
    spelling::Words,
};

/// What is asked of the texts that [`beam_search_with`](crate::beam_search_with) finds, beyond
/// [`Rules`](crate::Rules); by default nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Constraints<'a> {
    /// The phrases that each sentence's text must have, in any order: `[sentences]`, or empty for none. No text ends
    /// without them; one that is cut may lack some, if they have no room, or rules or the model exclude them.
    ///
    /// The beam has places for texts that have more or less of them (Post and Vilar 2018): it should be wider than without.
    pub required: &'a [Vec<Phrase>],
    /// Words that no text has, one after another and whole, however they are cut into tokens. Needs `spelling`.
    pub forbidden: &'a [String],
    /// The word that each sentence's text goes on with after its prefix: `[sentences]`, or empty for none. Needs `spelling`.
    pub typed: &'a [Typed],
    /// β: the prefix is not forced, but preferred, and a token y of it has the probability (1 − β) p(y) + β as long as the
    /// text has not departed from the prefix; others have (1 − β) p. So tokens are ranked; a hypothesis' `log_prob` stays
    /// the model's, and what the model excludes stays excluded.
    ///
    /// Source: Arivazhagan et al. 2020, "Re-translation versus Streaming for Simultaneous Translation", §3.4.
    pub prefix_bias: Option<f64>,
    /// Groups of the beam that keep apart.
    pub diversity: Diversity,
    /// β of the [coverage penalty](crate::coverage_penalty()), which is added to the scores of hypotheses that are compared; 0
    /// for none. The model must show its attention ([`NextToken::advance_attending`](attentive_core::NextToken::advance_attending)).
    pub coverage_penalty: f64,
    /// The text of tokens: with it, required phrases are whole words.
    pub spelling: Option<&'a Spelling>,
}

/// Groups of a beam that keep apart: each chooses its tokens after the groups before it, and theirs are penalised.
///
/// Source: Vijayakumar et al. 2018, "Diverse Beam Search: Decoding Diverse Solutions from Neural Sequence Models", §4, with
/// the Hamming diversity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diversity {
    /// Number of groups, each of `beam / groups` hypotheses; 1 for an ordinary beam.
    pub groups: usize,
    /// λ, taken from the log-probability of a token for each hypothesis of the groups before that has it as its next.
    pub penalty: f64,
}

impl Default for Diversity {
    /// One group.
    fn default() -> Self {
        Self { groups: 1, penalty: 0.0 }
    }
}

impl<'a> Constraints<'a> {
    pub(crate) fn validate(
        &self,
        request: &DecodeRequest<'_>,
        config: &BeamConfig,
        vocab_size: usize,
    ) -> Result<(), DecodeError> {
        let Diversity { groups, penalty } = self.diversity;
        if groups == 0 || !config.beam.is_multiple_of(groups) {
            return Err(DecodeError::Groups { groups, beam: config.beam });
        }
        if !penalty.is_finite() || penalty < 0.0 {
            return Err(DecodeError::Setting { key: "diversity", value: penalty, expected: "at least 0" });
        }
        let value = self.coverage_penalty;
        if !value.is_finite() || value < 0.0 {
            return Err(DecodeError::Setting { key: "coverage_penalty", value, expected: "at least 0" });
        }
        if let Some(value) = self.prefix_bias.filter(|beta| !(0.0..1.0).contains(beta)) {
            return Err(DecodeError::Setting { key: "prefix_bias", value, expected: "at least 0 and below 1" });
        }
        if let (Some(value), Some(_)) = (self.prefix_bias, self.typed.iter().find(|typed| !typed.text.is_empty())) {
            let expected = "left out: a typed word follows a prefix that is forced";
            return Err(DecodeError::Setting { key: "prefix_bias", value, expected });
        }
        for n_constraints in [self.required.len(), self.typed.len()] {
            let n_sentences = request.n_sentences();
            if n_constraints != 0 && n_constraints != n_sentences {
                return Err(DecodeError::ConstraintCount { n_constraints, n_sentences });
            }
        }
        let n_spelled = self.spelling.map(Spelling::vocab_size);
        if self.are_of_words() && n_spelled.is_none() || n_spelled.is_some_and(|n| n != vocab_size) {
            return Err(DecodeError::Spelling { n_spelled: n_spelled.unwrap_or(0), vocab_size });
        }
        let forms = self.required.iter().flatten().map(|phrase| &phrase.forms);
        forms.clone().flatten().flatten().try_for_each(|&token| check_forced(token, vocab_size, &[request.eos]))?;
        let is_never = |form: &Vec<TokenId>| {
            let is_suppressed = form.iter().any(|token| request.rules.suppressed.contains(token));
            let is_bad = |word: &Vec<TokenId>| form.windows(word.len()).any(|part| part == word);
            form.is_empty() || is_suppressed || request.rules.bad_words.iter().any(is_bad)
        };
        match forms.clone().find(|forms| forms.iter().all(is_never)) {
            Some(forms) => Err(DecodeError::ImpossiblePhrase { form: forms.first().cloned().unwrap_or_default() }),
            None if forms.clone().flatten().any(Vec::is_empty) => {
                Err(DecodeError::ImpossiblePhrase { form: Vec::new() })
            }
            None => Ok(()),
        }
    }

    /// Whether more than the most probable tokens are needed of each row.
    pub(crate) fn needs_all(&self) -> bool {
        let are_required = self.required.iter().any(|phrases| !phrases.is_empty());
        are_required || self.are_of_words() || self.diversity.penalty > 0.0
    }

    fn are_of_words(&self) -> bool {
        !self.forbidden.is_empty() || self.typed.iter().any(|typed| !typed.text.is_empty())
    }

    /// Those for one sentence.
    pub(crate) fn of(&self, sentence: usize, request: &DecodeRequest<'a>) -> SentenceConstraints<'a> {
        let first = request.rules.forced_first;
        let prefix = request.prefix_of(sentence);
        let bias = self.prefix_bias.map(|beta| (beta, first.iter().chain(prefix).copied().collect()));
        let phrases = self.required.get(sentence).map_or(&[][..], Vec::as_slice);
        let n_first = usize::from(first.is_some());
        let typed = self.typed.get(sentence).filter(|typed| !typed.text.is_empty());
        let typed = typed.map(|Typed { n_before, text }| (text.as_str(), n_before + n_first));
        let spelling = self.spelling.filter(|_| typed.is_some() || !self.forbidden.is_empty());
        SentenceConstraints {
            required: Required::new(phrases, self.spelling),
            forced: if bias.is_some() { &[] } else { prefix },
            bias,
            words: spelling.map(|spelling| Words::new(spelling, self.forbidden, typed, request.eos)),
        }
    }
}

/// The constraints of one sentence's text.
pub(crate) struct SentenceConstraints<'a> {
    pub(crate) required: Required<'a>,
    /// The beginning that is forced.
    pub(crate) forced: &'a [TokenId],
    /// The beginning that is preferred, and how much.
    bias: Option<(f64, Vec<TokenId>)>,
    words: Option<Words<'a>>,
}

impl SentenceConstraints<'_> {
    /// Narrows what may follow `written`, which has the phrases `met`; it is the last token if `is_last`.
    pub(crate) fn narrow<'s>(
        &'s self,
        admitted: &mut Admitted<'s>,
        (written, met): (&[TokenId], &[bool]),
        eos: TokenId,
        is_last: bool,
    ) {
        if !self.required.is_met(met, written) {
            admitted.withhold(eos);
        }
        let next = |(beta, beginning): &(f64, Vec<TokenId>)| {
            let token = beginning.strip_prefix(written)?.first()?;
            Some(Bias { token: *token, beta: *beta })
        };
        admitted.bias = self.bias.as_ref().filter(|_| admitted.forced().is_none()).and_then(next);
        admitted.follows = self.words.as_ref().map(|words| words.after(written, is_last));
    }
}
