//! Sound as models read it, and the words of it.

use crate::{Batch, NextToken, TokenMatrix};

/// Spectrograms of one size: `[rows, frames, bins]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrograms {
    values: Vec<f32>,
    shape: [usize; 3],
    n_heard: Vec<usize>,
}

impl Spectrograms {
    /// Spectrograms of `n_frames` frames of `n_bins` values each, row after row.
    ///
    /// # Panics
    /// If the values are not those of whole rows.
    pub fn new(values: Vec<f32>, [n_frames, n_bins]: [usize; 2]) -> Self {
        let per_row = n_frames * n_bins;
        assert!(per_row > 0 && values.len().is_multiple_of(per_row), "whole spectrograms of {n_frames} × {n_bins}");
        let n_rows = values.len() / per_row;
        Self { values, shape: [n_rows, n_frames, n_bins], n_heard: vec![n_frames; n_rows] }
    }

    /// These, of recordings that are shorter: each has so many frames, and silence fills the rest.
    ///
    /// # Panics
    /// If there is not a number for each row, or one is larger than the number of frames.
    #[must_use]
    pub fn with_heard(self, n_heard: Vec<usize>) -> Self {
        let [n_rows, n_frames, _] = self.shape;
        assert!(
            n_heard.len() == n_rows && n_heard.iter().all(|&n| n <= n_frames),
            "frames of each of {n_rows} recordings"
        );
        Self { n_heard, ..self }
    }

    /// Frames of each recording, those that only fill its row left out.
    pub fn n_heard(&self) -> &[usize] {
        &self.n_heard
    }

    /// All values: `[rows · frames · bins]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// `[rows, frames, bins]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of recordings.
    pub fn n_rows(&self) -> usize {
        self.shape[0]
    }
}

/// A [`NextToken`] model each of whose rows starts from a recording.
pub trait SpeechRecognizer: NextToken {
    /// Listens to recordings; the state has a row for each.
    ///
    /// # Panics
    /// If the spectrograms have another number of bins than the model reads, or more frames than it has positions for.
    fn listen(&self, sound: &Spectrograms) -> Self::State;
}

/// Recordings and what is said in them.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechBatch {
    /// The recordings.
    pub sound: Spectrograms,
    /// What is said, each row a prompt, the words and an end; the decoder reads all but the last column and predicts all
    /// but the prompt: `[rows, tgt + 1]`.
    pub target: TokenMatrix,
    /// Tokens of the prompt, one at least, which are read and not predicted.
    pub n_prompt: usize,
    /// Index of each recording in its corpus, from 0.
    pub indices: Vec<u64>,
}

impl Batch for SpeechBatch {
    fn n_rows(&self) -> usize {
        self.target.n_rows()
    }

    fn n_targets(&self) -> usize {
        self.target.lengths().iter().map(|n| n.saturating_sub(self.n_prompt)).sum()
    }

    fn indices(&self) -> &[u64] {
        &self.indices
    }
}
