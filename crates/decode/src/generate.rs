//! Continuing a text, a token at a time.

use std::ops::ControlFlow;

use attentive_core::{LanguageModel, TokenId};
use burn::tensor::{Int, Tensor, TensorData};

use crate::{DecodeError, SamplingConfig};

/// What to continue, and how far.
#[derive(Debug, Clone, Copy)]
pub struct GenerateRequest<'a> {
    /// The text so far; one token at least.
    pub prompt: &'a [TokenId],
    /// How many tokens may follow.
    pub max_tokens: usize,
    /// The id that ends the text, if the vocabulary has one; it is not handed out.
    pub end: Option<TokenId>,
    /// Ids that are never drawn.
    pub suppressed: &'a [TokenId],
}

/// One token that was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: TokenId,
    /// What the model gave it, in nats, before temperature and filters.
    pub log_prob: f64,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The model ended it.
    ByModel,
    /// It has as many tokens as were asked for.
    ByLength,
    /// `on_token` wanted no more.
    ByCaller,
}

/// Continues a text by drawing one token after another, each of which is handed to `on_token` as it comes.
///
/// Where the model has positions for `max_len` tokens only, it reads the last half of them anew each time that they are
/// used up, and goes on.
///
/// # Errors
/// [`DecodeError`], where the settings or the request are at odds with themselves or with the model, or the device
/// fails.
///
/// # Panics
/// If the model breaks the contract of [`NextToken`](attentive_core::NextToken).
pub fn generate<M: LanguageModel>(
    model: &M,
    request: &GenerateRequest<'_>,
    config: &SamplingConfig,
    mut on_token: impl FnMut(Drawn) -> ControlFlow<()>,
) -> Result<Ended, DecodeError> {
    config.validate()?;
    let vocab_size = model.vocab_size();
    if request.prompt.is_empty() {
        return Err(DecodeError::EmptyPrompt);
    }
    if let Some(&id) = request.prompt.iter().find(|&&id| id as usize >= vocab_size) {
        return Err(DecodeError::UnknownToken { id, vocab_size });
    }
    let device = model.device();
    let max_len = model.max_len().unwrap_or(usize::MAX);
    let mut text = request.prompt.to_vec();
    let mut state = model.start(1);
    let (mut n_read, mut n_held) = (0, 0);
    for step in 0..request.max_tokens {
        if n_held + text.len() - n_read > max_len {
            state = model.start(1);
            (n_read, n_held) = (text.len() - max_len.div_ceil(2), 0);
        }
        let new: Vec<i64> = text[n_read..].iter().map(|&id| id.into()).collect();
        let shape = [1, new.len()];
        (n_read, n_held) = (text.len(), n_held + new.len());
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(new, shape), &device);
        let log_probs = model.advance(tokens, &mut state).try_into_vec_as::<f32>()?;
        let left = config.distribution(&log_probs, &text, request.suppressed);
        if left.is_empty() {
            return Err(DecodeError::NothingFollows { n_tokens: text.len() });
        }
        let token = config.draw(&left, step as u64);
        if Some(token) == request.end {
            return Ok(Ended::ByModel);
        }
        text.push(token);
        if on_token(Drawn { token, log_prob: log_probs[token as usize].into() }).is_break() {
            return Ok(Ended::ByCaller);
        }
    }
    Ok(Ended::ByLength)
}
