//! Which tokens of a text made a model predict what it predicts.

use attentive_core::{TokenId, TokenMatrix};
use attentive_model::TextStack;
use attentive_tokenizer::PairFrame;
use burn::tensor::{Tensor, activation::log_softmax};

use crate::{InspectError, TextViewer, TranslationViewer, view::label};

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

/// What each token of a source, and of what was written before, adds to the log-probability of a token of a translation.
#[derive(Debug, Clone, PartialEq)]
pub struct PairAttribution {
    /// Of the source's tokens.
    pub source: Vec<(String, f64)>,
    /// Of what begins the translation, and the tokens before the one that is explained.
    pub target: Vec<(String, f64)>,
    /// The token that is predicted.
    pub predicted: TokenId,
    /// Its log-probability after both texts, and after blank ones.
    pub log_prob: [f64; 2],
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
        let score = |[x]: [Tensor<3>; 1]| place.scores(x).map(|scores| log_prob(scores, predicted));
        let (log_prob, [shares]) = shares([embedded], &[blank], how, score)?;
        Ok(Attribution { tokens: read.labels, predicted, log_prob, shares })
    }
}

impl TranslationViewer {
    /// What made the model write the token `at` of `target`, counted from 0; by default its last one, and its end if `at` is the
    /// number of its tokens. The tokens of `target` are as those of [`look_at_tokens`](Self::look_at_tokens); the one that all
    /// targets begin with is not counted, and is a part of the frame. `predicted` asks why another one was not written. Shares
    /// are of the tokens of the source and of those written before. In blank texts what stands around texts is the same.
    ///
    /// # Errors
    /// [`InspectError`] if the family's layers are not stacks, a text is too long for the model, or there is no such token.
    ///
    /// # Panics
    /// As [`TextViewer::attribute`].
    pub fn attribute(
        &self,
        source: &str,
        target: &[TokenId],
        at: Option<usize>,
        predicted: Option<TokenId>,
        how: Saliency,
    ) -> Result<PairAttribution, InspectError> {
        let (stacks, n_ids) = (self.stacks()?, self.tokenizer().vocab_size());
        let first = self.frame()?.first;
        let target = first.and_then(|first| target.strip_prefix(&[first])).unwrap_or(target);
        let at = at.unwrap_or(target.len().saturating_sub(1));
        let written = target.get(at).copied().or(self.tokenizer().specials().end().filter(|_| at == target.len()));
        let none = InspectError::NoSuchToken { n_tokens: target.len(), n_ids };
        let Some(predicted) = predicted.or(written).filter(|&id| (id as usize) < n_ids && at <= target.len()) else {
            return Err(none);
        };
        let [source, prefix] = self.read(source, target.get(..at).unwrap_or_default())?;
        let lengths = [source.len()];
        let embed = |[source, prefix]: [&[TokenId]; 2]| {
            let [source, prefix] = [source, prefix].map(|ids| TokenMatrix::from_rows(&[ids], 0, 0));
            [stacks.embed_source(&source), stacks.embed_target(&prefix)].map(Tensor::detach)
        };
        let blank = self.blank(&source, &prefix, at)?;
        let score = |[source, prefix]: [Tensor<3>; 2]| {
            let read = stacks.encoder_states(source, &lengths).pop().ok_or(InspectError::Empty)?;
            let last = stacks.decoder_states(prefix, &stacks.encoded(read), &lengths).pop();
            let last = last.ok_or(InspectError::Empty)?;
            let [_, n, _] = last.dims();
            let scores = stacks.token_scores(last.narrow(1, n - 1, 1));
            Ok::<_, InspectError>(log_prob(scores.squeeze_dim::<2>(0), predicted))
        };
        let blank = embed(blank.each_ref().map(|ids| &ids[..]));
        let (log_prob, [of_source, of_target]) = shares(embed([&source, &prefix]), &blank, how, score)?;
        let prefix = prefix.iter().map(|&id| label(self.tokenizer(), id));
        Ok(PairAttribution {
            source: self.source_labels(&source).into_iter().zip(of_source).collect(),
            target: prefix.zip(of_target).collect(),
            predicted,
            log_prob,
        })
    }

