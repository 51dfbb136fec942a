//! Masked language modelling with encoders: BERT, RoBERTa, CANINE.

use std::{collections::BTreeMap, sync::Arc};

use attentive_backend::Device;
use attentive_bundle::{Candidate, DataRecord, Processor, ScoreRecord, TextEncoder, frame_ids};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Endless, MaskedBatch, TokenId, TokenMatrix};
use attentive_data::{Epochs, ExampleBatcher, ExampleSet, MaskedSentences, RowKind, SentenceCorpus, Subwords};
use attentive_model::{EncoderModel, EncoderSpec, Guessing, LayeredEncoder, MaskedLmObjective, ModelConfig};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;
use burn::tensor::{Tensor, activation::log_softmax};

use crate::{
    Error, Log, Resizable, Result, Start, Task, TextSource, Texts,
    config::{MaskedLmRecipe, RunRecipe},
    data2vec::Unlabelled,
    encoder_text, example, initial,
    shared::sums,
    thousands, tokens,
};

/// Sentences whose words are guessed at the end, and guesses for each.
const N_SAMPLES: usize = 3;
const N_CANDIDATES: usize = 4;

/// Size of the vocabulary of subwords, unless a recipe says one.
const N_SUBWORDS: usize = 1000;

/// A text, and an encoder that learns to guess what is hidden in it.
pub struct MaskedLm<F> {
    config: F,
    objective: MaskedLmObjective,
    context: usize,
    /// Hidden tokens of a row at the most.
    n_hidden: usize,
    has_pairs: bool,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    train: ExampleBatcher<MaskedSentences>,
    validation: Option<ExampleBatcher<MaskedSentences>>,
    /// The guess that is right most often, whatever stands around it.
    most_frequent: TokenId,
    texts: Texts,
}

debug_by_config!(MaskedLm);

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

impl<F: EncoderSpec + Into<ModelConfig>> MaskedLm<F> {
    /// Reads the text of a recipe, whose vocabulary size it fills in; from nothing, a tokenizer is read or
    /// learnt as the recipe says.
    ///
    /// # Errors
    /// Text or tokenizer can't be read, learned from or made batches of, or the model can't take the vocabulary.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut MaskedLmRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let objective = recipe.objective.own();
        if let Some(kind) = objective.kind {
            if let Some(subwords) = config.subwords_mut().filter(|_| kind != Guessing::Subwords) {
                subwords.clear();
            }
            if let Some(guessing) = config.guessing_mut() {
                *guessing = kind;
            }
        }
        let texts = Texts::open(&recipe.data)?;
        let tokenizer =
            start.tokenizer(&mut config, || recipe.tokenizer.read_or_train(false, texts.train.texts(), log))?;
        tokens::warn_of_unknown_in(log, &*tokenizer, texts.train.texts());
        let ids = frame_ids(&*tokenizer)?;

