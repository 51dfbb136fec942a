//! Laws of models that continue a text.

use attentive_backend::ops;
use attentive_core::{SequenceBatch, TokenId, TokenMatrix};
use attentive_model::{CausalLmObjective, CausalModel};
use attentive_task::Result;
use burn::{module::Module, tensor::activation::log_softmax};

use super::{
    law::{Bound, Law, largest_difference},
    subject::{Subject, values},
};

impl<M: Module + CausalModel> Subject<M> {
    /// Tries every law of a language model.
    pub(super) fn generator_laws(&self) -> Result<Vec<Law>> {
        let law = |name, what, measured, bound| Law { name, what, measured, bound };
        let causality = "what follows a token changes its log-probabilities by";
        let sight = "the token before changes a token's log-probabilities by";
        let padding = "padding and company change log-probabilities by";
        let cache = "a token at a time changes log-probabilities by";
        let batch = SequenceBatch::next_tokens(&self.ragged(11), 0, (0..3).collect());
        Ok(vec![
            law("causality", causality, self.causality(), Bound::AtMost(0.0)),
            law("sight", sight, self.sight(), Bound::Above(0.0)),
            law("padding", padding, self.company(), Bound::AtMost(1e-3)),
            law("cache", cache, self.cache(), Bound::AtMost(1e-3)),
            self.gradients(&CausalLmObjective::default(), &batch)?,
        ])
    }

    /// Log-probabilities at every position of rows of one length, read at once: `rows · len · vocab` values.
    fn text_at_once(&self, rows: &[&[TokenId]]) -> Vec<f32> {
        let (projection, bias) = self.model.output_projection();
        let hidden = self.model.hidden(&TokenMatrix::from_rows(rows, 0, 0), None);
        values(log_softmax(ops::linear(hidden, projection.transpose(), bias), 2))
    }

    /// Changes each token in turn: the largest change before it.
    fn causality(&self) -> f64 {
        let row = self.row(2, self.len);
        let expected = self.text_at_once(&[&row]);
        let vocab = expected.len() / self.len;
        let change_at = |at: usize| {
            let changed = self.text_at_once(&[&self.changed(&row, at)]);
            largest_difference(&changed[..at * vocab], &expected[..at * vocab])
        };
        (1..self.len).map(change_at).fold(0.0, f64::max)
    }

    /// Changes the last token but one: the change after it, which is small where a model looks no further than a token.
    fn sight(&self) -> f64 {
        let row = self.row(2, self.len);
        let last = self.len.saturating_sub(2);
        let changed = self.text_at_once(&[&self.changed(&row, last)]);
        let vocab = changed.len() / self.len;
        largest_difference(&changed[(self.len - 1) * vocab..], &self.text_at_once(&[&row])[(self.len - 1) * vocab..])
    }

    /// Rows padded to one length together, against each alone.
    fn company(&self) -> f64 {
        let rows = self.ragged(3);
        let padded: Vec<Vec<TokenId>> =
            rows.iter().map(|row| [&row[..], &vec![0; self.len - row.len()]].concat()).collect();
        let together = self.text_at_once(&padded.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let per_row = together.len() / rows.len();
        let differences = rows.iter().zip(together.chunks_exact(per_row)).map(|(row, together)| {
            let alone = self.text_at_once(&[row]);
            largest_difference(&alone, &together[..alone.len()])
        });
        differences.fold(0.0, f64::max)
    }

    /// One token after another, in company, against all at once.
    fn cache(&self) -> f64 {
        let (row, other) = (self.row(5, self.len), self.row(6, self.len));
        let expected = self.text_at_once(&[&row]);
        let vocab = expected.len() / self.len;
        let mut state = self.model.start(2);
        let steps = row.iter().zip(&other).zip(expected.chunks_exact(vocab));
        let differences = steps.map(|((&token, &beside), expected)| {
            let log_probs =
                self.model.log_probs(&[token, beside], &mut state).expect("the device hands its results over");
            largest_difference(&log_probs[..vocab], expected)
        });
        differences.fold(0.0, f64::max)
    }
}
