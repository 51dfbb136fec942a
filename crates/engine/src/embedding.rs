//! Embeddings of tokens, and the projection back to them.

use std::sync::Arc;

use attentive_core::{Scores, TokenId, TopTokens, Want};
use attentive_kernels::{Dropout, Epilogue, TopK, log_softmax};

use crate::{restriction::Among, stack::Scratch, weight::Weight};

/// Embeddings of tokens, each `scale` times as large.
#[derive(Debug)]
pub(crate) struct Embedding {
    /// Without it, the columns of the projection are the embeddings.
    pub(crate) table: Option<Table>,
    pub(crate) d_model: usize,
    pub(crate) scale: f32,
}

/// A table of embeddings.
#[derive(Debug, Clone)]
pub(crate) enum Table {
    /// `[vocab, d_model]`.
    Values(Arc<Vec<f32>>),
    /// `[d_model, vocab]`.
    Packed(Arc<Weight>),
}

/// The pre-soft-max projection.
#[derive(Debug)]
pub(crate) struct Projection {
    /// `[d_model, vocab]`.
    pub(crate) weight: Arc<Weight>,
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

/// The scores that are wanted of some rows, and the tokens that these are held to, if not to all.
type Wanted<'a> = (usize, Want, Option<&'a Among>);

impl Projection {
    pub(crate) fn vocab_size(&self) -> usize {
        self.weight.dims()[1]
    }

    /// The logits of vectors `[rows, d_model]`, `[rows, vocab]`; overwrites the vectors.
    pub(crate) fn logits(&self, x: &mut [f32]) -> Vec<f32> {
        self.scale(x);
        self.logits_of_scaled(x)
    }

    /// The projection to some tokens, in this order.
    pub(crate) fn select(&self, tokens: &[TokenId]) -> Self {
        let of_tokens = |bias: &Vec<f32>| tokens.iter().map(|&token| bias[token as usize]).collect();
        let (weight, bias) = (Arc::new(self.weight.select(tokens)), self.bias.as_ref().map(of_tokens));
        Self { weight, bias, scale: self.scale, cap: self.cap }
    }

    /// As [`logits`](Self::logits), of vectors that are scaled.
    pub(crate) fn logits_of_scaled(&self, x: &[f32]) -> Vec<f32> {
        let [d_model, vocab] = self.weight.dims();
        let mut logits = vec![0.0; x.len() / d_model * vocab];
        self.weight.multiply(x, &mut logits, &Epilogue { bias: self.bias.as_deref(), ..Epilogue::default() });
        if let Some(cap) = self.cap {
            logits.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
        logits
    }

    /// The scores that are wanted of the vectors `scratch.x`, `[rows, d_model]`, which `read` makes first: for each number
    /// of rows in `wants`, one after another.
    pub(crate) fn scores(
        &self,
        scratch: &mut Scratch,
        wants: &[(usize, Want)],
        read: impl FnOnce(&mut Scratch) + Send,
    ) -> Vec<Scores> {
        self.scores_among(scratch, wants, &[], read)
    }

    /// As [`scores`](Self::scores), of rows some of which are held to some tokens: those of each number of rows, or no rows.
    pub(crate) fn scores_among(
        &self,
        scratch: &mut Scratch,
        wants: &[(usize, Want)],
        among: &[Option<Among>],
        read: impl FnOnce(&mut Scratch) + Send,
    ) -> Vec<Scores> {
        let held = |at: usize| among.get(at).and_then(Option::as_ref);
        let wanted = |(at, &(rows, want)): (usize, &(usize, Want))| (rows, want, held(at));
        let wants: Vec<Wanted<'_>> = wants.iter().enumerate().map(wanted).collect();
        let mut scores = Vec::with_capacity(wants.len());
        // One entry into the thread pool per step, not one per product.
        rayon::scope(|_| {
            read(scratch);
            self.scale(&mut scratch.x);
            let d_model = self.weight.dims()[0];
            let mut x = &scratch.x[..];
            // Neighbours that want alike share a product.
            for alike in wants.chunk_by(|a, b| self.are_alike(a, b)) {
                let rows: usize = alike.iter().map(|(rows, ..)| rows).sum();
                let here;
                (here, x) = x.split_at(rows * d_model);
                let best = alike.iter().filter_map(|(_, want, _)| self.finds_best(*want)).max();
                match (alike[0], best) {
                    ((_, want, Some(among)), _) => scores.push(among.scores(here, want)),
                    (_, Some(k)) => self.best(here, k, alike, &mut scores),
                    (_, None) => self.all(here, alike, &mut scores),
                }
            }
        });
        scores
    }

    /// The number of tokens that are found without the others, if the best are wanted; those of bounded logits need all for
    /// their sum.
    fn finds_best(&self, want: Want) -> Option<usize> {
        match want {
            Want::Top(k) if k > 0 && self.cap.is_none() => Some(k.min(self.vocab_size())),
            _ => None,
        }
    }

    /// Whether rows share a product.
    fn are_alike(&self, (_, a, held_a): &Wanted<'_>, (_, b, held_b): &Wanted<'_>) -> bool {
        let are_free = held_a.is_none() && held_b.is_none();
        are_free && self.finds_best(*a).is_some() == self.finds_best(*b).is_some()
    }

    /// Appends the best `k` tokens of rows of scaled vectors.
    fn best(&self, x: &[f32], k: usize, wants: &[Wanted<'_>], scores: &mut Vec<Scores>) {
        let n_rows: usize = wants.iter().map(|(rows, ..)| rows).sum();
        let (mut ids, mut values, mut log_sum_exp) = (vec![0; n_rows * k], vec![0.0; n_rows * k], vec![0.0; n_rows]);
        let best = TopK { k, ids: &mut ids, values: &mut values, log_sum_exp: &mut log_sum_exp };
        self.weight.top_k(x, self.bias.as_deref(), best);
        for (logits, log_sum_exp) in values.chunks_exact_mut(k).zip(&log_sum_exp) {
            logits.iter_mut().for_each(|logit| *logit -= log_sum_exp);
        }
        for (rows, ..) in wants.iter().rev() {
            let first = ids.len() - rows * k;
            scores.push(Scores::Top(TopTokens { k, ids: ids.split_off(first), log_probs: values.split_off(first) }));
        }
        let n_before = scores.len() - wants.len();
        scores[n_before..].reverse();
    }

    /// Appends the log-probabilities of all tokens of rows of scaled vectors.
    fn all(&self, x: &[f32], wants: &[Wanted<'_>], scores: &mut Vec<Scores>) {
        let vocab = self.vocab_size();
        let logits = self.logits_of_scaled(x);
        let mut log_probs = vec![0.0; logits.len()];
        log_softmax(&logits, vocab, &mut log_probs);
        let mut rest = &log_probs[..];
        if let [_] = wants {
            return scores.push(Scores::All(log_probs));
        }
        for (rows, ..) in wants {
            let here;
            (here, rest) = rest.split_at(rows * vocab);
            scores.push(Scores::All(here.to_vec()));
        }
    }

    fn scale(&self, x: &mut [f32]) {
        if self.scale != 1.0 {
            x.iter_mut().for_each(|x| *x *= self.scale);
        }
    }
}
