//! A text in, its continuation out.

use std::{ops::ControlFlow, sync::Arc};

use attentive_core::{LanguageModel, Objective, SequenceBatch, TokenId};
use attentive_decode::{DecodeError, Ended, GenerateRequest, SamplingConfig, StopStrings, generate};
use attentive_model::{CausalLmObjective, Gpt};
use attentive_tokenizer::Tokenizer;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{Bundle, BundleError};

/// How a language model writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationConfig {
    /// Tokens that may follow the prompt.
    pub max_tokens: usize,
    /// Strings that end the text; they are not part of it.
    pub stop: Vec<String>,
    /// How tokens are drawn.
    pub sampling: SamplingConfig,
}

impl Default for GenerationConfig {
    /// Up to 200 tokens from the model's own distribution.
    fn default() -> Self {
        Self { max_tokens: 200, stop: Vec::new(), sampling: SamplingConfig::default() }
    }
}

/// How probable a text is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextScore {
    /// `Σ ln p` of its tokens, in nats.
    pub log_prob: f64,
    /// Number of tokens that were scored.
    pub n_tokens: usize,
    /// Bytes of the text behind them.
    pub n_bytes: usize,
}

/// Continues and scores texts with a language model and its tokenizer.
pub struct Generator<M> {
    model: M,
    tokenizer: Arc<dyn Tokenizer>,
    /// Stands between documents, so a text begins and ends with it.
    end: Option<TokenId>,
    suppressed: Vec<TokenId>,
}

impl Generator<Gpt> {
    /// A bundle's language model on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, or it is of another family.
    pub fn from_bundle(bundle: Bundle, device: &Device) -> Result<Self, BundleError> {
        let model = bundle.gpt(device)?;
        Ok(Self::new(model, bundle.tokenizer.into()))
    }

    /// How probable `text` is after an end-of-text token; without one in the vocabulary, the first token is given.
    ///
    /// A text that is longer than the model has positions for is read in windows that overlap by half.
    pub fn score(&self, text: &str) -> TextScore {
        let ids: Vec<TokenId> = self.end.into_iter().chain(self.tokenizer.encode(text)).collect();
        let n_given = match (self.end, ids.first()) {
            (None, Some(&first)) => self.tokenizer.decode_bytes(&[first]).map_or(0, |bytes| bytes.len()),
            _ => 0,
        };
        let n_targets = ids.len().saturating_sub(1);
        let window = self.model.max_len().unwrap_or(usize::MAX).min(n_targets.max(1));
        let mut log_prob = 0.0;
        let mut n_scored = 0;
        while n_scored < n_targets {
            let start = if n_scored == 0 { 0 } else { (n_scored + window.div_ceil(2)).min(n_targets) - window };
            let end = start + window;
            let mut batch = SequenceBatch::next_tokens(&[&ids[start..=end]], 0, vec![0]);
            batch.ignored[..n_scored - start].fill(true);
            let loss = CausalLmObjective::default().loss(&self.model, &batch, None);
            log_prob -= f64::from(loss.nll_sum.into_scalar::<f32>());
            n_scored = end;
        }
        TextScore { log_prob, n_tokens: n_targets, n_bytes: text.len() - n_given.min(text.len()) }
    }
}

impl<M: LanguageModel> Generator<M> {
    /// A generator of a model that was trained with `tokenizer`.
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>) -> Self {
        let specials = tokenizer.specials();
        let end = specials.eos;
        let unused = crate::unused_rows(&*tokenizer, model.vocab_size());
        let suppressed = specials.iter().filter(|&id| Some(id) != end).chain(unused).collect();
        Self { model, tokenizer, end, suppressed }
    }

    /// Whether a text can begin from nothing: the vocabulary has an end-of-text token.
    pub fn can_begin(&self) -> bool {
        self.end.is_some()
    }

    /// Continues `prompt`; what follows it is handed to `on_text` as it comes, piece by piece.
    ///
    /// # Errors
    /// [`DecodeError`], where the settings are out of range, there is nothing to begin with, or the device fails.
    pub fn generate(
        &self,
        prompt: &str,
        config: &GenerationConfig,
        mut on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Ended, DecodeError> {
        let mut tokens: Vec<TokenId> = self.end.into_iter().chain(self.tokenizer.encode(prompt)).collect();
        let prompt_tokens = tokens.clone();
        let request = GenerateRequest {
            prompt: &prompt_tokens,
            max_tokens: config.max_tokens,
            end: self.end,
            suppressed: &self.suppressed,
        };
        let mut stop = StopStrings::new(config.stop.iter().map(String::as_str));
        let mut n_shown = self.text(&tokens).len();
        let ended = generate(&self.model, &request, &config.sampling, |drawn| {
            tokens.push(drawn.token);
            let text = self.text(&tokens);
            // Bytes at the end that are no character yet wait.
            let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
            let Some(new) = whole.get(n_shown..).filter(|new| !new.is_empty()) else {
                return ControlFlow::Continue(());
            };
            n_shown = whole.len();
            let (piece, at_end) = stop.push(new);
            let wish = if piece.is_empty() { ControlFlow::Continue(()) } else { on_text(&piece) };
            if at_end { ControlFlow::Break(()) } else { wish }
        })?;
        if ended != Ended::ByCaller {
            let (piece, at_end) = stop.push(self.text(&tokens).get(n_shown..).unwrap_or_default());
            let rest = if at_end { piece } else { piece + &stop.finish() };
            if !rest.is_empty() {
                // The text is over whatever the caller wishes.
                let _ = on_text(&rest);
            }
        }
        Ok(ended)
    }

    fn text(&self, tokens: &[TokenId]) -> String {
        self.tokenizer.decode(tokens).expect("the vocabulary is the tokenizer's")
    }
}
