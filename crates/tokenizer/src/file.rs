//! `tokenizer.json`: one file for every kind of tokenizer.

use std::io::{self, Write};
use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;

use crate::added::{AddedToken, WithAddedTokens, WithAddedTokensFile};
use crate::bpe::{Bpe, BpeFile};
use crate::byte_level::{ByteLevelBpe, ByteLevelFile};
use crate::bytes::{Bytes, BytesFile};
use crate::characters::{Characters, CharactersFile};
use crate::code_points::{CodePoints, CodePointsFile};
use crate::dictionary_bpe::{DictionaryBpe, DictionaryBpeFile};
use crate::error::{Problem, TokenizerError};
use crate::files;
use crate::framing::Frame;
use crate::framing::{Framed, FramedFile, Framing};
use crate::hugging_face::{HuggingFace, HuggingFaceFile};
use crate::m2m100::{M2m100, M2m100File};
use crate::marian::{Marian, MarianFile};
use crate::sentencepiece::{Algorithm, SentencePiece, SentencePieceFile};
use crate::tokenizer::Tokenizer;
use crate::tokenizer_json;
use crate::wordpiece::{WordPiece, WordPieceFile};

const FORMAT: &str = "attentive-tokenizer";
const VERSION: u32 = 1;

/// The kind of a tokenizer and its parameters, as they are stored; [`load`] and [`save`] are what uses it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Model {
    /// [`Bpe`].
    Bpe(BpeFile),
    /// [`ByteLevelBpe`].
    ByteLevelBpe(ByteLevelFile),
    /// [`WordPiece`].
    #[serde(rename = "wordpiece")]
    WordPiece(WordPieceFile),
    /// [`SentencePiece`].
    #[serde(rename = "sentencepiece")]
    SentencePiece(SentencePieceFile),
    /// [`Marian`].
    Marian(Box<MarianFile>),
    /// [`DictionaryBpe`].
    DictionaryBpe(Box<DictionaryBpeFile>),
    /// [`M2m100`].
    M2m100(Box<M2m100File>),
    /// [`Bytes`].
    Bytes(BytesFile),
    /// [`CodePoints`].
    CodePoints(CodePointsFile),
    /// [`Characters`].
    Characters(CharactersFile),
    /// [`HuggingFace`].
    HuggingFace(HuggingFaceFile),
    /// [`WithAddedTokens`].
    WithAddedTokens(WithAddedTokensFile),
    /// [`Framed`].
    Framed(FramedFile),
}

/// A tokenizer with `n` sentinels for hidden spans after its vocabulary, as T5 has them, and entries without use up to
/// `vocab_size`; where it has sentinels already, itself.
///
/// # Errors
/// [`TokenizerError::NoSentinels`] for kinds that have none and can take none: all but bytes and SentencePiece models.
///
/// ```
/// use attentive_tokenizer::{UnigramTrainer, Tokenizer, with_sentinels};
///
/// let tokenizer = UnigramTrainer::with_vocab_size(280).train(["too tired, too wide"])?;
/// let n = tokenizer.vocab_size();
/// let tokenizer = with_sentinels(Box::new(tokenizer), 100, 0)?;
/// assert_eq!(tokenizer.vocab_size(), n + 100);
/// assert_eq!(tokenizer.sentinel(0), Some(n as u32 + 99));
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn with_sentinels(
    tokenizer: Box<dyn Tokenizer>,
    n: usize,
    vocab_size: usize,
) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    if tokenizer.sentinel(0).is_some() {
        return Ok(tokenizer);
    }
    match tokenizer.to_model() {
        Some(Model::SentencePiece(file)) => {
            let model = Model::SentencePiece(file.with_sentinels(n, vocab_size));
            model.into_tokenizer().map_err(|_| TokenizerError::NoSentinels)
        }
        _ => Err(TokenizerError::NoSentinels),
    }
}

impl Model {
    /// The kind whose texts are framed; itself for others.
    pub fn unframed(self) -> Self {
        match self {
            Self::Framed(file) => *file.tokenizer,
            other => other,
        }
    }

    /// The same, its texts framed in another way.
    #[must_use]
    pub fn with_framing(self, framing: Framing) -> Self {
        Self::Framed(FramedFile { framing, tokenizer: Box::new(self.unframed()) })
    }

    /// The kind of which this only says how special tokens are found in a text; `None` if it adds to a vocabulary.
    fn without_conditions(&self) -> Option<&Self> {
        match self {
            Self::WithAddedTokens(file) => {
                let n_inner = match &*file.tokenizer {
                    Self::ByteLevelBpe(file) => file.vocab.len(),
                    Self::WordPiece(file) => file.vocab.len(),
                    _ => 0,
                };
                let is_inside = |token: &AddedToken| token.special && (token.id as usize) < n_inner;
                file.added_tokens.iter().all(is_inside).then_some(&*file.tokenizer)
            }
            other => Some(other),
        }
    }

