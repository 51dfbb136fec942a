//! Paths in recipes: relative to the file that they are written in.

use std::{
    env, fs,
    path::{self, Path, PathBuf},
};

use attentive_task::config::{PATH_FORMAT as FORMAT, Problem};
use serde_json::Value as Json;
use toml::Value;

use super::{
    Problems,
    origins::{Origin, Origins},
};

/// Makes the paths in a recipe such that they can be opened, by its schema: what is written in a file is relative to the
/// file's folder, and all else to the working folder. What is inside the working folder stays relative to it.
pub(super) fn resolve(schema: &Json, value: &mut Value, origins: &Origins) {
    let here = env::current_dir().ok();
    visit(schema, value, "", &mut |key, path| {
        let folder = match origins.of(key) {
            Some(Origin::File(path, _)) => path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        let joined = folder.join(path);
        let short = here.as_ref().and_then(|here| joined.strip_prefix(here).ok());
        short.filter(|short| !short.as_os_str().is_empty()).unwrap_or(&joined).to_owned()
    });
}

/// Makes the paths in a recipe absolute, so that they mean the same from any folder.
pub(super) fn make_absolute(schema: &Json, value: &mut Value) {
    visit(schema, value, "", &mut |_, path| path::absolute(path).unwrap_or_else(|_| path.to_owned()));
}

/// Refuses data that can't be read twice, a pipe for example.
pub(super) fn refuse_pipes(schema: &Json, value: &mut Value, problems: &mut Problems) {
    visit(schema, value, "", &mut |key, path| {
        let is_pipe = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        let is_input = path.as_os_str() == "-";
        if key.starts_with("data.") && (is_pipe || is_input) {
            let what = if is_input { "standard input" } else { "a pipe or a device" };
            let problem = format!("{} is not a file but {what}, and data is read more than once", path.display());
            problems.add(Problem::at(key, format!("{problem}: write it to a file first")));
        }
        path.to_owned()
    });
}

/// Replaces each path by what `f` gives for the key that it is at.
fn visit(schema: &Json, value: &mut Value, key: &str, f: &mut impl FnMut(&str, &Path) -> PathBuf) {
    for schema in ["oneOf", "anyOf"].iter().filter_map(|union| schema[union].as_array()).flatten() {
        visit(schema, value, key, f);
    }
    match value {
        Value::Table(table) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                if let Some(value) = table.get_mut(name) {
                    visit(schema, value, &key, f);
                }
            }
        }
        Value::Array(values) => {
            for (idx, value) in values.iter_mut().enumerate() {
                let key = if value.is_table() { format!("{key}[{idx}]") } else { key.to_owned() };
                visit(&schema["items"], value, &key, f);
            }
        }
        Value::String(text) if schema["format"] == FORMAT && !text.is_empty() => {
            if let Ok(path) = f(key, Path::new(text)).into_os_string().into_string() {
                *text = path;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected(a: &str, b: &str, c: &str) -> [(String, Value); 4] {
        let values = [Value::from(vec![a, "/abs/y"]), b.into(), c.into(), "x".into()];
        let mut keys = ["a", "b", "c", "d"].into_iter();
        values.map(|value| (keys.next().unwrap().to_owned(), value))
    }

    #[test]
    fn a_path_is_relative_to_where_it_is_written() {
        let path = json!({ "type": "string", "format": FORMAT });
        let files = json!({ "anyOf": [path, { "type": "array", "items": path }] });
        let schema =
            json!({ "type": "object", "properties": { "a": files, "b": files, "c": path, "d": { "type": "string" } } });
        let text = "a = ['x', '/abs/y']\nb = '../x'\nc = 'x'\nd = 'x'";
        let mut value: Value = text.parse::<toml::Table>().unwrap().into();
        let mut origins = Origins::default();
        let here = env::current_dir().unwrap();
        origins.insert("a", Origin::File(here.join("r/a.toml").as_path().into(), 1));
        origins.insert("b", Origin::File(Path::new("q/r.toml").into(), 1));
        origins.insert("c", Origin::CommandLine("c=x".into()));
        resolve(&schema, &mut value, &origins);
        let short = expected("r/x", "q/../x", "x");
        assert_eq!(value.to_string(), Value::from(toml::Table::from_iter(short)).to_string());
        make_absolute(&schema, &mut value);
        let at = |tail: &str| here.join(tail).to_str().unwrap().to_owned();
        let absolute = expected(&at("r/x"), &at("q/../x"), &at("x"));
        assert_eq!(value.to_string(), Value::from(toml::Table::from_iter(absolute)).to_string());
    }
}
