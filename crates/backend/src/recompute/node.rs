//! A layer as one node of the graph of gradients, whose backward pass makes the layer's own graph and goes back through it.
//!
//! The gradients that other uses of an input or a parameter have given so far go into the layer's graph, and come out of it with
//! the layer's own: so they are added in the order, and by the kernels, of a graph that was kept.

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
        TensorMetadata,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

use super::{Again, LayerInputs};

/// A tensor that may have a gradient.
type Tracked<B> = FloatTensor<Autodiff<B>>;

/// A backend that tensors of any backend can be of.
trait Concrete: Backend {
    fn kind(tensor: BackendTensor<Self>) -> DispatchTensorKind;

    /// # Panics
    /// If the tensor is another backend's.
    fn of_kind(kind: DispatchTensorKind) -> BackendTensor<Self>;
}

macro_rules! concrete {
    ($($(#[$attribute:meta])* $backend:ident),* $(,)?) => {
        $(
            $(#[$attribute])*
            impl Concrete for burn::backend::$backend {
                fn kind(tensor: BackendTensor<Self>) -> DispatchTensorKind {
                    DispatchTensorKind::$backend(tensor)
                }

                fn of_kind(kind: DispatchTensorKind) -> BackendTensor<Self> {
                    match kind {
                        DispatchTensorKind::$backend(tensor) => tensor,
                        _ => panic!("tensors of a layer on different backends"),
                    }
                }
            }
        )*

        /// The output of a layer, `y`, as a node of the graph that `inputs` are in.
        pub(super) fn register<const N: usize>(
            y: Tensor<3>,
            inputs: LayerInputs<N>,
            params: Vec<DispatchTensor>,
            again: Again<N>,
        ) -> Tensor<3> {
            let autodiff = inputs.hidden[0].clone().into_dispatch().autodiff;
            let kind: DispatchTensorKind = match y.into_dispatch().kind {
                $(
                    $(#[$attribute])*
                    DispatchTensorKind::$backend(y) => {
                        let y = register_on::<burn::backend::$backend, N>(y.float(), inputs, params, again);
                        <burn::backend::$backend as Concrete>::kind(BackendTensor::Autodiff(y))
                    }
                )*
                _ => panic!("a layer on a backend that this build does not have"),
            };
            Tensor::from_dispatch(DispatchTensor { kind: DispatchTensorKind::Autodiff(Box::new(kind)), autodiff })
        }
    };
}

concrete!(
    #[cfg(feature = "flex")]
    Flex,
    #[cfg(feature = "ndarray")]
    #[allow(deprecated, reason = "burn prefers flex; kept for its users")]
    NdArray,
    #[cfg(any(feature = "wgpu-unfused", feature = "cuda"))]
    Cube,
);

/// A tensor of any backend as one of `B`.
fn tracked<B: Concrete>(tensor: DispatchTensor) -> Tracked<B> {
    match tensor.kind {
        DispatchTensorKind::Autodiff(kind) => B::of_kind(*kind).autodiff(),
        kind => <Autodiff<B> as AutodiffBackend>::from_inner(B::of_kind(kind).float()),
    }
}

/// The same values, whose graph begins here.
fn leaf<B: Concrete, const D: usize>(tensor: &Tracked<B>) -> Tensor<D> {
    let kind = B::kind(BackendTensor::Float(tensor.primitive().clone()));
    let plain = Tensor::from_dispatch(DispatchTensor { kind, autodiff: DispatchAutodiffContext::Disabled });
    Tensor::from_inner(plain).set_require_grad(tensor.is_tracked())
}

/// What is kept of a layer.
#[derive(Debug, Clone)]
struct Kept<B: Backend, const N: usize> {
    hidden: [Tracked<B>; N],
    bias: Option<Tracked<B>>,
    params: Vec<Tracked<B>>,
    again: Again<N>,
}

fn register_on<B: Concrete, const N: usize>(
    y: FloatTensor<B>,
    LayerInputs { hidden, bias }: LayerInputs<N>,
    params: Vec<DispatchTensor>,
    again: Again<N>,
) -> Tracked<B> {
    let kept = Kept {
        hidden: hidden.map(|hidden| tracked::<B>(hidden.into_dispatch())),
        bias: bias.map(|bias| tracked::<B>(bias.into_dispatch())),
        params: params.into_iter().map(tracked::<B>).collect(),
        again,
    };
    let node = |tensor: Option<&Tracked<B>>| match tensor {
        Some(tensor) => tensor.node(),
        None => <Autodiff<B> as AutodiffBackend>::from_inner(y.clone()).node(),
    };
    // Parameters have no graph before them: one of them as a parent says that there is something to do here.
    let [x, memory] = [0, 1].map(|at| node(kept.hidden.get(at)));
    let parents = [node(kept.params.first()), node(kept.bias.as_ref()), x, memory];
    match Backward::<B, 4>::prepare::<NoCheckpointing>(Layer::<N>, parents).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(kept, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

/// A layer.
#[derive(Debug)]
struct Layer<const N: usize>;

impl<B: Concrete, const N: usize> Backward<B, 4> for Layer<N> {
    type State = Kept<B, N>;

    fn backward(self, ops: Ops<Kept<B, N>, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let Kept { hidden, bias, params, again } = ops.state;
        let inputs = LayerInputs { hidden: hidden.each_ref().map(leaf::<B, 3>), bias: bias.as_ref().map(leaf::<B, 4>) };
        let own = inputs.hidden.clone().map(|hidden| tracked::<B>(hidden.into_dispatch()));
        let own_bias = inputs.bias.clone().map(|bias| tracked::<B>(bias.into_dispatch()));
        let (y, own_params) = again.run(inputs);
        let y = tracked::<B>(y.into_dispatch());

        let own = own.into_iter().chain(own_bias).chain(own_params.into_iter().map(tracked::<B>));
        let outer = hidden.into_iter().chain(bias).chain(params);
        let pairs: Vec<(Tracked<B>, Tracked<B>)> = outer.zip(own).filter(|(outer, _)| outer.is_tracked()).collect();
        let so_far = pairs.iter().filter_map(|(outer, own)| Some((own.id(), grads.remove::<B>(outer)?)));
        let given = [(y.id(), dy)].into_iter().chain(so_far).collect();
        let mut own_grads = <Autodiff<B> as AutodiffBackend>::backward(end::<B>(y, given));
        for (outer, own) in &pairs {
            if let Some(gradient) = own_grads.remove::<B>(own) {
                grads.register::<B>(outer.id(), gradient);
            }
        }
    }
}

/// The end of a graph, which gives gradients to nodes before it.
#[derive(Debug)]
struct End;

impl<B: Backend> Backward<B, 1> for End {
    type State = Vec<(NodeId, FloatTensor<B>)>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        grads.consume::<B>(&ops.node);
        for (node, gradient) in ops.state {
            grads.register::<B>(node, gradient);
        }
    }
}

/// The end of the graph of `y`, with the gradients that nodes have by then.
fn end<B: Backend>(y: Tracked<B>, given: Vec<(NodeId, FloatTensor<B>)>) -> Tracked<B> {
    let node = y.node();
    let value = B::float_zeros([1].into(), &y.device(), y.dtype().into());
    match Backward::<B, 1>::prepare::<NoCheckpointing>(End, [node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(given, value),
        OpsKind::UnTracked(prep) => prep.finish(value),
    }
}
