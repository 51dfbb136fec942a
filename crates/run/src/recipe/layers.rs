//! Settings laid over settings: a recipe over the one that it extends, then the environment, then the command line.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_task::{Context, Error, Result, config::advice};
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    builtin::Builtin,
    origins::{Origin, Origins},
};

/// How many recipes may extend one another.
const MAX_DEPTH: usize = 16;

/// The longest recipe, in bytes. Reading is linear in time; a byte takes up to 350 bytes of memory.
const MAX_BYTES: u64 = 1 << 18;

/// What the names of variables begin with that set something: `ATTENTIVE_SET_TRAINING__STEPS` is `training.steps`.
const ENVIRONMENT: &str = "ATTENTIVE_SET_";

/// Whether a variable of the environment sets something.
pub(super) fn sets_something(variable: &OsStr) -> bool {
    variable.as_encoded_bytes().starts_with(ENVIRONMENT.as_bytes())
}

/// Settings, and where each was made.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    pub(super) table: Table,
    pub(super) origins: Origins,
}

/// Where the text of a recipe is.
enum Source {
    File(PathBuf),
    Builtin(&'static Builtin),
}

impl Source {
    /// The file of a path; if there is none, what is built in by that name.
    fn find(folder: &Path, name: &Path) -> Self {
        let path = folder.join(name);
        let is_bare = name.components().count() == 1;
        match name.to_str().filter(|_| is_bare && !path.is_file()).and_then(Builtin::named) {
            Some(builtin) => Self::Builtin(builtin),
            None => Self::File(path),
        }
    }

    /// What `name` means in a recipe that is here.
    fn beside(&self, name: &str) -> Self {
        let folder = match self {
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
            Self::Builtin(_) => Path::new(""),
        };
        match (self, Builtin::named(name)) {
            (Self::Builtin(_), Some(builtin)) => Self::Builtin(builtin),
            _ => Self::find(folder, Path::new(name)),
        }
    }

    fn read(&self) -> Result<Layers> {
        match self {
            Self::File(path) => {
                if path.is_dir() {
                    let hint = "a model's folder is given with --model, and a run's with --resume";
                    refuse!("{} is a folder, and a recipe is a TOML file; {hint}", path.display());
                }
                let mut text = String::new();
                let file = File::open(path).with_context(|| unreadable(path))?;
                file.take(MAX_BYTES + 1).read_to_string(&mut text).with_context(|| unreadable(path))?;
                if text.len() as u64 > MAX_BYTES {
                    refuse!("{} is longer than any recipe, which has at most {MAX_BYTES} bytes", path.display());
                }
                let shared: Arc<Path> = path.as_path().into();
                let layers = Layers::parse(&text, |line| Origin::File(Arc::clone(&shared), line));
                let is_toml = path.extension().is_some_and(|extension| extension == "toml");
                let hint =
                    "is not a recipe, a TOML file; text is named in one, or by --set data.train.tsv=FILE for example";
                let other = if is_toml { String::new() } else { format!(" {hint}") };
                layers.with_context(|| format!("{}{other}", path.display()))
            }
            Self::Builtin(recipe) => Layers::parse(recipe.text, |line| Origin::Builtin(recipe.name, line)),
        }
    }
}

/// What is said of a recipe that can't be read; if it may be meant as the name of one that is built in, of these too.
fn unreadable(path: &Path) -> String {
    let may_be_name = path.components().count() == 1 && path.extension().is_none() && !path.exists();
    let names = || Builtin::all().iter().map(|recipe| recipe.name);
    let built_in = path.to_str().filter(|_| may_be_name).map(|name| advice(name, names()));
    let built_in = built_in.map_or_else(String::new, |advice| format!(" (of those built in, {advice})"));
    format!("can't read the recipe {}{built_in}", path.display())
}

impl Layers {
    /// Reads the recipe of a file, or else of a name, and, beneath it, the one that its `extends` names.
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::read_at(&Source::find(Path::new(""), path), 0, None)
    }

    /// Reads the recipe of a run's folder. It may be longer than others: it has the labels and the subwords of the data.
    pub(super) fn of_run(path: &Path) -> Result<Self> {
        let text = attentive_weights::read_settings(path).with_context(|| unreadable(path))?;
        let mut layers = Self::of_text(&text, path).with_context(|| path.display().to_string())?;
        layers.forget_unread();
        Ok(layers)
    }

