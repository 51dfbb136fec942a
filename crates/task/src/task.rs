//! All that differs between tasks.

use std::path::Path;

use attentive_backend::{Device, Objective};
use attentive_bundle::{ChatTemplate, DataRecord, Processor, ScoreRecord};
use attentive_collective::Collective;
use attentive_core::{Batch, BatchStream};
use attentive_model::ModelSpec;
use attentive_trainer::Evaluate;
use attentive_weights::Tensors;
use burn::module::{Module, ModuleDisplay};

use crate::{Log, Result, start::fine_tuned};

/// Data, model, objective and scores of a run: all that differs between tasks.
///
/// A task is made from its settings, whose vocabulary sizes it fills in, by [`prepare`](crate::prepare). The rest of a run is
/// the same for every task, and `attentive-run`'s.
pub trait Task {
    /// The model that is trained.
    type Model: Module + ModuleDisplay;
    /// The configuration that the model is made from.
    type Spec: ModelSpec;
    /// What it is trained on, a batch at a time.
    type Batch: Batch;
    /// What is minimised.
    type Objective: Objective<Self::Model, Batch = Self::Batch>;

    /// The model's configuration: its width, which the Noam schedule wants, and its sizes in a line.
    fn spec(&self) -> &Self::Spec;

    /// What turns a user's input into what the model reads, and back.
    fn processor(&self) -> Processor;

    /// Parameters of a model that was trained before.
    fn pretrained(&self) -> Option<&Tensors> {
        None
    }

    /// How a conversation is written, if the model was trained for them before.
    fn chat(&self) -> Option<&ChatTemplate> {
        None
    }

    /// A model with initial parameters: those that were trained before, and else drawn ones. [`initial`] makes it where the
    /// configuration says all of it.
    ///
    /// # Errors
    /// Those of the configuration.
    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<Self::Model>;

    /// Takes from the model that training begins from what the objective compares with: a reference's log-probabilities.
    /// Called once, before training and before anything else is called that needs them. Usually nothing.
    ///
    /// # Errors
    /// Those of the data and of the model.
    fn refer_to(&self, _model: &Self::Model, _log: &dyn Log) -> Result<()> {
        Ok(())
    }

    /// Writes what a run that goes on can't take from the model that it began from any more, into the run's folder. Usually
    /// nothing.
    ///
    /// # Errors
    /// A file can't be written.
    fn write_beside(&self, _run: &Path) -> Result<()> {
        Ok(())
    }

    /// What is minimised.
    fn objective(&self) -> Self::Objective;

    /// The training data from its beginning.
    fn batches(&self) -> Box<dyn BatchStream<Batch = Self::Batch> + '_>;

    /// What scores a model while it is trained, which processes share and each of them calls; `None` without validation data.
    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<Self::Model> + 'a>>;

    /// The name of what the evaluator's quality is, with the settings that change it; `None` where there is one measure only.
    fn measure(&self) -> Option<String> {
        None
    }

    /// Scores the finished model on held-out data, which processes share and each of them calls, and shows what it does.
    ///
    /// # Errors
    /// Those of the data and of decoding.
    fn score(&self, model: Self::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>>;

    /// Names, sizes and hashes of the data; warns of what is odd about files.
    ///
    /// # Errors
    /// Those of reading the data.
    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>>;

    /// Arguments of `attentive` that use the finished model, which `--model` names.
    fn example(&self, model: &str) -> String;
}

/// A model with initial parameters, of its configuration alone: those that were trained before, and else drawn ones.
///
/// # Errors
/// Those of the configuration.
pub fn initial<T: Task>(task: &T, device: &Device, seed: u64, log: &dyn Log) -> Result<<T::Spec as ModelSpec>::Model> {
    match task.pretrained() {
        Some(params) => fine_tuned(task.spec(), params, device, seed, log),
        None => Ok(task.spec().init(device, seed)?),
    }
}

/// A task whose batches can be of any size.
pub trait Resizable: Task {
    /// The first size that is tried; it is doubled from there.
    const FIRST: usize;

    /// Cuts the data into batches of another size.
    ///
    /// # Errors
    /// Some example is longer than a batch may be.
    fn with_batch_size(&mut self, size: usize) -> Result<()>;

    /// Batches that take as much memory as any will.
    fn largest_batches(&self) -> Vec<Self::Batch>;
}
