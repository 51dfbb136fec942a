//! A text with hidden spans in; guesses for each out.

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

use attentive_core::{EncoderDecoder, TokenId, TokenMatrix};
use attentive_decode::{BeamConfig, DecodeRequest, Hypothesis, Rules, beam_search};
use attentive_tokenizer::Tokenizer;
use burn::tensor::Device;

use crate::{
    Bundle, BundleError, Candidate, EncodeError, Input, Params, TranslationModel, WeightFormat,
    text_encoder::{MASKS, at_most_candidates},
};

/// Hypotheses that a search keeps at least.
const MIN_BEAM: usize = 4;

/// Tokens that the spans of a text may have, each.
const MAX_SPAN: usize = 64;

/// Fills hidden spans with an encoder–decoder that learnt by span corruption: T5, ByT5 (Raffel et al. 2020, §3.1.4).
pub struct SpanFiller<M> {
    model: M,
    tokenizer: Arc<dyn Tokenizer>,
    begin: TokenId,
    end: TokenId,
}

impl SpanFiller<TranslationModel> {
    /// A bundle's model on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, it is of another family, or its vocabulary has no sentinels.
    pub fn from_bundle(
        bundle: &Bundle<impl Params>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, BundleError> {
        let model = bundle.translation_model(device, precision)?;
        Self::new(model, bundle.tokenizer()?.clone())
    }
}

impl<M: EncoderDecoder<State: Clone>> SpanFiller<M> {
    /// A model that was trained with `tokenizer`.
    ///
    /// # Errors
    /// [`BundleError::NoSentinels`], [`BundleError::NoSpecial`].
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>) -> Result<Self, BundleError> {
        if tokenizer.sentinel(1).is_none() {
            return Err(BundleError::NoSentinels);
        }
        let specials = tokenizer.specials();
        let need = |id: Option<TokenId>, role| id.ok_or(BundleError::NoSpecial { role });
        let of_framing = tokenizer.framing().and_then(|framing| framing.begin);
        let begin = need(of_framing.or(specials.begin()), "begin-of-sentence")?;
        let end = need(specials.end(), "end-of-sentence")?;
        Ok(Self { model, tokenizer, begin, end })
    }

