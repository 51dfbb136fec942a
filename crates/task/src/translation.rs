//! Translation with an encoder–decoder of any family.

use std::sync::Arc;

use attentive_backend::Device;
use attentive_bundle::{DataRecord, DecodingConfig, Processor, ScoreRecord, TranslationModel, Translator};
use attentive_core::{BatchStream, Endless, TokenMatrix, TranslationBatch};
use attentive_data::{
    BatchConfig, CorpusRules, Epochs, OnProblem, Order, PairBatcher, PairEpoch, Shape, Side, Size, Storage, Treatment,
    derived_seed,
};
use attentive_metrics::{Bleu, Chrf, ExactMatch, Likelihood, Scorer};
use attentive_model::{EncoderDecoderSpec, ModelConfig, TeacherForced, TranslationObjective};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;

use crate::{
    Corpus, Log, Resizable, Result, Start, Task, bleu_of,
    config::{RunRecipe, TranslationRecipe},
    example, initial, likelihood, pronoun_accuracy,
    score::framed,
    special_ids, thousands, tokens, translate_all,
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
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    batch: BatchConfig,
    train: PairBatcher,
    sampling: Option<Sampling>,
    validation: Option<PairBatcher>,
    /// Sources and references of the validation sentences that are translated.
    sample: (Vec<String>, Vec<String>),
    /// Names, sizes and hashes of the training and validation data.
    records: Vec<DataRecord>,
}

