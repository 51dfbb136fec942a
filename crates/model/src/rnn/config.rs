//! Sizes and choices of an [`Rnn`].

use attentive_attention::{Embedding, Initializer, Linear};
use serde::{Deserialize, Serialize};

use super::{AdditiveAttention, Cell, CellKind, Rnn, RnnDecoder, RnnEncoder, RnnEncoderLayer};
use crate::{ConfigError, EncoderDecoderSpec, ModelSpec, Preset, checks, transformer::TYPICAL_SENTENCE};

/// Words of each language in Bahdanau et al. 2015, §4.1.
const PAPER_VOCAB_SIZE: usize = 30_000;

/// Sizes and choices of an [`Rnn`].
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_model::{CellKind, ModelSpec, RnnConfig};
///
/// let config = RnnConfig { cell: CellKind::Lstm, d_embedding: 8, d_hidden: 12, d_attention: 10, ..RnnConfig::rnn_search(50) };
/// let model = config.init(&BackendKind::Flex.device()?, 1)?;
/// assert_eq!(burn::module::Module::num_params(&model), config.n_params());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RnnConfig {
    /// Entries of the source vocabulary.
    pub source_vocab_size: usize,
    /// Entries of the target vocabulary.
    pub target_vocab_size: usize,
    /// Kind of the cells.
    pub cell: CellKind,
    /// Width of embeddings and of the readout.
    pub d_embedding: usize,
    /// Width of a cell's state.
    pub d_hidden: usize,
    /// Width within the attention.
    pub d_attention: usize,
    /// Encoder layers.
    pub n_encoder_layers: usize,
    /// Decoder layers.
    pub n_decoder_layers: usize,
    /// Whether the source is read from right to left as well, by cells of their own.
    #[serde(default = "yes")]
    pub bidirectional: bool,
    /// Dropout of embeddings, of outputs of layers and of the readout; states are carried whole (Zaremba et al. 2014).
    pub dropout: f64,
    /// Whether source and target use one embedding matrix; needs one joint vocabulary.
    #[serde(default)]
    pub share_embeddings: bool,
    /// Whether the pre-soft-max projection is the target embedding matrix.
    #[serde(default)]
    pub tie_projection: bool,
}

fn yes() -> bool {
    true
}

impl RnnConfig {
    /// The sizes of RNNsearch (Bahdanau et al. 2015, A.2.3), over vocabularies of one size; the paper's have 30,000 entries.
    pub fn rnn_search(vocab_size: usize) -> Self {
        Self {
            source_vocab_size: vocab_size,
            target_vocab_size: vocab_size,
            cell: CellKind::Gru,
            d_embedding: 620,
            d_hidden: 1000,
            d_attention: 1000,
            n_encoder_layers: 1,
            n_decoder_layers: 1,
            bidirectional: true,
            dropout: 0.0,
            share_embeddings: false,
            tie_projection: false,
        }
    }

    /// Width of an annotation: the concatenated states of all directions.
    pub fn d_annotation(&self) -> usize {
        self.n_directions() * self.d_hidden
    }

    fn n_directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Width of the input of each encoder layer.
    fn encoder_inputs(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.d_embedding).chain(std::iter::repeat(self.d_annotation())).take(self.n_encoder_layers)
    }
}

impl ModelSpec for RnnConfig {
    type Model = Rnn;

    const FAMILY: &'static str = "rnn";
    const SUMMARY: &'static str = "encoder-decoder with additive attention";

    fn validate(&self) -> Result<(), ConfigError> {
        checks::sizes(&[
            ("source_vocab_size", self.source_vocab_size),
            ("target_vocab_size", self.target_vocab_size),
            ("d_embedding", self.d_embedding),
            ("d_hidden", self.d_hidden),
            ("d_attention", self.d_attention),
            ("n_encoder_layers", self.n_encoder_layers),
            ("n_decoder_layers", self.n_decoder_layers),
        ])?;
        checks::probabilities(&[("dropout", self.dropout)])?;
        let (source_size, target_size) = (self.source_vocab_size, self.target_vocab_size);
        if self.share_embeddings && source_size != target_size {
            return Err(ConfigError::SharedVocabularies { source_size, target_size });
        }
        Ok(())
    }

