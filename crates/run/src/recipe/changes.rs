//! What may change in the recipe of a run that goes on.

use attentive_task::{Result, config::TASKS};
use toml::{Table, Value};

use super::{check, layers, schema};

/// Settings that may change when a run goes on: what it has learnt until then does not depend on them, those excepted that
/// [`IN_PREFERENCES`] names.
const MAY_CHANGE: &[&str] = &[
    "data.cache",
    "distillation.teacher",
    "training.steps",
    "training.validate_every",
    "training.checkpoint_every",
    "training.keep_every",
    "training.early_stopping",
    "training.divergence",
    "training.recompute",
    "schedule",
    "evaluation",
    "decoding",
    "generation",
    "lengths",
];

/// Settings that are in the rows of tokens of a pair, which DPO's reference has scored: they stay where pairs are learnt.
const IN_PREFERENCES: &[&str] = &["generation.begin", "generation.begin_id", "generation.ends"];

/// Whether a recipe learns from pairs of answers.
fn learns_preferences(table: &Table) -> bool {
    let kind = table.get("objective").and_then(|objective| objective.get("kind"));
    kind.and_then(Value::as_str) == Some("dpo")
}

/// Whether a setting, which has a value, is the path of data, which may have moved: its hash tells whether it is the same.
pub(crate) fn is_data_file(key: &str, value: Option<&Value>) -> bool {
    let parts: Vec<&str> = key.split('.').collect();
    let of_text = ["text", "tsv", "source", "target"];
    let of_pictures = ["folder", "images", "labels", "cifar"];
    let is_part = |part: &str| ["train", "validation", "test"].contains(&part);
    match parts[..] {
        // Conversations, pairs of answers and episodes are files without more.
        ["data" | "conversations" | "preferences", part] => is_part(part) && value.is_some_and(is_path),
        ["data", part, file] => {
            // One of several: `data.train[0].tsv`.
            let part = part.split_once('[').map_or(part, |(part, _)| part);
            is_part(part) && (of_text.contains(&file) || of_pictures.contains(&file))
        }
        _ => false,
    }
}

/// Whether a value is a path, or several.
fn is_path(value: &Value) -> bool {
    value.is_str() || value.as_array().is_some_and(|values| !values.is_empty() && values.iter().all(Value::is_str))
}

