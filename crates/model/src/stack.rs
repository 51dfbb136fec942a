//! Stacks of layers of self-attention: the encoder, and decoders without a source.

use attentive_attention::{
    AddNorm, AttentionContext, Dropout, FeedForward, FeedForwardConfig, Initializer, KvCache, MultiHeadAttention,
    MultiHeadAttentionConfig, Norm, NormConfig, NormPlacement,
};
use attentive_backend::{LayerInputs, run_layer};
use burn::{module::Module, tensor::Tensor};

use crate::{AttentionKind, ModelHeads, Trace};

/// Configuration of a [`Block`].
#[derive(Debug, Clone, PartialEq)]
pub struct BlockConfig {
    /// The attention.
    pub attention: MultiHeadAttentionConfig,
    /// The feed-forward network.
    pub feed_forward: FeedForwardConfig,
    /// The norm of each sub-layer.
    pub norm: NormConfig,
    /// Whether the norm comes before or after a sub-layer, or both.
    pub placement: NormPlacement,
    /// Whether the two sub-layers read the same input, and their outputs are added to it together.
    pub parallel: bool,
    /// Probability with which outputs of sub-layers are dropped.
    pub dropout: f64,
}

/// Self-attention, then feed-forward (§3.1), or the two side by side (Wang and Komatsuzaki 2021, GPT-J).
#[derive(Module, Debug)]
pub struct Block {
    /// Attention of the sequence to itself.
    pub self_attention: MultiHeadAttention,
    /// Residual connection and norm around self-attention.
    pub self_attention_add_norm: AddNorm,
    /// The feed-forward network.
    pub feed_forward: FeedForward,
    /// Residual connection and norm around the feed-forward network.
    pub feed_forward_add_norm: AddNorm,
    #[module(skip)]
    parallel: bool,
}

/// A stack of [`Block`]s.
#[derive(Module, Debug)]
pub struct Stack {
    /// The layers with parameters of their own, from the input up.
    pub layers: Vec<Block>,
    /// Norm above the last layer; pre-norm only.
    pub norm: Option<Norm>,
    /// Layers that an input passes; more than `layers` where some share their parameters.
    #[module(skip)]
    depth: usize,
}

/// The contexts of attention of a stack's layers: one for all, or another for some of them.
#[derive(Debug, Clone, Copy)]
pub struct Contexts<'a> {
    /// The context of each layer that `others` does not list.
    pub usual: &'a AttentionContext,
    /// Another context, and the layers, from 0, that have it.
    pub others: Option<(&'a AttentionContext, &'a [usize])>,
}

impl<'a> From<&'a AttentionContext> for Contexts<'a> {
    fn from(usual: &'a AttentionContext) -> Self {
        Self { usual, others: None }
    }
}

impl<'a> Contexts<'a> {
    pub(crate) fn of_layer(&self, idx: usize) -> &'a AttentionContext {
        match self.others {
            Some((context, layers)) if layers.contains(&idx) => context,
            _ => self.usual,
        }
    }
}

impl BlockConfig {
    /// Initial parameters.
    pub fn init(&self, init: &Initializer) -> Block {
        Block {
            self_attention: self.attention.init(init),
            self_attention_add_norm: self.add_norm(init),
            feed_forward: self.feed_forward.init(init),
            feed_forward_add_norm: self.add_norm(init),
            parallel: self.parallel,
        }
    }

    /// `n_layers` of them.
    pub fn stack(&self, n_layers: usize, init: &Initializer) -> Stack {
        self.shared_stack(n_layers, n_layers, init)
    }

    /// `n_own` of them, which the `depth` layers of the stack share out in their order (Lan et al. 2020, "ALBERT", §3.1).
    pub fn shared_stack(&self, n_own: usize, depth: usize, init: &Initializer) -> Stack {
        self.pruned_stack([n_own, depth], AttentionKind::Encoder, &ModelHeads::default(), init)
    }

