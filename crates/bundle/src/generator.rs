//! A text in, its continuation out.

use std::{fmt, ops::ControlFlow, slice, sync::Arc};

use attentive_core::{DeviceError, LanguageModel, TokenId};
use attentive_decode::{
    Acceptance, Combination, DecodeError, Drawn, Ended, FormError, FormSpec, GenerateRequest, Held, Remembering, Rules,
    SamplingConfig, StopStrings, contrastive_search, generate_drafted, generate_held,
};
use attentive_tokenizer::Tokenizer;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    Bundle, BundleError, Forms, Generated, MAX_PROMPT_TOKENS, MAX_TEXT_TOKENS, Params, Strategy, TextModel,
    WeightFormat, forms::place_after, text_stream::TextStream, translator::at_most,
};

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
    /// The form that the text after the prompt is held to: a JSON Schema, a regular expression, a grammar. It is asked for, and
    /// not a setting of a model's folder.
    #[serde(skip)]
    pub form: Option<FormSpec>,
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
            form: None,
        }
    }
}

/// Tokens that may be asked for, beyond what any text has.
const MAX_TOKENS: usize = 1 << 24;

impl GenerationConfig {
    /// Checks the settings before there is a model.
    ///
    /// # Errors
    /// [`DecodeError`] names the setting that is out of range, or the part of the form that texts can't be held to.
    pub fn validate(&self) -> Result<(), DecodeError> {
        at_most("max_tokens", self.max_tokens, MAX_TOKENS, "at most 16777216")?;
        at_most("min_tokens", self.min_tokens, MAX_TOKENS, "at most 16777216")?;
        self.sampling.validate()?;
        self.check_stop()?;
        self.form.as_ref().map_or(Ok(()), FormSpec::validate)?;
        self.rules(&[], &[]).validate()
    }

    fn check_stop(&self) -> Result<(), DecodeError> {
        if self.stop.iter().any(String::is_empty) { Err(DecodeError::EmptyStop) } else { Ok(()) }
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

/// The tokens that a text is to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The tokens.
    pub ids: Vec<TokenId>,
    /// Whether the text continues theirs, so that a space and the rest of a character are told; an answer begins again.
    pub is_continued: bool,
}

/// What is handed out as texts are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece<'a> {
    /// Index of the text: `prompt · n_samples + sample`.
    pub of: usize,
    /// The token that was drawn, with the model's log-probability of it in nats; none where the text is over, and what was
    /// held back comes out.
    pub token: Option<(TokenId, f64)>,
    /// The text that can be told by now, which is empty while a character, or a string that ends the text, may be under way.
    pub text: &'a str,
    /// Characters before those of the token that are held back: a string that ends the text may begin with them.
    pub n_held: usize,
}

/// The first token of a text, where it is given, and each that is scored with its log-probability in nats.
pub type ScoredTokens = (Option<TokenId>, Vec<(TokenId, f64)>);

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
    forms: Forms,
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
        Self::from_ensemble(slice::from_ref(bundle), device, precision, (&[], Combination::default()))
    }

    /// A generator of several bundles of one tokenizer, the first's, whose models decide on each token
    /// [together](TextModel::of_bundles); otherwise as [`from_bundle`](Self::from_bundle) of the first. Settings of generation are
    /// those that are given: what the others' bundles say of it is not followed.
    ///
    /// # Errors
    /// [`BundleError`] as there.
    pub fn from_ensemble(
        bundles: &[Bundle<impl Params>],
        device: &Device,
        precision: Option<WeightFormat>,
        together: (&[f64], Combination),
    ) -> Result<Self, BundleError> {
        let model = TextModel::of_bundles(bundles, device, precision, together)?;
        let generator = Self::new(model, bundles[0].tokenizer()?.clone());
        Ok(generator.beginning_with(bundles[0].generation.begin_id))
    }
}

