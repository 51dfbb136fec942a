//! The fixed workloads.

use anyhow::{Result, bail};
use attentive_attention::{Activation, NormKind, PositionsConfig};
use attentive_core::{MaskedBatch, SequenceBatch, TokenMatrix, TranslationBatch, mix64};
use attentive_model::{BertConfig, GptConfig, ModelSpec, TransformerConfig, t5::T5Widths};

/// A model and a batch to train it on, the same tokens on every run.
pub(crate) struct Workload {
    pub model: Model,
    pub rows: usize,
    /// Tokens of a row: of a source, and of a target.
    pub len: usize,
    /// Updates of a round.
    pub steps: u64,
}

/// The model of a workload.
pub(crate) enum Model {
    EncoderDecoder(TransformerConfig),
    Causal(GptConfig),
    Masked(BertConfig),
}

/// One in so many tokens of a BERT row is hidden.
const HIDDEN: usize = 7;

impl Workload {
    /// All of them.
    pub(crate) const NAMES: [&str; 6] = ["small", "base", "gpt", "bert", "t5", "llama"];

    pub(crate) fn named(name: &str) -> Result<Self> {
        let of = |model, rows, len, steps| Self { model, rows, len, steps };
        Ok(match name {
            "small" => of(Model::EncoderDecoder(translation(name)?), 64, 32, 4),
            "base" => of(Model::EncoderDecoder(translation(name)?), 16, 32, 2),
            // nanoGPT's character model.
            "gpt" => {
                let gpt = GptConfig::gpt2_like(65, 256, [6, 6, 384]);
                of(Model::Causal(GptConfig { dropout: 0.0, attention_dropout: 0.0, ..gpt }), 16, 256, 2)
            }
            // BERT base, to guess hidden tokens (Devlin et al. 2019).
            "bert" => {
                let bert = BertConfig { next_sentence: false, ..BertConfig::bert_like(30_522, 512, [12, 12, 768]) };
                of(Model::Masked(bert), 4, 128, 1)
            }
            "t5" => of(Model::EncoderDecoder(t5_small()), 8, 128, 1),
            // Llama's parts (Touvron et al. 2023), at 59 million parameters.
            "llama" => {
                let llama = GptConfig {
                    d_ff: 1408,
                    n_kv_heads: Some(4),
                    dropout: 0.0,
                    attention_dropout: 0.0,
                    activation: Activation::Silu,
                    gated: true,
                    bias: false,
                    norm_kind: NormKind::Rms,
                    positions: PositionsConfig::rotary(10_000.0),
                    tie_projection: false,
                    ..GptConfig::gpt2_like(32_000, 256, [8, 8, 512])
                };
                of(Model::Causal(llama), 4, 256, 1)
            }
            _ => bail!("there is no workload {name}; there are {}", Self::NAMES.join(", ")),
        })
    }

    /// Floating-point operations (two for each multiply–add) of the matrix products in one update: forward, and twice
    /// as many backward.
    ///
    /// Source and target have the same number of tokens; counted are products with weights, attention's two, and the
    /// vocabulary's, for BERT of the hidden tokens alone.
    pub(crate) fn product_flops(&self) -> f64 {
        let tokens = (self.rows * self.len) as f64;
        let per_token = match &self.model {
            Model::EncoderDecoder(config) => config.forward_flops_per_token(self.len),
            Model::Causal(config) => config.forward_flops_per_token(self.len),
            Model::Masked(config) => config.forward_flops_per_token(self.len),
        };
        3.0 * tokens * per_token as f64
    }

    /// Rows of random tokens.
    fn tokens(&self, salt: u64, len: usize, vocab_size: usize) -> Vec<Vec<u32>> {
        let token = |at: usize| (mix64(salt ^ at as u64) % vocab_size as u64) as u32;
        (0..self.rows).map(|row| (0..len).map(|col| token(row * len + col)).collect()).collect()
    }

    fn indices(&self) -> Vec<u64> {
        (0..self.rows as u64).collect()
    }

    /// Pairs without padding.
    pub(crate) fn pairs(&self, vocab_size: usize) -> TranslationBatch {
        TranslationBatch {
            source: TokenMatrix::from_rows(&self.tokens(1 << 40, self.len, vocab_size), 0, 0),
            target: TokenMatrix::from_rows(&self.tokens(2 << 40, self.len + 1, vocab_size), 0, 0),
            indices: self.indices(),
        }
    }

    /// Contexts, and the next token after each of their tokens.
    pub(crate) fn contexts(&self, vocab_size: usize) -> SequenceBatch {
        SequenceBatch::next_tokens(&self.tokens(4 << 40, self.len + 1, vocab_size), 0, self.indices())
    }

    /// Rows with hidden tokens.
    pub(crate) fn masked(&self, vocab_size: usize) -> MaskedBatch {
        let rows = self.tokens(8 << 40, self.len, vocab_size);
        let masked: Vec<u32> = (0..self.rows * self.len).step_by(HIDDEN).map(|at| at as u32).collect();
        let targets = masked.iter().map(|&at| rows[at as usize / self.len][at as usize % self.len]).collect();
        MaskedBatch {
            ids: TokenMatrix::from_rows(&rows, 0, 0),
            segments: vec![0; self.rows * self.len],
            masked,
            targets,
            follows: None,
            indices: self.indices(),
        }
    }
}

/// T5 small (Raffel et al. 2020).
pub(crate) fn t5_small() -> TransformerConfig {
    let widths = T5Widths { d_model: 512, d_ff: 2048, n_heads: 8, d_kv: 64 };
    TransformerConfig::t5(32_128, widths, [6, 6])
}

/// The encoder–decoders for training and decoding.
pub(crate) fn translation(name: &str) -> Result<TransformerConfig> {
    Ok(match name {
        "small" => TransformerConfig {
            d_model: 256,
            d_ff: 1024,
            n_heads: 4,
            n_encoder_layers: 3,
            n_decoder_layers: 3,
            ..TransformerConfig::base(8_000)
        },
        "base" => TransformerConfig::base(32_000),
        _ => bail!("there is no translation model {name}; there are small and base"),
    })
}
