//! Language modelling with GPT.

use std::{ops::ControlFlow, sync::Arc};

use attentive_backend::Device;
use attentive_bundle::{ChatTemplate, DataRecord, GenerationConfig, Generator, Processor, ScoreRecord};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Endless, SequenceBatch};
use attentive_data::{ContextBatcher, ContextOrder, DataError, Epochs, TokenStream};
use attentive_metrics::{BitsPerByte, Likelihood, Metric};
use attentive_model::{CausalLmObjective, CausalModel, LanguageModelSpec, ModelConfig};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;

use crate::{
    Error, Log, Resizable, Result, Start, Task, Texts,
    config::{CausalLmRecipe, ContextSource, RunRecipe},
    example, initial,
    score::{mean_nats, nll},
    thousands, tokens,
};

/// Tokens of the validation text that are decoded at a time to count their bytes.
const TOKENS_AT_ONCE: u64 = 1 << 16;

/// A text, and a GPT that learns to continue it.
pub struct CausalLm<F> {
    config: F,
    objective: CausalLmObjective,
    generation: GenerationConfig,
    n_samples: usize,
    context: usize,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    chat: Option<ChatTemplate>,
    train: ContextBatcher,
    validation: Option<ContextBatcher>,
    texts: Texts,
}

debug_by_config!(CausalLm);

impl<F: LanguageModelSpec + Into<ModelConfig>> CausalLm<F> {
    /// Reads the text of a recipe, whose vocabulary size it fills in; from nothing, a tokenizer is read or
    /// learnt as the recipe says.
    ///
    /// # Errors
    /// Text or tokenizer can't be read, learned from or made batches of, or the model can't take the vocabulary.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut CausalLmRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let texts = Texts::open(&recipe.data)?;
        let tokenizer =
            start.tokenizer(&mut config, || recipe.tokenizer.read_or_train(false, texts.train.texts(), log))?;
        recipe.model = config.clone().into();
        tokens::warn_of_unknown_in(log, &*tokenizer, texts.train.texts());