    /// Takes out settings that nothing reads: runs of versions that let them stand have them.
    fn forget_unread(&mut self) {
        if self.table.get("data").is_some_and(|data| data.get("train").is_some()) {
            forget_rivals(&mut self.table, "data.train");
        }
        let translates = self.table.get("task").is_none_or(|task| task.as_str() == Some(TRANSLATION));
        let Some(tokenizer) = self.table.get_mut("tokenizer").and_then(Value::as_table_mut) else { return };
        if !translates {
            SAMPLING.iter().for_each(|&setting| drop(tokenizer.remove(setting)));
        }
        if tokenizer.contains_key("path") {
            forget_rivals(&mut self.table, "tokenizer.path");
        }
    }

    /// The recipe in a text that a file has elsewhere.
    pub(super) fn of_text(text: &str, path: &Path) -> Result<Self> {
        let path: Arc<Path> = path.into();
        Self::parse(text, |line| Origin::File(Arc::clone(&path), line))
    }

    /// The same of a recipe that is built in.
    pub(super) fn builtin(name: &str) -> Result<Self> {
        Self::read_at(&Source::Builtin(Builtin::named(name).context("no such recipe")?), 0, None)
    }

    /// Reads a recipe and what it extends; `by` is the place that asked for it.
    fn read_at(source: &Source, depth: usize, by: Option<&str>) -> Result<Self> {
        let mut own = source.read().map_err(|error| match by {
            Some(place) => Error::While { doing: format!("{place}: extends"), cause: error.into() },
            None => error,
        })?;
        let Some(base) = own.table.remove("extends") else { return Ok(own) };
        let place = own.origins.of("extends").map(ToString::to_string).unwrap_or_default();
        let Value::String(base) = base else { refuse!("{place}: extends = {base}: expected the path of a recipe") };
        if depth == MAX_DEPTH {
            refuse!("{place}: `extends` goes round in a circle");
        }
        let mut merged = Self::read_at(&source.beside(&base), depth + 1, Some(&place))?;
        let is_set = |key: &str| {
            let (table, setting) = key.split_once('.')?;
            own.table.get(table)?.get(setting)
        };
        for (key, _) in RIVALS.iter().filter(|(key, _)| is_set(key).is_some()) {
            forget_rivals(&mut merged.table, key);
        }
        lay_over(&mut merged.table, own.table);
        merged.origins.lay_over(own.origins);
        Ok(merged)
    }

    /// Reads a recipe's text, whose lines are of `origin`.
    pub(super) fn parse(text: &str, origin: impl Fn(usize) -> Origin) -> Result<Self> {
        let line_ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let of_line = |at: usize| origin(1 + line_ends.partition_point(|&end| end < at));
        let refused = |error: toml::de::Error| Error::Refused(error.to_string());
        let inside = note(DeTable::parse(text).map_err(refused)?.get_ref(), &of_line);
        Ok(Self { table: text.parse().map_err(refused)?, origins: Origins::new(None, inside) })
    }

    /// Applies the variables of the environment that set something.
    pub(super) fn set_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<()> {
        let mut variables: Vec<_> = variables.into_iter().filter(|(name, _)| sets_something(name)).collect();
        variables.sort();
        for (name, value) in variables {
            let text = |text: OsString| text.into_string().ok();
            let shown = name.display().to_string();
            let (Some(name), Some(value)) = (text(name), text(value)) else {
                refuse!("{shown} of the environment is not UTF-8: unset it, or set it again");
            };
            let key = name[ENVIRONMENT.len()..].to_lowercase().replace("__", ".");
            self.set_key(&key, &value, &Origin::Environment(name)).with_context(|| shown)?;
        }
        Ok(())
    }

    /// Applies one `a.b.c=value` of the command line; the value is TOML, or else a string.
    pub(super) fn set(&mut self, setting: &str) -> Result<()> {
        let (key, text) = split(setting)?;
        let origin = Origin::CommandLine(setting.to_owned());
        self.set_key(key, text, &origin).with_context(|| format!("--set {setting}"))
    }

    fn set_key(&mut self, key: &str, text: &str, origin: &Origin) -> Result<()> {
        if key == "extends" {
            refuse!("only a file can extend a recipe: give that recipe itself");
        }
        let value = format!("value = {text}")
            .parse::<Table>()
            .ok()
            .and_then(|mut parsed| parsed.remove("value"))
            .unwrap_or_else(|| Value::String(text.to_owned()));
        forget_rivals(&mut self.table, key);
        let mut keys: Vec<&str> = key.split('.').collect();
        let last = keys.pop().filter(|key| !key.is_empty()).context("no key")?;
        let table = keys.into_iter().try_fold(&mut self.table, inside)?;
        table.insert(last.to_owned(), value);
        self.origins.insert(key, origin.clone());
        Ok(())
    }
}

