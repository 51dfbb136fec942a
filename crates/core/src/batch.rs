//! Padded rows of token ids.

use serde::{Deserialize, Serialize};

use crate::TokenId;

/// Sequences of token ids, padded to one length: `[rows, cols]`, row-major.
///
/// Lengths are carried, never inferred from an id, so a padding id may also be a real token.
///
/// ```
/// use attentive_core::TokenMatrix;
///
/// let m = TokenMatrix::from_rows(&[vec![5, 6, 7], vec![8]], 0, 3);
/// assert_eq!((m.n_rows(), m.n_cols()), (2, 3));
/// assert_eq!(m.ids(), [5, 6, 7, 8, 0, 0]);
/// assert_eq!(m.lengths(), [3, 1]);
/// assert_eq!(m.row(1), [8]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMatrix {
    ids: Vec<TokenId>,
    lengths: Vec<usize>,
    n_cols: usize,
}

impl TokenMatrix {
    /// Pads `rows` with `pad` to `n_cols`, or to the longest row if that is longer.
    pub fn from_rows<R: AsRef<[TokenId]>>(rows: &[R], pad: TokenId, n_cols: usize) -> Self {
        let longest = rows.iter().map(|r| r.as_ref().len()).max().unwrap_or(0);
        let n_cols = n_cols.max(longest);
        let mut ids = Vec::with_capacity(rows.len() * n_cols);
        for row in rows {
            ids.extend_from_slice(row.as_ref());
            ids.resize(ids.len() + n_cols - row.as_ref().len(), pad);
        }
        Self { ids, lengths: rows.iter().map(|r| r.as_ref().len()).collect(), n_cols }
    }

    /// All ids, padding included: `[rows * cols]`.
    pub fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// Number of real tokens in each row.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.lengths.len()
    }

    /// Length that every row is padded to.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// The real tokens of one row.
    ///
    /// # Panics
    /// If `row` is out of range.
    pub fn row(&self, row: usize) -> &[TokenId] {
        &self.ids[row * self.n_cols..][..self.lengths[row]]
    }

    /// Puts tokens at some places, `row · cols + column`.
    ///
    /// # Panics
    /// If a place does not exist.
    pub fn put(&mut self, places: &[u32], tokens: &[TokenId]) {
        for (&place, &token) in places.iter().zip(tokens) {
            self.ids[place as usize] = token;
        }
    }

    /// Number of real tokens in all rows.
    pub fn n_tokens(&self) -> usize {
        self.lengths.iter().sum()
    }
}

/// Position of the next batch in an endless stream: the only state of the data that resuming needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Complete passes over the data.
    pub epoch: u64,
    /// Batches taken of this pass.
    pub batch_idx: u64,
}

impl Position {
    /// The first batch of the first pass.
    pub const START: Self = Self { epoch: 0, batch_idx: 0 };
}

/// The facts about a batch that a trainer needs.
pub trait Batch {
    /// Number of examples.
    fn n_rows(&self) -> usize;
    /// Number of tokens that a loss is taken over, padding excluded.
    fn n_targets(&self) -> usize;
    /// Indices of the examples in their corpus, for reports about a bad batch.
    fn indices(&self) -> &[u64];
}

/// Sequences, and the target token at each of their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceBatch {
    /// The tokens that the model reads: `[rows, seq]`.
    pub ids: TokenMatrix,
    /// The target tokens, row after row: `[rows · seq]`, or `[tokens]` of packed rows; for a causal language model, each row
    /// shifted by one token.
    pub targets: Vec<TokenId>,
    /// Flags of positions that are not scored, at least padding; their targets may have any value. As many as targets.
    pub ignored: Vec<bool>,
    /// Index of each row in its corpus, from 0.
    pub indices: Vec<u64>,
    /// Whether the model reads the rows one after another, each by itself, and their padding not at all.
    pub is_packed: bool,
}

