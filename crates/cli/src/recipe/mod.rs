//! Training recipes: TOML files that say all of a run.

mod causal_lm;
mod classification;
mod data;
mod descriptions;
mod layers;
mod masked_lm;
mod origins;
mod presets;
mod problems;
mod ranges;
mod schema;
mod span_corruption;
mod tokenizer;
mod translation;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use attentive_bundle::DecodingConfig;
use attentive_model::{ModelConfig, Role};
use attentive_optim::{OptimizerConfig, ScheduleConfig};
use attentive_trainer::TrainerConfig;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use layers::Layers;
use origins::Origin;

pub(crate) use causal_lm::{CausalLmRecipe, ContextSource, TextFilesRecipe, TextRecipe};
pub(crate) use classification::{ClassificationRecipe, LabeledFiles, LabeledRecipe};
pub(crate) use data::{DataRecipe, SplitFiles};
pub(crate) use masked_lm::MaskedLmRecipe;
pub(crate) use origins::Origins;
pub(crate) use presets::{preset, require};
pub(crate) use schema::schema;
pub(crate) use span_corruption::SpanCorruptionRecipe;
pub(crate) use tokenizer::{TokenizerKind, TokenizerRecipe};
pub(crate) use translation::TranslationRecipe;

/// The recipe of the built-in corpus, which `attentive train` runs without arguments.
const BUILTIN: &str = include_str!("builtin.toml");

/// The recipe that families of tokenizers are compared by.
const TOKENIZERS: &str = include_str!("tokenizers.toml");

/// All of a run.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// What every run has.
    pub run: RunRecipe,
    /// What is learnt, from what, by which model.
    pub task: TaskRecipe,
    /// Where each setting was made.
    pub origins: Origins,
}

/// What every run has, whatever the task.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunRecipe {
    /// Name of the run's folder.
    pub name: String,
    /// The optimizer; Adam if `kind` is not given.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Learning rate of each update.
    pub schedule: ScheduleConfig,
    /// The loop.
    pub training: TrainerConfig,
}

impl RunRecipe {
    fn validate(&self) -> Result<()> {
        self.optimizer.validate().map_err(|error| anyhow!("optimizer.{error}"))?;
        self.schedule.validate().map_err(|error| anyhow!("schedule.{error}"))?;
        self.training.validate().map_err(|error| anyhow!("training.{error}"))
    }
}

/// The keys of a [`RunRecipe`]; all others are the task's.
const RUN_KEYS: [&str; 4] = ["name", "optimizer", "schedule", "training"];

/// The names of tasks, that of a recipe without one first.
const TASKS: [&str; 5] = ["translation", "causal-lm", "masked-lm", "classification", "span-corruption"];

/// What is learnt, from what, by which model: `task` names it.
#[derive(Debug, Clone)]
pub(crate) enum TaskRecipe {
    /// Sentences of one language into sentences of another.
    Translation(Box<TranslationRecipe>),
    /// The next token of a text.
    CausalLm(Box<CausalLmRecipe>),
    /// Tokens hidden in a text.
    MaskedLm(Box<MaskedLmRecipe>),
    /// The class of a text.
    Classification(Box<ClassificationRecipe>),
    /// Spans hidden in a text.
    SpanCorruption(Box<SpanCorruptionRecipe>),
}

/// The same expression of the recipe of any task.
macro_rules! of_any_task {
    ($task:expr, $recipe:ident => $expression:expr) => {
        match $task {
            TaskRecipe::Translation($recipe) => $expression,
            TaskRecipe::CausalLm($recipe) => $expression,
            TaskRecipe::MaskedLm($recipe) => $expression,
            TaskRecipe::Classification($recipe) => $expression,
            TaskRecipe::SpanCorruption($recipe) => $expression,
        }
    };
}

impl TaskRecipe {
    fn validate(&self) -> Result<()> {
        of_any_task!(self, recipe => recipe.validate())
    }

    /// The task's name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Translation(_) => TASKS[0],
            Self::CausalLm(_) => TASKS[1],
            Self::MaskedLm(_) => TASKS[2],
            Self::Classification(_) => TASKS[3],
            Self::SpanCorruption(_) => TASKS[4],
        }
    }

    /// The model.
    pub(crate) fn model(&self) -> &ModelConfig {
        of_any_task!(self, recipe => &recipe.model)
    }

    /// What says how large batches are.
    pub(crate) fn batch_size(&mut self) -> &mut usize {
        match self {
            Self::Translation(recipe) => &mut recipe.batch.max_tokens,
            Self::CausalLm(recipe) => &mut recipe.batch.rows,
            Self::MaskedLm(recipe) => &mut recipe.batch.rows,
            Self::Classification(recipe) => &mut recipe.batch.rows,
            Self::SpanCorruption(recipe) => &mut recipe.batch.rows,
        }
    }
}

