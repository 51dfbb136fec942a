//! A layer as one node of the graph of gradients, whose backward pass makes the layer's own graph and goes back through it.
//!
//! The gradients that other uses of an input or a parameter have given so far go into the layer's graph, and come out of it with
//! the layer's own: so they are added in the order, and by the kernels, of a graph that was kept.

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, DispatchTensor, TensorMetadata,
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

use super::{LayerInputs, Pass};
use crate::graph::{self, Concrete, Node, Once, Tracked, plain, tracked};

/// The output of a layer, `y`, as a node of the graph that `inputs` are in.
pub(super) fn register<const N: usize>(
    y: Tensor<3>,
    inputs: LayerInputs<N>,
    params: Vec<DispatchTensor>,
    again: Once<Pass<N>>,
) -> Tensor<3> {
    let autodiff = inputs.hidden[0].clone().into_dispatch().autodiff;
    graph::register(y, autodiff, Run { inputs, params, again })
}

/// The same values, whose graph begins here.
fn leaf<B: Concrete, const D: usize>(tensor: &Tracked<B>) -> Tensor<D> {
    let values = Tensor::from_dispatch(plain::<B>(tensor.primitive().clone()));
    Tensor::from_inner(values).set_require_grad(tensor.is_tracked())
}

/// A layer that has run.
struct Run<const N: usize> {
    inputs: LayerInputs<N>,
    params: Vec<DispatchTensor>,
    again: Once<Pass<N>>,
}

/// What is kept of a layer.
#[derive(Debug, Clone)]
struct Kept<B: Backend, const N: usize> {
    hidden: [Tracked<B>; N],
    bias: Option<Tracked<B>>,
    params: Vec<Tracked<B>>,
    again: Once<Pass<N>>,
}

impl<const N: usize> Node for Run<N> {
    fn register<B: Concrete>(self, y: FloatTensor<B>) -> Tracked<B> {
        let Self { inputs: LayerInputs { hidden, bias }, params, again } = self;
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
        let (y, own_params) = again.take()(inputs);
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
