//! The JSON Schema of recipes, for editors.
//!
//! It is found out by asking: a recipe with an unknown key or a value of a wrong kind is refused in words that name what
//! there is instead, and a number out of its range is refused in whatever words. So the schema knows exactly what the reader
//! of recipes knows, whatever settings a crate adds.

use attentive_model::Role;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use toml::{Table, Value};

use super::{
    CausalLmRecipe, ClassificationRecipe, MaskedLmRecipe, RunRecipe, SpanCorruptionRecipe, TASKS, TranslationRecipe,
    descriptions::describe, presets::names, problems::names_in, ranges::Whole,
};

/// A key that no setting has; it sorts before every other one, and so is met first.
pub(super) const PROBE: &str = "__probe__";

/// The schema of a recipe. No setting is required, as a recipe may extend another.
pub(crate) fn schema() -> Json {
    let [seq2seq, gpts, encoders] = [Role::EncoderDecoder, Role::LanguageModel, Role::Encoder].map(names);
    let tasks = [
        of_task::<TranslationRecipe>(TASKS[0], seq2seq.clone()),
        of_task::<CausalLmRecipe>(TASKS[1], gpts),
        of_task::<MaskedLmRecipe>(TASKS[2], encoders.clone()),
        of_task::<ClassificationRecipe>(TASKS[3], encoders),
        of_task::<SpanCorruptionRecipe>(TASKS[4], seq2seq),
    ];
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A training recipe of attentive",
        "anyOf": tasks,
    })
}

/// The schema of recipes of one task, whose own settings are an `R`, with the names of its presets.
fn of_task<R: DeserializeOwned>(task: &str, presets: Vec<&str>) -> Json {
    let whole = Whole::of_task(task);
    let mut schema = schema_of_recipe::<R>(&whole);
    let text = |description: &str| json!({ "type": "string", "description": description });
    // Keys that are read before the rest is.
    let mut preset = text("The model whose settings stand where none are given.");
    preset["enum"] = presets.into();
    for family in schema["properties"]["model"]["anyOf"].as_array_mut().into_iter().flatten() {
        family["properties"]["preset"] = preset.clone();
    }
    schema["properties"]["batch"]["properties"]["tokens"] = auto_size();
    schema["properties"]["task"] = json!({ "const": task });
    schema["properties"]["extends"] = text("Path of the recipe that this one is laid over.");
    if let Json::Object(run) = schema_of_recipe::<RunRecipe>(&whole)["properties"].take() {
        run.into_iter().for_each(|(key, value)| schema["properties"][key] = value);
    }
    schema
}

/// The schemas of the structures that recipes are read into.
#[cfg(test)]
pub(super) fn parts() -> Vec<Json> {
    vec![
        schema_of_recipe::<RunRecipe>(&Whole::of_task(TASKS[0])),
        schema_of_recipe::<TranslationRecipe>(&Whole::of_task(TASKS[0])),
        schema_of_recipe::<CausalLmRecipe>(&Whole::of_task(TASKS[1])),
        schema_of_recipe::<MaskedLmRecipe>(&Whole::of_task(TASKS[2])),
        schema_of_recipe::<ClassificationRecipe>(&Whole::of_task(TASKS[3])),
        schema_of_recipe::<SpanCorruptionRecipe>(&Whole::of_task(TASKS[4])),
    ]
}

fn schema_of_recipe<R: DeserializeOwned>(whole: &Whole) -> Json {
    let within = |value| match value {
        Value::Table(table) => table,
        other => Table::from_iter([(PROBE.to_owned(), other)]),
    };
    let mut schema = schema_of::<R>(whole, &within);
    describe(&mut schema);
    schema
}

