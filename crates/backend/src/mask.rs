//! Keys hidden from attention.

use std::ops::Range;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::ops::part_of;

/// The keys that are hidden from each query; in every tensor here `true` means hidden.
///
/// The parts combine: a key is hidden if any of them hides it. A query that sees no key attends to nothing: its
/// output is zero.
///
/// ```
/// use attentive_backend::{BackendKind, Mask};
///
/// let device = BackendKind::Flex.device()?;
/// let mask = Mask::padding(&[2, 3], 3, &device).and_causal();
/// let hidden = mask.to_tensor([2, 1, 3, 3], &device).unwrap();
/// let row = hidden.slice([0..1, 0..1, 2..3, 0..3]).into_data();
/// row.assert_eq(&burn::tensor::TensorData::from([[[[false, false, true]]]]), false);
/// # Ok::<(), attentive_backend::BackendError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// Keys hidden from every query, for example padding: `[batch, k_len]`.
    pub hidden_keys: Option<Tensor<2, Bool>>,
    /// Whether keys after the query's own position are hidden (§3.2.3). Queries are the last `q_len` positions of
    /// the keys, so a cached step needs no other mask.
    pub causal: bool,
    /// Width of the window: keys `window` or more positions before or after the query are hidden (§4, "restricted"
    /// self-attention).
    pub window: Option<usize>,
    /// Any other pattern: `[batch or 1, heads or 1, q_len or 1, k_len]`.
    pub hidden: Option<Tensor<4, Bool>>,
}

impl Mask {
    /// Hides nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Hides the future (§3.2.3).
    pub fn causal() -> Self {
        Self { causal: true, ..Self::default() }
    }

    /// Hides positions beyond each row's length, in rows padded to `k_len`.
    pub fn padding(lengths: &[usize], k_len: usize, device: &Device) -> Self {
        if lengths.iter().all(|&length| length == k_len) {
            return Self::none();
        }
        let hidden: Vec<bool> =
            lengths.iter().flat_map(|&length| (0..k_len).map(move |k_idx| k_idx >= length)).collect();
        let hidden = Tensor::from_data(TensorData::new(hidden, [lengths.len(), k_len]), device);
        Self { hidden_keys: Some(hidden), ..Self::default() }
    }

    /// Hides the future as well.
    pub fn and_causal(self) -> Self {
        Self { causal: true, ..self }
    }

    /// Hides keys `window` or more positions away as well.
    pub fn and_window(self, window: Option<usize>) -> Self {
        Self { window: window.into_iter().chain(self.window).min(), ..self }
    }

    /// Hides `hidden` as well: `[batch or 1, heads or 1, q_len or 1, k_len]`.
    pub fn and_hidden(self, hidden: Tensor<4, Bool>) -> Self {
        let hidden = self.hidden.into_iter().fold(hidden, or);
        Self { hidden: Some(hidden), ..self }
    }

    /// The combined mask at `[batch, heads, q_len, k_len]`, or none if nothing is hidden; axes along which it does not
    /// vary have length 1.
    ///
    /// # Panics
    /// If there is a causal mask or a window, and more queries than keys.
    pub fn to_tensor(&self, [_, _, q_len, k_len]: [usize; 4], device: &Device) -> Option<Tensor<4, Bool>> {
        self.part([q_len, k_len], 0..q_len, 0..k_len, device)
    }

    /// The part of [`to_tensor`](Self::to_tensor) at some of the queries and keys.
    pub(crate) fn part(
        &self,
        [q_len, k_len]: [usize; 2],
        queries: Range<usize>,
        keys: Range<usize>,
        device: &Device,
    ) -> Option<Tensor<4, Bool>> {
        // Distance of each key after each query: `[1, 1, queries, keys]`.
        let offsets = || {
            assert!(q_len <= k_len, "attention of {q_len} queries, the last positions, over {k_len} keys");
            let (past, shape) = (k_len - q_len, [1, 1, queries.len(), keys.len()]);
            let positions = |from: usize, to: usize| Tensor::<1, Int>::arange(from as i64..to as i64, device);
            let q_idx = positions(past + queries.start, past + queries.end).reshape([1, 1, queries.len(), 1]);
            let k_idx = positions(keys.start, keys.end).reshape([1, 1, 1, keys.len()]);
            k_idx.expand(shape) - q_idx.expand(shape)
        };
        let hidden_keys = self.hidden_keys.clone().map(|hidden| {
            let [batch, _] = hidden.dims();
            part_of(hidden, 1, &keys).reshape([batch, 1, 1, keys.len()])
        });
        // One query alone is the last: it has no future.
        let future = (self.causal && q_len > 1).then(|| offsets().greater_elem(0));
        let far = self
            .window
            .filter(|&window| window < k_len)
            .map(|window| offsets().abs().greater_equal_elem(window as i64));
        let others = self.hidden.clone().map(|hidden| {
            let hidden = if hidden.dims()[2] > 1 { part_of(hidden, 2, &queries) } else { hidden };
            part_of(hidden, 3, &keys)
        });
        [hidden_keys, future, far, others].into_iter().flatten().reduce(or)
    }

    /// The keys of `k_len` that some of the queries can see, as far as positions alone say; at least one.
    pub(crate) fn keys_seen(&self, [q_len, k_len]: [usize; 2], queries: &Range<usize>) -> Range<usize> {
        let past = k_len.saturating_sub(q_len);
        let after = if self.causal { past + queries.end } else { k_len };
        let (first, end) = match self.window {
            Some(window) => {
                let first = (past + queries.start + 1).saturating_sub(window);
                (first, after.min((past + queries.end - 1).saturating_add(window)))
            }
            None => (0, after),
        };
        let end = end.clamp(1, k_len);
        first.min(end - 1)..end
    }

    /// The same, below autodiff.
    pub(crate) fn inner(&self) -> Self {
        Self {
            hidden_keys: self.hidden_keys.clone().map(Tensor::inner),
            hidden: self.hidden.clone().map(Tensor::inner),
            ..*self
        }
    }
}

/// Broadcasting `a | b`.
fn or(a: Tensor<4, Bool>, b: Tensor<4, Bool>) -> Tensor<4, Bool> {
    let (a_dims, b_dims) = (a.dims(), b.dims());
    let shape: [usize; 4] = std::array::from_fn(|axis| a_dims[axis].max(b_dims[axis]));
    a.expand(shape).bool_or(b.expand(shape))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn patterns_hide_what_either_hides() {
        let device = crate::BackendKind::Flex.device().expect("flex is compiled in");
        let keys = Tensor::<4, Bool>::from_data([[[[true, false, false]]]], &device);
        let pairs = [[[[false, false, false], [false, true, false], [false, false, true]]]];
        let pairs = Tensor::<4, Bool>::from_data(pairs, &device);
        let mask = Mask::none().and_hidden(keys).and_hidden(pairs);
        let hidden = mask.to_tensor([1, 1, 3, 3], &device).expect("pairs are hidden");
        let expected = TensorData::from([[[[true, false, false], [true, true, false], [true, false, true]]]]);
        hidden.into_data().assert_eq(&expected, false);
    }
}