    /// Texts of the same lengths in the same frames that say nothing, as [`TextViewer::blank`]'s; the last `n` tokens of the
    /// prefix are of the translation.
    fn blank(&self, source: &[TokenId], prefix: &[TokenId], n: usize) -> Result<[Vec<TokenId>; 2], InspectError> {
        let specials = self.tokenizer().specials();
        let of = |n_ids: usize| {
            let ids = [specials.mask, specials.end(), specials.pad].into_iter().flatten();
            ids.into_iter().find(|&id| (id as usize) < n_ids).unwrap_or(0)
        };
        let [of_source, of_target] = [self.tokenizer().source_vocab_size(), self.tokenizer().vocab_size()].map(of);
        let PairFrame { source: frame, .. } = self.frame()?;
        let text = frame.before.len()..source.len() - frame.after.len();
        let source = source.iter().enumerate().map(|(at, &id)| if text.contains(&at) { of_source } else { id });
        let first = prefix.len() - n.min(prefix.len());
        let prefix = prefix.iter().enumerate().map(|(at, &id)| if at < first { id } else { of_target });
        Ok([source.collect(), prefix.collect()])
    }
}

/// The log-probability of `score` at `inputs` and at `blanks`, and what each token of the inputs adds: `[1, seq, d_model]` each,
/// without gradients so far.
fn shares<const N: usize>(
    inputs: [Tensor<3>; N],
    blanks: &[Tensor<3>; N],
    how: Saliency,
    score: impl Fn([Tensor<3>; N]) -> Result<Tensor<1>, InspectError>,
) -> Result<([f64; 2], [Vec<f64>; N]), InspectError> {
    let number =
        |inputs: &[Tensor<3>; N]| Ok::<_, InspectError>(f64::from(score(inputs.clone())?.into_scalar::<f32>()));
    let log_prob = [number(&inputs)?, number(blanks)?];
    let gradient = |inputs: [Tensor<3>; N]| {
        let inputs = inputs.map(|x| x.detach().require_grad());
        let tape = score(inputs.clone())?.backward();
        Ok::<_, InspectError>(inputs.map(|x| x.grad(&tape).expect("the prediction depends on the embeddings")))
    };
    let shares = match how {
        Saliency::GradientTimesInput => times(gradient(inputs.clone())?, inputs),
        Saliency::Integrated { steps } => {
            assert!(steps > 0, "steps between a blank text and the text");
            let ways = zipped(inputs, blanks.clone(), |x, blank| x - blank);
            let mut sums = ways.clone().map(|way| way.inner().zeros_like());
            for step in 0..steps {
                let part = (step as f64 + 0.5) / steps as f64;
                let points = zipped(blanks.clone(), ways.clone(), |blank, way| blank + way * part);
                sums = zipped(sums, gradient(points)?, |sum, gradient| sum + gradient);
            }
            times(sums.map(|sum| sum / steps as f64), ways)
        }
    };
    let host =
        |shares: Tensor<3>| shares.sum_dim(2).into_data().convert::<f64>().try_into_vec().expect("converted to f64");
    Ok((log_prob, shares.map(host)))
}

/// Gradients times what they are gradients by.
fn times<const N: usize>(gradients: [Tensor<3>; N], by: [Tensor<3>; N]) -> [Tensor<3>; N] {
    zipped(gradients, by, |gradient, x| gradient * x.inner())
}

fn zipped<const N: usize>(
    a: [Tensor<3>; N],
    b: [Tensor<3>; N],
    f: impl Fn(Tensor<3>, Tensor<3>) -> Tensor<3>,
) -> [Tensor<3>; N] {
    let mut b = b.into_iter();
    a.map(|a| f(a, b.next().expect("as many")))
}

/// The log-probability of a token, of scores `[1, vocab]`: `[1]`.
fn log_prob(scores: Tensor<2>, token: TokenId) -> Tensor<1> {
    log_softmax(scores, 1).narrow(1, token as usize, 1).reshape([1])
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
}
