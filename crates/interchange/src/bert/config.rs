//! The `config.json` of BERT and its kin, and ours.

use std::collections::BTreeMap;

use attentive_attention::{Activation, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_model::{BertConfig, ModelSpec, PoolerInput};
use attentive_tokenizer::{Specials, TokenId};
use serde::{Deserialize, Serialize};

use super::classes::{Heads, Variant};
use crate::{
    InterchangeError, activations,
    family::known_classes,
    labels::{self, class_names},
    reader::Reader,
    score,
    settings::Ids,
    source::Source,
};

/// The settings of `config.json` that say what the model computes, with the defaults of transformers' `BertConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct EncoderConfig {
    model_type: String,
    architectures: Option<Vec<String>>,
    vocab_size: usize,
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
    /// 0 for BERT, 1 for RoBERTa, if there is none.
    pad_token_id: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bos_token_id: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eos_token_id: Option<Ids>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position_embedding_type: Option<String>,
    is_decoder: bool,
    add_cross_attention: bool,
    pub(super) tie_word_embeddings: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "labels::names")]
    id2label: BTreeMap<usize, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", skip_deserializing)]
    label2id: BTreeMap<String, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem_type: Option<String>,
    /// Width of embeddings; of ELECTRA and ALBERT.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_size: Option<usize>,
    /// Layers with parameters of their own, and how often a group of them is passed; of ALBERT.
    #[serde(skip_serializing_if = "Option::is_none")]
    num_hidden_groups: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_group_num: Option<usize>,
    /// Buckets of distances; of MPNet.
    #[serde(skip_serializing_if = "Option::is_none")]
    relative_attention_num_buckets: Option<usize>,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            model_type: Variant::Bert.model_type().into(),
            architectures: None,
            vocab_size: 30_522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: None,
            bos_token_id: None,
            eos_token_id: None,
            position_embedding_type: None,
            is_decoder: false,
            add_cross_attention: false,
            tie_word_embeddings: true,
            id2label: BTreeMap::new(),
            label2id: BTreeMap::new(),
            problem_type: None,
            embedding_size: None,
            num_hidden_groups: None,
            inner_group_num: None,
            relative_attention_num_buckets: None,
        }
    }
}

const ABSOLUTE: &str = "absolute";
/// MPNet's code has these 32 up to a distance of 128, whatever `config.json` says.
const BUCKETS: RelativeBuckets = RelativeBuckets { n_buckets: 32, max_distance: 128 };

impl EncoderConfig {
    /// The row of the first position.
    pub(super) fn first_position(&self, variant: Variant) -> usize {
        if variant.dialect().counts_after_padding { self.padding(variant) as usize + 1 } else { 0 }
    }

    /// The id of padding after which positions begin; MPNet's code has it.
    fn padding(&self, variant: Variant) -> TokenId {
        self.pad_token_id.filter(|_| variant != Variant::Mpnet).unwrap_or(1)
    }

    /// Holds the id of padding, after which RoBERTa's positions begin, against the tokenizer's.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] if they differ: there, a token with the id of config.json has no position.
    pub(super) fn check_padding(
        &self,
        variant: Variant,
        reader: &Reader<'_>,
        pad: Option<TokenId>,
    ) -> Result<(), InterchangeError> {
        let theirs = self.padding(variant);
        if !variant.dialect().counts_after_padding || pad == Some(theirs) {
            return Ok(());
        }
        let pad = pad.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let problem =
            format!("pad_token_id is {theirs}, after which positions begin, and the tokenizer's padding is {pad}");
        Err(InterchangeError::Unsupported { path: reader.config_path(), problems: vec![problem] })
    }

    /// The heads of a file: those that it has tensors of, and those that its classes can't do without.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] if a class is for another task.
    pub(super) fn heads(
        &self,
        variant: Variant,
        reader: &mut Reader<'_>,
        source: &mut Source,
    ) -> Result<Heads, InterchangeError> {
        let known: Vec<_> = variant.classes().into_iter().map(|class| (class.name, class.heads)).collect();
        let of_classes = known_classes(reader, source, variant.family().class_prefix, &known)?;
        Ok(of_classes.into_iter().fold(Heads::default(), Heads::or).of_file(variant, source))
    }

