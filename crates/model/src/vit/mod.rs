//! The Vision Transformer, ViT (Dosovitskiy et al. 2021), and DeiT (Touvron et al. 2021): a picture is a sentence of
//! patches.

mod config;
mod objective;
mod positions;
mod presets;

pub use config::{Distillation, ImagePooling, VitConfig};
pub use objective::ImageClassificationObjective;
pub use positions::{grid_positions, interpolation};

use attentive_attention::{AttentionContext, Dropout, Linear, Mask};
use attentive_backend::ops;
use attentive_core::{ImageBatch, Patches};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};

use crate::{
    ImageEncoding, ImageHeads, ImageModel, LayeredEncoder, Sight, Stack,
    data2vec::{Hidden, Hiding, TargetNorm, hidden_in_rows},
};

/// A stack of bidirectional self-attention over the patches of a picture, with heads on it.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_core::Patches;
/// use attentive_model::{ImageModel, ModelSpec, VitConfig};
///
/// let device = BackendKind::Flex.device()?;
/// let model = VitConfig::vit_like(8, 4, [2, 2, 16]).init(&device, 1)?;
/// let pictures = Patches::new(vec![0.5; 3 * 4 * 48], 3, [2, 2]);
/// let encoding = model.encode(&pictures, None);
/// assert_eq!(encoding.hidden.dims(), [3, 5, 16]);
/// assert_eq!(encoding.vector.dims(), [3, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Vit {
    /// From the values of a patch to the width of the stack.
    pub patches: Linear,
    /// The vector that stands before all patches, and comes to represent the picture: `[1, d_model]`.
    pub class_token: Option<Param<Tensor<2>>>,
    /// The vector after it that learns from a teacher: `[1, d_model]`.
    pub distillation_token: Option<Param<Tensor<2>>>,
    /// A learned vector for each token, patches row by row: `[tokens, d_model]`.
    pub positions: Param<Tensor<2>>,
    /// The stack of layers.
    pub encoder: Stack,
    /// Maps the vector of a picture.
    pub pooler: Option<Linear>,
    /// Predicts the class of a picture.
    pub classifier: Option<Linear>,
    /// Predicts it from the distillation token.
    pub distillation_classifier: Option<Linear>,
    /// Probability with which embeddings are dropped.
    pub dropout: f64,
    /// Rows, and columns, of patches that there are positions for.
    pub side: usize,
}

impl Vit {
    /// The sums of patches and positions, with the tokens before them: `[pictures, tokens, d_model]`.
    fn embed(&self, pictures: &Patches, hidden: Option<Hidden<'_>>, pass: Option<&Dropout>) -> Tensor<3> {
        let (n, device) = (pictures.n_pictures(), self.device());
        let shape = [n, pictures.per_picture(), pictures.width()];
        let values = Tensor::<3>::from_data(TensorData::new(pictures.values().to_vec(), shape), &device);
        let patches = self.patches.forward(values); // [pictures, patches, width] to [pictures, patches, d_model]
        let patches = match hidden {
            Some(hidden) => hidden.replace(patches, self.n_tokens_before()),
            None => patches,
        };
        let [_, _, d_model] = patches.dims();
        let before = [&self.class_token, &self.distillation_token].into_iter().flatten();
        let before = before.map(|token| token.val().reshape([1, 1, d_model]).expand([n, 1, d_model]));
        let tokens: Vec<Tensor<3>> = before.chain([patches]).collect();
        let positions = grid_positions(self.positions.val(), self.n_tokens_before(), self.side, pictures.grid());
        let x = Tensor::cat(tokens, 1);
        ops::dropout(x + positions.unsqueeze(), self.dropout, pass)
    }

    /// What represents each picture, of the last layer's vectors.
    fn represent(&self, hidden: Tensor<3>) -> ImageEncoding {
        let [n, _, d_model] = hidden.dims();
        let token = |idx: usize| hidden.clone().narrow(1, idx, 1).reshape([n, d_model]);
        let vector = match self.class_token {
            Some(_) => token(0),
            None => hidden.clone().mean_dim(1).reshape([n, d_model]),
        };
        let distilled = self.distillation_token.as_ref().map(|_| token(1));
        ImageEncoding { vector, distilled, hidden }
    }
}

impl ImageModel for Vit {
    fn encode(&self, pictures: &Patches, pass: Option<&Dropout>) -> ImageEncoding {
        let context = AttentionContext::from(Mask::none());
        self.represent(self.encoder.forward(self.embed(pictures, None, pass), &context, pass))
    }

    fn encode_with_weights(&self, pictures: &Patches) -> (ImageEncoding, Vec<Tensor<4>>) {
        let context = AttentionContext::from(Mask::none());
        let (hidden, weights) = self.encoder.forward_with_weights(self.embed(pictures, None, None), &context);
        (self.represent(hidden), weights)
    }

    fn n_tokens_before(&self) -> usize {
        [&self.class_token, &self.distillation_token].into_iter().flatten().count()
    }

    fn heads(&self) -> ImageHeads<'_> {
        ImageHeads {
            pooler: self.pooler.as_ref(),
            classifier: self.classifier.as_ref(),
            distillation: self.distillation_classifier.as_ref(),
        }
    }

    fn device(&self) -> Device {
        self.positions.device()
    }

    fn layered(&self) -> Option<&dyn LayeredEncoder<ImageBatch>> {
        Some(self)
    }
}

/// Blocks of patches are hidden, whose embeddings a vector takes the place of, as in BEiT (Bao et al. 2022, §2.3).
impl LayeredEncoder<ImageBatch> for Vit {
    fn layers(&self) -> &Stack {
        &self.encoder
    }

    fn target_norm(&self, _: &ImageBatch) -> TargetNorm {
        TargetNorm::Layer
    }

    fn hides_by_vector(&self) -> bool {
        true
    }

    fn hidden(&self, batch: &ImageBatch, hiding: Hiding, pass: Option<&Dropout>) -> Vec<u32> {
        let before = self.n_tokens_before();
        let n = before + batch.patches.per_picture();
        hidden_in_rows(batch, n, pass, |_, random| {
            let blocks = hiding.blocks(batch.patches.grid(), random);
            blocks.into_iter().map(|at| before as u32 + at).collect()
        })
    }

    fn features(&self, batch: &ImageBatch, hidden: Option<Hidden<'_>>, pass: Option<&Dropout>) -> Tensor<3> {
        self.embed(&batch.patches, hidden, pass)
    }

    fn sight(&self, _: &ImageBatch) -> Sight<'_> {
        AttentionContext::from(Mask::none()).into()
    }
}
