//! Encoders alone, of any family, as objectives and applications use them.

use attentive_attention::{Dropout, Linear};
use attentive_backend::ops::{self, CrossEntropy};
use attentive_core::{MaskedBatch, TokenId, TokenMatrix};
use burn::tensor::{Device, Tensor};

use crate::{
    LayeredEncoder, TextStack,
    bert::{MaskedLmHead, Pooler},
    tokens::vectors_at,
};

/// Rows as an encoder sees them.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// A vector for each token: `[rows, seq, d_model]`.
    pub hidden: Tensor<3>,
    /// The vector that represents the row, before the pooler: the first token's, or what else the pooler reads.
    /// `[rows, d_model]`.
    pub cls: Tensor<2>,
}

impl Encoding {
    /// The vectors at some places, `row · seq + column`; returns `[places, d_model]`.
    ///
    /// # Panics
    /// If a place does not exist, or `places` is empty.
    pub fn at(&self, places: &[u32]) -> Tensor<2> {
        vectors_at(self.hidden.clone(), places)
    }
}

/// The hidden tokens of some rows, those of a row together, in the order in which they are guessed.
#[derive(Debug, Clone, Copy)]
pub struct HiddenTokens<'a> {
    /// What the model read: `[rows, seq]`.
    pub ids: &'a TokenMatrix,
    /// Segment of each token that it read: `[rows · seq]`.
    pub segments: &'a [u8],
    /// Where tokens are hidden, as `row · seq + column`: `[places]`.
    pub places: &'a [u32],
    /// The hidden tokens; what a model that [guesses in order](EncoderModel::guesses_in_order) sees after it has guessed
    /// each: `[places]`.
    pub tokens: &'a [TokenId],
}

impl<'a> From<&'a MaskedBatch> for HiddenTokens<'a> {
    fn from(batch: &'a MaskedBatch) -> Self {
        Self { ids: &batch.ids, segments: &batch.segments, places: &batch.masked, tokens: &batch.targets }
    }
}

/// The heads that an encoder has.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// Makes one vector of a row.
    pub pooler: Option<Pooler<'a>>,
    /// Guesses hidden tokens.
    pub masked_lm: Option<&'a MaskedLmHead>,
    /// Predicts whether the second segment follows the first.
    pub next_sentence: Option<&'a Linear>,
    /// Predicts the class of a row.
    pub classifier: Option<&'a Linear>,
    /// Predicts the class of a token.
    pub token_classifier: Option<&'a Linear>,
    /// Predicts the first and the last token of an answer.
    pub spans: Option<&'a Linear>,
    /// Probability with which pooled vectors are dropped before the classifier.
    pub dropout: f64,
}

/// Scores of the hidden tokens' classes, not multiplied out yet: `features projectionᵀ + bias`.
#[derive(Debug, Clone)]
pub struct TokenScores {
    /// `[places, d_model]`.
    pub features: Tensor<2>,
    /// `[classes, d_model]`.
    pub projection: Tensor<2>,
    /// `[classes]`.
    pub bias: Tensor<1>,
}

impl TokenScores {
    /// `[places, classes]`.
    pub fn logits(self) -> Tensor<2> {
        ops::linear(self.features, self.projection.transpose(), Some(self.bias))
    }

    /// Cross-entropy with one class for each place.
    pub fn cross_entropy(self, targets: &[u32], label_smoothing: f64) -> CrossEntropy {
        let Self { features, projection, bias } = self;
        let counted = vec![false; targets.len()];
        ops::projected_cross_entropy(features, projection, Some(bias), targets, &counted, label_smoothing)
    }
}

/// An encoder alone.
pub trait EncoderModel {
    /// Reads rows of tokens; `segments` gives each token's segment, padding included: `[rows · seq]`.
    ///
    /// # Panics
    /// If a row is longer than [`max_len`](Self::max_len), or there are fewer segments than tokens.
    fn encode(&self, tokens: &TokenMatrix, segments: &[u8], pass: Option<&Dropout>) -> Encoding;

    /// The heads on the encoder.
    fn heads(&self) -> Heads<'_>;

    /// The model taken apart, if its layers are one stack.
    fn text_stack(&self) -> Option<&dyn TextStack> {
        None
    }