/// The schema of a value that `within` puts into its place in an `R`, a part of a whole recipe.
fn schema_of<R: DeserializeOwned>(whole: &Whole, within: &dyn Fn(Value) -> Table) -> Json {
    let answer = ask::<R>(within(Table::from_iter([(PROBE.to_owned(), Value::from(0))]).into()));
    if let Some(fields) = names_in(&answer, "unknown field `") {
        object::<R>(whole, fields, &|key, value| within(Table::from_iter([(key.to_owned(), value)]).into()))
    } else if let Some(variants) = names_in(&answer, "unknown variant `") {
        any_of(variants.into_iter().map(|variant| {
            let answer = ask::<R>(within(Value::String(variant.clone())));
            match answer.contains("unit variant") {
                true => json!({ "type": "object", "properties": { &variant: {} }, "required": [variant] }),
                false => json!({ "const": variant }),
            }
        }))
    } else if let Some(tag) = answer.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let tagged = |variant: &str| Table::from_iter([(tag.to_owned(), Value::from(variant))]);
        let variants = names_in(&ask::<R>(within(tagged(PROBE).into())), "unknown variant `").unwrap_or_default();
        any_of(variants.into_iter().map(|variant| {
            let with = |key: &str, value: Value| {
                let mut table = tagged(&variant);
                table.insert(key.to_owned(), value);
                within(table.into())
            };
            let fields = names_in(&ask::<R>(with(PROBE, 0.into())), "unknown field `").unwrap_or_default();
            let mut schema = object::<R>(whole, fields, &with);
            schema["properties"][tag] = json!({ "const": variant });
            schema
        }))
    } else {
        let mut schema = scalar(&answer);
        whole.narrow(&mut schema, within);
        schema
    }
}

/// What a table is refused for as an `R`; nothing if it is not.
fn ask<R: DeserializeOwned>(table: Table) -> String {
    table.try_into::<R>().err().map(|error| error.message().to_owned()).unwrap_or_default()
}

fn object<R: DeserializeOwned>(whole: &Whole, fields: Vec<String>, within: &dyn Fn(&str, Value) -> Table) -> Json {
    let properties: Map<String, Json> = fields
        .into_iter()
        .map(|key| {
            let schema = schema_of::<R>(whole, &|value| within(&key, value));
            (key, schema)
        })
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Any of several schemas; if all are constants, an enumeration.
fn any_of(schemas: impl Iterator<Item = Json>) -> Json {
    let schemas: Vec<Json> = schemas.collect();
    let constants: Option<Vec<&Json>> = schemas.iter().map(|schema| schema.get("const")).collect();
    match constants {
        Some(constants) => json!({ "enum": constants }),
        None => json!({ "anyOf": schemas }),
    }
}

/// What `attentive_data::auto_size` reads.
fn auto_size() -> Json {
    json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "auto" }] })
}

