//! The text of a language model: files, or the English of the built-in corpus.

use attentive_bundle::DataRecord;
use attentive_core::TokenId;
use attentive_corpus::BuiltinConfig;
use attentive_data::{
    DataError, DocumentUnit, FileReport, Piece, SentenceCorpus, Storage, TextFiles, TokenCache, TokenStream,
};
use attentive_tokenizer::Tokenizer;

use crate::{
    Context, Log, Result,
    config::{TextFilesRecipe, TextRecipe},
    log::warn_of,
    tokens,
};

/// Bytes of a text from which on it is large.
const LARGE: usize = 1 << 20;

/// One part of a text.
#[derive(Debug)]
pub enum TextSource {
    /// Files, streamed.
    Files(TextFiles),
    /// Sentences of the built-in corpus, a document each.
    Builtin(Vec<String>),
}

/// The parts of a text.
#[derive(Debug)]
pub struct Texts {
    /// What is learnt from.
    pub train: TextSource,
    /// What tells during training how good the model is.
    pub validation: Option<TextSource>,
    /// The last part of the training text that is held out where there is no other validation text.
    pub held_out: Option<f64>,
}

impl Texts {
    /// The parts that a recipe names, or the built-in English.
    ///
    /// # Errors
    /// A file of either part can't be opened.
    pub fn open(recipe: &TextRecipe) -> Result<Self> {
        let files = |files: &TextFilesRecipe| {
            let files = files.files();
            files.check().map(|()| TextSource::Files(files))
        };
        let (train, validation) = match &recipe.train {
            Some(train) => (files(train)?, recipe.validation.as_ref().map(files).transpose()?),
            None => {
                let [train, validation] = TextSource::builtin();
                (train, Some(validation))
            }
        };
        Ok(Self { train, validation, held_out: recipe.validation_fraction })
    }

    /// What `read` makes of the training text and of the validation text; `split` cuts the former at a fraction where
    /// its end is held out.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<T>(
        &self,
        read: impl Fn(&TextSource) -> Result<T>,
        split: impl FnOnce(T, f64) -> [T; 2],
        log: &dyn Log,
    ) -> Result<(T, Option<T>)> {
        let text = read(&self.train).map_err(|error| error.of_part("train"))?;
        Ok(match (&self.validation, self.held_out) {
            (Some(validation), _) => (text, Some(read(validation).map_err(|error| error.of_part("validation"))?)),
            (None, Some(fraction)) => {
                let [text, held_out] = split(text, 1.0 - fraction);
                (text, Some(held_out))
            }
            (None, None) => {
                say!(log, "no [data.validation] and no data.validation_fraction: training runs without validation");
                (text, None)
            }
        })
    }

    /// What `training.json` says of all parts; warns of what is odd about files.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        let mut records = self.train.records("train", log)?;
        if let Some(validation) = &self.validation {
            records.extend(validation.records("validation", log)?);
        }
        Ok(records)
    }
}

impl Texts {
    /// The setting of `[data]` that says what is validated on.
    pub(crate) fn validation_key(&self) -> &'static str {
        if self.validation.is_some() { "validation" } else { "validation_fraction" }
    }
}

impl TextSource {
    /// The training and validation sentences of the built-in corpus.
    fn builtin() -> [Self; 2] {
        let corpus = BuiltinConfig::default().generate();
        [corpus.train, corpus.validation]
            .map(|pairs| Self::Builtin(pairs.into_iter().map(|pair| pair.source).collect()))
    }

