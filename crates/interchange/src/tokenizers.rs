//! The tokenizer's files in a model's folder.

use std::{collections::BTreeMap, path::Path};

use attentive_tokenizer::{AddedToken, Frame, Framed, Framing, Languages, Model, TokenId, Tokenizer};
use serde_json::{Value, json};

use crate::{InterchangeError, files, reader::Reader};

/// Our own file, which holds any tokenizer.
pub(crate) const OURS: &str = "attentive_tokenizer.json";
const SOURCE: &str = "source.spm";
const TARGET: &str = "target.spm";
pub(crate) const VOCABULARY: &str = "vocab.json";
const TARGET_VOCABULARY: &str = "target_vocab.json";
const MERGES: &str = "merges.txt";
const WORDS: &str = "vocab.txt";
pub(crate) const SETTINGS: &str = "tokenizer_config.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// The token of Whisper's own vocabularies that a transcription begins with.
pub(crate) const START: &str = "<|startoftranscript|>";

/// The ids that translation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecialIds {
    pub(crate) pad: TokenId,
    pub(crate) bos: TokenId,
    pub(crate) eos: TokenId,
    /// What the decoder reads first; nothing where that is a language, and none is the usual one.
    pub(crate) start: Option<TokenId>,
    /// What every target begins with.
    pub(crate) first: Option<TokenId>,
}

impl SpecialIds {
    /// Those of a tokenizer.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] where one is missing.
    pub(crate) fn of(tokenizer: &dyn Tokenizer, format: &'static str) -> Result<Self, InterchangeError> {
        let specials = tokenizer.specials();
        let (start, first) = target_ids(tokenizer);
        match (specials.pad, specials.begin(), specials.end()) {
            (Some(pad), Some(bos), Some(eos)) => Ok(Self { pad, bos, eos, start, first }),
            _ => {
                let problem = "its tokenizer has no id for padding, begin or end of a sentence".to_owned();
                Err(InterchangeError::Inexpressible { format, problems: vec![problem] })
            }
        }
    }
}

/// What the decoder of a tokenizer reads first, and what every target begins with, as far as no language is to be said.
pub(crate) fn target_ids(tokenizer: &dyn Tokenizer) -> (Option<TokenId>, Option<TokenId>) {
    match tokenizer.framing() {
        None => (tokenizer.specials().begin(), None),
        Some(framing) => framing.of_target(None).map_or((framing.begin, None), |(begin, first)| (Some(begin), first)),
    }
}

/// The languages of a tokenizer.
fn languages(tokenizer: &dyn Tokenizer) -> Option<&Languages> {
    tokenizer.framing()?.languages.as_ref()
}

/// Whether sources have the language that they are translated into, in the place of their own.
pub(crate) fn tells_targets(tokenizer: &dyn Tokenizer) -> bool {
    languages(tokenizer).is_some_and(|languages| languages.sources.is_some())
}

/// Whether targets begin with their language, and so with nothing else.
pub(crate) fn begins_with_language(tokenizer: &dyn Tokenizer) -> bool {
    languages(tokenizer).is_some_and(|languages| languages.sources.is_none())
}

/// What a user of another system has to do for such a model; nothing of OPUS-MT's, if no language is its usual one.
pub(crate) fn note_of_targets(tokenizer: &dyn Tokenizer) -> Option<String> {
    let languages = languages(tokenizer).filter(|languages| languages.sources.is_some())?;
    let is_meant = |name: &String| !languages.are_open() || Some(name) == languages.target.as_ref();
    let ids = languages.ids.iter().filter(|(name, _)| is_meant(name));
    let tokens: Vec<_> = ids.filter_map(|(_, &id)| tokenizer.source_token(id)).collect();
    let note =
        || format!("begin each source with the token of the language to translate into: {}", tokens.join(" or "));
    (!tokens.is_empty()).then(note)
}

/// What a user of a model of several targets has to do, if none is its usual one and none has to be said.
pub(crate) fn note_of_languages(tokenizer: &dyn Tokenizer) -> Option<String> {
    let languages = languages(tokenizer).filter(|languages| languages.are_open() && languages.target.is_none())?;
    let (_, &first) = languages.ids.first_key_value().filter(|_| languages.ids.len() > 1)?;
    let (names, token) = (languages.names(), tokenizer.source_token(first)?);
    Some(format!("it translates into {names}: give --target-language, or begin a text with its token, as {token}"))
}

