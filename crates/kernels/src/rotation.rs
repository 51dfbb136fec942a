//! Positions as rotations of queries and keys.

use crate::extent::elements;
use crate::parallel::{Chunks, for_each_chunk};
use crate::simd::{Simd, dispatch};
use crate::{Heads, Level, zeros};

/// Turns each pair of features `(x_i, x_{i + d/2})` of a head by its position's angle.
///
/// Source: Su et al. 2021, "RoFormer", section 3.4.2; the halves are paired, as in GPT-NeoX.
///
/// ```
/// use attentive_kernels::{HeadStrides, Heads, Rotation};
///
/// let quarter = Rotation { cos: &[0.0], sin: &[1.0], d: 2 };
/// let x = Heads::new(&[3.0, 5.0], HeadStrides::head_major(1, 1, 2));
/// assert_eq!(quarter.turn(x, [1, 1, 1]), [-5.0, 3.0]);
/// assert_eq!(quarter.turn_back(x, [1, 1, 1]), [5.0, -3.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// The cosine of each position's angles, `[seq, d / 2]`.
    pub cos: &'a [f32],
    /// The sine of each position's angles, `[seq, d / 2]`.
    pub sin: &'a [f32],
    /// Features of a head that are turned.
    pub d: usize,
}

impl Rotation<'_> {
    /// `x`, `[batch, heads, seq, d]`, turned: `[batch, seq, heads, d]`, contiguous.
    ///
    /// # Panics
    /// If `d` is odd, the view does not fit its slice, or a position has no angle.
    pub fn turn(&self, x: Heads<'_>, dims: [usize; 3]) -> Vec<f32> {
        self.turned(x, dims, 1.0)
    }

    /// [`turn`](Self::turn) the other way: its backward pass.
    ///
    /// # Panics
    /// As [`turn`](Self::turn).
    pub fn turn_back(&self, x: Heads<'_>, dims: [usize; 3]) -> Vec<f32> {
        self.turned(x, dims, -1.0)
    }

    /// Turns, in place, the first `d` of the `head` features of the first `heads` heads of rows of `width` features;
    /// `positions` are the rows' positions.
    ///
    /// # Panics
    /// If `d` is odd, heads or rows have fewer features, or a position has no angle.
    pub fn turn_rows(&self, x: &mut [f32], width: usize, [heads, head]: [usize; 2], positions: &[u32]) {
        let (d, level) = (self.d, Level::current());
        assert!(
            d > 0 && d.is_multiple_of(2) && d <= head,
            "a head of {head} features has no pairs up to {d} to rotate"
        );
        assert!(width >= elements([heads, head]) && x.len() == elements([positions.len(), width]), "rows of {width}");
        assert_eq!(self.cos.len(), self.sin.len(), "cosines and sines");
        for (row, &position) in x.chunks_exact_mut(width).zip(positions) {
            let [cos, sin] = [self.cos, self.sin].map(|angles| &angles[position as usize * (d / 2)..][..d / 2]);
            row[..heads * head].chunks_exact_mut(head).for_each(|x| rotate_in_place(level, cos, sin, &mut x[..d]));
        }
    }

    fn turned(&self, x: Heads<'_>, [batch, heads, seq]: [usize; 3], sign: f32) -> Vec<f32> {
        let d = self.d;
        assert!(d > 0 && d.is_multiple_of(2), "a head of {d} features has no pairs to rotate");
        assert!(self.cos.len() == seq * (d / 2) && self.sin.len() == self.cos.len(), "angles are {seq} × {}", d / 2);
        x.check("rotated heads", [batch, heads, seq, d]);
        let (level, width) = (Level::current(), elements([heads, d]));
        let mut y = zeros(elements([batch, seq, width]));
        if y.is_empty() {
            return y;
        }
        for_each_chunk(Chunks::rows(batch * seq, width), &mut y, |rows, y| {
            for (row, y) in rows.zip(y.chunks_exact_mut(width)) {
                let (b, i) = (row / seq, row % seq);
                let [cos, sin] = [self.cos, self.sin].map(|angles| &angles[i * (d / 2)..][..d / 2]);
                for (h, y) in y.chunks_exact_mut(d).enumerate() {
                    rotate(level, x.head(b, h, [seq, d]).row(i), cos, sin, sign, y);
                }
            }
        });
        y
    }
}

dispatch! {
    fn rotate(x: &[f32], cos: &[f32], sin: &[f32], sign: f32, y: &mut [f32]) = rotate_kernel
}

dispatch! {
    fn rotate_in_place(cos: &[f32], sin: &[f32], x: &mut [f32]) = rotate_in_place_kernel
}

#[inline(always)]
fn rotate_in_place_kernel<S: Simd>(s: S, cos: &[f32], sin: &[f32], x: &mut [f32]) {
    let half = cos.len();
    let (to_a, to_b) = x.split_at_mut(half);
    for i in (0..half).step_by(S::LANES) {
        let (a, b, cos, sin) = (s.load(to_a, i), s.load(to_b, i), s.load(cos, i), s.load(sin, i));
        s.store(to_a, i, s.sub(s.mul(a, cos), s.mul(b, sin)));
        s.store(to_b, i, s.mul_add(b, cos, s.mul(a, sin)));
    }
}

#[inline(always)]
fn rotate_kernel<S: Simd>(s: S, x: &[f32], cos: &[f32], sin: &[f32], sign: f32, y: &mut [f32]) {
    let half = cos.len();
    let ((a, b), (to_a, to_b)) = (x.split_at(half), y.split_at_mut(half));
    for i in (0..half).step_by(S::LANES) {
        let (a, b, cos) = (s.load(a, i), s.load(b, i), s.load(cos, i));
        let sin = s.mul(s.load(sin, i), s.splat(sign));
        s.store(to_a, i, s.sub(s.mul(a, cos), s.mul(b, sin)));
        s.store(to_b, i, s.mul_add(b, cos, s.mul(a, sin)));
    }
}
