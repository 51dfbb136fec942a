//! Translating and scoring whole sets.

use std::{num::NonZeroUsize, sync::Arc};

use attentive_backend::{Device, Objective};
use attentive_bundle::{
    Bundle, DecodingConfig, Input, MAX_TEXT_TOKENS, Params, ScoreRecord, Search, TextScore, TranslateError, Translator,
};
use attentive_collective::Collective;
use attentive_core::{EncoderDecoder, TokenId};
use attentive_corpus::PronounSentence;
use attentive_data::{BatchConfig, EncodedCorpus, Epochs, Order, PairBatcher, Side, Size, SpecialIds};
use attentive_metrics::{Bleu, Confusion, Likelihood, Metric};
use attentive_model::{EncoderDecoderSpec, FamilyVisitor, ModelSpec, Role, TeacherForced, TranslationObjective};
use attentive_tokenizer::{PairFrame, Tokenizer};
use attentive_trainer::Validation;
use serde::{Deserialize, Serialize};

use crate::{
    Context, Error, Log, Result,
    shared::{of_batches, shared, sums},
    thousands,
};

/// Sentences between two words on the progress.
const SENTENCES_AT_ONCE: usize = 256;

/// Corpus BLEU as sacreBLEU computes it, by the name of its tokenizer.
///
/// # Errors
/// The name is not known.
pub fn bleu_of(tokenizer: &str, lowercase: bool) -> Result<Bleu> {
    Ok(Bleu { tokenizer: tokenizer.parse()?, lowercase, ..Bleu::default() })
}

/// The best translation of each text, shared by processes, each of which calls it and gets all; the log hears of the progress.
/// A text that is longer than the model reads is cropped, with a warning.
///
/// # Errors
/// Those of [`Translator::find`] in any process.
pub fn translate_all<M: EncoderDecoder>(
    peers: &dyn Collective,
    translator: &Translator<M>,
    texts: &[impl AsRef<str>],
    config: &DecodingConfig,
    what: &str,
    log: &dyn Log,
) -> Result<Vec<String>> {
    let found = shared(peers, texts.len(), |ours| {
        let mut found = Vec::with_capacity(ours.len());
        for chunk in ours.chunks(SENTENCES_AT_ONCE) {
            let inputs = chunk.iter().map(|&idx| Input::from(&texts[idx])).collect();
            found.extend(translate_cropped(translator, inputs, config)?);
            let is_done = found.len() == ours.len();
            log.progress(what, if is_done { texts.len() } else { found.len() * peers.size() }, texts.len());
        }
        Ok(found)
    })?;
    let said = |(number, (translation, too_long)): (usize, (String, Option<String>))| {
        if let Some(too_long) = too_long {
            log.warning(&format!("{what}: sentence {number} has {too_long}; its beginning is translated"));
        }
        translation
    };
    Ok((1..).zip(found).map(said).collect())
}

/// The best translation of each text, or of its beginning where the model does not read all of it, and what is too long then.
fn translate_cropped<M: EncoderDecoder>(
    translator: &Translator<M>,
    mut inputs: Vec<Input<'_>>,
    config: &DecodingConfig,
) -> Result<Vec<(String, Option<String>)>> {
    let (search, mut all_too_long) = (Search::Best(NonZeroUsize::MIN), vec![None; inputs.len()]);
    let found = match translator.find(&inputs, &[""; 0], config, search) {
        Err(TranslateError::TooLong { texts }) => {
            for (idx, too_long) in texts {
                all_too_long[idx] = Some(too_long.to_string());
                inputs[idx].crop = true;
            }
            translator.find(&inputs, &[""; 0], config, search)?
        }
        found => found?,
    };
    Ok(found.into_iter().map(|mut best| best.swap_remove(0).text).zip(all_too_long).collect())
}

/// The negative log-likelihood that `model` gives to the targets of `batches`, shared by processes, each of which calls it.
///
/// # Errors
/// Those of reading the batches in any process.
pub fn likelihood(peers: &dyn Collective, model: &impl TeacherForced, batches: &PairBatcher) -> Result<Likelihood> {
    nll(peers, &TranslationObjective { label_smoothing: 0.0 }, model, batches)
}

/// The negative log-likelihood that `model` gives to the targets of `batches` of an objective, shared by processes.
pub(crate) fn nll<M, E>(
    peers: &dyn Collective,
    objective: &impl Objective<M, Batch = E::Batch>,
    model: &M,
    batches: &E,
) -> Result<Likelihood>
where
    E: Epochs<Error: Into<Error>>,
{
    let [loss_nats, n_units] = sums(peers, batches, |batch| {
        let loss = objective.loss(model, &batch, None);
        Ok([f64::from(loss.nll_sum.into_scalar::<f32>()), loss.n_targets as f64])
    })?;
    Ok(Likelihood { loss_nats, n_units: n_units as u64 })
}

/// A likelihood in nats a unit.
pub(crate) fn mean_nats(Likelihood { loss_nats, n_units }: Likelihood) -> f64 {
    loss_nats / n_units.max(1) as f64
}

