//! Settings laid over settings.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// How many recipes may extend one another.
const MAX_DEPTH: usize = 16;

/// Reads a recipe and, beneath it, the one that its `extends` names.
pub(super) fn read(path: &Path) -> Result<Table> {
    read_at(path, 0)
}

fn read_at(path: &Path, depth: usize) -> Result<Table> {
    if depth == MAX_DEPTH {
        bail!("{}: `extends` goes round in a circle", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| format!("can't read the recipe {}", path.display()))?;
    let mut table: Table = text.parse().with_context(|| path.display().to_string())?;
    match table.remove("extends") {
        None => Ok(table),
        Some(Value::String(base)) => {
            let base = path.parent().unwrap_or(Path::new("")).join(base);
            let mut merged = read_at(&base, depth + 1)?;
            lay_over(&mut merged, table);
            Ok(merged)
        }
        Some(other) => bail!("{}: extends = {other}: expected the path of a recipe", path.display()),
    }
}

/// Lays `upper` over `lower`: tables are merged, anything else is replaced.
fn lay_over(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => lay_over(lower, upper),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// Applies one `a.b.c=value`; the value is TOML, or else a string.
pub(super) fn set(table: &mut Table, setting: &str) -> Result<()> {
    let Some((path, text)) = setting.split_once('=') else {
        bail!("--set {setting}: expected key=value, for example training.steps=1000");
    };
    let value = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().filter(|key| !key.is_empty()).with_context(|| format!("--set {setting}: no key"))?;
    let mut table = table;
    for key in keys {
        let entry = table.entry(key).or_insert_with(|| Table::new().into());
        table = entry.as_table_mut().with_context(|| format!("--set {setting}: `{key}` is no table"))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_extends_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("base.toml"), "name = 'base'\n[training]\nsteps = 1\nseed = 2\n").unwrap();
        fs::write(path("mine.toml"), "extends = 'base.toml'\nname = 'mine'\n[training]\nsteps = 9\n").unwrap();
        let expected = "name = 'mine'\n[training]\nsteps = 9\nseed = 2\n".parse::<Table>().unwrap();
        assert_eq!(read(&path("mine.toml")).unwrap(), expected);
    }

    #[test]
    fn a_circle_of_recipes_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs::write(&path, "extends = 'a.toml'").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn values_are_toml_or_else_strings() {
        let mut table = Table::new();
        for setting in ["a.b=3", "a.c=x.en", "d=[1, 2]", "e=true"] {
            set(&mut table, setting).unwrap();
        }
        let expected = "d = [1, 2]\ne = true\n[a]\nb = 3\nc = 'x.en'".parse::<Table>().unwrap();
        assert_eq!(table, expected);
        assert!(set(&mut table, "a").is_err() && set(&mut table, "d.x=1").is_err());
    }
}
