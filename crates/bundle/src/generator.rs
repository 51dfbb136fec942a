//! A text in, its continuation out.

use std::{fmt, ops::ControlFlow, sync::Arc};

use attentive_core::{DeviceError, LanguageModel, TokenId};
use attentive_decode::{DecodeError, Drawn, Ended, GenerateRequest, Rules, SamplingConfig, StopStrings, generate};
use attentive_tokenizer::Tokenizer;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{Bundle, BundleError, Params, TextModel, WeightFormat, text_stream::TextStream, translator::at_most};

/// How a language model writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct GenerationConfig {
    /// Whether the end-of-text token stands before a prompt, as it stands between documents in training; a text from nothing
    /// begins with it in any case.
    pub begin: bool,
    /// The token that stands before a prompt, where it is not the end-of-text token: Llama's `<s>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begin_id: Option<TokenId>,
    /// Tokens that may follow the prompt.
    pub max_tokens: usize,
    /// Strings that end the text; they are not part of it.
    pub stop: Vec<String>,
    /// Ids that end the text, each of them, in the place of the tokenizer's end-of-text token; without any, that one does.
    pub ends: Vec<TokenId>,
    /// Tokens that must follow the prompt before the text may end.
    pub min_tokens: usize,
    /// Length of the n-grams of tokens that a text has once at most; 0 for no limit.
    pub no_repeat_ngram: usize,
    /// Ids that are never written, beside those of special tokens.
    pub suppressed: Vec<TokenId>,
    /// Sequences of ids that a text never comes to contain.
    pub bad_words: Vec<Vec<TokenId>>,
    /// How tokens are drawn.
    pub sampling: SamplingConfig,
}

impl Default for GenerationConfig {
    /// Up to 200 tokens from the model's own distribution.
    fn default() -> Self {
        Self {
            begin: true,
            begin_id: None,
            max_tokens: 200,
            stop: Vec::new(),
            ends: Vec::new(),
            min_tokens: 0,
            no_repeat_ngram: 0,
            suppressed: Vec::new(),
            bad_words: Vec::new(),
            sampling: SamplingConfig::default(),
        }
    }
}

/// Tokens that may be asked for, beyond what any text has.
const MAX_TOKENS: usize = 1 << 24;

impl GenerationConfig {
    /// Checks the settings before there is a model.
    ///
    /// # Errors
    /// [`DecodeError`] names the setting that is out of range.
    pub fn validate(&self) -> Result<(), DecodeError> {
        at_most("max_tokens", self.max_tokens, MAX_TOKENS, "at most 16777216")?;
        at_most("min_tokens", self.min_tokens, MAX_TOKENS, "at most 16777216")?;
        self.sampling.validate()?;
        self.rules(&[], &[]).validate()
    }

    /// The rules of texts that `ends` end, other `specials` suppressed.
    fn rules(&self, specials: &[TokenId], ends: &[TokenId]) -> Rules {
        let specials = specials.iter().filter(|id| !ends.contains(id));
        Rules {
            suppressed: specials.chain(&self.suppressed).copied().collect(),
            bad_words: self.bad_words.clone(),
            min_len: self.min_tokens,
            no_repeat_ngram: self.no_repeat_ngram,
            ..Rules::default()
        }
    }
}

/// A text that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The text after the prompt.
    pub text: String,
    /// Why it ended.
    pub ended: Ended,
}

/// How probable a text is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextScore {
    /// `Σ ln p` of its tokens, in nats.
    pub log_prob: f64,
    /// Number of tokens that were scored.
    pub n_tokens: usize,
    /// Bytes of the text that they stand for.
    pub n_bytes: usize,
}

/// Continues and scores texts with a language model and its tokenizer.
pub struct Generator<M> {
    pub(crate) model: M,
    pub(crate) tokenizer: Arc<dyn Tokenizer>,
    /// Begins a text: the token of the configuration, or that which stands between documents.
    begin: Option<TokenId>,
    /// Stands between documents, so a text ends with it.
    end: Option<TokenId>,
    suppressed: Vec<TokenId>,
}

impl Generator<TextModel> {
    /// A bundle's language model on `device`; on the CPU's default backend, its weights are packed at `precision`, or as
    /// the bundle says.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, it is of another family, or another backend is asked for
    /// a precision of its own.
    pub fn from_bundle(
        bundle: &Bundle<impl Params>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, BundleError> {
        let generator = Self::new(bundle.text_model(device, precision)?, bundle.tokenizer()?.clone());
        Ok(Self { begin: bundle.generation.begin_id.or(generator.begin), ..generator })
    }
}

impl<M: LanguageModel> Generator<M> {
    /// How probable `text` is after the token that texts begin with, if `begin` is set; without that, or without one in the vocabulary,
    /// its first token is given.
    ///
    /// A text that is longer than the model has positions for is read in windows that overlap by half.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    pub fn score(&self, text: &str, begin: bool) -> Result<TextScore, DeviceError> {
        let begin = self.begin.filter(|_| begin);
        let ids: Vec<TokenId> = begin.into_iter().chain(self.tokenizer.encode(text)).collect();
        let n_given = match (begin, ids.first()) {
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
            let log_probs = self.model.log_probs_of(&ids[start..=end])?;
            log_prob += log_probs[n_scored - start..].iter().map(|&log_prob| f64::from(log_prob)).sum::<f64>();
            n_scored = end;
        }
        Ok(TextScore { log_prob, n_tokens: n_targets, n_bytes: text.len() - n_given.min(text.len()) })
    }

