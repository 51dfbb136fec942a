//! Tokenizers by the files of any tool.

mod classes;
mod folder;
mod guess;
mod known;
mod languages;
mod pieces;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bpe::Bpe;
use crate::byte_level::ByteLevelBpe;
use crate::bytes::Bytes;
use crate::code_points::CodePoints;
use crate::error::TokenizerError;
use crate::file::{self, load};
use crate::framing::{Frame, Languages};
use crate::sentencepiece::SentencePiece;
use crate::specials::SpecialNames;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::wordpiece::{self, WordPiece, WordPieceFile};
use crate::{files, formats, tokenizer_json};

pub(crate) use folder::frame_of;

/// Vocabularies of byte-level BPE and the merges beside them, as GPT-2 and Hugging Face name them.
const BYTE_LEVEL: [(&str, &str); 2] = [("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")];

/// Reads the tokenizer that `source` leads to, of any kind and by any tool:
///
/// | source | kind |
/// |---|---|
/// | `tokenizer.json` of this crate, or a model's folder with one | as it says |
/// | `tokenizer.json` of Hugging Face, of any kind | as [`from_tokenizer_json`](crate::from_tokenizer_json) says |
/// | `encoder.json` or `vocab.bpe`, `vocab.json` or `merges.txt`: the other must lie beside it | [`ByteLevelBpe`] |
/// | a list of tokens with `[UNK]`, `vocab.txt`; cased if many of them have a capital letter | [`WordPiece`] |
/// | codes of subword-nmt or fastBPE: characters that no merge has become bytes | [`Bpe`] |
/// | a SentencePiece model | [`SentencePiece`] |
/// | a folder of transformers, with what its settings say: see [`OpenOptions::open`] | as its class needs |
/// | `byt5`, `canine`, unless there are files of that name | [`Bytes`], [`CodePoints`] |
///
/// Files are told apart by what they hold, and not by their names, the third row excepted.
///
/// # Errors
/// [`TokenizerError::Unknown`] if it is none of these, [`TokenizerError::Format`] and [`TokenizerError::Unsupported`] if
/// it is something else that is known, and the errors of reading each.
///
/// ```
/// let tokenizer = attentive_tokenizer::open("byt5".as_ref())?;
/// assert_eq!(tokenizer.encode("hi"), [107, 108]);
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn open(source: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    OpenOptions::default().open(source).map(|opened| opened.tokenizer)
}

/// What [`open`] is told beside the source.
///
/// ```no_run
/// use attentive_tokenizer::OpenOptions;
///
/// let opened = OpenOptions::default().lowercase(Some(false)).open("bert-base-cased".as_ref())?;
/// for note in &opened.notes {
///     println!("{note}");
/// }
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    lowercase: Option<bool>,
    target_begin: Option<TokenId>,
}

/// A tokenizer with what was said about it.
#[non_exhaustive]
pub struct Opened {
    /// The tokenizer; its special tokens are those that the settings name.
    pub tokenizer: Box<dyn Tokenizer>,
    /// What the model expects around one text; `None` where the files do not say.
    pub frame: Option<Frame>,
    /// The names of special tokens by role (`bos_token`, …), as the settings have them.
    pub special_names: BTreeMap<String, String>,
    /// The languages that the model is told, if it is.
    pub languages: Option<Languages>,
    /// The most tokens that the model takes, if the settings say so.
    pub model_max_length: Option<usize>,
    /// What was guessed, and what was left aside: a sentence each.
    pub notes: Vec<String>,
}

impl fmt::Debug for Opened {
    /// Everything but the vocabulary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokenizer, frame, languages, special_names, model_max_length, notes } = self;
        f.debug_struct("Opened")
            .field("vocab_size", &tokenizer.vocab_size())
            .field("frame", frame)
            .field("languages", languages)
            .field("special_names", special_names)
            .field("model_max_length", model_max_length)
            .field("notes", notes)
            .finish_non_exhaustive()
    }
}

impl OpenOptions {
    /// Whether a WordPiece vocabulary is uncased; by default what its settings say, else a guess by the vocabulary. Other
    /// tokenizers are refused with it, and those of this crate's own files that are of the other case.
    pub fn lowercase(self, lowercase: Option<bool>) -> Self {
        Self { lowercase, ..self }
    }

    /// The id that translations of a Marian model begin with; by default `config.json`'s `decoder_start_token_id`, else
    /// that of `<pad>`.
    pub fn target_begin(self, target_begin: Option<TokenId>) -> Self {
        Self { target_begin, ..self }
    }

