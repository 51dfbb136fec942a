//! Masked language modelling with BERT and RoBERTa.

use std::{path::Path, sync::Arc};

use anyhow::{Result, bail};
use attentive_backend::Device;
use attentive_bundle::{DataRecord, ModelConfig, ScoreRecord, TextEncoder, frame_ids};
use attentive_core::{MaskedBatch, TokenId, TokenMatrix};
use attentive_data::{ExampleBatcher, ExampleSet, MaskedSentences, Masking, RowKind, SentenceCorpus, auto_size::AUTO};
use attentive_model::{Bert, BertConfig, MaskedLmObjective};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{BatchStream, Validation};
use burn::tensor::{Tensor, activation::log_softmax};

use super::{Task, example_stream::ExampleStream, memory::Fitting, thousands};
use crate::{
    recipe::{MaskedLmRecipe, RunRecipe, TextFilesRecipe},
    text::TextSource,
};

/// Sentences whose words are guessed at the end, and guesses for each.
const N_SAMPLES: usize = 3;
const N_CANDIDATES: usize = 4;

/// A text, and an encoder that learns to guess what is hidden in it.
pub(crate) struct MaskedLm {
    config: BertConfig,
    objective: MaskedLmObjective,
    context: usize,
    /// Hidden tokens of a row at the most.
    n_hidden: usize,
    has_pairs: bool,
    tokenizer: Arc<dyn Tokenizer>,
    train: ExampleBatcher<MaskedSentences>,
    validation: Option<ExampleBatcher<MaskedSentences>>,
    /// The guess that is right most often, whatever stands around it.
    most_frequent: TokenId,
    sources: Vec<(&'static str, TextSource)>,
}

/// How good guesses are.
#[derive(Default)]
struct Guesses {
    nll_sum: f64,
    n_tokens: usize,
    n_right: usize,
    n_most_frequent: usize,
    n_pairs: usize,
    n_pairs_right: usize,
}

impl MaskedLm {
    /// Reads the text of a recipe, whose vocabulary size it fills in; without the file of a tokenizer, one is read or
    /// learnt as the recipe says.
    pub(crate) fn prepare(run: &RunRecipe, recipe: &mut MaskedLmRecipe, tokenizer: Option<&Path>) -> Result<Self> {
        let ModelConfig::Bert(config) = &mut recipe.model else { bail!("model.family: masked-lm trains a bert") };
        let files = |files: &TextFilesRecipe| TextSource::Files(files.files());
        let (train, validation) = match &recipe.data.train {
            Some(train) => (files(train), recipe.data.validation.as_ref().map(files)),
            None => {
                let [train, validation] = TextSource::builtin();
                (train, Some(validation))
            }
        };
        let tokenizer: Arc<dyn Tokenizer> = match tokenizer {
            Some(path) => attentive_tokenizer::load(path)?,
            None => recipe.tokenizer.read_or_train(false, train.texts())?,
        }
        .into();
        config.vocab_size = tokenizer.vocab_size();
        let ids = frame_ids(&*tokenizer)?;

        let text = train.sentences(&*tokenizer, ids.end)?;
        let (text, held_out) = match (&validation, recipe.data.validation_fraction) {
            (Some(validation), _) => (text, Some(validation.sentences(&*tokenizer, ids.end)?)),
            (None, Some(fraction)) => {
                let [text, held_out] = text.split(1.0 - fraction);
                (text, Some(held_out))
            }
            (None, None) => {
                println!("no [data.validation] and no data.validation_fraction: training runs without validation");
                (text, None)
            }
        };
        println!(
            "data      {} training tokens in {} sentences of {} documents",
            thousands(text.n_tokens() as u64),
            thousands(text.n_sentences() as u64),
            thousands(text.n_documents() as u64)
        );
        println!("tokens    {} entries in the vocabulary", thousands(tokenizer.vocab_size() as u64));
        let most_frequent = text.most_frequent().unwrap_or(ids.mask);
        let batch = recipe.batch;
        // What is still to be measured begins with one row.
        let n_rows = if batch.rows == AUTO { 1 } else { batch.rows };
        let batcher = |text: SentenceCorpus, seed: u64| -> Result<ExampleBatcher<MaskedSentences>> {
            let masking = Masking::new(recipe.masking, ids, tokenizer.vocab_size(), seed);
            let rows = MaskedSentences::new(text, batch.examples, batch.context, ids, masking)?;
            Ok(ExampleBatcher::new(rows, n_rows, seed)?)
        };
        let train_batches = batcher(text, run.training.seed)?;
        // The same masks whatever the run, so that runs can be compared.
        let validation_batches = held_out.map(|text| batcher(text, 0)).transpose()?;
        let sources = [("train", Some(train)), ("validation", validation)];
        Ok(Self {
            config: config.clone(),
            objective: recipe.objective,
            context: batch.context,
            n_hidden: (recipe.masking.rate * batch.context as f64).ceil() as usize,
            has_pairs: batch.examples == RowKind::SentencePairs,
            tokenizer: tokenizer.clone(),
            train: train_batches,
            validation: validation_batches,
            most_frequent,
            sources: sources.into_iter().filter_map(|(split, source)| Some((split, source?))).collect(),
        })
    }

