//! What can be wrong with a configuration.

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
    /// A probability outside `[0, 1)`.
    #[error("model.{key} = {value} is no dropout probability; it must be at least 0 and below 1")]
    Probability {
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
