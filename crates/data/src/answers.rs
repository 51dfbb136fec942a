//! Rows of tokens, some of which are learnt.

use attentive_core::{SequenceBatch, TokenId};

use crate::{ExampleSet, Rows};

/// Rows of tokens for a causal language model that learns some of them: the answers of conversations.
///
/// ```
/// use attentive_data::{AnswerRows, Epochs, ExampleBatcher};
///
/// let rows = AnswerRows::new([(vec![5, 6, 7], vec![false, false, true]), (vec![8, 9], vec![false, false])], 8, 0);
/// assert_eq!((rows.len(), rows.n_targets()), (1, 1)); // of the second one, nothing would be learnt
/// let batch = ExampleBatcher::new(rows, 4, 1)?.epoch(0).next().unwrap()?;
/// assert_eq!((batch.ids.ids(), &batch.targets[..]), (&[5, 6][..], &[6, 7][..]));
/// assert_eq!(batch.ignored, [true, false]);
/// # Ok::<(), attentive_data::DataError>(())
/// ```
pub type AnswerRows = Rows<Vec<bool>>;

impl AnswerRows {
    /// Rows with a flag for each token that is learnt, cut off after `context` tokens that are read; those of which nothing
    /// would be learnt are left out.
    pub fn new(rows: impl IntoIterator<Item = (Vec<TokenId>, Vec<bool>)>, context: usize, pad: TokenId) -> Self {
        let cut = |(mut ids, mut is_learnt): (Vec<TokenId>, Vec<bool>)| {
            ids.truncate(context + 1);
            is_learnt.truncate(context + 1);
            (ids, is_learnt)
        };
        let is_of_use = |(_, is_learnt): &(Vec<TokenId>, Vec<bool>)| is_learnt.iter().skip(1).any(|&learnt| learnt);
        Self { rows: rows.into_iter().map(cut).filter(is_of_use).collect(), pad }
    }

    /// Tokens that are learnt.
    pub fn n_targets(&self) -> usize {
        self.rows.iter().map(|(_, is_learnt)| is_learnt.iter().skip(1).filter(|&&learnt| learnt).count()).sum()
    }
}

impl ExampleSet for AnswerRows {
    type Example = ();
    type Batch = SequenceBatch;

    fn epoch(&self, _epoch: u64) -> Vec<()> {
        vec![(); self.rows.len()]
    }

    fn batch(&self, _epoch: u64, examples: &[(u64, ())]) -> SequenceBatch {
        let rows: Vec<_> = examples.iter().map(|&(idx, ())| &self.rows[idx as usize]).collect();
        batch_of(&rows, self.pad, examples.iter().map(|&(idx, ())| idx).collect())
    }
}

/// Rows of tokens with a flag for each that is learnt, and the index of each row.
pub(crate) fn batch_of(rows: &[&(Vec<TokenId>, Vec<bool>)], pad: TokenId, indices: Vec<u64>) -> SequenceBatch {
    let ids: Vec<&[TokenId]> = rows.iter().map(|(ids, _)| &ids[..]).collect();
    let mut batch = SequenceBatch::next_tokens(&ids, pad, indices);
    let n_cols = batch.ids.n_cols();
    for (ignored, (_, is_learnt)) in batch.ignored.chunks_exact_mut(n_cols.max(1)).zip(rows) {
        // A target is the token after the one that is read.
        let learnt = is_learnt.iter().skip(1).copied().chain(std::iter::repeat(false));
        ignored.iter_mut().zip(learnt).for_each(|(ignored, learnt)| *ignored |= !learnt);
    }
    batch
}
