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
#[derive(Debug)]
pub struct AnswerRows {
    rows: Rows<Vec<bool>>,
    context: usize,
    is_packed: bool,
}

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
        let rows = Rows { rows: rows.into_iter().map(cut).filter(is_of_use).collect(), pad };
        Self { rows, context, is_packed: false }
    }

    /// The same rows, as many of which share a batch as its contexts have room for, in packed batches.
    ///
    /// ```
    /// use attentive_data::{AnswerRows, Epochs, ExampleBatcher};
    ///
    /// let row = |n: usize| (vec![7; n + 1], vec![true; n + 1]); // n tokens are read
    /// let rows = AnswerRows::new([2, 1, 3, 1, 1].map(row), 4, 0).packed();
    /// let batches: Vec<_> = ExampleBatcher::new(rows, 1, 1)?.epoch(0).collect::<Result<_, _>>()?;
    /// assert!(batches.iter().all(|batch| batch.is_packed && batch.ids.n_tokens() <= 4));
    /// assert_eq!(batches.iter().map(|batch| batch.ids.n_rows()).sum::<usize>(), 5);
    /// # Ok::<(), attentive_data::DataError>(())
    /// ```
    #[must_use]
    pub fn packed(self) -> Self {
        Self { is_packed: true, ..self }
    }

    /// Tokens that are learnt.
    pub fn n_targets(&self) -> usize {
        let n_learnt = |is_learnt: &[bool]| is_learnt.iter().skip(1).filter(|&&learnt| learnt).count();
        self.rows.rows.iter().map(|(_, is_learnt)| n_learnt(is_learnt)).sum()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A batch of `rows` rows for an [`ExampleBatcher`](crate::ExampleBatcher) that takes as much memory as any, with the same
    /// token everywhere.
    pub fn largest(&self, rows: usize) -> SequenceBatch {
        let longest = self.rows.longest();
        let lengths = if self.is_packed {
            // Whole rows of the longest, then what is left of the room or of the data.
            let n_read = longest.saturating_sub(1).max(1);
            let n_tokens = (0..self.len()).map(|idx| self.n_read(idx)).sum::<usize>().min(self.room(rows));
            let rest = Some(n_tokens % n_read + 1).filter(|&rest| rest > 1);
            std::iter::repeat_n(n_read + 1, n_tokens / n_read).chain(rest).collect()
        } else {
            vec![longest; rows.min(self.len())]
        };
        let ids: Vec<Vec<TokenId>> = lengths.iter().map(|&length| vec![0; length]).collect();
        self.made(SequenceBatch::next_tokens(&ids, 0, vec![0; ids.len()]))
    }

    /// Tokens of a row that are read: all but the last.
    fn n_read(&self, idx: usize) -> usize {
        self.rows.rows[idx].0.len().saturating_sub(1)
    }

    fn made(&self, batch: SequenceBatch) -> SequenceBatch {
        if self.is_packed { batch.packed() } else { batch }
    }
}

impl ExampleSet for AnswerRows {
    type Example = ();
    type Batch = SequenceBatch;

    fn epoch(&self, _epoch: u64) -> Vec<()> {
        vec![(); self.len()]
    }

    fn batch(&self, _epoch: u64, examples: &[(u64, ())]) -> SequenceBatch {
        let rows: Vec<_> = examples.iter().map(|&(idx, ())| &self.rows.rows[idx as usize]).collect();
        self.made(batch_of(&rows, self.rows.pad, examples.iter().map(|&(idx, ())| idx).collect()))
    }

    /// Packed, the tokens that are read.
    fn size(&self, &(idx, ()): &(u64, ())) -> usize {
        if self.is_packed { self.n_read(idx as usize) } else { 1 }
    }

    /// Packed, the tokens of a context for each row.
    fn room(&self, rows: usize) -> usize {
        if self.is_packed { rows.saturating_mul(self.context) } else { rows }
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

#[cfg(test)]
mod tests {
    use attentive_core::Batch;

    use super::*;
    use crate::{Epochs, ExampleBatcher};

    const CONTEXT: usize = 12;

    /// Forty rows that read 1 to 12 tokens, and one that is cut off; the token of each is its index.
    fn rows() -> AnswerRows {
        let row = |idx: usize| {
            let n = 2 + idx * 7 % CONTEXT + if idx == 11 { 100 } else { 0 };
            (vec![idx as TokenId; n], (0..n).map(|at| at % 3 != 0).collect())
        };
        AnswerRows::new((0..40).map(row), CONTEXT, 99)
    }

    fn batches(set: AnswerRows, rows: usize, epoch: u64) -> Vec<SequenceBatch> {
        ExampleBatcher::new(set, rows, 3).unwrap().epoch(epoch).map(Result::unwrap).collect()
    }

    #[test]
    fn packed_batches_have_every_row_once_in_the_same_order_and_are_as_full_as_rows_allow() {
        for (n_rows, epoch) in [(1, 0), (1, 1), (3, 0)] {
            let (apart, packed) = (batches(rows(), n_rows, epoch), batches(rows().packed(), n_rows, epoch));
            let indices = |batches: &[SequenceBatch]| -> Vec<u64> {
                batches.iter().flat_map(|batch| batch.indices.clone()).collect()
            };
            assert_eq!(indices(&packed), indices(&apart));
            assert!(packed.len() < apart.len());
            let room = n_rows * CONTEXT;
            for pair in packed.windows(2) {
                assert!(pair[0].ids.n_tokens() + pair[1].ids.lengths()[0] > room, "a row more has room");
            }
            for batch in &packed {
                assert!(batch.ids.n_tokens() <= room);
                assert_eq!(batch.targets.len(), batch.ids.n_tokens());
                assert!(batch.ids.lengths().iter().all(|&length| length <= CONTEXT));
            }
            let n_targets = |batches: &[SequenceBatch]| batches.iter().map(Batch::n_targets).sum::<usize>();
            assert_eq!(n_targets(&packed), n_targets(&apart));
            assert_eq!(n_targets(&packed), rows().n_targets());
        }
    }

    #[test]
    fn targets_of_packed_rows_are_those_of_the_rows() {
        for batch in batches(rows().packed(), 2, 0) {
            let alone: Vec<SequenceBatch> = batch.indices.iter().map(|&idx| rows().batch(0, &[(idx, ())])).collect();
            let ignored: Vec<bool> = alone.iter().flat_map(|row| row.ignored.clone()).collect();
            let targets: Vec<TokenId> = alone.iter().flat_map(|row| row.targets.clone()).collect();
            assert_eq!((batch.targets, batch.ignored), (targets, ignored));
        }
    }

    #[test]
    fn the_largest_batch_is_as_large_as_any() {
        for n_rows in [1, 2, 500] {
            let n_read = |batch: &SequenceBatch| batch.targets.len();
            let sets: [fn() -> AnswerRows; 2] = [rows, || rows().packed()];
            for set in sets {
                let most = batches(set(), n_rows, 0).iter().map(n_read).max().unwrap();
                let largest = n_read(&set().largest(n_rows));
                assert!(largest >= most && largest <= n_rows * CONTEXT, "{largest} for {most}");
            }
        }
    }
}
