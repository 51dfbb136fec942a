//! A text in; guesses, vectors or a class out.

use std::{fmt, ops::Range, sync::Arc};

use attentive_core::{FrameIds, TokenId, TokenMatrix};
use attentive_model::{EncoderModel, EncoderSpec, Encoding, FamilyVisitor, ModelSpec, Role};
use attentive_tokenizer::Tokenizer;
use burn::tensor::{Device, Tensor, activation::softmax};

use crate::{Bundle, BundleError, Dense, EmbeddingConfig, EncodeError, Input, embedding::unit, translator::at_most};

/// Marks of a hidden word in a text, whatever the vocabulary's own mask is called.
pub(crate) const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// Tokens that frame a text.
const FRAME: usize = 2;

/// Candidates that may be asked for.
const MAX_CANDIDATES: usize = 1024;

/// Holds a number of candidates against its limit.
pub(crate) fn at_most_candidates(k: usize) -> Result<(), EncodeError> {
    Ok(at_most("top_k", k, MAX_CANDIDATES, "at most 1024")?)
}

/// A guess of a hidden word: a token, or as many characters as there are masks side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it would say.
    pub text: String,
    /// How probable the model takes it to be.
    pub probability: f64,
}

/// The class of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Its name.
    pub label: String,
    /// How probable the model takes it to be.
    pub probability: f64,
}

/// Reads texts with an encoder and its tokenizer.
pub struct TextEncoder {
    model: Box<dyn EncoderModel>,
    labels: Vec<String>,
    tokenizer: Arc<dyn Tokenizer>,
    ids: FrameIds,
    dense: Vec<Dense>,
}

/// The ids that frame a text, `[CLS]` and `[SEP]` or `<s>` and `</s>`, and the mask.
///
/// # Errors
/// [`BundleError::NoFrame`] if the vocabulary lacks one of them.
pub fn frame_ids(tokenizer: &dyn Tokenizer) -> Result<FrameIds, BundleError> {
    let specials = tokenizer.specials();
    let need = |id: Option<TokenId>, role| id.ok_or(BundleError::NoFrame { role });
    Ok(FrameIds {
        pad: need(specials.pad, "padding")?,
        begin: need(specials.cls.or(specials.bos), "beginning")?,
        end: need(specials.sep.or(specials.eos), "ending")?,
        mask: need(specials.mask, "mask")?,
    })
}

impl TextEncoder {
    /// A bundle's encoder on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, or it is of another family.
    pub fn from_bundle(bundle: &Bundle, device: &Device) -> Result<Self, BundleError> {
        Ok(Self { dense: bundle.dense.clone(), ..bundle.model.visit(Reading { bundle, device })? })
    }

    /// An encoder that was trained with `tokenizer`, and the names of its classes.
    ///
    /// # Errors
    /// [`BundleError::NoFrame`].
    pub fn new(
        model: impl EncoderModel + 'static,
        labels: Vec<String>,
        tokenizer: Arc<dyn Tokenizer>,
    ) -> Result<Self, BundleError> {
        let ids = frame_ids(&*tokenizer)?;
        Ok(Self { model: Box::new(model), labels, tokenizer, ids, dense: Vec::new() })
    }

