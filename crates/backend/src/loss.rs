//! The quantity that training minimises.

use attentive_core::{Batch, Dropout};
use burn::tensor::Tensor;

/// A summed loss and the number of targets that it is a sum over.
///
/// Kept apart so that the mean is divided once, over all micro-batches of an update: accumulation over ragged
/// batches is then exact.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The minimised loss, in nats, summed over targets: `[1]`.
    pub sum: Tensor<1>,
    /// Cross-entropy without smoothing or other terms, in nats, summed over targets: `[1]`, without gradient.
    pub nll_sum: Tensor<1>,
    /// Number of targets, padding excluded.
    pub n_targets: usize,
}

/// Numbers that are told beside the loss, by name, each summed over targets as the loss is.
pub type Tally = Vec<(&'static str, f64)>;

/// Loss of a model of type `M` on a batch.
pub trait Objective<M> {
    /// The batch that it is scored on.
    type Batch: Batch;

    /// The loss of `model` on `batch`, in training mode if `pass` gives the randomness of dropout, else as in use.
    ///
    /// Pure: no I/O, and no change to either.
    fn loss(&self, model: &M, batch: &Self::Batch, pass: Option<&Dropout>) -> Loss;

    /// The loss, and numbers that are told beside it: rewards of answers, for example. Usually none.
    ///
    /// Each batch has numbers of the same names, in the same order.
    fn loss_and_tally(&self, model: &M, batch: &Self::Batch, pass: Option<&Dropout>) -> (Loss, Tally) {
        (self.loss(model, batch, pass), Tally::new())
    }

    /// What becomes of the model after update `n_updates` of its parameters, counted from 1, beside that update: a teacher
    /// within it follows the student. Usually nothing.
    fn after_update(&self, model: M, _n_updates: u64) -> M {
        model
    }

    /// Whether losses of a model are cross-entropies, in nats; distances of another kind have no unit of information, and no
    /// perplexity.
    fn is_in_nats(&self, _model: &M) -> bool {
        true
    }
}