/// The negative log-likelihood that a bundle's model gives to `targets`, `</s>` included, as translations of `sources`;
/// none if a sentence is longer than the model has positions for, or than [`MAX_TEXT_TOKENS`] if it has no limit. Shared by
/// processes, each of which calls it.
///
/// # Errors
/// The model is not an encoder–decoder, or its parts do not fit.
pub fn likelihood_of(
    peers: &dyn Collective,
    bundle: &Bundle<impl Params>,
    device: &Device,
    sources: &[String],
    targets: &[String],
    batch_tokens: usize,
) -> Result<Option<Likelihood>> {
    bundle.model.visit(LikelihoodOf { peers, bundle, device, sources, targets, batch_tokens })
}

/// The same of what `translator` searches by: several models that decide together, for example. None, too, if a sentence has no
/// tokens. Of `config`, the settings that [`Translator::score`] follows are.
///
/// # Errors
/// Those of [`Translator::score`].
pub fn likelihood_by<M: EncoderDecoder>(
    translator: &Translator<M>,
    sources: &[String],
    targets: &[String],
    config: &DecodingConfig,
) -> Result<Option<Likelihood>> {
    let pairs: Vec<(&String, &String)> = sources.iter().zip(targets).collect();
    let add = |sum: Likelihood, score: Option<TextScore>| {
        let TextScore { log_prob, n_tokens, .. } = score?;
        Some(Likelihood { loss_nats: sum.loss_nats - log_prob, n_units: sum.n_units + n_tokens as u64 })
    };
    Ok(translator.score(&pairs, config)?.into_iter().try_fold(Likelihood::default(), add))
}

/// What [`likelihood_of`] is asked.
struct LikelihoodOf<'a, P> {
    peers: &'a dyn Collective,
    bundle: &'a Bundle<P>,
    device: &'a Device,
    sources: &'a [String],
    targets: &'a [String],
    batch_tokens: usize,
}

impl<P: Params> FamilyVisitor for LikelihoodOf<'_, P> {
    type Output = Result<Option<Likelihood>>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::EncoderDecoder).into())
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, _spec: &C) -> Self::Output {
        let pairs = self.sources.iter().zip(self.targets);
        let model = self.bundle.model::<C>(self.device)?;
        likelihood_under(self.peers, &model, &**self.bundle.tokenizer()?, pairs, self.batch_tokens)
    }
}

fn likelihood_under<'a>(
    peers: &dyn Collective,
    model: &impl TeacherForced,
    tokenizer: &dyn Tokenizer,
    pairs: impl Iterator<Item = (&'a String, &'a String)>,
    batch_tokens: usize,
) -> Result<Option<Likelihood>> {
    let corpus = EncodedCorpus::from_text(pairs, |side, text| encode(tokenizer, side, text))?;
    let longest = corpus.lengths().iter().flatten().max().map_or(1, |&len| len as usize + 1);
    if longest > model.max_len().unwrap_or(MAX_TEXT_TOKENS) {
        return Ok(None);
    }
    let config = BatchConfig { max_tokens: Size::Of(batch_tokens.max(longest)), ..BatchConfig::default() };
    let batches = PairBatcher::new(Arc::new(corpus), &config, special_ids(tokenizer)?, Order::Sorted)?;
    likelihood(peers, model, &batches).map(Some)
}

/// The ids of a sentence on its side of a pair, in the usual languages of models that are told them.
pub fn encode(tokenizer: &dyn Tokenizer, side: Side, text: &str) -> Vec<TokenId> {
    let ids = ids_of(tokenizer, side, text);
    // That a language is missing is said by `special_ids`.
    match tokenizer.framing().and_then(|_| Around::new(tokenizer, [None; 2]).ok()) {
        Some(around) => around.put(side, ids),
        None => ids,
    }
}

/// The ids of the text of a sentence alone.
pub(crate) fn ids_of(tokenizer: &dyn Tokenizer, side: Side, text: &str) -> Vec<TokenId> {
    match side {
        Side::Source => tokenizer.encode(text),
        Side::Target => tokenizer.encode_target(text),
    }
}

/// The special tokens that sentence pairs are framed by, in the usual languages of models that are told them.
///
/// # Errors
/// The tokenizer lacks one, or the model is told languages and none is said.
pub fn special_ids(tokenizer: &dyn Tokenizer) -> Result<SpecialIds> {
    Ok(Around::new(tokenizer, [None; 2])?.specials)
}

/// What stands around the sentences of a direction.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    /// The special tokens that batches are made with.
    pub(crate) specials: SpecialIds,
    /// What stands around them, without the end of sources.
    frame: PairFrame,
}

impl Around {
    /// That of sentences of these languages, or of the usual ones.
    ///
    /// # Errors
    /// The tokenizer lacks a special token or a language, or the model is told languages and none is said.
    pub(crate) fn new(tokenizer: &dyn Tokenizer, [source, target]: [Option<&str>; 2]) -> Result<Self> {
        let specials = tokenizer.specials();
        let need = |id: Option<TokenId>, role| id.with_context(|| format!("the tokenizer has no {role} token"));
        let mut frame = tokenizer.pair_frame(source, target).map_err(TranslateError::from)?;
        let specials = SpecialIds {
            pad: need(specials.pad, "padding")?,
            bos: frame.begin,
            eos: need(specials.end(), "end-of-sentence")?,
            source_end: need(frame.source.after.pop(), "end-of-source")?,
        };
        Ok(Self { specials, frame })
    }