impl<M: LanguageModel> Generator<M> {
    /// How probable `text` is after the token that texts begin with, if `begin` is set; without that, or without one in the vocabulary,
    /// its first token is given.
    ///
    /// A text that is longer than the model has positions for, or than [`MAX_TEXT_TOKENS`] if it has no limit, is read in windows
    /// that overlap by half.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    pub fn score(&self, text: &str, begin: bool) -> Result<TextScore, DeviceError> {
        let (given, scored) = self.score_tokens(text, begin)?;
        let n_given = given.map_or(0, |id| self.tokenizer.decode_bytes(&[id]).map_or(0, |bytes| bytes.len()));
        let log_prob = 0.0 + scored.iter().map(|(_, log_prob)| log_prob).sum::<f64>(); // no terms sum to -0
        Ok(TextScore { log_prob, n_tokens: scored.len(), n_bytes: text.len() - n_given.min(text.len()) })
    }

    /// The tokens of `text` that [`score`](Self::score) scores, each with its log-probability in nats; before them the
    /// first token, where it is given.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_tokens(&self, text: &str, begin: bool) -> Result<ScoredTokens, DeviceError> {
        let begin = self.begin.filter(|_| begin);
        let ids: Vec<TokenId> = begin.into_iter().chain(self.tokenizer.encode(text)).collect();
        let n_targets = ids.len().saturating_sub(1);
        let window = self.model.max_len().unwrap_or(MAX_TEXT_TOKENS).min(n_targets.max(1));
        let mut scored = Vec::with_capacity(n_targets);
        while scored.len() < n_targets {
            let n_scored = scored.len();
            let start = if n_scored == 0 { 0 } else { (n_scored + window.div_ceil(2)).min(n_targets) - window };
            let end = start + window;
            let log_probs = self.model.log_probs_of(&ids[start..=end])?;
            let of_targets = ids[n_scored + 1..=end].iter().zip(&log_probs[n_scored - start..]);
            scored.extend(of_targets.map(|(&id, &log_prob)| (id, f64::from(log_prob))));
        }
        Ok((ids.first().copied().filter(|_| begin.is_none()), scored))
    }

    /// A generator of a model that was trained with `tokenizer`.
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>) -> Self {
        let specials = tokenizer.specials();
        let end = specials.eos;
        let unused = crate::unused_rows(&*tokenizer, model.vocab_size());
        let suppressed = specials.iter().filter(|&id| Some(id) != end).chain(unused).collect();
        Self { model, tokenizer, begin: end, end, suppressed, forms: Forms::default() }
    }

    /// This generator, whose model reads a text that begins like its last one from where the two part.
    pub fn remembering(self) -> Generator<Remembering<M>> {
        let Self { model, tokenizer, begin, end, suppressed, forms } = self;
        Generator { model: Remembering::new(model), tokenizer, begin, end, suppressed, forms }
    }

    /// This generator, with what others of the same tokenizer know of forms.
    #[must_use]
    pub fn with_forms(mut self, forms: Forms) -> Self {
        self.forms = forms;
        self
    }

    /// This generator, whose texts begin with a token of their own: [`GenerationConfig::begin_id`]. Without one, it stays.
    #[must_use]
    pub fn beginning_with(mut self, begin: Option<TokenId>) -> Self {
        self.begin = begin.or(self.begin);
        self
    }

    /// The tokens of a text that is to be continued, after the one that texts begin with, as `config` says.
    pub fn prompt(&self, text: &str, config: &GenerationConfig) -> Prompt {
        let ids = self.tokenizer.encode(text);
        let begin = self.begin.filter(|_| config.begin || ids.is_empty());
        Prompt { ids: begin.into_iter().chain(ids).collect(), is_continued: true }
    }

    /// The tokens that end a text.
    pub(crate) fn ends(&self, config: &GenerationConfig) -> Vec<TokenId> {
        if config.ends.is_empty() { self.end.into_iter().collect() } else { config.ends.clone() }
    }

    /// Whether a text can begin from nothing: the vocabulary has a token that texts begin with.
    pub fn can_begin(&self) -> bool {
        self.begin.is_some()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// Continues `prompt`; the text after it is handed to `on_text` as it comes, piece by piece.
    ///
    /// # Errors
    /// [`DecodeError`], where the settings are out of range, there is nothing to begin with, the device fails, or the prompt has
    /// more tokens than [`MAX_PROMPT_TOKENS`] and the model has no limit of its own.
    pub fn generate(
        &self,
        prompt: &str,
        config: &GenerationConfig,
        on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Ended, DecodeError> {
        Ok(self.generate_by(prompt, config, &Strategy::<M>::Sampling, on_text)?.0)
    }

    /// As [`generate`](Self::generate), by a strategy; tells also how many drafts were accepted, zeros where there are none.
    ///
    /// # Errors
    /// As [`write_by`](Self::write_by).
    pub fn generate_by<D: LanguageModel>(
        &self,
        prompt: &str,
        config: &GenerationConfig,
        strategy: &Strategy<'_, D>,
        mut on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(Ended, Acceptance), DecodeError> {
        let prompt = vec![self.prompt(prompt, config)];
        let on_piece = |Piece { text, .. }: Piece<'_>| told(text, &mut on_text);
        let (ended, accepted) = self.write_by(prompt, 1, config, strategy, on_piece)?;
        Ok((ended[0], accepted))
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
        Ok(self.generate_all_by(prompts, n_samples, config, &Strategy::<M>::Sampling)?.0)
    }

    /// As [`generate_all`](Self::generate_all), by a strategy; tells also how many drafts were accepted, zeros where there are
    /// none.
    ///
    /// # Errors
    /// As [`write_by`](Self::write_by).
    pub fn generate_all_by<D: LanguageModel>(
        &self,
        prompts: &[impl AsRef<str>],
        n_samples: usize,
        config: &GenerationConfig,
        strategy: &Strategy<'_, D>,
    ) -> Result<(Vec<Vec<Generated>>, Acceptance), DecodeError> {
        let mut texts = vec![(String::new(), Vec::new()); prompts.len() * n_samples];
        let of_prompts = prompts.iter().map(|prompt| self.prompt(prompt.as_ref(), config)).collect();
        let on_piece = |Piece { of, token, text, .. }: Piece<'_>| {
            texts[of].0.push_str(text);
            texts[of].1.extend(token);
            ControlFlow::Continue(())
        };
        let (ended, accepted) = self.write_by(of_prompts, n_samples, config, strategy, on_piece)?;
        let generated = |((text, tokens), ended)| Generated { text, tokens, ended };
        let mut generated = texts.into_iter().zip(ended).map(generated);
        Ok((prompts.iter().map(|_| generated.by_ref().take(n_samples).collect()).collect(), accepted))
    }

    /// Continues prompts together, each `n_samples` times, as [`generate_all`](Self::generate_all) does; every token is
    /// handed to `on_piece` at once. Tells why each text ended; one that a string of [`GenerationConfig::stop`] ends was
    /// ended by the caller.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn write(
        &self,
        prompts: Vec<Prompt>,
        n_samples: usize,
        config: &GenerationConfig,
        on_piece: impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Ended>, DecodeError> {
        Ok(self.write_by(prompts, n_samples, config, &Strategy::<M>::Sampling, on_piece)?.0)
    }

    /// As [`write`](Self::write), by a strategy; tells also how many drafts were accepted, zeros where there are none.
    ///
    /// # Errors
    /// As [`generate`](Self::generate); also those of [`generate_drafted`](attentive_decode::generate_drafted()) and
    /// [`contrastive_search`](attentive_decode::contrastive_search()).
    pub fn write_by<D: LanguageModel>(
        &self,
        prompts: Vec<Prompt>,
        n_samples: usize,
        config: &GenerationConfig,
        strategy: &Strategy<'_, D>,
        mut on_piece: impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<(Vec<Ended>, Acceptance), DecodeError> {
        config.check_stop()?;
        let (prompts, is_continued): (Vec<Vec<TokenId>>, Vec<bool>) =
            prompts.into_iter().map(|prompt| (prompt.ids, prompt.is_continued)).unzip();
        let n_tokens = prompts.iter().map(Vec::len).max().unwrap_or(0);
        if n_tokens > MAX_PROMPT_TOKENS && self.model.max_len().is_none() {
            return Err(DecodeError::LongPrompt { n_tokens, limit: MAX_PROMPT_TOKENS });
        }
        let ends = self.ends(config);
        let rules = config.rules(&self.suppressed, &ends);
        let max_tokens = config.max_tokens;
        let request = GenerateRequest { prompts: &prompts, n_samples, max_tokens, ends: &ends, rules: &rules };
        let form = config.form.as_ref().map(|spec| self.forms.get(spec, &*self.tokenizer)).transpose()?;
        let mut places = Vec::new();
        if form.is_some() {
            let before = |(ids, &is_continued): (&Vec<TokenId>, &bool)| {
                place_after(&*self.tokenizer, if is_continued { ids } else { &[] })
            };
            places = prompts.iter().zip(&is_continued).map(before).collect::<Result<_, _>>()?;
        }
        let held = form.as_ref().map(|form| Held { form, places: &places });
        let stop = StopStrings::new(config.stop.iter().map(String::as_str));
        let stream = |text: usize| {
            let prompt = text / n_samples;
            let before = if is_continued[prompt] { &prompts[prompt][..] } else { &[] };
            (TextStream::new(&*self.tokenizer, before), stop.clone())
        };
        let mut streams: Vec<(TextStream<'_>, StopStrings)> = (0..prompts.len() * n_samples).map(stream).collect();
        let on_token = |Drawn { text: of, token, log_prob }: Drawn| {
            let (stream, stop) = &mut streams[of];
            let n_held = stop.n_held();
            let (text, at_end) = stop.push(&stream.push(token));
            let wish = on_piece(Piece { of, token: Some((token, log_prob)), text: &text, n_held });
            if at_end { ControlFlow::Break(()) } else { wish }
        };
        let (ended, accepted) = match strategy {
            Strategy::Sampling => {
                let ended = generate_held(&self.model, &request, &config.sampling, held, on_token)?;
                (ended, Acceptance::default())
            }
            _ if held.is_some() => return Err(FormError::Strategy.into()),
            Strategy::Drafted(drafts) => generate_drafted(&self.model, drafts, &request, &config.sampling, on_token)?,
            Strategy::Contrastive(search) => {
                config.sampling.validate()?;
                let rules = Rules { repetition_penalty: config.sampling.repetition_penalty, ..rules.clone() };
                let request = GenerateRequest { rules: &rules, ..request };
                (contrastive_search(&self.model, &request, search, on_token)?, Acceptance::default())
            }
        };
        for (of, (stream, mut stop)) in streams.into_iter().enumerate() {
            if ended[of] == Ended::ByCaller {
                continue;
            }
            let (piece, at_end) = stop.push(&stream.finish());
            let rest = if at_end { piece } else { piece + &stop.finish() };
            if !rest.is_empty() {
                // The text is over, whether the caller wishes for more or not.
                let _ = on_piece(Piece { of, token: None, text: &rest, n_held: 0 });
            }
        }
        Ok((ended, accepted))
    }
}

/// Hands a text on, if there is any.
pub(crate) fn told(text: &str, on_text: &mut impl FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
    if text.is_empty() { ControlFlow::Continue(()) } else { on_text(text) }
}

impl<M: fmt::Debug> fmt::Debug for Generator<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("model", &self.model)
            .field("vocab_size", &self.tokenizer.vocab_size())
            .finish_non_exhaustive()
    }
}