    /// Our configuration of the model that `config.json` describes, with these heads, and as many classes as the file's
    /// classifier has.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(
        &self,
        variant: Variant,
        reader: &mut Reader<'_>,
        heads: Heads,
        n_labels: Option<usize>,
    ) -> Result<BertConfig, InterchangeError> {
        let mut problems = Vec::new();
        let (mut labels, mut token_labels) = (Vec::new(), Vec::new());
        if heads.classifier || heads.token_classifier {
            let n_labels = n_labels.unwrap_or(if self.id2label.is_empty() { 2 } else { self.id2label.len() });
            let (names, note) = class_names(&self.id2label, n_labels);
            reader.notes.extend(note);
            *(if heads.classifier { &mut labels } else { &mut token_labels }) = names;
        }
        let mut must = |holds: bool, problem: String| problems.extend((!holds).then_some(problem));
        let activation = activations::ours(&self.hidden_act);
        must(activation.is_some(), activations::unknown("hidden_act", &self.hidden_act));
        let dialect = variant.dialect();
        let is_gelu = activation == Some(Activation::Gelu) || !dialect.guesses_by_gelu || !heads.masked_lm;
        must(
            is_gelu,
            format!(
                "hidden_act is {:?} ; the head for hidden tokens always has \"gelu\"; here they are one",
                self.hidden_act
            ),
        );
        let positions = self.position_embedding_type.as_deref().unwrap_or(ABSOLUTE);
        must(positions == ABSOLUTE, format!("position_embedding_type is {positions:?}; here it is {ABSOLUTE:?}"));
        must(!self.is_decoder, "is_decoder is true; every token sees its whole text here".to_owned());
        let inner = self.inner_group_num.unwrap_or(1);
        must(inner == 1, format!("inner_group_num is {inner}; here a group of layers is one layer"));
        let buckets = self.relative_attention_num_buckets.unwrap_or(BUCKETS.n_buckets);
        must(
            buckets == BUCKETS.n_buckets,
            format!("relative_attention_num_buckets is {buckets}; the class counts {}", BUCKETS.n_buckets),
        );
        must(!self.add_cross_attention, "add_cross_attention is true; this family has none".to_owned());
        if heads.classifier {
            problems.extend(score::problem(self.problem_type.as_deref(), labels.len()));
        }
        let (Some(activation), true) = (activation, problems.is_empty()) else {
            return Err(InterchangeError::Unsupported { path: reader.config_path(), problems });
        };
        let sizes = [self.num_hidden_layers, self.num_attention_heads, self.hidden_size];
        let usual = BertConfig::bert_like(self.vocab_size, self.max_position_embeddings, sizes);
        Ok(BertConfig {
            n_segments: if dialect.has_segments { self.type_vocab_size } else { 0 },
            // ELECTRA maps those of another width alone, ALBERT all.
            d_embedding: self.embedding_size.filter(|&width| variant == Variant::Albert || width != self.hidden_size),
            d_ff: self.intermediate_size,
            n_layer_groups: self.num_hidden_groups,
            dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            activation,
            epsilon: self.layer_norm_eps,
            first_position: self.first_position(variant),
            relative_buckets: self.relative_attention_num_buckets.map(|_| BUCKETS),
            init_std: self.initializer_range,
            pooler: heads.pooler,
            pooler_activation: dialect.pooler_activation,
            masked_lm: heads.masked_lm,
            next_sentence: heads.next_sentence,
            labels,
            token_labels,
            spans: heads.spans,
            ..usual
        })
    }

    /// The variant's configuration of our model.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] lists every choice that the variant lacks.
    pub(super) fn of_ours(
        config: &BertConfig,
        variant: Variant,
        specials: &Specials,
    ) -> Result<Self, InterchangeError> {
        let problems = inexpressible(config, variant, specials);
        let (Some(max_len), true) = (config.max_len(), problems.is_empty()) else {
            return Err(InterchangeError::Inexpressible { format: variant.name(), problems });
        };
        let labels = config.labels.iter().chain(&config.token_labels).cloned();
        let theirs = Self {
            model_type: variant.model_type().into(),
            architectures: Some(vec![variant.class(config).name.to_owned()]),
            vocab_size: config.vocab_size,
            hidden_size: config.d_model,
            num_hidden_layers: config.n_layers,
            num_attention_heads: config.n_heads,
            intermediate_size: config.d_ff,
            hidden_act: activations::theirs(config.activation).to_owned(),
            hidden_dropout_prob: config.dropout,
            attention_probs_dropout_prob: config.attention_dropout,
            type_vocab_size: config.n_segments,
            initializer_range: config.init_std,
            layer_norm_eps: config.epsilon,
            pad_token_id: specials.pad,
            bos_token_id: specials.bos,
            eos_token_id: specials.eos.map(Ids::One),
            tie_word_embeddings: config.tie_projection,
            id2label: labels.clone().enumerate().collect(),
            label2id: labels.zip(0..).collect(),
            embedding_size: Some(config.embedding_width()),
            num_hidden_groups: Some(config.n_own_layers()),
            inner_group_num: Some(1),
            relative_attention_num_buckets: Some(BUCKETS.n_buckets),
            ..Self::default()
        };
        Ok(Self { max_position_embeddings: theirs.first_position(variant) + max_len, ..theirs })
    }
}

