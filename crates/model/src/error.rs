//! Errors of configurations.

use crate::{AttentionPlace, ModelHead};

/// A configuration that no model can have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A size that must be positive.
    #[error("{key} is 0; it must be at least 1")]
    Zero {
        /// Name of the setting.
        key: &'static str,
    },
    /// A size beyond any model's.
    #[error("{key} = {size} is more than any model has; it must be at most {limit}")]
    TooLarge {
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        size: usize,
        /// Its limit.
        limit: usize,
    },
    /// A probability outside `[0, 1)`.
    #[error("{key} = {value} is not a dropout probability; it must be at least 0 and below 1")]
    Probability {
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A head without the pooler that it needs.
    #[error("{head} needs the pooler: set pooler = true")]
    NoPooler {
        /// The setting that requests the head.
        head: &'static str,
    },
    /// A way to guess hidden characters without the head for them.
    #[error("guessing in another way needs the head that guesses hidden characters: set masked_lm = true")]
    NothingGuessed,
    /// A first position after the last.
    #[error("first_position = {first_position} leaves none of the {max_len} learned positions; lower it")]
    NoPositions {
        /// The first position.
        first_position: usize,
        /// Number of learned positions.
        max_len: usize,
    },
    /// A vocabulary for a model that has its own, the code points of Unicode.
    #[error(
        "tokenizer.kind: a canine reads code points, not the {vocab_size} entries of a vocabulary: set \"code-points\", or \
         path = \"canine\""
    )]
    NotCodePoints {
        /// Entries of the vocabulary.
        vocab_size: usize,
    },
    /// A vocabulary for a model that reads no text.
    #[error("model.family: a {family} reads no text, and has no place for a vocabulary of {vocab_size} entries")]
    NoVocabulary {
        /// Name of the family.
        family: &'static str,
        /// Entries of the vocabulary.
        vocab_size: usize,
    },
    /// Pictures that patches do not fill.
    #[error("image_size = {image_size} is not a multiple of patch_size = {patch_size}; change one of them")]
    Patches {
        /// Height and width of pictures.
        image_size: usize,
        /// Height and width of patches.
        patch_size: usize,
    },
    /// A number that has to be above 0.
    #[error("{key} = {value} must be a finite number above 0")]
    NotPositive {
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// Heads that do not divide the width.
    #[error("d_model = {d_model} is not divisible by n_heads = {n_heads}; change one of them, or set d_k and d_v")]
    Heads {
        /// Width of the model.
        d_model: usize,
        /// Number of heads.
        n_heads: usize,
    },
    /// Heads that are too wide together.
    #[error("n_heads = {n_heads} of d_v = {d_v} are wider than any model's; their product must be at most {limit}")]
    WideHeads {
        /// Number of heads.
        n_heads: usize,
        /// Width of the values of each.
        d_v: usize,
        /// The largest product.
        limit: usize,
    },
    /// Hash functions that do not divide the width, or too many.
    #[error("n_hashes = {n_hashes} must be at most {limit} and divide d_model = {d_model}; change one of them")]
    Hashes {
        /// Width of the model.
        d_model: usize,
        /// Number of hash functions.
        n_hashes: usize,
        /// Largest number of hash functions.
        limit: usize,
    },
    /// Heads of keys and values that do not divide the heads.
    #[error(
        "n_heads = {n_heads} is not a multiple of n_kv_heads = {n_kv_heads}; each head of keys and values serves as many heads of queries"
    )]
    KvHeads {
        /// Number of heads of queries.
        n_heads: usize,
        /// Number of heads of keys and values.
        n_kv_heads: usize,
    },
    /// Heads whose features have no pairs.
    #[error("positions = rotary turns pairs of features, but heads are {d_k} wide; choose an even width")]
    OddHeads {
        /// Width of a head's queries and keys.
        d_k: usize,
    },
    /// A width that fairseq's sinusoids are not made for.
    #[error("positions.fairseq-sinusoidal needs an even d_model of 4 or more, not {d_model}")]
    SinusoidWidth {
        /// The width.
        d_model: usize,
    },
    /// A base of frequencies that gives no angles.
    #[error("positions.rotary.theta = {theta} must be a finite number above 0; 10000 is usual")]
    RotaryTheta {
        /// Its value.
        theta: f64,
    },
    /// More features to turn than a head has, or none.
    #[error("positions.rotary.n_features = {n_features} must be an even number of a head's {d_k} features")]
    RotaryFeatures {
        /// Features to turn.
        n_features: usize,
        /// Width of a head's queries and keys.
        d_k: usize,
    },
    /// Divisors of frequencies that are not one for each pair of features.
    #[error("positions.rotary.scaling.long-rope has {n_divisors} divisors, and {n_pairs} pairs of features are turned")]
    RotaryDivisors {
        /// Divisors.
        n_divisors: usize,
        /// Pairs of features that are turned.
        n_pairs: usize,
    },
    /// Sub-layers side by side that are not normalised first alone.
    #[error("parallel = true needs norm = \"pre\": the sum of both sub-layers is not normalised")]
    ParallelPostNorm,
    /// A layer that is not there.
    #[error("full_layers names layer {layer}, and there are {n_layers}, from 0")]
    NoLayer {
        /// The layer.
        layer: usize,
        /// Number of layers.
        n_layers: usize,
    },
    /// A setting without the one that gives it a meaning.
    #[error("{key} has no meaning without {needs}")]
    Needs {
        /// The setting.
        key: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// Buckets that are too few, or a distance within those of one distance each.
    #[error(
        "{key} needs at least 4 buckets and a max_distance above half of them, not n_buckets = {n_buckets} and max_distance = {max_distance}"
    )]
    Buckets {
        /// Name of the setting.
        key: &'static str,
        /// Number of buckets.
        n_buckets: usize,
        /// Distance from which on all share the last bucket.
        max_distance: usize,
    },
    /// Biases of distances beside positions that act on scores themselves.
    #[error("relative_buckets go with positions that are added to embeddings: set positions to sinusoidal or learned")]
    BucketsTwice,
    /// More groups of layers than layers.
    #[error("n_layer_groups = {n_layer_groups} is more than n_layers = {n_layers}; a group has at least one layer")]
    LayerGroups {
        /// Layers with parameters of their own.
        n_layer_groups: usize,
        /// Layers.
        n_layers: usize,
    },
    /// Heads that leave a model of a family that keeps all.
    #[error("heads of a model of family {family:?} can't be pruned; those of transformer, gpt and bert can")]
    NoPruning {
        /// Name of the family.
        family: &'static str,
    },
    /// A head to prune that is not there.
    #[error(
        "pruned_heads names {head}, which is not in the model: it has {}, with {n_heads} heads each, from 0",
        of_each_kind(attentions)
    )]
    NoHead {
        /// The head.
        head: ModelHead,
        /// The attentions that the model has.
        attentions: Vec<AttentionPlace>,
        /// Heads of an attention.
        n_heads: usize,
    },
    /// An attention without heads.
    #[error("pruned_heads leaves no head of {attention}; one must be left")]
    NoHeadsLeft {
        /// The attention.
        attention: AttentionPlace,
    },
    /// Heads of keys and values that serve different numbers of heads.
    #[error(
        "pruned_heads leaves heads of {attention} that share keys and values in different numbers; prune all {per_group} of a \
         group, or as many in each"
    )]
    UnevenHeads {
        /// The attention.
        attention: AttentionPlace,
        /// Heads that share a head of keys and values.
        per_group: usize,
    },
    /// Embeddings tied between vocabularies of different size.
    #[error(
        "source and target embeddings can't be shared: the vocabularies have {source_size} and {target_size} entries; set share_embeddings = false, or use one joint vocabulary"
    )]
    SharedVocabularies {
        /// Size of the source vocabulary.
        source_size: usize,
        /// Size of the target vocabulary.
        target_size: usize,
    },
}

