//! The JSON Schema of recipes: what the reader holds them against, and what editors complete them by.
//!
//! It is derived from the structures that recipes are read into, their comments included.

use std::sync::LazyLock;

use attentive_data::Size;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value as Json, json};

use attentive_task::config::{
    CausalLmRecipe, ClassificationRecipe, ImageClassificationRecipe, MaskedLmRecipe, PATH_FORMAT, RunRecipe,
    SpanCorruptionRecipe, SpeechRecipe, TASKS, TrajectoriesRecipe, TranslationRecipe, presets_of_task,
};

use super::ranges;

static SCHEMAS: LazyLock<[Json; TASKS.len()]> = LazyLock::new(|| {
    [
        schema_of::<TranslationRecipe>(TASKS[0]),
        schema_of::<CausalLmRecipe>(TASKS[1]),
        schema_of::<MaskedLmRecipe>(TASKS[2]),
        schema_of::<ClassificationRecipe>(TASKS[3]),
        schema_of::<SpanCorruptionRecipe>(TASKS[4]),
        schema_of::<TrajectoriesRecipe>(TASKS[5]),
        schema_of::<SpeechRecipe>(TASKS[6]),
        schema_of::<ImageClassificationRecipe>(TASKS[7]),
    ]
});

/// The schema of the recipes of a task, if there is one of the name.
pub(super) fn of_task(task: &str) -> Option<&'static Json> {
    TASKS.iter().position(|&name| name == task).map(|idx| &SCHEMAS[idx])
}

/// The schema of a recipe's file. No setting is required, as a recipe may extend another.
pub fn schema() -> Json {
    let mut tasks = SCHEMAS.to_vec();
    tasks.iter_mut().for_each(require_nothing);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A training recipe of attentive",
        "anyOf": tasks,
    })
}

/// The schema of recipes of one task, whose own settings are an `R`.
fn schema_of<R: JsonSchema>(task: &str) -> Json {
    let mut schema = derived::<R>();
    let run = derived::<RunRecipe>();
    for (key, property) in run["properties"].as_object().into_iter().flatten() {
        schema["properties"][key] = property.clone();
    }
    if let (Some(required), Some(more)) = (schema["required"].as_array_mut(), run["required"].as_array()) {
        required.extend_from_slice(more);
    }
    schema["properties"]["model"] = models(&schema["properties"]["model"].take(), task);
    // What is read before the rest is.
    let text = |description: &str| json!({ "type": "string", "description": description });
    schema["properties"]["task"] = json!({ "const": task, "description": "What is learnt." });
    schema["properties"]["extends"] = text("The recipe that this one is laid over, relative to this one's folder.");
    let mut tokens = Json::from(Size::json_schema(&mut SchemaGenerator::default()));
    tokens["description"] =
        "Tokens of a batch, whatever the task's own name for it; \"auto\" with `train --memory`.".into();
    schema["properties"]["batch"]["properties"]["tokens"] = tokens;
    tidy(&mut schema, "");
    schema
}

fn derived<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema: Json = settings.into_generator().into_root_schema_for::<T>().into();
    ["$schema", "title", "description"].iter().for_each(|&key| drop(schema.as_object_mut().map(|map| map.remove(key))));
    schema
}

/// The families of models that a task trains, each with the names of its presets.
fn models(all: &Json, task: &str) -> Json {
    let presets = presets_of_task(task);
    let mut families = all["oneOf"].as_array().cloned().unwrap_or_default();
    families.retain_mut(|family| {
        let name = family["properties"]["family"]["const"].clone();
        let own = presets.iter().filter(|preset| name == preset.config.family()).map(|preset| preset.name);
        let own: Vec<&str> = own.collect();
        family["properties"]["preset"] =
            json!({ "enum": own, "description": "The model whose settings stand where none are given." });
        !own.is_empty()
    });
    json!({ "description": all["description"], "oneOf": families })
}

