//! The settings of a checkpoint: `args` until fairseq 0.10, `cfg` with groups of settings after it.

use std::path::Path;

use attentive_attention::{Activation, NormPlacement, PositionsConfig};
use attentive_model::TransformerConfig;
use attentive_weights::WeightsFile;

use crate::{InterchangeError, translators::Settings};

/// Settings of training, of data and of search, and such as tensors show.
const IDLE: &str = include_str!("idle.txt");

/// Architectures of `TransformerModel`.
const ARCHITECTURES: [&str; 10] = [
    "transformer",
    "transformer_tiny",
    "transformer_iwslt_de_en",
    "transformer_wmt_en_de",
    "transformer_vaswani_wmt_en_de_big",
    "transformer_vaswani_wmt_en_fr_big",
    "transformer_wmt_en_de_big",
    "transformer_wmt_en_de_big_t2t",
    "transformer_align",
    "transformer_wmt_en_de_big_align",
];

/// Tasks of one source language and one target language.
const TASKS: [&str; 1] = ["translation"];

/// Settings that change what a model computes, and what there is not here.
const REFUSED: [(&str, &str); 18] = [
    ("adaptive_input", "every token has a vector of the same width here"),
    ("adaptive_softmax_cutoff", "every token has a logit of its own here"),
    ("base_layers", "there are no mixtures of experts here"),
    ("char_embedder", "tokens have vectors of their own here"),
    ("char_inputs", "tokens have vectors of their own here"),
    ("cross_self_attention", "self-attention and cross-attention are two here"),
    ("decoder_layers_to_keep", "the layers that are left out are not in the file: save the pruned model"),
    ("decoder_xformers_att_config", "there is no attention of xFormers here"),
    ("encoder_layers_to_keep", "the layers that are left out are not in the file: save the pruned model"),
    ("encoder_xformers_att_config", "there is no attention of xFormers here"),
    ("moe_freq", "there are no mixtures of experts here"),
    ("no_cross_attention", "every layer of a decoder has one here"),
    ("no_token_positional_embeddings", "tokens have positions here"),
    ("quant_noise_scalar", "weights are not rounded in use here"),
    ("scale_attn", "there is one norm for each sub-layer here"),
    ("scale_fc", "there is one norm for each sub-layer here"),
    ("scale_heads", "heads have no scale here"),
    ("scale_resids", "residual connections have no scale here"),
];

/// Languages of sources and of targets, as files are named after them.
#[derive(Debug, Default)]
pub(super) struct Languages {
    pub(super) source: Option<String>,
    pub(super) target: Option<String>,
}

/// Our configuration, without the sizes of vocabularies and tables of positions, which tensors show; the languages; a note of
/// settings that are not followed.
///
/// # Errors
/// [`InterchangeError::Unsupported`] lists settings that change what the model computes.
pub(super) fn config(
    path: &Path,
    file: &WeightsFile,
) -> Result<(TransformerConfig, Languages, Option<String>), InterchangeError> {
    let mut settings = of_file(file).ok_or_else(|| InterchangeError::Unsupported {
        path: path.to_owned(),
        problems: vec!["neither args nor cfg has the settings of a model".to_owned()],
    })?;
    for key in ["arch", "_name"] {
        settings.expect(key, &ARCHITECTURES);
    }
    settings.expect("task", &TASKS);
    settings.expect("bpe", &["fastbpe", "subword_nmt", "sentencepiece"]);
    settings.check(path)?; // other models do not have the rest
    settings.refuse(&REFUSED);
    let config = model(&mut settings);
    let mut language = |key| settings.text(key).map(str::to_owned);
    let languages = Languages { source: language("source_lang"), target: language("target_lang") };
    let note = settings.finish(path, IDLE)?;
    Ok((config, languages, note))
}

fn of_file(file: &WeightsFile) -> Option<Settings<'_>> {
    let root = file.checkpoint()?;
    let Some(groups) = root.get("cfg").filter(|cfg| !cfg.is_none()) else {
        return Some(Settings::of(root.get("args")?, &[]));
    };
    let mut settings = Settings::of(groups.get("model")?, &["encoder", "decoder", "quant_noise"]);
    for group in ["task", "bpe", "tokenizer"] {
        settings.insert(group, groups.get(group).and_then(|group| group.get("_name")));
    }
    let task = groups.get("task");
    for key in ["source_lang", "target_lang"] {
        settings.insert(key, task.and_then(|task| task.get(key)));
    }
    Some(settings)
}

fn model(settings: &mut Settings<'_>) -> TransformerConfig {
    let d_model = settings.of_both("embed_dim", Settings::required);
    for key in ["decoder_input_dim", "decoder_output_dim"] {
        if let Some(width) = settings.size(key).filter(|&width| width != d_model) {
            settings.problems.push(format!("{key} is {width} and the others are {d_model}: here they are one"));
        }
    }
    let is_pre_norm = settings.of_both("normalize_before", Settings::flag);
    if settings.flag("no_decoder_final_norm") && is_pre_norm {
        settings.problems.push("no_decoder_final_norm is True: both stacks end with a norm here".to_owned());
    }
    let is_learned = settings.of_both("learned_pos", Settings::flag);
    let share_embeddings = settings.flag("share_all_embeddings");
    let tie_projection = settings.flag("share_decoder_input_output_embed") || share_embeddings;
    let mut dropout = |key: &str| settings.number(key);
    let (dropout_of_outputs, attention_dropout) = (dropout("dropout"), dropout("attention_dropout"));
    let activation_dropout = [dropout("activation_dropout"), dropout("relu_dropout")];
    TransformerConfig {
        d_model,
        d_ff: settings.of_both("ffn_embed_dim", Settings::required),
        n_heads: settings.of_both("attention_heads", Settings::required),
        n_encoder_layers: settings.required("encoder_layers"),
        n_decoder_layers: settings.required("decoder_layers"),
        dropout: dropout_of_outputs.unwrap_or_default(),
        attention_dropout: attention_dropout.unwrap_or_default(),
        activation_dropout: activation_dropout.into_iter().flatten().find(|&p| p > 0.0).unwrap_or_default(),
        activation: activation(settings),
        norm: if is_pre_norm { NormPlacement::Pre } else { NormPlacement::Post },
        scale_embeddings: !settings.flag("no_scale_embedding"),
        embedding_norm: settings.flag("layernorm_embedding"),
        positions: match is_learned {
            true => PositionsConfig::Learned { max_len: 1 },
            // After the id of padding.
            false => PositionsConfig::FairseqSinusoidal { first: super::PAD as usize + 1 },
        },
        share_embeddings,
        tie_projection,
        ..TransformerConfig::base(1)
    }
}

fn activation(settings: &mut Settings<'_>) -> Activation {
    match settings.text("activation_fn") {
        None | Some("relu") => Activation::Relu,
        Some("gelu") => Activation::Gelu,
        Some("gelu_fast" | "gelu_accurate") => Activation::GeluTanh,
        Some(other) => {
            settings.problems.push(format!("activation_fn is {other:?}; there are relu, gelu, gelu_accurate"));
            Activation::Relu
        }
    }
}