debug_by_config!(Translation);

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Translation<F> {
    /// Reads the data of a recipe, whose model's vocabulary sizes it fills in; from nothing, a tokenizer
    /// is read or learnt as the recipe says.
    ///
    /// # Errors
    /// Text or tokenizer can't be read, learned from or made batches of, or the model can't take the vocabulary.
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
        let tokenizer = start
            .tokenizer(&mut config, || recipe.tokenizer.read_or_train(true, corpus.train.texts(&recipe.rules)?, log))?;
        recipe.model = config.clone().into();

        let storage = tokens::storage(start.cache.filter(|_| recipe.data.cache), &*tokenizer, "");
        let (train, report) = corpus.train.encode(&*tokenizer, &recipe.rules, &storage)?;
        tokens::say_use(log, train.cache_use());
        if let Some(report) = &report {
            say!(log, "{report}");
        }
        let mut records = corpus.train.records("train", report.as_ref(), log)?;
        let [n_source, n_target] = train.n_tokens();
        say!(
            log,
            "data      {} training pairs, {} source and {} target tokens",
            thousands(train.len() as u64),
            thousands(n_source),
            thousands(n_target)
        );
        say!(log, "tokens    {} entries in the joint vocabulary", thousands(tokenizer.vocab_size() as u64));
        let specials = special_ids(&*tokenizer)?;
        let order = Order::Shuffled { seed: run.training.seed };
        let batch = recipe.batch.clone();
        let train = PairBatcher::new(Arc::new(train), &batch, specials, order)?;
        say!(log, "batches   {}", train.plan());
        let sampling = recipe.tokenizer.sampling_strength().map(|strength| {
            say!(log, "sampling  the segmentation is drawn anew in every epoch, with strength {strength}");
            // A segmentation that is drawn may be much longer than the best one, and is no reason to stop.
            let batch = BatchConfig { on_oversized: OnProblem::Skip, ..batch.clone() };
            let mut rules = recipe.rules.clone();
            if rules.on_over_long == Treatment::Refuse {
                rules.on_over_long = Treatment::Skip;
            }
            Sampling { strength, seed: run.training.seed, rules, batch }
        });
        let validation = match &corpus.validation {
            Some(split) => {
                let (encoded, report) = split.encode(&*tokenizer, &recipe.rules, &storage)?;
                tokens::say_use(log, encoded.cache_use());
                records.extend(split.records("validation", report.as_ref(), log)?);
                Some(PairBatcher::new(Arc::new(encoded), &batch, specials, Order::Sorted)?)
            }
            None => {
                say!(log, "no [data.validation]: training runs without validation");
                None
            }
        };
        let sample = match &corpus.validation {
            Some(split) => split.pairs(&recipe.rules, recipe.evaluation.bleu_sentences)?,
            None => Vec::new(),
        };
        Ok(Self {
            config,
            objective: recipe.objective,
            decoding: recipe.decoding.clone(),
            bleu,
            corpus,
            tokenizer,
            pretrained: start.pretrained.map(|bundle| bundle.params),
            batch,
            train,
            sampling,
            validation,
            sample: sample.into_iter().map(|pair| (pair.source, pair.target)).unzip(),
            records,
        })
    }

    /// The training data, segmented as it is drawn for an epoch.
    fn sampled(&self, sampling: &Sampling, epoch: u64) -> Result<PairBatcher> {
        let Sampling { strength, seed, rules, batch } = sampling;
        let segment = |side: Side, text: &str| {
            let seed = derived_seed(*seed, &format!("{} {text}", side.name()), epoch);
            framed(&*self.tokenizer, side, self.tokenizer.sample(text, *strength, seed))
        };
        let (corpus, _) = self.corpus.train.encode_by(segment, rules, &Storage::default())?;
        let order = Order::Shuffled { seed: *seed };
        Ok(PairBatcher::new(Arc::new(corpus), batch, special_ids(&*self.tokenizer)?, order)?)
    }

    fn translator(&self, model: F::Model) -> Result<Translator<TranslationModel>> {
        Ok(Translator::new(TranslationModel::new(model, &self.config)?, self.tokenizer.clone())?)
    }

    /// Loss on the validation set, and BLEU of its first sentences, greedily translated.
    fn validate(&self, model: &F::Model, validation: &PairBatcher, log: &dyn Log) -> Result<Validation> {
        let nll_nats = mean_nll(model, validation)?;
        let (sources, references) = &self.sample;
        if sources.is_empty() {
            return Ok(Validation { nll_nats, scores: Vec::new(), quality: None });
        }
        let translator = self.translator(model.clone())?;
        let greedy = DecodingConfig { beam: 1, ..self.decoding.clone() };
        let hypotheses = translate_all(&translator, sources, &greedy, "validating", log)?;
        let bleu = self.bleu.corpus(&hypotheses, &[&references[..]])?.score;
        Ok(Validation { nll_nats, scores: vec![("bleu".into(), bleu)], quality: Some(bleu) })
    }

    fn score_test(
        &self,
        translator: &Translator<TranslationModel>,
        scores: &mut Vec<ScoreRecord>,
        log: &dyn Log,
    ) -> Result<()> {
        let Some(test) = &self.corpus.test else {
            say!(log, "no [data.test]: the model is not scored");
            return Ok(());
        };
        let pairs = test.pairs(&CorpusRules::strict(), usize::MAX)?;
        let (sources, references): (Vec<String>, Vec<String>) =
            pairs.into_iter().map(|pair| (pair.source, pair.target)).unzip();
        let hypotheses = translate_all(translator, &sources, &self.decoding, "scoring the test set", log)?;
        let streams = [&references[..]];
        let bleu = self.bleu.corpus(&hypotheses, &streams)?;
        let chrf = Chrf::default().corpus(&hypotheses, &streams)?;
        let exact = ExactMatch.corpus(&hypotheses, &streams)?;
        let signatures = [self.bleu.signature(1), Chrf::default().signature(1)].map(|signature| signature.to_string());
        say!(log, "test      {bleu}");
        say!(log, "          {}", signatures[0]);
        say!(log, "          {chrf}  {}", signatures[1]);
        say!(log, "          {:.1} % of {} translations equal the reference", exact.score, thousands(exact.n));
        let [of_bleu, of_chrf] = signatures;
        scores.extend([
            ScoreRecord::new("test", "bleu", bleu.score, of_bleu),
            ScoreRecord::new("test", "chrf", chrf.score, of_chrf),
            ScoreRecord::new("test", "exact", exact.score, ""),
        ]);

        let pronouns = &self.corpus.pronouns;
        if !pronouns.is_empty() {
            let sources: Vec<&str> = pronouns.iter().map(|sentence| sentence.source.as_str()).collect();
            let translations = translate_all(translator, &sources, &self.decoding, "scoring pronouns", log)?;
            let accuracy = pronoun_accuracy(pronouns, &translations);
            say!(log, "pronouns  {:.1} % right of {} held-out sentences", 100.0 * accuracy, sources.len());
            scores.push(ScoreRecord::new("pronouns", "accuracy", accuracy, ""));
        }
        say!(log, "");
        let stride = (sources.len() / N_SAMPLES).max(1);
        for idx in (0..sources.len()).step_by(stride).take(N_SAMPLES) {
            say!(log, "source      {}", sources[idx]);
            say!(log, "reference   {}", references[idx]);
            say!(log, "translation {}\n", hypotheses[idx]);
        }
        Ok(())
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

    fn evaluator<'a>(&'a self, log: &'a dyn Log) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| self.validate(model, validation, log).map_err(Into::into)))
    }

    fn score(&self, model: F::Model, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        if let Some(validation) = &self.validation {
            let nll_nats = mean_nll(&model, validation)?;
            scores.push(ScoreRecord::new("validation", "perplexity", nll_nats.exp(), ""));
        }
        self.score_test(&self.translator(model)?, &mut scores, log)?;
        Ok(scores)
    }

    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        let mut records = self.records.clone();
        if let Some(test) = &self.corpus.test {
            // What is wrong with the test set is said before the model is trained.
            if test.pairs(&CorpusRules::strict(), usize::MAX)?.is_empty() {
                refuse!("[data.test] holds no sentence pair: check its files, or leave it out");
            }
            records.extend(test.records("test", None, log)?);
        }
        Ok(records)
    }

    fn example(&self, model: &str) -> String {
        let of_training = || self.corpus.train.pairs(&CorpusRules::default(), 1).unwrap_or_default();
        let of_validation = self.sample.0.first().cloned();
        let line = of_validation.or_else(|| Some(of_training().pop()?.source)).unwrap_or_default();
        let sentence = example::sentence(&*self.tokenizer, &line, self.config.max_len());
        format!("translate --model {model} {}", example::argument(sentence))
    }
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Resizable for Translation<F> {
    const FIRST: usize = 512;

    /// Cuts the corpus by a number of tokens.
    fn with_batch_size(&mut self, max_tokens: usize) -> Result<()> {
        let max_tokens = Size::Of(max_tokens);
        let batch = BatchConfig { max_tokens, ..self.batch.clone() };
        self.train = self.train.with_batch_size(&batch)?;
        self.validation = self.validation.as_ref().map(|validation| validation.with_batch_size(&batch)).transpose()?;
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

/// Cross-entropy of a set, in nats per target.
fn mean_nll(model: &impl TeacherForced, batches: &PairBatcher) -> Result<f64> {
    let Likelihood { loss_nats, n_units } = likelihood(model, batches)?;
    Ok(loss_nats / n_units.max(1) as f64)
}
