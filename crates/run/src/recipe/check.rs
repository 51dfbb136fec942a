//! A recipe held against its schema: every key and value at once, in one walk.

use std::collections::BTreeSet;

use attentive_task::config::{PATH_FORMAT, Problem, advice, nearest};
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::{problems::Problems, ranges};

/// The longest value that a message repeats whole, in characters.
const LONGEST: usize = 60;

/// Holds `value`, which is at `path`, against a schema; what is wrong with it is added to `problems`.
///
/// Schemas are those of [`schema`](mod@super::schema): objects without further keys, unions that a key or a name
/// decides, and scalars. Each part of the value is looked at once; in a union that nothing decides, once for each of its
/// schemas.
pub(super) fn check(schema: &Json, value: &Value, path: &str, problems: &mut Problems) {
    Checker { problems, n_steps: 0 }.check(schema, value, path);
}

/// What is wrong with the key of a setting that no recipe of a schema has, whatever else it says.
pub(super) fn unknown(schema: &Json, key: &str) -> Option<Problem> {
    let (mut path, mut schemas) = (String::new(), vec![schema]);
    for part in key.split('.') {
        let name = part.split_once('[').map_or(part, |(name, _)| name);
        let tables: Vec<_> = schemas.into_iter().flat_map(tables).collect();
        schemas = tables.iter().filter_map(|table| table.get(name)).collect();
        if schemas.is_empty() {
            return (!tables.is_empty()).then(|| Problem::at(join(&path, part), no_such(&tables, &path, name)));
        }
        path = join(&path, part);
    }
    None
}

/// The settings of each of the tables that a value may be, or have.
fn tables(schema: &Json) -> Vec<&Map<String, Json>> {
    match (alternatives(schema), schema.get("items")) {
        (Some(schemas), _) => schemas.iter().flat_map(tables).collect(),
        (None, Some(items)) => tables(items),
        (None, None) => schema["properties"].as_object().into_iter().collect(),
    }
}

/// Says that these tables, which are at `path`, do not have a setting: with one that is like it, or of its name further in.
fn no_such(tables_there: &[&Map<String, Json>], path: &str, key: &str) -> String {
    let settings = || tables_there.iter().flat_map(|table| table.iter());
    let known: BTreeSet<&str> = settings().map(|(name, _)| name.as_str()).collect();
    let inside = settings().find(|(_, schema)| tables(schema).iter().any(|table| table.contains_key(key)));
    match inside {
        Some((table, _)) if nearest(key, &known.iter().copied().collect::<Vec<_>>()).is_none() => {
            format!("no such setting; did you mean `{}`?", join(&join(path, table), key))
        }
        _ => format!("no such setting; {}", advice(key, known)),
    }
}