    /// As [`shared_stack`](Self::shared_stack), of `n_own` layers in a stack of `depth` whose attentions are of `kind`, without
    /// heads that are pruned.
    pub fn pruned_stack(
        &self,
        [n_own, depth]: [usize; 2],
        kind: AttentionKind,
        pruned: &ModelHeads,
        init: &Initializer,
    ) -> Stack {
        let layer = |place| Self { attention: pruned.without(place, &self.attention), ..self.clone() }.init(init);
        Stack { layers: kind.places(n_own).map(layer).collect(), norm: self.final_norm(init), depth }
    }

    /// Residual connection and norm around a sub-layer.
    pub fn add_norm(&self, init: &Initializer) -> AddNorm {
        AddNorm::new(self.norm, self.dropout, self.placement, init)
    }

    /// The norm above the last layer of a stack, if there is one.
    pub fn final_norm(&self, init: &Initializer) -> Option<Norm> {
        (self.placement != NormPlacement::Post).then(|| self.norm.init(init))
    }

    /// Number of parameters of a [`Block`].
    pub fn n_params(&self) -> usize {
        self.attention.n_params() + self.feed_forward.n_params() + 2 * self.n_add_norm_params()
    }

    /// Number of parameters of the connection around a sub-layer.
    pub fn n_add_norm_params(&self) -> usize {
        let n_norms = if self.placement == NormPlacement::Both { 2 } else { 1 };
        n_norms * self.norm.n_params()
    }

    /// Number of parameters above the last layer of a stack.
    pub fn n_final_norm_params(&self) -> usize {
        if self.placement == NormPlacement::Post { 0 } else { self.norm.n_params() }
    }

    /// Multiply–adds of one position in the products with weights of `n_attentions` attentions and the feed-forward
    /// network.
    pub(crate) fn weight_products(&self, n_attentions: usize) -> usize {
        let MultiHeadAttentionConfig { d_model, n_heads, n_kv_heads, d_k, d_v, .. } = self.attention;
        let projections = (n_heads + n_kv_heads) * d_model * (d_k + d_v);
        let n_feed_forward = if self.feed_forward.gated { 3 } else { 2 };
        n_attentions * projections + n_feed_forward * d_model * self.feed_forward.d_ff
    }

    /// Multiply–adds of one query over `len` keys and values.
    pub(crate) fn attention_products(&self, len: usize) -> usize {
        self.attention.n_heads * (self.attention.d_k + self.attention.d_v) * len
    }
}

impl Block {
    /// All positions at once: `[rows, seq, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>, context: &AttentionContext, pass: Option<&Dropout>) -> Tensor<3> {
        let feed_forward = |x| self.feed_forward.forward(x, pass);
        self.sub_layers(x, pass, |x| self.self_attention.forward_self(x, context, pass), feed_forward)
    }

    /// [`forward`](Self::forward), which the backward pass may run again.
    fn run(&self, x: Tensor<3>, context: &AttentionContext, pass: Option<&Dropout>) -> Tensor<3> {
        let inputs = LayerInputs { hidden: [x], bias: context.bias.clone() };
        let context = AttentionContext { bias: None, ..context.clone() };
        run_layer(self, inputs, pass, move |layer, LayerInputs { hidden: [x], bias }, pass| {
            layer.forward(x, &AttentionContext { bias, ..context.clone() }, pass)
        })
    }

    /// [`forward`](Self::forward) in use, and the output of the feed-forward network, before it is added to its input:
    /// `[rows, seq, d_model]` both.
    #[expect(clippy::missing_panics_doc, reason = "the sub-layer always runs")]
    pub fn forward_with_output(&self, x: Tensor<3>, context: &AttentionContext) -> (Tensor<3>, Tensor<3>) {
        let mut output = None;
        let attention = |x| self.self_attention.forward_self(x, context, None);
        let x = self.sub_layers(x, None, attention, |x| output.insert(self.feed_forward.forward(x, None)).clone());
        (x, output.expect("the sub-layer has run"))
    }

    /// [`forward`](Self::forward) in use, and its attention weights: `[rows, heads, seq, seq]`.
    #[expect(clippy::missing_panics_doc, reason = "the sub-layer always runs")]
    pub fn forward_with_weights(&self, x: Tensor<3>, context: &AttentionContext) -> (Tensor<3>, Tensor<4>) {
        let mut weights = None;
        let attention = |x: Tensor<3>| {
            weights = Some(self.self_attention.self_weights(x.clone(), context));
            self.self_attention.forward_self(x, context, None)
        };
        let x = self.sub_layers(x, None, attention, |x| self.feed_forward.forward(x, None));
        (x, weights.expect("the sub-layer has run"))
    }

    /// New positions only, after those in `cache`: `[rows, new, d_model]` to the same shape.
    pub fn forward_cached(&self, x: Tensor<3>, context: &AttentionContext, cache: &mut KvCache) -> Tensor<3> {
        let feed_forward = |x| self.feed_forward.forward(x, None);
        self.sub_layers(x, None, |x| self.self_attention.forward_cached(x, context, cache), feed_forward)
    }

    fn sub_layers(
        &self,
        x: Tensor<3>,
        pass: Option<&Dropout>,
        self_attention: impl FnOnce(Tensor<3>) -> Tensor<3>,
        feed_forward: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        if self.parallel {
            let sum = self.self_attention_add_norm.forward(x.clone(), pass, self_attention);
            return self.feed_forward_add_norm.forward_onto(sum, x, pass, feed_forward);
        }
        let x = self.self_attention_add_norm.forward(x, pass, self_attention);
        self.feed_forward_add_norm.forward(x, pass, feed_forward)
    }
}