        let how = if config.reads_characters() { "by characters" } else { "" };
        let storage = tokens::storage(start.cache.filter(|_| recipe.data.cache), &*tokenizer, how);
        let sentences = |source: &TextSource| {
            let encode = |line: &str| encoder_text::encode_line(&config, &*tokenizer, line);
            source.sentences(ids.end, encode, &storage, log)
        };
        let (text, held_out) = texts.read(sentences, |text, at| text.split(at), log)?;
        say!(
            log,
            "data      {} training tokens in {} sentences of {} documents",
            thousands(text.n_tokens() as u64),
            thousands(text.n_sentences() as u64),
            thousands(text.n_documents() as u64)
        );
        say!(log, "tokens    {} entries in the vocabulary", thousands(tokenizer.vocab_size() as u64));
        if !start.fine_tunes {
            encoder_text::choose_alphabet(&mut config, &text);
        }
        let n_subwords = objective.n_subwords.unwrap_or(N_SUBWORDS);
        encoder_text::choose_subwords(&mut config, n_subwords, texts.train.texts(), log)?;
        recipe.model = config.clone().into();
        let most_frequent = most_frequent(&config, &text).unwrap_or(ids.mask);
        let batch = recipe.batch;
        let n_rows = batch.rows.or(1);
        let batcher = |text: SentenceCorpus, seed: u64| -> Result<ExampleBatcher<MaskedSentences>> {
            let masking = encoder_text::masking(&config, recipe.masking, ids, tokenizer.vocab_size(), seed);
            let rows = MaskedSentences::new(text, batch.examples, batch.context, ids, masking)?;
            Ok(ExampleBatcher::new(rows, n_rows, seed)?)
        };
        let train_batches = batcher(text, run.training.seed).map_err(|error| error.of_part("train"))?;
        // The same masks whatever the run, so that runs can be compared.
        let validation_batches = held_out.map(|text| batcher(text, 0)).transpose();
        let validation_batches = validation_batches.map_err(|error| error.of_part(texts.validation_key()))?;
        Ok(Self {
            config,
            objective: MaskedLmObjective { label_smoothing: objective.label_smoothing },
            context: batch.context,
            n_hidden: (recipe.masking.rate * batch.context as f64).ceil() as usize,
            has_pairs: batch.examples == RowKind::SentencePairs,
            tokenizer: tokenizer.clone(),
            pretrained: start.pretrained.map(|bundle| bundle.params),
            train: train_batches,
            validation: validation_batches,
            most_frequent,
            texts,
        })
    }

    fn judge(
        &self,
        model: &F::Model,
        peers: &dyn Collective,
        batches: &ExampleBatcher<MaskedSentences>,
    ) -> Result<Guesses> {
        let of_batch = |batch| Ok(Guesses::of_batch(model, &batch, self.most_frequent).numbers());
        Ok(Guesses::of_numbers(sums(peers, batches, of_batch)?))
    }

    /// Loss and accuracy on the whole validation text.
    fn validate(
        &self,
        model: &F::Model,
        peers: &dyn Collective,
        validation: &ExampleBatcher<MaskedSentences>,
    ) -> Result<Validation> {
        let guesses = self.judge(model, peers, validation)?;
        let mut scores = vec![("masked-accuracy".to_owned(), guesses.accuracy())];
        scores.extend(guesses.pair_accuracy().map(|accuracy| ("next-sentence-accuracy".to_owned(), accuracy)));
        Ok(Validation { nll_nats: guesses.nll_nats(), scores, quality: None })
    }

    /// Guesses for a word of some validation sentences.
    fn show_samples(&self, model: F::Model, log: &dyn Log) -> Result<()> {
        let Some(validation) = &self.validation else { return Ok(()) };
        let corpus = validation.set().corpus();
        let sentences = corpus.sentences().collect::<Vec<_>>();
        let encoder = TextEncoder::new(model, &self.config, self.tokenizer.clone())?;
        say!(log, "");
        for ids in sentences.iter().step_by((sentences.len() / N_SAMPLES).max(1)).take(N_SAMPLES) {
            let text = self.tokenizer.decode(ids)?;
            let (masked, hidden) = example::masked(&text, |word| encoder_text::masks(&self.config, word));
            let Ok(filled) = encoder.fill(&masked, N_CANDIDATES) else { continue };
            print_guesses(log, &masked, hidden, &filled);
        }
        say!(log, "");
        Ok(())
    }
}

impl Guesses {
    fn of_batch(model: &impl EncoderModel, batch: &MaskedBatch, most_frequent: TokenId) -> Self {
        let mut guesses = Self::default();
        let encoding = model.encode(&batch.ids, &batch.segments, None);
        if let (Some(follows), Some(scores)) = (&batch.follows, model.next_sentence_scores(&encoding)) {
            let scores = values(scores);
            let is_right = |(&follows, scores): (&bool, &[f32])| follows == (scores[0] >= scores[1]);
            guesses.n_pairs = follows.len();
            guesses.n_pairs_right = follows.iter().zip(scores.chunks(2)).filter(|&pair| is_right(pair)).count();
        }
        if batch.targets.is_empty() {
            return guesses;
        }
        let Some(scores) = model.token_scores(model.vectors_of_hidden(&encoding, batch.into(), None)) else {
            return guesses;
        };
        let logits = scores.logits();
        let [_, n_classes] = logits.dims();
        let log_p = values(log_softmax(logits, 1));
        for (&target, log_p) in batch.targets.iter().zip(log_p.chunks(n_classes)) {
            let target_log_p = log_p[model.class_of(target) as usize];
            guesses.nll_sum -= f64::from(target_log_p);
            guesses.n_tokens += 1;
            guesses.n_right += usize::from(log_p.iter().all(|&other| other <= target_log_p));
            guesses.n_most_frequent += usize::from(target == most_frequent);
        }
        guesses
    }

