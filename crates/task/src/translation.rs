//! Translation with an encoder–decoder of any family.

use std::sync::Arc;

use attentive_backend::Device;
use attentive_bundle::{DataRecord, DecodingConfig, Processor, ScoreRecord, TranslationModel, Translator};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Endless, TokenMatrix, TranslationBatch};
use attentive_data::{
    BatchConfig, CorpusRules, DataError, EncodedCorpus, Epochs, Mixture, OnProblem, Order, PairBatcher, PairEpoch,
    Shape, Side, Size, SpecialIds, Storage, Treatment, derived_seed,
};
use attentive_metrics::{Bleu, Chrf, ExactMatch, Likelihood, Scorer};
use attentive_model::{EncoderDecoderSpec, ModelConfig, TranslationObjective};
use attentive_tokenizer::{SampleStrength, StrengthError, Tokenizer};
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;
use serde_json::json;

use crate::{
    Corpus, Directed, Log, Resizable, Result, Start, Task, bleu_of,
    config::{Direction, Problem, RunRecipe, TranslationRecipe},
    directions::{Directions, by_direction},
    example, initial, likelihood, pronoun_accuracy,
    score::ids_of,
    thousands, tokens, translate_all,
};

/// Sample translations shown at the end.
const N_SAMPLES: usize = 5;

/// Sentence pairs, and a model of the family `F` that learns to translate them.
pub struct Translation<F> {
    config: F,
    objective: TranslationObjective,
    decoding: DecodingConfig,
    bleu: Bleu,
    corpus: Corpus,
    directions: Directions,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    batch: BatchConfig,
    train: PairBatcher,
    sampling: Option<Sampling>,
    /// The weights of the training corpora and the temperature, if they are mixed by such.
    weights: Option<(Vec<f64>, f64)>,
    /// The validation pairs of each direction.
    validation: Vec<HeldOut>,
    /// Names, sizes and hashes of the training and validation data.
    records: Vec<DataRecord>,
}

debug_by_config!(Translation);