    fn judge(&self, model: &Bert, batches: &ExampleBatcher<MaskedSentences>) -> Guesses {
        let mut guesses = Guesses::default();
        batches.epoch(0).for_each(|batch| guesses.add(model, &batch, self.most_frequent));
        guesses
    }

    /// Guesses for a word of some validation sentences.
    fn show_samples(&self, model: Bert) -> Result<()> {
        let Some(validation) = &self.validation else { return Ok(()) };
        let corpus = validation.set().corpus();
        let sentences = corpus.sentences().collect::<Vec<_>>();
        let encoder = TextEncoder::new(model, Vec::new(), self.tokenizer.clone())?;
        println!();
        for ids in sentences.iter().step_by((sentences.len() / N_SAMPLES).max(1)).take(N_SAMPLES) {
            let text = self.tokenizer.decode(ids)?;
            let words: Vec<&str> = text.split(' ').collect();
            let middle = words.len() / 2;
            let masked = [&words[..middle], &["[MASK]"], &words[middle + 1..]].concat().join(" ");
            let Ok(filled) = encoder.fill(&masked, N_CANDIDATES) else { continue };
            println!("{masked}  ({})", words[middle]);
            for candidate in filled.iter().flatten() {
                println!("  {:5.1} %  {}", 100.0 * candidate.probability, candidate.text);
            }
        }
        println!();
        Ok(())
    }
}

impl Guesses {
    fn add(&mut self, model: &Bert, batch: &MaskedBatch, most_frequent: TokenId) {
        let hidden = model.forward(&batch.ids, &batch.segments, None);
        if let (Some(follows), Some(head)) = (&batch.follows, &model.next_sentence)
            && let Some(pooled) = model.pool(hidden.clone())
        {
            let scores = values(head.forward(pooled));
            let is_right = |(&follows, scores): (&bool, &[f32])| follows == (scores[0] >= scores[1]);
            self.n_pairs += follows.len();
            self.n_pairs_right += follows.iter().zip(scores.chunks(2)).filter(|&pair| is_right(pair)).count();
        }
        if batch.targets.is_empty() {
            return;
        }
        let Some(logits) = model.token_logits(model.at(hidden, &batch.masked)) else { return };
        let [_, vocab] = logits.dims();
        let log_p = values(log_softmax(logits, 1));
        for (&target, log_p) in batch.targets.iter().zip(log_p.chunks(vocab)) {
            let target_log_p = log_p[target as usize];
            self.nll_sum -= f64::from(target_log_p);
            self.n_tokens += 1;
            self.n_right += usize::from(log_p.iter().all(|&other| other <= target_log_p));
            self.n_most_frequent += usize::from(target == most_frequent);
        }
    }

    fn nll_nats(&self) -> f64 {
        self.nll_sum / self.n_tokens.max(1) as f64
    }

    fn accuracy(&self) -> f64 {
        share(self.n_right, self.n_tokens)
    }

    /// What always guessing the most frequent token of the training text would be right in.
    fn baseline(&self) -> f64 {
        share(self.n_most_frequent, self.n_tokens)
    }

