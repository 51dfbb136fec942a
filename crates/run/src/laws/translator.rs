//! Laws of models that translate.

use attentive_backend::ops;
use attentive_core::{TokenId, TokenMatrix, TranslationBatch};
use attentive_model::{TeacherForced, TranslationObjective};
use attentive_task::Result;
use burn::{module::Module, tensor::activation::log_softmax};

use super::{
    law::{Bound, Law, largest_difference},
    subject::{Subject, values},
};

impl<M: Module + TeacherForced> Subject<M> {
    /// Tries every law of an encoder–decoder.
    pub(super) fn translator_laws(&self) -> Result<Vec<Law>> {
        let law = |name, what, measured, bound| Law { name, what, measured, bound };
        let causality = "what follows a token changes its log-probabilities by";
        let sight = "the source's last token changes the first log-probabilities by";
        let padding = "padding and company change log-probabilities by";
        let cache = "a token at a time changes log-probabilities by";
        Ok(vec![
            law("causality", causality, self.target_causality(), Bound::AtMost(0.0)),
            law("sight", sight, self.source_sight(), Bound::Above(0.0)),
            law("padding", padding, self.source_padding(), Bound::AtMost(1e-3)),
            law("cache", cache, self.target_cache(), Bound::AtMost(1e-3)),
            self.gradients(&TranslationObjective::default(), &self.pairs())?,
        ])
    }

    /// Log-probabilities at every position of `target`, read at once: `tgt · vocab` values.
    fn at_once(&self, source: &[TokenId], target: &[TokenId]) -> Vec<f32> {
        // The last target token is asked for, not read.
        let batch = TranslationBatch {
            source: TokenMatrix::from_rows(&[source], 0, 0),
            target: TokenMatrix::from_rows(&[[target, &[0]].concat()], 0, 0),
            indices: vec![0],
        };
        let (projection, bias) = self.model.output_projection();
        let hidden = self.model.teacher_forced(&batch, None);
        values(log_softmax(ops::linear(hidden, projection.transpose(), bias), 2))
    }

    /// Log-probabilities of the first target token of each source: `rows · vocab` values.
    fn first(&self, sources: &TokenMatrix) -> Vec<f32> {
        let mut state = self.model.start(sources);
        self.model.log_probs(&vec![0; sources.n_rows()], &mut state).expect("the device hands its results over")
    }

    /// Changes each token in turn: the largest change before it.
    fn target_causality(&self) -> f64 {
        let (source, target) = (self.row(1, self.len), self.row(2, self.len));
        let expected = self.at_once(&source, &target);
        let vocab = expected.len() / self.len;
        let change_at = |at: usize| {
            let changed = self.at_once(&source, &self.changed(&target, at));
            largest_difference(&changed[..at * vocab], &expected[..at * vocab])
        };
        (1..self.len).map(change_at).fold(0.0, f64::max)
    }

    /// Changes the source's last token.
    fn source_sight(&self) -> f64 {
        let source = self.row(1, self.len);
        let first = |source: &[TokenId]| self.first(&TokenMatrix::from_rows(&[source], 0, 0));
        largest_difference(&first(&source), &first(&self.changed(&source, self.len - 1)))
    }

    /// Rows of different lengths together, and a column of padding, against each alone.
    fn source_padding(&self) -> f64 {
        let rows = self.ragged(3);
        let together = self.first(&TokenMatrix::from_rows(&rows, 1, self.len));
        let vocab = together.len() / rows.len();
        let differences = rows
            .iter()
            .zip(together.chunks_exact(vocab))
            .map(|(row, together)| largest_difference(&self.first(&TokenMatrix::from_rows(&[row], 0, 0)), together));
        differences.fold(0.0, f64::max)
    }

    /// One token after another, against all at once.
    fn target_cache(&self) -> f64 {
        let (source, target) = (self.row(5, self.len), self.row(6, self.len));
        let expected = self.at_once(&source, &target);
        let mut state = self.model.start(&TokenMatrix::from_rows(&[&source], 0, 0));
        let steps = target.iter().zip(expected.chunks_exact(expected.len() / self.len));
        let differences = steps.map(|(&token, expected)| {
            largest_difference(
                &self.model.log_probs(&[token], &mut state).expect("the device hands its results over"),
                expected,
            )
        });
        differences.fold(0.0, f64::max)
    }

    fn pairs(&self) -> TranslationBatch {
        let (source, target) = (self.ragged(7), self.ragged(11));
        TranslationBatch {
            source: TokenMatrix::from_rows(&source, 0, 0),
            // The longest targets first, so that a row's sides differ.
            target: TokenMatrix::from_rows(
                &target.iter().rev().map(|row| [&row[..], &[0]].concat()).collect::<Vec<_>>(),
                0,
                0,
            ),
            indices: (0..source.len() as u64).collect(),
        }
    }
}