/// Puts a derived schema into the form that is checked and shown: without what TOML does not have, with ranges, in plain text.
fn tidy(schema: &mut Json, key: &str) {
    let Some(map) = schema.as_object_mut() else { return };
    // Nothing is `null` in TOML: a setting is left out.
    match map.get_mut("default") {
        Some(Json::Null) => drop(map.remove("default")),
        Some(Json::Object(default)) => default.retain(|_, value| !value.is_null()),
        _ => {}
    }
    if let Some(types) = map.get_mut("type").and_then(Json::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            map["type"] = only.clone();
        }
    }
    for union in ["oneOf", "anyOf"] {
        let Some(schemas) = map.get_mut(union).and_then(Json::as_array_mut) else { continue };
        schemas.retain(|schema| schema["type"] != "null");
        if let [Json::Object(only)] = &schemas[..] {
            let only = only.clone();
            map.remove(union);
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
            return tidy(schema, key);
        }
        schemas.iter_mut().for_each(|schema| tidy(schema, key));
    }
    if map.get("format").is_some_and(|format| format != PATH_FORMAT) {
        map.remove("format");
    }
    if let Some(Json::String(text)) = map.get_mut("description") {
        *text = plain(text);
    }
    for (name, property) in map.get_mut("properties").and_then(Json::as_object_mut).into_iter().flatten() {
        tidy(property, &if key.is_empty() { name.clone() } else { format!("{key}.{name}") });
    }
    if let Some(items) = map.get_mut("items") {
        tidy(items, key);
    }
    if matches!(map.get("type").and_then(Json::as_str), Some("integer" | "number")) {
        ranges::narrow(schema, key);
    }
}

/// A comment's Markdown without its links.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once("](") {
        text += before;
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    (text + rest).replace("[`", "`").replace("`]", "`").replace('\n', " ")
}

