use super::attention::attend;
use super::cell::{Sums, step};
use super::{CHUNK, Kept, Recurrence, pieces, pieces_mut};
use crate::matmul::{Epilogue, PackedMatrix};
use crate::scratch::Scratch;
use crate::{Level, MatMut, MatRef};
use rayon::prelude::*;

/// Weights that every step multiplies by.
struct Weights {
    recurrent: PackedMatrix,
    /// `W` and `C`.
    attention: Option<[PackedMatrix; 2]>,
}

impl Recurrence<'_> {
    /// States and contexts of all steps, from the input `x`.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn forward(&self, x: &[f32], start: &[f32], out: &mut [f32], kept: Kept<'_>) {
        let (widths, steps, d) = (self.widths(), self.steps, self.d_hidden);
        self.check(widths);
        assert_eq!([x.len(), start.len()], [self.rows * steps * widths.gates, self.rows * widths.state], "inputs");
        assert_eq!([out.len(), kept.gates.len()], [self.n_out(), self.n_kept()], "outputs");
        assert_eq!(kept.weights.len(), self.rows * steps * widths.src, "attention weights");
        let matrix = |x, rows, cols| PackedMatrix::new(MatRef::new(x, rows, cols));
        let weights = Weights {
            recurrent: matrix(self.weight, d, widths.gates),
            attention: self
                .attention
                .map(|a| [matrix(a.query, d, a.d_attention), matrix(a.context, a.d_values, widths.gates)]),
        };
        let level = Level::current();
        let chunks = (0..self.rows).step_by(CHUNK);
        let inputs = pieces(x, steps * widths.gates).zip(pieces(start, widths.state));
        let outputs = pieces_mut(out, steps * widths.out)
            .zip(pieces_mut(kept.gates, steps * widths.kept))
            .zip(pieces_mut(kept.weights, steps * widths.src));
        let chunks: Vec<_> = chunks.zip(inputs).zip(outputs).collect();
        chunks.into_par_iter().for_each(|((first, inputs), ((out, gates), attended))| {
            self.forward_chunk(level, &weights, first, inputs, out, Kept { gates, weights: attended });
        });
    }

    /// Runs the rows from `first` on, one for each state of `start`.
    fn forward_chunk(
        &self,
        level: Level,
        weights: &Weights,
        first: usize,
        (x, start): (&[f32], &[f32]),
        out: &mut [f32],
        kept: Kept<'_>,
    ) {
        let (widths, steps) = (self.widths(), self.steps);
        let (n, d) = (start.len() / widths.state, self.d_hidden);
        let mut state = Scratch::new(start.len());
        state.copy_from_slice(start);
        let [mut input, mut recurrent] = [(); 2].map(|()| Scratch::new(n * widths.gates));
        let mut queries = Scratch::new(n * widths.attention);
        for place in (0..steps).map(|n| self.place(n)) {
            let hidden = MatRef::strided(&state[widths.hidden_at..], [n, d], [widths.state, 1]);
            let bias = Epilogue { bias: Some(self.bias), ..Epilogue::default() };
            weights.recurrent.multiply(hidden, MatMut::new(&mut recurrent, n, widths.gates), &bias);
            for (row, input) in input.chunks_exact_mut(widths.gates).enumerate() {
                input.copy_from_slice(&x[(row * steps + place) * widths.gates..][..widths.gates]);
            }
            if let Some([to_query, from_context]) = &weights.attention {
                to_query.multiply(hidden, MatMut::new(&mut queries, n, widths.attention), &Epilogue::default());
                for (row, query) in queries.chunks_exact(widths.attention).enumerate() {
                    let (at, source) = (row * steps + place, self.source(first + row));
                    let context = &mut out[at * widths.out + widths.state..][..widths.values];
                    attend(level, source, query, &mut kept.weights[at * widths.src..][..widths.src], context);
                }
                let strides = [steps * widths.out, 1];
                let contexts = MatRef::strided(&out[place * widths.out + widths.state..], [n, widths.values], strides);
                let add = Epilogue { accumulate: true, ..Epilogue::default() };
                from_context.multiply(contexts, MatMut::new(&mut input, n, widths.gates), &add);
            }
            for (row, state) in state.chunks_exact_mut(widths.state).enumerate() {
                let at = row * steps + place;
                if self.has_token(first + row, place) {
                    let part = row * widths.gates..(row + 1) * widths.gates;
                    let sums = Sums { input: &input[part.clone()], recurrent: &recurrent[part] };
                    step(level, self.cell, sums, state, &mut kept.gates[at * widths.kept..][..widths.kept]);
                }
                out[at * widths.out..][..widths.state].copy_from_slice(state);
            }
        }
    }
}
