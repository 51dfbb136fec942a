//! What each layer would predict, if it were the last.

use attentive_core::{TokenId, TokenMatrix};
use attentive_tokenizer::Tokenizer;
use burn::tensor::{Tensor, activation::softmax};

use crate::{InspectError, TextViewer, TranslationViewer, text_viewer::ReadText, view::label};

/// Positions whose tokens are scored together: a long text over a large vocabulary has billions of scores.
const SCORED_AT_ONCE: usize = 64;

/// The predictions of every layer for every token of a text: the logit lens.
///
/// Source: nostalgebraist 2020, "interpreting GPT: the logit lens". What a layer gives is read through the last norm and the
/// projection, as if no layer followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Lens {
    /// The text's tokens, of a translation model what begins a translation and its tokens. A language model and a decoder predict
    /// the one after each, an encoder each one again.
    pub tokens: Vec<String>,
    /// Whether it is the next token that is predicted.
    pub is_next: bool,
    /// For the input of the first layer and for each layer's output, for each token, the most probable tokens, best first.
    pub layers: Vec<Vec<Vec<Guess>>>,
}

/// A token and its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// What the token says.
    pub token: String,
    /// Its probability.
    pub probability: f64,
}

impl TextViewer {
    /// The `k` most probable tokens by every layer, when the model reads `text`; in an encoder's, the names of special tokens,
    /// as `[MASK]`, are these tokens.
    ///
    /// # Errors
    /// [`InspectError`] if the model predicts no tokens, or the text is empty or too long for it.
    ///
    /// # Panics
    /// If the device does not hand over its values.
    pub fn lens(&self, text: &str, k: usize) -> Result<Lens, InspectError> {
        let ReadText { labels, row, segments, .. } = self.read_with_specials(text)?;
        let stack = self.stack();
        let scores = |read: Tensor<3>| stack.token_scores(stack.stack().finish(read)).ok_or(InspectError::NoTokens);
        let layers = guesses(stack.hidden_states(&row, &segments), scores, self.tokenizer(), k)?;
        Ok(Lens { tokens: labels, is_next: self.is_causal(), layers })
    }
}

impl TranslationViewer {
    /// The `k` most probable next tokens by every layer of the decoder, when the model reads `source` and writes `target`, whose
    /// tokens are as those of [`look_at_tokens`](Self::look_at_tokens).
    ///
    /// # Errors
    /// [`InspectError`] if the family's layers are not stacks, or a text is too long for the model.
    ///
    /// # Panics
    /// If the device does not hand over its values.
    pub fn lens(&self, source: &str, target: &[TokenId], k: usize) -> Result<Lens, InspectError> {
        let [source, target] = self.read(source, target)?;
        let (stacks, lengths) = (self.stacks()?, [source.len()]);
        let [source, row] = [&source, &target].map(|ids| TokenMatrix::from_rows(&[ids], 0, 0));
        let read = stacks.encoder_states(stacks.embed_source(&source), &lengths).pop();
        let memory = stacks.encoded(read.ok_or(InspectError::Empty)?);
        let states = stacks.decoder_states(stacks.embed_target(&row), &memory, &lengths);
        let layers = guesses(states, |read| Ok(stacks.token_scores(read)), self.tokenizer(), k)?;
        let tokens = target.iter().map(|&id| label(self.tokenizer(), id)).collect();
        Ok(Lens { tokens, is_next: true, layers })
    }
}

/// The `k` most probable tokens, best first, by what layers give, `[1, seq, d_model]` each, of which `scores` makes `[1, seq,
/// vocab]`.
fn guesses(
    layers: Vec<Tensor<3>>,
    scores: impl Fn(Tensor<3>) -> Result<Tensor<3>, InspectError>,
    tokenizer: &dyn Tokenizer,
    k: usize,
) -> Result<Vec<Vec<Vec<Guess>>>, InspectError> {
    let n_tokens = tokenizer.vocab_size();
    let best = |row: &[f32]| {
        let mut order: Vec<usize> = (0..row.len().min(n_tokens)).collect();
        let by_rank = |&a: &usize, &b: &usize| row[b].total_cmp(&row[a]).then(a.cmp(&b));
        if k < order.len() {
            order.select_nth_unstable_by(k, by_rank);
            order.truncate(k);
        }
        order.sort_unstable_by(by_rank);
        let guess = |id: usize| Guess { token: label(tokenizer, id as TokenId), probability: f64::from(row[id]) };
        order.into_iter().map(guess).collect::<Vec<Guess>>()
    };
    let of_layer = |read: Tensor<3>| {
        let mut guesses = Vec::new();
        for part in read.split(SCORED_AT_ONCE, 1) {
            let scores = scores(part)?;
            let [.., vocab] = scores.dims();
            let values: Vec<f32> =
                softmax(scores, 2).into_data().convert::<f32>().try_into_vec().expect("converted to f32");
            guesses.extend(values.chunks(vocab).map(best));
        }
        Ok(guesses)
    };
    layers.into_iter().map(of_layer).collect()
}