    /// In how many pairs the second segment was rightly said to follow or not, if there are pairs.
    fn pair_accuracy(&self) -> Option<f64> {
        (self.n_pairs > 0).then(|| share(self.n_pairs_right, self.n_pairs))
    }
}

impl Task for MaskedLm {
    type Model = Bert;
    type Batch = MaskedBatch;
    type Objective = MaskedLmObjective;

    fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    fn init(&self, device: &Device, seed: u64) -> Result<Bert> {
        Ok(self.config.init(device, seed)?)
    }

    fn d_model(&self) -> usize {
        self.config.d_model
    }

    fn describe(&self) -> String {
        describe(&self.config)
    }

    fn objective(&self) -> MaskedLmObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = MaskedBatch> + '_> {
        Box::new(ExampleStream::new(&self.train))
    }

    /// Loss and accuracy on the whole validation text.
    fn validate(&self, model: &Bert) -> Result<Validation> {
        let Some(validation) = &self.validation else {
            return Ok(Validation { nll_nats: f64::NAN, scores: Vec::new(), quality: 0.0 });
        };
        let guesses = self.judge(model, validation);
        let mut scores = vec![("masked-accuracy".to_owned(), guesses.accuracy())];
        scores.extend(guesses.pair_accuracy().map(|accuracy| ("next-sentence-accuracy".to_owned(), accuracy)));
        Ok(Validation { nll_nats: guesses.nll_nats(), scores, quality: -guesses.nll_nats() })
    }

    fn score(&self, model: Bert) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        if let Some(validation) = &self.validation {
            let guesses = self.judge(&model, validation);
            let frequent = self.tokenizer.token(self.most_frequent).unwrap_or_default();
            println!(
                "validation {:.1} % of {} hidden tokens guessed right, {:.4} nats each; always {frequent:?}: {:.1} %",
                100.0 * guesses.accuracy(),
                thousands(guesses.n_tokens as u64),
                guesses.nll_nats(),
                100.0 * guesses.baseline()
            );
            let mut record = |metric, value| scores.push(ScoreRecord::new("validation", metric, value, ""));
            record("nats", guesses.nll_nats());
            record("masked-accuracy", guesses.accuracy());
            record("unigram-baseline", guesses.baseline());
            if let Some(accuracy) = guesses.pair_accuracy() {
                println!(
                    "           {:.1} % of {} pairs rightly said to follow one another or not",
                    100.0 * accuracy,
                    thousands(guesses.n_pairs as u64)
                );
                record("next-sentence-accuracy", accuracy);
            }
        }
        self.show_samples(model)?;
        Ok(scores)
    }

    fn data_records(&self) -> Result<Vec<DataRecord>> {
        let records = self.sources.iter().map(|(split, source)| source.records(split));
        Ok(records.collect::<Result<Vec<_>>>()?.concat())
    }

    fn example(&self, model: &str) -> String {
        format!("fill --model {model} \"The [MASK] did not cross the street because it was too tired.\"")
    }
}

impl Fitting for MaskedLm {
    const SETTING: &str = "batch.rows";
    const FIRST: usize = 1;

    fn cut_anew(&mut self, rows: usize) -> Result<()> {
        self.train = self.train.with_rows(rows);
        self.validation = self.validation.as_ref().map(|validation| validation.with_rows(rows));
        Ok(())
    }

    fn largest_batches(&self) -> Vec<MaskedBatch> {
        let rows = self.train.rows().min(self.train.set().epoch(0).len());
        let hidden_in = |row: usize| (0..self.n_hidden).map(move |at| (row * self.context + at) as u32);
        vec![MaskedBatch {
            ids: TokenMatrix::from_rows(&vec![vec![0; self.context]; rows], 0, 0),
            segments: vec![0; rows * self.context],
            masked: (0..rows).flat_map(hidden_in).collect(),
            targets: vec![0; rows * self.n_hidden],
            follows: self.has_pairs.then(|| vec![true; rows]),
            indices: vec![0; rows],
        }]
    }
}

/// An encoder's sizes in a line.
pub(super) fn describe(config: &BertConfig) -> String {
    let BertConfig { d_model, d_ff, n_heads, n_layers, .. } = config;
    format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_layers} layers")
}

pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32")
}

pub(super) fn share(n: usize, of: usize) -> f64 {
    n as f64 / of.max(1) as f64
}
