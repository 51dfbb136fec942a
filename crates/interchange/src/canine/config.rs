//! CANINE's `config.json` and ours.

use std::collections::BTreeMap;

use attentive_attention::NormPlacement;
use attentive_model::CanineConfig;
use attentive_tokenizer::TokenId;
use serde::{Deserialize, Serialize};

use crate::{
    InterchangeError, activations,
    labels::{self, class_names},
    reader::Reader,
    score,
    settings::Ids,
};

/// The settings of `config.json` that say what the model computes, with the defaults of transformers' `CanineConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TheirConfig {
    model_type: String,
    architectures: Option<Vec<String>>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    hidden_dropout_prob: f64,
    attention_probs_dropout_prob: f64,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    initializer_range: f64,
    layer_norm_eps: f64,
    pad_token_id: Option<TokenId>,
    bos_token_id: Option<TokenId>,
    eos_token_id: Option<Ids>,
    downsampling_rate: usize,
    upsampling_kernel_size: usize,
    num_hash_functions: usize,
    num_hash_buckets: usize,
    local_transformer_stride: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "labels::names")]
    id2label: BTreeMap<usize, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", skip_deserializing)]
    label2id: BTreeMap<String, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem_type: Option<String>,
}

impl Default for TheirConfig {
    fn default() -> Self {
        Self {
            model_type: super::MODEL_TYPE.into(),
            architectures: None,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 16_384,
            type_vocab_size: 16,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: Some(0),
            bos_token_id: Some(0xe000),
            eos_token_id: Some(Ids::One(0xe001)),
            downsampling_rate: 4,
            upsampling_kernel_size: 4,
            num_hash_functions: 8,
            num_hash_buckets: 16_384,
            local_transformer_stride: 128,
            id2label: BTreeMap::new(),
            label2id: BTreeMap::new(),
            problem_type: None,
        }
    }
}

impl TheirConfig {
    /// Our configuration of the model that `config.json` describes, with a pooler or without, and as many
    /// labels as the file's classifier has.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(
        &self,
        reader: &mut Reader<'_>,
        pooler: bool,
        n_labels: usize,
    ) -> Result<CanineConfig, InterchangeError> {
        let mut problems = Vec::new();
        let activation = activations::ours(&self.hidden_act);
        if activation.is_none() {
            problems.push(activations::unknown("hidden_act", &self.hidden_act));
        }
        if n_labels > 0 {
            problems.extend(score::problem(self.problem_type.as_deref(), n_labels));
        }
        let (Some(activation), true) = (activation, problems.is_empty()) else {
            return Err(InterchangeError::Unsupported { path: reader.config_path(), problems });
        };
        let (labels, note) = class_names(&self.id2label, n_labels);
        reader.notes.extend(note);
        let sizes = [self.num_hidden_layers, self.num_attention_heads, self.hidden_size];
        Ok(CanineConfig {
            n_segments: self.type_vocab_size,
            d_ff: self.intermediate_size,
            n_hashes: self.num_hash_functions,
            n_buckets: self.num_hash_buckets,
            // The table of positions has as many rows as one of hashes.
            max_len: self.max_position_embeddings.min(self.num_hash_buckets),
            block: self.local_transformer_stride,
            rate: self.downsampling_rate,
            upsampling_width: self.upsampling_kernel_size,
            dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            activation,
            epsilon: self.layer_norm_eps,
            init_std: self.initializer_range,
            pooler,
            masked_lm: false,
            next_sentence: false,
            labels,
            ..CanineConfig::canine_like(sizes)
        })
    }

    /// CANINE's configuration of our model.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] lists every choice that transformers' model lacks.
    pub(super) fn of_ours(config: &CanineConfig) -> Result<Self, InterchangeError> {
        let checks = [
            (config.norm == NormPlacement::Post, "norm: its layers are post-norm"),
            (config.pooler, "pooler: it has a pooler"),
            (config.max_len <= config.n_buckets, "max_len: it has no more positions than n_buckets"),
        ];
        let problems: Vec<String> =
            checks.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect();
        if !problems.is_empty() {
            return Err(InterchangeError::Inexpressible { format: "CANINE", problems });
        }
        let has_labels = !config.labels.is_empty();
        let class = if has_labels { "CanineForSequenceClassification" } else { "CanineModel" };
        Ok(Self {
            architectures: Some(vec![class.to_owned()]),
            hidden_size: config.d_model,
            num_hidden_layers: config.n_layers,
            num_attention_heads: config.n_heads,
            intermediate_size: config.d_ff,
            hidden_act: activations::theirs(config.activation).to_owned(),
            hidden_dropout_prob: config.dropout,
            attention_probs_dropout_prob: config.attention_dropout,
            max_position_embeddings: config.max_len,
            type_vocab_size: config.n_segments,
            initializer_range: config.init_std,
            layer_norm_eps: config.epsilon,
            downsampling_rate: config.rate,
            upsampling_kernel_size: config.upsampling_width,
            num_hash_functions: config.n_hashes,
            num_hash_buckets: config.n_buckets,
            local_transformer_stride: config.block,
            id2label: config.labels.iter().cloned().enumerate().collect(),
            label2id: config.labels.iter().cloned().zip(0..).collect(),
            ..Self::default()
        })
    }
}
