//! What cuts texts into the pieces of a vocabulary.

use std::path::{Path, PathBuf};

use attentive_tokenizer::{DictionaryBpe, Marian, Specials, Tokenizer};

use super::{Vocabularies, sentencepiece_models};
use crate::InterchangeError;

/// Names of codes of subword-nmt or fastBPE; for each side, with a dot and its language after them.
const CODES: [&str; 6] = ["bpecodes", "bpe.codes", "codes", "code", "bpe.code", "codes.bpe"];
/// The mark of a piece that does not end its word, in subword-nmt.
const CONTINUES: &str = "@@";
/// The mark that stands for a space in SentencePiece.
const SPACE: char = '\u{2581}';
/// The mark of OpenNMT's Tokenizer between pieces that a space is not between.
const JOINER: char = '\u{ffed}';

/// What cuts texts of sources and of targets into pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cutter {
    /// SentencePiece models.
    SentencePiece([PathBuf; 2]),
    /// Codes of subword-nmt or fastBPE.
    Codes([PathBuf; 2]),
    /// Words are entries of the vocabulary.
    Words,
}

impl Cutter {
    /// Finds the files of a folder that the pieces of the vocabularies ask for; `languages` are the names of the sides, if
    /// they are known.
    ///
    /// # Errors
    /// [`InterchangeError::Vocabulary`] says which file to put there; [`InterchangeError::Unsupported`] if the pieces are of
    /// another tool.
    pub(crate) fn find(
        folder: &Path,
        vocabularies: &Vocabularies,
        languages: Option<[&str; 2]>,
    ) -> Result<Self, InterchangeError> {
        let entries = || vocabularies.source.iter().chain(&vocabularies.target);
        if entries().any(|entry| entry.starts_with(SPACE)) {
            return Ok(Self::SentencePiece(sentencepiece_models(folder)?));
        }
        if entries().any(|entry| entry.contains(JOINER)) {
            let problem = format!(
                "its pieces have {JOINER}, the mark of OpenNMT's Tokenizer, which is not read: there are SentencePiece models \
                 and codes of subword-nmt"
            );
            return Err(InterchangeError::Unsupported { path: folder.to_owned(), problems: vec![problem] });
        }
        if let Some(codes) = codes(folder, languages) {
            return Ok(Self::Codes(codes));
        }
        let is_number = |entry: &&String| entry.bytes().all(|byte| byte.is_ascii_digit());
        if entries().filter(is_number).count() > entries().count() / 2 {
            let problem = "its entries are numbers, as ids of GPT-2's BPE, which are not read beside a dictionary";
            return Err(InterchangeError::Unsupported { path: folder.to_owned(), problems: vec![problem.to_owned()] });
        }
        match entries().any(|entry| entry.ends_with(CONTINUES)) {
            false => Ok(Self::Words),
            true => Err(InterchangeError::Vocabulary {
                path: folder.to_owned(),
                problem: format!(
                    "its vocabulary has pieces of words, and not the codes that cut words into them; put the codes of \
                     subword-nmt or fastBPE that it was trained with there, as {}",
                    CODES[0]
                ),
            }),
        }
    }

    /// The tokenizer of these vocabularies: that of targets, and that of sources if they have their own.
    ///
    /// # Errors
    /// [`InterchangeError::Tokenizer`] if a file is damaged or the vocabularies do not fit.
    pub(crate) fn tokenizer(
        &self,
        source: Option<Vec<String>>,
        target: Vec<String>,
        specials: Specials,
    ) -> Result<Box<dyn Tokenizer>, InterchangeError> {
        Ok(match self {
            Self::SentencePiece([one, other]) => Box::new(Marian::with_lists([one, other], source, target, specials)?),
            Self::Codes([one, other]) => {
                Box::new(DictionaryBpe::with_lists(Some([one, other]), source, target, specials)?)
            }
            Self::Words => Box::new(DictionaryBpe::with_lists(None, source, target, specials)?),
        })
    }

    /// What a user must know of it.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self {
            Self::SentencePiece(_) => None,
            Self::Codes(_) => Some(
                "words are split at spaces before they are cut: give texts as the model's were prepared, where Moses' \
                 tokenizer for example sets marks apart",
            ),
            Self::Words => Some(
                "the vocabulary has words and no codes are beside it: give texts as the model's were prepared, a word that is \
                 not in it is unknown",
            ),
        }
    }
}

/// The codes of both sides in a folder.
fn codes(folder: &Path, languages: Option<[&str; 2]>) -> Option<[PathBuf; 2]> {
    let find = |end: &str| CODES.iter().map(|name| folder.join(format!("{name}{end}"))).find(|path| path.is_file());
    let of_sides = languages.and_then(|languages| {
        let [source, target] = languages.map(|language| find(&format!(".{language}")));
        Some([source?, target?])
    });
    of_sides.or_else(|| find("").map(|path| [path.clone(), path]))
}