/// From "invalid type: map, expected u64" to an integer; what is no scalar may be anything.
fn scalar(answer: &str) -> Json {
    let expected = answer.rsplit_once("expected ").map_or(answer, |(_, expected)| expected);
    let words: Vec<&str> = expected.split(|c: char| !c.is_alphanumeric()).collect();
    let is = |names: &[&str]| names.iter().any(|name| words.contains(name));
    match () {
        () if expected.ends_with("or \"auto\"") => auto_size(),
        () if is(&["u64", "u32", "usize", "u8", "u16"]) => json!({ "type": "integer", "minimum": 0 }),
        () if is(&["i64", "i32", "integer"]) => json!({ "type": "integer" }),
        () if is(&["f64", "f32"]) => json!({ "type": "number" }),
        () if is(&["boolean"]) => json!({ "type": "boolean" }),
        () if is(&["string", "path"]) && answer.starts_with("invalid type") => json!({ "type": "string" }),
        () if is(&["sequence", "array"]) && answer.starts_with("invalid type") => json!({ "type": "array" }),
        () => json!({ "description": expected }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::recipe::{BUILTIN, Recipe, layers::Layers, origins::Origin};

    /// Whether a recipe's value is what a schema allows, as far as schemas are made here.
    fn allows(schema: &Json, value: &Value) -> bool {
        if let Some(schemas) = schema["anyOf"].as_array() {
            return schemas.iter().any(|schema| allows(schema, value));
        }
        if let Some(constants) = schema["enum"].as_array() {
            return constants.iter().any(|constant| constant.as_str() == value.as_str());
        }
        if let Some(constant) = schema.get("const") {
            return constant.as_str() == value.as_str();
        }
        match (schema["type"].as_str(), value) {
            (Some("object"), Value::Table(table)) => {
                table.iter().all(|(key, value)| schema["properties"].get(key).is_some_and(|one| allows(one, value)))
            }
            (Some("integer"), Value::Integer(n)) => is_within(schema, *n as f64),
            (Some("number"), Value::Integer(n)) => is_within(schema, *n as f64),
            (Some("number"), Value::Float(x)) => is_within(schema, *x),
            (Some("boolean"), Value::Boolean(_)) | (Some("string"), Value::String(_)) => true,
            (Some("array"), Value::Array(_)) | (None, _) => true,
            _ => false,
        }
    }

    fn is_within(schema: &Json, x: f64) -> bool {
        let limit = |keyword: &str| schema[keyword].as_f64();
        limit("minimum").is_none_or(|least| x >= least)
            && limit("exclusiveMinimum").is_none_or(|below| x > below)
            && limit("maximum").is_none_or(|most| x <= most)
            && limit("exclusiveMaximum").is_none_or(|above| x < above)
    }

    #[test]
    fn it_refuses_what_the_reader_refuses_at_the_limits() {
        let schema = schema();
        // The first value is out of range, the second just within.
        let limits = [
            ("training.steps", ["0", "1"]),
            ("training.accumulate", ["0", "1"]),
            ("training.clip_norm", ["-1e-6", "0.0"]),
            ("training.ema_decay", ["1.0", "0.999999"]),
            ("training.divergence.lr_factor", ["0.0", "1e-6"]),
            ("training.divergence.lr_factor", ["1.000001", "1.0"]),
            ("training.early_stopping", ["{ patience = 0 }", "{ patience = 1 }"]),
            ("optimizer.beta_1", ["1.0", "0.999999"]),
            ("schedule.peak", ["-1e-6", "0.0"]),
            ("objective.label_smoothing", ["1.0", "0.999999"]),
            ("model.dropout", ["1.0", "0.999999"]),
            ("model.d_ff", ["0", "1"]),
            ("model.d_ff", ["1048577", "1048576"]),
            ("model.epsilon", ["0.0", "1e-6"]),
            ("batch.max_tokens", ["0", "1"]),
            ("batch.n_widths", ["65", "64"]),
            ("tokenizer.bpe_dropout", ["1.0", "0.0"]),
            ("evaluation.average_last", ["0", "1"]),
            ("decoding.beam", ["0", "1"]),
            ("decoding.length_penalty", ["-1e-6", "0.0"]),
        ];
        for (key, values) in limits {
            let [refused, read] = values.map(|value| {
                let mut layers = Layers::parse(BUILTIN, Origin::Builtin).unwrap();
                layers.set(&format!("{key}={value}")).unwrap();
                (allows(&schema["anyOf"][0], &layers.table.clone().into()), Recipe::resolve(layers))
            });
            assert!(refused.1.is_err() && !refused.0, "{key} = {}: the schema allows it: {}", values[0], refused.0);
            assert!(read.1.is_ok() && read.0, "{key} = {}: {:?}, allowed: {}", values[1], read.1.err(), read.0);
        }
    }

    #[test]
    fn the_committed_schema_is_that_of_the_reader() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/schema.json");
        let committed: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(committed == schema(), "write it anew: attentive schema > recipes/schema.json");
    }

    #[test]
    fn it_knows_settings_of_every_kind() {
        let schema = schema();
        let of = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer}"));
        assert_eq!(of("/anyOf/0/properties/training/properties/steps/type"), "integer");
        assert_eq!(of("/anyOf/0/properties/training/properties/clip_norm/type"), "number");
        assert_eq!(of("/anyOf/0/properties/training/properties/divergence/properties/max_bad/type"), "integer");
        assert_eq!(of("/anyOf/0/properties/tokenizer/properties/path/type"), "string");
        assert_eq!(of("/anyOf/0/properties/model/anyOf/0/properties/norm/enum"), json!(["post", "pre"]));
        assert_eq!(of("/anyOf/0/properties/model/anyOf/0/properties/tie_projection/type"), "boolean");
        assert_eq!(of("/anyOf/0/properties/model/anyOf/0/properties/preset/enum/0"), "base");
        let noam = json!({ "const": "noam" });
        assert_eq!(of("/anyOf/0/properties/schedule/anyOf/0/properties/kind"), noam);
        assert_eq!(of("/anyOf/0/properties/schedule/anyOf/0/properties/warmup_steps/type"), "integer");
    }

    #[test]
    fn every_recipe_here_follows_it() {
        let schema = schema();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut texts = vec![BUILTIN.to_owned()];
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "toml") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
        assert!(texts.len() > 1);
        for text in texts {
            let recipe: Value = text.parse::<Table>().unwrap().into();
            assert!(allows(&schema, &recipe), "{text}");
            let misspelt: Value = text.replace("name = ", "nmae = ").parse::<Table>().unwrap().into();
            assert!(!allows(&schema, &misspelt), "{text}");
        }
    }
}
