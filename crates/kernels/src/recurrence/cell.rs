//! One step of a recurrent cell on one row, forward and backward.

use super::RecurrentCell;
use crate::math::{sigmoid, tanh};
use crate::simd::{Simd, dispatch};

/// Inputs of a step of one row.
#[derive(Clone, Copy)]
pub(super) struct Sums<'a> {
    /// Affine maps of the input: `[n_gates · d]`.
    pub input: &'a [f32],
    /// Affine maps of the last hidden state: `[n_gates · d]`.
    pub recurrent: &'a [f32],
}

/// `x` in `N` pieces of one length.
#[inline(always)]
fn parts<const N: usize>(x: &[f32]) -> [&[f32]; N] {
    let d = x.len() / N;
    std::array::from_fn(|n| &x[n * d..][..d])
}

/// `x` in `N` pieces of one length.
#[inline(always)]
fn parts_mut<const N: usize>(x: &mut [f32]) -> [&mut [f32]; N] {
    let mut parts = x.chunks_exact_mut((x.len() / N).max(1));
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

dispatch! {
    /// Takes `state` one step further; keeps four vectors for the backward pass: the gates and, for a GRU, the part
    /// that its reset gate lets through.
    pub(super) fn step(cell: RecurrentCell, sums: Sums<'_>, state: &mut [f32], kept: &mut [f32]) = step_kernel
}

#[inline(always)]
fn step_kernel<S: Simd>(s: S, cell: RecurrentCell, sums: Sums<'_>, state: &mut [f32], kept: &mut [f32]) {
    match cell {
        RecurrentCell::Lstm => lstm(s, sums, state, kept),
        RecurrentCell::Gru => gru(s, sums, state, kept),
    }
}

#[inline(always)]
fn lstm<S: Simd>(s: S, sums: Sums<'_>, state: &mut [f32], kept: &mut [f32]) {
    let (x, u) = (parts::<4>(sums.input), parts::<4>(sums.recurrent));
    let [memory, hidden] = parts_mut(state);
    let [input, forget, output, new] = parts_mut(kept);
    for at in (0..hidden.len()).step_by(S::LANES) {
        let i = sigmoid(s, s.add(s.load(x[0], at), s.load(u[0], at)));
        let f = sigmoid(s, s.add(s.load(x[1], at), s.load(u[1], at)));
        let o = sigmoid(s, s.add(s.load(x[2], at), s.load(u[2], at)));
        let g = tanh(s, s.add(s.load(x[3], at), s.load(u[3], at)));
        let c = s.mul_add(f, s.load(memory, at), s.mul(i, g));
        s.store(memory, at, c);
        s.store(hidden, at, s.mul(o, tanh(s, c)));
        s.store(input, at, i);
        s.store(forget, at, f);
        s.store(output, at, o);
        s.store(new, at, g);
    }
}

#[inline(always)]
fn gru<S: Simd>(s: S, sums: Sums<'_>, hidden: &mut [f32], kept: &mut [f32]) {
    let (x, u) = (parts::<3>(sums.input), parts::<3>(sums.recurrent));
    let [reset, update, new, through] = parts_mut(kept);
    for at in (0..hidden.len()).step_by(S::LANES) {
        let r = sigmoid(s, s.add(s.load(x[0], at), s.load(u[0], at)));
        let z = sigmoid(s, s.add(s.load(x[1], at), s.load(u[1], at)));
        let v = s.load(u[2], at);
        let n = tanh(s, s.mul_add(r, v, s.load(x[2], at)));
        s.store(hidden, at, s.mul_add(z, s.sub(s.load(hidden, at), n), n));
        s.store(reset, at, r);
        s.store(update, at, z);
        s.store(new, at, n);
        s.store(through, at, v);
    }
}

/// Inputs of the backward pass of a step.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    /// Vectors that [`step`] kept.
    pub kept: &'a [f32],
    /// The state before the step.
    pub before: &'a [f32],
    /// The state after it.
    pub after: &'a [f32],
}

dispatch! {
    /// Gradients of both affine maps; `d_state` turns from the gradient of the new state into that of the old one,
    /// without the part through the recurrent map.
    pub(super) fn step_backward(
        cell: RecurrentCell, taken: Taken<'_>, d_state: &mut [f32], d_input: &mut [f32], d_recurrent: &mut [f32],
    ) = step_backward_kernel
}

#[inline(always)]
fn step_backward_kernel<S: Simd>(
    s: S,
    cell: RecurrentCell,
    taken: Taken<'_>,
    d_state: &mut [f32],
    d_input: &mut [f32],
    d_recurrent: &mut [f32],
) {
    match cell {
        RecurrentCell::Lstm => {
            lstm_backward(s, taken, d_state, d_input);
            d_recurrent.copy_from_slice(d_input);
        }
        RecurrentCell::Gru => gru_backward(s, taken, d_state, d_input, d_recurrent),
    }
}

/// `y (1 - y) dy`: through a sigmoid whose output is `y`.
#[inline(always)]
fn through_sigmoid<S: Simd>(s: S, y: S::F32, dy: S::F32) -> S::F32 {
    s.mul(dy, s.mul(y, s.sub(s.splat(1.0), y)))
}

/// `(1 - y²) dy`: through a tanh whose output is `y`.
#[inline(always)]
fn through_tanh<S: Simd>(s: S, y: S::F32, dy: S::F32) -> S::F32 {
    s.mul(dy, s.sub(s.splat(1.0), s.mul(y, y)))
}

#[inline(always)]
fn lstm_backward<S: Simd>(s: S, taken: Taken<'_>, d_state: &mut [f32], dx: &mut [f32]) {
    let [input, forget, output, new] = parts(taken.kept);
    let ([before, _], [after, _]) = (parts::<2>(taken.before), parts::<2>(taken.after));
    let [d_memory, d_hidden] = parts_mut(d_state);
    let [dx_i, dx_f, dx_o, dx_g] = parts_mut(dx);
    for at in (0..before.len()).step_by(S::LANES) {
        let (i, f) = (s.load(input, at), s.load(forget, at));
        let (o, g) = (s.load(output, at), s.load(new, at));
        let (dh, seen) = (s.load(d_hidden, at), tanh(s, s.load(after, at)));
        let dc = s.add(s.load(d_memory, at), through_tanh(s, seen, s.mul(dh, o)));
        s.store(dx_i, at, through_sigmoid(s, i, s.mul(dc, g)));
        s.store(dx_f, at, through_sigmoid(s, f, s.mul(dc, s.load(before, at))));
        s.store(dx_o, at, through_sigmoid(s, o, s.mul(dh, seen)));
        s.store(dx_g, at, through_tanh(s, g, s.mul(dc, i)));
        s.store(d_memory, at, s.mul(dc, f));
        s.store(d_hidden, at, s.zero());
    }
}

#[inline(always)]
fn gru_backward<S: Simd>(s: S, taken: Taken<'_>, d_hidden: &mut [f32], dx: &mut [f32], du: &mut [f32]) {
    let [reset, update, new, through] = parts(taken.kept);
    let before = taken.before;
    let ([dx_r, dx_z, dx_n], [du_r, du_z, du_n]) = (parts_mut(dx), parts_mut(du));
    for at in (0..before.len()).step_by(S::LANES) {
        let (r, z, n) = (s.load(reset, at), s.load(update, at), s.load(new, at));
        let dh = s.load(d_hidden, at);
        let through_new = through_tanh(s, n, s.sub(dh, s.mul(dh, z)));
        let through_reset = through_sigmoid(s, r, s.mul(through_new, s.load(through, at)));
        let through_update = through_sigmoid(s, z, s.mul(dh, s.sub(s.load(before, at), n)));
        s.store(dx_r, at, through_reset);
        s.store(du_r, at, through_reset);
        s.store(dx_z, at, through_update);
        s.store(du_z, at, through_update);
        s.store(dx_n, at, through_new);
        s.store(du_n, at, s.mul(through_new, r));
        s.store(d_hidden, at, s.mul(dh, z));
    }
}
