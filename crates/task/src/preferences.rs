//! Pairs of answers, by which a language model learns what is preferred.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_backend::{Device, Objective};
use attentive_bundle::{ChatTemplate, DataRecord, Processor, ScoreRecord};
use attentive_collective::Collective;
use attentive_core::{Batch, BatchStream, Endless, PreferenceBatch};
use attentive_data::{DataError, Epochs, ExampleBatcher, ExampleEpoch, PreferenceRows};
use attentive_model::{LanguageModelSpec, ModelConfig, PreferenceObjective, answer_log_probs};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::{HostTensor, Tensors};
use burn::module::Module;

use crate::{
    Context, Error, Log, Resizable, Result, Start, Task,
    config::{CausalLmRecipe, Problem, RunRecipe},
    conversations::{no_template, template},
    example, initial,
    preference_lines::{Encoder, Pairs},
    shared::of_batches,
    thousands, tokens,
};

/// The file of a run's log-probabilities of answers under the model that it began from.
const REFERENCE: &str = "reference.safetensors";

/// Pairs of answers, and a language model that learns to prefer the chosen ones (Rafailov et al. 2023, DPO).
///
/// The reference is the model that training begins from, without an adapter: its log-probabilities of all answers are taken
/// once, before the first update, and kept in the run's folder, so that there is no second model.
pub struct Preferences<F> {
    config: F,
    objective: PreferenceObjective,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    chat: Option<ChatTemplate>,
    train: Part,
    validation: Option<Part>,
    records: Vec<DataRecord>,
    /// A prompt, and whether it is a message.
    prompt: (String, bool),
}

debug_by_config!(Preferences);

/// A part of the data.
struct Part {
    name: &'static str,
    pairs: ExampleBatcher<PreferenceRows>,
    /// Log-probabilities of the chosen and the rejected answer of each pair under the reference, when they are known.
    reference: OnceCell<Vec<[f32; 2]>>,
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Preferences<F> {
    /// Reads the pairs of a recipe.
    ///
    /// # Errors
    /// A file can't be read, a line is not a pair, or messages are given and the model has no chat template, or one that refuses
    /// them; file and line are told.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut CausalLmRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let Some(dpo) = recipe.objective.dpo().copied() else { refuse!("objective.kind: pairs are learnt by \"dpo\"") };
        if start.pretrained.is_none() && start.tokenizer.is_none() {
            let text = "dpo compares with a model that was trained before: set pretrained";
            return Err(Problem::at("objective.kind", text).into());
        }
        // It is the model's, or the run's.
        let none = || Err(Error::Refused("preferences are learnt by a model that has a tokenizer".into()));
        let tokenizer = start.tokenizer(&mut config, none)?;
        recipe.model = config.clone().into();
        let chat = template(&start)?;
        let without = no_template(&start).to_string();
        let context = recipe.batch.context;
        let encoder = Encoder {
            tokenizer: &*tokenizer,
            template: chat.as_ref().ok_or(&*without),
            generation: &recipe.generation,
            context,
        };
        let read = |name: &str, paths: &[PathBuf]| Pairs::read(name, paths, &encoder, log);
        let (train, validation) = match &recipe.preferences {
            Some(files) => {
                let validation = files.validation.as_ref();
                let validation = validation.map(|files| read("validation", files.paths())).transpose()?;
                (read("train", files.train.paths())?, validation)
            }
            None => {
                let [train, validation] = Pairs::builtin(&encoder);
                (train, Some(validation))
            }
        };
        let ids = train.rows.iter().flatten().flat_map(|(ids, _)| ids.iter().copied());
        tokens::warn_of_unknown(log, &*tokenizer, ids);
        if validation.is_none() {
            say!(log, "no preferences.validation: training runs without validation");
        }
        let mut records = train.records.clone();
        records.extend(validation.iter().flat_map(|pairs| pairs.records.clone()));
        let prompt = train.prompt.clone().unwrap_or_default();
        let kept = start.tokenizer.and_then(Path::parent).map(|run| run.join(REFERENCE));
        let pad = tokenizer.specials().pad.unwrap_or_default();
        let part = |name, pairs: Pairs| {
            let rows = recipe.batch.rows.or(1);
            let part = Part::new(name, pairs, pad, (rows, context, run.training.seed), log)?;
            if let Some(path) = &kept {
                part.restore(path)?;
            }
            Ok::<_, Error>(part)
        };
        Ok(Self {
            train: part("train", train)?,
            validation: validation.map(|pairs| part("validation", pairs)).transpose()?,
            config,
            objective: dpo.objective(),
            tokenizer,
            pretrained: start.pretrained.map(|bundle| bundle.params),
            chat,
            records,
            prompt,
        })
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        [&self.train].into_iter().chain(&self.validation)
    }

