//! What is kept of a forward pass: all activations, or of each layer what it reads.

mod node;

use std::cell::Cell;

use burn::{
    backend::DispatchTensor,
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::{Dropout, graph::Once};

/// Activations that the backward pass computes again in place of finding them kept. Gradients are the same, bit for bit on the
/// CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// None: all are kept.
    #[default]
    None,
    /// Those of layers: of each layer, what it reads is kept, and the backward pass runs it again. The memory of activations
    /// falls to that of one layer and a vector per token and layer; a pass takes up to a third more time (Chen et al. 2016,
    /// "Training Deep Nets with Sublinear Memory Cost", §4).
    Layers,
}

thread_local! {
    static CURRENT: Cell<Recompute> = const { Cell::new(Recompute::None) };
}

impl Recompute {
    /// That of the forward passes of this thread.
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// Runs `pass`, a forward pass, of which so much is kept.
    pub fn during<R>(self, pass: impl FnOnce() -> R) -> R {
        struct Restore(Recompute);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self));
        pass()
    }
}

/// What a layer reads, its parameters left out, of which gradients are wanted.
#[derive(Debug, Clone)]
pub struct LayerInputs<const N: usize> {
    /// Vectors of the layer before, and of an encoder where there is one: `[rows, seq, d_model]` each; one or two.
    pub hidden: [Tensor<3>; N],
    /// Bias of attention's scores: `[batch or 1, heads or 1, q_len or 1, k_len]`.
    pub bias: Option<Tensor<4>>,
}

impl<const N: usize> LayerInputs<N> {
    /// The same tensors, below autodiff.
    fn inner(self) -> Self {
        Self { hidden: self.hidden.map(Tensor::inner), bias: self.bias.map(Tensor::inner) }
    }

    fn is_tracked(&self) -> bool {
        self.hidden.iter().any(Tensor::is_tracked) || self.bias.as_ref().is_some_and(Tensor::is_tracked)
    }
}

/// The forward pass of a layer, `[rows, seq, d_model]`; [`Recompute::current`] says what is kept of it.
///
/// `forward` runs the layer by what it is given alone: tensors that it holds itself count as constants. It is called once more
/// in the backward pass, where it must do the same; dropout then takes the same keys.
///
/// ```
/// use attentive_backend::{BackendKind, LayerInputs, Recompute, run_layer};
/// use burn::{module::Param, tensor::Tensor};
///
/// let device = BackendKind::Flex.device()?.autodiff();
/// let gain = Param::from_tensor(Tensor::<1>::full([4], 2.0, &device));
/// let x = Tensor::<3>::ones([1, 3, 4], &device).require_grad();
/// let y = Recompute::Layers.during(|| {
///     let inputs = LayerInputs { hidden: [x.clone()], bias: None };
///     run_layer(&gain, inputs, None, |gain, LayerInputs { hidden: [x], .. }, _| x * gain.val().unsqueeze())
/// });
/// let gradients = y.sum().backward();
/// assert_eq!(gain.val().grad(&gradients).unwrap().into_data(), [3.0_f32; 4].into());
/// assert_eq!(x.grad(&gradients).unwrap().sum().into_scalar::<f32>(), 24.0);
/// # Ok::<(), attentive_backend::BackendError>(())
/// ```
///
/// # Panics
/// If `forward` does.
pub fn run_layer<M: Module + 'static, const N: usize>(
    layer: &M,
    inputs: LayerInputs<N>,
    pass: Option<&Dropout>,
    forward: impl Fn(&M, LayerInputs<N>, Option<&Dropout>) -> Tensor<3> + Send + 'static,
) -> Tensor<3> {
    const { assert!(N == 1 || N == 2, "a layer reads one or two tensors of vectors") };
    if Recompute::current() == Recompute::None || !inputs.hidden[0].is_autodiff() {
        return forward(layer, inputs, pass);
    }
    let params = trained(layer);
    if params.is_empty() && !inputs.is_tracked() {
        return forward(layer, inputs, pass);
    }
    let begun = pass.cloned();
    // Below autodiff there is no graph: of this pass, the output alone is left.
    let y = forward(&layer.valid(), inputs.clone().inner(), pass).inner();
    let layer = layer.clone();
    let again: Box<Pass<N>> = Box::new(move |inputs| {
        let (layer, params) = renewed(layer);
        (forward(&layer, inputs, begun.as_ref()), params)
    });
    node::register(y, inputs, params, Once::new(again))
}

/// The tensors of a layer's parameters that are trained, in the order of visitors.
fn trained<M: Module>(layer: &M) -> Vec<DispatchTensor> {
    struct Trained(Vec<DispatchTensor>);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            if value.is_require_grad() {
                self.0.push(value.into_dispatch());
            }
        }
    }
    let mut trained = Trained(Vec::new());
    layer.visit(&mut trained);
    trained.0
}

/// A layer of the same values, whose graph is its own, and the tensors of its parameters that are trained, as [`trained`].
fn renewed<M: Module>(layer: M) -> (M, Vec<DispatchTensor>) {
    struct Renewed(Vec<DispatchTensor>);
    impl ModuleMapper for Renewed {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                let is_trained = value.is_require_grad();
                let value = Tensor::from_inner(value.inner()).set_require_grad(is_trained);
                if is_trained {
                    self.0.push(value.clone().into_dispatch());
                }
                value
            })
        }
    }
    let mut renewed = Renewed(Vec::new());
    let layer = layer.map(&mut renewed);
    (layer, renewed.0)
}

/// The second forward pass of a layer: its output, and its parameters that are trained.
type Pass<const N: usize> = dyn FnOnce(LayerInputs<N>) -> (Tensor<3>, Vec<DispatchTensor>) + Send;
