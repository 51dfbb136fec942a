//! Embeddings of tokens, and the projection back to them.

use attentive_core::{Scores, TokenId, TopTokens, Want};
use attentive_kernels::{Dropout, Epilogue, TopK, log_softmax};

use crate::{stack::Scratch, weight::Weight};

/// Embeddings of tokens, each `scale` times as large.
#[derive(Debug)]
pub(crate) struct Embedding {
    /// Without it, the columns of the projection are the embeddings.
    pub(crate) table: Option<Table>,
    pub(crate) d_model: usize,
    pub(crate) scale: f32,
}

/// A table of embeddings.
#[derive(Debug)]
pub(crate) enum Table {
    /// `[vocab, d_model]`.
    Values(Vec<f32>),
    /// `[d_model, vocab]`.
    Packed(Weight),
}

/// The pre-soft-max projection.
#[derive(Debug)]
pub(crate) struct Projection {
    /// `[d_model, vocab]`.
    pub(crate) weight: Weight,
    /// `[vocab]`.
    pub(crate) bias: Option<Vec<f32>>,
    /// Factor of what is projected.
    pub(crate) scale: f32,
    /// Bound `c` of logits, which become `c · tanh(logit / c)`.
    pub(crate) cap: Option<f32>,
}

impl Embedding {
    /// Appends to `x` the embeddings of `ids`, with `encodings` (`[n, d_model]`, or nothing) added to each row of `n`.
    ///
    /// # Panics
    /// If a token is not in the vocabulary, or there are neither a table nor a projection.
    pub(crate) fn append(&self, projection: Option<&Projection>, ids: &[TokenId], encodings: &[f32], x: &mut Vec<f32>) {
        let Self { d_model, scale, .. } = *self;
        let first = x.len();
        x.resize(first + ids.len() * d_model, 0.0);
        let x = &mut x[first..];
        let encodings = (!encodings.is_empty()).then(|| (encodings, encodings.len() / d_model));
        let kernel = attentive_kernels::Embedding { d_model, scale, dropout: Dropout::NONE };
        let weight = match &self.table {
            Some(Table::Values(table)) => return kernel.forward(table, ids, encodings, x),
            Some(Table::Packed(table)) => table,
            None => &projection.expect("tied embeddings have a projection").weight,
        };
        let mut rows = vec![0.0; x.len()];
        rows.chunks_exact_mut(d_model).zip(ids).for_each(|(row, &id)| weight.column(id as usize, row));
        let numbers: Vec<u32> = (0..ids.len() as u32).collect();
        kernel.forward(&rows, &numbers, encodings, x);
    }
}

impl Projection {
    pub(crate) fn vocab_size(&self) -> usize {
        self.weight.dims()[1]
    }

    /// The logits of vectors `[rows, d_model]`, `[rows, vocab]`; overwrites the vectors.
    pub(crate) fn logits(&self, x: &mut [f32]) -> Vec<f32> {
        self.scale(x);
        let [d_model, vocab] = self.weight.dims();
        let mut logits = vec![0.0; x.len() / d_model * vocab];
        self.weight.multiply(x, &mut logits, &Epilogue { bias: self.bias.as_deref(), ..Epilogue::default() });
        if let Some(cap) = self.cap {
            logits.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
        logits
    }

    /// The scores that a search wants of the vectors `scratch.x`, `[rows, d_model]`, which `read` makes first.
    pub(crate) fn scores(&self, scratch: &mut Scratch, want: Want, read: impl FnOnce(&mut Scratch) + Send) -> Scores {
        let [d_model, vocab] = self.weight.dims();
        match want {
            // The best of bounded logits need all for their sum.
            Want::Top(k) if k > 0 && self.cap.is_none() => {
                let (k, mut top) = (k.min(vocab), None);
                // One entry into the thread pool per step, not one per product.
                rayon::scope(|_| {
                    read(scratch);
                    self.scale(&mut scratch.x);
                    let rows = scratch.x.len() / d_model;
                    let mut log_sum_exp = vec![0.0; rows];
                    let mut tokens = TopTokens { k, ids: vec![0; rows * k], log_probs: vec![0.0; rows * k] };
                    let TopTokens { ids, log_probs: values, .. } = &mut tokens;
                    let best = TopK { k, ids, values, log_sum_exp: &mut log_sum_exp };
                    self.weight.top_k(&scratch.x, self.bias.as_deref(), best);
                    for (logits, log_sum_exp) in tokens.log_probs.chunks_exact_mut(k).zip(&log_sum_exp) {
                        logits.iter_mut().for_each(|logit| *logit -= log_sum_exp);
                    }
                    top = Some(tokens);
                });
                Scores::Top(top.expect("the scope has ended"))
            }
            _ => {
                read(scratch);
                let logits = self.logits(&mut scratch.x);
                let mut log_probs = vec![0.0; logits.len()];
                log_softmax(&logits, vocab, &mut log_probs);
                Scores::All(log_probs)
            }
        }
    }

    fn scale(&self, x: &mut [f32]) {
        if self.scale != 1.0 {
            x.iter_mut().for_each(|x| *x *= self.scale);
        }
    }
}