/// Validation pairs of a direction.
struct HeldOut {
    direction: Direction,
    batches: PairBatcher,
    /// Sources and references of the sentences that are translated.
    sample: (Vec<String>, Vec<String>),
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Translation<F> {
    /// Reads the data of a recipe, whose model's vocabulary sizes it fills in; from nothing, a tokenizer
    /// is read or learnt as the recipe says, and extended by the languages of several directions.
    ///
    /// # Errors
    /// Text or tokenizer can't be read, learned from or made batches of, or the model can't take the vocabulary or the
    /// directions.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut TranslationRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        // A sentence that outruns learned positions is treated as any over-long one; `</s>` takes a position too.
        if let Some(max_len) = config.max_len() {
            recipe.rules.max_tokens = recipe.rules.max_tokens.min(max_len.saturating_sub(1));
        }
        let bleu = bleu_of(&recipe.evaluation.bleu_tokenizer, false)?;
        let corpus = Corpus::open(&recipe.data)?;
        let learnt = recipe.data.learnt();
        let tokenizer = start.tokenizer(&mut config, || {
            let texts = corpus.texts(&recipe.rules)?;
            Directions::extend(&learnt, recipe.tokenizer.read_or_train(true, texts, log)?)
        })?;
        let (directions, tokenizer) = Directions::of(learnt, tokenizer, start.tokenizer.is_some(), log)?;
        recipe.model = config.clone().into();

        let reader = Reader { tokenizer: &*tokenizer, directions: &directions, rules: &recipe.rules };
        let cache = tokens::storage(start.cache.filter(|_| recipe.data.cache), &*tokenizer, "");
        let storage = |direction: &Direction| tokens::told(&cache, &directions.key(direction));
        let mut records = Vec::new();
        let mut train = Vec::new();
        for corpus in &corpus.train {
            train.push(reader.encode(corpus, "train", &storage(&corpus.direction), (&mut records, true), log)?);
        }
        let [mut n_source, mut n_target, mut n_pairs] = [0; 3];
        for (part, _) in &train {
            let [source, target] = part.n_tokens();
            (n_source, n_target, n_pairs) = (n_source + source, n_target + target, n_pairs + part.len() as u64);
        }
        say!(
            log,
            "data      {} training pairs, {} source and {} target tokens",
            thousands(n_pairs),
            thousands(n_source),
            thousands(n_target)
        );
        say!(log, "tokens    {} entries in the joint vocabulary", thousands(tokenizer.vocab_size() as u64));
        let pairs = train.iter().flat_map(|(part, _)| (0..part.len()).map_while(|idx| part.pair(idx).ok()));
        tokens::warn_of_unknown(log, &*tokenizer, pairs.flat_map(|pair| [pair.source(), pair.target()].concat()));
        let order = recipe.data.order.of_pairs(run.training.seed);
        let batch = recipe.batch.clone();
        let weights = recipe.data.mixture();
        let nothing_in = |part: &'static str| move |error: DataError| crate::Error::from(error).of_part(part);
        let train = PairBatcher::of_parts(train, &batch, order).map_err(nothing_in("train"))?;
        let train = mixed(train, weights.as_ref());
        say!(log, "batches   {}", train.plan());
        if let Some(mixture) = train.mixture() {
            let shares = corpus.train.iter().zip(mixture.counts());
            let shares = shares.map(|(corpus, &n)| format!("{} of {}", thousands(n as u64), corpus.name()));
            say!(log, "mixture   in an epoch {} pairs", shares.collect::<Vec<_>>().join(", "));
        }
        let strength = recipe.tokenizer.sampling_strength();
        let asked = match recipe.tokenizer.bpe_dropout {
            Some(_) => ("bpe_dropout", SampleStrength::Dropout, "tokens of a Unigram model are drawn by unigram_alpha"),
            None => ("unigram_alpha", SampleStrength::Temperature, "merges of BPE are left out by bpe_dropout"),
        };
        if strength.is_some() {
            let (setting, wanted, other) = asked;
            let text = match tokenizer.sample_strength() {
                Some(own) if own == wanted => None,
                Some(_) => Some(format!("the tokenizer is of another kind: {other}")),
                None => Some(StrengthError::OneSegmentation.to_string()),
            };
            if let Some(text) = text {
                return Err(Problem::at(format!("tokenizer.{setting}"), text).into());
            }
        }
        let sampling = strength.map(|strength| {
            say!(log, "sampling  the segmentation is drawn again in every epoch, with strength {strength}");
            // A segmentation that is drawn may be much longer than the best one, and is not a reason to stop.
            let batch = BatchConfig { on_oversized: OnProblem::Skip, ..batch.clone() };
            let mut rules = recipe.rules.clone();
            if rules.on_over_long == Treatment::Refuse {
                rules.on_over_long = Treatment::Skip;
            }
            Sampling { strength, seed: run.training.seed, order, rules, batch }
        });
        let mut validation = Vec::new();
        for (direction, corpora) in by_direction(&corpus.validation) {
            let storage = storage(direction);
            let (mut parts, mut sample) = (Vec::new(), Vec::new());
            for corpus in corpora {
                parts.push(reader.encode(corpus, "validation", &storage, (&mut records, false), log)?);
                let n_left = recipe.evaluation.bleu_sentences.saturating_sub(sample.len());
                sample.extend(corpus.pairs.pairs(&recipe.rules, n_left)?);
            }
            let batches = PairBatcher::of_parts(parts, &batch, Order::Sorted).map_err(nothing_in("validation"))?;
            let sample = sample.into_iter().map(|pair| (pair.source, pair.target)).unzip();
            validation.push(HeldOut { direction: direction.clone(), batches, sample });
        }
        if validation.is_empty() {
            say!(log, "no [data.validation]: training runs without validation");
        }
        Ok(Self {
            config,
            objective: recipe.objective,
            decoding: recipe.decoding.clone(),
            bleu,
            corpus,
            directions,
            tokenizer,
            pretrained: start.pretrained.map(|bundle| bundle.params),
            batch,
            train,
            sampling,
            weights,
            validation,
            records,
        })
    }

    /// The training data, segmented as it is drawn for an epoch.
    fn sampled(&self, sampling: &Sampling, epoch: u64) -> Result<PairBatcher> {
        let Sampling { strength, seed, order, rules, batch } = sampling;
        let part = |corpus: &Directed| -> Result<(EncodedCorpus, SpecialIds)> {
            let around = self.directions.around(&*self.tokenizer, &corpus.direction)?;
            let segment = |side: Side, text: &str| {
                let seed = derived_seed(*seed, &format!("{} {text}", side.name()), epoch);
                let ids = match side {
                    Side::Source => self.tokenizer.sample(text, *strength, seed),
                    Side::Target => self.tokenizer.sample_target(text, *strength, seed),
                };
                around.put(side, ids)
            };
            let (encoded, _) = corpus.pairs.encode(segment, rules, &Storage::default())?;
            Ok((encoded, around.specials))
        };
        let parts = self.corpus.train.iter().map(part).collect::<Result<Vec<_>>>()?;
        Ok(mixed(PairBatcher::of_parts(parts, batch, *order)?, self.weights.as_ref()))
    }

