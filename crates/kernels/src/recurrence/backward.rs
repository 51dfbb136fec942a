use super::attention::{SourceGradients, attend_backward};
use super::cell::{Taken, step_backward};
use super::{AttentionPartGradients, CHUNK, Recurrence, RecurrenceGradients, Widths, pieces, pieces_mut};
use crate::matmul::{Epilogue, PackedMatrix, matmul, matmul_at};
use crate::parallel::add_in_order;
use crate::scratch::Scratch;
use crate::{Level, MatMut, MatRef, column_sums};
use rayon::prelude::*;

/// Parts of the forward pass that the backward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct RecurrencePass<'a> {
    /// The initial states.
    pub start: &'a [f32],
    /// Its output.
    pub out: &'a [f32],
    /// The gates that it kept.
    pub gates: &'a [f32],
    /// The weights of attention that it kept.
    pub weights: &'a [f32],
}

/// Transposed weights that every step multiplies by.
struct Weights {
    recurrent: PackedMatrix,
    /// `W` and `C`.
    attention: Option<[PackedMatrix; 2]>,
}

/// The rows of a chunk.
struct Chunk<'a> {
    first: usize,
    /// The state before each step.
    before: &'a [f32],
    out: &'a [f32],
    gates: &'a [f32],
    weights: &'a [f32],
    d_out: &'a [f32],
    d_input: &'a mut [f32],
    d_recurrent: &'a mut [f32],
    d_start: &'a mut [f32],
    d_queries: &'a mut [f32],
    d_score: &'a mut [f32],
    d_keys: &'a mut [f32],
    d_values: &'a mut [f32],
}

/// `x` from an index on; nothing of values without rows or steps.
fn from(x: &[f32], at: usize) -> &[f32] {
    x.get(at..).unwrap_or_default()
}

