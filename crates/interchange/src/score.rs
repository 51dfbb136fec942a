//! What becomes of the scores of a classifier.

use std::path::Path;

use attentive_bundle::ScoreActivation;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    InterchangeError, files,
    reader::{CONFIG, Reader},
};

/// The settings of sentence-transformers, for all of its kinds of models.
pub(crate) const SETTINGS: &str = "config_sentence_transformers.json";
/// The settings of its first module.
const OF_TRANSFORMER: &str = "sentence_bert_config.json";
/// The kind that scores pairs of texts.
const CROSS_ENCODER: &str = "CrossEncoder";

/// The problems that are solved here: a class of several, and a number.
const ONE_LABEL_OF_MANY: &str = "single_label_classification";
const REGRESSION: &str = "regression";

/// What is wrong with the `problem_type` of a classifier, if anything is.
pub(crate) fn problem(problem_type: Option<&str>, n_labels: usize) -> Option<String> {
    let problem = problem_type?;
    let is_known = problem == ONE_LABEL_OF_MANY || problem == REGRESSION && n_labels == 1;
    (!is_known).then(|| format!("problem_type is {problem:?}; here a text has one label of several"))
}

/// What becomes of the score of a classifier of `n_labels`: what sentence-transformers is told, else that itself where the
/// problem is a regression, else its sigmoid. What is said of more labels is noted: their scores become probabilities.
///
/// # Errors
/// [`InterchangeError::Damaged`], [`InterchangeError::Io`].
pub(crate) fn activation(reader: &mut Reader<'_>, n_labels: usize) -> Result<ScoreActivation, InterchangeError> {
    if n_labels == 0 {
        return Ok(ScoreActivation::default());
    }
    let of_folder = of_cross_encoder(reader)?;
    let setting = |key: &str| reader.setting(key).and_then(Value::as_str);
    let in_config = reader.setting("sentence_transformers").and_then(|settings| settings["activation_fn"].as_str());
    let in_config = in_config.or(setting("sbert_ce_default_activation_function")).map(str::to_owned);
    let named = of_folder.or(in_config);
    let by_problem = match setting("problem_type") {
        Some(REGRESSION) => ScoreActivation::Identity,
        _ => ScoreActivation::Sigmoid,
    };
    let class = named.as_deref().and_then(|path| path.rsplit('.').next());
    let ours = match class {
        None => Some(by_problem),
        Some("Identity") => Some(ScoreActivation::Identity),
        Some("Sigmoid") => Some(ScoreActivation::Sigmoid),
        Some(_) => None,
    };
    if let (Some(ours), 1) = (ours, n_labels) {
        return Ok(ours);
    }
    if ours != Some(ScoreActivation::Sigmoid) {
        let here = if n_labels == 1 { "a score is a sigmoid" } else { "the scores of classes become probabilities" };
        let how = named.unwrap_or_default();
        reader.notes.push(format!("activation_fn is {how}, which is not followed: {here} here"));
    }
    Ok(ScoreActivation::Sigmoid)
}

/// The activation of a folder of `CrossEncoder` of sentence-transformers 6, if it is one; where it cuts pairs is noted.
fn of_cross_encoder(reader: &mut Reader<'_>) -> Result<Option<String>, InterchangeError> {
    let Some(of_all) = settings(reader.folder, SETTINGS)?.filter(is_of_cross_encoder) else { return Ok(None) };
    let of_transformer = settings(reader.folder, OF_TRANSFORMER)?.unwrap_or_default();
    if let Some(max_len) = of_transformer["max_seq_length"].as_u64() {
        let note = "is not followed: pairs are read as far as the model has positions";
        reader.notes.push(format!("{OF_TRANSFORMER}: max_seq_length = {max_len} {note}"));
    }
    Ok(of_all["activation_fn"].as_str().map(str::to_owned))
}

/// Whether a folder is of `CrossEncoder` of sentence-transformers 6, which makes no vectors.
///
/// # Errors
/// [`InterchangeError::Damaged`], [`InterchangeError::Io`].
pub(crate) fn is_cross_encoder(folder: &Path) -> Result<bool, InterchangeError> {
    Ok(settings(folder, SETTINGS)?.as_ref().is_some_and(is_of_cross_encoder))
}

fn is_of_cross_encoder(settings: &Value) -> bool {
    settings["model_type"] == CROSS_ENCODER
}

/// The settings of a file, if it is there.
fn settings(folder: &Path, file: &str) -> Result<Option<Value>, InterchangeError> {
    let path = folder.join(file);
    if path.is_file() { files::read_json(&path).map(Some) } else { Ok(None) }
}

/// Writes `config.json`, with what it says of the score of a classifier of `n_labels`.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(crate) fn write_config(
    folder: &Path,
    config: &impl Serialize,
    score: ScoreActivation,
    n_labels: usize,
) -> Result<(), InterchangeError> {
    let mut config = json!(config);
    if n_labels == 1 && score == ScoreActivation::Identity {
        config["problem_type"] = json!(REGRESSION);
        config["sentence_transformers"] = json!({ "activation_fn": "torch.nn.modules.linear.Identity" });
    }
    files::write_json(&folder.join(CONFIG), &config)
}
