//! Batches of fixed-length contexts, in an order that two numbers resume.

use attentive_core::{Epochs, SequenceBatch, TokenId};

use crate::{DataError, TokenStream, permutation, seeded_rng, shuffle::below_64};

/// Which contexts a batch takes from a [`TokenStream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextOrder {
    /// One after another, each beginning where the last one ended, the same in every epoch: for validation.
    Sequential,
    /// One after another from a random one of the first `context` tokens on, in a random order; both are drawn again for
    /// each epoch, so that a document begins at any place of a context.
    Shuffled {
        /// Seed of the run.
        seed: u64,
    },
    /// Contexts from anywhere, as nanoGPT draws them; an epoch is as many as the text has room for.
    RandomOffsets {
        /// Seed of the run.
        seed: u64,
    },
}

/// Cuts a [`TokenStream`] into batches of `rows` contexts of `context` tokens, each followed by one more as the last
/// target.
///
/// ```
/// use attentive_data::{ContextBatcher, ContextOrder, Epochs, TokenStream};
///
/// let stream = TokenStream::from_texts(["abcdefg"], None, |text| text.bytes().map(u32::from).collect())?;
/// let batcher = ContextBatcher::new(stream, 2, 2, ContextOrder::Sequential)?;
/// let batches = batcher.epoch(0).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(batches[0].ids.ids(), [97, 98, 99, 100]); // ab, cd
/// assert_eq!(batches[0].targets, [98, 99, 100, 101]); // bc, de
/// assert_eq!(batches[1].ids.ids(), [101, 102]); // ef
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ContextBatcher {
    stream: TokenStream,
    context: usize,
    rows: usize,
    order: ContextOrder,
    n_contexts: u32,
}

impl ContextBatcher {
    /// Plans the batches of `stream`.
    ///
    /// # Errors
    /// [`DataError::Setting`] where a size is 0, [`DataError::ShortText`] where the text has no whole context, unless
    /// the order is sequential, which takes a last context that is shorter.
    pub fn new(stream: TokenStream, context: usize, rows: usize, order: ContextOrder) -> Result<Self, DataError> {
        for (key, value) in [("context", context), ("rows", rows)] {
            if value == 0 {
                return Err(DataError::Setting { key, value, expected: "at least 1" });
            }
        }
        let n_targets = stream.len().saturating_sub(1);
        let n_contexts = match order {
            ContextOrder::Sequential => n_targets.div_ceil(context as u64),
            ContextOrder::Shuffled { .. } | ContextOrder::RandomOffsets { .. } => n_targets / context as u64,
        };
        if n_contexts == 0 {
            return Err(DataError::ShortText { n_tokens: stream.len(), context });
        }
        let n_contexts = u32::try_from(n_contexts).map_err(|_| DataError::TooManyContexts)?;
        Ok(Self { stream, context, rows, order, n_contexts })
    }

    /// The same text in batches of so many contexts, one at least.
    pub fn with_rows(&self, rows: usize) -> Self {
        Self { rows: rows.max(1), ..self.clone() }
    }

    /// Tokens of a context.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Contexts of a batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of contexts in an epoch.
    pub fn n_contexts(&self) -> usize {
        self.n_contexts as usize
    }

    /// Number of batches in an epoch.
    pub fn n_batches(&self) -> usize {
        self.n_contexts().div_ceil(self.rows)
    }

    /// The text.
    pub fn stream(&self) -> &TokenStream {
        &self.stream
    }
}

impl Epochs for ContextBatcher {
    type Batch = SequenceBatch;
    type Order = ContextEpoch;
    type Error = DataError;

    fn lay_out(&self, epoch: u64) -> Result<ContextEpoch, DataError> {
        Ok(ContextEpoch::lay_out(self, epoch))
    }

    fn len(&self, _: &ContextEpoch) -> u64 {
        self.n_batches() as u64
    }

    fn batch(&self, epoch: &ContextEpoch, batch_idx: u64) -> Result<SequenceBatch, DataError> {
        let first = batch_idx as usize * self.rows;
        let starts = epoch.starts(self, first..(first + self.rows).min(self.n_contexts()));
        let end = |start: u64| (start + self.context as u64 + 1).min(self.stream.len());
        let rows: Vec<_> = starts.iter().map(|&start| self.stream.read(start..end(start))).collect::<Result<_, _>>()?;
        Ok(SequenceBatch::next_tokens(&rows, TokenId::default(), starts))
    }
}

/// An epoch of a [`ContextBatcher`], laid out: where its contexts begin.
#[derive(Debug)]
pub struct ContextEpoch {
    pub(crate) number: u64,
    /// Where the first of consecutive contexts begins, and their order, where they are random.
    shuffled: Option<(u64, Vec<u32>)>,
}

impl ContextEpoch {
    fn lay_out(batcher: &ContextBatcher, number: u64) -> Self {
        let shuffled = match batcher.order {
            ContextOrder::Shuffled { seed } => {
                let mut rng = seeded_rng(seed, "contexts", number);
                let phase = below_64(batcher.context as u64, &mut rng);
                Some((phase, permutation(batcher.n_contexts, &mut rng)))
            }
            ContextOrder::Sequential | ContextOrder::RandomOffsets { .. } => None,
        };
        Self { number, shuffled }
    }

    /// The first tokens of some contexts of the epoch.
    fn starts(&self, batcher: &ContextBatcher, contexts: std::ops::Range<usize>) -> Vec<u64> {
        let context = batcher.context as u64;
        match (batcher.order, &self.shuffled) {
            (ContextOrder::RandomOffsets { seed }, _) => {
                // A generator for each batch: any of them can be drawn alone.
                let batch_idx = (contexts.start / batcher.rows) as u64;
                let number = self.number * batcher.n_batches() as u64 + batch_idx;
                let mut rng = seeded_rng(seed, "offsets", number);
                let n_offsets = batcher.stream.len() - context;
                contexts.map(|_| below_64(n_offsets, &mut rng)).collect()
            }
            (_, Some((phase, order))) => {
                // The last one has to end with the text.
                let last = batcher.stream.len() - 1 - context;
                contexts.map(|idx| (phase + u64::from(order[idx]) * context).min(last)).collect()
            }
            (_, None) => contexts.map(|idx| idx as u64 * context).collect(),
        }
    }
}
