//! What a family of models brings to a run.

use anyhow::Result;
use attentive_backend::{Device, Objective};
use attentive_bundle::{DataRecord, ScoreRecord};
use attentive_core::{Batch, BatchStream};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::Evaluate;
use burn::module::Module;

/// Data, model, objective and scores of a run: all that differs between tasks.
///
/// A task is made from a recipe, whose vocabulary sizes it fills in. The rest of a run is [`Session`]'s, the same for
/// every task.
///
/// [`Session`]: super::session::Session
pub(crate) trait Task {
    /// The model that is trained.
    type Model: Module;
    /// What it is trained on, a batch at a time.
    type Batch: Batch;
    /// What is minimised.
    type Objective: Objective<Self::Model, Batch = Self::Batch>;

    /// Text to ids and back.
    fn tokenizer(&self) -> &dyn Tokenizer;

    /// A model with initial parameters.
    fn init(&self, device: &Device, seed: u64) -> Result<Self::Model>;

    /// Width of the model, which the Noam schedule wants.
    fn d_model(&self) -> usize;

    /// The model's sizes in a line.
    fn describe(&self) -> String;

    /// What is minimised.
    fn objective(&self) -> Self::Objective;

    /// The training data from its beginning.
    fn batches(&self) -> Box<dyn BatchStream<Batch = Self::Batch> + '_>;

    /// What scores a model while it is trained; `None` without validation data.
    fn evaluator(&self) -> Option<Box<dyn Evaluate<Self::Model> + '_>>;

    /// Scores the finished model on held-out data, and shows what it does.
    fn score(&self, model: Self::Model) -> Result<Vec<ScoreRecord>>;

    /// Names, sizes and hashes of the data.
    fn data_records(&self) -> Result<Vec<DataRecord>>;

    /// Arguments of `attentive` that use the finished model, which `--model` names.
    fn example(&self, model: &str) -> String;
}
