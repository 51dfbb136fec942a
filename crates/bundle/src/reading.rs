//! How an encoder reads two texts at once, and what its single score means.

use serde::{Deserialize, Serialize};

/// How an encoder reads two texts at once, and what it makes of a score: the table `[reading]` of a bundle's `config.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadingConfig {
    /// Tokens between two texts, of those that end one: 1 in BERT, `[CLS] a [SEP] b [SEP]`, where the second text is of the
    /// second segment; 2 in RoBERTa, `<s> a </s></s> b </s>`, where both are of the first.
    pub separators: usize,
    /// What becomes of the score of a classifier that has a single label.
    pub score: ScoreActivation,
}

/// The longest texts that the folder of an imported model names where its positions have no end, for an export: the table
/// `[lengths]` of a bundle's `config.toml`. Nothing is cut by them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Lengths {
    /// `max_position_embeddings` of `config.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<usize>,
    /// `model_max_length` of `tokenizer_config.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<usize>,
}

impl Lengths {
    /// What other systems' files say; numbers that TOML does not have are no lengths.
    pub fn new(model: Option<usize>, tokenizer: Option<usize>) -> Self {
        let is_length = |n: &usize| i64::try_from(*n).is_ok();
        Self { model: model.filter(is_length), tokenizer: tokenizer.filter(is_length) }
    }

    /// These, and where they do not say one, that of `other`.
    pub fn or(self, other: Self) -> Self {
        Self { model: self.model.or(other.model), tokenizer: self.tokenizer.or(other.tokenizer) }
    }

    /// Whether neither is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A function of a score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreActivation {
    /// `1 / (1 + e⁻ˣ)`.
    #[default]
    Sigmoid,
    /// The score itself: a regression.
    Identity,
}

impl ScoreActivation {
    pub(crate) fn apply(self, score: f32) -> f64 {
        let score = f64::from(score);
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-score).exp()),
            Self::Identity => score,
        }
    }
}

impl Default for ReadingConfig {
    /// BERT's, and a sigmoid.
    fn default() -> Self {
        Self { separators: 1, score: ScoreActivation::Sigmoid }
    }
}

impl ReadingConfig {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with the settings, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let n = self.separators;
        (!(1..=2).contains(&n)).then(|| format!("separators is {n}; 1 stands between two texts in BERT, 2 in RoBERTa"))
    }
}