/// The table of this key, which is made if there is none; of `train[0]`, the first of several.
fn inside<'t>(table: &'t mut Table, key: &str) -> Result<&'t mut Table> {
    if let Some((name, place)) = key.strip_suffix(']').and_then(|key| key.split_once('[')) {
        let tables = table.get_mut(name).and_then(Value::as_array_mut);
        let one = tables.zip(place.parse().ok()).and_then(|(tables, place): (_, usize)| tables.get_mut(place));
        return one.and_then(Value::as_table_mut).with_context(|| format!("`{key}`: there is no such table"));
    }
    let entry = table.entry(key).or_insert_with(|| Table::new().into());
    entry.as_table_mut().with_context(|| format!("`{key}` is not a table"))
}

/// The key and the value of a `--set`.
pub(super) fn split(setting: &str) -> Result<(&str, &str)> {
    let parts = setting.split_once('=').map(|(key, value)| (key.trim(), value));
    parts.with_context(|| format!("--set {setting}: expected key=value, for example training.steps=1000"))
}

/// The task that draws segmentations, by the settings [`SAMPLING`] of its tokenizer.
const TRANSLATION: &str = "translation";

/// Settings by which segmentations are drawn.
const SAMPLING: [&str; 2] = ["bpe_dropout", "unigram_alpha"];

/// Settings, and those of the same table that they stand in for: the one made last holds.
const RIVALS: [(&str, &[&str]); 8] = [
    // Recordings are read or made.
    ("data.train", &["morse"]),
    ("batch.tokens", &["max_tokens", "rows"]),
    ("batch.max_tokens", &["tokens", "rows"]),
    ("batch.rows", &["tokens", "max_tokens"]),
    // A tokenizer is read or trained.
    (
        "tokenizer.path",
        &["kind", "merges", "vocab_size", "min_frequency", "pre_tokenization", "character_coverage", "lowercase"],
    ),
    ("tokenizer.kind", &["path"]),
    ("tokenizer.merges", &["path"]),
    ("tokenizer.vocab_size", &["path"]),
];

/// Takes out the settings that one, or the table that it is in, stands in for.
fn forget_rivals(table: &mut Table, key: &str) {
    let is_in = |of: &str| key.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let Some((_, rivals)) = RIVALS.iter().find(|(of, _)| is_in(of)) else { return };
    let name = key.split('.').next().unwrap_or_default();
    if let Some(table) = table.get_mut(name).and_then(Value::as_table_mut) {
        rivals.iter().for_each(|&rival| drop(table.remove(rival)));
    }
}

/// Where the keys of a table stand, and those inside.
fn note(table: &DeTable<'_>, origin: &impl Fn(usize) -> Origin) -> BTreeMap<String, Origins> {
    let of_key = |value: &DeValue<'_>| value.as_table().map(|table| note(table, origin)).unwrap_or_default();
    let keys = table.iter().map(|(key, value)| {
        let origins = Origins::new(Some(origin(key.span().start)), of_key(value.get_ref()));
        (key.get_ref().to_string(), origins)
    });
    keys.collect()
}

/// Keys that say which settings a table has.
const TAGS: [&str; 2] = ["family", "kind"];