/// A source's frame of its end alone.
fn plain_frame(tokenizer: &dyn Tokenizer) -> Frame {
    Frame { after: tokenizer.specials().end().into_iter().collect(), ..Frame::default() }
}

/// What stands around a source, without a language.
pub(crate) fn source_frame(tokenizer: &dyn Tokenizer) -> Frame {
    tokenizer.framing().map_or_else(|| plain_frame(tokenizer), |framing| framing.source.clone())
}

/// Whether the end of a sentence is all that stands around a source, unless it is told a language.
pub(crate) fn is_plain(tokenizer: &dyn Tokenizer) -> bool {
    let (specials, Some(framing)) = (tokenizer.specials(), tokenizer.framing()) else { return true };
    let (is_end, target) = (framing.source == plain_frame(tokenizer), (framing.begin, framing.first));
    languages(tokenizer).is_some_and(Languages::are_open) && is_end && target == (specials.begin(), None)
}

/// The id of padding that transformers has for sources and targets alike, and so must be in both vocabularies; `None`
/// if one serves both sides.
pub(crate) fn padding_of_both(tokenizer: &dyn Tokenizer) -> Option<TokenId> {
    let model = tokenizer.to_model()?;
    let sources = model.source_vocabulary()?;
    let of_sources = sources.iter().position(|entry| entry == "<pad>")? as TokenId;
    let is_in_both = (of_sources as usize) < tokenizer.vocab_size();
    if is_in_both { Some(of_sources) } else { tokenizer.specials().pad }
}

/// The entries of a vocabulary by id, up to the `rows` of the model's table; those that no token has are named by their id.
pub(crate) fn entries(tokenizer: &dyn Tokenizer, rows: usize) -> Vec<String> {
    let name = |id| tokenizer.token(id).map_or_else(|| format!("<{id}>"), std::borrow::Cow::into_owned);
    (0..rows.max(tokenizer.vocab_size()) as TokenId).map(name).collect()
}

/// As [`entries`], of the vocabulary that sources have.
pub(crate) fn source_entries(tokenizer: &dyn Tokenizer, rows: usize) -> Vec<String> {
    let name = |id| tokenizer.source_token(id).map_or_else(|| format!("<{id}>"), std::borrow::Cow::into_owned);
    (0..rows.max(tokenizer.source_vocab_size()) as TokenId).map(name).collect()
}

/// Writes a tokenizer as `MarianTokenizer` reads it, where that is possible, and in our own file.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_marian(folder: &Path, tokenizer: &dyn Tokenizer) -> Result<Option<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let model = tokenizer.to_model().map(Model::unframed);
    let by_id = |entries: Vec<String>| entries.into_iter().zip(0..).collect::<BTreeMap<String, usize>>();
    let sources = model.as_ref().and_then(|model| model.source_vocabulary());
    match sources {
        Some(sources) => {
            files::write_json(&folder.join(VOCABULARY), &by_id(sources.to_vec()))?;
            files::write_json(&folder.join(TARGET_VOCABULARY), &by_id(entries(tokenizer, 0)))?;
        }
        None => files::write_json(&folder.join(VOCABULARY), &by_id(entries(tokenizer, 0)))?,
    }
    let Some([source, target]) = model.as_ref().and_then(Model::sentencepiece_models) else {
        return Ok(Some(no_equal()));
    };
    files::write(&folder.join(SOURCE), &source)?;
    files::write(&folder.join(TARGET), &target)?;
    let name = |id: Option<TokenId>| id.and_then(|id| tokenizer.token(id));
    let specials = tokenizer.specials();
    let config = json!({
        "tokenizer_class": "MarianTokenizer",
        "extra_special_tokens": added_beside(tokenizer).into_iter().map(|token| token.content).collect::<Vec<_>>(),
        "separate_vocabs": sources.is_some(),
        "pad_token": name(specials.pad),
        "eos_token": name(specials.eos),
        "unk_token": name(specials.unk),
    });
    files::write_json(&folder.join(SETTINGS), &config)?;
    Ok(None)
}

/// The added tokens that no role has, and that hide no span, by id.
pub(crate) fn added_beside(tokenizer: &dyn Tokenizer) -> Vec<AddedToken> {
    let mut added = tokenizer.added_tokens();
    added.retain(|token| !tokenizer.specials().contains(token.id) && !token.content.starts_with("<extra_id_"));
    added.sort_by_key(|token| token.id);
    added
}

