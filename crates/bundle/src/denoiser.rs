//! A text with hidden tokens in; guesses for each out, of a model that learnt to write damaged texts again.

use std::{fmt, sync::Arc};

use attentive_core::{EncoderDecoder, TokenId, TokenMatrix};
use attentive_tokenizer::{Frame, Tokenizer};
use burn::tensor::Device;

use crate::{
    Bundle, BundleError, Candidate, EncodeError, Input, Params, TranslationModel, WeightFormat,
    text_encoder::{at_most_candidates, encode_masked, text_of},
};

/// Guesses hidden tokens with an encoder–decoder that learnt to write whole texts again: BART, mBART (Lewis et al. 2020, §2).
///
/// The encoder reads all of a text, the decoder what stands before the mask: its next token is the guess.
pub struct Denoiser<M> {
    model: M,
    tokenizer: Arc<dyn Tokenizer>,
    mask: TokenId,
    source: Frame,
    /// What the decoder reads first.
    begin: TokenId,
}

impl Denoiser<TranslationModel> {
    /// A bundle's model on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, it is of another family, its vocabulary has no mask, or the language of
    /// texts has to be said.
    pub fn from_bundle(
        bundle: &Bundle<impl Params>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, BundleError> {
        let model = bundle.translation_model(device, precision)?;
        Self::new(model, bundle.tokenizer()?.clone())
    }
}

impl<M: EncoderDecoder> Denoiser<M> {
    /// A model that was trained with `tokenizer`.
    ///
    /// # Errors
    /// [`BundleError::NoSentinels`] without a mask; [`BundleError::NoSpecial`]; [`BundleError::Frame`].
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>) -> Result<Self, BundleError> {
        let need = |id: Option<TokenId>, role| id.ok_or(BundleError::NoSpecial { role });
        let mask = tokenizer.specials().mask.ok_or(BundleError::NoSentinels)?;
        let framing = tokenizer.framing();
        let source = match framing {
            Some(framing) => framing.of_source(None)?,
            None => Frame { after: vec![need(tokenizer.specials().end(), "end-of-sentence")?], ..Frame::default() },
        };
        // The text in its own language: mBART's decoder begins with the code that ends the source.
        let begin = framing.and_then(|framing| framing.begin).or(source.after.last().copied());
        let begin = need(begin, "begin-of-sentence")?;
        Ok(Self { model, tokenizer, mask, source, begin })
    }

    /// The `k` most probable tokens for each `[MASK]` (or `<mask>`) of `text`, best first.
    ///
    /// # Errors
    /// [`EncodeError`] if nothing is masked, the text is too long, or the device fails.
    pub fn fill<'a>(&self, text: impl Into<Input<'a>>, k: usize) -> Result<Vec<Vec<Candidate>>, EncodeError> {
        at_most_candidates(k)?;
        let (input, Frame { before, after, .. }) = (text.into(), &self.source);
        let ids = encode_masked(&*self.tokenizer, self.mask, input.text);
        let ids = input.fit(ids, before.len() + after.len(), self.model.max_len())?;
        let source = [before, &ids[..], after].concat();
        let Some(last) = source.iter().rposition(|&id| id == self.mask) else { return Err(EncodeError::NoMask) };
        let mut state = self.model.start(&TokenMatrix::from_rows(&[&source], 0, 0));
        let mut filled = Vec::new();
        let read = [self.begin].into_iter().chain(source.iter().copied());
        for (read, &written) in read.zip(&source[..=last]) {
            let log_probs = self.model.log_probs(&[read], &mut state)?;
            if written == self.mask {
                filled.push(self.best(&log_probs, k));
            }
        }
        Ok(filled)
    }

    fn best(&self, log_probs: &[f32], k: usize) -> Vec<Candidate> {
        let mut order: Vec<usize> = (0..log_probs.len().min(self.tokenizer.vocab_size())).collect();
        order.sort_by(|&a, &b| log_probs[b].total_cmp(&log_probs[a]));
        let candidate = |id: usize| Candidate {
            text: text_of(&*self.tokenizer, id as TokenId),
            probability: f64::from(log_probs[id]).exp(),
        };
        order.into_iter().take(k).map(candidate).collect()
    }
}

impl<M: fmt::Debug> fmt::Debug for Denoiser<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denoiser").field("model", &self.model).field("source", &self.source).finish_non_exhaustive()
    }
}
