//! Laws of models that read a text as a whole.

use attentive_core::{LabeledBatch, MaskedBatch, TokenId, TokenMatrix};
use attentive_model::{ClassificationObjective, EncoderModel, MaskedLmObjective};
use attentive_task::Result;
use burn::module::Module;

use super::{
    law::{Bound, Law, largest_difference},
    subject::{Subject, values},
};

impl<M: Module + EncoderModel> Subject<M> {
    /// Tries every law of an encoder; gradients are those of the head that it has.
    pub(super) fn encoder_laws(&self) -> Result<Vec<Law>> {
        let law = |name, what, measured, bound| Law { name, what, measured, bound };
        let sight = "a token changes the vectors of both its neighbours by";
        let padding = "padding and company change vectors by";
        let mut laws = vec![
            law("sight", sight, self.sees_both_sides(), Bound::Above(0.0)),
            law("padding", padding, self.padding(), Bound::AtMost(1e-3)),
        ];
        if self.model.heads().masked_lm.is_some() {
            laws.push(self.gradients(&MaskedLmObjective::default(), &self.masked())?);
        } else if self.model.heads().classifier.is_some_and(|head| head.weight.dims()[1] > 1) {
            // A single label is a score, which is not learnt here.
            laws.push(self.gradients(&ClassificationObjective {}, &self.labeled())?);
        }
        Ok(laws)
    }

    /// Vectors of rows of any length: `rows · columns · d_model` values.
    fn vectors<R: AsRef<[TokenId]>>(&self, rows: &[R], n_cols: usize) -> Vec<f32> {
        let ids = TokenMatrix::from_rows(rows, 1, n_cols);
        let segments = vec![0; ids.ids().len()];
        values(self.model.encode(&ids, &segments, None).hidden)
    }

    /// Changes each token in turn: the smallest of the largest changes that its neighbours before and after it see.
    fn sees_both_sides(&self) -> f64 {
        let row = self.row(2, self.len);
        let expected = self.vectors(&[&row], 0);
        let width = expected.len() / self.len;
        let seen_from = |at: usize, from: usize| {
            let changed = self.vectors(&[self.changed(&row, at)], 0);
            largest_difference(&changed[from * width..][..width], &expected[from * width..][..width])
        };
        let neighbours = (1..self.len).flat_map(|at| [seen_from(at, at - 1), seen_from(at - 1, at)]);
        neighbours.fold(f64::INFINITY, f64::min)
    }

    /// Rows of different lengths together, and a column of padding, against each alone.
    fn padding(&self) -> f64 {
        let rows = self.ragged(3);
        let together = self.vectors(&rows, self.len);
        let per_row = together.len() / rows.len();
        let differences = rows.iter().zip(together.chunks_exact(per_row)).map(|(row, together)| {
            let alone = self.vectors(&[row], 0);
            largest_difference(&alone, &together[..alone.len()])
        });
        differences.fold(0.0, f64::max)
    }

    fn masked(&self) -> MaskedBatch {
        let rows = self.ragged(11);
        let ids = TokenMatrix::from_rows(&rows, 0, 0);
        let masked: Vec<u32> = (0..rows.len() * ids.n_cols())
            .filter(|place| place % ids.n_cols() < ids.lengths()[place / ids.n_cols()])
            .step_by(2)
            .map(|place| place as u32)
            .collect();
        MaskedBatch {
            segments: vec![0; ids.ids().len()],
            targets: self.classes(13, masked.len()),
            masked,
            follows: self
                .model
                .heads()
                .next_sentence
                .is_some()
                .then(|| (0..rows.len()).map(|row| row % 2 == 0).collect()),
            indices: (0..rows.len() as u64).collect(),
            ids,
        }
    }

    /// Tokens that can be guessed: those of the vocabulary, or as many classes as there are.
    fn classes(&self, seed: usize, n: usize) -> Vec<TokenId> {
        let n_classes = self.model.projection().dims()[0] as TokenId;
        let is_class = self.model.alphabet().is_none();
        self.row(seed, n).into_iter().map(|id| if is_class { id % n_classes } else { id }).collect()
    }

    fn labeled(&self) -> LabeledBatch {
        let rows = self.ragged(11);
        LabeledBatch {
            ids: TokenMatrix::from_rows(&rows, 0, 0),
            labels: (0..rows.len() as u32).map(|row| row % 2).collect(),
            indices: (0..rows.len() as u64).collect(),
        }
    }
}
