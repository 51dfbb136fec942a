//! The decoders that GGUF files hold.

use attentive_attention::{Activation, NormKind, NormPlacement, PositionsConfig, Rotary, RotaryScaling};
use attentive_model::GptConfig;

use super::metadata::Metadata;
use crate::{
    InterchangeError,
    decoder::{Names, Qkv},
};

/// A decoder in GGUF files.
pub(super) struct Architecture {
    /// `general.architecture`.
    pub(super) name: &'static str,
    /// Its tensors.
    pub(super) names: Names,
    /// Whether neighbouring features are turned together, so that rows of queries and keys are stored in that order.
    pub(super) pairs_neighbours: bool,
    /// What it has and Llama does not have.
    adapt: fn(&mut Metadata<'_>, GptConfig) -> Result<GptConfig, InterchangeError>,
}

/// Key of the number that cosines and sines are multiplied by.
pub(super) const AMPLITUDE: &str = "rope.scaling.attn_factor";

/// Names that all have.
const NAMES: Names = Names {
    prefix: "",
    embedding: "token_embd",
    norm: "output_norm",
    projection: "output",
    layers: "blk.",
    attention_norm: "attn_norm",
    attention_output_norm: "post_attention_norm",
    feed_forward_norm: "ffn_norm",
    feed_forward_output_norm: "post_ffw_norm",
    qkv: Qkv::Separate(["attn_q", "attn_k", "attn_v"]),
    query_norm: "attn_q_norm",
    key_norm: "attn_k_norm",
    output: "attn_output",
    gate: "ffn_gate",
    inner: "ffn_up",
    outer: "ffn_down",
    ..Names::LLAMA
};

const LLAMA: Architecture =
    Architecture { name: "llama", names: NAMES, pairs_neighbours: true, adapt: |_, config| Ok(config) };

pub(super) const ALL: [Architecture; 9] = [
    LLAMA,
    Architecture {
        name: "qwen2",
        pairs_neighbours: false,
        adapt: |_, config| Ok(GptConfig { qkv_bias: Some(true), ..config }),
        ..LLAMA
    },
    Architecture {
        name: "qwen3",
        pairs_neighbours: false,
        adapt: |_, config| Ok(GptConfig { qk_norm: true, ..config }),
        ..LLAMA
    },
    Architecture { name: "gemma", pairs_neighbours: false, adapt: |_, config| Ok(gemma(config)), ..LLAMA },
    Architecture { name: "gemma2", pairs_neighbours: false, adapt: gemma2, ..LLAMA },
    Architecture { name: "gemma3", pairs_neighbours: false, adapt: gemma3, ..LLAMA },
    Architecture {
        name: "phi2",
        names: Names { feed_forward_norm: "attn_norm", qkv: Qkv::Stacked("attn_qkv"), ..NAMES },
        pairs_neighbours: false,
        adapt: |metadata, config| {
            with_layer_norms(
                metadata,
                GptConfig { parallel: true, projection_bias: true, ..config },
                Activation::GeluTanh,
            )
        },
    },
    Architecture {
        name: "phi3",
        names: Names { qkv: Qkv::Stacked("attn_qkv"), gate_and_inner: Some("ffn_up"), ..NAMES },
        pairs_neighbours: false,
        adapt: |metadata, config| {
            Ok(GptConfig { window: metadata.size("attention.sliding_window")?.filter(|&window| window > 0), ..config })
        },
    },
    Architecture {
        name: "gptneox",
        names: Names { qkv: Qkv::Stacked("attn_qkv"), ..NAMES },
        pairs_neighbours: false,
        adapt: |metadata, config| {
            let parallel = metadata.truth("gptneox.use_parallel_residual")?.unwrap_or(true);
            with_layer_norms(metadata, GptConfig { parallel, ..config }, Activation::Gelu)
        },
    },
];

fn gemma(config: GptConfig) -> GptConfig {
    GptConfig { activation: Activation::GeluTanh, scale_embeddings: true, ..config }
}

/// Refuses the models of 27 billion parameters, which `n_layers` tells from the others: llama.cpp divides their scores by the
/// root of `d_model / n_heads`, and no key says so.
fn scores_by_head_dim(metadata: &Metadata<'_>, config: &GptConfig, n_layers: usize) -> Result<(), InterchangeError> {
    let (head_dim, share) = (config.head_dim(), config.d_model / config.n_heads.max(1));
    if config.n_layers != n_layers || head_dim == share {
        return Ok(());
    }
    let problem =
        format!("a model of {n_layers} layers divides scores by the root of {share}; here it is that of {head_dim}");
    Err(metadata.unsupported(vec![problem]))
}

fn gemma2(metadata: &mut Metadata<'_>, config: GptConfig) -> Result<GptConfig, InterchangeError> {
    scores_by_head_dim(metadata, &config, 46)?;
    // What llama.cpp assumes of files without the keys (`llama-model.cpp`), as old ones are.
    let window = metadata.size("attention.sliding_window")?.or(Some(4096)).filter(|&window| window > 0);
    let attention_cap = metadata.float("attn_logit_softcapping")?.or(Some(50.0));
    let logit_cap = metadata.float("final_logit_softcapping")?.or(Some(30.0));
    Ok(GptConfig {
        norm: NormPlacement::Both,
        attention_cap: attention_cap.filter(|&cap| cap > 0.0),
        logit_cap: logit_cap.filter(|&cap| cap > 0.0),
        window,
        full_layers: if window.is_some() { (1..config.n_layers).step_by(2).collect() } else { Vec::new() },
        ..gemma(config)
    })
}

fn gemma3(metadata: &mut Metadata<'_>, config: GptConfig) -> Result<GptConfig, InterchangeError> {
    /// Every such layer sees everything.
    const PATTERN: usize = 6;
    /// Base of frequencies of the other layers (Gemma Team 2025, "Gemma 3 Technical Report", §2).
    const WINDOW_THETA: f64 = 10_000.0;
    scores_by_head_dim(metadata, &config, 62)?;
    let window = metadata.size("attention.sliding_window")?.filter(|&window| window > 0);
    let pattern = metadata.size("attention.sliding_window_pattern")?.unwrap_or(PATTERN).max(1);
    let theta = metadata.float("rope.freq_base_swa")?.unwrap_or(WINDOW_THETA);
    let full = (0..config.n_layers).filter(|layer| (layer + 1).is_multiple_of(pattern));
    Ok(GptConfig {
        norm: NormPlacement::Both,
        qk_norm: true,
        window,
        full_layers: if window.is_some() { full.collect() } else { Vec::new() },
        window_theta: window.map(|_| theta),
        ..gemma(config)
    })
}

fn with_layer_norms(
    metadata: &mut Metadata<'_>,
    config: GptConfig,
    activation: Activation,
) -> Result<GptConfig, InterchangeError> {
    let epsilon = metadata.float("attention.layer_norm_epsilon")?.unwrap_or(1e-5);
    Ok(GptConfig { norm_kind: NormKind::Layer, epsilon, bias: true, gated: false, activation, ..config })
}

impl Architecture {
    /// Our configuration of a model with this many rows of embeddings; `tied` says whether there is no other projection.
    ///
    /// # Errors
    /// [`InterchangeError::Damaged`]: a key is missing, or of another kind; [`InterchangeError::Unsupported`].
    pub(super) fn config(
        &self,
        metadata: &mut Metadata<'_>,
        vocab_size: usize,
        tied: bool,
    ) -> Result<GptConfig, InterchangeError> {
        let [d_model, d_ff, n_layers, n_heads] = [
            metadata.need("embedding_length")?,
            metadata.need("feed_forward_length")?,
            metadata.need("block_count")?,
            metadata.need("attention.head_count")?,
        ];
        let config = GptConfig {
            n_kv_heads: metadata.size("attention.head_count_kv")?,
            head_dim: metadata.size("attention.key_length")?,
            epsilon: metadata.float("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-6),
            tie_projection: tied,
            ..GptConfig::llama_like(vocab_size, d_ff, [n_layers, n_heads, d_model])
        };
        let (d_k, values) = (config.head_dim(), metadata.size("attention.value_length")?);
        let mut problems = Vec::new();
        if let Some(d_v) = values.filter(|&d_v| d_v != d_k) {
            problems.push(format!("attention.value_length is {d_v}, and heads are {d_k} wide"));
        }
        if let Some(n) = metadata.size("expert_count")?.filter(|&n| n > 0) {
            problems.push(format!("expert_count is {n}; there are no experts here"));
        }
        let theta = metadata.float("rope.freq_base")?.unwrap_or(Rotary::default().theta);
        let n_features = metadata.size("rope.dimension_count")?.filter(|&n| n != d_k);
        let factor = metadata.float("rope.scaling.factor")?.filter(|&factor| factor > 0.0);
        let original = metadata.size("rope.scaling.original_context_length")?;
        let context = metadata.size("context_length")?;
        let amplitude = metadata.float(AMPLITUDE)?.unwrap_or(1.0);
        let scaling = match (metadata.word("rope.scaling.type")?.as_deref(), factor) {
            (None | Some("linear"), Some(factor)) => Some(RotaryScaling::Linear { factor }),
            (Some("yarn"), Some(factor)) => Some(RotaryScaling::Yarn {
                factor,
                original_len: original.or(context).unwrap_or(1),
                beta_fast: 32.0,
                beta_slow: 1.0,
                amplitude: amplitude * (1.0 + 0.1 * factor.ln()),
            }),
            (None | Some("none" | "linear"), _) => None,
            (Some(other), _) => {
                problems.push(format!("rope.scaling.type is {other:?}; there are none, linear and yarn"));
                None
            }
        };
        if !problems.is_empty() {
            return Err(metadata.unsupported(problems));
        }
        let positions = PositionsConfig::Rotary(Rotary { theta, n_features, scaling });
        (self.adapt)(metadata, GptConfig { positions, ..config })
    }
}