/// Takes out what tables require, but for the only key of one, which tells it from others: a part of a table may follow
/// several schemas of a union.
fn require_nothing(schema: &mut Json) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(union) = map.remove("oneOf") {
        map.insert("anyOf".into(), union);
    }
    if map.get("properties").and_then(Json::as_object).is_some_and(|properties| properties.len() > 1) {
        map.remove("required");
    }
    let parts = map.iter_mut().filter(|(key, _)| ["properties", "oneOf", "anyOf", "items"].contains(&key.as_str()));
    for (key, part) in parts {
        match part {
            Json::Object(properties) if key == "properties" => properties.values_mut().for_each(require_nothing),
            Json::Array(schemas) => schemas.iter_mut().for_each(require_nothing),
            part => require_nothing(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use toml::{Table, Value};

    use super::*;
    use crate::recipe::{Builtin, Recipe, check::check, layers::Layers, problems::Problems};

    /// A whole recipe of each task.
    const WHOLE: [&str; TASKS.len()] =
        ["builtin", "gpt", "bert", "classification", "byt5", "cartpole", "morse", "shapes"];

    fn allows(schema: &Json, value: &Value) -> bool {
        let mut problems = Problems::default();
        check(schema, value, "", &mut problems);
        problems.len() == 0
    }

    /// Whether one of the tasks' schemas allows a recipe.
    fn is_recipe(value: &Value) -> bool {
        schema()["anyOf"].as_array().unwrap().iter().any(|task| allows(task, value))
    }

    /// The numbers of a schema with their keys; those of an array end with `[]`.
    fn numbers<'a>(schema: &'a Json, key: &str, found: &mut Vec<(String, &'a Json)>) {
        if matches!(schema["type"].as_str(), Some("integer" | "number")) {
            found.push((key.to_owned(), schema));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            numbers(property, &if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, found);
        }
        for schema in ["oneOf", "anyOf"].iter().filter_map(|union| schema[union].as_array()).flatten() {
            numbers(schema, key, found);
        }
        if let Some(items) = schema.get("items") {
            numbers(items, &format!("{key}[]"), found);
        }
    }

    #[test]
    fn every_number_has_a_range_of_its_own_kind() {
        for schema in SCHEMAS.iter() {
            let mut found = Vec::new();
            numbers(schema, "", &mut found);
            assert!(found.len() > 30);
            for (key, number) in found {
                let has = |keywords: [&str; 2]| keywords.iter().any(|&keyword| number[keyword].is_number());
                let is_bounded = has(["minimum", "exclusiveMinimum"]) && has(["maximum", "exclusiveMaximum"]);
                assert!(is_bounded, "{key} has no range: give it one in ranges.rs");
            }
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_refused_by_name() {
        for (task, whole) in TASKS.iter().zip(WHOLE) {
            let mut found = Vec::new();
            numbers(of_task(task).unwrap(), "", &mut found);
            // Of unions, a recipe has one; `batch.tokens` is read under another name.
            let unread = ["model.", "schedule.", "objective.", "optimizer.decay", "batch.tokens"];
            // Of lists of tables, what is read is what is read of one table.
            let is_read = |key: &str| !unread.iter().any(|part| key.starts_with(part)) && !key.contains("[].");
            for (key, number) in found.iter().filter(|(key, _)| is_read(key)) {
                let limit = |keyword: &str| number[keyword].as_f64().filter(|&most| most < 1e18);
                let Some(most) = limit("maximum").or(limit("exclusiveMaximum")) else { continue };
                let beyond = if number["type"] == "integer" { most + 1.0 } else { most * 1.01 };
                let mut layers = Layers::builtin(whole).unwrap();
                // Of a table within an array, the other keys are missing, which is told too.
                let (set, value) = match key.split_once("[].") {
                    Some((array, inner)) => (array, format!("[{{ {inner} = {beyond} }}]")),
                    None => {
                        let n_arrays = key.matches("[]").count();
                        let [open, close] = ["[", "]"].map(|bracket| bracket.repeat(n_arrays));
                        (key.trim_end_matches("[]"), format!("{open}{beyond}{close}"))
                    }
                };
                layers.set(&format!("{set}={value}")).unwrap();
                let error = Recipe::resolve(layers).unwrap_err().to_string();
                let key = key.replace("[]", "[0]");
                assert!(error.contains(&format!("{key}: {beyond} must be ")), "{key}: {error}");
            }
        }
    }

    #[test]
    fn it_refuses_what_the_reader_refuses_at_the_limits() {
        // The first value is out of range, the second just within.
        let limits = [
            ("training.steps", ["0", "1"]),
            ("training.accumulate", ["0", "1"]),
            ("training.clip_norm", ["-1e-6", "0.0"]),
            ("training.ema_decay", ["1.0", "0.999999"]),
            ("training.divergence.lr_factor", ["0.0", "1e-6"]),
            ("training.divergence.lr_factor", ["1.000001", "1.0"]),
            ("training.early_stopping", ["{ patience = 0 }", "{ patience = 1 }"]),
            ("training.layer_decay", ["0.0", "1e-6"]),
            ("training.layer_decay", ["1.000001", "1.0"]),
            ("training.rates", ["[{ pattern = 'encoder', factor = 0.0 }]", "[{ pattern = 'encoder', factor = 1e-6 }]"]),
            ("optimizer.beta_1", ["1.0", "0.999999"]),
            ("optimizer", ["{ kind = 'momentum', decay = 1.0 }", "{ kind = 'momentum', decay = 0.0 }"]),
            ("optimizer", ["{ kind = 'adagrad', epsilon = -1e-9 }", "{ kind = 'adagrad', epsilon = 0.0 }"]),
            ("schedule.peak", ["-1e-6", "0.0"]),
            ("schedule.peak", ["nan", "0.0"]),
            ("objective.label_smoothing", ["1.0", "0.999999"]),
            ("model.dropout", ["1.0", "0.999999"]),
            ("model.d_ff", ["0", "1"]),
            ("model.d_ff", ["131073", "131072"]),
            ("model.n_encoder_layers", ["1025", "1024"]),
            ("model.epsilon", ["0.0", "1e-6"]),
            ("batch.max_tokens", ["0", "1"]),
            ("batch.max_tokens", ["\"all\"", "\"auto\""]),
            ("batch.n_widths", ["65", "64"]),
            ("tokenizer.bpe_dropout", ["1.0", "0.0"]),
            ("evaluation.average_last", ["0", "1"]),
            ("decoding.beam", ["0", "1"]),
            ("decoding.beam", ["1025", "1024"]),
            ("decoding.length_penalty", ["-1e-6", "0.0"]),
            ("decoding.max_len", ["0", "1"]),
            ("decoding.min_len", ["65537", "65536"]),
            ("decoding.repetition_penalty", ["0.0", "1e-6"]),
            ("decoding.suppressed", ["[-1]", "[7]"]),
        ];
        for (key, values) in limits {
            let [refused, read] = values.map(|value| {
                let mut layers = Layers::builtin("builtin").unwrap();
                layers.set(&format!("{key}={value}")).unwrap();
                (allows(&schema()["anyOf"][0], &layers.table.clone().into()), Recipe::resolve(layers))
            });
            assert!(refused.1.is_err() && !refused.0, "{key} = {}: the schema allows it: {}", values[0], refused.0);
            assert!(read.1.is_ok() && read.0, "{key} = {}: {:?}, allowed: {}", values[1], read.1.err(), read.0);
        }
    }

    #[test]
    fn the_committed_schema_is_that_of_the_reader() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/schema.json");
        let committed: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(committed == schema(), "write it again: attentive schema > recipes/schema.json");
    }

    #[test]
    fn it_knows_settings_of_every_kind() {
        let schema = schema();
        let of = |pointer: &str| {
            let pointer = format!("/anyOf/0/properties/{pointer}");
            schema.pointer(&pointer).cloned().unwrap_or_else(|| panic!("no {pointer}"))
        };
        assert_eq!(of("training/properties/steps/type"), "integer");
        assert_eq!(of("training/properties/clip_norm/type"), "number");
        assert_eq!(of("training/properties/clip_norm/default"), 0.0);
        assert_eq!(of("training/properties/divergence/properties/max_bad/type"), "integer");
        assert_eq!(of("training/properties/early_stopping/type"), "object");
        assert_eq!(of("tokenizer/properties/path/format"), "path");
        assert_eq!(of("model/anyOf/0/properties/norm/anyOf/1/const"), "pre");
        assert_eq!(of("model/anyOf/0/properties/tie_projection/type"), "boolean");
        assert_eq!(of("model/anyOf/0/properties/preset/enum/0"), "base");
        assert_eq!(of("model/anyOf/1/properties/preset/enum"), json!(["rnnsearch"]));
        assert_eq!(of("schedule/anyOf/0/properties/kind/const"), "noam");
        assert_eq!(of("schedule/anyOf/0/properties/warmup_steps/type"), "integer");
        for pointer in
            ["training/properties/steps", "batch/properties/max_tokens", "optimizer/anyOf/0/properties/beta_1"]
        {
            let description = of(&format!("{pointer}/description"));
            assert!(description.as_str().is_some_and(|text| text.len() > 5), "{pointer}: {description}");
        }
        let text = schema.to_string();
        assert!(!["](", "null", "[`"].iter().any(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn every_recipe_here_follows_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let texts = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let texts = texts.filter(|path| path.extension().is_some_and(|end| end == "toml"));
        let mut texts: Vec<String> = texts.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        assert!(texts.len() > 1);
        texts.extend(Builtin::all().iter().map(|recipe| recipe.text.to_owned()));
        for text in texts {
            let recipe: Value = text.parse::<Table>().unwrap().into();
            assert!(is_recipe(&recipe), "{text}");
            let misspelt: Value = text.replace("name = ", "nmae = ").parse::<Table>().unwrap().into();
            assert!(!is_recipe(&misspelt), "{text}");
        }
    }
}
