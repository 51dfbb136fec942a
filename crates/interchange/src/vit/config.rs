//! The `config.json` of ViT and DeiT, and ours.

use std::collections::BTreeMap;

use attentive_model::{Distillation, ImagePooling, VitConfig};
use serde::{Deserialize, Serialize};

use super::{Heads, Variant};
use crate::{
    InterchangeError, activations,
    labels::{self, class_names},
    reader::Reader,
    score,
};

/// One side of a square, or height and width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a side, or height and width")]
enum Sides {
    One(usize),
    Two([usize; 2]),
}

impl Sides {
    /// Height and width.
    fn both(self) -> [usize; 2] {
        match self {
            Self::One(side) => [side; 2],
            Self::Two(sides) => sides,
        }
    }

    /// The side, if it is a square.
    fn square(self) -> Option<usize> {
        let [height, width] = self.both();
        (height == width).then_some(height)
    }
}

/// The settings of `config.json` that say what the model computes, with the defaults of transformers' `ViTConfig`.
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
    initializer_range: f64,
    layer_norm_eps: f64,
    image_size: Sides,
    patch_size: Sides,
    num_channels: usize,
    qkv_bias: bool,
    encoder_stride: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pooler_output_size: Option<usize>,
    pooler_act: String,
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
            model_type: "vit".into(),
            architectures: None,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            image_size: Sides::One(224),
            patch_size: Sides::One(16),
            num_channels: 3,
            qkv_bias: true,
            encoder_stride: 16,
            pooler_output_size: None,
            pooler_act: "tanh".into(),
            id2label: BTreeMap::new(),
            label2id: BTreeMap::new(),
            problem_type: None,
        }
    }
}

impl TheirConfig {
    /// Our configuration of the model that `config.json` describes, with the heads of the file and without a pooler.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(&self, reader: &mut Reader<'_>, heads: &Heads) -> Result<VitConfig, InterchangeError> {
        let Heads { n_labels, distillation } = *heads;
        let activation = activations::ours(&self.hidden_act);
        let (image_size, patch_size) = (self.image_size.square(), self.patch_size.square());
        let not_square = |key: &str, sides: Sides| {
            let [height, width] = sides.both();
            format!("{key} is [{height}, {width}]; here pictures and patches are squares")
        };
        let width = self.pooler_output_size.unwrap_or(self.hidden_size);
        let problems = [
            activation.is_none().then(|| activations::unknown("hidden_act", &self.hidden_act)),
            image_size.is_none().then(|| not_square("image_size", self.image_size)),
            patch_size.is_none().then(|| not_square("patch_size", self.patch_size)),
            (self.pooler_act != "tanh").then(|| format!("pooler_act is {:?}; there is tanh", self.pooler_act)),
            (width != self.hidden_size).then(|| format!("pooler_output_size is {width}; there is hidden_size")),
            (!matches!(self.num_channels, 1 | 3))
                .then(|| format!("num_channels is {}; there are 1 and 3", self.num_channels)),
            (n_labels == 1)
                .then(|| "the classifier has a single label, a score; here a picture has one class of several".into()),
            (n_labels > 1).then(|| score::problem(self.problem_type.as_deref(), n_labels)).flatten(),
        ];
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        let (Some(activation), Some(image_size), Some(patch_size), true) =
            (activation, image_size, patch_size, problems.is_empty())
        else {
            return Err(InterchangeError::Unsupported { path: reader.config_path(), problems });
        };
        let (labels, note) = class_names(&self.id2label, n_labels);
        reader.notes.extend(note.filter(|_| n_labels > 0));
        let sizes = [self.num_hidden_layers, self.num_attention_heads, self.hidden_size];
        Ok(VitConfig {
            n_channels: self.num_channels,
            d_ff: self.intermediate_size,
            dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            activation,
            qkv_bias: self.qkv_bias,
            epsilon: self.layer_norm_eps,
            init_std: self.initializer_range,
            distillation,
            labels,
            ..VitConfig::vit_like(image_size, patch_size, sizes)
        })
    }

    /// Their configuration of our model.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] lists every choice that transformers' model lacks.
    pub(super) fn of_ours(config: &VitConfig, variant: Variant) -> Result<Self, InterchangeError> {
        let is_distilled = config.distillation != Distillation::None;
        let checks = [
            (config.pooling == ImagePooling::ClassToken, "pooling: a class token represents a picture"),
            (is_distilled || variant == Variant::Vit, "distillation: it has a distillation token; take the format vit"),
            (!is_distilled || variant == Variant::Deit, "distillation: it has no such token; take the format deit"),
        ];
        let problems: Vec<String> =
            checks.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect();
        if !problems.is_empty() {
            let format = if variant == Variant::Vit { "ViT" } else { "DeiT" };
            return Err(InterchangeError::Inexpressible { format, problems });
        }
        Ok(Self {
            model_type: variant.model_type().to_owned(),
            architectures: Some(vec![variant.class(config).to_owned()]),
            hidden_size: config.d_model,
            num_hidden_layers: config.n_layers,
            num_attention_heads: config.n_heads,
            intermediate_size: config.d_ff,
            hidden_act: activations::theirs(config.activation).to_owned(),
            hidden_dropout_prob: config.dropout,
            attention_probs_dropout_prob: config.attention_dropout,
            initializer_range: config.init_std,
            layer_norm_eps: config.epsilon,
            image_size: Sides::One(config.image_size),
            patch_size: Sides::One(config.patch_size),
            num_channels: config.n_channels,
            qkv_bias: config.qkv_bias,
            pooler_output_size: Some(config.d_model),
            id2label: config.labels.iter().cloned().enumerate().collect(),
            label2id: config.labels.iter().cloned().zip(0..).collect(),
            ..Self::default()
        })
    }
}