impl Recipe {
    /// Reads a recipe, or the built-in one; over it the environment, and the `--set key=value` of the command line.
    pub(crate) fn load(path: Option<&Path>, settings: &[String]) -> Result<Self> {
        let mut layers = match path {
            Some(path) => Layers::read(path)?,
            None => Layers::parse(BUILTIN, Origin::Builtin).context("the built-in recipe")?,
        };
        layers.set_environment(std::env::vars())?;
        settings.iter().try_for_each(|setting| layers.set(setting))?;
        Self::resolve(layers)
    }

    /// The recipe that families of tokenizers are compared by, and what is changed in it.
    pub(crate) fn tokenizers(settings: &[String]) -> Result<Self> {
        let mut layers = Layers::parse(TOKENIZERS, Origin::Builtin)?;
        settings.iter().try_for_each(|setting| layers.set(setting))?;
        Self::resolve(layers)
    }

    /// Reads the recipe of a run, as it was resolved when the run began.
    pub(crate) fn of_run(path: &Path) -> Result<Self> {
        Self::resolve(Layers::read(path)?)
    }

    fn resolve(layers: Layers) -> Result<Self> {
        let Layers { mut table, mut origins } = layers;
        let mut run: Table = RUN_KEYS.iter().filter_map(|&key| Some((key.to_owned(), table.remove(key)?))).collect();
        if let Some(Value::Table(optimizer)) = run.get_mut("optimizer") {
            optimizer.entry("kind").or_insert_with(|| "adam".into());
        }
        let task = match table.remove("task") {
            None => TASKS[0].to_owned(),
            Some(Value::String(task)) => task,
            Some(other) => bail!("task = {other}: expected a name"),
        };
        spell_out_tokens(&mut table, &mut origins, task == TASKS[0]).map_err(|error| origins.locate(error))?;
        let task = match task.as_str() {
            "translation" => with_model(table, &origins, Role::EncoderDecoder, "base")
                .map(|recipe: TranslationRecipe| TaskRecipe::Translation(Box::new(recipe))),
            "causal-lm" => with_model(table, &origins, Role::LanguageModel, "gpt-2")
                .map(|recipe: CausalLmRecipe| TaskRecipe::CausalLm(Box::new(recipe))),
            "masked-lm" => with_model(table, &origins, Role::Encoder, "bert-base")
                .map(|recipe: MaskedLmRecipe| TaskRecipe::MaskedLm(Box::new(recipe))),
            "classification" => with_model(table, &origins, Role::Encoder, "bert-base")
                .map(|recipe: ClassificationRecipe| TaskRecipe::Classification(Box::new(recipe))),
            "span-corruption" => with_model(table, &origins, Role::EncoderDecoder, "byt5-small")
                .map(|recipe: SpanCorruptionRecipe| TaskRecipe::SpanCorruption(Box::new(recipe))),
            _ => bail!("task = {task:?} is unknown; there are: {}", TASKS.join(", ")),
        };
        // What is wrong with either part is said at once.
        let (run, task) = match (problems::read::<RunRecipe>(&run, &origins, &[]), task) {
            (Ok(run), Ok(task)) => (run, task),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
            (Err(a), Err(b)) => bail!("{a:#}\n{b:#}"),
        };
        run.validate().and_then(|()| task.validate()).map_err(|error| origins.locate(error))?;
        Ok(Self { run, task, origins })
    }

    /// The recipe as TOML, every setting resolved.
    pub(crate) fn to_toml(&self) -> String {
        let table = |recipe: Result<Table, toml::ser::Error>| recipe.expect("a recipe came from TOML");
        let task = table(of_any_task!(&self.task, recipe => Table::try_from(recipe)));
        let mut whole = table(Table::try_from(&self.run));
        whole.insert("task".into(), self.task.name().into());
        whole.extend(task);
        toml::to_string(&whole).expect("a recipe came from TOML")
    }

    /// Last checkpoints that are averaged into the finished model.
    pub(crate) fn average_last(&self) -> usize {
        of_any_task!(&self.task, recipe => recipe.evaluation.average_last)
    }
}

/// A task's recipe, `[model]` filled up with the values of its preset; the tokenizer will replace vocabulary sizes.
fn with_model<R: DeserializeOwned>(
    mut table: Table,
    origins: &Origins,
    role: Role,
    default: &'static str,
) -> Result<R> {
    let model = table.entry("model").or_insert_with(|| Table::new().into());
    let Some(model) = model.as_table_mut() else { bail!("`model` must be a table: [model]") };
    let name = match model.remove("preset") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(other) => bail!("model.preset = {other}: expected the name of a preset"),
    };
    let family = model.get("family").and_then(Value::as_str);
    let preset = presets::begin(name.as_deref(), family, role, default)?;
    for (key, value) in Table::try_from(preset)? {
        model.entry(key).or_insert(value);
    }
    problems::read(&table, origins, &[&RUN_KEYS[..], &["task", "extends"]].concat())
}

