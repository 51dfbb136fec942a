//! The encoder alone: BERT (Devlin et al. 2019) and its kin: RoBERTa (Liu et al. 2019), DistilBERT (Sanh et al. 2019),
//! ALBERT (Lan et al. 2020), ELECTRA (Clark et al. 2020), MPNet (Song et al. 2020) and ModernBERT (Warner et al. 2024).

mod config;
mod heads;
mod objective;
mod presets;

pub use config::BertConfig;
pub use heads::{MaskedLmHead, Pooler, PoolerActivation, PoolerInput};
pub use objective::{ClassificationObjective, MaskedLmObjective};

use attentive_attention::{Dropout, Embedding, Linear, Mask, Norm, Positions};
use attentive_backend::ops;
use attentive_core::{MaskedBatch, TokenId, TokenMatrix};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};

use crate::{
    EncoderModel, Encoding, Heads, LayeredEncoder, Stack, TextStack,
    data2vec::{Hidden, Hiding, TargetNorm},
    tokens::{segment_tensor, token_tensor},
    windows::{Sight, Windows},
};

/// A stack of bidirectional self-attention over tokens, segments and positions, with heads on it.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_core::TokenMatrix;
/// use attentive_model::{BertConfig, EncoderModel, ModelSpec};
///
/// let device = BackendKind::Flex.device()?;
/// let model = BertConfig::bert_like(50, 16, [2, 2, 8]).init(&device, 1)?;
/// let encoding = model.encode(&TokenMatrix::from_rows(&[[2, 7, 4, 3]], 0, 0), &[0; 4], None);
/// assert_eq!(encoding.hidden.dims(), [1, 4, 8]);
/// assert_eq!(model.pooled(&encoding).unwrap().dims(), [1, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Bert {
    /// Token embeddings, and the projection back to tokens if it is tied.
    pub embedding: Embedding,
    /// Positions.
    pub positions: Positions,
    /// Segment embeddings.
    pub segments: Option<Embedding>,
    /// Norm of the sum of the three.
    pub norm: Norm,
    /// From the width of embeddings to that of the stack, if they differ.
    pub embedding_map: Option<Linear>,
    /// Biases of distances, if positions are added to embeddings and bias scores too.
    pub relative_buckets: Option<Positions>,
    /// The stack of layers.
    pub encoder: Stack,
    /// Makes one vector of a sequence.
    pub pooler: Option<Linear>,
    /// Norm of the pooler's output.
    pub pooler_norm: Option<Norm>,
    /// Guesses hidden tokens.
    pub masked_lm: Option<MaskedLmHead>,
    /// The projection that guesses hidden tokens, if it is not the embeddings.
    pub projection: Option<Embedding>,
    /// Predicts whether the second segment follows the first.
    pub next_sentence: Option<Linear>,
    /// Predicts the class of a sequence.
    pub classifier: Option<Linear>,
    /// Predicts the class of each token.
    pub token_classifier: Option<Linear>,
    /// Predicts the first and the last token of an answer.
    pub spans: Option<Linear>,
    /// Probability with which embeddings are dropped.
    pub dropout: f64,
    #[module(skip)]
    first_position: usize,
    #[module(skip)]
    windows: Windows,
    #[module(skip)]
    pooler_activation: PoolerActivation,
    #[module(skip)]
    pooler_input: PoolerInput,
    #[module(skip)]
    pooler_tokens: bool,
}

impl Bert {
    /// Reads rows of tokens, each token seeing all of its row: `[rows, seq]` to `[rows, seq, d_model]`.
    ///
    /// `segments` gives each token's segment, padding included: `[rows · seq]`.
    ///
    /// # Panics
    /// If learned positions end before the sequence does, or there are fewer segments than tokens.
    pub fn forward(&self, tokens: &TokenMatrix, segments: &[u8], pass: Option<&Dropout>) -> Tensor<3> {
        let x = self.embed(tokens, segments, pass);
        self.encoder.forward(x, &self.sight(tokens), pass)
    }

    /// What the layers read of rows of tokens: `[rows, seq]` to `[rows, seq, d_model]`.
    fn embed(&self, tokens: &TokenMatrix, segments: &[u8], pass: Option<&Dropout>) -> Tensor<3> {
        let device = self.embedding.weight.device();
        let (rows, seq, first) = (tokens.n_rows(), tokens.n_cols(), self.first_position);
        let x = self.embedding.forward(token_tensor(tokens, &device), &self.positions, first, 0.0, None);
        let x = match &self.segments {
            Some(table) => {
                let segments = segment_tensor(segments, [rows, seq], &device);
                let segments = ops::embedding(table.weight.val(), segments, None, 1.0, 0.0, None);
                self.norm.after_residual(x, segments, 0.0, None)
            }
            None => self.norm.forward(x),
        };
        let x = ops::dropout(x, self.dropout, pass);
        match &self.embedding_map {
            Some(map) => map.forward(x), // [rows, seq, d_embedding] to [rows, seq, d_model]
            None => x,
        }
    }