struct Checker<'a> {
    problems: &'a mut Problems,
    /// Values looked at.
    n_steps: usize,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Json, value: &Value, path: &str) {
        self.n_steps += 1;
        if let Some(schemas) = alternatives(schema) {
            return self.check_union(schema, schemas, value, path);
        }
        match (schema["type"].as_str(), value) {
            (Some("object"), Value::Table(table)) => self.check_table(schema, table, path),
            (Some("array"), Value::Array(values)) => {
                for (idx, value) in values.iter().enumerate() {
                    self.check(&schema["items"], value, &format!("{path}[{idx}]"));
                }
            }
            _ if is_scalar(schema, value) => {}
            _ => self.add(path, format!("{} must be {}", show(value), describe(schema))),
        }
    }

    fn check_table(&mut self, schema: &Json, table: &Table, path: &str) {
        let Some(properties) = schema["properties"].as_object() else { return };
        for (key, value) in table {
            match properties.get(key) {
                Some(schema) => self.check(schema, value, &join(path, key)),
                None => self.add(&join(path, key), no_such(&[properties], path, key)),
            }
        }
        for key in required(schema).filter(|&key| !table.contains_key(key)) {
            self.add(path, missing(key, &properties[key]));
        }
    }

    fn check_union(&mut self, schema: &Json, schemas: &[Json], value: &Value, path: &str) {
        // Where recipes extend one another, the tag may be in the other one.
        let is_told = |tag: &&str| value.get(*tag).is_some() || required(&schemas[0]).any(|key| key == *tag);
        if let Some(tag) = tag_of(schemas).filter(is_told) {
            return self.check_tagged(tag, schemas, value, path);
        }
        if let Some(names) = names_of(schemas) {
            return self.check_named(&names, value, path);
        }
        let mut best: Option<Problems> = None;
        for schema in schemas.iter().filter(|schema| is_of_kind(schema, value)) {
            let mut problems = Problems::default();
            let mut checker = Checker { problems: &mut problems, n_steps: 0 };
            checker.check(schema, value, path);
            self.n_steps += checker.n_steps;
            if problems.len() == 0 {
                return;
            }
            if best.as_ref().is_none_or(|best| problems.len() < best.len()) {
                best = Some(problems);
            }
        }
        let tables: Vec<_> = schemas.iter().flat_map(tables).collect();
        let is_of_none = |key: &&String| !tables.iter().any(|of| of.contains_key(*key));
        let of_none: Vec<&String> = value.as_table().into_iter().flat_map(Table::keys).filter(is_of_none).collect();
        if !tables.is_empty() && !of_none.is_empty() {
            return of_none.into_iter().for_each(|key| self.add(&join(path, key), no_such(&tables, path, key)));
        }
        if let Some([key, other]) = value.as_table().and_then(|table| at_odds(schemas, table)) {
            let text = format!(
                "{} and {} do not go together: leave one out, or set the table anew, {path} = {{ {other} = … }}",
                join(path, key),
                join(path, other)
            );
            return self.problems.add(Problem::among([join(path, key), join(path, other)], text));
        }
        let are_tables = |values: &Vec<Value>| values.iter().all(Value::is_table);
        match best.filter(|_| value.is_table() || value.as_array().is_some_and(are_tables)) {
            Some(problems) => self.problems.append(problems),
            None => self.add(path, format!("{} must be {}", show(value), describe(schema))),
        }
    }

    /// Tables that one key tells apart: `kind` of `[schedule]`.
    fn check_tagged(&mut self, tag: &str, schemas: &[Json], value: &Value, path: &str) {
        let names = || schemas.iter().filter_map(|schema| schema["properties"][tag]["const"].as_str());
        let Value::Table(table) = value else {
            return self.add(path, format!("{} must be a table with {tag}", show(value)));
        };
        let Some(name) = table.get(tag) else {
            let names: Vec<&str> = names().collect();
            return self.add(path, format!("`{tag}` is missing; there are: {}", names.join(", ")));
        };
        let own = schemas.iter().find(|schema| schema["properties"][tag]["const"].as_str() == name.as_str());
        match own.filter(|_| name.is_str()) {
            Some(schema) => self.check_table(schema, table, path),
            None => {
                let advice = advice(name.as_str().unwrap_or_default(), names());
                self.add(&join(path, tag), format!("{} is not known; {advice}", show(name)));
            }
        }
    }

    /// Names, some of which head a table of settings: `"alibi"`, `{ rotary = { theta = 1e4 } }`.
    fn check_named(&mut self, names: &[(&str, Option<&Json>)], value: &Value, path: &str) {
        let known = |name: &str| names.iter().find(|(known, _)| *known == name);
        match value {
            Value::String(name) => match known(name) {
                Some((_, None)) => {}
                Some((name, Some(_))) => self.add(path, format!("{name} has settings: write {{ {name} = {{}} }}")),
                None => self.unknown_name(names, value, path),
            },
            Value::Table(table) if table.len() == 1 => {
                match table.iter().next().map(|(name, value)| (known(name), value)) {
                    Some((Some((name, Some(schema))), value)) => self.check(schema, value, &join(path, name)),
                    Some((Some((name, None)), _)) => {
                        self.add(path, format!("{name} has no settings: write \"{name}\""));
                    }
                    _ => self.unknown_name(names, value, path),
                }
            }
            _ => self.unknown_name(names, value, path),
        }
    }

    fn unknown_name(&mut self, names: &[(&str, Option<&Json>)], value: &Value, path: &str) {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let text = match value.as_str().and_then(|name| nearest(name, &names)) {
            Some(nearest) => format!("{} is not known; did you mean `{nearest}`?", show(value)),
            None => format!("{} must be one of: {}", show(value), names.join(", ")),
        };
        self.add(path, text);
    }

    fn add(&mut self, path: &str, text: String) {
        self.problems.add(Problem::at(path, text));
    }
}

/// The schemas that a value may follow any of.
fn alternatives(schema: &Json) -> Option<&Vec<Json>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()
}