        let cache = start.cache.filter(|_| recipe.data.cache);
        let (text, held_out) =
            texts.read(|source| source.encode(&*tokenizer, cache, log), |text, at| text.split(at), log)?;
        say!(log, "data      {} training tokens", thousands(text.len()));
        say!(log, "tokens    {} entries in the vocabulary", thousands(tokenizer.vocab_size() as u64));
        let (batch, seed) = (recipe.batch, run.training.seed);
        let n_rows = batch.rows.or(1);
        let order = match batch.contexts {
            ContextSource::Packed => ContextOrder::Shuffled { seed },
            ContextSource::Random => ContextOrder::RandomOffsets { seed },
        };
        let batcher = |stream: TokenStream, order, part| {
            ContextBatcher::new(stream, batch.context, n_rows, order).map_err(|error| Error::from(error).of_part(part))
        };
        let train_batches = batcher(text, order, "train")?;
        say!(
            log,
            "batches   {} of {} × {} tokens in an epoch",
            thousands(train_batches.n_batches() as u64),
            n_rows,
            batch.context
        );
        let (pretrained, chat) = start.pretrained.map(|bundle| (bundle.params, bundle.chat)).unzip();
        Ok(Self {
            config,
            objective: recipe.objective.next_token(),
            generation: recipe.generation.clone(),
            n_samples: recipe.evaluation.samples,
            context: batch.context,
            tokenizer,
            pretrained,
            chat: chat.flatten(),
            train: train_batches,
            validation: held_out
                .map(|stream| batcher(stream, ContextOrder::Sequential, texts.validation_key()))
                .transpose()?,
            texts,
        })
    }

    /// Tokens of the training text.
    pub fn n_training_tokens(&self) -> u64 {
        self.train.stream().len()
    }

    /// What `model` writes from nothing, or after a line break where it can't.
    fn show_samples(&self, model: F::Model, log: &dyn Log) -> Result<()> {
        let generator = Generator::new(model, self.tokenizer.clone());
        for seed in 0..self.n_samples as u64 {
            let mut config = self.generation.clone();
            config.sampling.seed = config.sampling.seed.wrapping_add(seed);
            let prompt = if generator.can_begin() { "" } else { "\n" };
            let mut text = String::new();
            generator.generate(prompt, &config, |piece| {
                text += piece;
                ControlFlow::Continue(())
            })?;
            say!(log, "\n--- sample {} ---\n{}", seed + 1, text.trim_end());
        }
        say!(log, "");
        Ok(())
    }
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Task for CausalLm<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = SequenceBatch;
    type Objective = CausalLmObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn chat(&self) -> Option<&ChatTemplate> {
        self.chat.as_ref()
    }

    fn processor(&self) -> Processor {
        self.tokenizer.clone().into()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> CausalLmObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = SequenceBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    /// Loss on the whole validation text, in contexts one after another.
    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| {
            let nll_nats = mean_nll(peers, model, validation)?;
            Ok(Validation { nll_nats, scores: Vec::new(), quality: None })
        }))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        if let Some(validation) = &self.validation {
            let nll_nats = mean_nll(peers, &model, validation)?;
            let n_tokens = validation.stream().len() - 1;
            let n_bytes = n_bytes(validation.stream(), &*self.tokenizer)?;
            let mut bits = BitsPerByte::default();
            bits.add(Likelihood { loss_nats: nll_nats * n_tokens as f64, n_units: n_bytes });
            let bits = bits.value().unwrap_or(f64::NAN);
            say!(
                log,
                "validation {nll_nats:.4} nats a token, perplexity {:.3}, {bits:.4} bits a byte, on {} tokens",
                nll_nats.exp(),
                thousands(n_tokens)
            );
            for (metric, value) in [("nats", nll_nats), ("perplexity", nll_nats.exp()), ("bits-per-byte", bits)] {
                scores.push(ScoreRecord::new("validation", metric, value, ""));
            }
        }
        if self.n_samples > 0 && peers.rank() == 0 {
            self.show_samples(model, log)?;
        }
        Ok(scores)
    }

    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        self.texts.records(log)
    }

    fn example(&self, model: &str) -> String {
        let line = example::first_line(self.texts.train.texts());
        let words: Vec<&str> = example::sentence(&*self.tokenizer, &line, None).split(' ').take(3).collect();
        format!("generate --model {model} {}", example::argument(&words.join(" ")))
    }
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Resizable for CausalLm<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        self.train = self.train.with_rows(rows);
        self.validation = self.validation.as_ref().map(|validation| validation.with_rows(rows));
        Ok(())
    }

    fn largest_batches(&self) -> Vec<SequenceBatch> {
        let rows = self.train.rows().min(self.train.n_contexts());
        vec![SequenceBatch::next_tokens(&vec![vec![0; self.context + 1]; rows], 0, vec![0; rows])]
    }
}

/// Cross-entropy of a text, in nats per token, shared by processes.
pub(crate) fn mean_nll<E>(peers: &dyn Collective, model: &impl CausalModel, batches: &E) -> Result<f64>
where
    E: Epochs<Batch = SequenceBatch, Error = DataError>,
{
    nll(peers, &CausalLmObjective::default(), model, batches).map(mean_nats)
}

/// Bytes of the text after all tokens but the first, which is not scored.
fn n_bytes(stream: &TokenStream, tokenizer: &dyn Tokenizer) -> Result<u64> {
    let mut n_bytes = 0;
    for start in (1..stream.len()).step_by(TOKENS_AT_ONCE as usize) {
        let ids = stream.read(start..(start + TOKENS_AT_ONCE).min(stream.len()))?;
        n_bytes += tokenizer.decode_bytes(&ids)?.len() as u64;
    }
    Ok(n_bytes)
}
