//! Tokenizers by the files of any tool.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bpe::Bpe;
use crate::byte_level::ByteLevelBpe;
use crate::bytes::Bytes;
use crate::code_points::CodePoints;
use crate::error::TokenizerError;
use crate::file::{self, load};
#[cfg(feature = "hugging-face")]
use crate::hugging_face::HuggingFace;
use crate::sentencepiece::SentencePiece;
use crate::tokenizer::Tokenizer;
#[cfg(not(feature = "hugging-face"))]
use crate::tokenizer_json::{self, from_tokenizer_json};
use crate::wordpiece::WordPiece;

/// Vocabularies of byte-level BPE and the merges beside them, as GPT-2 and Hugging Face name them.
const BYTE_LEVEL: [(&str, &str); 2] = [("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")];

/// Reads the tokenizer that `source` leads to, of any kind and by any tool:
///
/// | source | kind |
/// |---|---|
/// | `tokenizer.json` of this crate, or a model's folder with one | as it says |
/// | `encoder.json` or `vocab.bpe`, `vocab.json` or `merges.txt`: the other must lie beside it | [`ByteLevelBpe`] |
/// | a list of tokens with `[UNK]`, `vocab.txt`; cased if any of them has a capital letter | [`WordPiece`] |
/// | codes of subword-nmt: characters that no merge has become bytes | [`Bpe`] |
/// | a SentencePiece model | [`SentencePiece`] |
/// | a folder with one of these | |
/// | `byt5`, `canine`, unless there are files of that name | [`Bytes`], [`CodePoints`] |
///
/// Files are told apart by what they hold, and not by their names, the second row excepted. `tokenizer.json` may be one of
/// Hugging Face's: of the kinds that [`from_tokenizer_json`](crate::from_tokenizer_json) reads or, with the cargo feature
/// `hugging-face`, of any kind.
///
/// # Errors
/// [`TokenizerError::Unknown`] if it is none of these, and the errors of reading each.
///
/// ```
/// let tokenizer = attentive_tokenizer::open("byt5".as_ref())?;
/// assert_eq!(tokenizer.encode("hi"), [107, 108]);
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn open(source: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    if !source.exists() {
        match source.to_str() {
            Some("byt5") => return Ok(Box::new(Bytes::default())),
            Some("canine") => return Ok(Box::new(CodePoints::default())),
            _ => {}
        }
    }
    if source.is_dir() { open_folder(source) } else { open_file(source) }
}

fn open_folder(folder: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    let tokenizer = folder.join("tokenizer.json");
    // Folders of Hugging Face's have a file of that name too, and mostly others beside it that can be read.
    if tokenizer.exists() && (cfg!(feature = "hugging-face") || file::is_ours(&tokenizer)?) {
        return open_file(&tokenizer);
    }
    if let Some((vocab, merges)) = BYTE_LEVEL.map(|names| pair(folder, names)).into_iter().flatten().next() {
        return Ok(Box::new(ByteLevelBpe::from_files(&vocab, &merges)?));
    }
    let mut files = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
        .map_err(TokenizerError::io(folder))?;
    files.sort_unstable();
    let has_extension = |path: &PathBuf, wanted: &[&str]| {
        path.extension().and_then(|extension| extension.to_str()).is_some_and(|found| wanted.contains(&found))
    };
    let known = files.iter().find(|path| path.ends_with("vocab.txt") || has_extension(path, &["model", "spm"]));
    match known {
        Some(path) => open_file(path),
        // Says what is wrong with it.
        None if tokenizer.exists() => open_file(&tokenizer),
        None => Err(TokenizerError::Unknown { path: folder.to_owned() }),
    }
}

fn open_file(path: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    for (vocab, merges) in BYTE_LEVEL {
        if [vocab, merges].contains(&name) {
            return Ok(Box::new(ByteLevelBpe::from_files(&folder.join(vocab), &folder.join(merges))?));
        }
    }
    let bytes = fs::read(path).map_err(TokenizerError::io(path))?;
    match std::str::from_utf8(&bytes) {
        #[cfg(feature = "hugging-face")]
        Ok(text) if text.trim_start().starts_with('{') && !file::is_ours(path)? => {
            Ok(Box::new(HuggingFace::read(path)?))
        }
        #[cfg(not(feature = "hugging-face"))]
        Ok(text) if text.trim_start().starts_with('{') && tokenizer_json::is_theirs(text) => from_tokenizer_json(path),
        Ok(text) if text.trim_start().starts_with('{') => load(path),
        Ok(text) if text.starts_with("#version") => Ok(Box::new(Bpe::from_codes::<&str>(path, [])?)),
        Ok(text) if text.lines().any(|line| line == "[UNK]") => {
            Ok(Box::new(WordPiece::from_vocab(path, !is_cased(text))?))
        }
        _ if SentencePiece::is_model(&bytes) => Ok(Box::new(SentencePiece::from_model(path)?)),
        _ => Err(TokenizerError::Unknown { path: path.to_owned() }),
    }
}

/// Both files, if they are there.
fn pair(folder: &Path, (vocab, merges): (&str, &str)) -> Option<(PathBuf, PathBuf)> {
    let paths = (folder.join(vocab), folder.join(merges));
    (paths.0.exists() && paths.1.exists()).then_some(paths)
}

/// Whether any token but `[UNK]` and its like has a capital letter.
fn is_cased(vocab: &str) -> bool {
    vocab.lines().any(|token| !token.starts_with('[') && token.contains(|c: char| c.is_ascii_uppercase()))
}
