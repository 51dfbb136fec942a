//! Models by name, and which of them a task trains.

use anyhow::{Result, bail};
use attentive_model::{ModelConfig, Preset, Role};

/// The models that have a name and `role`.
fn of_role(role: Role) -> impl Iterator<Item = Preset<ModelConfig>> {
    ModelConfig::presets().into_iter().filter(move |preset| preset.config.role() == role)
}

/// Their names.
pub(super) fn names(role: Role) -> Vec<&'static str> {
    of_role(role).map(|preset| preset.name).collect()
}

/// The model of a preset's name, of any family, over its published vocabulary.
pub(crate) fn preset(name: &str) -> Result<ModelConfig> {
    let Some(model) = ModelConfig::preset(name) else {
        let names: Vec<&str> = ModelConfig::presets().iter().map(|preset| preset.name).collect();
        bail!("{name:?} is no preset; there are: {}", names.join(", "));
    };
    Ok(model)
}

/// The model that a recipe's `[model]` begins from: that of the name, which has to be of `role`; without a name, `default`,
/// or the first of the family.
pub(super) fn begin(
    name: Option<&str>,
    family: Option<&str>,
    role: Role,
    default: &'static str,
) -> Result<ModelConfig> {
    if let Some(name) = name {
        return match of_role(role).find(|preset| preset.name == name) {
            Some(preset) => Ok(preset.config),
            None => bail!("model.preset = {name:?} is no preset; there are: {}", names(role).join(", ")),
        };
    }
    let default = preset(default)?;
    // Sizes of one family are none of another.
    let of_family = |family: &str| ModelConfig::presets().into_iter().find(|preset| preset.config.family() == family);
    match family.filter(|&family| family != default.family()).and_then(of_family) {
        Some(preset) => Ok(preset.config),
        None => Ok(default),
    }
}

/// Refuses a model that `task` can't train.
pub(crate) fn require(role: Role, model: &ModelConfig, task: &str) -> Result<()> {
    if model.role() != role {
        let families = role.families().join(", ");
        bail!("model.family: {task} trains {role} ({families}), and {} is {}", model.family(), model.role());
    }
    Ok(())
}