/// `batch.tokens`, of any task, as the setting that it has of its own: `max_tokens` of translation, of others `rows` of
/// `context` tokens each.
fn spell_out_tokens(table: &mut Table, origins: &mut Origins, is_translation: bool) -> Result<()> {
    let Some(batch) = table.get_mut("batch").and_then(Value::as_table_mut) else { return Ok(()) };
    let Some(tokens) = batch.remove("tokens") else { return Ok(()) };
    let own = if is_translation { "max_tokens" } else { "rows" };
    if batch.contains_key(own) {
        bail!("batch.tokens and batch.{own} say the same thing; give one");
    }
    let value = match (&tokens, batch.get("context").and_then(Value::as_integer)) {
        (Value::Integer(tokens), Some(context)) if !is_translation && context > 0 => {
            if *tokens < context {
                bail!("batch.tokens = {tokens} is less than a row of batch.context = {context}");
            }
            Value::Integer(tokens / context)
        }
        _ => tokens,
    };
    batch.insert(own.to_owned(), value);
    if let Some(origin) = origins.of("batch.tokens").cloned() {
        origins.insert(format!("batch.{own}"), origin);
    }
    Ok(())
}

fn validate_average_last(average_last: usize) -> Result<()> {
    if average_last == 0 {
        bail!("evaluation.average_last = 0: the finished model needs one checkpoint at least");
    }
    Ok(())
}

/// What can be told of a search before there is a model.
fn validate_decoding(config: &DecodingConfig) -> Result<()> {
    config.validate().map_err(|error| anyhow!("decoding.{error}"))
}