/// Reads the tokenizer of an encoder–decoder, whose decoder reads the id `begin` first, if config.json says so.
///
/// # Errors
/// [`InterchangeError::Tokenizer`]; [`InterchangeError::Unsupported`] if the vocabulary lacks an id of the settings.
pub(crate) fn import_translator(
    reader: &mut Reader<'_>,
    begin: Option<TokenId>,
) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let tokenizer = reader.tokenizer(begin)?;
    reader.notes.extend(note_of_languages(&*tokenizer));
    // Languages of a vocabulary say nothing of the rest.
    if tokenizer.framing().is_some() && tokenizer.to_model().is_none_or(|model| matches!(model, Model::Framed(_))) {
        return Ok(tokenizer);
    }
    let Some(framing) = framing(reader, &*tokenizer, begin) else { return Ok(tokenizer) };
    let unsupported = |problem| InterchangeError::Unsupported { path: reader.config_path(), problems: vec![problem] };
    Ok(Box::new(Framed::new(tokenizer, framing).map_err(unsupported)?))
}

/// How the model has its texts framed, if that is not as by the tokenizer's special tokens alone.
fn framing(reader: &mut Reader<'_>, tokenizer: &dyn Tokenizer, begin: Option<TokenId>) -> Option<Framing> {
    let (specials, plain) = (tokenizer.specials(), plain_frame(tokenizer));
    if let Some(mut languages) = reader.languages.take() {
        let name_of = |id: Option<TokenId>| {
            let (name, _) = languages.ids.iter().find(|&(_, known)| Some(*known) == id)?;
            Some(name.clone())
        };
        let (by_begin, by_first) = (name_of(begin), name_of(reader.forced_first()));
        // mBART's decoder reads the language first, and the others the end of a sentence.
        let begins = by_begin.is_some() || begin.is_none() && languages.after_source;
        let usual = by_begin.or(by_first);
        languages.target = usual.or(languages.target);
        let begin = (!begins).then_some(begin.or(specials.end())).flatten();
        return Some(Framing { source: plain, begin, first: None, languages: Some(languages) });
    }
    let of_one = reader.frame.clone().map(|frame| Frame { between: None, ..frame });
    let source = of_one.filter(|frame| *frame != Frame::default()).unwrap_or_else(|| plain.clone());
    let begin = begin.or(specials.begin());
    // A target is framed as a source is.
    let of_frame = source.before.last().copied().filter(|&first| Some(first) != begin);
    let first = reader.forced_first().or(of_frame);
    let is_plain = source == plain && begin == specials.begin();
    if of_frame.is_some() && reader.forced_first().is_none() {
        reader.notes.push(
            "nothing says what texts begin with (forced_bos_token_id): they begin as those that the model learnt from"
                .to_owned(),
        );
    }
    (!is_plain).then(|| Framing { source, begin, first, languages: languages(tokenizer).cloned() })
}

/// Holds a tokenizer against the tables of the model that it was found beside. More rows than entries are usual, since
/// many tables are padded to a multiple of 8 or 64: they are kept, and noted.
///
/// # Errors
/// [`InterchangeError::Vocabulary`] if the tokenizer has special tokens alone, or a table has fewer rows than it has tokens.
pub(crate) fn check_vocabulary(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    [source_rows, rows]: [usize; 2],
) -> Result<Option<String>, InterchangeError> {
    let (n_sources, n_tokens) = (tokenizer.source_vocab_size(), tokenizer.vocab_size());
    let specials = tokenizer.specials();
    let of_text = || (0..n_tokens as TokenId).find(|&id| specials.iter().all(|special| special != id));
    let problem = if of_text().is_none() {
        Some(
            "its vocabulary is empty: it has no tokens but special ones; get the files of the tokenizer again"
                .to_owned(),
        )
    } else if rows < n_tokens {
        Some(format!(
            "the tokenizer has {n_tokens} tokens and the model {rows} rows: take the one that it was trained with"
        ))
    } else if source_rows < n_sources {
        Some(format!("the tokenizer has {n_sources} tokens for sources and the model {source_rows} rows for them"))
    } else {
        None
    };
    if let Some(problem) = problem {
        return Err(InterchangeError::Vocabulary { path: folder.to_owned(), problem });
    }
    let padding = |rows: usize| format!("the vocabulary has {rows} rows that no token has: they are never chosen");
    Ok((rows > n_tokens).then(|| padding(rows - n_tokens)))
}