    /// The mean loss of validation pairs, and what is told beside it.
    fn judge(&self, model: &F::Model, peers: &dyn Collective, validation: &Part) -> Result<(f64, Vec<(String, f64)>)> {
        let told = of_batches(peers, &validation.referred(), |batch| {
            let (loss, tally) = self.objective.loss_and_tally(model, &batch, None);
            let tally = tally.into_iter().map(|(name, sum)| (name.to_owned(), sum.to_bits()));
            let sum = f64::from(loss.sum.into_scalar::<f32>());
            Ok((sum.to_bits(), loss.n_targets, tally.collect::<Vec<(String, u64)>>()))
        })?;
        let (mut sum, mut n_pairs, mut tally) = (0.0, 0, BTreeMap::new());
        for (of_batch, n_targets, tally_of_batch) in told {
            sum += f64::from_bits(of_batch);
            n_pairs += n_targets;
            for (name, sum) in tally_of_batch {
                *tally.entry(name).or_insert(0.0) += f64::from_bits(sum);
            }
        }
        let n = n_pairs.max(1) as f64;
        Ok((sum / n, tally.into_iter().map(|(name, sum)| (name, sum / n)).collect()))
    }
}

impl Part {
    fn new(
        name: &'static str,
        pairs: Pairs,
        pad: u32,
        (rows, context, seed): (usize, usize, u64),
        log: &dyn Log,
    ) -> Result<Self> {
        pairs.warn(name, context, log);
        if pairs.rows.is_empty() {
            refuse!("preferences.{name}: {}", pairs.why_none(context));
        }
        let set = PreferenceRows::new(pairs.rows, pad);
        let [chosen, rejected] = set.n_tokens().map(|n| thousands(n as u64));
        let n_pairs = thousands(set.len() as u64);
        say!(log, "data      {n_pairs} {name} pairs, {chosen} tokens of chosen and {rejected} of rejected answers");
        Ok(Self { name, pairs: ExampleBatcher::new(set, rows, seed)?, reference: OnceCell::new() })
    }

    /// Takes the log-probabilities that a run kept.
    fn restore(&self, path: &Path) -> Result<()> {
        let mut kept = attentive_weights::read(path)?;
        let values = kept.remove(self.name).map(|kept| kept.values).unwrap_or_default();
        let (pairs, _) = values.as_chunks::<2>();
        if pairs.len() != self.pairs.set().len() {
            refuse!(
                "{} has the reference of {} {} pairs, and there are {}: begin a new run",
                path.display(),
                pairs.len(),
                self.name,
                self.pairs.set().len()
            );
        }
        let _ = self.reference.set(pairs.to_vec());
        Ok(())
    }

    /// Batches with their reference; it is 0 before it is known.
    fn referred(&self) -> Referred<'_> {
        Referred { pairs: &self.pairs, reference: self.reference.get().map_or(&[], Vec::as_slice) }
    }
}

/// Batches of pairs with the log-probabilities of their reference.
struct Referred<'a> {
    pairs: &'a ExampleBatcher<PreferenceRows>,
    reference: &'a [[f32; 2]],
}