    /// The documents, streamed; whole files in lines.
    pub fn pieces(&self) -> Box<dyn Iterator<Item = Result<Piece, DataError>> + '_> {
        match self {
            Self::Files(files) => Box::new(files.documents()),
            Self::Builtin(sentences) => Box::new(
                (1..).zip(sentences).map(|(line, text)| Ok(Piece { text: text.clone(), line, ends_document: true })),
            ),
        }
    }

    /// Their texts, for a tokenizer to learn from: large ones line by line, so that none is too long for that.
    pub fn texts(&self) -> impl Iterator<Item = Result<String, DataError>> {
        let lines = |text: String| match text.len() {
            0..LARGE => vec![text],
            _ => text.split_inclusive('\n').map(str::to_owned).collect(),
        };
        self.pieces().flat_map(move |piece| match piece {
            Ok(piece) => lines(piece.text).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// What of the files is one document.
    pub fn unit(&self) -> DocumentUnit {
        match self {
            Self::Files(files) => files.unit,
            Self::Builtin(_) => DocumentUnit::Line,
        }
    }

    /// The documents as tokens, an end-of-text token between them, or a line break where the vocabulary has none.
    ///
    /// In `cache`, runs find what others have encoded.
    ///
    /// # Errors
    /// A file can't be read, there is no token, or several documents have no token to divide them.
    pub fn encode(&self, tokenizer: &dyn Tokenizer, cache: Option<&TokenCache>, log: &dyn Log) -> Result<TokenStream> {
        self.encode_with(tokenizer, tokenizer.specials().end().or_else(|| line_break(tokenizer)), cache, log)
    }

    /// The documents as tokens, a line break between them.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_lines(
        &self,
        tokenizer: &dyn Tokenizer,
        cache: Option<&TokenCache>,
        log: &dyn Log,
    ) -> Result<TokenStream> {
        self.encode_with(tokenizer, line_break(tokenizer), cache, log)
    }

    fn encode_with(
        &self,
        tokenizer: &dyn Tokenizer,
        separator: Option<TokenId>,
        cache: Option<&TokenCache>,
        log: &dyn Log,
    ) -> Result<TokenStream> {
        let encode = |text: &str| tokenizer.encode(text);
        let stream = match self {
            Self::Files(files) => {
                TokenStream::from_files(files, &tokens::storage(cache, tokenizer, ""), separator, encode)?.0
            }
            Self::Builtin(sentences) => TokenStream::from_texts(sentences, separator, encode)?,
        };
        tokens::say_use(log, stream.cache_use());
        Ok(stream)
    }

    /// The documents as sentences of tokens, a line each, `end` after each document; built-in sentences in documents of what
    /// has words in common.
    ///
    /// # Errors
    /// A file can't be read, or tokens can't be kept in `storage`.
    pub fn sentences(
        &self,
        end: TokenId,
        encode: impl Fn(&str) -> Vec<TokenId> + Sync,
        storage: &Storage,
        log: &dyn Log,
    ) -> Result<SentenceCorpus> {
        match self {
            Self::Files(files) => {
                let (corpus, cache_use) = SentenceCorpus::from_files(files, storage, end, encode)?;
                tokens::say_use(log, cache_use.as_ref());
                Ok(corpus)
            }
            Self::Builtin(sentences) => {
                let mut corpus = SentenceCorpus::new(end);
                for document in attentive_corpus::documents(sentences) {
                    corpus.push_document(document.into_iter().map(&encode));
                }
                Ok(corpus)
            }
        }
    }

    /// The files, read to their ends; none of the built-in text.
    ///
    /// # Errors
    /// Those of reading them.
    pub fn files(&self) -> Result<Vec<FileReport>> {
        match self {
            Self::Files(files) => files.documents().finish().context("hashing the data"),
            Self::Builtin(_) => Ok(Vec::new()),
        }
    }

    /// What `training.json` says of this part.
    fn records(&self, split: &str, log: &dyn Log) -> Result<Vec<DataRecord>> {
        let record = |name: String, n_lines, sha256| DataRecord { split: split.to_owned(), name, n_lines, sha256 };
        match self {
            Self::Files(_) => {
                let of_file = |file: FileReport| record(file.path.display().to_string(), file.n_lines, file.sha256);
                let files = self.files()?;
                warn_of(log, &files);
                Ok(files.into_iter().map(of_file).collect())
            }
            Self::Builtin(sentences) => {
                let lines = sentences.iter().map(|sentence| format!("{sentence}\n"));
                let sha256 = attentive_data::sha256_of(lines);
                Ok(vec![record("built-in".into(), sentences.len() as u64, sha256)])
            }
        }
    }
}

/// The token of a line break; an unknown one where the vocabulary has none.
fn line_break(tokenizer: &dyn Tokenizer) -> Option<TokenId> {
    tokenizer.encode("\n").pop().or(tokenizer.specials().unk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_document_is_learned_from_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let large = "a line of a large document\n".repeat(50_000);
        std::fs::write(&path, format!("two\nlines\n\n{large}")).unwrap();
        let source = TextSource::Files(TextFiles::new([&path], DocumentUnit::Paragraph));
        let texts: Vec<String> = source.texts().collect::<Result<_, _>>().unwrap();
        assert_eq!((texts.len(), &*texts[0]), (50_001, "two\nlines"));
        assert_eq!(texts[1..].concat(), large.trim_end());
    }
}
