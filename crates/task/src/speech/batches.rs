//! Batches of recordings.

use std::sync::Arc;

use attentive_core::{Dropout, Epochs, Spectrograms, SpeechBatch, TokenId, TokenMatrix};
use attentive_data::{derived_seed, permutation, seeded_rng};
use attentive_speech::{LogMel, MORSE_ALPHABET, SpecAugment};
use attentive_tokenizer::Tokenizer;
use rayon::prelude::*;

use super::RecordingPart;
use crate::Result;

/// Cuts recordings into batches of some rows, in an order drawn for each epoch; what is hidden of them is drawn for each epoch,
/// too. All is a function of the seed and the epoch.
#[derive(Clone)]
pub(super) struct Batches {
    pub(super) part: Arc<RecordingPart>,
    pub(super) log_mel: LogMel,
    pub(super) tokenizer: Arc<dyn Tokenizer>,
    pub(super) frame: Frame,
    pub(super) rows: usize,
    pub(super) seed: u64,
    pub(super) augment: SpecAugment,
    /// Tokens that a text may have, with its frame.
    pub(super) max_len: usize,
}

/// The tokens around what is said.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) prompt: Vec<TokenId>,
    pub(super) end: TokenId,
    pub(super) pad: TokenId,
}

impl Batches {
    /// The recordings `examples` of an epoch together.
    fn together(&self, epoch: u64, examples: &[u32]) -> Result<SpeechBatch> {
        let config = self.log_mel.config();
        let example = |&idx: &u32| {
            let pass = Dropout::new(derived_seed(self.seed, &format!("augment {idx}"), epoch));
            let speed = self.augment.speed(&pass);
            let (window, text) = self.part.example(epoch, idx as usize, speed, &self.log_mel)?;
            let mut frames = window.frames.clone();
            self.augment.apply(&mut frames, config.n_mels, &pass);
            Ok::<_, crate::Error>(((frames, window.n_heard), self.target(&text)?))
        };
        let made = examples.par_iter().map(example).collect::<Result<Vec<_>>>()?;
        let (sound, targets): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        let (frames, n_heard): (Vec<_>, Vec<_>) = sound.into_iter().unzip();
        Ok(SpeechBatch {
            sound: Spectrograms::new(frames.concat(), [config.n_frames(), config.n_mels]).with_heard(n_heard),
            target: TokenMatrix::from_rows(&targets, self.frame.pad, 0),
            n_prompt: self.frame.prompt.len(),
            indices: examples.iter().map(|&idx| u64::from(idx)).collect(),
        })
    }

    /// The ids of what is said, in their frame.
    fn target(&self, text: &str) -> Result<Vec<TokenId>> {
        let ids = self.tokenizer.encode(text);
        let target = [&self.frame.prompt, &ids[..], &[self.frame.end]].concat();
        if target.len() > self.max_len + 1 {
            refuse!(
                "model.max_target_len = {} is too short for {text:?}, which has {} tokens with its frame: raise it, or leave \
                 the recording out; a pretrained model keeps its own",
                self.max_len,
                target.len() - 1
            );
        }
        Ok(target)
    }

    /// Holds every text that is known against the model's positions, and the longest that may come.
    pub(super) fn check(&self) -> Result<()> {
        self.part.texts.iter().try_for_each(|text| self.target(text).map(drop))?;
        let Some(n_characters) = self.part.longest_to_come() else { return Ok(()) };
        let n_tokens = |(letter, _): &(char, &str)| self.tokenizer.encode(&letter.to_string()).len();
        let of_letter = MORSE_ALPHABET.iter().map(n_tokens).max().unwrap_or(1);
        let n = self.frame.prompt.len() + n_characters * of_letter;
        if n > self.max_len {
            refuse!(
                "model.max_target_len = {} is too short for the longest Morse code of a later epoch, which may have {n} tokens \
                 with its frame: raise it, or set data.examples, so that epochs have the same",
                self.max_len
            );
        }
        Ok(())
    }

    /// Tokens of the longest text that is known, with its frame.
    pub(super) fn longest(&self) -> usize {
        let lengths =
            self.part.texts.iter().map(|text| self.tokenizer.encode(text).len() + self.frame.prompt.len() + 1);
        lengths.max().unwrap_or(2).min(self.max_len + 1)
    }
}

impl Epochs for Batches {
    type Batch = SpeechBatch;
    type Order = (u64, Vec<u32>);
    type Error = crate::Error;

    fn lay_out(&self, epoch: u64) -> Result<Self::Order> {
        let n = self.part.len() as u32;
        Ok((epoch, permutation(n, &mut seeded_rng(self.seed, "recordings", epoch))))
    }

    fn len(&self, (_, order): &Self::Order) -> u64 {
        order.len().div_ceil(self.rows) as u64
    }

    fn batch(&self, (epoch, order): &Self::Order, batch_idx: u64) -> Result<SpeechBatch> {
        let first = batch_idx as usize * self.rows;
        self.together(*epoch, &order[first..(first + self.rows).min(order.len())])
    }
}