    /// What tokens see: all of their row, or a window of it.
    fn sight(&self, tokens: &TokenMatrix) -> Sight<'_> {
        let (seq, device) = (tokens.n_cols(), self.embedding.weight.device());
        let mask = Mask::padding(tokens.lengths(), seq, &device);
        let distances = self.relative_buckets.as_ref().unwrap_or(&self.positions);
        self.windows.sight(distances, &mask, 0, seq, &device)
    }

    /// Scores of every token, if there is a head for them: `[..., d_model]` to `[..., vocab]`.
    pub fn token_logits<const D: usize>(&self, hidden: Tensor<D>) -> Option<Tensor<D>> {
        let head = self.masked_lm.as_ref()?;
        Some(ops::linear(head.transform(hidden), self.projection().transpose(), Some(head.bias.val())))
    }

    /// What the pooler reads of rows that have these lengths: `[rows, seq, d_model]` to `[rows, d_model]`.
    fn represent(&self, hidden: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let [rows, seq, d_model] = hidden.dims();
        let vectors = match self.pooler_input {
            PoolerInput::First => hidden.narrow(1, 0, 1),
            PoolerInput::Mean => {
                // What is padding has no weight: `[rows, 1, seq]`.
                let weight = |len: usize| (0..seq).map(move |at| if at < len { 1.0 / len as f32 } else { 0.0 });
                let weights: Vec<f32> = lengths.iter().copied().flat_map(weight).collect();
                Tensor::from_data(TensorData::new(weights, [rows, 1, seq]), &hidden.device()).matmul(hidden)
            }
        };
        vectors.reshape([rows, d_model])
    }
}

impl TextStack for Bert {
    fn embed(&self, tokens: &TokenMatrix, segments: &[u8]) -> Tensor<3> {
        self.embed(tokens, segments, None)
    }

    fn stack(&self) -> &Stack {
        &self.encoder
    }

    fn sight(&self, tokens: &TokenMatrix) -> Sight<'_> {
        self.sight(tokens)
    }

    fn token_scores(&self, read: Tensor<3>) -> Option<Tensor<3>> {
        self.token_logits(read)
    }
}

impl EncoderModel for Bert {
    fn text_stack(&self) -> Option<&dyn TextStack> {
        Some(self)
    }

    fn encode(&self, tokens: &TokenMatrix, segments: &[u8], pass: Option<&Dropout>) -> Encoding {
        let hidden = self.forward(tokens, segments, pass);
        Encoding { cls: self.represent(hidden.clone(), tokens.lengths()), hidden }
    }

    fn heads(&self) -> Heads<'_> {
        Heads {
            pooler: self.pooler.as_ref().map(|map| Pooler {
                map,
                activation: self.pooler_activation,
                norm: self.pooler_norm.as_ref(),
                of_tokens: self.pooler_tokens,
            }),
            masked_lm: self.masked_lm.as_ref(),
            next_sentence: self.next_sentence.as_ref(),
            classifier: self.classifier.as_ref(),
            token_classifier: self.token_classifier.as_ref(),
            spans: self.spans.as_ref(),
            dropout: self.dropout,
        }
    }

    fn projection(&self) -> Tensor<2> {
        self.projection.as_ref().unwrap_or(&self.embedding).weight.val()
    }

    fn alphabet(&self) -> Option<&[TokenId]> {
        None
    }

    fn max_len(&self) -> Option<usize> {
        self.positions.max_len().map(|max_len| max_len - self.first_position)
    }

    fn device(&self) -> Device {
        self.embedding.weight.device()
    }

    fn layered(&self) -> Option<&dyn LayeredEncoder<MaskedBatch>> {
        Some(self)
    }
}

/// Tokens are hidden by the batch, as for a masked language model.
impl LayeredEncoder<MaskedBatch> for Bert {
    fn layers(&self) -> &Stack {
        &self.encoder
    }

    fn target_norm(&self, _: &MaskedBatch) -> TargetNorm {
        TargetNorm::Layer
    }

    fn hides_by_vector(&self) -> bool {
        false
    }

    fn hidden(&self, batch: &MaskedBatch, _: Hiding, _: Option<&Dropout>) -> Vec<u32> {
        batch.masked.clone()
    }

    fn features(&self, batch: &MaskedBatch, hidden: Option<Hidden<'_>>, pass: Option<&Dropout>) -> Tensor<3> {
        match hidden {
            Some(_) => self.embed(&batch.ids, &batch.segments, pass),
            None => self.embed(&batch.uncovered(), &batch.segments, pass),
        }
    }

    fn sight(&self, batch: &MaskedBatch) -> Sight<'_> {
        Self::sight(self, &batch.ids)
    }
}
