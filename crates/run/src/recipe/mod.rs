//! Training recipes: TOML files that say all of a run.

mod builtin;
mod changes;
mod check;
mod layers;
mod origins;
mod paths;
mod problems;
mod ranges;
mod schema;

use std::{collections::BTreeMap, fmt, path::Path};

use attentive_task::{
    Result,
    config::{Problem, RUN_KEYS, RunRecipe, TASKS, TaskRecipe, advice, find_preset, presets_of_task},
    of_any_task,
};
use attentive_trainer::FinishedModel;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub(crate) use changes::is_data_file;
use layers::Layers;
use problems::Problems;

pub use builtin::{Builtin, unknown_builtin};
pub use origins::Origins;
pub use schema::schema;

/// The recipe of the built-in corpus, which `attentive train` runs without arguments.
const BUILTIN: &str = "builtin";

/// The recipe that families of tokenizers are compared by.
const TOKENIZERS: &str = "tokenizers";

/// All of a run.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What every run has.
    pub run: RunRecipe,
    /// What is learnt, from what, by which model.
    pub task: TaskRecipe,
    /// Where each setting was made.
    pub origins: Origins,
    /// The settings as they were made.
    layers: Layers,
}

impl Recipe {
    /// Reads the recipe of a file, or else the one that is built in by that name.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) names file, line and setting.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::resolve(Layers::read(path.as_ref())?)
    }

    /// The recipe of the built-in corpus.
    ///
    /// # Errors
    /// None, while the recipe is whole.
    pub fn builtin() -> Result<Self> {
        Self::resolve(Layers::builtin(BUILTIN)?)
    }

    /// Changes settings: `training.steps=100`, as `--set` does. All are made before they are held against each other.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn with(self, settings: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        Self::under(self.layers, settings)
    }

    /// Changes one setting.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn set(self, key: &str, value: impl fmt::Display) -> Result<Self> {
        self.with([format!("{key}={value}")])
    }

    /// The recipe of a command: a file's, or else that of a name, or the built-in corpus's; over it the environment
    /// (`ATTENTIVE_SET_…`), and the `--set key=value` of the command line.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn of_command(path: Option<&Path>, settings: &[String]) -> Result<Self> {
        let mut layers = path.map_or_else(|| Layers::builtin(BUILTIN), Layers::read)?;
        layers.set_environment(std::env::vars_os())?;
        Self::under(layers, settings)
    }

    /// The variables of the environment that set something in a command's recipe; one that goes on takes `--set` alone.
    pub fn variables() -> impl Iterator<Item = String> {
        let names = std::env::vars_os().map(|(name, _)| name).filter(|name| layers::sets_something(name));
        names.map(|name| name.display().to_string())
    }

    /// The recipe that families of tokenizers are compared by, and what is changed in it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn tokenizers(settings: &[String]) -> Result<Self> {
        Self::under(Layers::builtin(TOKENIZERS)?, settings)
    }

    /// The recipe of layers, and of settings over them.
    fn under(mut layers: Layers, settings: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        settings.into_iter().try_for_each(|setting| layers.set(setting.as_ref()))?;
        Self::resolve(layers)
    }

    /// Reads the recipe of a run, as it was resolved when the run began, and what is to be changed in it from here on.
    ///
    /// # Errors
    /// Also where a setting must not change.
    pub fn of_run(path: &Path, settings: &[String]) -> Result<Self> {
        let mut layers = Layers::of_run(path)?;
        for setting in settings {
            changes::check(setting, &layers.table)?;
            layers.set(setting)?;
        }
        // It says all of its model: what is not there is as it is where nobody says it, and not a preset's.
        Self::check(layers, false)
    }

    /// The recipe of a run, resolved, as [`to_toml`](Self::to_toml) wrote it for another process; `path` is its place there.
    pub(crate) fn of_resolved(text: &str, path: &Path) -> Result<Self> {
        Self::check(Layers::of_text(text, path)?, false)
    }

    fn resolve(layers: Layers) -> Result<Self> {
        Self::check(layers, true)
    }

    /// Reads and validates layers; with presets, they say what the model's settings are where the layers do not.
    fn check(layers: Layers, has_presets: bool) -> Result<Self> {
        let Layers { mut table, mut origins } = layers.clone();
        if let Some(Value::Table(optimizer)) = table.get_mut("optimizer") {
            optimizer.entry("kind").or_insert_with(|| "adam".into());
        }
        let task = match table.get("task") {
            None => TASKS[0],
            Some(Value::String(name)) if let Some(&task) = TASKS.iter().find(|task| task == &name) => task,
            Some(other) => {
                let problem = advice(other.as_str().unwrap_or_default(), TASKS);
                return Err(
                    Problems::from(Problem::at("task", format!("{other} is not known; {problem}"))).error(&origins)
                );
            }
        };
        let schema = schema::of_task(task).expect("each task has one");
        let mut problems = Problems::default();
        let dropout = dropout_said(&table);
        let filled = match has_presets {
            true => fill_model(&mut table, task),
            false => {
                fill_dropout(&mut table);
                Ok(())
            }
        };
        let filled = filled.and(spell_out_tokens(&mut table, &mut origins, task));
        filled.unwrap_or_else(|problem| problems.add(problem));
        let mut whole = Value::Table(table);
        check::check(schema, &whole, "", &mut problems);
        problems.into_result(&origins)?;
        paths::resolve(schema, &mut whole, &origins);
        let mut problems = Problems::default();
        paths::refuse_pipes(schema, &mut whole, &mut problems);
        problems.into_result(&origins)?;
        let read = Self::read(whole, task);
        let (run, task) = read.map_err(|problem| Problems::from(problem).error(&origins))?;
        let run = RunRecipe { dropout, ..run };
        Ok(Self { run, task, origins, layers })
    }

    /// Reads what follows the schema of a task, and validates it.
    fn read(whole: Value, task: &str) -> Result<(RunRecipe, TaskRecipe), Problem> {
        let Value::Table(mut table) = whole else { return Err(Problem::at("", "a recipe is a table")) };
        table.remove("task");
        let run: Table = RUN_KEYS.iter().filter_map(|&key| Some((key.to_owned(), table.remove(key)?))).collect();
        let run: RunRecipe = read(run)?;
        let task = match task {
            "causal-lm" => TaskRecipe::CausalLm(read(table)?),
            "masked-lm" => TaskRecipe::MaskedLm(read(table)?),
            "classification" => TaskRecipe::Classification(read(table)?),
            "span-corruption" => TaskRecipe::SpanCorruption(read(table)?),
            "trajectories" => TaskRecipe::Trajectories(read(table)?),
            "speech-recognition" => TaskRecipe::Speech(read(table)?),
            "image-classification" => TaskRecipe::ImageClassification(read(table)?),
            _ => TaskRecipe::Translation(read(table)?),
        };
        run.validate()?;
        task.validate()?;
        finished_model(&run, &task)?;
        check_adapter(&run, &task)?;
        if run.training.quantize.is_some() && task.pretrains() {
            let problem = "data2vec trains what is fine-tuned later: leave it out, and set it then";
            return Err(Problem::at("training.quantize", problem));
        }
        if task.pretrained().is_none() {
            run.check_model(task.model())?;
        }
        Ok((run, task))
    }

    /// The recipe as TOML, every setting resolved: the same from any folder.
    ///
    /// Where a model is fine-tuned, `[model]` has the rates of dropout that the recipe itself says, and no others: the model
    /// keeps its own in their place.
    pub fn to_toml(&self) -> String {
        let fine_tunes = self.task.pretrained().is_some();
        to_text(&self.run, &self.task, |key| fine_tunes && is_dropout(key) && !self.run.dropout.contains_key(key))
    }

    /// Last checkpoints that are averaged into the finished model.
    pub fn average_last(&self) -> usize {
        of_any_task!(&self.task, recipe => recipe.evaluation.average_last)
    }
}