fn validate_label_smoothing(label_smoothing: f64) -> Result<()> {
    if !(0.0..1.0).contains(&label_smoothing) {
        bail!("objective.label_smoothing = {label_smoothing} must be at least 0 and below 1");
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
        let again = Recipe::resolve(Layers::parse(&text, Origin::Builtin).unwrap()).unwrap();
        assert_eq!(again.to_toml(), text);
    }

    #[test]
    fn settings_of_the_command_line_win() {
        let recipe = Recipe::load(None, &["training.steps=7".into(), "name=mine".into()]).unwrap();
        assert_eq!((recipe.run.training.steps, recipe.run.name.as_str()), (7, "mine"));
    }

    #[test]
    fn recipes_of_the_repository_are_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let recipe = Recipe::load(Some(&path), &[]).unwrap();
            let text = recipe.to_toml();
            assert_eq!(Recipe::resolve(Layers::parse(&text, Origin::Builtin).unwrap()).unwrap().to_toml(), text);
        }
    }

    #[test]
    fn an_unknown_task_names_the_known_ones() {
        let error = Recipe::load(None, &["task=chess".into()]).unwrap_err();
        assert!(format!("{error:#}").contains("there are: translation, causal-lm"), "{error:#}");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let settings = ["training.setps=7", "modle.x=1", "model.d_modell=3", "batch.zzz=1", "schedule.peek=1.0"];
        let error = Recipe::load(None, &settings.map(String::from)).unwrap_err();
        let expected = [
            "--set training.setps=7: training.setps: no such setting; did you mean `steps`?",
            "--set modle.x=1: modle: no such setting; did you mean `model`?",
            "--set model.d_modell=3: model.d_modell: no such setting; did you mean `d_model`?",
            "--set batch.zzz=1: batch.zzz: no such setting; there are: ",
            "--set schedule.peek=1.0: schedule.peek: no such setting; did you mean `peak`?",
        ];
        for line in expected {
            assert!(error.to_string().contains(line), "{line} is missing:\n{error:#}");
        }
        assert_eq!(error.to_string().lines().count(), 5, "{error:#}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let says = |text: &str, expected: &str| {
            std::fs::write(&path, BUILTIN.replace("\nsteps = 3300", &format!("\n{text}"))).unwrap();
            let error = format!("{:#}", Recipe::load(Some(&path), &[]).unwrap_err());
            assert!(error.contains(expected), "{expected:?} is missing: {error}");
        };
        let line = BUILTIN.lines().position(|line| line == "steps = 3300").unwrap() + 1;
        says("steps = 'many'", &format!("r.toml:{line}: training.steps: invalid type: string \"many\""));
        says("stepps = 2", &format!("r.toml:{line}: training.stepps: no such setting; did you mean `steps`?"));
        says("", &format!("r.toml:{}: training: missing field `steps`", line - 1));
        says("steps = ", &format!("line {line}"));
    }

    #[test]
    fn a_wrong_value_within_a_tagged_table_is_named_with_its_origin() {
        let says = |settings: &[&str], expected: &str| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            let error = format!("{:#}", Recipe::load(None, &settings).unwrap_err());
            assert!(error.starts_with(expected), "{expected:?} is missing: {error}");
        };
        let activation = "model.activation=rule";
        says(&[activation], &format!("--set {activation}: model.activation: unknown variant `rule`, expected "));
        says(&["model.d_ff=wide"], "--set model.d_ff=wide: model.d_ff: invalid type: string \"wide\"");
        let nested = "model.positions={learned={max_len=\"x\"}}";
        says(&[nested], &format!("--set {nested}: model.positions.learned.max_len: invalid type"));
        says(&["schedule.kind=constant", "schedule.lr=high"], "--set schedule.lr=high: schedule.lr: invalid type");
        says(&["schedule.kind=constant"], "the built-in recipe, line ");
    }

    #[test]
    fn the_optimizer_is_adam_unless_another_kind_is_named() {
        let optimizer = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            Recipe::load(None, &settings).map(|recipe| recipe.run.optimizer).map_err(|error| format!("{error:#}"))
        };
        let OptimizerConfig::Adam(adam) = optimizer(&["optimizer.beta_2=0.5"]).unwrap() else { panic!("not Adam") };
        assert_eq!(adam.beta_2, 0.5);
        let momentum = optimizer(&["optimizer={kind=\"momentum\"}"]).unwrap();
        assert_eq!(momentum, OptimizerConfig::Momentum { decay: 0.9 });
        let error = optimizer(&["optimizer={kind=\"momentum\", dekay=0.5}"]).unwrap_err();
        assert!(error.contains("optimizer.dekay: no such setting") && error.contains("`decay`"), "{error}");
        let error = optimizer(&["optimizer={kind=\"lion\"}"]).unwrap_err();
        assert!(error.contains("optimizer.kind") && error.contains("`rmsprop`"), "{error}");
        let error = optimizer(&["optimizer={kind=\"rmsprop\", decay=1.0}"]).unwrap_err();
        assert!(error.starts_with("optimizer.decay = 1 is out of range"), "{error}");
    }

    #[test]
    fn an_impossible_value_is_named_with_its_origin() {
        let setting = "objective.label_smoothing=1.0";
        let error = Recipe::load(None, &[setting.into()]).unwrap_err().to_string();
        assert!(error.ends_with(&format!("(objective.label_smoothing: --set {setting})")), "{error}");
    }

    #[test]
    fn tokens_of_a_batch_are_a_setting_of_every_task() {
        let gpt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/gpt.toml");
        let batch = |path: Option<&Path>, settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            let text = Recipe::load(path, &settings).map_err(|error| format!("{error:#}"))?.to_toml();
            Ok::<Value, String>(text.parse::<Table>().unwrap()["batch"].clone())
        };
        assert_eq!(batch(None, &["batch.tokens=auto"]).unwrap()["max_tokens"].as_str(), Some("auto"));
        assert_eq!(
            batch(None, &["batch.tokens=auto", "batch.max_tokens=77"]).unwrap()["max_tokens"].as_integer(),
            Some(77)
        );
        assert_eq!(batch(Some(&gpt), &["batch.tokens=auto"]).unwrap()["rows"].as_str(), Some("auto"));
        let rows = batch(Some(&gpt), &["batch.tokens=1024", "batch.context=32"]).unwrap()["rows"].as_integer();
        assert_eq!(rows, Some(32));
        let error = batch(Some(&gpt), &["batch.tokens=1", "batch.context=32"]).unwrap_err();
        assert!(error.contains("less than a row") && error.contains("--set batch.tokens=1"), "{error}");
    }

    #[test]
    fn a_preset_gives_what_is_not_said() {
        let recipe = Recipe::load(None, &["model.preset=C d_ff=1024".into()]);
        // `C d_ff=1024` holds a second `=`: only the first one separates key and value.
        assert!(recipe.is_ok(), "{recipe:?}");
        let error = Recipe::load(None, &["model.preset=huge".into()]).unwrap_err();
        assert!(format!("{error:#}").contains("there are: base"), "{error:#}");
    }

    #[test]
    fn a_damaged_recipe_is_refused_or_read() {
        attentive_testkit::survives(BUILTIN.as_bytes(), 1_000, |damaged| {
            let text = String::from_utf8_lossy(damaged);
            let _ = Layers::parse(&text, Origin::Builtin).and_then(Recipe::resolve);
        });
    }
}
