//! Folders of models.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::settings::{CONFIG, Settings, Unplaced};
use super::{BYTE_LEVEL, Frame, OpenOptions, Opened, classes, known, languages, pieces};
use crate::added::AddedToken;
use crate::error::TokenizerError;
use crate::file::{self, load};
use crate::tokenizer::{TokenId, Tokenizer};
use crate::{files, formats, tokenizer_json};

/// Files that hold any tokenizer: ours, and what this workspace writes beside the files of others.
const OURS: [&str; 2] = ["attentive_tokenizer.json", "tokenizer.json"];

pub(super) fn open(folder: &Path, options: &OpenOptions) -> Result<Opened, TokenizerError> {
    let mut theirs = None;
    for path in OURS.map(|name| folder.join(name)) {
        if path.is_file() {
            let text = files::read_text(&path)?;
            if file::is_ours(&text) {
                // Special tokens are those of the file; how settings beside it name them is for others to know.
                let (settings, tokenizer) = (Settings::read(folder).ok(), load(&path)?);
                let frame = settings.as_ref().and_then(|settings| begin_of(settings, &*tokenizer));
                let special_names = settings.map(|settings| settings.names).unwrap_or_default();
                return Ok(Opened { frame, special_names, ..Opened::boxed(tokenizer) });
            }
            let value: Value = serde_json::from_str(&text).map_err(TokenizerError::json(&path))?;
            if !tokenizer_json::is_theirs(&value) {
                return load(&path).map(Opened::boxed);
            }
            theirs = Some((path, text, value));
        }
    }
    let mut settings = Settings::read(folder)?;
    let mut opened = match (theirs, classes::of_python(&settings)) {
        // These classes of transformers do not use the file.
        (_, true) | (None, _) => open_vocabulary(&mut settings, options)?,
        (Some((path, text, value)), false) => open_json(&mut settings, options, &path, text, value)?,
    };
    opened.languages = languages::of(&mut settings, &*opened.tokenizer);
    if settings.flag("clean_up_tokenization_spaces") == Some(true) {
        let what = match opened.tokenizer.to_model() {
            // transformers 5 does not follow it of BPE either.
            Some(model) if model.is_bpe() => None,
            Some(model) if model.cleans_up() => Some("also writes \"it's\" for \"it ' s\" in"),
            _ => Some("takes the spaces before marks and contractions (. ? ! , 's) away from"),
        };
        let note = |what| {
            format!(
                "{CONFIG}: clean_up_tokenization_spaces = true is not followed; transformers {what} the texts that it decodes"
            )
        };
        settings.notes.extend(what.map(note));
    }
    opened.model_max_length = settings.model_max_length();
    opened.special_names = settings.names;
    opened.notes.append(&mut settings.notes);
    Ok(opened)
}

/// What settings beside a file of ours put before a text: there an export says it.
fn begin_of(settings: &Settings, tokenizer: &dyn Tokenizer) -> Option<Frame> {
    let name = settings.names.get("bos_token").filter(|_| settings.flag("add_bos_token") == Some(true))?;
    let is_named = |&id: &TokenId| tokenizer.token(id).is_some_and(|token| token == *name);
    let id = (0..tokenizer.vocab_size() as TokenId).find(is_named)?;
    Some(Frame { before: vec![id], ..Frame::default() })
}

/// A `tokenizer.json` with what the settings beside it add and change.
fn open_json(
    settings: &mut Settings,
    options: &OpenOptions,
    path: &Path,
    text: String,
    mut value: Value,
) -> Result<Opened, TokenizerError> {
    if let Some(dropout) = value.pointer("/model/dropout").and_then(Value::as_f64).filter(|&rate| rate > 0.0) {
        let note =
            format!("tokenizer.json: model.dropout = {dropout} is not followed: a text has the same tokens each time");
        settings.notes.push(note);
    }
    let before = value.clone();
    put_case(&mut value, options.lowercase);
    follow(settings, options, &mut value);
    add_tokens(settings, &mut value)?;
    let class = settings.class.clone().unwrap_or_default();
    // Byte-level files of Llama's class are read as they are.
    let is_read_whole =
        class == "LlamaTokenizer" && value.pointer("/decoder/type").is_some_and(|kind| kind == "ByteLevel");
    let unk = settings.names.get("unk_token").map(String::as_str);
    let mut contradictions = known::contradictions(&class, |key| settings.flag(key), unk, &value);
    contradictions.retain(|_| !is_read_whole);
    let said =
        settings.flag("add_prefix_space").filter(|_| contradictions.iter().all(|&(key, _)| key != "pre_tokenizer"));
    if let (Some(said), Some(found)) = (said, known::puts_space(&value["pre_tokenizer"]))
        && said != found
    {
        settings.notes.push(format!("{CONFIG}: add_prefix_space = {said} is not followed: tokenizer.json has {found}"));
    }
    settings.notes.extend(contradictions.into_iter().map(|(key, of_class)| {
        format!("tokenizer.json is followed; its {key} is not that of {class}, with which transformers 5 reads it: {of_class}")
    }));
    let text = (value == before).then_some(text);
    let of_class = !class.is_empty() && !known::OF_ANY_KIND.contains(&&*class);
    let tokenizer = tokenizer_json::read(path, &value, text, &settings.names, of_class)?;
    // These classes put their own special tokens around a text, by the names of the settings.
    let encloses = ["RemBertTokenizer", "XLMRobertaTokenizer", "CamembertTokenizer"].contains(&&*class)
        || known::BERT_LIKE.contains(&&*class)
        || known::ROBERTA_LIKE.contains(&&*class);
    let of_class = classes::enclosed(&*tokenizer, known::n_between(&class)).filter(|_| encloses);
    let frame = of_class.or_else(|| frame_of(&value));
    Ok(Opened { frame, ..Opened::boxed(tokenizer) })
}

