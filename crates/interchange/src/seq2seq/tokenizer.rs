//! The tokenizer's files beside an encoder–decoder.

use std::{collections::BTreeMap, path::Path};

use attentive_tokenizer::{Frame, Framing, Languages, Model, Tokenizer};
use serde_json::{Value, json};

use super::config::Architecture;
use crate::{
    InterchangeError, files,
    tokenizers::{
        OURS, OfEncoder, SETTINGS, TOKENIZER, VOCABULARY, export_encoder, export_json, export_marian, is_plain,
        no_equal, source_frame,
    },
};

const PIECES: &str = "sentencepiece.bpe.model";

/// As BART's tokenizer is written.
const HOW: OfEncoder = OfEncoder { max_len: None, separators: 2, has_segments: false, note_of_pairs: None };

/// Writes a tokenizer as the class of transformers reads it, where that is possible, and in our own file.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(super) fn export(
    architecture: Architecture,
    folder: &Path,
    tokenizer: &dyn Tokenizer,
) -> Result<Option<String>, InterchangeError> {
    let model = tokenizer.to_model().map(Model::unframed);
    if matches!(architecture, Architecture::Marian | Architecture::Pegasus) {
        let own = model.as_ref().filter(|model| model.hugging_face_json().is_some() && is_plain(tokenizer));
        return match own.and_then(|model| model.to_hugging_face_json(&source_frame(tokenizer))) {
            Some(json) => export_json(folder, tokenizer, &json, &HOW).map(|()| None),
            None => export_marian(folder, tokenizer),
        };
    }
    let languages = tokenizer.framing().and_then(|framing| framing.languages.as_ref());
    // Classes that have languages put their own around texts.
    let has_class = languages.is_some_and(|languages| !languages.are_open());
    let frame = if has_class { Frame::default() } else { source_frame(tokenizer) };
    if let Some((pieces, vocabulary)) = model.as_ref().and_then(Model::m2m100_parts) {
        let ids: BTreeMap<&String, usize> = vocabulary.iter().zip(0..).collect();
        files::write_json(&folder.join(VOCABULARY), &ids)?;
        files::write(&folder.join(PIECES), &pieces)?;
    } else if let Some(model @ Model::HuggingFace(_)) = &model
        && let Some(json) = model.to_hugging_face_json(&frame)
    {
        files::write(&folder.join(TOKENIZER), json.as_bytes())?;
    } else if !has_class {
        // The class of its kind would put others around a source.
        let model = model.as_ref().filter(|_| !is_of_class(tokenizer, &frame));
        return match model.and_then(|model| model.to_hugging_face_json(&frame)) {
            Some(json) => export_json(folder, tokenizer, &json, &HOW).map(|()| None),
            None => Ok(export_encoder(folder, tokenizer, HOW)?.pop()),
        };
    } else {
        attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
        return Ok(Some(no_equal()));
    }
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    files::write_json(&folder.join(SETTINGS), &settings(tokenizer))?;
    Ok(None)
}

/// Whether the classes of BERT and RoBERTa put the `frame` around a text.
fn is_of_class(tokenizer: &dyn Tokenizer, frame: &Frame) -> bool {
    let specials = tokenizer.specials();
    let [before, after] = [specials.cls.or(specials.bos), specials.sep.or(specials.eos)];
    frame.before == Vec::from_iter(before) && frame.after == Vec::from_iter(after)
}

/// What `tokenizer_config.json` says of a tokenizer whose other files are there.
fn settings(tokenizer: &dyn Tokenizer) -> Value {
    let specials = tokenizer.specials();
    let name = |id: Option<u32>| id.and_then(|id| tokenizer.token(id));
    let mut settings = json!({
        "bos_token": name(specials.bos),
        "eos_token": name(specials.end()),
        "unk_token": name(specials.unk),
        "pad_token": name(specials.pad),
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    let languages = tokenizer.framing().and_then(|framing: &Framing| framing.languages.as_ref());
    if let (Some(languages), Some(settings)) = (languages, settings.as_object_mut()) {
        settings.extend(of_languages(languages, tokenizer));
    }
    settings
}

/// The settings of languages, and the class that has them in their place.
fn of_languages(languages: &Languages, tokenizer: &dyn Tokenizer) -> impl Iterator<Item = (String, Value)> {
    let Languages { ids, after_source, source, target, sources: _ } = languages;
    let have_scripts = ids.keys().any(|name| name.rsplit_once('_').is_some_and(|(_, script)| script.len() == 4));
    let is_m2m_100 = ids.keys().all(|name| !name.contains('_'));
    let class = match (is_m2m_100, have_scripts, after_source) {
        (true, ..) => "M2M100Tokenizer",
        (_, true, _) => "NllbTokenizer",
        (_, _, true) => "MBartTokenizer",
        _ => "MBart50Tokenizer",
    };
    let added = tokenizer.added_tokens().into_iter();
    let tokens: Vec<_> =
        added.filter(|token| ids.values().any(|&id| id == token.id)).map(|token| token.content).collect();
    let mut settings = vec![
        ("tokenizer_class", json!(class)),
        ("src_lang", json!(source)),
        ("tgt_lang", json!(target)),
        ("additional_special_tokens", json!(tokens)),
    ];
    if class == "M2M100Tokenizer" {
        settings.push(("language_codes", json!(if ids.contains_key("af") { "m2m100" } else { "wmt21" })));
    }
    if class == "NllbTokenizer" {
        settings.push(("legacy_behaviour", json!(after_source)));
    }
    settings.into_iter().map(|(key, value)| (key.to_owned(), value))
}