    /// Reads what [`open`] reads, with what the files beside it say.
    ///
    /// Of a folder of transformers, these are read: `tokenizer.json`, `tokenizer_config.json`,
    /// `special_tokens_map.json`, `added_tokens.json`, `config.json` (`model_type`, `tokenizer_class`), and the
    /// vocabulary files of the class. Ids and text are those of transformers 5, with two exceptions, of which there is a
    /// note: a `tokenizer.json` is followed where its class would read it in another way, and a SentencePiece model beside
    /// which nothing names a class gives sentencepiece's own ids. A setting that changes ids is followed or
    /// refused; one that changes nothing here is left aside without a note if that is known, else with one.
    ///
    /// # Errors
    /// As for [`open`].
    pub fn open(&self, source: &Path) -> Result<Opened, TokenizerError> {
        let opened = match source.to_str() {
            Some("byt5") if !source.exists() => Opened::plain(Bytes::default()),
            Some("canine") if !source.exists() => Opened::plain(CodePoints::default()),
            _ if source.is_dir() => folder::open(source, self)?,
            _ => self.open_file(source)?,
        };
        let is_followed =
            |lowercase| opened.tokenizer.to_model().and_then(|model| model.lowercase()) == Some(lowercase);
        match self.lowercase {
            Some(lowercase) if !is_followed(lowercase) => {
                let case = if lowercase { "uncased" } else { "cased" };
                let problem = format!(
                    "it can't be read as {case}: that can be said of BERT's vocabularies alone, and of none that was saved \
                     here; leave it out"
                );
                Err(TokenizerError::Unsupported { path: source.to_owned(), problems: vec![problem] })
            }
            _ => Ok(opened),
        }
    }

    fn open_file(&self, path: &Path) -> Result<Opened, TokenizerError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some((vocab, merges)) = BYTE_LEVEL.iter().find(|(vocab, merges)| [vocab, merges].contains(&&name)) {
            return open_byte_level(&folder.join(vocab), &folder.join(merges));
        }
        let bytes = files::read(path)?;
        // A byte order mark is not part of a text.
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        match str::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with('{') && !file::is_ours(text) => {
                let mut value: Value = serde_json::from_str(text).map_err(TokenizerError::json(path))?;
                if !tokenizer_json::is_theirs(&value) {
                    return load(path).map(Opened::boxed);
                }
                folder::put_case(&mut value, self.lowercase);
                let text = self.lowercase.is_none().then(|| text.to_owned());
                let tokenizer = tokenizer_json::read(path, &value, text, &SpecialNames::new(), false)?;
                let frame = frame_of(&value);
                Ok(Opened { frame, ..Opened::boxed(tokenizer) })
            }
            Ok(text) if text.trim_start().starts_with('{') => load(path).map(Opened::boxed),
            Ok(text) if Bpe::is_codes(text) => Bpe::from_codes::<&str>(path, []).map(Opened::plain),
            Ok(text) if text.lines().any(|line| line.trim_end() == "[UNK]") => self.open_wordpiece(path, text),
            _ if SentencePiece::is_model(bytes) => SentencePiece::from_model(path).map(Opened::plain),
            _ => {
                formats::refuse_other_tools(path, bytes)?;
                Err(TokenizerError::Unknown { path: path.to_owned() })
            }
        }
    }

    fn open_wordpiece(&self, path: &Path, text: &str) -> Result<Opened, TokenizerError> {
        let vocab = wordpiece::parse_vocab(text);
        let (lowercase, note) = guess::lowercase(&vocab, self.lowercase);
        let tokenizer = WordPiece::new(WordPieceFile { lowercase, vocab }).map_err(TokenizerError::invalid(path))?;
        let notes = note.map(|note| format!("{}: {note}", path.display())).into_iter().collect();
        Ok(Opened { notes, ..Opened::plain(tokenizer) })
    }
}

impl Opened {
    fn plain(tokenizer: impl Tokenizer + 'static) -> Self {
        Self::boxed(Box::new(tokenizer))
    }

    fn boxed(tokenizer: Box<dyn Tokenizer>) -> Self {
        Self {
            tokenizer,
            frame: None,
            languages: None,
            special_names: BTreeMap::new(),
            model_max_length: None,
            notes: Vec::new(),
        }
    }
}

/// A vocabulary and merges without any settings: GPT-2's, unless its tokens show another kind.
fn open_byte_level(vocab: &Path, merges: &Path) -> Result<Opened, TokenizerError> {
    for path in [vocab, merges] {
        if !path.exists() {
            let problem = format!(
                "there is no {} beside it; GPT-2's vocabulary and merges are read together",
                path.file_name().unwrap_or_default().to_string_lossy()
            );
            let other: PathBuf = if path == vocab { merges.to_owned() } else { vocab.to_owned() };
            return Err(TokenizerError::Unsupported { path: other, problems: vec![problem] });
        }
    }
    if guess::has_word_ends(&files::read_text(merges)?) {
        let folder = vocab.parent().unwrap_or(Path::new(""));
        return classes::clip_by_vocabulary(folder, vocab, merges);
    }
    Ok(Opened::plain(ByteLevelBpe::from_files(vocab, merges)?))
}
