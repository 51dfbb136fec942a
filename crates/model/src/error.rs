//! Errors of configurations.

/// A configuration that no model can have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A size that must be positive.
    #[error("model.{key} is 0; it must be at least 1")]
    Zero {
        /// Name of the setting.
        key: &'static str,
    },
    /// A size beyond any model's.
    #[error("model.{key} = {size} is more than any model has; it must be at most {limit}")]
    TooLarge {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        size: usize,
        /// What it may be.
        limit: usize,
    },
    /// A probability outside `[0, 1)`.
    #[error("model.{key} = {value} is not a dropout probability; it must be at least 0 and below 1")]
    Probability {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        value: f64,
    },
    /// A head without the pooler that it needs.
    #[error("model.{head} needs the pooler: set model.pooler = true")]
    NoPooler {
        /// The setting that asks for the head.
        head: &'static str,
    },
    /// One label, among which there is no choice.
    #[error("model.labels names {n} class; a classifier chooses among two at least, without one the list is empty")]
    OneLabel {
        /// How many there are.
        n: usize,
    },
    /// A first position after the last.
    #[error("model.first_position = {first_position} leaves none of the {max_len} learned positions; lower it")]
    NoPositions {
        /// Where positions begin.
        first_position: usize,
        /// How many there are.
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
    /// A number that has to be above 0.
    #[error("model.{key} = {value} must be a finite number above 0")]
    NotPositive {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        value: f64,
    },
    /// Heads that do not divide the width.
    #[error(
        "model.d_model = {d_model} is not divisible by model.n_heads = {n_heads}; change one of them, or set model.d_k and model.d_v"
    )]
    Heads {
        /// Width of the model.
        d_model: usize,
        /// Number of heads.
        n_heads: usize,
    },
    /// Hash functions that do not divide the width, or too many.
    #[error(
        "model.n_hashes = {n_hashes} must be at most {limit} and divide model.d_model = {d_model}; change one of them"
    )]
    Hashes {
        /// Width of the model.
        d_model: usize,
        /// Number of hash functions.
        n_hashes: usize,
        /// How many there are.
        limit: usize,
    },
    /// Heads of keys and values that do not divide the heads.
    #[error(
        "model.n_heads = {n_heads} is not a multiple of model.n_kv_heads = {n_kv_heads}; each head of keys and values serves as many heads of queries"
    )]
    KvHeads {
        /// Number of heads of queries.
        n_heads: usize,
        /// Number of heads of keys and values.
        n_kv_heads: usize,
    },
    /// Heads whose features have no pairs.
    #[error("model.positions = rotary turns pairs of features, but heads are {d_k} wide; choose an even width")]
    OddHeads {
        /// Width of a head's queries and keys.
        d_k: usize,
    },
    /// A base of frequencies that gives no angles.
    #[error("model.positions.rotary.theta = {theta} must be a finite number above 0; 10000 is usual")]
    RotaryTheta {
        /// What it was set to.
        theta: f64,
    },
    /// Buckets that are too few, or a distance within those of one distance each.
    #[error(
        "model.positions.relative-buckets needs at least 4 buckets and a max_distance above half of them, not n_buckets = {n_buckets} and max_distance = {max_distance}"
    )]
    Buckets {
        /// Number of buckets.
        n_buckets: usize,
        /// Distance from which on all share the last bucket.
        max_distance: usize,
    },
    /// Embeddings tied between vocabularies of different size.
    #[error(
        "source and target embeddings can't be shared: the vocabularies have {source_size} and {target_size} entries; set model.share_embeddings = false, or use one joint vocabulary"
    )]
    SharedVocabularies {
        /// Size of the source vocabulary.
        source_size: usize,
        /// Size of the target vocabulary.
        target_size: usize,
    },
}