/// Puts what is asked for in the place of what the file says of case, if it can be read in either.
pub(super) fn put_case(value: &mut Value, lowercase: Option<bool>) {
    if let Some(lowercase) = lowercase
        && value["normalizer"]["type"] == "BertNormalizer"
    {
        value["normalizer"]["lowercase"] = json!(lowercase);
    }
}

/// Puts settings in the place of those of the file, as the classes of transformers do.
fn follow(settings: &mut Settings, options: &OpenOptions, value: &mut Value) {
    let mut changes = Vec::new();
    if value.pointer("/normalizer/type").is_some_and(|kind| kind == "BertNormalizer") {
        let said = settings.flag("do_lower_case").filter(|_| options.lowercase.is_none());
        changes.push(("/normalizer/lowercase", said));
        changes.push(("/normalizer/handle_chinese_chars", settings.flag("tokenize_chinese_chars")));
        changes.push(("/normalizer/strip_accents", settings.flag("strip_accents")));
    }
    let is_of_class = settings.class.as_deref().is_some_and(|class| !known::OF_ANY_KIND.contains(&class));
    if is_of_class && value.pointer("/pre_tokenizer/type").is_some_and(|kind| kind == "ByteLevel") {
        changes.push(("/pre_tokenizer/add_prefix_space", settings.flag("add_prefix_space")));
    }
    for (pointer, setting) in changes {
        if let (Some(setting), Some(found)) = (setting, value.pointer_mut(pointer))
            && *found != setting
        {
            let key = pointer.trim_start_matches('/').replace('/', ".");
            settings.notes.push(format!("tokenizer.json has {key} = {found}; {setting} of {CONFIG} is followed"));
            *found = json!(setting);
        }
    }
}

/// Adds the tokens of the settings to those of the file.
fn add_tokens(settings: &mut Settings, value: &mut Value) -> Result<(), TokenizerError> {
    let listed = tokenizer_json::added_tokens(value);
    let vocab = &value["model"]["vocab"];
    let ids = tokenizer_json::ids(vocab);
    // Of equal ones the first counts.
    let of_listed: HashMap<&str, TokenId> =
        listed.iter().rev().map(|token| (token.content.as_str(), token.id)).collect();
    let id_of = |content: &str| of_listed.get(content).or_else(|| ids.get(content)).copied();
    let next = listed.iter().map(|token| token.id as usize + 1).max().unwrap_or(0).max(ids.len());
    let mut all = listed.clone();
    let mut places: HashMap<String, usize> =
        all.iter().enumerate().rev().map(|(at, token)| (token.content.clone(), at)).collect();
    let is_followed = settings.config.contains_key("added_tokens_decoder");
    for token in placed(settings, id_of, next)? {
        match places.get(&token.content) {
            Some(&at) if is_followed => all[at] = token,
            Some(_) => {}
            None => {
                places.insert(token.content.clone(), all.len());
                all.push(token);
            }
        }
    }
    if all != listed {
        all.sort_by_key(|token| token.id);
        value["added_tokens"] = all.iter().map(entry).collect();
    }
    Ok(())
}

/// The entry of a `tokenizer.json` for an added token.
pub(super) fn entry(token: &AddedToken) -> Value {
    json!({
        "id": token.id,
        "content": token.content,
        "single_word": token.single_word,
        "lstrip": token.lstrip,
        "rstrip": token.rstrip,
        "normalized": token.normalized,
        "special": token.special,
    })
}

