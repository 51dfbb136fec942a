//! Batches of sentence pairs, in an order that two numbers resume.

use std::sync::Arc;

use attentive_core::{Epochs, TokenId, TokenMatrix, TranslationBatch};

use crate::plan::Filled;
use crate::{BatchConfig, BatchPlan, DataError, EncodedCorpus, permutation, seeded_rng};

/// The special tokens that batches are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    /// Fills rows up to their width.
    pub pad: TokenId,
    /// Starts a target, `<s>`.
    pub bos: TokenId,
    /// Ends a target, `</s>`.
    pub eos: TokenId,
    /// Ends a source: `</s>` too, or its language in mBART.
    pub source_end: TokenId,
}

/// The order of batches, and of pairs in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From narrow to wide and in the corpus's order, the same in every epoch: for validation.
    Sorted,
    /// A random one for each epoch: for training.
    Shuffled {
        /// Seed of the run.
        seed: u64,
    },
}

/// Makes the batches of an encoded corpus.
///
/// The crate's page has an example.
#[derive(Debug, Clone)]
pub struct PairBatcher {
    corpus: Arc<EncodedCorpus>,
    plan: Arc<BatchPlan>,
    specials: SpecialIds,
    order: Order,
}

impl PairBatcher {
    /// Plans the batches of `corpus`.
    ///
    /// # Errors
    /// Those of [`BatchPlan::new`].
    pub fn new(
        corpus: Arc<EncodedCorpus>,
        config: &BatchConfig,
        specials: SpecialIds,
        order: Order,
    ) -> Result<Self, DataError> {
        let plan = Arc::new(BatchPlan::new(&corpus, config)?);
        Ok(Self { corpus, plan, specials, order })
    }

    /// The same corpus in batches of another size.
    ///
    /// # Errors
    /// Those of [`BatchPlan::new`].
    pub fn with_batch_size(&self, config: &BatchConfig) -> Result<Self, DataError> {
        Ok(Self { plan: Arc::new(BatchPlan::new(&self.corpus, config)?), ..self.clone() })
    }

    /// How the corpus is cut.
    pub fn plan(&self) -> &BatchPlan {
        &self.plan
    }

    /// The corpus.
    pub fn corpus(&self) -> &EncodedCorpus {
        &self.corpus
    }
}

impl Epochs for PairBatcher {
    type Batch = TranslationBatch;
    type Order = PairEpoch;
    type Error = DataError;

    fn lay_out(&self, epoch: u64) -> Result<PairEpoch, DataError> {
        let (n_pairs, n_batches) = (self.corpus.len() as u32, self.plan.n_batches() as u32);
        let (pairs, order) = match self.order {
            Order::Sorted => ((0..n_pairs).collect(), (0..n_batches).collect()),
            Order::Shuffled { seed } => (
                permutation(n_pairs, &mut seeded_rng(seed, "pairs", epoch)),
                permutation(n_batches, &mut seeded_rng(seed, "batches", epoch)),
            ),
        };
        Ok(PairEpoch { filled: self.plan.fill(&self.corpus, pairs), order })
    }

    fn len(&self, epoch: &PairEpoch) -> u64 {
        epoch.order.len() as u64
    }

    fn batch(&self, epoch: &PairEpoch, batch_idx: u64) -> Result<TranslationBatch, DataError> {
        let (pairs, shape) = epoch.filled.batch(epoch.order[batch_idx as usize] as usize);
        let SpecialIds { pad, bos, eos, source_end } = self.specials;
        let mut sources = Vec::with_capacity(pairs.len());
        let mut targets = Vec::with_capacity(pairs.len());
        for i in pairs {
            let pair = self.corpus.pair(*i as usize)?;
            sources.push([pair.source(), &[source_end]].concat());
            targets.push([&[bos], pair.target(), &[eos]].concat());
        }
        Ok(TranslationBatch {
            source: TokenMatrix::from_rows(&sources, pad, shape.source),
            target: TokenMatrix::from_rows(&targets, pad, shape.target + 1),
            indices: pairs.iter().map(|i| u64::from(*i)).collect(),
        })
    }
}

/// An epoch of a [`PairBatcher`], laid out: its batches, and the order that they come in.
#[derive(Debug)]
pub struct PairEpoch {
    filled: Filled,
    order: Vec<u32>,
}