/// The model that a run ends with.
///
/// # Errors
/// There is no validation, and that model or early stopping needs it.
pub(crate) fn finished_model(run: &RunRecipe, task: &TaskRecipe) -> Result<FinishedModel, Problem> {
    let has_validation = task.has_validation();
    let judged = run.training.validate_for(has_validation);
    judged.map_err(|error| Problem::within("training", &error.keys(), &error))?;
    let finished = run.training.finished_model(of_any_task!(task, recipe => recipe.evaluation.model));
    if finished == FinishedModel::Best && !has_validation {
        let problem = "\"best\" needs validation data to judge by: give some, or take \"last\" or \"average\"";
        return Err(Problem::at("evaluation.model", problem));
    }
    Ok(finished)
}

/// Holds an adapter against the task.
fn check_adapter(run: &RunRecipe, task: &TaskRecipe) -> Result<(), Problem> {
    let problem = match () {
        () if run.adapter.is_none() => return Ok(()),
        () if task.pretrained().is_none() => {
            "it changes a model that was trained before: set pretrained, or leave [adapter] out"
        }
        () if task.pretrains() => {
            "data2vec trains all of a model: leave [adapter] out, or give the task's own objective"
        }
        () => return Ok(()),
    };
    Err(Problem::at("adapter", problem))
}

