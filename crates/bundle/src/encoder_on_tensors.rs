//! Encoders on tensors, as what reads texts on the host.

use attentive_core::{DeviceError, Encoded, Encoder, EncoderInput, TokenId, TokenMatrix};
use attentive_model::{EncoderModel, Encoding, HiddenTokens};
use burn::tensor::{Tensor, TensorData};

/// An encoder on tensors; `pad` fills up shorter texts.
pub(crate) struct OnTensors<M> {
    pub(crate) model: M,
    pub(crate) pad: TokenId,
}

impl<M: EncoderModel> OnTensors<M> {
    /// `[rows, d_model]` on the model's device.
    fn upload(&self, rows: &[f32], d_model: usize) -> Tensor<2> {
        Tensor::from_data(TensorData::new(rows.to_vec(), [rows.len() / d_model, d_model]), &self.model.device())
    }
}

impl<M: EncoderModel> Encoder for OnTensors<M> {
    fn max_len(&self) -> Option<usize> {
        self.model.max_len()
    }

    fn encode(&self, texts: &[EncoderInput<'_>]) -> Result<Encoded, DeviceError> {
        let ids: Vec<&[TokenId]> = texts.iter().map(|text| text.ids).collect();
        let rows = TokenMatrix::from_rows(&ids, self.pad, 0);
        let padded = |text: &EncoderInput<'_>| {
            let mut segments: Vec<u8> = text.segments().collect();
            segments.resize(rows.n_cols(), 0);
            segments
        };
        let segments: Vec<u8> = texts.iter().flat_map(padded).collect();
        let Encoding { hidden, cls } = self.model.encode(&rows, &segments, None);
        let [_, seq, d_model] = hidden.dims();
        let padded = values(hidden)?;
        let text = |(row, &len): (&[f32], &usize)| row[..len * d_model].to_vec();
        let hidden = padded.chunks(seq * d_model).zip(rows.lengths()).flat_map(text).collect();
        Ok(Encoded::with_cls(hidden, values(cls)?, rows.lengths().to_vec(), d_model))
    }

    fn token_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>> {
        let [_, d_model] = self.model.projection().dims();
        Some(values(self.model.token_scores(self.upload(vectors, d_model))?.logits()))
    }

    fn scores_after(
        &self,
        text: EncoderInput<'_>,
        encoded: &Encoded,
        places: &[usize],
        guesses: &[&[TokenId]],
    ) -> Option<Result<Vec<f32>, DeviceError>> {
        if !self.model.guesses_in_order() {
            return None;
        }
        let (rows, seq, n, d_model) = (guesses.len(), text.ids.len(), places.len(), encoded.d_model());
        let read = encoded.texts().next().expect("a text was read");
        let hidden = self.upload(read, d_model).reshape([1, seq, d_model]).repeat_dim(0, rows);
        let cls = self.upload(encoded.cls(), d_model).repeat_dim(0, rows);
        let ids = TokenMatrix::from_rows(&vec![text.ids; rows], self.pad, 0);
        let segments = text.segments().collect::<Vec<u8>>().repeat(rows);
        let places: Vec<u32> = (0..rows).flat_map(|row| places.iter().map(move |at| (row * seq + at) as u32)).collect();
        // The last token is what is asked for: no step sees it.
        let tokens: Vec<TokenId> = guesses.iter().flat_map(|guess| guess.iter().copied().chain([self.pad])).collect();
        let all = HiddenTokens { ids: &ids, segments: &segments, places: &places, tokens: &tokens };
        let vectors = self.model.vectors_of_hidden(&Encoding { hidden, cls }, all, None); // [rows · n, d_model]
        let last = vectors.reshape([rows, n, d_model]).narrow(1, n - 1, 1).reshape([rows, d_model]);
        Some(values(self.model.token_scores(last)?.logits()))
    }

    fn label_scores(&self, encoded: &Encoded) -> Option<Result<Vec<f32>, DeviceError>> {
        let cls = self.upload(encoded.cls(), encoded.d_model());
        let [texts, d_model] = cls.dims();
        let hidden = cls.clone().reshape([texts, 1, d_model]);
        Some(values(self.model.label_scores(&Encoding { hidden, cls }, None)?))
    }

    fn token_label_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>> {
        let head = self.model.heads().token_classifier?;
        Some(values(self.model.token_label_scores(self.upload(vectors, head.weight.dims()[0]), None)?))
    }

    fn span_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>> {
        let head = self.model.heads().spans?;
        Some(values(self.model.span_scores(self.upload(vectors, head.weight.dims()[0]))?))
    }

    fn alphabet(&self) -> Option<&[TokenId]> {
        self.model.alphabet()
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DeviceError> {
    tensor.try_into_vec_as::<f32>().map_err(DeviceError::new)
}
