//! Batches, in an order that two numbers resume.

use std::sync::Arc;

use attentive_core::{Position, TokenId, TokenMatrix, TranslationBatch};

use crate::plan::Filled;
use crate::{BatchConfig, BatchPlan, DataError, EncodedCorpus, permutation, seeded_rng};

/// The special tokens that batches are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    /// Fills rows up to their width.
    pub pad: TokenId,
    /// Starts a target, `<s>`.
    pub bos: TokenId,
    /// Ends a source and a target, `</s>`.
    pub eos: TokenId,
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
pub struct Batcher {
    corpus: Arc<EncodedCorpus>,
    plan: Arc<BatchPlan>,
    specials: SpecialIds,
    order: Order,
}

impl Batcher {
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

    /// The same corpus, cut another way.
    ///
    /// # Errors
    /// Those of [`BatchPlan::new`].
    pub fn cut_anew(&self, config: &BatchConfig) -> Result<Self, DataError> {
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

    /// All batches from `position` on, epoch after epoch, without end.
    ///
    /// They are those that an iterator from [`Position::START`] yields after as many steps. Setting out costs
    /// one shuffle of the corpus's indices, not the steps.
    pub fn batches(&self, position: Position) -> Batches {
        let n_batches = self.plan.n_batches() as u64;
        let Position { epoch, batch_idx } = position;
        let position =
            Position { epoch: epoch.saturating_add(batch_idx / n_batches), batch_idx: batch_idx % n_batches };
        Batches { batcher: self.clone(), epoch: self.lay_out(position.epoch), position }
    }

    /// The batches of one epoch.
    pub fn epoch(&self, epoch: u64) -> std::iter::Take<Batches> {
        self.batches(Position { epoch, batch_idx: 0 }).take(self.plan.n_batches())
    }

    fn lay_out(&self, epoch: u64) -> Epoch {
        let (n_pairs, n_batches) = (self.corpus.len() as u32, self.plan.n_batches() as u32);
        let (pairs, order) = match self.order {
            Order::Sorted => ((0..n_pairs).collect(), (0..n_batches).collect()),
            Order::Shuffled { seed } => (
                permutation(n_pairs, &mut seeded_rng(seed, "pairs", epoch)),
                permutation(n_batches, &mut seeded_rng(seed, "batches", epoch)),
            ),
        };
        Epoch { number: epoch, filled: self.plan.fill(&self.corpus, pairs), order }
    }

    fn batch(&self, epoch: &Epoch, batch_idx: u64) -> Result<TranslationBatch, DataError> {
        let (pairs, shape) = epoch.filled.batch(epoch.order[batch_idx as usize] as usize);
        let SpecialIds { pad, bos, eos } = self.specials;
        let mut sources = Vec::with_capacity(pairs.len());
        let mut targets = Vec::with_capacity(pairs.len());
        for i in pairs {
            let pair = self.corpus.pair(*i as usize)?;
            sources.push([pair.source(), &[eos]].concat());
            targets.push([&[bos], pair.target(), &[eos]].concat());
        }
        Ok(TranslationBatch {
            source: TokenMatrix::from_rows(&sources, pad, shape.source),
            target: TokenMatrix::from_rows(&targets, pad, shape.target + 1),
            indices: pairs.iter().map(|i| u64::from(*i)).collect(),
        })
    }
}

/// The batches of an epoch and the order that they come in.
#[derive(Debug)]
struct Epoch {
    number: u64,
    filled: Filled,
    order: Vec<u32>,
}

/// Endless batches of a [`Batcher`].
#[derive(Debug)]
pub struct Batches {
    batcher: Batcher,
    epoch: Epoch,
    position: Position,
}

impl Batches {
    /// Where the next batch stands: what a checkpoint keeps.
    pub fn position(&self) -> Position {
        self.position
    }
}

impl Iterator for Batches {
    type Item = Result<TranslationBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Position { epoch, batch_idx } = self.position;
        if self.epoch.number != epoch {
            self.epoch = self.batcher.lay_out(epoch);
        }
        let is_last = batch_idx + 1 == self.epoch.order.len() as u64;
        self.position = match is_last {
            true => Position { epoch: epoch + 1, batch_idx: 0 },
            false => Position { epoch, batch_idx: batch_idx + 1 },
        };
        Some(self.batcher.batch(&self.epoch, batch_idx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
