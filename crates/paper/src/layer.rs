//! The layers of Table 1, in use.

use attentive_attention::{Initializer, Linear};
use attentive_backend::{
    Device, Mask,
    ops::{self, Steps},
};
use attentive_model::{
    CellKind,
    rnn::Cell,
    table1::{LayerKind, LayerSizes},
};
use burn::tensor::{Distribution, Tensor};

/// Width of a head, as everywhere in the paper's base and big models.
const D_HEAD: usize = 64;

/// A layer of Table 1 and one sequence for it: `[1, n, d]` to as much.
pub(crate) struct Layer {
    x: Tensor<3>,
    map: Box<dyn Fn(Tensor<3>) -> Tensor<3>>,
}

impl Layer {
    /// Attention without its projections, as the paper counts it; an LSTM; a convolution as one product with the `k` neighbours
    /// of each position side by side.
    pub(crate) fn new(kind: LayerKind, sizes: LayerSizes, device: &Device) -> Self {
        let [n, d, k, r] = [sizes.n, sizes.d, sizes.k, sizes.r].map(|size| size as usize);
        let init = Initializer::new(1, device);
        let map: Box<dyn Fn(Tensor<3>) -> Tensor<3>> = match kind {
            LayerKind::SelfAttention | LayerKind::RestrictedSelfAttention => {
                let heads = if d.is_multiple_of(D_HEAD) { d / D_HEAD } else { 1 };
                // Half of the neighbourhood lies on each side.
                let window = (kind == LayerKind::RestrictedSelfAttention).then(|| r.div_ceil(2));
                let mask = Mask::none().and_window(window);
                Box::new(move |x| {
                    let x = x.reshape([1, n, heads, d / heads]).swap_dims(1, 2);
                    let y = ops::attention(x.clone(), x.clone(), x, &mask, 0.0, None);
                    y.swap_dims(1, 2).reshape([1, n, d])
                })
            }
            LayerKind::Recurrent => {
                let cell = Cell::new(CellKind::Lstm, d, d, &init);
                let start = cell.state(Tensor::zeros([1, d], device));
                Box::new(move |x| cell.hidden(cell.read(x, start.clone(), Steps::default())))
            }
            LayerKind::Convolutional => {
                let product = Linear::new(k * d, d, true, &init);
                Box::new(move |x| {
                    let beyond = |n: usize| Tensor::zeros([1, n, d], &x.device());
                    let padded = Tensor::cat(vec![beyond((k - 1) / 2), x.clone(), beyond(k / 2)], 1);
                    product.forward(Tensor::cat((0..k).map(|at| padded.clone().narrow(1, at, n)).collect(), 2))
                })
            }
        };
        Self { x: Tensor::random([1, n, d], Distribution::Normal(0.0, 1.0), device), map }
    }

    /// The sequence through the layer.
    pub(crate) fn forward(&self) -> Tensor<3> {
        (self.map)(self.x.clone())
    }

    /// Forward, and back to the gradients of the sequence and of the layer's weights; on a device with gradients.
    pub(crate) fn train(&self) {
        let x = self.x.clone().require_grad();
        let gradients = (self.map)(x.clone()).sum().backward();
        // Reading a value waits for the device.
        let _ = x.grad(&gradients).map(|gradient| gradient.sum().into_scalar::<f32>());
    }
}

#[cfg(test)]
mod tests {
    use attentive_backend::BackendKind;

    use super::*;

    /// A position sees what the layer says: all, those before, `k` or `r` neighbours.
    #[test]
    fn layers_reach_as_far_as_table_1_says() {
        let device = BackendKind::Flex.device().unwrap();
        let (n, at) = (9, 4);
        for (kind, seen) in [
            (LayerKind::SelfAttention, 0..9),
            (LayerKind::Recurrent, 0..5),
            (LayerKind::Convolutional, 3..6),
            (LayerKind::RestrictedSelfAttention, 2..7),
        ] {
            let layer = Layer::new(kind, LayerSizes { n, d: 4, k: 3, r: 5 }, &device);
            let at_the_middle = |x: Tensor<3>| (layer.map)(x).narrow(1, at, 1).into_data();
            let plain = at_the_middle(layer.x.clone());
            let changes = |position: usize| {
                let other = Tensor::full([1, 1, 4], 3.0, &device);
                plain != at_the_middle(layer.x.clone().slice_assign([0..1, position..position + 1, 0..4], other))
            };
            let changing: Vec<usize> = (0..n as usize).filter(|&position| changes(position)).collect();
            assert_eq!(changing, seen.collect::<Vec<_>>(), "{kind:?}");
        }
    }
}