impl Epochs for Referred<'_> {
    type Batch = PreferenceBatch;
    type Order = ExampleEpoch<()>;
    type Error = DataError;

    fn lay_out(&self, epoch: u64) -> Result<Self::Order, DataError> {
        self.pairs.lay_out(epoch)
    }

    fn len(&self, order: &Self::Order) -> u64 {
        self.pairs.len(order)
    }

    fn batch(&self, order: &Self::Order, batch_idx: u64) -> Result<PreferenceBatch, DataError> {
        let mut batch = self.pairs.batch(order, batch_idx)?;
        let n_pairs = batch.n_rows();
        for (row, value) in batch.reference.iter_mut().enumerate() {
            let pair = batch.sequences.indices[row] as usize;
            *value = self.reference.get(pair).map_or(0.0, |pair| pair[row / n_pairs]);
        }
        Ok(batch)
    }
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Task for Preferences<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = PreferenceBatch;
    type Objective = PreferenceObjective;

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

    /// Takes the reference's log-probabilities of all answers, unless the run has them from before.
    fn refer_to(&self, model: &F::Model, log: &dyn Log) -> Result<()> {
        let model = model.valid();
        for part in self.parts().filter(|part| part.reference.get().is_none()) {
            say!(log, "reference {} pairs of {}", thousands(part.pairs.set().len() as u64), part.name);
            let mut reference = vec![[0.0; 2]; part.pairs.set().len()];
            for batch in part.pairs.epoch(0) {
                let sequences = batch?.sequences;
                let log_probs = answer_log_probs(&model, &sequences, None);
                let log_probs: Vec<f32> =
                    log_probs.try_into_vec_as().map_err(attentive_core::DeviceError::new).context("the reference")?;
                let n_pairs = log_probs.len() / 2;
                for (row, (&pair, &log_prob)) in sequences.indices.iter().zip(&log_probs).enumerate() {
                    reference[pair as usize][row / n_pairs] = log_prob;
                }
            }
            let _ = part.reference.set(reference);
        }
        Ok(())
    }

    fn write_beside(&self, run: &Path) -> Result<()> {
        let tensor = |part: &Part| {
            let values = part.reference.get()?.as_flattened().to_vec();
            Some((part.name.to_owned(), HostTensor { shape: vec![values.len() / 2, 2], values }))
        };
        let tensors: Tensors = self.parts().filter_map(tensor).collect();
        Ok(attentive_weights::write(&run.join(REFERENCE), &tensors, &BTreeMap::new())?)
    }

    fn objective(&self) -> PreferenceObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = PreferenceBatch> + '_> {
        Box::new(Endless::new(self.train.referred()))
    }

    /// Loss, rewards, margin and accuracy on all validation pairs.
    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| {
            let (nll_nats, scores) = self.judge(model, peers, validation)?;
            Ok(Validation { nll_nats, scores, quality: None })
        }))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let Some(validation) = &self.validation else { return Ok(Vec::new()) };
        let (loss, scores) = self.judge(&model, peers, validation)?;
        let shown: String = scores.iter().map(|(name, value)| format!(", {name} {value:.3}")).collect();
        let n_pairs = thousands(validation.pairs.set().len() as u64);
        say!(log, "validation loss {loss:.4}{shown}, on {n_pairs} pairs");
        let scores = [("loss".to_owned(), loss)].into_iter().chain(scores);
        Ok(scores.map(|(metric, value)| ScoreRecord::new("validation", &metric, value, "")).collect())
    }

    fn data_records(&self, _log: &dyn Log) -> Result<Vec<DataRecord>> {
        Ok(self.records.clone())
    }

    fn example(&self, model: &str) -> String {
        let (prompt, is_message) = &self.prompt;
        let (command, option) = if *is_message { ("chat", "--prompt ") } else { ("generate", "") };
        format!("{command} --model {model} {option}{}", example::argument(prompt))
    }
}

impl<F: LanguageModelSpec + Into<ModelConfig>> Resizable for Preferences<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        for part in [&mut self.train].into_iter().chain(&mut self.validation) {
            part.pairs = part.pairs.with_rows(rows);
        }
        Ok(())
    }

    fn largest_batches(&self) -> Vec<PreferenceBatch> {
        let set = self.train.pairs.set();
        let row = || (vec![0; set.longest()], vec![true; set.longest()]);
        let n_pairs = self.train.pairs.rows().min(set.len());
        let rows = PreferenceRows::new((0..n_pairs).map(|_| [row(), row()]).collect(), 0);
        let batches = ExampleBatcher::new(rows, n_pairs.max(1), 0).ok().into_iter();
        batches.flat_map(|batches| batches.epoch(0).filter_map(Result::ok).collect::<Vec<_>>()).collect()
    }
}
