//! Projection on the vocabulary and label-smoothed cross-entropy in one pass over the weights.

mod pass;
mod soft_max;

use crate::MatRef;
use crate::extent::elements;
use crate::matmul::DEPTH;
use pass::Pass;

/// Tokens, and words of the vocabulary, of a block: a block of A, so no gradient is ever repacked.
const BLOCK: usize = DEPTH;

/// Memory layout of a projection's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// `[vocab, d_model]`, as an embedding that is tied to the projection.
    VocabMajor,
    /// `[d_model, vocab]`, as burn's linear layer.
    ModelMajor,
}

/// The projection from hidden states to vocabulary logits, `logits = hidden · weightᵀ + bias`.
#[derive(Clone, Copy, Debug)]
pub struct VocabProjection<'a> {
    /// The weight, as `layout` says.
    pub weight: &'a [f32],
    /// `[vocab]`; minus infinity forbids a word, if targets are not smoothed.
    pub bias: Option<&'a [f32]>,
    /// Features of a hidden state.
    pub d_model: usize,
    /// Words.
    pub vocab_size: usize,
    /// The order of `weight`.
    pub layout: WeightLayout,
}

/// Targets of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// The right word of each row.
    pub ids: &'a [u32],
    /// Rows that do not count, such as padding: true = ignored; their ids are not looked at.
    pub ignored: Option<&'a [bool]>,
    /// Label smoothing ε in `0 ≤ ε < 1`.
    pub smoothing: f32,
}

/// Sums over the rows that count, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    /// `-Σ q log p`, with `q` the smoothed target: the objective.
    pub loss: f64,
    /// `-Σ log p(target)`: the log of the perplexity, summed.
    pub nll: f64,
    /// Rows that count.
    pub n_targets: usize,
}

/// Gradients of the summed loss, overwritten.
#[derive(Debug)]
pub struct VocabGradients<'a> {
    /// `[n, d_model]`; zero for ignored rows.
    pub hidden: &'a mut [f32],
    /// As the projection's weight; where nobody wants it, it is not computed.
    pub weight: Option<&'a mut [f32]>,
    /// `[vocab]`.
    pub bias: Option<&'a mut [f32]>,
}

impl VocabProjection<'_> {
    /// The label-smoothed cross-entropy of `hidden` `[n, d_model]`, without gradients.
    ///
    /// `-Σ_v q_v log p_v` with `q = (1 - ε) onehot(target) + ε / vocab` and `p = softmax(logits)`. Source: Szegedy et al.
    /// 2016, section 7; Vaswani et al. 2017, section 5.4. Only a block of 256 rows of logits exists at a time.
    ///
    /// # Panics
    /// If lengths do not match, or the target of a row that counts is not below `vocab_size`.
    pub fn loss(&self, hidden: &[f32], targets: &Targets<'_>) -> CrossEntropy {
        let rows = self.check(hidden, targets);
        let mut pass = Pass::new(self, targets);
        rows.chunks(BLOCK).map(|rows| pass.forward(hidden, rows)).fold(CrossEntropy::default(), CrossEntropy::plus)
    }

    /// [`loss`](Self::loss) and its gradients, for an upstream gradient of one: scale them by another.
    ///
    /// A block of 256 rows at a time, its logits become its gradient in place: `∂loss/∂logits = p - q`.
    ///
    /// # Panics
    /// As [`loss`](Self::loss).
    ///
    /// ```
    /// use attentive_kernels::{Targets, VocabGradients, VocabProjection, WeightLayout};
    ///
    /// // Two words with equal logits: the gradient pulls the right one up and the wrong one down.
    /// let projection = VocabProjection {
    ///     weight: &[1.0, 1.0], bias: None, d_model: 1, vocab_size: 2, layout: WeightLayout::VocabMajor,
    /// };
    /// let (mut hidden, mut weight) = ([0.0], [0.0; 2]);
    /// let loss = projection.loss_and_gradients(
    ///     &[3.0],
    ///     &Targets { ids: &[1], ignored: None, smoothing: 0.0 },
    ///     VocabGradients { hidden: &mut hidden, weight: Some(&mut weight), bias: None },
    /// );
    /// assert!((loss.nll - 2f64.ln()).abs() < 1e-6);
    /// assert_eq!((hidden, weight), ([0.0], [1.5, -1.5]));
    /// ```
    pub fn loss_and_gradients(
        &self,
        hidden: &[f32],
        targets: &Targets<'_>,
        mut gradients: VocabGradients<'_>,
    ) -> CrossEntropy {
        let rows = self.check(hidden, targets);
        assert_eq!(gradients.hidden.len(), hidden.len(), "the hidden gradient's length");
        let n_weights = gradients.weight.as_ref().map_or(self.weight.len(), |weight| weight.len());
        assert_eq!(n_weights, self.weight.len(), "the weight gradient's length");
        assert!(gradients.bias.as_ref().is_none_or(|bias| bias.len() == self.vocab_size), "the bias gradient's length");
        if rows.len() < targets.ids.len() {
            gradients.hidden.fill(0.0);
        }
        if let Some(weight) = gradients.weight.as_mut().filter(|_| rows.is_empty()) {
            weight.fill(0.0);
        }
        if let Some(bias) = &mut gradients.bias {
            bias.fill(0.0);
        }
        let mut pass = Pass::new(self, targets);
        let mut total = CrossEntropy::default();
        for (i, rows) in rows.chunks(BLOCK).enumerate() {
            total = total.plus(pass.forward(hidden, rows));
            pass.backward(rows, &mut gradients, i > 0);
        }
        total
    }

    /// Checks lengths and targets; returns the rows that count.
    fn check(&self, hidden: &[f32], targets: &Targets<'_>) -> Vec<usize> {
        let n = targets.ids.len();
        assert!(self.d_model > 0, "hidden states without features");
        assert_eq!(hidden.len(), elements([n, self.d_model]), "hidden is {n} × {}", self.d_model);
        assert_eq!(self.weight.len(), elements([self.vocab_size, self.d_model]), "the weight's length");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.vocab_size), "the bias's length");
        assert!(targets.ignored.is_none_or(|ignored| ignored.len() == n), "one ignored flag a row");
        let rows: Vec<usize> = (0..n).filter(|&row| targets.ignored.is_none_or(|ignored| !ignored[row])).collect();
        for &row in &rows {
            assert!((targets.ids[row] as usize) < self.vocab_size, "target {} of row {row}", targets.ids[row]);
        }
        rows
    }

    /// The weight seen as `[vocab, d_model]`, in either layout.
    fn matrix(&self) -> MatRef<'_> {
        match self.layout {
            WeightLayout::VocabMajor => MatRef::new(self.weight, self.vocab_size, self.d_model),
            WeightLayout::ModelMajor => MatRef::new(self.weight, self.d_model, self.vocab_size).t(),
        }
    }
}

impl CrossEntropy {
    fn plus(self, other: Self) -> Self {
        Self { loss: self.loss + other.loss, nll: self.nll + other.nll, n_targets: self.n_targets + other.n_targets }
    }
}