    /// Whether text is put in lower case; `None` if the normaliser is not BERT's.
    pub fn lowercase(&self) -> Option<bool> {
        match self {
            Self::WordPiece(file) => Some(file.lowercase),
            Self::HuggingFace(file) => file.lowercase(),
            Self::WithAddedTokens(file) => file.tokenizer.lowercase(),
            Self::Framed(file) => file.tokenizer.lowercase(),
            _ => None,
        }
    }

    /// The text of Hugging Face's `tokenizer.json`, if it was made from one that no other kind covers.
    pub fn hugging_face_json(&self) -> Option<&str> {
        match self {
            Self::HuggingFace(file) => Some(file.json()),
            _ => None,
        }
    }

    /// Hugging Face's `tokenizer.json` of a tokenizer that was read from one, or of byte-level BPE or WordPiece with its added
    /// tokens, which puts the `frame` around texts; `None` for other kinds. What was read from a file is that file, which keeps
    /// what it puts around texts itself.
    pub fn to_hugging_face_json(&self, frame: &Frame) -> Option<String> {
        let (kind, added) = match self {
            Self::WithAddedTokens(file) => (&*file.tokenizer, &file.added_tokens[..]),
            other => (other, &[][..]),
        };
        match kind {
            Self::HuggingFace(file) if added.is_empty() => Some(tokenizer_json::framed(file.json(), frame)),
            Self::ByteLevelBpe(file) => Some(tokenizer_json::of_byte_level(file, added, frame)),
            Self::WordPiece(file) => Some(tokenizer_json::of_wordpiece(file, added, frame)),
            _ => None,
        }
    }

    /// Whether it is BPE of any kind.
    pub(crate) fn is_bpe(&self) -> bool {
        match self {
            Self::Bpe(_) | Self::ByteLevelBpe(_) | Self::DictionaryBpe(_) => true,
            Self::SentencePiece(file) => file.algorithm == Algorithm::Bpe,
            Self::HuggingFace(file) => file.is_bpe(),
            Self::WithAddedTokens(file) => file.tokenizer.is_bpe(),
            Self::Framed(file) => file.tokenizer.is_bpe(),
            _ => false,
        }
    }

    /// Whether its decoder, WordPiece's, leaves out spaces before marks and contractions.
    pub(crate) fn cleans_up(&self) -> bool {
        match self {
            Self::WordPiece(_) => true,
            Self::HuggingFace(file) => file.cleans_up(),
            Self::WithAddedTokens(file) => file.tokenizer.cleans_up(),
            Self::Framed(file) => file.tokenizer.cleans_up(),
            _ => false,
        }
    }

    /// The merges as a codes file of subword-nmt, as [`Bpe::to_codes`] writes them; `None` for other kinds.
    pub fn to_codes(&self) -> Option<String> {
        match self {
            Self::Bpe(file) => Some(file.to_codes()),
            _ => None,
        }
    }

    /// The merges of byte-level BPE, as GPT-2's `merges.txt` has them.
    pub fn byte_level_merges(&self) -> Option<String> {
        let Self::ByteLevelBpe(file) = self.without_conditions()? else { return None };
        let merges = file.merges.iter().map(|(left, right)| format!("{left} {right}\n"));
        Some(["#version: 0.2\n".to_owned()].into_iter().chain(merges).collect())
    }

    /// The tokens of WordPiece, as BERT's `vocab.txt` has them, and whether text is put in lower case.
    pub fn wordpiece_vocab(&self) -> Option<(String, bool)> {
        let Self::WordPiece(file) = self.without_conditions()? else { return None };
        Some((file.vocab.iter().map(|token| format!("{token}\n")).collect(), file.lowercase))
    }

    /// The entries of the vocabulary that sources have of their own, by id; `None` where one serves both sides.
    pub fn source_vocabulary(&self) -> Option<&[String]> {
        match self {
            Self::Marian(file) => file.source_vocab.as_deref(),
            Self::DictionaryBpe(file) => file.source.as_ref().map(|source| &source.vocab[..]),
            _ => None,
        }
    }

    /// The SentencePiece models in it that segment sources and targets, as the content of `.model` files.
    pub fn sentencepiece_models(&self) -> Option<[Vec<u8>; 2]> {
        match self {
            Self::SentencePiece(file) => Some([file.to_model_bytes(), file.to_model_bytes()]),
            Self::Marian(file) => Some([file.source.to_model_bytes(), file.target.to_model_bytes()]),
            Self::HuggingFace(file) => {
                let model = file.sentencepiece()?.to_model_bytes();
                Some([model.clone(), model])
            }
            // Special tokens are not found in texts.
            Self::WithAddedTokens(file) if file.added_tokens.iter().all(|token| token.special) => {
                file.tokenizer.sentencepiece_models()
            }
            _ => None,
        }
    }

    /// The content of M2M100's `sentencepiece.bpe.model`, and the entries of its `vocab.json` by id.
    pub fn m2m100_parts(&self) -> Option<(Vec<u8>, &[String])> {
        match self {
            Self::M2m100(file) => Some(M2m100::parts(file)),
            _ => None,
        }
    }