/// The settings of a run and of its task as a recipe: the same from any folder.
pub(crate) fn to_toml(run: &RunRecipe, task: &TaskRecipe) -> String {
    to_text(run, task, |_| false)
}

/// The settings of a run and of its task as a recipe, without those of the model that are left out.
fn to_text(run: &RunRecipe, task: &TaskRecipe, is_left_out: impl Fn(&str) -> bool) -> String {
    let table = |recipe: Result<Table, toml::ser::Error>| recipe.expect("a recipe came from TOML");
    let mut whole = table(of_any_task!(task, recipe => Table::try_from(recipe)));
    if let Some(model) = whole.get_mut("model").and_then(Value::as_table_mut) {
        model.retain(|key, _| !is_left_out(key));
    }
    whole.extend(table(Table::try_from(run)));
    whole.insert("task".into(), task.name().into());
    let mut whole = Value::Table(whole);
    paths::make_absolute(schema::of_task(task.name()).expect("each task has one"), &mut whole);
    toml::to_string(&whole).expect("a recipe came from TOML")
}

/// A table as a `T`, of whose settings the schema can say all but what their reader says.
fn read<T: DeserializeOwned>(table: Table) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let path = Some(error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
        Problem::at(path, error.inner().message())
    })
}

/// The rates of dropout in `[model]`, before it is filled up.
fn dropout_said(table: &Table) -> BTreeMap<String, f64> {
    let rate = |value: &Value| value.as_float().or(value.as_integer().map(|rate| rate as f64));
    let model = table.get("model").and_then(Value::as_table).into_iter().flatten();
    model.filter(|(key, _)| is_dropout(key)).filter_map(|(key, value)| Some((key.clone(), rate(value)?))).collect()
}

/// Whether a setting of a model is a rate of dropout.
fn is_dropout(key: &str) -> bool {
    key.ends_with("dropout")
}

/// Gives `[model]` a rate of dropout where a run that fine-tunes was written without one, before it had read the model,
/// whose own rate takes its place.
fn fill_dropout(table: &mut Table) {
    let fine_tunes = table.contains_key("pretrained");
    if let Some(model) = table.get_mut("model").and_then(Value::as_table_mut).filter(|_| fine_tunes) {
        model.entry("dropout").or_insert(Value::Float(0.0));
    }
}

/// Fills `[model]` up with the values of its preset, or the first of its family, or the task's first; the tokenizer will
/// replace vocabulary sizes.
fn fill_model(table: &mut Table, task: &str) -> Result<(), Problem> {
    let model = table.entry("model").or_insert_with(|| Table::new().into());
    let Some(model) = model.as_table_mut() else { return Ok(()) };
    let presets = presets_of_task(task);
    let of_family = |name: &str| presets.iter().find(|preset| preset.config.family() == name);
    let found = match (model.remove("preset"), model.get("family").and_then(Value::as_str)) {
        (Some(Value::String(name)), _) => find_preset(&name, &presets),
        (Some(other), _) => Err(format!("{other} must be the name of a preset")),
        (None, family) => Ok(family.and_then(of_family).unwrap_or(&presets[0]).config.clone()),
    };
    let values = Table::try_from(found.as_ref().unwrap_or(&presets[0].config)).expect("a model is TOML");
    for (key, value) in values {
        model.entry(key).or_insert(value);
    }
    found.map(drop).map_err(|text| Problem::at("model.preset", text))
}

