//! A low-rank change of a linear map.

use attentive_backend::{Dropout, Initializer, ops};
use burn::{
    module::{Module, Param, Reparameterization},
    tensor::Tensor,
};

/// A change of rank `r` of a map's weight `W`, which stays as it is: `W + s · A B` (Hu et al. 2022, "LoRA", eq. 3), and
/// with magnitudes `m`, each output's weights brought to its length `m` (Liu et al. 2024, "DoRA", eq. 5).
///
/// It lies on the parameter that it changes, `burn`'s [`Reparameterization`]: whoever takes the value of the parameter has
/// the changed one, and visitors find the matrices at the parameter's path, `query.weight.adapter.down`.
/// [`Linear`](crate::Linear) never makes the changed matrix: it adds two thin products.
#[derive(Module, Debug)]
pub struct LowRank {
    /// `A`: `[d_in, r]`.
    pub down: Param<Tensor<2>>,
    /// `B`: `[r, d_out]`.
    pub up: Param<Tensor<2>>,
    /// `m`: `[d_out]`.
    pub magnitude: Option<Param<Tensor<1>>>,
    /// `s`.
    pub scale: f64,
    /// Probability with which inputs of `A` are dropped in training.
    pub dropout: f64,
}

impl LowRank {
    /// A change of `weight` (`[d_in, d_out]`) that changes nothing yet: `A` is normal with the variance `1 / 3 d_in` that
    /// the authors' code has, `B` zero, and with `with_magnitude`, `m` is the length of each output's weights.
    pub fn new(weight: Tensor<2>, rank: usize, with_magnitude: bool, init: &Initializer) -> Self {
        let [d_in, d_out] = weight.dims();
        Self {
            down: init.normal([d_in, rank], (3.0 * d_in as f64).powf(-0.5)),
            up: init.zeros([rank, d_out]),
            magnitude: with_magnitude.then(|| Param::from_tensor(lengths(weight).detach())),
            scale: 1.0,
            dropout: 0.0,
        }
    }

    /// The changed map: `[..., d_in]` to `[..., d_out]`, `weight` being `W`.
    pub(crate) fn forward<const D: usize>(
        &self,
        x: Tensor<D>,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
        pass: Option<&Dropout>,
    ) -> Tensor<D> {
        let dropped = ops::dropout(x.clone(), self.dropout, pass);
        let inner = ops::linear(dropped, self.down.val(), None) * self.scale; // [..., r]
        let change = ops::linear(inner, self.up.val(), None);
        match &self.magnitude {
            None => ops::linear(x, weight, bias) + change,
            Some(_) => {
                let factors = self.factors(self.plain(weight.clone()));
                let y = (ops::linear(x, weight, None) + change) * factors.unsqueeze();
                match bias {
                    Some(bias) => y + bias.unsqueeze(),
                    None => y,
                }
            }
        }
    }

    /// `W + s · A B`.
    fn plain(&self, weight: Tensor<2>) -> Tensor<2> {
        weight + self.down.val().matmul(self.up.val()) * self.scale
    }

    /// What each output is multiplied by so that the weights `changed` have the lengths `m`; the lengths that they have
    /// count as constants (Liu et al. 2024, §4.3).
    fn factors(&self, changed: Tensor<2>) -> Tensor<1> {
        let magnitude = self.magnitude.as_ref().expect("asked for where there is one").val();
        magnitude / lengths(changed).detach()
    }
}

impl Reparameterization for LowRank {
    const NAME: &'static str = "adapter";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let shape = base.dims();
        let [d_in, d_out] = [self.down.val().dims()[0], self.up.val().dims()[1]];
        let changed = self.plain(base.reshape([d_in, d_out]));
        let changed = match &self.magnitude {
            None => changed,
            Some(_) => changed.clone() * self.factors(changed).unsqueeze(),
        };
        changed.reshape(shape)
    }
}

/// The length of each output's weights: `[d_out]` of `[d_in, d_out]`.
fn lengths(weight: Tensor<2>) -> Tensor<1> {
    let d_out = weight.dims()[1];
    weight.clone().mul(weight).sum_dim(0).sqrt().reshape([d_out])
}