/// Every choice of a configuration that the variant lacks.
fn inexpressible(config: &BertConfig, variant: Variant, specials: &Specials) -> Vec<String> {
    let dialect = variant.dialect();
    let (is_albert, is_mpnet) = (variant == Variant::Albert, variant == Variant::Mpnet);
    let checks = [
        (config.norm == NormPlacement::Post, "norm: its layers are post-norm"),
        (config.bias, "bias: its maps and norms have biases; the format modernbert takes none"),
        (!config.gated, "gated: its feed-forward networks are not; those of the format modernbert are"),
        (config.window.is_none(), "window: its layers see everything; the format modernbert has windows"),
        (
            !config.pooler || !config.pooler_norm && config.pooler_input == PoolerInput::First && !config.pooler_tokens,
            "pooler_norm, pooler_input, pooler_tokens: its pooler reads the first token and has no norm; the format \
             modernbert has another",
        ),
        (matches!(config.positions, PositionsConfig::Learned { .. }), "positions: they are learned"),
        (
            config.labels.is_empty() || config.token_labels.is_empty(),
            "token_labels: its classes have a classifier of texts or one of tokens",
        ),
        (
            variant == Variant::Bert || !config.next_sentence,
            "next_sentence: it does not have such a head; the format bert has",
        ),
        (
            !dialect.guesses_by_gelu || !config.masked_lm || config.activation == Activation::Gelu,
            "activation: its head for hidden tokens has GELU; the format bert takes any",
        ),
        (
            !dialect.counts_after_padding || specials.pad.is_some(),
            "tokenizer: its positions begin after the id of padding, and there is none",
        ),
        (!is_mpnet || specials.pad == Some(1), "tokenizer: its positions begin after the id 1, which is padding"),
        (
            dialect.has_pooler || !config.pooler || !config.labels.is_empty(),
            "pooler: its classes have none without a classifier; the format bert has",
        ),
        (
            !config.pooler || config.pooler_activation == dialect.pooler_activation,
            "pooler_activation: its pooler has another function",
        ),
        (
            dialect.has_segments == (config.n_segments > 0),
            "n_segments: bert, roberta, xlm-roberta, electra and albert have segments, distilbert and mpnet have none",
        ),
        (
            match variant {
                Variant::Albert => config.d_embedding.is_some(),
                Variant::Electra => config.d_embedding != Some(config.d_model),
                _ => config.d_embedding.is_none(),
            },
            "d_embedding: electra maps embeddings of another width, albert all, and others none",
        ),
        (is_albert || config.n_layer_groups.is_none(), "n_layer_groups: the format albert shares layers"),
        (
            config.relative_buckets == is_mpnet.then_some(BUCKETS),
            "relative_buckets: mpnet has 32 up to a distance of 128, and others none",
        ),
        (variant != Variant::DistilBert || config.epsilon == 1e-12, "epsilon: it is 1e-12; the format bert takes any"),
    ];
    checks.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect()
}
