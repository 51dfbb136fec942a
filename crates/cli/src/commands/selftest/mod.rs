//! `attentive selftest`: laws that hold for every model, tried on one.

mod encoder;
mod generator;
mod law;
mod subject;
mod translator;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use attentive_backend::Device;
use attentive_bundle::{Bundle, ModelConfig};
use attentive_model::ConfigError;
use attentive_weights::Tensors;
use burn::module::Module;
use clap::Args;

use super::BackendArgs;
use crate::{
    commands::train::EncoderFamily,
    recipe::{Recipe, TaskRecipe},
    run_dir,
};
use law::Law;
use subject::Subject;

/// Entries of the vocabulary of a model that is not trained yet: no law depends on it.
const VOCAB_SIZE: usize = 97;

/// Try on a model what must hold for every one: what its tokens see, padding, caches, gradients.
///
/// The model is a trained one's folder, or that of a recipe with initial parameters.
#[derive(Debug, Args)]
pub(crate) struct Selftest {
    /// A recipe, TOML: its model is tried as it would begin; no data is read.
    #[arg(conflicts_with = "model")]
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", requires = "recipe")]
    set: Vec<String>,
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Selftest {
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.backend.device()?;
        let patient = match &self.recipe {
            Some(recipe) => Patient::of_recipe(recipe, &self.set)?,
            None => Patient::of_bundle(&run_dir::resolve(&self.model))?,
        };
        let laws = patient.laws(&device)?;
        laws.iter().for_each(|law| println!("{law}"));
        Ok(if laws.iter().all(Law::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A model's configuration, and its parameters if it has been trained.
struct Patient {
    model: ModelConfig,
    params: Option<Tensors>,
}

impl Patient {
    fn of_bundle(path: &Path) -> Result<Self> {
        let Bundle { model, params, .. } = Bundle::read(path)?;
        Ok(Self { model, params: Some(params) })
    }

    fn of_recipe(path: &Path, settings: &[String]) -> Result<Self> {
        let Recipe { task, .. } = Recipe::load(Some(path), settings)?;
        let mut model = task.model().clone();
        let is_classifier = matches!(task, TaskRecipe::Classification(_));
        let labels = || vec!["a".to_owned(), "b".to_owned()];
        match &mut model {
            ModelConfig::Transformer(config) => {
                (config.source_vocab_size, config.target_vocab_size) = (VOCAB_SIZE, VOCAB_SIZE);
            }
            ModelConfig::Rnn(config) => {
                (config.source_vocab_size, config.target_vocab_size) = (VOCAB_SIZE, VOCAB_SIZE);
            }
            ModelConfig::Gpt(config) => config.vocab_size = VOCAB_SIZE,
            ModelConfig::Bert(config) => {
                config.vocab_size = VOCAB_SIZE;
                if is_classifier {
                    config.set_labels(labels());
                }
            }
            ModelConfig::Canine(config) => {
                if config.alphabet.is_empty() {
                    config.alphabet = ('a'..='z').collect();
                }
                if is_classifier {
                    config.set_labels(labels());
                }
            }
        }
        Ok(Self { model, params: None })
    }

    /// Tries every law of the model's family.
    fn laws(&self, device: &Device) -> Result<Vec<Law>> {
        match &self.model {
            ModelConfig::Transformer(config) => {
                let vocab_size = config.target_vocab_size.min(config.source_vocab_size);
                let make = |device: &Device| self.load(config.init(device, 0));
                Subject::new(device, vocab_size, config.positions.max_len(), make)?.translator_laws()
            }
            ModelConfig::Rnn(config) => {
                let vocab_size = config.target_vocab_size.min(config.source_vocab_size);
                Subject::new(device, vocab_size, None, |device| self.load(config.init(device, 0)))?.translator_laws()
            }
            ModelConfig::Gpt(config) => {
                let make = |device: &Device| self.load(config.init(device, 0));
                Subject::new(device, config.vocab_size, config.positions.max_len(), make)?.generator_laws()
            }
            ModelConfig::Bert(config) => {
                let make = |device: &Device| self.load(config.init(device, 0));
                Subject::new(device, config.vocab_size, config.max_len(), make)?.encoder_laws()
            }
            ModelConfig::Canine(config) => {
                let make = |device: &Device| self.load(config.init(device, 0));
                Subject::new(device, VOCAB_SIZE, Some(config.max_len), make)?.encoder_laws()
            }
        }
    }

    fn load<M: Module>(&self, model: Result<M, ConfigError>) -> Result<M> {
        match &self.params {
            Some(params) => Ok(attentive_weights::load(model?, params.clone())?),
            None => Ok(model?),
        }
    }
}
