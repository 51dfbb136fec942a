//! How text becomes tokens.

use std::path::{Path, PathBuf};

use attentive_tokenizer::{
    BpeTrainer, ByteLevelBpeTrainer, Bytes, Characters, CodePoints, PreTokenization, Tokenizer, TrainingReport,
    UnigramTrainer, WordPieceTrainer,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, data::is_false};
use crate::{Error, Log};

/// The tokenizer of a run: one that there is, or one to train.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenizerRecipe {
    /// A tokenizer to use instead of training one: `tokenizer.json`, or a file of another tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::path")]
    pub path: Option<PathBuf>,
    /// Kind of vocabulary.
    #[serde(default)]
    pub kind: TokenizerKind,
    /// Merges to learn, of BPE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merges: Option<usize>,
    /// Size of the vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// The least frequency of a pair that is merged; 2 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_frequency: Option<u64>,
    /// How text falls into words, of BPE: `punctuation` for raw text, `spaces` for text that is tokenised already.
    #[serde(default)]
    pub pre_tokenization: PreTokenization,
    /// The share of the training text whose characters get into the vocabulary, of BPE, Unigram and characters: all, 1,
    /// unless given. The rarest others become bytes or unknown. 0.9995 is usual for scripts of thousands of characters
    /// (`character_coverage` of SentencePiece).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character_coverage: Option<f64>,
    /// Put text in lower case and rid it of accents, of WordPiece.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lowercase: bool,
    /// Draw the training text's segmentation again in every epoch: the probability that a merge is left out, of BPE and
    /// byte-level BPE (Provilkov et al. 2020; there 0.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bpe_dropout: Option<f64>,
    /// The same for Unigram: the α that sharpens the distribution of segmentations (Kudo 2018; there 0.1 to 0.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unigram_alpha: Option<f64>,
}

/// Kind of vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerKind {
    /// Byte-pair encoding with an end-of-word mark (Sennrich et al. 2016).
    #[default]
    Bpe,
    /// Byte-pair encoding of bytes, as GPT-2 has it (Radford et al. 2019).
    ByteLevelBpe,
    /// WordPiece, as BERT has it (Devlin et al. 2019).
    #[serde(rename = "wordpiece")]
    WordPiece,
    /// A Unigram language model, as SentencePiece has it (Kudo 2018).
    Unigram,
    /// Bytes, as ByT5 has them; nothing is learnt (Xue et al. 2022).
    Bytes,
    /// The characters of the text.
    Characters,
    /// Code points of Unicode, as CANINE has them; nothing is learnt (Clark et al. 2022).
    CodePoints,
}

impl TokenizerKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Bpe,
        Self::ByteLevelBpe,
        Self::WordPiece,
        Self::Unigram,
        Self::Bytes,
        Self::Characters,
        Self::CodePoints,
    ];

    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bpe => "bpe",
            Self::ByteLevelBpe => "byte-level-bpe",
            Self::WordPiece => "wordpiece",
            Self::Unigram => "unigram",
            Self::Bytes => "bytes",
            Self::Characters => "characters",
            Self::CodePoints => "code-points",
        }
    }
}

