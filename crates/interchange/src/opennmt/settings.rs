//! The settings of a checkpoint, `opt`.

use std::path::Path;

use attentive_attention::{Activation, NormKind, NormPlacement, PositionsConfig};
use attentive_model::TransformerConfig;
use attentive_weights::WeightsFile;

use crate::{InterchangeError, translators::Settings};

/// Settings of training, of data and of other kinds of model, and such as tensors show.
const IDLE: &str = include_str!("idle.txt");
/// ε of norms where nothing says it.
const EPSILON: f64 = 1e-6;

/// Settings that change what a model computes, and what there is not here.
const REFUSED: [(&str, &str); 15] = [
    ("copy_attn", "nothing is copied from a source here"),
    ("coverage_attn", "there is no coverage here"),
    ("lora_embedding", "merge it into the model by tools/lora_weights.py"),
    ("lora_layers", "merge them into the model by tools/lora_weights.py"),
    ("max_relative_positions", "positions are added to embeddings here, not to scores, and not rotated"),
    ("n_src_feats", "a token has no features beside its word here"),
    ("num_experts", "there are no mixtures of experts here"),
    ("parallel_residual", "sub-layers are one after another here"),
    ("quant_layers", "weights of few bits are not read here"),
    ("relative_positions_buckets", "positions are added to embeddings here, not to scores"),
    ("shared_layer_norm", "every sub-layer has a norm of its own here"),
    ("sliding_window", "a token of a decoder sees all before it here"),
    ("src_features", "a token has no features beside its word here"),
    ("src_feats_vocab", "a token has no features beside its word here"),
    ("use_residual_adapters", "there are no adapters here"),
];

/// Our configuration, without the sizes that tensors show; a note of settings that are not followed.
///
/// # Errors
/// [`InterchangeError::Unsupported`] lists settings that change what the model computes.
pub(super) fn config(path: &Path, file: &WeightsFile) -> Result<(TransformerConfig, Option<String>), InterchangeError> {
    let opt = file.checkpoint().and_then(|root| root.get("opt"));
    let mut settings = opt.map(|opt| Settings::of(opt, &[])).ok_or_else(|| InterchangeError::Unsupported {
        path: path.to_owned(),
        problems: vec!["opt is missing".to_owned()],
    })?;
    settings.expect("model_task", &["seq2seq"]);
    settings.expect("model_type", &["text"]);
    settings.expect("encoder_type", &["transformer"]);
    settings.expect("decoder_type", &["transformer"]);
    settings.check(path)?; // other models do not have the rest
    settings.refuse(&REFUSED);
    settings.expect("self_attn_type", &["scaled-dot", "scaled-dot-flash"]);
    settings.expect("generator_function", &["softmax", "log_softmax"]);
    if !settings.flag("position_encoding") {
        settings.problems.push("position_encoding is False: tokens have positions here".to_owned());
    }
    let config = model(&mut settings);
    let note = settings.finish(path, IDLE)?;
    Ok((config, note))
}

fn model(settings: &mut Settings<'_>) -> TransformerConfig {
    let n_heads = settings.size("heads").unwrap_or(8);
    let n_kv_heads = settings.size("num_kv").filter(|&n| n > 0);
    let n_kv_heads = n_kv_heads.or_else(|| settings.flag("multiquery").then_some(1));
    let dropout = settings.first_number("dropout");
    TransformerConfig {
        n_heads,
        n_kv_heads: n_kv_heads.filter(|&n| n != n_heads),
        n_encoder_layers: settings.required("enc_layers"),
        n_decoder_layers: settings.required("dec_layers"),
        dropout: dropout.unwrap_or_default(),
        attention_dropout: settings.first_number("attention_dropout").or(dropout).unwrap_or_default(),
        activation_dropout: dropout.unwrap_or_default(),
        activation: activation(settings),
        norm: NormPlacement::Pre,
        norm_kind: norm_kind(settings),
        epsilon: settings.number("norm_eps").unwrap_or(EPSILON),
        positions: positions(settings),
        share_embeddings: settings.flag("share_embeddings"),
        tie_projection: settings.flag("share_decoder_embeddings"),
        ..TransformerConfig::base(1)
    }
}

fn positions(settings: &mut Settings<'_>) -> PositionsConfig {
    match settings.text("position_encoding_type") {
        None | Some("SinusoidalInterleaved") => PositionsConfig::Sinusoidal,
        Some("SinusoidalConcat") => PositionsConfig::FairseqSinusoidal { first: 0 },
        Some(other) => {
            let problem =
                format!("position_encoding_type is {other:?}; there are SinusoidalInterleaved and SinusoidalConcat");
            settings.problems.push(problem);
            PositionsConfig::Sinusoidal
        }
    }
}

/// The function of feed-forward networks; whether they are gated is shown by tensors.
fn activation(settings: &mut Settings<'_>) -> Activation {
    match settings.text("pos_ffn_activation_fn") {
        None | Some("relu") => Activation::Relu,
        Some("gelu" | "gated-gelu") => Activation::Gelu,
        Some("silu") => Activation::Silu,
        Some(other) => {
            let problem = format!("pos_ffn_activation_fn is {other:?}; there are relu, gelu, silu, gated-gelu");
            settings.problems.push(problem);
            Activation::Relu
        }
    }
}

fn norm_kind(settings: &mut Settings<'_>) -> NormKind {
    match settings.text("layer_norm") {
        None | Some("standard") => NormKind::Layer,
        Some("rms") => NormKind::Rms,
        Some(other) => {
            settings.problems.push(format!("layer_norm is {other:?}; there are standard and rms"));
            NormKind::Layer
        }
    }
}
