//! Translating and scoring whole sets.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use attentive_backend::Device;
use attentive_bundle::{Bundle, DecodingConfig, Translator};
use attentive_core::{EncoderDecoder, Objective, TokenId};
use attentive_corpus::PronounSentence;
use attentive_data::{BatchConfig, EncodedCorpus, Epochs, Order, PairBatcher, Side, SpecialIds};
use attentive_metrics::{Bleu, Likelihood};
use attentive_model::{EncoderDecoderSpec, FamilyVisitor, ModelSpec, Role, TeacherForced, TranslationObjective};
use attentive_tokenizer::Tokenizer;
use indicatif::{ProgressBar, ProgressStyle};

/// Sentences between two moves of the progress bar.
const SENTENCES_AT_ONCE: usize = 256;

/// Corpus BLEU as sacreBLEU computes it.
pub(crate) fn bleu_of(tokenizer: &str, lowercase: bool) -> Result<Bleu> {
    Ok(Bleu { tokenizer: tokenizer.parse()?, lowercase, ..Bleu::default() })
}

/// The best translation of each text, with a progress bar on a terminal.
pub(crate) fn translate_all<M: EncoderDecoder>(
    translator: &Translator<M>,
    texts: &[impl AsRef<str>],
    config: &DecodingConfig,
    what: &'static str,
) -> Result<Vec<String>> {
    let bar = ProgressBar::new(texts.len() as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} sentences, {eta} left")?;
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut translations = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(SENTENCES_AT_ONCE) {
        for mut best in translator.translate(chunk, config)? {
            // A search gives at least one hypothesis.
            translations.push(best.swap_remove(0).text);
        }
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(translations)
}

/// The negative log-likelihood that `model` gives to the targets of `batches`.
pub(crate) fn likelihood(model: &impl TeacherForced, batches: &PairBatcher) -> Result<Likelihood> {
    let objective = TranslationObjective { label_smoothing: 0.0 };
    let mut total = Likelihood::default();
    for batch in batches.epoch(0) {
        let loss = objective.loss(model, &batch?, None);
        total.loss_nats += f64::from(loss.nll_sum.into_scalar::<f32>());
        total.n_units += loss.n_targets as u64;
    }
    Ok(total)
}

/// The negative log-likelihood that a bundle's model gives to `targets`, `</s>` included, as translations of `sources`;
/// none if a sentence outruns the model's positions.
pub(crate) fn likelihood_of(
    bundle: &Bundle,
    device: &Device,
    sources: &[String],
    targets: &[String],
    batch_tokens: usize,
) -> Result<Option<Likelihood>> {
    bundle.model.visit(LikelihoodOf { bundle, device, sources, targets, batch_tokens })
}

/// What [`likelihood_of`] is asked.
struct LikelihoodOf<'a> {
    bundle: &'a Bundle,
    device: &'a Device,
    sources: &'a [String],
    targets: &'a [String],
    batch_tokens: usize,
}

impl FamilyVisitor for LikelihoodOf<'_> {
    type Output = Result<Option<Likelihood>>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::EncoderDecoder).into())
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, _spec: &C) -> Self::Output {
        let pairs = self.sources.iter().zip(self.targets);
        let model = self.bundle.model::<C>(self.device)?;
        likelihood_under(&model, &*self.bundle.tokenizer, pairs, self.batch_tokens)
    }
}

fn likelihood_under<'a>(
    model: &impl TeacherForced,
    tokenizer: &dyn Tokenizer,
    pairs: impl Iterator<Item = (&'a String, &'a String)>,
    batch_tokens: usize,
) -> Result<Option<Likelihood>> {
    let corpus = EncodedCorpus::from_text(pairs, |side, text| encode(tokenizer, side, text))?;
    let longest = corpus.lengths().iter().flatten().max().map_or(1, |&len| len as usize + 1);
    if model.max_len().is_some_and(|max_len| longest > max_len) {
        return Ok(None);
    }
    let config = BatchConfig { max_tokens: batch_tokens.max(longest), ..BatchConfig::default() };
    let batches = PairBatcher::new(Arc::new(corpus), &config, special_ids(tokenizer)?, Order::Sorted)?;
    likelihood(model, &batches).map(Some)
}

/// The ids of a sentence on its side of a pair.
pub(crate) fn encode(tokenizer: &dyn Tokenizer, side: Side, text: &str) -> Vec<TokenId> {
    match side {
        Side::Source => tokenizer.encode(text),
        Side::Target => tokenizer.encode_target(text),
    }
}

/// The special tokens that sentence pairs are framed by.
pub(crate) fn special_ids(tokenizer: &dyn Tokenizer) -> Result<SpecialIds> {
    let specials = tokenizer.specials();
    let need = |id: Option<TokenId>, role| id.with_context(|| format!("the tokenizer has no {role} token"));
    Ok(SpecialIds {
        pad: need(specials.pad, "padding")?,
        bos: need(specials.begin(), "begin-of-sentence")?,
        eos: need(specials.end(), "end-of-sentence")?,
    })
}

/// The share of sentences whose translation has the right pronoun.
pub(crate) fn pronoun_accuracy(sentences: &[PronounSentence], translations: &[String]) -> f64 {
    let right = sentences.iter().zip(translations).filter(|(sentence, text)| sentence.pronoun_is_right(text)).count();
    right as f64 / sentences.len().max(1) as f64
}
