//! Batches for encoders: hidden tokens to be guessed, and labels.

use crate::{Batch, TokenId, TokenMatrix};

/// The ids that frame the input of an encoder such as BERT, and the one that hides a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameIds {
    /// Fills the end of shorter rows.
    pub pad: TokenId,
    /// Begins every row; its vector represents the whole row: BERT's `[CLS]`, RoBERTa's `<s>`.
    pub begin: TokenId,
    /// Ends every segment: BERT's `[SEP]`, RoBERTa's `</s>`.
    pub end: TokenId,
    /// Hides a token: `[MASK]`.
    pub mask: TokenId,
}

/// Sequences with hidden tokens, and those tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedBatch {
    /// The tokens that the model reads: `[rows, seq]`.
    pub ids: TokenMatrix,
    /// Segment of each token, padding included, 0 or 1: `[rows · seq]`.
    pub segments: Vec<u8>,
    /// Positions of the hidden tokens, as `row · seq + column`: row after row, and in a row in the order in which they are
    /// guessed. `[masked]`.
    pub masked: Vec<u32>,
    /// The hidden tokens: `[masked]`.
    pub targets: Vec<TokenId>,
    /// Whether the second segment of each row follows its first in the text; `None` if rows are single segments: `[rows]`.
    pub follows: Option<Vec<bool>>,
    /// Index of each row in its corpus, from 0.
    pub indices: Vec<u64>,
}

impl MaskedBatch {
    /// The tokens with nothing hidden, of a batch whose targets are the tokens that stood at their places: `[rows, seq]`.
    pub fn uncovered(&self) -> TokenMatrix {
        let mut tokens = self.ids.clone();
        tokens.put(&self.masked, &self.targets);
        tokens
    }
}

impl Batch for MaskedBatch {
    fn n_rows(&self) -> usize {
        self.ids.n_rows()
    }

    fn n_targets(&self) -> usize {
        self.targets.len()
    }

    fn indices(&self) -> &[u64] {
        &self.indices
    }
}

/// Sequences and the class of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabeledBatch {
    /// The tokens that the model reads: `[rows, seq]`.
    pub ids: TokenMatrix,
    /// Index of each row's label: `[rows]`.
    pub labels: Vec<u32>,
    /// Index of each row in its corpus, from 0.
    pub indices: Vec<u64>,
}

impl Batch for LabeledBatch {
    fn n_rows(&self) -> usize {
        self.ids.n_rows()
    }

    fn n_targets(&self) -> usize {
        self.labels.len()
    }

    fn indices(&self) -> &[u64] {
        &self.indices
    }
}
