//! Batches of sentence pairs, in an order that two numbers resume.

use std::sync::Arc;

use attentive_core::{Epochs, TokenId, TokenMatrix, TranslationBatch};

use crate::plan::Filled;
use crate::{BatchConfig, BatchPlan, DataError, EncodedCorpus, Mixture, permutation, seeded_rng};

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
    /// From narrow to wide batches in the first epoch, with pairs at random in each, and then as [`Shuffled`](Self::Shuffled):
    /// a curriculum by length (Kocmi and Bojar 2017, "Curriculum Learning and Minibatch Bucketing in Neural Machine
    /// Translation").
    ShortFirst {
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
    /// Those of each part of the corpus.
    specials: Arc<[SpecialIds]>,
    order: Order,
    /// How often each part is drawn from, where that is not once a pair.
    mixture: Option<Mixture>,
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
        Ok(Self { corpus, plan, specials: Arc::from([specials]), order, mixture: None })
    }

    /// Plans the batches of several corpora, in which their pairs are together; each corpus has its own special tokens, those
    /// of its direction of a translation for example.
    ///
    /// # Errors
    /// Those of [`BatchPlan::new`] and of [`EncodedCorpus::joined`].
    pub fn of_parts(
        parts: impl IntoIterator<Item = (EncodedCorpus, SpecialIds)>,
        config: &BatchConfig,
        order: Order,
    ) -> Result<Self, DataError> {
        let (mut corpora, specials): (Vec<EncodedCorpus>, Vec<SpecialIds>) = parts.into_iter().unzip();
        let only = if corpora.len() == 1 { corpora.pop() } else { None };
        let corpus = Arc::new(only.map_or_else(|| EncodedCorpus::joined(corpora), Ok)?);
        let plan = Arc::new(BatchPlan::new(&corpus, config)?);
        Ok(Self { corpus, plan, specials: specials.into(), order, mixture: None })
    }

    /// The same, but that random epochs have as many pairs of each part as a mixture says. The number of their batches is not
    /// always the plan's.
    #[must_use]
    pub fn mixed(self, mixture: Mixture) -> Self {
        Self { mixture: Some(mixture), ..self }
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

    /// How many pairs of each part a random epoch has, if that is not all of them.
    pub fn mixture(&self) -> Option<&Mixture> {
        self.mixture.as_ref()
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
        let n_pairs = self.corpus.len() as u32;
        let pairs = match (self.order, &self.mixture) {
            (Order::Sorted, _) => (0..n_pairs).collect(),
            (Order::Shuffled { seed } | Order::ShortFirst { seed }, None) => {
                permutation(n_pairs, &mut seeded_rng(seed, "pairs", epoch))
            }
            (Order::Shuffled { seed } | Order::ShortFirst { seed }, Some(mixture)) => mixture.draw(seed, epoch),
        };
        let filled = self.plan.fill(&self.corpus, pairs);
        let n_batches = filled.batches.len() as u32;
        let order = match self.order {
            Order::Sorted => (0..n_batches).collect(),
            Order::ShortFirst { .. } if epoch == 0 => (0..n_batches).collect(),
            Order::Shuffled { seed } | Order::ShortFirst { seed } => {
                permutation(n_batches, &mut seeded_rng(seed, "batches", epoch))
            }
        };
        Ok(PairEpoch { filled, order })
    }

    fn len(&self, epoch: &PairEpoch) -> u64 {
        epoch.order.len() as u64
    }

    fn batch(&self, epoch: &PairEpoch, batch_idx: u64) -> Result<TranslationBatch, DataError> {
        let (pairs, shape) = epoch.filled.batch(epoch.order[batch_idx as usize] as usize);
        // What fills short rows is not read. It is the vocabulary's, and not a direction's; that of sources may have no padding.
        let (pad, source_end) = self.specials.first().map_or((0, 0), |specials| (specials.pad, specials.source_end));
        let mut sources = Vec::with_capacity(pairs.len());
        let mut targets = Vec::with_capacity(pairs.len());
        for i in pairs {
            let pair = self.corpus.pair(*i as usize)?;
            let part = self.specials.len().min(1 + self.corpus.part(*i as usize)) - 1;
            let SpecialIds { bos, eos, source_end, .. } = self.specials[part];
            sources.push([pair.source(), &[source_end]].concat());
            targets.push([&[bos], pair.target(), &[eos]].concat());
        }
        Ok(TranslationBatch {
            source: TokenMatrix::from_rows(&sources, source_end, shape.source),
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
