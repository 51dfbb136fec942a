//! Models that read a text as a whole.

use crate::{DeviceError, TokenId};

/// What an [`Encoder`] reads at once: a text, or two, of which the second is a segment of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderInput<'a> {
    /// All tokens.
    pub ids: &'a [TokenId],
    /// Tokens of the first segment; those after them are of the second.
    pub n_first: usize,
}

impl<'a> From<&'a [TokenId]> for EncoderInput<'a> {
    /// One segment.
    fn from(ids: &'a [TokenId]) -> Self {
        Self { ids, n_first: ids.len() }
    }
}

impl EncoderInput<'_> {
    /// The segment of each token, 0 or 1.
    pub fn segments(&self) -> impl Iterator<Item = u8> {
        (0..self.ids.len()).map(|at| u8::from(at >= self.n_first))
    }
}

/// A model that makes a vector of each token of a text, in context, and guesses from vectors what its heads guess.
///
/// Texts and vectors are on the host. A text's vectors do not depend on the texts beside it.
pub trait Encoder {
    /// The longest text that the positions allow, if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// Reads whole texts, each of one token or more.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// If a text is longer than [`max_len`](Self::max_len), or of more segments than the model has.
    fn encode(&self, texts: &[EncoderInput<'_>]) -> Result<Encoded, DeviceError>;

    /// Scores of the classes of the hidden tokens whose vectors are `vectors`, `[places, d_model]`, if there is a head
    /// for them: `[places, classes]`.
    fn token_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>>;

    /// Scores of the classes of the last of some hidden `places` of the only text of `encoded`, after each of several
    /// guesses of all places before it; `None` of a model that guesses each place by itself. `[guesses, classes]`.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    ///
    /// # Panics
    /// If `text` is not what was read, a guess is not of one token less than there are places, or there are none.
    fn scores_after(
        &self,
        _text: EncoderInput<'_>,
        _encoded: &Encoded,
        _places: &[usize],
        _guesses: &[&[TokenId]],
    ) -> Option<Result<Vec<f32>, DeviceError>> {
        None
    }

    /// Scores of every label of each text, if there is a classifier: `[texts, labels]`.
    fn label_scores(&self, encoded: &Encoded) -> Option<Result<Vec<f32>, DeviceError>>;

    /// Scores of every label of the tokens whose vectors are `vectors`, `[tokens, d_model]`, if tokens are classified:
    /// `[tokens, labels]`.
    fn token_label_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>>;

    /// Scores of being the first and the last token of an answer, of the tokens whose vectors are `vectors`,
    /// `[tokens, d_model]`, if there is a head for them: `[tokens, 2]`.
    fn span_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>>;

    /// The tokens that hidden ones are guessed among, by class, the last class being for all others; `None` if the
    /// classes are the vocabulary itself.
    fn alphabet(&self) -> Option<&[TokenId]> {
        None
    }
}

/// Texts as an [`Encoder`] sees them, without padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    hidden: Vec<f32>,
    cls: Vec<f32>,
    lengths: Vec<usize>,
    d_model: usize,
}

impl Encoded {
    /// Vectors of all tokens, `[tokens, d_model]`, text after text; the first of each represents its text.
    ///
    /// # Panics
    /// If there are not as many vectors as tokens, or a text is empty.
    pub fn new(hidden: Vec<f32>, lengths: Vec<usize>, d_model: usize) -> Self {
        let mut first = 0;
        let mut cls = Vec::with_capacity(lengths.len() * d_model);
        for &len in &lengths {
            assert!(len > 0, "a text without tokens");
            cls.extend_from_slice(&hidden[first * d_model..][..d_model]);
            first += len;
        }
        Self::with_cls(hidden, cls, lengths, d_model)
    }

    /// As [`new`](Self::new), with vectors of their own that represent texts, `[texts, d_model]`.
    ///
    /// # Panics
    /// If there are not as many vectors as tokens and texts.
    pub fn with_cls(hidden: Vec<f32>, cls: Vec<f32>, lengths: Vec<usize>, d_model: usize) -> Self {
        assert_eq!(hidden.len(), lengths.iter().sum::<usize>() * d_model, "a vector for each token");
        assert_eq!(cls.len(), lengths.len() * d_model, "a vector for each text");
        Self { hidden, cls, lengths, d_model }
    }

    /// Width of vectors.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// The vectors that represent texts, before the pooler: `[texts, d_model]`.
    pub fn cls(&self) -> &[f32] {
        &self.cls
    }

    /// The vectors of each text's tokens, `[tokens, d_model]`.
    pub fn texts(&self) -> impl Iterator<Item = &[f32]> {
        let mut first = 0;
        self.lengths.iter().map(move |&len| {
            let text = &self.hidden[first * self.d_model..][..len * self.d_model];
            first += len;
            text
        })
    }
}