/// Refuses a setting that what a run has learnt depends on; `recipe` is that of the run.
pub(super) fn check(setting: &str, recipe: &Table) -> Result<()> {
    let (key, _) = layers::split(setting)?;
    let is_in = |top: &str| key.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let now = key.split_once('.').and_then(|(table, part)| recipe.get(table)?.get(part));
    if !MAY_CHANGE.iter().any(|top| is_in(top)) && !is_data_file(key, now) {
        let task = recipe.get("task").and_then(Value::as_str).unwrap_or(TASKS[0]);
        if let Some(problem) = schema::of_task(task).and_then(|schema| check::unknown(schema, key)) {
            refuse!("--set {setting}: {problem}");
        }
        refuse!(
            "--set {setting}: {key} can't change when a run goes on, for what it has learnt depends on it; these can: {}, \
             and the paths of files that have moved (data.train.tsv)",
            MAY_CHANGE.join(", ")
        );
    }
    let changes_pairs = key == "generation" || IN_PREFERENCES.iter().any(|top| is_in(top));
    if changes_pairs && learns_preferences(recipe) {
        refuse!(
            "--set {setting}: {key} can't change when a run goes on that learns from pairs of answers, for its reference \
             has scored them with {}",
            IN_PREFERENCES.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use attentive_backend::Recompute;

    use crate::Recipe;

    #[test]
    fn a_run_that_goes_on_takes_what_may_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, Recipe::of_command(None, &[]).unwrap().to_toml()).unwrap();
        let with = |setting: &str| Recipe::of_run(&path, &[setting.to_owned()]);
        assert_eq!(with("training.steps=5000").unwrap().run.training.steps, 5000);
        assert!(with("training.early_stopping={patience=3}").unwrap().run.training.early_stopping.is_some());
        assert!(with("data.train.tsv=moved.tsv").unwrap().to_toml().contains("moved.tsv"));
        assert_eq!(with("training.recompute=layers").unwrap().run.training.recompute, Recompute::Layers);
        for setting in [
            "training.exchange=bf16",
            "training.quantize=int8",
            "data.train={}",
            "training.seed=2",
            "training={}",
            "model.dropout=0.2",
            "tokenizer.merges=5",
            "data.temperature=2.0",
            "extends=other.toml",
        ] {
            let error = with(setting).unwrap_err().to_string();
            assert!(error.contains("can't change when a run goes on") && error.contains("training.steps"), "{error}");
        }
        // What there is not is not said to be fixed.
        for (setting, expected) in [
            (
                "training.patience=3",
                "training.patience: no such setting; did you mean `training.early_stopping.patience`?",
            ),
            ("training.seet=3", "training.seet: no such setting; did you mean `seed`?"),
            ("schedules.peak=1.0", "schedules: no such setting; did you mean `schedule`?"),
            ("model.qqq=1", "model.qqq: no such setting; there are: "),
        ] {
            let error = with(setting).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--set {setting}: {expected}")), "{error}");
        }
    }

    #[test]
    fn files_that_have_moved_are_named_in_every_task() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for (recipe, settings, key) in [
            ("dpo", &["preferences.train=a.jsonl"][..], "preferences.train"),
            (
                "gpt",
                &["pretrained=m", "conversations={train=\"a.jsonl\", validation=\"b.jsonl\"}"][..],
                "conversations.validation",
            ),
            ("cartpole", &["data={train=\"a.jsonl\"}"][..], "data.train"),
        ] {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            let text = Recipe::of_command(Some(Path::new(recipe)), &settings).unwrap().to_toml();
            std::fs::write(&path, text).unwrap();
            let with = |setting: String| Recipe::of_run(&path, &[setting]);
            for value in ["moved.jsonl", "[\"moved.jsonl\", \"more.jsonl\"]"] {
                assert!(with(format!("{key}={value}")).unwrap().to_toml().contains("moved.jsonl"), "{key}");
            }
            // What a run does not learn from is not a file that has moved.
            let others = key.replace("train", "test").replace("validation", "test");
            let error = with(format!("{others}=moved.jsonl")).unwrap_err().to_string();
            assert!(["can't change", "no such setting"].iter().any(|why| error.contains(why)), "{others}: {error}");
        }
    }

    #[test]
    fn a_run_that_learns_from_pairs_keeps_what_is_in_their_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let with = |recipe: &str, setting: &str| {
            std::fs::write(&path, Recipe::of_command(Some(Path::new(recipe)), &[]).unwrap().to_toml()).unwrap();
            Recipe::of_run(&path, &[setting.to_owned()])
        };
        assert!(with("dpo", "generation.max_tokens=9").is_ok());
        for setting in ["generation={}", "generation.begin=true", "generation.begin_id=3", "generation.ends=[3]"] {
            let error = with("dpo", setting).unwrap_err().to_string();
            assert!(error.contains("can't change when a run goes on that learns from pairs"), "{error}");
            assert!(with("gpt", setting).is_ok(), "{setting}");
        }
    }

    #[test]
    fn the_recipe_of_a_run_may_be_longer_than_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = Recipe::of_command(None, &[]).unwrap().to_toml();
        std::fs::write(&path, format!("{}\n{text}", "#".repeat(1 << 18))).unwrap();
        assert!(Recipe::load(&path).unwrap_err().to_string().contains("longer than any recipe"));
        assert_eq!(Recipe::of_run(&path, &[]).unwrap().to_toml(), text);
    }

    #[test]
    fn settings_that_older_runs_have_and_nothing_reads_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let settings = ["tokenizer.path=vocab.txt".to_owned()];
        let text = Recipe::of_command(Some(Path::new("bert")), &settings).unwrap().to_toml();
        let older = text.replace("[tokenizer]\n", "[tokenizer]\nlowercase = true\nbpe_dropout = 0.1\n");
        assert_ne!(older, text);
        std::fs::write(&path, older).unwrap();
        assert_eq!(Recipe::of_run(&path, &[]).unwrap().to_toml(), text);
    }

    #[test]
    fn recordings_are_read_or_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let with = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            Recipe::of_command(Some(Path::new("morse")), &settings)
        };
        // The recipe makes some; files that are named after that stand in for them.
        let (files, sizes) = ("data.train.tsv=a.tsv", "data.morse.sizes=[5, 5, 5]");
        let text = with(&[sizes, files]).unwrap().to_toml();
        let error = with(&[files, sizes]).unwrap_err().to_string();
        assert!(error.contains("data.morse: Morse code is made where there is no data.train"), "{error}");
        let mine = folder.path().join("mine.toml");
        std::fs::write(&mine, "extends = 'morse'\n[data]\nexamples = 3\ntrain.tsv = 'a.tsv'").unwrap();
        assert!(Recipe::load(&mine).is_ok());
        std::fs::write(&mine, "extends = 'morse'\n[data]\ntrain.tsv = 'a.tsv'\nmorse.sizes = [5, 5, 5]").unwrap();
        assert!(Recipe::load(&mine).unwrap_err().to_string().contains("mine.toml:4"));
        // What a run has resolved is read again, and that of an older one, which ignored them.
        std::fs::write(&path, &text).unwrap();
        assert!(Recipe::load(&path).is_ok());
        let older = text.replace("sizes = [8000, 200, 1000]", "sizes = [5, 5, 5]");
        assert_ne!(older, text);
        std::fs::write(&path, older).unwrap();
        assert_eq!(Recipe::of_run(&path, &[]).unwrap().to_toml(), text);
    }
}