    /// The `k` most probable fillings of each `[MASK]` (or `<mask>`, or `<extra_id_0>` …) of `text`, best first.
    ///
    /// A beam search writes all spans of the text together, up to the sentinel after the last or, as at a text's end, to the
    /// end. A filling's probability is that of all finds that have it in this place, so it is a lower bound.
    ///
    /// # Errors
    /// [`EncodeError`] if nothing is masked, or too much.
    pub fn fill<'a>(&self, text: impl Into<Input<'a>>, k: usize) -> Result<Vec<Vec<Candidate>>, EncodeError> {
        at_most_candidates(k)?;
        let input = text.into();
        let text = input.text;
        let masks = masks(text);
        let (n_masks, max) = (masks.len(), (1..).take_while(|&index| self.tokenizer.sentinel(index).is_some()).count());
        if masks.is_empty() {
            return Err(EncodeError::NoMask);
        }
        if n_masks > max {
            return Err(EncodeError::TooManyMasks { n_masks, max });
        }
        let mut source = input.fit(self.encode(text, &masks), 1, self.model.max_len())?;
        source.push(self.end);
        let max_len = (n_masks * (MAX_SPAN + 1) + 2).min(self.model.max_len().unwrap_or(usize::MAX));
        let state = self.model.start(&TokenMatrix::from_rows(&[source], self.end, 0));
        let mut found = Vec::new();
        for stop in self.tokenizer.sentinel(n_masks).into_iter().chain([self.end]) {
            found.extend(self.search(state.clone(), stop, n_masks, max_len, k.max(MIN_BEAM))?);
        }
        // Of an output that is cut off at the maximum length, only the beginning's probability is known.
        if found.iter().any(|hypothesis| hypothesis.finished) {
            found.retain(|hypothesis| hypothesis.finished);
        }
        let mut fillings = vec![BTreeMap::<String, f64>::new(); n_masks];
        for hypothesis in &found {
            for (span, of_span) in self.spans(&hypothesis.tokens, n_masks).zip(&mut fillings) {
                *of_span.entry(self.text(span)).or_default() += hypothesis.log_prob.exp();
            }
        }
        let best_first = |of_span: BTreeMap<String, f64>| {
            let candidate = |(text, probability)| Candidate { text, probability };
            let mut candidates: Vec<Candidate> = of_span.into_iter().map(candidate).collect();
            candidates.sort_by(|a, b| b.probability.total_cmp(&a.probability));
            candidates.truncate(k);
            candidates
        };
        Ok(fillings.into_iter().map(best_first).collect())
    }

    /// From where a text was read, the best `beam` outputs that `stop` follows, of no other tokens
    /// than text and the sentinels of the masks.
    fn search(
        &self,
        state: M::State,
        stop: TokenId,
        n_masks: usize,
        max_len: usize,
        beam: usize,
    ) -> Result<Vec<Hypothesis>, EncodeError> {
        let sentinels = (n_masks..).map_while(|index| self.tokenizer.sentinel(index));
        let unused = crate::unused_rows(&*self.tokenizer, self.model.vocab_size());
        let special = self.tokenizer.specials().iter().chain(sentinels).filter(|&id| id != stop);
        let suppressed = special.chain(unused).collect();
        let rules = Rules { suppressed, ..Rules::default() };
        let request =
            DecodeRequest { prompt: &[self.begin], prefixes: &[], eos: stop, rules: &rules, max_len: &[max_len] };
        let search = BeamConfig { beam, n_best: beam, length_penalty: 0.0, ..BeamConfig::default() };
        let found = beam_search(&self.model, state, &request, &search)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Tokens of a text, a sentinel in the place of each mask. Where words have their space in front of them, a mask has too.
    fn encode(&self, text: &str, masks: &[Range<usize>]) -> Vec<TokenId> {
        let words_have_spaces = self.tokenizer.encode(" a").len() == self.tokenizer.encode("a").len();
        let mut ids = Vec::new();
        let mut at = 0;
        for (index, mask) in masks.iter().enumerate() {
            let part = &text[at..mask.start];
            ids.extend(self.tokenizer.encode(if words_have_spaces { part.trim_end() } else { part }));
            ids.extend(self.tokenizer.sentinel(index));
            at = mask.end;
        }
        ids.extend(self.tokenizer.encode(&text[at..]));
        ids
    }

    /// The tokens after each of the first `n` sentinels, up to the next one; none where a sentinel is missing.
    fn spans<'a>(&self, tokens: &'a [TokenId], n: usize) -> impl Iterator<Item = &'a [TokenId]> {
        let mut rest = tokens;
        (0..n).map(move |index| {
            let find = |ids: &[TokenId], index| ids.iter().position(|&id| Some(id) == self.tokenizer.sentinel(index));
            let Some(at) = find(rest, index) else { return &[][..] };
            rest = &rest[at + 1..];
            &rest[..find(rest, index + 1).unwrap_or(rest.len())]
        })
    }

    fn text(&self, span: &[TokenId]) -> String {
        self.tokenizer.decode(span).expect("the vocabulary is the tokenizer's").trim().to_owned()
    }
}

/// The places of marks in a text, in their order.
fn masks(text: &str) -> Vec<Range<usize>> {
    let starts = text.match_indices(['[', '<']);
    starts.filter_map(|(at, _)| Some(at..at + mask_len(&text[at..])?)).collect()
}

/// The length of the mark that a text begins with.
fn mask_len(text: &str) -> Option<usize> {
    let named = |text: &str| {
        let rest = text.strip_prefix("<extra_id_")?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&n| n > 0)?;
        rest[digits..].starts_with('>').then(|| text.len() - rest.len() + digits + 1)
    };
    MASKS.iter().find(|mask| text.starts_with(**mask)).map(|mask| mask.len()).or_else(|| named(text))
}

impl<M: fmt::Debug> fmt::Debug for SpanFiller<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanFiller")
            .field("model", &self.model)
            .field("vocab_size", &self.tokenizer.vocab_size())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_every_kind_are_found() {
        let text = "a [MASK], <mask> <extra_id_12> <extra_id_> <extra_id_1 [mask] <extra_id_1x>";
        let found: Vec<&str> = masks(text).into_iter().map(|mask| &text[mask]).collect();
        assert_eq!(found, ["[MASK]", "<mask>", "<extra_id_12>"]);
    }
}
