//! Training text that is segmented anew in every epoch.

use std::error::Error;

use anyhow::Result;
use attentive_core::{Position, TranslationBatch};
use attentive_data::{Batcher, Batches};
use attentive_trainer::BatchStream;

/// Subword regularisation: each epoch's batches are of another segmentation of the same text.
///
/// The segmentation is a function of seed, epoch and text, so that a position resumes it.
/// Source: Kudo 2018, "Subword Regularization"; Provilkov et al. 2020, "BPE-Dropout".
pub(super) struct SampledStream<'a> {
    /// The batches of an epoch.
    sample: Box<dyn Fn(u64) -> Result<Batcher> + 'a>,
    position: Position,
    /// Those of the epoch that is at hand.
    batches: Option<(u64, Batches)>,
}

impl<'a> SampledStream<'a> {
    pub(super) fn new(sample: impl Fn(u64) -> Result<Batcher> + 'a) -> Self {
        Self { sample: Box::new(sample), position: Position::START, batches: None }
    }
}

impl BatchStream for SampledStream<'_> {
    type Batch = TranslationBatch;

    fn next_batch(&mut self) -> Result<TranslationBatch, Box<dyn Error + Send + Sync>> {
        let epoch = self.position.epoch;
        if self.batches.as_ref().is_none_or(|(at_hand, _)| *at_hand != epoch) {
            self.batches = None; // one epoch in memory is enough
            self.batches = Some((epoch, (self.sample)(epoch)?.batches(self.position)));
        }
        let (_, batches) = self.batches.as_mut().expect("this epoch's");
        let batch = batches.next().expect("an endless stream")?;
        self.position = Batches::position(batches);
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.position
    }

    fn seek(&mut self, position: Position) -> Result<(), Box<dyn Error + Send + Sync>> {
        (self.position, self.batches) = (position, None);
        Ok(())
    }
}