impl ConfigError {
    /// Names of the settings concerned.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::Zero { key }
            | Self::TooLarge { key, .. }
            | Self::Probability { key, .. }
            | Self::NotPositive { key, .. } => vec![key],
            Self::NoPooler { head } => vec![head, "pooler"],
            Self::NoPositions { .. } => vec!["first_position", "positions.learned.max_len"],
            Self::Heads { .. } => vec!["d_model", "n_heads"],
            Self::WideHeads { .. } => vec!["n_heads", "d_v"],
            Self::NothingGuessed => vec!["guessing", "masked_lm"],
            Self::Hashes { .. } => vec!["n_hashes", "d_model"],
            Self::KvHeads { .. } => vec!["n_heads", "n_kv_heads"],
            Self::OddHeads { .. } => vec!["positions", "d_model", "n_heads", "d_k"],
            Self::RotaryTheta { .. } => vec!["positions.rotary.theta"],
            Self::RotaryFeatures { .. } => vec!["positions.rotary.n_features"],
            Self::RotaryDivisors { .. } => vec!["positions.rotary.scaling.long-rope"],
            Self::ParallelPostNorm => vec!["parallel", "norm"],
            Self::NoLayer { .. } => vec!["full_layers"],
            Self::Needs { key, .. } => vec![key],
            Self::SinusoidWidth { .. } => vec!["positions", "d_model"],
            Self::Buckets { key, .. } => vec![key],
            Self::BucketsTwice => vec!["relative_buckets", "positions"],
            Self::LayerGroups { .. } => vec!["n_layer_groups", "n_layers"],
            Self::NoHead { .. } | Self::NoHeadsLeft { .. } | Self::UnevenHeads { .. } => vec!["pruned_heads"],
            Self::SharedVocabularies { .. } => vec!["share_embeddings"],
            Self::Patches { .. } => vec!["image_size", "patch_size"],
            Self::NotCodePoints { .. } | Self::NoVocabulary { .. } | Self::NoPruning { .. } => Vec::new(),
        }
    }
}

/// Attentions of a model, which are sorted: the first and the last of each kind.
fn of_each_kind(attentions: &[AttentionPlace]) -> String {
    let span = |kind: &[AttentionPlace]| match kind {
        [] => String::new(),
        [one] => one.to_string(),
        [first, .., last] => format!("{first} to {last}"),
    };
    attentions.chunk_by(|a, b| a.kind == b.kind).map(span).collect::<Vec<_>>().join(", ")
}
