//! The decoder stack.

use attentive_attention::{
    AddNorm, AttentionContext, Dropout, FeedForward, Initializer, KeyValues, KvCache, Mask, MultiHeadAttention,
    MultiHeadAttentionConfig, Norm,
};
use attentive_backend::{LayerInputs, run_layer};
use burn::{module::Module, tensor::Tensor};

use crate::{AttentionKind, AttentionPlace, BlockConfig, ModelHeads};

/// Causal self-attention, attention to the encoded source, then feed-forward (§3.1).
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Attention of the target to itself, the future hidden.
    pub self_attention: MultiHeadAttention,
    /// Residual connection and norm around self-attention.
    pub self_attention_add_norm: AddNorm,
    /// Attention of the target to the source.
    pub cross_attention: MultiHeadAttention,
    /// Residual connection and norm around attention to the source.
    pub cross_attention_add_norm: AddNorm,
    /// The feed-forward network.
    pub feed_forward: FeedForward,
    /// Residual connection and norm around the feed-forward network.
    pub feed_forward_add_norm: AddNorm,
}

impl DecoderLayer {
    /// A layer of these parts, with one more attention, to the source, and initial parameters.
    pub fn new(block: &BlockConfig, cross_attention: &MultiHeadAttentionConfig, init: &Initializer) -> Self {
        Self {
            self_attention: block.attention.init(init),
            self_attention_add_norm: block.add_norm(init),
            cross_attention: cross_attention.init(init),
            cross_attention_add_norm: block.add_norm(init),
            feed_forward: block.feed_forward.init(init),
            feed_forward_add_norm: block.add_norm(init),
        }
    }

    /// All positions at once: `[rows, tgt, d_model]` to the same shape.
    pub fn forward(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        memory: Tensor<3>,
        memory_mask: &Mask,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        self.sub_layers(
            x,
            pass,
            |x| self.self_attention.forward_self(x, context, pass),
            |x| self.cross_attention.forward(x, memory, memory_mask, pass),
        )
    }

    /// [`forward`](Self::forward), which the backward pass may run again.
    fn run(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        memory: Tensor<3>,
        memory_mask: &Mask,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        let inputs = LayerInputs { hidden: [x, memory], bias: context.bias.clone() };
        let (context, memory_mask) = (AttentionContext { bias: None, ..context.clone() }, memory_mask.clone());
        run_layer(self, inputs, pass, move |layer, LayerInputs { hidden: [x, memory], bias }, pass| {
            layer.forward(x, &AttentionContext { bias, ..context.clone() }, memory, &memory_mask, pass)
        })
    }

    /// New positions only, after those in `cache`: `[rows, new, d_model]` to the same shape.
    ///
    /// `attend_memory` is the attention to the source, whose keys and values were projected once.
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        cache: &mut KvCache,
        attend_memory: impl FnOnce(&MultiHeadAttention, Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        self.sub_layers(
            x,
            None,
            |x| self.self_attention.forward_cached(x, context, cache),
            |x| attend_memory(&self.cross_attention, x),
        )
    }

    /// [`forward`](Self::forward) in use, and its attention weights over the target and over the source: `[rows, heads,
    /// tgt, tgt]` and `[rows, heads, tgt, src]`.
    #[expect(clippy::missing_panics_doc, reason = "both sub-layers always run")]
    pub fn forward_with_weights(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        memory: Tensor<3>,
        memory_mask: &Mask,
    ) -> (Tensor<3>, [Tensor<4>; 2]) {
        let (mut to_target, mut to_source) = (None, None);
        let x = self.sub_layers(
            x,
            None,
            |x| {
                to_target = Some(self.self_attention.self_weights(x.clone(), context));
                self.self_attention.forward_self(x, context, None)
            },
            |x| {
                to_source = Some(self.cross_attention.weights(x.clone(), memory.clone(), memory_mask));
                self.cross_attention.forward(x, memory, memory_mask, None)
            },
        );
        (x, [to_target, to_source].map(|weights| weights.expect("the sub-layers have run")))
    }

    fn sub_layers(
        &self,
        x: Tensor<3>,
        pass: Option<&Dropout>,
        self_attention: impl FnOnce(Tensor<3>) -> Tensor<3>,
        cross_attention: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        let x = self.self_attention_add_norm.forward(x, pass, self_attention);
        let x = self.cross_attention_add_norm.forward(x, pass, cross_attention);
        self.feed_forward_add_norm.forward(x, pass, |x| self.feed_forward.forward(x, pass))
    }
}

/// A stack of [`DecoderLayer`]s.
#[derive(Module, Debug)]
pub struct Decoder {
    /// The layers, from the input up.
    pub layers: Vec<DecoderLayer>,
    /// Norm above the last layer; pre-norm only.
    pub norm: Option<Norm>,
    /// Factor of the output: 1, and d_model^-½ in T5's first version.
    pub scale: f64,
}

impl Decoder {
    /// `n_layers` layers of these parts, with initial parameters.
    pub fn new(block: &BlockConfig, n_layers: usize, init: &Initializer) -> Self {
        Self::pruned(block, n_layers, &ModelHeads::default(), init)
    }

    /// As [`new`](Self::new), without heads that are pruned.
    pub fn pruned(block: &BlockConfig, n_layers: usize, pruned: &ModelHeads, init: &Initializer) -> Self {
        let layer = |place: AttentionPlace| {
            let to_source = AttentionPlace { kind: AttentionKind::Cross, ..place };
            let [own, cross] = [place, to_source].map(|place| pruned.without(place, &block.attention));
            DecoderLayer::new(&BlockConfig { attention: own, ..block.clone() }, &cross, init)
        };
        let layers = AttentionKind::Decoder.places(n_layers).map(layer).collect();
        Self { layers, norm: block.final_norm(init), scale: 1.0 }
    }

    /// `[rows, tgt, d_model]` to the same shape.
    pub fn forward(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        memory: &Tensor<3>,
        memory_mask: &Mask,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        let layers = self.layers.iter();
        self.finish(layers.fold(x, |x, layer| layer.run(x, context, memory.clone(), memory_mask, pass)))
    }

    /// The norm above the last layer, if there is one, and the scale.
    pub fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        if self.scale == 1.0 { x } else { x * self.scale }
    }

    /// Keys and values of the encoded source (`[rows, src, d_model]`) for each layer.
    pub fn project_memory(&self, memory: &Tensor<3>) -> Vec<KeyValues> {
        self.layers.iter().map(|layer| layer.cross_attention.keys_values(memory.clone())).collect()
    }
}
