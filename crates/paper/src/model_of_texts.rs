//! A model of texts, as a user names it.

use std::path::PathBuf;

use attentive_bundle::{Bundle, SharedParams};
use attentive_task::{Result, open_model, read_model};

use crate::between;

/// A model of texts, and the languages that it is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelOfTexts {
    /// The model's folder, or `DIR+ADAPTER`, as [`open_model`] takes it.
    pub model: PathBuf,
    /// The language of sources, for models that are told it; by default the model's.
    pub source_language: Option<String>,
    /// The language of translations, for the same models.
    pub target_language: Option<String>,
}

impl ModelOfTexts {
    /// The model, whose parameters stay in their file.
    pub(crate) fn open(&self) -> Result<Bundle<SharedParams>> {
        self.told(open_model(&self.model)?)
    }

    /// The model in memory, an adapter merged into it.
    pub(crate) fn read(&self) -> Result<Bundle> {
        self.told(read_model(&self.model)?)
    }

    fn told<P>(&self, mut bundle: Bundle<P>) -> Result<Bundle<P>> {
        bundle.processor = between(bundle.processor, self.source_language.as_deref(), self.target_language.as_deref())?;
        Ok(bundle)
    }
}
