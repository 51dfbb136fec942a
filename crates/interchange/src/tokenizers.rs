//! The tokenizer's files in a model's folder.

use std::{collections::BTreeMap, path::Path};

use attentive_tokenizer::{ByteLevelBpe, Marian, TokenId, Tokenizer, WordPiece};
use serde::Deserialize;
use serde_json::json;

use crate::{InterchangeError, files};

/// Our own file, which holds any tokenizer.
pub(crate) const OURS: &str = "attentive_tokenizer.json";
const SOURCE: &str = "source.spm";
const TARGET: &str = "target.spm";
const PIECES: &str = "spiece.model";
const VOCABULARY: &str = "vocab.json";
const TARGET_VOCABULARY: &str = "target_vocab.json";
const MERGES: &str = "merges.txt";
const WORDS: &str = "vocab.txt";
const THEIRS: &str = "tokenizer.json";
const SETTINGS: &str = "tokenizer_config.json";

/// The ids that translation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecialIds {
    pub(crate) pad: TokenId,
    pub(crate) bos: TokenId,
    pub(crate) eos: TokenId,
}

impl SpecialIds {
    /// Those of a tokenizer.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] where one is missing.
    pub(crate) fn of(tokenizer: &dyn Tokenizer, format: &'static str) -> Result<Self, InterchangeError> {
        let specials = tokenizer.specials();
        match (specials.pad, specials.bos, specials.eos) {
            (Some(pad), Some(bos), Some(eos)) => Ok(Self { pad, bos, eos }),
            _ => {
                let problem = "its tokenizer has no id for padding, begin or end of a sentence".to_owned();
                Err(InterchangeError::Inexpressible { format, problems: vec![problem] })
            }
        }
    }
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

/// Writes a tokenizer as `MarianTokenizer` reads it, where that is possible, and in our own file.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_marian(folder: &Path, tokenizer: &dyn Tokenizer) -> Result<Option<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let model = tokenizer.to_model();
    let by_id = |entries: Vec<String>| entries.into_iter().zip(0..).collect::<BTreeMap<String, usize>>();
    let sources = model.as_ref().and_then(|model| model.source_vocabulary());
    match sources {
        Some(sources) => {
            files::write_json(&folder.join(VOCABULARY), &by_id(sources.to_vec()))?;
            files::write_json(&folder.join(TARGET_VOCABULARY), &by_id(entries(tokenizer, 0)))?;
        }
        None => files::write_json(&folder.join(VOCABULARY), &by_id(entries(tokenizer, 0)))?,
    }
    let Some([source, target]) = model.as_ref().and_then(attentive_tokenizer::Model::sentencepiece_models) else {
        return Ok(Some(no_equal()));
    };
    files::write(&folder.join(SOURCE), &source)?;
    files::write(&folder.join(TARGET), &target)?;
    let name = |id: Option<TokenId>| id.and_then(|id| tokenizer.token(id));
    let specials = tokenizer.specials();
    let config = json!({
        "tokenizer_class": "MarianTokenizer",
        "separate_vocabs": sources.is_some(),
        "pad_token": name(specials.pad),
        "eos_token": name(specials.eos),
        "unk_token": name(specials.unk),
    });
    files::write_json(&folder.join(SETTINGS), &config)?;
    Ok(None)
}

/// The setting of `tokenizer_config.json` that says which files there are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MarianTokenizerConfig {
    separate_vocabs: bool,
}

/// Reads the tokenizer of a Pegasus folder: Marian's files, or the released models' one; `bos` is the id that translations
/// begin with.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Unsupported`], [`InterchangeError::Tokenizer`].
pub(crate) fn import_pegasus(folder: &Path, bos: TokenId) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        offset: Option<usize>,
    }
    const OFFSET: usize = 103;
    let [ours, source, pieces, settings] = [OURS, SOURCE, PIECES, SETTINGS].map(|name| folder.join(name));
    if ours.is_file() || source.is_file() {
        return import_marian(folder, bos);
    }
    if !pieces.is_file() {
        let wanted = "spiece.model, or source.spm, target.spm and vocab.json, the tokenizer's files";
        return Err(InterchangeError::Missing { path: folder.to_owned(), wanted });
    }
    let Config { offset } = if settings.is_file() { files::read_json(&settings)? } else { Config::default() };
    if let Some(offset) = offset.filter(|&offset| offset != OFFSET) {
        let problem = format!("offset is {offset}; here it is {OFFSET}");
        return Err(InterchangeError::Unsupported { path: settings, problems: vec![problem] });
    }
    Ok(Box::new(Marian::pegasus(&pieces, bos)?))
}