/// The note for a tokenizer that transformers has no equal of.
pub(crate) fn no_equal() -> String {
    format!(
        "no tokenizer of transformers equals this one: {VOCABULARY} lists its entries; encode and decode with \
         `attentive tokenize`, or import the folder again, which reads {OURS}"
    )
}

/// Writes a tokenizer as `GPT2Tokenizer` reads it, where that is possible, and in our own file; a text begins with `first`, if
/// it begins with a token, which is the class's `bos_token` then.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_gpt2(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    first: Option<TokenId>,
) -> Result<Option<String>, InterchangeError> {
    let model = tokenizer.to_model();
    let merges = model.as_ref().and_then(Model::byte_level_merges);
    if let (None, Some(json)) = (&merges, in_json(model.as_ref(), first)) {
        return export_text_json(folder, tokenizer, &json, None);
    }
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let ids: BTreeMap<String, usize> = entries(tokenizer, 0).into_iter().zip(0..).collect();
    files::write_json(&folder.join(VOCABULARY), &ids)?;
    let specials = tokenizer.specials();
    let name = |id: Option<TokenId>| id.and_then(|id| tokenizer.token(id));
    let Some(merges) = merges else {
        if first.is_some() {
            // Read with our own file, which does not say it.
            files::write_json(&folder.join(SETTINGS), &json!({ "add_bos_token": true, "bos_token": name(first) }))?;
        }
        return Ok(Some(no_equal()));
    };
    files::write(&folder.join(MERGES), merges.as_bytes())?;
    // What has no name here would be <|endoftext|>.
    let config = json!({
        "tokenizer_class": "GPT2Tokenizer",
        "add_bos_token": first.is_some(),
        "bos_token": name(first.or(specials.bos)),
        "eos_token": name(specials.eos),
        "unk_token": name(specials.unk),
        "mask_token": name(specials.mask),
        "pad_token": name(specials.pad),
    });
    files::write_json(&folder.join(SETTINGS), &config)?;
    Ok(None)
}

/// Writes a tokenizer as `AutoTokenizer` reads it beside a decoder, where that is possible, else in our own file; `has_begin`
/// says whether a text begins with a token: `begin`, or the end-of-text token. Texts have up to `max_len` tokens, if it says so.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// As [`export_gpt2`].
pub(crate) fn export_decoder(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    (has_begin, begin): (bool, Option<TokenId>),
    max_len: Option<usize>,
) -> Result<Option<String>, InterchangeError> {
    let first = begin.or(tokenizer.specials().eos).filter(|_| has_begin);
    match in_json(tokenizer.to_model().as_ref(), first) {
        Some(json) => export_text_json(folder, tokenizer, &json, max_len),
        None => export_gpt2(folder, tokenizer, first),
    }
}

/// The `tokenizer.json` of a decoder's tokenizer, where there is one; a text begins with `first`, if it begins with a token.
fn in_json(model: Option<&Model>, first: Option<TokenId>) -> Option<String> {
    model?.to_hugging_face_json(&Frame { before: first.into_iter().collect(), ..Frame::default() })
}

/// Writes a decoder's `tokenizer.json`, which says all of its tokenizer.
fn export_text_json(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    json: &str,
    max_len: Option<usize>,
) -> Result<Option<String>, InterchangeError> {
    let specials = tokenizer.specials();
    files::write(&folder.join(TOKENIZER), json.as_bytes())?;
    let name = |id: Option<TokenId>| id.and_then(|id| tokenizer.token(id));
    let mut config = json!({
        "tokenizer_class": FAST,
        "bos_token": name(specials.bos),
        "eos_token": name(specials.eos),
        "unk_token": name(specials.unk),
        "pad_token": name(specials.pad),
        "mask_token": name(specials.mask),
        "clean_up_tokenization_spaces": false,
    });
    if let Some(max_len) = max_len {
        config["model_max_length"] = json!(max_len);
    }
    files::write_json(&folder.join(SETTINGS), &config)?;
    Ok(None)
}

