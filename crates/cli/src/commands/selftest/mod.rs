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

use anyhow::{Result, bail};
use attentive_backend::Device;
use attentive_bundle::Bundle;
use attentive_model::{
    EncoderDecoderSpec, EncoderSpec, FamilyVisitor, LanguageModelSpec, ModelConfig, ModelSpec, Role,
    canine::N_CODE_POINTS,
};
use attentive_weights::Tensors;
use clap::Args;

use super::BackendArgs;
use crate::{
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
        let is_classifier = matches!(task, TaskRecipe::Classification(_));
        Ok(Self { model: task.model().visit(Small { is_classifier })?, params: None })
    }

    /// Tries every law of the model's role.
    fn laws(&self, device: &Device) -> Result<Vec<Law>> {
        self.model.visit(Trying { params: self.params.as_ref(), device })
    }
}

/// A model that is not trained yet, with a vocabulary, and with classes and an alphabet where it has them.
struct Small {
    is_classifier: bool,
}

impl FamilyVisitor for Small {
    type Output = Result<ModelConfig>;

    fn any<C: ModelSpec + Into<ModelConfig>>(self, spec: &C, _role: Role) -> Self::Output {
        let mut spec = spec.clone();
        spec.set_vocab_size(VOCAB_SIZE)?;
        Ok(spec.into())
    }

    fn encoder<C: EncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let mut spec = spec.clone();
        if !spec.reads_characters() {
            spec.set_vocab_size(VOCAB_SIZE)?;
        }
        if let Some(alphabet) = spec.alphabet_mut().filter(|alphabet| alphabet.is_empty()) {
            *alphabet = ('a'..='z').collect();
        }
        if self.is_classifier {
            spec.set_labels(vec!["a".to_owned(), "b".to_owned()]);
        }
        Ok(spec.into())
    }
}

/// The laws of a model's role, tried on it.
struct Trying<'a> {
    params: Option<&'a Tensors>,
    device: &'a Device,
}

impl Trying<'_> {
    fn subject<C: ModelSpec>(&self, spec: &C) -> Result<Subject<C::Model>> {
        // Where every code point is a token, low ones will do.
        let vocab_size = spec.vocab_size().min(spec.source_vocab_size());
        let vocab_size = if vocab_size == N_CODE_POINTS { VOCAB_SIZE } else { vocab_size };
        Subject::new(self.device, vocab_size, spec.max_len(), |device| match self.params {
            Some(params) => Ok(attentive_weights::load(spec.blank(device)?, params.clone())?),
            None => Ok(spec.init(device, 0)?),
        })
    }
}

impl FamilyVisitor for Trying<'_> {
    type Output = Result<Vec<Law>>;

    fn any<C: ModelSpec>(self, _spec: &C, role: Role) -> Self::Output {
        bail!("there are no laws of {role} yet")
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.translator_laws()
    }

    fn language_model<C: LanguageModelSpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.generator_laws()
    }

    fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.encoder_laws()
    }
}