/// Reads the tokenizer of a Marian folder; `bos` is the id that translations begin with.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Tokenizer`].
pub(crate) fn import_marian(folder: &Path, bos: TokenId) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let ours = folder.join(OURS);
    if ours.is_file() {
        return Ok(attentive_tokenizer::load(&ours)?);
    }
    let settings = folder.join(SETTINGS);
    let MarianTokenizerConfig { separate_vocabs } =
        if settings.is_file() { files::read_json(&settings)? } else { MarianTokenizerConfig::default() };
    let [source, target, vocabulary, of_targets] =
        [SOURCE, TARGET, VOCABULARY, TARGET_VOCABULARY].map(|name| folder.join(name));
    let (wanted, there) = match separate_vocabs {
        false => ("source.spm, target.spm and vocab.json, the tokenizer's files", true),
        true => {
            ("source.spm, target.spm, vocab.json and target_vocab.json, the tokenizer's files", of_targets.is_file())
        }
    };
    if !there || ![&source, &target, &vocabulary].iter().all(|path| path.is_file()) {
        return Err(InterchangeError::Missing { path: folder.to_owned(), wanted });
    }
    Ok(Box::new(match separate_vocabs {
        false => Marian::from_files(&source, &target, &vocabulary, bos)?,
        true => Marian::with_vocabularies([&source, &vocabulary], [&target, &of_targets], bos)?,
    }))
}

/// Holds a tokenizer against the tables of the model that it was found beside. More rows than entries are usual, since
/// many tables are padded to a multiple of 8 or 64: they are kept, and noted.
///
/// # Errors
/// [`InterchangeError::Mismatch`] if a table has fewer rows than the tokenizer has entries.
pub(crate) fn check_vocabulary(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    [source_rows, rows]: [usize; 2],
) -> Result<Option<String>, InterchangeError> {
    let (n_sources, n_entries) = (tokenizer.source_vocab_size(), tokenizer.vocab_size());
    let few = |what: &str, rows: usize, n: usize| {
        (rows < n).then(|| format!("the model has {rows} rows for {what}, and the tokenizer has {n} entries"))
    };
    let problems: Vec<String> =
        [few("sources", source_rows, n_sources), few("tokens", rows, n_entries)].into_iter().flatten().collect();
    if !problems.is_empty() {
        return Err(InterchangeError::Mismatch { path: folder.to_owned(), problems });
    }
    let padding = |rows: usize| format!("the vocabulary has {rows} rows that no token has: they are never chosen");
    Ok((rows > n_entries).then(|| padding(rows - n_entries)))
}

/// The note for a tokenizer that transformers has no equal of.
pub(crate) fn no_equal() -> String {
    format!(
        "no tokenizer of transformers equals this one: {VOCABULARY} lists its entries; encode and decode with \
         `attentive tokenize`, or import the folder again, which reads {OURS}"
    )
}

/// Writes a tokenizer as `GPT2Tokenizer` reads it, where that is possible, and in our own file.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_gpt2(folder: &Path, tokenizer: &dyn Tokenizer) -> Result<Option<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let ids: BTreeMap<String, usize> = entries(tokenizer, 0).into_iter().zip(0..).collect();
    files::write_json(&folder.join(VOCABULARY), &ids)?;
    let Some(merges) = tokenizer.to_model().and_then(|model| model.byte_level_merges()) else {
        return Ok(Some(no_equal()));
    };
    files::write(&folder.join(MERGES), merges.as_bytes())?;
    files::write_json(&folder.join(SETTINGS), &json!({ "tokenizer_class": "GPT2Tokenizer" }))?;
    Ok(None)
}

/// Reads the tokenizer of a GPT-2 folder.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Tokenizer`].
pub(crate) fn import_gpt2(folder: &Path) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let ours = folder.join(OURS);
    if ours.is_file() {
        return Ok(attentive_tokenizer::load(&ours)?);
    }
    let [vocabulary, merges] = [VOCABULARY, MERGES].map(|name| folder.join(name));
    if !(vocabulary.is_file() && merges.is_file()) {
        let wanted = "vocab.json and merges.txt, the tokenizer's files";
        return Err(InterchangeError::Missing { path: folder.to_owned(), wanted });
    }
    Ok(Box::new(ByteLevelBpe::from_files(&vocabulary, &merges)?))
}

