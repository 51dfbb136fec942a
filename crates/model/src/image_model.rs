//! Encoders of pictures, of any family, as objectives and applications use them.

use attentive_attention::{Dropout, Linear};
use attentive_core::{ImageBatch, Patches};
use burn::tensor::{Device, Tensor};

use crate::LayeredEncoder;

/// Pictures as an encoder sees them.
#[derive(Debug, Clone)]
pub struct ImageEncoding {
    /// A vector for each token, those that are not patches first: `[pictures, tokens, d_model]`.
    pub hidden: Tensor<3>,
    /// The vector that represents a picture, before the pooler: the class token's, or the mean of all. `[pictures,
    /// d_model]`.
    pub vector: Tensor<2>,
    /// The distillation token's vector, if there is one: `[pictures, d_model]`.
    pub distilled: Option<Tensor<2>>,
}

/// The heads that an encoder of pictures has.
#[derive(Debug, Clone, Copy)]
pub struct ImageHeads<'a> {
    /// Maps the vector of a picture, before a hyperbolic tangent.
    pub pooler: Option<&'a Linear>,
    /// Predicts the class of a picture by its vector.
    pub classifier: Option<&'a Linear>,
    /// Predicts it by the distillation token's vector.
    pub distillation: Option<&'a Linear>,
}

/// An encoder of pictures.
pub trait ImageModel {
    /// Reads pictures, which may be of another size than the model is made for.
    ///
    /// # Panics
    /// If patches are of another width than the model's.
    fn encode(&self, pictures: &Patches, pass: Option<&Dropout>) -> ImageEncoding;

    /// [`encode`](Self::encode) in use, and the attention weights of each layer: `[pictures, heads, tokens, tokens]`.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    fn encode_with_weights(&self, pictures: &Patches) -> (ImageEncoding, Vec<Tensor<4>>);

    /// Tokens before those of patches: the class token, the distillation token.
    fn n_tokens_before(&self) -> usize;

    /// The heads on the encoder.
    fn heads(&self) -> ImageHeads<'_>;

    /// The device of the model.
    fn device(&self) -> Device;

    /// The model as features and layers, if it is one that data2vec can train.
    fn layered(&self) -> Option<&dyn LayeredEncoder<ImageBatch>> {
        None
    }

    /// `tanh(W v + b)` of a picture's vector, if there is a pooler: `[pictures, d_model]`.
    fn pooled(&self, encoding: &ImageEncoding) -> Option<Tensor<2>> {
        Some(self.heads().pooler?.forward(encoding.vector.clone()).tanh())
    }

    /// Scores of every class by each classifier that there is, `[pictures, labels]` each: in use their mean counts
    /// (Touvron et al. 2021, §4, "classification with our approach").
    fn label_scores(&self, encoding: &ImageEncoding) -> Vec<Tensor<2>> {
        let ImageHeads { classifier, distillation, .. } = self.heads();
        let of_class = classifier.map(|head| head.forward(encoding.vector.clone()));
        let of_distillation = distillation.zip(encoding.distilled.clone()).map(|(head, vector)| head.forward(vector));
        of_class.into_iter().chain(of_distillation).collect()
    }

    /// The mean of what the classifiers say, if there are any: `[pictures, labels]`.
    fn mean_label_scores(&self, encoding: &ImageEncoding) -> Option<Tensor<2>> {
        let scores = self.label_scores(encoding);
        let n = scores.len() as f64;
        scores.into_iter().reduce(|sum, scores| sum + scores).map(|sum| sum / n)
    }
}