    /// A generator of a model that was trained with `tokenizer`.
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>) -> Self {
        let specials = tokenizer.specials();
        let end = specials.eos;
        let unused = crate::unused_rows(&*tokenizer, model.vocab_size());
        let suppressed = specials.iter().filter(|&id| Some(id) != end).chain(unused).collect();
        Self { model, tokenizer, begin: end, end, suppressed }
    }

    /// The tokens that end a text.
    pub(crate) fn ends(&self, config: &GenerationConfig) -> Vec<TokenId> {
        if config.ends.is_empty() { self.end.into_iter().collect() } else { config.ends.clone() }
    }

    /// Whether a text can begin from nothing: the vocabulary has a token that texts begin with.
    pub fn can_begin(&self) -> bool {
        self.begin.is_some()
    }

    /// Continues `prompt`; the text after it is handed to `on_text` as it comes, piece by piece.
    ///
    /// # Errors
    /// [`DecodeError`], where the settings are out of range, there is nothing to begin with, or the device fails.
    pub fn generate(
        &self,
        prompt: &str,
        config: &GenerationConfig,
        mut on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Ended, DecodeError> {
        let ended = self.write(&[prompt], 1, config, |_, piece| on_text(piece))?;
        Ok(ended[0])
    }

    /// Continues prompts together, each `n_samples` times: `[prompts][samples]`.
    ///
    /// A text is a function of its prompt, the settings and the index of its sample; the first is what
    /// [`generate`](Self::generate) writes.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn generate_all(
        &self,
        prompts: &[impl AsRef<str>],
        n_samples: usize,
        config: &GenerationConfig,
    ) -> Result<Vec<Vec<Generated>>, DecodeError> {
        let mut texts = vec![String::new(); prompts.len() * n_samples];
        let ended = self.write(prompts, n_samples, config, |text, piece| {
            texts[text].push_str(piece);
            ControlFlow::Continue(())
        })?;
        let mut generated = texts.into_iter().zip(ended).map(|(text, ended)| Generated { text, ended });
        Ok(prompts.iter().map(|_| generated.by_ref().take(n_samples).collect()).collect())
    }

    /// Hands the pieces of text `prompt · n_samples + sample` to `on_text` as they come; tells why each text ended.
    fn write(
        &self,
        prompts: &[impl AsRef<str>],
        n_samples: usize,
        config: &GenerationConfig,
        on_text: impl FnMut(usize, &str) -> ControlFlow<()>,
    ) -> Result<Vec<Ended>, DecodeError> {
        let ids = |prompt: &str| {
            let prompt = self.tokenizer.encode(prompt);
            self.begin.filter(|_| config.begin || prompt.is_empty()).into_iter().chain(prompt).collect()
        };
        let prompts: Vec<Vec<TokenId>> = prompts.iter().map(|prompt| ids(prompt.as_ref())).collect();
        let before = |prompt: usize| &prompts[prompt][..];
        self.write_after(&prompts, before, n_samples, config, on_text)
    }

    /// As [`write`](Self::write), after tokens; `before` are those of a prompt that its text continues, so that a word's space
    /// and its pieces are told.
    pub(crate) fn write_after<'p>(
        &self,
        prompts: &[Vec<TokenId>],
        before: impl Fn(usize) -> &'p [TokenId],
        n_samples: usize,
        config: &GenerationConfig,
        mut on_text: impl FnMut(usize, &str) -> ControlFlow<()>,
    ) -> Result<Vec<Ended>, DecodeError> {
        let ends = self.ends(config);
        let rules = config.rules(&self.suppressed, &ends);
        let request = GenerateRequest { prompts, n_samples, max_tokens: config.max_tokens, ends: &ends, rules: &rules };
        let stop = StopStrings::new(config.stop.iter().map(String::as_str));
        let stream = |text: usize| (TextStream::new(&*self.tokenizer, before(text / n_samples)), stop.clone());
        let mut streams: Vec<(TextStream<'_>, StopStrings)> = (0..prompts.len() * n_samples).map(stream).collect();
        let ended = generate(&self.model, &request, &config.sampling, |Drawn { text, token, .. }| {
            let (stream, stop) = &mut streams[text];
            let (piece, at_end) = stop.push(&stream.push(token));
            let wish = if piece.is_empty() { ControlFlow::Continue(()) } else { on_text(text, &piece) };
            if at_end { ControlFlow::Break(()) } else { wish }
        })?;
        for (text, (stream, mut stop)) in streams.into_iter().enumerate() {
            if ended[text] == Ended::ByCaller {
                continue;
            }
            let (piece, at_end) = stop.push(&stream.finish());
            let rest = if at_end { piece } else { piece + &stop.finish() };
            if !rest.is_empty() {
                // The text is over, whether the caller wishes for more or not.
                let _ = on_text(text, &rest);
            }
        }
        Ok(ended)
    }
}

impl<M: fmt::Debug> fmt::Debug for Generator<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("model", &self.model)
            .field("vocab_size", &self.tokenizer.vocab_size())
            .finish_non_exhaustive()
    }
}
