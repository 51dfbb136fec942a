//! Models by name, and which of them a task trains.

use attentive_model::{ModelConfig, Preset, Role};

use super::{Problem, nearest};
use crate::{Error, Result};

/// What a task trains, and the preset of it that a recipe begins from if it names none.
fn trained_by(task: &str) -> (Role, &'static str) {
    match task {
        "causal-lm" => (Role::LanguageModel, "gpt-2"),
        "masked-lm" | "classification" => (Role::Encoder, "bert-base"),
        "speech-recognition" => (Role::SpeechRecognizer, "whisper-tiny"),
        "image-classification" => (Role::ImageEncoder, "vit-ti-16"),
        "span-corruption" => (Role::EncoderDecoder, "byt5-small"),
        "trajectories" => (Role::Policy, "decision-transformer"),
        _ => (Role::EncoderDecoder, "base"),
    }
}

/// The models that a task trains and that have a name; the first is the one that a recipe without a name begins from.
pub fn presets_of_task(task: &str) -> Vec<Preset<ModelConfig>> {
    let (role, first) = trained_by(task);
    let mut presets = ModelConfig::presets();
    presets.retain(|preset| preset.config.role() == role);
    presets.sort_by_key(|preset| preset.name != first);
    presets
}

/// The model of a preset's name, of any family, over its published vocabulary.
///
/// # Errors
/// The name is not known: the names that are.
pub fn preset(name: &str) -> Result<ModelConfig> {
    find_preset(name, &ModelConfig::presets()).map_err(Error::Refused)
}

/// The model of a preset's name among `presets`.
///
/// # Errors
/// What to write instead.
pub fn find_preset(name: &str, presets: &[Preset<ModelConfig>]) -> Result<ModelConfig, String> {
    if let Some(preset) = presets.iter().find(|preset| preset.name == name) {
        return Ok(preset.config.clone());
    }
    let names: Vec<&str> = presets.iter().map(|preset| preset.name).collect();
    let hint = nearest(name, &names).map_or_else(String::new, |nearest| format!(" did you mean `{nearest}`?"));
    Err(format!("{name:?} is not a preset;{hint} there are: {}", names.join(", ")))
}

/// Refuses a model that `task` can't train.
pub(super) fn require_role(role: Role, model: &ModelConfig, task: &str) -> Result<(), Problem> {
    if model.role() == role {
        return Ok(());
    }
    let families = role.families().join(", ");
    let text = format!("{task} trains {role} ({families}), and {} is {}", model.family(), model.role());
    Err(Problem::at("model.family", text))
}