/// Writes a tokenizer as `WhisperTokenizer` reads it if it is Whisper's own; another as its own `tokenizer.json`, with
/// `start` and `end` around a text, where that is possible, and in our own file.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// As [`export_gpt2`].
pub(crate) fn export_speech(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    [start, end]: [TokenId; 2],
) -> Result<Option<String>, InterchangeError> {
    let is_whispers = tokenizer.added_tokens().iter().any(|token| token.content == START);
    let frame = match is_whispers {
        true => Frame::default(), // which the class has by itself
        false => Frame { before: vec![start], after: vec![end], between: None },
    };
    let Some(json) = tokenizer.to_model().and_then(|model| model.to_hugging_face_json(&frame)) else {
        return export_gpt2(folder, tokenizer, None);
    };
    if !is_whispers {
        let how = OfEncoder { max_len: None, separators: 0, has_segments: false, note_of_pairs: None };
        return export_json(folder, tokenizer, &json, &how).map(|()| None);
    }
    files::write(&folder.join(TOKENIZER), json.as_bytes())?;
    let end = tokenizer.token(end);
    let config = json!({
        "tokenizer_class": "WhisperTokenizer",
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "pad_token": end,
    });
    files::write_json(&folder.join(SETTINGS), &config)?;
    Ok(None)
}

/// The class of transformers that is what its `tokenizer.json` says.
const FAST: &str = "PreTrainedTokenizerFast";

/// How a tokenizer is written for an encoder.
pub(crate) struct OfEncoder {
    /// The longest text.
    pub(crate) max_len: Option<usize>,
    /// Tokens between two texts, where they are not those of a class.
    pub(crate) separators: usize,
    /// Whether the model is told the segment of each token.
    pub(crate) has_segments: bool,
    /// What users must know of two texts, where they are read as by the class.
    pub(crate) note_of_pairs: Option<String>,
}

impl OfEncoder {
    /// Settings with what the model reads, which a class might say in another way.
    fn with_inputs(&self, mut settings: Value) -> Value {
        if !self.has_segments {
            settings["model_input_names"] = json!(["input_ids", "attention_mask"]);
        }
        settings
    }
}

/// Writes a tokenizer as the class, or the class for its kind, `BertTokenizer` or `RobertaTokenizer`, reads it, where that is
/// possible, else as its own `tokenizer.json`, and in our own file.
///
/// The notes name what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_encoder(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    how: OfEncoder,
) -> Result<Vec<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let model = tokenizer.to_model().map(Model::unframed);
    let (settings, max_len) = (folder.join(SETTINGS), how.max_len);
    let in_json = |separators: usize| model.as_ref()?.to_hugging_face_json(&frame(tokenizer, separators));
    if let Some((words, lowercase)) = model.as_ref().and_then(Model::wordpiece_vocab) {
        files::write(&folder.join(WORDS), words.as_bytes())?;
        if let Some(json) = in_json(1) {
            files::write(&folder.join(TOKENIZER), json.as_bytes())?;
        }
        let config =
            json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": lowercase, "model_max_length": max_len });
        files::write_json(&settings, &how.with_inputs(config))?;
        return Ok(how.note_of_pairs.into_iter().collect());
    }
    let vocabulary = || entries(tokenizer, 0).into_iter().zip(0..).collect::<BTreeMap<String, usize>>();
    if let Some(merges) = model.as_ref().and_then(Model::byte_level_merges) {
        files::write_json(&folder.join(VOCABULARY), &vocabulary())?;
        files::write(&folder.join(MERGES), merges.as_bytes())?;
        files::write_json(&settings, &named(tokenizer, "RobertaTokenizer", max_len))?;
        return Ok(how.note_of_pairs.into_iter().collect());
    }
    if let Some(json) = in_json(how.separators) {
        files::write(&folder.join(TOKENIZER), json.as_bytes())?;
        files::write_json(&settings, &how.with_inputs(named(tokenizer, FAST, max_len)))?;
        return Ok(Vec::new());
    }
    files::write_json(&folder.join(VOCABULARY), &vocabulary())?;
    Ok([no_equal()].into_iter().chain(how.note_of_pairs).collect())
}