    fn translator(&self, model: F::Model) -> Result<Translator<TranslationModel>> {
        Ok(Translator::new(TranslationModel::new(model, &self.config)?, self.tokenizer.clone())?)
    }

    /// Loss on the validation set, and BLEU of its first sentences, greedily translated: of each direction, and their mean.
    fn validate(&self, model: &F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Validation> {
        let mut total = Likelihood::default();
        for HeldOut { batches, .. } in &self.validation {
            let Likelihood { loss_nats, n_units } = likelihood(peers, model, batches)?;
            total.loss_nats += loss_nats;
            total.n_units += n_units;
        }
        let nll_nats = total.loss_nats / total.n_units.max(1) as f64;
        let translated: Vec<&HeldOut> =
            self.validation.iter().filter(|held_out| !held_out.sample.0.is_empty()).collect();
        if translated.is_empty() {
            return Ok(Validation { nll_nats, scores: Vec::new(), quality: None });
        }
        let mut translator = self.translator(model.clone())?;
        let greedy = DecodingConfig { batch_tokens: self.decoding.batch_tokens, ..greedy(&self.decoding) };
        let mut scores = Vec::with_capacity(translated.len());
        for HeldOut { direction, sample: (sources, references), .. } in &translated {
            translator = self.directions.translating(translator, direction)?;
            let hypotheses = translate_all(peers, &translator, sources, &greedy, "validating", log)?;
            let bleu = self.bleu.corpus(&hypotheses, &[&references[..]])?.score;
            scores.push((format!("bleu {direction}"), bleu));
        }
        let bleu = scores.iter().map(|(_, bleu)| bleu).sum::<f64>() / scores.len() as f64;
        scores.insert(0, ("bleu".into(), bleu));
        if translated.len() == 1 {
            scores.truncate(1);
        }
        Ok(Validation { nll_nats, scores, quality: Some(bleu) })
    }

    fn score_test(
        &self,
        mut translator: Translator<TranslationModel>,
        scores: &mut Vec<ScoreRecord>,
        peers: &dyn Collective,
        log: &dyn Log,
    ) -> Result<()> {
        let parts = by_direction(&self.corpus.test);
        if parts.is_empty() {
            say!(log, "no [data.test]: the model is not scored");
            return Ok(());
        }
        let mut samples = Vec::new();
        for (direction, corpora) in &parts {
            let name = if parts.len() == 1 { "test".to_owned() } else { format!("test {direction}") };
            let (mut sources, mut references) = (Vec::new(), Vec::new());
            for corpus in corpora {
                for pair in corpus.pairs.pairs(&CorpusRules::strict(), usize::MAX)? {
                    sources.push(pair.source);
                    references.push(pair.target);
                }
            }
            translator = self.directions.translating(translator, direction)?;
            let what = "scoring the test set";
            let hypotheses = translate_all(peers, &translator, &sources, &self.decoding, what, log)?;
            scores.extend(self.score_translations(&name, &hypotheses, &references, log)?);
            let stride = (sources.len() / N_SAMPLES).max(1);
            let one = |idx: usize| [&sources, &references, &hypotheses].map(|texts| texts[idx].clone());
            samples.extend((0..sources.len()).step_by(stride).take(N_SAMPLES).map(one));
        }
        let pronouns = &self.corpus.pronouns;
        // English into German is the first direction where it is one.
        if let Some(corpus) = self.corpus.train.first().filter(|_| !pronouns.is_empty()) {
            translator = self.directions.translating(translator, &corpus.direction)?;
            let sources: Vec<&str> = pronouns.iter().map(|sentence| sentence.source.as_str()).collect();
            let translations = translate_all(peers, &translator, &sources, &self.decoding, "scoring pronouns", log)?;
            let accuracy = pronoun_accuracy(pronouns, &translations);
            say!(log, "pronouns  {:.1} % right of {} held-out sentences", 100.0 * accuracy, sources.len());
            scores.push(ScoreRecord::new("pronouns", "accuracy", accuracy, ""));
        }
        say!(log, "");
        for [source, reference, translation] in samples {
            say!(log, "source      {source}");
            say!(log, "reference   {reference}");
            say!(log, "translation {translation}\n");
        }
        Ok(())
    }

    /// The scores of the translations of a part of this name.
    fn score_translations(
        &self,
        name: &str,
        hypotheses: &[String],
        references: &[String],
        log: &dyn Log,
    ) -> Result<[ScoreRecord; 3]> {
        let streams = [references];
        let bleu = self.bleu.corpus(hypotheses, &streams)?;
        let chrf = Chrf::default().corpus(hypotheses, &streams)?;
        let exact = ExactMatch.corpus(hypotheses, &streams)?;
        let signatures = [self.bleu.signature(1), Chrf::default().signature(1)].map(|signature| signature.to_string());
        say!(log, "{name:<9} {bleu}");
        say!(log, "          {}", signatures[0]);
        say!(log, "          {chrf}  {}", signatures[1]);
        say!(log, "          {:.1} % of {} translations equal the reference", exact.score, thousands(exact.n));
        let [of_bleu, of_chrf] = signatures;
        Ok([
            ScoreRecord::new(name, "bleu", bleu.score, of_bleu),
            ScoreRecord::new(name, "chrf", chrf.score, of_chrf),
            ScoreRecord::new(name, "exact", exact.score, ""),
        ])
    }
}

/// The batches of corpora that are mixed by weights and a temperature, if there are such.
fn mixed(batches: PairBatcher, weights: Option<&(Vec<f64>, f64)>) -> PairBatcher {
    match weights {
        Some((weights, temperature)) => {
            let mixture = Mixture::new(&batches.corpus().part_lens(), weights, *temperature);
            batches.mixed(mixture)
        }
        None => batches,
    }
}

/// What corpora are encoded by.
struct Reader<'a> {
    tokenizer: &'a dyn Tokenizer,
    directions: &'a Directions,
    rules: &'a CorpusRules,
}

