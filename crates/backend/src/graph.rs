//! Nodes of the graph of gradients that are made here, on whatever backend their tensors are.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

/// A tensor that may have a gradient.
pub(crate) type Tracked<B> = FloatTensor<Autodiff<B>>;

/// A backend that tensors of any backend can be of.
pub(crate) trait Concrete: Backend {
    fn kind(tensor: BackendTensor<Self>) -> DispatchTensorKind;

    /// # Panics
    /// If the tensor is another backend's.
    fn of_kind(kind: DispatchTensorKind) -> BackendTensor<Self>;
}

/// What makes a node of the values that it has.
pub(crate) trait Node {
    fn register<B: Concrete>(self, y: FloatTensor<B>) -> Tracked<B>;
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
                        _ => panic!("tensors of one operation on different backends"),
                    }
                }
            }
        )*

        /// `y`, below autodiff, as a node of a graph.
        pub(crate) fn register<const D: usize>(
            y: Tensor<D>,
            autodiff: DispatchAutodiffContext,
            node: impl Node,
        ) -> Tensor<D> {
            let kind: DispatchTensorKind = match y.into_dispatch().kind {
                $(
                    $(#[$attribute])*
                    DispatchTensorKind::$backend(y) => {
                        let y = node.register::<burn::backend::$backend>(y.float());
                        <burn::backend::$backend as Concrete>::kind(BackendTensor::Autodiff(y))
                    }
                )*
                _ => panic!("a tensor on a backend that this build does not have"),
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
pub(crate) fn tracked<B: Concrete>(tensor: DispatchTensor) -> Tracked<B> {
    match tensor.kind {
        DispatchTensorKind::Autodiff(kind) => B::of_kind(*kind).autodiff(),
        kind => <Autodiff<B> as AutodiffBackend>::from_inner(B::of_kind(kind).float()),
    }
}

/// A tensor of `B` as one of any backend, without gradients.
pub(crate) fn plain<B: Concrete>(tensor: FloatTensor<B>) -> DispatchTensor {
    let kind = B::kind(BackendTensor::Float(tensor));
    DispatchTensor { kind, autodiff: DispatchAutodiffContext::Disabled }
}

/// What is used once, by whoever of its holders comes first.
pub(crate) struct Once<F: ?Sized>(Arc<Mutex<Option<Box<F>>>>);

impl<F: ?Sized> Once<F> {
    pub(crate) fn new(used: Box<F>) -> Self {
        Self(Arc::new(Mutex::new(Some(used))))
    }

    /// # Panics
    /// If it was taken: a graph has one backward pass.
    pub(crate) fn take(&self) -> Box<F> {
        self.0.lock().ok().and_then(|mut used| used.take()).expect("a graph has one backward pass")
    }
}

impl<F: ?Sized> Clone for Once<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: ?Sized> fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

/// From the gradient of a result, and which inputs want theirs, to those gradients; all below autodiff.
type Gradient<const N: usize> = dyn FnOnce(DispatchTensor, [bool; N]) -> [Option<DispatchTensor>; N] + Send;

/// `y`, made of `inputs` below autodiff, as a node of their graph, whose gradients `backward` makes of that of `y`.
pub(crate) fn with_gradients<const D: usize, const N: usize>(
    y: Tensor<D>,
    inputs: [Option<DispatchTensor>; N],
    backward: impl FnOnce(Tensor<D>, [bool; N]) -> [Option<DispatchTensor>; N] + Send + 'static,
) -> Tensor<D> {
    let enabled = inputs.iter().flatten().map(|input| input.autodiff);
    let Some(autodiff) = enabled.reduce(DispatchAutodiffContext::merge) else { return y };
    if autodiff == DispatchAutodiffContext::Disabled {
        return y;
    }
    let gradient: Box<Gradient<N>> = Box::new(move |dy, wants| backward(Tensor::from_dispatch(dy), wants));
    register(y, autodiff, ByHand { inputs, gradient: Once::new(gradient) })
}

/// An operation whose gradients are written by hand.
struct ByHand<const N: usize> {
    inputs: [Option<DispatchTensor>; N],
    gradient: Once<Gradient<N>>,
}

impl<const N: usize> Node for ByHand<N> {
    fn register<B: Concrete>(self, y: FloatTensor<B>) -> Tracked<B> {
        let nodes = self.inputs.map(|input| match input {
            Some(input) => tracked::<B>(input).node(),
            None => <Autodiff<B> as AutodiffBackend>::from_inner(y.clone()).node(),
        });
        match Backward::<B, N>::prepare::<NoCheckpointing>(Operation, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(self.gradient, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[derive(Debug)]
struct Operation;

impl<B: Concrete, const N: usize> Backward<B, N> for Operation {
    type State = Once<Gradient<N>>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let wants = ops.parents.each_ref().map(Option::is_some);
        let gradients = ops.state.take()(plain::<B>(dy), wants);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, B::of_kind(gradient.kind).float());
            }
        }
    }
}