impl Stack {
    /// The layers that an input passes, in their order.
    pub(crate) fn passed(&self) -> impl Iterator<Item = &Block> {
        (0..self.depth).map(|number| &self.layers[number * self.layers.len() / self.depth])
    }

    /// All positions at once: `[rows, seq, d_model]` to the same shape.
    pub fn forward<'a>(&self, x: Tensor<3>, context: impl Into<Contexts<'a>>, pass: Option<&Dropout>) -> Tensor<3> {
        let contexts = context.into();
        let layers = self.passed().enumerate();
        self.finish(layers.fold(x, |x, (idx, layer)| layer.run(x, contexts.of_layer(idx), pass)))
    }

    /// [`forward`](Self::forward) in use, and the attention weights of each layer: `[rows, heads, seq, seq]`.
    #[expect(clippy::missing_panics_doc, reason = "a trace begins with what was read")]
    pub fn forward_with_weights<'a>(
        &self,
        x: Tensor<3>,
        context: impl Into<Contexts<'a>>,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let Trace { mut hidden, weights } = self.trace(x, context);
        (self.finish(hidden.pop().expect("what was read")), weights)
    }

    /// The outputs of the feed-forward networks of the last `n` layers, in use, before they are added to their inputs:
    /// `[rows, seq, d_model]` each.
    pub fn top_outputs<'a>(&self, mut x: Tensor<3>, context: impl Into<Contexts<'a>>, n: usize) -> Vec<Tensor<3>> {
        let contexts = context.into();
        let mut outputs = Vec::with_capacity(n);
        for (idx, layer) in self.passed().enumerate() {
            let (y, output) = layer.forward_with_output(x, contexts.of_layer(idx));
            x = y;
            if idx + n >= self.depth {
                outputs.push(output);
            }
        }
        outputs
    }

    /// New positions only, after those in `caches`, one for each layer: `[rows, new, d_model]` to the same shape.
    pub fn forward_cached<'a>(
        &self,
        x: Tensor<3>,
        context: impl Into<Contexts<'a>>,
        caches: &mut [KvCache],
    ) -> Tensor<3> {
        let contexts = context.into();
        let layers = self.passed().zip(caches).enumerate();
        self.finish(layers.fold(x, |x, (idx, (layer, cache))| layer.forward_cached(x, contexts.of_layer(idx), cache)))
    }

    /// What is read above the last layer, of what a layer gives: its norm, if there is one. `[rows, seq, d_model]` to the same
    /// shape.
    pub fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
