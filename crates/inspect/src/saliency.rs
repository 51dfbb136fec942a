//! Which tokens of a text made a model predict what it predicts.

use attentive_core::{TokenId, TokenMatrix};
use attentive_model::TextStack;
use burn::tensor::{Tensor, activation::log_softmax};

use crate::{InspectError, TextViewer};

/// How the share of each token is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saliency {
    /// The gradient at the token's embedding times the embedding.
    GradientTimesInput,
    /// Integrated gradients (Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", eq. 1) from a blank text of
    /// the same length, by the midpoints of so many steps. Shares sum to the difference that the tokens make. A blank text is
    /// one of masks, or of the token between documents; embeddings of zero are none, for norms make them as long as others.
    Integrated {
        /// Steps between the blank text and the text.
        steps: usize,
    },
}

/// What each token of a text adds to the log-probability of one prediction, in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The text's tokens.
    pub tokens: Vec<String>,
    /// The token that is predicted.
    pub predicted: TokenId,
    /// Its log-probability after the text, and after a blank one.
    pub log_prob: [f64; 2],
    /// What each token adds.
    pub shares: Vec<f64>,
}

impl TextViewer {
    /// What made the model predict `predicted` at the token `at` of `text`, counted from 0 in [`Attribution::tokens`]: after
    /// it, if it is a language model. By default, it is the most probable token at the last one; of an encoder at the first
    /// mask, or without one at the last before the frame's end. In an encoder's text, the names of special tokens, as
    /// `[MASK]`, are these tokens; one that is not hidden is seen by the encoder, which mostly says it again.
    ///
    /// # Errors
    /// [`InspectError`] if the model predicts no tokens, the text is empty or too long for it, or there is no such token.
    ///
    /// # Panics
    /// If there are no steps, or the model's device has no gradients.
    pub fn attribute(
        &self,
        text: &str,
        at: Option<usize>,
        predicted: Option<TokenId>,
        how: Saliency,
    ) -> Result<Attribution, InspectError> {
        let read = self.read_with_specials(text)?;
        let (n_tokens, n_ids) = (read.ids.len(), self.tokenizer().vocab_size());
        let mask = self.tokenizer().specials().mask.filter(|_| !self.is_causal());
        let hidden = mask.and_then(|mask| read.ids.iter().position(|&id| id == mask));
        let last = n_tokens.saturating_sub(if self.is_causal() { 1 } else { 2 });
        let at = at.or(hidden).unwrap_or(last);
        if at >= n_tokens || predicted.is_some_and(|id| id as usize >= n_ids) {
            return Err(InspectError::NoSuchToken { n_tokens, n_ids });
        }
        let stack = self.stack();
        let place = Place { stack, row: &read.row, at };
        let embedded = stack.embed(&read.row, &read.segments).detach();
        let blank = stack.embed(&self.blank(&read), &read.segments).detach();
        let predicted = match predicted {
            Some(id) => id,
            None => {
                // A projection may have more rows than there are tokens.
                let scores = place.scores(embedded.clone())?;
                let n = scores.dims()[1].min(n_ids);
                scores.narrow(1, 0, n).argmax(1).into_scalar::<i64>() as TokenId
            }
        };
        let of_both = [&embedded, &blank].map(|x| place.log_prob(x.clone(), predicted));
        let [after_text, after_blank] =
            of_both.map(|log_prob| log_prob.map(|log_prob| f64::from(log_prob.into_scalar::<f32>())));
        let log_prob = [after_text?, after_blank?];
        let shares = match how {
            Saliency::GradientTimesInput => place.gradient(embedded.clone(), predicted)? * embedded.inner(),
            Saliency::Integrated { steps } => {
                assert!(steps > 0, "steps between a blank text and the text");
                let way = embedded - blank.clone();
                let mut sum = way.clone().inner().zeros_like();
                for step in 0..steps {
                    let point = blank.clone() + way.clone() * ((step as f64 + 0.5) / steps as f64);
                    sum = sum + place.gradient(point, predicted)?;
                }
                sum / steps as f64 * way.inner()
            }
        };
        let shares = shares.sum_dim(2).into_data().convert::<f64>().try_into_vec().expect("converted to f64");
        Ok(Attribution { tokens: read.labels, predicted, log_prob, shares })
    }
}

/// Where a token is predicted.
struct Place<'a> {
    stack: &'a dyn TextStack,
    row: &'a TokenMatrix,
    at: usize,
}

impl Place<'_> {
    /// Scores of all tokens, of embeddings `[1, seq, d_model]`: `[1, vocab]`.
    fn scores(&self, x: Tensor<3>) -> Result<Tensor<2>, InspectError> {
        let hidden = self.stack.stack().forward(x, &self.stack.sight(self.row), None);
        let scores = self.stack.token_scores(hidden.narrow(1, self.at, 1)).ok_or(InspectError::NoTokens)?;
        Ok(scores.squeeze_dim::<2>(0))
    }

    /// The log-probability of a token: `[1]`.
    fn log_prob(&self, x: Tensor<3>, token: TokenId) -> Result<Tensor<1>, InspectError> {
        Ok(log_softmax(self.scores(x)?, 1).narrow(1, token as usize, 1).reshape([1]))
    }

    /// The gradient of [`log_prob`](Self::log_prob) at `x`: `[1, seq, d_model]`, on a device without gradients.
    fn gradient(&self, x: Tensor<3>, token: TokenId) -> Result<Tensor<3>, InspectError> {
        let x = x.detach().require_grad();
        let tape = self.log_prob(x.clone(), token)?.backward();
        Ok(x.grad(&tape).expect("the prediction depends on the embeddings"))
    }
}