    /// The `k` most probable tokens for each `[MASK]` (or `<mask>`) of `text`, best first.
    ///
    /// Where the model guesses characters, masks side by side are one word, of as many characters.
    ///
    /// # Errors
    /// [`EncodeError`] if nothing is masked, the model guesses no tokens, or the text is too long.
    pub fn fill<'a>(&self, text: impl Into<Input<'a>>, k: usize) -> Result<Vec<Vec<Candidate>>, EncodeError> {
        at_most_candidates(k)?;
        let input = text.into();
        let row = self.row(input, self.encode_masked(input.text))?;
        let places: Vec<u32> =
            (0..).zip(row.row(0)).filter(|&(_, &id)| id == self.ids.mask).map(|(at, _)| at).collect();
        if places.is_empty() {
            return Err(EncodeError::NoMask);
        }
        let scores = self.model.token_scores(self.read(&row).at(&places));
        let logits = scores.ok_or(EncodeError::NoHead { does: "guesses hidden tokens" })?.logits();
        let [_, n_classes] = logits.dims();
        let probabilities = values(softmax(logits, 1));
        let of_place = |probabilities: &[f32]| {
            let has_token = |&class: &usize| self.model.token_of(class as u32) < self.tokenizer.vocab_size() as TokenId;
            let mut order: Vec<usize> = (0..probabilities.len()).filter(has_token).collect();
            order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
            let candidate = |class: usize| Candidate {
                text: self.text(self.model.token_of(class as u32)),
                probability: f64::from(probabilities[class]),
            };
            order.into_iter().take(k).map(candidate).collect()
        };
        let of_places: Vec<Vec<Candidate>> = probabilities.chunks(n_classes).map(of_place).collect();
        if self.model.alphabet().is_none() {
            return Ok(of_places);
        }
        let mut of_places = of_places.into_iter();
        let words = places.chunk_by(|a, b| a + 1 == *b);
        Ok(words.map(|word| likeliest_words(of_places.by_ref().take(word.len()), k)).collect())
    }

    /// One vector for `text`.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] where neither `how` nor the input cuts long texts, or the model has fewer positions than
    /// `how` reads; [`EncodeError::Width`] where what is pooled does not go through a dense layer.
    pub fn embed<'a>(&self, text: impl Into<Input<'a>>, how: &EmbeddingConfig) -> Result<Vec<f32>, EncodeError> {
        let input = text.into();
        let encode = |text: &str| match how.lowercase {
            true => self.tokenizer.encode(&text.to_lowercase()),
            false => self.tokenizer.encode(text),
        };
        let prompt = how.prompt_text();
        let longest = how.max_len.map_or(usize::MAX, |max_len| max_len.saturating_sub(FRAME));
        // A prompt is cut as a text is; where it fills the row, the end of the frame alone is pooled.
        let n_prompt = if prompt.is_empty() { 0 } else { encode(prompt).len().min(longest) };
        let mut ids = encode(&format!("{prompt}{}", input.text));
        ids.truncate(longest);
        let Encoding { hidden, .. } = self.read(&self.row(input, ids)?);
        let [_, _, d_model] = hidden.dims();
        let mut vector = how.pool(&values(hidden), d_model, n_prompt);
        for (n, &activation) in how.dense.iter().enumerate() {
            let layer = self.dense.get(n).ok_or(EncodeError::NoHead { does: "makes vectors of texts" })?;
            let [expected, _] = layer.widths();
            if vector.len() != expected {
                return Err(EncodeError::Width { expected, found: vector.len() });
            }
            vector = layer.apply(&vector, activation);
        }
        Ok(if how.normalize { unit(vector) } else { vector })
    }

    /// A vector for each place of `word` in `text`, whatever its case: the mean over its tokens, in context.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`].
    pub fn embed_word<'a>(&self, text: impl Into<Input<'a>>, word: &str) -> Result<Vec<Vec<f32>>, EncodeError> {
        let input = text.into();
        let text = input.text;
        let (ids, mut spans): (Vec<TokenId>, Vec<Range<usize>>) =
            self.tokenizer.encode_with_offsets(text).into_iter().unzip();
        let row = self.row(input, ids)?;
        spans.truncate(row.n_cols() - FRAME);
        let encoding = self.read(&row);
        let places = words(text).filter(|place| text[place.clone()].to_lowercase() == word.to_lowercase());
        let vectors = places.filter_map(|place| {
            let meets = |span: &Range<usize>| span.start < place.end && place.start < span.end;
            let tokens: Vec<u32> = (1..).zip(&spans).filter(|(_, span)| meets(span)).map(|(at, _)| at).collect();
            (!tokens.is_empty()).then(|| values(encoding.at(&tokens).mean_dim(0)))
        });
        Ok(vectors.collect())
    }

    /// Every class with its probability, the most probable first.
    ///
    /// # Errors
    /// [`EncodeError`] if the model has no classes, or the text is too long.
    pub fn classify<'a>(&self, text: impl Into<Input<'a>>) -> Result<Vec<Class>, EncodeError> {
        let input = text.into();
        let row = self.row(input, self.tokenizer.encode(input.text))?;
        let scores = self.model.label_scores(&self.read(&row), None);
        let logits = scores.ok_or(EncodeError::NoHead { does: "tells classes" })?;
        let probabilities = values(softmax(logits, 1));
        let class = |(label, p): (&String, f32)| Class { label: label.clone(), probability: f64::from(p) };
        let mut classes: Vec<Class> = self.labels.iter().zip(probabilities).map(class).collect();
        classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Ok(classes)
    }

    /// Tokens of a text, whose marks become the mask; white space beside a mark belongs to it where the vocabulary says so.
    fn encode_masked(&self, text: &str) -> Vec<TokenId> {
        let text = text.replace(MASKS[1], MASKS[0]);
        let mask = self.tokenizer.added_tokens().into_iter().find(|token| token.id == self.ids.mask);
        let (takes_before, takes_after) = mask.map_or((false, false), |mask| (mask.lstrip, mask.rstrip));
        let mut parts = text.split(MASKS[0]).enumerate().peekable();
        let mut ids = Vec::new();
        while let Some((idx, mut part)) = parts.next() {
            let is_last = parts.peek().is_none();
            if takes_before && !is_last {
                part = part.trim_end();
            }
            if takes_after && idx > 0 {
                part = part.trim_start();
            }
            ids.extend(self.tokenizer.encode(part));
            ids.extend((!is_last).then_some(self.ids.mask));
        }
        ids
    }

    /// A text's tokens, framed.
    fn row(&self, text: Input<'_>, ids: Vec<TokenId>) -> Result<TokenMatrix, EncodeError> {
        let mut ids = text.fit(ids, FRAME, self.model.max_len())?;
        ids.insert(0, self.ids.begin);
        ids.push(self.ids.end);
        Ok(TokenMatrix::from_rows(&[ids], self.ids.pad, 0))
    }

    fn read(&self, row: &TokenMatrix) -> Encoding {
        self.model.encode(row, &vec![0; row.n_cols()], None)
    }

    /// What a token says; its entry in the vocabulary where it says nothing by itself.
    fn text(&self, id: TokenId) -> String {
        match self.tokenizer.decode(&[id]) {
            Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
            _ => self.tokenizer.token(id).map(std::borrow::Cow::into_owned).unwrap_or_default(),
        }
    }
}