    /// The ids of a sentence with those that stand around it, where these are more than the special tokens of batches are.
    pub(crate) fn put(&self, side: Side, ids: Vec<TokenId>) -> Vec<TokenId> {
        match side {
            // A sentence without a token is none.
            _ if ids.is_empty() => ids,
            Side::Source => self.frame.around(&ids),
            Side::Target => self.frame.first.into_iter().chain(ids).collect(),
        }
    }
}

/// What a classifier gives to examples whose classes are known.
pub(crate) struct Judged {
    nll_sum: f64,
    confusion: Confusion,
}

/// An example's class, what it was taken for, and the bits of the nats that were given to its class.
#[derive(Serialize, Deserialize)]
pub(crate) struct Guess(u32, u32, u64);

impl Guess {
    /// Of an example's class and the logits of all.
    pub(crate) fn of(class: u32, logits: &[f32]) -> Self {
        let (of, class, most) = (class, class as usize, logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
        let nats = sum.ln() + f64::from(most - logits[class]);
        // A tie is told right; where a logit is not a number, nothing is.
        let is_right = logits.iter().all(|&other| other <= logits[class]);
        let others = (0..logits.len()).filter(|&other| other != class);
        let best_other = others.max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(class);
        Self(of, if is_right { of } else { best_other as u32 }, nats.to_bits())
    }
}

impl Judged {
    /// What a model guesses of all batches of examples of `n_classes` classes, shared by processes.
    pub(crate) fn of<E>(
        peers: &dyn Collective,
        n_classes: usize,
        batches: &E,
        guess: impl FnMut(E::Batch) -> Result<Vec<Guess>>,
    ) -> Result<Self>
    where
        E: Epochs<Error: Into<Error>>,
    {
        let mut judged = Self { nll_sum: 0.0, confusion: Confusion::new(n_classes) };
        for Guess(class, guess, nats) in of_batches(peers, batches, guess)?.into_iter().flatten() {
            judged.nll_sum += f64::from_bits(nats);
            judged.confusion.add((class as usize, guess as usize));
        }
        Ok(judged)
    }

    /// Nats an example, and the accuracy.
    pub(crate) fn validation(&self) -> Validation {
        let accuracy = self.confusion.accuracy().unwrap_or_default();
        Validation { nll_nats: self.nll_nats(), scores: vec![("accuracy".into(), accuracy)], quality: Some(accuracy) }
    }

    fn nll_nats(&self) -> f64 {
        self.nll_sum / self.confusion.n().max(1) as f64
    }
}

/// Scores the validation and the test part of examples with classes, which `noun` names.
pub(crate) fn score_classes<B>(
    held_out: &[Option<B>; 2],
    noun: &str,
    digits: usize,
    judge: impl Fn(&B) -> Result<Judged>,
    log: &dyn Log,
) -> Result<Vec<ScoreRecord>> {
    let mut scores = Vec::new();
    for (name, part) in ["validation", "test"].into_iter().zip(held_out) {
        let Some(part) = part else { continue };
        let judged = judge(part)?;
        let confusion = &judged.confusion;
        let values = [confusion.accuracy(), confusion.matthews(), confusion.macro_f1()].map(Option::unwrap_or_default);
        let ([accuracy, matthews, macro_f1], n, nats) = (values, thousands(confusion.n()), judged.nll_nats());
        let percent = 100.0 * accuracy;
        say!(
            log,
            "{name:<10} {percent:.digits$} % of {n} {noun} told right, {nats:.4} nats each, Matthews correlation \
             {matthews:.4}, macro F1 {macro_f1:.4}"
        );
        let record = |metric, value| ScoreRecord::new(name, metric, value, "");
        scores.extend([record("accuracy", accuracy), record("matthews", matthews), record("macro f1", macro_f1)]);
    }
    Ok(scores)
}

/// The share of sentences whose translation has the right pronoun.
pub fn pronoun_accuracy(sentences: &[PronounSentence], translations: &[String]) -> f64 {
    let right = sentences.iter().zip(translations).filter(|(sentence, text)| sentence.pronoun_is_right(text)).count();
    right as f64 / sentences.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_are_no_numbers_make_no_guess_right() {
        let n_right = |class, logits: &[f32]| {
            let Guess(class, guess, _) = Guess::of(class, logits);
            u32::from(class == guess)
        };
        assert_eq!([0, 1, 2].map(|class| n_right(class, &[0.5, 2.0, 2.0])), [0, 1, 1]);
        for class in 0..2 {
            assert_eq!(n_right(class, &[f32::NAN; 2]), 0);
            assert_eq!(n_right(class, &[1.0, f32::NAN]) + n_right(class, &[f32::NAN, 1.0]), 0);
        }
    }
}