/// Lays `upper` over `lower`: tables are merged, unless the upper one is of another family or kind; all else is replaced.
pub(super) fn lay_over(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(lower)), Value::Table(upper))
                if TAGS.iter().all(|&tag| upper.get(tag).is_none_or(|of| lower.get(tag) == Some(of))) =>
            {
                lay_over(lower, upper);
            }
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn parse(text: &str) -> Layers {
        Layers::parse(text, |line| Origin::Builtin(super::super::BUILTIN, line)).unwrap()
    }

    #[test]
    fn a_table_of_another_kind_replaces_the_one_below() {
        let mut lower =
            "[schedule]\nkind = 'noam'\nfactor = 2.0\nwarmup_steps = 9\n[model]\nd_model = 8".parse().unwrap();
        let upper = "[schedule]\nkind = 'constant'\nlr = 1e-3\n[model]\nfamily = 'rnn'\nd_hidden = 4";
        lay_over(&mut lower, upper.parse().unwrap());
        assert_eq!(lower, upper.parse().unwrap());
        lay_over(&mut lower, "[schedule]\nkind = 'constant'\nwarmup_steps = 5".parse().unwrap());
        assert_eq!(lower["schedule"].to_string(), "{ kind = \"constant\", lr = 0.001, warmup_steps = 5 }");
    }

    #[test]
    fn a_recipe_extends_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("base.toml"), "name = 'base'\n[training]\nsteps = 1\nseed = 2\n").unwrap();
        fs::write(path("mine.toml"), "extends = 'base.toml'\nname = 'mine'\n\n[training]\nsteps = 9\n").unwrap();
        let layers = Layers::read(&path("mine.toml")).unwrap();
        let expected = "name = 'mine'\n[training]\nsteps = 9\nseed = 2\n".parse::<Table>().unwrap();
        assert_eq!(layers.table, expected);
        let origin = |name: &str, line| Some(Origin::File(path(name).as_path().into(), line));
        assert_eq!(layers.origins.of("training.steps").cloned(), origin("mine.toml", 5));
        assert_eq!(layers.origins.of("training.seed").cloned(), origin("base.toml", 4));
    }

    #[test]
    fn a_circle_of_recipes_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs::write(&path, "extends = 'a.toml'").unwrap();
        assert!(format!("{:#}", Layers::read(&path).unwrap_err()).contains("circle"));
    }

    #[test]
    fn values_are_toml_or_else_strings() {
        let mut layers = Layers::default();
        for setting in ["a.b=3", "a.c=x.en", "d=[1, 2]", "e=true"] {
            layers.set(setting).unwrap();
        }
        let expected = "d = [1, 2]\ne = true\n[a]\nb = 3\nc = 'x.en'".parse::<Table>().unwrap();
        assert_eq!(layers.table, expected);
        assert!(layers.set("a").is_err() && layers.set("d.x=1").is_err());
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_both_over_files() {
        let mut layers = parse("[training]\nsteps = 1\nseed = 1\nclip_norm = 1.0");
        let variable = |name: &str, value: &str| (name.into(), value.into());
        let variables = [
            variable("ATTENTIVE_SET_TRAINING__STEPS", "2"),
            variable("ATTENTIVE_SET_TRAINING__CLIP_NORM", "2.0"),
            variable("ATTENTIVE_BACKEND", "flex"),
        ];
        layers.set_environment(variables).unwrap();
        layers.set("training.steps=3").unwrap();
        let expected = "[training]\nsteps = 3\nseed = 1\nclip_norm = 2.0".parse::<Table>().unwrap();
        assert_eq!(layers.table, expected);
        let origin = |key: &str| layers.origins.of(key).unwrap().to_string();
        assert_eq!(origin("training.steps"), "--set training.steps=3");
        assert_eq!(origin("training.clip_norm"), "ATTENTIVE_SET_TRAINING__CLIP_NORM of the environment");
        assert_eq!(origin("training.seed"), "the built-in recipe, line 3");
    }

    #[test]
    fn a_recipe_that_is_built_in_is_found_by_its_name_and_by_those_that_extend_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(&path, "extends = 'gpt.toml'\nname = 'mine'\n").unwrap();
        let steps = |layers: &Layers| layers.table["training"]["steps"].as_integer();
        let (mine, gpt) = (Layers::read(&path).unwrap(), Layers::read(Path::new("gpt")).unwrap());
        assert_eq!((steps(&mine), mine.table["name"].as_str()), (steps(&gpt), Some("mine")));
        assert!(mine.origins.of("training.steps").unwrap().to_string().starts_with("the built-in recipe gpt, line "));
        assert_eq!(
            Layers::builtin("multi30k-rnn").unwrap().table["data"],
            Layers::builtin("multi30k").unwrap().table["data"]
        );
        fs::write(folder.path().join("gpt.toml"), "training.steps = 7").unwrap();
        assert_eq!(steps(&Layers::read(&path).unwrap()), Some(7), "a file comes first");
        let error = format!("{:#}", Layers::read(Path::new("brt")).unwrap_err());
        assert!(error.contains("can't read the recipe brt (of those built in, did you mean `bert`?)"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_text_is_named_if_it_sets_something() {
        let damaged = || -> OsString { std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]) };
        let mut layers = Layers::default();
        layers.set_environment([("OTHER".into(), damaged()), (damaged(), "x".into())]).unwrap();
        let error = layers.set_environment([("ATTENTIVE_SET_NAME".into(), damaged())]).unwrap_err().to_string();
        assert!(error.starts_with("ATTENTIVE_SET_NAME of the environment is not UTF-8"), "{error}");
    }
}
