//! What formats of encoder–decoders have in common.

use attentive_attention::NormKind;
use attentive_model::TransformerConfig;

/// The choices of a configuration that no format here has, a line each.
pub(crate) fn problems(config: &TransformerConfig) -> Vec<String> {
    let d = config.d_model / config.n_heads;
    let is_split_evenly = (config.d_k(), config.d_v()) == (d, d) && d * config.n_heads == config.d_model;
    let checks = [
        (is_split_evenly, "d_k, d_v: its heads have the width d_model / n_heads"),
        (config.n_kv_heads.is_none_or(|n| n == config.n_heads), "n_kv_heads: each head has keys of its own"),
        (config.bias, "bias: it has biases"),
        (!config.gated, "gated: its feed-forward sub-layers are not gated"),
        (config.norm_kind == NormKind::Layer, "norm_kind: its norms are layer norms"),
        (config.epsilon == 1e-5, "epsilon: that of its norms is 1e-5"),
        (config.scale_scores, "scale_scores: its scores are divided by √d_k"),
        (!config.scale_logits, "scale_logits: what it projects is not scaled"),
        (config.window.is_none(), "window: every key is seen"),
    ];
    checks.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect()
}
