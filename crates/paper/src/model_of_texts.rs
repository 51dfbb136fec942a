//! A model of texts, by its folder.

use std::path::PathBuf;

use attentive_bundle::{Bundle, Stored};
use attentive_task::{Result, resolve};

use crate::between;

/// A model of texts, by its folder, and the languages that it is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelOfTexts {
    /// The model's folder.
    pub model: PathBuf,
    /// The language of sources, for models that are told it; by default the model's.
    pub source_language: Option<String>,
    /// The language of translations, for the same models.
    pub target_language: Option<String>,
}

impl ModelOfTexts {
    /// The model, whose parameters stay in their file.
    pub(crate) fn open(&self) -> Result<Bundle<Stored>> {
        self.told(Bundle::open(resolve(&self.model))?)
    }

    /// The model in memory.
    pub(crate) fn read(&self) -> Result<Bundle> {
        self.told(Bundle::read(resolve(&self.model))?)
    }

    fn told<P>(&self, mut bundle: Bundle<P>) -> Result<Bundle<P>> {
        bundle.processor = between(bundle.processor, self.source_language.as_deref(), self.target_language.as_deref())?;
        Ok(bundle)
    }
}
