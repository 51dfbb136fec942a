//! ModernBERT's `config.json` and ours.

use std::collections::BTreeMap;

use attentive_attention::{Activation, PositionsConfig};
use attentive_model::{BertConfig, PoolerActivation, PoolerInput};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Head, pooler_activation, pooler_name};
use crate::{
    InterchangeError, activations,
    decoder::{Keys, extend, rotary, windows},
    labels::{self, class_names},
    score,
};

/// Of transformers' `ModernBertConfig`, where a file does not say it: the distance that is in the window, twice; and every how
/// many layers one sees everything.
const LOCAL_ATTENTION: usize = 128;
const EVERY: usize = 3;

/// The bases of frequencies, of layers that see everything and of others.
const BASES: rotary::Bases = rotary::Bases {
    key: "global_rope_theta",
    usual: 160_000.0,
    window_key: Some("local_rope_theta"),
    window_usual: Some(10_000.0),
};

/// Settings that nothing depends on in use: of training and of kernels, and BERT's that released files have and the class does
/// not read.
const IDLE: [&str; 12] = [
    "cls_token_id",
    "compile_model",
    "deterministic_flash_attn",
    "initializer_cutoff_factor",
    "layer_norm_eps",
    "mlp_dropout",
    "position_embedding_type",
    "reference_compile",
    "repad_logits_with_grad",
    "sep_token_id",
    "sparse_pred_ignore_index",
    "sparse_prediction",
];

