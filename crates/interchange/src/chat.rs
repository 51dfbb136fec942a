//! Chat templates in the files of transformers.

use std::{collections::BTreeMap, fs, path::Path};

use attentive_bundle::ChatTemplate;
use serde_json::{Map, Value};

use crate::{InterchangeError, files};

/// The file of a template; others lie in a folder, by their names.
pub(crate) const TEMPLATE: &str = "chat_template.jinja";
const OTHERS: &str = "additional_chat_templates";
const SETTINGS: &str = "tokenizer_config.json";
/// That of older versions, for models of images.
pub(crate) const OF_PROCESSOR: &str = "chat_template.json";

/// The name of the template that conversations without tools are rendered by.
const DEFAULT: &str = "default";

/// The roles of special tokens that a template may write.
const ROLES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Templates by their names, and the file that they come from.
type Templates = (&'static str, BTreeMap<String, String>);

/// The template of a folder, as transformers finds it; `tokens` are names of special tokens by role. Those that are not
/// taken are noted.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Damaged`].
pub(crate) fn read(
    folder: &Path,
    tokens: BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Result<Option<ChatTemplate>, InterchangeError> {
    let (file, mut templates) = of_files(folder)?;
    let taken = templates.remove(DEFAULT);
    if !templates.is_empty() {
        let names = templates.into_keys().collect::<Vec<_>>().join(", ");
        let left_out = if taken.is_some() { "beside the default one" } else { "without a default one" };
        notes.push(format!("{file}: chat templates {left_out} are left out: {names}"));
    }
    Ok(of_text(taken, &format!("the chat template of {file}"), tokens, notes))
}

/// The template of a text that stands in `place`; one that can't be read is noted.
pub(crate) fn of_text(
    text: Option<String>,
    place: &str,
    tokens: BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Option<ChatTemplate> {
    match ChatTemplate::new(text?) {
        Ok(template) => Some(template.with_tokens(tokens)),
        Err(cause) => {
            notes.push(format!("{place} is left out, and `chat` can't be used: {cause}"));
            None
        }
    }
}

fn of_files(folder: &Path) -> Result<Templates, InterchangeError> {
    let mut templates = BTreeMap::new();
    let others = folder.join(OTHERS);
    if others.is_dir() {
        for entry in fs::read_dir(&others).map_err(InterchangeError::io(&others))? {
            let path = entry.map_err(InterchangeError::io(&others))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jinja"));
            if let Some(name) = name {
                templates.insert(name.to_owned(), files::read_text(&path)?);
            }
        }
    }
    let file = folder.join(TEMPLATE);
    if file.is_file() {
        templates.insert(DEFAULT.to_owned(), files::read_text(&file)?);
    }
    if !templates.is_empty() {
        return Ok((TEMPLATE, templates));
    }
    for name in [SETTINGS, OF_PROCESSOR] {
        let path = folder.join(name);
        if path.is_file() {
            let mut settings: Map<String, Value> = files::read_json(&path)?;
            let template = settings.remove("chat_template").filter(|template| !template.is_null());
            if let Some(template) = template {
                return Ok((name, of_setting(&path, &template)?));
            }
        }
    }
    Ok((TEMPLATE, templates))
}

/// A template, or several by name, as a list or an object.
fn of_setting(path: &Path, setting: &Value) -> Result<BTreeMap<String, String>, InterchangeError> {
    let named = |item: &Value| Some((item["name"].as_str()?.to_owned(), item["template"].as_str()?.to_owned()));
    let templates = match setting {
        Value::String(text) => Some(BTreeMap::from([(DEFAULT.to_owned(), text.clone())])),
        Value::Array(items) => items.iter().map(named).collect(),
        Value::Object(items) => {
            items.iter().map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))).collect()
        }
        _ => None,
    };
    templates.ok_or_else(|| {
        InterchangeError::damaged(path)("chat_template is neither a text nor a list of names and templates")
    })
}

/// Writes a template where transformers finds it, beside a tokenizer that was written before. A role of a special token
/// that the template was given no name for has none there, unless a text begins with it.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Damaged`].
pub(crate) fn write(template: &ChatTemplate, folder: &Path) -> Result<(), InterchangeError> {
    files::write(&folder.join(TEMPLATE), template.text().as_bytes())?;
    let path = folder.join(SETTINGS);
    if template.tokens().is_empty() || !path.is_file() {
        return Ok(());
    }
    let mut settings: Map<String, Value> = files::read_json(&path)?;
    let begins = settings.get("add_bos_token") == Some(&Value::Bool(true));
    let is_unnamed = |role: &str| ROLES.contains(&role) && !template.tokens().contains_key(role);
    for (role, name) in &mut settings {
        if is_unnamed(role) && !(begins && role == ROLES[0]) {
            *name = Value::Null;
        }
    }
    files::write_json(&path, &settings)
}
