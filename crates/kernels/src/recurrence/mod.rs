//! Recurrent layers over whole sequences, with optional additive attention.
//!
//! Rows are independent, so a thread takes some of them through all steps, forward or backward. Threads meet only where
//! gradients of weights are summed: one product for all steps.

use crate::extent::elements;

mod attention;
mod backward;
mod cell;
mod forward;

use attention::Source;
pub use backward::RecurrencePass;

/// Rows that a thread takes through all steps: two register tiles.
const CHUNK: usize = 24;

/// A recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecurrentCell {
    /// Gates i f o g: `c' = σ(f) ∘ c + σ(i) ∘ tanh(g)`, `h' = σ(o) ∘ tanh(c')`, each gate a sum of both maps.
    /// Source: Hochreiter and Schmidhuber 1997, with the forget gates of Gers et al. 2000.
    Lstm,
    /// Gates r z n: `n = tanh(xₙ + σ(r) ∘ uₙ)`, `h' = n + σ(z) ∘ (h - n)`. Source: Cho et al. 2014, as in cuDNN.
    Gru,
}

impl RecurrentCell {
    /// Affine maps of the input, as many of the last hidden state.
    pub fn n_gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// Vectors that a state consists of, the hidden one last: `c` and `h`, or `h` alone.
    pub fn n_states(self) -> usize {
        match self {
            Self::Lstm => 2,
            Self::Gru => 1,
        }
    }
}

/// Takes `rows` states through `steps` steps of a recurrent cell.
///
/// With `x` the affine map of the input and `u = h U + b` that of the last hidden state, a step is the cell's; with
/// [`attention`](Self::attention), each step first attends by the last hidden state, and `context · C` is added to `x`.
///
/// # Shapes
/// - the input `x`: `[rows, steps, n_gates · d_hidden]`, the start: `[rows, n_states · d_hidden]`
/// - the output: `[rows, steps, n_states · d_hidden + d_values]`, each step's state and its context
///
/// ```
/// use attentive_kernels::{Kept, Recurrence, RecurrentCell};
///
/// let cell = RecurrentCell::Gru;
/// let recurrence = Recurrence {
///     cell, rows: 1, steps: 2, d_hidden: 1, weight: &[0.0; 3], bias: &[0.0; 3], lengths: None, backwards: false, attention: None,
/// };
/// let (mut out, mut gates) = ([0.0; 2], vec![0.0; recurrence.n_kept()]);
/// recurrence.forward(&[0.0; 6], &[1.0], &mut out, Kept { gates: &mut gates, weights: &mut [] });
/// assert_eq!(out, [0.5, 0.25]); // with its update gate half open and nothing new, a state halves
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Recurrence<'a> {
    /// The cell.
    pub cell: RecurrentCell,
    /// Sequences.
    pub rows: usize,
    /// Steps of each.
    pub steps: usize,
    /// Width of a hidden state.
    pub d_hidden: usize,
    /// `U`: `[d_hidden, n_gates · d_hidden]`.
    pub weight: &'a [f32],
    /// `b`: `[n_gates · d_hidden]`.
    pub bias: &'a [f32],
    /// Number of steps of each row, from the first on; at the others its state stays. Without it, all.
    pub lengths: Option<&'a [usize]>,
    /// Whether the last step is taken first.
    pub backwards: bool,
    /// Attention before each step.
    pub attention: Option<AdditiveAttention<'a>>,
}

/// Additive attention: the mean of `values` under the soft-max of `vᵀ tanh(W s + key)`.
///
/// Source: Bahdanau et al. 2015, §3.1 and A.1.2.
#[derive(Clone, Copy, Debug)]
pub struct AdditiveAttention<'a> {
    /// Width of keys.
    pub d_attention: usize,
    /// Width of values.
    pub d_values: usize,
    /// Source tokens, padding included.
    pub src: usize,
    /// `W`: `[d_hidden, d_attention]`.
    pub query: &'a [f32],
    /// `v`: `[d_attention]`.
    pub score: &'a [f32],
    /// `C`: `[d_values, n_gates · d_hidden]`.
    pub context: &'a [f32],
    /// `[rows, src, d_attention]`.
    pub keys: &'a [f32],
    /// `[rows, src, d_values]`.
    pub values: &'a [f32],
    /// Number of source tokens of each row, from the first on.
    pub lengths: &'a [usize],
}

/// Values that the forward pass keeps for the backward pass.
#[derive(Debug)]
pub struct Kept<'a> {
    /// [`Recurrence::n_kept`] values.
    pub gates: &'a mut [f32],
    /// Attention weights of each step: `[rows, steps, src]`; empty without attention.
    pub weights: &'a mut [f32],
}

