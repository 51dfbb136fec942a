//! Training recipes: TOML files that say all of a run.

mod data;
mod layers;
mod tokenizer;

use std::path::Path;

use anyhow::{Context, Result, bail};
use attentive_bundle::{DecodingConfig, ModelConfig};
use attentive_data::{BatchConfig, CorpusRules};
use attentive_model::{TranslationObjective, table3::table3};
use attentive_optim::{AdamConfig, ScheduleConfig};
use attentive_trainer::TrainerConfig;
use serde::{Deserialize, Serialize};

pub(crate) use data::{DataRecipe, SplitFiles};
pub(crate) use tokenizer::{TokenizerKind, TokenizerRecipe};

/// The recipe of the built-in corpus, which `attentive train` runs without arguments.
const BUILTIN: &str = include_str!("builtin.toml");

/// All of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Name of the run's folder.
    pub name: String,
    /// What is learnt.
    #[serde(default)]
    pub task: TaskKind,
    /// Where the text is; without it, the built-in corpus.
    #[serde(default)]
    pub data: DataRecipe,
    /// What lines may hold.
    #[serde(default)]
    pub rules: CorpusRules,
    /// How text becomes tokens.
    pub tokenizer: TokenizerRecipe,
    /// The model; vocabulary sizes are the tokenizer's.
    pub model: ModelConfig,
    /// How pairs become batches.
    #[serde(default)]
    pub batch: BatchConfig,
    /// What is minimised.
    #[serde(default)]
    pub objective: TranslationObjective,
    /// Adam's settings.
    #[serde(default)]
    pub optimizer: AdamConfig,
    /// Learning rate of each update.
    pub schedule: ScheduleConfig,
    /// The loop.
    pub training: TrainerConfig,
    /// How the model is judged, and which checkpoints make it.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
    /// How the finished model decodes.
    #[serde(default)]
    pub decoding: DecodingConfig,
}

/// What is learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TaskKind {
    /// Sentences of one language into sentences of another.
    #[default]
    Translation,
}

/// How the model is judged, and which checkpoints make it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EvaluationRecipe {
    /// Validation sentences that are translated for BLEU at each validation; 0 for none.
    pub bleu_sentences: usize,
    /// Last checkpoints that are averaged into the finished model.
    pub average_last: usize,
    /// BLEU's tokenizer: `13a` for raw text, `none` for text that is tokenised already.
    pub bleu_tokenizer: String,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { bleu_sentences: 200, average_last: 5, bleu_tokenizer: "13a".into() }
    }
}

impl Recipe {
    /// Reads a recipe, or the built-in one, and lays the `--set key=value` of the command line over it.
    pub(crate) fn load(path: Option<&Path>, settings: &[String]) -> Result<Self> {
        let (mut table, origin) = match path {
            Some(path) => (layers::read(path)?, path.display().to_string()),
            None => (BUILTIN.parse().context("the built-in recipe")?, "the built-in recipe".to_owned()),
        };
        for setting in settings {
            layers::set(&mut table, setting)?;
        }
        expand_model(&mut table).with_context(|| origin.clone())?;
        let recipe: Self = table.try_into().with_context(|| origin.clone())?;
        recipe.validate().with_context(|| origin)?;
        Ok(recipe)
    }

    /// The recipe as TOML, every setting resolved.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe came from TOML")
    }

    fn validate(&self) -> Result<()> {
        let label_smoothing = self.objective.label_smoothing;
        if !(0.0..1.0).contains(&label_smoothing) {
            bail!("objective.label_smoothing = {label_smoothing} must be at least 0 and below 1");
        }
        if self.evaluation.average_last == 0 {
            bail!("evaluation.average_last = 0: the finished model needs one checkpoint at least");
        }
        self.tokenizer.validate(|setting| format!("tokenizer.{setting}"))
    }
}

/// Fills `[model]`: its preset's values beneath its own, and vocabulary sizes that the tokenizer will replace.
fn expand_model(table: &mut toml::Table) -> Result<()> {
    let model = table.entry("model").or_insert_with(|| toml::Table::new().into());
    let Some(model) = model.as_table_mut() else { bail!("`model` must be a table: [model]") };
    let name = match model.remove("preset") {
        None => "base".to_owned(),
        Some(toml::Value::String(name)) => name,
        Some(other) => bail!("model.preset = {other}: expected the name of a preset"),
    };
    let rows = table3(1);
    let Some(row) = rows.iter().find(|row| row.name == name) else {
        let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
        bail!("model.preset = {name:?} is no preset; there are: {}", names.join(", "));
    };
    let preset = toml::Table::try_from(ModelConfig::Transformer(row.config.clone()))?;
    for (key, value) in preset {
        model.entry(key).or_insert(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_recipe_is_whole_and_round_trips() {
        let recipe = Recipe::load(None, &[]).unwrap();
        let text = recipe.to_toml();
        let again: Recipe = toml::from_str(&text).unwrap();
        assert_eq!(again.to_toml(), text);
    }

    #[test]
    fn settings_of_the_command_line_win() {
        let recipe = Recipe::load(None, &["training.steps=7".into(), "name=mine".into()]).unwrap();
        assert_eq!((recipe.training.steps, recipe.name.as_str()), (7, "mine"));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = Recipe::load(None, &["training.setps=7".into()]).unwrap_err();
        assert!(format!("{error:#}").contains("setps"), "{error:#}");
    }

    #[test]
    fn a_preset_gives_what_is_not_said() {
        let recipe = Recipe::load(None, &["model.preset=C d_ff=1024".into()]);
        // `C d_ff=1024` holds a second `=`: only the first one separates key and value.
        assert!(recipe.is_ok(), "{recipe:?}");
        let error = Recipe::load(None, &["model.preset=huge".into()]).unwrap_err();
        assert!(format!("{error:#}").contains("there are: base"), "{error:#}");
    }
}