impl TokenizerRecipe {
    /// Checks that the settings go together; `name` writes a setting as the user does.
    ///
    /// # Errors
    /// [`Problem`] names the settings that do not, and what to do.
    pub fn validate(&self, name: impl Fn(&str) -> String) -> Result<(), Problem> {
        let (merges, vocab_size) = (name("merges"), name("vocab_size"));
        let sizes = || [merges.clone(), vocab_size.clone()];
        let refuse = |given: bool, setting: &str, of: &str| match given {
            true => Err(Problem::among([name(setting)], format!("{} is for {of} alone; leave it out", name(setting)))),
            false => Ok(()),
        };
        self.validate_sampling(&name)?;
        if self.path.is_some() {
            let path = name("path");
            if self.merges.is_some() || self.vocab_size.is_some() {
                let text =
                    format!("a tokenizer is read or trained, not both: leave {path} or {merges} and {vocab_size} out");
                return Err(Problem::among([path, merges, vocab_size], text));
            }
            let of_training = [
                ("kind", self.kind != TokenizerKind::default()),
                ("min_frequency", self.min_frequency.is_some()),
                ("pre_tokenization", self.pre_tokenization != PreTokenization::default()),
                ("character_coverage", self.character_coverage.is_some()),
                ("lowercase", self.lowercase),
            ];
            return match of_training.into_iter().find(|(_, is_given)| *is_given) {
                Some((setting, _)) => {
                    let setting = name(setting);
                    let text = format!("a tokenizer is read or trained, not both: leave {path} or {setting} out");
                    Err(Problem::among([path, setting], text))
                }
                None => Ok(()),
            };
        }
        let kind = self.kind.name();
        match self.kind {
            TokenizerKind::Bpe => match (self.merges, self.vocab_size) {
                (None, None) => {
                    let text = format!("a tokenizer needs its size: give {merges} or {vocab_size}");
                    return Err(Problem::among([name("kind")], text));
                }
                (Some(_), Some(_)) => {
                    let text = format!("{merges} and {vocab_size} say the same thing; give one");
                    return Err(Problem::among(sizes(), text));
                }
                _ => {}
            },
            TokenizerKind::ByteLevelBpe | TokenizerKind::WordPiece | TokenizerKind::Unigram => {
                refuse(self.merges.is_some(), "merges", "the kind bpe")?;
                if self.vocab_size.is_none() {
                    let text = format!("a tokenizer of the kind {kind} needs its size: give {vocab_size}");
                    return Err(Problem::among([name("kind")], text));
                }
            }
            TokenizerKind::Bytes | TokenizerKind::Characters | TokenizerKind::CodePoints => {
                refuse(self.merges.is_some(), "merges", "the kind bpe")?;
                if self.vocab_size.is_some() {
                    let text = format!("the kind {kind} has a size of its own; leave {vocab_size} out");
                    return Err(Problem::among([vocab_size], text));
                }
            }
        }
        let has_merges = [TokenizerKind::Bpe, TokenizerKind::ByteLevelBpe, TokenizerKind::WordPiece];
        refuse(
            self.min_frequency.is_some() && !has_merges.contains(&self.kind),
            "min_frequency",
            "the kinds bpe, byte-level-bpe and wordpiece",
        )?;
        let has_characters = [TokenizerKind::Bpe, TokenizerKind::Unigram, TokenizerKind::Characters];
        refuse(
            self.character_coverage.is_some() && !has_characters.contains(&self.kind),
            "character_coverage",
            "the kinds bpe, unigram and characters",
        )?;
        if let Some(coverage) = self.character_coverage
            && !(coverage > 0.0 && coverage <= 1.0)
        {
            let text = format!("{} = {coverage}: must be over 0, and 1 at the most", name("character_coverage"));
            return Err(Problem::among([name("character_coverage")], text));
        }
        let splits_otherwise = self.kind != TokenizerKind::Bpe && self.pre_tokenization != PreTokenization::default();
        refuse(splits_otherwise, "pre_tokenization", "the kind bpe")?;
        refuse(self.lowercase && self.kind != TokenizerKind::WordPiece, "lowercase", "the kind wordpiece")
    }

    /// As [`validate_beside`](Self::validate_beside), of a task that reads the same tokens in every epoch.
    ///
    /// # Errors
    /// Also where segmentations are drawn.
    pub(super) fn validate_undrawn_beside(&self, pretrained: Option<&Path>) -> Result<(), Problem> {
        let drawn = [("bpe_dropout", self.bpe_dropout), ("unigram_alpha", self.unigram_alpha)];
        if let Some((setting, _)) = drawn.iter().find(|(_, value)| value.is_some()) {
            let text = "segmentations are drawn in translation alone; leave it out";
            return Err(Problem::at(format!("tokenizer.{setting}"), text));
        }
        self.validate_beside(pretrained)
    }