/// Gradients, all overwritten.
#[derive(Debug)]
pub struct RecurrenceGradients<'a> {
    /// Of the input.
    pub input: &'a mut [f32],
    /// Of the start.
    pub start: &'a mut [f32],
    /// Of `U`.
    pub weight: &'a mut [f32],
    /// Of `b`.
    pub bias: &'a mut [f32],
    /// Of the attention's parts.
    pub attention: Option<AttentionPartGradients<'a>>,
}

/// Gradients of an [`AdditiveAttention`], all overwritten.
#[derive(Debug)]
pub struct AttentionPartGradients<'a> {
    /// Of `W`.
    pub query: &'a mut [f32],
    /// Of `v`.
    pub score: &'a mut [f32],
    /// Of `C`.
    pub context: &'a mut [f32],
    /// Of keys.
    pub keys: &'a mut [f32],
    /// Of values.
    pub values: &'a mut [f32],
}

/// Widths of the rows that a pass walks over.
#[derive(Clone, Copy)]
struct Widths {
    gates: usize,
    state: usize,
    /// Offset of the hidden part within a state.
    hidden_at: usize,
    out: usize,
    kept: usize,
    attention: usize,
    values: usize,
    src: usize,
}

/// The first `n` of `row`'s `src` vectors of `width` values each.
fn first_of_row(x: &[f32], width: usize, [row, src, n]: [usize; 3]) -> &[f32] {
    &x[row * src * width..][..n * width]
}

/// Consecutive pieces of `x`, [`CHUNK`] rows each.
fn pieces(mut x: &[f32], width: usize) -> impl Iterator<Item = &[f32]> {
    std::iter::from_fn(move || {
        let (piece, rest) = x.split_at((CHUNK * width).min(x.len()));
        x = rest;
        Some(piece)
    })
}

/// Consecutive pieces of `x`, [`CHUNK`] rows each.
fn pieces_mut(mut x: &mut [f32], width: usize) -> impl Iterator<Item = &mut [f32]> {
    std::iter::from_fn(move || {
        let n = (CHUNK * width).min(x.len());
        let (piece, rest) = std::mem::take(&mut x).split_at_mut(n);
        x = rest;
        Some(piece)
    })
}

impl Recurrence<'_> {
    /// Number of values of the gates that the backward pass needs.
    ///
    /// # Panics
    /// If no memory can hold them.
    pub fn n_kept(&self) -> usize {
        elements([self.rows, self.steps, self.widths().kept])
    }

    /// Number of values of the output.
    ///
    /// # Panics
    /// If no memory can hold them.
    pub fn n_out(&self) -> usize {
        elements([self.rows, self.steps, self.widths().out])
    }

    fn widths(&self) -> Widths {
        let d = self.d_hidden;
        let kept = elements([4, d]);
        let [state, gates] = [self.cell.n_states(), self.cell.n_gates()].map(|n| n * d);
        let [attention, values, src] = self.attention.map_or([0; 3], |a| [a.d_attention, a.d_values, a.src]);
        let out = state.saturating_add(values);
        elements([self.rows, self.steps, kept.max(out).max(attention).max(src)]);
        Widths { gates, state, hidden_at: state - d, out, kept, attention, values, src }
    }

    fn check(&self, widths: Widths) {
        let (rows, d) = (self.rows, self.d_hidden);
        let wanted = [elements([d, widths.gates]), widths.gates];
        assert_eq!([self.weight.len(), self.bias.len()], wanted, "weights of the recurrence");
        assert!(self.lengths.is_none_or(|lengths| lengths.len() == rows), "a length for each row");
        let Some(a) = &self.attention else { return };
        let found = [a.query.len(), a.score.len(), a.context.len(), a.keys.len(), a.values.len(), a.lengths.len()];
        let (keys, values) = (elements([rows, a.src, a.d_attention]), elements([rows, a.src, a.d_values]));
        let (query, context) = (elements([d, a.d_attention]), elements([a.d_values, widths.gates]));
        let wanted = [query, a.d_attention, context, keys, values, rows];
        assert_eq!(found, wanted, "parts of the attention");
        assert!(a.lengths.iter().all(|&length| length <= a.src), "a source is longer than its matrix");
    }

    /// Position of the `n`th step taken.
    fn place(&self, n: usize) -> usize {
        if self.backwards { self.steps - 1 - n } else { n }
    }

    fn has_token(&self, row: usize, place: usize) -> bool {
        self.lengths.is_none_or(|lengths| place < lengths[row])
    }

    /// The source that a row attends to.
    fn source(&self, row: usize) -> Source<'_> {
        let a = self.attention.as_ref().expect("called only with attention");
        let tokens = |x, width| first_of_row(x, width, [row, a.src, a.lengths[row]]);
        Source { score: a.score, keys: tokens(a.keys, a.d_attention), values: tokens(a.values, a.d_values) }
    }
}
