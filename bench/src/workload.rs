//! The fixed workloads.

use anyhow::{Result, bail};
use attentive_core::{SequenceBatch, TokenMatrix, TranslationBatch, mix64};
use attentive_model::{GptConfig, ModelSpec, TransformerConfig};

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
        3.0 * tokens * self.config.forward_flops_per_token(TRAIN_LEN) as f64
    }
}

/// nanoGPT's character model: a GPT and contexts to train it on.
pub(crate) struct GptWorkload {
    pub config: GptConfig,
    context: usize,
    rows: usize,
}

impl Default for GptWorkload {
    fn default() -> Self {
        let context = 256;
        let config =
            GptConfig { dropout: 0.0, attention_dropout: 0.0, ..GptConfig::gpt2_like(65, context, [6, 6, 384]) };
        Self { config, context, rows: 16 }
    }
}

impl GptWorkload {
    /// Updates of a round.
    pub(crate) const STEPS: u64 = 2;

    /// Contexts of random tokens.
    pub(crate) fn batch(&self) -> SequenceBatch {
        let token = |at: usize| (mix64((4 << 40) + at as u64) % self.config.vocab_size as u64) as u32;
        let len = self.context + 1;
        let rows: Vec<Vec<u32>> =
            (0..self.rows).map(|row| (0..len).map(|col| token(row * len + col)).collect()).collect();
        SequenceBatch::next_tokens(&rows, 0, (0..self.rows as u64).collect())
    }

    /// As [`Workload::product_flops`].
    pub(crate) fn product_flops(&self) -> f64 {
        3.0 * (self.rows * self.context) as f64 * self.config.forward_flops_per_token(self.context) as f64
    }
}