#[derive(Deserialize)]
struct Names(#[serde(deserialize_with = "labels::names")] BTreeMap<usize, String>);

/// What a `config.json` says, and a note of its classes.
pub(super) struct Read {
    pub(super) config: BertConfig,
    pub(super) note: Option<String>,
}

/// Our configuration of the model that `config.json` describes, with this head, and as many classes as the file's classifier
/// has.
///
/// # Errors
/// As [`Keys::find`].
pub(super) fn read(keys: &mut Keys<'_>, head: Head, n_labels: Option<usize>) -> Result<Read, InterchangeError> {
    for key in IDLE {
        keys.find::<Value>(key)?;
    }
    let (names, note) = read_labels(keys, head, n_labels)?;
    let (labels, token_labels) = if head == Head::Texts { (names, Vec::new()) } else { (Vec::new(), names) };
    let n_layers = keys.get("num_hidden_layers", 22)?;
    let (n_heads, d_model) = (keys.get("num_attention_heads", 12)?, keys.get("hidden_size", 768)?);
    let sizes = [n_layers, n_heads, d_model];
    let usual =
        BertConfig::modern_bert_like(keys.get("vocab_size", 50_368)?, keys.get("intermediate_size", 1152)?, sizes);
    let (activation, pooler_activation) = read_activations(keys, head)?;
    let windows = read_windows(keys, n_layers)?;
    let rotary::Positions { rotary, window_theta } = rotary::read(keys, d_model / n_heads.max(1), None, &BASES)?;
    let scaling = keys.find::<Map<String, Value>>("rope_scaling")?;
    keys.must(
        scaling.is_none() || windows.window.is_none(),
        "rope_scaling is set, which is for layers with a window too; here their positions are not scaled",
    );
    let pooling: String = keys.get("classifier_pooling", "cls".to_owned())?;
    keys.must(
        ["cls", "mean"].contains(&pooling.as_str()),
        format!("classifier_pooling is {pooling:?}; there are \"cls\" and \"mean\""),
    );
    let config = BertConfig {
        dropout: keys.get("embedding_dropout", 0.0)?,
        attention_dropout: keys.get("attention_dropout", 0.0)?,
        activation,
        bias: read_bias(keys, head)?,
        epsilon: keys.get("norm_eps", 1e-5)?,
        positions: PositionsConfig::Rotary(rotary),
        window: windows.window,
        full_layers: windows.full_layers,
        window_theta: window_theta.filter(|_| windows.window.is_some()),
        init_std: keys.get("initializer_range", 0.02)?,
        pooler: head.is_pooled(),
        pooler_activation,
        pooler_input: if pooling == "mean" { PoolerInput::Mean } else { PoolerInput::First },
        masked_lm: head == Head::MaskedLm,
        labels,
        token_labels,
        spans: head == Head::Spans,
        tie_projection: keys.get("tie_word_embeddings", true)? || head != Head::MaskedLm,
        ..usual
    };
    Ok(Read { config, note })
}

/// The classes of texts or of tokens, and a note of them.
fn read_labels(
    keys: &mut Keys<'_>,
    head: Head,
    n_labels: Option<usize>,
) -> Result<(Vec<String>, Option<String>), InterchangeError> {
    let names = keys.find::<Names>("id2label")?.map_or_else(BTreeMap::new, |names| names.0);
    let problem_type: Option<String> = keys.find("problem_type")?;
    if !matches!(head, Head::Texts | Head::Tokens) {
        return Ok((Vec::new(), None));
    }
    let n_labels = n_labels.unwrap_or(if names.is_empty() { 2 } else { names.len() });
    let problem = score::problem(problem_type.as_deref(), n_labels).filter(|_| head == Head::Texts);
    keys.must(problem.is_none(), problem.unwrap_or_default());
    Ok(class_names(&names, n_labels))
}

/// The function of layers and of the head for hidden tokens, which are one here; and that of the pooler.
fn read_activations(keys: &mut Keys<'_>, head: Head) -> Result<(Activation, PoolerActivation), InterchangeError> {
    let [of_layers, of_head] =
        [keys.get("hidden_activation", "gelu".to_owned())?, keys.get("classifier_activation", "gelu".to_owned())?];
    let activation = activations::ours(&of_layers);
    keys.must(activation.is_some(), activations::unknown("hidden_activation", &of_layers));
    keys.must(
        head != Head::MaskedLm || activations::ours(&of_head) == activation,
        format!("classifier_activation is {of_head:?} and hidden_activation {of_layers:?}; here they are one"),
    );
    let of_pooler = pooler_activation(&of_head);
    keys.must(
        of_pooler.is_some() || !head.is_pooled(),
        format!("classifier_activation is {of_head:?}; there are gelu, relu and tanh"),
    );
    Ok((activation.unwrap_or(Activation::Gelu), of_pooler.unwrap_or(PoolerActivation::Gelu)))
}

/// Whether there are biases: everywhere or nowhere, but that the scores of tokens always have one.
fn read_bias(keys: &mut Keys<'_>, head: Head) -> Result<bool, InterchangeError> {
    let [of_norms, of_attention, of_feed_forward, of_head] = [
        keys.get("norm_bias", false)?,
        keys.get("attention_bias", false)?,
        keys.get("mlp_bias", false)?,
        keys.get("classifier_bias", false)?,
    ];
    let are_one =
        of_norms == of_attention && of_norms == of_feed_forward && (of_norms == of_head || head == Head::None);
    keys.must(
        are_one,
        format!(
            "norm_bias is {of_norms}, attention_bias {of_attention}, mlp_bias {of_feed_forward}, classifier_bias {of_head}; \
             here they are one"
        ),
    );
    let of_tokens = keys.get("decoder_bias", true)?;
    keys.must(
        of_tokens || head != Head::MaskedLm,
        "decoder_bias is false; here the scores of hidden tokens have a bias",
    );
    Ok(of_norms)
}

/// The window and the layers that see everything: half of `local_attention` is seen to each side.
fn read_windows(keys: &mut Keys<'_>, n_layers: usize) -> Result<windows::Windows, InterchangeError> {
    let half = keys.get("local_attention", LOCAL_ATTENTION)? / 2;
    // The other name of the half, which counts where a file has it.
    let half = keys.get("sliding_window", half)?;
    let every = keys.get("global_attn_every_n_layers", EVERY)?.max(1);
    windows::of_types(keys, Some(half + 1), n_layers, |layer| layer.is_multiple_of(every))
}

/// The `config.json` of a model of ours with this head, as far as the class can express it.
pub(super) fn write(config: &BertConfig, head: Head) -> Map<String, Value> {
    let BertConfig { n_layers, n_heads, d_model, window, bias, .. } = *config;
    let labels = config.labels.iter().chain(&config.token_labels);
    let activation = activations::theirs(config.activation);
    let mut settings = Map::new();
    let own = json!({
        "vocab_size": config.vocab_size,
        "hidden_size": d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "hidden_activation": activation,
        "classifier_activation":
            if head == Head::MaskedLm { json!(activation) } else { pooler_name(config.pooler_activation) },
        "classifier_pooling": if config.pooler_input == PoolerInput::Mean { "mean" } else { "cls" },
        "norm_eps": config.epsilon,
        "norm_bias": bias,
        "attention_bias": bias,
        "mlp_bias": bias,
        "classifier_bias": bias,
        "decoder_bias": true,
        "embedding_dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "initializer_range": config.init_std,
        "layer_types": windows::types(n_layers, window, &config.full_layers),
        "local_attention": window.map_or(LOCAL_ATTENTION, |window| 2 * (window - 1)),
        "tie_word_embeddings": config.tie_projection,
        "dtype": "float32",
    });
    extend(&mut settings, own);
    if labels.clone().next().is_some() {
        let by_id: BTreeMap<usize, &String> = labels.clone().enumerate().collect();
        let by_name: BTreeMap<&String, usize> = labels.zip(0..).collect();
        extend(&mut settings, json!({ "id2label": by_id, "label2id": by_name }));
    }
    if let PositionsConfig::Rotary(rotary) = &config.positions {
        // Without a window, no layer has the second base.
        let parameters = |theta: f64| json!({ "rope_type": "default", "rope_theta": theta });
        let of_windows = config.window_theta.unwrap_or(rotary.theta);
        settings.insert(
            "rope_parameters".into(),
            json!({ "full_attention": parameters(rotary.theta), "sliding_attention": parameters(of_windows) }),
        );
    }
    settings
}