/// Two settings of a table that some of these schemas have, and none has together.
fn at_odds<'a>(schemas: &[Json], table: &'a Table) -> Option<[&'a str; 2]> {
    let tables: Vec<_> = schemas.iter().flat_map(tables).collect();
    let keys: Vec<&str> =
        table.keys().map(String::as_str).filter(|key| tables.iter().any(|of| of.contains_key(*key))).collect();
    let are_apart = |a: &str, b: &str| !tables.iter().any(|of| of.contains_key(a) && of.contains_key(b));
    let mut pairs = keys.iter().enumerate().flat_map(|(at, a)| keys[at + 1..].iter().map(move |b| [*a, *b]));
    pairs.find(|[a, b]| are_apart(a, b))
}

/// The key whose name tells tables apart, if that is what these schemas are.
fn tag_of(schemas: &[Json]) -> Option<&str> {
    let constants = |schema: &Json| -> Option<Vec<String>> {
        let properties = schema["properties"].as_object()?.iter();
        Some(properties.filter(|(_, one)| one.get("const").is_some()).map(|(key, _)| key.clone()).collect())
    };
    let tags = schemas.iter().map(constants).collect::<Option<Vec<_>>>()?;
    let tag = tags.first()?.first()?;
    let properties = schemas[0]["properties"].as_object()?;
    properties.keys().map(String::as_str).find(|key| key == tag && tags.iter().all(|of| of.contains(tag)))
}

/// The names that a value may be, or head its only table, if that is what these schemas are.
fn names_of(schemas: &[Json]) -> Option<Vec<(&str, Option<&Json>)>> {
    let mut names = Vec::new();
    for schema in schemas {
        if let Some(name) = schema.get("const") {
            names.push((name.as_str()?, None));
        } else if let Some(constants) = schema.get("enum") {
            names.extend(constants.as_array()?.iter().filter_map(|name| Some((name.as_str()?, None))));
        } else {
            let only = schema["properties"].as_object().filter(|properties| properties.len() == 1)?;
            let (name, inner) = only.iter().next()?;
            required(schema).find(|key| key == name)?;
            names.push((name, Some(inner)));
        }
    }
    // A union of tables alone is one of other kinds of value.
    names.iter().any(|(_, inner)| inner.is_none()).then_some(names)
}

fn required(schema: &Json) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn missing(key: &str, schema: &Json) -> String {
    let meaning = schema["description"].as_str().and_then(|text| text.lines().next()).unwrap_or_default();
    let meaning = meaning.trim_end_matches('.');
    if meaning.is_empty() { format!("`{key}` is missing") } else { format!("`{key}` is missing ({meaning})") }
}

/// Whether a value could follow a schema, by its kind alone.
fn is_of_kind(schema: &Json, value: &Value) -> bool {
    match schema["type"].as_str() {
        Some("object") => value.is_table(),
        Some("array") => value.is_array(),
        Some(_) => !value.is_table() && !value.is_array(),
        None => alternatives(schema).is_none_or(|schemas| schemas.iter().any(|schema| is_of_kind(schema, value))),
    }
}

fn is_scalar(schema: &Json, value: &Value) -> bool {
    if let Some(constant) = schema.get("const") {
        return constant.as_str().is_some() && constant.as_str() == value.as_str();
    }
    if let Some(constants) = schema["enum"].as_array() {
        return value.is_str() && constants.iter().any(|constant| constant.as_str() == value.as_str());
    }
    match (schema["type"].as_str(), value) {
        (Some("integer" | "number"), Value::Integer(n)) => ranges::is_within(schema, *n as f64),
        (Some("number"), Value::Float(x)) => x.is_finite() && ranges::is_within(schema, *x),
        (Some("boolean"), Value::Boolean(_)) | (Some("string"), Value::String(_)) => true,
        _ => false,
    }
}