impl Recurrence<'_> {
    /// Gradients for the gradient `d_out` of the output.
    ///
    /// # Panics
    /// If lengths do not match, or gradients of the attention are given without an attention, or the other way round.
    pub fn backward(&self, pass: RecurrencePass<'_>, d_out: &[f32], grads: RecurrenceGradients<'_>) {
        let (widths, d, n) = (self.widths(), self.d_hidden, self.rows * self.steps);
        self.check(widths);
        assert_eq!(
            [pass.out.len(), d_out.len(), pass.gates.len()],
            [self.n_out(), self.n_out(), self.n_kept()],
            "outputs"
        );
        assert_eq!([pass.weights.len(), grads.input.len()], [n * widths.src, n * widths.gates], "weights, gradients");
        assert_eq!([pass.start.len(), grads.start.len()], [self.rows * widths.state; 2], "states");
        assert_eq!(self.attention.is_some(), grads.attention.is_some(), "gradients of the attention");
        let before = self.states_before(pass, widths);
        let [mut d_recurrent, mut d_queries] = [widths.gates, widths.attention].map(|width| Scratch::new(n * width));
        let mut d_scores = Scratch::zeroed(self.rows.div_ceil(CHUNK) * widths.attention);
        let RecurrenceGradients { input, start, weight, bias, attention } = grads;
        let (mut no_keys, mut no_values) = ([], []);
        let (keys, values, parts) = match attention {
            Some(AttentionPartGradients { query, score, context, keys, values }) => {
                (keys, values, Some((query, score, context)))
            }
            None => (&mut no_keys[..], &mut no_values[..], None),
        };
        let mut outputs = pieces_mut(&mut *input, self.steps * widths.gates)
            .zip(pieces_mut(&mut d_recurrent, self.steps * widths.gates))
            .zip(pieces_mut(start, widths.state))
            .zip(pieces_mut(&mut d_queries, self.steps * widths.attention))
            .zip(d_scores.chunks_mut(widths.attention.max(1)).map(Some).chain(std::iter::repeat_with(|| None)))
            .zip(pieces_mut(keys, widths.src * widths.attention).zip(pieces_mut(values, widths.src * widths.values)));
        let mut inputs = pieces(&before, self.steps * widths.state)
            .zip(pieces(pass.out, self.steps * widths.out))
            .zip(pieces(pass.gates, self.steps * widths.kept))
            .zip(pieces(pass.weights, self.steps * widths.src))
            .zip(pieces(d_out, self.steps * widths.out));
        let mut chunk = |first| {
            let ((((before, out), gates), weights), d_out) = inputs.next()?;
            let (((((d_input, d_recurrent), d_start), d_queries), d_score), (d_keys, d_values)) = outputs.next()?;
            let d_score = d_score.unwrap_or_default();
            #[rustfmt::skip]
            let chunk = Chunk {
                first, before, out, gates, weights, d_out,
                d_input, d_recurrent, d_start, d_queries, d_score, d_keys, d_values,
            };
            Some(chunk)
        };
        let chunks: Vec<Chunk<'_>> = (0..self.rows).step_by(CHUNK).map_while(&mut chunk).collect();
        drop(outputs); // and its borrows with it
        let (level, weights) = (Level::current(), self.transposed(widths));
        chunks.into_par_iter().for_each(|chunk| self.backward_chunk(level, &weights, chunk));

        let hidden = MatRef::strided(from(&before, widths.hidden_at), [n, d], [widths.state, 1]).t();
        matmul(hidden, MatRef::new(&d_recurrent, n, widths.gates), MatMut::new(weight, d, widths.gates), false);
        column_sums(&d_recurrent, bias);
        if let Some((query, score, context)) = parts {
            matmul(
                hidden,
                MatRef::new(&d_queries, n, widths.attention),
                MatMut::new(query, d, widths.attention),
                false,
            );
            let contexts = MatRef::strided(from(pass.out, widths.state), [n, widths.values], [widths.out, 1]).t();
            let d_input = MatRef::new(input, n, widths.gates);
            matmul(contexts, d_input, MatMut::new(context, widths.values, widths.gates), false);
            score.fill(0.0);
            add_in_order(&d_scores, score);
        }
    }

    fn transposed(&self, widths: Widths) -> Weights {
        let matrix = |x, rows, cols| PackedMatrix::new(MatRef::new(x, rows, cols).t());
        let d = self.d_hidden;
        let attention =
            self.attention.map(|a| [matrix(a.query, d, a.d_attention), matrix(a.context, a.d_values, widths.gates)]);
        Weights { recurrent: matrix(self.weight, d, widths.gates), attention }
    }

    /// The state before each step: `[rows, steps, n_states · d_hidden]`.
    fn states_before(&self, pass: RecurrencePass<'_>, widths: Widths) -> Scratch {
        let mut before = Scratch::new(self.rows * self.steps * widths.state);
        let rows = before.par_chunks_exact_mut((self.steps * widths.state).max(1));
        rows.enumerate().for_each(|(row, before)| {
            let mut last = &pass.start[row * widths.state..][..widths.state];
            for place in (0..self.steps).map(|n| self.place(n)) {
                before[place * widths.state..][..widths.state].copy_from_slice(last);
                last = &pass.out[(row * self.steps + place) * widths.out..][..widths.state];
            }
        });
        before
    }

    fn backward_chunk(&self, level: Level, weights: &Weights, chunk: Chunk<'_>) {
        let (widths, steps, d) = (self.widths(), self.steps, self.d_hidden);
        let n = chunk.d_start.len() / widths.state;
        let add = Epilogue { accumulate: true, ..Epilogue::default() };
        let d_state = chunk.d_start;
        d_state.fill(0.0);
        chunk.d_keys.fill(0.0);
        // Queries of all steps at once; gradients of contexts are kept for those of the values.
        let mut queries = Scratch::new(n * steps * widths.attention);
        if let Some(a) = &self.attention {
            let hidden = MatRef::strided(from(chunk.before, widths.hidden_at), [n * steps, d], [widths.state, 1]);
            let queries = MatMut::new(&mut queries, n * steps, a.d_attention);
            matmul_at(level, hidden, MatRef::new(a.query, d, a.d_attention), queries, &Epilogue::default());
        }
        let mut d_contexts = Scratch::new(n * steps * widths.values);
        let mut room = Scratch::new(widths.src);
        for place in (0..steps).rev().map(|n| self.place(n)) {
            for (row, d_state) in d_state.chunks_exact_mut(widths.state).enumerate() {
                let at = row * steps + place;
                let (d_state_here, d_context) = chunk.d_out[at * widths.out..][..widths.out].split_at(widths.state);
                d_state.iter_mut().zip(d_state_here).for_each(|(sum, here)| *sum += here);
                d_contexts[at * widths.values..][..widths.values].copy_from_slice(d_context);
                let d_input = &mut chunk.d_input[at * widths.gates..][..widths.gates];
                let d_recurrent = &mut chunk.d_recurrent[at * widths.gates..][..widths.gates];
                if self.has_token(chunk.first + row, place) {
                    let taken = Taken {
                        kept: &chunk.gates[at * widths.kept..][..widths.kept],
                        before: &chunk.before[at * widths.state..][..widths.state],
                        after: &chunk.out[at * widths.out..][..widths.state],
                    };
                    step_backward(level, self.cell, taken, d_state, d_input, d_recurrent);
                } else {
                    d_input.fill(0.0);
                    d_recurrent.fill(0.0);
                }
            }
            // The rows of this step, in a matrix of all steps.
            let at_step = |x, width| MatRef::strided(x, [n, width], [steps * width, 1]);
            let d_recurrent = at_step(&chunk.d_recurrent[place * widths.gates..], widths.gates);
            weights.recurrent.multiply(
                d_recurrent,
                MatMut::strided(&mut d_state[widths.hidden_at..], [n, d], widths.state),
                &add,
            );
            if let Some([from_query, to_context]) = &weights.attention {
                let d_input = at_step(&chunk.d_input[place * widths.gates..], widths.gates);
                let of_step = &mut d_contexts[place * widths.values..];
                to_context.multiply(d_input, MatMut::strided(of_step, [n, widths.values], steps * widths.values), &add);
                for row in 0..n {
                    let (at, source) = (row * steps + place, self.source(chunk.first + row));
                    let part = at * widths.attention..(at + 1) * widths.attention;
                    let grads = SourceGradients {
                        score: &mut *chunk.d_score,
                        keys: &mut chunk.d_keys[row * widths.src * widths.attention..],
                        query: &mut chunk.d_queries[part.clone()],
                    };
                    let attended = &chunk.weights[at * widths.src..][..widths.src];
                    let d_context = &d_contexts[at * widths.values..][..widths.values];
                    attend_backward(level, source, &queries[part], attended, d_context, &mut room, grads);
                }
                let d_queries = at_step(&chunk.d_queries[place * widths.attention..], widths.attention);
                from_query.multiply(
                    d_queries,
                    MatMut::strided(&mut d_state[widths.hidden_at..], [n, d], widths.state),
                    &add,
                );
            }
        }
        let rows = chunk.d_values.chunks_exact_mut((widths.src * widths.values).max(1));
        for (row, d_values) in rows.enumerate() {
            let attended = MatRef::new(&chunk.weights[row * steps * widths.src..], steps, widths.src).t();
            let d_contexts = MatRef::new(&d_contexts[row * steps * widths.values..], steps, widths.values);
            let d_values = MatMut::new(d_values, widths.src, widths.values);
            matmul_at(level, attended, d_contexts, d_values, &Epilogue::default());
        }
    }
}