    fn n_params(&self) -> usize {
        let Self { cell, d_embedding, d_hidden, d_attention, n_decoder_layers, .. } = *self;
        let d_annotation = self.d_annotation();
        let own_target = if self.share_embeddings { 0 } else { self.target_vocab_size };
        let own_projection = if self.tie_projection { 0 } else { self.target_vocab_size };
        let encoder_cell = |d_in| self.n_directions() * Cell::n_params(cell, d_in, d_hidden);
        (self.source_vocab_size + own_target + own_projection) * d_embedding
            + self.encoder_inputs().map(encoder_cell).sum::<usize>()
            + Cell::n_params(cell, d_embedding, d_hidden)
            + n_decoder_layers.saturating_sub(1) * Cell::n_params(cell, d_hidden, d_hidden)
            + Linear::n_params(d_annotation, cell.n_gates() * d_hidden, false)
            + AdditiveAttention::n_params(d_hidden, d_annotation, d_attention)
            + Linear::n_params(d_hidden, n_decoder_layers * d_hidden, true)
            + Linear::n_params(d_hidden + d_annotation + d_embedding, d_embedding, true)
    }

    fn build(&self, init: &Initializer) -> Rnn {
        let embedding = |vocab_size| Embedding::new(vocab_size, self.d_embedding, init);
        let encoder_layer = |d_in| RnnEncoderLayer::new(self.cell, self.bidirectional, [d_in, self.d_hidden], init);
        Rnn {
            source_embedding: embedding(self.source_vocab_size),
            target_embedding: (!self.share_embeddings).then(|| embedding(self.target_vocab_size)),
            projection: (!self.tie_projection).then(|| embedding(self.target_vocab_size)),
            encoder: RnnEncoder { layers: self.encoder_inputs().map(encoder_layer).collect() },
            decoder: RnnDecoder::new(self, init),
            dropout: self.dropout,
        }
    }

    fn vocab_size(&self) -> usize {
        self.target_vocab_size
    }

    fn source_vocab_size(&self) -> usize {
        self.source_vocab_size
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        (self.source_vocab_size, self.target_vocab_size) = (vocab_size, vocab_size);
        Ok(())
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn d_model(&self) -> usize {
        self.d_hidden
    }

    fn typical_len(&self) -> usize {
        TYPICAL_SENTENCE
    }

    fn forward_flops_per_token(&self, len: usize) -> usize {
        let Self { d_embedding, d_hidden, d_attention, .. } = *self;
        let (d_gates, d_annotation) = (self.cell.n_gates() * d_hidden, self.d_annotation());
        let encoder: usize = self.encoder_inputs().map(|d_in| self.n_directions() * (d_in + d_hidden) * d_gates).sum();
        let lowest = (d_embedding + d_annotation + d_hidden) * d_gates;
        let others = self.n_decoder_layers.saturating_sub(1) * 2 * d_hidden * d_gates;
        let attention = (d_hidden + d_annotation) * d_attention + len * (d_attention + d_annotation);
        let readout = (d_hidden + d_annotation + d_embedding) * d_embedding;
        2 * (encoder + lowest + others + attention + readout + d_embedding * self.target_vocab_size)
    }

    fn describe(&self) -> String {
        let Self { d_embedding, d_hidden, n_encoder_layers, n_decoder_layers, .. } = self;
        let cell = match self.cell {
            CellKind::Lstm => "LSTM",
            CellKind::Gru => "GRU",
        };
        format!("{cell}, d_embedding {d_embedding}, d_hidden {d_hidden}, {n_encoder_layers}+{n_decoder_layers} layers")
    }

    /// RNNsearch over the paper's vocabularies (Bahdanau et al. 2015, §4.1).
    fn presets() -> Vec<Preset<Self>> {
        vec![Preset { name: "rnnsearch", config: Self::rnn_search(PAPER_VOCAB_SIZE), params_millions: None }]
    }
}

impl EncoderDecoderSpec for RnnConfig {}