    /// The content of T5's `spiece.model`, without the sentinels that stand after its pieces, and their number; `None`
    /// for other kinds than SentencePiece models and what is made of them.
    pub fn t5_model(self) -> Option<(Vec<u8>, usize)> {
        let file = match self {
            Self::SentencePiece(file) => file,
            Self::HuggingFace(file) => file.sentencepiece()?,
            _ => return None,
        };
        // The class puts a space before each text.
        let (file, n_sentinels) = file.without_sentinels();
        file.normalizer.add_dummy_prefix.then_some(())?;
        Some((file.to_model_bytes(), n_sentinels))
    }

    pub(crate) fn into_tokenizer(self) -> Result<Box<dyn Tokenizer>, Problem> {
        Ok(match self {
            Self::Bpe(file) => Box::new(Bpe::new(file)?),
            Self::ByteLevelBpe(file) => Box::new(ByteLevelBpe::new(file)?),
            Self::WordPiece(file) => Box::new(WordPiece::new(file)?),
            Self::SentencePiece(file) => Box::new(SentencePiece::new(file)?),
            Self::Marian(file) => Box::new(Marian::new(*file)?),
            Self::DictionaryBpe(file) => Box::new(DictionaryBpe::new(*file)?),
            Self::M2m100(file) => Box::new(M2m100::new(*file)?),
            Self::Bytes(BytesFile {}) => Box::new(Bytes::default()),
            Self::CodePoints(CodePointsFile {}) => Box::new(CodePoints::default()),
            Self::Characters(file) => Box::new(Characters::new(&file)?),
            Self::HuggingFace(file) => Box::new(HuggingFace::new(file)?),
            Self::Framed(file) => Box::new(Framed::of_file(file)?),
            Self::WithAddedTokens(file) => {
                Box::new(WithAddedTokens::new(file.tokenizer.into_tokenizer()?, file.added_tokens, file.specials)?)
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
struct File<M> {
    format: String,
    version: u32,
    model: M,
}

/// Reads a tokenizer of any kind from the `tokenizer.json` at `path`.
///
/// # Errors
/// [`Io`](TokenizerError::Io) if it cannot be read, [`Json`](TokenizerError::Json) if it is cut short or is another file,
/// [`Version`](TokenizerError::Version) if it is of another version, [`Invalid`](TokenizerError::Invalid) if its parts
/// contradict each other.
///
/// ```no_run
/// let tokenizer = attentive_tokenizer::load("runs/latest/tokenizer.json".as_ref())?;
/// let ids = tokenizer.encode("too tired");
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn load(path: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    let json = files::read_text(path)?;
    let header: File<IgnoredAny> = serde_json::from_str(&json).map_err(TokenizerError::json(path))?;
    if header.format != FORMAT {
        let reason = format!("format is {:?}, expected {FORMAT:?}", header.format);
        return Err(TokenizerError::invalid(path)(reason));
    }
    if header.version != VERSION {
        return Err(TokenizerError::Version { path: path.to_owned(), found: header.version, expected: VERSION });
    }
    let file: File<Model> = serde_json::from_str(&json).map_err(TokenizerError::json(path))?;
    file.model.into_tokenizer().map_err(TokenizerError::invalid(path))
}

/// Whether `json` says to be a tokenizer of this crate, of whatever version.
pub(crate) fn is_ours(json: &str) -> bool {
    serde_json::from_str::<File<IgnoredAny>>(json).is_ok_and(|header| header.format == FORMAT)
}

/// Writes `tokenizer` to `path`, so that [`load`] gives an equal one. The file is written beside `path` first, put on
/// the disk and then renamed, so that no half of it is ever found there, after a loss of power either.
///
/// # Errors
/// [`Io`](TokenizerError::Io) if it cannot be written, [`NoFile`](TokenizerError::NoFile) if the tokenizer is of a kind
/// that has no file.
pub fn save(tokenizer: &dyn Tokenizer, path: &Path) -> Result<(), TokenizerError> {
    let model = tokenizer.to_model().ok_or_else(|| TokenizerError::NoFile { path: path.to_owned() })?;
    let file = File { format: FORMAT.to_owned(), version: VERSION, model };
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, Lines { depth: 0 });
    file.serialize(&mut serializer).map_err(TokenizerError::json(path))?;
    json.push(b'\n');

    files::write(path, &json)
}

/// JSON with a line for each field, and for each entry of a field that is a list.
struct Lines {
    depth: usize,
}

/// Of the file, the model, its kind, its fields: what is inside an entry stays on its line.
const MAX_BROKEN_DEPTH: usize = 4;

impl Lines {
    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(bracket)
    }

    fn separate<W: ?Sized + Write>(&self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        match self.depth {
            depth if depth <= MAX_BROKEN_DEPTH => write!(writer, "\n{:depth$}", ""),
            _ if first => Ok(()),
            _ => writer.write_all(b" "),
        }
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.depth < MAX_BROKEN_DEPTH {
            write!(writer, "\n{:depth$}", "", depth = self.depth)?;
        }
        writer.write_all(bracket)
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }
}