impl Reader<'_> {
    /// The ids of a corpus of the part `name`, and the special tokens of its direction; adds to the records of the data, and
    /// says what was found: all of it where that is asked for, else what was left out.
    fn encode(
        &self,
        corpus: &Directed,
        name: &str,
        storage: &Storage,
        (records, says): (&mut Vec<DataRecord>, bool),
        log: &dyn Log,
    ) -> Result<(EncodedCorpus, SpecialIds)> {
        let around = self.directions.around(self.tokenizer, &corpus.direction)?;
        let segment = |side: Side, text: &str| around.put(side, ids_of(self.tokenizer, side, text));
        let (encoded, report) = corpus.pairs.encode(segment, self.rules, storage)?;
        tokens::say_use(log, encoded.cache_use());
        if !corpus.is_again {
            match &report {
                Some(report) if says => say!(log, "{report}"),
                Some(report) => {
                    report.remarks().for_each(|(done, what)| say!(log, "{name:<9} {what}; {done} for the loss"));
                }
                None => {}
            }
            records.extend(corpus.pairs.records(name, report.as_ref(), log)?);
        }
        Ok((encoded, around.specials))
    }
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Task for Translation<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = TranslationBatch;
    type Objective = TranslationObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn processor(&self) -> Processor {
        self.tokenizer.clone().into()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> TranslationObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = TranslationBatch> + '_> {
        match &self.sampling {
            Some(sampling) => Box::new(Endless::new(SampledEpochs { task: self, sampling })),
            None => Box::new(Endless::new(&self.train)),
        }
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        if self.validation.is_empty() {
            return None;
        }
        Some(Box::new(move |model: &F::Model| self.validate(model, peers, log).map_err(Into::into)))
    }

    fn measure(&self) -> Option<String> {
        let n: usize = self.validation.iter().map(|held_out| held_out.sample.0.len()).sum();
        Some(match n {
            0 => "loss".to_owned(),
            n => format!("BLEU of {n} sentences, {}{}", self.bleu.signature(1), unusual(&self.decoding)),
        })
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        for HeldOut { direction, batches, .. } in &self.validation {
            let Likelihood { loss_nats, n_units } = likelihood(peers, &model, batches)?;
            let name = match self.validation.len() {
                1 => "validation".to_owned(),
                _ => format!("validation {direction}"),
            };
            let perplexity = (loss_nats / n_units.max(1) as f64).exp();
            scores.push(ScoreRecord::new(name, "perplexity", perplexity, ""));
        }
        self.score_test(self.translator(model)?, &mut scores, peers, log)?;
        Ok(scores)
    }

    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        let mut records = self.records.clone();
        for test in self.corpus.test.iter().filter(|test| !test.is_again) {
            // What is wrong with the test set is said before the model is trained.
            if test.pairs.pairs(&CorpusRules::strict(), usize::MAX)?.is_empty() {
                refuse!("[data.test] holds no sentence pair: check its files, or leave it out");
            }
            records.extend(test.pairs.records("test", None, log)?);
        }
        Ok(records)
    }

    fn example(&self, model: &str) -> String {
        let rules = CorpusRules::default();
        let of_training = || self.corpus.train.first()?.pairs.texts(&rules).ok()?.next()?.ok();
        let held_out = self.validation.first();
        let is_text = |text: &&String| !text.trim().is_empty();
        let of_validation = held_out.and_then(|held_out| held_out.sample.0.iter().find(is_text).cloned());
        let line = of_validation.or_else(of_training).unwrap_or_default();
        let direction = held_out.map(|held_out| &held_out.direction);
        let direction = direction.or(self.corpus.train.first().map(|corpus| &corpus.direction));
        let option = direction.and_then(|direction| self.directions.option(direction)).unwrap_or_default();
        let sentence = example::sentence(&*self.tokenizer, &line, self.config.max_len());
        format!("translate --model {model} {option}{}", example::argument(sentence))
    }
}

