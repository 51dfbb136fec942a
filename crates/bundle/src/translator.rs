//! Text in, text out.

use std::{num::NonZeroUsize, sync::Arc};

use attentive_core::{EncoderDecoder, TokenId, TokenMatrix};
use attentive_decode::{BeamConfig, DecodeRequest, Hypothesis, beam_search, greedy};
use attentive_tokenizer::Tokenizer;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Bundle, BundleError, Precision, TranslateError, TranslationModel};

/// How to decode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodingConfig {
    /// Hypotheses kept for each sentence; 1 is greedy search.
    pub beam: usize,
    /// α of the GNMT length penalty.
    pub length_penalty: f64,
    /// Tokens that a translation may have beyond the source's.
    pub max_len_offset: usize,
    /// Source tokens, padding included, that are decoded together.
    pub batch_tokens: usize,
    /// What weights are packed in on the CPU.
    pub precision: Precision,
}

impl Default for DecodingConfig {
    /// The paper's (§6.1): beam 4, α = 0.6, source length + 50.
    fn default() -> Self {
        Self { beam: 4, length_penalty: 0.6, max_len_offset: 50, batch_tokens: 2048, precision: Precision::F32 }
    }
}

/// One translation of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The text.
    pub text: String,
    /// Its tokens, without begin and end of sentence.
    pub tokens: Vec<TokenId>,
    /// ln p(translation | source), in nats.
    pub log_prob: f64,
    /// `log_prob` over the length penalty: what the search ranks by.
    pub score: f64,
}

/// Translates texts with a model and its tokenizer.
pub struct Translator<M> {
    model: M,
    tokenizer: Arc<dyn Tokenizer>,
    pad: TokenId,
    bos: TokenId,
    eos: TokenId,
    suppressed: Vec<TokenId>,
}

impl Translator<TranslationModel> {
    /// A bundle's translator on `device`; on the CPU's default backend, its weights are packed at `precision`, or as the
    /// bundle says.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, or another backend is asked for a precision of its own.
    pub fn from_bundle(bundle: Bundle, device: &Device, precision: Option<Precision>) -> Result<Self, BundleError> {
        let model = bundle.translation_model(device, precision)?;
        Self::new(model, bundle.tokenizer.into())
    }
}

impl<M: EncoderDecoder> Translator<M> {
    /// A translator of a model that was trained with `tokenizer`.
    ///
    /// # Errors
    /// [`BundleError::NoSpecial`] if the tokenizer lacks a token that translation needs.
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>) -> Result<Self, BundleError> {
        let specials = tokenizer.specials();
        let need = |id: Option<TokenId>, role| id.ok_or(BundleError::NoSpecial { role });
        let pad = need(specials.pad, "padding")?;
        let bos = need(specials.begin(), "begin-of-sentence")?;
        let eos = need(specials.end(), "end-of-sentence")?;
        let unused = crate::unused_rows(&*tokenizer, model.vocab_size());
        let suppressed = specials.iter().filter(|&id| id != eos).chain(unused).collect();
        Ok(Self { model, tokenizer, pad, bos, eos, suppressed })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// Translates texts together: for each its best translations, best first; `n_best` of them is at most the beam.
    ///
    /// # Errors
    /// [`TranslateError`].
    pub fn translate_n_best(
        &self,
        texts: &[impl AsRef<str>],
        config: &DecodingConfig,
        n_best: NonZeroUsize,
    ) -> Result<Vec<Vec<Translation>>, TranslateError> {
        let rows: Vec<Vec<TokenId>> = texts
            .iter()
            .map(|text| {
                let mut ids = self.tokenizer.encode(text.as_ref());
                ids.push(self.eos);
                ids
            })
            .collect();
        if let Some(max_len) = self.model.max_len()
            && let Some(text_idx) = rows.iter().position(|row| row.len() > max_len)
        {
            return Err(TranslateError::TooLong { text_idx, n_tokens: rows[text_idx].len(), max_len });
        }
        // Sentences of like length go together: less padding, and the result depends on none of it.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&idx| rows[idx].len());
        let mut translations = vec![Vec::new(); rows.len()];
        for batch in batches(&order, &rows, config.batch_tokens) {
            let source: Vec<&[TokenId]> = batch.iter().map(|&idx| rows[idx].as_slice()).collect();
            let found = self.search(&source, config, n_best.get())?;
            for (&idx, hypotheses) in batch.iter().zip(found) {
                translations[idx] = hypotheses.into_iter().map(|hypothesis| self.translation(hypothesis)).collect();
            }
        }
        Ok(translations)
    }

    /// The best translation of each text.
    ///
    /// # Errors
    /// [`TranslateError`].
    pub fn translate(
        &self,
        texts: &[impl AsRef<str>],
        config: &DecodingConfig,
    ) -> Result<Vec<Vec<Translation>>, TranslateError> {
        self.translate_n_best(texts, config, NonZeroUsize::MIN)
    }

    fn search(
        &self,
        source: &[&[TokenId]],
        config: &DecodingConfig,
        n_best: usize,
    ) -> Result<Vec<Vec<Hypothesis>>, TranslateError> {
        let limit = self.model.max_len().unwrap_or(usize::MAX);
        let max_len: Vec<usize> =
            source.iter().map(|row| (row.len().saturating_add(config.max_len_offset)).min(limit)).collect();
        let prompt = Tensor::<2, Int>::full([source.len(), 1], i64::from(self.bos), &self.model.device());
        let request =
            DecodeRequest { prompt, eos: self.eos, suppressed: &self.suppressed, min_len: 0, max_len: &max_len };
        let state = self.model.start(&TokenMatrix::from_rows(source, self.pad, 0));
        if config.beam == 1 && n_best == 1 {
            return Ok(greedy(&self.model, state, &request)?.into_iter().map(|best| vec![best]).collect());
        }
        let beam = BeamConfig { beam: config.beam, n_best, length_penalty: config.length_penalty };
        Ok(beam_search(&self.model, state, &request, &beam)?)
    }

    fn translation(&self, hypothesis: Hypothesis) -> Translation {
        let Hypothesis { tokens, log_prob, score, .. } = hypothesis;
        let text = self.tokenizer.decode(&tokens).expect("the vocabulary is the tokenizer's");
        Translation { text, tokens, log_prob, score }
    }
}

/// Cuts rows, sorted by length, into batches of at most `max_tokens` padded tokens, one row at least.
fn batches<'a>(order: &'a [usize], rows: &[Vec<TokenId>], max_tokens: usize) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let mut first = 0;
    for end in 1..=order.len() {
        let is_full = |end: usize| rows[order[end]].len() * (end + 1 - first) > max_tokens;
        if end == order.len() || is_full(end) {
            batches.push(&order[first..end]);
            first = end;
        }
    }
    batches
}
