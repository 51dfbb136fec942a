use crate::activation::{Activation, ActivationKind, activate};
use crate::{Dropout, Level, MatMut};

/// Operations of a product on its result: `activation(a · b [+ c] [+ bias])`.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// Whether the product is added to `c`.
    pub accumulate: bool,
    /// Added to every row, `[n]`.
    pub bias: Option<&'a [f32]>,
    /// Applied to every element.
    pub activation: ActivationKind,
}

impl Default for Epilogue<'_> {
    /// `a · b` alone.
    fn default() -> Self {
        Self { accumulate: false, bias: None, activation: ActivationKind::Identity }
    }
}

impl Epilogue<'_> {
    pub(crate) fn check(&self, n: usize) {
        assert!(self.bias.is_none_or(|bias| bias.len() == n), "the bias of {n} columns");
    }

    /// Bias and activation of the block of `c` that begins with column `j`.
    pub(crate) fn finish(&self, level: Level, j: usize, mut c: MatMut<'_>) {
        if self.bias.is_none() && self.activation == ActivationKind::Identity {
            return;
        }
        let bias = self.bias.map(|bias| &bias[j..j + c.cols]);
        let activation = Activation { kind: self.activation, bias, cols: c.cols, dropout: Dropout::NONE };
        (0..c.rows).for_each(|i| activate(level, &activation, 0, None, c.row(i)));
    }
}