/// What a value of a schema is, in words.
fn describe(schema: &Json) -> String {
    if let Some(schemas) = alternatives(schema) {
        return schemas.iter().map(describe).collect::<Vec<_>>().join(", or ");
    }
    if let Some(constants) = schema["enum"].as_array() {
        return format!("one of: {}", constants.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", "));
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    match schema["type"].as_str() {
        Some("integer") => format!("an integer{}", ranges::describe(schema)),
        Some("number") => format!("a number{}", ranges::describe(schema)),
        Some("boolean") => "true or false".into(),
        Some("string") if schema["format"] == PATH_FORMAT => "the path of a file or folder".into(),
        Some("string") => "a string".into(),
        Some("array") => format!("an array, each item {}", describe(&schema["items"])),
        _ => {
            let keys = schema["properties"].as_object().into_iter().flat_map(Map::keys);
            format!("a table of {}", keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A value as it is written, in short.
fn show(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".into(),
        Value::Array(_) => "an array".into(),
        Value::String(text) if text.chars().count() > LONGEST => {
            format!("\"{}…\"", text.chars().take(LONGEST).collect::<String>())
        }
        value => value.to_string(),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::origins::Origins, *};

    fn refusal(schema: &Json, text: &str) -> String {
        let mut problems = Problems::default();
        check(schema, &text.parse::<Table>().unwrap().into(), "", &mut problems);
        problems.into_result(&Origins::default()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[allow(clippy::needless_pass_by_value, reason = "it is a literal")]
    fn object(properties: Json, required: Json) -> Json {
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    #[test]
    fn unions_are_decided_by_tag_by_name_or_by_fit() {
        let of_kind = |kind: &str, key: &str| {
            object(json!({ "kind": { "const": kind }, key: { "type": "integer", "minimum": 1 } }), json!(["kind", key]))
        };
        let tsv = object(json!({ "tsv": { "type": "string" } }), json!(["tsv"]));
        let sides = object(json!({ "a": { "type": "string" }, "b": { "type": "string" } }), json!(["a", "b"]));
        let schema = object(
            json!({
                "s": { "oneOf": [of_kind("noam", "warm"), of_kind("flat", "lr")] },
                "p": { "oneOf": [{ "const": "alibi" }, object(json!({ "turn": of_kind("x", "theta") }), json!(["turn"]))] },
                "f": { "anyOf": [object(json!({ "a": { "type": "string" }, "b": { "type": "string" } }), json!(["a", "b"])),
                                 object(json!({ "tsv": { "type": "string" } }), json!(["tsv"]))] },
                "n": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "auto" }] },
                "l": { "anyOf": [{ "anyOf": [tsv, sides] }, { "type": "array", "items": { "anyOf": [tsv, sides] } }] },
            }),
            json!([]),
        );
        let says = |text: &str, expected: &str| assert_eq!(refusal(&schema, text), expected, "{text}");
        says("n = 3\np = 'alibi'\nf = { tsv = 'x' }\n[s]\nkind = 'flat'\nlr = 1", "");
        says("[s]\nkind = 'flat'\nwarm = 1", "s.warm: no such setting; there are: kind, lr\ns: `lr` is missing");
        says("[s]\nkind = 'noan'", "s.kind: \"noan\" is not known; did you mean `noam`?");
        says("[s]\nlr = 1", "s: `kind` is missing; there are: noam, flat");
        says("p = 'turn'", "p: turn has settings: write { turn = {} }");
        says("p = 'albi'", "p: \"albi\" is not known; did you mean `alibi`?");
        says("p = 3", "p: 3 must be one of: alibi, turn");
        says("p = { turn = { kind = 'x', theta = 0 } }", "p.turn.theta: 0 must be an integer of at least 1");
        says("f = { a = 'x' }", "f: `b` is missing");
        says(
            "f = { a = 'x', b = 'y', tsv = 'z' }",
            "f.a and f.tsv do not go together: leave one out, or set the table anew, f = { tsv = … }",
        );
        says("l = [{ tsv = 'x' }, { a = 'x', b = 'y' }]", "");
        says("l = [{ tsv = 'x' }, { tsv = 3 }]", "l[1].tsv: 3 must be a string");
        says("l = { tsv = 3 }", "l.tsv: 3 must be a string");
        says("n = 0", "n: 0 must be an integer of at least 1, or \"auto\"");
        says("n = 'aut'", "n: \"aut\" must be an integer of at least 1, or \"auto\"");
        says(
            "q = 0\nr = 1",
            "q: no such setting; there are: f, l, n, p, s\nr: no such setting; there are: f, l, n, p, s",
        );
    }

    #[test]
    fn each_value_is_looked_at_once() {
        let schema = object(json!({ "a": object(json!({ "b": { "type": "integer" } }), json!([])) }), json!([]));
        let steps = |n: usize| {
            let text: String = (0..n).map(|idx| format!("[x{idx}]\ny = 1\n")).collect();
            let mut problems = Problems::default();
            let mut checker = Checker { problems: &mut problems, n_steps: 0 };
            checker.check(&schema, &format!("{text}[a]\nb = 1\n").parse::<Table>().unwrap().into(), "");
            let n_steps = checker.n_steps;
            assert_eq!(problems.len(), n);
            n_steps
        };
        assert_eq!((steps(0), steps(10_000)), (3, 3));
    }
}