/// `batch.tokens`, of any task, as the setting that it has of its own: `max_tokens` of translation, of others `rows` of
/// `context` tokens each.
fn spell_out_tokens(table: &mut Table, origins: &mut Origins, task: &str) -> Result<(), Problem> {
    let Some(batch) = table.get_mut("batch").and_then(Value::as_table_mut) else { return Ok(()) };
    let Some(tokens) = batch.remove("tokens") else { return Ok(()) };
    let counted = match task {
        "image-classification" => Some("pictures"),
        // What fits is found in rows.
        "speech-recognition" if tokens.as_str() != Some("auto") => Some("recordings"),
        _ => None,
    };
    if let Some(counted) = counted {
        return Err(Problem::at("batch.tokens", format!("{counted} are counted: give batch.rows")));
    }
    let is_translation = task == TASKS[0];
    let own = if is_translation { "max_tokens" } else { "rows" };
    let key = format!("batch.{own}");
    if batch.contains_key(own) {
        let text = format!("batch.tokens and {key} say the same thing; give one");
        return Err(Problem::among(["batch.tokens".to_owned(), key], text));
    }
    let value = match (&tokens, batch.get("context").and_then(Value::as_integer)) {
        (Value::Integer(tokens), Some(context)) if !is_translation && context > 0 && *tokens > 0 => {
            if *tokens < context {
                let text = format!("batch.tokens = {tokens} is less than a row of batch.context = {context}");
                return Err(Problem::among(["batch.tokens", "batch.context"], text));
            }
            Value::Integer(tokens / context)
        }
        _ => tokens,
    };
    batch.insert(own.to_owned(), value);
    if let Some(origin) = origins.of("batch.tokens").cloned() {
        origins.insert(&key, origin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use attentive_optim::OptimizerConfig;
    use attentive_task::config::{Files, Parallel, SplitFiles, preset};

    use super::*;

    /// What is said of a recipe that is laid over the built-in one.
    fn refusal(settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        format!("{:#}", Recipe::of_command(None, &settings).unwrap_err())
    }

    fn parse(text: &str) -> Result<Layers> {
        Layers::parse(text, |line| origins::Origin::Builtin(BUILTIN, line))
    }

    fn builtin_text() -> &'static str {
        Builtin::named(BUILTIN).unwrap().text
    }

    #[test]
    fn recipes_that_are_built_in_are_whole_and_round_trip() {
        for recipe in Builtin::all().iter().filter(|recipe| recipe.name != TOKENIZERS) {
            let text = Recipe::of_command(Some(Path::new(recipe.name)), &[]).unwrap().to_toml();
            assert_eq!(Recipe::resolve(parse(&text).unwrap()).unwrap().to_toml(), text);
        }
    }

    #[test]
    fn settings_of_the_command_line_win() {
        let recipe = Recipe::of_command(None, &["training.steps=7".into(), "name=mine".into()]).unwrap();
        assert_eq!((recipe.run.training.steps, recipe.run.name.as_str()), (7, "mine"));
    }

    #[test]
    fn parts_without_a_training_text_are_refused() {
        for (recipe, part) in [("builtin", "test.tsv"), ("gpt", "validation.text"), ("classification", "test.tsv")] {
            let error = Recipe::of_command(Some(Path::new(recipe)), &[format!("data.{part}=x")]).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains("give data.train too"), "{recipe}: {error}");
        }
    }

    #[test]
    fn what_is_judged_needs_a_text_to_judge_on() {
        for setting in ["training.early_stopping.patience=2", "evaluation.model=best"] {
            let error = refusal(&["data.train.tsv=x.tsv", setting]);
            assert!(error.contains("validation data") && error.contains(&format!("--set {setting}")), "{error}");
        }
    }

    #[test]
    fn an_unknown_task_names_the_known_ones() {
        assert!(refusal(&["task=chess"]).contains("there are: translation, causal-lm"));
        assert!(refusal(&["task=masked-ml"]).contains("did you mean `masked-lm`?"));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let settings = ["training.setps=7", "modle.x=1", "model.d_modell=3", "batch.zzz=1", "schedule.peek=1.0"];
        let error = refusal(&settings);
        let expected = [
            "--set training.setps=7: training.setps: no such setting; did you mean `steps`?",
            "--set modle.x=1: modle: no such setting; did you mean `model`?",
            "--set model.d_modell=3: model.d_modell: no such setting; did you mean `d_model`?",
            "--set batch.zzz=1: batch.zzz: no such setting; there are: ",
            "--set schedule.peek=1.0: schedule.peek: no such setting; did you mean `peak`?",
        ];
        for line in expected {
            assert!(error.contains(line), "{line} is missing:\n{error}");
        }
        assert_eq!(error.lines().count(), 5, "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let says = |text: &str, expected: &str| {
            std::fs::write(&path, builtin_text().replace("\nsteps = 3300", &format!("\n{text}"))).unwrap();
            let error = attentive_task::with_causes(&Recipe::of_command(Some(&path), &[]).unwrap_err());
            assert!(error.contains(expected), "{expected:?} is missing: {error}");
        };
        let line = builtin_text().lines().position(|line| line == "steps = 3300").unwrap() + 1;
        says("steps = 'many'", &format!("r.toml:{line}: training.steps: \"many\" must be an integer from 1 to "));
        says("stepps = 2", &format!("r.toml:{line}: training.stepps: no such setting; did you mean `steps`?"));
        says("", &format!("r.toml:{}: training: `steps` is missing (Updates to make)", line - 1));
        says("steps = ", &format!("line {line}"));
    }

    #[test]
    fn all_that_is_missing_is_told_at_once() {
        let error = Recipe::resolve(parse("[training]\nseed = 1").unwrap()).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        let expected = [
            "the built-in recipe, line 1: training: `steps` is missing (Updates to make)",
            "`name` is missing (Name of the run's folder, which gets a number after it)",
            "`schedule` is missing (Learning rate of each update)",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_wrong_value_within_a_tagged_table_is_named_with_its_origin() {
        let says = |settings: &[&str], expected: &str| {
            let error = refusal(settings);
            assert!(error.starts_with(expected), "{expected:?} is missing: {error}");
        };
        let activation = "model.activation=rule";
        says(
            &[activation],
            &format!("--set {activation}: model.activation: \"rule\" is not known; did you mean `relu`?"),
        );
        says(&["model.d_ff=wide"], "--set model.d_ff=wide: model.d_ff: \"wide\" must be an integer from 1 to 131072");
        let nested = "model.positions={learned={max_len=\"x\"}}";
        says(&[nested], &format!("--set {nested}: model.positions.learned.max_len: \"x\" must be an integer"));
        let lr = "--set schedule.lr=high: schedule.lr: \"high\" must be a number from 0 to 1000000";
        assert!(refusal(&["schedule={kind=\"constant\"}", "schedule.lr=high"]).contains(lr));
        says(&["schedule={kind=\"constant\"}"], "--set schedule={kind=\"constant\"}: schedule: `lr` is missing");
        says(&["model.family=gtp"], "--set model.family=gtp: model.family: \"gtp\" is not known; ");
    }

    #[test]
    fn the_optimizer_is_adam_unless_another_kind_is_named() {
        let optimizer = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            Recipe::of_command(None, &settings).map(|recipe| recipe.run.optimizer).map_err(|error| format!("{error:#}"))
        };
        let OptimizerConfig::Adam(adam) = optimizer(&["optimizer.beta_2=0.5"]).unwrap() else { panic!("not Adam") };
        assert_eq!(adam.beta_2, 0.5);
        let momentum = optimizer(&["optimizer={kind=\"momentum\"}"]).unwrap();
        assert_eq!(momentum, OptimizerConfig::Momentum { decay: 0.9 });
        let error = optimizer(&["optimizer={kind=\"momentum\", dekay=0.5}"]).unwrap_err();
        assert!(error.contains("optimizer.dekay: no such setting") && error.contains("`decay`"), "{error}");
        let error = optimizer(&["optimizer={kind=\"lion\"}"]).unwrap_err();
        assert!(error.contains("optimizer.kind") && error.contains("rmsprop"), "{error}");
        let error = optimizer(&["optimizer={kind=\"rmsprop\", decay=1.0}"]).unwrap_err();
        assert!(error.contains("optimizer.decay"), "{error}");
    }

    #[test]
    fn settings_at_odds_are_named_with_their_origins() {
        let error = refusal(&["model.n_heads=5"]);
        assert!(error.starts_with("model.d_model = 128 is not divisible by n_heads = 5; "), "{error}");
        assert!(
            error.contains("(model.d_model: the built-in recipe, line 1") && error.ends_with("--set model.n_heads=5)")
        );
        let error = refusal(&["tokenizer.vocab_size=500"]);
        assert!(error.contains("say the same thing") && error.contains("--set tokenizer.vocab_size=500"), "{error}");
        // A tokenizer that is read takes the place of one that is trained, and the other way round.
        let recipe = Recipe::of_command(None, &["tokenizer.path=t.json".into()]).unwrap();
        assert!(recipe.to_toml().contains("path = "), "{}", recipe.to_toml());
        let recipe = Recipe::of_command(None, &["tokenizer.path=t.json".into(), "tokenizer.merges=50".into()]).unwrap();
        assert!(recipe.to_toml().contains("merges = 50"), "{}", recipe.to_toml());
        let of = |recipe: &str, settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            Recipe::of_command(Some(Path::new(recipe)), &settings).map_err(|error| format!("{error:#}"))
        };
        assert!(of("bert", &["tokenizer.path=t.json"]).is_ok(), "its `lowercase` is of the tokenizer that it trains");
        for (recipe, settings, at_odds) in [
            ("builtin", ["tokenizer.path=t.json", "tokenizer.min_frequency=3"], "tokenizer.min_frequency"),
            ("builtin", ["tokenizer.path=t.json", "tokenizer.pre_tokenization=spaces"], "tokenizer.pre_tokenization"),
            ("builtin", ["tokenizer={path='t.json',kind='bytes'}", "name=a"], "tokenizer.path or tokenizer.kind out"),
            (
                "gpt",
                ["name=a", "tokenizer.bpe_dropout=0.1"],
                "tokenizer.bpe_dropout: segmentations are drawn in translation",
            ),
            ("morse", ["tokenizer.path=t", "tokenizer.unigram_alpha=0.1"], "segmentations are drawn in translation"),
        ] {
            let error = of(recipe, &settings).unwrap_err();
            assert!(error.contains(at_odds), "{error}");
        }
    }

    #[test]
    fn tokens_of_a_batch_are_a_setting_of_every_task() {
        let gpt = Path::new("gpt");
        let batch = |path: Option<&Path>, settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            let text = Recipe::of_command(path, &settings).map_err(|error| format!("{error:#}"))?.to_toml();
            Ok::<Value, String>(text.parse::<Table>().unwrap()["batch"].clone())
        };
        assert_eq!(batch(None, &["batch.tokens=auto"]).unwrap()["max_tokens"].as_str(), Some("auto"));
        assert_eq!(
            batch(None, &["batch.tokens=auto", "batch.max_tokens=77"]).unwrap()["max_tokens"].as_integer(),
            Some(77)
        );
        assert_eq!(batch(Some(gpt), &["batch.tokens=auto"]).unwrap()["rows"].as_str(), Some("auto"));
        let rows = batch(Some(gpt), &["batch.tokens=1024", "batch.context=32"]).unwrap()["rows"].as_integer();
        assert_eq!(rows, Some(32));
        let error = batch(Some(gpt), &["batch.tokens=1", "batch.context=32"]).unwrap_err();
        assert!(error.contains("less than a row") && error.contains("--set batch.tokens=1"), "{error}");
        let morse = Some(Path::new("morse"));
        assert!(batch(morse, &["batch.tokens=4096"]).unwrap_err().contains("recordings are counted: give batch.rows"));
        assert_eq!(batch(morse, &["batch.tokens=auto"]).unwrap()["rows"].as_str(), Some("auto"));
    }

    #[test]
    fn a_preset_gives_what_is_not_said() {
        let recipe = Recipe::of_command(None, &["model.preset=C d_ff=1024".into()]);
        // `C d_ff=1024` holds a second `=`: only the first one separates key and value.
        assert!(recipe.is_ok(), "{recipe:?}");
        assert!(refusal(&["model.preset=huge"]).contains("there are: base"));
        let error =
            format!("{:#}", Recipe::of_command(Some(Path::new("gpt")), &["model.preset=gpt2".into()]).unwrap_err());
        assert!(
            error.contains("--set model.preset=gpt2: model.preset: \"gpt2\" is not a preset; did you mean `gpt-2`?")
        );
        assert!(preset("gpt2").unwrap_err().to_string().contains("did you mean `gpt-2`?"));
    }

    #[test]
    fn a_family_whose_layers_do_not_run_again_is_named() {
        let recipe = Recipe::of_command(Some(Path::new("rnn")), &["training.recompute=layers".into()]);
        let error = format!("{:#}", recipe.unwrap_err());
        assert!(error.contains("training.recompute") && error.contains("models of the family rnn"), "{error}");
    }

    #[test]
    fn weights_that_no_packing_rounds_as_trained_are_named() {
        let of = |recipe: &str, settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            Recipe::of_command(Some(Path::new(recipe)), &settings).map_err(|error| format!("{error:#}"))
        };
        for format in ["int8", "q8_0", "q4_0"] {
            let recipe = of("gpt", &[&format!("training.quantize={format}")]).unwrap();
            assert!(recipe.to_toml().contains(&format!("quantize = \"{format}\"")), "{}", recipe.to_toml());
        }
        assert!(!of("gpt", &[]).unwrap().to_toml().contains("quantize"));
        let adapter = ["pretrained=m", "adapter={rank=2}", "training.quantize=int8"];
        for (recipe, settings, problem) in [
            ("gpt", &["training.quantize=f16"][..], "\"f16\""),
            ("rnn", &["training.quantize=int8"][..], "weights of the family rnn are not packed"),
            ("gpt", &adapter[..], "leave [adapter] or this out"),
            ("data2vec-text", &["training.quantize=int8"][..], "data2vec trains what is fine-tuned later"),
        ] {
            let error = of(recipe, settings).unwrap_err();
            assert!(error.contains("training.quantize") && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn the_name_of_a_run_is_one_folder() {
        for name in ["../x", "a/b", "a\\b", "..", ""] {
            assert!(refusal(&[&format!("name='{name}'")]).contains("must be the name of one folder"), "{name}");
        }
    }

    #[test]
    fn a_run_that_fine_tunes_remembers_which_rates_of_dropout_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for (settings, said) in [(&["pretrained=m"][..], 1), (&["pretrained=m", "model.attention_dropout=0.3"][..], 2)]
        {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            // It says `dropout`, and its preset says `attention_dropout` too.
            let recipe = Recipe::of_command(Some(Path::new("dpo")), &settings).unwrap();
            std::fs::write(&path, recipe.to_toml()).unwrap();
            let resumed = Recipe::of_run(&path, &[]).unwrap();
            assert_eq!((&resumed.run.dropout, resumed.run.dropout.len()), (&recipe.run.dropout, said));
            assert_eq!(resumed.to_toml(), recipe.to_toml());
        }
        // The rate that every model has is not asked for.
        let text = std::fs::read_to_string(&path).unwrap();
        let mut unsaid = text.parse::<Table>().unwrap();
        unsaid.get_mut("model").and_then(Value::as_table_mut).unwrap().remove("dropout");
        std::fs::write(&path, toml::to_string(&unsaid).unwrap()).unwrap();
        assert!(!Recipe::of_run(&path, &[]).unwrap().run.dropout.contains_key("dropout"));
    }

    #[test]
    fn paths_of_a_recipe_are_of_its_folder_and_of_the_command_line_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let text =
            "extends = 'builtin'\n[data.train]\ntsv = 'pairs.tsv'\n[data.test]\nsource = ['a', 'b']\ntarget = 'c'";
        std::fs::write(&path, text).unwrap();
        let recipe = Recipe::of_command(Some(&path), &["data.validation.tsv=v.tsv".into()]).unwrap();
        let TaskRecipe::Translation(task) = &recipe.task else { unreachable!() };
        let tsv = SplitFiles::Tsv {
            tsv: Files::One("v.tsv".into()),
            columns: None,
            header: false,
            source_language: None,
            target_language: None,
            directions: None,
            weight: None,
        };
        assert_eq!(task.data.validation, Some(Parallel::One(tsv)));
        let data = recipe.to_toml().parse::<Table>().unwrap()["data"].clone();
        let at = |folder: &Path, name: &str| Value::from(folder.join(name).to_str().unwrap());
        assert_eq!(data["train"]["tsv"], at(folder.path(), "pairs.tsv"));
        assert_eq!(data["test"]["source"][1], at(folder.path(), "b"));
        assert_eq!(data["validation"]["tsv"], at(&std::env::current_dir().unwrap(), "v.tsv"));
    }

    #[test]
    fn one_of_several_corpora_is_set_by_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let text = "extends = 'builtin'\n[[data.train]]\ntsv = 'a.tsv'\n[[data.train]]\ntsv = 'b.tsv'\nweight = 2.0\n";
        std::fs::write(&path, text).unwrap();
        let with = |setting: &str| Recipe::of_command(Some(&path), &[setting.into()]);
        let recipe = with("data.train[1].tsv=c.tsv").unwrap();
        let train = recipe.to_toml().parse::<Table>().unwrap()["data"]["train"].clone();
        let at = |folder: &Path, name: &str| Value::from(folder.join(name).to_str().unwrap());
        assert_eq!(train[0]["tsv"], at(folder.path(), "a.tsv"), "of the recipe's folder");
        assert_eq!(train[1]["tsv"], at(&std::env::current_dir().unwrap(), "c.tsv"), "of the working folder");
        assert_eq!(train[1]["weight"].as_float(), Some(2.0));
        let error = attentive_task::with_causes(&with("data.train[2].tsv=c.tsv").unwrap_err());
        assert!(error.contains("`train[2]`: there is no such table"), "{error}");
        let error = attentive_task::with_causes(&with("data.train[1].weight=-1").unwrap_err());
        assert!(error.starts_with("--set data.train[1].weight=-1: data.train[1].weight: -1 must be"), "{error}");
        // So is one that has moved, of a run that goes on.
        std::fs::write(&path, recipe.to_toml()).unwrap();
        let moved = |setting: &str| Recipe::of_run(&path, &[setting.to_owned()]);
        assert!(moved("data.train[0].tsv=moved.tsv").unwrap().to_toml().contains("moved.tsv"));
        assert!(moved("data.train[0].weight=3.0").unwrap_err().to_string().contains("can't change"));
    }

    #[test]
    fn a_damaged_recipe_is_refused_or_read() {
        attentive_testkit::survives(builtin_text().as_bytes(), 1_000, |damaged| {
            let text = String::from_utf8_lossy(damaged);
            let _ = parse(&text).and_then(Recipe::resolve);
        });
    }

    #[test]
    fn a_megabyte_of_unknown_settings_is_a_short_message() {
        let tables: String = (0..60_000).map(|idx| format!("[t{idx}]\na = {idx}\n")).collect();
        let text = builtin_text().to_owned() + &tables;
        assert!(text.len() > 1_000_000);
        let error = Recipe::resolve(parse(&text).unwrap()).unwrap_err().to_string();
        let lines = builtin_text().lines().count();
        assert!(error.contains(&format!("line {}: t0: no such setting", lines + 1)), "{error}");
        assert!(error.len() < 10_000 && error.ends_with("and 59980 problems more"), "{error}");
    }
}