    /// Checks what a run takes of these settings: all of them, or, with a model that is fine-tuned and has its own tokenizer,
    /// how segmentations are drawn.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub(super) fn validate_beside(&self, pretrained: Option<&Path>) -> Result<(), Problem> {
        let name = |setting: &str| format!("tokenizer.{setting}");
        if pretrained.is_some() { self.validate_sampling(name) } else { self.validate(name) }
    }

    fn validate_sampling(&self, name: impl Fn(&str) -> String) -> Result<(), Problem> {
        let (dropout, alpha) = (name("bpe_dropout"), name("unigram_alpha"));
        let has_merges = self.path.is_some() || matches!(self.kind, TokenizerKind::Bpe | TokenizerKind::ByteLevelBpe);
        let is_unigram = self.path.is_some() || self.kind == TokenizerKind::Unigram;
        let (keys, text) = match (self.bpe_dropout, self.unigram_alpha) {
            (Some(_), Some(_)) => {
                let text = format!("{dropout} and {alpha} are for different kinds of tokenizer; give one");
                (vec![dropout, alpha], text)
            }
            (Some(_), _) if !has_merges => {
                let text = format!("{dropout} is for the kinds bpe and byte-level-bpe; leave it out");
                (vec![dropout], text)
            }
            (_, Some(_)) if !is_unigram => {
                let text = format!("{alpha} is for the kind unigram; leave it out");
                (vec![alpha], text)
            }
            _ => return Ok(()),
        };
        Err(Problem::among(keys, text))
    }

    /// How strongly [`Tokenizer::sample`] draws training text's segmentations, if it does.
    pub fn sampling_strength(&self) -> Option<f64> {
        self.bpe_dropout.or(self.unigram_alpha.map(f64::recip))
    }

    /// The tokenizer of the recipe's file, or one trained on `lines`; warns of what was left out.
    ///
    /// # Errors
    /// The file can't be read; as [`train`](Self::train).
    pub fn read_or_train<E: Into<Error>>(
        &self,
        framed: bool,
        lines: impl IntoIterator<Item = Result<String, E>>,
        log: &dyn Log,
    ) -> Result<Box<dyn Tokenizer>, Error> {
        if let Some(path) = &self.path {
            return Ok(attentive_tokenizer::open(path)?);
        }
        let (tokenizer, report) = self.train(framed, lines)?;
        let notice = report.to_string();
        if !notice.is_empty() {
            log.warning(&notice);
        }
        Ok(tokenizer)
    }

    /// Trains a tokenizer on `lines`, which are streamed; the first that cannot be read ends it. Tells what was left out.
    ///
    /// Where sentences are `framed`, characters too have tokens for their begin and end.
    ///
    /// # Errors
    /// That of the first line that can't be read, or a vocabulary that is too small for the characters of the text.
    pub fn train<E: Into<Error>>(
        &self,
        framed: bool,
        lines: impl IntoIterator<Item = Result<String, E>>,
    ) -> Result<(Box<dyn Tokenizer>, TrainingReport), Error> {
        let mut failure = None;
        let lines = lines.into_iter().map_while(|line| line.map_err(|error| failure = Some(error)).ok());
        let min_frequency = self.min_frequency.unwrap_or(2);
        let vocab_size = self.vocab_size.unwrap_or_default();
        let coverage = self.character_coverage.unwrap_or(1.0);
        let trained = match self.kind {
            TokenizerKind::Bpe => {
                let trainer = match self.merges {
                    Some(n_merges) => BpeTrainer::with_merges(n_merges),
                    None => BpeTrainer::with_vocab_size(vocab_size),
                };
                let trainer = trainer.min_frequency(min_frequency).pre_tokenization(self.pre_tokenization);
                trainer.character_coverage(coverage).train_with_report(lines).map(boxed)
            }
            TokenizerKind::ByteLevelBpe => {
                let trainer = ByteLevelBpeTrainer::with_vocab_size(vocab_size).min_frequency(min_frequency);
                trainer.train_with_report(lines).map(boxed)
            }
            TokenizerKind::WordPiece => {
                let trainer = WordPieceTrainer::with_vocab_size(vocab_size).min_frequency(min_frequency);
                trainer.lowercase(self.lowercase).train_with_report(lines).map(boxed)
            }
            TokenizerKind::Unigram => {
                let trainer = UnigramTrainer::with_vocab_size(vocab_size).character_coverage(coverage);
                trainer.train_with_report(lines).map(boxed)
            }
            TokenizerKind::Characters => {
                let (characters, report) = Characters::train_covering(lines, coverage);
                Ok(boxed((if framed { characters.framed() } else { characters }, report)))
            }
            TokenizerKind::Bytes => Ok(boxed((Bytes::default(), TrainingReport::default()))),
            TokenizerKind::CodePoints => Ok(boxed((CodePoints::default(), TrainingReport::default()))),
        };
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(trained?),
        }
    }
}

fn boxed<T: Tokenizer + 'static>((tokenizer, report): (T, TrainingReport)) -> (Box<dyn Tokenizer>, TrainingReport) {
    (Box::new(tokenizer), report)
}