impl SequenceBatch {
    /// For a causal language model: each sequence without its last token, and each token except the first as a target.
    ///
    /// ```
    /// use attentive_core::{Batch, SequenceBatch};
    ///
    /// let batch = SequenceBatch::next_tokens(&[vec![5, 6, 7], vec![8, 9]], 0, vec![0, 1]);
    /// assert_eq!(batch.ids.ids(), [5, 6, 8, 0]);
    /// assert_eq!(batch.targets, [6, 7, 9, 0]);
    /// assert_eq!(batch.ignored, [false, false, false, true]);
    /// assert_eq!(batch.n_targets(), 3);
    /// ```
    pub fn next_tokens<R: AsRef<[TokenId]>>(sequences: &[R], pad: TokenId, indices: Vec<u64>) -> Self {
        let rows = sequences.iter().map(AsRef::as_ref);
        let read: Vec<&[TokenId]> = rows.clone().map(|row| &row[..row.len().saturating_sub(1)]).collect();
        let said: Vec<&[TokenId]> = rows.map(|row| row.get(1..).unwrap_or_default()).collect();
        let said = TokenMatrix::from_rows(&said, pad, 0);
        let n_cols = said.n_cols();
        let ignored = said.lengths().iter().flat_map(|&length| (0..n_cols).map(move |idx| idx >= length)).collect();
        let (ids, targets) = (TokenMatrix::from_rows(&read, pad, 0), said.ids().to_vec());
        Self { ids, targets, ignored, indices, is_packed: false }
    }

    /// The same rows, packed: the loss is the same, and nothing is computed for padding.
    ///
    /// ```
    /// use attentive_core::SequenceBatch;
    ///
    /// let batch = SequenceBatch::next_tokens(&[vec![5, 6, 7], vec![8, 9]], 0, vec![0, 1]).packed();
    /// assert_eq!(batch.ids.lengths(), [2, 1]);
    /// assert_eq!(batch.targets, [6, 7, 9]);
    /// ```
    #[must_use]
    pub fn packed(self) -> Self {
        if self.is_packed {
            return self;
        }
        let (targets, ignored) = (of_tokens(self.targets, &self.ids), of_tokens(self.ignored, &self.ids));
        Self { targets, ignored, is_packed: true, ..self }
    }
}

/// Those of `values`, one for each position of `ids`, that are not at padding.
fn of_tokens<T>(values: Vec<T>, ids: &TokenMatrix) -> Vec<T> {
    let n_cols = ids.n_cols();
    let is_token = ids.lengths().iter().flat_map(|&length| (0..n_cols).map(move |idx| idx < length));
    values.into_iter().zip(is_token).filter(|(_, is_token)| *is_token).map(|(value, _)| value).collect()
}

impl Batch for SequenceBatch {
    fn n_rows(&self) -> usize {
        self.ids.n_rows()
    }

    fn n_targets(&self) -> usize {
        self.ignored.iter().filter(|&&ignored| !ignored).count()
    }

    fn indices(&self) -> &[u64] {
        &self.indices
    }
}

/// Pairs of answers to the same prompts, one of which is preferred.
///
/// The targets that count are the tokens of answers.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceBatch {
    /// A row for each pair with its chosen answer, then as many with the rejected ones in the same order; each answer comes
    /// after its prompt. Indices are those of the pairs, twice.
    pub sequences: SequenceBatch,
    /// Log-probability of each row's answer under the model that training begins from, in nats: `[rows]`.
    pub reference: Vec<f32>,
}

/// Counted in pairs: a loss is one of a pair.
impl Batch for PreferenceBatch {
    fn n_rows(&self) -> usize {
        self.sequences.n_rows() / 2
    }

    fn n_targets(&self) -> usize {
        self.n_rows()
    }

    fn indices(&self) -> &[u64] {
        &self.sequences.indices[..self.n_rows()]
    }
}

/// Sentence pairs for an encoder–decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslationBatch {
    /// Source sentences, each ending in the end-of-sentence id: `[rows, src]`.
    pub source: TokenMatrix,
    /// Target sentences, each `<s> … </s>`; the decoder reads all but the last column and predicts all but the first:
    /// `[rows, tgt + 1]`.
    pub target: TokenMatrix,
    /// Index of each pair in its corpus, from 0.
    pub indices: Vec<u64>,
}

impl Batch for TranslationBatch {
    fn n_rows(&self) -> usize {
        self.source.n_rows()
    }

    fn n_targets(&self) -> usize {
        self.target.lengths().iter().map(|n| n.saturating_sub(1)).sum()
    }

    fn indices(&self) -> &[u64] {
        &self.indices
    }
}