/// The settings of decoding that the translations of a validation depend on, the others as they usually are: a beam of one
/// is not compared with others.
fn greedy(decoding: &DecodingConfig) -> DecodingConfig {
    let DecodingConfig { length_penalty, beam_rules, batch_tokens, precision, shortlist, .. } =
        DecodingConfig::default();
    DecodingConfig { beam: 1, length_penalty, beam_rules, batch_tokens, precision, shortlist, ..decoding.clone() }
}

/// Those of these settings that are not the usual ones, after a comma: another version may have more of them.
fn unusual(decoding: &DecodingConfig) -> String {
    let [mut settings, usual] = [decoding, &DecodingConfig::default()].map(|decoding| json!(greedy(decoding)));
    if let Some(settings) = settings.as_object_mut() {
        settings.retain(|key, value| usual.get(key) != Some(&*value));
    }
    if settings == json!({}) { String::new() } else { format!(", {settings}") }
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Resizable for Translation<F> {
    const FIRST: usize = 512;

    /// Cuts the corpus by a number of tokens.
    fn with_batch_size(&mut self, max_tokens: usize) -> Result<()> {
        let max_tokens = Size::Of(max_tokens);
        let batch = BatchConfig { max_tokens, ..self.batch.clone() };
        self.train = self.train.with_batch_size(&batch)?;
        for held_out in &mut self.validation {
            held_out.batches = held_out.batches.with_batch_size(&batch)?;
        }
        if let Some(sampling) = &mut self.sampling {
            sampling.batch.max_tokens = max_tokens;
        }
        Ok(())
    }

    /// Batches, filled with padding's id, of the shapes that take most memory: by tokens, and by scores of attention.
    fn largest_batches(&self) -> Vec<TranslationBatch> {
        let shapes = || self.train.plan().shapes().keys();
        let n_tokens = |shape: &Shape| shape.rows * (shape.source + shape.target);
        let n_scores = |shape: &Shape| shape.rows * shape.source.max(shape.target).pow(2);
        let largest = [shapes().max_by_key(|shape| n_tokens(shape)), shapes().max_by_key(|shape| n_scores(shape))];
        let rows = |n, len| TokenMatrix::from_rows(&vec![vec![0; len]; n], 0, len);
        let batch = |shape: &Shape| TranslationBatch {
            source: rows(shape.rows, shape.source),
            target: rows(shape.rows, shape.target + 1),
            indices: vec![0; shape.rows],
        };
        largest.into_iter().flatten().map(batch).collect()
    }
}

/// How segmentations are drawn, and what they are batched by.
struct Sampling {
    strength: f64,
    seed: u64,
    order: Order,
    rules: CorpusRules,
    batch: BatchConfig,
}

/// Subword regularisation: each epoch's batches are of another segmentation of the same text.
///
/// The segmentation is a function of seed, epoch and text, so that a position resumes it.
/// Source: Kudo 2018, "Subword Regularization"; Provilkov et al. 2020, "BPE-Dropout".
struct SampledEpochs<'a, F> {
    task: &'a Translation<F>,
    sampling: &'a Sampling,
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Epochs for SampledEpochs<'_, F> {
    type Batch = TranslationBatch;
    type Order = (PairBatcher, PairEpoch);
    type Error = crate::Error;

    fn lay_out(&self, epoch: u64) -> Result<Self::Order> {
        let batcher = self.task.sampled(self.sampling, epoch)?;
        let order = batcher.lay_out(epoch)?;
        Ok((batcher, order))
    }

    fn len(&self, (batcher, order): &Self::Order) -> u64 {
        batcher.len(order)
    }

    fn batch(&self, (batcher, order): &Self::Order, batch_idx: u64) -> Result<TranslationBatch> {
        Ok(batcher.batch(order, batch_idx)?)
    }
}
