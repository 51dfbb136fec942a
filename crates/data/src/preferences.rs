//! Pairs of answers, one of which is preferred.

use attentive_core::{PreferenceBatch, TokenId};

use crate::{ExampleSet, answers::batch_of};

/// A prompt and an answer to it as tokens, and which of them are the answer's.
pub type AnswerRow = (Vec<TokenId>, Vec<bool>);

/// Pairs of answers to the same prompts, the chosen one and the rejected one, for a language model that learns to prefer.
///
/// The reference's log-probabilities in a batch are 0: whoever has the reference fills them in.
///
/// ```
/// use attentive_core::Batch as _;
/// use attentive_data::{Epochs, ExampleBatcher, PreferenceRows};
///
/// let answer = |id: u32| (vec![5, 6, id], vec![false, false, true]);
/// let pairs = PreferenceRows::new(vec![[answer(7), answer(8)]], 0);
/// let batch = ExampleBatcher::new(pairs, 4, 1)?.epoch(0).next().unwrap()?;
/// assert_eq!(batch.n_rows(), 1);
/// assert_eq!(batch.sequences.targets, [6, 7, 6, 8]); // the chosen answers, then the rejected ones
/// assert_eq!(batch.sequences.ignored, [true, false, true, false]);
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferenceRows {
    pairs: Vec<[AnswerRow; 2]>,
    pad: TokenId,
}

impl PreferenceRows {
    /// Pairs of a chosen and a rejected answer, each after its prompt.
    pub fn new(pairs: Vec<[AnswerRow; 2]>, pad: TokenId) -> Self {
        Self { pairs, pad }
    }

    /// Tokens of the longest row.
    pub fn longest(&self) -> usize {
        self.pairs.iter().flatten().map(|(ids, _)| ids.len()).max().unwrap_or(0)
    }

    /// Tokens of answers, of the chosen and of the rejected ones.
    pub fn n_tokens(&self) -> [usize; 2] {
        let of_answer = |(_, is_answer): &AnswerRow| is_answer.iter().filter(|&&is_answer| is_answer).count();
        [0, 1].map(|side| self.pairs.iter().map(|pair| of_answer(&pair[side])).sum())
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl ExampleSet for PreferenceRows {
    type Example = ();
    type Batch = PreferenceBatch;

    fn epoch(&self, _epoch: u64) -> Vec<()> {
        vec![(); self.pairs.len()]
    }

    fn batch(&self, _epoch: u64, examples: &[(u64, ())]) -> PreferenceBatch {
        let side = |side: usize| examples.iter().map(move |&(idx, ())| (&self.pairs[idx as usize][side], idx));
        let (rows, indices): (Vec<_>, Vec<_>) = side(0).chain(side(1)).unzip();
        PreferenceBatch { reference: vec![0.0; rows.len()], sequences: batch_of(&rows, self.pad, indices) }
    }
}