    /// A vector for each class of hidden tokens: `[classes, d_model]`.
    fn projection(&self) -> Tensor<2>;

    /// The tokens that hidden ones are guessed among, by class, in ascending order except for the last class, which is
    /// for all others; `None` if the classes are the vocabulary itself.
    fn alphabet(&self) -> Option<&[TokenId]>;

    /// Whether hidden tokens are guessed one after another, each with those before it in sight.
    fn guesses_in_order(&self) -> bool {
        false
    }

    /// The vectors that hidden tokens are guessed from, `[places, d_model]`: those of their places, or what these become
    /// with the tokens that were guessed before them.
    ///
    /// # Panics
    /// If nothing is hidden, or a place does not exist.
    fn vectors_of_hidden(&self, encoding: &Encoding, hidden: HiddenTokens<'_>, _pass: Option<&Dropout>) -> Tensor<2> {
        encoding.at(hidden.places)
    }

    /// The longest row that the positions allow, if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// The device of the model.
    fn device(&self) -> Device;

    /// The model as features and layers, if it is one that data2vec can train.
    fn layered(&self) -> Option<&dyn LayeredEncoder<MaskedBatch>> {
        None
    }

    /// The class that a token is guessed as.
    fn class_of(&self, token: TokenId) -> u32 {
        match self.alphabet().and_then(<[TokenId]>::split_last) {
            None => token,
            Some((_, tokens)) => tokens.binary_search(&token).unwrap_or(tokens.len()) as u32,
        }
    }

    /// The token of a class.
    ///
    /// # Panics
    /// If the class does not exist.
    fn token_of(&self, class: u32) -> TokenId {
        self.alphabet().map_or(class, |alphabet| alphabet[class as usize])
    }

    /// `tanh(W cls + b)` (Devlin et al. 2019, §3, `C`), or what else the pooler is, if there is one: `[rows, d_model]`.
    fn pooled(&self, encoding: &Encoding) -> Option<Tensor<2>> {
        Some(self.heads().pooler?.forward(encoding.cls.clone()))
    }

    /// What heads of tokens read, of tokens whose vectors are `[tokens, d_model]`: these, or the pooler's output for each.
    fn features(&self, vectors: Tensor<2>) -> Tensor<2> {
        match self.heads().pooler.filter(|pooler| pooler.of_tokens) {
            Some(pooler) => pooler.forward(vectors),
            None => vectors,
        }
    }

    /// Scores of the tokens at some places, whose vectors are `[places, d_model]`, if there is a head for them.
    fn token_scores(&self, vectors: Tensor<2>) -> Option<TokenScores> {
        let head = self.heads().masked_lm?;
        Some(TokenScores { features: head.transform(vectors), projection: self.projection(), bias: head.bias.val() })
    }

    /// Scores of whether the second segment follows the first, and whether it does not: `[rows, 2]`, if there is a head.
    fn next_sentence_scores(&self, encoding: &Encoding) -> Option<Tensor<2>> {
        Some(self.heads().next_sentence?.forward(self.pooled(encoding)?))
    }

    /// Scores of every class of a row, if there is a classifier: `[rows, labels]`.
    fn label_scores(&self, encoding: &Encoding, pass: Option<&Dropout>) -> Option<Tensor<2>> {
        let Heads { classifier, dropout, .. } = self.heads();
        Some(classifier?.forward(ops::dropout(self.pooled(encoding)?, dropout, pass)))
    }

    /// Scores of every class of some tokens, whose vectors are `[tokens, d_model]`, if tokens are classified:
    /// `[tokens, labels]`.
    fn token_label_scores(&self, vectors: Tensor<2>, pass: Option<&Dropout>) -> Option<Tensor<2>> {
        let Heads { token_classifier, dropout, .. } = self.heads();
        Some(token_classifier?.forward(ops::dropout(self.features(vectors), dropout, pass)))
    }

    /// Scores of being the first and the last token of an answer, of tokens whose vectors are `[tokens, d_model]`, if
    /// there is a head for them: `[tokens, 2]` (Devlin et al. 2019, §4.2, `S` and `E`).
    fn span_scores(&self, vectors: Tensor<2>) -> Option<Tensor<2>> {
        Some(self.heads().spans?.forward(self.features(vectors)))
    }
}