    /// What is added up over batches.
    fn numbers(&self) -> [f64; 6] {
        let Self { nll_sum, n_tokens, n_right, n_most_frequent, n_pairs, n_pairs_right } = *self;
        let [a, b, c, d, e] = [n_tokens, n_right, n_most_frequent, n_pairs, n_pairs_right].map(|n| n as f64);
        [nll_sum, a, b, c, d, e]
    }

    fn of_numbers([nll_sum, counts @ ..]: [f64; 6]) -> Self {
        let [n_tokens, n_right, n_most_frequent, n_pairs, n_pairs_right] = counts.map(|n| n as usize);
        Self { nll_sum, n_tokens, n_right, n_most_frequent, n_pairs, n_pairs_right }
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

impl<F: EncoderSpec + Into<ModelConfig>> Task for MaskedLm<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = MaskedBatch;
    type Objective = MaskedLmObjective;

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

    fn objective(&self) -> MaskedLmObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = MaskedBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| self.validate(model, peers, validation).map_err(Into::into)))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        if let Some(validation) = &self.validation {
            let guesses = self.judge(&model, peers, validation)?;
            let frequent = match self.config.subwords().get(self.most_frequent as usize) {
                Some(subword) => subword.into(),
                None => self.tokenizer.token(self.most_frequent).unwrap_or_default(),
            };
            say!(
                log,
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
                say!(
                    log,
                    "           {:.1} % of {} pairs rightly said to follow one another or not",
                    100.0 * accuracy,
                    thousands(guesses.n_pairs as u64)
                );
                record("next-sentence-accuracy", accuracy);
            }
        }
        if peers.rank() == 0 {
            self.show_samples(model, log)?;
        }
        Ok(scores)
    }

    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        self.texts.records(log)
    }

    fn example(&self, model: &str) -> String {
        let line = example::first_line(self.texts.train.texts());
        let sentence = example::sentence(&*self.tokenizer, &line, self.config.max_len());
        let (masked, _) = example::masked(sentence, |word| encoder_text::masks(&self.config, word));
        format!("fill --model {model} {}", example::argument(&masked))
    }
}

impl<F: EncoderSpec + Into<ModelConfig>> Unlabelled for MaskedLm<F> {
    fn view(model: &F::Model) -> Option<&dyn LayeredEncoder<MaskedBatch>> {
        model.layered()
    }

    fn held_out(&self) -> Option<impl Epochs<Batch = MaskedBatch, Error: Into<Error>>> {
        self.validation.as_ref()
    }
}

/// The token that is hidden most often; the lowest of several.
fn most_frequent(spec: &impl EncoderSpec, text: &SentenceCorpus) -> Option<TokenId> {
    let counts = match spec.subwords() {
        [] => text.counts(),
        list => {
            let subwords = Subwords::new(list);
            let mut counts = BTreeMap::new();
            text.sentences().flat_map(|ids| subwords.of_text(ids)).for_each(|id| *counts.entry(id).or_default() += 1);
            counts
        }
    };
    let is_hidden = |id| !spec.subwords().is_empty() || encoder_text::is_hidden(spec, id);
    let counts = counts.into_iter().filter(|&(id, _)| is_hidden(id));
    counts.max_by_key(|&(id, count)| (count, std::cmp::Reverse(id))).map(|(id, _)| id)
}

impl<F: EncoderSpec + Into<ModelConfig>> Resizable for MaskedLm<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
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

pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32")
}

/// A sample's text, what is hidden in it, and the best guesses for that.
pub(super) fn print_guesses(log: &dyn Log, masked: &str, hidden: &str, filled: &[Vec<Candidate>]) {
    say!(log, "{masked}  ({hidden})");
    for Candidate { text, probability } in filled.iter().flatten() {
        say!(log, "  {:5.1} %  {text}", 100.0 * probability);
    }
}

pub(super) fn share(n: usize, of: usize) -> f64 {
    n as f64 / of.max(1) as f64
}