/// Writes a tokenizer of an encoder without segments as its own `tokenizer.json` where that is possible, with as many tokens
/// between two texts as `separators` says, else as [`export_encoder`], whose errors and notes it has.
pub(crate) fn export_framed(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    max_len: Option<usize>,
    separators: usize,
) -> Result<Vec<String>, InterchangeError> {
    let how = OfEncoder { max_len, separators, has_segments: false, note_of_pairs: None };
    let model = tokenizer.to_model().map(Model::unframed);
    let Some(json) = model.and_then(|model| model.to_hugging_face_json(&frame(tokenizer, separators))) else {
        return export_encoder(folder, tokenizer, how);
    };
    export_json(folder, tokenizer, &json, &how)?;
    Ok(Vec::new())
}

/// Writes a tokenizer as a `tokenizer.json`, which says all of it, and in our own file.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_json(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    json: &str,
    how: &OfEncoder,
) -> Result<(), InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    files::write(&folder.join(TOKENIZER), json.as_bytes())?;
    files::write_json(&folder.join(SETTINGS), &how.with_inputs(named(tokenizer, FAST, how.max_len)))
}

/// What stands around the texts of an encoder, and so many tokens between two.
fn frame(tokenizer: &dyn Tokenizer, separators: usize) -> Frame {
    attentive_bundle::frame_ids(tokenizer).map_or_else(
        |_| Frame::default(),
        |ids| Frame { before: vec![ids.begin], after: vec![ids.end], between: Some(vec![ids.end; separators]) },
    )
}

/// The settings of a tokenizer of this class, which name its special tokens.
fn named(tokenizer: &dyn Tokenizer, class: &str, max_len: Option<usize>) -> Value {
    let specials = tokenizer.specials();
    let name = |id: Option<TokenId>| id.and_then(|id| tokenizer.token(id));
    let mask = tokenizer.added_tokens().into_iter().find(|token| Some(token.id) == specials.mask);
    json!({
        "tokenizer_class": class,
        "model_max_length": max_len,
        "bos_token": name(specials.bos),
        "cls_token": name(specials.cls.or(specials.bos)),
        "eos_token": name(specials.eos),
        "sep_token": name(specials.sep.or(specials.eos)),
        "unk_token": name(specials.unk),
        "pad_token": name(specials.pad),
        "mask_token": mask.map(|mask| json!({
            "__type": "AddedToken",
            "content": mask.content,
            "lstrip": mask.lstrip,
            "rstrip": mask.rstrip,
            "single_word": mask.single_word,
            "normalized": mask.normalized,
        })),
    })
}

/// Reads the tokenizer of an encoder; what its files put around a text is noted where it is something else than here.
///
/// # Errors
/// [`InterchangeError::Tokenizer`].
pub(crate) fn import_encoder(reader: &mut Reader<'_>) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let tokenizer = reader.tokenizer(None)?;
    let ids = attentive_bundle::frame_ids(&*tokenizer).map_err(|cause| {
        let files = [WORDS, VOCABULARY, TOKENIZER, OURS].map(|name| reader.folder.join(name));
        let path = files.into_iter().find(|path| path.is_file()).unwrap_or_else(|| reader.folder.to_owned());
        InterchangeError::Vocabulary { path, problem: cause.to_string() }
    })?;
    let name = |ids: &[TokenId]| {
        let names = ids.iter().filter_map(|&id| tokenizer.token(id)).collect::<Vec<_>>().join(" ");
        if names.is_empty() { "nothing".to_owned() } else { names }
    };
    // Where the files do not say what is between two texts, it is what RoBERTa or BERT has.
    let usual = if tokenizer.token(ids.begin).is_some_and(|begin| begin == "<s>") { 2 } else { 1 };
    let Frame { before, after, between } =
        reader.frame.clone().unwrap_or_else(|| Frame { before: vec![ids.begin], after: vec![ids.end], between: None });
    if before != [ids.begin] || after != [ids.end] {
        reader.notes.push(format!(
            "the tokenizer's files put {} before a text and {} after it; here {} and {} stand there",
            name(&before),
            name(&after),
            name(&[ids.begin]),
            name(&[ids.end]),
        ));
    }
    reader.reading.separators = usual;
    match between {
        Some(between) if between == [ids.end] || between == [ids.end; 2] => reader.reading.separators = between.len(),
        Some(between) => reader.notes.push(format!(
            "the tokenizer's files put {} between two texts; here {} stands there",
            name(&between),
            name(&vec![ids.end; usual]),
        )),
        None => {}
    }
    Ok(tokenizer)
}
