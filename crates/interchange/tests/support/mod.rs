//! What tests against other systems share.

pub(crate) mod encoders;
pub(crate) mod translators;

use std::{fs, path::Path};

use attentive_interchange::{ImportConfig, Imported, InterchangeError, import};
use attentive_testkit::{Area, Comparison, Golden};
use serde::Deserialize;
use serde_json::Value;

pub(crate) fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

/// The case that a golden folder has in it.
pub(crate) fn case(name: &str) -> Value {
    golden().cases(&format!("{name}/outputs.json")).remove(0)
}

pub(crate) fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap()
}

/// A comparison with transformers.
pub(crate) fn comparison(what: String, allowed: f64) -> Comparison {
    Comparison::new(Area::Weights, what, format!("transformers {}", golden().version("transformers")), allowed)
}

pub(crate) fn read(path: &Path) -> Result<Imported, InterchangeError> {
    import(path, &ImportConfig::default())
}

/// A copy of a golden folder, changed.
pub(crate) fn changed(name: &str, change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().path(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    change(folder.path());
    folder
}

/// A copy of a golden folder in which settings of `config.json` are others.
pub(crate) fn with_settings(name: &str, changes: &Value) -> tempfile::TempDir {
    changed(name, |folder| {
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        fs::write(path, config.to_string()).unwrap();
    })
}

#[track_caller]
pub(crate) fn says(error: Result<impl Sized, InterchangeError>, parts: &[&str]) {
    let message = error.err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}
