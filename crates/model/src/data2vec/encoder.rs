//! Encoders that data2vec trains: features of what is read, and layers over them.

use attentive_attention::Dropout;
use attentive_core::{Batch, mix64};
use burn::tensor::{Tensor, TensorData};

use super::Hiding;
use crate::{Sight, Stack};

/// Along what the outputs of a teacher's layers are normalised, without parameters (Baevski et al. 2022, §3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetNorm {
    /// Along the features of each position, as a layer norm does: of texts and pictures.
    Layer,
    /// Along the positions of each feature (Ulyanov et al. 2016): of sound, whose neighbours are alike, so that what all
    /// positions share would be all that there is to learn. Of each row, so many of the first positions count: the others are
    /// silence that fills it.
    Instance {
        /// Positions of each row that count.
        lengths: Vec<usize>,
    },
}

/// An encoder of batches `B`, such as texts, pictures or sound, as data2vec sees it: features, positions included, and a stack
/// of layers over them.
pub trait LayeredEncoder<B> {
    /// The stack of layers.
    fn layers(&self) -> &Stack;

    /// Along what the outputs of layers are normalised.
    fn target_norm(&self, batch: &B) -> TargetNorm;

    /// Whether a learned vector takes the place of what is hidden; else the batch itself has something in its place.
    fn hides_by_vector(&self) -> bool;

    /// Places of what is hidden, `row · positions + position`: what the batch says, or else drawn by the next key of `pass`,
    /// as dropout is; in use by the index of each example, so that it is always the same.
    fn hidden(&self, batch: &B, hiding: Hiding, pass: Option<&Dropout>) -> Vec<u32>;

    /// What the layers read: `[rows, positions, d_model]`, of all that the batch holds, or with some of it hidden.
    ///
    /// # Panics
    /// As the model's own way to read a batch.
    fn features(&self, batch: &B, hidden: Option<Hidden<'_>>, pass: Option<&Dropout>) -> Tensor<3>;

    /// What each position sees in each layer.
    fn sight(&self, batch: &B) -> Sight<'_>;
}

/// What is hidden.
#[derive(Debug, Clone, Copy)]
pub struct Hidden<'a> {
    /// Places, `row · positions + position`.
    pub places: &'a [u32],
    /// The vector that takes their place, `[1, d_model]`, if the encoder [wants one](LayeredEncoder::hides_by_vector).
    pub vector: Option<&'a Tensor<2>>,
}

impl Hidden<'_> {
    /// `x`, `[rows, n, d_model]`, with the vector where something is hidden; places are those of rows of `before + n` positions,
    /// the first `before` of which are never hidden.
    pub(crate) fn replace(&self, x: Tensor<3>, before: usize) -> Tensor<3> {
        let Some(vector) = self.vector else { return x };
        let ([rows, n, d_model], device) = (x.dims(), x.device());
        let mut shares = vec![0.0_f32; rows * n];
        for &place in self.places {
            let (row, at) = (place as usize / (before + n), place as usize % (before + n));
            shares[row * n + at - before] = 1.0;
        }
        let kept = shares.iter().map(|share| 1.0 - share).collect::<Vec<_>>();
        let shares = Tensor::<3>::from_data(TensorData::new(shares, [rows, n, 1]), &device);
        let kept = Tensor::<3>::from_data(TensorData::new(kept, [rows, n, 1]), &device);
        x * kept + shares * vector.clone().reshape([1, 1, d_model])
    }
}

/// Places of what is hidden in rows of `n` positions, those of each row drawn by `draw`, which gets its number.
pub(crate) fn hidden_in_rows<B: Batch>(
    batch: &B,
    n: usize,
    pass: Option<&Dropout>,
    draw: impl Fn(usize, &Dropout) -> Vec<u32>,
) -> Vec<u32> {
    let key = pass.map(Dropout::next_key);
    let of_row = |(row, &idx): (usize, &u64)| {
        let random = Dropout::new(key.map_or_else(|| mix64(idx), |key| key ^ mix64(row as u64)));
        draw(row, &random).into_iter().map(move |at| (row * n) as u32 + at)
    };
    batch.indices().iter().enumerate().flat_map(of_row).collect()
}
