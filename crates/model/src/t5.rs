//! T5 (Raffel et al. 2020) and ByT5 (Xue et al. 2022): their choices in a [`TransformerConfig`], and published sizes.
//!
//! Their layers are the Transformer's: pre-norm by root mean square, without biases, with a learned bias on scores for each
//! bucket of distances instead of encodings, which all layers of a stack share and which attention to the source does not have.
//! Nothing is scaled: neither embeddings nor scores.

use attentive_attention::{Activation, NormKind, NormPlacement, PositionsConfig, RelativeBuckets};

use crate::{Preset, TransformerConfig};

/// Entries of T5's embeddings: 32,000 pieces, 100 sentinels, and 28 more as padding for the hardware.
const T5_VOCAB_SIZE: usize = 32_128;

/// Entries of ByT5's embeddings: 3 special tokens, 256 bytes, and 125 more that the released models never use.
const BYT5_VOCAB_SIZE: usize = 384;

/// The widths of a T5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct T5Widths {
    /// Width of embeddings and of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Width of a head's queries, keys and values, independent of `d_model / n_heads`.
    pub d_kv: usize,
}

impl TransformerConfig {
    /// T5's first version: ReLU, and one matrix for both embeddings and the projection, whose input is divided by √d_model
    /// (Raffel et al. 2020, §2.1; dropout of 0.1 everywhere, §3.1.2; the scaling as in the authors' code).
    pub fn t5(vocab_size: usize, widths: T5Widths, [n_encoder_layers, n_decoder_layers]: [usize; 2]) -> Self {
        let T5Widths { d_model, d_ff, n_heads, d_kv } = widths;
        Self {
            d_model,
            d_ff,
            n_heads,
            d_k: Some(d_kv),
            d_v: Some(d_kv),
            n_encoder_layers,
            n_decoder_layers,
            dropout: 0.1,
            attention_dropout: 0.1,
            activation_dropout: 0.1,
            activation: Activation::Relu,
            bias: false,
            norm: NormPlacement::Pre,
            norm_kind: NormKind::Rms,
            epsilon: 1e-6,
            scale_scores: false,
            scale_embeddings: false,
            scale_logits: true,
            positions: PositionsConfig::RelativeBuckets(RelativeBuckets::default()),
            ..Self::base(vocab_size)
        }
    }

    /// T5's version 1.1, which ByT5 uses: feed-forward sub-layers gated by GELU (by tanh), and a projection of its
    /// own, whose input is not scaled (Shazeer 2020; Xue et al. 2022, §3.1).
    pub fn t5_v1_1(vocab_size: usize, widths: T5Widths, n_layers: [usize; 2]) -> Self {
        Self {
            activation: Activation::GeluTanh,
            gated: true,
            scale_logits: false,
            tie_projection: false,
            ..Self::t5(vocab_size, widths, n_layers)
        }
    }
}

/// The five sizes each of T5's first version, of version 1.1, and of ByT5.
///
/// Sources: Raffel et al. 2020, §3.7; the released configurations of version 1.1; Xue et al. 2022, Table 1.
pub fn presets() -> Vec<Preset<TransformerConfig>> {
    let widths = |[d_model, d_ff, n_heads, d_kv]: [usize; 4]| T5Widths { d_model, d_ff, n_heads, d_kv };
    let first = |name, n_layers, sizes, params_millions| {
        let config = TransformerConfig::t5(T5_VOCAB_SIZE, widths(sizes), [n_layers; 2]);
        Preset::published(name, config, params_millions)
    };
    let second = |name, n_layers, sizes, params_millions| {
        let config = TransformerConfig::t5_v1_1(T5_VOCAB_SIZE, widths(sizes), [n_layers; 2]);
        Preset::published(name, config, params_millions)
    };
    let byt5 = |name, n_layers, sizes, params_millions| {
        let config = TransformerConfig::t5_v1_1(BYT5_VOCAB_SIZE, widths(sizes), n_layers);
        Preset::published(name, config, params_millions)
    };
    vec![
        first("t5-small", 6, [512, 2048, 8, 64], 60.0),
        first("t5-base", 12, [768, 3072, 12, 64], 220.0),
        first("t5-large", 24, [1024, 4096, 16, 64], 770.0),
        first("t5-3b", 24, [1024, 16_384, 32, 128], 2_800.0),
        first("t5-11b", 24, [1024, 65_536, 128, 128], 11_000.0),
        second("t5-v1_1-small", 8, [512, 1024, 6, 64], 77.0),
        second("t5-v1_1-base", 12, [768, 2048, 12, 64], 250.0),
        second("t5-v1_1-large", 24, [1024, 2816, 16, 64], 800.0),
        second("t5-v1_1-xl", 24, [2048, 5120, 32, 64], 3_000.0),
        second("t5-v1_1-xxl", 24, [4096, 10_240, 64, 64], 11_000.0),
        byt5("byt5-small", [12, 4], [1472, 3584, 6, 64], 300.0),
        byt5("byt5-base", [18, 6], [1536, 3968, 12, 64], 582.0),
        byt5("byt5-large", [36, 12], [1536, 3840, 16, 64], 1_230.0),
        byt5("byt5-xl", [36, 12], [2560, 6720, 32, 64], 3_740.0),
        byt5("byt5-xxl", [36, 12], [4672, 12_352, 64, 64], 12_900.0),
    ]
}