/// The tokens of the settings with their ids: that of the vocabulary, else the next ones from `next` on.
///
/// # Errors
/// [`TokenizerError::Unsupported`] where `added_tokens.json` or its successor says another id than that.
pub(super) fn placed(
    settings: &mut Settings,
    id_of: impl Fn(&str) -> Option<TokenId>,
    next: usize,
) -> Result<Vec<AddedToken>, TokenizerError> {
    let mut next = next as TokenId;
    let mut tokens: Vec<AddedToken> = Vec::new();
    let mut contents = HashSet::new();
    for token in settings.added.clone() {
        let id = id_of(&token.content).unwrap_or_else(|| {
            next += 1;
            next - 1
        });
        if id != token.id {
            let (content, said) = (&token.content, token.id);
            return Err(settings.unsupported(format!(
                "the added token {content:?} has the id {said} in the settings, and {id} by the vocabulary"
            )));
        }
        contents.insert(token.content.clone());
        tokens.push(token);
    }
    let is_new = |special: &Unplaced| !special.of_class && id_of(&special.content).is_none();
    let has_new = settings.special.iter().any(|special| is_new(special) && !contents.contains(&special.content));
    for special in settings.special.clone() {
        if contents.contains(&special.content) {
            continue;
        }
        let content = &special.content;
        let id = match id_of(content) {
            Some(id) => id,
            None if special.of_class && !has_new => {
                settings.notes.push(format!(
                    "the class's special token {content:?} is not in the vocabulary: it stays text, and transformers \
                     gives it a new id"
                ));
                continue;
            }
            None => {
                settings.notes.push(format!(
                    "the special token {content:?} is not in the vocabulary and gets the id {next}, as in transformers"
                ));
                next += 1;
                next - 1
            }
        };
        tokens.push(special.named_at(id));
    }
    Ok(tokens)
}

/// A folder without a `tokenizer.json`: by its class, else by the files that are there.
fn open_vocabulary(settings: &mut Settings, options: &OpenOptions) -> Result<Opened, TokenizerError> {
    if let Some(opened) = classes::open(settings, options)? {
        return Ok(opened);
    }
    let folder = settings.folder.clone();
    if let Some(kind) = settings.unknown_type() {
        let problem = format!(
            "the tokenizers of {kind} models are read from tokenizer.json alone, and there is none; save the folder again \
             with transformers 5, which writes it for most classes, or name the tokenizer_class in {CONFIG}"
        );
        return Err(settings.unsupported(problem));
    }
    if folder.join("source.spm").is_file() {
        return classes::marian(settings, options);
    }
    for (vocab, merges) in BYTE_LEVEL.map(|(vocab, merges)| (folder.join(vocab), folder.join(merges))) {
        if vocab.is_file() && merges.is_file() {
            return classes::byte_level(settings, &vocab, &merges);
        }
    }
    if folder.join("vocab.txt").is_file() {
        return classes::bert(settings, options);
    }
    let mut found = fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
        .map_err(TokenizerError::io(&folder))?;
    found.sort_unstable();
    let of = |extensions: &[&str]| -> Vec<PathBuf> {
        let has = |path: &&PathBuf| path.extension().is_some_and(|found| extensions.iter().any(|&one| found == one));
        found.iter().filter(has).cloned().collect()
    };
    match &*of(&["model", "spm"]) {
        [] => {}
        [model] => return pieces::without_class(settings, model),
        several => {
            let names: Vec<_> = several.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            let problem =
                format!("several SentencePiece models and no tokenizer_class: give one of {}", names.join(", "));
            return Err(settings.unsupported(problem));
        }
    }
    for path in of(&["tiktoken", "vocab", "txt", "bpe", "codes"]) {
        formats::refuse_other_tools(&path, &files::read(&path)?)?;
    }
    Err(TokenizerError::Unknown { path: folder })
}

/// What the post-processor of a `tokenizer.json` puts around texts; `None` if it is not a template.
pub(crate) fn frame_of(value: &Value) -> Option<Frame> {
    let post = &value["post_processor"];
    match post["type"].as_str() {
        None | Some("ByteLevel") => Some(Frame::default()),
        Some("TemplateProcessing") => template(post),
        Some(kind @ ("BertProcessing" | "RobertaProcessing")) => {
            let id = |key: &str| post[key][1].as_u64().and_then(|id| TokenId::try_from(id).ok());
            let (begin, end) = (id("cls")?, id("sep")?);
            let n_between = if kind == "BertProcessing" { 1 } else { 2 };
            Some(Frame { before: vec![begin], after: vec![end], between: Some(vec![end; n_between]) })
        }
        Some("Sequence") => {
            let parts = post["processors"].as_array()?.iter();
            let frames = parts.map(|part| frame_of(&json!({ "post_processor": part }))).collect::<Option<Vec<_>>>()?;
            frames.into_iter().find(|frame| *frame != Frame::default()).or(Some(Frame::default()))
        }
        Some(_) => None,
    }
}

fn template(post: &Value) -> Option<Frame> {
    let [before, after] = template_parts(post, "single")?.try_into().ok()?;
    let between = template_parts(post, "pair").and_then(|parts| <[_; 3]>::try_from(parts).ok());
    Some(Frame { before, after, between: between.map(|[_, between, _]| between) })
}

/// The special tokens of one of a template's sides: before its first text, after each.
fn template_parts(post: &Value, key: &str) -> Option<Vec<Vec<TokenId>>> {
    let mut parts = vec![Vec::new()];
    for part in post[key].as_array()? {
        if part.get("Sequence").is_some() {
            parts.push(Vec::new());
            continue;
        }
        let name = part["SpecialToken"]["id"].as_str()?;
        for id in post["special_tokens"][name]["ids"].as_array()? {
            parts.last_mut()?.push(TokenId::try_from(id.as_u64()?).ok()?);
        }
    }
    Some(parts)
}