/// A bundle's encoder on its way to a device.
struct Reading<'a> {
    bundle: &'a Bundle,
    device: &'a Device,
}

impl FamilyVisitor for Reading<'_> {
    type Output = Result<TextEncoder, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::Encoder))
    }

    fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
        let model = self.bundle.model::<C>(self.device)?;
        TextEncoder::new(model, spec.labels().to_vec(), self.bundle.tokenizer()?.clone())
    }
}

/// The `k` most probable words of characters that are guessed each by itself, best first.
fn likeliest_words(characters: impl Iterator<Item = Vec<Candidate>>, k: usize) -> Vec<Candidate> {
    let empty = vec![Candidate { text: String::new(), probability: 1.0 }];
    characters.fold(empty, |words, characters| {
        let longer = |word: &Candidate| {
            let (text, probability) = (word.text.clone(), word.probability);
            characters.clone().into_iter().map(move |character| Candidate {
                text: format!("{text}{}", character.text),
                probability: probability * character.probability,
            })
        };
        let mut longer: Vec<Candidate> = words.iter().flat_map(longer).collect();
        longer.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        longer.truncate(k);
        longer
    })
}

/// The places of words of letters and digits.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split(|c: char| !c.is_alphanumeric()).filter_map(move |word| {
        let start = at;
        at += word.len() + text[at + word.len()..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then(|| start..start + word.len())
    })
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32")
}

impl fmt::Debug for TextEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextEncoder")
            .field("labels", &self.labels)
            .field("vocab_size", &self.tokenizer.vocab_size())
            .finish_non_exhaustive()
    }
}
