//! Settings laid over settings: a recipe over the one that it extends, then the environment, then the command line.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::origins::{Origin, Origins};

/// How many recipes may extend one another.
const MAX_DEPTH: usize = 16;

/// What the names of variables begin with that set something: `ATTENTIVE_SET_TRAINING__STEPS` is `training.steps`.
const ENVIRONMENT: &str = "ATTENTIVE_SET_";

/// Settings, and where each was made.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) table: Table,
    pub(super) origins: Origins,
}

impl Layers {
    /// Reads a recipe and, beneath it, the one that its `extends` names.
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::read_at(path, 0)
    }

    fn read_at(path: &Path, depth: usize) -> Result<Self> {
        if depth == MAX_DEPTH {
            bail!("{}: `extends` goes round in a circle", path.display());
        }
        let text = fs::read_to_string(path).with_context(|| format!("can't read the recipe {}", path.display()))?;
        let mut own = Self::parse(&text, |line| Origin::File(path.to_owned(), line))
            .with_context(|| path.display().to_string())?;
        match own.table.remove("extends") {
            None => Ok(own),
            Some(Value::String(base)) => {
                let base = path.parent().unwrap_or(Path::new("")).join(base);
                let mut merged = Self::read_at(&base, depth + 1)?;
                for key in own.table.get("batch").and_then(Value::as_table).into_iter().flat_map(Table::keys) {
                    forget_rivals(&mut merged.table, &format!("batch.{key}"));
                }
                lay_over(&mut merged.table, own.table);
                merged.origins.lay_over(own.origins);
                Ok(merged)
            }
            Some(other) => bail!("{}: extends = {other}: expected the path of a recipe", path.display()),
        }
    }

    /// Reads a recipe's text, whose lines are of `origin`.
    pub(super) fn parse(text: &str, origin: impl Fn(usize) -> Origin) -> Result<Self> {
        let mut origins = Origins::default();
        note(DeTable::parse(text)?.get_ref(), "", &mut origins, &|at| origin(1 + text[..at].matches('\n').count()));
        Ok(Self { table: text.parse()?, origins })
    }

    /// Applies the variables of the environment that set something.
    pub(super) fn set_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<()> {
        let mut variables: Vec<(String, String)> = variables.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            if let Some(key) = name.strip_prefix(ENVIRONMENT) {
                let key = key.to_lowercase().replace("__", ".");
                self.set_key(&key, &value, &Origin::Environment(name.clone())).with_context(|| name.clone())?;
            }
        }
        Ok(())
    }

    /// Applies one `a.b.c=value` of the command line; the value is TOML, or else a string.
    pub(super) fn set(&mut self, setting: &str) -> Result<()> {
        let Some((key, text)) = setting.split_once('=') else {
            bail!("--set {setting}: expected key=value, for example training.steps=1000");
        };
        let origin = Origin::CommandLine(setting.to_owned());
        self.set_key(key.trim(), text, &origin).with_context(|| format!("--set {setting}"))
    }

    fn set_key(&mut self, key: &str, text: &str, origin: &Origin) -> Result<()> {
        let value = format!("value = {text}")
            .parse::<Table>()
            .ok()
            .and_then(|mut parsed| parsed.remove("value"))
            .unwrap_or_else(|| Value::String(text.to_owned()));
        forget_rivals(&mut self.table, key);
        let mut keys: Vec<&str> = key.split('.').collect();
        let last = keys.pop().filter(|key| !key.is_empty()).context("no key")?;
        let mut table = &mut self.table;
        for key in keys {
            let entry = table.entry(key).or_insert_with(|| Table::new().into());
            table = entry.as_table_mut().with_context(|| format!("`{key}` is no table"))?;
        }
        table.insert(last.to_owned(), value);
        self.origins.insert(key.to_owned(), origin.clone());
        Ok(())
    }
}

/// Settings that say the same thing: the one made last holds.
const RIVALS: [&str; 3] = ["tokens", "max_tokens", "rows"];

/// Takes out what a setting of `batch` stands in for.
fn forget_rivals(table: &mut Table, key: &str) {
    let Some(key) = key.strip_prefix("batch.").filter(|key| RIVALS.contains(key)) else { return };
    if let Some(batch) = table.get_mut("batch").and_then(Value::as_table_mut) {
        RIVALS.iter().filter(|&&rival| rival != key).for_each(|&rival| drop(batch.remove(rival)));
    }
}

/// Notes where each key below `prefix` stands.
fn note(table: &DeTable<'_>, prefix: &str, origins: &mut Origins, origin: &impl Fn(usize) -> Origin) {
    for (key, value) in table {
        let dotted = format!("{prefix}{}", key.get_ref());
        if let DeValue::Table(table) = value.get_ref() {
            note(table, &format!("{dotted}."), origins, origin);
        }
        origins.insert(dotted, origin(key.span().start));
    }
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
    use super::*;

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
        let origin = |name: &str, line| Some(Origin::File(path(name), line));
        assert_eq!(layers.origins.of("training.steps").cloned(), origin("mine.toml", 5));
        assert_eq!(layers.origins.of("training.seed").cloned(), origin("base.toml", 4));
    }

    #[test]
    fn a_circle_of_recipes_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs::write(&path, "extends = 'a.toml'").unwrap();
        assert!(Layers::read(&path).unwrap_err().to_string().contains("circle"));
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
        let mut layers = Layers::parse("[training]\nsteps = 1\nseed = 1\nclip_norm = 1.0", Origin::Builtin).unwrap();
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
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
}