/// Writes a tokenizer as `BertTokenizer` or `RobertaTokenizer` reads it, where that is possible, and in our own file.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_encoder(
    folder: &Path,
    tokenizer: &dyn Tokenizer,
    max_len: Option<usize>,
) -> Result<Option<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let model = tokenizer.to_model();
    let settings = folder.join(SETTINGS);
    if let Some((words, lowercase)) = model.as_ref().and_then(attentive_tokenizer::Model::wordpiece_vocab) {
        files::write(&folder.join(WORDS), words.as_bytes())?;
        let config =
            json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": lowercase, "model_max_length": max_len });
        files::write_json(&settings, &config)?;
        return Ok(None);
    }
    let ids: BTreeMap<String, usize> = entries(tokenizer, 0).into_iter().zip(0..).collect();
    files::write_json(&folder.join(VOCABULARY), &ids)?;
    let Some(merges) = model.and_then(|model| model.byte_level_merges()) else {
        return Ok(Some(no_equal()));
    };
    files::write(&folder.join(MERGES), merges.as_bytes())?;
    let specials = tokenizer.specials();
    let name = |id: Option<TokenId>| id.and_then(|id| tokenizer.token(id));
    let config = json!({
        "tokenizer_class": "RobertaTokenizer",
        "model_max_length": max_len,
        "bos_token": name(specials.bos),
        "cls_token": name(specials.cls.or(specials.bos)),
        "eos_token": name(specials.eos),
        "sep_token": name(specials.sep.or(specials.eos)),
        "unk_token": name(specials.unk),
        "pad_token": name(specials.pad),
        // A space before it belongs to it, as in the released models.
        "mask_token": name(specials.mask).map(|content| json!({
            "__type": "AddedToken",
            "content": content,
            "lstrip": true,
            "rstrip": false,
            "single_word": false,
            "normalized": false,
        })),
    });
    files::write_json(&settings, &config)?;
    Ok(None)
}

/// The settings of `tokenizer_config.json` that say what text becomes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EncoderTokenizerConfig {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    do_basic_tokenize: Option<bool>,
    add_prefix_space: Option<bool>,
}

impl EncoderTokenizerConfig {
    fn read(folder: &Path) -> Result<Self, InterchangeError> {
        let path = folder.join(SETTINGS);
        let config: Self = if path.is_file() { files::read_json(&path)? } else { Self::default() };
        let lowercase = config.do_lower_case.unwrap_or(true);
        let wanted = [
            ("strip_accents", config.strip_accents, lowercase),
            ("tokenize_chinese_chars", config.tokenize_chinese_chars, true),
            ("do_basic_tokenize", config.do_basic_tokenize, true),
            ("add_prefix_space", config.add_prefix_space, false),
        ];
        let differs = |&(_, found, here): &(&str, Option<bool>, bool)| found.is_some_and(|found| found != here);
        let problem = |(key, _, here): (&str, Option<bool>, bool)| format!("{key} is {}; here it is {here}", !here);
        let problems: Vec<String> = wanted.into_iter().filter(differs).map(problem).collect();
        if problems.is_empty() { Ok(config) } else { Err(InterchangeError::Unsupported { path, problems }) }
    }
}

/// Reads the tokenizer of a BERT or RoBERTa folder.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Unsupported`], [`InterchangeError::Tokenizer`].
pub(crate) fn import_encoder(folder: &Path) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let [ours, words, vocabulary, merges, theirs] =
        [OURS, WORDS, VOCABULARY, MERGES, THEIRS].map(|name| folder.join(name));
    if ours.is_file() {
        return Ok(attentive_tokenizer::load(&ours)?);
    }
    let config = EncoderTokenizerConfig::read(folder)?;
    // Without a word on case, the other file knows it.
    if words.is_file() && (config.do_lower_case.is_some() || !theirs.is_file()) {
        return Ok(Box::new(WordPiece::from_vocab(&words, config.do_lower_case.unwrap_or(true))?));
    }
    if vocabulary.is_file() && merges.is_file() {
        return Ok(Box::new(ByteLevelBpe::from_files(&vocabulary, &merges)?));
    }
    if theirs.is_file() {
        return Ok(attentive_tokenizer::from_tokenizer_json(&theirs)?);
    }
    let wanted = "vocab.txt, vocab.json and merges.txt, or tokenizer.json, the tokenizer's files";
    Err(InterchangeError::Missing { path: folder.to_owned(), wanted })
}
