//! How a recipe's text becomes tokens.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use attentive_data::DataError;
use attentive_tokenizer::{BpeTrainer, ByteLevelBpeTrainer, Bytes, Characters, PreTokenization, Tokenizer};
use serde::{Deserialize, Serialize};

/// How text becomes tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenizerRecipe {
    /// A `tokenizer.json` to use instead of training one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Kind of vocabulary.
    #[serde(default)]
    pub kind: TokenizerKind,
    /// Merges to learn from the training text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merges: Option<usize>,
    /// Size of the vocabulary, in place of `merges`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// How text falls into words: `punctuation` for raw text, `spaces` for text that is tokenised already.
    #[serde(default)]
    pub pre_tokenization: PreTokenization,
}

/// Kind of vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TokenizerKind {
    /// Byte-pair encoding with an end-of-word mark (Sennrich et al. 2016).
    #[default]
    Bpe,
    /// Byte-pair encoding of bytes, as GPT-2's; it takes a `vocab_size`.
    ByteLevelBpe,
    /// The characters of the training text.
    Characters,
    /// Bytes.
    Bytes,
}

impl TokenizerRecipe {
    pub(super) fn validate(&self) -> Result<()> {
        let Self { path, kind, merges, vocab_size, .. } = self;
        if path.is_some() {
            if merges.is_some() || vocab_size.is_some() {
                bail!("[tokenizer] has a path and also merges or vocab_size; a tokenizer is read or trained, not both");
            }
            return Ok(());
        }
        match (kind, merges, vocab_size) {
            (TokenizerKind::Bpe, None, None) => {
                bail!("[tokenizer] needs merges, vocab_size, or the path of a tokenizer.json")
            }
            (TokenizerKind::Bpe, Some(_), Some(_)) => bail!("[tokenizer] has both merges and vocab_size; give one"),
            (TokenizerKind::ByteLevelBpe, Some(_), _) | (TokenizerKind::ByteLevelBpe, _, None) => {
                bail!("[tokenizer] of the kind byte-level-bpe needs a vocab_size, and takes no merges")
            }
            (TokenizerKind::Characters | TokenizerKind::Bytes, Some(_), _)
            | (TokenizerKind::Characters | TokenizerKind::Bytes, _, Some(_)) => {
                bail!("[tokenizer] of the kinds characters and bytes takes neither merges nor vocab_size")
            }
            _ => Ok(()),
        }
    }

    /// The tokenizer of the recipe's file, or one learnt from texts, which are streamed.
    pub(crate) fn read_or_learn(
        &self,
        texts: impl Iterator<Item = Result<String, DataError>>,
    ) -> Result<Box<dyn Tokenizer>> {
        if let Some(path) = &self.path {
            return Ok(attentive_tokenizer::load(path)?);
        }
        let mut failure = None;
        let texts = texts.map_while(|text| text.map_err(|error| failure = Some(error)).ok());
        let tokenizer: Box<dyn Tokenizer> = match self.kind {
            TokenizerKind::Bpe => {
                let trainer = match (self.merges, self.vocab_size) {
                    (Some(n), _) => BpeTrainer::with_merges(n),
                    (None, n) => BpeTrainer::with_vocab_size(n.context("[tokenizer] needs merges or vocab_size")?),
                };
                Box::new(trainer.pre_tokenization(self.pre_tokenization).train(texts)?)
            }
            TokenizerKind::ByteLevelBpe => {
                let vocab_size = self.vocab_size.context("[tokenizer] needs a vocab_size")?;
                Box::new(ByteLevelBpeTrainer::with_vocab_size(vocab_size).train(texts)?)
            }
            TokenizerKind::Characters => Box::new(Characters::train(texts)),
            TokenizerKind::Bytes => Box::new(Bytes::default()),
        };
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(tokenizer),
        }
    }
}
