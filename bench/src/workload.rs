//! The fixed workloads.

use anyhow::{Result, bail};
use attentive_core::{TokenMatrix, TranslationBatch, mix64};
use attentive_model::TransformerConfig;

/// Tokens of a source, and of a target, in training.
const TRAIN_LEN: usize = 32;

/// An encoder–decoder and a batch to train it on.
pub(crate) struct Workload {
    pub config: TransformerConfig,
    pub rows: usize,
    /// Updates of a round.
    pub steps: u64,
}

impl Workload {
    pub(crate) fn named(name: &str) -> Result<Self> {
        let small = TransformerConfig {
            d_model: 256,
            d_ff: 1024,
            n_heads: 4,
            n_encoder_layers: 3,
            n_decoder_layers: 3,
            ..TransformerConfig::base(8_000)
        };
        Ok(match name {
            "small" => Self { config: small, rows: 64, steps: 4 },
            "base" => Self { config: TransformerConfig::base(32_000), rows: 16, steps: 2 },
            _ => bail!("there is no workload {name}; there are small and base"),
        })
    }

    /// Pairs of random tokens, none padded.
    pub(crate) fn batch(&self) -> TranslationBatch {
        let vocab = self.config.source_vocab_size as u64;
        let rows = |salt: u64, len: usize| -> Vec<Vec<u32>> {
            let token = |row: usize, col: usize| mix64(salt ^ ((row * len + col) as u64)) % vocab;
            (0..self.rows).map(|row| (0..len).map(|col| token(row, col) as u32).collect()).collect()
        };
        TranslationBatch {
            source: TokenMatrix::from_rows(&rows(1 << 40, TRAIN_LEN), 0, 0),
            target: TokenMatrix::from_rows(&rows(2 << 40, TRAIN_LEN + 1), 0, 0),
            indices: (0..self.rows as u64).collect(),
        }
    }

    /// Multiply–adds times two of the matrix products in one update: forward, and twice as many backward.
    ///
    /// As many source as target tokens; products with weights, attention's two, and the vocabulary's.
    pub(crate) fn product_flops(&self) -> f64 {
        let tokens = (self.rows * TRAIN_LEN) as f64;
        3.0 * tokens * self.config.forward_flops_per_token(TRAIN_LEN, TRAIN_LEN) as f64
    }
}
